
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_openai_codec.h"
#include "ngx_llmops_schema.h"


/*
 * Requests: coming in, the old spellings (functions, max_tokens) are made
 * the new ones, and calls and their results get ids; going out, a request is
 * cut to what the target is known to take.
 */


/* what the name of a model tells; other servers' names tell nothing */

typedef struct {
    ngx_uint_t                 version;    /* gpt-5.1 is 501, o-series 500 */
    unsigned                   vendor:1;   /* OpenAI's own */
    unsigned                   reasoning:1;
    unsigned                   o_series:1;
} ngx_llmops_openai_model_t;


static void ngx_llmops_openai_functions(ngx_llmops_xlate_t *x, json_t *body);
static void ngx_llmops_openai_message_in(ngx_llmops_xlate_t *x,
    json_t *message, size_t n, json_t **calls, size_t *answered);
static void ngx_llmops_openai_calls_in(ngx_llmops_xlate_t *x,
    json_t *message, size_t n);
static void ngx_llmops_openai_model(const char *name,
    ngx_llmops_openai_model_t *m);
static void ngx_llmops_openai_limits(ngx_llmops_xlate_t *x, json_t *out,
    ngx_llmops_openai_model_t *m);
static void ngx_llmops_openai_effort(ngx_llmops_xlate_t *x, json_t *out,
    ngx_llmops_openai_model_t *m);
static void ngx_llmops_openai_user(ngx_llmops_xlate_t *x, json_t *out,
    ngx_llmops_openai_model_t *m);
static void ngx_llmops_openai_stop(ngx_llmops_xlate_t *x, json_t *out,
    ngx_llmops_openai_model_t *m);
static void ngx_llmops_openai_message_out(ngx_llmops_xlate_t *x,
    json_t *message, ngx_llmops_openai_model_t *m);
static void ngx_llmops_openai_id_out(ngx_llmops_xlate_t *x, json_t *object,
    const char *key);
static void ngx_llmops_openai_name_out(ngx_llmops_xlate_t *x,
    json_t *function);
static void ngx_llmops_openai_tools_out(ngx_llmops_xlate_t *x, json_t *out);
static void ngx_llmops_openai_format_out(ngx_llmops_xlate_t *x, json_t *out);


json_t *
ngx_llmops_openai_request_in(ngx_llmops_xlate_t *x, json_t *body)
{
    size_t   i, answered;
    json_t  *messages, *message, *calls;

    messages = json_object_get(body, "messages");

    if (json_array_size(messages) == 0) {
        ngx_llmops_refuse(x, "messages", "invalid_value",
                          "\"messages\" must be an array that is not empty");
        return NULL;
    }

    ngx_llmops_openai_functions(x, body);

    if (json_is_null(json_object_get(body, "max_completion_tokens"))) {
        json_object_del(body, "max_completion_tokens");
    }

    if (json_object_get(body, "max_completion_tokens") == NULL) {
        ngx_llmops_copy(x, body, "max_completion_tokens", body, "max_tokens");
    }

    json_object_del(body, "max_tokens");

    calls = NULL;
    answered = 0;

    json_array_foreach(messages, i, message) {
        ngx_llmops_openai_message_in(x, message, i, &calls, &answered);
    }

    return json_incref(body);
}


static void
ngx_llmops_openai_functions(ngx_llmops_xlate_t *x, json_t *body)
{
    size_t   i;
    json_t  *functions, *function, *tools, *tool, *choice;

    functions = json_object_get(body, "functions");

    if (json_is_array(functions) && json_object_get(body, "tools") == NULL) {
        tools = ngx_llmops_array(x);

        json_array_foreach(functions, i, function) {
            tool = ngx_llmops_typed(x, "function");
            ngx_llmops_set(x, tool, "function", json_incref(function));
            ngx_llmops_append(x, tools, tool);
        }

        ngx_llmops_set(x, body, "tools", tools);

        /* the answer will be in the old form, too, which has one call */

        x->legacy = 1;
        ngx_llmops_set(x, body, "parallel_tool_calls", json_false());
    }

    choice = json_object_get(body, "function_call");

    if (json_is_object(choice)) {
        tool = ngx_llmops_typed(x, "function");
        ngx_llmops_set(x, tool, "function", json_incref(choice));
        ngx_llmops_set(x, body, "tool_choice", tool);

    } else if (ngx_llmops_tree_is_string(choice)) {
        ngx_llmops_set(x, body, "tool_choice", json_incref(choice));
    }

    json_object_del(body, "functions");
    json_object_del(body, "function_call");
}


