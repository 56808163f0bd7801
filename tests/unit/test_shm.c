
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "shm_run.h"


#define REQUESTS    NGX_LLMOPS_UNIT_REQUESTS
#define TOKENS      NGX_LLMOPS_UNIT_TOKENS
#define OUTPUT      NGX_LLMOPS_UNIT_OUTPUT
#define COST        NGX_LLMOPS_UNIT_COST
#define CONCURRENT  NGX_LLMOPS_UNIT_CONCURRENT

#define MINUTE      60000
#define DAY         86400000LL


static shm_run_t                 run;
static ngx_llmops_charge_t       c[4];
static ngx_llmops_reservation_t  res;


static int
setup(void **state)
{
    ngx_current_msec = 1000000;
    shm_time.sec = 1767225600;
    shm_create(&run, 4 << 20);

    return 0;
}


static int
teardown(void **state)
{
    assert_true(shm_sane(&run));
    shm_destroy(&run);

    return 0;
}


static int64_t  truth_zero[NGX_LLMOPS_UNIT_MAX];


static void
settle(ngx_llmops_reservation_t *r, int64_t requests, int64_t tokens)
{
    int64_t  truth[NGX_LLMOPS_UNIT_MAX] = { requests, tokens };

    ngx_llmops_shm_settle(&run.store, r, truth);
}


/* one charge of one unit */

static ngx_uint_t
reserve(ngx_llmops_charge_t *charge, ngx_llmops_reservation_t *r,
    int64_t want, int64_t least)
{
    charge->want[charge->rates[0].unit] = want;
    charge->least[charge->rates[0].unit] = least;

    shm_res(r, charge, 1);
    assert_int_equal(ngx_llmops_shm_reserve(&run.store, r), NGX_OK);
    assert_int_equal(r->failed, 0);
    assert_int_equal(r->held, !r->denied);

    return !r->denied;
}


static void
test_requests(void **state)
{
    ngx_uint_t  i;

    shm_charge(&c[0], "l", "k", shm_sliding(REQUESTS, 3, MINUTE));

    for (i = 0; i < 3; i++) {
        assert_true(reserve(&c[0], &res, 1, 1));
        assert_int_equal(c[0].granted[REQUESTS], 1);
        assert_int_equal(c[0].levels[0].used, i + 1);
        assert_int_equal(c[0].levels[0].reserved, 0);
        settle(&res, 1, 0);
        ngx_current_msec += 1000;
    }

    assert_false(reserve(&c[0], &res, 1, 1));
    assert_int_equal(c[0].denied, 1);
    assert_int_equal(c[0].levels[0].used, 3);

    /* the first one leaves the window up to a 64th of it later */

    assert_true(c[0].levels[0].retry > MINUTE - 3000);
    assert_true(c[0].levels[0].retry <= MINUTE - 3000 + MINUTE / 64 + 1);
    assert_true(c[0].levels[0].reset > MINUTE - 1000);
    assert_true(c[0].levels[0].reset <= MINUTE - 1000 + MINUTE / 64 + 1);

    ngx_current_msec += c[0].levels[0].retry - 1;
    assert_false(reserve(&c[0], &res, 1, 1));
    assert_int_equal(c[0].levels[0].retry, 1);

    ngx_current_msec++;
    assert_true(reserve(&c[0], &res, 1, 1));
    settle(&res, 1, 0);
    assert_false(reserve(&c[0], &res, 1, 1));

    ngx_current_msec += 2 * MINUTE;
    assert_true(reserve(&c[0], &res, 1, 1));
    assert_int_equal(c[0].levels[0].used, 1);
    settle(&res, 1, 0);
}


/* a request that is taken out again leaves no trace, wherever it was counted */

static void
test_request_taken_back(void **state)
{
    ngx_llmops_reservation_t  first, second;

    shm_charge(&c[0], "l", "k", shm_sliding(REQUESTS, 2, MINUTE));
    shm_charge(&c[1], "l", "k", shm_sliding(REQUESTS, 2, MINUTE));

    assert_true(reserve(&c[0], &first, 1, 1));
    ngx_current_msec += 10000;
    assert_true(reserve(&c[1], &second, 1, 1));
    ngx_current_msec += 10000;

    settle(&first, 0, 0);
    settle(&second, 1, 0);

    ngx_current_msec += 40001;               /* the second is still in it */
    assert_true(reserve(&c[0], &res, 1, 1));
    assert_int_equal(c[0].levels[0].used, 2);
    settle(&res, 1, 0);

    /* beyond the window: there is nothing to take out, and nothing of others */

    shm_charge(&c[0], "l", "other", shm_sliding(REQUESTS, 2, MINUTE));
    assert_true(reserve(&c[0], &first, 1, 1));
    ngx_current_msec += 2 * MINUTE;
    shm_charge(&c[1], "l", "other", shm_sliding(REQUESTS, 2, MINUTE));
    assert_true(reserve(&c[1], &second, 1, 1));
    settle(&first, 0, 0);
    settle(&second, 1, 0);

    assert_true(reserve(&c[1], &second, 1, 1));
    assert_int_equal(c[1].levels[0].used, 2);
    settle(&second, 1, 0);
}


