
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_anthropic_codec.h"


/* What models can do, and how each is asked to reason. */


#define NGX_LLMOPS_ANTHROPIC_MIN_BUDGET  1024


static void ngx_llmops_anthropic_adaptive(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r, const char *effort);
static void ngx_llmops_anthropic_budget(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r, const char *effort);
static ngx_uint_t ngx_llmops_anthropic_unsigned(json_t *messages);


typedef struct {
    const char                *prefix;
    int64_t                    output;
    unsigned                   adaptive:1;
    unsigned                   thinks:1;
    unsigned                   sampling:1;
    unsigned                   format:1;
    unsigned                   xhigh:1;
} ngx_llmops_anthropic_known_t;


/*
 * By the start of the name; the first that fits counts.  What follows
 * "claude-" and is not listed is newer than this table.
 */

static const ngx_llmops_anthropic_known_t  ngx_llmops_anthropic_known[] = {

    /*                      output  adaptive thinks sampling format xhigh */
    { "claude-3-7-",         64000,        0,     1,       1,     0,    0 },
    { "claude-3",             4096,        0,     0,       1,     0,    0 },
    { "claude-2",             4096,        0,     0,       1,     0,    0 },
    { "claude-instant",       4096,        0,     0,       1,     0,    0 },
    { "claude-opus-4-1",     32000,        0,     1,       1,     0,    0 },
    { "claude-opus-4-0",     32000,        0,     1,       1,     0,    0 },
    { "claude-opus-4-2",     32000,        0,     1,       1,     0,    0 },
    { "claude-opus-4@",      32000,        0,     1,       1,     0,    0 },
    { "claude-sonnet-4@",    64000,        0,     1,       1,     0,    0 },
    { "claude-opus-4-5",     64000,        0,     1,       1,     1,    0 },
    { "claude-opus-4-6",    128000,        1,     1,       1,     1,    0 },
    { "claude-opus-4-7",    128000,        1,     1,       0,     1,    1 },
    { "claude-opus-4-8",    128000,        1,     1,       0,     1,    1 },
    { "claude-sonnet-4-0",   64000,        0,     1,       1,     0,    0 },
    { "claude-sonnet-4-2",   64000,        0,     1,       1,     0,    0 },
    { "claude-sonnet-4-5",   64000,        0,     1,       1,     1,    0 },
    { "claude-sonnet-4-6",  128000,        1,     1,       1,     1,    0 },
    { "claude-haiku-4-5",    64000,        0,     1,       1,     1,    0 },
    { "claude-opus-5",      128000,        1,     1,       0,     1,    1 },
    { "claude-sonnet-5",    128000,        1,     1,       0,     1,    1 },
    { "claude-haiku-5",     128000,        1,     1,       0,     1,    1 },
    { "claude-fable",       128000,        1,     1,       0,     1,    1 },
    { "claude-mythos",      128000,        1,     1,       0,     1,    1 },
    { "claude-",            128000,        1,     1,       1,     1,    0 },

    /* another vendor's server that speaks this dialect */
    { "",                    64000,        0,     1,       1,     1,    0 }
};


void
ngx_llmops_anthropic_model(const char *name, ngx_llmops_anthropic_model_t *m)
{
    ngx_uint_t                           i;
    const char                          *p;
    const ngx_llmops_anthropic_known_t  *k;

    /* other hosts put a region and a vendor before the name */

    p = strstr(name, "claude-");
    p = p ? p : "";

    for (i = 0; /* void */ ; i++) {
        k = &ngx_llmops_anthropic_known[i];

        if (strncmp(p, k->prefix, strlen(k->prefix)) == 0) {
            break;
        }
    }

    m->output = k->output;
    m->adaptive = k->adaptive;
    m->thinks = k->thinks;
    m->sampling = k->sampling;
    m->format = k->format;
    m->xhigh = k->xhigh;
}


