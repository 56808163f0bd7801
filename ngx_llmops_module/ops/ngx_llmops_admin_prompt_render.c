
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_admin_prompts.h"


/*
 * POST prompts/render: the body that a request would have with a prompt, as
 * the code of requests writes it; nothing is sent.  A file that is in the call
 * itself is rendered too, before anybody puts it.  With a route its messages
 * are added, and its own prompt is the one if none is named.
 *
 * What is written stands in the answer byte by byte, as it would be sent: the
 * answer is not a tree that jansson prints.
 */


typedef struct {
    ngx_llmops_form_e          form;
    ngx_str_t                  name;
    ngx_str_t                  which;
    ngx_str_t                  file;       /* raw; data NULL: not given, as */
    ngx_str_t                  variables;
    ngx_str_t                  request;
    ngx_llmops_route_t        *route;      /* or NULL */
    ngx_llmops_prompt_t       *prompt;     /* NULL: only the route's messages */
    ngx_llmops_prompt_t       *draft;      /* of file, referenced */
    ngx_llmops_prompt_asking_t  *asking;
    ngx_llmops_arena_t         arena;
    ngx_llmops_out_t           out;
} ngx_llmops_admin_render_t;


static void ngx_llmops_admin_render_free(void *data);
static ngx_int_t ngx_llmops_admin_render_read(ngx_llmops_admin_t *a,
    ngx_llmops_admin_render_t *render);
static ngx_int_t ngx_llmops_admin_render_member(ngx_llmops_admin_t *a,
    ngx_llmops_admin_render_t *render, ngx_str_t *key, ngx_str_t *value);
static ngx_int_t ngx_llmops_admin_render_form(ngx_llmops_admin_t *a,
    ngx_llmops_admin_render_t *render);
static ngx_int_t ngx_llmops_admin_render_route(ngx_llmops_admin_t *a,
    ngx_llmops_admin_render_t *render);
static ngx_int_t ngx_llmops_admin_render_named(ngx_llmops_admin_t *a,
    ngx_llmops_admin_render_t *render);
static ngx_int_t ngx_llmops_admin_render_draft(ngx_llmops_admin_t *a,
    ngx_llmops_admin_render_t *render);
