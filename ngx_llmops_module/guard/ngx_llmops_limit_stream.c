
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_limit.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_price.h"


/*
 * A stream on its way through a hard budget.  It has been granted so much of
 * each budget; "room" is how many output tokens that is, at the price of the
 * target that answers, once the input has been paid.  When three quarters of
 * it have come, more is asked for, so that the answer is there before it is
 * needed; when all has come and no more is to be had, the stream is ended.
 *
 * Of an answer from the store that has not come by then nothing is known: the
 * events behind wait, and with them the provider.
 *
 * Tokens are counted event by event (see ngx_llmops_tokens_event()), or as the
 * provider says where it does.  The event that reaches the end of the room
 * still goes to the caller: the provider bills it anyway.
 */


/* the budget that leaves least */

typedef struct {
    int64_t                    tokens;     /* of output, in all */
    int64_t                    granted;    /* the same, with what dry_run only
                                              reports */
    int64_t                    piece;      /* to ask for, of that one */
    ngx_llmops_limit_t        *limit;
    ngx_llmops_charge_t       *charge;
    ngx_llmops_unit_e          unit;
} ngx_llmops_room_t;


static void ngx_llmops_limits_room(ngx_http_request_t *r,
    ngx_llmops_limits_t *lim, ngx_llmops_room_t *room);
static void ngx_llmops_limits_room_part(ngx_http_request_t *r,
    ngx_llmops_limits_t *lim, ngx_llmops_limits_part_t *part,
    ngx_llmops_room_t *room);
static int64_t ngx_llmops_limits_room_unit(ngx_http_request_t *r,
    ngx_llmops_limits_t *lim, ngx_llmops_charge_t *charge,
    ngx_llmops_unit_e unit);
static int64_t ngx_llmops_limits_need(ngx_http_request_t *r,
    ngx_llmops_limits_t *lim, ngx_llmops_unit_e unit, int64_t output);
static int64_t ngx_llmops_limits_input(ngx_llmops_limits_t *lim);
static ngx_uint_t ngx_llmops_limits_units(ngx_llmops_limit_t *limit,
    ngx_llmops_charge_t *charge);
static void ngx_llmops_limits_more(ngx_http_request_t *r,
    ngx_llmops_limits_t *lim, ngx_llmops_room_t *room, int64_t n);
static void ngx_llmops_limits_more_part(ngx_http_request_t *r,
    ngx_llmops_limits_t *lim, ngx_llmops_limits_part_t *part, int64_t target,
    int64_t n);
static ngx_uint_t ngx_llmops_limits_want(ngx_http_request_t *r,
    ngx_llmops_limits_t *lim, ngx_llmops_limits_part_t *part, int64_t target,
    int64_t n);
static void ngx_llmops_limits_had(ngx_llmops_limits_t *lim,
    ngx_llmops_limits_part_t *part);
static int64_t ngx_llmops_limits_mark(int64_t n, int64_t room);
static ngx_uint_t ngx_llmops_limits_over(ngx_llmops_ctx_t *ctx,
    ngx_llmops_limits_t *lim);
static ngx_int_t ngx_llmops_limits_end(ngx_llmops_limits_t *lim,
    ngx_llmops_room_t *room);


/* what is counted while a stream runs */

#define NGX_LLMOPS_LIMIT_RUNNING                                              \
    ((1 << NGX_LLMOPS_UNIT_TOKENS) | (1 << NGX_LLMOPS_UNIT_OUTPUT)            \
     | (1 << NGX_LLMOPS_UNIT_COST))


void
ngx_llmops_limits_watch(ngx_llmops_ctx_t *ctx, ngx_llmops_limits_t *lim)
{
    ngx_uint_t                  i, k;
    ngx_llmops_limits_part_t   *parts[2];

    if (!ctx->env.stream) {
        return;
    }

    parts[0] = &lim->store;
    parts[1] = &lim->local;

    for (k = 0; k < 2; k++) {
        for (i = 0; i < parts[k]->res.ncharges; i++) {

            if (parts[k]->limits[i]->soft || (parts[k]->away >> i & 1)) {
                continue;
            }

            if (ngx_llmops_limits_units(parts[k]->limits[i],
                                        &parts[k]->res.charges[i]))
            {
                /* at the first event its target, and its price, are known */

                lim->mark = -1;
                ctx->limits_at = 0;
                return;
            }
        }
    }
}


