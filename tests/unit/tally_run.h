
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _TALLY_RUN_H_INCLUDED_
#define _TALLY_RUN_H_INCLUDED_


#include "fake_redis.h"
#include "ngx_llmops_redis_counter.h"


/*
 * Workers at one server, their reservations, and an oracle that knows
 * everything: what each holds, and what was really used, when.
 */


#define RUN_WORKERS  6
#define RUN_HOLDS    64
#define RUN_USES     20000
#define RUN_LEASE    15000


typedef struct run_s         run_t;
typedef struct run_worker_s  run_worker_t;
typedef struct run_hold_s    run_hold_t;

/* what was used of a counter */

typedef struct {
    char                       key[16];
    ngx_llmops_unit_e          unit;
    int64_t                    when;
    int64_t                    began;      /* the period it belongs to */
    int64_t                    amount;
} run_use_t;

struct run_hold_s {
    run_worker_t              *worker;
    ngx_llmops_reservation_t   res;
    ngx_llmops_charge_t        charges[2];
    ngx_uint_t                 asking;     /* NGX_AGAIN, no handler yet */
    ngx_uint_t                 extending;
    ngx_uint_t                 answers;
    int64_t                    began;
    run_use_t                 *requests[2];
    char                       keys[2][16];
};

struct run_worker_s {
    run_t                     *run;
    ngx_llmops_tallies_t       tallies;
    ngx_llmops_redis_t         redis;
    run_hold_t                *holds[RUN_HOLDS];
    ngx_uint_t                 alive;
    ngx_uint_t                 paused;
};

struct run_s {
    fake_server_t              server;
    run_worker_t               workers[RUN_WORKERS];
    ngx_uint_t                 nworkers;
    uint64_t                   ids;
    run_use_t                  uses[RUN_USES];
    ngx_uint_t                 nuses;
    ngx_llmops_rate_t          rates[NGX_LLMOPS_COUNTER_RATES];
    ngx_uint_t                 nrates;
    uint64_t                   random;
    ngx_uint_t                 steps;
    ngx_uint_t                 granted;    /* statistics, so that a run can be
                                              seen to have tried something */
    ngx_uint_t                 partial;
    ngx_uint_t                 denied;
    ngx_uint_t                 failed;
};


static ngx_inline uint64_t
run_random(run_t *run, uint64_t n)
{
    run->random ^= run->random << 13;
    run->random ^= run->random >> 7;
    run->random ^= run->random << 17;

    return run->random % n;
}


static void
run_worker_start(run_t *run, run_worker_t *w)
{
    memset(w, 0, sizeof(run_worker_t));

    w->run = run;
    w->alive = 1;
    w->redis.server = &run->server;
    w->redis.up = 1;

    w->tallies.redis = &w->redis;
    w->tallies.log = &fake_log;
    ngx_str_set(&w->tallies.prefix, "llm");
    w->tallies.lease = RUN_LEASE;
    w->tallies.id = ++run->ids << 24;
    w->tallies.seed = 12345;

    assert_int_equal(ngx_llmops_tallies_start(&w->tallies), NGX_OK);
}


static run_t *
run_new(ngx_uint_t nworkers, uint64_t seed)
{
    run_t       *run;
    ngx_uint_t   i;

    fake_nginx_init();

    run = calloc(1, sizeof(run_t));
    run->server.now = 1764000000123;
    run->random = seed * 0x9e3779b97f4a7c15u + 1;
    run->nworkers = nworkers;

    for (i = 0; i < nworkers; i++) {
        run_worker_start(run, &run->workers[i]);
    }

    return run;
}


/* the process is gone, with all that was in its memory */

static void
run_worker_kill(run_worker_t *w, ngx_uint_t executed)
{
    ngx_uint_t   i, k;
    run_hold_t  *hold;

    w->alive = 0;
    w->tallies.stopped = 1;

    fake_cut(&w->redis, executed);

    for (i = 0; i < RUN_HOLDS; i++) {
        hold = w->holds[i];

        for (k = 0; hold && k < hold->res.ncharges; k++) {

            if (hold->res.held && hold->charges[k].data) {
                ngx_llmops_claim_free(hold->charges[k].data);
                hold->charges[k].data = NULL;
            }
        }
    }

    ngx_llmops_tallies_stop(&w->tallies, NULL);

    for (i = 0; i < RUN_HOLDS; i++) {
        free(w->holds[i]);
        w->holds[i] = NULL;
    }
}


