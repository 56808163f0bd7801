
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include "ngx_llmops_cache_near.h"

#include <time.h>


/*
 * What a search among meanings in shared memory costs, in microseconds: the
 * index as large as the module makes it, full, with so many vectors in the room
 * that is searched.  The median of many searches, each of another vector.
 */


#define SIZE      (16 * 1024 * 1024)   /* NGX_LLMOPS_NEAR_SIZE */
#define SEARCHES  201


static ngx_llmops_near_index_t  *near_index;
static uint32_t                  seed = 1;


static double
us_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec * 1e6 + ts.tv_nsec / 1e3;
}


static int
by_time(const void *a, const void *b)
{
    double  x = *(const double *) a, y = *(const double *) b;

    return (x > y) - (x < y);
}


static uint32_t
random_next(void)
{
    seed = seed * 1664525 + 1013904223;

    return seed >> 8;
}


static void
vector_make(ngx_llmops_near_vector_t *v, uint32_t dims)
{
    double    sum = 0;
    uint32_t  i;

    v->dims = dims;

    for (i = 0; i < dims; i++) {
        v->v[i] = (int8_t) (random_next() % 255 - 127);
        sum += v->v[i] * v->v[i];
    }

    v->norm = (float) __builtin_sqrt(sum);
}


static void
bench(uint32_t dims, ngx_uint_t inside)
{
    void                      *p;
    double                     start, times[SEARCHES];
    ngx_uint_t                 i, size;
    ngx_llmops_near_hit_t      hit;
    ngx_llmops_near_text_t     text;
    ngx_llmops_near_vector_t   v;
    u_char                     key[NGX_LLMOPS_CACHE_KEY];

    if (posix_memalign(&p, 4096, SIZE) != 0) {
        abort();
    }

    near_index = ngx_llmops_near_index_init(p, SIZE);
    size = ngx_llmops_near_index_size(near_index);
    inside = ngx_min(inside, size);

    memset(&text, 0, sizeof(text));
    memset(key, 0, sizeof(key));

    for (i = 0; i < size; i++) {
        memcpy(key, &i, sizeof(i));
        vector_make(&v, dims);

        /* spread evenly */

        ngx_llmops_near_index_add(near_index,
                                  i * inside / size
                                  != (i + 1) * inside / size ? 7 : 9 + 2 * i,
                                  &text, &v, key);
    }

    for (i = 0; i < SEARCHES; i++) {
        vector_make(&v, dims);

        start = us_now();
        (void) ngx_llmops_near_index_find(near_index, 7, &text, &v, 0.93f,
                                          &hit);
        times[i] = us_now() - start;
    }

    qsort(times, SEARCHES, sizeof(double), by_time);

    printf("search, %4u dimensions, %4lu of %lu vectors in the room: "
           "%7.1f us\n", dims, (unsigned long) inside, (unsigned long) size,
           times[SEARCHES / 2]);

    free(p);
}


int
main(void)
{
    bench(1536, 0);
    bench(1536, 100);
    bench(384, 10000);
    bench(1536, 10000);
    bench(3072, 10000);

    return 0;
}
