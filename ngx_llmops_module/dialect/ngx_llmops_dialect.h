
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_DIALECT_H_INCLUDED_
#define _NGX_LLMOPS_DIALECT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_json.h"
#include "ngx_llmops_sse.h"
#include "ngx_llmops_out.h"


/*
 * A dialect is one API: how its requests, answers, streams and errors are
 * spelled.  A caller speaks one and a provider speaks one.  If both are the
 * same the bytes pass and only what must change is spliced; the functions
 * here then only look (taps).  If they differ, ngx_llmops_xlate.h rewrites.
 *
 * Nothing in this room knows of requests, pools or connections of nginx: all
 * memory is the caller's or malloc's, so that tests link it alone.
 */


typedef struct ngx_llmops_dialect_s   ngx_llmops_dialect_t;
typedef struct ngx_llmops_envelope_s  ngx_llmops_envelope_t;


/* what a caller wants; also the index of a metric's gen_ai_operation_name */

typedef enum {
    NGX_LLMOPS_OP_NONE = 0,                /* not an API path */
    NGX_LLMOPS_OP_CHAT,                    /* POST chat/completions */
    NGX_LLMOPS_OP_MESSAGES,                /* POST messages */
    NGX_LLMOPS_OP_COMPLETIONS,             /* POST completions */
    NGX_LLMOPS_OP_EMBEDDINGS,              /* POST embeddings */
    NGX_LLMOPS_OP_RESPONSES,               /* POST responses */
    NGX_LLMOPS_OP_COUNT_TOKENS,            /* POST messages/count_tokens */
    NGX_LLMOPS_OP_MODERATIONS,             /* POST moderations */
    NGX_LLMOPS_OP_IMAGES,                  /* POST images/... */
    NGX_LLMOPS_OP_AUDIO,                   /* POST audio/... */
    NGX_LLMOPS_OP_RERANK,                  /* POST rerank */
    NGX_LLMOPS_OP_MODELS,                  /* GET models, answered by us */
    NGX_LLMOPS_OP_OTHER,                   /* passed through untouched */
    NGX_LLMOPS_OP_MAX
} ngx_llmops_op_e;


/* kinds of failure; the order is that of ngx_llmops_error_names[] */

typedef enum {
    NGX_LLMOPS_ERR_NONE = 0,
    NGX_LLMOPS_ERR_INVALID_REQUEST,        /* 400 */
    NGX_LLMOPS_ERR_CONTEXT_LENGTH,         /* 400 */
    NGX_LLMOPS_ERR_CONTENT_POLICY,         /* 400 */
    NGX_LLMOPS_ERR_AUTH,                   /* 401: the caller's key */
    NGX_LLMOPS_ERR_BILLING,                /* 402 (OpenAI: 429) */
    NGX_LLMOPS_ERR_PERMISSION,             /* 403 */
    NGX_LLMOPS_ERR_NOT_FOUND,              /* 404 */
    NGX_LLMOPS_ERR_METHOD,                 /* 405 */
    NGX_LLMOPS_ERR_TOO_LARGE,              /* 413 */
    NGX_LLMOPS_ERR_MEDIA_TYPE,             /* 415 */
    NGX_LLMOPS_ERR_RATE_LIMIT,             /* 429 */
    NGX_LLMOPS_ERR_UPSTREAM_AUTH,          /* 502: the gateway's own key */
    NGX_LLMOPS_ERR_UPSTREAM,               /* 502: broken answer, or none */
    NGX_LLMOPS_ERR_OVERLOADED,             /* 503 (529 to Anthropic callers) */
    NGX_LLMOPS_ERR_TIMEOUT,                /* 504 */
    NGX_LLMOPS_ERR_INTERNAL,               /* 500 */
    NGX_LLMOPS_ERR_CLIENT_ABORT,           /* 499: only in logs and metrics */
    NGX_LLMOPS_ERR_MAX
} ngx_llmops_err_e;


typedef struct {
    ngx_llmops_err_e           kind;
    ngx_uint_t                 status;     /* HTTP; 0: the kind's usual one */
    ngx_str_t                  message;    /* plain text, UTF-8 */
    ngx_str_t                  code;       /* OpenAI's code; len 0: usual one */
    ngx_str_t                  type;       /* the provider's own, or len 0 */
    ngx_str_t                  param;      /* offending field, or len 0 */
} ngx_llmops_error_t;


