
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_jwt_set.h"


/*
 * Key sets that change.  Each worker has its own, parsed, in its own memory,
 * and asks for itself: so no worker waits for another, none can hand on half a
 * set, and the death of one matters to nobody.  What that would cost an
 * identity provider is saved by the text in shared memory: whose turn it is to
 * ask looks there first, and takes what another has fetched meanwhile; the
 * times at which they ask are spread.
 *
 * The set that there is stays until there is a better one: an address that is
 * down, an empty list, or a page of HTML with status 200 change nothing but
 * the log.
 *
 * A token whose key is not in the set may be the first of a new key.  Then the
 * request waits for a fetch that began after it had come, so that no good
 * token is refused while keys change.  Such fetches begin 10 seconds apart at
 * the least, which is as much as strangers with invented tokens can make us
 * ask; they also make the wait up to so long, and at most so many wait, for so
 * long at the most.  While the address is down nobody waits: 503 at once.
 */


#define NGX_LLMOPS_JWT_APART    10000      /* ms between fetches for tokens */
#define NGX_LLMOPS_JWT_TIMEOUT  5000       /* ms of a fetch */
#define NGX_LLMOPS_JWT_WAITING  512        /* requests of a worker */
#define NGX_LLMOPS_JWT_BACKOFF  1000       /* ms after a failure, doubled */
#define NGX_LLMOPS_JWT_DOUBLED  6


static void ngx_llmops_jwt_timer(ngx_event_t *ev);
static ngx_int_t ngx_llmops_jwt_fetch(ngx_llmops_jwt_t *jwt);
static void ngx_llmops_jwt_fetched(ngx_llmops_fetch_t *fetch);
static const char *ngx_llmops_jwt_answer(ngx_llmops_jwt_t *jwt,
    ngx_llmops_fetch_t *fetch);
static void ngx_llmops_jwt_failed(ngx_llmops_jwt_t *jwt, const char *problem);
static void ngx_llmops_jwt_serve(ngx_llmops_jwt_t *jwt);
static void ngx_llmops_jwt_again(ngx_llmops_jwt_t *jwt, ngx_msec_t ms);
static ngx_msec_t ngx_llmops_jwt_spread(ngx_msec_t ms);


void
ngx_llmops_jwt_start(ngx_cycle_t *cycle, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_jwt_t *jwt)
{
    if (jwt->secret.value.len) {
        ngx_llmops_secret_start(&jwt->secret);
        return;
    }

    jwt->timer.handler = ngx_llmops_jwt_timer;
    jwt->timer.data = jwt;
    jwt->timer.log = cycle->log;
    jwt->timer.cancelable = 1;

    if (jwt->file.len) {
        ngx_add_timer(&jwt->timer, jwt->refresh);
        return;
    }

    if (mcf->zone) {
        jwt->sh = ngx_llmops_zone_node(mcf->zone, NGX_LLMOPS_NODE_KEYSET,
                                       &jwt->source,
                                       sizeof(ngx_llmops_jwt_sh_t));
    }

    (void) ngx_llmops_jwt_adopt(jwt);

    /* connections cannot be made before the event loop runs */

    ngx_add_timer(&jwt->timer, 0);
}


void
ngx_llmops_jwt_stop(ngx_llmops_jwt_t *jwt)
{
    if (jwt->timer.timer_set) {
        ngx_del_timer(&jwt->timer);
    }

    if (jwt->fetch) {
        ngx_llmops_fetch_cancel(jwt->fetch);
        jwt->fetch = NULL;
    }
}


static void
ngx_llmops_jwt_timer(ngx_event_t *ev)
{
    int64_t            age;
    ngx_llmops_jwt_t  *jwt = ev->data;

    /* a worker that exits still has to do with those who wait */

    if ((ngx_exiting || ngx_terminate) && ngx_queue_empty(&jwt->waiting)) {
        return;
    }

    if (jwt->file.len) {
        ngx_llmops_jwt_look(jwt, ev->log);
        ngx_llmops_jwt_again(jwt, jwt->refresh);
        return;
    }

    if (jwt->fetch) {
        return;                                /* it sets the timer */
    }

    if (ngx_queue_empty(&jwt->waiting)) {

        (void) ngx_llmops_jwt_adopt(jwt);

        age = ngx_llmops_now() - jwt->fetched;

        if (jwt->set && age >= 0 && age < (int64_t) jwt->refresh * 9 / 10) {
            ngx_llmops_jwt_again(jwt, jwt->refresh - (ngx_msec_t) age);
            return;
        }
    }

    if (ngx_llmops_jwt_fetch(jwt) != NGX_OK) {
        ngx_llmops_jwt_failed(jwt, "could not be asked for: out of memory");
        ngx_llmops_jwt_serve(jwt);
    }
}


const char *
ngx_llmops_jwt_install(ngx_llmops_jwt_t *jwt, ngx_str_t *text)
{
    uint32_t            crc;
    const char         *problem;
    ngx_llmops_jwks_t  *set;

    crc = ngx_crc32_long(text->data, text->len);

    if (jwt->set && crc == jwt->crc) {
        return NULL;
    }

    set = ngx_llmops_jwks_read(text, &problem);

    if (set == NULL) {
        return problem;
    }

    ngx_llmops_jwks_free(jwt->set);

    jwt->set = set;
    jwt->crc = crc;
    jwt->revision++;

    return NULL;
}


/* -- addresses ------------------------------------------------------------- */

