
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "fuzz.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ngx_llmops_xlate.h"
#include "ngx_llmops_tree.h"


/*
 * The translation, with any JSON on either side.  The first byte says what is
 * done in which direction.  A document is a request, an answer, or events, a
 * line each.  Whatever comes out must be JSON, and streams must keep the rules
 * of their dialect.
 */


#define FUZZ_MAX     (1024 * 1024)
#define FUZZ_BLOCKS  1024


typedef struct {
    json_t                    *data;       /* NULL: [DONE] or a comment */
    ngx_uint_t                 comment;
    ngx_uint_t                 done;
} fuzz_event_t;


/* takes the next event off text, or returns 0 */

static ngx_uint_t
fuzz_next(char **text, fuzz_event_t *ev)
{
    char        *p, *end, *name;
    const char  *type;

    memset(ev, 0, sizeof(fuzz_event_t));

    p = *text;

    if (*p == '\0') {
        return 0;
    }

    end = strstr(p, "\n\n");
    fuzz_check(end != NULL);
    *end = '\0';
    *text = end + 2;

    if (*p == ':') {
        ev->comment = 1;
        return 1;
    }

    name = NULL;

    if (strncmp(p, "event: ", 7) == 0) {
        name = p + 7;
        p = strchr(p, '\n');
        fuzz_check(p != NULL);
        *p++ = '\0';
    }

    fuzz_check(strncmp(p, "data: ", 6) == 0);
    fuzz_check(strchr(p, '\n') == NULL);

    if (strcmp(p + 6, "[DONE]") == 0) {
        ev->done = 1;
        return 1;
    }

    ev->data = ngx_llmops_tree_parse(p + 6, strlen(p + 6));
    fuzz_check(json_is_object(ev->data));

    if (name != NULL) {
        type = ngx_llmops_tree_str(ev->data, "type");
        fuzz_check(type != NULL && strcmp(type, name) == 0);
    }

    return 1;
}


static void
fuzz_openai_chunk(json_t *chunk, size_t *tools, ngx_uint_t *finished)
{
    size_t   i;
    json_t  *choice, *calls, *call;

    choice = json_array_get(json_object_get(chunk, "choices"), 0);

    if (choice == NULL) {
        fuzz_check(*finished);
        fuzz_check(json_is_object(json_object_get(chunk, "usage")));
        return;
    }

    fuzz_check(!*finished);
    fuzz_check(json_is_object(json_object_get(choice, "delta")));

    *finished = json_is_string(json_object_get(choice, "finish_reason"));

    calls = json_object_get(json_object_get(choice, "delta"), "tool_calls");

    json_array_foreach(calls, i, call) {
        i = (size_t) json_integer_value(json_object_get(call, "index"));

        if (json_object_get(call, "id") != NULL) {
            fuzz_check(i == *tools);
            (*tools)++;

        } else {
            fuzz_check(i < *tools);
        }

        break;
    }
}


/* a role first, tools counted from 0, one finish, one [DONE] */

static void
fuzz_openai(char *text)
{
    size_t        tools;
    ngx_uint_t    n, finished, done;
    fuzz_event_t  ev;

    n = 0;
    tools = 0;
    finished = 0;
    done = 0;

    while (fuzz_next(&text, &ev)) {

        if (ev.comment) {
            continue;
        }

        fuzz_check(!done);

        if (ev.done) {
            fuzz_check(finished);
            done = 1;
            continue;
        }

        if (n++ == 0) {
            fuzz_check(json_object_get(json_object_get(json_array_get(
                           json_object_get(ev.data, "choices"), 0), "delta"),
                           "role") != NULL);
        }

        fuzz_openai_chunk(ev.data, &tools, &finished);

        json_decref(ev.data);
    }

    fuzz_check(done);
}


typedef struct {
    ngx_uint_t                 started;
    ngx_uint_t                 open;
    ngx_uint_t                 delta;
    ngx_uint_t                 stopped;
    json_int_t                 index;
    char                       kind[32];   /* of the open block */
} fuzz_blocks_t;


