
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_CHECK_TEXT_H_INCLUDED_
#define _NGX_LLMOPS_CHECK_TEXT_H_INCLUDED_


#include "ngx_llmops_check.h"
#include "ngx_llmops_unescape.h"


/* The inside of a check.  Private to this directory. */


#define NGX_LLMOPS_CHECK_CHANNELS  64      /* texts of one answer */
#define NGX_LLMOPS_CHECK_CHOICES   32
#define NGX_LLMOPS_CHECK_EDITS     128     /* strings that change, of one
                                              event */


typedef struct {
    ngx_llmops_text_t          text;       /* which; raw is of no use */
    ngx_llmops_window_t       *window;     /* or NULL */
    ngx_llmops_unescape_t      unescape;
    unsigned                   ended:1;
} ngx_llmops_channel_t;


/* where a text stands that may be JSON in a fence */

typedef enum {
    NGX_LLMOPS_FENCE_START = 0,
    NGX_LLMOPS_FENCE_OPEN,                 /* in the line of the fence */
    NGX_LLMOPS_FENCE_INSIDE,
    NGX_LLMOPS_FENCE_BEHIND,               /* the document is complete */
    NGX_LLMOPS_FENCE_NONE
} ngx_llmops_fence_e;


typedef struct {
    ngx_uint_t                 number;
    ngx_llmops_jcheck_t       *json;
    size_t                     chars;      /* of content */
    uint64_t                   found;      /* by patterns */
    ngx_llmops_fence_e         fence;
    unsigned                   content:1;  /* there is some */
    unsigned                   tools:1;
    unsigned                   excused:1;  /* JSON is not asked for any more */
    unsigned                   finished:1;
} ngx_llmops_choice_t;


struct ngx_llmops_check_s {
    ngx_llmops_rules_t        *rules;
    ngx_llmops_op_e            op;
    ngx_llmops_sse_t           sse;
    ngx_llmops_texts_t         texts;      /* of the present event */
    ngx_llmops_out_t           text;       /* one, decoded */
    ngx_llmops_out_t           plain;      /* without fences or escapes */
    ngx_llmops_out_t           edited;     /* those that change */
    ngx_llmops_out_t           head;       /* of events of our own */
    size_t                     passed;
    uint64_t                   noted;
    ngx_llmops_rule_t         *broken;
    unsigned                   failed:1;
    unsigned                   ending:1;
    ngx_uint_t                 nchannels;
    ngx_uint_t                 nchoices;
    ngx_llmops_channel_t       channels[NGX_LLMOPS_CHECK_CHANNELS];
    ngx_llmops_choice_t        choices[NGX_LLMOPS_CHECK_CHOICES];
};


/* The channel of a text, made if it is new; NULL: out of memory, or, with
   check->failed, too many. */
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

/* All texts of a choice have ended. */
ngx_int_t ngx_llmops_choice_finish(ngx_llmops_check_t *check,
    ngx_llmops_choice_t *choice);

/* Frees channels and choices. */
void ngx_llmops_check_text_free(ngx_llmops_check_t *check);


#endif /* _NGX_LLMOPS_CHECK_TEXT_H_INCLUDED_ */
