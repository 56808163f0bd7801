
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _JCHECK_RUN_H_INCLUDED_
#define _JCHECK_RUN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <jansson.h>
#include "ngx_llmops_jschema.h"


/* what a check says of a document */

typedef struct {
    ngx_int_t                  rc;
    ngx_llmops_jtok_error_e    error;
    size_t                     offset;
    const char                *keyword;
} jcheck_result_t;


static inline jcheck_result_t
jcheck_result(ngx_llmops_jcheck_t *c, ngx_int_t rc)
{
    jcheck_result_t  r;

    r.rc = rc;
    r.error = ngx_llmops_jcheck_error(c);
    r.offset = ngx_llmops_jcheck_offset(c);
    r.keyword = ngx_llmops_jcheck_keyword(c);

    return r;
}


/* a document in two pieces, each in a block of its own size */

static inline jcheck_result_t
jcheck_split(ngx_llmops_jcheck_t *c, const char *p, size_t len, size_t at)
{
    ngx_int_t   rc;
    u_char     *one, *two;

    one = malloc(at + !at);
    two = malloc(len - at + (at == len));

    memcpy(one, p, at);
    memcpy(two, p + at, len - at);

    ngx_llmops_jcheck_reset(c);

    rc = ngx_llmops_jcheck_feed(c, one, at);

    if (rc == NGX_OK) {
        rc = ngx_llmops_jcheck_feed(c, two, len - at);
    }

    free(one);
    free(two);

    if (rc == NGX_OK) {
        rc = ngx_llmops_jcheck_finish(c);
    }

    return jcheck_result(c, rc);
}


static inline jcheck_result_t
jcheck_bytes(ngx_llmops_jcheck_t *c, const char *p, size_t len)
{
    size_t     i;
    ngx_int_t  rc;

    ngx_llmops_jcheck_reset(c);

    rc = NGX_OK;

    for (i = 0; i < len && rc == NGX_OK; i++) {
        rc = ngx_llmops_jcheck_feed(c, (u_char *) p + i, 1);
    }

    if (rc == NGX_OK) {
        rc = ngx_llmops_jcheck_finish(c);
    }

    return jcheck_result(c, rc);
}


/* what the tree says: NGX_OK, NGX_DECLINED, or NGX_ABORT: not for jansson */

static inline ngx_int_t
jcheck_tree(ngx_llmops_jschema_t *s, const char *p, size_t len)
{
    json_t        *value;
    ngx_uint_t     valid;
    json_error_t   error;

    value = json_loadb(p, len, JSON_DECODE_ANY|JSON_ALLOW_NUL
                               |JSON_REJECT_DUPLICATES, &error);
    if (value == NULL) {

        /* numbers that are JSON, but no double; a key with a NUL */

        return (strstr(error.text, "big") || strstr(error.text, "overflow")
                || strstr(error.text, "NUL"))
               ? NGX_ABORT : NGX_DECLINED;
    }

    valid = ngx_llmops_jschema_valid(s, value);
    json_decref(value);

    return valid ? NGX_OK : NGX_DECLINED;
}


#endif /* _JCHECK_RUN_H_INCLUDED_ */
