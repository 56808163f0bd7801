
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <stdarg.h>
#include "ngx_llmops_jschema_node.h"


/*
 * A schema is compiled to a graph of nodes, one for each place in the file at
 * which a schema stands; "$ref" is an edge, so that recursive schemas are
 * finite.  Numbers, patterns and values to compare with are made ready once.
 * A document is then checked without looking at the file again:
 *
 *   jschema_uri.c      resolving of URIs
 *   jschema_ref.c      "$id", anchors, "$ref"
 *   jschema_keyword.c  the keywords of one schema
 *   jschema_value.c    numbers, equality
 *   jschema_tree.c     the check of a tree, as the specification reads
 *   jcheck.c           the check of bytes that come in pieces
 *   jcheck_value.c     what a value's start and end decide
 *
 * Formats and content keywords are annotations, as both drafts have it.
 */


#define NGX_LLMOPS_JSCHEMA_MATCH_LIMIT  100000
#define NGX_LLMOPS_JSCHEMA_MATCH_QUICK  1000
#define NGX_LLMOPS_JSCHEMA_DEPTH_LIMIT  10000


typedef struct ngx_llmops_jblock_s  ngx_llmops_jblock_t;

struct ngx_llmops_jblock_s {
    ngx_llmops_jblock_t       *next;
    uint64_t                   align;
};


static ngx_llmops_jnode_t *ngx_llmops_jschema_root(ngx_llmops_jschema_t *s,
    ngx_llmops_jschema_options_t *options);
static ngx_uint_t ngx_llmops_jschema_anchors(ngx_llmops_jschema_t *s);


ngx_llmops_jschema_t *
ngx_llmops_jschema_compile(json_t *root,
    ngx_llmops_jschema_options_t *options, char *err, size_t size)
{
    ngx_llmops_jschema_t          *s;
    ngx_llmops_jschema_options_t   none;

    if (options == NULL) {
        ngx_memzero(&none, sizeof(ngx_llmops_jschema_options_t));
        options = &none;
    }

    snprintf(err, size, "out of memory");

    s = calloc(1, sizeof(ngx_llmops_jschema_t));
    if (s == NULL) {
        return NULL;
    }

    s->err = err;
    s->err_size = size;
    s->seed = options->seed;
    s->json = json_incref(root);
    s->match_context = pcre2_match_context_create(NULL);
    s->match_quick = pcre2_match_context_create(NULL);
    s->match_data = pcre2_match_data_create(1, NULL);

    if (s->match_context == NULL || s->match_quick == NULL
        || s->match_data == NULL)
    {
        ngx_llmops_jschema_free(s);
        return NULL;
    }

    pcre2_set_match_limit(s->match_context, NGX_LLMOPS_JSCHEMA_MATCH_LIMIT);
    pcre2_set_depth_limit(s->match_context, NGX_LLMOPS_JSCHEMA_DEPTH_LIMIT);
    pcre2_set_match_limit(s->match_quick, NGX_LLMOPS_JSCHEMA_MATCH_QUICK);
    pcre2_set_depth_limit(s->match_quick, NGX_LLMOPS_JSCHEMA_DEPTH_LIMIT);

    s->root = ngx_llmops_jschema_root(s, options);

    if (s->root == NULL || s->failed) {
        ngx_llmops_jschema_free(s);
        return NULL;
    }

    s->err = NULL;

    return s;
}


static ngx_llmops_jnode_t *
ngx_llmops_jschema_root(ngx_llmops_jschema_t *s,
    ngx_llmops_jschema_options_t *options)
{
    ngx_uint_t               i;
    ngx_llmops_jnode_t      *root;
    ngx_llmops_jresource_t  *res;

    for (i = 0; i < options->ndocs; i++) {
        ngx_llmops_jschema_scan(s, options->docs[i].root,
                                options->docs[i].uri, options->draft);
    }

    ngx_llmops_jschema_scan(s, s->json, options->uri ? options->uri : "",
                            options->draft);

    if (s->failed) {
        return NULL;
    }

    /* the root's own "$id" was found after the document's URI */

    res = ngx_llmops_jschema_resource(s, s->json);

    root = ngx_llmops_jschema_node(s, s->json, res);

    while (!s->failed && ngx_llmops_jschema_anchors(s)) {
        /* nodes may enter more resources */
    }

    return root;
}


