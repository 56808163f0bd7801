
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_json_text.h"
#include "ngx_llmops_jtok.h"


/*
 * A state machine over bytes.  The scanner of wire/ finds members of an
 * outermost object; here each value is of interest, whatever is outermost,
 * and strings are decoded: a rule must see "\u0061" as "a".
 *
 * Every function that handles a byte returns NGX_OK, NGX_AGAIN if the byte is
 * to be looked at again in the new state, or NGX_DECLINED.
 */


typedef enum {
    NGX_LLMOPS_JTOK_S_VALUE = 0,
    NGX_LLMOPS_JTOK_S_FIRST_VALUE,         /* after "[" */
    NGX_LLMOPS_JTOK_S_FIRST_KEY,           /* after "{" */
    NGX_LLMOPS_JTOK_S_KEY,
    NGX_LLMOPS_JTOK_S_COLON,
    NGX_LLMOPS_JTOK_S_AFTER,
    NGX_LLMOPS_JTOK_S_END,
    NGX_LLMOPS_JTOK_S_STRING,
    NGX_LLMOPS_JTOK_S_ESCAPE,
    NGX_LLMOPS_JTOK_S_HEX,
    NGX_LLMOPS_JTOK_S_PAIR,                /* "\" of the second half */
    NGX_LLMOPS_JTOK_S_PAIR_U,
    NGX_LLMOPS_JTOK_S_UTF8,
    NGX_LLMOPS_JTOK_S_NUMBER,
    NGX_LLMOPS_JTOK_S_LITERAL
} ngx_llmops_jtok_state_e;


/* what a number's last byte was */

typedef enum {
    NGX_LLMOPS_JTOK_N_MINUS = 0,
    NGX_LLMOPS_JTOK_N_ZERO,
    NGX_LLMOPS_JTOK_N_INT,
    NGX_LLMOPS_JTOK_N_POINT,
    NGX_LLMOPS_JTOK_N_FRAC,
    NGX_LLMOPS_JTOK_N_EXP,
    NGX_LLMOPS_JTOK_N_SIGN,
    NGX_LLMOPS_JTOK_N_EXP_INT
} ngx_llmops_jtok_number_e;


#define ngx_llmops_jtok_space(c)                                              \
    ((c) == ' ' || (c) == LF || (c) == CR || (c) == '\t')

#define ngx_llmops_jtok_in_object(t)                                          \
    ((t)->object[((t)->depth - 1) / 8] & (1 << ((t)->depth - 1) % 8))


static ngx_int_t ngx_llmops_jtok_byte(ngx_llmops_jtok_t *t, u_char c);
static ngx_int_t ngx_llmops_jtok_value(ngx_llmops_jtok_t *t, u_char c);
static ngx_int_t ngx_llmops_jtok_open(ngx_llmops_jtok_t *t, u_char c);
static ngx_int_t ngx_llmops_jtok_close(ngx_llmops_jtok_t *t, u_char c);
static ngx_int_t ngx_llmops_jtok_after(ngx_llmops_jtok_t *t, u_char c);
static ngx_int_t ngx_llmops_jtok_end(ngx_llmops_jtok_t *t,
    ngx_llmops_jtok_type_e type);
static ngx_int_t ngx_llmops_jtok_string(ngx_llmops_jtok_t *t, u_char c);
static ngx_int_t ngx_llmops_jtok_quote(ngx_llmops_jtok_t *t);
static ngx_int_t ngx_llmops_jtok_escape(ngx_llmops_jtok_t *t, u_char c);
static ngx_int_t ngx_llmops_jtok_hex(ngx_llmops_jtok_t *t, u_char c);
static ngx_int_t ngx_llmops_jtok_char(ngx_llmops_jtok_t *t, uint32_t cp);
static ngx_int_t ngx_llmops_jtok_utf8(ngx_llmops_jtok_t *t, u_char c);
static ngx_int_t ngx_llmops_jtok_number(ngx_llmops_jtok_t *t, u_char c);
static ngx_int_t ngx_llmops_jtok_number_next(ngx_uint_t state, u_char c);
static ngx_int_t ngx_llmops_jtok_literal(ngx_llmops_jtok_t *t, u_char c);
static ngx_int_t ngx_llmops_jtok_keep(ngx_llmops_jtok_t *t, const u_char *p,
    size_t len);
