
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include "ngx_llmops_digest.h"
#include "ngx_llmops_guard.h"
#include "ngx_llmops_key_check.h"

#include <openssl/crypto.h>
#include <time.h>


#define NOW  1800000000


static const char  hex_a[] =
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";


static json_t *
json(const char *text)
{
    json_t        *value;
    json_error_t   err;

    value = json_loads(text, JSON_DECODE_ANY, &err);
    assert_non_null(value);

    return value;
}


static json_t *
create(const char *wanted, ngx_llmops_key_secret_t *secret)
{
    char     error[NGX_LLMOPS_KEY_ERROR];
    json_t  *in, *record;

    in = json(wanted);
    record = ngx_llmops_key_create(in, NOW, secret, error);

    if (record == NULL) {
        fail_msg("%s: %s", wanted, error);
    }

    json_decref(in);

    return record;
}


static void
refused(const char *wanted, const char *advice)
{
    char                      error[NGX_LLMOPS_KEY_ERROR];
    json_t                   *in, *record;
    ngx_llmops_key_secret_t   secret;

    in = json(wanted);
    error[0] = '\0';

    record = ngx_llmops_key_create(in, NOW, &secret, error);

    assert_null(record);

    if (strstr(error, advice) == NULL) {
        fail_msg("%s: %s", wanted, error);
    }

    assert_int_equal(secret.len, 0);

    json_decref(in);
}


static ngx_str_t
dump(json_t *record)
{
    ngx_str_t  s;

    s.data = (u_char *) json_dumps(record, NGX_LLMOPS_KEY_DUMP);
    assert_non_null(s.data);
    s.len = strlen((char *) s.data);

    return s;
}


static void
digest_of(ngx_llmops_key_secret_t *secret, u_char *digest)
{
    assert_int_equal(ngx_llmops_sha256(secret->text, secret->len, digest),
                     NGX_OK);
}


static void
test_sha256(void **state)
{
    u_char     hex[NGX_LLMOPS_KEY_HEX], digest[NGX_LLMOPS_KEY_DIGEST];
    u_char     back[NGX_LLMOPS_KEY_DIGEST];
    ngx_str_t  s;

    (void) state;

    /* FIPS 180-2, and again: the context is used many times */

    for (int i = 0; i < 2; i++) {
        ngx_llmops_sha256((u_char *) "abc", 3, digest);
        ngx_llmops_key_hex(hex, digest, sizeof(digest));

        assert_memory_equal(hex, "ba7816bf8f01cfea414140de5dae2223"
                                 "b00361a396177a9cb410ff61f20015ad", 64);
    }

    s.data = hex;
    s.len = sizeof(hex);

    assert_int_equal(ngx_llmops_key_unhex(&s, back), NGX_OK);
    assert_memory_equal(back, digest, sizeof(digest));

    for (size_t i = 0; i < s.len; i++) {
        hex[i] = (u_char) toupper(hex[i]);
    }

    memset(back, 0, sizeof(back));
    assert_int_equal(ngx_llmops_key_unhex(&s, back), NGX_OK);
    assert_memory_equal(back, digest, sizeof(digest));

    s.len = 63;
    assert_int_equal(ngx_llmops_key_unhex(&s, back), NGX_DECLINED);

    s.len = 64;

    for (const char *bad = "gG/:@`x \n"; *bad; bad++) {
        hex[63] = (u_char) *bad;
        assert_int_equal(ngx_llmops_key_unhex(&s, back), NGX_DECLINED);
    }
}


