
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "tally_run.h"


#define T  NGX_LLMOPS_UNIT_TOKENS
#define R  NGX_LLMOPS_UNIT_REQUESTS
#define N  NGX_LLMOPS_UNIT_CONCURRENT


/* -- one worker ------------------------------------------------------------ */

static void
test_reserve_settle(void **state)
{
    run_t               *run;
    run_hold_t          *a, *b, *c;
    ngx_llmops_level_t   level;

    run = run_new(1, 1);
    run_rate(run, T, NGX_LLMOPS_PERIOD_SLIDING, 60000, 1000);
    run_rate(run, N, NGX_LLMOPS_PERIOD_HELD, 0, 2);

    a = run_had(&run->workers[0], "a", 600, 600);
    assert_true(a->res.held);
    assert_int_equal(a->charges[0].granted[T], 600);
    assert_int_equal(a->charges[0].levels[0].reserved, 600);
    assert_int_equal(a->charges[0].levels[0].used, 0);
    assert_int_equal(a->charges[0].levels[1].reserved, 1);

    b = run_had(&run->workers[0], "a", 600, 600);
    assert_true(b->res.denied);
    assert_int_equal(b->charges[0].denied, 1);
    assert_true(b->charges[0].levels[0].retry >= 1);
    run_cancel(b);

    b = run_had(&run->workers[0], "a", 600, 100);
    assert_true(b->res.held);
    assert_int_equal(b->charges[0].granted[T], 400);

    c = run_had(&run->workers[0], "a", 0, 0);
    assert_true(c->res.denied);
    assert_int_equal(c->charges[0].denied, 2);
    assert_int_equal(c->charges[0].levels[1].retry, 0);
    run_cancel(c);

    run_settle(a, 250);
    run_quiet(run);

    level = run_level(run, "a", 0);
    assert_int_equal(level.used, 250);
    assert_int_equal(level.reserved, 400);
    assert_in_range(level.reset, 59000, 61000);

    run_settle(b, 0);
    run_quiet(run);

    level = run_level(run, "a", 0);
    assert_int_equal(level.used, 250);
    assert_int_equal(level.reserved, 0);

    run_end(run);
}


static void
test_slides(void **state)
{
    run_t       *run;
    run_hold_t  *hold;
    ngx_uint_t   i, admitted;
    int64_t      wait;

    run = run_new(1, 1);
    run_rate(run, R, NGX_LLMOPS_PERIOD_SLIDING, 1000, 100);

    /* four seconds at ten times the rate */

    for (admitted = 0, i = 0; i < 4000; i++) {
        hold = run_had(&run->workers[0], "a", 0, 0);
        admitted += hold->res.held;
        wait = hold->charges[0].levels[0].retry;
        assert_true(hold->res.held || (wait >= 1 && wait <= 1016));

        if (hold->res.held) {
            run_settle(hold, 0);

        } else {
            run_cancel(hold);
        }

        fake_settle(&run->workers[0].redis);
        run_pass(run, 1);
    }

    assert_in_range(admitted, 392, 400);

    run_end(run);
}


static void
test_calendar(void **state)
{
    run_t               *run;
    int64_t              left;
    run_hold_t          *hold;
    ngx_llmops_level_t   level;

    run = run_new(2, 1);
    run_rate(run, T, NGX_LLMOPS_PERIOD_CALENDAR, 86400000, 1000);

    hold = run_had(&run->workers[0], "a", 900, 900);
    left = hold->charges[0].levels[0].reset;
    assert_int_equal(left, 86400000 - run->server.now % 86400000);

    /* it is booked in the period in which it began */

    run_pass(run, left + 5);
    run_settle(hold, 800);
    run_quiet(run);

    level = run_level(run, "a", 0);
    assert_int_equal(level.used, 0);

    hold = run_had(&run->workers[1], "a", 1000, 1000);
    assert_true(hold->res.held);

    run_cancel(hold);
    run_quiet(run);

    run->server.now -= left + 404;           /* to look at what has been */
    level = run_level(run, "a", 0);
    assert_int_equal(level.used, 800);

    run_end(run);
}


