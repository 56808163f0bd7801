
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_near_work.h"


/*
 * The vectors of a fleet: in Redis, where there are vector sets.
 *
 * Each room (all that must be equal: scope, route, prompt, model, conversation,
 * numbers, names, negations) is a set by itself, named by the whole digest of
 * it.  So a search can find nothing of another room, needs no filter for that,
 * and is among few vectors; and a set ends with the last of its answers, by
 * Redis's own expiry, or earlier where Redis is short of memory.
 *
 * An element's name is the key of the entry and the words of its question,
 * which are compared here: one round trip tells all.  Its attribute is when its
 * answer ends, by which those that are over are left out.
 *
 * Sets are kept small by whoever adds: once in a while what is over is taken
 * out, and what ends before the newest where there are too many.
 */


#define NGX_LLMOPS_FAR_SET     "near:"
#define NGX_LLMOPS_FAR_NAME    (sizeof(NGX_LLMOPS_FAR_SET) - 1               \
                                + NGX_LLMOPS_CACHE_HEX)
#define NGX_LLMOPS_FAR_ELEMENT (NGX_LLMOPS_CACHE_KEY                         \
                                + NGX_LLMOPS_NEAR_WORDS * sizeof(uint32_t))
#define NGX_LLMOPS_FAR_COUNT   8       /* nearest ones that are looked at: of
                                          some the words are swapped */
#define NGX_LLMOPS_FAR_FULL    1024    /* elements of a set, about */
#define NGX_LLMOPS_FAR_EVERY   16      /* additions between two cleanings */
#define NGX_LLMOPS_FAR_OUT     32      /* that a cleaning takes out */


/* a cleaning: one at a time in each worker */

typedef struct {
    ngx_llmops_vectors_ask_t   ask;
    ngx_llmops_store_t        *store;
    ngx_str_t                  set;
    u_char                     name[NGX_LLMOPS_FAR_NAME];
    uint32_t                   dims;
    int64_t                    expires;    /* of the newest */
    ngx_uint_t                 adds;
    unsigned                   busy:1;
} ngx_llmops_far_clean_t;


static ngx_llmops_store_t *ngx_llmops_far_store(ngx_llmops_near_t *near);
static void ngx_llmops_far_name(ngx_llmops_near_t *near, u_char *buf,
    ngx_str_t *set);
static void ngx_llmops_far_vector(const ngx_llmops_near_vector_t *v,
    ngx_llmops_vector_t *to);
static void ngx_llmops_far_found(ngx_llmops_vectors_ask_t *vectors);
static ngx_int_t ngx_llmops_far_take(ngx_llmops_near_t *near,
    ngx_llmops_vectors_hit_t *hit);
static ngx_int_t ngx_llmops_far_element(ngx_str_t *element, u_char *key,
    uint32_t *words, ngx_uint_t *nwords);
static void ngx_llmops_far_write(u_char *p, const u_char *key,
    const ngx_llmops_near_text_t *text, ngx_str_t *element);
static void ngx_llmops_far_clean(ngx_llmops_store_t *store, ngx_str_t *set,
    uint32_t dims, int64_t expires);
static void ngx_llmops_far_counted(ngx_llmops_vectors_ask_t *vectors);
static void ngx_llmops_far_over(ngx_llmops_vectors_ask_t *vectors);


/* of this worker */

static ngx_llmops_far_clean_t  ngx_llmops_far_cleaning;
static float                   ngx_llmops_far_floats[NGX_LLMOPS_NEAR_DIMS];


void
ngx_llmops_near_far_start(void)
{
    ngx_memzero(&ngx_llmops_far_cleaning, sizeof(ngx_llmops_far_clean_t));
}


/* NULL: no Redis */

static ngx_llmops_store_t *
ngx_llmops_far_store(ngx_llmops_near_t *near)
{
    ngx_llmops_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(near->ask->request, ngx_llmops_module);

    return mcf->redis ? mcf->store : NULL;
}


static void
ngx_llmops_far_name(ngx_llmops_near_t *near, u_char *buf, ngx_str_t *set)
{
    u_char  *p;

    p = ngx_cpymem(buf, NGX_LLMOPS_FAR_SET, sizeof(NGX_LLMOPS_FAR_SET) - 1);
    p = ngx_hex_dump(p, near->digest, NGX_LLMOPS_CACHE_KEY);

    set->data = buf;
    set->len = p - buf;
}


/* valid until the next one is made */

