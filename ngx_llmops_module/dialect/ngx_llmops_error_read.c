
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_cursor.h"
#include "ngx_llmops_error_read.h"


/*
 * Bodies of errors come as the OpenAI family's object, Anthropic's, a string
 * in its place, a message or detail alone, a list, a page or plain text.  The
 * texts are decoded into the caller's memory.
 */


#define NGX_LLMOPS_MESSAGE_MAX  2048
#define NGX_LLMOPS_WORD_MAX     96         /* of a code, type or param */


u_char *
ngx_llmops_error_find(ngx_str_t *s, const ngx_str_t *what)
{
    size_t  i, j;

    for (i = 0; i + what->len <= s->len; i++) {

        for (j = 0; j < what->len; j++) {
            if (ngx_tolower(s->data[i + j]) != what->data[j]) {
                break;
            }
        }

        if (j == what->len) {
            return s->data + i + j;
        }
    }

    return NULL;
}


/* bytes up to max that do not cut a character of UTF-8 */

static size_t
ngx_llmops_error_cut(u_char *p, size_t len, size_t max)
{
    if (len <= max) {
        return len;
    }

    for (len = max; len && (p[len] & 0xc0) == 0x80; len--) { /* void */ }

    return len;
}


/* p with the length of its raw text cut to max, not inside of an escape */

static size_t
ngx_llmops_error_cut_raw(u_char *p, size_t len, size_t max)
{
    size_t  i, n;

    if (len <= max) {
        return len;
    }

    for (i = 0; /* void */ ; i += n) {
        n = (p[i] != '\\') ? 1 : (p[i + 1] == 'u') ? 6 : 2;

        if (i + n > max) {
            return ngx_llmops_error_cut(p, len, i);
        }
    }
}


static void
ngx_llmops_error_copy(ngx_llmops_error_reader_t *r, u_char *p, size_t len,
    size_t max, ngx_str_t *dst)
{
    max = ngx_min(max, (size_t) (r->last - r->pos));

    dst->len = ngx_llmops_error_cut(p, len, max);
    dst->data = r->pos;

    ngx_memcpy(r->pos, p, dst->len);
    r->pos += dst->len;
}


/* decodes a raw string value into the scratch; a number is taken as it is */

static void
ngx_llmops_error_text(ngx_llmops_error_reader_t *r, ngx_str_t *value,
    size_t max, ngx_str_t *dst)
{
    u_char     buf[NGX_LLMOPS_MESSAGE_MAX + 2];
    u_char     decoded[NGX_LLMOPS_MESSAGE_MAX];
    ngx_str_t  raw, out;

    switch (ngx_llmops_json_type(value)) {

    case NGX_LLMOPS_JSON_NUMBER:
        ngx_llmops_error_copy(r, value->data, value->len, max, dst);
        return;

    case NGX_LLMOPS_JSON_STRING:
        break;

    default:
        return;
    }

    if (value->len < 2) {
        return;
    }

    raw.len = ngx_llmops_error_cut_raw(value->data + 1, value->len - 2,
                                       ngx_min(max, NGX_LLMOPS_MESSAGE_MAX));
    raw.data = buf;

    buf[0] = '"';
    ngx_memcpy(buf + 1, value->data + 1, raw.len);
    buf[raw.len + 1] = '"';
    raw.len += 2;

    if (ngx_llmops_json_string(&raw, decoded, sizeof(decoded), &out)
        == NGX_OK)
    {
        ngx_llmops_error_copy(r, out.data, out.len, max, dst);
    }
}


static void
ngx_llmops_error_number(ngx_llmops_error_reader_t *r, ngx_str_t *value)
{
    int64_t  n;

    if (ngx_llmops_json_count(value, &n) == NGX_OK && n >= 400 && n < 600) {
        r->number = n;
    }
}


/* the first of a list of objects: FastAPI's detail, Gemini's errors */

