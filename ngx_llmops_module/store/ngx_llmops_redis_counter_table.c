
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_redis_counter.h"


/*
 * The counters that this process knows.  One that something refers to stays;
 * of the others the most recent ones stay, since what is known of them saves
 * reading it again.  Both are bounded: beyond the bounds the oldest is
 * forgotten, or a charge cannot be made.  Nothing is lost with a tally that
 * nothing refers to: all that it has booked has been told.
 */


#define NGX_LLMOPS_TALLIES_TABLE   8192    /* hash buckets, a power of 2 */
#define NGX_LLMOPS_TALLIES_IDLE    4096
#define NGX_LLMOPS_TALLIES_MAX     65536


static ngx_llmops_tally_t **ngx_llmops_tally_slot(
    ngx_llmops_tallies_t *tallies, const ngx_llmops_charge_t *charge,
    uint64_t hash);
static ngx_uint_t ngx_llmops_tally_is(const ngx_llmops_tally_t *tally,
    const ngx_llmops_charge_t *charge);
static ngx_uint_t ngx_llmops_tally_same(const ngx_str_t *a,
    const ngx_str_t *b);
static ngx_llmops_tally_t *ngx_llmops_tally_new(ngx_llmops_tallies_t *tallies,
    const ngx_llmops_charge_t *charge, uint64_t hash);
static u_char *ngx_llmops_tally_copy(u_char *p, ngx_str_t *to,
    const ngx_str_t *from);
static ngx_int_t ngx_llmops_tally_add_rates(ngx_llmops_tally_t *tally,
    const ngx_llmops_charge_t *charge);
static ngx_int_t ngx_llmops_tally_add_rate(ngx_llmops_tally_t *tally,
    const ngx_llmops_charge_t *charge, const ngx_llmops_rate_t *rate);
static void ngx_llmops_tally_drop_rate(ngx_llmops_tally_t *tally,
    const ngx_llmops_charge_t *charge);
static ngx_uint_t ngx_llmops_tally_wanted(const ngx_llmops_tally_rate_t *tr,
    const ngx_llmops_charge_t *charge);
static void ngx_llmops_tally_free(ngx_llmops_tally_t *tally);
static uint64_t ngx_llmops_tally_hash(uint64_t hash, const ngx_str_t *part);


ngx_int_t
ngx_llmops_tallies_init(ngx_llmops_tallies_t *tallies)
{
    tallies->table = ngx_calloc(NGX_LLMOPS_TALLIES_TABLE
                                * sizeof(ngx_llmops_tally_t *),
                                tallies->log);
    if (tallies->table == NULL) {
        return NGX_ERROR;
    }

    ngx_queue_init(&tallies->idle);
    ngx_queue_init(&tallies->changed);
    ngx_queue_init(&tallies->fast);
    ngx_queue_init(&tallies->slow);
    ngx_queue_init(&tallies->parked);
    ngx_queue_init(&tallies->written);
    ngx_queue_init(&tallies->answered);
    ngx_queue_init(&tallies->batches);

    return NGX_OK;
}


void
ngx_llmops_tallies_free(ngx_llmops_tallies_t *tallies)
{
    void        *p;
    ngx_uint_t   i;

    if (tallies->table == NULL) {
        return;
    }

    for (i = 0; i < NGX_LLMOPS_TALLIES_TABLE; i++) {

        while (tallies->table[i]) {
            ngx_llmops_tally_free(tallies->table[i]);
        }
    }

    while (tallies->free_claims) {
        p = tallies->free_claims;
        tallies->free_claims = *(void **) p;
        ngx_free(p);
    }

    while (tallies->free_questions) {
        p = tallies->free_questions;
        tallies->free_questions = *(void **) p;
        ngx_free(p);
    }

    ngx_free(tallies->table);
    tallies->table = NULL;
}


void
ngx_llmops_tallies_each(ngx_llmops_tallies_t *tallies,
    void (*visit)(ngx_llmops_tally_t *tally, void *data), void *data)
{
    ngx_uint_t           i;
    ngx_llmops_tally_t  *tally;

    for (i = 0; i < NGX_LLMOPS_TALLIES_TABLE; i++) {

        for (tally = tallies->table[i]; tally; tally = tally->chain) {
            visit(tally, data);
        }
    }
}


ngx_llmops_tally_t *
ngx_llmops_tally_get(ngx_llmops_tallies_t *tallies,
    const ngx_llmops_charge_t *charge)
{
    uint64_t             hash;
    ngx_llmops_tally_t  *tally;

    hash = ngx_llmops_tally_hash(tallies->seed, &charge->name);
    hash = ngx_llmops_tally_hash(hash, &charge->key);
    hash = ngx_llmops_tally_hash(hash, &charge->shard);

    tally = *ngx_llmops_tally_slot(tallies, charge, hash);

    if (tally == NULL) {
        tally = ngx_llmops_tally_new(tallies, charge, hash);
        if (tally == NULL) {
            return NULL;
        }
    }

    if (ngx_llmops_tally_add_rates(tally, charge) != NGX_OK) {
        return NULL;
    }

    if (tally->refs == 0) {                  /* the most recent one */
        ngx_queue_remove(&tally->idle);
        ngx_queue_insert_tail(&tallies->idle, &tally->idle);
    }

    return tally;
}


