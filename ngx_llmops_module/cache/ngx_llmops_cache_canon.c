
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_canon.h"


/*
 * From a JSON text to its canonical form, in one pass: values are written as
 * they come, and an object's members are put in order when its end is there,
 * by moving what has been written.  What is in order already stays where it
 * is; how much is moved in all is bounded, as texts can be built so that each
 * level moves everything within it.  (The order is in ..._canon_sort.c, strings
 * are in ..._canon_string.c.)
 */


#define NGX_LLMOPS_CACHE_MEMBERS  65536    /* of objects that are open */
#define NGX_LLMOPS_CACHE_MOVES    16       /* times the body's bytes */


static ngx_int_t ngx_llmops_canon_value(ngx_llmops_canon_t *c);
static ngx_int_t ngx_llmops_canon_array(ngx_llmops_canon_t *c);
static ngx_int_t ngx_llmops_canon_object(ngx_llmops_canon_t *c);
static ngx_int_t ngx_llmops_canon_pair(ngx_llmops_canon_t *c);
static ngx_int_t ngx_llmops_canon_enter(ngx_llmops_canon_t *c);
static ngx_int_t ngx_llmops_canon_number(ngx_llmops_canon_t *c);
static ngx_int_t ngx_llmops_canon_literal(ngx_llmops_canon_t *c);
static void ngx_llmops_canon_space(ngx_llmops_canon_t *c);


ngx_int_t
ngx_llmops_cache_canonical(ngx_llmops_op_e op, ngx_str_t *body,
    ngx_llmops_cache_scratch_t *scratch, ngx_llmops_cache_why_e *why)
{
    ngx_int_t           rc;
    ngx_llmops_canon_t  c;

    if (scratch->out.max == 0) {
        ngx_llmops_out_init(&scratch->out, NGX_LLMOPS_CACHE_CANONICAL);
        ngx_llmops_out_init(&scratch->swap, NGX_LLMOPS_CACHE_CANONICAL);
        ngx_llmops_out_init(&scratch->members, NGX_LLMOPS_CACHE_MEMBERS
                                         * sizeof(ngx_llmops_canon_member_t));
    }

    ngx_llmops_out_reset(&scratch->out);
    ngx_llmops_out_reset(&scratch->swap);
    ngx_llmops_out_reset(&scratch->members);

    if (body->len > NGX_LLMOPS_CACHE_BODY) {
        *why = NGX_LLMOPS_CACHE_COMPLEX;
        return NGX_DECLINED;
    }

    ngx_memzero(&c, sizeof(ngx_llmops_canon_t));

    c.p = body->data;
    c.last = body->data + body->len;
    c.s = scratch;
    c.op = op;
    c.moves = body->len * NGX_LLMOPS_CACHE_MOVES;

    ngx_llmops_canon_space(&c);

    rc = (c.p < c.last && *c.p == '{') ? ngx_llmops_canon_value(&c)
                                       : NGX_ERROR;

    ngx_llmops_canon_space(&c);

    if (rc == NGX_OK && (c.p != c.last || scratch->out.failed)) {
        rc = NGX_ERROR;
    }

    *why = c.why;

    return rc;
}


static ngx_int_t
ngx_llmops_canon_value(ngx_llmops_canon_t *c)
{
    if (c->p == c->last) {
        return NGX_ERROR;
    }

    switch (*c->p) {

    case '{':
        return ngx_llmops_canon_object(c);

    case '[':
        return ngx_llmops_canon_array(c);

    case '"':
        return ngx_llmops_canon_string(c);

    case 't':
    case 'f':
    case 'n':
        return ngx_llmops_canon_literal(c);

    default:
        return ngx_llmops_canon_number(c);
    }
}


static ngx_int_t
ngx_llmops_canon_array(ngx_llmops_canon_t *c)
{
    ngx_int_t  rc;

    rc = ngx_llmops_canon_enter(c);
    if (rc != NGX_OK) {
        return rc;
    }

    ngx_llmops_out_lit(&c->s->out, "a");

    if (c->p < c->last && *c->p != ']') {

        for ( ;; ) {
            rc = ngx_llmops_canon_value(c);
            if (rc != NGX_OK) {
                return rc;
            }

            ngx_llmops_canon_space(c);

            if (c->p == c->last || *c->p != ',') {
                break;
            }

            c->p++;
            ngx_llmops_canon_space(c);
        }
    }

    if (c->p == c->last || *c->p++ != ']') {
        return NGX_ERROR;
    }

    c->depth--;

    return ngx_llmops_out_lit(&c->s->out, "e");
}


