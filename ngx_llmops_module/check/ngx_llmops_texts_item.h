
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_TEXTS_ITEM_H_INCLUDED_
#define _NGX_LLMOPS_TEXTS_ITEM_H_INCLUDED_


#include "ngx_llmops_texts_read.h"


/* Responses: where their texts are.  Private to their readers. */


/* what a text is in its item */

#define NGX_LLMOPS_PLACE_CONTENT    0
#define NGX_LLMOPS_PLACE_ARGUMENTS  1
#define NGX_LLMOPS_PLACE_SUMMARY    2
#define NGX_LLMOPS_PLACE_REASONING  3
#define NGX_LLMOPS_PLACE_OUTPUT     4      /* of a tool that ran there */


typedef struct {
    ngx_uint_t                 output;     /* index of the item */
    ngx_uint_t                 part;
    ngx_str_t                  item;       /* its id, raw; len 0: unknown */
} ngx_llmops_place_t;


/* what a text is of: rows of the table in texts_responses.c */

enum {
    NGX_LLMOPS_ROW_TEXT = 0,
    NGX_LLMOPS_ROW_REFUSAL,
    NGX_LLMOPS_ROW_SUMMARY,
    NGX_LLMOPS_ROW_REASONING,
    NGX_LLMOPS_ROW_CALL,
    NGX_LLMOPS_ROW_MCP,
    NGX_LLMOPS_ROW_CUSTOM,
    NGX_LLMOPS_ROW_CODE
};


/* The index of a text that has this place. */
ngx_uint_t ngx_llmops_texts_place(ngx_llmops_place_t *place,
    ngx_uint_t what);

/* Notes a text of a row. */
void ngx_llmops_texts_put(ngx_llmops_texts_t *t, ngx_llmops_place_t *place,
    ngx_uint_t row, ngx_str_t *raw);


/* texts_item.c */

/* A part of content or of a summary; row: what its "text" is. */
void ngx_llmops_texts_part(ngx_llmops_texts_t *t, ngx_str_t *json,
    ngx_llmops_place_t *place, ngx_uint_t row);

/* An item, and an output, which is an array of them. */
void ngx_llmops_texts_item(ngx_llmops_texts_t *t, ngx_str_t *json,
    ngx_uint_t output);
void ngx_llmops_texts_output(ngx_llmops_texts_t *t, ngx_str_t *json);


#endif /* _NGX_LLMOPS_TEXTS_ITEM_H_INCLUDED_ */
