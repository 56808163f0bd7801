
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_cursor.h"
#include "ngx_llmops_tokens.h"


/*
 * Tokens of a request.  A short body is walked, so that only what the model
 * reads is counted.  Of a long one, in which the texts outweigh all else,
 * a few pieces are counted as they stand.  Images in base64 would ruin that:
 * a piece that has nothing but their alphabet leads to the two ends of such a
 * string, which are searched by doubling the step and halving it again.
 */


#define NGX_LLMOPS_TOKENS_MESSAGE   4      /* tokens around each of them */
#define NGX_LLMOPS_TOKENS_PRIMING   3
#define NGX_LLMOPS_TOKENS_SCHEMA    4      /* objects deep: part of a tool */

#define NGX_LLMOPS_TOKENS_BINARY    256    /* bytes from which it may be */
#define NGX_LLMOPS_TOKENS_PROBE     64

#define NGX_LLMOPS_TOKENS_PIECE     512
#define NGX_LLMOPS_TOKENS_PIECES    6
#define NGX_LLMOPS_TOKENS_RANGES    NGX_LLMOPS_TOKENS_PIECES


typedef struct {
    const u_char              *pos;
    const u_char              *last;
    ngx_llmops_tokens_family_e  family;
    int64_t                    sum;
    ngx_uint_t                 binary;
    ngx_uint_t                 depth;
    ngx_uint_t                 objects;    /* how many of depth are */
    uint64_t                   object[3];  /* a bit for each level */
    unsigned                   key:1;      /* the next string is one */
    unsigned                   skip:1;     /* the value of the last key */
} ngx_llmops_tokens_walk_t;


typedef struct {
    size_t                     start;
    size_t                     end;
} ngx_llmops_tokens_range_t;


typedef struct {
    ngx_llmops_tokens_read_pt  read;
    void                      *data;
    size_t                     size;
    ngx_llmops_tokens_family_e  family;
    ngx_llmops_tokens_range_t  ranges[NGX_LLMOPS_TOKENS_RANGES];
    ngx_uint_t                 nranges;
    int64_t                    sum;
    size_t                     counted;    /* bytes */
} ngx_llmops_tokens_sampling_t;


static ngx_int_t ngx_llmops_tokens_string(ngx_llmops_tokens_walk_t *w);
static void ngx_llmops_tokens_key(ngx_llmops_tokens_walk_t *w, ngx_str_t *key);
static void ngx_llmops_tokens_value(ngx_llmops_tokens_walk_t *w,
    const u_char *p, const u_char *last);
static void ngx_llmops_tokens_enter(ngx_llmops_tokens_walk_t *w,
    ngx_uint_t object);
static void ngx_llmops_tokens_leave(ngx_llmops_tokens_walk_t *w);
static void ngx_llmops_tokens_scalar(ngx_llmops_tokens_walk_t *w);
static ngx_uint_t ngx_llmops_tokens_in_object(ngx_llmops_tokens_walk_t *w);
static ngx_uint_t ngx_llmops_tokens_is_base64(const u_char *p, size_t len);
static ngx_uint_t ngx_llmops_tokens_is_mixed(const u_char *p, size_t len);
static ngx_int_t ngx_llmops_tokens_piece(ngx_llmops_tokens_sampling_t *s,
    size_t at);
static ngx_int_t ngx_llmops_tokens_range(ngx_llmops_tokens_sampling_t *s,
    size_t at);
static ngx_int_t ngx_llmops_tokens_edge(ngx_llmops_tokens_sampling_t *s,
    size_t at, ngx_uint_t up, size_t *edge);
static ngx_int_t ngx_llmops_tokens_probe(ngx_llmops_tokens_sampling_t *s,
    size_t at);