static void
test_tokens(void **state)
{
    ngx_llmops_reservation_t  other;

    shm_charge(&c[0], "l", "k", shm_sliding(TOKENS, 1000, MINUTE));
    shm_charge(&c[1], "l", "k", shm_sliding(TOKENS, 1000, MINUTE));

    assert_true(reserve(&c[0], &res, 700, 700));
    assert_int_equal(c[0].granted[TOKENS], 700);
    assert_int_equal(c[0].levels[0].used, 0);
    assert_int_equal(c[0].levels[0].reserved, 700);

    /* what is left is granted, if it is worth having */

    assert_false(reserve(&c[1], &other, 400, 400));
    assert_int_equal(c[1].levels[0].reserved, 700);
    assert_true(c[1].levels[0].retry >= 1);
    assert_true(c[1].levels[0].retry <= 1000);

    assert_true(reserve(&c[1], &other, 400, 200));
    assert_int_equal(c[1].granted[TOKENS], 300);
    settle(&other, 1, 250);

    /* the truth takes the place of the estimate */

    settle(&res, 1, 100);

    assert_true(reserve(&c[0], &res, 650, 650));
    assert_int_equal(c[0].levels[0].used, 350);
    assert_int_equal(c[0].levels[0].reserved, 650);
    assert_false(reserve(&c[1], &other, 1, 1));

    /* it may be more than was granted: then there is no room for others */

    settle(&res, 1, 2000);
    assert_false(reserve(&c[1], &other, 1, 1));
    assert_int_equal(c[1].levels[0].used, 2350);

    ngx_current_msec += c[1].levels[0].retry;
    assert_true(reserve(&c[1], &other, 1, 1));
    ngx_llmops_shm_cancel(&run.store, &other);
    assert_int_equal(other.held, 0);
}


static void
test_soft_and_dry_run(void **state)
{
    ngx_llmops_reservation_t  other;

    shm_charge(&c[0], "l", "k", shm_sliding(TOKENS, 100, MINUTE));
    assert_true(reserve(&c[0], &res, 80, 0));
    assert_int_equal(c[0].granted[TOKENS], 80);

    /* least 0: never denied, granted what there is */

    shm_charge(&c[1], "l", "k", shm_sliding(TOKENS, 100, MINUTE));
    assert_true(reserve(&c[1], &other, 80, 0));
    assert_int_equal(c[1].granted[TOKENS], 20);
    assert_int_equal(c[1].denied, 0);
    settle(&other, 1, 80);
    settle(&res, 1, 80);

    assert_true(reserve(&c[0], &res, 80, 0));
    assert_int_equal(c[0].granted[TOKENS], 0);
    assert_int_equal(c[0].levels[0].used, 160);
    settle(&res, 1, 40);

    /* dry_run: says so, and grants all */

    shm_charge(&c[0], "l", "k", shm_sliding(TOKENS, 100, MINUTE));
    c[0].dry_run = 1;
    assert_true(reserve(&c[0], &res, 80, 80));
    assert_int_equal(c[0].denied, 1);
    assert_true(c[0].levels[0].retry >= 1);
    assert_int_equal(c[0].granted[TOKENS], 80);
    assert_int_equal(c[0].levels[0].used, 200);
    assert_int_equal(c[0].levels[0].reserved, 80);
    settle(&res, 1, 80);

    /* a soft limit's request that found no room is counted in the end */

    shm_charge(&c[0], "l", "r", shm_sliding(REQUESTS, 1, MINUTE));
    assert_true(reserve(&c[0], &res, 1, 0));
    settle(&res, 1, 0);
    assert_true(reserve(&c[0], &res, 1, 0));
    assert_int_equal(c[0].granted[REQUESTS], 0);
    settle(&res, 1, 0);
    assert_true(reserve(&c[0], &res, 1, 0));
    assert_int_equal(c[0].levels[0].used, 2);
    settle(&res, 1, 0);
}


static void
test_concurrent(void **state)
{
    ngx_llmops_reservation_t  r[3];

    shm_charge(&c[0], "l", "k", shm_held(CONCURRENT, 2));
    shm_charge(&c[1], "l", "k", shm_held(CONCURRENT, 2));
    shm_charge(&c[2], "l", "k", shm_held(CONCURRENT, 2));

    assert_true(reserve(&c[0], &r[0], 1, 1));
    assert_true(reserve(&c[1], &r[1], 1, 1));
    assert_int_equal(c[1].levels[0].reserved, 2);
    assert_false(reserve(&c[2], &r[2], 1, 1));
    assert_int_equal(c[2].levels[0].retry, 0);
    assert_int_equal(c[2].levels[0].reset, 0);

    settle(&r[0], 1, 0);
    assert_true(reserve(&c[2], &r[2], 1, 1));
    settle(&r[1], 1, 0);
    settle(&r[2], 1, 0);
}


/* all rates of all charges, or none */

