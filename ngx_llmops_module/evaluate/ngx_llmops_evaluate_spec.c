
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_evaluate.h"
#include "ngx_llmops_prompt_conf.h"


/*
 * What somebody asks for, read member by member: what nobody knows is an error,
 * since an evaluation that quietly leaves out a check would be believed.
 */


typedef ngx_int_t (*ngx_llmops_spec_pt)(json_t *value,
    ngx_llmops_evaluation_spec_t *spec, char *err);

typedef struct {
    const char                *name;
    ngx_llmops_spec_pt         read;       /* NULL: somebody else does */
    ngx_uint_t                 type;       /* a number: which one */
    double                     min;
    double                     max;
    size_t                     offset;
    const char                *want;
} ngx_llmops_spec_member_t;


enum {
    NGX_LLMOPS_SPEC_OTHER = 0,
    NGX_LLMOPS_SPEC_REAL,
    NGX_LLMOPS_SPEC_COUNT,
    NGX_LLMOPS_SPEC_SECONDS,
    NGX_LLMOPS_SPEC_SIZE
};


static ngx_int_t ngx_llmops_spec_number(const ngx_llmops_spec_member_t *m,
    json_t *value, ngx_llmops_evaluation_spec_t *spec, char *err);
static ngx_int_t ngx_llmops_spec_candidates(json_t *value,
    ngx_llmops_evaluation_spec_t *spec, char *err);
static ngx_int_t ngx_llmops_spec_candidate(json_t *value,
    ngx_llmops_evaluation_spec_t *spec, char *err);
static ngx_int_t ngx_llmops_spec_budget(json_t *value,
    ngx_llmops_evaluation_spec_t *spec, char *err);
static ngx_int_t ngx_llmops_spec_checks(json_t *value,
    ngx_llmops_evaluation_spec_t *spec, char *err);
static ngx_int_t ngx_llmops_spec_parameters(json_t *value,
    ngx_llmops_evaluation_spec_t *spec, char *err);
static ngx_int_t ngx_llmops_spec_judge(json_t *value,
    ngx_llmops_evaluation_spec_t *spec, char *err);
static ngx_int_t ngx_llmops_spec_strict(json_t *value,
    ngx_llmops_evaluation_spec_t *spec, char *err);
static ngx_int_t ngx_llmops_spec_baseline(json_t *json,
    ngx_llmops_evaluation_spec_t *spec, char *err);


#define ngx_llmops_spec_at(field)                                             \
    offsetof(ngx_llmops_evaluation_spec_t, field)

static const ngx_llmops_spec_member_t  ngx_llmops_spec_members[] = {

    { "name", NULL, 0, 0, 0, 0, NULL },
    { "route", NULL, 0, 0, 0, 0, NULL },
    { "dataset", NULL, 0, 0, 0, 0, NULL },
    { "baseline", NULL, 0, 0, 0, 0, NULL },
    { "candidates", ngx_llmops_spec_candidates, 0, 0, 0, 0, NULL },
    { "budget", ngx_llmops_spec_budget, 0, 0, 0, 0, NULL },
    { "checks", ngx_llmops_spec_checks, 0, 0, 0, 0, NULL },
    { "parameters", ngx_llmops_spec_parameters, 0, 0, 0, 0, NULL },
    { "judge", ngx_llmops_spec_judge, 0, 0, 0, 0, NULL },
    { "strict", ngx_llmops_spec_strict, 0, 0, 0, 0, NULL },

    { "concurrency", NULL, NGX_LLMOPS_SPEC_COUNT, 1,
      NGX_LLMOPS_EVAL_CONCURRENCY, ngx_llmops_spec_at(concurrency),
      "a number from 1 to 32" },

    { "attempts", NULL, NGX_LLMOPS_SPEC_COUNT, 1, 10,
      ngx_llmops_spec_at(attempts), "a number from 1 to 10" },

    { "timeout", NULL, NGX_LLMOPS_SPEC_SECONDS, 1, 3600,
      ngx_llmops_spec_at(timeout), "seconds from 1 to 3600" },

    { "answer_bytes", NULL, NGX_LLMOPS_SPEC_SIZE, 0, 16384,
      ngx_llmops_spec_at(kept), "a number from 0 to 16384" },

    { "min_score", NULL, NGX_LLMOPS_SPEC_REAL, 0, 1,
      ngx_llmops_spec_at(min_score), "a number from 0 to 1" },

    { "margin", NULL, NGX_LLMOPS_SPEC_REAL, 0, 1,
      ngx_llmops_spec_at(margin), "a number from 0 to 1" },

    { "max_errors", NULL, NGX_LLMOPS_SPEC_REAL, 0, 1,
      ngx_llmops_spec_at(max_errors), "a number from 0 to 1" },

    { "level", NULL, NGX_LLMOPS_SPEC_REAL, 0.5, 0.9999,
      ngx_llmops_spec_at(level), "a number from 0.5 to 0.9999" },

    { NULL, NULL, 0, 0, 0, 0, NULL }
};


