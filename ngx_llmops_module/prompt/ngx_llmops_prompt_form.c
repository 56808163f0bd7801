
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_prompt.h"


/*
 * A prompt's messages, written once for each API when the configuration is
 * read: bytes of JSON with compiled templates between them.  Only what stands
 * in "text", "content" and the URL of an image is a template, so that a value
 * is always inside of a string.
 *
 * Anthropic's API has system texts beside the messages, wherever the prompt
 * has them.  A part of a message that an API does not know makes the prompt
 * unusable there, which its callers are told.
 */


typedef struct {
    ngx_llmops_prompt_t       *prompt;
    ngx_llmops_prompt_error_t *err;
    ngx_llmops_form_t         *form;
    ngx_llmops_form_e          kind;
    ngx_llmops_out_t           literal;
    ngx_llmops_piece_t       **last;
    ngx_llmops_piece_t       **system;     /* ends of the lists */
    ngx_llmops_piece_t       **before;
    ngx_llmops_piece_t       **after;
} ngx_llmops_form_writer_t;


static ngx_int_t ngx_llmops_form_list(ngx_llmops_form_writer_t *w,
    ngx_llmops_value_t *messages);
static ngx_int_t ngx_llmops_form_message(ngx_llmops_form_writer_t *w,
    ngx_llmops_value_t *m);
static ngx_int_t ngx_llmops_form_blocks(ngx_llmops_form_writer_t *w,
    ngx_llmops_value_t *content);
static ngx_int_t ngx_llmops_form_part(ngx_llmops_form_writer_t *w,
    ngx_llmops_value_t *part, ngx_uint_t assistant);
static ngx_int_t ngx_llmops_form_image(ngx_llmops_form_writer_t *w,
    ngx_llmops_value_t *image);
static ngx_int_t ngx_llmops_form_source(ngx_llmops_form_writer_t *w,
    ngx_llmops_value_t *url);
static ngx_int_t ngx_llmops_form_string(ngx_llmops_form_writer_t *w,
    ngx_llmops_value_t *v);
static ngx_int_t ngx_llmops_form_declared(ngx_llmops_form_writer_t *w,
    ngx_llmops_value_t *v, ngx_llmops_tag_t *tag);
static ngx_int_t ngx_llmops_form_flush(ngx_llmops_form_writer_t *w);
static ngx_int_t ngx_llmops_form_unusable(ngx_llmops_form_writer_t *w,
    ngx_str_t *type);


/* what a route retrieves, which no prompt has to declare */

#define ngx_llmops_form_is_context(tag)                                       \
    ((tag)->npath && (tag)->path[0].len == 7                                  \
     && ngx_memcmp((tag)->path[0].data, "context", 7) == 0)

#define ngx_llmops_form_lit(w, text)                                          \
    (void) ngx_llmops_out_lit(&(w)->literal, text)

#define ngx_llmops_form_raw(w, s)                                             \
    (void) ngx_llmops_out_str(&(w)->literal, s)


ngx_int_t
ngx_llmops_prompt_forms(ngx_llmops_prompt_t *p, ngx_llmops_value_t *messages,
    ngx_llmops_prompt_error_t *err)
{
    ngx_int_t                 rc;
    ngx_uint_t                i;
    ngx_llmops_form_writer_t  w;

    rc = ngx_llmops_form_check(p, messages, err);

    for (i = 0; i < NGX_LLMOPS_FORM_MAX && rc == NGX_OK; i++) {

        ngx_memzero(&w, sizeof(ngx_llmops_form_writer_t));

        w.prompt = p;
        w.err = err;
        w.form = &p->forms[i];
        w.kind = i;
        w.system = &w.form->system;
        w.before = &w.form->before;
        w.after = &w.form->after;

        ngx_llmops_out_init(&w.literal, NGX_LLMOPS_PROMPT_FILE_MAX * 2);

        rc = ngx_llmops_form_list(&w, messages);

        ngx_llmops_out_free(&w.literal);

        /* what this API cannot say is no fault of the prompt */

        if (rc == NGX_DONE) {
            rc = NGX_OK;
        }
    }

    return rc;
}


