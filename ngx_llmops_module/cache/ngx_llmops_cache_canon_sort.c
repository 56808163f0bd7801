
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_canon.h"


/*
 * The members of an object are put in order, when its end is there.
 */


static ngx_int_t ngx_llmops_canon_move(ngx_llmops_canon_t *c,
    ngx_llmops_canon_member_t *m, size_t n, size_t start);
static int ngx_llmops_canon_cmp(const void *one, const void *two);
static ngx_int_t ngx_llmops_canon_cmp_names(const u_char *a, const u_char *b);


/* an object's end: its members, those from offset first on, are sorted */

ngx_int_t
ngx_llmops_canon_close(ngx_llmops_canon_t *c, size_t first)
{
    size_t                      i, n, start;
    ngx_int_t                   rc;
    ngx_uint_t                  sorted;
    ngx_llmops_canon_member_t  *m;
    ngx_llmops_cache_scratch_t *s = c->s;

    n = (s->members.len - first) / sizeof(ngx_llmops_canon_member_t);

    if (s->out.failed) {
        return NGX_ERROR;
    }

    if (n > 1) {
        m = (ngx_llmops_canon_member_t *) (void *) (s->members.data + first);
        start = m[0].start;
        sorted = 1;

        for (i = 0; i < n; i++) {
            m[i].name = s->out.data + m[i].start;

            if (i && ngx_llmops_canon_cmp_names(m[i - 1].name, m[i].name)
                     > 0)
            {
                sorted = 0;
            }
        }

        if (!sorted) {
            qsort(m, n, sizeof(ngx_llmops_canon_member_t),
                  ngx_llmops_canon_cmp);
        }

        for (i = 1; i < n; i++) {
            if (ngx_llmops_canon_cmp_names(m[i - 1].name, m[i].name) == 0) {
                c->why = NGX_LLMOPS_CACHE_DUPLICATE;
                return NGX_DECLINED;
            }
        }

        if (!sorted) {
            rc = ngx_llmops_canon_move(c, m, n, start);
            if (rc != NGX_OK) {
                return rc;
            }
        }
    }

    s->members.len = first;

    return ngx_llmops_out_lit(&s->out, "e");
}


static ngx_int_t
ngx_llmops_canon_move(ngx_llmops_canon_t *c, ngx_llmops_canon_member_t *m,
    size_t n, size_t start)
{
    size_t                       i, size;
    ngx_llmops_cache_scratch_t  *s = c->s;

    size = s->out.len - start;

    if (size > c->moves) {
        c->why = NGX_LLMOPS_CACHE_COMPLEX;
        return NGX_DECLINED;
    }

    c->moves -= size;

    ngx_llmops_out_reset(&s->swap);

    for (i = 0; i < n; i++) {
        ngx_llmops_out_write(&s->swap, s->out.data + m[i].start,
                             m[i].end - m[i].start);
    }

    /* members that were left out have left no gaps */

    if (s->swap.failed || s->swap.len != size) {
        return NGX_ERROR;
    }

    ngx_memcpy(s->out.data + start, s->swap.data, size);

    return NGX_OK;
}


static int
ngx_llmops_canon_cmp(const void *one, const void *two)
{
    const ngx_llmops_canon_member_t  *a = one;
    const ngx_llmops_canon_member_t  *b = two;

    return (int) ngx_llmops_canon_cmp_names(a->name, b->name);
}


static ngx_int_t
ngx_llmops_canon_cmp_names(const u_char *a, const u_char *b)
{
    int        rc;
    ngx_str_t  one, two;

    one = ngx_llmops_cache_string(a);
    two = ngx_llmops_cache_string(b);

    rc = memcmp(one.data, two.data, ngx_min(one.len, two.len));

    if (rc) {
        return rc;
    }

    return (one.len > two.len) - (one.len < two.len);
}
