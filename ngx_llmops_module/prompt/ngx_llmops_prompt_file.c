
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <jansson.h>
#include "ngx_llmops_prompt.h"


/*
 * Prompt files.  jansson says whether a file is JSON and, if not, in which
 * line; the tree that is then read points into the file, so that every other
 * mistake has a line too.  What is not known is an error: a misspelled member
 * would otherwise be a prompt that lacks something.
 */


static ngx_int_t ngx_llmops_prompt_load(ngx_llmops_prompt_t *p,
    ngx_llmops_prompt_error_t *err);
static ngx_int_t ngx_llmops_prompt_options(ngx_llmops_prompt_t *p,
    ngx_llmops_prompt_error_t *err);
static ngx_int_t ngx_llmops_prompt_partials(ngx_llmops_prompt_t *p,
    ngx_llmops_prompt_error_t *err);
static ngx_int_t ngx_llmops_prompt_compile(ngx_llmops_prompt_t *p,
    ngx_llmops_value_t *v, ngx_llmops_prompt_error_t *err);


static const ngx_llmops_prompt_member_t  ngx_llmops_prompt_file_members[] = {
    { "messages", NGX_LLMOPS_JSON_ARRAY },
    { "variables", NGX_LLMOPS_JSON_OBJECT },
    { "partials", NGX_LLMOPS_JSON_OBJECT },
    { "parameters", NGX_LLMOPS_JSON_OBJECT },
    { "fixed", NGX_LLMOPS_JSON_OBJECT },
    { "model", NGX_LLMOPS_JSON_STRING },
    { "escape", NGX_LLMOPS_JSON_STRING },
    { "notes", NGX_LLMOPS_JSON_NONE },
    { NULL, 0 }
};


ngx_llmops_prompt_t *
ngx_llmops_prompt_parse(ngx_str_t *name, ngx_str_t *version, ngx_str_t *text,
    ngx_llmops_prompt_error_t *err)
{
    u_char               *full;
    ngx_int_t             rc;
    ngx_llmops_prompt_t  *p;

    err->line = 1;
    ngx_memcpy(err->text, "out of memory", sizeof("out of memory"));

    p = calloc(1, sizeof(ngx_llmops_prompt_t));
    if (p == NULL) {
        return NULL;
    }

    p->refs = 1;

    ngx_llmops_arena_init(&p->arena, NGX_LLMOPS_PROMPT_MEMORY);

    full = ngx_llmops_arena_alloc(&p->arena, name->len + version->len + 1);
    p->text.data = ngx_llmops_arena_copy(&p->arena, text->data, text->len);
    p->text.len = text->len;

    if (full == NULL || p->text.data == NULL) {
        ngx_llmops_prompt_release(p);
        return NULL;
    }

    p->full.data = full;
    p->full.len = name->len + version->len + 1;

    ngx_memcpy(full, name->data, name->len);
    full[name->len] = '@';
    ngx_memcpy(full + name->len + 1, version->data, version->len);

    p->name.data = full;
    p->name.len = name->len;
    p->version.data = full + name->len + 1;
    p->version.len = version->len;

    rc = ngx_llmops_prompt_load(p, err);

    if (rc != NGX_OK) {
        ngx_llmops_prompt_release(p);
        return NULL;
    }

    return p;
}


void
ngx_llmops_prompt_release(ngx_llmops_prompt_t *p)
{
    if (--p->refs == 0) {
        ngx_llmops_arena_free(&p->arena);
        free(p);
    }
}


