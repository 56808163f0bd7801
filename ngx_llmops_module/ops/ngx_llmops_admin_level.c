
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_admin_limits.h"
#include "ngx_llmops_key.h"

#include <openssl/sha.h>


/*
 * Where the counter of one value of a limit's key stands, and its way back to
 * 0.  Counters of the limits that keys have of their own are found under the
 * name "key" and a key's id; what they are is in the key's record, which is
 * read first.
 */


typedef struct {
    ngx_llmops_limit_t        *limit;
    ngx_str_t                  key;
    ngx_str_t                  shard;
    ngx_llmops_reservation_t   res;
    ngx_llmops_charge_t        charge;
    unsigned                   asking:1;   /* res is under way */
    unsigned                   reset:1;
} ngx_llmops_admin_level_t;


static ngx_llmops_admin_level_t *ngx_llmops_admin_level_create(
    ngx_llmops_admin_t *a, ngx_int_t *rc);
static void ngx_llmops_admin_level_cleanup(void *data);
static ngx_llmops_limit_t *ngx_llmops_admin_limit_find(
    ngx_llmops_main_conf_t *mcf, ngx_str_t *name);
static void ngx_llmops_admin_level_note(ngx_llmops_admin_t *a,
    ngx_llmops_admin_level_t *level);
static ngx_int_t ngx_llmops_admin_level_text(ngx_llmops_admin_t *a,
    const char *name, ngx_str_t *value);
