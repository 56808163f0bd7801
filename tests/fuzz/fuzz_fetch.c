
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "fuzz.h"
#include "ngx_llmops_fetch_answer.h"


/* An answer in one piece and in many is the same answer. */


#define FUZZ_MAX  256


static ngx_int_t
fuzz_answer(ngx_llmops_fetch_answer_t *a, const u_char *sizes,
    const u_char *data, size_t size)
{
    size_t      n, len, at;
    u_char     *piece;
    ngx_int_t   rc;

    ngx_llmops_fetch_answer_init(a, FUZZ_MAX);

    rc = NGX_AGAIN;

    for (at = 0, n = 0; at < size && rc == NGX_AGAIN; at += len, n++) {

        len = sizes ? fuzz_piece(sizes, n, size - at) : size;

        piece = malloc(len + !len);
        memcpy(piece, data + at, len);
        rc = ngx_llmops_fetch_answer_feed(a, piece, len);
        free(piece);
    }

    if (rc == NGX_AGAIN) {
        rc = ngx_llmops_fetch_answer_end(a);
    }

    fuzz_check(rc == NGX_OK || rc == NGX_ERROR);
    fuzz_check((rc == NGX_ERROR) == (a->error != NULL));
    fuzz_check(a->body.len <= FUZZ_MAX);

    return rc;
}


int
LLVMFuzzerTestOneInput(const u_char *data, size_t size)
{
    ngx_int_t                  one, many;
    ngx_llmops_fetch_answer_t  a, b;

    if (size < FUZZ_SIZES) {
        return 0;
    }

    one = fuzz_answer(&a, NULL, data + FUZZ_SIZES, size - FUZZ_SIZES);
    many = fuzz_answer(&b, data, data + FUZZ_SIZES, size - FUZZ_SIZES);

    fuzz_check(one == many);

    if (one == NGX_OK) {
        fuzz_check(a.status == b.status && a.status >= 200);
        fuzz_check(a.body.len == b.body.len);
        fuzz_check(a.body.len == 0
                   || memcmp(a.body.data, b.body.data, a.body.len) == 0);
    }

    ngx_llmops_fetch_answer_free(&a);
    ngx_llmops_fetch_answer_free(&b);

    return 0;
}
