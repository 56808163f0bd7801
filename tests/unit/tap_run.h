
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _TAP_RUN_H_INCLUDED_
#define _TAP_RUN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_dialect.h"


/* A stream that goes through a dialect's tap, as the gateway sends it on. */

typedef struct {
    const ngx_llmops_dialect_t  *dialect;
    ngx_llmops_op_e              op;
    unsigned                     want_usage;
    ngx_llmops_sse_t             sse;
    ngx_llmops_meter_t           meter;
    ngx_llmops_out_t             out;      /* what the caller gets */
    ngx_llmops_out_t             errors;   /* each with a line end */
} tap_run_t;


static inline void
tap_run_start(tap_run_t *r, const ngx_llmops_dialect_t *d, ngx_llmops_op_e op,
    unsigned want_usage)
{
    memset(r, 0, sizeof(tap_run_t));

    r->dialect = d;
    r->op = op;
    r->want_usage = want_usage;

    ngx_llmops_sse_init(&r->sse, 1 << 20);
    ngx_llmops_out_init(&r->out, 1 << 24);
    ngx_llmops_out_init(&r->errors, 1 << 24);
}


static inline void
tap_run_event(tap_run_t *r, ngx_llmops_sse_event_t *ev)
{
    ngx_llmops_tap_t  tap;

    r->dialect->event(&r->meter, r->op, ev, r->want_usage, &tap);

    if (tap.error.len) {
        ngx_llmops_out_str(&r->errors, &tap.error);
        ngx_llmops_out_lit(&r->errors, "\n");
    }

    switch (tap.action) {

    case NGX_LLMOPS_TAP_DROP:
        return;

    case NGX_LLMOPS_TAP_CUT:
        if (tap.cut_start >= tap.cut_end || tap.cut_end > ev->raw.len) {
            abort();
        }

        ngx_llmops_out_write(&r->out, ev->raw.data, tap.cut_start);
        ngx_llmops_out_write(&r->out, ev->raw.data + tap.cut_end,
                             ev->raw.len - tap.cut_end);
        return;

    default:
        ngx_llmops_out_str(&r->out, &ev->raw);
    }
}


static inline void
tap_run_feed(tap_run_t *r, const void *p, size_t len)
{
    u_char                  *copy, *pos;
    ngx_llmops_sse_event_t   ev;

    /* on the heap with its exact size, so that ASAN sees what is beyond */

    copy = malloc(len ? len : 1);
    memcpy(copy, p, len);
    pos = copy;

    while (ngx_llmops_sse_next(&r->sse, &pos, copy + len, &ev) == NGX_OK) {
        tap_run_event(r, &ev);
    }

    free(copy);
}


static inline void
tap_run_end(tap_run_t *r)
{
    ngx_llmops_sse_event_t  ev;

    if (ngx_llmops_sse_end(&r->sse, &ev) == NGX_OK) {
        tap_run_event(r, &ev);
    }
}


static inline void
tap_run_free(tap_run_t *r)
{
    ngx_llmops_sse_free(&r->sse);
    ngx_llmops_out_free(&r->out);
    ngx_llmops_out_free(&r->errors);
}


#endif /* _TAP_RUN_H_INCLUDED_ */