static void
test_dry_run_and_divisor(void **state)
{
    run_t       *run;
    run_hold_t  *hold;

    run = run_new(1, 1);
    run_rate(run, T, NGX_LLMOPS_PERIOD_SLIDING, 60000, 1000);

    hold = run_hold(&run->workers[0], "a");
    run_want(hold, 0, 300, 300);
    hold->charges[0].divisor = 4;
    run_reserve(hold);
    fake_settle(&run->workers[0].redis);
    assert_true(hold->res.denied);
    run_cancel(hold);

    hold = run_hold(&run->workers[0], "a");
    run_want(hold, 0, 3000, 3000);
    run->rates[0].limit = 5000;              /* the oracle's */
    hold->charges[0].dry_run = 1;
    run_reserve(hold);
    fake_settle(&run->workers[0].redis);
    assert_true(hold->res.held);
    assert_false(hold->res.denied);
    assert_int_equal(hold->charges[0].denied, 1);
    assert_int_equal(hold->charges[0].granted[T], 3000);

    run_end(run);
}


/* two charges: all or nothing */

static void
test_all_or_nothing(void **state)
{
    run_t               *run;
    run_hold_t          *hold, *big;
    ngx_llmops_level_t   level;

    run = run_new(1, 1);
    run_rate(run, T, NGX_LLMOPS_PERIOD_SLIDING, 60000, 1000);
    run_rate(run, R, NGX_LLMOPS_PERIOD_SLIDING, 60000, 100);

    big = run_had(&run->workers[0], "b", 900, 900);

    hold = run_hold(&run->workers[0], "a");
    hold->res.ncharges = 2;
    run_charge(hold, 1, "b");
    run_want(hold, 0, 200, 200);
    run_want(hold, 1, 200, 200);
    run_reserve(hold);
    fake_settle(&run->workers[0].redis);

    assert_true(hold->res.denied);
    assert_false(hold->res.held);
    assert_int_equal(hold->charges[0].denied, 0);
    assert_int_equal(hold->charges[1].denied, 1);
    assert_int_equal(hold->charges[0].granted[T], 0);
    run_cancel(hold);

    run_quiet(run);

    level = run_level(run, "a", 0);
    assert_int_equal(level.reserved, 0);
    level = run_level(run, "a", 1);
    assert_int_equal(level.used, 0);
    level = run_level(run, "b", 1);
    assert_int_equal(level.used, 1);

    run_settle(big, 0);
    run_quiet(run);

    hold = run_hold(&run->workers[0], "a");
    hold->res.ncharges = 2;
    run_charge(hold, 1, "b");
    run_want(hold, 0, 200, 200);
    run_want(hold, 1, 200, 200);
    run_reserve(hold);
    fake_settle(&run->workers[0].redis);
    assert_true(hold->res.held);

    run_end(run);
}


static void
test_extend(void **state)
{
    run_t               *run;
    run_hold_t          *a, *b;
    ngx_llmops_level_t   level;

    run = run_new(2, 1);
    run_rate(run, T, NGX_LLMOPS_PERIOD_CALENDAR, 86400000, 1000);

    a = run_had(&run->workers[0], "a", 300, 300);
    b = run_had(&run->workers[1], "a", 300, 300);

    assert_int_equal(run_extend(a, 300, 10), NGX_AGAIN);
    fake_settle(&run->workers[0].redis);
    assert_false(a->asking);
    assert_true(a->res.held);
    assert_int_equal(a->charges[0].granted[T], 600);

    assert_int_equal(run_extend(b, 300, 10), NGX_AGAIN);
    fake_settle(&run->workers[1].redis);
    assert_int_equal(b->charges[0].granted[T], 400);

    assert_int_equal(run_extend(b, 300, 10), NGX_AGAIN);
    fake_settle(&run->workers[1].redis);
    assert_true(b->res.denied);
    assert_true(b->res.held);
    assert_int_equal(b->charges[0].granted[T], 400);

    /* settled while more is asked for */

    run_settle(a, 50);
    run_quiet(run);
    assert_int_equal(run_extend(b, 100, 100), NGX_AGAIN);
    fake_execute(&run->workers[1].redis);
    run_settle(b, 390);
    run_quiet(run);

    level = run_level(run, "a", 0);
    assert_int_equal(level.used, 440);
    assert_int_equal(level.reserved, 0);

    run_end(run);
}


