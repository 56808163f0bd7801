
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_PROMPT_CONF_H_INCLUDED_
#define _NGX_LLMOPS_PROMPT_CONF_H_INCLUDED_


#include "ngx_llmops.h"
#include "ngx_llmops_prompt.h"
#include "ngx_llmops_prompt_head.h"


/*
 * Prompts in the configuration, and in a request.
 *
 *   ngx_llmops_prompt_conf.c       llm_prompt
 *   ngx_llmops_prompt_route.c      the words in llm_route{}
 *   ngx_llmops_prompt_reference.c  how a caller names a prompt
 *   ngx_llmops_prompt_request.c    which prompt a request has, and its new body
 *   ngx_llmops_prompt_context.c    its variables, with what was retrieved
 *   ngx_llmops_prompt_arm.c        the route's, with its share
 *   ngx_llmops_prompt_find.c       from names to prompts, wherever they are
 *   ngx_llmops_prompt_kept.c       what a worker has read of the store
 */


typedef struct {
    ngx_str_t                  name;
    ngx_str_t                  version;    /* as written */
    ngx_llmops_prompt_t       *prompt;     /* once all is read */
    ngx_llmops_place_t         place;
} ngx_llmops_prompt_label_t;


/* all versions of one name */

typedef struct {
    ngx_str_t                  name;
    ngx_array_t                versions;   /* of ngx_llmops_prompt_t * */
    ngx_array_t                labels;     /* of ngx_llmops_prompt_label_t */
} ngx_llmops_prompt_family_t;


/* mcf->prompts: there if llm_prompt, or a word about prompts in a route, is */

typedef struct {
    ngx_array_t                families;   /* of ngx_llmops_prompt_family_t */
    ngx_flag_t                 store;      /* llm_prompt_store */
    void                      *kept;       /* of a worker, once it is used */
} ngx_llmops_prompts_t;


/* a message of prepend_message and append_message */

typedef struct {
    ngx_str_t                  role;
    ngx_http_complex_value_t   text;
    unsigned                   append:1;
} ngx_llmops_route_message_t;


/* route->prompt */

typedef struct {
    ngx_str_t                  reference;  /* NAME@VERSION; len 0: none */
    ngx_str_t                  name;       /* of it, and */
    ngx_str_t                  which;      /* what is behind the "@" */
    ngx_str_t                  other;      /* version of "share=" */
    ngx_uint_t                 percent;    /* of it, times 100 */
    ngx_http_complex_value_t  *by;
    ngx_array_t                messages;   /* of ngx_llmops_route_message_t */
    ngx_llmops_place_t         place;      /* of "prompt" */
    unsigned                   set:1;      /* there is a "prompt" */
    unsigned                   only:1;
} ngx_llmops_route_prompt_t;


/* for the table of directives: those of http{}, and of llm_route{} */

char *ngx_llmops_prompt_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_llmops_prompt_store_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_llmops_route_prompt_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_llmops_route_message_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

#define NGX_LLMOPS_PROMPT_COMMANDS                                            \
                                                                              \
    { ngx_string("llm_prompt"),                                               \
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE3,                                      \
      ngx_llmops_prompt_directive,                                            \
      NGX_HTTP_MAIN_CONF_OFFSET,                                              \
      0,                                                                      \
      NULL },                                                                 \
                                                                              \
    { ngx_string("llm_prompt_store"),                                         \
      NGX_HTTP_MAIN_CONF|NGX_CONF_FLAG,                                       \
      ngx_llmops_prompt_store_directive,                                      \
      NGX_HTTP_MAIN_CONF_OFFSET,                                              \
      offsetof(ngx_llmops_prompts_t, store),                                  \
      NULL }

#define NGX_LLMOPS_ROUTE_PROMPT_COMMANDS                                      \
                                                                              \
    { ngx_string("prompt"),                                                   \
      NGX_LLMOPS_ROUTE_CONF|NGX_CONF_1MORE,                                   \
      ngx_llmops_route_prompt_directive,                                      \
      NGX_HTTP_LOC_CONF_OFFSET,                                               \
      0,                                                                      \
      NULL },                                                                 \
                                                                              \
    { ngx_string("prepend_message"),                                          \
      NGX_LLMOPS_ROUTE_CONF|NGX_CONF_TAKE2,                                   \
      ngx_llmops_route_message_directive,                                     \
      NGX_HTTP_LOC_CONF_OFFSET,                                               \
      0,                                                                      \
      NULL },                                                                 \
                                                                              \
    { ngx_string("append_message"),                                           \
      NGX_LLMOPS_ROUTE_CONF|NGX_CONF_TAKE2,                                   \
      ngx_llmops_route_message_directive,                                     \
      NGX_HTTP_LOC_CONF_OFFSET,                                               \
      0,                                                                      \
      NULL }


