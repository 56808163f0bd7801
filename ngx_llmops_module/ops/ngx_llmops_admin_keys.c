
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_admin_keys.h"


/*
 * Virtual keys in the store.  What a record is, and what may be in it, is
 * known to guard/ alone: here records are fetched, handed to it, and put back.
 *
 * A secret is in one answer, that of the call which made it.  It is not kept,
 * not logged, and what held it is wiped.
 */


#define NGX_LLMOPS_KEYS_PAGES      10      /* that one call looks at for keys
                                              which a filter lets pass */


/* of a call that has made a key: in r->pool */

typedef struct {
    json_t                    *record;
    ngx_llmops_key_secret_t    secret;
} ngx_llmops_admin_new_key_t;


typedef struct {
    json_t                    *keys;       /* the array of the answer */
    json_t                    *seen;       /* an object with their ids: a list
                                              may have one twice */
    ngx_int_t                  limit;
    ngx_uint_t                 pages;
    ngx_str_t                 *client;     /* NULL: all */
    ngx_str_t                 *tenant;
} ngx_llmops_admin_key_list_t;


static ngx_int_t ngx_llmops_admin_key_list(ngx_llmops_admin_t *a);
static void ngx_llmops_admin_key_list_free(void *data);
static ngx_int_t ngx_llmops_admin_key_cursor(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_key_listed(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_key_pick(ngx_llmops_admin_t *a,
    ngx_llmops_doc_t *doc);
static ngx_uint_t ngx_llmops_admin_key_filter(json_t *record,
    const char *name, ngx_str_t *wanted);
static json_t *ngx_llmops_admin_key_next(ngx_llmops_admin_t *a);

static ngx_int_t ngx_llmops_admin_key_get(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_key_got(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_key_create(ngx_llmops_admin_t *a);
static void ngx_llmops_admin_key_note(ngx_llmops_admin_t *a, json_t *record);
static void ngx_llmops_admin_key_new_free(void *data);
static ngx_int_t ngx_llmops_admin_key_created(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_key_location(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_key_delete(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_key_deleted(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_key_not_deleted(ngx_llmops_admin_t *a);


const ngx_llmops_admin_call_t  ngx_llmops_admin_keys[] = {

    { NGX_HTTP_GET, "keys", "listKeys", "limit cursor client tenant",
      ngx_llmops_admin_key_list, 0, 0 },

    { NGX_HTTP_POST, "keys", "createKey", NULL,
      ngx_llmops_admin_key_create, 1, 1 },

    { NGX_HTTP_GET, "keys/{}", "getKey", NULL,
      ngx_llmops_admin_key_get, 0, 0 },

    { NGX_HTTP_PUT, "keys/{}", "replaceKey", NULL,
      ngx_llmops_admin_key_replace, 1, 1 },

    { NGX_HTTP_DELETE, "keys/{}", "deleteKey", NULL,
      ngx_llmops_admin_key_delete, 1, 0 },

    { NGX_HTTP_POST, "keys/{}/rotate", "rotateKey", NULL,
      ngx_llmops_admin_key_rotate, 1, 0 },

    { NGX_HTTP_POST, "keys/{}/disable", "disableKey", NULL,
      ngx_llmops_admin_key_disable, 1, 0 },

    { NGX_HTTP_POST, "keys/{}/enable", "enableKey", NULL,
      ngx_llmops_admin_key_enable, 1, 0 },

    { 0, NULL, NULL, NULL, NULL, 0, 0 }
};


/* -- list ----------------------------------------------------------------- */

static ngx_int_t
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
        rc = ngx_llmops_admin_key_cursor(a);
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


/* the store's own, whose bytes mean nothing here, in a form for URLs */

static ngx_int_t
ngx_llmops_admin_key_cursor(ngx_llmops_admin_t *a)
{
    ngx_str_t  *arg;

    arg = ngx_llmops_admin_arg(a, "cursor");

    if (arg == NULL || arg->len == 0) {
        return NGX_OK;
    }

    a->op.id.data = ngx_pnalloc(a->request->pool,
                                ngx_base64_decoded_length(arg->len));
    if (a->op.id.data == NULL) {
        return NGX_ERROR;
    }

    if (ngx_decode_base64url(&a->op.id, arg) != NGX_OK || a->op.id.len == 0
        || a->op.id.len > NGX_LLMOPS_DOC_ID)
    {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "\"cursor\" must be the \"next\" of an "
                                      "answer");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_admin_key_listed(ngx_llmops_admin_t *a)
{
    json_t                       *keys;
    ngx_uint_t                    i;
    ngx_llmops_doc_t             *doc;
    ngx_llmops_admin_key_list_t  *list;

    if (a->op.rc == NGX_DECLINED) {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "\"cursor\" must be the \"next\" of an "
                                      "answer");
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
                                            ngx_llmops_admin_key_next(a)));
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


static json_t *
ngx_llmops_admin_key_next(ngx_llmops_admin_t *a)
{
    u_char     text[ngx_base64_encoded_length(NGX_LLMOPS_DOC_ID)];
    ngx_str_t  next;

    if (a->op.next.len == 0) {
        return json_null();
    }

    if (a->op.next.len > NGX_LLMOPS_DOC_ID) {
        return NULL;
    }

    next.data = text;

    ngx_encode_base64url(&next, &a->op.next);

    return json_stringn((char *) next.data, next.len);
}


/* -- one key -------------------------------------------------------------- */

ngx_int_t
ngx_llmops_admin_key_named(ngx_llmops_admin_t *a)
{
    if (a->args[0].len <= NGX_LLMOPS_KEY_ID_MAX) {
        a->op.docs = NGX_LLMOPS_DOCS_KEYS;
        a->op.id = a->args[0];

        return NGX_OK;
    }

    return ngx_llmops_admin_error(a, NGX_HTTP_NOT_FOUND, "not_found",
                                  "there is no such key");
}


static ngx_int_t
ngx_llmops_admin_key_get(ngx_llmops_admin_t *a)
{
    ngx_int_t  rc;

    rc = ngx_llmops_admin_key_named(a);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_llmops_admin_ask(a, ngx_llmops_store_get,
                                ngx_llmops_admin_key_got);
}


static ngx_int_t
ngx_llmops_admin_key_got(ngx_llmops_admin_t *a)
{
    json_t     *record;
    ngx_int_t   rc;

    record = ngx_llmops_admin_key_record(a, &rc);

    if (record) {
        rc = ngx_llmops_admin_key_answer(a, NGX_HTTP_OK, record,
                                         a->op.doc.revision, NULL);
        json_decref(record);
    }

    return rc;
}


json_t *
ngx_llmops_admin_key_record(ngx_llmops_admin_t *a, ngx_int_t *rc)
{
    char     error[NGX_LLMOPS_KEY_ERROR];
    json_t  *record;

    if (a->op.rc == NGX_DECLINED) {
        *rc = ngx_llmops_admin_error(a, NGX_HTTP_NOT_FOUND, "not_found",
                                     "there is no key \"%V\"", &a->args[0]);
        return NULL;
    }

    if (a->op.rc != NGX_OK) {
        *rc = ngx_llmops_admin_store_error(a);
        return NULL;
    }

    record = ngx_llmops_key_load(&a->op.doc.value, error);

    if (record == NULL) {
        ngx_log_error(NGX_LOG_ERR, a->request->connection->log, 0,
                      "the record of key \"%V\" cannot be read: %s",
                      &a->args[0], error);
        *rc = NGX_ERROR;
    }

    return record;
}


json_t *
ngx_llmops_admin_key_shown(json_t *record, uint64_t revision)
{
    json_t  *shown;

    shown = ngx_llmops_key_show(record, ngx_time());

    if (json_object_set_new(shown, "revision", json_integer(revision)) != 0) {
        json_decref(shown);
        return NULL;
    }

    return shown;
}


ngx_int_t
ngx_llmops_admin_key_answer(ngx_llmops_admin_t *a, ngx_uint_t status,
    json_t *record, uint64_t revision, ngx_llmops_key_secret_t *secret)
{
    json_t  *answer;

    answer = json_pack("{s:o}", "key",
                       ngx_llmops_admin_key_shown(record, revision));

    if (secret && secret->len) {

        if (json_object_set_new(answer, "secret",
                                json_stringn((char *) secret->text,
                                             secret->len))
            != 0)
        {
            json_decref(answer);
            answer = NULL;
        }

        ngx_explicit_memzero(secret, sizeof(ngx_llmops_key_secret_t));
    }

    if (ngx_llmops_admin_etag(a, revision) != NGX_OK) {
        json_decref(answer);
        return NGX_ERROR;
    }

    return ngx_llmops_admin_reply(a, status, answer);
}


ngx_int_t
ngx_llmops_admin_key_put(ngx_llmops_admin_t *a, json_t *record,
    uint64_t expected)
{
    char    *text;
    size_t   len;

    text = json_dumps(record, JSON_COMPACT);
    if (text == NULL) {
        return NGX_ERROR;
    }

    len = ngx_strlen(text);

    a->op.docs = NGX_LLMOPS_DOCS_KEYS;
    a->op.expected = expected;
    a->op.expires = ngx_llmops_key_forget(record);
    a->op.value.len = len;
    a->op.value.data = ngx_pnalloc(a->request->pool, len);

    if (a->op.value.data) {
        ngx_memcpy(a->op.value.data, text, len);
    }

    free(text);

    return a->op.value.data ? NGX_OK : NGX_ERROR;
}


/* -- create --------------------------------------------------------------- */

static ngx_int_t
ngx_llmops_admin_key_create(ngx_llmops_admin_t *a)
{
    char                         error[NGX_LLMOPS_KEY_ERROR];
    ngx_str_t                    id;
    ngx_pool_cleanup_t          *cln;
    ngx_llmops_admin_new_key_t  *key;

    key = ngx_pcalloc(a->request->pool, sizeof(ngx_llmops_admin_new_key_t));
    cln = ngx_pool_cleanup_add(a->request->pool, 0);

    if (key == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_llmops_admin_key_new_free;
    cln->data = key;

    key->record = ngx_llmops_key_create(a->body, ngx_time(), &key->secret,
                                        error);

    if (key->record == NULL) {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "%s", error);
    }

    id = ngx_llmops_key_id(key->record);

    a->op.id.len = id.len;
    a->op.id.data = ngx_pstrdup(a->request->pool, &id);

    if (a->op.id.data == NULL
        || ngx_llmops_admin_key_put(a, key->record, NGX_LLMOPS_REVISION_NONE)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    a->data = key;
    a->object = a->op.id;

    ngx_llmops_admin_key_note(a, key->record);

    return ngx_llmops_admin_ask(a, ngx_llmops_store_put,
                                ngx_llmops_admin_key_created);
}


/* whose key it is */

static void
ngx_llmops_admin_key_note(ngx_llmops_admin_t *a, json_t *record)
{
    const char  *client, *tenant;

    client = json_string_value(json_object_get(record, "client"));
    tenant = json_string_value(json_object_get(record, "tenant"));

    if (client || tenant) {
        ngx_llmops_admin_note(a, "%s%s%s%s%s", client ? "client=" : "",
                              client ? client : "",
                              client && tenant ? " " : "",
                              tenant ? "tenant=" : "", tenant ? tenant : "");
    }
}


static void
ngx_llmops_admin_key_new_free(void *data)
{
    ngx_llmops_admin_new_key_t *key = data;

    ngx_explicit_memzero(&key->secret, sizeof(ngx_llmops_key_secret_t));
    json_decref(key->record);
}


static ngx_int_t
ngx_llmops_admin_key_created(ngx_llmops_admin_t *a)
{
    ngx_llmops_admin_new_key_t *key = a->data;

    if (a->op.rc == NGX_DECLINED) {
        return ngx_llmops_admin_error(a, NGX_HTTP_CONFLICT, "exists",
                                      "there is a key \"%V\" already",
                                      &a->op.id);
    }

    if (a->op.rc != NGX_OK) {
        return ngx_llmops_admin_store_error(a);
    }

    if (ngx_llmops_admin_key_location(a) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_llmops_admin_key_answer(a, NGX_HTTP_CREATED, key->record,
                                       a->op.doc.revision, &key->secret);
}


static ngx_int_t
ngx_llmops_admin_key_location(ngx_llmops_admin_t *a)
{
    u_char     *p;
    ngx_str_t  *uri;

    uri = &a->request->uri;

    a->location.len = uri->len + 1 + a->op.id.len;

    p = ngx_pnalloc(a->request->pool, a->location.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    a->location.data = p;

    p = ngx_cpymem(p, uri->data, uri->len);
    *p++ = '/';
    ngx_memcpy(p, a->op.id.data, a->op.id.len);

    return NGX_OK;
}


/* -- delete --------------------------------------------------------------- */

static ngx_int_t
ngx_llmops_admin_key_delete(ngx_llmops_admin_t *a)
{
    ngx_int_t  rc;

    rc = ngx_llmops_admin_key_named(a);

    if (rc == NGX_OK) {
        rc = ngx_llmops_admin_if_match(a, &a->op.expected);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_llmops_admin_ask(a, ngx_llmops_store_remove,
                                ngx_llmops_admin_key_deleted);
}


static ngx_int_t
ngx_llmops_admin_key_deleted(ngx_llmops_admin_t *a)
{
    if (a->op.rc == NGX_DECLINED
        && a->op.expected != NGX_LLMOPS_REVISION_ANY)
    {
        /* gone, or changed? */

        return ngx_llmops_admin_ask(a, ngx_llmops_store_get,
                                    ngx_llmops_admin_key_not_deleted);
    }

    if (a->op.rc == NGX_DECLINED) {
        return ngx_llmops_admin_error(a, NGX_HTTP_NOT_FOUND, "not_found",
                                      "there is no key \"%V\"", &a->args[0]);
    }

    if (a->op.rc != NGX_OK) {
        return ngx_llmops_admin_store_error(a);
    }

    return ngx_llmops_admin_reply(a, NGX_HTTP_OK,
                                  json_pack("{s:o}", "deleted",
                                        ngx_llmops_admin_string(&a->args[0])));
}


static ngx_int_t
ngx_llmops_admin_key_not_deleted(ngx_llmops_admin_t *a)
{
    if (a->op.rc == NGX_OK) {
        return ngx_llmops_admin_key_stale(a);
    }

    a->op.expected = NGX_LLMOPS_REVISION_ANY;

    return ngx_llmops_admin_key_deleted(a);
}


ngx_int_t
ngx_llmops_admin_key_stale(ngx_llmops_admin_t *a)
{
    return ngx_llmops_admin_error(a, NGX_HTTP_PRECONDITION_FAILED, "stale",
                                  "the key \"%V\" has been changed since, get "
                                  "it again", &a->args[0]);
}