static void
test_all_or_nothing(void **state)
{
    ngx_llmops_reservation_t  other;

    shm_charge(&c[0], "client", "k", shm_sliding(REQUESTS, 10, MINUTE));
    c[0].rates[1] = shm_sliding(TOKENS, 1000, MINUTE);
    c[0].rates[2] = shm_held(CONCURRENT, 5);
    c[0].nrates = 3;
    shm_charge(&c[1], "tenant", "k", shm_sliding(TOKENS, 100, MINUTE));

    for (int i = 0; i < 2; i++) {
        c[i].want[REQUESTS] = c[i].least[REQUESTS] = 1;
        c[i].want[TOKENS] = c[i].least[TOKENS] = 200;
        c[i].want[CONCURRENT] = c[i].least[CONCURRENT] = 1;
    }

    shm_res(&res, c, 2);
    assert_int_equal(ngx_llmops_shm_reserve(&run.store, &res), NGX_OK);
    assert_int_equal(res.denied, 1);
    assert_int_equal(res.held, 0);
    assert_int_equal(c[0].denied, 0);
    assert_int_equal(c[0].granted[TOKENS], 0);
    assert_int_equal(c[0].levels[0].used, 0);
    assert_int_equal(c[0].levels[1].reserved, 0);
    assert_int_equal(c[0].levels[2].reserved, 0);
    assert_int_equal(c[1].denied, 1);

    c[1].want[TOKENS] = c[1].least[TOKENS] = 50;
    assert_int_equal(ngx_llmops_shm_reserve(&run.store, &res), NGX_OK);
    assert_int_equal(res.held, 1);
    assert_int_equal(c[0].levels[0].used, 1);
    assert_int_equal(c[0].levels[1].reserved, 200);
    assert_int_equal(c[0].levels[2].reserved, 1);
    assert_int_equal(c[1].levels[0].reserved, 50);

    /* the same counter twice in one reservation is one counter */

    shm_charge(&c[2], "twice", "k", shm_sliding(TOKENS, 100, MINUTE));
    c[2].want[TOKENS] = c[2].least[TOKENS] = 60;
    c[3] = c[2];
    shm_res(&other, &c[2], 2);
    ngx_llmops_shm_reserve(&run.store, &other);
    assert_int_equal(other.denied, 1);

    settle(&res, 1, 150);

    shm_res(&res, c, 2);
    c[0].want[TOKENS] = 0;
    ngx_llmops_shm_reserve(&run.store, &res);
    assert_int_equal(res.denied, 1);         /* 150 of the tenant's 100 */
}


static void
test_extend(void **state)
{
    shm_charge(&c[0], "l", "k", shm_sliding(TOKENS, 1000, MINUTE));
    assert_true(reserve(&c[0], &res, 600, 600));

    c[0].want[TOKENS] = 300;
    c[0].least[TOKENS] = 300;
    assert_int_equal(ngx_llmops_shm_extend(&run.store, &res), NGX_OK);
    assert_int_equal(res.denied, 0);
    assert_int_equal(c[0].granted[TOKENS], 900);

    assert_int_equal(ngx_llmops_shm_extend(&run.store, &res), NGX_OK);
    assert_int_equal(res.denied, 1);
    assert_int_equal(res.held, 1);
    assert_int_equal(c[0].granted[TOKENS], 900);
    assert_int_equal(c[0].levels[0].reserved, 900);

    c[0].least[TOKENS] = 1;
    assert_int_equal(ngx_llmops_shm_extend(&run.store, &res), NGX_OK);
    assert_int_equal(res.denied, 0);
    assert_int_equal(c[0].granted[TOKENS], 1000);
    assert_int_equal(c[0].levels[0].reserved, 1000);

    settle(&res, 1, 999);

    shm_charge(&c[0], "l", "k", shm_sliding(TOKENS, 1000, MINUTE));
    assert_true(reserve(&c[0], &res, 5, 1));
    assert_int_equal(c[0].granted[TOKENS], 1);
    settle(&res, 1, 0);
}


static void
test_levels_and_reset(void **state)
{
    ngx_llmops_reservation_t  ask;

    shm_charge(&c[0], "l", "k", shm_sliding(TOKENS, 1000, MINUTE));
    shm_charge(&c[1], "l", "k", shm_sliding(TOKENS, 1000, MINUTE));

    shm_res(&ask, &c[1], 1);
    ask.asking = 1;
    ngx_llmops_shm_reserve(&run.store, &ask);
    assert_int_equal(ask.held, 0);
    assert_int_equal(c[1].levels[0].used, 0);
    assert_int_equal(run.zone->root.ncounters, 0);  /* asking makes none */

    assert_true(reserve(&c[0], &res, 600, 600));
    settle(&res, 1, 500);
    assert_true(reserve(&c[0], &res, 100, 100));

    ngx_llmops_shm_reserve(&run.store, &ask);
    assert_int_equal(ask.denied, 0);
    assert_int_equal(c[1].levels[0].used, 500);
    assert_int_equal(c[1].levels[0].reserved, 100);

    ngx_llmops_shm_reset(&run.store, &ask);
    assert_int_equal(c[1].levels[0].used, 0);
    assert_int_equal(c[1].levels[0].reserved, 100);

    settle(&res, 1, 100);
    ngx_llmops_shm_reserve(&run.store, &ask);
    assert_int_equal(c[1].levels[0].used, 100);
    assert_int_equal(c[1].levels[0].reserved, 0);
}


