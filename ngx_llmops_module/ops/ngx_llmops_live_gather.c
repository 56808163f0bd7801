
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_live.h"
#include "ngx_llmops_detached.h"
#include "ngx_llmops_guard.h"
#include "ngx_llmops_limit_sh.h"
#include "ngx_llmops_redis.h"
#include "ngx_llmops_rules.h"


/*
 * From shared memory to rows.  Rows are those of the configuration; what a
 * reload has taken out still counts in the sums of all.
 */


static void ngx_llmops_live_rows(ngx_llmops_live_t *l);
static void ngx_llmops_live_targets(ngx_llmops_live_t *l,
    ngx_llmops_target_t *t, ngx_uint_t n);
static ngx_llmops_live_row_t *ngx_llmops_live_add(ngx_llmops_live_t *l,
    ngx_array_t *rows, ngx_str_t *name);
static ngx_llmops_live_row_t *ngx_llmops_live_find(ngx_array_t *rows,
    ngx_str_t *name);
static ngx_int_t ngx_llmops_live_purpose(ngx_str_t *name, void *node,
    void *data);
static ngx_int_t ngx_llmops_live_worker(ngx_str_t *name, void *node,
    void *data);
static ngx_int_t ngx_llmops_live_series(ngx_str_t *name, void *node,
    void *data);
static void ngx_llmops_live_sum(ngx_llmops_live_row_t *row,
    ngx_llmops_series_sh_t *s);
static ngx_int_t ngx_llmops_live_rule(ngx_str_t *name, void *node,
    void *data);
static ngx_int_t ngx_llmops_live_limit(ngx_str_t *name, void *node,
    void *data);
static void ngx_llmops_live_fill(ngx_llmops_live_t *l, ngx_str_t *name,
    ngx_llmops_limit_sh_t *sh, ngx_llmops_fill_sh_t *fill);
static void ngx_llmops_live_denied(ngx_llmops_live_t *l, ngx_str_t *name,
    ngx_uint_t unit, uint64_t denied);
static ngx_int_t ngx_llmops_live_redis(ngx_str_t *name, void *node,
    void *data);


void
ngx_llmops_live_gather(ngx_llmops_live_t *l)
{
    ngx_shm_zone_t  *zone;

    zone = l->mcf->zone;
    l->now = ngx_llmops_now();

    ngx_llmops_live_rows(l);

    if (l->failed || zone == NULL) {
        return;
    }

    (void) ngx_llmops_zone_each(zone, NGX_LLMOPS_NODE_PURPOSE,
                                ngx_llmops_live_purpose, l);
    (void) ngx_llmops_zone_each(zone, NGX_LLMOPS_NODE_WORKER,
                                ngx_llmops_live_worker, l);
    (void) ngx_llmops_zone_each(zone, NGX_LLMOPS_NODE_SERIES,
                                ngx_llmops_live_series, l);
    (void) ngx_llmops_zone_each(zone, NGX_LLMOPS_NODE_RULE,
                                ngx_llmops_live_rule, l);
    (void) ngx_llmops_zone_each(zone, NGX_LLMOPS_NODE_LIMIT,
                                ngx_llmops_live_limit, l);
    (void) ngx_llmops_zone_each(zone, NGX_LLMOPS_NODE_REDIS,
                                ngx_llmops_live_redis, l);
}


static void
ngx_llmops_live_rows(ngx_llmops_live_t *l)
{
    ngx_uint_t              i;
    ngx_llmops_route_t    **route;
    ngx_llmops_target_t   **named;
    ngx_llmops_live_row_t  *row;

    if (ngx_array_init(&l->routes, l->pool, 16, sizeof(ngx_llmops_live_row_t))
        != NGX_OK
        || ngx_array_init(&l->targets, l->pool, 16,
                          sizeof(ngx_llmops_live_row_t))
           != NGX_OK
        || ngx_array_init(&l->purposes, l->pool, 8,
                          sizeof(ngx_llmops_live_row_t))
           != NGX_OK
        || ngx_array_init(&l->rules, l->pool, 16,
                          sizeof(ngx_llmops_live_rule_t))
           != NGX_OK
        || ngx_array_init(&l->limits, l->pool, 16,
                          sizeof(ngx_llmops_live_limit_t))
           != NGX_OK)
    {
        l->failed = 1;
        return;
    }

    route = l->mcf->routes.elts;

    for (i = 0; i < l->mcf->routes.nelts; i++) {

        row = ngx_llmops_live_add(l, &l->routes, &route[i]->name);

        if (row) {
            row->route = route[i];
        }

        ngx_llmops_live_targets(l, route[i]->targets.elts,
                                route[i]->targets.nelts);
    }

    if (l->mcf->named) {
        named = l->mcf->named->elts;

        for (i = 0; i < l->mcf->named->nelts; i++) {
            ngx_llmops_live_targets(l, named[i], 1);
        }
    }
}


