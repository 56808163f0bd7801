
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_evaluate_run.h"


/*
 * The cases of a run: those that came with it, samples, or a file, of which a
 * piece is read in each turn.  They are held against the checks before one is
 * asked.
 */


#define NGX_LLMOPS_DATA_READ    65536      /* bytes of a file at a time */
#define NGX_LLMOPS_DATA_CHECKS  32         /* cases at a time */


static ngx_int_t ngx_llmops_data_open(ngx_llmops_evaluation_run_t *run,
    json_t *dataset);
static ngx_int_t ngx_llmops_data_cases(ngx_llmops_evaluation_run_t *run);
static ngx_int_t ngx_llmops_data_check(ngx_llmops_evaluation_run_t *run,
    ngx_uint_t n, ngx_uint_t *own);


ngx_int_t
ngx_llmops_run_data(ngx_llmops_evaluation_run_t *run)
{
    json_t  *dataset;

    dataset = json_object_get(run->spec_json, "dataset");

    if (json_object_get(dataset, "file")) {
        return ngx_llmops_data_open(run, dataset);
    }

    if (ngx_llmops_evaluation_op(run, NGX_LLMOPS_DOCS_EVALUATED) != NGX_OK) {
        return ngx_llmops_evaluation_later(run, run->state);
    }

    run->op.id = ngx_llmops_evaluation_part(run->buf, run->id, "data");

    return ngx_llmops_evaluation_ask(run, ngx_llmops_store_get,
                                     NGX_LLMOPS_RUN_DATA_GOT);
}


ngx_int_t
ngx_llmops_run_data_got(ngx_llmops_evaluation_run_t *run)
{
    char       err[NGX_LLMOPS_EVAL_TEXT];
    ngx_int_t  rc;

    if (run->op.rc == NGX_ERROR || run->op.rc == NGX_BUSY) {
        return ngx_llmops_evaluation_later(run, NGX_LLMOPS_RUN_DATA);
    }

    if (run->op.rc != NGX_OK) {

        if (json_object_get(json_object_get(run->spec_json, "dataset"),
                            "samples"))
        {
            run->state = NGX_LLMOPS_RUN_SAMPLES;
            return NGX_OK;
        }

        return ngx_llmops_evaluation_fail(run, "the dataset is not in the "
                                          "store any more");
    }

    rc = ngx_llmops_dataset_feed(&run->set, run->op.doc.value.data,
                                 run->op.doc.value.len, err);

    if (rc == NGX_OK) {
        rc = ngx_llmops_dataset_end(&run->set, err);
    }

    if (rc != NGX_OK) {
        return ngx_llmops_evaluation_fail(run, "%s", rc == NGX_DECLINED
                                               ? err : "out of memory");
    }

    return ngx_llmops_data_cases(run);
}


/* of the API: a name below llm_evaluations dir=; of "evaluate": a path */

static ngx_int_t
ngx_llmops_data_open(ngx_llmops_evaluation_run_t *run, json_t *dataset)
{
    u_char       path[NGX_MAX_PATH], *last;
    ngx_str_t    file;
    ngx_str_t   *dir;

    file = ngx_llmops_evaluation_string(dataset, "file");
    dir = &run->evs->dir;

    if (ngx_llmops_evaluate_file(run->evs, &file)) {
        last = ngx_snprintf(path, sizeof(path) - 1, "%V", &file);

    } else if (dir->len && ngx_llmops_evaluation_is_name(&file)
               && file.data[0] != '.')
    {
        last = ngx_snprintf(path, sizeof(path) - 1, "%V/%V", dir, &file);

    } else {
        return ngx_llmops_evaluation_fail(run, "the configuration has no "
                                          "dataset \"%V\" any more", &file);
    }

    *last = '\0';

    run->fd = ngx_open_file(path, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                            NGX_FILE_OPEN, 0);

    if (run->fd == NGX_INVALID_FILE) {
        return ngx_llmops_evaluation_fail(run, "\"%V\" cannot be opened: %s",
                                          &file, strerror(ngx_errno));
    }

    run->state = NGX_LLMOPS_RUN_FILE;

    return NGX_OK;
}


/* a piece of it in each turn */

