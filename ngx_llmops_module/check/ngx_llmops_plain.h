
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_PLAIN_H_INCLUDED_
#define _NGX_LLMOPS_PLAIN_H_INCLUDED_


#include "ngx_llmops_dialect.h"


/*
 * The plain text of a conversation, for those who are asked what they think of
 * it: judges, moderation, guardrail servers, and the comparison with a shadow.
 * It knows nothing of nginx's requests.
 */


/*
 * What a model has written, as it went to the caller: a whole answer, or with
 * stream its events.  Content, refusals and arguments of tools; reasoning is
 * left out.  Choices follow each other, separated by an empty line.  Appended
 * to out.  NGX_OK, NGX_DECLINED if it cannot be read (not of that operation,
 * more choices than 16), NGX_ERROR if out is full or memory is.
 */
ngx_int_t ngx_llmops_plain_answer(ngx_llmops_op_e op, ngx_str_t *answer,
    ngx_uint_t stream, ngx_llmops_out_t *out);

/*
 * What a caller has written, in a body of any operation: its texts, each
 * message behind its role.  Pictures, files and parameters are left out.
 * NGX_OK, or NGX_ERROR if it is not JSON or out is full.
 */
ngx_int_t ngx_llmops_plain_request(ngx_str_t *body, ngx_llmops_out_t *out);

/*
 * Whether "data" of an object is a text: that of a document of messages is, if
 * its "type" says so.  Mostly it is a picture or a file.
 */
ngx_uint_t ngx_llmops_plain_data(ngx_str_t *object);

/*
 * How much two texts have in common, in thousandths: the Dice coefficient of
 * their words (runs of letters, digits and bytes beyond ASCII; letters of
 * ASCII without case), each as often as it occurs.  1000 for two without
 * words.  NGX_ERROR: out of memory.  Texts beyond 64k words are compared up to
 * there.
 */
ngx_int_t ngx_llmops_plain_similar(ngx_str_t *a, ngx_str_t *b);


#endif /* _NGX_LLMOPS_PLAIN_H_INCLUDED_ */
