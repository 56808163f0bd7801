
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_samples_own.h"
#include "ngx_llmops_rules.h"


/*
 * What must not be kept is taken out of a document's strings, wherever they
 * are: in messages, in arguments of tools, in keys of objects.  A string that
 * is itself JSON, as arguments are, is taken apart first: in "\u0040" nobody
 * would find an address.
 *
 * Pictures, sounds and files have no text that could be looked at, and are
 * large: they are left out.
 */


#define NGX_LLMOPS_REDACT_DEPTH    64
#define NGX_LLMOPS_REDACT_NESTED   2       /* JSON in a string in JSON */
#define NGX_LLMOPS_REDACT_MEDIA    256     /* bytes from which on data is left
                                              out */
#define NGX_LLMOPS_REDACT_TEXT     (8 * 1024 * 1024)


typedef struct ngx_llmops_redact_s  ngx_llmops_redact_t;

/* A text: NGX_OK, with what takes its place in out. */
typedef ngx_int_t (*ngx_llmops_redact_pt)(ngx_llmops_redact_t *rd,
    const char *p, size_t len, ngx_llmops_out_t *out);

struct ngx_llmops_redact_s {
    ngx_llmops_redact_pt       text;
    void                      *data;       /* a set of patterns; or values */
    ngx_uint_t                 changed;    /* strings */
    unsigned                   media:1;    /* is left out */
};


static ngx_int_t ngx_llmops_redact_set(json_t *doc,
    ngx_llmops_patterns_t *set);
static ngx_int_t ngx_llmops_redact_walk(ngx_llmops_redact_t *rd, json_t *v,
    ngx_uint_t nested, ngx_uint_t depth);
static ngx_int_t ngx_llmops_redact_object(ngx_llmops_redact_t *rd, json_t *v,
    ngx_uint_t nested, ngx_uint_t depth);
static ngx_int_t ngx_llmops_redact_keys(ngx_llmops_redact_t *rd, json_t *v);
static ngx_int_t ngx_llmops_redact_value(ngx_llmops_redact_t *rd, json_t *v,
    ngx_uint_t nested, ngx_uint_t depth, json_t **with);
static json_t *ngx_llmops_redact_json(ngx_llmops_redact_t *rd, json_t *v,
    ngx_uint_t nested, ngx_int_t *rc);
static json_t *ngx_llmops_redact_media(const char *key, json_t *v);
static ngx_int_t ngx_llmops_redact_patterns(ngx_llmops_redact_t *rd,
    const char *p, size_t len, ngx_llmops_out_t *out);
static ngx_int_t ngx_llmops_redact_values(ngx_llmops_redact_t *rd,
    const char *p, size_t len, ngx_llmops_out_t *out);


ngx_int_t
ngx_llmops_sample_redact(json_t *doc, ngx_llmops_ruled_t *ruled)
{
    json_t               *request;
    ngx_int_t             rc;
    ngx_llmops_redact_t   rd;

    request = json_object_get(doc, "request");

    ngx_memzero(&rd, sizeof(ngx_llmops_redact_t));

    rd.media = 1;

    rc = ngx_llmops_redact_walk(&rd, request, 0, 0);

    if (rc != NGX_OK || ruled == NULL) {
        return rc;
    }

    rc = ngx_llmops_redact_set(doc, ruled->input.sets[NGX_LLMOPS_TEXT_CONTENT]);

    if (rc == NGX_OK) {
        rc = ngx_llmops_redact_set(doc,
                                 ruled->output.sets[NGX_LLMOPS_TEXT_CONTENT]);
    }

    return rc;
}


