
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_json.h"
#include "ngx_llmops_json_scan.h"
#include "ngx_llmops_json_text.h"


/*
 * The scanner is a state machine that may be left after any byte.  A state
 * says what the grammar expects next; inside a token (key, string, number,
 * literal) s->sub says where in it the last piece ended.  Each function takes
 * the position in the piece and returns where to go on, which is the end of
 * the piece after an error.  A token that lies in one piece is read in one
 * go, and strings, nearly all of a request's bytes, 64 bytes at a time.
 */


static ngx_inline void
ngx_llmops_json_note(ngx_llmops_json_scan_t *s, const u_char *p,
    ngx_llmops_json_type_e type)
{
    if (s->depth == 1 && s->current >= 0) {
        ngx_llmops_json_value_start(s, p, type);
    }
}


static ngx_inline const u_char *
ngx_llmops_json_value_end(ngx_llmops_json_scan_t *s, const u_char *p)
{
    s->state = NGX_LLMOPS_JSON_AFTER;

    if (s->depth == 1 && s->current >= 0) {
        ngx_llmops_json_member(s, p);
    }

    return p;
}


/* s->prefix counts the bytes of "data:" that a string has begun with */

#define NGX_LLMOPS_JSON_NO_PREFIX  6


static ngx_inline void
ngx_llmops_json_prefix(ngx_llmops_json_scan_t *s, const u_char *p,
    const u_char *last)
{
    static const u_char  data[] = "data:";

    while (p < last && s->prefix < 5) {

        if (*p++ != data[s->prefix]) {
            s->prefix = NGX_LLMOPS_JSON_NO_PREFIX;
            return;
        }

        s->prefix++;
    }
}


static const u_char *
ngx_llmops_json_in_string(ngx_llmops_json_scan_t *s, const u_char *p,
    const u_char *last)
{
    size_t  len;

    if (s->prefix < 5) {
        ngx_llmops_json_prefix(s, p, last);
    }

    p = ngx_llmops_json_text(s, p, last);

    if (p == last) {
        return p;
    }

    len = ngx_llmops_json_at(s, p) - s->token;

    if (s->prefix == 5) {
        s->data_bytes += len;
        s->data_urls++;

    } else {
        s->text_bytes += len;
    }

    return ngx_llmops_json_value_end(s, p + 1);
}


static const u_char *
ngx_llmops_json_in_key(ngx_llmops_json_scan_t *s, const u_char *p,
    const u_char *last)
{
    p = ngx_llmops_json_text(s, p, last);

    if (p == last) {
        return p;
    }

    s->state = NGX_LLMOPS_JSON_COLON;

    if (s->depth == 1 && s->from) {
        ngx_llmops_json_key_end(s, p);
    }

    return p + 1;
}


static const u_char *
ngx_llmops_json_in_number(ngx_llmops_json_scan_t *s, const u_char *p,
    const u_char *last)
{
    p = ngx_llmops_json_digits(s, p, last);

    if (s->sub == NGX_LLMOPS_JSON_NUMBER_END) {
        return ngx_llmops_json_value_end(s, p);
    }

    return p;
}


static const u_char *
ngx_llmops_json_in_literal(ngx_llmops_json_scan_t *s, const u_char *p,
    const u_char *last)
{
    while (p < last) {

        if (*p != (u_char) *s->literal) {
            return ngx_llmops_json_fail(s, p, NGX_LLMOPS_JSON_SYNTAX);
        }

        p++;

        if (*++s->literal == '\0') {
            return ngx_llmops_json_value_end(s, p);
        }
    }

    return p;
}


static const u_char *
ngx_llmops_json_open(ngx_llmops_json_scan_t *s, const u_char *p,
    ngx_uint_t object)
{
    if (s->depth == NGX_LLMOPS_JSON_MAX_DEPTH) {
        return ngx_llmops_json_fail(s, p, NGX_LLMOPS_JSON_DEPTH);
    }

    s->stack[s->depth++] = object;
    s->object = object;
    s->state = object ? NGX_LLMOPS_JSON_FIRST_KEY
                      : NGX_LLMOPS_JSON_FIRST_VALUE;
    return p + 1;
}


static const u_char *
ngx_llmops_json_close(ngx_llmops_json_scan_t *s, const u_char *p)
{
    if (*p != (s->object ? '}' : ']')) {
        return ngx_llmops_json_fail(s, p, NGX_LLMOPS_JSON_SYNTAX);
    }

    if (--s->depth == 0) {
        s->close = ngx_llmops_json_at(s, p);
        s->state = NGX_LLMOPS_JSON_END;
        return p + 1;
    }

    s->object = s->stack[s->depth - 1];

    return ngx_llmops_json_value_end(s, p + 1);
}


