
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "shm_run.h"

#include <sys/wait.h>


static shm_run_t                run;
static ngx_llmops_engine_t      engine;


static int
setup_size(size_t size)
{
    shm_create(&run, size);

    engine.rows = ngx_llmops_shm_rows;
    run.store.engine = &engine;
    shm_logged = 0;

    return 0;
}


static int
setup(void **state)
{
    return setup_size(1 << 20);
}


static int
teardown(void **state)
{
    assert_true(shm_sane(&run));
    shm_destroy(&run);

    return 0;
}


static void
add(uint32_t day, const char *client, const char *model, int64_t requests,
    int64_t input)
{
    ngx_llmops_ledger_row_t  row;

    memset(&row, 0, sizeof(row));

    row.day = day;
    row.client = *unit_str(client);
    row.tenant = *unit_str("acme");
    row.route = *unit_str("chat");
    row.model = *unit_str(model);
    row.sums[NGX_LLMOPS_LEDGER_REQUESTS] = requests;
    row.sums[NGX_LLMOPS_LEDGER_INPUT] = input;
    row.sums[NGX_LLMOPS_LEDGER_COST] = input * 1000;

    ngx_llmops_ledger_add(&run.store, &row);
}


static ngx_array_t *
rows(uint32_t from, uint32_t to)
{
    ngx_array_t               *found;
    ngx_llmops_ledger_read_t  *read;

    assert_int_equal(ngx_llmops_ledger_rows(&run.store, from, to, NULL, &found,
                                            NULL, NULL, &read),
                     NGX_OK);
    return found;
}


static ngx_llmops_ledger_row_t *
find(ngx_array_t *found, uint32_t day, const char *client, const char *model)
{
    ngx_uint_t                i;
    ngx_llmops_ledger_row_t  *row = found->elts;

    for (i = 0; i < found->nelts; i++) {
        if (row[i].day == day
            && row[i].client.len == strlen(client)
            && memcmp(row[i].client.data, client, strlen(client)) == 0
            && row[i].model.len == strlen(model)
            && memcmp(row[i].model.data, model, strlen(model)) == 0)
        {
            return &row[i];
        }
    }

    return NULL;
}


static int64_t
total(ngx_array_t *found, ngx_uint_t sum)
{
    int64_t                   n;
    ngx_uint_t                i;
    ngx_llmops_ledger_row_t  *row = found->elts;

    for (n = 0, i = 0; i < found->nelts; i++) {
        n += row[i].sums[sum];
    }

    return n;
}


static void
test_add(void **state)
{
    ngx_array_t              *found;
    ngx_llmops_ledger_row_t  *row;

    assert_int_equal(rows(20260101, 20261231)->nelts, 0);

    add(20260101, "a", "gpt", 1, 10);
    add(20260101, "a", "gpt", 1, 5);
    add(20260101, "a", "claude", 1, 7);
    add(20260102, "a", "gpt", 1, 100);
    add(20260101, "", "gpt", 2, 0);

    found = rows(20260101, 20260101);
    assert_int_equal(found->nelts, 3);

    row = find(found, 20260101, "a", "gpt");
    assert_non_null(row);
    assert_str(row->tenant, "acme");
    assert_str(row->route, "chat");
    assert_int_equal(row->sums[NGX_LLMOPS_LEDGER_REQUESTS], 2);
    assert_int_equal(row->sums[NGX_LLMOPS_LEDGER_INPUT], 15);
    assert_int_equal(row->sums[NGX_LLMOPS_LEDGER_COST], 15000);
    assert_int_equal(row->sums[NGX_LLMOPS_LEDGER_OUTPUT], 0);

    assert_non_null(find(found, 20260101, "", "gpt"));
    assert_int_equal(rows(20260102, 20260102)->nelts, 1);
    assert_int_equal(rows(20260101, 20260102)->nelts, 4);
    assert_int_equal(rows(20260103, 20270101)->nelts, 0);
}


/* parts that run into each other are other rows */

