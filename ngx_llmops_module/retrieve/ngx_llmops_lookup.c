
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_lookup.h"


/*
 * From a text to the chunks that are near to it: its vector, from the index's
 * model, which is remembered for texts that are asked again; then a search in
 * Redis.  One timer bounds both.  A vector that comes too late is remembered
 * all the same.
 */


static void ngx_llmops_lookup_embedded(ngx_llmops_embed_t *e);
static ngx_int_t ngx_llmops_lookup_find(ngx_llmops_lookup_t *l);
static void ngx_llmops_lookup_found(ngx_llmops_vectors_ask_t *ask);
static ngx_int_t ngx_llmops_lookup_passage(ngx_llmops_lookup_t *l,
    ngx_llmops_vectors_hit_t *hit);
static void ngx_llmops_lookup_late(ngx_event_t *ev);
static void ngx_llmops_lookup_done(ngx_llmops_lookup_t *l,
    ngx_llmops_retrieve_result_e result);


const ngx_str_t  ngx_llmops_retrieve_results[] = {
    ngx_string("found"),
    ngx_string("empty"),
    ngx_string("no_query"),
    ngx_string("timeout"),
    ngx_string("unsupported"),
    ngx_string("failed")
};


ngx_int_t
ngx_llmops_lookup(ngx_llmops_lookup_t *l)
{
    ngx_int_t  rc;

    l->start = ngx_current_msec;

    l->timer.handler = ngx_llmops_lookup_late;
    l->timer.data = l;
    l->timer.log = l->log;

    l->embed.target = l->index->target;
    l->embed.text = l->text;
    l->embed.handler = ngx_llmops_lookup_embedded;
    l->embed.data = l;

    /* what is not known yet will be when the text has become a vector */

    if (ngx_llmops_vectors_able(l->mcf->store, &l->index->set)
        == NGX_DECLINED)
    {
        ngx_llmops_lookup_done(l, NGX_LLMOPS_RETRIEVE_UNSUPPORTED);
        return NGX_OK;
    }

    rc = ngx_llmops_embed_ask(l->mcf, l->from, &l->embed);

    if (rc == NGX_OK) {
        rc = ngx_llmops_lookup_find(l);
    }

    if (rc == NGX_AGAIN) {
        ngx_add_timer(&l->timer, l->timeout);
        return NGX_AGAIN;
    }

    ngx_llmops_lookup_done(l, NGX_LLMOPS_RETRIEVE_FAILED);

    return NGX_OK;
}


void
ngx_llmops_lookup_cancel(ngx_llmops_lookup_t *l)
{
    ngx_llmops_embed_forget(&l->embed);
    ngx_llmops_vectors_forget(&l->ask);

    if (l->timer.timer_set) {
        ngx_del_timer(&l->timer);
    }
}


static void
ngx_llmops_lookup_embedded(ngx_llmops_embed_t *e)
{
    ngx_llmops_lookup_t *l = e->data;

    if (e->vector && ngx_llmops_lookup_find(l) == NGX_AGAIN) {
        return;
    }

    ngx_llmops_lookup_done(l, NGX_LLMOPS_RETRIEVE_FAILED);
    l->handler(l);
}


/* NGX_AGAIN, or it cannot be asked */

static ngx_int_t
ngx_llmops_lookup_find(ngx_llmops_lookup_t *l)
{
    uint32_t                         i;
    ngx_llmops_vectors_query_t       query;
    const ngx_llmops_near_vector_t  *v = l->embed.vector;

    l->vector = ngx_palloc(l->pool, v->dims * sizeof(float));
    if (l->vector == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < v->dims; i++) {
        l->vector[i] = (float) v->v[i];
    }

    ngx_memzero(&query, sizeof(ngx_llmops_vectors_query_t));

    query.vector.v = l->vector;
    query.vector.dims = v->dims;
    query.count = l->top;
    query.min = l->min;
    query.filter = l->filter;
    query.attributes = 1;

    l->ask.handler = ngx_llmops_lookup_found;
    l->ask.data = l;
    l->ask.log = l->log;

    return ngx_llmops_vectors_find(l->mcf->store, &l->ask, &l->index->set,
                                   &query);
}


