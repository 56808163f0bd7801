
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_cache_key.h"


/*
 * What a request is, for the cache: which members of its body matter, and
 * whether its answer would be the same again.
 *
 * A member is left out of the key only if no provider's answer depends on it
 * or repeats it.  So "metadata" counts for Responses, whose answers have it
 * in them, and not for chat; service_tier counts for all, as it is in the
 * answers.  "stream" and its options change the form, which is made anew.
 */


#define ngx_llmops_op_bit(op)  (1u << NGX_LLMOPS_OP_##op)

#define NGX_LLMOPS_KIND_FIXED                                                 \
    (ngx_llmops_op_bit(EMBEDDINGS) | ngx_llmops_op_bit(MODERATIONS)           \
     | ngx_llmops_op_bit(RERANK) | ngx_llmops_op_bit(COUNT_TOKENS))

#define NGX_LLMOPS_KIND_SAMPLED                                               \
    (ngx_llmops_op_bit(CHAT) | ngx_llmops_op_bit(COMPLETIONS)                 \
     | ngx_llmops_op_bit(MESSAGES) | ngx_llmops_op_bit(RESPONSES))


typedef struct {
    const char                *name;
    uint32_t                   ops;
} ngx_llmops_kind_member_t;


static const ngx_llmops_kind_member_t  ngx_llmops_kind_volatile[] = {

    { "stream", NGX_LLMOPS_KIND_SAMPLED },

    { "stream_options", ngx_llmops_op_bit(CHAT)
                        | ngx_llmops_op_bit(COMPLETIONS)
                        | ngx_llmops_op_bit(RESPONSES) },

    { "user", ngx_llmops_op_bit(CHAT) | ngx_llmops_op_bit(COMPLETIONS)
              | ngx_llmops_op_bit(EMBEDDINGS) },

    { "metadata", ngx_llmops_op_bit(CHAT) | ngx_llmops_op_bit(MESSAGES) },

    { "store", ngx_llmops_op_bit(CHAT) },

    { "safety_identifier", ngx_llmops_op_bit(CHAT) },

    { "prompt_cache_key", ngx_llmops_op_bit(CHAT) },

    { "prompt_cache_retention", ngx_llmops_op_bit(CHAT) },

    { NULL, 0 }
};


/* members with which a provider looks at something that may change */

static const ngx_llmops_kind_member_t  ngx_llmops_kind_outside[] = {

    { "web_search_options", ngx_llmops_op_bit(CHAT) },
    { "search_parameters", ngx_llmops_op_bit(CHAT) },
    { "data_sources", ngx_llmops_op_bit(CHAT) },
    { "plugins", ngx_llmops_op_bit(CHAT) },
    { "mcp_servers", ngx_llmops_op_bit(MESSAGES) },
    { "container", ngx_llmops_op_bit(MESSAGES) },
    { "prompt", ngx_llmops_op_bit(RESPONSES) },

    { NULL, 0 }
};


static ngx_uint_t ngx_llmops_kind_present(const u_char *form,
    const char *name);
static ngx_uint_t ngx_llmops_kind_true(const u_char *form, const char *name);
static ngx_uint_t ngx_llmops_kind_sampled(ngx_llmops_op_e op,
    const u_char *form);
static ngx_uint_t ngx_llmops_kind_looks_outside(ngx_llmops_op_e op,
    const u_char *form);
static ngx_uint_t ngx_llmops_kind_tool_outside(ngx_llmops_op_e op,
    const u_char *tool);


ngx_uint_t
ngx_llmops_cache_volatile(ngx_llmops_op_e op, const u_char *name, size_t len)
{
    const ngx_llmops_kind_member_t  *m;

    for (m = ngx_llmops_kind_volatile; m->name; m++) {

        if ((m->ops & 1u << op) && strlen(m->name) == len
            && memcmp(m->name, name, len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


ngx_llmops_cache_why_e
ngx_llmops_cache_kind(ngx_llmops_op_e op, const u_char *form)
{
    if (NGX_LLMOPS_KIND_FIXED & 1u << op) {
        return NGX_LLMOPS_CACHE_DETERMINISTIC;
    }

    if (!(NGX_LLMOPS_KIND_SAMPLED & 1u << op)) {
        return NGX_LLMOPS_CACHE_OPERATION;
    }

    /* Responses are stored by default, and gone on from by their id */

    if (op == NGX_LLMOPS_OP_RESPONSES
        && (ngx_llmops_kind_present(form, "previous_response_id")
            || ngx_llmops_kind_present(form, "conversation")
            || ngx_llmops_kind_true(form, "background")
            || ngx_llmops_cache_member(form, "store") == NULL
            || *ngx_llmops_cache_member(form, "store") != 'f'))
    {
        return NGX_LLMOPS_CACHE_STATEFUL;
    }

    if (ngx_llmops_kind_looks_outside(op, form)) {
        return NGX_LLMOPS_CACHE_OUTSIDE;
    }

    return ngx_llmops_kind_sampled(op, form) ? NGX_LLMOPS_CACHE_SAMPLED
                                             : NGX_LLMOPS_CACHE_DETERMINISTIC;
}


static ngx_uint_t
ngx_llmops_kind_present(const u_char *form, const char *name)
{
    const u_char  *p;

    p = ngx_llmops_cache_member(form, name);

    return p && *p != 'n';
}


static ngx_uint_t
ngx_llmops_kind_true(const u_char *form, const char *name)
{
    const u_char  *p;

    p = ngx_llmops_cache_member(form, name);

    return p && *p == 't';
}


/* neither the most probable token each time, nor the caller's own dice */

static ngx_uint_t
ngx_llmops_kind_sampled(ngx_llmops_op_e op, const u_char *form)
{
    const u_char  *p;

    p = ngx_llmops_cache_member(form, "temperature");

    if (p && p[0] == 'd' && p[1] == '0' && p[2] == ';') {
        return 0;
    }

    if (op == NGX_LLMOPS_OP_CHAT || op == NGX_LLMOPS_OP_COMPLETIONS) {
        p = ngx_llmops_cache_member(form, "seed");

        if (p && *p == 'd') {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_llmops_kind_looks_outside(ngx_llmops_op_e op, const u_char *form)
{
    const u_char                    *p;
    const ngx_llmops_kind_member_t  *m;

    for (m = ngx_llmops_kind_outside; m->name; m++) {

        if ((m->ops & 1u << op) && ngx_llmops_kind_present(form, m->name)) {
            return 1;
        }
    }

    p = ngx_llmops_cache_member(form, "tools");

    if (p == NULL || *p != 'a') {
        return 0;
    }

    for (p++; *p != 'e'; p = ngx_llmops_cache_skip(p)) {

        if (ngx_llmops_kind_tool_outside(op, p)) {
            return 1;
        }
    }

    return 0;
}


/* The caller's own tools are called by the caller, with what the answer says:
   they change nothing here.  Anything else is carried out by the provider. */

static ngx_uint_t
ngx_llmops_kind_tool_outside(ngx_llmops_op_e op, const u_char *tool)
{
    ngx_str_t      type;
    const u_char  *p;

    p = ngx_llmops_cache_member(tool, "type");

    if (p == NULL) {
        return op != NGX_LLMOPS_OP_MESSAGES;
    }

    type = ngx_llmops_cache_string(p);

    return !((type.len == 8 && memcmp(type.data, "function", 8) == 0)
             || (type.len == 6 && memcmp(type.data, "custom", 6) == 0));
}
