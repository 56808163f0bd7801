
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <string.h>
#include "ngx_llmops_json.h"
#include "ngx_llmops_reverse.h"


/*
 * Placeholders are short, begin with "[" and end with "]", so that a text is
 * searched for one byte, and no more than a placeholder ever waits.  A model
 * that changes one has lost the value: that text then stays as it is.
 */


#define NGX_LLMOPS_REVERSE_HIDE    (64 * 1024 * 1024)  /* bytes compared */


typedef struct {
    ngx_str_t                  value;
    size_t                     len;
    u_char                     name[NGX_LLMOPS_REVERSE_NAME];
} ngx_llmops_reverse_entry_t;


struct ngx_llmops_reverse_s {
    ngx_str_t                  body;
    ngx_llmops_reverse_entry_t  *entries;
    ngx_uint_t                 n;
    ngx_uint_t                 size;
    ngx_uint_t                 number;     /* of the next one */
    unsigned                   failed:1;
};


ngx_llmops_reverse_t *
ngx_llmops_reverse_create(ngx_str_t *body)
{
    ngx_llmops_reverse_t  *rv;

    rv = calloc(1, sizeof(ngx_llmops_reverse_t));

    if (rv) {
        rv->body = *body;
    }

    return rv;
}


void
ngx_llmops_reverse_free(ngx_llmops_reverse_t *rv)
{
    ngx_uint_t  i;

    for (i = 0; i < rv->n; i++) {
        ngx_memzero(rv->entries[i].value.data, rv->entries[i].value.len);
        free(rv->entries[i].value.data);
    }

    free(rv->entries);
    free(rv);
}


ngx_uint_t
ngx_llmops_reverse_used(ngx_llmops_reverse_t *rv)
{
    return rv->n != 0;
}


ngx_uint_t
ngx_llmops_reverse_failed(ngx_llmops_reverse_t *rv)
{
    return rv->failed;
}


/* "personal.email" is "EMAIL"; what has no name is "VALUE" */

static size_t
ngx_llmops_reverse_label(ngx_str_t *name, u_char *buf, size_t size)
{
    size_t   n;
    u_char  *p, *last, c;

    last = name->data + name->len;

    for (p = last; p > name->data && p[-1] != '.'; p--) { /* void */ }

    for (n = 0; p < last && n < size; p++) {
        c = *p;

        if (c >= 'a' && c <= 'z') {
            c &= ~0x20;

        } else if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))) {
            c = '_';
        }

        buf[n++] = c;
    }

    if (n == 0) {
        ngx_memcpy(buf, "VALUE", 5);
        n = 5;
    }

    return n;
}


static ngx_llmops_reverse_entry_t *
ngx_llmops_reverse_room(ngx_llmops_reverse_t *rv, const u_char *p, size_t len)
{
    void                        *grown;
    ngx_llmops_reverse_entry_t  *e;

    if (rv->n == NGX_LLMOPS_REVERSE_MAX) {
        return NULL;
    }

    if (rv->n == rv->size) {
        grown = realloc(rv->entries, (rv->size * 2 + 8)
                                     * sizeof(ngx_llmops_reverse_entry_t));
        if (grown == NULL) {
            return NULL;
        }

        rv->entries = grown;
        rv->size = rv->size * 2 + 8;
    }

    e = &rv->entries[rv->n];

    e->value.data = malloc(len);
    if (e->value.data == NULL) {
        return NULL;
    }

    ngx_memcpy(e->value.data, p, len);
    e->value.len = len;

    rv->n++;

    return e;
}


void
ngx_llmops_reverse_put(ngx_llmops_reverse_t *rv, ngx_str_t *name,
    const u_char *p, size_t len, ngx_llmops_out_t *out)
{
    size_t                       n;
    u_char                       label[32];
    ngx_uint_t                   i;
    ngx_llmops_reverse_entry_t  *e;

    for (i = 0; i < rv->n; i++) {
        e = &rv->entries[i];

        if (e->value.len == len && ngx_memcmp(e->value.data, p, len) == 0) {
            (void) ngx_llmops_out_write(out, e->name, e->len);
            return;
        }
    }

    e = ngx_llmops_reverse_room(rv, p, len);

    if (e == NULL) {
        rv->failed = 1;
        return;
    }

    n = ngx_llmops_reverse_label(name, label, sizeof(label));

    do {
        e->len = snprintf((char *) e->name, sizeof(e->name), "[%.*s_%u]",
                          (int) n, label, (unsigned) ++rv->number);

        /* a caller may have written one himself */

    } while (memmem(rv->body.data, rv->body.len, e->name, e->len - 1));

    (void) ngx_llmops_out_write(out, e->name, e->len);
}


