
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_jschema_node.h"


/*
 * Where "$ref" leads.  Before anything is compiled, each document is walked
 * for schemas with an "$id" or an anchor; only through keywords that hold
 * schemas, since an "$id" inside an enum is none.
 */


typedef enum {
    NGX_LLMOPS_JHOLDS_SCHEMA = 0,          /* or an array of them */
    NGX_LLMOPS_JHOLDS_MAP
} ngx_llmops_jholds_e;


typedef struct {
    const char                *name;
    ngx_llmops_jholds_e        holds;
} ngx_llmops_jholder_t;


static const ngx_llmops_jholder_t  ngx_llmops_jholders[] = {
    { "additionalProperties", NGX_LLMOPS_JHOLDS_SCHEMA },
    { "additionalItems", NGX_LLMOPS_JHOLDS_SCHEMA },
    { "items", NGX_LLMOPS_JHOLDS_SCHEMA },
    { "prefixItems", NGX_LLMOPS_JHOLDS_SCHEMA },
    { "contains", NGX_LLMOPS_JHOLDS_SCHEMA },
    { "not", NGX_LLMOPS_JHOLDS_SCHEMA },
    { "if", NGX_LLMOPS_JHOLDS_SCHEMA },
    { "then", NGX_LLMOPS_JHOLDS_SCHEMA },
    { "else", NGX_LLMOPS_JHOLDS_SCHEMA },
    { "allOf", NGX_LLMOPS_JHOLDS_SCHEMA },
    { "anyOf", NGX_LLMOPS_JHOLDS_SCHEMA },
    { "oneOf", NGX_LLMOPS_JHOLDS_SCHEMA },
    { "propertyNames", NGX_LLMOPS_JHOLDS_SCHEMA },
    { "unevaluatedItems", NGX_LLMOPS_JHOLDS_SCHEMA },
    { "unevaluatedProperties", NGX_LLMOPS_JHOLDS_SCHEMA },
    { "contentSchema", NGX_LLMOPS_JHOLDS_SCHEMA },
    { "properties", NGX_LLMOPS_JHOLDS_MAP },
    { "patternProperties", NGX_LLMOPS_JHOLDS_MAP },
    { "dependentSchemas", NGX_LLMOPS_JHOLDS_MAP },
    { "dependencies", NGX_LLMOPS_JHOLDS_MAP },
    { "definitions", NGX_LLMOPS_JHOLDS_MAP },
    { "$defs", NGX_LLMOPS_JHOLDS_MAP },
    { NULL, NGX_LLMOPS_JHOLDS_SCHEMA }
};


static void ngx_llmops_jschema_walk(ngx_llmops_jschema_t *s, json_t *json,
    ngx_llmops_jresource_t *resource);


static char *
ngx_llmops_jschema_copy(ngx_llmops_jschema_t *s, const char *text, size_t len)
{
    char  *p;

    p = ngx_llmops_jschema_alloc(s, len + 1);

    if (p) {
        ngx_memcpy(p, text, len);
    }

    return p;
}


static ngx_llmops_jresource_t *
ngx_llmops_jschema_resource_add(ngx_llmops_jschema_t *s, json_t *root,
    const char *uri, ngx_llmops_jschema_draft_e draft)
{
    ngx_llmops_jresource_t  *res;

    res = ngx_llmops_jschema_alloc(s, sizeof(ngx_llmops_jresource_t));
    if (res == NULL) {
        return NULL;
    }

    res->uri = ngx_llmops_jschema_copy(s, uri, strcspn(uri, "#"));
    res->root = root;
    res->draft = draft;
    res->next = s->resources;

    s->resources = res;

    return res;
}


static void
ngx_llmops_jschema_anchor_add(ngx_llmops_jschema_t *s,
    ngx_llmops_jresource_t *res, json_t *json, const char *name,
    ngx_uint_t dynamic)
{
    ngx_llmops_janchor_t  *a;

    a = ngx_llmops_jschema_alloc(s, (res->nanchors + 1)
                                    * sizeof(ngx_llmops_janchor_t));
    if (a == NULL) {
        return;
    }

    if (res->nanchors) {
        ngx_memcpy(a, res->anchors,
                   res->nanchors * sizeof(ngx_llmops_janchor_t));
    }

    res->anchors = a;
    a += res->nanchors++;

    a->name.data = (u_char *) name;
    a->name.len = ngx_strlen(name);
    a->json = json;
    a->dynamic = dynamic;
}


