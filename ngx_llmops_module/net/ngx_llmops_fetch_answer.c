
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_fetch_answer.h"


/*
 * A small reader for answers that are read whole.  It is strict where two
 * readings are possible, since a key set is worth an attack: two lengths,
 * a length beside chunks, and encodings that nobody asked for are errors, and
 * an answer that was cut is never taken for a whole one.
 */


#define NGX_LLMOPS_FETCH_HEAD_MAX   16384
#define NGX_LLMOPS_FETCH_LINE_MAX   256
#define NGX_LLMOPS_FETCH_NO_LENGTH  ((uint64_t) -1)


static size_t ngx_llmops_fetch_head(ngx_llmops_fetch_answer_t *a,
    const u_char *p, size_t len);
static ngx_int_t ngx_llmops_fetch_head_read(ngx_llmops_fetch_answer_t *a);
static ngx_int_t ngx_llmops_fetch_status_line(ngx_llmops_fetch_answer_t *a,
    u_char *p, u_char *last);
static ngx_int_t ngx_llmops_fetch_header(ngx_llmops_fetch_answer_t *a,
    u_char *p, u_char *last, uint64_t *length, ngx_uint_t *chunked);
static ngx_uint_t ngx_llmops_fetch_name_is(ngx_str_t *name, const char *is);
static ngx_int_t ngx_llmops_fetch_number(u_char *p, u_char *last,
    ngx_uint_t base, uint64_t *n);
static size_t ngx_llmops_fetch_data(ngx_llmops_fetch_answer_t *a,
    const u_char *p, size_t len);
static size_t ngx_llmops_fetch_line(ngx_llmops_fetch_answer_t *a,
    const u_char *p, size_t len);
static void ngx_llmops_fetch_line_read(ngx_llmops_fetch_answer_t *a);
static ngx_int_t ngx_llmops_fetch_failed(ngx_llmops_fetch_answer_t *a,
    const char *error);


void
ngx_llmops_fetch_answer_init(ngx_llmops_fetch_answer_t *answer, size_t max)
{
    ngx_memzero(answer, sizeof(ngx_llmops_fetch_answer_t));

    ngx_llmops_out_init(&answer->line, NGX_LLMOPS_FETCH_HEAD_MAX);
    ngx_llmops_out_init(&answer->body, max);
}


void
ngx_llmops_fetch_answer_free(ngx_llmops_fetch_answer_t *answer)
{
    ngx_llmops_out_free(&answer->line);
    ngx_llmops_out_free(&answer->body);
}


ngx_int_t
ngx_llmops_fetch_answer_feed(ngx_llmops_fetch_answer_t *a, const u_char *p,
    size_t len)
{
    size_t  n;

    while (a->error == NULL && a->state != NGX_LLMOPS_FETCH_DONE && len) {

        switch (a->state) {

        case NGX_LLMOPS_FETCH_HEAD:
            n = ngx_llmops_fetch_head(a, p, len);
            break;

        case NGX_LLMOPS_FETCH_LENGTH:
        case NGX_LLMOPS_FETCH_CLOSE:
        case NGX_LLMOPS_FETCH_CHUNK:
            n = ngx_llmops_fetch_data(a, p, len);
            break;

        default:
            n = ngx_llmops_fetch_line(a, p, len);
        }

        p += n;
        len -= n;
    }

    if (a->error) {
        return NGX_ERROR;
    }

    return a->state == NGX_LLMOPS_FETCH_DONE ? NGX_OK : NGX_AGAIN;
}


ngx_int_t
ngx_llmops_fetch_answer_end(ngx_llmops_fetch_answer_t *a)
{
    if (a->error) {
        return NGX_ERROR;
    }

    if (a->state == NGX_LLMOPS_FETCH_CLOSE) {
        a->state = NGX_LLMOPS_FETCH_DONE;
    }

    if (a->state == NGX_LLMOPS_FETCH_DONE) {
        return NGX_OK;
    }

    return ngx_llmops_fetch_failed(a, "the answer was cut off");
}


/* -- head ------------------------------------------------------------------ */

/* takes bytes up to the empty line, and reads the head when it is there */

