
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_state.h"

#if (NGX_THREADS)
#include <ngx_thread_pool.h>
#endif


/*
 * llm_state in the life of nginx's processes.  The master reads the directory
 * when the zone is new, so that a file that is damaged is an error of the
 * start, or of "nginx -t", and no worker serves before keys are known.  A
 * worker queues changes of documents and writes all that have come in a turn
 * of the event loop with one fsync(), in a thread of nginx's default pool; in
 * line where nginx has no threads.  One worker at a time also saves what has
 * been used, every five seconds; the last one to end saves it once more.
 *
 * At run time nothing that goes wrong here stops a request: memory is what
 * counts, the log says once a minute what cannot be written, and a change of a
 * document that cannot be made durable is refused.
 */


#define NGX_LLMOPS_STATE_BATCH     64      /* changes in one write */
#define NGX_LLMOPS_STATE_BYTES     (1024 * 1024)
#define NGX_LLMOPS_STATE_QUEUE     1024    /* changes that wait */
#define NGX_LLMOPS_STATE_SAVE      5000    /* ms */
#define NGX_LLMOPS_STATE_QUIET     60      /* s */
#define NGX_LLMOPS_STATE_TRIES     25      /* until another nginx has ended */
#define NGX_LLMOPS_STATE_PAUSE     100     /* ms between them */


/* of a worker: shm->state */

typedef struct {
    ngx_llmops_state_t         st;
    ngx_log_t                 *log;

    ngx_llmops_change_t       *first;      /* that wait */
    ngx_llmops_change_t      **last;
    ngx_uint_t                 waiting;

    ngx_llmops_change_t       *running;    /* belong to the thread, like st, */
    ngx_int_t                  save_rc;    /* while busy */
    unsigned                   busy:1;
    unsigned                   save:1;     /* with what is running */

    time_t                     quiet;      /* until then */
    ngx_event_t                begin;      /* posted: at the end of this turn
                                              of the event loop */

#if (NGX_THREADS)
    ngx_thread_pool_t         *pool;
    ngx_thread_task_t          task;
#endif
} ngx_llmops_keeper_t;


static void ngx_llmops_state_say(ngx_llmops_state_t *st, ngx_log_t *log,
    ngx_uint_t level, const char *then);
static ngx_int_t ngx_llmops_state_wait(ngx_llmops_state_t *st,
    ngx_cycle_t *cycle);
static ngx_int_t ngx_llmops_state_read(ngx_llmops_state_t *st, ngx_log_t *log);
static ngx_int_t ngx_llmops_state_queue(ngx_llmops_keeper_t *keeper,
    ngx_llmops_docop_t *op, ngx_uint_t removing);
static void ngx_llmops_state_collect(ngx_llmops_keeper_t *keeper);
static ngx_uint_t ngx_llmops_state_twice(ngx_llmops_change_t *list,
    ngx_llmops_change_t *change);
static void ngx_llmops_state_begin(ngx_event_t *ev);
static void ngx_llmops_state_run(ngx_llmops_keeper_t *keeper);
static void ngx_llmops_state_work(ngx_llmops_keeper_t *keeper);
static void ngx_llmops_state_done(ngx_llmops_keeper_t *keeper);
static void ngx_llmops_state_drain(ngx_llmops_keeper_t *keeper);
static void ngx_llmops_state_free(ngx_llmops_change_t *c);
static void ngx_llmops_state_complain(ngx_llmops_keeper_t *keeper,
    const char *then);
#if (NGX_THREADS)
static void ngx_llmops_state_thread(void *data, ngx_log_t *log);
static void ngx_llmops_state_event(ngx_event_t *ev);
#endif


static void
ngx_llmops_state_say(ngx_llmops_state_t *st, ngx_log_t *log, ngx_uint_t level,
    const char *then)
{
    if (st->err) {
        ngx_log_error(level, log, st->err, "llm_state: %s \"%s\" failed%s",
                      st->what, st->path, then);

    } else if (st->at >= 0) {
        ngx_log_error(level, log, 0, "llm_state: \"%s\" at byte %O: %s%s",
                      st->path, st->at, st->what, then);

    } else {
        ngx_log_error(level, log, 0, "llm_state: \"%s\": %s%s",
                      st->path, st->what, then);
    }
}


