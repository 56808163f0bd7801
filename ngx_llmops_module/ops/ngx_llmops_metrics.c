
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_metrics.h"
#include "ngx_llmops_provider.h"
#include "ngx_llmops_series.h"
#include "ngx_llmops_prompt.h"
#include "ngx_llmops_detached.h"


/*
 * Counting.  A request ends with about a dozen atomic additions to one node
 * of the zone and nothing else: no lock, no look-up, no allocation.  The node
 * is found by the names of route, target and operation when a worker first
 * counts under them, and the pointer kept.
 *
 * Additions are relaxed in meaning, if not in the instruction: a page that is
 * read while others count may show a request in one histogram and not yet in
 * the next, but never a count that goes down.
 */


typedef struct {
    ngx_llmops_worker_sh_t    *worker;     /* ours, or NULL */
} ngx_llmops_counting_t;


/* series of a version of a prompt, or of a purpose: one of each target and
   operation */

typedef struct ngx_llmops_listed_s  ngx_llmops_listed_t;

struct ngx_llmops_listed_s {
    ngx_llmops_target_t       *target;     /* or NULL */
    ngx_llmops_op_e            op;
    void                      *series;
    ngx_llmops_listed_t       *next;
};


static ngx_llmops_series_sh_t *ngx_llmops_series(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_ctx_t *ctx);
static void **ngx_llmops_series_listed(ngx_llmops_ctx_t *ctx, void **list,
    ngx_llmops_arena_t *arena);
static ngx_llmops_series_sh_t *ngx_llmops_series_node(
    ngx_llmops_main_conf_t *mcf, ngx_llmops_ctx_t *ctx);
static void ngx_llmops_count_tokens(ngx_llmops_series_sh_t *s,
    ngx_llmops_usage_t *usage);
static void ngx_llmops_count_times(ngx_llmops_series_sh_t *s,
    ngx_llmops_ctx_t *ctx);
static void ngx_llmops_observe(ngx_llmops_histogram_t *h,
    const ngx_llmops_bounds_t *bounds, int64_t value);
static void ngx_llmops_add(ngx_atomic_t *counter, int64_t n);
static ngx_llmops_outcome_e ngx_llmops_outcome(ngx_uint_t status,
    ngx_llmops_fail_e fail);
static ngx_int_t ngx_llmops_sum_target(ngx_str_t *name, void *node,
    void *data);


/* the buckets of OpenTelemetry's conventions for generative AI */

const ngx_llmops_bounds_t  ngx_llmops_duration_bounds = {
    14,
    { 10000, 20000, 40000, 80000, 160000, 320000, 640000, 1280000, 2560000,
      5120000, 10240000, 20480000, 40960000, 81920000 },
    { "0.01", "0.02", "0.04", "0.08", "0.16", "0.32", "0.64", "1.28", "2.56",
      "5.12", "10.24", "20.48", "40.96", "81.92" }
};

const ngx_llmops_bounds_t  ngx_llmops_token_bounds = {
    14,
    { 1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304,
      16777216, 67108864 },
    { "1", "4", "16", "64", "256", "1024", "4096", "16384", "65536",
      "262144", "1048576", "4194304", "16777216", "67108864" }
};

const ngx_llmops_bounds_t  ngx_llmops_first_token_bounds = {
    16,
    { 1000, 5000, 10000, 20000, 40000, 60000, 80000, 100000, 250000, 500000,
      750000, 1000000, 2500000, 5000000, 7500000, 10000000 },
    { "0.001", "0.005", "0.01", "0.02", "0.04", "0.06", "0.08", "0.1", "0.25",
      "0.5", "0.75", "1", "2.5", "5", "7.5", "10" }
};

const ngx_llmops_bounds_t  ngx_llmops_per_token_bounds = {
    13,
    { 10000, 25000, 50000, 75000, 100000, 150000, 200000, 300000, 400000,
      500000, 750000, 1000000, 2500000 },
    { "0.01", "0.025", "0.05", "0.075", "0.1", "0.15", "0.2", "0.3", "0.4",
      "0.5", "0.75", "1", "2.5" }
};


/* in the order of ngx_llmops_outcome_e */

const ngx_str_t  ngx_llmops_outcome_names[] = {
    ngx_string("2xx"),
    ngx_string("4xx"),
    ngx_string("429"),
    ngx_string("5xx"),
    ngx_string("connect"),
    ngx_string("first_token_timeout"),
    ngx_string("total_timeout"),
    ngx_string("idle_timeout"),
    ngx_string("first_event"),
    ngx_string("invalid"),
    ngx_string("closed")
};


/* what a full zone cannot hold is counted here, and shown nowhere */