static void
run_rate(run_t *run, ngx_llmops_unit_e unit, ngx_llmops_period_e period,
    int64_t window, int64_t limit)
{
    ngx_llmops_rate_t  *rate;

    rate = &run->rates[run->nrates++];

    rate->unit = unit;
    rate->period = period;
    rate->window = window;
    rate->limit = limit;
}


/* periods begin where the oracle says */

static void
run_period(run_t *run, ngx_llmops_rate_t *rate)
{
    if (rate->period == NGX_LLMOPS_PERIOD_CALENDAR) {
        rate->start = run->server.now / rate->window * rate->window;
        rate->end = rate->start + rate->window;
    }
}


static run_use_t *
run_use(run_hold_t *hold, ngx_uint_t i, ngx_llmops_unit_e unit, int64_t amount)
{
    run_t      *run;
    run_use_t  *use;

    run = hold->worker->run;

    assert_true(run->nuses < RUN_USES);

    use = &run->uses[run->nuses++];

    strcpy(use->key, hold->keys[i]);
    use->unit = unit;
    use->when = run->server.now;
    use->began = hold->began;
    use->amount = amount;

    return use;
}


static int64_t
run_used(run_t *run, const char *key, ngx_llmops_rate_t *rate)
{
    int64_t      sum, from;
    ngx_uint_t   i;
    run_use_t   *use;

    run_period(run, rate);

    from = (rate->period == NGX_LLMOPS_PERIOD_CALENDAR)
           ? rate->start : run->server.now - rate->window + 1;

    for (sum = 0, i = 0; i < run->nuses; i++) {
        use = &run->uses[i];

        if (use->unit == rate->unit
            && ((rate->period == NGX_LLMOPS_PERIOD_CALENDAR)
                ? use->began : use->when) >= from
            && strcmp(use->key, key) == 0)
        {
            sum += use->amount;
        }
    }

    return (rate->period == NGX_LLMOPS_PERIOD_HELD) ? 0 : sum;
}


static int64_t
run_held(run_t *run, const char *key, ngx_llmops_unit_e unit)
{
    int64_t      sum;
    ngx_uint_t   w, i, k;
    run_hold_t  *hold;

    if (unit == NGX_LLMOPS_UNIT_REQUESTS) {
        return 0;                            /* used at once */
    }

    for (sum = 0, w = 0; w < run->nworkers; w++) {
        for (i = 0; i < RUN_HOLDS; i++) {
            hold = run->workers[w].holds[i];

            for (k = 0; hold && k < hold->res.ncharges; k++) {

                if (hold->res.held && !hold->charges[k].failed
                    && strcmp(hold->keys[k], key) == 0)
                {
                    sum += hold->charges[k].granted[unit];
                }
            }
        }
    }

    return sum;
}


/* what is used and held passes no limit */

static void
run_check(run_t *run, const char *key)
{
    int64_t             used, held;
    ngx_uint_t          i;
    ngx_llmops_rate_t  *rate;

    for (i = 0; i < run->nrates; i++) {
        rate = &run->rates[i];

        used = run_used(run, key, rate);
        held = run_held(run, key, rate->unit);

        if (used + held > rate->limit) {
            fail_msg("step %d, key %s, unit %d, window %lld: used %lld, "
                     "held %lld, limit %lld",
                     (int) run->steps, key,
                     (int) rate->unit, (long long) rate->window,
                     (long long) used, (long long) held,
                     (long long) rate->limit);
        }
    }
}