/*
 * calls are those of the last assistant message, answered of which have
 * their results: results without an id belong to the next one.
 */

static void
ngx_llmops_openai_message_in(ngx_llmops_xlate_t *x, json_t *message, size_t n,
    json_t **calls, size_t *answered)
{
    json_t      *id;
    const char  *role;

    role = ngx_llmops_tree_str(message, "role");

    if (role == NULL) {
        ngx_llmops_refuse(x, "messages", "invalid_value",
                          "messages[%lu] has no role", (unsigned long) n);
        return;
    }

    if (strcmp(role, "assistant") == 0) {
        ngx_llmops_openai_calls_in(x, message, n);
        *calls = json_object_get(message, "tool_calls");
        *answered = 0;
        return;
    }

    if (strcmp(role, "function") == 0) {
        ngx_llmops_set(x, message, "role", json_string("tool"));
        json_object_del(message, "name");

    } else if (strcmp(role, "tool") != 0) {
        return;
    }

    if (!ngx_llmops_tree_has_text(json_object_get(message, "tool_call_id"))) {
        id = json_object_get(json_array_get(*calls, *answered), "id");

        if (id == NULL) {
            ngx_llmops_refuse(x, "messages", "invalid_value",
                              "messages[%lu] is the result of no tool call",
                              (unsigned long) n);
            return;
        }

        ngx_llmops_set(x, message, "tool_call_id", json_incref(id));
    }

    (*answered)++;
}


static void
ngx_llmops_openai_calls_in(ngx_llmops_xlate_t *x, json_t *message, size_t n)
{
    char     id[64];
    size_t   i;
    json_t  *call, *calls, *function;

    function = json_object_get(message, "function_call");

    if (json_is_object(function)) {
        call = ngx_llmops_typed(x, "function");
        ngx_llmops_set(x, call, "function", json_incref(function));

        calls = ngx_llmops_array(x);
        ngx_llmops_append(x, calls, call);
        ngx_llmops_set(x, message, "tool_calls", calls);
    }

    json_object_del(message, "function_call");

    json_array_foreach(json_object_get(message, "tool_calls"), i, call) {

        if (json_is_object(call)
            && !ngx_llmops_tree_has_text(json_object_get(call, "id")))
        {
            snprintf(id, sizeof(id), "call_%lu_%lu", (unsigned long) n,
                     (unsigned long) i);
            ngx_llmops_set(x, call, "id", json_string(id));
        }
    }
}


static void
ngx_llmops_openai_model(const char *name, ngx_llmops_openai_model_t *m)
{
    char        *end;
    const char  *p;

    memset(m, 0, sizeof(ngx_llmops_openai_model_t));

    p = strrchr(name, '/');
    p = p ? p + 1 : name;

    if (p[0] == 'o' && p[1] >= '1' && p[1] <= '9'
        && (p[2] == '\0' || p[2] == '-'))
    {
        m->vendor = 1;
        m->reasoning = 1;
        m->o_series = 1;
        m->version = 500;
        return;
    }

    if (strncmp(p, "chatgpt-", 8) == 0) {
        m->vendor = 1;
        return;
    }

    /* "gpt-oss" is served by others */

    if (strncmp(p, "gpt-", 4) != 0 || p[4] < '1' || p[4] > '9') {
        return;
    }

    m->vendor = 1;
    m->version = strtoul(p + 4, &end, 10) % 1000 * 100;

    if (*end == '.') {
        m->version += strtoul(end + 1, &end, 10) % 100;
    }

    m->reasoning = m->version >= 500 && strncmp(end, "-chat", 5) != 0;
}


