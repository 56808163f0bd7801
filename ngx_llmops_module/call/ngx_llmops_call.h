
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_CALL_H_INCLUDED_
#define _NGX_LLMOPS_CALL_H_INCLUDED_


#include "ngx_llmops.h"
#include "ngx_llmops_check.h"


/*
 * The call: one ngx_http_upstream_t per request, whose balancer is ours and
 * enters the next target of the plan whenever nginx asks for a peer.  Whether
 * an answer counts, or the next target is asked, is decided in the header
 * stage; once bytes go to the caller there is no way back.
 *
 *   ngx_llmops_read.c      the read stage: from a body to its envelope
 *   ngx_llmops_body.c      the body's bytes: pieces, one piece, slices
 *   ngx_llmops_request.c   the request that is sent to a provider
 *   ngx_llmops_attempt*.c  the outer balancer: entering; leaving
 *   ngx_llmops_timer.c     the times that bound an attempt and its answer
 *   ngx_llmops_answer*.c   the header stage: errors, peek, hold
 *   ngx_llmops_checked*.c  answers with rules: bytes, header stage, verdict
 *   ngx_llmops_asked.c     answers that somebody is asked about
 *   ngx_llmops_keep.c      what has gone to a caller
 *   ngx_llmops_stream*.c   the input filter: framing, taps, translation; its
 *                          end
 *   ngx_llmops_stop.c      streams that are ended, or wait for a verdict
 *   ngx_llmops_emit.c      the bufs that go to the caller
 *   ngx_llmops_whole.c     what a whole answer says of itself
 *   ngx_llmops_inflate.c   answers that were compressed unasked
 *   ngx_llmops_drain.c     answers whose caller has left
 *   ngx_llmops_finish*.c   every end of a call, in one place; errors
 *   ngx_llmops_detached*.c requests of the gateway's own
 */


#define NGX_LLMOPS_EVENT_MAX  (1024 * 1024)    /* one that is rewritten */
#define NGX_LLMOPS_KEPT_MAX   (4 * 1024 * 1024)    /* of an answer */


/* read.c */

/* The handler of the PREACCESS phase: reads the body into ctx->env. */
ngx_int_t ngx_llmops_read_handler(ngx_http_request_t *r);

/* The same for a detached request, whose body is there.  NGX_OK or
   NGX_ERROR (ctx->refusal may say why). */
ngx_int_t ngx_llmops_read_detached(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);

/*
 * The body has become ctx->memory: what the envelope says is of that one from
 * now on.  Dialect, operation and path stay, and a model that it does not name
 * where prompts let it be missing.  NGX_OK, NGX_DECLINED with *err as a caller
 * is told, or NGX_ERROR.
 */
ngx_int_t ngx_llmops_read_again(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_error_t *err);


/* body.c */

/* Calls each() for the pieces of the body in order, from memory or from its
   file, until one does not return NGX_OK; returns what it returned. */
ngx_int_t ngx_llmops_body_each(ngx_http_request_t *r,
    ngx_int_t (*each)(void *data, u_char *p, size_t len), void *data);

/* Bytes of the request's body. */
off_t ngx_llmops_body_size(ngx_http_request_t *r);

/*
 * The whole body in one piece, in *body: in place if it lies so, else copied
 * (from its file too) into r->pool once.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_llmops_body_memory(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_str_t *body);

/*
 * Where bytes of a body go that is put together.  Short ones that come first
 * are copied to start, since a buf costs more than so few bytes; as soon as
 * some do not fit, they and all that follow are bufs.
 */
typedef struct {
    ngx_chain_t              **last;       /* the end of a chain */
    u_char                    *start;
    size_t                     len;        /* bytes there */
    size_t                     room;       /* for more of them */
} ngx_llmops_slices_t;

/*
 * Appends the body with edits applied to to, the bufs are fresh ones around
 * the bytes where they lie.  *length is set to its size.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_llmops_body_slices(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_edit_t *edits, ngx_uint_t nedits,
    ngx_llmops_slices_t *to, off_t *length);

/* Appends bytes that stay where they are.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_slices_add(ngx_http_request_t *r,
    ngx_llmops_slices_t *to, u_char *p, size_t len);


/* A link with a buf around bytes that stay where they are; NULL if out of
   memory. */
ngx_chain_t *ngx_llmops_slice(ngx_http_request_t *r, u_char *p, size_t len);


/* request.c */

