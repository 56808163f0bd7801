
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_dialect.h"


/*
 * Bodies that were read before.  Who is answered from a cache mostly sends the
 * same bytes that somebody has sent lately; to read them costs more than all
 * that is left to do for him.  So what they say is remembered with the bytes,
 * and found by a look at them.
 *
 * Nothing depends on the hash but where to look: what is found has been
 * compared, all of it.  So a caller who makes bodies of the same hash, which is
 * not hard, makes others forget, and no more than that; who sends many bodies
 * twice does as much, and no secret in the hash would keep him from it.  An
 * envelope is a function of the bytes, of the operation and of whether prompts
 * are looked for: it does not become wrong when a configuration changes.
 *
 * A number stands for the bytes, so that others (the cache's memo) need neither
 * keep nor compare them again.  It is given once, and never to other bytes.
 *
 * Of a worker: nothing is shared, and nothing waits.  A set has four bodies, of
 * which the one goes that was not asked for the longest.  Most bodies come
 * once: of those only the hash is noted, so that they take no place from
 * others.
 */


#define NGX_LLMOPS_SEEN_WAYS   4
#define NGX_LLMOPS_SEEN_SETS   (NGX_LLMOPS_SEEN_BODIES / NGX_LLMOPS_SEEN_WAYS)

#define NGX_LLMOPS_SEEN_ONCE   1024       /* hashes */

#define NGX_LLMOPS_SEEN_BLOCK  32         /* bytes that are hashed at once */
#define NGX_LLMOPS_SEEN_ALL    4096       /* of a longer body, some of them */
#define NGX_LLMOPS_SEEN_END    128        /* but of its end, all */

/* what _begin() and _end() set, but for buffers: members, and bits behind */

#define NGX_LLMOPS_SEEN_FROM   offsetof(ngx_llmops_envelope_t, model)
#define NGX_LLMOPS_SEEN_BITS                                                  \
    (offsetof(ngx_llmops_envelope_t, seen) + sizeof(uint64_t))

#define NGX_LLMOPS_SEEN_FACTS  (NGX_LLMOPS_SEEN_BITS - NGX_LLMOPS_SEEN_FROM)
#define NGX_LLMOPS_SEEN_FLAGS                                                 \
    (offsetof(ngx_llmops_envelope_t, model_buf) - NGX_LLMOPS_SEEN_BITS)


typedef struct {
    uint64_t                   hash;
    uint64_t                   number;     /* 0: there is none */
    uint64_t                   used;
    size_t                     len;
    ngx_llmops_op_e            op;
    unsigned                   prompts;
    size_t                     size;       /* of bytes */
    u_char                    *bytes;      /* body, model, options */
    u_char                     facts[NGX_LLMOPS_SEEN_FACTS];
    u_char                     flags[NGX_LLMOPS_SEEN_FLAGS];
} ngx_llmops_seen_t;


/* two chains, so that no word waits for the one before it */

typedef struct {
    uint64_t                   a;
    uint64_t                   b;
} ngx_llmops_seen_hash_t;


static ngx_llmops_seen_t *ngx_llmops_seen_set(ngx_llmops_envelope_t *env,
    const ngx_str_t *pieces, uint64_t *hash);
static uint64_t ngx_llmops_seen_hash(const ngx_str_t *pieces, size_t len);
static void ngx_llmops_seen_blocks(ngx_llmops_seen_hash_t *hash,
    const ngx_str_t *pieces, size_t from, size_t to, size_t step);
static ngx_inline ngx_llmops_seen_hash_t ngx_llmops_seen_block(
    ngx_llmops_seen_hash_t h, const u_char *p);
static ngx_inline uint64_t ngx_llmops_seen_word(const u_char *p);
static void ngx_llmops_seen_copy(u_char *p, const ngx_str_t *pieces,
    size_t from, size_t len);
static void ngx_llmops_seen_tell(ngx_llmops_seen_t *seen,
    ngx_llmops_envelope_t *env);


static ngx_llmops_seen_t  ngx_llmops_seen[NGX_LLMOPS_SEEN_SETS]
                                         [NGX_LLMOPS_SEEN_WAYS];
static uint64_t           ngx_llmops_seen_once[NGX_LLMOPS_SEEN_ONCE];
static uint64_t           ngx_llmops_seen_last;     /* number */
static uint64_t           ngx_llmops_seen_time;     /* of uses */


