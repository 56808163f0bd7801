
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_jschema_node.h"


/*
 * The check of a tree: the specification's own words, one keyword after the
 * other, by recursion.  It serves where a value is a tree already, and is
 * what the check of pieces is held against.
 */


#define NGX_LLMOPS_JTREE_MAX_DEPTH  512


/* what has been evaluated of an array or object, for unevaluated* */

typedef struct {
    json_t                    *names;      /* of members: a set */
    size_t                     items;      /* the first so many */
    json_t                    *indexes;    /* of others, as names */
} ngx_llmops_jseen_t;


/* the resources that lead here, for $dynamicRef */

typedef struct ngx_llmops_jscope_s  ngx_llmops_jscope_t;

struct ngx_llmops_jscope_s {
    ngx_llmops_jresource_t    *resource;
    ngx_llmops_jscope_t       *outer;
    ngx_uint_t                 depth;
};


static ngx_uint_t ngx_llmops_jtree(ngx_llmops_jschema_t *s,
    ngx_llmops_jnode_t *node, json_t *value, ngx_llmops_jscope_t *outer,
    ngx_llmops_jseen_t *result);


static ngx_uint_t
ngx_llmops_jtree_type(ngx_llmops_jnode_t *node, json_t *value)
{
    ngx_llmops_jnumber_t  n;

    switch (json_typeof(value)) {

    case JSON_NULL:
        return node->types & NGX_LLMOPS_JTYPE_NULL;

    case JSON_TRUE:
    case JSON_FALSE:
        return node->types & NGX_LLMOPS_JTYPE_BOOLEAN;

    case JSON_STRING:
        return node->types & NGX_LLMOPS_JTYPE_STRING;

    case JSON_ARRAY:
        return node->types & NGX_LLMOPS_JTYPE_ARRAY;

    case JSON_OBJECT:
        return node->types & NGX_LLMOPS_JTYPE_OBJECT;

    default: /* JSON_INTEGER, JSON_REAL */
        ngx_llmops_jnumber_json(&n, value);

        return (node->types & NGX_LLMOPS_JTYPE_NUMBER)
               || ((node->types & NGX_LLMOPS_JTYPE_INTEGER)
                   && ngx_llmops_jnumber_integral(&n));
    }
}


static ngx_uint_t
ngx_llmops_jtree_number(ngx_llmops_jnode_t *node, json_t *value)
{
    ngx_llmops_jnumber_t  n;

    ngx_llmops_jnumber_json(&n, value);

    return (!node->multiple_of
            || ngx_llmops_jnumber_multiple(&n, node->multiple_of))
           && (!node->minimum
               || ngx_llmops_jnumber_compare(&n, node->minimum) >= 0)
           && (!node->maximum
               || ngx_llmops_jnumber_compare(&n, node->maximum) <= 0)
           && (!node->above
               || ngx_llmops_jnumber_compare(&n, node->above) > 0)
           && (!node->below
               || ngx_llmops_jnumber_compare(&n, node->below) < 0);
}


static ngx_uint_t
ngx_llmops_jtree_string(ngx_llmops_jschema_t *s, ngx_llmops_jnode_t *node,
    json_t *value)
{
    size_t     i, n, work;
    ngx_str_t  text;

    text.data = (u_char *) json_string_value(value);
    text.len = json_string_length(value);
    work = 0;

    for (n = 0, i = 0; i < text.len; i++) {
        n += ((text.data[i] & 0xc0) != 0x80);
    }

    return n >= node->min_length
           && (node->max_length == (size_t) -1 || n <= node->max_length)
           && (node->pattern == NULL
               || ngx_llmops_jschema_match(s, node->pattern, &text,
                                           &work));
}


