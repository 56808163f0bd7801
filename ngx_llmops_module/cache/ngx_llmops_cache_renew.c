
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
 * Eight characters are made at once, each in a byte of a word.
 */


#define NGX_LLMOPS_RENEW_BYTES(n)  (0x0101010101010101ull * (n))
#define NGX_LLMOPS_RENEW_HIGH      NGX_LLMOPS_RENEW_BYTES(0x80)

/* the high bit of each byte that is at least n; none is above 127 */

#define ngx_llmops_renew_least(x, n)                                          \
    (((x) | NGX_LLMOPS_RENEW_HIGH) - NGX_LLMOPS_RENEW_BYTES(n))


static ngx_inline uint64_t ngx_llmops_renew_chars(uint64_t old);
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


/* what stands before the last "-" or "_" says what it is the id of */

void
ngx_llmops_cache_new_id(u_char *id, const u_char *old, size_t len)
{
    size_t         n;
    uint64_t       x;
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

    if (n && id != old) {
        ngx_memcpy(id, old, n);
    }

    for ( /* void */ ; n + sizeof(uint64_t) <= len; n += sizeof(uint64_t)) {
        ngx_memcpy(&x, old + n, sizeof(uint64_t));

        x = ngx_llmops_renew_chars(x);
        ngx_memcpy(id + n, &x, sizeof(uint64_t));
    }

    if (n < len) {
        x = 0;
        ngx_memcpy(&x, old + n, len - n);

        x = ngx_llmops_renew_chars(x);
        ngx_memcpy(id + n, &x, len - n);
    }
}


/* a digit or a letter for each; what may be hexadecimal stays so */

static ngx_inline uint64_t
ngx_llmops_renew_chars(uint64_t old)
{
    uint64_t  x, hex;

    old &= ~NGX_LLMOPS_RENEW_HIGH;

    hex = (ngx_llmops_renew_least(old, '0')
           & ~ngx_llmops_renew_least(old, '9' + 1))
          | (ngx_llmops_renew_least(old, 'a')
             & ~ngx_llmops_renew_least(old, 'f' + 1));

    /* five bits, or four */

    x = ngx_llmops_renew_random() & NGX_LLMOPS_RENEW_BYTES(0x1f);
    x &= ~((hex & NGX_LLMOPS_RENEW_HIGH) >> 3);

    return x + NGX_LLMOPS_RENEW_BYTES('0')
           + ((ngx_llmops_renew_least(x, 10) & NGX_LLMOPS_RENEW_HIGH) >> 7)
             * ('a' - '0' - 10);
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
