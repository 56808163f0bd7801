
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_XLATE_H_INCLUDED_
#define _NGX_LLMOPS_XLATE_H_INCLUDED_


#include "ngx_llmops_dialect.h"


/*
 * Translation between a caller's dialect and a provider's, through one
 * neutral form: OpenAI chat completions as a jansson tree for requests and
 * whole answers, and the events below for streams.  n dialects cost n
 * encoders and n decoders (struct ngx_llmops_codec_t), not n * n.
 */


typedef struct ngx_llmops_xlate_s  ngx_llmops_xlate_t;


/*
 * Makes the translator of one request.  strict: whatever would be dropped or
 * approximated is refused.  model is the name that the caller asked for (its
 * answers carry it), copied.  NULL when out of memory.  caller and provider
 * must differ and op be translatable (ngx_llmops_xlate_op()).
 */
ngx_llmops_xlate_t *ngx_llmops_xlate_create(
    const ngx_llmops_dialect_t *caller, const ngx_llmops_dialect_t *provider,
    ngx_llmops_op_e op, ngx_str_t *model, unsigned stream,
    unsigned want_usage, unsigned strict);

/* Frees it and all that its functions returned. */
void ngx_llmops_xlate_free(ngx_llmops_xlate_t *x);

/*
 * The provider's operation that serves the caller's op by translation, or
 * NGX_LLMOPS_OP_NONE.
 */
ngx_llmops_op_e ngx_llmops_xlate_op(const ngx_llmops_dialect_t *caller,
    const ngx_llmops_dialect_t *provider, ngx_llmops_op_e op);

/*
 * Writes the provider's body for the caller's whole body.  target is the
 * provider's name of the model.  NGX_OK; NGX_DECLINED if it cannot be said in
 * the provider's dialect, then *err says why (strings live as long as x);
 * NGX_ERROR when out of memory.
 */
ngx_int_t ngx_llmops_xlate_request(ngx_llmops_xlate_t *x, ngx_str_t *body,
    ngx_str_t *target, ngx_llmops_out_t *out, ngx_llmops_error_t *err);

/*
 * What was dropped, approximated or renamed on the way: the value of
 * x-llm-warnings, len 0 if nothing.  Lives as long as x.  Complete after
 * ngx_llmops_xlate_request().
 */
ngx_str_t *ngx_llmops_xlate_warnings(ngx_llmops_xlate_t *x);

/* Request headers that the provider needs beyond its key, as whole lines with
   CRLF: e.g. anthropic-version.  len 0 if none.  Lives as long as x. */
ngx_str_t *ngx_llmops_xlate_headers(ngx_llmops_xlate_t *x);

/*
 * Writes the caller's body for the provider's whole (successful) answer.
 * NGX_OK; NGX_DECLINED if the answer is not of its dialect; NGX_ERROR.
 */
ngx_int_t ngx_llmops_xlate_response(ngx_llmops_xlate_t *x, ngx_str_t *body,
    ngx_llmops_out_t *out);

/*
 * Appends the caller's events for one event of the provider's stream (which
 * may be none).  usage is the meter's, already updated by the provider's tap.
 * NGX_OK; NGX_ERROR when out of memory.  Events that do not parse are left
 * out.
 */
ngx_int_t ngx_llmops_xlate_event(ngx_llmops_xlate_t *x,
    ngx_llmops_sse_event_t *ev, ngx_llmops_usage_t *usage,
    ngx_llmops_out_t *out);

/*
 * The provider's stream has properly ended: appends what is still owed
 * (finish, usage, [DONE]).  May be called once; after an error it is not.
 */
ngx_int_t ngx_llmops_xlate_end(ngx_llmops_xlate_t *x,
    ngx_llmops_usage_t *usage, ngx_llmops_out_t *out);

/*
 * The provider's stream is ended by us, as one that has reached its
 * max_tokens: appends the same as _end().
 */
ngx_int_t ngx_llmops_xlate_stop(ngx_llmops_xlate_t *x,
    ngx_llmops_usage_t *usage, ngx_llmops_out_t *out);

/*
 * A whole answer for a caller that asked for a stream: writes it as the
 * stream of events that would have said the same, with its end.  Also for
 * caller == provider.  NGX_OK, NGX_DECLINED, NGX_ERROR as _response().
 */
ngx_int_t ngx_llmops_xlate_replay(ngx_llmops_xlate_t *x, ngx_str_t *body,
    ngx_llmops_out_t *out);

/*
 * Before _replay() where caller == provider: texts are said in pieces of about
 * so many bytes, whole characters each; 0, the default: at once.  What has
 * logprobs stays together with them.
 */
void ngx_llmops_xlate_pieces(ngx_llmops_xlate_t *x, size_t bytes);


#endif /* _NGX_LLMOPS_XLATE_H_INCLUDED_ */