/* counts are inclusive: cached and written tokens are part of input,
   reasoning is part of output */

typedef enum {
    NGX_LLMOPS_USAGE_NONE = 0,
    NGX_LLMOPS_USAGE_ESTIMATED,
    NGX_LLMOPS_USAGE_REPORTED
} ngx_llmops_usage_source_e;


typedef struct {
    int64_t                    input;
    int64_t                    output;
    int64_t                    cache_read;
    int64_t                    cache_write;
    int64_t                    cache_write_1h;
    int64_t                    reasoning;
    int64_t                    audio_in;
    int64_t                    audio_out;
    int64_t                    image_in;
    int64_t                    image_out;
    ngx_llmops_usage_source_e  source;
} ngx_llmops_usage_t;


typedef enum {
    NGX_LLMOPS_FINISH_NONE = 0,            /* not seen yet */
    NGX_LLMOPS_FINISH_STOP,
    NGX_LLMOPS_FINISH_LENGTH,
    NGX_LLMOPS_FINISH_TOOL_CALLS,
    NGX_LLMOPS_FINISH_CONTENT_FILTER,
    NGX_LLMOPS_FINISH_ERROR
} ngx_llmops_finish_e;


#define NGX_LLMOPS_METER_MODEL  64


/* what the taps learn of one answer */

typedef struct {
    ngx_llmops_usage_t         usage;
    size_t                     output_bytes;   /* text, reasoning, arguments */
    size_t                     output_tokens;  /* of a stream so far: as the
                                                  provider says, and what has
                                                  come since, estimated */
    ngx_uint_t                 events;         /* with data */
    ngx_llmops_finish_e        finish;
    int64_t                    anthropic_input;    /* input_tokens as they
                                                      come: without cache */
    uint32_t                   finished;   /* choices of a stream: a bit for
                                              each of the first 32 */
    uint32_t                   ends;       /* events that were the last one of
                                              a choice */
    ngx_uint_t                 block;      /* Anthropic: index of the content
                                              block that is open, + 1; 0 */
    unsigned                   started:1;      /* an event of the answer */
    unsigned                   content:1;      /* a token has been seen */
    unsigned                   terminal:1;     /* the dialect's own end */
    unsigned                   error:1;        /* an error event or body */
    ngx_uint_t                 model_len;
    u_char                     model[NGX_LLMOPS_METER_MODEL];
} ngx_llmops_meter_t;


/* what to do with an event that passes */

typedef enum {
    NGX_LLMOPS_TAP_PASS = 0,
    NGX_LLMOPS_TAP_CUT,                    /* without [cut_start, cut_end) */
    NGX_LLMOPS_TAP_DROP                    /* not for the caller */
} ngx_llmops_tap_e;


typedef struct {
    ngx_llmops_tap_e           action;
    size_t                     cut_start;  /* offsets in ev->raw */
    size_t                     cut_end;
    ngx_str_t                  error;      /* the raw error object, if any */
} ngx_llmops_tap_t;


/*
 * A stream that we end before its provider does, as one that has reached its
 * max_tokens.  state is what ngx_llmops_responses_track() has gathered, for
 * OP_RESPONSES.
 */

typedef struct ngx_llmops_responses_state_s  ngx_llmops_responses_state_t;

typedef struct {
    ngx_llmops_op_e            op;
    ngx_str_t                  event;      /* the last one's data */
    ngx_llmops_meter_t        *meter;      /* usage: what will be counted */
    int64_t                    choices;    /* n */
    ngx_str_t                  limit;      /* why: by its name, and */
    ngx_str_t                  rate;       /* as the configuration has it */
    ngx_llmops_responses_state_t  *state;
    unsigned                   want_usage:1;
} ngx_llmops_stop_t;


/* one replacement in a body: [start, end) becomes text */

#define NGX_LLMOPS_MAX_EDITS  4

typedef struct {
    size_t                     start;
    size_t                     end;
    ngx_str_t                  text;
} ngx_llmops_edit_t;


/* the members of a request's body that we look at */