static void ngx_llmops_admin_render_wake(void *data);
static ngx_int_t ngx_llmops_admin_render_find(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_render_write(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_render_answer(ngx_llmops_admin_t *a,
    ngx_llmops_admin_render_t *render);
static ngx_int_t ngx_llmops_admin_render_refused(ngx_llmops_admin_t *a,
    ngx_llmops_error_t *err);


static const ngx_str_t  ngx_llmops_admin_render_apis[] = {
    ngx_string("chat"),
    ngx_string("messages"),
    ngx_string("responses")
};


ngx_int_t
ngx_llmops_admin_prompt_render(ngx_llmops_admin_t *a)
{
    ngx_int_t                   rc;
    ngx_pool_cleanup_t         *cln;
    ngx_llmops_admin_render_t  *render;

    cln = ngx_pool_cleanup_add(a->request->pool,
                               sizeof(ngx_llmops_admin_render_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    render = cln->data;
    ngx_memzero(render, sizeof(ngx_llmops_admin_render_t));

    ngx_llmops_arena_init(&render->arena, NGX_LLMOPS_PROMPT_VARIABLES);
    ngx_llmops_out_init(&render->out,
                        a->raw.len + NGX_LLMOPS_PROMPT_OUTPUT);

    cln->handler = ngx_llmops_admin_render_free;
    a->data = render;

    rc = ngx_llmops_admin_render_read(a, render);

    if (rc != NGX_OK) {
        return rc;
    }

    if (render->file.data) {
        rc = ngx_llmops_admin_render_draft(a, render);

        return (rc == NGX_OK) ? ngx_llmops_admin_render_write(a) : rc;
    }

    if (render->name.len == 0) {
        return ngx_llmops_admin_render_write(a);
    }

    if (a->mcf->prompts == NULL) {
        return ngx_llmops_admin_error(a, NGX_HTTP_NOT_FOUND, "not_found",
                                      "there are no prompts");
    }

    render->asking = ngx_llmops_prompt_asking(a->request,
                                              ngx_llmops_admin_render_wake, a);
    if (render->asking == NULL) {
        return NGX_ERROR;
    }

    return ngx_llmops_admin_render_find(a);
}


static void
ngx_llmops_admin_render_free(void *data)
{
    ngx_llmops_admin_render_t *render = data;

    if (render->draft) {
        ngx_llmops_prompt_release(render->draft);
    }

    ngx_llmops_arena_free(&render->arena);
    ngx_llmops_out_free(&render->out);
}


/* -- what is asked -------------------------------------------------------- */

static ngx_int_t
ngx_llmops_admin_render_read(ngx_llmops_admin_t *a,
    ngx_llmops_admin_render_t *render)
{
    u_char                  buf[NGX_LLMOPS_JSON_RAW_KEY];
    ngx_int_t               rc;
    ngx_str_t               key, name, value, raw;
    ngx_llmops_json_iter_t  it;

    /* jansson has passed it, with space around it */

    raw = a->raw;

    while (raw.len && raw.data[0] != '{') {
        raw.data++;
        raw.len--;
    }

    while (raw.len && raw.data[raw.len - 1] != '}') {
        raw.len--;
    }

    if (ngx_llmops_json_object(&it, &raw) != NGX_OK) {
        return NGX_ERROR;
    }

    while (ngx_llmops_json_next(&it, &key, &value) == NGX_OK) {

        key.data--;                          /* with the quotes around it */
        key.len += 2;

        if (ngx_llmops_json_string(&key, buf, sizeof(buf), &name) != NGX_OK) {
            ngx_str_set(&name, "?");
        }

        rc = ngx_llmops_admin_render_member(a, render, &name, &value);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    rc = ngx_llmops_admin_render_form(a, render);

    if (rc == NGX_OK) {
        rc = ngx_llmops_admin_render_route(a, render);
    }

    if (rc == NGX_OK) {
        rc = ngx_llmops_admin_render_named(a, render);
    }

    return rc;
}


static ngx_int_t
ngx_llmops_admin_render_member(ngx_llmops_admin_t *a,
    ngx_llmops_admin_render_t *render, ngx_str_t *key, ngx_str_t *value)
{
    ngx_str_t  *raw;

    raw = (key->len == 4 && ngx_memcmp(key->data, "file", 4) == 0)
          ? &render->file
          : (key->len == 9 && ngx_memcmp(key->data, "variables", 9) == 0)
          ? &render->variables
          : (key->len == 7 && ngx_memcmp(key->data, "request", 7) == 0)
          ? &render->request : NULL;

    if (raw == NULL) {

        if ((key->len == 6 && ngx_memcmp(key->data, "prompt", 6) == 0)
            || (key->len == 5 && ngx_memcmp(key->data, "route", 5) == 0)
            || (key->len == 3 && ngx_memcmp(key->data, "api", 3) == 0))
        {
            return NGX_OK;                   /* strings, see below */
        }

        key->len = ngx_min(key->len, NGX_LLMOPS_PROMPT_NAME);

        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "unknown member \"%V\", there are "
                                      "prompt, file, route, variables, api "
                                      "and request", key);
    }

    if (ngx_llmops_json_type(value) != NGX_LLMOPS_JSON_OBJECT) {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "\"%V\" must be an object", key);
    }

    *raw = *value;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_admin_render_form(ngx_llmops_admin_t *a,
    ngx_llmops_admin_render_t *render)
{
    json_t      *api;
    ngx_uint_t   i;
    const char  *text;

    api = json_object_get(a->body, "api");
    text = json_string_value(api);

    if (api == NULL) {
        return NGX_OK;
    }

    for (i = 0; text && i < NGX_LLMOPS_FORM_MAX; i++) {
        if (ngx_strcmp(ngx_llmops_admin_render_apis[i].data, text) == 0) {
            render->form = i;
            return NGX_OK;
        }
    }

    return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                  "\"api\" must be \"chat\", \"messages\" or "
                                  "\"responses\"");
}


/* the route whose messages are added, and whose prompt if none is named */

static ngx_int_t
ngx_llmops_admin_render_route(ngx_llmops_admin_t *a,
    ngx_llmops_admin_render_t *render)
{
    json_t                     *route;
    ngx_uint_t                  i;
    const char                 *name;
    ngx_llmops_route_t        **routes;
    ngx_llmops_route_prompt_t  *rp;

    route = json_object_get(a->body, "route");

    if (route == NULL) {
        return NGX_OK;
    }

    name = json_is_string(route) ? json_string_value(route) : "";
    routes = a->mcf->routes.elts;

    for (i = 0; i < a->mcf->routes.nelts; i++) {
        if (routes[i]->name.len == ngx_strlen(name)
            && ngx_memcmp(routes[i]->name.data, name, routes[i]->name.len)
               == 0)
        {
            render->route = routes[i];
        }
    }

    if (render->route == NULL) {
        return ngx_llmops_admin_error(a, NGX_HTTP_NOT_FOUND, "not_found",
                                      "there is no such route");
    }

    rp = render->route->prompt;

    if (rp && rp->set) {
        render->name = rp->name;
        render->which = rp->which;
    }

    return NGX_OK;
}


/* "NAME" or "NAME@VERSION", or a file instead */

static ngx_int_t
ngx_llmops_admin_render_named(ngx_llmops_admin_t *a,
    ngx_llmops_admin_render_t *render)
{
    u_char  *at;
    json_t  *prompt;

    prompt = json_object_get(a->body, "prompt");

    if (render->route && prompt == NULL) {
        return NGX_OK;
    }

    if ((prompt == NULL) == (render->file.data == NULL)
        || (prompt && !json_is_string(prompt)))
    {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "write \"prompt\": \"NAME@VERSION\", or "
                                      "\"file\": {...}, or \"route\": "
                                      "\"NAME\"");
    }

    ngx_str_null(&render->which);

    render->name.data = (u_char *) json_string_value(prompt);
    render->name.len = json_string_length(prompt);

    at = prompt ? ngx_strlchr(render->name.data,
                              render->name.data + render->name.len, '@')
                : NULL;

    if (at) {
        render->which.data = at + 1;
        render->which.len = render->name.data + render->name.len - at - 1;
        render->name.len = at - render->name.data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_admin_render_draft(ngx_llmops_admin_t *a,
    ngx_llmops_admin_render_t *render)
{
    ngx_str_t                  name = ngx_string("draft");
    ngx_str_t                  version = ngx_string("0");
    ngx_llmops_prompt_error_t  err;

    render->draft = ngx_llmops_prompt_parse(&name, &version, &render->file,
                                            &err);
    if (render->draft == NULL) {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "line %ui of the file: %s", err.line,
                                      err.text);
    }

    render->prompt = render->draft;

    return NGX_OK;
}


static void
ngx_llmops_admin_render_wake(void *data)
{
    ngx_llmops_admin_resume(data, ngx_llmops_admin_render_find);
}


static ngx_int_t
ngx_llmops_admin_render_find(ngx_llmops_admin_t *a)
{
    ngx_llmops_which_t          found;
    ngx_llmops_admin_render_t  *render = a->data;

    switch (ngx_llmops_prompt_find(render->asking, &render->name,
                                   &render->which, &found, &render->prompt))
    {
    case NGX_OK:
        return ngx_llmops_admin_render_write(a);

    case NGX_AGAIN:
        return NGX_AGAIN;

    case NGX_DECLINED:
        return ngx_llmops_admin_error(a, NGX_HTTP_NOT_FOUND, "not_found",
                                      "there is no such prompt, or it has no "
                                      "such version or label");

    case NGX_BUSY:
        a->op.rc = NGX_ERROR;
        return ngx_llmops_admin_store_error(a);

    default:
        return NGX_ERROR;
    }
}


/* -- what would be sent --------------------------------------------------- */

static ngx_int_t
ngx_llmops_admin_render_write(ngx_llmops_admin_t *a)
{
    ngx_str_t                   empty = ngx_string("{}"), *request;
    ngx_int_t                   rc;
    ngx_llmops_error_t          err;
    ngx_llmops_value_t         *given;
    ngx_llmops_prompt_build_t   build;
    ngx_llmops_admin_render_t  *render = a->data;

    ngx_memzero(&build, sizeof(ngx_llmops_prompt_build_t));

    given = NULL;

    if (render->variables.data) {
        given = ngx_llmops_value_parse(&render->arena, &render->variables);

        if (given == NULL) {
            return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST,
                                          "variables_too_large",
                                          "the prompt's variables are too many "
                                          "or too large");
        }
    }

    build.form = render->form;
    build.prompt = render->prompt;

    if (render->prompt) {
        build.values = ngx_llmops_prompt_check(render->prompt, given,
                                               &render->arena, &err);

        if (build.values == NULL) {
            return ngx_llmops_admin_render_refused(a, &err);
        }
    }

    if (render->route && render->route->prompt
        && ngx_llmops_prompt_messages(a->request, render->route->prompt,
                                      &build)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    request = render->request.data ? &render->request : &empty;

    if (render->prompt
        && json_object_get(json_object_get(a->body, "request"), "model")
           == NULL)
    {
        build.model = render->prompt->model;
    }

    rc = ngx_llmops_prompt_body(&build, request, &render->out, &err);

    if (rc == NGX_DECLINED) {
        return ngx_llmops_admin_render_refused(a, &err);
    }

    return (rc == NGX_OK) ? ngx_llmops_admin_render_answer(a, render)
                          : NGX_ERROR;
}


static ngx_int_t
ngx_llmops_admin_render_answer(ngx_llmops_admin_t *a,
    ngx_llmops_admin_render_t *render)
{
    ngx_llmops_page_t  *page;

    page = &a->page;

    ngx_llmops_page_init(page, a->request->pool);
    ngx_llmops_page_lit(page, "{\"v\":1,");

    if (render->prompt && render->draft == NULL) {
        ngx_llmops_page_lit(page, "\"prompt\":\"");
        ngx_llmops_page_str(page, &render->prompt->full);
        ngx_llmops_page_lit(page, "\",");
    }

    ngx_llmops_page_lit(page, "\"body\":");
    ngx_llmops_page_write(page, render->out.data, render->out.len);
    ngx_llmops_page_lit(page, "}\n");

    if (page->failed) {
        return NGX_ERROR;
    }

    ngx_str_set(&a->type, "application/json");
    a->status = NGX_HTTP_OK;

    return NGX_OK;
}


/* with the code that a caller of the prompt would get */

static ngx_int_t
ngx_llmops_admin_render_refused(ngx_llmops_admin_t *a,
    ngx_llmops_error_t *err)
{
    if (err->kind == NGX_LLMOPS_ERR_NONE) {
        return NGX_ERROR;
    }

    return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST,
                                  (char *) err->code.data, "%V",
                                  &err->message);
}
