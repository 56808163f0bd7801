
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_prompt.h"


/*
 * Variables of a request against the prompt's schema, before anything is
 * spent.  All that is missing or unknown is named at once, since who fixes a
 * call wants to fix it once.
 */


#define NGX_LLMOPS_CHECK_TEXT  512


static ngx_int_t ngx_llmops_check_unknown(ngx_llmops_prompt_t *p,
    ngx_llmops_value_t *given, ngx_llmops_arena_t *arena,
    ngx_llmops_error_t *err);
static ngx_int_t ngx_llmops_check_missing(ngx_llmops_prompt_t *p,
    ngx_llmops_value_t *given, ngx_llmops_arena_t *arena,
    ngx_llmops_error_t *err);
static ngx_int_t ngx_llmops_check_names(ngx_llmops_prompt_t *p,
    const char *what, ngx_llmops_arena_t *arena, ngx_llmops_error_t *err,
    u_char **end);
static u_char *ngx_llmops_check_add(u_char *p, u_char *start,
    ngx_str_t *name, ngx_uint_t first);
static ngx_llmops_value_t *ngx_llmops_check_take(ngx_llmops_variable_t *var,
    ngx_llmops_value_t *v, ngx_llmops_arena_t *arena,
    ngx_llmops_error_t *err);
static const char *ngx_llmops_check_value(ngx_llmops_variable_t *var,
    ngx_llmops_value_t *v, ngx_llmops_arena_t *arena);
static const char *ngx_llmops_check_type(ngx_llmops_variable_t *var,
    ngx_llmops_value_t *v);
static ngx_uint_t ngx_llmops_check_choice(ngx_llmops_variable_t *var,
    ngx_llmops_value_t *v, ngx_llmops_arena_t *arena);
static ngx_int_t ngx_llmops_check_fault(ngx_llmops_arena_t *arena,
    ngx_llmops_error_t *err, const char *code, const char *before,
    ngx_str_t *name, const char *after);
static ngx_llmops_value_t *ngx_llmops_check_given(ngx_llmops_value_t *given,
    ngx_str_t *name);
static ngx_llmops_variable_t *ngx_llmops_check_find(ngx_llmops_prompt_t *p,
    ngx_str_t *name);


ngx_llmops_value_t *
ngx_llmops_prompt_check(ngx_llmops_prompt_t *p, ngx_llmops_value_t *given,
    ngx_llmops_arena_t *arena, ngx_llmops_error_t *err)
{
    ngx_llmops_value_t     *root, *v, **last;
    ngx_llmops_variable_t  *var;

    ngx_memzero(err, sizeof(ngx_llmops_error_t));

    root = ngx_llmops_arena_alloc(arena, sizeof(ngx_llmops_value_t));
    if (root == NULL) {
        return NULL;
    }

    root->type = NGX_LLMOPS_JSON_OBJECT;
    ngx_str_set(&root->raw, "{}");
    last = &root->first;

    if (given && given->type != NGX_LLMOPS_JSON_OBJECT) {
        (void) ngx_llmops_check_fault(arena, err, "invalid_type",
                                      "the prompt's variables are not an "
                                      "object, send {\"name\": value}", NULL,
                                      "");
        return NULL;
    }

    if (ngx_llmops_check_unknown(p, given, arena, err) != NGX_OK
        || ngx_llmops_check_missing(p, given, arena, err) != NGX_OK)
    {
        return NULL;
    }

    for (var = p->variables; var; var = var->next) {

        v = ngx_llmops_check_given(given, &var->name);

        if (v == NULL && var->value == NULL) {
            continue;
        }

        v = ngx_llmops_check_take(var, v, arena, err);
        if (v == NULL) {
            return NULL;
        }

        *last = v;
        last = &v->next;
        root->children++;
    }

    return root;
}


static ngx_int_t
ngx_llmops_check_unknown(ngx_llmops_prompt_t *p, ngx_llmops_value_t *given,
    ngx_llmops_arena_t *arena, ngx_llmops_error_t *err)
{
    u_char              *end;
    ngx_uint_t           n;
    ngx_llmops_value_t  *v;

    n = 0;
    end = NULL;

    for (v = given ? given->first : NULL; v; v = v->next) {

        if (ngx_llmops_check_find(p, &v->key)) {
            continue;
        }

        if (n == 0 && ngx_llmops_check_names(p, "the prompt has no such "
                                             "variables: ", arena, err, &end)
                      != NGX_OK)
        {
            return NGX_ERROR;
        }

        end = ngx_llmops_check_add(end, err->message.data, &v->key, n++ == 0);
    }

    if (n == 0) {
        return NGX_OK;
    }

    ngx_str_set(&err->code, "unknown_variable");
    err->message.len = end - err->message.data;

    return NGX_DECLINED;
}