/* one row, whatever the routes that a target is of: its state is one, too */

static void
ngx_llmops_live_targets(ngx_llmops_live_t *l, ngx_llmops_target_t *t,
    ngx_uint_t n)
{
    ngx_uint_t              i;
    ngx_llmops_live_row_t  *row;

    for (i = 0; i < n; i++) {

        if (ngx_llmops_live_find(&l->targets, &t[i].name)) {
            continue;
        }

        row = ngx_llmops_live_add(l, &l->targets, &t[i].name);

        if (row) {
            row->sh = t[i].sh;
        }
    }
}


static ngx_llmops_live_row_t *
ngx_llmops_live_add(ngx_llmops_live_t *l, ngx_array_t *rows, ngx_str_t *name)
{
    ngx_llmops_live_row_t  *row;

    if (rows->nelts >= NGX_LLMOPS_LIVE_MOST) {
        l->truncated = 1;
        return NULL;
    }

    row = ngx_array_push(rows);

    if (row == NULL) {
        l->failed = 1;
        return NULL;
    }

    ngx_memzero(row, sizeof(ngx_llmops_live_row_t));

    row->name = *name;
    row->hash = ngx_crc32_short(name->data, name->len);

    return row;
}


static ngx_llmops_live_row_t *
ngx_llmops_live_find(ngx_array_t *rows, ngx_str_t *name)
{
    uint32_t                hash;
    ngx_uint_t              i;
    ngx_llmops_live_row_t  *row;

    row = rows->elts;
    hash = ngx_crc32_short(name->data, name->len);

    for (i = 0; i < rows->nelts; i++) {
        if (row[i].hash == hash && row[i].name.len == name->len
            && ngx_memcmp(row[i].name.data, name->data, name->len) == 0)
        {
            return &row[i];
        }
    }

    return NULL;
}


/* requests of the gateway's own: "ROUTE:PURPOSE" */

