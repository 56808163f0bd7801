
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_samples_own.h"


/*
 * What has been found: records that fit a question, the newest first, as many
 * as are wanted and one more; and what is done with them when all are there.
 */


#define NGX_LLMOPS_SAMPLES_OPEN    (1024 * 1024)   /* bytes of a turn */


static ngx_llmops_samples_hit_t *ngx_llmops_samples_slot(
    ngx_llmops_samples_task_t *task, ngx_llmops_record_t *rec);
static void ngx_llmops_samples_cut(ngx_llmops_samples_task_t *task);
static void ngx_llmops_samples_opening(ngx_event_t *ev);


ngx_uint_t
ngx_llmops_samples_fits(ngx_llmops_samples_task_t *task,
    ngx_llmops_record_t *rec)
{
    ngx_int_t   rc;
    ngx_uint_t  i;

    struct {
        ngx_uint_t                 by;
        ngx_llmops_record_name_t  *name;
        u_char                    *tag;
    } names[] = {
        { task->by_route, &task->route, rec->route },
        { task->by_tenant, &task->tenant, rec->tenant },
        { task->by_client, &task->client, rec->client }
    };

    if ((task->by_id
         && ngx_memcmp(task->id, rec->id, NGX_LLMOPS_RECORD_TAG) != 0)
        || (task->by_request
            && ngx_memcmp(task->request, rec->request, NGX_LLMOPS_RECORD_TAG)
               != 0)
        || (task->by_before
            && ngx_memcmp(rec->id, task->before, NGX_LLMOPS_RECORD_TAG) >= 0)
        || (task->by_pair && !(rec->flags & NGX_LLMOPS_RECORD_PAIR))
        || (task->by_judged && !(rec->flags & NGX_LLMOPS_RECORD_JUDGED)))
    {
        return 0;
    }

    if (task->what != NGX_LLMOPS_SAMPLES_REMOVE
        && rec->expires <= ngx_llmops_samples_now(task->samples))
    {
        return 0;
    }

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {

        if (!names[i].by) {
            continue;
        }

        rc = ngx_llmops_record_is(names[i].name, rec, names[i].tag);

        if (rc != NGX_OK) {
            task->unreadable += (rc == NGX_ERROR);
            return 0;
        }
    }

    return 1;
}


/* hits are sorted, the newest first; there is one more than is asked for, by
   which one sees that there are more */

