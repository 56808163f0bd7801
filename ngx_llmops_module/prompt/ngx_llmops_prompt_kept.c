
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_prompt_conf.h"
#include "ngx_llmops_prompt_kept.h"


/*
 * What a worker has read of the prompts in the store.
 *
 * A head is as good as the store's revision of heads: a word in shared memory
 * that changes whenever any head does, through whichever worker or gateway.
 * So a request compares one number, and only the first one after a change
 * waits for the store; all that come meanwhile wait for the same answer.  The
 * revision is read before the head is: what changes in between is seen by the
 * next request.
 *
 * A text never changes under its id.  It is parsed once, and kept until others
 * need the room; a request holds a reference, so that the version it was
 * served by lives until it ends.
 *
 * If the store cannot be asked, what was last known is good enough, for as
 * long as that lasts: a prompt that is a little old is better than none.
 *
 * Callers choose names.  Those that nobody has given to a prompt stand in a
 * queue of their own, so that they cannot push out what is used.
 */


#define NGX_LLMOPS_KEPT_HEADS    1024
#define NGX_LLMOPS_KEPT_UNKNOWN  256
#define NGX_LLMOPS_KEPT_TEXTS    512
#define NGX_LLMOPS_KEPT_BYTES    (64 * 1024 * 1024)    /* of parsed texts */
#define NGX_LLMOPS_KEPT_RETRY    500       /* ms, after a question failed */
#define NGX_LLMOPS_KEPT_WAITS    3         /* of one request for one thing that
                                              changes again and again */

/* a name, or a text's id: which may not be longer than a document's */
#define NGX_LLMOPS_KEPT_ID       (NGX_LLMOPS_DOC_ID + 1)


/* least recently used first */

typedef struct {
    ngx_queue_t                queue;
    ngx_uint_t                 n;
    ngx_uint_t                 max;
} ngx_llmops_kept_list_t;


struct ngx_llmops_kept_s {
    ngx_rbtree_t               rbtree;
    ngx_rbtree_node_t          sentinel;
    ngx_llmops_kept_list_t     heads;
    ngx_llmops_kept_list_t     unknown;
    ngx_llmops_kept_list_t     texts;
    size_t                     bytes;
    ngx_llmops_store_t        *store;
};


static ngx_llmops_kept_t *ngx_llmops_kept_create(
    ngx_llmops_main_conf_t *mcf);
static void ngx_llmops_kept_list_init(ngx_llmops_kept_list_t *list,
    ngx_uint_t max);
static void ngx_llmops_kept_cleanup(void *data);
static ngx_int_t ngx_llmops_kept_find(ngx_llmops_main_conf_t *mcf,
    ngx_str_t *id, ngx_str_t *version, ngx_llmops_kept_entry_t **entry);
static ngx_llmops_kept_entry_t *ngx_llmops_kept_add(ngx_llmops_kept_t *kept,
    ngx_str_t *key, uint32_t hash, ngx_str_t *version);
static ngx_int_t ngx_llmops_kept_get(ngx_llmops_kept_entry_t *entry,
    ngx_llmops_kept_wait_t *wait);
static ngx_uint_t ngx_llmops_kept_good(ngx_llmops_kept_entry_t *entry);
static ngx_int_t ngx_llmops_kept_ask(ngx_llmops_kept_entry_t *entry);
static void ngx_llmops_kept_asked(ngx_llmops_docop_t *op);
static void ngx_llmops_kept_answer(ngx_llmops_kept_entry_t *entry);
static void ngx_llmops_kept_learn_head(ngx_llmops_kept_entry_t *entry);
static void ngx_llmops_kept_learn_text(ngx_llmops_kept_entry_t *entry);
static ngx_llmops_kept_list_t *ngx_llmops_kept_list(
    ngx_llmops_kept_entry_t *entry);
static void ngx_llmops_kept_use(ngx_llmops_kept_entry_t *entry);
static void ngx_llmops_kept_unlist(ngx_llmops_kept_entry_t *entry);
static void ngx_llmops_kept_room(ngx_llmops_kept_t *kept,
    ngx_llmops_kept_list_t *list);
static void ngx_llmops_kept_free(ngx_llmops_kept_entry_t *entry);


ngx_int_t
ngx_llmops_kept_head(ngx_llmops_main_conf_t *mcf, ngx_str_t *name,
    ngx_llmops_kept_wait_t *wait, ngx_llmops_kept_entry_t **entry)
{
    ngx_int_t  rc;

    rc = ngx_llmops_kept_find(mcf, name, NULL, entry);

    return (rc == NGX_OK) ? ngx_llmops_kept_get(*entry, wait) : rc;
}


