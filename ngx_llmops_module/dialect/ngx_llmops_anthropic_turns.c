
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_anthropic_codec.h"


/*
 * Turns of the Messages API as neutral messages.  The results of tools in a
 * user's turn become messages of their own, which come first; what such a
 * message cannot hold (images, files) follows in one of the user.
 */


typedef struct {
    json_t                    *messages;
    json_t                    *extra;      /* parts from inside results */
    json_t                    *parts;      /* of the rest of the turn */
    ngx_uint_t                 rich;       /* some of them are no texts */
} ngx_llmops_anthropic_user_t;


static void ngx_llmops_anthropic_turn_in(ngx_llmops_xlate_t *x, json_t *list,
    json_t *turn, ngx_uint_t last);
static json_t *ngx_llmops_anthropic_message(ngx_llmops_xlate_t *x,
    const char *role, json_t *content);
static json_t *ngx_llmops_anthropic_texts(ngx_llmops_xlate_t *x,
    json_t *content, const char *separator);
static void ngx_llmops_anthropic_user_in(ngx_llmops_xlate_t *x, json_t *list,
    json_t *content);
static void ngx_llmops_anthropic_part_in(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_user_t *u, json_t *block);
static void ngx_llmops_anthropic_result_in(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_user_t *u, json_t *block);
static json_t *ngx_llmops_anthropic_result_text(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_user_t *u, json_t *block);
static void ngx_llmops_anthropic_image_in(ngx_llmops_xlate_t *x, json_t *to,
    json_t *block);
static void ngx_llmops_anthropic_document_notes(ngx_llmops_xlate_t *x,
    json_t *block);
static void ngx_llmops_anthropic_document_in(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_user_t *u, json_t *to, json_t *block);
static void ngx_llmops_anthropic_search_in(ngx_llmops_xlate_t *x, json_t *to,
    json_t *block);
static json_t *ngx_llmops_anthropic_assistant_in(ngx_llmops_xlate_t *x,
    json_t *content);
static void ngx_llmops_anthropic_cached(ngx_llmops_xlate_t *x, json_t *block);


json_t *
ngx_llmops_anthropic_messages_in(ngx_llmops_xlate_t *x, json_t *body)
{
    size_t   i, n;
    json_t  *list, *system, *turns, *turn;

    list = ngx_llmops_array(x);

    system = ngx_llmops_anthropic_texts(x, json_object_get(body, "system"),
                                        "\n\n");

    if (json_string_length(system) > 0) {
        ngx_llmops_append(x, list,
            ngx_llmops_anthropic_message(x, "system", json_incref(system)));
    }

    json_decref(system);

    turns = json_object_get(body, "messages");
    n = json_array_size(turns);

    json_array_foreach(turns, i, turn) {
        ngx_llmops_anthropic_turn_in(x, list, turn, i == n - 1);
    }

    return list;
}


static void
ngx_llmops_anthropic_turn_in(ngx_llmops_xlate_t *x, json_t *list,
    json_t *turn, ngx_uint_t last)
{
    json_t      *content, *message;
    const char  *role;

    content = json_object_get(turn, "content");
    role = ngx_llmops_tree_str(turn, "role");
    role = role ? role : "";

    if (strcmp(role, "user") == 0) {
        ngx_llmops_anthropic_user_in(x, list, content);
        return;
    }

    if (strcmp(role, "assistant") == 0) {

        /* the start of an answer: it would be answered, not continued */

        if (last) {
            ngx_llmops_approx(x, "messages.prefill", "turn");
        }

        message = ngx_llmops_anthropic_assistant_in(x, content);

        if (message != NULL) {
            ngx_llmops_append(x, list, message);
        }

        return;
    }

    if (strcmp(role, "system") == 0) {
        content = ngx_llmops_anthropic_texts(x, content, "\n\n");
        ngx_llmops_append(x, list,
                          ngx_llmops_anthropic_message(x, "system", content));
        return;
    }

    ngx_llmops_refuse(x, "messages", "invalid_value",
                      "\"%.32s\" is no role of a message", role);
}


static json_t *
ngx_llmops_anthropic_message(ngx_llmops_xlate_t *x, const char *role,
    json_t *content)
{
    json_t  *message;

    message = ngx_llmops_object(x);
    ngx_llmops_set(x, message, "role", json_string(role));
    ngx_llmops_set(x, message, "content", content);

    return message;
}


