
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_samples_own.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_detached.h"
#include "ngx_llmops_guard.h"


/*
 * Samples: what a route's callers ask and what they are answered, kept for
 * people and evaluations to look at.
 *
 * Nothing is recorded unless a route says so.  What is recorded is made when
 * the request is over and its caller served, of the request as the provider
 * got it and the answer without what was put back into it; it is redacted
 * before it leaves this worker's memory, and encrypted if there is a key.
 *
 * Writing is as nginx writes its logs: one write() to a file that only this
 * worker appends to, which ends in the kernel's memory.  So nothing is waited
 * for, nobody else can be in the middle of a record, and what a killed worker
 * leaves is at worst one record that is cut off, at the end of a file that
 * nobody will append to any more.  Without llm_state, blocks of shared memory
 * take the place of files; with llm_redis records are keys.  All of them are
 * bounded: the oldest ones go.
 *
 * Reading, deleting and sweeping go through all there is, one piece in a turn
 * of the event loop (ngx_llmops_samples_task.c).  There is no index: heads are
 * small, questions are rare, and an index would be one more thing to be wrong.
 *
 * To delete is to overwrite.  A record that is just being made while its
 * client's samples are deleted must not outlive them: a deletion is announced
 * before it begins, and whoever has written a record looks at what has been
 * announced after he has written it.  Either the deletion finds the record, or
 * its writer finds the deletion.
 *
 *   ngx_llmops_samples.c         what is drawn, and what becomes of it
 *   ngx_llmops_samples_conf.c    llm_samples, sample
 *   ngx_llmops_samples_make.c    a request and its answer as JSON
 *   ngx_llmops_samples_form.c    the same for the API of responses
 *   ngx_llmops_samples_redact.c  the same without what must not be kept
 *   ngx_llmops_samples_record.c  records: bytes, encryption
 *   ngx_llmops_samples_file.c    records in files
 *   ngx_llmops_samples_memory.c  records in shared memory
 *   ngx_llmops_samples_task.c    going through them,
 *   ngx_llmops_samples_hits.c    and what is found
 *   ngx_llmops_samples_redis*.c  all of that on Redis
 *   ngx_llmops_samples_read.c    what others ask for; the sweeper
 *   ngx_llmops_samples_diff.c    two texts, word by word
 *   ngx_llmops_samples_export.c  lines of data sets
 */


#define NGX_LLMOPS_SAMPLE_KEPT     (1024 * 1024)   /* bytes of an answer */

#define NGX_LLMOPS_SAMPLE_BODY     65536   /* of a request, beside four times
                                              what a sample may have: pictures
                                              will not be in that */

#define NGX_LLMOPS_SAMPLE_DRAWN    1       /* ctx->sampled */
#define NGX_LLMOPS_SAMPLE_PAIRED   2


static ngx_int_t ngx_llmops_sample_head(ngx_llmops_sample_draft_t *draft,
    ngx_llmops_ctx_t *ctx);
static void ngx_llmops_sample_id(ngx_llmops_samples_t *s, int64_t now,
    u_char *id);
static void ngx_llmops_sample_record(ngx_llmops_sample_draft_t *draft);
static ngx_llmops_sample_outcome_e ngx_llmops_sample_write(
    ngx_llmops_sample_draft_t *draft);
static json_t *ngx_llmops_sample_shadow(ngx_llmops_sample_draft_t *draft,
    ngx_llmops_detached_t *d, ngx_int_t similar);
static uint64_t ngx_llmops_sample_us(void);


static ngx_uint_t
ngx_llmops_sample_op(ngx_llmops_op_e op)
{
    return op == NGX_LLMOPS_OP_CHAT || op == NGX_LLMOPS_OP_MESSAGES
           || op == NGX_LLMOPS_OP_COMPLETIONS || op == NGX_LLMOPS_OP_RESPONSES;
}


ngx_int_t
ngx_llmops_sample_draw(ngx_llmops_ctx_t *ctx)
{
    ngx_uint_t              share;
    ngx_llmops_sampling_t  *sampling;

    sampling = ctx->plan.route->sample;

    if (sampling == NULL || ctx->detached || !ctx->env.json
        || !ngx_llmops_sample_op(ctx->env.op))
    {
        return NGX_OK;
    }

    share = ctx->shadow ? sampling->pairs : sampling->share;

    if ((ngx_uint_t) ngx_random() % 10000 >= share) {
        return NGX_OK;
    }

    ctx->sampled = NGX_LLMOPS_SAMPLE_DRAWN;

    return ngx_llmops_keep(ctx, NGX_LLMOPS_SAMPLE_KEPT);
}