/* given up at every moment: before it is sent, sent, executed, answered */

static void
test_cancel(void **state)
{
    run_t               *run;
    run_hold_t          *hold;
    ngx_uint_t           i, n;
    run_worker_t        *w;
    ngx_llmops_level_t   level;

    for (i = 0; i < 12; i++) {
        run = run_new(1, 1);
        run_rate(run, T, NGX_LLMOPS_PERIOD_CALENDAR, 86400000, 1000);
        run_rate(run, R, NGX_LLMOPS_PERIOD_CALENDAR, 86400000, 1000);

        w = &run->workers[0];
        hold = run_hold(w, "a");
        run_want(hold, 0, 1000, 1000);

        if (i == 0) {
            assert_int_equal(ngx_llmops_tallies_reserve(&w->tallies,
                                                        &hold->res),
                             NGX_AGAIN);

        } else {
            assert_int_equal(run_reserve(hold), NGX_AGAIN);
        }

        for (n = 1; n < i; n++) {

            if (n & 1) {
                fake_execute(&w->redis);

            } else {
                fake_deliver(&w->redis);
            }
        }

        run_cancel(hold);
        run_quiet(run);

        level = run_level(run, "a", 0);
        assert_int_equal(level.reserved, 0);
        level = run_level(run, "a", 1);
        assert_int_equal(level.used, 0);

        hold = run_had(w, "a", 1000, 1000);
        assert_true(hold->res.held);

        run_end(run);
    }
}


/* truth[REQUESTS] = 0: as if it had not been made, whenever that is said */

static void
test_request_taken_out(void **state)
{
    run_t               *run;
    int64_t              truth[NGX_LLMOPS_UNIT_MAX];
    run_hold_t          *hold;
    ngx_uint_t           i;
    ngx_llmops_level_t   level;
    static int64_t       after[] = { 0, 5, 150, 950, 1500, 70000 };

    for (i = 0; i < sizeof(after) / sizeof(after[0]); i++) {
        run = run_new(1, 1);
        run_rate(run, R, NGX_LLMOPS_PERIOD_SLIDING, 1000, 10);
        run_rate(run, R, NGX_LLMOPS_PERIOD_CALENDAR, 86400000, 10);

        run_settle(run_had(&run->workers[0], "a", 0, 0), 0);

        hold = run_had(&run->workers[0], "a", 0, 0);
        run_pass(run, after[i]);
        fake_settle(&run->workers[0].redis);

        memset(truth, 0, sizeof(truth));
        ngx_llmops_tallies_settle(&run->workers[0].tallies, &hold->res, truth);
        run_forget(hold);
        fake_nginx_turn();
        run_quiet(run);

        level = run_level(run, "a", 0);
        assert_int_equal(level.used, (after[i] < 500) ? 1 : 0);
        level = run_level(run, "a", 1);
        assert_int_equal(level.used, 1);

        run_pass(run, 3000);
        level = run_level(run, "a", 0);
        assert_int_equal(level.used, 0);

        run_end(run);
    }
}


/* it is taken out where it was counted, so that it does not stay out longer
   than it would have been in */

