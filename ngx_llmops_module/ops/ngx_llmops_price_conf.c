
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_price.h"
#include "ngx_llmops_provider.h"


/*
 * Where prices come from: llm_price lines of a provider first, since an
 * operator wrote them for it, then the price map, which others maintain.
 */


static char *ngx_llmops_price_param(ngx_conf_t *cf, ngx_str_t *arg,
    ngx_llmops_price_t *price);
static char *ngx_llmops_price_duplicate(ngx_conf_t *cf,
    ngx_llmops_provider_t *p, ngx_str_t *model);
static ngx_llmops_price_t *ngx_llmops_price_line(ngx_llmops_provider_t *p,
    ngx_str_t *model);
static ngx_llmops_price_t *ngx_llmops_price_entry(ngx_array_t *prices,
    ngx_str_t *prefix, ngx_str_t *model);
static ngx_int_t ngx_llmops_price_compare(ngx_str_t *name, ngx_str_t *prefix,
    ngx_str_t *model);


typedef struct {
    ngx_str_t                  name;
    size_t                     offset;
} ngx_llmops_price_param_t;


static ngx_llmops_price_param_t  ngx_llmops_price_params[] = {
    { ngx_string("input="), offsetof(ngx_llmops_price_t, input) },
    { ngx_string("output="), offsetof(ngx_llmops_price_t, output) },
    { ngx_string("cached="), offsetof(ngx_llmops_price_t, cache_read) },
    { ngx_string("cache_write="), offsetof(ngx_llmops_price_t, cache_write) },
    { ngx_string("cache_write_1h="),
      offsetof(ngx_llmops_price_t, cache_write_1h) },
    { ngx_string("reasoning="), offsetof(ngx_llmops_price_t, reasoning) },
    { ngx_string("audio_in="), offsetof(ngx_llmops_price_t, audio_in) },
    { ngx_string("audio_out="), offsetof(ngx_llmops_price_t, audio_out) },
    { ngx_string("image_in="), offsetof(ngx_llmops_price_t, image_in) },
    { ngx_string("image_out="), offsetof(ngx_llmops_price_t, image_out) },
    { ngx_null_string, 0 }
};


/* llm_price MODEL name=usd ...; */

char *
ngx_llmops_price_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_provider_t *p = conf;

    ngx_str_t                *value;
    ngx_uint_t                i;
    ngx_llmops_price_t        price;
    ngx_llmops_price_line_t  *line;

    value = cf->args->elts;

    ngx_llmops_provider_mark(cf, p);

    if (ngx_llmops_price_duplicate(cf, p, &value[1]) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    ngx_llmops_price_clear(&price);

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_llmops_price_param(cf, &value[i], &price) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if (price.input < 0 && price.output < 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"llm_price %V\" needs \"input=USD\" or "
                           "\"output=USD\", per million tokens", &value[1]);
        return NGX_CONF_ERROR;
    }

    line = ngx_array_push(p->prices);
    if (line == NULL) {
        return NGX_CONF_ERROR;
    }

    line->model = value[1];
    line->price = price;

    return NGX_CONF_OK;
}


static char *
ngx_llmops_price_param(ngx_conf_t *cf, ngx_str_t *arg,
    ngx_llmops_price_t *price)
{
    int64_t                   *field;
    ngx_int_t                  rc;
    ngx_str_t                  text;
    ngx_llmops_price_param_t  *param;

    for (param = ngx_llmops_price_params; param->name.len; param++) {
        if (ngx_strncmp(arg->data, param->name.data, param->name.len) == 0) {
            break;
        }
    }

    if (param->name.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\", \"llm_price\" has "
                           "input=, output=, cached=, cache_write=, "
                           "cache_write_1h=, reasoning=, audio_in=, "
                           "audio_out=, image_in= and image_out=", arg);
        return NGX_CONF_ERROR;
    }

    field = (int64_t *) ((u_char *) price + param->offset);

    if (*field >= 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate parameter \"%V\"", arg);
        return NGX_CONF_ERROR;
    }

    text.data = arg->data + param->name.len;
    text.len = arg->len - param->name.len;

    rc = ngx_llmops_price_parse(&text, NGX_LLMOPS_PRICE_DIGITS, 0, field);

    if (rc == NGX_OK) {
        return NGX_CONF_OK;
    }

    if (rc == NGX_DECLINED) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid price \"%V\", it may have at most %d "
                           "decimals", arg, NGX_LLMOPS_PRICE_DIGITS);
        return NGX_CONF_ERROR;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid price \"%V\", write USD per million tokens, "
                       "for example \"%V2.50\"", arg, &param->name);
    return NGX_CONF_ERROR;
}


