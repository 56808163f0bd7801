
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_CHECK_TEXT_H_INCLUDED_
#define _NGX_LLMOPS_CHECK_TEXT_H_INCLUDED_


#include "ngx_llmops_check.h"
#include "ngx_llmops_facts.h"
#include "ngx_llmops_language.h"
#include "ngx_llmops_unescape.h"


/* The inside of a check.  Private to this directory. */


#define NGX_LLMOPS_CHECK_CHANNELS  256     /* texts of one answer */
#define NGX_LLMOPS_CHECK_CHOICES   128
#define NGX_LLMOPS_CHECK_EDITS     256     /* strings that change, of one
                                              event */
#define NGX_LLMOPS_CHECK_TEXT      (64 * 1024 * 1024)
#define NGX_LLMOPS_CHECK_KEEPS     65536   /* of what is said */
#define NGX_LLMOPS_CHECK_WORD      64


/* a string of an event that has changed */

typedef struct {
    ngx_str_t                  raw;        /* what is replaced */
    ngx_llmops_out_t          *from;       /* where the new text is */
    size_t                     start;
    size_t                     len;
    ngx_uint_t                 choice;     /* the text that it is of */
    ngx_uint_t                 index;
    unsigned                   literal:1;  /* no string, but as it stands */
} ngx_llmops_check_edit_t;


typedef struct {
    ngx_llmops_text_t          text;       /* which; raw is of no use, item is
                                              the channel's own */
    ngx_llmops_window_t       *window;     /* or NULL */
    ngx_llmops_unescape_t      unescape;
    ngx_llmops_restore_t       restore;
    ngx_llmops_jschema_t      *schema;     /* of a tool's arguments, or NULL */
    ngx_llmops_jcheck_t       *args;       /* or NULL */
    unsigned                   ended:1;
    unsigned                   given:1;    /* there are arguments */
    unsigned                   excused:1;  /* they are not asked for */
} ngx_llmops_channel_t;


/* where a text stands that may be JSON in a fence */

typedef enum {
    NGX_LLMOPS_FENCE_START = 0,
    NGX_LLMOPS_FENCE_OPEN,                 /* in the line of the fence */
    NGX_LLMOPS_FENCE_INSIDE,
    NGX_LLMOPS_FENCE_BEHIND,               /* the document is complete */
    NGX_LLMOPS_FENCE_NONE
} ngx_llmops_fence_e;


/* of responses each part of the content is a JSON of its own */

typedef struct {
    ngx_uint_t                 number;
    ngx_llmops_jcheck_t       *json;
    ngx_uint_t                 parts;      /* whose JSON has been asked for */
    size_t                     chars;      /* of content */
    size_t                     tokens;     /* times TOKEN */
    ngx_uint_t                 nword;
    u_char                     word[NGX_LLMOPS_CHECK_WORD];  /* that may go on,
                                              not counted yet */
    uint64_t                   found;      /* by patterns */
    ngx_llmops_out_t           said;       /* the start of content */
    ngx_llmops_fence_e         fence;
    ngx_uint_t                 ncomma;
    u_char                     comma[16];  /* held, by repair */
    unsigned                   content:1;  /* there is some */
    unsigned                   tools:1;
    unsigned                   excused:1;  /* JSON is not asked for any more */
    unsigned                   finished:1;
    unsigned                   told:1;     /* its end has gone to out */
    unsigned                   early:1;    /* its language has been asked */
    unsigned                   repaired:1;
} ngx_llmops_choice_t;


struct ngx_llmops_check_s {
    ngx_llmops_rules_t        *rules;
    ngx_llmops_op_e            op;
    ngx_llmops_sse_t           sse;
    ngx_llmops_out_t           text;       /* one, decoded */
    ngx_llmops_out_t           plain;      /* without fences or escapes */
    ngx_llmops_out_t           edited;     /* those that change */
    ngx_llmops_out_t           clean;      /* before values are put back */
    ngx_llmops_out_t           head;       /* of events of our own */
    size_t                     passed;
    uint64_t                   noted;
    ngx_llmops_rule_t         *broken;
    ngx_llmops_jcheck_t       *fault;      /* that says why, or NULL */
    ngx_str_t                  body;       /* of the request */
    ngx_llmops_reverse_t      *reverse;    /* or NULL */
    ngx_llmops_ground_t       *ground;     /* or NULL */
    ngx_llmops_check_t        *again;      /* of texts told once more, by the
                                              last event that had any */
    ngx_llmops_responses_state_t  *track;  /* what has gone out, if a rule may
                                              have to end it, or NULL */
    int64_t                    sequence;   /* of responses' present event */
    ngx_uint_t                 extra;      /* events of our own before it */
    size_t                     keeps;      /* bytes of said */
    ngx_uint_t                 tools;      /* index of that rule + 1, or 0 */
    ngx_uint_t                 blocks;     /* of a message, begun so far */
    unsigned                   open:1;     /* the last of them has not ended */
    unsigned                   failed:1;
    unsigned                   ending:1;
    unsigned                   lengths:1;  /* there are such rules */
    unsigned                   tokens:1;
    unsigned                   languages:1;
    unsigned                   replaces:1;
    ngx_llmops_channel_t      *channels;   /* they move when one is added */
    ngx_uint_t                 nchannels;
    ngx_uint_t                 achannels;  /* allocated */
    ngx_llmops_choice_t       *choices;    /* so do these */
    ngx_uint_t                 nchoices;
    ngx_uint_t                 achoices;
    ngx_llmops_texts_t         texts;      /* of the present event; the last:
                                              see check_create() */
};


