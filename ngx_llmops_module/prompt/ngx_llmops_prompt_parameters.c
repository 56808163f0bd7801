
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_prompt.h"


/*
 * A prompt's model parameters.  They are written under OpenAI's names for
 * chat/completions and are sent so to its callers' targets, byte by byte; the
 * other two APIs get what they have, under their own names.  What would
 * change the meaning of an answer if it was left out (tools, the format of an
 * answer) makes the prompt unusable there instead.
 */


typedef enum {
    NGX_LLMOPS_PARAMETER_SAME = 0,
    NGX_LLMOPS_PARAMETER_LIST,             /* a string or an array */
    NGX_LLMOPS_PARAMETER_TOOLS,
    NGX_LLMOPS_PARAMETER_CHOICE,
    NGX_LLMOPS_PARAMETER_FORMAT,
    NGX_LLMOPS_PARAMETER_EFFORT
} ngx_llmops_parameter_e;


typedef struct {
    const char                *chat;
    const char                *messages;   /* NULL: not sent there */
    const char                *responses;
    const char                *other;      /* chat's second name for it */
    ngx_llmops_parameter_e     kind;
} ngx_llmops_parameter_map_t;


static ngx_int_t ngx_llmops_parameter(ngx_llmops_prompt_t *p,
    ngx_llmops_value_t *v, ngx_uint_t fixed, ngx_llmops_prompt_error_t *err);
static ngx_int_t ngx_llmops_parameter_add(ngx_llmops_prompt_t *p,
    ngx_llmops_form_e form, const ngx_llmops_parameter_map_t *map,
    ngx_llmops_value_t *v, ngx_uint_t fixed);
static ngx_int_t ngx_llmops_parameter_write(ngx_llmops_form_e form,
    const ngx_llmops_parameter_map_t *map, ngx_llmops_value_t *v,
    ngx_llmops_out_t *out);
static ngx_int_t ngx_llmops_parameter_tools(ngx_llmops_form_e form,
    ngx_llmops_value_t *v, ngx_llmops_out_t *out);
static ngx_int_t ngx_llmops_parameter_choice(ngx_llmops_form_e form,
    ngx_llmops_value_t *v, ngx_llmops_out_t *out);
static ngx_int_t ngx_llmops_parameter_format(ngx_llmops_form_e form,
    ngx_llmops_value_t *v, ngx_llmops_out_t *out);
static ngx_int_t ngx_llmops_parameter_unusable(ngx_llmops_prompt_t *p,
    ngx_llmops_form_t *form, ngx_llmops_value_t *v);


static const ngx_llmops_parameter_map_t  ngx_llmops_parameter_maps[] = {
    { "temperature", "temperature", "temperature", NULL, 0 },
    { "top_p", "top_p", "top_p", NULL, 0 },
    { "top_k", "top_k", NULL, NULL, 0 },
    { "max_tokens", "max_tokens", "max_output_tokens",
      "max_completion_tokens", 0 },
    { "max_completion_tokens", "max_tokens", "max_output_tokens",
      "max_tokens", 0 },
    { "stop", "stop_sequences", NULL, NULL, NGX_LLMOPS_PARAMETER_LIST },
    { "tools", "tools", "tools", NULL, NGX_LLMOPS_PARAMETER_TOOLS },
    { "tool_choice", "tool_choice", "tool_choice", NULL,
      NGX_LLMOPS_PARAMETER_CHOICE },
    { "response_format", "", "text", NULL, NGX_LLMOPS_PARAMETER_FORMAT },
    { "reasoning_effort", NULL, "reasoning", NULL,
      NGX_LLMOPS_PARAMETER_EFFORT },
    { "thinking", "thinking", NULL, NULL, 0 },
    { "parallel_tool_calls", NULL, "parallel_tool_calls", NULL, 0 },
    { "metadata", NULL, "metadata", NULL, 0 },
    { "store", NULL, "store", NULL, 0 },
    { "user", NULL, "user", NULL, 0 },
    { "safety_identifier", NULL, "safety_identifier", NULL, 0 },
    { "prompt_cache_key", NULL, "prompt_cache_key", NULL, 0 },
    { "service_tier", NULL, "service_tier", NULL, 0 },
    { "top_logprobs", NULL, "top_logprobs", NULL, 0 },
    { NULL, NULL, NULL, NULL, 0 }
};


