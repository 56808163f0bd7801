
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_admin_index_put.h"


/*
 * The head of a document: it is read, and put in the place of the revision that
 * was read; who is late reads it again.
 */


static ngx_int_t ngx_llmops_index_head_busy(ngx_llmops_admin_t *a);


ngx_int_t
ngx_llmops_index_head_get(ngx_llmops_admin_t *a, ngx_llmops_admin_pt next)
{
    ngx_llmops_admin_put_t  *put = a->data;

    a->op.docs = NGX_LLMOPS_DOCS_INDEXED;
    a->op.id.data = put->id;
    a->op.id.len = ngx_strlen(put->id);

    return ngx_llmops_admin_ask(a, ngx_llmops_store_get, next);
}


ngx_int_t
ngx_llmops_index_head_got(ngx_llmops_admin_t *a)
{
    ngx_llmops_admin_put_t  *put = a->data;

    json_decref(put->head);
    put->head = NULL;
    put->revision = NGX_LLMOPS_REVISION_NONE;

    if (a->op.rc == NGX_OK) {
        put->head = ngx_llmops_doc_load(&a->op.doc.value);
        put->revision = a->op.doc.revision;

    } else if (a->op.rc != NGX_DECLINED) {
        return ngx_llmops_admin_store_error(a);
    }

    return NGX_OK;
}


ngx_int_t
ngx_llmops_index_head_put(ngx_llmops_admin_t *a, json_t *head,
    ngx_llmops_admin_pt next)
{
    ngx_llmops_admin_put_t  *put = a->data;

    free(put->value);
    put->value = head ? json_dumps(head, JSON_COMPACT) : NULL;

    if (put->value == NULL) {
        return NGX_ERROR;
    }

    a->op.docs = NGX_LLMOPS_DOCS_INDEXED;
    a->op.id.data = put->id;
    a->op.id.len = ngx_strlen(put->id);
    a->op.value.data = (u_char *) put->value;
    a->op.value.len = ngx_strlen(put->value);
    a->op.expected = put->revision;

    if (a->op.value.len > NGX_LLMOPS_DOC_SIZE) {
        return ngx_llmops_index_head_busy(a);
    }

    return ngx_llmops_admin_ask(a, ngx_llmops_store_put, next);
}


ngx_int_t
ngx_llmops_index_head_late(ngx_llmops_admin_t *a, ngx_llmops_admin_pt again)
{
    ngx_llmops_admin_put_t  *put = a->data;

    if (a->op.rc != NGX_DECLINED) {
        return ngx_llmops_admin_store_error(a);
    }

    return ++put->tries < NGX_LLMOPS_INDEX_TRIES
           ? again(a) : ngx_llmops_index_head_busy(a);
}


static ngx_int_t
ngx_llmops_index_head_busy(ngx_llmops_admin_t *a)
{
    return ngx_llmops_admin_error(a, NGX_HTTP_SERVICE_UNAVAILABLE, "busy",
                                  "a document is being changed by others, "
                                  "retry later");
}
