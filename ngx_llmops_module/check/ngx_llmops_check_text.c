
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_check_text.h"


/*
 * A text on its way through its rules: JSON without its fence, its length,
 * the document that it must be, and patterns last, which may hold it back.
 */


static ngx_int_t ngx_llmops_channel_content(ngx_llmops_check_t *check,
    ngx_llmops_choice_t *choice, ngx_str_t *piece);
static ngx_int_t ngx_llmops_channel_length(ngx_llmops_check_t *check,
    ngx_llmops_choice_t *choice, ngx_str_t *piece);
static ngx_int_t ngx_llmops_channel_json(ngx_llmops_check_t *check,
    ngx_llmops_choice_t *choice, ngx_uint_t rule, ngx_str_t *piece);
static ngx_int_t ngx_llmops_channel_fence(ngx_llmops_check_t *check,
    ngx_llmops_choice_t *choice, ngx_uint_t rule, ngx_str_t *piece);
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
    }
}


ngx_llmops_choice_t *
ngx_llmops_channel_choice(ngx_llmops_check_t *check, ngx_uint_t number)
{
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

    choice = &check->choices[check->nchoices++];
    choice->number = number;

    return choice;
}


ngx_llmops_channel_t *
ngx_llmops_channel(ngx_llmops_check_t *check, ngx_llmops_text_t *text)
{
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
                ch->ended = 0;
            }

            return ch;
        }
    }

    if (check->nchannels == NGX_LLMOPS_CHECK_CHANNELS) {
        check->failed = 1;
        return NULL;
    }

    ch = &check->channels[check->nchannels];
    ch->text = *text;

    if (ngx_llmops_channel_choice(check, text->choice) == NULL) {
        return NULL;
    }

    check->nchannels++;

    return ch;
}


/* NGX_OK if it is only noted */

static ngx_int_t
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


ngx_int_t
ngx_llmops_channel_feed(ngx_llmops_check_t *check, ngx_llmops_channel_t *ch,
    ngx_str_t *piece, ngx_uint_t last, ngx_llmops_out_t *out)
{
    ngx_int_t             rc;
    ngx_str_t             text;
    ngx_llmops_choice_t  *choice;

    choice = ngx_llmops_channel_choice(check, ch->text.choice);

    if (choice == NULL) {
        return NGX_DECLINED;
    }

    text = *piece;

    if (ch->text.kind == NGX_LLMOPS_TEXT_CONTENT) {
        rc = ngx_llmops_channel_content(check, choice, &text);

        if (rc != NGX_OK) {
            return rc;
        }

    } else if (ch->text.kind == NGX_LLMOPS_TEXT_TOOL) {
        choice->tools = 1;
    }

    if (check->rules->sets[ch->text.kind] == NULL) {
        (void) ngx_llmops_out_str(out, &text);
        return out->failed ? NGX_ERROR : NGX_OK;
    }

    return ngx_llmops_channel_patterns(check, ch, choice, &text, last, out);
}


/* what is asked of content as a whole */

static ngx_int_t
ngx_llmops_channel_content(ngx_llmops_check_t *check,
    ngx_llmops_choice_t *choice, ngx_str_t *piece)
{
    ngx_int_t           rc;
    ngx_uint_t          i;
    ngx_llmops_rule_t  *rule;

    if (piece->len == 0) {
        return NGX_OK;
    }

    choice->content = 1;

    for (i = 0; i < check->rules->nrules; i++) {
        rule = &check->rules->rules[i];

        if (rule->kind == NGX_LLMOPS_RULE_JSON) {

            rc = rule->fences
                 ? ngx_llmops_channel_fence(check, choice, i, piece)
                 : NGX_OK;

            if (rc == NGX_OK) {
                rc = ngx_llmops_channel_json(check, choice, i, piece);
            }

            if (rc != NGX_OK) {
                return rc;
            }
        }
    }

    return ngx_llmops_channel_length(check, choice, piece);
}


