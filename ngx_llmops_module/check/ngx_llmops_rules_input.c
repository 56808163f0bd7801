
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_json_text.h"
#include "ngx_llmops_error.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_rules.h"


/*
 * Rules on a request, before its plan is made.  All strings of the body are
 * its text, wherever they stand, since a model may be shown any of them; but
 * not the bytes of pictures and files, nor signatures.  The body is written
 * anew only if something in it changes.
 */


#define NGX_LLMOPS_INPUT_EDITS  65536


/* [start, end) of the body becomes the text at offset, as it is */

typedef struct {
    size_t                     start;
    size_t                     end;
    size_t                     offset;
    size_t                     len;
} ngx_llmops_input_edit_t;


typedef struct {
    ngx_http_request_t        *r;
    ngx_llmops_ctx_t          *ctx;
    ngx_llmops_ruled_t        *ruled;
    ngx_str_t                  body;
    ngx_llmops_out_t           text;       /* a string, decoded */
    ngx_llmops_out_t           clean;      /* the same, redacted */
    ngx_llmops_out_t           edited;     /* as JSON */
    ngx_array_t                edits;
    uint64_t                   found;
    ngx_llmops_rule_t         *denied;
    ngx_llmops_reverse_t      *reverse;    /* or NULL */
    ngx_str_t                  forbidden;
    unsigned                   capped:1;   /* the body bounds its answer */
} ngx_llmops_input_t;


static ngx_int_t ngx_llmops_input_reverse(ngx_llmops_input_t *in);
static ngx_int_t ngx_llmops_input_bounds(ngx_llmops_input_t *in);
static ngx_int_t ngx_llmops_input_read(ngx_llmops_input_t *in);
static ngx_int_t ngx_llmops_input_member(ngx_llmops_input_t *in,
    ngx_str_t *key, ngx_str_t *value);
static ngx_int_t ngx_llmops_input_walk(ngx_llmops_input_t *in,
    ngx_str_t *value, ngx_uint_t depth);
static ngx_int_t ngx_llmops_input_string(ngx_llmops_input_t *in,
    ngx_str_t *value);
static ngx_int_t ngx_llmops_input_cap(ngx_llmops_input_t *in);
static ngx_int_t ngx_llmops_input_verdict(ngx_llmops_input_t *in,
    ngx_int_t rc);
static ngx_int_t ngx_llmops_input_rewrite(ngx_llmops_input_t *in);