/* the caller's business, or said elsewhere in the file */

static const char *const  ngx_llmops_parameter_refused[] = {
    "model", "messages", "system", "input", "prompt", "variables", "stream",
    "stream_options", NULL
};


ngx_int_t
ngx_llmops_prompt_parameters(ngx_llmops_prompt_t *p,
    ngx_llmops_value_t *object, ngx_uint_t fixed,
    ngx_llmops_prompt_error_t *err)
{
    ngx_int_t            rc;
    ngx_llmops_value_t  *v;

    rc = NGX_OK;

    for (v = object->first; v && rc == NGX_OK; v = v->next) {
        rc = ngx_llmops_parameter(p, v, fixed, err);
    }

    return rc;
}


static ngx_int_t
ngx_llmops_parameter(ngx_llmops_prompt_t *p, ngx_llmops_value_t *v,
    ngx_uint_t fixed, ngx_llmops_prompt_error_t *err)
{
    ngx_int_t                rc;
    ngx_uint_t               i, n;
    ngx_llmops_parameter_t  *q;

    static const ngx_llmops_parameter_map_t  own = {
        NULL, NULL, NULL, NULL, 0
    };

    const ngx_llmops_parameter_map_t  *map;

    for (i = 0; ngx_llmops_parameter_refused[i]; i++) {
        if (v->key.len == ngx_strlen(ngx_llmops_parameter_refused[i])
            && ngx_memcmp(v->key.data, ngx_llmops_parameter_refused[i],
                          v->key.len)
               == 0)
        {
            return ngx_llmops_prompt_fault(p, err, v, "\"%s\" cannot be among "
                                           "the parameters: the model and the "
                                           "messages are members of the "
                                           "prompt, the rest is the caller's",
                                           &v->key);
        }
    }

    n = 0;

    for (q = p->forms[NGX_LLMOPS_FORM_CHAT].parameters; q; q = q->next) {
        n++;

        if ((q->name.len == v->key.len
             && ngx_memcmp(q->name.data, v->key.data, v->key.len) == 0)
            || (q->other.len && q->other.len == v->key.len
                && ngx_memcmp(q->other.data, v->key.data, v->key.len) == 0))
        {
            return ngx_llmops_prompt_fault(p, err, v, "the parameter \"%s\" "
                                           "is given twice, keep one of them",
                                           &v->key);
        }
    }

    if (n == NGX_LLMOPS_PROMPT_PARAMETERS) {
        return ngx_llmops_prompt_fault(p, err, v, "there are more than 32 "
                                       "parameters", NULL);
    }

    for (map = ngx_llmops_parameter_maps; map->chat; map++) {
        if (v->key.len == ngx_strlen(map->chat)
            && ngx_memcmp(v->key.data, map->chat, v->key.len) == 0)
        {
            break;
        }
    }

    if (map->chat == NULL) {
        map = &own;
    }

    rc = NGX_OK;

    for (i = 0; i < NGX_LLMOPS_FORM_MAX && rc == NGX_OK; i++) {
        rc = ngx_llmops_parameter_add(p, i, map, v, fixed);
    }

    return rc;
}