static ngx_llmops_series_sh_t  ngx_llmops_series_lost;


void
ngx_llmops_metrics_start(ngx_llmops_main_conf_t *mcf)
{
    u_char                  *p, text[NGX_INT_T_LEN];
    ngx_str_t                name;
    ngx_llmops_worker_sh_t  *w;
    ngx_llmops_counting_t   *counting;

    counting = ngx_pcalloc(ngx_cycle->pool, sizeof(ngx_llmops_counting_t));
    if (counting == NULL) {
        return;
    }

    p = ngx_sprintf(text, "%i", ngx_process_slot);

    name.data = text;
    name.len = p - text;

    w = ngx_llmops_zone_node(mcf->zone, NGX_LLMOPS_NODE_WORKER, &name,
                             sizeof(ngx_llmops_worker_sh_t));

    if (w) {

        /*
         * The master gives a slot away only after it has seen the end of the
         * process that had it, so that nobody else writes here.  What that
         * one had in flight is gone: a reader must not see its counts under
         * our pid, hence the barrier.
         */

        w->pid = 0;
        ngx_memory_barrier();

        ngx_memzero(w, sizeof(ngx_llmops_worker_sh_t));
        ngx_memory_barrier();

        w->pid = (ngx_atomic_uint_t) ngx_pid;
    }

    counting->worker = w;
    mcf->global = counting;
}


void
ngx_llmops_metrics_attach(ngx_llmops_main_conf_t *mcf, ngx_llmops_target_t *t)
{
    ngx_uint_t              n;
    ngx_llmops_counting_t  *counting;

    counting = mcf->global;

    t->sh = ngx_llmops_zone_node(mcf->zone, NGX_LLMOPS_NODE_TARGET, &t->name,
                                 sizeof(ngx_llmops_target_sh_t));

    t->in_flight = NULL;

    if (t->sh && counting && counting->worker) {
        n = ngx_llmops_zone_ordinal(t->sh);

        if (n < NGX_LLMOPS_MAX_GAUGES) {
            t->in_flight = &counting->worker->targets[n];
        }
    }

    t->series = ngx_pcalloc(ngx_cycle->pool,
                            NGX_LLMOPS_OP_MAX * sizeof(void *));
}


void
ngx_llmops_metrics_enter(ngx_llmops_main_conf_t *mcf)
{
    ngx_llmops_counting_t  *counting = mcf->global;

    if (counting && counting->worker) {
        counting->worker->requests++;        /* ours alone */
    }
}


void
ngx_llmops_metrics_leave(ngx_llmops_main_conf_t *mcf)
{
    ngx_llmops_counting_t  *counting = mcf->global;

    if (counting && counting->worker && counting->worker->requests) {
        counting->worker->requests--;
    }
}


void
ngx_llmops_metrics_detached(ngx_llmops_main_conf_t *mcf, ngx_uint_t n)
{
    ngx_llmops_counting_t  *counting = mcf->global;

    if (counting && counting->worker) {
        counting->worker->detached = n;
    }
}


void
ngx_llmops_metrics_attempt(ngx_llmops_ctx_t *ctx, ngx_llmops_target_t *t,
    ngx_uint_t status, ngx_llmops_fail_e fail)
{
    ngx_llmops_outcome_e  outcome;

    if (t->sh == NULL) {
        return;
    }

    outcome = ngx_llmops_outcome(status, fail);

    ngx_llmops_add(&t->sh->attempts[outcome], 1);

    /* two words of two attempts may stand together: they are only shown */

    if (outcome != NGX_LLMOPS_OUTCOME_2XX) {
        t->sh->failed_how = outcome;
        t->sh->failed_at = (ngx_atomic_uint_t) ngx_llmops_now();
    }
}


static ngx_llmops_outcome_e
ngx_llmops_outcome(ngx_uint_t status, ngx_llmops_fail_e fail)
{
    switch (fail) {

    case NGX_LLMOPS_FAIL_CONNECT:
        return NGX_LLMOPS_OUTCOME_CONNECT;

    case NGX_LLMOPS_FAIL_FIRST_TOKEN:
        return NGX_LLMOPS_OUTCOME_FIRST_TOKEN;

    case NGX_LLMOPS_FAIL_TOTAL:
        return NGX_LLMOPS_OUTCOME_TOTAL;

    case NGX_LLMOPS_FAIL_IDLE:
        return NGX_LLMOPS_OUTCOME_IDLE;

    case NGX_LLMOPS_FAIL_FIRST_EVENT:
        return NGX_LLMOPS_OUTCOME_FIRST_EVENT;

    case NGX_LLMOPS_FAIL_INVALID:
    case NGX_LLMOPS_FAIL_CHECK:
        return NGX_LLMOPS_OUTCOME_INVALID;

    case NGX_LLMOPS_FAIL_CLOSED:
        return NGX_LLMOPS_OUTCOME_CLOSED;

    case NGX_LLMOPS_FAIL_CUT:                /* the provider has done well */
        return NGX_LLMOPS_OUTCOME_2XX;

    default:                                 /* NONE, STATUS */
        break;
    }

    if (status == 0) {
        return NGX_LLMOPS_OUTCOME_CONNECT;
    }

    if (status < 400) {
        return NGX_LLMOPS_OUTCOME_2XX;
    }

    if (status == 429) {
        return NGX_LLMOPS_OUTCOME_429;
    }

    return (status < 500) ? NGX_LLMOPS_OUTCOME_4XX : NGX_LLMOPS_OUTCOME_5XX;
}