static void
test_calendar(void **state)
{
    int64_t                   today;
    ngx_llmops_reservation_t  old;

    today = (int64_t) shm_time.sec * 1000;

    shm_charge(&c[0], "l", "k", shm_calendar(COST, 1000, DAY, today));
    assert_true(reserve(&c[0], &res, 400, 400));
    assert_int_equal(c[0].levels[0].reset, DAY);
    ngx_llmops_shm_settle(&run.store, &res,
                          (int64_t[6]) { 1, 0, 0, 0, 700, 0 });
    assert_false(reserve(&c[0], &res, 400, 400));
    assert_int_equal(c[0].levels[0].used, 700);
    assert_int_equal(c[0].levels[0].retry, DAY);

    /* a reservation that is settled tomorrow belongs to today */

    shm_charge(&c[1], "l", "k", shm_calendar(COST, 1000, DAY, today));
    assert_true(reserve(&c[1], &old, 300, 300));

    shm_time.sec += 86400;
    ngx_current_msec += DAY;

    shm_charge(&c[0], "l", "k", shm_calendar(COST, 1000, DAY, today + DAY));
    assert_false(reserve(&c[0], &res, 800, 800));
    assert_int_equal(c[0].levels[0].used, 0);
    assert_int_equal(c[0].levels[0].reserved, 300);
    assert_true(c[0].levels[0].retry <= 1000);

    ngx_llmops_shm_settle(&run.store, &old,
                          (int64_t[6]) { 1, 0, 0, 0, 300, 0 });
    assert_true(reserve(&c[0], &res, 800, 800));
    assert_int_equal(c[0].levels[0].used, 0);
    ngx_llmops_shm_settle(&run.store, &res,
                          (int64_t[6]) { 1, 0, 0, 0, 800, 0 });

    /* a worker whose clock is behind counts in the present period */

    shm_charge(&c[1], "l", "k", shm_calendar(COST, 1000, DAY, today));
    assert_false(reserve(&c[1], &old, 300, 300));
    assert_int_equal(c[1].levels[0].used, 800);

    /* the clock jumps back over midnight: neither refilled nor lost */

    shm_time.sec -= 7200;
    assert_true(reserve(&c[1], &old, 200, 200));
    ngx_llmops_shm_settle(&run.store, &old,
                          (int64_t[6]) { 1, 0, 0, 0, 100, 0 });
    assert_false(reserve(&c[1], &old, 200, 200));
    assert_int_equal(c[1].levels[0].used, 900);

    shm_time.sec += 7200;
    assert_false(reserve(&c[0], &res, 200, 200));
    assert_int_equal(c[0].levels[0].used, 900);

    /* it had been wrong by months: the period of that time is given up */

    shm_time.sec -= 100 * 86400;
    shm_charge(&c[1], "l", "k", shm_calendar(COST, 1000, DAY,
                                             today - 99 * DAY));
    assert_true(reserve(&c[1], &old, 1000, 1000));
    ngx_llmops_shm_cancel(&run.store, &old);
}


/* spends an amount on a day from the first one, of what may be spent then */

static int64_t
spend(int64_t day, int64_t amount, ngx_uint_t divisor)
{
    int64_t  today;

    static int64_t  first;

    if (day == 0) {
        first = (int64_t) shm_time.sec * 1000;
    }

    today = first + day * DAY;
    shm_time.sec = today / 1000;

    shm_charge(&c[0], "l", "k", shm_calendar(COST, 1000, DAY, today));
    c[0].rates[0].carry = 200;
    c[0].divisor = divisor;

    if (reserve(&c[0], &res, amount, amount)) {
        ngx_llmops_shm_settle(&run.store, &res,
                              (int64_t[6]) { 1, 0, 0, 0, amount, 0 });
    } else {
        assert_int_equal(c[0].denied, 1);
    }

    return c[0].levels[0].limit;
}


static void
test_carry(void **state)
{
    assert_int_equal(spend(0, 900, 1), 1000);    /* nobody knows of before */
    assert_int_equal(spend(1, 1100, 1), 1100);   /* 100 were left */
    assert_int_equal(c[0].denied, 0);
    assert_int_equal(spend(1, 1, 1), 1100);
    assert_int_equal(c[0].denied, 1);

    assert_int_equal(spend(2, 10, 1), 1000);     /* more than 1000 was spent */
    assert_int_equal(spend(3, 10, 1), 1200);     /* 990 left, at most 200 */
    assert_int_equal(spend(4, 1000, 1), 1200);   /* not what was carried */
    assert_int_equal(spend(7, 1200, 2), 600);    /* two days of nothing */
    assert_int_equal(c[0].denied, 1);
    assert_int_equal(spend(8, 1200, 1), 1200);
    assert_int_equal(spend(9, 1, 1), 1000);

    /* a reload takes it away, or gives it */

    shm_charge(&c[0], "l", "k",
               shm_calendar(COST, 1000, DAY, (int64_t) shm_time.sec * 1000));
    assert_true(reserve(&c[0], &res, 500, 500));
    assert_int_equal(c[0].levels[0].limit, 1000);
    ngx_llmops_shm_cancel(&run.store, &res);
}


