
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_OPENAI_CODEC_H_INCLUDED_
#define _NGX_LLMOPS_OPENAI_CODEC_H_INCLUDED_


#include "ngx_llmops_codec.h"


/* The parts of the codec of OpenAI chat completions. */


/* what the decoder of a stream keeps */

typedef struct {
    json_int_t                 choice;     /* index of the one we follow */
    unsigned                   chosen:1;
    unsigned                   reasoning:1;    /* there was plain reasoning */
    char                       pending[128];   /* id that came before a name */
} ngx_llmops_openai_in_t;


/* and the encoder */

typedef struct {
    ngx_llmops_out_t           thinking;   /* text that awaits a signature */
} ngx_llmops_openai_out_t;


json_t *ngx_llmops_openai_request_in(ngx_llmops_xlate_t *x, json_t *body);
json_t *ngx_llmops_openai_request_out(ngx_llmops_xlate_t *x, json_t *neutral,
    const char *target);
json_t *ngx_llmops_openai_response_in(ngx_llmops_xlate_t *x, json_t *body,
    ngx_llmops_usage_t *usage);
json_t *ngx_llmops_openai_response_out(ngx_llmops_xlate_t *x, json_t *neutral,
    ngx_llmops_usage_t *usage);
ngx_int_t ngx_llmops_openai_replay(ngx_llmops_xlate_t *x, json_t *body);
void ngx_llmops_openai_event_in(ngx_llmops_xlate_t *x, ngx_str_t *name,
    ngx_str_t *data);
void ngx_llmops_openai_event_out(ngx_llmops_xlate_t *x, ngx_llmops_ev_t *ev);
void ngx_llmops_openai_out_free(void *state);

/* a finish_reason, as this caller knows it */
const char *ngx_llmops_openai_finish_reason(ngx_llmops_xlate_t *x,
    ngx_llmops_finish_e finish);

/* the member "usage" of an answer or a chunk */
void ngx_llmops_openai_usage_write(ngx_llmops_out_t *out,
    ngx_llmops_usage_t *usage);

/* content that comes as parts: texts, reasoning and refusals apart */
void ngx_llmops_openai_parts(ngx_llmops_xlate_t *x, json_t *parts,
    json_t **text, json_t **reasoning, json_t **refusal);

/* the arguments of a call as text, whatever form they have; a new value */
json_t *ngx_llmops_openai_arguments(ngx_llmops_xlate_t *x, json_t *args);


#endif /* _NGX_LLMOPS_OPENAI_CODEC_H_INCLUDED_ */
