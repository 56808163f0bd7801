
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_dialect.h"


/*
 * Estimates.  Four bytes of text are a token, as providers say of English;
 * code and other scripts differ by a factor of two, either way.  They serve
 * to reserve before the answer, and to charge for what was not reported.
 */

#define NGX_LLMOPS_TOKEN_BYTES   4


static int64_t
ngx_llmops_estimate(size_t bytes)
{
    return bytes / NGX_LLMOPS_TOKEN_BYTES
           + (bytes % NGX_LLMOPS_TOKEN_BYTES != 0);
}


int64_t
ngx_llmops_estimate_input(ngx_llmops_envelope_t *env)
{
    if (env->estimated) {
        return env->estimated - 1;
    }

    return ngx_llmops_estimate(env->text_bytes)
           + (int64_t) env->images * NGX_LLMOPS_IMAGE_TOKENS;
}


int64_t
ngx_llmops_estimate_output(size_t bytes)
{
    return ngx_llmops_estimate(bytes);
}


/* operations that are charged by tokens of text */

static ngx_uint_t
ngx_llmops_meter_counted(ngx_llmops_op_e op)
{
    return op == NGX_LLMOPS_OP_CHAT || op == NGX_LLMOPS_OP_MESSAGES
           || op == NGX_LLMOPS_OP_COMPLETIONS
           || op == NGX_LLMOPS_OP_EMBEDDINGS
           || op == NGX_LLMOPS_OP_RESPONSES;
}


/* the answer came to its end, so that what was reported is all of it */

static ngx_uint_t
ngx_llmops_meter_whole(ngx_llmops_meter_t *m, ngx_llmops_op_e op)
{
    if (m->terminal) {
        return 1;
    }

    /* some servers leave out [DONE]; Responses says tool_calls earlier */

    return m->finish != NGX_LLMOPS_FINISH_NONE
           && m->finish != NGX_LLMOPS_FINISH_ERROR
           && op != NGX_LLMOPS_OP_RESPONSES;
}


/*
 * A stream that was cut may have reported usage before: exact for the input,
 * running or of the first token for the output.
 */

void
ngx_llmops_meter_estimate(ngx_llmops_meter_t *m, ngx_llmops_envelope_t *env)
{
    int64_t              output;
    ngx_llmops_usage_t  *u;

    u = &m->usage;

    if (!ngx_llmops_meter_counted(env->op)
        || (u->source == NGX_LLMOPS_USAGE_REPORTED
            && ngx_llmops_meter_whole(m, env->op)))
    {
        return;
    }

    if (u->source == NGX_LLMOPS_USAGE_NONE) {

        if (!m->started) {
            return;
        }

        u->input = ngx_llmops_estimate_input(env);
    }

    output = m->output_tokens
             ? (int64_t) m->output_tokens
             : ngx_llmops_estimate_output(m->output_bytes);

    if (output == 0 && m->content) {
        output = 1;
    }

    u->output = ngx_max(u->output, output);
    u->source = NGX_LLMOPS_USAGE_ESTIMATED;
}
