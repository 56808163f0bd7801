
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_TAP_H_INCLUDED_
#define _NGX_LLMOPS_TAP_H_INCLUDED_


#include "ngx_llmops_dialect.h"


/* What the taps of the dialects share.  Private to this directory. */


/*
 * Reads a usage object of the OpenAI family, in any of its shapes, and sets
 * *u whole.  NGX_DECLINED if it has no count: *u is then left alone.
 */
ngx_int_t ngx_llmops_usage_openai(ngx_str_t *value, ngx_llmops_usage_t *u);

/*
 * Reads Anthropic's usage.  Counts are running totals: those that are here
 * replace what m has, those that are absent stay.
 */
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
void ngx_llmops_openai_body_tail(ngx_llmops_meter_t *m, ngx_str_t *tail);
void ngx_llmops_openai_body(ngx_llmops_meter_t *m, ngx_llmops_op_e op,
    ngx_llmops_json_member_t *found);

void ngx_llmops_anthropic_event(ngx_llmops_meter_t *m, ngx_llmops_op_e op,
    ngx_llmops_sse_event_t *ev, unsigned want_usage, ngx_llmops_tap_t *tap);
void ngx_llmops_anthropic_body(ngx_llmops_meter_t *m, ngx_llmops_op_e op,
    ngx_llmops_json_member_t *found);


#endif /* _NGX_LLMOPS_TAP_H_INCLUDED_ */
