
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_zone.h"


/*
 * A zone is an append-only set: a list of each kind in order of creation, which
 * is the truth, and hash chains over all nodes, which make finding cheap.  As
 * no node is ever removed, moved or renamed, readers need no lock; the slab
 * mutex serializes only those who add.
 *
 * A writer completes a node before it links it, with a barrier in between, so
 * that a reader that comes upon a node sees all of it.  A link is one aligned
 * word, written whole.
 *
 * nginx breaks the mutex of a worker that died while it held it.  The order of
 * linking (list, tail, chain) is such that whoever comes next can tell how far
 * the dead one came, and ends the work.
 */


#define NGX_LLMOPS_ZONE_MAGIC    0x6c6c6d7a            /* "llmz" */
#define NGX_LLMOPS_ZONE_BUCKETS  512
#define NGX_LLMOPS_ZONE_QUIET    60


typedef struct ngx_llmops_node_s  ngx_llmops_node_t;

/* the memory that callers see follows, then the name */

struct ngx_llmops_node_s {
    ngx_llmops_node_t *volatile  next;     /* in the list */
    ngx_llmops_node_t *volatile  chain;    /* in its bucket */
    size_t                       size;
    size_t                       len;      /* of the name */
    uint32_t                     hash;
    uint32_t                     kind;
    ngx_uint_t                   ordinal;
};


typedef struct {
    ngx_llmops_node_t *volatile  first;
    ngx_llmops_node_t *volatile  last;     /* may lag behind: writers only */
} ngx_llmops_list_t;


typedef struct {
    uint32_t                     magic;
    uint32_t                     layout;
    ngx_llmops_list_t            lists[NGX_LLMOPS_NODE_MAX];
    ngx_llmops_node_t *volatile  buckets[NGX_LLMOPS_ZONE_BUCKETS];
} ngx_llmops_zone_sh_t;


/* what zone->data is until the zone is mapped */

typedef struct {
    ngx_llmops_zone_pt           handler;
    void                        *data;
} ngx_llmops_zone_hook_t;


#define ngx_llmops_node_data(node)                                            \
    ((u_char *) (node) + sizeof(ngx_llmops_node_t))

#define ngx_llmops_node_name(node)                                            \
    (ngx_llmops_node_data(node) + (node)->size)

#define ngx_llmops_zone_pool(zone)  ((ngx_slab_pool_t *) (zone)->shm.addr)


static ngx_int_t ngx_llmops_zone_init(ngx_shm_zone_t *zone, void *old);
static ngx_int_t ngx_llmops_zone_open(ngx_shm_zone_t *zone, void *old,
    ngx_uint_t *fresh);
static ngx_int_t ngx_llmops_zone_check(ngx_shm_zone_t *zone);
static ngx_llmops_node_t *ngx_llmops_zone_find(ngx_llmops_zone_sh_t *sh,
    ngx_llmops_node_e kind, ngx_str_t *name, uint32_t hash);
static ngx_llmops_node_t *ngx_llmops_zone_create(ngx_shm_zone_t *zone,
    ngx_llmops_node_e kind, ngx_str_t *name, uint32_t hash, size_t size);
static ngx_llmops_node_t *ngx_llmops_zone_mend(ngx_llmops_zone_sh_t *sh,
    ngx_llmops_node_e kind, ngx_str_t *name, uint32_t hash);
static void ngx_llmops_zone_link(ngx_llmops_list_t *list,
    ngx_llmops_node_t *node);
static void ngx_llmops_zone_chain(ngx_llmops_zone_sh_t *sh,
    ngx_llmops_node_t *node);
static ngx_uint_t ngx_llmops_node_is(ngx_llmops_node_t *node,
    ngx_llmops_node_e kind, ngx_str_t *name, uint32_t hash);
static void ngx_llmops_zone_full(ngx_shm_zone_t *zone);


ngx_shm_zone_t *
ngx_llmops_zone_add(ngx_conf_t *cf, ngx_str_t *name, size_t size, void *tag)
{
    ngx_shm_zone_t  *zone;

    if (size < 8 * ngx_pagesize) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "zone \"%V\" is too small, it needs at least %uzk",
                           name, 8 * ngx_pagesize / 1024);
        return NULL;
    }

    zone = ngx_shared_memory_add(cf, name, size, tag);
    if (zone == NULL) {
        return NULL;
    }

    zone->init = ngx_llmops_zone_init;

    return zone;
}