/* the texts of a string or of text blocks; a new value */

static json_t *
ngx_llmops_anthropic_texts(ngx_llmops_xlate_t *x, json_t *content,
    const char *separator)
{
    size_t             i;
    json_t            *block, *text;
    ngx_llmops_out_t   out;

    if (ngx_llmops_tree_is_string(content)) {
        return json_incref(content);
    }

    ngx_llmops_gather_init(&out);

    json_array_foreach(content, i, block) {
        ngx_llmops_anthropic_cached(x, block);
        text = json_object_get(block, "text");

        if (ngx_llmops_tree_has_text(text)) {
            ngx_llmops_gather(&out, json_string_value(text),
                              json_string_length(text), separator);
        }
    }

    return ngx_llmops_gathered(x, &out);
}


static void
ngx_llmops_anthropic_cached(ngx_llmops_xlate_t *x, json_t *block)
{
    if (json_is_object(json_object_get(block, "cache_control"))) {
        ngx_llmops_drop(x, "cache_control");
    }
}


static void
ngx_llmops_anthropic_user_in(ngx_llmops_xlate_t *x, json_t *list,
    json_t *content)
{
    size_t                        i;
    json_t                       *block, *text;
    ngx_llmops_anthropic_user_t   u;

    if (ngx_llmops_tree_is_string(content)) {
        ngx_llmops_append(x, list,
            ngx_llmops_anthropic_message(x, "user", json_incref(content)));
        return;
    }

    u.messages = list;
    u.extra = ngx_llmops_array(x);
    u.parts = ngx_llmops_array(x);
    u.rich = 0;

    json_array_foreach(content, i, block) {
        ngx_llmops_anthropic_cached(x, block);
        ngx_llmops_anthropic_part_in(x, &u, block);
    }

    if (json_array_size(u.extra) > 0) {
        ngx_llmops_append(x, list,
            ngx_llmops_anthropic_message(x, "user", json_incref(u.extra)));
    }

    if (json_array_size(u.parts) > 0) {

        /* a plain string is what every server takes */

        text = u.rich ? json_incref(u.parts)
                      : ngx_llmops_anthropic_texts(x, u.parts, "\n\n");
        ngx_llmops_append(x, list,
                          ngx_llmops_anthropic_message(x, "user", text));
    }

    json_decref(u.extra);
    json_decref(u.parts);
}


static void
ngx_llmops_anthropic_part_in(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_user_t *u, json_t *block)
{
    json_t      *text;
    const char  *type;

    type = ngx_llmops_tree_str(block, "type");
    type = type ? type : "";

    if (strcmp(type, "text") == 0) {
        text = json_object_get(block, "text");

        if (ngx_llmops_tree_has_text(text)) {
            ngx_llmops_append(x, u->parts,
                ngx_llmops_anthropic_text(x, json_string_value(text),
                                          json_string_length(text)));
        }

    } else if (strcmp(type, "tool_result") == 0) {
        ngx_llmops_anthropic_result_in(x, u, block);

    } else if (strcmp(type, "image") == 0) {
        u->rich = 1;
        ngx_llmops_anthropic_image_in(x, u->parts, block);

    } else if (strcmp(type, "document") == 0) {
        ngx_llmops_anthropic_document_in(x, u, u->parts, block);

    } else if (strcmp(type, "search_result") == 0) {
        ngx_llmops_anthropic_search_in(x, u->parts, block);

    } else {
        ngx_llmops_refuse(x, "messages", "unsupported_parameter",
                          "content of type \"%.32s\" cannot be translated "
                          "for the provider of this model", type);
    }
}


static void
ngx_llmops_anthropic_result_in(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_user_t *u, json_t *block)
{
    json_t            *message, *text;
    ngx_llmops_out_t   out;

    text = ngx_llmops_anthropic_result_text(x, u, block);

    /* there is no member that says so */

    if (json_is_true(json_object_get(block, "is_error"))) {
        ngx_llmops_gather_init(&out);
        ngx_llmops_gather(&out, "Error: ", 7, "");
        ngx_llmops_gather(&out, json_string_value(text),
                          json_string_length(text), "");
        json_decref(text);
        text = ngx_llmops_gathered(x, &out);
    }

    message = ngx_llmops_object(x);
    ngx_llmops_set(x, message, "role", json_string("tool"));
    ngx_llmops_copy(x, message, "tool_call_id", block, "tool_use_id");
    ngx_llmops_set(x, message, "content", text);

    ngx_llmops_append(x, u->messages, message);
}