json_t *
ngx_llmops_openai_request_out(ngx_llmops_xlate_t *x, json_t *neutral,
    const char *target)
{
    size_t                      i;
    json_t                     *out, *options, *message;
    ngx_llmops_openai_model_t   m;

    ngx_llmops_openai_model(target, &m);

    out = json_incref(neutral);

    ngx_llmops_set(x, out, "model", json_string(target));

    json_object_del(out, "stream");
    json_object_del(out, "stream_options");

    if (x->stream) {
        options = ngx_llmops_object(x);
        ngx_llmops_set(x, options, "include_usage", json_true());
        ngx_llmops_set(x, out, "stream", json_true());
        ngx_llmops_set(x, out, "stream_options", options);
    }

    json_array_foreach(json_object_get(out, "messages"), i, message) {
        ngx_llmops_openai_message_out(x, message, &m);
    }

    ngx_llmops_openai_limits(x, out, &m);
    ngx_llmops_openai_effort(x, out, &m);
    ngx_llmops_openai_user(x, out, &m);
    ngx_llmops_openai_stop(x, out, &m);
    ngx_llmops_openai_tools_out(x, out);
    ngx_llmops_openai_format_out(x, out);

    return out;
}


/* compatible servers know the older name, reasoning models refuse it */

static void
ngx_llmops_openai_limits(ngx_llmops_xlate_t *x, json_t *out,
    ngx_llmops_openai_model_t *m)
{
    size_t                    i;
    double                    n;
    static const char *const  sampling[] = { "temperature", "top_p" };

    if (!m->reasoning) {
        ngx_llmops_copy(x, out, "max_tokens", out, "max_completion_tokens");
        json_object_del(out, "max_completion_tokens");
    }

    if (json_object_get(out, "top_k")) {
        ngx_llmops_drop(x, "top_k");
        json_object_del(out, "top_k");
    }

    for (i = 0; m->reasoning && i < 2; i++) {

        if (ngx_llmops_tree_number(json_object_get(out, sampling[i]), &n)
            != NGX_OK)
        {
            continue;
        }

        /* the default need not be said */

        if (n != 1) {
            ngx_llmops_drop(x, sampling[i]);
        }

        json_object_del(out, sampling[i]);
    }
}


static void
ngx_llmops_openai_effort(ngx_llmops_xlate_t *x, json_t *out,
    ngx_llmops_openai_model_t *m)
{
    const char  *effort, *use;

    effort = ngx_llmops_tree_str(out, "reasoning_effort");

    if (effort == NULL) {
        return;
    }

    use = effort;

    if (strcmp(effort, "none") == 0) {

        /* what is off anyway is not mentioned to servers that may not know */

        use = !m->reasoning ? NULL
              : m->o_series ? "low"
              : (m->version > 500) ? "none" : "minimal";

    } else if (m->vendor && !m->reasoning) {
        ngx_llmops_drop(x, "reasoning_effort");
        use = NULL;

    } else if (strcmp(effort, "max") == 0) {
        use = (m->version >= 506) ? "max"
              : (m->version >= 502) ? "xhigh" : "high";

    } else if (strcmp(effort, "xhigh") == 0 && m->version < 502) {
        use = "high";
    }

    if (use == NULL) {
        json_object_del(out, "reasoning_effort");
        return;
    }

    if (strcmp(use, effort) != 0) {
        ngx_llmops_approx(x, "reasoning_effort", use);
        ngx_llmops_set(x, out, "reasoning_effort", json_string(use));
    }
}


/* at most 64 characters there, and "user" is what others know */

static void
ngx_llmops_openai_user(ngx_llmops_xlate_t *x, json_t *out,
    ngx_llmops_openai_model_t *m)
{
    char         hash[40];
    size_t       len;
    json_t      *user;
    const char  *s;

    s = ngx_llmops_tree_str(out, "user");

    if (s == NULL) {
        return;
    }

    len = strlen(s);

    if (len > 64) {
        snprintf(hash, sizeof(hash), "user_%016llx%016llx",
                 (unsigned long long) ngx_llmops_fnv(s, len, 0),
                 (unsigned long long) ngx_llmops_fnv(s, len, 1));
        user = json_string(hash);

    } else {
        user = json_string(s);
    }

    json_object_del(out, "user");
    ngx_llmops_set(x, out, m->vendor ? "safety_identifier" : "user", user);
}