ngx_int_t
ngx_llmops_limits_near(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    int64_t               n;
    ngx_llmops_room_t     room;
    ngx_llmops_limits_t  *lim;

    lim = ctx->limits;

    if (lim == NULL || lim->state != NGX_LLMOPS_LIMITS_ENTERED || lim->ended) {
        ctx->limits_at = NGX_LLMOPS_LIMITS_NEVER;
        return NGX_OK;
    }

    if (ngx_llmops_limits_over(ctx, lim)) {
        return NGX_OK;
    }

    n = (int64_t) ctx->meter.output_tokens;

    ngx_llmops_limits_room(r, lim, &room);

    if (lim->mark < 0) {
        lim->mark = ngx_llmops_limits_mark(n, room.granted);
    }

    if (n >= lim->mark && !lim->extending) {
        ngx_llmops_limits_more(r, lim, &room, n);
    }

    if (n < room.tokens) {
        n = lim->extending ? room.tokens : ngx_min(lim->mark, room.tokens);
        ctx->limits_at = (size_t) ngx_min(n, NGX_LLMOPS_LIMIT_MOST);
        return NGX_OK;
    }

    return lim->extending ? NGX_AGAIN : ngx_llmops_limits_end(lim, &room);
}


void
ngx_llmops_limits_again(ngx_llmops_ctx_t *ctx)
{
    if (ctx->limits && ctx->limits_at != NGX_LLMOPS_LIMITS_NEVER) {
        ctx->limits->mark = -1;
        ctx->limits_at = 0;
    }
}


/* the stream's own end has come, or is coming */

static ngx_uint_t
ngx_llmops_limits_over(ngx_llmops_ctx_t *ctx, ngx_llmops_limits_t *lim)
{
    uint32_t  all;

    if (ctx->meter.terminal || ctx->meter.error) {
        return 1;
    }

    /* Responses says so in its terminal event */

    if (ctx->meter.finish == NGX_LLMOPS_FINISH_NONE
        || ctx->env.op == NGX_LLMOPS_OP_RESPONSES)
    {
        return 0;
    }

    if (lim->choices == 1) {
        return 1;
    }

    if (lim->choices > 32) {
        return (int64_t) ctx->meter.ends >= lim->choices;
    }

    all = (uint32_t) (((uint64_t) 1 << lim->choices) - 1);

    return (ctx->meter.finished & all) == all;
}


static ngx_int_t
ngx_llmops_limits_end(ngx_llmops_limits_t *lim, ngx_llmops_room_t *room)
{
    ngx_uint_t  k, found;

    found = 0;

    for (k = 0; k < room->charge->nrates; k++) {

        if (room->charge->rates[k].unit != room->unit) {
            continue;
        }

        found = k;

        if (room->charge->denied >> k & 1) {
            break;
        }
    }

    lim->limit = room->limit;
    lim->charge = room->charge;
    lim->rate = found;
    lim->ended = 1;

    lim->ctx->limits_at = NGX_LLMOPS_LIMITS_NEVER;

    ngx_llmops_limit_count(lim->limit, ended[room->unit]);

    return NGX_DECLINED;
}


/* three quarters of what is left, and at least one token on */

static int64_t
ngx_llmops_limits_mark(int64_t n, int64_t room)
{
    return n + ngx_max((room - n) / 4 * 3 + (room - n) % 4, 1);
}


static void
ngx_llmops_limits_room(ngx_http_request_t *r, ngx_llmops_limits_t *lim,
    ngx_llmops_room_t *room)
{
    ngx_memzero(room, sizeof(ngx_llmops_room_t));

    room->tokens = NGX_LLMOPS_LIMIT_MOST;
    room->granted = NGX_LLMOPS_LIMIT_MOST;
    room->piece = NGX_LLMOPS_LIMIT_RESERVE;

    ngx_llmops_limits_room_part(r, lim, &lim->store, room);
    ngx_llmops_limits_room_part(r, lim, &lim->local, room);
}


