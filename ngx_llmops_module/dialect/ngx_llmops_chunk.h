
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_CHUNK_H_INCLUDED_
#define _NGX_LLMOPS_CHUNK_H_INCLUDED_


#include "ngx_llmops_cursor.h"
#include "ngx_llmops_tap.h"


/* What matters of an event of the OpenAI family, or of a whole answer.
   Private to its tap. */


typedef struct {
    ngx_llmops_text_t          text;
    ngx_llmops_finish_e        finish;
    uint32_t                   finished;   /* choices, see the meter */
    uint32_t                   ends;       /* the same */
    ngx_str_t                  usage;      /* raw; counts have what is in it */
    ngx_str_t                  error;
    ngx_str_t                  model;
    ngx_str_t                  object;
    ngx_str_t                  groq;
    ngx_str_t                  status;     /* of a whole answer: Responses */
    ngx_str_t                  details;    /* incomplete_details */
    ngx_llmops_responses_event_t  event;   /* type, response, delta */
    u_char                    *cut_start;  /* the usage member, with a comma */
    u_char                    *cut_end;
    unsigned                   choices:1;  /* an array, and not empty */
    unsigned                   none:1;     /* an empty array */
    unsigned                   content:1;
    unsigned                   payload:1;  /* a vendor's data */
    unsigned                   whole:1;    /* an answer, no event */
    ngx_llmops_counts_t        counts;     /* set with usage: not zeroed */
} ngx_llmops_chunk_t;


/* Reads an event, or a whole answer, into ch.  NGX_OK, or NGX_DECLINED if it
   is no JSON object: what ch has then does not count. */
ngx_int_t ngx_llmops_chunk_read(ngx_llmops_chunk_t *ch, ngx_str_t *data,
    ngx_uint_t whole);

/* The finish that a raw finish_reason means; unknown ones are a stop. */
ngx_llmops_finish_e ngx_llmops_openai_finish(ngx_str_t *value);


#endif /* _NGX_LLMOPS_CHUNK_H_INCLUDED_ */
