
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_CODEC_H_INCLUDED_
#define _NGX_LLMOPS_CODEC_H_INCLUDED_


#include "ngx_llmops_xlate.h"
#include "ngx_llmops_tree.h"


/*
 * Private to the translation: what a dialect supplies (a codec), and what
 * the driver offers to codecs.
 *
 * Requests and whole answers pass through a tree in the form of OpenAI chat
 * completions.  A neutral request has "messages" with string or part content,
 * "tools", "tool_choice" and so on, as documented there, plus "top_k",
 * "reasoning_content" and "thinking_blocks" ({type: thinking, thinking,
 * signature} or {type: redacted_thinking, data}).  A neutral answer has
 * "id", and "choices" with whole "message"s; the message's reasoning is in
 * "reasoning_content", and "stop_sequence" of a choice is the stop string
 * that matched.  Usage travels beside it, as ngx_llmops_usage_t.
 *
 * Streams pass through events: a decoder calls the ngx_llmops_emit_*()
 * functions in the order of what it reads, and the driver sees to it that an
 * encoder gets START first, FINISH and END last and once, no empty deltas,
 * and for every tool TOOL_START, any TOOL_ARGS and TOOL_END.
 *
 * Failures stick in the translator (x->nomem, x->declined), so that builders
 * of trees need no check after each step.
 */


#define NGX_LLMOPS_MAX_SLOTS    512        /* tool calls in one answer */
#define NGX_LLMOPS_MAX_PAIRS    1024       /* names to remember: they are
                                              looked up one by one */
#define NGX_LLMOPS_WARN_MAX     1024       /* bytes of each list of warnings */


typedef enum {
    NGX_LLMOPS_EV_START = 0,
    NGX_LLMOPS_EV_TEXT,
    NGX_LLMOPS_EV_REASONING,
    NGX_LLMOPS_EV_SIGNATURE,               /* of the reasoning before it */
    NGX_LLMOPS_EV_REDACTED,                /* opaque reasoning */
    NGX_LLMOPS_EV_REFUSAL,
    NGX_LLMOPS_EV_TOOL_START,
    NGX_LLMOPS_EV_TOOL_ARGS,
    NGX_LLMOPS_EV_TOOL_END,
    NGX_LLMOPS_EV_FINISH,
    NGX_LLMOPS_EV_PING,
    NGX_LLMOPS_EV_END,
    NGX_LLMOPS_EV_MAX
} ngx_llmops_ev_e;


/* how a tool call reaches the caller */

typedef enum {
    NGX_LLMOPS_SLOT_CALL = 0,              /* as a call of a function */
    NGX_LLMOPS_SLOT_CUSTOM,                /* as a call with free text */
    NGX_LLMOPS_SLOT_JSON                   /* as the answer's text */
} ngx_llmops_slot_e;


/* one tool call of a stream */

typedef struct {
    int64_t                    key;        /* how the decoder knows it */
    ngx_llmops_slot_e          kind;
    ngx_uint_t                 index;      /* among those the caller sees */
    char                      *native;     /* id as the provider gave it */
    char                      *id;         /* id and name for the caller */
    char                      *name;
    ngx_llmops_out_t           held;       /* arguments that have to wait */
    ngx_uint_t                 depth;      /* of the arguments so far */
    unsigned                   ended:1;
    unsigned                   fragments:1;    /* there were arguments */
    unsigned                   complete:1;     /* they are a whole object */
    unsigned                   in_string:1;
    unsigned                   escape:1;
    unsigned                   begun:1;    /* the encoder's: it was opened */
    unsigned                   closed:1;   /* the encoder's: it was closed */
} ngx_llmops_slot_t;


typedef struct {
    ngx_llmops_ev_e            type;
    ngx_llmops_slot_t         *slot;       /* TOOL_* */
    ngx_str_t                  text;       /* a delta; FINISH: the matched
                                              stop string, if any */
    ngx_llmops_finish_e        finish;
} ngx_llmops_ev_t;


