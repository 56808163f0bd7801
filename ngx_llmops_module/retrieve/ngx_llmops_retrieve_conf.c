
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_index.h"
#include "ngx_llmops_arg.h"
#include "ngx_llmops_retrieve.h"


/* "retrieve" of a route */


#define NGX_LLMOPS_RETRIEVE_TOP      5
#define NGX_LLMOPS_RETRIEVE_MAX      (16 * 1024)
#define NGX_LLMOPS_RETRIEVE_TIMEOUT  500


static ngx_int_t ngx_llmops_retrieve_param(ngx_conf_t *cf,
    ngx_llmops_retrieve_conf_t *conf, ngx_str_t *word);
static ngx_int_t ngx_llmops_retrieve_number(
    ngx_llmops_retrieve_conf_t *conf, ngx_llmops_arg_t *arg);
static ngx_int_t ngx_llmops_retrieve_where(ngx_conf_t *cf,
    ngx_llmops_retrieve_conf_t *conf, ngx_str_t *s);


/* retrieve INDEX [top=N] [min=SIMILARITY] [max=SIZE] [timeout=TIME]
   [fail=open|closed] [query=VARIABLE] [where=NAME:VALUE] ...; */

char *
ngx_llmops_retrieve_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_route_t *route = conf;

    ngx_int_t                    rc;
    ngx_str_t                   *value;
    ngx_uint_t                   i;
    ngx_llmops_retrieve_conf_t  *rtv;

    if (route->retrieve) {
        return "is duplicate";
    }

    rtv = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_retrieve_conf_t));

    if (rtv == NULL
        || ngx_array_init(&rtv->where, cf->pool, 1,
                          sizeof(ngx_llmops_where_t))
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    rtv->name = value[1];
    rtv->top = NGX_LLMOPS_RETRIEVE_TOP;
    rtv->max = NGX_LLMOPS_RETRIEVE_MAX;
    rtv->timeout = NGX_LLMOPS_RETRIEVE_TIMEOUT;
    rtv->place.file = cf->conf_file->file.name;
    rtv->place.line = cf->conf_file->line;

    for (i = 2; i < cf->args->nelts; i++) {
        rc = ngx_llmops_retrieve_param(cf, rtv, &value[i]);

        if (rc == NGX_ERROR) {
            return NGX_CONF_ERROR;
        }

        if (rc == NGX_DECLINED) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\", write \"retrieve "
                               "INDEX [top=1 to %d] [min=0 to 1] "
                               "[max=1k to 256k] [timeout=1ms to 10s] "
                               "[fail=open|closed] [query=VARIABLE] "
                               "[where=NAME:VALUE];\"", &value[i],
                               NGX_LLMOPS_RETRIEVE_TOP_MAX);
            return NGX_CONF_ERROR;
        }
    }

    route->retrieve = rtv;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_llmops_retrieve_param(ngx_conf_t *cf, ngx_llmops_retrieve_conf_t *conf,
    ngx_str_t *word)
{
    ngx_llmops_arg_t  arg;

    if (ngx_llmops_arg_read(word, &arg) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (ngx_strcmp(word->data, "fail=open") == 0) {
        return NGX_OK;
    }

    if (ngx_strcmp(word->data, "fail=closed") == 0) {
        conf->closed = 1;
        return NGX_OK;
    }

    if (ngx_llmops_arg_is(&arg, "query")) {
        conf->query = arg.value;
        return arg.value.len ? NGX_OK : NGX_DECLINED;
    }

    if (ngx_llmops_arg_is(&arg, "where")) {
        return ngx_llmops_retrieve_where(cf, conf, &arg.value);
    }

    return ngx_llmops_retrieve_number(conf, &arg);
}


static ngx_int_t
ngx_llmops_retrieve_number(ngx_llmops_retrieve_conf_t *conf,
    ngx_llmops_arg_t *arg)
{
    ssize_t  n;

    if (ngx_llmops_arg_is(arg, "top")) {
        n = ngx_atoi(arg->value.data, arg->value.len);
        conf->top = n;

        return (n >= 1 && n <= NGX_LLMOPS_RETRIEVE_TOP_MAX) ? NGX_OK
                                                            : NGX_DECLINED;
    }

    if (ngx_llmops_arg_is(arg, "min")) {
        n = ngx_atofp(arg->value.data, arg->value.len, 4);
        conf->min = (float) n / 10000;

        return (n >= 0 && n < 10000) ? NGX_OK : NGX_DECLINED;
    }

    if (ngx_llmops_arg_is(arg, "max")) {
        n = ngx_parse_size(&arg->value);
        conf->max = n;

        return (n >= 1024 && n <= NGX_LLMOPS_RETRIEVE_MAX_MAX) ? NGX_OK
                                                              : NGX_DECLINED;
    }

    if (ngx_llmops_arg_is(arg, "timeout")) {
        n = ngx_parse_time(&arg->value, 0);
        conf->timeout = n;

        return (n >= 1 && n <= 10000) ? NGX_OK : NGX_DECLINED;
    }

    return NGX_DECLINED;
}


/* NAME:VALUE, of a member of metadata */

static ngx_int_t
ngx_llmops_retrieve_where(ngx_conf_t *cf, ngx_llmops_retrieve_conf_t *conf,
    ngx_str_t *s)
{
    u_char              *colon, *p;
    ngx_str_t            text;
    ngx_llmops_where_t  *where;

    colon = ngx_strlchr(s->data, s->data + s->len, ':');

    if (colon == NULL || colon == s->data
        || colon - s->data > NGX_LLMOPS_INDEX_META_KEY
        || conf->where.nelts == NGX_LLMOPS_RETRIEVE_WHERE_MAX)
    {
        return NGX_DECLINED;
    }

    for (p = s->data; p < colon; p++) {
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z')
              || (*p >= '0' && *p <= '9') || *p == '_'))
        {
            return NGX_DECLINED;
        }
    }

    where = ngx_array_push(&conf->where);
    if (where == NULL) {
        return NGX_ERROR;
    }

    where->key.data = s->data;
    where->key.len = colon - s->data;

    text.data = colon + 1;
    text.len = s->data + s->len - text.data;

    return ngx_llmops_arg_compile(cf, &text, &where->value);
}
