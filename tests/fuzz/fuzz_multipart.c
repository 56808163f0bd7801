
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "fuzz.h"
#include "multipart_run.h"


/* the first line is the Content-Type, or what comes after its "=" */

static ngx_int_t
fuzz_start(multipart_run_t *r, const u_char *p, size_t len)
{
    u_char     *type;
    ngx_int_t   rc;
    ngx_str_t   s;

    static const char  prefix[] = "multipart/form-data; boundary=";

    type = malloc(sizeof(prefix) + len);
    s.data = type;
    s.len = 0;

    if (len && p[0] != 'm') {
        memcpy(type, prefix, sizeof(prefix) - 1);
        s.len = sizeof(prefix) - 1;
    }

    memcpy(type + s.len, p, len);
    s.len += len;

    rc = ngx_llmops_multipart_init(&r->m, &s);
    r->rc = NGX_OK;

    free(type);

    return rc;
}


static void
fuzz_field(multipart_run_t *r, ngx_llmops_multipart_field_t *field,
    const u_char *p, size_t size)
{
    fuzz_check(field->len <= NGX_LLMOPS_MULTIPART_VALUE);

    if (r->rc == NGX_OK && r->m.complete && field->count) {
        fuzz_check(field->end <= size);
        fuzz_check(field->end - field->start == field->len);
        fuzz_check(memcmp(p + field->start, field->value, field->len) == 0);
    }
}


int
LLVMFuzzerTestOneInput(const u_char *data, size_t size)
{
    size_t            i, n, len;
    const u_char     *p, *line;
    multipart_run_t   whole, split;

    if (size < FUZZ_SIZES) {
        return 0;
    }

    line = data + FUZZ_SIZES;
    size -= FUZZ_SIZES;

    p = memchr(line, LF, size);

    if (p == NULL || fuzz_start(&whole, line, p - line) != NGX_OK) {
        return 0;
    }

    fuzz_start(&split, line, p - line);

    p++;
    size -= p - line;

    multipart_run_feed(&whole, p, size);

    for (i = 0, n = 0; i < size; i += len, n++) {
        len = fuzz_piece(data, n, size - i);
        multipart_run_feed(&split, p + i, len);
    }

    fuzz_check(multipart_run_same(&whole, &split));

    fuzz_field(&whole, &whole.m.model, p, size);
    fuzz_field(&whole, &whole.m.stream, p, size);

    return 0;
}