static ngx_uint_t
ngx_llmops_jtree_equal(ngx_llmops_jschema_t *s, ngx_llmops_jnode_t *node,
    json_t *value)
{
    ngx_uint_t          i;
    ngx_llmops_jhash_t  h;

    if (node->constant == NULL && node->enums == NULL) {
        return 1;
    }

    h = ngx_llmops_jhash_json(s->seed, value);

    if (node->constant && !ngx_llmops_jhash_equal(h, *node->constant)) {
        return 0;
    }

    if (node->enums == NULL) {
        return 1;
    }

    for (i = 0; i < node->nenums; i++) {
        if (ngx_llmops_jhash_equal(h, node->enums[i])) {
            return 1;
        }
    }

    return 0;
}


static void
ngx_llmops_jseen_index(ngx_llmops_jseen_t *seen, size_t i)
{
    char  name[32];

    snprintf(name, sizeof(name), "%zu", i);
    json_object_set_new(seen->indexes, name, json_true());
}


static ngx_uint_t
ngx_llmops_jtree_unique(ngx_llmops_jschema_t *s, json_t *value)
{
    size_t   i, k;
    json_t  *v;

    json_array_foreach(value, i, v) {
        for (k = 0; k < i; k++) {
            if (ngx_llmops_jhash_equal(
                      ngx_llmops_jhash_json(s->seed, v),
                      ngx_llmops_jhash_json(s->seed,
                                            json_array_get(value, k))))
            {
                return 0;
            }
        }
    }

    return 1;
}


static ngx_uint_t
ngx_llmops_jtree_contains(ngx_llmops_jschema_t *s, ngx_llmops_jnode_t *node,
    json_t *value, ngx_llmops_jscope_t *scope, ngx_llmops_jseen_t *seen)
{
    size_t   i, n;
    json_t  *v;

    n = 0;

    json_array_foreach(value, i, v) {
        if (ngx_llmops_jtree(s, node->contains, v, scope, NULL)) {
            n++;
            ngx_llmops_jseen_index(seen, i);
        }
    }

    return n >= node->min_contains && n <= node->max_contains;
}


static ngx_uint_t
ngx_llmops_jtree_array(ngx_llmops_jschema_t *s, ngx_llmops_jnode_t *node,
    json_t *value, ngx_llmops_jscope_t *scope, ngx_llmops_jseen_t *seen)
{
    size_t   i, n;
    json_t  *v;

    n = json_array_size(value);

    if (n < node->min_items || n > node->max_items
        || (node->unique && !ngx_llmops_jtree_unique(s, value))
        || (node->contains
            && !ngx_llmops_jtree_contains(s, node, value, scope, seen)))
    {
        return 0;
    }

    json_array_foreach(value, i, v) {

        if (i < node->prefix.nelts) {
            if (!ngx_llmops_jtree(s, node->prefix.elts[i], v, scope, NULL)) {
                return 0;
            }

        } else if (node->items == NULL) {
            break;

        } else if (!ngx_llmops_jtree(s, node->items, v, scope, NULL)) {
            return 0;
        }
    }

    seen->items = ngx_max(seen->items, i);

    return 1;
}


static ngx_uint_t
ngx_llmops_jtree_member(ngx_llmops_jschema_t *s, ngx_llmops_jnode_t *node,
    const char *key, json_t *v, ngx_llmops_jscope_t *scope,
    ngx_llmops_jseen_t *seen)
{
    size_t      work;
    ngx_int_t   k;
    ngx_str_t   name;
    ngx_uint_t  i, known;

    name.data = (u_char *) key;
    name.len = ngx_strlen(key);

    work = 0;
    known = 0;
    k = ngx_llmops_jnode_name(node, &name);

    if (k >= 0 && node->names[k].property) {
        known = 1;

        if (!ngx_llmops_jtree(s, node->names[k].property, v, scope, NULL)) {
            return 0;
        }
    }

    for (i = 0; i < node->npatterns; i++) {

        if (!ngx_llmops_jschema_match(s, node->patterns[i].regex, &name,
                                      &work))
        {
            continue;
        }

        known = 1;

        if (!ngx_llmops_jtree(s, node->patterns[i].node, v, scope, NULL)) {
            return 0;
        }
    }

    if (!known && node->additional) {
        known = 1;

        if (!ngx_llmops_jtree(s, node->additional, v, scope, NULL)) {
            return 0;
        }
    }

    if (known) {
        json_object_set_new(seen->names, key, json_true());
    }

    return 1;
}


