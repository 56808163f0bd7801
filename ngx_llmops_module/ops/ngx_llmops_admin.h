
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_ADMIN_H_INCLUDED_
#define _NGX_LLMOPS_ADMIN_H_INCLUDED_


#include "ngx_llmops.h"
#include "ngx_llmops_store.h"
#include "ngx_llmops_page.h"

#include <jansson.h>


/*
 * The frame of the admin API, at llm_admin: JSON in and out, described by an
 * OpenAPI document that it serves itself and that the tests hold against it.
 * A resource is a table of rows: method, path, arguments, handler.  The frame
 * does what all have in common: matching, the body, read-only or not, the
 * header x-llm-action, errors, auditing.
 *
 *   ngx_llmops_admin.c          conditions, the body, steps, the end
 *   ngx_llmops_admin_find.c     the tables, and finding a row in them
 *   ngx_llmops_admin_reply.c    answers, and pages of nginx's own errors
 *   ngx_llmops_admin_ask.c      arguments, bodies, questions to the store
 *   ngx_llmops_admin_conf.c     llm_admin
 *   ngx_llmops_admin_about.c    openapi.json, status
 *   ngx_llmops_admin_page.c     the status page, and its figures
 *   ngx_llmops_admin_audit*.c   who has changed what
 *   ngx_llmops_admin_key*.c, _limits.c, _level.c, _usage*.c, _prompt*.c,
 *   _rollouts.c, _arms.c, _feedback.c, _registry.c, _cache.c,
 *   _evaluation*.c, _sample*.c, _index*.c
 */


/* ngx_llmops_loc_conf_t.admin */

#define NGX_LLMOPS_ADMIN_OFF       0
#define NGX_LLMOPS_ADMIN_READ      1
#define NGX_LLMOPS_ADMIN_WRITE     2

#define NGX_LLMOPS_ADMIN_BODY      (1024 * 1024)
#define NGX_LLMOPS_ADMIN_LINES     (8 * 1024 * 1024)   /* of lines */
#define NGX_LLMOPS_ADMIN_ARGS      3       /* "{}" in a path */
#define NGX_LLMOPS_ADMIN_QUERY     12      /* arguments behind "?" */
#define NGX_LLMOPS_ADMIN_TEXT      512     /* bytes of a message */


typedef struct ngx_llmops_admin_s  ngx_llmops_admin_t;

struct ngx_llmops_rollout_s;

/*
 * A step of a call.  NGX_OK: the answer has been set, by one of the functions
 * below; NGX_DECLINED: the same, and it is an error; NGX_AGAIN: another step
 * will be made when the store has answered; NGX_ERROR: 500.
 */
typedef ngx_int_t (*ngx_llmops_admin_pt)(ngx_llmops_admin_t *a);


typedef struct {
    ngx_uint_t                 method;     /* NGX_HTTP_GET ... */
    const char                *path;       /* below the location:
                                              "keys/{}/rotate" */
    const char                *name;       /* operationId of the document, and
                                              the action in the audit */
    const char                *query;      /* names of arguments that it knows,
                                              with a space between, or NULL */
    ngx_llmops_admin_pt        handler;
    unsigned                   change:1;   /* needs "llm_admin write" and
                                              x-llm-action: 1; is audited */
    unsigned                   body:2;     /* needs a JSON object; without
                                              change: a question that has one;
                                              2: lines of JSON, instead, are
                                              taken too: then only raw is set */
} ngx_llmops_admin_call_t;

/* each ends with an empty row */

extern const ngx_llmops_admin_call_t  ngx_llmops_admin_about[];
extern const ngx_llmops_admin_call_t  ngx_llmops_admin_keys[];
extern const ngx_llmops_admin_call_t  ngx_llmops_admin_limits[];
extern const ngx_llmops_admin_call_t  ngx_llmops_admin_usage[];
extern const ngx_llmops_admin_call_t  ngx_llmops_admin_audit[];
extern const ngx_llmops_admin_call_t  ngx_llmops_admin_cache[];
extern const ngx_llmops_admin_call_t  ngx_llmops_admin_prompts[];
extern const ngx_llmops_admin_call_t  ngx_llmops_admin_rollouts[];
extern const ngx_llmops_admin_call_t  ngx_llmops_admin_feedback[];
extern const ngx_llmops_admin_call_t  ngx_llmops_admin_evaluations[];
extern const ngx_llmops_admin_call_t  ngx_llmops_admin_samples[];
extern const ngx_llmops_admin_call_t  ngx_llmops_admin_indexes[];
extern const ngx_llmops_admin_call_t  ngx_llmops_admin_registry[];
extern const ngx_llmops_admin_call_t  ngx_llmops_admin_page[];


