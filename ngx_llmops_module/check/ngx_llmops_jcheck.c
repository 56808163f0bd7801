
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_jcheck.h"


/*
 * The check of a document that comes in pieces: listens to the reader of
 * JSON and keeps a frame for each open value.  A member's frame is made at
 * its key, so that one that may not be is refused there.
 *
 * Two members of one name are refused: readers do not agree which one counts.
 */


static ngx_int_t ngx_llmops_jcheck_start(void *data,
    ngx_llmops_jtok_type_e type);
static ngx_int_t ngx_llmops_jcheck_key(void *data, ngx_str_t *name);
static ngx_int_t ngx_llmops_jcheck_end(void *data,
    ngx_llmops_jtok_type_e type, ngx_str_t *text, size_t chars);
static ngx_int_t ngx_llmops_jcheck_open(ngx_llmops_jcheck_t *c);
static ngx_int_t ngx_llmops_jcheck_item(ngx_llmops_jcheck_t *c);


static const ngx_llmops_jtok_listener_t  ngx_llmops_jcheck_listener = {
    ngx_llmops_jcheck_start,
    ngx_llmops_jcheck_key,
    ngx_llmops_jcheck_over,
    ngx_llmops_jcheck_end
};


static const unsigned  ngx_llmops_jcheck_types[] = {
    NGX_LLMOPS_JTYPE_NULL,
    NGX_LLMOPS_JTYPE_BOOLEAN,
    NGX_LLMOPS_JTYPE_BOOLEAN,
    NGX_LLMOPS_JTYPE_NUMBER|NGX_LLMOPS_JTYPE_INTEGER,
    NGX_LLMOPS_JTYPE_STRING,
    NGX_LLMOPS_JTYPE_ARRAY,
    NGX_LLMOPS_JTYPE_OBJECT
};


ngx_llmops_jcheck_t *
ngx_llmops_jcheck_create(ngx_llmops_jschema_t *schema)
{
    ngx_llmops_jcheck_t  *c;

    c = calloc(1, sizeof(ngx_llmops_jcheck_t));

    if (c) {
        c->schema = schema;
        ngx_llmops_jcheck_reset(c);
    }

    return c;
}


void
ngx_llmops_jcheck_reset(ngx_llmops_jcheck_t *c)
{
    ngx_llmops_jtok_init(&c->tok, &ngx_llmops_jcheck_listener, c);

    c->nevals = 0;
    c->nwords = 0;
    c->nframes = 0;
    c->work = NGX_LLMOPS_JCHECK_WORK;
    c->counted = 0;
    c->keyword = NULL;
    c->opened = 0;
    c->limit = 0;
}


void
ngx_llmops_jcheck_free(ngx_llmops_jcheck_t *c)
{
    size_t  i;

    for (i = 0; i < c->size; i++) {
        free(c->evals[i].evaluated.words);
        free(c->evals[i].allowed.words);
    }

    for (i = 0; i < NGX_LLMOPS_JCHECK_FRAMES; i++) {
        free(c->frames[i].set.slots);
    }

    ngx_llmops_jtok_free(&c->tok);
    free(c->evals);
    free(c->words);
    free(c);
}


ngx_int_t
ngx_llmops_jcheck_feed(ngx_llmops_jcheck_t *c, const u_char *p, size_t len)
{
    return ngx_llmops_jtok_feed(&c->tok, p, len);
}


ngx_int_t
ngx_llmops_jcheck_finish(ngx_llmops_jcheck_t *c)
{
    return ngx_llmops_jtok_finish(&c->tok);
}


ngx_uint_t
ngx_llmops_jcheck_complete(ngx_llmops_jcheck_t *c)
{
    return ngx_llmops_jtok_complete(&c->tok);
}


ngx_int_t
ngx_llmops_jcheck_closers(ngx_llmops_jcheck_t *c, ngx_llmops_out_t *out)
{
    return ngx_llmops_jtok_closers(&c->tok, out);
}


ngx_uint_t
ngx_llmops_jcheck_in_text(ngx_llmops_jcheck_t *c)
{
    return ngx_llmops_jtok_in_text(&c->tok);
}


ngx_llmops_jtok_error_e
ngx_llmops_jcheck_error(ngx_llmops_jcheck_t *c)
{
    return c->limit ? NGX_LLMOPS_JTOK_LIMIT : c->tok.error;
}


size_t
ngx_llmops_jcheck_offset(ngx_llmops_jcheck_t *c)
{
    return c->tok.offset;
}


const char *
ngx_llmops_jcheck_keyword(ngx_llmops_jcheck_t *c)
{
    return c->keyword ? c->keyword : "";
}


/* a new frame at the end, without evals */

