
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "fuzz.h"
#include <jansson.h>
#include "ngx_llmops_dialect.h"


/*
 * Any bytes as a request's body.  All splits of it give the same verdict;
 * what is taken is JSON with the model that a parser finds, and the edits
 * change the model and stream_options.include_usage alone.
 */


typedef struct {
    ngx_int_t              rc;
    ngx_llmops_envelope_t  env;
    ngx_llmops_error_t     err;
} fuzz_read_t;


static const ngx_llmops_op_e  ops[] = {
    NGX_LLMOPS_OP_CHAT,
    NGX_LLMOPS_OP_COMPLETIONS,
    NGX_LLMOPS_OP_MESSAGES,
    NGX_LLMOPS_OP_RESPONSES,
    NGX_LLMOPS_OP_IMAGES
};


static void
fuzz_read(fuzz_read_t *r, ngx_llmops_op_e op, const u_char *sizes,
    const u_char *p, size_t size)
{
    u_char                      *copy;
    size_t                       i, n, len;
    ngx_llmops_envelope_scan_t   scan;

    memset(r, 0, sizeof(*r));

    r->env.op = op;
    r->rc = NGX_OK;

    ngx_llmops_envelope_begin(&r->env, &scan);

    for (i = 0, n = 0; i < size && r->rc == NGX_OK; i += len, n++) {
        len = sizes ? fuzz_piece(sizes, n, size - i) : size;

        copy = malloc(len + !len);
        memcpy(copy, p + i, len);
        r->rc = ngx_llmops_envelope_feed(&r->env, &scan, copy, len, &r->err);
        free(copy);
    }

    if (r->rc == NGX_OK) {
        r->rc = ngx_llmops_envelope_end(&r->env, &scan, &r->err);
    }
}


static void
fuzz_same_str(ngx_str_t *a, ngx_str_t *b)
{
    fuzz_check(a->len == b->len);
    fuzz_check(a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}


static void
fuzz_same(fuzz_read_t *a, fuzz_read_t *b)
{
    fuzz_check(a->rc == b->rc);

    if (a->rc != NGX_OK) {
        fuzz_check(a->err.status == 400 && a->err.message.len > 0);
        fuzz_same_str(&a->err.message, &b->err.message);
        fuzz_same_str(&a->err.code, &b->err.code);
        fuzz_same_str(&a->err.param, &b->err.param);
        return;
    }

    fuzz_same_str(&a->env.model, &b->env.model);
    fuzz_same_str(&a->env.options, &b->env.options);
    fuzz_check(a->env.stream == b->env.stream);
    fuzz_check(a->env.include_usage == b->env.include_usage);
    fuzz_check(a->env.model_start == b->env.model_start);
    fuzz_check(a->env.model_end == b->env.model_end);
    fuzz_check(a->env.options_start == b->env.options_start);
    fuzz_check(a->env.open == b->env.open);
    fuzz_check(a->env.close == b->env.close);
    fuzz_check(a->env.max_tokens == b->env.max_tokens);
    fuzz_check(a->env.n == b->env.n);
    fuzz_check(a->env.text_bytes == b->env.text_bytes);
}


static void
fuzz_edited(fuzz_read_t *r, const u_char *p, size_t size,
    ngx_llmops_out_t *result)
{
    size_t              at;
    ngx_int_t           i, n;
    ngx_str_t           model;
    ngx_llmops_out_t    out;
    ngx_llmops_edit_t   e[NGX_LLMOPS_MAX_EDITS];

    ngx_llmops_out_init(&out, 4096);
    ngx_str_set(&model, "an\"other");

    n = ngx_llmops_mock.edits(&r->env, &model, &out, e);
    fuzz_check(n >= 0 && n <= NGX_LLMOPS_MAX_EDITS);

    for (at = 0, i = 0; i < n; i++) {
        fuzz_check(e[i].start >= at && e[i].end >= e[i].start);
        ngx_llmops_out_write(result, p + at, e[i].start - at);
        ngx_llmops_out_str(result, &e[i].text);
        at = e[i].end;
    }

    fuzz_check(at <= size);
    ngx_llmops_out_write(result, p + at, size - at);

    ngx_llmops_out_free(&out);
}


/* what the edits must come to, by jansson */

static void
fuzz_expect(fuzz_read_t *r, json_t *v)
{
    json_t  *options;

    json_object_set_new(v, "model", json_string("an\"other"));

    if (!r->env.stream || (r->env.op != NGX_LLMOPS_OP_CHAT
                           && r->env.op != NGX_LLMOPS_OP_COMPLETIONS))
    {
        return;
    }

    options = json_object_get(v, "stream_options");

    if (!json_is_object(options)) {
        options = json_object();
        json_object_set_new(v, "stream_options", options);
    }

    json_object_set_new(options, "include_usage", json_true());
}


static void
fuzz_taken(fuzz_read_t *r, const u_char *p, size_t size)
{
    json_t            *v, *edited, *model;
    ngx_llmops_out_t   result;

    ngx_llmops_out_init(&result, size + 4096);
    fuzz_edited(r, p, size, &result);

    /* jansson has less depth for numbers and no NUL in keys: not all passes */

    v = json_loadb((const char *) p, size, JSON_ALLOW_NUL, NULL);

    if (v) {
        model = json_object_get(v, "model");

        if (r->env.model.len) {
            fuzz_check(json_string_length(model) == r->env.model.len
                       && memcmp(json_string_value(model), r->env.model.data,
                                 r->env.model.len) == 0);
        }

        fuzz_expect(r, v);

        edited = json_loadb((char *) result.data, result.len, JSON_ALLOW_NUL,
                            NULL);
        fuzz_check(edited != NULL);
        fuzz_check(json_equal(v, edited));

        json_decref(edited);
        json_decref(v);
    }

    ngx_llmops_out_free(&result);
}


int
LLVMFuzzerTestOneInput(const u_char *data, size_t size)
{
    const u_char        *p;
    ngx_llmops_op_e      op;
    static fuzz_read_t   whole, pieces;

    if (size < FUZZ_SIZES) {
        return 0;
    }

    p = data + FUZZ_SIZES;
    size -= FUZZ_SIZES;

    op = ops[data[3] % (sizeof(ops) / sizeof(ops[0]))];

    fuzz_read(&whole, op, NULL, p, size);
    fuzz_read(&pieces, op, data, p, size);
    fuzz_same(&whole, &pieces);

    if (whole.rc == NGX_OK) {
        fuzz_taken(&whole, p, size);
    }

    return 0;
}
