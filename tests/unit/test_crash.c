
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "shm_run.h"

#include <sys/ptrace.h>
#include <sys/wait.h>


/*
 * Workers that are killed.  First instruction by instruction: a process is
 * stepped through what the engine does, and after each store to shared memory
 * this one looks at what would be left if that had been its last: it plays the
 * master, breaks the lock, and lets the engine put things right.  Then all is
 * put back as it was, and the process makes its next step.
 *
 * Then with real processes that are killed at random.
 */


#define TOKENS      NGX_LLMOPS_UNIT_TOKENS
#define CONCURRENT  NGX_LLMOPS_UNIT_CONCURRENT
#define REQUESTS    NGX_LLMOPS_UNIT_REQUESTS
#define HOUR        3600000LL
#define TRUTH(...)  ((int64_t[NGX_LLMOPS_UNIT_MAX]) { __VA_ARGS__ })


static shm_run_t  run;
static u_char    *copy, *seen;
static size_t     used;                    /* bytes of the zone that are */


static int
setup(void **state)
{
    shm_create(&run, 128 << 10);
    copy = malloc(run.size);
    seen = malloc(run.size);

    ngx_llmops_members_tick(&run.shm, 1);

    return 0;
}


static int
teardown(void **state)
{
    assert_true(shm_sane(&run));
    shm_destroy(&run);
    free(copy);
    free(seen);

    return 0;
}


/* -- what is done ---------------------------------------------------------- */

static ngx_llmops_charge_t       c[3];
static ngx_llmops_reservation_t  res;


static void
charge(int i, const char *name, const char *key, int64_t limit, int64_t want)
{
    shm_charge(&c[i], name, key, shm_sliding(TOKENS, limit, HOUR));

    c[i].rates[1] = shm_sliding(REQUESTS, 1000, HOUR);
    c[i].rates[2] = shm_held(CONCURRENT, 10);
    c[i].rates[3] = shm_calendar(TOKENS, limit, 24 * HOUR,
                                 (int64_t) shm_time.sec * 1000);
    c[i].nrates = 4;
    c[i].want[TOKENS] = c[i].least[TOKENS] = want;
    c[i].want[REQUESTS] = c[i].least[REQUESTS] = 1;
    c[i].want[CONCURRENT] = c[i].least[CONCURRENT] = 1;
}


static void
charges(int64_t limit)
{
    charge(0, "client", "a", 100000, 10);
    charge(1, "tenant", "b", limit, 10);
    shm_res(&res, c, 2);
}


static void
do_request(shm_run_t *r)
{
    charges(100000);
    ngx_llmops_shm_reserve(&r->store, &res);

    for (int i = 0; i < 2; i++) {
        c[i].want[REQUESTS] = c[i].want[CONCURRENT] = 0;
        c[i].want[TOKENS] = 5;
    }

    ngx_llmops_shm_extend(&r->store, &res);
    ngx_llmops_shm_settle(&r->store, &res, TRUTH(1, 7));
}


static void
do_denied(shm_run_t *r)
{
    charges(5);
    ngx_llmops_shm_reserve(&r->store, &res);
}


static void
do_cancelled(shm_run_t *r)
{
    charges(100000);
    ngx_llmops_shm_reserve(&r->store, &res);
    ngx_llmops_shm_cancel(&r->store, &res);
}


static void
do_held(shm_run_t *r)
{
    charges(100000);
    ngx_llmops_shm_reserve(&r->store, &res);
}


/* two hours later all rings are emptied */

static void
do_later(shm_run_t *r)
{
    ngx_current_msec += 2 * HOUR;
    do_request(r);
}


static void
do_reset(shm_run_t *r)
{
    charges(100000);
    ngx_llmops_shm_reset(&r->store, &res);
}


static void
do_many(shm_run_t *r)
{
    char  key[16];

    for (int i = 0; i < 3; i++) {
        snprintf(key, sizeof(key), "key %d", i);
        charge(0, "flood", key, 100, 10);
        shm_res(&res, c, 1);
        ngx_llmops_shm_reserve(&r->store, &res);
        ngx_llmops_shm_settle(&r->store, &res, TRUTH(1, 7));
    }
}


static void
fill(void)
{
    char  key[16];

    for (int i = 0; i < 200; i++) {
        snprintf(key, sizeof(key), "%d", i);
        charge(0, "old", key, 100, 10);
        shm_res(&res, c, 1);
        ngx_llmops_shm_reserve(&run.store, &res);
        ngx_llmops_shm_settle(&run.store, &res, TRUTH(1, 7));
    }
}


static void
do_document(shm_run_t *r)
{
    ngx_llmops_docop_t  op;
    static u_char       text[1000];

    memset(&op, 0, sizeof(op));
    op.id = *unit_str("a");
    op.value.data = text;
    op.expected = NGX_LLMOPS_REVISION_ANY;

    op.value.len = 700;
    ngx_llmops_shm_put_doc(&r->store, &op);
    op.value.len = 20;
    ngx_llmops_shm_put_doc(&r->store, &op);
    ngx_llmops_shm_remove(&r->store, &op);
}


