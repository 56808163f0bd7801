
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include "jwt_make.h"

#include <openssl/err.h>
#include <openssl/pem.h>


/*
 * Good tokens of all kinds, the tokens of the standards, and the bad ones that
 * libraries have been caught with: RFC 8725 and the CVEs named beside them.
 */


#define NOW  1800000000

#define CLAIMS  "{\"iss\":\"https://idp\",\"aud\":\"llm\",\"sub\":\"alice\","  \
                "\"exp\":1800000600,\"nbf\":1799999000,\"iat\":1799999000}"


static struct {
    EVP_PKEY           *rsa;
    EVP_PKEY           *rsa2;
    EVP_PKEY           *ec;
    EVP_PKEY           *ec384;
    EVP_PKEY           *ed;
    ngx_llmops_jwks_t  *set;               /* all but rsa2 and ec384 */
} fix;


static ngx_llmops_jwks_t *
jwks(const char *keys)
{
    char               *text;
    const char         *reason;
    ngx_llmops_jwks_t  *set;

    text = malloc(strlen(keys) + 64);
    sprintf(text, "{\"keys\":[%s]}", keys);

    reason = NULL;
    set = ngx_llmops_jwks_read(unit_str(text), &reason);
    free(text);

    if (set == NULL) {
        assert_non_null(reason);
    }

    assert_int_equal(ERR_peek_error(), 0);

    return set;
}


static int
setup(void **state)
{
    char  *a, *b, *c, *all;

    (void) state;

    fix.rsa = jwt_rsa(2048);
    fix.rsa2 = jwt_rsa(2048);
    fix.ec = jwt_ec("P-256");
    fix.ec384 = jwt_ec("P-384");
    fix.ed = jwt_ed25519();

    a = jwt_jwk(fix.rsa, ",\"kid\":\"r\",\"use\":\"sig\"");
    b = jwt_jwk(fix.ec, ",\"kid\":\"e\",\"alg\":\"ES256\"");
    c = jwt_jwk(fix.ed, ",\"kid\":\"d\",\"key_ops\":[\"verify\"]");

    all = malloc(strlen(a) + strlen(b) + strlen(c) + 3);
    sprintf(all, "%s,%s,%s", a, b, c);

    fix.set = jwks(all);
    assert_non_null(fix.set);
    assert_int_equal(ngx_llmops_jwks_count(fix.set), 3);

    free(a);
    free(b);
    free(c);
    free(all);

    return 0;
}


static int
teardown(void **state)
{
    (void) state;

    EVP_PKEY_free(fix.rsa);
    EVP_PKEY_free(fix.rsa2);
    EVP_PKEY_free(fix.ec);
    EVP_PKEY_free(fix.ec384);
    EVP_PKEY_free(fix.ed);

    ngx_llmops_jwks_free(fix.set);

    return 0;
}


/* the whole way; frees the token.  reason stays NULL if it was good */

static ngx_int_t
verify(ngx_llmops_jwks_t *set, char *text, const char **reason)
{
    char                    *copy;
    time_t                   end;
    ngx_int_t                rc;
    ngx_str_t                s, aud;
    ngx_llmops_jwt_key_t    *key;
    ngx_llmops_jwt_token_t   token;
    ngx_llmops_jwt_rules_t   rules;

    memset(&rules, 0, sizeof(rules));
    rules.issuer = *unit_str("https://idp");
    aud = *unit_str("llm");
    rules.audiences = &aud;
    rules.naudiences = 1;
    rules.leeway = 30;

    /* as many bytes as there are: no read past the end */

    s.len = strlen(text);
    copy = malloc(s.len ? s.len : 1);
    memcpy(copy, text, s.len);
    s.data = (u_char *) copy;
    free(text);

    *reason = NULL;
    rc = ngx_llmops_jwt_read(&s, &token, reason);

    if (rc == NGX_OK) {
        *reason = NULL;
        rc = ngx_llmops_jwt_check(token.claims, &rules, NOW, &end, reason);

        if (rc == NGX_OK) {
            rc = ngx_llmops_jwks_find(set, &token, &key, reason);
        }

        if (rc == NGX_OK) {
            rc = ngx_llmops_jwt_verify(&token, key);

            if (rc != NGX_OK) {
                *reason = "signature";
            }
        }

        ngx_llmops_jwt_free(&token);
    }

    free(copy);

    assert_int_equal(ERR_peek_error(), 0);

    if (rc == NGX_OK) {
        assert_null(*reason);

    } else {
        assert_non_null(*reason);
    }

    return rc;
}