static void
run_granted(run_hold_t *hold)
{
    run_t       *run;
    ngx_uint_t   i;

    run = hold->worker->run;

    if (hold->extending) {
        hold->extending = 0;

    } else if (hold->res.held) {
        run->granted++;

        for (i = 0; i < hold->res.ncharges; i++) {

            if (!hold->charges[i].failed) {
                hold->requests[i] = run_use(hold, i,
                        NGX_LLMOPS_UNIT_REQUESTS,
                        hold->charges[i].granted[NGX_LLMOPS_UNIT_REQUESTS]);
            }
        }
    }

    run->denied += hold->res.denied;
    run->failed += hold->res.failed;

    for (i = 0; i < hold->res.ncharges; i++) {
        run->partial += hold->res.held
                        && hold->charges[i].granted[NGX_LLMOPS_UNIT_TOKENS]
                           < hold->charges[i].want[NGX_LLMOPS_UNIT_TOKENS];

        if (!hold->charges[i].failed) {
            run_check(run, hold->keys[i]);
        }
    }
}


static void
run_answer(ngx_llmops_reservation_t *res)
{
    run_hold_t *hold = res->data;

    assert_true(hold->asking);

    hold->asking = 0;
    hold->answers++;

    run_granted(hold);
}


static void
run_charge(run_hold_t *hold, ngx_uint_t i, const char *key)
{
    run_t                *run;
    ngx_uint_t            k;
    ngx_llmops_charge_t  *charge;

    run = hold->worker->run;
    charge = &hold->charges[i];

    strcpy(hold->keys[i], key);

    ngx_str_set(&charge->name, "limit");
    charge->key.data = (u_char *) hold->keys[i];
    charge->key.len = strlen(key);
    charge->divisor = 1;

    for (k = 0; k < run->nrates; k++) {
        run_period(run, &run->rates[k]);
        charge->rates[k] = run->rates[k];
    }

    charge->nrates = run->nrates;
    hold->began = run->server.now;

    charge->want[NGX_LLMOPS_UNIT_REQUESTS] = 1;
    charge->least[NGX_LLMOPS_UNIT_REQUESTS] = 1;
    charge->want[NGX_LLMOPS_UNIT_CONCURRENT] = 1;
    charge->least[NGX_LLMOPS_UNIT_CONCURRENT] = 1;
}


static run_hold_t *
run_hold(run_worker_t *w, const char *key)
{
    ngx_uint_t   i;
    run_hold_t  *hold;

    for (i = 0; w->holds[i]; i++) {

        if (i + 1 == RUN_HOLDS) {
            return NULL;
        }
    }

    hold = calloc(1, sizeof(run_hold_t));
    w->holds[i] = hold;

    hold->worker = w;
    hold->res.charges = hold->charges;
    hold->res.ncharges = 1;
    hold->res.handler = run_answer;
    hold->res.data = hold;

    run_charge(hold, 0, key);

    return hold;
}


static void
run_want(run_hold_t *hold, ngx_uint_t i, int64_t want, int64_t least)
{
    hold->charges[i].want[NGX_LLMOPS_UNIT_TOKENS] = want;
    hold->charges[i].least[NGX_LLMOPS_UNIT_TOKENS] = least;
}


static ngx_int_t
run_reserve(run_hold_t *hold)
{
    ngx_int_t  rc;

    rc = ngx_llmops_tallies_reserve(&hold->worker->tallies, &hold->res);

    if (rc == NGX_AGAIN) {
        hold->asking = 1;

    } else {
        assert_int_equal(rc, NGX_OK);
        run_granted(hold);
    }

    fake_nginx_turn();

    return rc;
}


static ngx_inline ngx_int_t
run_extend(run_hold_t *hold, int64_t want, int64_t least)
{
    ngx_int_t   rc;
    ngx_uint_t  i;

    for (i = 0; i < hold->res.ncharges; i++) {
        memset(hold->charges[i].want, 0, sizeof(hold->charges[i].want));
        memset(hold->charges[i].least, 0, sizeof(hold->charges[i].least));
        run_want(hold, i, want, least);
    }

    hold->extending = 1;

    rc = ngx_llmops_tallies_extend(&hold->worker->tallies, &hold->res);

    if (rc == NGX_AGAIN) {
        hold->asking = 1;

    } else {
        assert_int_equal(rc, NGX_OK);
        run_granted(hold);
    }

    fake_nginx_turn();

    return rc;
}


