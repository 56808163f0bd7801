
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _JSON_RUN_H_INCLUDED_
#define _JSON_RUN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <assert.h>
#include <jansson.h>
#include "ngx_llmops_json.h"


/* One run of the scanner over a document in pieces, and all of its result. */


#define JSON_WANT     8
#define JSON_CAPTURE  64


typedef struct {
    ngx_uint_t                 rc;
    ngx_uint_t                 done;
    ngx_llmops_json_scan_t     scan;
    ngx_llmops_json_member_t   found[JSON_WANT];
    u_char                     capture[JSON_CAPTURE];
} json_run_t;


static ngx_llmops_json_want_t  json_want[JSON_WANT] = {
    { ngx_string("model"), 16 },
    { ngx_string("stream"), 5 },
    { ngx_string("stream_options"), 32 },
    { ngx_string("a"), 40 },
    { ngx_string("n"), 0 },
    { ngx_string("max_completion_tokens"), 8 },
    { ngx_string("\xc3\xa9"), 8 },
    { ngx_string("user"), 64 }
};


static inline void
json_run_start(json_run_t *r)
{
    memset(r, 0xaa, sizeof(json_run_t));

    ngx_llmops_json_scan_init(&r->scan, json_want, r->found, JSON_WANT,
                              r->capture, sizeof(r->capture));
}


/* feeds a copy of the exact size, so that a sanitizer sees any step beyond */

static inline void
json_run_feed(json_run_t *r, const u_char *p, size_t len)
{
    u_char  *copy;

    copy = malloc(len ? len : 1);
    memcpy(copy, p, len);

    r->rc = ngx_llmops_json_scan(&r->scan, copy, len);

    memset(copy, 0xaa, len);
    free(copy);
}


static inline void
json_run_end(json_run_t *r)
{
    r->done = ngx_llmops_json_scan_done(&r->scan);
}


static inline void
json_run(json_run_t *r, const u_char *p, size_t len)
{
    json_run_start(r);
    json_run_feed(r, p, len);
    json_run_end(r);
}


static inline int
json_run_same(json_run_t *x, json_run_t *y)
{
    int                        i;
    ngx_llmops_json_member_t  *a, *b;

    if (x->done != y->done || x->scan.offset != y->scan.offset
        || x->scan.open != y->scan.open || x->scan.close != y->scan.close
        || x->scan.members != y->scan.members
        || x->scan.text_bytes != y->scan.text_bytes
        || x->scan.data_bytes != y->scan.data_bytes
        || x->scan.data_urls != y->scan.data_urls)
    {
        return 0;
    }

    for (i = 0; i < JSON_WANT; i++) {
        a = &x->found[i];
        b = &y->found[i];

        if (a->count != b->count || a->type != b->type
            || a->start != b->start || a->end != b->end
            || a->cut_start != b->cut_start || a->cut_end != b->cut_end
            || a->value.len != b->value.len
            || (a->value.data == NULL) != (b->value.data == NULL)
            || memcmp(a->value.data ? a->value.data : (u_char *) "",
                      b->value.data ? b->value.data : (u_char *) "",
                      a->value.len)
               != 0)
        {
            return 0;
        }
    }

    return 1;
}


/*
 * jansson refuses more: what it cannot represent (integers beyond 64 bits,
 * reals beyond double, lone surrogates, NUL in a key).  The scanner refuses
 * nothing else, but for its lower bound of the depth, and a NUL behind a
 * number, which jansson 2.14 passes over.
 */

static inline int
json_run_agrees(json_run_t *r, const u_char *p, size_t len)
{
    int           ours, code;
    json_t       *tree;
    json_error_t  error;

    ours = (r->done == NGX_LLMOPS_JSON_OK);
    tree = json_loadb((const char *) p, len, JSON_ALLOW_NUL, &error);

    if (tree) {
        json_decref(tree);
        return ours || r->done == NGX_LLMOPS_JSON_DEPTH
               || memchr(p, '\0', len) != NULL;
    }

    code = json_error_code(&error);

    return !ours || code == json_error_numeric_overflow
           || code == json_error_null_byte_in_key
           || code == json_error_stack_overflow
           || strstr(error.text, "invalid Unicode") != NULL;
}


/*
 * Takes a wanted member out and compares with the tree that jansson has after
 * the same; members that are there twice are left alone.
 */

static inline int
json_run_cut_is_right(json_run_t *r, ngx_uint_t i, const u_char *p,
    size_t len)
{
    int                        same;
    u_char                    *cut;
    size_t                     n;
    json_t                    *whole, *rest;
    ngx_llmops_json_member_t  *m;

    m = &r->found[i];

    if (r->done != NGX_LLMOPS_JSON_OK || m->count != 1) {
        return 1;
    }

    whole = json_loadb((const char *) p, len, JSON_ALLOW_NUL, NULL);

    if (whole == NULL) {
        return 1;
    }

    cut = malloc(len);
    memcpy(cut, p, m->cut_start);
    memcpy(cut + m->cut_start, p + m->cut_end, len - m->cut_end);
    n = len - (m->cut_end - m->cut_start);

    rest = json_loadb((const char *) cut, n, JSON_ALLOW_NUL, NULL);

    json_object_deln(whole, (const char *) json_want[i].name.data,
                     json_want[i].name.len);

    same = json_equal(whole, rest);

    json_decref(whole);
    json_decref(rest);
    free(cut);

    return same;
}


#endif /* _JSON_RUN_H_INCLUDED_ */
