
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "tally_run.h"
#include "ngx_llmops_zone.h"


#define T  NGX_LLMOPS_UNIT_TOKENS
#define R  NGX_LLMOPS_UNIT_REQUESTS
#define N  NGX_LLMOPS_UNIT_CONCURRENT

#define DAY  86400000


static run_t *
run_tokens(ngx_uint_t nworkers, int64_t limit)
{
    run_t  *run;

    run = run_new(nworkers, 1);
    run_rate(run, T, NGX_LLMOPS_PERIOD_CALENDAR, DAY, limit);

    return run;
}


/* a worker that has this much booked and not told: it told some just before */

static void
book_later(run_worker_t *w, int64_t amount)
{
    run_settle(run_had(w, "a", 1, 1), 1);
    fake_settle(&w->redis);

    run_settle(run_had(w, "a", amount, amount), amount);
    fake_settle(&w->redis);
}


static void
run_seconds(run_t *run, ngx_uint_t n)
{
    ngx_uint_t  i;

    while (n--) {
        run_pass(run, 1000);

        for (i = 0; i < run->nworkers; i++) {

            if (run->workers[i].alive && !run->workers[i].paused) {
                fake_settle(&run->workers[i].redis);
            }
        }
    }
}


/* -- leases ---------------------------------------------------------------- */

static void
test_renewed(void **state)
{
    run_t               *run;
    run_hold_t          *hold;
    ngx_llmops_level_t   level;

    run = run_tokens(1, 1000);

    hold = run_had(&run->workers[0], "a", 700, 700);
    run_seconds(run, 300);

    level = run_level(run, "a", 0);
    assert_int_equal(level.reserved, 700);

    /* not for ever: a share that holds nothing is not written any more */

    run_settle(hold, 10);
    run_seconds(run, 20);
    assert_true(ngx_queue_empty(&run->workers[0].tallies.written));

    run_end(run);
}


static void
test_dead_worker(void **state)
{
    run_t         *run;
    run_hold_t    *hold;
    run_worker_t  *w;

    run = run_tokens(2, 1000);
    w = &run->workers[1];

    assert_true(run_had(&run->workers[0], "a", 700, 700)->res.held);
    run_worker_kill(&run->workers[0], FAKE_COMMANDS);

    run_seconds(run, RUN_LEASE / 1000 - 1);
    hold = run_had(w, "a", 500, 500);
    assert_true(hold->res.denied);
    run_cancel(hold);

    run_seconds(run, 2);
    hold = run_had(w, "a", 1000, 1000);
    assert_true(hold->res.held);
    run_cancel(hold);

    /* and its field goes */

    run_seconds(run, RUN_LEASE / 1000);
    run_cancel(run_had(w, "a", 1, 1));
    run_quiet(run);
    assert_int_equal(fake_key(&run->server,
                              unit_str("llm:{llm}:c:limit:a:r"), 0)->nfields,
                     1);

    run_end(run);
}


/* what it had booked and not told is told by one, whoever sees it */

static void
test_dead_books(void **state)
{
    run_t               *run;
    run_hold_t          *hold[3];
    ngx_uint_t           i;
    ngx_llmops_level_t   level;

    run = run_tokens(4, 1000);

    book_later(&run->workers[0], 300);
    run_worker_kill(&run->workers[0], FAKE_COMMANDS);

    level = run_level(run, "a", 0);
    assert_int_equal(level.used, 301);

    run->server.now += 2 * RUN_LEASE;
    run_pass(run, 1);

    /* three at once */

    for (i = 0; i < 3; i++) {
        hold[i] = run_hold(&run->workers[i + 1], "a");
        run_want(hold[i], 0, 1, 1);
        run_reserve(hold[i]);
        assert_true(fake_execute(&run->workers[i + 1].redis));
        assert_true(fake_execute(&run->workers[i + 1].redis));
        assert_true(fake_execute(&run->workers[i + 1].redis));
        assert_true(fake_execute(&run->workers[i + 1].redis));
        fake_execute(&run->workers[i + 1].redis);
    }

    for (i = 0; i < 3; i++) {
        while (fake_deliver(&run->workers[i + 1].redis)) { /* void */ }
    }

    for (i = 0; i < 3; i++) {
        fake_settle(&run->workers[i + 1].redis);
        run_cancel(hold[i]);
    }

    run_quiet(run);

    level = run_level(run, "a", 0);
    assert_int_equal(level.used, 301);
    assert_int_equal(level.reserved, 0);

    run_end(run);
}