ngx_int_t
ngx_llmops_zone_on_init(ngx_conf_t *cf, ngx_shm_zone_t *zone,
    ngx_llmops_zone_pt handler, void *data)
{
    ngx_llmops_zone_hook_t  *hook;

    hook = ngx_palloc(cf->pool, sizeof(ngx_llmops_zone_hook_t));
    if (hook == NULL) {
        return NGX_ERROR;
    }

    hook->handler = handler;
    hook->data = data;

    zone->data = hook;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_zone_init(ngx_shm_zone_t *zone, void *old)
{
    ngx_uint_t               fresh;
    ngx_llmops_zone_hook_t  *hook;

    hook = zone->data;
    fresh = 0;

    if (ngx_llmops_zone_open(zone, old, &fresh) != NGX_OK) {
        return NGX_ERROR;
    }

    return hook ? hook->handler(zone, fresh, hook->data) : NGX_OK;
}


static ngx_int_t
ngx_llmops_zone_open(ngx_shm_zone_t *zone, void *old, ngx_uint_t *fresh)
{
    ngx_slab_pool_t       *shpool;
    ngx_llmops_zone_sh_t  *sh;

    if (old) {                               /* a reload keeps the memory */
        zone->data = old;
        return ngx_llmops_zone_check(zone);
    }

    shpool = ngx_llmops_zone_pool(zone);

    if (zone->shm.exists) {
        zone->data = shpool->data;
        return ngx_llmops_zone_check(zone);
    }

    sh = ngx_slab_calloc(shpool, sizeof(ngx_llmops_zone_sh_t));
    if (sh == NULL) {
        return NGX_ERROR;
    }

    sh->magic = NGX_LLMOPS_ZONE_MAGIC;
    sh->layout = NGX_LLMOPS_ZONE_LAYOUT;

    shpool->data = sh;
    shpool->log_nomem = 0;                   /* ours says what it means */

    zone->data = sh;
    *fresh = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_zone_check(ngx_shm_zone_t *zone)
{
    ngx_llmops_zone_sh_t  *sh = zone->data;

    if (sh
        && sh->magic == NGX_LLMOPS_ZONE_MAGIC
        && sh->layout == NGX_LLMOPS_ZONE_LAYOUT)
    {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, zone->shm.log, 0,
                  "llm_zone \"%V\" was made by another version of the module, "
                  "restart nginx or give the zone another name",
                  &zone->shm.name);
    return NGX_ERROR;
}


void *
ngx_llmops_zone_node(ngx_shm_zone_t *zone, ngx_llmops_node_e kind,
    ngx_str_t *name, size_t size)
{
    uint32_t            hash;
    ngx_slab_pool_t    *shpool;
    ngx_llmops_node_t  *node;

    if (zone == NULL || zone->data == NULL) {
        return NULL;
    }

    hash = ngx_crc32_short(name->data, name->len) ^ (uint32_t) kind;

    node = ngx_llmops_zone_find(zone->data, kind, name, hash);

    if (node == NULL) {
        shpool = ngx_llmops_zone_pool(zone);

        ngx_shmtx_lock(&shpool->mutex);
        node = ngx_llmops_zone_create(zone, kind, name, hash, size);
        ngx_shmtx_unlock(&shpool->mutex);
    }

    if (node == NULL) {
        ngx_llmops_zone_full(zone);
        return NULL;
    }

    return (node->size >= size) ? ngx_llmops_node_data(node) : NULL;
}


static ngx_llmops_node_t *
ngx_llmops_zone_find(ngx_llmops_zone_sh_t *sh, ngx_llmops_node_e kind,
    ngx_str_t *name, uint32_t hash)
{
    ngx_llmops_node_t  *node;

    node = sh->buckets[hash % NGX_LLMOPS_ZONE_BUCKETS];

    while (node && !ngx_llmops_node_is(node, kind, name, hash)) {
        node = node->chain;
    }

    return node;
}


/* under the mutex */

static ngx_llmops_node_t *
ngx_llmops_zone_create(ngx_shm_zone_t *zone, ngx_llmops_node_e kind,
    ngx_str_t *name, uint32_t hash, size_t size)
{
    ngx_llmops_node_t     *node;
    ngx_llmops_zone_sh_t  *sh;

    sh = zone->data;

    /* another worker may have been faster */

    node = ngx_llmops_zone_find(sh, kind, name, hash);
    if (node) {
        return node;
    }

    node = ngx_llmops_zone_mend(sh, kind, name, hash);
    if (node) {
        return node;
    }

    size = ngx_align(size, 16);

    node = ngx_slab_calloc_locked(ngx_llmops_zone_pool(zone),
                                  sizeof(ngx_llmops_node_t) + size
                                  + name->len);
    if (node == NULL) {
        return NULL;
    }

    node->kind = kind;
    node->hash = hash;
    node->size = size;
    node->len = name->len;

    ngx_memcpy(ngx_llmops_node_name(node), name->data, name->len);

    ngx_llmops_zone_link(&sh->lists[kind], node);
    ngx_llmops_zone_chain(sh, node);

    return node;
}


/* a node that is in the list but in no chain: its maker died in between */

static ngx_llmops_node_t *
ngx_llmops_zone_mend(ngx_llmops_zone_sh_t *sh, ngx_llmops_node_e kind,
    ngx_str_t *name, uint32_t hash)
{
    ngx_llmops_node_t  *node;

    for (node = sh->lists[kind].first; node; node = node->next) {

        if (ngx_llmops_node_is(node, kind, name, hash)) {
            ngx_llmops_zone_chain(sh, node);
            return node;
        }
    }

    return NULL;
}


static void
ngx_llmops_zone_link(ngx_llmops_list_t *list, ngx_llmops_node_t *node)
{
    ngx_llmops_node_t  *last;

    last = list->last ? list->last : list->first;

    while (last && last->next) {             /* the tail may lag behind */
        last = last->next;
    }

    node->ordinal = last ? last->ordinal + 1 : 0;

    ngx_memory_barrier();                    /* the node is complete */

    if (last) {
        last->next = node;

    } else {
        list->first = node;
    }

    list->last = node;
}


static void
ngx_llmops_zone_chain(ngx_llmops_zone_sh_t *sh, ngx_llmops_node_t *node)
{
    ngx_uint_t  n;

    n = node->hash % NGX_LLMOPS_ZONE_BUCKETS;

    node->chain = sh->buckets[n];

    ngx_memory_barrier();

    sh->buckets[n] = node;
}


static ngx_uint_t
ngx_llmops_node_is(ngx_llmops_node_t *node, ngx_llmops_node_e kind,
    ngx_str_t *name, uint32_t hash)
{
    return node->hash == hash
           && node->kind == (uint32_t) kind
           && node->len == name->len
           && ngx_memcmp(ngx_llmops_node_name(node), name->data, name->len)
              == 0;
}


static void
ngx_llmops_zone_full(ngx_shm_zone_t *zone)
{
    static time_t  next;

    if (ngx_time() < next) {
        return;
    }

    next = ngx_time() + NGX_LLMOPS_ZONE_QUIET;

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "llm_zone \"%V\" is full, some counters are not kept; "
                  "give it more than %uzk", &zone->shm.name,
                  zone->shm.size / 1024);
}


ngx_uint_t
ngx_llmops_zone_ordinal(void *node)
{
    return ((ngx_llmops_node_t *) ((u_char *) node
                                   - sizeof(ngx_llmops_node_t)))->ordinal;
}


ngx_int_t
ngx_llmops_zone_each(ngx_shm_zone_t *zone, ngx_llmops_node_e kind,
    ngx_int_t (*visit)(ngx_str_t *name, void *node, void *data), void *data)
{
    ngx_int_t              rc;
    ngx_str_t              name;
    ngx_llmops_node_t     *node;
    ngx_llmops_zone_sh_t  *sh;

    if (zone == NULL || zone->data == NULL) {
        return NGX_OK;
    }

    sh = zone->data;

    for (node = sh->lists[kind].first; node; node = node->next) {

        name.len = node->len;
        name.data = ngx_llmops_node_name(node);

        rc = visit(&name, ngx_llmops_node_data(node), data);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}
