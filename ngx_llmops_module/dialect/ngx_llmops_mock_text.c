
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_mock_job.h"


/*
 * What the built-in provider says: the last message again, or some Latin, or
 * the call of a tool, or a document of the schema that was asked for.  The
 * same request always gets the same answer.
 */


#define NGX_LLMOPS_MOCK_DEPTH  16


static const char *const  ngx_llmops_mock_lorem[] = {
    "lorem", "ipsum", "dolor", "sit", "amet", "consectetur", "adipiscing",
    "elit", "sed", "do", "eiusmod", "tempor", "incididunt", "ut", "labore",
    "et", "dolore", "magna", "aliqua"
};


uint64_t
ngx_llmops_mock_hash(const void *p, size_t len)
{
    size_t         i;
    uint64_t       h;
    const u_char  *b;

    b = p;
    h = 0xcbf29ce484222325ULL;

    for (i = 0; i < len; i++) {
        h = (h ^ b[i]) * 0x100000001b3ULL;
    }

    return h;
}


ngx_str_t
ngx_llmops_mock_word(ngx_str_t *rest)
{
    size_t     n;
    ngx_str_t  word;

    for (n = 0; n < rest->len && rest->data[n] > ' '; n++) { /* void */ }
    for ( /* void */ ; n < rest->len && rest->data[n] <= ' '; n++) { }

    word.data = rest->data;
    word.len = n;

    rest->data += n;
    rest->len -= n;

    return word;
}


ngx_uint_t
ngx_llmops_mock_words(ngx_str_t *text)
{
    ngx_str_t   rest;
    ngx_uint_t  n;

    rest = *text;

    for (n = 0; ngx_llmops_mock_word(&rest).len; n++) { /* void */ }

    return n;
}


static void
ngx_llmops_mock_append(json_t *string, ngx_llmops_out_t *out)
{
    if (out->len && json_string_length(string)) {
        (void) ngx_llmops_out_lit(out, " ");
    }

    (void) ngx_llmops_out_write(out, json_string_value(string),
                                json_string_length(string));
}


/* strings, parts with a text, and what lies in content, output or input */

static void
ngx_llmops_mock_collect_at(json_t *value, ngx_llmops_out_t *out,
    ngx_uint_t depth)
{
    size_t       i;
    ngx_uint_t   n;
    json_t      *v;

    static const char *const  names[] = { "text", "content", "output" };

    if (depth == NGX_LLMOPS_MOCK_DEPTH) {
        return;
    }

    if (json_is_string(value)) {
        ngx_llmops_mock_append(value, out);
        return;
    }

    json_array_foreach(value, i, v) {
        ngx_llmops_mock_collect_at(v, out, depth + 1);
    }

    if (!json_is_object(value)) {
        return;
    }

    for (n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
        v = json_object_get(value, names[n]);

        if (v) {
            ngx_llmops_mock_collect_at(v, out, depth + 1);
            return;
        }
    }
}


void
ngx_llmops_mock_collect(json_t *value, ngx_llmops_out_t *out)
{
    ngx_llmops_mock_collect_at(value, out, 0);
}


static json_t  *ngx_llmops_mock_sample(json_t *schema, ngx_uint_t depth);


static json_t *
ngx_llmops_mock_sample_object(json_t *schema, ngx_uint_t depth)
{
    json_t      *object, *property;
    const char  *name;

    object = json_object();

    json_object_foreach(json_object_get(schema, "properties"), name, property)
    {
        if (json_object_set_new(object, name,
                                ngx_llmops_mock_sample(property, depth + 1))
            != 0)
        {
            break;
        }
    }

    return object;
}


static json_t *
ngx_llmops_mock_sample_typed(json_t *schema, const char *type,
    ngx_uint_t depth)
{
    json_t  *items;

    if (ngx_strcmp(type, "object") == 0) {
        return ngx_llmops_mock_sample_object(schema, depth);
    }

    if (ngx_strcmp(type, "array") == 0) {
        items = json_object_get(schema, "items");

        return json_pack("[o]", ngx_llmops_mock_sample(items, depth + 1));
    }

    if (ngx_strcmp(type, "integer") == 0 || ngx_strcmp(type, "number") == 0) {
        return json_integer(1);
    }

    if (ngx_strcmp(type, "boolean") == 0) {
        return json_true();
    }

    return ngx_strcmp(type, "null") == 0 ? json_null() : json_string("mock");
}


/* a value of a JSON schema, as far as a few words of it go */

static json_t *
ngx_llmops_mock_sample(json_t *schema, ngx_uint_t depth)
{
    json_t  *v;

    if (depth == NGX_LLMOPS_MOCK_DEPTH) {
        return json_null();
    }

    v = json_object_get(schema, "const");

    if (v) {
        return json_incref(v);
    }

    v = json_array_get(json_object_get(schema, "enum"), 0);

    if (v) {
        return json_incref(v);
    }

    v = json_array_get(json_object_get(schema, "anyOf"), 0);

    if (v) {
        return ngx_llmops_mock_sample(v, depth + 1);
    }

    v = json_object_get(schema, "type");

    if (json_is_array(v)) {
        v = json_array_get(v, 0);
    }

    if (!json_is_string(v)) {
        return ngx_llmops_mock_sample_object(schema, depth);
    }

    return ngx_llmops_mock_sample_typed(schema, json_string_value(v), depth);
}


