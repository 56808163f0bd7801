
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_arg.h"


ngx_int_t
ngx_llmops_arg_read(ngx_str_t *word, ngx_llmops_arg_t *arg)
{
    u_char  *eq;

    eq = ngx_strlchr(word->data, word->data + word->len, '=');

    if (eq == NULL) {
        return NGX_ERROR;
    }

    arg->name.data = word->data;
    arg->name.len = eq - word->data;
    arg->value.data = eq + 1;
    arg->value.len = word->len - arg->name.len - 1;

    return NGX_OK;
}


ngx_uint_t
ngx_llmops_arg_next(ngx_str_t *list, ngx_str_t *item)
{
    u_char  *comma;

    if (list->data == NULL) {
        return 0;
    }

    *item = *list;

    comma = ngx_strlchr(list->data, list->data + list->len, ',');

    if (comma == NULL) {
        ngx_str_null(list);
        return 1;
    }

    item->len = comma - list->data;

    list->data += item->len + 1;
    list->len -= item->len + 1;

    return 1;
}


ngx_int_t
ngx_llmops_arg_percent(ngx_str_t *value)
{
    ngx_int_t  n;

    if (value->len < 2 || value->data[value->len - 1] != '%') {
        return NGX_ERROR;
    }

    n = ngx_atofp(value->data, value->len - 1, 2);

    return n <= 10000 ? n : NGX_ERROR;
}


ngx_int_t
ngx_llmops_arg_share(ngx_str_t *value, ngx_uint_t *share)
{
    ngx_int_t  n;

    n = ngx_llmops_arg_percent(value);
    *share = n;

    return n >= 0 ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_llmops_arg_compile(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_complex_value_t *cv)
{
    ngx_http_compile_complex_value_t  ccv;

    ngx_memzero(cv, sizeof(ngx_http_complex_value_t));
    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = value;
    ccv.complex_value = cv;

    return ngx_http_compile_complex_value(&ccv);
}


ngx_http_complex_value_t *
ngx_llmops_arg_complex(ngx_conf_t *cf, ngx_str_t *value)
{
    ngx_http_complex_value_t  *cv;

    cv = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));

    if (cv == NULL || ngx_llmops_arg_compile(cf, value, cv) != NGX_OK) {
        return NULL;
    }

    return cv;
}
