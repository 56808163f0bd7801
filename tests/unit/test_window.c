
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "shm_run.h"


/*
 * How exact a sliding window is, in virtual time: never above the limit in any
 * window, and at most 2% below what could have been admitted.  What happened
 * is kept apart, with its times, and looked at without the engine.
 */


#define REQUESTS    NGX_LLMOPS_UNIT_REQUESTS
#define TOKENS      NGX_LLMOPS_UNIT_TOKENS
#define OUTPUT      NGX_LLMOPS_UNIT_OUTPUT
#define CONCURRENT  NGX_LLMOPS_UNIT_CONCURRENT
#define TRUTH(...)  ((int64_t[NGX_LLMOPS_UNIT_MAX]) { __VA_ARGS__ })


static shm_run_t  run;


static int
setup(void **state)
{
    ngx_current_msec = 1000000;
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


/* a log of what was admitted: an exact limiter, and the judge of ours */

typedef struct {
    int64_t                   *time;
    int64_t                   *amount;
    size_t                     n;
    size_t                     size;
    size_t                     first;      /* in the window */
    int64_t                    sum;        /* from there on */
    int64_t                    total;
} events_t;


static void
events_add(events_t *e, int64_t now, int64_t amount)
{
    if (e->n == e->size) {
        e->size = e->size ? 2 * e->size : 1024;
        e->time = realloc(e->time, e->size * sizeof(int64_t));
        e->amount = realloc(e->amount, e->size * sizeof(int64_t));
    }

    e->time[e->n] = now;
    e->amount[e->n++] = amount;
    e->sum += amount;
    e->total += amount;
}


/* the sum in the last "window" ms: later than now - window */

static int64_t
events_sum(events_t *e, int64_t now, int64_t window)
{
    while (e->first < e->n && e->time[e->first] <= now - window) {
        e->sum -= e->amount[e->first++];
    }

    return e->sum;
}


static void
events_free(events_t *e)
{
    free(e->time);
    free(e->amount);
    memset(e, 0, sizeof(events_t));
}


/* one request offered to both; never above the limit */

typedef struct {
    int64_t                    limit;
    int64_t                    window;
    events_t                   ours;
    events_t                   exact;
    ngx_llmops_charge_t        charge;
} limiter_t;


static void
limiter_init(limiter_t *l, int64_t limit, int64_t window)
{
    static char  key[32];

    memset(l, 0, sizeof(limiter_t));
    snprintf(key, sizeof(key), "%lld", (long long) window);

    l->limit = limit;
    l->window = window;

    shm_charge(&l->charge, "l", key, shm_sliding(REQUESTS, limit, window));
    l->charge.want[REQUESTS] = l->charge.least[REQUESTS] = 1;
}


static void
offer(limiter_t *l)
{
    int64_t                   now = (int64_t) ngx_current_msec;
    ngx_llmops_reservation_t  res;

    shm_res(&res, &l->charge, 1);
    assert_int_equal(ngx_llmops_shm_reserve(&run.store, &res), NGX_OK);

    if (!res.denied) {
        events_add(&l->ours, now, 1);
        ngx_llmops_shm_settle(&run.store, &res, TRUTH(1));
        assert_true(events_sum(&l->ours, now, l->window) <= l->limit);
    }

    if (events_sum(&l->exact, now, l->window) < l->limit) {
        events_add(&l->exact, now, 1);
    }
}


static void
limiter_done(limiter_t *l, const char *what)
{
    double  share;

    share = 100.0 * l->ours.total / l->exact.total;

    print_message("             %s, window %lld ms: %lld of %lld, %.2f%%\n",
                  what, (long long) l->window, (long long) l->ours.total,
                  (long long) l->exact.total, share);

    assert_true(l->ours.total > l->limit);
    assert_true(share >= 98.0 && share <= 100.01);

    events_free(&l->ours);
    events_free(&l->exact);
}


static const int64_t  windows[] = { 1000, 10000, 60000, 3600000, 86400000 };

#define NWINDOWS  (sizeof(windows) / sizeof(windows[0]))


/* twice the limit, evenly: about 40 windows */

static void
test_steady(void **state)
{
    int64_t    start, offered;
    limiter_t  l;

    for (size_t i = 0; i < NWINDOWS; i++) {
        limiter_init(&l, 5000, windows[i]);
        start = ngx_current_msec;

        for (offered = 0; offered < 40 * 2 * l.limit; offered++) {
            ngx_current_msec = start + offered * l.window / (2 * l.limit);
            offer(&l);
        }

        limiter_done(&l, "steady");
    }
}


/* bursts of a third of the limit, four to eight of them in a window */

static void
test_bursts(void **state)
{
    limiter_t  l;

    for (size_t i = 0; i < NWINDOWS; i++) {
        limiter_init(&l, 5000, windows[i]);

        for (int b = 0; b < 300; b++) {
            for (int n = 0; n < l.limit / 3; n++) {
                offer(&l);
            }

            ngx_current_msec += l.window * 10 / (43 + b % 40);
        }

        limiter_done(&l, "bursts");
    }
}


/* what fools a counter of whole minutes: all at the end of one and at the
   beginning of the next */

static void
test_boundaries(void **state)
{
    int64_t    start;
    limiter_t  l;

    for (size_t i = 0; i < NWINDOWS; i++) {
        limiter_init(&l, 5000, windows[i]);
        start = (ngx_current_msec / windows[i] + 1) * windows[i];

        for (int b = 0; b < 40; b++) {
            start += 2 * windows[i];

            for (int n = 0; n < 2 * l.limit; n++) {
                ngx_current_msec = start - windows[i] / 100
                                   + windows[i] / 50 * n / (2 * l.limit);
                offer(&l);
            }
        }

        limiter_done(&l, "boundaries");
    }
}


/* whenever somebody who was denied comes back as he was told to */

static void
test_retry(void **state)
{
    int                       denied;
    ngx_llmops_charge_t       c;
    ngx_llmops_reservation_t  res;

    srandom(7);
    shm_charge(&c, "l", "k", shm_sliding(TOKENS, 1000, 60000));

    for (int i = 0; i < 2000; i++) {
        c.want[TOKENS] = c.least[TOKENS] = 1 + random() % 400;

        for (denied = 0; denied < 3; denied++) {
            shm_res(&res, &c, 1);
            ngx_llmops_shm_reserve(&run.store, &res);

            if (res.held) {
                break;
            }

            /* not a millisecond too late, and never in vain */

            ngx_current_msec += c.levels[0].retry - 1;
            ngx_llmops_shm_reserve(&run.store, &res);
            assert_int_equal(res.denied, 1);
            ngx_current_msec++;
        }

        assert_true(denied < 2);
        ngx_llmops_shm_settle(&run.store, &res, TRUTH(1, c.want[TOKENS]));
        ngx_current_msec += random() % 3000;
    }
}


/* -- never over a limit, whatever is asked ------------------------------- */

#define OPEN    40
#define RATES   4

typedef struct {
    int                        used;
    ngx_llmops_charge_t        charge;
    ngx_llmops_reservation_t   res;
} open_t;


static int64_t
outstanding(open_t *open, ngx_llmops_unit_e unit)
{
    int64_t  sum = 0;

    for (int i = 0; i < OPEN; i++) {
        if (open[i].used) {
            sum += open[i].charge.granted[unit];
        }
    }

    return sum;
}


static const ngx_llmops_rate_t  rates[RATES] = {
    { .unit = TOKENS, .limit = 5000, .window = 10000 },
    { .unit = TOKENS, .limit = 20000, .window = 60000 },
    { .unit = OUTPUT, .limit = 3000, .window = 7777 },
    { .unit = CONCURRENT, .limit = 25, .period = NGX_LLMOPS_PERIOD_HELD }
};


static void
check_never_over(open_t *open, events_t *settled)
{
    for (int i = 0; i < RATES; i++) {
        int64_t  sum = outstanding(open, rates[i].unit);

        if (rates[i].period == NGX_LLMOPS_PERIOD_SLIDING) {
            sum += events_sum(&settled[i], (int64_t) ngx_current_msec,
                              rates[i].window);
        }

        assert_true(sum <= rates[i].limit);
    }
}


/* a denial has a reason: with the part that is about to leave the window the
   least that was worth having did not fit */

static void
check_denied(open_t *open, ngx_llmops_charge_t *c, events_t *settled)
{
    int64_t   since, room;
    unsigned  i;

    assert_int_not_equal(c->denied, 0);

    for (i = 0; i < RATES; i++) {
        room = rates[i].limit - outstanding(open, rates[i].unit);

        if (rates[i].period == NGX_LLMOPS_PERIOD_SLIDING) {
            since = (int64_t) ngx_current_msec - rates[i].window
                    - rates[i].window / 64 - 1;

            for (size_t k = settled[i].n; k; k--) {
                if (settled[i].time[k - 1] < since) {
                    break;
                }
                room -= settled[i].amount[k - 1];
            }
        }

        if (c->denied & (1 << i)) {
            assert_true(room < c->least[rates[i].unit]);
        }
    }
}


static void
finish(open_t *o, events_t *settled, int cancel)
{
    int64_t  truth[NGX_LLMOPS_UNIT_MAX];

    for (int u = 0; u < NGX_LLMOPS_UNIT_MAX; u++) {
        truth[u] = o->charge.granted[u] ? random() % (o->charge.granted[u] + 1)
                                        : 0;
    }

    if (cancel) {
        ngx_llmops_shm_cancel(&run.store, &o->res);
        memset(truth, 0, sizeof(truth));

    } else {
        ngx_llmops_shm_settle(&run.store, &o->res, truth);
    }

    o->used = 0;

    for (int i = 0; i < RATES; i++) {
        if (rates[i].unit != CONCURRENT && truth[rates[i].unit]) {
            events_add(&settled[i], (int64_t) ngx_current_msec,
                       truth[rates[i].unit]);
        }
    }
}


static void
begin(open_t *open, open_t *o, events_t *settled)
{
    ngx_llmops_charge_t  *c = &o->charge;

    shm_charge(c, "l", "k", rates[0]);
    memcpy(c->rates, rates, sizeof(rates));
    c->nrates = RATES;

    c->want[TOKENS] = random() % 2000;
    c->least[TOKENS] = c->want[TOKENS] * (random() % 5) / 4;
    c->want[OUTPUT] = random() % 1000;
    c->least[OUTPUT] = random() % 3 ? c->want[OUTPUT] : 0;
    c->want[CONCURRENT] = c->least[CONCURRENT] = 1;

    shm_res(&o->res, c, 1);
    ngx_llmops_shm_reserve(&run.store, &o->res);

    if (o->res.denied) {
        check_denied(open, c, settled);
        return;
    }

    o->used = 1;

    assert_true(c->granted[TOKENS] >= ngx_min(c->least[TOKENS],
                                              c->want[TOKENS]));
    assert_true(c->granted[TOKENS] <= c->want[TOKENS]);
    assert_true(c->granted[OUTPUT] <= c->want[OUTPUT]);
}


static void
more(open_t *o)
{
    int64_t               before;
    ngx_llmops_charge_t  *c = &o->charge;

    before = c->granted[TOKENS];
    c->want[TOKENS] = random() % 500;
    c->least[TOKENS] = random() % 2 ? c->want[TOKENS] : 1;
    c->want[OUTPUT] = c->least[OUTPUT] = 0;
    c->want[CONCURRENT] = c->least[CONCURRENT] = 0;

    ngx_llmops_shm_extend(&run.store, &o->res);

    if (o->res.denied) {
        assert_int_equal(c->granted[TOKENS], before);

    } else {
        assert_true(c->granted[TOKENS] >= before);
    }
}


static void
test_never_over(void **state)
{
    int        denied, held;
    open_t    *o;
    static open_t  open[OPEN];
    events_t   settled[RATES];

    memset(settled, 0, sizeof(settled));
    memset(open, 0, sizeof(open));
    srandom(getenv("LLMOPS_SEED") ? atoi(getenv("LLMOPS_SEED")) : 42);
    denied = held = 0;

    for (int i = 0; i < 200000; i++) {
        o = &open[random() % OPEN];

        if (!o->used) {
            begin(open, o, settled);
            held += o->used;
            denied += !o->used;

        } else if (random() % 4 == 0) {
            more(o);

        } else {
            finish(o, settled, random() % 10 == 0);
        }

        check_never_over(open, settled);

        if (random() % 3 == 0) {
            ngx_current_msec += random() % 300;
        }

        if (i % 20000 == 0) {
            assert_true(shm_sane(&run));
        }
    }

    print_message("             %d held, %d denied\n", held, denied);
    assert_true(held > 10000 && denied > 10000);

    for (int i = 0; i < OPEN; i++) {
        if (open[i].used) {
            finish(&open[i], settled, 0);
        }
    }

    for (int i = 0; i < RATES; i++) {
        events_free(&settled[i]);
    }
}


#define t(f)  cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest  tests[] = {
        t(test_steady),
        t(test_bursts),
        t(test_boundaries),
        t(test_retry),
        t(test_never_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