ngx_int_t
ngx_llmops_kept_text(ngx_llmops_main_conf_t *mcf, ngx_str_t *id,
    ngx_str_t *version, ngx_llmops_kept_wait_t *wait,
    ngx_llmops_kept_entry_t **entry)
{
    ngx_int_t  rc;

    rc = ngx_llmops_kept_find(mcf, id, version, entry);

    return (rc == NGX_OK) ? ngx_llmops_kept_get(*entry, wait) : rc;
}


void
ngx_llmops_kept_leave(ngx_llmops_kept_wait_t *wait)
{
    if (wait->waiting) {
        wait->waiting = 0;
        ngx_queue_remove(&wait->queue);
    }
}


void
ngx_llmops_kept_doubt(ngx_llmops_main_conf_t *mcf, ngx_str_t *name)
{
    ngx_llmops_kept_entry_t  *entry;

    if (ngx_llmops_kept_find(mcf, name, NULL, &entry) == NGX_OK) {
        entry->revision = 0;
        ngx_llmops_kept_use(entry);
    }
}


/* -- the table ------------------------------------------------------------ */

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


/* with a version it is a text */

static ngx_int_t
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


/* -- questions ------------------------------------------------------------ */

static ngx_int_t
ngx_llmops_kept_get(ngx_llmops_kept_entry_t *entry,
    ngx_llmops_kept_wait_t *wait)
{
    ngx_int_t  rc;

    if (!ngx_llmops_kept_good(entry) && entry->pool == NULL
        && !(entry->answered && wait->asked >= NGX_LLMOPS_KEPT_WAITS)
        && !(entry->trouble
             && ngx_current_msec - entry->failed < NGX_LLMOPS_KEPT_RETRY))
    {
        rc = ngx_llmops_kept_ask(entry);

        if (rc == NGX_ERROR) {
            ngx_llmops_kept_use(entry);
            return NGX_ERROR;
        }
    }

    if (entry->pool) {
        wait->asked++;
        wait->waiting = 1;
        ngx_queue_insert_tail(&entry->waiting, &wait->queue);

        return NGX_AGAIN;
    }

    ngx_llmops_kept_use(entry);

    return entry->answered ? NGX_OK : NGX_BUSY;
}


/* a revision of 0 is that of a store that has not told it yet, or has lost
   everything: where there is a head there is one */

static ngx_uint_t
ngx_llmops_kept_good(ngx_llmops_kept_entry_t *entry)
{
    uint64_t  revision;

    if (!entry->answered) {
        return 0;
    }

    if (entry->text) {
        return entry->prompt || entry->invalid;
    }

    revision = ngx_llmops_store_revision(entry->kept->store,
                                         NGX_LLMOPS_DOCS_PROMPTS);

    return entry->revision == revision
           && (revision != 0 || entry->head == NULL);
}


/* NGX_OK: it has been answered; NGX_AGAIN: entry->pool is there until it is */

static ngx_int_t
ngx_llmops_kept_ask(ngx_llmops_kept_entry_t *entry)
{
    ngx_int_t            rc;
    ngx_llmops_docop_t  *op;

    entry->pool = ngx_create_pool(1024, ngx_cycle->log);
    if (entry->pool == NULL) {
        return NGX_ERROR;
    }

    entry->asked = ngx_llmops_store_revision(entry->kept->store,
                                             NGX_LLMOPS_DOCS_PROMPTS);

    op = &entry->op;
    ngx_memzero(op, sizeof(ngx_llmops_docop_t));

    op->docs = entry->text ? NGX_LLMOPS_DOCS_TEXTS : NGX_LLMOPS_DOCS_PROMPTS;
    op->id.data = entry->sn.str.data + 1;
    op->id.len = entry->sn.str.len - 1;
    op->pool = entry->pool;
    op->handler = ngx_llmops_kept_asked;
    op->data = entry;

    rc = ngx_llmops_store_get(entry->kept->store, op);

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    if (rc != NGX_OK) {
        op->rc = NGX_ERROR;
    }

    ngx_llmops_kept_answer(entry);

    return NGX_OK;
}


/*
 * Whoever is woken may end, and with it others who wait; or wait again, for
 * this entry or another one.  So they first get a queue of their own, and the
 * entry is not looked at any more.
 */

