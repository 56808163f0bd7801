
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include <ngx_event.h>
#include "ngx_llmops_vectors_task.h"
#include "ngx_llmops_zone.h"

#include <stdarg.h>


/*
 * Vector sets against a connection of which the test decides what is answered
 * to which command, and when.
 */


#define COMMANDS  8192


struct ngx_llmops_redis_s {
    ngx_uint_t                 generation;
    ngx_uint_t                 up;
};

struct ngx_llmops_redis_cmd_s {
    ngx_uint_t                 flags;
    ngx_llmops_redis_pt        handler;
    void                      *data;
    char                       text[512];  /* words that are printable */
};


volatile ngx_cycle_t            *ngx_cycle;
volatile ngx_time_t             *ngx_cached_time;

static ngx_cycle_t               cycle;
static ngx_time_t                now;
static ngx_log_t                 log_of;
static ngx_uint_t                logged;
static void                     *blocks[64];
static ngx_uint_t                nblocks;
static struct ngx_llmops_redis_s redis;
static struct ngx_llmops_redis_cmd_s  commands[COMMANDS];
static ngx_uint_t                first, last;
static ngx_uint_t                told;
static ngx_uint_t                started;
static ngx_llmops_vectors_ask_t  ask;
static float                     point[NGX_LLMOPS_VECTORS_DIMS + 1];
static char                      prefix[64];
static char                      seen[256];


/* as much of nginx as is needed */

void *
ngx_calloc(size_t size, ngx_log_t *log)
{
    return calloc(1, size);
}


void
ngx_log_error_core(ngx_uint_t level, ngx_log_t *log, ngx_err_t err,
    const char *fmt, ...)
{
    logged++;
}


/* one pool at a time, in which all is a block of its own */

ngx_pool_t *
ngx_create_pool(size_t size, ngx_log_t *log)
{
    assert_int_equal(nblocks, 0);

    return (ngx_pool_t *) blocks;
}


void *
ngx_palloc(ngx_pool_t *pool, size_t size)
{
    assert_true(nblocks < 64);

    return blocks[nblocks++] = malloc(size);
}


u_char *
ngx_pstrdup(ngx_pool_t *pool, ngx_str_t *src)
{
    u_char  *p;

    p = ngx_palloc(pool, src->len);
    memcpy(p, src->data, src->len);

    return p;
}


void
ngx_destroy_pool(ngx_pool_t *pool)
{
    while (nblocks) {
        free(blocks[--nblocks]);
    }
}


u_char * ngx_cdecl
ngx_sprintf(u_char *buf, const char *fmt, ...)
{
    va_list     args;
    ngx_str_t  *v;

    va_start(args, fmt);

    for ( /* void */ ; *fmt; fmt++) {

        if (*fmt != '%') {
            *buf++ = *fmt;

        } else if (*++fmt == 'V') {
            v = va_arg(args, ngx_str_t *);
            buf = ngx_cpymem(buf, v->data, v->len);

        } else if (*fmt == 'u') {
            assert_int_equal(*++fmt, 'i');
            buf += sprintf((char *) buf, "%lu", va_arg(args, ngx_uint_t));

        } else {
            assert_int_equal(*fmt, 'M');
            buf += sprintf((char *) buf, "%lu", va_arg(args, ngx_msec_t));
        }
    }

    va_end(args);

    return buf;
}


ngx_llmops_redis_t *
ngx_llmops_redis_of(struct ngx_llmops_store_s *store, ngx_str_t *p)
{
    p->data = (u_char *) prefix;
    p->len = strlen(prefix);

    return store ? &redis : NULL;
}


ngx_llmops_redis_t *
ngx_llmops_redis_another(struct ngx_llmops_store_s *store)
{
    started++;

    return &redis;
}


void
ngx_llmops_redis_stop(ngx_llmops_redis_t *r)
{
    started--;
}


ngx_uint_t
ngx_llmops_redis_generation(ngx_llmops_redis_t *r, ngx_str_t *key)
{
    return r->generation;
}


