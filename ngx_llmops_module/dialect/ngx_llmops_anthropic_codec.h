
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_ANTHROPIC_CODEC_H_INCLUDED_
#define _NGX_LLMOPS_ANTHROPIC_CODEC_H_INCLUDED_


#include "ngx_llmops_codec.h"


/* The parts of the codec of Anthropic messages. */


/* what the name of a model tells; unknown names take the cautious values */

typedef struct {
    int64_t                    output;     /* tokens it can write at most */
    unsigned                   adaptive:1; /* thinks by effort, not budget */
    unsigned                   thinks:1;
    unsigned                   sampling:1; /* takes temperature and so on */
    unsigned                   format:1;   /* has output_config.format */
    unsigned                   xhigh:1;    /* has efforts above "high" */
} ngx_llmops_anthropic_model_t;


/* a request in the making */

typedef struct {
    json_t                        *in;     /* the neutral request */
    json_t                        *out;
    json_t                        *system;     /* text blocks */
    ngx_llmops_anthropic_model_t   model;
    int64_t                        max_tokens;
    ngx_uint_t                     breakpoints;    /* cache marks set */
    unsigned                       thinking:1; /* is asked for */
    unsigned                       forced:1;   /* a tool must be called */
    unsigned                       instruct:1; /* ask for JSON in words */
} ngx_llmops_anthropic_request_t;


typedef struct {
    json_int_t                 index;      /* of the block that is open */
} ngx_llmops_anthropic_in_t;


typedef enum {
    NGX_LLMOPS_BLOCK_NONE = 0,
    NGX_LLMOPS_BLOCK_THINKING,
    NGX_LLMOPS_BLOCK_TEXT,
    NGX_LLMOPS_BLOCK_TOOL
} ngx_llmops_block_e;


typedef struct {
    ngx_llmops_block_e         block;      /* that is open */
    ngx_uint_t                 index;      /* of the next block */
    ngx_llmops_slot_t         *slot;       /* whose block is open */
    ngx_llmops_out_t           thinking;   /* what came while a tool's */
    ngx_llmops_out_t           text;       /* arguments were incomplete */
} ngx_llmops_anthropic_out_t;


json_t *ngx_llmops_anthropic_request_in(ngx_llmops_xlate_t *x, json_t *body);
json_t *ngx_llmops_anthropic_request_out(ngx_llmops_xlate_t *x,
    json_t *neutral, const char *target);
json_t *ngx_llmops_anthropic_response_in(ngx_llmops_xlate_t *x, json_t *body,
    ngx_llmops_usage_t *usage);
json_t *ngx_llmops_anthropic_response_out(ngx_llmops_xlate_t *x,
    json_t *neutral, ngx_llmops_usage_t *usage);
ngx_int_t ngx_llmops_anthropic_replay(ngx_llmops_xlate_t *x, json_t *body);
void ngx_llmops_anthropic_event_in(ngx_llmops_xlate_t *x, ngx_str_t *name,
    ngx_str_t *data);
void ngx_llmops_anthropic_event_out(ngx_llmops_xlate_t *x,
    ngx_llmops_ev_t *ev);
void ngx_llmops_anthropic_out_free(void *state);

void ngx_llmops_anthropic_model(const char *name,
    ngx_llmops_anthropic_model_t *m);

/* "thinking" and the effort, for a reasoning_effort; after the tools */
void ngx_llmops_anthropic_effort(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r);

/* "messages" and "system" of a request that goes out */
void ngx_llmops_anthropic_messages_out(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r);

/* a part of a message's content as a block, or NULL; param names the part */
json_t *ngx_llmops_anthropic_block(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r, json_t *part);

json_t *ngx_llmops_anthropic_text(ngx_llmops_xlate_t *x, const char *text,
    size_t len);

/* "tools", "tool_choice" and the response format of one that goes out */
void ngx_llmops_anthropic_tools_out(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r);

/* "messages" of a neutral request, from one that came in */
json_t *ngx_llmops_anthropic_messages_in(ngx_llmops_xlate_t *x, json_t *body);

/* stop_reason as the neutral finish_reason, and the way back */
ngx_llmops_finish_e ngx_llmops_anthropic_finish(const char *reason);
const char *ngx_llmops_anthropic_stop_reason(ngx_llmops_finish_e finish,
    size_t stop_len);

/* "usage": exclusive counts; output alone when nothing else is known */
void ngx_llmops_anthropic_usage_write(ngx_llmops_out_t *out,
    ngx_llmops_usage_t *usage);


#endif /* _NGX_LLMOPS_ANTHROPIC_CODEC_H_INCLUDED_ */
