
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_sse.h"


/*
 * An event ends with a blank line.  The state says where in a line the last
 * piece has ended, so that no byte is looked at twice to find that line,
 * however small the pieces are; the fields are then read from the whole
 * event.
 *
 * A CR ends a line at once.  An LF that follows it belongs to the same line
 * end: to the same event, if it is in the same piece.  If it is not, the event
 * is not held back for it, and the LF opens the next event's raw extent.
 */


typedef enum {
    NGX_LLMOPS_SSE_START = 0,
    NGX_LLMOPS_SSE_BOM1,                   /* of the three bytes of a BOM */
    NGX_LLMOPS_SSE_BOM2,
    NGX_LLMOPS_SSE_LINE,                   /* at the start of a line */
    NGX_LLMOPS_SSE_IN_LINE,
    NGX_LLMOPS_SSE_CR                      /* LINE, but an LF is passed over */
} ngx_llmops_sse_state_e;


#define NGX_LLMOPS_SSE_WINDOW  256
#define NGX_LLMOPS_SSE_BUFFER  1024        /* the first, then doubled */


/*
 * The first CR or LF, or last.  Both are looked for in a window that doubles:
 * looking for either up to the end would be quadratic in streams that use
 * only the other.
 */

static u_char *
ngx_llmops_sse_eol(u_char *p, u_char *last)
{
    u_char  *lf, *cr;
    size_t   window;

    for (window = NGX_LLMOPS_SSE_WINDOW; p < last; window *= 2) {
        window = ngx_min(window, (size_t) (last - p));

        lf = memchr(p, LF, window);
        cr = memchr(p, CR, lf ? (size_t) (lf - p) : window);

        if (cr || lf) {
            return cr ? cr : lf;
        }

        p += window;
    }

    return last;
}


/* a byte at p when a line may start there, or a BOM */

static u_char *
ngx_llmops_sse_start(ngx_llmops_sse_t *sse, u_char *p)
{
    static const u_char  bom[] = { 0xef, 0xbb, 0xbf };

    if (sse->state == NGX_LLMOPS_SSE_CR) {
        sse->state = NGX_LLMOPS_SSE_LINE;
        return (*p == LF) ? p + 1 : p;
    }

    if (*p != bom[sse->state]) {
        sse->state = (sse->state == NGX_LLMOPS_SSE_START)
                     ? NGX_LLMOPS_SSE_LINE : NGX_LLMOPS_SSE_IN_LINE;
        return p;
    }

    /* the state after the last byte of the BOM is LINE */
    sse->state++;

    return p + 1;
}


/* p is at the end of a line; takes the LF of a CRLF, if it is here already */

static u_char *
ngx_llmops_sse_pass_eol(ngx_llmops_sse_t *sse, u_char *p, u_char *last)
{
    sse->state = NGX_LLMOPS_SSE_LINE;

    if (*p++ == CR) {

        if (p == last) {
            sse->state = NGX_LLMOPS_SSE_CR;

        } else if (*p == LF) {
            p++;
        }
    }

    return p;
}


/* one past the blank line that ends the event, or NULL if it is not here */

static u_char *
ngx_llmops_sse_find(ngx_llmops_sse_t *sse, u_char *p, u_char *last)
{
    while (p < last) {

        switch (sse->state) {

        case NGX_LLMOPS_SSE_LINE:

            if (*p == LF || *p == CR) {
                return ngx_llmops_sse_pass_eol(sse, p, last);
            }

            sse->state = NGX_LLMOPS_SSE_IN_LINE;

            /* fall through */

        case NGX_LLMOPS_SSE_IN_LINE:
            p = ngx_llmops_sse_eol(p, last);

            if (p < last) {
                p = ngx_llmops_sse_pass_eol(sse, p, last);
            }

            break;

        default:
            p = ngx_llmops_sse_start(sse, p);
        }
    }

    return NULL;
}


static ngx_int_t
ngx_llmops_sse_gather(ngx_llmops_sse_t *sse, u_char *p, size_t len)
{
    size_t   size;
    u_char  *buf;

    if (len > sse->size - sse->len) {
        size = ngx_max(sse->size * 2, NGX_LLMOPS_SSE_BUFFER);
        size = ngx_max(size, sse->len + len);

        buf = realloc(sse->buf, size);
        if (buf == NULL) {
            return NGX_ERROR;
        }

        sse->buf = buf;
        sse->size = size;
    }

    ngx_memcpy(sse->buf + sse->len, p, len);
    sse->len += len;

    return NGX_OK;
}


/* appends a further line to the data; it never gets longer than the event */

