
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_cache_near.h"

#include <math.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif


/*
 * Vectors of a byte for each dimension.  A model's numbers are scaled so that
 * the largest is 127; what is lost changes a cosine by about 0.001, and a
 * quarter of the memory is a quarter of the time, as the search is bound by
 * reading.
 */


ngx_int_t
ngx_llmops_near_read(ngx_str_t *array, ngx_llmops_near_vector_t *v)
{
    char                    buf[64];
    double                  x, max, sum;
    uint32_t                i;
    ngx_int_t               rc;
    ngx_str_t               value;
    ngx_llmops_json_iter_t  it;
    static double           all[NGX_LLMOPS_NEAR_DIMS];

    if (ngx_llmops_json_array(&it, array) != NGX_OK) {
        return NGX_DECLINED;
    }

    max = 0;
    v->dims = 0;

    while ((rc = ngx_llmops_json_next(&it, NULL, &value)) == NGX_OK) {

        if (v->dims == NGX_LLMOPS_NEAR_DIMS || value.len >= sizeof(buf)
            || ngx_llmops_json_type(&value) != NGX_LLMOPS_JSON_NUMBER)
        {
            return NGX_DECLINED;
        }

        ngx_memcpy(buf, value.data, value.len);
        buf[value.len] = '\0';

        x = strtod(buf, NULL);

        if (!isfinite(x)) {
            return NGX_DECLINED;
        }

        max = fmax(max, fabs(x));
        all[v->dims++] = x;
    }

    if (rc != NGX_DONE || max == 0) {
        return NGX_DECLINED;
    }

    sum = 0;

    for (i = 0; i < v->dims; i++) {
        v->v[i] = (int8_t) lrint(all[i] * 127 / max);
        sum += (double) v->v[i] * v->v[i];
    }

    v->norm = (float) sqrt(sum);

    return NGX_OK;
}


float
ngx_llmops_near_cos(const ngx_llmops_near_vector_t *a, const int8_t *b,
    uint32_t dims, float norm)
{
    if (a->dims != dims) {
        return -1;
    }

    return (float) ngx_llmops_near_dot(a->v, b, dims) / (a->norm * norm);
}


/* 3072 products of at most 127 x 127 have room in 32 bits */

#ifdef __SSE2__

int32_t
ngx_llmops_near_dot(const int8_t *a, const int8_t *b, size_t n)
{
    size_t   i;
    int32_t  sums[4], sum;
    __m128i  x, y, zero, low, high, all;

    zero = _mm_setzero_si128();
    all = zero;

    for (i = 0; i + 16 <= n; i += 16) {
        x = _mm_loadu_si128((const __m128i *) (const void *) (a + i));
        y = _mm_loadu_si128((const __m128i *) (const void *) (b + i));

        /* the bytes in the upper halves, then shifted down with their sign */

        low = _mm_madd_epi16(_mm_srai_epi16(_mm_unpacklo_epi8(zero, x), 8),
                             _mm_srai_epi16(_mm_unpacklo_epi8(zero, y), 8));
        high = _mm_madd_epi16(_mm_srai_epi16(_mm_unpackhi_epi8(zero, x), 8),
                              _mm_srai_epi16(_mm_unpackhi_epi8(zero, y), 8));

        all = _mm_add_epi32(all, _mm_add_epi32(low, high));
    }

    _mm_storeu_si128((__m128i *) (void *) sums, all);

    sum = sums[0] + sums[1] + sums[2] + sums[3];

    for ( /* void */ ; i < n; i++) {
        sum += (int32_t) a[i] * b[i];
    }

    return sum;
}

#else

int32_t
ngx_llmops_near_dot(const int8_t *a, const int8_t *b, size_t n)
{
    size_t   i;
    int32_t  sum;

    sum = 0;

    for (i = 0; i < n; i++) {
        sum += (int32_t) a[i] * b[i];
    }

    return sum;
}

#endif
