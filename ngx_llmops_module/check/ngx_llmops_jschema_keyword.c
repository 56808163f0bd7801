
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_jschema_node.h"


/* The keywords of one schema; those that we do not know are annotations. */


typedef struct {
    const char                *name;
    unsigned                   bit;
} ngx_llmops_jtype_name_t;


static const ngx_llmops_jtype_name_t  ngx_llmops_jtype_names[] = {
    { "null", NGX_LLMOPS_JTYPE_NULL },
    { "boolean", NGX_LLMOPS_JTYPE_BOOLEAN },
    { "integer", NGX_LLMOPS_JTYPE_INTEGER },
    { "number", NGX_LLMOPS_JTYPE_NUMBER|NGX_LLMOPS_JTYPE_INTEGER },
    { "string", NGX_LLMOPS_JTYPE_STRING },
    { "array", NGX_LLMOPS_JTYPE_ARRAY },
    { "object", NGX_LLMOPS_JTYPE_OBJECT },
    { NULL, 0 }
};


static void ngx_llmops_jkey_any(ngx_llmops_jschema_t *s,
    ngx_llmops_jnode_t *node);
static void ngx_llmops_jkey_numbers(ngx_llmops_jschema_t *s,
    ngx_llmops_jnode_t *node);
static void ngx_llmops_jkey_arrays(ngx_llmops_jschema_t *s,
    ngx_llmops_jnode_t *node);
static void ngx_llmops_jkey_same(ngx_llmops_jschema_t *s,
    ngx_llmops_jnode_t *node);
static ngx_llmops_jnode_t *ngx_llmops_jkey_ref(ngx_llmops_jschema_t *s,
    ngx_llmops_jnode_t *node, const char *keyword,
    ngx_llmops_janchor_t **anchor);


void
ngx_llmops_jschema_keywords(ngx_llmops_jschema_t *s, ngx_llmops_jnode_t *node)
{
    ngx_llmops_janchor_t  *anchor;

    node->max_length = (size_t) -1;
    node->max_items = (size_t) -1;
    node->max_properties = (size_t) -1;
    node->min_contains = 1;
    node->max_contains = (size_t) -1;

    node->ref = ngx_llmops_jkey_ref(s, node, "$ref", &anchor);

    if (node->ref && node->resource->draft == NGX_LLMOPS_JSCHEMA_DRAFT_7) {
        return;                         /* what stands beside is ignored */
    }

    ngx_llmops_jkey_any(s, node);
    ngx_llmops_jkey_numbers(s, node);
    ngx_llmops_jkey_names(s, node);
    ngx_llmops_jkey_arrays(s, node);
    ngx_llmops_jkey_objects(s, node);
    ngx_llmops_jkey_same(s, node);
}


static ngx_llmops_jnode_t *
ngx_llmops_jkey_ref(ngx_llmops_jschema_t *s, ngx_llmops_jnode_t *node,
    const char *keyword, ngx_llmops_janchor_t **anchor)
{
    json_t                  *json;
    const char              *ref;
    ngx_llmops_jresource_t  *res;

    *anchor = NULL;

    ref = json_string_value(json_object_get(node->json, keyword));
    if (ref == NULL) {
        return NULL;
    }

    json = ngx_llmops_jschema_resolve(s, node->resource, ref, &res, anchor);

    return json ? ngx_llmops_jschema_node(s, json, res) : NULL;
}


static unsigned
ngx_llmops_jkey_type(ngx_llmops_jschema_t *s, json_t *value)
{
    const char                     *name;
    const ngx_llmops_jtype_name_t  *t;

    name = json_string_value(value);

    for (t = ngx_llmops_jtype_names; name && t->name; t++) {
        if (ngx_strcmp(t->name, name) == 0) {
            return t->bit;
        }
    }

    ngx_llmops_jschema_error(s, "unknown \"type\" \"%.40s\"",
                             name ? name : "(not a string)");
    return 0;
}


/* the schema of that keyword, or NULL */

ngx_llmops_jnode_t *
ngx_llmops_jkey_node(ngx_llmops_jschema_t *s, ngx_llmops_jnode_t *node,
    const char *keyword)
{
    json_t  *json;

    json = json_object_get(node->json, keyword);

    return json ? ngx_llmops_jschema_node(s, json, node->resource) : NULL;
}