static void
test_request_taken_out_where(void **state)
{
    run_t               *run;
    int64_t              truth[NGX_LLMOPS_UNIT_MAX];
    run_hold_t          *hold;
    ngx_llmops_level_t   level;

    run = run_new(1, 1);
    run_rate(run, R, NGX_LLMOPS_PERIOD_SLIDING, 1000, 10);

    hold = run_had(&run->workers[0], "a", 0, 0);
    run_quiet(run);
    run_pass(run, 100);

    memset(truth, 0, sizeof(truth));
    ngx_llmops_tallies_settle(&run->workers[0].tallies, &hold->res, truth);
    run_forget(hold);
    fake_nginx_turn();
    fake_settle(&run->workers[0].redis);

    run_settle(run_had(&run->workers[0], "a", 0, 0), 0);
    fake_settle(&run->workers[0].redis);
    run_pass(run, 600);
    fake_settle(&run->workers[0].redis);

    level = run_level(run, "a", 0);
    assert_int_equal(level.used, 1);

    run_end(run);
}


static void
test_reset(void **state)
{
    run_t               *run;
    run_hold_t          *hold, *other;
    ngx_llmops_level_t   level;

    run = run_new(2, 1);
    run_rate(run, T, NGX_LLMOPS_PERIOD_CALENDAR, 86400000, 1000);

    run_settle(run_had(&run->workers[0], "a", 900, 900), 900);
    run_settle(run_had(&run->workers[1], "a", 50, 50), 50);
    run_quiet(run);

    other = run_had(&run->workers[1], "a", 50, 50);
    assert_true(other->res.held);

    hold = run_hold(&run->workers[0], "a");
    assert_int_equal(ngx_llmops_tallies_reset(&run->workers[0].tallies,
                                              &hold->res),
                     NGX_AGAIN);
    hold->asking = 1;
    fake_settle(&run->workers[0].redis);
    assert_int_equal(hold->answers, 1);
    assert_false(hold->res.failed);
    run->nuses = 0;

    run_quiet(run);
    level = run_level(run, "a", 0);
    assert_int_equal(level.used, 0);
    assert_int_equal(level.reserved, 50);

    /* everybody sees it within moments */

    run_pass(run, 2500);
    hold = run_had(&run->workers[1], "a", 950, 950);
    assert_true(hold->res.held);
    run_settle(hold, 900);
    run_quiet(run);
    level = run_level(run, "a", 0);
    assert_int_equal(level.used, 900);

    run_end(run);
}


/* -- what is sent ---------------------------------------------------------- */

static void
test_commands(void **state)
{
    char           field[64];
    run_t         *run;
    ngx_uint_t     i, sent;
    run_hold_t    *hold[20];
    run_worker_t  *w;

    run = run_new(1, 1);
    run_rate(run, T, NGX_LLMOPS_PERIOD_SLIDING, 60000, 1000000);
    run_rate(run, R, NGX_LLMOPS_PERIOD_SLIDING, 60000, 1000000);
    run_rate(run, N, NGX_LLMOPS_PERIOD_HELD, 0, 1000);

    w = &run->workers[0];
    run_settle(run_had(w, "a", 100, 100), 100);
    fake_settle(&w->redis);

    sprintf(field, "t60000:%lld", (long long) run->server.now * 64 / 60000);
    assert_non_null(fake_find(&run->server, "llm:{llm}:c:limit:a:b", field));
    assert_true(run->server.keys[0].end > run->server.now);
    assert_true(run->server.keys[1].end > run->server.now);

    /* one after the other: three commands each, and some for all of them */

    sent = w->redis.sent;

    for (i = 0; i < 100; i++) {
        hold[0] = run_had(w, "a", 100, 100);
        run_pass(run, 1);
        run_settle(hold[0], 100);
        fake_settle(&w->redis);
    }

    assert_in_range(w->redis.sent - sent, 300, 310);

    /* at the same time: together */

    run_quiet(run);
    sent = w->redis.sent;

    for (i = 0; i < 20; i++) {
        hold[i] = run_hold(w, "a");
        run_want(hold[i], 0, 100, 100);
        assert_int_equal(ngx_llmops_tallies_reserve(&w->tallies,
                                                    &hold[i]->res),
                         NGX_AGAIN);
        hold[i]->asking = 1;
    }

    fake_nginx_turn();
    assert_in_range(w->redis.sent - sent, 2, 3);

    fake_settle(&w->redis);

    for (i = 0; i < 20; i++) {
        assert_true(hold[i]->res.held);
    }

    run_end(run);
}


