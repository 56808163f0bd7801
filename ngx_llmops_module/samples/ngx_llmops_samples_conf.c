
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_samples_own.h"
#include "ngx_llmops_arg.h"
#include "ngx_llmops_rules.h"


/* llm_samples [size=SIZE] [key=SECRET ...]; sample ...; */


#define NGX_LLMOPS_SAMPLES_SIZE    (64 * 1024 * 1024)
#define NGX_LLMOPS_SAMPLES_MEMORY  (8 * 1024 * 1024)
#define NGX_LLMOPS_SAMPLES_LEAST   (1024 * 1024)
#define NGX_LLMOPS_SAMPLE_SIZE     65536
#define NGX_LLMOPS_SAMPLE_MOST     (1024 * 1024)
#define NGX_LLMOPS_SAMPLE_KEEP     (7 * 86400)
#define NGX_LLMOPS_SAMPLE_SHARE    100     /* of 10000 */


static ngx_llmops_samples_t *ngx_llmops_samples_conf(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf);
static char *ngx_llmops_samples_size(ngx_conf_t *cf, ngx_llmops_samples_t *s,
    ngx_str_t *arg, ngx_str_t *value);
static char *ngx_llmops_samples_key(ngx_conf_t *cf, ngx_llmops_samples_t *s,
    ngx_str_t *value);
static ngx_llmops_sampling_t *ngx_llmops_sample_add(ngx_conf_t *cf,
    ngx_llmops_route_t *route);
static ngx_int_t ngx_llmops_sample_param(ngx_conf_t *cf,
    ngx_llmops_sampling_t *sampling, ngx_str_t *word, ngx_uint_t *off);
static ngx_int_t ngx_llmops_sample_resolve(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_sampling_t *sampling);
static ngx_int_t ngx_llmops_sample_known(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_sampling_t *sampling);
static ngx_int_t ngx_llmops_samples_place(ngx_conf_t *cf,
    ngx_llmops_samples_t *s);


static ngx_llmops_samples_t *
ngx_llmops_samples_conf(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf)
{
    ngx_llmops_samples_t  *s;

    if (mcf->samples) {
        return mcf->samples;
    }

    s = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_samples_t));

    if (s == NULL
        || ngx_array_init(&s->routes, cf->pool, 4,
                          sizeof(ngx_llmops_sampling_t *))
           != NGX_OK)
    {
        return NULL;
    }

    s->mcf = mcf;
    s->fd = NGX_INVALID_FILE;

    mcf->samples = s;

    return s;
}


char *
ngx_llmops_samples_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_main_conf_t *mcf = conf;

    char                  *rv;
    ngx_str_t             *words;
    ngx_uint_t             i;
    ngx_llmops_arg_t       arg;
    ngx_llmops_samples_t  *s;

    s = ngx_llmops_samples_conf(cf, mcf);
    if (s == NULL) {
        return NGX_CONF_ERROR;
    }

    if (s->said) {
        return "is duplicate";
    }

    s->said = 1;

    words = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_llmops_arg_read(&words[i], &arg) != NGX_OK) {
            ngx_str_null(&arg.name);
        }

        if (ngx_llmops_arg_is(&arg, "size")) {
            rv = ngx_llmops_samples_size(cf, s, &words[i], &arg.value);

        } else if (ngx_llmops_arg_is(&arg, "key")) {
            rv = ngx_llmops_samples_key(cf, s, &arg.value);

        } else {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\" of \"llm_samples\", "
                               "it has size=64m and key=file:PATH", &words[i]);
            return NGX_CONF_ERROR;
        }

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_llmops_samples_size(ngx_conf_t *cf, ngx_llmops_samples_t *s,
    ngx_str_t *arg, ngx_str_t *value)
{
    off_t  size;

    size = ngx_parse_offset(value);

    if (size < NGX_LLMOPS_SAMPLES_LEAST || s->size) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid or duplicate \"%V\" of \"llm_samples\", "
                           "it must be 1m or more, as in \"size=64m\"", arg);
        return NGX_CONF_ERROR;
    }

    s->size = (size_t) size;

    return NGX_CONF_OK;
}


/* the key itself takes the place of its text, in the secret's page */

static char *
ngx_llmops_samples_key(ngx_conf_t *cf, ngx_llmops_samples_t *s,
    ngx_str_t *value)
{
    u_char                key[NGX_LLMOPS_RECORD_KEY];
    ngx_llmops_secret_t  *secret;

    if (s->keys.n == NGX_LLMOPS_RECORD_KEYS) {
        return "has more than four keys";
    }

    secret = &s->secrets[s->keys.n];

    if (ngx_llmops_secret_read(cf, value, "key", secret) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (ngx_llmops_record_key(&secret->value, key) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "a \"key=\" of \"llm_samples\" is no key: it must "
                           "be 32 bytes as 64 hexadecimal digits or in base64, "
                           "as \"openssl rand -hex 32\" makes them");
        return NGX_CONF_ERROR;
    }

    ngx_explicit_memzero(secret->value.data, secret->value.len);
    ngx_memcpy(secret->value.data, key, NGX_LLMOPS_RECORD_KEY);
    ngx_explicit_memzero(key, sizeof(key));

    s->keys.keys[s->keys.n++] = secret->value.data;

    return NGX_CONF_OK;
}


