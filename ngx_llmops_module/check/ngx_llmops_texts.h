
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_TEXTS_H_INCLUDED_
#define _NGX_LLMOPS_TEXTS_H_INCLUDED_


#include "ngx_llmops_dialect.h"


/*
 * Where the texts are that a model has written: in an event of a stream or in
 * a whole answer, of chat/completions, completions and messages, as they go
 * to the caller.
 */


#define NGX_LLMOPS_TEXTS_MAX  64


typedef enum {
    NGX_LLMOPS_TEXT_CONTENT = 0,
    NGX_LLMOPS_TEXT_REFUSAL,               /* OpenAI's own member for it */
    NGX_LLMOPS_TEXT_REASONING,
    NGX_LLMOPS_TEXT_TOOL,                  /* arguments: JSON as a text */
    NGX_LLMOPS_TEXT_MAX
} ngx_llmops_text_kind_e;


/* names of OpenAI's members, for a delta of our own */

typedef enum {
    NGX_LLMOPS_TEXT_KEY_CONTENT = 0,
    NGX_LLMOPS_TEXT_KEY_REFUSAL,
    NGX_LLMOPS_TEXT_KEY_REASONING,
    NGX_LLMOPS_TEXT_KEY_REASONING_CONTENT,
    NGX_LLMOPS_TEXT_KEY_TEXT,              /* of completions */
    NGX_LLMOPS_TEXT_KEY_ARGUMENTS,
    NGX_LLMOPS_TEXT_KEY_FUNCTION_CALL
} ngx_llmops_text_key_e;


typedef struct {
    ngx_llmops_text_kind_e     kind;
    ngx_llmops_text_key_e      key;
    ngx_uint_t                 choice;
    ngx_uint_t                 index;      /* of a tool call or block */
    ngx_str_t                  raw;        /* where it stands: a string with
                                              its quotes, or an object */
    unsigned                   object:1;   /* its strings are the text */
} ngx_llmops_text_t;


/* a tool that is called */

typedef struct {
    ngx_llmops_text_key_e      key;
    ngx_uint_t                 choice;
    ngx_uint_t                 index;
    ngx_str_t                  name;       /* raw, a string */
} ngx_llmops_text_call_t;


typedef struct {
    ngx_llmops_text_t          texts[NGX_LLMOPS_TEXTS_MAX];
    ngx_uint_t                 ntexts;
    ngx_uint_t                 finished[NGX_LLMOPS_TEXTS_MAX];  /* choices */
    ngx_uint_t                 nfinished;
    ngx_llmops_text_call_t     calls[NGX_LLMOPS_TEXTS_MAX];
    ngx_uint_t                 ncalls;
    ngx_uint_t                 block;
    ngx_str_t                  id;         /* raw; len 0: absent */
    ngx_str_t                  created;
    ngx_str_t                  model;
    unsigned                   block_start:1;  /* block begins */
    unsigned                   block_stop:1;   /* block has ended */
    unsigned                   overflow:1; /* more than TEXTS_MAX */
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


#endif /* _NGX_LLMOPS_TEXTS_H_INCLUDED_ */