ngx_int_t
ngx_llmops_envelope_recall(ngx_llmops_envelope_t *env, const ngx_str_t *pieces)
{
    size_t              len;
    uint64_t            hash, *once;
    ngx_uint_t          i;
    ngx_llmops_seen_t  *seen;

    len = pieces[0].len + pieces[1].len;

    if (len == 0 || len > NGX_LLMOPS_SEEN_BYTES) {
        return NGX_DECLINED;
    }

    seen = ngx_llmops_seen_set(env, pieces, &hash);

    for (i = 0; i < NGX_LLMOPS_SEEN_WAYS; i++, seen++) {

        if (seen->hash == hash
            && seen->number
            && seen->len == len
            && seen->op == env->op
            && seen->prompts == env->prompts
            && ngx_memcmp(seen->bytes, pieces[0].data, pieces[0].len) == 0
            && (pieces[1].len == 0
                || ngx_memcmp(seen->bytes + pieces[0].len, pieces[1].data,
                              pieces[1].len)
                   == 0))
        {
            ngx_llmops_seen_tell(seen, env);
            return NGX_OK;
        }
    }

    once = &ngx_llmops_seen_once[(hash >> 32) % NGX_LLMOPS_SEEN_ONCE];

    if (*once == hash) {
        return NGX_AGAIN;
    }

    *once = hash;

    return NGX_DECLINED;
}


void
ngx_llmops_envelope_remember(ngx_llmops_envelope_t *env,
    const ngx_str_t *pieces)
{
    u_char             *p;
    size_t              len, size;
    uint64_t            hash;
    ngx_uint_t          i;
    ngx_llmops_seen_t  *set, *seen;

    len = pieces[0].len + pieces[1].len;

    if (len == 0 || len > NGX_LLMOPS_SEEN_BYTES) {
        return;
    }

    set = ngx_llmops_seen_set(env, pieces, &hash);
    seen = set;

    for (i = 1; i < NGX_LLMOPS_SEEN_WAYS; i++) {
        if (set[i].used < seen->used) {
            seen = &set[i];
        }
    }

    seen->number = 0;
    size = len + env->model.len + env->options.len;

    if (seen->size < size) {
        free(seen->bytes);

        seen->size = ngx_align(size, 512);
        seen->bytes = malloc(seen->size);

        if (seen->bytes == NULL) {
            seen->size = 0;
            return;
        }
    }

    env->seen = ++ngx_llmops_seen_last;

    seen->hash = hash;
    seen->number = env->seen;
    seen->used = ++ngx_llmops_seen_time;
    seen->len = len;
    seen->op = env->op;
    seen->prompts = env->prompts;

    ngx_memcpy(seen->facts, (u_char *) env + NGX_LLMOPS_SEEN_FROM,
               NGX_LLMOPS_SEEN_FACTS);
    ngx_memcpy(seen->flags, (u_char *) env + NGX_LLMOPS_SEEN_BITS,
               NGX_LLMOPS_SEEN_FLAGS);

    ngx_llmops_seen_copy(seen->bytes, pieces, 0, len);

    p = seen->bytes + len;

    if (env->model.len) {
        p = ngx_cpymem(p, env->model.data, env->model.len);
    }

    if (env->options.len) {
        ngx_memcpy(p, env->options.data, env->options.len);
    }
}


/* where the body is, if it is there; its hash */

static ngx_llmops_seen_t *
ngx_llmops_seen_set(ngx_llmops_envelope_t *env, const ngx_str_t *pieces,
    uint64_t *hash)
{
    *hash = ngx_llmops_seen_hash(pieces, pieces[0].len + pieces[1].len)
            ^ env->op;

    return ngx_llmops_seen[*hash % NGX_LLMOPS_SEEN_SETS];
}


/* it does not depend on where the body is cut */

