
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_embed.h"
#include "ngx_llmops_detached.h"
#include "ngx_llmops_digest.h"


/*
 * Meanings of texts, from a configured provider of embeddings.
 *
 * A batcher for each target and worker: texts that are wanted while a question
 * is under way, or in the same turn of the event loop, go out together in the
 * next one, so that a burst of callers costs a few requests.  What comes back
 * is remembered by the digest of its text in a small table: a text that is
 * asked again under another prompt, or stored after its wait was over, costs
 * nothing.
 *
 * Texts are copied, as who asked may leave; the question goes on for the
 * others, and for the table.
 */


#define NGX_LLMOPS_EMBED_BATCH    16       /* texts of a question */
#define NGX_LLMOPS_EMBED_WAITING  128      /* texts that wait, of a target */
#define NGX_LLMOPS_EMBED_TABLE    256      /* vectors that are remembered */
#define NGX_LLMOPS_EMBED_TARGETS  16
#define NGX_LLMOPS_EMBED_TIMEOUT  5000     /* ms */
#define NGX_LLMOPS_EMBED_ANSWER   (2 * 1024 * 1024)


typedef struct {
    u_char                     digest[NGX_LLMOPS_CACHE_KEY];
    unsigned                   used:1;
    ngx_llmops_near_vector_t   vector;
} ngx_llmops_embed_slot_t;


/* of a target */

typedef struct {
    ngx_llmops_target_t       *target;
    ngx_llmops_main_conf_t    *mcf;
    ngx_queue_t                waiting;
    ngx_uint_t                 nwaiting;
    ngx_event_t                event;      /* the next question is due */
    ngx_llmops_detached_t      d;
    ngx_uint_t                 n;          /* texts of the question */
    u_char                     digests[NGX_LLMOPS_EMBED_BATCH]
                                      [NGX_LLMOPS_CACHE_KEY];
    unsigned                   asking:1;
} ngx_llmops_batcher_t;


static ngx_llmops_batcher_t *ngx_llmops_batcher(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_target_t *target);
static void ngx_llmops_batcher_due(ngx_event_t *ev);
static ngx_int_t ngx_llmops_batcher_body(ngx_llmops_batcher_t *b,
    ngx_llmops_out_t *out);
static void ngx_llmops_batcher_answer(ngx_llmops_detached_t *d);
static void ngx_llmops_batcher_read(ngx_llmops_batcher_t *b,
    ngx_str_t *answer);
static void ngx_llmops_batcher_tell(ngx_llmops_batcher_t *b,
    ngx_uint_t failed);
static ngx_uint_t ngx_llmops_batcher_asked(ngx_llmops_batcher_t *b,
    ngx_llmops_embed_t *e);
static ngx_llmops_embed_slot_t *ngx_llmops_embed_slot(const u_char *digest);


/* of this worker */

static ngx_llmops_batcher_t     *ngx_llmops_batchers[NGX_LLMOPS_EMBED_TARGETS];
static ngx_llmops_embed_slot_t  *ngx_llmops_embed_table;


ngx_int_t
ngx_llmops_embed_ask(ngx_llmops_main_conf_t *mcf, ngx_llmops_ctx_t *from,
    ngx_llmops_embed_t *e)
{
    ngx_llmops_batcher_t  *b;

    if (ngx_llmops_embed_known(e)) {
        return NGX_OK;
    }

    b = ngx_llmops_batcher(mcf, e->target);

    if (b == NULL || b->nwaiting == NGX_LLMOPS_EMBED_WAITING) {
        return NGX_DECLINED;
    }

    ngx_queue_insert_tail(&b->waiting, &e->queue);
    b->nwaiting++;
    e->waiting = 1;

    if (!b->asking && !b->event.posted) {
        ngx_post_event(&b->event, &ngx_posted_events);
    }

    return NGX_AGAIN;
}


void
ngx_llmops_embed_forget(ngx_llmops_embed_t *e)
{
    ngx_uint_t  i;

    if (!e->waiting) {
        return;
    }

    for (i = 0; i < NGX_LLMOPS_EMBED_TARGETS; i++) {
        if (ngx_llmops_batchers[i]
            && ngx_llmops_batchers[i]->target == e->target)
        {
            ngx_llmops_batchers[i]->nwaiting--;
        }
    }

    ngx_queue_remove(&e->queue);
    e->waiting = 0;
}


/* digest: of the target's name and the text */

