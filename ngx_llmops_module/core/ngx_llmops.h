
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_H_INCLUDED_
#define _NGX_LLMOPS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_llmops_json.h"
#include "ngx_llmops_sse.h"
#include "ngx_llmops_out.h"
#include "ngx_llmops_dialect.h"
#include "ngx_llmops_xlate.h"
#include "ngx_llmops_zone.h"
#include "ngx_llmops_store.h"


/*
 * The words that all rooms share: what the configuration becomes, and the
 * one context of a request.  A request goes read -> plan -> call -> account;
 * each stage writes its own part of the context and reads only the earlier
 * ones.
 */


#define NGX_LLMOPS_VERSION          "0.1.0"

/* blocks of our own: private bits of ngx_command_t.type */
#define NGX_LLMOPS_ROUTE_CONF       0x00800000
#define NGX_LLMOPS_RULES_CONF       0x00100000


typedef struct ngx_llmops_main_conf_s  ngx_llmops_main_conf_t;
typedef struct ngx_llmops_provider_s   ngx_llmops_provider_t;
typedef struct ngx_llmops_endpoint_s   ngx_llmops_endpoint_t;
typedef struct ngx_llmops_route_s      ngx_llmops_route_t;
typedef struct ngx_llmops_target_s     ngx_llmops_target_t;
typedef struct ngx_llmops_ctx_s        ngx_llmops_ctx_t;
typedef struct ngx_llmops_inflate_s    ngx_llmops_inflate_t;
typedef struct ngx_llmops_ruled_s      ngx_llmops_ruled_t;


/* where a name stands in the configuration, for errors found later */

typedef struct {
    ngx_str_t                  file;
    ngx_uint_t                 line;
} ngx_llmops_place_t;


/* USD per token, times 10^12; -1: not given */

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
    ngx_array_t               *tiers;      /* of ngx_llmops_price_tier_t */
} ngx_llmops_price_t;


/* how an attempt ended, as a metric's label */

typedef enum {
    NGX_LLMOPS_OUTCOME_2XX = 0,            /* also 1xx and 3xx */
    NGX_LLMOPS_OUTCOME_4XX,
    NGX_LLMOPS_OUTCOME_429,
    NGX_LLMOPS_OUTCOME_5XX,
    NGX_LLMOPS_OUTCOME_CONNECT,
    NGX_LLMOPS_OUTCOME_FIRST_TOKEN,
    NGX_LLMOPS_OUTCOME_TOTAL,
    NGX_LLMOPS_OUTCOME_IDLE,
    NGX_LLMOPS_OUTCOME_FIRST_EVENT,
    NGX_LLMOPS_OUTCOME_INVALID,
    NGX_LLMOPS_OUTCOME_CLOSED,
    NGX_LLMOPS_OUTCOME_MAX
} ngx_llmops_outcome_e;


/* shared by all workers: one of each target ("provider/model"); how many
   requests it has in flight is counted by each worker for itself, see
   ngx_llmops_target_in_flight() */

typedef struct {
    ngx_atomic_t               blocked_until;  /* ngx_llmops_ticks(): the
                                                  provider asked to wait */
    ngx_atomic_t               blocked_status; /* that came with it */
    ngx_atomic_t               failures;   /* in a row */
    ngx_atomic_t               open_until; /* the breaker is open */
    ngx_atomic_t               ewma_first_token;  /* us */
    ngx_atomic_t               remaining_requests;  /* + 1; 0: unknown */
    ngx_atomic_t               remaining_tokens;
    ngx_atomic_t               limit_requests;
    ngx_atomic_t               limit_tokens;
    ngx_atomic_t               failed_at;  /* ms since the epoch: the last
                                              attempt that has failed, and */
    ngx_atomic_t               failed_how; /* ngx_llmops_outcome_e */
    ngx_atomic_t               attempts[NGX_LLMOPS_OUTCOME_MAX];
} ngx_llmops_target_sh_t;


/* route{}'s target and fallback lines */

/* rollout/: the registry's counters that a target's requests have met last, in
   this worker, so that the next one need not look for them */

