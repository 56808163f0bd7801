
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_patterns_set.h"

#if (NGX_LLMOPS_HYPERSCAN)


/*
 * A window: the end of a text, as much as no match can be told of yet, and as
 * much before it as a proof may want to see.
 *
 * Once a fuzzer saw a read fault inside Hyperscan 5.4.0, Debian 12's, at what
 * may have been the edge of a page.  It was not seen again with so many bytes
 * more on each side of what is scanned; the cause is not proved.
 */

#define NGX_LLMOPS_WINDOW_SLACK   128


static int ngx_llmops_window_match(unsigned int id, unsigned long long from,
    unsigned long long to, unsigned int flags, void *data);


/* one that is only noted, whatever the match is */

static ngx_inline ngx_uint_t
ngx_llmops_window_plain(ngx_llmops_pattern_t *p)
{
    return p->action == NGX_LLMOPS_PATTERN_MARK && p->proof == NULL
           && !p->word && p->scan.data == NULL;
}


ngx_llmops_window_t *
ngx_llmops_window_create(ngx_llmops_patterns_t *set)
{
    ngx_llmops_window_t  *w;

    w = calloc(1, sizeof(ngx_llmops_window_t));
    if (w == NULL) {
        return NULL;
    }

    w->set = set;

    if (set->db && hs_open_stream(set->db, 0, &w->stream) != HS_SUCCESS) {
        free(w);
        return NULL;
    }

    return w;
}


void
ngx_llmops_window_free(ngx_llmops_window_t *w)
{
    if (w->stream) {
        (void) hs_close_stream(w->stream, NULL, NULL, NULL);
    }

    free(w->regions);
    free(w->memory);
    free(w);
}


uint64_t
ngx_llmops_window_found(ngx_llmops_window_t *w)
{
    return w->found;
}


ngx_uint_t
ngx_llmops_window_denied(ngx_llmops_window_t *w)
{
    return w->denied_rule;
}


size_t
ngx_llmops_window_held(ngx_llmops_window_t *w)
{
    return w->base + w->len - w->released;
}


void
ngx_llmops_window_map(ngx_llmops_window_t *w, ngx_llmops_window_map_pt map,
    void *data)
{
    w->map = map;
    w->map_data = data;
}


/* forgets what is out, but for the history, and makes room */

static ngx_int_t
ngx_llmops_window_room(ngx_llmops_window_t *w, size_t len)
{
    u_char    *p;
    size_t     size, gone;
    uint64_t   keep;

    gone = (w->len > w->set->history) ? w->len - w->set->history : 0;
    gone = ngx_min(w->released - w->base, gone);

    if (w->set->npcre) {
        keep = (w->searched > NGX_LLMOPS_PCRE_BACK)
               ? w->searched - NGX_LLMOPS_PCRE_BACK : 0;
        gone = (keep > w->base) ? ngx_min(keep - w->base, gone) : 0;
    }

    if (gone && (gone >= w->len / 2 || w->len + len > w->size)) {
        ngx_memmove(w->buf, w->buf + gone, w->len - gone);
        w->base += gone;
        w->len -= gone;
    }

    if (w->len + len <= w->size) {
        return NGX_OK;
    }

    size = ngx_max(w->len + len, w->size * 2);

    p = calloc(1, size + 2 * NGX_LLMOPS_WINDOW_SLACK);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (w->len) {
        ngx_memcpy(p + NGX_LLMOPS_WINDOW_SLACK, w->buf, w->len);
    }

    free(w->memory);

    w->memory = p;
    w->buf = p + NGX_LLMOPS_WINDOW_SLACK;
    w->size = size;

    return NGX_OK;
}


/* text before it is final when all up to end has been seen */