static void
ngx_llmops_mock_dump(json_t *value, ngx_llmops_out_t *out)
{
    char  *s;

    s = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

    if (s == NULL) {
        out->failed = 1;

    } else {
        (void) ngx_llmops_out_write(out, s, ngx_strlen(s));
    }

    free(s);
    json_decref(value);
}


/* OpenAI's chat has the function in an object of its own */

static json_t *
ngx_llmops_mock_tool_member(json_t *tool, const char *name)
{
    json_t  *function;

    function = json_object_get(tool, "function");

    return json_object_get(function ? function : tool, name);
}


static void
ngx_llmops_mock_call(ngx_llmops_mock_job_t *j)
{
    json_t  *tool, *schema;

    tool = json_array_get(json_object_get(j->request, "tools"), 0);

    if (!json_is_string(ngx_llmops_mock_tool_member(tool, "name"))) {
        return;
    }

    schema = ngx_llmops_mock_tool_member(tool, "parameters");

    if (schema == NULL) {
        schema = ngx_llmops_mock_tool_member(tool, "input_schema");
    }

    j->tool = ngx_llmops_mock_tool_member(tool, "name");
    ngx_llmops_mock_dump(ngx_llmops_mock_sample_object(schema, 0),
                         &j->arguments);
    j->output = 1;
}


static void
ngx_llmops_mock_latin(ngx_llmops_out_t *out, ngx_uint_t words)
{
    ngx_uint_t   i;
    const char  *s;

    for (i = 0; i < words; i++) {
        s = ngx_llmops_mock_lorem[i % (sizeof(ngx_llmops_mock_lorem)
                                       / sizeof(ngx_llmops_mock_lorem[0]))];
        (void) ngx_llmops_out_write(out, " ", i > 0);
        (void) ngx_llmops_out_write(out, s, ngx_strlen(s));
    }
}


/* cuts the text after max_tokens words */

static void
ngx_llmops_mock_limit(ngx_llmops_mock_job_t *j)
{
    ngx_str_t   rest;
    ngx_uint_t  n;

    rest.data = j->text.data;
    rest.len = j->text.len;

    for (n = 0; rest.len; n++) {

        if (j->max_tokens >= 0 && n == (ngx_uint_t) j->max_tokens) {
            j->text.len = rest.data - j->text.data;
            j->truncated = 1;
            break;
        }

        (void) ngx_llmops_mock_word(&rest);
    }

    j->output = n;
}


static ngx_uint_t
ngx_llmops_mock_is(json_t *object, const char *name, const char *value)
{
    const char  *s;

    s = json_string_value(json_object_get(object, name));

    return s && ngx_strcmp(s, value) == 0;
}


/* results of tools are told by role, type, or the parts inside */

static ngx_uint_t
ngx_llmops_mock_is_result(json_t *m)
{
    return ngx_llmops_mock_is(m, "role", "tool")
           || ngx_llmops_mock_is(m, "type", "function_call_output")
           || ngx_llmops_mock_is(json_array_get(json_object_get(m, "content"),
                                                0),
                                 "type", "tool_result");
}


static json_t *
ngx_llmops_mock_last(ngx_llmops_mock_job_t *j)
{
    size_t   i;
    json_t  *m;

    if (json_is_string(j->messages)) {
        return j->messages;
    }

    for (i = json_array_size(j->messages); i > 0; i--) {
        m = json_array_get(j->messages, i - 1);
        j->result = ngx_llmops_mock_is_result(m);

        if (j->result || json_is_string(m)
            || ngx_llmops_mock_is(m, "role", "user"))
        {
            return m;
        }
    }

    return NULL;
}


static void
ngx_llmops_mock_count(ngx_llmops_mock_job_t *j)
{
    ngx_str_t         s;
    ngx_llmops_out_t  all;

    ngx_llmops_out_init(&all, j->body->len * 2 + 64);

    ngx_llmops_mock_collect(json_object_get(j->request, "system"), &all);
    ngx_llmops_mock_collect(json_object_get(j->request, "instructions"),
                            &all);
    ngx_llmops_mock_collect(j->messages, &all);

    s.data = all.data;
    s.len = all.len;

    j->input = ngx_max(ngx_llmops_mock_words(&s), 1);

    ngx_llmops_out_free(&all);
}


ngx_int_t
ngx_llmops_mock_think(ngx_llmops_mock_job_t *j)
{
    json_t  *last;

    if (!json_is_string(j->messages) && json_array_size(j->messages) == 0) {
        return NGX_DECLINED;
    }

    ngx_llmops_mock_count(j);
    last = ngx_llmops_mock_last(j);

    if (j->script.tool && !j->result) {
        ngx_llmops_mock_call(j);
    }

    if (j->tool) {
        return NGX_OK;
    }

    if (j->script.words) {
        ngx_llmops_mock_latin(&j->text, j->script.words);

    } else if (j->schema) {
        ngx_llmops_mock_dump(ngx_llmops_mock_sample(j->schema, 0), &j->text);

    } else {
        ngx_llmops_mock_collect(last, &j->text);
    }

    if (j->text.len == 0) {
        (void) ngx_llmops_out_lit(&j->text, "This is the mock provider.");
    }

    ngx_llmops_mock_limit(j);

    return NGX_OK;
}
