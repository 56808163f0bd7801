
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_admin_keys.h"


/*
 * GET keys.  A page of the answer is one page of the store, whose cursor is
 * handed on; where a filter leaves too few of it, some more are looked at.
 * Records are shown as they are: one that somebody has spoiled must not hide
 * the others.
 */


#define NGX_LLMOPS_KEYS_PAGES      10      /* that one call looks at for keys
                                              which a filter lets pass */


typedef struct {
    json_t                    *keys;       /* the array of the answer */
    json_t                    *seen;       /* an object with their ids: a list
                                              may have one twice */
    ngx_int_t                  limit;
    ngx_uint_t                 pages;
    ngx_str_t                 *client;     /* NULL: all */
    ngx_str_t                 *tenant;
} ngx_llmops_admin_key_list_t;


static void ngx_llmops_admin_key_list_free(void *data);
static ngx_int_t ngx_llmops_admin_key_listed(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_key_pick(ngx_llmops_admin_t *a,
    ngx_llmops_doc_t *doc);
static ngx_uint_t ngx_llmops_admin_key_filter(json_t *record,
    const char *name, ngx_str_t *wanted);


ngx_int_t
ngx_llmops_admin_key_list(ngx_llmops_admin_t *a)
{
    ngx_int_t                     rc;
    ngx_pool_cleanup_t           *cln;
    ngx_llmops_admin_key_list_t  *list;

    list = ngx_pcalloc(a->request->pool, sizeof(ngx_llmops_admin_key_list_t));
    cln = ngx_pool_cleanup_add(a->request->pool, 0);

    if (list == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_llmops_admin_key_list_free;
    cln->data = list;

    rc = ngx_llmops_admin_arg_number(a, "limit", 1, 1000, 100, &list->limit);

    if (rc == NGX_OK) {
        rc = ngx_llmops_admin_cursor(a);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    list->client = ngx_llmops_admin_arg(a, "client");
    list->tenant = ngx_llmops_admin_arg(a, "tenant");

    list->keys = json_array();
    list->seen = json_object();

    if (list->keys == NULL || list->seen == NULL) {
        return NGX_ERROR;
    }

    a->data = list;
    a->op.docs = NGX_LLMOPS_DOCS_KEYS;
    a->op.max = list->limit;

    return ngx_llmops_admin_ask(a, ngx_llmops_store_list,
                                ngx_llmops_admin_key_listed);
}


static void
ngx_llmops_admin_key_list_free(void *data)
{
    ngx_llmops_admin_key_list_t *list = data;

    json_decref(list->keys);
    json_decref(list->seen);
}


static ngx_int_t
ngx_llmops_admin_key_listed(ngx_llmops_admin_t *a)
{
    json_t                       *keys;
    ngx_uint_t                    i;
    ngx_llmops_doc_t             *doc;
    ngx_llmops_admin_key_list_t  *list;

    if (a->op.rc == NGX_DECLINED) {
        return ngx_llmops_admin_no_cursor(a);
    }

    if (a->op.rc != NGX_OK) {
        return ngx_llmops_admin_store_error(a);
    }

    list = a->data;
    doc = a->op.list.elts;

    for (i = 0; i < a->op.list.nelts; i++) {
        if (ngx_llmops_admin_key_pick(a, &doc[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (a->op.next.len && ++list->pages < NGX_LLMOPS_KEYS_PAGES
        && json_array_size(list->keys) < (size_t) list->limit)
    {
        a->op.id = a->op.next;

        return ngx_llmops_admin_ask(a, ngx_llmops_store_list,
                                    ngx_llmops_admin_key_listed);
    }

    keys = list->keys;
    list->keys = NULL;

    return ngx_llmops_admin_reply(a, NGX_HTTP_OK,
                                  json_pack("{s:o,s:o}", "keys", keys,
                                            "next",
                                            ngx_llmops_admin_next(a)));
}


/* a document that is no record of this version is said, and left out */

static ngx_int_t
ngx_llmops_admin_key_pick(ngx_llmops_admin_t *a, ngx_llmops_doc_t *doc)
{
    int                           rc;
    json_t                       *record;
    const char                   *id;
    ngx_llmops_admin_key_list_t  *list;

    list = a->data;

    record = json_loadb((char *) doc->value.data, doc->value.len, 0, NULL);
    id = json_string_value(json_object_get(record, "id"));

    if (id == NULL) {
        ngx_log_error(NGX_LOG_ERR, a->request->connection->log, 0,
                      "the record of key \"%V\" cannot be read", &doc->id);
        json_decref(record);
        return NGX_OK;
    }

    rc = 0;

    if (json_object_get(list->seen, id) == NULL
        && ngx_llmops_admin_key_filter(record, "client", list->client)
        && ngx_llmops_admin_key_filter(record, "tenant", list->tenant))
    {
        rc = json_object_set_new(list->seen, id, json_true())
             | json_array_append_new(list->keys,
                            ngx_llmops_admin_key_shown(record, doc->revision));
    }

    json_decref(record);

    return rc == 0 ? NGX_OK : NGX_ERROR;
}


static ngx_uint_t
ngx_llmops_admin_key_filter(json_t *record, const char *name,
    ngx_str_t *wanted)
{
    json_t  *value;

    if (wanted == NULL) {
        return 1;
    }

    value = json_object_get(record, name);

    if (value == NULL && ngx_strcmp(name, "client") == 0) {
        value = json_object_get(record, "id");
    }

    return json_string_length(value) == wanted->len
           && (wanted->len == 0
               || ngx_memcmp(json_string_value(value), wanted->data,
                             wanted->len)
                  == 0);
}
