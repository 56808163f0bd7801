
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "fuzz.h"
#include "ngx_llmops_cache_key.h"

#include <jansson.h>


/*
 * Two documents with a byte 0xff between them (which no JSON has): they have
 * the same canonical form if and only if jansson finds them equal.  Documents
 * with numbers that jansson rounds are left out of that, not of the rest:
 * written anew, sorted and in ASCII, a document keeps its form.
 */


typedef struct {
    ngx_llmops_cache_scratch_t  s;
    ngx_llmops_cache_why_e      why;
    ngx_int_t                   rc;
    json_t                     *tree;      /* NULL: not to be compared */
} form_t;


static int
fuzz_valid(const u_char *p, size_t len)
{
    ngx_llmops_json_scan_t  scan;

    ngx_llmops_json_scan_init(&scan, NULL, NULL, 0, NULL, 0);
    ngx_llmops_json_scan(&scan, p, len);

    return ngx_llmops_json_scan_done(&scan) == NGX_LLMOPS_JSON_OK;
}


static int
fuzz_exact(json_t *v)
{
    size_t       i;
    json_t      *item;
    const char  *name;

    if (json_is_real(v)) {
        return 0;
    }

    json_array_foreach(v, i, item) {
        if (!fuzz_exact(item)) {
            return 0;
        }
    }

    json_object_foreach(v, name, item) {
        if (!fuzz_exact(item)) {
            return 0;
        }
    }

    return 1;
}


static void
fuzz_form(form_t *f, const u_char *p, size_t len)
{
    ngx_str_t                    text;
    ngx_llmops_cache_question_t  q;

    memset(f, 0, sizeof(form_t));

    f->rc = NGX_ERROR;

    if (!fuzz_valid(p, len)) {
        return;
    }

    text.data = malloc(len);
    text.len = len;
    memcpy(text.data, p, len);

    f->rc = ngx_llmops_cache_canonical(NGX_LLMOPS_OP_RERANK, &text, &f->s,
                                       &f->why);
    fuzz_check(f->rc != NGX_ERROR);

    if (f->rc == NGX_OK) {
        fuzz_check(ngx_llmops_cache_skip(f->s.out.data)
                   == f->s.out.data + f->s.out.len);

        f->tree = json_loadb((char *) p, len,
                             JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);

        if (f->tree && (!fuzz_exact(f->tree) || memmem(p, len, "-0", 2))) {
            json_decref(f->tree);
            f->tree = NULL;
        }
    }

    /* the whole of it, for each operation */

    memset(&q, 0, sizeof(q));
    q.body = text;

    {
        ngx_llmops_cache_scratch_t  s;

        memset(&s, 0, sizeof(s));

        for (q.op = 0; q.op < NGX_LLMOPS_OP_MAX; q.op++) {
            fuzz_check(ngx_llmops_cache_digest(&q, &s) != NGX_ERROR);
        }

        ngx_llmops_cache_scratch_free(&s);
    }

    free(text.data);
}


static int
fuzz_same(form_t *a, form_t *b)
{
    return a->s.out.len == b->s.out.len
           && memcmp(a->s.out.data, b->s.out.data, a->s.out.len) == 0;
}


static void
fuzz_again(form_t *f)
{
    char                        *text;
    ngx_str_t                    s;
    ngx_llmops_cache_scratch_t   scratch;

    text = json_dumps(f->tree, JSON_SORT_KEYS | JSON_ENSURE_ASCII
                               | JSON_INDENT(1));
    if (text == NULL) {
        return;
    }

    s.data = (u_char *) text;
    s.len = strlen(text);

    memset(&scratch, 0, sizeof(scratch));

    if (ngx_llmops_cache_canonical(NGX_LLMOPS_OP_RERANK, &s, &scratch,
                                   &f->why)
        == NGX_OK)
    {
        fuzz_check(scratch.out.len == f->s.out.len);
        fuzz_check(memcmp(scratch.out.data, f->s.out.data, f->s.out.len)
                   == 0);
    }

    ngx_llmops_cache_scratch_free(&scratch);
    free(text);
}


int
LLVMFuzzerTestOneInput(const u_char *data, size_t size)
{
    form_t         a, b;
    const u_char  *cut;

    cut = size ? memchr(data, 0xff, size) : NULL;

    if (cut == NULL) {
        cut = data + size;
    }

    fuzz_form(&a, data, cut - data);
    fuzz_form(&b, cut + (cut < data + size),
              data + size - cut - (cut < data + size));

    if (a.tree) {
        fuzz_again(&a);
    }

    if (a.tree && b.tree) {
        fuzz_check(!json_equal(a.tree, b.tree) == !fuzz_same(&a, &b));
    }

    json_decref(a.tree);
    json_decref(b.tree);
    ngx_llmops_cache_scratch_free(&a.s);
    ngx_llmops_cache_scratch_free(&b.s);

    return 0;
}
