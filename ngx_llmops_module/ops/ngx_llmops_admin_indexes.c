
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_admin_indexes.h"


/*
 * Indexes and their documents.  What a document's state is, is read from its
 * head.
 */


#define NGX_LLMOPS_ADMIN_HEADS  500        /* of a page, for counting */


static ngx_int_t ngx_llmops_admin_index_list(ngx_llmops_admin_t *a);
static json_t *ngx_llmops_admin_index_shown(ngx_llmops_admin_t *a,
    ngx_llmops_index_t *index);
static ngx_int_t ngx_llmops_admin_index_get(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_index_count(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_index_counted(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_index_docs(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_index_doc_got(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_index_docs_got(ngx_llmops_admin_t *a);
static void ngx_llmops_admin_index_free(void *data);


const ngx_llmops_admin_call_t  ngx_llmops_admin_indexes[] = {

    { NGX_HTTP_GET, "indexes", "listIndexes", NULL,
      ngx_llmops_admin_index_list, 0, 0 },

    { NGX_HTTP_GET, "indexes/{}", "getIndex", NULL,
      ngx_llmops_admin_index_get, 0, 0 },

    { NGX_HTTP_GET, "indexes/{}/documents", "listDocuments",
      "id cursor limit",
      ngx_llmops_admin_index_docs, 0, 0 },

    { NGX_HTTP_PUT, "indexes/{}/documents", "putDocuments", "others",
      ngx_llmops_admin_index_put, 1, 2 },

    { NGX_HTTP_DELETE, "indexes/{}/documents", "deleteDocument", "id",
      ngx_llmops_admin_index_delete, 1, 0 },

    { NGX_HTTP_GET, "indexes/{}/export", "exportDocuments", "prefix",
      ngx_llmops_admin_index_export, 0, 0 },

    { NGX_HTTP_POST, "indexes/{}/search", "searchIndex", NULL,
      ngx_llmops_admin_index_search, 0, 1 },

    { 0, NULL, NULL, NULL, NULL, 0, 0 }
};


ngx_llmops_index_t *
ngx_llmops_admin_index(ngx_llmops_admin_t *a, ngx_int_t *rc)
{
    ngx_str_t            name;
    ngx_llmops_index_t  *index;

    index = ngx_llmops_index_named(a->mcf, &a->args[0]);

    if (index == NULL) {
        name = a->args[0];
        name.len = ngx_min(name.len, NGX_LLMOPS_INDEX_NAME);

        *rc = ngx_llmops_admin_error(a, NGX_HTTP_NOT_FOUND, "not_found",
                                     "there is no index \"%V\", the "
                                     "configuration makes one with "
                                     "\"llm_index\"", &name);
    }

    return index;
}


ngx_uint_t
ngx_llmops_admin_index_has(ngx_llmops_index_t *index, ngx_str_t *id)
{
    return id->len > index->name.len && id->data[index->name.len] == '/'
           && ngx_memcmp(id->data, index->name.data, index->name.len) == 0;
}


ngx_int_t
ngx_llmops_admin_index_no_doc(ngx_llmops_admin_t *a)
{
    return ngx_llmops_admin_error(a, NGX_HTTP_NOT_FOUND, "not_found",
                                  "there is no such document in \"%V\"",
                                  &a->args[0]);
}


json_t **
ngx_llmops_admin_index_json(ngx_llmops_admin_t *a, json_t *value)
{
    json_t              **slot;
    ngx_pool_cleanup_t   *cln;

    cln = ngx_pool_cleanup_add(a->request->pool, sizeof(json_t *));

    if (cln == NULL || value == NULL) {
        json_decref(value);
        return NULL;
    }

    slot = cln->data;
    *slot = value;

    cln->handler = ngx_llmops_admin_index_free;

    return slot;
}


static void
ngx_llmops_admin_index_free(void *data)
{
    json_t  **slot = data;

    json_decref(*slot);
}


/* -- what there is --------------------------------------------------------- */

static ngx_int_t
ngx_llmops_admin_index_list(ngx_llmops_admin_t *a)
{
    json_t                 *list;
    ngx_uint_t              i;
    ngx_llmops_index_t    **index;
    ngx_llmops_indexes_t   *indexes = a->mcf->indexes;

    list = json_array();
    index = indexes ? indexes->indexes.elts : NULL;

    for (i = 0; indexes && i < indexes->indexes.nelts; i++) {
        if (json_array_append_new(list, ngx_llmops_admin_index_shown(a,
                                                                  index[i]))
            != 0)
        {
            json_decref(list);
            return NGX_ERROR;
        }
    }

    return ngx_llmops_admin_reply(a, NGX_HTTP_OK,
                                  json_pack("{s:o}", "indexes", list));
}


static json_t *
ngx_llmops_admin_index_shown(ngx_llmops_admin_t *a, ngx_llmops_index_t *index)
{
    json_t                 *results;
    ngx_int_t               rc;
    ngx_uint_t              i;
    ngx_llmops_index_sh_t   none, *sh;

    ngx_memzero(&none, sizeof(ngx_llmops_index_sh_t));

    sh = index->sh ? index->sh : &none;
    results = json_object();

    for (i = 0; i < NGX_LLMOPS_RETRIEVE_RESULTS; i++) {
        (void) json_object_set_new(results,
                            (char *) ngx_llmops_retrieve_results[i].data,
                            json_integer((json_int_t) sh->results[i]));
    }

    rc = ngx_llmops_vectors_able(a->mcf->store, &index->set);

    return json_pack("{s:o,s:o,s:i,s:i,s:i,s:s,s:o,s:I}",
                     "name", ngx_llmops_admin_string(&index->name),
                     "embed", ngx_llmops_admin_string(&index->target->name),
                     "chunk", (int) index->chunk,
                     "overlap", (int) index->overlap,
                     "batch", (int) index->batch,
                     "vectors", rc == NGX_OK ? "available"
                                : rc == NGX_DECLINED ? "unsupported"
                                : "unknown",
                     "retrievals", results,
                     "embedded", (json_int_t) sh->embedded);
}


static ngx_int_t
ngx_llmops_admin_index_get(ngx_llmops_admin_t *a)
{
    json_t              *shown;
    ngx_int_t            rc;
    ngx_llmops_index_t  *index;

    index = ngx_llmops_admin_index(a, &rc);
    if (index == NULL) {
        return rc;
    }

    shown = ngx_llmops_admin_index_shown(a, index);

    if (shown) {
        (void) json_object_set_new(shown, "documents",
                                   json_pack("{s:i,s:i,s:i,s:i}", "ready", 0,
                                             "pending", 0, "failed", 0,
                                             "deleting", 0));
        (void) json_object_set_new(shown, "chunks", json_integer(0));
    }

    a->data = ngx_llmops_admin_index_json(a, shown);

    return a->data ? ngx_llmops_admin_index_count(a) : NGX_ERROR;
}


static ngx_int_t
ngx_llmops_admin_index_count(ngx_llmops_admin_t *a)
{
    a->op.docs = NGX_LLMOPS_DOCS_INDEXED;
    a->op.max = NGX_LLMOPS_ADMIN_HEADS;

    return ngx_llmops_admin_ask(a, ngx_llmops_store_list,
                                ngx_llmops_admin_index_counted);
}


static ngx_int_t
ngx_llmops_admin_index_counted(ngx_llmops_admin_t *a)
{
    size_t               n, chunks;
    json_t              *head, *states, *names, *shown;
    ngx_int_t            rc;
    ngx_uint_t           i;
    const char          *state, *set;
    ngx_llmops_doc_t    *docs;
    ngx_llmops_index_t  *index;

    if (a->op.rc != NGX_OK) {
        return ngx_llmops_admin_store_error(a);
    }

    index = ngx_llmops_admin_index(a, &rc);
    shown = *(json_t **) a->data;
    states = json_object_get(shown, "documents");
    chunks = json_integer_value(json_object_get(shown, "chunks"));
    docs = a->op.list.elts;

    for (i = 0; i < a->op.list.nelts; i++) {

        if (!ngx_llmops_admin_index_has(index, &docs[i].id)) {
            continue;
        }

        head = ngx_llmops_doc_load(&docs[i].value);
        state = ngx_llmops_doc_string(head, "state");

        n = json_integer_value(json_object_get(states, state)) + 1;

        if (head) {
            (void) json_object_set_new(states, state, json_integer(n));
        }

        json_object_foreach(json_object_get(head, "sets"), set, names) {
            chunks += json_object_size(names);
        }

        json_decref(head);
    }

    (void) json_object_set_new(shown, "chunks", json_integer(chunks));

    if (a->op.next.len) {
        a->op.id = a->op.next;
        return ngx_llmops_admin_index_count(a);
    }

    return ngx_llmops_admin_reply(a, NGX_HTTP_OK,
                                  json_pack("{s:O}", "index", shown));
}


/* a page of them, or the one of an id */

static ngx_int_t
ngx_llmops_admin_index_docs(ngx_llmops_admin_t *a)
{
    u_char              *p;
    ngx_int_t            rc, limit;
    ngx_str_t           *id;
    ngx_llmops_index_t  *index;

    index = ngx_llmops_admin_index(a, &rc);
    if (index == NULL) {
        return rc;
    }

    rc = ngx_llmops_admin_arg_number(a, "limit", 1, 1000, 100, &limit);

    if (rc == NGX_OK) {
        rc = ngx_llmops_admin_cursor(a);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    a->op.docs = NGX_LLMOPS_DOCS_INDEXED;
    a->op.max = limit;

    id = ngx_llmops_admin_arg(a, "id");

    if (id == NULL) {
        return ngx_llmops_admin_ask(a, ngx_llmops_store_list,
                                    ngx_llmops_admin_index_docs_got);
    }

    p = ngx_pnalloc(a->request->pool, id->len + 1 + NGX_LLMOPS_INDEX_ID + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_cpystrn(p, id->data, id->len + 1);

    if (ngx_llmops_index_id(index, (char *) p, p + id->len + 1) != NGX_OK) {
        return NGX_ERROR;
    }

    a->op.id.data = p + id->len + 1;
    a->op.id.len = ngx_strlen(a->op.id.data);

    return ngx_llmops_admin_ask(a, ngx_llmops_store_get,
                                ngx_llmops_admin_index_doc_got);
}


static ngx_int_t
ngx_llmops_admin_index_doc_got(ngx_llmops_admin_t *a)
{
    json_t  *head, *shown;

    if (a->op.rc == NGX_DECLINED) {
        return ngx_llmops_admin_index_no_doc(a);
    }

    if (a->op.rc != NGX_OK) {
        return ngx_llmops_admin_store_error(a);
    }

    head = ngx_llmops_doc_load(&a->op.doc.value);
    shown = ngx_llmops_doc_shown(head);

    json_decref(head);

    return ngx_llmops_admin_reply(a, NGX_HTTP_OK,
                                  json_pack("{s:[o],s:n}", "documents", shown,
                                            "next"));
}


static ngx_int_t
ngx_llmops_admin_index_docs_got(ngx_llmops_admin_t *a)
{
    json_t              *list, *head;
    ngx_int_t            rc;
    ngx_uint_t           i;
    ngx_llmops_doc_t    *docs;
    ngx_llmops_index_t  *index;

    if (a->op.rc == NGX_DECLINED) {
        return ngx_llmops_admin_no_cursor(a);
    }

    if (a->op.rc != NGX_OK) {
        return ngx_llmops_admin_store_error(a);
    }

    index = ngx_llmops_admin_index(a, &rc);
    list = json_array();
    docs = a->op.list.elts;

    for (i = 0; i < a->op.list.nelts; i++) {

        if (!ngx_llmops_admin_index_has(index, &docs[i].id)) {
            continue;
        }

        head = ngx_llmops_doc_load(&docs[i].value);

        if (head) {
            (void) json_array_append_new(list, ngx_llmops_doc_shown(head));
            json_decref(head);
        }
    }

    return ngx_llmops_admin_reply(a, NGX_HTTP_OK,
                                  json_pack("{s:o,s:o}", "documents", list,
                                            "next", ngx_llmops_admin_next(a)));
}
