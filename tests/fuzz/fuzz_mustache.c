
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "fuzz.h"
#include "ngx_llmops_mustache.h"


/*
 * The input is a template and the values for it, with a NUL between them.
 * Whatever compiles and renders is the inside of a valid JSON string.
 */


#define FUZZ_OUT  65536


static void
fuzz_string(ngx_llmops_out_t *out)
{
    ngx_llmops_json_scan_t  scan;

    ngx_llmops_json_scan_init(&scan, NULL, NULL, 0, NULL, 0);

    fuzz_check(ngx_llmops_json_scan(&scan, (u_char *) "{\"a\":\"", 6)
               == NGX_LLMOPS_JSON_OK);
    fuzz_check(ngx_llmops_json_scan(&scan, out->data, out->len)
               == NGX_LLMOPS_JSON_OK);
    fuzz_check(ngx_llmops_json_scan(&scan, (u_char *) "\"}", 2)
               == NGX_LLMOPS_JSON_OK);
    fuzz_check(ngx_llmops_json_scan_done(&scan) == NGX_LLMOPS_JSON_OK);
    fuzz_check(scan.members == 1);
}


static ngx_uint_t
fuzz_valid(ngx_str_t *json)
{
    ngx_llmops_json_scan_t  scan;

    ngx_llmops_json_scan_init(&scan, NULL, NULL, 0, NULL, 0);

    return ngx_llmops_json_scan(&scan, json->data, json->len)
           == NGX_LLMOPS_JSON_OK
           && ngx_llmops_json_scan_done(&scan) == NGX_LLMOPS_JSON_OK;
}


static void
fuzz_render(ngx_llmops_template_t *t, ngx_llmops_value_t *data)
{
    size_t             work;
    ngx_int_t          rc;
    const char        *reason;
    ngx_llmops_out_t   out;

    work = 0;
    ngx_llmops_out_init(&out, FUZZ_OUT);

    rc = ngx_llmops_mustache_render(t, data, &out, &work, &reason);

    fuzz_check(rc == NGX_OK || rc == NGX_DECLINED);

    if (rc == NGX_OK) {
        fuzz_string(&out);
    }

    ngx_llmops_out_free(&out);
}


int
LLVMFuzzerTestOneInput(const u_char *data, size_t size)
{
    u_char                       *copy, *nul;
    ngx_str_t                     json;
    ngx_llmops_arena_t            arena;
    ngx_llmops_value_t           *v;
    ngx_llmops_template_t         t, partial;
    ngx_llmops_mustache_error_t   err;

    copy = malloc(size + 1);
    memcpy(copy, data, size);
    copy[size] = '\0';

    nul = memchr(copy, '\0', size + 1);
    json.data = nul + 1;
    json.len = (nul < copy + size) ? copy + size - json.data : 0;

    ngx_llmops_arena_init(&arena, 1024 * 1024);

    memset(&t, 0, sizeof(ngx_llmops_template_t));
    t.source.data = copy;
    t.source.len = nul - copy;
    t.xml = size & 1;

    partial = t;
    ngx_str_set(&partial.name, "p");

    if (ngx_llmops_mustache_compile(&t, &partial, &arena, &err) == NGX_OK
        && ngx_llmops_mustache_compile(&partial, &partial, &arena, &err)
           == NGX_OK
        && fuzz_valid(&json))
    {
        v = ngx_llmops_value_parse(&arena, &json);

        if (v) {
            fuzz_render(&t, v);
            ngx_llmops_value_distrust(v);
            fuzz_render(&t, v);
        }
    }

    ngx_llmops_arena_free(&arena);
    free(copy);

    return 0;
}
