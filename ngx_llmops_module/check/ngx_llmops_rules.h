
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_RULES_H_INCLUDED_
#define _NGX_LLMOPS_RULES_H_INCLUDED_


#include "ngx_llmops.h"
#include "ngx_llmops_check.h"


/* Rules as the configuration has them, and on a request. */


/* llm_pattern */

typedef struct {
    ngx_str_t                  name;       /* "secrets.aws" */
    ngx_llmops_pattern_t       pattern;
} ngx_llmops_named_t;


typedef enum {
    NGX_LLMOPS_HOLD_FIRST = 0,             /* until some text may go */
    NGX_LLMOPS_HOLD_SIZE,
    NGX_LLMOPS_HOLD_ALL
} ngx_llmops_hold_e;


/* a line of llm_rules */

typedef struct {
    ngx_llmops_rule_t          rule;
    ngx_array_t                match;      /* of ngx_str_t: names */
    ngx_str_t                  regex;      /* or NULL */
    ngx_str_t                  with;       /* of redact */
    ngx_llmops_place_t         place;
    ngx_uint_t                 params;     /* that it may have */
    unsigned                   input:1;
    unsigned                   with_set:1;
} ngx_llmops_rule_line_t;


/* which parameters a line may have */

#define NGX_LLMOPS_PARAM_MATCH     0x01
#define NGX_LLMOPS_PARAM_IN        0x02
#define NGX_LLMOPS_PARAM_ON_FAIL   0x04
#define NGX_LLMOPS_PARAM_WITH      0x08
#define NGX_LLMOPS_PARAM_JSON      0x10
#define NGX_LLMOPS_PARAM_LENGTH    0x20
#define NGX_LLMOPS_PARAM_SHARE     0x40
#define NGX_LLMOPS_PARAM_LANGUAGE  0x80


#define NGX_LLMOPS_RETRIES_MAX     5
#define NGX_LLMOPS_SCHEMA_MAX      (8 * 1024 * 1024)


typedef struct {
    ngx_str_t                  name;
    ngx_array_t                lines;      /* of ngx_llmops_rule_line_t */
    ngx_uint_t                 hold;       /* ngx_llmops_hold_e */
    size_t                     hold_size;
    size_t                     max_size;   /* of a request's body, 0: any */
    int64_t                    max_input;  /* tokens, 0: any */
    int64_t                    max_tokens; /* of the answer, 0: any */
    ngx_array_t                forbidden;  /* of ngx_str_t: members */
    ngx_array_t                words;      /* of ngx_str_t: all of the set as
                                              written, each line with an empty
                                              word behind it */
    ngx_array_t               *asks;       /* of ngx_llmops_ask_t, or NULL */
    ngx_llmops_place_t         place;
} ngx_llmops_ruleset_t;


/* all rules of a route */

struct ngx_llmops_ruled_s {
    ngx_llmops_rules_t         output;
    ngx_llmops_rules_t         input;      /* sets[CONTENT] for all texts */
    ngx_uint_t                 hold;
    size_t                     hold_size;
    size_t                     max_size;
    int64_t                    max_input;
    int64_t                    max_tokens;
    ngx_array_t                forbidden;  /* of ngx_str_t */
    ngx_array_t               *asks;       /* of ngx_llmops_ask_t, or NULL */
    unsigned                   ask_input:1;    /* some of them are asked then */
    unsigned                   ask_output:1;
    unsigned                   ask_after:1;
};


/* what came of the rules of a request, for log and header */

typedef struct {
    ngx_llmops_rule_t         *rule;
    ngx_llmops_rule_action_e   action;
    unsigned                   input:1;
} ngx_llmops_checked_t;


/* of a request whose rules have changed it, or may do so */

typedef struct ngx_llmops_ruling_s {
    ngx_llmops_reverse_t      *reverse;    /* or NULL */
    ngx_str_t                  body;       /* before a model was told why */
    ngx_uint_t                 tries;      /* of retry */
    unsigned                   told:1;     /* ctx->memory says why */
} ngx_llmops_ruling_t;


/* shared by all workers: one of each rule of each route */

typedef struct {
    ngx_atomic_t               count[NGX_LLMOPS_ACT_MAX + 1];  /* the last:
                                                                  reject */
} ngx_llmops_rule_sh_t;


/* rules_conf.c: directives */

char *ngx_llmops_pattern_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_llmops_rules_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_llmops_rules_output(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_llmops_rules_input(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_llmops_rules_hold(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_llmops_route_rules(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


/* rules_line.c: a line of output, or of input; returns what a directive
   does */
char *ngx_llmops_rules_line(ngx_conf_t *cf, ngx_llmops_ruleset_t *set,
    ngx_uint_t input);


/* rules_param.c */

/* A parameter of a line, of those whose bits are in params. */
char *ngx_llmops_rules_param(ngx_conf_t *cf, ngx_llmops_rule_line_t *line,
    ngx_uint_t params, ngx_str_t *arg);

/* A number above 0 in text, that is part of arg. */
char *ngx_llmops_rules_number(ngx_conf_t *cf, ngx_str_t *arg,
    ngx_str_t *text, size_t *value);


/* rules_resolve.c */

/* Puts together the rules of a route, when all is read: route->ruled, NULL
   without any.  NGX_OK, or NGX_ERROR (logged). */
ngx_int_t ngx_llmops_rules_resolve(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_route_t *route);

/* Finds the counters of a route's rules in the zone; in each worker. */
void ngx_llmops_rules_attach(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_route_t *route);


/* rules_input.c */

/*
 * The rules on a request that has a route: NGX_OK, or a status to answer
 * with.  What is redacted, and a bound on tokens, is put into the body, and
 * the envelope read again.
 */
ngx_int_t ngx_llmops_rules_request(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_route_t *route);


/* The request's body from now on: the envelope is read again.  NGX_OK or
   NGX_ERROR. */
ngx_int_t ngx_llmops_rules_body(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_str_t *body);


/* rules_retry.c */

/*
 * Whether the same target is asked again because of a rule: the request's
 * body then tells the model why.  Otherwise it is put back as it was.
 * NGX_OK: it is asked; NGX_DECLINED; NGX_ERROR.
 */
ngx_int_t ngx_llmops_rules_retry(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_rule_t *rule);


/* rules.c */

/* The ruling of a request, made if it has none; NULL if out of memory. */
ngx_llmops_ruling_t *ngx_llmops_ruling(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);

/* What is put back into an answer, or NULL.  An answer to such a request is
   the caller's alone. */
ngx_llmops_reverse_t *ngx_llmops_rules_reverse(ngx_llmops_ctx_t *ctx);

/* Notes what a rule has done, for log, header and metrics. */
void ngx_llmops_rules_note(ngx_llmops_ctx_t *ctx, ngx_llmops_rule_t *rule,
    ngx_llmops_rule_action_e action, ngx_uint_t input);

/* The value of x-llm-checks and $llm_checks, in r->pool; len 0 if the route
   has no rules, or, while it is not over, none has done anything. */
ngx_int_t ngx_llmops_rules_text(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_uint_t over, ngx_str_t *text);

extern const ngx_str_t  ngx_llmops_act_names[];


#endif /* _NGX_LLMOPS_RULES_H_INCLUDED_ */
