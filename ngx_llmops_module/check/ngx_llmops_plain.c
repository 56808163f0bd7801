
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <strings.h>
#include "ngx_llmops_json.h"
#include "ngx_llmops_json_text.h"
#include "ngx_llmops_sse.h"
#include "ngx_llmops_texts.h"
#include "ngx_llmops_plain.h"


#define NGX_LLMOPS_PLAIN_CHOICES  16
#define NGX_LLMOPS_PLAIN_EVENT    (1024 * 1024)
#define NGX_LLMOPS_PLAIN_WORDS    65536


typedef struct {
    ngx_llmops_op_e            op;
    ngx_llmops_out_t          *out;
    ngx_uint_t                 choice;     /* that is being gathered */
    ngx_uint_t                 last;       /* the highest that was seen */
    ngx_uint_t                 read;       /* documents that have texts */
    size_t                     start;      /* of the text, in out */
    ngx_llmops_texts_t         texts;
} ngx_llmops_plain_t;


static ngx_int_t ngx_llmops_plain_events(ngx_llmops_plain_t *pl,
    ngx_str_t *answer);
static ngx_int_t ngx_llmops_plain_document(ngx_llmops_plain_t *pl,
    ngx_str_t *json);
static ngx_int_t ngx_llmops_plain_string(ngx_llmops_out_t *out,
    ngx_str_t *raw);
static ngx_int_t ngx_llmops_plain_walk(ngx_llmops_out_t *out, ngx_str_t *value,
    ngx_uint_t text, ngx_uint_t depth);
static ngx_int_t ngx_llmops_plain_object(ngx_llmops_out_t *out,
    ngx_str_t *value, ngx_uint_t depth);
static ngx_int_t ngx_llmops_plain_role(ngx_llmops_out_t *out,
    ngx_str_t *value);
static ngx_uint_t ngx_llmops_plain_words(ngx_str_t *text, uint32_t *words);
static int ngx_libc_cdecl ngx_llmops_plain_cmp(const void *one,
    const void *two);


/* members whose strings a model is shown as text */

static const char  *ngx_llmops_plain_members[] = {
    "content", "text", "input", "prompt", "system", "instructions",
    "arguments", "output", "documents", "query", NULL
};


ngx_int_t
ngx_llmops_plain_answer(ngx_llmops_op_e op, ngx_str_t *answer,
    ngx_uint_t stream, ngx_llmops_out_t *out)
{
    size_t               i;
    ngx_int_t            rc;
    ngx_llmops_plain_t  *pl;

    /*
     * Who asks for a stream may get a document, and the other way round (an
     * answer that is replayed): a stream never begins with a brace.
     */

    for (i = 0; i < answer->len; i++) {
        if (answer->data[i] > ' ') {
            stream = (answer->data[i] != '{');
            break;
        }
    }

    pl = malloc(sizeof(ngx_llmops_plain_t));
    if (pl == NULL) {
        return NGX_ERROR;
    }

    pl->op = op;
    pl->out = out;
    pl->last = 0;
    pl->read = 0;
    pl->start = out->len;

    rc = NGX_OK;

    for (pl->choice = 0; rc == NGX_OK && pl->choice <= pl->last; pl->choice++)
    {
        if (pl->choice) {
            (void) ngx_llmops_out_lit(out, "\n\n");
        }

        rc = stream ? ngx_llmops_plain_events(pl, answer)
                    : ngx_llmops_plain_document(pl, answer);
    }

    if (rc == NGX_OK && pl->read == 0) {
        rc = NGX_DECLINED;
    }

    free(pl);

    return rc == NGX_OK && out->failed ? NGX_ERROR : rc;
}


static ngx_int_t
ngx_llmops_plain_events(ngx_llmops_plain_t *pl, ngx_str_t *answer)
{
    u_char                  *p;
    ngx_int_t                rc;
    ngx_llmops_sse_t         sse;
    ngx_llmops_sse_event_t   ev;

    ngx_llmops_sse_init(&sse, pl->op == NGX_LLMOPS_OP_RESPONSES
                              ? NGX_LLMOPS_RESPONSES_MAX
                              : NGX_LLMOPS_PLAIN_EVENT);

    p = answer->data;

    while ((rc = ngx_llmops_sse_next(&sse, &p, answer->data + answer->len,
                                     &ev)) == NGX_OK)
    {
        if (ev.partial) {
            rc = NGX_DECLINED;
            break;
        }

        if (!ev.has_data || ev.data.len == 0 || ev.data.data[0] != '{') {
            continue;
        }

        rc = ngx_llmops_plain_document(pl, &ev.data);

        if (rc != NGX_OK) {
            break;
        }
    }

    ngx_llmops_sse_free(&sse);

    return rc == NGX_AGAIN ? NGX_OK : rc;
}


