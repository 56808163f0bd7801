
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_PROMPT_CONF_H_INCLUDED_
#define _NGX_LLMOPS_PROMPT_CONF_H_INCLUDED_


#include "ngx_llmops.h"
#include "ngx_llmops_prompt.h"


/*
 * Prompts in the configuration, and in a request.
 *
 *   ngx_llmops_prompt_conf.c       llm_prompt
 *   ngx_llmops_prompt_route.c      the words in llm_route{}
 *   ngx_llmops_prompt_reference.c  how a caller names a prompt
 *   ngx_llmops_prompt_request.c    which prompt a request has, and its new body
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
    ngx_str_t                  other;      /* version of "share=" */
    ngx_llmops_prompt_family_t  *family;
    ngx_llmops_prompt_t       *prompt;
    ngx_llmops_prompt_t       *share;      /* or NULL */
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

/* The prompt's family, or NULL. */
ngx_llmops_prompt_family_t *ngx_llmops_prompt_family(
    ngx_llmops_prompts_t *prompts, ngx_str_t *name);

/*
 * The version that a label or a version's name means.  which->len 0: the
 * label "production", or the only version there is.  NULL if there is none.
 */
ngx_llmops_prompt_t *ngx_llmops_prompt_version(
    ngx_llmops_prompt_family_t *family, ngx_str_t *which);


/*
 * In the order of a request, if mcf->prompts is there.  Each returns NGX_OK or
 * a status to answer with.
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
ngx_int_t ngx_llmops_prompt_named(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_str_t *body);
ngx_int_t ngx_llmops_prompt_choose(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_route_t *route);
ngx_uint_t ngx_llmops_prompt_needed(ngx_llmops_ctx_t *ctx,
    ngx_llmops_route_t *route);
ngx_int_t ngx_llmops_prompt_apply(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_route_t *route, ngx_str_t *body);


/* private to this room: how a caller names a prompt */

typedef struct {
    ngx_http_request_t        *r;
    ngx_llmops_ctx_t          *ctx;
    ngx_str_t                 *body;
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

/* Refuses the request with 400; all texts are static.  Returns the status. */
ngx_int_t ngx_llmops_prompt_deny(ngx_llmops_reference_t *ref,
    const char *code, const char *param, const char *text);

/* Resolves the prompts of one route, which has route->prompt. */
ngx_int_t ngx_llmops_prompt_route_init(ngx_conf_t *cf,
    ngx_llmops_prompts_t *prompts, ngx_llmops_route_t *route);


#endif /* _NGX_LLMOPS_PROMPT_CONF_H_INCLUDED_ */
