
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_rollout_evaluated.h"


/*
 * A module of the tests' own, loaded behind ngx_llmops_module, that tells a
 * rollout what an evaluation says of its candidate: "evaluated_driver;" in a
 * location.
 *
 *   GET ...?target=&prompt=&name=&id=&verdict=0|1|2&guard=0|1&score=
 *
 * score is in thousandths.  The answer is what the function returns.
 */


static char *driver_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static ngx_int_t driver_handler(ngx_http_request_t *r);
static ngx_int_t driver_number(ngx_http_request_t *r, const char *name);


static ngx_command_t  driver_commands[] = {

    { ngx_string("evaluated_driver"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      driver_directive,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  driver_module_ctx = {
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
};


ngx_module_t  evaluated_driver_module = {
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

ngx_module_t *ngx_modules[] = { &evaluated_driver_module, NULL };
char *ngx_module_names[] = { "evaluated_driver_module", NULL };
char *ngx_module_order[] = { NULL };


static char *
driver_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = driver_handler;

    return NGX_CONF_OK;
}


static ngx_int_t
driver_number(ngx_http_request_t *r, const char *name)
{
    ngx_str_t  value;

    if (ngx_http_arg(r, (u_char *) name, ngx_strlen(name), &value) != NGX_OK) {
        return 0;
    }

    return ngx_atoi(value.data, value.len);
}


static ngx_int_t
driver_handler(ngx_http_request_t *r)
{
    ngx_buf_t                        *b;
    ngx_int_t                         rc;
    ngx_chain_t                       out;
    ngx_llmops_rollout_evaluation_t   ev;

    if (ngx_http_discard_request_body(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(&ev, sizeof(ngx_llmops_rollout_evaluation_t));

    ngx_str_set(&ev.route, "r");
    ngx_str_set(&ev.reason, "12 of 40 are wrong");

    (void) ngx_http_arg(r, (u_char *) "target", 6, &ev.target);
    (void) ngx_http_arg(r, (u_char *) "prompt", 6, &ev.prompt);
    (void) ngx_http_arg(r, (u_char *) "name", 4, &ev.name);
    (void) ngx_http_arg(r, (u_char *) "id", 2, &ev.id);

    ev.verdict = driver_number(r, "verdict");
    ev.guard = driver_number(r, "guard");
    ev.ended = driver_number(r, "ended");
    ev.score = (double) driver_number(r, "score") / 1000;
    ev.low = ev.score - 0.1;
    ev.high = ev.score + 0.1;
    ev.cases = 40;

    rc = ngx_llmops_rollout_evaluated(ngx_http_get_module_main_conf(r,
                                                       ngx_llmops_module),
                                      &ev);

    b = ngx_create_temp_buf(r->pool, NGX_INT_T_LEN);

    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b->last = ngx_sprintf(b->last, "%i", rc);
    b->last_buf = 1;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = b->last - b->pos;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}
