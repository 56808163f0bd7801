
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_prompt.h"


/*
 * The body of a request with a prompt.  The caller's members pass as bytes,
 * in their order; taken out are those that named the prompt, the messages,
 * which come back where the prompt has its place for them, and what the
 * prompt has fixed.
 *
 * A name is decoded before it is looked at, and what is there twice is
 * refused: what we read must be what the provider reads.
 */


typedef struct {
    ngx_llmops_prompt_build_t *build;
    ngx_llmops_form_t         *form;       /* NULL: no prompt */
    ngx_llmops_out_t          *out;
    ngx_llmops_error_t        *err;
    ngx_str_t                  messages;   /* raw; data NULL: none */
    ngx_str_t                  system;
    uint64_t                   given;      /* bits of parameters */
    size_t                     work;
    unsigned                   model:1;
} ngx_llmops_prompt_writing_t;


static ngx_int_t ngx_llmops_body_members(ngx_llmops_prompt_writing_t *w,
    ngx_str_t *body);
static ngx_int_t ngx_llmops_body_member(ngx_llmops_prompt_writing_t *w,
    ngx_str_t *name, ngx_str_t *key, ngx_str_t *value);
static ngx_int_t ngx_llmops_body_take(ngx_llmops_prompt_writing_t *w,
    ngx_str_t *slot, ngx_str_t *name, ngx_str_t *value);
static ngx_llmops_parameter_t *ngx_llmops_body_parameter(
    ngx_llmops_prompt_writing_t *w, ngx_str_t *name);
static void ngx_llmops_body_parameters(ngx_llmops_prompt_writing_t *w);
static ngx_int_t ngx_llmops_body_system(ngx_llmops_prompt_writing_t *w);
static ngx_int_t ngx_llmops_body_messages(ngx_llmops_prompt_writing_t *w);
static ngx_int_t ngx_llmops_body_caller(ngx_llmops_prompt_writing_t *w,
    ngx_str_t *raw, ngx_uint_t system, size_t start);
static void ngx_llmops_body_text(ngx_llmops_prompt_writing_t *w,
    ngx_str_t *text, ngx_uint_t system);
static void ngx_llmops_body_decorate(ngx_llmops_prompt_writing_t *w,
    ngx_uint_t append, ngx_uint_t system, size_t start);
static ngx_int_t ngx_llmops_body_pieces(ngx_llmops_prompt_writing_t *w,
    ngx_llmops_piece_t *piece, size_t start);
static void ngx_llmops_body_comma(ngx_llmops_prompt_writing_t *w,
    size_t start);
static ngx_uint_t ngx_llmops_body_is(ngx_str_t *s, const char *text);
static ngx_int_t ngx_llmops_body_fault(ngx_llmops_prompt_writing_t *w,
    const char *code, const char *param, const char *message);


#define ngx_llmops_body_lit(w, text)  (void) ngx_llmops_out_lit((w)->out, text)
#define ngx_llmops_body_raw(w, s)     (void) ngx_llmops_out_str((w)->out, s)


static const char *const  ngx_llmops_body_names[] = {
    "messages", "messages", "input"
};


ngx_int_t
ngx_llmops_prompt_body(ngx_llmops_prompt_build_t *build, ngx_str_t *body,
    ngx_llmops_out_t *out, ngx_llmops_error_t *err)
{
    ngx_int_t                    rc;
    ngx_llmops_prompt_writing_t  w;

    ngx_memzero(&w, sizeof(ngx_llmops_prompt_writing_t));
    ngx_memzero(err, sizeof(ngx_llmops_error_t));

    w.build = build;
    w.out = out;
    w.err = err;
    w.form = build->prompt ? &build->prompt->forms[build->form] : NULL;

    if (w.form && w.form->unusable.len) {
        return ngx_llmops_body_fault(&w, "prompt_unsupported", "prompt",
                                     "the prompt cannot be used with this "
                                     "API, use chat/completions");
    }

    ngx_llmops_body_lit(&w, "{");

    rc = ngx_llmops_body_members(&w, body);

    if (rc != NGX_OK) {
        return rc;
    }

    if (build->model.len && !w.model) {
        ngx_llmops_body_comma(&w, 1);
        ngx_llmops_body_lit(&w, "\"model\":");
        (void) ngx_llmops_out_json(out, build->model.data, build->model.len);
    }

    ngx_llmops_body_parameters(&w);

    rc = ngx_llmops_body_system(&w);

    if (rc == NGX_OK) {
        rc = ngx_llmops_body_messages(&w);
    }

    ngx_llmops_body_lit(&w, "}");

    if (rc == NGX_OK && out->failed) {
        return ngx_llmops_body_fault(&w, "prompt_too_large", "prompt",
                                     "the prompt becomes too large with these "
                                     "variables");
    }

    return rc;
}