char *
ngx_llmops_sample_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_route_t *route = conf;

    ngx_str_t              *arg;
    ngx_uint_t              i, off;
    ngx_llmops_sampling_t  *sampling;

    if (route->sample) {
        return "is duplicate";
    }

    sampling = ngx_llmops_sample_add(cf, route);
    if (sampling == NULL) {
        return NGX_CONF_ERROR;
    }

    off = 0;
    arg = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_llmops_sample_param(cf, sampling, &arg[i], &off) != NGX_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid or duplicate parameter \"%V\" of "
                               "\"sample\", it has share=1%%, pairs=100%%, "
                               "max_size=64k (up to 1m), keep=7d and "
                               "redact=RULES or redact=off", &arg[i]);
            return NGX_CONF_ERROR;
        }
    }

    if (sampling->redact == NULL && !off) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"sample\" must say what is not to be kept, with "
                           "\"redact=RULES\", the name of an llm_rules that "
                           "has patterns, or else \"redact=off\"");
        return NGX_CONF_ERROR;
    }

    ngx_conf_init_uint_value(sampling->share, NGX_LLMOPS_SAMPLE_SHARE);
    ngx_conf_init_uint_value(sampling->pairs, sampling->share);

    if (sampling->max_size == 0) {
        sampling->max_size = NGX_LLMOPS_SAMPLE_SIZE;
    }

    if (sampling->keep == 0) {
        sampling->keep = NGX_LLMOPS_SAMPLE_KEEP;
    }

    return NGX_CONF_OK;
}


static ngx_llmops_sampling_t *
ngx_llmops_sample_add(ngx_conf_t *cf, ngx_llmops_route_t *route)
{
    ngx_llmops_samples_t    *s;
    ngx_llmops_sampling_t   *sampling, **slot;

    s = ngx_llmops_samples_conf(cf, ngx_http_conf_get_module_main_conf(cf,
                                                          ngx_llmops_module));
    sampling = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_sampling_t));
    slot = s ? ngx_array_push(&s->routes) : NULL;

    if (sampling == NULL || slot == NULL) {
        return NULL;
    }

    *slot = sampling;
    route->sample = sampling;

    sampling->route = route;
    sampling->share = NGX_CONF_UNSET_UINT;
    sampling->pairs = NGX_CONF_UNSET_UINT;
    sampling->place.file = cf->conf_file->file.name;
    sampling->place.line = cf->conf_file->line;

    return sampling;
}


