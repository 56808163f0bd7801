
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_work.h"

#include <sys/eventfd.h>
#include <ngx_channel.h>


/*
 * How a worker that has written wakes those that wait for it.
 *
 * Considered: nginx's channels (their handler is the core's, which knows five
 * commands and no other, and a worker has those of later ones only by luck of
 * timing); sockets with names (a file or an abstract name per worker, and
 * anybody on the machine may write to it); looking again by a timer (a delay
 * for each token, or a hot loop).  Taken: one eventfd for each slot of a
 * worker.  The master makes them before it forks, keeps them through all
 * reloads, and never reads them; so every worker, of whatever configuration,
 * can ring every other one.  A ring is a write() of eight bytes that never
 * waits; rings add up until the worker reads them, so that a flood of tokens
 * costs one wake-up.
 *
 * Whoever is about to wait says so under the same lock under which it has seen
 * that there is nothing new, and a writer rings only those who have: nobody is
 * missed, and who is behind is not rung at all.  A worker that waits for
 * itself is told by a posted event.
 *
 * A ring may still be lost: a slot beyond those that this worker has inherited
 * (there were fewer when it was forked).  The tick, once a second, goes through
 * all that wait, as it does to find flights whose worker has died.
 */


static void ngx_llmops_wake_handler(ngx_event_t *ev);
static void ngx_llmops_wake_posted(ngx_event_t *ev);


static int          ngx_llmops_wake_fds[NGX_LLMOPS_CACHE_SLOTS];
static ngx_uint_t   ngx_llmops_wake_n;
static ngx_event_t  ngx_llmops_wake_event;
static void       (*ngx_llmops_wake_call)(void);


ngx_int_t
ngx_llmops_wake_open(ngx_uint_t n, ngx_log_t *log)
{
    int  fd;

    n = ngx_min(n, NGX_LLMOPS_CACHE_SLOTS);

    while (ngx_llmops_wake_n < n) {
        fd = eventfd(0, EFD_NONBLOCK|EFD_CLOEXEC);

        if (fd == -1) {
            ngx_log_error(NGX_LOG_EMERG, log, ngx_errno, "eventfd() failed");
            return NGX_ERROR;
        }

        ngx_llmops_wake_fds[ngx_llmops_wake_n++] = fd;
    }

    return NGX_OK;
}


ngx_int_t
ngx_llmops_wake_listen(ngx_cycle_t *cycle, ngx_int_t slot,
    void (*woken)(void))
{
    ngx_llmops_wake_call = woken;

    ngx_memzero(&ngx_llmops_wake_event, sizeof(ngx_event_t));
    ngx_llmops_wake_event.handler = ngx_llmops_wake_posted;
    ngx_llmops_wake_event.log = cycle->log;
    ngx_llmops_wake_event.data = &ngx_llmops_wake_event;

    if (slot == -1 || (ngx_uint_t) slot >= ngx_llmops_wake_n) {
        return NGX_OK;
    }

    return ngx_add_channel_event(cycle, ngx_llmops_wake_fds[slot],
                                 NGX_READ_EVENT, ngx_llmops_wake_handler);
}


static void
ngx_llmops_wake_handler(ngx_event_t *ev)
{
    ssize_t            n;
    uint64_t           rings;
    ngx_connection_t  *c;

    c = ev->data;

    do {
        n = read(c->fd, &rings, sizeof(rings));
    } while (n == -1 && ngx_errno == NGX_EINTR);

    if (n == -1 && ngx_errno != NGX_EAGAIN) {
        ngx_log_error(NGX_LOG_ALERT, ev->log, ngx_errno,
                      "read() from an eventfd failed");
    }

    ngx_llmops_wake_call();
}


static void
ngx_llmops_wake_posted(ngx_event_t *ev)
{
    ngx_llmops_wake_call();
}


void
ngx_llmops_wake_ring(ngx_int_t own, uint64_t *mask)
{
    ngx_int_t  i;
    uint64_t   one;

    one = 1;

    for (i = 0; i < NGX_LLMOPS_CACHE_SLOTS; i++) {

        if ((mask[i / 64] >> i % 64 & 1) == 0) {
            continue;
        }

        if (i == own) {
            ngx_post_event(&ngx_llmops_wake_event, &ngx_posted_events);
            continue;
        }

        if ((ngx_uint_t) i < ngx_llmops_wake_n) {

            /* EAGAIN: it has 2^64 of them to read already */

            (void) ! write(ngx_llmops_wake_fds[i], &one, sizeof(one));
        }
    }
}