typedef struct {
    const char                *dialect;    /* ngx_llmops_dialect_t.name */
    ngx_llmops_op_e            op;         /* that can be translated */

    /*
     * New trees, or NULL.  request_in and response_in take the parsed body;
     * response_in returns NULL, too, for what is no answer of the dialect.
     */
    json_t                  *(*request_in)(ngx_llmops_xlate_t *x,
                                 json_t *body);
    json_t                  *(*request_out)(ngx_llmops_xlate_t *x,
                                 json_t *neutral, const char *target);
    json_t                  *(*response_in)(ngx_llmops_xlate_t *x,
                                 json_t *body, ngx_llmops_usage_t *usage);
    json_t                  *(*response_out)(ngx_llmops_xlate_t *x,
                                 json_t *neutral, ngx_llmops_usage_t *usage);

    /*
     * Appends the stream that would have said a whole answer of this dialect
     * to x->out, with all that is in it.  NGX_OK, or NGX_DECLINED for what is
     * no answer of the dialect.
     */
    ngx_int_t                (*replay)(ngx_llmops_xlate_t *x, json_t *body);

    /* event_in emits; event_out appends to x->out */
    void                     (*event_in)(ngx_llmops_xlate_t *x,
                                 ngx_str_t *name, ngx_str_t *data);
    void                     (*event_out)(ngx_llmops_xlate_t *x,
                                 ngx_llmops_ev_t *ev);

    /* state of a stream, x->in and x->enc, zeroed before each */
    size_t                     in_size;
    size_t                     out_size;
    void                     (*out_free)(void *state);

    const char                *id_prefix;  /* of answers */
    const char                *call_prefix;    /* of tool calls */
    size_t                     call_max;   /* bytes of a tool call's id */
    size_t                     tool_max;   /* bytes of a tool's name */
} ngx_llmops_codec_t;


typedef struct {
    char                      *from;
    char                      *to;
} ngx_llmops_pair_t;


typedef struct {
    ngx_llmops_pair_t         *pairs;
    ngx_uint_t                 n;
    ngx_uint_t                 size;
} ngx_llmops_pairs_t;


struct ngx_llmops_xlate_s {
    const ngx_llmops_codec_t  *caller;
    const ngx_llmops_codec_t  *provider;
    char                      *model;      /* as the caller named it */
    int64_t                    created;
    unsigned                   stream:1;
    unsigned                   want_usage:1;
    unsigned                   strict:1;
    unsigned                   legacy:1;   /* the caller has functions, not
                                              tools: there is one call */
    unsigned                   nomem:1;
    unsigned                   declined:1; /* message, param, code say why */
    size_t                     piece;      /* _xlate_pieces() */

    /* what was learned from the request; see ngx_llmops_xlate_note.c */
    ngx_llmops_out_t           dropped;
    ngx_llmops_out_t           approx;
    ngx_llmops_out_t           renamed;
    ngx_llmops_out_t           warning;
    ngx_str_t                  warnings;
    ngx_str_t                  headers;
    ngx_llmops_pairs_t         names;      /* tools: caller's -> provider's */
    ngx_llmops_pairs_t         custom;     /* tools with free text */
    char                      *json_tool;  /* a tool that stands for the
                                              response format, or NULL */
    char                       message[512];
    char                       param[128];
    const char                *code;

    /* the stream; see ngx_llmops_xlate_stream.c */
    ngx_llmops_out_t          *out;
    ngx_llmops_usage_t         usage;
    void                      *in;
    void                      *enc;
    ngx_llmops_slot_t        **slots;
    ngx_uint_t                 nslots;
    ngx_uint_t                 slots_size;
    ngx_uint_t                 ntools;     /* that the caller sees */
    ngx_llmops_finish_e        finish;
    size_t                     stop_len;
    ngx_llmops_out_t           joined;     /* an event; see .._half.c */
    char                       half[6];    /* an escape, or "" */
    unsigned                   started:1;
    unsigned                   finished:1;
    unsigned                   ended:1;
    unsigned                   refused:1;
    char                       id[128];
    char                       stop[256];
};


extern const ngx_llmops_codec_t  ngx_llmops_openai_codec;
extern const ngx_llmops_codec_t  ngx_llmops_anthropic_codec;


/* building trees: the value is taken over */

void ngx_llmops_set(ngx_llmops_xlate_t *x, json_t *object, const char *key,
    json_t *value);
void ngx_llmops_append(ngx_llmops_xlate_t *x, json_t *array, json_t *value);
json_t *ngx_llmops_object(ngx_llmops_xlate_t *x);
json_t *ngx_llmops_array(ngx_llmops_xlate_t *x);

/* {"type": type} */
json_t *ngx_llmops_typed(ngx_llmops_xlate_t *x, const char *type);

/* the member as it is, if the source has it and it is not null */
void ngx_llmops_copy(ngx_llmops_xlate_t *x, json_t *to, const char *key,
    json_t *from, const char *from_key);

/* joining texts: any number of gather()s, then gathered() makes the string
   and frees out */
#define ngx_llmops_gather_init(out)                                           \
    ngx_llmops_out_init(out, NGX_MAX_SIZE_T_VALUE / 4)
void ngx_llmops_gather(ngx_llmops_out_t *out, const char *text, size_t len,
    const char *separator);
json_t *ngx_llmops_gathered(ngx_llmops_xlate_t *x, ngx_llmops_out_t *out);

/* Sets a member to a value that has been written, and frees out. */
void ngx_llmops_set_gathered(ngx_llmops_xlate_t *x, json_t *object,
    const char *key, ngx_llmops_out_t *out);


/* notes of what a request loses; in strict mode they refuse it */