ngx_llmops_redis_cmd_t *
ngx_llmops_redis_send(ngx_llmops_redis_t *r, ngx_uint_t flags, ngx_str_t *key,
    ngx_uint_t argc, const ngx_str_t *argv, ngx_llmops_redis_pt handler,
    void *data)
{
    size_t                   n;
    ngx_uint_t               i;
    ngx_llmops_redis_cmd_t  *cmd;

    if (!r->up) {
        return NULL;
    }

    assert_true(last < COMMANDS);

    cmd = &commands[last++];
    cmd->flags = flags;
    cmd->handler = handler;
    cmd->data = data;
    cmd->text[0] = '\0';

    for (i = 0, n = 0; i < argc; i++) {
        n += snprintf(cmd->text + n, sizeof(cmd->text) - n, "%s%.*s",
                      i ? " " : "",
                      (int) (i && argv[i - 1].len == 4
                             && memcmp(argv[i - 1].data, "FP32", 4) == 0
                             ? 0 : argv[i].len),
                      (char *) argv[i].data);
    }

    return cmd;
}


ngx_llmops_redis_cmd_t *
ngx_llmops_redis_command(ngx_llmops_redis_t *r, ngx_str_t *key,
    ngx_uint_t argc, const ngx_str_t *argv, ngx_llmops_redis_pt handler,
    void *data)
{
    return ngx_llmops_redis_send(r, 0, key, argc, argv, handler, data);
}


void *
ngx_llmops_zone_node(ngx_shm_zone_t *zone, ngx_llmops_node_e kind,
    ngx_str_t *name, size_t size)
{
    return calloc(1, size);
}


static redisReply *
reply_of(int type, const char *text)
{
    redisReply  *reply;

    reply = calloc(1, sizeof(redisReply));
    reply->type = type;

    if (text) {
        reply->str = strdup(text);
        reply->len = strlen(text);
    }

    return reply;
}


static redisReply *
array_of(ngx_uint_t n, ...)
{
    va_list       args;
    ngx_uint_t    i;
    const char   *s;
    redisReply   *reply;

    reply = reply_of(REDIS_REPLY_ARRAY, NULL);
    reply->elements = n;
    reply->element = calloc(n + 1, sizeof(redisReply *));

    va_start(args, n);

    for (i = 0; i < n; i++) {
        s = va_arg(args, const char *);
        reply->element[i] = reply_of(s ? REDIS_REPLY_STRING : REDIS_REPLY_NIL,
                                     s);
    }

    va_end(args);

    return reply;
}


static redisReply *
number_of(long long n)
{
    redisReply  *reply;

    reply = reply_of(REDIS_REPLY_INTEGER, NULL);
    reply->integer = n;

    return reply;
}


static void
reply_free(redisReply *reply)
{
    size_t  i;

    for (i = 0; reply && i < reply->elements; i++) {
        reply_free(reply->element[i]);
    }

    if (reply) {
        free(reply->element);
        free(reply->str);
        free(reply);
    }
}


/* answers the next command; NULL: no reply came */

static void
answer(const char *command, redisReply *reply)
{
    ngx_llmops_redis_cmd_t  *cmd;

    assert_true(first < last);
    cmd = &commands[first++];

    if (command) {
        assert_string_equal(cmd->text, command);
    }

    if (cmd->handler) {
        cmd->handler(reply, 1, cmd->data);
    }

    reply_free(reply);
}


static ngx_str_t *
str(const char *text)
{
    static ngx_str_t   s[8];
    static ngx_uint_t  n;

    n = (n + 1) % 8;
    s[n].data = (u_char *) text;
    s[n].len = strlen(text);

    return &s[n];
}


/* tells hits in seen */

static void
heard(ngx_llmops_vectors_ask_t *a)
{
    ngx_uint_t  i;

    told++;
    assert_null(a->task);

    seen[0] = '\0';

    for (i = 0; i < a->nhits; i++) {
        snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%.*s=%.*s;",
                 (int) a->hits[i].element.len,
                 (char *) a->hits[i].element.data,
                 (int) a->hits[i].attributes.len,
                 a->hits[i].attributes.data
                 ? (char *) a->hits[i].attributes.data : "");
    }
}


