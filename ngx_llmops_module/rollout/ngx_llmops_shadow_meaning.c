
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_shadow_own.h"
#include "ngx_llmops_cache_near.h"


/*
 * How much two answers mean the same: the cosine of their embeddings, which a
 * provider makes in one detached request.  Like the copy itself, nobody waits
 * for it, and what the bounds forbid is not made: the pair is then compared by
 * words alone.
 *
 * Only what a model of embeddings commonly takes is sent: the beginning of
 * texts that are longer.
 */


#define NGX_LLMOPS_MEANING_TEXT     16384  /* bytes of each text */
#define NGX_LLMOPS_MEANING_ANSWER   (512 * 1024)
#define NGX_LLMOPS_MEANING_TIMEOUT  10000  /* ms */


typedef struct {
    ngx_llmops_detached_t      d;
    ngx_llmops_shadow_t       *shadow;
} ngx_llmops_meaning_t;


static ngx_int_t ngx_llmops_meaning_body(ngx_llmops_shadow_t *s,
    ngx_str_t *stable, ngx_str_t *shadow, ngx_llmops_out_t *out);
static void ngx_llmops_meaning_text(ngx_llmops_out_t *out, ngx_str_t *text);
static void ngx_llmops_meaning_done(ngx_llmops_detached_t *d);
static ngx_int_t ngx_llmops_meaning_cosine(ngx_str_t *answer, float *cosine);


void
ngx_llmops_shadow_meaning(ngx_llmops_main_conf_t *mcf, ngx_llmops_shadow_t *s,
    ngx_str_t *stable, ngx_str_t *shadow)
{
    ngx_int_t              rc;
    ngx_llmops_out_t       out;
    ngx_llmops_meaning_t  *m;

    if (s->embed_target == NULL || stable->len == 0 || shadow->len == 0) {
        return;
    }

    m = ngx_calloc(sizeof(ngx_llmops_meaning_t), ngx_cycle->log);
    if (m == NULL) {
        return;
    }

    /* a character may be written as six, "\u0001" */

    ngx_llmops_out_init(&out, 12 * NGX_LLMOPS_MEANING_TEXT + 1024);

    rc = ngx_llmops_meaning_body(s, stable, shadow, &out);

    if (rc == NGX_OK) {
        m->shadow = s;
        m->d.route = s->route;
        m->d.target = s->embed_target;
        ngx_str_set(&m->d.path, "/v1/embeddings");
        m->d.body.data = out.data;
        m->d.body.len = out.len;
        m->d.purpose = "shadow_embedding";
        m->d.max = NGX_LLMOPS_MEANING_ANSWER;
        m->d.timeout = NGX_LLMOPS_MEANING_TIMEOUT;
        m->d.background = 1;
        m->d.handler = ngx_llmops_meaning_done;
        m->d.data = m;

        rc = ngx_llmops_detached_start(mcf, &m->d);
    }

    ngx_llmops_out_free(&out);

    if (rc != NGX_OK) {
        ngx_free(m);
    }
}


static ngx_int_t
ngx_llmops_meaning_body(ngx_llmops_shadow_t *s, ngx_str_t *stable,
    ngx_str_t *shadow, ngx_llmops_out_t *out)
{
    ngx_str_t  *model = &s->embed_target->model;

    (void) ngx_llmops_out_lit(out, "{\"model\":");
    (void) ngx_llmops_out_json(out, model->data, model->len);
    (void) ngx_llmops_out_lit(out, ",\"encoding_format\":\"float\","
                                   "\"input\":[");
    ngx_llmops_meaning_text(out, stable);
    (void) ngx_llmops_out_lit(out, ",");
    ngx_llmops_meaning_text(out, shadow);

    return ngx_llmops_out_lit(out, "]}");
}


/* not cut within a character of UTF-8 */

static void
ngx_llmops_meaning_text(ngx_llmops_out_t *out, ngx_str_t *text)
{
    size_t  len;

    len = ngx_min(text->len, NGX_LLMOPS_MEANING_TEXT);

    while (len && len < text->len && (text->data[len] & 0xc0) == 0x80) {
        len--;
    }

    (void) ngx_llmops_out_json(out, text->data, len);
}


static void
ngx_llmops_meaning_done(ngx_llmops_detached_t *d)
{
    float                    cosine;
    ngx_uint_t               n;
    ngx_llmops_meaning_t    *m = d->data;
    ngx_llmops_shadow_sh_t  *sh = m->shadow->sh;

    ngx_llmops_shadow_spend(m->shadow, d->cost);

    if (sh && d->error == NGX_LLMOPS_ERR_NONE && !d->truncated
        && ngx_llmops_meaning_cosine(&d->answer, &cosine) == NGX_OK)
    {
        n = cosine > 0 ? (ngx_uint_t) (cosine * 1000 + 0.5f) : 0;

        ngx_llmops_shadow_similar(&sh->meaning, n);
    }

    ngx_free(m);
}


/* of the two that were asked for, in whatever order */

static ngx_int_t
ngx_llmops_meaning_cosine(ngx_str_t *answer, float *cosine)
{
    ngx_str_t                  data, item, value;
    ngx_uint_t                 i;
    ngx_llmops_json_iter_t     it;
    ngx_llmops_near_vector_t   v[2];

    if (ngx_llmops_json_get(answer, "data", &data) != NGX_OK
        || ngx_llmops_json_array(&it, &data) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    for (i = 0; i < 2; i++) {
        if (ngx_llmops_json_next(&it, NULL, &item) != NGX_OK
            || ngx_llmops_json_get(&item, "embedding", &value) != NGX_OK
            || ngx_llmops_near_read(&value, &v[i]) != NGX_OK)
        {
            return NGX_DECLINED;
        }
    }

    if (v[0].dims != v[1].dims) {
        return NGX_DECLINED;
    }

    *cosine = ngx_llmops_near_cos(&v[0], v[1].v, v[1].dims, v[1].norm);

    return NGX_OK;
}
