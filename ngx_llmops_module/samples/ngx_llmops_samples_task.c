
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_samples_own.h"


/*
 * Going through all records of this machine: a segment in each turn of the
 * event loop, so that others wait for no longer than it takes to read one and
 * to go from head to head.
 *
 * What is read while others write may be missed or seen twice, as ids tell;
 * what changes records is alone: the worker that does so has its number in a
 * word of shared memory, which another may take from it when it is dead.  The
 * sweeper needs no such thing, since what has expired nobody wants any more: it
 * goes slowly, all the time.
 *
 * A record that is not as it was written ends nothing: its length says where
 * the next one is.  One whose length leads beyond the end is the end.
 */


#define NGX_LLMOPS_SAMPLES_WAIT    10000   /* ms for the lock */
#define NGX_LLMOPS_SAMPLES_RETRY   10      /* ms between two looks at it */
#define NGX_LLMOPS_SAMPLES_PACE    50      /* ms between two that are swept */
#define NGX_LLMOPS_SAMPLES_MAX     (32 * 1024 * 1024)  /* bytes of hits */
#define NGX_LLMOPS_SAMPLES_OPEN    (1024 * 1024)   /* of a turn */


static void ngx_llmops_samples_event(ngx_event_t *ev);
static ngx_int_t ngx_llmops_samples_lock(ngx_llmops_samples_task_t *task);
static void ngx_llmops_samples_announce(ngx_llmops_samples_task_t *task);
static void ngx_llmops_samples_unlock(ngx_llmops_samples_task_t *task);
static ngx_int_t ngx_llmops_samples_begin(ngx_llmops_samples_task_t *task);
static ngx_int_t ngx_llmops_samples_skips(ngx_llmops_samples_task_t *task,
    ngx_llmops_segment_t *seg);
static ngx_int_t ngx_llmops_samples_segment(ngx_llmops_samples_task_t *task,
    ngx_llmops_segment_t *seg);
static ngx_int_t ngx_llmops_samples_record(ngx_llmops_samples_task_t *task,
    ngx_llmops_segment_t *seg, size_t offset, ngx_llmops_record_t *rec,
    u_char *p, size_t size);
static ngx_int_t ngx_llmops_samples_wipe(ngx_llmops_samples_task_t *task,
    ngx_llmops_segment_t *seg, size_t offset, ngx_llmops_record_t *rec);
static ngx_llmops_samples_hit_t *ngx_llmops_samples_slot(
    ngx_llmops_samples_task_t *task, ngx_llmops_record_t *rec);
static void ngx_llmops_samples_cut(ngx_llmops_samples_task_t *task);
static ngx_int_t ngx_llmops_samples_change(ngx_llmops_samples_task_t *task);
static void ngx_llmops_samples_opening(ngx_event_t *ev);