ngx_int_t
ngx_llmops_run_file(ngx_llmops_evaluation_run_t *run)
{
    char       err[NGX_LLMOPS_EVAL_TEXT];
    u_char     buf[NGX_LLMOPS_DATA_READ];
    ssize_t    n;
    ngx_int_t  rc;

    n = ngx_read_fd(run->fd, buf, sizeof(buf));

    if (n == -1) {
        return ngx_llmops_evaluation_fail(run, "the dataset cannot be read: "
                                          "%s", strerror(ngx_errno));
    }

    rc = n ? ngx_llmops_dataset_feed(&run->set, buf, n, err)
           : ngx_llmops_dataset_end(&run->set, err);

    if (rc != NGX_OK) {
        return ngx_llmops_evaluation_fail(run, "%s", rc == NGX_DECLINED
                                               ? err : "out of memory");
    }

    if (n) {
        return NGX_AGAIN;                    /* the next tick reads on */
    }

    if (ngx_close_file(run->fd) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, ngx_errno,
                      ngx_close_file_n " of a dataset failed");
    }

    run->fd = -1;

    return ngx_llmops_data_cases(run);
}


/* all cases are here; of a file they must be those that they were */

static ngx_int_t
ngx_llmops_data_cases(ngx_llmops_evaluation_run_t *run)
{
    uint32_t     crc;
    json_t      *was;
    json_int_t   cases;

    cases = json_integer_value(json_object_get(run->doc, "cases"));
    crc = ngx_crc32_long(run->set.data, run->set.len);
    was = json_object_get(run->doc, "checksum");

    if (was && (json_integer_value(was) != (json_int_t) crc
                || cases != (json_int_t) run->set.n))
    {
        return ngx_llmops_evaluation_fail(run, "the dataset has changed since "
                                          "the evaluation began");
    }

    if (ngx_llmops_load_chunks(run) != NGX_OK
        || json_object_set_new(run->doc, "cases",
                               json_integer((json_int_t) run->set.n)) != 0
        || json_object_set_new(run->doc, "checksum",
                               json_integer((json_int_t) crc)) != 0)
    {
        return ngx_llmops_evaluation_fail(run, "out of memory");
    }

    run->state = NGX_LLMOPS_RUN_CHECK;

    return NGX_OK;
}


/* whether the checks find in the cases what they need, before one is asked */

ngx_int_t
ngx_llmops_run_check(ngx_llmops_evaluation_run_t *run)
{
    ngx_uint_t  n, own;

    own = 0;

    for (n = 0; n < NGX_LLMOPS_DATA_CHECKS; n++) {

        if (run->checked == run->set.n) {
            run->chunk = 0;
            run->state = NGX_LLMOPS_RUN_CHUNK;
            return NGX_OK;
        }

        if (ngx_llmops_data_check(run, run->checked, &own) != NGX_OK) {
            return NGX_OK;                   /* it has failed */
        }

        run->checked++;
    }

    /* patterns and schemas of cases take their time to compile */

    return own ? NGX_AGAIN : NGX_OK;
}


static ngx_int_t
ngx_llmops_data_check(ngx_llmops_evaluation_run_t *run, ngx_uint_t n,
    ngx_uint_t *own)
{
    char                  err[NGX_LLMOPS_EVAL_TEXT];
    json_t               *kase, *checks;
    ngx_int_t             rc;
    ngx_llmops_scorer_t  *scorer;

    kase = ngx_llmops_dataset_case(&run->set, n);
    checks = json_object_get(kase, "checks");

    *own += (checks != NULL);

    scorer = checks ? ngx_llmops_scorer_create(checks, run->evs->rules.elts,
                                               run->evs->rules.nelts, err,
                                               sizeof(err))
                    : run->scorer;

    if (scorer) {
        rc = ngx_llmops_score_case(scorer, kase, err, sizeof(err));

    } else {
        rc = NGX_ERROR;

        if (checks == NULL) {
            ngx_cpystrn((u_char *) err, (u_char *) "it has no \"checks\", and "
                        "neither has the evaluation", sizeof(err));
        }
    }

    if (checks && scorer) {
        ngx_llmops_scorer_free(scorer);
    }

    json_decref(kase);

    if (rc != NGX_OK) {
        (void) ngx_llmops_evaluation_fail(run, "case %ui: %s", n, err);
    }

    return rc;
}
