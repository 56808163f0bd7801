
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_admin_prompts.h"


/* The calls that change a prompt in the store, and what each does to its head;
   the way that they have in common is in ngx_llmops_admin_prompt_change.c. */


static ngx_int_t ngx_llmops_prompt_change_members(ngx_llmops_admin_t *a,
    const char *known);
static ngx_int_t ngx_llmops_prompt_used_by(ngx_llmops_admin_t *a,
    ngx_str_t *which);
static ngx_int_t ngx_llmops_prompt_new_text(ngx_llmops_admin_t *a,
    ngx_llmops_prompt_change_t *change);
static ngx_int_t ngx_llmops_edit_put(ngx_llmops_admin_t *a,
    ngx_llmops_prompt_change_t *change);
static ngx_int_t ngx_llmops_edit_remove(ngx_llmops_admin_t *a,
    ngx_llmops_prompt_change_t *change);
static ngx_int_t ngx_llmops_edit_label(ngx_llmops_admin_t *a,
    ngx_llmops_prompt_change_t *change);
static ngx_int_t ngx_llmops_edit_unlabel(ngx_llmops_admin_t *a,
    ngx_llmops_prompt_change_t *change);
static ngx_int_t ngx_llmops_edit_rollback(ngx_llmops_admin_t *a,
    ngx_llmops_prompt_change_t *change);
static ngx_int_t ngx_llmops_prompt_delete_got(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_prompt_deleted(ngx_llmops_admin_t *a);


/* -- the calls ------------------------------------------------------------ */

ngx_int_t
ngx_llmops_admin_prompt_put(ngx_llmops_admin_t *a)
{
    ngx_int_t                    rc;
    ngx_llmops_prompt_change_t  *change;

    change = ngx_llmops_prompt_change(a, ngx_llmops_edit_put, &rc);

    if (change == NULL) {
        return rc;
    }

    change->create = 1;
    change->status = NGX_HTTP_CREATED;

    rc = ngx_llmops_prompt_new_text(a, change);

    return (rc == NGX_OK) ? ngx_llmops_prompt_change_start(a) : rc;
}


ngx_int_t
ngx_llmops_admin_version_delete(ngx_llmops_admin_t *a)
{
    ngx_int_t  rc;

    if (ngx_llmops_prompt_change(a, ngx_llmops_edit_remove, &rc) == NULL) {
        return rc;
    }

    rc = ngx_llmops_prompt_used_by(a, &a->args[1]);

    return (rc == NGX_OK) ? ngx_llmops_prompt_change_start(a) : rc;
}


ngx_int_t
ngx_llmops_admin_label_put(ngx_llmops_admin_t *a)
{
    json_t                      *version;
    ngx_int_t                    rc;
    ngx_llmops_prompt_change_t  *change;

    rc = ngx_llmops_prompt_change_members(a, "version");

    if (rc != NGX_OK) {
        return rc;
    }

    change = ngx_llmops_prompt_change(a, ngx_llmops_edit_label, &rc);

    if (change == NULL) {
        return rc;
    }

    version = json_object_get(a->body, "version");

    change->version.data = (u_char *) json_string_value(version);
    change->version.len = json_string_length(version);

    if (!ngx_llmops_prompt_name(&change->version)) {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "\"version\" must be the name of a "
                                      "version");
    }

    ngx_llmops_admin_note(a, "label=%V version=%V reason=%V", &a->args[1],
                          &change->version, &change->act.reason);

    return ngx_llmops_prompt_change_start(a);
}


ngx_int_t
ngx_llmops_admin_label_delete(ngx_llmops_admin_t *a)
{
    ngx_int_t  rc;

    if (ngx_llmops_prompt_change(a, ngx_llmops_edit_unlabel, &rc) == NULL) {
        return rc;
    }

    rc = ngx_llmops_prompt_used_by(a, &a->args[1]);

    return (rc == NGX_OK) ? ngx_llmops_prompt_change_start(a) : rc;
}


ngx_int_t
ngx_llmops_admin_label_rollback(ngx_llmops_admin_t *a)
{
    ngx_int_t  rc;

    rc = ngx_llmops_prompt_change_members(a, NULL);

    if (rc == NGX_OK
        && ngx_llmops_prompt_change(a, ngx_llmops_edit_rollback, &rc))
    {
        return ngx_llmops_prompt_change_start(a);
    }

    return rc;
}


/* of a body: "reason", and known */