ngx_llmops_samples_task_t *
ngx_llmops_samples_task(ngx_llmops_samples_t *s, ngx_llmops_samples_do_e what)
{
    ngx_pool_t                 *pool;
    ngx_llmops_samples_task_t  *task;

    pool = ngx_create_pool(4096, ngx_cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    task = ngx_pcalloc(pool, sizeof(ngx_llmops_samples_task_t));

    if (task == NULL
        || ngx_array_init(&task->segments, pool, 64,
                          sizeof(ngx_llmops_segment_t))
           != NGX_OK
        || ngx_array_init(&task->hits, pool, 16,
                          sizeof(ngx_llmops_samples_hit_t))
           != NGX_OK)
    {
        ngx_destroy_pool(pool);
        return NULL;
    }

    task->pool = pool;
    task->samples = s;
    task->what = what;
    task->bytes = NGX_LLMOPS_SAMPLES_MAX;
    task->n = 1;

    task->event.handler = ngx_llmops_samples_event;
    task->event.data = task;
    task->event.log = ngx_cycle->log;
    task->event.cancelable = (what == NGX_LLMOPS_SAMPLES_SWEEP);

    return task;
}


void
ngx_llmops_samples_run(ngx_llmops_samples_task_t *task)
{
    task->started = ngx_current_msec;

    if (task->samples->engine == NULL) {
        ngx_llmops_samples_redis_run(task);
        return;
    }

    ngx_post_event(&task->event, &ngx_posted_next_events);
}


void
ngx_llmops_samples_let(ngx_llmops_samples_task_t *task)
{
    task->done = NULL;
    task->data = NULL;
}


static void
ngx_llmops_samples_event(ngx_event_t *ev)
{
    ngx_int_t                   rc;
    ngx_llmops_segment_t       *seg;
    ngx_llmops_samples_task_t  *task = ev->data;

    ev->timedout = 0;

    if (task->done == NULL && task->what == NGX_LLMOPS_SAMPLES_READ) {
        ngx_llmops_samples_end(task, NGX_ERROR);
        return;
    }

    if (!task->began) {
        rc = ngx_llmops_samples_begin(task);

        if (rc == NGX_AGAIN) {
            ngx_add_timer(ev, NGX_LLMOPS_SAMPLES_RETRY);
            return;
        }

        if (rc != NGX_OK) {
            ngx_llmops_samples_end(task, rc);
            return;
        }
    }

    seg = task->segments.elts;

    if (task->what == NGX_LLMOPS_SAMPLES_READ
        && task->i < task->segments.nelts
        && ngx_llmops_samples_skips(task, &seg[task->i]))
    {
        task->i = task->segments.nelts;      /* the others are older */
    }

    if (task->i < task->segments.nelts) {

        if (ngx_llmops_samples_segment(task, &seg[task->i++]) != NGX_OK) {
            ngx_llmops_samples_end(task, NGX_ERROR);
            return;
        }

        if (task->what == NGX_LLMOPS_SAMPLES_SWEEP) {
            ngx_add_timer(ev, NGX_LLMOPS_SAMPLES_PACE);

        } else {
            ngx_post_event(ev, &ngx_posted_next_events);
        }

        return;
    }

    if (task->what == NGX_LLMOPS_SAMPLES_READ) {
        ngx_llmops_samples_open(task);
        return;
    }

    ngx_llmops_samples_end(task, ngx_llmops_samples_change(task));
}


/* NGX_OK; NGX_AGAIN: somebody else has the lock; NGX_BUSY: for too long */

static ngx_int_t
ngx_llmops_samples_begin(ngx_llmops_samples_task_t *task)
{
    if ((task->what == NGX_LLMOPS_SAMPLES_REMOVE
         || task->what == NGX_LLMOPS_SAMPLES_EDIT)
        && ngx_llmops_samples_lock(task) != NGX_OK)
    {
        return ngx_current_msec - task->started > NGX_LLMOPS_SAMPLES_WAIT
               ? NGX_BUSY : NGX_AGAIN;
    }

    task->began = 1;

    if (task->by_client && task->what == NGX_LLMOPS_SAMPLES_REMOVE) {
        ngx_llmops_samples_announce(task);
    }

    return task->samples->engine->list(task->samples, &task->segments);
}


static ngx_int_t
ngx_llmops_samples_lock(ngx_llmops_samples_task_t *task)
{
    ngx_atomic_uint_t         owner;
    ngx_llmops_samples_sh_t  *sh;

    sh = task->samples->sh;

    if (sh == NULL) {
        return NGX_OK;                       /* the zone is full: there are no
                                                counters either */
    }

    owner = sh->lock;

    if (owner && owner != (ngx_atomic_uint_t) ngx_pid
        && kill((ngx_pid_t) owner, 0) == -1 && ngx_errno == NGX_ESRCH)
    {
        (void) ngx_atomic_cmp_set(&sh->lock, owner, 0);
    }

    if (!ngx_atomic_cmp_set(&sh->lock, 0, ngx_pid)) {
        return NGX_DECLINED;
    }

    task->locked = 1;

    return NGX_OK;
}


/* under the lock; see ngx_llmops_samples_is_gone() */

static void
ngx_llmops_samples_announce(ngx_llmops_samples_task_t *task)
{
    ngx_llmops_samples_sh_t    *sh;
    ngx_llmops_samples_gone_t  *gone;

    sh = task->samples->sh;

    if (sh == NULL) {
        return;
    }

    gone = &sh->gone[sh->ngone % NGX_LLMOPS_SAMPLES_GONE];

    if (sh->ngone >= NGX_LLMOPS_SAMPLES_GONE) {
        sh->floor = ngx_max(sh->floor, (ngx_atomic_uint_t) gone->at);
        ngx_memory_barrier();
    }

    ngx_memcpy(gone->client, task->client_tag, NGX_LLMOPS_RECORD_TAG);
    gone->at = ngx_llmops_samples_now();

    ngx_memory_barrier();

    sh->ngone++;
}


static void
ngx_llmops_samples_unlock(ngx_llmops_samples_task_t *task)
{
    if (task->locked) {
        task->locked = 0;
        (void) ngx_atomic_cmp_set(&task->samples->sh->lock, ngx_pid, 0);
    }
}


/* whether there is nothing in it, nor in those behind it, that is newer than
   what has been found already */

static ngx_int_t
ngx_llmops_samples_skips(ngx_llmops_samples_task_t *task,
    ngx_llmops_segment_t *seg)
{
    ngx_llmops_samples_hit_t  *hit;

    if (task->hits.nelts <= task->n || task->samples->engine
                                       == &ngx_llmops_samples_memory)
    {
        return 0;
    }

    hit = task->hits.elts;

    return seg->changed < hit[task->hits.nelts - 1].rec.created;
}


static ngx_int_t
ngx_llmops_samples_segment(ngx_llmops_samples_task_t *task,
    ngx_llmops_segment_t *seg)
{
    size_t                offset, size;
    int64_t               now;
    ngx_int_t             rc;
    ngx_str_t             bytes;
    ngx_uint_t            living;
    ngx_llmops_record_t   rec;

    now = ngx_llmops_samples_now();

    rc = task->samples->engine->load(task->samples, seg, &bytes);

    if (rc != NGX_OK) {
        return rc == NGX_DECLINED ? NGX_OK : NGX_ERROR;
    }

    living = 0;

    for (offset = 0;
         rc == NGX_OK
         && ngx_llmops_record_read(bytes.data + offset, bytes.len - offset,
                                   &rec, &size)
            == NGX_OK;
         offset += size)
    {
        if (rec.flags & NGX_LLMOPS_RECORD_GONE) {
            continue;
        }

        if (task->what == NGX_LLMOPS_SAMPLES_SWEEP) {
            if (rec.expires <= now) {
                rc = ngx_llmops_samples_wipe(task, seg, offset, &rec);

            } else {
                living++;
            }

            continue;
        }

        rc = ngx_llmops_samples_record(task, seg, offset, &rec,
                                       bytes.data + offset, size);
    }

    ngx_free(bytes.data);

    /* half a record that nobody will complete is no reason to keep a file */

    if (task->what == NGX_LLMOPS_SAMPLES_SWEEP && living == 0
        && rc == NGX_OK)
    {
        task->samples->engine->drop(task->samples, seg);
    }

    return rc;
}


static ngx_int_t
ngx_llmops_samples_record(ngx_llmops_samples_task_t *task,
    ngx_llmops_segment_t *seg, size_t offset, ngx_llmops_record_t *rec,
    u_char *p, size_t size)
{
    if (!ngx_llmops_samples_fits(task, rec)) {
        return NGX_OK;
    }

    if (task->what == NGX_LLMOPS_SAMPLES_REMOVE) {
        return ngx_llmops_samples_wipe(task, seg, offset, rec);
    }

    if (!ngx_llmops_record_sound(p, rec)) {
        return NGX_OK;
    }

    return ngx_llmops_samples_hit(task, rec, p, size, seg, offset);
}


static ngx_int_t
ngx_llmops_samples_wipe(ngx_llmops_samples_task_t *task,
    ngx_llmops_segment_t *seg, size_t offset, ngx_llmops_record_t *rec)
{
    ngx_int_t  rc;

    rc = task->samples->engine->wipe(task->samples, seg, offset, rec);

    if (rc == NGX_OK) {
        task->removed++;
    }

    return rc == NGX_ERROR ? NGX_ERROR : NGX_OK;
}


ngx_uint_t
ngx_llmops_samples_fits(ngx_llmops_samples_task_t *task,
    ngx_llmops_record_t *rec)
{
    ngx_int_t   rc;
    ngx_uint_t  i;

    struct {
        ngx_uint_t                 by;
        ngx_llmops_record_name_t  *name;
        u_char                    *tag;
    } names[] = {
        { task->by_route, &task->route, rec->route },
        { task->by_tenant, &task->tenant, rec->tenant },
        { task->by_client, &task->client, rec->client }
    };

    if ((task->by_id
         && ngx_memcmp(task->id, rec->id, NGX_LLMOPS_RECORD_TAG) != 0)
        || (task->by_request
            && ngx_memcmp(task->request, rec->request, NGX_LLMOPS_RECORD_TAG)
               != 0)
        || (task->by_before
            && ngx_memcmp(rec->id, task->before, NGX_LLMOPS_RECORD_TAG) >= 0)
        || (task->by_pair && !(rec->flags & NGX_LLMOPS_RECORD_PAIR))
        || (task->by_judged && !(rec->flags & NGX_LLMOPS_RECORD_JUDGED)))
    {
        return 0;
    }

    if (task->what != NGX_LLMOPS_SAMPLES_REMOVE
        && rec->expires <= ngx_llmops_samples_now())
    {
        return 0;
    }

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {

        if (!names[i].by) {
            continue;
        }

        rc = ngx_llmops_record_is(names[i].name, rec, names[i].tag);

        if (rc != NGX_OK) {
            task->unreadable += (rc == NGX_ERROR);
            return 0;
        }
    }

    return 1;
}


/* hits are sorted, the newest first; there is one more than is asked for, by
   which one sees that there are more */

ngx_int_t
ngx_llmops_samples_hit(ngx_llmops_samples_task_t *task,
    ngx_llmops_record_t *rec, u_char *p, size_t size,
    ngx_llmops_segment_t *seg, size_t offset)
{
    ngx_llmops_samples_hit_t  *hit;

    hit = ngx_llmops_samples_slot(task, rec);

    if (hit == NULL) {
        return task->failed ? NGX_ERROR : NGX_OK;
    }

    ngx_memzero(hit, sizeof(ngx_llmops_samples_hit_t));

    hit->rec = *rec;
    hit->offset = offset;

    if (seg) {
        hit->segment = *seg;
    }

    hit->bytes.data = ngx_alloc(size, ngx_cycle->log);
    if (hit->bytes.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(hit->bytes.data, p, size);

    hit->bytes.len = size;
    task->held += size;

    ngx_llmops_samples_cut(task);

    return NGX_OK;
}


static void
ngx_llmops_samples_hit_free(ngx_llmops_samples_task_t *task,
    ngx_llmops_samples_hit_t *hit)
{
    if (hit->bytes.data) {
        task->held -= hit->bytes.len;
        ngx_free(hit->bytes.data);
        hit->bytes.data = NULL;
    }
}


/* where it belongs; NULL: nowhere, or out of memory (failed) */

static ngx_llmops_samples_hit_t *
ngx_llmops_samples_slot(ngx_llmops_samples_task_t *task,
    ngx_llmops_record_t *rec)
{
    ngx_int_t                  rc;
    ngx_uint_t                 low, high, i;
    ngx_llmops_samples_hit_t  *hit;

    hit = task->hits.elts;
    low = 0;
    high = task->hits.nelts;

    while (low < high) {
        i = (low + high) / 2;
        rc = ngx_memcmp(rec->id, hit[i].rec.id, NGX_LLMOPS_RECORD_TAG);

        if (rc == 0) {

            /* two editions: the old one is about to be wiped */

            if (rec->edition <= hit[i].rec.edition) {
                return NULL;
            }

            ngx_llmops_samples_hit_free(task, &hit[i]);
            return &hit[i];
        }

        if (rc > 0) {
            high = i;

        } else {
            low = i + 1;
        }
    }

    if (low > task->n) {
        task->more = 1;
        return NULL;
    }

    if (ngx_array_push(&task->hits) == NULL) {
        task->failed = 1;
        return NULL;
    }

    hit = task->hits.elts;

    ngx_memmove(&hit[low + 1], &hit[low],
                (task->hits.nelts - 1 - low)
                * sizeof(ngx_llmops_samples_hit_t));

    return &hit[low];
}


/* the oldest ones, if there are too many */

static void
ngx_llmops_samples_cut(ngx_llmops_samples_task_t *task)
{
    ngx_llmops_samples_hit_t  *hit;

    hit = task->hits.elts;

    while (task->hits.nelts > task->n + 1
           || (task->held > task->bytes && task->hits.nelts > 1))
    {
        task->more = 1;
        task->n = ngx_min(task->n, task->hits.nelts - 1);
        task->hits.nelts--;

        ngx_llmops_samples_hit_free(task, &hit[task->hits.nelts]);
    }
}


/* all has been seen: what is left to do */

static ngx_int_t
ngx_llmops_samples_change(ngx_llmops_samples_task_t *task)
{
    ngx_int_t                  rc;
    ngx_str_t                  record;
    ngx_llmops_out_t           out;
    ngx_llmops_record_t        rec;
    ngx_llmops_samples_hit_t  *hit;

    if (task->what == NGX_LLMOPS_SAMPLES_SWEEP) {
        task->samples->engine->trim(task->samples);
        return NGX_OK;
    }

    if (task->what == NGX_LLMOPS_SAMPLES_REMOVE) {
        return task->removed ? NGX_OK : NGX_DECLINED;
    }

    if (task->hits.nelts == 0) {
        return NGX_DECLINED;
    }

    hit = task->hits.elts;

    ngx_llmops_out_init(&out, 2 * NGX_LLMOPS_RECORD_MAX);

    rc = ngx_llmops_samples_edited(task, hit, &rec, &out);

    if (rc == NGX_OK) {
        record.data = out.data;
        record.len = out.len;

        /* the new one first: a worker that dies leaves two editions */

        rc = task->samples->engine->append(task->samples, &record);

        if (rc == NGX_OK) {
            rc = ngx_llmops_samples_wipe(task, &hit->segment, hit->offset,
                                         &hit->rec);
        }
    }

    ngx_llmops_out_free(&out);

    return rc;
}


/*
 * What was found is decrypted, some of it in each turn: the text takes the
 * place of the record.
 */

void
ngx_llmops_samples_open(ngx_llmops_samples_task_t *task)
{
    task->i = 0;
    task->event.handler = ngx_llmops_samples_opening;

    ngx_llmops_samples_opening(&task->event);
}


static void
ngx_llmops_samples_opening(ngx_event_t *ev)
{
    size_t                      done;
    ngx_int_t                   rc;
    ngx_uint_t                  n;
    ngx_llmops_out_t            text;
    ngx_llmops_samples_hit_t   *hit;
    ngx_llmops_samples_task_t  *task = ev->data;

    if (task->done == NULL) {
        ngx_llmops_samples_end(task, NGX_ERROR);
        return;
    }

    hit = task->hits.elts;
    n = ngx_min(task->hits.nelts, task->n);

    for (done = 0; task->i < n; task->i++) {

        if (done > NGX_LLMOPS_SAMPLES_OPEN) {
            ngx_post_event(ev, &ngx_posted_next_events);
            return;
        }

        ngx_llmops_out_init(&text, NGX_LLMOPS_RECORD_MAX);

        rc = ngx_llmops_record_text(hit[task->i].bytes.data,
                                    &hit[task->i].rec, &task->samples->keys,
                                    &text);

        task->unreadable += (rc != NGX_OK);
        done += hit[task->i].bytes.len + 4096;

        ngx_free(hit[task->i].bytes.data);

        hit[task->i].bytes.data = NULL;
        hit[task->i].bytes.len = 0;

        if (rc != NGX_OK) {
            ngx_llmops_out_free(&text);
            continue;
        }

        hit[task->i].bytes.data = text.data; /* malloc()ed as well */
        hit[task->i].bytes.len = text.len;
    }

    ngx_llmops_samples_end(task, NGX_OK);
}


ngx_int_t
ngx_llmops_samples_edited(ngx_llmops_samples_task_t *task,
    ngx_llmops_samples_hit_t *hit, ngx_llmops_record_t *rec,
    ngx_llmops_out_t *out)
{
    json_t                    *doc;
    ngx_int_t                  rc;
    ngx_str_t                  s;
    ngx_llmops_out_t           text;
    ngx_llmops_record_keys_t  own;

    ngx_llmops_out_init(&text, NGX_LLMOPS_RECORD_MAX);

    rc = ngx_llmops_record_text(hit->bytes.data, &hit->rec,
                                &task->samples->keys, &text);

    if (rc != NGX_OK) {
        task->unreadable += (rc == NGX_DECLINED);
        ngx_llmops_out_free(&text);
        return NGX_ERROR;
    }

    doc = ngx_llmops_tree_parse(text.data, text.len);

    rc = (doc && task->edit) ? task->edit(doc, task->edit_data) : NGX_ERROR;

    ngx_llmops_out_reset(&text);

    if (rc == NGX_OK) {
        ngx_llmops_tree_write(&text, doc);

        *rec = hit->rec;
        rec->edition++;
        rec->flags |= task->judged;

        s.data = text.data;
        s.len = text.len;

        /* under the key that it has: its tags are of that */

        if (text.failed
            || ngx_llmops_record_keys(rec, &task->samples->keys, &own)
               != NGX_OK
            || ngx_llmops_record_write(rec, &own, &s, out) != NGX_OK)
        {
            rc = NGX_ERROR;
        }
    }

    json_decref(doc);
    ngx_llmops_out_free(&text);

    return rc;
}


void
ngx_llmops_samples_end(ngx_llmops_samples_task_t *task, ngx_int_t rc)
{
    ngx_llmops_samples_unlock(task);

    task->rc = rc;

    if (task->hits.nelts > task->n) {
        task->more = 1;
    }

    if (task->done) {
        task->done(task);
    }

    ngx_llmops_samples_task_free(task);
}


void
ngx_llmops_samples_task_free(ngx_llmops_samples_task_t *task)
{
    ngx_uint_t                 i;
    ngx_llmops_samples_hit_t  *hit;

    hit = task->hits.elts;

    for (i = 0; i < task->hits.nelts; i++) {
        ngx_llmops_samples_hit_free(task, &hit[i]);
    }

    ngx_destroy_pool(task->pool);
}
