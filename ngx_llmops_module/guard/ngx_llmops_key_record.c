
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_key_check.h"

#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>


/*
 * Records never change: what an administrator wants makes a new one of the
 * old, which takes its place in the store as a whole, so that whoever reads a
 * key reads one that somebody has meant.
 */


#define NGX_LLMOPS_KEY_KEPT     (30 * 86400)   /* s after a key has expired */
#define NGX_LLMOPS_KEY_SHOWN    8              /* hex digits of a digest */


static json_t *ngx_llmops_key_make(json_t *wanted, ngx_llmops_key_secret_t
    *secret, char *error);
static ngx_int_t ngx_llmops_key_identify(json_t *record, json_t *import,
    json_t *given, ngx_llmops_key_secret_t *secret, char *error);
static ngx_int_t ngx_llmops_key_end(json_t *hash, time_t end, time_t now);
static json_t *ngx_llmops_key_add_hash(json_t *record, const char *hex);
static json_t *ngx_llmops_key_failed(char *error, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));


json_t *
ngx_llmops_key_create(json_t *wanted, time_t now,
    ngx_llmops_key_secret_t *secret, char *error)
{
    json_t  *record, *copy;

    secret->len = 0;

    if (!json_is_object(wanted)) {
        return ngx_llmops_key_failed(error, "a key is a JSON object");
    }

    copy = json_copy(wanted);
    if (copy == NULL) {
        return ngx_llmops_key_failed(error, "out of memory");
    }

    record = ngx_llmops_key_make(copy, secret, error);

    json_decref(copy);

    if (record
        && json_object_set_new(record, "created", json_integer(now)) != 0)
    {
        json_decref(record);
        return ngx_llmops_key_failed(error, "out of memory");
    }

    return record;
}


/* wanted is the caller's own: what is not of a record is taken out of it */

static json_t *
ngx_llmops_key_make(json_t *wanted, ngx_llmops_key_secret_t *secret,
    char *error)
{
    json_t     *record, *import, *given;
    ngx_int_t   rc;

    record = json_object();

    import = json_incref(json_object_get(wanted, "sha256"));
    given = json_incref(json_object_get(wanted, "id"));

    (void) json_object_del(wanted, "sha256");

    if (import) {
        (void) json_object_del(wanted, "id");
    }

    rc = ngx_llmops_key_check(record, wanted, NGX_LLMOPS_KEY_WANTED, error);

    if (rc == NGX_OK) {
        rc = ngx_llmops_key_identify(record, import, given, secret, error);
    }

    json_decref(import);
    json_decref(given);

    if (rc != NGX_OK) {
        OPENSSL_cleanse(secret, sizeof(ngx_llmops_key_secret_t));
        json_decref(record);
        return NULL;
    }

    return record;
}


/* id and hashes of a new record */

static ngx_int_t
ngx_llmops_key_identify(json_t *record, json_t *import, json_t *given,
    ngx_llmops_key_secret_t *secret, char *error)
{
    char         hex[NGX_LLMOPS_KEY_HEX + 1], text[NGX_LLMOPS_KEY_ID_MAX];
    u_char       digest[NGX_LLMOPS_KEY_DIGEST];
    json_t      *name;
    ngx_str_t    s;
    const char  *problem;

    s.data = (u_char *) text;
    s.len = NGX_LLMOPS_KEY_ID;

    if (import == NULL) {

        if (ngx_llmops_key_new_id(s.data) != NGX_OK
            || ngx_llmops_key_secret(&s, secret, hex) != NGX_OK)
        {
            (void) ngx_llmops_key_failed(error, "no random numbers");
            return NGX_ERROR;
        }

        name = json_stringn(text, s.len);

    } else {
        s.data = (u_char *) json_string_value(import);
        s.len = json_string_length(import);

        if (s.data == NULL || ngx_llmops_key_unhex(&s, digest) != NGX_OK) {
            (void) ngx_llmops_key_failed(error, "\"sha256\" must have 64 hex "
                                         "digits: printf %%s KEY | sha256sum");
            return NGX_ERROR;
        }

        *ngx_llmops_key_hex((u_char *) hex, digest, sizeof(digest)) = '\0';

        text[0] = 'h';
        ngx_memcpy(text + 1, hex, 24);

        name = given ? ngx_llmops_key_value_id(given, &problem)
                     : json_stringn(text, 25);

        if (name == NULL) {
            (void) ngx_llmops_key_failed(error, "\"id\" %s",
                                         given ? problem : "out of memory");
            return NGX_ERROR;
        }
    }

    if (json_object_set_new(record, "id", name) != 0
        || json_object_set_new(record, "hashes", json_array()) != 0
        || ngx_llmops_key_add_hash(record, hex) == NULL)
    {
        (void) ngx_llmops_key_failed(error, "out of memory");
        return NGX_ERROR;
    }

    return NGX_OK;
}


json_t *
ngx_llmops_key_change(json_t *record, json_t *wanted, char *error)
{
    json_t  *copy;

    if (!json_is_object(wanted)) {
        return ngx_llmops_key_failed(error, "a change is a JSON object");
    }

    copy = json_copy(record);
    if (copy == NULL) {
        return ngx_llmops_key_failed(error, "out of memory");
    }

    if (ngx_llmops_key_check(copy, wanted, NGX_LLMOPS_KEY_WANTED, error)
        != NGX_OK)
    {
        json_decref(copy);
        return NULL;
    }

    return copy;
}