typedef struct {
    ngx_str_t                  name;
    ngx_str_t                  value;      /* decoded */
} ngx_llmops_admin_arg_t;


/* one call of the API, in r->pool */

struct ngx_llmops_admin_s {
    ngx_http_request_t        *request;
    ngx_llmops_main_conf_t    *mcf;
    const ngx_llmops_admin_call_t  *call;
    ngx_str_t                  args[NGX_LLMOPS_ADMIN_ARGS];    /* what "{}" of
                                              the path matched, decoded */
    ngx_llmops_admin_arg_t     query[NGX_LLMOPS_ADMIN_QUERY];
    ngx_uint_t                 nquery;
    json_t                    *body;       /* an object, or NULL; freed by the
                                              frame */
    ngx_str_t                  raw;        /* its bytes, terminated */
    void                      *data;       /* the handler's own */

    /* a question to the store that is under way */
    ngx_llmops_docop_t         op;
    ngx_llmops_admin_pt        next;
    void                      *audit;      /* the record being written */

    /* the answer */
    ngx_uint_t                 status;     /* 0: not set yet */
    ngx_str_t                  type;
    ngx_llmops_page_t          page;
    ngx_str_t                  etag;       /* headers, where len is not 0 */
    ngx_str_t                  location;
    ngx_str_t                  allow;
    ngx_str_t                  disposition;
    ngx_str_t                  link;
    ngx_str_t                  policy;     /* Content-Security-Policy, and what
                                              goes with it */

    /* of the audit record, beside time, address, user and action */
    ngx_str_t                  object;     /* default: args[0] */
    ngx_str_t                  detail;
    const char                *code;       /* of an error, or NULL */

    unsigned                   asking:1;   /* op is under way */
    unsigned                   audited:1;
};


/* -- answers -------------------------------------------------------------- */

/* Sets the answer: a JSON object, which is taken over (NULL: out of memory)
   and gets "v": 1.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_admin_reply(ngx_llmops_admin_t *a, ngx_uint_t status,
    json_t *value);

/* Sets {"v":1,"error":{"message":..., "code":...}}; code is a static text, the
   format ngx_sprintf()'s.  NGX_DECLINED, or NGX_ERROR. */
ngx_int_t ngx_llmops_admin_error(ngx_llmops_admin_t *a, ngx_uint_t status,
    const char *code, const char *fmt, ...);

/* Sets the error that fits the result of a->op, other than NGX_OK, where the
   handler has no better one.  NGX_DECLINED, or NGX_ERROR. */
ngx_int_t ngx_llmops_admin_store_error(ngx_llmops_admin_t *a);

/* ETag of a document's revision, as a header of the answer. */
ngx_int_t ngx_llmops_admin_etag(ngx_llmops_admin_t *a, uint64_t revision);

/* What else the audit record of a change says, at most NGX_LLMOPS_ADMIN_TEXT
   bytes: no secrets. */
void ngx_llmops_admin_note(ngx_llmops_admin_t *a, const char *fmt, ...);

/* The store, as GET status shows it; NULL: out of memory. */
json_t *ngx_llmops_admin_status_store(ngx_llmops_main_conf_t *mcf);

/* A rollout, as worker 0 shows it to all; with its document (or NULL) also its
   history.  NULL: out of memory. */
json_t *ngx_llmops_admin_rollout_shown(struct ngx_llmops_rollout_s *ro,
    json_t *doc);

/* {"bounds":..., "stable":{...}, "candidate":{...}}: what both arms have done
   at this step; NULL: out of memory. */
json_t *ngx_llmops_admin_rollout_arms(struct ngx_llmops_rollout_s *ro);

/* Writes an amount of money in USD, given in 10^-12 USD: exactly, without
   zeros at the end.  At most NGX_LLMOPS_ADMIN_MONEY bytes. */
#define NGX_LLMOPS_ADMIN_MONEY     32
u_char *ngx_llmops_admin_money(u_char *p, int64_t amount);

/* The header of the answer, and the answer; returns what a content handler
   returns.  For the frame. */
ngx_int_t ngx_llmops_admin_send(ngx_llmops_admin_t *a);

/* The header of an answer that is written piece by piece, with its type; the
   caller does the rest, and finalizes the request.  As ngx_http_send_header().
   */
ngx_int_t ngx_llmops_admin_stream(ngx_llmops_admin_t *a, ngx_str_t *type);

/* Puts the filters that make nginx's own errors in a location of llm_admin
   JSON (a denied address, a missing password, a body too large) in front of
   nginx's; called at postconfiguration if there is such a location. */
void ngx_llmops_admin_filters(void);