ngx_int_t
ngx_llmops_evaluation_spec(json_t *json, ngx_llmops_evaluation_spec_t *spec,
    char *err)
{
    json_t                          *value;
    ngx_int_t                        rc;
    ngx_str_t                        name;
    const char                      *key;
    const ngx_llmops_spec_member_t  *m;

    ngx_memzero(spec, sizeof(ngx_llmops_evaluation_spec_t));

    spec->baseline = -1;
    spec->concurrency = 4;
    spec->attempts = 3;
    spec->timeout = 60000;
    spec->kept = NGX_LLMOPS_EVAL_KEPT;
    spec->margin = -1;
    spec->max_errors = -1;

    json_object_foreach(json, key, value) {

        for (m = ngx_llmops_spec_members; m->name; m++) {
            if (ngx_strcmp(m->name, key) == 0) {
                break;
            }
        }

        if (m->name == NULL) {
            return ngx_llmops_spec_error(err, "unknown member \"%s\"", key);
        }

        rc = m->type ? ngx_llmops_spec_number(m, value, spec, err)
                     : m->read ? m->read(value, spec, err) : NGX_OK;

        if (rc != NGX_OK) {
            return rc;
        }
    }

    name = ngx_llmops_evaluation_string(json, "name");

    if (json_object_get(json, "name")
        && !ngx_llmops_evaluation_is_name(&name))
    {
        return ngx_llmops_spec_error(err, "\"name\" is 1 to 64 of letters, "
                                     "digits, \".\", \"_\" and \"-\"");
    }

    if (spec->ncandidates == 0) {
        return ngx_llmops_spec_error(err, "\"candidates\" is missing, write "
                                     "[{\"target\": \"UPSTREAM/MODEL\"}]");
    }

    return ngx_llmops_spec_baseline(json, spec, err);
}


