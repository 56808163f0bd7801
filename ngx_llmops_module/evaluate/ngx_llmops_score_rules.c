
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_score_check.h"
#include "ngx_llmops_facts.h"
#include "ngx_llmops_ground.h"


/*
 * The rules on answers that requests are held to, on an answer that nobody
 * waits for: the same check reads it, as the whole answer to a chat completion,
 * so that what an evaluation says of a set is what callers would meet.  A set
 * is passed if no rule of it has found anything, be it only marked or redacted.
 * Those of its rules that ask somebody are left out: a judge is a check of its
 * own here.
 *
 * What "ground" is measured by is the case's "context", or, if it has none,
 * the texts of the request.
 */


#define NGX_LLMOPS_SCORE_BODY  (4 * 1024 * 1024)


static ngx_int_t ngx_llmops_score_request(json_t *kase,
    ngx_llmops_score_said_t *said, ngx_uint_t ground, ngx_llmops_out_t *out);
static ngx_int_t ngx_llmops_score_checked(ngx_llmops_score_rule_t *rule,
    ngx_str_t *request, ngx_str_t *answer, ngx_llmops_score_check_t *check);
static void ngx_llmops_score_noted(ngx_llmops_score_rule_t *rule,
    ngx_llmops_check_t *ck, ngx_int_t rc, ngx_llmops_score_check_t *check);


ngx_int_t
ngx_llmops_score_read_rules(ngx_llmops_score_reading_t *rd)
{
    ngx_str_t   name, *set;
    ngx_uint_t  i;

    switch (ngx_llmops_score_string(rd, "rules", 256, &name)) {

    case NGX_OK:
        break;

    case NGX_DECLINED:
        return ngx_llmops_score_wrong(rd, "\"rules\" wants the name of an "
                                      "llm_rules as \"rules\"");

    default: /* NGX_ERROR */
        return NGX_ERROR;
    }

    for (i = 0; i < rd->sc->nsets; i++) {
        set = &rd->sc->sets[i].name;

        if (set->len != name.len
            || ngx_memcmp(set->data, name.data, name.len) != 0)
        {
            continue;
        }

        if (rd->sc->sets[i].output->nrules == 0) {
            return ngx_llmops_score_wrong(rd, "llm_rules \"%s\" has no rule on "
                                          "answers", (char *) name.data);
        }

        rd->rule->set = &rd->sc->sets[i];

        return NGX_OK;
    }

    return ngx_llmops_score_wrong(rd, "unknown llm_rules \"%.60s\"",
                                  (char *) name.data);
}


ngx_int_t
ngx_llmops_score_rules(ngx_llmops_score_rule_t *rule, json_t *kase,
    ngx_llmops_score_said_t *said, ngx_llmops_score_check_t *check)
{
    ngx_int_t         rc;
    ngx_str_t         asked, answer;
    ngx_llmops_out_t  request, body;

    ngx_llmops_out_init(&request, NGX_LLMOPS_SCORE_BODY);
    ngx_llmops_out_init(&body, NGX_LLMOPS_SCORE_BODY);

    (void) ngx_llmops_score_request(kase, said, 0, &request);

    answer = said->body;

    if (answer.data == NULL) {
        (void) ngx_llmops_out_lit(&body, "{\"object\":\"chat.completion\","
                                  "\"choices\":[{\"index\":0,\"message\":{"
                                  "\"role\":\"assistant\",\"content\":");
        (void) ngx_llmops_out_json(&body, said->text.data, said->text.len);
        (void) ngx_llmops_out_lit(&body, "},\"finish_reason\":\"stop\"}]}");

        answer.data = body.data;
        answer.len = body.len;
    }

    asked.data = request.data;
    asked.len = request.len;

    if (request.failed || body.failed) {
        ngx_llmops_score_fault(check, "the request or the answer is too long");
        rc = NGX_OK;

    } else {
        rc = ngx_llmops_score_checked(rule, &asked, &answer, check);
    }

    ngx_llmops_out_free(&request);
    ngx_llmops_out_free(&body);

    return rc;
}


static ngx_int_t
ngx_llmops_score_checked(ngx_llmops_score_rule_t *rule, ngx_str_t *request,
    ngx_str_t *answer, ngx_llmops_score_check_t *check)
{
    ngx_int_t            rc;
    ngx_llmops_out_t     out;
    ngx_llmops_check_t  *ck;

    ck = ngx_llmops_check_create(rule->set->output, NGX_LLMOPS_OP_CHAT);
    if (ck == NULL) {
        return NGX_ERROR;
    }

    ngx_llmops_out_init(&out, 2 * NGX_LLMOPS_SCORE_BODY);

    rc = ngx_llmops_check_request(ck, request, NULL);

    if (rc == NGX_OK) {
        rc = ngx_llmops_check_body(ck, answer, &out);

        if (rc != NGX_ERROR) {
            ngx_llmops_score_noted(rule, ck, rc, check);
            rc = NGX_OK;
        }
    }

    ngx_llmops_check_free(ck);
    ngx_llmops_out_free(&out);

    return rc;
}