const ngx_llmops_near_vector_t *
ngx_llmops_embed_known(ngx_llmops_embed_t *e)
{
    u_char                    both[NGX_LLMOPS_CACHE_KEY + sizeof(void *)];
    ngx_llmops_embed_slot_t  *slot;

    e->vector = NULL;

    if (ngx_llmops_sha256(e->text.data, e->text.len, both) != NGX_OK) {
        return NULL;
    }

    ngx_memcpy(both + NGX_LLMOPS_CACHE_KEY, &e->target, sizeof(void *));

    if (ngx_llmops_sha256(both, sizeof(both), e->digest) != NGX_OK) {
        return NULL;
    }

    if (ngx_llmops_embed_table == NULL) {
        return NULL;
    }

    slot = ngx_llmops_embed_slot(e->digest);

    e->vector = (slot->used
                 && ngx_memcmp(slot->digest, e->digest, NGX_LLMOPS_CACHE_KEY)
                    == 0)
                ? &slot->vector : NULL;

    return e->vector;
}


static ngx_llmops_embed_slot_t *
ngx_llmops_embed_slot(const u_char *digest)
{
    uint32_t  n;

    ngx_memcpy(&n, digest, sizeof(uint32_t));

    return &ngx_llmops_embed_table[n % NGX_LLMOPS_EMBED_TABLE];
}


static ngx_llmops_batcher_t *
ngx_llmops_batcher(ngx_llmops_main_conf_t *mcf, ngx_llmops_target_t *target)
{
    ngx_uint_t             i;
    ngx_llmops_batcher_t  *b;

    if (ngx_llmops_embed_table == NULL) {
        ngx_llmops_embed_table = ngx_calloc(NGX_LLMOPS_EMBED_TABLE
                                            * sizeof(ngx_llmops_embed_slot_t),
                                            ngx_cycle->log);
        if (ngx_llmops_embed_table == NULL) {
            return NULL;
        }
    }

    for (i = 0; i < NGX_LLMOPS_EMBED_TARGETS; i++) {

        b = ngx_llmops_batchers[i];

        if (b == NULL) {
            b = ngx_calloc(sizeof(ngx_llmops_batcher_t), ngx_cycle->log);
            if (b == NULL) {
                return NULL;
            }

            b->target = target;
            b->mcf = mcf;
            b->event.handler = ngx_llmops_batcher_due;
            b->event.data = b;
            b->event.log = ngx_cycle->log;
            ngx_queue_init(&b->waiting);

            ngx_llmops_batchers[i] = b;
            return b;
        }

        if (b->target == target) {
            return b;
        }
    }

    return NULL;
}


static void
ngx_llmops_batcher_due(ngx_event_t *ev)
{
    ngx_int_t              rc;
    ngx_llmops_out_t       out;
    ngx_llmops_batcher_t  *b = ev->data;

    if (b->asking || ngx_queue_empty(&b->waiting)) {
        return;
    }

    ngx_llmops_out_init(&out, NGX_LLMOPS_EMBED_BATCH
                              * (6 * NGX_LLMOPS_NEAR_TEXT + 16) + 1024);

    rc = ngx_llmops_batcher_body(b, &out);

    if (rc == NGX_OK) {
        ngx_memzero(&b->d, sizeof(ngx_llmops_detached_t));

        b->d.target = b->target;
        ngx_str_set(&b->d.path, "/v1/embeddings");
        b->d.body.data = out.data;
        b->d.body.len = out.len;
        b->d.purpose = "embedding";
        b->d.max = NGX_LLMOPS_EMBED_ANSWER;
        b->d.timeout = NGX_LLMOPS_EMBED_TIMEOUT;
        b->d.handler = ngx_llmops_batcher_answer;
        b->d.data = b;

        rc = ngx_llmops_detached_start(b->mcf, &b->d);
    }

    ngx_llmops_out_free(&out);

    b->asking = (rc == NGX_OK);

    if (rc != NGX_OK) {
        ngx_llmops_batcher_tell(b, 1);
    }
}


/* the texts that wait first, each of them once */

static ngx_int_t
ngx_llmops_batcher_body(ngx_llmops_batcher_t *b, ngx_llmops_out_t *out)
{
    ngx_str_t           *model = &b->target->model;
    ngx_queue_t         *q;
    ngx_llmops_embed_t  *e;

    b->n = 0;

    ngx_llmops_out_lit(out, "{\"model\":");
    ngx_llmops_out_json(out, model->data, model->len);
    ngx_llmops_out_lit(out, ",\"encoding_format\":\"float\",\"input\":[");

    for (q = ngx_queue_head(&b->waiting);
         q != ngx_queue_sentinel(&b->waiting)
         && b->n < NGX_LLMOPS_EMBED_BATCH;
         q = ngx_queue_next(q))
    {
        e = ngx_queue_data(q, ngx_llmops_embed_t, queue);

        if (ngx_llmops_batcher_asked(b, e)) {
            continue;
        }

        if (b->n) {
            ngx_llmops_out_lit(out, ",");
        }

        ngx_llmops_out_json(out, e->text.data, e->text.len);
        ngx_memcpy(b->digests[b->n++], e->digest, NGX_LLMOPS_CACHE_KEY);
    }

    return ngx_llmops_out_lit(out, "]}");
}