/* all texts of a result; what else there is goes into the turn */

static json_t *
ngx_llmops_anthropic_result_text(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_user_t *u, json_t *block)
{
    size_t             i;
    json_t            *content, *part, *texts, *text;
    const char        *type;
    ngx_llmops_out_t   out;

    content = json_object_get(block, "content");
    texts = ngx_llmops_array(x);

    ngx_llmops_gather_init(&out);

    if (ngx_llmops_tree_has_text(content)) {
        ngx_llmops_gather(&out, json_string_value(content),
                          json_string_length(content), "");
    }

    json_array_foreach(content, i, part) {
        ngx_llmops_anthropic_cached(x, part);
        type = ngx_llmops_tree_str(part, "type");
        type = type ? type : "";

        if (strcmp(type, "text") == 0) {
            ngx_llmops_append(x, texts, json_incref(part));

        } else if (strcmp(type, "image") == 0) {
            ngx_llmops_anthropic_image_in(x, u->extra, part);

        } else if (strcmp(type, "document") == 0) {
            ngx_llmops_anthropic_document_in(x, u, u->extra, part);

        } else if (strcmp(type, "search_result") == 0) {
            ngx_llmops_anthropic_search_in(x, texts, part);

        } else {
            ngx_llmops_drop(x, "messages.tool_result");
        }
    }

    json_array_foreach(texts, i, part) {
        text = json_object_get(part, "text");

        if (ngx_llmops_tree_has_text(text)) {
            ngx_llmops_gather(&out, json_string_value(text),
                              json_string_length(text), "\n\n");
        }
    }

    json_decref(texts);

    return ngx_llmops_gathered(x, &out);
}


static void
ngx_llmops_anthropic_image_in(ngx_llmops_xlate_t *x, json_t *to,
    json_t *block)
{
    json_t      *source, *part, *image, *url;
    const char  *type, *media, *data;

    source = json_object_get(block, "source");
    type = ngx_llmops_tree_str(source, "type");
    media = ngx_llmops_tree_str(source, "media_type");
    data = ngx_llmops_tree_str(source, "data");
    url = json_object_get(source, "url");

    if (type && strcmp(type, "base64") == 0 && media && data) {
        url = json_sprintf("data:%s;base64,%s", media, data);

    } else if (type && strcmp(type, "url") == 0
               && ngx_llmops_tree_has_text(url))
    {
        json_incref(url);

    } else {
        ngx_llmops_unsupported(x, "messages", "this source of an image");
        return;
    }

    image = ngx_llmops_object(x);
    ngx_llmops_set(x, image, "url", url);

    part = ngx_llmops_typed(x, "image_url");
    ngx_llmops_set(x, part, "image_url", image);

    ngx_llmops_append(x, to, part);
}


static void
ngx_llmops_anthropic_document_notes(ngx_llmops_xlate_t *x, json_t *block)
{
    if (json_is_true(json_object_get(json_object_get(block, "citations"),
                                     "enabled")))
    {
        ngx_llmops_drop(x, "document.citations");
    }

    if (ngx_llmops_tree_has_text(json_object_get(block, "context"))) {
        ngx_llmops_drop(x, "document.context");
    }
}


