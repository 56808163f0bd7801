
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_score_choice.h"


/* Where a text has the label of a choice; see ngx_llmops_score_choice.c. */


#define NGX_LLMOPS_CHOICE_DRESS  32        /* bytes before a label */


static ngx_int_t ngx_llmops_choice_at(ngx_llmops_choices_t *ch, u_char *p,
    u_char *last, ngx_uint_t marked);
static ngx_int_t ngx_llmops_choice_label(ngx_llmops_choices_t *ch,
    u_char **pos, u_char *last, ngx_uint_t marked);
static u_char *ngx_llmops_choice_undress(u_char *start, u_char *last,
    ngx_uint_t *open);
static u_char *ngx_llmops_choice_ends(u_char *p, u_char *last,
    ngx_str_t *label, ngx_uint_t marked, ngx_uint_t open);


/* what stands before a label that is a conclusion; without case */

static const char  *ngx_llmops_choice_marks[] = {
    "answer is", "answer:", "answer would be", "answer should be",
    "answer must be", "option is", "choice is", "option:", "choice:",
    "boxed{", "answer** is", "answer:**", "answer**:", NULL
};


ngx_int_t
ngx_llmops_choice_marked(ngx_llmops_choices_t *ch, ngx_str_t *text)
{
    size_t        len;
    u_char       *p, *last, c;
    ngx_int_t     choice;
    const char  **mark;

    last = text->data + text->len;

    for (p = last; p-- > text->data; /* void */ ) {
        c = *p | 0x20;

        if (c != 'a' && c != 'o' && c != 'c' && c != 'b') {
            continue;
        }

        for (mark = ngx_llmops_choice_marks; *mark; mark++) {
            len = strlen(*mark);

            if ((size_t) (last - p) <= len
                || !ngx_llmops_score_same(p, *mark, len))
            {
                continue;
            }

            choice = ngx_llmops_choice_at(ch, p + len, last, 1);

            if (choice != NGX_LLMOPS_CHOICE_NONE) {
                return choice;
            }
        }
    }

    return NGX_LLMOPS_CHOICE_NONE;
}


/* a label at p, and no other that is as good behind it */

static ngx_int_t
ngx_llmops_choice_at(ngx_llmops_choices_t *ch, u_char *p, u_char *last,
    ngx_uint_t marked)
{
    ngx_int_t   choice, other;
    ngx_uint_t  joined;

    choice = ngx_llmops_choice_label(ch, &p, last, marked);

    if (choice == NGX_LLMOPS_CHOICE_NONE) {
        return choice;
    }

    joined = 0;

    while (p < last && (*p == ' ' || *p == ',' || *p == '/' || *p == '&')) {
        joined |= (*p != ' ');
        p++;
    }

    if (last - p > 3 && ngx_llmops_score_same(p, "and ", 4)) {
        joined = 1;
        p += 4;

    } else if (last - p > 2 && ngx_llmops_score_same(p, "or ", 3)) {
        joined = 1;
        p += 3;
    }

    if (!joined) {
        return choice;
    }

    other = ngx_llmops_choice_label(ch, &p, last, 1);

    return other == NGX_LLMOPS_CHOICE_NONE || other == choice
           ? choice : NGX_LLMOPS_CHOICE_BOTH;
}


static ngx_uint_t
ngx_llmops_choice_word(u_char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
           || (c >= '0' && c <= '9') || c == '_' || c >= 0x80;
}


/*
 * A label, in what it may be dressed with; *pos is then behind it.  Behind a
 * mark it is one if no word goes on; otherwise something must end it.
 */

static ngx_int_t
ngx_llmops_choice_label(ngx_llmops_choices_t *ch, u_char **pos, u_char *last,
    ngx_uint_t marked)
{
    u_char     *p, *end;
    ngx_int_t   i;
    ngx_uint_t  open;

    p = ngx_llmops_choice_undress(*pos, last, &open);

    for (i = 0; i < ch->n; i++) {
        end = ngx_llmops_choice_ends(p, last, &ch->labels[i], marked, open);

        if (end) {
            *pos = end;
            return i;
        }
    }

    return NGX_LLMOPS_CHOICE_NONE;
}


/* what stands around a label, up to it; open: something that will be closed */

static u_char *
ngx_llmops_choice_undress(u_char *start, u_char *last, ngx_uint_t *open)
{
    u_char  *p;

    *open = 0;

    for (p = start; p < last && p - start < NGX_LLMOPS_CHOICE_DRESS; p++) {

        if (*p == '(' || *p == '[' || *p == '{' || *p == '*' || *p == '"'
            || *p == '`' || *p == '\'')
        {
            *open = 1;

        } else if (*p > ' ' && *p != ':' && *p != '\\' && *p != '$') {

            /* \text{B} */

            if (last - p > 5 && ngx_llmops_score_same(p, "text{", 5)) {
                p += 4;
                *open = 1;
                continue;
            }

            break;
        }
    }

    return p;
}


/* where a label that is the one at p ends, with what closes it; NULL: it is
   another one, or a word */

static u_char *
ngx_llmops_choice_ends(u_char *p, u_char *last, ngx_str_t *label,
    ngx_uint_t marked, ngx_uint_t open)
{
    u_char  *end;

    if ((size_t) (last - p) < label->len
        || !ngx_llmops_score_same(p, label->data, label->len))
    {
        return NULL;
    }

    end = p + label->len;

    if (end < last && ngx_llmops_choice_word(*end)) {
        return NULL;
    }

    /* "a" and "i" are words */

    if (marked && !open && end < last && *end == ' '
        && (*p == 'a' || *p == 'i'))
    {
        return NULL;
    }

    if (!marked && end < last && strchr(").:]*}\"'`\n\r,/&", *end) == NULL
        && !(last - end > 4 && ngx_llmops_score_same(end, " or ", 4))
        && !(last - end > 5 && ngx_llmops_score_same(end, " and ", 5)))
    {
        return NULL;
    }

    while (end < last && strchr(").:]*}\"'`", *end)) {
        end++;
    }

    return end;
}


ngx_int_t
ngx_llmops_choice_lines(ngx_llmops_choices_t *ch, ngx_str_t *text)
{
    u_char     *p, *last;
    ngx_int_t   first, choice;

    last = text->data + text->len;
    first = ngx_llmops_choice_at(ch, text->data, last, 0);

    for (p = last; p > text->data && p[-1] != '\n'; p--) { /* void */ }

    choice = ngx_llmops_choice_at(ch, p, last, 0);

    if (choice == NGX_LLMOPS_CHOICE_NONE || choice == first) {
        return first;
    }

    return first == NGX_LLMOPS_CHOICE_NONE ? choice : NGX_LLMOPS_CHOICE_BOTH;
}


ngx_int_t
ngx_llmops_choice_parentheses(ngx_llmops_choices_t *ch, ngx_str_t *text)
{
    u_char     *p, *last, *end;
    ngx_int_t   i, choice;

    last = text->data + text->len;
    choice = NGX_LLMOPS_CHOICE_NONE;

    for (p = text->data; p < last; p++) {

        if (*p != '(') {
            continue;
        }

        for (i = 0; i < ch->n; i++) {
            end = p + 1 + ch->labels[i].len;

            if (end >= last || *end != ')'
                || !ngx_llmops_score_same(p + 1, ch->labels[i].data,
                                          ch->labels[i].len))
            {
                continue;
            }

            if (choice != NGX_LLMOPS_CHOICE_NONE && choice != i) {
                return NGX_LLMOPS_CHOICE_BOTH;
            }

            choice = i;
        }
    }

    return choice;
}