typedef struct {
    ngx_llmops_route_t        *route;      /* NULL: none yet */
    void                      *target;
    void                      *model;      /* NULL: none yet */
    size_t                     model_len;
    u_char                     model_name[64];
} ngx_llmops_served_t;


struct ngx_llmops_target_s {
    ngx_str_t                  name;       /* as written: "openai/gpt-4.1" */
    ngx_str_t                  model;      /* len 0: the caller's name */
    ngx_llmops_provider_t     *provider;
    ngx_llmops_route_t        *route;
    ngx_llmops_price_t        *price;      /* NULL: unknown, or by request */
    ngx_uint_t                 weight;
    ngx_llmops_target_sh_t    *sh;         /* NULL if the zone is full */
    ngx_atomic_t              *in_flight;  /* this worker's own count, in the
                                              zone; NULL without one */
    void                     **series;     /* ops/: by operation, may be NULL */
    ngx_llmops_place_t         place;
    ngx_llmops_served_t        served;
    unsigned                   fallback:1;
};


/* what may be tried again on another target */

#define NGX_LLMOPS_ON_CONNECT       0x00000001
#define NGX_LLMOPS_ON_TIMEOUT       0x00000002
#define NGX_LLMOPS_ON_408           0x00000004
#define NGX_LLMOPS_ON_409           0x00000008
#define NGX_LLMOPS_ON_425           0x00000010
#define NGX_LLMOPS_ON_429           0x00000020
#define NGX_LLMOPS_ON_5XX           0x00000040
#define NGX_LLMOPS_ON_AUTH          0x00000080     /* 401, 402, 403 */
#define NGX_LLMOPS_ON_404           0x00000100
#define NGX_LLMOPS_ON_FIRST_EVENT   0x00000200
#define NGX_LLMOPS_ON_INVALID       0x00000400
#define NGX_LLMOPS_ON_DEFAULT       0x000007ff
#define NGX_LLMOPS_ON_CHECK         0x00000800     /* a rule says so: always */

#define NGX_LLMOPS_MAX_TARGETS      32     /* of a route, with fallbacks */


typedef enum {
    NGX_LLMOPS_SELECT_WEIGHT = 0,
    NGX_LLMOPS_SELECT_COST,
    NGX_LLMOPS_SELECT_LATENCY,
    NGX_LLMOPS_SELECT_HEADROOM
} ngx_llmops_select_e;


struct ngx_llmops_route_s {
    ngx_str_t                  name;
    ngx_array_t                matches;    /* of ngx_str_t */
    ngx_array_t                targets;    /* of ngx_llmops_target_t,
                                              fallbacks after the targets */
    ngx_uint_t                 ntargets;   /* without fallbacks */
    ngx_uint_t                 total_weight;
    ngx_uint_t                 select;
    ngx_uint_t                 attempts;
    ngx_uint_t                 retry_on;
    ngx_msec_t                 retry_timeout;
    ngx_flag_t                 strict;
    ngx_array_t               *rules;      /* of ngx_str_t: names, or NULL */
    ngx_llmops_place_t         rules_place;
    ngx_llmops_ruled_t        *ruled;      /* check/: NULL: no rules */
    ngx_array_t               *limits;     /* guard/: "limit", or NULL */
    ngx_array_t               *countries;  /* guard/: "country", or NULL */
    void                      *prompt;     /* prompt/: "prompt" and the like */
    void                      *retrieve;   /* retrieve/: "retrieve", or NULL */
    void                      *cache;      /* cache/: "cache", or NULL */
    void                      *rollout;    /* rollout/: "canary", or NULL */
    ngx_array_t               *shadows;    /* rollout/: "shadow", or NULL */
    void                      *sample;     /* samples/: "sample", or NULL */
    void                     **series;     /* ops/: of requests that had no
                                              target, by operation; NULL: of
                                              this worker there were none */
    ngx_llmops_place_t         place;
};


/* a name that leads to a route */

typedef struct {
    ngx_str_t                  name;
    ngx_llmops_route_t        *route;
} ngx_llmops_name_t;


