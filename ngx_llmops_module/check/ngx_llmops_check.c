
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_json.h"
#include "ngx_llmops_json_text.h"
#include "ngx_llmops_check_text.h"


/*
 * The check of an answer.  Each text of it (the content of a choice, its
 * reasoning, the arguments of each tool call) is a channel of its own; pieces
 * that come in events go through their channel, and come back shorter, if
 * something must wait, or redacted.  They are put back where they came from;
 * an event of which nothing changes passes as it is.  What a channel still
 * holds when its text ends goes out as one more event before the one that
 * says so.
 *
 *   texts.c         where the texts are
 *   check_edit.c    the texts of an event, out of it and into it again
 *   check_text.c    a text and its rules
 *   check_json.c    JSON, its fence, its repair; arguments of tools
 *   check_choice.c  what is asked of all that a choice says
 *   check_end.c     texts that end, and what is written then
 *   check_again.c   texts that an API tells more than once
 *   patterns.c      patterns, and what waits for them
 *   jcheck.c        JSON Schema
 *   unescape.c      the escapes of JSON in a text
 *   reverse.c       what is put back
 */


#define NGX_LLMOPS_CHECK_EVENT  (1024 * 1024)


static ngx_int_t ngx_llmops_check_event(ngx_llmops_check_t *check,
    ngx_llmops_sse_event_t *ev, ngx_llmops_out_t *out);
static void ngx_llmops_check_edited(ngx_llmops_sse_event_t *ev,
    ngx_llmops_check_edit_t *edits, ngx_uint_t n, ngx_llmops_out_t *out);


/* which work there is */

static void
ngx_llmops_check_wants(ngx_llmops_check_t *check)
{
    ngx_uint_t          i;
    ngx_llmops_rule_t  *rule;

    for (i = 0; i < check->rules->nrules; i++) {
        rule = &check->rules->rules[i];

        if (rule->action == NGX_LLMOPS_ACT_RETRY
            || rule->action == NGX_LLMOPS_ACT_REPAIR)
        {
            check->keeps = ngx_max(check->keeps, NGX_LLMOPS_CHECK_SAID);
        }

        check->replaces |= (rule->action == NGX_LLMOPS_ACT_REPLACE);

        switch (rule->kind) {

        case NGX_LLMOPS_RULE_LENGTH:
            check->lengths = 1;
            break;

        case NGX_LLMOPS_RULE_TOKENS:
            check->tokens = 1;
            break;

        case NGX_LLMOPS_RULE_TOOLS:
            check->tools = i + 1;
            break;

        case NGX_LLMOPS_RULE_LANGUAGE:
            check->languages = 1;
            check->keeps = ngx_max(check->keeps, NGX_LLMOPS_LANGUAGE_MAX);
            break;

        case NGX_LLMOPS_RULE_GROUND:
            check->keeps = NGX_LLMOPS_CHECK_KEEPS;
            break;

        default:
            break;
        }
    }
}


ngx_llmops_check_t *
ngx_llmops_check_create(ngx_llmops_rules_t *rules, ngx_llmops_op_e op)
{
    ngx_llmops_check_t  *check;

    check = malloc(sizeof(ngx_llmops_check_t));
    if (check == NULL) {
        return NULL;
    }

    ngx_memzero(check, offsetof(ngx_llmops_check_t, texts)
                       + offsetof(ngx_llmops_texts_t, texts));

    check->rules = rules;
    check->op = op;

    ngx_llmops_sse_init(&check->sse, op == NGX_LLMOPS_OP_RESPONSES
                                     ? NGX_LLMOPS_RESPONSES_MAX
                                     : NGX_LLMOPS_CHECK_EVENT);
    ngx_llmops_out_init(&check->text, NGX_LLMOPS_CHECK_TEXT);
    ngx_llmops_out_init(&check->plain, NGX_LLMOPS_CHECK_TEXT);
    ngx_llmops_out_init(&check->edited, NGX_LLMOPS_CHECK_TEXT);
    ngx_llmops_out_init(&check->clean, NGX_LLMOPS_CHECK_TEXT);
    ngx_llmops_out_init(&check->head, 4096);

    ngx_llmops_check_wants(check);

    if (check->replaces && op == NGX_LLMOPS_OP_RESPONSES) {
        check->track = ngx_llmops_responses_create();

        if (check->track == NULL) {
            ngx_llmops_check_free(check);
            return NULL;
        }
    }

    return check;
}


void
ngx_llmops_check_free(ngx_llmops_check_t *check)
{
    ngx_llmops_check_text_free(check);

    if (check->again) {
        ngx_llmops_check_free(check->again);
    }

    ngx_llmops_responses_free(check->track);
    ngx_llmops_sse_free(&check->sse);
    ngx_llmops_out_free(&check->text);
    ngx_llmops_out_free(&check->plain);
    ngx_llmops_out_free(&check->edited);
    ngx_llmops_out_free(&check->clean);
    ngx_llmops_ground_free(check->ground);
    ngx_llmops_out_free(&check->head);

    free(check);
}