static ngx_int_t
ngx_llmops_sse_join(ngx_llmops_sse_t *sse, ngx_llmops_sse_event_t *ev,
    u_char *p, size_t len)
{
    u_char  *joined;

    if (sse->joined_size < ev->raw.len) {
        free(sse->joined);

        /* joined is not in use: a longer one was made for the first line */

        joined = malloc(ev->raw.len);
        sse->joined = joined;
        sse->joined_size = joined ? ev->raw.len : 0;

        if (joined == NULL) {
            return NGX_ERROR;
        }
    }

    if (ev->data.data != sse->joined) {
        ngx_memcpy(sse->joined, ev->data.data, ev->data.len);
        ev->data.data = sse->joined;
    }

    sse->joined[ev->data.len++] = LF;

    ngx_memcpy(ev->data.data + ev->data.len, p, len);
    ev->data.len += len;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_sse_field(ngx_llmops_sse_t *sse, ngx_llmops_sse_event_t *ev,
    u_char *p, u_char *eol)
{
    u_char  *colon, *value;
    size_t   len;

    colon = memchr(p, ':', eol - p);

    if (colon == NULL) {
        colon = eol;
        value = eol;

    } else {
        value = colon + 1;

        if (value < eol && *value == ' ') {
            value++;
        }
    }

    len = colon - p;

    if (len == 5 && ngx_memcmp(p, "event", 5) == 0) {
        ev->name.data = value;
        ev->name.len = eol - value;
        return NGX_OK;
    }

    if (len != 4 || ngx_memcmp(p, "data", 4) != 0) {
        return NGX_OK;
    }

    if (ev->has_data) {
        return ngx_llmops_sse_join(sse, ev, value, eol - value);
    }

    ev->has_data = 1;
    ev->data.data = value;
    ev->data.len = eol - value;

    return NGX_OK;
}


/* reads the fields of ev->raw */

static ngx_int_t
ngx_llmops_sse_parse(ngx_llmops_sse_t *sse, ngx_llmops_sse_event_t *ev)
{
    u_char  *p, *eol, *last;

    p = ev->raw.data;
    last = p + ev->raw.len;

    if (!sse->started && ev->raw.len >= 3
        && p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf)
    {
        p += 3;
    }

    sse->started = 1;

    for ( /* void */ ; p < last; p = eol + (eol < last)) {
        eol = ngx_llmops_sse_eol(p, last);

        if (eol > p && ngx_llmops_sse_field(sse, ev, p, eol) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* gives out the bytes of an event that is too long to be looked at */

static ngx_int_t
ngx_llmops_sse_partial(ngx_llmops_sse_t *sse, ngx_llmops_sse_event_t *ev,
    u_char *p, size_t len)
{
    ev->raw.data = p;
    ev->raw.len = len;
    ev->partial = 1;

    sse->started = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_sse_give(ngx_llmops_sse_t *sse, ngx_llmops_sse_event_t *ev)
{
    ev->raw.data = sse->buf;
    ev->raw.len = sse->len;
    ev->copied = 1;

    sse->given = 1;

    return NGX_OK;
}


/* the event goes on behind last */

static ngx_int_t
ngx_llmops_sse_more(ngx_llmops_sse_t *sse, u_char **pos, u_char *last)
{
    u_char  *start;

    start = *pos;
    *pos = last;

    if (start == last) {
        return NGX_AGAIN;
    }

    return ngx_llmops_sse_gather(sse, start, last - start) == NGX_OK
           ? NGX_AGAIN : NGX_ERROR;
}


static void
ngx_llmops_sse_event_init(ngx_llmops_sse_t *sse, ngx_llmops_sse_event_t *ev)
{
    ngx_memzero(ev, sizeof(ngx_llmops_sse_event_t));

    if (sse->given) {
        sse->given = 0;
        sse->len = 0;
    }
}


void
ngx_llmops_sse_init(ngx_llmops_sse_t *sse, size_t max)
{
    ngx_memzero(sse, sizeof(ngx_llmops_sse_t));

    sse->max = max;
}


void
ngx_llmops_sse_free(ngx_llmops_sse_t *sse)
{
    if (sse->buf) {
        free(sse->buf);
    }

    if (sse->joined) {
        free(sse->joined);
    }

    ngx_llmops_sse_init(sse, sse->max);
}


ngx_int_t
ngx_llmops_sse_next(ngx_llmops_sse_t *sse, u_char **pos, u_char *last,
    ngx_llmops_sse_event_t *ev)
{
    size_t       len;
    u_char      *start, *end;
    ngx_uint_t   state;

    ngx_llmops_sse_event_init(sse, ev);

    start = *pos;
    state = sse->state;

    end = ngx_llmops_sse_find(sse, start, last);
    len = (end ? end : last) - start;

    if (sse->oversize || len > sse->max || sse->len > sse->max - len) {

        if (len == 0) {
            return NGX_AGAIN;
        }

        if (sse->len) {
            /* what was gathered goes first, the piece is read once more */
            sse->oversize = 1;
            sse->state = state;
            ngx_llmops_sse_give(sse, ev);
            return ngx_llmops_sse_partial(sse, ev, sse->buf, sse->len);
        }

        sse->oversize = (end == NULL);
        *pos = start + len;
        return ngx_llmops_sse_partial(sse, ev, start, len);
    }

    if (end == NULL) {
        return ngx_llmops_sse_more(sse, pos, last);
    }

    *pos = end;

    if (sse->len == 0) {
        ev->raw.data = start;
        ev->raw.len = len;

    } else {

        if (ngx_llmops_sse_gather(sse, start, len) != NGX_OK) {
            return NGX_ERROR;
        }

        ngx_llmops_sse_give(sse, ev);
    }

    return ngx_llmops_sse_parse(sse, ev);
}


ngx_int_t
ngx_llmops_sse_end(ngx_llmops_sse_t *sse, ngx_llmops_sse_event_t *ev)
{
    ngx_llmops_sse_event_init(sse, ev);

    if (sse->len == 0) {
        return NGX_DONE;
    }

    ngx_llmops_sse_give(sse, ev);

    return ngx_llmops_sse_parse(sse, ev);
}


ngx_uint_t
ngx_llmops_sse_done(ngx_str_t *data)
{
    u_char  *p, *last;

    p = data->data;
    last = p + data->len;

    while (last > p && last[-1] <= ' ') {
        last--;
    }

    while (p < last && *p <= ' ') {
        p++;
    }

    return last - p == sizeof("[DONE]") - 1
           && ngx_memcmp(p, "[DONE]", sizeof("[DONE]") - 1) == 0;
}