#define STORE  ((ngx_llmops_store_t *) &redis)


static int
setup(void **state)
{
    now.sec += 3600;
    ngx_cached_time = &now;
    log_of.log_level = NGX_LOG_INFO;
    logged = 0;

    cycle.log = &log_of;
    ngx_cycle = &cycle;

    strcpy(prefix, "gw");
    memset(&ask, 0, sizeof(ask));
    ask.handler = heard;
    ask.log = &log_of;

    first = last = told = 0;
    seen[0] = '\0';
    redis.generation++;
    redis.up = 1;
    point[0] = 1;

    ngx_llmops_vectors_start(NULL, &log_of);

    return 0;
}


static int
teardown(void **state)
{
    ngx_llmops_vectors_stop();
    assert_int_equal(started, 0);

    return 0;
}


static ngx_int_t
find(ngx_uint_t attributes, float min)
{
    ngx_llmops_vectors_query_t  query;

    memset(&query, 0, sizeof(query));
    query.vector.v = point;
    query.vector.dims = 2;
    query.count = 3;
    query.min = min;
    query.attributes = attributes;

    return ngx_llmops_vectors_find(STORE, &ask, str("s"), &query);
}


static ngx_int_t
add(ngx_llmops_vectors_ask_t *a, uint32_t dims, ngx_msec_t ttl)
{
    ngx_llmops_vector_t  vector;

    vector.v = point;
    vector.dims = dims;

    return ngx_llmops_vectors_add(STORE, a, str("s"), str("e"), &vector,
                                  ttl ? str("{\"exp\":5}") : NULL, ttl);
}


static void
test_commands(void **state)
{
    assert_int_equal(add(&ask, 2, 5000), NGX_AGAIN);
    answer("VADD gw:v:{s} FP32  e Q8 SETATTR {\"exp\":5}", number_of(1));
    assert_int_equal(ask.n, 1);
    answer("PEXPIRE gw:v:{s} 5000 NX", number_of(1));
    answer("PEXPIRE gw:v:{s} 5000 GT", number_of(0));

    assert_int_equal(add(NULL, 2, 0), NGX_AGAIN);
    answer("VADD gw:v:{s} FP32  e Q8", number_of(0));

    assert_int_equal(ngx_llmops_vectors_remove(STORE, &ask, str("s"),
                                               str("e")), NGX_AGAIN);
    answer("VREM gw:v:{s} e", number_of(1));
    assert_int_equal(ask.n, 1);

    assert_int_equal(ngx_llmops_vectors_count(STORE, &ask, str("s")),
                     NGX_AGAIN);
    answer("VCARD gw:v:{s}", number_of(7));
    assert_int_equal(ask.n, 7);

    assert_int_equal(ngx_llmops_vectors_describe(STORE, &ask, str("s"),
                                                 str("e"), str("{}")),
                     NGX_AGAIN);
    answer("VSETATTR gw:v:{s} e {}", number_of(0));
    assert_int_equal(ask.n, 0);

    assert_int_equal(ngx_llmops_vectors_attributes(STORE, &ask, str("s"),
                                                   str("e")), NGX_AGAIN);
    answer("VGETATTR gw:v:{s} e", reply_of(REDIS_REPLY_NIL, NULL));
    assert_int_equal(ask.rc, NGX_OK);
    assert_null(ask.value.data);

    assert_int_equal(ngx_llmops_vectors_drop(STORE, &ask, str("s")),
                     NGX_AGAIN);
    answer("UNLINK gw:v:{s}", number_of(1));
    assert_int_equal(ask.n, 1);

    assert_int_equal(told, 6);
    assert_int_equal(first, last);

    /* a change that is late is carried out all the same */

    assert_int_equal(commands[0].flags, NGX_LLMOPS_REDIS_PATIENT);
    assert_int_equal(find(0, -1), NGX_AGAIN);
    assert_int_equal(commands[last - 1].flags, 0);
}