/* what is full is not asked for */

static void
test_flood(void **state)
{
    run_t         *run;
    ngx_uint_t     i, sent;
    run_hold_t    *hold;
    run_worker_t  *w;

    run = run_new(2, 1);
    run_rate(run, R, NGX_LLMOPS_PERIOD_SLIDING, 60000, 3);

    w = &run->workers[0];

    for (i = 0; i < 3; i++) {
        run_settle(run_had(w, "a", 0, 0), 0);
    }

    run_cancel(run_had(w, "a", 0, 0));
    run_quiet(run);

    sent = w->redis.sent;

    for (i = 0; i < 1000; i++) {
        hold = run_had(w, "a", 0, 0);
        assert_true(hold->res.denied);
        assert_int_equal(hold->charges[0].denied, 1);
        assert_int_equal(hold->charges[0].levels[0].used, 3);
        assert_in_range(hold->charges[0].levels[0].retry, 50000, 61000);
        run_cancel(hold);

        if (i % 100 == 99) {
            run_pass(run, 100);
        }
    }

    assert_in_range(w->redis.sent - sent, 0, 12);

    /* what is reserved may come back at any time: one of many looks */

    run_end(run);
    run = run_new(2, 1);
    run_rate(run, N, NGX_LLMOPS_PERIOD_HELD, 0, 1);
    w = &run->workers[0];

    hold = run_had(&run->workers[1], "a", 0, 0);
    run_cancel(run_had(w, "a", 0, 0));
    run_quiet(run);
    sent = w->redis.sent;

    for (i = 0; i < 1000; i++) {
        run_cancel(run_had(w, "a", 0, 0));
    }

    assert_in_range(w->redis.sent - sent, 0, 4);

    run_settle(hold, 0);
    fake_settle(&run->workers[1].redis);
    run_pass(run, 21);
    assert_true(run_had(w, "a", 0, 0)->res.held);

    run_end(run);
}


/* nothing is allocated for a request once there has been one */

static void
test_allocations(void **state)
{
    run_t         *run;
    ngx_uint_t     i, before;
    run_worker_t  *w;

    run = run_new(1, 1);
    run_rate(run, T, NGX_LLMOPS_PERIOD_SLIDING, 60000, 1000000);

    w = &run->workers[0];
    run_settle(run_had(w, "a", 1, 1), 1);

    before = fake_allocations;

    for (i = 0; i < 100; i++) {
        run_settle(run_had(w, "a", 1, 1), 1);
    }

    /* one batch for each question */

    assert_in_range(fake_allocations - before, 100, 101);

    run_end(run);
}


/* -- several workers ------------------------------------------------------- */

/* all orders in which two or three workers' commands can be executed */

static void
race(run_t *run, int64_t want, int64_t least, const u_char *order,
    ngx_uint_t n)
{
    int64_t       sum;
    ngx_uint_t    i, w;
    run_hold_t   *hold[RUN_WORKERS];

    for (w = 0; w < run->nworkers; w++) {
        hold[w] = run_hold(&run->workers[w], "a");
        run_want(hold[w], 0, want, least);
        assert_int_equal(run_reserve(hold[w]), NGX_AGAIN);
    }

    for (i = 0; i < n; i++) {
        fake_execute(&run->workers[order[i]].redis);
    }

    for (w = 0; w < run->nworkers; w++) {
        while (run->workers[w].redis.nexecuted) {
            fake_deliver(&run->workers[w].redis);
        }
    }

    run_quiet(run);

    for (sum = 0, w = 0; w < run->nworkers; w++) {
        assert_false(hold[w]->asking);
        assert_false(hold[w]->res.failed);

        if (hold[w]->res.held) {
            sum += hold[w]->charges[0].granted[T];
        }
    }

    assert_in_range(sum, 0, 100);
}