static ngx_int_t
ngx_llmops_redact_set(json_t *doc, ngx_llmops_patterns_t *set)
{
    ngx_int_t             rc;
    ngx_llmops_redact_t   rd;

    if (set == NULL) {
        return NGX_OK;
    }

    ngx_memzero(&rd, sizeof(ngx_llmops_redact_t));

    rd.text = ngx_llmops_redact_patterns;
    rd.data = set;

    rc = ngx_llmops_redact_walk(&rd, json_object_get(doc, "request"), 0, 0);

    if (rc == NGX_OK) {
        rc = ngx_llmops_redact_walk(&rd, json_object_get(doc, "answer"), 0, 0);
    }

    if (rc == NGX_OK) {
        rc = ngx_llmops_redact_walk(&rd,
                 json_object_get(json_object_get(doc, "shadow"), "answer"), 0,
                 0);
    }

    return rc;
}


ngx_int_t
ngx_llmops_sample_hide(json_t *answer, ngx_llmops_reverse_t *reverse)
{
    ngx_llmops_redact_t  rd;

    ngx_memzero(&rd, sizeof(ngx_llmops_redact_t));

    rd.text = ngx_llmops_redact_values;
    rd.data = reverse;

    return ngx_llmops_redact_walk(&rd, answer, 0, 0);
}