static void
ngx_llmops_jkey_nodes(ngx_llmops_jschema_t *s, ngx_llmops_jnode_t *node,
    const char *keyword, ngx_llmops_jnodes_t *nodes)
{
    size_t   i;
    json_t  *json, *v;

    json = json_object_get(node->json, keyword);

    if (json == NULL) {
        return;
    }

    if (!json_is_array(json)) {
        ngx_llmops_jschema_error(s, "\"%s\" must be an array", keyword);
        return;
    }

    nodes->elts = ngx_llmops_jschema_alloc(s, json_array_size(json)
                                           * sizeof(ngx_llmops_jnode_t *));
    if (nodes->elts == NULL) {
        return;
    }

    json_array_foreach(json, i, v) {
        nodes->elts[i] = ngx_llmops_jschema_node(s, v, node->resource);

        if (nodes->elts[i] == NULL) {
            return;
        }

        nodes->nelts++;
    }
}


/* a count, or what it is without */

size_t
ngx_llmops_jkey_count(ngx_llmops_jschema_t *s, ngx_llmops_jnode_t *node,
    const char *keyword, size_t value)
{
    double   n;
    json_t  *json;

    json = json_object_get(node->json, keyword);

    if (json == NULL) {
        return value;
    }

    n = json_number_value(json);

    if (!json_is_number(json) || n < 0 || n > 9007199254740992.0
        || n != (double) (size_t) n)
    {
        ngx_llmops_jschema_error(s, "\"%s\" must be a whole number", keyword);
        return value;
    }

    return (size_t) n;
}


pcre2_code *
ngx_llmops_jkey_regex(ngx_llmops_jschema_t *s, const char *pattern,
    size_t len)
{
    int          code;
    size_t       offset, size;
    u_char       reason[128];
    pcre2_code  *re;

    re = pcre2_compile((PCRE2_SPTR) pattern, len,
                       PCRE2_UTF|PCRE2_DOLLAR_ENDONLY|PCRE2_ALT_BSUX
                       |PCRE2_MATCH_UNSET_BACKREF|PCRE2_NEVER_BACKSLASH_C,
                       &code, &offset, NULL);
    if (re == NULL) {
        pcre2_get_error_message(code, reason, sizeof(reason));
        ngx_llmops_jschema_error(s, "invalid pattern \"%.100s\": %s", pattern,
                                 (char *) reason);
        return NULL;
    }

    /* "(?:...){2000}" is much longer than it looks */

    size = 0;
    (void) pcre2_pattern_info(re, PCRE2_INFO_SIZE, &size);

    s->patterns += size;

    if (s->patterns > NGX_LLMOPS_JSCHEMA_PATTERNS) {
        ngx_llmops_jschema_error(s, "its patterns need more than %d bytes",
                                 NGX_LLMOPS_JSCHEMA_PATTERNS);
        pcre2_code_free(re);
        return NULL;
    }

    /* without it the pattern is only slower */
    (void) pcre2_jit_compile(re, PCRE2_JIT_COMPLETE);

    return re;
}


static void
ngx_llmops_jkey_any(ngx_llmops_jschema_t *s, ngx_llmops_jnode_t *node)
{
    size_t   i;
    json_t  *json, *v;

    json = json_object_get(node->json, "type");

    if (json_is_array(json)) {
        json_array_foreach(json, i, v) {
            node->types |= ngx_llmops_jkey_type(s, v);
        }

    } else if (json) {
        node->types = ngx_llmops_jkey_type(s, json);
    }

    json = json_object_get(node->json, "const");

    if (json) {
        node->constant = ngx_llmops_jschema_alloc(s,
                                                  sizeof(ngx_llmops_jhash_t));
        if (node->constant) {
            *node->constant = ngx_llmops_jhash_json(s->seed, json);
        }
    }

    json = json_object_get(node->json, "enum");

    if (!json_is_array(json)) {
        return;
    }

    node->enums = ngx_llmops_jschema_alloc(s, (json_array_size(json) + 1)
                                              * sizeof(ngx_llmops_jhash_t));
    if (node->enums == NULL) {
        return;
    }

    json_array_foreach(json, i, v) {
        node->enums[node->nenums++] = ngx_llmops_jhash_json(s->seed, v);
    }
}