/* stopped for long, and back: nothing is counted twice, nothing is missing */

static void
test_stopped_worker(void **state)
{
    run_t               *run;
    run_hold_t          *hold;
    run_worker_t        *w;
    ngx_llmops_level_t   level;

    run = run_tokens(2, 1000);
    w = &run->workers[0];

    hold = run_had(w, "a", 100, 100);
    book_later(w, 300);
    w->paused = 1;

    run_seconds(run, 40);

    /* its lease is over, and its books are taken over */

    run_cancel(run_had(&run->workers[1], "a", 1, 1));
    run_quiet(run);

    level = run_level(run, "a", 0);
    assert_int_equal(level.used, 301);
    assert_int_equal(level.reserved, 0);

    w->paused = 0;
    run_seconds(run, 1);

    level = run_level(run, "a", 0);
    assert_int_equal(level.used, 301);
    assert_int_equal(level.reserved, 100);

    run_settle(hold, 50);
    run_quiet(run);

    level = run_level(run, "a", 0);
    assert_int_equal(level.used, 351);
    assert_int_equal(level.reserved, 0);

    run_end(run);
}


/* stopped for as long, and nobody came by: it tells its books itself */

static void
test_stopped_unseen(void **state)
{
    run_t               *run;
    run_worker_t        *w;
    ngx_llmops_level_t   level;

    run = run_tokens(2, 1000);
    w = &run->workers[0];

    book_later(w, 300);
    w->paused = 1;
    run_seconds(run, 40);
    w->paused = 0;
    run_seconds(run, 2);

    level = run_level(run, "a", 0);
    assert_int_equal(level.used, 301);

    run_end(run);
}


/* it is back while another is about to clear its share away */

static void
test_stopped_race(void **state)
{
    run_t               *run;
    run_hold_t          *hold, *held;
    ngx_uint_t           i;
    run_worker_t        *w, *other;
    ngx_llmops_level_t   level;

    for (i = 0; i < 4; i++) {
        run = run_tokens(2, 1000);
        w = &run->workers[0];
        other = &run->workers[1];

        held = run_had(w, "a", 100, 100);
        book_later(w, 300);
        w->paused = 1;
        run_seconds(run, 40);

        hold = run_hold(other, "a");
        run_want(hold, 0, 1, 1);
        run_reserve(hold);
        fake_settle(other->redis.ncmds ? &other->redis : &w->redis);
        run_cancel(hold);

        hold = run_hold(other, "a");
        run_want(hold, 0, 1, 1);
        run_reserve(hold);

        while (other->redis.nexecuted < other->redis.ncmds) {
            fake_execute(&other->redis);
        }

        while (fake_deliver(&other->redis)) { /* void */ }

        /* the delete is under way now, or has been executed */

        w->paused = 0;
        run_pass(run, 1);

        if (i & 1) {
            fake_settle(&other->redis);
        }

        fake_settle(&w->redis);
        fake_settle(&other->redis);
        run_cancel(hold);
        run_quiet(run);
        run_seconds(run, 3);

        level = run_level(run, "a", 0);
        assert_int_equal(level.used, 301);
        assert_int_equal(level.reserved, 100);

        run_cancel(held);
        run_end(run);
    }
}


/* a counter that is seldom asked for: its old share has been cleared away, and
   what it told then is not counted again */