static ngx_int_t
ngx_llmops_plain_document(ngx_llmops_plain_t *pl, ngx_str_t *json)
{
    ngx_uint_t          i;
    ngx_llmops_text_t  *text;

    if (ngx_llmops_texts_read(&pl->texts, pl->op, json) != NGX_OK) {
        return NGX_DECLINED;
    }

    pl->read++;

    if (pl->texts.again && (pl->out->len != pl->start
                            || pl->texts.nfinished == 0))
    {
        return NGX_OK;                  /* the pieces have told it */
    }

    for (i = 0; i < pl->texts.ntexts; i++) {
        text = &pl->texts.texts[i];

        pl->last = ngx_max(pl->last, text->choice);

        if (text->kind == NGX_LLMOPS_TEXT_REASONING
            || (text->aside && text->key != NGX_LLMOPS_TEXT_KEY_TRANSCRIPT)
            || text->choice != pl->choice)
        {
            continue;
        }

        if (text->object) {
            (void) ngx_llmops_out_str(pl->out, &text->raw);

        } else if (ngx_llmops_plain_string(pl->out, &text->raw) != NGX_OK) {
            return pl->out->failed ? NGX_ERROR : NGX_DECLINED;
        }
    }

    return pl->last < NGX_LLMOPS_PLAIN_CHOICES ? NGX_OK : NGX_DECLINED;
}


/* decoded it is no longer than it was */