static ngx_int_t ngx_llmops_admin_level_start(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_level_key(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_level_ask(ngx_llmops_admin_t *a);
static void ngx_llmops_admin_level_asked(ngx_llmops_reservation_t *res);
static ngx_int_t ngx_llmops_admin_level_answer(ngx_llmops_admin_t *a);
static json_t *ngx_llmops_admin_level_shown(ngx_llmops_rate_t *rate,
    ngx_llmops_level_t *level);


ngx_int_t
ngx_llmops_admin_limit_get(ngx_llmops_admin_t *a)
{
    ngx_int_t                  rc;
    ngx_str_t                 *key, *shard;
    ngx_llmops_admin_level_t  *level;

    level = ngx_llmops_admin_level_create(a, &rc);
    if (level == NULL) {
        return rc;
    }

    key = ngx_llmops_admin_arg(a, "key");
    shard = ngx_llmops_admin_arg(a, "shard");

    if (key) {
        level->key = *key;
    }

    if (shard) {
        level->shard = *shard;
    }

    return ngx_llmops_admin_level_start(a);
}


ngx_int_t
ngx_llmops_admin_limit_reset(ngx_llmops_admin_t *a)
{
    json_t                    *value;
    ngx_int_t                  rc;
    const char                *name;
    ngx_llmops_admin_level_t  *level;

    level = ngx_llmops_admin_level_create(a, &rc);
    if (level == NULL) {
        return rc;
    }

    level->reset = 1;

    json_object_foreach(a->body, name, value) {

        if (ngx_strcmp(name, "key") != 0 && ngx_strcmp(name, "shard") != 0) {
            return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                          "unknown member \"%s\", there are "
                                          "key and shard", name);
        }
    }

    rc = ngx_llmops_admin_level_text(a, "key", &level->key);

    if (rc == NGX_OK) {
        rc = ngx_llmops_admin_level_text(a, "shard", &level->shard);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_llmops_admin_level_note(a, level);

    return ngx_llmops_admin_level_start(a);
}


/*
 * What callers send may be a credential: of a limit that counts by a header or
 * an argument the audit has a digest only.
 */

static void
ngx_llmops_admin_level_note(ngx_llmops_admin_t *a,
    ngx_llmops_admin_level_t *level)
{
    u_char       hex[8], digest[SHA256_DIGEST_LENGTH];
    ngx_str_t   *expression;
    ngx_uint_t   i;

    static char  *sent[] = { "$http_", "$cookie_", "$arg_", NULL };

    expression = level->limit->key ? &level->limit->key->value : NULL;

    for (i = 0; expression && sent[i]; i++) {

        if (ngx_strnstr(expression->data, sent[i], expression->len)) {

            (void) SHA256(level->key.data, level->key.len, digest);
            ngx_hex_dump(hex, digest, sizeof(hex) / 2);

            ngx_llmops_admin_note(a, "key=sha256:%*s...", sizeof(hex), hex);
            return;
        }
    }

    ngx_llmops_admin_note(a, "key=%V", &level->key);
}


/* a member of the body, which lives as long as the call */

static ngx_int_t
ngx_llmops_admin_level_text(ngx_llmops_admin_t *a, const char *name,
    ngx_str_t *value)
{
    json_t  *text;

    text = json_object_get(a->body, name);

    if (text == NULL) {
        return NGX_OK;
    }

    if (!json_is_string(text)) {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "\"%s\" must be a string", name);
    }

    value->data = (u_char *) json_string_value(text);
    value->len = json_string_length(text);

    return NGX_OK;
}


static ngx_llmops_admin_level_t *
ngx_llmops_admin_level_create(ngx_llmops_admin_t *a, ngx_int_t *rc)
{
    ngx_http_cleanup_t        *cln;
    ngx_llmops_admin_level_t  *level;

    *rc = NGX_ERROR;

    level = ngx_pcalloc(a->request->pool, sizeof(ngx_llmops_admin_level_t));
    cln = ngx_http_cleanup_add(a->request, 0);

    if (level == NULL || cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_llmops_admin_level_cleanup;
    cln->data = a;

    a->data = level;

    level->limit = ngx_llmops_admin_limit_find(a->mcf, &a->args[0]);

    if (level->limit == NULL) {
        *rc = ngx_llmops_admin_error(a, NGX_HTTP_NOT_FOUND, "not_found",
                                     "there is no limit \"%V\"",
                                     &a->args[0]);
        return NULL;
    }

    return level;
}


static void
ngx_llmops_admin_level_cleanup(void *data)
{
    ngx_llmops_admin_t *a = data;

    ngx_llmops_admin_level_t  *level;

    level = a->data;

    if (level->asking) {
        level->asking = 0;
        ngx_llmops_store_cancel(a->mcf->store, &level->res);
    }
}


static ngx_llmops_limit_t *
ngx_llmops_admin_limit_find(ngx_llmops_main_conf_t *mcf, ngx_str_t *name)
{
    ngx_uint_t                 i;
    ngx_llmops_limit_t       **limits;
    ngx_llmops_limits_conf_t  *lcf;

    lcf = mcf->limits;

    if (lcf == NULL) {
        return NULL;
    }

    if (name->len == lcf->own.name.len
        && ngx_memcmp(name->data, lcf->own.name.data, name->len) == 0)
    {
        return &lcf->own;
    }

    limits = lcf->limits.elts;

    for (i = 0; i < lcf->limits.nelts; i++) {
        if (limits[i]->name.len == name->len
            && ngx_memcmp(limits[i]->name.data, name->data, name->len) == 0)
        {
            return limits[i];
        }
    }

    return NULL;
}


static ngx_int_t
ngx_llmops_admin_level_start(ngx_llmops_admin_t *a)
{
    ngx_llmops_admin_level_t *level = a->data;

    if (level->key.len == 0) {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "\"key\" is missing: the value of the "
                                      "limit's key whose counter is meant");
    }

    if (level->limit->key == NULL) {

        /* a key's own limits stand in its record */

        if (level->key.len > NGX_LLMOPS_KEY_ID_MAX) {
            return ngx_llmops_admin_error(a, NGX_HTTP_NOT_FOUND, "not_found",
                                          "there is no such key");
        }

        a->op.docs = NGX_LLMOPS_DOCS_KEYS;
        a->op.id = level->key;

        return ngx_llmops_admin_ask(a, ngx_llmops_store_get,
                                    ngx_llmops_admin_level_key);
    }

    level->charge.nrates = level->limit->nrates;

    ngx_memcpy(level->charge.rates, level->limit->rates,
               level->limit->nrates * sizeof(ngx_llmops_rate_t));

    return ngx_llmops_admin_level_ask(a);
}


static ngx_int_t
ngx_llmops_admin_level_key(ngx_llmops_admin_t *a)
{
    char                       error[NGX_LLMOPS_KEY_ERROR];
    json_t                    *record, *text;
    size_t                     i;
    ngx_str_t                  word;
    const char                *problem;
    ngx_llmops_admin_level_t  *level;

    if (a->op.rc == NGX_DECLINED) {
        return ngx_llmops_admin_error(a, NGX_HTTP_NOT_FOUND, "not_found",
                                      "there is no such key");
    }

    if (a->op.rc != NGX_OK) {
        return ngx_llmops_admin_store_error(a);
    }

    level = a->data;

    record = ngx_llmops_key_load(&a->op.doc.value, error);
    if (record == NULL) {
        return NGX_ERROR;
    }

    json_array_foreach(json_object_get(record, "limits"), i, text) {

        word.data = (u_char *) json_string_value(text);
        word.len = json_string_length(text);

        if (i == NGX_LLMOPS_COUNTER_RATES
            || ngx_llmops_rate_parse(&word, &level->charge.rates[i], &problem)
               != NGX_OK)
        {
            json_decref(record);
            return NGX_ERROR;
        }

        level->charge.nrates = i + 1;
    }

    json_decref(record);

    return ngx_llmops_admin_level_ask(a);
}


static ngx_int_t
ngx_llmops_admin_level_ask(ngx_llmops_admin_t *a)
{
    ngx_int_t                  rc;
    ngx_llmops_admin_level_t  *level;

    level = a->data;

    level->charge.key = level->key;
    level->charge.shard = level->shard;

    if (ngx_llmops_limit_identify(a->request, level->limit, &level->charge)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (level->charge.nrates == 0) {
        return ngx_llmops_admin_level_answer(a);
    }

    level->res.charges = &level->charge;
    level->res.ncharges = 1;
    level->res.handler = ngx_llmops_admin_level_asked;
    level->res.data = a;
    level->res.log = a->request->connection->log;

    rc = level->reset ? ngx_llmops_store_reset(a->mcf->store, &level->res)
                      : ngx_llmops_store_levels(a->mcf->store, &level->res);

    if (rc == NGX_AGAIN) {
        level->asking = 1;
        return NGX_AGAIN;
    }

    return (rc == NGX_OK) ? ngx_llmops_admin_level_answer(a) : NGX_ERROR;
}


static void
ngx_llmops_admin_level_asked(ngx_llmops_reservation_t *res)
{
    ngx_llmops_admin_t        *a = res->data;
    ngx_llmops_admin_level_t  *level = a->data;

    level->asking = 0;

    ngx_llmops_admin_resume(a, ngx_llmops_admin_level_answer);
}


static ngx_int_t
ngx_llmops_admin_level_answer(ngx_llmops_admin_t *a)
{
    json_t                    *levels;
    ngx_uint_t                 i;
    ngx_llmops_charge_t       *charge;
    ngx_llmops_admin_level_t  *level;

    level = a->data;
    charge = &level->charge;

    if (charge->failed) {
        a->op.rc = NGX_ERROR;
        return ngx_llmops_admin_store_error(a);
    }

    if (level->reset) {
        return ngx_llmops_admin_reply(a, NGX_HTTP_OK,
                    json_pack("{s:o,s:o}",
                              "name", ngx_llmops_admin_string(&a->args[0]),
                              "key", ngx_llmops_admin_string(&level->key)));
    }

    levels = json_array();

    for (i = 0; i < charge->nrates; i++) {
        (void) json_array_append_new(levels,
                            ngx_llmops_admin_level_shown(&charge->rates[i],
                                                         &charge->levels[i]));
    }

    return ngx_llmops_admin_reply(a, NGX_HTTP_OK,
                    json_pack("{s:o,s:o,s:o}",
                              "name", ngx_llmops_admin_string(&a->args[0]),
                              "key", ngx_llmops_admin_string(&level->key),
                              "levels", levels));
}


static json_t *
ngx_llmops_admin_level_shown(ngx_llmops_rate_t *rate,
    ngx_llmops_level_t *level)
{
    json_t   *shown;
    int64_t   left;

    shown = ngx_llmops_admin_limit_rate(rate);
    left = ngx_max(rate->limit - level->used - level->reserved, 0);

    if (json_object_set_new(shown, "used",
                            ngx_llmops_admin_limit_amount(rate->unit,
                                                          level->used))
        != 0
        || json_object_set_new(shown, "reserved",
                               ngx_llmops_admin_limit_amount(rate->unit,
                                                             level->reserved))
           != 0
        || json_object_set_new(shown, "remaining",
                               ngx_llmops_admin_limit_amount(rate->unit, left))
           != 0
        || json_object_set_new(shown, "reset", json_integer(level->reset))
           != 0)
    {
        json_decref(shown);
        return NULL;
    }

    return shown;
}