static ngx_llmops_jschema_draft_e
ngx_llmops_jschema_draft(json_t *json, ngx_llmops_jschema_draft_e draft)
{
    const char  *uri;

    uri = json_string_value(json_object_get(json, "$schema"));

    if (uri == NULL) {
        return draft;
    }

    return (strstr(uri, "draft-07") || strstr(uri, "draft-06"))
           ? NGX_LLMOPS_JSCHEMA_DRAFT_7 : NGX_LLMOPS_JSCHEMA_2020_12;
}


void
ngx_llmops_jschema_scan(ngx_llmops_jschema_t *s, json_t *root,
    const char *uri, ngx_llmops_jschema_draft_e draft)
{
    ngx_llmops_jresource_t  *res;

    res = ngx_llmops_jschema_resource_add(s, root, uri,
                                    ngx_llmops_jschema_draft(root, draft));
    if (res) {
        ngx_llmops_jschema_walk(s, root, res);
    }
}


/* the resource of a schema that names itself */

static ngx_llmops_jresource_t *
ngx_llmops_jschema_identify(ngx_llmops_jschema_t *s, json_t *json,
    ngx_llmops_jresource_t *res)
{
    char                    *uri;
    const char              *id;

    id = json_string_value(json_object_get(json, "$id"));

    if (id == NULL) {
        return res;
    }

    if (res->draft == NGX_LLMOPS_JSCHEMA_DRAFT_7) {

        if (json_object_get(json, "$ref")) {
            return res;                 /* what stands beside is ignored */
        }

        if (id[0] == '#') {
            ngx_llmops_jschema_anchor_add(s, res, json, id + 1, 0);
            return res;
        }
    }

    uri = ngx_llmops_juri_resolve(res->uri, id);
    if (uri == NULL) {
        s->failed = 1;
        return res;
    }

    res = ngx_llmops_jschema_resource_add(s, json, uri,
                                 ngx_llmops_jschema_draft(json, res->draft));
    free(uri);

    return res;
}


static void
ngx_llmops_jschema_walk_all(ngx_llmops_jschema_t *s, json_t *json,
    ngx_llmops_jresource_t *res)
{
    size_t       i;
    json_t      *v;
    const char  *key;

    if (json_is_array(json)) {
        json_array_foreach(json, i, v) {
            ngx_llmops_jschema_walk(s, v, res);
        }

        return;
    }

    json_object_foreach(json, key, v) {
        ngx_llmops_jschema_walk(s, v, res);
    }
}


/* recursion is bounded by the parser's depth of trees */

static void
ngx_llmops_jschema_walk(ngx_llmops_jschema_t *s, json_t *json,
    ngx_llmops_jresource_t *res)
{
    json_t                      *v;
    const char                  *name;
    const ngx_llmops_jholder_t  *h;

    if (!json_is_object(json) || s->failed) {
        return;
    }

    res = ngx_llmops_jschema_identify(s, json, res);
    if (res == NULL) {
        return;
    }

    name = json_string_value(json_object_get(json, "$anchor"));

    if (name && res->draft != NGX_LLMOPS_JSCHEMA_DRAFT_7) {
        ngx_llmops_jschema_anchor_add(s, res, json, name, 0);
    }

    name = json_string_value(json_object_get(json, "$dynamicAnchor"));

    if (name && res->draft != NGX_LLMOPS_JSCHEMA_DRAFT_7) {
        ngx_llmops_jschema_anchor_add(s, res, json, name, 1);
    }

    for (h = ngx_llmops_jholders; h->name; h++) {
        v = json_object_get(json, h->name);

        if (v == NULL) {
            continue;
        }

        if (h->holds == NGX_LLMOPS_JHOLDS_MAP || json_is_array(v)) {
            ngx_llmops_jschema_walk_all(s, v, res);

        } else {
            ngx_llmops_jschema_walk(s, v, res);
        }
    }
}


