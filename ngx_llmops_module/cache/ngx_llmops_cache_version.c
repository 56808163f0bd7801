
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_own.h"
#include "ngx_llmops_rules.h"
#include "ngx_llmops_rollout.h"

#include <openssl/evp.h>


/*
 * The version of a route: a digest of what its configuration says about
 * answers.  Not of what it says about limits, retries, weights or the cache
 * itself: changing those keeps what is cached.  Rules are taken as they are
 * written, since whatever they will be able to say is then part of it, with the
 * content of the schemas that they name and all patterns there are.
 */


#define NGX_LLMOPS_CACHE_SCHEMA  (8 * 1024 * 1024)


static void ngx_llmops_version_add(EVP_MD_CTX *md, ngx_str_t *s);
static ngx_int_t ngx_llmops_version_route(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, EVP_MD_CTX *md, ngx_array_t *rules);
static ngx_int_t ngx_llmops_version_rules(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, EVP_MD_CTX *md, ngx_str_t *name);
static ngx_int_t ngx_llmops_version_set(ngx_conf_t *cf, EVP_MD_CTX *md,
    ngx_llmops_ruleset_t *set);
static ngx_int_t ngx_llmops_version_file(ngx_conf_t *cf, EVP_MD_CTX *md,
    ngx_str_t *name);
static void ngx_llmops_version_patterns(ngx_llmops_main_conf_t *mcf,
    EVP_MD_CTX *md);


ngx_int_t
ngx_llmops_cache_version(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_route_t *route, u_char *version)
{
    ngx_int_t              rc;
    ngx_uint_t             i;
    EVP_MD_CTX            *md;
    ngx_llmops_target_t   *targets;
    ngx_llmops_rollout_t  *ro;

    md = EVP_MD_CTX_new();

    if (md == NULL || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(md);
        return NGX_ERROR;
    }

    targets = route->targets.elts;

    for (i = 0; i < route->targets.nelts; i++) {
        ngx_llmops_version_add(md, &targets[i].name);
    }

    rc = ngx_llmops_version_route(cf, mcf, md, route->rules);

    /* those of a candidate's answers, which are told apart by its name */

    ro = route->rollout;

    if (ro && ro->other && rc == NGX_OK) {
        rc = ngx_llmops_version_route(cf, mcf, md, ro->other->rules);
    }

    if (EVP_DigestFinal_ex(md, version, NULL) != 1) {
        rc = NGX_ERROR;
    }

    EVP_MD_CTX_free(md);

    return rc;
}


static void
ngx_llmops_version_add(EVP_MD_CTX *md, ngx_str_t *s)
{
    uint64_t  len;

    len = s->len;

    (void) EVP_DigestUpdate(md, &len, sizeof(uint64_t));
    (void) EVP_DigestUpdate(md, s->data, s->len);
}


static ngx_int_t
ngx_llmops_version_route(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    EVP_MD_CTX *md, ngx_array_t *rules)
{
    ngx_str_t   *name;
    ngx_uint_t   i;

    if (rules == NULL) {
        return NGX_OK;
    }

    name = rules->elts;

    for (i = 0; i < rules->nelts; i++) {
        if (ngx_llmops_version_rules(cf, mcf, md, &name[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    ngx_llmops_version_patterns(mcf, md);

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_version_rules(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    EVP_MD_CTX *md, ngx_str_t *name)
{
    ngx_uint_t              i;
    ngx_llmops_ruleset_t  **sets;

    sets = mcf->rulesets->elts;

    for (i = 0; i < mcf->rulesets->nelts; i++) {

        if (sets[i]->name.len == name->len
            && ngx_memcmp(sets[i]->name.data, name->data, name->len) == 0)
        {
            return ngx_llmops_version_set(cf, md, sets[i]);
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_version_set(ngx_conf_t *cf, EVP_MD_CTX *md,
    ngx_llmops_ruleset_t *set)
{
    ngx_str_t   *words, file;
    ngx_uint_t   i;

    ngx_llmops_version_add(md, &set->name);

    words = set->words.elts;

    for (i = 0; i < set->words.nelts; i++) {

        ngx_llmops_version_add(md, &words[i]);

        if (words[i].len > 7 && ngx_strncmp(words[i].data, "schema=", 7) == 0) {
            file.data = words[i].data + 7;
            file.len = words[i].len - 7;

            if (ngx_llmops_version_file(cf, md, &file) != NGX_OK) {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


/* it has been read a moment ago, and was a schema */

static ngx_int_t
ngx_llmops_version_file(ngx_conf_t *cf, EVP_MD_CTX *md, ngx_str_t *name)
{
    u_char      *p;
    ssize_t      n;
    ngx_fd_t     fd;
    ngx_str_t    text;
    ngx_pool_t  *pool;

    if (ngx_conf_full_name(cf->cycle, name, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, cf->log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    p = ngx_palloc(pool, NGX_LLMOPS_CACHE_SCHEMA);
    fd = p ? ngx_open_file(name->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0)
           : NGX_INVALID_FILE;

    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"%V\" cannot be read", name);
        ngx_destroy_pool(pool);
        return NGX_ERROR;
    }

    text.data = p;
    text.len = 0;

    while (text.len < NGX_LLMOPS_CACHE_SCHEMA) {
        n = ngx_read_fd(fd, p + text.len, NGX_LLMOPS_CACHE_SCHEMA - text.len);

        if (n <= 0) {
            break;
        }

        text.len += n;
    }

    (void) ngx_close_file(fd);

    ngx_llmops_version_add(md, &text);
    ngx_destroy_pool(pool);

    return NGX_OK;
}


static void
ngx_llmops_version_patterns(ngx_llmops_main_conf_t *mcf, EVP_MD_CTX *md)
{
    ngx_uint_t           i;
    ngx_llmops_named_t  *named;

    if (mcf->patterns == NULL) {
        return;
    }

    named = mcf->patterns->elts;

    for (i = 0; i < mcf->patterns->nelts; i++) {
        ngx_llmops_version_add(md, &named[i].name);
        ngx_llmops_version_add(md, &named[i].pattern.regex);
    }
}
