
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_prompt_conf.h"
#include "ngx_llmops_prompt_kept.h"


/*
 * The table of what a worker has read: by name or id, with three queues that
 * bound it, the least recently used first.
 *
 * Callers choose names.  Those that nobody has given to a prompt stand in a
 * queue of their own, so that they cannot push out what is used.
 */


#define NGX_LLMOPS_KEPT_HEADS    1024
#define NGX_LLMOPS_KEPT_UNKNOWN  256
#define NGX_LLMOPS_KEPT_TEXTS    512
#define NGX_LLMOPS_KEPT_BYTES    (64 * 1024 * 1024)    /* of parsed texts */

/* a name, or a text's id: which may not be longer than a document's */
#define NGX_LLMOPS_KEPT_ID       (NGX_LLMOPS_DOC_ID + 1)


/* least recently used first */

typedef struct {
    ngx_queue_t                queue;
    ngx_uint_t                 n;
    ngx_uint_t                 max;
    size_t                     bytes;      /* of parsed texts */
} ngx_llmops_kept_list_t;


struct ngx_llmops_kept_s {
    ngx_rbtree_t               rbtree;
    ngx_rbtree_node_t          sentinel;
    ngx_llmops_kept_list_t     heads;
    ngx_llmops_kept_list_t     unknown;
    ngx_llmops_kept_list_t     texts;
    ngx_llmops_store_t        *store;
};


static ngx_llmops_kept_t *ngx_llmops_kept_create(
    ngx_llmops_main_conf_t *mcf);
static void ngx_llmops_kept_list_init(ngx_llmops_kept_list_t *list,
    ngx_uint_t max);
static void ngx_llmops_kept_cleanup(void *data);
static ngx_llmops_kept_entry_t *ngx_llmops_kept_add(ngx_llmops_kept_t *kept,
    ngx_str_t *key, uint32_t hash, ngx_str_t *version);
static ngx_llmops_kept_list_t *ngx_llmops_kept_list(
    ngx_llmops_kept_entry_t *entry);
static void ngx_llmops_kept_room(ngx_llmops_kept_list_t *list);
static void ngx_llmops_kept_free(ngx_llmops_kept_entry_t *entry);


/* made by the first request that has a prompt of the store: a worker's own */

static ngx_llmops_kept_t *
ngx_llmops_kept_create(ngx_llmops_main_conf_t *mcf)
{
    ngx_llmops_kept_t     *kept;
    ngx_pool_cleanup_t    *cln;
    ngx_llmops_prompts_t  *prompts;

    prompts = mcf->prompts;

    if (prompts->kept) {
        return prompts->kept;
    }

    kept = ngx_pcalloc(mcf->store->cycle->pool, sizeof(ngx_llmops_kept_t));
    cln = ngx_pool_cleanup_add(mcf->store->cycle->pool, 0);

    if (kept == NULL || cln == NULL) {
        return NULL;
    }

    kept->store = mcf->store;

    ngx_rbtree_init(&kept->rbtree, &kept->sentinel,
                    ngx_str_rbtree_insert_value);

    ngx_llmops_kept_list_init(&kept->heads, NGX_LLMOPS_KEPT_HEADS);
    ngx_llmops_kept_list_init(&kept->unknown, NGX_LLMOPS_KEPT_UNKNOWN);
    ngx_llmops_kept_list_init(&kept->texts, NGX_LLMOPS_KEPT_TEXTS);

    cln->handler = ngx_llmops_kept_cleanup;
    cln->data = kept;

    prompts->kept = kept;

    return kept;
}


static void
ngx_llmops_kept_list_init(ngx_llmops_kept_list_t *list, ngx_uint_t max)
{
    ngx_queue_init(&list->queue);
    list->max = max;
}


/* without a master a cycle may end while the process goes on */

static void
ngx_llmops_kept_cleanup(void *data)
{
    ngx_llmops_kept_t *kept = data;

    ngx_rbtree_node_t        *root;
    ngx_llmops_kept_entry_t  *entry;

    while (kept->rbtree.root != kept->rbtree.sentinel) {
        root = kept->rbtree.root;
        entry = (ngx_llmops_kept_entry_t *) root;

        if (entry->pool) {
            ngx_llmops_store_forget(kept->store, &entry->op);
            ngx_destroy_pool(entry->pool);
            entry->pool = NULL;
        }

        ngx_llmops_kept_unlist(entry);
        ngx_llmops_kept_free(entry);
    }
}


