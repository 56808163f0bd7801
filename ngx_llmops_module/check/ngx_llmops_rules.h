
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
    unsigned                   input:1;
    unsigned                   action_set:1;
} ngx_llmops_rule_line_t;


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
};


/* what came of the rules of a request, for log and header */

typedef struct {
    ngx_llmops_rule_t         *rule;
    ngx_llmops_rule_action_e   action;
    unsigned                   input:1;
} ngx_llmops_checked_t;


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


/* rules.c */

/* Notes what a rule has done, for log, header and metrics. */
void ngx_llmops_rules_note(ngx_llmops_ctx_t *ctx, ngx_llmops_rule_t *rule,
    ngx_llmops_rule_action_e action, ngx_uint_t input);

/* The value of x-llm-checks and $llm_checks, in r->pool; len 0 if the route
   has no rules, or, while it is not over, none has done anything. */
ngx_int_t ngx_llmops_rules_text(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_uint_t over, ngx_str_t *text);

extern const ngx_str_t  ngx_llmops_act_names[];


#endif /* _NGX_LLMOPS_RULES_H_INCLUDED_ */