/* Sets u->request_bufs for the step that has been entered. */
ngx_int_t ngx_llmops_request_build(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_step_t *step);

/* The headers that a caller's Connection names (RFC 9110, 7.6.1): the first of
   them into names, which lie in the header.  How many there are, which may be
   more than NGX_LLMOPS_HOPS: such a request is refused when it is read. */
#define NGX_LLMOPS_HOPS  32

ngx_uint_t ngx_llmops_request_hops(ngx_http_request_t *r,
    ngx_str_t names[NGX_LLMOPS_HOPS]);


/* attempt.c */

/* Creates and starts the upstream; the caller has counted the request up and
   returns NGX_DONE.  Finalizes the request on failure. */
void ngx_llmops_call_start(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx);

/* peer.init of the synthetic balancer, set once at configuration. */
ngx_int_t ngx_llmops_outer_init(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *us);

/* The step that has been entered. */
#define ngx_llmops_step(ctx)  (&(ctx)->plan.steps[(ctx)->call.cur])


/* attempt_end.c */

/* peer.free of the synthetic balancer: an attempt is over. */
void ngx_llmops_outer_free(ngx_peer_connection_t *pc, void *data,
    ngx_uint_t state);

/* Whether another target may be asked if the present one fails so. */
ngx_uint_t ngx_llmops_call_can_next(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_uint_t on);

/* Goes on to the target that may then be asked, which the next get enters. */
void ngx_llmops_call_advance(ngx_llmops_ctx_t *ctx);

/*
 * nginx notes 502 for whatever we find wrong with an answer: puts the status
 * that was really sent into the state that is back from the end (1: the last
 * one), for $upstream_status.
 */
void ngx_llmops_attempt_status(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_uint_t back);


/* timer.c */

/* Arms the timer that gives the present attempt up after so many ms. */
void ngx_llmops_call_timer(ngx_llmops_ctx_t *ctx, ngx_msec_t ms);

/* The handler of the timer that bounds an attempt with its answer. */
void ngx_llmops_total_handler(ngx_event_t *ev);

/* Arms, or arms again, the timer between two reads of a stream. */
void ngx_llmops_idle_timer(ngx_llmops_ctx_t *ctx);

/* Deletes all timers of the call. */
void ngx_llmops_call_timers_off(ngx_llmops_ctx_t *ctx);

/*
 * Ends a request that wants a stream and is not over, because its model is
 * withdrawn: one whose answer goes to the caller already ends with its
 * dialect's error event, as soon as what has been written is gone; one that
 * has no answer yet fails over, if next is set.  Not from within a request;
 * posted requests are run, and this one may be gone behind it.  Whether
 * something was done: 0 says that it is neither yet, or no longer.
 */
ngx_uint_t ngx_llmops_call_cut(ngx_llmops_ctx_t *ctx, ngx_uint_t next);


/* answer.c */

/* u->process_header of a fresh attempt; resets what it parses into. */
void ngx_llmops_answer_reset(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx);


/* stream.c */

ngx_int_t ngx_llmops_filter_init(void *data);
ngx_int_t ngx_llmops_filter(void *data, ssize_t bytes);

/*
 * Undoes the answer's framing, piece by piece: NGX_OK with the next bytes of
 * the body in [*p, *last), inside b, whose pos moves on;  NGX_DONE when b is
 * used up or the body is complete (call->complete);  NGX_ERROR when the
 * framing is broken.
 */
ngx_int_t ngx_llmops_dechunk(ngx_http_request_t *r, ngx_llmops_call_t *call,
    ngx_buf_t *b, u_char **p, u_char **last);

/*
 * How far dechunk() has come: saved before a look at bytes that will be read
 * again, and put back behind it.
 */

typedef struct {
    ngx_http_chunked_t         chunked;
    off_t                      length;
    ngx_uint_t                 complete;
} ngx_llmops_framing_t;


static ngx_inline void
ngx_llmops_framing_save(ngx_llmops_call_t *call, ngx_llmops_framing_t *f)
{
    f->chunked = call->chunked;
    f->length = call->length;
    f->complete = call->complete;
}


static ngx_inline void
ngx_llmops_framing_restore(ngx_llmops_call_t *call, ngx_llmops_framing_t *f)
{
    call->chunked = f->chunked;
    call->length = f->length;
    call->complete = f->complete;
}


/* An event: what its tap says of it, and it, or what becomes of it, to where
   it belongs.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_filter_event(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_sse_event_t *ev);

/* All that was read has been dealt with: the end of the body, if it has come,
   and what is to go out. */
