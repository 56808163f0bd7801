
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_redis.h"


/*
 * A module of the tests' own, loaded behind ngx_llmops_module, that lets a
 * test speak to the Redis transport by HTTP: "redis_driver;" in a location.
 *
 *   POST .../ask?key=K      each line of the body is a command; its words are
 *                           separated by spaces, and %XX is a byte.  All are
 *                           sent in one turn.  The answer has a line for each:
 *                           "TYPE VALUE", "none SENT" without a reply,
 *                           "refused"
 *   POST .../patient?key=K  the same, with late replies
 *   POST .../turns?key=K    the same, each in the handler of the one before
 *   POST .../forget?key=K   the same, but cancelled at once: "cancelled"
 *   GET .../state?key=K     up, generation, calls of on_up, clock in ms
 *
 * An array is "array N" and its elements in brackets.
 */


#define DRIVER_COMMANDS  512
#define DRIVER_WORDS     64


typedef struct driver_s  driver_t;

typedef struct {
    driver_t                  *driver;
    ngx_llmops_redis_cmd_t    *cmd;
    ngx_str_t                  answer;
} driver_command_t;

struct driver_s {
    ngx_http_request_t        *request;
    driver_command_t           commands[DRIVER_COMMANDS];
    ngx_uint_t                 n;
    ngx_uint_t                 waiting;

    u_char                    *rest;       /* of the body */
    u_char                    *last;
    ngx_str_t                  key;
    ngx_uint_t                 flags;
    ngx_uint_t                 forget;
    ngx_uint_t                 turns;
};


static char *driver_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static ngx_int_t driver_postconfiguration(ngx_conf_t *cf);
static ngx_int_t driver_init_process(ngx_cycle_t *cycle);
static void driver_exit_process(ngx_cycle_t *cycle);
static void driver_on_up(void *data);
static ngx_int_t driver_handler(ngx_http_request_t *r);
static void driver_body(ngx_http_request_t *r);
static ngx_uint_t driver_uri(ngx_http_request_t *r, const char *end);
static void driver_ask(ngx_http_request_t *r, ngx_uint_t forget,
    ngx_uint_t flags);
static void driver_cleanup(void *data);
static void driver_lines(driver_t *driver);
static void driver_line(driver_t *driver, u_char *p, u_char *end);
static ngx_str_t driver_flat(ngx_http_request_t *r);
static ngx_uint_t driver_words(u_char *p, u_char *last, ngx_str_t *words);
static void driver_reply(redisReply *reply, ngx_uint_t sent, void *data);
static size_t driver_size(redisReply *reply);
static u_char *driver_print(u_char *p, u_char *last, redisReply *reply);
static void driver_answer(driver_t *driver);
static ngx_int_t driver_state(ngx_http_request_t *r);
static ngx_int_t driver_send(ngx_http_request_t *r, u_char *text, size_t len);


static ngx_llmops_redis_t  *driver_redis;
static ngx_uint_t           driver_ups;


