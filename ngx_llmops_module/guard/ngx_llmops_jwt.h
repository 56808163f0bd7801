
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_JWT_H_INCLUDED_
#define _NGX_LLMOPS_JWT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include <jansson.h>
#include <openssl/evp.h>


/*
 * JSON Web Tokens: reading, checking, verifying (RFC 7515, 7517, 7518, 7519,
 * 8037, 8725).  Nothing in here needs nginx, and nothing waits.
 *
 *   ngx_llmops_jwt_base64.c    base64url, strictly
 *   ngx_llmops_jwt_token.c     from a text to a token, its claims
 *   ngx_llmops_jwt_jwks.c      key sets
 *   ngx_llmops_jwt_verify.c    signatures
 *
 * and with nginx, in ngx_llmops_auth.h:
 *
 *   ngx_llmops_jwt_conf.c      llm_jwt
 *   ngx_llmops_jwt_identify.c  from a token to an identity
 *   ngx_llmops_jwt_set.c       key sets that change, and those who wait
 *   ngx_llmops_jwt_file.c      those in files
 *   ngx_llmops_jwt_share.c     those that another worker has fetched
 */


#define NGX_LLMOPS_JWT_MAX      8192       /* bytes of a token */
#define NGX_LLMOPS_JWT_SIG      1024       /* of a signature: RSA, 8192 bits */
#define NGX_LLMOPS_JWT_KEYS     64         /* of a set */
#define NGX_LLMOPS_JWT_KID      128        /* bytes of a key's id */
#define NGX_LLMOPS_JWT_SET      262144     /* bytes of a set */
#define NGX_LLMOPS_JWT_SECRET   32         /* bytes that a secret has at least
                                              (RFC 7518, 3.2) */


typedef enum {
    NGX_LLMOPS_JWT_RS256 = 0,
    NGX_LLMOPS_JWT_RS384,
    NGX_LLMOPS_JWT_RS512,
    NGX_LLMOPS_JWT_PS256,
    NGX_LLMOPS_JWT_ES256,
    NGX_LLMOPS_JWT_EDDSA,
    NGX_LLMOPS_JWT_HS256,
    NGX_LLMOPS_JWT_ALGS
} ngx_llmops_jwt_alg_e;

#define NGX_LLMOPS_JWT_ASYMMETRIC  ((1 << NGX_LLMOPS_JWT_HS256) - 1)

extern const ngx_str_t  ngx_llmops_jwt_algs[NGX_LLMOPS_JWT_ALGS];


/* a token that has been read; nothing in it may be trusted yet */

typedef struct {
    ngx_llmops_jwt_alg_e       alg;
    ngx_str_t                  kid;        /* in header; len 0: none */
    json_t                    *header;
    json_t                    *claims;
    ngx_str_t                  text;       /* "HEADER.PAYLOAD", in the token */
    size_t                     sig_len;
    u_char                     sig[NGX_LLMOPS_JWT_SIG];
} ngx_llmops_jwt_token_t;


/* what an issuer's tokens have to say */

typedef struct {
    ngx_str_t                  issuer;     /* len 0: any */
    ngx_str_t                 *audiences;  /* one of them has to be in "aud" */
    ngx_uint_t                 naudiences; /* 0: any */
    time_t                     leeway;     /* s */
} ngx_llmops_jwt_rules_t;


typedef struct ngx_llmops_jwks_s      ngx_llmops_jwks_t;
typedef struct ngx_llmops_jwt_key_s   ngx_llmops_jwt_key_t;


/*
 * Reads a token.  NGX_OK, then token is to be freed; else NGX_DECLINED, and
 * *reason says what is wrong, a static text for the caller.
 */
ngx_int_t ngx_llmops_jwt_read(ngx_str_t *text, ngx_llmops_jwt_token_t *token,
    const char **reason);
void ngx_llmops_jwt_free(ngx_llmops_jwt_token_t *token);

/*
 * Whether its claims keep the rules: iss, aud, exp (which it must have), nbf,
 * iat.  NGX_OK and *end, when it ends (with the leeway); NGX_DECLINED and
 * *reason.
 */
ngx_int_t ngx_llmops_jwt_check(json_t *claims, ngx_llmops_jwt_rules_t *rules,
    time_t now, time_t *end, const char **reason);

/* Whether a token claims to be of that issuer (len 0: any). */
ngx_uint_t ngx_llmops_jwt_issued_by(json_t *claims, ngx_str_t *issuer);

/*
 * A claim by its name, or, if there is none of that name, by a path with dots
 * ("realm.name"); NULL if there is none.  With nocase names may be spelled in
 * other letters.
 */
json_t *ngx_llmops_jwt_claim(json_t *claims, ngx_str_t *name,
    unsigned nocase);


/*
 * Reads a key set.  Keys that cannot verify here (other types, curves, uses,
 * RSA below 2048 bits) are left out.  NULL with *reason, a static text, when
 * it is not a key set or none is left.
 */
ngx_llmops_jwks_t *ngx_llmops_jwks_read(ngx_str_t *text,
    const char **reason);
void ngx_llmops_jwks_free(ngx_llmops_jwks_t *set);

ngx_uint_t ngx_llmops_jwks_count(ngx_llmops_jwks_t *set);

/*
 * The key for a token: of the alg's type, with its kid.  A token without kid
 * has the only key of its type.  NGX_OK; NGX_DECLINED, with *reason, when the
 * token can never be verified; NGX_AGAIN, with *reason, when a newer set may
 * have the key.
 */
ngx_int_t ngx_llmops_jwks_find(ngx_llmops_jwks_t *set,
    ngx_llmops_jwt_token_t *token, ngx_llmops_jwt_key_t **key,
    const char **reason);


/* NGX_OK, or NGX_DECLINED: the signature is not this key's. */
ngx_int_t ngx_llmops_jwt_verify(ngx_llmops_jwt_token_t *token,
    ngx_llmops_jwt_key_t *key);

/* The same for HS256, in constant time. */
ngx_int_t ngx_llmops_jwt_verify_secret(ngx_llmops_jwt_token_t *token,
    ngx_str_t *secret);


/*
 * Decodes base64url (RFC 7515, 2): no padding, no white space, no bits left
 * over.  dst has room for size bytes; *len is set.  NGX_OK or NGX_DECLINED.
 */
ngx_int_t ngx_llmops_jwt_base64(const u_char *src, size_t len, u_char *dst,
    size_t size, size_t *dst_len);


/* of the key set's files alone */

typedef enum {
    NGX_LLMOPS_JWT_RSA = 0,
    NGX_LLMOPS_JWT_P256,
    NGX_LLMOPS_JWT_ED25519
} ngx_llmops_jwt_type_e;

struct ngx_llmops_jwt_key_s {
    EVP_PKEY                  *pkey;
    ngx_llmops_jwt_type_e      type;
    ngx_uint_t                 algs;       /* bits: what it may verify */
    size_t                     kid_len;    /* 0: none */
    u_char                     kid[NGX_LLMOPS_JWT_KID];
};

struct ngx_llmops_jwks_s {
    ngx_uint_t                 nkeys;
    ngx_llmops_jwt_key_t       keys[NGX_LLMOPS_JWT_KEYS];
};


#endif /* _NGX_LLMOPS_JWT_H_INCLUDED_ */