static void
ngx_llmops_anthropic_document_in(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_user_t *u, json_t *to, json_t *block)
{
    json_t      *source, *part, *file, *inner;
    size_t       i;
    const char  *type, *media, *data, *title;

    source = json_object_get(block, "source");
    type = ngx_llmops_tree_str(source, "type");
    type = type ? type : "";
    media = ngx_llmops_tree_str(source, "media_type");
    data = ngx_llmops_tree_str(source, "data");
    title = ngx_llmops_tree_str(block, "title");

    ngx_llmops_anthropic_document_notes(x, block);

    if (strcmp(type, "text") == 0 && data != NULL) {

        if (data[0] != '\0') {
            ngx_llmops_append(x, to, ngx_llmops_anthropic_text(x, data,
                                                            strlen(data)));
        }

        return;
    }

    if (strcmp(type, "base64") == 0 && media != NULL && data != NULL) {
        file = ngx_llmops_object(x);
        ngx_llmops_set(x, file, "filename",
                       json_string(title && title[0] ? title
                                                     : "document.pdf"));
        ngx_llmops_set(x, file, "file_data",
                       json_sprintf("data:%s;base64,%s", media, data));

        part = ngx_llmops_typed(x, "file");
        ngx_llmops_set(x, part, "file", file);

        u->rich |= (to == u->parts);
        ngx_llmops_append(x, to, part);
        return;
    }

    inner = json_object_get(source, "content");

    if (strcmp(type, "content") != 0 || inner == NULL) {
        ngx_llmops_unsupported(x, "messages", "this source of a document");
        return;
    }

    if (ngx_llmops_tree_has_text(inner)) {
        ngx_llmops_append(x, to,
            ngx_llmops_anthropic_text(x, json_string_value(inner),
                                      json_string_length(inner)));
        return;
    }

    json_array_foreach(inner, i, part) {

        if (ngx_llmops_tree_is(part, "type", "image")) {
            u->rich |= (to == u->parts);
            ngx_llmops_anthropic_image_in(x, to, part);

        } else if (ngx_llmops_tree_has_text(json_object_get(part, "text"))) {
            data = ngx_llmops_tree_str(part, "text");
            ngx_llmops_append(x, to, ngx_llmops_anthropic_text(x, data,
                                                            strlen(data)));
        }
    }
}


/* title, source and texts, one below the other */

static void
ngx_llmops_anthropic_search_in(ngx_llmops_xlate_t *x, json_t *to,
    json_t *block)
{
    size_t                    i;
    json_t                   *v, *texts, *part;
    ngx_llmops_out_t          out;
    static const char *const  members[] = { "title", "source" };

    ngx_llmops_gather_init(&out);

    for (i = 0; i < 2; i++) {
        v = json_object_get(block, members[i]);

        if (ngx_llmops_tree_has_text(v)) {
            ngx_llmops_gather(&out, json_string_value(v),
                              json_string_length(v), "\n");
        }
    }

    texts = ngx_llmops_anthropic_texts(x, json_object_get(block, "content"),
                                       "\n");
    ngx_llmops_gather(&out, json_string_value(texts),
                      json_string_length(texts), "\n");
    json_decref(texts);

    v = ngx_llmops_gathered(x, &out);

    part = ngx_llmops_typed(x, "text");
    ngx_llmops_set(x, part, "text", v);
    ngx_llmops_append(x, to, part);
}


/* NULL: nothing is left of the turn */

static json_t *
ngx_llmops_anthropic_assistant_in(ngx_llmops_xlate_t *x, json_t *content)
{
    size_t             i;
    json_t            *message, *block, *answer, *choice, *note;
    const char        *type;
    ngx_uint_t         empty;
    ngx_llmops_usage_t  usage;

    if (ngx_llmops_tree_is_string(content)) {
        return json_string_length(content) == 0 ? NULL
               : ngx_llmops_anthropic_message(x, "assistant",
                                              json_incref(content));
    }

    json_array_foreach(content, i, block) {
        ngx_llmops_anthropic_cached(x, block);
        type = ngx_llmops_tree_str(block, "type");
        type = type ? type : "";

        if (strcmp(type, "text") != 0 && strcmp(type, "thinking") != 0
            && strcmp(type, "redacted_thinking") != 0
            && strcmp(type, "tool_use") != 0)
        {
            ngx_llmops_drop(x, "messages.server_tools");
        }
    }

    /* a turn of the model has the form of an answer */

    note = ngx_llmops_object(x);
    ngx_llmops_set(x, note, "content", json_is_array(content)
                                       ? json_incref(content)
                                       : ngx_llmops_array(x));

    answer = ngx_llmops_anthropic_response_in(x, note, &usage);
    json_decref(note);

    choice = json_array_get(json_object_get(answer, "choices"), 0);
    message = json_incref(json_object_get(choice, "message"));
    json_decref(answer);

    empty = json_is_null(json_object_get(message, "content"))
            && json_object_get(message, "tool_calls") == NULL;

    if (empty) {
        json_decref(message);
        return NULL;
    }

    return message;
}
