
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_TOKENS_H_INCLUDED_
#define _NGX_LLMOPS_TOKENS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* one token, in what the functions below return */
#define NGX_LLMOPS_TOKEN  256


/* tokenizers that are told apart */

typedef enum {
    NGX_LLMOPS_TOKENS_O200K = 0,           /* OpenAI's since GPT-4o; others' */
    NGX_LLMOPS_TOKENS_CL100K,              /* GPT-3.5, GPT-4, embeddings */
    NGX_LLMOPS_TOKENS_FAMILIES
} ngx_llmops_tokens_family_e;

/* Of a model, by the name that its provider knows it by. */
ngx_llmops_tokens_family_e ngx_llmops_tokens_family(const ngx_str_t *model);


/*
 * Tokens of text as it stands inside a JSON string, with its escapes, in
 * 1/NGX_LLMOPS_TOKEN.  Less than 1 ns for a byte.  The sum over pieces is that
 * of the whole but for words that are cut.
 */
int64_t ngx_llmops_tokens(ngx_llmops_tokens_family_e family, const u_char *p,
    const u_char *last);

/*
 * Whole tokens of what one event of a stream brings, at least 1.  Most
 * providers send a token an event: what is one word at the most is one.
 */
size_t ngx_llmops_tokens_event(const u_char *p, const u_char *last);


/* a body that is longer is sampled */
#define NGX_LLMOPS_TOKENS_WHOLE  3072

/*
 * Tokens of a request's body, valid JSON, len <= NGX_LLMOPS_TOKENS_WHOLE bytes
 * in one piece: of what the model reads, with what a message and a tool cost
 * around it.  *binary is set to the number of strings that are base64, which
 * are not counted, nor are "data:" URLs.
 */
int64_t ngx_llmops_tokens_body(ngx_llmops_tokens_family_e family,
    const u_char *p, size_t len, ngx_uint_t *binary);

/*
 * The same for a longer body, from samples.  read() returns len bytes of it
 * from offset on, in place or copied to buf[len]; NULL if they cannot be had:
 * the result is then -1.  The work is bounded, however long the body.
 */
typedef const u_char *(*ngx_llmops_tokens_read_pt)(void *data, size_t offset,
    size_t len, u_char *buf);

int64_t ngx_llmops_tokens_sample(ngx_llmops_tokens_family_e family,
    ngx_llmops_tokens_read_pt read, void *data, size_t size,
    ngx_uint_t *binary);


#endif /* _NGX_LLMOPS_TOKENS_H_INCLUDED_ */
