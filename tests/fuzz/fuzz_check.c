
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "fuzz.h"
#include "check_run.h"


/* A stream in pieces gives what it gives in one. */


static void
pieces(check_rules_t *rules, ngx_llmops_op_e op, const u_char *sizes,
    const u_char *p, size_t len, check_result_t *r)
{
    size_t               n;
    u_char              *copy;
    ngx_str_t            request;
    ngx_uint_t           i;
    ngx_llmops_check_t  *check;

    memset(r, 0, sizeof(check_result_t));
    ngx_llmops_out_init(&r->out, 1024 * 1024);

    check = ngx_llmops_check_create(&rules->rules, op);

    ngx_str_set(&request, CHECK_REQUEST);
    fuzz_check(ngx_llmops_check_request(check, &request, NULL) == NGX_OK);

    for (i = 0; len && r->rc == NGX_OK; i++) {
        n = fuzz_piece(sizes, i, len);
        copy = malloc(n + !n);
        memcpy(copy, p, n);

        r->rc = ngx_llmops_check_events(check, copy, n, &r->out);

        free(copy);
        p += n;
        len -= n;
    }

    if (r->rc == NGX_OK) {
        r->rc = ngx_llmops_check_end(check, &r->out);
    }

    r->noted = ngx_llmops_check_noted(check);
    r->broken = ngx_llmops_check_broken(check);

    ngx_llmops_check_free(check);
}


int
LLVMFuzzerTestOneInput(const u_char *data, size_t size)
{
    const u_char     *p;
    ngx_llmops_op_e   op;
    check_rules_t    *rules;
    check_result_t    whole, r;

    static check_rules_t  sets[4];

    static const ngx_llmops_op_e  ops[] = {
        NGX_LLMOPS_OP_CHAT, NGX_LLMOPS_OP_MESSAGES, NGX_LLMOPS_OP_COMPLETIONS,
        NGX_LLMOPS_OP_RESPONSES
    };

    if (size < FUZZ_SIZES + 1) {
        return 0;
    }

    if (sets[0].rules.rules == NULL) {
        check_setup(&sets[0], 0, 0);
        check_setup(&sets[1], 1, 0);
        check_setup(&sets[2], 1, CHECK_FENCES);
        check_setup(&sets[3], 1, CHECK_REPAIR);
    }

    p = data + FUZZ_SIZES + 1;
    size -= FUZZ_SIZES + 1;

    rules = &sets[data[FUZZ_SIZES] % 4];
    op = ops[data[FUZZ_SIZES] / 4 % 4];

    check_stream(rules, op, (const char *) p, size, size + 1, &whole);
    pieces(rules, op, data, p, size, &r);

    fuzz_check(r.rc == whole.rc && r.noted == whole.noted
               && r.broken == whole.broken);
    fuzz_check(r.out.len == whole.out.len
               && (r.out.len == 0
                   || memcmp(r.out.data, whole.out.data, r.out.len) == 0));

    check_release(&whole);
    check_release(&r);

    check_body(rules, op, (const char *) p, size, &r);
    check_release(&r);

    return 0;
}