ngx_int_t ngx_llmops_filter_end(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);

/* Reads from a provider; an error is an end of the stream. */
ssize_t ngx_llmops_recv(ngx_connection_t *c, u_char *buf, size_t size);

/* What nginx reads a connection with when nobody has put another recv there. */
#if (NGX_HTTP_SSL)
#define ngx_llmops_recv_plain(c, buf, size)                                   \
    ((c)->ssl ? ngx_ssl_recv(c, buf, size) : ngx_recv(c, buf, size))
#else
#define ngx_llmops_recv_plain(c, buf, size)  ngx_recv(c, buf, size)
#endif


/* stream_end.c */

/* Where translated events go: to the filter of rules, or to what is held. */
ngx_llmops_out_t *ngx_llmops_stream_out(ngx_llmops_call_t *call);

/* Whether the answer has come to its own end, as its dialect tells it. */
ngx_uint_t ngx_llmops_stream_complete(ngx_llmops_ctx_t *ctx);

/*
 * The provider's stream is over, properly or not: deals with what is still in
 * hand (an event without its blank line, the end that a translation owes).
 * NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_llmops_stream_end(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);

/* Writes the end that a translation owes. */
ngx_int_t ngx_llmops_stream_finish(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);

/* Moves translated events from call->held to u->out_bufs. */
ngx_int_t ngx_llmops_stream_flush(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);


/* stop.c */

/*
 * After an event has passed: ends the stream, or lets it wait, if a budget
 * says so.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_llmops_stream_check(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_sse_event_t *ev);

#define ngx_llmops_stream_checked(r, ctx, ev)                                 \
    (((ctx)->limits_at == (size_t) -1)                                        \
     ? NGX_OK : ngx_llmops_stream_check(r, ctx, ev))

/*
 * The verdict that a stream may wait for is there; nothing happens if it does
 * not wait.  Not from within the filter.  May finalize the request.
 */
void ngx_llmops_stream_resume(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx);


/* Events of the answer, through taps and translation, in either stage. */
ngx_int_t ngx_llmops_stream_read(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, u_char *p, u_char *last);


/* checked.c: call->check is NULL for answers without rules */

/* Whether the answer is to be checked; prepares it; frees it, at any time. */
ngx_uint_t ngx_llmops_checked_wanted(ngx_llmops_ctx_t *ctx);
ngx_int_t ngx_llmops_checked_start(ngx_llmops_ctx_t *ctx);
void ngx_llmops_checked_free(ngx_llmops_ctx_t *ctx);

/* Lists and counts what the rules have done so far. */
void ngx_llmops_checked_note(ngx_llmops_ctx_t *ctx);

/*
 * Bytes of a stream in the caller's dialect: what may go is added to
 * call->held.  NGX_OK, also when a rule is broken (call->fail is then
 * FAIL_CHECK, call->ended is set), or NGX_ERROR.
 */
ngx_int_t ngx_llmops_checked_events(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, u_char *p, size_t len);

/* The stream has come to its own end. */
ngx_int_t ngx_llmops_checked_end(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);

/* The same for what a translation has written to call->unchecked. */
ngx_int_t ngx_llmops_checked_translated(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);

/* A whole answer, or with stream all its events, which are replaced by what
   may go.  NGX_OK; NGX_DECLINED: _verdict() says what to return; NGX_ERROR. */
ngx_int_t ngx_llmops_checked_whole(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_out_t *out, ngx_uint_t stream);

/* What follows from a broken rule, in a stream that has been committed or
   not: noted in call->fail and ctx->stream_error.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_checked_broken(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);

/* The rule that has ended the answer, found here or by somebody who was asked;
   NULL: there is none, since the answer cannot be read. */
ngx_llmops_rule_t *ngx_llmops_checked_rule(ngx_llmops_ctx_t *ctx);


/* checked_stream.c */

/* u->process_header of a stream with rules. */
ngx_int_t ngx_llmops_checked_stream(ngx_http_request_t *r);


/* checked_verdict.c */

/* A rule is broken before the header has gone out: what the header stage
   returns, after it has put an error in the answer's place. */
ngx_int_t ngx_llmops_checked_verdict(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);


/* asked.c */

/*
 * The answer in call->held, a stream or whole, has passed its rules: asks those
 * who have to be asked before it goes.  Returns what the header stage returns;
 * after NGX_AGAIN it comes back by itself.
 */
