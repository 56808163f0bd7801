
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_limit.h"
#include "ngx_llmops_call.h"


/*
 * How many answers a request asks for: each of them may have max_tokens.  A
 * request for completions may have many prompts, and gets n answers to each.
 *
 * They are counted where they stand in the body, which may be a file: nothing
 * is copied, and of texts only their ends are looked for.  The body has been
 * found to be JSON before.
 */


typedef struct {
    size_t                     offset;     /* of the next piece */
    size_t                     start;      /* of the prompts */
    size_t                     end;
    int64_t                    n;          /* elements */
    ngx_uint_t                 depth;
    unsigned                   list:1;     /* of texts, or of lists of tokens */
    unsigned                   string:1;   /* inside of one */
    unsigned                   escape:1;   /* behind a backslash */
} ngx_llmops_prompts_t;


static int64_t ngx_llmops_limit_prompts(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static ngx_int_t ngx_llmops_prompts_piece(void *data, u_char *p, size_t len);
static ngx_int_t ngx_llmops_prompts_byte(ngx_llmops_prompts_t *pr, u_char ch);
static u_char *ngx_llmops_prompts_string(ngx_llmops_prompts_t *pr, u_char *p,
    u_char *last);


int64_t
ngx_llmops_limit_choices(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    int64_t  n;

    n = ngx_max(ctx->env.n, 1);

    if (ctx->env.op != NGX_LLMOPS_OP_COMPLETIONS || ctx->env.prompt_end == 0) {
        return n;
    }

    return ngx_llmops_limit_times(n, ngx_llmops_limit_prompts(r, ctx));
}


int64_t
ngx_llmops_limits_choices(ngx_llmops_ctx_t *ctx)
{
    return ctx->limits ? ctx->limits->choices : ngx_max(ctx->env.n, 1);
}


static int64_t
ngx_llmops_limit_prompts(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_prompts_t  pr;

    ngx_memzero(&pr, sizeof(ngx_llmops_prompts_t));

    pr.start = ctx->env.prompt_start;
    pr.end = ctx->env.prompt_end;

    if (ctx->memory.data) {
        (void) ngx_llmops_prompts_piece(&pr, ctx->memory.data,
                                        ctx->memory.len);

    } else if (ngx_llmops_body_each(r, ngx_llmops_prompts_piece, &pr)
               == NGX_ERROR)
    {
        return NGX_LLMOPS_LIMIT_MOST;        /* it cannot be read */
    }

    return ngx_max(pr.n, 1);
}


/* NGX_DONE: there is no more to see */

static ngx_int_t
ngx_llmops_prompts_piece(void *data, u_char *p, size_t len)
{
    ngx_llmops_prompts_t *pr = data;

    u_char  *last;
    size_t   offset;

    offset = pr->offset;
    pr->offset += len;

    if (offset >= pr->end) {
        return NGX_DONE;
    }

    if (pr->offset <= pr->start) {
        return NGX_OK;
    }

    last = p + ngx_min(len, pr->end - offset);

    if (offset < pr->start) {
        p += pr->start - offset;
    }

    while (p < last) {

        if (pr->string) {
            p = ngx_llmops_prompts_string(pr, p, last);
            continue;
        }

        if (ngx_llmops_prompts_byte(pr, *p++) != NGX_OK) {
            return NGX_DONE;
        }
    }

    return NGX_OK;
}


/* outside of texts; NGX_DONE: it is one prompt */

static ngx_int_t
ngx_llmops_prompts_byte(ngx_llmops_prompts_t *pr, u_char ch)
{
    if (ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n') {
        return NGX_OK;
    }

    if (pr->depth == 0 && ch != '[') {
        return NGX_DONE;                     /* a text */
    }

    if (pr->depth == 1 && !pr->list) {

        if (ch != '"' && ch != '[') {
            return NGX_DONE;                 /* tokens, or none */
        }

        pr->list = 1;
        pr->n = 1;
    }

    switch (ch) {

    case '"':
        pr->string = 1;
        break;

    case '[':
    case '{':
        pr->depth++;
        break;

    case ']':
    case '}':
        pr->depth--;
        break;

    case ',':
        pr->n += (pr->depth == 1);
        break;
    }

    return NGX_OK;
}


/* inside of a text: returns where to go on, behind it or at last */

static u_char *
ngx_llmops_prompts_string(ngx_llmops_prompts_t *pr, u_char *p, u_char *last)
{
    u_char  *quote, *end, *slash;

    if (pr->escape) {
        pr->escape = 0;
        return p + 1;
    }

    quote = memchr(p, '"', last - p);
    end = quote ? quote : last;

    for (slash = end; slash > p && slash[-1] == '\\'; slash--) { /* void */ }

    if (quote == NULL) {
        pr->escape = (end - slash) & 1;
        return last;
    }

    pr->string = (end - slash) & 1;

    return quote + 1;
}
