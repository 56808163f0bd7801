
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_texts.h"


/* Events of our own, with a piece of a text that had to wait. */


void
ngx_llmops_texts_head(ngx_llmops_out_t *out, ngx_llmops_texts_t *t)
{
    if (t->id.len) {
        (void) ngx_llmops_out_lit(out, "\"id\":");
        (void) ngx_llmops_out_str(out, &t->id);
        (void) ngx_llmops_out_lit(out, ",");
    }

    if (t->created.len) {
        (void) ngx_llmops_out_lit(out, "\"created\":");
        (void) ngx_llmops_out_str(out, &t->created);
        (void) ngx_llmops_out_lit(out, ",");
    }

    if (t->model.len) {
        (void) ngx_llmops_out_lit(out, "\"model\":");
        (void) ngx_llmops_out_str(out, &t->model);
        (void) ngx_llmops_out_lit(out, ",");
    }
}


static void
ngx_llmops_texts_delta_anthropic(ngx_llmops_out_t *out,
    ngx_llmops_text_t *text, ngx_str_t *piece)
{
    (void) ngx_llmops_out_lit(out, "event: content_block_delta\n"
                              "data: {\"type\":\"content_block_delta\","
                              "\"index\":");
    (void) ngx_llmops_out_int(out, text->index);

    switch (text->kind) {

    case NGX_LLMOPS_TEXT_TOOL:
        (void) ngx_llmops_out_lit(out, ",\"delta\":{\"type\":"
                                  "\"input_json_delta\",\"partial_json\":");
        break;

    case NGX_LLMOPS_TEXT_REASONING:
        (void) ngx_llmops_out_lit(out, ",\"delta\":{\"type\":"
                                  "\"thinking_delta\",\"thinking\":");
        break;

    default:
        (void) ngx_llmops_out_lit(out, ",\"delta\":{\"type\":\"text_delta\","
                                  "\"text\":");
    }

    (void) ngx_llmops_out_json(out, piece->data, piece->len);
    (void) ngx_llmops_out_lit(out, "}}\n\n");
}


void
ngx_llmops_texts_delta(ngx_llmops_out_t *out, ngx_llmops_op_e op,
    ngx_str_t *head, ngx_llmops_text_t *text, ngx_str_t *piece)
{
    static const char *const  before[] = {
        ",\"delta\":{\"content\":",
        ",\"delta\":{\"refusal\":",
        ",\"delta\":{\"reasoning\":",
        ",\"delta\":{\"reasoning_content\":",
        ",\"text\":",
        ",\"delta\":{\"tool_calls\":[{\"index\":",
        ",\"delta\":{\"function_call\":{\"arguments\":",
        ",\"delta\":{\"tool_calls\":[{\"index\":",
        ",\"delta\":{\"reasoning_details\":[{\"type\":\"reasoning.text\","
            "\"index\":",
        ",\"delta\":{\"reasoning_details\":[{\"type\":\"reasoning.summary\","
            "\"index\":",
        ",\"delta\":{\"audio\":{\"transcript\":"
    };

    static const char *const  after[] = {
        "}", "}", "}", "}", "", "}}]}", "}}", "}}]}", "}]}", "}]}", "}}"
    };

    if (op == NGX_LLMOPS_OP_MESSAGES) {
        ngx_llmops_texts_delta_anthropic(out, text, piece);
        return;
    }

    (void) ngx_llmops_out_lit(out, "data: {");
    (void) ngx_llmops_out_str(out, head);

    if (op == NGX_LLMOPS_OP_CHAT) {
        (void) ngx_llmops_out_lit(out, "\"object\":\"chat.completion.chunk\","
                                  "\"choices\":[{\"index\":");
    } else {
        (void) ngx_llmops_out_lit(out, "\"object\":\"text_completion\","
                                  "\"choices\":[{\"index\":");
    }

    (void) ngx_llmops_out_int(out, text->choice);
    (void) ngx_llmops_out_write(out, before[text->key],
                                ngx_strlen(before[text->key]));

    switch (text->key) {

    case NGX_LLMOPS_TEXT_KEY_ARGUMENTS:
        (void) ngx_llmops_out_int(out, text->index);
        (void) ngx_llmops_out_lit(out, ",\"function\":{\"arguments\":");
        break;

    case NGX_LLMOPS_TEXT_KEY_CUSTOM:
        (void) ngx_llmops_out_int(out, text->index);
        (void) ngx_llmops_out_lit(out, ",\"custom\":{\"input\":");
        break;

    case NGX_LLMOPS_TEXT_KEY_DETAIL:
        (void) ngx_llmops_out_int(out, ngx_llmops_text_element(text->index));
        (void) ngx_llmops_out_lit(out, ",\"text\":");
        break;

    case NGX_LLMOPS_TEXT_KEY_SUMMARY:
        (void) ngx_llmops_out_int(out, ngx_llmops_text_element(text->index));
        (void) ngx_llmops_out_lit(out, ",\"summary\":");
        break;

    default:
        break;
    }

    (void) ngx_llmops_out_json(out, piece->data, piece->len);
    (void) ngx_llmops_out_write(out, after[text->key],
                                ngx_strlen(after[text->key]));
    (void) ngx_llmops_out_lit(out, ",\"finish_reason\":null}]}\n\n");
}
