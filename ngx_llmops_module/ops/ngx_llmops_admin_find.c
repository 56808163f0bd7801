
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_admin.h"


/*
 * From a path to the row that serves it.  There are a few dozen rows, and
 * nobody calls the API a thousand times a second: they are looked through in
 * order.
 *
 * Names of routes and limits are what the configuration says, which may have a
 * slash in it.  nginx has decoded "%2F" by now, so that such a name is several
 * segments; it is looked for where nothing else is at that path.
 */


typedef ngx_uint_t (*ngx_llmops_admin_match_pt)(ngx_llmops_admin_t *a,
    const char *path, ngx_str_t *rest);


static ngx_int_t ngx_llmops_admin_below(ngx_http_request_t *r,
    ngx_str_t *rest);
static ngx_uint_t ngx_llmops_admin_look(ngx_llmops_admin_t *a,
    const ngx_llmops_admin_call_t *const *tables,
    ngx_llmops_admin_match_pt match, ngx_str_t *rest);
static ngx_uint_t ngx_llmops_admin_match(ngx_llmops_admin_t *a,
    const char *path, ngx_str_t *rest);
static ngx_uint_t ngx_llmops_admin_match_name(ngx_llmops_admin_t *a,
    const char *path, ngx_str_t *rest);
static ngx_int_t ngx_llmops_admin_not_allowed(ngx_llmops_admin_t *a,
    ngx_uint_t methods);


/* a new resource is a table, and a line here */

static const ngx_llmops_admin_call_t *const  ngx_llmops_admin_tables[] = {
    ngx_llmops_admin_about,
    ngx_llmops_admin_keys,
    ngx_llmops_admin_limits,
    ngx_llmops_admin_usage,
    ngx_llmops_admin_audit,
    ngx_llmops_admin_cache,
    ngx_llmops_admin_prompts,
    ngx_llmops_admin_rollouts,
    ngx_llmops_admin_feedback,
    ngx_llmops_admin_evaluations,
    ngx_llmops_admin_samples,
    ngx_llmops_admin_indexes,
    ngx_llmops_admin_registry,
    ngx_llmops_admin_page,
    NULL
};


/* those whose names may have slashes */

static const ngx_llmops_admin_call_t *const  ngx_llmops_admin_slashes[] = {
    ngx_llmops_admin_limits,
    ngx_llmops_admin_rollouts,
    NULL
};


static const struct {
    ngx_uint_t                 method;
    const char                *name;
} ngx_llmops_admin_methods[] = {
    { NGX_HTTP_GET, "GET, HEAD" },
    { NGX_HTTP_POST, "POST" },
    { NGX_HTTP_PUT, "PUT" },
    { NGX_HTTP_DELETE, "DELETE" },
    { 0, NULL }
};


ngx_int_t
ngx_llmops_admin_find(ngx_llmops_admin_t *a)
{
    ngx_str_t   rest;
    ngx_uint_t  methods;

    if (ngx_llmops_admin_below(a->request, &rest) != NGX_OK) {
        return ngx_llmops_admin_error(a, NGX_HTTP_NOT_FOUND, "not_found",
                                      "there is nothing at this path");
    }

    methods = ngx_llmops_admin_look(a, ngx_llmops_admin_tables,
                                    ngx_llmops_admin_match, &rest);

    if (methods == 0) {
        methods = ngx_llmops_admin_look(a, ngx_llmops_admin_slashes,
                                        ngx_llmops_admin_match_name, &rest);
    }

    if (a->call) {
        return NGX_OK;
    }

    if (methods) {
        return ngx_llmops_admin_not_allowed(a, methods);
    }

    return ngx_llmops_admin_error(a, NGX_HTTP_NOT_FOUND, "not_found",
                                  "there is nothing at this path; "
                                  "openapi.json lists what there is");
}


/* sets a->call; returns the methods that the path knows */

static ngx_uint_t
ngx_llmops_admin_look(ngx_llmops_admin_t *a,
    const ngx_llmops_admin_call_t *const *tables,
    ngx_llmops_admin_match_pt match, ngx_str_t *rest)
{
    ngx_uint_t                      i, method, methods;
    const ngx_llmops_admin_call_t  *call;

    method = a->request->method;
    method = (method == NGX_HTTP_HEAD) ? NGX_HTTP_GET : method;
    methods = 0;

    for (i = 0; tables[i]; i++) {

        for (call = tables[i]; call->path; call++) {

            if (!match(a, call->path, rest)) {
                continue;
            }

            methods |= call->method;

            if (call->method == method) {
                a->call = call;
                return methods;
            }
        }
    }

    return methods;
}


