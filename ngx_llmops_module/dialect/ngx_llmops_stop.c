
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_json.h"
#include "ngx_llmops_stop.h"


/*
 * The end of a stream that passes, when we end it: what its dialect says at
 * max_tokens, so that every client takes the answer for what it is, a
 * truncated one.  Whatever is repeated in each event (id, model) is taken from
 * the last one.  A member of our own tells the reason to who wants to know.
 */


static void ngx_llmops_openai_chunk(ngx_llmops_out_t *out,
    ngx_llmops_stop_t *stop);
static void ngx_llmops_openai_stop_choices(ngx_llmops_out_t *out,
    ngx_llmops_stop_t *stop);
static void ngx_llmops_openai_stop_usage(ngx_llmops_out_t *out,
    ngx_llmops_usage_t *usage);


void
ngx_llmops_stop_mark(ngx_llmops_out_t *out, ngx_llmops_stop_t *stop)
{
    (void) ngx_llmops_out_lit(out, ",\"llm_limit\":{\"name\":");
    (void) ngx_llmops_out_json(out, stop->limit.data, stop->limit.len);
    (void) ngx_llmops_out_lit(out, ",\"rate\":");
    (void) ngx_llmops_out_json(out, stop->rate.data, stop->rate.len);
    (void) ngx_llmops_out_lit(out, "}");
}


void
ngx_llmops_openai_write_stop(ngx_llmops_out_t *out, ngx_llmops_stop_t *stop)
{
    if (stop->op == NGX_LLMOPS_OP_RESPONSES) {
        ngx_llmops_responses_write_stop(out, stop);
        return;
    }

    ngx_llmops_openai_chunk(out, stop);
    ngx_llmops_openai_stop_choices(out, stop);
    ngx_llmops_stop_mark(out, stop);
    (void) ngx_llmops_out_lit(out, "}\n\n");

    if (stop->want_usage) {
        ngx_llmops_openai_chunk(out, stop);
        (void) ngx_llmops_out_lit(out, "\"choices\":[],\"usage\":");
        ngx_llmops_openai_stop_usage(out, &stop->meter->usage);
        (void) ngx_llmops_out_lit(out, "}\n\n");
    }

    (void) ngx_llmops_out_lit(out, "data: [DONE]\n\n");
}


/* the members that all chunks share, with a comma behind each */

static void
ngx_llmops_openai_chunk(ngx_llmops_out_t *out, ngx_llmops_stop_t *stop)
{
    ngx_str_t   value;
    ngx_uint_t  i;

    static const char  *names[] = { "id", "object", "created", "model",
                                    "system_fingerprint" };

    (void) ngx_llmops_out_lit(out, "data: {");

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {

        if (ngx_llmops_json_get(&stop->event, names[i], &value) != NGX_OK) {
            continue;
        }

        (void) ngx_llmops_out_lit(out, "\"");
        (void) ngx_llmops_out_write(out, names[i], ngx_strlen(names[i]));
        (void) ngx_llmops_out_lit(out, "\":");
        (void) ngx_llmops_out_str(out, &value);
        (void) ngx_llmops_out_lit(out, ",");
    }
}


/* all that have not come to their own end */

static void
ngx_llmops_openai_stop_choices(ngx_llmops_out_t *out,
    ngx_llmops_stop_t *stop)
{
    int64_t  i;

    (void) ngx_llmops_out_lit(out, "\"choices\":[");

    for (i = 0; i < stop->choices && i < 32; i++) {

        if (stop->meter->finished >> i & 1) {
            continue;
        }

        if (out->data[out->len - 1] != '[') {
            (void) ngx_llmops_out_lit(out, ",");
        }

        (void) ngx_llmops_out_lit(out, "{\"index\":");
        (void) ngx_llmops_out_int(out, i);

        if (stop->op == NGX_LLMOPS_OP_COMPLETIONS) {
            (void) ngx_llmops_out_lit(out, ",\"text\":\"\"");

        } else {
            (void) ngx_llmops_out_lit(out, ",\"delta\":{}");
        }

        (void) ngx_llmops_out_lit(out, ",\"logprobs\":null,"
                                       "\"finish_reason\":\"length\"}");

        if (out->failed) {
            return;
        }
    }

    (void) ngx_llmops_out_lit(out, "]");
}


static void
ngx_llmops_openai_stop_usage(ngx_llmops_out_t *out,
    ngx_llmops_usage_t *usage)
{
    (void) ngx_llmops_out_lit(out, "{\"prompt_tokens\":");
    (void) ngx_llmops_out_int(out, usage->input);
    (void) ngx_llmops_out_lit(out, ",\"completion_tokens\":");
    (void) ngx_llmops_out_int(out, usage->output);
    (void) ngx_llmops_out_lit(out, ",\"total_tokens\":");
    (void) ngx_llmops_out_int(out, usage->input + usage->output);
    (void) ngx_llmops_out_lit(out, "}");
}


void
ngx_llmops_anthropic_write_stop(ngx_llmops_out_t *out,
    ngx_llmops_stop_t *stop)
{
    if (stop->meter->block) {
        (void) ngx_llmops_out_lit(out, "event: content_block_stop\n"
                                       "data: {\"type\":"
                                       "\"content_block_stop\",\"index\":");
        (void) ngx_llmops_out_int(out, (int64_t) stop->meter->block - 1);
        (void) ngx_llmops_out_lit(out, "}\n\n");
    }

    (void) ngx_llmops_out_lit(out, "event: message_delta\n"
                                   "data: {\"type\":\"message_delta\","
                                   "\"delta\":{\"stop_reason\":"
                                   "\"max_tokens\",\"stop_sequence\":null},"
                                   "\"usage\":{\"output_tokens\":");
    (void) ngx_llmops_out_int(out, stop->meter->usage.output);
    (void) ngx_llmops_out_lit(out, "}");
    ngx_llmops_stop_mark(out, stop);
    (void) ngx_llmops_out_lit(out, "}\n\nevent: message_stop\n"
                                   "data: {\"type\":\"message_stop\"}\n\n");
}
