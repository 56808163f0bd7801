
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_index.h"
#include "ngx_llmops_detached.h"

#include <math.h>


/*
 * Chunks to vectors.  Documents are worked on side by side, and what several of
 * them want in the same turn of the event loop, or while a question is under
 * way, goes out in the next one, up to "batch" texts: a thousand small
 * documents cost a thousand divided by the batch questions.  Who has been
 * refused before is asked for alone, so that one bad document does not keep
 * others out.
 *
 * A question is one of the background: it takes no more than half of what
 * llm_detached allows, and waits where that is used up.
 */


#define NGX_LLMOPS_INDEX_TIMEOUT  60000    /* ms, of a question */
#define NGX_LLMOPS_INDEX_ANSWER   (16 * 1024 * 1024)
#define NGX_LLMOPS_INDEX_AGAIN    250      /* ms: no room for a question */
#define NGX_LLMOPS_INDEX_GATHER   10       /* ms: for what others may want */


/* of an index */

typedef struct {
    ngx_llmops_index_t        *index;
    ngx_llmops_main_conf_t    *mcf;
    ngx_queue_t                waiting;
    ngx_uint_t                 texts;      /* of those that wait */
    ngx_event_t                event;      /* the next question is due */
    ngx_llmops_detached_t      d;
    unsigned                   asking:1;
    unsigned                   busy:1;     /* the timer waits for room */
} ngx_llmops_index_batcher_t;


static ngx_llmops_index_batcher_t *ngx_llmops_index_batcher(
    ngx_llmops_index_embed_t *e);
static void ngx_llmops_index_embed_wake(ngx_llmops_index_batcher_t *b);
static void ngx_llmops_index_embed_due(ngx_event_t *ev);
static ngx_int_t ngx_llmops_index_embed_body(ngx_llmops_index_batcher_t *b,
    ngx_llmops_out_t *out);
static void ngx_llmops_index_embed_answer(ngx_llmops_detached_t *d);
static const char *ngx_llmops_index_embed_read(ngx_llmops_detached_t *d,
    ngx_uint_t n, float **vectors, uint32_t *dims);
static float *ngx_llmops_index_embed_room(ngx_str_t *first, ngx_uint_t n,
    uint32_t *dims);
static ngx_int_t ngx_llmops_index_embed_floats(ngx_str_t *array, float *v,
    uint32_t max, uint32_t *dims);
static void ngx_llmops_index_embed_tell(ngx_llmops_index_batcher_t *b,
    float *vectors, uint32_t dims, ngx_uint_t status, const char *error);
static ngx_uint_t ngx_llmops_index_embed_count(ngx_llmops_index_batcher_t *b);


ngx_int_t
ngx_llmops_index_embed(ngx_llmops_index_embed_t *e)
{
    ngx_llmops_index_batcher_t  *b;

    b = ngx_llmops_index_batcher(e);
    if (b == NULL) {
        return NGX_ERROR;
    }

    ngx_queue_insert_tail(&b->waiting, &e->queue);

    e->waiting = 1;
    e->asked = 0;
    b->texts += e->n;

    ngx_llmops_index_embed_wake(b);

    return NGX_AGAIN;
}


/* at once if there is enough for a question, or else in a moment */

static void
ngx_llmops_index_embed_wake(ngx_llmops_index_batcher_t *b)
{
    if (b->asking || b->event.posted || b->busy || b->texts == 0) {
        return;
    }

    if (b->texts < b->index->batch) {
        if (!b->event.timer_set) {
            ngx_add_timer(&b->event, NGX_LLMOPS_INDEX_GATHER);
        }

        return;
    }

    if (b->event.timer_set) {
        ngx_del_timer(&b->event);
    }

    ngx_post_event(&b->event, &ngx_posted_events);
}


void
ngx_llmops_index_embed_forget(ngx_llmops_index_embed_t *e)
{
    ngx_queue_t                 *q;
    ngx_llmops_index_batcher_t  *b;

    if (!e->waiting) {
        return;
    }

    /* an answer is told apart by the places of its texts: what was asked
       together is given up together, and asked again without this one */

    b = e->index->batcher;

    ngx_queue_remove(&e->queue);
    e->waiting = 0;

    if (!e->asked || b->asking) {
        b->texts -= e->n;                    /* it was not being told */
    }

    if (e->asked && b->asking) {
        ngx_llmops_detached_cancel(&b->d);
        b->asking = 0;

        for (q = ngx_queue_head(&b->waiting);
             q != ngx_queue_sentinel(&b->waiting);
             q = ngx_queue_next(q))
        {
            e = ngx_queue_data(q, ngx_llmops_index_embed_t, queue);
            e->asked = 0;
        }

        ngx_llmops_index_embed_wake(b);
    }
}


void
ngx_llmops_index_embed_stop(ngx_llmops_index_t *index)
{
    ngx_llmops_index_batcher_t *b = index->batcher;

    if (b == NULL) {
        return;
    }

    if (b->asking) {
        ngx_llmops_detached_cancel(&b->d);
    }

    if (b->event.posted) {
        ngx_delete_posted_event(&b->event);
    }

    if (b->event.timer_set) {
        ngx_del_timer(&b->event);
    }

    ngx_free(b);
    index->batcher = NULL;
}