void ngx_llmops_drop(ngx_llmops_xlate_t *x, const char *param);
void ngx_llmops_approx(ngx_llmops_xlate_t *x, const char *param,
    const char *how);

/* The request cannot be said; the first reason stays. */
void ngx_llmops_refuse(ngx_llmops_xlate_t *x, const char *param,
    const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#define ngx_llmops_unsupported(x, param, what)                                \
    ngx_llmops_refuse(x, param, "unsupported_parameter",                      \
        "%s cannot be translated for the provider of this model", what)


/* names and ids */

/* The provider's name of a tool, at most tool_max bytes of [A-Za-z0-9_-];
   one that had to change is remembered.  Malloc'd. */
char *ngx_llmops_tool_name(ngx_llmops_xlate_t *x, const char *name);

/* The caller's name of a tool that the provider calls. */
const char *ngx_llmops_tool_restore(ngx_llmops_xlate_t *x, const char *name);

/* An id of at most max bytes of [A-Za-z0-9_-], the same for the same id, so
   that calls and results still meet.  Malloc'd. */
char *ngx_llmops_safe_id(ngx_llmops_xlate_t *x, const char *id, size_t max);

/* prefix and random hex digits in dst[size] */
void ngx_llmops_random_id(char *dst, size_t size, const char *prefix);

uint64_t ngx_llmops_fnv(const void *p, size_t len, uint64_t seed);

ngx_int_t ngx_llmops_pair_add(ngx_llmops_xlate_t *x, ngx_llmops_pairs_t *list,
    const char *from, const char *to);
const char *ngx_llmops_pair_from(ngx_llmops_pairs_t *list, const char *to);
const char *ngx_llmops_pair_to(ngx_llmops_pairs_t *list, const char *from);
void ngx_llmops_pairs_free(ngx_llmops_pairs_t *list);

char *ngx_llmops_dup(ngx_llmops_xlate_t *x, const char *s);


/* the end of an answer, with what the driver knows of it */
ngx_llmops_finish_e ngx_llmops_finish_resolve(ngx_llmops_finish_e finish,
    ngx_uint_t tools, ngx_uint_t refused);

/* a finish_reason, as in neutral answers; unknown ones are STOP */
ngx_llmops_finish_e ngx_llmops_finish_parse(const char *reason);
const char *ngx_llmops_finish_text(ngx_llmops_finish_e finish);


/* tool calls of a whole answer as the caller knows them */
void ngx_llmops_answer_restore(ngx_llmops_xlate_t *x, json_t *choice);

/* the free text in the arguments of a custom tool; a new value */
json_t *ngx_llmops_custom_input(ngx_llmops_xlate_t *x, const char *args,
    size_t len);


/* the sink of decoders */

void ngx_llmops_emit_start(ngx_llmops_xlate_t *x, const char *id);
void ngx_llmops_emit(ngx_llmops_xlate_t *x, ngx_llmops_ev_e type,
    const char *text, size_t len);
void ngx_llmops_emit_string(ngx_llmops_xlate_t *x, ngx_llmops_ev_e type,
    json_t *v);

/* Blocks of thinking: their signatures, what is redacted, and their texts. */
void ngx_llmops_emit_thinking(ngx_llmops_xlate_t *x, json_t *blocks,
    ngx_uint_t texts);
ngx_llmops_slot_t *ngx_llmops_slot(ngx_llmops_xlate_t *x, int64_t key);
ngx_llmops_slot_t *ngx_llmops_emit_tool(ngx_llmops_xlate_t *x, int64_t key,
    const char *id, const char *name);
void ngx_llmops_emit_args(ngx_llmops_xlate_t *x, ngx_llmops_slot_t *slot,
    const char *p, size_t len);
void ngx_llmops_emit_tool_end(ngx_llmops_xlate_t *x, ngx_llmops_slot_t *slot);
void ngx_llmops_emit_finish(ngx_llmops_xlate_t *x, ngx_llmops_finish_e finish,
    json_t *stop_sequence);
void ngx_llmops_emit_end(ngx_llmops_xlate_t *x);

/* the events of a whole neutral answer */
void ngx_llmops_emit_answer(ngx_llmops_xlate_t *x, json_t *neutral);

/* Joins the halves of a character that two events of a stream have: data may
   become a copy, which lives until the next call.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_half(ngx_llmops_xlate_t *x, ngx_str_t *data);

/* makes and forgets the state of a stream */
ngx_int_t ngx_llmops_stream_init(ngx_llmops_xlate_t *x);
void ngx_llmops_stream_free(ngx_llmops_xlate_t *x);


/* "{" ... "}": the arguments of a call as an object, also from bad text */
ngx_uint_t ngx_llmops_is_object(const char *p, size_t len);


#endif /* _NGX_LLMOPS_CODEC_H_INCLUDED_ */