ngx_int_t
ngx_llmops_samples_hit(ngx_llmops_samples_task_t *task,
    ngx_llmops_record_t *rec, u_char *p, size_t size,
    ngx_llmops_segment_t *seg, size_t offset)
{
    ngx_llmops_samples_hit_t  *hit;

    hit = ngx_llmops_samples_slot(task, rec);

    if (hit == NULL) {
        return task->failed ? NGX_ERROR : NGX_OK;
    }

    ngx_memzero(hit, sizeof(ngx_llmops_samples_hit_t));

    hit->rec = *rec;
    hit->offset = offset;

    if (seg) {
        hit->segment = *seg;
    }

    hit->bytes.data = ngx_alloc(size, ngx_cycle->log);
    if (hit->bytes.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(hit->bytes.data, p, size);

    hit->bytes.len = size;
    task->held += size;

    ngx_llmops_samples_cut(task);

    return NGX_OK;
}


static void
ngx_llmops_samples_hit_free(ngx_llmops_samples_task_t *task,
    ngx_llmops_samples_hit_t *hit)
{
    if (hit->bytes.data) {
        task->held -= hit->bytes.len;
        ngx_free(hit->bytes.data);
        hit->bytes.data = NULL;
    }
}


/* where it belongs; NULL: nowhere, or out of memory (failed) */

static ngx_llmops_samples_hit_t *
ngx_llmops_samples_slot(ngx_llmops_samples_task_t *task,
    ngx_llmops_record_t *rec)
{
    ngx_int_t                  rc;
    ngx_uint_t                 low, high, i;
    ngx_llmops_samples_hit_t  *hit;

    hit = task->hits.elts;
    low = 0;
    high = task->hits.nelts;

    while (low < high) {
        i = (low + high) / 2;
        rc = ngx_memcmp(rec->id, hit[i].rec.id, NGX_LLMOPS_RECORD_TAG);

        if (rc == 0) {

            /* two editions: the old one is about to be wiped */

            if (rec->edition <= hit[i].rec.edition) {
                return NULL;
            }

            ngx_llmops_samples_hit_free(task, &hit[i]);
            return &hit[i];
        }

        if (rc > 0) {
            high = i;

        } else {
            low = i + 1;
        }
    }

    if (low > task->n) {
        task->more = 1;
        return NULL;
    }

    if (ngx_array_push(&task->hits) == NULL) {
        task->failed = 1;
        return NULL;
    }

    hit = task->hits.elts;

    ngx_memmove(&hit[low + 1], &hit[low],
                (task->hits.nelts - 1 - low)
                * sizeof(ngx_llmops_samples_hit_t));

    return &hit[low];
}


/* the oldest ones, if there are too many */

static void
ngx_llmops_samples_cut(ngx_llmops_samples_task_t *task)
{
    ngx_llmops_samples_hit_t  *hit;

    hit = task->hits.elts;

    while (task->hits.nelts > task->n + 1
           || (task->held > task->bytes && task->hits.nelts > 1))
    {
        task->more = 1;
        task->n = ngx_min(task->n, task->hits.nelts - 1);
        task->hits.nelts--;

        ngx_llmops_samples_hit_free(task, &hit[task->hits.nelts]);
    }
}


/*
 * What was found is decrypted, some of it in each turn: the text takes the
 * place of the record.
 */

void
ngx_llmops_samples_open(ngx_llmops_samples_task_t *task)
{
    task->i = 0;
    task->event.handler = ngx_llmops_samples_opening;

    ngx_llmops_samples_opening(&task->event);
}


static void
ngx_llmops_samples_opening(ngx_event_t *ev)
{
    size_t                      done;
    ngx_int_t                   rc;
    ngx_uint_t                  n;
    ngx_llmops_out_t            text;
    ngx_llmops_samples_hit_t   *hit;
    ngx_llmops_samples_task_t  *task = ev->data;

    if (task->done == NULL) {
        ngx_llmops_samples_end(task, NGX_ERROR);
        return;
    }

    hit = task->hits.elts;
    n = ngx_min(task->hits.nelts, task->n);

    for (done = 0; task->i < n; task->i++) {

        if (done > NGX_LLMOPS_SAMPLES_OPEN) {
            ngx_post_event(ev, &ngx_posted_next_events);
            return;
        }

        ngx_llmops_out_init(&text, NGX_LLMOPS_RECORD_MAX);

        rc = ngx_llmops_record_text(hit[task->i].bytes.data,
                                    &hit[task->i].rec, &task->samples->keys,
                                    &text);

        task->unreadable += (rc != NGX_OK);
        done += hit[task->i].bytes.len + 4096;

        ngx_free(hit[task->i].bytes.data);

        hit[task->i].bytes.data = NULL;
        hit[task->i].bytes.len = 0;

        if (rc != NGX_OK) {
            ngx_llmops_out_free(&text);
            continue;
        }

        hit[task->i].bytes.data = text.data; /* malloc()ed as well */
        hit[task->i].bytes.len = text.len;
    }

    ngx_llmops_samples_end(task, NGX_OK);
}


ngx_int_t
ngx_llmops_samples_edited(ngx_llmops_samples_task_t *task,
    ngx_llmops_samples_hit_t *hit, ngx_llmops_record_t *rec,
    ngx_llmops_out_t *out)
{
    json_t                    *doc;
    ngx_int_t                  rc;
    ngx_str_t                  s;
    ngx_llmops_out_t           text;
    ngx_llmops_record_keys_t  own;

    ngx_llmops_out_init(&text, NGX_LLMOPS_RECORD_MAX);

    rc = ngx_llmops_record_text(hit->bytes.data, &hit->rec,
                                &task->samples->keys, &text);

    if (rc != NGX_OK) {
        task->unreadable += (rc == NGX_DECLINED);
        ngx_llmops_out_free(&text);
        return NGX_ERROR;
    }

    doc = ngx_llmops_tree_parse(text.data, text.len);

    rc = (doc && task->edit) ? task->edit(doc, task->edit_data) : NGX_ERROR;

    ngx_llmops_out_reset(&text);

    if (rc == NGX_OK) {
        ngx_llmops_tree_write(&text, doc);

        *rec = hit->rec;
        rec->edition++;
        rec->flags |= task->judged;

        s.data = text.data;
        s.len = text.len;

        /* under the key that it has: its tags are of that */

        if (text.failed
            || ngx_llmops_record_keys(rec, &task->samples->keys, &own)
               != NGX_OK
            || ngx_llmops_record_write(rec, &own, &s, out) != NGX_OK)
        {
            rc = NGX_ERROR;
        }
    }

    json_decref(doc);
    ngx_llmops_out_free(&text);

    return rc;
}


void
ngx_llmops_samples_task_free(ngx_llmops_samples_task_t *task)
{
    ngx_uint_t                 i;
    ngx_llmops_samples_hit_t  *hit;

    hit = task->hits.elts;

    for (i = 0; i < task->hits.nelts; i++) {
        ngx_llmops_samples_hit_free(task, &hit[i]);
    }

    ngx_destroy_pool(task->pool);
}