static ngx_uint_t
race_orders(ngx_uint_t nworkers, ngx_uint_t ncommands, int64_t want,
    int64_t least, u_char *order, ngx_uint_t n, ngx_uint_t *left)
{
    run_t       *run;
    ngx_uint_t   w, total;

    if (n == nworkers * ncommands) {
        run = run_new(nworkers, 1);
        run_rate(run, T, NGX_LLMOPS_PERIOD_CALENDAR, 86400000, 100);
        race(run, want, least, order, n);
        run_end(run);
        return 1;
    }

    for (total = 0, w = 0; w < nworkers; w++) {

        if (left[w]) {
            left[w]--;
            order[n] = w;
            total += race_orders(nworkers, ncommands, want, least, order,
                                 n + 1, left);
            left[w]++;
        }
    }

    return total;
}


static void
test_races(void **state)
{
    u_char      order[16];
    ngx_uint_t  left[3];

    /* HSET, PEXPIREAT, HVALS, HGETALL */

    left[0] = left[1] = 4;
    assert_int_equal(race_orders(2, 4, 100, 100, order, 0, left), 70);
    assert_int_equal(race_orders(2, 4, 100, 1, order, 0, left), 70);
    assert_int_equal(race_orders(2, 4, 60, 1, order, 0, left), 70);
    assert_int_equal(race_orders(2, 4, 50, 50, order, 0, left), 70);

    left[0] = left[1] = left[2] = 3;
    assert_int_equal(race_orders(3, 3, 50, 1, order, 0, left), 1680);
}


/* a settlement of one between all commands of another: what it has used is
   seen, in one place or the other */

static void
settle_race(ngx_uint_t before, ngx_uint_t then, ngx_uint_t waited)
{
    run_t       *run;
    run_hold_t  *a, *b;

    run = run_new(2, 1);
    run_rate(run, T, NGX_LLMOPS_PERIOD_SLIDING, 60000, 100);

    if (waited) {                            /* b has read the books before */
        run_settle(run_had(&run->workers[1], "a", 1, 1), 0);
    }

    a = run_had(&run->workers[0], "a", 100, 99);
    assert_true(a->res.held);
    run_quiet(run);
    run_settle(a, 80);

    b = run_hold(&run->workers[1], "a");
    run_want(b, 0, 50, 1);
    assert_int_equal(run_reserve(b), NGX_AGAIN);

    while (before--) {
        fake_execute(&run->workers[0].redis);
    }

    while (then--) {
        fake_execute(&run->workers[1].redis);
    }

    fake_settle(&run->workers[0].redis);
    fake_settle(&run->workers[1].redis);

    if (b->res.held) {
        assert_in_range(b->charges[0].granted[T], 1, 20);
    }

    run_check(run, "a");
    run_end(run);
}


static void
test_settle_race(void **state)
{
    ngx_uint_t  i, k;

    for (i = 0; i < 6; i++) {
        for (k = 0; k < 6; k++) {
            settle_race(i, k, 0);
            settle_race(i, k, 1);
        }
    }
}


/* many workers, counters and requests; every answer is checked */

typedef struct {
    ngx_uint_t                 steps;
    ngx_uint_t                 cuts;       /* of a thousand steps */
    ngx_uint_t                 kills;
    ngx_uint_t                 skew;       /* ms: clocks differ so much */
    ngx_uint_t                 step;       /* ms: time passes in such ones */
} mix_t;


static void
mix_reserve(run_t *run, run_worker_t *w)
{
    int64_t      want;
    run_hold_t  *hold;
    static char  *keys[] = { "a", "b", "c" };

    hold = run_hold(w, keys[run_random(run, 3)]);
    if (hold == NULL) {
        return;
    }

    want = 1 + run_random(run, 120);
    run_want(hold, 0, want, 1 + run_random(run, want));

    if (run_random(run, 3) == 0) {
        hold->res.ncharges = 2;
        run_charge(hold, 1, (hold->keys[0][0] == 'a') ? "b" : "a");
        run_want(hold, 1, want, 1 + run_random(run, want));
    }

    (void) run_reserve(hold);
}


