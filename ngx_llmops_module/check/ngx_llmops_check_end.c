
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_json.h"
#include "ngx_llmops_json_text.h"
#include "ngx_llmops_check_text.h"


/*
 * Texts that end.  What a channel holds is an event of its own, before the one
 * that tells the end.
 */


static ngx_int_t ngx_llmops_check_flush(ngx_llmops_check_t *check,
    ngx_llmops_channel_t *ch, ngx_llmops_out_t *out);
static ngx_int_t ngx_llmops_check_finish(ngx_llmops_check_t *check,
    ngx_uint_t choice, ngx_llmops_out_t *out);


static ngx_uint_t
ngx_llmops_check_stops(ngx_llmops_texts_t *t, ngx_uint_t index)
{
    return t->block == (t->block_item ? ngx_llmops_text_output(index) : index);
}


ngx_int_t
ngx_llmops_check_ends(ngx_llmops_check_t *check, ngx_llmops_out_t *out)
{
    ngx_int_t   rc;
    ngx_uint_t  i;

    if (check->texts.block_stop) {

        for (i = 0; i < check->nchannels; i++) {

            if (!ngx_llmops_check_stops(&check->texts,
                                        check->channels[i].text.index))
            {
                continue;
            }

            rc = ngx_llmops_check_flush(check, &check->channels[i], out);
            if (rc != NGX_OK) {
                return rc;
            }
        }
    }

    for (i = 0; i < check->texts.nfinished; i++) {
        rc = ngx_llmops_check_finish(check, check->texts.finished[i], out);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


/* a text has ended: what its channel holds is an event of its own */

static ngx_int_t
ngx_llmops_check_flush(ngx_llmops_check_t *check, ngx_llmops_channel_t *ch,
    ngx_llmops_out_t *out)
{
    size_t      start;
    ngx_int_t   rc;
    ngx_str_t   piece;

    if (ch->ended) {
        return NGX_OK;
    }

    ch->ended = 1;
    ngx_str_null(&piece);

    start = check->edited.len;
    rc = ngx_llmops_channel_feed(check, ch, &piece, 1, &check->edited);

    piece.len = check->edited.len - start;

    if (piece.len) {
        piece.data = check->edited.data + start;
        ngx_llmops_check_delta(check, &ch->text, &piece, out);
    }

    check->passed += piece.len;

    return rc == NGX_OK ? ngx_llmops_choice_part(check, ch) : rc;
}


/* a choice is complete: its texts end, and what must be there is asked for */

static ngx_int_t
ngx_llmops_check_finish(ngx_llmops_check_t *check, ngx_uint_t n,
    ngx_llmops_out_t *out)
{
    ngx_int_t             rc;
    ngx_uint_t            i;
    ngx_llmops_choice_t  *choice;

    for (i = 0; i < check->nchannels; i++) {

        if (check->channels[i].text.choice != n) {
            continue;
        }

        rc = ngx_llmops_check_flush(check, &check->channels[i], out);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    choice = ngx_llmops_channel_choice(check, n);

    if (choice == NULL) {
        return check->failed ? NGX_DECLINED : NGX_ERROR;
    }

    return ngx_llmops_choice_finish(check, choice);
}


ngx_int_t
ngx_llmops_check_choices(ngx_llmops_check_t *check, ngx_llmops_out_t *out)
{
    ngx_int_t   rc;
    ngx_uint_t  i;

    /* an answer that says nothing at all: what has to be there is not */

    if (check->nchoices == 0 && !check->texts.partial
        && ngx_llmops_channel_choice(check, 0) == NULL)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < check->nchoices; i++) {
        rc = ngx_llmops_check_finish(check, check->choices[i].number, out);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return out->failed ? NGX_ERROR : NGX_OK;
}


/* the end of a choice of OpenAI's APIs, with the text in it */

static void
ngx_llmops_check_replace_choice(ngx_llmops_check_t *check, ngx_uint_t n,
    ngx_str_t *with, ngx_llmops_out_t *out)
{
    ngx_str_t          head;
    ngx_llmops_text_t  text;

    ngx_memzero(&text, sizeof(ngx_llmops_text_t));

    text.choice = n;
    text.key = (check->op == NGX_LLMOPS_OP_COMPLETIONS)
               ? NGX_LLMOPS_TEXT_KEY_TEXT : NGX_LLMOPS_TEXT_KEY_CONTENT;

    head.data = check->head.data;
    head.len = check->head.len;

    ngx_llmops_texts_delta(out, check->op, &head, &text, with);

    (void) ngx_llmops_out_lit(out, "data: {");
    (void) ngx_llmops_out_str(out, &head);

    if (check->op == NGX_LLMOPS_OP_COMPLETIONS) {
        (void) ngx_llmops_out_lit(out, "\"object\":\"text_completion\","
                                  "\"choices\":[{\"text\":\"\",\"index\":");

    } else {
        (void) ngx_llmops_out_lit(out, "\"object\":\"chat.completion.chunk\","
                                  "\"choices\":[{\"delta\":{},\"index\":");
    }

    (void) ngx_llmops_out_int(out, n);
    (void) ngx_llmops_out_lit(out, ",\"finish_reason\":\"content_filter\"}]}"
                              "\n\n");
}


/* the same of a message: a block of its own, behind the one that is open */

static void
ngx_llmops_check_replace_message(ngx_llmops_check_t *check, ngx_str_t *with,
    ngx_llmops_out_t *out)
{
    ngx_str_t          head;
    ngx_uint_t         index;
    ngx_llmops_text_t  text;

    index = check->blocks;

    if (check->open) {
        (void) ngx_llmops_out_lit(out, "event: content_block_stop\ndata: "
                                  "{\"type\":\"content_block_stop\","
                                  "\"index\":");
        (void) ngx_llmops_out_int(out, index - 1);
        (void) ngx_llmops_out_lit(out, "}\n\n");
    }

    (void) ngx_llmops_out_lit(out, "event: content_block_start\ndata: "
                              "{\"type\":\"content_block_start\",\"index\":");
    (void) ngx_llmops_out_int(out, index);
    (void) ngx_llmops_out_lit(out, ",\"content_block\":{\"type\":\"text\","
                              "\"text\":\"\"}}\n\n");

    ngx_memzero(&text, sizeof(ngx_llmops_text_t));
    text.index = index;
    ngx_str_null(&head);

    ngx_llmops_texts_delta(out, check->op, &head, &text, with);

    (void) ngx_llmops_out_lit(out, "event: content_block_stop\ndata: {\"type\":"
                              "\"content_block_stop\",\"index\":");
    (void) ngx_llmops_out_int(out, index);
    (void) ngx_llmops_out_lit(out, "}\n\n"
                              "event: message_delta\ndata: {\"type\":"
                              "\"message_delta\",\"delta\":{\"stop_reason\":"
                              "\"refusal\",\"stop_sequence\":null},"
                              "\"usage\":{\"output_tokens\":0}}\n\n"
                              "event: message_stop\ndata: {\"type\":"
                              "\"message_stop\"}\n\n");
}


void
ngx_llmops_check_replace(ngx_llmops_check_t *check, ngx_str_t *with,
    ngx_llmops_out_t *out)
{
    ngx_uint_t  i;

    if (check->op == NGX_LLMOPS_OP_MESSAGES) {
        ngx_llmops_check_replace_message(check, with, out);
        return;
    }

    if (check->op == NGX_LLMOPS_OP_RESPONSES) {
        ngx_llmops_responses_say(check->track, with, NULL, out);
        return;
    }

    for (i = 0; i < check->nchoices; i++) {
        if (!check->choices[i].told) {
            ngx_llmops_check_replace_choice(check, check->choices[i].number,
                                            with, out);
        }
    }

    (void) ngx_llmops_out_lit(out, "data: [DONE]\n\n");
}