static uint64_t
ngx_llmops_window_horizon(ngx_llmops_window_t *w, uint64_t end)
{
    u_char      c;
    uint64_t    wide, word, x;
    ngx_uint_t  n;

    wide = (end > w->set->wide) ? end - w->set->wide : 0;
    word = (end > w->set->word) ? end - w->set->word : 0;

    if (w->set->word) {

        for (x = end; x > word && x > w->base; x--) {
            c = w->buf[x - 1 - w->base];

            if (c == ' ' || (c >= '\t' && c <= '\r')) {
                break;
            }
        }

        word = x;
    }

    x = ngx_min(wide, word);

    if (w->denied) {
        x = ngx_min(x, w->denied_from);
    }

    if (w->set->pcre_holds) {
        x = ngx_min(x, w->searched);
    }

    if (w->map) {
        x = 0;                          /* what a region becomes waits for
                                           all of it */
    }

    /* never inside a character, unless its rest is still to come; bytes that
       are none go back no further */

    for (n = 0; n < 3 && x > w->released && x < w->base + w->len
                && (w->buf[x - w->base] & 0xc0) == 0x80; n++)
    {
        x--;
    }

    return ngx_max(x, w->released);
}


static ngx_int_t
ngx_llmops_window_slice(ngx_llmops_window_t *w, const u_char *p, size_t len,
    ngx_llmops_out_t *out)
{
    if (ngx_llmops_window_room(w, len) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_memcpy(w->buf + w->len, p, len);
    w->len += len;

    if (w->stream
        && hs_scan_stream(w->stream, (char *) w->buf + w->len - len, len, 0,
                          w->set->scratch, ngx_llmops_window_match, w)
           != HS_SUCCESS)
    {
        return NGX_ERROR;
    }

    if (w->set->npcre && !w->denied) {
        ngx_llmops_window_pcre(w, 0);
    }

    if (w->failed) {
        return NGX_ERROR;
    }

    ngx_llmops_window_release(w, ngx_llmops_window_horizon(w,
                              w->denied ? w->denied_at : w->base + w->len),
                              out);

    return w->denied ? NGX_DECLINED : NGX_OK;
}


ngx_int_t
ngx_llmops_window_feed(ngx_llmops_window_t *w, const u_char *p, size_t len,
    ngx_uint_t last, ngx_llmops_out_t *out)
{
    size_t      n;
    uint64_t    next;
    ngx_int_t   rc;
    hs_error_t  err;

    if (w->denied) {
        return NGX_DECLINED;
    }

    while (len) {
        n = ngx_min(len, NGX_LLMOPS_WINDOW_SLICE);

        /* so that what is found first does not depend on the pieces */

        next = ngx_llmops_window_pcre_next(w) - (w->base + w->len);
        n = ngx_min(n, next);

        rc = ngx_llmops_window_slice(w, p, n, out);

        if (rc != NGX_OK) {
            return rc;
        }

        p += n;
        len -= n;
    }

    if (!last || w->closed) {
        return out->failed ? NGX_ERROR : NGX_OK;
    }

    w->closed = 1;

    /* a match may end with the text */

    if (w->stream) {
        err = hs_close_stream(w->stream, w->set->scratch,
                              ngx_llmops_window_match, w);
        w->stream = NULL;

        if (err != HS_SUCCESS) {
            return NGX_ERROR;
        }
    }

    if (w->set->npcre && !w->denied) {
        ngx_llmops_window_pcre(w, 1);
    }

    if (w->failed) {
        return NGX_ERROR;
    }

    ngx_llmops_window_release(w, w->denied
                              ? ngx_llmops_window_horizon(w, w->denied_at)
                              : w->base + w->len,
                              out);

    if (w->denied) {
        return NGX_DECLINED;
    }

    return out->failed ? NGX_ERROR : NGX_OK;
}


static ngx_uint_t
ngx_llmops_window_space(const u_char *p, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        if (p[i] == ' ' || (p[i] >= '\t' && p[i] <= '\r')) {
            return 1;
        }
    }

    return 0;
}


/*
 * The leftmost start of a match that ends there, in *from.  If it cannot be
 * found it is taken to be as far back as it may be.  NGX_DECLINED: what was
 * scanned for ends there, but not the pattern.
 */

