
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_own.h"


/*
 * The key of a request costs more than all the rest of a hit: a canonical form
 * and a SHA-256 over it.  Who asks the same again mostly asks it with the same
 * bytes; so each worker remembers the keys of some requests with their bytes,
 * and compares those.  All of them: nothing depends on a hash but where to
 * look.  What is remembered is only what a key is a function of, so that it
 * never becomes wrong.
 */


#define NGX_LLMOPS_MEMO_SLOTS      256
#define NGX_LLMOPS_MEMO_BYTES      16384   /* of a request; 4 MB in all */


typedef struct {
    u_char                    *bytes;
    size_t                     len;
    size_t                     size;
    ngx_llmops_op_e            op;
    ngx_int_t                  rc;
    ngx_llmops_cache_why_e     why;
    u_char                     key[NGX_LLMOPS_CACHE_KEY];
} ngx_llmops_memo_t;


static size_t ngx_llmops_memo_length(ngx_llmops_cache_question_t *q);
static uint64_t ngx_llmops_memo_hash(ngx_llmops_cache_question_t *q);
static uint64_t ngx_llmops_memo_mix(uint64_t h, const ngx_str_t *s);
static ngx_uint_t ngx_llmops_memo_same(ngx_llmops_memo_t *memo,
    ngx_llmops_cache_question_t *q);
static void ngx_llmops_memo_keep(ngx_llmops_memo_t *memo,
    ngx_llmops_cache_question_t *q, size_t len, ngx_int_t rc);


static ngx_llmops_memo_t  ngx_llmops_memos[NGX_LLMOPS_MEMO_SLOTS];


ngx_int_t
ngx_llmops_cache_memo(ngx_llmops_cache_question_t *q,
    ngx_llmops_cache_scratch_t *scratch)
{
    size_t              len;
    ngx_int_t           rc;
    ngx_llmops_memo_t  *memo;

    len = ngx_llmops_memo_length(q);

    if (len > NGX_LLMOPS_MEMO_BYTES) {
        return ngx_llmops_cache_digest(q, scratch);
    }

    memo = &ngx_llmops_memos[ngx_llmops_memo_hash(q) % NGX_LLMOPS_MEMO_SLOTS];

    if (memo->len == len && memo->op == q->op
        && ngx_llmops_memo_same(memo, q))
    {
        q->why = memo->why;
        ngx_memcpy(q->key, memo->key, NGX_LLMOPS_CACHE_KEY);

        return memo->rc;
    }

    rc = ngx_llmops_cache_digest(q, scratch);

    if (rc != NGX_ERROR) {
        ngx_llmops_memo_keep(memo, q, len, rc);
    }

    return rc;
}


/* each part with its length, so that no two rows of parts have the same bytes,
   then the body */

static size_t
ngx_llmops_memo_length(ngx_llmops_cache_question_t *q)
{
    size_t      len;
    ngx_uint_t  i;

    len = q->body.len;

    for (i = 0; i < q->nparts; i++) {
        len += sizeof(size_t) + q->parts[i].len;
    }

    return len;
}


static uint64_t
ngx_llmops_memo_hash(ngx_llmops_cache_question_t *q)
{
    uint64_t    h;
    ngx_uint_t  i;

    h = ngx_llmops_memo_mix(q->op, &q->body);

    for (i = 0; i < q->nparts; i++) {
        h = ngx_llmops_memo_mix(h, &q->parts[i]);
    }

    return h ^ (h >> 32);
}


static uint64_t
ngx_llmops_memo_mix(uint64_t h, const ngx_str_t *s)
{
    size_t     n;
    u_char    *p;
    uint64_t   w;

    p = s->data;

    for (n = s->len; n >= 8; n -= 8, p += 8) {
        ngx_memcpy(&w, p, 8);
        h = (h ^ w) * 0x9fb21c651e98df25ull;
        h ^= h >> 29;
    }

    for ( /* void */ ; n; n--, p++) {
        h = (h ^ *p) * 0x100000001b3ull;
    }

    return (h ^ s->len) * 0xff51afd7ed558ccdull;
}


static ngx_uint_t
ngx_llmops_memo_same(ngx_llmops_memo_t *memo, ngx_llmops_cache_question_t *q)
{
    u_char      *p;
    ngx_uint_t   i;

    p = memo->bytes;

    for (i = 0; i < q->nparts; i++) {

        if (ngx_memcmp(p, &q->parts[i].len, sizeof(size_t)) != 0) {
            return 0;
        }

        p += sizeof(size_t);

        if (q->parts[i].len
            && ngx_memcmp(p, q->parts[i].data, q->parts[i].len) != 0)
        {
            return 0;
        }

        p += q->parts[i].len;
    }

    return ngx_memcmp(p, q->body.data, q->body.len) == 0;
}


static void
ngx_llmops_memo_keep(ngx_llmops_memo_t *memo, ngx_llmops_cache_question_t *q,
    size_t len, ngx_int_t rc)
{
    u_char      *p;
    ngx_uint_t   i;

    memo->len = 0;

    if (memo->size < len) {
        free(memo->bytes);

        memo->size = ngx_align(len, 512);
        memo->bytes = malloc(memo->size);

        if (memo->bytes == NULL) {
            memo->size = 0;
            return;
        }
    }

    p = memo->bytes;

    for (i = 0; i < q->nparts; i++) {
        p = ngx_cpymem(p, &q->parts[i].len, sizeof(size_t));

        if (q->parts[i].len) {
            p = ngx_cpymem(p, q->parts[i].data, q->parts[i].len);
        }
    }

    ngx_memcpy(p, q->body.data, q->body.len);

    memo->len = len;
    memo->op = q->op;
    memo->rc = rc;
    memo->why = q->why;
    ngx_memcpy(memo->key, q->key, NGX_LLMOPS_CACHE_KEY);
}