static void
test_create(void **state)
{
    u_char                    digest[NGX_LLMOPS_KEY_DIGEST];
    u_char                    buf[NGX_LLMOPS_KEY_ID_MAX];
    json_t                   *record;
    time_t                    until;
    ngx_str_t                 id, key, found;
    ngx_llmops_key_secret_t   secret, other;

    (void) state;

    record = create("{\"client\":\"alice\"}", &secret);
    id = ngx_llmops_key_id(record);

    assert_int_equal(id.len, NGX_LLMOPS_KEY_ID);
    assert_int_equal(secret.len, strlen("sk-llm-") + 16 + 1 + 43);
    assert_memory_equal(secret.text, "sk-llm-", 7);
    assert_memory_equal(secret.text + 7, id.data, id.len);
    assert_int_equal(secret.text[secret.len], 0);
    assert_int_equal(strspn((char *) secret.text + 24,
                            "abcdefghijklmnopqrstuvwxyz"
                            "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"), 43);

    assert_int_equal(json_integer_value(json_object_get(record, "created")),
                     NOW);

    /* the key finds its record, and nothing of it is in there */

    digest_of(&secret, digest);

    key.data = secret.text;
    key.len = secret.len;
    found.data = buf;

    assert_true(ngx_llmops_key_id_of(&key, digest, &found));
    assert_int_equal(found.len, id.len);
    assert_memory_equal(found.data, id.data, id.len);

    assert_true(ngx_llmops_key_matches(record, digest, &until));
    assert_int_equal(until, 0);

    digest[31] ^= 1;
    assert_false(ngx_llmops_key_matches(record, digest, &until));

    key = dump(record);
    assert_null(strstr((char *) key.data, (char *) secret.text + 24));
    free(key.data);

    json_decref(record);

    /* no two are the same */

    json_decref(create("{}", &other));
    assert_int_not_equal(memcmp(secret.text, other.text, secret.len), 0);
}


static void
test_create_all(void **state)
{
    char                      error[NGX_LLMOPS_KEY_ERROR];
    json_t                   *record, *again;
    ngx_str_t                 text, text2;
    ngx_llmops_key_secret_t   secret;

    static const char  wanted[] =
        "{\"client\":\"a\",\"tenant\":\"b c\",\"plan\":\"gold\","
        "\"routes\":[\"chat\",\"in*\"],\"models\":\"gpt-*\","
        "\"limits\":[\"requests=60/m\",\"tokens=90k/m\",\"concurrent=4\"],"
        "\"metadata\":{\"n\":0.1,\"o\":[null]},"
        "\"networks\":[\"10.0.0.0/8\",\"2001:db8::/32\",\"192.0.2.1\"],"
        "\"countries\":[\"de\",\"FR\"],\"disabled\":false,"
        "\"expires\":\"2033-05-18T03:33:20Z\"}";

    (void) state;

    record = create(wanted, &secret);

    assert_int_equal(json_integer_value(json_object_get(record, "expires")),
                     2000000000);
    assert_int_equal(ngx_llmops_key_forget(record),
                     2000000000 + 30 * 86400);
    assert_string_equal(json_string_value(json_array_get(
                            json_object_get(record, "countries"), 0)), "DE");

    /* one string is a list of one */

    assert_int_equal(json_array_size(json_object_get(record, "models")), 1);

    /* what is written is read back as it was */

    text = dump(record);
    assert_non_null(strstr((char *) text.data, "{\"n\":0.1,"));

    again = ngx_llmops_key_load(&text, error);
    assert_non_null(again);
    assert_true(json_equal(record, again));

    text2 = dump(again);
    assert_str(text2, (char *) text.data);

    free(text.data);
    free(text2.data);
    json_decref(record);
    json_decref(again);
}


static void
test_import(void **state)
{
    char                      wanted[256];
    u_char                    digest[NGX_LLMOPS_KEY_DIGEST];
    u_char                    buf[NGX_LLMOPS_KEY_ID_MAX];
    json_t                   *record;
    time_t                    until;
    ngx_str_t                 id, key, found;
    ngx_llmops_key_secret_t   secret;

    (void) state;

    key = *unit_str("my-own-key-of-another-gateway");
    found.data = buf;

    ngx_llmops_sha256(key.data, key.len, digest);
    *ngx_llmops_key_hex(buf, digest, 12) = '\0';

    assert_int_equal(ngx_llmops_key_id_of(&key, digest, &found), 0);

    {
        char  hex[NGX_LLMOPS_KEY_HEX + 1];

        *ngx_llmops_key_hex((u_char *) hex, digest, 32) = '\0';
        snprintf(wanted, sizeof(wanted), "{\"sha256\":\"%s\"}", hex);
    }

    record = create(wanted, &secret);
    assert_int_equal(secret.len, 0);

    id = ngx_llmops_key_id(record);

    assert_int_equal(found.len, 25);
    assert_int_equal(id.len, 25);
    assert_memory_equal(id.data, found.data, 25);
    assert_true(ngx_llmops_key_matches(record, digest, &until));
    assert_null(json_object_get(record, "sha256"));

    json_decref(record);

    /* of a gateway like this one: with its id */

    snprintf(wanted, sizeof(wanted), "{\"sha256\":\"%s\",\"id\":\"k17\"}",
             hex_a);
    record = create(wanted, &secret);
    id = ngx_llmops_key_id(record);
    assert_str(id, "k17");
    json_decref(record);

    refused("{\"sha256\":\"abc\"}", "64 hex digits");
    refused("{\"sha256\":7}", "64 hex digits");
    refused("{\"id\":\"abc\"}", "unknown member \"id\"");
    snprintf(wanted, sizeof(wanted), "{\"sha256\":\"%s\",\"id\":\"K!\"}",
             hex_a);
    refused(wanted, "must be 1 to 32 characters");
}


