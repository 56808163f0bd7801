
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_admin_prompts.h"


/*
 * Prompts, of the store and of the configuration side by side.  What a head is,
 * and what may become of it, is known to prompt/ alone: here heads are fetched,
 * handed to it, and put back.
 *
 * A file goes in and comes out byte by byte: it is never printed again, so
 * that Git and the store can be compared.
 */


static ngx_int_t ngx_llmops_admin_prompt_get(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_prompt_got(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_prompt_file(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_prompt_file_head(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_prompt_file_got(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_prompt_file_sent(ngx_llmops_admin_t *a,
    ngx_str_t *text);
static ngx_int_t ngx_llmops_admin_prompt_no_version(ngx_llmops_admin_t *a);


const ngx_llmops_admin_call_t  ngx_llmops_admin_prompts[] = {

    { NGX_HTTP_GET, "prompts", "listPrompts", "limit cursor",
      ngx_llmops_admin_prompt_list, 0, 0 },

    { NGX_HTTP_POST, "prompts/render", "renderPrompt", NULL,
      ngx_llmops_admin_prompt_render, 0, 1 },

    { NGX_HTTP_GET, "prompts/{}", "getPrompt", NULL,
      ngx_llmops_admin_prompt_get, 0, 0 },

    { NGX_HTTP_DELETE, "prompts/{}", "deletePrompt", NULL,
      ngx_llmops_admin_prompt_delete, 1, 0 },

    { NGX_HTTP_GET, "prompts/{}/versions/{}", "getPromptVersion", NULL,
      ngx_llmops_admin_prompt_file, 0, 0 },

    { NGX_HTTP_PUT, "prompts/{}/versions/{}", "putPromptVersion", "reason",
      ngx_llmops_admin_prompt_put, 1, 1 },

    { NGX_HTTP_DELETE, "prompts/{}/versions/{}", "deletePromptVersion",
      "reason",
      ngx_llmops_admin_version_delete, 1, 0 },

    { NGX_HTTP_PUT, "prompts/{}/labels/{}", "movePromptLabel", NULL,
      ngx_llmops_admin_label_put, 1, 1 },

    { NGX_HTTP_DELETE, "prompts/{}/labels/{}", "deletePromptLabel", "reason",
      ngx_llmops_admin_label_delete, 1, 0 },

    { NGX_HTTP_POST, "prompts/{}/labels/{}/rollback", "rollbackPromptLabel",
      NULL,
      ngx_llmops_admin_label_rollback, 1, 0 },

    { 0, NULL, NULL, NULL, NULL, 0, 0 }
};


/* -- one prompt ----------------------------------------------------------- */

ngx_llmops_prompt_family_t *
ngx_llmops_admin_prompt_family(ngx_llmops_admin_t *a)
{
    return a->mcf->prompts
           ? ngx_llmops_prompt_family(a->mcf->prompts, &a->args[0]) : NULL;
}


ngx_int_t
ngx_llmops_admin_prompt_named(ngx_llmops_admin_t *a)
{
    if (ngx_llmops_prompt_name(&a->args[0])) {
        a->op.docs = NGX_LLMOPS_DOCS_PROMPTS;
        a->op.id = a->args[0];

        return NGX_OK;
    }

    return ngx_llmops_admin_prompt_none(a);
}


ngx_int_t
ngx_llmops_admin_prompt_none(ngx_llmops_admin_t *a)
{
    return ngx_llmops_admin_error(a, NGX_HTTP_NOT_FOUND, "not_found",
                                  "there is no prompt \"%V\"", &a->args[0]);
}


static ngx_int_t
ngx_llmops_admin_prompt_get(ngx_llmops_admin_t *a)
{
    ngx_int_t                    rc;
    ngx_llmops_prompt_family_t  *family;

    family = ngx_llmops_admin_prompt_family(a);

    if (family) {
        return ngx_llmops_admin_reply(a, NGX_HTTP_OK,
                                      json_pack("{s:o}", "prompt",
                                      ngx_llmops_admin_family_shown(family)));
    }

    rc = ngx_llmops_admin_prompt_named(a);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_llmops_admin_ask(a, ngx_llmops_store_get,
                                ngx_llmops_admin_prompt_got);
}


static ngx_int_t
ngx_llmops_admin_prompt_got(ngx_llmops_admin_t *a)
{
    json_t     *head;
    ngx_int_t   rc;

    head = ngx_llmops_admin_prompt_head(a, &rc);

    if (head) {
        rc = ngx_llmops_admin_prompt_answer(a, NGX_HTTP_OK, head,
                                            a->op.doc.revision);
        json_decref(head);
    }

    return rc;
}


json_t *
ngx_llmops_admin_prompt_head(ngx_llmops_admin_t *a, ngx_int_t *rc)
{
    json_t  *head;

    if (a->op.rc == NGX_DECLINED) {
        *rc = ngx_llmops_admin_prompt_none(a);
        return NULL;
    }

    if (a->op.rc != NGX_OK) {
        *rc = ngx_llmops_admin_store_error(a);
        return NULL;
    }

    head = ngx_llmops_head_load(&a->op.doc.value);

    if (head == NULL) {
        ngx_log_error(NGX_LOG_ERR, a->request->connection->log, 0,
                      "the prompt \"%V\" in the store cannot be read",
                      &a->args[0]);
        *rc = NGX_ERROR;
    }

    return head;
}


ngx_int_t
ngx_llmops_admin_prompt_answer(ngx_llmops_admin_t *a, ngx_uint_t status,
    json_t *head, uint64_t revision)
{
    json_t      *shown, *version;
    const char  *name;

    shown = json_deep_copy(head);

    (void) json_object_del(shown, "gone");

    json_object_foreach(json_object_get(shown, "versions"), name, version) {
        (void) json_object_del(version, "text");
    }

    if (json_object_set_new(shown, "source", json_string("store")) != 0
        || json_object_set_new(shown, "revision", json_integer(revision)) != 0
        || ngx_llmops_admin_etag(a, revision) != NGX_OK)
    {
        json_decref(shown);
        return NGX_ERROR;
    }

    return ngx_llmops_admin_reply(a, status,
                                  json_pack("{s:o}", "prompt", shown));
}


/* -- a version's file ----------------------------------------------------- */

static ngx_int_t
ngx_llmops_admin_prompt_file(ngx_llmops_admin_t *a)
{
    ngx_int_t                    rc;
    ngx_uint_t                   i;
    ngx_llmops_prompt_t        **p;
    ngx_llmops_prompt_family_t  *family;

    family = ngx_llmops_admin_prompt_family(a);

    if (family) {
        p = family->versions.elts;

        for (i = 0; i < family->versions.nelts; i++) {
            if (p[i]->version.len == a->args[1].len
                && ngx_memcmp(p[i]->version.data, a->args[1].data,
                              a->args[1].len)
                   == 0)
            {
                return ngx_llmops_admin_prompt_file_sent(a, &p[i]->text);
            }
        }

        return ngx_llmops_admin_prompt_no_version(a);
    }

    rc = ngx_llmops_admin_prompt_named(a);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_llmops_admin_ask(a, ngx_llmops_store_get,
                                ngx_llmops_admin_prompt_file_head);
}


static ngx_int_t
ngx_llmops_admin_prompt_file_head(ngx_llmops_admin_t *a)
{
    json_t      *head, *version;
    ngx_int_t    rc;
    const char  *id;

    head = ngx_llmops_admin_prompt_head(a, &rc);

    if (head == NULL) {
        return rc;
    }

    version = ngx_llmops_head_version(head, &a->args[1]);
    id = json_string_value(json_object_get(version, "text"));

    if (id) {
        a->op.docs = NGX_LLMOPS_DOCS_TEXTS;
        a->op.id.len = ngx_strlen(id);
        a->op.id.data = ngx_pnalloc(a->request->pool, a->op.id.len + 1);

        if (a->op.id.data) {
            ngx_memcpy(a->op.id.data, id, a->op.id.len);
        }
    }

    json_decref(head);

    if (id == NULL) {
        return ngx_llmops_admin_prompt_no_version(a);
    }

    if (a->op.id.data == NULL) {
        return NGX_ERROR;
    }

    return ngx_llmops_admin_ask(a, ngx_llmops_store_get,
                                ngx_llmops_admin_prompt_file_got);
}


static ngx_int_t
ngx_llmops_admin_prompt_file_got(ngx_llmops_admin_t *a)
{
    if (a->op.rc == NGX_DECLINED) {
        return ngx_llmops_admin_prompt_no_version(a);     /* just deleted */
    }

    if (a->op.rc != NGX_OK) {
        return ngx_llmops_admin_store_error(a);
    }

    return ngx_llmops_admin_prompt_file_sent(a, &a->op.doc.value);
}


static ngx_int_t
ngx_llmops_admin_prompt_file_sent(ngx_llmops_admin_t *a, ngx_str_t *text)
{
    u_char  *p;

    p = ngx_pnalloc(a->request->pool, a->args[0].len + a->args[1].len
                                      + sizeof("attachment; filename="
                                               "\"-.json\""));
    if (p == NULL) {
        return NGX_ERROR;
    }

    a->disposition.data = p;
    a->disposition.len = ngx_sprintf(p, "attachment; filename=\"%V-%V.json\"",
                                     &a->args[0], &a->args[1]) - p;

    ngx_llmops_page_init(&a->page, a->request->pool);
    ngx_llmops_page_str(&a->page, text);

    if (a->page.failed) {
        return NGX_ERROR;
    }

    ngx_str_set(&a->type, "application/json");
    a->status = NGX_HTTP_OK;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_admin_prompt_no_version(ngx_llmops_admin_t *a)
{
    ngx_str_t  version;

    version = a->args[1];
    version.len = ngx_min(version.len, NGX_LLMOPS_PROMPT_NAME);

    return ngx_llmops_admin_error(a, NGX_HTTP_NOT_FOUND, "not_found",
                                  "there is no version \"%V\" of prompt \"%V\"",
                                  &version, &a->args[0]);
}