json_t *
ngx_llmops_key_rotate(json_t *record, time_t overlap, time_t now,
    ngx_llmops_key_secret_t *secret, char *error)
{
    char        hex[NGX_LLMOPS_KEY_HEX + 1];
    size_t      i;
    json_t     *copy, *hashes;
    ngx_str_t   id;

    secret->len = 0;

    if (overlap < 0 || overlap > NGX_LLMOPS_KEY_OVERLAP) {
        return ngx_llmops_key_failed(error, "the overlap must be from 0 to "
                                     "%d seconds", NGX_LLMOPS_KEY_OVERLAP);
    }

    copy = json_deep_copy(record);
    if (copy == NULL) {
        return ngx_llmops_key_failed(error, "out of memory");
    }

    hashes = json_object_get(copy, "hashes");

    for (i = json_array_size(hashes); i--; /* void */) {

        switch (ngx_llmops_key_end(json_array_get(hashes, i), now + overlap,
                                   now))
        {
        case NGX_OK:
            break;

        case NGX_DONE:
            (void) json_array_remove(hashes, i);
            break;

        default:
            goto no_memory;
        }
    }

    if (json_array_size(hashes) >= NGX_LLMOPS_KEY_HASHES) {
        json_decref(copy);
        return ngx_llmops_key_failed(error, "the key has %d secrets that are "
                                     "still valid, rotate it with a shorter "
                                     "overlap", NGX_LLMOPS_KEY_HASHES);
    }

    id = ngx_llmops_key_id(copy);

    if (ngx_llmops_key_secret(&id, secret, hex) != NGX_OK) {
        OPENSSL_cleanse(secret, sizeof(ngx_llmops_key_secret_t));
        json_decref(copy);
        return ngx_llmops_key_failed(error, "no random numbers");
    }

    if (ngx_llmops_key_add_hash(copy, hex)) {
        return copy;
    }

no_memory:

    OPENSSL_cleanse(secret, sizeof(ngx_llmops_key_secret_t));
    json_decref(copy);

    return ngx_llmops_key_failed(error, "out of memory");
}


/* Lets a digest end, if it does not sooner.  NGX_DONE: it is over now. */

static ngx_int_t
ngx_llmops_key_end(json_t *hash, time_t end, time_t now)
{
    json_int_t  until;

    until = json_integer_value(json_object_get(hash, "until"));

    if (until == 0 || until > end) {
        until = end;
    }

    if (until <= now) {
        return NGX_DONE;
    }

    return json_object_set_new(hash, "until", json_integer(until)) == 0
           ? NGX_OK : NGX_ERROR;
}


/* the newest comes first */

static json_t *
ngx_llmops_key_add_hash(json_t *record, const char *hex)
{
    json_t  *hash, *hashes;

    hash = json_object();
    hashes = json_object_get(record, "hashes");

    if (json_object_set_new(hash, "sha256", json_string(hex)) != 0) {
        json_decref(hash);
        return NULL;
    }

    return json_array_insert_new(hashes, 0, hash) == 0 ? hashes : NULL;
}


json_t *
ngx_llmops_key_show(json_t *record, time_t now)
{
    char         text[NGX_LLMOPS_KEY_SHOWN + 4];
    size_t       i;
    json_t      *copy, *hash;
    time_t       expires;
    const char  *state, *hex;

    copy = json_deep_copy(record);

    json_array_foreach(json_object_get(copy, "hashes"), i, hash) {

        hex = json_string_value(json_object_get(hash, "sha256"));

        (void) snprintf(text, sizeof(text), "%.*s...", NGX_LLMOPS_KEY_SHOWN,
                        hex ? hex : "");

        if (json_object_set_new(hash, "sha256", json_string(text)) != 0) {
            goto failed;
        }
    }

    expires = (time_t) json_integer_value(json_object_get(record, "expires"));

    state = json_is_true(json_object_get(record, "disabled")) ? "disabled"
            : (expires && expires <= now) ? "expired"
            : "active";

    if (json_object_set_new(copy, "state", json_string(state)) == 0) {
        return copy;
    }

failed:

    json_decref(copy);

    return NULL;
}


json_t *
ngx_llmops_key_load(ngx_str_t *value, char *error)
{
    json_t        *record;
    json_error_t   err;

    record = json_loadb((char *) value->data, value->len,
                        JSON_REJECT_DUPLICATES, &err);

    if (!json_is_object(record)) {
        json_decref(record);
        return ngx_llmops_key_failed(error, "the record is not a JSON object");
    }

    if (ngx_llmops_key_check(record, record, NGX_LLMOPS_KEY_WHOLE, error)
        != NGX_OK)
    {
        json_decref(record);
        return NULL;
    }

    if (json_object_get(record, "id") == NULL
        || json_object_get(record, "hashes") == NULL)
    {
        json_decref(record);
        return ngx_llmops_key_failed(error, "the record has no \"id\" or no "
                                     "\"hashes\"");
    }

    return record;
}


ngx_str_t
ngx_llmops_key_id(json_t *record)
{
    json_t     *id;
    ngx_str_t   s;

    id = json_object_get(record, "id");

    s.data = (u_char *) json_string_value(id);
    s.len = json_string_length(id);

    return s;
}


time_t
ngx_llmops_key_forget(json_t *record)
{
    json_int_t  expires;

    expires = json_integer_value(json_object_get(record, "expires"));

    return expires ? (time_t) expires + NGX_LLMOPS_KEY_KEPT : 0;
}


static json_t *
ngx_llmops_key_failed(char *error, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    (void) vsnprintf(error, NGX_LLMOPS_KEY_ERROR, fmt, args);
    va_end(args);

    return NULL;
}