void
ngx_llmops_metrics_account(ngx_llmops_main_conf_t *mcf, ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_series_sh_t  *s;

    if (mcf->global == NULL) {
        return;
    }

    s = ngx_llmops_series(mcf, ctx);

    ngx_llmops_count_times(s, ctx);

    if (ctx->meter.usage.source == NGX_LLMOPS_USAGE_NONE) {
        return;
    }

    ngx_llmops_count_tokens(s, &ctx->meter.usage);

    if (ctx->cost < 0) {
        ngx_llmops_add(&s->unpriced, 1);

    } else {
        ngx_llmops_add(&s->cost, ctx->cost);
    }
}


static ngx_llmops_series_sh_t *
ngx_llmops_series(ngx_llmops_main_conf_t *mcf, ngx_llmops_ctx_t *ctx)
{
    void                    **slot;
    ngx_llmops_target_t      *t;
    ngx_llmops_series_sh_t   *s;

    t = ctx->target;
    slot = NULL;

    if (ctx->detached) {
        slot = ngx_llmops_series_listed(ctx, &ctx->detached->purpose->series,
                                        NULL);

    } else if (ctx->prompt && t) {
        slot = ngx_llmops_series_listed(ctx, &ctx->prompt->series,
                                        &ctx->prompt->arena);

    } else if (t && t->series) {
        slot = &t->series[ctx->env.op];
    }

    if (slot && *slot) {
        return *slot;
    }

    s = ngx_llmops_series_node(mcf, ctx);

    if (s == NULL) {
        s = &ngx_llmops_series_lost;
    }

    if (slot) {
        *slot = s;
    }

    return s;
}


/* where the pointer is kept: for as long as the arena, or this cycle; NULL if
   out of memory */

static void **
ngx_llmops_series_listed(ngx_llmops_ctx_t *ctx, void **list,
    ngx_llmops_arena_t *arena)
{
    ngx_llmops_listed_t  *one;

    for (one = *list; one; one = one->next) {
        if (one->target == ctx->target && one->op == ctx->env.op) {
            return &one->series;
        }
    }

    one = arena ? ngx_llmops_arena_alloc(arena, sizeof(ngx_llmops_listed_t))
                : ngx_pcalloc(ngx_cycle->pool, sizeof(ngx_llmops_listed_t));

    if (one == NULL) {
        return NULL;
    }

    one->target = ctx->target;
    one->op = ctx->env.op;
    one->next = *list;

    *list = one;

    return &one->series;
}


static ngx_llmops_series_sh_t *
ngx_llmops_series_node(ngx_llmops_main_conf_t *mcf, ngx_llmops_ctx_t *ctx)
{
    u_char                  *p;
    ngx_str_t                name, label[NGX_LLMOPS_LABEL_MAX];
    ngx_uint_t               i, n;
    ngx_llmops_target_t     *t;
    ngx_llmops_series_sh_t  *s;

    ngx_memzero(label, sizeof(label));

    t = ctx->target;

    if (t) {
        label[NGX_LLMOPS_LABEL_ROUTE] = t->route->name;
        label[NGX_LLMOPS_LABEL_TARGET] = t->name;
        label[NGX_LLMOPS_LABEL_PROVIDER] = t->provider->dialect->provider;
        label[NGX_LLMOPS_LABEL_MODEL] = t->model;

    } else if (ctx->plan.route) {
        label[NGX_LLMOPS_LABEL_ROUTE] = ctx->plan.route->name;
    }

    if (ctx->detached) {
        label[NGX_LLMOPS_LABEL_ROUTE] = ctx->detached->purpose->label;
    }

    label[NGX_LLMOPS_LABEL_OPERATION] = ngx_llmops_op_names[ctx->env.op];

    n = NGX_LLMOPS_LABEL_PROMPT;

    if (ctx->prompt) {
        label[n++] = ctx->prompt->full;
    }

    name.len = n - 1;

    for (i = 0; i < n; i++) {
        name.len += label[i].len;
    }

    name.data = ngx_alloc(name.len + 1, ngx_cycle->log);
    if (name.data == NULL) {
        return NULL;
    }

    p = name.data;

    for (i = 0; i < n; i++) {
        p = ngx_cpymem(p, label[i].data, label[i].len);
        *p++ = '\0';
    }

    s = ngx_llmops_zone_node(mcf->zone, NGX_LLMOPS_NODE_SERIES, &name,
                             sizeof(ngx_llmops_series_sh_t));

    ngx_free(name.data);

    return s;
}