static ngx_uint_t
ngx_llmops_jtree_has(json_t *value, ngx_llmops_jnode_t *node, ngx_uint_t i)
{
    return json_object_getn(value, (char *) node->names[i].name.data,
                            node->names[i].name.len)
           != NULL;
}


static ngx_uint_t
ngx_llmops_jtree_object(ngx_llmops_jschema_t *s, ngx_llmops_jnode_t *node,
    json_t *value, ngx_llmops_jscope_t *scope, ngx_llmops_jseen_t *seen)
{
    json_t      *v, *name;
    size_t       n;
    ngx_uint_t   i, k, valid;
    const char  *key;

    n = json_object_size(value);

    if (n < node->min_properties || n > node->max_properties) {
        return 0;
    }

    for (i = 0; i < node->nnames; i++) {
        if (node->names[i].required && !ngx_llmops_jtree_has(value, node, i)) {
            return 0;
        }
    }

    for (i = 0; i < node->ndeps; i++) {

        if (!ngx_llmops_jtree_has(value, node, node->deps[i].trigger)) {
            continue;
        }

        for (k = 0; k < node->deps[i].nnames; k++) {
            if (!ngx_llmops_jtree_has(value, node, node->deps[i].names[k])) {
                return 0;
            }
        }

        if (node->deps[i].node
            && !ngx_llmops_jtree(s, node->deps[i].node, value, scope, seen))
        {
            return 0;
        }
    }

    json_object_foreach(value, key, v) {

        if (node->property_names) {
            name = json_string(key);
            valid = ngx_llmops_jtree(s, node->property_names, name, scope,
                                     NULL);
            json_decref(name);

            if (!valid) {
                return 0;
            }
        }

        if (!ngx_llmops_jtree_member(s, node, key, v, scope, seen)) {
            return 0;
        }
    }

    return 1;
}


static ngx_llmops_jnode_t *
ngx_llmops_jtree_dynamic(ngx_llmops_jschema_t *s, ngx_llmops_jnode_t *node,
    ngx_llmops_jscope_t *scope)
{
    ngx_llmops_janchor_t  *a, *found;

    found = NULL;

    for ( /* void */ ; scope && node->dynamic_anchor.len;
         scope = scope->outer)
    {
        a = ngx_llmops_jschema_dynamic(scope->resource, &node->dynamic_anchor);

        if (a) {
            found = a;
        }
    }

    return found ? found->node : node->dynamic;
}


static ngx_uint_t
ngx_llmops_jtree_choices(ngx_llmops_jschema_t *s, ngx_llmops_jnode_t *node,
    json_t *value, ngx_llmops_jscope_t *scope, ngx_llmops_jseen_t *seen)
{
    ngx_uint_t  i, n;

    for (i = 0; i < node->all.nelts; i++) {
        if (!ngx_llmops_jtree(s, node->all.elts[i], value, scope, seen)) {
            return 0;
        }
    }

    for (n = 0, i = 0; i < node->any.nelts; i++) {
        n += ngx_llmops_jtree(s, node->any.elts[i], value, scope, seen);
    }

    if (node->any.nelts && n == 0) {
        return 0;
    }

    for (n = 0, i = 0; i < node->one.nelts; i++) {
        n += ngx_llmops_jtree(s, node->one.elts[i], value, scope, seen);
    }

    return node->one.nelts == 0 || n == 1;
}


static ngx_uint_t
ngx_llmops_jtree_same(ngx_llmops_jschema_t *s, ngx_llmops_jnode_t *node,
    json_t *value, ngx_llmops_jscope_t *scope, ngx_llmops_jseen_t *seen)
{
    ngx_llmops_jnode_t  *next;

    if (node->ref && !ngx_llmops_jtree(s, node->ref, value, scope, seen)) {
        return 0;
    }

    if (node->dynamic
        && !ngx_llmops_jtree(s, ngx_llmops_jtree_dynamic(s, node, scope),
                             value, scope, seen))
    {
        return 0;
    }

    if (!ngx_llmops_jtree_choices(s, node, value, scope, seen)
        || (node->not && ngx_llmops_jtree(s, node->not, value, scope, NULL)))
    {
        return 0;
    }

    if (node->when == NULL) {
        return 1;
    }

    next = ngx_llmops_jtree(s, node->when, value, scope, seen)
           ? node->then : node->otherwise;

    return next == NULL || ngx_llmops_jtree(s, next, value, scope, seen);
}