static void
good(char *token)
{
    const char  *reason;

    if (verify(fix.set, token, &reason) != NGX_OK) {
        fail_msg("%s", reason);
    }
}


static void
bad(char *token, const char *why)
{
    const char  *reason;

    if (verify(fix.set, token, &reason) == NGX_OK) {
        fail_msg("accepted, though: %s", why);
    }

    if (strstr(reason, why) == NULL) {
        fail_msg("\"%s\" is not \"%s\"", reason, why);
    }
}


static char *
rs256(const char *header, const char *claims)
{
    return jwt_sign(header, claims, "SHA256", 0, 0, fix.rsa);
}


static void
test_good(void **state)
{
    (void) state;

    good(rs256("{\"alg\":\"RS256\",\"kid\":\"r\"}", CLAIMS));
    good(rs256("{\"alg\":\"RS256\"}", CLAIMS));
    good(rs256("{ \"typ\":\"JWT\", \"alg\":\"RS256\"\n}", CLAIMS));
    good(jwt_sign("{\"alg\":\"RS384\",\"kid\":\"r\"}", CLAIMS, "SHA384", 0, 0,
                  fix.rsa));
    good(jwt_sign("{\"alg\":\"RS512\",\"kid\":\"r\"}", CLAIMS, "SHA512", 0, 0,
                  fix.rsa));
    good(jwt_sign("{\"alg\":\"PS256\",\"kid\":\"r\"}", CLAIMS, "SHA256", 1, 0,
                  fix.rsa));
    good(jwt_sign("{\"alg\":\"ES256\",\"kid\":\"e\"}", CLAIMS, "SHA256", 0, 32,
                  fix.ec));
    good(jwt_sign("{\"alg\":\"EdDSA\",\"kid\":\"d\"}", CLAIMS, NULL, 0, 0,
                  fix.ed));
}


/* RFC 7515, A.1 to A.3: the same claims with three algorithms */

static const char  rfc_claims[] =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
    "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

static const char  rfc_n[] =
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPC"
    "JrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZ"
    "o9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2Cap"
    "Hg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9"
    "_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";

static const char  rfc_rs256[] =
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-"
    "0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrn"
    "byTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi1"
    "2jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs"
    "98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";

static const char  rfc_es256[] =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJ"
    "qPP3-Kg6NU1Q";


static void
rfc(const char *header, const char *sig, const char *jwk)
{
    char                    *text;
    const char              *reason;
    ngx_llmops_jwks_t       *set;
    ngx_llmops_jwt_key_t    *key;
    ngx_llmops_jwt_token_t   token;

    text = malloc(4096);
    sprintf(text, "%s.%s.%s", header, rfc_claims, sig);

    set = jwks(jwk);
    assert_non_null(set);

    assert_int_equal(ngx_llmops_jwt_read(unit_str(text), &token, &reason),
                     NGX_OK);
    assert_int_equal(ngx_llmops_jwks_find(set, &token, &key, &reason), NGX_OK);
    assert_int_equal(ngx_llmops_jwt_verify(&token, key), NGX_OK);

    assert_string_equal(json_string_value(json_object_get(token.claims,
                                                          "iss")), "joe");

    token.sig[token.sig_len - 1] ^= 1;
    assert_int_equal(ngx_llmops_jwt_verify(&token, key), NGX_DECLINED);

    ngx_llmops_jwt_free(&token);
    ngx_llmops_jwks_free(set);
    free(text);
}


static void
test_rfc7515(void **state)
{
    char  jwk[1024];

    (void) state;

    snprintf(jwk, sizeof(jwk), "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAB\"}",
             rfc_n);
    rfc("eyJhbGciOiJSUzI1NiJ9", rfc_rs256, jwk);

    rfc("eyJhbGciOiJFUzI1NiJ9", rfc_es256,
        "{\"kty\":\"EC\",\"crv\":\"P-256\","
        "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
        "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}");
}