ngx_int_t
ngx_llmops_kept_find(ngx_llmops_main_conf_t *mcf, ngx_str_t *id,
    ngx_str_t *version, ngx_llmops_kept_entry_t **entry)
{
    u_char              buf[NGX_LLMOPS_KEPT_ID];
    uint32_t            hash;
    ngx_str_t           key;
    ngx_llmops_kept_t  *kept;

    kept = ngx_llmops_kept_create(mcf);

    if (kept == NULL || id->len >= NGX_LLMOPS_KEPT_ID) {
        return NGX_ERROR;
    }

    buf[0] = version ? 't' : 'h';
    ngx_memcpy(&buf[1], id->data, id->len);

    key.data = buf;
    key.len = id->len + 1;

    hash = ngx_crc32_long(key.data, key.len);

    *entry = (ngx_llmops_kept_entry_t *)
             ngx_str_rbtree_lookup(&kept->rbtree, &key, hash);

    if (*entry == NULL) {
        *entry = ngx_llmops_kept_add(kept, &key, hash, version);
    }

    return *entry ? NGX_OK : NGX_ERROR;
}


static ngx_llmops_kept_entry_t *
ngx_llmops_kept_add(ngx_llmops_kept_t *kept, ngx_str_t *key, uint32_t hash,
    ngx_str_t *version)
{
    size_t                    len;
    ngx_llmops_kept_entry_t  *entry;

    len = version ? version->len : 0;

    entry = ngx_calloc(sizeof(ngx_llmops_kept_entry_t) + key->len + len,
                       ngx_cycle->log);
    if (entry == NULL) {
        return NULL;
    }

    entry->kept = kept;
    entry->store = kept->store;
    entry->text = (version != NULL);

    entry->sn.node.key = hash;
    entry->sn.str.len = key->len;
    entry->sn.str.data = (u_char *) entry + sizeof(ngx_llmops_kept_entry_t);
    ngx_memcpy(entry->sn.str.data, key->data, key->len);

    if (version) {
        entry->version.len = len;
        entry->version.data = entry->sn.str.data + key->len;
        ngx_memcpy(entry->version.data, version->data, len);
    }

    ngx_queue_init(&entry->waiting);
    ngx_rbtree_insert(&kept->rbtree, &entry->sn.node);

    return entry;
}


/* -- what is kept --------------------------------------------------------- */

static ngx_llmops_kept_list_t *
ngx_llmops_kept_list(ngx_llmops_kept_entry_t *entry)
{
    ngx_llmops_kept_t *kept = entry->kept;

    return entry->prompt ? &kept->texts
           : entry->head ? &kept->heads : &kept->unknown;
}


void
ngx_llmops_kept_use(ngx_llmops_kept_entry_t *entry)
{
    ngx_llmops_kept_list_t  *list;

    ngx_llmops_kept_unlist(entry);

    list = ngx_llmops_kept_list(entry);

    ngx_queue_insert_tail(&list->queue, &entry->queue);
    list->n++;
    list->bytes += entry->size;
    entry->listed = 1;

    ngx_llmops_kept_room(list);
}


void
ngx_llmops_kept_unlist(ngx_llmops_kept_entry_t *entry)
{
    ngx_llmops_kept_list_t  *list;

    if (entry->listed) {
        list = ngx_llmops_kept_list(entry);

        ngx_queue_remove(&entry->queue);
        list->n--;
        list->bytes -= entry->size;
        entry->listed = 0;
    }
}


/* never the last one, which is just being used, nor one that is being asked */

static void
ngx_llmops_kept_room(ngx_llmops_kept_list_t *list)
{
    ngx_queue_t              *q, *next;
    ngx_llmops_kept_entry_t  *entry;

    for (q = ngx_queue_head(&list->queue);
         q != ngx_queue_last(&list->queue);
         q = next)
    {
        if (list->n <= list->max && list->bytes <= NGX_LLMOPS_KEPT_BYTES) {
            return;
        }

        next = ngx_queue_next(q);
        entry = ngx_queue_data(q, ngx_llmops_kept_entry_t, queue);

        if (entry->pool == NULL) {
            ngx_llmops_kept_unlist(entry);
            ngx_llmops_kept_free(entry);
        }
    }
}


static void
ngx_llmops_kept_free(ngx_llmops_kept_entry_t *entry)
{
    ngx_rbtree_delete(&entry->kept->rbtree, &entry->sn.node);

    json_decref(entry->head);

    if (entry->prompt) {
        ngx_llmops_prompt_release(entry->prompt);
    }

    ngx_free(entry);
}
