
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_TEXTS_H_INCLUDED_
#define _NGX_LLMOPS_TEXTS_H_INCLUDED_


#include "ngx_llmops_dialect.h"


/*
 * Where the texts are that a model has written: in an event of a stream or in
 * a whole answer, of chat/completions, completions, messages and responses, as
 * they go to the caller.
 */


#define NGX_LLMOPS_TEXTS_MAX  256


typedef enum {
    NGX_LLMOPS_TEXT_CONTENT = 0,
    NGX_LLMOPS_TEXT_REFUSAL,               /* OpenAI's own member for it */
    NGX_LLMOPS_TEXT_REASONING,
    NGX_LLMOPS_TEXT_TOOL,                  /* arguments: JSON as a text */
    NGX_LLMOPS_TEXT_MAX
} ngx_llmops_text_kind_e;


/* names of OpenAI's members, and of the events of responses, for a delta of our
   own */

typedef enum {
    NGX_LLMOPS_TEXT_KEY_CONTENT = 0,
    NGX_LLMOPS_TEXT_KEY_REFUSAL,
    NGX_LLMOPS_TEXT_KEY_REASONING,
    NGX_LLMOPS_TEXT_KEY_REASONING_CONTENT,
    NGX_LLMOPS_TEXT_KEY_TEXT,              /* of completions */
    NGX_LLMOPS_TEXT_KEY_ARGUMENTS,
    NGX_LLMOPS_TEXT_KEY_FUNCTION_CALL,
    NGX_LLMOPS_TEXT_KEY_CUSTOM,            /* the input of a custom tool */
    NGX_LLMOPS_TEXT_KEY_DETAIL,            /* of reasoning_details: text */
    NGX_LLMOPS_TEXT_KEY_SUMMARY,           /* of reasoning_details */
    NGX_LLMOPS_TEXT_KEY_TRANSCRIPT,        /* of audio */
    NGX_LLMOPS_TEXT_KEY_RESPONSES          /* and on: a row of the table in
                                              texts_responses.c */
} ngx_llmops_text_key_e;


typedef struct {
    ngx_llmops_text_kind_e     kind;
    ngx_llmops_text_key_e      key;
    ngx_uint_t                 choice;
    ngx_uint_t                 index;      /* of a tool call or block */
    ngx_str_t                  raw;        /* where it stands: a string with
                                              its quotes, or an object */
    ngx_str_t                  item;       /* raw id of responses' item; len
                                              0: none */
    unsigned                   object:1;   /* its strings are the text */
    unsigned                   free:1;     /* of a tool: it is not JSON */
    unsigned                   aside:1;    /* no part of what is said: only
                                              patterns look at it */
} ngx_llmops_text_t;


/* JSON as a text, with escapes of its own */
#define ngx_llmops_text_is_json(text)                                         \
    ((text)->kind == NGX_LLMOPS_TEXT_TOOL && !(text)->object && !(text)->free)


/* the tokens of a text with their odds: they spell it once more */

typedef struct {
    ngx_uint_t                 choice;
    ngx_uint_t                 index;      /* of the text; -1: of the choice */
    ngx_str_t                  raw;
} ngx_llmops_text_odds_t;


/* a tool that is called */

typedef struct {
    ngx_llmops_text_key_e      key;
    ngx_uint_t                 choice;
    ngx_uint_t                 index;
    ngx_str_t                  name;       /* raw, a string */
} ngx_llmops_text_call_t;


/* the arrays are large, last, and need not be zeroed */

typedef struct {
    ngx_uint_t                 ntexts;
    ngx_uint_t                 nfinished;
    ngx_uint_t                 ncalls;
    ngx_uint_t                 nodds;
    ngx_uint_t                 block;
    ngx_str_t                  id;         /* raw; len 0: absent */
    ngx_str_t                  created;
    ngx_str_t                  model;
    ngx_str_t                  sequence;   /* of responses' event */
    unsigned                   block_start:1;  /* block begins */
    unsigned                   block_stop:1;   /* block has ended */
    unsigned                   block_item:1;   /* it is an item: all of its
                                              texts have */
    unsigned                   again:1;    /* these texts have been told by
                                              events before this one, or will
                                              be */
    unsigned                   partial:1;  /* and are not complete */
    unsigned                   overflow:1; /* more than TEXTS_MAX */
    ngx_llmops_text_t          texts[NGX_LLMOPS_TEXTS_MAX];
    ngx_uint_t                 finished[NGX_LLMOPS_TEXTS_MAX];  /* choices */
    ngx_llmops_text_call_t     calls[NGX_LLMOPS_TEXTS_MAX];
    ngx_llmops_text_odds_t     odds[NGX_LLMOPS_TEXTS_MAX];
} ngx_llmops_texts_t;


/*
 * Reads an event's data, or a whole answer.  NGX_OK, or NGX_DECLINED if it
 * is not a JSON object, or has more texts than we look at.
 */
ngx_int_t ngx_llmops_texts_read(ngx_llmops_texts_t *t, ngx_llmops_op_e op,
    ngx_str_t *json);

/* Appends an event that carries one more piece of a text; t has the members
   that all events of the stream have. */
void ngx_llmops_texts_delta(ngx_llmops_out_t *out, ngx_llmops_op_e op,
    ngx_str_t *head, ngx_llmops_text_t *text, ngx_str_t *piece);

/* Writes those members, as ngx_llmops_texts_delta() wants them. */
void ngx_llmops_texts_head(ngx_llmops_out_t *out, ngx_llmops_texts_t *t);

/* The same of responses, where events have numbers instead. */
void ngx_llmops_texts_delta_responses(ngx_llmops_out_t *out,
    int64_t sequence, ngx_llmops_text_t *text, ngx_str_t *piece);

/* The index of a text in reasoning_details, by its element's; 0 and 1 are
   reasoning that is a string. */
#define ngx_llmops_text_detail(element)   (((element) << 1 & 0xffffe) + 2)
#define ngx_llmops_text_element(index)    ((index) / 2 - 1)

/* The item of responses that a text's index belongs to. */
#define ngx_llmops_text_output(index)  ((index) >> 20 & 0xfff)


#endif /* _NGX_LLMOPS_TEXTS_H_INCLUDED_ */
