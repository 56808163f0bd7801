
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_rules.h"


/*
 * The same target once more, told what was wrong: its answer, as a turn of the
 * assistant, and the reason, as one of the user, come behind the messages of
 * the request, or the input of responses.  Of several tries only the last is
 * told of, so that a request grows by no more than one answer.  Where there are
 * no messages (completions) the request is sent again as it was.
 */


/* where turns go: responses have them in "input", or a text instead of all */

typedef struct {
    size_t                     start;      /* of a text, raw */
    size_t                     end;        /* the offset of "]", or its end */
    unsigned                   text:1;
    unsigned                   some:1;     /* there are turns */
} ngx_llmops_retry_place_t;


static ngx_int_t
ngx_llmops_retry_place(ngx_llmops_op_e op, ngx_str_t *body,
    ngx_llmops_retry_place_t *place)
{
    ngx_str_t               key, value, turn;
    ngx_llmops_json_iter_t  it, turns;

    if (ngx_llmops_json_object(&it, body) != NGX_OK) {
        return NGX_DECLINED;
    }

    ngx_memzero(place, sizeof(ngx_llmops_retry_place_t));

    while (ngx_llmops_json_next(&it, &key, &value) == NGX_OK) {

        if (op == NGX_LLMOPS_OP_RESPONSES
            ? (key.len != 5 || ngx_memcmp(key.data, "input", 5) != 0)
            : (key.len != 8 || ngx_memcmp(key.data, "messages", 8) != 0))
        {
            continue;
        }

        place->start = value.data - body->data;
        place->end = place->start + value.len;

        if (value.data[0] == '"' && op == NGX_LLMOPS_OP_RESPONSES) {
            place->text = 1;
            place->some = 1;
            return NGX_OK;
        }

        if (ngx_llmops_json_array(&turns, &value) != NGX_OK) {
            continue;
        }

        place->end--;
        place->some = (ngx_llmops_json_next(&turns, NULL, &turn) == NGX_OK);

        return NGX_OK;
    }

    return NGX_DECLINED;
}


static void
ngx_llmops_retry_turns(ngx_llmops_ctx_t *ctx, ngx_uint_t some,
    ngx_llmops_out_t *out)
{
    ngx_str_t         said;
    ngx_llmops_out_t  reason;

    said = ngx_llmops_check_said(ctx->call.check);

    if (said.len) {
        if (some) {
            (void) ngx_llmops_out_lit(out, ",");
        }

        (void) ngx_llmops_out_lit(out, "{\"role\":\"assistant\","
                                  "\"content\":");
        (void) ngx_llmops_out_json(out, said.data, said.len);
        (void) ngx_llmops_out_lit(out, "}");
    }

    if (some || said.len) {
        (void) ngx_llmops_out_lit(out, ",");
    }

    ngx_llmops_out_init(&reason, 4096);

    ngx_llmops_check_reason(ctx->call.check, &reason);
    (void) ngx_llmops_out_lit(&reason, " Answer again, and give nothing but "
                              "the corrected answer.");

    (void) ngx_llmops_out_lit(out, "{\"role\":\"user\",\"content\":");
    (void) ngx_llmops_out_json(out, reason.data, reason.len);
    (void) ngx_llmops_out_lit(out, "}");

    ngx_llmops_out_free(&reason);
}


/* a text becomes the first turn */

static void
ngx_llmops_retry_text(ngx_llmops_out_t *out, ngx_str_t *body,
    ngx_llmops_retry_place_t *place)
{
    (void) ngx_llmops_out_lit(out, "[{\"role\":\"user\",\"content\":");
    (void) ngx_llmops_out_write(out, body->data + place->start,
                                place->end - place->start);
    (void) ngx_llmops_out_lit(out, "}");
}


static ngx_int_t
ngx_llmops_retry_body(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_ruling_t *ruling)
{
    u_char                    *p;
    size_t                     head;
    ngx_str_t                  body;
    ngx_llmops_out_t           turns;
    ngx_llmops_retry_place_t   place;

    if (ngx_llmops_retry_place(ctx->env.op, &ruling->body, &place) != NGX_OK) {
        return NGX_OK;
    }

    ngx_llmops_out_init(&turns, ruling->body.len + 8 * NGX_LLMOPS_CHECK_SAID);

    if (place.text) {
        ngx_llmops_retry_text(&turns, &ruling->body, &place);
    }

    ngx_llmops_retry_turns(ctx, place.some, &turns);

    if (place.text) {
        (void) ngx_llmops_out_lit(&turns, "]");
    }

    head = place.text ? place.start : place.end;

    body.len = head + turns.len + ruling->body.len - place.end;
    body.data = ngx_pnalloc(r->pool, body.len);

    if (body.data == NULL || turns.failed) {
        ngx_llmops_out_free(&turns);
        return NGX_ERROR;
    }

    p = ngx_cpymem(body.data, ruling->body.data, head);
    p = ngx_cpymem(p, turns.data, turns.len);
    ngx_memcpy(p, ruling->body.data + place.end,
               ruling->body.len - place.end);

    ngx_llmops_out_free(&turns);

    ruling->told = 1;

    return ngx_llmops_rules_body(r, ctx, &body);
}


/* nobody else is told */

static ngx_int_t
ngx_llmops_retry_over(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_ruling_t  *ruling;

    ruling = ctx->ruling;

    if (ruling == NULL || !ruling->told) {
        return NGX_DECLINED;
    }

    ruling->told = 0;

    return ngx_llmops_rules_body(r, ctx, &ruling->body) == NGX_OK
           ? NGX_DECLINED : NGX_ERROR;
}


ngx_int_t
ngx_llmops_rules_retry(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_rule_t *rule)
{
    ngx_msec_t            timeout;
    ngx_llmops_ruling_t  *ruling;

    timeout = ctx->plan.route->retry_timeout;

    if (rule == NULL || rule->retries == 0
        || (timeout && ngx_current_msec - ctx->start >= timeout))
    {
        return ngx_llmops_retry_over(r, ctx);
    }

    ruling = ngx_llmops_ruling(r, ctx);
    if (ruling == NULL) {
        return NGX_ERROR;
    }

    if (ruling->tries >= rule->retries) {
        return ngx_llmops_retry_over(r, ctx);
    }

    if (ruling->body.data == NULL
        && ngx_llmops_body_memory(r, ctx, &ruling->body) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ruling->tries++;

    return ngx_llmops_retry_body(r, ctx, ruling);
}


/* what the rest of the way knows of the body must be of this one */

ngx_int_t
ngx_llmops_rules_body(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_str_t *body)
{
    ngx_llmops_error_t  err;

    ctx->memory = *body;

    return ngx_llmops_read_again(r, ctx, &err) == NGX_OK
           ? NGX_OK : NGX_ERROR;
}
