
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_cursor.h"
#include "ngx_llmops_tap.h"


void
ngx_llmops_tap_unquote(ngx_str_t *value)
{
    if (value->len < 2 || value->data[0] != '"') {
        value->len = 0;
        return;
    }

    value->data++;
    value->len -= 2;
}


void
ngx_llmops_tap_model(ngx_llmops_meter_t *m, ngx_str_t *value)
{
    ngx_str_t  name;

    name = *value;
    ngx_llmops_tap_unquote(&name);

    if (m->model_len || name.len == 0) {
        return;
    }

    m->model_len = ngx_min(name.len, NGX_LLMOPS_METER_MODEL);
    ngx_memcpy(m->model, name.data, m->model_len);
}


ngx_uint_t
ngx_llmops_tap_truthy(ngx_str_t *value)
{
    switch (ngx_llmops_json_type(value)) {

    case NGX_LLMOPS_JSON_NONE:
    case NGX_LLMOPS_JSON_NULL:
    case NGX_LLMOPS_JSON_FALSE:
        return 0;

    case NGX_LLMOPS_JSON_STRING:
        return value->len > 2;

    case NGX_LLMOPS_JSON_NUMBER:
        return !ngx_llmops_is(value, "0");

    default:
        return 1;
    }
}


void
ngx_llmops_tap_running(ngx_llmops_meter_t *m)
{
    if (m->content && m->usage.output > 0) {
        m->output_tokens = (size_t) m->usage.output;
    }
}


void
ngx_llmops_tap_error(ngx_llmops_meter_t *m, ngx_llmops_tap_t *tap,
    ngx_str_t *value)
{
    m->error = 1;
    m->finish = NGX_LLMOPS_FINISH_ERROR;

    tap->error = *value;
}


void
ngx_llmops_tap_span(ngx_llmops_meter_t *m, ngx_llmops_json_member_t *found)
{
    if (found->count && found->end - found->start > 2) {
        m->output_bytes += found->end - found->start;
        m->content = 1;
    }
}
