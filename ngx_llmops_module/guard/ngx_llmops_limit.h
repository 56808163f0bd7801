
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_LIMIT_H_INCLUDED_
#define _NGX_LLMOPS_LIMIT_H_INCLUDED_


#include "ngx_llmops_guard.h"
#include "ngx_llmops_calendar.h"
#include "ngx_llmops_redis.h"
#include "ngx_llmops_webhook.h"
#include "ngx_llmops_limit_sh.h"


/*
 * What the files of limits share; others see ngx_llmops_guard.h.
 *
 *   ngx_llmops_limit_conf.c      llm_limit, llm_quota: reading
 *   ngx_llmops_limit_param.c     their parameters
 *   ngx_llmops_limit_tz.c        the time zone of a quota
 *   ngx_llmops_limit_init.c      what they name, and what routes name of them
 *   ngx_llmops_limit.c           entering: asking the store, what to do then
 *   ngx_llmops_limit_charge.c    what a request may use, limit by limit
 *   ngx_llmops_limit_choices.c   in how many answers
 *   ngx_llmops_limit_deny.c      refusals
 *   ngx_llmops_limit_stream.c    streams on their way through a budget
 *   ngx_llmops_limit_settle.c    the end
 *   ngx_llmops_limit_headers.c   what callers see of it
 *   ngx_llmops_limit_warn.c      thresholds
 *   ngx_llmops_webhook.c         telling of them
 */


#define NGX_LLMOPS_LIMIT_NAME      64      /* bytes */
#define NGX_LLMOPS_LIMIT_RESERVE   1024    /* output tokens */
#define NGX_LLMOPS_LIMIT_LITTLE    16      /* output tokens that make a stream
                                              worth while */
#define NGX_LLMOPS_LIMIT_ROUTE     31      /* limits of a route at the most:
                                              with that of a key, 32 bits */
#define NGX_LLMOPS_LIMIT_MOST      ((int64_t) 1 << 56)     /* of any unit */
#define NGX_LLMOPS_LIMIT_DAY       ((int64_t) 24 * 3600 * 1000)

#define NGX_LLMOPS_LIMITS_NEVER    ((size_t) -1)   /* ctx->limits_at */

/* units that are made of tokens, as bits */
#define NGX_LLMOPS_LIMIT_COUNTED                                              \
    ((1 << NGX_LLMOPS_UNIT_TOKENS) | (1 << NGX_LLMOPS_UNIT_INPUT)             \
     | (1 << NGX_LLMOPS_UNIT_OUTPUT) | (1 << NGX_LLMOPS_UNIT_COST))

#define ngx_llmops_limit_count(limit, field)                                  \
    if ((limit)->sh) {                                                        \
        (void) ngx_atomic_fetch_add(&(limit)->sh->field, 1);                  \
    }


/* what of the calendar has been looked up last */

typedef struct {
    int64_t                    start;      /* ms since the epoch */
    int64_t                    end;
} ngx_llmops_limit_period_t;


/* llm_limit or llm_quota; after the configuration has been read only what is
   this worker's own changes */

typedef struct {
    ngx_str_t                  name;
    ngx_http_complex_value_t  *key;        /* NULL: the caller's own limits */
    ngx_http_complex_value_t  *shard;      /* or NULL */
    ngx_llmops_rate_t          rates[NGX_LLMOPS_COUNTER_RATES];
    ngx_uint_t                 nrates;
    ngx_uint_t                 units;      /* bits of what the rates count */
    ngx_llmops_calendar_t      calendar;
    ngx_llmops_limit_period_t  periods[NGX_LLMOPS_CALENDAR_MONTH + 1];
                                           /* of this worker */
    ngx_str_t                  tz;         /* as written */
    ngx_uint_t                 warn[NGX_LLMOPS_LIMIT_WARN];    /* per cent */
    ngx_uint_t                 nwarn;
    ngx_uint_t                 rollover;   /* per cent */
    ngx_uint_t                 fail;       /* ngx_llmops_policy_e */
    int64_t                    reserve;    /* reserve=; 0: not given */
    ngx_llmops_webhook_t      *webhook;    /* or NULL */
    ngx_llmops_limit_sh_t     *sh;         /* of this worker, maybe NULL */
    ngx_llmops_warned_sh_t    *warned;     /* the same */
    ngx_llmops_place_t         place;
    unsigned                   quota:1;
    unsigned                   soft:1;
    unsigned                   dry_run:1;
    unsigned                   used:1;     /* by a route */
} ngx_llmops_limit_t;


