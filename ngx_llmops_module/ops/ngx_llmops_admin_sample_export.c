
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_admin_samples.h"


/*
 * GET samples/export: lines of a data set.  How far it has come is in a header,
 * since the lines belong to others' formats: Link, rel="next".
 *
 * Documents are parsed, a few in each turn of the event loop.
 */


#define NGX_LLMOPS_EXPORT_BYTES    (16 * 1024 * 1024)
#define NGX_LLMOPS_EXPORT_TURN     (256 * 1024)    /* bytes of a turn */


typedef struct {
    ngx_llmops_samples_read_t *rd;
    ngx_llmops_export_e        format;
    double                     min_score;  /* below 0: any */
    ngx_uint_t                 i;
    ngx_uint_t                 lines;
    ngx_event_t                event;
    ngx_llmops_admin_t        *a;
} ngx_llmops_admin_export_t;


static ngx_int_t ngx_llmops_admin_export_format(ngx_llmops_admin_t *a,
    ngx_llmops_admin_export_t *ex);
static ngx_int_t ngx_llmops_admin_export_read(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_export_go(ngx_llmops_admin_t *a);
static void ngx_llmops_admin_export_event(ngx_event_t *ev);
static void ngx_llmops_admin_export_cleanup(void *data);
static ngx_int_t ngx_llmops_admin_export_line(ngx_llmops_admin_export_t *ex,
    ngx_str_t *text);
static ngx_int_t ngx_llmops_admin_export_end(ngx_llmops_admin_t *a,
    ngx_llmops_admin_export_t *ex);
static ngx_int_t ngx_llmops_admin_export_link(ngx_llmops_admin_t *a,
    ngx_str_t *cursor);


ngx_int_t
ngx_llmops_admin_samples_export(ngx_llmops_admin_t *a)
{
    ngx_int_t                   rc;
    ngx_http_cleanup_t         *cln;
    ngx_llmops_admin_export_t  *ex;
    ngx_llmops_samples_read_t  *rd;

    rd = ngx_llmops_admin_samples_question(a, NGX_LLMOPS_SAMPLE_READ, 1000,
                                           &rc);
    if (rd == NULL) {
        return rc;
    }

    ex = ngx_pcalloc(a->request->pool, sizeof(ngx_llmops_admin_export_t));
    cln = ngx_http_cleanup_add(a->request, 0);

    if (ex == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_llmops_admin_export_cleanup;
    cln->data = ex;

    ex->a = a;
    ex->rd = rd;
    ex->event.handler = ngx_llmops_admin_export_event;
    ex->event.data = ex;
    ex->event.log = a->request->connection->log;
    a->data = ex;

    rc = ngx_llmops_admin_export_format(a, ex);

    if (rc != NGX_OK) {
        return rc;
    }

    rd->bytes = NGX_LLMOPS_EXPORT_BYTES;

    if (ex->format != NGX_LLMOPS_EXPORT_CHAT) {
        rd->pairs = 1;
        rd->judged = 1;
    }

    return ngx_llmops_admin_samples_ask(a, rd, ngx_llmops_admin_export_read);
}


static ngx_int_t
ngx_llmops_admin_export_format(ngx_llmops_admin_t *a,
    ngx_llmops_admin_export_t *ex)
{
    ngx_int_t    n;
    ngx_str_t   *arg;
    ngx_uint_t   i;

    static const char  *names[] = { "chat", "dpo", "openai_dpo" };

    arg = ngx_llmops_admin_arg(a, "format");

    for (i = 0; arg && i < 3; i++) {
        if (arg->len == ngx_strlen(names[i])
            && ngx_memcmp(arg->data, names[i], arg->len) == 0)
        {
            ex->format = i;
            break;
        }
    }

    if (i == 3) {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "\"format\" must be chat, dpo or "
                                      "openai_dpo");
    }

    ex->min_score = -1;
    arg = ngx_llmops_admin_arg(a, "min_score");

    if (arg) {
        n = ngx_atofp(arg->data, arg->len, 3);

        if (n == NGX_ERROR || n > 1000) {
            return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                          "\"min_score\" must be a number "
                                          "from 0 to 1");
        }

        ex->min_score = (double) n / 1000;
    }

    return NGX_OK;
}


static void
ngx_llmops_admin_export_cleanup(void *data)
{
    ngx_llmops_admin_export_t *ex = data;

    if (ex->event.posted) {
        ngx_delete_posted_event(&ex->event);
    }
}


