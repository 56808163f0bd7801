
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_json.h"
#include "ngx_llmops_check_text.h"


/*
 * A content that has to be JSON, as it comes.
 *
 * Repair is done while it comes, too: what stands before the first bracket and
 * behind the last one is left out, and a document that ends too early gets the
 * brackets that it lacks.  A comma waits until it is known that something
 * follows it, since one at the end could not be taken back.
 */


#define NGX_LLMOPS_JSON_COMMA  16          /* bytes that wait: a comma, space */


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
ngx_llmops_json_feed(ngx_llmops_check_t *check,
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
    check->fault = choice->json;

    return ngx_llmops_rule_broken(check, rule);
}


static ngx_uint_t
ngx_llmops_fence_space(u_char c)
{
    return c == ' ' || c == LF || c == CR || c == '\t';
}


/* a byte before the document, or of the fence before it; 0: it is the first of
   a text that has none */

static ngx_uint_t
ngx_llmops_json_before(ngx_llmops_choice_t *choice, u_char c)
{
    if (choice->fence == NGX_LLMOPS_FENCE_START) {

        if (ngx_llmops_fence_space(c)) {
            return 1;                   /* it is no part of the document */
        }

        if (c != '`') {
            choice->fence = NGX_LLMOPS_FENCE_NONE;
            return 0;
        }

        choice->fence = NGX_LLMOPS_FENCE_OPEN;
    }

    if (c == LF) {
        choice->fence = NGX_LLMOPS_FENCE_INSIDE;
    }

    return 1;
}


/* a byte of the document, which may be its last */

static ngx_int_t
ngx_llmops_json_take(ngx_llmops_check_t *check, ngx_llmops_choice_t *choice,
    u_char *p)
{
    if (ngx_llmops_jcheck_feed(choice->json, p, 1) != NGX_OK) {
        return NGX_DECLINED;
    }

    (void) ngx_llmops_out_write(&check->plain, p, 1);

    if (ngx_llmops_jcheck_complete(choice->json)) {
        choice->fence = NGX_LLMOPS_FENCE_BEHIND;
    }

    return NGX_OK;
}


/* a byte behind the fence's first line */

static ngx_int_t
ngx_llmops_json_fenced(ngx_llmops_check_t *check, ngx_llmops_choice_t *choice,
    u_char *p)
{
    if (choice->fence == NGX_LLMOPS_FENCE_BEHIND) {
        return (*p == '`' || ngx_llmops_fence_space(*p)) ? NGX_OK
                                                         : NGX_DECLINED;
    }

    return ngx_llmops_json_take(check, choice, p);
}


/*
 * Takes "```json" before a document and "```" behind it away: models add them
 * in spite of all instructions.  piece becomes what is left of it.
 */