static void
test_rfc7515_hs256(void **state)
{
    char                     text[512];
    u_char                   secret[64];
    size_t                   len;
    ngx_str_t                s;
    const char              *reason;
    ngx_llmops_jwt_token_t   token;

    static const char  k[] =
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcg"
        "UuTwjAzZr1Z9CAow";

    (void) state;

    assert_int_equal(ngx_llmops_jwt_base64((u_char *) k, strlen(k), secret,
                                           sizeof(secret), &len), NGX_OK);

    snprintf(text, sizeof(text),
             "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.%s."
             "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", rfc_claims);

    assert_int_equal(ngx_llmops_jwt_read(unit_str(text), &token, &reason),
                     NGX_OK);

    s.data = secret;
    s.len = len;
    assert_int_equal(ngx_llmops_jwt_verify_secret(&token, &s), NGX_OK);

    token.sig_len--;
    assert_int_equal(ngx_llmops_jwt_verify_secret(&token, &s), NGX_DECLINED);
    token.sig_len++;

    secret[0] ^= 1;
    assert_int_equal(ngx_llmops_jwt_verify_secret(&token, &s), NGX_DECLINED);

    ngx_llmops_jwt_free(&token);
}


/* RFC 8037, A.4: what is signed is no JSON, so only the signature */

static void
test_rfc8037(void **state)
{
    size_t                   len;
    const char              *reason;
    ngx_llmops_jwks_t       *set;
    ngx_llmops_jwt_key_t    *key;
    ngx_llmops_jwt_token_t   token;

    static const char  sig[] =
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9"
        "g7sVvpAr_MuM0KAg";

    (void) state;

    set = jwks("{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
               "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}");
    assert_non_null(set);

    memset(&token, 0, sizeof(token));
    token.alg = NGX_LLMOPS_JWT_EDDSA;
    token.text = *unit_str("eyJhbGciOiJFZERTQSJ9."
                           "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc");

    assert_int_equal(ngx_llmops_jwt_base64((u_char *) sig, strlen(sig),
                                           token.sig, sizeof(token.sig), &len),
                     NGX_OK);
    token.sig_len = len;

    assert_int_equal(ngx_llmops_jwks_find(set, &token, &key, &reason), NGX_OK);
    assert_int_equal(ngx_llmops_jwt_verify(&token, key), NGX_OK);

    token.sig[0] ^= 1;
    assert_int_equal(ngx_llmops_jwt_verify(&token, key), NGX_DECLINED);

    ngx_llmops_jwks_free(set);
}


/* CVE-2015-9235, CVE-2018-1000531, CVE-2020-28042 and many others */

static void
test_alg_none(void **state)
{
    char        header[64];
    ngx_uint_t  i;

    static const char  *none[] = {
        "none", "None", "NONE", "nOnE", "none ", " none", "", "null", "no",
        "rs256", "Rs256", "RS256 ", "hs256", "HS512", "ES384", "RSA",
        "A128KW", "dir"
    };

    (void) state;

    for (i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"r\"}",
                 none[i]);

        bad(jwt_join(header, CLAIMS, "", 0), "algorithm");
        bad(jwt_join(header, CLAIMS, "x", 1), "algorithm");
        bad(rs256(header, CLAIMS), "algorithm");
    }

    bad(rs256("{\"kid\":\"r\"}", CLAIMS), "algorithm");
    bad(rs256("{\"alg\":null}", CLAIMS), "algorithm");
    bad(rs256("{\"alg\":[\"RS256\"]}", CLAIMS), "algorithm");
    bad(rs256("{\"alg\":7}", CLAIMS), "algorithm");
    bad(rs256("{\"Alg\":\"RS256\"}", CLAIMS), "algorithm");
    bad(rs256("{\"alg\":\"none\",\"alg\":\"RS256\"}", CLAIMS), "malformed");
}


/* the signature taken away */

static void
test_no_signature(void **state)
{
    char  *token;

    (void) state;

    token = rs256("{\"alg\":\"RS256\",\"kid\":\"r\"}", CLAIMS);
    strrchr(token, '.')[1] = '\0';
    bad(token, "no signature");

    token = rs256("{\"alg\":\"RS256\",\"kid\":\"r\"}", CLAIMS);
    *strrchr(token, '.') = '\0';
    bad(token, "malformed");

    bad(jwt_join("{\"alg\":\"HS256\",\"kid\":\"r\"}", CLAIMS, "", 0),
        "no signature");
}


/* the public key as the secret of an HMAC: CVE-2015-9235, CVE-2016-10555 */