void
ngx_llmops_sample_cast(ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_sample_draft_t  *draft;

    if (ctx->sampled != NGX_LLMOPS_SAMPLE_DRAWN) {
        return;
    }

    draft = ngx_llmops_sample_draft(ctx);

    if (draft) {
        ngx_llmops_sample_record(draft);
    }
}


ngx_llmops_sample_draft_t *
ngx_llmops_sample_draft(ngx_llmops_ctx_t *ctx)
{
    uint64_t                    us;
    ngx_llmops_sampling_t      *sampling;
    ngx_llmops_sample_draft_t  *draft;

    if (ctx->sampled == 0) {
        return NULL;
    }

    us = ngx_llmops_sample_us();

    ctx->sampled = NGX_LLMOPS_SAMPLE_PAIRED;
    sampling = ctx->plan.route->sample;

    if (ctx->kept == NULL || ctx->kept->failed
        || ngx_llmops_body_size(ctx->request)
           > (off_t) (4 * sampling->max_size + NGX_LLMOPS_SAMPLE_BODY))
    {
        ngx_llmops_sample_count(sampling, NGX_LLMOPS_SAMPLE_LARGE);
        return NULL;
    }

    draft = ngx_calloc(sizeof(ngx_llmops_sample_draft_t),
                       ctx->request->connection->log);

    if (draft == NULL) {
        ngx_llmops_sample_count(sampling, NGX_LLMOPS_SAMPLE_UNREAD);
        return NULL;
    }

    draft->sampling = sampling;
    draft->samples = ((ngx_llmops_main_conf_t *)
                      ngx_http_get_module_main_conf(ctx->request,
                                                    ngx_llmops_module))
                     ->samples;
    draft->op = ctx->env.op;

    if (ngx_llmops_sample_head(draft, ctx) == NGX_OK) {
        draft->doc = ngx_llmops_sample_make(ctx, draft->rec.id);
    }

    if (draft->doc == NULL) {
        ngx_llmops_sample_count(sampling, NGX_LLMOPS_SAMPLE_UNREAD);
        ngx_free(draft);
        return NULL;
    }

    draft->us = ngx_llmops_sample_us() - us;

    return draft;
}


static ngx_int_t
ngx_llmops_sample_head(ngx_llmops_sample_draft_t *draft,
    ngx_llmops_ctx_t *ctx)
{
    ngx_int_t                  n;
    ngx_str_t                  client, tenant;
    ngx_uint_t                 i;
    ngx_llmops_record_t       *rec;
    ngx_llmops_record_keys_t   none, *keys;

    rec = &draft->rec;
    keys = &draft->samples->keys;

    ngx_str_null(&client);
    ngx_str_null(&tenant);

    if (ctx->identity) {
        client = ctx->identity->client;
        tenant = ctx->identity->tenant;
    }

    rec->created = ngx_llmops_samples_now(draft->samples);
    rec->expires = rec->created + (int64_t) draft->sampling->keep * 1000;

    ngx_llmops_sample_id(draft->samples, rec->created, rec->id);

    for (i = 0; i < 16 && ctx->id.len == 32; i++) {
        n = ngx_hextoi(ctx->id.data + 2 * i, 2);
        rec->request[i] = (u_char) (n == NGX_ERROR ? 0 : n);
    }

    none.n = 0;

    return (ngx_llmops_record_tag(keys, 'r', &ctx->plan.route->name,
                                  rec->route)
            == NGX_OK
            && ngx_llmops_record_tag(keys, 't', &tenant, rec->tenant) == NGX_OK
            && ngx_llmops_record_tag(keys, 'c', &client, rec->client) == NGX_OK
            && ngx_llmops_record_tag(&none, 'c', &client, draft->client)
               == NGX_OK)
           ? NGX_OK : NGX_ERROR;
}


/* 6 bytes of time and 10 that are random, or of this worker's last one, + 1:
   those of a worker sort as they were made */

static void
ngx_llmops_sample_id(ngx_llmops_samples_t *s, int64_t now, u_char *id)
{
    u_char      time[6];
    ngx_uint_t  i;

    for (i = 0; i < 6; i++) {
        time[i] = (u_char) (now >> 8 * (5 - i));
    }

    if (ngx_memcmp(s->last, time, 6) == 0) {

        for (i = 16; i > 6 && ++s->last[i - 1] == 0; i--) { /* void */ }

    } else {
        ngx_memcpy(s->last, time, 6);

        for (i = 6; i < 16; i++) {
            s->last[i] = (u_char) (ngx_random() >> 8);
        }

        s->last[6] &= 0x7f;                  /* room to count up */
    }

    ngx_memcpy(id, s->last, 16);
}


