
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_KEY_H_INCLUDED_
#define _NGX_LLMOPS_KEY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include <jansson.h>


/*
 * Virtual keys: what a caller sends, and the record that is kept of it.  The
 * key itself is kept nowhere; a record has SHA-256 digests.  A record is JSON
 * and one document in NGX_LLMOPS_DOCS_KEYS, under its id:
 *
 *   { "id": "k3f8a0c1d2e4b5a6",
 *     "hashes": [ { "sha256": HEX, "until": SECONDS } ],
 *     "client": "alice", "tenant": "search", "plan": "gold",
 *     "routes": [ "chat", "in*" ], "models": [ "gpt-*" ],
 *     "limits": [ "requests=60/m", "tokens=90k/m" ],
 *     "metadata": { "cost_center": 7 },
 *     "networks": [ "10.0.0.0/8" ], "countries": [ "DE" ],
 *     "disabled": true, "created": SECONDS, "expires": SECONDS }
 *
 * All but "id" and "hashes" may be missing.  A client that is not given is the
 * id.  A list that is not given means all.
 *
 * A key is "sk-llm-ID-SECRET": what comes before the secret may be shown and
 * logged, and finds the record.  A digest that was made elsewhere has the id
 * "h" and its first 24 hex digits, so that any key finds its record by itself.
 *
 * Nothing in here but _identity() needs nginx, and nothing waits.
 */


#define NGX_LLMOPS_KEY_PREFIX   "sk-llm-"
#define NGX_LLMOPS_KEY_ID       16         /* characters of an id, [a-z0-9] */
#define NGX_LLMOPS_KEY_ID_MAX   32         /* of any id, also an imported one */
#define NGX_LLMOPS_KEY_SECRET   43         /* of a secret, [A-Za-z0-9]: 256
                                              bits */
#define NGX_LLMOPS_KEY_TEXT     128        /* bytes that a whole key fits in,
                                              with its final '\0' */
#define NGX_LLMOPS_KEY_DIGEST   32         /* bytes of SHA-256 */
#define NGX_LLMOPS_KEY_HASHES   4          /* digests of one record */
#define NGX_LLMOPS_KEY_OVERLAP  (90 * 86400)   /* s, at the most */
#define NGX_LLMOPS_KEY_ERROR    256        /* bytes of an error's text */

/* how a record is written: flags of json_dumps() */
#define NGX_LLMOPS_KEY_DUMP     (JSON_COMPACT|JSON_REAL_PRECISION(15))


typedef struct ngx_llmops_identity_s  ngx_llmops_identity_t;


/* what is shown once: wipe it with ngx_explicit_memzero() after use */

typedef struct {
    size_t                     len;        /* 0: none, a digest was imported */
    u_char                     text[NGX_LLMOPS_KEY_TEXT];
} ngx_llmops_key_secret_t;


/*
 * The functions that make a record return a new one, which is the caller's to
 * json_decref(), or NULL with what is wrong, and what to write instead, in
 * error[NGX_LLMOPS_KEY_ERROR].  No error says anything of a secret or digest.
 * now is in seconds since the epoch.  What they return has been checked, all
 * times in it are integers, and json_dumps(record, NGX_LLMOPS_KEY_DUMP) is
 * the document's value.
 */

/*
 * The record of a new key, with a new id.  wanted is an object with any of the
 * members above but "id", "hashes" and "created"; instead of making a secret
 * "sha256": HEX imports a digest, then "id" may be given too, for a key that
 * another gateway has made.  Times may also be RFC 3339 strings.
 */
json_t *ngx_llmops_key_create(json_t *wanted, time_t now,
    ngx_llmops_key_secret_t *secret, char *error);

/* A record with the members of wanted set, or taken out where they are null.
   The same members as above, without "sha256". */
json_t *ngx_llmops_key_change(json_t *record, json_t *wanted, char *error);

/*
 * A record with a new secret.  Those that were valid stay so for another
 * overlap seconds (0: no longer), or less if they had less; what has ended is
 * dropped.
 */
json_t *ngx_llmops_key_rotate(json_t *record, time_t overlap, time_t now,
    ngx_llmops_key_secret_t *secret, char *error);

/*
 * What an administrator may see of a record: all of it, but of each digest the
 * first 8 hex digits only ("sha256": "1f2e3d4c..."), and "state": "active",
 * "disabled" or "expired".  NULL when out of memory.
 */
json_t *ngx_llmops_key_show(json_t *record, time_t now);

/* Reads a document's value; it is checked as if it were new. */
json_t *ngx_llmops_key_load(ngx_str_t *value, char *error);

/* The record's id: lives as long as the record. */
ngx_str_t ngx_llmops_key_id(json_t *record);

/* When the document may be forgotten (30 days after it has expired), in seconds
   since the epoch, or 0: never. */
time_t ngx_llmops_key_forget(json_t *record);


/* -- what the caller sends ------------------------------------------------- */

/*
 * The id of the record that a key belongs to, by its form or, if it has
 * another, by its digest; returns 1 or 0 for that.  id->data is room for
 * NGX_LLMOPS_KEY_ID_MAX bytes.
 */
ngx_uint_t ngx_llmops_key_id_of(ngx_str_t *key,
    const u_char digest[NGX_LLMOPS_KEY_DIGEST], ngx_str_t *id);

/*
 * Whether a digest is one of the record's, in a time that does not depend on
 * how much of it is right.  *until is when it ends to be, 0 for never; whether
 * that time has come is for the caller to see.
 */
ngx_uint_t ngx_llmops_key_matches(json_t *record,
    const u_char digest[NGX_LLMOPS_KEY_DIGEST], time_t *until);

/*
 * The identity of a record that has been checked, with one reference for the
 * caller; NULL when out of memory, or when a limit cannot be read by this
 * version (logged).
 */
ngx_llmops_identity_t *ngx_llmops_key_identity(json_t *record,
    ngx_log_t *log);


#endif /* _NGX_LLMOPS_KEY_H_INCLUDED_ */