ngx_int_t
ngx_llmops_state_load(ngx_llmops_store_t *store, ngx_uint_t fresh)
{
    ngx_int_t            rc;
    ngx_uid_t            user;
    ngx_log_t           *log = store->zone->shm.log;
    ngx_core_conf_t     *ccf;
    ngx_llmops_shm_t     shm;
    ngx_llmops_state_t   st;

    ngx_memzero(&shm, sizeof(ngx_llmops_shm_t));

    if (ngx_llmops_shm_attach(&shm, store->zone) != NGX_OK) {
        return NGX_ERROR;
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(store->cycle->conf_ctx,
                                           ngx_core_module);
    user = (geteuid() == 0) ? ccf->user : (ngx_uid_t) NGX_CONF_UNSET_UINT;

    rc = ngx_llmops_state_init(&st, &shm, &store->state);

    if (rc == NGX_OK) {
        rc = ngx_llmops_state_check(&st, user);
    }

    if (rc == NGX_OK && !ngx_test_config) {
        rc = ngx_llmops_state_wait(&st, store->cycle);
    }

    if (rc == NGX_OK && fresh) {
        rc = ngx_llmops_state_read(&st, log);
    }

    if (rc != NGX_OK) {
        ngx_llmops_state_say(&st, log, NGX_LOG_EMERG, "");
    }

    ngx_llmops_state_close(&st);

    return (rc == NGX_OK) ? NGX_OK : NGX_ERROR;
}


/*
 * Processes that were killed have their files open until the last of their
 * threads has gone, which may be later than the one who restarts nginx sees.
 * So it is tried for a while, like bind() in ngx_open_listening_sockets().
 */

static ngx_int_t
ngx_llmops_state_wait(ngx_llmops_state_t *st, ngx_cycle_t *cycle)
{
    ngx_int_t   rc;
    ngx_pid_t   pid, parent;
    ngx_uint_t  i;

    pid = ngx_is_init_cycle(cycle->old_cycle) ? 0 : ngx_getpid();
    parent = ngx_inherited ? getppid() : 0;

    for (i = 0; /* void */ ; i++) {
        rc = ngx_llmops_state_alone(st, pid, parent);

        if (rc != NGX_BUSY || i == NGX_LLMOPS_STATE_TRIES) {
            return rc;
        }

        if (i == 0) {
            ngx_llmops_state_say(st, cycle->log, NGX_LOG_NOTICE,
                                 ", trying again");
        }

        ngx_msleep(NGX_LLMOPS_STATE_PAUSE);
    }
}


static ngx_int_t
ngx_llmops_state_read(ngx_llmops_state_t *st, ngx_log_t *log)
{
    ngx_uint_t  kind;

    for (kind = 0; kind < NGX_LLMOPS_DOCS_MAX; kind++) {

        if (ngx_llmops_journal_load(st, kind, 0) != NGX_OK) {
            return NGX_ERROR;
        }

        if (st->torn[kind]) {
            ngx_log_error(NGX_LOG_WARN, log, 0,
                          "llm_state: \"%V/%s\" ends in %O bytes of an "
                          "interrupted write, they are passed over",
                          &st->dir, ngx_llmops_journal_names[kind],
                          st->torn[kind]);
        }
    }

    if (ngx_llmops_usage_load(st) != NGX_OK) {
        return NGX_ERROR;
    }

    st->shm->root->state_id = ngx_llmops_state_id(st);

    return NGX_OK;
}


/* what cannot be claimed is said, and is no reason to serve nobody */

ngx_int_t
ngx_llmops_state_start(ngx_llmops_store_t *store, ngx_cycle_t *cycle)
{
    ngx_int_t             rc;
    ngx_pid_t             master;
    ngx_llmops_shm_t     *shm = store->shm;
    ngx_llmops_keeper_t  *keeper;
#if (NGX_THREADS)
    ngx_str_t             name = ngx_string("default");
#endif

    keeper = ngx_pcalloc(cycle->pool, sizeof(ngx_llmops_keeper_t));
    if (keeper == NULL) {
        return NGX_ERROR;
    }

    keeper->log = cycle->log;
    keeper->last = &keeper->first;

    keeper->begin.handler = ngx_llmops_state_begin;
    keeper->begin.data = keeper;
    keeper->begin.log = cycle->log;

    rc = ngx_llmops_state_init(&keeper->st, shm, &store->state);

    keeper->st.scratch = ngx_palloc(cycle->pool,
                                    NGX_LLMOPS_DOC_ID + NGX_LLMOPS_DOC_LARGE);
    if (keeper->st.scratch == NULL) {
        return NGX_ERROR;
    }

#if (NGX_THREADS)
    keeper->pool = ngx_thread_pool_get(cycle, &name);

    keeper->task.ctx = keeper;
    keeper->task.handler = ngx_llmops_state_thread;
    keeper->task.event.handler = ngx_llmops_state_event;
    keeper->task.event.data = keeper;
    keeper->task.event.log = cycle->log;
#endif

    master = (ngx_process == NGX_PROCESS_SINGLE) ? ngx_pid : ngx_parent;

    if (rc == NGX_OK) {
        rc = ngx_llmops_state_lock(&keeper->st, 1);
    }

    if (rc == NGX_OK) {
        rc = ngx_llmops_state_claim(&keeper->st, master);
        ngx_llmops_state_unlock(&keeper->st);
    }

    if (rc != NGX_OK) {
        ngx_llmops_state_complain(keeper, ", nothing is kept there");
    }

    shm->state = keeper;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_state_change(ngx_llmops_store_t *store, ngx_llmops_docop_t *op,
    ngx_uint_t removing)
{
    ngx_llmops_shm_t     *shm = store->shm;
    ngx_llmops_keeper_t  *keeper = shm->state;

    if (keeper->waiting >= NGX_LLMOPS_STATE_QUEUE) {
        op->rc = NGX_ERROR;
        return NGX_OK;
    }

    if (ngx_llmops_state_queue(keeper, op, removing) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_post_event(&keeper->begin, &ngx_posted_events);

    return NGX_AGAIN;
}


/* a change outlives its operation: a copy of all that it needs */

static ngx_int_t
ngx_llmops_state_queue(ngx_llmops_keeper_t *keeper, ngx_llmops_docop_t *op,
    ngx_uint_t removing)
{
    u_char               *p;
    size_t                len;
    ngx_llmops_change_t  *c;

    len = removing ? 0 : op->value.len;

    c = ngx_alloc(sizeof(ngx_llmops_change_t) + op->id.len + len, keeper->log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(c, sizeof(ngx_llmops_change_t));

    p = (u_char *) c + sizeof(ngx_llmops_change_t);

    c->kind = op->docs;
    c->expected = op->expected;
    c->expires = op->expires;
    c->removing = removing;
    c->op = op;

    c->id.data = p;
    c->id.len = op->id.len;
    p = ngx_cpymem(p, op->id.data, op->id.len);

    c->value.data = p;
    c->value.len = len;

    if (len) {
        ngx_memcpy(p, op->value.data, len);
    }

    *keeper->last = c;
    keeper->last = &c->next;
    keeper->waiting++;

    op->engine = c;

    return NGX_OK;
}


void
ngx_llmops_state_tick(ngx_llmops_store_t *store)
{
    int64_t               now, after;
    ngx_llmops_shm_t     *shm = store->shm;
    ngx_llmops_root_t    *root = shm->root;
    ngx_llmops_keeper_t  *keeper = shm->state;

    /* the first worker, and another one if that one does not do it */

    after = NGX_LLMOPS_STATE_SAVE;

    if (ngx_worker || ngx_exiting) {
        after *= 2;
    }

    if (root->changes == root->saved || keeper->busy) {
        return;
    }

    ngx_llmops_shm_lock(shm);

    now = ngx_llmops_shm_now(shm);

    if (now - root->saved_at >= after) {
        root->saved_at = now;
        keeper->save = 1;
    }

    ngx_llmops_shm_unlock(shm);

    if (keeper->save) {
        ngx_llmops_state_run(keeper);
    }
}


/* what waits is done together, with the exception of a document's second
   change, which depends on how the first one goes */

static void
ngx_llmops_state_collect(ngx_llmops_keeper_t *keeper)
{
    size_t                 bytes;
    ngx_uint_t             n;
    ngx_llmops_change_t   *c, **last;

    bytes = 0;
    last = &keeper->running;

    for (n = 0; n < NGX_LLMOPS_STATE_BATCH; n++) {
        c = keeper->first;

        if (c == NULL
            || bytes > NGX_LLMOPS_STATE_BYTES
            || ngx_llmops_state_twice(keeper->running, c))
        {
            break;
        }

        keeper->first = c->next;
        keeper->waiting--;
        c->next = NULL;

        *last = c;
        last = &c->next;
        bytes += c->value.len;
    }

    if (keeper->first == NULL) {
        keeper->last = &keeper->first;
    }
}


static ngx_uint_t
ngx_llmops_state_twice(ngx_llmops_change_t *list, ngx_llmops_change_t *change)
{
    for ( /* void */ ; list; list = list->next) {

        if (list->kind == change->kind
            && list->id.len == change->id.len
            && ngx_llmops_shm_same(list->id.data, &change->id))
        {
            return 1;
        }
    }

    return 0;
}


static void
ngx_llmops_state_begin(ngx_event_t *ev)
{
    ngx_llmops_state_run(ev->data);
}


static void
ngx_llmops_state_run(ngx_llmops_keeper_t *keeper)
{
    if (keeper->busy) {
        return;
    }

    ngx_llmops_state_collect(keeper);

    if (keeper->running == NULL && !keeper->save) {
        return;
    }

    keeper->busy = 1;

#if (NGX_THREADS)

    if (keeper->pool
        && ngx_thread_task_post(keeper->pool, &keeper->task) == NGX_OK)
    {
        return;
    }

#endif

    ngx_llmops_state_work(keeper);
    ngx_llmops_state_done(keeper);
}


/* in a thread: touches what is running and st, and nothing else of keeper */

static void
ngx_llmops_state_work(ngx_llmops_keeper_t *keeper)
{
    ngx_llmops_state_t  *st = &keeper->st;

    if (keeper->running) {
        ngx_llmops_journal_write(st, keeper->running);
    }

    if (!keeper->save) {
        return;
    }

    keeper->save_rc = ngx_llmops_state_lock(st, 0);

    if (keeper->save_rc == NGX_OK) {
        keeper->save_rc = ngx_llmops_usage_save(st);
        ngx_llmops_state_unlock(st);
    }
}


#if (NGX_THREADS)

static void
ngx_llmops_state_thread(void *data, ngx_log_t *log)
{
    ngx_llmops_state_work(data);
}


static void
ngx_llmops_state_event(ngx_event_t *ev)
{
    ngx_llmops_state_done(ev->data);
}

#endif


/* each handler may ask for the next change, so that they are called when
   nothing is busy any more */

static void
ngx_llmops_state_done(ngx_llmops_keeper_t *keeper)
{
    ngx_llmops_docop_t   *op;
    ngx_llmops_change_t  *c, *next;

    c = keeper->running;

    keeper->busy = 0;
    keeper->running = NULL;

    if (keeper->save && keeper->save_rc != NGX_OK) {
        ngx_llmops_state_complain(keeper, ", what has been used is not saved "
                                  "for now");
    }

    keeper->save = 0;

    for ( /* void */ ; c; c = next) {
        next = c->next;
        op = c->op;

        if (c->rc == NGX_ERROR) {
            ngx_llmops_state_complain(keeper, ", a change is refused");
        }

        if (op) {
            op->engine = NULL;
            op->rc = c->rc;
            op->doc.id = op->id;
            op->doc.value = op->value;
            op->doc.revision = c->revision;
        }

        ngx_free(c);

        if (op) {
            op->handler(op);
        }
    }

    ngx_llmops_state_run(keeper);
}


static void
ngx_llmops_state_complain(ngx_llmops_keeper_t *keeper, const char *then)
{
    if (ngx_time() < keeper->quiet) {
        return;
    }

    keeper->quiet = ngx_time() + NGX_LLMOPS_STATE_QUIET;

    ngx_llmops_state_say(&keeper->st, keeper->log, NGX_LOG_ERR, then);
}


void
ngx_llmops_state_forget(ngx_llmops_docop_t *op)
{
    ngx_llmops_change_t  *c = op->engine;

    if (c) {
        c->op = NULL;
        op->engine = NULL;
    }
}


/*
 * The thread pools have ended, and with them what was running.  What waits was
 * asked for by connections that are gone.  What the store's owner has to say
 * yet, if this is the last process, is written in line: at most QUEUE changes,
 * with one fsync() for each BATCH of them.
 */

void
ngx_llmops_state_stop(ngx_llmops_store_t *store, ngx_cycle_t *cycle,
    ngx_uint_t last)
{
    ngx_llmops_shm_t     *shm = store->shm;
    ngx_llmops_keeper_t  *keeper = shm->state;

    if (keeper == NULL) {
        return;
    }

    ngx_llmops_state_free(keeper->first);

    keeper->first = NULL;
    keeper->last = &keeper->first;
    keeper->waiting = 0;
    keeper->save = 0;

    if (last && store->last) {
        store->last(store->last_data);
        ngx_llmops_state_drain(keeper);
    }

    if (keeper->begin.posted) {
        ngx_delete_posted_event(&keeper->begin);
    }

    if (shm->root->changes != shm->root->saved) {
        keeper->running = NULL;
        keeper->save = 1;
        ngx_llmops_state_work(keeper);

        if (keeper->save_rc != NGX_OK) {
            ngx_llmops_state_complain(keeper, ", what has been used is not "
                                      "saved");
        }
    }

    ngx_llmops_state_close(&keeper->st);

    shm->state = NULL;
}


static void
ngx_llmops_state_drain(ngx_llmops_keeper_t *keeper)
{
    ngx_uint_t            failed;
    ngx_llmops_change_t  *c;

    failed = 0;

    while (keeper->first && !failed) {

        keeper->running = NULL;

        ngx_llmops_state_collect(keeper);
        ngx_llmops_state_work(keeper);

        for (c = keeper->running; c; c = c->next) {
            failed |= (c->rc == NGX_ERROR);
        }

        ngx_llmops_state_free(keeper->running);
    }

    keeper->running = NULL;

    ngx_llmops_state_free(keeper->first);

    if (failed) {
        ngx_llmops_state_complain(keeper, ", the last changes are lost");
    }
}


static void
ngx_llmops_state_free(ngx_llmops_change_t *c)
{
    ngx_llmops_change_t  *next;

    for ( /* void */ ; c; c = next) {
        next = c->next;
        ngx_free(c);
    }
}
