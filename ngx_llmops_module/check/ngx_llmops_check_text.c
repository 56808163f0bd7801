
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_check_text.h"


/*
 * A text on its way through its rules: what is asked of the content as a whole
 * first, then patterns, which may hold it back, and last what is put back into
 * it, so that no rule takes it for something that the model has said.
 */


static ngx_int_t ngx_llmops_channel_patterns(ngx_llmops_check_t *check,
    ngx_llmops_channel_t *ch, ngx_llmops_choice_t *choice, ngx_str_t *piece,
    ngx_uint_t last, ngx_llmops_out_t *out);


void
ngx_llmops_channel_free(ngx_llmops_channel_t *ch)
{
    if (ch->window) {
        ngx_llmops_window_free(ch->window);
        ch->window = NULL;
    }

    if (ch->args) {
        ngx_llmops_jcheck_free(ch->args);
        ch->args = NULL;
    }

    if (ch->schema) {
        ngx_llmops_jschema_free(ch->schema);
        ch->schema = NULL;
    }

    if (ch->text.item.len) {
        free(ch->text.item.data);
        ch->text.item.len = 0;
    }
}


void
ngx_llmops_check_text_free(ngx_llmops_check_t *check)
{
    ngx_uint_t  i;

    for (i = 0; i < check->nchannels; i++) {
        ngx_llmops_channel_free(&check->channels[i]);
    }

    for (i = 0; i < check->nchoices; i++) {
        if (check->choices[i].json) {
            ngx_llmops_jcheck_free(check->choices[i].json);
        }

        ngx_llmops_out_free(&check->choices[i].said);
    }

    free(check->channels);
    free(check->choices);
}


/* room for one more in an array of n, zeroed; NULL: out of memory */

static void *
ngx_llmops_check_room(void *array, ngx_uint_t n, ngx_uint_t *allocated,
    size_t size)
{
    ngx_uint_t  more;

    if (n == *allocated) {
        more = n ? 2 * n : 4;

        array = realloc(array, more * size);
        if (array == NULL) {
            return NULL;
        }

        *allocated = more;
    }

    ngx_memzero((u_char *) array + n * size, size);

    return array;
}


ngx_llmops_choice_t *
ngx_llmops_channel_choice(ngx_llmops_check_t *check, ngx_uint_t number)
{
    void                 *room;
    ngx_uint_t            i;
    ngx_llmops_choice_t  *choice;

    for (i = 0; i < check->nchoices; i++) {
        if (check->choices[i].number == number) {
            return &check->choices[i];
        }
    }

    if (check->nchoices == NGX_LLMOPS_CHECK_CHOICES) {
        check->failed = 1;
        return NULL;
    }

    room = ngx_llmops_check_room(check->choices, check->nchoices,
                                 &check->achoices,
                                 sizeof(ngx_llmops_choice_t));
    if (room == NULL) {
        return NULL;
    }

    check->choices = room;
    choice = &check->choices[check->nchoices++];
    choice->number = number;

    ngx_llmops_out_init(&choice->said, check->keeps);

    return choice;
}


/* the id of an item outlives its event; without one that it is for want of
   memory, an event of our own lacks it */

static void
ngx_llmops_channel_item(ngx_llmops_channel_t *ch, ngx_llmops_text_t *text)
{
    if (text->item.len == 0 || ch->text.item.len) {
        return;
    }

    ch->text.item.data = malloc(text->item.len);

    if (ch->text.item.data) {
        ngx_memcpy(ch->text.item.data, text->item.data, text->item.len);
        ch->text.item.len = text->item.len;
    }
}


ngx_llmops_channel_t *
ngx_llmops_channel(ngx_llmops_check_t *check, ngx_llmops_text_t *text)
{
    void                  *room;
    ngx_uint_t             i;
    ngx_llmops_channel_t  *ch;

    for (i = 0; i < check->nchannels; i++) {
        ch = &check->channels[i];

        if (ch->text.choice == text->choice && ch->text.kind == text->kind
            && ch->text.index == text->index)
        {
            if (ch->ended) {

                /* a text that goes on after its end begins anew */

                ngx_llmops_channel_free(ch);
                ngx_memzero(&ch->restore, sizeof(ngx_llmops_restore_t));
                ch->ended = 0;
                ch->excused = 0;
            }

            ngx_llmops_channel_item(ch, text);

            return ch;
        }
    }

    if (check->nchannels == NGX_LLMOPS_CHECK_CHANNELS) {
        check->failed = 1;
        return NULL;
    }

    if (ngx_llmops_channel_choice(check, text->choice) == NULL) {
        return NULL;
    }

    room = ngx_llmops_check_room(check->channels, check->nchannels,
                                 &check->achannels,
                                 sizeof(ngx_llmops_channel_t));
    if (room == NULL) {
        return NULL;
    }

    check->channels = room;

    ch = &check->channels[check->nchannels];
    ch->text = *text;
    ch->text.item.len = 0;

    ngx_llmops_channel_item(ch, text);

    check->nchannels++;

    return ch;
}


