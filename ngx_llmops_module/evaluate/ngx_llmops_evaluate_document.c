
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_evaluate.h"
#include "ngx_llmops_prompt_conf.h"


/* The document of an evaluation, as it is kept and shown, and the names of its
   parts. */


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
    u_char      *p;
    uint32_t     n[4];
    ngx_time_t  *tp;

    /* the time first, to the millisecond: they sort by it */

    tp = ngx_timeofday();

    n[0] = (uint32_t) tp->sec;
    n[1] = (uint32_t) tp->msec << 22 | ((uint32_t) ngx_random() & 0x3fffff);
    n[2] = (uint32_t) ngx_random() ^ (uint32_t) ngx_pid << 16;
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


/* what a model has answered may have a NUL in it */

json_t *
ngx_llmops_evaluation_load(ngx_str_t *s)
{
    return json_loadb((char *) s->data, s->len,
                      JSON_REJECT_DUPLICATES|JSON_DECODE_ANY|JSON_ALLOW_NUL,
                      NULL);
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
