
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_evaluate.h"


/*
 * A dataset in memory is its lines, in one piece: trees of all cases would need
 * ten times as much, and only a few cases are asked at a time.  Each line is
 * parsed when it comes in, so that a mistake in line 400 is not found out after
 * 399 cases have been paid for.
 */


static ngx_int_t ngx_llmops_dataset_room(ngx_llmops_dataset_t *set,
    size_t len, char *err);
static ngx_int_t ngx_llmops_dataset_line(ngx_llmops_dataset_t *set,
    char *err);
static ngx_uint_t ngx_llmops_dataset_messages(json_t *messages);


void
ngx_llmops_dataset_free(ngx_llmops_dataset_t *set)
{
    free(set->data);
    free(set->ends);

    ngx_memzero(set, sizeof(ngx_llmops_dataset_t));
}


ngx_int_t
ngx_llmops_dataset_feed(ngx_llmops_dataset_t *set, u_char *p, size_t len,
    char *err)
{
    size_t      n;
    u_char     *end, *last;
    ngx_int_t   rc;

    for (last = p + len; p < last; p = end + 1) {

        end = ngx_strlchr(p, last, '\n');
        n = (end ? end : last) - p;

        if (set->part + n > NGX_LLMOPS_EVAL_LINE) {
            return ngx_llmops_spec_error(err, "line %ui has more than "
                                            "256 KB", set->line + 1);
        }

        rc = ngx_llmops_dataset_room(set, n, err);

        if (rc != NGX_OK) {
            return rc;
        }

        ngx_memcpy(set->data + set->len + set->part, p, n);
        set->part += n;

        if (end == NULL) {
            return NGX_OK;
        }

        rc = ngx_llmops_dataset_line(set, err);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_llmops_dataset_end(ngx_llmops_dataset_t *set, char *err)
{
    ngx_int_t  rc;

    rc = set->part ? ngx_llmops_dataset_line(set, err) : NGX_OK;

    if (rc == NGX_OK && set->n == 0) {
        return ngx_llmops_spec_error(err, "the dataset has no cases");
    }

    return rc;
}


/* for so many bytes, a line's end, and one more line; not for nothing */

static ngx_int_t
ngx_llmops_dataset_room(ngx_llmops_dataset_t *set, size_t len, char *err)
{
    void    *p;
    size_t   need, size;

    need = set->len + set->part + len + 1;

    if (need > NGX_LLMOPS_EVAL_DATASET) {
        return ngx_llmops_spec_error(err, "the dataset has more than "
                                        "16 MB");
    }

    if (need > set->size) {
        size = ngx_max(need, ngx_max(2 * set->size, 4096));

        p = realloc(set->data, size);
        if (p == NULL) {
            return NGX_ERROR;
        }

        set->data = p;
        set->size = size;
    }

    if (set->n == set->room) {
        size = set->room ? 2 * set->room : 64;

        p = realloc(set->ends, size * sizeof(uint32_t));
        if (p == NULL) {
            return NGX_ERROR;
        }

        set->ends = p;
        set->room = size;
    }

    return NGX_OK;
}


/* the part that is there is a line; one of white space alone is none */

static ngx_int_t
ngx_llmops_dataset_line(ngx_llmops_dataset_t *set, char *err)
{
    size_t         i;
    u_char        *p;
    json_t        *kase;
    ngx_int_t      rc;
    json_error_t   error;

    set->line++;

    p = set->data + set->len;

    for (i = 0; i < set->part && (p[i] == ' ' || p[i] == '\t'
                                  || p[i] == '\r'); i++)
    {
        /* void */
    }

    if (i == set->part) {
        set->part = 0;
        return NGX_OK;
    }

    kase = json_loadb((char *) p, set->part, JSON_REJECT_DUPLICATES, &error);

    if (kase == NULL) {
        return ngx_llmops_spec_error(err, "line %ui is not JSON: %s",
                                        set->line, error.text);
    }

    rc = ngx_llmops_dataset_check(kase, set->line, err);

    json_decref(kase);

    if (rc != NGX_OK) {
        return rc;
    }

    if (set->n == NGX_LLMOPS_EVAL_CASES) {
        return ngx_llmops_spec_error(err, "the dataset has more than %d "
                                        "cases", NGX_LLMOPS_EVAL_CASES);
    }

    set->len += set->part;
    set->data[set->len++] = '\n';
    set->part = 0;
    set->ends[set->n++] = (uint32_t) set->len;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_dataset_add(ngx_llmops_dataset_t *set, json_t *kase, char *err)
{
    char       *text;
    ngx_int_t   rc;

    /* as it was written: 19.99, not 19.989999999999998 */

    text = json_dumps(kase, JSON_COMPACT|JSON_ENCODE_ANY
                            |JSON_REAL_PRECISION(15));

    if (text == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_llmops_dataset_feed(set, (u_char *) text, ngx_strlen(text), err);

    if (rc == NGX_OK) {
        rc = ngx_llmops_dataset_feed(set, (u_char *) "\n", 1, err);
    }

    free(text);

    return rc;
}


json_t *
ngx_llmops_dataset_case(ngx_llmops_dataset_t *set, ngx_uint_t n)
{
    size_t  start;

    start = n ? set->ends[n - 1] : 0;

    return json_loadb((char *) set->data + start, set->ends[n] - start,
                      JSON_REJECT_DUPLICATES, NULL);
}


ngx_str_t
ngx_llmops_dataset_text(ngx_llmops_dataset_t *set)
{
    ngx_str_t  s;

    s.data = set->data;
    s.len = set->len;

    return s;
}


ngx_int_t
ngx_llmops_dataset_check(json_t *kase, ngx_uint_t n, char *err)
{
    json_t       *value;
    const char   *key, **p;

    static const char  *known[] = { "id", "input", "expected", "choices",
                                    "context", "schema", "slice", "checks",
                                    "variables", NULL };

    json_object_foreach(kase, key, value) {

        for (p = known; *p && ngx_strcmp(*p, key) != 0; p++) { /* void */ }

        if (*p == NULL) {
            return ngx_llmops_spec_error(err, "case %ui: unknown member "
                                            "\"%s\", it may have id, input, "
                                            "expected, choices, context, "
                                            "schema, slice, checks, variables",
                                            n, key);
        }
    }

    value = json_object_get(kase, "input");

    if (!json_is_string(value) && !ngx_llmops_dataset_messages(value)
        && !(value == NULL
             && json_is_object(json_object_get(kase, "variables"))))
    {
        return ngx_llmops_spec_error(err, "case %ui: \"input\" must be a "
                                        "text or an array of messages", n);
    }

    value = json_object_get(kase, "variables");

    if (value && !json_is_object(value)) {
        return ngx_llmops_spec_error(err, "case %ui: \"variables\" must be "
                                        "an object", n);
    }

    value = json_object_get(kase, "id");

    if ((value && (!json_is_string(value)
                   || json_string_length(value) > 2 * NGX_LLMOPS_EVAL_NAME))
        || (json_object_get(kase, "slice")
            && !json_is_string(json_object_get(kase, "slice"))))
    {
        return ngx_llmops_spec_error(err, "case %ui: \"id\", of at most "
                                        "%d bytes, and \"slice\" must be "
                                        "texts", n, 2 * NGX_LLMOPS_EVAL_NAME);
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_llmops_dataset_messages(json_t *messages)
{
    size_t   i;
    json_t  *one;

    json_array_foreach(messages, i, one) {
        if (!json_is_string(json_object_get(one, "role"))) {
            return 0;
        }
    }

    return json_array_size(messages) != 0;
}


json_t *
ngx_llmops_dataset_sample(json_t *sample)
{
    json_t  *kase, *messages, *text, *id;

    messages = json_object_get(json_object_get(sample, "request"), "messages");
    text = json_object_get(json_object_get(sample, "answer"), "text");
    id = json_object_get(sample, "id");

    if (!ngx_llmops_dataset_messages(messages)) {
        return NULL;
    }

    kase = json_pack("{s:O}", "input", messages);

    if ((json_is_string(id) && json_object_set(kase, "id", id) != 0)
        || (json_is_string(text)
            && json_object_set(kase, "expected", text) != 0))
    {
        json_decref(kase);
        return NULL;
    }

    return kase;
}


ngx_int_t
ngx_llmops_dataset_file(ngx_llmops_dataset_t *set, ngx_str_t *path,
    ngx_log_t *log, char *err)
{
    int         fd;
    u_char      buf[16384];
    ssize_t     n;
    ngx_int_t   rc;

    fd = ngx_open_file(path->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        return ngx_llmops_spec_error(err, "%s", strerror(ngx_errno));
    }

    rc = NGX_OK;

    do {
        n = ngx_read_fd(fd, buf, sizeof(buf));

        if (n < 0) {
            rc = ngx_llmops_spec_error(err, "%s", strerror(ngx_errno));

        } else if (n > 0) {
            rc = ngx_llmops_dataset_feed(set, buf, n, err);
        }

    } while (n > 0 && rc == NGX_OK);

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_ALERT, log, ngx_errno,
                      ngx_close_file_n " \"%V\" failed", path);
    }

    return rc == NGX_OK ? ngx_llmops_dataset_end(set, err) : rc;
}
