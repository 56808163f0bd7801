
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_admin_samples.h"


/*
 * POST samples/ID/verdict {"winner": "stable" | "shadow" | "tie", "score",
 * "comment", "by": "human" | "judge"}; DELETE samples/ID; DELETE
 * samples?client=ID.  A change that has begun goes on though its caller leaves.
 * The last verdict counts, but that a judge does not outdo a person.
 */


#define NGX_LLMOPS_VERDICT_COMMENT 1000    /* bytes */


typedef struct {
    ngx_llmops_samples_task_t *task;       /* NULL: it is over */
    ngx_int_t                  rc;
    ngx_uint_t                 removed;
    ngx_uint_t                 unreadable;
    ngx_llmops_admin_t        *a;
    const char                *by;
    const char                *winner;     /* or NULL */
    json_t                    *score;      /* borrowed, or NULL */
    const char                *comment;    /* or NULL */
    json_t                    *verdict;    /* as it stands now */
    unsigned                   no_pair:1;
    unsigned                   human:1;    /* a person has judged already */
} ngx_llmops_admin_change_t;


static ngx_llmops_admin_change_t *ngx_llmops_admin_sample_change(
    ngx_llmops_admin_t *a, ngx_llmops_samples_do_e what);
static void ngx_llmops_admin_sample_leave(void *data);
static void ngx_llmops_admin_sample_done(ngx_llmops_samples_task_t *task);
static ngx_int_t ngx_llmops_admin_sample_run(ngx_llmops_admin_t *a,
    ngx_llmops_admin_change_t *ch, ngx_llmops_admin_pt next);
static ngx_int_t ngx_llmops_admin_verdict_read(ngx_llmops_admin_t *a,
    ngx_llmops_admin_change_t *ch);
