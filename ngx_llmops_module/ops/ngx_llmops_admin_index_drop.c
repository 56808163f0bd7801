
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_admin_index_put.h"


/*
 * Documents that go: one that a call names, or all those of an index that a
 * call to put has not named.  Their heads say so; whoever indexes takes their
 * chunks out of the set, and then the head.
 */


static ngx_int_t ngx_llmops_index_drop_listed(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_index_drop_next(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_index_drop_got(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_index_drop_made(ngx_llmops_admin_t *a);


ngx_int_t
ngx_llmops_admin_index_delete(ngx_llmops_admin_t *a)
{
    char                    *doc;
    ngx_int_t                rc;
    ngx_str_t               *id;
    ngx_llmops_admin_put_t  *put;

    put = ngx_llmops_index_put_create(a, &rc);
    if (put == NULL) {
        return rc;
    }

    id = ngx_llmops_admin_arg(a, "id");

    if (id == NULL || id->len == 0) {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "\"id\" must be that of a document");
    }

    doc = ngx_pnalloc(a->request->pool, id->len + 1);
    if (doc == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_cpystrn((u_char *) doc, id->data, id->len + 1);

    if (ngx_llmops_index_id(put->index, doc, put->id) != NGX_OK
        || json_array_append_new(put->others, json_string((char *) put->id))
           != 0)
    {
        return NGX_ERROR;
    }

    put->one = 1;

    return ngx_llmops_index_drop_next(a);
}


ngx_int_t
ngx_llmops_index_drop_others(ngx_llmops_admin_t *a)
{
    a->op.docs = NGX_LLMOPS_DOCS_INDEXED;
    ngx_str_null(&a->op.id);
    a->op.max = 500;

    if (a->op.next.len) {
        a->op.id = a->op.next;
    }

    return ngx_llmops_admin_ask(a, ngx_llmops_store_list,
                                ngx_llmops_index_drop_listed);
}


static ngx_int_t
ngx_llmops_index_drop_listed(ngx_llmops_admin_t *a)
{
    json_t                  *id;
    ngx_uint_t               i;
    ngx_llmops_doc_t        *docs;
    ngx_llmops_admin_put_t  *put = a->data;

    if (a->op.rc != NGX_OK) {
        return ngx_llmops_admin_store_error(a);
    }

    docs = a->op.list.elts;

    for (i = 0; i < a->op.list.nelts; i++) {

        if (!ngx_llmops_admin_index_has(put->index, &docs[i].id)) {
            continue;
        }

        id = json_stringn((char *) docs[i].id.data, docs[i].id.len);

        if (id && json_object_get(put->seen, json_string_value(id))) {
            json_decref(id);
            continue;
        }

        if (json_array_append_new(put->others, id) != 0) {
            return NGX_ERROR;
        }
    }

    return a->op.next.len ? ngx_llmops_index_drop_others(a)
                          : ngx_llmops_index_drop_next(a);
}


static ngx_int_t
ngx_llmops_index_drop_next(ngx_llmops_admin_t *a)
{
    size_t                   n;
    json_t                  *id;
    ngx_llmops_admin_put_t  *put = a->data;

    n = json_array_size(put->others);

    if (n == 0) {
        return ngx_llmops_index_put_end(a);
    }

    id = json_array_get(put->others, n - 1);

    if (json_string_length(id) > NGX_LLMOPS_INDEX_ID) {
        (void) json_array_remove(put->others, n - 1);
        return ngx_llmops_index_drop_next(a);
    }

    ngx_memcpy(put->id, json_string_value(id), json_string_length(id) + 1);

    return ngx_llmops_index_head_get(a, ngx_llmops_index_drop_got);
}


static ngx_int_t
ngx_llmops_index_drop_got(ngx_llmops_admin_t *a)
{
    ngx_int_t                rc;
    ngx_llmops_admin_put_t  *put = a->data;

    rc = ngx_llmops_index_head_got(a);

    if (rc != NGX_OK) {
        return rc;
    }

    if (put->head == NULL) {

        if (put->one) {
            return ngx_llmops_admin_index_no_doc(a);
        }

        (void) json_array_remove(put->others,
                                 json_array_size(put->others) - 1);
        return ngx_llmops_index_drop_next(a);
    }

    if (json_object_set_new(put->head, "state", json_string("deleting")) != 0)
    {
        return NGX_ERROR;
    }

    (void) json_object_del(put->head, "after");

    return ngx_llmops_index_head_put(a, put->head,
                                     ngx_llmops_index_drop_made);
}


static ngx_int_t
ngx_llmops_index_drop_made(ngx_llmops_admin_t *a)
{
    ngx_llmops_admin_put_t  *put = a->data;

    if (a->op.rc != NGX_OK) {
        return ngx_llmops_index_head_late(a, ngx_llmops_index_drop_next);
    }

    put->removed++;
    put->tries = 0;

    ngx_llmops_index_enqueue(a->mcf, &a->op.id);

    (void) json_array_remove(put->others, json_array_size(put->others) - 1);

    return ngx_llmops_index_drop_next(a);
}