static ngx_int_t
ngx_llmops_check_missing(ngx_llmops_prompt_t *p, ngx_llmops_value_t *given,
    ngx_llmops_arena_t *arena, ngx_llmops_error_t *err)
{
    u_char                 *end;
    ngx_uint_t              n;
    ngx_llmops_variable_t  *var;

    n = 0;
    end = NULL;

    for (var = p->variables; var; var = var->next) {

        if (!var->required || ngx_llmops_check_given(given, &var->name)) {
            continue;
        }

        if (n == 0 && ngx_llmops_check_names(p, "variables of the prompt are "
                                             "missing: ", arena, err, &end)
                      != NGX_OK)
        {
            return NGX_ERROR;
        }

        end = ngx_llmops_check_add(end, err->message.data, &var->name,
                                   n++ == 0);
    }

    if (n == 0) {
        return NGX_OK;
    }

    ngx_str_set(&err->code, "missing_variable");
    err->message.len = end - err->message.data;

    return NGX_DECLINED;
}


/* starts a message that has names at its end */

static ngx_int_t
ngx_llmops_check_names(ngx_llmops_prompt_t *p, const char *what,
    ngx_llmops_arena_t *arena, ngx_llmops_error_t *err, u_char **end)
{
    u_char  *text;

    text = ngx_llmops_arena_alloc(arena, NGX_LLMOPS_CHECK_TEXT);
    if (text == NULL) {
        return NGX_ERROR;
    }

    err->kind = NGX_LLMOPS_ERR_INVALID_REQUEST;
    err->message.data = text;
    ngx_str_set(&err->param, "variables");

    *end = ngx_cpymem(text, what, ngx_strlen(what));

    return NGX_OK;
}


static u_char *
ngx_llmops_check_add(u_char *p, u_char *start, ngx_str_t *name,
    ngx_uint_t first)
{
    size_t  len, left;

    len = ngx_min(name->len, NGX_LLMOPS_PROMPT_NAME);
    left = NGX_LLMOPS_CHECK_TEXT - (p - start);

    if (left < NGX_LLMOPS_PROMPT_NAME + 2 + sizeof(", ...")) {

        if (left > 2 * sizeof(", ...") && p[-1] != '.') {
            p = ngx_cpymem(p, ", ...", sizeof(", ...") - 1);
        }

        return p;
    }

    if (!first) {
        p = ngx_cpymem(p, ", ", 2);
    }

    return ngx_cpymem(p, name->data, len);
}


/* v, or the default if that is NULL, as a member of the root */

static ngx_llmops_value_t *
ngx_llmops_check_take(ngx_llmops_variable_t *var, ngx_llmops_value_t *v,
    ngx_llmops_arena_t *arena, ngx_llmops_error_t *err)
{
    const char          *wrong;
    ngx_llmops_value_t  *copy, *text;

    copy = ngx_llmops_arena_alloc(arena, sizeof(ngx_llmops_value_t));
    if (copy == NULL) {
        return NULL;
    }

    /* OpenAI's clients may send a text as {"type": "input_text", ...} */

    if (v && v->type == NGX_LLMOPS_JSON_OBJECT
        && ngx_llmops_value_is(ngx_llmops_value_member(v, "type"),
                               "input_text"))
    {
        text = ngx_llmops_value_member(v, "text");

        if (text && var->type.len == 6 && var->type.data[0] == 's') {
            v = text;
        }
    }

    *copy = v ? *v : *var->value;
    copy->key = var->name;
    copy->next = NULL;

    wrong = v ? ngx_llmops_check_value(var, copy, arena) : NULL;

    if (wrong) {
        (void) ngx_llmops_check_fault(arena, err, "invalid_variable",
                                      "the prompt's variable \"", &var->name,
                                      wrong);
        return NULL;
    }

    if (var->fence) {
        ngx_llmops_value_distrust(copy);
        copy->fence = 1;
    }

    return copy;
}


/* what is wrong with it, to follow its name and a quote; or NULL */

