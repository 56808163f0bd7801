
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_admin_audit.h"


/*
 * GET audit: the records, newest first.  The store gives them in any order;
 * since they are bounded, all are read, and a page is cut out of what has
 * been sorted.  The cursor is the id of the last record of a page, so that
 * records that come meanwhile do not move what follows.
 */


typedef struct {
    ngx_array_t                docs;       /* of ngx_llmops_doc_t */
    ngx_int_t                  limit;
    ngx_str_t                 *cursor;     /* NULL: from the newest on */
    ngx_str_t                 *object;     /* NULL: all */
} ngx_llmops_admin_audits_t;


static ngx_int_t ngx_llmops_admin_audit_get(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_audit_listed(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_audit_page(ngx_llmops_admin_t *a);
static json_t *ngx_llmops_admin_audit_pick(ngx_llmops_admin_audits_t *list,
    ngx_llmops_doc_t *doc);
static int ngx_libc_cdecl ngx_llmops_admin_audit_cmp(const void *one,
    const void *two);


const ngx_llmops_admin_call_t  ngx_llmops_admin_audit[] = {

    { NGX_HTTP_GET, "audit", "listAudit", "limit cursor object",
      ngx_llmops_admin_audit_get, 0, 0 },

    { 0, NULL, NULL, NULL, NULL, 0, 0 }
};


static ngx_int_t
ngx_llmops_admin_audit_get(ngx_llmops_admin_t *a)
{
    ngx_int_t                   rc;
    ngx_llmops_admin_audits_t  *list;

    list = ngx_pcalloc(a->request->pool, sizeof(ngx_llmops_admin_audits_t));

    if (list == NULL
        || ngx_array_init(&list->docs, a->request->pool, 64,
                          sizeof(ngx_llmops_doc_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_llmops_admin_arg_number(a, "limit", 1, 1000, 100, &list->limit);

    if (rc != NGX_OK) {
        return rc;
    }

    list->cursor = ngx_llmops_admin_arg(a, "cursor");
    list->object = ngx_llmops_admin_arg(a, "object");

    if (list->cursor && list->cursor->len != NGX_LLMOPS_AUDIT_ID) {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "\"cursor\" must be the \"next\" of an "
                                      "answer");
    }

    a->data = list;
    a->op.docs = NGX_LLMOPS_DOCS_AUDIT;
    a->op.max = NGX_LLMOPS_AUDIT_PAGE;

    return ngx_llmops_admin_ask(a, ngx_llmops_store_list,
                                ngx_llmops_admin_audit_listed);
}


static ngx_int_t
ngx_llmops_admin_audit_listed(ngx_llmops_admin_t *a)
{
    ngx_uint_t                  i;
    ngx_llmops_doc_t           *doc, *copy;
    ngx_llmops_admin_audits_t  *list;

    if (a->op.rc != NGX_OK) {
        return ngx_llmops_admin_store_error(a);
    }

    list = a->data;
    doc = a->op.list.elts;

    for (i = 0; i < a->op.list.nelts; i++) {

        copy = ngx_array_push(&list->docs);
        if (copy == NULL) {
            return NGX_ERROR;
        }

        *copy = doc[i];
    }

    if (a->op.next.len) {
        a->op.id = a->op.next;

        return ngx_llmops_admin_ask(a, ngx_llmops_store_list,
                                    ngx_llmops_admin_audit_listed);
    }

    ngx_qsort(list->docs.elts, list->docs.nelts, sizeof(ngx_llmops_doc_t),
              ngx_llmops_admin_audit_cmp);

    return ngx_llmops_admin_audit_page(a);
}


static ngx_int_t
ngx_llmops_admin_audit_page(ngx_llmops_admin_t *a)
{
    json_t                     *records, *record;
    ngx_str_t                  *last;
    ngx_uint_t                  i;
    ngx_llmops_doc_t           *doc;
    ngx_llmops_admin_audits_t  *list;

    list = a->data;
    doc = list->docs.elts;
    last = NULL;

    records = json_array();

    for (i = 0; i < list->docs.nelts; i++) {

        if (i && ngx_llmops_admin_audit_cmp(&doc[i - 1], &doc[i]) == 0) {
            continue;                        /* a list may have one twice */
        }

        record = ngx_llmops_admin_audit_pick(list, &doc[i]);

        if (record == NULL) {
            continue;
        }

        if (json_array_size(records) == (size_t) list->limit) {
            json_decref(record);
            break;
        }

        last = &doc[i].id;

        if (json_array_append_new(records, record) != 0) {
            json_decref(records);
            return NGX_ERROR;
        }
    }

    return ngx_llmops_admin_reply(a, NGX_HTTP_OK,
        json_pack("{s:o,s:o}", "records", records,
                  "next", i < list->docs.nelts && last
                          ? ngx_llmops_admin_string(last) : json_null()));
}


/* the record, if it is behind the cursor and of the object, else NULL */

static json_t *
ngx_llmops_admin_audit_pick(ngx_llmops_admin_audits_t *list,
    ngx_llmops_doc_t *doc)
{
    json_t  *record, *object;

    if (list->cursor
        && ngx_memn2cmp(doc->id.data, list->cursor->data, doc->id.len,
                        list->cursor->len)
           >= 0)
    {
        return NULL;
    }

    record = json_loadb((char *) doc->value.data, doc->value.len,
                        JSON_ALLOW_NUL, NULL);

    if (record == NULL) {
        return NULL;
    }

    object = json_object_get(record, "object");

    if (list->object
        && (json_string_length(object) != list->object->len
            || ngx_memcmp(json_string_value(object), list->object->data,
                          list->object->len)
               != 0))
    {
        json_decref(record);
        return NULL;
    }

    return record;
}


/* newest first */

static int ngx_libc_cdecl
ngx_llmops_admin_audit_cmp(const void *one, const void *two)
{
    const ngx_llmops_doc_t *a = one;
    const ngx_llmops_doc_t *b = two;

    return (int) ngx_memn2cmp(b->id.data, a->id.data, b->id.len, a->id.len);
}