static void
test_refused(void **state)
{
    (void) state;

    refused("[]", "a JSON object");
    refused("{\"countrys\":[\"DE\"]}", "unknown member \"countrys\"");
    refused("{\"hashes\":[]}", "unknown member");
    refused("{\"created\":1}", "unknown member");
    refused("{\"client\":\"\"}", "\"client\" must be a string");
    refused("{\"client\":7}", "\"client\" must be a string");
    refused("{\"client\":\"a\\nb\"}", "control");
    refused("{\"tenant\":\"a\\u007f\"}", "control");
    refused("{\"plan\":[\"a\"]}", "\"plan\" must be a string");
    refused("{\"routes\":[]}", "\"routes\" must be a list");
    refused("{\"routes\":{}}", "\"routes\" must be a list");
    refused("{\"models\":[\"a*b\"]}", "last character");
    refused("{\"models\":[\"**\"]}", "last character");
    refused("{\"models\":[7]}", "must be a list");
    refused("{\"limits\":[\"requests=60\"]}", "invalid \"limits\": write");
    refused("{\"limits\":[\"rockets=60/m\"]}", "must have limits like");
    refused("{\"limits\":[\"requests=6/m\",\"requests=7/60s\"]}", "twice");
    refused("{\"metadata\":[]}", "must be an object");
    refused("{\"networks\":[\"10.0.0.0/33\"]}", "must have networks");
    refused("{\"networks\":[\"10.0.0\"]}", "must have networks");
    refused("{\"networks\":[\"2001:db8::/129\"]}", "must have networks");
    refused("{\"networks\":[\"10.0.0.0/\"]}", "must have networks");
    refused("{\"networks\":[\"10.0.0.0/8x\"]}", "must have networks");
    refused("{\"countries\":[\"DEU\"]}", "two letters");
    refused("{\"countries\":[\"1E\"]}", "two letters");
    refused("{\"disabled\":1}", "true or false");
    refused("{\"expires\":-1}", "seconds since 1970");
    refused("{\"expires\":0}", "seconds since 1970");
    refused("{\"expires\":1.5}", "seconds since 1970");
    refused("{\"expires\":\"tomorrow\"}", "seconds since 1970");
    refused("{\"expires\":\"2027-02-29T00:00:00Z\"}", "seconds since 1970");
    refused("{\"expires\":\"2027-04-31T00:00:00Z\"}", "seconds since 1970");
    refused("{\"expires\":\"2100-02-29T00:00:00Z\"}", "seconds since 1970");
    refused("{\"expires\":\"2027-01-31T00:00:00+24:00\"}",
            "seconds since 1970");
    refused("{\"expires\":253402300800}", "seconds since 1970");
}


static void
test_refused_sizes(void **state)
{
    char  wanted[4096], text[3000];

    (void) state;

    memset(text, 'x', sizeof(text));

    text[129] = '\0';
    snprintf(wanted, sizeof(wanted), "{\"client\":\"%s\"}", text);
    refused(wanted, "1 to 128 bytes");

    text[129] = 'x';
    text[257] = '\0';
    snprintf(wanted, sizeof(wanted), "{\"models\":[\"%s\"]}", text);
    refused(wanted, "at most 256 bytes");

    text[257] = 'x';
    text[2048] = '\0';
    snprintf(wanted, sizeof(wanted), "{\"metadata\":{\"a\":\"%s\"}}", text);
    refused(wanted, "more than 2048 bytes");

    refused("{\"limits\":[\"requests=1/1s\",\"requests=1/2s\","
            "\"requests=1/3s\","
            "\"requests=1/4s\",\"requests=1/5s\",\"requests=1/6s\","
            "\"requests=1/7s\",\"requests=1/8s\",\"requests=1/9s\"]}",
            "1 to 8 limits");
}


