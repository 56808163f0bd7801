
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 *
 * Executes as many instructions as it is told and says how many the kernel has
 * counted, where its nanoseconds are instructions: see machine.py.
 */

#include <stdio.h>
#include <stdlib.h>


static unsigned long
used(void)
{
    FILE           *f;
    unsigned long   n = 0;

    f = fopen("/proc/self/schedstat", "r");
    if (f == NULL || fscanf(f, "%lu", &n) != 1) {
        exit(1);
    }

    fclose(f);
    return n;
}


int
main(int argc, char **argv)
{
    unsigned long  before, n;

    n = strtoul(argc > 1 ? argv[1] : "0", NULL, 10) / 2;

    before = used();

    if (n) {
#if defined(__x86_64__)
        __asm__ volatile ("1: dec %0; jnz 1b" : "+r" (n) : : "cc");
#endif
    }

    printf("spin %lu\n", used() - before);
    return 0;
}