static void
ngx_llmops_far_vector(const ngx_llmops_near_vector_t *v,
    ngx_llmops_vector_t *to)
{
    uint32_t  i;

    for (i = 0; i < v->dims; i++) {
        ngx_llmops_far_floats[i] = v->v[i];
    }

    to->v = ngx_llmops_far_floats;
    to->dims = v->dims;
}


ngx_int_t
ngx_llmops_near_far_look(ngx_llmops_near_t *near)
{
    u_char                      buf[NGX_LLMOPS_FAR_NAME];
    u_char                      filter[sizeof(".exp > ") + NGX_INT64_LEN];
    ngx_str_t                   set;
    ngx_llmops_store_t         *store;
    ngx_llmops_vectors_query_t  query;

    store = ngx_llmops_far_store(near);

    if (store == NULL) {
        return NGX_DECLINED;
    }

    ngx_memzero(&query, sizeof(ngx_llmops_vectors_query_t));

    ngx_llmops_far_name(near, buf, &set);
    ngx_llmops_far_vector(near->embed.vector, &query.vector);

    query.count = NGX_LLMOPS_FAR_COUNT;
    query.min = near->conf->threshold - 1e-6f;
    query.filter.data = filter;
    query.filter.len = ngx_sprintf(filter, ".exp > %L",
                                   ngx_llmops_store_now(store))
                       - filter;

    near->vectors.handler = ngx_llmops_far_found;
    near->vectors.data = near;
    near->vectors.log = near->ask->request->connection->log;

    return ngx_llmops_vectors_find(store, &near->vectors, &set, &query)
           == NGX_AGAIN ? NGX_AGAIN : NGX_DECLINED;
}


static void
ngx_llmops_far_found(ngx_llmops_vectors_ask_t *vectors)
{
    ngx_int_t           rc;
    ngx_uint_t          i;
    ngx_llmops_near_t  *near = vectors->data;

    rc = NGX_DECLINED;

    for (i = 0; i < vectors->nhits; i++) {

        if (ngx_llmops_far_take(near, &vectors->hits[i]) == NGX_OK) {
            near->far = 1;
            rc = ngx_llmops_near_found(near);
            break;
        }
    }

    if (rc != NGX_AGAIN) {
        ngx_llmops_near_finish(near, rc);
    }
}


/* NGX_OK: it is near->hit; NGX_DECLINED: one word stands for another one, or
   somebody else has put it there */