static void
ngx_llmops_kept_asked(ngx_llmops_docop_t *op)
{
    ngx_queue_t               waiting, *q;
    ngx_llmops_kept_wait_t   *wait;
    ngx_llmops_kept_entry_t  *entry = op->data;

    ngx_llmops_kept_answer(entry);

    ngx_queue_init(&waiting);

    if (!ngx_queue_empty(&entry->waiting)) {
        ngx_queue_add(&waiting, &entry->waiting);
        ngx_queue_init(&entry->waiting);
    }

    ngx_llmops_kept_use(entry);

    while (!ngx_queue_empty(&waiting)) {
        q = ngx_queue_head(&waiting);
        wait = ngx_queue_data(q, ngx_llmops_kept_wait_t, queue);

        ngx_llmops_kept_leave(wait);

        wait->wake(wait);
    }
}


static void
ngx_llmops_kept_answer(ngx_llmops_kept_entry_t *entry)
{
    entry->trouble = 0;

    if (entry->op.rc != NGX_OK && entry->op.rc != NGX_DECLINED) {
        entry->trouble = 1;
        entry->failed = ngx_current_msec;

    } else if (entry->text) {
        ngx_llmops_kept_learn_text(entry);

    } else {
        ngx_llmops_kept_learn_head(entry);
    }

    ngx_destroy_pool(entry->pool);
    entry->pool = NULL;
}


/* what is no head is as good as none: it is said, and what was before stays */

static void
ngx_llmops_kept_learn_head(ngx_llmops_kept_entry_t *entry)
{
    json_t  *head;

    head = NULL;

    if (entry->op.rc == NGX_OK) {
        head = ngx_llmops_head_load(&entry->op.doc.value);

        if (head == NULL) {
            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                          "the prompt \"%V\" in the store cannot be read",
                          &entry->op.id);
            entry->trouble = 1;
            entry->failed = ngx_current_msec;
            return;
        }
    }

    ngx_llmops_kept_unlist(entry);           /* it may be known now, or not */

    json_decref(entry->head);
    entry->head = head;
    entry->revision = entry->asked;
    entry->answered = 1;
}


static void
ngx_llmops_kept_learn_text(ngx_llmops_kept_entry_t *entry)
{
    ngx_str_t                   name;
    ngx_llmops_prompt_error_t   err;

    ngx_llmops_kept_unlist(entry);           /* it may be there now */

    entry->answered = 1;

    if (entry->op.rc != NGX_OK) {
        return;
    }

    name = entry->op.id;                     /* "NAME@" and what is unique */
    name.len = ngx_strlchr(name.data, name.data + name.len, '@') - name.data;

    entry->prompt = ngx_llmops_prompt_parse(&name, &entry->version,
                                            &entry->op.doc.value, &err);

    if (entry->prompt == NULL) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "the version \"%V\" of prompt \"%V\" in the store is "
                      "not valid: %s", &entry->version, &name, err.text);
        entry->invalid = 1;
        return;
    }

    entry->size = entry->prompt->arena.used;
    entry->kept->bytes += entry->size;
}


/* -- what is kept --------------------------------------------------------- */

static ngx_llmops_kept_list_t *
ngx_llmops_kept_list(ngx_llmops_kept_entry_t *entry)
{
    ngx_llmops_kept_t *kept = entry->kept;

    return entry->prompt ? &kept->texts
           : entry->head ? &kept->heads : &kept->unknown;
}


/* the entry is the last one to go; makes room */

static void
ngx_llmops_kept_use(ngx_llmops_kept_entry_t *entry)
{
    ngx_llmops_kept_list_t  *list;

    ngx_llmops_kept_unlist(entry);

    list = ngx_llmops_kept_list(entry);

    ngx_queue_insert_tail(&list->queue, &entry->queue);
    list->n++;
    entry->listed = 1;

    ngx_llmops_kept_room(entry->kept, list);
}


static void
ngx_llmops_kept_unlist(ngx_llmops_kept_entry_t *entry)
{
    if (entry->listed) {
        ngx_queue_remove(&entry->queue);
        ngx_llmops_kept_list(entry)->n--;
        entry->listed = 0;
    }
}


/* never the last one, which is just being used, nor one that is being asked */

static void
ngx_llmops_kept_room(ngx_llmops_kept_t *kept, ngx_llmops_kept_list_t *list)
{
    ngx_queue_t              *q, *next;
    ngx_llmops_kept_entry_t  *entry;

    for (q = ngx_queue_head(&list->queue);
         q != ngx_queue_last(&list->queue);
         q = next)
    {
        if (list->n <= list->max
            && (list != &kept->texts || kept->bytes <= NGX_LLMOPS_KEPT_BYTES))
        {
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
        entry->kept->bytes -= entry->size;
        ngx_llmops_prompt_release(entry->prompt);
    }

    ngx_free(entry);
}
