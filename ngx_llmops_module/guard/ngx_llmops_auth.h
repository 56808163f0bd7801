
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_AUTH_H_INCLUDED_
#define _NGX_LLMOPS_AUTH_H_INCLUDED_


#include "ngx_llmops_guard.h"
#include "ngx_llmops_key_check.h"
#include "ngx_llmops_jwt.h"


/*
 * What the files of identity know of each other, and core of its directives:
 *
 *   ngx_llmops_auth.c             a request's way from credential to verdict
 *   ngx_llmops_auth_store.c       keys of the store
 *   ngx_llmops_auth_wait.c        suspending, resuming
 *   ngx_llmops_auth_credential.c  credentials in headers
 *   ngx_llmops_auth_verdict.c     what is said of a verdict
 *   ngx_llmops_auth_access.c      what a known caller may use
 *   ngx_llmops_auth_cache.c       identities that a worker knows
 *   ngx_llmops_auth_identity.c    their memory
 *   ngx_llmops_auth_variables.c   $llm_client ...
 *   ngx_llmops_auth_conf.c        llm_auth, country; start and stop
 */


typedef struct ngx_llmops_auth_s        ngx_llmops_auth_t;
typedef struct ngx_llmops_auth_entry_s  ngx_llmops_auth_entry_t;
typedef struct ngx_llmops_auth_cache_s  ngx_llmops_auth_cache_t;
typedef struct ngx_llmops_key_table_s   ngx_llmops_key_table_t;
typedef struct ngx_llmops_jwt_s         ngx_llmops_jwt_t;
typedef struct ngx_llmops_geo_s         ngx_llmops_geo_t;


/* -- configuration --------------------------------------------------------- */

/* llm_auth, as llcf->auth points to it */

typedef enum {
    NGX_LLMOPS_AUTH_OFF = 0,
    NGX_LLMOPS_AUTH_OPTIONAL,
    NGX_LLMOPS_AUTH_ON
} ngx_llmops_auth_mode_e;

/* mcf->keys */

typedef struct {
    ngx_llmops_key_table_t    *table;      /* of llm_keys, or NULL */
    ngx_array_t                jwts;       /* of ngx_llmops_jwt_t * */
    ngx_llmops_geo_t          *geo;        /* of llm_geo, or NULL */
    ngx_llmops_place_t         countries;  /* where some countries stand that
                                              need it, line 0: nowhere */

    /* of this worker, NULL without memory */
    ngx_llmops_auth_cache_t   *known;
    ngx_llmops_auth_cache_t   *unknown;
} ngx_llmops_auth_conf_t;


char *ngx_llmops_auth_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);                           /* llm_auth on | off | optional */
char *ngx_llmops_keys_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);                           /* llm_keys FILE */
char *ngx_llmops_jwt_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);                           /* llm_jwt NAME name=value ... */
char *ngx_llmops_geo_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);                           /* llm_geo FILE */
char *ngx_llmops_country_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);                           /* country XX ... */

#define NGX_LLMOPS_AUTH_COMMANDS                                              \
    { ngx_string("llm_auth"),                                                 \
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,  \
      ngx_llmops_auth_directive,                                              \
      NGX_HTTP_LOC_CONF_OFFSET,                                               \
      0,                                                                      \
      NULL },                                                                 \
    { ngx_string("llm_keys"),                                                 \
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,                                      \
      ngx_llmops_keys_directive,                                              \
      NGX_HTTP_MAIN_CONF_OFFSET,                                              \
      0,                                                                      \
      NULL },                                                                 \
    { ngx_string("llm_jwt"),                                                  \
      NGX_HTTP_MAIN_CONF|NGX_CONF_2MORE,                                      \
      ngx_llmops_jwt_directive,                                               \
      NGX_HTTP_MAIN_CONF_OFFSET,                                              \
      0,                                                                      \
      NULL },                                                                 \
    { ngx_string("llm_geo"),                                                  \
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,                                      \
      ngx_llmops_geo_directive,                                               \
      NGX_HTTP_MAIN_CONF_OFFSET,                                              \
      0,                                                                      \
      NULL },                                                                 \
    { ngx_string("country"),                                                  \
      NGX_LLMOPS_ROUTE_CONF|NGX_CONF_1MORE,                                   \
      ngx_llmops_country_directive,                                           \
      NGX_HTTP_LOC_CONF_OFFSET,                                               \
      0,                                                                      \
      NULL }


/* llm_auth of a request's location. */
ngx_uint_t ngx_llmops_auth_mode(ngx_http_request_t *r);

/* mcf->keys, made if there is none; NULL when out of memory. */
ngx_llmops_auth_conf_t *ngx_llmops_auth_conf(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf);

/* Completes it, when all has been read.  NGX_OK or NGX_ERROR (logged). */
ngx_int_t ngx_llmops_auth_init(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf);

