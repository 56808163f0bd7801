
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_live.h"
#include "ngx_llmops_admin.h"
#include "ngx_llmops_cache_own.h"
#include "ngx_llmops_rollout.h"
#include "ngx_llmops_rules.h"


/*
 * From rows to JSON.  A table that is longer than it may be shows what is used
 * most; a shorter one keeps the order of the configuration.
 */


static ngx_uint_t ngx_llmops_live_cut(ngx_llmops_live_t *l,
    ngx_array_t *rows, ngx_uint_t most,
    int (ngx_libc_cdecl *cmp)(const void *, const void *));
static int ngx_libc_cdecl ngx_llmops_live_cmp_rows(const void *one,
    const void *two);
static int ngx_libc_cdecl ngx_llmops_live_cmp_rules(const void *one,
    const void *two);
static int ngx_libc_cdecl ngx_llmops_live_cmp_limits(const void *one,
    const void *two);

static json_t *ngx_llmops_live_bounds(void);
static json_t *ngx_llmops_live_bound(const ngx_llmops_bounds_t *bounds);
static json_t *ngx_llmops_live_names(const ngx_str_t *names,
    const uint64_t *count, ngx_uint_t n);
static json_t *ngx_llmops_live_sums(ngx_llmops_live_row_t *row);
static json_t *ngx_llmops_live_table(ngx_llmops_live_t *l, ngx_array_t *rows,
    ngx_uint_t most, json_t *(*row)(ngx_llmops_live_t *l,
    ngx_llmops_live_row_t *row));
static json_t *ngx_llmops_live_route(ngx_llmops_live_t *l,
    ngx_llmops_live_row_t *row);
static json_t *ngx_llmops_live_cache(ngx_llmops_route_t *route);
static json_t *ngx_llmops_live_target(ngx_llmops_live_t *l,
    ngx_llmops_live_row_t *row);
static json_t *ngx_llmops_live_last(ngx_llmops_target_sh_t *sh);
static json_t *ngx_llmops_live_known(ngx_atomic_uint_t n);
static json_t *ngx_llmops_live_own(ngx_llmops_live_t *l,
    ngx_llmops_live_row_t *row);
static json_t *ngx_llmops_live_rules(ngx_llmops_live_t *l, ngx_uint_t most);
static json_t *ngx_llmops_live_limits(ngx_llmops_live_t *l, ngx_uint_t most);
static json_t *ngx_llmops_live_rollouts(ngx_llmops_live_t *l,
    ngx_uint_t most);


json_t *
ngx_llmops_live_json(ngx_llmops_live_t *l, ngx_uint_t rows)
{
    json_t  *json;

    json = json_pack("{s:i,s:I,s:s,s:s,s:I,s:o,s:i,s:i,s:i,s:{s:I,s:f},s:o,"
                     "s:o}",
                     "v", 1,
                     "now", (json_int_t) l->now,
                     "version", NGX_LLMOPS_VERSION,
                     "nginx", NGINX_VERSION,
                     "loaded", (json_int_t) l->mcf->started,
                     "store", ngx_llmops_admin_status_store(l->mcf),
                     "workers", (int) l->workers,
                     "in_flight", (int) l->requests,
                     "detached", (int) l->detached,
                     "redis",
                         "round_trips", (json_int_t) l->round_trips,
                         "seconds", (double) l->round_trip_us / 1000000,
                     "bounds", ngx_llmops_live_bounds(),
                     "total", ngx_llmops_live_sums(&l->total));

    if (json == NULL) {
        return NULL;
    }

    if (json_object_set_new(json, "routes",
                            ngx_llmops_live_table(l, &l->routes, rows,
                                                  ngx_llmops_live_route))
        || json_object_set_new(json, "targets",
                               ngx_llmops_live_table(l, &l->targets, rows,
                                                     ngx_llmops_live_target))
        || json_object_set_new(json, "own",
                               ngx_llmops_live_table(l, &l->purposes, rows,
                                                     ngx_llmops_live_own))
        || json_object_set_new(json, "rollouts",
                               ngx_llmops_live_rollouts(l, rows))
        || json_object_set_new(json, "checks", ngx_llmops_live_rules(l, rows))
        || json_object_set_new(json, "limits",
                               ngx_llmops_live_limits(l, rows))
        || json_object_set_new(json, "resources",
                               ngx_llmops_admin_resources(l->mcf))
        || json_object_set_new(json, "truncated", json_boolean(l->truncated)))
    {
        json_decref(json);
        return NULL;
    }

    return json;
}