int64_t
ngx_llmops_tokens_body(ngx_llmops_tokens_family_e family, const u_char *p,
    size_t len, ngx_uint_t *binary)
{
    ngx_llmops_tokens_walk_t  w;

    ngx_memzero(&w, sizeof(ngx_llmops_tokens_walk_t));

    w.pos = p;
    w.last = p + len;
    w.family = family;
    w.sum = NGX_LLMOPS_TOKENS_PRIMING * NGX_LLMOPS_TOKEN;

    while (w.pos < w.last) {

        switch (*w.pos) {

        case '"':
            if (ngx_llmops_tokens_string(&w) != NGX_OK) {
                w.pos = w.last;
            }

            break;

        case '{':
        case '[':
            ngx_llmops_tokens_enter(&w, *w.pos++ == '{');
            break;

        case '}':
        case ']':
            ngx_llmops_tokens_leave(&w);
            w.pos++;
            break;

        case ',':
            w.key = ngx_llmops_tokens_in_object(&w);
            w.pos++;
            break;

        case ':':
        case ' ':
        case '\t':
        case '\n':
        case '\r':
            w.pos++;
            break;

        default:
            ngx_llmops_tokens_scalar(&w);
        }
    }

    *binary = w.binary;

    return (w.sum + NGX_LLMOPS_TOKEN / 2) / NGX_LLMOPS_TOKEN;
}


static ngx_int_t
ngx_llmops_tokens_string(ngx_llmops_tokens_walk_t *w)
{
    ngx_str_t      s;
    const u_char  *end;

    s.data = (u_char *) w->pos + 1;

    end = ngx_llmops_cursor_string(s.data, (u_char *) w->last);

    if (end == NULL || end > w->last) {
        return NGX_ERROR;
    }

    s.len = end - 1 - s.data;
    w->pos = end;

    if (w->key) {
        w->key = 0;
        ngx_llmops_tokens_key(w, &s);

    } else if (!w->skip) {
        ngx_llmops_tokens_value(w, s.data, end - 1);
    }

    return NGX_OK;
}


/* whether the value is read by the model; in schemas the key is, too */

static void
ngx_llmops_tokens_key(ngx_llmops_tokens_walk_t *w, ngx_str_t *key)
{
    if (w->objects >= NGX_LLMOPS_TOKENS_SCHEMA) {
        w->skip = 0;
        w->sum += ngx_llmops_tokens(w->family, key->data,
                                    key->data + key->len)
                  + NGX_LLMOPS_TOKEN;
        return;
    }

    if (w->objects == 1) {
        w->skip = !(ngx_llmops_is(key, "prompt")
                    || ngx_llmops_is(key, "input")
                    || ngx_llmops_is(key, "system")
                    || ngx_llmops_is(key, "instructions")
                    || ngx_llmops_is(key, "suffix")
                    || ngx_llmops_is(key, "query")
                    || ngx_llmops_is(key, "documents"));
        return;
    }

    w->skip = (ngx_llmops_is(key, "role") || ngx_llmops_is(key, "type")
               || ngx_llmops_is(key, "id") || ngx_llmops_is(key, "call_id")
               || ngx_llmops_is(key, "tool_call_id")
               || ngx_llmops_is(key, "tool_use_id")
               || ngx_llmops_is(key, "media_type")
               || ngx_llmops_is(key, "signature"));
}


static void
ngx_llmops_tokens_value(ngx_llmops_tokens_walk_t *w, const u_char *p,
    const u_char *last)
{
    if (last - p >= NGX_LLMOPS_TOKENS_BINARY) {

        if (ngx_memcmp(p, "data:", 5) == 0) {
            return;
        }

        if (ngx_llmops_tokens_is_mixed(p, NGX_LLMOPS_TOKENS_BINARY)) {
            w->binary++;
            return;
        }
    }

    w->sum += ngx_llmops_tokens(w->family, p, last);
}


