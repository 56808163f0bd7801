
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_rules_input.h"
#include "ngx_llmops_json_text.h"
#include "ngx_llmops_plain.h"


/* Going through the body of a request: its members, and all strings in them,
   with an edit for each that changes. */


#define NGX_LLMOPS_INPUT_EDITS  65536


static ngx_int_t ngx_llmops_input_member(ngx_llmops_input_t *in,
    ngx_str_t *key, ngx_str_t *value);
static ngx_int_t ngx_llmops_input_walk(ngx_llmops_input_t *in,
    ngx_str_t *value, ngx_uint_t depth, ngx_uint_t args);
static ngx_int_t ngx_llmops_input_string(ngx_llmops_input_t *in,
    ngx_str_t *value);


ngx_int_t
ngx_llmops_input_read(ngx_llmops_input_t *in)
{
    ngx_int_t               rc;
    ngx_str_t               key, value;
    ngx_llmops_json_iter_t  it;

    if (ngx_llmops_json_object(&it, &in->body) != NGX_OK) {
        return NGX_ERROR;
    }

    while ((rc = ngx_llmops_json_next(&it, &key, &value)) == NGX_OK) {
        rc = ngx_llmops_input_member(in, &key, &value);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return rc == NGX_DONE ? NGX_OK : NGX_ERROR;
}


/* a key, however it is spelled: with escapes, or in capitals, which servers
   written in Go take for the same */

static ngx_uint_t
ngx_llmops_input_is(ngx_str_t *key, const u_char *name, size_t len)
{
    size_t  n;
    u_char  buf[64];

    if (key->len == len) {
        return ngx_strncasecmp(key->data, (u_char *) name, len) == 0;
    }

    return key->len > len
           && ngx_llmops_json_decode(key->data, key->len, buf, sizeof(buf),
                                     &n) == NGX_OK
           && n == len && ngx_strncasecmp(buf, (u_char *) name, len) == 0;
}


ngx_int_t
ngx_llmops_input_edit(ngx_llmops_input_t *in, u_char *p, size_t len,
    size_t offset)
{
    ngx_llmops_input_edit_t  *edit;

    if (in->edited.failed || in->edits.nelts == NGX_LLMOPS_INPUT_EDITS) {
        return NGX_ERROR;
    }

    edit = ngx_array_push(&in->edits);
    if (edit == NULL) {
        return NGX_ERROR;
    }

    edit->start = p - in->body.data;
    edit->end = edit->start + len;
    edit->offset = offset;
    edit->len = in->edited.len - offset;

    return NGX_OK;
}


#define ngx_llmops_input_named(key, name)                                     \
    ngx_llmops_input_is(key, (u_char *) name, sizeof(name) - 1)


/* a member of the outermost object */

static ngx_int_t
ngx_llmops_input_member(ngx_llmops_input_t *in, ngx_str_t *key,
    ngx_str_t *value)
{
    size_t       offset;
    int64_t      n;
    ngx_str_t   *names;
    ngx_uint_t   i;

    names = in->ruled->forbidden.elts;

    for (i = 0; i < in->ruled->forbidden.nelts; i++) {
        if (ngx_llmops_input_is(key, names[i].data, names[i].len)
            && !(value->len == 4 && ngx_memcmp(value->data, "null", 4) == 0))
        {
            in->forbidden = names[i];
            return NGX_DECLINED;
        }
    }

    if (in->ruled->max_tokens
        && (ngx_llmops_input_named(key, "max_tokens")
            || ngx_llmops_input_named(key, "max_completion_tokens")
            || ngx_llmops_input_named(key, "max_output_tokens")))
    {
        if (ngx_llmops_json_type(value) == NGX_LLMOPS_JSON_NULL) {
            in->unbound = *value;       /* another one may bound it */
            return NGX_OK;
        }

        if (ngx_llmops_json_count(value, &n) == NGX_OK
            && n <= in->ruled->max_tokens)
        {
            in->capped = 1;
            return NGX_OK;
        }

        offset = in->edited.len;
        in->capped = 1;

        (void) ngx_llmops_out_int(&in->edited, in->ruled->max_tokens);

        return ngx_llmops_input_edit(in, value->data, value->len, offset);
    }

    if (in->ruled->input.nrules == 0
        || ngx_llmops_input_named(key, "model"))
    {
        return NGX_OK;
    }

    return ngx_llmops_input_walk(in, value, 0, 0);
}


/* of a file that is written out: its type, and parameters of it, are short */

static ngx_uint_t
ngx_llmops_input_base64(ngx_str_t *url)
{
    return memmem(url->data, ngx_min(url->len, 128), ";base64,", 8) != NULL;
}


static ngx_uint_t
ngx_llmops_input_skips(ngx_str_t *object, ngx_str_t *key, ngx_str_t *value)
{
    if (value->data[0] != '"') {
        return 0;
    }

    if (ngx_llmops_input_named(key, "data")) {
        return !ngx_llmops_plain_data(object);
    }

    if (ngx_llmops_input_named(key, "file_data")
        || ngx_llmops_input_named(key, "signature")
        || ngx_llmops_input_named(key, "encrypted_content"))
    {
        return 1;
    }

    return value->len > 6 && ngx_memcmp(value->data, "\"data:", 6) == 0
           && ngx_llmops_input_named(key, "url")
           && ngx_llmops_input_base64(value);
}


/* whether a member is what a tool was called with: there nothing has a meaning
   of its own, and names are text as well */

static ngx_uint_t
ngx_llmops_input_args(ngx_str_t *key, ngx_str_t *value)
{
    return value->data[0] == '{'
           && (ngx_llmops_input_named(key, "input")
               || ngx_llmops_input_named(key, "arguments"));
}


/* a member of an object; args: of what a tool was called with */

static ngx_int_t
ngx_llmops_input_inner(ngx_llmops_input_t *in, ngx_str_t *object,
    ngx_str_t *key, ngx_str_t *value, ngx_uint_t depth, ngx_uint_t args)
{
    ngx_int_t  rc;
    ngx_str_t  name;

    if (!args && ngx_llmops_input_skips(object, key, value)) {
        return NGX_OK;
    }

    if (args) {
        name.data = key->data - 1;              /* with its quotes */
        name.len = key->len + 2;

        rc = ngx_llmops_input_string(in, &name);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return ngx_llmops_input_walk(in, value, depth + 1,
                                 args || ngx_llmops_input_args(key, value));
}


static ngx_int_t
ngx_llmops_input_walk(ngx_llmops_input_t *in, ngx_str_t *value,
    ngx_uint_t depth, ngx_uint_t args)
{
    ngx_int_t               rc;
    ngx_str_t               key, v;
    ngx_uint_t              object;
    ngx_llmops_json_iter_t  it;

    if (value->data[0] == '"') {
        return ngx_llmops_input_string(in, value);
    }

    if (depth > NGX_LLMOPS_JSON_MAX_DEPTH) {
        return NGX_ERROR;               /* the envelope has refused those */
    }

    object = (value->data[0] == '{');

    if (object) {
        rc = ngx_llmops_json_object(&it, value);

    } else if (value->data[0] == '[') {
        rc = ngx_llmops_json_array(&it, value);

    } else {
        return NGX_OK;
    }

    while (rc == NGX_OK) {
        rc = ngx_llmops_json_next(&it, object ? &key : NULL, &v);

        if (rc != NGX_OK) {
            break;
        }

        rc = object ? ngx_llmops_input_inner(in, value, &key, &v, depth, args)
                    : ngx_llmops_input_walk(in, &v, depth + 1, args);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return rc == NGX_DONE ? NGX_OK : NGX_ERROR;
}


static void
ngx_llmops_input_map(void *data, ngx_llmops_pattern_t *p, const u_char *text,
    size_t len, ngx_llmops_out_t *out)
{
    ngx_llmops_reverse_put(data, &p->name, text, len, out);
}


/* a string and its patterns; NGX_DECLINED: one is denied */

static ngx_int_t
ngx_llmops_input_string(ngx_llmops_input_t *in, ngx_str_t *value)
{
    size_t                  n, offset;
    ngx_int_t               rc;
    ngx_llmops_window_t    *w;
    ngx_llmops_patterns_t  *set;

    set = in->ruled->input.sets[NGX_LLMOPS_TEXT_CONTENT];

    ngx_llmops_out_reset(&in->text);
    ngx_llmops_out_reset(&in->clean);

    if (set == NULL || value->len == 2) {
        return NGX_OK;
    }

    /* only for the room: decoded it is no longer */

    if (ngx_llmops_out_write(&in->text, value->data, value->len) != NGX_OK
        || ngx_llmops_json_decode(value->data + 1, value->len - 2,
                                  in->text.data, in->text.size, &n)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    w = ngx_llmops_window_create(set);
    if (w == NULL) {
        return NGX_ERROR;
    }

    if (in->reverse) {
        ngx_llmops_window_map(w, ngx_llmops_input_map, in->reverse);
    }

    rc = ngx_llmops_window_feed(w, in->text.data, n, 1, &in->clean);

    if (in->reverse && ngx_llmops_reverse_failed(in->reverse)) {
        rc = NGX_ERROR;
    }

    in->found |= ngx_llmops_window_found(w);

    if (rc == NGX_DECLINED) {
        in->denied = &in->ruled->input.rules[ngx_llmops_window_denied(w)];
    }

    ngx_llmops_window_free(w);

    if (rc != NGX_OK
        || (in->clean.len == n
            && ngx_memcmp(in->clean.data, in->text.data, n) == 0))
    {
        return rc;
    }

    offset = in->edited.len;

    (void) ngx_llmops_out_json(&in->edited, in->clean.data, in->clean.len);

    return ngx_llmops_input_edit(in, value->data, value->len, offset);
}
