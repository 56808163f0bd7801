
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_ask.h"
#include "ngx_llmops_arg.h"


/* Parameters of a line of llm_rules that asks somebody. */


#define NGX_LLMOPS_ASK_RUBRIC   65536


static ngx_int_t ngx_llmops_ask_action(ngx_llmops_ask_t *ask,
    ngx_str_t *value);
static ngx_int_t ngx_llmops_ask_number(ngx_str_t *text, double *n);
static ngx_int_t ngx_llmops_ask_over(ngx_conf_t *cf, ngx_llmops_ask_t *ask,
    ngx_str_t *list);
static ngx_int_t ngx_llmops_ask_rubric(ngx_conf_t *cf, ngx_llmops_ask_t *ask,
    ngx_str_t *value);


ngx_int_t
ngx_llmops_ask_param(ngx_conf_t *cf, ngx_llmops_ask_t *ask, ngx_str_t *word)
{
    ngx_llmops_arg_t  arg;

    if (ngx_llmops_arg_read(word, &arg) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_llmops_arg_is(&arg, "timeout") && ask->timeout == 0) {
        ask->timeout = ngx_parse_time(&arg.value, 0);
        return (ngx_int_t) ask->timeout > 0 ? NGX_OK : NGX_ERROR;
    }

    if (ngx_llmops_arg_is(&arg, "fail")) {
        ask->fail_open = (ngx_strcmp(arg.value.data, "open") == 0);
        return ask->fail_open || ngx_strcmp(arg.value.data, "closed") == 0
               ? NGX_OK : NGX_ERROR;
    }

    if (ngx_llmops_arg_is(&arg, "when") && !ask->input) {
        ask->after = (ngx_strcmp(arg.value.data, "after") == 0);
        return ask->after || ngx_strcmp(arg.value.data, "before") == 0
               ? NGX_OK : NGX_ERROR;
    }

    if (ngx_llmops_arg_is(&arg, "on_fail")) {
        return ngx_llmops_ask_action(ask, &arg.value);
    }

    if (ngx_llmops_arg_is(&arg, "rubric")
        && ask->kind == NGX_LLMOPS_ASK_JUDGE)
    {
        return ngx_llmops_ask_rubric(cf, ask, &arg.value);
    }

    if (ngx_llmops_arg_is(&arg, "min") && ask->kind == NGX_LLMOPS_ASK_JUDGE) {
        return ngx_llmops_ask_number(&arg.value, &ask->min);
    }

    if (ngx_llmops_arg_is(&arg, "over")
        && ask->kind == NGX_LLMOPS_ASK_MODERATION)
    {
        return ngx_llmops_ask_over(cf, ask, &arg.value);
    }

    if (ngx_llmops_arg_is(&arg, "token")
        && ask->kind == NGX_LLMOPS_ASK_WEBHOOK)
    {
        return ngx_llmops_secret_read(cf, &arg.value, "token", &ask->token);
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_llmops_ask_action(ngx_llmops_ask_t *ask, ngx_str_t *value)
{
    if (ngx_strcmp(value->data, "mark") == 0) {
        ask->rule.action = NGX_LLMOPS_ACT_MARK;
        return NGX_OK;
    }

    if (ask->input) {
        return ngx_strcmp(value->data, "reject") == 0 ? NGX_OK : NGX_ERROR;
    }

    if (ngx_strcmp(value->data, "next") == 0) {
        ask->rule.action = NGX_LLMOPS_ACT_NEXT;
        return NGX_OK;
    }

    return ngx_strcmp(value->data, "stop") == 0 ? NGX_OK : NGX_ERROR;
}


/* above 0, at most 1 */

static ngx_int_t
ngx_llmops_ask_number(ngx_str_t *text, double *n)
{
    ngx_int_t  thousandths;

    thousandths = ngx_atofp(text->data, text->len, 3);

    if (thousandths == NGX_ERROR || thousandths == 0 || thousandths > 1000) {
        return NGX_ERROR;
    }

    *n = thousandths / 1000.0;

    return NGX_OK;
}


/* over=CATEGORY:SCORE,... */

static ngx_int_t
ngx_llmops_ask_over(ngx_conf_t *cf, ngx_llmops_ask_t *ask, ngx_str_t *list)
{
    u_char                  *p, *last, *end, *colon;
    ngx_str_t                score;
    ngx_llmops_threshold_t  *over;

    if (ask->over == NULL) {
        ask->over = ngx_array_create(cf->pool, 4,
                                     sizeof(ngx_llmops_threshold_t));
        if (ask->over == NULL) {
            return NGX_ERROR;
        }
    }

    last = list->data + list->len;

    for (p = list->data; p < last; p = end + 1) {

        end = ngx_strlchr(p, last, ',');
        end = end ? end : last;

        /* the last one: names of categories have slashes, some have colons */

        for (colon = end; colon > p && *colon != ':'; colon--) { /* void */ }

        over = ngx_array_push(ask->over);
        if (over == NULL || colon == p) {
            return NGX_ERROR;
        }

        over->category.len = colon - p;
        over->category.data = ngx_pcalloc(cf->pool, over->category.len + 1);
        if (over->category.data == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(over->category.data, p, over->category.len);

        score.data = colon + 1;
        score.len = end - score.data;

        if (ngx_llmops_ask_number(&score, &over->score) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return ask->over->nelts ? NGX_OK : NGX_ERROR;
}


/* a text, or file:PATH */

static ngx_int_t
ngx_llmops_ask_rubric(ngx_conf_t *cf, ngx_llmops_ask_t *ask, ngx_str_t *value)
{
    ssize_t     n;
    ngx_str_t   path;
    ngx_file_t  file;

    if (value->len < 5 || ngx_memcmp(value->data, "file:", 5) != 0) {
        ask->rubric = *value;
        return NGX_OK;
    }

    path.data = value->data + 5;
    path.len = value->len - 5;

    if (ngx_conf_full_name(cf->cycle, &path, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_memzero(&file, sizeof(ngx_file_t));

    file.name = path;
    file.log = cf->log;
    file.fd = ngx_open_file(path.data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (file.fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_file_n " \"%V\" failed", &path);
        return NGX_ERROR;
    }

    ask->rubric.data = ngx_pnalloc(cf->pool, NGX_LLMOPS_ASK_RUBRIC);

    n = ask->rubric.data
        ? ngx_read_file(&file, ask->rubric.data, NGX_LLMOPS_ASK_RUBRIC, 0)
        : NGX_ERROR;

    ngx_close_file(file.fd);

    if (n <= 0 || n == NGX_LLMOPS_ASK_RUBRIC) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "rubric \"%V\" must have 1 to %d bytes", &path,
                           NGX_LLMOPS_ASK_RUBRIC - 1);
        return NGX_ERROR;
    }

    ask->rubric.len = n;

    return NGX_OK;
}
