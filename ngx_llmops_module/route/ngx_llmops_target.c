
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_route.h"


/*
 * What the workers tell each other about a target.  Every field is a word
 * that is written whole; readers take each for itself, so that no lock is
 * needed: the worst that a race does is to lose one of two nearly equal
 * averages, or to count one failure less.
 *
 * Two ways of leaving a target alone.  It is blocked while a wait that its
 * provider has asked for lasts: nobody asks it then.  Its breaker is open for
 * a while after failures that came without such a wish: others are preferred,
 * but when there are none it is asked all the same.
 */


#define NGX_LLMOPS_BREAKER_FAILURES  3
#define NGX_LLMOPS_BREAKER_FIRST     500      /* ms */
#define NGX_LLMOPS_BREAKER_MAX       8000     /* ms */
#define NGX_LLMOPS_BREAKER_AUTH      10000    /* ms */
#define NGX_LLMOPS_EWMA_SHIFT        3        /* the last of 8 weighs 1/8 */


static ngx_msec_t ngx_llmops_target_backoff(ngx_uint_t failures,
    ngx_uint_t status);

/* headers of the OpenAI family and of Anthropic */

typedef struct {
    ngx_str_t   name;
    size_t      field;                   /* in ngx_llmops_target_sh_t */
    ngx_uint_t  plus;                    /* what is left is stored + 1 */
} ngx_llmops_limit_header_t;


static ngx_llmops_limit_header_t  ngx_llmops_limit_headers[] = {

    { ngx_string("x-ratelimit-limit-requests"),
      offsetof(ngx_llmops_target_sh_t, limit_requests), 0 },

    { ngx_string("x-ratelimit-limit-tokens"),
      offsetof(ngx_llmops_target_sh_t, limit_tokens), 0 },

    { ngx_string("x-ratelimit-remaining-requests"),
      offsetof(ngx_llmops_target_sh_t, remaining_requests), 1 },

    { ngx_string("x-ratelimit-remaining-tokens"),
      offsetof(ngx_llmops_target_sh_t, remaining_tokens), 1 },

    { ngx_string("anthropic-ratelimit-requests-limit"),
      offsetof(ngx_llmops_target_sh_t, limit_requests), 0 },

    { ngx_string("anthropic-ratelimit-tokens-limit"),
      offsetof(ngx_llmops_target_sh_t, limit_tokens), 0 },

    { ngx_string("anthropic-ratelimit-requests-remaining"),
      offsetof(ngx_llmops_target_sh_t, remaining_requests), 1 },

    { ngx_string("anthropic-ratelimit-tokens-remaining"),
      offsetof(ngx_llmops_target_sh_t, remaining_tokens), 1 },

    { ngx_null_string, 0, 0 }
};


void
ngx_llmops_target_failed(ngx_llmops_target_t *t, ngx_uint_t status,
    int64_t wait)
{
    ngx_msec_t               backoff;
    ngx_uint_t               failures;
    ngx_llmops_target_sh_t  *sh;

    sh = t->sh;

    if (sh == NULL) {
        return;
    }

    failures = ngx_atomic_fetch_add(&sh->failures, 1) + 1;

    if (wait > 0) {
        sh->blocked_status = status;
        sh->blocked_until = (ngx_atomic_uint_t) (ngx_llmops_ticks() + wait);
        return;
    }

    backoff = ngx_llmops_target_backoff(failures, status);

    if (backoff) {
        sh->open_until = (ngx_atomic_uint_t) (ngx_llmops_ticks() + backoff);
    }
}


/* doubles from the third failure in a row on, with up to a quarter less */

static ngx_msec_t
ngx_llmops_target_backoff(ngx_uint_t failures, ngx_uint_t status)
{
    ngx_msec_t  ms;
    ngx_uint_t  n;

    if (status == 401 || status == 402 || status == 403) {
        return NGX_LLMOPS_BREAKER_AUTH;
    }

    if (status == 429) {
        failures += NGX_LLMOPS_BREAKER_FAILURES - 1;
    }

    if (failures < NGX_LLMOPS_BREAKER_FAILURES) {
        return 0;
    }

    n = failures - NGX_LLMOPS_BREAKER_FAILURES;
    ms = (n < 4) ? NGX_LLMOPS_BREAKER_FIRST << n : NGX_LLMOPS_BREAKER_MAX;

    return ms - (ngx_msec_t) ngx_random() % (ms / 4);
}


void
ngx_llmops_target_ok(ngx_llmops_target_t *t, ngx_msec_t first_token)
{
    int64_t                  old, us;
    ngx_llmops_target_sh_t  *sh;

    sh = t->sh;

    if (sh == NULL) {
        return;
    }

    /* written only when they change: the line stays shared between workers */

    if (sh->failures) {
        sh->failures = 0;
    }

    if (sh->open_until) {
        sh->open_until = 0;
    }

    if (first_token == (ngx_msec_t) -1) {
        return;
    }

    us = (int64_t) first_token * 1000 + 1;
    old = (int64_t) sh->ewma_first_token;

    if (old) {
        us = old + (us - old) / (1 << NGX_LLMOPS_EWMA_SHIFT);
    }

    sh->ewma_first_token = (ngx_atomic_uint_t) us;
}


void
ngx_llmops_target_header(ngx_llmops_target_t *t, ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_int_t                   n;
    ngx_llmops_limit_header_t  *h;

    if (t->sh == NULL) {
        return;
    }

    for (h = ngx_llmops_limit_headers; h->name.len; h++) {

        if (h->name.len != name->len
            || ngx_memcmp(h->name.data, name->data, name->len) != 0)
        {
            continue;
        }

        n = ngx_atoi(value->data, value->len);

        if (n != NGX_ERROR) {
            *(ngx_atomic_t *) ((u_char *) t->sh + h->field)
                = (ngx_atomic_uint_t) n + h->plus;
        }

        return;
    }
}
