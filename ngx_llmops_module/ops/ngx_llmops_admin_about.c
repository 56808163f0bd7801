
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_admin.h"
#include "ngx_llmops_auth.h"


/*
 * What the API says of itself: its description, and how the gateway is.
 *
 * The document is docs/openapi.json, which "config" turns into numbers when
 * the module is configured.  It is the one description: people read it,
 * clients are made from it, and the tests hold the API against it.
 */


static ngx_int_t ngx_llmops_admin_openapi(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_status(ngx_llmops_admin_t *a);
static json_int_t ngx_llmops_admin_status_keys(ngx_llmops_main_conf_t *mcf);


static const u_char  ngx_llmops_openapi[] = {
#include "ngx_llmops_openapi.inc"
};


const ngx_llmops_admin_call_t  ngx_llmops_admin_about[] = {

    { NGX_HTTP_GET, "openapi.json", "getOpenapi", NULL,
      ngx_llmops_admin_openapi, 0, 0 },

    { NGX_HTTP_GET, "status", "getStatus", NULL,
      ngx_llmops_admin_status, 0, 0 },

    { 0, NULL, NULL, NULL, NULL, 0, 0 }
};


static ngx_int_t
ngx_llmops_admin_openapi(ngx_llmops_admin_t *a)
{
    ngx_llmops_page_static(&a->page, ngx_llmops_openapi,
                           sizeof(ngx_llmops_openapi));

    if (a->page.failed) {
        return NGX_ERROR;
    }

    ngx_str_set(&a->type, "application/json");
    a->status = NGX_HTTP_OK;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_admin_status(ngx_llmops_admin_t *a)
{
    time_t                  now;
    ngx_llmops_loc_conf_t  *llcf;

    now = ngx_time();
    llcf = ngx_http_get_module_loc_conf(a->request, ngx_llmops_module);

    return ngx_llmops_admin_reply(a, NGX_HTTP_OK,
        json_pack("{s:s,s:s,s:I,s:s,s:{s:I,s:I},s:o,s:{s:I}}",
                  "version", NGX_LLMOPS_VERSION,
                  "nginx", NGINX_VERSION,
                  "time", (json_int_t) now,
                  "admin", llcf->admin == NGX_LLMOPS_ADMIN_WRITE ? "write"
                                                                 : "read",
                  "configuration",
                  "loaded", (json_int_t) a->mcf->started,
                  "age", (json_int_t) (now - a->mcf->started),
                  "store", ngx_llmops_admin_status_store(a->mcf),
                  "keys",
                  "file", ngx_llmops_admin_status_keys(a->mcf)));
}


json_t *
ngx_llmops_admin_status_store(ngx_llmops_main_conf_t *mcf)
{
    json_t              *redis;
    ngx_llmops_store_t  *store;

    store = mcf->store;

    if (store == NULL) {
        return json_pack("{s:s,s:b,s:I,s:n}", "engine", "none", "durable", 0,
                         "gateways", (json_int_t) 1, "redis");
    }

    redis = mcf->redis ? json_pack("{s:b}", "up",
                                   (int) ngx_llmops_store_up(store))
                       : json_null();

    return json_pack("{s:s%,s:b,s:I,s:o}",
                     "engine", store->engine->name.data,
                     (int) store->engine->name.len,
                     "durable", store->state.len != 0,
                     "gateways", store->gateways ? (json_int_t) *store->gateways
                                                 : 1,
                     "redis", redis);
}


static json_int_t
ngx_llmops_admin_status_keys(ngx_llmops_main_conf_t *mcf)
{
    ngx_llmops_auth_conf_t  *acf;

    acf = mcf->keys;

    return (acf && acf->table)
           ? (json_int_t) ngx_llmops_key_table_count(acf->table) : 0;
}
