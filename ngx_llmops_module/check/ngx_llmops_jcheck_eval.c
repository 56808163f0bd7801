
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_jcheck.h"


/* Evals: how they come, and what one's end means for the next. */


static ngx_int_t ngx_llmops_jeval_same(ngx_llmops_jcheck_t *c, size_t i,
    ngx_uint_t refs);
static ngx_llmops_jnode_t *ngx_llmops_jeval_dynamic(ngx_llmops_jcheck_t *c,
    size_t i);
static ngx_int_t ngx_llmops_jeval_merge(ngx_llmops_jcheck_t *c, size_t to,
    size_t from);
static ngx_int_t ngx_llmops_jbits_room(ngx_llmops_jcheck_t *c,
    ngx_llmops_jbits_t *bits, size_t n);


ngx_int_t
ngx_llmops_jcheck_limit(ngx_llmops_jcheck_t *c)
{
    c->limit = 1;
    return NGX_DECLINED;
}


ngx_int_t
ngx_llmops_jcheck_more_work(ngx_llmops_jcheck_t *c, size_t n)
{
    c->work += NGX_LLMOPS_JCHECK_WORK_BYTE * (c->tok.offset - c->counted);
    c->counted = c->tok.offset;

    if (n > c->work) {
        return ngx_llmops_jcheck_limit(c);
    }

    c->work -= n;

    return NGX_OK;
}


void *
ngx_llmops_jcheck_grow(ngx_llmops_jcheck_t *c, void *p, size_t old,
    size_t size)
{
    if (size - old > NGX_LLMOPS_JCHECK_MAX_MEMORY - c->memory) {
        return NULL;
    }

    p = realloc(p, size);

    if (p) {
        c->memory += size - old;
        ngx_memzero((u_char *) p + old, size - old);
    }

    return p;
}


/* a fresh eval at the end of the array, with its words for names */

static ngx_int_t
ngx_llmops_jeval_new(ngx_llmops_jcheck_t *c, size_t names)
{
    void    *p;
    size_t   n;

    if (c->nevals == c->size) {
        n = c->size ? c->size * 2 : 32;

        if (n > NGX_LLMOPS_JCHECK_MAX_EVALS) {
            return NGX_DECLINED;
        }

        p = ngx_llmops_jcheck_grow(c, c->evals,
                                   c->size * sizeof(ngx_llmops_jeval_t),
                                   n * sizeof(ngx_llmops_jeval_t));
        if (p == NULL) {
            return NGX_DECLINED;
        }

        c->evals = p;
        c->size = n;
    }

    n = (names + 63) / 64;

    if (c->nwords + n > c->words_size) {
        n = c->words_size * 2 + n;

        p = ngx_llmops_jcheck_grow(c, c->words,
                                   c->words_size * sizeof(uint64_t),
                                   n * sizeof(uint64_t));
        if (p == NULL) {
            return NGX_DECLINED;
        }

        c->words = p;
        c->words_size = n;
        n = (names + 63) / 64;
    }

    if (n) {
        ngx_memzero(&c->words[c->nwords], n * sizeof(uint64_t));
    }

    return NGX_OK;
}


ngx_int_t
ngx_llmops_jeval_push(ngx_llmops_jcheck_t *c, ngx_llmops_jnode_t *node,
    ngx_int_t parent, ngx_llmops_jrole_e role, uint32_t slot,
    ngx_uint_t refs)
{
    size_t               i;
    ngx_llmops_jeval_t  *e;

    if (node->always && (role == NGX_LLMOPS_JROLE_CHILD
                         || role == NGX_LLMOPS_JROLE_SAME))
    {
        return NGX_OK;
    }

    if (refs > NGX_LLMOPS_JCHECK_MAX_REFS
        || ngx_llmops_jeval_new(c, node->nnames) != NGX_OK)
    {
        return ngx_llmops_jcheck_limit(c);
    }

    i = c->nevals++;
    e = &c->evals[i];

    ngx_memzero(e, offsetof(ngx_llmops_jeval_t, evaluated));

    e->evaluated.nwords = 0;
    e->allowed.nwords = 0;
    e->node = node;
    e->parent = parent;
    e->role = role;
    e->slot = slot;
    e->seen = c->nwords;
    e->track = node->unevaluated_items || node->unevaluated_properties
               || (role >= NGX_LLMOPS_JROLE_SAME
                   && c->evals[parent].track);

    c->nwords += (node->nnames + 63) / 64;

    if (node->never) {
        return ngx_llmops_jeval_fail(c, i, "false");
    }

    return node->applies ? ngx_llmops_jeval_same(c, i, refs + 1) : NGX_OK;
}


