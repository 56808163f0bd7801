
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_jschema_node.h"


/*
 * Keywords of objects.  The names that a node knows are in one sorted list,
 * so that a member is found by its name at the end of its key.
 */


static void ngx_llmops_jkey_deps(ngx_llmops_jschema_t *s,
    ngx_llmops_jnode_t *node, const char *keyword);


static int ngx_libc_cdecl
ngx_llmops_jkey_compare(const void *one, const void *two)
{
    const ngx_str_t  *a = &((const ngx_llmops_jname_t *) one)->name;
    const ngx_str_t  *b = &((const ngx_llmops_jname_t *) two)->name;

    if (a->len != b->len) {
        return (a->len > b->len) ? 1 : -1;
    }

    return ngx_memcmp(a->data, b->data, a->len);
}


static void
ngx_llmops_jkey_name(ngx_llmops_jnode_t *node, const char *text)
{
    ngx_uint_t   i;
    ngx_str_t    name;

    name.data = (u_char *) text;
    name.len = ngx_strlen(text);

    for (i = 0; i < node->nnames; i++) {
        if (node->names[i].name.len == name.len
            && ngx_memcmp(node->names[i].name.data, name.data, name.len) == 0)
        {
            return;
        }
    }

    node->names[node->nnames++].name = name;
}


/* the names in an array, or those of a map of arrays, too */

static size_t
ngx_llmops_jkey_names_of(ngx_llmops_jnode_t *node, json_t *json,
    ngx_uint_t add)
{
    size_t       i, n;
    json_t      *v;
    const char  *name;

    n = 0;

    if (json_is_array(json)) {

        json_array_foreach(json, i, v) {
            if (json_is_string(v)) {
                n++;

                if (add) {
                    ngx_llmops_jkey_name(node, json_string_value(v));
                }
            }
        }

        return n;
    }

    json_object_foreach(json, name, v) {
        n++;

        if (add) {
            ngx_llmops_jkey_name(node, name);
        }
    }

    return n;
}


/* all names that a schema speaks of, so that a key is looked up once */

void
ngx_llmops_jkey_names(ngx_llmops_jschema_t *s, ngx_llmops_jnode_t *node)
{
    size_t              n;
    json_t             *v, *sources[5], *deps;
    const char         *name;
    ngx_uint_t          i, add;

    sources[0] = json_object_get(node->json, "properties");
    sources[1] = json_object_get(node->json, "required");
    sources[2] = json_object_get(node->json, "dependentRequired");
    sources[3] = json_object_get(node->json, "dependentSchemas");
    sources[4] = json_object_get(node->json, "dependencies");

    for (add = 0; add < 2; add++) {
        n = 0;

        for (i = 0; i < 5; i++) {
            n += ngx_llmops_jkey_names_of(node, sources[i], add);
        }

        for (i = 2; i < 5; i += 2) {
            deps = sources[i];

            json_object_foreach(deps, name, v) {
                if (json_is_array(v)) {
                    n += ngx_llmops_jkey_names_of(node, v, add);
                }
            }
        }

        if (n == 0) {
            return;
        }

        if (!add) {
            node->names = ngx_llmops_jschema_alloc(s, n
                                               * sizeof(ngx_llmops_jname_t));
            if (node->names == NULL) {
                return;
            }
        }
    }

    qsort(node->names, node->nnames, sizeof(ngx_llmops_jname_t),
          ngx_llmops_jkey_compare);
}


static ngx_int_t
ngx_llmops_jkey_find(ngx_llmops_jnode_t *node, const char *name)
{
    ngx_str_t  s;

    s.data = (u_char *) name;
    s.len = ngx_strlen(name);

    return ngx_llmops_jnode_name(node, &s);
}


