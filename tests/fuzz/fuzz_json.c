
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "fuzz.h"
#include "json_run.h"


/* the iterator over the same document, by itself and against the scanner */

static void
fuzz_iterate(json_run_t *r, ngx_str_t *doc)
{
    u_char                  buf[64], *escaped;
    size_t                  n;
    int64_t                 count;
    ngx_int_t               rc;
    ngx_str_t               key, value, out;
    ngx_uint_t              members;
    ngx_llmops_json_iter_t  it;

    if (ngx_llmops_json_object(&it, doc) != NGX_OK) {
        fuzz_check(r->done != NGX_LLMOPS_JSON_OK);
        return;
    }

    members = 0;

    while ((rc = ngx_llmops_json_next(&it, &key, &value)) == NGX_OK) {
        members++;

        fuzz_check(value.len > 0);
        fuzz_check(value.data > doc->data
                   && value.data + value.len <= doc->data + doc->len);
        fuzz_check(ngx_llmops_json_type(&value) != NGX_LLMOPS_JSON_NONE
                   || r->done != NGX_LLMOPS_JSON_OK);

        ngx_llmops_json_count(&value, &count);

        if (ngx_llmops_json_string(&value, buf, sizeof(buf), &out) == NGX_OK) {
            n = ngx_llmops_json_escaped_len(out.data, out.len);
            escaped = malloc(n + 1);
            fuzz_check(ngx_llmops_json_escape(escaped, out.data, out.len)
                       == escaped + n);
            free(escaped);
        }
    }

    if (r->done == NGX_LLMOPS_JSON_OK) {
        fuzz_check(rc == NGX_DONE);
        fuzz_check(members == r->scan.members);
    }
}


static void
fuzz_get(json_run_t *r, ngx_str_t *doc)
{
    ngx_str_t                  value;
    ngx_uint_t                 i;
    ngx_llmops_json_member_t  *m;

    for (i = 0; i < JSON_WANT; i++) {
        m = &r->found[i];

        if (r->done == NGX_LLMOPS_JSON_OK && m->count == 1
            && ngx_llmops_json_get(doc, (char *) json_want[i].name.data,
                                   &value)
               == NGX_OK)
        {
            fuzz_check(value.data == doc->data + m->start);
            fuzz_check(value.len == m->end - m->start);
        }
    }
}


int
LLVMFuzzerTestOneInput(const u_char *data, size_t size)
{
    size_t          i, n, len;
    ngx_str_t       doc;
    json_run_t      whole, split;
    const u_char   *p;

    if (size < FUZZ_SIZES) {
        return 0;
    }

    p = data + FUZZ_SIZES;
    size -= FUZZ_SIZES;

    json_run(&whole, p, size);

    json_run_start(&split);

    for (i = 0, n = 0; i < size; i += len, n++) {
        len = fuzz_piece(data, n, size - i);
        json_run_feed(&split, p + i, len);
    }

    json_run_end(&split);

    fuzz_check(json_run_same(&whole, &split));

    if (whole.done != NGX_LLMOPS_JSON_NOT_OBJECT) {
        fuzz_check(json_run_agrees(&whole, p, size));
    }

    for (i = 0; i < JSON_WANT; i++) {
        fuzz_check(json_run_cut_is_right(&whole, i, p, size));
    }

    doc.data = malloc(size + 1);
    doc.len = size;
    memcpy(doc.data, p, size);

    fuzz_iterate(&whole, &doc);
    fuzz_get(&whole, &doc);

    free(doc.data);

    return 0;
}