static size_t
ngx_llmops_fetch_head(ngx_llmops_fetch_answer_t *a, const u_char *p,
    size_t len)
{
    u_char  *head;
    size_t   n, have;

    have = a->line.len;

    if (ngx_llmops_out_write(&a->line, p,
                             ngx_min(len, NGX_LLMOPS_FETCH_HEAD_MAX - have))
        != NGX_OK)
    {
        (void) ngx_llmops_fetch_failed(a, "out of memory");
        return len;
    }

    head = a->line.data;

    for (n = ngx_max(have, 2); n < a->line.len; n++) {

        if (head[n] == LF
            && (head[n - 1] == LF
                || (head[n - 1] == CR && head[n - 2] == LF)))
        {
            a->line.len = n + 1;

            (void) ngx_llmops_fetch_head_read(a);

            return n + 1 - have;
        }
    }

    if (a->line.len == NGX_LLMOPS_FETCH_HEAD_MAX) {
        (void) ngx_llmops_fetch_failed(a, "the answer's header is too large");
    }

    return len;
}


static ngx_int_t
ngx_llmops_fetch_head_read(ngx_llmops_fetch_answer_t *a)
{
    u_char      *p, *lf, *end, *last;
    uint64_t     length;
    ngx_uint_t   chunked, first;

    p = a->line.data;
    last = p + a->line.len;

    chunked = 0;
    first = 1;
    length = NGX_LLMOPS_FETCH_NO_LENGTH;

    for ( /* void */ ; p < last; p = lf + 1) {

        lf = memchr(p, LF, last - p);
        end = (lf > p && lf[-1] == CR) ? lf - 1 : lf;

        if ((first ? ngx_llmops_fetch_status_line(a, p, end)
                   : ngx_llmops_fetch_header(a, p, end, &length, &chunked))
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        first = 0;
    }

    ngx_llmops_out_reset(&a->line);

    if (a->status < 200) {
        a->status = 0;                         /* another one follows */
        return NGX_OK;
    }

    if (chunked && length != NGX_LLMOPS_FETCH_NO_LENGTH) {
        return ngx_llmops_fetch_failed(a, "the answer has a length beside "
                                          "chunks");
    }

    if (a->status == 204 || a->status == 304 || length == 0) {
        a->state = NGX_LLMOPS_FETCH_DONE;

    } else if (chunked) {
        a->state = NGX_LLMOPS_FETCH_SIZE;

    } else if (length == NGX_LLMOPS_FETCH_NO_LENGTH) {
        a->state = NGX_LLMOPS_FETCH_CLOSE;

    } else {
        a->state = NGX_LLMOPS_FETCH_LENGTH;
        a->left = length;
    }

    return NGX_OK;
}


/* HTTP/1.1 200 OK */

static ngx_int_t
ngx_llmops_fetch_status_line(ngx_llmops_fetch_answer_t *a, u_char *p,
    u_char *last)
{
    uint64_t  status;

    if (last - p < 12 || ngx_memcmp(p, "HTTP/1.", 7) != 0 || p[8] != ' '
        || (last - p > 12 && p[12] != ' ')
        || ngx_llmops_fetch_number(p + 9, p + 12, 10, &status) != NGX_OK
        || status < 100)
    {
        return ngx_llmops_fetch_failed(a, "the answer is not HTTP");
    }

    a->status = (ngx_uint_t) status;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_fetch_header(ngx_llmops_fetch_answer_t *a, u_char *p, u_char *last,
    uint64_t *length, ngx_uint_t *chunked)
{
    u_char     *colon;
    uint64_t    n;
    ngx_str_t   name, value;

    if (p == last) {
        return NGX_OK;
    }

    colon = memchr(p, ':', last - p);
    if (colon == NULL) {
        return ngx_llmops_fetch_failed(a, "the answer's header is not valid");
    }

    name.data = p;
    name.len = colon - p;

    for (p = colon + 1; p < last && (*p == ' ' || *p == '\t'); p++) {
        /* void */
    }

    while (last > p && (last[-1] == ' ' || last[-1] == '\t')) {
        last--;
    }

    value.data = p;
    value.len = last - p;

    if (ngx_llmops_fetch_name_is(&name, "content-length")) {

        if (ngx_llmops_fetch_number(p, last, 10, &n) != NGX_OK
            || (*length != NGX_LLMOPS_FETCH_NO_LENGTH && *length != n))
        {
            return ngx_llmops_fetch_failed(a, "the answer's length is not "
                                              "valid");
        }

        *length = n;

    } else if (ngx_llmops_fetch_name_is(&name, "transfer-encoding")) {

        if (*chunked || !ngx_llmops_fetch_name_is(&value, "chunked")) {
            return ngx_llmops_fetch_failed(a, "the answer has an unknown "
                                              "transfer encoding");
        }

        *chunked = 1;

    } else if (ngx_llmops_fetch_name_is(&name, "content-encoding")
               && value.len
               && !ngx_llmops_fetch_name_is(&value, "identity"))
    {
        return ngx_llmops_fetch_failed(a, "the answer is compressed, which "
                                          "nobody asked for");
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_llmops_fetch_name_is(ngx_str_t *name, const char *is)
{
    return name->len == ngx_strlen(is)
           && strncasecmp((char *) name->data, is, name->len) == 0;
}


static ngx_int_t
ngx_llmops_fetch_number(u_char *p, u_char *last, ngx_uint_t base, uint64_t *n)
{
    u_char      ch;
    ngx_uint_t  digit;

    if (p == last) {
        return NGX_DECLINED;
    }

    for (*n = 0; p < last; p++) {
        ch = *p;

        if (ch >= '0' && ch <= '9') {
            digit = ch - '0';

        } else {
            ch |= 0x20;

            if (base == 10 || ch < 'a' || ch > 'f') {
                return NGX_DECLINED;
            }

            digit = ch - 'a' + 10;
        }

        if (*n > ((uint64_t) 1 << 48)) {
            return NGX_DECLINED;
        }

        *n = *n * base + digit;
    }

    return NGX_OK;
}


/* -- body ------------------------------------------------------------------ */

static size_t
ngx_llmops_fetch_data(ngx_llmops_fetch_answer_t *a, const u_char *p,
    size_t len)
{
    size_t  n;

    n = (a->state == NGX_LLMOPS_FETCH_CLOSE) ? len
                                             : (size_t) ngx_min(len, a->left);

    if (ngx_llmops_out_write(&a->body, p, n) != NGX_OK) {
        (void) ngx_llmops_fetch_failed(a, "the answer is too large");
        return len;
    }

    if (a->state == NGX_LLMOPS_FETCH_CLOSE) {
        return n;
    }

    a->left -= n;

    if (a->left == 0) {
        a->state = (a->state == NGX_LLMOPS_FETCH_CHUNK)
                   ? NGX_LLMOPS_FETCH_CHUNK_END : NGX_LLMOPS_FETCH_DONE;
    }

    return n;
}


static size_t
ngx_llmops_fetch_line(ngx_llmops_fetch_answer_t *a, const u_char *p,
    size_t len)
{
    size_t   n;
    u_char  *lf;

    lf = memchr(p, LF, len);
    n = lf ? (size_t) (lf + 1 - p) : len;

    if (a->line.len + n > NGX_LLMOPS_FETCH_LINE_MAX
        || ngx_llmops_out_write(&a->line, p, n) != NGX_OK)
    {
        (void) ngx_llmops_fetch_failed(a, "a line of the answer is too long");
        return len;
    }

    if (lf) {
        ngx_llmops_fetch_line_read(a);
        ngx_llmops_out_reset(&a->line);
    }

    return n;
}


static void
ngx_llmops_fetch_line_read(ngx_llmops_fetch_answer_t *a)
{
    u_char  *p, *end, *semicolon;

    p = a->line.data;
    end = p + a->line.len - 1;

    if (end > p && end[-1] == CR) {
        end--;
    }

    switch (a->state) {

    case NGX_LLMOPS_FETCH_SIZE:
        semicolon = memchr(p, ';', end - p);

        if (semicolon) {
            end = semicolon;
        }

        while (end > p && end[-1] == ' ') {
            end--;
        }

        if (ngx_llmops_fetch_number(p, end, 16, &a->left) != NGX_OK) {
            (void) ngx_llmops_fetch_failed(a, "a chunk's size is not valid");
            return;
        }

        a->state = a->left ? NGX_LLMOPS_FETCH_CHUNK
                           : NGX_LLMOPS_FETCH_TRAILER;
        break;

    case NGX_LLMOPS_FETCH_CHUNK_END:
        if (end != p) {
            (void) ngx_llmops_fetch_failed(a, "a chunk's end is not valid");
            return;
        }

        a->state = NGX_LLMOPS_FETCH_SIZE;
        break;

    default:                                   /* trailers */
        if (end == p) {
            a->state = NGX_LLMOPS_FETCH_DONE;
        }
    }
}


static ngx_int_t
ngx_llmops_fetch_failed(ngx_llmops_fetch_answer_t *a, const char *error)
{
    a->error = error;

    return NGX_ERROR;
}
