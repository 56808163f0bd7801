
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_state.h"

#include <signal.h>


/*
 * How a zone comes to own a directory.  The master has read it into a zone
 * that is fresh, but owns nothing, since the configuration may still be
 * refused.  Each worker calls this as it starts, and the first one makes it
 * so; what the workers of an older zone have written in between is read then.
 *
 * A zone may find that its directory belongs to another by now: after an
 * upgrade of the binary that was taken back.  If that one is gone, what it has
 * left is the truth about documents, and of what was used the larger number
 * is.
 *
 * Or the configuration names another directory than before, with the same
 * zone: then memory and directory are merged.
 */


static ngx_int_t ngx_llmops_claim_fresh(ngx_llmops_state_t *st);
static ngx_int_t ngx_llmops_claim_again(ngx_llmops_state_t *st);
static ngx_int_t ngx_llmops_claim_other(ngx_llmops_state_t *st);


ngx_int_t
ngx_llmops_state_claim(ngx_llmops_state_t *st, ngx_pid_t master)
{
    int64_t             id;
    uint64_t            number;
    ngx_int_t           rc;
    ngx_pid_t           other;
    ngx_llmops_root_t  *root = st->shm->root;

    id = ngx_llmops_state_id(st);

    if (root->state_id == id && root->owned) {

        if (ngx_llmops_state_owner(st, &number, &other) == NGX_OK) {

            if (number == root->seed) {
                return NGX_OK;
            }

            if (kill(other, 0) == 0 && other != master) {
                return ngx_llmops_state_failed(st, "another nginx uses it",
                                               NULL, 0);
            }
        }

        rc = ngx_llmops_claim_again(st);

    } else if (root->state_id == id) {
        rc = ngx_llmops_claim_fresh(st);

    } else {
        rc = ngx_llmops_claim_other(st);
    }

    if (rc != NGX_OK || ngx_llmops_state_own(st, master) != NGX_OK) {
        return NGX_ERROR;
    }

    root->state_id = id;
    root->owned = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_claim_fresh(ngx_llmops_state_t *st)
{
    ngx_uint_t  kind;

    for (kind = 0; kind < NGX_LLMOPS_DOCS_MAX; kind++) {
        if (ngx_llmops_journal_ready(st, kind) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return ngx_llmops_usage_load(st);
}


static ngx_int_t
ngx_llmops_claim_again(ngx_llmops_state_t *st)
{
    ngx_uint_t  kind;

    st->shm->root->owned = 0;

    for (kind = 0; kind < NGX_LLMOPS_DOCS_MAX; kind++) {
        st->shm->root->journals[kind].generation = 0;

        if (ngx_llmops_journal_ready(st, kind) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return ngx_llmops_usage_load(st);
}


static ngx_int_t
ngx_llmops_claim_other(ngx_llmops_state_t *st)
{
    ngx_uint_t  kind;

    for (kind = 0; kind < NGX_LLMOPS_DOCS_MAX; kind++) {
        if (ngx_llmops_journal_load(st, kind, 1) != NGX_OK
            || ngx_llmops_journal_rewrite(st, kind) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    st->shm->root->saved = st->shm->root->changes - 1;

    return ngx_llmops_usage_load(st);
}
