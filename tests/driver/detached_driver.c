
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_detached.h"
#include "ngx_llmops_route.h"


/*
 * A module of the tests' own, loaded behind ngx_llmops_module, that lets a
 * test start detached requests by HTTP: "detached_driver UPSTREAM/MODEL;" in a
 * location.
 *
 *   POST .../ask      what the body says is asked, and its results are the
 *                     answer, as JSON.  Arguments: path=, route= (instead of
 *                     the target), timeout= (ms, 5000), max= (bytes, 1m), n=
 *                     (copies, 1), background=1, headers=1
 *   POST .../leave    the same, but the answer is 202 at once
 *   POST .../cancel   the same, but after ms= all of it is cancelled
 *   POST .../again    n= times one after the other, each from the handler of
 *                     the one before
 *   GET .../seen      how many handlers have been called
 *
 * A caller who leaves cancels what is under way.
 */


#define DRIVER_MAX       64


typedef struct driver_s  driver_t;

typedef struct {
    driver_t                  *driver;
    ngx_llmops_detached_t      d;
    const char                *rc;
    unsigned                   waiting:1;
} driver_copy_t;

struct driver_s {
    ngx_http_request_t        *request;    /* NULL: it is not waited for */
    ngx_llmops_main_conf_t    *mcf;
    ngx_llmops_out_t           out;
    driver_copy_t              copies[DRIVER_MAX];
    ngx_uint_t                 n;
    ngx_uint_t                 waiting;
    ngx_uint_t                 again;
    ngx_str_t                  body;
    ngx_event_t                timer;
    ngx_pool_t                *pool;
};

typedef struct {
    ngx_str_t                  name;
    ngx_llmops_place_t         place;
    ngx_llmops_target_t       *target;
} driver_conf_t;


static void *driver_create(ngx_conf_t *cf);
static char *driver_merge(ngx_conf_t *cf, void *parent, void *child);
static char *driver_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static ngx_int_t driver_handler(ngx_http_request_t *r);
static void driver_body(ngx_http_request_t *r);
static ngx_uint_t driver_uri(ngx_http_request_t *r, const char *end);
static ngx_int_t driver_number(ngx_http_request_t *r, const char *name,
    ngx_int_t otherwise);
static void driver_fill(ngx_http_request_t *r, driver_t *driver,
    ngx_llmops_detached_t *d);
static void driver_start(driver_t *driver, driver_copy_t *copy);
static void driver_over(ngx_llmops_detached_t *d);
static void driver_print(driver_t *driver, driver_copy_t *copy);
static void driver_cleanup(void *data);
static void driver_cancel(ngx_event_t *ev);
static void driver_answer(driver_t *driver);
static ngx_int_t driver_send(ngx_http_request_t *r, ngx_uint_t status,
    u_char *text, size_t len);


static ngx_uint_t  driver_seen;