void
ngx_llmops_sample_pair(ngx_llmops_sample_draft_t *draft,
    ngx_llmops_detached_t *d, ngx_int_t similar)
{
    json_t    *shadow;
    uint64_t   us;

    us = ngx_llmops_sample_us();

    shadow = ngx_llmops_sample_shadow(draft, d, similar);

    if (shadow && json_object_set_new(draft->doc, "shadow", shadow) == 0
        && json_is_object(json_object_get(shadow, "answer")))
    {
        draft->rec.flags |= NGX_LLMOPS_RECORD_PAIR;
    }

    draft->us += ngx_llmops_sample_us() - us;
}


void
ngx_llmops_sample_close(ngx_llmops_sample_draft_t *draft, const char *winner,
    const char *comment)
{
    json_t  *verdict;

    /* of a pair alone, as with those who say it afterwards */

    if (winner && (draft->rec.flags & NGX_LLMOPS_RECORD_PAIR)) {
        verdict = ngx_llmops_sample_verdict(draft->samples, draft->doc,
                                            "judge", winner, NULL, comment);

        if (json_object_set_new(draft->doc, "verdict", verdict) == 0) {
            draft->rec.flags |= NGX_LLMOPS_RECORD_JUDGED;
        }
    }

    ngx_llmops_sample_record(draft);
}


static json_t *
ngx_llmops_sample_shadow(ngx_llmops_sample_draft_t *draft,
    ngx_llmops_detached_t *d, ngx_int_t similar)
{
    json_t      *answer, *shadow;
    const char  *error;

    answer = NULL;
    error = NULL;

    if (d->broken) {
        error = "refused";

    } else if (d->error != NGX_LLMOPS_ERR_NONE) {
        error = (char *) ngx_llmops_error_names[d->error].data;

    } else if (d->truncated) {
        error = "too_large";

    } else {
        answer = ngx_llmops_sample_answer(draft->op, &d->answer,
                                          d->meter.finish, &d->meter.usage);
        error = answer ? NULL : "unreadable";
    }

    shadow = json_pack("{s:s%,s:o,s:s?,s:o?,s:o,s:I}",
        "target", (char *) d->target->name.data, d->target->name.len,
        "answer", answer ? answer : json_null(),
        "error", error,
        "usage", ngx_llmops_sample_usage(&d->meter.usage),
        "cost", ngx_llmops_sample_cost(d->cost),
        "total", (json_int_t) d->total);

    if (shadow && d->first_token != (ngx_msec_t) -1) {
        (void) json_object_set_new(shadow, "first_token",
                                   json_integer(d->first_token));
    }

    if (shadow && similar >= 0) {
        (void) json_object_set_new(shadow, "similarity",
                                   ngx_llmops_sample_real(
                                       (double) similar / 1000));
    }

    return shadow;
}


/* the draft is gone afterwards */

static void
ngx_llmops_sample_record(ngx_llmops_sample_draft_t *draft)
{
    uint64_t                      us;
    ngx_llmops_sample_sh_t       *sh;
    ngx_llmops_sample_outcome_e   outcome;

    us = ngx_llmops_sample_us();

    outcome = ngx_llmops_sample_write(draft);

    ngx_llmops_sample_count(draft->sampling, outcome);

    sh = draft->sampling->sh;

    if (sh) {
        (void) ngx_atomic_fetch_add(&sh->us, draft->us
                                             + ngx_llmops_sample_us() - us);
    }

    json_decref(draft->doc);
    ngx_free(draft);
}