static void
test_change(void **state)
{
    char                      error[NGX_LLMOPS_KEY_ERROR];
    json_t                   *record, *changed, *wanted;
    ngx_llmops_key_secret_t   secret;

    (void) state;

    record = create("{\"client\":\"a\",\"models\":[\"m\"]}", &secret);

    wanted = json("{\"models\":null,\"disabled\":true}");
    changed = ngx_llmops_key_change(record, wanted, error);
    assert_non_null(changed);

    assert_null(json_object_get(changed, "models"));
    assert_true(json_is_true(json_object_get(changed, "disabled")));
    assert_string_equal(json_string_value(json_object_get(changed, "client")),
                        "a");

    /* the old one is as it was */

    assert_non_null(json_object_get(record, "models"));
    assert_null(json_object_get(record, "disabled"));

    json_decref(wanted);
    json_decref(changed);

    wanted = json("{\"id\":\"x\"}");
    assert_null(ngx_llmops_key_change(record, wanted, error));
    json_decref(wanted);

    wanted = json("{\"sha256\":\"x\"}");
    assert_null(ngx_llmops_key_change(record, wanted, error));
    json_decref(wanted);

    json_decref(record);
}


static void
test_rotate(void **state)
{
    char                      error[NGX_LLMOPS_KEY_ERROR];
    u_char                    digest[NGX_LLMOPS_KEY_DIGEST];
    json_t                   *one, *two, *three;
    time_t                    until;
    ngx_str_t                 id;
    ngx_llmops_key_secret_t   first, second, third;

    (void) state;

    one = create("{}", &first);
    id = ngx_llmops_key_id(one);

    two = ngx_llmops_key_rotate(one, 3600, NOW + 10, &second, error);
    assert_non_null(two);
    assert_memory_equal(second.text + 7, id.data, id.len);

    digest_of(&second, digest);
    assert_true(ngx_llmops_key_matches(two, digest, &until));
    assert_int_equal(until, 0);

    digest_of(&first, digest);
    assert_true(ngx_llmops_key_matches(two, digest, &until));
    assert_int_equal(until, NOW + 10 + 3600);

    /* a longer overlap later does not make the first one live longer */

    three = ngx_llmops_key_rotate(two, 86400, NOW + 20, &third, error);
    assert_non_null(three);

    assert_true(ngx_llmops_key_matches(three, digest, &until));
    assert_int_equal(until, NOW + 10 + 3600);

    digest_of(&second, digest);
    assert_true(ngx_llmops_key_matches(three, digest, &until));
    assert_int_equal(until, NOW + 20 + 86400);

    json_decref(two);

    /* without an overlap only the new one is left */

    two = ngx_llmops_key_rotate(three, 0, NOW + 30, &second, error);
    assert_int_equal(json_array_size(json_object_get(two, "hashes")), 1);
    digest_of(&third, digest);
    assert_false(ngx_llmops_key_matches(two, digest, &until));

    json_decref(one);
    json_decref(two);
    json_decref(three);
}


static void
test_rotate_bounds(void **state)
{
    char                      error[NGX_LLMOPS_KEY_ERROR];
    json_t                   *record, *next;
    ngx_llmops_key_secret_t   secret;

    (void) state;

    record = create("{}", &secret);

    assert_null(ngx_llmops_key_rotate(record, -1, NOW, &secret, error));
    assert_null(ngx_llmops_key_rotate(record, 91 * 86400, NOW, &secret,
                                      error));

    for (int i = 1; i < NGX_LLMOPS_KEY_HASHES; i++) {
        next = ngx_llmops_key_rotate(record, 100, NOW, &secret, error);
        assert_non_null(next);
        json_decref(record);
        record = next;
    }

    assert_null(ngx_llmops_key_rotate(record, 100, NOW + 1, &secret, error));
    assert_non_null(strstr(error, "shorter overlap"));
    assert_int_equal(secret.len, 0);

    /* when they have ended there is room again */

    next = ngx_llmops_key_rotate(record, 100, NOW + 200, &secret, error);
    assert_non_null(next);
    assert_int_equal(json_array_size(json_object_get(next, "hashes")), 2);

    json_decref(record);
    json_decref(next);
}