static void
test_seldom(void **state)
{
    run_t       *run;
    run_hold_t  *hold;
    ngx_uint_t   i;

    run = run_tokens(2, 1000);

    for (i = 1; i <= 5; i++) {
        run_settle(run_had(&run->workers[0], "a", 100, 100), 100);
        run_seconds(run, 40);

        run_cancel(run_had(&run->workers[1], "a", 1, 1));
        run_cancel(run_had(&run->workers[0], "a", 1, 1));
        fake_settle(&run->workers[0].redis);

        hold = run_had(&run->workers[1], "a", 1, 1);
        assert_int_equal(hold->charges[0].levels[0].used, 100 * i);
        run_cancel(hold);
    }

    run_end(run);
}


/* -- a server that is away, or empty --------------------------------------- */

static void
test_restarted_empty(void **state)
{
    run_t               *run;
    run_hold_t          *a, *b;
    ngx_llmops_level_t   level;

    run = run_tokens(2, 1000);

    a = run_had(&run->workers[0], "a", 500, 500);
    run_settle(run_had(&run->workers[1], "a", 200, 200), 200);
    run_quiet(run);

    /* with all connections */

    fake_cut(&run->workers[0].redis, 0);
    fake_cut(&run->workers[1].redis, 0);
    fake_flush(&run->server);
    run->nuses = 0;
    fake_connect(&run->workers[0].redis);
    fake_connect(&run->workers[1].redis);
    fake_settle(&run->workers[0].redis);
    fake_settle(&run->workers[1].redis);

    level = run_level(run, "a", 0);
    assert_int_equal(level.reserved, 500);
    assert_int_equal(level.used, 0);         /* that is lost, and known at once
                                                to be so: */
    b = run_had(&run->workers[1], "a", 500, 500);
    assert_true(b->res.held);
    assert_int_equal(b->charges[0].levels[0].used, 0);
    run_cancel(b);

    assert_true(fake_key(&run->server, unit_str("llm:{llm}:c:limit:a:r"), 0)
                ->end > 0);

    /* by a command, with all connections left alone */

    fake_flush(&run->server);
    run_seconds(run, 6);

    level = run_level(run, "a", 0);
    assert_int_equal(level.reserved, 500);

    b = run_had(&run->workers[1], "a", 600, 600);
    assert_true(b->res.denied);
    run_cancel(b);

    run_settle(a, 400);
    run_quiet(run);
    run_settle(run_had(&run->workers[1], "a", 100, 100), 100);
    run_seconds(run, 3);
    run_settle(run_had(&run->workers[1], "a", 10, 10), 10);
    run_quiet(run);

    level = run_level(run, "a", 0);
    assert_int_equal(level.used, 510);

    assert_true(fake_key(&run->server, unit_str("llm:{llm}:c:limit:a:b"), 0)
                ->end > 0);
    assert_true(fake_key(&run->server, unit_str("llm:{llm}:c:limit:a:r"), 0)
                ->end > 0);

    run_end(run);
}


/* let in while the server was away: it is told when it is back */

static void
test_away_open(void **state)
{
    run_t               *run;
    run_hold_t          *hold, *before;
    ngx_uint_t           i;
    ngx_llmops_level_t   level;

    run = run_new(2, 1);
    run_rate(run, T, NGX_LLMOPS_PERIOD_CALENDAR, DAY, 100000);
    run_rate(run, R, NGX_LLMOPS_PERIOD_CALENDAR, DAY, 1000);
    run_rate(run, T, NGX_LLMOPS_PERIOD_SLIDING, 60000, 100000);

    before = run_had(&run->workers[0], "a", 100, 100);
    fake_cut(&run->workers[0].redis, 0);

    for (i = 0; i < 200; i++) {
        hold = run_had(&run->workers[0], "a", 10, 10);
        assert_true(hold->res.failed);
        assert_true(hold->res.held);
        assert_false(hold->res.denied);
        assert_true(hold->charges[0].failed);
        run_settle(hold, 10);
        run_pass(run, 100);
    }

    assert_int_equal(run->workers[0].redis.ncmds, 0);
    assert_true(run->workers[0].tallies.tick.cancelable);

    run_settle(before, 70);
    fake_connect(&run->workers[0].redis);
    run_quiet(run);

    level = run_level(run, "a", 0);
    assert_int_equal(level.used, 2070);
    assert_int_equal(level.reserved, 0);
    level = run_level(run, "a", 1);
    assert_int_equal(level.used, 201);
    level = run_level(run, "a", 2);
    assert_int_equal(level.used, 2070);

    /* a minute later all of it has left the window */

    run_pass(run, 62000);
    level = run_level(run, "a", 2);
    assert_int_equal(level.used, 0);

    run_end(run);
}


