
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_admin.h"


/*
 * What a call asks for, and what it asks of the store.
 *
 * Arguments that nobody knows are refused: "?form=2026-11-01" would otherwise
 * give an answer to another question.
 */


static ngx_int_t ngx_llmops_admin_query_arg(ngx_llmops_admin_t *a,
    ngx_str_t *word);
static ngx_uint_t ngx_llmops_admin_query_known(ngx_llmops_admin_t *a,
    ngx_str_t *name);
static ngx_str_t *ngx_llmops_admin_find_arg(ngx_llmops_admin_t *a,
    ngx_str_t *name);
static ngx_int_t ngx_llmops_admin_decode(ngx_llmops_admin_t *a,
    ngx_str_t *value);
static void ngx_llmops_admin_asked(ngx_llmops_docop_t *op);


ngx_int_t
ngx_llmops_admin_query(ngx_llmops_admin_t *a)
{
    u_char     *p, *end, *last;
    ngx_int_t   rc;
    ngx_str_t   word;

    p = a->request->args.data;
    last = p + a->request->args.len;

    for ( /* void */ ; p < last; p = end + 1) {

        end = ngx_strlchr(p, last, '&');
        end = end ? end : last;

        if (end == p) {
            continue;
        }

        word.data = p;
        word.len = end - p;

        rc = ngx_llmops_admin_query_arg(a, &word);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_admin_query_arg(ngx_llmops_admin_t *a, ngx_str_t *word)
{
    u_char                  *eq;
    ngx_str_t                name, value;
    ngx_llmops_admin_arg_t  *arg;

    name = *word;
    ngx_str_null(&value);

    eq = ngx_strlchr(word->data, word->data + word->len, '=');

    if (eq) {
        name.len = eq - word->data;
        value.data = eq + 1;
        value.len = word->data + word->len - value.data;
    }

    if (!ngx_llmops_admin_query_known(a, &name)) {
        name.len = ngx_min(name.len, 64);

        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "unknown argument \"%V\"%s%s", &name,
                                      a->call->query ? ", write one of: "
                                                     : ", this path has none",
                                      a->call->query ? a->call->query : "");
    }

    if (ngx_llmops_admin_find_arg(a, &name)
        || a->nquery == NGX_LLMOPS_ADMIN_QUERY)
    {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "the argument \"%V\" is there twice",
                                      &name);
    }

    if (ngx_llmops_admin_decode(a, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    arg = &a->query[a->nquery++];

    arg->name = name;
    arg->value = value;

    return NGX_OK;
}


static ngx_uint_t
ngx_llmops_admin_query_known(ngx_llmops_admin_t *a, ngx_str_t *name)
{
    size_t       len;
    const char  *p;

    for (p = a->call->query; p && *p; p += len) {

        p += strspn(p, " ");
        len = strcspn(p, " ");

        if (len == name->len && ngx_memcmp(p, name->data, len) == 0) {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_llmops_admin_decode(ngx_llmops_admin_t *a, ngx_str_t *value)
{
    size_t   i;
    u_char  *copy, *dst, *src;

    copy = ngx_pnalloc(a->request->pool, value->len + 1);
    if (copy == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < value->len; i++) {
        copy[i] = (value->data[i] == '+') ? ' ' : value->data[i];
    }

    dst = copy;
    src = copy;

    ngx_unescape_uri(&dst, &src, value->len, 0);

    value->data = copy;
    value->len = dst - copy;

    return NGX_OK;
}


static ngx_str_t *
ngx_llmops_admin_find_arg(ngx_llmops_admin_t *a, ngx_str_t *name)
{
    ngx_uint_t  i;

    for (i = 0; i < a->nquery; i++) {
        if (a->query[i].name.len == name->len
            && ngx_memcmp(a->query[i].name.data, name->data, name->len) == 0)
        {
            return &a->query[i].value;
        }
    }

    return NULL;
}


ngx_str_t *
ngx_llmops_admin_arg(ngx_llmops_admin_t *a, const char *name)
{
    ngx_str_t  s;

    s.data = (u_char *) name;
    s.len = ngx_strlen(name);

    return ngx_llmops_admin_find_arg(a, &s);
}


ngx_int_t
ngx_llmops_admin_arg_number(ngx_llmops_admin_t *a, const char *name,
    ngx_int_t min, ngx_int_t max, ngx_int_t fallback, ngx_int_t *value)
{
    ngx_str_t  *arg;

    *value = fallback;

    arg = ngx_llmops_admin_arg(a, name);

    if (arg == NULL) {
        return NGX_OK;
    }

    *value = ngx_atoi(arg->data, arg->len);

    if (*value < min || *value > max) {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "\"%s\" must be a number from %i to %i",
                                      name, min, max);
    }

    return NGX_OK;
}


ngx_int_t
ngx_llmops_admin_if_match(ngx_llmops_admin_t *a, uint64_t *revision)
{
    ngx_int_t         n;
    ngx_str_t         tag;
    ngx_table_elt_t  *h;

    *revision = NGX_LLMOPS_REVISION_ANY;

    h = ngx_llmops_header_in(a->request, "if-match", sizeof("if-match") - 1);

    if (h == NULL || (h->value.len == 1 && h->value.data[0] == '*')) {
        return NGX_OK;
    }

    tag = h->value;

    if (tag.len > 2 && tag.data[0] == '"' && tag.data[tag.len - 1] == '"') {

        n = ngx_atoi(tag.data + 1, tag.len - 2);

        if (n > 0) {
            *revision = (uint64_t) n;
            return NGX_OK;
        }
    }

    return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                  "If-Match must be the ETag of an answer, "
                                  "for example \"1\" with its quotes");
}


/* the store's own, whose bytes mean nothing here, in a form for URLs */

ngx_int_t
ngx_llmops_admin_cursor(ngx_llmops_admin_t *a)
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
        return ngx_llmops_admin_no_cursor(a);
    }

    return NGX_OK;
}


ngx_int_t
ngx_llmops_admin_no_cursor(ngx_llmops_admin_t *a)
{
    return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                  "\"cursor\" must be the \"next\" of an "
                                  "answer");
}


