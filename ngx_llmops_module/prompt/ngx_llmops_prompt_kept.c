
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
 * The table is in ngx_llmops_prompt_kept_table.c.
 */


#define NGX_LLMOPS_KEPT_RETRY    500       /* ms, after a question failed */
#define NGX_LLMOPS_KEPT_WAITS    3         /* of one request for one thing that
                                              changes again and again */


static ngx_int_t ngx_llmops_kept_get(ngx_llmops_kept_entry_t *entry,
    ngx_llmops_kept_wait_t *wait);
static ngx_uint_t ngx_llmops_kept_good(ngx_llmops_kept_entry_t *entry);
static ngx_int_t ngx_llmops_kept_ask(ngx_llmops_kept_entry_t *entry);
static void ngx_llmops_kept_asked(ngx_llmops_docop_t *op);
static void ngx_llmops_kept_answer(ngx_llmops_kept_entry_t *entry);
static void ngx_llmops_kept_learn_head(ngx_llmops_kept_entry_t *entry);
static void ngx_llmops_kept_learn_text(ngx_llmops_kept_entry_t *entry);


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

    revision = ngx_llmops_store_revision(entry->store,
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

    entry->asked = ngx_llmops_store_revision(entry->store,
                                             NGX_LLMOPS_DOCS_PROMPTS);

    op = &entry->op;
    ngx_memzero(op, sizeof(ngx_llmops_docop_t));

    op->docs = entry->text ? NGX_LLMOPS_DOCS_TEXTS : NGX_LLMOPS_DOCS_PROMPTS;
    op->id.data = entry->sn.str.data + 1;
    op->id.len = entry->sn.str.len - 1;
    op->pool = entry->pool;
    op->handler = ngx_llmops_kept_asked;
    op->data = entry;

    rc = ngx_llmops_store_get(entry->store, op);

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
}
