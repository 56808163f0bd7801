
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
#define NGX_LLMOPS_SAMPLES_WIPES   64      /* of a turn */
#define NGX_LLMOPS_SAMPLES_PACE    50      /* ms between two that are swept */
#define NGX_LLMOPS_SAMPLES_MAX     (32 * 1024 * 1024)  /* bytes of hits */


static void ngx_llmops_samples_event(ngx_event_t *ev);
static ngx_int_t ngx_llmops_samples_lock(ngx_llmops_samples_task_t *task);
static void ngx_llmops_samples_announce(ngx_llmops_samples_task_t *task);
static void ngx_llmops_samples_unlock(ngx_llmops_samples_task_t *task);
static ngx_int_t ngx_llmops_samples_begin(ngx_llmops_samples_task_t *task);
static ngx_int_t ngx_llmops_samples_skips(ngx_llmops_samples_task_t *task,
    ngx_llmops_segment_t *seg);
static ngx_int_t ngx_llmops_samples_segment(ngx_llmops_samples_task_t *task,
    ngx_llmops_segment_t *seg);
static ngx_int_t ngx_llmops_samples_forward(ngx_llmops_samples_task_t *task,
    ngx_llmops_segment_t *seg, ngx_str_t *bytes);
static ngx_int_t ngx_llmops_samples_backward(ngx_llmops_samples_task_t *task,
    ngx_llmops_segment_t *seg, ngx_str_t *bytes);
static ngx_int_t ngx_llmops_samples_record(ngx_llmops_samples_task_t *task,
    ngx_llmops_segment_t *seg, size_t offset, ngx_llmops_record_t *rec,
    u_char *p, size_t size);
static ngx_int_t ngx_llmops_samples_wipe(ngx_llmops_samples_task_t *task,
    ngx_llmops_segment_t *seg, size_t offset, ngx_llmops_record_t *rec);
static ngx_int_t ngx_llmops_samples_change(ngx_llmops_samples_task_t *task);


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

        rc = ngx_llmops_samples_segment(task, &seg[task->i]);

        if (rc == NGX_ERROR) {
            ngx_llmops_samples_end(task, NGX_ERROR);
            return;
        }

        if (rc == NGX_OK) {
            task->i++;
            task->offset = 0;
            task->living = 0;
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
    gone->at = ngx_llmops_samples_now(task->samples);

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


/* NGX_AGAIN: there is more in it, but enough has been done in this turn */

static ngx_int_t
ngx_llmops_samples_segment(ngx_llmops_samples_task_t *task,
    ngx_llmops_segment_t *seg)
{
    ngx_int_t  rc;
    ngx_str_t  bytes;

    rc = task->samples->engine->load(task->samples, seg, &bytes);

    if (rc != NGX_OK) {
        return rc == NGX_DECLINED ? NGX_OK : NGX_ERROR;
    }

    if (task->what == NGX_LLMOPS_SAMPLES_READ
        || task->what == NGX_LLMOPS_SAMPLES_EDIT)
    {
        rc = ngx_llmops_samples_backward(task, seg, &bytes);

    } else {
        rc = ngx_llmops_samples_forward(task, seg, &bytes);
    }

    ngx_free(bytes.data);

    /* half a record that nobody will complete is no reason to keep a file */

    if (rc == NGX_OK && task->what == NGX_LLMOPS_SAMPLES_SWEEP
        && task->living == 0)
    {
        task->samples->engine->drop(task->samples, seg);
    }

    return rc;
}


static ngx_int_t
ngx_llmops_samples_forward(ngx_llmops_samples_task_t *task,
    ngx_llmops_segment_t *seg, ngx_str_t *bytes)
{
    size_t                size;
    ngx_int_t             rc;
    ngx_uint_t            removed;
    ngx_llmops_record_t   rec;

    rc = NGX_OK;
    removed = task->removed;

    while (rc == NGX_OK && task->offset <= bytes->len
           && ngx_llmops_record_read(bytes->data + task->offset,
                                     bytes->len - task->offset, &rec, &size)
              == NGX_OK)
    {
        if (task->removed - removed == NGX_LLMOPS_SAMPLES_WIPES) {
            return NGX_AGAIN;
        }

        if (!(rec.flags & NGX_LLMOPS_RECORD_GONE)) {
            rc = ngx_llmops_samples_record(task, seg, task->offset, &rec,
                                           bytes->data + task->offset, size);
        }

        task->offset += size;
    }

    return rc;
}


/* the newest one first, as hits are sorted: so that they are put to the end */

static ngx_int_t
ngx_llmops_samples_backward(ngx_llmops_samples_task_t *task,
    ngx_llmops_segment_t *seg, ngx_str_t *bytes)
{
    size_t                offset, size, *starts;
    ngx_int_t             rc;
    ngx_uint_t            n;
    ngx_llmops_record_t   rec;

    starts = ngx_alloc((bytes->len / NGX_LLMOPS_RECORD_HEAD + 1)
                       * sizeof(size_t), ngx_cycle->log);
    if (starts == NULL) {
        return NGX_ERROR;
    }

    for (n = 0, offset = 0;
         ngx_llmops_record_read(bytes->data + offset, bytes->len - offset,
                                &rec, &size)
         == NGX_OK;
         offset += size)
    {
        starts[n++] = offset;
    }

    for (rc = NGX_OK; n && rc == NGX_OK; /* void */) {
        offset = starts[--n];

        (void) ngx_llmops_record_read(bytes->data + offset,
                                      bytes->len - offset, &rec, &size);

        if (!(rec.flags & NGX_LLMOPS_RECORD_GONE)) {
            rc = ngx_llmops_samples_record(task, seg, offset, &rec,
                                           bytes->data + offset, size);
        }
    }

    ngx_free(starts);

    return rc;
}


static ngx_int_t
ngx_llmops_samples_record(ngx_llmops_samples_task_t *task,
    ngx_llmops_segment_t *seg, size_t offset, ngx_llmops_record_t *rec,
    u_char *p, size_t size)
{
    if (task->what == NGX_LLMOPS_SAMPLES_SWEEP) {

        if (rec->expires <= ngx_llmops_samples_now(task->samples)) {
            return ngx_llmops_samples_wipe(task, seg, offset, rec);
        }

        task->living++;
        return NGX_OK;
    }

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
