
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <time.h>
#include "ngx_llmops_codec.h"


/*
 * The driver of translation: finds the two codecs, runs a body or an event
 * through the one and then the other.  It knows no dialect: a further one is
 * one more line in the table below.
 */


static const ngx_llmops_codec_t *const  ngx_llmops_codecs[] = {
    &ngx_llmops_openai_codec,
    &ngx_llmops_anthropic_codec,
    NULL
};


static const ngx_llmops_codec_t *ngx_llmops_codec_find(
    const ngx_llmops_dialect_t *dialect);
static void ngx_llmops_xlate_reset(ngx_llmops_xlate_t *x);
static ngx_int_t ngx_llmops_xlate_tree(ngx_llmops_xlate_t *x, ngx_str_t *body,
    ngx_str_t *target, ngx_llmops_out_t *out);
static void ngx_llmops_xlate_warn(ngx_llmops_xlate_t *x);
static json_t *ngx_llmops_xlate_answer(ngx_llmops_xlate_t *x, ngx_str_t *body,
    ngx_llmops_usage_t *usage);
static ngx_int_t ngx_llmops_xlate_same(ngx_llmops_xlate_t *x,
    ngx_str_t *body, ngx_llmops_out_t *out);


static const ngx_llmops_codec_t *
ngx_llmops_codec_find(const ngx_llmops_dialect_t *dialect)
{
    ngx_uint_t  i;

    for (i = 0; ngx_llmops_codecs[i]; i++) {
        if (strlen(ngx_llmops_codecs[i]->dialect) == dialect->name.len
            && memcmp(ngx_llmops_codecs[i]->dialect, dialect->name.data,
                      dialect->name.len) == 0)
        {
            return ngx_llmops_codecs[i];
        }
    }

    return NULL;
}


ngx_llmops_op_e
ngx_llmops_xlate_op(const ngx_llmops_dialect_t *caller,
    const ngx_llmops_dialect_t *provider, ngx_llmops_op_e op)
{
    const ngx_llmops_codec_t  *from, *to;

    from = ngx_llmops_codec_find(caller);
    to = ngx_llmops_codec_find(provider);

    if (from == NULL || to == NULL || from == to || from->op != op) {
        return NGX_LLMOPS_OP_NONE;
    }

    return to->op;
}


ngx_llmops_xlate_t *
ngx_llmops_xlate_create(const ngx_llmops_dialect_t *caller,
    const ngx_llmops_dialect_t *provider, ngx_llmops_op_e op,
    ngx_str_t *model, unsigned stream, unsigned want_usage, unsigned strict)
{
    ngx_llmops_xlate_t        *x;
    const ngx_llmops_codec_t  *from, *to;

    from = ngx_llmops_codec_find(caller);
    to = ngx_llmops_codec_find(provider);

    if (from == NULL || to == NULL || from->op != op) {
        return NULL;
    }

    x = calloc(1, sizeof(ngx_llmops_xlate_t));
    if (x == NULL) {
        return NULL;
    }

    x->caller = from;
    x->provider = to;
    x->stream = stream ? 1 : 0;
    x->want_usage = want_usage ? 1 : 0;
    x->strict = strict ? 1 : 0;
    x->created = (int64_t) time(NULL);
    x->model = strndup(model->len ? (char *) model->data : "", model->len);

    ngx_llmops_out_init(&x->dropped, NGX_LLMOPS_WARN_MAX);
    ngx_llmops_out_init(&x->approx, NGX_LLMOPS_WARN_MAX);
    ngx_llmops_out_init(&x->renamed, NGX_LLMOPS_WARN_MAX);
    ngx_llmops_out_init(&x->warning, 4 * NGX_LLMOPS_WARN_MAX);

    if (x->model == NULL || ngx_llmops_stream_init(x) != NGX_OK) {
        ngx_llmops_xlate_free(x);
        return NULL;
    }

    return x;
}


void
ngx_llmops_xlate_free(ngx_llmops_xlate_t *x)
{
    ngx_llmops_stream_free(x);
    ngx_llmops_xlate_reset(x);

    ngx_llmops_out_free(&x->dropped);
    ngx_llmops_out_free(&x->approx);
    ngx_llmops_out_free(&x->renamed);
    ngx_llmops_out_free(&x->warning);

    free(x->model);
    free(x);
}


/* forgets a request: a failover may translate it again for another model */

