
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_dialect.h"


/*
 * The names of things.  A dialect is one file, one line in the list below,
 * and its tests.
 */


const ngx_llmops_dialect_t *const  ngx_llmops_dialects[] = {
    &ngx_llmops_openai,
    &ngx_llmops_anthropic,
    &ngx_llmops_mock,
    NULL
};


/* by ngx_llmops_op_e; the semantic conventions call every talk a chat */

const ngx_str_t  ngx_llmops_op_names[] = {
    ngx_string("none"),
    ngx_string("chat"),
    ngx_string("chat"),
    ngx_string("text_completion"),
    ngx_string("embeddings"),
    ngx_string("chat"),
    ngx_string("count_tokens"),
    ngx_string("moderations"),
    ngx_string("images"),
    ngx_string("audio"),
    ngx_string("rerank"),
    ngx_string("models"),
    ngx_string("other")
};


/* by ngx_llmops_err_e */

const ngx_str_t  ngx_llmops_error_names[] = {
    ngx_null_string,
    ngx_string("invalid_request"),
    ngx_string("context_length"),
    ngx_string("content_policy"),
    ngx_string("auth"),
    ngx_string("billing"),
    ngx_string("permission"),
    ngx_string("not_found"),
    ngx_string("method"),
    ngx_string("too_large"),
    ngx_string("media_type"),
    ngx_string("rate_limit"),
    ngx_string("upstream_auth"),
    ngx_string("upstream"),
    ngx_string("overloaded"),
    ngx_string("timeout"),
    ngx_string("internal"),
    ngx_string("client_abort")
};


/* by ngx_llmops_finish_e */

const ngx_str_t  ngx_llmops_finish_names[] = {
    ngx_null_string,
    ngx_string("stop"),
    ngx_string("length"),
    ngx_string("tool_calls"),
    ngx_string("content_filter"),
    ngx_string("error")
};


const ngx_llmops_dialect_t *
ngx_llmops_dialect_find(ngx_str_t *name)
{
    const ngx_llmops_dialect_t *const  *d;

    for (d = ngx_llmops_dialects; *d; d++) {

        if ((*d)->name.len == name->len
            && ngx_memcmp((*d)->name.data, name->data, name->len) == 0)
        {
            return *d;
        }
    }

    return NULL;
}
