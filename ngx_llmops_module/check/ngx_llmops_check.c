
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
 *   texts.c        where the texts are
 *   check_text.c   a text and its rules
 *   patterns.c     patterns, and what waits for them
 *   jcheck.c       JSON
 *   unescape.c     the escapes of JSON in a text
 */


#define NGX_LLMOPS_CHECK_EVENT  (1024 * 1024)
#define NGX_LLMOPS_CHECK_TEXT   (64 * 1024 * 1024)


typedef struct {
    ngx_str_t                  raw;        /* what is replaced */
    size_t                     start;      /* of the new text, in edited */
    size_t                     len;
} ngx_llmops_check_edit_t;


static ngx_int_t ngx_llmops_check_event(ngx_llmops_check_t *check,
    ngx_llmops_sse_event_t *ev, ngx_llmops_out_t *out);
static ngx_int_t ngx_llmops_check_texts(ngx_llmops_check_t *check,
    ngx_llmops_check_edit_t *edits, ngx_uint_t *nedits, ngx_uint_t whole,
    ngx_llmops_out_t *out);
static ngx_int_t ngx_llmops_check_string(ngx_llmops_check_t *check,
    ngx_llmops_text_t *text, ngx_llmops_check_edit_t *edits,
    ngx_uint_t *nedits, ngx_uint_t whole, ngx_llmops_out_t *out);
static ngx_int_t ngx_llmops_check_object(ngx_llmops_check_t *check,
    ngx_llmops_text_t *text, ngx_llmops_check_edit_t *edits,
    ngx_uint_t *nedits);
static ngx_int_t ngx_llmops_check_ends(ngx_llmops_check_t *check,
    ngx_llmops_out_t *out);
static ngx_int_t ngx_llmops_check_flush(ngx_llmops_check_t *check,
    ngx_llmops_channel_t *ch, ngx_llmops_out_t *out);
static ngx_int_t ngx_llmops_check_finish(ngx_llmops_check_t *check,
    ngx_uint_t choice, ngx_llmops_out_t *out);
static ngx_int_t ngx_llmops_check_choices(ngx_llmops_check_t *check,
    ngx_llmops_out_t *out);
static void ngx_llmops_check_write(ngx_llmops_check_t *check,
    ngx_str_t *json, ngx_llmops_check_edit_t *edits, ngx_uint_t nedits,
    ngx_uint_t lines, ngx_llmops_out_t *out);


ngx_llmops_check_t *
ngx_llmops_check_create(ngx_llmops_rules_t *rules, ngx_llmops_op_e op)
{
    ngx_llmops_check_t  *check;

    check = calloc(1, sizeof(ngx_llmops_check_t));
    if (check == NULL) {
        return NULL;
    }

    check->rules = rules;
    check->op = op;

    ngx_llmops_sse_init(&check->sse, NGX_LLMOPS_CHECK_EVENT);
    ngx_llmops_out_init(&check->text, NGX_LLMOPS_CHECK_TEXT);
    ngx_llmops_out_init(&check->plain, NGX_LLMOPS_CHECK_TEXT);
    ngx_llmops_out_init(&check->edited, NGX_LLMOPS_CHECK_TEXT);
    ngx_llmops_out_init(&check->head, 4096);

    return check;
}


void
ngx_llmops_check_free(ngx_llmops_check_t *check)
{
    ngx_llmops_check_text_free(check);

    ngx_llmops_sse_free(&check->sse);
    ngx_llmops_out_free(&check->text);
    ngx_llmops_out_free(&check->plain);
    ngx_llmops_out_free(&check->edited);
    ngx_llmops_out_free(&check->head);

    free(check);
}