static void
test_show(void **state)
{
    u_char                    digest[NGX_LLMOPS_KEY_DIGEST];
    u_char                    hex[NGX_LLMOPS_KEY_HEX + 1];
    json_t                   *record, *shown;
    ngx_str_t                 text;
    ngx_llmops_key_secret_t   secret;

    (void) state;

    record = create("{\"expires\":1900000000}", &secret);
    shown = ngx_llmops_key_show(record, NOW);
    text = dump(shown);

    digest_of(&secret, digest);
    *ngx_llmops_key_hex(hex, digest, 32) = '\0';

    assert_null(strstr((char *) text.data, (char *) hex));
    hex[8] = '\0';
    assert_non_null(strstr((char *) text.data, (char *) hex));
    assert_non_null(strstr((char *) text.data, "\"state\":\"active\""));

    free(text.data);
    json_decref(shown);

    shown = ngx_llmops_key_show(record, 1900000000);
    assert_string_equal(json_string_value(json_object_get(shown, "state")),
                        "expired");
    json_decref(shown);

    json_object_set_new(record, "disabled", json_true());
    shown = ngx_llmops_key_show(record, NOW);
    assert_string_equal(json_string_value(json_object_get(shown, "state")),
                        "disabled");

    json_decref(shown);
    json_decref(record);
}


static void
test_load(void **state)
{
    char        error[NGX_LLMOPS_KEY_ERROR], text[512];
    json_t     *record;
    ngx_uint_t  i;

    static const char  *bad[] = {
        "", "{", "[]", "7", "null", "{}",
        "{\"id\":\"a\"}",
        "{\"id\":\"a\",\"hashes\":[]}",
        "{\"id\":\"a\",\"hashes\":[{}]}",
        "{\"id\":\"a\",\"hashes\":[{\"sha256\":\"00\"}]}",
        "{\"id\":\"A\",\"hashes\":[{\"sha256\":\"%s\"}]}",
        "{\"id\":\"a\",\"hashes\":[{\"sha256\":\"%s\",\"until\":\"x\"}]}",
        "{\"id\":\"a\",\"id\":\"b\",\"hashes\":[{\"sha256\":\"%s\"}]}",
        "{\"id\":\"a\",\"client\":null,\"hashes\":[{\"sha256\":\"%s\"}]}",
        "{\"id\":\"a\",\"more\":1,\"hashes\":[{\"sha256\":\"%s\"}]}",
        "{\"id\":\"a\",\"hashes\":[{\"sha256\":\"%s\"}]} x"
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(text, sizeof(text), bad[i], hex_a);
#pragma GCC diagnostic pop

        error[0] = '\0';
        assert_null(ngx_llmops_key_load(unit_str(text), error));
        assert_true(error[0] != '\0');
        assert_null(strstr(error, "aaaaaaaa"));
    }

    snprintf(text, sizeof(text),
             "{\"id\":\"a\",\"hashes\":[{\"sha256\":\"%s\",\"until\":5}]}",
             hex_a);

    record = ngx_llmops_key_load(unit_str(text), error);
    assert_non_null(record);
    json_decref(record);
}


static void
test_id_of(void **state)
{
    u_char      digest[NGX_LLMOPS_KEY_DIGEST], buf[NGX_LLMOPS_KEY_ID_MAX];
    ngx_str_t   id;
    ngx_uint_t  i;

    static const char  *others[] = {
        "", "s", "sk-llm", "sk-llm-", "sk-llm-abc", "sk-llm-abc-",
        "sk-llm--abc", "sk-llm-Abc-x", "sk-llm-a.b-x", "sk-llx-abc-x",
        "sk-llm-abcdefghijklmnopqrstuvwxyz0123456-x", "sk-proj-abc-x"
    };

    (void) state;

    memset(digest, 0xab, sizeof(digest));
    id.data = buf;

    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_false(ngx_llmops_key_id_of(unit_str(others[i]), digest, &id));
        assert_str(id, "habababababababababababab");
    }

    assert_true(ngx_llmops_key_id_of(unit_str("sk-llm-a-x"), digest, &id));
    assert_str(id, "a");

    assert_true(ngx_llmops_key_id_of(
        unit_str("sk-llm-abcdefghijklmnopqrstuvwxyz012345-x-y"), digest, &id));
    assert_str(id, "abcdefghijklmnopqrstuvwxyz012345");
}