/* what no keyword before has looked at */

static ngx_uint_t
ngx_llmops_jtree_rest(ngx_llmops_jschema_t *s, ngx_llmops_jnode_t *node,
    json_t *value, ngx_llmops_jscope_t *scope, ngx_llmops_jseen_t *seen)
{
    char         name[32];
    size_t       i;
    json_t      *v;
    const char  *key;

    if (node->unevaluated_items && json_is_array(value)) {

        json_array_foreach(value, i, v) {
            snprintf(name, sizeof(name), "%zu", i);

            if (i >= seen->items && !json_object_get(seen->indexes, name)
                && !ngx_llmops_jtree(s, node->unevaluated_items, v, scope,
                                     NULL))
            {
                return 0;
            }
        }

        seen->items = json_array_size(value);
    }

    if (node->unevaluated_properties && json_is_object(value)) {

        json_object_foreach(value, key, v) {

            if (!json_object_get(seen->names, key)
                && !ngx_llmops_jtree(s, node->unevaluated_properties, v,
                                     scope, NULL))
            {
                return 0;
            }

            json_object_set_new(seen->names, key, json_true());
        }
    }

    return 1;
}


static ngx_uint_t
ngx_llmops_jtree_own(ngx_llmops_jschema_t *s, ngx_llmops_jnode_t *node,
    json_t *value, ngx_llmops_jscope_t *scope, ngx_llmops_jseen_t *seen)
{
    if ((node->types && !ngx_llmops_jtree_type(node, value))
        || !ngx_llmops_jtree_equal(s, node, value))
    {
        return 0;
    }

    switch (json_typeof(value)) {

    case JSON_STRING:
        return ngx_llmops_jtree_string(s, node, value);

    case JSON_ARRAY:
        return ngx_llmops_jtree_array(s, node, value, scope, seen);

    case JSON_OBJECT:
        return ngx_llmops_jtree_object(s, node, value, scope, seen);

    case JSON_INTEGER:
    case JSON_REAL:
        return ngx_llmops_jtree_number(node, value);

    default:
        return 1;
    }
}


static ngx_uint_t
ngx_llmops_jtree(ngx_llmops_jschema_t *s, ngx_llmops_jnode_t *node,
    json_t *value, ngx_llmops_jscope_t *outer, ngx_llmops_jseen_t *result)
{
    ngx_uint_t           valid;
    ngx_llmops_jseen_t   seen;
    ngx_llmops_jscope_t  scope;

    scope.resource = node->resource;
    scope.outer = outer;
    scope.depth = outer ? outer->depth + 1 : 0;

    if (node->never || scope.depth > NGX_LLMOPS_JTREE_MAX_DEPTH) {
        return 0;
    }

    if (node->always) {
        return 1;
    }

    seen.items = 0;
    seen.names = json_object();
    seen.indexes = json_object();

    valid = seen.names && seen.indexes
            && ngx_llmops_jtree_own(s, node, value, &scope, &seen)
            && ngx_llmops_jtree_same(s, node, value, &scope, &seen)
            && ngx_llmops_jtree_rest(s, node, value, &scope, &seen);

    if (valid && result) {
        result->items = ngx_max(result->items, seen.items);
        json_object_update(result->names, seen.names);
        json_object_update(result->indexes, seen.indexes);
    }

    json_decref(seen.names);
    json_decref(seen.indexes);

    return valid;
}


ngx_uint_t
ngx_llmops_jschema_valid(ngx_llmops_jschema_t *s, json_t *value)
{
    return ngx_llmops_jtree(s, s->root, value, NULL, NULL);
}