static void
ngx_llmops_restore_value(ngx_llmops_reverse_entry_t *e, ngx_uint_t json,
    ngx_llmops_out_t *out)
{
    size_t   len;
    u_char  *buf;

    if (!json) {
        (void) ngx_llmops_out_str(out, &e->value);
        return;
    }

    len = ngx_llmops_json_escaped_len(e->value.data, e->value.len);

    buf = malloc(len + 1);
    if (buf == NULL) {
        out->failed = 1;
        return;
    }

    (void) ngx_llmops_json_escape(buf, e->value.data, e->value.len);
    (void) ngx_llmops_out_write(out, buf, len);

    free(buf);
}


/* NGX_OK: st->held is a placeholder, which *found is; NGX_AGAIN: it may become
   one; NGX_DECLINED */

static ngx_int_t
ngx_llmops_restore_match(ngx_llmops_reverse_t *rv, ngx_llmops_restore_t *st,
    ngx_llmops_reverse_entry_t **found)
{
    ngx_uint_t                   i;
    ngx_llmops_reverse_entry_t  *e;

    for (i = 0; i < rv->n; i++) {
        e = &rv->entries[i];

        if (st->len <= e->len && ngx_memcmp(e->name, st->held, st->len) == 0)
        {
            *found = e;
            return st->len == e->len ? NGX_OK : NGX_AGAIN;
        }
    }

    return NGX_DECLINED;
}


void
ngx_llmops_restore(ngx_llmops_reverse_t *rv, ngx_llmops_restore_t *st,
    const u_char *p, size_t len, ngx_uint_t json, ngx_uint_t last,
    ngx_llmops_out_t *out)
{
    ngx_int_t                    rc;
    const u_char                *end, *open;
    ngx_llmops_reverse_entry_t  *e;

    end = p + len;

    while (p < end) {

        if (st->len == 0) {
            open = memchr(p, '[', end - p);
            open = open ? open : end;

            (void) ngx_llmops_out_write(out, p, open - p);
            p = open;

            if (p == end) {
                break;
            }
        }

        st->held[st->len++] = *p++;

        rc = ngx_llmops_restore_match(rv, st, &e);

        if (rc == NGX_OK) {
            ngx_llmops_restore_value(e, json, out);
            st->len = 0;

        } else if (rc == NGX_DECLINED) {

            /* only its first byte is "[": the last may open another */

            st->len--;
            (void) ngx_llmops_out_write(out, st->held, st->len);
            p -= (st->len != 0);

            if (st->len == 0) {
                (void) ngx_llmops_out_write(out, p - 1, 1);
            }

            st->len = 0;
        }
    }

    if (last) {
        (void) ngx_llmops_out_write(out, st->held, st->len);
        st->len = 0;
    }
}


static int ngx_libc_cdecl
ngx_llmops_reverse_cmp(const void *one, const void *two)
{
    const ngx_llmops_reverse_entry_t  *a, *b;

    a = *(ngx_llmops_reverse_entry_t * const *) one;
    b = *(ngx_llmops_reverse_entry_t * const *) two;

    return (a->value.len < b->value.len) - (a->value.len > b->value.len);
}


static ngx_int_t
ngx_llmops_reverse_hide_one(ngx_llmops_reverse_entry_t *e,
    ngx_llmops_out_t *text)
{
    u_char            *p, *last, *found;
    ngx_llmops_out_t   hidden;

    p = text->data;
    last = p + text->len;

    found = memmem(p, last - p, e->value.data, e->value.len);

    if (found == NULL) {
        return NGX_OK;
    }

    ngx_llmops_out_init(&hidden, text->max);

    while (found) {
        (void) ngx_llmops_out_write(&hidden, p, found - p);
        (void) ngx_llmops_out_write(&hidden, e->name, e->len);

        p = found + e->value.len;
        found = memmem(p, last - p, e->value.data, e->value.len);
    }

    (void) ngx_llmops_out_write(&hidden, p, last - p);

    ngx_llmops_out_free(text);
    *text = hidden;

    return hidden.failed ? NGX_ERROR : NGX_OK;
}


ngx_int_t
ngx_llmops_reverse_hide(ngx_llmops_reverse_t *rv, ngx_llmops_out_t *text)
{
    ngx_int_t                     rc;
    ngx_uint_t                    i;
    ngx_llmops_reverse_entry_t  **order;

    if (rv->n == 0 || text->len == 0) {
        return NGX_OK;
    }

    if (text->len > NGX_LLMOPS_REVERSE_HIDE / rv->n) {
        return NGX_ERROR;
    }

    order = malloc(rv->n * sizeof(ngx_llmops_reverse_entry_t *));
    if (order == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < rv->n; i++) {
        order[i] = &rv->entries[i];
    }

    qsort(order, rv->n, sizeof(ngx_llmops_reverse_entry_t *),
          ngx_llmops_reverse_cmp);

    rc = NGX_OK;

    for (i = 0; rc == NGX_OK && i < rv->n; i++) {
        rc = ngx_llmops_reverse_hide_one(order[i], text);
    }

    free(order);

    return rc;
}