static void
ngx_llmops_batcher_answer(ngx_llmops_detached_t *d)
{
    ngx_uint_t             good;
    ngx_llmops_batcher_t  *b = d->data;

    b->asking = 0;

    good = (d->status == NGX_HTTP_OK && d->error == NGX_LLMOPS_ERR_NONE
            && !d->truncated);

    if (good) {
        ngx_llmops_batcher_read(b, &d->answer);
    }

    ngx_llmops_batcher_tell(b, !good);

    if (!ngx_queue_empty(&b->waiting) && !b->event.posted) {
        ngx_post_event(&b->event, &ngx_posted_events);
    }
}


/* {"data": [{"index": 0, "embedding": [...]}, ...]} into the table */

static void
ngx_llmops_batcher_read(ngx_llmops_batcher_t *b, ngx_str_t *answer)
{
    int64_t                   n;
    ngx_str_t                 data, item, value;
    ngx_uint_t                i;
    ngx_llmops_json_iter_t    it;
    ngx_llmops_embed_slot_t  *slot;

    if (ngx_llmops_json_get(answer, "data", &data) != NGX_OK
        || ngx_llmops_json_array(&it, &data) != NGX_OK)
    {
        return;
    }

    for (i = 0; ngx_llmops_json_next(&it, NULL, &item) == NGX_OK; i++) {

        n = i;

        if (ngx_llmops_json_get(&item, "index", &value) == NGX_OK) {
            (void) ngx_llmops_json_count(&value, &n);
        }

        if (n >= (int64_t) b->n
            || ngx_llmops_json_get(&item, "embedding", &value) != NGX_OK)
        {
            continue;
        }

        slot = ngx_llmops_embed_slot(b->digests[n]);
        slot->used = 0;

        if (ngx_llmops_near_read(&value, &slot->vector) == NGX_OK) {
            ngx_memcpy(slot->digest, b->digests[n], NGX_LLMOPS_CACHE_KEY);
            slot->used = 1;
        }
    }
}


/* who waits for a text of this question; two that share a slot of the table
   get one vector, and nothing */

static void
ngx_llmops_batcher_tell(ngx_llmops_batcher_t *b, ngx_uint_t failed)
{
    ngx_queue_t         *q, told;
    ngx_llmops_embed_t  *e;

    ngx_queue_init(&told);

    for (q = ngx_queue_head(&b->waiting);
         q != ngx_queue_sentinel(&b->waiting);
         /* void */ )
    {
        e = ngx_queue_data(q, ngx_llmops_embed_t, queue);
        q = ngx_queue_next(q);

        if (ngx_llmops_batcher_asked(b, e)) {
            ngx_queue_remove(&e->queue);
            ngx_queue_insert_tail(&told, &e->queue);
        }
    }

    /* a handler may end others that are still to be told */

    while (!ngx_queue_empty(&told)) {
        e = ngx_queue_data(ngx_queue_head(&told), ngx_llmops_embed_t, queue);

        ngx_queue_remove(&e->queue);
        e->waiting = 0;
        b->nwaiting--;

        e->vector = NULL;

        if (!failed) {
            (void) ngx_llmops_embed_known(e);
        }

        e->handler(e);
    }
}


static ngx_uint_t
ngx_llmops_batcher_asked(ngx_llmops_batcher_t *b, ngx_llmops_embed_t *e)
{
    ngx_uint_t  i;

    for (i = 0; i < b->n; i++) {
        if (ngx_memcmp(b->digests[i], e->digest, NGX_LLMOPS_CACHE_KEY) == 0) {
            return 1;
        }
    }

    return 0;
}


void
ngx_llmops_embed_stop(void)
{
    ngx_uint_t             i;
    ngx_llmops_batcher_t  *b;

    for (i = 0; i < NGX_LLMOPS_EMBED_TARGETS; i++) {
        b = ngx_llmops_batchers[i];

        if (b == NULL) {
            continue;
        }

        if (b->asking) {
            ngx_llmops_detached_cancel(&b->d);
        }

        if (b->event.posted) {
            ngx_delete_posted_event(&b->event);
        }

        ngx_free(b);
        ngx_llmops_batchers[i] = NULL;
    }

    if (ngx_llmops_embed_table) {
        ngx_free(ngx_llmops_embed_table);
        ngx_llmops_embed_table = NULL;
    }
}