/* away for so long that what was used has left the window */

static void
test_away_long(void **state)
{
    run_t               *run;
    run_hold_t          *hold;
    ngx_llmops_level_t   level;

    run = run_new(1, 1);
    run_rate(run, T, NGX_LLMOPS_PERIOD_SLIDING, 1000, 1000);

    fake_cut(&run->workers[0].redis, 0);
    hold = run_had(&run->workers[0], "a", 10, 10);
    run_settle(hold, 10);
    run_seconds(run, 10);

    fake_connect(&run->workers[0].redis);
    run_quiet(run);

    level = run_level(run, "a", 0);
    assert_int_equal(level.used, 0);
    assert_null(fake_key(&run->server, unit_str("llm:{llm}:c:limit:a:b"), 0));

    run_end(run);
}


/* cut between any two commands: nothing is lost; what was sent and not
   answered may be there twice */

static void
test_cut_books(void **state)
{
    run_t               *run;
    ngx_uint_t           i;
    run_worker_t        *w;
    ngx_llmops_level_t   level;

    for (i = 0; i < 5; i++) {
        run = run_tokens(2, 1000);
        w = &run->workers[0];

        run_settle(run_had(w, "a", 100, 100), 100);
        assert_true(w->redis.ncmds >= 2);

        fake_cut(&w->redis, i);

        level = run_level(run, "a", 0);
        assert_true(level.used + level.reserved >= 100);

        fake_connect(&w->redis);
        run_quiet(run);

        level = run_level(run, "a", 0);
        assert_int_equal(level.used, i ? 200 : 100);
        assert_int_equal(level.reserved, 0);

        run_end(run);
    }
}


/* cut while it is asked: it fails, and is not held anywhere */

static void
test_cut_question(void **state)
{
    run_t               *run;
    run_hold_t          *hold;
    ngx_uint_t           i;
    run_worker_t        *w;
    ngx_llmops_level_t   level;

    for (i = 0; i < 5; i++) {
        run = run_tokens(2, 1000);
        w = &run->workers[0];

        hold = run_hold(w, "a");
        run_want(hold, 0, 1000, 1000);
        assert_int_equal(run_reserve(hold), NGX_AGAIN);

        fake_cut(&w->redis, i);
        assert_int_equal(hold->answers, 1);
        assert_true(hold->res.failed);
        run_cancel(hold);

        fake_connect(&w->redis);
        run_quiet(run);

        level = run_level(run, "a", 0);
        assert_int_equal(level.used, 0);
        assert_int_equal(level.reserved, 0);
        assert_true(run_had(&run->workers[1], "a", 1000, 1000)->res.held);

        run_end(run);
    }
}


/* -- a server that answers errors ------------------------------------------ */

static void
test_refused(void **state)
{
    run_t               *run;
    run_hold_t          *hold;
    run_worker_t        *w;
    ngx_llmops_level_t   level;

    run = run_tokens(2, 1000);
    w = &run->workers[0];

    hold = run_had(w, "a", 100, 100);
    run_seconds(run, 1);

    run->server.error = "OOM command not allowed";
    run_settle(hold, 60);
    run_seconds(run, 5);

    /* what cannot be written claims nothing */

    hold = run_had(w, "a", 100, 100);
    assert_true(hold->res.failed);
    assert_false(hold->res.denied);
    run_cancel(hold);
    assert_true(fake_logged > 0);

    run->server.error = NULL;
    run_seconds(run, 3);

    level = run_level(run, "a", 0);
    assert_int_equal(level.used, 60);
    assert_int_equal(level.reserved, 0);

    run_end(run);
}


/* books that are refused while somebody asks still count, also where the
   question has the server's books read anew */