json_t *
ngx_llmops_admin_resources(ngx_llmops_main_conf_t *mcf)
{
    json_t                         *array;
    ngx_uint_t                      i;
    const ngx_llmops_admin_call_t  *call;

    array = json_array();

    for (i = 0; ngx_llmops_admin_tables[i]; i++) {
        for (call = ngx_llmops_admin_tables[i]; call->path; call++) {

            if ((mcf->samples == NULL
                 && ngx_strcmp(call->path, "samples") == 0)
                || (mcf->evaluations == NULL
                    && ngx_strcmp(call->path, "evaluations") == 0))
            {
                continue;                    /* 404: it is not configured */
            }

            if (call->method == NGX_HTTP_GET && *call->path
                && ngx_strchr(call->path, '/') == NULL
                && ngx_strchr(call->path, '.') == NULL)
            {
                (void) json_array_append_new(array, json_string(call->path));
            }
        }
    }

    return array;
}


/* the part of the path below the location's name */

static ngx_int_t
ngx_llmops_admin_below(ngx_http_request_t *r, ngx_str_t *rest)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (r->uri.len < clcf->name.len) {
        return NGX_DECLINED;
    }

    rest->data = r->uri.data + clcf->name.len;
    rest->len = r->uri.len - clcf->name.len;

    if (clcf->name.len == 0 || clcf->name.data[clcf->name.len - 1] != '/') {

        if (rest->len && rest->data[0] != '/') {
            return NGX_DECLINED;
        }

        if (rest->len) {
            rest->data++;
            rest->len--;
        }
    }

    return NGX_OK;
}


/* segment by segment; "{}" takes any one that is not empty */

static ngx_uint_t
ngx_llmops_admin_match(ngx_llmops_admin_t *a, const char *path,
    ngx_str_t *rest)
{
    u_char      *p, *end, *last;
    size_t       len;
    ngx_uint_t   n;

    n = 0;
    p = rest->data;
    last = p + rest->len;

    for ( ;; ) {

        end = ngx_strlchr(p, last, '/');
        end = end ? end : last;

        len = strcspn(path, "/");

        if (len == 2 && path[0] == '{') {

            if (end == p) {
                return 0;
            }

            a->args[n].data = p;
            a->args[n].len = end - p;
            n++;

        } else if ((size_t) (end - p) != len
                   || ngx_memcmp(p, path, len) != 0)
        {
            return 0;
        }

        path += len;

        if (*path == '\0' || end == last) {
            return *path == '\0' && end == last;
        }

        path++;
        p = end + 1;
    }
}


/* what "{}" stands for is all between the words before and behind it */

static ngx_uint_t
ngx_llmops_admin_match_name(ngx_llmops_admin_t *a, const char *path,
    ngx_str_t *rest)
{
    size_t       before, behind;
    const char  *name;

    name = strchr(path, '{');

    if (name == NULL) {
        return 0;
    }

    before = name - path;
    behind = ngx_strlen(name + 2);

    if (rest->len <= before + behind
        || ngx_memcmp(rest->data, path, before) != 0
        || ngx_memcmp(rest->data + rest->len - behind, name + 2, behind) != 0)
    {
        return 0;
    }

    a->args[0].data = rest->data + before;
    a->args[0].len = rest->len - before - behind;

    return 1;
}


static ngx_int_t
ngx_llmops_admin_not_allowed(ngx_llmops_admin_t *a, ngx_uint_t methods)
{
    u_char      *p, *last;
    ngx_uint_t   i;

    p = ngx_pnalloc(a->request->pool, sizeof("GET, HEAD, POST, PUT, DELETE"));
    if (p == NULL) {
        return NGX_ERROR;
    }

    last = p;

    for (i = 0; ngx_llmops_admin_methods[i].name; i++) {

        if (methods & ngx_llmops_admin_methods[i].method) {
            last = ngx_sprintf(last, "%s%s", last == p ? "" : ", ",
                               ngx_llmops_admin_methods[i].name);
        }
    }

    a->allow.data = p;
    a->allow.len = last - p;

    return ngx_llmops_admin_error(a, NGX_HTTP_NOT_ALLOWED,
                                  "method_not_allowed", "this path knows %V",
                                  &a->allow);
}