struct ngx_llmops_main_conf_s {
    ngx_array_t                providers;  /* of ngx_llmops_provider_t * */
    ngx_array_t                routes;     /* of ngx_llmops_route_t * */
    ngx_array_t                models;     /* of ngx_llmops_name_t, sorted:
                                              exact names of models */
    ngx_array_t                names;      /* the same: names of routes */
    ngx_array_t                prefixes;   /* of ngx_llmops_name_t: "name*",
                                              longest first */
    ngx_llmops_route_t        *any;        /* "match *", or NULL */
    ngx_hash_t                 dropped;    /* request headers that do not
                                              cross to a provider */
    ngx_http_upstream_srv_conf_t  *outer;  /* the synthetic balancer */
    ngx_http_upstream_conf_t  *outer_conf; /* [2]: by ignore_client_abort */
    ngx_shm_zone_t            *zone;
    void                      *global;     /* ops/: of this worker, NULL: no
                                              counting */
    ngx_str_t                  prices_file;
    ngx_array_t               *prices;     /* ops/: of llm_prices, or NULL */
    ngx_path_t                *state;      /* llm_state, or NULL */
    ngx_array_t               *patterns;   /* check/: of llm_pattern, or NULL */
    ngx_array_t               *rulesets;   /* check/: of llm_rules, or NULL */
    ngx_llmops_store_t        *store;
    void                      *redis;      /* store/: llm_redis, or NULL */
    void                      *keys;       /* guard/: llm_keys, llm_jwt, geo */
    void                      *limits;     /* guard/: llm_limit, llm_quota */
    void                      *prompts;    /* prompt/: NULL: none is used */
    void                      *indexes;    /* retrieve/: llm_index, or NULL */
    void                      *cache;      /* cache/: NULL: no route has one */
    void                      *rollouts;   /* rollout/: NULL: no "canary" */
    void                      *feedback;   /* rollout/: llm_feedback, or NULL */
    void                      *evaluations;    /* evaluate/: NULL: nobody could
                                              ask for one */
    ngx_array_t               *named;      /* route/: of ngx_llmops_target_t *
                                              of target_named(), or NULL */
    void                      *detached;   /* call/: bounds, and what a worker
                                              has under way */
    void                      *samples;    /* samples/: NULL: none are kept */
    time_t                     started;
    unsigned                   used:1;     /* some location has llm_pass,
                                              llm_metrics or llm_admin */
    unsigned                   admin:1;    /* some location has llm_admin */
};


typedef struct {
    ngx_flag_t                 pass;       /* the location has llm_pass */
    ngx_http_complex_value_t  *route;      /* NULL: by the model's name */
    ngx_llmops_route_t        *fixed;      /* a constant name, resolved */
    ngx_llmops_place_t         place;
    ngx_flag_t                 ignore_client_abort;
    size_t                     buffer_size;
    ngx_uint_t                 response_headers;   /* ops/: bits */
    void                      *auth;       /* guard/: llm_auth, or NULL */
    ngx_uint_t                 admin;      /* ops/: llm_admin */
} ngx_llmops_loc_conf_t;


/* one step of a plan */

typedef struct {
    ngx_llmops_target_t       *target;
    const ngx_llmops_dialect_t  *dialect;  /* the provider's, for him */
    ngx_llmops_op_e            op;         /* the provider's operation */
    unsigned                   translate:1;
} ngx_llmops_step_t;


typedef struct {
    ngx_llmops_route_t        *route;
    ngx_llmops_step_t         *steps;
    ngx_uint_t                 nsteps;
    ngx_msec_t                 wait;       /* nsteps == 0: ms until a target
                                              may be asked again, or 0 */
    ngx_uint_t                 wait_status;
    unsigned                   unsupported:1;  /* no target serves the op */
} ngx_llmops_plan_t;


/* why the present attempt failed */