static const u_char *ngx_llmops_jtok_plain(ngx_llmops_jtok_t *t,
    const u_char *p, const u_char *last);
static ngx_int_t ngx_llmops_jtok_count(ngx_llmops_jtok_t *t, size_t n);
static ngx_int_t ngx_llmops_jtok_fail(ngx_llmops_jtok_t *t,
    ngx_llmops_jtok_error_e error);


void
ngx_llmops_jtok_init(ngx_llmops_jtok_t *t,
    const ngx_llmops_jtok_listener_t *listener, void *data)
{
    ngx_llmops_out_t  text;

    text = t->text;
    ngx_memzero(t, sizeof(ngx_llmops_jtok_t));

    t->text = text;
    t->text.max = NGX_LLMOPS_JTOK_MAX_TEXT;
    ngx_llmops_out_reset(&t->text);

    t->listener = listener;
    t->data = data;
}


void
ngx_llmops_jtok_free(ngx_llmops_jtok_t *t)
{
    ngx_llmops_out_free(&t->text);
}


ngx_int_t
ngx_llmops_jtok_feed(ngx_llmops_jtok_t *t, const u_char *p, size_t len)
{
    ngx_int_t      rc;
    const u_char  *last, *from;

    if (t->error) {
        return NGX_DECLINED;
    }

    if (len == 0) {
        return NGX_OK;                  /* p may be NULL */
    }

    last = p + len;

    while (p < last) {

        if (t->state == NGX_LLMOPS_JTOK_S_STRING) {
            from = p;
            p = ngx_llmops_jtok_plain(t, p, last);

            if (p == NULL) {
                return NGX_DECLINED;
            }

            t->offset += p - from;

            if (p > from) {
                continue;
            }
        }

        do {
            rc = ngx_llmops_jtok_byte(t, *p);
        } while (rc == NGX_AGAIN);

        if (rc != NGX_OK) {
            return NGX_DECLINED;
        }

        p++;
        t->offset++;
    }

    return NGX_OK;
}


ngx_int_t
ngx_llmops_jtok_finish(ngx_llmops_jtok_t *t)
{
    if (t->error) {
        return NGX_DECLINED;
    }

    if (t->state == NGX_LLMOPS_JTOK_S_NUMBER && t->depth == 0
        && ngx_llmops_jtok_number(t, ' ') == NGX_DECLINED)
    {
        if (t->error != NGX_LLMOPS_JTOK_REFUSED) {
            t->error = NGX_LLMOPS_JTOK_TRUNCATED;
        }

        return NGX_DECLINED;
    }

    return t->state == NGX_LLMOPS_JTOK_S_END
           ? NGX_OK : ngx_llmops_jtok_fail(t, NGX_LLMOPS_JTOK_TRUNCATED);
}


ngx_uint_t
ngx_llmops_jtok_complete(ngx_llmops_jtok_t *t)
{
    return t->state == NGX_LLMOPS_JTOK_S_END && !t->error;
}


static ngx_int_t
ngx_llmops_jtok_byte(ngx_llmops_jtok_t *t, u_char c)
{
    switch (t->state) {

    case NGX_LLMOPS_JTOK_S_STRING:
        return ngx_llmops_jtok_string(t, c);

    case NGX_LLMOPS_JTOK_S_ESCAPE:
        return ngx_llmops_jtok_escape(t, c);

    case NGX_LLMOPS_JTOK_S_HEX:
        return ngx_llmops_jtok_hex(t, c);

    case NGX_LLMOPS_JTOK_S_PAIR:
    case NGX_LLMOPS_JTOK_S_PAIR_U:

        if (c != (t->state == NGX_LLMOPS_JTOK_S_PAIR ? '\\' : 'u')) {
            return ngx_llmops_jtok_fail(t, NGX_LLMOPS_JTOK_UTF8);
        }

        t->state++;

        if (t->state > NGX_LLMOPS_JTOK_S_PAIR_U) {
            t->state = NGX_LLMOPS_JTOK_S_HEX;
            t->left = 4;
            t->unit = 0;
        }

        return NGX_OK;

    case NGX_LLMOPS_JTOK_S_UTF8:
        return ngx_llmops_jtok_utf8(t, c);

    case NGX_LLMOPS_JTOK_S_NUMBER:
        return ngx_llmops_jtok_number(t, c);

    case NGX_LLMOPS_JTOK_S_LITERAL:
        return ngx_llmops_jtok_literal(t, c);
    }

    if (ngx_llmops_jtok_space(c)) {
        return NGX_OK;
    }

    switch (t->state) {

    case NGX_LLMOPS_JTOK_S_FIRST_VALUE:

        if (c == ']') {
            return ngx_llmops_jtok_close(t, c);
        }

        /* fall through */

    case NGX_LLMOPS_JTOK_S_VALUE:
        return ngx_llmops_jtok_value(t, c);

    default:
        return ngx_llmops_jtok_after(t, c);
    }
}


