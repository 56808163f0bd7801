
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "fuzz.h"

#if (NGX_LLMOPS_HYPERSCAN)

#include "patterns_run.h"


/* A text in pieces gives what it gives in one. */


int
LLVMFuzzerTestOneInput(const u_char *data, size_t size)
{
    size_t              n, at, cuts[256];
    const char         *text;
    patterns_result_t   whole, r;

    static ngx_llmops_patterns_t  *set;

    if (size < FUZZ_SIZES) {
        return 0;
    }

    if (set == NULL) {
        set = patterns_set();
    }

    text = (const char *) data + FUZZ_SIZES;
    size -= FUZZ_SIZES;

    for (n = 0, at = 0; at < size && n < 255; n++) {
        at += fuzz_piece(data, n, size - at);
        cuts[n] = at;
    }

    cuts[n++] = size;

    patterns_split(set, text, size, size, size, &whole);
    patterns_cuts(set, text, cuts, n, &r);

    patterns_equal(&whole, &r);

    patterns_release(&whole);
    patterns_release(&r);

    return 0;
}

#else

int
LLVMFuzzerTestOneInput(const u_char *data, size_t size)
{
    return 0;
}

#endif
