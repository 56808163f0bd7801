
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_jcheck.h"


/* What a value's end decides, keyword by keyword. */


static ngx_int_t ngx_llmops_jeval_end_number(ngx_llmops_jcheck_t *c, size_t i,
    ngx_str_t *text);
static ngx_int_t ngx_llmops_jeval_end_string(ngx_llmops_jcheck_t *c, size_t i,
    ngx_str_t *text, size_t chars);
static ngx_int_t ngx_llmops_jeval_end_array(ngx_llmops_jcheck_t *c, size_t i);
static ngx_int_t ngx_llmops_jeval_end_object(ngx_llmops_jcheck_t *c,
    size_t i);
static ngx_int_t ngx_llmops_jeval_end_rest(ngx_llmops_jcheck_t *c, size_t i,
    ngx_llmops_jnode_t *rest, const char *keyword);


static ngx_uint_t
ngx_llmops_jeval_equal(ngx_llmops_jnode_t *node, ngx_llmops_jhash_t *h)
{
    ngx_uint_t  i;

    if (node->constant && !ngx_llmops_jhash_equal(*h, *node->constant)) {
        return 0;
    }

    if (node->enums == NULL) {
        return 1;
    }

    for (i = 0; i < node->nenums; i++) {
        if (ngx_llmops_jhash_equal(*h, node->enums[i])) {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_llmops_jeval_end(ngx_llmops_jcheck_t *c, size_t i,
    ngx_llmops_jtok_type_e type, ngx_str_t *text, size_t chars,
    ngx_llmops_jhash_t *hash)
{
    ngx_llmops_jnode_t  *node;

    node = c->evals[i].node;

    if ((node->constant || node->enums)
        && !ngx_llmops_jeval_equal(node, hash))
    {
        return ngx_llmops_jeval_fail(c, i, node->constant ? "const" : "enum");
    }

    /* a few values are compared in the time of an eval */

    if (node->nenums >= 16
        && ngx_llmops_jcheck_work(c, node->nenums / 16) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    switch (type) {

    case NGX_LLMOPS_JTOK_NUMBER:
        return ngx_llmops_jeval_end_number(c, i, text);

    case NGX_LLMOPS_JTOK_STRING:
        return ngx_llmops_jeval_end_string(c, i, text, chars);

    case NGX_LLMOPS_JTOK_ARRAY:
        return ngx_llmops_jeval_end_array(c, i);

    case NGX_LLMOPS_JTOK_OBJECT:
        return ngx_llmops_jeval_end_object(c, i);

    default:
        return NGX_OK;
    }
}


static ngx_int_t
ngx_llmops_jeval_end_number(ngx_llmops_jcheck_t *c, size_t i, ngx_str_t *text)
{
    ngx_llmops_jnode_t    *node;
    ngx_llmops_jnumber_t   n;

    node = c->evals[i].node;

    ngx_llmops_jnumber_read(&n, text->data, text->len);

    if ((node->types & NGX_LLMOPS_JTYPE_INTEGER)
        && !(node->types & NGX_LLMOPS_JTYPE_NUMBER)
        && !ngx_llmops_jnumber_integral(&n))
    {
        return ngx_llmops_jeval_fail(c, i, "type");
    }

    if (node->multiple_of
        && !ngx_llmops_jnumber_multiple(&n, node->multiple_of))
    {
        return ngx_llmops_jeval_fail(c, i, "multipleOf");
    }

    if (node->minimum && ngx_llmops_jnumber_compare(&n, node->minimum) < 0) {
        return ngx_llmops_jeval_fail(c, i, "minimum");
    }

    if (node->maximum && ngx_llmops_jnumber_compare(&n, node->maximum) > 0) {
        return ngx_llmops_jeval_fail(c, i, "maximum");
    }

    if (node->above && ngx_llmops_jnumber_compare(&n, node->above) <= 0) {
        return ngx_llmops_jeval_fail(c, i, "exclusiveMinimum");
    }

    if (node->below && ngx_llmops_jnumber_compare(&n, node->below) >= 0) {
        return ngx_llmops_jeval_fail(c, i, "exclusiveMaximum");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_jeval_end_string(ngx_llmops_jcheck_t *c, size_t i, ngx_str_t *text,
    size_t chars)
{
    ngx_int_t            found;
    ngx_llmops_jnode_t  *node;

    node = c->evals[i].node;

    if (chars < node->min_length) {
        return ngx_llmops_jeval_fail(c, i, "minLength");
    }

    if (node->pattern == NULL) {
        return NGX_OK;
    }

    found = ngx_llmops_jcheck_match(c, node->pattern, text);

    if (found == NGX_DECLINED) {
        return NGX_DECLINED;
    }

    return found ? NGX_OK : ngx_llmops_jeval_fail(c, i, "pattern");
}


ngx_int_t
ngx_llmops_jcheck_match(ngx_llmops_jcheck_t *c, pcre2_code *regex,
    ngx_str_t *text)
{
    size_t      work;
    ngx_uint_t  found;

    work = 0;
    found = ngx_llmops_jschema_match(c->schema, regex, text, &work);

    return (ngx_llmops_jcheck_work(c, work) == NGX_OK) ? (ngx_int_t) found
                                                       : NGX_DECLINED;
}


static ngx_int_t
ngx_llmops_jeval_end_array(ngx_llmops_jcheck_t *c, size_t i)
{
    ngx_llmops_jnode_t  *node;

    node = c->evals[i].node;

    if (ngx_llmops_jcheck_frame(c)->count < node->min_items) {
        return ngx_llmops_jeval_fail(c, i, "minItems");
    }

    if (node->contains && c->evals[i].contains < node->min_contains) {
        return ngx_llmops_jeval_fail(c, i, "contains");
    }

    return ngx_llmops_jeval_end_rest(c, i, node->unevaluated_items,
                                     "unevaluatedItems");
}


static ngx_int_t
ngx_llmops_jeval_end_object(ngx_llmops_jcheck_t *c, size_t i)
{
    ngx_uint_t           k, n;
    ngx_llmops_jdep_t   *dep;
    ngx_llmops_jnode_t  *node;
    ngx_llmops_jeval_t  *e;

    e = &c->evals[i];
    node = e->node;

    if (ngx_llmops_jcheck_frame(c)->count < node->min_properties) {
        return ngx_llmops_jeval_fail(c, i, "minProperties");
    }

    for (k = 0; node->nrequired && k < node->nnames; k++) {
        if (node->names[k].required && !ngx_llmops_jeval_seen(c, e, k)) {
            return ngx_llmops_jeval_fail(c, i, "required");
        }
    }

    for (k = 0; k < node->ndeps; k++) {
        dep = &node->deps[k];

        if (!ngx_llmops_jeval_seen(c, e, dep->trigger)) {
            continue;
        }

        for (n = 0; n < dep->nnames; n++) {
            if (!ngx_llmops_jeval_seen(c, e, dep->names[n])) {
                return ngx_llmops_jeval_fail(c, i, "dependentRequired");
            }
        }
    }

    return ngx_llmops_jeval_end_rest(c, i, node->unevaluated_properties,
                                     "unevaluatedProperties");
}


/* what no schema has looked at must be allowed; then it has been */

static ngx_int_t
ngx_llmops_jeval_end_rest(ngx_llmops_jcheck_t *c, size_t i,
    ngx_llmops_jnode_t *rest, const char *keyword)
{
    size_t               k, n;
    ngx_llmops_jeval_t  *e;

    if (rest == NULL) {
        return NGX_OK;
    }

    e = &c->evals[i];
    n = ngx_llmops_jcheck_frame(c)->count;

    for (k = 0; k < n; k++) {

        if (ngx_llmops_jbits_get(&e->evaluated, k)) {
            continue;
        }

        if (!rest->always && !ngx_llmops_jbits_get(&e->allowed, k)) {
            return ngx_llmops_jeval_fail(c, i, keyword);
        }

        if (ngx_llmops_jbits_set(c, &e->evaluated, k) != NGX_OK) {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}