static ngx_int_t
ngx_llmops_jtok_value(ngx_llmops_jtok_t *t, u_char c)
{
    t->want_text = 0;
    ngx_llmops_out_reset(&t->text);

    switch (c) {

    case '{':
    case '[':
        return ngx_llmops_jtok_open(t, c);

    case '"':
        t->chars = 0;
        t->max_chars = (size_t) -1;
        t->is_key = 0;
        t->type = NGX_LLMOPS_JTOK_STRING;
        t->state = NGX_LLMOPS_JTOK_S_STRING;
        break;

    case 'n':
        t->literal = "ull";
        t->type = NGX_LLMOPS_JTOK_NULL;
        t->state = NGX_LLMOPS_JTOK_S_LITERAL;
        break;

    case 'f':
        t->literal = "alse";
        t->type = NGX_LLMOPS_JTOK_FALSE;
        t->state = NGX_LLMOPS_JTOK_S_LITERAL;
        break;

    case 't':
        t->literal = "rue";
        t->type = NGX_LLMOPS_JTOK_TRUE;
        t->state = NGX_LLMOPS_JTOK_S_LITERAL;
        break;

    default:

        if (c != '-' && (c < '0' || c > '9')) {
            return ngx_llmops_jtok_fail(t, NGX_LLMOPS_JTOK_SYNTAX);
        }

        t->number = (c == '-') ? NGX_LLMOPS_JTOK_N_MINUS
                    : (c == '0') ? NGX_LLMOPS_JTOK_N_ZERO
                    : NGX_LLMOPS_JTOK_N_INT;
        t->type = NGX_LLMOPS_JTOK_NUMBER;
        t->state = NGX_LLMOPS_JTOK_S_NUMBER;

        if (ngx_llmops_jtok_keep(t, &c, 1) != NGX_OK) {
            return NGX_DECLINED;
        }
    }

    return t->listener->start(t->data, t->type) == NGX_OK
           ? NGX_OK : ngx_llmops_jtok_fail(t, NGX_LLMOPS_JTOK_REFUSED);
}


static ngx_int_t
ngx_llmops_jtok_open(ngx_llmops_jtok_t *t, u_char c)
{
    ngx_uint_t  bit;

    if (t->depth == NGX_LLMOPS_JTOK_MAX_DEPTH) {
        return ngx_llmops_jtok_fail(t, NGX_LLMOPS_JTOK_DEPTH);
    }

    bit = 1 << t->depth % 8;

    if (c == '{') {
        t->object[t->depth / 8] |= bit;
        t->state = NGX_LLMOPS_JTOK_S_FIRST_KEY;

    } else {
        t->object[t->depth / 8] &= ~bit;
        t->state = NGX_LLMOPS_JTOK_S_FIRST_VALUE;
    }

    t->depth++;

    return t->listener->start(t->data, c == '{' ? NGX_LLMOPS_JTOK_OBJECT
                                                : NGX_LLMOPS_JTOK_ARRAY)
           == NGX_OK
           ? NGX_OK : ngx_llmops_jtok_fail(t, NGX_LLMOPS_JTOK_REFUSED);
}


static ngx_int_t
ngx_llmops_jtok_close(ngx_llmops_jtok_t *t, u_char c)
{
    if (t->depth == 0
        || (c == '}') != (ngx_llmops_jtok_in_object(t) != 0))
    {
        return ngx_llmops_jtok_fail(t, NGX_LLMOPS_JTOK_SYNTAX);
    }

    t->depth--;

    return ngx_llmops_jtok_end(t, c == '}' ? NGX_LLMOPS_JTOK_OBJECT
                                           : NGX_LLMOPS_JTOK_ARRAY);
}


/* what is between values */