static ngx_int_t
ngx_llmops_json_fence(ngx_llmops_check_t *check,
    ngx_llmops_choice_t *choice, ngx_uint_t rule, ngx_str_t *piece)
{
    u_char  *p, *last;

    if (choice->excused || choice->fence == NGX_LLMOPS_FENCE_NONE) {
        return NGX_OK;
    }

    if (ngx_llmops_choice_json(check, choice, rule) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_llmops_out_reset(&check->plain);

    p = piece->data;
    last = p + piece->len;

    for ( /* void */ ; p < last; p++) {

        if (choice->fence < NGX_LLMOPS_FENCE_INSIDE) {

            if (ngx_llmops_json_before(choice, *p)) {
                continue;
            }

            (void) ngx_llmops_out_write(&check->plain, p, last - p);
            break;
        }

        if (ngx_llmops_json_fenced(check, choice, p) == NGX_OK) {
            continue;
        }

        choice->excused = 1;
        check->fault = choice->json;

        if (ngx_llmops_rule_broken(check, rule) != NGX_OK) {
            return NGX_DECLINED;
        }

        (void) ngx_llmops_out_write(&check->plain, p, last - p);
        break;
    }

    piece->data = check->plain.data;
    piece->len = check->plain.len;

    return check->plain.failed ? NGX_ERROR : NGX_OK;
}


/* a byte of a document that is repaired goes on, and so does a comma before
   it */

static ngx_int_t
ngx_llmops_json_repaired(ngx_llmops_check_t *check,
    ngx_llmops_choice_t *choice, u_char *p)
{
    if (choice->ncomma
        && (ngx_llmops_jcheck_feed(choice->json, choice->comma,
                                   choice->ncomma)
            != NGX_OK))
    {
        return NGX_DECLINED;
    }

    (void) ngx_llmops_out_write(&check->plain, choice->comma, choice->ncomma);
    choice->ncomma = 0;

    return ngx_llmops_json_take(check, choice, p);
}


static ngx_int_t
ngx_llmops_json_inside(ngx_llmops_check_t *check, ngx_llmops_choice_t *choice,
    u_char *p)
{
    if (!ngx_llmops_jcheck_in_text(choice->json)) {

        if (choice->ncomma && ngx_llmops_fence_space(*p)) {

            if (choice->ncomma < NGX_LLMOPS_JSON_COMMA) {
                choice->comma[choice->ncomma++] = *p;
            }

            return NGX_OK;
        }

        if (choice->ncomma == 0 && *p == ',') {
            choice->comma[choice->ncomma++] = *p;
            return NGX_OK;
        }

        if (choice->ncomma && (*p == '}' || *p == ']')) {
            choice->ncomma = 0;             /* one too many */
            choice->repaired = 1;
        }
    }

    return ngx_llmops_json_repaired(check, choice, p);
}


/* NGX_DECLINED: it cannot be repaired */

static ngx_int_t
ngx_llmops_json_repair(ngx_llmops_check_t *check, ngx_llmops_choice_t *choice,
    ngx_str_t *piece)
{
    u_char  *p, *last;

    ngx_llmops_out_reset(&check->plain);

    p = piece->data;
    last = p + piece->len;

    for ( /* void */ ; p < last; p++) {

        switch (choice->fence) {

        case NGX_LLMOPS_FENCE_INSIDE:
            break;

        case NGX_LLMOPS_FENCE_BEHIND:
            choice->repaired |= !ngx_llmops_fence_space(*p);
            continue;

        default:

            if (*p != '{' && *p != '[') {
                choice->repaired |= !ngx_llmops_fence_space(*p);
                continue;
            }

            choice->fence = NGX_LLMOPS_FENCE_INSIDE;
        }

        if (ngx_llmops_json_inside(check, choice, p) != NGX_OK) {
            return NGX_DECLINED;
        }
    }

    piece->data = check->plain.data;
    piece->len = check->plain.len;

    return check->plain.failed ? NGX_ERROR : NGX_OK;
}


/* the end of the content: what is open is closed, behind what is left of the
   last piece */

static ngx_int_t
ngx_llmops_json_close(ngx_llmops_check_t *check, ngx_llmops_choice_t *choice,
    ngx_str_t *piece)
{
    size_t  at;

    if (choice->fence != NGX_LLMOPS_FENCE_INSIDE) {
        return NGX_OK;
    }

    choice->ncomma = 0;

    if (piece->data != check->plain.data) {
        ngx_llmops_out_reset(&check->plain);
    }

    at = check->plain.len;

    if (ngx_llmops_jcheck_closers(choice->json, &check->plain) != NGX_OK
        || ngx_llmops_jcheck_feed(choice->json, check->plain.data + at,
                                  check->plain.len - at)
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    choice->fence = NGX_LLMOPS_FENCE_BEHIND;
    choice->repaired = 1;

    piece->data = check->plain.data;
    piece->len = check->plain.len;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_json_mended(ngx_llmops_check_t *check, ngx_llmops_choice_t *choice,
    ngx_uint_t rule, ngx_str_t *piece, ngx_uint_t last)
{
    ngx_int_t  rc;

    if (choice->excused) {
        return NGX_OK;
    }

    if (ngx_llmops_choice_json(check, choice, rule) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = piece->len ? ngx_llmops_json_repair(check, choice, piece) : NGX_OK;

    if (rc == NGX_OK && last) {
        rc = ngx_llmops_json_close(check, choice, piece);
    }

    if (choice->repaired) {
        check->noted |= (uint64_t) 1 << rule;
    }

    if (rc != NGX_DECLINED) {
        return rc;
    }

    choice->excused = 1;
    check->fault = choice->json;

    return ngx_llmops_rule_broken(check, rule);
}


ngx_int_t
ngx_llmops_channel_json(ngx_llmops_check_t *check,
    ngx_llmops_choice_t *choice, ngx_uint_t rule, ngx_str_t *piece,
    ngx_uint_t last)
{
    ngx_int_t           rc;
    ngx_llmops_rule_t  *r;

    r = &check->rules->rules[rule];

    if (r->action == NGX_LLMOPS_ACT_REPAIR) {
        return ngx_llmops_json_mended(check, choice, rule, piece, last);
    }

    if (piece->len == 0) {
        return NGX_OK;
    }

    rc = r->fences ? ngx_llmops_json_fence(check, choice, rule, piece)
                   : NGX_OK;

    return rc == NGX_OK ? ngx_llmops_json_feed(check, choice, rule, piece)
                        : rc;
}


/* the tool that is called: its arguments are read by its schema */

static ngx_int_t
ngx_llmops_check_call(ngx_llmops_check_t *check, ngx_llmops_text_call_t *call)
{
    u_char                 buf[256];
    ngx_str_t              name, json;
    ngx_llmops_text_t      text;
    ngx_llmops_channel_t  *ch;

    ngx_memzero(&text, sizeof(ngx_llmops_text_t));

    text.kind = NGX_LLMOPS_TEXT_TOOL;
    text.key = call->key;
    text.choice = call->choice;
    text.index = call->index;

    ch = ngx_llmops_channel(check, &text);
    if (ch == NULL) {
        return check->failed ? NGX_DECLINED : NGX_ERROR;
    }

    if (ch->args) {
        return NGX_OK;                  /* its name once more */
    }

    ngx_str_null(&name);
    (void) ngx_llmops_json_string(&call->name, buf, sizeof(buf), &name);

    if (ngx_llmops_facts_tool(&check->body, &name, &json) != NGX_OK) {
        ch->excused = 1;
        return ngx_llmops_rule_broken(check, check->tools - 1);
    }

    if (json.len) {
        ch->schema = ngx_llmops_facts_schema(&json);
    }

    ch->args = ngx_llmops_jcheck_create(ch->schema);

    return ch->args ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_llmops_check_calls(ngx_llmops_check_t *check)
{
    ngx_int_t   rc;
    ngx_uint_t  i;

    for (i = 0; i < check->texts.ncalls; i++) {
        rc = ngx_llmops_check_call(check, &check->texts.calls[i]);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_llmops_check_arguments(ngx_llmops_check_t *check,
    ngx_llmops_channel_t *ch, ngx_str_t *piece, ngx_uint_t last)
{
    if (ch->excused || ch->args == NULL) {
        return NGX_OK;                  /* of no tool that has a name */
    }

    ch->given |= (piece->len != 0);

    if (ngx_llmops_jcheck_feed(ch->args, piece->data, piece->len) == NGX_OK
        && (!last
            || ((ch->given
                 || ngx_llmops_jcheck_feed(ch->args, (u_char *) "{}", 2)
                    == NGX_OK)
                && ngx_llmops_jcheck_finish(ch->args) == NGX_OK)))
    {
        return NGX_OK;
    }

    ch->excused = 1;
    check->fault = ch->args;

    return ngx_llmops_rule_broken(check, check->tools - 1);
}