typedef enum {
    NGX_LLMOPS_FAIL_NONE = 0,
    NGX_LLMOPS_FAIL_CONNECT,
    NGX_LLMOPS_FAIL_FIRST_TOKEN,           /* our timer */
    NGX_LLMOPS_FAIL_TOTAL,
    NGX_LLMOPS_FAIL_IDLE,
    NGX_LLMOPS_FAIL_STATUS,
    NGX_LLMOPS_FAIL_FIRST_EVENT,
    NGX_LLMOPS_FAIL_INVALID,
    NGX_LLMOPS_FAIL_CLOSED,
    NGX_LLMOPS_FAIL_CHECK,                 /* a rule is broken */
    NGX_LLMOPS_FAIL_CUT                    /* by us: its model is withdrawn */
} ngx_llmops_fail_e;


/* looks for usage in a whole answer that passes */

#define NGX_LLMOPS_BODY_CAPTURE  2048
#define NGX_LLMOPS_BODY_TAIL     768

typedef struct {
    ngx_llmops_json_scan_t     scan;
    ngx_llmops_json_member_t   found[NGX_LLMOPS_JSON_MAX_WANT];
    size_t                     tail_len;
    u_char                     capture[NGX_LLMOPS_BODY_CAPTURE];
    u_char                     tail[NGX_LLMOPS_BODY_TAIL];
} ngx_llmops_body_scan_t;


/* an attempt and its answer: call/ alone writes it */

typedef struct {
    ngx_uint_t                 cur;        /* index into plan.steps */
    ngx_uint_t                 attempts;   /* that a socket was asked for */
    ngx_uint_t                 max_attempts;

    /* the provider's own balancer, behind ours */
    void                      *inner_data;
    ngx_event_get_peer_pt      inner_get;
    ngx_event_free_peer_pt     inner_free;
    ngx_event_notify_peer_pt   inner_notify;
#if (NGX_SSL || NGX_COMPAT)
    ngx_event_set_peer_session_pt   inner_set_session;
    ngx_event_save_peer_session_pt  inner_save_session;
#endif
    ngx_uint_t                 inner_tries;

    ngx_event_t                timer;      /* first token, then idle */
    ngx_event_t                deadline;   /* total */
    ngx_msec_t                 first;      /* when the first attempt began */
    ngx_msec_t                 started;    /* of this attempt */

    ngx_http_status_t          status;
    ngx_uint_t                 real_status;    /* for $upstream_status */
    ngx_http_chunked_t         chunked;
    off_t                      length;     /* body bytes to come, -1: unknown */

    ngx_llmops_fail_e          fail;
    ngx_llmops_sse_t           sse;
    ngx_llmops_out_t           held;       /* whole body, or translated bytes */
    ngx_llmops_out_t           body;       /* translated request body */
    ngx_llmops_out_t           parked;     /* read, while the stream waits */
    ngx_llmops_out_t           last_event; /* its data, of one that waits */
    ngx_llmops_responses_state_t  *responses;  /* of a stream that a budget may
                                                  end, or NULL */
    ngx_llmops_body_scan_t    *scan;       /* of a whole body that passes */
    ngx_llmops_xlate_t        *xlate;
    ngx_llmops_inflate_t      *inflate;    /* of a compressed answer */
    struct ngx_llmops_check_s *check;      /* of the answer, if it has rules */
    ngx_llmops_out_t           unchecked;  /* translated, on its way there */
    uint64_t                   noted;      /* rules that are in the list */
    size_t                     ahead;      /* bytes of u->buffer that the
                                              header stage has used */

    ngx_chain_t              **last;       /* end of u->out_bufs, if any */
    ngx_send_chain_pt          send_chain; /* the caller's own, or NULL */

    size_t                     peeked;     /* bytes of u->buffer looked at */

    unsigned                   entered:1;
    unsigned                   again:1;    /* the same target, asked anew */
    unsigned                   got:1;      /* inner get without its free */
    unsigned                   counted:1;  /* in target's in_flight */
    unsigned                   streaming:1;    /* the answer is a stream */
    unsigned                   json:1;     /* it says it is JSON */
    unsigned                   encoded:1;  /* compressed, and left so */
    unsigned                   is_chunked:1;
    unsigned                   hold:1;     /* gather the body, then write */
    unsigned                   committed:1;    /* bytes go to the caller */
    unsigned                   complete:1; /* the body's framing has ended */
    unsigned                   broken:1;   /* framing error, reset */
    unsigned                   finished:1; /* the finalize hook has run */
    unsigned                   provider_error:1;   /* status >= 400 */
    unsigned                   partial:1;  /* inside an oversized event */
    unsigned                   metered:1;  /* the whole body has been read */
    unsigned                   ended:1;    /* the end has been written */
    unsigned                   stopped:1;  /* by us, at a budget's end */
    unsigned                   replaced:1; /* by a rule's fixed text */
    unsigned                   paused:1;   /* the stream waits for a verdict */
    unsigned                   replay:1;   /* events come from parked */
    unsigned                   clean:1;    /* nothing came behind the body */
    unsigned                   extra:1;    /* bytes behind the body's end */
    unsigned                   left:1;     /* what it has used is in spent */
} ngx_llmops_call_t;