static ngx_int_t
ngx_llmops_jtok_after(ngx_llmops_jtok_t *t, u_char c)
{
    if (t->state == NGX_LLMOPS_JTOK_S_COLON && c == ':') {
        t->state = NGX_LLMOPS_JTOK_S_VALUE;
        return NGX_OK;
    }

    if ((t->state == NGX_LLMOPS_JTOK_S_KEY
         || t->state == NGX_LLMOPS_JTOK_S_FIRST_KEY)
        && c == '"')
    {
        t->is_key = 1;
        t->want_text = 1;
        t->state = NGX_LLMOPS_JTOK_S_STRING;
        ngx_llmops_out_reset(&t->text);
        return NGX_OK;
    }

    if (t->state == NGX_LLMOPS_JTOK_S_AFTER && c == ',') {
        t->state = ngx_llmops_jtok_in_object(t) ? NGX_LLMOPS_JTOK_S_KEY
                                                : NGX_LLMOPS_JTOK_S_VALUE;
        return NGX_OK;
    }

    if ((t->state == NGX_LLMOPS_JTOK_S_AFTER && (c == '}' || c == ']'))
        || (t->state == NGX_LLMOPS_JTOK_S_FIRST_KEY && c == '}'))
    {
        return ngx_llmops_jtok_close(t, c);
    }

    return ngx_llmops_jtok_fail(t, NGX_LLMOPS_JTOK_SYNTAX);
}


/* a value is complete */

static ngx_int_t
ngx_llmops_jtok_end(ngx_llmops_jtok_t *t, ngx_llmops_jtok_type_e type)
{
    ngx_str_t  text;

    text.data = t->text.data ? t->text.data : (u_char *) "";
    text.len = t->text.len;

    t->state = t->depth ? NGX_LLMOPS_JTOK_S_AFTER : NGX_LLMOPS_JTOK_S_END;

    return t->listener->end(t->data, type, &text, t->chars) == NGX_OK
           ? NGX_OK : ngx_llmops_jtok_fail(t, NGX_LLMOPS_JTOK_REFUSED);
}


/* the plain bytes of a string in one go; NULL on an error */

static const u_char *
ngx_llmops_jtok_plain(ngx_llmops_jtok_t *t, const u_char *p,
    const u_char *last)
{
    size_t  n;

    n = ngx_llmops_json_plain(p, last) - p;

    if (n == 0) {
        return p;
    }

    if (!t->is_key && t->chars <= t->max_chars
        && n - 1 > t->max_chars - t->chars)
    {
        n = t->max_chars - t->chars + 1;
    }

    if (ngx_llmops_jtok_keep(t, p, n) != NGX_OK) {
        return NULL;
    }

    /* the offset is that of the character that is one too many */

    t->offset += n - 1;

    if (ngx_llmops_jtok_count(t, n) != NGX_OK) {
        return NULL;
    }

    t->offset -= n - 1;

    return p + n;
}


static ngx_int_t
ngx_llmops_jtok_count(ngx_llmops_jtok_t *t, size_t n)
{
    t->chars += n;

    if (t->is_key || t->chars <= t->max_chars
        || t->listener->over(t->data, t->chars) == NGX_OK)
    {
        return NGX_OK;
    }

    return ngx_llmops_jtok_fail(t, NGX_LLMOPS_JTOK_REFUSED);
}


static ngx_int_t
ngx_llmops_jtok_string(ngx_llmops_jtok_t *t, u_char c)
{
    ngx_llmops_utf8_lead_t  lead;

    if (c == '"') {
        return ngx_llmops_jtok_quote(t);
    }

    if (c == '\\') {
        t->state = NGX_LLMOPS_JTOK_S_ESCAPE;
        return NGX_OK;
    }

    if (c < 0x80) {
        return ngx_llmops_jtok_fail(t, NGX_LLMOPS_JTOK_SYNTAX);
    }

    lead = ngx_llmops_utf8_lead(c);

    if (lead.more == 0) {
        return ngx_llmops_jtok_fail(t, NGX_LLMOPS_JTOK_UTF8);
    }

    t->left = lead.more;
    t->low = lead.low;
    t->high = lead.high;
    t->state = NGX_LLMOPS_JTOK_S_UTF8;

    return ngx_llmops_jtok_keep(t, &c, 1);
}