static ngx_int_t
ngx_llmops_sample_param(ngx_conf_t *cf, ngx_llmops_sampling_t *sampling,
    ngx_str_t *word, ngx_uint_t *off)
{
    ssize_t            size;
    ngx_str_t         *slot;
    ngx_llmops_arg_t   arg;

    if (ngx_llmops_arg_read(word, &arg) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_llmops_arg_is(&arg, "share")
        && sampling->share == NGX_CONF_UNSET_UINT)
    {
        return ngx_llmops_arg_share(&arg.value, &sampling->share);
    }

    if (ngx_llmops_arg_is(&arg, "pairs")
        && sampling->pairs == NGX_CONF_UNSET_UINT)
    {
        return ngx_llmops_arg_share(&arg.value, &sampling->pairs);
    }

    if (ngx_llmops_arg_is(&arg, "max_size") && sampling->max_size == 0) {
        size = ngx_parse_size(&arg.value);
        sampling->max_size = size;
        return (size >= 1024 && size <= NGX_LLMOPS_SAMPLE_MOST) ? NGX_OK
                                                                : NGX_ERROR;
    }

    if (ngx_llmops_arg_is(&arg, "keep") && sampling->keep == 0) {
        sampling->keep = ngx_parse_time(&arg.value, 1);
        return sampling->keep > 0 ? NGX_OK : NGX_ERROR;
    }

    if (!ngx_llmops_arg_is(&arg, "redact") || arg.value.len == 0 || *off) {
        return NGX_ERROR;
    }

    if (arg.value.len == 3 && ngx_memcmp(arg.value.data, "off", 3) == 0) {
        *off = 1;
        return sampling->redact ? NGX_ERROR : NGX_OK;
    }

    if (sampling->redact == NULL) {
        sampling->redact = ngx_array_create(cf->pool, 2, sizeof(ngx_str_t));
    }

    slot = sampling->redact ? ngx_array_push(sampling->redact) : NULL;

    if (slot == NULL) {
        return NGX_ERROR;
    }

    *slot = arg.value;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_samples_init(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf)
{
    ngx_uint_t               i;
    ngx_llmops_samples_t    *s;
    ngx_llmops_sampling_t  **sampling;

    s = mcf->samples;

    if (s == NULL) {
        return NGX_OK;
    }

    if (ngx_llmops_samples_place(cf, s) != NGX_OK) {
        return NGX_ERROR;
    }

    sampling = s->routes.elts;

    for (i = 0; i < s->routes.nelts; i++) {

        if (s->shortest == 0 || sampling[i]->keep < s->shortest) {
            s->shortest = sampling[i]->keep;
        }

        if (s->size / 16
            < sampling[i]->max_size + 2 * NGX_LLMOPS_RECORD_HEAD)
        {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"max_size=\" of \"sample\" may be a seventeenth of "
                          "all samples at most, write \"llm_samples size=%uzm\""
                          " or more, or a smaller \"max_size=\" in %V:%ui",
                          sampling[i]->max_size * 17 / 1048576 + 1,
                          &sampling[i]->place.file, sampling[i]->place.line);
            return NGX_ERROR;
        }

        if (ngx_llmops_sample_resolve(cf, mcf, sampling[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* its rules, as those of a route that has no others */

static ngx_int_t
ngx_llmops_sample_resolve(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_sampling_t *sampling)
{
    ngx_llmops_route_t  *own;
    ngx_llmops_ruled_t  *ruled;

    if (sampling->redact == NULL) {
        return NGX_OK;
    }

    if (ngx_llmops_sample_known(cf, mcf, sampling) != NGX_OK) {
        return NGX_ERROR;
    }

    own = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_route_t));
    if (own == NULL) {
        return NGX_ERROR;
    }

    own->name = sampling->route->name;
    own->rules = sampling->redact;
    own->rules_place = sampling->place;
    own->place = sampling->place;

    if (ngx_llmops_rules_resolve(cf, mcf, own) != NGX_OK) {
        return NGX_ERROR;
    }

    ruled = own->ruled;

    if (ruled->input.sets[NGX_LLMOPS_TEXT_CONTENT] == NULL
        && ruled->output.sets[NGX_LLMOPS_TEXT_CONTENT] == NULL)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "the rules of \"redact=\" have no patterns, add "
                      "\"input redact match=...;\" to them, or write "
                      "\"redact=off\" in %V:%ui",
                      &sampling->place.file, sampling->place.line);
        return NGX_ERROR;
    }

    sampling->ruled = ruled;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_sample_known(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_sampling_t *sampling)
{
    ngx_str_t              *names;
    ngx_uint_t              i, k, n;
    ngx_llmops_ruleset_t  **sets;

    names = sampling->redact->elts;
    sets = mcf->rulesets ? mcf->rulesets->elts : NULL;
    n = mcf->rulesets ? mcf->rulesets->nelts : 0;

    for (i = 0; i < sampling->redact->nelts; i++) {

        for (k = 0; k < n; k++) {
            if (sets[k]->name.len == names[i].len
                && ngx_memcmp(sets[k]->name.data, names[i].data,
                              names[i].len)
                   == 0)
            {
                break;
            }
        }

        if (k == n) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "unknown llm_rules \"%V\" in \"redact=\" of "
                          "\"sample\", add \"llm_rules %V { input redact "
                          "match=...; }\" or write \"redact=off\" in %V:%ui",
                          &names[i], &names[i], &sampling->place.file,
                          sampling->place.line);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* where they are kept */

static ngx_int_t
ngx_llmops_samples_place(ngx_conf_t *cf, ngx_llmops_samples_t *s)
{
    size_t      size;
    u_char     *p;
    ngx_str_t   name = ngx_string("llm_samples");

    size = NGX_LLMOPS_SAMPLES_SIZE;

    if (s->mcf->redis) {
        s->engine = NULL;

    } else if (s->mcf->state) {
        s->engine = &ngx_llmops_samples_file;

        s->dir.len = s->mcf->state->name.len + sizeof("/samples") - 1;
        s->dir.data = ngx_pnalloc(cf->pool, s->dir.len + 1);

        if (s->dir.data == NULL) {
            return NGX_ERROR;
        }

        p = ngx_cpymem(s->dir.data, s->mcf->state->name.data,
                       s->mcf->state->name.len);
        ngx_memcpy(p, "/samples", sizeof("/samples"));

    } else {
        s->engine = &ngx_llmops_samples_memory;
        size = NGX_LLMOPS_SAMPLES_MEMORY;
    }

    if (s->size == 0) {
        s->size = size;
    }

    if (s->engine != &ngx_llmops_samples_memory) {
        return NGX_OK;
    }

    s->zone = ngx_shared_memory_add(cf, &name, s->size + 16 * ngx_pagesize,
                                    &ngx_llmops_module);
    if (s->zone == NULL) {
        return NGX_ERROR;
    }

    s->zone->init = ngx_llmops_samples_zone_init;

    return NGX_OK;
}