static ngx_int_t
ngx_llmops_error_first(ngx_str_t *value)
{
    ngx_str_t               first;
    ngx_llmops_json_iter_t  it;

    if (ngx_llmops_json_array(&it, value) != NGX_OK
        || ngx_llmops_json_next(&it, NULL, &first) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    *value = first;

    return NGX_OK;
}


/* texts that may be a string, or an object or array around one */

static void
ngx_llmops_error_message(ngx_llmops_error_reader_t *r, ngx_str_t *value,
    ngx_llmops_error_t *err)
{
    ngx_str_t  v;

    if (err->message.len) {
        return;
    }

    v = *value;

    if (ngx_llmops_json_type(&v) == NGX_LLMOPS_JSON_ARRAY
        && ngx_llmops_error_first(&v) != NGX_OK)
    {
        return;
    }

    if (ngx_llmops_json_type(&v) == NGX_LLMOPS_JSON_OBJECT
        && ngx_llmops_json_get(&v, "message", value) != NGX_OK
        && ngx_llmops_json_get(&v, "msg", value) != NGX_OK
        && ngx_llmops_json_get(&v, "detail", value) != NGX_OK)
    {
        return;
    }

    if (ngx_llmops_json_type(&v) == NGX_LLMOPS_JSON_OBJECT) {
        v = *value;
    }

    ngx_llmops_error_text(r, &v, NGX_LLMOPS_MESSAGE_MAX, &err->message);
}


/* a member that an error object has, or an answer that is one itself */

static void
ngx_llmops_error_member(ngx_llmops_error_reader_t *r, ngx_str_t *key,
    ngx_str_t *value, ngx_llmops_error_t *err)
{
    if (ngx_llmops_is(key, "message") || ngx_llmops_is(key, "Message")
        || ngx_llmops_is(key, "detail"))
    {
        ngx_llmops_error_message(r, value, err);

    } else if (ngx_llmops_is(key, "type") || ngx_llmops_is(key, "error_type"))
    {
        ngx_llmops_error_text(r, value, NGX_LLMOPS_WORD_MAX, &err->type);

    } else if (ngx_llmops_is(key, "code")) {
        ngx_llmops_error_text(r, value, NGX_LLMOPS_WORD_MAX, &err->code);
        ngx_llmops_error_number(r, value);

    } else if (ngx_llmops_is(key, "statusCode")
               || ngx_llmops_is(key, "status"))
    {
        ngx_llmops_error_number(r, value);

    } else if (ngx_llmops_is(key, "param")) {
        ngx_llmops_error_text(r, value, NGX_LLMOPS_WORD_MAX, &err->param);

    } else if (ngx_llmops_is(key, "details")
               && ngx_llmops_json_get(value, "error_code", value) == NGX_OK)
    {
        ngx_llmops_error_text(r, value, NGX_LLMOPS_WORD_MAX, &r->details);
    }
}


static void
ngx_llmops_error_object(ngx_llmops_error_reader_t *r, ngx_str_t *object,
    ngx_llmops_error_t *err)
{
    ngx_str_t               key, value;
    ngx_llmops_json_iter_t  it;

    if (ngx_llmops_json_object(&it, object) != NGX_OK) {
        return;
    }

    while (ngx_llmops_json_next(&it, &key, &value) == NGX_OK) {
        ngx_llmops_error_member(r, &key, &value, err);
    }
}


/* the error member, or, without it, the object itself */

static void
ngx_llmops_error_json(ngx_llmops_error_reader_t *r, ngx_str_t *object,
    ngx_llmops_error_t *err)
{
    ngx_str_t  error, type;

    if (ngx_llmops_json_get(object, "error", &error) == NGX_OK) {

        if (ngx_llmops_json_type(&error) == NGX_LLMOPS_JSON_OBJECT) {
            ngx_llmops_error_object(r, &error, err);

        } else if (ngx_llmops_json_type(&error) == NGX_LLMOPS_JSON_STRING) {
            ngx_llmops_error_text(r, &error, NGX_LLMOPS_MESSAGE_MAX,
                                  &err->message);
        }

        if (ngx_llmops_json_get(object, "error_type", &type) == NGX_OK) {
            ngx_llmops_error_text(r, &type, NGX_LLMOPS_WORD_MAX, &err->type);
        }
    }

    if (err->message.len == 0) {
        ngx_llmops_error_object(r, object, err);
    }
}


/* the title of a page, which is all there is to read in one */

static void
ngx_llmops_error_html(ngx_llmops_error_reader_t *r, ngx_str_t *body,
    ngx_llmops_error_t *err)
{
    u_char                  *p, *end;
    static const ngx_str_t   title = ngx_string("<title>");

    p = ngx_llmops_error_find(body, &title);

    if (p == NULL) {
        return;
    }

    end = memchr(p, '<', body->data + body->len - p);

    if (end) {
        ngx_llmops_error_copy(r, p, end - p, 256, &err->message);
    }
}


static void
ngx_llmops_error_trim(ngx_str_t *s)
{
    while (s->len && s->data[0] <= ' ') {
        s->data++;
        s->len--;
    }

    while (s->len && s->data[s->len - 1] <= ' ') {
        s->len--;
    }
}


void
ngx_llmops_error_body_read(ngx_llmops_error_reader_t *r, ngx_str_t *body,
    ngx_llmops_error_t *err)
{
    ngx_str_t  s;

    s = *body;
    ngx_llmops_error_trim(&s);

    if (s.len && s.data[0] == '[') {
        (void) ngx_llmops_error_first(&s);
    }

    if (s.len == 0) {
        return;
    }

    switch (s.data[0]) {

    case '{':
        ngx_llmops_error_json(r, &s, err);
        break;

    case '"':
        ngx_llmops_error_text(r, &s, NGX_LLMOPS_MESSAGE_MAX, &err->message);
        break;

    case '<':
        ngx_llmops_error_html(r, &s, err);
        break;

    default:
        ngx_llmops_error_copy(r, s.data, s.len, NGX_LLMOPS_MESSAGE_MAX,
                              &err->message);
    }
}