static ngx_int_t
ngx_llmops_form_list(ngx_llmops_form_writer_t *w,
    ngx_llmops_value_t *messages)
{
    ngx_int_t             rc;
    ngx_uint_t            behind, system;
    ngx_llmops_piece_t  **start, ***end;
    ngx_llmops_value_t   *m;

    behind = 0;

    for (m = messages->first; m; m = m->next) {

        if (ngx_llmops_form_slot(m)) {
            behind = 1;
            continue;
        }

        system = (w->kind == NGX_LLMOPS_FORM_MESSAGES
                  && ngx_llmops_form_system(ngx_llmops_value_member(m,
                                                                    "role")));

        end = system ? &w->system : (behind ? &w->after : &w->before);
        start = system ? &w->form->system
                       : (behind ? &w->form->after : &w->form->before);

        w->last = *end;

        if (*start) {
            ngx_llmops_form_lit(w, ",");
        }

        rc = system ? ngx_llmops_form_blocks(w, ngx_llmops_value_member(m,
                                                                  "content"))
                    : ngx_llmops_form_message(w, m);

        if (rc == NGX_OK) {
            rc = ngx_llmops_form_flush(w);
        }

        if (rc != NGX_OK) {
            return rc;
        }

        *end = w->last;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_form_message(ngx_llmops_form_writer_t *w, ngx_llmops_value_t *m)
{
    ngx_int_t            rc;
    ngx_uint_t           assistant;
    ngx_llmops_value_t  *v, *part, *role;

    role = ngx_llmops_value_member(m, "role");
    assistant = ngx_llmops_value_is(role, "assistant");

    ngx_llmops_form_lit(w, "{\"role\":");
    ngx_llmops_form_raw(w, &role->raw);

    v = ngx_llmops_value_member(m, "name");

    if (v && w->kind == NGX_LLMOPS_FORM_CHAT) {
        ngx_llmops_form_lit(w, ",\"name\":");
        ngx_llmops_form_raw(w, &v->raw);
    }

    ngx_llmops_form_lit(w, ",\"content\":");

    v = ngx_llmops_value_member(m, "content");

    if (v->type == NGX_LLMOPS_JSON_STRING) {
        rc = ngx_llmops_form_string(w, v);
        ngx_llmops_form_lit(w, "}");
        return rc;
    }

    ngx_llmops_form_lit(w, "[");

    for (part = v->first; part; part = part->next) {

        rc = ngx_llmops_form_part(w, part, assistant);

        if (rc != NGX_OK) {
            return rc;
        }

        if (part->next) {
            ngx_llmops_form_lit(w, ",");
        }
    }

    ngx_llmops_form_lit(w, "]}");

    return NGX_OK;
}


/* what a system message says, as blocks of Anthropic's "system" */

static ngx_int_t
ngx_llmops_form_blocks(ngx_llmops_form_writer_t *w,
    ngx_llmops_value_t *content)
{
    ngx_int_t            rc;
    ngx_llmops_value_t  *part, *type;

    if (content->type == NGX_LLMOPS_JSON_STRING) {
        ngx_llmops_form_lit(w, "{\"type\":\"text\",\"text\":");
        rc = ngx_llmops_form_string(w, content);
        ngx_llmops_form_lit(w, "}");
        return rc;
    }

    for (part = content->first; part; part = part->next) {

        type = ngx_llmops_value_member(part, "type");

        if (!ngx_llmops_value_is(type, "text")) {
            return ngx_llmops_form_unusable(w, &type->raw);
        }

        rc = ngx_llmops_form_part(w, part, 0);

        if (rc != NGX_OK) {
            return rc;
        }

        if (part->next) {
            ngx_llmops_form_lit(w, ",");
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_form_part(ngx_llmops_form_writer_t *w, ngx_llmops_value_t *part,
    ngx_uint_t assistant)
{
    ngx_int_t            rc;
    ngx_llmops_value_t  *type;

    type = ngx_llmops_value_member(part, "type");

    if (ngx_llmops_value_is(type, "text")) {

        if (w->kind != NGX_LLMOPS_FORM_RESPONSES) {
            ngx_llmops_form_lit(w, "{\"type\":\"text\",\"text\":");

        } else if (assistant) {
            ngx_llmops_form_lit(w, "{\"type\":\"output_text\",\"text\":");

        } else {
            ngx_llmops_form_lit(w, "{\"type\":\"input_text\",\"text\":");
        }

        rc = ngx_llmops_form_string(w, ngx_llmops_value_member(part, "text"));
        ngx_llmops_form_lit(w, "}");

        return rc;
    }

    if (ngx_llmops_value_is(type, "image_url")) {
        return ngx_llmops_form_image(w, ngx_llmops_value_member(part,
                                                                "image_url"));
    }

    if (w->kind != NGX_LLMOPS_FORM_CHAT) {
        return ngx_llmops_form_unusable(w, &type->raw);
    }

    ngx_llmops_form_raw(w, &part->raw);

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_form_image(ngx_llmops_form_writer_t *w, ngx_llmops_value_t *image)
{
    ngx_int_t            rc;
    ngx_llmops_value_t  *url, *detail;

    url = ngx_llmops_value_member(image, "url");
    detail = ngx_llmops_value_member(image, "detail");

    switch (w->kind) {

    case NGX_LLMOPS_FORM_CHAT:
        ngx_llmops_form_lit(w, "{\"type\":\"image_url\",\"image_url\":"
                               "{\"url\":");
        break;

    case NGX_LLMOPS_FORM_RESPONSES:
        ngx_llmops_form_lit(w, "{\"type\":\"input_image\",\"image_url\":");
        break;

    default:
        ngx_llmops_form_lit(w, "{\"type\":\"image\",\"source\":");
        return ngx_llmops_form_source(w, url);
    }

    rc = ngx_llmops_form_string(w, url);

    if (detail) {
        ngx_llmops_form_lit(w, ",\"detail\":");
        ngx_llmops_form_raw(w, &detail->raw);
    }

    if (w->kind == NGX_LLMOPS_FORM_CHAT) {
        ngx_llmops_form_lit(w, "}");
    }

    ngx_llmops_form_lit(w, "}");

    return rc;
}


/* Anthropic takes what a "data:" URL has in two members */

static ngx_int_t
ngx_llmops_form_source(ngx_llmops_form_writer_t *w, ngx_llmops_value_t *url)
{
    u_char     *semicolon, *comma, *last;
    ngx_int_t   rc;
    ngx_str_t   s, type;

    s = ngx_llmops_value_inner(url);
    last = s.data + s.len;

    if (s.len > 5 && ngx_memcmp(s.data, "data:", 5) == 0) {

        semicolon = ngx_strlchr(s.data, last, ';');
        comma = semicolon ? ngx_strlchr(semicolon, last, ',') : NULL;

        if (comma && comma - semicolon == 7
            && ngx_memcmp(semicolon, ";base64", 7) == 0)
        {
            type.data = s.data + 5;
            type.len = semicolon - type.data;

            s.data = comma + 1;
            s.len = last - s.data;

            ngx_llmops_form_lit(w, "{\"type\":\"base64\",\"media_type\":\"");
            ngx_llmops_form_raw(w, &type);
            ngx_llmops_form_lit(w, "\",\"data\":\"");
            ngx_llmops_form_raw(w, &s);
            ngx_llmops_form_lit(w, "\"}}");

            return NGX_OK;
        }
    }

    ngx_llmops_form_lit(w, "{\"type\":\"url\",\"url\":");
    rc = ngx_llmops_form_string(w, url);
    ngx_llmops_form_lit(w, "}}");

    return rc;
}


/* a string of the file: a template if it has tags */

static ngx_int_t
ngx_llmops_form_string(ngx_llmops_form_writer_t *w, ngx_llmops_value_t *v)
{
    ngx_int_t                     rc;
    ngx_llmops_piece_t           *piece;
    ngx_llmops_template_t        *t;
    ngx_llmops_mustache_error_t   fault;

    t = ngx_llmops_arena_alloc(&w->prompt->arena,
                               sizeof(ngx_llmops_template_t));
    if (t == NULL) {
        return NGX_ERROR;
    }

    t->source = ngx_llmops_value_text(&w->prompt->arena, v);
    t->xml = w->prompt->xml;

    if (t->source.data == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_llmops_mustache_compile(t, w->prompt->partials,
                                     &w->prompt->arena, &fault);

    if (rc == NGX_DECLINED) {
        return ngx_llmops_prompt_fault(w->prompt, w->err, v,
                                       (char *) fault.text, NULL);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_llmops_form_declared(w, v, t->first);
    if (rc != NGX_OK) {
        return rc;
    }

    w->prompt->context |= ngx_llmops_form_context(t->first);

    ngx_llmops_form_lit(w, "\"");

    if (ngx_llmops_form_flush(w) != NGX_OK) {
        return NGX_ERROR;
    }

    piece = ngx_llmops_arena_alloc(&w->prompt->arena,
                                   sizeof(ngx_llmops_piece_t));
    if (piece == NULL) {
        return NGX_ERROR;
    }

    piece->template = t;

    *w->last = piece;
    w->last = &piece->next;

    ngx_llmops_form_lit(w, "\"");

    return NGX_OK;
}


/*
 * A name that no section is around can only be a variable's; inside of one it
 * may be a member of what the section is of.
 */

static ngx_int_t
ngx_llmops_form_declared(ngx_llmops_form_writer_t *w, ngx_llmops_value_t *v,
    ngx_llmops_tag_t *tag)
{
    ngx_int_t               rc;
    ngx_llmops_variable_t  *var;

    for ( /* void */ ; tag; tag = tag->next) {

        if (tag->type == NGX_LLMOPS_TAG_PARTIAL && !tag->partial->declared) {

            /* once, before it is looked through: it may lead to itself */

            tag->partial->declared = 1;

            rc = ngx_llmops_form_declared(w, v, tag->partial->first);
            if (rc != NGX_OK) {
                return rc;
            }
        }

        if (tag->npath == 0) {
            continue;
        }

        for (var = w->prompt->variables; var; var = var->next) {
            if (var->name.len == tag->path[0].len
                && ngx_memcmp(var->name.data, tag->path[0].data,
                              var->name.len)
                   == 0)
            {
                break;
            }
        }

        if (var == NULL && !ngx_llmops_form_is_context(tag)) {
            return ngx_llmops_prompt_fault(w->prompt, w->err, v, "unknown "
                                           "variable \"%s\", add it to "
                                           "\"variables\"", &tag->path[0]);
        }
    }

    return NGX_OK;
}


ngx_uint_t
ngx_llmops_form_context(ngx_llmops_tag_t *tag)
{
    for ( /* void */ ; tag; tag = tag->next) {
        if (ngx_llmops_form_is_context(tag)
            || ngx_llmops_form_context(tag->first))
        {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_llmops_form_flush(ngx_llmops_form_writer_t *w)
{
    ngx_llmops_piece_t  *piece;

    if (w->literal.failed) {
        return NGX_ERROR;
    }

    if (w->literal.len == 0) {
        return NGX_OK;
    }

    piece = ngx_llmops_arena_alloc(&w->prompt->arena,
                                   sizeof(ngx_llmops_piece_t));
    if (piece == NULL) {
        return NGX_ERROR;
    }

    piece->text.len = w->literal.len;
    piece->text.data = ngx_llmops_arena_copy(&w->prompt->arena,
                                             w->literal.data, w->literal.len);
    if (piece->text.data == NULL) {
        return NGX_ERROR;
    }

    *w->last = piece;
    w->last = &piece->next;

    ngx_llmops_out_reset(&w->literal);

    return NGX_OK;
}


/* type is quoted JSON */

static ngx_int_t
ngx_llmops_form_unusable(ngx_llmops_form_writer_t *w, ngx_str_t *type)
{
    u_char  *p;

    p = ngx_llmops_arena_alloc(&w->prompt->arena, type->len + 64);
    if (p == NULL) {
        return NGX_ERROR;
    }

    w->form->unusable.data = p;

    p = ngx_cpymem(p, "its messages have parts of the type ", 36);
    p = ngx_cpymem(p, type->data, type->len);

    w->form->unusable.len = p - w->form->unusable.data;

    return NGX_DONE;
}