static ngx_int_t
ngx_llmops_prompt_load(ngx_llmops_prompt_t *p, ngx_llmops_prompt_error_t *err)
{
    ngx_int_t             rc;
    json_t               *json;
    json_error_t          error;
    ngx_llmops_value_t   *v;

    json = json_loadb((char *) p->text.data, p->text.len,
                      JSON_REJECT_DUPLICATES, &error);

    if (json == NULL) {
        err->line = error.line > 0 ? error.line : 1;
        (void) snprintf((char *) err->text, sizeof(err->text),
                        "it is not JSON: %s", error.text);
        return NGX_DECLINED;
    }

    rc = json_is_object(json) ? NGX_OK : NGX_DECLINED;

    json_decref(json);

    p->root = ngx_llmops_value_parse(&p->arena, &p->text);

    if (p->root == NULL) {
        return NGX_ERROR;
    }

    if (rc != NGX_OK) {
        return ngx_llmops_prompt_fault(p, err, p->root, "it is not an object, "
                                       "write {\"messages\": [ ... ]}", NULL);
    }

    rc = ngx_llmops_prompt_members(p, p->root, ngx_llmops_prompt_file_members,
                                   "messages, variables, partials, "
                                   "parameters, fixed, model, escape and "
                                   "notes", err);

    if (rc != NGX_OK
        || (rc = ngx_llmops_prompt_options(p, err)) != NGX_OK
        || (rc = ngx_llmops_prompt_variables(p, err)) != NGX_OK
        || (rc = ngx_llmops_prompt_partials(p, err)) != NGX_OK)
    {
        return rc;
    }

    v = ngx_llmops_value_member(p->root, "messages");

    if (v == NULL || v->first == NULL) {
        return ngx_llmops_prompt_fault(p, err, v ? v : p->root,
                                       "there are no messages, write "
                                       "\"messages\": [{\"role\": \"system\", "
                                       "\"content\": \"...\"}]", NULL);
    }

    rc = ngx_llmops_prompt_forms(p, v, err);

    if (rc == NGX_OK && (v = ngx_llmops_value_member(p->root, "parameters"))) {
        rc = ngx_llmops_prompt_parameters(p, v, 0, err);
    }

    if (rc == NGX_OK && (v = ngx_llmops_value_member(p->root, "fixed"))) {
        rc = ngx_llmops_prompt_parameters(p, v, 1, err);
    }

    return rc;
}


