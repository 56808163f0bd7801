
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_digest.h"

#include <openssl/err.h>
#include <openssl/evp.h>


ngx_int_t
ngx_llmops_sha256(const u_char *p, size_t len,
    u_char digest[NGX_LLMOPS_SHA256])
{
    ngx_str_t  piece;

    piece.data = (u_char *) p;
    piece.len = len;

    return ngx_llmops_sha256_of(&piece, 1, digest);
}


ngx_int_t
ngx_llmops_sha256_of(const ngx_str_t *pieces, ngx_uint_t n,
    u_char digest[NGX_LLMOPS_SHA256])
{
    ngx_uint_t  i;

    /* made once: the look-up costs more than the digest of a key; a worker
       has no threads that would make digests */

    static EVP_MD      *md;
    static EVP_MD_CTX  *ctx;

    if (md == NULL) {
        md = EVP_MD_fetch(NULL, "SHA256", NULL);
    }

    if (ctx == NULL) {
        ctx = EVP_MD_CTX_new();
    }

    if (md == NULL || ctx == NULL || EVP_DigestInit_ex2(ctx, md, NULL) != 1) {
        goto failed;
    }

    for (i = 0; i < n; i++) {
        if (EVP_DigestUpdate(ctx, pieces[i].data, pieces[i].len) != 1) {
            goto failed;
        }
    }

    if (EVP_DigestFinal_ex(ctx, digest, NULL) == 1) {
        return NGX_OK;
    }

failed:

    ERR_clear_error();

    return NGX_ERROR;
}