static void
test_confusion(void **state)
{
    char  *jwk, *token;
    BIO   *bio;

    (void) state;

    jwk = jwt_jwk(fix.rsa, ",\"kid\":\"r\",\"use\":\"sig\"");
    token = jwt_hmac("{\"alg\":\"HS256\",\"kid\":\"r\"}", CLAIMS, jwk,
                     strlen(jwk));
    bad(token, "unknown key");
    free(jwk);

    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PUBKEY(bio, fix.rsa);

    {
        char  *pem;
        long   len = BIO_get_mem_data(bio, &pem);

        bad(jwt_hmac("{\"alg\":\"HS256\",\"kid\":\"r\"}", CLAIMS, pem,
                     (size_t) len), "unknown key");
        bad(jwt_hmac("{\"alg\":\"HS256\"}", CLAIMS, pem, (size_t) len),
            "unknown key");

        /* and the bytes of the HMAC as if they were of RSA */

        bad(jwt_hmac("{\"alg\":\"RS256\",\"kid\":\"r\"}", CLAIMS, pem,
                     (size_t) len), "signature");
    }

    BIO_free(bio);

    bad(jwt_hmac("{\"alg\":\"HS256\",\"kid\":\"r\"}", CLAIMS, "", 0),
        "unknown key");

    /* one key's kid with another type's algorithm */

    bad(jwt_sign("{\"alg\":\"ES256\",\"kid\":\"r\"}", CLAIMS, "SHA256", 0, 32,
                 fix.ec), "unknown key");
    bad(jwt_sign("{\"alg\":\"RS256\",\"kid\":\"e\"}", CLAIMS, "SHA256", 0, 0,
                 fix.rsa), "unknown key");
    bad(jwt_sign("{\"alg\":\"EdDSA\",\"kid\":\"e\"}", CLAIMS, NULL, 0, 0,
                 fix.ed), "unknown key");
}


/* a key that comes with the token: CVE-2018-0114; and addresses of keys */

static void
test_embedded_key(void **state)
{
    char  *jwk, *header;

    (void) state;

    jwk = jwt_jwk(fix.rsa2, ",\"kid\":\"x\"");
    header = malloc(strlen(jwk) + 200);

    sprintf(header, "{\"alg\":\"RS256\",\"kid\":\"x\",\"jwk\":%s}", jwk);
    bad(jwt_sign(header, CLAIMS, "SHA256", 0, 0, fix.rsa2), "unknown key");

    sprintf(header, "{\"alg\":\"RS256\",\"kid\":\"r\",\"jwk\":%s}", jwk);
    bad(jwt_sign(header, CLAIMS, "SHA256", 0, 0, fix.rsa2), "signature");

    sprintf(header, "{\"alg\":\"RS256\",\"jwk\":%s}", jwk);
    bad(jwt_sign(header, CLAIMS, "SHA256", 0, 0, fix.rsa2), "signature");

    /* nor does it harm a good one */

    sprintf(header, "{\"alg\":\"RS256\",\"kid\":\"r\",\"jwk\":%s}", jwk);
    good(rs256(header, CLAIMS));

    free(jwk);
    free(header);

    bad(jwt_sign("{\"alg\":\"RS256\",\"kid\":\"x\","
                 "\"jku\":\"https://evil/keys\",\"x5u\":\"https://evil\"}",
                 CLAIMS, "SHA256", 0, 0, fix.rsa2), "unknown key");
}


static void
test_wrong_key(void **state)
{
    (void) state;

    bad(jwt_sign("{\"alg\":\"RS256\",\"kid\":\"r\"}", CLAIMS, "SHA256", 0, 0,
                 fix.rsa2), "signature");
    bad(rs256("{\"alg\":\"RS256\",\"kid\":\"R\"}", CLAIMS), "unknown key");
    bad(rs256("{\"alg\":\"RS256\",\"kid\":\"../../../../dev/null\"}", CLAIMS),
        "unknown key");
    bad(rs256("{\"alg\":\"RS256\",\"kid\":\"r' OR '1'='1\"}", CLAIMS),
        "unknown key");
    bad(rs256("{\"alg\":\"RS256\",\"kid\":7}", CLAIMS), "malformed");
    bad(rs256("{\"alg\":\"RS256\",\"kid\":null}", CLAIMS), "malformed");

    /* the digest of another algorithm */

    bad(jwt_sign("{\"alg\":\"RS512\",\"kid\":\"r\"}", CLAIMS, "SHA256", 0, 0,
                 fix.rsa), "signature");
    bad(jwt_sign("{\"alg\":\"PS256\",\"kid\":\"r\"}", CLAIMS, "SHA256", 0, 0,
                 fix.rsa), "signature");
    bad(jwt_sign("{\"alg\":\"RS256\",\"kid\":\"r\"}", CLAIMS, "SHA256", 1, 0,
                 fix.rsa), "signature");

    /* a salt of another length than the digest's (RFC 7518, 3.5) */

    bad(jwt_sign("{\"alg\":\"PS256\",\"kid\":\"r\"}", CLAIMS, "SHA256", 2, 0,
                 fix.rsa), "signature");
}