static ngx_int_t
ngx_llmops_admin_export_read(ngx_llmops_admin_t *a)
{
    ngx_llmops_admin_export_t *ex = a->data;

    if (ex->rd->rc == NGX_ERROR) {
        return ngx_llmops_admin_samples_error(a);
    }

    /* a data set that lacks what could not be read would look complete */

    if (ex->rd->rc == NGX_DECLINED) {
        return ngx_llmops_admin_error(a, NGX_HTTP_CONFLICT, "unreadable",
                                      "%s", ex->rd->error);
    }

    return ngx_llmops_admin_export_go(a);
}


static ngx_int_t
ngx_llmops_admin_export_go(ngx_llmops_admin_t *a)
{
    size_t                      done;
    ngx_llmops_sample_t        *sample;
    ngx_llmops_admin_export_t  *ex = a->data;

    sample = ex->rd->samples.elts;

    for (done = 0; ex->i < ex->rd->samples.nelts; ex->i++) {

        if (done > NGX_LLMOPS_EXPORT_TURN) {
            ngx_post_event(&ex->event, &ngx_posted_next_events);
            return NGX_AGAIN;
        }

        if (ngx_llmops_admin_export_line(ex, &sample[ex->i].text) != NGX_OK) {
            return NGX_ERROR;
        }

        done += sample[ex->i].text.len + 1024;
    }

    return ngx_llmops_admin_export_end(a, ex);
}


static void
ngx_llmops_admin_export_event(ngx_event_t *ev)
{
    ngx_llmops_admin_export_t *ex = ev->data;

    ngx_llmops_admin_resume(ex->a, ngx_llmops_admin_export_go);
}


/* of what people think, the last word is the verdict's */

static ngx_int_t
ngx_llmops_admin_export_line(ngx_llmops_admin_export_t *ex, ngx_str_t *text)
{
    double             score;
    json_t            *doc, *v;
    ngx_int_t          rc;
    ngx_llmops_out_t   out;

    doc = ngx_llmops_tree_parse(text->data, text->len);
    if (doc == NULL) {
        return NGX_OK;
    }

    if (ex->min_score >= 0) {
        v = json_object_get(json_object_get(doc, "verdict"), "score");

        if (v == NULL || json_is_null(v)) {
            v = json_object_get(json_object_get(doc, "feedback"), "score");
        }

        if (v == NULL || ngx_llmops_tree_number(v, &score) != NGX_OK
            || score < ex->min_score)
        {
            json_decref(doc);
            return NGX_OK;
        }
    }

    ngx_llmops_out_init(&out, 2 * NGX_LLMOPS_RECORD_MAX);

    rc = ngx_llmops_sample_export(ex->format, doc, &out);

    if (rc == NGX_OK) {
        ngx_llmops_page_write(&ex->a->page, out.data, out.len);
        ex->lines++;
    }

    ngx_llmops_out_free(&out);
    json_decref(doc);

    return rc == NGX_ERROR ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
ngx_llmops_admin_export_end(ngx_llmops_admin_t *a,
    ngx_llmops_admin_export_t *ex)
{
    ngx_str_set(&a->type, "application/x-ndjson");
    ngx_str_set(&a->disposition, "attachment; filename=\"samples.jsonl\"");
    a->status = NGX_HTTP_OK;

    if (ex->rd->more && ex->rd->last.len
        && ngx_llmops_admin_export_link(a, &ex->rd->last) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return a->page.failed ? NGX_ERROR : NGX_OK;
}


/* the address of what follows has all that this one had: without "tenant" it
   would lead on to samples of everybody */

static ngx_int_t
ngx_llmops_admin_export_link(ngx_llmops_admin_t *a, ngx_str_t *cursor)
{
    u_char      *p;
    size_t       len;
    ngx_uint_t   i;
    ngx_str_t   *name, *value;

    len = sizeof("<export?cursor=>; rel=\"next\"") + cursor->len;

    for (i = 0; i < a->nquery; i++) {
        len += 2 + a->query[i].name.len + 3 * a->query[i].value.len;
    }

    p = ngx_pnalloc(a->request->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    a->link.data = p;

    p = ngx_sprintf(p, "<export?cursor=%V", cursor);

    for (i = 0; i < a->nquery; i++) {
        name = &a->query[i].name;
        value = &a->query[i].value;

        if (name->len == 6 && ngx_memcmp(name->data, "cursor", 6) == 0) {
            continue;
        }

        p = ngx_sprintf(p, "&%V=", name);
        p = (u_char *) ngx_escape_uri(p, value->data, value->len,
                                      NGX_ESCAPE_URI_COMPONENT);
    }

    p = ngx_sprintf(p, ">; rel=\"next\"");

    a->link.len = p - a->link.data;

    return NGX_OK;
}
