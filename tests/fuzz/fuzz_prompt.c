
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "fuzz.h"
#include "ngx_llmops_prompt.h"


/*
 * The input is a prompt, a caller's variables and its body, with a NUL between
 * each.  What can be read never crashes, and the body that is made of a valid
 * one is valid JSON, in each of the three APIs.
 */


static ngx_uint_t
fuzz_valid(u_char *p, size_t len)
{
    ngx_llmops_json_scan_t  scan;

    ngx_llmops_json_scan_init(&scan, NULL, NULL, 0, NULL, 0);

    return ngx_llmops_json_scan(&scan, p, len) == NGX_LLMOPS_JSON_OK
           && ngx_llmops_json_scan_done(&scan) == NGX_LLMOPS_JSON_OK;
}


static void
fuzz_body(ngx_llmops_prompt_t *p, ngx_llmops_value_t *values, ngx_str_t *body)
{
    ngx_uint_t                  i;
    ngx_llmops_out_t            out;
    ngx_llmops_error_t          err;
    ngx_llmops_decorator_t      d;
    ngx_llmops_prompt_build_t   build;

    memset(&d, 0, sizeof(ngx_llmops_decorator_t));
    memset(&build, 0, sizeof(ngx_llmops_prompt_build_t));

    ngx_str_set(&d.role, "system");
    d.text = *body;

    build.prompt = p;
    build.values = values;
    build.decorators = &d;
    build.ndecorators = 1;

    for (i = 0; i < NGX_LLMOPS_FORM_MAX; i++) {
        build.form = i;
        build.count = i & 1;

        ngx_llmops_out_init(&out, 65536);

        if (ngx_llmops_prompt_body(&build, body, &out, &err) == NGX_OK) {
            fuzz_check(fuzz_valid(out.data, out.len));

        } else {
            fuzz_check(err.message.len > 0);
        }

        ngx_llmops_out_free(&out);
    }
}


int
LLVMFuzzerTestOneInput(const u_char *data, size_t size)
{
    u_char                     *copy, *end;
    ngx_str_t                   part[3], name = ngx_string("p");
    ngx_uint_t                  i;
    ngx_llmops_error_t          err;
    ngx_llmops_value_t         *v;
    ngx_llmops_arena_t          arena;
    ngx_llmops_prompt_t        *p;
    ngx_llmops_prompt_error_t   fault;

    copy = malloc(size + 1);
    memcpy(copy, data, size);
    copy[size] = '\0';

    end = copy;

    for (i = 0; i < 3; i++) {
        part[i].data = end;
        end = memchr(end, '\0', copy + size + 1 - end);
        part[i].len = end - part[i].data;
        end += (end < copy + size);
    }

    p = ngx_llmops_prompt_parse(&name, &name, &part[0], &fault);

    if (p == NULL) {
        fuzz_check(fault.line > 0 && fault.text[0]);
        free(copy);
        return 0;
    }

    ngx_llmops_arena_init(&arena, 1024 * 1024);

    v = NULL;

    if (fuzz_valid(part[1].data, part[1].len)) {
        v = ngx_llmops_value_parse(&arena, &part[1]);
    }

    v = ngx_llmops_prompt_check(p, v, &arena, &err);

    if (v && fuzz_valid(part[2].data, part[2].len)) {
        fuzz_body(p, v, &part[2]);
        fuzz_body(NULL, NULL, &part[2]);
    }

    ngx_llmops_arena_free(&arena);
    ngx_llmops_prompt_release(p);
    free(copy);

    return 0;
}