/* compiles what a $dynamicRef may lead to; 0: all was */

static ngx_uint_t
ngx_llmops_jschema_anchors(ngx_llmops_jschema_t *s)
{
    ngx_uint_t               i, n;
    ngx_llmops_janchor_t    *a;
    ngx_llmops_jresource_t  *res;

    n = 0;

    for (res = s->resources; res; res = res->next) {
        for (i = 0; res->entered && i < res->nanchors; i++) {
            a = &res->anchors[i];

            if (a->dynamic && a->node == NULL) {
                a->node = ngx_llmops_jschema_node(s, a->json, res);
                n++;
            }
        }
    }

    return n;
}


void
ngx_llmops_jschema_free(ngx_llmops_jschema_t *s)
{
    ngx_uint_t            i;
    ngx_llmops_jnode_t   *node;
    ngx_llmops_jblock_t  *block, *next;

    for (node = s->nodes; node; node = node->next) {
        pcre2_code_free(node->pattern);

        for (i = 0; i < node->npatterns; i++) {
            pcre2_code_free(node->patterns[i].regex);
        }
    }

    for (block = s->blocks; block; block = next) {
        next = block->next;
        free(block);
    }

    pcre2_match_context_free(s->match_context);
    pcre2_match_context_free(s->match_quick);
    pcre2_match_data_free(s->match_data);
    json_decref(s->json);
    free(s);
}


void *
ngx_llmops_jschema_alloc(ngx_llmops_jschema_t *s, size_t size)
{
    ngx_llmops_jblock_t  *block;

    block = calloc(1, sizeof(ngx_llmops_jblock_t) + size);

    if (block == NULL) {
        s->failed = 1;
        return NULL;
    }

    block->next = s->blocks;
    s->blocks = block;

    return block + 1;
}


void
ngx_llmops_jschema_error(ngx_llmops_jschema_t *s, const char *fmt, ...)
{
    va_list  args;

    if (s->failed) {
        return;
    }

    s->failed = 1;

    va_start(args, fmt);
    (void) vsnprintf(s->err, s->err_size, fmt, args);
    va_end(args);
}


ngx_llmops_jnode_t *
ngx_llmops_jschema_node(ngx_llmops_jschema_t *s, json_t *json,
    ngx_llmops_jresource_t *resource)
{
    ngx_llmops_jnode_t      *node, **bucket;
    ngx_llmops_jresource_t  *own;

    bucket = &s->buckets[((uintptr_t) json >> 4)
                         & (NGX_LLMOPS_JSCHEMA_BUCKETS - 1)];

    for (node = *bucket; node; node = node->chain) {

        /* jansson's true and false are the same everywhere, and so are their
           nodes */

        if (node->json == json) {
            return node;
        }
    }

    if (!json_is_object(json) && !json_is_boolean(json)) {
        ngx_llmops_jschema_error(s, "a schema must be an object, true or "
                                 "false");
        return NULL;
    }

    if (s->nnodes++ == NGX_LLMOPS_JSCHEMA_MAX_NODES) {
        ngx_llmops_jschema_error(s, "it has more than %d schemas",
                                 NGX_LLMOPS_JSCHEMA_MAX_NODES);
        return NULL;
    }

    node = ngx_llmops_jschema_alloc(s, sizeof(ngx_llmops_jnode_t));
    if (node == NULL) {
        return NULL;
    }

    own = ngx_llmops_jschema_resource(s, json);

    node->json = json;
    node->resource = own ? own : resource;
    node->resource->entered = 1;
    node->next = s->nodes;
    s->nodes = node;
    node->chain = *bucket;
    *bucket = node;

    if (json_is_object(json)) {
        ngx_llmops_jschema_keywords(s, node);

        node->applies = node->ref || node->dynamic || node->not || node->when
                        || node->then || node->otherwise
                        || (node->all.nelts | node->any.nelts | node->one.nelts
                            | node->ndeps);

    } else {
        node->never = json_is_false(json);
        node->always = !node->never;
    }

    return node;
}
