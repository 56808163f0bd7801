
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_calendar_tz.h"


/* Time zones as files: TZif, RFC 8536. */


#define NGX_LLMOPS_CALENDAR_HEAD   44      /* bytes */


/* the counts of a TZif header, in its order */

enum {
    NGX_LLMOPS_TZIF_ISUT = 0,
    NGX_LLMOPS_TZIF_ISSTD,
    NGX_LLMOPS_TZIF_LEAP,
    NGX_LLMOPS_TZIF_TIMES,
    NGX_LLMOPS_TZIF_TYPES,
    NGX_LLMOPS_TZIF_CHARS,
    NGX_LLMOPS_TZIF_COUNTS
};


typedef struct {
    size_t                     n[NGX_LLMOPS_TZIF_COUNTS];
    const u_char              *body;
    size_t                     size;       /* of the body */
} ngx_llmops_tzif_t;


static ngx_int_t ngx_llmops_tzif_open(ngx_llmops_tzif_t *f, const u_char *p,
    size_t len, size_t width);
static ngx_int_t ngx_llmops_tzif_second(ngx_llmops_tzif_t *f,
    const u_char *p, size_t len);
static ngx_int_t ngx_llmops_tzif_type(ngx_llmops_tzif_t *f,
    const u_char *types, size_t n, int32_t *offset);
static int64_t ngx_llmops_tzif_number(const u_char *p, size_t width);


/* finds the counts and the body of the block that starts at p */

static ngx_int_t
ngx_llmops_tzif_open(ngx_llmops_tzif_t *f, const u_char *p, size_t len,
    size_t width)
{
    ngx_uint_t  i;

    if (len < NGX_LLMOPS_CALENDAR_HEAD || ngx_memcmp(p, "TZif", 4) != 0) {
        return NGX_DECLINED;
    }

    for (i = 0; i < NGX_LLMOPS_TZIF_COUNTS; i++) {
        f->n[i] = (size_t) (ngx_llmops_tzif_number(p + 20 + 4 * i, 4)
                            & 0xffffffff);

        if (f->n[i] > len) {
            return NGX_DECLINED;
        }
    }

    f->body = p + NGX_LLMOPS_CALENDAR_HEAD;
    f->size = f->n[NGX_LLMOPS_TZIF_TIMES] * (width + 1)
              + f->n[NGX_LLMOPS_TZIF_TYPES] * 6
              + f->n[NGX_LLMOPS_TZIF_CHARS]
              + f->n[NGX_LLMOPS_TZIF_LEAP] * (width + 4)
              + f->n[NGX_LLMOPS_TZIF_ISSTD] + f->n[NGX_LLMOPS_TZIF_ISUT];

    return (f->size <= len - NGX_LLMOPS_CALENDAR_HEAD) ? NGX_OK
                                                       : NGX_DECLINED;
}


/* the block with 64-bit times, which follows the one with 32 */

static ngx_int_t
ngx_llmops_tzif_second(ngx_llmops_tzif_t *f, const u_char *p, size_t len)
{
    size_t  skip;

    if (ngx_llmops_tzif_open(f, p, len, 4) != NGX_OK || p[4] < '2') {
        return NGX_DECLINED;
    }

    skip = NGX_LLMOPS_CALENDAR_HEAD + f->size;

    return ngx_llmops_tzif_open(f, p + skip, len - skip, 8);
}


size_t
ngx_llmops_calendar_room(const u_char *p, size_t len)
{
    ngx_llmops_tzif_t  f;

    return ngx_llmops_tzif_second(&f, p, len) == NGX_OK
           ? f.n[NGX_LLMOPS_TZIF_TIMES] : 0;
}


ngx_int_t
ngx_llmops_calendar_read(ngx_llmops_calendar_t *c, const u_char *p,
    size_t len, ngx_llmops_calendar_change_t *changes)
{
    size_t              i, n;
    const u_char       *last, *index, *types, *footer;
    ngx_llmops_tzif_t   f;

    ngx_memzero(c, sizeof(ngx_llmops_calendar_t));

    /* zones with leap seconds count other seconds than the machine's clock */

    if (ngx_llmops_tzif_second(&f, p, len) != NGX_OK
        || f.n[NGX_LLMOPS_TZIF_TYPES] == 0 || f.n[NGX_LLMOPS_TZIF_LEAP] > 0)
    {
        return NGX_DECLINED;
    }

    last = p + len;
    n = f.n[NGX_LLMOPS_TZIF_TIMES];
    index = f.body + n * 8;
    types = index + n;

    if (ngx_llmops_tzif_type(&f, types, 0, &c->before) != NGX_OK) {
        return NGX_DECLINED;
    }

    for (i = 0; i < n; i++) {
        changes[i].at = ngx_llmops_tzif_number(f.body + i * 8, 8);

        if (ngx_llmops_tzif_type(&f, types, index[i], &changes[i].offset)
            != NGX_OK
            || (i && changes[i].at <= changes[i - 1].at))
        {
            return NGX_DECLINED;
        }
    }

    c->changes = changes;
    c->nchanges = n;
    c->standard = n ? changes[n - 1].offset : c->before;

    footer = f.body + f.size;

    if (footer >= last || *footer++ != '\n') {
        return NGX_DECLINED;
    }

    for (p = footer; p < last && *p != '\n'; p++) { /* void */ }

    if (p == last) {
        return NGX_DECLINED;
    }

    /* no rule: the last change holds for ever */

    return (p == footer) ? NGX_OK : ngx_llmops_tz_rule(c, footer, p);
}


static ngx_int_t
ngx_llmops_tzif_type(ngx_llmops_tzif_t *f, const u_char *types, size_t n,
    int32_t *offset)
{
    int64_t  v;

    if (n >= f->n[NGX_LLMOPS_TZIF_TYPES]) {
        return NGX_DECLINED;
    }

    v = ngx_llmops_tzif_number(types + n * 6, 4);

    if (v <= -NGX_LLMOPS_CALENDAR_FAR || v >= NGX_LLMOPS_CALENDAR_FAR) {
        return NGX_DECLINED;
    }

    *offset = (int32_t) v;

    return NGX_OK;
}


/* big-endian, signed */

static int64_t
ngx_llmops_tzif_number(const u_char *p, size_t width)
{
    size_t    i;
    uint64_t  n;

    n = (p[0] & 0x80) ? (uint64_t) -1 : 0;

    for (i = 0; i < width; i++) {
        n = n << 8 | p[i];
    }

    return (int64_t) n;
}
