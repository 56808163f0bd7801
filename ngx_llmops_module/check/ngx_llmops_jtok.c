
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_jtok_state.h"


/*
 * A state machine over bytes.  The scanner of wire/ finds members of an
 * outermost object; here each value is of interest, whatever is outermost,
 * and strings are decoded: a rule must see "\u0061" as "a".
 *
 *   jtok.c         what is between values, numbers, literals
 *   jtok_string.c  strings
 *   jtok_close.c   the end of a document that was cut
 */


#define ngx_llmops_jtok_space(c)                                              \
    ((c) <= ' ' && ((c) == ' ' || (c) == LF || (c) == CR || (c) == '\t'))


static ngx_inline const u_char *ngx_llmops_jtok_run(ngx_llmops_jtok_t *t,
    const u_char *p, const u_char *last);
static ngx_int_t ngx_llmops_jtok_inside(ngx_llmops_jtok_t *t, u_char c);
static ngx_int_t ngx_llmops_jtok_between(ngx_llmops_jtok_t *t, u_char c);
static ngx_int_t ngx_llmops_jtok_value(ngx_llmops_jtok_t *t, u_char c);
static ngx_int_t ngx_llmops_jtok_open(ngx_llmops_jtok_t *t, u_char c);
static ngx_int_t ngx_llmops_jtok_close(ngx_llmops_jtok_t *t, u_char c);
static ngx_int_t ngx_llmops_jtok_after(ngx_llmops_jtok_t *t, u_char c);
static ngx_int_t ngx_llmops_jtok_number(ngx_llmops_jtok_t *t, u_char c);
static ngx_int_t ngx_llmops_jtok_number_next(ngx_uint_t state, u_char c);
static ngx_int_t ngx_llmops_jtok_literal(ngx_llmops_jtok_t *t, u_char c);


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

        if (t->state <= NGX_LLMOPS_JTOK_S_END) {
            rc = ngx_llmops_jtok_space(*p) ? NGX_OK
                                           : ngx_llmops_jtok_between(t, *p);

        } else {
            from = p;
            p = ngx_llmops_jtok_run(t, p, last);

            if (p == NULL) {
                return NGX_DECLINED;
            }

            if (p > from) {
                t->offset += p - from;
                continue;
            }

            rc = ngx_llmops_jtok_inside(t, *p);

            if (rc == NGX_AGAIN) {
                continue;
            }
        }

        if (rc != NGX_OK) {
            return NGX_DECLINED;
        }

        p++;
        t->offset++;
    }

    return NGX_OK;
}


/* bytes that can be taken at once: where they end, NULL on an error */

static ngx_inline const u_char *
ngx_llmops_jtok_run(ngx_llmops_jtok_t *t, const u_char *p, const u_char *last)
{
    const u_char  *from;

    if (t->state == NGX_LLMOPS_JTOK_S_STRING) {
        return ngx_llmops_jtok_plain(t, p, last);
    }

    if (t->state != NGX_LLMOPS_JTOK_S_NUMBER
        || (t->number != NGX_LLMOPS_JTOK_N_INT
            && t->number != NGX_LLMOPS_JTOK_N_FRAC))
    {
        return p;
    }

    /* the digit that is one too many goes by itself, for its offset */

    last = p + ngx_min((size_t) (last - p),
                       NGX_LLMOPS_JTOK_MAX_NUMBER - t->text.len);

    for (from = p; p < last && *p >= '0' && *p <= '9'; p++) { /* void */ }

    return (p == from || ngx_llmops_jtok_keep(t, from, p - from) == NGX_OK)
           ? p : NULL;
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
ngx_llmops_jtok_inside(ngx_llmops_jtok_t *t, u_char c)
{
    switch (t->state) {

    case NGX_LLMOPS_JTOK_S_NUMBER:
        return ngx_llmops_jtok_number(t, c);

    case NGX_LLMOPS_JTOK_S_LITERAL:
        return ngx_llmops_jtok_literal(t, c);

    default:
        return ngx_llmops_jtok_string(t, c);
    }
}


static ngx_int_t
ngx_llmops_jtok_between(ngx_llmops_jtok_t *t, u_char c)
{
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

ngx_int_t
ngx_llmops_jtok_end(ngx_llmops_jtok_t *t, ngx_llmops_jtok_type_e type)
{
    ngx_str_t  text;

    text.data = t->text.data ? t->text.data : (u_char *) "";
    text.len = t->text.len;

    t->state = t->depth ? NGX_LLMOPS_JTOK_S_AFTER : NGX_LLMOPS_JTOK_S_END;

    return t->listener->end(t->data, type, &text, t->chars) == NGX_OK
           ? NGX_OK : ngx_llmops_jtok_fail(t, NGX_LLMOPS_JTOK_REFUSED);
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

ngx_int_t
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
        || ngx_llmops_out_put(&t->text, p, len) != NGX_OK)
    {
        return ngx_llmops_jtok_fail(t, NGX_LLMOPS_JTOK_LIMIT);
    }

    return NGX_OK;
}


ngx_int_t
ngx_llmops_jtok_fail(ngx_llmops_jtok_t *t, ngx_llmops_jtok_error_e error)
{
    if (t->error == NGX_LLMOPS_JTOK_OK) {
        t->error = error;
    }

    return NGX_DECLINED;
}