/* The channel of a text, made if it is new; NULL: out of memory, or, with
   check->failed, too many.  It is where it is until the next one is made. */
ngx_llmops_channel_t *ngx_llmops_channel(ngx_llmops_check_t *check,
    ngx_llmops_text_t *text);

/* The same for a choice. */
ngx_llmops_choice_t *ngx_llmops_channel_choice(ngx_llmops_check_t *check,
    ngx_uint_t number);

/* A piece of a text, which with last is its end; what may go is appended to
   out.  NGX_OK, NGX_DECLINED: a rule is broken, NGX_ERROR. */
ngx_int_t ngx_llmops_channel_feed(ngx_llmops_check_t *check,
    ngx_llmops_channel_t *ch, ngx_str_t *piece, ngx_uint_t last,
    ngx_llmops_out_t *out);

void ngx_llmops_channel_free(ngx_llmops_channel_t *ch);

/* One more piece of a text, as an event of our own. */
void ngx_llmops_check_delta(ngx_llmops_check_t *check,
    ngx_llmops_text_t *text, ngx_str_t *piece, ngx_llmops_out_t *out);

/* A rule is broken: NGX_OK if it is only noted, or NGX_DECLINED. */
ngx_int_t ngx_llmops_rule_broken(ngx_llmops_check_t *check, ngx_uint_t rule);


/* check_choice.c: a piece of content; piece becomes what is left of it */
ngx_int_t ngx_llmops_channel_content(ngx_llmops_check_t *check,
    ngx_llmops_choice_t *choice, ngx_str_t *piece, ngx_uint_t last);


/* check_json.c */

/* The same for one rule on JSON. */
ngx_int_t ngx_llmops_channel_json(ngx_llmops_check_t *check,
    ngx_llmops_choice_t *choice, ngx_uint_t rule, ngx_str_t *piece,
    ngx_uint_t last);

/* The tools that the event calls; a piece of the arguments of one. */
ngx_int_t ngx_llmops_check_calls(ngx_llmops_check_t *check);
ngx_int_t ngx_llmops_check_arguments(ngx_llmops_check_t *check,
    ngx_llmops_channel_t *ch, ngx_str_t *piece, ngx_uint_t last);


/* check_edit.c */

/* All texts of an event or answer, through their channels. */
ngx_int_t ngx_llmops_check_texts(ngx_llmops_check_t *check,
    ngx_llmops_check_edit_t *edits, ngx_uint_t *nedits, ngx_uint_t whole,
    ngx_llmops_out_t *out);

/* Another edit, of what is no text: literal takes the place of raw.  NGX_OK,
   NGX_DECLINED if there are too many, NGX_ERROR. */
ngx_int_t ngx_llmops_check_literal(ngx_llmops_check_t *check, ngx_str_t *raw,
    u_char *literal, size_t len, ngx_llmops_check_edit_t *edits,
    ngx_uint_t *nedits);

/* json with its edits; with lines, all of it in one line. */
void ngx_llmops_check_write(ngx_str_t *json, ngx_llmops_check_edit_t *edits,
    ngx_uint_t nedits, ngx_uint_t lines, ngx_llmops_out_t *out);

/* What cannot be read cannot be checked: NGX_DECLINED. */
ngx_int_t ngx_llmops_check_unreadable(ngx_llmops_check_t *check);


/* check_again.c */

/* An event of responses with texts that have been told already. */
ngx_int_t ngx_llmops_check_again(ngx_llmops_check_t *check, ngx_str_t *json,
    ngx_llmops_check_edit_t *edits, ngx_uint_t *nedits,
    ngx_llmops_out_t *out);

/* The odds of tokens go, where the text that they spell has changed; and the
   event gets its number. */
ngx_int_t ngx_llmops_check_beside(ngx_llmops_check_t *check,
    ngx_llmops_check_edit_t *edits, ngx_uint_t *nedits);

/* What has gone out, from an offset on, is remembered for replace. */
void ngx_llmops_check_track(ngx_llmops_check_t *check, ngx_llmops_out_t *out,
    size_t at);


/* check_end.c: what the event says has ended; all choices */
ngx_int_t ngx_llmops_check_ends(ngx_llmops_check_t *check,
    ngx_llmops_out_t *out);
ngx_int_t ngx_llmops_check_choices(ngx_llmops_check_t *check,
    ngx_llmops_out_t *out);


/* A part of responses' content has ended. */
ngx_int_t ngx_llmops_choice_part(ngx_llmops_check_t *check,
    ngx_llmops_channel_t *ch);

/* All texts of a choice have ended. */
ngx_int_t ngx_llmops_choice_finish(ngx_llmops_check_t *check,
    ngx_llmops_choice_t *choice);

/* Frees channels and choices. */
void ngx_llmops_check_text_free(ngx_llmops_check_t *check);


#endif /* _NGX_LLMOPS_CHECK_TEXT_H_INCLUDED_ */
