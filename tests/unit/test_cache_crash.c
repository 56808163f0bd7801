
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "cache_run.h"

#include <sys/ptrace.h>
#include <sys/wait.h>


/*
 * Workers that are killed while they change the cache, as in test_crash.c: a
 * process is stepped through what it does, and after each store to shared
 * memory this one plays the master and the next owner of the lock, looks
 * whether all is as it must be, and puts the memory back.
 */


static cache_run_t  run;
static u_char      *copy, *seen;


static int
setup(void **state)
{
    cache_create(&run, 128 << 10);
    copy = malloc(run.size);
    seen = malloc(run.size);
    return 0;
}


static int
teardown(void **state)
{
    cache_destroy(&run);
    free(copy);
    free(seen);
    return 0;
}


/* -- what is done --------------------------------------------------------- */

static void
do_store(cache_run_t *r)
{
    (void) cache_store(r, 1, 5000);
    (void) cache_store(r, 1, 100);
}


static void
do_evict(cache_run_t *r)
{
    (void) cache_store(r, 100, 9000);
}


static void
do_find(cache_run_t *r)
{
    ngx_llmops_cfacts_t  facts;

    (void) ngx_llmops_cshm_find(&r->shm, cache_key(1), 50, &facts);
    (void) ngx_llmops_cshm_find(&r->shm, cache_key(2), 500, &facts);
}


/* one leads, two follow; in vain if another process has the flight */

static int
board(cache_run_t *r, ngx_llmops_creader_t *lead, ngx_llmops_creader_t *one)
{
    if (ngx_llmops_cshm_board(&r->shm, cache_key(1000), cache_tags, 0, 0, 1,
                              lead)
        != NGX_DONE)
    {
        return 0;
    }

    if (ngx_llmops_cshm_board(&r->shm, cache_key(1000), cache_tags, 0, 1, 0,
                              one)
        != NGX_OK)
    {
        abort();
    }

    return 1;
}


static void
do_flight(cache_run_t *r)
{
    size_t                   n;
    u_char                   buf[100];
    uint64_t                 mask[NGX_LLMOPS_CACHE_SLOTS / 64] = { 0 };
    ngx_uint_t               state;
    ngx_llmops_cfacts_t      facts;
    ngx_llmops_creader_t     lead, one, two;
    ngx_llmops_cache_form_e  form;

    if (!board(r, &lead, &one)
        || ngx_llmops_cshm_board(&r->shm, cache_key(1000), cache_tags, 0, 1, 0,
                                 &two)
           != NGX_OK)
    {
        return;
    }

    ngx_llmops_cshm_read(&r->shm, &one, buf, 100, &n, &state, &form, NULL);
    ngx_llmops_cshm_form(&r->shm, &lead, NGX_LLMOPS_CACHE_FORM_WHOLE, mask);
    (void) ngx_llmops_cshm_append(&r->shm, &lead, cache_text(9, 50), 50, mask);
    ngx_llmops_cshm_unfollow(&r->shm, &two);

    cache_facts(&facts, 100, 200);
    ngx_llmops_cshm_complete(&r->shm, &lead, &facts, mask);
    ngx_llmops_cshm_read(&r->shm, &one, buf, 100, &n, &state, &form, NULL);
    ngx_llmops_cshm_unfollow(&r->shm, &one);
}


static void
do_failed(cache_run_t *r)
{
    uint64_t              mask[NGX_LLMOPS_CACHE_SLOTS / 64] = { 0 };
    ngx_llmops_cfacts_t   facts;
    ngx_llmops_creader_t  lead, one;

    if (!board(r, &lead, &one)) {
        return;
    }

    if (ngx_llmops_cshm_append(&r->shm, &lead, cache_text(9, 50), 50, mask)
        == NGX_OK)
    {
        ngx_llmops_cshm_fail(&r->shm, &lead, mask);
    }

    ngx_llmops_cshm_unfollow(&r->shm, &one);

    if (!board(r, &lead, &one)) {
        return;
    }

    (void) ngx_llmops_cshm_append(&r->shm, &lead, cache_text(9, 50), 50, mask);
    cache_facts(&facts, 100, 0);
    ngx_llmops_cshm_complete(&r->shm, &lead, &facts, mask);
    ngx_llmops_cshm_unfollow(&r->shm, &one);
}