static ngx_int_t
ngx_llmops_channel_length(ngx_llmops_check_t *check,
    ngx_llmops_choice_t *choice, ngx_str_t *piece)
{
    size_t              i, before;
    ngx_uint_t          k;
    ngx_llmops_rule_t  *rule;

    before = choice->chars;

    for (i = 0; i < piece->len; i++) {
        choice->chars += ((piece->data[i] & 0xc0) != 0x80);
    }

    for (k = 0; k < check->rules->nrules; k++) {
        rule = &check->rules->rules[k];

        if (rule->kind == NGX_LLMOPS_RULE_LENGTH && rule->max
            && choice->chars > rule->max && before <= rule->max
            && ngx_llmops_rule_broken(check, k) != NGX_OK)
        {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_choice_json(ngx_llmops_check_t *check, ngx_llmops_choice_t *choice,
    ngx_uint_t rule)
{
    if (choice->json == NULL) {
        choice->json = ngx_llmops_jcheck_create(
                                         check->rules->rules[rule].schema);
    }

    return choice->json ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_llmops_channel_json(ngx_llmops_check_t *check,
    ngx_llmops_choice_t *choice, ngx_uint_t rule, ngx_str_t *piece)
{
    if (choice->excused) {
        return NGX_OK;
    }

    if (ngx_llmops_choice_json(check, choice, rule) != NGX_OK) {
        return NGX_ERROR;
    }

    if (choice->fence == NGX_LLMOPS_FENCE_INSIDE
        || choice->fence == NGX_LLMOPS_FENCE_BEHIND)
    {
        return NGX_OK;                  /* it has been fed byte by byte */
    }

    if (ngx_llmops_jcheck_feed(choice->json, piece->data, piece->len)
        == NGX_OK)
    {
        return NGX_OK;
    }

    choice->excused = 1;

    return ngx_llmops_rule_broken(check, rule);
}


static ngx_uint_t
ngx_llmops_fence_space(u_char c)
{
    return c == ' ' || c == LF || c == CR || c == '\t';
}


/*
 * Takes "```json" before a document and "```" behind it away: models add them
 * in spite of all instructions.  piece becomes what is left of it.
 */

static ngx_int_t
ngx_llmops_channel_fence(ngx_llmops_check_t *check,
    ngx_llmops_choice_t *choice, ngx_uint_t rule, ngx_str_t *piece)
{
    u_char  *p, *last, c;

    if (choice->excused || choice->fence == NGX_LLMOPS_FENCE_NONE) {
        return NGX_OK;
    }

    ngx_llmops_out_reset(&check->plain);

    p = piece->data;
    last = p + piece->len;

    while (p < last) {
        c = *p;

        switch (choice->fence) {

        case NGX_LLMOPS_FENCE_START:

            if (ngx_llmops_fence_space(c)) {
                p++;
                break;
            }

            if (c != '`') {

                /* the white space is no part of the document */

                choice->fence = NGX_LLMOPS_FENCE_NONE;
                (void) ngx_llmops_out_write(&check->plain, p, last - p);
                p = last;
                break;
            }

            choice->fence = NGX_LLMOPS_FENCE_OPEN;

            if (ngx_llmops_choice_json(check, choice, rule) != NGX_OK) {
                return NGX_ERROR;
            }

            /* fall through */

        case NGX_LLMOPS_FENCE_OPEN:

            if (c == LF) {
                choice->fence = NGX_LLMOPS_FENCE_INSIDE;
            }

            p++;
            break;

        case NGX_LLMOPS_FENCE_INSIDE:

            if (ngx_llmops_jcheck_feed(choice->json, p, 1) != NGX_OK) {
                goto broken;
            }

            (void) ngx_llmops_out_write(&check->plain, p, 1);
            p++;

            if (ngx_llmops_jcheck_complete(choice->json)) {
                choice->fence = NGX_LLMOPS_FENCE_BEHIND;
            }

            break;

        default: /* NGX_LLMOPS_FENCE_BEHIND */

            if (c != '`' && !ngx_llmops_fence_space(c)) {
                goto broken;
            }

            p++;
        }
    }

done:

    piece->data = check->plain.data;
    piece->len = check->plain.len;

    return check->plain.failed ? NGX_ERROR : NGX_OK;

broken:

    choice->excused = 1;

    if (ngx_llmops_rule_broken(check, rule) != NGX_OK) {
        return NGX_DECLINED;
    }

    (void) ngx_llmops_out_write(&check->plain, p, last - p);
    goto done;
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

    if (ch->text.kind == NGX_LLMOPS_TEXT_TOOL && !ch->text.object) {
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


static ngx_int_t
ngx_llmops_choice_asks(ngx_llmops_check_t *check, ngx_llmops_choice_t *choice,
    ngx_uint_t i)
{
    ngx_llmops_rule_t  *rule;

    rule = &check->rules->rules[i];

    switch (rule->kind) {

    case NGX_LLMOPS_RULE_JSON:

        if (choice->excused) {
            return 0;
        }

        return choice->json == NULL
               || ngx_llmops_jcheck_finish(choice->json) != NGX_OK;

    case NGX_LLMOPS_RULE_REQUIRE:
        return !(choice->found >> i & 1);

    case NGX_LLMOPS_RULE_LENGTH:
        return choice->chars < rule->min;

    default:
        return 0;
    }
}


ngx_int_t
ngx_llmops_choice_finish(ngx_llmops_check_t *check,
    ngx_llmops_choice_t *choice)
{
    ngx_uint_t  i;

    if (choice->finished) {
        return NGX_OK;
    }

    choice->finished = 1;

    if (choice->tools && !choice->content) {
        return NGX_OK;                  /* it asks for a tool, no more */
    }

    for (i = 0; i < check->rules->nrules; i++) {
        if (ngx_llmops_choice_asks(check, choice, i)
            && ngx_llmops_rule_broken(check, i) != NGX_OK)
        {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}
