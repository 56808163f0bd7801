
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_SCORE_CHOICE_H_INCLUDED_
#define _NGX_LLMOPS_SCORE_CHOICE_H_INCLUDED_


#include "ngx_llmops_score_check.h"


/* Choices and their labels.  Private to this directory. */


#define NGX_LLMOPS_CHOICE_NONE  (-1)
#define NGX_LLMOPS_CHOICE_BOTH  (-2)


typedef struct {
    ngx_str_t                  labels[NGX_LLMOPS_SCORE_CHOICES];
    ngx_str_t                  texts[NGX_LLMOPS_SCORE_CHOICES];
    u_char                     letters[NGX_LLMOPS_SCORE_CHOICES];
    ngx_int_t                  n;
    ngx_int_t                  right;
} ngx_llmops_choices_t;


/* All return the index of a choice, CHOICE_NONE, or CHOICE_BOTH: it means more
   than one.  text is without white space at its ends, and not empty. */

/* By the label behind the last mark that one follows. */
ngx_int_t ngx_llmops_choice_marked(ngx_llmops_choices_t *ch, ngx_str_t *text);

/* By one at the beginning, or at that of the last line. */
ngx_int_t ngx_llmops_choice_lines(ngx_llmops_choices_t *ch, ngx_str_t *text);

/* By those in parentheses, anywhere. */
ngx_int_t ngx_llmops_choice_parentheses(ngx_llmops_choices_t *ch,
    ngx_str_t *text);


#endif /* _NGX_LLMOPS_SCORE_CHOICE_H_INCLUDED_ */