/* by attempts whose answers nobody got */

typedef struct {
    ngx_llmops_usage_t         usage;
    int64_t                    cost;       /* 10^-12 USD; -1: unknown */
} ngx_llmops_spent_t;


/* the caller's headers that decide something, found in one walk */

typedef struct {
    ngx_str_t                 *encoding;   /* Content-Encoding */
    unsigned                   hop:1;      /* Connection may name headers */
    unsigned                   anthropic:1;    /* such a client sends it */
} ngx_llmops_heads_t;


struct ngx_llmops_ctx_s {
    ngx_http_request_t        *request;
    ngx_int_t                  read_rc;    /* verdict of the read stage */
    ngx_str_t                  id;         /* x-llm-request-id */
    ngx_llmops_heads_t         heads;      /* read */

    ngx_str_t                  memory;     /* body in one piece, or NULL */
    struct ngx_llmops_prompt_s  *prompt;   /* of the request, or NULL */
    struct ngx_llmops_prompt_asking_s  *prompting;  /* prompt/: or NULL, and */
    void                     (*prompt_resume)(ngx_http_request_t *r);
    struct ngx_llmops_retrieved_s  *retrieved;  /* retrieve: what was found for
                                              its prompt, or NULL */
    struct ngx_llmops_arm_s   *arm;        /* rollout: its arm, or NULL */
    ngx_uint_t                 stage;      /* of the content handler */
    ngx_llmops_route_t        *route;      /* NULL: not found yet */
    ngx_llmops_plan_t          plan;       /* plan */
    ngx_llmops_call_t          call;       /* call */
    ngx_llmops_meter_t         meter;      /* call, by the dialect's taps */
    ngx_llmops_spent_t        *spent;      /* call: beside it, until the end;
                                              or NULL */
    struct ngx_llmops_identity_s  *identity;   /* guard: who calls, or NULL */
    void                      *auth;       /* guard's own: while it asks */
    struct ngx_llmops_limits_s  *limits;   /* guard: what is held, or NULL */
    struct ngx_llmops_cached_s  *cached;   /* cache: NULL: the route has none */
    size_t                     limits_at;  /* guard: tokens of output at which
                                              it wants to be asked again */
    ngx_llmops_target_t       *target;     /* of the answer, or the last one */
    ngx_llmops_err_e           error;      /* how it ended */
    ngx_llmops_error_t        *refusal;    /* what we say instead */
    ngx_uint_t                 retry;      /* seconds of retry-after */
    ngx_str_t                  stream_error;   /* a provider's message */
    ngx_str_t                  error_body;
    ngx_str_t                  warnings;
    ngx_array_t               *checked;    /* check/: what rules have done */
    struct ngx_llmops_ruling_s  *ruling;   /* check/: of this one, or NULL */
    struct ngx_llmops_asking_s  *asking;   /* check/: who is being asked, or
                                              NULL */
    ngx_llmops_out_t          *kept;       /* call/: what has gone to the
                                              caller, or NULL: nobody asks */
    void                      *shadow;     /* rollout/: or NULL */
    struct ngx_llmops_detached_engine_s  *detached;    /* call/: NULL: it has a
                                              caller */