/* Adds $llm_client and the others.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_auth_variables_add(ngx_conf_t *cf);


/* -- identities ------------------------------------------------------------ */

/* identity->data */

typedef struct {
    json_t                    *claims;     /* of a JWT, or NULL */
    unsigned                   disabled:1;
} ngx_llmops_auth_data_t;


/* A new one, empty, with one reference; NULL when out of memory. */
ngx_llmops_identity_t *ngx_llmops_identity_create(ngx_log_t *log);

ngx_llmops_identity_t *ngx_llmops_identity_hold(
    ngx_llmops_identity_t *identity);
void ngx_llmops_identity_release(ngx_llmops_identity_t *identity);

/* Copies a text into its memory.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_identity_text(ngx_llmops_identity_t *identity,
    ngx_str_t *to, const char *text, size_t len);


/* -- what a worker knows --------------------------------------------------- */

/*
 * A credential that has been checked, by the digest of its text: the text
 * itself is not kept.  What is bound to a revision is good as long as that
 * stands.
 */

struct ngx_llmops_auth_entry_s {
    ngx_queue_t                queue;      /* the least recently used first */
    ngx_llmops_auth_entry_t   *next;       /* in its bucket */
    u_char                     digest[NGX_LLMOPS_KEY_DIGEST];
    ngx_llmops_identity_t     *identity;   /* held; NULL: nobody's */
    ngx_llmops_jwt_t          *jwt;        /* it is a token of that issuer */
    uint64_t                   revision;   /* of the store's keys, or of the
                                              issuer's key set */
    time_t                     until;      /* when it ends, 0: never */
    time_t                     checked;    /* when it was last good */
    unsigned                   fixed:1;    /* of the configuration: not bound
                                              to a revision */
};


/* At most max entries.  NULL when out of memory. */
ngx_llmops_auth_cache_t *ngx_llmops_auth_cache_create(ngx_uint_t max,
    ngx_log_t *log);
void ngx_llmops_auth_cache_free(ngx_llmops_auth_cache_t *cache);

/* The entry of a digest, or NULL; it is then the most recently used.  cache
   may be NULL. */
ngx_llmops_auth_entry_t *ngx_llmops_auth_cache_find(
    ngx_llmops_auth_cache_t *cache,
    const u_char digest[NGX_LLMOPS_KEY_DIGEST]);

/* An empty entry for a digest, in the place of one that there was, or of the
   least recently used.  NULL when out of memory. */
ngx_llmops_auth_entry_t *ngx_llmops_auth_cache_add(
    ngx_llmops_auth_cache_t *cache,
    const u_char digest[NGX_LLMOPS_KEY_DIGEST]);


/* -- of a request ---------------------------------------------------------- */

typedef enum {
    NGX_LLMOPS_AUTH_PENDING = 0,
    NGX_LLMOPS_AUTH_KNOWN,
    NGX_LLMOPS_AUTH_ANONYMOUS,             /* llm_auth optional, nothing sent */
    NGX_LLMOPS_AUTH_MISSING,
    NGX_LLMOPS_AUTH_TWO,                   /* different ones were sent */
    NGX_LLMOPS_AUTH_UNKNOWN,
    NGX_LLMOPS_AUTH_DISABLED,
    NGX_LLMOPS_AUTH_EXPIRED,
    NGX_LLMOPS_AUTH_TOKEN,                 /* reason says what is wrong */
    NGX_LLMOPS_AUTH_NETWORK,
    NGX_LLMOPS_AUTH_COUNTRY,
    NGX_LLMOPS_AUTH_UNAVAILABLE,           /* nobody can tell now */
    NGX_LLMOPS_AUTH_FAILED                 /* out of memory */
} ngx_llmops_verdict_e;


#define NGX_LLMOPS_CREDENTIALS  8          /* headers that have one */

/* ctx->auth, in r->pool, while llm_auth is on */

struct ngx_llmops_auth_s {
    ngx_http_request_t        *request;
    ngx_llmops_ctx_t          *ctx;
    ngx_llmops_verdict_e       verdict;
    const char                *reason;     /* static; NULL: the verdict's */

    ngx_str_t                  credential; /* points into a header */
    ngx_str_t                  headers[NGX_LLMOPS_CREDENTIALS];
    ngx_uint_t                 nheaders;
    u_char                     digest[NGX_LLMOPS_KEY_DIGEST];
    ngx_str_t                  id;         /* of the key */
    u_char                     id_buf[NGX_LLMOPS_KEY_ID_MAX];

    ngx_llmops_docop_t         op;         /* a question to the store */
    uint64_t                   revision;   /* of the store when it was asked */

    ngx_llmops_jwt_t          *jwt;        /* whose key set it waits for */
    ngx_queue_t                queue;      /* of those who do */
    ngx_uint_t                 turn;       /* of the fetch that decides, 0: it
                                              has not waited */
    ngx_event_t                timer;      /* the end of all waiting */
    unsigned                   named:1;    /* id may be logged */
    unsigned                   asking:1;   /* the store */
    unsigned                   answered:1; /* by the store */
    unsigned                   waiting:1;  /* in the queue */
};