static ngx_int_t
ngx_llmops_live_purpose(ngx_str_t *name, void *node, void *data)
{
    ngx_llmops_live_t *l = data;

    (void) ngx_llmops_live_add(l, &l->purposes, name);

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_live_worker(ngx_str_t *name, void *node, void *data)
{
    ngx_uint_t               i;
    ngx_llmops_live_t       *l = data;
    ngx_llmops_worker_sh_t  *w = node;

    if (!ngx_llmops_worker_lives(w)) {
        return NGX_OK;
    }

    l->workers++;
    l->requests += w->requests;
    l->detached += w->detached;

    for (i = 0; i < NGX_LLMOPS_MAX_GAUGES; i++) {
        l->gauges[i] += w->targets[i];
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_live_series(ngx_str_t *name, void *node, void *data)
{
    u_char                 *end, *last;
    ngx_str_t               route, target;
    ngx_llmops_live_t      *l = data;
    ngx_llmops_live_row_t  *row;

    last = name->data + name->len;
    end = ngx_strlchr(name->data, last, '\0');

    if (end == NULL) {
        return NGX_OK;
    }

    route.data = name->data;
    route.len = end - name->data;

    target.data = end + 1;
    end = ngx_strlchr(target.data, last, '\0');
    target.len = (end ? end : last) - target.data;

    row = ngx_llmops_live_find(&l->routes, &route);

    if (row) {
        ngx_llmops_live_sum(row, node);
        ngx_llmops_live_sum(&l->total, node);

    } else {
        row = ngx_llmops_live_find(&l->purposes, &route);
        ngx_llmops_live_sum(row ? row : &l->total, node);
    }

    row = ngx_llmops_live_find(&l->targets, &target);

    if (row) {
        ngx_llmops_live_sum(row, node);
    }

    return NGX_OK;
}


static void
ngx_llmops_live_sum(ngx_llmops_live_row_t *row, ngx_llmops_series_sh_t *s)
{
    uint64_t    n;
    ngx_uint_t  i, e;

    for (i = 0; i <= NGX_LLMOPS_MAX_BOUNDS; i++) {

        for (e = 0; e < NGX_LLMOPS_ERR_MAX; e++) {
            n = s->duration[e].bucket[i];

            row->duration[i] += n;
            row->errors[e] += n;
            row->requests += n;
        }

        row->first_token[i] += s->first_token.bucket[i];
    }

    row->input += s->input.sum;
    row->output += s->output.sum;
    row->cost += s->cost;
    row->unpriced += s->unpriced;
}


/* named by the route, then the rule */

static ngx_int_t
ngx_llmops_live_rule(ngx_str_t *name, void *node, void *data)
{
    u_char                  *end, *last;
    ngx_uint_t               i;
    ngx_llmops_live_t       *l = data;
    ngx_llmops_live_row_t   *row;
    ngx_llmops_rule_sh_t    *sh = node;
    ngx_llmops_live_rule_t  *rule;

    last = name->data + name->len;
    end = ngx_strlchr(name->data, last, '\0');

    if (end == NULL) {
        return NGX_OK;
    }

    rule = ngx_array_push(&l->rules);

    if (rule == NULL) {
        l->failed = 1;
        return NGX_ERROR;
    }

    rule->route.data = name->data;
    rule->route.len = end - name->data;
    rule->rule.data = end + 1;
    rule->rule.len = last - end - 1;
    rule->sh = sh;
    rule->count = 0;

    for (i = 0; i <= NGX_LLMOPS_ACT_MAX; i++) {
        rule->count += sh->count[i];
    }

    row = ngx_llmops_live_find(&l->routes, &rule->route);

    if (row) {
        row->checks += rule->count;
    }

    l->total.checks += rule->count;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_live_limit(ngx_str_t *name, void *node, void *data)
{
    ngx_uint_t              i, filled;
    ngx_llmops_live_t      *l = data;
    ngx_llmops_limit_sh_t  *sh = node;

    filled = 0;

    for (i = 0; i < NGX_LLMOPS_COUNTER_RATES && sh->fill[i].id; i++) {
        filled |= (ngx_uint_t) 1 << ((sh->fill[i].id >> 56) - 1);
        ngx_llmops_live_fill(l, name, sh, &sh->fill[i]);
    }

    /* how full a limit without a period is nobody keeps, but what it refuses */

    for (i = 0; i < NGX_LLMOPS_UNIT_MAX; i++) {
        if (sh->denied[i] && (filled & ((ngx_uint_t) 1 << i)) == 0) {
            ngx_llmops_live_denied(l, name, i, sh->denied[i]);
        }
    }

    return l->failed ? NGX_ERROR : NGX_OK;
}


static void
ngx_llmops_live_denied(ngx_llmops_live_t *l, ngx_str_t *name,
    ngx_uint_t unit, uint64_t denied)
{
    ngx_llmops_live_limit_t  *limit;

    limit = ngx_array_push(&l->limits);

    if (limit == NULL) {
        l->failed = 1;
        return;
    }

    ngx_memzero(limit, sizeof(ngx_llmops_live_limit_t));

    limit->limit = *name;
    limit->unit = unit;
    limit->denied = denied;
    ngx_str_set(&limit->period, "");
}


static void
ngx_llmops_live_fill(ngx_llmops_live_t *l, ngx_str_t *name,
    ngx_llmops_limit_sh_t *sh, ngx_llmops_fill_sh_t *fill)
{
    u_char                   *p, *text;
    uint64_t                  id;
    ngx_llmops_rate_t         rate;
    ngx_llmops_live_limit_t  *limit;

    id = fill->id;

    ngx_memzero(&rate, sizeof(ngx_llmops_rate_t));

    rate.unit = (ngx_llmops_unit_e) ((id >> 56) - 1);
    rate.period = (ngx_llmops_period_e) (id >> 48 & 0xff);
    rate.window = (int64_t) (id & 0xffffffffffffULL);

    if (rate.unit >= NGX_LLMOPS_UNIT_MAX || rate.window == 0) {
        return;
    }

    text = ngx_pnalloc(l->pool, NGX_LLMOPS_RATE_TEXT);
    limit = ngx_array_push(&l->limits);

    if (text == NULL || limit == NULL) {
        l->failed = 1;
        return;
    }

    p = ngx_llmops_rate_print(text, &rate);

    limit->period.data = ngx_strlchr(text, p, '/');
    limit->period.len = 0;

    if (limit->period.data) {
        limit->period.data++;
        limit->period.len = p - limit->period.data;
    }

    limit->limit = *name;
    limit->unit = rate.unit;
    limit->denied = sh->denied[rate.unit];
    limit->reset = (int64_t) fill->end - l->now;
    limit->used = (ngx_uint_t) fill->used;

    if (limit->reset <= 0) {
        limit->reset = 0;
        limit->used = 0;
    }
}


static ngx_int_t
ngx_llmops_live_redis(ngx_str_t *name, void *node, void *data)
{
    ngx_uint_t              i;
    ngx_llmops_live_t      *l = data;
    ngx_llmops_redis_sh_t  *sh = node;

    for (i = 0; i <= NGX_LLMOPS_REDIS_BOUNDS; i++) {
        l->round_trips += sh->bucket[i];
    }

    l->round_trip_us += sh->us;

    return NGX_OK;
}
