
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_samples_own.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_cache_work.h"
#include "ngx_llmops_guard.h"
#include "ngx_llmops_plain.h"
#include "ngx_llmops_prompt.h"
#include "ngx_llmops_rollout.h"
#include "ngx_llmops_rules.h"


/*
 * A request and its answer as JSON.  Whatever API the caller speaks, messages
 * are in the form of chat completions, which is what tools for data sets read:
 * the neutral form of translation.
 */


#define NGX_LLMOPS_SAMPLE_WHOLE    (4 * 1024 * 1024)


static ngx_int_t ngx_llmops_sample_about(json_t *doc, ngx_llmops_ctx_t *ctx);
static json_t *ngx_llmops_sample_translate(ngx_str_t *body,
    ngx_uint_t answer);
static json_t *ngx_llmops_sample_document(ngx_llmops_op_e op,
    ngx_str_t *answer, ngx_llmops_usage_t *usage);
static ngx_uint_t ngx_llmops_sample_stream(ngx_str_t *answer);
static ngx_uint_t ngx_llmops_sample_is_text(ngx_llmops_op_e op,
    ngx_str_t *events);
static json_t *ngx_llmops_sample_text(ngx_llmops_op_e op, ngx_str_t *events);
static json_t *ngx_llmops_sample_message(ngx_llmops_op_e op, json_t *body);
static json_t *ngx_llmops_sample_said(json_t *message);
static json_t *ngx_llmops_sample_prompted(json_t *body);
static json_t *ngx_llmops_sample_hidden(json_t *answer,
    ngx_llmops_reverse_t *reverse);


/* members that are about who asks and how, not about what */

static const char  *ngx_llmops_sample_omits[] = {
    "model", "stream", "stream_options", "user", "metadata",
    "safety_identifier", "prompt_cache_key", "store", "service_tier", NULL
};


json_t *
ngx_llmops_sample_make(ngx_llmops_ctx_t *ctx, u_char *id)
{
    u_char                 text[NGX_LLMOPS_SAMPLE_ID];
    json_t                *doc, *request, *answer;
    ngx_str_t              body, kept;
    ngx_llmops_reverse_t  *reverse;

    if (ngx_llmops_body_memory(ctx->request, ctx, &body) != NGX_OK) {
        return NULL;
    }

    kept.data = ctx->kept->data;
    kept.len = ctx->kept->len;

    ngx_llmops_sample_id_text(id, text);

    request = ngx_llmops_sample_request(ctx->env.op, &body);
    answer = ngx_llmops_sample_answer(ctx->env.op, &kept, ctx->meter.finish,
                                      &ctx->meter.usage);

    /* what was put back into the answer is taken out again */

    reverse = ngx_llmops_rules_reverse(ctx);

    if (reverse && answer) {
        answer = ngx_llmops_sample_hidden(answer, reverse);
    }

    if (request == NULL || answer == NULL) {
        json_decref(request);
        json_decref(answer);
        return NULL;
    }

    doc = json_pack("{s:s%,s:s,s:I}", "id", (char *) text, sizeof(text),
                    "object", "sample", "created", (json_int_t) ngx_time());

    if (doc == NULL) {
        json_decref(request);
        json_decref(answer);
        return NULL;
    }

    if (ngx_llmops_sample_about(doc, ctx) != NGX_OK
        || json_object_set(doc, "request", request) != 0
        || json_object_set(doc, "answer", answer) != 0
        || json_object_set_new(doc, "usage",
                               ngx_llmops_sample_usage(&ctx->meter.usage))
           != 0
        || json_object_set_new(doc, "cost",
                               ngx_llmops_sample_cost(ctx->cost)) != 0
        || json_object_set_new(doc, "shadow", json_null()) != 0
        || json_object_set_new(doc, "verdict", json_null()) != 0
        || json_object_set_new(doc, "feedback", json_null()) != 0)
    {
        json_decref(doc);
        doc = NULL;
    }

    json_decref(request);
    json_decref(answer);

    return doc;
}


