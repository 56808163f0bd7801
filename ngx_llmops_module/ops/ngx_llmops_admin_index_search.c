
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_admin_indexes.h"
#include "ngx_llmops_lookup.h"
#include "ngx_llmops_retrieve.h"


/* A search of an index, which finds what a route would find. */


typedef struct {
    ngx_llmops_lookup_t        lookup;     /* first */
    ngx_llmops_admin_t        *a;
} ngx_llmops_admin_search_t;


static ngx_int_t ngx_llmops_admin_index_asked(ngx_llmops_admin_t *a,
    ngx_llmops_lookup_t *l);
static ngx_int_t ngx_llmops_admin_index_where(ngx_llmops_admin_t *a,
    ngx_llmops_lookup_t *l);
static void ngx_llmops_admin_index_leave(void *data);
static void ngx_llmops_admin_index_found(ngx_llmops_lookup_t *l);
static ngx_int_t ngx_llmops_admin_index_answer(ngx_llmops_admin_t *a);
static json_t *ngx_llmops_admin_index_raw(ngx_str_t *raw);


ngx_int_t
ngx_llmops_admin_index_search(ngx_llmops_admin_t *a)
{
    ngx_int_t                   rc;
    ngx_http_cleanup_t         *cln;
    ngx_llmops_index_t         *index;
    ngx_llmops_lookup_t        *l;
    ngx_llmops_admin_search_t  *search;

    index = ngx_llmops_admin_index(a, &rc);
    if (index == NULL) {
        return rc;
    }

    cln = ngx_http_cleanup_add(a->request, sizeof(ngx_llmops_admin_search_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    search = cln->data;
    ngx_memzero(search, sizeof(ngx_llmops_admin_search_t));

    search->a = a;
    a->data = search;

    cln->handler = ngx_llmops_admin_index_leave;

    l = &search->lookup;

    l->mcf = a->mcf;
    l->index = index;
    l->pool = a->request->pool;
    l->log = a->request->connection->log;
    l->timeout = 10000;
    l->handler = ngx_llmops_admin_index_found;

    rc = ngx_llmops_admin_index_asked(a, l);

    if (rc == NGX_OK) {
        rc = ngx_llmops_admin_index_where(a, l);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_llmops_lookup(l) == NGX_AGAIN
           ? NGX_AGAIN : ngx_llmops_admin_index_answer(a);
}


static ngx_int_t
ngx_llmops_admin_index_asked(ngx_llmops_admin_t *a, ngx_llmops_lookup_t *l)
{
    json_t      *value;
    json_int_t   top;
    const char  *name;

    l->text.data = (u_char *) json_string_value(json_object_get(a->body,
                                                                "query"));
    l->text.len = json_string_length(json_object_get(a->body, "query"));

    value = json_object_get(a->body, "top");
    top = value ? json_integer_value(value) : 5;

    value = json_object_get(a->body, "min");
    l->min = value ? (float) json_number_value(value) : 0;

    if (l->text.len == 0 || top < 1 || top > NGX_LLMOPS_RETRIEVE_TOP_MAX
        || (value && !json_is_number(value)) || l->min < 0 || l->min >= 1)
    {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "a search has a \"query\", and may have "
                                      "\"top\" (1 to 20), \"min\" (0 to 1) and "
                                      "\"where\"");
    }

    json_object_foreach(a->body, name, value) {
        if (ngx_strcmp(name, "query") != 0 && ngx_strcmp(name, "top") != 0
            && ngx_strcmp(name, "min") != 0 && ngx_strcmp(name, "where") != 0)
        {
            return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                          "unknown member of a search, there "
                                          "are query, top, min and where");
        }
    }

    l->top = (ngx_uint_t) top;

    ngx_llmops_lookup_cut(&l->text);

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_admin_index_where(ngx_llmops_admin_t *a, ngx_llmops_lookup_t *l)
{
    json_t      *where, *value;
    ngx_str_t    key, text;
    const char  *name;

    where = json_object_get(a->body, "where");

    if (where == NULL) {
        return NGX_OK;
    }

    l->filter.data = ngx_pnalloc(a->request->pool, 2048);
    if (l->filter.data == NULL) {
        return NGX_ERROR;
    }

    json_object_foreach(where, name, value) {

        key.data = (u_char *) name;
        key.len = ngx_strlen(name);
        text.data = (u_char *) json_string_value(value);
        text.len = json_string_length(value);

        if (strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                   "0123456789_")
            != key.len
            || key.len == 0 || key.len > NGX_LLMOPS_INDEX_META_KEY
            || text.data == NULL
            || ngx_llmops_lookup_where(&l->filter, 2048, &key, &text) != NGX_OK)
        {
            return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                          "\"where\" has names of metadata "
                                          "with texts, without quotes and "
                                          "\"\\\"");
        }
    }

    return json_is_object(where) ? NGX_OK
           : ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                    "\"where\" must be an object");
}


static void
ngx_llmops_admin_index_leave(void *data)
{
    ngx_llmops_admin_search_t  *search = data;

    ngx_llmops_lookup_cancel(&search->lookup);
}


static void
ngx_llmops_admin_index_found(ngx_llmops_lookup_t *l)
{
    ngx_llmops_admin_search_t  *search = (ngx_llmops_admin_search_t *) l;

    ngx_llmops_admin_resume(search->a, ngx_llmops_admin_index_answer);
}


static ngx_int_t
ngx_llmops_admin_index_answer(ngx_llmops_admin_t *a)
{
    json_t                     *list;
    ngx_uint_t                  i;
    ngx_llmops_lookup_t        *l;
    ngx_llmops_passage_t       *p;
    ngx_llmops_admin_search_t  *search = a->data;

    l = &search->lookup;
    list = json_array();

    for (i = 0; i < l->n; i++) {
        p = &l->passages[i];

        (void) json_array_append_new(list,
                   json_pack("{s:o,s:o,s:f,s:o,s:o,s:o}",
                             "id", ngx_llmops_admin_index_raw(&p->id),
                             "chunk", ngx_llmops_admin_index_raw(&p->n),
                             "score", (double) p->similarity,
                             "title", ngx_llmops_admin_index_raw(&p->title),
                             "url", ngx_llmops_admin_index_raw(&p->url),
                             "text", ngx_llmops_admin_index_raw(&p->text)));
    }

    return ngx_llmops_admin_reply(a, NGX_HTTP_OK,
               json_pack("{s:s,s:I,s:o}", "result",
                         ngx_llmops_retrieve_results[l->result].data,
                         "ms", (json_int_t) l->ms, "passages", list));
}


static json_t *
ngx_llmops_admin_index_raw(ngx_str_t *raw)
{
    json_t  *value;

    value = raw->len ? json_loadb((char *) raw->data, raw->len,
                                  JSON_DECODE_ANY, NULL)
                     : NULL;

    return value ? value : json_null();
}