static ngx_int_t
ngx_llmops_body_members(ngx_llmops_prompt_writing_t *w, ngx_str_t *body)
{
    u_char                  buf[NGX_LLMOPS_JSON_RAW_KEY];
    ngx_int_t               rc;
    ngx_str_t               key, quoted, name, value;
    ngx_llmops_json_iter_t  it;

    if (ngx_llmops_json_object(&it, body) != NGX_OK) {
        return NGX_ERROR;
    }

    while (ngx_llmops_json_next(&it, &key, &value) == NGX_OK) {

        quoted.data = key.data - 1;
        quoted.len = key.len + 2;

        /* a longer name is none that we know */

        if (ngx_strlchr(key.data, key.data + key.len, '\\') == NULL) {
            name = key;

        } else if (ngx_llmops_json_string(&quoted, buf, sizeof(buf), &name)
                   != NGX_OK)
        {
            ngx_str_null(&name);
        }

        rc = ngx_llmops_body_member(w, &name, &quoted, &value);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_body_member(ngx_llmops_prompt_writing_t *w, ngx_str_t *name,
    ngx_str_t *key, ngx_str_t *value)
{
    ngx_llmops_parameter_t  *q;

    if (ngx_llmops_body_is(name, ngx_llmops_body_names[w->build->form])) {
        return ngx_llmops_body_take(w, &w->messages, name, value);
    }

    if (w->build->form == NGX_LLMOPS_FORM_MESSAGES
        && ngx_llmops_body_is(name, "system"))
    {
        return ngx_llmops_body_take(w, &w->system, name, value);
    }

    if (w->form) {
        if (ngx_llmops_body_is(name, "prompt")
            || ngx_llmops_body_is(name, "variables"))
        {
            return NGX_OK;
        }

        q = ngx_llmops_body_parameter(w, name);

        if (q && q->fixed) {
            return NGX_OK;
        }
    }

    if (ngx_llmops_body_is(name, "model")) {

        if (ngx_llmops_json_type(value) == NGX_LLMOPS_JSON_NULL) {
            return NGX_OK;
        }

        w->model = 1;
    }

    ngx_llmops_body_comma(w, 1);
    ngx_llmops_body_raw(w, key);
    ngx_llmops_body_lit(w, ":");
    ngx_llmops_body_raw(w, value);

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_body_take(ngx_llmops_prompt_writing_t *w, ngx_str_t *slot,
    ngx_str_t *name, ngx_str_t *value)
{
    if (slot->data) {
        return ngx_llmops_body_fault(w, "duplicate_parameter",
                                     slot == &w->system ? "system"
                                     : ngx_llmops_body_names[w->build->form],
                                     "a parameter is in the request body more "
                                     "than once, maybe spelled with escapes: "
                                     "send it once");
    }

    *slot = *value;

    return NGX_OK;
}


/* the prompt's parameter of that name, noted as given by the caller */

static ngx_llmops_parameter_t *
ngx_llmops_body_parameter(ngx_llmops_prompt_writing_t *w, ngx_str_t *name)
{
    ngx_uint_t               i;
    ngx_llmops_parameter_t  *q;

    i = 0;

    for (q = w->form->parameters; q; q = q->next) {

        if ((q->name.len == name->len
             && ngx_memcmp(q->name.data, name->data, name->len) == 0)
            || (q->other.len && q->other.len == name->len
                && ngx_memcmp(q->other.data, name->data, name->len) == 0))
        {
            w->given |= (uint64_t) 1 << i;
            return q;
        }

        i++;
    }

    return NULL;
}


static void
ngx_llmops_body_parameters(ngx_llmops_prompt_writing_t *w)
{
    ngx_uint_t               i;
    ngx_llmops_parameter_t  *q;

    i = 0;

    for (q = w->form ? w->form->parameters : NULL; q; q = q->next, i++) {

        if (!q->fixed && (w->given & ((uint64_t) 1 << i))) {
            continue;
        }

        /* counting tokens, Anthropic takes what is counted only */

        if (w->build->count && !ngx_llmops_body_is(&q->name, "tools")
            && !ngx_llmops_body_is(&q->name, "tool_choice")
            && !ngx_llmops_body_is(&q->name, "thinking"))
        {
            continue;
        }

        ngx_llmops_body_comma(w, 1);
        (void) ngx_llmops_out_json(w->out, q->name.data, q->name.len);
        ngx_llmops_body_lit(w, ":");
        ngx_llmops_body_raw(w, &q->value);
    }
}


/* Anthropic's member; left out where nobody has something to say in it */

static ngx_int_t
ngx_llmops_body_system(ngx_llmops_prompt_writing_t *w)
{
    size_t      start, begun;
    ngx_int_t   rc;

    if (w->build->form != NGX_LLMOPS_FORM_MESSAGES) {
        return NGX_OK;
    }

    begun = w->out->len;

    ngx_llmops_body_comma(w, 1);
    ngx_llmops_body_lit(w, "\"system\":[");

    start = w->out->len;

    ngx_llmops_body_decorate(w, 0, 1, start);

    rc = ngx_llmops_body_pieces(w, w->form ? w->form->system : NULL, start);

    if (rc == NGX_OK) {
        rc = ngx_llmops_body_caller(w, &w->system, 1, start);
    }

    ngx_llmops_body_decorate(w, 1, 1, start);

    if (w->out->len == start && !w->out->failed) {
        w->out->len = begun;
        return rc;
    }

    ngx_llmops_body_lit(w, "]");

    return rc;
}


static ngx_int_t
ngx_llmops_body_messages(ngx_llmops_prompt_writing_t *w)
{
    size_t     start;
    ngx_int_t  rc;

    ngx_llmops_body_comma(w, 1);
    ngx_llmops_body_lit(w, "\"");
    (void) ngx_llmops_out_write(w->out, ngx_llmops_body_names[w->build->form],
                       ngx_strlen(ngx_llmops_body_names[w->build->form]));
    ngx_llmops_body_lit(w, "\":[");

    start = w->out->len;

    ngx_llmops_body_decorate(w, 0, 0, start);

    rc = ngx_llmops_body_pieces(w, w->form ? w->form->before : NULL, start);

    if (rc == NGX_OK) {
        rc = ngx_llmops_body_caller(w, &w->messages, 0, start);
    }

    if (rc == NGX_OK) {
        rc = ngx_llmops_body_pieces(w, w->form ? w->form->after : NULL,
                                    start);
    }

    ngx_llmops_body_decorate(w, 1, 0, start);

    ngx_llmops_body_lit(w, "]");

    return rc;
}


/* the elements of the caller's array; a string is one */

static ngx_int_t
ngx_llmops_body_caller(ngx_llmops_prompt_writing_t *w, ngx_str_t *raw,
    ngx_uint_t system, size_t start)
{
    ngx_str_t                inner, element;
    ngx_llmops_json_iter_t   it;
    ngx_llmops_json_type_e   type;

    type = raw->data ? ngx_llmops_json_type(raw) : NGX_LLMOPS_JSON_NULL;

    if (type == NGX_LLMOPS_JSON_NULL) {
        return NGX_OK;
    }

    if (type == NGX_LLMOPS_JSON_ARRAY) {

        (void) ngx_llmops_json_array(&it, raw);

        if (ngx_llmops_json_next(&it, NULL, &element) != NGX_OK) {
            return NGX_OK;
        }

        inner.data = element.data;
        inner.len = raw->data + raw->len - 1 - inner.data;

    } else if (type == NGX_LLMOPS_JSON_STRING
               && (system || w->build->form == NGX_LLMOPS_FORM_RESPONSES))
    {
        if (system && raw->len == 2) {
            return NGX_OK;
        }

        inner = *raw;

    } else {
        return ngx_llmops_body_fault(w, "invalid_type",
                                     system ? "system"
                                     : ngx_llmops_body_names[w->build->form],
                                     "the messages of the request are not an "
                                     "array");
    }

    if (w->form && !w->build->prompt->slot) {
        return ngx_llmops_body_fault(w, "messages_not_allowed",
                                     system ? "system"
                                     : ngx_llmops_body_names[w->build->form],
                                     "the prompt takes no messages, only its "
                                     "variables");
    }

    ngx_llmops_body_comma(w, start);

    if (type == NGX_LLMOPS_JSON_ARRAY) {
        ngx_llmops_body_raw(w, &inner);

    } else {
        ngx_llmops_body_text(w, &inner, system);
    }

    return NGX_OK;
}


/* a string, as one block of the system's text, or as one message */

static void
ngx_llmops_body_text(ngx_llmops_prompt_writing_t *w, ngx_str_t *text,
    ngx_uint_t system)
{
    if (system) {
        ngx_llmops_body_lit(w, "{\"type\":\"text\",\"text\":");

    } else {
        ngx_llmops_body_lit(w, "{\"role\":\"user\",\"content\":");
    }

    ngx_llmops_body_raw(w, text);
    ngx_llmops_body_lit(w, "}");
}


static void
ngx_llmops_body_decorate(ngx_llmops_prompt_writing_t *w, ngx_uint_t append,
    ngx_uint_t system, size_t start)
{
    ngx_uint_t               i, is_system;
    ngx_llmops_decorator_t  *d;

    for (i = 0; i < w->build->ndecorators; i++) {
        d = &w->build->decorators[i];

        is_system = (w->build->form == NGX_LLMOPS_FORM_MESSAGES
                     && d->role.data[0] == 's');

        if (d->append != append || is_system != system || d->text.len == 0) {
            continue;
        }

        ngx_llmops_body_comma(w, start);

        if (system) {
            ngx_llmops_body_lit(w, "{\"type\":\"text\",\"text\":");

        } else {
            ngx_llmops_body_lit(w, "{\"role\":\"");
            ngx_llmops_body_raw(w, &d->role);
            ngx_llmops_body_lit(w, "\",\"content\":");
        }

        (void) ngx_llmops_out_json(w->out, d->text.data, d->text.len);
        ngx_llmops_body_lit(w, "}");
    }
}


static ngx_int_t
ngx_llmops_body_pieces(ngx_llmops_prompt_writing_t *w,
    ngx_llmops_piece_t *piece, size_t start)
{
    const char  *reason;

    if (piece) {
        ngx_llmops_body_comma(w, start);
    }

    for ( /* void */ ; piece; piece = piece->next) {

        if (piece->template == NULL) {
            ngx_llmops_body_raw(w, &piece->text);
            continue;
        }

        if (ngx_llmops_mustache_render(piece->template, w->build->values,
                                       w->out, &w->work, &reason)
            == NGX_OK)
        {
            continue;
        }

        if (w->out->failed) {
            return NGX_OK;
        }

        return ngx_llmops_body_fault(w, "prompt_too_large", "variables",
                                     "the prompt has too much to do with "
                                     "these variables");
    }

    return NGX_OK;
}


/* before whatever is not the first since start */

static void
ngx_llmops_body_comma(ngx_llmops_prompt_writing_t *w, size_t start)
{
    if (w->out->len > start) {
        ngx_llmops_body_lit(w, ",");
    }
}


static ngx_uint_t
ngx_llmops_body_is(ngx_str_t *s, const char *text)
{
    return s->len == ngx_strlen(text)
           && ngx_memcmp(s->data, text, s->len) == 0;
}


static ngx_int_t
ngx_llmops_body_fault(ngx_llmops_prompt_writing_t *w, const char *code,
    const char *param, const char *message)
{
    ngx_llmops_error_t  *err;

    err = w->err;

    err->kind = NGX_LLMOPS_ERR_INVALID_REQUEST;
    err->code.data = (u_char *) code;
    err->code.len = ngx_strlen(code);
    err->param.data = (u_char *) param;
    err->param.len = ngx_strlen(param);
    err->message.data = (u_char *) message;
    err->message.len = ngx_strlen(message);

    return NGX_DECLINED;
}
