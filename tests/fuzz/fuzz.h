
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _FUZZ_H_INCLUDED_
#define _FUZZ_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * An input begins with four bytes that say how long the pieces are, in turn;
 * what follows is the document.
 */

#define FUZZ_SIZES  4


#define fuzz_check(condition)                                                 \
    do {                                                                      \
        if (!(condition)) {                                                   \
            fprintf(stderr, "failed: %s\n", #condition);                      \
            abort();                                                          \
        }                                                                     \
    } while (0)


static inline size_t
fuzz_piece(const u_char *sizes, size_t n, size_t left)
{
    size_t  len;

    len = sizes[n % FUZZ_SIZES] % 64;

    /* pieces may be empty, but not all of them */
    len += (n % FUZZ_SIZES == 0 && len == 0);

    return ngx_min(len, left);
}


int LLVMFuzzerTestOneInput(const u_char *data, size_t size);


#endif /* _FUZZ_H_INCLUDED_ */