static uint64_t
ngx_llmops_seen_hash(const ngx_str_t *pieces, size_t len)
{
    size_t                   to;
    u_char                   copy[NGX_LLMOPS_SEEN_BLOCK];
    const u_char            *last;
    ngx_llmops_seen_hash_t   h;

    h.a = len;
    h.b = len;

    to = len - len % NGX_LLMOPS_SEEN_BLOCK;

    if (len <= NGX_LLMOPS_SEEN_ALL) {
        ngx_llmops_seen_blocks(&h, pieces, 0, to, NGX_LLMOPS_SEEN_BLOCK);

    } else {
        ngx_llmops_seen_blocks(&h, pieces, 0, to - NGX_LLMOPS_SEEN_END,
                               NGX_LLMOPS_SEEN_BLOCK
                               * (1 + len / NGX_LLMOPS_SEEN_ALL));
        ngx_llmops_seen_blocks(&h, pieces, to - NGX_LLMOPS_SEEN_END, to,
                               NGX_LLMOPS_SEEN_BLOCK);
    }

    /* the last block lies over the one before it */

    if (pieces[1].len >= NGX_LLMOPS_SEEN_BLOCK) {
        last = pieces[1].data + pieces[1].len - NGX_LLMOPS_SEEN_BLOCK;

    } else if (pieces[1].len == 0 && len >= NGX_LLMOPS_SEEN_BLOCK) {
        last = pieces[0].data + len - NGX_LLMOPS_SEEN_BLOCK;

    } else {
        to = ngx_min(len, NGX_LLMOPS_SEEN_BLOCK);

        ngx_memzero(copy, NGX_LLMOPS_SEEN_BLOCK);
        ngx_llmops_seen_copy(copy, pieces, len - to, to);

        last = copy;
    }

    h = ngx_llmops_seen_block(h, last);

    h.a = (h.a ^ (h.b << 32 | h.b >> 32)) * 0xff51afd7ed558ccdull;

    return h.a ^ h.a >> 32;
}


/* one block of each step bytes, whichever piece it is in, or in both */

static void
ngx_llmops_seen_blocks(ngx_llmops_seen_hash_t *hash, const ngx_str_t *pieces,
    size_t from, size_t to, size_t step)
{
    size_t                   first;
    u_char                   both[NGX_LLMOPS_SEEN_BLOCK];
    const u_char            *second;
    ngx_llmops_seen_hash_t   h;

    h = *hash;
    first = ngx_min(pieces[0].len, to);

    for ( /* void */ ; from + NGX_LLMOPS_SEEN_BLOCK <= first; from += step) {
        h = ngx_llmops_seen_block(h, pieces[0].data + from);
    }

    if (from < first) {
        ngx_llmops_seen_copy(both, pieces, from, NGX_LLMOPS_SEEN_BLOCK);
        h = ngx_llmops_seen_block(h, both);

        from += step;
    }

    second = pieces[1].data;

    for ( /* void */ ; from < to; from += step) {
        h = ngx_llmops_seen_block(h, second + (from - pieces[0].len));
    }

    *hash = h;
}


static ngx_inline ngx_llmops_seen_hash_t
ngx_llmops_seen_block(ngx_llmops_seen_hash_t h, const u_char *p)
{
    h.a ^= ngx_llmops_seen_word(p);
    h.b ^= ngx_llmops_seen_word(p + 8);

    h.a = (h.a << 23 | h.a >> 41) * 0x9fb21c651e98df25ull;
    h.b = (h.b << 29 | h.b >> 35) * 0xff51afd7ed558ccdull;

    h.a ^= ngx_llmops_seen_word(p + 16);
    h.b ^= ngx_llmops_seen_word(p + 24);

    h.a = (h.a << 23 | h.a >> 41) * 0x9fb21c651e98df25ull;
    h.b = (h.b << 29 | h.b >> 35) * 0xff51afd7ed558ccdull;

    return h;
}


static ngx_inline uint64_t
ngx_llmops_seen_word(const u_char *p)
{
    uint64_t  w;

    ngx_memcpy(&w, p, sizeof(uint64_t));

    return w;
}


static void
ngx_llmops_seen_copy(u_char *p, const ngx_str_t *pieces, size_t from,
    size_t len)
{
    size_t  n;

    if (from < pieces[0].len) {
        n = ngx_min(len, pieces[0].len - from);

        p = ngx_cpymem(p, pieces[0].data + from, n);
        from += n;
        len -= n;
    }

    if (len) {
        ngx_memcpy(p, pieces[1].data + (from - pieces[0].len), len);
    }
}


/* names lie in the envelope's own buffers, as if they had just been read */

static void
ngx_llmops_seen_tell(ngx_llmops_seen_t *seen, ngx_llmops_envelope_t *env)
{
    u_char  *p;

    seen->used = ++ngx_llmops_seen_time;

    ngx_memcpy((u_char *) env + NGX_LLMOPS_SEEN_FROM, seen->facts,
               NGX_LLMOPS_SEEN_FACTS);
    ngx_memcpy((u_char *) env + NGX_LLMOPS_SEEN_BITS, seen->flags,
               NGX_LLMOPS_SEEN_FLAGS);

    p = seen->bytes + seen->len;

    if (env->model.len) {
        ngx_memcpy(env->model_buf, p, env->model.len);

        env->model.data = env->model_buf;
        p += env->model.len;
    }

    if (env->options.len) {
        ngx_memcpy(env->capture, p, env->options.len);

        env->options.data = env->capture;
    }
}