static void
ledger(shm_run_t *r, uint32_t day, const char *client)
{
    ngx_llmops_ledger_row_t  row;

    memset(&row, 0, sizeof(row));
    row.day = day;
    row.client = *unit_str(client);

    for (int i = 0; i < NGX_LLMOPS_LEDGER_MAX; i++) {
        row.sums[i] = 1;
    }

    ngx_llmops_shm_ledger_add(&r->shm, &row);
}


static void
do_ledger(shm_run_t *r)
{
    uint64_t      batch;
    ngx_array_t  *rows;

    ledger(r, 20260401, "a");
    ledger(r, 20260401, "a");
    ledger(r, 20260402, "b");

    if (ngx_llmops_ledger_take(&r->store, 10, NULL, &rows, &batch) == NGX_OK) {
        ngx_llmops_ledger_done(&r->store, batch, 1);
    }
}


static void
fill_ledger(void)
{
    char  client[16];

    for (int i = 0; i < 300; i++) {
        snprintf(client, sizeof(client), "%d", i);
        ledger(&run, 20260101 + i % 20, client);
    }
}


/* another worker has died: its holds are given back by one that dies too */

static void
a_dead_one(void)
{
    int    status;
    pid_t  pid;

    pid = fork();

    if (pid == 0) {
        shm_run_t  r;

        shm_attach(&r, run.zone, run.size);
        do_held(&r);
        do_held(&r);
        _exit(0);
    }

    waitpid(pid, &status, 0);
}


static void
do_tick(shm_run_t *r)
{
    ngx_llmops_members_tick(&r->shm, 1);
    ngx_llmops_member_leave(&r->shm);
}


/* -- looking at what is left ---------------------------------------------- */

/* the sums of all, when nothing is held any more: between those before and
   those after */

typedef struct {
    int64_t  tokens;
    int64_t  requests;
    int64_t  documents;
    int64_t  rows;
} sums_t;


static void
measure(sums_t *s)
{
    uint64_t               b;
    ngx_llmops_root_t     *root = &run.zone->root;
    ngx_llmops_counter_t  *counter;

    memset(s, 0, sizeof(sums_t));

    for (b = 0; b <= root->counters_mask; b++) {
        for (counter = root->counters[b]; counter; counter = counter->chain) {
            for (int i = 0; i < NGX_LLMOPS_COUNTER_RATES; i++) {
                if (counter->slots[i].id >> 56 == TOKENS + 1) {
                    s->tokens += counter->slots[i].used;
                }
                if (counter->slots[i].id >> 56 == REQUESTS + 1) {
                    s->requests += counter->slots[i].used;
                }
            }
        }
    }

    s->documents = root->ndocs[0];

    for (ngx_llmops_day_t *d = root->days; d; d = d->older) {
        for (ngx_llmops_row_t *row = d->rows; row; row = row->next) {
            int64_t  first = row->sums[0];

            for (int i = 0; i < NGX_LLMOPS_LEDGER_MAX; i++) {
                assert_int_equal(row->sums[i], first);
            }

            s->rows += first;
        }
    }
}


static void
recover(pid_t pid)
{
    ngx_llmops_member_t  *m;

    ngx_shmtx_force_unlock(&run.zone->slab.mutex, pid);

    ngx_llmops_shm_lock(&run.shm);
    ngx_llmops_shm_unlock(&run.shm);

    for (m = run.zone->root.members; m; m = m->next) {
        if (m->pid == pid) {
            m->beat = -1000000;              /* nothing has been heard of him */
        }
    }

    ngx_llmops_members_tick(&run.shm, 1);
}


static int
step(pid_t pid)
{
    int  status;

    assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, 0, 0), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);

    return !WIFEXITED(status);
}


/* the sums may become more by that much at most, and less where less is 1 */

static void
walk(void (*call)(shm_run_t *), int64_t tokens, int64_t requests,
    int64_t rows, int less)
{
    int         status;
    pid_t       pid;
    sums_t      before, now;
    unsigned    stores;
    shm_run_t   r;

    measure(&before);

    pid = fork();

    if (pid == 0) {
        shm_attach(&r, run.zone, run.size);
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        call(&r);
        _exit(0);
    }

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSTOPPED(status));

    used = run.zone->slab.start - (u_char *) run.zone + 65536;
    used = ngx_min(used, run.size);
    memcpy(seen, run.zone, used);
    stores = 0;

    while (step(pid)) {

        if (memcmp(seen, run.zone, used) == 0) {
            continue;
        }

        memcpy(copy, run.zone, run.size);
        memcpy(seen, run.zone, used);
        stores++;

        recover(pid);
        assert_true(shm_sane(&run));
        measure(&now);

        assert_true(now.tokens <= before.tokens + tokens
                    && now.requests <= before.requests + requests
                    && now.rows <= before.rows + rows);
        assert_true(less || (now.tokens >= before.tokens
                             && now.requests >= before.requests
                             && now.rows >= before.rows));

        memcpy(run.zone, copy, run.size);
    }

    ngx_llmops_members_tick(&run.shm, 1);
    assert_true(shm_sane(&run));

    print_message("             %u stores\n", stores);
    assert_true(stores > 20);
}