/* a reload may change limits, order and number of rates */

static void
test_rates_matched(void **state)
{
    ngx_uint_t  i;

    shm_charge(&c[0], "l", "k", shm_sliding(REQUESTS, 10, MINUTE));
    c[0].rates[1] = shm_sliding(REQUESTS, 100, 60 * MINUTE);
    c[0].nrates = 2;
    assert_true(reserve(&c[0], &res, 1, 1));
    settle(&res, 1, 0);

    c[0].rates[0] = shm_sliding(REQUESTS, 50, 60 * MINUTE);
    c[0].rates[1] = shm_sliding(REQUESTS, 5, MINUTE);
    c[0].rates[2] = shm_sliding(REQUESTS, 2, 1000);
    c[0].nrates = 3;
    assert_true(reserve(&c[0], &res, 1, 1));
    assert_int_equal(c[0].levels[0].used, 2);
    assert_int_equal(c[0].levels[1].used, 2);
    assert_int_equal(c[0].levels[2].used, 1);
    settle(&res, 1, 0);

    /* more rates than a counter has slots for, one after the other */

    for (i = 0; i < 40; i++) {
        shm_charge(&c[1], "l", "k", shm_sliding(REQUESTS, 50, 60 * MINUTE));
        c[1].rates[1] = shm_sliding(REQUESTS, 5, 1000 + i);
        c[1].nrates = 2;
        ngx_current_msec += 1500;
        assert_true(reserve(&c[1], &res, 1, 1));
        assert_int_equal(c[1].levels[0].used, 3 + i);
        assert_int_equal(c[1].levels[1].used, 1);
        settle(&res, 1, 0);
    }

    /* the same cells all the time: 8 rings at the most */

    assert_true(run.zone->root.cells.used <= 9);
}


static void
test_divisor(void **state)
{
    shm_charge(&c[0], "l", "k", shm_sliding(TOKENS, 1000, MINUTE));
    c[0].divisor = 4;
    assert_true(reserve(&c[0], &res, 600, 1));
    assert_int_equal(c[0].granted[TOKENS], 250);
    settle(&res, 1, 0);

    shm_charge(&c[0], "l", "few", shm_held(CONCURRENT, 2));
    c[0].divisor = 4;
    assert_true(reserve(&c[0], &res, 1, 1)); /* none would be an outage */
    settle(&res, 1, 0);
}


/* counters without reservations make room, oldest first; budgets stay */

static void
test_eviction(void **state)
{
    char                      key[32];
    int64_t                   today, cells;
    ngx_uint_t                i;
    shm_run_t                 small;
    ngx_llmops_reservation_t  held, budget;

    memset(&small, 0, sizeof(small));
    shm_create(&small, 128 << 10);           /* 32k for counters */
    today = (int64_t) shm_time.sec * 1000;

    shm_charge(&c[0], "held", "k", shm_sliding(TOKENS, 100, MINUTE));
    c[0].want[TOKENS] = c[0].least[TOKENS] = 60;
    shm_res(&held, &c[0], 1);
    ngx_llmops_shm_reserve(&small.store, &held);
    assert_int_equal(held.held, 1);

    shm_charge(&c[1], "budget", "k", shm_calendar(TOKENS, 100, DAY, today));
    c[1].want[TOKENS] = c[1].least[TOKENS] = 60;
    shm_res(&budget, &c[1], 1);
    ngx_llmops_shm_reserve(&small.store, &budget);
    ngx_llmops_shm_settle(&small.store, &budget, (int64_t[6]) { 1, 60 });

    for (i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "key %u", (unsigned) i);
        shm_charge(&c[2], "flood", key, shm_sliding(REQUESTS, 1, MINUTE));
        c[2].want[REQUESTS] = c[2].least[REQUESTS] = 1;
        shm_res(&res, &c[2], 1);
        ngx_llmops_shm_reserve(&small.store, &res);
        assert_int_equal(res.failed, 0);
        assert_int_equal(res.held, 1);
        ngx_llmops_shm_settle(&small.store, &res, (int64_t[6]) { 1 });
    }

    cells = small.zone->root.cells.used;
    assert_true(cells * 704 <= 32 << 10);
    assert_true(small.zone->root.evicted[NGX_LLMOPS_QUEUE_SLIDING] > 900);
    assert_int_equal(small.zone->root.evicted[NGX_LLMOPS_QUEUE_CALENDAR], 0);

    ngx_llmops_shm_reserve(&small.store, &budget);
    assert_int_equal(budget.denied, 1);
    assert_int_equal(c[1].levels[0].used, 60);

    shm_res(&res, &c[0], 1);
    ngx_llmops_shm_settle(&small.store, &held, (int64_t[6]) { 1, 50 });
    ngx_llmops_shm_reserve(&small.store, &res);
    assert_int_equal(res.denied, 1);
    assert_int_equal(c[0].levels[0].used, 50);

    assert_true(shm_sane(&small));
    shm_destroy(&small);
    assert_int_equal(shm_logged, 0);
}


/* when all is held the charge fails, says so once, and nothing breaks */

