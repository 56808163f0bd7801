
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_score_choice.h"


/*
 * Which of the choices a text means.  Models are asked for a letter and say
 * "B", "(B)", "**B.** Paris", "The answer is B", \boxed{B}, or they repeat the
 * choice.  Read is, in this order, and the first that says something decides:
 *
 *   1. the label behind the last "answer is", "answer:", "option is", "boxed{"
 *      and the like: what a text comes to stands at its end
 *   2. a label with which the text begins, or its last line, if something
 *      follows that ends a label: "A good question" is no A; if both do they
 *      have to agree
 *   3. the text as a whole, if it is one of the choices' (normalized)
 *   4. the only choice whose text is in it; one that is part of another that is
 *      there too does not count
 *   5. the only label in parentheses
 *
 * "A or B" is none: a guess at both would always be right.
 *
 * The sets that this is for: MMLU (D. Hendrycks et al. 2021; "answer" is the
 * index of a choice), ARC (P. Clark et al. 2018; choices with labels, A to E or
 * 1 to 5), HellaSwag (R. Zellers et al. 2019; four endings, the index of one as
 * text).  There the likelihood of each choice is often compared, which chat
 * APIs do not tell: figures from here are those of the answers, and not to be
 * put beside them.
 */


static ngx_int_t ngx_llmops_choices_read(json_t *kase,
    ngx_llmops_choices_t *ch);
static ngx_int_t ngx_llmops_choices_right(json_t *expected,
    ngx_llmops_choices_t *ch);
static ngx_int_t ngx_llmops_choice_texts(ngx_llmops_choices_t *ch,
    ngx_str_t *text, ngx_int_t *choice);
static ngx_int_t ngx_llmops_choice_inside(ngx_llmops_choices_t *ch,
    ngx_str_t *all, ngx_llmops_out_t *texts);


ngx_int_t
ngx_llmops_score_wants_choice(ngx_llmops_score_reading_t *rd, json_t *kase)
{
    ngx_llmops_choices_t  ch;

    if (ngx_llmops_choices_read(kase, &ch) != NGX_OK) {
        return ngx_llmops_score_wrong(rd, "\"choice\" wants \"choices\" of the "
                                      "case: 2 to %d strings, or objects with "
                                      "\"label\" and \"text\"",
                                      NGX_LLMOPS_SCORE_CHOICES);
    }

    if (ngx_llmops_choices_right(json_object_get(kase, "expected"), &ch)
        != NGX_OK)
    {
        return ngx_llmops_score_wrong(rd, "\"choice\" wants \"expected\": the "
                                      "label of a choice, its index from 0, or "
                                      "its text");
    }

    return NGX_OK;
}


static void
ngx_llmops_choice_string(json_t *json, ngx_str_t *text)
{
    text->data = (u_char *) json_string_value(json);
    text->len = json_string_length(json);
}