static void
test_bounds(void **state)
{
    char        name[NGX_LLMOPS_VECTORS_NAME + 2];
    ngx_uint_t  i;

    memset(name, 'x', sizeof(name));
    name[sizeof(name) - 1] = '\0';

    assert_int_equal(ngx_llmops_vectors_count(STORE, &ask, str(name)),
                     NGX_ERROR);
    assert_int_equal(ngx_llmops_vectors_count(STORE, &ask, str("")),
                     NGX_ERROR);
    assert_int_equal(ngx_llmops_vectors_count(STORE, &ask, str("a}b")),
                     NGX_ERROR);
    assert_int_equal(ngx_llmops_vectors_count(NULL, &ask, str("a")),
                     NGX_DECLINED);
    assert_int_equal(add(&ask, 0, 0), NGX_ERROR);
    assert_int_equal(add(&ask, NGX_LLMOPS_VECTORS_DIMS + 1, 0), NGX_ERROR);
    assert_int_equal(ngx_llmops_vectors_remove(STORE, &ask, str("s"),
                                               str("")), NGX_ERROR);
    assert_int_equal(last, 0);

    redis.up = 0;
    assert_int_equal(add(&ask, 2, 0), NGX_DECLINED);
    redis.up = 1;

    /* 256 KB of vectors of 16 KB, and room again when one is answered */

    for (i = 0; add(NULL, NGX_LLMOPS_VECTORS_DIMS, 0) == NGX_AGAIN; i++) {
        assert_true(i < 16);
    }

    assert_int_equal(i, 15);
    assert_int_equal(started, 1);
    assert_int_equal(add(NULL, NGX_LLMOPS_VECTORS_DIMS, 0), NGX_BUSY);
    answer(NULL, number_of(1));
    assert_int_equal(add(NULL, NGX_LLMOPS_VECTORS_DIMS, 0), NGX_AGAIN);

    /* what is under way at the end is freed: the sanitizer looks */
}


static void
test_hits(void **state)
{
    assert_int_equal(find(0, 0.5), NGX_AGAIN);
    answer("VSIM gw:v:{s} FP32  WITHSCORES COUNT 3",
           array_of(9, "a", "1", "b", "0.965", "c", "nan", "d", "0.7", "e"));
    assert_int_equal(ask.rc, NGX_OK);
    assert_int_equal(ask.nhits, 2);
    assert_string_equal(seen, "a=;b=;");
    assert_true(ask.hits[0].similarity > 0.9999f);
    assert_true(ask.hits[1].similarity > 0.9299f
                && ask.hits[1].similarity < 0.9301f);

    assert_int_equal(find(0, -1), NGX_AGAIN);
    answer(NULL, array_of(4, "a", NULL, NULL, "1"));
    assert_int_equal(ask.rc, NGX_OK);
    assert_int_equal(ask.nhits, 0);

    assert_int_equal(find(0, -1), NGX_AGAIN);
    answer(NULL, array_of(0));
    assert_int_equal(ask.nhits, 0);

    assert_int_equal(find(0, -1), NGX_AGAIN);
    answer(NULL, number_of(3));
    assert_int_equal(ask.rc, NGX_ERROR);

    assert_int_equal(find(0, -1), NGX_AGAIN);
    answer(NULL, reply_of(REDIS_REPLY_ERROR, "ERR Vector dimension mismatch"));
    assert_int_equal(ask.rc, NGX_ERROR);

    assert_int_equal(find(0, -1), NGX_AGAIN);
    answer(NULL, NULL);
    assert_int_equal(ask.rc, NGX_ERROR);
    assert_int_equal(ask.nhits, 0);
    assert_int_equal(told, 6);

    /* a flood of errors is one line a minute */

    assert_int_equal(logged, 1);
    assert_int_equal(find(0, -1), NGX_AGAIN);
    answer(NULL, reply_of(REDIS_REPLY_ERROR, "ERR Vector dimension mismatch"));
    assert_int_equal(logged, 1);
    now.sec += 61;
    assert_int_equal(find(0, -1), NGX_AGAIN);
    answer(NULL, reply_of(REDIS_REPLY_ERROR, "ERR Vector dimension mismatch"));
    assert_int_equal(logged, 2);
}