static void
refused_books(ngx_uint_t seconds)
{
    run_t         *run;
    run_hold_t    *a, *b;
    run_worker_t  *w;

    run = run_tokens(1, 1000);
    w = &run->workers[0];

    run_settle(run_had(w, "a", 1, 1), 0);
    a = run_had(w, "a", 800, 800);
    run_quiet(run);
    run_seconds(run, seconds);
    run_settle(a, 800);

    b = run_hold(w, "a");
    run_want(b, 0, 500, 500);
    assert_int_equal(run_reserve(b), NGX_AGAIN);

    run->server.error = "OOM";
    assert_true(fake_execute(&w->redis));
    run->server.error = NULL;

    fake_settle(&w->redis);
    assert_true(b->res.denied);

    run_end(run);
}


static void
test_refused_books(void **state)
{
    refused_books(0);
    refused_books(3);
}


static void
test_garbage(void **state)
{
    run_t       *run;
    run_hold_t  *hold;
    fake_key_t  *key;
    ngx_uint_t   i;
    static char *values[] = {
        "", "x", "0123456789abcdef", "0123456789abcdef 1 2",
        "0123456789abcdef 1 9999999999999 15000 t:-5,0,0",
        "0123456789abcdef 1 9999999999999 15000 t:5,0",
        "0123456789abcdef 1 9999999999999 15000 x:5,0,0",
        "0123456789ABCDEF 1 9999999999999 15000 t:5,0,0",
        "0123456789abcdef 1 9999999999999 15000 t:99999999999999999999,0,0",
        "0123456789abcdef 1 9999999999999 15000 t:5,0,0,1",
        "0123456789abcdef  9999999999999 15000 t:5,0,0",
    };

    run = run_tokens(1, 1000);

    key = fake_key(&run->server, unit_str("llm:{llm}:c:limit:a:r"), 1);

    for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char  name[2] = { 'A' + i, '\0' };
        fake_set(key, unit_str(name), unit_str(values[i]));
    }

    key = fake_key(&run->server, unit_str("llm:{llm}:c:limit:a:b"), 1);
    fake_set(key, unit_str("x"), unit_str("7"));
    fake_set(key, unit_str("t86400000@1764028800000"), unit_str("much"));
    fake_set(key, unit_str("t@1764028800000"), unit_str("1"));
    fake_set(key, unit_str("t0:1764028800000"), unit_str("1"));
    fake_set(key, unit_str("t-5:1"), unit_str("1"));
    fake_set(key, unit_str(""), unit_str("1"));

    hold = run_had(&run->workers[0], "a", 1000, 1000);
    assert_true(hold->res.held);

    run_end(run);
}


/* old buckets are deleted by whoever reads them; those of others' rates too,
   but not what may still count */

static void
test_sweep(void **state)
{
    run_t       *run;
    ngx_uint_t   i;
    fake_key_t  *key;

    run = run_new(1, 1);
    run_rate(run, R, NGX_LLMOPS_PERIOD_SLIDING, 1000, 1000);

    for (i = 0; i < 3000; i++) {
        run_settle(run_had(&run->workers[0], "a", 0, 0), 0);
        fake_settle(&run->workers[0].redis);
        run_pass(run, 17);
    }

    run_quiet(run);

    key = fake_key(&run->server, unit_str("llm:{llm}:c:limit:a:b"), 0);

    assert_in_range(key->nfields, 64, 170);

    fake_set(key, unit_str("t60000:1"), unit_str("5"));
    fake_set(key, unit_str("t86400000@1763942400000"), unit_str("5"));

    for (i = 0; i < 4; i++) {
        run_pass(run, 5000);
        run_settle(run_had(&run->workers[0], "a", 0, 0), 0);
        run_quiet(run);
    }

    assert_null(fake_find(&run->server, "llm:{llm}:c:limit:a:b", "t60000:1"));
    assert_non_null(fake_find(&run->server, "llm:{llm}:c:limit:a:b",
                              "t86400000@1763942400000"));

    run_end(run);
}


/* the clock of the server is set back: nothing is refilled by it, and nothing
   is kept for much longer than its window */

