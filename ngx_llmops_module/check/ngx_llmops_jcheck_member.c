
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_jcheck.h"


/* What the name of a member decides, and which schemas its value has. */


/* what the name itself decides for one schema */

static ngx_int_t
ngx_llmops_jcheck_name_of(ngx_llmops_jcheck_t *c, size_t i, ngx_str_t *name)
{
    ngx_int_t            k;
    ngx_uint_t           n;
    ngx_llmops_jeval_t  *e;

    e = &c->evals[i];

    if (ngx_llmops_jcheck_frame(c)->count > e->node->max_properties) {
        return ngx_llmops_jeval_fail(c, i, "maxProperties");
    }

    k = ngx_llmops_jnode_name(e->node, name);
    e->named = k;

    if (k < 0) {
        return NGX_OK;
    }

    c->words[e->seen + k / 64] |= (uint64_t) 1 << k % 64;

    for (n = 0; n < e->node->ndeps; n++) {
        if (e->node->deps[n].trigger == (ngx_uint_t) k
            && (e->deps_failed >> n & 1))
        {
            return ngx_llmops_jeval_fail(c, i, "dependentSchemas");
        }
    }

    return NGX_OK;
}


/* names are values too, for propertyNames */

static ngx_int_t
ngx_llmops_jcheck_names(ngx_llmops_jcheck_t *c, ngx_str_t *name)
{
    size_t                i, chars;
    ngx_llmops_jnode_t   *node;
    ngx_llmops_jhash_t    hash;
    ngx_llmops_jframe_t  *f;

    if (ngx_llmops_jcheck_push(c) != NGX_OK) {
        return NGX_DECLINED;
    }

    f = ngx_llmops_jcheck_frame(c);

    for (i = f[-1].base; i < f->base; i++) {
        node = c->evals[i].node->property_names;

        if (node && ngx_llmops_jeval_asks(c, i, f[-1].base)
            && ngx_llmops_jeval_push(c, node, i, NGX_LLMOPS_JROLE_CHILD, 0, 0)
               != NGX_OK)
        {
            return NGX_DECLINED;
        }
    }

    for (chars = 0, i = 0; i < name->len; i++) {
        chars += ((name->data[i] & 0xc0) != 0x80);
    }

    if (ngx_llmops_jcheck_begin(c, NGX_LLMOPS_JTOK_STRING) != NGX_OK
        || ngx_llmops_jcheck_over(c, chars) != NGX_OK
        || ngx_llmops_jcheck_settle(c, NGX_LLMOPS_JTOK_STRING, name, chars,
                                    &hash)
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    ngx_llmops_jcheck_pop(c);

    return NGX_OK;
}


ngx_int_t
ngx_llmops_jcheck_name(ngx_llmops_jcheck_t *c, ngx_str_t *name)
{
    size_t                i, last;
    ngx_uint_t            names;
    ngx_llmops_jframe_t  *f;

    f = ngx_llmops_jcheck_frame(c);
    last = c->nevals;
    names = 0;

    for (i = f->base; i < last; i++) {

        if (!ngx_llmops_jeval_asks(c, i, f->base)) {
            continue;
        }

        if (ngx_llmops_jcheck_name_of(c, i, name) != NGX_OK) {
            return NGX_DECLINED;
        }

        names |= (c->evals[i].node->property_names != NULL);
    }

    return names ? ngx_llmops_jcheck_names(c, name) : NGX_OK;
}


/* applies what one schema says of a member, the frame of which is the last */

static ngx_int_t
ngx_llmops_jcheck_member_of(ngx_llmops_jcheck_t *c, size_t i,
    ngx_str_t *name, size_t n)
{
    ngx_int_t            k, found;
    ngx_uint_t           p, known;
    ngx_llmops_jnode_t  *node, *value;

    node = c->evals[i].node;

    k = c->evals[i].named;              /* since the name was looked at */
    value = (k < 0) ? NULL : node->names[k].property;
    known = (value != NULL);

    if (known
        && ngx_llmops_jeval_push(c, value, i, NGX_LLMOPS_JROLE_CHILD, n, 0)
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    for (p = 0; p < node->npatterns; p++) {

        found = ngx_llmops_jcheck_match(c, node->patterns[p].regex, name);

        if (found == NGX_DECLINED) {
            return NGX_DECLINED;
        }

        if (!found) {
            continue;
        }

        known = 1;

        if (ngx_llmops_jeval_push(c, node->patterns[p].node, i,
                                  NGX_LLMOPS_JROLE_CHILD, n, 0)
            != NGX_OK)
        {
            return NGX_DECLINED;
        }
    }

    if (!known && node->additional) {
        known = 1;

        if (node->additional->never) {
            return ngx_llmops_jeval_fail(c, i, "additionalProperties");
        }

        if (ngx_llmops_jeval_push(c, node->additional, i,
                                  NGX_LLMOPS_JROLE_CHILD, n, 0)
            != NGX_OK)
        {
            return NGX_DECLINED;
        }
    }

    if (known) {
        return c->evals[i].track
               ? ngx_llmops_jbits_set(c, &c->evals[i].evaluated, n) : NGX_OK;
    }

    if (node->unevaluated_properties == NULL
        || node->unevaluated_properties->never)
    {
        return NGX_OK;
    }

    return ngx_llmops_jeval_push(c, node->unevaluated_properties, i,
                                 NGX_LLMOPS_JROLE_UNEVALUATED, n, 0);
}


ngx_int_t
ngx_llmops_jcheck_member(ngx_llmops_jcheck_t *c, ngx_str_t *name)
{
    size_t                i;
    ngx_llmops_jframe_t  *f, *outer;

    f = ngx_llmops_jcheck_frame(c);
    outer = f - 1;

    for (i = outer->base; i < f->base; i++) {
        if (ngx_llmops_jeval_asks(c, i, outer->base)
            && ngx_llmops_jcheck_member_of(c, i, name, outer->count - 1)
               != NGX_OK)
        {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}
