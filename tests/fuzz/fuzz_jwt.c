
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "fuzz.h"
#include "ngx_llmops_jwt.h"

#include <openssl/err.h>


/*
 * Tokens and key sets.  The first byte says what the rest is: a token, the
 * three parts of one as they are before base64url, or a key set.  The set that
 * verifies has the keys of RFC 7515, A.2 and A.3, whose private halves the
 * fuzzer does not use: what has a good signature is one of their two tokens.
 */


static const char  fuzz_set_text[] =
    "{\"keys\":["
    "{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0"
    "l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_Yp"
    "RPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e"
    "-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7"
    "aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\""
    ",\"e\":\"AQAB\"},"
    "{\"kty\":\"EC\",\"crv\":\"P-256\","
    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";

static const char  fuzz_claims[] =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
    "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

static ngx_llmops_jwks_t  *fuzz_set;


static void
fuzz_init(void)
{
    ngx_str_t    text;
    const char  *reason;

    if (fuzz_set == NULL) {
        text.data = (u_char *) fuzz_set_text;
        text.len = strlen(fuzz_set_text);

        fuzz_set = ngx_llmops_jwks_read(&text, &reason);
        fuzz_check(fuzz_set && ngx_llmops_jwks_count(fuzz_set) == 2);
    }
}


static void
fuzz_verify(ngx_llmops_jwt_token_t *token, ngx_str_t *text)
{
    const char            *reason;
    ngx_llmops_jwt_key_t  *key;

    reason = NULL;

    if (ngx_llmops_jwks_find(fuzz_set, token, &key, &reason) != NGX_OK) {
        fuzz_check(reason);
        return;
    }

    fuzz_check(key->algs & (1u << token->alg));

    if (ngx_llmops_jwt_verify(token, key) == NGX_OK) {
        fuzz_check(token->text.len == 20 + 1 + strlen(fuzz_claims));
        fuzz_check(memcmp(token->text.data + 21, fuzz_claims,
                          strlen(fuzz_claims)) == 0);
        fuzz_check(memcmp(text->data, "eyJhbGciOiJSUzI1NiJ9", 20) == 0
                   || memcmp(text->data, "eyJhbGciOiJFUzI1NiJ9", 20) == 0);
    }
}


static void
fuzz_token(const u_char *data, size_t size)
{
    time_t                   end;
    ngx_str_t                text, secret, name;
    const char              *reason;
    ngx_llmops_jwt_rules_t   rules;
    ngx_llmops_jwt_token_t   token;

    text.data = malloc(size + !size);
    text.len = size;
    memcpy(text.data, data, size);

    reason = NULL;

    if (ngx_llmops_jwt_read(&text, &token, &reason) == NGX_OK) {

        fuzz_check(token.sig_len && token.sig_len <= NGX_LLMOPS_JWT_SIG);
        fuzz_check(json_is_object(token.claims));

        fuzz_verify(&token, &text);

        name.data = (u_char *) "iss";
        name.len = 3;

        memset(&rules, 0, sizeof(rules));
        rules.issuer = name;
        rules.audiences = &name;
        rules.naudiences = 1;

        end = 0;

        if (ngx_llmops_jwt_check(token.claims, &rules, 1300819370, &end,
                                 &reason)
            == NGX_OK)
        {
            fuzz_check(end > 1300819370);

        } else {
            fuzz_check(reason);
        }

        secret.data = (u_char *) "0123456789abcdef0123456789abcdef";
        secret.len = 32;
        fuzz_check(ngx_llmops_jwt_verify_secret(&token, &secret) != NGX_OK);

        (void) ngx_llmops_jwt_claim(token.claims, &token.kid, 1);

        ngx_llmops_jwt_free(&token);

    } else {
        fuzz_check(reason);
    }

    free(text.data);
}


static size_t
fuzz_base64(u_char *dst, const u_char *src, size_t len)
{
    size_t    i, n;
    uint32_t  bits;

    static const char  digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmn"
                                  "opqrstuvwxyz0123456789-_";

    for (i = 0, n = 0; i < len; i += 3) {
        bits = (uint32_t) src[i] << 16
               | (i + 1 < len ? (uint32_t) src[i + 1] << 8 : 0)
               | (i + 2 < len ? (uint32_t) src[i + 2] : 0);

        dst[n++] = digits[bits >> 18];
        dst[n++] = digits[bits >> 12 & 63];

        if (i + 1 < len) {
            dst[n++] = digits[bits >> 6 & 63];
        }

        if (i + 2 < len) {
            dst[n++] = digits[bits & 63];
        }
    }

    return n;
}


/* three parts with line feeds between them */

static void
fuzz_parts(const u_char *data, size_t size)
{
    u_char        *text;
    size_t         n, i, len, back;
    const u_char  *lf, *last;

    text = malloc(size * 2 + 16);
    last = data + size;

    for (i = 0, n = 0; i < 3; i++) {
        lf = (i < 2) ? memchr(data, LF, last - data) : NULL;
        len = (lf ? lf : last) - data;

        back = fuzz_base64(text + n, data, len);

        {
            u_char  *copy = malloc(len + 1);

            fuzz_check(ngx_llmops_jwt_base64(text + n, back, copy, len, &back)
                       == NGX_OK);
            fuzz_check(back == len && memcmp(copy, data, len) == 0);
            free(copy);
        }

        n += fuzz_base64(text + n, data, len);
        data += len + (lf != NULL);

        if (i < 2) {
            text[n++] = '.';
        }
    }

    fuzz_token(text, n);
    free(text);
}


static void
fuzz_keys(const u_char *data, size_t size)
{
    ngx_str_t           text;
    ngx_uint_t          i;
    const char         *reason;
    ngx_llmops_jwks_t  *set;

    text.data = malloc(size + !size);
    text.len = size;
    memcpy(text.data, data, size);

    reason = NULL;
    set = ngx_llmops_jwks_read(&text, &reason);

    fuzz_check(set || reason);

    if (set) {
        fuzz_check(set->nkeys && set->nkeys <= NGX_LLMOPS_JWT_KEYS);

        for (i = 0; i < set->nkeys; i++) {
            fuzz_check(set->keys[i].pkey && set->keys[i].algs);
            fuzz_check(set->keys[i].algs <= NGX_LLMOPS_JWT_ASYMMETRIC);
        }

        ngx_llmops_jwks_free(set);
    }

    free(text.data);
}


int
LLVMFuzzerTestOneInput(const u_char *data, size_t size)
{
    if (size == 0) {
        return 0;
    }

    fuzz_init();

    switch (data[0] % 3) {

    case 0:
        fuzz_token(data + 1, size - 1);
        break;

    case 1:
        fuzz_parts(data + 1, size - 1);
        break;

    default:
        fuzz_keys(data + 1, size - 1);
    }

    fuzz_check(ERR_peek_error() == 0);

    return 0;
}