ngx_int_t
ngx_llmops_prompt_members(ngx_llmops_prompt_t *p, ngx_llmops_value_t *v,
    const ngx_llmops_prompt_member_t *known, const char *list,
    ngx_llmops_prompt_error_t *err)
{
    u_char               fmt[256];
    ngx_llmops_value_t  *m;

    const ngx_llmops_prompt_member_t  *k;

    for (m = v->first; m; m = m->next) {

        for (k = known; k->name; k++) {
            if (m->key.len == ngx_strlen(k->name)
                && ngx_memcmp(m->key.data, k->name, m->key.len) == 0)
            {
                break;
            }
        }

        if (k->name == NULL) {
            (void) snprintf((char *) fmt, sizeof(fmt),
                            "unknown member \"%%s\", there are %s", list);
            return ngx_llmops_prompt_fault(p, err, m, (char *) fmt, &m->key);
        }

        if (k->type != NGX_LLMOPS_JSON_NONE && m->type != k->type) {
            (void) snprintf((char *) fmt, sizeof(fmt),
                            "\"%%s\" is not %s",
                            k->type == NGX_LLMOPS_JSON_ARRAY ? "an array"
                            : k->type == NGX_LLMOPS_JSON_OBJECT ? "an object"
                            : k->type == NGX_LLMOPS_JSON_NUMBER ? "a number"
                            : "a string");
            return ngx_llmops_prompt_fault(p, err, m, (char *) fmt, &m->key);
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_prompt_options(ngx_llmops_prompt_t *p,
    ngx_llmops_prompt_error_t *err)
{
    ngx_llmops_value_t  *v;

    v = ngx_llmops_value_member(p->root, "model");

    if (v) {
        p->model = ngx_llmops_value_text(&p->arena, v);

        if (p->model.data == NULL) {
            return NGX_ERROR;
        }

        if (p->model.len == 0 || p->model.len > NGX_LLMOPS_MODEL_MAX) {
            return ngx_llmops_prompt_fault(p, err, v, "the model's name must "
                                           "have 1 to 256 bytes", NULL);
        }
    }

    v = ngx_llmops_value_member(p->root, "escape");

    if (v == NULL || ngx_llmops_value_is(v, "none")) {
        return NGX_OK;
    }

    if (ngx_llmops_value_is(v, "xml")) {
        p->xml = 1;
        return NGX_OK;
    }

    return ngx_llmops_prompt_fault(p, err, v, "invalid \"escape\", write "
                                   "\"none\" or \"xml\"", NULL);
}


static ngx_int_t
ngx_llmops_prompt_partials(ngx_llmops_prompt_t *p,
    ngx_llmops_prompt_error_t *err)
{
    ngx_str_t               text;
    ngx_llmops_value_t     *v, *partials;
    ngx_llmops_template_t  *t, **last;

    last = &p->partials;

    partials = ngx_llmops_value_member(p->root, "partials");

    for (v = partials ? partials->first : NULL; v; v = v->next) {

        if (!ngx_llmops_prompt_name(&v->key)
            || (v->key.len == 8 && ngx_memcmp(v->key.data, "messages", 8) == 0))
        {
            return ngx_llmops_prompt_fault(p, err, v, "\"%s\" cannot be the "
                                           "name of a partial: it has 1 to 64 "
                                           "letters, digits, \".\", \"_\" and "
                                           "\"-\", and \"messages\" are the "
                                           "caller's", &v->key);
        }

        if (v->type != NGX_LLMOPS_JSON_STRING) {
            return ngx_llmops_prompt_fault(p, err, v, "the partial \"%s\" is "
                                           "not a string", &v->key);
        }

        t = ngx_llmops_arena_alloc(&p->arena, sizeof(ngx_llmops_template_t));
        text = ngx_llmops_value_text(&p->arena, v);

        if (t == NULL || text.data == NULL) {
            return NGX_ERROR;
        }

        t->name = v->key;
        t->source = text;
        t->xml = p->xml;

        *last = t;
        last = &t->next;
    }

    return partials ? ngx_llmops_prompt_compile(p, partials->first, err)
                    : NGX_OK;
}


/* they may name each other, so that all have to be known before; v: the first
   one as it was given */

static ngx_int_t
ngx_llmops_prompt_compile(ngx_llmops_prompt_t *p, ngx_llmops_value_t *v,
    ngx_llmops_prompt_error_t *err)
{
    ngx_int_t                     rc;
    ngx_llmops_template_t        *t;
    ngx_llmops_mustache_error_t   fault;

    for (t = p->partials; t; t = t->next, v = v->next) {

        rc = ngx_llmops_mustache_compile(t, p->partials, &p->arena, &fault);

        if (rc == NGX_DECLINED) {
            return ngx_llmops_prompt_fault(p, err, v, (char *) fault.text,
                                           NULL);
        }

        if (rc != NGX_OK) {
            return rc;
        }

        p->context |= ngx_llmops_form_context(t->first);
    }

    return NGX_OK;
}


ngx_uint_t
ngx_llmops_prompt_name(ngx_str_t *s)
{
    size_t  i;
    u_char  c;

    if (s->len == 0 || s->len > NGX_LLMOPS_PROMPT_NAME) {
        return 0;
    }

    for (i = 0; i < s->len; i++) {
        c = s->data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-'))
        {
            return 0;
        }
    }

    return 1;
}


ngx_int_t
ngx_llmops_prompt_fault(ngx_llmops_prompt_t *p,
    ngx_llmops_prompt_error_t *err, ngx_llmops_value_t *v, const char *fmt,
    ngx_str_t *s)
{
    u_char      *q, *to, *last;
    size_t       n;
    const char  *f;

    err->line = 1;

    for (q = p->text.data; q < v->raw.data; q++) {
        err->line += (*q == LF);
    }

    to = err->text;
    last = to + sizeof(err->text) - 1;

    for (f = fmt; *f && to < last; f++) {

        if (f[0] != '%' || f[1] != 's' || s == NULL) {
            *to++ = *f;
            continue;
        }

        n = ngx_min(s->len, NGX_LLMOPS_PROMPT_NAME);
        n = ngx_min(n, (size_t) (last - to));
        to = ngx_cpymem(to, s->data, n);
        f++;
    }

    *to = '\0';

    return NGX_DECLINED;
}