static ngx_llmops_index_batcher_t *
ngx_llmops_index_batcher(ngx_llmops_index_embed_t *e)
{
    ngx_llmops_index_batcher_t  *b = e->index->batcher;

    if (b) {
        return b;
    }

    b = ngx_calloc(sizeof(ngx_llmops_index_batcher_t), ngx_cycle->log);
    if (b == NULL) {
        return NULL;
    }

    b->index = e->index;
    b->mcf = e->mcf;

    b->event.handler = ngx_llmops_index_embed_due;
    b->event.data = b;
    b->event.log = ngx_cycle->log;
    b->event.cancelable = 1;

    ngx_queue_init(&b->waiting);

    e->index->batcher = b;

    return b;
}


static void
ngx_llmops_index_embed_due(ngx_event_t *ev)
{
    ngx_int_t                    rc;
    ngx_llmops_out_t             out;
    ngx_llmops_index_batcher_t  *b = ev->data;

    b->busy = 0;

    if (b->asking || ngx_queue_empty(&b->waiting)) {
        return;
    }

    ngx_llmops_out_init(&out, b->index->batch * (6 * b->index->chunk + 16)
                              + 1024);

    rc = ngx_llmops_index_embed_body(b, &out);

    if (rc == NGX_OK) {
        ngx_memzero(&b->d, sizeof(ngx_llmops_detached_t));

        b->d.target = b->index->target;
        ngx_str_set(&b->d.path, "/v1/embeddings");
        b->d.body.data = out.data;
        b->d.body.len = out.len;
        b->d.purpose = "index";
        b->d.max = NGX_LLMOPS_INDEX_ANSWER;
        b->d.timeout = NGX_LLMOPS_INDEX_TIMEOUT;
        b->d.handler = ngx_llmops_index_embed_answer;
        b->d.data = b;
        b->d.background = 1;

        rc = ngx_llmops_detached_start(b->mcf, &b->d);
    }

    ngx_llmops_out_free(&out);

    if (rc == NGX_OK) {
        b->asking = 1;

    } else if (rc == NGX_BUSY && !ngx_exiting) {
        b->busy = 1;
        ngx_add_timer(&b->event, NGX_LLMOPS_INDEX_AGAIN);

    } else {
        ngx_llmops_index_embed_tell(b, NULL, 0, 0, "no request could be made");
    }
}


/* those that wait longest, as many as fit */

static ngx_int_t
ngx_llmops_index_embed_body(ngx_llmops_index_batcher_t *b,
    ngx_llmops_out_t *out)
{
    ngx_str_t                 *model = &b->index->target->model;
    ngx_uint_t                 i, n, alone;
    ngx_queue_t               *q;
    ngx_llmops_index_embed_t  *e;

    ngx_llmops_out_lit(out, "{\"model\":");
    ngx_llmops_out_json(out, model->data, model->len);
    ngx_llmops_out_lit(out, ",\"encoding_format\":\"float\",\"input\":[");

    n = 0;
    alone = 0;

    for (q = ngx_queue_head(&b->waiting);
         q != ngx_queue_sentinel(&b->waiting);
         q = ngx_queue_next(q))
    {
        e = ngx_queue_data(q, ngx_llmops_index_embed_t, queue);

        e->asked = (n == 0 || (!alone && !e->alone
                               && n + e->n <= b->index->batch));
        alone |= (e->asked && e->alone);

        for (i = 0; e->asked && i < e->n; i++) {

            if (n++) {
                ngx_llmops_out_lit(out, ",");
            }

            ngx_llmops_out_json(out, e->texts[i].data, e->texts[i].len);
        }
    }

    return ngx_llmops_out_lit(out, "]}");
}


static ngx_uint_t
ngx_llmops_index_embed_count(ngx_llmops_index_batcher_t *b)
{
    ngx_uint_t                 n;
    ngx_queue_t               *q;
    ngx_llmops_index_embed_t  *e;

    n = 0;

    for (q = ngx_queue_head(&b->waiting);
         q != ngx_queue_sentinel(&b->waiting);
         q = ngx_queue_next(q))
    {
        e = ngx_queue_data(q, ngx_llmops_index_embed_t, queue);
        n += e->asked ? e->n : 0;
    }

    return n;
}


static void
ngx_llmops_index_embed_answer(ngx_llmops_detached_t *d)
{
    float                       *vectors;
    uint32_t                     dims;
    ngx_uint_t                   n;
    const char                  *error;
    ngx_llmops_index_batcher_t  *b = d->data;

    b->asking = 0;

    n = ngx_llmops_index_embed_count(b);
    vectors = NULL;
    dims = 0;

    error = ngx_llmops_index_embed_read(d, n, &vectors, &dims);

    if (vectors && b->index->sh) {
        (void) ngx_atomic_fetch_add(&b->index->sh->embedded, n);
    }

    ngx_llmops_index_embed_tell(b, vectors, dims, d->status, error);

    if (vectors) {
        ngx_free(vectors);
    }

    ngx_llmops_index_embed_wake(b);
}