static ngx_int_t
ngx_llmops_jeval_all(ngx_llmops_jcheck_t *c, size_t i,
    ngx_llmops_jnodes_t *nodes, ngx_llmops_jrole_e role, ngx_uint_t refs)
{
    ngx_uint_t  k;

    for (k = 0; k < nodes->nelts && !c->evals[i].failed; k++) {
        if (ngx_llmops_jeval_push(c, nodes->elts[k], i, role, k, refs)
            != NGX_OK)
        {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_jeval_one(ngx_llmops_jcheck_t *c, size_t i,
    ngx_llmops_jnode_t *node, ngx_llmops_jrole_e role, uint32_t slot,
    ngx_uint_t refs)
{
    if (node == NULL || c->evals[i].failed) {
        return NGX_OK;
    }

    return ngx_llmops_jeval_push(c, node, i, role, slot, refs);
}


/* the schemas that a schema applies to the same value */

static ngx_int_t
ngx_llmops_jeval_same(ngx_llmops_jcheck_t *c, size_t i, ngx_uint_t refs)
{
    ngx_uint_t           k;
    ngx_llmops_jnode_t  *node, *dynamic;

    node = c->evals[i].node;

    dynamic = node->dynamic ? ngx_llmops_jeval_dynamic(c, i) : NULL;

    if (ngx_llmops_jeval_one(c, i, node->ref, NGX_LLMOPS_JROLE_SAME, 0, refs)
        != NGX_OK
        || ngx_llmops_jeval_one(c, i, dynamic, NGX_LLMOPS_JROLE_SAME, 0, refs)
           != NGX_OK
        || ngx_llmops_jeval_all(c, i, &node->all, NGX_LLMOPS_JROLE_SAME, refs)
           != NGX_OK
        || ngx_llmops_jeval_all(c, i, &node->any, NGX_LLMOPS_JROLE_ANY, refs)
           != NGX_OK
        || ngx_llmops_jeval_all(c, i, &node->one, NGX_LLMOPS_JROLE_ONE, refs)
           != NGX_OK
        || ngx_llmops_jeval_one(c, i, node->not, NGX_LLMOPS_JROLE_NOT, 0, refs)
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    for (k = 0; k < node->ndeps; k++) {
        if (ngx_llmops_jeval_one(c, i, node->deps[k].node,
                                 NGX_LLMOPS_JROLE_DEPENDENT, k, refs)
            != NGX_OK)
        {
            return NGX_DECLINED;
        }
    }

    /* "if" is settled before the others, being behind them */

    if (ngx_llmops_jeval_one(c, i, node->then, NGX_LLMOPS_JROLE_THEN, 0, refs)
        != NGX_OK
        || ngx_llmops_jeval_one(c, i, node->otherwise, NGX_LLMOPS_JROLE_ELSE,
                                0, refs)
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    return ngx_llmops_jeval_one(c, i, node->when, NGX_LLMOPS_JROLE_IF, 0,
                                refs);
}


/* the outermost of the resources that lead here may override the anchor */

static ngx_llmops_jnode_t *
ngx_llmops_jeval_dynamic(ngx_llmops_jcheck_t *c, size_t i)
{
    ngx_int_t              k;
    ngx_llmops_jnode_t    *node;
    ngx_llmops_janchor_t  *a, *found;

    found = NULL;
    node = c->evals[i].node;

    if (node->dynamic_anchor.len == 0) {
        return node->dynamic;
    }

    for (k = i; k >= 0; k = c->evals[k].parent) {
        a = ngx_llmops_jschema_dynamic(c->evals[k].node->resource,
                                       &node->dynamic_anchor);
        if (a) {
            found = a;
        }
    }

    return found ? found->node : node->dynamic;
}


/*
 * A part e of p does not hold: whether p may still do so.  Where it may not
 * *keyword becomes that of p, if it is another one.
 */

static ngx_uint_t
ngx_llmops_jeval_forgives(ngx_llmops_jcheck_t *c, ngx_llmops_jeval_t *e,
    ngx_llmops_jeval_t *p, const char **keyword)
{
    switch (e->role) {

    case NGX_LLMOPS_JROLE_CHILD:
    case NGX_LLMOPS_JROLE_SAME:
        return 0;

    case NGX_LLMOPS_JROLE_ANY:
        *keyword = "anyOf";
        return ++p->any_failed < p->node->any.nelts;

    case NGX_LLMOPS_JROLE_ONE:
        *keyword = "oneOf";
        return ++p->one_failed < p->node->one.nelts;

    case NGX_LLMOPS_JROLE_IF:
        p->if_failed = 1;
        return !p->else_failed;

    case NGX_LLMOPS_JROLE_THEN:
        p->then_failed = 1;
        return !p->if_passed;

    case NGX_LLMOPS_JROLE_ELSE:
        p->else_failed = 1;
        return !p->if_failed;

    case NGX_LLMOPS_JROLE_DEPENDENT:
        p->deps_failed |= (uint64_t) 1 << e->slot;
        return !ngx_llmops_jeval_seen(c, p, p->node->deps[e->slot].trigger);

    default: /* CONTAINS, UNEVALUATED, NOT: this is no harm */
        return 1;
    }
}


ngx_int_t
ngx_llmops_jeval_fail(ngx_llmops_jcheck_t *c, size_t i, const char *keyword)
{
    ngx_llmops_jeval_t  *e;

    for ( ;; ) {
        e = &c->evals[i];

        if (e->failed) {
            return NGX_OK;
        }

        e->failed = 1;

        if (e->role == NGX_LLMOPS_JROLE_ROOT) {
            c->keyword = keyword;
            return NGX_DECLINED;
        }

        i = e->parent;

        if (ngx_llmops_jeval_forgives(c, e, &c->evals[i], &keyword)) {
            return NGX_OK;
        }
    }
}


ngx_int_t
ngx_llmops_jeval_pass(ngx_llmops_jcheck_t *c, size_t i)
{
    size_t               parent;
    ngx_llmops_jeval_t  *e, *p;

    e = &c->evals[i];

    if (e->role <= NGX_LLMOPS_JROLE_CHILD) {
        return NGX_OK;                          /* as most of them */
    }

    parent = e->parent;
    p = &c->evals[parent];

    if (p->failed) {
        return NGX_OK;
    }

    switch (e->role) {

    case NGX_LLMOPS_JROLE_CONTAINS:

        if (++p->contains > p->node->max_contains) {
            return ngx_llmops_jeval_fail(c, parent, "maxContains");
        }

        return p->track ? ngx_llmops_jbits_set(c, &p->evaluated, e->slot)
                        : NGX_OK;

    case NGX_LLMOPS_JROLE_UNEVALUATED:
        return ngx_llmops_jbits_set(c, &p->allowed, e->slot);

    case NGX_LLMOPS_JROLE_SAME:
    case NGX_LLMOPS_JROLE_ANY:
        return ngx_llmops_jeval_merge(c, parent, i);

    case NGX_LLMOPS_JROLE_ONE:

        if (++p->one_passed > 1) {
            return ngx_llmops_jeval_fail(c, parent, "oneOf");
        }

        return ngx_llmops_jeval_merge(c, parent, i);

    case NGX_LLMOPS_JROLE_NOT:
        return ngx_llmops_jeval_fail(c, parent, "not");

    case NGX_LLMOPS_JROLE_IF:
        p->if_passed = 1;

        if (p->then_failed) {
            return ngx_llmops_jeval_fail(c, parent, "then");
        }

        return ngx_llmops_jeval_merge(c, parent, i);

    case NGX_LLMOPS_JROLE_THEN:
        return p->if_passed ? ngx_llmops_jeval_merge(c, parent, i) : NGX_OK;

    case NGX_LLMOPS_JROLE_ELSE:
        return p->if_failed ? ngx_llmops_jeval_merge(c, parent, i) : NGX_OK;

    case NGX_LLMOPS_JROLE_DEPENDENT:
        return ngx_llmops_jeval_seen(c, p, p->node->deps[e->slot].trigger)
               ? ngx_llmops_jeval_merge(c, parent, i) : NGX_OK;

    default: /* the others have returned */
        return NGX_OK;
    }
}


/* what a schema has evaluated counts for the one that applied it */

static ngx_int_t
ngx_llmops_jeval_merge(ngx_llmops_jcheck_t *c, size_t to, size_t from)
{
    size_t               n;
    ngx_llmops_jbits_t  *src, *dst;

    if (!c->evals[to].track) {
        return NGX_OK;
    }

    src = &c->evals[from].evaluated;
    dst = &c->evals[to].evaluated;

    if (ngx_llmops_jbits_room(c, dst, src->nwords) != NGX_OK) {
        return NGX_DECLINED;
    }

    for (n = 0; n < src->nwords; n++) {
        dst->words[n] |= src->words[n];
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_jbits_room(ngx_llmops_jcheck_t *c, ngx_llmops_jbits_t *bits,
    size_t n)
{
    void    *p;
    size_t   size;

    if (n > bits->size) {
        size = ngx_max(n, (size_t) bits->size * 2);

        p = ngx_llmops_jcheck_grow(c, bits->words,
                                   bits->size * sizeof(uint64_t),
                                   size * sizeof(uint64_t));
        if (p == NULL) {
            return ngx_llmops_jcheck_limit(c);
        }

        bits->words = p;
        bits->size = size;
    }

    while (bits->nwords < n) {
        bits->words[bits->nwords++] = 0;
    }

    return NGX_OK;
}


ngx_int_t
ngx_llmops_jbits_set(ngx_llmops_jcheck_t *c, ngx_llmops_jbits_t *bits,
    size_t i)
{
    if (ngx_llmops_jbits_room(c, bits, i / 64 + 1) != NGX_OK) {
        return NGX_DECLINED;
    }

    bits->words[i / 64] |= (uint64_t) 1 << i % 64;

    return NGX_OK;
}


ngx_uint_t
ngx_llmops_jbits_get(ngx_llmops_jbits_t *bits, size_t i)
{
    return i / 64 < bits->nwords && (bits->words[i / 64] >> i % 64 & 1);
}


static ngx_int_t
ngx_llmops_jset_grow(ngx_llmops_jcheck_t *c, ngx_llmops_jset_t *set)
{
    size_t              i, size;
    ngx_llmops_jset_t   old;

    old = *set;
    size = old.size ? old.size * 2 : 16;

    set->slots = ngx_llmops_jcheck_grow(c, NULL, 0,
                                        size * sizeof(ngx_llmops_jhash_t));
    if (set->slots == NULL) {
        set->slots = old.slots;
        return NGX_DECLINED;
    }

    set->size = size;
    set->used = 0;

    for (i = 0; i < old.size; i++) {
        if (old.slots[i].a || old.slots[i].b) {
            (void) ngx_llmops_jset_add(c, set, old.slots[i]);
        }
    }

    free(old.slots);
    c->memory -= old.size * sizeof(ngx_llmops_jhash_t);

    return NGX_OK;
}


ngx_int_t
ngx_llmops_jset_add(ngx_llmops_jcheck_t *c, ngx_llmops_jset_t *set,
    ngx_llmops_jhash_t h)
{
    size_t  i;

    if (set->used * 2 >= set->size
        && ngx_llmops_jset_grow(c, set) != NGX_OK)
    {
        return ngx_llmops_jcheck_limit(c);
    }

    for (i = h.a & (set->size - 1);
         set->slots[i].a || set->slots[i].b;
         i = (i + 1) & (set->size - 1))
    {
        if (ngx_llmops_jhash_equal(set->slots[i], h)) {
            return NGX_BUSY;
        }
    }

    set->slots[i] = h;
    set->used++;

    return NGX_OK;
}
