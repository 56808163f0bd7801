
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "fuzz.h"
#include "ngx_llmops_hint.h"


static void
fuzz_result(ngx_llmops_hint_e kind, int64_t wait)
{
    if (kind == NGX_LLMOPS_HINT_NONE) {
        fuzz_check(wait == -1);

    } else {
        fuzz_check(wait >= 0 && wait <= NGX_LLMOPS_HINT_MAX);
    }
}


int
LLVMFuzzerTestOneInput(const u_char *data, size_t size)
{
    int64_t     wait, now;
    ngx_str_t   value;
    ngx_uint_t  i;

    static ngx_str_t  names[] = {
        ngx_string("retry-after"),
        ngx_string("retry-after-ms"),
        ngx_string("x-ratelimit-reset"),
        ngx_string("x-ratelimit-reset-tokens"),
        ngx_string("anthropic-ratelimit-tokens-reset")
    };

    value.data = malloc(size + 1);
    value.len = size;

    if (size) {
        memcpy(value.data, data, size);
    }

    now = 1772366400000;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        wait = -1;
        fuzz_result(ngx_llmops_hint_header(&names[i], &value, now, &wait),
                    wait);
    }

    wait = -1;
    fuzz_result(ngx_llmops_hint_body(&value, &wait), wait);

    if (ngx_llmops_duration(&value, &wait) == NGX_OK) {
        fuzz_check(wait >= 0);
    }

    /* the input as the name of a header */

    wait = -1;
    fuzz_result(ngx_llmops_hint_header(&value, &names[0], now, &wait), wait);

    free(value.data);

    return 0;
}
