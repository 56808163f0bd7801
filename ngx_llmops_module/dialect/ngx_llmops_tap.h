
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_TAP_H_INCLUDED_
#define _NGX_LLMOPS_TAP_H_INCLUDED_


#include "ngx_llmops_dialect.h"
#include "ngx_llmops_cursor.h"


/* What the taps of the dialects share.  Private to this directory. */


/* what a usage object counts, by the names that were found; -1: absent */

enum {
    NGX_LLMOPS_USAGE_PROMPT = 0,
    NGX_LLMOPS_USAGE_COMPLETION,
    NGX_LLMOPS_USAGE_TOTAL,
    NGX_LLMOPS_USAGE_CACHED,
    NGX_LLMOPS_USAGE_WRITTEN,
    NGX_LLMOPS_USAGE_WRITTEN_1H,
    NGX_LLMOPS_USAGE_REASONING,
    NGX_LLMOPS_USAGE_AUDIO_IN,
    NGX_LLMOPS_USAGE_AUDIO_OUT,
    NGX_LLMOPS_USAGE_IMAGE_IN,
    NGX_LLMOPS_USAGE_IMAGE_OUT,
    NGX_LLMOPS_USAGE_COUNTS
};


typedef struct {
    int64_t                    n[NGX_LLMOPS_USAGE_COUNTS];
} ngx_llmops_counts_t;


/*
 * Passes over the value at the cursor, a usage of the OpenAI family in any of
 * its shapes, or one of Anthropic, and sets *counts; all are absent if it is
 * no object.  NGX_OK, or NGX_ERROR if it is not JSON.
 */
ngx_int_t ngx_llmops_usage_read_openai(ngx_llmops_cursor_t *c,
    ngx_llmops_counts_t *counts);
ngx_int_t ngx_llmops_usage_read_anthropic(ngx_llmops_cursor_t *c,
    ngx_llmops_counts_t *counts);

/*
 * Sets *u whole from counts, which are used up.  NGX_DECLINED if there are
 * none: *u is then left alone.
 */
ngx_int_t ngx_llmops_usage_set_openai(ngx_llmops_counts_t *counts,
    ngx_llmops_usage_t *u);

/*
 * Anthropic's counts are running totals: those that are here replace what m
 * has, those that are absent stay.
 */
void ngx_llmops_usage_set_anthropic(ngx_llmops_counts_t *counts,
    ngx_llmops_meter_t *m);

/* Both steps, for a raw value. */
ngx_int_t ngx_llmops_usage_openai(ngx_str_t *value, ngx_llmops_usage_t *u);
void ngx_llmops_usage_anthropic(ngx_str_t *value, ngx_llmops_meter_t *m);

/* Keeps the first model's name (a raw JSON string) that is not empty. */
void ngx_llmops_tap_model(ngx_llmops_meter_t *m, ngx_str_t *value);

/* A raw error member: not null, false, "" or 0. */
ngx_uint_t ngx_llmops_tap_truthy(ngx_str_t *value);

/* Notes an error and its raw bytes. */
void ngx_llmops_tap_error(ngx_llmops_meter_t *m, ngx_llmops_tap_t *tap,
    ngx_str_t *value);

/* Bytes of a whole answer's text, from the span of the member with it. */
void ngx_llmops_tap_span(ngx_llmops_meter_t *m,
    ngx_llmops_json_member_t *found);

/* Without the quotes, and without decoding; len 0 if it is no string. */
void ngx_llmops_tap_unquote(ngx_str_t *value);


/* The Responses part of OpenAI's tap; type is without quotes. */

typedef struct {
    ngx_str_t                  type;
    ngx_str_t                  response;   /* raw, len 0 if absent */
    size_t                     bytes;      /* of the delta */
} ngx_llmops_responses_event_t;

void ngx_llmops_responses_tap(ngx_llmops_meter_t *m,
    ngx_llmops_responses_event_t *e, ngx_llmops_tap_t *tap);

/* The same for a whole answer: raw status and incomplete_details. */
void ngx_llmops_responses_status(ngx_llmops_meter_t *m, ngx_str_t *status,
    ngx_str_t *details);

/* The taps of the two dialects: members of their tables of functions. */

extern ngx_llmops_json_want_t  ngx_llmops_openai_want[];
extern ngx_llmops_json_want_t  ngx_llmops_anthropic_want[];

#define NGX_LLMOPS_OPENAI_NWANT     8
#define NGX_LLMOPS_ANTHROPIC_NWANT  5

void ngx_llmops_openai_event(ngx_llmops_meter_t *m, ngx_llmops_op_e op,
    ngx_llmops_sse_event_t *ev, unsigned want_usage, ngx_llmops_tap_t *tap);
ngx_int_t ngx_llmops_openai_whole(ngx_llmops_meter_t *m, ngx_llmops_op_e op,
    ngx_str_t *body);
void ngx_llmops_openai_body_tail(ngx_llmops_meter_t *m, ngx_str_t *tail);
void ngx_llmops_openai_body(ngx_llmops_meter_t *m, ngx_llmops_op_e op,
    ngx_llmops_json_member_t *found);

void ngx_llmops_anthropic_event(ngx_llmops_meter_t *m, ngx_llmops_op_e op,
    ngx_llmops_sse_event_t *ev, unsigned want_usage, ngx_llmops_tap_t *tap);
ngx_int_t ngx_llmops_anthropic_whole(ngx_llmops_meter_t *m,
    ngx_llmops_op_e op, ngx_str_t *body);
void ngx_llmops_anthropic_body(ngx_llmops_meter_t *m, ngx_llmops_op_e op,
    ngx_llmops_json_member_t *found);


#endif /* _NGX_LLMOPS_TAP_H_INCLUDED_ */