static ngx_int_t
ngx_llmops_far_take(ngx_llmops_near_t *near, ngx_llmops_vectors_hit_t *hit)
{
    uint32_t    words[NGX_LLMOPS_NEAR_WORDS];
    ngx_uint_t  nwords;

    if (ngx_llmops_far_element(&hit->element, near->hit.key, words, &nwords)
        != NGX_OK
        || ngx_llmops_near_swapped(near->text.words, near->text.nwords,
                                   words, nwords))
    {
        return NGX_DECLINED;
    }

    near->hit.similarity = hit->similarity;
    near->nwords = nwords;
    ngx_memcpy(near->words, words, nwords * sizeof(uint32_t));

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_far_element(ngx_str_t *element, u_char *key, uint32_t *words,
    ngx_uint_t *nwords)
{
    size_t  n;

    if (element->len < NGX_LLMOPS_CACHE_KEY) {
        return NGX_DECLINED;
    }

    n = element->len - NGX_LLMOPS_CACHE_KEY;

    if (n % sizeof(uint32_t) || n > NGX_LLMOPS_NEAR_WORDS * sizeof(uint32_t)) {
        return NGX_DECLINED;
    }

    ngx_memcpy(key, element->data, NGX_LLMOPS_CACHE_KEY);
    ngx_memcpy(words, element->data + NGX_LLMOPS_CACHE_KEY, n);

    *nwords = n / sizeof(uint32_t);

    return NGX_OK;
}


/* p has room for the largest one */

static void
ngx_llmops_far_write(u_char *p, const u_char *key,
    const ngx_llmops_near_text_t *text, ngx_str_t *element)
{
    element->data = p;
    p = ngx_cpymem(p, key, NGX_LLMOPS_CACHE_KEY);
    p = ngx_cpymem(p, text->words, text->nwords * sizeof(uint32_t));
    element->len = p - element->data;
}


void
ngx_llmops_near_far_add(ngx_llmops_near_t *near, ngx_llmops_cached_t *cached,
    const ngx_llmops_near_vector_t *v, int64_t expires)
{
    u_char                buf[NGX_LLMOPS_FAR_NAME];
    u_char                name[NGX_LLMOPS_FAR_ELEMENT];
    u_char                text[sizeof("{\"exp\":}") + NGX_INT64_LEN];
    int64_t               ttl;
    ngx_str_t             set, element, attributes;
    ngx_llmops_store_t   *store;
    ngx_llmops_vector_t   vector;

    store = ngx_llmops_far_store(near);
    ttl = store ? expires - (int64_t) ngx_llmops_now() : 0;

    if (ttl <= 0) {
        return;
    }

    expires = ngx_llmops_store_now(store) + ttl;

    ngx_llmops_far_name(near, buf, &set);
    ngx_llmops_far_vector(v, &vector);
    ngx_llmops_far_write(name, cached->key, &near->text, &element);

    attributes.data = text;
    attributes.len = ngx_sprintf(text, "{\"exp\":%L}", expires) - text;

    if (ngx_llmops_vectors_add(store, NULL, &set, &element, &vector,
                               &attributes, (ngx_msec_t) ttl)
        == NGX_AGAIN)
    {
        ngx_llmops_far_clean(store, &set, vector.dims, expires);
    }
}


void
ngx_llmops_near_far_drop(ngx_llmops_near_t *near)
{
    u_char                   buf[NGX_LLMOPS_FAR_NAME];
    u_char                   name[NGX_LLMOPS_FAR_ELEMENT];
    ngx_str_t                set, element;
    ngx_llmops_near_text_t   text;

    text.nwords = near->nwords;
    ngx_memcpy(text.words, near->words, text.nwords * sizeof(uint32_t));

    ngx_llmops_far_name(near, buf, &set);
    ngx_llmops_far_write(name, near->hit.key, &text, &element);

    (void) ngx_llmops_vectors_remove(ngx_llmops_far_store(near), NULL, &set,
                                     &element);
}


static void
ngx_llmops_far_clean(ngx_llmops_store_t *store, ngx_str_t *set,
    uint32_t dims, int64_t expires)
{
    ngx_llmops_far_clean_t  *c = &ngx_llmops_far_cleaning;

    if (c->busy || ++c->adds < NGX_LLMOPS_FAR_EVERY) {
        return;
    }

    c->adds = 0;
    c->store = store;
    c->dims = dims;
    c->expires = expires;
    c->set.data = c->name;
    c->set.len = set->len;
    ngx_memcpy(c->name, set->data, set->len);

    c->ask.handler = ngx_llmops_far_counted;
    c->ask.data = c;
    c->ask.log = ngx_cycle->log;

    c->busy = (ngx_llmops_vectors_count(store, &c->ask, &c->set) == NGX_AGAIN);
}


/*
 * What is over is looked for; or if there are too many, what ends before the
 * newest.  With which vector does not matter, as a search with a filter goes on
 * until it has enough, or has seen 100 times as many.
 */

static void
ngx_llmops_far_counted(ngx_llmops_vectors_ask_t *vectors)
{
    u_char                       filter[sizeof(".exp < ") + NGX_INT64_LEN];
    int64_t                      end;
    ngx_llmops_far_clean_t      *c = vectors->data;
    ngx_llmops_vectors_query_t   query;

    c->busy = 0;

    if (vectors->rc != NGX_OK || vectors->n == 0) {
        return;
    }

    end = vectors->n > NGX_LLMOPS_FAR_FULL ? c->expires
                                           : ngx_llmops_store_now(c->store);

    ngx_memzero(&query, sizeof(ngx_llmops_vectors_query_t));

    query.vector.v = ngx_llmops_far_floats;
    query.vector.dims = c->dims;
    query.count = NGX_LLMOPS_FAR_OUT;
    query.min = -1;
    query.filter.data = filter;
    query.filter.len = ngx_sprintf(filter, ".exp < %L", end) - filter;

    c->ask.handler = ngx_llmops_far_over;

    c->busy = (ngx_llmops_vectors_find(c->store, &c->ask, &c->set, &query)
               == NGX_AGAIN);
}


static void
ngx_llmops_far_over(ngx_llmops_vectors_ask_t *vectors)
{
    ngx_uint_t               i;
    ngx_llmops_far_clean_t  *c = vectors->data;

    c->busy = 0;

    for (i = 0; i < vectors->nhits; i++) {
        (void) ngx_llmops_vectors_remove(c->store, NULL, &c->set,
                                         &vectors->hits[i].element);
    }
}
