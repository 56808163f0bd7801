
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_auth.h"


/*
 * From a record, which is for people and for the store, to an identity, which
 * is for requests: all that has to be read is read here, once.
 */


static ngx_int_t ngx_llmops_key_fill(ngx_llmops_identity_t *identity,
    json_t *record);
static ngx_int_t ngx_llmops_key_fill_texts(ngx_llmops_identity_t *identity,
    json_t *record);
static ngx_int_t ngx_llmops_key_fill_text(ngx_llmops_identity_t *identity,
    json_t *record, const char *name, ngx_str_t *to);
static ngx_int_t ngx_llmops_key_fill_metadata(ngx_llmops_identity_t *identity,
    json_t *metadata);
static ngx_int_t ngx_llmops_key_fill_list(ngx_llmops_identity_t *identity,
    json_t *list, ngx_array_t **to);
static ngx_int_t ngx_llmops_key_fill_networks(ngx_llmops_identity_t *identity,
    json_t *list);
static ngx_int_t ngx_llmops_key_fill_limits(ngx_llmops_identity_t *identity,
    json_t *list);
static ngx_str_t ngx_llmops_key_string(json_t *value);


ngx_llmops_identity_t *
ngx_llmops_key_identity(json_t *record, ngx_log_t *log)
{
    ngx_str_t               id;
    ngx_llmops_identity_t  *identity;

    identity = ngx_llmops_identity_create(log);
    if (identity == NULL) {
        return NULL;
    }

    if (ngx_llmops_key_fill(identity, record) != NGX_OK) {
        id = ngx_llmops_key_id(record);

        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "the record of key \"%V\" could not be read", &id);

        ngx_llmops_identity_release(identity);
        return NULL;
    }

    return identity;
}


static ngx_int_t
ngx_llmops_key_fill(ngx_llmops_identity_t *identity, json_t *record)
{
    ngx_llmops_auth_data_t  *data;

    data = identity->data;

    data->disabled = json_is_true(json_object_get(record, "disabled"));

    identity->expires = (time_t) json_integer_value(json_object_get(record,
                                                                "expires"));

    if (ngx_llmops_key_fill_texts(identity, record) != NGX_OK
        || ngx_llmops_key_fill_list(identity,
                                    json_object_get(record, "routes"),
                                    &identity->routes)
           != NGX_OK
        || ngx_llmops_key_fill_list(identity,
                                    json_object_get(record, "models"),
                                    &identity->models)
           != NGX_OK
        || ngx_llmops_key_fill_list(identity,
                                    json_object_get(record, "countries"),
                                    &identity->countries)
           != NGX_OK
        || ngx_llmops_key_fill_networks(identity,
                                        json_object_get(record, "networks"))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_llmops_key_fill_limits(identity,
                                      json_object_get(record, "limits"));
}


static ngx_int_t
ngx_llmops_key_fill_texts(ngx_llmops_identity_t *identity, json_t *record)
{
    if (ngx_llmops_key_fill_text(identity, record, "id", &identity->id)
        != NGX_OK
        || ngx_llmops_key_fill_text(identity, record, "client",
                                    &identity->client)
           != NGX_OK
        || ngx_llmops_key_fill_text(identity, record, "tenant",
                                    &identity->tenant)
           != NGX_OK
        || ngx_llmops_key_fill_text(identity, record, "plan",
                                    &identity->plan)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (identity->client.len == 0) {
        identity->client = identity->id;
    }

    return ngx_llmops_key_fill_metadata(identity,
                                        json_object_get(record, "metadata"));
}


static ngx_int_t
ngx_llmops_key_fill_text(ngx_llmops_identity_t *identity, json_t *record,
    const char *name, ngx_str_t *to)
{
    ngx_str_t  text;

    text = ngx_llmops_key_string(json_object_get(record, name));

    if (text.len == 0) {
        return NGX_OK;
    }

    return ngx_llmops_identity_text(identity, to, (char *) text.data,
                                    text.len);
}


static ngx_int_t
ngx_llmops_key_fill_metadata(ngx_llmops_identity_t *identity,
    json_t *metadata)
{
    char       *text;
    ngx_int_t   rc;

    if (metadata == NULL) {
        return NGX_OK;
    }

    text = json_dumps(metadata, NGX_LLMOPS_KEY_DUMP);
    if (text == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_llmops_identity_text(identity, &identity->metadata, text,
                                  ngx_strlen(text));
    free(text);

    return rc;
}


static ngx_int_t
ngx_llmops_key_fill_list(ngx_llmops_identity_t *identity, json_t *list,
    ngx_array_t **to)
{
    size_t      i;
    json_t     *element;
    ngx_str_t   text, *s;

    if (list == NULL) {
        return NGX_OK;
    }

    *to = ngx_array_create(identity->pool, json_array_size(list),
                           sizeof(ngx_str_t));
    if (*to == NULL) {
        return NGX_ERROR;
    }

    json_array_foreach(list, i, element) {

        text = ngx_llmops_key_string(element);
        s = ngx_array_push(*to);

        if (s == NULL
            || ngx_llmops_identity_text(identity, s, (char *) text.data,
                                        text.len)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_key_fill_networks(ngx_llmops_identity_t *identity, json_t *list)
{
    size_t       i;
    json_t      *element;
    ngx_str_t    text;
    ngx_cidr_t  *cidr;

    if (list == NULL) {
        return NGX_OK;
    }

    identity->networks = ngx_array_create(identity->pool,
                                          json_array_size(list),
                                          sizeof(ngx_cidr_t));
    if (identity->networks == NULL) {
        return NGX_ERROR;
    }

    json_array_foreach(list, i, element) {

        text = ngx_llmops_key_string(element);
        cidr = ngx_array_push(identity->networks);

        if (cidr == NULL || ngx_llmops_key_cidr(&text, cidr) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_key_fill_limits(ngx_llmops_identity_t *identity, json_t *list)
{
    size_t       i;
    json_t      *element;
    ngx_str_t    text;
    const char  *error;

    json_array_foreach(list, i, element) {

        text = ngx_llmops_key_string(element);

        if (i == NGX_LLMOPS_COUNTER_RATES
            || ngx_llmops_rate_parse(&text, &identity->rates[i], &error)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        identity->nrates = i + 1;
    }

    return NGX_OK;
}


static ngx_str_t
ngx_llmops_key_string(json_t *value)
{
    ngx_str_t  s;

    s.data = (u_char *) json_string_value(value);
    s.len = json_string_length(value);

    return s;
}
