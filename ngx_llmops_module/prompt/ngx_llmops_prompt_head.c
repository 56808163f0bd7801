
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_prompt_head.h"


/* A prompt in the store: reading it. */


static const char  *ngx_llmops_head_groups[] = {
    "versions", "labels", "gone", NULL
};


json_t *
ngx_llmops_head_create(ngx_str_t *name, time_t now)
{
    return json_pack("{s:o,s:I,s:{},s:{},s:[],s:{}}",
                     "name", json_stringn((char *) name->data, name->len),
                     "created", (json_int_t) now,
                     "versions", "labels", "history", "gone");
}


json_t *
ngx_llmops_head_load(ngx_str_t *value)
{
    json_t      *head;
    ngx_uint_t   i;

    /* a reason, or a user's name, may have a NUL in it */

    head = json_loadb((char *) value->data, value->len, JSON_ALLOW_NUL, NULL);

    for (i = 0; ngx_llmops_head_groups[i]; i++) {
        if (!json_is_object(json_object_get(head, ngx_llmops_head_groups[i])))
        {
            json_decref(head);
            return NULL;
        }
    }

    if (!json_is_string(json_object_get(head, "name"))
        || !json_is_array(json_object_get(head, "history")))
    {
        json_decref(head);
        return NULL;
    }

    return head;
}


json_t *
ngx_llmops_head_version(json_t *head, ngx_str_t *version)
{
    return ngx_llmops_head_get(head, "versions", version);
}


const char *
ngx_llmops_head_find(json_t *head, ngx_str_t *which)
{
    char        key[NGX_LLMOPS_HEAD_KEY];
    json_t     *label, *versions;
    ngx_str_t   name;

    name = *which;

    if (name.len == 0) {
        ngx_str_set(&name, "production");
    }

    label = ngx_llmops_head_get(head, "labels", &name);

    if (label) {
        return json_string_value(json_object_get(label, "version"));
    }

    versions = json_object_get(head, "versions");

    if (which->len == 0) {
        return (json_object_size(versions) == 1)
               ? json_object_iter_key(json_object_iter(versions)) : NULL;
    }

    if (!ngx_llmops_head_key(key, which)) {
        return NULL;
    }

    return json_object_iter_key(json_object_iter_at(versions, key));
}


ngx_uint_t
ngx_llmops_head_key(char *key, ngx_str_t *name)
{
    size_t  len;

    len = ngx_min(name->len, NGX_LLMOPS_HEAD_KEY - 1);

    ngx_memcpy(key, name->data, len);
    key[len] = '\0';

    return len == name->len;
}


json_t *
ngx_llmops_head_get(json_t *head, const char *group, ngx_str_t *name)
{
    char  key[NGX_LLMOPS_HEAD_KEY];

    return ngx_llmops_head_key(key, name)
           ? json_object_get(json_object_get(head, group), key) : NULL;
}
