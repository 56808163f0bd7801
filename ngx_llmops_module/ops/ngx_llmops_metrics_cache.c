
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_metrics_print.h"
#include "ngx_llmops_cache_own.h"
#include "ngx_llmops_vectors.h"


/* The cache: requests and what was saved by route, memory, Redis, and vectors
   there. */


static void ngx_llmops_print_route(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name);


void
ngx_llmops_print_cache_requests(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_uint_t              i;
    ngx_llmops_cache_sh_t  *sh = node;

    for (i = NGX_LLMOPS_CACHE_BYPASS; i < NGX_LLMOPS_CACHE_MAX; i++) {
        if (sh->requests[i]) {
            ngx_llmops_print_route(pr, f, name);
            ngx_llmops_page_printf(&pr->page, "\",status=\"%V\"} %uA\n",
                                   &ngx_llmops_cache_names[i],
                                   sh->requests[i]);
        }
    }
}


void
ngx_llmops_print_cache_tokens(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_llmops_cache_sh_t  *sh = node;

    ngx_llmops_print_route(pr, f, name);
    ngx_llmops_page_printf(&pr->page, "\",type=\"input\"} %uA\n", sh->input);

    ngx_llmops_print_route(pr, f, name);
    ngx_llmops_page_printf(&pr->page, "\",type=\"output\"} %uA\n",
                           sh->output);
}


void
ngx_llmops_print_cache_cost(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    uint64_t                cost;
    ngx_llmops_cache_sh_t  *sh = node;

    cost = (uint64_t) sh->cost;

    ngx_llmops_print_route(pr, f, name);
    ngx_llmops_page_printf(&pr->page, "\"} %uL.%012uL\n",
                           cost / 1000000000000ull, cost % 1000000000000ull);
}


void
ngx_llmops_print_cache_shadow(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_llmops_cache_sh_t  *sh = node;

    if (sh->shadow_hits) {
        ngx_llmops_print_route(pr, f, name);
        ngx_llmops_page_printf(&pr->page, "\"} %uA\n", sh->shadow_hits);
    }
}


/* what judges said, as ngx_llmops_says_e */

void
ngx_llmops_print_cache_judged(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_uint_t              i;
    ngx_llmops_cache_sh_t  *sh = node;

    static const char *const  says[] = { "pass", "fail", "none" };

    for (i = 0; i < 3; i++) {
        if (sh->judged[i]) {
            ngx_llmops_print_route(pr, f, name);
            ngx_llmops_page_printf(&pr->page, "\",verdict=\"%s\"} %uA\n",
                                   says[i], sh->judged[i]);
        }
    }
}


/* memory by offset in ngx_llmops_cache_stats_t */

void
ngx_llmops_print_cache_memory(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_llmops_cache_stats_t  stats;

    if (pr->mcf->cache == NULL) {
        return;
    }

    ngx_llmops_cache_stats(pr->mcf, &stats);

    ngx_llmops_page_printf(&pr->page, "%V %L\n", &f->name,
                           *(int64_t *) (void *) ((u_char *) &stats
                                                  + f->offset));
}


void
ngx_llmops_print_cache_redis(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_uint_t                    i;
    ngx_llmops_cache_redis_sh_t  *sh = node;

    for (i = 0; i < NGX_LLMOPS_CACHE_REDIS_EVENTS; i++) {
        if (sh->events[i]) {
            ngx_llmops_page_printf(&pr->page, "%V{event=\"%V\"} %uA\n",
                                   &f->name,
                                   &ngx_llmops_cache_redis_events[i],
                                   sh->events[i]);
        }
    }
}


void
ngx_llmops_print_vectors(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_uint_t                i, j;
    ngx_llmops_vectors_sh_t  *sh = node;

    for (i = 0; i < NGX_LLMOPS_VECTORS_KINDS; i++) {
        for (j = 0; j < NGX_LLMOPS_VECTORS_RESULTS; j++) {
            if (sh->counts[i][j]) {
                ngx_llmops_page_printf(&pr->page, "%V{command=\"%V\","
                                       "result=\"%V\"} %uA\n", &f->name,
                                       &ngx_llmops_vectors_kinds[i],
                                       &ngx_llmops_vectors_results[j],
                                       sh->counts[i][j]);
            }
        }
    }
}


/* up to the route's name */

static void
ngx_llmops_print_route(ngx_llmops_print_t *pr, const ngx_llmops_family_t *f,
    ngx_str_t *name)
{
    ngx_llmops_page_printf(&pr->page, "%V{route=\"", &f->name);
    ngx_llmops_print_escaped(pr, name->data, name->len);
}