ngx_llmops_jresource_t *
ngx_llmops_jschema_resource(ngx_llmops_jschema_t *s, json_t *json)
{
    ngx_llmops_jresource_t  *res;

    for (res = s->resources; res; res = res->next) {
        if (res->root == json) {
            return res;
        }
    }

    return NULL;
}


ngx_llmops_janchor_t *
ngx_llmops_jschema_dynamic(ngx_llmops_jresource_t *res, ngx_str_t *name)
{
    ngx_uint_t             i;
    ngx_llmops_janchor_t  *a;

    a = res->anchors;

    for (i = 0; i < res->nanchors; i++) {
        if (a[i].dynamic && a[i].name.len == name->len
            && ngx_memcmp(a[i].name.data, name->data, name->len) == 0)
        {
            return &a[i];
        }
    }

    return NULL;
}


/* one step of a JSON pointer: p is behind "/"; unescapes into buf */

static const char *
ngx_llmops_jschema_step(const char *p, char *buf, size_t size)
{
    size_t        n;
    unsigned int  c;

    for (n = 0; *p && *p != '/' && n + 1 < size; p++) {
        buf[n] = *p;

        if (p[0] == '~' && (p[1] == '0' || p[1] == '1')) {
            buf[n] = (p[1] == '0') ? '~' : '/';
            p++;

        } else if (p[0] == '%' && sscanf(p + 1, "%2x", &c) == 1 && p[1]
                   && p[2])
        {
            buf[n] = (char) c;
            p += 2;
        }

        n++;
    }

    buf[n] = '\0';

    return p;
}


static json_t *
ngx_llmops_jschema_pointer(ngx_llmops_jschema_t *s, json_t *json,
    const char *p, ngx_llmops_jresource_t **resource)
{
    char                     step[512];
    ngx_llmops_jresource_t  *res;

    while (*p == '/' && json) {
        p = ngx_llmops_jschema_step(p + 1, step, sizeof(step));

        json = json_is_array(json) ? json_array_get(json, atoi(step))
                                   : json_object_get(json, step);

        res = json ? ngx_llmops_jschema_resource(s, json) : NULL;

        if (res) {
            *resource = res;
        }
    }

    return *p ? NULL : json;
}


static json_t *
ngx_llmops_jschema_fragment(ngx_llmops_jschema_t *s,
    ngx_llmops_jresource_t *res, const char *fragment,
    ngx_llmops_jresource_t **resource, ngx_llmops_janchor_t **anchor)
{
    ngx_uint_t  i;

    *resource = res;

    if (*fragment == '\0') {
        return res->root;
    }

    if (*fragment == '/') {
        return ngx_llmops_jschema_pointer(s, res->root, fragment, resource);
    }

    for (i = 0; i < res->nanchors; i++) {
        if (ngx_strcmp(res->anchors[i].name.data, fragment) == 0) {
            *anchor = &res->anchors[i];
            return res->anchors[i].json;
        }
    }

    return NULL;
}


json_t *
ngx_llmops_jschema_resolve(ngx_llmops_jschema_t *s,
    ngx_llmops_jresource_t *base, const char *ref,
    ngx_llmops_jresource_t **resource, ngx_llmops_janchor_t **anchor)
{
    char                    *uri;
    size_t                   len;
    json_t                  *json;
    ngx_llmops_jresource_t  *res;

    *anchor = NULL;
    json = NULL;

    uri = ngx_llmops_juri_resolve(base->uri, ref);
    if (uri == NULL) {
        s->failed = 1;
        return NULL;
    }

    len = strcspn(uri, "#");

    for (res = s->resources; res; res = res->next) {
        if (ngx_strlen(res->uri) == len
            && ngx_memcmp(res->uri, uri, len) == 0)
        {
            json = ngx_llmops_jschema_fragment(s, res,
                                               uri + len + (uri[len] == '#'),
                                               resource, anchor);
            break;
        }
    }

    free(uri);

    if (json == NULL) {
        ngx_llmops_jschema_error(s, "\"$ref\" to \"%.100s\" leads nowhere, a "
                                 "schema file must hold all that it refers "
                                 "to", ref);
    }

    return json;
}