/* the link that leads to a charge's tally, or the end of its chain */

static ngx_llmops_tally_t **
ngx_llmops_tally_slot(ngx_llmops_tallies_t *tallies,
    const ngx_llmops_charge_t *charge, uint64_t hash)
{
    ngx_llmops_tally_t  **link;

    link = &tallies->table[hash % NGX_LLMOPS_TALLIES_TABLE];

    while (*link) {

        if ((*link)->hash == hash && ngx_llmops_tally_is(*link, charge)) {
            break;
        }

        link = &(*link)->chain;
    }

    return link;
}


static ngx_uint_t
ngx_llmops_tally_is(const ngx_llmops_tally_t *tally,
    const ngx_llmops_charge_t *charge)
{
    return tally->key.len == charge->key.len
           && tally->name.len == charge->name.len
           && tally->shard.len == charge->shard.len
           && ngx_llmops_tally_same(&tally->key, &charge->key)
           && ngx_llmops_tally_same(&tally->name, &charge->name)
           && ngx_llmops_tally_same(&tally->shard, &charge->shard);
}


/* two of the same length, which may be none */

static ngx_uint_t
ngx_llmops_tally_same(const ngx_str_t *a, const ngx_str_t *b)
{
    return a->len == 0 || ngx_memcmp(a->data, b->data, a->len) == 0;
}


static ngx_llmops_tally_t *
ngx_llmops_tally_new(ngx_llmops_tallies_t *tallies,
    const ngx_llmops_charge_t *charge, uint64_t hash)
{
    u_char               *p;
    size_t                size, key;
    ngx_llmops_tally_t   *tally, **link;

    /* more than one: there may be many since they were all in use */

    ngx_llmops_tallies_evict(tallies, 2);

    if (tallies->ntallies >= NGX_LLMOPS_TALLIES_MAX) {
        return NULL;
    }

    key = ngx_llmops_tally_key_size(&tallies->prefix, charge);
    size = charge->name.len + charge->key.len + charge->shard.len + 2 * key;

    tally = ngx_alloc(sizeof(ngx_llmops_tally_t) + size, tallies->log);
    if (tally == NULL) {
        return NULL;
    }

    ngx_memzero(tally, sizeof(ngx_llmops_tally_t));

    p = (u_char *) tally + sizeof(ngx_llmops_tally_t);
    p = ngx_llmops_tally_copy(p, &tally->name, &charge->name);
    p = ngx_llmops_tally_copy(p, &tally->key, &charge->key);
    p = ngx_llmops_tally_copy(p, &tally->shard, &charge->shard);

    tally->shares.data = p;
    p = ngx_llmops_tally_key(p, &tallies->prefix, charge, 'r');
    tally->shares.len = p - tally->shares.data;

    tally->books.data = p;
    p = ngx_llmops_tally_key(p, &tallies->prefix, charge, 'b');
    tally->books.len = p - tally->books.data;

    tally->tallies = tallies;
    tally->hash = hash;
    tally->generation = tallies->generation;
    ngx_queue_init(&tally->waiting);

    link = ngx_llmops_tally_slot(tallies, charge, hash);
    *link = tally;

    ngx_queue_insert_tail(&tallies->idle, &tally->idle);
    tallies->ntallies++;

    return tally;
}


static u_char *
ngx_llmops_tally_copy(u_char *p, ngx_str_t *to, const ngx_str_t *from)
{
    to->data = p;
    to->len = from->len;

    return from->len ? ngx_cpymem(p, from->data, from->len) : p;
}


