
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _XLATE_RUN_H_INCLUDED_
#define _XLATE_RUN_H_INCLUDED_


#include "unit.h"
#include <jansson.h>
#include "ngx_llmops_xlate.h"


/*
 * What the tests of the translation share.  JSON is written with single
 * quotes in them; in expected objects null stands for an absent member.
 */


#define XLATE_MAX  (1024 * 1024)


typedef struct {
    ngx_llmops_xlate_t        *x;
    ngx_llmops_out_t           out;
    ngx_llmops_error_t         err;
    ngx_llmops_usage_t         usage;
    ngx_int_t                  rc;
    json_t                    *tree;       /* what is in out */
} xlate_run_t;


static json_t *
xlate_json(const char *text)
{
    char          *copy, *p;
    json_t        *v;
    json_error_t   error;

    copy = strdup(text);

    for (p = copy; *p; p++) {
        if (*p == '\'') {
            *p = '"';
        }
    }

    v = json_loads(copy, JSON_DECODE_ANY, &error);

    if (v == NULL) {
        fail_msg("test is no JSON: %s: %s", error.text, copy);
    }

    free(copy);

    return v;
}


static inline void
xlate_equal(json_t *got, const char *expected)
{
    char    *text;
    json_t  *want;

    want = xlate_json(expected);

    if (!json_equal(got, want)) {
        text = got ? json_dumps(got, JSON_ENCODE_ANY) : strdup("(absent)");
        fail_msg("got %s\nnot %s", text, expected);
    }

    json_decref(want);
}


/* the members of expected, and no word about others */

static inline void
xlate_members(json_t *got, const char *expected)
{
    char        *a, *b;
    json_t      *want, *v, *member;
    const char  *key;

    want = xlate_json(expected);

    json_object_foreach(want, key, v) {
        member = json_object_get(got, key);

        if (json_is_null(v) ? member != NULL : !json_equal(member, v)) {
            a = member ? json_dumps(member, JSON_ENCODE_ANY) : "(absent)";
            b = json_dumps(v, JSON_ENCODE_ANY);
            fail_msg("\"%s\" is %s, not %s", key, a, b);
        }
    }

    json_decref(want);
}


static inline void
xlate_start(xlate_run_t *run, const char *caller, const char *provider,
    unsigned flags)
{
    ngx_llmops_op_e        op;
    ngx_llmops_dialect_t   from, to;

    memset(run, 0, sizeof(xlate_run_t));
    memset(&from, 0, sizeof(ngx_llmops_dialect_t));
    memset(&to, 0, sizeof(ngx_llmops_dialect_t));

    from.name = *unit_str(caller);
    to.name = *unit_str(provider);

    op = strcmp(caller, "openai") == 0 ? NGX_LLMOPS_OP_CHAT
                                       : NGX_LLMOPS_OP_MESSAGES;

    /* flags: 1 stream, 2 usage wanted, 4 strict */

    run->x = ngx_llmops_xlate_create(&from, &to, op, unit_str("route-a"),
                                     flags & 1, flags & 2, flags & 4);
    assert_non_null(run->x);

    ngx_llmops_out_init(&run->out, XLATE_MAX);
}


static inline void
xlate_parse(xlate_run_t *run)
{
    json_error_t  error;

    json_decref(run->tree);

    run->tree = json_loadb((char *) run->out.data, run->out.len,
                           JSON_ALLOW_NUL, &error);

    /* integers that jansson cannot hold are fine */

    if (run->tree == NULL) {
        run->tree = json_loadb((char *) run->out.data, run->out.len,
                               JSON_DECODE_INT_AS_REAL, &error);
    }

    if (run->tree == NULL) {
        fail_msg("not JSON: %s: %.*s", error.text, (int) run->out.len,
                 (char *) run->out.data);
    }
}


static inline void
xlate_stop(xlate_run_t *run)
{
    json_decref(run->tree);
    ngx_llmops_out_free(&run->out);
    ngx_llmops_xlate_free(run->x);
}


static inline char *
xlate_quotes(const char *text)
{
    char  *copy, *p;

    copy = strdup(text);

    for (p = copy; *p; p++) {
        if (*p == '\'') {
            *p = '"';
        }
    }

    return copy;
}


/* body may have single quotes */

static inline void
xlate_request(xlate_run_t *run, const char *body, const char *target)
{
    char  *text;

    text = xlate_quotes(body);

    ngx_llmops_out_reset(&run->out);
    run->rc = ngx_llmops_xlate_request(run->x, unit_str(text),
                                       unit_str(target), &run->out,
                                       &run->err);
    free(text);

    if (run->rc == NGX_OK) {
        xlate_parse(run);
    }
}


static inline void
xlate_warnings(xlate_run_t *run, const char *expected)
{
    ngx_str_t  *w;

    w = ngx_llmops_xlate_warnings(run->x);

    if (w->len != strlen(expected)
        || (w->len && memcmp(w->data, expected, w->len)))
    {
        fail_msg("warnings are \"%.*s\", not \"%s\"", (int) w->len,
                 (char *) w->data, expected);
    }
}


static inline void
xlate_response(xlate_run_t *run, const char *body)
{
    char  *text;

    text = xlate_quotes(body);

    ngx_llmops_out_reset(&run->out);
    run->rc = ngx_llmops_xlate_response(run->x, unit_str(text), &run->out);

    free(text);

    if (run->rc == NGX_OK) {
        xlate_parse(run);
    }
}


/* one event; the name is that of an "event:" line, or "" */

static inline void
xlate_event(xlate_run_t *run, const char *name, const char *data)
{
    char                    *text;
    ngx_llmops_sse_event_t   ev;

    text = xlate_quotes(data);

    memset(&ev, 0, sizeof(ngx_llmops_sse_event_t));
    ev.name = *unit_str(name);

    if (text[0] == ':') {
        ev.raw = *unit_str(text);

    } else {
        ev.has_data = 1;
        ev.data = *unit_str(text);
    }

    assert_int_equal(ngx_llmops_xlate_event(run->x, &ev, &run->usage,
                                            &run->out), NGX_OK);
    free(text);
}


/*
 * The events of out as one text: for each the name (if any) and the data,
 * without what is the same in all of them.
 */

static inline json_t *
xlate_events(xlate_run_t *run)
{
    char          *text, *p, *end, *data;
    json_t        *list, *v;
    json_error_t   error;

    list = json_array();
    text = strndup(run->out.len ? (char *) run->out.data : "", run->out.len);

    for (p = text; *p; p = end + 2) {
        end = strstr(p, "\n\n");
        assert_non_null(end);
        *end = '\0';

        if (p[0] == ':') {
            json_array_append_new(list, json_string(p));
            continue;
        }

        data = strncmp(p, "event: ", 7) == 0 ? strchr(p, '\n') + 1 : p;
        assert_memory_equal(data, "data: ", 6);

        v = json_loads(data + 6, JSON_DECODE_ANY, &error);

        if (v == NULL) {
            assert_string_equal(data + 6, "[DONE]");
            v = json_string("[DONE]");
        }

        if (data != p) {
            *(data - 1) = '\0';
            assert_string_equal(p + 7,
                      json_string_value(json_object_get(v, "type")));
        }

        json_array_append_new(list, v);
    }

    free(text);

    return list;
}


#endif /* _XLATE_RUN_H_INCLUDED_ */