ngx_int_t
ngx_llmops_jcheck_push(ngx_llmops_jcheck_t *c)
{
    ngx_llmops_jset_t    *set;
    ngx_llmops_jframe_t  *f;

    if (c->nframes == NGX_LLMOPS_JCHECK_FRAMES) {
        return ngx_llmops_jcheck_limit(c);
    }

    f = &c->frames[c->nframes++];
    set = &f->set;

    if (set->used) {
        ngx_memzero(set->slots, set->size * sizeof(ngx_llmops_jhash_t));
        set->used = 0;
    }

    ngx_memzero(f, offsetof(ngx_llmops_jframe_t, set));

    f->base = c->nevals;
    f->words = c->nwords;

    return NGX_OK;
}


void
ngx_llmops_jcheck_pop(ngx_llmops_jcheck_t *c)
{
    ngx_llmops_jframe_t  *f;

    f = ngx_llmops_jcheck_frame(c);

    c->nevals = f->base;
    c->nwords = f->words;
    c->nframes--;
}


/* the frame of the outermost value, or of an item */

static ngx_int_t
ngx_llmops_jcheck_open(ngx_llmops_jcheck_t *c)
{
    if (ngx_llmops_jcheck_push(c) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (c->nframes > 1) {
        return ngx_llmops_jcheck_item(c);
    }

    return c->schema ? ngx_llmops_jeval_push(c, c->schema->root, -1,
                                             NGX_LLMOPS_JROLE_ROOT, 0, 0)
                     : NGX_OK;
}


/* applies what one schema says of an item, the frame of which is the last */

static ngx_int_t
ngx_llmops_jcheck_item_of(ngx_llmops_jcheck_t *c, size_t i, size_t n)
{
    ngx_uint_t           known;
    ngx_llmops_jnode_t  *node, *item;

    node = c->evals[i].node;

    if (n >= node->max_items) {
        return ngx_llmops_jeval_fail(c, i, "maxItems");
    }

    item = (n < node->prefix.nelts) ? node->prefix.elts[n] : node->items;
    known = (item != NULL);

    if (known && c->evals[i].track
        && ngx_llmops_jbits_set(c, &c->evals[i].evaluated, n) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (known
        && ngx_llmops_jeval_push(c, item, i, NGX_LLMOPS_JROLE_CHILD, n, 0)
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (node->contains
        && ngx_llmops_jeval_push(c, node->contains, i,
                                 NGX_LLMOPS_JROLE_CONTAINS, n, 0)
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (known || node->unevaluated_items == NULL
        || node->unevaluated_items->never)
    {
        return NGX_OK;
    }

    return ngx_llmops_jeval_push(c, node->unevaluated_items, i,
                                 NGX_LLMOPS_JROLE_UNEVALUATED, n, 0);
}


static ngx_int_t
ngx_llmops_jcheck_item(ngx_llmops_jcheck_t *c)
{
    size_t                i, n;
    ngx_llmops_jframe_t  *f, *outer;

    f = ngx_llmops_jcheck_frame(c);
    outer = f - 1;
    n = outer->count++;

    for (i = outer->base; i < f->base; i++) {
        if (ngx_llmops_jeval_asks(c, i, outer->base)
            && ngx_llmops_jcheck_item_of(c, i, n) != NGX_OK)
        {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_jcheck_start(void *data, ngx_llmops_jtok_type_e type)
{
    ngx_llmops_jcheck_t *c = data;

    if (!c->opened && ngx_llmops_jcheck_open(c) != NGX_OK) {
        return NGX_DECLINED;
    }

    c->opened = 0;

    return ngx_llmops_jcheck_begin(c, type);
}


/* what the kind of a value decides, and what has to be known of it */

ngx_int_t
ngx_llmops_jcheck_begin(ngx_llmops_jcheck_t *c, ngx_llmops_jtok_type_e type)
{
    size_t                i, max;
    unsigned              bits, text, hashed, unique;
    ngx_llmops_jnode_t   *node;
    ngx_llmops_jframe_t  *f;

    f = ngx_llmops_jcheck_frame(c);
    f->type = type;

    bits = ngx_llmops_jcheck_types[type];
    hashed = (c->nframes > 1 && (f[-1].hashed || f[-1].unique));
    unique = 0;
    text = 0;
    max = (size_t) -1;

    for (i = f->base; i < c->nevals; i++) {

        if (!ngx_llmops_jeval_asks(c, i, f->base)) {
            continue;
        }

        node = c->evals[i].node;

        if (node->types && !(node->types & bits)) {
            if (ngx_llmops_jeval_fail(c, i, "type") != NGX_OK) {
                return NGX_DECLINED;
            }

            continue;
        }

        hashed |= (node->constant || node->enums);
        unique |= node->unique;
        text |= (node->pattern != NULL);
        max = ngx_min(max, node->max_length);
    }

    f->hashed = hashed;
    f->unique = (unique && type == NGX_LLMOPS_JTOK_ARRAY);

    c->tok.want_text = text | hashed;
    c->tok.max_chars = max;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_jcheck_over(void *data, size_t chars)
{
    ngx_llmops_jcheck_t *c = data;

    size_t                i, max;
    ngx_llmops_jframe_t  *f;

    f = ngx_llmops_jcheck_frame(c);
    c->tok.max_chars = (size_t) -1;

    for (i = f->base; i < c->nevals; i++) {

        if (c->evals[i].node->always || c->evals[i].failed) {
            continue;
        }

        max = c->evals[i].node->max_length;

        if (chars <= max) {
            c->tok.max_chars = ngx_min(c->tok.max_chars, max);

        } else if (ngx_llmops_jeval_alive(c, i, f->base)
                   && ngx_llmops_jeval_fail(c, i, "maxLength") != NGX_OK)
        {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_jcheck_key(void *data, ngx_str_t *name)
{
    ngx_llmops_jcheck_t *c = data;

    ngx_int_t             rc;
    ngx_llmops_jframe_t  *f;

    f = ngx_llmops_jcheck_frame(c);

    f->count++;
    f->name = ngx_llmops_jhash_bytes(c->schema ? c->schema->seed : 1,
                                     name->data, name->len);

    rc = ngx_llmops_jset_add(c, &f->set, f->name);

    if (rc != NGX_OK) {
        if (rc == NGX_BUSY) {
            c->keyword = "repeated member";
        }

        return NGX_DECLINED;
    }

    if (ngx_llmops_jcheck_name(c, name) != NGX_OK
        || ngx_llmops_jcheck_push(c) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    c->opened = 1;

    return ngx_llmops_jcheck_member(c, name);
}


/* the value of the last frame is complete: from the last eval to the first */

ngx_int_t
ngx_llmops_jcheck_settle(ngx_llmops_jcheck_t *c, ngx_llmops_jtok_type_e type,
    ngx_str_t *text, size_t chars, ngx_llmops_jhash_t *hash)
{
    size_t                i, n;
    uint64_t              seed;
    ngx_llmops_jframe_t  *f;

    f = ngx_llmops_jcheck_frame(c);

    if (f->hashed) {
        seed = c->schema ? c->schema->seed : 1;

        *hash = (type >= NGX_LLMOPS_JTOK_ARRAY)
                ? ngx_llmops_jhash_end(seed, type, f->acc)
                : ngx_llmops_jhash_scalar(seed, type, text);
    }

    /* its own evals, and those around it, which were asked for it: by its name
       and by its place */

    n = c->nevals - (f - (c->nframes > 1))->base;

    if (n > NGX_LLMOPS_JCHECK_FEW && ngx_llmops_jcheck_work(c, 2 * n) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    for (i = c->nevals; i-- > f->base; /* void */ ) {

        if (!ngx_llmops_jeval_alive(c, i, f->base)) {
            continue;
        }

        if (!c->evals[i].node->always
            && ngx_llmops_jeval_end(c, i, type, text, chars, hash) != NGX_OK)
        {
            return NGX_DECLINED;
        }

        if (!c->evals[i].failed && ngx_llmops_jeval_pass(c, i) != NGX_OK) {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_jcheck_unique(ngx_llmops_jcheck_t *c, ngx_llmops_jhash_t hash,
    size_t last)
{
    size_t                i;
    ngx_int_t             rc;
    ngx_llmops_jframe_t  *f;

    f = ngx_llmops_jcheck_frame(c);
    rc = ngx_llmops_jset_add(c, &f->set, hash);

    if (rc != NGX_BUSY) {
        return rc;
    }

    for (i = f->base; i < last; i++) {
        if (c->evals[i].node->unique
            && ngx_llmops_jeval_asks(c, i, f->base)
            && ngx_llmops_jeval_fail(c, i, "uniqueItems") != NGX_OK)
        {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_jcheck_end(void *data, ngx_llmops_jtok_type_e type,
    ngx_str_t *text, size_t chars)
{
    ngx_llmops_jcheck_t *c = data;

    ngx_llmops_jhash_t    hash = { 0, 0 };
    ngx_llmops_jframe_t  *f;

    if (ngx_llmops_jcheck_settle(c, type, text, chars, &hash) != NGX_OK) {
        return NGX_DECLINED;
    }

    ngx_llmops_jcheck_pop(c);

    if (c->nframes == 0) {
        return NGX_OK;
    }

    f = ngx_llmops_jcheck_frame(c);

    if (f->hashed) {
        f->acc = (f->type == NGX_LLMOPS_JTOK_OBJECT)
                 ? ngx_llmops_jhash_member(f->acc, f->name, hash)
                 : ngx_llmops_jhash_item(f->acc, hash);
    }

    return f->unique ? ngx_llmops_jcheck_unique(c, hash, c->nevals) : NGX_OK;
}