static void
ngx_llmops_count_times(ngx_llmops_series_sh_t *s, ngx_llmops_ctx_t *ctx)
{
    int64_t  total, first, output;

    total = (int64_t) ngx_llmops_ctx_total(ctx) * 1000;

    ngx_llmops_observe(&s->duration[ctx->error], &ngx_llmops_duration_bounds,
                       total);

    /* a whole answer comes at once: its first byte is not its first token */

    if (!ctx->call.streaming || ctx->first_token == (ngx_msec_t) -1) {
        return;
    }

    first = (int64_t) ctx->first_token * 1000;

    ngx_llmops_observe(&s->first_token, &ngx_llmops_first_token_bounds, first);

    output = ctx->meter.usage.output;

    if (output > 1 && total >= first) {
        ngx_llmops_observe(&s->per_token, &ngx_llmops_per_token_bounds,
                           (total - first) / (output - 1));
    }
}


static void
ngx_llmops_count_tokens(ngx_llmops_series_sh_t *s, ngx_llmops_usage_t *usage)
{
    ngx_llmops_observe(&s->input, &ngx_llmops_token_bounds, usage->input);

    /* embeddings have no output at all */

    if (usage->output > 0) {
        ngx_llmops_observe(&s->output, &ngx_llmops_token_bounds,
                           usage->output);
    }

    ngx_llmops_add(&s->cached, usage->cache_read);
    ngx_llmops_add(&s->cache_write, usage->cache_write);
    ngx_llmops_add(&s->reasoning, usage->reasoning);

    if (usage->source == NGX_LLMOPS_USAGE_ESTIMATED) {
        ngx_llmops_add(&s->estimated, 1);
    }
}


static void
ngx_llmops_observe(ngx_llmops_histogram_t *h,
    const ngx_llmops_bounds_t *bounds, int64_t value)
{
    ngx_uint_t  i;

    for (i = 0; i < bounds->nelts; i++) {
        if (value <= bounds->bound[i]) {
            break;
        }
    }

    ngx_llmops_add(&h->sum, value);
    ngx_llmops_add(&h->bucket[i], 1);
}


/* 0 is added without touching the line; a count never goes down */

static void
ngx_llmops_add(ngx_atomic_t *counter, int64_t n)
{
    if (n > 0) {
        (void) ngx_atomic_fetch_add(counter, (ngx_atomic_int_t) n);
    }
}


/*
 * A process that has ended leaves its node behind until another one gets its
 * slot, which after a reload may be never.  Signal 0 only asks.
 */

ngx_uint_t
ngx_llmops_worker_lives(ngx_llmops_worker_sh_t *w)
{
    ngx_pid_t  pid;

    pid = (ngx_pid_t) w->pid;

    if (pid == 0) {
        return 0;
    }

    return pid == ngx_pid || kill(pid, 0) == 0 || ngx_errno != NGX_ESRCH;
}


typedef struct {
    ngx_uint_t                 ordinal;
    ngx_uint_t                 sum;
} ngx_llmops_sum_t;


ngx_uint_t
ngx_llmops_target_in_flight(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_target_t *t)
{
    ngx_llmops_sum_t  sum;

    if (t->sh == NULL) {
        return 0;
    }

    sum.ordinal = ngx_llmops_zone_ordinal(t->sh);
    sum.sum = 0;

    if (sum.ordinal < NGX_LLMOPS_MAX_GAUGES) {
        (void) ngx_llmops_zone_each(mcf->zone, NGX_LLMOPS_NODE_WORKER,
                                    ngx_llmops_sum_target, &sum);
    }

    return sum.sum;
}


static ngx_int_t
ngx_llmops_sum_target(ngx_str_t *name, void *node, void *data)
{
    ngx_uint_t               n;
    ngx_llmops_sum_t        *sum = data;
    ngx_llmops_worker_sh_t  *w = node;

    n = w->targets[sum->ordinal];

    if (n && ngx_llmops_worker_lives(w)) {
        sum->sum += n;
    }

    return NGX_OK;
}
