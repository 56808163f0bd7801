
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_json.h"
#include "ngx_llmops_check_text.h"


/*
 * A stream of responses tells each text several times: piece by piece, then
 * whole in the event that ends it, in those that end its part and its item,
 * and in the response at the end; some servers leave the pieces out.  Callers
 * read the one or the other.  So an event that tells texts once more is
 * checked as a whole answer is, by a check of its own, which comes to the same
 * as the pieces did, since no rule depends on how a text is cut.
 *
 * What is asked of all that was said (length, language and so on) is asked of
 * the pieces; of the response at the end only where there were none.
 */


void
ngx_llmops_check_delta(ngx_llmops_check_t *check, ngx_llmops_text_t *text,
    ngx_str_t *piece, ngx_llmops_out_t *out)
{
    ngx_str_t  head;

    if (check->op == NGX_LLMOPS_OP_RESPONSES) {
        ngx_llmops_texts_delta_responses(out, check->sequence + check->extra++,
                                         text, piece);
        return;
    }

    head.data = check->head.data;
    head.len = check->head.len;

    ngx_llmops_texts_delta(out, check->op, &head, text, piece);
}


/* the check of one event; it lives until the next one, since it knows why a
   rule is broken */

static ngx_llmops_check_t *
ngx_llmops_check_another(ngx_llmops_check_t *check)
{
    ngx_llmops_check_t   *again;
    ngx_llmops_choice_t  *choice;

    if (check->again) {
        check->again->ground = NULL;
        ngx_llmops_check_free(check->again);
    }

    again = ngx_llmops_check_create(check->rules, check->op);
    check->again = again;

    if (again == NULL) {
        return NULL;
    }

    again->body = check->body;
    again->reverse = check->reverse;
    again->ground = check->ground;

    if (check->texts.partial) {
        choice = ngx_llmops_channel_choice(again, 0);

        if (choice == NULL) {
            return NULL;
        }

        choice->excused = 1;
    }

    return again;
}


static ngx_int_t
ngx_llmops_check_retold(ngx_llmops_check_t *check, ngx_str_t *json,
    ngx_llmops_check_edit_t *edits, ngx_uint_t *nedits, ngx_uint_t ends,
    ngx_llmops_out_t *out)
{
    ngx_int_t            rc;
    ngx_llmops_check_t  *again;

    again = ngx_llmops_check_another(check);

    if (again == NULL) {
        return NGX_ERROR;
    }

    /* it has been read a moment ago, and can be read */

    (void) ngx_llmops_texts_read(&again->texts, check->op, json);

    rc = ngx_llmops_check_texts(again, edits, nedits, 1, out);

    if (rc == NGX_OK && ends) {
        rc = ngx_llmops_check_choices(again, out);
    }

    check->noted |= again->noted;
    check->passed = ngx_max(check->passed, again->passed);

    if (again->failed) {
        check->failed = 1;
        check->broken = again->broken;
        check->fault = again->fault;
    }

    again->ground = NULL;                       /* it is not its own */

    return rc;
}


ngx_int_t
ngx_llmops_check_again(ngx_llmops_check_t *check, ngx_str_t *json,
    ngx_llmops_check_edit_t *edits, ngx_uint_t *nedits, ngx_llmops_out_t *out)
{
    ngx_int_t             rc;
    ngx_uint_t            texts, only;
    ngx_llmops_choice_t  *choice;

    ngx_llmops_out_reset(&check->edited);

    texts = check->texts.ntexts + check->texts.ncalls;
    only = 0;

    if (texts && check->texts.nfinished) {
        choice = ngx_llmops_channel_choice(check, 0);

        if (choice == NULL) {
            return NGX_ERROR;
        }

        if (!choice->content) {

            /* the response is all that has been said */

            only = 1;
            choice->finished = 1;
        }
    }

    rc = ngx_llmops_check_ends(check, out);

    if (rc == NGX_OK && texts) {
        rc = ngx_llmops_check_retold(check, json, edits, nedits, only, out);
    }

    return rc;
}


static ngx_uint_t
ngx_llmops_check_changed(ngx_llmops_text_odds_t *odds,
    ngx_llmops_check_edit_t *edits, ngx_uint_t n)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        if (!edits[i].literal && edits[i].choice == odds->choice
            && (odds->index == (ngx_uint_t) -1
                || odds->index == edits[i].index))
        {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_llmops_check_beside(ngx_llmops_check_t *check,
    ngx_llmops_check_edit_t *edits, ngx_uint_t *nedits)
{
    u_char               buf[NGX_INT64_LEN];
    ngx_int_t            rc;
    ngx_uint_t           i;
    ngx_llmops_texts_t  *t;

    t = &check->texts;

    for (i = 0; *nedits && i < t->nodds; i++) {

        if (!ngx_llmops_check_changed(&t->odds[i], edits, *nedits)) {
            continue;
        }

        rc = (t->odds[i].raw.data[0] == '[')
             ? ngx_llmops_check_literal(check, &t->odds[i].raw,
                                        (u_char *) "[]", 2, edits, nedits)
             : ngx_llmops_check_literal(check, &t->odds[i].raw,
                                        (u_char *) "null", 4, edits, nedits);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (check->extra == 0 || t->sequence.len == 0) {
        return NGX_OK;
    }

    return ngx_llmops_check_literal(check, &t->sequence, buf,
                ngx_llmops_print_int(buf, check->sequence + check->extra)
                - buf, edits, nedits);
}


void
ngx_llmops_check_track(ngx_llmops_check_t *check, ngx_llmops_out_t *out,
    size_t at)
{
    u_char                  *p, *last;
    ngx_llmops_sse_t         sse;
    ngx_llmops_sse_event_t   ev;

    if (out->failed || out->len == at) {
        return;
    }

    ngx_llmops_sse_init(&sse, NGX_LLMOPS_RESPONSES_MAX);

    p = out->data + at;
    last = out->data + out->len;

    while (ngx_llmops_sse_next(&sse, &p, last, &ev) == NGX_OK) {
        if (ev.has_data && !ev.partial) {
            ngx_llmops_responses_track(check->track, &ev.data);
        }
    }

    ngx_llmops_sse_free(&sse);
}
