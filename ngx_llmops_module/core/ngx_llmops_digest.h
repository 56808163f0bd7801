
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_DIGEST_H_INCLUDED_
#define _NGX_LLMOPS_DIGEST_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_LLMOPS_SHA256  32              /* bytes of a digest */


/* SHA-256 of some bytes.  NGX_OK or NGX_ERROR (OpenSSL has none). */
ngx_int_t ngx_llmops_sha256(const u_char *p, size_t len,
    u_char digest[NGX_LLMOPS_SHA256]);

/* The same of n pieces, as if they lay one behind the other. */
ngx_int_t ngx_llmops_sha256_of(const ngx_str_t *pieces, ngx_uint_t n,
    u_char digest[NGX_LLMOPS_SHA256]);


#endif /* _NGX_LLMOPS_DIGEST_H_INCLUDED_ */
