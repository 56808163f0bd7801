
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


#define NGX_LLMOPS_MEMO_WAYS       4
#define NGX_LLMOPS_MEMO_SETS       128
#define NGX_LLMOPS_MEMO_BYTES      2048    /* of the parts; 1 MB in all */


typedef struct {
    uint64_t                   seen;       /* 0: there is none */
    uint64_t                   used;
    ngx_llmops_op_e            op;
    ngx_uint_t                 nparts;
    u_char                    *bytes;      /* the lengths of all parts, then
                                              their texts */
    size_t                     size;
    ngx_int_t                  rc;
    ngx_llmops_cache_why_e     why;
    u_char                     key[NGX_LLMOPS_CACHE_KEY];
} ngx_llmops_memo_t;


static ngx_llmops_memo_t *ngx_llmops_memo_set(ngx_llmops_cache_question_t *q);
static ngx_uint_t ngx_llmops_memo_same(ngx_llmops_memo_t *memo,
    ngx_llmops_cache_question_t *q);
static size_t ngx_llmops_memo_length(ngx_llmops_cache_question_t *q);


static ngx_llmops_memo_t  ngx_llmops_memos[NGX_LLMOPS_MEMO_SETS]
                                          [NGX_LLMOPS_MEMO_WAYS];
static uint64_t           ngx_llmops_memo_time;     /* of uses */


ngx_int_t
ngx_llmops_cache_memo_find(ngx_llmops_cache_question_t *q)
{
    ngx_uint_t          i;
    ngx_llmops_memo_t  *memo;

    if (q->seen == 0) {
        return NGX_AGAIN;
    }

    memo = ngx_llmops_memo_set(q);

    for (i = 0; i < NGX_LLMOPS_MEMO_WAYS; i++, memo++) {

        if (memo->seen != q->seen
            || memo->op != q->op
            || memo->nparts != q->nparts
            || !ngx_llmops_memo_same(memo, q))
        {
            continue;
        }

        memo->used = ++ngx_llmops_memo_time;

        q->why = memo->why;
        ngx_memcpy(q->key, memo->key, NGX_LLMOPS_CACHE_KEY);

        return memo->rc;
    }

    return NGX_AGAIN;
}


void
ngx_llmops_cache_memo_keep(ngx_llmops_cache_question_t *q, ngx_int_t rc)
{
    u_char             *p;
    size_t              len;
    ngx_uint_t          i;
    ngx_llmops_memo_t  *memo, *set;

    len = ngx_llmops_memo_length(q);

    if (q->seen == 0 || len > NGX_LLMOPS_MEMO_BYTES) {
        return;
    }

    set = ngx_llmops_memo_set(q);
    memo = set;

    for (i = 1; i < NGX_LLMOPS_MEMO_WAYS; i++) {
        if (set[i].used < memo->used) {
            memo = &set[i];
        }
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
    }

    for (i = 0; i < q->nparts; i++) {
        if (q->parts[i].len) {
            p = ngx_cpymem(p, q->parts[i].data, q->parts[i].len);
        }
    }

    memo->seen = q->seen;
    memo->used = ++ngx_llmops_memo_time;
    memo->op = q->op;
    memo->nparts = q->nparts;
    memo->rc = rc;
    memo->why = q->why;

    if (rc == NGX_OK) {                      /* else there is none */
        ngx_memcpy(memo->key, q->key, NGX_LLMOPS_CACHE_KEY);
    }
}


/* a body may be asked with in many scopes; what else differs, differs in few
   ways */

static ngx_llmops_memo_t *
ngx_llmops_memo_set(ngx_llmops_cache_question_t *q)
{
    uint64_t          h, w;
    const ngx_str_t  *scope;

    h = q->seen;
    scope = &q->parts[NGX_LLMOPS_CACHE_PART_SCOPE];

    if (scope->len >= sizeof(uint64_t)) {
        ngx_memcpy(&w, scope->data + scope->len - sizeof(uint64_t),
                   sizeof(uint64_t));
        h ^= w * 0x9fb21c651e98df25ull >> 32;

    } else if (scope->len) {
        w = 0;
        ngx_memcpy(&w, scope->data, scope->len);
        h ^= w * 0x9fb21c651e98df25ull >> 32;
    }

    return ngx_llmops_memos[h % NGX_LLMOPS_MEMO_SETS];
}


/* no two rows of parts have the same bytes */

static ngx_uint_t
ngx_llmops_memo_same(ngx_llmops_memo_t *memo, ngx_llmops_cache_question_t *q)
{
    u_char           *p;
    size_t           *len;
    ngx_uint_t        i;
    const ngx_str_t  *part;

    len = (size_t *) memo->bytes;
    p = memo->bytes + q->nparts * sizeof(size_t);

    for (i = 0; i < q->nparts; i++) {
        part = &q->parts[i];

        if (len[i] != part->len) {
            return 0;
        }

        if (part->len == 0) {
            continue;
        }

        if (ngx_memcmp(p, part->data, part->len) != 0) {
            return 0;
        }

        p += part->len;
    }

    return 1;
}


static size_t
ngx_llmops_memo_length(ngx_llmops_cache_question_t *q)
{
    size_t      len;
    ngx_uint_t  i;

    len = 0;

    for (i = 0; i < q->nparts; i++) {
        len += sizeof(size_t) + q->parts[i].len;
    }

    return len;
}
