
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_cursor.h"
#include "ngx_llmops_tap.h"


/*
 * Usage is spelled in a dozen ways, and what is inside of what differs too.
 * The counts of an object are gathered by name first, then brought to one
 * form: cached tokens inside of input, reasoning inside of output.
 *
 * A count that no request can have is not one.  The bound also keeps a sum
 * of counts, and its product with a price, inside of 64 bits.
 */

#define NGX_LLMOPS_USAGE_MAX  1000000000


/* what a name may stand for besides a count: an object of counts */

enum {
    NGX_LLMOPS_USAGE_OPENAI = NGX_LLMOPS_USAGE_COUNTS,
    NGX_LLMOPS_USAGE_IN,
    NGX_LLMOPS_USAGE_OUT,
    NGX_LLMOPS_USAGE_MESSAGES,
    NGX_LLMOPS_USAGE_CREATION,
    NGX_LLMOPS_USAGE_OTHER                 /* neither: it is passed over */
};


/*
 * What names stand for.  Comparing with what the compiler knows is a matter of
 * two or three instructions: every answer and stream has a dozen of them.
 */

static ngx_uint_t
ngx_llmops_usage_in(ngx_str_t *key)
{
    return ngx_llmops_is(key, "cached_tokens") ? NGX_LLMOPS_USAGE_CACHED
           : ngx_llmops_is(key, "cache_write_tokens")
             ? NGX_LLMOPS_USAGE_WRITTEN
           : ngx_llmops_is(key, "audio_tokens") ? NGX_LLMOPS_USAGE_AUDIO_IN
           : ngx_llmops_is(key, "image_tokens") ? NGX_LLMOPS_USAGE_IMAGE_IN
           : NGX_LLMOPS_USAGE_OTHER;
}


static ngx_uint_t
ngx_llmops_usage_out(ngx_str_t *key)
{
    return ngx_llmops_is(key, "reasoning_tokens")
             ? NGX_LLMOPS_USAGE_REASONING
           : ngx_llmops_is(key, "thinking_tokens") ? NGX_LLMOPS_USAGE_REASONING
           : ngx_llmops_is(key, "audio_tokens") ? NGX_LLMOPS_USAGE_AUDIO_OUT
           : ngx_llmops_is(key, "image_tokens") ? NGX_LLMOPS_USAGE_IMAGE_OUT
           : NGX_LLMOPS_USAGE_OTHER;
}


static ngx_uint_t
ngx_llmops_usage_openai_name(ngx_str_t *key)
{
    return ngx_llmops_is(key, "prompt_tokens") ? NGX_LLMOPS_USAGE_PROMPT
           : ngx_llmops_is(key, "completion_tokens")
             ? NGX_LLMOPS_USAGE_COMPLETION
           : ngx_llmops_is(key, "total_tokens") ? NGX_LLMOPS_USAGE_TOTAL
           : ngx_llmops_is(key, "prompt_tokens_details") ? NGX_LLMOPS_USAGE_IN
           : ngx_llmops_is(key, "completion_tokens_details")
             ? NGX_LLMOPS_USAGE_OUT

           /* Responses, images, audio */

           : ngx_llmops_is(key, "input_tokens") ? NGX_LLMOPS_USAGE_PROMPT
           : ngx_llmops_is(key, "output_tokens") ? NGX_LLMOPS_USAGE_COMPLETION
           : ngx_llmops_is(key, "input_tokens_details") ? NGX_LLMOPS_USAGE_IN
           : ngx_llmops_is(key, "output_tokens_details") ? NGX_LLMOPS_USAGE_OUT
           : ngx_llmops_is(key, "input_token_details") ? NGX_LLMOPS_USAGE_IN
           : ngx_llmops_is(key, "output_token_details") ? NGX_LLMOPS_USAGE_OUT

           /* DeepSeek; Moonshot and others; SGLang */

           : ngx_llmops_is(key, "prompt_cache_hit_tokens")
             ? NGX_LLMOPS_USAGE_CACHED
           : ngx_llmops_is(key, "cached_tokens") ? NGX_LLMOPS_USAGE_CACHED
           : ngx_llmops_is(key, "reasoning_tokens")
             ? NGX_LLMOPS_USAGE_REASONING
           : NGX_LLMOPS_USAGE_OTHER;
}


static ngx_uint_t
ngx_llmops_usage_messages_name(ngx_str_t *key)
{
    return ngx_llmops_is(key, "input_tokens") ? NGX_LLMOPS_USAGE_PROMPT
           : ngx_llmops_is(key, "output_tokens") ? NGX_LLMOPS_USAGE_COMPLETION
           : ngx_llmops_is(key, "cache_read_input_tokens")
             ? NGX_LLMOPS_USAGE_CACHED
           : ngx_llmops_is(key, "cache_creation_input_tokens")
             ? NGX_LLMOPS_USAGE_WRITTEN
           : ngx_llmops_is(key, "cache_creation") ? NGX_LLMOPS_USAGE_CREATION
           : ngx_llmops_is(key, "output_tokens_details") ? NGX_LLMOPS_USAGE_OUT
           : NGX_LLMOPS_USAGE_OTHER;
}


