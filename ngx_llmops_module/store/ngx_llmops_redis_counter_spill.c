
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_redis_counter.h"
#include "ngx_llmops_zone.h"


/*
 * What a worker could not tell before its end, since the server was away: it
 * is left in shared memory, and the first worker that looks takes it over, to
 * tell it when the server is back.  A worker that is killed leaves nothing
 * here, but its shares say what was open.
 *
 * A reload while the server is away is not rare: to give it another address
 * is one way of bringing it back.
 *
 * The list is changed with the zone's mutex.  Both ends are one word that is
 * written whole: whoever dies in between leaves the list as it was, or loses
 * what was just being taken.
 */


#define NGX_LLMOPS_SPILL_MAX       4096    /* books */
#define NGX_LLMOPS_SPILL_CHUNK     256     /* that are taken at once */


typedef struct ngx_llmops_spill_s  ngx_llmops_spill_t;

struct ngx_llmops_spill_s {
    ngx_llmops_spill_t        *next;
    ngx_llmops_rate_t          rate;       /* unit, period, window */
    int64_t                    at;
    int64_t                    amount;
    size_t                     name;       /* lengths of what follows */
    size_t                     key;
    size_t                     shard;
    u_char                     text[1];
};

typedef struct {
    ngx_llmops_spill_t        *volatile first;
    volatile ngx_uint_t        count;
} ngx_llmops_spill_sh_t;


static ngx_llmops_spill_sh_t *ngx_llmops_spill_list(
    ngx_llmops_tallies_t *tallies);
static ngx_llmops_spill_t *ngx_llmops_spill_pop(ngx_llmops_tallies_t *tallies,
    ngx_llmops_spill_sh_t *list);
static void ngx_llmops_spill_book(ngx_llmops_tallies_t *tallies,
    ngx_llmops_spill_t *spill);


void
ngx_llmops_spill_leave(ngx_llmops_tallies_t *tallies, ngx_llmops_book_t *book)
{
    size_t                  size;
    u_char                 *p;
    ngx_slab_pool_t        *slab;
    ngx_llmops_spill_t     *spill;
    ngx_llmops_tally_t     *tally;
    ngx_llmops_spill_sh_t  *list;

    tally = book->rate->tally;
    list = ngx_llmops_spill_list(tallies);

    if (list == NULL || list->count >= NGX_LLMOPS_SPILL_MAX) {
        ngx_llmops_tallies_lost(tallies, "is lost");
        return;
    }

    slab = (ngx_slab_pool_t *) tallies->zone->shm.addr;
    size = offsetof(ngx_llmops_spill_t, text) + tally->name.len
           + tally->key.len + tally->shard.len;

    ngx_shmtx_lock(&slab->mutex);

    spill = ngx_slab_alloc_locked(slab, size);

    if (spill) {
        spill->rate.unit = book->rate->unit;
        spill->rate.period = book->rate->period;
        spill->rate.window = book->rate->window;
        spill->at = book->at;
        spill->amount = book->amount;
        spill->name = tally->name.len;
        spill->key = tally->key.len;
        spill->shard = tally->shard.len;

        p = spill->text;
        p = ngx_cpymem(p, tally->name.data, tally->name.len);
        p = ngx_cpymem(p, tally->key.data, tally->key.len);
        ngx_memcpy(p, tally->shard.data, tally->shard.len);

        spill->next = list->first;
        ngx_memory_barrier();

        list->first = spill;
        list->count++;
    }

    ngx_shmtx_unlock(&slab->mutex);

    if (spill == NULL) {
        ngx_llmops_tallies_lost(tallies, "is lost");
    }
}


static ngx_llmops_spill_sh_t *
ngx_llmops_spill_list(ngx_llmops_tallies_t *tallies)
{
    ngx_str_t  name = ngx_string("spilled");

    if (tallies->zone == NULL) {
        return NULL;
    }

    if (tallies->data == NULL) {
        tallies->data = ngx_llmops_zone_node(tallies->zone,
                                             NGX_LLMOPS_NODE_SPILL, &name,
                                             sizeof(ngx_llmops_spill_sh_t));
    }

    return tallies->data;
}


void
ngx_llmops_spill_take(ngx_llmops_tallies_t *tallies)
{
    ngx_uint_t              n;
    ngx_slab_pool_t        *slab;
    ngx_llmops_spill_t     *spill;
    ngx_llmops_spill_sh_t  *list;

    list = ngx_llmops_spill_list(tallies);

    if (list == NULL || list->first == NULL) {
        return;
    }

    slab = (ngx_slab_pool_t *) tallies->zone->shm.addr;

    for (n = 0; n < NGX_LLMOPS_SPILL_CHUNK; n++) {
        spill = ngx_llmops_spill_pop(tallies, list);

        if (spill == NULL) {
            break;
        }

        ngx_llmops_spill_book(tallies, spill);

        ngx_slab_free(slab, spill);
    }

    if (n) {
        ngx_log_error(NGX_LOG_NOTICE, tallies->log, 0,
                      "took over %ui bookings of limits from a worker that "
                      "has ended", n);
    }
}


static ngx_llmops_spill_t *
ngx_llmops_spill_pop(ngx_llmops_tallies_t *tallies,
    ngx_llmops_spill_sh_t *list)
{
    ngx_slab_pool_t     *slab;
    ngx_llmops_spill_t  *spill;

    slab = (ngx_slab_pool_t *) tallies->zone->shm.addr;

    ngx_shmtx_lock(&slab->mutex);

    spill = list->first;

    if (spill) {
        list->first = spill->next;
        list->count--;
    }

    ngx_shmtx_unlock(&slab->mutex);

    return spill;
}


static void
ngx_llmops_spill_book(ngx_llmops_tallies_t *tallies,
    ngx_llmops_spill_t *spill)
{
    ngx_llmops_charge_t       charge;
    ngx_llmops_tally_t       *tally;
    ngx_llmops_tally_rate_t  *tr;

    ngx_memzero(&charge, sizeof(ngx_llmops_charge_t));

    charge.name.data = spill->text;
    charge.name.len = spill->name;
    charge.key.data = charge.name.data + spill->name;
    charge.key.len = spill->key;
    charge.shard.data = charge.key.data + spill->key;
    charge.shard.len = spill->shard;
    charge.rates[0] = spill->rate;
    charge.nrates = 1;

    tally = ngx_llmops_tally_get(tallies, &charge);

    if (tally == NULL) {
        ngx_llmops_tallies_lost(tallies, "is lost");
        return;
    }

    tr = ngx_llmops_tally_find_rate(tally, &charge.rates[0]);

    ngx_llmops_tally_take_over(tr, spill->at, spill->amount);
}