json_t *
ngx_llmops_admin_next(ngx_llmops_admin_t *a)
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


json_t *
ngx_llmops_admin_string(ngx_str_t *s)
{
    char    *copy;
    size_t   i;
    json_t  *value;

    value = json_stringn((char *) s->data, s->len);

    if (value || s->len == 0) {
        return value;
    }

    /* not UTF-8 */

    copy = ngx_alloc(s->len, ngx_cycle->log);
    if (copy == NULL) {
        return NULL;
    }

    for (i = 0; i < s->len; i++) {
        copy[i] = (s->data[i] < 0x80) ? (char) s->data[i] : '?';
    }

    value = json_stringn(copy, s->len);

    ngx_free(copy);

    return value;
}


ngx_int_t
ngx_llmops_admin_ask(ngx_llmops_admin_t *a,
    ngx_int_t (*call)(ngx_llmops_store_t *store, ngx_llmops_docop_t *op),
    ngx_llmops_admin_pt next)
{
    ngx_int_t  rc;

    if (a->mcf->store == NULL) {
        a->op.rc = NGX_ERROR;
        return next(a);
    }

    a->op.pool = a->request->pool;
    a->op.handler = ngx_llmops_admin_asked;
    a->op.data = a;
    a->next = next;

    rc = call(a->mcf->store, &a->op);

    if (rc == NGX_AGAIN) {
        a->asking = 1;
        return NGX_AGAIN;
    }

    return (rc == NGX_OK) ? next(a) : NGX_ERROR;
}


static void
ngx_llmops_admin_asked(ngx_llmops_docop_t *op)
{
    ngx_llmops_admin_t *a = op->data;

    a->asking = 0;

    ngx_llmops_admin_resume(a, a->next);
}