static ngx_int_t
ngx_llmops_redact_walk(ngx_llmops_redact_t *rd, json_t *v, ngx_uint_t nested,
    ngx_uint_t depth)
{
    size_t      i;
    json_t     *item, *with;
    ngx_int_t   rc;

    if (depth > NGX_LLMOPS_REDACT_DEPTH) {
        return NGX_ERROR;
    }

    if (json_is_object(v)) {
        return ngx_llmops_redact_object(rd, v, nested, depth);
    }

    for (i = 0; i < json_array_size(v); i++) {
        item = json_array_get(v, i);

        rc = ngx_llmops_redact_value(rd, item, nested, depth, &with);

        if (rc != NGX_OK) {
            return rc;
        }

        if (with && json_array_set_new(v, i, with) != 0) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_redact_object(ngx_llmops_redact_t *rd, json_t *v,
    ngx_uint_t nested, ngx_uint_t depth)
{
    json_t      *item, *with;
    ngx_int_t    rc;
    const char  *key;

    /* a value may be replaced while its object is gone through */

    json_object_foreach(v, key, item) {

        with = rd->media ? ngx_llmops_redact_media(key, item) : NULL;

        if (with == NULL) {
            rc = ngx_llmops_redact_value(rd, item, nested, depth, &with);

            if (rc != NGX_OK) {
                return rc;
            }
        }

        if (with && json_object_set_new(v, key, with) != 0) {
            return NGX_ERROR;
        }
    }

    return rd->text ? ngx_llmops_redact_keys(rd, v) : NGX_OK;
}


/* keys that change, one after the other: there are hardly any */

static ngx_int_t
ngx_llmops_redact_keys(ngx_llmops_redact_t *rd, json_t *v)
{
    json_t            *item;
    ngx_int_t          rc;
    const char        *key;
    ngx_llmops_out_t   out;

    ngx_llmops_out_init(&out, NGX_LLMOPS_REDACT_TEXT);

again:

    json_object_foreach(v, key, item) {
        ngx_llmops_out_reset(&out);

        rc = rd->text(rd, key, ngx_strlen(key), &out);

        if (rc != NGX_OK || out.failed) {
            ngx_llmops_out_free(&out);
            return rc == NGX_DECLINED ? rc : NGX_ERROR;
        }

        if (out.len == ngx_strlen(key)
            && ngx_memcmp(out.data, key, out.len) == 0)
        {
            continue;
        }

        /* what has taken its place matches no more, or it would never end */

        (void) ngx_llmops_out_write(&out, "", 1);

        if (out.failed
            || json_object_get(v, (char *) out.data)
            || json_object_set(v, (char *) out.data, item) != 0
            || json_object_del(v, key) != 0
            || rd->changed++ > 1024)
        {
            ngx_llmops_out_free(&out);
            return NGX_ERROR;
        }

        goto again;
    }

    ngx_llmops_out_free(&out);

    return NGX_OK;
}


/* with: what takes its place, or NULL */

static ngx_int_t
ngx_llmops_redact_value(ngx_llmops_redact_t *rd, json_t *v,
    ngx_uint_t nested, ngx_uint_t depth, json_t **with)
{
    ngx_int_t          rc;
    ngx_llmops_out_t   out;

    *with = NULL;

    if (!json_is_string(v)) {
        return ngx_llmops_redact_walk(rd, v, nested, depth + 1);
    }

    if (rd->text == NULL || !ngx_llmops_tree_is_string(v)) {
        return NGX_OK;                       /* a number's text */
    }

    rc = NGX_OK;

    if (nested < NGX_LLMOPS_REDACT_NESTED) {
        *with = ngx_llmops_redact_json(rd, v, nested, &rc);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (*with) {
        v = *with;
    }

    ngx_llmops_out_init(&out, NGX_LLMOPS_REDACT_TEXT);

    rc = rd->text(rd, json_string_value(v), json_string_length(v), &out);

    if (rc == NGX_OK
        && (out.len != json_string_length(v)
            || ngx_memcmp(out.data, json_string_value(v), out.len) != 0))
    {
        json_decref(*with);

        rd->changed++;

        *with = json_stringn(out.len ? (char *) out.data : "", out.len);

        if (*with == NULL) {
            rc = NGX_ERROR;
        }
    }

    if (rc != NGX_OK) {
        json_decref(*with);
        *with = NULL;
    }

    ngx_llmops_out_free(&out);

    return rc;
}


/* a string that is JSON with strings that change; NULL: it is none, or has no
   such ones */

static json_t *
ngx_llmops_redact_json(ngx_llmops_redact_t *rd, json_t *v, ngx_uint_t nested,
    ngx_int_t *rc)
{
    json_t      *tree, *text;
    ngx_uint_t   changed;
    const char  *p;

    p = json_string_value(v);

    while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t') {
        p++;
    }

    if (*p != '{' && *p != '[') {
        return NULL;
    }

    tree = ngx_llmops_tree_parse(json_string_value(v), json_string_length(v));

    if (tree == NULL) {
        return NULL;
    }

    text = NULL;
    changed = rd->changed;

    *rc = ngx_llmops_redact_walk(rd, tree, nested + 1, 0);

    if (*rc == NGX_OK && rd->changed != changed) {
        text = ngx_llmops_tree_text(tree, NGX_LLMOPS_REDACT_TEXT);

        if (text == NULL) {
            *rc = NGX_ERROR;
        }
    }

    json_decref(tree);

    return text;
}


static json_t *
ngx_llmops_redact_media(const char *key, json_t *v)
{
    size_t       len;
    const char  *p;

    p = json_string_value(v);
    len = json_string_length(v);

    if (p == NULL || len < NGX_LLMOPS_REDACT_MEDIA) {
        return NULL;
    }

    if (ngx_strcmp(key, "data") != 0 && ngx_strcmp(key, "file_data") != 0
        && ngx_strcmp(key, "signature") != 0
        && ngx_strcmp(key, "encrypted_content") != 0
        && ngx_strncmp(p, "data:", 5) != 0)
    {
        return NULL;
    }

    return json_sprintf("[left out: %d bytes]", (int) len);
}


static ngx_int_t
ngx_llmops_redact_patterns(ngx_llmops_redact_t *rd, const char *p, size_t len,
    ngx_llmops_out_t *out)
{
    ngx_int_t             rc;
    ngx_llmops_window_t  *w;

    if (len == 0) {
        return NGX_OK;
    }

    w = ngx_llmops_window_create(rd->data);
    if (w == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_llmops_window_feed(w, (u_char *) p, len, 1, out);

    ngx_llmops_window_free(w);

    return rc == NGX_OK && out->failed ? NGX_ERROR : rc;
}


static ngx_int_t
ngx_llmops_redact_values(ngx_llmops_redact_t *rd, const char *p, size_t len,
    ngx_llmops_out_t *out)
{
    if (len == 0) {
        return NGX_OK;
    }

    if (ngx_llmops_out_write(out, p, len) != NGX_OK
        || ngx_llmops_reverse_hide(rd->data, out) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}
