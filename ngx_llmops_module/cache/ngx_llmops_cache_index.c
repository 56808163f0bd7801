
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_cache_near.h"


/*
 * Many meanings, in memory that all workers share.
 *
 * Everything that must be equal (frame, guard, model of embeddings) is hashed
 * into one number, the room, and rooms lie side by side in an array of their
 * own: a search walks over 8 bytes for each entry and looks at a vector only
 * in its own room, where it has to.  So the search is exact, needs no tree, and
 * what may ever be compared is decided before any distance is.
 *
 * The oldest makes place for the newest, whether it was of use or not: an entry
 * is worth nothing when its answer has gone, and answers have their own end.
 *
 * Readers take no lock.  A writer (there is one at a time) makes a slot's
 * number odd, changes the slot, and makes it even again; a reader who saw
 * another number before than after, or an odd one, has read nothing.  A writer
 * who died in between leaves it odd: the slot is out of use until it is its
 * turn again, when a writer makes it odd anew.
 */


typedef struct {
    ngx_atomic_t               seq;        /* odd: is being written */
    uint32_t                   dims;
    float                      norm;
    uint32_t                   nwords;
    uint32_t                   words[NGX_LLMOPS_NEAR_WORDS];
    u_char                     key[NGX_LLMOPS_CACHE_KEY];
    int8_t                     v[NGX_LLMOPS_NEAR_DIMS];
} ngx_llmops_near_slot_t;


struct ngx_llmops_near_index_s {
    ngx_uint_t                 size;
    ngx_uint_t                 hand;       /* the oldest: the next to be
                                              written */
    ngx_atomic_t               used;
    uint64_t                  *rooms;      /* 0: empty */
    ngx_llmops_near_slot_t    *slots;
};


static ngx_uint_t ngx_llmops_near_consider(ngx_llmops_near_slot_t *slot,
    const ngx_llmops_near_text_t *text, const ngx_llmops_near_vector_t *v,
    ngx_llmops_near_hit_t *hit);


ngx_llmops_near_index_t *
ngx_llmops_near_index_init(void *p, size_t size)
{
    size_t                    n;
    ngx_llmops_near_index_t  *index = p;

    if (size < sizeof(ngx_llmops_near_index_t) + 128) {
        return NULL;
    }

    n = (size - sizeof(ngx_llmops_near_index_t) - 128)
        / (sizeof(uint64_t) + sizeof(ngx_llmops_near_slot_t));

    if (n == 0) {
        return NULL;
    }

    ngx_memzero(index, sizeof(ngx_llmops_near_index_t));

    index->size = n;
    index->rooms = (uint64_t *) (void *)
                   ngx_align_ptr((u_char *) (index + 1), 64);
    index->slots = (ngx_llmops_near_slot_t *) (void *)
                   ngx_align_ptr((u_char *) (index->rooms + n), 64);

    ngx_memzero(index->rooms, n * sizeof(uint64_t));
    ngx_memzero(index->slots, n * sizeof(ngx_llmops_near_slot_t));

    return index;
}


ngx_uint_t
ngx_llmops_near_index_size(ngx_llmops_near_index_t *index)
{
    return index->size;
}


ngx_uint_t
ngx_llmops_near_index_used(ngx_llmops_near_index_t *index)
{
    return index->used;
}


ngx_int_t
ngx_llmops_near_index_find(ngx_llmops_near_index_t *index, uint64_t room,
    const ngx_llmops_near_text_t *text, const ngx_llmops_near_vector_t *v,
    float threshold, ngx_llmops_near_hit_t *hit)
{
    ngx_uint_t          i, found;
    volatile uint64_t  *rooms = index->rooms;

    found = 0;
    hit->similarity = threshold - 1e-6f;

    for (i = 0; i < index->size; i++) {

        if (rooms[i] == room) {
            found |= ngx_llmops_near_consider(&index->slots[i], text, v, hit);
        }
    }

    return found ? NGX_OK : NGX_DECLINED;
}


/* hit is this one, if it is nearer */

static ngx_uint_t
ngx_llmops_near_consider(ngx_llmops_near_slot_t *slot,
    const ngx_llmops_near_text_t *text, const ngx_llmops_near_vector_t *v,
    ngx_llmops_near_hit_t *hit)
{
    float              similarity;
    ngx_uint_t         swapped;
    ngx_atomic_uint_t  seq;
    u_char             key[NGX_LLMOPS_CACHE_KEY];

    seq = slot->seq;
    ngx_memory_barrier();

    if ((seq & 1) || slot->nwords > NGX_LLMOPS_NEAR_WORDS) {
        return 0;
    }

    similarity = ngx_llmops_near_cos(v, slot->v, slot->dims, slot->norm);

    if (!(similarity > hit->similarity)) {
        return 0;
    }

    swapped = ngx_llmops_near_swapped(text->words, text->nwords, slot->words,
                                      slot->nwords);
    ngx_memcpy(key, slot->key, NGX_LLMOPS_CACHE_KEY);

    ngx_memory_barrier();

    if (slot->seq != seq || swapped) {
        return 0;
    }

    ngx_memcpy(hit->key, key, NGX_LLMOPS_CACHE_KEY);
    hit->similarity = similarity;

    return 1;
}


void
ngx_llmops_near_index_add(ngx_llmops_near_index_t *index, uint64_t room,
    const ngx_llmops_near_text_t *text, const ngx_llmops_near_vector_t *v,
    const u_char *key)
{
    ngx_uint_t               i;
    ngx_llmops_near_slot_t  *slot;

    for (i = 0; i < index->size; i++) {
        if (index->rooms[i] == room
            && ngx_memcmp(index->slots[i].key, key, NGX_LLMOPS_CACHE_KEY)
               == 0)
        {
            break;
        }
    }

    if (i == index->size) {
        i = index->hand;
        index->hand = (i + 1) % index->size;
    }

    slot = &index->slots[i];

    slot->seq |= 1;
    ngx_memory_barrier();

    if (index->rooms[i] == 0) {
        index->used++;
    }

    index->rooms[i] = room;
    slot->dims = v->dims;
    slot->norm = v->norm;
    slot->nwords = (uint32_t) text->nwords;

    ngx_memcpy(slot->words, text->words, text->nwords * sizeof(uint32_t));
    ngx_memcpy(slot->key, key, NGX_LLMOPS_CACHE_KEY);
    ngx_memcpy(slot->v, v->v, v->dims);

    ngx_memory_barrier();
    slot->seq++;
}


void
ngx_llmops_near_index_drop(ngx_llmops_near_index_t *index, uint64_t room,
    const u_char *key)
{
    ngx_uint_t  i;

    for (i = 0; i < index->size; i++) {
        if (index->rooms[i] == room
            && ngx_memcmp(index->slots[i].key, key, NGX_LLMOPS_CACHE_KEY)
               == 0)
        {
            index->rooms[i] = 0;
            index->used--;
            return;
        }
    }
}