/* how many rows are shown */

static ngx_uint_t
ngx_llmops_live_cut(ngx_llmops_live_t *l, ngx_array_t *rows, ngx_uint_t most,
    int (ngx_libc_cdecl *cmp)(const void *, const void *))
{
    if (rows->nelts <= most) {
        return rows->nelts;
    }

    l->truncated = 1;
    ngx_qsort(rows->elts, rows->nelts, rows->size, cmp);

    return most;
}


static int ngx_libc_cdecl
ngx_llmops_live_cmp_rows(const void *one, const void *two)
{
    const ngx_llmops_live_row_t *a = one;
    const ngx_llmops_live_row_t *b = two;

    return (a->requests < b->requests) - (a->requests > b->requests);
}


static int ngx_libc_cdecl
ngx_llmops_live_cmp_rules(const void *one, const void *two)
{
    const ngx_llmops_live_rule_t *a = one;
    const ngx_llmops_live_rule_t *b = two;

    return (a->count < b->count) - (a->count > b->count);
}


static int ngx_libc_cdecl
ngx_llmops_live_cmp_limits(const void *one, const void *two)
{
    const ngx_llmops_live_limit_t *a = one;
    const ngx_llmops_live_limit_t *b = two;

    return (a->used < b->used) - (a->used > b->used);
}


/* -- parts of rows -------------------------------------------------------- */

static json_t *
ngx_llmops_live_bounds(void)
{
    return json_pack("{s:o,s:o}",
                     "duration",
                     ngx_llmops_live_bound(&ngx_llmops_duration_bounds),
                     "first_token",
                     ngx_llmops_live_bound(&ngx_llmops_first_token_bounds));
}


static json_t *
ngx_llmops_live_bound(const ngx_llmops_bounds_t *bounds)
{
    json_t      *array;
    ngx_uint_t   i;

    array = json_array();

    for (i = 0; i < bounds->nelts; i++) {
        (void) json_array_append_new(array,
                               json_real((double) bounds->bound[i] / 1000000));
    }

    return array;
}


json_t *
ngx_llmops_live_buckets(const uint64_t *bucket)
{
    json_t      *array;
    uint64_t     sum;
    ngx_uint_t   i, n;

    array = json_array();
    sum = 0;

    for (n = NGX_LLMOPS_MAX_BOUNDS + 1; n && bucket[n - 1] == 0; n--) {
        /* void */
    }

    for (i = 0; i < n; i++) {
        sum += bucket[i];
        (void) json_array_append_new(array, json_integer((json_int_t) sum));
    }

    return array;
}


json_t *
ngx_llmops_live_money(uint64_t amount)
{
    u_char  text[NGX_LLMOPS_ADMIN_MONEY], *p;

    p = ngx_llmops_admin_money(text, (int64_t) amount);

    return json_stringn((char *) text, p - text);
}


/* {"name": count} of those that are not 0 */

static json_t *
ngx_llmops_live_names(const ngx_str_t *names, const uint64_t *count,
    ngx_uint_t n)
{
    json_t      *object;
    ngx_uint_t   i;

    object = json_object();

    for (i = 0; i < n; i++) {
        if (count[i]) {
            (void) json_object_set_new(object, (char *) names[i].data,
                                       json_integer((json_int_t) count[i]));
        }
    }

    return object;
}


static json_t *
ngx_llmops_live_sums(ngx_llmops_live_row_t *row)
{
    return json_pack("{s:I,s:o,s:I,s:I,s:o,s:I,s:I,s:o,s:o}",
                     "requests", (json_int_t) row->requests,
                     "errors",
                         ngx_llmops_live_names(&ngx_llmops_error_names[1],
                                               &row->errors[1],
                                               NGX_LLMOPS_ERR_MAX - 1),
                     "input_tokens", (json_int_t) row->input,
                     "output_tokens", (json_int_t) row->output,
                     "cost_usd", ngx_llmops_live_money(row->cost),
                     "unpriced", (json_int_t) row->unpriced,
                     "checks", (json_int_t) row->checks,
                     "duration", ngx_llmops_live_buckets(row->duration),
                     "first_token",
                         ngx_llmops_live_buckets(row->first_token));
}