static ngx_command_t  driver_commands[] = {

    { ngx_string("redis_driver"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      driver_directive,
      0,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  driver_module_ctx = {
    NULL,                                  /* preconfiguration */
    driver_postconfiguration,              /* postconfiguration */
    NULL, NULL, NULL, NULL, NULL, NULL
};


ngx_module_t  redis_driver_module = {
    NGX_MODULE_V1,
    &driver_module_ctx,
    driver_commands,
    NGX_HTTP_MODULE,
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    driver_init_process,                   /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    driver_exit_process,                   /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/* what nginx looks for in a dynamic module */

extern ngx_module_t  *ngx_modules[];
extern char          *ngx_module_names[];
extern char          *ngx_module_order[];

ngx_module_t *ngx_modules[] = { &redis_driver_module, NULL };
char *ngx_module_names[] = { "redis_driver_module", NULL };
char *ngx_module_order[] = { NULL };


static char *
driver_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = driver_handler;

    return NGX_CONF_OK;
}


/* without llm_pass or llm_metrics nobody has completed llm_redis */

static ngx_int_t
driver_postconfiguration(ngx_conf_t *cf)
{
    ngx_llmops_main_conf_t    *mcf;
    ngx_http_core_loc_conf_t  *clcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_llmops_module);
    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (mcf->redis == NULL || mcf->used) {
        return NGX_OK;
    }

    return ngx_llmops_redis_init(cf, mcf->redis, clcf->resolver, NULL);
}


static ngx_int_t
driver_init_process(ngx_cycle_t *cycle)
{
    ngx_llmops_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_llmops_module);

    if ((ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
        || mcf == NULL || mcf->redis == NULL)
    {
        return NGX_OK;
    }

    driver_redis = ngx_llmops_redis_start(cycle, mcf->redis);
    if (driver_redis == NULL) {
        return NGX_ERROR;
    }

    return ngx_llmops_redis_on_up(driver_redis, driver_on_up, NULL);
}


static void
driver_exit_process(ngx_cycle_t *cycle)
{
    if (driver_redis) {
        ngx_llmops_redis_stop(driver_redis);
        driver_redis = NULL;
    }
}


static void
driver_on_up(void *data)
{
    driver_ups++;
}


static ngx_int_t
driver_handler(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    if (r->method == NGX_HTTP_GET) {
        return driver_state(r);
    }

    rc = ngx_http_read_client_request_body(r, driver_body);

    return (rc >= NGX_HTTP_SPECIAL_RESPONSE) ? rc : NGX_DONE;
}


static void
driver_body(ngx_http_request_t *r)
{
    driver_ask(r, driver_uri(r, "/forget"),
               driver_uri(r, "/patient") ? NGX_LLMOPS_REDIS_PATIENT : 0);
}


static ngx_uint_t
driver_uri(ngx_http_request_t *r, const char *end)
{
    size_t  len;

    len = ngx_strlen(end);

    return r->uri.len > len
           && ngx_strncmp(r->uri.data + r->uri.len - len, end, len) == 0;
}


static void
driver_ask(ngx_http_request_t *r, ngx_uint_t forget, ngx_uint_t flags)
{
    driver_t            *driver;
    ngx_str_t            body;
    ngx_http_cleanup_t  *cln;

    driver = ngx_pcalloc(r->pool, sizeof(driver_t));
    cln = ngx_http_cleanup_add(r, 0);

    if (driver == NULL || cln == NULL) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    driver->request = r;
    driver->flags = flags;
    driver->forget = forget;
    driver->turns = driver_uri(r, "/turns");
    cln->handler = driver_cleanup;
    cln->data = driver;

    if (ngx_http_arg(r, (u_char *) "key", 3, &driver->key) != NGX_OK) {
        ngx_str_null(&driver->key);
    }

    body = driver_flat(r);
    driver->rest = body.data;
    driver->last = body.data + body.len;

    driver_lines(driver);

    if (driver->waiting == 0) {
        driver_answer(driver);
    }
}


static void
driver_cleanup(void *data)
{
    driver_t *driver = data;

    ngx_uint_t  i;

    for (i = 0; i < driver->n; i++) {
        if (driver->commands[i].cmd) {
            ngx_llmops_redis_cancel(driver->commands[i].cmd);
        }
    }
}


static void
driver_lines(driver_t *driver)
{
    u_char  *p, *end;

    while (driver->rest < driver->last) {

        p = driver->rest;
        end = ngx_strlchr(p, driver->last, LF);
        end = end ? end : driver->last;

        driver->rest = end + 1;

        if (p == end || driver->n == DRIVER_COMMANDS) {
            continue;
        }

        driver_line(driver, p, end);

        if (driver->turns && driver->waiting) {
            return;
        }
    }
}


static void
driver_line(driver_t *driver, u_char *p, u_char *end)
{
    ngx_str_t          words[DRIVER_WORDS];
    ngx_uint_t         n;
    driver_command_t  *c;

    n = driver_words(p, end, words);

    c = &driver->commands[driver->n++];
    c->driver = driver;

    c->cmd = ngx_llmops_redis_send(driver_redis, driver->flags, &driver->key,
                                   n, words, driver_reply, c);

    if (c->cmd == NULL) {
        ngx_str_set(&c->answer, "refused");

    } else if (driver->forget) {
        ngx_llmops_redis_cancel(c->cmd);
        c->cmd = NULL;
        ngx_str_set(&c->answer, "cancelled");

    } else {
        driver->waiting++;
    }
}


static ngx_str_t
driver_flat(ngx_http_request_t *r)
{
    u_char       *p;
    ngx_str_t     body;
    ngx_chain_t  *cl;

    ngx_str_null(&body);

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        body.len += cl->buf->last - cl->buf->pos;
    }

    p = ngx_pnalloc(r->pool, body.len + 1);

    if (p == NULL) {
        body.len = 0;
        return body;
    }

    body.data = p;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        p = ngx_cpymem(p, cl->buf->pos, cl->buf->last - cl->buf->pos);
    }

    return body;
}


