
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_admin_prompts.h"


/*
 * Changes of a prompt in the store.  The head is read, edited, and put back if
 * nobody has been faster; otherwise again, unless the caller has said with
 * If-Match which one it means.
 *
 * A version's text is put before the head that names it, and removed after the
 * head that does not any more: no head ever names a text that is not there.
 * What a crash leaves between the two is a text that nobody names.
 */


#define NGX_LLMOPS_PROMPT_TRIES  16        /* against others who are faster */


static void ngx_llmops_prompt_change_free(void *data);
static ngx_int_t ngx_llmops_prompt_change_allowed(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_prompt_change_reason(ngx_llmops_admin_t *a,
    ngx_llmops_prompt_change_t *change);
static ngx_int_t ngx_llmops_prompt_change_got(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_prompt_change_edited(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_prompt_change_stored(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_prompt_change_put(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_prompt_change_made(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_prompt_change_clean(ngx_llmops_admin_t *a);


/* -- before the store is asked -------------------------------------------- */

/* NULL: *rc is what the step returns */

ngx_llmops_prompt_change_t *
ngx_llmops_prompt_change(ngx_llmops_admin_t *a,
    ngx_llmops_prompt_edit_pt edit, ngx_int_t *rc)
{
    ngx_pool_cleanup_t          *cln;
    ngx_http_request_t          *r;
    ngx_llmops_prompt_change_t  *change;

    *rc = ngx_llmops_prompt_change_allowed(a);

    if (*rc != NGX_OK) {
        return NULL;
    }

    *rc = NGX_ERROR;

    r = a->request;
    change = ngx_pcalloc(r->pool, sizeof(ngx_llmops_prompt_change_t));
    cln = ngx_pool_cleanup_add(r->pool, 0);

    if (change == NULL || cln == NULL) {
        return NULL;
    }

    change->removed = json_array();
    change->edit = edit;
    change->status = NGX_HTTP_OK;

    cln->handler = ngx_llmops_prompt_change_free;
    cln->data = change;

    a->data = change;

    /* $remote_user, where the location has a password */

    (void) ngx_http_auth_basic_user(r);

    change->act.time = ngx_time();
    change->act.by = r->headers_in.user.len ? r->headers_in.user
                                            : r->connection->addr_text;

    *rc = ngx_llmops_prompt_change_reason(a, change);

    if (*rc == NGX_OK) {
        *rc = ngx_llmops_admin_if_match(a, &change->if_match);
    }

    if (a->args[1].len) {
        ngx_llmops_admin_note(a, "%V reason=%V", &a->args[1],
                              &change->act.reason);
    }

    return (*rc == NGX_OK) ? change : NULL;
}


static void
ngx_llmops_prompt_change_free(void *data)
{
    ngx_llmops_prompt_change_t *change = data;

    json_decref(change->head);
    json_decref(change->removed);
}


static ngx_int_t
ngx_llmops_prompt_change_allowed(ngx_llmops_admin_t *a)
{
    ngx_uint_t             i;
    ngx_llmops_prompts_t  *prompts;

    prompts = a->mcf->prompts;

    if (ngx_llmops_admin_prompt_family(a)) {
        return ngx_llmops_admin_error(a, NGX_HTTP_CONFLICT, "configured",
                                      "the prompt \"%V\" is one of the "
                                      "configuration, change it there",
                                      &a->args[0]);
    }

    if (prompts == NULL || !prompts->store) {
        return ngx_llmops_admin_error(a, NGX_HTTP_CONFLICT, "store_off",
                                      "prompts of the store are not in use, "
                                      "the configuration turns them on with "
                                      "\"llm_prompt_store on\"");
    }

    for (i = 0; i < NGX_LLMOPS_ADMIN_ARGS && a->args[i].len; i++) {

        if (!ngx_llmops_prompt_name(&a->args[i])
            || (i == 0 && a->args[i].len > 4
                && ngx_memcmp(a->args[i].data, "pmpt_", 5) == 0))
        {
            return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                          "names of prompts, versions and "
                                          "labels are 1 to 64 letters, digits, "
                                          "\".\", \"_\" and \"-\", and "
                                          "\"pmpt_...\" are those of OpenAI");
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_prompt_change_reason(ngx_llmops_admin_t *a,
    ngx_llmops_prompt_change_t *change)
{
    json_t     *member;
    ngx_str_t  *arg, *reason;

    reason = &change->act.reason;

    arg = ngx_llmops_admin_arg(a, "reason");

    if (arg) {
        *reason = *arg;
    }

    /* where it is an argument, a body is a file */

    member = a->call->query ? NULL : json_object_get(a->body, "reason");

    if (member) {
        reason->data = (u_char *) json_string_value(member);
        reason->len = json_string_length(member);
    }

    if ((member && !json_is_string(member))
        || reason->len > NGX_LLMOPS_HEAD_REASON)
    {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "\"reason\" must be a text of at most "
                                      "200 bytes");
    }

    return NGX_OK;
}


/* -- the way of a change -------------------------------------------------- */

ngx_int_t
ngx_llmops_prompt_change_start(ngx_llmops_admin_t *a)
{
    a->op.docs = NGX_LLMOPS_DOCS_PROMPTS;
    a->op.id = a->args[0];

    return ngx_llmops_admin_ask(a, ngx_llmops_store_get,
                                ngx_llmops_prompt_change_got);
}


static ngx_int_t
ngx_llmops_prompt_change_got(ngx_llmops_admin_t *a)
{
    ngx_int_t                    rc;
    ngx_llmops_prompt_change_t  *change = a->data;

    json_decref(change->head);

    if (a->op.rc == NGX_DECLINED && change->create) {
        change->head = ngx_llmops_head_create(&a->args[0], change->act.time);
        change->revision = NGX_LLMOPS_REVISION_NONE;
        rc = NGX_ERROR;

    } else {
        change->head = ngx_llmops_admin_prompt_head(a, &rc);
        change->revision = a->op.doc.revision;
    }

    if (change->head == NULL) {
        return ngx_llmops_prompt_change_end(a, rc);
    }

    if (change->if_match != NGX_LLMOPS_REVISION_ANY
        && change->if_match != change->revision)
    {
        change->fault.code = "stale";
        return ngx_llmops_prompt_change_refused(a);
    }

    return ngx_llmops_prompt_change_edited(a);
}


static ngx_int_t
ngx_llmops_prompt_change_edited(ngx_llmops_admin_t *a)
{
    ngx_llmops_prompt_change_t  *change = a->data;

    switch (change->edit(a, change)) {

    case NGX_OK:
        break;

    case NGX_DONE:
        return ngx_llmops_prompt_change_end(a,
                   ngx_llmops_admin_prompt_answer(a, NGX_HTTP_OK, change->head,
                                                  change->revision));

    case NGX_DECLINED:
        return ngx_llmops_prompt_change_refused(a);

    default:
        return ngx_llmops_prompt_change_end(a, NGX_ERROR);
    }

    if (change->text.len == 0 || change->stored) {
        return ngx_llmops_prompt_change_put(a);
    }

    a->op.docs = NGX_LLMOPS_DOCS_TEXTS;
    a->op.id = change->text;
    a->op.value = a->raw;
    a->op.expected = NGX_LLMOPS_REVISION_NONE;

    return ngx_llmops_admin_ask(a, ngx_llmops_store_put,
                                ngx_llmops_prompt_change_stored);
}


ngx_int_t
ngx_llmops_prompt_change_refused(ngx_llmops_admin_t *a)
{
    ngx_int_t                    rc;
    ngx_uint_t                   status;
    ngx_llmops_prompt_change_t  *change = a->data;

    if (ngx_strcmp(change->fault.code, "stale") == 0) {
        rc = ngx_llmops_admin_error(a, NGX_HTTP_PRECONDITION_FAILED, "stale",
                                    "the prompt \"%V\" has been changed since, "
                                    "get it again", &a->args[0]);
        return ngx_llmops_prompt_change_end(a, rc);
    }

    status = ngx_strcmp(change->fault.code, "not_found") == 0
             ? NGX_HTTP_NOT_FOUND : NGX_HTTP_CONFLICT;

    rc = ngx_llmops_admin_error(a, status, change->fault.code, "%s",
                                change->fault.text);

    return ngx_llmops_prompt_change_end(a, rc);
}


static ngx_int_t
ngx_llmops_prompt_change_stored(ngx_llmops_admin_t *a)
{
    ngx_llmops_prompt_change_t  *change = a->data;

    if (a->op.rc != NGX_OK) {
        return ngx_llmops_admin_store_error(a);
    }

    change->stored = 1;

    return ngx_llmops_prompt_change_put(a);
}


static ngx_int_t
ngx_llmops_prompt_change_put(ngx_llmops_admin_t *a)
{
    char                        *text;
    ngx_str_t                    value;
    ngx_llmops_prompt_change_t  *change = a->data;

    text = json_dumps(change->head, JSON_COMPACT);

    if (text == NULL) {
        return ngx_llmops_prompt_change_end(a, NGX_ERROR);
    }

    value.data = (u_char *) text;
    value.len = ngx_strlen(text);

    a->op.docs = NGX_LLMOPS_DOCS_PROMPTS;
    a->op.id = a->args[0];
    a->op.expected = change->revision;
    a->op.value.len = value.len;
    a->op.value.data = ngx_pstrdup(a->request->pool, &value);

    free(text);

    if (a->op.value.data == NULL) {
        return ngx_llmops_prompt_change_end(a, NGX_ERROR);
    }

    if (value.len > NGX_LLMOPS_DOC_HEAD) {
        change->fault.code = "full";
        ngx_memcpy(change->fault.text, "the prompt has too many versions and "
                   "labels, delete old ones",
                   sizeof("the prompt has too many versions and labels, "
                          "delete old ones"));

        return ngx_llmops_prompt_change_refused(a);
    }

    return ngx_llmops_admin_ask(a, ngx_llmops_store_put,
                                ngx_llmops_prompt_change_made);
}


static ngx_int_t
ngx_llmops_prompt_change_made(ngx_llmops_admin_t *a)
{
    ngx_llmops_prompt_change_t  *change = a->data;

    if (a->op.rc == NGX_OK) {
        change->stored = 0;                  /* it is the head's now */

        return ngx_llmops_prompt_change_end(a,
                   ngx_llmops_admin_prompt_answer(a, change->status,
                                                  change->head,
                                                  a->op.doc.revision));
    }

    (void) json_array_clear(change->removed);

    if (a->op.rc == NGX_ERROR) {

        /* nobody knows whether it was made: the text stays */

        return ngx_llmops_admin_store_error(a);
    }

    if (a->op.rc != NGX_DECLINED) {
        return ngx_llmops_prompt_change_end(a, ngx_llmops_admin_store_error(a));
    }

    if (change->if_match != NGX_LLMOPS_REVISION_ANY) {
        change->fault.code = "stale";
        return ngx_llmops_prompt_change_refused(a);
    }

    if (++change->tries < NGX_LLMOPS_PROMPT_TRIES) {
        return ngx_llmops_prompt_change_start(a);
    }

    return ngx_llmops_prompt_change_end(a,
               ngx_llmops_admin_error(a, NGX_HTTP_SERVICE_UNAVAILABLE, "busy",
                                      "the prompt \"%V\" is being changed by "
                                      "others, retry later", &a->args[0]));
}


/* the answer is set; texts that no head names go before it does */

ngx_int_t
ngx_llmops_prompt_change_end(ngx_llmops_admin_t *a, ngx_int_t rc)
{
    ngx_llmops_prompt_change_t  *change = a->data;

    change->rc = rc;

    if (change->stored) {
        (void) json_array_append_new(change->removed,
                               json_stringn((char *) change->text.data,
                                            change->text.len));
    }

    return ngx_llmops_prompt_change_clean(a);
}


static ngx_int_t
ngx_llmops_prompt_change_clean(ngx_llmops_admin_t *a)
{
    size_t                       n;
    json_t                      *id;
    ngx_str_t                    text;
    ngx_llmops_prompt_change_t  *change = a->data;

    n = json_array_size(change->removed);

    if (n == 0) {
        return change->rc;
    }

    id = json_array_get(change->removed, n - 1);

    text.data = (u_char *) json_string_value(id);
    text.len = json_string_length(id);

    a->op.docs = NGX_LLMOPS_DOCS_TEXTS;
    a->op.expected = NGX_LLMOPS_REVISION_ANY;
    a->op.id.len = text.len;
    a->op.id.data = ngx_pstrdup(a->request->pool, &text);

    (void) json_array_remove(change->removed, n - 1);

    if (a->op.id.data == NULL) {
        return change->rc;
    }

    return ngx_llmops_admin_ask(a, ngx_llmops_store_remove,
                                ngx_llmops_prompt_change_clean);
}