/* zero as both halves: CVE-2022-21449; DER instead of raw; another curve */

static void
test_bad_ecdsa(void **state)
{
    u_char  zero[96];

    (void) state;

    memset(zero, 0, sizeof(zero));

    bad(jwt_join("{\"alg\":\"ES256\",\"kid\":\"e\"}", CLAIMS, zero, 64),
        "signature");
    bad(jwt_join("{\"alg\":\"ES256\",\"kid\":\"e\"}", CLAIMS, zero, 63),
        "signature");
    bad(jwt_join("{\"alg\":\"ES256\",\"kid\":\"e\"}", CLAIMS, zero, 96),
        "signature");

    zero[31] = 1;
    zero[63] = 1;
    bad(jwt_join("{\"alg\":\"ES256\",\"kid\":\"e\"}", CLAIMS, zero, 64),
        "signature");

    memset(zero, 0xff, sizeof(zero));
    bad(jwt_join("{\"alg\":\"ES256\",\"kid\":\"e\"}", CLAIMS, zero, 64),
        "signature");

    bad(jwt_sign("{\"alg\":\"ES256\",\"kid\":\"e\"}", CLAIMS, "SHA256", 0, 0,
                 fix.ec), "signature");
    bad(jwt_sign("{\"alg\":\"ES256\",\"kid\":\"e\"}", CLAIMS, "SHA256", 0, 48,
                 fix.ec384), "signature");
}


static void
test_changed(void **state)
{
    char    *token, *copy;
    size_t   i, len;

    (void) state;

    /* each character of a token, changed: some other token, and a bad one */

    token = rs256("{\"alg\":\"RS256\",\"kid\":\"r\"}", CLAIMS);
    len = strlen(token);

    for (i = 0; i < len; i++) {
        copy = strdup(token);
        copy[i] = copy[i] == 'A' ? 'B' : 'A';

        bad(copy, "");

        copy = strdup(token);
        copy[i] = '\0';                        /* truncated */

        bad(copy, "");
    }

    free(token);

    /* the claims of another token */

    token = rs256("{\"alg\":\"RS256\",\"kid\":\"r\"}", CLAIMS);
    copy = jwt_join("{\"alg\":\"RS256\",\"kid\":\"r\"}",
                    "{\"iss\":\"https://idp\",\"aud\":\"llm\","
                    "\"sub\":\"admin\",\"exp\":1900000000}", "", 0);

    copy = realloc(copy, strlen(copy) + strlen(token));
    strcat(copy, strrchr(token, '.') + 1);

    bad(copy, "signature");
    free(token);
}


static char *
claims(const char *text)
{
    return rs256("{\"alg\":\"RS256\",\"kid\":\"r\"}", text);
}


static void
test_times(void **state)
{
    (void) state;

#define BASE  "{\"iss\":\"https://idp\",\"aud\":\"llm\""

    good(claims(BASE ",\"exp\":1799999971}"));          /* with the leeway */
    bad(claims(BASE ",\"exp\":1799999970}"), "expired");
    bad(claims(BASE ",\"exp\":1300819380}"), "expired");
    bad(claims(BASE ",\"exp\":0}"), "expired");
    good(claims(BASE ",\"exp\":1800000000.5}"));

    bad(claims(BASE "}"), "time of expiry");
    bad(claims(BASE ",\"exp\":\"1900000000\"}"), "time of expiry");
    bad(claims(BASE ",\"exp\":-1}"), "time of expiry");
    bad(claims(BASE ",\"exp\":1e300}"), "time of expiry");
    bad(claims(BASE ",\"exp\":null}"), "time of expiry");
    bad(claims(BASE ",\"exp\":true}"), "time of expiry");

    good(claims(BASE ",\"exp\":1900000000,\"nbf\":1800000030}"));
    bad(claims(BASE ",\"exp\":1900000000,\"nbf\":1800000031}"),
        "not valid yet");
    bad(claims(BASE ",\"exp\":1900000000,\"nbf\":\"0\"}"), "not valid yet");

    good(claims(BASE ",\"exp\":1900000000,\"iat\":1800000030}"));
    bad(claims(BASE ",\"exp\":1900000000,\"iat\":1800000031}"), "future");
    bad(claims(BASE ",\"exp\":1900000000,\"iat\":{}}"), "future");
}


