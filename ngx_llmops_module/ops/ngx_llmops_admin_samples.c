
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_admin_samples.h"


/*
 * samples: what was recorded.  Reading shows people's words, so that a location
 * that is open for metrics need not be open for this: it is below a path of its
 * own, for nginx's "location", "allow" and "auth_basic".
 *
 * A text of a sample is JSON already, made by us: a list puts texts side by
 * side and does not parse them.
 *
 *   ngx_llmops_admin_samples.c        lists, one, its two answers side by side
 *   ngx_llmops_admin_sample_change.c  verdicts, deletion
 *   ngx_llmops_admin_sample_export.c  data sets
 */


#define NGX_LLMOPS_SAMPLES_LIST    (8 * 1024 * 1024)   /* bytes of a page */


static ngx_int_t ngx_llmops_admin_samples_list(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_samples_listed(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_samples_one(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_samples_shown(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_samples_diff(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_samples_compared(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_samples_id(ngx_llmops_admin_t *a,
    ngx_llmops_samples_read_t *rd);
static void ngx_llmops_admin_samples_cleanup(void *data);
static void ngx_llmops_admin_samples_handler(ngx_llmops_samples_read_t *rd);


const ngx_llmops_admin_call_t  ngx_llmops_admin_samples[] = {

    { NGX_HTTP_GET, "samples", "listSamples",
      "route tenant client cursor limit pairs verdict",
      ngx_llmops_admin_samples_list, 0, 0 },

    { NGX_HTTP_DELETE, "samples", "deleteSamples", "client",
      ngx_llmops_admin_samples_delete_all, 1, 0 },

    { NGX_HTTP_GET, "samples/export", "exportSamples",
      "format route tenant client cursor limit min_score",
      ngx_llmops_admin_samples_export, 0, 0 },

    { NGX_HTTP_GET, "samples/{}", "getSample", NULL,
      ngx_llmops_admin_samples_one, 0, 0 },

    { NGX_HTTP_DELETE, "samples/{}", "deleteSample", NULL,
      ngx_llmops_admin_samples_delete, 1, 0 },

    { NGX_HTTP_GET, "samples/{}/diff", "diffSample", NULL,
      ngx_llmops_admin_samples_diff, 0, 0 },

    { NGX_HTTP_POST, "samples/{}/verdict", "judgeSample", NULL,
      ngx_llmops_admin_samples_verdict, 1, 1 },

    { 0, NULL, NULL, NULL, NULL, 0, 0 }
};


ngx_int_t
ngx_llmops_admin_samples_off(ngx_llmops_admin_t *a)
{
    return ngx_llmops_admin_error(a, NGX_HTTP_NOT_FOUND, "not_found",
                                  "no samples are kept, the configuration "
                                  "turns them on with \"sample share=1%% "
                                  "redact=RULES;\" in an llm_route");
}


ngx_int_t
ngx_llmops_admin_samples_error(ngx_llmops_admin_t *a)
{
    return ngx_llmops_admin_error(a, NGX_HTTP_SERVICE_UNAVAILABLE,
                                  "unavailable", "samples cannot be read or "
                                  "changed now, retry later");
}


/* the question of a request, with the filters that its query has; NULL: rc */

ngx_llmops_samples_read_t *
ngx_llmops_admin_samples_question(ngx_llmops_admin_t *a, ngx_int_t most,
    ngx_int_t usual, ngx_int_t *rc)
{
    ngx_int_t                   n;
    ngx_str_t                  *arg, id;
    u_char                      text[NGX_LLMOPS_RECORD_TAG];
    ngx_http_cleanup_t         *cln;
    ngx_llmops_samples_read_t  *rd;

    *rc = NGX_ERROR;

    rd = ngx_pcalloc(a->request->pool, sizeof(ngx_llmops_samples_read_t));
    cln = ngx_http_cleanup_add(a->request, 0);

    if (rd == NULL || cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_llmops_admin_samples_cleanup;
    cln->data = rd;

    rd->pool = a->request->pool;
    rd->handler = ngx_llmops_admin_samples_handler;
    rd->data = a;
    a->data = rd;

    *rc = ngx_llmops_admin_arg_number(a, "limit", 1, most, usual, &n);

    if (*rc != NGX_OK) {
        return NULL;
    }

    rd->n = n;

    struct {
        const char  *name;
        ngx_str_t   *value;
    } args[] = {
        { "route", &rd->route }, { "tenant", &rd->tenant },
        { "client", &rd->client }, { "cursor", &rd->cursor }
    };

    for (n = 0; n < (ngx_int_t) (sizeof(args) / sizeof(args[0])); n++) {

        arg = ngx_llmops_admin_arg(a, args[n].name);

        if (arg == NULL) {
            continue;
        }

        /* an empty filter would be none */

        if (arg->len == 0) {
            *rc = ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                         "\"%s\" must not be empty",
                                         args[n].name);
            return NULL;
        }

        *args[n].value = *arg;
    }

    id = rd->cursor;

    if (id.len && ngx_llmops_sample_id_read(&id, text) != NGX_OK) {
        *rc = ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                     "\"cursor\" must be the \"next\" of an "
                                     "answer");
        return NULL;
    }

    *rc = NGX_OK;

    return rd;
}


static void
ngx_llmops_admin_samples_cleanup(void *data)
{
    ngx_llmops_samples_forget(data);
}


static void
ngx_llmops_admin_samples_handler(ngx_llmops_samples_read_t *rd)
{
    ngx_llmops_admin_t *a = rd->data;

    ngx_llmops_admin_resume(a, a->next);
}


ngx_int_t
ngx_llmops_admin_samples_ask(ngx_llmops_admin_t *a,
    ngx_llmops_samples_read_t *rd, ngx_llmops_admin_pt next)
{
    ngx_int_t  rc;

    a->next = next;

    rc = ngx_llmops_samples_last(a->mcf, rd);

    return rc == NGX_DECLINED ? ngx_llmops_admin_samples_off(a) : rc;
}


/* yes or no, or absent; NGX_DECLINED: something else */

static ngx_int_t
ngx_llmops_admin_samples_flag(ngx_llmops_admin_t *a, const char *name,
    ngx_uint_t *flag)
{
    ngx_str_t  *arg;

    arg = ngx_llmops_admin_arg(a, name);

    *flag = 0;

    if (arg == NULL
        || (arg->len == 5 && ngx_memcmp(arg->data, "false", 5) == 0))
    {
        return NGX_OK;
    }

    if (arg->len == 4 && ngx_memcmp(arg->data, "true", 4) == 0) {
        *flag = 1;
        return NGX_OK;
    }

    return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                  "\"%s\" must be true or false", name);
}


static ngx_int_t
ngx_llmops_admin_samples_list(ngx_llmops_admin_t *a)
{
    ngx_int_t                   rc;
    ngx_uint_t                  pairs, judged;
    ngx_llmops_samples_read_t  *rd;

    rd = ngx_llmops_admin_samples_question(a, 1000, 50, &rc);

    if (rd == NULL) {
        return rc;
    }

    rc = ngx_llmops_admin_samples_flag(a, "pairs", &pairs);

    if (rc == NGX_OK) {
        rc = ngx_llmops_admin_samples_flag(a, "verdict", &judged);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    rd->pairs = pairs ? 1 : 0;
    rd->judged = judged ? 1 : 0;
    rd->bytes = NGX_LLMOPS_SAMPLES_LIST;

    return ngx_llmops_admin_samples_ask(a, rd,
                                        ngx_llmops_admin_samples_listed);
}


static ngx_int_t
ngx_llmops_admin_samples_listed(ngx_llmops_admin_t *a)
{
    ngx_uint_t                  i;
    ngx_llmops_sample_t        *sample;
    ngx_llmops_samples_read_t  *rd = a->data;

    if (rd->rc == NGX_ERROR) {
        return ngx_llmops_admin_samples_error(a);
    }

    sample = rd->samples.elts;

    ngx_llmops_page_lit(&a->page, "{\"v\":1,\"object\":\"list\",\"data\":[");

    for (i = 0; i < rd->samples.nelts; i++) {
        if (i) {
            ngx_llmops_page_lit(&a->page, ",");
        }

        ngx_llmops_page_str(&a->page, &sample[i].text);
    }

    ngx_llmops_page_printf(&a->page, "],\"has_more\":%s,\"next\":",
                           rd->more ? "true" : "false");

    if (rd->more && rd->last.len) {
        ngx_llmops_page_printf(&a->page, "\"%V\"", &rd->last);

    } else {
        ngx_llmops_page_lit(&a->page, "null");
    }

    if (rd->error) {
        ngx_llmops_page_lit(&a->page, ",\"warning\":");
        ngx_llmops_admin_samples_quote(a, rd->error);
    }

    ngx_llmops_page_lit(&a->page, "}\n");

    ngx_str_set(&a->type, "application/json");
    a->status = NGX_HTTP_OK;

    return a->page.failed ? NGX_ERROR : NGX_OK;
}


/* a text of ours as a JSON string */

void
ngx_llmops_admin_samples_quote(ngx_llmops_admin_t *a, const char *text)
{
    ngx_llmops_out_t  out;

    ngx_llmops_out_init(&out, 4096);

    if (ngx_llmops_out_json(&out, (u_char *) text, ngx_strlen(text))
        == NGX_OK)
    {
        ngx_llmops_page_write(&a->page, out.data, out.len);

    } else {
        a->page.failed = 1;
    }

    ngx_llmops_out_free(&out);
}


static ngx_int_t
ngx_llmops_admin_samples_one(ngx_llmops_admin_t *a)
{
    ngx_int_t                   rc;
    ngx_llmops_samples_read_t  *rd;

    rd = ngx_llmops_admin_samples_question(a, 1, 1, &rc);

    if (rd == NULL) {
        return rc;
    }

    rc = ngx_llmops_admin_samples_id(a, rd);

    return rc == NGX_OK
           ? ngx_llmops_admin_samples_ask(a, rd,
                                          ngx_llmops_admin_samples_shown)
           : rc;
}


static ngx_int_t
ngx_llmops_admin_samples_id(ngx_llmops_admin_t *a,
    ngx_llmops_samples_read_t *rd)
{
    u_char  id[NGX_LLMOPS_RECORD_TAG];

    if (ngx_llmops_sample_id_read(&a->args[0], id) != NGX_OK) {
        return ngx_llmops_admin_samples_none(a);
    }

    rd->id = a->args[0];

    return NGX_OK;
}


ngx_int_t
ngx_llmops_admin_samples_none(ngx_llmops_admin_t *a)
{
    return ngx_llmops_admin_error(a, NGX_HTTP_NOT_FOUND, "not_found",
                                  "there is no such sample, or no longer");
}


/* the sample of an answer; NULL: rc */

static ngx_llmops_sample_t *
ngx_llmops_admin_samples_first(ngx_llmops_admin_t *a, ngx_int_t *rc)
{
    ngx_llmops_samples_read_t *rd = a->data;

    if (rd->rc == NGX_ERROR) {
        *rc = ngx_llmops_admin_samples_error(a);
        return NULL;
    }

    if (rd->samples.nelts == 0) {
        *rc = rd->rc == NGX_DECLINED
              ? ngx_llmops_admin_error(a, NGX_HTTP_CONFLICT, "unreadable",
                                       "the sample is encrypted with a key "
                                       "that \"llm_samples\" does not have, "
                                       "or is damaged")
              : ngx_llmops_admin_samples_none(a);
        return NULL;
    }

    return rd->samples.elts;
}


static ngx_int_t
ngx_llmops_admin_samples_shown(ngx_llmops_admin_t *a)
{
    ngx_int_t             rc;
    ngx_llmops_sample_t  *sample;

    sample = ngx_llmops_admin_samples_first(a, &rc);

    if (sample == NULL) {
        return rc;
    }

    /* it is an object: "v" goes first, as everywhere */

    ngx_llmops_page_lit(&a->page, "{\"v\":1,");
    ngx_llmops_page_write(&a->page, sample->text.data + 1,
                          sample->text.len - 1);
    ngx_llmops_page_lit(&a->page, "\n");

    ngx_str_set(&a->type, "application/json");
    a->status = NGX_HTTP_OK;

    return a->page.failed ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
ngx_llmops_admin_samples_diff(ngx_llmops_admin_t *a)
{
    ngx_int_t                   rc;
    ngx_llmops_samples_read_t  *rd;

    rd = ngx_llmops_admin_samples_question(a, 1, 1, &rc);

    if (rd == NULL) {
        return rc;
    }

    rc = ngx_llmops_admin_samples_id(a, rd);

    return rc == NGX_OK
           ? ngx_llmops_admin_samples_ask(a, rd,
                                          ngx_llmops_admin_samples_compared)
           : rc;
}


static ngx_int_t
ngx_llmops_admin_samples_compared(ngx_llmops_admin_t *a)
{
    json_t               *doc, *stable, *shadow, *diff;
    ngx_int_t             rc;
    ngx_llmops_sample_t  *sample;

    sample = ngx_llmops_admin_samples_first(a, &rc);

    if (sample == NULL) {
        return rc;
    }

    doc = json_loadb((char *) sample->text.data, sample->text.len,
                     JSON_ALLOW_NUL, NULL);

    stable = json_object_get(json_object_get(doc, "answer"), "text");
    shadow = json_object_get(json_object_get(json_object_get(doc, "shadow"),
                                             "answer"), "text");

    if (!json_is_string(shadow) || !json_is_string(stable)) {
        json_decref(doc);
        return ngx_llmops_admin_error(a, NGX_HTTP_NOT_FOUND, "no_pair",
                                      "there is no answer of a shadow in this "
                                      "sample");
    }

    diff = ngx_llmops_sample_diff(json_string_value(stable),
                                  json_string_length(stable),
                                  json_string_value(shadow),
                                  json_string_length(shadow));

    rc = ngx_llmops_admin_reply(a, NGX_HTTP_OK,
        json_pack("{s:s%,s:s,s:O,s:O,s:O,s:O,s:O?,s:O?}",
            "id", (char *) sample->id.data, sample->id.len,
            "object", "sample.diff",
            "stable", stable, "shadow", shadow,
            "parts", json_object_get(diff, "parts"),
            "same", json_object_get(diff, "same"),
            "similarity", json_object_get(json_object_get(doc, "shadow"),
                                          "similarity"),
            "verdict", json_object_get(doc, "verdict")));

    json_decref(diff);
    json_decref(doc);

    return rc;
}