static ngx_int_t
ngx_llmops_canon_object(ngx_llmops_canon_t *c)
{
    size_t     first;
    ngx_int_t  rc;

    rc = ngx_llmops_canon_enter(c);
    if (rc != NGX_OK) {
        return rc;
    }

    ngx_llmops_out_lit(&c->s->out, "o");

    first = c->s->members.len;

    if (c->p < c->last && *c->p != '}') {

        for ( ;; ) {
            rc = ngx_llmops_canon_pair(c);
            if (rc != NGX_OK) {
                return rc;
            }

            ngx_llmops_canon_space(c);

            if (c->p == c->last || *c->p != ',') {
                break;
            }

            c->p++;
            ngx_llmops_canon_space(c);
        }
    }

    if (c->p == c->last || *c->p++ != '}') {
        return NGX_ERROR;
    }

    rc = ngx_llmops_canon_close(c, first);

    c->depth--;

    return rc;
}


static ngx_int_t
ngx_llmops_canon_pair(ngx_llmops_canon_t *c)
{
    ngx_int_t                   rc;
    ngx_str_t                   name;
    ngx_uint_t                  skip;
    ngx_llmops_canon_member_t   m;
    ngx_llmops_cache_scratch_t  *s = c->s;

    if (c->p == c->last || *c->p != '"') {
        return NGX_ERROR;
    }

    m.start = s->out.len;
    m.name = NULL;

    rc = ngx_llmops_canon_string(c);
    if (rc != NGX_OK) {
        return rc;
    }

    name = ngx_llmops_cache_string(s->out.data + m.start);
    skip = c->depth == 1
           && ngx_llmops_cache_volatile(c->op, name.data, name.len);

    ngx_llmops_canon_space(c);

    if (c->p == c->last || *c->p++ != ':') {
        return NGX_ERROR;
    }

    ngx_llmops_canon_space(c);

    rc = ngx_llmops_canon_value(c);
    if (rc != NGX_OK) {
        return rc;
    }

    if (skip) {
        s->out.len = m.start;
        return NGX_OK;
    }

    m.end = s->out.len;

    if (ngx_llmops_out_write(&s->members, &m, sizeof(m)) != NGX_OK) {
        c->why = NGX_LLMOPS_CACHE_COMPLEX;
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* an array or object begins */

static ngx_int_t
ngx_llmops_canon_enter(ngx_llmops_canon_t *c)
{
    if (c->depth == NGX_LLMOPS_CACHE_DEPTH) {
        c->why = NGX_LLMOPS_CACHE_COMPLEX;
        return NGX_DECLINED;
    }

    c->depth++;
    c->p++;

    ngx_llmops_canon_space(c);

    return NGX_OK;
}


/*
 * Numbers of the outermost object are parameters, which a provider compares
 * and calculates with: "temperature" may be 0 or 0.0.  Deeper ones may be
 * printed into a prompt, as a schema's default is, where 1 and 1.0 are two.
 */

static ngx_int_t
ngx_llmops_canon_number(ngx_llmops_canon_t *c)
{
    ngx_str_t  number;

    number.data = (u_char *) c->p;

    while (c->p < c->last
           && ((*c->p >= '0' && *c->p <= '9') || *c->p == '-' || *c->p == '+'
               || *c->p == '.' || *c->p == 'e' || *c->p == 'E'))
    {
        c->p++;
    }

    number.len = c->p - number.data;

    if (number.len == 0) {
        return NGX_ERROR;
    }

    ngx_llmops_cache_number(&c->s->out, &number, c->depth == 1);

    return c->s->out.failed ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
ngx_llmops_canon_literal(ngx_llmops_canon_t *c)
{
    size_t       len;
    const char  *name;

    name = (*c->p == 't') ? "true" : (*c->p == 'f') ? "false" : "null";
    len = strlen(name);

    if ((size_t) (c->last - c->p) < len || memcmp(c->p, name, len) != 0) {
        return NGX_ERROR;
    }

    c->p += len;

    return ngx_llmops_out_write(&c->s->out, name, 1);
}


static void
ngx_llmops_canon_space(ngx_llmops_canon_t *c)
{
    while (c->p < c->last
           && (*c->p == ' ' || *c->p == '\n' || *c->p == '\t' || *c->p == '\r'))
    {
        c->p++;
    }
}