static void
run_forget(run_hold_t *hold)
{
    ngx_uint_t  i;

    for (i = 0; i < RUN_HOLDS; i++) {

        if (hold->worker->holds[i] == hold) {
            hold->worker->holds[i] = NULL;
        }
    }

    memset(hold, 0xa5, sizeof(run_hold_t));
    free(hold);
}


static void
run_settle(run_hold_t *hold, int64_t tokens)
{
    int64_t        truth[NGX_LLMOPS_UNIT_MAX];
    ngx_uint_t     i;
    run_worker_t  *w;

    w = hold->worker;

    memset(truth, 0, sizeof(truth));
    truth[NGX_LLMOPS_UNIT_REQUESTS] = 1;
    truth[NGX_LLMOPS_UNIT_TOKENS] = tokens;

    for (i = 0; i < hold->res.ncharges; i++) {

        if (hold->charges[i].failed) {
            run_use(hold, i, NGX_LLMOPS_UNIT_REQUESTS, 1);
        }

        run_use(hold, i, NGX_LLMOPS_UNIT_TOKENS, tokens);
    }

    ngx_llmops_tallies_settle(&w->tallies, &hold->res, truth);

    run_forget(hold);
    fake_nginx_turn();
}


static void
run_cancel(run_hold_t *hold)
{
    ngx_uint_t  i;

    for (i = 0; i < 2; i++) {

        if (hold->requests[i]) {
            hold->requests[i]->amount = 0;
        }
    }

    ngx_llmops_tallies_cancel(&hold->worker->tallies, &hold->res);

    run_forget(hold);
    fake_nginx_turn();
}


static void
run_pass(run_t *run, int64_t ms)
{
    ngx_uint_t  i;

    run->server.now += ms;
    fake_nginx_pass(ms);

    for (i = 0; i < run->nworkers; i++) {

        if (run->workers[i].alive && !run->workers[i].paused) {
            fake_nginx_timers(&run->workers[i].tallies);
        }
    }
}


/* everything that is under way arrives; nothing is told later any more */

static void
run_quiet(run_t *run)
{
    ngx_uint_t  i, k;

    for (k = 0; k < 4; k++) {
        for (i = 0; i < run->nworkers; i++) {

            if (run->workers[i].alive && !run->workers[i].paused) {
                fake_settle(&run->workers[i].redis);
            }
        }

        run_pass(run, 101);
    }
}


/* reserves, and has the answer at once */

static run_hold_t *
run_had(run_worker_t *w, const char *key, int64_t want, int64_t least)
{
    run_hold_t  *hold;

    hold = run_hold(w, key);
    assert_non_null(hold);

    run_want(hold, 0, want, least);

    if (run_reserve(hold) == NGX_AGAIN) {
        fake_settle(&w->redis);
    }

    assert_false(hold->asking);

    return hold;
}


/* levels, as a worker sees them that knows nothing yet */

static ngx_llmops_level_t
run_level(run_t *run, const char *key, ngx_uint_t i)
{
    run_worker_t        w;
    run_hold_t         *hold;
    ngx_llmops_level_t  level;

    run_worker_start(run, &w);

    hold = run_hold(&w, key);
    hold->res.asking = 1;

    assert_int_equal(run_reserve(hold), NGX_AGAIN);
    fake_settle(&w.redis);

    assert_false(hold->res.held);
    assert_false(hold->res.failed);

    level = hold->charges[0].levels[i];

    run_worker_kill(&w, FAKE_COMMANDS);

    return level;
}


static void
run_end(run_t *run)
{
    ngx_uint_t     i, k;
    run_worker_t  *w;

    for (i = 0; i < run->nworkers; i++) {
        w = &run->workers[i];

        if (!w->alive) {
            continue;
        }

        for (k = 0; k < RUN_HOLDS; k++) {

            if (w->holds[k]) {
                run_cancel(w->holds[k]);
            }
        }

        run_worker_kill(w, FAKE_COMMANDS);
    }

    fake_flush(&run->server);
    free(run);

    for (i = 0; i < FAKE_TIMERS; i++) {
        assert_null(fake_timers[i]);
    }
}


#endif /* _TALLY_RUN_H_INCLUDED_ */