static const char *
ngx_llmops_check_value(ngx_llmops_variable_t *var, ngx_llmops_value_t *v,
    ngx_llmops_arena_t *arena)
{
    const char  *wrong;

    wrong = ngx_llmops_check_type(var, v);

    if (wrong) {
        return wrong;
    }

    if (var->max_length) {

        if (v->type == NGX_LLMOPS_JSON_STRING
            && ngx_llmops_value_chars(v) > var->max_length)
        {
            return "\" is too long, send fewer characters";
        }

        if (v->type == NGX_LLMOPS_JSON_ARRAY && v->children > var->max_length)
        {
            return "\" has too many items, send fewer";
        }
    }

    if (var->choices && !ngx_llmops_check_choice(var, v, arena)) {
        return "\" is none of the values that are allowed";
    }

    return NULL;
}


static const char *
ngx_llmops_check_type(ngx_llmops_variable_t *var, ngx_llmops_value_t *v)
{
    size_t  i;

    switch (var->type.data[0]) {

    case 's':
        return v->type == NGX_LLMOPS_JSON_STRING
               ? NULL : "\" is not a string";

    case 'n':
        return v->type == NGX_LLMOPS_JSON_NUMBER
               ? NULL : "\" is not a number";

    case 'b':
        return v->type == NGX_LLMOPS_JSON_TRUE
               || v->type == NGX_LLMOPS_JSON_FALSE
               ? NULL : "\" is not true or false";

    case 'a':
        return v->type == NGX_LLMOPS_JSON_ARRAY
               ? NULL : "\" is not an array";

    case 'o':
        return v->type == NGX_LLMOPS_JSON_OBJECT
               ? NULL : "\" is not an object";
    }

    if (v->type != NGX_LLMOPS_JSON_NUMBER) {
        return "\" is not a whole number";
    }

    for (i = 0; i < v->raw.len; i++) {
        if (v->raw.data[i] == '.' || (v->raw.data[i] | 0x20) == 'e') {
            return "\" is not a whole number";
        }
    }

    return NULL;
}


/* strings are compared as what they mean, all else as it is spelled */

static ngx_uint_t
ngx_llmops_check_choice(ngx_llmops_variable_t *var, ngx_llmops_value_t *v,
    ngx_llmops_arena_t *arena)
{
    ngx_str_t            a, b;
    ngx_llmops_value_t  *choice;

    a = (v->type == NGX_LLMOPS_JSON_STRING) ? ngx_llmops_value_text(arena, v)
                                            : v->raw;

    for (choice = var->choices->first; choice; choice = choice->next) {

        if (choice->type != v->type) {
            continue;
        }

        b = (v->type == NGX_LLMOPS_JSON_STRING)
            ? ngx_llmops_value_text(arena, choice) : choice->raw;

        if (a.data && b.data && a.len == b.len
            && ngx_memcmp(a.data, b.data, a.len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_llmops_check_fault(ngx_llmops_arena_t *arena, ngx_llmops_error_t *err,
    const char *code, const char *before, ngx_str_t *name, const char *after)
{
    u_char  *p;

    p = ngx_llmops_arena_alloc(arena, NGX_LLMOPS_CHECK_TEXT);
    if (p == NULL) {
        return NGX_ERROR;
    }

    err->kind = NGX_LLMOPS_ERR_INVALID_REQUEST;
    err->code.data = (u_char *) code;
    err->code.len = ngx_strlen(code);
    err->message.data = p;
    ngx_str_set(&err->param, "variables");

    p = ngx_cpymem(p, before, ngx_strlen(before));

    if (name) {
        p = ngx_cpymem(p, name->data, name->len);
        err->param = *name;
    }

    p = ngx_cpymem(p, after, ngx_strlen(after));

    err->message.len = p - err->message.data;

    return NGX_DECLINED;
}


/* null is the same as nothing; of a repeated one the last counts */

static ngx_llmops_value_t *
ngx_llmops_check_given(ngx_llmops_value_t *given, ngx_str_t *name)
{
    ngx_llmops_value_t  *v, *found;

    found = NULL;

    for (v = given ? given->first : NULL; v; v = v->next) {
        if (v->key.len == name->len
            && ngx_memcmp(v->key.data, name->data, name->len) == 0)
        {
            found = v;
        }
    }

    return (found && found->type != NGX_LLMOPS_JSON_NULL) ? found : NULL;
}


static ngx_llmops_variable_t *
ngx_llmops_check_find(ngx_llmops_prompt_t *p, ngx_str_t *name)
{
    ngx_llmops_variable_t  *var;

    for (var = p->variables; var; var = var->next) {
        if (var->name.len == name->len
            && ngx_memcmp(var->name.data, name->data, name->len) == 0)
        {
            break;
        }
    }

    return var;
}