static ngx_int_t
ngx_llmops_parameter_add(ngx_llmops_prompt_t *p, ngx_llmops_form_e form,
    const ngx_llmops_parameter_map_t *map, ngx_llmops_value_t *v,
    ngx_uint_t fixed)
{
    ngx_int_t                 rc;
    const char               *name;
    ngx_llmops_out_t          out;
    ngx_llmops_parameter_t   *q, **last;

    name = (form == NGX_LLMOPS_FORM_MESSAGES) ? map->messages
                                              : map->responses;

    if (form != NGX_LLMOPS_FORM_CHAT && name == NULL) {
        return NGX_OK;
    }

    q = ngx_llmops_arena_alloc(&p->arena, sizeof(ngx_llmops_parameter_t));
    if (q == NULL) {
        return NGX_ERROR;
    }

    q->name = v->key;
    q->value = v->raw;
    q->fixed = fixed ? 1 : 0;

    if (form == NGX_LLMOPS_FORM_CHAT) {
        q->other.data = (u_char *) map->other;
        q->other.len = map->other ? ngx_strlen(map->other) : 0;

    } else {
        q->name.data = (u_char *) name;
        q->name.len = ngx_strlen(name);

        ngx_llmops_out_init(&out, NGX_LLMOPS_PROMPT_FILE_MAX * 2);

        rc = ngx_llmops_parameter_write(form, map, v, &out);

        q->value.len = out.len;
        q->value.data = ngx_llmops_arena_copy(&p->arena, out.data, out.len);

        if (out.failed || q->value.data == NULL) {
            rc = NGX_ERROR;
        }

        ngx_llmops_out_free(&out);

        if (rc == NGX_DECLINED) {
            return ngx_llmops_parameter_unusable(p, &p->forms[form], v);
        }

        if (rc != NGX_OK) {
            return rc;
        }
    }

    for (last = &p->forms[form].parameters; *last; last = &(*last)->next) {
        /* void */
    }

    *last = q;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_parameter_write(ngx_llmops_form_e form,
    const ngx_llmops_parameter_map_t *map, ngx_llmops_value_t *v,
    ngx_llmops_out_t *out)
{
    switch (map->kind) {

    case NGX_LLMOPS_PARAMETER_TOOLS:
        return ngx_llmops_parameter_tools(form, v, out);

    case NGX_LLMOPS_PARAMETER_CHOICE:
        return ngx_llmops_parameter_choice(form, v, out);

    case NGX_LLMOPS_PARAMETER_FORMAT:
        return ngx_llmops_parameter_format(form, v, out);

    case NGX_LLMOPS_PARAMETER_EFFORT:
        (void) ngx_llmops_out_lit(out, "{\"effort\":");
        (void) ngx_llmops_out_str(out, &v->raw);
        (void) ngx_llmops_out_lit(out, "}");
        return NGX_OK;

    case NGX_LLMOPS_PARAMETER_LIST:
        if (v->type == NGX_LLMOPS_JSON_STRING) {
            (void) ngx_llmops_out_lit(out, "[");
            (void) ngx_llmops_out_str(out, &v->raw);
            (void) ngx_llmops_out_lit(out, "]");
            return NGX_OK;
        }

        /* fall through */

    default:
        (void) ngx_llmops_out_str(out, &v->raw);
        return NGX_OK;
    }
}


/* functions alone: a provider's own tools are not another one's */

static ngx_int_t
ngx_llmops_parameter_tools(ngx_llmops_form_e form, ngx_llmops_value_t *v,
    ngx_llmops_out_t *out)
{
    ngx_llmops_value_t  *tool, *f, *m;

    (void) ngx_llmops_out_lit(out, "[");

    for (tool = v->first; tool; tool = tool->next) {

        f = ngx_llmops_value_member(tool, "function");

        if (!ngx_llmops_value_is(ngx_llmops_value_member(tool, "type"),
                                 "function")
            || f == NULL || ngx_llmops_value_member(f, "name") == NULL)
        {
            return NGX_DECLINED;
        }

        if (form == NGX_LLMOPS_FORM_RESPONSES) {
            (void) ngx_llmops_out_lit(out, "{\"type\":\"function\"");

            for (m = f->first; m; m = m->next) {
                (void) ngx_llmops_out_lit(out, ",");
                (void) ngx_llmops_out_json(out, m->key.data, m->key.len);
                (void) ngx_llmops_out_lit(out, ":");
                (void) ngx_llmops_out_str(out, &m->raw);
            }

        } else {
            m = ngx_llmops_value_member(f, "name");
            (void) ngx_llmops_out_lit(out, "{\"name\":");
            (void) ngx_llmops_out_str(out, &m->raw);

            m = ngx_llmops_value_member(f, "description");

            if (m) {
                (void) ngx_llmops_out_lit(out, ",\"description\":");
                (void) ngx_llmops_out_str(out, &m->raw);
            }

            m = ngx_llmops_value_member(f, "parameters");

            (void) ngx_llmops_out_lit(out, ",\"input_schema\":");

            if (m) {
                (void) ngx_llmops_out_str(out, &m->raw);

            } else {
                (void) ngx_llmops_out_lit(out, "{\"type\":\"object\"}");
            }
        }

        (void) ngx_llmops_out_lit(out, "}");

        if (tool->next) {
            (void) ngx_llmops_out_lit(out, ",");
        }
    }

    (void) ngx_llmops_out_lit(out, "]");

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_parameter_choice(ngx_llmops_form_e form, ngx_llmops_value_t *v,
    ngx_llmops_out_t *out)
{
    ngx_llmops_value_t  *name;

    name = ngx_llmops_value_member(v, "function");
    name = name ? ngx_llmops_value_member(name, "name") : NULL;

    if (name) {

        if (form == NGX_LLMOPS_FORM_RESPONSES) {
            (void) ngx_llmops_out_lit(out, "{\"type\":\"function\",\"name\":");

        } else {
            (void) ngx_llmops_out_lit(out, "{\"type\":\"tool\",\"name\":");
        }

        (void) ngx_llmops_out_str(out, &name->raw);
        (void) ngx_llmops_out_lit(out, "}");

        return NGX_OK;
    }

    if (v->type != NGX_LLMOPS_JSON_STRING) {
        return NGX_DECLINED;
    }

    if (form == NGX_LLMOPS_FORM_RESPONSES) {
        (void) ngx_llmops_out_str(out, &v->raw);

    } else if (ngx_llmops_value_is(v, "required")) {
        (void) ngx_llmops_out_lit(out, "{\"type\":\"any\"}");

    } else {
        (void) ngx_llmops_out_lit(out, "{\"type\":");
        (void) ngx_llmops_out_str(out, &v->raw);
        (void) ngx_llmops_out_lit(out, "}");
    }

    return NGX_OK;
}


/* {"type":"json_schema","json_schema":{...}}, which Responses has flat */

static ngx_int_t
ngx_llmops_parameter_format(ngx_llmops_form_e form, ngx_llmops_value_t *v,
    ngx_llmops_out_t *out)
{
    ngx_llmops_value_t  *m, *schema;

    if (form != NGX_LLMOPS_FORM_RESPONSES) {
        return NGX_DECLINED;
    }

    schema = ngx_llmops_value_member(v, "json_schema");

    (void) ngx_llmops_out_lit(out, "{\"format\":");

    if (schema == NULL) {
        (void) ngx_llmops_out_str(out, &v->raw);
        (void) ngx_llmops_out_lit(out, "}");
        return NGX_OK;
    }

    (void) ngx_llmops_out_lit(out, "{\"type\":\"json_schema\"");

    for (m = schema->first; m; m = m->next) {
        (void) ngx_llmops_out_lit(out, ",");
        (void) ngx_llmops_out_json(out, m->key.data, m->key.len);
        (void) ngx_llmops_out_lit(out, ":");
        (void) ngx_llmops_out_str(out, &m->raw);
    }

    (void) ngx_llmops_out_lit(out, "}}");

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_parameter_unusable(ngx_llmops_prompt_t *p, ngx_llmops_form_t *form,
    ngx_llmops_value_t *v)
{
    u_char  *q;

    q = ngx_llmops_arena_alloc(&p->arena, v->key.len + 64);
    if (q == NULL) {
        return NGX_ERROR;
    }

    form->unusable.data = q;

    q = ngx_cpymem(q, "its parameter \"", 15);
    q = ngx_cpymem(q, v->key.data, v->key.len);
    q = ngx_cpymem(q, "\" cannot be said", 16);

    form->unusable.len = q - form->unusable.data;

    return NGX_OK;
}
