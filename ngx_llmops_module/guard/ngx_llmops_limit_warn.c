
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_limit.h"


/*
 * How full budgets are.  It is looked at when the store has answered, from
 * what is then settled: what is only reserved may come back.  The metric is
 * that of the fullest key of each budget, since keys come from callers and
 * would be labels without a bound.
 */


static void ngx_llmops_limit_warn_part(ngx_http_request_t *r,
    ngx_llmops_limits_t *lim, ngx_llmops_limits_part_t *part);
static void ngx_llmops_limit_full(ngx_llmops_limit_t *limit,
    ngx_llmops_rate_t *rate, int64_t used);
static ngx_uint_t ngx_llmops_limit_passed(ngx_llmops_limit_t *limit,
    int64_t used);
static void ngx_llmops_limit_note(ngx_http_request_t *r,
    ngx_llmops_limits_t *lim, ngx_llmops_limit_t *limit,
    ngx_llmops_rate_t *rate, ngx_llmops_level_t *level, int64_t used);
static ngx_uint_t ngx_llmops_limit_first(ngx_llmops_limit_t *limit,
    ngx_llmops_charge_t *charge, ngx_llmops_rate_t *rate,
    ngx_uint_t threshold);
static uint64_t ngx_llmops_limit_passing(ngx_llmops_charge_t *charge,
    ngx_llmops_rate_t *rate, ngx_uint_t threshold);
static void ngx_llmops_limit_tell(ngx_http_request_t *r,
    ngx_llmops_limit_t *limit, ngx_llmops_charge_t *charge, ngx_uint_t n,
    ngx_uint_t threshold);
static void ngx_llmops_limit_number(ngx_llmops_out_t *out,
    ngx_llmops_unit_e unit, int64_t n);
static uint64_t ngx_llmops_limit_fnv(uint64_t h, ngx_str_t *s);


#define NGX_LLMOPS_FNV_START       0xcbf29ce484222325ULL
#define NGX_LLMOPS_FNV_PRIME       0x100000001b3ULL

#define NGX_LLMOPS_LIMIT_NOTE      256     /* bytes of a warning */
#define NGX_LLMOPS_LIMIT_NOTES     1024    /* of all of an answer */


void
ngx_llmops_limit_warn(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_limits_t *lim)
{
    ngx_llmops_limit_warn_part(r, lim, &lim->store);
    ngx_llmops_limit_warn_part(r, lim, &lim->local);
}


static void
ngx_llmops_limit_warn_part(ngx_http_request_t *r, ngx_llmops_limits_t *lim,
    ngx_llmops_limits_part_t *part)
{
    int64_t               used;
    ngx_uint_t            i, k, threshold;
    ngx_llmops_limit_t   *limit;
    ngx_llmops_level_t   *level;
    ngx_llmops_charge_t  *charge;

    for (i = 0; i < part->res.ncharges; i++) {
        limit = part->limits[i];
        charge = &part->res.charges[i];

        if (!limit->quota || charge->failed || (part->away >> i & 1)) {
            continue;
        }

        for (k = 0; k < charge->nrates; k++) {
            level = &charge->levels[k];

            if (level->limit <= 0) {
                continue;
            }

            used = (int64_t) ((double) level->used * 10000 / level->limit);

            ngx_llmops_limit_full(limit, &charge->rates[k], used);

            threshold = ngx_llmops_limit_passed(limit, used);

            if (threshold == 0) {
                continue;
            }

            ngx_llmops_limit_note(r, lim, limit, &charge->rates[k], level,
                                  used);

            if (ngx_llmops_limit_first(limit, charge, &charge->rates[k],
                                       threshold))
            {
                ngx_llmops_limit_count(limit, warned);

                if (limit->webhook) {
                    ngx_llmops_limit_tell(r, limit, charge, k, threshold);
                }
            }
        }
    }
}


/*
 * The largest one of a period.  Two workers may both begin the next period,
 * and a smaller number may win: the next request puts it right.
 */