/* Resolves labels and the routes' prompts after the configuration has been
   read.  NGX_OK or NGX_ERROR (logged with file and line). */
ngx_int_t ngx_llmops_prompts_init(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf);

/*
 * What a route adds to its requests, for the build: texts are made of the
 * variables of r, and live in its pool.  NGX_OK, or NGX_ERROR (out of memory).
 */
ngx_int_t ngx_llmops_prompt_messages(ngx_http_request_t *r,
    ngx_llmops_route_prompt_t *rp, ngx_llmops_prompt_build_t *build);

/* The prompt's family, or NULL. */
ngx_llmops_prompt_family_t *ngx_llmops_prompt_family(
    ngx_llmops_prompts_t *prompts, ngx_str_t *name);

/*
 * The version that a label or a version's name means.  which->len 0: the
 * label "production", or the only version there is.  NULL if there is none.
 */
ngx_llmops_prompt_t *ngx_llmops_prompt_version(
    ngx_llmops_prompt_family_t *family, ngx_str_t *which);


/* Whether a route of the configuration has a prompt of that name; with which,
   by that version's or label's name, in "share=" too. */
ngx_llmops_route_t *ngx_llmops_prompt_used(ngx_llmops_main_conf_t *mcf,
    ngx_str_t *name, ngx_str_t *which);


/* -- finding prompts ------------------------------------------------------ */

typedef struct ngx_llmops_prompt_asking_s  ngx_llmops_prompt_asking_t;

/* Called once for each NGX_AGAIN, outside of any request, when it is time to
   ask again; ends with ngx_http_run_posted_requests(). */
typedef void (*ngx_llmops_prompt_wake_pt)(void *data);

/* One that looks for prompts, until r ends; mcf->prompts is there.  NULL: out
   of memory. */
ngx_llmops_prompt_asking_t *ngx_llmops_prompt_asking(ngx_http_request_t *r,
    ngx_llmops_prompt_wake_pt wake, void *data);

/* The same for who has no request: until it is freed.  NULL: out of memory. */
ngx_llmops_prompt_asking_t *ngx_llmops_prompt_asking_create(
    ngx_llmops_main_conf_t *mcf, ngx_llmops_prompt_wake_pt wake, void *data);
void ngx_llmops_prompt_asking_free(ngx_llmops_prompt_asking_t *asking);

/* what a name and a version or label mean; strings are good until the event
   handler returns */

typedef struct {
    ngx_str_t                  name;
    ngx_str_t                  version;
    ngx_str_t                  text;       /* id of it, in the store */
    ngx_llmops_prompt_t       *prompt;     /* of the configuration, or NULL */
    unsigned                   known:1;    /* there is such a prompt */
} ngx_llmops_which_t;

/*
 * The version, and the prompt that it is; _find() is both in one.  which->len 0
 * is "production", or the only version there is.
 *
 * NGX_OK; NGX_DECLINED: there is none; NGX_AGAIN: call it again when woken;
 * NGX_BUSY: the store cannot be asked, or what is in it is not valid;
 * NGX_ERROR: out of memory.  _fetch() also NGX_DONE: the version has just been
 * deleted, begin again with _which().  *prompt lives until r's pool ends, or
 * the asking has fetched another one.
 */
ngx_int_t ngx_llmops_prompt_which(ngx_llmops_prompt_asking_t *asking,
    ngx_str_t *name, ngx_str_t *which, ngx_llmops_which_t *found);
ngx_int_t ngx_llmops_prompt_fetch(ngx_llmops_prompt_asking_t *asking,
    ngx_llmops_which_t *found, ngx_llmops_prompt_t **prompt);
ngx_int_t ngx_llmops_prompt_find(ngx_llmops_prompt_asking_t *asking,
    ngx_str_t *name, ngx_str_t *which, ngx_llmops_which_t *found,
    ngx_llmops_prompt_t **prompt);