ngx_uint_t
ngx_llmops_check_op(ngx_llmops_op_e op)
{
    return op == NGX_LLMOPS_OP_CHAT || op == NGX_LLMOPS_OP_MESSAGES
           || op == NGX_LLMOPS_OP_COMPLETIONS;
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


/* what cannot be read cannot be checked */

static ngx_int_t
ngx_llmops_check_unreadable(ngx_llmops_check_t *check)
{
    check->failed = 1;
    check->broken = NULL;

    return NGX_DECLINED;
}


ngx_int_t
ngx_llmops_check_events(ngx_llmops_check_t *check, u_char *p, size_t len,
    ngx_llmops_out_t *out)
{
    u_char                  *last;
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

        rc = ngx_llmops_check_event(check, &ev, out);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_DECLINED;
}


static ngx_uint_t
ngx_llmops_check_done(ngx_str_t *data)
{
    u_char  *p, *last;

    p = data->data;
    last = p + data->len;

    while (last > p && last[-1] <= ' ') {
        last--;
    }

    while (p < last && *p <= ' ') {
        p++;
    }

    return last - p == 6 && ngx_memcmp(p, "[DONE]", 6) == 0;
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


static ngx_int_t
ngx_llmops_check_event(ngx_llmops_check_t *check, ngx_llmops_sse_event_t *ev,
    ngx_llmops_out_t *out)
{
    u_char                   *data, *raw;
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

    if (ngx_llmops_check_done(&ev->data)) {
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

    n = 0;
    rc = ngx_llmops_check_texts(check, edits, &n, 0, out);

    if (rc == NGX_OK) {
        rc = ngx_llmops_check_ends(check, out);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    if (n == 0) {
        (void) ngx_llmops_out_str(out, &ev->raw);
        return NGX_OK;
    }

    raw = ev->raw.data;
    data = ev->data.data;

    if (data >= raw && data + ev->data.len <= raw + ev->raw.len) {
        ngx_llmops_check_write(check, &ev->raw, edits, n, 0, out);
        return NGX_OK;
    }

    /* data of several lines: they were joined, and need not be parted */

    if (ev->name.len) {
        (void) ngx_llmops_out_lit(out, "event: ");
        (void) ngx_llmops_out_str(out, &ev->name);
        (void) ngx_llmops_out_lit(out, "\n");
    }

    (void) ngx_llmops_out_lit(out, "data: ");
    ngx_llmops_check_write(check, &ev->data, edits, n, 1, out);
    (void) ngx_llmops_out_lit(out, "\n");
    ngx_llmops_check_blank(&ev->raw, out);

    return NGX_OK;
}


/* all texts of an event or answer, through their channels */

static ngx_int_t
ngx_llmops_check_texts(ngx_llmops_check_t *check,
    ngx_llmops_check_edit_t *edits, ngx_uint_t *nedits, ngx_uint_t whole,
    ngx_llmops_out_t *out)
{
    ngx_int_t           rc;
    ngx_uint_t          i;
    ngx_llmops_text_t  *text;

    ngx_llmops_out_reset(&check->edited);

    for (i = 0; i < check->texts.ntexts; i++) {
        text = &check->texts.texts[i];

        rc = text->object
             ? ngx_llmops_check_object(check, text, edits, nedits)
             : ngx_llmops_check_string(check, text, edits, nedits, whole,
                                       out);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


/* the text of a JSON string, in check->text */

static ngx_int_t
ngx_llmops_check_decode(ngx_llmops_check_t *check, ngx_str_t *raw,
    ngx_str_t *text)
{
    size_t  n;

    ngx_llmops_out_reset(&check->text);

    /* only for the room: decoded it is no longer */

    if (ngx_llmops_out_write(&check->text, raw->data, raw->len) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_llmops_json_decode(raw->data + 1, raw->len - 2, check->text.data,
                               check->text.size, &n)
        != NGX_OK)
    {
        return ngx_llmops_check_unreadable(check);
    }

    text->data = check->text.data;
    text->len = n;

    return NGX_OK;
}


/* notes that a string has changed, if it has: its new text is the end of
   check->edited, from start on */

static ngx_int_t
ngx_llmops_check_edit(ngx_llmops_check_t *check, ngx_str_t *raw,
    ngx_str_t *text, size_t start, ngx_llmops_check_edit_t *edits,
    ngx_uint_t *nedits)
{
    size_t                    len;
    ngx_llmops_check_edit_t  *edit;

    if (check->edited.failed) {
        return NGX_ERROR;
    }

    len = check->edited.len - start;

    if (len == text->len
        && (len == 0
            || ngx_memcmp(check->edited.data + start, text->data, len) == 0))
    {
        check->edited.len = start;
        return NGX_OK;
    }

    if (*nedits == NGX_LLMOPS_CHECK_EDITS
        || (*nedits && edits[*nedits - 1].raw.data >= raw->data))
    {
        /* too many, or not in the order in which they stand */
        return ngx_llmops_check_unreadable(check);
    }

    edit = &edits[(*nedits)++];

    edit->raw = *raw;
    edit->start = start;
    edit->len = len;

    return NGX_OK;
}


static ngx_uint_t
ngx_llmops_check_finishes(ngx_llmops_check_t *check, ngx_uint_t choice)
{
    ngx_uint_t  i;

    for (i = 0; i < check->texts.nfinished; i++) {
        if (check->texts.finished[i] == choice) {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_llmops_check_string(ngx_llmops_check_t *check, ngx_llmops_text_t *text,
    ngx_llmops_check_edit_t *edits, ngx_uint_t *nedits, ngx_uint_t whole,
    ngx_llmops_out_t *out)
{
    size_t                 start;
    ngx_int_t              rc;
    ngx_str_t              piece, head, rest;
    ngx_uint_t             last;
    ngx_llmops_channel_t  *ch;

    rc = ngx_llmops_check_decode(check, &text->raw, &piece);
    if (rc != NGX_OK) {
        return rc;
    }

    ch = ngx_llmops_channel(check, text);
    if (ch == NULL) {
        return check->failed ? NGX_DECLINED : NGX_ERROR;
    }

    last = whole || ngx_llmops_check_finishes(check, text->choice);
    start = check->edited.len;

    rc = ngx_llmops_channel_feed(check, ch, &piece, last, &check->edited);

    check->passed += check->edited.len - start;

    if (rc == NGX_OK) {
        ch->ended |= last;
        return ngx_llmops_check_edit(check, &text->raw, &piece, start, edits,
                                     nedits);
    }

    if (rc == NGX_DECLINED && !whole && check->edited.len > start) {

        /* what stands before the match may go, the event may not */

        head.data = check->head.data;
        head.len = check->head.len;
        rest.data = check->edited.data + start;
        rest.len = check->edited.len - start;

        ngx_llmops_texts_delta(out, check->op, &head, text, &rest);
    }

    return rc;
}


/* each string of an object is a text of its own; the object is written anew,
   as JSON, if one of them changes */

static ngx_int_t
ngx_llmops_check_member(ngx_llmops_check_t *check, ngx_llmops_text_t *text,
    ngx_str_t *value, ngx_llmops_check_edit_t *edits, ngx_uint_t *nedits,
    ngx_uint_t depth)
{
    size_t                  start;
    ngx_int_t               rc;
    ngx_str_t               piece, v;
    ngx_llmops_channel_t    ch;
    ngx_llmops_json_iter_t  it;

    if (value->data[0] == '"') {

        rc = ngx_llmops_check_decode(check, value, &piece);
        if (rc != NGX_OK) {
            return rc;
        }

        ngx_memzero(&ch, sizeof(ngx_llmops_channel_t));
        ch.text = *text;

        start = check->edited.len;
        rc = ngx_llmops_channel_feed(check, &ch, &piece, 1, &check->edited);
        ngx_llmops_channel_free(&ch);

        return rc == NGX_OK ? ngx_llmops_check_edit(check, value, &piece,
                                                    start, edits, nedits)
                            : rc;
    }

    if (depth == NGX_LLMOPS_JSON_MAX_DEPTH) {
        return ngx_llmops_check_unreadable(check);
    }

    if (value->data[0] == '{') {
        rc = ngx_llmops_json_object(&it, value);

    } else if (value->data[0] == '[') {
        rc = ngx_llmops_json_array(&it, value);

    } else {
        return NGX_OK;
    }

    while (rc == NGX_OK) {
        rc = ngx_llmops_json_next(&it, &piece, &v);

        if (rc == NGX_OK) {
            rc = ngx_llmops_check_member(check, text, &v, edits, nedits,
                                         depth + 1);

            if (rc != NGX_OK) {
                return rc;
            }
        }
    }

    return rc == NGX_DONE ? NGX_OK : ngx_llmops_check_unreadable(check);
}


static ngx_int_t
ngx_llmops_check_object(ngx_llmops_check_t *check, ngx_llmops_text_t *text,
    ngx_llmops_check_edit_t *edits, ngx_uint_t *nedits)
{
    if (ngx_llmops_channel_choice(check, text->choice) == NULL) {
        return check->failed ? NGX_DECLINED : NGX_ERROR;
    }

    return ngx_llmops_check_member(check, text, &text->raw, edits, nedits, 0);
}


/* what the event says has ended */

static ngx_int_t
ngx_llmops_check_ends(ngx_llmops_check_t *check, ngx_llmops_out_t *out)
{
    ngx_int_t   rc;
    ngx_uint_t  i;

    if (check->texts.block_stop) {

        for (i = 0; i < check->nchannels; i++) {

            if (check->channels[i].text.index != check->texts.block) {
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
    ngx_str_t   piece, head;

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
        head.data = check->head.data;
        head.len = check->head.len;

        ngx_llmops_texts_delta(out, check->op, &head, &ch->text, &piece);
    }

    check->passed += piece.len;

    return rc;
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


/* all choices are complete */

static ngx_int_t
ngx_llmops_check_choices(ngx_llmops_check_t *check, ngx_llmops_out_t *out)
{
    ngx_int_t   rc;
    ngx_uint_t  i;

    for (i = 0; i < check->nchoices; i++) {
        rc = ngx_llmops_check_finish(check, check->choices[i].number, out);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return out->failed ? NGX_ERROR : NGX_OK;
}


ngx_int_t
ngx_llmops_check_end(ngx_llmops_check_t *check, ngx_llmops_out_t *out)
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
        rc = ngx_llmops_check_ends(check, out);
    }

    if (rc == NGX_OK) {
        rc = ngx_llmops_check_end(check, out);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_llmops_check_write(check, body, edits, n, 0, out);

    return out->failed ? NGX_ERROR : NGX_OK;
}


/* json with its edits; with lines, all of it in one line */

static void
ngx_llmops_check_write(ngx_llmops_check_t *check, ngx_str_t *json,
    ngx_llmops_check_edit_t *edits, ngx_uint_t nedits, ngx_uint_t lines,
    ngx_llmops_out_t *out)
{
    u_char      *p, *last;
    size_t       at;
    ngx_uint_t   i;

    at = out->len;
    p = json->data;
    last = p + json->len;

    for (i = 0; i < nedits; i++) {
        (void) ngx_llmops_out_write(out, p, edits[i].raw.data - p);
        if (edits[i].len) {
            (void) ngx_llmops_out_json(out,
                                       check->edited.data + edits[i].start,
                                       edits[i].len);
        } else {
            (void) ngx_llmops_out_lit(out, "\"\"");
        }

        p = edits[i].raw.data + edits[i].raw.len;
    }

    (void) ngx_llmops_out_write(out, p, last - p);

    for ( /* void */ ; lines && at < out->len; at++) {
        if (out->data[at] == LF || out->data[at] == CR) {
            out->data[at] = ' ';
        }
    }
}