static void
ngx_llmops_tokens_enter(ngx_llmops_tokens_walk_t *w, ngx_uint_t object)
{
    uint64_t  bit;

    w->depth++;
    bit = (uint64_t) 1 << (w->depth % 64);

    if (object) {
        w->object[w->depth / 64 % 3] |= bit;

        if (++w->objects == 2) {
            w->sum += NGX_LLMOPS_TOKENS_MESSAGE * NGX_LLMOPS_TOKEN;
        }

    } else {
        w->object[w->depth / 64 % 3] &= ~bit;
    }

    w->key = object;
}


static void
ngx_llmops_tokens_leave(ngx_llmops_tokens_walk_t *w)
{
    if (ngx_llmops_tokens_in_object(w) && w->objects) {
        w->objects--;
    }

    if (w->depth) {
        w->depth--;
    }

    w->key = 0;
}


static ngx_uint_t
ngx_llmops_tokens_in_object(ngx_llmops_tokens_walk_t *w)
{
    return w->object[w->depth / 64 % 3] >> (w->depth % 64) & 1;
}


/* a number or a literal: of a schema, or a token that the caller has made; of
   a body that is no JSON at least one byte, whatever it is */

static void
ngx_llmops_tokens_scalar(ngx_llmops_tokens_walk_t *w)
{
    do {
        w->pos++;
    } while (w->pos < w->last && *w->pos != ',' && *w->pos != ']'
             && *w->pos != '}' && *w->pos > ' ');

    if (w->objects >= NGX_LLMOPS_TOKENS_SCHEMA
        || (w->objects == 1 && !w->skip && !ngx_llmops_tokens_in_object(w)))
    {
        w->sum += NGX_LLMOPS_TOKEN;
    }
}


static ngx_uint_t
ngx_llmops_tokens_is_base64(const u_char *p, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        if ((u_char) ((p[i] | 0x20) - 'a') >= 26
            && (u_char) (p[i] - '0') >= 10
            && p[i] != '+' && p[i] != '/' && p[i] != '=' && p[i] != '-'
            && p[i] != '_')
        {
            return 0;
        }
    }

    return 1;
}


/* base64 that encodes something; not a very long word */

static ngx_uint_t
ngx_llmops_tokens_is_mixed(const u_char *p, size_t len)
{
    size_t  i, lower, upper, digits;

    if (!ngx_llmops_tokens_is_base64(p, len)) {
        return 0;
    }

    lower = 0;
    upper = 0;
    digits = 0;

    for (i = 0; i < len; i++) {
        lower += ((u_char) (p[i] - 'a') < 26);
        upper += ((u_char) (p[i] - 'A') < 26);
        digits += ((u_char) (p[i] - '0') < 10);
    }

    len /= 64;

    return lower > len && upper > len && digits > len;
}


int64_t
ngx_llmops_tokens_sample(ngx_llmops_tokens_family_e family,
    ngx_llmops_tokens_read_pt read, void *data, size_t size,
    ngx_uint_t *binary)
{
    size_t                        i, skipped;
    ngx_llmops_tokens_sampling_t  s;

    ngx_memzero(&s, sizeof(ngx_llmops_tokens_sampling_t));

    s.read = read;
    s.data = data;
    s.size = size;
    s.family = family;

    /* evenly, from the first byte to the last */

    for (i = 0; i < NGX_LLMOPS_TOKENS_PIECES; i++) {
        if (ngx_llmops_tokens_piece(&s, (size - NGX_LLMOPS_TOKENS_PIECE) * i
                                        / (NGX_LLMOPS_TOKENS_PIECES - 1))
            != NGX_OK)
        {
            return -1;
        }
    }

    skipped = 0;

    for (i = 0; i < s.nranges; i++) {
        skipped += s.ranges[i].end - s.ranges[i].start;

        /* the text around it, if that was not met with */

        if (s.counted < 2 * NGX_LLMOPS_TOKENS_PIECE
            && s.ranges[i].start > NGX_LLMOPS_TOKENS_PIECE
            && ngx_llmops_tokens_piece(&s, s.ranges[i].start
                                           - NGX_LLMOPS_TOKENS_PIECE)
               != NGX_OK)
        {
            return -1;
        }
    }

    *binary = s.nranges;

    if (s.counted == 0) {
        return 0;
    }

    /* a double is exact for all that can be in a body */

    return (int64_t) ((double) s.sum / s.counted * (size - skipped)
                      / NGX_LLMOPS_TOKEN) + 1;
}