ngx_uint_t
ngx_llmops_check_op(ngx_llmops_op_e op)
{
    return op == NGX_LLMOPS_OP_CHAT || op == NGX_LLMOPS_OP_MESSAGES
           || op == NGX_LLMOPS_OP_COMPLETIONS
           || op == NGX_LLMOPS_OP_RESPONSES;
}


ngx_uint_t
ngx_llmops_check_asks_request(ngx_llmops_rules_t *rules)
{
    ngx_uint_t  i;

    for (i = 0; i < rules->nrules; i++) {
        if (rules->rules[i].kind == NGX_LLMOPS_RULE_TOOLS
            || rules->rules[i].kind == NGX_LLMOPS_RULE_GROUND)
        {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_llmops_check_request(ngx_llmops_check_t *check, ngx_str_t *body,
    ngx_llmops_reverse_t *reverse)
{
    ngx_uint_t  i;

    check->body = *body;
    check->reverse = reverse;

    for (i = 0; i < check->rules->nrules; i++) {

        if (check->rules->rules[i].kind != NGX_LLMOPS_RULE_GROUND
            || check->ground)
        {
            continue;
        }

        check->ground = ngx_llmops_ground_create();

        if (check->ground == NULL
            || ngx_llmops_facts_ground(body, check->ground) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


size_t
ngx_llmops_check_passed(ngx_llmops_check_t *check)
{
    return check->passed;
}


ngx_llmops_rule_t *
ngx_llmops_check_broken(ngx_llmops_check_t *check)
{
    return check->broken;
}


uint64_t
ngx_llmops_check_noted(ngx_llmops_check_t *check)
{
    return check->noted;
}


ngx_int_t
ngx_llmops_check_events(ngx_llmops_check_t *check, u_char *p, size_t len,
    ngx_llmops_out_t *out)
{
    u_char                  *last;
    size_t                   at;
    ngx_int_t                rc;
    ngx_llmops_sse_event_t   ev;

    if (len == 0 && !check->failed) {
        return NGX_OK;                  /* p may be NULL */
    }

    last = p + len;

    while (!check->failed) {
        rc = ngx_llmops_sse_next(&check->sse, &p, last, &ev);

        if (rc == NGX_AGAIN) {
            return out->failed ? NGX_ERROR : NGX_OK;
        }

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }

        at = out->len;
        rc = ngx_llmops_check_event(check, &ev, out);

        if (check->track) {
            ngx_llmops_check_track(check, out, at);
        }

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_DECLINED;
}


/*
 * An LF before an event is the end of the CRLF that ended the one before it,
 * cut off by the pieces.  It goes, whatever becomes of this event: uncut it
 * would have gone with the other one.
 */

static void
ngx_llmops_check_cut_eol(ngx_llmops_sse_event_t *ev, ngx_llmops_out_t *out)
{
    if (ev->raw.len && ev->raw.data[0] == LF
        && (ev->raw.len > 1 || ev->partial))
    {
        (void) ngx_llmops_out_lit(out, "\n");

        ev->raw.data++;
        ev->raw.len--;
    }
}


/* the blank line of an event, as it came: the LF of its CRLF may follow */

static void
ngx_llmops_check_blank(ngx_str_t *raw, ngx_llmops_out_t *out)
{
    u_char  *last;

    last = raw->data + raw->len;

    if (raw->len && last[-1] == CR) {
        (void) ngx_llmops_out_lit(out, "\r");

    } else if (raw->len > 1 && last[-1] == LF && last[-2] == CR) {
        (void) ngx_llmops_out_lit(out, "\r\n");

    } else {
        (void) ngx_llmops_out_lit(out, "\n");
    }
}


/* an event goes out: what a caller knows of the end of things */

static void
ngx_llmops_check_told(ngx_llmops_check_t *check)
{
    ngx_uint_t            i;
    ngx_llmops_choice_t  *choice;

    if (check->texts.block_start) {
        check->blocks = check->texts.block + 1;
        check->open = 1;
    }

    if (check->texts.block_stop) {
        check->open = 0;
    }

    for (i = 0; i < check->texts.nfinished; i++) {
        choice = ngx_llmops_channel_choice(check, check->texts.finished[i]);

        if (choice) {
            choice->told = 1;
        }
    }
}


static ngx_int_t
ngx_llmops_check_event(ngx_llmops_check_t *check, ngx_llmops_sse_event_t *ev,
    ngx_llmops_out_t *out)
{
    ngx_int_t                 rc;
    ngx_uint_t                n;
    ngx_llmops_check_edit_t   edits[NGX_LLMOPS_CHECK_EDITS];

    ngx_llmops_check_cut_eol(ev, out);

    if (ev->partial) {
        return ngx_llmops_check_unreadable(check);
    }

    if (!ev->has_data) {
        (void) ngx_llmops_out_str(out, &ev->raw);
        return NGX_OK;
    }

    if (ngx_llmops_sse_done(&ev->data)) {
        rc = ngx_llmops_check_choices(check, out);

        if (rc == NGX_OK) {
            (void) ngx_llmops_out_str(out, &ev->raw);
        }

        return rc;
    }

    if (ngx_llmops_texts_read(&check->texts, check->op, &ev->data) != NGX_OK)
    {
        return ngx_llmops_check_unreadable(check);
    }

    ngx_llmops_out_reset(&check->head);
    ngx_llmops_texts_head(&check->head, &check->texts);

    if (check->texts.sequence.len) {
        (void) ngx_llmops_json_count(&check->texts.sequence,
                                     &check->sequence);
    }

    n = 0;

    if (check->texts.again) {
        rc = ngx_llmops_check_again(check, &ev->data, edits, &n, out);

    } else {
        rc = ngx_llmops_check_texts(check, edits, &n, 0, out);

        if (rc == NGX_OK) {
            rc = ngx_llmops_check_ends(check, out);
        }
    }

    if (rc == NGX_OK) {
        rc = ngx_llmops_check_beside(check, edits, &n);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_llmops_check_told(check);
    check->sequence++;

    ngx_llmops_check_edited(ev, edits, n, out);

    return NGX_OK;
}


/* the event, with n edits of its data */

static void
ngx_llmops_check_edited(ngx_llmops_sse_event_t *ev,
    ngx_llmops_check_edit_t *edits, ngx_uint_t n, ngx_llmops_out_t *out)
{
    u_char  *data, *raw;

    if (n == 0) {
        (void) ngx_llmops_out_str(out, &ev->raw);
        return;
    }

    raw = ev->raw.data;
    data = ev->data.data;

    if (data >= raw && data + ev->data.len <= raw + ev->raw.len) {
        ngx_llmops_check_write(&ev->raw, edits, n, 0, out);
        return;
    }

    /* data of several lines: they were joined, and need not be parted */

    if (ev->name.len) {
        (void) ngx_llmops_out_lit(out, "event: ");
        (void) ngx_llmops_out_str(out, &ev->name);
        (void) ngx_llmops_out_lit(out, "\n");
    }

    (void) ngx_llmops_out_lit(out, "data: ");
    ngx_llmops_check_write(&ev->data, edits, n, 1, out);
    (void) ngx_llmops_out_lit(out, "\n");
    ngx_llmops_check_blank(&ev->raw, out);
}


static ngx_int_t
ngx_llmops_check_last(ngx_llmops_check_t *check, ngx_llmops_out_t *out)
{
    ngx_int_t               rc;
    ngx_llmops_sse_event_t  ev;

    if (check->failed) {
        return NGX_DECLINED;
    }

    if (!check->ending) {
        check->ending = 1;

        /* an event whose blank line never came */

        if (ngx_llmops_sse_end(&check->sse, &ev) == NGX_OK) {
            rc = ngx_llmops_check_event(check, &ev, out);
            if (rc != NGX_OK) {
                return rc;
            }
        }
    }

    return ngx_llmops_check_choices(check, out);
}


ngx_int_t
ngx_llmops_check_end(ngx_llmops_check_t *check, ngx_llmops_out_t *out)
{
    size_t     at;
    ngx_int_t  rc;

    at = out->len;
    rc = ngx_llmops_check_last(check, out);

    if (check->track) {
        ngx_llmops_check_track(check, out, at);
    }

    return rc;
}


ngx_int_t
ngx_llmops_check_body(ngx_llmops_check_t *check, ngx_str_t *body,
    ngx_llmops_out_t *out)
{
    ngx_int_t                 rc;
    ngx_uint_t                n;
    ngx_llmops_check_edit_t   edits[NGX_LLMOPS_CHECK_EDITS];

    if (ngx_llmops_texts_read(&check->texts, check->op, body) != NGX_OK) {
        return ngx_llmops_check_unreadable(check);
    }

    n = 0;
    rc = ngx_llmops_check_texts(check, edits, &n, 1, out);

    if (rc == NGX_OK) {
        rc = ngx_llmops_check_beside(check, edits, &n);
    }

    if (rc == NGX_OK) {
        rc = ngx_llmops_check_ends(check, out);
    }

    if (rc == NGX_OK) {
        rc = ngx_llmops_check_last(check, out);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_llmops_check_write(body, edits, n, 0, out);

    return out->failed ? NGX_ERROR : NGX_OK;
}