static void
ngx_llmops_limits_room_part(ngx_http_request_t *r, ngx_llmops_limits_t *lim,
    ngx_llmops_limits_part_t *part, ngx_llmops_room_t *room)
{
    int64_t               tokens;
    ngx_uint_t            i, unit, units;
    ngx_llmops_charge_t  *charge;

    for (i = 0; i < part->res.ncharges; i++) {
        charge = &part->res.charges[i];

        if (part->limits[i]->soft || (part->away >> i & 1)
            || (part == &lim->store && (lim->beyond >> i & 1)))
        {
            continue;
        }

        units = ngx_llmops_limits_units(part->limits[i], charge);

        for (unit = 0; units >> unit; unit++) {

            if (!(units >> unit & 1)) {
                continue;
            }

            tokens = ngx_llmops_limits_room_unit(r, lim, charge, unit);

            if (tokens < room->granted) {
                room->granted = tokens;
                room->piece = ngx_llmops_limit_usual(part->limits[i], charge);
            }

            if (tokens < room->tokens && !charge->dry_run) {
                room->tokens = tokens;
                room->limit = part->limits[i];
                room->charge = charge;
                room->unit = unit;
            }
        }
    }
}


static int64_t
ngx_llmops_limits_room_unit(ngx_http_request_t *r, ngx_llmops_limits_t *lim,
    ngx_llmops_charge_t *charge, ngx_llmops_unit_e unit)
{
    int64_t  left, first, each;

    first = ngx_llmops_limits_need(r, lim, unit, 0);
    left = ngx_max(charge->granted[unit] - first, 0);

    if (unit != NGX_LLMOPS_UNIT_COST) {
        return left;
    }

    /* prices are linear in the output: of a thousand tokens for the digits */

    each = ngx_llmops_limits_need(r, lim, unit, 1000) - first;

    if (first < 0 || each <= 0) {
        return NGX_LLMOPS_LIMIT_MOST;        /* free, or nobody knows */
    }

    return (left > NGX_LLMOPS_LIMIT_MOST / 1000) ? left / (each / 1000 + 1)
                                                 : left * 1000 / each;
}


/* what an answer of that length needs in all, with what others before it have
   used that nobody got */

static int64_t
ngx_llmops_limits_need(ngx_http_request_t *r, ngx_llmops_limits_t *lim,
    ngx_llmops_unit_e unit, int64_t output)
{
    int64_t              input, cost;
    ngx_llmops_price_t  *price;
    ngx_llmops_spent_t  *spent;
    ngx_llmops_usage_t  *usage;

    spent = lim->ctx->spent;

    if (unit == NGX_LLMOPS_UNIT_OUTPUT) {
        return output + (spent ? spent->usage.output : 0);
    }

    input = ngx_llmops_limits_input(lim);

    if (unit == NGX_LLMOPS_UNIT_TOKENS) {
        return input + output
               + (spent ? spent->usage.input + spent->usage.output : 0);
    }

    price = ngx_llmops_limit_target_price(r, lim->ctx);

    if (price == NULL) {
        return -1;
    }

    usage = &lim->ctx->meter.usage;

    cost = ngx_llmops_limit_cost(price,
                                 (usage->source == NGX_LLMOPS_USAGE_REPORTED
                                  && usage->input > 0) ? usage : NULL,
                                 input, output);

    return (cost >= 0 && spent && spent->cost >= 0)
           ? ngx_llmops_price_sum(cost, spent->cost) : cost;
}


/* Anthropic says it at the start, the others at the end */

static int64_t
ngx_llmops_limits_input(ngx_llmops_limits_t *lim)
{
    ngx_llmops_usage_t  *usage;

    usage = &lim->ctx->meter.usage;

    return (usage->source == NGX_LLMOPS_USAGE_REPORTED && usage->input > 0)
           ? usage->input : lim->input;
}


/* bits of the units that a stream can use up */

static ngx_uint_t
ngx_llmops_limits_units(ngx_llmops_limit_t *limit,
    ngx_llmops_charge_t *charge)
{
    ngx_uint_t  i, units;

    units = 0;

    for (i = 0; i < charge->nrates; i++) {
        if (ngx_llmops_limit_budget(limit, &charge->rates[i])) {
            units |= (ngx_uint_t) 1 << charge->rates[i].unit;
        }
    }

    return units & NGX_LLMOPS_LIMIT_RUNNING;
}


/* asks for the next piece; room is brought up to what was had at once */

static void
ngx_llmops_limits_more(ngx_http_request_t *r, ngx_llmops_limits_t *lim,
    ngx_llmops_room_t *room, int64_t n)
{
    int64_t  before, target;

    before = ngx_max(room->granted, n);
    lim->asked = before;

    target = before + ngx_llmops_limit_times(room->piece, lim->choices);

    if (lim->output >= before) {

        /* it does not get longer than that */

        target = ngx_min(target, lim->output);
    }

    ngx_llmops_limits_more_part(r, lim, &lim->store, target, n);
    ngx_llmops_limits_more_part(r, lim, &lim->local, target, n);

    ngx_llmops_limits_room(r, lim, room);

    lim->mark = (room->granted > before)
                ? ngx_llmops_limits_mark(n, room->granted)
                : ngx_max(room->granted, n + 1);
}


