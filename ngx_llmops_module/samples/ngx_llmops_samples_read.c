
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_samples_own.h"


/* What others ask of samples, and what happens by itself. */


#define NGX_LLMOPS_SAMPLES_SWEEP_MAX   60000   /* ms between two */
#define NGX_LLMOPS_SAMPLES_SWEEP_REDIS 5000
#define NGX_LLMOPS_SAMPLES_FILE_MIN    65536   /* bytes of a file that is */
#define NGX_LLMOPS_SAMPLES_FILE_MAX    (2 * 1024 * 1024)   /* full */


typedef struct {
    ngx_llmops_samples_t      *samples;
    double                     score;
    u_char                     comment[1];     /* terminated */
} ngx_llmops_samples_judged_t;


static ngx_int_t ngx_llmops_samples_filters(ngx_llmops_samples_task_t *task,
    ngx_llmops_samples_read_t *rd);
static void ngx_llmops_samples_done(ngx_llmops_samples_task_t *task);
static ngx_int_t ngx_llmops_samples_take(ngx_llmops_samples_task_t *task,
    ngx_llmops_samples_read_t *rd);
static ngx_int_t ngx_llmops_samples_judge(json_t *doc, void *data);
static void ngx_llmops_samples_judged(ngx_llmops_samples_task_t *task);
static void ngx_llmops_samples_sweep(ngx_event_t *ev);
static void ngx_llmops_samples_swept(ngx_llmops_samples_task_t *task);
static ngx_msec_t ngx_llmops_samples_interval(ngx_llmops_samples_t *s);


ngx_int_t
ngx_llmops_samples_last(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_samples_read_t *rd)
{
    ngx_llmops_samples_task_t  *task;

    rd->job = NULL;
    rd->rc = NGX_ERROR;
    rd->error = NULL;
    rd->more = 0;
    ngx_str_null(&rd->last);

    if (mcf->samples == NULL) {
        return NGX_DECLINED;
    }

    task = ngx_llmops_samples_task(mcf->samples, NGX_LLMOPS_SAMPLES_READ);
    if (task == NULL) {
        return NGX_ERROR;
    }

    if (ngx_llmops_samples_filters(task, rd) != NGX_OK
        || ngx_array_init(&rd->samples, rd->pool, 16,
                          sizeof(ngx_llmops_sample_t))
           != NGX_OK)
    {
        ngx_llmops_samples_task_free(task);
        return NGX_ERROR;
    }

    task->done = ngx_llmops_samples_done;
    task->data = rd;
    rd->job = task;

    ngx_llmops_samples_run(task);

    return NGX_AGAIN;
}


void
ngx_llmops_samples_forget(ngx_llmops_samples_read_t *rd)
{
    if (rd->job) {
        ngx_llmops_samples_let(rd->job);
        rd->job = NULL;
    }
}