static void
test_attributes(void **state)
{
    assert_int_equal(find(1, -1), NGX_AGAIN);
    answer(NULL, array_of(6, "a", "1", "b", "1", "c", "1"));
    assert_int_equal(last - first, 3);
    answer("VGETATTR gw:v:{s} a", reply_of(REDIS_REPLY_STRING, "{1}"));
    answer("VGETATTR gw:v:{s} b", NULL);
    assert_string_equal(seen, "");
    answer("VGETATTR gw:v:{s} c", reply_of(REDIS_REPLY_STRING, "{3}"));
    assert_string_equal(seen, "a={1};b=;c={3};");

    /* who asked has left in between */

    assert_int_equal(find(1, -1), NGX_AGAIN);
    answer(NULL, array_of(2, "a", "1"));
    ngx_llmops_vectors_forget(&ask);
    assert_null(ask.task);
    seen[0] = '\0';
    answer(NULL, reply_of(REDIS_REPLY_STRING, "{1}"));
    assert_string_equal(seen, "");

    /* and before */

    assert_int_equal(find(1, -1), NGX_AGAIN);
    ngx_llmops_vectors_forget(&ask);
    answer(NULL, array_of(2, "a", "1"));
    assert_int_equal(first, last);

    /* the worker ends with one under way */

    assert_int_equal(find(1, -1), NGX_AGAIN);
    answer(NULL, array_of(2, "a", "1"));
}


static void
test_able(void **state)
{
    redis.generation = 0;
    assert_int_equal(ngx_llmops_vectors_able(STORE, str("s")), NGX_AGAIN);
    assert_int_equal(last, 0);

    /* what is sent while it is being made is known by its reply */

    assert_int_equal(find(0, -1), NGX_AGAIN);
    redis.generation = 499;
    answer(NULL, reply_of(REDIS_REPLY_ERROR, "ERR unknown command 'VSIM'"));
    assert_int_equal(find(0, -1), NGX_DECLINED);
    first = last = 0;

    redis.generation = 500;
    assert_int_equal(ngx_llmops_vectors_able(STORE, str("s")), NGX_AGAIN);
    assert_int_equal(ngx_llmops_vectors_able(STORE, str("s")), NGX_AGAIN);
    assert_int_equal(last, 1);
    answer("VCARD gw:v:{s}", NULL);
    assert_int_equal(ngx_llmops_vectors_able(STORE, str("s")), NGX_AGAIN);
    answer("VCARD gw:v:{s}",
           reply_of(REDIS_REPLY_ERROR, "ERR unknown command 'VCARD', with"));
    assert_int_equal(ngx_llmops_vectors_able(STORE, str("s")), NGX_DECLINED);
    assert_int_equal(find(0, -1), NGX_DECLINED);
    assert_int_equal(last, 2);

    /* another connection may be to another server */

    redis.generation = 501;
    assert_int_equal(find(0, -1), NGX_AGAIN);
    answer(NULL, array_of(0));
    assert_int_equal(ngx_llmops_vectors_able(STORE, str("s")), NGX_OK);

    /* and every server can take out a key */

    redis.generation = 502;
    assert_int_equal(ngx_llmops_vectors_drop(STORE, NULL, str("s")),
                     NGX_AGAIN);
    answer(NULL, number_of(0));
    assert_int_equal(ngx_llmops_vectors_able(STORE, str("s")), NGX_AGAIN);
    answer(NULL, reply_of(REDIS_REPLY_ERROR, "NOPERM no"));
    assert_int_equal(ngx_llmops_vectors_able(STORE, str("s")), NGX_DECLINED);

    redis.generation = 503;
    assert_int_equal(find(0, -1), NGX_AGAIN);
    answer(NULL, reply_of(REDIS_REPLY_ERROR, "ERR unknown command 'VSIM'"));
    assert_int_equal(ask.rc, NGX_DECLINED);
    assert_int_equal(find(0, -1), NGX_DECLINED);

    /* said once, and again after one that had them: 499, 502 */

    assert_int_equal(logged, 2);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_commands, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_attributes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_able, setup, teardown)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