/* -- tables --------------------------------------------------------------- */

static json_t *
ngx_llmops_live_table(ngx_llmops_live_t *l, ngx_array_t *rows,
    ngx_uint_t most, json_t *(*row)(ngx_llmops_live_t *l,
    ngx_llmops_live_row_t *row))
{
    json_t                 *array;
    ngx_uint_t              i, n;
    ngx_llmops_live_row_t  *r;

    array = json_array();
    n = ngx_llmops_live_cut(l, rows, most, ngx_llmops_live_cmp_rows);
    r = rows->elts;

    for (i = 0; i < n; i++) {
        (void) json_array_append_new(array, row(l, &r[i]));
    }

    return array;
}


static json_t *
ngx_llmops_live_route(ngx_llmops_live_t *l, ngx_llmops_live_row_t *row)
{
    json_t               *json, *targets;
    ngx_uint_t            i;
    ngx_llmops_target_t  *t;

    json = ngx_llmops_live_sums(row);
    targets = json_array();
    t = row->route->targets.elts;

    for (i = 0; i < ngx_min(row->route->targets.nelts, 8); i++) {
        (void) json_array_append_new(targets,
                                     ngx_llmops_admin_string(&t[i].name));
    }

    (void) json_object_set_new(json, "route",
                               ngx_llmops_admin_string(&row->name));
    (void) json_object_set_new(json, "targets", targets);

    if (row->route->cache) {
        (void) json_object_set_new(json, "cache",
                                   ngx_llmops_live_cache(row->route));
    }

    return json;
}


static json_t *
ngx_llmops_live_cache(ngx_llmops_route_t *route)
{
    uint64_t                   asked, hits;
    ngx_uint_t                 i;
    ngx_llmops_cache_sh_t     *sh;
    ngx_llmops_cache_own_t    *own;
    ngx_llmops_cache_route_t  *cr = route->cache;

    own = cr->own;
    sh = own->sh;
    asked = 0;
    hits = 0;

    for (i = NGX_LLMOPS_CACHE_MISS; sh && i < NGX_LLMOPS_CACHE_MAX; i++) {
        asked += sh->requests[i];
        hits += (i == NGX_LLMOPS_CACHE_MISS) ? 0 : sh->requests[i];
    }

    return json_pack("{s:I,s:I,s:o}",
                     "asked", (json_int_t) asked,
                     "hits", (json_int_t) hits,
                     "saved_usd", ngx_llmops_live_money(sh ? sh->cost : 0));
}


static json_t *
ngx_llmops_live_target(ngx_llmops_live_t *l, ngx_llmops_live_row_t *row)
{
    int64_t                  wait, open;
    uint64_t                 attempts[NGX_LLMOPS_OUTCOME_MAX];
    ngx_uint_t               i, n;
    ngx_llmops_target_sh_t  *sh, none;

    sh = row->sh;

    if (sh == NULL) {
        ngx_memzero(&none, sizeof(ngx_llmops_target_sh_t));
        sh = &none;
    }

    for (i = 0; i < NGX_LLMOPS_OUTCOME_MAX; i++) {
        attempts[i] = sh->attempts[i];
    }

    n = row->sh ? ngx_llmops_zone_ordinal(row->sh) : NGX_LLMOPS_MAX_GAUGES;
    wait = (int64_t) sh->blocked_until - ngx_llmops_ticks();
    open = (int64_t) sh->open_until - ngx_llmops_ticks();

    return json_pack("{s:o,s:i,s:I,s:I,s:I,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}",
                     "target", ngx_llmops_admin_string(&row->name),
                     "in_flight",
                         (int) (n < NGX_LLMOPS_MAX_GAUGES ? l->gauges[n] : 0),
                     "waits", (json_int_t) ngx_max(wait, 0),
                     "open", (json_int_t) ngx_max(open, 0),
                     "failures", (json_int_t) sh->failures,
                     "attempts",
                         ngx_llmops_live_names(ngx_llmops_outcome_names,
                                               attempts,
                                               NGX_LLMOPS_OUTCOME_MAX),
                     "requests_left",
                         ngx_llmops_live_known(sh->remaining_requests),
                     "requests_limit",
                         ngx_llmops_live_known(sh->limit_requests),
                     "tokens_left",
                         ngx_llmops_live_known(sh->remaining_tokens),
                     "tokens_limit",
                         ngx_llmops_live_known(sh->limit_tokens),
                     "failed", ngx_llmops_live_last(sh),
                     "cost_usd", ngx_llmops_live_money(row->cost),
                     "duration", ngx_llmops_live_buckets(row->duration));
}