static ngx_int_t
ngx_llmops_samples_filters(ngx_llmops_samples_task_t *task,
    ngx_llmops_samples_read_t *rd)
{
    task->n = ngx_max(ngx_min(rd->n, NGX_LLMOPS_SAMPLE_READ), 1);
    task->by_pair = rd->pairs;
    task->by_judged = rd->judged;

    if (rd->bytes) {
        task->bytes = ngx_min(task->bytes, rd->bytes);
    }

    if (rd->id.len) {
        task->by_id = 1;

        if (ngx_llmops_sample_id_read(&rd->id, task->id) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (rd->cursor.len) {
        task->by_before = 1;

        if (ngx_llmops_sample_id_read(&rd->cursor, task->before) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if ((rd->route.len
         && ngx_llmops_samples_named(task, route, 'r', &rd->route) != NGX_OK)
        || (rd->tenant.len
            && ngx_llmops_samples_named(task, tenant, 't', &rd->tenant)
               != NGX_OK)
        || (rd->client.len
            && ngx_llmops_samples_named(task, client, 'c', &rd->client)
               != NGX_OK))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_llmops_samples_done(ngx_llmops_samples_task_t *task)
{
    ngx_llmops_samples_read_t *rd = task->data;

    rd->job = NULL;
    rd->rc = task->rc;
    rd->more = task->more;

    if (rd->rc == NGX_OK && ngx_llmops_samples_take(task, rd) != NGX_OK) {
        rd->rc = NGX_ERROR;
    }

    if (rd->rc != NGX_OK) {
        rd->error = "samples cannot be read now";

    } else if (task->unreadable) {
        rd->rc = NGX_DECLINED;
        rd->error = "some samples are encrypted with a key that "
                    "\"llm_samples\" does not have, or are damaged";
    }

    rd->handler(rd);
}


static ngx_int_t
ngx_llmops_samples_take(ngx_llmops_samples_task_t *task,
    ngx_llmops_samples_read_t *rd)
{
    ngx_uint_t                 i, n;
    ngx_llmops_sample_t       *sample;
    ngx_llmops_samples_hit_t  *hit;

    hit = task->hits.elts;
    n = ngx_min(task->hits.nelts, task->n);

    if (n) {
        rd->last.len = NGX_LLMOPS_SAMPLE_ID;
        rd->last.data = ngx_pnalloc(rd->pool, NGX_LLMOPS_SAMPLE_ID);

        if (rd->last.data == NULL) {
            return NGX_ERROR;
        }

        ngx_llmops_sample_id_text(hit[n - 1].rec.id, rd->last.data);
    }

    for (i = 0; i < n; i++) {

        if (hit[i].bytes.data == NULL) {
            continue;
        }

        sample = ngx_array_push(&rd->samples);
        if (sample == NULL) {
            return NGX_ERROR;
        }

        sample->id.len = NGX_LLMOPS_SAMPLE_ID;
        sample->id.data = ngx_pnalloc(rd->pool, NGX_LLMOPS_SAMPLE_ID);
        sample->text.len = hit[i].bytes.len;
        sample->text.data = ngx_pnalloc(rd->pool, sample->text.len + 1);

        if (sample->id.data == NULL || sample->text.data == NULL) {
            return NGX_ERROR;
        }

        ngx_llmops_sample_id_text(hit[i].rec.id, sample->id.data);

        *ngx_cpymem(sample->text.data, hit[i].bytes.data, hit[i].bytes.len)
            = '\0';
    }

    return NGX_OK;
}


/* -- feedback -------------------------------------------------------------- */

void
ngx_llmops_sample_feedback(ngx_llmops_main_conf_t *mcf, ngx_str_t *id,
    double score, const char *comment)
{
    ngx_int_t                     n;
    ngx_uint_t                    i;
    ngx_llmops_samples_t         *s;
    ngx_llmops_samples_task_t    *task;
    ngx_llmops_samples_judged_t  *judged;

    s = mcf->samples;

    if (s == NULL || s->routes.nelts == 0 || id->len != 32) {
        return;
    }

    task = ngx_llmops_samples_task(s, NGX_LLMOPS_SAMPLES_EDIT);
    if (task == NULL) {
        return;
    }

    for (i = 0; i < NGX_LLMOPS_RECORD_TAG; i++) {
        n = ngx_hextoi(id->data + 2 * i, 2);

        if (n == NGX_ERROR) {
            ngx_llmops_samples_task_free(task);
            return;
        }

        task->request[i] = (u_char) n;
    }

    judged = ngx_palloc(task->pool, sizeof(ngx_llmops_samples_judged_t)
                                    + ngx_strlen(comment));
    if (judged == NULL) {
        ngx_llmops_samples_task_free(task);
        return;
    }

    judged->samples = s;
    judged->score = score;
    ngx_memcpy(judged->comment, comment, ngx_strlen(comment) + 1);

    task->by_request = 1;
    task->edit = ngx_llmops_samples_judge;
    task->edit_data = judged;
    task->done = ngx_llmops_samples_judged;

    ngx_llmops_samples_run(task);
}


static ngx_int_t
ngx_llmops_samples_judge(json_t *doc, void *data)
{
    ngx_llmops_samples_judged_t *judged = data;

    json_t  *feedback;

    feedback = json_pack("{s:o,s:I,s:o?}",
                         "score", ngx_llmops_sample_real(judged->score),
                         "created", (json_int_t) ngx_time(),
                         "comment", judged->comment[0]
                                    ? ngx_llmops_sample_comment(
                                          judged->samples, doc,
                                          (char *) judged->comment)
                                    : json_null());

    return json_object_set_new(doc, "feedback", feedback) == 0 ? NGX_OK
                                                               : NGX_ERROR;
}


static void
ngx_llmops_samples_judged(ngx_llmops_samples_task_t *task)
{
    if (task->rc != NGX_OK && task->rc != NGX_DECLINED
        && ngx_llmops_samples_complain(task->samples))
    {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "feedback could not be put into a sample");
    }
}


json_t *
ngx_llmops_sample_comment(ngx_llmops_samples_t *s, json_t *doc,
    const char *comment)
{
    json_t                  *about, *text;
    ngx_uint_t               i;
    const char              *name;
    ngx_llmops_ruled_t      *ruled;
    ngx_llmops_sampling_t  **sampling;

    name = json_string_value(json_object_get(doc, "route"));
    sampling = s->routes.elts;
    ruled = NULL;

    for (i = 0; name && i < s->routes.nelts; i++) {
        if (sampling[i]->route->name.len == ngx_strlen(name)
            && ngx_memcmp(sampling[i]->route->name.data, name,
                          ngx_strlen(name))
               == 0)
        {
            ruled = sampling[i]->ruled;
        }
    }

    about = json_pack("{s:{},s:{s:s}}", "request", "answer", "comment",
                      comment);
    text = NULL;

    if (about && ngx_llmops_sample_redact(about, ruled) == NGX_OK) {
        text = json_incref(json_object_get(json_object_get(about, "answer"),
                                           "comment"));
    }

    json_decref(about);

    return text;
}


json_t *
ngx_llmops_sample_verdict(ngx_llmops_samples_t *s, json_t *doc,
    const char *by, const char *winner, json_t *score, const char *comment)
{
    return json_pack("{s:s,s:s?,s:o?,s:o?,s:I}", "by", by, "winner", winner,
                     "score", score,
                     "comment", comment
                                ? ngx_llmops_sample_comment(s, doc, comment)
                                : NULL,
                     "created", (json_int_t) ngx_time());
}


/* -- of a worker ----------------------------------------------------------- */

ngx_int_t
ngx_llmops_samples_start(ngx_cycle_t *cycle, ngx_llmops_main_conf_t *mcf)
{
    ngx_str_t                name = ngx_string("samples");
    ngx_uint_t               i;
    ngx_core_conf_t         *ccf;
    ngx_llmops_samples_t    *s;
    ngx_llmops_sampling_t  **sampling;

    s = mcf->samples;

    if (s == NULL) {
        return NGX_OK;
    }

    for (i = 0; i < s->keys.n; i++) {
        ngx_llmops_secret_start(&s->secrets[i]);
    }

    s->fd = NGX_INVALID_FILE;
    s->sh = ngx_llmops_zone_node(mcf->zone, NGX_LLMOPS_NODE_SAMPLES, &name,
                                 sizeof(ngx_llmops_samples_sh_t));

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    s->segment = s->size / 8 / ngx_max(ccf->worker_processes, 1);
    s->segment = ngx_min(s->segment, NGX_LLMOPS_SAMPLES_FILE_MAX);
    s->segment = ngx_max(s->segment, NGX_LLMOPS_SAMPLES_FILE_MIN);

    sampling = s->routes.elts;

    for (i = 0; i < s->routes.nelts; i++) {
        sampling[i]->sh = ngx_llmops_zone_node(mcf->zone,
                                               NGX_LLMOPS_NODE_SAMPLE,
                                               &sampling[i]->route->name,
                                               sizeof(ngx_llmops_sample_sh_t));
    }

    if (ngx_worker != 0) {
        return NGX_OK;
    }

    s->sweep.handler = ngx_llmops_samples_sweep;
    s->sweep.data = s;
    s->sweep.log = cycle->log;
    s->sweep.cancelable = 1;

    ngx_add_timer(&s->sweep, ngx_llmops_samples_interval(s));

    return NGX_OK;
}


void
ngx_llmops_samples_stop(ngx_llmops_main_conf_t *mcf)
{
    ngx_llmops_samples_t  *s;

    s = mcf->samples;

    if (s == NULL) {
        return;
    }

    if (s->sweep.timer_set) {
        ngx_del_timer(&s->sweep);
    }

    if (s->fd != NGX_INVALID_FILE) {
        (void) ngx_close_file(s->fd);
        s->fd = NGX_INVALID_FILE;
    }
}


/* a quarter of the shortest time that something is kept */

static ngx_msec_t
ngx_llmops_samples_interval(ngx_llmops_samples_t *s)
{
    ngx_msec_t  most;

    most = s->engine ? NGX_LLMOPS_SAMPLES_SWEEP_MAX
                     : NGX_LLMOPS_SAMPLES_SWEEP_REDIS;

    if (s->shortest == 0 || (ngx_msec_t) s->shortest * 250 > most) {
        return most;
    }

    return ngx_max((ngx_msec_t) s->shortest * 250, 500);
}


static void
ngx_llmops_samples_sweep(ngx_event_t *ev)
{
    ngx_llmops_samples_t *s = ev->data;

    ngx_llmops_samples_task_t  *task;

    if (ngx_exiting) {
        return;
    }

    ngx_add_timer(ev, ngx_llmops_samples_interval(s));

    if (s->sweeping) {
        return;
    }

    if (s->engine == NULL) {
        ngx_llmops_samples_redis_sweep(s);
        return;
    }

    task = ngx_llmops_samples_task(s, NGX_LLMOPS_SAMPLES_SWEEP);
    if (task == NULL) {
        return;
    }

    task->done = ngx_llmops_samples_swept;
    s->sweeping = task;

    ngx_llmops_samples_run(task);
}


static void
ngx_llmops_samples_swept(ngx_llmops_samples_task_t *task)
{
    task->samples->sweeping = NULL;
}