static ngx_int_t
ngx_llmops_spec_number(const ngx_llmops_spec_member_t *m, json_t *value,
    ngx_llmops_evaluation_spec_t *spec, char *err)
{
    void    *p;
    double   n;

    n = json_number_value(value);
    p = (u_char *) spec + m->offset;

    if (!json_is_number(value) || n < m->min || n > m->max
        || (m->type != NGX_LLMOPS_SPEC_REAL && !json_is_integer(value)))
    {
        return ngx_llmops_spec_error(err, "\"%s\" must be %s", m->name,
                                     m->want);
    }

    switch (m->type) {

    case NGX_LLMOPS_SPEC_REAL:
        *(double *) p = n;
        break;

    case NGX_LLMOPS_SPEC_COUNT:
        *(ngx_uint_t *) p = (ngx_uint_t) n;
        break;

    case NGX_LLMOPS_SPEC_SECONDS:
        *(ngx_msec_t *) p = (ngx_msec_t) n * 1000;
        break;

    default: /* NGX_LLMOPS_SPEC_SIZE */
        *(size_t *) p = (size_t) n;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_spec_candidates(json_t *value, ngx_llmops_evaluation_spec_t *spec,
    char *err)
{
    size_t   i;
    json_t  *one;

    if (!json_is_array(value) || json_array_size(value) == 0
        || json_array_size(value) > NGX_LLMOPS_EVAL_CANDIDATES)
    {
        return ngx_llmops_spec_error(err, "\"candidates\" must be an array of "
                                     "1 to %d objects",
                                     NGX_LLMOPS_EVAL_CANDIDATES);
    }

    json_array_foreach(value, i, one) {
        if (ngx_llmops_spec_candidate(one, spec, err) != NGX_OK) {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


/* {"name", "target", "prompt", "route"}; without a name it is that of what is
   there */

static ngx_int_t
ngx_llmops_spec_candidate(json_t *value, ngx_llmops_evaluation_spec_t *spec,
    char *err)
{
    size_t                              n;
    ngx_uint_t                          i;
    ngx_llmops_evaluation_candidate_t  *c;

    c = &spec->candidates[spec->ncandidates];

    c->target = ngx_llmops_evaluation_string(value, "target");
    c->prompt = ngx_llmops_evaluation_string(value, "prompt");
    c->route = ngx_llmops_evaluation_string(value, "route");
    c->name = ngx_llmops_evaluation_string(value, "name");

    n = (c->target.len != 0) + (c->prompt.len != 0) + (c->route.len != 0)
        + (c->name.len != 0);

    if (!json_is_object(value) || json_object_size(value) != n
        || (c->target.len == 0 && c->route.len == 0))
    {
        return ngx_llmops_spec_error(err, "a candidate has \"target\" or "
                                     "\"route\", or both, and may have "
                                     "\"prompt\" and \"name\", texts that are "
                                     "not empty");
    }

    if (c->name.len == 0) {
        c->name = c->prompt.len ? c->prompt
                                : c->target.len ? c->target : c->route;
    }

    if (c->name.len > 2 * NGX_LLMOPS_EVAL_NAME) {
        return ngx_llmops_spec_error(err, "a candidate's name has at most %d "
                                     "bytes", 2 * NGX_LLMOPS_EVAL_NAME);
    }

    for (i = 0; i < spec->ncandidates; i++) {
        if (ngx_llmops_same(&spec->candidates[i].name, &c->name)) {
            return ngx_llmops_spec_error(err, "two candidates are called "
                                         "\"%V\", give them a \"name\"",
                                         &c->name);
        }
    }

    spec->ncandidates++;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_spec_budget(json_t *value, ngx_llmops_evaluation_spec_t *spec,
    char *err)
{
    json_t  *cost, *tokens;

    cost = json_object_get(value, "cost");
    tokens = json_object_get(value, "tokens");

    if (json_object_size(value) != (size_t) (cost != NULL) + (tokens != NULL)
        || (cost == NULL && tokens == NULL)
        || (cost && (!json_is_number(cost) || json_number_value(cost) <= 0
                     || json_number_value(cost) > 1000000))
        || (tokens && json_integer_value(tokens) <= 0))
    {
        return ngx_llmops_spec_error(err, "\"budget\" is {\"cost\": USD, "
                                     "\"tokens\": N} or one of the two, above "
                                     "0");
    }

    /* 0 would be none */

    spec->budget = (int64_t) (json_number_value(cost) * 1e12);
    spec->budget = cost ? ngx_max(spec->budget, 1) : 0;
    spec->tokens = json_integer_value(tokens);

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_spec_checks(json_t *value, ngx_llmops_evaluation_spec_t *spec,
    char *err)
{
    spec->checks = value;

    return json_is_array(value)
           ? NGX_OK : ngx_llmops_spec_error(err, "\"checks\" must be an array");
}


/* what a request says beside its messages */

static ngx_int_t
ngx_llmops_spec_parameters(json_t *value, ngx_llmops_evaluation_spec_t *spec,
    char *err)
{
    const char  **p;

    static const char  *ours[] = { "messages", "model", "stream", "prompt",
                                   "n", NULL };

    spec->parameters = value;

    if (!json_is_object(value)) {
        return ngx_llmops_spec_error(err, "\"parameters\" must be an object, "
                                     "for example {\"temperature\": 0}");
    }

    for (p = ours; *p; p++) {
        if (json_object_get(value, *p)) {
            return ngx_llmops_spec_error(err, "\"parameters\" cannot have "
                                         "\"%s\"", *p);
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_spec_judge(json_t *value, ngx_llmops_evaluation_spec_t *spec,
    char *err)
{
    spec->judge.data = (u_char *) json_string_value(value);
    spec->judge.len = json_string_length(value);

    return spec->judge.len
           ? NGX_OK : ngx_llmops_spec_error(err, "\"judge\" must be "
                                            "UPSTREAM/MODEL");
}


static ngx_int_t
ngx_llmops_spec_strict(json_t *value, ngx_llmops_evaluation_spec_t *spec,
    char *err)
{
    spec->strict = json_is_true(value);

    return json_is_boolean(value)
           ? NGX_OK : ngx_llmops_spec_error(err, "\"strict\" must be true or "
                                            "false");
}


static ngx_int_t
ngx_llmops_spec_baseline(json_t *json, ngx_llmops_evaluation_spec_t *spec,
    char *err)
{
    ngx_str_t   name;
    ngx_uint_t  i;

    if (json_object_get(json, "baseline") == NULL) {
        return NGX_OK;
    }

    name = ngx_llmops_evaluation_string(json, "baseline");

    for (i = 0; i < spec->ncandidates; i++) {
        if (ngx_llmops_same(&spec->candidates[i].name, &name)) {
            spec->baseline = i;
            return NGX_OK;
        }
    }

    return ngx_llmops_spec_error(err, "\"baseline\" must be the name of one "
                                 "of the candidates");
}