static void
test_cidr(void **state)
{
    ngx_cidr_t  cidr;

    (void) state;

    assert_int_equal(ngx_llmops_key_cidr(unit_str("10.1.2.3/9"), &cidr),
                     NGX_OK);
    assert_int_equal(cidr.family, AF_INET);
    assert_int_equal(ntohl(cidr.u.in.addr), 0x0a000000);
    assert_int_equal(ntohl(cidr.u.in.mask), 0xff800000);

    assert_int_equal(ngx_llmops_key_cidr(unit_str("10.1.2.3"), &cidr), NGX_OK);
    assert_int_equal(ntohl(cidr.u.in.addr), 0x0a010203);
    assert_int_equal(ntohl(cidr.u.in.mask), 0xffffffff);

    assert_int_equal(ngx_llmops_key_cidr(unit_str("0.0.0.0/0"), &cidr),
                     NGX_OK);
    assert_int_equal(cidr.u.in.mask, 0);

    assert_int_equal(ngx_llmops_key_cidr(unit_str("2001:db8:ffff::/33"),
                                         &cidr), NGX_OK);
    assert_int_equal(cidr.family, AF_INET6);
    assert_memory_equal(cidr.u.in6.addr.s6_addr,
                        "\x20\x01\x0d\xb8\x80\x00\0\0\0\0\0\0\0\0\0\0", 16);
    assert_memory_equal(cidr.u.in6.mask.s6_addr,
                        "\xff\xff\xff\xff\x80\x00\0\0\0\0\0\0\0\0\0\0", 16);
}


/*
 * How long it takes to see that two digests differ, where they differ first:
 * a comparison that stops there takes some 30 times longer for the last byte.
 */

static double
compare_time(ngx_uint_t at)
{
    int                 rounds;
    u_char              a[NGX_LLMOPS_KEY_DIGEST], b[NGX_LLMOPS_KEY_DIGEST];
    double              best, took;
    ngx_uint_t          i, equal;
    struct timespec     from, to;

    memset(a, 0x5a, sizeof(a));
    memcpy(b, a, sizeof(a));
    b[at] ^= 0xff;

    best = 1e9;
    equal = 0;

    for (rounds = 0; rounds < 200; rounds++) {
        clock_gettime(CLOCK_MONOTONIC, &from);

        for (i = 0; i < 2000; i++) {
            equal += ngx_llmops_key_equal(a, b);
        }

        clock_gettime(CLOCK_MONOTONIC, &to);

        took = (double) (to.tv_sec - from.tv_sec) * 1e9
               + (double) (to.tv_nsec - from.tv_nsec);

        best = ngx_min(best, took);
    }

    assert_int_equal(equal, 0);

    return best;
}


static void
test_compare_time(void **state)
{
    int     tries;
    double  first, last, ratio;

    (void) state;

    ratio = 0;

    /* the best of many, and again if the machine was busy */

    for (tries = 0; tries < 5; tries++) {
        first = compare_time(0);
        last = compare_time(NGX_LLMOPS_KEY_DIGEST - 1);
        ratio = last / first;

        if (ratio > 0.5 && ratio < 2) {
            return;
        }
    }

    fail_msg("a difference in the last byte takes %.2f times as long", ratio);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_create_all),
        cmocka_unit_test(test_import),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_refused_sizes),
        cmocka_unit_test(test_change),
        cmocka_unit_test(test_rotate),
        cmocka_unit_test(test_rotate_bounds),
        cmocka_unit_test(test_show),
        cmocka_unit_test(test_load),
        cmocka_unit_test(test_id_of),
        cmocka_unit_test(test_cidr),
        cmocka_unit_test(test_compare_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