static ngx_llmops_sample_outcome_e
ngx_llmops_sample_write(ngx_llmops_sample_draft_t *draft)
{
    ngx_int_t                     rc;
    ngx_str_t                     s;
    ngx_llmops_out_t              text, record;
    ngx_llmops_sampling_t        *sampling;
    ngx_llmops_sample_outcome_e   outcome;

    sampling = draft->sampling;

    rc = ngx_llmops_sample_redact(draft->doc, sampling->ruled);

    if (rc != NGX_OK) {
        return rc == NGX_DECLINED ? NGX_LLMOPS_SAMPLE_DENIED
                                  : NGX_LLMOPS_SAMPLE_UNREAD;
    }

    ngx_llmops_out_init(&text, sampling->max_size);
    ngx_llmops_out_init(&record, sampling->max_size
                                 + 2 * NGX_LLMOPS_RECORD_HEAD);

    ngx_llmops_tree_write(&text, draft->doc);

    outcome = NGX_LLMOPS_SAMPLE_LARGE;

    s.data = text.data;
    s.len = text.len;

    if (!text.failed) {
        outcome = NGX_LLMOPS_SAMPLE_STORE;

        if (ngx_llmops_record_write(&draft->rec, &draft->samples->keys, &s,
                                    &record)
            == NGX_OK)
        {
            s.data = record.data;
            s.len = record.len;

            if (ngx_llmops_samples_put(draft->samples, &draft->rec, &s,
                                       draft->client)
                == NGX_OK)
            {
                outcome = draft->rec.flags & NGX_LLMOPS_RECORD_PAIR
                          ? NGX_LLMOPS_SAMPLE_PAIR
                          : NGX_LLMOPS_SAMPLE_RECORDED;

                if (sampling->sh) {
                    (void) ngx_atomic_fetch_add(&sampling->sh->bytes, s.len);
                }
            }
        }
    }

    ngx_llmops_out_free(&text);
    ngx_llmops_out_free(&record);

    return outcome;
}


ngx_int_t
ngx_llmops_samples_put(ngx_llmops_samples_t *s, ngx_llmops_record_t *rec,
    ngx_str_t *record, u_char *client)
{
    ngx_llmops_samples_task_t  *task;

    if (s->engine == NULL) {
        return ngx_llmops_samples_redis_put(s, rec, record);
    }

    if (s->engine->append(s, record) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!ngx_llmops_samples_is_gone(s, client, rec->created)) {
        return NGX_OK;
    }

    /* deleted while it was being made: so is this one */

    task = ngx_llmops_samples_task(s, NGX_LLMOPS_SAMPLES_REMOVE);
    if (task == NULL) {
        return NGX_ERROR;
    }

    task->by_id = 1;
    ngx_memcpy(task->id, rec->id, NGX_LLMOPS_RECORD_TAG);

    ngx_llmops_samples_run(task);

    return NGX_OK;
}


/*
 * Entries are written before "ngone" says so, and never changed while they can
 * be read but by a deletion 128 later, after "floor" has been raised: who reads
 * one that is being replaced sees a time of either, and floor covers the old
 * one.
 */

ngx_uint_t
ngx_llmops_samples_is_gone(ngx_llmops_samples_t *s, u_char *client,
    int64_t created)
{
    ngx_uint_t                  i, n;
    ngx_llmops_samples_sh_t    *sh;
    ngx_llmops_samples_gone_t  *gone;

    sh = s->sh;

    if (sh == NULL) {
        return 0;
    }

    n = ngx_min(sh->ngone, NGX_LLMOPS_SAMPLES_GONE);

    for (i = 0; i < n; i++) {
        gone = &sh->gone[i];

        if (created <= gone->at
            && ngx_memcmp(gone->client, client, NGX_LLMOPS_RECORD_TAG) == 0)
        {
            return 1;
        }
    }

    return created <= (int64_t) sh->floor;
}


ngx_uint_t
ngx_llmops_samples_complain(ngx_llmops_samples_t *s)
{
    if (s->complained && ngx_time() - s->complained < 60) {
        return 0;
    }

    s->complained = ngx_time();

    return 1;
}


void
ngx_llmops_sample_count(ngx_llmops_sampling_t *sampling,
    ngx_llmops_sample_outcome_e outcome)
{
    if (sampling->sh) {
        (void) ngx_atomic_fetch_add(&sampling->sh->outcomes[outcome], 1);
    }
}


void
ngx_llmops_sample_id_text(u_char *id, u_char *text)
{
    text = ngx_cpymem(text, "smp_", 4);

    (void) ngx_hex_dump(text, id, NGX_LLMOPS_RECORD_TAG);
}


ngx_int_t
ngx_llmops_sample_id_read(ngx_str_t *text, u_char *id)
{
    ngx_int_t   n;
    ngx_uint_t  i;

    if (text->len != NGX_LLMOPS_SAMPLE_ID
        || ngx_memcmp(text->data, "smp_", 4) != 0)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < NGX_LLMOPS_RECORD_TAG; i++) {
        n = ngx_hextoi(text->data + 4 + 2 * i, 2);

        if (n == NGX_ERROR) {
            return NGX_ERROR;
        }

        id[i] = (u_char) n;
    }

    return NGX_OK;
}


static uint64_t
ngx_llmops_sample_us(void)
{
    struct timespec  ts;

    if (clock_gettime(CLOCK_MONOTONIC, &ts) != 0) {
        return 0;
    }

    return (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}
