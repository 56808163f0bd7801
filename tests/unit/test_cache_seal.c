
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include "ngx_llmops_cache_redis.h"



static u_char            key[NGX_LLMOPS_CACHE_KEY] = "a key";
static u_char            other[NGX_LLMOPS_CACHE_KEY] = "another key";
static ngx_llmops_out_t  sealed, opened;


static void
fill(ngx_str_t *value, size_t len, int random)
{
    size_t  i;

    value->data = malloc(len + 1);
    value->len = len;

    for (i = 0; i < len; i++) {
        value->data[i] = random ? (u_char) rand() : (u_char) ('a' + i % 7);
    }
}


static ngx_int_t
opens(const u_char *k, ngx_llmops_out_t *data, size_t max, ngx_str_t *value,
    const char **error)
{
    ngx_str_t  s;

    s.data = data->data;
    s.len = data->len;

    return ngx_llmops_cache_open(k, &s, max, &opened, value, error);
}


static const size_t  sizes[] = {
    1, 2, 100, NGX_LLMOPS_CACHE_DEFLATE - 1, NGX_LLMOPS_CACHE_DEFLATE, 100000,
    NGX_LLMOPS_CACHE_DEFLATE_MAX, NGX_LLMOPS_CACHE_DEFLATE_MAX + 1,
    NGX_LLMOPS_CACHE_VALUE
};


static void
test_round(void **state)
{
    int          random;
    size_t       i;
    ngx_str_t    value, back;
    const char  *error;

    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (random = 0; random < 2; random++) {
            fill(&value, sizes[i], random);

            assert_int_equal(ngx_llmops_cache_seal(key, &value, &sealed),
                             NGX_OK);

            if (!random && sizes[i] >= NGX_LLMOPS_CACHE_DEFLATE
                && sizes[i] <= NGX_LLMOPS_CACHE_DEFLATE_MAX)
            {
                assert_true(sealed.len < sizes[i] / 4);

            } else {
                assert_int_equal(sealed.len,
                                 sizes[i] + NGX_LLMOPS_CACHE_SEAL);
            }

            assert_int_equal(opens(key, &sealed, sizes[i], &back, &error),
                             NGX_OK);
            assert_int_equal(back.len, value.len);
            assert_memory_equal(back.data, value.data, value.len);

            /* not as another's, nor where less is wanted */

            assert_int_equal(opens(other, &sealed, sizes[i], &back, &error),
                             NGX_DECLINED);
            assert_string_equal(error, "damaged");
            assert_int_equal(opens(key, &sealed, sizes[i] - 1, &back, &error),
                             NGX_DECLINED);
            assert_string_equal(error, "too large");

            free(value.data);
        }
    }
}


/* every byte that is changed, every length that is cut, is found */

static void
test_damage(void **state)
{
    int          random;
    size_t       i;
    ngx_str_t    value, back, cut;
    const char  *error;

    for (random = 0; random < 2; random++) {
        fill(&value, 3000, random);
        ngx_llmops_cache_seal(key, &value, &sealed);

        for (i = 0; i < sealed.len; i++) {
            sealed.data[i] ^= 1 << (i % 8);
            assert_int_equal(opens(key, &sealed, 4000, &back, &error),
                             NGX_DECLINED);
            sealed.data[i] ^= 1 << (i % 8);
        }

        for (i = 0; i < sealed.len; i++) {
            cut.data = malloc(i + 1);
            cut.len = i;
            memcpy(cut.data, sealed.data, i);

            assert_int_equal(ngx_llmops_cache_open(key, &cut, 4000, &opened,
                                                   &back, &error),
                             NGX_DECLINED);
            free(cut.data);
        }

        assert_int_equal(opens(key, &sealed, 4000, &back, &error), NGX_OK);
        free(value.data);
    }
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round),
        cmocka_unit_test(test_damage)
    };

    ngx_llmops_out_init(&sealed, NGX_LLMOPS_CACHE_VALUE
                                 + NGX_LLMOPS_CACHE_SEAL);
    ngx_llmops_out_init(&opened, NGX_LLMOPS_CACHE_VALUE
                                 + NGX_LLMOPS_CACHE_SEAL);

    return cmocka_run_group_tests(tests, NULL, NULL)
           + (free(sealed.data), free(opened.data), 0);
}