static void
do_purge(cache_run_t *r)
{
    (void) ngx_llmops_cshm_purge(&r->shm, NGX_LLMOPS_CACHE_TAG_ROUTE, 1,
                                 NULL);
}


/* what another one has left behind is cleared away by one who dies too */

static void
do_bury(cache_run_t *r)
{
    uint64_t  mask[NGX_LLMOPS_CACHE_SLOTS / 64];

    (void) ngx_llmops_cshm_tick(&r->shm, 40000, mask);
    ngx_llmops_cshm_leave(&r->shm);
}


/* -- looking at what is left ---------------------------------------------- */

static void
recover(pid_t pid)
{
    uint64_t  mask[NGX_LLMOPS_CACHE_SLOTS / 64];

    ngx_shmtx_force_unlock(&run.zone->slab.mutex, pid);

    ngx_llmops_cshm_lock(&run.shm);
    assert_true(ngx_llmops_cshm_sane(&run.shm));

    for (int i = 0; i < NGX_LLMOPS_CACHE_SLOTS; i++) {
        if (run.shm.root->slots[i].pid == pid) {
            run.shm.root->slots[i].beat = -1000000;
        }
    }

    ngx_llmops_cshm_unlock(&run.shm);

    (void) ngx_llmops_cshm_tick(&run.shm, 1000, mask);

    ngx_llmops_cshm_lock(&run.shm);
    assert_true(ngx_llmops_cshm_sane(&run.shm));
    assert_int_equal(run.shm.root->flights, 0);

    for (int i = 0; i < run.shm.root->nfresh; i++) {
        assert_true(run.shm.root->entries[i].serial == 0
                    || run.shm.root->entries[i].followers == 0);
    }

    ngx_llmops_cshm_unlock(&run.shm);

    /* it still works */

    assert_int_equal(cache_store(&run, 99, 100), NGX_OK);
    assert_true(cache_has(&run, 99, 100));
}


static int
step(pid_t pid)
{
    int  status;

    assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, 0, 0), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);

    return !WIFEXITED(status);
}


static void
walk(void (*call)(cache_run_t *), unsigned most)
{
    int          status;
    pid_t        pid;
    uint64_t     mask[NGX_LLMOPS_CACHE_SLOTS / 64];
    unsigned     stores;
    cache_run_t  r;

    pid = fork();

    if (pid == 0) {
        cache_attach(&r, &run);
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        call(&r);
        _exit(0);
    }

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSTOPPED(status));

    memcpy(seen, run.zone, run.size);
    stores = 0;

    while (step(pid)) {

        if (memcmp(seen, run.zone, run.size) == 0) {
            continue;
        }

        memcpy(copy, run.zone, run.size);
        memcpy(seen, run.zone, run.size);
        stores++;

        recover(pid);

        memcpy(run.zone, copy, run.size);
    }

    (void) ngx_llmops_cshm_tick(&run.shm, 1000, mask);
    assert_true(ngx_llmops_cshm_sane(&run.shm));

    print_message("             %u stores\n", stores);
    assert_true(stores > most);
}


static void
test_store(void **state)
{
    assert_int_equal(cache_store(&run, 2, 100), NGX_OK);
    walk(do_flight, 100);
    walk(do_failed, 100);
}


static void
test_replace(void **state)
{
    assert_int_equal(cache_store(&run, 1, 5000), NGX_OK);
    assert_int_equal(cache_store(&run, 2, 100), NGX_OK);
    walk(do_find, 20);
    walk(do_purge, 20);
}


