
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_json.h"
#include "ngx_llmops_json_scan.h"
#include "ngx_llmops_json_text.h"


/*
 * What the scanner notes about the wanted members of the outermost object.
 * Nothing is copied while it is read: s->from marks where the bytes begin
 * that are to be kept, and they are taken at their end or at the end of the
 * piece, whichever comes first.
 */


void
ngx_llmops_json_capture(ngx_llmops_json_scan_t *s, const u_char *p)
{
    size_t  n, used;

    n = p - s->from;
    used = s->capture_used + s->captured;

    /* a value that is too long is dropped as a whole */

    if (n > s->want[s->current].capture - s->captured
        || n > s->capture_size - used)
    {
        s->capturing = 0;
        return;
    }

    ngx_memcpy(s->capture + used, s->from, n);
    s->captured += n;
}


void
ngx_llmops_json_value_start(ngx_llmops_json_scan_t *s, const u_char *p,
    ngx_llmops_json_type_e type)
{
    ngx_str_t  *value;

    value = &s->found[s->current].value;

    if (value->data
        && value->data + value->len == s->capture + s->capture_used)
    {
        /* the same member again: its bytes were the last ones taken */
        s->capture_used -= value->len;
    }

    value->len = 0;
    value->data = NULL;

    s->type = type;
    s->value_start = ngx_llmops_json_at(s, p);
    s->capturing = (s->want[s->current].capture > 0);
    s->captured = 0;
    s->from = p;
}


void
ngx_llmops_json_member(ngx_llmops_json_scan_t *s, const u_char *p)
{
    ngx_llmops_json_member_t  *m;

    m = &s->found[s->current];

    m->count++;
    m->type = s->type;
    m->start = s->value_start;
    m->end = ngx_llmops_json_at(s, p);
    m->cut_end = m->end;

    if (s->members == 1) {
        m->cut_start = s->member_start;
        s->first = s->current;

    } else {
        m->cut_start = s->comma;
    }

    if (s->capturing) {
        ngx_llmops_json_capture(s, p);
    }

    if (s->capturing) {
        m->value.data = s->capture + s->capture_used;
        m->value.len = s->captured;
        s->capture_used += s->captured;
        s->capturing = 0;
    }

    s->current = -1;
}


void
ngx_llmops_json_keep(ngx_llmops_json_scan_t *s, const u_char *p)
{
    size_t  n;

    n = p - s->from;

    /* a key that is too long matches no name */

    if (n > NGX_LLMOPS_JSON_RAW_KEY - s->key_len) {
        s->from = NULL;
        return;
    }

    ngx_memcpy(s->key + s->key_len, s->from, n);
    s->key_len += n;
}


void
ngx_llmops_json_match(ngx_llmops_json_scan_t *s, const u_char *key, size_t len)
{
    ngx_uint_t  i;
    ngx_str_t  *name;

    for (i = 0; i < s->nwant; i++) {
        name = &s->want[i].name;

        if (name->len == len && ngx_memcmp(name->data, key, len) == 0) {
            s->current = i;
            return;
        }
    }

    /* Go's parser, which servers of models are written with, takes "MODEL" for
       the same name: it counts, though its value is none to us */

    for (i = 0; i < s->nwant; i++) {
        name = &s->want[i].name;

        if (name->len == len
            && strncasecmp((char *) name->data, (const char *) key, len) == 0)
        {
            s->found[i].count++;
            return;
        }
    }
}


void
ngx_llmops_json_key_end(ngx_llmops_json_scan_t *s, const u_char *p)
{
    size_t         len;
    u_char         decoded[NGX_LLMOPS_JSON_MAX_KEY];
    const u_char  *key;

    key = s->from;
    len = p - key;

    if (s->key_len) {
        ngx_llmops_json_keep(s, p);
        key = s->key;
        len = s->key_len;
    }

    if (s->from == NULL) {
        return;
    }

    if (s->escaped) {
        if (ngx_llmops_json_decode(key, len, decoded, sizeof(decoded), &len)
            != NGX_OK)
        {
            return;
        }

        key = decoded;
    }

    ngx_llmops_json_match(s, key, len);
}