/* mcf->limits, NULL without any */

typedef struct {
    ngx_array_t                limits;     /* of ngx_llmops_limit_t * */
    ngx_llmops_limit_t         own;        /* "key": of the caller's key */
} ngx_llmops_limits_conf_t;


/* a name in "limit"; route->limits is an array of these */

typedef struct {
    ngx_str_t                  name;
    ngx_llmops_limit_t        *limit;
    ngx_llmops_place_t         place;
} ngx_llmops_limit_ref_t;


/* one question to the store and what became of it */

typedef struct {
    ngx_llmops_reservation_t   res;
    ngx_llmops_charge_t       *charges;
    ngx_llmops_limit_t       **limits;     /* of each charge */
    uint32_t                   away;       /* charges that could not be made: a
                                              bit for each */
    unsigned                   held:1;     /* to be settled */
} ngx_llmops_limits_part_t;


typedef enum {
    NGX_LLMOPS_LIMITS_NEW = 0,
    NGX_LLMOPS_LIMITS_ASKING,              /* reserve() is under way */
    NGX_LLMOPS_LIMITS_ANSWERED,
    NGX_LLMOPS_LIMITS_ENTERED,
    NGX_LLMOPS_LIMITS_OVER                 /* settled, or refused */
} ngx_llmops_limits_state_e;


/* of a request */

struct ngx_llmops_limits_s {
    ngx_llmops_ctx_t          *ctx;
    void                     (*next)(ngx_http_request_t *r);
    ngx_llmops_limits_part_t   store;
    ngx_llmops_limits_part_t   local;      /* those that go on in shared memory
                                              while the store is away */
    ngx_llmops_limits_state_e  state;

    int64_t                    input;      /* estimated tokens */
    int64_t                    output;     /* tokens of all choices it may have
                                              at the most; -1: nobody said */
    int64_t                    choices;    /* answers, at least 1 */

    ngx_llmops_limit_t        *limit;      /* that refused it, or ended it */
    ngx_llmops_charge_t       *charge;     /* of it, or NULL */
    ngx_uint_t                 rate;       /* the index in charge */
    ngx_llmops_limit_t        *dry;        /* that would have, but for
                                              dry_run */
    ngx_str_t                  warnings;   /* of budgets; len 0: none */
    int64_t                    reserved;   /* tokens, of the first grant */

    int64_t                    mark;       /* output tokens at which more is
                                              asked for */
    int64_t                    asked;      /* the room when that was last
                                              done */
    uint32_t                   beyond;     /* charges of .store that cannot be
                                              asked for more, and let pass */
    unsigned                   extending:1;    /* extend() is under way */
    unsigned                   ended:1;    /* the stream, by limit */
};


/* -- ngx_llmops_limit_charge.c -------------------------------------------- */

/*
 * Fills in the charge of a limit for a key's value.  NGX_OK; NGX_DECLINED: it
 * does not limit this request (no value); NGX_ABORT: it is in money and nobody
 * knows what the request may cost; NGX_ERROR.
 */
ngx_int_t ngx_llmops_limit_charge(ngx_http_request_t *r,
    ngx_llmops_limits_t *lim, ngx_llmops_limit_t *limit,
    ngx_llmops_charge_t *charge);

/* The same for a charge that has its key and rates.  NGX_OK or NGX_ABORT. */
ngx_int_t ngx_llmops_limit_fill(ngx_http_request_t *r,
    ngx_llmops_limits_t *lim, ngx_llmops_limit_t *limit,
    ngx_llmops_charge_t *charge);

/*
 * The counter of a value of a limit's key, as requests find it: charge has that
 * value as key, shard and the rates, and gets the rest.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_llmops_limit_identify(ngx_http_request_t *r,
    ngx_llmops_limit_t *limit, ngx_llmops_charge_t *charge);

/* What input and output tokens may cost at the dearest target of the plan;
   -1 if some target has no price. */
int64_t ngx_llmops_limit_dearest(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, int64_t input, int64_t output);

/* What tokens may cost at a price; usage, if not NULL, says what is known of
   the input.  -1: not known. */
int64_t ngx_llmops_limit_cost(ngx_llmops_price_t *price,
    ngx_llmops_usage_t *usage, int64_t input, int64_t output);

/* The price at the target that has been asked, or NULL. */
ngx_llmops_price_t *ngx_llmops_limit_target_price(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);

