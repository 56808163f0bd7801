
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_prompt_conf.h"
#include "ngx_llmops_prompt_kept.h"
#include "ngx_llmops_digest.h"


/*
 * From a name and a version or label to a prompt: of the configuration, or, if
 * it has none of that name and llm_prompt_store is on, of the store.
 *
 * Whoever looks for prompts does it through an asking, which lives as long as
 * its request.  It keeps the head that it has seen first, so that a request
 * sees one state of a prompt's labels, whatever moves while it waits; and a
 * reference to the prompt that it has found.
 */


#define NGX_LLMOPS_ASKING_DOUBTS  2        /* heads that named a text which was
                                              gone: deleted meanwhile */


static void ngx_llmops_asking_leave(void *data);
static void ngx_llmops_asking_release(void *data);
static void ngx_llmops_asking_wake(ngx_llmops_kept_wait_t *wait);
static ngx_int_t ngx_llmops_asking_head(ngx_llmops_prompt_asking_t *asking,
    ngx_str_t *name);
static void ngx_llmops_asking_forget(ngx_llmops_prompt_asking_t *asking);


struct ngx_llmops_prompt_asking_s {
    ngx_llmops_kept_wait_t     wait;
    ngx_llmops_main_conf_t    *mcf;
    ngx_llmops_prompt_wake_pt  wake;
    void                      *data;
    ngx_str_t                  name;       /* whose head it is */
    json_t                    *head;       /* NULL: there is no such prompt */
    ngx_llmops_prompt_t       *prompt;     /* referenced, or NULL */
    ngx_uint_t                 doubts;
    u_char                     buf[NGX_LLMOPS_PROMPT_NAME];
};


ngx_llmops_prompt_asking_t *
ngx_llmops_prompt_asking(ngx_http_request_t *r,
    ngx_llmops_prompt_wake_pt wake, void *data)
{
    ngx_http_cleanup_t          *leave;
    ngx_pool_cleanup_t          *release;
    ngx_llmops_prompt_asking_t  *asking;

    asking = ngx_pcalloc(r->pool, sizeof(ngx_llmops_prompt_asking_t));
    leave = ngx_http_cleanup_add(r, 0);
    release = ngx_pool_cleanup_add(r->pool, 0);

    if (asking == NULL || leave == NULL || release == NULL) {
        return NULL;
    }

    asking->mcf = ngx_http_get_module_main_conf(r, ngx_llmops_module);
    asking->wake = wake;
    asking->data = data;
    asking->wait.wake = ngx_llmops_asking_wake;

    leave->handler = ngx_llmops_asking_leave;
    leave->data = asking;

    /* the log still wants the prompt */

    release->handler = ngx_llmops_asking_release;
    release->data = asking;

    return asking;
}


ngx_llmops_prompt_asking_t *
ngx_llmops_prompt_asking_create(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_prompt_wake_pt wake, void *data)
{
    ngx_llmops_prompt_asking_t  *asking;

    asking = ngx_calloc(sizeof(ngx_llmops_prompt_asking_t), ngx_cycle->log);
    if (asking == NULL) {
        return NULL;
    }

    asking->mcf = mcf;
    asking->wake = wake;
    asking->data = data;
    asking->wait.wake = ngx_llmops_asking_wake;

    return asking;
}


void
ngx_llmops_prompt_asking_free(ngx_llmops_prompt_asking_t *asking)
{
    ngx_llmops_asking_leave(asking);
    ngx_llmops_asking_release(asking);

    ngx_free(asking);
}


static void
ngx_llmops_asking_leave(void *data)
{
    ngx_llmops_prompt_asking_t  *asking = data;

    ngx_llmops_kept_leave(&asking->wait);
}


static void
ngx_llmops_asking_release(void *data)
{
    ngx_llmops_prompt_asking_t  *asking = data;

    ngx_llmops_asking_forget(asking);

    if (asking->prompt) {
        ngx_llmops_prompt_release(asking->prompt);
        asking->prompt = NULL;
    }
}


static void
ngx_llmops_asking_forget(ngx_llmops_prompt_asking_t *asking)
{
    json_decref(asking->head);

    asking->head = NULL;
    asking->name.len = 0;
}


static void
ngx_llmops_asking_wake(ngx_llmops_kept_wait_t *wait)
{
    ngx_llmops_prompt_asking_t  *asking;

    asking = (ngx_llmops_prompt_asking_t *) wait;

    asking->wake(asking->data);
}