enum {
    NGX_LLMOPS_WANT_MODEL = 0,
    NGX_LLMOPS_WANT_STREAM,
    NGX_LLMOPS_WANT_STREAM_OPTIONS,
    NGX_LLMOPS_WANT_MAX_TOKENS,
    NGX_LLMOPS_WANT_MAX_COMPLETION_TOKENS,
    NGX_LLMOPS_WANT_MAX_OUTPUT_TOKENS,
    NGX_LLMOPS_WANT_N,
    NGX_LLMOPS_WANT_PROMPT,                /* with env->prompts, and of
                                              completions */
    NGX_LLMOPS_WANT_BEST_OF,               /* of completions only */
    NGX_LLMOPS_WANT_MAX
};

#define NGX_LLMOPS_MODEL_MAX    256        /* bytes of a model's name */
#define NGX_LLMOPS_CAPTURE      1536


/*
 * What the read stage knows of a request: filled once, read by all later
 * stages.  Offsets are of the body as it came.
 */

struct ngx_llmops_envelope_s {
    const ngx_llmops_dialect_t  *dialect;  /* the caller's */
    ngx_llmops_op_e            op;
    ngx_str_t                  path;       /* what follows the version, e.g.
                                              "/chat/completions" */
    ngx_str_t                  model;      /* decoded; len 0 if none */
    int64_t                    max_tokens; /* -1 if not given; 2^53: as many
                                              as that, or nobody can tell */
    int64_t                    n;          /* 1 if not given; of completions
                                              best_of, if that is more; 2^53 as
                                              above */
    size_t                     text_bytes; /* of prompt text */
    ngx_uint_t                 images;     /* "data:" URLs */
    int64_t                    estimated;  /* tokens of input, + 1; 0: not yet;
                                              see ngx_llmops_guard.h */
    size_t                     body_len;
    size_t                     open;       /* of "{" */
    size_t                     close;      /* of "}" */
    size_t                     model_start;
    size_t                     model_end;  /* span of the model's value */
    size_t                     options_start;
    size_t                     options_end;
    ngx_str_t                  options;    /* raw stream_options, or NULL */
    size_t                     prompt_start;
    size_t                     prompt_end; /* span of "prompt"; 0: none */
    uint64_t                   seen;       /* the number of the body that this
                                              was read from, see _recall();
                                              0: it has none */
    unsigned                   json:1;     /* the body is a JSON object */
    unsigned                   multipart:1;
    unsigned                   stream:1;
    unsigned                   include_usage:1;  /* the caller asked for it */
    unsigned                   has_options:1;
    unsigned                   empty:1;    /* the object has no members */
    unsigned                   prompts:1;  /* set before begin(): "prompt" is
                                              looked for, and the model may
                                              be missing, as it has one */
    u_char                     model_buf[NGX_LLMOPS_MODEL_MAX];
    u_char                     capture[NGX_LLMOPS_CAPTURE];
};


struct ngx_llmops_dialect_s {
    ngx_str_t                  name;       /* of llm_dialect */
    ngx_str_t                  provider;   /* gen_ai_provider_name */
    ngx_str_t                  base;       /* path when a URL has none */
    uint32_t                   ops;        /* bits 1 << op served as they are */
    ngx_str_t                  key_header; /* lower case */
    ngx_str_t                  key_prefix; /* "Bearer " or empty */

    /*
     * The path that follows the endpoint's base path (which has no slash at
     * its end) for a request: e.g. "/chat/completions".  For translated
     * requests op is the provider's own.  Appends to out.
     */
    void                     (*path)(ngx_llmops_op_e op, ngx_str_t *base,
                                   ngx_str_t *path, ngx_llmops_out_t *out);

    /*
     * The edits that a body needs when it goes to a provider of the same
     * dialect under another model name (model->len == 0: the name stays) and
     * with usage forced into streams.  Texts are appended to out, in JSON;
     * edits are sorted and do not overlap.  Returns their number, at most
     * NGX_LLMOPS_MAX_EDITS, or NGX_ERROR (out of memory).
     */
    ngx_int_t                (*edits)(ngx_llmops_envelope_t *env,
                                   ngx_str_t *model, ngx_llmops_out_t *out,
                                   ngx_llmops_edit_t *edits);

    /*
     * Looks at an event of a provider's stream: usage, finish, end, errors.
     * want_usage tells whether the caller asked for usage; if not, the tap
     * says what to take out.  tap is set anew.  Events that do not parse pass.
     */
    void                     (*event)(ngx_llmops_meter_t *m,
                                   ngx_llmops_op_e op,
                                   ngx_llmops_sse_event_t *ev,
                                   unsigned want_usage, ngx_llmops_tap_t *tap);