static void
test_issuer_audience(void **state)
{
    (void) state;

#define EXP  "\"exp\":1900000000"

    bad(claims("{\"aud\":\"llm\"," EXP "}"), "issuer");
    bad(claims("{\"iss\":\"https://idp/\",\"aud\":\"llm\"," EXP "}"),
        "issuer");
    bad(claims("{\"iss\":[\"https://idp\"],\"aud\":\"llm\"," EXP "}"),
        "issuer");

    good(claims("{\"iss\":\"https://idp\",\"aud\":[\"x\",\"llm\"]," EXP "}"));
    bad(claims("{\"iss\":\"https://idp\"," EXP "}"), "audience");
    bad(claims("{\"iss\":\"https://idp\",\"aud\":[]," EXP "}"), "audience");
    bad(claims("{\"iss\":\"https://idp\",\"aud\":\"llm2\"," EXP "}"),
        "audience");
    bad(claims("{\"iss\":\"https://idp\",\"aud\":[[\"llm\"]]," EXP "}"),
        "audience");
    bad(claims("{\"iss\":\"https://idp\",\"aud\":{\"llm\":1}," EXP "}"),
        "audience");
    bad(claims("{\"iss\":\"https://idp\",\"aud\":\"x\",\"aud\":\"llm\"," EXP
               "}"), "malformed");
}


static void
test_malformed(void **state)
{
    char        *token;
    ngx_uint_t   i;

    static const char  *texts[] = {
        "", ".", "..", "...", "a", "a.b", "a.b.c", "a.b.c.d.e",
        "eyJhbGciOiJSUzI1NiJ9", "eyJhbGciOiJSUzI1NiJ9.", "..x",
        "eyJhbGciOiJSUzI1NiJ9..x", "eyJhbGciOiJSUzI1NiJ9.e30.x.y",
        "e30.e30.AA", "W10.e30.AA", "bnVsbA.e30.AA", "eyJ.e30.AA"
    };

    (void) state;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        bad(strdup(texts[i]), "");
    }

    /* not an object; something behind it; not UTF-8 */

    bad(rs256("{\"alg\":\"RS256\",\"kid\":\"r\"}", "[]"), "malformed");
    bad(rs256("{\"alg\":\"RS256\",\"kid\":\"r\"}", "\"x\""), "malformed");
    bad(rs256("{\"alg\":\"RS256\",\"kid\":\"r\"}", CLAIMS " x"), "malformed");
    bad(rs256("{\"alg\":\"RS256\",\"kid\":\"r\"} {}", CLAIMS), "malformed");
    bad(rs256("{\"alg\":\"RS256\",\"kid\":\"r\"}", "{\"a\":\"\xff\"}"),
        "malformed");

    /* extensions that would have to be understood */

    bad(rs256("{\"alg\":\"RS256\",\"kid\":\"r\",\"crit\":[\"exp\"]}", CLAIMS),
        "critical");
    bad(rs256("{\"alg\":\"RS256\",\"kid\":\"r\",\"crit\":[]}", CLAIMS),
        "critical");
    bad(rs256("{\"alg\":\"RS256\",\"kid\":\"r\",\"b64\":false}", CLAIMS),
        "critical");

    /* too long */

    token = malloc(NGX_LLMOPS_JWT_MAX + 2);
    memset(token, 'A', NGX_LLMOPS_JWT_MAX + 1);
    token[NGX_LLMOPS_JWT_MAX + 1] = '\0';
    token[4] = token[8] = '.';
    bad(token, "longer");

    token = malloc(NGX_LLMOPS_JWT_MAX + 1);
    memset(token, 'A', NGX_LLMOPS_JWT_MAX);
    token[NGX_LLMOPS_JWT_MAX] = '\0';
    token[4] = token[8] = '.';
    bad(token, "malformed");
}


/* the same token in another spelling would not be found in the cache */