/* {"data": [{"index": 0, "embedding": [...]}, ...]}; what is wrong with it, or
   NULL */

static const char *
ngx_llmops_index_embed_read(ngx_llmops_detached_t *d, ngx_uint_t n,
    float **vectors, uint32_t *dims)
{
    float                   *v, *all;
    int64_t                  k;
    uint32_t                 found;
    uint64_t                 seen;
    ngx_str_t                data, item, value;
    ngx_uint_t               i;
    ngx_llmops_json_iter_t   it;

    if (d->status != NGX_HTTP_OK || d->error != NGX_LLMOPS_ERR_NONE) {
        return "the provider of embeddings answers with an error, or not";
    }

    if (d->truncated || ngx_llmops_json_get(&d->answer, "data", &data) != NGX_OK
        || ngx_llmops_json_array(&it, &data) != NGX_OK)
    {
        return "the provider's answer has no embeddings";
    }

    all = NULL;
    seen = 0;

    for (i = 0; ngx_llmops_json_next(&it, NULL, &item) == NGX_OK; i++) {

        k = i;

        if (ngx_llmops_json_get(&item, "index", &value) == NGX_OK) {
            (void) ngx_llmops_json_count(&value, &k);
        }

        if (k >= (int64_t) n || (seen & ((uint64_t) 1 << k))
            || ngx_llmops_json_get(&item, "embedding", &value) != NGX_OK)
        {
            break;
        }

        seen |= (uint64_t) 1 << k;

        if (all == NULL) {
            all = ngx_llmops_index_embed_room(&value, n, dims);
        }

        if (all == NULL) {
            break;
        }

        v = all + k * *dims;

        if (ngx_llmops_index_embed_floats(&value, v, *dims, &found) != NGX_OK
            || found != *dims)
        {
            break;
        }
    }

    if (i == n) {
        *vectors = all;
        return NULL;
    }

    if (all) {
        ngx_free(all);
    }

    return "the provider's answer has not one embedding for each text";
}


/* for n vectors that are as long as the first one; NULL: it is none, or out of
   memory */

static float *
ngx_llmops_index_embed_room(ngx_str_t *first, ngx_uint_t n, uint32_t *dims)
{
    return ngx_llmops_index_embed_floats(first, NULL, NGX_LLMOPS_VECTORS_DIMS,
                                         dims)
           == NGX_OK ? ngx_calloc(n * *dims * sizeof(float), ngx_cycle->log)
                     : NULL;
}


/* numbers of an array, not all of them zero; v NULL: only how many */

static ngx_int_t
ngx_llmops_index_embed_floats(ngx_str_t *array, float *v, uint32_t max,
    uint32_t *dims)
{
    char                    buf[64];
    float                   x, sum;
    uint32_t                n;
    ngx_int_t               rc;
    ngx_str_t               value;
    ngx_llmops_json_iter_t  it;

    if (ngx_llmops_json_array(&it, array) != NGX_OK) {
        return NGX_DECLINED;
    }

    n = 0;
    sum = 0;

    while ((rc = ngx_llmops_json_next(&it, NULL, &value)) == NGX_OK) {

        if (n == max || value.len >= sizeof(buf)
            || ngx_llmops_json_type(&value) != NGX_LLMOPS_JSON_NUMBER)
        {
            return NGX_DECLINED;
        }

        if (v) {
            ngx_memcpy(buf, value.data, value.len);
            buf[value.len] = '\0';

            x = strtof(buf, NULL);

            if (!isfinite(x)) {
                return NGX_DECLINED;
            }

            v[n] = x;
            sum += x * x;
        }

        n++;
    }

    *dims = n;

    return (rc == NGX_DONE && n && (v == NULL || sum > 0)) ? NGX_OK
                                                           : NGX_DECLINED;
}


/* who was part of the question; a handler may ask again, or end others */

static void
ngx_llmops_index_embed_tell(ngx_llmops_index_batcher_t *b, float *vectors,
    uint32_t dims, ngx_uint_t status, const char *error)
{
    ngx_queue_t               *q, told;
    ngx_llmops_index_embed_t  *e;

    ngx_queue_init(&told);

    for (q = ngx_queue_head(&b->waiting);
         q != ngx_queue_sentinel(&b->waiting);
         /* void */ )
    {
        e = ngx_queue_data(q, ngx_llmops_index_embed_t, queue);
        q = ngx_queue_next(q);

        if (e->asked) {
            ngx_queue_remove(&e->queue);
            ngx_queue_insert_tail(&told, &e->queue);

            b->texts -= e->n;
            e->dims = dims;
            e->status = status;
            e->error = error;
            e->vectors = vectors;

            if (vectors) {
                vectors += e->n * dims;
            }
        }
    }

    while (!ngx_queue_empty(&told)) {
        e = ngx_queue_data(ngx_queue_head(&told), ngx_llmops_index_embed_t,
                           queue);

        ngx_queue_remove(&e->queue);
        e->waiting = 0;
        e->asked = 0;

        e->handler(e);
    }
}