static ngx_command_t  driver_commands[] = {

    { ngx_string("detached_driver"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      driver_directive,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  driver_module_ctx = {
    NULL, NULL, NULL, NULL, NULL, NULL,
    driver_create,
    driver_merge
};


ngx_module_t  detached_driver_module = {
    NGX_MODULE_V1,
    &driver_module_ctx,
    driver_commands,
    NGX_HTTP_MODULE,
    NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NGX_MODULE_V1_PADDING
};


/* what nginx looks for in a dynamic module */

extern ngx_module_t  *ngx_modules[];
extern char          *ngx_module_names[];
extern char          *ngx_module_order[];

ngx_module_t *ngx_modules[] = { &detached_driver_module, NULL };
char *ngx_module_names[] = { "detached_driver_module", NULL };
char *ngx_module_order[] = { NULL };


static void *
driver_create(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(driver_conf_t));
}


static char *
driver_merge(ngx_conf_t *cf, void *parent, void *child)
{
    driver_conf_t           *conf = child;
    ngx_llmops_main_conf_t  *mcf;

    if (conf->name.len == 0) {
        return NGX_CONF_OK;
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_llmops_module);
    conf->target = ngx_llmops_target_named(cf, mcf, &conf->name,
                                           &conf->place);

    return conf->target ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
driver_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                 *value;
    driver_conf_t             *own = conf;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = driver_handler;

    value = cf->args->elts;

    own->name = value[1];
    own->place.file = cf->conf_file->file.name;
    own->place.line = cf->conf_file->line;

    return NGX_CONF_OK;
}


static ngx_int_t
driver_handler(ngx_http_request_t *r)
{
    u_char     text[NGX_INT_T_LEN];
    ngx_int_t  rc;

    if (r->method == NGX_HTTP_GET) {
        return driver_send(r, 200, text,
                           ngx_sprintf(text, "%ui", driver_seen) - text);
    }

    rc = ngx_http_read_client_request_body(r, driver_body);

    return (rc >= NGX_HTTP_SPECIAL_RESPONSE) ? rc : NGX_DONE;
}


static void
driver_body(ngx_http_request_t *r)
{
    ngx_int_t            i, n;
    driver_t            *driver;
    ngx_buf_t           *b;
    ngx_pool_t          *pool;
    ngx_http_cleanup_t  *cln;

    pool = ngx_create_pool(4096, ngx_cycle->log);
    driver = ngx_pcalloc(pool, sizeof(driver_t));
    cln = ngx_http_cleanup_add(r, 0);

    driver->pool = pool;
    driver->mcf = ngx_http_get_module_main_conf(r, ngx_llmops_module);
    ngx_llmops_out_init(&driver->out, 64 * 1024 * 1024);

    b = r->request_body->bufs->buf;
    driver->body.len = b->last - b->pos;
    driver->body.data = ngx_pnalloc(pool, driver->body.len + 1);
    ngx_memcpy(driver->body.data, b->pos, driver->body.len);

    n = driver_number(r, "n", 1);

    if (!driver_uri(r, "/leave")) {
        driver->request = r;
        cln->handler = driver_cleanup;
        cln->data = driver;
    }

    driver->n = ngx_min(n, DRIVER_MAX);

    if (driver_uri(r, "/again")) {
        driver->again = n;
        driver->n = 1;
    }

    (void) ngx_llmops_out_lit(&driver->out, "[");

    for (i = 0; i < (ngx_int_t) driver->n; i++) {
        driver->copies[i].driver = driver;
        driver_fill(r, driver, &driver->copies[i].d);
        driver_start(driver, &driver->copies[i]);
    }

    if (driver->request == NULL) {
        r->main->count++;
        ngx_http_finalize_request(r, driver_send(r, 202, NULL, 0));
        ngx_http_finalize_request(r, NGX_DONE);
        return;
    }

    r->read_event_handler = ngx_http_test_reading;
    (void) ngx_handle_read_event(r->connection->read, 0);

    if (driver_uri(r, "/cancel")) {
        driver->timer.handler = driver_cancel;
        driver->timer.data = driver;
        driver->timer.log = r->connection->log;
        ngx_add_timer(&driver->timer, driver_number(r, "ms", 0));
        return;
    }

    if (driver->waiting == 0) {
        driver_answer(driver);
    }
}


static ngx_uint_t
driver_uri(ngx_http_request_t *r, const char *end)
{
    size_t  len;

    len = ngx_strlen(end);

    return r->uri.len > len
           && ngx_strncmp(r->uri.data + r->uri.len - len, end, len) == 0;
}


static ngx_int_t
driver_number(ngx_http_request_t *r, const char *name, ngx_int_t otherwise)
{
    ngx_str_t  value;

    if (ngx_http_arg(r, (u_char *) name, ngx_strlen(name), &value) != NGX_OK) {
        return otherwise;
    }

    return ngx_atoi(value.data, value.len);
}


static void
driver_fill(ngx_http_request_t *r, driver_t *driver, ngx_llmops_detached_t *d)
{
    ngx_str_t       name;
    driver_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, detached_driver_module);

    d->target = conf->target;

    if (ngx_http_arg(r, (u_char *) "route", 5, &name) == NGX_OK) {
        d->target = NULL;
        d->route = ngx_llmops_route_by_name(driver->mcf, &name);
    }

    if (ngx_http_arg(r, (u_char *) "path", 4, &name) == NGX_OK) {
        d->path.len = name.len;
        d->path.data = ngx_pstrdup(driver->pool, &name);

    } else {
        ngx_str_set(&d->path, "/v1/chat/completions");
    }

    d->body = driver->body;
    d->purpose = "test";
    d->max = driver_number(r, "max", 1024 * 1024);
    d->timeout = driver_number(r, "timeout", 5000);
    d->background = driver_number(r, "background", 0);
    d->handler = driver_over;
}


static void
driver_start(driver_t *driver, driver_copy_t *copy)
{
    ngx_int_t  rc;

    copy->d.data = copy;

    rc = ngx_llmops_detached_start(driver->mcf, &copy->d);

    if (rc == NGX_OK) {
        copy->rc = "ok";
        copy->waiting = 1;
        driver->waiting++;
        return;
    }

    copy->rc = (rc == NGX_BUSY) ? "busy" : "error";
    driver_print(driver, copy);
}


static void
driver_over(ngx_llmops_detached_t *d)
{
    driver_t          *driver;
    driver_copy_t     *copy;
    ngx_connection_t  *c;

    copy = d->data;
    driver = copy->driver;

    driver_seen++;
    driver->waiting--;
    copy->waiting = 0;

    driver_print(driver, copy);

    if (driver->again > 1) {
        driver->again--;
        driver_start(driver, copy);
    }

    if (driver->waiting) {
        return;
    }

    if (driver->request == NULL) {
        ngx_llmops_out_free(&driver->out);
        ngx_destroy_pool(driver->pool);
        return;
    }

    c = driver->request->connection;

    driver_answer(driver);
    ngx_http_run_posted_requests(c);
}


static void
driver_print(driver_t *driver, driver_copy_t *copy)
{
    u_char                 *p, text[1024];
    ngx_str_t               target;
    ngx_llmops_detached_t  *d;

    d = &copy->d;

    ngx_str_null(&target);

    if (d->answered) {
        target = d->answered->name;
    }

    p = ngx_slprintf(text, text + sizeof(text),
                     "%s{\"rc\":\"%s\",\"status\":%ui,\"error\":\"%V\","
                     "\"input\":%L,\"output\":%L,\"cost\":%L,\"first\":%M,"
                     "\"total\":%M,\"attempts\":%ui,\"truncated\":%d,"
                     "\"broken\":%d,\"target\":\"%V\",\"answer\":",
                     driver->out.len > 1 ? "," : "", copy->rc, d->status,
                     &ngx_llmops_error_names[d->error], d->meter.usage.input,
                     d->meter.usage.output, d->cost, d->first_token, d->total,
                     d->attempts, (int) d->truncated, (int) d->broken,
                     &target);

    (void) ngx_llmops_out_write(&driver->out, text, p - text);
    (void) ngx_llmops_out_json(&driver->out, d->answer.data, d->answer.len);
    (void) ngx_llmops_out_lit(&driver->out, "}");
}


static void
driver_cleanup(void *data)
{
    driver_t *driver = data;

    ngx_uint_t  i;

    for (i = 0; i < driver->n; i++) {
        ngx_llmops_detached_cancel(&driver->copies[i].d);
    }

    if (driver->timer.timer_set) {
        ngx_del_timer(&driver->timer);
    }

    ngx_llmops_out_free(&driver->out);
    ngx_destroy_pool(driver->pool);
}


static void
driver_cancel(ngx_event_t *ev)
{
    driver_t *driver = ev->data;

    ngx_uint_t         i;
    ngx_connection_t  *c;

    c = driver->request->connection;

    for (i = 0; i < driver->n; i++) {
        ngx_llmops_detached_cancel(&driver->copies[i].d);
    }

    driver_answer(driver);
    ngx_http_run_posted_requests(c);
}


static void
driver_answer(driver_t *driver)
{
    u_char              *p;
    ngx_http_request_t  *r;

    r = driver->request;

    (void) ngx_llmops_out_lit(&driver->out, "]");

    p = ngx_pnalloc(r->pool, driver->out.len);
    ngx_memcpy(p, driver->out.data, driver->out.len);

    ngx_http_finalize_request(r, driver_send(r, 200, p, driver->out.len));
}


static ngx_int_t
driver_send(ngx_http_request_t *r, ngx_uint_t status, u_char *text, size_t len)
{
    ngx_int_t    rc;
    ngx_buf_t   *b;
    ngx_chain_t  out;

    r->headers_out.status = status;
    r->headers_out.content_length_n = len;
    r->header_only = (len == 0);

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_create_temp_buf(r->pool, len);

    b->last = ngx_cpymem(b->pos, text, len);
    b->last_buf = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}
