
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_MOCK_JOB_H_INCLUDED_
#define _NGX_LLMOPS_MOCK_JOB_H_INCLUDED_


#include "ngx_llmops_mock.h"
#include <jansson.h>


/* The inside of the built-in provider.  Private to its files. */


/* what the model's name asks for */

typedef struct {
    ngx_uint_t                 words;      /* lorem-N */
    ngx_uint_t                 delay;      /* slow-Nms */
    ngx_uint_t                 status;     /* error-N */
    unsigned                   hang:1;
    unsigned                   cut:1;
    unsigned                   tool:1;
} ngx_llmops_mock_script_t;


typedef struct {
    ngx_llmops_mock_answer_t  *a;
    ngx_str_t                 *body;
    ngx_llmops_envelope_t      env;        /* op, path, dialect */
    ngx_llmops_mock_script_t   script;

    json_t                    *request;    /* an object, or NULL */
    const char                *model;
    json_t                    *messages;   /* borrowed from request */
    json_t                    *tool;       /* to be called, borrowed */
    json_t                    *schema;     /* of the answer, borrowed */

    ngx_llmops_out_t           text;       /* of the answer */
    ngx_llmops_out_t           arguments;  /* of the tool's call */
    ngx_llmops_out_t           event;      /* before it is framed */
    char                       form_model[NGX_LLMOPS_MODEL_MAX + 1];
    char                       id[17];     /* from the request's bytes */

    ngx_int_t                  max_tokens; /* -1 if not given */
    ngx_uint_t                 input;      /* words */
    ngx_uint_t                 output;
    unsigned                   stream:1;
    unsigned                   usage:1;    /* include_usage */
    unsigned                   truncated:1;    /* by max_tokens */
    unsigned                   result:1;   /* the last message is a tool's */
} ngx_llmops_mock_job_t;


typedef void (*ngx_llmops_mock_handler_pt)(ngx_llmops_mock_job_t *j);


/* ngx_llmops_mock_frame.c.  All json is given away; NULL is a failure. */

void ngx_llmops_mock_json(ngx_llmops_mock_job_t *j, json_t *body);
void ngx_llmops_mock_whole(ngx_llmops_mock_job_t *j, ngx_uint_t status,
    const char *type, const void *body, size_t len);
void ngx_llmops_mock_error(ngx_llmops_mock_job_t *j, ngx_llmops_err_e kind,
    ngx_uint_t status, const char *param, const char *message);
void ngx_llmops_mock_begin(ngx_llmops_mock_job_t *j);
void ngx_llmops_mock_event(ngx_llmops_mock_job_t *j, const char *name,
    json_t *data);
void ngx_llmops_mock_end(ngx_llmops_mock_job_t *j, const char *last);

/* ngx_llmops_mock_text.c: what is said */

/* Sets text, or tool and arguments, and the counts of words; NGX_DECLINED if
   there is no message. */
ngx_int_t ngx_llmops_mock_think(ngx_llmops_mock_job_t *j);

/* The next word with the space behind it; len 0 at the end. */
ngx_str_t ngx_llmops_mock_word(ngx_str_t *rest);

ngx_uint_t ngx_llmops_mock_words(ngx_str_t *text);

/* Appends all text of a message, a list of parts, an input. */
void ngx_llmops_mock_collect(json_t *value, ngx_llmops_out_t *out);

/* FNV-1a. */
uint64_t ngx_llmops_mock_hash(const void *p, size_t len);

/* ngx_llmops_mock_media.c: reads model and stream of a multipart body */

void ngx_llmops_mock_form(ngx_llmops_mock_job_t *j);

/* ngx_llmops_mock_inputs.c: base64 as a JSON string, NULL on failure */

json_t *ngx_llmops_mock_base64(const u_char *p, size_t len);
void ngx_llmops_mock_le32(u_char *p, uint32_t n);

/* the operations */

void ngx_llmops_mock_chat(ngx_llmops_mock_job_t *j);
void ngx_llmops_mock_completions(ngx_llmops_mock_job_t *j);
void ngx_llmops_mock_responses(ngx_llmops_mock_job_t *j);
void ngx_llmops_mock_messages(ngx_llmops_mock_job_t *j);
void ngx_llmops_mock_count_tokens(ngx_llmops_mock_job_t *j);
void ngx_llmops_mock_embeddings(ngx_llmops_mock_job_t *j);
void ngx_llmops_mock_moderations(ngx_llmops_mock_job_t *j);
void ngx_llmops_mock_rerank(ngx_llmops_mock_job_t *j);
void ngx_llmops_mock_images(ngx_llmops_mock_job_t *j);
void ngx_llmops_mock_audio(ngx_llmops_mock_job_t *j);
void ngx_llmops_mock_models(ngx_llmops_mock_job_t *j);


#endif /* _NGX_LLMOPS_MOCK_JOB_H_INCLUDED_ */
