
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _FAKE_NGINX_H_INCLUDED_
#define _FAKE_NGINX_H_INCLUDED_


#include "unit.h"
#include <ngx_event.h>


/*
 * As much of nginx as an engine needs that has timers and posted events, and
 * no more: time stands still until a test moves it.
 */


#define FAKE_TIMERS  256


volatile ngx_msec_t    ngx_current_msec;
volatile ngx_time_t   *ngx_cached_time;
ngx_rbtree_t           ngx_event_timer_rbtree;
ngx_queue_t            ngx_posted_events;
ngx_queue_t            ngx_posted_next_events;
ngx_uint_t             ngx_exiting;

static ngx_time_t      fake_time;
static ngx_log_t       fake_log;
static ngx_event_t    *fake_timers[FAKE_TIMERS];
static ngx_uint_t      fake_allocations;
static ngx_uint_t      fake_logged;


void
ngx_rbtree_insert(ngx_rbtree_t *tree, ngx_rbtree_node_t *node)
{
    ngx_uint_t  i;

    for (i = 0; fake_timers[i]; i++) {
        assert_true(i + 1 < FAKE_TIMERS);
    }

    fake_timers[i] = ngx_rbtree_data(node, ngx_event_t, timer);
}


void
ngx_rbtree_delete(ngx_rbtree_t *tree, ngx_rbtree_node_t *node)
{
    ngx_uint_t  i;

    for (i = 0; i < FAKE_TIMERS; i++) {

        if (fake_timers[i] == ngx_rbtree_data(node, ngx_event_t, timer)) {
            fake_timers[i] = NULL;
            return;
        }
    }

    fail_msg("a timer is deleted that is not set");
}


void *
ngx_alloc(size_t size, ngx_log_t *log)
{
    fake_allocations++;

    return malloc(size);
}


void *
ngx_calloc(size_t size, ngx_log_t *log)
{
    fake_allocations++;

    return calloc(1, size);
}


void
ngx_log_error_core(ngx_uint_t level, ngx_log_t *log, ngx_err_t err,
    const char *fmt, ...)
{
    if (level <= NGX_LOG_ERR) {
        fake_logged++;
    }
}


static void
fake_nginx_init(void)
{
    ngx_memzero(fake_timers, sizeof(fake_timers));
    ngx_queue_init(&ngx_posted_events);
    ngx_queue_init(&ngx_posted_next_events);

    fake_time.sec = 1764000000;
    fake_time.msec = 123;
    ngx_cached_time = &fake_time;
    ngx_current_msec = 1000000;
    ngx_exiting = 0;
    fake_logged = 0;
    fake_log.log_level = NGX_LOG_INFO;
}


/* runs what is posted, as at the end of a turn; "next" becomes this turn */

static void
fake_nginx_turn(void)
{
    ngx_queue_t  *q;
    ngx_event_t  *ev;

    for ( ;; ) {

        if (ngx_queue_empty(&ngx_posted_events)) {

            if (ngx_queue_empty(&ngx_posted_next_events)) {
                return;
            }

            ngx_queue_add(&ngx_posted_events, &ngx_posted_next_events);
            ngx_queue_init(&ngx_posted_next_events);
        }

        q = ngx_queue_head(&ngx_posted_events);
        ev = ngx_queue_data(q, ngx_event_t, queue);

        ngx_delete_posted_event(ev);
        ev->handler(ev);
    }
}


/* a timer that is due, of those with this data; NULL: none */

static ngx_event_t *
fake_nginx_due(void *data)
{
    ngx_uint_t  i;

    for (i = 0; i < FAKE_TIMERS; i++) {

        if (fake_timers[i]
            && (data == NULL || fake_timers[i]->data == data)
            && (ngx_msec_int_t) (fake_timers[i]->timer.key - ngx_current_msec)
               <= 0)
        {
            return fake_timers[i];
        }
    }

    return NULL;
}


static void
fake_nginx_timers(void *data)
{
    ngx_event_t  *ev;

    while ((ev = fake_nginx_due(data))) {
        ngx_rbtree_delete(&ngx_event_timer_rbtree, &ev->timer);
        ev->timer_set = 0;
        ev->timedout = 1;
        ev->handler(ev);
        fake_nginx_turn();
    }
}


static void
fake_nginx_pass(ngx_msec_t ms)
{
    ngx_current_msec += ms;
    fake_time.msec += ms;
    fake_time.sec += fake_time.msec / 1000;
    fake_time.msec %= 1000;
}


#endif /* _FAKE_NGINX_H_INCLUDED_ */