static void
test_base64(void **state)
{
    char        text[8];
    u_char      out[16];
    size_t      len;
    ngx_uint_t  i, ch;

    static const struct { const char *text; const char *bytes; } good[] = {
        { "", "" }, { "Zg", "f" }, { "Zm8", "fo" }, { "Zm9v", "foo" },
        { "Zm9vYg", "foob" }, { "Zm9vYmE", "fooba" }, { "Zm9vYmFy", "foobar" },
        { "-_-_", "\xfb\xff\xbf" }
    };

    static const char  *bad[] = {
        "Z", "Zm9vY", "Zh", "Zm9", "Zg==", "Zg=", "Zm8=", "Zg\n", " Zg", "Zg ",
        "Z g", "+/+/", "Zm+v", "Zm/v", "Zm.v", "Zm9vYh", "Zm9vYmF", "\xc3\xa9"
    };

    (void) state;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        len = 99;
        assert_int_equal(ngx_llmops_jwt_base64((u_char *) good[i].text,
                                               strlen(good[i].text), out,
                                               strlen(good[i].bytes), &len),
                         NGX_OK);
        assert_int_equal(len, strlen(good[i].bytes));
        assert_memory_equal(out, good[i].bytes, len);

        if (len) {
            assert_int_equal(ngx_llmops_jwt_base64((u_char *) good[i].text,
                                                   strlen(good[i].text), out,
                                                   len - 1, &len),
                             NGX_DECLINED);
        }
    }

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(ngx_llmops_jwt_base64((u_char *) bad[i],
                                               strlen(bad[i]), out,
                                               sizeof(out), &len),
                         NGX_DECLINED);
    }

    /* 64 of 256 characters are digits */

    memcpy(text, "AAAA", 5);
    i = 0;

    for (ch = 0; ch < 256; ch++) {
        text[1] = (char) ch;
        i += ngx_llmops_jwt_base64((u_char *) text, 4, out, sizeof(out), &len)
             == NGX_OK;
    }

    assert_int_equal(i, 64);
}


static void
no_set(const char *text)
{
    const char         *reason;
    ngx_llmops_jwks_t  *set;

    reason = NULL;
    set = ngx_llmops_jwks_read(unit_str(text), &reason);

    if (set) {
        fail_msg("taken as a key set: %s", text);
    }

    assert_non_null(reason);
    assert_int_equal(ERR_peek_error(), 0);
}


static void
no_key(char *key)
{
    ngx_llmops_jwks_t  *set;

    set = jwks(key);

    if (set) {
        fail_msg("taken as a key: %s", key);
    }

    free(key);
}


static void
test_jwks_refused(void **state)
{
    char      *jwk;
    EVP_PKEY  *small;

    (void) state;

    no_set("");
    no_set("{}");
    no_set("[]");
    no_set("<html>");
    no_set("{\"keys\":{}}");
    no_set("{\"keys\":[]}");
    no_set("{\"keys\":[null,7,\"x\",[],{}]}");

    small = jwt_rsa(1024);
    no_key(jwt_jwk(small, ""));
    EVP_PKEY_free(small);

    no_key(jwt_jwk(fix.rsa, ",\"use\":\"enc\""));
    no_key(jwt_jwk(fix.rsa, ",\"use\":7"));
    no_key(jwt_jwk(fix.rsa, ",\"key_ops\":[\"sign\"]"));
    no_key(jwt_jwk(fix.rsa, ",\"alg\":\"HS256\""));
    no_key(jwt_jwk(fix.rsa, ",\"alg\":\"ES256\""));
    no_key(jwt_jwk(fix.rsa, ",\"alg\":\"RSA-OAEP\""));
    no_key(jwt_jwk(fix.rsa, ",\"kid\":7"));
    no_key(jwt_jwk(fix.ec384, ""));
    no_key(strdup("{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
                  "AAAAAAAAAAA\"}"));
    no_key(strdup("{\"kty\":\"OKP\",\"crv\":\"X25519\","
                  "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"));
    no_key(strdup("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qY\"}"));

    /* a point that is not on the curve: CVE-2019-6250 and its kin */

    no_key(strdup("{\"kty\":\"EC\",\"crv\":\"P-256\","
                  "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
                  "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a4\"}"));

    /* an exponent of 1, and an even one */

    jwk = malloc(1024);
    sprintf(jwk, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQ\"}", rfc_n);
    no_key(jwk);

    jwk = malloc(1024);
    sprintf(jwk, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAA\"}", rfc_n);
    no_key(jwk);
}