static ngx_uint_t
ngx_llmops_usage_name(ngx_uint_t object, ngx_str_t *key)
{
    switch (object) {

    case NGX_LLMOPS_USAGE_OPENAI:
        return ngx_llmops_usage_openai_name(key);

    case NGX_LLMOPS_USAGE_MESSAGES:
        return ngx_llmops_usage_messages_name(key);

    case NGX_LLMOPS_USAGE_IN:
        return ngx_llmops_usage_in(key);

    case NGX_LLMOPS_USAGE_OUT:
        return ngx_llmops_usage_out(key);

    default: /* NGX_LLMOPS_USAGE_CREATION */
        return ngx_llmops_is(key, "ephemeral_1h_input_tokens")
               ? NGX_LLMOPS_USAGE_WRITTEN_1H : NGX_LLMOPS_USAGE_OTHER;
    }
}


/* A count may be there twice, at the top and inside: the larger one is it. */

static ngx_int_t
ngx_llmops_usage_value(ngx_llmops_cursor_t *c, int64_t *count)
{
    int64_t    n;
    ngx_str_t  v;

    if (ngx_llmops_cursor_count(c, &n) != NGX_OK) {

        if (ngx_llmops_cursor_value(c, &v) != NGX_OK) {
            return NGX_ERROR;
        }

        if (count == NULL || ngx_llmops_json_count(&v, &n) != NGX_OK) {
            return NGX_OK;
        }
    }

    if (count && n <= NGX_LLMOPS_USAGE_MAX && n > *count) {
        *count = n;
    }

    return NGX_OK;
}


/* counts that are absent, or not counts, stay -1; in one pass */

static ngx_int_t
ngx_llmops_usage_enter(ngx_llmops_cursor_t *c, ngx_uint_t object,
    int64_t *counts)
{
    ngx_int_t   rc;
    ngx_str_t   key;
    ngx_uint_t  n;

    if (*c->pos != '{') {
        return ngx_llmops_cursor_skip(c);
    }

    c->pos++;

    while ((rc = ngx_llmops_cursor_member(c, &key)) == NGX_OK) {
        n = ngx_llmops_usage_name(object, &key);

        if (n < NGX_LLMOPS_USAGE_COUNTS || n == NGX_LLMOPS_USAGE_OTHER) {
            rc = ngx_llmops_usage_value(c, n < NGX_LLMOPS_USAGE_COUNTS
                                           ? &counts[n] : NULL);

        } else {
            rc = ngx_llmops_usage_enter(c, n, counts);
        }

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return (rc == NGX_DONE) ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_llmops_usage_read(ngx_llmops_cursor_t *c, ngx_uint_t object,
    ngx_llmops_counts_t *counts)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_LLMOPS_USAGE_COUNTS; i++) {
        counts->n[i] = -1;
    }

    return ngx_llmops_usage_enter(c, object, counts->n);
}


ngx_int_t
ngx_llmops_usage_read_openai(ngx_llmops_cursor_t *c,
    ngx_llmops_counts_t *counts)
{
    return ngx_llmops_usage_read(c, NGX_LLMOPS_USAGE_OPENAI, counts);
}


ngx_int_t
ngx_llmops_usage_read_anthropic(ngx_llmops_cursor_t *c,
    ngx_llmops_counts_t *counts)
{
    return ngx_llmops_usage_read(c, NGX_LLMOPS_USAGE_MESSAGES, counts);
}


/* the same of a value by itself, that has been passed over before */

static ngx_int_t
ngx_llmops_usage_gather(ngx_str_t *value, ngx_uint_t object,
    ngx_llmops_counts_t *counts)
{
    ngx_llmops_cursor_t  c;

    if (value->len == 0 || value->data[0] != '{') {
        return NGX_DECLINED;
    }

    c.pos = value->data;
    c.last = value->data + value->len;

    (void) ngx_llmops_usage_read(&c, object, counts);

    return NGX_OK;
}


/*
 * Reasoning is inside of the completion's count, but outside at xAI: there
 * the total is the sum of all three.
 */

static ngx_uint_t
ngx_llmops_usage_outside(int64_t *c)
{
    int64_t  reasoning;

    reasoning = c[NGX_LLMOPS_USAGE_REASONING];

    if (reasoning <= 0) {
        return 0;
    }

    if (c[NGX_LLMOPS_USAGE_TOTAL] >= 0) {
        return c[NGX_LLMOPS_USAGE_TOTAL] == c[NGX_LLMOPS_USAGE_PROMPT]
                                            + c[NGX_LLMOPS_USAGE_COMPLETION]
                                            + reasoning;
    }

    return reasoning > c[NGX_LLMOPS_USAGE_COMPLETION];
}