ngx_int_t ngx_llmops_asked(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_uint_t stream);


/* keep.c */

/* From now on what goes to the caller is kept in ctx->kept, up to max bytes;
   kept->failed tells if there was more.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_keep(ngx_llmops_ctx_t *ctx, size_t max);

/* The filter that does it; called at postconfiguration. */
void ngx_llmops_keep_filters(ngx_conf_t *cf);


/* emit.c */

/* Appends bytes to u->out_bufs: copied, in pieces that are recycled. */
ngx_int_t ngx_llmops_stream_emit(ngx_http_request_t *r, u_char *p,
    size_t len);

/* The same for bytes that stay where they are until they have been sent. */
ngx_int_t ngx_llmops_emit_slice(ngx_http_request_t *r, u_char *p,
    size_t len);


/* whole.c */

/*
 * Reads a whole answer for its meter, in one piece; or piece by piece: start,
 * any number of feeds, end.  NGX_OK, or NGX_DECLINED if it was not one JSON
 * object.
 */
ngx_int_t ngx_llmops_whole(ngx_llmops_ctx_t *ctx, ngx_str_t *body);
void ngx_llmops_whole_start(ngx_llmops_ctx_t *ctx,
    ngx_llmops_body_scan_t *bs);
void ngx_llmops_whole_feed(ngx_llmops_body_scan_t *bs, u_char *p,
    size_t len);
ngx_int_t ngx_llmops_whole_end(ngx_llmops_ctx_t *ctx,
    ngx_llmops_body_scan_t *bs);

/*
 * Behind the last feed: whether it was no object at all, or not all of one.
 * What only breaks a rule of JSON's is left to the caller to judge.
 */
ngx_uint_t ngx_llmops_whole_broken(ngx_llmops_body_scan_t *bs);


/* drain.c */

/*
 * For llm_ignore_client_abort, and answers that others follow: from start to
 * stop the caller's leaving is noted in ctx->client_gone, and what is written
 * to it afterwards is lost.  stop() may be called without a start().
 */
void ngx_llmops_drain_start(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx);
void ngx_llmops_drain_stop(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx);

/* Whether the answer of a caller who has left is still wanted. */
ngx_uint_t ngx_llmops_drain_wanted(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);


/* since 1.27.2 the parser is told whether to keep trailers */

#if (nginx_version >= 1027002)
#define ngx_llmops_parse_chunked(r, b, ctx)                                   \
    ngx_http_parse_chunked(r, b, ctx, 0)
#else
#define ngx_llmops_parse_chunked(r, b, ctx)  ngx_http_parse_chunked(r, b, ctx)
#endif


/* spend.c */

/*
 * An attempt is over, or the request: if there is an answer that nobody gets,
 * what it has used is put aside, once.  Before the next attempt begins.
 */
void ngx_llmops_call_spend(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx);

/* Adds all of it to ctx->meter.usage and ctx->cost, which then are those of the
   request.  Once, when the last answer has been looked at. */
void ngx_llmops_call_spent(ngx_llmops_ctx_t *ctx);


/* finish.c */

/* Completes what the meter has of an answer that is over, or has been cut, and
   sets ctx->cost. */
void ngx_llmops_call_usage(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx);

/* Sets ctx->cost from what the meter has. */
void ngx_llmops_call_cost(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx);

/* u->finalize_request and u->abort_request. */
void ngx_llmops_finalize(ngx_http_request_t *r, ngx_int_t rc);
void ngx_llmops_abort(ngx_http_request_t *r);

/* Cleanup handlers of a context: the first when the request is closed, the
   second when its pool is, after the log line has been written. */
void ngx_llmops_cleanup(void *data);
void ngx_llmops_pool_cleanup(void *data);

/* The handler of the LOG phase. */
ngx_int_t ngx_llmops_log_handler(ngx_http_request_t *r);


/* finish_error.c */

/* Keeps the message of a provider's error event, a raw error object, for the
   end of the stream in the caller's dialect. */
ngx_int_t ngx_llmops_keep_error(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_str_t *error);

/* What kind of error a call that ends with rc has ended in. */
ngx_llmops_err_e ngx_llmops_finish_kind(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_int_t rc);

/* Tells the caller of a stream in what error it ends, by an event of his
   dialect, and sets ctx->error.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_finish_error_event(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);


#endif /* _NGX_LLMOPS_CALL_H_INCLUDED_ */
