
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_json.h"
#include "ngx_llmops_json_text.h"
#include "ngx_llmops_check_text.h"


/*
 * The texts of an event, or of a whole answer: out of it, through their
 * channels, and into it again where they have changed.
 */


static ngx_int_t ngx_llmops_check_string(ngx_llmops_check_t *check,
    ngx_llmops_text_t *text, ngx_llmops_check_edit_t *edits,
    ngx_uint_t *nedits, ngx_uint_t whole, ngx_llmops_out_t *out);
static ngx_int_t ngx_llmops_check_object(ngx_llmops_check_t *check,
    ngx_llmops_text_t *text, ngx_llmops_check_edit_t *edits,
    ngx_uint_t *nedits, ngx_uint_t whole);
static ngx_int_t ngx_llmops_check_member(ngx_llmops_check_t *check,
    ngx_llmops_text_t *text, ngx_str_t *value, ngx_llmops_check_edit_t *edits,
    ngx_uint_t *nedits, ngx_uint_t depth);


ngx_int_t
ngx_llmops_check_texts(ngx_llmops_check_t *check,
    ngx_llmops_check_edit_t *edits, ngx_uint_t *nedits, ngx_uint_t whole,
    ngx_llmops_out_t *out)
{
    ngx_int_t           rc;
    ngx_uint_t          i;
    ngx_llmops_text_t  *text;

    ngx_llmops_out_reset(&check->edited);

    if (check->tools) {
        rc = ngx_llmops_check_calls(check);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    for (i = 0; i < check->texts.ntexts; i++) {
        text = &check->texts.texts[i];

        rc = text->object
             ? ngx_llmops_check_object(check, text, edits, nedits, whole)
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
ngx_llmops_check_edit(ngx_llmops_check_t *check, ngx_llmops_text_t *of,
    ngx_str_t *raw, ngx_str_t *text, size_t start,
    ngx_llmops_check_edit_t *edits, ngx_uint_t *nedits)
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
    edit->from = &check->edited;
    edit->start = start;
    edit->len = len;
    edit->choice = of->choice;
    edit->index = of->index;
    edit->literal = 0;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_check_literal(ngx_llmops_check_t *check, ngx_str_t *raw,
    u_char *literal, size_t len, ngx_llmops_check_edit_t *edits,
    ngx_uint_t *nedits)
{
    ngx_llmops_check_edit_t  *edit;

    if (*nedits == NGX_LLMOPS_CHECK_EDITS) {
        return ngx_llmops_check_unreadable(check);
    }

    edit = &edits[(*nedits)++];

    for ( /* void */ ; edit > edits; edit--) {

        if (edit[-1].raw.data < raw->data) {
            break;
        }

        edit[0] = edit[-1];
    }

    ngx_memzero(edit, sizeof(ngx_llmops_check_edit_t));

    edit->raw = *raw;
    edit->from = &check->edited;
    edit->start = check->edited.len;
    edit->len = len;
    edit->literal = 1;

    return ngx_llmops_out_write(&check->edited, literal, len);
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
    ngx_str_t              piece, rest;
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

        rc = ngx_llmops_check_edit(check, text, &text->raw, &piece, start,
                                   edits, nedits);

        return (rc == NGX_OK && last) ? ngx_llmops_choice_part(check, ch) : rc;
    }

    if (rc == NGX_DECLINED && !whole && check->edited.len > start) {

        /* what stands before the match may go, the event may not */

        rest.data = check->edited.data + start;
        rest.len = check->edited.len - start;

        ngx_llmops_check_delta(check, text, &rest, out);
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
        ch.text.item.len = 0;           /* it is the event's */

        start = check->edited.len;
        rc = ngx_llmops_channel_feed(check, &ch, &piece, 1, &check->edited);
        ngx_llmops_channel_free(&ch);

        return rc == NGX_OK ? ngx_llmops_check_edit(check, text, value, &piece,
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

        if (rc != NGX_OK) {
            break;
        }

        if (value->data[0] == '{' && text->kind == NGX_LLMOPS_TEXT_TOOL) {

            /* the model has chosen its name, too: a string with quotes */

            piece.data--;
            piece.len += 2;

            rc = ngx_llmops_check_member(check, text, &piece, edits, nedits,
                                         depth + 1);
        }

        if (rc == NGX_OK) {
            rc = ngx_llmops_check_member(check, text, &v, edits, nedits,
                                         depth + 1);
        }

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return rc == NGX_DONE ? NGX_OK : ngx_llmops_check_unreadable(check);
}


static ngx_int_t
ngx_llmops_check_object(ngx_llmops_check_t *check, ngx_llmops_text_t *text,
    ngx_llmops_check_edit_t *edits, ngx_uint_t *nedits, ngx_uint_t whole)
{
    ngx_int_t              rc;
    ngx_llmops_channel_t  *ch;

    if (ngx_llmops_channel_choice(check, text->choice) == NULL) {
        return check->failed ? NGX_DECLINED : NGX_ERROR;
    }

    /* in a stream the object of a block that begins is empty */

    if (check->tools && whole && text->kind == NGX_LLMOPS_TEXT_TOOL) {

        ch = ngx_llmops_channel(check, text);
        if (ch == NULL) {
            return check->failed ? NGX_DECLINED : NGX_ERROR;
        }

        rc = ngx_llmops_check_arguments(check, ch, &text->raw, whole);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return ngx_llmops_check_member(check, text, &text->raw, edits, nedits, 0);
}


ngx_int_t
ngx_llmops_check_unreadable(ngx_llmops_check_t *check)
{
    check->failed = 1;
    check->broken = NULL;

    return NGX_DECLINED;
}


void
ngx_llmops_check_write(ngx_str_t *json, ngx_llmops_check_edit_t *edits,
    ngx_uint_t nedits, ngx_uint_t lines, ngx_llmops_out_t *out)
{
    u_char      *p, *last;
    size_t       at;
    ngx_uint_t   i;

    at = out->len;
    p = json->data;
    last = p + json->len;

    for (i = 0; i < nedits; i++) {
        (void) ngx_llmops_out_write(out, p, edits[i].raw.data - p);

        if (edits[i].literal) {
            (void) ngx_llmops_out_write(out, edits[i].from->data
                                             + edits[i].start, edits[i].len);

        } else if (edits[i].len) {
            (void) ngx_llmops_out_json(out, edits[i].from->data
                                            + edits[i].start, edits[i].len);

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
