
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_rollout_run.h"


/*
 * Decisions that are on their way to the store.
 *
 * A decision is told by whoever has sent it, when the store has said that it
 * is in force.  But a connection may be lost when it is, and its answer with
 * it; or who has sent it may be gone.  So each one has a number, which is its
 * "id" in the document's history, and lies in shared memory until it is known
 * what has become of it: worker 0 looks for those in each document that it
 * reads.  Who takes a number out of shared memory, worker 0 or whoever gets the
 * answer, tells the decision; it can be taken out once.
 *
 * That makes it once in a fleet: others have seen the decision, but not its
 * number.  More there cannot be.  Log, metric and webhook are not in the store,
 * so that there is no transaction that makes a decision and tells it: one of
 * both comes first, and a machine that dies in between, with the memory that
 * its workers share, has told too much or too little.  Here it is too little:
 * the decision is in the history all the same.  For that a worker must die
 * between two statements, or all of nginx while an answer is on its way.  (A
 * message of a webhook may come twice if its receiver's answer is lost; both
 * have the same id.)
 *
 * In a number is the revision that the decision was to take the place of.  As
 * long as that is the document's, the transaction may still come, however long
 * ago it was sent; it cannot when there is a later one.  So numbers are taken
 * out that nobody will ever see.  Where there is no room for a number, the
 * decision is told by whoever gets the answer.
 */


static void ngx_llmops_rollout_sent_id(uint64_t number,
    u_char id[NGX_LLMOPS_ROLLOUT_ID + 1]);
static json_t *ngx_llmops_rollout_sent_in(json_t *json, const char *id);
static void ngx_llmops_rollout_sent_tell(ngx_llmops_rollout_t *ro,
    json_t *entry);


uint64_t
ngx_llmops_rollout_sent(ngx_llmops_rollout_t *ro, json_t *entry,
    uint64_t expected)
{
    u_char      id[NGX_LLMOPS_ROLLOUT_ID + 1];
    uint64_t    number;
    ngx_uint_t  i;

    if (expected == NGX_LLMOPS_REVISION_NONE) {
        expected = 0;
    }

    number = (uint64_t) 1 << 63 | (uint64_t) ngx_random() << 32
             | (uint32_t) expected;

    ngx_llmops_rollout_sent_id(number, id);

    if (ro->sh == NULL
        || json_object_set_new(entry, "id", json_string((char *) id)) != 0)
    {
        return 0;
    }

    for (i = 0; i < NGX_LLMOPS_ROLLOUT_SENT; i++) {

        if (ro->sh->sent[i] == 0
            && ngx_atomic_cmp_set(&ro->sh->sent[i], 0, number))
        {
            return number;
        }
    }

    return 0;
}


static void
ngx_llmops_rollout_sent_id(uint64_t number,
    u_char id[NGX_LLMOPS_ROLLOUT_ID + 1])
{
    *ngx_sprintf(id, "%016xL", (int64_t) number) = '\0';
}


ngx_uint_t
ngx_llmops_rollout_sent_over(ngx_llmops_rollout_t *ro, uint64_t number)
{
    ngx_uint_t  i;

    if (number == 0) {
        return 1;
    }

    for (i = 0; i < NGX_LLMOPS_ROLLOUT_SENT; i++) {
        if (ngx_atomic_cmp_set(&ro->sh->sent[i], number, 0)) {
            return 1;
        }
    }

    return 0;
}


void
ngx_llmops_rollout_sent_find(ngx_llmops_rollout_t *ro, json_t *json,
    uint64_t revision)
{
    u_char       id[NGX_LLMOPS_ROLLOUT_ID + 1];
    json_t      *entry;
    uint64_t     number;
    ngx_uint_t   i;

    for (i = 0; i < NGX_LLMOPS_ROLLOUT_SENT; i++) {

        number = ro->sh->sent[i];

        if (number == 0) {
            continue;
        }

        ngx_llmops_rollout_sent_id(number, id);

        entry = ngx_llmops_rollout_sent_in(json, (char *) id);

        /* a document that was asked for before what others have read is older
           than their numbers: those stay */

        if (entry == NULL
            && (int32_t) ((uint32_t) number - (uint32_t) revision) >= 0)
        {
            continue;
        }

        if (ngx_llmops_rollout_sent_over(ro, number) && entry) {
            ngx_llmops_rollout_sent_tell(ro, entry);
        }
    }
}


static json_t *
ngx_llmops_rollout_sent_in(json_t *json, const char *id)
{
    size_t       i;
    json_t      *entry;
    const char  *its;

    json_array_foreach(json_object_get(json, "history"), i, entry) {

        its = json_string_value(json_object_get(entry, "id"));

        if (its && ngx_strcmp(its, id) == 0) {
            return entry;
        }
    }

    return NULL;
}


/* as it was then: others may have decided since */

static void
ngx_llmops_rollout_sent_tell(ngx_llmops_rollout_t *ro, json_t *entry)
{
    ngx_uint_t                 i;
    const char                *action;
    ngx_llmops_rollout_doc_t   doc;

    ngx_llmops_rollout_doc_get(entry, &doc);

    action = json_string_value(json_object_get(entry, "action"));

    for (i = 0; action && i < NGX_LLMOPS_ROLLOUT_ACTIONS; i++) {

        if (ngx_strcmp(action, ngx_llmops_rollout_action_names[i]) == 0) {
            ngx_llmops_rollout_tell(ro, i, &doc, entry);
            return;
        }
    }
}