/* NGX_OK if it is only noted */

ngx_int_t
ngx_llmops_rule_broken(ngx_llmops_check_t *check, ngx_uint_t rule)
{
    ngx_llmops_rule_t  *r;

    r = &check->rules->rules[rule];

    check->noted |= (uint64_t) 1 << rule;

    if (r->action == NGX_LLMOPS_ACT_MARK) {
        return NGX_OK;
    }

    check->failed = 1;
    check->broken = r;

    return NGX_DECLINED;
}


/* what is asked of the text before patterns see it; text becomes what is left
   of it */

static ngx_int_t
ngx_llmops_channel_whole(ngx_llmops_check_t *check, ngx_llmops_channel_t *ch,
    ngx_llmops_choice_t *choice, ngx_str_t *text, ngx_uint_t last)
{
    if (ch->text.aside) {
        return NGX_OK;
    }

    if (ch->text.kind == NGX_LLMOPS_TEXT_CONTENT) {
        return ngx_llmops_channel_content(check, choice, text, last);
    }

    if (ch->text.kind == NGX_LLMOPS_TEXT_TOOL) {
        choice->tools = 1;

        if (check->tools && ngx_llmops_text_is_json(&ch->text)) {
            return ngx_llmops_check_arguments(check, ch, text, last);
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_llmops_channel_feed(ngx_llmops_check_t *check, ngx_llmops_channel_t *ch,
    ngx_str_t *piece, ngx_uint_t last, ngx_llmops_out_t *out)
{
    ngx_int_t             rc;
    ngx_str_t             text;
    ngx_uint_t            json;
    ngx_llmops_out_t     *to;
    ngx_llmops_choice_t  *choice;

    choice = ngx_llmops_channel_choice(check, ch->text.choice);

    if (choice == NULL) {
        return NGX_DECLINED;
    }

    text = *piece;

    rc = ngx_llmops_channel_whole(check, ch, choice, &text, last);

    if (rc != NGX_OK) {
        return rc;
    }

    to = out;

    if (check->reverse) {
        to = &check->clean;
        ngx_llmops_out_reset(to);
    }

    if (check->rules->sets[ch->text.kind]) {
        rc = ngx_llmops_channel_patterns(check, ch, choice, &text, last, to);

    } else {
        (void) ngx_llmops_out_str(to, &text);
        rc = to->failed ? NGX_ERROR : NGX_OK;
    }

    if (check->reverse) {
        json = ngx_llmops_text_is_json(&ch->text);

        ngx_llmops_restore(check->reverse, &ch->restore, to->data, to->len,
                           json, last, out);

        if (to->failed) {
            return NGX_ERROR;
        }
    }

    return (rc == NGX_OK && out->failed) ? NGX_ERROR : rc;
}


static ngx_int_t
ngx_llmops_channel_patterns(ngx_llmops_check_t *check,
    ngx_llmops_channel_t *ch, ngx_llmops_choice_t *choice, ngx_str_t *piece,
    ngx_uint_t last, ngx_llmops_out_t *out)
{
    ngx_int_t               rc;
    ngx_uint_t              i;
    ngx_llmops_patterns_t  *set;

    set = check->rules->sets[ch->text.kind];

    if (ch->window == NULL) {
        ch->window = ngx_llmops_window_create(set);

        if (ch->window == NULL) {
            return NGX_ERROR;
        }
    }

    if (ngx_llmops_text_is_json(&ch->text)) {
        ngx_llmops_out_reset(&check->plain);
        ngx_llmops_unescape(&ch->unescape, piece->data, piece->len, last,
                            &check->plain);

        if (check->plain.failed) {
            return NGX_ERROR;
        }

        piece->data = check->plain.data;
        piece->len = check->plain.len;
    }

    rc = ngx_llmops_window_feed(ch->window, piece->data, piece->len, last,
                                out);

    choice->found |= ngx_llmops_window_found(ch->window);

    for (i = 0; i < check->rules->nrules; i++) {
        if (check->rules->rules[i].kind == NGX_LLMOPS_RULE_PATTERN) {
            check->noted |= choice->found & (uint64_t) 1 << i;
        }
    }

    return rc == NGX_DECLINED
           ? ngx_llmops_rule_broken(check,
                                    ngx_llmops_window_denied(ch->window))
           : rc;
}