static void
ngx_llmops_xlate_reset(ngx_llmops_xlate_t *x)
{
    ngx_llmops_pairs_free(&x->names);
    ngx_llmops_pairs_free(&x->custom);

    free(x->json_tool);
    x->json_tool = NULL;

    ngx_llmops_out_reset(&x->dropped);
    ngx_llmops_out_reset(&x->approx);
    ngx_llmops_out_reset(&x->renamed);
    ngx_llmops_out_reset(&x->warning);

    x->warnings.len = 0;
    x->headers.len = 0;
    x->legacy = 0;
    x->declined = 0;
    x->nomem = 0;
    x->code = "";
    x->param[0] = '\0';
    x->message[0] = '\0';
}


ngx_int_t
ngx_llmops_xlate_request(ngx_llmops_xlate_t *x, ngx_str_t *body,
    ngx_str_t *target, ngx_llmops_out_t *out, ngx_llmops_error_t *err)
{
    ngx_int_t  rc;

    ngx_llmops_xlate_reset(x);

    if (ngx_llmops_stream_init(x) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_llmops_xlate_tree(x, body, target, out);

    if (rc == NGX_OK) {
        ngx_llmops_xlate_warn(x);
        return (x->nomem || out->failed) ? NGX_ERROR : NGX_OK;
    }

    if (rc == NGX_DECLINED) {
        memset(err, 0, sizeof(ngx_llmops_error_t));

        err->kind = NGX_LLMOPS_ERR_INVALID_REQUEST;
        err->message.data = (u_char *) x->message;
        err->message.len = strlen(x->message);
        err->code.data = (u_char *) x->code;
        err->code.len = strlen(x->code);
        err->param.data = (u_char *) x->param;
        err->param.len = strlen(x->param);
    }

    return rc;
}


static ngx_int_t
ngx_llmops_xlate_tree(ngx_llmops_xlate_t *x, ngx_str_t *body,
    ngx_str_t *target, ngx_llmops_out_t *out)
{
    char    *model;
    json_t  *tree, *neutral, *native;

    tree = ngx_llmops_tree_parse(body->data, body->len);

    if (!json_is_object(tree)) {
        json_decref(tree);
        ngx_llmops_refuse(x, "", "", "the body is not a JSON object");
        return NGX_DECLINED;
    }

    model = strndup(target->len ? (char *) target->data : "", target->len);
    if (model == NULL) {
        json_decref(tree);
        return NGX_ERROR;
    }

    neutral = x->caller->request_in(x, tree);
    json_decref(tree);

    native = NULL;

    if (neutral != NULL && !x->declined && !x->nomem) {
        native = x->provider->request_out(x, neutral, model);
    }

    if (native != NULL && !x->declined && !x->nomem) {
        ngx_llmops_tree_write(out, native);
    }

    json_decref(neutral);
    json_decref(native);
    free(model);

    if (x->declined) {
        return NGX_DECLINED;
    }

    return (x->nomem || native == NULL) ? NGX_ERROR : NGX_OK;
}


static void
ngx_llmops_xlate_warn(ngx_llmops_xlate_t *x)
{
    ngx_uint_t               i;
    ngx_llmops_out_t        *w;
    static const char *const  titles[] = { "dropped=", "approx=", "renamed=" };
    ngx_llmops_out_t        *lists[3];

    w = &x->warning;
    lists[0] = &x->dropped;
    lists[1] = &x->approx;
    lists[2] = &x->renamed;

    for (i = 0; i < 3; i++) {
        if (lists[i]->len == 0) {
            continue;
        }

        if (w->len > 0) {
            ngx_llmops_out_lit(w, "; ");
        }

        ngx_llmops_out_write(w, titles[i], strlen(titles[i]));
        ngx_llmops_out_write(w, lists[i]->data, lists[i]->len);
    }

    if (w->failed) {
        x->nomem = 1;
    }

    x->warnings.data = w->data;
    x->warnings.len = w->len;
}


ngx_str_t *
ngx_llmops_xlate_warnings(ngx_llmops_xlate_t *x)
{
    return &x->warnings;
}


ngx_str_t *
ngx_llmops_xlate_headers(ngx_llmops_xlate_t *x)
{
    return &x->headers;
}


/* a neutral answer, or NULL */

static json_t *
ngx_llmops_xlate_answer(ngx_llmops_xlate_t *x, ngx_str_t *body,
    ngx_llmops_usage_t *usage)
{
    json_t  *tree, *neutral;

    memset(usage, 0, sizeof(ngx_llmops_usage_t));

    tree = ngx_llmops_tree_parse(body->data, body->len);
    if (tree == NULL) {
        return NULL;
    }

    neutral = x->provider->response_in(x, tree, usage);

    json_decref(tree);

    return neutral;
}


ngx_int_t
ngx_llmops_xlate_response(ngx_llmops_xlate_t *x, ngx_str_t *body,
    ngx_llmops_out_t *out)
{
    size_t               i;
    json_t              *neutral, *native, *choice;
    ngx_llmops_usage_t   usage;

    neutral = ngx_llmops_xlate_answer(x, body, &usage);

    if (neutral == NULL) {
        return x->nomem ? NGX_ERROR : NGX_DECLINED;
    }

    json_array_foreach(json_object_get(neutral, "choices"), i, choice) {
        ngx_llmops_answer_restore(x, choice);
    }

    native = x->caller->response_out(x, neutral, &usage);

    if (native != NULL) {
        ngx_llmops_tree_write(out, native);
    }

    json_decref(neutral);
    json_decref(native);

    return (native == NULL || x->nomem || out->failed) ? NGX_ERROR : NGX_OK;
}


ngx_int_t
ngx_llmops_xlate_event(ngx_llmops_xlate_t *x, ngx_llmops_sse_event_t *ev,
    ngx_llmops_usage_t *usage, ngx_llmops_out_t *out)
{
    ngx_str_t  data;

    if (x->ended || ev->partial) {
        return NGX_OK;
    }

    x->out = out;

    if (usage != NULL) {
        x->usage = *usage;
    }

    if (ev->has_data) {
        data = ev->data;

        if (ngx_llmops_half(x, &data) == NGX_OK) {
            x->provider->event_in(x, &ev->name, &data);
        }

    } else if (ev->raw.len > 0 && ev->raw.data[0] == ':') {
        ngx_llmops_emit(x, NGX_LLMOPS_EV_PING, NULL, 0);
    }

    return (x->nomem || out->failed) ? NGX_ERROR : NGX_OK;
}


ngx_int_t
ngx_llmops_xlate_end(ngx_llmops_xlate_t *x, ngx_llmops_usage_t *usage,
    ngx_llmops_out_t *out)
{
    x->out = out;

    if (usage != NULL) {
        x->usage = *usage;
    }

    ngx_llmops_emit_end(x);

    return (x->nomem || out->failed) ? NGX_ERROR : NGX_OK;
}


ngx_int_t
ngx_llmops_xlate_stop(ngx_llmops_xlate_t *x, ngx_llmops_usage_t *usage,
    ngx_llmops_out_t *out)
{
    x->out = out;

    ngx_llmops_emit_finish(x, NGX_LLMOPS_FINISH_LENGTH, NULL);

    return ngx_llmops_xlate_end(x, usage, out);
}


/* the stream has all that is in the answer, translated or not */

static ngx_int_t
ngx_llmops_xlate_same(ngx_llmops_xlate_t *x, ngx_str_t *body,
    ngx_llmops_out_t *out)
{
    json_t     *tree;
    ngx_int_t   rc;

    tree = ngx_llmops_tree_parse(body->data, body->len);

    x->out = out;

    rc = (tree != NULL) ? x->caller->replay(x, tree) : NGX_DECLINED;

    json_decref(tree);

    return (x->nomem || out->failed) ? NGX_ERROR : rc;
}


void
ngx_llmops_xlate_pieces(ngx_llmops_xlate_t *x, size_t bytes)
{
    x->piece = bytes;
}


ngx_int_t
ngx_llmops_xlate_replay(ngx_llmops_xlate_t *x, ngx_str_t *body,
    ngx_llmops_out_t *out)
{
    json_t              *neutral;
    ngx_llmops_usage_t   usage;

    if (x->caller == x->provider) {
        return ngx_llmops_xlate_same(x, body, out);
    }

    neutral = ngx_llmops_xlate_answer(x, body, &usage);

    if (neutral == NULL) {
        return x->nomem ? NGX_ERROR : NGX_DECLINED;
    }

    if (ngx_llmops_stream_init(x) != NGX_OK) {
        json_decref(neutral);
        return NGX_ERROR;
    }

    x->out = out;
    x->usage = usage;

    ngx_llmops_emit_answer(x, neutral);
    ngx_llmops_emit_end(x);

    json_decref(neutral);

    return (x->nomem || out->failed) ? NGX_ERROR : NGX_OK;
}