static void
fuzz_anthropic_delta(fuzz_blocks_t *b, json_t *ev)
{
    const char  *type;

    type = ngx_llmops_tree_str(json_object_get(ev, "delta"), "type");

    fuzz_check(b->open && type != NULL);
    fuzz_check(json_integer_value(json_object_get(ev, "index")) == b->index);

    if (strcmp(type, "text_delta") == 0) {
        fuzz_check(strcmp(b->kind, "text") == 0);

    } else if (strcmp(type, "input_json_delta") == 0) {
        fuzz_check(strcmp(b->kind, "tool_use") == 0);

    } else {
        fuzz_check(strcmp(b->kind, "thinking") == 0);
    }
}


static void
fuzz_anthropic_event(fuzz_blocks_t *b, const char *type, json_t *ev)
{
    if (strcmp(type, "message_start") == 0) {
        fuzz_check(!b->started);
        b->started = 1;
        return;
    }

    fuzz_check(b->started && !b->stopped);

    if (strcmp(type, "content_block_start") == 0) {
        fuzz_check(!b->open && !b->delta);
        fuzz_check(json_integer_value(json_object_get(ev, "index"))
                   == b->index);
        b->open = 1;
        snprintf(b->kind, sizeof(b->kind), "%s",
                 ngx_llmops_tree_str(json_object_get(ev, "content_block"),
                                     "type"));

    } else if (strcmp(type, "content_block_delta") == 0) {
        fuzz_anthropic_delta(b, ev);

    } else if (strcmp(type, "content_block_stop") == 0) {
        fuzz_check(b->open);
        fuzz_check(json_integer_value(json_object_get(ev, "index"))
                   == b->index);
        b->open = 0;
        b->index++;

    } else if (strcmp(type, "message_delta") == 0) {
        fuzz_check(!b->open && !b->delta);
        fuzz_check(json_is_object(json_object_get(ev, "usage")));
        b->delta = 1;

    } else {
        fuzz_check(strcmp(type, "message_stop") == 0);
        fuzz_check(b->delta);
        b->stopped = 1;
    }
}


/* blocks one after the other, numbered without gaps */

static void
fuzz_anthropic(char *text)
{
    const char     *type;
    fuzz_event_t    ev;
    fuzz_blocks_t   b;

    memset(&b, 0, sizeof(fuzz_blocks_t));

    while (fuzz_next(&text, &ev)) {
        fuzz_check(ev.data != NULL);

        type = ngx_llmops_tree_str(ev.data, "type");
        fuzz_check(type != NULL);

        if (strcmp(type, "ping") != 0) {
            fuzz_anthropic_event(&b, type, ev.data);
        }

        json_decref(ev.data);
    }

    fuzz_check(b.stopped);
}


static void
fuzz_stream_check(ngx_llmops_out_t *out, ngx_uint_t anthropic)
{
    char  *text;

    text = strndup((char *) out->data, out->len);

    fuzz_check(strlen(text) == out->len);

    if (anthropic) {
        fuzz_anthropic(text);

    } else {
        fuzz_openai(text);
    }

    free(text);
}


static void
fuzz_events(ngx_llmops_xlate_t *x, ngx_uint_t anthropic, char *p, char *last)
{
    char                    *end;
    ngx_int_t                rc;
    ngx_llmops_out_t         out;
    ngx_llmops_usage_t       usage;
    ngx_llmops_sse_event_t   ev;

    memset(&usage, 0, sizeof(ngx_llmops_usage_t));
    ngx_llmops_out_init(&out, FUZZ_MAX);

    rc = NGX_OK;

    for ( /* void */ ; p < last && rc == NGX_OK; p = end + 1) {
        end = memchr(p, '\n', last - p);
        end = end ? end : last;

        memset(&ev, 0, sizeof(ngx_llmops_sse_event_t));

        ev.raw.data = (u_char *) p;
        ev.raw.len = end - p;
        ev.has_data = (end > p && *p != ':');

        if (ev.has_data) {
            ev.data = ev.raw;
        }

        usage.input += end - p;
        usage.output++;

        rc = ngx_llmops_xlate_event(x, &ev, &usage, &out);
    }

    if (rc == NGX_OK) {
        rc = ngx_llmops_xlate_end(x, &usage, &out);
    }

    if (rc == NGX_OK) {
        fuzz_stream_check(&out, anthropic);
    }

    ngx_llmops_out_free(&out);
}