    ngx_msec_t                 start;      /* ngx_current_msec at read */
    ngx_msec_t                 first_token;    /* ms from start; -1: none */
    ngx_msec_t                 total;      /* the same: the answer's end; -1:
                                              there was none */
    int64_t                    cost;       /* 10^-12 USD; -1: unknown */

    unsigned                   accounted:1;
    unsigned                   own_error:1;    /* the answer is ours */
    unsigned                   own_sent:1;
    unsigned                   keepalive:1;    /* stays, though it is refused */
    unsigned                   client_gone:1;
    unsigned                   waiting:1;
    unsigned                   sampled:2;  /* samples/: it is to be recorded */

    ngx_llmops_envelope_t      env;        /* read; last, as what it ends with
                                              is not zeroed */
};


extern ngx_module_t  ngx_llmops_module;


/* Notes what x-llm-warnings will say, copied.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_set_warnings(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_str_t *warnings);

/* Room for a new request's id (32 hex digits) in pool. NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_id(ngx_pool_t *pool, ngx_str_t *id);

/* A request's first header of that lowercase name, or NULL. */
ngx_table_elt_t *ngx_llmops_header_in(ngx_http_request_t *r,
    const char *name, size_t len);

/* Appends a header to an answer's; name and value's bytes live as long as the
   request.  NULL: out of memory. */
ngx_table_elt_t *ngx_llmops_header_out(ngx_http_request_t *r,
    const char *name, ngx_str_t *value);


/*
 * A walk over a list of headers, a request's or an answer's: _first() and
 * _next() give one after the other, then NULL.  A list must not grow while
 * it is walked over.
 */

typedef struct {
    ngx_list_part_t           *part;
    ngx_uint_t                 i;          /* of the next one in the part */
} ngx_llmops_walk_t;


static ngx_inline ngx_table_elt_t *
ngx_llmops_header_next(ngx_llmops_walk_t *w)
{
    while (w->i == w->part->nelts) {

        if (w->part->next == NULL) {
            return NULL;
        }

        w->part = w->part->next;
        w->i = 0;
    }

    return (ngx_table_elt_t *) w->part->elts + w->i++;
}


static ngx_inline ngx_table_elt_t *
ngx_llmops_header_first(ngx_llmops_walk_t *w, ngx_list_t *headers)
{
    w->part = &headers->part;
    w->i = 0;

    return ngx_llmops_header_next(w);
}


/* Whether a header has that name, a literal in lower case. */
#define ngx_llmops_header_is(h, name)                                         \
    ((h)->key.len == sizeof(name) - 1                                         \
     && ngx_memcmp((h)->lowcase_key, name, sizeof(name) - 1) == 0)


/* Makes the context of a request, with its id and cleanups; NULL if out of
   memory. */
ngx_llmops_ctx_t *ngx_llmops_ctx_create(ngx_http_request_t *r);

/* How long the request has taken, or takes until now: ms from its start to the
   end of its answer.  It may be logged later: nginx reads for a while what a
   caller sends who is told that the connection ends. */
ngx_msec_t ngx_llmops_ctx_total(ngx_llmops_ctx_t *ctx);

/* A context was made; it is over (called once). */
void ngx_llmops_ctx_entered(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx);
void ngx_llmops_ctx_left(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx);

/* ctx of a request, also after an internal redirect; NULL if none. */
ngx_llmops_ctx_t *ngx_llmops_ctx(ngx_http_request_t *r);

/* Milliseconds since the epoch, from nginx's cached time. */
#define ngx_llmops_now()                                                      \
    ((int64_t) ngx_cached_time->sec * 1000 + ngx_cached_time->msec)

/* The same, of a clock that nobody sets: ms since the machine's start, alike in
   all processes on it.  For what is to last so long, and is over with nginx
   (CLOCK_MONOTONIC; since nginx 1.13.10). */
#define ngx_llmops_ticks()                                                    \
    ((int64_t) ngx_current_msec)


#endif /* _NGX_LLMOPS_H_INCLUDED_ */