/*
 * Finds the credential of a request.  NGX_OK; NGX_DECLINED: there is none;
 * NGX_ABORT: there are two different ones.
 */
ngx_int_t ngx_llmops_auth_credential(ngx_llmops_auth_t *a);

/* Wipes it out of the request's memory, when nobody will ask again. */
void ngx_llmops_auth_wipe(ngx_llmops_auth_t *a);

/* Remembers what has been found, and judges it; takes over its identity. */
void ngx_llmops_auth_learn(ngx_llmops_auth_t *a, ngx_llmops_auth_conf_t *acf,
    ngx_llmops_auth_entry_t *found);

/* Sets the verdict on somebody who is known, and ctx->identity if he may
   call now. */
void ngx_llmops_auth_judge(ngx_llmops_auth_t *a,
    ngx_llmops_identity_t *identity, time_t until);

/* Asks the store.  NGX_OK: there is a verdict; NGX_AGAIN: a will be resumed,
   and answer() is due. */
ngx_int_t ngx_llmops_auth_ask(ngx_llmops_auth_t *a,
    ngx_llmops_main_conf_t *mcf);
void ngx_llmops_auth_answer(ngx_llmops_auth_t *a,
    ngx_llmops_auth_conf_t *acf);

/* Lets a request wait: NGX_AGAIN, or a status. */
ngx_int_t ngx_llmops_auth_suspend(ngx_llmops_auth_t *a);

/* Makes the refusal of a verdict and returns its status. */
ngx_int_t ngx_llmops_auth_refuse(ngx_llmops_auth_t *a);

/* A request that waited goes on: runs its phases. */
void ngx_llmops_auth_resume(ngx_llmops_auth_t *a);


/* -- keys of a file -------------------------------------------------------- */

/* An empty table, freed with pool.  NULL when out of memory. */
ngx_llmops_key_table_t *ngx_llmops_key_table_create(ngx_pool_t *pool);

/* Adds a record's text, copied, in JSON without id and hashes; len 0: "{}".
   NGX_OK; NGX_BUSY: the digest is there already; NGX_ERROR. */
ngx_int_t ngx_llmops_key_table_add(ngx_llmops_key_table_t *table,
    const u_char digest[NGX_LLMOPS_KEY_DIGEST], const char *text, size_t len);

ngx_uint_t ngx_llmops_key_table_count(ngx_llmops_key_table_t *table);

/*
 * The identity of a digest, with a reference for the caller.  NGX_OK;
 * NGX_DECLINED: there is none; NGX_ERROR: out of memory.  table may be NULL.
 */
ngx_int_t ngx_llmops_key_table_find(ngx_llmops_key_table_t *table,
    const u_char digest[NGX_LLMOPS_KEY_DIGEST],
    ngx_llmops_identity_t **identity, ngx_log_t *log);


/* -- tokens ---------------------------------------------------------------- */

/*
 * Checks a token against all llm_jwt.  NGX_OK: entry is filled but for its
 * digest, its identity held for the caller; NGX_DECLINED: a->reason says why
 * not; NGX_AGAIN: a waits for a key set and will be resumed; NGX_BUSY: no key
 * set can be had now; NGX_ERROR: out of memory.
 */
ngx_int_t ngx_llmops_jwt_identify(ngx_llmops_auth_conf_t *acf,
    ngx_llmops_auth_t *a, ngx_llmops_auth_entry_t *entry);

/* The revision of an issuer's key set: what was verified under another one
   has to be verified again. */
uint64_t ngx_llmops_jwt_revision(ngx_llmops_jwt_t *jwt);

/* Takes a out of the queue that it waits in. */
void ngx_llmops_jwt_leave(ngx_llmops_auth_t *a);

/* Whether a credential has the form of a token. */
ngx_uint_t ngx_llmops_jwt_form(ngx_str_t *credential);

ngx_int_t ngx_llmops_jwt_init(ngx_conf_t *cf, ngx_llmops_jwt_t *jwt);
void ngx_llmops_jwt_start(ngx_cycle_t *cycle, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_jwt_t *jwt);
void ngx_llmops_jwt_stop(ngx_llmops_jwt_t *jwt);


/* -- countries ------------------------------------------------------------- */

/* The country of an address: two letters, or NGX_DECLINED.  geo may be
   NULL. */
ngx_int_t ngx_llmops_geo_country(ngx_llmops_geo_t *geo,
    struct sockaddr *sockaddr, u_char country[2]);

/* Whether a request comes from one of them; no, if nobody knows. */
ngx_uint_t ngx_llmops_geo_allowed(ngx_http_request_t *r,
    ngx_array_t *countries);


#endif /* _NGX_LLMOPS_AUTH_H_INCLUDED_ */
