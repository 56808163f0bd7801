
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <string.h>
#include "ngx_llmops_jtok_state.h"


/*
 * What a document lacks that was cut somewhere: the rest of a literal, a quote,
 * a value for a member that has only its name, and all brackets.
 */


static ngx_int_t ngx_llmops_jtok_close_value(ngx_llmops_jtok_t *t,
    ngx_llmops_out_t *out);


ngx_int_t
ngx_llmops_jtok_closers(ngx_llmops_jtok_t *t, ngx_llmops_out_t *out)
{
    ngx_uint_t  i;

    if (t->error || t->offset == 0
        || ngx_llmops_jtok_close_value(t, out) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    for (i = t->depth; i-- > 0; /* void */ ) {
        if (t->object[i / 8] & (1 << i % 8)) {
            (void) ngx_llmops_out_lit(out, "}");

        } else {
            (void) ngx_llmops_out_lit(out, "]");
        }
    }

    return out->failed ? NGX_DECLINED : NGX_OK;
}


static void
ngx_llmops_jtok_close_string(ngx_llmops_jtok_t *t, ngx_llmops_out_t *out)
{
    (void) ngx_llmops_out_lit(out, "\"");

    if (t->is_key) {
        (void) ngx_llmops_out_lit(out, ":null");
    }
}


static ngx_int_t
ngx_llmops_jtok_close_value(ngx_llmops_jtok_t *t, ngx_llmops_out_t *out)
{
    ngx_uint_t  i;

    switch (t->state) {

    case NGX_LLMOPS_JTOK_S_STRING:
        ngx_llmops_jtok_close_string(t, out);
        return NGX_OK;

    case NGX_LLMOPS_JTOK_S_ESCAPE:
        (void) ngx_llmops_out_lit(out, "\\");
        ngx_llmops_jtok_close_string(t, out);
        return NGX_OK;

    case NGX_LLMOPS_JTOK_S_HEX:

        for (i = 0; i < t->left; i++) {
            (void) ngx_llmops_out_lit(out, "0");
        }

        ngx_llmops_jtok_close_string(t, out);
        return NGX_OK;

    case NGX_LLMOPS_JTOK_S_NUMBER:

        if (t->number == NGX_LLMOPS_JTOK_N_MINUS
            || t->number == NGX_LLMOPS_JTOK_N_POINT
            || t->number == NGX_LLMOPS_JTOK_N_EXP
            || t->number == NGX_LLMOPS_JTOK_N_SIGN)
        {
            (void) ngx_llmops_out_lit(out, "0");
        }

        return NGX_OK;

    case NGX_LLMOPS_JTOK_S_LITERAL:
        (void) ngx_llmops_out_write(out, t->literal, strlen(t->literal));
        return NGX_OK;

    case NGX_LLMOPS_JTOK_S_COLON:
        (void) ngx_llmops_out_lit(out, ":null");
        return NGX_OK;

    case NGX_LLMOPS_JTOK_S_VALUE:
        (void) ngx_llmops_out_lit(out, "null");
        return NGX_OK;

    case NGX_LLMOPS_JTOK_S_FIRST_VALUE:
    case NGX_LLMOPS_JTOK_S_FIRST_KEY:
    case NGX_LLMOPS_JTOK_S_AFTER:
    case NGX_LLMOPS_JTOK_S_END:
        return NGX_OK;

    default:                        /* half a character, a comma */
        return NGX_DECLINED;
    }
}


ngx_uint_t
ngx_llmops_jtok_in_text(ngx_llmops_jtok_t *t)
{
    return t->state >= NGX_LLMOPS_JTOK_S_STRING
           && t->state <= NGX_LLMOPS_JTOK_S_UTF8;
}