/* SHA-256 of a text in lower case hex, terminated.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_prompt_sha256(ngx_str_t *text,
    u_char hex[NGX_LLMOPS_HEAD_SHA256 + 1]);

/* Sets p->identity.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_prompt_identify(ngx_llmops_prompt_t *p);

/*
 * Which text a request's prompt has: "name@version/SHA-256", the same on every
 * gateway and never that of another text; len 0 without a prompt.  It is good
 * until r's pool ends, from the stage "chosen" on.
 */
ngx_str_t ngx_llmops_prompt_identity(ngx_llmops_ctx_t *ctx);


/* -- a request ------------------------------------------------------------ */

/*
 * In the order of a request, if mcf->prompts is there.  Each returns NGX_OK or
 * a status to answer with; _named() and _choose() also NGX_AGAIN: resume will
 * be called, and then it is called again.
 *
 * _named(), before the route is looked for: the prompt that the caller names,
 * in ctx->prompt.  body is the caller's whole body in one piece, NULL if it
 * has no member "prompt" (ctx->env.prompt_end is 0).
 *
 * _choose(): what the route says of prompts, which may set ctx->prompt.
 *
 * _apply(), if _needed(), before the plan is made: the new body, which
 * ctx->memory and ctx->env describe from then on.
 */
typedef void (*ngx_llmops_prompt_resume_pt)(ngx_http_request_t *r);

ngx_int_t ngx_llmops_prompt_named(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_str_t *body,
    ngx_llmops_prompt_resume_pt resume);
ngx_int_t ngx_llmops_prompt_choose(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_route_t *route,
    ngx_llmops_prompt_resume_pt resume);
ngx_uint_t ngx_llmops_prompt_needed(ngx_llmops_ctx_t *ctx,
    ngx_llmops_route_t *route);
ngx_int_t ngx_llmops_prompt_apply(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_route_t *route, ngx_str_t *body);


/* private to this room */

#define ngx_llmops_same(a, b)                                                 \
    ((a)->len == (b)->len && ngx_memcmp((a)->data, (b)->data, (a)->len) == 0)


/* The asking of a request, made at first; NULL: out of memory. */
ngx_llmops_prompt_asking_t *ngx_llmops_prompt_asks(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_prompt_resume_pt resume);

/* The route's prompt, or the one of its share: NGX_OK, with ctx->prompt; a
   status or NGX_AGAIN.  A prompt that the caller has named must be one of the
   two. */
ngx_int_t ngx_llmops_prompt_route_choose(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_route_t *route,
    ngx_llmops_prompt_resume_pt resume);

/* Refuses the request: the store cannot be asked.  Returns the status. */
ngx_int_t ngx_llmops_prompt_away(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_str_t *name);

/* how a caller names a prompt */

typedef struct {
    ngx_http_request_t        *r;
    ngx_llmops_ctx_t          *ctx;
    ngx_str_t                 *body;
    ngx_llmops_prompt_resume_pt  resume;
    ngx_str_t                  id;
    ngx_str_t                  version;    /* or label; len 0: not given */
    ngx_str_t                  variables;  /* raw; data NULL: none */
    u_char                     id_buf[2 * NGX_LLMOPS_PROMPT_NAME + 2];
    u_char                     version_buf[NGX_LLMOPS_PROMPT_NAME + 1];
} ngx_llmops_reference_t;


/* Whether the request's operation may have prompts, and in which form. */
ngx_uint_t ngx_llmops_prompt_has_form(ngx_llmops_ctx_t *ctx,
    ngx_llmops_form_e *form);

/* Reads the member "prompt" of ref->body.  NGX_OK or a status. */
ngx_int_t ngx_llmops_prompt_member(ngx_llmops_reference_t *ref);

/* As ngx_llmops_prompt_check(), of ctx->prompt; what was retrieved for the
   request is its variable "context". */
ngx_llmops_value_t *ngx_llmops_prompt_values(ngx_llmops_ctx_t *ctx,
    ngx_llmops_value_t *given, ngx_llmops_arena_t *arena,
    ngx_llmops_error_t *err);

/* Refuses the request with 400; all texts are static.  Returns the status. */
ngx_int_t ngx_llmops_prompt_deny(ngx_llmops_reference_t *ref,
    const char *code, const char *param, const char *text);

/* Resolves the prompts of one route, which has route->prompt. */
ngx_int_t ngx_llmops_prompt_route_init(ngx_conf_t *cf,
    ngx_llmops_prompts_t *prompts, ngx_llmops_route_t *route);


#endif /* _NGX_LLMOPS_PROMPT_CONF_H_INCLUDED_ */