static ngx_int_t
ngx_llmops_window_start(ngx_llmops_window_t *w, ngx_uint_t id, uint64_t to,
    uint64_t *from)
{
    int                     rc;
    size_t                  at, end;
    pcre2_code             *code;
    ngx_llmops_compiled_t  *c;

    c = &w->set->compiled[id];

    *from = (to > c->width) ? to - c->width : 0;
    *from = ngx_max(*from, w->base);

    at = *from - w->base;
    end = to - w->base;
    code = c->end;

    if (end < w->len) {
        code = c->inside;               /* "\b" sees the byte behind */
        end++;
    }

    rc = pcre2_match(code, w->buf, end, at, w->base ? PCRE2_NOTBOL : 0,
                     w->set->match_data, w->set->match_context);

    if (rc == PCRE2_ERROR_NOMATCH && w->set->patterns[id].scan.data) {
        return NGX_DECLINED;
    }

    if (rc >= 0) {
        *from = w->base + pcre2_get_ovector_pointer(w->set->match_data)[0];
    }

    return NGX_OK;
}


static int
ngx_llmops_window_match(unsigned int id, unsigned long long from,
    unsigned long long to, unsigned int flags, void *data)
{
    ngx_llmops_window_t *w = data;

    uint64_t               begin;
    ngx_llmops_pattern_t  *p;

    p = &w->set->patterns[id];

    /* what ends behind a match that is denied is not looked at, so that the
       pieces make no difference */

    if (w->denied && to > w->denied_at) {
        return 0;
    }

    if (ngx_llmops_window_plain(p)) {
        w->found |= (uint64_t) 1 << p->rule;
        return 0;
    }

    begin = from;

    if (w->set->compiled[id].end
        && ngx_llmops_window_start(w, id, to, &begin) != NGX_OK)
    {
        return 0;
    }

    ngx_llmops_window_hit(w, id, begin, to);

    return 0;
}


void
ngx_llmops_window_hit(ngx_llmops_window_t *w, ngx_uint_t id, uint64_t from,
    uint64_t to)
{
    size_t                 start;
    u_char                *text;
    ngx_llmops_pattern_t  *p;

    p = &w->set->patterns[id];

    from = ngx_max(from, w->base);
    text = w->buf + (from - w->base);
    start = 0;

    if ((p->word && ngx_llmops_window_space(text, to - from))
        || (p->proof && !p->proof->check(text, to - from, &start)))
    {
        return;
    }

    if (p->action == NGX_LLMOPS_PATTERN_DENY) {
        ngx_llmops_window_deny(w, p->rule, from, to);
        return;
    }

    w->found |= (uint64_t) 1 << p->rule;

    if (p->action == NGX_LLMOPS_PATTERN_REDACT
        && ngx_llmops_window_region(w, id, from + start, to) != NGX_OK)
    {
        w->failed = 1;
    }
}


/* the first that ends counts */

void
ngx_llmops_window_deny(ngx_llmops_window_t *w, ngx_uint_t rule, uint64_t from,
    uint64_t to)
{
    if (!w->denied || to < w->denied_at
        || (to == w->denied_at && rule < w->denied_rule))
    {
        w->denied_rule = rule;
    }

    w->denied_from = w->denied ? ngx_min(w->denied_from, from) : from;
    w->denied = 1;
    w->denied_at = w->denied_at ? ngx_min(w->denied_at, to) : to;
}

#else /* !NGX_LLMOPS_HYPERSCAN */


ngx_llmops_window_t *
ngx_llmops_window_create(ngx_llmops_patterns_t *set)
{
    return NULL;
}


void
ngx_llmops_window_free(ngx_llmops_window_t *w)
{
    /* there is none */
}


ngx_int_t
ngx_llmops_window_feed(ngx_llmops_window_t *w, const u_char *p, size_t len,
    ngx_uint_t last, ngx_llmops_out_t *out)
{
    return NGX_ERROR;
}


uint64_t
ngx_llmops_window_found(ngx_llmops_window_t *w)
{
    return 0;
}


ngx_uint_t
ngx_llmops_window_denied(ngx_llmops_window_t *w)
{
    return 0;
}


size_t
ngx_llmops_window_held(ngx_llmops_window_t *w)
{
    return 0;
}


void
ngx_llmops_window_map(ngx_llmops_window_t *w, ngx_llmops_window_map_pt map,
    void *data)
{
    /* there is none */
}

#endif