/* Names of the resources that are configured and can be read without saying
   which one, as an array; NULL: out of memory. */
json_t *ngx_llmops_admin_resources(ngx_llmops_main_conf_t *mcf);

/* The status page's Content-Security-Policy, from the page itself; called while
   the configuration is read, wherever there is an llm_admin.  NGX_OK, or
   NGX_ERROR: the page has no style or script of its own. */
ngx_int_t ngx_llmops_admin_page_init(void);


/* -- what is asked -------------------------------------------------------- */

/* Reads the query.  NGX_OK; NGX_DECLINED: an argument is unknown to a->call,
   is there twice or too long, and the error has been set; NGX_ERROR. */
ngx_int_t ngx_llmops_admin_query(ngx_llmops_admin_t *a);

/* An argument of the query, NULL if it was not given. */
ngx_str_t *ngx_llmops_admin_arg(ngx_llmops_admin_t *a, const char *name);

/* An argument that is a number; fallback if it was not given.  NGX_DECLINED
   when it is none from min to max: the error has been set. */
ngx_int_t ngx_llmops_admin_arg_number(ngx_llmops_admin_t *a,
    const char *name, ngx_int_t min, ngx_int_t max, ngx_int_t fallback,
    ngx_int_t *value);

/*
 * If-Match.  NGX_OK: *revision is what the document must have, or
 * NGX_LLMOPS_REVISION_ANY without one (or with "*"); NGX_DECLINED: it is not
 * one of our entity tags, and the error has been set.
 */
ngx_int_t ngx_llmops_admin_if_match(ngx_llmops_admin_t *a,
    uint64_t *revision);

/* a->op.id from the argument "cursor".  NGX_OK; NGX_DECLINED: it is none, and
   the error has been set; NGX_ERROR. */
ngx_int_t ngx_llmops_admin_cursor(ngx_llmops_admin_t *a);

/* Sets the error of a cursor that the store does not know.  NGX_DECLINED. */
ngx_int_t ngx_llmops_admin_no_cursor(ngx_llmops_admin_t *a);

/* "next" of a list: a->op.next as a cursor, or null; NULL: out of memory. */
json_t *ngx_llmops_admin_next(ngx_llmops_admin_t *a);

/* A string as JSON, bytes that are not UTF-8 as "?"; NULL: out of memory. */
json_t *ngx_llmops_admin_string(ngx_str_t *s);

/*
 * Asks the store: call is ngx_llmops_store_get, _put, _remove or _list, of
 * a->op, whose docs, id and so on are set; its results will be in r->pool.
 * Then makes the step next, now or later.  Returns what a step returns.
 */
ngx_int_t ngx_llmops_admin_ask(ngx_llmops_admin_t *a,
    ngx_int_t (*call)(ngx_llmops_store_t *store, ngx_llmops_docop_t *op),
    ngx_llmops_admin_pt next);

/* Goes on with a step after NGX_AGAIN, from outside of the request: for
   handlers that ask something else than documents.  a may be gone then. */
void ngx_llmops_admin_resume(ngx_llmops_admin_t *a, ngx_llmops_admin_pt next);


/* -- audit ---------------------------------------------------------------- */

/*
 * Says in the error log, and in a document, who has changed what, and how it
 * ended.  NGX_OK, or NGX_AGAIN: next will be made when the document has been
 * written.  It is written even if the request ends before.
 */
ngx_int_t ngx_llmops_admin_audit_write(ngx_llmops_admin_t *a,
    ngx_llmops_admin_pt next);

/* The request ends: nobody waits for the record any more. */
void ngx_llmops_admin_audit_leave(ngx_llmops_admin_t *a);


/* -- the frame ------------------------------------------------------------ */

ngx_int_t ngx_llmops_admin_handler(ngx_http_request_t *r);

/* Finds the row of a request: a->call and a->args.  NGX_OK; NGX_DECLINED: there
   is none, and 404 or 405 has been set; NGX_ERROR. */
ngx_int_t ngx_llmops_admin_find(ngx_llmops_admin_t *a);

/* llm_admin [read | write]; and what a location inherits and completes. */
char *ngx_llmops_admin_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
void ngx_llmops_admin_merge(ngx_conf_t *cf, ngx_llmops_loc_conf_t *prev,
    ngx_llmops_loc_conf_t *conf);


#define NGX_LLMOPS_ADMIN_COMMANDS                                             \
                                                                              \
    { ngx_string("llm_admin"),                                                \
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,                       \
      ngx_llmops_admin_directive,                                             \
      NGX_HTTP_LOC_CONF_OFFSET,                                               \
      0,                                                                      \
      NULL }


#endif /* _NGX_LLMOPS_ADMIN_H_INCLUDED_ */