static int64_t
mix_truth(run_t *run, run_hold_t *hold)
{
    int64_t     least, granted;
    ngx_uint_t  i;

    /* no more than what was granted, or nothing is kept */

    for (least = 1000, i = 0; i < hold->res.ncharges; i++) {
        granted = hold->charges[i].failed ? 0 : hold->charges[i].granted[T];
        least = ngx_min(least, granted);
    }

    return run_random(run, least + 1);
}


static void
mix_hold(run_t *run, run_hold_t *hold)
{
    ngx_uint_t  what;

    what = run_random(run, 10);

    if (hold->asking) {

        if (what == 0) {
            run_cancel(hold);
        }

        return;
    }

    if (!hold->res.held || hold->res.failed || what == 0) {
        run_cancel(hold);
        return;
    }

    if (what < 3) {
        (void) run_extend(hold, 1 + run_random(run, 40), 1);
        return;
    }

    run_settle(hold, mix_truth(run, hold));
}


static void
mix_fault(run_t *run, run_worker_t *w, const mix_t *mix)
{
    if (!w->redis.up) {

        if (run_random(run, 20) == 0) {
            fake_connect(&w->redis);
        }

        return;
    }

    if (run_random(run, 1000) < mix->cuts) {
        fake_cut(&w->redis, run_random(run, w->redis.ncmds + 1));
        return;
    }

    if (run_random(run, 1000) < mix->kills) {
        run_worker_kill(w, FAKE_COMMANDS);
    }
}


/* no answer takes longer than a timeout would let it */

static void
mix_catch_up(run_t *run)
{
    ngx_uint_t  i;

    for (i = 0; i < run->nworkers; i++) {

        if (run->workers[i].alive && run->workers[i].redis.ncmds > 30) {
            fake_settle(&run->workers[i].redis);
        }
    }
}


static void
mix_step(run_t *run, const mix_t *mix)
{
    ngx_uint_t     i;
    run_hold_t    *hold;
    run_worker_t  *w;

    w = &run->workers[run_random(run, run->nworkers)];

    if (!w->alive) {

        if (run_random(run, 100) == 0) {
            run_worker_start(run, w);
            w->redis.skew = (int64_t) run_random(run, mix->skew + 1)
                            - mix->skew / 2;
        }

        return;
    }

    switch (run_random(run, 8)) {

    case 0:
    case 1:
        mix_reserve(run, w);
        break;

    case 2:
        hold = w->holds[run_random(run, RUN_HOLDS)];

        for (i = 0; hold == NULL && i < RUN_HOLDS; i++) {
            hold = w->holds[i];
        }

        if (hold) {
            mix_hold(run, hold);
        }
        break;

    case 3:
        mix_catch_up(run);
        run_pass(run, run_random(run, mix->step));
        break;

    case 4:
        mix_fault(run, w, mix);
        break;

    case 5:
    case 6:
        for (i = run_random(run, 6); i; i--) {
            fake_execute(&w->redis);
        }
        break;

    default:
        for (i = run_random(run, 6); i; i--) {
            fake_deliver(&w->redis);
        }
    }
}


static void
mix_settle(run_t *run)
{
    ngx_uint_t  i, k;

    for (i = 0; i < run->nworkers; i++) {
        for (k = 0; run->workers[i].alive && k < RUN_HOLDS; k++) {

            if (run->workers[i].holds[k] == NULL) {
                continue;
            }

            assert_false(run->workers[i].holds[k]->asking);

            if (run->workers[i].holds[k]->res.held
                && !run->workers[i].holds[k]->res.failed)
            {
                run_settle(run->workers[i].holds[k], 0);

            } else {
                run_cancel(run->workers[i].holds[k]);
            }
        }
    }
}


static char  *mix_keys[] = { "a", "b", "c" };


/* those that died are missed now; what they had not told is told */