static void
test_parts(void **state)
{
    char                     *text;
    ngx_array_t              *found;
    ngx_llmops_ledger_row_t   row, *r;

    memset(&row, 0, sizeof(row));
    row.day = 20260101;
    row.sums[0] = 1;
    row.client = *unit_str("ab");
    row.tenant = *unit_str("c");
    ngx_llmops_ledger_add(&run.store, &row);
    row.client = *unit_str("a");
    row.tenant = *unit_str("bc");
    ngx_llmops_ledger_add(&run.store, &row);
    assert_int_equal(rows(20260101, 20260101)->nelts, 2);

    /* four parts of the longest kind, and of more than that */

    text = ngx_palloc(NULL, 200);
    memset(text, 'x', 200);

    for (int n = 64; n < 67; n++) {
        row.client.data = row.tenant.data = row.route.data = row.model.data
            = (u_char *) text;
        row.client.len = row.tenant.len = row.route.len = row.model.len = n;
        ngx_llmops_ledger_add(&run.store, &row);
    }

    found = rows(20260101, 20260101);
    assert_int_equal(found->nelts, 4);       /* 65 and 66 are one */

    /* no half of a character */

    memcpy(text + 62, "\xc3\xa4\xc3\xa4", 4);
    row.client.len = 80;
    ngx_llmops_ledger_add(&run.store, &row);
    found = rows(20260101, 20260101);
    assert_int_equal(found->nelts, 5);

    for (r = found->elts; r->client.len != 63; r++) { /* void */ }

    assert_memory_equal(r->client.data, text, 62);
    assert_int_equal(r->client.data[62], '*');
    assert_int_equal(r->model.len, 63);
    assert_int_equal(r->model.data[62], '*');
}


/* new rows of today find no room: they are "other", no sum is lost */

static void
test_full(void **state)
{
    char          client[32];
    int64_t       sum;
    ngx_array_t  *found;

    for (unsigned i = 0; i < 2000; i++) {
        snprintf(client, sizeof(client), "client %u", i);
        add(20260101, client, "gpt", 1, i);
    }

    assert_int_equal(shm_logged, 1);

    found = rows(20260101, 20260101);
    assert_true(found->nelts > 300 && found->nelts < 512);
    assert_non_null(find(found, 20260101, "other", "other"));
    assert_int_equal(total(found, NGX_LLMOPS_LEDGER_REQUESTS), 2000);
    assert_int_equal(total(found, NGX_LLMOPS_LEDGER_INPUT), 1999 * 1000);

    /* what has a row goes on having it; new days have room for theirs */

    add(20260101, "client 3", "gpt", 1, 0);
    assert_int_equal(find(rows(20260101, 20260101), 20260101, "client 3",
                          "gpt")->sums[0], 2);

    for (unsigned d = 2; d < 20; d++) {
        add(20260100 + d, "client 3", "gpt", 1, 0);
        assert_int_equal(total(rows(20260100 + d, 20260100 + d), 0), 1);
    }

    /* the first of January is more than 32 days back: its detail makes room */

    sum = total(rows(20260101, 20260101), NGX_LLMOPS_LEDGER_COST);

    for (unsigned i = 0; i < 100; i++) {
        snprintf(client, sizeof(client), "client %u", i);
        add(20260205, client, "gpt", 1, i);
    }

    found = rows(20260205, 20260205);
    assert_int_equal(found->nelts, 100);
    assert_null(find(found, 20260205, "other", "other"));
    assert_int_equal(total(rows(20260101, 20260101), NGX_LLMOPS_LEDGER_COST),
                     sum);
    assert_int_equal(total(rows(20260101, 20260101), 0), 2001);
}


static void
test_old_days(void **state)
{
    add(20250101, "a", "gpt", 1, 1);
    add(20250301, "a", "gpt", 1, 1);
    add(20260204, "a", "gpt", 1, 1);         /* 399 days later */
    assert_int_equal(rows(0, 99999999)->nelts, 3);
    add(20260206, "a", "gpt", 1, 1);         /* 401 */
    assert_int_equal(rows(0, 99999999)->nelts, 3);
    assert_null(find(rows(0, 99999999), 20250101, "a", "gpt"));
    assert_non_null(find(rows(0, 99999999), 20250301, "a", "gpt"));
}


/* -- carrying -------------------------------------------------------------- */

static uint64_t  batch;