static void
ngx_llmops_limit_full(ngx_llmops_limit_t *limit, ngx_llmops_rate_t *rate,
    int64_t used)
{
    int64_t                end, now;
    uint64_t               id;
    ngx_uint_t             i;
    ngx_atomic_uint_t      was;
    ngx_llmops_fill_sh_t  *fill;

    if (limit->sh == NULL) {
        return;
    }

    id = ngx_llmops_fill_id(rate);
    now = ngx_llmops_now();
    end = (rate->period == NGX_LLMOPS_PERIOD_CALENDAR)
          ? rate->end : (now / rate->window + 1) * rate->window;

    for (i = 0; i < NGX_LLMOPS_COUNTER_RATES; i++) {
        fill = &limit->sh->fill[i];

        if (fill->id == 0) {
            (void) ngx_atomic_cmp_set(&fill->id, 0, id);
        }

        if (fill->id == id) {
            break;
        }
    }

    if (i == NGX_LLMOPS_COUNTER_RATES) {
        return;                              /* of older configurations */
    }

    was = fill->end;

    if (was != (ngx_atomic_uint_t) end
        && ngx_atomic_cmp_set(&fill->end, was, end))
    {
        fill->used = used;
    }

    was = fill->used;

    if (was < (ngx_atomic_uint_t) used) {
        (void) ngx_atomic_cmp_set(&fill->used, was, used);
    }
}


/* the highest threshold that has been passed, in per cent; 0: none */

static ngx_uint_t
ngx_llmops_limit_passed(ngx_llmops_limit_t *limit, int64_t used)
{
    ngx_uint_t  i;

    for (i = limit->nwarn; i > 0; i--) {
        if (used >= (int64_t) limit->warn[i - 1] * 100) {
            return limit->warn[i - 1];
        }
    }

    return 0;
}


/* what goes into x-llm-quota-warning */

static void
ngx_llmops_limit_note(ngx_http_request_t *r, ngx_llmops_limits_t *lim,
    ngx_llmops_limit_t *limit, ngx_llmops_rate_t *rate,
    ngx_llmops_level_t *level, int64_t used)
{
    u_char     text[NGX_LLMOPS_RATE_TEXT], time[NGX_LLMOPS_LIMIT_TIME];
    u_char    *p;
    ngx_str_t  s[2];

    if (lim->warnings.data == NULL) {
        lim->warnings.data = ngx_pnalloc(r->pool, NGX_LLMOPS_LIMIT_NOTES);

        if (lim->warnings.data == NULL) {
            return;
        }
    }

    if (lim->warnings.len + NGX_LLMOPS_LIMIT_NOTE > NGX_LLMOPS_LIMIT_NOTES) {
        return;
    }

    s[0].data = text;
    s[0].len = ngx_llmops_rate_print(text, rate) - text;
    s[1].data = time;
    s[1].len = ngx_llmops_limit_time(time, level->reset) - time;

    p = lim->warnings.data + lim->warnings.len;

    p = ngx_sprintf(p, "%s%V %V used=%L%% reset=%V",
                    lim->warnings.len ? ", " : "", &limit->name, &s[0],
                    used / 100, &s[1]);

    lim->warnings.len = p - lim->warnings.data;
}


/* whether it is the first time that this has been passed in its period */

static ngx_uint_t
ngx_llmops_limit_first(ngx_llmops_limit_t *limit, ngx_llmops_charge_t *charge,
    ngx_llmops_rate_t *rate, ngx_uint_t threshold)
{
    uint64_t                 h;
    ngx_uint_t               i;
    ngx_atomic_t            *slot;

    if (limit->warned == NULL) {
        return 1;
    }

    h = ngx_llmops_limit_passing(charge, rate, threshold);
    slot = &limit->warned->slots[h / 2 % NGX_LLMOPS_WARNED];

    for (i = 0; i < NGX_LLMOPS_WARNED_NEAR; i++) {

        if (slot[i] == h) {
            return 0;
        }

        if (slot[i] == 0 && ngx_atomic_cmp_set(&slot[i], 0, h)) {
            return 1;
        }
    }

    slot[h / 2 % NGX_LLMOPS_WARNED_NEAR] = h;

    return 1;
}


/* the same on every gateway; a window that slides begins anew with its
   length */