ngx_int_t
ngx_llmops_rules_request(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_route_t *route)
{
    ngx_int_t           rc;
    ngx_llmops_input_t  in;

    if (!ctx->env.json) {

        if (route->ruled->input.nrules || route->ruled->output.nrules
            || route->ruled->asks)
        {
            return ngx_llmops_deny_text(r, ctx,
                                        NGX_LLMOPS_ERR_INVALID_REQUEST, "",
                                        "the rules of this model do not "
                                        "allow requests that are not JSON");
        }

        return NGX_OK;
    }

    ngx_memzero(&in, sizeof(ngx_llmops_input_t));

    in.r = r;
    in.ctx = ctx;
    in.ruled = route->ruled;
    in.capped = (route->ruled->max_tokens == 0);

    rc = ngx_llmops_input_bounds(&in);

    if (rc != NGX_OK) {
        return rc;
    }

    if (route->ruled->input.nrules == 0 && route->ruled->forbidden.nelts == 0
        && in.capped)
    {
        return NGX_OK;
    }

    if (ngx_llmops_body_memory(r, ctx, &in.body) != NGX_OK
        || ngx_llmops_input_reverse(&in) != NGX_OK
        || ngx_array_init(&in.edits, r->pool, 4,
                          sizeof(ngx_llmops_input_edit_t))
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_llmops_out_init(&in.text, in.body.len + 1);
    ngx_llmops_out_init(&in.clean, in.body.len * 8 + 65536);
    ngx_llmops_out_init(&in.edited, in.body.len * 8 + 65536);

    rc = ngx_llmops_input_read(&in);
    rc = ngx_llmops_input_verdict(&in, rc);

    ngx_llmops_out_free(&in.text);
    ngx_llmops_out_free(&in.clean);
    ngx_llmops_out_free(&in.edited);

    return rc;
}


static ngx_int_t
ngx_llmops_input_bounds(ngx_llmops_input_t *in)
{
    int64_t                 tokens;
    ngx_llmops_ctx_t       *ctx;
    ngx_llmops_ruled_t     *ruled;

    ctx = in->ctx;
    ruled = in->ruled;

    if ((ruled->output.nrules || ruled->ask_output || ruled->ask_after)
        && !ngx_llmops_check_op(ctx->env.op)
        && ctx->env.op != NGX_LLMOPS_OP_EMBEDDINGS
        && ctx->env.op != NGX_LLMOPS_OP_MODERATIONS
        && ctx->env.op != NGX_LLMOPS_OP_RERANK
        && ctx->env.op != NGX_LLMOPS_OP_COUNT_TOKENS)
    {
        /* its answers have text that nobody would look at */

        return ngx_llmops_deny_text(in->r, ctx,
                                    NGX_LLMOPS_ERR_INVALID_REQUEST,
                                    "unsupported_operation",
                                    "the rules of this model do not allow %V",
                                    &ctx->env.path);
    }

    if (ruled->max_size && ctx->env.body_len > ruled->max_size) {
        return ngx_llmops_deny_text(in->r, ctx, NGX_LLMOPS_ERR_TOO_LARGE,
                                    "", "the request has %uz bytes, at most "
                                    "%uz are allowed", ctx->env.body_len,
                                    ruled->max_size);
    }

    tokens = ngx_llmops_estimate_input(&ctx->env);

    if (ruled->max_input && tokens > ruled->max_input) {
        return ngx_llmops_deny_text(in->r, ctx, NGX_LLMOPS_ERR_CONTEXT_LENGTH,
                                    "", "the prompt has about %L tokens, at "
                                    "most %L are allowed", tokens,
                                    ruled->max_input);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_input_read(ngx_llmops_input_t *in)
{
    ngx_int_t               rc;
    ngx_str_t               key, value;
    ngx_llmops_json_iter_t  it;

    if (ngx_llmops_json_object(&it, &in->body) != NGX_OK) {
        return NGX_ERROR;
    }

    while ((rc = ngx_llmops_json_next(&it, &key, &value)) == NGX_OK) {
        rc = ngx_llmops_input_member(in, &key, &value);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return rc == NGX_DONE ? NGX_OK : NGX_ERROR;
}


/* a key, however it is spelled */

static ngx_uint_t
ngx_llmops_input_is(ngx_str_t *key, const u_char *name, size_t len)
{
    size_t  n;
    u_char  buf[64];

    if (key->len == len) {
        return ngx_memcmp(key->data, name, len) == 0;
    }

    return key->len > len
           && ngx_llmops_json_decode(key->data, key->len, buf, sizeof(buf),
                                     &n) == NGX_OK
           && n == len && ngx_memcmp(buf, name, len) == 0;
}


#define ngx_llmops_input_named(key, name)                                     \
    ngx_llmops_input_is(key, (u_char *) name, sizeof(name) - 1)


static ngx_int_t
ngx_llmops_input_edit(ngx_llmops_input_t *in, u_char *p, size_t len,
    size_t offset)
{
    ngx_llmops_input_edit_t  *edit;

    if (in->edited.failed || in->edits.nelts == NGX_LLMOPS_INPUT_EDITS) {
        return NGX_ERROR;
    }

    edit = ngx_array_push(&in->edits);
    if (edit == NULL) {
        return NGX_ERROR;
    }

    edit->start = p - in->body.data;
    edit->end = edit->start + len;
    edit->offset = offset;
    edit->len = in->edited.len - offset;

    return NGX_OK;
}


/* a member of the outermost object */

static ngx_int_t
ngx_llmops_input_member(ngx_llmops_input_t *in, ngx_str_t *key,
    ngx_str_t *value)
{
    size_t       offset;
    int64_t      n;
    ngx_str_t   *names;
    ngx_uint_t   i;

    names = in->ruled->forbidden.elts;

    for (i = 0; i < in->ruled->forbidden.nelts; i++) {
        if (ngx_llmops_input_is(key, names[i].data, names[i].len)
            && !(value->len == 4 && ngx_memcmp(value->data, "null", 4) == 0))
        {
            in->forbidden = names[i];
            return NGX_DECLINED;
        }
    }

    if (in->ruled->max_tokens
        && (ngx_llmops_input_named(key, "max_tokens")
            || ngx_llmops_input_named(key, "max_completion_tokens")
            || ngx_llmops_input_named(key, "max_output_tokens")))
    {
        if (ngx_llmops_json_count(value, &n) == NGX_OK
            && n <= in->ruled->max_tokens)
        {
            in->capped = 1;
            return NGX_OK;
        }

        offset = in->edited.len;
        in->capped = 1;

        (void) ngx_llmops_out_int(&in->edited, in->ruled->max_tokens);

        return ngx_llmops_input_edit(in, value->data, value->len, offset);
    }

    if (in->ruled->input.nrules == 0
        || ngx_llmops_input_named(key, "model"))
    {
        return NGX_OK;
    }

    return ngx_llmops_input_walk(in, value, 0);
}


static ngx_uint_t
ngx_llmops_input_skips(ngx_str_t *key, ngx_str_t *value)
{
    if (ngx_llmops_input_named(key, "data")
        || ngx_llmops_input_named(key, "file_data")
        || ngx_llmops_input_named(key, "signature")
        || ngx_llmops_input_named(key, "encrypted_content"))
    {
        return value->data[0] == '"';
    }

    return value->len > 6 && ngx_memcmp(value->data, "\"data:", 6) == 0
           && ngx_llmops_input_named(key, "url");
}


static ngx_int_t
ngx_llmops_input_walk(ngx_llmops_input_t *in, ngx_str_t *value,
    ngx_uint_t depth)
{
    ngx_int_t               rc;
    ngx_str_t               key, v;
    ngx_uint_t              object;
    ngx_llmops_json_iter_t  it;

    if (value->data[0] == '"') {
        return ngx_llmops_input_string(in, value);
    }

    if (depth > NGX_LLMOPS_JSON_MAX_DEPTH) {
        return NGX_ERROR;               /* the envelope has refused those */
    }

    object = (value->data[0] == '{');

    if (object) {
        rc = ngx_llmops_json_object(&it, value);

    } else if (value->data[0] == '[') {
        rc = ngx_llmops_json_array(&it, value);

    } else {
        return NGX_OK;
    }

    while (rc == NGX_OK) {
        rc = ngx_llmops_json_next(&it, object ? &key : NULL, &v);

        if (rc != NGX_OK || (object && ngx_llmops_input_skips(&key, &v))) {
            continue;
        }

        rc = ngx_llmops_input_walk(in, &v, depth + 1);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return rc == NGX_DONE ? NGX_OK : NGX_ERROR;
}


static void
ngx_llmops_input_map(void *data, ngx_llmops_pattern_t *p, const u_char *text,
    size_t len, ngx_llmops_out_t *out)
{
    ngx_llmops_reverse_put(data, &p->name, text, len, out);
}


/* the answers of these have texts to put values back into */

static ngx_int_t
ngx_llmops_input_reverse(ngx_llmops_input_t *in)
{
    ngx_uint_t            i;
    ngx_llmops_rules_t   *rules;
    ngx_llmops_ruling_t  *ruling;

    rules = &in->ruled->input;

    for (i = 0; i < rules->nrules; i++) {
        if (rules->rules[i].reversible) {
            break;
        }
    }

    if (i == rules->nrules || !ngx_llmops_check_op(in->ctx->env.op)) {
        return NGX_OK;
    }

    ruling = ngx_llmops_ruling(in->r, in->ctx);
    if (ruling == NULL) {
        return NGX_ERROR;
    }

    ruling->reverse = ngx_llmops_reverse_create(&in->body);
    in->reverse = ruling->reverse;

    return in->reverse ? NGX_OK : NGX_ERROR;
}


/* a string and its patterns; NGX_DECLINED: one is denied */

static ngx_int_t
ngx_llmops_input_string(ngx_llmops_input_t *in, ngx_str_t *value)
{
    size_t                  n, offset;
    ngx_int_t               rc;
    ngx_llmops_window_t    *w;
    ngx_llmops_patterns_t  *set;

    set = in->ruled->input.sets[NGX_LLMOPS_TEXT_CONTENT];

    ngx_llmops_out_reset(&in->text);
    ngx_llmops_out_reset(&in->clean);

    if (set == NULL || value->len == 2) {
        return NGX_OK;
    }

    /* only for the room: decoded it is no longer */

    if (ngx_llmops_out_write(&in->text, value->data, value->len) != NGX_OK
        || ngx_llmops_json_decode(value->data + 1, value->len - 2,
                                  in->text.data, in->text.size, &n)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    w = ngx_llmops_window_create(set);
    if (w == NULL) {
        return NGX_ERROR;
    }

    if (in->reverse) {
        ngx_llmops_window_map(w, ngx_llmops_input_map, in->reverse);
    }

    rc = ngx_llmops_window_feed(w, in->text.data, n, 1, &in->clean);

    if (in->reverse && ngx_llmops_reverse_failed(in->reverse)) {
        rc = NGX_ERROR;
    }

    in->found |= ngx_llmops_window_found(w);

    if (rc == NGX_DECLINED) {
        in->denied = &in->ruled->input.rules[ngx_llmops_window_denied(w)];
    }

    ngx_llmops_window_free(w);

    if (rc != NGX_OK
        || (in->clean.len == n
            && ngx_memcmp(in->clean.data, in->text.data, n) == 0))
    {
        return rc;
    }

    offset = in->edited.len;

    (void) ngx_llmops_out_json(&in->edited, in->clean.data, in->clean.len);

    return ngx_llmops_input_edit(in, value->data, value->len, offset);
}


/* a request that does not bound its answer is given the bound */

static ngx_int_t
ngx_llmops_input_cap(ngx_llmops_input_t *in)
{
    size_t                    offset;
    ngx_llmops_input_edit_t  *edits, *edit;

    if (in->capped || !ngx_llmops_check_op(in->ctx->env.op)) {
        return NGX_OK;
    }

    offset = in->edited.len;

    if (in->ctx->env.op == NGX_LLMOPS_OP_CHAT) {
        (void) ngx_llmops_out_lit(&in->edited, "\"max_completion_tokens\":");

    } else {
        (void) ngx_llmops_out_lit(&in->edited, "\"max_tokens\":");
    }

    (void) ngx_llmops_out_int(&in->edited, in->ruled->max_tokens);

    if (!in->ctx->env.empty) {
        (void) ngx_llmops_out_lit(&in->edited, ",");
    }

    if (ngx_llmops_input_edit(in, in->body.data + in->ctx->env.open + 1, 0,
                              offset)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* it is the first one */

    edits = in->edits.elts;
    edit = &edits[in->edits.nelts - 1];

    for ( /* void */ ; edit > edits; edit--) {
        ngx_llmops_input_edit_t  last = *edit;

        edit[0] = edit[-1];
        edit[-1] = last;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_input_verdict(ngx_llmops_input_t *in, ngx_int_t rc)
{
    ngx_uint_t           i;
    ngx_llmops_rules_t  *rules;

    rules = &in->ruled->input;

    for (i = 0; i < rules->nrules; i++) {
        if (in->found >> i & 1) {
            ngx_llmops_rules_note(in->ctx, &rules->rules[i],
                                  rules->rules[i].action, 1);
        }
    }

    if (rc == NGX_DECLINED && in->denied) {
        ngx_llmops_rules_note(in->ctx, in->denied, NGX_LLMOPS_ACT_STOP, 1);

        return ngx_llmops_deny_text(in->r, in->ctx,
                                    NGX_LLMOPS_ERR_CONTENT_POLICY, "",
                                    "the request was refused by rule \"%V\"",
                                    &in->denied->name);
    }

    if (rc == NGX_DECLINED) {
        return ngx_llmops_deny_text(in->r, in->ctx,
                                    NGX_LLMOPS_ERR_INVALID_REQUEST, "",
                                    "the parameter \"%V\" is not allowed "
                                    "for this model", &in->forbidden);
    }

    if (rc != NGX_OK || ngx_llmops_input_cap(in) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (in->edits.nelts == 0) {
        return NGX_OK;
    }

    return ngx_llmops_input_rewrite(in) == NGX_OK
           ? NGX_OK : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


static ngx_int_t
ngx_llmops_input_rewrite(ngx_llmops_input_t *in)
{
    u_char                      *p;
    size_t                       len, at;
    ngx_str_t                    body;
    ngx_uint_t                   i;
    ngx_llmops_input_edit_t     *e;

    e = in->edits.elts;
    len = in->body.len;

    for (i = 0; i < in->edits.nelts; i++) {
        len = len - (e[i].end - e[i].start) + e[i].len;
    }

    body.data = ngx_pnalloc(in->r->pool, len + 1);

    if (body.data == NULL || in->edited.failed) {
        return NGX_ERROR;
    }

    p = body.data;

    for (at = 0, i = 0; i < in->edits.nelts; i++) {
        p = ngx_cpymem(p, in->body.data + at, e[i].start - at);
        p = ngx_cpymem(p, in->edited.data + e[i].offset, e[i].len);
        at = e[i].end;
    }

    p = ngx_cpymem(p, in->body.data + at, in->body.len - at);
    body.len = p - body.data;

    return ngx_llmops_rules_body(in->r, in->ctx, &body);
}