static char *
ngx_llmops_price_duplicate(ngx_conf_t *cf, ngx_llmops_provider_t *p,
    ngx_str_t *model)
{
    u_char                   *star;
    ngx_uint_t                i;
    ngx_llmops_price_line_t  *line;

    star = ngx_strlchr(model->data, model->data + model->len, '*');

    if (star && star != model->data + model->len - 1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid model name \"%V\" in \"llm_price\", \"*\" "
                           "may only be its last character", model);
        return NGX_CONF_ERROR;
    }

    if (p->prices == NULL || p->prices == NGX_CONF_UNSET_PTR) {
        p->prices = ngx_array_create(cf->pool, 4,
                                     sizeof(ngx_llmops_price_line_t));
        return p->prices ? NGX_CONF_OK : NGX_CONF_ERROR;
    }

    line = p->prices->elts;

    for (i = 0; i < p->prices->nelts; i++) {
        if (line[i].model.len == model->len
            && ngx_memcmp(line[i].model.data, model->data, model->len) == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate \"llm_price %V\"", model);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


char *
ngx_llmops_prices_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_main_conf_t *mcf = conf;

    ngx_str_t  *value;

    if (mcf->prices_file.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    mcf->prices_file = value[1];

    /* relative to nginx.conf, as ssl_certificate and its like */

    if (ngx_conf_full_name(cf->cycle, &mcf->prices_file, 1) != NGX_OK
        || ngx_llmops_prices_load(cf, mcf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


ngx_llmops_price_t *
ngx_llmops_price_find(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_provider_t *provider, ngx_str_t *model)
{
    ngx_str_t            none;
    ngx_llmops_price_t  *price;

    price = ngx_llmops_price_line(provider, model);

    if (price || mcf->prices == NULL) {
        return price;
    }

    price = ngx_llmops_price_entry(mcf->prices, &provider->name, model);

    if (price) {
        return price;
    }

    ngx_str_null(&none);

    return ngx_llmops_price_entry(mcf->prices, &none, model);
}


/* an exact name is longer than any of its prefixes, and wins over itself
   with a star */

static ngx_llmops_price_t *
ngx_llmops_price_line(ngx_llmops_provider_t *p, ngx_str_t *model)
{
    size_t                    len;
    ngx_uint_t                i;
    ngx_llmops_price_line_t  *line, *best;

    if (p->prices == NULL || p->prices == NGX_CONF_UNSET_PTR) {
        return NULL;
    }

    best = NULL;
    line = p->prices->elts;

    for (i = 0; i < p->prices->nelts; i++) {

        len = line[i].model.len;

        if (len == model->len
            && ngx_memcmp(line[i].model.data, model->data, len) == 0)
        {
            return &line[i].price;
        }

        if (len && line[i].model.data[len - 1] == '*'
            && len - 1 <= model->len
            && ngx_memcmp(line[i].model.data, model->data, len - 1) == 0
            && (best == NULL || len > best->model.len))
        {
            best = &line[i];
        }
    }

    return best ? &best->price : NULL;
}


/* "prefix/model", or "model" without a prefix, in the sorted map */

static ngx_llmops_price_t *
ngx_llmops_price_entry(ngx_array_t *prices, ngx_str_t *prefix,
    ngx_str_t *model)
{
    ngx_int_t                  rc;
    ngx_uint_t                 low, high, mid;
    ngx_llmops_price_entry_t  *entry;

    entry = prices->elts;

    low = 0;
    high = prices->nelts;

    while (low < high) {
        mid = (low + high) / 2;
        rc = ngx_llmops_price_compare(&entry[mid].model, prefix, model);

        if (rc == 0) {
            return &entry[mid].price;
        }

        if (rc > 0) {
            high = mid;

        } else {
            low = mid + 1;
        }
    }

    return NULL;
}


/* by length first: the order in which the map is sorted */

static ngx_int_t
ngx_llmops_price_compare(ngx_str_t *name, ngx_str_t *prefix,
    ngx_str_t *model)
{
    size_t     len, skip;
    ngx_int_t  rc;

    skip = prefix->len ? prefix->len + 1 : 0;
    len = skip + model->len;

    if (name->len != len) {
        return name->len > len ? 1 : -1;
    }

    if (skip) {
        rc = ngx_memcmp(name->data, prefix->data, prefix->len);
        if (rc) {
            return rc;
        }

        if (name->data[skip - 1] != '/') {
            return name->data[skip - 1] - '/';
        }
    }

    return ngx_memcmp(name->data + skip, model->data, model->len);
}
