
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_TOKENS_TABLE_H_INCLUDED_
#define _NGX_LLMOPS_TOKENS_TABLE_H_INCLUDED_


#include "ngx_llmops_tokens.h"


/* Between the automaton that counts tokens and its table; nobody else includes
   this. */


#define NGX_LLMOPS_TOKENS_LETTERS  13      /* longer words are no other state */


/* what the piece is that has been read so far */

enum {
    NGX_LLMOPS_TOKENS_START = 0,
    NGX_LLMOPS_TOKENS_WORD,                /* of 1 ... letters */
    NGX_LLMOPS_TOKENS_WORD_B = NGX_LLMOPS_TOKENS_WORD
                               + NGX_LLMOPS_TOKENS_LETTERS,  /* " word" */
    NGX_LLMOPS_TOKENS_CAPS = NGX_LLMOPS_TOKENS_WORD_B
                             + NGX_LLMOPS_TOKENS_LETTERS,
    NGX_LLMOPS_TOKENS_CAPS_B = NGX_LLMOPS_TOKENS_CAPS
                               + NGX_LLMOPS_TOKENS_LETTERS,
    NGX_LLMOPS_TOKENS_NUMBER = NGX_LLMOPS_TOKENS_CAPS_B
                               + NGX_LLMOPS_TOKENS_LETTERS,  /* 1 ... 3 */
    NGX_LLMOPS_TOKENS_BLANK = NGX_LLMOPS_TOKENS_NUMBER + 3,  /* " " alone */
    NGX_LLMOPS_TOKENS_BLANKS,              /* more, and the last is " " */
    NGX_LLMOPS_TOKENS_TABS,
    NGX_LLMOPS_TOKENS_LINES,
    NGX_LLMOPS_TOKENS_RUN,                 /* of 1 ... 4 */
    NGX_LLMOPS_TOKENS_RUN_B = NGX_LLMOPS_TOKENS_RUN + 4,     /* " (" */
    NGX_LLMOPS_TOKENS_WIDE,
    NGX_LLMOPS_TOKENS_WIDE_E3,
    NGX_LLMOPS_TOKENS_HEX,                 /* behind \u: 1 ... 4 */
    NGX_LLMOPS_TOKENS_BACK = NGX_LLMOPS_TOKENS_HEX + 4,
                                           /* a backslash, and before it: */
    NGX_LLMOPS_TOKENS_BACK_BLANK,
    NGX_LLMOPS_TOKENS_BACK_BLANKS,
    NGX_LLMOPS_TOKENS_BACK_LINES,
    NGX_LLMOPS_TOKENS_BACK_RUN,
    NGX_LLMOPS_TOKENS_BACK_RUN_B = NGX_LLMOPS_TOKENS_BACK_RUN + 4,
    NGX_LLMOPS_TOKENS_STATES
};


/* what a run of spaces costs, in 1/256 of a token */
#define NGX_LLMOPS_TOKENS_SPACES   246


typedef struct {
    int16_t                    weight;
    uint16_t                   state;      /* that comes next */
} ngx_llmops_tokens_step_t;


/*
 * A step for each state and byte; the next state is 256 times its number.  Made
 * when first asked for, by the one thread that a worker has.
 */
const ngx_llmops_tokens_step_t *ngx_llmops_tokens_steps(
    ngx_llmops_tokens_family_e family);


#endif /* _NGX_LLMOPS_TOKENS_TABLE_H_INCLUDED_ */