static void
test_request(void **state)
{
    walk(do_request, 28, 2, 0, 0);              /* in new counters, */
    walk(do_request, 28, 2, 0, 0);              /* and in old ones */
}


static void
test_denied(void **state)
{
    walk(do_denied, 0, 1, 0, 0);
    walk(do_cancelled, 0, 2, 0, 0);
}


static void
test_held(void **state)
{
    walk(do_held, 0, 2, 0, 0);
}


/* buckets that leave the window, all of them full */

static void
test_later(void **state)
{
    for (int i = 0; i < 130; i++) {
        do_request(&run);
        ngx_current_msec += HOUR / 128;
    }

    walk(do_reset, 0, 0, 0, 1);

    for (int i = 0; i < 130; i++) {
        do_request(&run);
        ngx_current_msec += HOUR / 128;
    }

    walk(do_later, 28, 2, 0, 1);
}


static void
test_eviction(void **state)
{
    fill();
    walk(do_many, 42, 3, 0, 1);
}


static void
test_document(void **state)
{
    walk(do_document, 0, 0, 0, 0);
    assert_int_equal(run.zone->root.doc_cells.used, 0);
}


static void
test_ledger(void **state)
{
    walk(do_ledger, 0, 0, 3, 1);
    fill_ledger();
    walk(do_ledger, 0, 0, 3, 1);
}


static void
test_tick(void **state)
{
    ngx_llmops_members_tick(&run.shm, 1);
    a_dead_one();
    assert_int_equal(run.zone->root.hold_cells.used, 4);
    walk(do_tick, 0, 0, 0, 0);
    assert_int_equal(run.zone->root.hold_cells.used, 0);
}


/* -- real processes ------------------------------------------------------- */

typedef struct {
    volatile int64_t  begun;               /* tokens that were to be settled */
    volatile int64_t  ended;
} work_t;


static void
worker(work_t *w, unsigned seed)
{
    int        i;
    int64_t    tokens;
    shm_run_t  r;

    shm_attach(&r, run.zone, run.size);
    srandom(seed);

    for (i = 0; /* void */ ; i++) {
        charges(1LL << 50);
        c[1].key = *unit_str(i % 2 ? "b" : "c");

        for (int k = 0; k < 3; k++) {
            c[0].rates[k].limit = c[1].rates[k].limit = 1LL << 50;
        }

        c[0].rates[3].limit = 1LL << 50;
        ngx_llmops_shm_reserve(&r.store, &res);

        if (!res.held) {
            abort();
        }

        tokens = random() % 20;
        w->begun += tokens;
        ngx_llmops_shm_settle(&r.store, &res, TRUTH(1, tokens));
        w->ended += tokens;
    }
}


static void
test_killed(void **state)
{
    int                 i, k, status, rounds;
    pid_t               pids[3];
    work_t             *work;
    int64_t             begun, ended;
    ngx_llmops_rate_t   rate;

    work = mmap(NULL, 65536, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS,
                -1, 0);
    rounds = getenv("LLMOPS_KILLS") ? atoi(getenv("LLMOPS_KILLS")) : 100;
    begun = ended = 0;

    for (i = 0; i < 3; i++) {
        pids[i] = 0;
    }

    for (k = 0; k < rounds + 3; k++) {
        i = k % 3;

        if (pids[i]) {
            usleep(200 + (k * 7919) % 3000);
            kill(pids[i], SIGKILL);
            waitpid(pids[i], &status, 0);
            assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
            ngx_shmtx_force_unlock(&run.zone->slab.mutex, pids[i]);
            begun += work[i].begun;
            ended += work[i].ended;
            pids[i] = 0;
        }

        if (k < rounds) {
            work[i].begun = work[i].ended = 0;
            pids[i] = fork();

            if (pids[i] == 0) {
                alarm(120);
                worker(&work[i], k);
            }
        }

        ngx_current_msec += 100;
        ngx_llmops_members_tick(&run.shm, 1);
    }

    assert_true(shm_sane(&run));
    assert_int_equal(run.zone->root.hold_cells.used, 0);
    assert_null(run.zone->root.members->next);

    /* exact, but for what was under way at a kill, which is whole or not */

    charges(1LL << 50);
    res.asking = 1;
    ngx_llmops_shm_reserve(&run.store, &res);

    rate = c[0].rates[0];
    assert_int_equal(rate.unit, TOKENS);
    assert_true(c[0].levels[0].used >= ended);
    assert_true(c[0].levels[0].used <= begun);
    assert_int_equal(c[0].levels[0].reserved, 0);
    assert_int_equal(c[0].levels[2].reserved, 0);
    assert_int_equal(c[0].levels[3].used, c[0].levels[0].used);

    print_message("             %lld tokens, %lld under way at kills\n",
                  (long long) ended, (long long) (begun - ended));
    munmap(work, 65536);
}


#define t(f)  cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest  tests[] = {
        t(test_request),
        t(test_denied),
        t(test_held),
        t(test_later),
        t(test_eviction),
        t(test_document),
        t(test_ledger),
        t(test_tick),
        t(test_killed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