/* the last attempt that has failed, or null */

static json_t *
ngx_llmops_live_last(ngx_llmops_target_sh_t *sh)
{
    ngx_uint_t  how;

    how = sh->failed_how;

    if (sh->failed_at == 0 || how >= NGX_LLMOPS_OUTCOME_MAX) {
        return json_null();
    }

    return json_pack("{s:I,s:s}", "at", (json_int_t) sh->failed_at,
                     "how", ngx_llmops_outcome_names[how].data);
}


/* stored plus one, 0 is unknown */

static json_t *
ngx_llmops_live_known(ngx_atomic_uint_t n)
{
    return n ? json_integer((json_int_t) n - 1) : json_null();
}


static json_t *
ngx_llmops_live_own(ngx_llmops_live_t *l, ngx_llmops_live_row_t *row)
{
    return json_pack("{s:o,s:I,s:I,s:o}",
                     "purpose", ngx_llmops_admin_string(&row->name),
                     "requests", (json_int_t) row->requests,
                     "errors",
                         (json_int_t) (row->requests - row->errors[0]),
                     "cost_usd", ngx_llmops_live_money(row->cost));
}


static json_t *
ngx_llmops_live_rules(ngx_llmops_live_t *l, ngx_uint_t most)
{
    json_t                  *array;
    uint64_t                 count[NGX_LLMOPS_ACT_MAX + 1];
    ngx_uint_t               i, k, n;
    ngx_llmops_rule_sh_t    *sh;
    ngx_llmops_live_rule_t  *r;

    array = json_array();
    n = ngx_llmops_live_cut(l, &l->rules, most, ngx_llmops_live_cmp_rules);
    r = l->rules.elts;

    for (i = 0; i < n; i++) {

        sh = r[i].sh;

        for (k = 0; k <= NGX_LLMOPS_ACT_MAX; k++) {
            count[k] = sh->count[k];
        }

        (void) json_array_append_new(array,
            json_pack("{s:o,s:o,s:o}",
                      "route", ngx_llmops_admin_string(&r[i].route),
                      "rule", ngx_llmops_admin_string(&r[i].rule),
                      "actions", ngx_llmops_live_names(ngx_llmops_act_names,
                                                       count,
                                                   NGX_LLMOPS_ACT_MAX + 1)));
    }

    return array;
}


static json_t *
ngx_llmops_live_limits(ngx_llmops_live_t *l, ngx_uint_t most)
{
    json_t                   *array;
    ngx_uint_t                i, n;
    ngx_llmops_live_limit_t  *r;

    array = json_array();
    n = ngx_llmops_live_cut(l, &l->limits, most, ngx_llmops_live_cmp_limits);
    r = l->limits.elts;

    for (i = 0; i < n; i++) {
        (void) json_array_append_new(array,
            json_pack("{s:o,s:s,s:o,s:o,s:I,s:I}",
                      "limit", ngx_llmops_admin_string(&r[i].limit),
                      "unit", ngx_llmops_unit_names[r[i].unit].data,
                      "period", ngx_llmops_admin_string(&r[i].period),
                      "used", r[i].period.len
                              ? json_real((double) r[i].used / 10000)
                              : json_null(),
                      "reset", (json_int_t) r[i].reset,
                      "denied", (json_int_t) r[i].denied));
    }

    return array;
}


static json_t *
ngx_llmops_live_rollouts(ngx_llmops_live_t *l, ngx_uint_t most)
{
    json_t                  *array;
    ngx_uint_t               i, n;
    ngx_llmops_rollout_t   **ro;
    ngx_llmops_rollouts_t   *rollouts;

    array = json_array();
    rollouts = l->mcf->rollouts;

    if (rollouts == NULL) {
        return array;
    }

    ro = rollouts->rollouts.elts;
    n = rollouts->rollouts.nelts;

    if (n > most) {
        l->truncated = 1;
        n = most;
    }

    for (i = 0; i < n; i++) {

        (void) json_array_append_new(array,
                               ngx_llmops_admin_rollout_shown(ro[i], NULL));
    }

    return array;
}