static void
test_full(void **state)
{
    char                       key[32];
    ngx_uint_t                 i, n;
    shm_run_t                  small;
    ngx_llmops_charge_t       *charges;
    ngx_llmops_reservation_t  *all;

    memset(&small, 0, sizeof(small));
    shm_create(&small, 128 << 10);

    charges = calloc(400, sizeof(ngx_llmops_charge_t));
    all = calloc(400, sizeof(ngx_llmops_reservation_t));
    shm_logged = 0;

    for (i = 0, n = 0; i < 400; i++) {
        snprintf(key, sizeof(key), "key %u", (unsigned) i % 60);
        shm_charge(&charges[i], "l", key, shm_held(CONCURRENT, 100));
        charges[i].name = *unit_str("l");
        charges[i].key.data = ngx_palloc(NULL, 32);
        memcpy(charges[i].key.data, key, 32);
        charges[i].want[CONCURRENT] = charges[i].least[CONCURRENT] = 1;
        shm_res(&all[i], &charges[i], 1);
        ngx_llmops_shm_reserve(&small.store, &all[i]);
        assert_int_equal(all[i].denied, 0);
        n += all[i].failed;
        assert_int_equal(all[i].failed, charges[i].failed);
    }

    assert_true(n > 0 && n < 400);
    assert_int_equal(shm_logged, 1);
    shm_logged = 0;
    assert_true(shm_sane(&small));

    for (i = 0; i < 400; i++) {
        ngx_llmops_shm_settle(&small.store, &all[i], (int64_t[6]) { 1 });
    }

    assert_true(shm_sane(&small));
    assert_int_equal(small.zone->root.hold_cells.used, 0);

    free(charges);
    free(all);
    shm_destroy(&small);
}


/* a worker that is stopped for longer than the lease, and goes on */

static void
test_lease(void **state)
{
    shm_run_t                 other;
    ngx_llmops_reservation_t  frozen, second;

    shm_attach(&other, run.zone, run.size);

    shm_charge(&c[0], "l", "k", shm_sliding(TOKENS, 100, MINUTE));
    c[0].rates[1] = shm_held(CONCURRENT, 1);
    c[0].rates[2] = shm_sliding(REQUESTS, 100, MINUTE);
    c[0].nrates = 3;
    c[0].want[TOKENS] = c[0].least[TOKENS] = 80;
    c[0].want[CONCURRENT] = c[0].least[CONCURRENT] = 1;
    c[0].want[REQUESTS] = c[0].least[REQUESTS] = 1;
    c[1] = c[0];

    shm_res(&frozen, &c[0], 1);
    ngx_llmops_shm_reserve(&run.store, &frozen);
    assert_int_equal(frozen.held, 1);

    shm_res(&second, &c[1], 1);
    ngx_llmops_shm_reserve(&other.store, &second);
    assert_int_equal(second.denied, 1);

    ngx_current_msec += 14000;
    ngx_llmops_members_tick(&other.shm, 0);
    ngx_llmops_shm_reserve(&other.store, &second);
    assert_int_equal(second.denied, 1);

    ngx_current_msec += 2000;
    ngx_llmops_members_tick(&other.shm, 0);
    ngx_llmops_shm_reserve(&other.store, &second);
    assert_int_equal(second.held, 1);
    ngx_llmops_shm_settle(&other.store, &second, (int64_t[6]) { 1, 20 });

    /* what it has used is counted all the same, once */

    ngx_llmops_shm_settle(&run.store, &frozen, (int64_t[6]) { 1, 30 });

    ngx_llmops_shm_reserve(&other.store, &second);
    assert_int_equal(second.denied, 1);
    assert_int_equal(c[1].levels[0].used, 50);
    assert_int_equal(c[1].levels[1].reserved, 0);
    assert_int_equal(c[1].levels[2].used, 2);
    assert_true(shm_sane(&run));

    /* and a stream of it that goes on holds again what it had */

    c[0].want[TOKENS] = c[0].least[TOKENS] = 20;
    ngx_llmops_shm_reserve(&run.store, &frozen);
    assert_int_equal(frozen.held, 1);
    ngx_current_msec += 16000;
    ngx_llmops_members_tick(&other.shm, 0);
    assert_true(shm_sane(&run));
    c[0].want[TOKENS] = c[0].least[TOKENS] = 10;
    c[0].want[REQUESTS] = c[0].want[CONCURRENT] = 0;
    ngx_llmops_shm_extend(&run.store, &frozen);
    assert_int_equal(frozen.denied, 0);
    assert_int_equal(c[0].granted[TOKENS], 30);
    assert_int_equal(c[0].levels[0].reserved, 30);
    assert_int_equal(c[0].levels[1].reserved, 1);
    assert_int_equal(c[0].levels[2].used, 3);
    ngx_llmops_shm_settle(&run.store, &frozen, truth_zero);
    assert_true(shm_sane(&run));

    ngx_llmops_member_leave(&other.shm);
    ngx_llmops_member_leave(&run.shm);
    assert_null(run.zone->root.members);
    free(other.shm.scratch);
}


/* -- documents ------------------------------------------------------------ */