/* unescaped where they are */

static ngx_uint_t
driver_words(u_char *p, u_char *last, ngx_str_t *words)
{
    u_char      *end, *src, *dst;
    ngx_uint_t   n;

    for (n = 0; p <= last && n < DRIVER_WORDS; p = end + 1) {

        end = ngx_strlchr(p, last, ' ');
        end = end ? end : last;

        src = p;
        dst = p;

        ngx_unescape_uri(&dst, &src, end - p, 0);

        words[n].data = p;
        words[n++].len = dst - p;
    }

    return n;
}


static void
driver_reply(redisReply *reply, ngx_uint_t sent, void *data)
{
    driver_command_t *c = data;

    size_t             size;
    u_char            *p;
    ngx_connection_t  *connection;

    connection = c->driver->request->connection;

    c->cmd = NULL;

    size = reply ? driver_size(reply) : 32;

    p = ngx_pnalloc(c->driver->request->pool, size);

    if (p) {
        c->answer.data = p;

        p = reply ? driver_print(p, p + size, reply)
                  : ngx_sprintf(p, "none %ui", sent);

        c->answer.len = p - c->answer.data;
    }

    if (--c->driver->waiting == 0) {
        driver_lines(c->driver);
    }

    if (c->driver->waiting == 0) {
        driver_answer(c->driver);
        ngx_http_run_posted_requests(connection);
    }
}


static size_t
driver_size(redisReply *reply)
{
    size_t  i, size;

    size = 48;

    switch (reply->type) {

    case REDIS_REPLY_ARRAY:
        for (i = 0; i < reply->elements; i++) {
            size += driver_size(reply->element[i]);
        }
        break;

    case REDIS_REPLY_STATUS:
    case REDIS_REPLY_ERROR:
    case REDIS_REPLY_STRING:
        size += reply->len;
        break;
    }

    return size;
}


static u_char *
driver_print(u_char *p, u_char *last, redisReply *reply)
{
    size_t  i;

    switch (reply->type) {

    case REDIS_REPLY_INTEGER:
        return ngx_slprintf(p, last, "integer %L", (int64_t) reply->integer);

    case REDIS_REPLY_NIL:
        return ngx_slprintf(p, last, "nil");

    case REDIS_REPLY_ARRAY:
        p = ngx_slprintf(p, last, "array %uz", reply->elements);

        for (i = 0; i < reply->elements; i++) {
            p = ngx_slprintf(p, last, " [");
            p = driver_print(p, last, reply->element[i]);
            p = ngx_slprintf(p, last, "]");
        }

        return p;

    case REDIS_REPLY_STATUS:
        return ngx_slprintf(p, last, "status %s", reply->str);

    case REDIS_REPLY_ERROR:
        return ngx_slprintf(p, last, "error %s", reply->str);

    default:
        return ngx_slprintf(p, last, "string %*s", (size_t) reply->len,
                            reply->str);
    }
}


static void
driver_answer(driver_t *driver)
{
    size_t      len;
    u_char     *text, *p;
    ngx_uint_t  i;

    len = 0;

    for (i = 0; i < driver->n; i++) {
        len += driver->commands[i].answer.len + 1;
    }

    text = ngx_pnalloc(driver->request->pool, len + 1);

    if (text == NULL) {
        ngx_http_finalize_request(driver->request,
                                  NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    p = text;

    for (i = 0; i < driver->n; i++) {
        p = ngx_cpymem(p, driver->commands[i].answer.data,
                       driver->commands[i].answer.len);
        *p++ = LF;
    }

    ngx_http_finalize_request(driver->request,
                              driver_send(driver->request, text, p - text));
}


static ngx_int_t
driver_state(ngx_http_request_t *r)
{
    u_char     *p, *last;
    ngx_str_t   key;

    if (ngx_http_arg(r, (u_char *) "key", 3, &key) != NGX_OK) {
        ngx_str_null(&key);
    }

    p = ngx_pnalloc(r->pool, 256);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    last = ngx_sprintf(p, "%ui %ui %ui %L" CRLF,
                       ngx_llmops_redis_up(driver_redis, &key),
                       ngx_llmops_redis_generation(driver_redis, &key),
                       driver_ups, ngx_llmops_redis_now(driver_redis));

    return driver_send(r, p, last - p);
}


static ngx_int_t
driver_send(ngx_http_request_t *r, u_char *text, size_t len)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t   out;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = len;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = text;
    b->last = text + len;
    b->memory = (len != 0);
    b->last_buf = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}