static const u_char *
ngx_llmops_json_start(ngx_llmops_json_scan_t *s, const u_char *p)
{
    u_char  c;

    c = *p;

    if (c == '{') {
        s->open = ngx_llmops_json_at(s, p);
        return ngx_llmops_json_open(s, p, 1);
    }

    if (c == '[' || c == '"' || c == '-' || ngx_llmops_json_is_digit(c)
        || c == 't' || c == 'f' || c == 'n')
    {
        return ngx_llmops_json_fail(s, p, NGX_LLMOPS_JSON_NOT_OBJECT);
    }

    return ngx_llmops_json_fail(s, p, NGX_LLMOPS_JSON_SYNTAX);
}


static ngx_inline const u_char *
ngx_llmops_json_key(ngx_llmops_json_scan_t *s, const u_char *p,
    const u_char *last)
{
    const u_char  *quote;

    if (*p != '"') {
        return (*p == '}' && s->state == NGX_LLMOPS_JSON_FIRST_KEY)
               ? ngx_llmops_json_close(s, p)
               : ngx_llmops_json_fail(s, p, NGX_LLMOPS_JSON_SYNTAX);
    }

    if (s->depth == 1) {
        s->member_start = ngx_llmops_json_at(s, p);
        s->members++;
    }

    p++;
    quote = ngx_llmops_json_near_quote(p, last);

    if (quote) {
        s->state = NGX_LLMOPS_JSON_COLON;

        if (s->depth == 1) {
            ngx_llmops_json_match(s, p, quote - p);
        }

        return quote + 1;
    }

    s->state = NGX_LLMOPS_JSON_IN_KEY;
    s->sub = 0;
    s->key_len = 0;
    s->escaped = 0;
    s->from = (s->depth == 1) ? p : s->from;

    return ngx_llmops_json_in_key(s, p, last);
}


static ngx_inline const u_char *
ngx_llmops_json_string_start(ngx_llmops_json_scan_t *s, const u_char *p,
    const u_char *last)
{
    const u_char  *quote;

    ngx_llmops_json_note(s, p, NGX_LLMOPS_JSON_STRING);

    p++;
    quote = ngx_llmops_json_near_quote(p, last);

    if (quote && *p != 'd') {
        s->text_bytes += quote - p;
        return ngx_llmops_json_value_end(s, quote + 1);
    }

    s->state = NGX_LLMOPS_JSON_IN_STRING;
    s->sub = 0;
    s->prefix = (p < last && *p != 'd') ? NGX_LLMOPS_JSON_NO_PREFIX : 0;
    s->token = ngx_llmops_json_at(s, p);

    return ngx_llmops_json_in_string(s, p, last);
}


static const u_char *
ngx_llmops_json_literal(ngx_llmops_json_scan_t *s, const u_char *p,
    const u_char *last, const char *rest, ngx_llmops_json_type_e type)
{
    ngx_llmops_json_note(s, p, type);

    s->state = NGX_LLMOPS_JSON_IN_LITERAL;
    s->literal = rest;

    return ngx_llmops_json_in_literal(s, p + 1, last);
}


static ngx_inline const u_char *
ngx_llmops_json_value(ngx_llmops_json_scan_t *s, const u_char *p,
    const u_char *last)
{
    switch (*p) {

    case '"':
        return ngx_llmops_json_string_start(s, p, last);

    case '{':
        ngx_llmops_json_note(s, p, NGX_LLMOPS_JSON_OBJECT);
        return ngx_llmops_json_open(s, p, 1);

    case '[':
        ngx_llmops_json_note(s, p, NGX_LLMOPS_JSON_ARRAY);
        return ngx_llmops_json_open(s, p, 0);

    case 't':
        return ngx_llmops_json_literal(s, p, last, "rue",
                                       NGX_LLMOPS_JSON_TRUE);
    case 'f':
        return ngx_llmops_json_literal(s, p, last, "alse",
                                       NGX_LLMOPS_JSON_FALSE);
    case 'n':
        return ngx_llmops_json_literal(s, p, last, "ull",
                                       NGX_LLMOPS_JSON_NULL);
    default:

        if (*p == '-' || ngx_llmops_json_is_digit(*p)) {
            ngx_llmops_json_note(s, p, NGX_LLMOPS_JSON_NUMBER);
            s->state = NGX_LLMOPS_JSON_IN_NUMBER;
            s->sub = 0;
            return ngx_llmops_json_in_number(s, p, last);
        }

        if (*p == ']' && s->state == NGX_LLMOPS_JSON_FIRST_VALUE) {
            return ngx_llmops_json_close(s, p);
        }

        return ngx_llmops_json_fail(s, p, NGX_LLMOPS_JSON_SYNTAX);
    }
}


static ngx_inline const u_char *
ngx_llmops_json_after(ngx_llmops_json_scan_t *s, const u_char *p)
{
    if (*p != ',') {
        return ngx_llmops_json_close(s, p);
    }

    s->state = s->object ? NGX_LLMOPS_JSON_KEY : NGX_LLMOPS_JSON_VALUE;

    if (s->depth == 1) {
        s->comma = ngx_llmops_json_at(s, p);

        if (s->first >= 0) {
            s->found[s->first].cut_end = s->comma + 1;
            s->first = -1;
        }
    }

    return p + 1;
}


