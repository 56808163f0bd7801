
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


typedef struct ngx_llmops_usage_name_s  ngx_llmops_usage_name_t;

struct ngx_llmops_usage_name_s {
    ngx_str_t                        name;
    ngx_uint_t                       count;
    const ngx_llmops_usage_name_t   *inside;   /* an object of counts */
};


static const ngx_llmops_usage_name_t  ngx_llmops_usage_in[] = {
    { ngx_string("cached_tokens"), NGX_LLMOPS_USAGE_CACHED, NULL },
    { ngx_string("cache_write_tokens"), NGX_LLMOPS_USAGE_WRITTEN, NULL },
    { ngx_string("audio_tokens"), NGX_LLMOPS_USAGE_AUDIO_IN, NULL },
    { ngx_string("image_tokens"), NGX_LLMOPS_USAGE_IMAGE_IN, NULL },
    { ngx_null_string, 0, NULL }
};


static const ngx_llmops_usage_name_t  ngx_llmops_usage_out[] = {
    { ngx_string("reasoning_tokens"), NGX_LLMOPS_USAGE_REASONING, NULL },
    { ngx_string("thinking_tokens"), NGX_LLMOPS_USAGE_REASONING, NULL },
    { ngx_string("audio_tokens"), NGX_LLMOPS_USAGE_AUDIO_OUT, NULL },
    { ngx_string("image_tokens"), NGX_LLMOPS_USAGE_IMAGE_OUT, NULL },
    { ngx_null_string, 0, NULL }
};


static const ngx_llmops_usage_name_t  ngx_llmops_usage_names[] = {
    { ngx_string("prompt_tokens"), NGX_LLMOPS_USAGE_PROMPT, NULL },
    { ngx_string("completion_tokens"), NGX_LLMOPS_USAGE_COMPLETION, NULL },
    { ngx_string("total_tokens"), NGX_LLMOPS_USAGE_TOTAL, NULL },
    { ngx_string("prompt_tokens_details"), 0, ngx_llmops_usage_in },
    { ngx_string("completion_tokens_details"), 0, ngx_llmops_usage_out },

    /* Responses, images, audio */
    { ngx_string("input_tokens"), NGX_LLMOPS_USAGE_PROMPT, NULL },
    { ngx_string("output_tokens"), NGX_LLMOPS_USAGE_COMPLETION, NULL },
    { ngx_string("input_tokens_details"), 0, ngx_llmops_usage_in },
    { ngx_string("output_tokens_details"), 0, ngx_llmops_usage_out },
    { ngx_string("input_token_details"), 0, ngx_llmops_usage_in },
    { ngx_string("output_token_details"), 0, ngx_llmops_usage_out },

    /* DeepSeek; Moonshot and others; SGLang */
    { ngx_string("prompt_cache_hit_tokens"), NGX_LLMOPS_USAGE_CACHED, NULL },
    { ngx_string("cached_tokens"), NGX_LLMOPS_USAGE_CACHED, NULL },
    { ngx_string("reasoning_tokens"), NGX_LLMOPS_USAGE_REASONING, NULL },
    { ngx_null_string, 0, NULL }
};


static const ngx_llmops_usage_name_t  ngx_llmops_usage_creation[] = {
    { ngx_string("ephemeral_1h_input_tokens"),
      NGX_LLMOPS_USAGE_WRITTEN_1H, NULL },
    { ngx_null_string, 0, NULL }
};


static const ngx_llmops_usage_name_t  ngx_llmops_usage_messages[] = {
    { ngx_string("input_tokens"), NGX_LLMOPS_USAGE_PROMPT, NULL },
    { ngx_string("output_tokens"), NGX_LLMOPS_USAGE_COMPLETION, NULL },
    { ngx_string("cache_read_input_tokens"), NGX_LLMOPS_USAGE_CACHED, NULL },
    { ngx_string("cache_creation_input_tokens"),
      NGX_LLMOPS_USAGE_WRITTEN, NULL },
    { ngx_string("cache_creation"), 0, ngx_llmops_usage_creation },
    { ngx_string("output_tokens_details"), 0, ngx_llmops_usage_out },
    { ngx_null_string, 0, NULL }
};


static const ngx_llmops_usage_name_t *
ngx_llmops_usage_find(const ngx_llmops_usage_name_t *n, ngx_str_t *key)
{
    for ( /* void */ ; n->name.len; n++) {

        if (n->name.len == key->len
            && ngx_memcmp(n->name.data, key->data, key->len) == 0)
        {
            return n;
        }
    }

    return NULL;
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
ngx_llmops_usage_enter(ngx_llmops_cursor_t *c,
    const ngx_llmops_usage_name_t *names, int64_t *counts)
{
    ngx_int_t                       rc;
    ngx_str_t                       key;
    const ngx_llmops_usage_name_t  *n;

    if (*c->pos != '{') {
        return ngx_llmops_cursor_skip(c);
    }

    c->pos++;

    while ((rc = ngx_llmops_cursor_member(c, &key)) == NGX_OK) {
        n = ngx_llmops_usage_find(names, &key);

        if (n && n->inside) {
            rc = ngx_llmops_usage_enter(c, n->inside, counts);

        } else {
            rc = ngx_llmops_usage_value(c, n ? &counts[n->count] : NULL);
        }

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return (rc == NGX_DONE) ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_llmops_usage_read(ngx_llmops_cursor_t *c,
    const ngx_llmops_usage_name_t *names, ngx_llmops_counts_t *counts)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_LLMOPS_USAGE_COUNTS; i++) {
        counts->n[i] = -1;
    }

    return ngx_llmops_usage_enter(c, names, counts->n);
}


ngx_int_t
ngx_llmops_usage_read_openai(ngx_llmops_cursor_t *c,
    ngx_llmops_counts_t *counts)
{
    return ngx_llmops_usage_read(c, ngx_llmops_usage_names, counts);
}


ngx_int_t
ngx_llmops_usage_read_anthropic(ngx_llmops_cursor_t *c,
    ngx_llmops_counts_t *counts)
{
    return ngx_llmops_usage_read(c, ngx_llmops_usage_messages, counts);
}


/* the same of a value by itself, that has been passed over before */

static ngx_int_t
ngx_llmops_usage_gather(ngx_str_t *value,
    const ngx_llmops_usage_name_t *names, ngx_llmops_counts_t *counts)
{
    ngx_llmops_cursor_t  c;

    if (value->len == 0 || value->data[0] != '{') {
        return NGX_DECLINED;
    }

    c.pos = value->data;
    c.last = value->data + value->len;

    (void) ngx_llmops_usage_read(&c, names, counts);

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

    if (ngx_llmops_usage_gather(value, ngx_llmops_usage_names, &counts)
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

    if (ngx_llmops_usage_gather(value, ngx_llmops_usage_messages, &counts)
        == NGX_OK)
    {
        ngx_llmops_usage_set_anthropic(&counts, m);
    }
}