static json_t *
ngx_llmops_sample_string(ngx_str_t *s)
{
    json_t  *v;

    v = json_stringn(s->len ? (char *) s->data : "", s->len);

    return v ? v : json_string("?");         /* not UTF-8 */
}


static ngx_int_t
ngx_llmops_sample_about(json_t *doc, ngx_llmops_ctx_t *ctx)
{
    json_t      *first;
    ngx_str_t    arm, target, prompt, client, tenant, checks;
    ngx_uint_t   i;

    ngx_str_null(&target);
    ngx_str_null(&prompt);
    ngx_str_null(&client);
    ngx_str_null(&tenant);

    ngx_llmops_rollout_arm_name(ctx, &arm);

    if (ngx_llmops_rules_text(ctx->request, ctx, 1, &checks) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx->target) {
        target = ctx->target->name;
    }

    if (ctx->prompt) {
        prompt = ctx->prompt->full;
    }

    if (ctx->identity) {
        client = ctx->identity->client;
        tenant = ctx->identity->tenant;
    }

    struct {
        const char  *name;
        ngx_str_t   *value;
    } members[] = {
        { "route", &ctx->plan.route->name },
        { "arm", &arm },
        { "target", &target },
        { "model", &ctx->env.model },
        { "prompt", &prompt },
        { "client", &client },
        { "tenant", &tenant },
        { "request_id", &ctx->id },
        { "checks", &checks }
    };

    for (i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        if (json_object_set_new(doc, members[i].name,
                                ngx_llmops_sample_string(members[i].value))
            != 0)
        {
            return NGX_ERROR;
        }
    }

    first = (ctx->call.streaming && ctx->first_token != (ngx_msec_t) -1)
            ? json_integer(ctx->first_token) : json_null();

    return (json_object_set_new(doc, "first_token", first) == 0
            && json_object_set_new(doc, "total",
                                   json_integer(ngx_llmops_ctx_total(ctx)))
               == 0)
           ? NGX_OK : NGX_ERROR;
}


json_t *
ngx_llmops_sample_request(ngx_llmops_op_e op, ngx_str_t *body)
{
    json_t      *tree, *request;
    ngx_uint_t   i;

    if (op == NGX_LLMOPS_OP_MESSAGES) {
        request = ngx_llmops_sample_translate(body, 0);

    } else {
        tree = ngx_llmops_tree_parse(body->data, body->len);

        request = op == NGX_LLMOPS_OP_RESPONSES
                  ? ngx_llmops_form_request(tree)
                  : op == NGX_LLMOPS_OP_COMPLETIONS
                    ? ngx_llmops_sample_prompted(tree)
                    : json_incref(tree);
        json_decref(tree);
    }

    if (!json_is_array(json_object_get(request, "messages"))) {
        json_decref(request);
        return NULL;
    }

    for (i = 0; ngx_llmops_sample_omits[i]; i++) {
        (void) json_object_del(request, ngx_llmops_sample_omits[i]);
    }

    return request;
}


/* a request or an answer of Anthropic's API in OpenAI's */

static json_t *
ngx_llmops_sample_translate(ngx_str_t *body, ngx_uint_t answer)
{
    json_t              *tree;
    ngx_int_t            rc;
    ngx_str_t            model = ngx_string("model");
    ngx_llmops_out_t     out;
    ngx_llmops_error_t   err;
    ngx_llmops_xlate_t  *x;

    x = answer ? ngx_llmops_xlate_create(&ngx_llmops_openai,
                                         &ngx_llmops_anthropic,
                                         NGX_LLMOPS_OP_CHAT, &model, 0, 1, 0)
               : ngx_llmops_xlate_create(&ngx_llmops_anthropic,
                                         &ngx_llmops_openai,
                                         NGX_LLMOPS_OP_MESSAGES, &model, 0, 1,
                                         0);
    if (x == NULL) {
        return NULL;
    }

    ngx_llmops_out_init(&out, NGX_LLMOPS_SAMPLE_WHOLE);
    ngx_memzero(&err, sizeof(ngx_llmops_error_t));

    rc = answer ? ngx_llmops_xlate_response(x, body, &out)
                : ngx_llmops_xlate_request(x, body, &model, &out, &err);

    tree = (rc == NGX_OK && !out.failed)
           ? ngx_llmops_tree_parse(out.data, out.len) : NULL;

    ngx_llmops_out_free(&out);
    ngx_llmops_xlate_free(x);

    return tree;
}


