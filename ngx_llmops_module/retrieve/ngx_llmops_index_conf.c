
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_index.h"
#include "ngx_llmops_arg.h"
#include "ngx_llmops_chunker.h"
#include "ngx_llmops_route.h"
#include "ngx_llmops_digest.h"


/*
 * "llm_index" of http{}.  "retrieve" of a route is in
 * ngx_llmops_retrieve_conf.c.
 */


#define NGX_LLMOPS_INDEX_CHUNK_SIZE  1200
#define NGX_LLMOPS_INDEX_OVERLAP     150
#define NGX_LLMOPS_INDEX_BATCH       16


static char *ngx_llmops_index_param(ngx_conf_t *cf, ngx_llmops_index_t *index,
    ngx_str_t *arg);
static ngx_uint_t ngx_llmops_index_name(ngx_str_t *s);
static ngx_llmops_index_t *ngx_llmops_index_add(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf);
static ngx_int_t ngx_llmops_index_init(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_index_t *index);
static ngx_int_t ngx_llmops_index_set(ngx_conf_t *cf,
    ngx_llmops_index_t *index);


/* llm_index NAME embed=PROVIDER/MODEL [chunk=SIZE] [overlap=SIZE] [batch=N]; */

char *
ngx_llmops_index_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_main_conf_t *mcf = conf;

    ngx_str_t           *value;
    ngx_uint_t           i, overlap;
    ngx_llmops_index_t  *index;

    value = cf->args->elts;

    if (!ngx_llmops_index_name(&value[1])) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid name \"%V\" of an index, write 1 to 64 "
                           "letters, digits, \".\", \"_\" and \"-\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    if (ngx_llmops_index_named(mcf, &value[1])) {
        return "is duplicate";
    }

    index = ngx_llmops_index_add(cf, mcf);
    if (index == NULL) {
        return NGX_CONF_ERROR;
    }

    index->name = value[1];
    overlap = 0;

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_llmops_index_param(cf, index, &value[i]) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }

        overlap |= (ngx_strncmp(value[i].data, "overlap=", 8) == 0);
    }

    if (!overlap) {
        index->overlap = ngx_min(index->overlap, index->chunk / 8);
    }

    if (index->embed.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"llm_index %V\" needs a model of embeddings, "
                           "add \"embed=PROVIDER/MODEL\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    if (index->overlap > index->chunk / 4) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"overlap=\" of \"llm_index %V\" is more than a "
                           "quarter of a chunk, write at most \"overlap=%uz\"",
                           &value[1], index->chunk / 4);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_llmops_index_param(ngx_conf_t *cf, ngx_llmops_index_t *index,
    ngx_str_t *word)
{
    ssize_t           n;
    ngx_llmops_arg_t  arg;

    if (ngx_llmops_arg_read(word, &arg) != NGX_OK) {
        goto invalid;
    }

    if (ngx_llmops_arg_is(&arg, "embed") && arg.value.len) {
        index->embed = arg.value;
        return NGX_CONF_OK;
    }

    n = ngx_parse_size(&arg.value);

    if (ngx_llmops_arg_is(&arg, "chunk")
        && n >= NGX_LLMOPS_CHUNK_MIN && n <= NGX_LLMOPS_CHUNK_MAX)
    {
        index->chunk = n;
        return NGX_CONF_OK;
    }

    if (ngx_llmops_arg_is(&arg, "overlap")
        && n >= 0 && n <= NGX_LLMOPS_CHUNK_MAX)
    {
        index->overlap = n;
        return NGX_CONF_OK;
    }

    if (ngx_llmops_arg_is(&arg, "batch") && n >= 1 && n <= 64) {
        index->batch = n;
        return NGX_CONF_OK;
    }

invalid:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\", write \"llm_index NAME "
                       "embed=PROVIDER/MODEL [chunk=200 to 8k] [overlap=SIZE] "
                       "[batch=1 to 64];\"", word);
    return NGX_CONF_ERROR;
}


static ngx_uint_t
ngx_llmops_index_name(ngx_str_t *s)
{
    size_t  i;
    u_char  c;

    for (i = 0; i < s->len; i++) {
        c = s->data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-'))
        {
            return 0;
        }
    }

    return s->len > 0 && s->len <= NGX_LLMOPS_INDEX_NAME;
}