    /*
     * Looks at a whole answer that lies in one piece.  NGX_OK, or
     * NGX_DECLINED if it is not one JSON object: m is then left alone.
     */
    ngx_int_t                (*whole)(ngx_llmops_meter_t *m,
                                   ngx_llmops_op_e op, ngx_str_t *body);

    /*
     * The same for an answer that comes in pieces: looks at its members,
     * found by a scanner that was prepared with body_want[nbody_want].
     */
    ngx_llmops_json_want_t    *body_want;
    ngx_uint_t                 nbody_want;
    void                     (*body)(ngx_llmops_meter_t *m,
                                   ngx_llmops_op_e op,
                                   ngx_llmops_json_member_t *found);

    /*
     * Looks at the last bytes of such an answer for what stands too deep for
     * the scanner; NULL if there is nothing of the kind.
     */
    void                     (*body_tail)(ngx_llmops_meter_t *m,
                                   ngx_str_t *tail);

    /*
     * Writes an error that we make, as a body or, with in_stream, as the end
     * of a stream of op (with the terminal event where the dialect has one
     * for errors).  id may have len 0.
     */
    void                     (*write_error)(ngx_llmops_out_t *out,
                                   ngx_llmops_op_e op,
                                   ngx_llmops_error_t *err, ngx_str_t *id,
                                   unsigned in_stream);

    /*
     * Appends the events that properly end a stream behind the one that passed
     * last, with a finish of "length" and its terminal event.  Of a dialect
     * that callers speak.
     */
    void                     (*write_stop)(ngx_llmops_out_t *out,
                                   ngx_llmops_stop_t *stop);
};


extern const ngx_llmops_dialect_t  ngx_llmops_openai;
extern const ngx_llmops_dialect_t  ngx_llmops_anthropic;
extern const ngx_llmops_dialect_t  ngx_llmops_mock;

/* a NULL-terminated list, in the order of the documentation */
extern const ngx_llmops_dialect_t *const  ngx_llmops_dialects[];

/* OTel operation names: several operations share one */
extern const ngx_str_t  ngx_llmops_op_names[];
extern const ngx_str_t  ngx_llmops_error_names[];   /* error_type values */
extern const ngx_str_t  ngx_llmops_finish_names[];


/* The dialect of that name, or NULL. */
const ngx_llmops_dialect_t *ngx_llmops_dialect_find(ngx_str_t *name);

/*
 * Which operation a request is, from its method (NGX_HTTP_* value given as
 * get/post flags) and its URI without arguments, wherever the location is
 * mounted: the last "/v1/" segment starts the path ("/v1" alone too; a URI
 * without it is taken whole).  anthropic tells whether a shared path carries
 * anthropic-version or x-api-key.  Sets env->op, path and dialect; OP_METHOD
 * mismatches return NGX_DECLINED with the op set (answer 405).
 */
ngx_int_t ngx_llmops_operation(ngx_llmops_envelope_t *env, ngx_str_t *uri,
    unsigned get, unsigned post, unsigned anthropic);

/*
 * Reads a JSON body that comes in pieces into env.  begin, any number of
 * feeds, end.  On failure NGX_DECLINED and err says what to answer (its
 * texts are static, or lie in env).  state is the caller's, used only between
 * begin and end.
 */
typedef struct {
    ngx_llmops_json_scan_t     scan;
    ngx_llmops_json_member_t   found[NGX_LLMOPS_WANT_MAX];
} ngx_llmops_envelope_scan_t;

void ngx_llmops_envelope_begin(ngx_llmops_envelope_t *env,
    ngx_llmops_envelope_scan_t *state);
ngx_int_t ngx_llmops_envelope_feed(ngx_llmops_envelope_t *env,
    ngx_llmops_envelope_scan_t *state, const u_char *p, size_t len,
    ngx_llmops_error_t *err);
ngx_int_t ngx_llmops_envelope_end(ngx_llmops_envelope_t *env,
    ngx_llmops_envelope_scan_t *state, ngx_llmops_error_t *err);