static void
ngx_llmops_jkey_patterns(ngx_llmops_jschema_t *s, ngx_llmops_jnode_t *node)
{
    json_t                 *json, *v;
    const char             *name;
    ngx_llmops_jpattern_t  *p;

    json = json_object_get(node->json, "patternProperties");

    if (json_object_size(json) == 0) {
        return;
    }

    node->patterns = ngx_llmops_jschema_alloc(s, json_object_size(json)
                                          * sizeof(ngx_llmops_jpattern_t));
    if (node->patterns == NULL) {
        return;
    }

    json_object_foreach(json, name, v) {
        p = &node->patterns[node->npatterns];

        p->regex = ngx_llmops_jkey_regex(s, name, ngx_strlen(name));

        if (p->regex == NULL) {
            return;
        }

        node->npatterns++;
        p->node = ngx_llmops_jschema_node(s, v, node->resource);
    }
}


void
ngx_llmops_jkey_objects(ngx_llmops_jschema_t *s, ngx_llmops_jnode_t *node)
{
    size_t       i;
    json_t      *json, *v;
    const char  *name;

    json = json_object_get(node->json, "properties");

    json_object_foreach(json, name, v) {
        node->names[ngx_llmops_jkey_find(node, name)].property =
                              ngx_llmops_jschema_node(s, v, node->resource);
    }

    json = json_object_get(node->json, "required");

    json_array_foreach(json, i, v) {
        if (json_is_string(v)) {
            node->names[ngx_llmops_jkey_find(node, json_string_value(v))]
                .required = 1;
        }
    }

    for (i = 0; i < node->nnames; i++) {
        node->nrequired += node->names[i].required;
    }

    ngx_llmops_jkey_patterns(s, node);

    node->additional = ngx_llmops_jkey_node(s, node, "additionalProperties");
    node->property_names = ngx_llmops_jkey_node(s, node, "propertyNames");
    node->min_properties = ngx_llmops_jkey_count(s, node, "minProperties", 0);
    node->max_properties = ngx_llmops_jkey_count(s, node, "maxProperties",
                                                 (size_t) -1);

    ngx_llmops_jkey_deps(s, node, "dependencies");

    if (node->resource->draft == NGX_LLMOPS_JSCHEMA_DRAFT_7) {
        return;
    }

    ngx_llmops_jkey_deps(s, node, "dependentRequired");
    ngx_llmops_jkey_deps(s, node, "dependentSchemas");

    node->unevaluated_properties = ngx_llmops_jkey_node(s, node,
                                                    "unevaluatedProperties");
}


static void
ngx_llmops_jkey_dep(ngx_llmops_jschema_t *s, ngx_llmops_jnode_t *node,
    ngx_llmops_jdep_t *dep, json_t *json)
{
    size_t   i;
    json_t  *v;

    if (!json_is_array(json)) {
        dep->node = ngx_llmops_jschema_node(s, json, node->resource);
        return;
    }

    dep->names = ngx_llmops_jschema_alloc(s, (json_array_size(json) + 1)
                                             * sizeof(ngx_uint_t));
    if (dep->names == NULL) {
        return;
    }

    json_array_foreach(json, i, v) {
        if (json_is_string(v)) {
            dep->names[dep->nnames++] = ngx_llmops_jkey_find(node,
                                                   json_string_value(v));
        }
    }
}


static void
ngx_llmops_jkey_deps(ngx_llmops_jschema_t *s, ngx_llmops_jnode_t *node,
    const char *keyword)
{
    json_t      *json, *v;
    const char  *name;

    json = json_object_get(node->json, keyword);

    if (json_object_size(json) == 0) {
        return;
    }

    if (node->deps == NULL) {
        node->deps = ngx_llmops_jschema_alloc(s, NGX_LLMOPS_JSCHEMA_MAX_DEPS
                                              * sizeof(ngx_llmops_jdep_t));
        if (node->deps == NULL) {
            return;
        }
    }

    json_object_foreach(json, name, v) {

        if (node->ndeps == NGX_LLMOPS_JSCHEMA_MAX_DEPS) {
            ngx_llmops_jschema_error(s, "a schema has more than %d dependent "
                                     "ones", NGX_LLMOPS_JSCHEMA_MAX_DEPS);
            return;
        }

        node->deps[node->ndeps].trigger = ngx_llmops_jkey_find(node, name);
        ngx_llmops_jkey_dep(s, node, &node->deps[node->ndeps], v);
        node->ndeps++;
    }
}