ngx_int_t
ngx_llmops_prompt_which(ngx_llmops_prompt_asking_t *asking, ngx_str_t *name,
    ngx_str_t *which, ngx_llmops_which_t *found)
{
    json_t                       *entry;
    ngx_int_t                     rc;
    ngx_llmops_prompts_t         *prompts;
    ngx_llmops_prompt_family_t   *family;

    ngx_memzero(found, sizeof(ngx_llmops_which_t));

    found->name = *name;

    prompts = asking->mcf->prompts;
    family = ngx_llmops_prompt_family(prompts, name);

    if (family) {
        found->known = 1;
        found->prompt = ngx_llmops_prompt_version(family, which);

        if (found->prompt == NULL) {
            return NGX_DECLINED;
        }

        found->version = found->prompt->version;

        return NGX_OK;
    }

    if (!prompts->store || !ngx_llmops_prompt_name(name)) {
        return NGX_DECLINED;
    }

    rc = ngx_llmops_asking_head(asking, name);

    if (rc != NGX_OK || asking->head == NULL) {
        return (rc == NGX_OK) ? NGX_DECLINED : rc;
    }

    found->known = 1;
    found->version.data = (u_char *) ngx_llmops_head_find(asking->head, which);

    if (found->version.data == NULL) {
        return NGX_DECLINED;
    }

    found->version.len = ngx_strlen(found->version.data);

    entry = json_object_get(ngx_llmops_head_version(asking->head,
                                                    &found->version), "text");

    found->text.data = (u_char *) json_string_value(entry);
    found->text.len = json_string_length(entry);

    return found->text.data ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_llmops_asking_head(ngx_llmops_prompt_asking_t *asking, ngx_str_t *name)
{
    ngx_int_t                 rc;
    ngx_llmops_kept_entry_t  *entry;

    if (asking->name.len == name->len
        && ngx_memcmp(asking->name.data, name->data, name->len) == 0)
    {
        return NGX_OK;
    }

    rc = ngx_llmops_kept_head(asking->mcf, name, &asking->wait, &entry);

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_llmops_asking_forget(asking);

    asking->head = json_incref(entry->head);
    asking->name.data = asking->buf;
    asking->name.len = name->len;
    ngx_memcpy(asking->buf, name->data, name->len);

    return NGX_OK;
}


ngx_int_t
ngx_llmops_prompt_fetch(ngx_llmops_prompt_asking_t *asking,
    ngx_llmops_which_t *found, ngx_llmops_prompt_t **prompt)
{
    ngx_int_t                 rc;
    ngx_llmops_kept_entry_t  *entry;

    if (found->prompt) {
        *prompt = found->prompt;
        return NGX_OK;
    }

    rc = ngx_llmops_kept_text(asking->mcf, &found->text, &found->version,
                              &asking->wait, &entry);
    if (rc != NGX_OK) {
        return rc;
    }

    if (entry->prompt == NULL) {

        if (entry->invalid || asking->doubts++ >= NGX_LLMOPS_ASKING_DOUBTS) {
            return NGX_BUSY;
        }

        ngx_llmops_kept_doubt(asking->mcf, &found->name);
        ngx_llmops_asking_forget(asking);

        return NGX_DONE;
    }

    if (entry->prompt->identity.len == 0
        && ngx_llmops_prompt_identify(entry->prompt) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (asking->prompt) {
        ngx_llmops_prompt_release(asking->prompt);
    }

    asking->prompt = ngx_llmops_prompt_refer(entry->prompt);
    *prompt = asking->prompt;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_prompt_find(ngx_llmops_prompt_asking_t *asking, ngx_str_t *name,
    ngx_str_t *which, ngx_llmops_which_t *found, ngx_llmops_prompt_t **prompt)
{
    ngx_int_t  rc;

    do {
        rc = ngx_llmops_prompt_which(asking, name, which, found);

        if (rc == NGX_OK) {
            rc = ngx_llmops_prompt_fetch(asking, found, prompt);
        }

    } while (rc == NGX_DONE);

    return rc;
}


/* -- which text it is ----------------------------------------------------- */

ngx_int_t
ngx_llmops_prompt_sha256(ngx_str_t *text,
    u_char hex[NGX_LLMOPS_HEAD_SHA256 + 1])
{
    u_char  digest[NGX_LLMOPS_SHA256], *last;

    if (ngx_llmops_sha256(text->data, text->len, digest) != NGX_OK) {
        return NGX_ERROR;
    }

    last = ngx_hex_dump(hex, digest, NGX_LLMOPS_SHA256);
    *last = '\0';

    return NGX_OK;
}


/* a name and version may mean another text after a reload, or elsewhere */

ngx_int_t
ngx_llmops_prompt_identify(ngx_llmops_prompt_t *p)
{
    u_char  hex[NGX_LLMOPS_HEAD_SHA256 + 1], *q;

    q = ngx_llmops_arena_alloc(&p->arena,
                               p->full.len + 1 + NGX_LLMOPS_HEAD_SHA256);

    if (q == NULL || ngx_llmops_prompt_sha256(&p->text, hex) != NGX_OK) {
        return NGX_ERROR;
    }

    p->identity.data = q;
    p->identity.len = p->full.len + 1 + NGX_LLMOPS_HEAD_SHA256;

    q = ngx_cpymem(q, p->full.data, p->full.len);
    *q++ = '/';
    ngx_memcpy(q, hex, NGX_LLMOPS_HEAD_SHA256);

    return NGX_OK;
}


ngx_str_t
ngx_llmops_prompt_identity(ngx_llmops_ctx_t *ctx)
{
    ngx_str_t  none = ngx_null_string;

    return ctx->prompt ? ctx->prompt->identity : none;
}