/*
 * The same for a body that this process has seen before and remembers (no more
 * than NGX_LLMOPS_SEEN_BODIES of at most NGX_LLMOPS_SEEN_BYTES), in two pieces,
 * of which the second may be empty.  recall(), with env as it is before
 * begin(): NGX_OK: env is as end() left it, and env->seen is the body's number;
 * NGX_DECLINED: it has to be read; NGX_AGAIN: that too, and it is not the first
 * time of late, so that it should be remembered.  remember(), after end() has
 * returned NGX_OK: gives the body a number that no other one has, has had or
 * will have, or 0 if there is no memory for it.
 */
#define NGX_LLMOPS_SEEN_BODIES  256
#define NGX_LLMOPS_SEEN_BYTES   16384

ngx_int_t ngx_llmops_envelope_recall(ngx_llmops_envelope_t *env,
    const ngx_str_t *pieces);
void ngx_llmops_envelope_remember(ngx_llmops_envelope_t *env,
    const ngx_str_t *pieces);

#define NGX_LLMOPS_IMAGE_TOKENS  765       /* 1024 x 1024 in high detail */

/* Where env->prompts let a model be missing: NGX_DECLINED with *err if there
   is still none and the operation needs it, else NGX_OK. */
ngx_int_t ngx_llmops_envelope_named(ngx_llmops_envelope_t *env,
    ngx_llmops_error_t *err);

/* Tokens of the prompt, estimated from its text, unless env has a better
   estimate: for what is not reported. */
int64_t ngx_llmops_estimate_input(ngx_llmops_envelope_t *env);

/* Tokens of so many bytes of answer text; at least 1 if there was any. */
int64_t ngx_llmops_estimate_output(size_t bytes);

/* Fills in what the provider did not report; marks usage as estimated. */
void ngx_llmops_meter_estimate(ngx_llmops_meter_t *m,
    ngx_llmops_envelope_t *env);

/*
 * What a stream of Responses has said so far, as its proper end repeats it.
 * NULL when out of memory; free() takes NULL.  track() looks at the data of
 * each event that passes; it keeps at most NGX_LLMOPS_RESPONSES_MAX bytes, and
 * leaves out items beyond.
 */
#define NGX_LLMOPS_RESPONSES_MAX  (4 * 1024 * 1024)

ngx_llmops_responses_state_t *ngx_llmops_responses_create(void);
void ngx_llmops_responses_free(ngx_llmops_responses_state_t *state);
void ngx_llmops_responses_track(ngx_llmops_responses_state_t *state,
    ngx_str_t *data);

/*
 * A stream that goes on with a text of ours instead: what is open ends, the
 * text is a message of its own, and the response ends as one that was cut by a
 * content filter.  Events, numbered on, are appended to out.  begin() is for a
 * stream of which nothing has gone out: it writes the event that comes first.
 * Without usage the response has none.
 */
void ngx_llmops_responses_begin(ngx_llmops_responses_state_t *state,
    ngx_str_t *id, ngx_str_t *model, ngx_llmops_out_t *out);
void ngx_llmops_responses_say(ngx_llmops_responses_state_t *state,
    ngx_str_t *text, ngx_llmops_usage_t *usage, ngx_llmops_out_t *out);

/* The whole answer of that kind. */
void ngx_llmops_responses_whole(ngx_str_t *id, ngx_str_t *model,
    ngx_str_t *text, ngx_llmops_usage_t *usage, ngx_llmops_out_t *out);

/* The usual HTTP status of a kind, for a caller of dialect d. */
ngx_uint_t ngx_llmops_error_status(const ngx_llmops_dialect_t *d,
    ngx_llmops_err_e kind);

/*
 * Reads a provider's error answer in any of the shapes that occur:
 * error object, error string, message, detail, arrays, HTML, plain text.
 * err's strings point into body or into scratch[size]; the message is cut
 * at 2 KB.  Never fails: what cannot be read becomes a message by status.
 */
void ngx_llmops_error_read(ngx_uint_t status, ngx_str_t *body,
    u_char *scratch, size_t size, ngx_llmops_error_t *err);

/* Whether a raw JSON text, or the start of one, is an object whose first
   member is "error" and not null, or a "type" of "error": an error that came
   with status 200. */
ngx_uint_t ngx_llmops_error_body(ngx_str_t *body);


#endif /* _NGX_LLMOPS_DIALECT_H_INCLUDED_ */
