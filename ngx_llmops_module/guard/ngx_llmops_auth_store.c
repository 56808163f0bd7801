
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_auth.h"


/*
 * Keys of the store.  One question for each key that a worker does not know,
 * or that may have changed since.  The store's revision is read before the
 * record is, and kept with it: what changes in between is seen the next time.
 */


#define NGX_LLMOPS_AUTH_GRACE   60         /* s: for how long what was known is
                                              good enough if the store cannot
                                              be asked whether it still is */


static void ngx_llmops_auth_asked(ngx_llmops_docop_t *op);
static void ngx_llmops_auth_record(ngx_llmops_auth_t *a,
    ngx_llmops_auth_conf_t *acf);
static void ngx_llmops_auth_no_answer(ngx_llmops_auth_t *a,
    ngx_llmops_auth_conf_t *acf);
static void ngx_llmops_auth_learn_unknown(ngx_llmops_auth_t *a,
    ngx_llmops_auth_conf_t *acf);


ngx_int_t
ngx_llmops_auth_ask(ngx_llmops_auth_t *a, ngx_llmops_main_conf_t *mcf)
{
    ngx_llmops_docop_t  *op;

    /* what is made of a digest is not a name that anybody has given */

    a->named = ngx_llmops_key_id_of(&a->credential, a->digest, &a->id);

    /* read before the record is: what changes in between is seen next time */

    a->revision = ngx_llmops_store_revision(mcf->store, NGX_LLMOPS_DOCS_KEYS);

    op = &a->op;

    op->docs = NGX_LLMOPS_DOCS_KEYS;
    op->id = a->id;
    op->pool = a->request->pool;
    op->handler = ngx_llmops_auth_asked;
    op->data = a;

    switch (ngx_llmops_store_get(mcf->store, op)) {

    case NGX_OK:
        ngx_llmops_auth_answer(a, mcf->keys);
        return NGX_OK;

    case NGX_AGAIN:
        a->asking = 1;
        return NGX_AGAIN;

    default:
        a->verdict = NGX_LLMOPS_AUTH_FAILED;
        return NGX_OK;
    }
}


static void
ngx_llmops_auth_asked(ngx_llmops_docop_t *op)
{
    ngx_llmops_auth_t *a = op->data;

    a->asking = 0;
    a->answered = 1;

    ngx_llmops_auth_resume(a);
}


void
ngx_llmops_auth_answer(ngx_llmops_auth_t *a, ngx_llmops_auth_conf_t *acf)
{
    switch (a->op.rc) {

    case NGX_OK:
        ngx_llmops_auth_record(a, acf);
        break;

    case NGX_DECLINED:
        ngx_llmops_auth_learn_unknown(a, acf);
        break;

    default:
        ngx_llmops_auth_no_answer(a, acf);
    }
}


static void
ngx_llmops_auth_record(ngx_llmops_auth_t *a, ngx_llmops_auth_conf_t *acf)
{
    char                     error[NGX_LLMOPS_KEY_ERROR];
    json_t                  *record;
    ngx_llmops_auth_entry_t  found;

    ngx_memzero(&found, sizeof(ngx_llmops_auth_entry_t));

    record = ngx_llmops_key_load(&a->op.doc.value, error);

    if (record == NULL) {
        ngx_log_error(NGX_LOG_ERR, a->request->connection->log, 0,
                      "the record of key \"%V\" in the store is not valid: %s",
                      &a->id, error);

        ngx_llmops_auth_learn_unknown(a, acf);
        return;
    }

    if (!ngx_llmops_key_matches(record, a->digest, &found.until)) {
        json_decref(record);
        ngx_llmops_auth_learn_unknown(a, acf);
        return;
    }

    found.identity = ngx_llmops_key_identity(record, ngx_cycle->log);
    found.revision = a->revision;
    found.checked = ngx_time();

    json_decref(record);

    if (found.identity == NULL) {
        a->verdict = NGX_LLMOPS_AUTH_FAILED;
        return;
    }

    ngx_llmops_auth_learn(a, acf, &found);
}


/* the store is away: what has been good a moment ago is so for a while */

static void
ngx_llmops_auth_no_answer(ngx_llmops_auth_t *a, ngx_llmops_auth_conf_t *acf)
{
    ngx_llmops_auth_entry_t  *entry;

    entry = ngx_llmops_auth_cache_find(acf->known, a->digest);

    if (entry && ngx_time() - entry->checked <= NGX_LLMOPS_AUTH_GRACE) {
        ngx_llmops_auth_judge(a, entry->identity, entry->until);
        return;
    }

    a->verdict = NGX_LLMOPS_AUTH_UNAVAILABLE;
}


static void
ngx_llmops_auth_learn_unknown(ngx_llmops_auth_t *a,
    ngx_llmops_auth_conf_t *acf)
{
    ngx_llmops_auth_entry_t  *entry;

    entry = ngx_llmops_auth_cache_add(acf->unknown, a->digest);

    if (entry) {
        entry->revision = a->revision;
    }

    a->verdict = NGX_LLMOPS_AUTH_UNKNOWN;
}
