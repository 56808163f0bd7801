
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_prompt.h"


/*
 * Whether a prompt's messages are some: what is written for the APIs relies
 * on it.
 */


static ngx_int_t ngx_llmops_form_check_message(ngx_llmops_prompt_t *p,
    ngx_llmops_value_t *m, ngx_llmops_prompt_error_t *err);
static ngx_int_t ngx_llmops_form_check_parts(ngx_llmops_prompt_t *p,
    ngx_llmops_value_t *content, ngx_llmops_prompt_error_t *err);


ngx_int_t
ngx_llmops_form_check(ngx_llmops_prompt_t *p, ngx_llmops_value_t *messages,
    ngx_llmops_prompt_error_t *err)
{
    ngx_int_t            rc;
    ngx_llmops_value_t  *m;

    for (m = messages->first; m; m = m->next) {

        if (ngx_llmops_form_slot(m)) {

            if (p->slot) {
                return ngx_llmops_prompt_fault(p, err, m, "the caller's "
                                               "messages have more than one "
                                               "place, keep one "
                                               "\"{{>messages}}\"", NULL);
            }

            p->slot = 1;
            continue;
        }

        rc = ngx_llmops_form_check_message(p, m, err);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_form_check_message(ngx_llmops_prompt_t *p, ngx_llmops_value_t *m,
    ngx_llmops_prompt_error_t *err)
{
    ngx_llmops_value_t  *v, *role, *content;

    if (m->type != NGX_LLMOPS_JSON_OBJECT) {
        return ngx_llmops_prompt_fault(p, err, m, "a message is {\"role\": "
                                       "..., \"content\": ...}, or "
                                       "\"{{>messages}}\" where the caller's "
                                       "come", NULL);
    }

    role = ngx_llmops_value_member(m, "role");
    content = ngx_llmops_value_member(m, "content");

    if (!ngx_llmops_form_system(role) && !ngx_llmops_value_is(role, "user")
        && !ngx_llmops_value_is(role, "assistant"))
    {
        return ngx_llmops_prompt_fault(p, err, role ? role : m, "a message "
                                       "needs \"role\": \"system\", "
                                       "\"developer\", \"user\" or "
                                       "\"assistant\"", NULL);
    }

    for (v = m->first; v; v = v->next) {
        if (v != role && v != content && v != ngx_llmops_value_member(m,
                                                                      "name"))
        {
            return ngx_llmops_prompt_fault(p, err, v, "unknown member \"%s\" "
                                           "of a message, there are role, "
                                           "content and name", &v->key);
        }
    }

    v = ngx_llmops_value_member(m, "name");

    if (v && v->type != NGX_LLMOPS_JSON_STRING) {
        return ngx_llmops_prompt_fault(p, err, v, "the \"name\" of a message "
                                       "is not a string", NULL);
    }

    if (content && content->type == NGX_LLMOPS_JSON_STRING) {
        return NGX_OK;
    }

    if (content && content->type == NGX_LLMOPS_JSON_ARRAY && content->first) {
        return ngx_llmops_form_check_parts(p, content, err);
    }

    return ngx_llmops_prompt_fault(p, err, content ? content : m, "a message "
                                   "needs \"content\", a string or an array "
                                   "of parts", NULL);
}


static ngx_int_t
ngx_llmops_form_check_parts(ngx_llmops_prompt_t *p,
    ngx_llmops_value_t *content, ngx_llmops_prompt_error_t *err)
{
    ngx_llmops_value_t  *part, *type, *v;

    for (part = content->first; part; part = part->next) {

        type = ngx_llmops_value_member(part, "type");

        if (type == NULL || type->type != NGX_LLMOPS_JSON_STRING) {
            return ngx_llmops_prompt_fault(p, err, part, "a part of a message "
                                           "needs a \"type\", for example "
                                           "{\"type\": \"text\", \"text\": "
                                           "\"...\"}", NULL);
        }

        if (ngx_llmops_value_is(type, "text")) {
            v = ngx_llmops_value_member(part, "text");

            if (v == NULL || v->type != NGX_LLMOPS_JSON_STRING) {
                return ngx_llmops_prompt_fault(p, err, v ? v : part, "a part "
                                               "of type \"text\" needs "
                                               "\"text\", a string", NULL);
            }
        }

        if (ngx_llmops_value_is(type, "image_url")) {
            v = ngx_llmops_value_member(part, "image_url");
            v = v ? ngx_llmops_value_member(v, "url") : NULL;

            if (v == NULL || v->type != NGX_LLMOPS_JSON_STRING) {
                return ngx_llmops_prompt_fault(p, err, part, "a part of type "
                                               "\"image_url\" needs "
                                               "\"image_url\": {\"url\": "
                                               "\"...\"}", NULL);
            }
        }
    }

    return NGX_OK;
}


ngx_uint_t
ngx_llmops_form_slot(ngx_llmops_value_t *m)
{
    return ngx_llmops_value_is(m, "{{>messages}}")
           || ngx_llmops_value_is(m, "{{> messages}}")
           || ngx_llmops_value_is(m, "{{> messages }}");
}


ngx_uint_t
ngx_llmops_form_system(ngx_llmops_value_t *role)
{
    return ngx_llmops_value_is(role, "system")
           || ngx_llmops_value_is(role, "developer");
}