static ngx_int_t
ngx_llmops_prompt_change_members(ngx_llmops_admin_t *a, const char *known)
{
    json_t      *value;
    const char  *name;

    json_object_foreach(a->body, name, value) {

        if (ngx_strcmp(name, "reason") != 0
            && (known == NULL || ngx_strcmp(name, known) != 0))
        {
            return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                          "unknown member \"%s\"", name);
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_prompt_used_by(ngx_llmops_admin_t *a, ngx_str_t *which)
{
    ngx_llmops_route_t  *route;

    route = ngx_llmops_prompt_used(a->mcf, &a->args[0], which);

    if (route == NULL) {
        return NGX_OK;
    }

    return ngx_llmops_admin_error(a, NGX_HTTP_CONFLICT, "in_use",
                                  "llm_route \"%V\" of the configuration uses "
                                  "it", &route->name);
}


/* -- edits ---------------------------------------------------------------- */

/* checks the file, and makes an id for it: NAME@ and 32 hex digits */

static ngx_int_t
ngx_llmops_prompt_new_text(ngx_llmops_admin_t *a,
    ngx_llmops_prompt_change_t *change)
{
    u_char                     *p;
    ngx_str_t                   unique;
    ngx_llmops_prompt_t        *prompt;
    ngx_llmops_prompt_error_t   err;

    prompt = ngx_llmops_prompt_parse(&a->args[0], &a->args[1], &a->raw, &err);

    if (prompt == NULL) {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "line %ui: %s", err.line, err.text);
    }

    ngx_llmops_prompt_release(prompt);

    p = ngx_pnalloc(a->request->pool, a->args[0].len + 1 + 32);

    if (p == NULL
        || ngx_llmops_id(a->request->pool, &unique) != NGX_OK
        || ngx_llmops_prompt_sha256(&a->raw, change->sha256) != NGX_OK)
    {
        return NGX_ERROR;
    }

    change->text.data = p;
    change->text.len = ngx_sprintf(p, "%V@%V", &a->args[0], &unique) - p;

    ngx_llmops_admin_note(a, "version=%V sha256=%s reason=%V", &a->args[1],
                          change->sha256, &change->act.reason);

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_edit_put(ngx_llmops_admin_t *a, ngx_llmops_prompt_change_t *change)
{
    return ngx_llmops_head_put(change->head, &a->args[1], &change->text,
                               (char *) change->sha256, a->raw.len,
                               &change->act, &change->fault);
}


static ngx_int_t
ngx_llmops_edit_remove(ngx_llmops_admin_t *a,
    ngx_llmops_prompt_change_t *change)
{
    json_t     *text;
    ngx_int_t   rc;

    text = json_incref(json_object_get(
                            ngx_llmops_head_version(change->head, &a->args[1]),
                            "text"));

    rc = ngx_llmops_head_remove(change->head, &a->args[1], &change->act,
                                &change->fault);

    if (rc == NGX_OK && text
        && json_array_append(change->removed, text) != 0)
    {
        rc = NGX_ERROR;
    }

    json_decref(text);

    return rc;
}


static ngx_int_t
ngx_llmops_edit_label(ngx_llmops_admin_t *a,
    ngx_llmops_prompt_change_t *change)
{
    return ngx_llmops_head_label(change->head, &a->args[1], &change->version,
                                 &change->act, &change->fault);
}


static ngx_int_t
ngx_llmops_edit_unlabel(ngx_llmops_admin_t *a,
    ngx_llmops_prompt_change_t *change)
{
    return ngx_llmops_head_unlabel(change->head, &a->args[1], &change->act,
                                   &change->fault);
}


static ngx_int_t
ngx_llmops_edit_rollback(ngx_llmops_admin_t *a,
    ngx_llmops_prompt_change_t *change)
{
    return ngx_llmops_head_rollback(change->head, &a->args[1], &change->act,
                                    &change->fault);
}


/* -- the whole prompt ----------------------------------------------------- */

ngx_int_t
ngx_llmops_admin_prompt_delete(ngx_llmops_admin_t *a)
{
    ngx_int_t  rc;

    if (ngx_llmops_prompt_change(a, NULL, &rc) == NULL) {
        return rc;
    }

    rc = ngx_llmops_prompt_used_by(a, NULL);

    if (rc != NGX_OK) {
        return rc;
    }

    a->op.docs = NGX_LLMOPS_DOCS_PROMPTS;
    a->op.id = a->args[0];

    return ngx_llmops_admin_ask(a, ngx_llmops_store_get,
                                ngx_llmops_prompt_delete_got);
}


static ngx_int_t
ngx_llmops_prompt_delete_got(ngx_llmops_admin_t *a)
{
    json_t                      *version;
    ngx_int_t                    rc;
    const char                  *name;
    ngx_llmops_prompt_change_t  *change = a->data;

    change->head = ngx_llmops_admin_prompt_head(a, &rc);

    if (change->head == NULL) {
        return rc;
    }

    if (change->if_match != NGX_LLMOPS_REVISION_ANY
        && change->if_match != a->op.doc.revision)
    {
        change->fault.code = "stale";
        return ngx_llmops_prompt_change_refused(a);
    }

    json_object_foreach(json_object_get(change->head, "versions"), name,
                        version)
    {
        if (json_array_append(change->removed, json_object_get(version, "text"))
            != 0)
        {
            return NGX_ERROR;
        }
    }

    a->op.expected = a->op.doc.revision;

    return ngx_llmops_admin_ask(a, ngx_llmops_store_remove,
                                ngx_llmops_prompt_deleted);
}


static ngx_int_t
ngx_llmops_prompt_deleted(ngx_llmops_admin_t *a)
{
    ngx_llmops_prompt_change_t  *change = a->data;

    if (a->op.rc == NGX_OK) {
        return ngx_llmops_prompt_change_end(a,
                   ngx_llmops_admin_reply(a, NGX_HTTP_OK,
                                          json_pack("{s:o}", "deleted",
                                     ngx_llmops_admin_string(&a->args[0]))));
    }

    (void) json_array_clear(change->removed);

    if (a->op.rc != NGX_DECLINED) {
        return ngx_llmops_admin_store_error(a);
    }

    change->fault.code = "stale";

    return ngx_llmops_prompt_change_refused(a);
}