static void
ngx_llmops_score_noted(ngx_llmops_score_rule_t *rule, ngx_llmops_check_t *ck,
    ngx_int_t rc, ngx_llmops_score_check_t *check)
{
    char                 names[NGX_LLMOPS_SCORE_WHY];
    size_t               len;
    uint64_t             noted;
    ngx_uint_t           i;
    ngx_llmops_rule_t   *broken;
    ngx_llmops_rules_t  *rules;

    rules = rule->set->output;
    noted = ngx_llmops_check_noted(ck);
    broken = ngx_llmops_check_broken(ck);

    names[0] = '\0';
    len = 0;

    for (i = 0; i < rules->nrules; i++) {

        if (!(noted >> i & 1) && broken != &rules->rules[i]) {
            continue;
        }

        if (len + rules->rules[i].name.len + 3 < sizeof(names)) {
            len += snprintf(names + len, sizeof(names) - len, "%s%.*s",
                            len ? ", " : "",
                            (int) rules->rules[i].name.len,
                            (char *) rules->rules[i].name.data);
        }
    }

    if (len == 0 && rc != NGX_OK) {
        ngx_llmops_score_told(rule, check, 0, "the answer cannot be read");
        return;
    }

    ngx_llmops_score_told(rule, check, len == 0, "%s", names);
}


/* the request as the rules know it; for "ground" the context, if there is
   one */

static ngx_int_t
ngx_llmops_score_request(json_t *kase, ngx_llmops_score_said_t *said,
    ngx_uint_t ground, ngx_llmops_out_t *out)
{
    char    *text;
    json_t  *input, *context;

    context = json_object_get(kase, "context");

    if (said->request.data && !(ground && json_is_string(context))) {
        return ngx_llmops_out_str(out, &said->request);
    }

    (void) ngx_llmops_out_lit(out, "{\"messages\":");

    if (json_is_string(context)) {
        (void) ngx_llmops_out_lit(out, "[{\"role\":\"user\",\"content\":");
        (void) ngx_llmops_out_json(out, (u_char *) json_string_value(context),
                                   json_string_length(context));
        (void) ngx_llmops_out_lit(out, "}]}");

        return out->failed ? NGX_ERROR : NGX_OK;
    }

    input = json_object_get(kase, "input");

    if (json_is_string(input)) {
        (void) ngx_llmops_out_lit(out, "[{\"role\":\"user\",\"content\":");
        (void) ngx_llmops_out_json(out, (u_char *) json_string_value(input),
                                   json_string_length(input));
        (void) ngx_llmops_out_lit(out, "}]}");

        return out->failed ? NGX_ERROR : NGX_OK;
    }

    text = input ? json_dumps(input, JSON_COMPACT|JSON_ENCODE_ANY
                                     |JSON_REAL_PRECISION(15))
                 : NULL;

    (void) ngx_llmops_out_write(out, text ? text : "[]",
                                text ? strlen(text) : 2);
    (void) ngx_llmops_out_lit(out, "}");

    free(text);

    return out->failed ? NGX_ERROR : NGX_OK;
}


ngx_int_t
ngx_llmops_score_ground(ngx_llmops_score_rule_t *rule, json_t *kase,
    ngx_llmops_score_said_t *said, ngx_llmops_score_check_t *check)
{
    ngx_int_t             rc;
    ngx_str_t             body;
    ngx_uint_t            share;
    ngx_llmops_out_t      request;
    ngx_llmops_ground_t  *g;

    g = ngx_llmops_ground_create();
    if (g == NULL) {
        return NGX_ERROR;
    }

    ngx_llmops_out_init(&request, NGX_LLMOPS_SCORE_BODY);

    if (ngx_llmops_score_request(kase, said, 1, &request) != NGX_OK) {
        ngx_llmops_score_fault(check, "the request is too long");
        rc = NGX_OK;
        goto done;
    }

    body.data = request.data;
    body.len = request.len;

    rc = ngx_llmops_facts_ground(&body, g);

    if (rc == NGX_OK) {
        share = ngx_llmops_ground_share(g, said->text.data, said->text.len);

        ngx_llmops_score_told(rule, check, share / 1000.0, "%d%% of the "
                              "statements are supported",
                              (int) (share / 10));
    }

done:

    ngx_llmops_ground_free(g);
    ngx_llmops_out_free(&request);

    return rc;
}