static uint64_t
ngx_llmops_limit_passing(ngx_llmops_charge_t *charge,
    ngx_llmops_rate_t *rate, ngx_uint_t threshold)
{
    int64_t   start;
    uint64_t  h;

    start = (rate->period == NGX_LLMOPS_PERIOD_CALENDAR)
            ? rate->start : (int64_t) (ngx_llmops_now() / rate->window);

    h = ngx_llmops_limit_fnv(NGX_LLMOPS_FNV_START, &charge->name);
    h = ngx_llmops_limit_fnv(h, &charge->key);
    h ^= ngx_llmops_fill_id(rate) + threshold * NGX_LLMOPS_FNV_PRIME;
    h = (h ^ (uint64_t) start) * NGX_LLMOPS_FNV_PRIME;

    return h | 1;
}


/* the message of a webhook */

static void
ngx_llmops_limit_tell(ngx_http_request_t *r, ngx_llmops_limit_t *limit,
    ngx_llmops_charge_t *charge, ngx_uint_t n, ngx_uint_t threshold)
{
    u_char               text[NGX_LLMOPS_RATE_TEXT], hex[16 + 1];
    uint64_t             h;
    ngx_str_t            id, body;
    ngx_llmops_out_t     out;
    ngx_llmops_rate_t   *rate;
    ngx_llmops_level_t  *level;

    rate = &charge->rates[n];
    level = &charge->levels[n];

    h = ngx_llmops_limit_passing(charge, rate, threshold);

    id.data = hex;
    id.len = ngx_sprintf(hex, "%016xL", h) - hex;

    ngx_llmops_out_init(&out, NGX_LLMOPS_LIMIT_NOTES * 4);

    (void) ngx_llmops_out_lit(&out, "{\"type\":\"llm.quota.threshold\","
                                    "\"id\":\"");
    (void) ngx_llmops_out_str(&out, &id);
    (void) ngx_llmops_out_lit(&out, "\",\"time\":\"");
    (void) ngx_llmops_out_write(&out, text,
                                ngx_llmops_limit_date(text, ngx_llmops_now())
                                - text);
    (void) ngx_llmops_out_lit(&out, "\",\"limit\":");
    (void) ngx_llmops_out_json(&out, limit->name.data, limit->name.len);
    (void) ngx_llmops_out_lit(&out, ",\"key\":");
    (void) ngx_llmops_out_json(&out, charge->key.data, charge->key.len);
    (void) ngx_llmops_out_lit(&out, ",\"rate\":\"");
    (void) ngx_llmops_out_write(&out, text,
                                ngx_llmops_rate_print(text, rate) - text);
    (void) ngx_llmops_out_lit(&out, "\",\"threshold\":");
    (void) ngx_llmops_out_int(&out, (int64_t) threshold);
    (void) ngx_llmops_out_lit(&out, ",\"used\":");
    ngx_llmops_limit_number(&out, rate->unit, level->used);
    (void) ngx_llmops_out_lit(&out, ",\"of\":");
    ngx_llmops_limit_number(&out, rate->unit, level->limit);
    (void) ngx_llmops_out_lit(&out, ",\"resets_at\":\"");
    (void) ngx_llmops_out_write(&out, text,
                                ngx_llmops_limit_date(text, ngx_llmops_now()
                                                            + level->reset)
                                - text);
    (void) ngx_llmops_out_lit(&out, "\"}");

    if (!out.failed) {
        body.data = out.data;
        body.len = out.len;

        ngx_llmops_webhook_send(limit->webhook, &id, &body);
    }

    ngx_llmops_out_free(&out);
}


/* money in USD */

static void
ngx_llmops_limit_number(ngx_llmops_out_t *out, ngx_llmops_unit_e unit,
    int64_t n)
{
    u_char  *p, text[NGX_LLMOPS_LIMIT_TIME];

    p = ngx_llmops_limit_amount(text, unit, n);

    if (unit == NGX_LLMOPS_UNIT_COST) {
        p -= sizeof("usd") - 1;
    }

    (void) ngx_llmops_out_write(out, text, p - text);
}


static uint64_t
ngx_llmops_limit_fnv(uint64_t h, ngx_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        h = (h ^ s->data[i]) * NGX_LLMOPS_FNV_PRIME;
    }

    return (h ^ 0xff) * NGX_LLMOPS_FNV_PRIME;
}
