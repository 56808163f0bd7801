
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_ADMIN_H_INCLUDED_
#define _NGX_LLMOPS_ADMIN_H_INCLUDED_


#include "ngx_llmops.h"
#include "ngx_llmops_store.h"

#include <jansson.h>


/*
 * The frame of the admin API, at llm_admin: JSON in and out, described by an
 * OpenAPI document that it serves itself and that the tests hold against it.
 * A resource is a row of the table in ngx_llmops_admin.c: method, path
 * pattern, handler.  The frame does what all have in common: matching, the
 * body, read-only or not, the header x-llm-action, errors, auditing.
 */


typedef struct ngx_llmops_admin_s  ngx_llmops_admin_t;

/* one call of the API, in r->pool */

struct ngx_llmops_admin_s {
    ngx_http_request_t        *request;
    ngx_llmops_main_conf_t    *mcf;
    ngx_str_t                  args[3];    /* what "{}" of the path matched,
                                              decoded */
    json_t                    *body;       /* of POST and PUT, or NULL; freed
                                              by the frame */
    void                      *data;       /* the handler's own */
    ngx_uint_t                 status;     /* of the answer, once it is set */
};


typedef struct {
    ngx_uint_t                 method;     /* NGX_HTTP_GET ... */
    const char                *path;       /* "/keys/{}/rotate" */
    unsigned                   change;     /* needs "llm_admin write" and
                                              x-llm-action: 1; is audited */

    /* NGX_OK: it has answered; NGX_AGAIN: it will, later */
    ngx_int_t                (*handler)(ngx_llmops_admin_t *a);
} ngx_llmops_admin_call_t;

extern ngx_llmops_admin_call_t  ngx_llmops_admin_keys[];
extern ngx_llmops_admin_call_t  ngx_llmops_admin_limits[];
extern ngx_llmops_admin_call_t  ngx_llmops_admin_usage[];


/* Answers with a JSON value, which is taken over and gets "v": 1.  May be
   called from a store's handler: runs the request's posted requests. */
ngx_int_t ngx_llmops_admin_reply(ngx_llmops_admin_t *a, ngx_uint_t status,
    json_t *value);

/* The same with another type of content (CSV), copied. */
ngx_int_t ngx_llmops_admin_reply_text(ngx_llmops_admin_t *a,
    ngx_uint_t status, ngx_str_t *type, ngx_str_t *text);

/* {"v":1,"error":{"message":..., "code":...}}. */
ngx_int_t ngx_llmops_admin_error(ngx_llmops_admin_t *a, ngx_uint_t status,
    const char *code, const char *fmt, ...);

/* What will stand in the audit record of a change: no secrets.  The frame
   adds time, address, user, method, path and result. */
ngx_int_t ngx_llmops_admin_audit(ngx_llmops_admin_t *a, const char *fmt, ...);

/* llm_admin [read | write]. */
char *ngx_llmops_admin_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


#endif /* _NGX_LLMOPS_ADMIN_H_INCLUDED_ */