static void
ngx_llmops_lookup_found(ngx_llmops_vectors_ask_t *ask)
{
    ngx_uint_t            i;
    ngx_llmops_lookup_t  *l = ask->data;

    l->passages = ngx_pcalloc(l->pool, ngx_max(ask->nhits, 1)
                                       * sizeof(ngx_llmops_passage_t));

    if (ask->rc != NGX_OK || l->passages == NULL) {
        ngx_llmops_lookup_done(l, ask->rc == NGX_DECLINED
                                  ? NGX_LLMOPS_RETRIEVE_UNSUPPORTED
                                  : NGX_LLMOPS_RETRIEVE_FAILED);
        l->handler(l);
        return;
    }

    for (i = 0; i < ask->nhits; i++) {
        if (ngx_llmops_lookup_passage(l, &ask->hits[i]) == NGX_OK) {
            l->n++;
        }
    }

    ngx_llmops_lookup_done(l, l->n ? NGX_LLMOPS_RETRIEVE_FOUND
                                   : NGX_LLMOPS_RETRIEVE_EMPTY);
    l->handler(l);
}


/* one that has just been taken out has no attributes any more */

static ngx_int_t
ngx_llmops_lookup_passage(ngx_llmops_lookup_t *l,
    ngx_llmops_vectors_hit_t *hit)
{
    ngx_str_t              raw;
    ngx_llmops_passage_t  *p;

    if (hit->attributes.data == NULL) {
        return NGX_DECLINED;
    }

    raw.len = hit->attributes.len;
    raw.data = ngx_pstrdup(l->pool, &hit->attributes);

    if (raw.data == NULL) {
        return NGX_DECLINED;
    }

    p = &l->passages[l->n];
    ngx_memzero(p, sizeof(ngx_llmops_passage_t));

    p->similarity = hit->similarity;

    (void) ngx_llmops_json_get(&raw, "title", &p->title);
    (void) ngx_llmops_json_get(&raw, "url", &p->url);
    (void) ngx_llmops_json_get(&raw, "n", &p->n);

    return (ngx_llmops_json_get(&raw, "d", &p->id) == NGX_OK
            && ngx_llmops_json_get(&raw, "t", &p->text) == NGX_OK
            && ngx_llmops_json_type(&p->id) == NGX_LLMOPS_JSON_STRING
            && ngx_llmops_json_type(&p->text) == NGX_LLMOPS_JSON_STRING)
           ? NGX_OK : NGX_DECLINED;
}


static void
ngx_llmops_lookup_late(ngx_event_t *ev)
{
    ngx_llmops_lookup_t *l = ev->data;

    ngx_llmops_lookup_cancel(l);
    ngx_llmops_lookup_done(l, NGX_LLMOPS_RETRIEVE_TIMEOUT);

    l->handler(l);
}


static void
ngx_llmops_lookup_done(ngx_llmops_lookup_t *l,
    ngx_llmops_retrieve_result_e result)
{
    ngx_llmops_index_sh_t  *sh = l->index->sh;

    if (l->timer.timer_set) {
        ngx_del_timer(&l->timer);
    }

    l->result = result;
    l->ms = ngx_current_msec - l->start;

    if (sh) {
        (void) ngx_atomic_fetch_add(&sh->results[result], 1);
        (void) ngx_atomic_fetch_add(&sh->ms, l->ms);
    }
}


void
ngx_llmops_lookup_cut(ngx_str_t *s)
{
    size_t  skip;

    if (s->len <= NGX_LLMOPS_LOOKUP_TEXT) {
        return;
    }

    skip = s->len - NGX_LLMOPS_LOOKUP_TEXT;

    while (skip < s->len && (s->data[skip] & 0xc0) == 0x80) {
        skip++;
    }

    s->data += skip;
    s->len -= skip;
}


ngx_int_t
ngx_llmops_lookup_where(ngx_str_t *filter, size_t room, ngx_str_t *key,
    ngx_str_t *value)
{
    size_t   i;
    u_char  *p;

    /* the language of filters has no escapes: what could end a string cannot
       be asked for */

    for (i = 0; i < value->len; i++) {
        if (value->data[i] < 0x20 || value->data[i] == '"'
            || value->data[i] == '\'' || value->data[i] == '\\')
        {
            return NGX_DECLINED;
        }
    }

    if (filter->len + key->len + value->len + sizeof(" and .m_ == \"\"")
        > room)
    {
        return NGX_DECLINED;
    }

    p = filter->data + filter->len;

    p = ngx_sprintf(p, "%s.m_%V == \"%V\"", filter->len ? " and " : "", key,
                    value);

    filter->len = p - filter->data;

    return NGX_OK;
}
