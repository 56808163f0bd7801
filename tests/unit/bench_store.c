
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "shm_run.h"

#include <time.h>


/*
 * What the engine in shared memory costs, in nanoseconds: one process, no
 * contention, and nothing of nginx but a mutex as cheap as its own.  The best
 * of several runs, as everything else on the machine only adds to it.
 */


#define RUNS   5

#define TRUTH(...)  ((int64_t[NGX_LLMOPS_UNIT_MAX]) { __VA_ARGS__ })


static shm_run_t  run;


static double
ns_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec * 1e9 + ts.tv_nsec;
}


/* three charges: of the client, the tenant and the key, nine rates in all */

static void
charges_make(ngx_llmops_charge_t *c, int n)
{
    int64_t      today = (int64_t) shm_time.sec * 1000;
    static char  client[32], tenant[32];

    snprintf(client, sizeof(client), "client-%d", n);
    snprintf(tenant, sizeof(tenant), "tenant-%d", n / 10);

    shm_charge(&c[0], "per_client", client,
               shm_sliding(NGX_LLMOPS_UNIT_REQUESTS, 1LL << 40, 60000));
    c[0].rates[1] = shm_sliding(NGX_LLMOPS_UNIT_TOKENS, 1LL << 40, 60000);
    c[0].rates[2] = shm_held(NGX_LLMOPS_UNIT_CONCURRENT, 1 << 20);
    c[0].nrates = 3;

    shm_charge(&c[1], "per_tenant", tenant,
               shm_calendar(NGX_LLMOPS_UNIT_COST, 1LL << 50, 2678400000LL,
                            today));
    c[1].rates[1] = shm_calendar(NGX_LLMOPS_UNIT_TOKENS, 1LL << 50,
                                 2678400000LL, today);
    c[1].rates[2] = shm_sliding(NGX_LLMOPS_UNIT_REQUESTS, 1LL << 40, 1000);
    c[1].nrates = 3;

    shm_charge(&c[2], "key", "0123456789abcdef",
               shm_sliding(NGX_LLMOPS_UNIT_REQUESTS, 1LL << 40, 60000));
    c[2].rates[1] = shm_sliding(NGX_LLMOPS_UNIT_OUTPUT, 1LL << 40, 60000);
    c[2].rates[2] = shm_held(NGX_LLMOPS_UNIT_CONCURRENT, 1 << 20);
    c[2].nrates = 3;

    for (int i = 0; i < 3; i++) {
        c[i].want[NGX_LLMOPS_UNIT_REQUESTS] = 1;
        c[i].want[NGX_LLMOPS_UNIT_TOKENS] = 1000;
        c[i].want[NGX_LLMOPS_UNIT_OUTPUT] = 500;
        c[i].want[NGX_LLMOPS_UNIT_COST] = 1000000;
        c[i].want[NGX_LLMOPS_UNIT_CONCURRENT] = 1;
        memcpy(c[i].least, c[i].want, sizeof(c[i].least));
    }
}


#define CLIENTS  1000

static void
bench_reserve(int clients)
{
    int                          i, n, k;
    double                       start, best, t;
    ngx_llmops_reservation_t     res;
    static ngx_llmops_charge_t   c[CLIENTS][3];
    static char                  names[CLIENTS][2][32];

    for (i = 0; i < clients; i++) {
        charges_make(c[i], i);

        for (k = 0; k < 2; k++) {
            memcpy(names[i][k], c[i][k].key.data, c[i][k].key.len);
            c[i][k].key.data = (u_char *) names[i][k];
        }
    }

    n = 200000;
    best = 1e18;

    for (k = 0; k < RUNS; k++) {
        start = ns_now();

        for (i = 0; i < n; i++) {
            shm_res(&res, c[i % clients], 3);

            if (ngx_llmops_shm_reserve(&run.store, &res) != NGX_OK
                || !res.held)
            {
                abort();
            }

            ngx_llmops_shm_settle(&run.store, &res,
                                  TRUTH(1, 800, 500, 300, 900000, 0));

            if (i % 10 == 0) {
                ngx_current_msec++;
            }
        }

        t = (ns_now() - start) / n;
        best = ngx_min(best, t);
    }

    printf("reserve + settle, 3 charges of 3 rates, %4d clients: %6.0f ns\n",
           clients, best);
}


static void
bench_ledger(void)
{
    int                       i, k, n;
    char                      client[32];
    double                    start, best, t;
    ngx_llmops_ledger_row_t   row;

    memset(&row, 0, sizeof(row));
    row.day = 20260101;
    row.tenant = *unit_str("tenant");
    row.route = *unit_str("chat");
    row.model = *unit_str("openai/gpt-4.1");
    row.client.data = (u_char *) client;

    for (i = 0; i < NGX_LLMOPS_LEDGER_MAX; i++) {
        row.sums[i] = i;
    }

    n = 200000;
    best = 1e18;

    for (k = 0; k < RUNS; k++) {
        start = ns_now();

        for (i = 0; i < n; i++) {
            memcpy(client, "client-000", 10);
            client[8] += i % 10;
            client[9] += i / 10 % 10;
            row.client.len = 10;
            ngx_llmops_shm_ledger_add(&run.shm, &row);
        }

        t = (ns_now() - start) / n;
        best = ngx_min(best, t);
    }

    printf("ledger, 100 rows:                                     %6.0f ns\n",
           best);
}


static void
key_name(ngx_llmops_docop_t *op, u_char *id, unsigned n)
{
    op->id.data = id;
    op->id.len = sprintf((char *) id, "%08x%08x", n * 2654435761u, n);
}


static void
bench_documents(unsigned total)
{
    int                  i, k, n, got;
    double               start, best, t;
    u_char               id[32];
    unsigned             have;
    static unsigned      there;
    static u_char        value[380];
    ngx_llmops_docop_t   op;

    memset(&op, 0, sizeof(op));
    memset(value, 'x', sizeof(value));

    op.value.data = value;
    op.value.len = sizeof(value);
    op.expected = NGX_LLMOPS_REVISION_NONE;

    start = ns_now();
    have = there;

    for ( /* void */ ; there < total; there++) {
        key_name(&op, id, there);
        ngx_llmops_shm_put_doc(&run.store, &op);

        if (op.rc != NGX_OK) {
            printf("no room for %u documents\n", there);
            exit(1);
        }
    }

    t = (ns_now() - start) / (total - have);

    n = 200000;
    best = 1e18;

    for (k = 0; k < RUNS; k++) {
        srandom(k);
        start = ns_now();

        for (i = 0, got = 0; i < n; i++) {
            key_name(&op, id, random() % total);
            ngx_llmops_shm_get(&run.store, &op);
            got += op.rc == NGX_OK;
            free(shm_blocks[--shm_nblocks]);
        }

        if (got != n) {
            abort();
        }

        best = ngx_min(best, (ns_now() - start) / n);
    }

    printf("get one of %8u documents of 396 bytes:            %6.0f ns "
           "(put %.0f ns)\n", total, best, t);
}


int
main(void)
{
    shm_create(&run, 64 << 20);
    bench_reserve(1);
    bench_reserve(10);
    bench_reserve(CLIENTS);
    bench_ledger();
    shm_destroy(&run);

    shm_create(&run, (size_t) 1600 << 20);
    bench_documents(10);
    bench_documents(1000);
    bench_documents(1000000);
    shm_destroy(&run);

    return 0;
}
