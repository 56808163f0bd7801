
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _CHECK_RUN_H_INCLUDED_
#define _CHECK_RUN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <jansson.h>
#include "ngx_llmops_check.h"


/* Rules of all kinds, and a check of an answer in pieces. */


#define check_that(condition)                                                 \
    do {                                                                      \
        if (!(condition)) {                                                   \
            fprintf(stderr, "failed: %s\n", #condition);                      \
            abort();                                                          \
        }                                                                     \
    } while (0)


enum {
    CHECK_MAIL = 0,
    CHECK_SECRET,
    CHECK_JSON,
    CHECK_LENGTH,
    CHECK_REQUIRE,
    CHECK_TOOLS,
    CHECK_MAX
};


/* the request that answers are checked by */

#define CHECK_REQUEST                                                         \
    "{\"tools\":[{\"name\":\"f\",\"input_schema\":{\"properties\":{\"n\":{"   \
    "\"type\":\"integer\"}}}},{\"function\":{\"name\":\"g\"}}]}"


/* of JSON: fences are kept, or taken off, or the document is repaired */

enum {
    CHECK_PLAIN = 0,
    CHECK_FENCES,
    CHECK_REPAIR
};


typedef struct {
    ngx_llmops_rules_t         rules;
    ngx_llmops_rule_t          rule[CHECK_MAX];
    ngx_llmops_pattern_t       pattern[4];
} check_rules_t;


typedef struct {
    ngx_int_t                  rc;
    uint64_t                   noted;
    ngx_llmops_rule_t         *broken;
    ngx_llmops_out_t           out;
} check_result_t;


/* mail, and "red" before " car", are redacted, "SECRET_..." is denied, and with
   json a document with the member n is wanted; require, length and tools are
   only marked */

static inline void
check_setup(check_rules_t *c, ngx_uint_t json, ngx_uint_t fences)
{
    char         err[256];
    json_t      *root;
    ngx_uint_t   i, bad;

    memset(c, 0, sizeof(check_rules_t));

    c->rules.rules = c->rule;

    c->rule[CHECK_MAIL].action = NGX_LLMOPS_ACT_REDACT;
    c->rule[CHECK_SECRET].action = NGX_LLMOPS_ACT_STOP;
    c->rule[CHECK_JSON].kind = json ? NGX_LLMOPS_RULE_JSON
                                    : NGX_LLMOPS_RULE_PATTERN;
    c->rule[CHECK_JSON].action = NGX_LLMOPS_ACT_NEXT;
    c->rule[CHECK_JSON].fences = (fences == CHECK_FENCES);

    if (fences == CHECK_REPAIR) {
        c->rule[CHECK_JSON].action = NGX_LLMOPS_ACT_REPAIR;
    }

    c->rule[CHECK_LENGTH].kind = NGX_LLMOPS_RULE_LENGTH;
    c->rule[CHECK_LENGTH].max = 40;
    c->rule[CHECK_REQUIRE].kind = NGX_LLMOPS_RULE_REQUIRE;
    c->rule[CHECK_TOOLS].kind = NGX_LLMOPS_RULE_TOOLS;
    c->rules.nrules = CHECK_MAX;

    if (json) {
        root = json_loads("{\"type\":\"object\",\"required\":[\"n\"],"
                          "\"properties\":{\"n\":{\"type\":\"string\"}}}", 0,
                          NULL);
        c->rule[CHECK_JSON].schema = ngx_llmops_jschema_compile(root, NULL,
                                                          err, sizeof(err));
        json_decref(root);
        check_that(c->rule[CHECK_JSON].schema);
    }

    ngx_str_set(&c->pattern[0].regex, "\\b[a-z.]{1,20}@[a-z.]{1,20}\\b");
    ngx_str_set(&c->pattern[0].replacement, "[MAIL]");
    c->pattern[0].action = NGX_LLMOPS_PATTERN_REDACT;
    c->pattern[0].word = 1;
    ngx_str_set(&c->pattern[1].regex, "SECRET_[a-z]{6}");
    c->pattern[1].action = NGX_LLMOPS_PATTERN_DENY;
    c->pattern[1].rule = CHECK_SECRET;
    c->pattern[1].word = 1;
    ngx_str_set(&c->pattern[2].regex, "needed");
    c->pattern[2].rule = CHECK_REQUIRE;

    ngx_str_set(&c->pattern[3].regex, "\\bred(?= car)");
    ngx_str_set(&c->pattern[3].replacement, "[COLOUR]");
    c->pattern[3].width = 16;
    c->pattern[3].action = NGX_LLMOPS_PATTERN_REDACT;

    /* the last one holds back more than the tests of other things like */

    c->rules.sets[0] = ngx_llmops_patterns_compile(c->pattern,
                                             fences == CHECK_REPAIR ? 4 : 3,
                                             &bad, err, sizeof(err));

#if (NGX_LLMOPS_HYPERSCAN)
    check_that(c->rules.sets[0]);
#endif

    for (i = 1; i < NGX_LLMOPS_TEXT_MAX; i++) {
        c->rules.sets[i] = c->rules.sets[0];
    }
}


static inline void
check_teardown(check_rules_t *c)
{
    if (c->rules.sets[0]) {
        ngx_llmops_patterns_free(c->rules.sets[0]);
    }

    if (c->rule[CHECK_JSON].schema) {
        ngx_llmops_jschema_free(c->rule[CHECK_JSON].schema);
    }
}


/* a stream in pieces of that size, each in a block of its own */

static inline void
check_stream(check_rules_t *c, ngx_llmops_op_e op, const char *text,
    size_t len, size_t each, check_result_t *r)
{
    size_t               n;
    u_char              *piece;
    ngx_str_t            request;
    ngx_llmops_check_t  *check;

    memset(r, 0, sizeof(check_result_t));
    ngx_llmops_out_init(&r->out, 1024 * 1024);

    check = ngx_llmops_check_create(&c->rules, op);
    check_that(check);

    ngx_str_set(&request, CHECK_REQUEST);
    check_that(ngx_llmops_check_request(check, &request, NULL) == NGX_OK);

    while (len && r->rc == NGX_OK) {
        n = ngx_min(len, each);
        piece = malloc(n);
        memcpy(piece, text, n);

        r->rc = ngx_llmops_check_events(check, piece, n, &r->out);

        free(piece);
        text += n;
        len -= n;
    }

    if (r->rc == NGX_OK) {
        r->rc = ngx_llmops_check_end(check, &r->out);
    }

    r->noted = ngx_llmops_check_noted(check);
    r->broken = ngx_llmops_check_broken(check);

    ngx_llmops_check_free(check);
}


static inline void
check_body(check_rules_t *c, ngx_llmops_op_e op, const char *text, size_t len,
    check_result_t *r)
{
    ngx_str_t            body, request;
    ngx_llmops_check_t  *check;

    memset(r, 0, sizeof(check_result_t));
    ngx_llmops_out_init(&r->out, 1024 * 1024);

    check = ngx_llmops_check_create(&c->rules, op);
    check_that(check);

    ngx_str_set(&request, CHECK_REQUEST);
    check_that(ngx_llmops_check_request(check, &request, NULL) == NGX_OK);

    body.data = malloc(len + !len);
    body.len = len;
    memcpy(body.data, text, len);

    r->rc = ngx_llmops_check_body(check, &body, &r->out);

    free(body.data);

    r->noted = ngx_llmops_check_noted(check);
    r->broken = ngx_llmops_check_broken(check);

    ngx_llmops_check_free(check);
}


static inline void
check_release(check_result_t *r)
{
    ngx_llmops_out_free(&r->out);
}


#endif /* _CHECK_RUN_H_INCLUDED_ */