static ngx_int_t
ngx_llmops_jtok_quote(ngx_llmops_jtok_t *t)
{
    ngx_str_t  name;

    if (!t->is_key) {
        return ngx_llmops_jtok_end(t, NGX_LLMOPS_JTOK_STRING);
    }

    name.data = t->text.data ? t->text.data : (u_char *) "";
    name.len = t->text.len;

    t->state = NGX_LLMOPS_JTOK_S_COLON;

    return t->listener->key(t->data, &name) == NGX_OK
           ? NGX_OK : ngx_llmops_jtok_fail(t, NGX_LLMOPS_JTOK_REFUSED);
}


static ngx_int_t
ngx_llmops_jtok_escape(ngx_llmops_jtok_t *t, u_char c)
{
    t->state = NGX_LLMOPS_JTOK_S_STRING;

    switch (c) {

    case '"':
    case '\\':
    case '/':
        return ngx_llmops_jtok_char(t, c);

    case 'b':
        return ngx_llmops_jtok_char(t, '\b');

    case 'f':
        return ngx_llmops_jtok_char(t, '\f');

    case 'n':
        return ngx_llmops_jtok_char(t, '\n');

    case 'r':
        return ngx_llmops_jtok_char(t, '\r');

    case 't':
        return ngx_llmops_jtok_char(t, '\t');

    case 'u':
        t->state = NGX_LLMOPS_JTOK_S_HEX;
        t->left = 4;
        t->unit = 0;
        t->lead = 0;
        return NGX_OK;
    }

    return ngx_llmops_jtok_fail(t, NGX_LLMOPS_JTOK_SYNTAX);
}


static ngx_int_t
ngx_llmops_jtok_hex(ngx_llmops_jtok_t *t, u_char c)
{
    uint32_t  low;

    if (c >= '0' && c <= '9') {
        t->unit = t->unit << 4 | (c - '0');

    } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
        t->unit = t->unit << 4 | ((c | 0x20) - 'a' + 10);

    } else {
        return ngx_llmops_jtok_fail(t, NGX_LLMOPS_JTOK_SYNTAX);
    }

    if (--t->left) {
        return NGX_OK;
    }

    low = (t->unit & 0xfffffc00) == 0xdc00;

    if ((t->lead != 0) != low) {
        return ngx_llmops_jtok_fail(t, NGX_LLMOPS_JTOK_UTF8);
    }

    if ((t->unit & 0xfffffc00) == 0xd800) {
        t->lead = t->unit;
        t->state = NGX_LLMOPS_JTOK_S_PAIR;
        return NGX_OK;
    }

    t->state = NGX_LLMOPS_JTOK_S_STRING;

    if (low) {
        t->unit = 0x10000 + ((t->lead & 0x3ff) << 10) + (t->unit & 0x3ff);
    }

    return ngx_llmops_jtok_char(t, t->unit);
}


/* one decoded character */

static ngx_int_t
ngx_llmops_jtok_char(ngx_llmops_jtok_t *t, uint32_t cp)
{
    u_char  buf[4], *p;

    p = buf;

    if (cp < 0x80) {
        *p++ = cp;

    } else if (cp < 0x800) {
        *p++ = 0xc0 | cp >> 6;
        *p++ = 0x80 | (cp & 0x3f);

    } else if (cp < 0x10000) {
        *p++ = 0xe0 | cp >> 12;
        *p++ = 0x80 | (cp >> 6 & 0x3f);
        *p++ = 0x80 | (cp & 0x3f);

    } else {
        *p++ = 0xf0 | cp >> 18;
        *p++ = 0x80 | (cp >> 12 & 0x3f);
        *p++ = 0x80 | (cp >> 6 & 0x3f);
        *p++ = 0x80 | (cp & 0x3f);
    }

    if (ngx_llmops_jtok_keep(t, buf, p - buf) != NGX_OK) {
        return NGX_DECLINED;
    }

    return ngx_llmops_jtok_count(t, 1);
}


static ngx_int_t
ngx_llmops_jtok_utf8(ngx_llmops_jtok_t *t, u_char c)
{
    if (c < t->low || c > t->high) {
        return ngx_llmops_jtok_fail(t, NGX_LLMOPS_JTOK_UTF8);
    }

    if (ngx_llmops_jtok_keep(t, &c, 1) != NGX_OK) {
        return NGX_DECLINED;
    }

    t->low = 0x80;
    t->high = 0xbf;

    if (--t->left) {
        return NGX_OK;
    }

    t->state = NGX_LLMOPS_JTOK_S_STRING;

    return ngx_llmops_jtok_count(t, 1);
}


