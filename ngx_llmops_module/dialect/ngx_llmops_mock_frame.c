
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_mock_job.h"


/* The built-in provider: answers as HTTP/1.1, whole or chunk by chunk. */


static const char *
ngx_llmops_mock_reason(ngx_uint_t status)
{
    switch (status) {

    case 200:
        return "OK";

    case 404:
        return "Not Found";

    case 405:
        return "Method Not Allowed";

    case 429:
        return "Too Many Requests";

    default:
        return status < 500 ? "Bad Request" : "Internal Server Error";
    }
}


static void
ngx_llmops_mock_puts(ngx_llmops_out_t *out, const char *s)
{
    (void) ngx_llmops_out_write(out, s, ngx_strlen(s));
}


/* a part ends here; the last one takes what has no place */

static void
ngx_llmops_mock_part(ngx_llmops_mock_job_t *j)
{
    ngx_llmops_mock_answer_t  *a;

    a = j->a;

    if (a->nchunks < sizeof(a->chunk) / sizeof(a->chunk[0])) {
        a->nchunks++;
    }

    a->chunk[a->nchunks - 1] = a->out.len;
}


static void
ngx_llmops_mock_header(ngx_llmops_mock_job_t *j, ngx_uint_t status,
    const char *type)
{
    ngx_llmops_out_t  *out;

    out = &j->a->out;

    ngx_llmops_mock_puts(out, "HTTP/1.1 ");
    (void) ngx_llmops_out_int(out, status);
    ngx_llmops_mock_puts(out, " ");
    ngx_llmops_mock_puts(out, ngx_llmops_mock_reason(status));
    ngx_llmops_mock_puts(out, "\r\ncontent-type: ");
    ngx_llmops_mock_puts(out, type);
    ngx_llmops_mock_puts(out, "\r\nconnection: keep-alive\r\n");
    ngx_llmops_mock_puts(out, j->env.dialect == &ngx_llmops_anthropic
                              ? "request-id: req_" : "x-request-id: req_");
    ngx_llmops_mock_puts(out, j->id);

    if (status == 429 || status == 503) {
        ngx_llmops_mock_puts(out, "\r\nretry-after: 1");
    }

    ngx_llmops_mock_puts(out, "\r\n");
}


void
ngx_llmops_mock_whole(ngx_llmops_mock_job_t *j, ngx_uint_t status,
    const char *type, const void *body, size_t len)
{
    ngx_llmops_mock_header(j, status, type);
    ngx_llmops_mock_puts(&j->a->out, "content-length: ");
    (void) ngx_llmops_out_int(&j->a->out, len);
    ngx_llmops_mock_puts(&j->a->out, "\r\n\r\n");

    if (j->script.cut && status == 200) {
        len /= 2;
        j->a->reset = 1;
    }

    (void) ngx_llmops_out_write(&j->a->out, body, len);
    ngx_llmops_mock_part(j);
}


void
ngx_llmops_mock_json(ngx_llmops_mock_job_t *j, json_t *body)
{
    char  *s;

    s = body ? json_dumps(body, JSON_COMPACT) : NULL;

    if (s == NULL) {
        j->a->out.failed = 1;

    } else {
        ngx_llmops_mock_whole(j, 200, "application/json", s, ngx_strlen(s));
    }

    free(s);
    json_decref(body);
}


void
ngx_llmops_mock_error(ngx_llmops_mock_job_t *j, ngx_llmops_err_e kind,
    ngx_uint_t status, const char *param, const char *message)
{
    ngx_str_t           id;
    ngx_llmops_error_t  err;

    ngx_memzero(&err, sizeof(ngx_llmops_error_t));

    err.kind = kind;
    err.message.data = (u_char *) message;
    err.message.len = ngx_strlen(message);
    err.param.data = (u_char *) param;
    err.param.len = ngx_strlen(param);

    if (err.param.len) {
        ngx_str_set(&err.code, "missing_required_parameter");

    } else if (j->env.op == NGX_LLMOPS_OP_OTHER
               || j->env.op == NGX_LLMOPS_OP_NONE)
    {
        ngx_str_set(&err.code, "unknown_url");
    }

    id.data = (u_char *) j->id;
    id.len = ngx_strlen(j->id);

    ngx_llmops_out_reset(&j->event);
    j->env.dialect->write_error(&j->event, j->env.op, &err, &id, 0);

    ngx_llmops_mock_whole(j, status, "application/json", j->event.data,
                          j->event.len);
}


void
ngx_llmops_mock_begin(ngx_llmops_mock_job_t *j)
{
    ngx_llmops_mock_header(j, 200, "text/event-stream; charset=utf-8");
    ngx_llmops_mock_puts(&j->a->out, "cache-control: no-cache\r\n"
                                     "transfer-encoding: chunked\r\n\r\n");
}


/* an event is a chunk of the transfer encoding, and a part */

static void
ngx_llmops_mock_frame(ngx_llmops_mock_job_t *j)
{
    size_t             n;
    u_char            *p, hex[16];
    ngx_llmops_out_t  *out;

    out = &j->a->out;
    p = hex + sizeof(hex);

    for (n = j->event.len; n; n >>= 4) {
        *--p = "0123456789abcdef"[n & 0xf];
    }

    (void) ngx_llmops_out_write(out, p, hex + sizeof(hex) - p);
    ngx_llmops_mock_puts(out, "\r\n");
    (void) ngx_llmops_out_write(out, j->event.data, j->event.len);
    ngx_llmops_mock_puts(out, "\r\n");

    out->failed |= j->event.failed;

    ngx_llmops_mock_part(j);
}


void
ngx_llmops_mock_event(ngx_llmops_mock_job_t *j, const char *name,
    json_t *data)
{
    char  *s;

    s = data ? json_dumps(data, JSON_COMPACT) : NULL;

    if (s == NULL) {
        j->a->out.failed = 1;
        json_decref(data);
        return;
    }

    ngx_llmops_out_reset(&j->event);

    if (name) {
        ngx_llmops_mock_puts(&j->event, "event: ");
        ngx_llmops_mock_puts(&j->event, name);
        ngx_llmops_mock_puts(&j->event, "\n");
    }

    ngx_llmops_mock_puts(&j->event, "data: ");
    ngx_llmops_mock_puts(&j->event, s);
    ngx_llmops_mock_puts(&j->event, "\n\n");

    ngx_llmops_mock_frame(j);

    free(s);
    json_decref(data);
}


/* a stream that shall break off loses the second half of its parts */

static void
ngx_llmops_mock_cut(ngx_llmops_mock_job_t *j)
{
    ngx_llmops_mock_answer_t  *a;

    a = j->a;

    if (!j->script.cut || a->nchunks < 2) {
        return;
    }

    a->nchunks /= 2;
    a->out.len = a->chunk[a->nchunks - 1];
    a->reset = 1;
}


void
ngx_llmops_mock_end(ngx_llmops_mock_job_t *j, const char *last)
{
    if (last) {
        ngx_llmops_out_reset(&j->event);
        ngx_llmops_mock_puts(&j->event, last);
        ngx_llmops_mock_frame(j);
    }

    ngx_llmops_mock_puts(&j->a->out, "0\r\n\r\n");
    j->a->chunk[j->a->nchunks - 1] = j->a->out.len;

    ngx_llmops_mock_cut(j);
}
