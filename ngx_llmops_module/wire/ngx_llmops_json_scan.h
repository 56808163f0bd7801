
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_JSON_SCAN_H_INCLUDED_
#define _NGX_LLMOPS_JSON_SCAN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_json.h"


/* The inside of the scanner, private to this directory. */


typedef enum {
    NGX_LLMOPS_JSON_START = 0,
    NGX_LLMOPS_JSON_FIRST_KEY,             /* after "{" */
    NGX_LLMOPS_JSON_KEY,
    NGX_LLMOPS_JSON_COLON,
    NGX_LLMOPS_JSON_FIRST_VALUE,           /* after "[" */
    NGX_LLMOPS_JSON_VALUE,
    NGX_LLMOPS_JSON_AFTER,                 /* a value: comma or close */
    NGX_LLMOPS_JSON_END,
    NGX_LLMOPS_JSON_IN_KEY,
    NGX_LLMOPS_JSON_IN_STRING,
    NGX_LLMOPS_JSON_IN_NUMBER,
    NGX_LLMOPS_JSON_IN_LITERAL
} ngx_llmops_json_state_e;


/* s->sub in a number: what the last byte was */

typedef enum {
    NGX_LLMOPS_JSON_NUMBER_START = 0,
    NGX_LLMOPS_JSON_MINUS,
    NGX_LLMOPS_JSON_ZERO,
    NGX_LLMOPS_JSON_INT,
    NGX_LLMOPS_JSON_POINT,
    NGX_LLMOPS_JSON_FRAC,
    NGX_LLMOPS_JSON_EXP,
    NGX_LLMOPS_JSON_EXP_SIGN,
    NGX_LLMOPS_JSON_EXP_INT,
    NGX_LLMOPS_JSON_NUMBER_END,
    NGX_LLMOPS_JSON_NUMBER_BAD
} ngx_llmops_json_number_e;


#define ngx_llmops_json_at(s, p)  ((s)->offset + (size_t) ((p) - (s)->piece))

#define ngx_llmops_json_is_digit(c)  ((u_char) ((c) - '0') < 10)

#define ngx_llmops_json_is_space(c)                                           \
    ((c) <= ' ' && ((c) == ' ' || (c) == LF || (c) == CR || (c) == '\t'))


/* An error ends the piece, so that only _scan() has to look for one. */

static ngx_inline const u_char *
ngx_llmops_json_fail(ngx_llmops_json_scan_t *s, const u_char *p,
    ngx_uint_t error)
{
    s->offset = ngx_llmops_json_at(s, p);
    s->error = error;

    return s->last;
}


/*
 * Members of the outermost object.  _match() sets s->current if the decoded
 * key is wanted; _key_end() is for keys that need work before it.
 * _value_start() and _member() note its place.
 * _keep() and _capture() take the bytes from s->from up to p, which is the
 * end of the key or value, or of the piece.
 */
void ngx_llmops_json_match(ngx_llmops_json_scan_t *s, const u_char *key,
    size_t len);
void ngx_llmops_json_key_end(ngx_llmops_json_scan_t *s, const u_char *p);
void ngx_llmops_json_value_start(ngx_llmops_json_scan_t *s, const u_char *p,
    ngx_llmops_json_type_e type);
void ngx_llmops_json_member(ngx_llmops_json_scan_t *s, const u_char *p);
void ngx_llmops_json_keep(ngx_llmops_json_scan_t *s, const u_char *p);
void ngx_llmops_json_capture(ngx_llmops_json_scan_t *s, const u_char *p);


/*
 * Tokens.  Each starts or goes on at p and returns where it has stopped, or
 * last, if the token may go on in the next piece.
 */

/* s->sub is 0 at the start; stops at the closing quote */
const u_char *ngx_llmops_json_text(ngx_llmops_json_scan_t *s, const u_char *p,
    const u_char *last);

/* s->sub is 0 at the start, NUMBER_END when p is one past the number */
const u_char *ngx_llmops_json_digits(ngx_llmops_json_scan_t *s,
    const u_char *p, const u_char *last);


#endif /* _NGX_LLMOPS_JSON_SCAN_H_INCLUDED_ */
