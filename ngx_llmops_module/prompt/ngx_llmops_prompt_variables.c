
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_prompt.h"


/* The schema of a prompt's variables, in its file. */


static ngx_int_t ngx_llmops_prompt_variable(ngx_llmops_prompt_t *p,
    ngx_llmops_value_t *v, ngx_llmops_variable_t *var,
    ngx_llmops_prompt_error_t *err);
static ngx_int_t ngx_llmops_prompt_defaults(ngx_llmops_prompt_t *p,
    ngx_llmops_variable_t *var, ngx_llmops_value_t *v,
    ngx_llmops_prompt_error_t *err);
static ngx_uint_t ngx_llmops_prompt_tag_name(ngx_str_t *s);


static const ngx_llmops_prompt_member_t  ngx_llmops_prompt_var_members[] = {
    { "type", NGX_LLMOPS_JSON_STRING },
    { "required", NGX_LLMOPS_JSON_NONE },
    { "default", NGX_LLMOPS_JSON_NONE },
    { "max_length", NGX_LLMOPS_JSON_NUMBER },
    { "enum", NGX_LLMOPS_JSON_ARRAY },
    { "fence", NGX_LLMOPS_JSON_NONE },
    { "description", NGX_LLMOPS_JSON_STRING },
    { NULL, 0 }
};


static const char *const  ngx_llmops_prompt_types[] = {
    "string", "number", "integer", "boolean", "array", "object", NULL
};


ngx_int_t
ngx_llmops_prompt_variables(ngx_llmops_prompt_t *p,
    ngx_llmops_prompt_error_t *err)
{
    ngx_int_t               rc;
    ngx_llmops_value_t     *v;
    ngx_llmops_variable_t  *var, **last;

    v = ngx_llmops_value_member(p->root, "variables");
    last = &p->variables;

    for (v = v ? v->first : NULL; v; v = v->next) {

        if (!ngx_llmops_prompt_tag_name(&v->key)) {
            return ngx_llmops_prompt_fault(p, err, v, "\"%s\" cannot be the "
                                           "name of a variable: it begins "
                                           "with a letter or \"_\" and has up "
                                           "to 64 letters, digits, \"_\" and "
                                           "\"-\"", &v->key);
        }

        if (v->type != NGX_LLMOPS_JSON_OBJECT) {
            return ngx_llmops_prompt_fault(p, err, v, "the variable \"%s\" is "
                                           "not an object, write {\"type\": "
                                           "\"string\"}", &v->key);
        }

        var = ngx_llmops_arena_alloc(&p->arena, sizeof(ngx_llmops_variable_t));
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->name = v->key;

        *last = var;
        last = &var->next;

        rc = ngx_llmops_prompt_members(p, v, ngx_llmops_prompt_var_members,
                                       "type, required, default, max_length, "
                                       "enum, fence and description", err);

        if (rc != NGX_OK
            || (rc = ngx_llmops_prompt_variable(p, v, var, err)) != NGX_OK)
        {
            return rc;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_prompt_variable(ngx_llmops_prompt_t *p, ngx_llmops_value_t *v,
    ngx_llmops_variable_t *var, ngx_llmops_prompt_error_t *err)
{
    int64_t              n;
    ngx_uint_t           i;
    ngx_llmops_value_t  *m;

    m = ngx_llmops_value_member(v, "type");

    for (i = 0; ngx_llmops_prompt_types[i]; i++) {
        if (ngx_llmops_value_is(m, ngx_llmops_prompt_types[i])) {
            break;
        }
    }

    if (ngx_llmops_prompt_types[i] == NULL) {
        return ngx_llmops_prompt_fault(p, err, m ? m : v, "the variable "
                                       "\"%s\" needs \"type\": \"string\", "
                                       "\"number\", \"integer\", \"boolean\", "
                                       "\"array\" or \"object\"", &v->key);
    }

    var->type = ngx_llmops_value_inner(m);

    m = ngx_llmops_value_member(v, "max_length");

    if (m) {
        if ((i != 0 && i != 4)
            || ngx_llmops_json_count(&m->raw, &n) != NGX_OK || n == 0)
        {
            return ngx_llmops_prompt_fault(p, err, m, "\"max_length\" is a "
                                           "whole number of characters of a "
                                           "string, or of items of an array",
                                           NULL);
        }

        var->max_length = (size_t) n;
    }

    m = ngx_llmops_value_member(v, "fence");

    if (m && m->type != NGX_LLMOPS_JSON_TRUE
        && m->type != NGX_LLMOPS_JSON_FALSE)
    {
        return ngx_llmops_prompt_fault(p, err, m, "\"fence\" is true or "
                                       "false", NULL);
    }

    var->fence = (m && m->type == NGX_LLMOPS_JSON_TRUE);
    var->choices = ngx_llmops_value_member(v, "enum");

    return ngx_llmops_prompt_defaults(p, var, v, err);
}


/* a default must be what a caller could have sent */

static ngx_int_t
ngx_llmops_prompt_defaults(ngx_llmops_prompt_t *p, ngx_llmops_variable_t *var,
    ngx_llmops_value_t *v, ngx_llmops_prompt_error_t *err)
{
    ngx_llmops_value_t     *m, given, *copy;
    ngx_llmops_error_t      wrong;
    ngx_llmops_prompt_t     only;
    ngx_llmops_variable_t   alone;

    m = ngx_llmops_value_member(v, "required");

    if (m && m->type != NGX_LLMOPS_JSON_TRUE
        && m->type != NGX_LLMOPS_JSON_FALSE)
    {
        return ngx_llmops_prompt_fault(p, err, m, "\"required\" is true or "
                                       "false", NULL);
    }

    var->value = ngx_llmops_value_member(v, "default");
    var->required = m ? (m->type == NGX_LLMOPS_JSON_TRUE)
                      : (var->value == NULL);

    if (var->value == NULL) {
        return NGX_OK;
    }

    if (var->required) {
        return ngx_llmops_prompt_fault(p, err, m, "the variable \"%s\" is "
                                       "required and has a default, take one "
                                       "away", &v->key);
    }

    copy = ngx_llmops_arena_alloc(&p->arena, sizeof(ngx_llmops_value_t));
    if (copy == NULL) {
        return NGX_ERROR;
    }

    *copy = *var->value;
    copy->key = var->name;
    copy->next = NULL;

    ngx_memzero(&given, sizeof(ngx_llmops_value_t));
    given.type = NGX_LLMOPS_JSON_OBJECT;
    given.first = copy;

    alone = *var;
    alone.next = NULL;

    ngx_memzero(&only, sizeof(ngx_llmops_prompt_t));
    only.variables = &alone;

    if (ngx_llmops_prompt_check(&only, &given, &p->arena, &wrong) == NULL) {

        if (wrong.kind == NGX_LLMOPS_ERR_NONE) {
            return NGX_ERROR;
        }

        return ngx_llmops_prompt_fault(p, err, var->value, "the default of "
                                       "\"%s\" is none of the values that its "
                                       "type, max_length and enum allow",
                                       &v->key);
    }

    var->value = copy;

    return NGX_OK;
}


/* it may become the name of an XML tag; a dot would be part of a path */

static ngx_uint_t
ngx_llmops_prompt_tag_name(ngx_str_t *s)
{
    u_char  c;

    if (!ngx_llmops_prompt_name(s)
        || ngx_strlchr(s->data, s->data + s->len, '.'))
    {
        return 0;
    }

    c = s->data[0];

    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
