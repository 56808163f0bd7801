
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_dialect.h"


/*
 * A request is what its path says.  What is not in the table is passed as it
 * is, if it lies below a version segment; so a path is brought to one
 * spelling first, lest a slash at its end takes a request past its meter.
 */


typedef struct {
    ngx_str_t                    path;
    ngx_llmops_op_e              op;
    const ngx_llmops_dialect_t  *dialect;  /* NULL: as the caller's header */
    unsigned                     prefix:1; /* and all that lies below */
    unsigned                     get:1;    /* else POST */
} ngx_llmops_path_t;


static const ngx_llmops_path_t  ngx_llmops_paths[] = {

    { ngx_string("/chat/completions"), NGX_LLMOPS_OP_CHAT,
      &ngx_llmops_openai, 0, 0 },

    { ngx_string("/messages"), NGX_LLMOPS_OP_MESSAGES,
      &ngx_llmops_anthropic, 0, 0 },

    { ngx_string("/responses"), NGX_LLMOPS_OP_RESPONSES,
      &ngx_llmops_openai, 0, 0 },

    { ngx_string("/embeddings"), NGX_LLMOPS_OP_EMBEDDINGS,
      &ngx_llmops_openai, 0, 0 },

    { ngx_string("/completions"), NGX_LLMOPS_OP_COMPLETIONS,
      &ngx_llmops_openai, 0, 0 },

    { ngx_string("/messages/count_tokens"), NGX_LLMOPS_OP_COUNT_TOKENS,
      &ngx_llmops_anthropic, 0, 0 },

    { ngx_string("/moderations"), NGX_LLMOPS_OP_MODERATIONS,
      &ngx_llmops_openai, 0, 0 },

    { ngx_string("/images"), NGX_LLMOPS_OP_IMAGES,
      &ngx_llmops_openai, 1, 0 },

    { ngx_string("/audio"), NGX_LLMOPS_OP_AUDIO,
      &ngx_llmops_openai, 1, 0 },

    { ngx_string("/rerank"), NGX_LLMOPS_OP_RERANK,
      &ngx_llmops_openai, 0, 0 },

    { ngx_string("/models"), NGX_LLMOPS_OP_MODELS, NULL, 1, 1 },

    /* what lies below belongs to the dialect, though it is passed through */

    { ngx_string("/messages/"), NGX_LLMOPS_OP_OTHER,
      &ngx_llmops_anthropic, 1, 0 },

    { ngx_string("/responses/"), NGX_LLMOPS_OP_OTHER,
      &ngx_llmops_openai, 1, 0 },

    { ngx_null_string, NGX_LLMOPS_OP_NONE, NULL, 0, 0 }
};


/* the last "/v1" segment ends where the path begins; NULL if there is none */

static u_char *
ngx_llmops_operation_version(ngx_str_t *uri)
{
    u_char  *p, *end, *last;

    last = uri->data + uri->len;

    for (end = last; end - uri->data >= 3; end = p) {
        p = memrchr(uri->data + 2, '1', end - uri->data - 2);

        if (p == NULL) {
            break;
        }

        if (p[-1] == 'v' && p[-2] == '/' && (p + 1 == last || p[1] == '/')) {
            return p + 1;
        }
    }

    return NULL;
}


static ngx_uint_t
ngx_llmops_operation_match(const ngx_llmops_path_t *t, ngx_str_t *path)
{
    size_t  len;

    len = t->path.len;

    if (path->len < len || ngx_memcmp(path->data, t->path.data, len) != 0) {
        return 0;
    }

    if (path->len == len) {
        return 1;
    }

    return t->prefix
           && (t->path.data[len - 1] == '/' || path->data[len] == '/');
}


static const ngx_llmops_path_t *
ngx_llmops_operation_find(ngx_str_t *path)
{
    const ngx_llmops_path_t  *t;

    for (t = ngx_llmops_paths; t->path.len; t++) {
        if (ngx_llmops_operation_match(t, path)) {
            return t;
        }
    }

    return NULL;
}


/* nearly all: "/v1" and a path of the table, in which there is no other "/v1",
   without a slash at its end; NULL: it is no such URI */

static const ngx_llmops_path_t *
ngx_llmops_operation_plain(ngx_str_t *uri, ngx_str_t *path)
{
    const ngx_llmops_path_t  *t;

    if (uri->len <= 4
        || ngx_memcmp(uri->data, "/v1/", 4) != 0
        || uri->data[uri->len - 1] == '/')
    {
        return NULL;
    }

    path->data = uri->data + 3;
    path->len = uri->len - 3;

    t = ngx_llmops_operation_find(path);

    return (t && t->path.len == path->len) ? t : NULL;
}


ngx_int_t
ngx_llmops_operation(ngx_llmops_envelope_t *env, ngx_str_t *uri,
    unsigned get, unsigned post, unsigned anthropic)
{
    u_char                   *p;
    const ngx_llmops_path_t  *t;

    p = NULL;

    env->op = NGX_LLMOPS_OP_NONE;
    env->dialect = anthropic ? &ngx_llmops_anthropic : &ngx_llmops_openai;

    t = ngx_llmops_operation_plain(uri, &env->path);

    if (t == NULL) {
        p = ngx_llmops_operation_version(uri);

        env->path.data = p ? p : uri->data;
        env->path.len = uri->data + uri->len - env->path.data;

        while (env->path.len && env->path.data[env->path.len - 1] == '/') {
            env->path.len--;
        }

        t = ngx_llmops_operation_find(&env->path);
    }

    if (t == NULL) {

        if (p && env->path.len) {
            env->op = NGX_LLMOPS_OP_OTHER;
        }

        return NGX_OK;
    }

    env->op = t->op;

    if (t->dialect) {
        env->dialect = t->dialect;
    }

    if (t->op == NGX_LLMOPS_OP_OTHER || (t->get ? get : post)) {
        return NGX_OK;
    }

    if (t->prefix && !t->get) {

        /* lists and single things below, "/audio/voices", have no model */

        env->op = NGX_LLMOPS_OP_OTHER;
        return NGX_OK;
    }

    return NGX_DECLINED;
}