/* a request for a completion: a text */

static json_t *
ngx_llmops_sample_prompted(json_t *body)
{
    json_t  *prompt, *request;

    prompt = json_object_get(body, "prompt");

    if (json_is_array(prompt)) {
        prompt = json_array_get(prompt, 0);
    }

    if (!ngx_llmops_tree_is_string(prompt)) {
        return NULL;
    }

    request = json_copy(body);

    if (request
        && json_object_set_new(request, "messages",
                               json_pack("[{s:s,s:O}]", "role", "user",
                                         "content", prompt))
           != 0)
    {
        json_decref(request);
        return NULL;
    }

    (void) json_object_del(request, "prompt");

    return request;
}


json_t *
ngx_llmops_sample_answer(ngx_llmops_op_e op, ngx_str_t *answer,
    ngx_llmops_finish_e finish, ngx_llmops_usage_t *usage)
{
    json_t  *body, *message;

    if (ngx_llmops_sample_stream(answer)
        && ngx_llmops_sample_is_text(op, answer))
    {
        message = ngx_llmops_sample_text(op, answer);

    } else {
        body = ngx_llmops_sample_document(op, answer, usage);
        message = body ? ngx_llmops_sample_message(op, body) : NULL;

        json_decref(body);
    }

    if (!json_is_object(message)) {
        json_decref(message);
        return NULL;
    }

    /* what a model has thought is no part of what it has said */

    (void) json_object_del(message, "reasoning_content");
    (void) json_object_del(message, "reasoning");
    (void) json_object_del(message, "thinking_blocks");

    return json_pack("{s:o,s:o,s:s}", "text", ngx_llmops_sample_said(message),
                     "message", message, "finish",
                     (char *) ngx_llmops_finish_names[finish].data);
}


/* who asks for a stream may get a document, and the other way round */

static ngx_uint_t
ngx_llmops_sample_stream(ngx_str_t *answer)
{
    size_t  i;

    for (i = 0; i < answer->len && answer->data[i] <= ' '; i++) { /* void */ }

    return i < answer->len && answer->data[i] != '{';
}


/*
 * Nearly all streams are one text.  It is read by the scanner then: trees of a
 * thousand events would take milliseconds.  Whatever looks as if there were
 * more is read as a whole.
 */

static ngx_uint_t
ngx_llmops_sample_is_text(ngx_llmops_op_e op, ngx_str_t *events)
{
    ngx_uint_t  i;

    static const char  *more[] = {
        "\"tool_calls\"", "\"tool_use\"", "\"function_call\"",
        "\"refusal\":\"", "\"refusal\": \"", "\"audio\"",
        "\"index\":1", "\"index\": 1"
    };

    if (op != NGX_LLMOPS_OP_CHAT && op != NGX_LLMOPS_OP_MESSAGES
        && op != NGX_LLMOPS_OP_COMPLETIONS)
    {
        return 0;
    }

    for (i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
        if (memmem(events->data, events->len, more[i], ngx_strlen(more[i]))) {
            return 0;
        }
    }

    return 1;
}


static json_t *
ngx_llmops_sample_text(ngx_llmops_op_e op, ngx_str_t *events)
{
    json_t            *message;
    ngx_llmops_out_t   out;

    ngx_llmops_out_init(&out, NGX_LLMOPS_SAMPLE_WHOLE);

    message = NULL;

    if (ngx_llmops_plain_answer(op, events, 1, &out) == NGX_OK) {
        message = json_pack("{s:s,s:s%}", "role", "assistant", "content",
                            out.len ? (char *) out.data : "", out.len);
    }

    ngx_llmops_out_free(&out);

    return message;
}


/* the whole answer as a tree */