static ngx_int_t
ngx_llmops_tokens_piece(ngx_llmops_tokens_sampling_t *s, size_t at)
{
    ngx_uint_t     i;
    const u_char  *p;
    u_char         buf[NGX_LLMOPS_TOKENS_PIECE];

    for (i = 0; i < s->nranges; i++) {
        if (at + NGX_LLMOPS_TOKENS_PIECE > s->ranges[i].start
            && at < s->ranges[i].end)
        {
            return NGX_OK;
        }
    }

    p = s->read(s->data, at, NGX_LLMOPS_TOKENS_PIECE, buf);

    if (p == NULL) {
        return NGX_ERROR;
    }

    if (ngx_llmops_tokens_is_mixed(p, NGX_LLMOPS_TOKENS_PIECE)) {
        return ngx_llmops_tokens_range(s, at + NGX_LLMOPS_TOKENS_PIECE / 2);
    }

    s->sum += ngx_llmops_tokens(s->family, p, p + NGX_LLMOPS_TOKENS_PIECE);
    s->counted += NGX_LLMOPS_TOKENS_PIECE;

    return NGX_OK;
}


/* what is binary around this place */

static ngx_int_t
ngx_llmops_tokens_range(ngx_llmops_tokens_sampling_t *s, size_t at)
{
    ngx_llmops_tokens_range_t  *range;

    if (s->nranges == NGX_LLMOPS_TOKENS_RANGES) {
        return NGX_OK;
    }

    range = &s->ranges[s->nranges];

    if (ngx_llmops_tokens_edge(s, at, 0, &range->start) != NGX_OK
        || ngx_llmops_tokens_edge(s, at, 1, &range->end) != NGX_OK)
    {
        return NGX_ERROR;
    }

    range->end += NGX_LLMOPS_TOKENS_PROBE;
    s->nranges++;

    return NGX_OK;
}


/*
 * The furthest place, up or down from at, where a probe still finds base64;
 * to within the length of a probe.
 */

static ngx_int_t
ngx_llmops_tokens_edge(ngx_llmops_tokens_sampling_t *s, size_t at,
    ngx_uint_t up, size_t *edge)
{
    size_t     step, room;
    ngx_int_t  rc;

    room = up ? s->size - NGX_LLMOPS_TOKENS_PROBE - at : at;
    step = NGX_LLMOPS_TOKENS_PIECE;

    /* further while it can be doubled, then back */

    *edge = 0;

    for ( ;; ) {
        rc = (step <= room)
             ? ngx_llmops_tokens_probe(s, up ? at + step : at - step)
             : NGX_DECLINED;

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc != NGX_OK) {
            break;
        }

        *edge = step;
        step *= 2;
    }

    for (step = (step - *edge) / 2;
         step >= NGX_LLMOPS_TOKENS_PROBE;
         step /= 2)
    {
        if (*edge + step > room) {
            continue;
        }

        rc = ngx_llmops_tokens_probe(s, up ? at + *edge + step
                                           : at - *edge - step);
        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc == NGX_OK) {
            *edge += step;
        }
    }

    *edge = up ? at + *edge : at - *edge;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_tokens_probe(ngx_llmops_tokens_sampling_t *s, size_t at)
{
    const u_char  *p;
    u_char         buf[NGX_LLMOPS_TOKENS_PROBE];

    p = s->read(s->data, at, NGX_LLMOPS_TOKENS_PROBE, buf);

    if (p == NULL) {
        return NGX_ERROR;
    }

    return ngx_llmops_tokens_is_base64(p, NGX_LLMOPS_TOKENS_PROBE)
           ? NGX_OK : NGX_DECLINED;
}