static ngx_int_t ngx_llmops_admin_verdict_edit(json_t *doc, void *data);
static ngx_int_t ngx_llmops_admin_verdict_given(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_sample_deleted(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_samples_deleted(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_sample_failed(ngx_llmops_admin_t *a,
    ngx_llmops_admin_change_t *ch);


static ngx_llmops_admin_change_t *
ngx_llmops_admin_sample_change(ngx_llmops_admin_t *a,
    ngx_llmops_samples_do_e what)
{
    ngx_http_cleanup_t         *cln;
    ngx_llmops_admin_change_t  *ch;

    ch = ngx_pcalloc(a->request->pool, sizeof(ngx_llmops_admin_change_t));
    cln = ngx_http_cleanup_add(a->request, 0);

    if (ch == NULL || cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_llmops_admin_sample_leave;
    cln->data = ch;

    ch->a = a;
    ch->task = ngx_llmops_samples_task(a->mcf->samples, what);

    if (ch->task == NULL) {
        return NULL;
    }

    ch->task->done = ngx_llmops_admin_sample_done;
    ch->task->data = ch;
    a->data = ch;

    return ch;
}


static void
ngx_llmops_admin_sample_leave(void *data)
{
    ngx_llmops_admin_change_t *ch = data;

    if (ch->task) {

        /* an edit uses what is in the request: it is given up */

        ch->task->edit = NULL;

        ngx_llmops_samples_let(ch->task);
        ch->task = NULL;
    }

    json_decref(ch->verdict);
    ch->verdict = NULL;
}


static void
ngx_llmops_admin_sample_done(ngx_llmops_samples_task_t *task)
{
    ngx_llmops_admin_change_t *ch = task->data;

    ch->task = NULL;
    ch->rc = task->rc;
    ch->removed = task->removed;
    ch->unreadable = task->unreadable;

    ngx_llmops_admin_resume(ch->a, ch->a->next);
}


static ngx_int_t
ngx_llmops_admin_sample_run(ngx_llmops_admin_t *a,
    ngx_llmops_admin_change_t *ch, ngx_llmops_admin_pt next)
{
    a->next = next;

    ngx_llmops_samples_run(ch->task);

    return NGX_AGAIN;
}


/* a task that was not started */

static ngx_int_t
ngx_llmops_admin_sample_drop(ngx_llmops_admin_change_t *ch, ngx_int_t rc)
{
    ngx_llmops_samples_task_free(ch->task);
    ch->task = NULL;

    return rc;
}


ngx_int_t
ngx_llmops_admin_samples_verdict(ngx_llmops_admin_t *a)
{
    ngx_int_t                   rc;
    ngx_llmops_admin_change_t  *ch;

    if (a->mcf->samples == NULL) {
        return ngx_llmops_admin_samples_off(a);
    }

    ch = ngx_llmops_admin_sample_change(a, NGX_LLMOPS_SAMPLES_EDIT);
    if (ch == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_llmops_admin_verdict_read(a, ch);

    if (rc != NGX_OK) {
        return ngx_llmops_admin_sample_drop(ch, rc);
    }

    if (ngx_llmops_sample_id_read(&a->args[0], ch->task->id) != NGX_OK) {
        return ngx_llmops_admin_sample_drop(ch,
                                            ngx_llmops_admin_samples_none(a));
    }

    ch->task->by_id = 1;
    ch->task->edit = ngx_llmops_admin_verdict_edit;
    ch->task->edit_data = ch;
    ch->task->judged = NGX_LLMOPS_RECORD_JUDGED;

    return ngx_llmops_admin_sample_run(a, ch, ngx_llmops_admin_verdict_given);
}


static ngx_int_t
ngx_llmops_admin_verdict_read(ngx_llmops_admin_t *a,
    ngx_llmops_admin_change_t *ch)
{
    double   score;
    size_t   known;
    json_t  *by, *winner, *comment;

    by = json_object_get(a->body, "by");
    winner = json_object_get(a->body, "winner");
    comment = json_object_get(a->body, "comment");

    ch->score = json_object_get(a->body, "score");
    ch->winner = json_string_value(winner);
    ch->comment = json_string_value(comment);
    ch->by = by ? json_string_value(by) : "human";

    score = json_number_value(ch->score);
    known = (by != NULL) + (winner != NULL) + (comment != NULL)
            + (ch->score != NULL);

#define is(s, word)  (ngx_strcmp(s, word) == 0)

    if ((winner == NULL && ch->score == NULL)
        || (winner && (ch->winner == NULL
                       || (!is(ch->winner, "stable")
                           && !is(ch->winner, "shadow")
                           && !is(ch->winner, "tie"))))
        || (ch->score && (!json_is_number(ch->score)
                          || !(score >= 0 && score <= 1)))
        || (comment && (ch->comment == NULL
                        || json_string_length(comment)
                           > NGX_LLMOPS_VERDICT_COMMENT))
        || ch->by == NULL || (!is(ch->by, "human") && !is(ch->by, "judge"))
        || json_object_size(a->body) != known)
    {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "send {\"winner\": \"stable\", "
                                      "\"shadow\" or \"tie\", and or or "
                                      "\"score\": 0 to 1; \"comment\" may be "
                                      "a text of up to %d bytes, \"by\" "
                                      "\"human\" or \"judge\"}",
                                      NGX_LLMOPS_VERDICT_COMMENT);
    }

#undef is

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_admin_verdict_edit(json_t *doc, void *data)
{
    ngx_llmops_admin_change_t *ch = data;

    json_t  *score;

    if (ch->winner
        && !json_is_object(json_object_get(json_object_get(doc, "shadow"),
                                           "answer")))
    {
        ch->no_pair = 1;
        return NGX_DECLINED;
    }

    if (ngx_strcmp(ch->by, "judge") == 0
        && ngx_llmops_tree_is(json_object_get(doc, "verdict"), "by", "human"))
    {
        ch->human = 1;
        return NGX_DECLINED;
    }

    score = ch->score ? ngx_llmops_sample_real(json_number_value(ch->score))
                      : NULL;

    ch->verdict = ngx_llmops_sample_verdict(ch->a->mcf->samples, doc, ch->by,
                                            ch->winner, score, ch->comment);

    return json_object_set(doc, "verdict", ch->verdict) == 0 ? NGX_OK
                                                             : NGX_ERROR;
}


static ngx_int_t
ngx_llmops_admin_verdict_given(ngx_llmops_admin_t *a)
{
    ngx_llmops_admin_change_t *ch = a->data;

    ngx_llmops_out_t  out;

    if (ch->no_pair) {
        return ngx_llmops_admin_error(a, NGX_HTTP_CONFLICT, "no_pair",
                                      "there is no answer of a shadow in this "
                                      "sample, give a \"score\"");
    }

    if (ch->human) {
        return ngx_llmops_admin_error(a, NGX_HTTP_CONFLICT, "human",
                                      "a person has judged this sample, whose "
                                      "verdict a judge does not replace");
    }

    if (ch->rc != NGX_OK) {
        return ngx_llmops_admin_sample_failed(a, ch);
    }

    ngx_llmops_out_init(&out, 65536);
    ngx_llmops_tree_write(&out, ch->verdict);

    /* a tree has numbers that jansson alone would not write */

    ngx_llmops_page_printf(&a->page, "{\"v\":1,\"id\":\"%V\","
                           "\"object\":\"sample.verdict\",\"verdict\":",
                           &a->args[0]);
    ngx_llmops_page_write(&a->page, out.data, out.len);
    ngx_llmops_page_lit(&a->page, "}\n");

    ngx_str_set(&a->type, "application/json");
    a->status = NGX_HTTP_OK;

    if (out.failed) {
        a->page.failed = 1;
    }

    ngx_llmops_out_free(&out);

    return a->page.failed ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
ngx_llmops_admin_sample_failed(ngx_llmops_admin_t *a,
    ngx_llmops_admin_change_t *ch)
{
    if (ch->unreadable) {
        return ngx_llmops_admin_error(a, NGX_HTTP_CONFLICT, "unreadable",
                                      "the sample is encrypted with a key "
                                      "that \"llm_samples\" does not have");
    }

    return ch->rc == NGX_DECLINED ? ngx_llmops_admin_samples_none(a)
                                  : ngx_llmops_admin_samples_error(a);
}


ngx_int_t
ngx_llmops_admin_samples_delete(ngx_llmops_admin_t *a)
{
    ngx_llmops_admin_change_t  *ch;

    if (a->mcf->samples == NULL) {
        return ngx_llmops_admin_samples_off(a);
    }

    ch = ngx_llmops_admin_sample_change(a, NGX_LLMOPS_SAMPLES_REMOVE);
    if (ch == NULL) {
        return NGX_ERROR;
    }

    if (ngx_llmops_sample_id_read(&a->args[0], ch->task->id) != NGX_OK) {
        return ngx_llmops_admin_sample_drop(ch,
                                            ngx_llmops_admin_samples_none(a));
    }

    ch->task->by_id = 1;

    return ngx_llmops_admin_sample_run(a, ch,
                                       ngx_llmops_admin_sample_deleted);
}


static ngx_int_t
ngx_llmops_admin_sample_deleted(ngx_llmops_admin_t *a)
{
    ngx_llmops_admin_change_t *ch = a->data;

    if (ch->rc != NGX_OK) {
        return ngx_llmops_admin_sample_failed(a, ch);
    }

    return ngx_llmops_admin_reply(a, NGX_HTTP_OK,
        json_pack("{s:s%,s:s,s:b}", "id", (char *) a->args[0].data,
                  a->args[0].len, "object", "sample.deleted", "deleted", 1));
}


ngx_int_t
ngx_llmops_admin_samples_delete_all(ngx_llmops_admin_t *a)
{
    ngx_str_t                  *client;
    ngx_llmops_record_keys_t    none;
    ngx_llmops_admin_change_t  *ch;

    if (a->mcf->samples == NULL) {
        return ngx_llmops_admin_samples_off(a);
    }

    client = ngx_llmops_admin_arg(a, "client");

    if (client == NULL || client->len == 0) {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "say whose samples are to be deleted, "
                                      "with \"?client=ID\"");
    }

    a->object = *client;

    ch = ngx_llmops_admin_sample_change(a, NGX_LLMOPS_SAMPLES_REMOVE);
    if (ch == NULL) {
        return NGX_ERROR;
    }

    none.n = 0;

    if (ngx_llmops_samples_named(ch->task, client, 'c', client) != NGX_OK
        || ngx_llmops_record_tag(&none, 'c', client, ch->task->client_tag)
           != NGX_OK)
    {
        return ngx_llmops_admin_sample_drop(ch, NGX_ERROR);
    }

    return ngx_llmops_admin_sample_run(a, ch,
                                       ngx_llmops_admin_samples_deleted);
}


/* what nobody can read may be of that client: it is said, and is no success */

static ngx_int_t
ngx_llmops_admin_samples_deleted(ngx_llmops_admin_t *a)
{
    ngx_llmops_admin_change_t *ch = a->data;

    if (ch->rc != NGX_OK && ch->rc != NGX_DECLINED) {
        return ngx_llmops_admin_samples_error(a);
    }

    ngx_llmops_admin_note(a, "%ui deleted", ch->removed);

    if (ch->unreadable) {
        return ngx_llmops_admin_error(a, NGX_HTTP_CONFLICT, "unreadable",
                                      "%ui samples were deleted; %ui others "
                                      "are encrypted with a key that "
                                      "\"llm_samples\" does not have, and may "
                                      "be of this client: add that key, and "
                                      "repeat", ch->removed, ch->unreadable);
    }

    return ngx_llmops_admin_reply(a, NGX_HTTP_OK,
        json_pack("{s:s,s:o,s:I}", "object", "samples.deleted",
                  "client", ngx_llmops_admin_string(&a->object),
                  "deleted", (json_int_t) ch->removed));
}