static void
ngx_llmops_limits_more_part(ngx_http_request_t *r, ngx_llmops_limits_t *lim,
    ngx_llmops_limits_part_t *part, int64_t target, int64_t n)
{
    ngx_int_t                rc;
    ngx_llmops_main_conf_t  *mcf;

    if (!part->held || !ngx_llmops_limits_want(r, lim, part, target, n)) {
        return;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_llmops_module);

    rc = ngx_llmops_store_extend(mcf->store, &part->res);

    if (rc == NGX_AGAIN) {
        lim->extending = 1;
        return;
    }

    if (rc == NGX_OK) {
        ngx_llmops_limits_had(lim, part);
    }
}


/* sets what each budget has to give for target tokens, at least for one more
   than there are; 0: nothing is needed */

static ngx_uint_t
ngx_llmops_limits_want(ngx_http_request_t *r, ngx_llmops_limits_t *lim,
    ngx_llmops_limits_part_t *part, int64_t target, int64_t n)
{
    int64_t               want, least;
    ngx_uint_t            i, unit, units, any;
    ngx_llmops_charge_t  *charge;

    any = 0;

    for (i = 0; i < part->res.ncharges; i++) {
        charge = &part->res.charges[i];

        ngx_memzero(charge->want, sizeof(charge->want));
        ngx_memzero(charge->least, sizeof(charge->least));

        if ((part->away >> i & 1) || part->limits[i]->soft) {
            continue;
        }

        units = ngx_llmops_limits_units(part->limits[i], charge);

        for (unit = 0; units >> unit; unit++) {

            if (!(units >> unit & 1)) {
                continue;
            }

            want = ngx_llmops_limits_need(r, lim, unit, target)
                   - charge->granted[unit];

            if (want <= 0) {
                continue;
            }

            least = ngx_llmops_limits_need(r, lim, unit, n + 1)
                    - charge->granted[unit];

            charge->want[unit] = want;
            charge->least[unit] = ngx_max(least, 1);
            any = 1;
        }
    }

    return any;
}


/* the store has answered */

static void
ngx_llmops_limits_had(ngx_llmops_limits_t *lim,
    ngx_llmops_limits_part_t *part)
{
    ngx_uint_t            i, k;
    ngx_llmops_limit_t   *limit;
    ngx_llmops_charge_t  *charge;

    for (i = 0; i < part->res.ncharges; i++) {
        charge = &part->res.charges[i];
        limit = part->limits[i];

        if (limit->dry_run && charge->denied && lim->dry == NULL) {

            for (k = 0; !(charge->denied >> k & 1); k++) { /* void */ }

            ngx_llmops_limit_count(limit, dry_run[charge->rates[k].unit]);
            lim->dry = limit;
        }
    }
}


void
ngx_llmops_limits_extended(ngx_llmops_limits_t *lim)
{
    int64_t               n;
    ngx_uint_t            i;
    ngx_llmops_ctx_t     *ctx;
    ngx_llmops_room_t     room;
    ngx_http_request_t   *r;
    ngx_llmops_charge_t  *charge;

    ctx = lim->ctx;
    r = ctx->request;

    lim->extending = 0;

    /* what was reserved before still stands, and is settled */

    for (i = 0; i < lim->store.res.ncharges; i++) {
        charge = &lim->store.res.charges[i];

        if (charge->failed && !(lim->store.away >> i & 1)) {
            charge->failed = 0;
            ngx_llmops_limit_count(lim->store.limits[i], failed);

            if (lim->store.limits[i]->fail != NGX_LLMOPS_DOWN_CLOSED) {
                lim->beyond |= (uint32_t) 1 << i;
            }
        }
    }

    ngx_llmops_limits_had(lim, &lim->store);
    ngx_llmops_limits_room(r, lim, &room);

    n = (int64_t) ctx->meter.output_tokens;

    lim->mark = (n < room.granted && room.granted > lim->asked)
                ? ngx_llmops_limits_mark(n, room.granted)
                : room.granted;

    ctx->limits_at = 0;

    ngx_llmops_stream_resume(r, ctx);
}