static void
test_clock_back(void **state)
{
    run_t               *run;
    ngx_llmops_level_t   level;

    run = run_new(1, 1);
    run_rate(run, T, NGX_LLMOPS_PERIOD_SLIDING, 60000, 100);

    run_settle(run_had(&run->workers[0], "a", 100, 100), 100);
    run_quiet(run);

    run->server.now -= 30000;
    level = run_level(run, "a", 0);
    assert_int_equal(level.used, 100);

    run->server.now += 95000;
    level = run_level(run, "a", 0);
    assert_int_equal(level.used, 0);

    run->server.now -= 95000 + 7200000;      /* two hours */
    level = run_level(run, "a", 0);
    assert_int_equal(level.used, 0);

    run_end(run);
}


/* -- memory ---------------------------------------------------------------- */

static void
test_many_counters(void **state)
{
    char           key[16];
    run_t         *run;
    ngx_uint_t     i;
    run_hold_t    *hold, *kept;
    run_worker_t  *w;

    run = run_tokens(1, 1000);
    w = &run->workers[0];
    kept = run_had(w, "kept", 1000, 1000);

    fake_cut(&w->redis, 0);                  /* the fake has few keys */

    for (i = 0; i < 20000; i++) {
        sprintf(key, "k%d", (int) i);
        hold = run_had(w, key, 1, 1);
        assert_true(hold->res.failed);
        run_cancel(hold);
    }

    assert_in_range(w->tallies.ntallies, 4000, 4200);

    fake_connect(&w->redis);
    fake_settle(&w->redis);

    hold = run_had(w, "kept", 1, 1);
    assert_true(hold->res.denied);
    run_cancel(hold);
    run_settle(kept, 0);

    run_end(run);
}


/* books that cannot be told are bounded: what is beyond the bound is lost, and
   that is logged */

static void
test_many_books(void **state)
{
    char           key[16];
    run_t         *run;
    ngx_uint_t     i;
    run_hold_t    *hold;
    run_worker_t  *w;

    run = run_tokens(1, 1000);
    w = &run->workers[0];
    fake_cut(&w->redis, 0);

    for (i = 0; i < 66000; i++) {
        run->nuses = 0;
        sprintf(key, "k%d", (int) i);
        hold = run_had(w, key, 1, 1);
        assert_true(hold->res.failed);
        run_settle(hold, 1);
    }

    assert_int_equal(w->tallies.ntallies, 65536);
    assert_true(fake_logged > 0);

    run_end(run);
}


/* a limit is given other rates, again and again */

static void
test_other_rates(void **state)
{
    run_t         *run;
    ngx_uint_t     i;
    run_hold_t    *hold;
    run_worker_t  *w;

    run = run_tokens(1, 1000000);
    w = &run->workers[0];

    for (i = 1; i < 60; i++) {
        run->nuses = 0;
        run->nrates = 0;
        run_rate(run, T, NGX_LLMOPS_PERIOD_CALENDAR, DAY, 1000000);
        run_rate(run, T, NGX_LLMOPS_PERIOD_SLIDING, 60000 * i, 1000000);
        run_rate(run, R, NGX_LLMOPS_PERIOD_SLIDING, 50000 * i, 1000000);

        hold = run_had(w, "a", 10, 10);
        assert_true(hold->res.held);
        assert_int_equal(hold->charges[0].levels[0].used, 10 * (i - 1));
        run_settle(hold, 10);
        run_quiet(run);
    }

    run_end(run);
}


/* -- the end of a worker --------------------------------------------------- */

static int64_t     left_sum;
static ngx_uint_t  left_books;


static void
left(ngx_llmops_tallies_t *tallies, ngx_llmops_book_t *book)
{
    left_sum += book->amount;
    left_books++;
}


/* it waits for what can be told, and no longer */