static ngx_llmops_jnumber_t *
ngx_llmops_jkey_number(ngx_llmops_jschema_t *s, ngx_llmops_jnode_t *node,
    const char *keyword)
{
    json_t                *json;
    ngx_llmops_jnumber_t  *n;

    json = json_object_get(node->json, keyword);

    if (json == NULL) {
        return NULL;
    }

    if (!json_is_number(json)) {
        ngx_llmops_jschema_error(s, "\"%s\" must be a number", keyword);
        return NULL;
    }

    n = ngx_llmops_jschema_alloc(s, sizeof(ngx_llmops_jnumber_t));

    if (n) {
        ngx_llmops_jnumber_json(n, json);
    }

    return n;
}


static void
ngx_llmops_jkey_numbers(ngx_llmops_jschema_t *s, ngx_llmops_jnode_t *node)
{
    json_t  *json;

    node->multiple_of = ngx_llmops_jkey_number(s, node, "multipleOf");
    node->minimum = ngx_llmops_jkey_number(s, node, "minimum");
    node->maximum = ngx_llmops_jkey_number(s, node, "maximum");
    node->above = ngx_llmops_jkey_number(s, node, "exclusiveMinimum");
    node->below = ngx_llmops_jkey_number(s, node, "exclusiveMaximum");

    if (node->multiple_of && node->multiple_of->real <= 0) {
        ngx_llmops_jschema_error(s, "\"multipleOf\" must be above 0");
    }

    node->min_length = ngx_llmops_jkey_count(s, node, "minLength", 0);
    node->max_length = ngx_llmops_jkey_count(s, node, "maxLength",
                                             (size_t) -1);

    json = json_object_get(node->json, "pattern");

    if (json_is_string(json)) {
        node->pattern = ngx_llmops_jkey_regex(s, json_string_value(json),
                                              json_string_length(json));
    }
}


static void
ngx_llmops_jkey_arrays(ngx_llmops_jschema_t *s, ngx_llmops_jnode_t *node)
{
    ngx_uint_t   draft_7;

    draft_7 = (node->resource->draft == NGX_LLMOPS_JSCHEMA_DRAFT_7);

    if (draft_7 && json_is_array(json_object_get(node->json, "items"))) {
        ngx_llmops_jkey_nodes(s, node, "items", &node->prefix);
        node->items = ngx_llmops_jkey_node(s, node, "additionalItems");

    } else {
        node->items = ngx_llmops_jkey_node(s, node, "items");
    }

    node->contains = ngx_llmops_jkey_node(s, node, "contains");
    node->min_items = ngx_llmops_jkey_count(s, node, "minItems", 0);
    node->max_items = ngx_llmops_jkey_count(s, node, "maxItems",
                                            (size_t) -1);
    node->unique = json_is_true(json_object_get(node->json, "uniqueItems"));

    if (draft_7) {
        return;
    }

    ngx_llmops_jkey_nodes(s, node, "prefixItems", &node->prefix);

    node->min_contains = ngx_llmops_jkey_count(s, node, "minContains", 1);
    node->max_contains = ngx_llmops_jkey_count(s, node, "maxContains",
                                               (size_t) -1);
    node->unevaluated_items = ngx_llmops_jkey_node(s, node,
                                                   "unevaluatedItems");
}


/* the keywords that apply schemas to the same value */

static void
ngx_llmops_jkey_same(ngx_llmops_jschema_t *s, ngx_llmops_jnode_t *node)
{
    ngx_llmops_janchor_t  *anchor;

    ngx_llmops_jkey_nodes(s, node, "allOf", &node->all);
    ngx_llmops_jkey_nodes(s, node, "anyOf", &node->any);
    ngx_llmops_jkey_nodes(s, node, "oneOf", &node->one);

    node->not = ngx_llmops_jkey_node(s, node, "not");
    node->when = ngx_llmops_jkey_node(s, node, "if");

    if (node->when) {
        node->then = ngx_llmops_jkey_node(s, node, "then");
        node->otherwise = ngx_llmops_jkey_node(s, node, "else");
    }

    if (node->resource->draft == NGX_LLMOPS_JSCHEMA_DRAFT_7) {
        return;
    }

    node->dynamic = ngx_llmops_jkey_ref(s, node, "$dynamicRef", &anchor);

    if (node->dynamic && anchor && anchor->dynamic) {
        node->dynamic_anchor = anchor->name;
    }
}