static ngx_inline const u_char *
ngx_llmops_json_pass_space(const u_char *p, const u_char *last)
{
    while (p < last && ngx_llmops_json_is_space(*p)) {
        p++;
    }

    return p;
}


/* at a byte that is no white space, between tokens; at most one member */

static ngx_inline const u_char *
ngx_llmops_json_token(ngx_llmops_json_scan_t *s, const u_char *p,
    const u_char *last)
{
    switch (s->state) {

    case NGX_LLMOPS_JSON_FIRST_KEY:
    case NGX_LLMOPS_JSON_KEY:
        p = ngx_llmops_json_key(s, p, last);
        p = ngx_llmops_json_pass_space(p, last);

        if (p == last || s->state != NGX_LLMOPS_JSON_COLON) {
            return p;
        }

        /* fall through */

    case NGX_LLMOPS_JSON_COLON:
        if (*p != ':') {
            break;
        }

        s->state = NGX_LLMOPS_JSON_VALUE;
        p = ngx_llmops_json_pass_space(p + 1, last);

        if (p == last) {
            return p;
        }

        /* fall through */

    case NGX_LLMOPS_JSON_FIRST_VALUE:
    case NGX_LLMOPS_JSON_VALUE:
        p = ngx_llmops_json_value(s, p, last);
        p = ngx_llmops_json_pass_space(p, last);

        if (p == last || s->state != NGX_LLMOPS_JSON_AFTER) {
            return p;
        }

        /* fall through */

    case NGX_LLMOPS_JSON_AFTER:
        return ngx_llmops_json_after(s, p);

    case NGX_LLMOPS_JSON_START:
        return ngx_llmops_json_start(s, p);
    }

    return ngx_llmops_json_fail(s, p, NGX_LLMOPS_JSON_SYNTAX);
}


/* goes on with the token in whose middle the last piece ended */

static const u_char *
ngx_llmops_json_resume(ngx_llmops_json_scan_t *s, const u_char *p,
    const u_char *last)
{
    switch (s->state) {

    case NGX_LLMOPS_JSON_IN_KEY:
        return ngx_llmops_json_in_key(s, p, last);

    case NGX_LLMOPS_JSON_IN_STRING:
        return ngx_llmops_json_in_string(s, p, last);

    case NGX_LLMOPS_JSON_IN_NUMBER:
        return ngx_llmops_json_in_number(s, p, last);

    case NGX_LLMOPS_JSON_IN_LITERAL:
        return ngx_llmops_json_in_literal(s, p, last);

    default:
        return p;
    }
}


void
ngx_llmops_json_scan_init(ngx_llmops_json_scan_t *s,
    ngx_llmops_json_want_t *want, ngx_llmops_json_member_t *found,
    ngx_uint_t nwant, u_char *capture, size_t capture_size)
{
    ngx_memzero(s, offsetof(ngx_llmops_json_scan_t, stack));

    if (nwant) {
        ngx_memzero(found, nwant * sizeof(ngx_llmops_json_member_t));
    }

    s->want = want;
    s->found = found;
    s->nwant = nwant;
    s->capture = capture;
    s->capture_size = capture_size;
    s->current = -1;
    s->first = -1;
}


ngx_uint_t
ngx_llmops_json_scan(ngx_llmops_json_scan_t *s, const u_char *p, size_t len)
{
    const u_char  *last;

    if (s->error || len == 0) {
        return s->error;
    }

    last = p + len;
    s->piece = p;
    s->last = last;

    if (s->from) {
        s->from = p;
    }

    p = ngx_llmops_json_resume(s, p, last);

    for ( ;; ) {
        p = ngx_llmops_json_pass_space(p, last);

        if (p == last) {
            break;
        }

        p = ngx_llmops_json_token(s, p, last);
    }

    if (s->error) {
        return s->error;
    }

    if (s->capturing) {
        ngx_llmops_json_capture(s, last);

    } else if (s->state == NGX_LLMOPS_JSON_IN_KEY && s->depth == 1
               && s->from)
    {
        ngx_llmops_json_keep(s, last);
    }

    s->offset += len;

    return NGX_LLMOPS_JSON_OK;
}


ngx_uint_t
ngx_llmops_json_scan_done(ngx_llmops_json_scan_t *s)
{
    if (s->error == NGX_LLMOPS_JSON_OK && s->state != NGX_LLMOPS_JSON_END) {
        s->error = NGX_LLMOPS_JSON_TRUNCATED;
    }

    return s->error;
}


const char *
ngx_llmops_json_error(ngx_uint_t code)
{
    static const char  *errors[] = {
        "no error",
        "not valid JSON",
        "nested too deeply",
        "a string is not valid UTF-8",
        "ended too early",
        "not a JSON object"
    };

    if (code >= sizeof(errors) / sizeof(errors[0])) {
        return "unknown error";
    }

    return errors[code];
}