static ngx_int_t
ngx_llmops_choices_read(json_t *kase, ngx_llmops_choices_t *ch)
{
    json_t     *choices, *one;
    ngx_int_t   i, k;

    choices = json_object_get(kase, "choices");
    ch->n = json_array_size(choices);

    if (ch->n < 2 || ch->n > NGX_LLMOPS_SCORE_CHOICES) {
        return NGX_DECLINED;
    }

    for (i = 0; i < ch->n; i++) {
        one = json_array_get(choices, i);

        ch->letters[i] = 'A' + i;
        ch->labels[i].data = &ch->letters[i];
        ch->labels[i].len = 1;

        if (json_is_object(one)) {
            ngx_llmops_choice_string(json_object_get(one, "label"),
                                     &ch->labels[i]);
            one = json_object_get(one, "text");
        }

        ngx_llmops_choice_string(one, &ch->texts[i]);

        if (ch->texts[i].len == 0 || ch->labels[i].len == 0
            || ch->labels[i].len > 8
            || ch->texts[i].len > NGX_LLMOPS_SCORE_ANSWER)
        {
            return NGX_DECLINED;
        }

        for (k = 0; k < i; k++) {
            if (ch->labels[k].len == ch->labels[i].len
                && ngx_llmops_score_same(ch->labels[k].data,
                                         ch->labels[i].data,
                                         ch->labels[i].len))
            {
                return NGX_DECLINED;
            }
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_choices_right(json_t *expected, ngx_llmops_choices_t *ch)
{
    ngx_int_t  i, pass;
    ngx_str_t  text, *one;

    if (json_is_integer(expected)) {
        ch->right = json_integer_value(expected);

        return ch->right >= 0 && ch->right < ch->n ? NGX_OK : NGX_DECLINED;
    }

    ngx_llmops_choice_string(expected, &text);
    text = ngx_llmops_score_trim(text);

    /* "(B)" */

    if (text.len > 2 && text.data[0] == '(' && text.data[text.len - 1] == ')')
    {
        text.data++;
        text.len -= 2;
    }

    for (pass = 0; pass < 2; pass++) {
        for (i = 0; i < ch->n; i++) {
            one = pass ? &ch->texts[i] : &ch->labels[i];

            if (one->len == text.len
                && ngx_llmops_score_same(one->data, text.data, text.len))
            {
                ch->right = i;
                return NGX_OK;
            }
        }
    }

    /* an index as text, as HellaSwag has it */

    if (text.len == 1 && text.data[0] >= '0' && text.data[0] - '0' < ch->n) {
        ch->right = text.data[0] - '0';
        return NGX_OK;
    }

    return NGX_DECLINED;
}


ngx_int_t
ngx_llmops_score_choice(ngx_llmops_score_rule_t *rule, json_t *kase,
    ngx_llmops_score_said_t *said, ngx_llmops_score_check_t *check)
{
    ngx_int_t             choice;
    ngx_str_t             text, *label;
    ngx_llmops_choices_t  ch;

    if (ngx_llmops_choices_read(kase, &ch) != NGX_OK
        || ngx_llmops_choices_right(json_object_get(kase, "expected"), &ch)
           != NGX_OK)
    {
        ngx_llmops_score_fault(check, "there are no choices");
        return NGX_OK;
    }

    text = ngx_llmops_score_trim(said->text);

    if (text.len == 0) {
        ngx_llmops_score_told(rule, check, 0, "no choice");
        return NGX_OK;
    }

    choice = ngx_llmops_choice_marked(&ch, &text);

    if (choice == NGX_LLMOPS_CHOICE_NONE) {
        choice = ngx_llmops_choice_lines(&ch, &text);
    }

    if (choice == NGX_LLMOPS_CHOICE_NONE
        && ngx_llmops_choice_texts(&ch, &text, &choice) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (choice == NGX_LLMOPS_CHOICE_NONE) {
        choice = ngx_llmops_choice_parentheses(&ch, &text);
    }

    if (choice < 0) {
        ngx_llmops_score_told(rule, check, 0, "%s",
                              choice == NGX_LLMOPS_CHOICE_BOTH
                              ? "more than one choice" : "no choice");
        return NGX_OK;
    }

    label = &ch.labels[choice];

    if (choice == ch.right) {
        ngx_llmops_score_told(rule, check, 1, "%.*s", (int) label->len,
                              (char *) label->data);
        return NGX_OK;
    }

    ngx_llmops_score_told(rule, check, 0, "%.*s, expected %.*s",
                          (int) label->len, (char *) label->data,
                          (int) ch.labels[ch.right].len,
                          (char *) ch.labels[ch.right].data);
    return NGX_OK;
}


static ngx_int_t
ngx_llmops_choice_texts(ngx_llmops_choices_t *ch, ngx_str_t *text,
    ngx_int_t *choice)
{
    ngx_int_t         i, rc;
    ngx_str_t         all;
    ngx_llmops_out_t  whole, texts[NGX_LLMOPS_SCORE_CHOICES];

    ngx_llmops_out_init(&whole, NGX_LLMOPS_SCORE_ANSWER + 2);
    rc = ngx_llmops_score_normal(text, &whole);

    for (i = 0; i < ch->n; i++) {
        ngx_llmops_out_init(&texts[i], NGX_LLMOPS_SCORE_ANSWER + 2);

        if (rc == NGX_OK) {
            rc = ngx_llmops_score_normal(&ch->texts[i], &texts[i]);
        }
    }

    for (i = 0; rc == NGX_OK && i < ch->n; i++) {
        if (whole.len && whole.len == texts[i].len
            && ngx_memcmp(whole.data, texts[i].data, whole.len) == 0)
        {
            *choice = i;
            break;
        }
    }

    if (rc == NGX_OK && *choice == NGX_LLMOPS_CHOICE_NONE && whole.len) {
        all.data = whole.data;
        all.len = whole.len;

        *choice = ngx_llmops_choice_inside(ch, &all, texts);
    }

    ngx_llmops_out_free(&whole);

    for (i = 0; i < ch->n; i++) {
        ngx_llmops_out_free(&texts[i]);
    }

    return rc;
}


/* whether a text has another in it, from word to word; both are normalized */

static ngx_uint_t
ngx_llmops_choice_has(u_char *data, size_t len, ngx_llmops_out_t *part)
{
    u_char  *p, *last;

    last = data + len;

    if (part->len == 0) {
        return 0;
    }

    for (p = data;
         (size_t) (last - p) >= part->len
         && (p = memmem(p, last - p, part->data, part->len)) != NULL;
         p++)
    {
        if ((p == data || p[-1] == ' ')
            && (p + part->len == last || p[part->len] == ' '))
        {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_llmops_choice_inside(ngx_llmops_choices_t *ch, ngx_str_t *all,
    ngx_llmops_out_t *texts)
{
    uint32_t   there;
    ngx_int_t  i, k, choice;

    there = 0;

    for (i = 0; i < ch->n; i++) {
        if (ngx_llmops_choice_has(all->data, all->len, &texts[i])) {
            there |= (uint32_t) 1 << i;
        }
    }

    choice = NGX_LLMOPS_CHOICE_NONE;

    for (i = 0; i < ch->n; i++) {

        if (!(there >> i & 1)) {
            continue;
        }

        for (k = 0; k < ch->n; k++) {
            if (k != i && (there >> k & 1) && texts[k].len > texts[i].len
                && ngx_llmops_choice_has(texts[k].data, texts[k].len,
                                         &texts[i]))
            {
                break;
            }
        }

        if (k < ch->n) {
            continue;                   /* part of another */
        }

        if (choice != NGX_LLMOPS_CHOICE_NONE) {
            return NGX_LLMOPS_CHOICE_NONE;
        }

        choice = i;
    }

    return choice;
}