static void
test_evict(void **state)
{
    for (int n = 10; n < 40; n++) {
        assert_int_equal(cache_store(&run, n, 5000), NGX_OK);
    }

    walk(do_evict, 60);
}


static void
test_bury(void **state)
{
    int                   status;
    pid_t                 pid;
    cache_run_t           r;
    ngx_llmops_creader_t  a, b;

    pid = fork();

    if (pid == 0) {
        cache_attach(&r, &run);

        (void) ngx_llmops_cshm_board(&r.shm, cache_key(5), cache_tags, 50, 1,
                                     1, &a);
        (void) ngx_llmops_cshm_board(&r.shm, cache_key(5), cache_tags, 50, 1,
                                     1, &b);
        _exit(0);
    }

    waitpid(pid, &status, 0);
    assert_int_equal(run.shm.root->flights, 1);

    run.shm.root->slots[run.shm.slot].beat = 1000000;

    walk(do_bury, 20);
    assert_int_equal(run.shm.root->flights, 0);
}


static void
test_again(void **state)
{
    walk(do_store, 60);
}


/* -- real processes ------------------------------------------------------- */

/* others may evict it meanwhile; what comes is right */

static void
look(cache_run_t *r, int n, size_t len)
{
    u_char               buf[10000];
    ngx_llmops_cfacts_t  facts;

    if (ngx_llmops_cshm_find(&r->shm, cache_key(n), 50, &facts) == NGX_OK
        && facts.answer.body.len == len
        && ngx_llmops_cshm_copy(&r->shm, &facts.reader, buf, len) == NGX_OK
        && memcmp(buf, cache_text(n, len), len) != 0)
    {
        abort();
    }
}


static void
worker(unsigned seed)
{
    int           n;
    cache_run_t   r;

    cache_attach(&r, &run);
    srandom(seed);

    for ( ;; ) {
        n = random() % 30;

        switch (random() % 4) {
        case 0:
            (void) cache_store(&r, n, 1 + 300 * n);
            break;
        case 1:
            do_flight(&r);
            break;
        case 2:
            do_failed(&r);
            break;
        default:
            look(&r, n, 1 + 300 * n);
        }
    }
}


static void
test_killed(void **state)
{
    int       status;
    pid_t     pids[3];
    int64_t   stored;
    uint64_t  mask[NGX_LLMOPS_CACHE_SLOTS / 64];

    for (unsigned round = 0; round < 60; round++) {

        stored = run.shm.root->stored;

        for (int i = 0; i < 3; i++) {
            pids[i] = fork();

            if (pids[i] == 0) {
                worker(round * 3 + i);
            }
        }

        /* on a busy machine it takes them a while to begin */

        for (int n = 0; n < 5000; n++) {
            usleep(1000 + random() % 2000);

            if (*(volatile int64_t *) &run.shm.root->stored != stored) {
                break;
            }
        }

        for (int i = 0; i < 3; i++) {
            kill(pids[i], SIGKILL);
            waitpid(pids[i], &status, 0);
            assert_true(WIFSIGNALED(status));
            assert_int_equal(WTERMSIG(status), SIGKILL);
            ngx_shmtx_force_unlock(&run.zone->slab.mutex, pids[i]);
        }

        (void) ngx_llmops_cshm_tick(&run.shm, 1000, mask);

        ngx_llmops_cshm_lock(&run.shm);
        assert_true(ngx_llmops_cshm_sane(&run.shm));
        assert_int_equal(run.shm.root->flights, 0);
        ngx_llmops_cshm_unlock(&run.shm);
    }

    /* but for what a kill has undone */

    assert_true(run.shm.root->stored > 30);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_store, setup, teardown),
        cmocka_unit_test_setup_teardown(test_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replace, setup, teardown),
        cmocka_unit_test_setup_teardown(test_evict, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bury, setup, teardown),
        cmocka_unit_test_setup_teardown(test_killed, setup, teardown)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