static void
test_exit(void **state)
{
    run_t               *run;
    run_hold_t          *hold;
    run_worker_t        *w;
    ngx_llmops_level_t   level;

    run = run_tokens(1, 1000);
    w = &run->workers[0];

    assert_true(w->tallies.tick.cancelable);

    hold = run_had(w, "a", 300, 300);
    book_later(w, 300);
    assert_false(w->tallies.tick.cancelable);

    /* the transport waits for the answers to what has been sent */

    ngx_exiting = 1;
    run_pass(run, 101);
    assert_true(w->redis.ncmds > 0);
    assert_true(w->tallies.tick.cancelable);
    fake_settle(&w->redis);

    /* from now on all is told at once */

    run_settle(hold, 100);
    assert_true(w->redis.ncmds > 0);
    assert_true(w->tallies.tick.cancelable);
    fake_settle(&w->redis);

    left_books = 0;
    fake_cut(&w->redis, 0);
    w->alive = 0;
    ngx_llmops_tallies_stop(&w->tallies, left);
    assert_int_equal(left_books, 0);

    ngx_exiting = 0;
    level = run_level(run, "a", 0);
    assert_int_equal(level.used, 401);
    assert_int_equal(level.reserved, 0);

    run_end(run);
}


static void
test_exit_away(void **state)
{
    run_t         *run;
    run_worker_t  *w;

    run = run_tokens(1, 1000);
    w = &run->workers[0];

    book_later(w, 300);
    run_pass(run, 101);                      /* sent, and never answered */

    left_sum = 0;
    left_books = 0;
    ngx_exiting = 1;

    fake_cut(&w->redis, 0);
    run_pass(run, 10);
    assert_true(w->tallies.tick.cancelable);

    w->alive = 0;
    ngx_llmops_tallies_stop(&w->tallies, left);
    assert_int_equal(left_sum, 300);
    assert_int_equal(left_books, 1);

    ngx_exiting = 0;
    run_end(run);
}


/* asked to end at once: its last words are written, not waited for */

static void
test_exit_at_once(void **state)
{
    run_t               *run;
    run_hold_t          *hold;
    ngx_uint_t           i;
    run_worker_t        *w;
    ngx_llmops_level_t   level;

    run = run_tokens(2, 1000);
    w = &run->workers[0];

    hold = run_had(w, "a", 300, 300);
    book_later(w, 300);
    assert_int_equal(w->redis.ncmds, 0);

    ngx_llmops_claim_free(hold->charges[0].data);
    run_forget(hold);

    left_books = 0;
    w->alive = 0;
    ngx_llmops_tallies_stop(&w->tallies, left);
    assert_int_equal(left_books, 0);

    for (i = 0; i < w->redis.ncmds; i++) {
        w->redis.cmds[i]->handler = NULL;
    }

    fake_settle(&w->redis);

    level = run_level(run, "a", 0);
    assert_int_equal(level.used, 301);
    assert_int_equal(level.reserved, 0);

    run_end(run);
}


/* -- what one has left, another takes over --------------------------------- */

static u_char           zone_node[64];
static ngx_uint_t       slab_pages, slab_full;
static ngx_shm_zone_t   zone;
static ngx_slab_pool_t  slab;


void *
ngx_llmops_zone_node(ngx_shm_zone_t *z, ngx_llmops_node_e kind,
    ngx_str_t *name, size_t size)
{
    assert_true(size <= sizeof(zone_node));
    assert_int_equal(kind, NGX_LLMOPS_NODE_SPILL);

    return zone_node;
}


void
ngx_shmtx_lock(ngx_shmtx_t *mtx)
{
    assert_ptr_equal(mtx, &slab.mutex);
}


void
ngx_shmtx_unlock(ngx_shmtx_t *mtx)
{
    assert_ptr_equal(mtx, &slab.mutex);
}


void *
ngx_slab_alloc_locked(ngx_slab_pool_t *pool, size_t size)
{
    if (slab_full) {
        return NULL;
    }

    slab_pages++;

    return malloc(size);
}


void
ngx_slab_free(ngx_slab_pool_t *pool, void *p)
{
    slab_pages--;
    free(p);
}