static ngx_llmops_docop_t  op;


static ngx_int_t
doc(ngx_int_t (*call)(ngx_llmops_store_t *, ngx_llmops_docop_t *),
    const char *id, const char *value, uint64_t expected)
{
    memset(&op, 0, sizeof(op));

    op.id = *unit_str(id);
    op.value = *unit_str(value);
    op.expected = expected;

    assert_int_equal(call(&run.store, &op), NGX_OK);

    return op.rc;
}


#define put(id, value, expected)                                              \
    doc(ngx_llmops_shm_put_doc, id, value, expected)
#define get(id)  doc(ngx_llmops_shm_get, id, "", 0)
#define del(id, expected)  doc(ngx_llmops_shm_remove, id, "", expected)

#define ANY   NGX_LLMOPS_REVISION_ANY
#define NONE  NGX_LLMOPS_REVISION_NONE


static void
test_documents(void **state)
{
    uint64_t  revision;

    revision = ngx_llmops_shm_revision(&run.store, 0);

    assert_int_equal(get("a"), NGX_DECLINED);
    assert_int_equal(del("a", ANY), NGX_DECLINED);
    assert_int_equal(put("a", "one", 1), NGX_DECLINED);
    assert_int_equal(ngx_llmops_shm_revision(&run.store, 0), revision);

    assert_int_equal(put("a", "one", NONE), NGX_OK);
    assert_int_equal(op.doc.revision, 1);
    assert_int_not_equal(ngx_llmops_shm_revision(&run.store, 0), revision);

    assert_int_equal(get("a"), NGX_OK);
    assert_str(op.doc.id, "a");
    assert_str(op.doc.value, "one");
    assert_int_equal(op.doc.revision, 1);

    assert_int_equal(put("a", "two", NONE), NGX_DECLINED);
    assert_int_equal(put("a", "two", 2), NGX_DECLINED);
    assert_int_equal(put("a", "two", 1), NGX_OK);
    assert_int_equal(put("a", "three", ANY), NGX_OK);
    assert_int_equal(op.doc.revision, 3);

    op.docs = NGX_LLMOPS_DOCS_AUDIT;         /* another kind, other names */
    ngx_llmops_shm_get(&run.store, &op);
    assert_int_equal(op.rc, NGX_DECLINED);

    assert_int_equal(del("a", 2), NGX_DECLINED);
    assert_int_equal(del("a", 3), NGX_OK);
    assert_int_equal(get("a"), NGX_DECLINED);
    assert_int_equal(run.zone->root.doc_cells.used, 0);
    assert_int_equal(run.zone->root.ndocs[0], 0);
}


/* every size around the borders of cells */

static void
test_document_sizes(void **state)
{
    size_t      i, n;
    ngx_str_t   value;
    static u_char  text[NGX_LLMOPS_DOC_SIZE + 1];
    size_t  sizes[] = { 0, 1, 100, 206, 207, 208, 209, 454, 455, 456, 457,
                        1000, 65535, 65536 };

    for (i = 0; i < sizeof(text); i++) {
        text[i] = 'a' + i % 23;
    }

    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (n = 1; n <= NGX_LLMOPS_DOC_ID; n += 127) {
            value.data = text;
            value.len = sizes[i];

            memset(&op, 0, sizeof(op));
            op.id.data = text + 3;
            op.id.len = n;
            op.value = value;
            op.expected = ANY;
            ngx_llmops_shm_put_doc(&run.store, &op);
            assert_int_equal(op.rc, NGX_OK);

            ngx_llmops_shm_get(&run.store, &op);
            assert_int_equal(op.rc, NGX_OK);
            assert_int_equal(op.doc.value.len, sizes[i]);
            assert_memory_equal(op.doc.value.data, text, sizes[i]);
            assert_int_equal(op.doc.id.len, n);
            assert_memory_equal(op.doc.id.data, text + 3, n);
        }
    }

    op.value.len = NGX_LLMOPS_DOC_SIZE + 1;
    ngx_llmops_shm_put_doc(&run.store, &op);
    assert_int_equal(op.rc, NGX_BUSY);
    assert_true(shm_sane(&run));
}


/* each kind has its own bound, and what is at it comes back whole */

static void
test_document_bounds(void **state)
{
    size_t         i, max;
    ngx_uint_t     kind;
    static u_char  text[NGX_LLMOPS_DOC_LARGE + 1];

    assert_int_equal(ngx_llmops_doc_max(NGX_LLMOPS_DOCS_KEYS), 65536);
    assert_int_equal(ngx_llmops_doc_max(NGX_LLMOPS_DOCS_TEXTS), 1024 * 1024);

    for (i = 0; i < sizeof(text); i++) {
        text[i] = 'a' + i % 23;
    }

    for (kind = 0; kind < NGX_LLMOPS_DOCS_MAX; kind++) {
        max = ngx_llmops_doc_max(kind);

        memset(&op, 0, sizeof(op));
        op.docs = kind;
        op.id = *unit_str("a");
        op.expected = ANY;
        op.value.data = text;
        op.value.len = max + 1;
        ngx_llmops_shm_put_doc(&run.store, &op);
        assert_int_equal(op.rc, NGX_BUSY);

        op.value.len = max;
        ngx_llmops_shm_put_doc(&run.store, &op);
        assert_int_equal(op.rc, NGX_OK);

        ngx_llmops_shm_get(&run.store, &op);
        assert_int_equal(op.rc, NGX_OK);
        assert_int_equal(op.doc.value.len, max);
        assert_memory_equal(op.doc.value.data, text, max);
        assert_true(shm_sane(&run));

        ngx_llmops_shm_remove(&run.store, &op);      /* room for the next */
        assert_int_equal(op.rc, NGX_OK);
    }
}