static ngx_int_t
ngx_llmops_tally_add_rates(ngx_llmops_tally_t *tally,
    const ngx_llmops_charge_t *charge)
{
    ngx_uint_t  i;

    for (i = 0; i < charge->nrates; i++) {

        if (ngx_llmops_tally_find_rate(tally, &charge->rates[i]) == NULL
            && ngx_llmops_tally_add_rate(tally, charge, &charge->rates[i])
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_tally_add_rate(ngx_llmops_tally_t *tally,
    const ngx_llmops_charge_t *charge, const ngx_llmops_rate_t *rate)
{
    ngx_llmops_tally_rate_t  *tr;

    if (tally->nrates == NGX_LLMOPS_TALLY_RATES) {
        ngx_llmops_tally_drop_rate(tally, charge);
    }

    if (tally->nrates == NGX_LLMOPS_TALLY_RATES) {
        return NGX_ERROR;
    }

    tr = ngx_alloc(sizeof(ngx_llmops_tally_rate_t), tally->tallies->log);
    if (tr == NULL) {
        return NGX_ERROR;
    }

    ngx_llmops_tally_init_rate(tally, tr, rate);

    tally->rates[tally->nrates++] = tr;

    if (tr->period != NGX_LLMOPS_PERIOD_HELD) {
        tally->read = 0;                     /* its buckets have not been */
    }

    return NGX_OK;
}


/* a limit may be given other rates while nginx runs: those before it go when
   there is nothing to be told of them */

static void
ngx_llmops_tally_drop_rate(ngx_llmops_tally_t *tally,
    const ngx_llmops_charge_t *charge)
{
    ngx_uint_t                i;
    ngx_llmops_tally_rate_t  *tr;

    for (i = 0; i < tally->nrates; i++) {
        tr = tally->rates[i];

        if (!ngx_llmops_tally_rate_idle(tr)
            || ngx_llmops_tally_wanted(tr, charge))
        {
            continue;
        }

        ngx_free(tr);
        tally->rates[i] = tally->rates[--tally->nrates];

        return;
    }
}


static ngx_uint_t
ngx_llmops_tally_wanted(const ngx_llmops_tally_rate_t *tr,
    const ngx_llmops_charge_t *charge)
{
    ngx_uint_t  i;

    for (i = 0; i < charge->nrates; i++) {

        if (ngx_llmops_tally_find_rate(tr->tally, &charge->rates[i]) == tr) {
            return 1;
        }
    }

    return 0;
}


void
ngx_llmops_tallies_evict(ngx_llmops_tallies_t *tallies, ngx_uint_t n)
{
    ngx_queue_t  *q;

    while (n--
           && tallies->ntallies >= NGX_LLMOPS_TALLIES_IDLE
           && !ngx_queue_empty(&tallies->idle))
    {
        q = ngx_queue_head(&tallies->idle);

        ngx_llmops_tally_free(ngx_queue_data(q, ngx_llmops_tally_t, idle));
    }
}


static void
ngx_llmops_tally_free(ngx_llmops_tally_t *tally)
{
    ngx_uint_t             i;
    ngx_llmops_tally_t   **link;
    ngx_llmops_tallies_t  *tallies;

    tallies = tally->tallies;

    link = &tallies->table[tally->hash % NGX_LLMOPS_TALLIES_TABLE];

    while (*link != tally) {
        link = &(*link)->chain;
    }

    *link = tally->chain;

    if (tally->refs == 0) {
        ngx_queue_remove(&tally->idle);
    }

    if (tally->is_written) {
        ngx_queue_remove(&tally->written);
    }

    for (i = 0; i < tally->nrates; i++) {
        ngx_free(tally->rates[i]);
    }

    if (tally->others) {
        ngx_free(tally->others);
    }

    ngx_free(tally);
    tallies->ntallies--;
}


void
ngx_llmops_tally_ref(ngx_llmops_tally_t *tally)
{
    if (tally->refs++ == 0) {
        ngx_queue_remove(&tally->idle);
    }
}


void
ngx_llmops_tally_unref(ngx_llmops_tally_t *tally)
{
    if (--tally->refs == 0) {
        ngx_queue_insert_tail(&tally->tallies->idle, &tally->idle);
    }
}


ngx_llmops_told_t *
ngx_llmops_tally_other(ngx_llmops_tally_t *tally)
{
    ngx_uint_t          size;
    ngx_llmops_told_t  *others;

    if (tally->nothers < tally->size) {
        return &tally->others[tally->nothers++];
    }

    if (tally->size == NGX_LLMOPS_TALLY_SHARES) {
        return NULL;
    }

    size = ngx_max(2 * tally->size, 4);

    others = ngx_alloc(size * sizeof(ngx_llmops_told_t), tally->tallies->log);
    if (others == NULL) {
        return NULL;
    }

    if (tally->others) {
        ngx_memcpy(others, tally->others,
                   tally->nothers * sizeof(ngx_llmops_told_t));
        ngx_free(tally->others);
    }

    tally->others = others;
    tally->size = size;

    return &tally->others[tally->nothers++];
}


/* callers choose the keys: the seed keeps them from choosing the bucket */

static uint64_t
ngx_llmops_tally_hash(uint64_t hash, const ngx_str_t *part)
{
    size_t    left;
    u_char   *p;
    uint64_t  word;

    hash ^= part->len;

    for (p = part->data, left = part->len; left; p += 8, left -= 8) {
        word = 0;
        ngx_memcpy(&word, p, ngx_min(left, 8));

        hash = (hash ^ word) * 0x9fb21c651e98df25u;
        hash ^= hash >> 32;

        if (left < 8) {
            break;
        }
    }

    return hash * 0x9fb21c651e98df25u ^ hash >> 29;
}
