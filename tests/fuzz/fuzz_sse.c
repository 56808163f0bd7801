
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "fuzz.h"
#include "sse_run.h"


static void
fuzz_run(const u_char *sizes, const u_char *p, size_t size, size_t max,
    ngx_llmops_out_t *expected)
{
    size_t     i, n, len;
    sse_run_t  r;

    sse_run_start(&r, max);

    for (i = 0, n = 0; i < size; i += len, n++) {
        len = sizes ? fuzz_piece(sizes, n, size - i) : size;
        sse_run_feed(&r, p + i, len);
    }

    sse_run_end(&r);

    fuzz_check(sse_run_same(&r.raw, p, size));

    if (!r.partial) {
        fuzz_check(sse_run_same(&r.events, expected->data, expected->len));
    }

    fuzz_check(!r.partial || max < size);

    sse_run_free(&r);
}


int
LLVMFuzzerTestOneInput(const u_char *data, size_t size)
{
    const u_char      *p;
    ngx_llmops_out_t   expected;

    if (size < FUZZ_SIZES) {
        return 0;
    }

    p = data + FUZZ_SIZES;
    size -= FUZZ_SIZES;

    ngx_llmops_out_init(&expected, SSE_RUN_MAX);
    sse_plain(p, size, &expected);

    fuzz_run(NULL, p, size, SSE_RUN_MAX, &expected);
    fuzz_run(data, p, size, SSE_RUN_MAX, &expected);
    fuzz_run(data, p, size, data[0], &expected);

    ngx_llmops_out_free(&expected);

    return 0;
}
