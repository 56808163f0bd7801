
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_patterns_set.h"

#if (NGX_LLMOPS_HYPERSCAN)


/*
 * The parts of a text that are replaced, in order and apart from each other:
 * matches that overlap become one.
 */


/* joins r with all that it overlaps, which are taken out; returns the place
   where it belongs */

static ngx_int_t
ngx_llmops_window_overlap(ngx_llmops_window_t *w, ngx_llmops_region_t *r)
{
    size_t                i;
    ngx_llmops_region_t  *old;

    for (i = 0; i < w->nregions && w->regions[i].from < r->to; /* void */ ) {
        old = &w->regions[i];

        if (old->to <= r->from) {
            i++;
            continue;
        }

        if (old->written || old->first < r->first
            || (old->first == r->first && old->pattern < r->pattern))
        {
            r->first = old->first;
            r->pattern = old->pattern;
        }

        r->written |= old->written;
        r->from = ngx_min(r->from, old->from);
        r->to = ngx_max(r->to, old->to);

        ngx_memmove(old, old + 1,
                    (w->nregions - i - 1) * sizeof(ngx_llmops_region_t));
        w->nregions--;
    }

    return i;
}


ngx_int_t
ngx_llmops_window_region(ngx_llmops_window_t *w, ngx_uint_t pattern,
    uint64_t from, uint64_t to)
{
    void                 *p;
    size_t                k;
    ngx_llmops_region_t   r;

    r.from = from;
    r.to = to;
    r.first = from;
    r.pattern = pattern;
    r.written = 0;

    k = ngx_llmops_window_overlap(w, &r);

    if (w->nregions == w->max_regions) {
        p = realloc(w->regions, (w->max_regions * 2 + 8)
                                * sizeof(ngx_llmops_region_t));
        if (p == NULL) {
            return NGX_ERROR;
        }

        w->regions = p;
        w->max_regions = w->max_regions * 2 + 8;
    }

    ngx_memmove(&w->regions[k + 1], &w->regions[k],
                (w->nregions - k) * sizeof(ngx_llmops_region_t));
    w->regions[k] = r;
    w->nregions++;

    return NGX_OK;
}


static void
ngx_llmops_window_replace(ngx_llmops_window_t *w, ngx_llmops_region_t *r,
    ngx_llmops_out_t *out)
{
    ngx_llmops_pattern_t  *p;

    p = &w->set->patterns[r->pattern];

    if (w->map && p->reversible) {
        w->map(w->map_data, p, w->buf + (r->from - w->base), r->to - r->from,
               out);

    } else {
        (void) ngx_llmops_out_str(out, &p->replacement);
    }

    r->written = 1;
}


void
ngx_llmops_window_release(ngx_llmops_window_t *w, uint64_t to,
    ngx_llmops_out_t *out)
{
    size_t                i;
    uint64_t              end;
    ngx_llmops_region_t  *r;

    for (i = 0; i < w->nregions && w->regions[i].from < to; i++) {
        r = &w->regions[i];

        if (w->released < r->from) {
            (void) ngx_llmops_out_write(out, w->buf + (w->released - w->base),
                                        r->from - w->released);
        }

        if (!r->written) {
            ngx_llmops_window_replace(w, r, out);
        }

        end = ngx_min(r->to, to);
        w->released = ngx_max(w->released, end);

        if (r->to > to) {
            break;
        }
    }

    if (w->released < to) {
        (void) ngx_llmops_out_write(out, w->buf + (w->released - w->base),
                                    to - w->released);
        w->released = to;
    }

    if (i) {
        ngx_memmove(w->regions, w->regions + i,
                    (w->nregions - i) * sizeof(ngx_llmops_region_t));
        w->nregions -= i;
    }
}

#endif
