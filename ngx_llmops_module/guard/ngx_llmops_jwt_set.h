
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_JWT_SET_H_INCLUDED_
#define _NGX_LLMOPS_JWT_SET_H_INCLUDED_


#include "ngx_llmops_auth.h"
#include "ngx_llmops_fetch.h"
#include "ngx_llmops_secret.h"


/* What the files of llm_jwt that need nginx know of each other. */


#define NGX_LLMOPS_JWT_SHARED   32768      /* bytes of a set that is shared */


/*
 * The last set that a worker has fetched, for the others and for those of the
 * next configuration, who would otherwise refuse everybody while the address
 * is down.  Many write it and nobody locks: a torn record fails its checksum
 * and is not used.
 */

typedef struct {
    uint32_t                   crc;        /* of all that follows */
    uint32_t                   len;
    int64_t                    fetched;    /* ms since the epoch */
    u_char                     text[NGX_LLMOPS_JWT_SHARED];
} ngx_llmops_jwt_sh_t;


/* one llm_jwt; what follows "worker" is of each worker */

struct ngx_llmops_jwt_s {
    ngx_str_t                  name;
    ngx_str_t                  id;         /* "jwt:NAME", as $llm_key_id */
    ngx_llmops_place_t         place;
    ngx_llmops_jwt_rules_t     rules;
    ngx_array_t                audiences;  /* of ngx_str_t, behind rules */
    ngx_uint_t                 algs;       /* bits; 0: not given */
    ngx_str_t                  client;     /* names of claims */
    ngx_str_t                  tenant;
    ngx_str_t                  plan;
    ngx_msec_t                 refresh;
    ngx_str_t                  source;     /* of jwks=, as written */
    ngx_str_t                  file;       /* its path, or len 0 */
    ngx_llmops_fetch_url_t     url;        /* or url.host.len != 0 */
    ngx_str_t                  ca;
    ngx_resolver_t            *resolver;
    ngx_llmops_secret_t        secret;     /* of secret=, or len 0 */

    ngx_llmops_jwks_t         *set;        /* worker: NULL: not yet known */
    uint64_t                   revision;
    uint32_t                   crc;        /* of its text */
    int64_t                    fetched;    /* ms since the epoch */
    ngx_llmops_jwt_sh_t       *sh;         /* NULL without room */
    ngx_event_t                timer;
    ngx_llmops_fetch_t        *fetch;      /* under way */
    ngx_uint_t                 turn;       /* number of the last one begun */
    ngx_uint_t                 ended;      /* of the last one ended */
    ngx_msec_t                 asked;      /* when the last one did */
    ngx_uint_t                 failures;   /* in a row */
    ngx_queue_t                waiting;    /* of ngx_llmops_auth_t */
    ngx_uint_t                 nwaiting;
    time_t                     mtime;      /* of the file that was read */
    ngx_file_uniq_t            uniq;
};


/* Reads the set of a file.  Returns NULL, or what is wrong, with err. */
const char *ngx_llmops_jwt_file(ngx_llmops_jwt_t *jwt, ngx_log_t *log,
    ngx_err_t *err);

/* Looks at the file, and takes a set that has changed. */
void ngx_llmops_jwt_look(ngx_llmops_jwt_t *jwt, ngx_log_t *log);

/* Writes a set that has been fetched, for others; takes one of theirs.  NGX_OK:
   there is another set now; or NGX_DECLINED. */
void ngx_llmops_jwt_share(ngx_llmops_jwt_t *jwt, ngx_str_t *text);
ngx_int_t ngx_llmops_jwt_adopt(ngx_llmops_jwt_t *jwt);

/* Makes text the set.  NULL, or what is wrong with it: then the set stays. */
const char *ngx_llmops_jwt_install(ngx_llmops_jwt_t *jwt, ngx_str_t *text);

/*
 * A token's key is not in the set.  NGX_OK: there is a newer set now;
 * NGX_AGAIN: a waits for one, and goes on when a fetch is over that began
 * after this call; NGX_DECLINED: there will be none; NGX_BUSY: none can be had
 * now, or too many wait.
 */
ngx_int_t ngx_llmops_jwt_wait(ngx_llmops_jwt_t *jwt, ngx_llmops_auth_t *a);


#endif /* _NGX_LLMOPS_JWT_SET_H_INCLUDED_ */
