
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_evaluate.h"
#include "ngx_llmops_prompt_conf.h"
#include "ngx_llmops_route.h"


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
static ngx_int_t ngx_llmops_names_candidate(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_evaluation_spec_t *spec, ngx_llmops_evaluation_candidate_t *c,
    char *err);
static ngx_int_t ngx_llmops_names_target(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_evaluation_spec_t *spec, ngx_str_t *name, char *err);
static ngx_int_t ngx_llmops_names_prompt(ngx_llmops_main_conf_t *mcf,
    ngx_str_t *prompt, char *err);


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


/* err is terminated */

#define ngx_llmops_spec_error(err, ...)                                       \
    (*ngx_snprintf((u_char *) (err), NGX_LLMOPS_EVAL_TEXT - 1, __VA_ARGS__)   \
         = '\0', NGX_DECLINED)


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
        || (c->target.len && c->route.len)
        || (c->target.len == 0 && c->route.len == 0))
    {
        return ngx_llmops_spec_error(err, "a candidate has \"target\" or "
                                     "\"route\", and may have \"prompt\" and "
                                     "\"name\", texts that are not empty");
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

    spec->budget = (int64_t) (json_number_value(cost) * 1e12);
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


ngx_int_t
ngx_llmops_evaluation_names(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_evaluation_spec_t *spec, json_t *json, char *err)
{
    ngx_str_t   route;
    ngx_uint_t  i;

    route = ngx_llmops_evaluation_string(json, "route");

    if (json_object_get(json, "route")
        && ngx_llmops_route_by_name(mcf, &route) == NULL)
    {
        return ngx_llmops_spec_error(err, "there is no llm_route \"%V\"",
                                     &route);
    }

    if (spec->judge.len
        && ngx_llmops_names_target(mcf, spec, &spec->judge, err) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    for (i = 0; i < spec->ncandidates; i++) {
        if (ngx_llmops_names_candidate(mcf, spec, &spec->candidates[i], err)
            != NGX_OK)
        {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_names_candidate(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_evaluation_spec_t *spec, ngx_llmops_evaluation_candidate_t *c,
    char *err)
{
    if (c->prompt.len
        && ngx_llmops_names_prompt(mcf, &c->prompt, err) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (c->target.len) {
        return ngx_llmops_names_target(mcf, spec, &c->target, err);
    }

    return ngx_llmops_route_by_name(mcf, &c->route)
           ? NGX_OK : ngx_llmops_spec_error(err, "there is no llm_route "
                                            "\"%V\"", &c->route);
}


/* labels of metrics are made of the configuration alone */

static ngx_int_t
ngx_llmops_names_target(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_evaluation_spec_t *spec, ngx_str_t *name, char *err)
{
    ngx_llmops_target_t  *t;

    t = ngx_llmops_evaluation_target(mcf->evaluations, name);

    if (t == NULL) {
        return ngx_llmops_spec_error(err, "the configuration has no target "
                                     "\"%V\", name it in an llm_route or write "
                                     "\"llm_evaluations target=%V;\"", name,
                                     name);
    }

    if (spec->budget && t->price == NULL) {
        return ngx_llmops_spec_error(err, "the price of \"%V\" is not known, "
                                     "so that a budget of \"cost\" would bound "
                                     "nothing: write \"llm_price\", or give a "
                                     "budget of \"tokens\"", name);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_names_prompt(ngx_llmops_main_conf_t *mcf, ngx_str_t *prompt,
    char *err)
{
    u_char  *at;

    at = ngx_strlchr(prompt->data, prompt->data + prompt->len, '@');

    if (at == NULL || at == prompt->data
        || at == prompt->data + prompt->len - 1)
    {
        return ngx_llmops_spec_error(err, "\"prompt\" must be NAME@VERSION");
    }

    /* whether it is there the run finds out: the store may have it */

    return mcf->prompts
           ? NGX_OK : ngx_llmops_spec_error(err, "there are no prompts");
}


/* -- the document --------------------------------------------------------- */

json_t *
ngx_llmops_evaluation_document(ngx_llmops_evaluation_spec_t *spec,
    json_t *json, const char *id, ngx_uint_t cases, int64_t now,
    const char *by)
{
    int          rc;
    json_t      *doc, *list, *one, *member;
    ngx_uint_t   i;

    doc = json_pack("{s:s,s:s,s:s,s:I,s:n,s:n,s:I,s:i,s:i,s:f,s:i,s:s,s:s}",
                    "id", id, "object", "evaluation", "status", "queued",
                    "created", (json_int_t) now, "started", "ended",
                    "cases", (json_int_t) cases, "done", 0, "failed", 0,
                    "cost", 0.0, "tokens", 0, "verdict", "undecided",
                    "by", by);
    list = json_array();

    if (doc == NULL || list == NULL) {
        json_decref(doc);
        json_decref(list);
        return NULL;
    }

    rc = 0;

    for (i = 0; i < spec->ncandidates; i++) {
        one = json_object();
        member = json_array_get(json_object_get(json, "candidates"), i);

        rc |= json_object_update(one, member);
        rc |= json_object_set_new(one, "name",
                         json_stringn((char *) spec->candidates[i].name.data,
                                      spec->candidates[i].name.len));
        rc |= json_array_append_new(list, one);
    }

    rc |= json_object_set_new(doc, "candidates", list);

    member = json_object_get(json, "name");
    rc |= json_object_set(doc, "name", member ? member : json_null());

    member = json_object_get(json, "route");
    rc |= json_object_set(doc, "route", member ? member : json_null());

    member = json_object_get(json, "budget");
    rc |= json_object_set(doc, "budget", member ? member : json_null());

    if (spec->baseline != -1) {
        rc |= json_object_set(doc, "baseline",
                              json_object_get(json, "baseline"));
    }

    if (rc) {
        json_decref(doc);
        return NULL;
    }

    return doc;
}


void
ngx_llmops_evaluation_id(char id[NGX_LLMOPS_EVAL_ID + 1])
{
    u_char    *p;
    uint32_t   n[4];

    n[0] = (uint32_t) ngx_time();
    n[1] = (uint32_t) ngx_random() ^ (uint32_t) ngx_pid << 16;
    n[2] = (uint32_t) ngx_random() ^ (uint32_t) ngx_current_msec;
    n[3] = (uint32_t) ngx_random();

    p = ngx_cpymem(id, "eval_", 5);

    (void) ngx_sprintf(p, "%08xD%08xD%08xD%08xD%Z", n[0], n[1], n[2], n[3]);
}


ngx_uint_t
ngx_llmops_evaluation_is_id(ngx_str_t *s)
{
    size_t  i;

    if (s->len != NGX_LLMOPS_EVAL_ID
        || ngx_memcmp(s->data, "eval_", 5) != 0)
    {
        return 0;
    }

    for (i = 5; i < s->len; i++) {
        if (ngx_strchr("0123456789abcdef", s->data[i]) == NULL
            || s->data[i] == '\0')
        {
            return 0;
        }
    }

    return 1;
}


ngx_uint_t
ngx_llmops_evaluation_is_name(ngx_str_t *s)
{
    return s->len <= NGX_LLMOPS_EVAL_NAME && ngx_llmops_prompt_name(s);
}


ngx_uint_t
ngx_llmops_evaluation_active(json_t *doc)
{
    return ngx_llmops_evaluation_is(doc, "queued")
           || ngx_llmops_evaluation_is(doc, "running");
}


ngx_uint_t
ngx_llmops_evaluation_is(json_t *doc, const char *status)
{
    const char  *is;

    is = json_string_value(json_object_get(doc, "status"));

    return is && ngx_strcmp(is, status) == 0;
}


ngx_str_t
ngx_llmops_evaluation_part(u_char *p, const char *id, const char *part)
{
    ngx_str_t  s;

    s.data = p;
    s.len = ngx_snprintf(p, NGX_LLMOPS_DOC_ID, "%s/%s", id, part) - p;

    return s;
}


ngx_str_t
ngx_llmops_evaluation_chunk(u_char *p, const char *id, ngx_uint_t chunk)
{
    ngx_str_t  s;

    s.data = p;
    s.len = ngx_snprintf(p, NGX_LLMOPS_DOC_ID, "%s/%ui", id, chunk) - p;

    return s;
}


ngx_str_t
ngx_llmops_evaluation_text(json_t *json, ngx_pool_t *pool)
{
    char       *text;
    ngx_str_t   s;

    ngx_str_null(&s);

    text = json ? json_dumps(json, JSON_COMPACT|JSON_ENCODE_ANY) : NULL;

    if (text == NULL) {
        return s;
    }

    s.len = ngx_strlen(text);
    s.data = ngx_pnalloc(pool, s.len ? s.len : 1);

    if (s.data) {
        ngx_memcpy(s.data, text, s.len);
    }

    free(text);

    return s;
}


json_t *
ngx_llmops_evaluation_load(ngx_str_t *s)
{
    return json_loadb((char *) s->data, s->len,
                      JSON_REJECT_DUPLICATES|JSON_DECODE_ANY, NULL);
}


ngx_str_t
ngx_llmops_evaluation_string(json_t *json, const char *name)
{
    json_t     *value;
    ngx_str_t   s;

    value = json_object_get(json, name);

    s.data = (u_char *) json_string_value(value);
    s.len = s.data ? json_string_length(value) : 0;

    return s;
}