static ngx_int_t
ngx_llmops_jtok_number(ngx_llmops_jtok_t *t, u_char c)
{
    ngx_int_t  next;

    next = ngx_llmops_jtok_number_next(t->number, c);

    if (next >= 0) {
        t->number = next;
        return ngx_llmops_jtok_keep(t, &c, 1);
    }

    if (t->number != NGX_LLMOPS_JTOK_N_ZERO
        && t->number != NGX_LLMOPS_JTOK_N_INT
        && t->number != NGX_LLMOPS_JTOK_N_FRAC
        && t->number != NGX_LLMOPS_JTOK_N_EXP_INT)
    {
        return ngx_llmops_jtok_fail(t, NGX_LLMOPS_JTOK_SYNTAX);
    }

    if (ngx_llmops_jtok_end(t, NGX_LLMOPS_JTOK_NUMBER) != NGX_OK) {
        return NGX_DECLINED;
    }

    return NGX_AGAIN;
}


/* the state after c, -1 if c does not belong to the number */

static ngx_int_t
ngx_llmops_jtok_number_next(ngx_uint_t state, u_char c)
{
    ngx_uint_t  digit;

    digit = (c >= '0' && c <= '9');

    switch (state) {

    case NGX_LLMOPS_JTOK_N_MINUS:
        return c == '0' ? (ngx_int_t) NGX_LLMOPS_JTOK_N_ZERO
               : digit ? (ngx_int_t) NGX_LLMOPS_JTOK_N_INT : -1;

    case NGX_LLMOPS_JTOK_N_INT:

        if (digit) {
            return NGX_LLMOPS_JTOK_N_INT;
        }

        /* fall through */

    case NGX_LLMOPS_JTOK_N_ZERO:

        if (c == '.') {
            return NGX_LLMOPS_JTOK_N_POINT;
        }

        return (c | 0x20) == 'e' ? (ngx_int_t) NGX_LLMOPS_JTOK_N_EXP : -1;

    case NGX_LLMOPS_JTOK_N_POINT:
        return digit ? (ngx_int_t) NGX_LLMOPS_JTOK_N_FRAC : -1;

    case NGX_LLMOPS_JTOK_N_FRAC:

        if ((c | 0x20) == 'e') {
            return NGX_LLMOPS_JTOK_N_EXP;
        }

        return digit ? (ngx_int_t) NGX_LLMOPS_JTOK_N_FRAC : -1;

    case NGX_LLMOPS_JTOK_N_EXP:

        if (c == '+' || c == '-') {
            return NGX_LLMOPS_JTOK_N_SIGN;
        }

        /* fall through */

    default: /* NGX_LLMOPS_JTOK_N_SIGN, NGX_LLMOPS_JTOK_N_EXP_INT */
        return digit ? (ngx_int_t) NGX_LLMOPS_JTOK_N_EXP_INT : -1;
    }
}


static ngx_int_t
ngx_llmops_jtok_literal(ngx_llmops_jtok_t *t, u_char c)
{
    if (c != (u_char) *t->literal) {
        return ngx_llmops_jtok_fail(t, NGX_LLMOPS_JTOK_SYNTAX);
    }

    return *++t->literal ? NGX_OK : ngx_llmops_jtok_end(t, t->type);
}


/* keys, numbers and wanted strings are kept, within bounds */

static ngx_int_t
ngx_llmops_jtok_keep(ngx_llmops_jtok_t *t, const u_char *p, size_t len)
{
    size_t  max;

    if (t->state == NGX_LLMOPS_JTOK_S_NUMBER) {
        max = NGX_LLMOPS_JTOK_MAX_NUMBER;

    } else if (!t->want_text) {
        return NGX_OK;

    } else {
        max = t->is_key ? NGX_LLMOPS_JTOK_MAX_KEY : NGX_LLMOPS_JTOK_MAX_TEXT;
    }

    if (len > max - t->text.len
        || ngx_llmops_out_write(&t->text, p, len) != NGX_OK)
    {
        return ngx_llmops_jtok_fail(t, NGX_LLMOPS_JTOK_LIMIT);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_jtok_fail(ngx_llmops_jtok_t *t, ngx_llmops_jtok_error_e error)
{
    if (t->error == NGX_LLMOPS_JTOK_OK) {
        t->error = error;
    }

    return NGX_DECLINED;
}
