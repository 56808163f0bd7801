
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_RESPONSES_STATE_H_INCLUDED_
#define _NGX_LLMOPS_RESPONSES_STATE_H_INCLUDED_


#include "ngx_llmops_tree.h"
#include "ngx_llmops_stop.h"


/* What a stream of Responses has said so far.  Private to this directory. */


typedef enum {
    NGX_LLMOPS_GROWS_NOTHING = 0,
    NGX_LLMOPS_GROWS_TEXT,                 /* an output_text part */
    NGX_LLMOPS_GROWS_ARGUMENTS             /* of a function call */
} ngx_llmops_grows_e;


struct ngx_llmops_responses_state_s {
    json_t                    *response;   /* of the first event, or NULL */
    json_t                    *output;     /* array of items */
    int64_t                    sequence;   /* of the next event */
    ngx_int_t                  open;       /* index of the item that is not
                                              done; -1: none */
    ngx_int_t                  part;       /* of its content; -1: none */
    ngx_llmops_grows_e         grows;
    ngx_llmops_out_t           text;
};


/* The event changes what is known. */
void ngx_llmops_responses_see(ngx_llmops_responses_state_t *s, json_t *event,
    const char *type);

/* The item that is open ends, with a status, and what is open in it. */
void ngx_llmops_responses_close(ngx_llmops_responses_state_t *s,
    const char *status, ngx_llmops_out_t *out);

/* The response is over before it was complete; stop or usage may be NULL. */
void ngx_llmops_responses_end(ngx_llmops_responses_state_t *s,
    const char *reason, ngx_llmops_usage_t *usage, ngx_llmops_stop_t *stop,
    ngx_llmops_out_t *out);

/* A new event, of the item that is open if one is given. */
json_t *ngx_llmops_responses_event(ngx_llmops_responses_state_t *s,
    const char *type, json_t *item);

/* Writes an event, which it takes over; NULL for want of memory fails out. */
void ngx_llmops_responses_send(ngx_llmops_responses_state_t *s,
    ngx_llmops_out_t *out, json_t *event, ngx_llmops_stop_t *stop);

json_t *ngx_llmops_responses_usage(ngx_llmops_usage_t *usage);


#endif /* _NGX_LLMOPS_RESPONSES_STATE_H_INCLUDED_ */