void
ngx_llmops_anthropic_effort(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r)
{
    json_t      *thinking;
    const char  *effort;

    effort = ngx_llmops_tree_str(r->in, "reasoning_effort");

    if (effort == NULL) {
        return;
    }

    if (strcmp(effort, "none") == 0) {

        if (r->model.thinks) {
            thinking = ngx_llmops_typed(x, "disabled");
            ngx_llmops_set(x, r->out, "thinking", thinking);
        }

        return;
    }

    if (!r->model.thinks) {
        ngx_llmops_drop(x, "reasoning_effort");
        return;
    }

    if (r->model.adaptive) {
        ngx_llmops_anthropic_adaptive(x, r, effort);
        return;
    }

    /*
     * With a budget, a turn of the model that calls tools must start with
     * its signed thinking, and no tool may be forced: 400 otherwise.
     */

    if (r->forced
        || ngx_llmops_anthropic_unsigned(json_object_get(r->in, "messages")))
    {
        ngx_llmops_drop(x, "reasoning_effort");
        return;
    }

    ngx_llmops_anthropic_budget(x, r, effort);
}


static void
ngx_llmops_anthropic_adaptive(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r, const char *effort)
{
    json_t      *config;
    const char  *use;

    use = effort;

    if (strcmp(effort, "minimal") == 0) {
        use = "low";

    } else if (!r->model.xhigh && (strcmp(effort, "xhigh") == 0
                                   || strcmp(effort, "max") == 0))
    {
        use = "high";
    }

    if (use != effort) {
        ngx_llmops_approx(x, "reasoning_effort", use);
    }

    config = json_object_get(r->out, "output_config");

    if (config == NULL) {
        config = ngx_llmops_object(x);
        ngx_llmops_set(x, r->out, "output_config", config);
    }

    ngx_llmops_set(x, config, "effort", json_string(use));

    /* thinking and a forced tool exclude each other */

    if (!r->forced) {
        r->thinking = 1;
        ngx_llmops_set(x, r->out, "thinking",
                       ngx_llmops_typed(x, "adaptive"));
    }
}


/* the budget comes out of max_tokens, which therefore grows by it */

static void
ngx_llmops_anthropic_budget(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r, const char *effort)
{
    int64_t   budget, total;
    json_t   *thinking;

    budget = strcmp(effort, "minimal") == 0 ? 0
             : strcmp(effort, "low") == 0 ? 10
             : strcmp(effort, "medium") == 0 ? 30
             : strcmp(effort, "high") == 0 ? 60
             : strcmp(effort, "xhigh") == 0 || strcmp(effort, "max") == 0 ? 90
             : -1;

    if (budget == -1) {
        ngx_llmops_drop(x, "reasoning_effort");
        return;
    }

    budget = r->max_tokens * budget / 100;
    budget = ngx_max(budget, NGX_LLMOPS_ANTHROPIC_MIN_BUDGET);

    total = ngx_min(r->max_tokens + budget,
                    ngx_max(r->model.output, r->max_tokens));
    budget = ngx_min(budget, total - 1);

    if (budget < NGX_LLMOPS_ANTHROPIC_MIN_BUDGET) {
        ngx_llmops_drop(x, "reasoning_effort");
        return;
    }

    r->max_tokens = total;
    r->thinking = 1;

    thinking = ngx_llmops_typed(x, "enabled");
    ngx_llmops_set(x, thinking, "budget_tokens", json_integer(budget));
    ngx_llmops_set(x, r->out, "thinking", thinking);
}


/* the request goes on with a turn that called tools without thinking */

static ngx_uint_t
ngx_llmops_anthropic_unsigned(json_t *messages)
{
    size_t   i, k;
    json_t  *message, *block;

    for (i = json_array_size(messages); i > 0; i--) {
        message = json_array_get(messages, i - 1);

        if (ngx_llmops_tree_is(message, "role", "tool")) {
            continue;
        }

        if (json_array_size(json_object_get(message, "tool_calls")) == 0) {
            return 0;
        }

        json_array_foreach(json_object_get(message, "thinking_blocks"), k,
                           block)
        {
            if (ngx_llmops_tree_has_text(json_object_get(block, "signature"))
                || ngx_llmops_tree_has_text(json_object_get(block, "data")))
            {
                return 0;
            }
        }

        return 1;
    }

    return 0;
}