static void
test_jwks_many(void **state)
{
    int                      i;
    char                    *a, *b, *all, *p, *token;
    const char              *reason;
    ngx_llmops_jwks_t       *set;

    (void) state;

    /* two of a type: a token has to say which */

    a = jwt_jwk(fix.rsa, ",\"kid\":\"a\"");
    b = jwt_jwk(fix.rsa2, ",\"kid\":\"b\"");
    all = malloc(strlen(a) + strlen(b) + 2);
    sprintf(all, "%s,%s", a, b);

    set = jwks(all);
    assert_non_null(set);

    token = rs256("{\"alg\":\"RS256\"}", CLAIMS);
    assert_int_equal(verify(set, token, &reason), NGX_DECLINED);
    assert_non_null(strstr(reason, "which key"));

    token = rs256("{\"alg\":\"RS256\",\"kid\":\"\"}", CLAIMS);
    assert_int_equal(verify(set, token, &reason), NGX_DECLINED);

    token = rs256("{\"alg\":\"RS256\",\"kid\":\"a\"}", CLAIMS);
    assert_int_equal(verify(set, token, &reason), NGX_OK);

    token = rs256("{\"alg\":\"RS256\",\"kid\":\"b\"}", CLAIMS);
    assert_int_equal(verify(set, token, &reason), NGX_DECLINED);

    token = rs256("{\"alg\":\"RS256\",\"kid\":\"c\"}", CLAIMS);
    assert_int_equal(verify(set, token, &reason), NGX_AGAIN);

    ngx_llmops_jwks_free(set);

    /* what cannot be used stands between what can */

    all = realloc(all, strlen(a) * 80 + 4096);
    p = all;
    p += sprintf(p, "{\"kty\":\"oct\",\"k\":\"AA\"},null");

    for (i = 0; i < 80; i++) {
        p += sprintf(p, ",%s", a);
    }

    set = jwks(all);
    assert_non_null(set);
    assert_int_equal(ngx_llmops_jwks_count(set), NGX_LLMOPS_JWT_KEYS);

    ngx_llmops_jwks_free(set);
    free(a);
    free(b);
    free(all);
}


static void
test_claim(void **state)
{
    json_t        *c, *v;
    json_error_t   err;

    (void) state;

    c = json_loads("{\"sub\":\"a\",\"realm\":{\"Roles\":{\"x\":1}},"
                   "\"a.b\":2,\"a\":{\"b\":3},\"tenantId\":\"t\"}", 0, &err);

    v = ngx_llmops_jwt_claim(c, unit_str("sub"), 0);
    assert_string_equal(json_string_value(v), "a");

    v = ngx_llmops_jwt_claim(c, unit_str("realm.Roles.x"), 0);
    assert_int_equal(json_integer_value(v), 1);

    /* the name itself before the path */

    v = ngx_llmops_jwt_claim(c, unit_str("a.b"), 0);
    assert_int_equal(json_integer_value(v), 2);

    assert_null(ngx_llmops_jwt_claim(c, unit_str("tenantid"), 0));
    v = ngx_llmops_jwt_claim(c, unit_str("tenantid"), 1);
    assert_string_equal(json_string_value(v), "t");

    assert_null(ngx_llmops_jwt_claim(c, unit_str("nothing"), 1));
    assert_null(ngx_llmops_jwt_claim(c, unit_str("sub.x"), 0));
    assert_null(ngx_llmops_jwt_claim(c, unit_str("realm."), 0));
    assert_null(ngx_llmops_jwt_claim(c, unit_str("."), 0));
    assert_null(ngx_llmops_jwt_claim(c, unit_str(""), 0));
    assert_null(ngx_llmops_jwt_claim(NULL, unit_str("sub"), 1));

    json_decref(c);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_rfc7515),
        cmocka_unit_test(test_rfc7515_hs256),
        cmocka_unit_test(test_rfc8037),
        cmocka_unit_test(test_alg_none),
        cmocka_unit_test(test_no_signature),
        cmocka_unit_test(test_confusion),
        cmocka_unit_test(test_embedded_key),
        cmocka_unit_test(test_wrong_key),
        cmocka_unit_test(test_bad_ecdsa),
        cmocka_unit_test(test_changed),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_issuer_audience),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_jwks_refused),
        cmocka_unit_test(test_jwks_many),
        cmocka_unit_test(test_claim),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