static void
ngx_llmops_openai_stop(ngx_llmops_xlate_t *x, json_t *out,
    ngx_llmops_openai_model_t *m)
{
    json_t  *stop;

    stop = json_object_get(out, "stop");

    if (stop == NULL) {
        return;
    }

    if (m->o_series) {
        ngx_llmops_drop(x, "stop");
        json_object_del(out, "stop");
        return;
    }

    if (json_array_size(stop) > 4) {
        ngx_llmops_approx(x, "stop", "4");

        while (json_array_size(stop) > 4) {
            json_array_remove(stop, json_array_size(stop) - 1);
        }
    }
}


static void
ngx_llmops_openai_message_out(ngx_llmops_xlate_t *x, json_t *message,
    ngx_llmops_openai_model_t *m)
{
    size_t   i;
    json_t  *call;

    /* signatures of another provider mean nothing here */

    json_object_del(message, "thinking_blocks");

    if (m->vendor && json_object_get(message, "reasoning_content")) {
        ngx_llmops_drop(x, "messages.thinking");
        json_object_del(message, "reasoning_content");
    }

    if (m->reasoning && ngx_llmops_tree_is(message, "role", "system")) {
        ngx_llmops_set(x, message, "role", json_string("developer"));
    }

    if (ngx_llmops_tree_is(message, "role", "tool")) {
        ngx_llmops_openai_id_out(x, message, "tool_call_id");
    }

    json_array_foreach(json_object_get(message, "tool_calls"), i, call) {
        ngx_llmops_openai_id_out(x, call, "id");
        ngx_llmops_openai_name_out(x, json_object_get(call, "function"));
    }
}


static void
ngx_llmops_openai_id_out(ngx_llmops_xlate_t *x, json_t *object,
    const char *key)
{
    char        *safe;
    const char  *id;

    id = ngx_llmops_tree_str(object, key);
    safe = ngx_llmops_safe_id(x, id ? id : "", x->provider->call_max);

    if (safe != NULL) {
        ngx_llmops_set(x, object, key, json_string(safe));
        free(safe);
    }
}


static void
ngx_llmops_openai_name_out(ngx_llmops_xlate_t *x, json_t *function)
{
    char        *safe;
    const char  *name;

    name = ngx_llmops_tree_str(function, "name");
    safe = name ? ngx_llmops_tool_name(x, name) : NULL;

    if (safe != NULL) {
        ngx_llmops_set(x, function, "name", json_string(safe));
        free(safe);
    }
}


static void
ngx_llmops_openai_tools_out(ngx_llmops_xlate_t *x, json_t *out)
{
    size_t   i;
    json_t  *tool, *function;

    json_array_foreach(json_object_get(out, "tools"), i, tool) {
        function = json_object_get(tool, "function");

        ngx_llmops_openai_name_out(x, function);

        if (json_is_true(json_object_get(function, "strict"))
            && ngx_llmops_schema_openai(x, json_object_get(function,
                                                           "parameters")))
        {
            ngx_llmops_approx(x, "tools.input_schema", "closed");
        }
    }

    tool = json_object_get(out, "tool_choice");

    if (json_is_object(tool)) {
        ngx_llmops_openai_name_out(x, json_object_get(tool, "function"));
    }
}


static void
ngx_llmops_openai_format_out(ngx_llmops_xlate_t *x, json_t *out)
{
    json_t  *schema;

    schema = json_object_get(json_object_get(out, "response_format"),
                             "json_schema");

    if (json_is_true(json_object_get(schema, "strict"))
        && ngx_llmops_schema_openai(x, json_object_get(schema, "schema")))
    {
        ngx_llmops_approx(x, "output_config.format", "closed");
    }
}