static json_t *
ngx_llmops_sample_document(ngx_llmops_op_e op, ngx_str_t *answer,
    ngx_llmops_usage_t *usage)
{
    json_t            *body;
    ngx_str_t          whole;
    ngx_llmops_out_t   out;

    ngx_llmops_out_init(&out, NGX_LLMOPS_SAMPLE_WHOLE);

    whole = *answer;

    if (ngx_llmops_sample_stream(answer)) {

        if (ngx_llmops_cache_gather(op, answer, usage, &out) != NGX_OK) {
            ngx_llmops_out_free(&out);
            return NULL;
        }

        whole.data = out.data;
        whole.len = out.len;
    }

    body = op == NGX_LLMOPS_OP_MESSAGES
           ? ngx_llmops_sample_translate(&whole, 1)
           : ngx_llmops_tree_parse(whole.data, whole.len);

    ngx_llmops_out_free(&out);

    return body;
}


/* that of the first choice; a new reference */

static json_t *
ngx_llmops_sample_message(ngx_llmops_op_e op, json_t *body)
{
    json_t  *choice, *message;

    if (op == NGX_LLMOPS_OP_RESPONSES) {
        return ngx_llmops_form_answer(body);
    }

    choice = json_array_get(json_object_get(body, "choices"), 0);

    if (op == NGX_LLMOPS_OP_COMPLETIONS) {
        message = json_object_get(choice, "text");

        return ngx_llmops_tree_is_string(message)
               ? json_pack("{s:s,s:O}", "role", "assistant", "content",
                           message)
               : NULL;
    }

    return json_incref(json_object_get(choice, "message"));
}


/* its content as one text */

static json_t *
ngx_llmops_sample_said(json_t *message)
{
    size_t             i;
    json_t            *content, *part, *text;
    ngx_llmops_out_t   out;

    content = json_object_get(message, "content");

    if (ngx_llmops_tree_is_string(content)) {
        return json_incref(content);
    }

    ngx_llmops_out_init(&out, NGX_LLMOPS_SAMPLE_WHOLE);

    json_array_foreach(content, i, part) {
        text = json_object_get(part, "text");

        if (ngx_llmops_tree_is_string(text)) {
            (void) ngx_llmops_out_write(&out, json_string_value(text),
                                        json_string_length(text));
        }
    }

    if (out.len == 0) {
        text = json_object_get(message, "refusal");

        if (ngx_llmops_tree_is_string(text)) {
            (void) ngx_llmops_out_write(&out, json_string_value(text),
                                        json_string_length(text));
        }
    }

    text = json_stringn(out.len ? (char *) out.data : "", out.len);

    ngx_llmops_out_free(&out);

    return text;
}


/* the answer, or NULL: it must not be shown */

static json_t *
ngx_llmops_sample_hidden(json_t *answer, ngx_llmops_reverse_t *reverse)
{
    if (ngx_llmops_sample_hide(answer, reverse) != NGX_OK) {
        json_decref(answer);
        return NULL;
    }

    return answer;
}


json_t *
ngx_llmops_sample_usage(ngx_llmops_usage_t *usage)
{
    if (usage->source == NGX_LLMOPS_USAGE_NONE) {
        return json_null();
    }

    return json_pack("{s:I,s:I,s:I,s:I,s:b}",
                     "input", (json_int_t) usage->input,
                     "output", (json_int_t) usage->output,
                     "cache_read", (json_int_t) usage->cache_read,
                     "reasoning", (json_int_t) usage->reasoning,
                     "estimated",
                     usage->source == NGX_LLMOPS_USAGE_ESTIMATED);
}


json_t *
ngx_llmops_sample_cost(int64_t cost)
{
    return cost < 0 ? json_null()
                    : ngx_llmops_sample_real((double) cost / 1e12);
}


/* trees have their numbers as texts */

json_t *
ngx_llmops_sample_real(double value)
{
    int   n;
    char  text[64];

    n = snprintf(text, sizeof(text), "%.12g", value);

    return ngx_llmops_tree_raw(text, n);
}
