
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_work.h"

#include <openssl/rand.h>


/*
 * What each replay has anew: its id and its time.  A client may use an id to
 * tell answers from each other, so that two replays have different ones; they
 * need not be secret.
 *
 * Sixteen characters are made at once, in a vector of the compiler's.
 */


#define NGX_LLMOPS_RENEW_CHARS     16
#define NGX_LLMOPS_RENEW_LEAST     8       /* that are new, if it has as many */

typedef signed char  ngx_llmops_renew_t
    __attribute__ ((vector_size(NGX_LLMOPS_RENEW_CHARS)));


static size_t ngx_llmops_renew_kind(const u_char *old, size_t len);
static ngx_inline ngx_llmops_renew_t ngx_llmops_renew_chars(
    ngx_llmops_renew_t old);
static ngx_inline uint64_t ngx_llmops_renew_random(void);


void
ngx_llmops_cache_renew(u_char *body, ngx_llmops_cache_marks_t *marks,
    time_t now)
{
    u_char  *id;

    if (marks->id_len) {
        id = body + marks->id;
        ngx_llmops_cache_new_id(id, id, marks->id_len);
    }

    if (marks->created_len) {
        ngx_llmops_cache_time_put(body + marks->created, now);
    }
}


/* mostly it is the same second as the last time */

void
ngx_llmops_cache_time_put(u_char *p, time_t now)
{
    time_t      n;
    ngx_uint_t  i;

    static time_t  last;
    static u_char  digits[NGX_LLMOPS_CACHE_DIGITS];

    if (now != last || last == 0) {
        last = now;

        for (i = NGX_LLMOPS_CACHE_DIGITS, n = now; i; i--, n /= 10) {
            digits[i - 1] = (u_char) ('0' + n % 10);
        }
    }

    ngx_memcpy(p, digits, NGX_LLMOPS_CACHE_DIGITS);
}


void
ngx_llmops_cache_new_id(u_char *id, const u_char *old, size_t len)
{
    size_t               n;
    ngx_llmops_renew_t   v;

    n = ngx_llmops_renew_kind(old, len);

    if (n && id != old) {
        ngx_memcpy(id, old, n);
    }

    for ( /* void */ ; n + sizeof(v) <= len; n += sizeof(v)) {
        ngx_memcpy(&v, old + n, sizeof(v));

        v = ngx_llmops_renew_chars(v);
        ngx_memcpy(id + n, &v, sizeof(v));
    }

    if (n < len) {
        ngx_memzero(&v, sizeof(v));
        ngx_memcpy(&v, old + n, len - n);

        v = ngx_llmops_renew_chars(v);
        ngx_memcpy(id + n, &v, len - n);
    }
}


/*
 * What stands before the last "-" or "_" says what it is the id of; or before
 * the first one, where such a character may be one of the id's own.
 */

static size_t
ngx_llmops_renew_kind(const u_char *old, size_t len)
{
    size_t         n;
    const u_char  *p;

    n = 0;
    p = memrchr(old, '-', len);

    if (p) {
        n = p + 1 - old;
    }

    p = memrchr(old + n, '_', len - n);

    if (p) {
        n = p + 1 - old;
    }

    if (n && len - n < NGX_LLMOPS_RENEW_LEAST) {

        for (n = 0; old[n] != '-' && old[n] != '_'; n++) { /* void */ }

        n = (n + 1 < len) ? n + 1 : 0;
    }

    return n;
}


/* a digit or a letter for each; what may be hexadecimal stays so */

static ngx_inline ngx_llmops_renew_t
ngx_llmops_renew_chars(ngx_llmops_renew_t old)
{
    uint64_t            n[2];
    ngx_llmops_renew_t  v, hex;

    n[0] = ngx_llmops_renew_random();
    n[1] = ngx_llmops_renew_random();

    ngx_memcpy(&v, n, sizeof(v));

    hex = ((old >= '0') & (old <= '9')) | ((old >= 'a') & (old <= 'f'));

    /* five bits, or four */

    v &= 0x1f;
    v &= ~(hex & 0x10);

    return v + '0' + ((v > 9) & ('a' - '0' - 10));
}


/* a sequence of each process, as that of ids of requests; the one that loads
   the configuration makes none */

static ngx_inline uint64_t
ngx_llmops_renew_random(void)
{
    uint64_t  z;

    static uint64_t    state;
    static ngx_uint_t  started;

    if (!started) {
        started = 1;

        if (RAND_bytes((u_char *) &state, sizeof(state)) != 1) {
            state = (uint64_t) ngx_random() << 31 ^ (uint64_t) ngx_random();
        }
    }

    state += 0x9e3779b97f4a7c15ull;

    z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;

    return z ^ (z >> 31);
}