static void
test_document_expires(void **state)
{
    memset(&op, 0, sizeof(op));
    op.id = *unit_str("a");
    op.value = *unit_str("one");
    op.expires = shm_time.sec + 10;
    ngx_llmops_shm_put_doc(&run.store, &op);
    assert_int_equal(op.rc, NGX_OK);

    shm_time.sec += 9;
    assert_int_equal(get("a"), NGX_OK);
    shm_time.sec++;
    assert_int_equal(get("a"), NGX_DECLINED);
    assert_int_equal(del("a", ANY), NGX_DECLINED);
    assert_int_equal(put("a", "two", 1), NGX_DECLINED);
    assert_int_equal(put("a", "two", NONE), NGX_OK);
    assert_int_equal(get("a"), NGX_OK);
    assert_str(op.doc.value, "two");
}


/* all of them, each once, also while others come and go */

static void
test_document_list(void **state)
{
    char        id[32];
    unsigned    i, k, n, pages, seen[1000];

    for (i = 0; i < 1000; i++) {
        snprintf(id, sizeof(id), "key %u", i);
        assert_int_equal(put(id, id, NONE), NGX_OK);
    }

    memset(seen, 0, sizeof(seen));
    memset(&op, 0, sizeof(op));
    op.max = 10;
    pages = 0;

    do {
        ngx_llmops_docop_t  page = op;

        assert_int_equal(ngx_llmops_shm_list(&run.store, &page), NGX_OK);
        assert_int_equal(page.rc, NGX_OK);
        assert_true(page.list.nelts < 30);

        ngx_llmops_doc_t  *docs = page.list.elts;

        for (k = 0; k < page.list.nelts; k++) {
            assert_int_equal(sscanf((char *) docs[k].id.data, "key %u", &n),
                             1);
            seen[n]++;
            assert_memory_equal(docs[k].id.data, docs[k].value.data,
                                docs[k].id.len);
        }

        snprintf(id, sizeof(id), "new %u", pages);
        memset(&op, 0, sizeof(op));
        assert_int_equal(put(id, id, NONE), NGX_OK);
        assert_int_equal(del(id, ANY), NGX_OK);

        memset(&op, 0, sizeof(op));
        op.id = page.next;
        op.max = 10;
        pages++;

    } while (op.id.len);

    assert_true(pages > 50);

    for (i = 0; i < 1000; i++) {
        assert_int_equal(seen[i], 1);
    }

    op.id = *unit_str("not a cursor");
    ngx_llmops_shm_list(&run.store, &op);
    assert_int_equal(op.rc, NGX_DECLINED);
}


/* room is bounded; what has expired makes room; counters are not touched */

static void
test_documents_full(void **state)
{
    char        id[32];
    unsigned    i, n;
    ngx_int_t   rc;

    for (n = 0; /* void */ ; n++) {
        snprintf(id, sizeof(id), "key %u", n);
        memset(&op, 0, sizeof(op));
        op.id = *unit_str(id);
        op.value = *unit_str("value");
        op.expires = shm_time.sec + 10 + n % 2 * 1000;
        ngx_llmops_shm_put_doc(&run.store, &op);
        rc = op.rc;

        if (rc != NGX_OK) {
            break;
        }
    }

    assert_int_equal(rc, NGX_BUSY);
    assert_true(n > 5800 && n <= (4 << 20) / 8 * 3 / 256);

    shm_charge(&c[0], "l", "k", shm_sliding(TOKENS, 100, MINUTE));
    assert_true(reserve(&c[0], &res, 60, 60));
    settle(&res, 1, 60);

    shm_time.sec += 100;

    for (i = 0; i < n / 2; i++) {
        snprintf(id, sizeof(id), "new %u", i);
        assert_int_equal(put(id, "v", NONE), NGX_OK);
    }

    assert_int_equal(get("key 0"), NGX_DECLINED);
    assert_int_equal(get("key 1"), NGX_OK);
}


#define t(f)  cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest  tests[] = {
        t(test_requests),
        t(test_request_taken_back),
        t(test_tokens),
        t(test_soft_and_dry_run),
        t(test_concurrent),
        t(test_all_or_nothing),
        t(test_extend),
        t(test_levels_and_reset),
        t(test_calendar),
        t(test_carry),
        t(test_rates_matched),
        t(test_divisor),
        t(test_eviction),
        t(test_full),
        t(test_lease),
        t(test_documents),
        t(test_document_sizes),
        t(test_document_bounds),
        t(test_document_expires),
        t(test_document_list),
        t(test_documents_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