static ngx_int_t
ngx_llmops_jwt_fetch(ngx_llmops_jwt_t *jwt)
{
    ngx_str_t  none;

    ngx_str_null(&none);

    jwt->turn++;
    jwt->asked = ngx_current_msec;

    jwt->fetch = ngx_llmops_fetch(&jwt->url, jwt->resolver, &none, &none,
                                  NGX_LLMOPS_JWT_SET, NGX_LLMOPS_JWT_TIMEOUT,
                                  ngx_llmops_jwt_fetched, jwt);

    if (jwt->fetch == NULL) {
        jwt->ended = jwt->turn;
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_llmops_jwt_fetched(ngx_llmops_fetch_t *fetch)
{
    const char        *problem;
    ngx_llmops_jwt_t  *jwt;

    jwt = ngx_llmops_fetch_data(fetch);
    jwt->fetch = NULL;
    jwt->ended = jwt->turn;

    problem = ngx_llmops_jwt_answer(jwt, fetch);

    if (problem) {
        ngx_llmops_jwt_failed(jwt, problem);

    } else {
        if (jwt->failures) {
            ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                          "the key set of \"llm_jwt %V\" is there again",
                          &jwt->name);
        }

        jwt->failures = 0;
        ngx_llmops_jwt_again(jwt, ngx_llmops_jwt_spread(jwt->refresh));
    }

    ngx_llmops_jwt_serve(jwt);
}


static const char *
ngx_llmops_jwt_answer(ngx_llmops_jwt_t *jwt, ngx_llmops_fetch_t *fetch)
{
    ngx_uint_t   status;
    const char  *problem;

    status = ngx_llmops_fetch_status(fetch);

    if (status == 0) {
        return ngx_llmops_fetch_error(fetch);
    }

    if (status != 200) {
        return "was not answered with status 200";
    }

    problem = ngx_llmops_jwt_install(jwt, ngx_llmops_fetch_body(fetch));

    if (problem == NULL) {
        jwt->fetched = ngx_llmops_now();
        ngx_llmops_jwt_share(jwt, ngx_llmops_fetch_body(fetch));
    }

    return problem;
}


static void
ngx_llmops_jwt_failed(ngx_llmops_jwt_t *jwt, const char *problem)
{
    ngx_msec_t  ms;

    if (jwt->failures++ == 0) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "the key set \"%V\" of \"llm_jwt %V\": %s%s",
                      &jwt->url.url, &jwt->name, problem,
                      jwt->set ? ", the one fetched before stays in use" : "");
    }

    ms = NGX_LLMOPS_JWT_BACKOFF
         << ngx_min(jwt->failures - 1, NGX_LLMOPS_JWT_DOUBLED);

    ngx_llmops_jwt_again(jwt, ngx_llmops_jwt_spread(ngx_min(ms,
                                                            jwt->refresh)));
}


/* -- those who wait -------------------------------------------------------- */

ngx_int_t
ngx_llmops_jwt_wait(ngx_llmops_jwt_t *jwt, ngx_llmops_auth_t *a)
{
    uint64_t    revision;
    ngx_msec_t  passed;

    if (jwt->file.len) {
        revision = jwt->revision;

        ngx_llmops_jwt_look(jwt, ngx_cycle->log);

        return (revision != jwt->revision) ? NGX_OK : NGX_DECLINED;
    }

    if (ngx_llmops_jwt_adopt(jwt) == NGX_OK) {
        return NGX_OK;
    }

    passed = jwt->turn ? ngx_current_msec - jwt->asked : NGX_LLMOPS_JWT_APART;

    if (jwt->nwaiting == NGX_LLMOPS_JWT_WAITING
        || (jwt->failures && jwt->fetch == NULL
            && passed < NGX_LLMOPS_JWT_APART))
    {
        return NGX_BUSY;
    }

    /* one that is under way may have been answered before the key was new,
       unless there is nothing at all yet */

    a->turn = (jwt->fetch && jwt->set == NULL) ? jwt->turn : jwt->turn + 1;

    if (jwt->fetch == NULL) {

        if (passed < NGX_LLMOPS_JWT_APART) {
            ngx_llmops_jwt_again(jwt, NGX_LLMOPS_JWT_APART - passed);

        } else if (ngx_llmops_jwt_fetch(jwt) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    a->jwt = jwt;
    a->waiting = 1;

    ngx_queue_insert_tail(&jwt->waiting, &a->queue);
    jwt->nwaiting++;

    return NGX_AGAIN;
}


void
ngx_llmops_jwt_leave(ngx_llmops_auth_t *a)
{
    ngx_queue_remove(&a->queue);

    a->waiting = 0;
    a->jwt->nwaiting--;
}


/* lets all who wait go on, but not those who come meanwhile */

static void
ngx_llmops_jwt_serve(ngx_llmops_jwt_t *jwt)
{
    ngx_queue_t         queue;
    ngx_llmops_auth_t  *a;

    if (ngx_queue_empty(&jwt->waiting)) {
        return;
    }

    ngx_queue_init(&queue);
    ngx_queue_add(&queue, &jwt->waiting);
    ngx_queue_init(&jwt->waiting);

    while (!ngx_queue_empty(&queue)) {

        a = ngx_queue_data(ngx_queue_head(&queue), ngx_llmops_auth_t, queue);

        ngx_llmops_jwt_leave(a);
        ngx_llmops_auth_resume(a);
    }
}


/* -- time ------------------------------------------------------------------ */

/* no later than in ms */

static void
ngx_llmops_jwt_again(ngx_llmops_jwt_t *jwt, ngx_msec_t ms)
{
    if (jwt->timer.timer_set
        && (ngx_msec_int_t) (jwt->timer.timer.key - ngx_current_msec)
           <= (ngx_msec_int_t) ms)
    {
        return;
    }

    ngx_add_timer(&jwt->timer, ms);
}


/* up to a tenth less, so that workers do not ask all at once */

static ngx_msec_t
ngx_llmops_jwt_spread(ngx_msec_t ms)
{
    return ms - ngx_random() % (ms / 10 + 1);
}