static ngx_int_t
ngx_llmops_plain_string(ngx_llmops_out_t *out, ngx_str_t *raw)
{
    size_t  at, n;

    at = out->len;

    if (raw->len < 2
        || ngx_llmops_out_write(out, raw->data, raw->len) != NGX_OK
        || ngx_llmops_json_decode(raw->data + 1, raw->len - 2,
                                  out->data + at, raw->len, &n)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    out->len = at + n;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_plain_request(ngx_str_t *body, ngx_llmops_out_t *out)
{
    ngx_str_t  value;

    value = *body;

    while (value.len && (value.data[0] == ' ' || value.data[0] == '\n'
                         || value.data[0] == '\r' || value.data[0] == '\t'))
    {
        value.data++;
        value.len--;
    }

    if (value.len == 0 || value.data[0] != '{') {
        return NGX_ERROR;
    }

    return ngx_llmops_plain_walk(out, &value, 0, 0) == NGX_OK && !out->failed
           ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_llmops_plain_walk(ngx_llmops_out_t *out, ngx_str_t *value, ngx_uint_t text,
    ngx_uint_t depth)
{
    ngx_int_t               rc;
    ngx_str_t               v;
    ngx_llmops_json_iter_t  it;

    if (depth > NGX_LLMOPS_JSON_MAX_DEPTH) {
        return NGX_ERROR;
    }

    if (value->data[0] == '"') {

        if (!text) {
            return NGX_OK;
        }

        return ngx_llmops_plain_string(out, value) == NGX_OK
               ? ngx_llmops_out_lit(out, "\n") : NGX_ERROR;
    }

    if (value->data[0] == '{') {
        return ngx_llmops_plain_object(out, value, depth);
    }

    if (value->data[0] != '[') {
        return NGX_OK;
    }

    rc = ngx_llmops_json_array(&it, value);

    while (rc == NGX_OK) {
        rc = ngx_llmops_json_next(&it, NULL, &v);

        if (rc == NGX_OK
            && ngx_llmops_plain_walk(out, &v, text, depth + 1) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return rc == NGX_DONE ? NGX_OK : NGX_ERROR;
}


ngx_uint_t
ngx_llmops_plain_data(ngx_str_t *object)
{
    size_t                  n;
    u_char                  buf[64];
    ngx_str_t               key, value;
    ngx_llmops_json_iter_t  it;

    if (ngx_llmops_json_object(&it, object) != NGX_OK) {
        return 0;
    }

    while (ngx_llmops_json_next(&it, &key, &value) == NGX_OK) {

        if (value.data[0] == '"'
            && ngx_llmops_json_decode(key.data, key.len, buf, sizeof(buf), &n)
               == NGX_OK
            && n == 4 && strncasecmp((char *) buf, "type", 4) == 0
            && ngx_llmops_json_decode(value.data + 1, value.len - 2, buf,
                                      sizeof(buf), &n) == NGX_OK
            && n == 4 && ngx_memcmp(buf, "text", 4) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/* whether a member's strings are text; those in capitals are the same to
   servers written in Go */

static ngx_uint_t
ngx_llmops_plain_member(ngx_str_t *object, ngx_str_t *key)
{
    size_t        n;
    u_char        buf[64];
    const char  **name;

    if (ngx_llmops_json_decode(key->data, key->len, buf, sizeof(buf), &n)
        != NGX_OK)
    {
        return 0;
    }

    for (name = ngx_llmops_plain_members; *name; name++) {
        if (ngx_strlen(*name) == n
            && strncasecmp(*name, (char *) buf, n) == 0)
        {
            return 1;
        }
    }

    return n == 4 && strncasecmp((char *) buf, "data", 4) == 0
           && ngx_llmops_plain_data(object);
}


/* "data" of pictures and files stands in objects of its own */

static ngx_int_t
ngx_llmops_plain_object(ngx_llmops_out_t *out, ngx_str_t *value,
    ngx_uint_t depth)
{
    ngx_int_t               rc;
    ngx_str_t               key, v;
    ngx_uint_t              text;
    ngx_llmops_json_iter_t  it;

    if (ngx_llmops_plain_role(out, value) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_llmops_json_object(&it, value);

    while (rc == NGX_OK) {
        rc = ngx_llmops_json_next(&it, &key, &v);

        if (rc != NGX_OK) {
            break;
        }

        text = ngx_llmops_plain_member(value, &key);

        if (ngx_llmops_plain_walk(out, &v, text, depth + 1) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return rc == NGX_DONE ? NGX_OK : NGX_ERROR;
}


/* it may stand behind the content */

static ngx_int_t
ngx_llmops_plain_role(ngx_llmops_out_t *out, ngx_str_t *value)
{
    ngx_int_t               rc;
    ngx_str_t               key, v;
    ngx_llmops_json_iter_t  it;

    rc = ngx_llmops_json_object(&it, value);

    while (rc == NGX_OK) {
        rc = ngx_llmops_json_next(&it, &key, &v);

        if (rc == NGX_OK && key.len == 4
            && ngx_memcmp(key.data, "role", 4) == 0 && v.data[0] == '"')
        {
            (void) ngx_llmops_out_lit(out, "[");

            if (ngx_llmops_plain_string(out, &v) != NGX_OK) {
                return NGX_ERROR;
            }

            return ngx_llmops_out_lit(out, "]\n");
        }
    }

    return rc == NGX_DONE ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_llmops_plain_similar(ngx_str_t *a, ngx_str_t *b)
{
    uint32_t    *words, *wa, *wb;
    ngx_uint_t   i, k, na, nb, common;

    words = malloc(2 * NGX_LLMOPS_PLAIN_WORDS * sizeof(uint32_t));
    if (words == NULL) {
        return NGX_ERROR;
    }

    wa = words;
    wb = words + NGX_LLMOPS_PLAIN_WORDS;

    na = ngx_llmops_plain_words(a, wa);
    nb = ngx_llmops_plain_words(b, wb);

    for (common = 0, i = 0, k = 0; i < na && k < nb; /* void */ ) {

        if (wa[i] == wb[k]) {
            common++;
            i++;
            k++;

        } else if (wa[i] < wb[k]) {
            i++;

        } else {
            k++;
        }
    }

    free(words);

    return na + nb ? (ngx_int_t) (2000 * common / (na + nb)) : 1000;
}


/* hashes of the words, sorted (FNV-1a: two that collide count as one word) */

static ngx_uint_t
ngx_llmops_plain_words(ngx_str_t *text, uint32_t *words)
{
    u_char      *p, *last, c;
    uint32_t     hash;
    ngx_uint_t   n, in;

    n = 0;
    in = 0;
    hash = 2166136261u;

    last = text->data + text->len;

    for (p = text->data; p <= last && n < NGX_LLMOPS_PLAIN_WORDS; p++) {

        c = (p < last) ? ngx_tolower(*p) : ' ';

        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80) {
            hash = (hash ^ c) * 16777619u;
            in = 1;

        } else if (in) {
            words[n++] = hash;
            hash = 2166136261u;
            in = 0;
        }
    }

    qsort(words, n, sizeof(uint32_t), ngx_llmops_plain_cmp);

    return n;
}


static int ngx_libc_cdecl
ngx_llmops_plain_cmp(const void *one, const void *two)
{
    uint32_t  a, b;

    a = *(const uint32_t *) one;
    b = *(const uint32_t *) two;

    return (a > b) - (a < b);
}
