
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_own.h"


/*
 * The key of a request costs more than all the rest of a hit: a canonical form
 * and a SHA-256 over it.  Who asks the same again mostly asks it with the same
 * bytes; so each worker remembers the keys of some bodies that it has seen
 * (dialect/ngx_llmops_envelope_seen.c), which stand here as their numbers, with
 * all else that a key is made of, and compares that.  All of it: nothing
 * depends on a hash but where to look, so that who sends the bytes of another
 * tenant has the key of his own scope.  What is remembered is only what a key
 * is a function of, so that it never becomes wrong.
 */


#define NGX_LLMOPS_MEMO_SLOTS      512
#define NGX_LLMOPS_MEMO_BYTES      2048    /* of the parts; 1 MB in all */


typedef struct {
    u_char                    *bytes;
    size_t                     len;
    size_t                     size;
    uint64_t                   seen;       /* 0: there is none */
    ngx_llmops_op_e            op;
    ngx_int_t                  rc;
    ngx_llmops_cache_why_e     why;
    u_char                     key[NGX_LLMOPS_CACHE_KEY];
} ngx_llmops_memo_t;


static ngx_llmops_memo_t *ngx_llmops_memo_slot(ngx_llmops_cache_question_t *q,
    size_t *len);
static ngx_inline uint64_t ngx_llmops_memo_word(const ngx_str_t *s);
static ngx_uint_t ngx_llmops_memo_same(ngx_llmops_memo_t *memo,
    ngx_llmops_cache_question_t *q);


static ngx_llmops_memo_t  ngx_llmops_memos[NGX_LLMOPS_MEMO_SLOTS];


ngx_int_t
ngx_llmops_cache_memo_find(ngx_llmops_cache_question_t *q)
{
    size_t              len;
    ngx_llmops_memo_t  *memo;

    if (q->seen == 0) {
        return NGX_AGAIN;
    }

    memo = ngx_llmops_memo_slot(q, &len);

    if (memo->seen != q->seen
        || memo->op != q->op
        || memo->len != len
        || !ngx_llmops_memo_same(memo, q))
    {
        return NGX_AGAIN;
    }

    q->why = memo->why;
    ngx_memcpy(q->key, memo->key, NGX_LLMOPS_CACHE_KEY);

    return memo->rc;
}


void
ngx_llmops_cache_memo_keep(ngx_llmops_cache_question_t *q, ngx_int_t rc)
{
    u_char             *p;
    size_t              len;
    ngx_uint_t          i;
    ngx_llmops_memo_t  *memo;

    if (q->seen == 0) {
        return;
    }

    memo = ngx_llmops_memo_slot(q, &len);

    if (len > NGX_LLMOPS_MEMO_BYTES) {
        return;
    }

    memo->seen = 0;

    if (memo->size < len) {
        free(memo->bytes);

        memo->size = ngx_align(len, 64);
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

    memo->seen = q->seen;
    memo->len = len;
    memo->op = q->op;
    memo->rc = rc;
    memo->why = q->why;
    ngx_memcpy(memo->key, q->key, NGX_LLMOPS_CACHE_KEY);
}


/* of each part its length, the first and the last bytes: enough to find it; and
   how long all of them are, each with its length, so that no two rows of parts
   have the same bytes */

static ngx_llmops_memo_t *
ngx_llmops_memo_slot(ngx_llmops_cache_question_t *q, size_t *len)
{
    uint64_t          h;
    ngx_uint_t        i;
    const ngx_str_t  *part;

    h = q->seen;
    *len = q->nparts * sizeof(size_t);

    for (i = 0; i < q->nparts; i++) {
        part = &q->parts[i];

        if (part->len) {
            h = (h ^ ngx_llmops_memo_word(part)) * 0x9fb21c651e98df25ull;
            h ^= h >> 29;

            *len += part->len;
        }
    }

    return &ngx_llmops_memos[(h ^ h >> 32) % NGX_LLMOPS_MEMO_SLOTS];
}


static ngx_inline uint64_t
ngx_llmops_memo_word(const ngx_str_t *s)
{
    uint64_t  first, last;

    if (s->len < sizeof(uint64_t)) {
        first = 0;
        ngx_memcpy(&first, s->data, s->len);

        return first ^ (uint64_t) s->len << 56;
    }

    ngx_memcpy(&first, s->data, sizeof(uint64_t));
    ngx_memcpy(&last, s->data + s->len - sizeof(uint64_t), sizeof(uint64_t));

    return first ^ (last << 17 | last >> 47) ^ s->len;
}


static ngx_uint_t
ngx_llmops_memo_same(ngx_llmops_memo_t *memo, ngx_llmops_cache_question_t *q)
{
    size_t            len;
    u_char           *p;
    ngx_uint_t        i;
    const ngx_str_t  *part;

    p = memo->bytes;

    for (i = 0; i < q->nparts; i++) {
        part = &q->parts[i];

        ngx_memcpy(&len, p, sizeof(size_t));
        p += sizeof(size_t);

        if (len != part->len) {
            return 0;
        }

        if (len && ngx_memcmp(p, part->data, len) != 0) {
            return 0;
        }

        p += len;
    }

    return 1;
}