static void
test_spill(void **state)
{
    run_t               *run;
    run_hold_t          *hold;
    ngx_uint_t           i;
    run_worker_t        *w;
    ngx_llmops_level_t   level;

    run = run_new(2, 1);
    run_rate(run, T, NGX_LLMOPS_PERIOD_CALENDAR, DAY, 1000);
    run_rate(run, T, NGX_LLMOPS_PERIOD_SLIDING, 3600000, 1000);
    run_rate(run, R, NGX_LLMOPS_PERIOD_CALENDAR, DAY, 1000);
    zone.shm.addr = (u_char *) &slab;

    for (i = 0; i < 2; i++) {
        run->workers[i].tallies.zone = &zone;
        run->workers[i].tallies.spilled = ngx_llmops_spill_take;
        fake_cut(&run->workers[i].redis, 0);
    }

    w = &run->workers[0];

    for (i = 0; i < 5; i++) {
        hold = run_had(w, i == 4 ? "" : "a", 10, 10);
        assert_true(hold->res.failed);
        run_settle(hold, 10);
    }

    w->alive = 0;
    ngx_llmops_tallies_stop(&w->tallies, ngx_llmops_spill_leave);
    assert_int_equal(slab_pages, 6);

    /* the other one is away as well, and takes them over nevertheless */

    run_seconds(run, 2);
    assert_int_equal(slab_pages, 0);

    fake_connect(&run->workers[1].redis);
    run_quiet(run);

    level = run_level(run, "a", 0);
    assert_int_equal(level.used, 40);
    level = run_level(run, "a", 1);
    assert_int_equal(level.used, 40);
    level = run_level(run, "a", 2);
    assert_int_equal(level.used, 4);
    level = run_level(run, "", 0);
    assert_int_equal(level.used, 10);

    /* in the taker's own view as well, and once for both rates */

    hold = run_had(&run->workers[1], "a", 960, 960);
    assert_true(hold->res.held);
    run_cancel(hold);

    /* no room: it is lost, and that is logged */

    fake_cut(&run->workers[1].redis, 0);
    hold = run_had(&run->workers[1], "a", 10, 10);
    run_settle(hold, 10);
    slab_full = 1;
    fake_logged = 0;
    run->workers[1].alive = 0;
    ngx_llmops_tallies_stop(&run->workers[1].tallies, ngx_llmops_spill_leave);
    assert_int_equal(fake_logged, 1);
    assert_int_equal(slab_pages, 0);

    run_end(run);
}


/* in the middle of everything */

static void
test_stop(void **state)
{
    run_t         *run;
    run_hold_t    *hold;
    ngx_uint_t     i;
    run_worker_t  *w;

    for (i = 0; i < 3; i++) {
        run = run_tokens(1, 1000);
        w = &run->workers[0];

        hold = run_hold(w, "a");
        run_want(hold, 0, 10, 10);

        if (i == 0) {
            assert_int_equal(ngx_llmops_tallies_reserve(&w->tallies,
                                                        &hold->res),
                             NGX_AGAIN);
            hold->asking = 1;

        } else {
            assert_int_equal(run_reserve(hold), NGX_AGAIN);
        }

        if (i == 2) {
            fake_execute(&w->redis);
            fake_execute(&w->redis);
        }

        run_worker_kill(w, 0);
        run_end(run);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_renewed),
        cmocka_unit_test(test_dead_worker),
        cmocka_unit_test(test_dead_books),
        cmocka_unit_test(test_stopped_worker),
        cmocka_unit_test(test_stopped_unseen),
        cmocka_unit_test(test_stopped_race),
        cmocka_unit_test(test_seldom),
        cmocka_unit_test(test_restarted_empty),
        cmocka_unit_test(test_away_open),
        cmocka_unit_test(test_away_long),
        cmocka_unit_test(test_cut_books),
        cmocka_unit_test(test_cut_question),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_refused_books),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_sweep),
        cmocka_unit_test(test_clock_back),
        cmocka_unit_test(test_many_counters),
        cmocka_unit_test(test_many_books),
        cmocka_unit_test(test_other_rates),
        cmocka_unit_test(test_exit),
        cmocka_unit_test(test_exit_away),
        cmocka_unit_test(test_exit_at_once),
        cmocka_unit_test(test_spill),
        cmocka_unit_test(test_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