static void
mix_missed(run_t *run)
{
    ngx_uint_t  i, k, n;

    for (n = 0; n < 3; n++) {

        for (i = 0; i < run->nworkers; i++) {

            if (run->workers[i].alive) {
                for (k = 0; k < 3; k++) {
                    run_cancel(run_had(&run->workers[i], mix_keys[k], 1, 1));
                }
            }
        }

        run_pass(run, RUN_LEASE);
        run_quiet(run);
    }
}


/* nothing is held any more, and all that was used is counted */

static void
mix_sums(run_t *run, ngx_uint_t cuts)
{
    int64_t             used;
    ngx_uint_t          k;
    ngx_llmops_level_t  level;

    for (k = 0; k < 3; k++) {
        level = run_level(run, mix_keys[k], 1);
        used = run_used(run, mix_keys[k], &run->rates[1]);

        assert_int_equal(level.reserved, 0);

        if (cuts) {
            assert_true(level.used >= used);

        } else {
            assert_int_equal(level.used, used);
        }

        level = run_level(run, mix_keys[k], 3);
        assert_int_equal(level.reserved, 0);
    }
}


static void
mix_run(const mix_t *mix, uint64_t seed, ngx_uint_t *grants)
{
    run_t       *run;
    ngx_uint_t   i;

    run = run_new(4, seed);
    run_rate(run, T, NGX_LLMOPS_PERIOD_SLIDING, 6400,
             200 + run_random(run, 400));
    run_rate(run, T, NGX_LLMOPS_PERIOD_CALENDAR, 86400000,
             2000 + run_random(run, 4000));
    run_rate(run, R, NGX_LLMOPS_PERIOD_SLIDING, 1000,
             5 + run_random(run, 40));
    run_rate(run, N, NGX_LLMOPS_PERIOD_HELD, 0, 2 + run_random(run, 20));

    for (i = 0; i < mix->steps; i++) {
        run->steps++;
        mix_step(run, mix);
    }

    for (i = 0; i < run->nworkers; i++) {

        if (run->workers[i].alive && !run->workers[i].redis.up) {
            fake_connect(&run->workers[i].redis);
        }
    }

    run_quiet(run);

    mix_settle(run);
    run_quiet(run);

    mix_missed(run);
    mix_sums(run, mix->cuts);

    *grants += run->granted;
    assert_true(run->denied > 0);

    run_end(run);
}


static void
mix(const mix_t *m, ngx_uint_t seeds)
{
    char        *more;
    uint64_t     seed;
    ngx_uint_t   grants;

    more = getenv("LLMOPS_SEEDS");           /* how many times more */
    seeds *= more ? atoi(more) : 1;

    for (grants = 0, seed = 1; seed <= seeds; seed++) {
        mix_run(m, seed, &grants);
    }

    assert_true(grants > 40 * seeds);
}


static void
test_mix(void **state)
{
    static const mix_t  m = { 4000, 0, 0, 0, 60 };

    mix(&m, 20);
}


static void
test_mix_skew(void **state)
{
    static const mix_t  m = { 4000, 0, 0, 8, 60 };

    mix(&m, 10);
}


static void
test_mix_cut(void **state)
{
    static const mix_t  m = { 4000, 20, 0, 0, 60 };

    mix(&m, 20);
}


static void
test_mix_kill(void **state)
{
    static const mix_t  m = { 4000, 0, 10, 0, 200 };

    mix(&m, 20);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_reserve_settle),
        cmocka_unit_test(test_slides),
        cmocka_unit_test(test_calendar),
        cmocka_unit_test(test_dry_run_and_divisor),
        cmocka_unit_test(test_all_or_nothing),
        cmocka_unit_test(test_extend),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_request_taken_out),
        cmocka_unit_test(test_request_taken_out_where),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_allocations),
        cmocka_unit_test(test_races),
        cmocka_unit_test(test_settle_race),
        cmocka_unit_test(test_mix),
        cmocka_unit_test(test_mix_skew),
        cmocka_unit_test(test_mix_cut),
        cmocka_unit_test(test_mix_kill),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