static ngx_llmops_index_t *
ngx_llmops_index_add(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf)
{
    ngx_llmops_index_t    *index, **slot;
    ngx_llmops_indexes_t  *indexes = mcf->indexes;

    if (indexes == NULL) {
        indexes = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_indexes_t));

        if (indexes == NULL
            || ngx_array_init(&indexes->indexes, cf->pool, 4,
                              sizeof(ngx_llmops_index_t *))
               != NGX_OK)
        {
            return NULL;
        }

        mcf->indexes = indexes;
    }

    index = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_index_t));
    slot = ngx_array_push(&indexes->indexes);

    if (index == NULL || slot == NULL) {
        return NULL;
    }

    index->chunk = NGX_LLMOPS_INDEX_CHUNK_SIZE;
    index->overlap = NGX_LLMOPS_INDEX_OVERLAP;
    index->batch = NGX_LLMOPS_INDEX_BATCH;
    index->place.file = cf->conf_file->file.name;
    index->place.line = cf->conf_file->line;

    *slot = index;

    return index;
}


ngx_int_t
ngx_llmops_indexes_init(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf)
{
    ngx_uint_t                    i;
    ngx_llmops_index_t          **index;
    ngx_llmops_route_t          **routes;
    ngx_llmops_indexes_t         *indexes = mcf->indexes;
    ngx_llmops_retrieve_conf_t   *conf;

    index = indexes ? indexes->indexes.elts : NULL;

    for (i = 0; indexes && i < indexes->indexes.nelts; i++) {
        if (ngx_llmops_index_init(cf, mcf, index[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    routes = mcf->routes.elts;

    for (i = 0; i < mcf->routes.nelts; i++) {

        conf = routes[i]->retrieve;

        if (conf == NULL) {
            continue;
        }

        conf->index = ngx_llmops_index_named(mcf, &conf->name);

        if (conf->index == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "unknown index \"%V\" in llm_route \"%V\" in %V:%ui, "
                          "write \"llm_index %V embed=PROVIDER/MODEL;\" in "
                          "http{}", &conf->name, &routes[i]->name,
                          &conf->place.file, conf->place.line, &conf->name);
            return NGX_ERROR;
        }

        if (mcf->prompts == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"retrieve\" of llm_route \"%V\" in %V:%ui fills "
                          "\"{{#context}}\" of a prompt, and there is none, "
                          "add \"prompt NAME@LABEL;\"", &routes[i]->name,
                          &conf->place.file, conf->place.line);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* only Redis 8 has sets of vectors; which version it is nobody knows before a
   worker has asked */

static ngx_int_t
ngx_llmops_index_init(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_index_t *index)
{
    if (mcf->redis == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"llm_index %V\" in %V:%ui needs Redis 8 for its "
                      "vectors, add \"llm_redis ADDRESS;\"", &index->name,
                      &index->place.file, index->place.line);
        return NGX_ERROR;
    }

    index->target = ngx_llmops_target_named(cf, mcf, &index->embed,
                                            &index->place);
    if (index->target == NULL) {
        return NGX_ERROR;
    }

    if (index->target->model.len == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"embed=%V\" names no model, write \"embed=%V/MODEL\" "
                      "in %V:%ui", &index->embed, &index->embed,
                      &index->place.file, index->place.line);
        return NGX_ERROR;
    }

    (void) ngx_sprintf(index->chunking, "%uz/%uz%Z", index->chunk,
                       index->overlap);

    return ngx_llmops_index_set(cf, index);
}


/* vectors of two models have nothing to do with each other, so that each model
   has a set of its own: "ix:NAME:DIGEST" */

static ngx_int_t
ngx_llmops_index_set(ngx_conf_t *cf, ngx_llmops_index_t *index)
{
    u_char  *p, digest[32], text[NGX_LLMOPS_INDEX_CHUNK + 1];

    p = ngx_pnalloc(cf->pool, sizeof("ix::") + NGX_LLMOPS_INDEX_NAME
                              + NGX_LLMOPS_INDEX_CHUNK);

    if (p == NULL
        || ngx_llmops_sha256(index->target->name.data,
                                 index->target->name.len, digest)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_llmops_doc_chunk(digest, text);

    index->set.data = p;
    index->set.len = ngx_sprintf(p, "ix:%V:%s", &index->name, text) - p;
    p[index->set.len] = '\0';

    return NGX_OK;
}


ngx_llmops_index_t *
ngx_llmops_index_named(ngx_llmops_main_conf_t *mcf, ngx_str_t *name)
{
    ngx_uint_t              i;
    ngx_llmops_index_t    **index;
    ngx_llmops_indexes_t   *indexes = mcf->indexes;

    index = indexes ? indexes->indexes.elts : NULL;

    for (i = 0; indexes && i < indexes->indexes.nelts; i++) {
        if (index[i]->name.len == name->len
            && ngx_memcmp(index[i]->name.data, name->data, name->len) == 0)
        {
            return index[i];
        }
    }

    return NULL;
}
