
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_metrics_print.h"
#include "ngx_llmops_redis.h"

#include <signal.h>


/*
 * Redis, as all workers together see it: their nodes are added up.  Without
 * llm_redis there are none, and nothing is shown.
 */


typedef struct {
    ngx_uint_t                 workers;
    ngx_uint_t                 up;
    ngx_uint_t                 commands[NGX_LLMOPS_REDIS_OUTCOMES];
    uint64_t                   us;
    ngx_uint_t                 bucket[NGX_LLMOPS_REDIS_BOUNDS + 1];
} ngx_llmops_redis_sum_t;


static void ngx_llmops_redis_sum(ngx_llmops_print_t *pr,
    ngx_llmops_redis_sum_t *sum);
static ngx_int_t ngx_llmops_redis_add_node(ngx_str_t *name, void *node,
    void *data);
static ngx_uint_t ngx_llmops_redis_lives(ngx_llmops_redis_sh_t *sh);


void
ngx_llmops_print_redis_up(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_llmops_redis_sum_t  sum;

    ngx_llmops_redis_sum(pr, &sum);

    if (sum.workers) {
        ngx_llmops_page_printf(&pr->page, "%V %ui\n", &f->name,
                               (ngx_uint_t) (sum.up == sum.workers));
    }
}


void
ngx_llmops_print_redis_commands(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_uint_t              i;
    ngx_llmops_redis_sum_t  sum;

    ngx_llmops_redis_sum(pr, &sum);

    for (i = 0; i < NGX_LLMOPS_REDIS_OUTCOMES; i++) {
        if (sum.commands[i]) {
            ngx_llmops_page_printf(&pr->page, "%V{outcome=\"%V\"} %ui\n",
                                   &f->name, &ngx_llmops_redis_outcomes[i],
                                   sum.commands[i]);
        }
    }
}


void
ngx_llmops_print_redis_round_trip(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_uint_t              i, n;
    ngx_llmops_page_t      *page;
    ngx_llmops_redis_sum_t  sum;

    ngx_llmops_redis_sum(pr, &sum);

    page = &pr->page;
    n = 0;

    for (i = 0; i <= NGX_LLMOPS_REDIS_BOUNDS; i++) {
        n += sum.bucket[i];
    }

    if (n == 0) {
        return;
    }

    n = 0;

    for (i = 0; i < NGX_LLMOPS_REDIS_BOUNDS; i++) {
        n += sum.bucket[i];

        ngx_llmops_page_printf(page, "%V_bucket{le=\"%s\"} %ui\n", &f->name,
                               ngx_llmops_redis_bounds[i].text, n);
    }

    n += sum.bucket[i];

    ngx_llmops_page_printf(page, "%V_bucket{le=\"+Inf\"} %ui\n", &f->name, n);
    ngx_llmops_page_printf(page, "%V_sum %uL.%06uL\n", &f->name,
                           sum.us / 1000000, sum.us % 1000000);
    ngx_llmops_page_printf(page, "%V_count %ui\n", &f->name, n);
}


static void
ngx_llmops_redis_sum(ngx_llmops_print_t *pr, ngx_llmops_redis_sum_t *sum)
{
    ngx_memzero(sum, sizeof(ngx_llmops_redis_sum_t));

    (void) ngx_llmops_zone_each(pr->mcf->zone, NGX_LLMOPS_NODE_REDIS,
                                ngx_llmops_redis_add_node, sum);
}


static ngx_int_t
ngx_llmops_redis_add_node(ngx_str_t *name, void *node, void *data)
{
    ngx_llmops_redis_sh_t   *sh = node;
    ngx_llmops_redis_sum_t  *sum = data;

    ngx_uint_t  i;

    if (ngx_llmops_redis_lives(sh)) {
        sum->workers++;
        sum->up += sh->up;
    }

    for (i = 0; i < NGX_LLMOPS_REDIS_OUTCOMES; i++) {
        sum->commands[i] += sh->commands[i];
    }

    for (i = 0; i <= NGX_LLMOPS_REDIS_BOUNDS; i++) {
        sum->bucket[i] += sh->bucket[i];
    }

    sum->us += sh->us;

    return NGX_OK;
}


/* a worker that was killed has left its node as it was */

static ngx_uint_t
ngx_llmops_redis_lives(ngx_llmops_redis_sh_t *sh)
{
    ngx_pid_t  pid;

    pid = (ngx_pid_t) sh->pid;

    return pid && (pid == ngx_pid
                   || kill(pid, 0) == 0 || ngx_errno != NGX_ESRCH);
}