/* Whether a rate of a limit is a budget: what refuses for good, and ends
   streams. */
ngx_uint_t ngx_llmops_limit_budget(ngx_llmops_limit_t *limit,
    ngx_llmops_rate_t *rate);

/* Output tokens of one answer of which nobody has said how long it may get. */
int64_t ngx_llmops_limit_usual(ngx_llmops_limit_t *limit,
    ngx_llmops_charge_t *charge);

/* n * by, at most what a counter can hold. */
int64_t ngx_llmops_limit_times(int64_t n, int64_t by);


/* -- ngx_llmops_limit_choices.c ------------------------------------------- */

/* How many answers a request asks for, at least 1: n, and for completions as
   many for each of its prompts. */
int64_t ngx_llmops_limit_choices(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);


/* -- ngx_llmops_limit_deny.c ---------------------------------------------- */

/* Makes the refusal by the charges that are denied; returns the status. */
ngx_int_t ngx_llmops_limit_deny(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_limits_part_t *part);

/* The same when the store cannot be asked, or has no room. */
ngx_int_t ngx_llmops_limit_unknown(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_limit_t *limit);

/* The same when a budget is in money and the model has no price. */
ngx_int_t ngx_llmops_limit_unpriced(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_limit_t *limit);

/* Writes a time as "1s", "6m0s", "3h0m0s" or "120ms", as OpenAI's headers
   have it; at most NGX_LLMOPS_LIMIT_TIME bytes. */
#define NGX_LLMOPS_LIMIT_TIME      32
u_char *ngx_llmops_limit_time(u_char *p, int64_t ms);

/* Writes a time as in RFC 3339; as many bytes. */
u_char *ngx_llmops_limit_date(u_char *p, int64_t ms);

/* Writes an amount of a unit, money with "usd". */
u_char *ngx_llmops_limit_amount(u_char *p, ngx_llmops_unit_e unit, int64_t n);


/* -- ngx_llmops_limit_stream.c -------------------------------------------- */

/* More has been asked for, and the store has answered. */
void ngx_llmops_limits_extended(ngx_llmops_limits_t *lim);

/* A request has entered: sets ctx->limits_at. */
void ngx_llmops_limits_watch(ngx_llmops_ctx_t *ctx,
    ngx_llmops_limits_t *lim);


/* -- ngx_llmops_limit_settle.c -------------------------------------------- */

/* Gives back all that was reserved, counting nothing; also what is being asked
   for.  The state is then OVER. */
void ngx_llmops_limits_release(ngx_http_request_t *r,
    ngx_llmops_limits_t *lim);

/* The most of a unit that any charge has been granted. */
int64_t ngx_llmops_limits_granted(ngx_llmops_limits_t *lim,
    ngx_llmops_unit_e unit);


/* -- ngx_llmops_limit_warn.c ---------------------------------------------- */

/* Notes how full budgets are, once the store has answered. */
void ngx_llmops_limit_warn(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_limits_t *lim);


/* -- ngx_llmops_limit_conf.c ---------------------------------------------- */

/* mcf->limits, made if there is none; NULL: out of memory. */
ngx_llmops_limits_conf_t *ngx_llmops_limits_conf(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf);


/* -- ngx_llmops_limit_param.c --------------------------------------------- */

/* Reads a parameter or an amount into limit, whose .quota is set; *seen has a
   bit for each parameter that it has.  NGX_OK, or NGX_ERROR (logged). */
ngx_int_t ngx_llmops_limit_word(ngx_conf_t *cf, ngx_llmops_limit_t *limit,
    ngx_str_t *word, ngx_uint_t *seen);


/* -- ngx_llmops_limit_tz.c ------------------------------------------------ */

#define NGX_LLMOPS_ZONEINFO        "/usr/share/zoneinfo/"

/* "tz=": sets limit->tz and its calendar.  NGX_OK; NGX_DECLINED: there is no
   such zone; NGX_ERROR (logged, unless out of memory). */
ngx_int_t ngx_llmops_limit_tz(ngx_conf_t *cf, ngx_llmops_limit_t *limit,
    ngx_str_t *value);


/* -- ngx_llmops_limit_init.c ---------------------------------------------- */

/* What a limit is called in errors: "llm_limit" or "llm_quota". */
const char *ngx_llmops_limit_directive_name(ngx_llmops_limit_t *limit);


#endif /* _NGX_LLMOPS_LIMIT_H_INCLUDED_ */