static ngx_array_t *
take(ngx_uint_t max, ngx_int_t rc)
{
    ngx_array_t  *taken = NULL;

    assert_int_equal(ngx_llmops_ledger_take(&run.store, max, NULL, &taken,
                                            &batch), rc);
    return taken;
}


static void
test_carry(void **state)
{
    uint64_t      first;
    ngx_array_t  *taken;

    take(100, NGX_DECLINED);

    add(20260101, "a", "gpt", 1, 10);
    add(20260101, "b", "gpt", 1, 20);
    add(20260102, "a", "gpt", 1, 30);

    taken = take(100, NGX_OK);
    first = batch;
    assert_int_equal(taken->nelts, 3);
    assert_int_equal(total(taken, NGX_LLMOPS_LEDGER_INPUT), 60);

    /* what comes meanwhile is in the next one */

    add(20260101, "a", "gpt", 1, 5);
    ngx_llmops_ledger_done(&run.store, batch, 1);
    ngx_llmops_ledger_done(&run.store, batch, 1);

    assert_int_equal(rows(0, 99999999)->nelts, 1);

    taken = take(100, NGX_OK);
    assert_int_not_equal(batch, first);
    assert_int_equal(taken->nelts, 1);
    assert_int_equal(total(taken, NGX_LLMOPS_LEDGER_INPUT), 5);

    /* it fails: as if it had not been tried */

    ngx_llmops_ledger_done(&run.store, batch, 0);
    add(20260101, "a", "gpt", 1, 1);
    taken = take(100, NGX_OK);
    assert_int_equal(total(taken, NGX_LLMOPS_LEDGER_INPUT), 6);
    ngx_llmops_ledger_done(&run.store, first, 1);    /* not that one */
    ngx_llmops_ledger_done(&run.store, batch, 1);

    take(100, NGX_DECLINED);
    assert_int_equal(rows(0, 99999999)->nelts, 0);
    assert_int_equal(run.zone->root.row_cells.used, 4);  /* two days */

    /* a few at a time */

    for (unsigned i = 0; i < 10; i++) {
        char  client[2] = { 'a' + i, 0 };
        add(20260101, client, "gpt", 1, 1);
    }

    assert_int_equal(take(4, NGX_OK)->nelts, 4);
    ngx_llmops_ledger_done(&run.store, batch, 1);
    assert_int_equal(take(4, NGX_OK)->nelts, 4);
    ngx_llmops_ledger_done(&run.store, batch, 1);
    assert_int_equal(take(4, NGX_OK)->nelts, 2);
    ngx_llmops_ledger_done(&run.store, batch, 1);
    take(4, NGX_DECLINED);
}


/* one worker carries; when it dies the next one gets the very same batch */

static void
test_carrier_dies(void **state)
{
    int           status;
    pid_t         pid;
    uint64_t     *seen;
    ngx_array_t  *taken;

    seen = mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1,
                0);

    add(20260101, "a", "gpt", 1, 10);
    add(20260101, "b", "gpt", 1, 20);

    pid = fork();

    if (pid == 0) {
        shm_attach(&run, run.zone, run.size);
        take(1, NGX_OK);
        *seen = batch;
        pause();
    }

    while (*(volatile uint64_t *) seen == 0) {
        usleep(1000);
    }

    add(20260101, "a", "gpt", 1, 100);
    add(20260101, "b", "gpt", 1, 100);
    take(100, NGX_DECLINED);                 /* he lives */

    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    ngx_llmops_members_tick(&run.shm, 1);

    taken = take(100, NGX_OK);
    assert_int_equal(batch, *seen);
    assert_int_equal(taken->nelts, 1);
    assert_true(total(taken, NGX_LLMOPS_LEDGER_INPUT) == 10
                || total(taken, NGX_LLMOPS_LEDGER_INPUT) == 20);

    ngx_llmops_ledger_done(&run.store, batch, 1);
    taken = take(100, NGX_OK);
    assert_int_not_equal(batch, *seen);
    ngx_llmops_ledger_done(&run.store, batch, 1);

    assert_int_equal(rows(0, 99999999)->nelts, 0);
    munmap(seen, 4096);
}


#define t(f)  cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest  tests[] = {
        t(test_add),
        t(test_parts),
        t(test_full),
        t(test_old_days),
        t(test_carry),
        t(test_carrier_dies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