/* embeddings have no completion; what else is missing the total tells */

static ngx_int_t
ngx_llmops_usage_complete(int64_t *c)
{
    int64_t  *prompt, *completion, *total;

    prompt = &c[NGX_LLMOPS_USAGE_PROMPT];
    completion = &c[NGX_LLMOPS_USAGE_COMPLETION];
    total = &c[NGX_LLMOPS_USAGE_TOTAL];

    if (*prompt < 0 && *completion < 0 && *total < 0) {
        return NGX_DECLINED;
    }

    if (*prompt < 0) {
        *prompt = ngx_max(*total - ngx_max(*completion, 0), 0);
    }

    if (*completion < 0) {
        *completion = ngx_max(*total - *prompt, 0);
    }

    return NGX_OK;
}


ngx_int_t
ngx_llmops_usage_set_openai(ngx_llmops_counts_t *counts,
    ngx_llmops_usage_t *u)
{
    int64_t  *c;

    c = counts->n;

    if (ngx_llmops_usage_complete(c) != NGX_OK) {
        return NGX_DECLINED;
    }

    ngx_memzero(u, sizeof(ngx_llmops_usage_t));

    u->input = c[NGX_LLMOPS_USAGE_PROMPT];
    u->output = c[NGX_LLMOPS_USAGE_COMPLETION];
    u->reasoning = ngx_max(c[NGX_LLMOPS_USAGE_REASONING], 0);

    if (ngx_llmops_usage_outside(c)) {
        u->output += u->reasoning;
    }

    /* what is part of a count is at most that count */

#define ngx_llmops_usage_part(i, whole)                                       \
    ngx_min(ngx_max(c[NGX_LLMOPS_USAGE_##i], 0), whole)

    u->reasoning = ngx_min(u->reasoning, u->output);
    u->cache_read = ngx_llmops_usage_part(CACHED, u->input);
    u->cache_write = ngx_llmops_usage_part(WRITTEN,
                                           u->input - u->cache_read);
    u->audio_in = ngx_llmops_usage_part(AUDIO_IN, u->input);
    u->audio_out = ngx_llmops_usage_part(AUDIO_OUT, u->output);
    u->image_in = ngx_llmops_usage_part(IMAGE_IN, u->input);
    u->image_out = ngx_llmops_usage_part(IMAGE_OUT, u->output);

    u->source = NGX_LLMOPS_USAGE_REPORTED;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_usage_openai(ngx_str_t *value, ngx_llmops_usage_t *u)
{
    ngx_llmops_counts_t  counts;

    if (ngx_llmops_usage_gather(value, NGX_LLMOPS_USAGE_OPENAI, &counts)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    return ngx_llmops_usage_set_openai(&counts, u);
}


/* what is absent keeps its value */

static void
ngx_llmops_usage_replace(int64_t *old, int64_t new)
{
    if (new >= 0) {
        *old = new;
    }
}


void
ngx_llmops_usage_set_anthropic(ngx_llmops_counts_t *counts,
    ngx_llmops_meter_t *m)
{
    int64_t             *c;
    ngx_llmops_usage_t  *u;

    c = counts->n;
    u = &m->usage;

    if (c[NGX_LLMOPS_USAGE_PROMPT] < 0 && c[NGX_LLMOPS_USAGE_COMPLETION] < 0)
    {
        return;
    }

    ngx_llmops_usage_replace(&m->anthropic_input, c[NGX_LLMOPS_USAGE_PROMPT]);
    ngx_llmops_usage_replace(&u->cache_read, c[NGX_LLMOPS_USAGE_CACHED]);
    ngx_llmops_usage_replace(&u->cache_write, c[NGX_LLMOPS_USAGE_WRITTEN]);
    ngx_llmops_usage_replace(&u->cache_write_1h,
                             c[NGX_LLMOPS_USAGE_WRITTEN_1H]);
    ngx_llmops_usage_replace(&u->output, c[NGX_LLMOPS_USAGE_COMPLETION]);
    ngx_llmops_usage_replace(&u->reasoning, c[NGX_LLMOPS_USAGE_REASONING]);

    u->cache_write = ngx_max(u->cache_write, u->cache_write_1h);
    u->reasoning = ngx_min(u->reasoning, u->output);
    u->input = m->anthropic_input + u->cache_read + u->cache_write;
    u->source = NGX_LLMOPS_USAGE_REPORTED;
}


void
ngx_llmops_usage_anthropic(ngx_str_t *value, ngx_llmops_meter_t *m)
{
    ngx_llmops_counts_t  counts;

    if (ngx_llmops_usage_gather(value, NGX_LLMOPS_USAGE_MESSAGES, &counts)
        == NGX_OK)
    {
        ngx_llmops_usage_set_anthropic(&counts, m);
    }
}
