
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _SSE_RUN_H_INCLUDED_
#define _SSE_RUN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <assert.h>
#include "ngx_llmops_out.h"
#include "ngx_llmops_sse.h"


/*
 * A run of the parser over a stream in pieces.  raw is all the extents one
 * after the other, events are those that have data, written one after the
 * other; and the same from a parser of another make, as plain as can be.
 */


#define SSE_RUN_MAX  (16 * 1024 * 1024)


typedef struct {
    ngx_llmops_sse_t           sse;
    ngx_llmops_out_t           raw;
    ngx_llmops_out_t           events;
    ngx_uint_t                 partial;
} sse_run_t;


static inline void
sse_run_write(ngx_llmops_out_t *out, const u_char *name, size_t name_len,
    const u_char *data, size_t data_len)
{
    assert(ngx_llmops_out_lit(out, "\n{event:") == NGX_OK);
    assert(ngx_llmops_out_json(out, name, name_len) == NGX_OK);
    assert(ngx_llmops_out_json(out, data, data_len) == NGX_OK);
}


static inline void
sse_run_event(sse_run_t *r, ngx_llmops_sse_event_t *ev)
{
    assert(ngx_llmops_out_str(&r->raw, &ev->raw) == NGX_OK);

    if (ev->partial) {
        assert(!ev->has_data && ev->data.len == 0 && ev->name.len == 0);
        r->partial++;
        return;
    }

    assert(ev->raw.len <= r->sse.max);

    if (ev->has_data) {
        sse_run_write(&r->events, ev->name.data, ev->name.len, ev->data.data,
                      ev->data.len);
    }
}


static inline void
sse_run_start(sse_run_t *r, size_t max)
{
    ngx_llmops_sse_init(&r->sse, max);
    ngx_llmops_out_init(&r->raw, SSE_RUN_MAX);
    ngx_llmops_out_init(&r->events, SSE_RUN_MAX);

    r->partial = 0;
}


/* feeds a copy of the exact size, which is gone before the next piece */

static inline void
sse_run_feed(sse_run_t *r, const u_char *p, size_t len)
{
    u_char                  *copy, *pos, *last;
    ngx_int_t                rc;
    ngx_llmops_sse_event_t   ev;

    copy = malloc(len ? len : 1);
    memcpy(copy, p, len);

    pos = copy;
    last = copy + len;

    while ((rc = ngx_llmops_sse_next(&r->sse, &pos, last, &ev)) == NGX_OK) {
        assert(ev.raw.len > 0);
        sse_run_event(r, &ev);
    }

    assert(rc == NGX_AGAIN);
    assert(pos == last);

    memset(copy, 0xaa, len);
    free(copy);
}


static inline void
sse_run_end(sse_run_t *r)
{
    ngx_llmops_sse_event_t  ev;

    if (ngx_llmops_sse_end(&r->sse, &ev) == NGX_OK) {
        sse_run_event(r, &ev);
    }

    assert(ngx_llmops_sse_end(&r->sse, &ev) == NGX_DONE);
}


static inline void
sse_run_free(sse_run_t *r)
{
    ngx_llmops_sse_free(&r->sse);
    ngx_llmops_sse_free(&r->sse);
    ngx_llmops_out_free(&r->raw);
    ngx_llmops_out_free(&r->events);
}


static inline int
sse_run_same(ngx_llmops_out_t *a, const u_char *p, size_t len)
{
    return a->len == len && (len == 0 || memcmp(a->data, p, len) == 0);
}


typedef struct {
    ngx_llmops_out_t           line;
    ngx_llmops_out_t           name;
    ngx_llmops_out_t           data;
    int                        has_data;
} sse_plain_t;


static inline void
sse_plain_dispatch(sse_plain_t *s, ngx_llmops_out_t *events)
{
    if (s->has_data) {
        sse_run_write(events, s->name.data, s->name.len, s->data.data,
                      s->data.len);
    }

    s->has_data = 0;
    ngx_llmops_out_reset(&s->name);
    ngx_llmops_out_reset(&s->data);
}


static inline void
sse_plain_field(sse_plain_t *s, const char *name, ngx_llmops_out_t *to)
{
    size_t   n;
    u_char  *p;

    n = strlen(name);
    p = s->line.data;

    if (s->line.len < n || memcmp(p, name, n) != 0
        || (s->line.len > n && p[n] != ':'))
    {
        return;
    }

    if (to == &s->name) {
        ngx_llmops_out_reset(to);

    } else {

        if (s->has_data) {
            ngx_llmops_out_lit(to, "\n");
        }

        s->has_data = 1;
    }

    n += (n < s->line.len);
    n += (n < s->line.len && p[n] == ' ');

    ngx_llmops_out_write(to, p + n, s->line.len - n);
}


static inline void
sse_plain_line(sse_plain_t *s, ngx_llmops_out_t *events)
{
    if (s->line.len == 0) {
        sse_plain_dispatch(s, events);

    } else {
        sse_plain_field(s, "event", &s->name);
        sse_plain_field(s, "data", &s->data);
    }

    ngx_llmops_out_reset(&s->line);
}


static inline void
sse_plain(const u_char *p, size_t len, ngx_llmops_out_t *events)
{
    size_t       i;
    sse_plain_t  s;

    ngx_llmops_out_init(&s.line, SSE_RUN_MAX);
    ngx_llmops_out_init(&s.name, SSE_RUN_MAX);
    ngx_llmops_out_init(&s.data, SSE_RUN_MAX);
    s.has_data = 0;

    i = (len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0) ? 3 : 0;

    for ( /* void */ ; i < len; i++) {

        if (p[i] != '\r' && p[i] != '\n') {
            ngx_llmops_out_write(&s.line, p + i, 1);
            continue;
        }

        if (p[i] == '\r' && i + 1 < len && p[i + 1] == '\n') {
            i++;
        }

        sse_plain_line(&s, events);
    }

    if (s.line.len) {
        sse_plain_line(&s, events);
    }

    sse_plain_dispatch(&s, events);

    ngx_llmops_out_free(&s.line);
    ngx_llmops_out_free(&s.name);
    ngx_llmops_out_free(&s.data);
}


#endif /* _SSE_RUN_H_INCLUDED_ */
