
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * The least that nginx does for a hit: reads a request with its body, and
 * answers it with so many bytes of memory.  What a hit costs beyond this is
 * the gateway's; see README.md.
 */


typedef struct {
    ngx_str_t                  body;
} ngx_floor_loc_conf_t;


static ngx_int_t ngx_floor_handler(ngx_http_request_t *r);
static void ngx_floor_answer(ngx_http_request_t *r);
static ngx_int_t ngx_floor_send(ngx_http_request_t *r);
static void *ngx_floor_create_loc_conf(ngx_conf_t *cf);
static char *ngx_floor(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


static ngx_command_t  ngx_floor_commands[] = {

    { ngx_string("floor"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_floor,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_floor_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_floor_create_loc_conf,             /* create location configuration */
    NULL                                   /* merge location configuration */
};


static ngx_module_t  ngx_floor_module = {
    NGX_MODULE_V1,
    &ngx_floor_module_ctx,                 /* module context */
    ngx_floor_commands,                    /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/* what nginx looks for in a module that it loads */

ngx_module_t  *ngx_modules[] = { &ngx_floor_module, NULL };
char          *ngx_module_names[] = { "ngx_floor_module", NULL };
char          *ngx_module_order[] = { NULL };


static ngx_int_t
ngx_floor_handler(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    rc = ngx_http_read_client_request_body(r, ngx_floor_answer);

    return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
}


static void
ngx_floor_answer(ngx_http_request_t *r)
{
    ngx_http_finalize_request(r, ngx_floor_send(r));
}


static ngx_int_t
ngx_floor_send(ngx_http_request_t *r)
{
    ngx_buf_t             *b;
    ngx_int_t              rc;
    ngx_chain_t            out;
    ngx_floor_loc_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_floor_module);

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = conf->body.len;
    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = conf->body.data;
    b->last = b->pos + conf->body.len;
    b->memory = 1;
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


static void *
ngx_floor_create_loc_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_floor_loc_conf_t));
}


static char *
ngx_floor(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_floor_loc_conf_t *flcf = conf;

    ngx_int_t                  size;
    ngx_str_t                 *value;
    ngx_http_core_loc_conf_t  *clcf;

    value = cf->args->elts;

    size = ngx_atoi(value[1].data, value[1].len);
    if (size == NGX_ERROR) {
        return "invalid number";
    }

    flcf->body.data = ngx_pcalloc(cf->pool, size);
    if (flcf->body.data == NULL) {
        return NGX_CONF_ERROR;
    }

    flcf->body.len = size;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_floor_handler;

    return NGX_CONF_OK;
}