static void
fuzz_json(ngx_llmops_out_t *out)
{
    json_t  *v;

    v = ngx_llmops_tree_parse(out->data, out->len);
    fuzz_check(json_is_object(v));
    json_decref(v);
}


static void
fuzz_request(ngx_llmops_xlate_t *x, ngx_str_t *body, ngx_uint_t n)
{
    size_t               i;
    ngx_str_t           *w;
    ngx_llmops_out_t     out;
    ngx_llmops_error_t   err;

    static ngx_str_t  targets[] = {
        ngx_string("claude-3-5-haiku"),
        ngx_string("claude-sonnet-4-5"),
        ngx_string("claude-opus-5"),
        ngx_string("gpt-5.1"),
        ngx_string("o3"),
        ngx_string("x")
    };

    ngx_llmops_out_init(&out, FUZZ_MAX);

    switch (ngx_llmops_xlate_request(x, body, &targets[n % 6], &out, &err)) {

    case NGX_OK:
        fuzz_json(&out);
        break;

    case NGX_DECLINED:
        fuzz_check(err.message.len > 0);
        break;
    }

    w = ngx_llmops_xlate_warnings(x);

    for (i = 0; i < w->len; i++) {
        fuzz_check(w->data[i] >= ' ' && w->data[i] < 0x7f);
    }

    ngx_llmops_out_free(&out);
}


static void
fuzz_answer(ngx_llmops_xlate_t *x, ngx_str_t *body, ngx_uint_t anthropic,
    ngx_uint_t same)
{
    ngx_llmops_out_t  out;

    ngx_llmops_out_init(&out, FUZZ_MAX);

    if (ngx_llmops_xlate_response(x, body, &out) == NGX_OK) {
        fuzz_json(&out);
    }

    ngx_llmops_out_reset(&out);

    ngx_llmops_xlate_pieces(x, body->len % 9);

    if (ngx_llmops_xlate_replay(x, body, &out) == NGX_OK) {

        /* more than one choice makes more than one stream */

        if (!same) {
            fuzz_stream_check(&out, anthropic);
        }
    }

    ngx_llmops_out_free(&out);
}


int
LLVMFuzzerTestOneInput(const u_char *data, size_t size)
{
    char                  *p, *line, *copy;
    ngx_str_t              body, model;
    ngx_uint_t             mode, anthropic, same;
    ngx_llmops_xlate_t    *x;
    ngx_llmops_dialect_t   dialects[2];

    if (size < 1) {
        return 0;
    }

    memset(dialects, 0, sizeof(dialects));
    ngx_str_set(&dialects[0].name, "openai");
    ngx_str_set(&dialects[1].name, "anthropic");
    ngx_str_set(&model, "route-a");

    mode = data[0];
    anthropic = mode & 1;
    same = (mode >> 4 & 3) == 3;

    copy = malloc(size);
    memcpy(copy, data + 1, size - 1);
    p = copy;

    x = ngx_llmops_xlate_create(&dialects[anthropic],
                                &dialects[same ? anthropic : !anthropic],
                                anthropic ? NGX_LLMOPS_OP_MESSAGES
                                          : NGX_LLMOPS_OP_CHAT,
                                &model, 1, mode & 2, mode & 128);
    fuzz_check(x != NULL);

    body.data = (u_char *) p;
    body.len = size - 1;

    switch (mode >> 2 & 3) {

    case 0:
        fuzz_request(x, &body, mode >> 4);
        break;

    case 1:
        fuzz_answer(x, &body, anthropic, same);
        break;

    default:

        /* a request on the first line, events on the others */

        line = memchr(p, '\n', body.len);

        if (line != NULL) {
            body.len = line - p;
            fuzz_request(x, &body, mode >> 4);
            fuzz_events(x, anthropic, line + 1, copy + size - 1);
        }
    }

    ngx_llmops_xlate_free(x);
    free(copy);

    return 0;
}
