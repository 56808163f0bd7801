
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_request.h"


ngx_uint_t
ngx_llmops_edit_model(ngx_llmops_envelope_t *env, ngx_str_t *model,
    ngx_llmops_out_t *out, ngx_llmops_edit_t *edits)
{
    size_t  start;

    if (!env->json || model->len == 0
        || (model->len == env->model.len
            && ngx_memcmp(model->data, env->model.data, model->len) == 0))
    {
        return 0;
    }

    start = out->len;

    edits->start = env->model_start;
    edits->end = env->model_end;

    if (env->model_end > env->model_start) {
        (void) ngx_llmops_out_json(out, model->data, model->len);

    } else {
        edits->start = env->open + 1;
        edits->end = edits->start;

        (void) ngx_llmops_out_lit(out, "\"model\":");
        (void) ngx_llmops_out_json(out, model->data, model->len);

        if (!env->empty) {
            (void) ngx_llmops_out_lit(out, ",");
        }
    }

    edits->text.len = out->len - start;

    return 1;
}


ngx_int_t
ngx_llmops_edits_finish(ngx_llmops_out_t *out, size_t start,
    ngx_llmops_edit_t *edits, ngx_uint_t n)
{
    ngx_uint_t         i;
    ngx_llmops_edit_t  e;

    if (out->failed) {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        edits[i].text.data = out->data + start;
        start += edits[i].text.len;
    }

    /* there are two at most */

    if (n == 2 && edits[0].start > edits[1].start) {
        e = edits[0];
        edits[0] = edits[1];
        edits[1] = e;
    }

    return n;
}
