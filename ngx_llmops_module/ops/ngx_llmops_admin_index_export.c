
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_admin_indexes.h"


/*
 * The documents of an index as lines of JSON, ordered by their ids: what can be
 * put again, and kept in Git, where a document that has not changed is a line
 * that has not changed.
 *
 * All heads are read first, then one text after the other.
 */


#define NGX_LLMOPS_EXPORT_MAX   (64 * 1024 * 1024)
#define NGX_LLMOPS_EXPORT_PAGE  500


typedef struct {
    ngx_llmops_index_t        *index;
    ngx_str_t                  prefix;
    json_t                    *heads;      /* an array; then */
    json_t                   **sorted;     /* the same, borrowed */
    ngx_uint_t                 at;
} ngx_llmops_admin_export_t;


static void ngx_llmops_export_free(void *data);
static ngx_int_t ngx_llmops_export_list(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_export_listed(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_export_sort(ngx_llmops_admin_t *a);
static int ngx_libc_cdecl ngx_llmops_export_cmp(const void *one,
    const void *two);
static ngx_int_t ngx_llmops_export_next(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_export_got(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_export_line(ngx_llmops_admin_t *a, json_t *head,
    ngx_str_t *text);


ngx_int_t
ngx_llmops_admin_index_export(ngx_llmops_admin_t *a)
{
    ngx_int_t                   rc;
    ngx_str_t                  *prefix;
    ngx_pool_cleanup_t         *cln;
    ngx_llmops_index_t         *index;
    ngx_llmops_admin_export_t  *export;

    index = ngx_llmops_admin_index(a, &rc);
    if (index == NULL) {
        return rc;
    }

    cln = ngx_pool_cleanup_add(a->request->pool,
                               sizeof(ngx_llmops_admin_export_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    export = cln->data;
    ngx_memzero(export, sizeof(ngx_llmops_admin_export_t));

    cln->handler = ngx_llmops_export_free;

    export->index = index;
    export->heads = json_array();

    prefix = ngx_llmops_admin_arg(a, "prefix");

    if (prefix) {
        export->prefix = *prefix;
    }

    a->data = export;

    return export->heads ? ngx_llmops_export_list(a) : NGX_ERROR;
}


static void
ngx_llmops_export_free(void *data)
{
    ngx_llmops_admin_export_t *export = data;

    json_decref(export->heads);
}


static ngx_int_t
ngx_llmops_export_list(ngx_llmops_admin_t *a)
{
    a->op.docs = NGX_LLMOPS_DOCS_INDEXED;
    a->op.id = a->op.next;
    a->op.max = NGX_LLMOPS_EXPORT_PAGE;

    return ngx_llmops_admin_ask(a, ngx_llmops_store_list,
                                ngx_llmops_export_listed);
}


static ngx_int_t
ngx_llmops_export_listed(ngx_llmops_admin_t *a)
{
    json_t                     *head;
    ngx_uint_t                  i;
    const char                 *id;
    ngx_llmops_doc_t           *docs;
    ngx_llmops_admin_export_t  *export = a->data;

    if (a->op.rc != NGX_OK) {
        return ngx_llmops_admin_store_error(a);
    }

    docs = a->op.list.elts;

    for (i = 0; i < a->op.list.nelts; i++) {

        if (!ngx_llmops_admin_index_has(export->index, &docs[i].id)) {
            continue;
        }

        head = ngx_llmops_doc_load(&docs[i].value);
        id = ngx_llmops_doc_string(head, "id");

        if (head == NULL || ngx_strlen(id) < export->prefix.len
            || ngx_memcmp(id, export->prefix.data, export->prefix.len) != 0
            || ngx_strcmp(ngx_llmops_doc_string(head, "state"), "deleting")
               == 0)
        {
            json_decref(head);
            continue;
        }

        if (json_array_append_new(export->heads, head) != 0) {
            return NGX_ERROR;
        }
    }

    return a->op.next.len ? ngx_llmops_export_list(a)
                          : ngx_llmops_export_sort(a);
}


static ngx_int_t
ngx_llmops_export_sort(ngx_llmops_admin_t *a)
{
    size_t                      i, n;
    ngx_llmops_admin_export_t  *export = a->data;

    n = json_array_size(export->heads);

    export->sorted = ngx_palloc(a->request->pool, (n + 1) * sizeof(json_t *));
    if (export->sorted == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        export->sorted[i] = json_array_get(export->heads, i);
    }

    ngx_qsort(export->sorted, n, sizeof(json_t *), ngx_llmops_export_cmp);

    export->sorted[n] = NULL;

    ngx_llmops_page_init(&a->page, a->request->pool);
    ngx_str_set(&a->type, "application/x-ndjson");

    return ngx_llmops_export_next(a);
}


static int ngx_libc_cdecl
ngx_llmops_export_cmp(const void *one, const void *two)
{
    json_t *const *a = one;
    json_t *const *b = two;

    int  rc;

    rc = strcmp(ngx_llmops_doc_string(*a, "id"),
                ngx_llmops_doc_string(*b, "id"));

    /* one that is listed twice, while the store was moving, is there once */

    return rc ? rc : (*a < *b ? -1 : *a > *b);
}


static ngx_int_t
ngx_llmops_export_next(ngx_llmops_admin_t *a)
{
    json_t                     *head, *before;
    const char                 *id;
    ngx_llmops_admin_export_t  *export = a->data;

    for ( ;; ) {
        head = export->sorted[export->at];

        if (head == NULL) {
            a->status = NGX_HTTP_OK;

            if (a->page.size == 0) {
                ngx_llmops_page_lit(&a->page, "\n");    /* a body at least */
            }

            return a->page.failed ? NGX_ERROR : NGX_OK;
        }

        before = export->at ? export->sorted[export->at - 1] : NULL;

        if (before == NULL
            || ngx_strcmp(ngx_llmops_doc_string(before, "id"),
                          ngx_llmops_doc_string(head, "id"))
               != 0)
        {
            break;
        }

        export->at++;
    }

    id = ngx_llmops_doc_string(head, "text");

    a->op.docs = NGX_LLMOPS_DOCS_TEXTS;
    a->op.id.data = (u_char *) id;
    a->op.id.len = ngx_strlen(id);

    return ngx_llmops_admin_ask(a, ngx_llmops_store_get,
                                ngx_llmops_export_got);
}


static ngx_int_t
ngx_llmops_export_got(ngx_llmops_admin_t *a)
{
    json_t                     *head;
    ngx_llmops_admin_export_t  *export = a->data;

    head = export->sorted[export->at++];

    if (a->op.rc == NGX_DECLINED) {

        /* it has just been changed or deleted: whoever wants a picture of a
           moment asks when nobody writes */

        return ngx_llmops_export_next(a);
    }

    if (a->op.rc != NGX_OK) {
        return ngx_llmops_admin_store_error(a);
    }

    if (ngx_llmops_export_line(a, head, &a->op.doc.value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (a->page.size > NGX_LLMOPS_EXPORT_MAX) {
        ngx_llmops_page_init(&a->page, a->request->pool);

        return ngx_llmops_admin_error(a, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                      "too_large", "these documents have more "
                                      "than 64 MB, export them in parts with "
                                      "\"prefix\"");
    }

    return ngx_llmops_export_next(a);
}


static ngx_int_t
ngx_llmops_export_line(ngx_llmops_admin_t *a, json_t *head, ngx_str_t *text)
{
    char        *dump;
    json_t      *line, *value;
    ngx_uint_t   i;

    static const char *const  members[] = { "title", "url", "metadata", NULL };

    line = json_object();
    (void) json_object_set(line, "id", json_object_get(head, "id"));

    for (i = 0; members[i]; i++) {
        value = json_object_get(head, members[i]);

        if (value) {
            (void) json_object_set(line, members[i], value);
        }
    }

    dump = NULL;

    if (json_object_set_new(line, "text",
                            json_stringn((char *) text->data, text->len))
        == 0)
    {
        dump = json_dumps(line, JSON_COMPACT|JSON_REAL_PRECISION(15));
    }

    json_decref(line);

    if (dump == NULL) {
        return NGX_ERROR;
    }

    ngx_llmops_page_write(&a->page, dump, ngx_strlen(dump));
    ngx_llmops_page_lit(&a->page, "\n");

    free(dump);

    return NGX_OK;
}
