
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include "ngx_llmops_samples_record.h"
#include "ngx_llmops_samples_diff.h"
#include "ngx_llmops_tree.h"

#include <openssl/evp.h>


/* as nginx has them */

static uint32_t  table[256];
uint32_t  ngx_crc32_table256[256];


ngx_int_t
ngx_hextoi(u_char *line, size_t n)
{
    char           text[9], *end;
    unsigned long  value;

    assert_true(n < sizeof(text));
    memcpy(text, line, n);
    text[n] = '\0';

    value = strtoul(text, &end, 16);

    return *end || n == 0 ? NGX_ERROR : (ngx_int_t) value;
}


ngx_int_t
ngx_decode_base64(ngx_str_t *dst, ngx_str_t *src)
{
    int     n;
    u_char  buf[64];

    if (src->len > 48 || src->len % 4) {
        return NGX_ERROR;
    }

    n = EVP_DecodeBlock(buf, src->data, (int) src->len);
    if (n < 0) {
        return NGX_ERROR;
    }

    n -= (src->data[src->len - 1] == '=') + (src->data[src->len - 2] == '=');
    memcpy(dst->data, buf, n);
    dst->len = n;

    return NGX_OK;
}


static int
setup(void **state)
{
    ngx_uint_t  i, k;

    for (i = 0; i < 256; i++) {
        table[i] = (uint32_t) i;

        for (k = 0; k < 8; k++) {
            table[i] = table[i] & 1 ? table[i] >> 1 ^ 0xedb88320
                                    : table[i] >> 1;
        }

        ngx_crc32_table256[i] = table[i];
    }

    return 0;
}


/* -- records --------------------------------------------------------------- */

static u_char  one[32] = "0123456789abcdef0123456789abcde";
static u_char  two[32] = "another key of exactly 32 bytes";


static void
keyring(ngx_llmops_record_keys_t *keys, ngx_uint_t n, u_char *a, u_char *b)
{
    keys->n = n;
    keys->keys[0] = a;
    keys->keys[1] = b;
}


static void
make(ngx_llmops_record_t *rec, ngx_llmops_record_keys_t *keys, char *text,
    ngx_llmops_out_t *out)
{
    memset(rec, 0, sizeof(*rec));
    memset(rec->id, 7, sizeof(rec->id));

    rec->created = 1700000000123;
    rec->expires = 1700000001123;
    rec->edition = 3;
    rec->flags = NGX_LLMOPS_RECORD_PAIR;

    assert_int_equal(ngx_llmops_record_tag(keys, 'c', unit_str("alice"),
                                           rec->client), NGX_OK);
    assert_int_equal(ngx_llmops_record_write(rec, keys, unit_str(text), out),
                     NGX_OK);
}


static void
test_record(void **state)
{
    size_t                    size;
    ngx_uint_t                sealed;
    ngx_llmops_out_t          out, text;
    ngx_llmops_record_t       rec, got;
    ngx_llmops_record_keys_t  keys;

    for (sealed = 0; sealed < 2; sealed++) {
        ngx_llmops_out_init(&out, 65536);
        ngx_llmops_out_init(&text, 65536);
        keyring(&keys, sealed, one, NULL);

        make(&rec, &keys, "first", &out);
        make(&rec, &keys, "the second one", &out);

        assert_int_equal(out.len, 2 * NGX_LLMOPS_RECORD_HEAD + 5 + 14);
        assert_int_equal(ngx_llmops_record_read(out.data, out.len, &got,
                                                &size), NGX_OK);
        assert_int_equal(size, NGX_LLMOPS_RECORD_HEAD + 5);
        assert_int_equal(got.created, 1700000000123);
        assert_int_equal(got.expires, 1700000001123);
        assert_int_equal(got.edition, 3);
        assert_int_equal(got.flags, NGX_LLMOPS_RECORD_PAIR
                                    | (sealed ? NGX_LLMOPS_RECORD_SEALED : 0));
        assert_true(ngx_llmops_record_sound(out.data, &got));
        assert_memory_equal(got.id, rec.id, 16);
        assert_int_equal(ngx_llmops_record_text(out.data, &got, &keys, &text),
                         NGX_OK);
        assert_str(text, "first");

        assert_int_equal(ngx_llmops_record_read(out.data + size,
                                                out.len - size, &got, &size),
                         NGX_OK);
        assert_int_equal(size, NGX_LLMOPS_RECORD_HEAD + 14);
        assert_int_equal(memmem(out.data, out.len, "second", 6) == NULL,
                         sealed);

        ngx_llmops_out_free(&out);
        ngx_llmops_out_free(&text);
    }
}


/* whatever is cut off or changed: never a record that is another one */

static void
test_damage(void **state)
{
    size_t                    i, size;
    u_char                   *copy;
    ngx_llmops_out_t          out, text;
    ngx_llmops_record_t       rec, got;
    ngx_llmops_record_keys_t  keys;

    ngx_llmops_out_init(&out, 65536);
    ngx_llmops_out_init(&text, 65536);
    keyring(&keys, 1, one, NULL);

    make(&rec, &keys, "some text", &out);

    for (i = 0; i < out.len; i++) {
        copy = malloc(i ? i : 1);             /* of its exact size */
        memcpy(copy, out.data, i);
        assert_int_equal(ngx_llmops_record_read(copy, i, &got, &size),
                         NGX_DECLINED);
        free(copy);
    }

    for (i = 0; i < out.len; i++) {

        if (i >= 8 && i < 12) {
            continue;                         /* flags change */
        }

        out.data[i] ^= 1;

        if (ngx_llmops_record_read(out.data, out.len, &got, &size) == NGX_OK
            && size == out.len)
        {
            assert_false(ngx_llmops_record_sound(out.data, &got));

            /* what is in the head is bound to the text */

            if (i >= 16 && i < 156 && !(i >= 112 && i < 120)) {
                ngx_llmops_out_reset(&text);
                assert_int_equal(ngx_llmops_record_text(out.data, &got, &keys,
                                                        &text), NGX_ERROR);
                assert_int_equal(text.len, 0);
            }
        }

        out.data[i] ^= 1;
    }

    ngx_llmops_out_free(&out);
    ngx_llmops_out_free(&text);
}


static void
test_keys(void **state)
{
    size_t                     size;
    ngx_llmops_out_t           old, new, text;
    ngx_llmops_record_t        rec, got;
    ngx_llmops_record_keys_t   keys, own;
    ngx_llmops_record_name_t   name;

    ngx_llmops_out_init(&old, 65536);
    ngx_llmops_out_init(&new, 65536);
    ngx_llmops_out_init(&text, 65536);

    keyring(&keys, 1, one, NULL);
    make(&rec, &keys, "old", &old);

    keyring(&keys, 2, two, one);
    make(&rec, &keys, "new", &new);

    assert_int_equal(ngx_llmops_record_name(&keys, 'c', unit_str("alice"),
                                            &name), NGX_OK);

    ngx_llmops_record_read(old.data, old.len, &got, &size);
    assert_int_equal(ngx_llmops_record_is(&name, &got, got.client), NGX_OK);
    assert_int_equal(ngx_llmops_record_text(old.data, &got, &keys, &text),
                     NGX_OK);
    assert_int_equal(ngx_llmops_record_keys(&got, &keys, &own), NGX_OK);
    assert_ptr_equal(own.keys[0], one);

    ngx_llmops_record_read(new.data, new.len, &got, &size);
    assert_int_equal(ngx_llmops_record_is(&name, &got, got.client), NGX_OK);
    assert_int_equal(ngx_llmops_record_is(&name, &got, got.tenant),
                     NGX_DECLINED);

    /* a name of something else, and another one */

    ngx_llmops_record_name(&keys, 't', unit_str("alice"), &name);
    assert_int_equal(ngx_llmops_record_is(&name, &got, got.client),
                     NGX_DECLINED);
    ngx_llmops_record_name(&keys, 'c', unit_str("alic"), &name);
    assert_int_equal(ngx_llmops_record_is(&name, &got, got.client),
                     NGX_DECLINED);

    /* the key is not there: nobody can tell */

    keyring(&keys, 1, one, NULL);
    ngx_llmops_record_name(&keys, 'c', unit_str("alice"), &name);
    assert_int_equal(ngx_llmops_record_is(&name, &got, got.client), NGX_ERROR);
    assert_int_equal(ngx_llmops_record_text(new.data, &got, &keys, &text),
                     NGX_DECLINED);

    /* tags under a key are not what they are without one */

    keyring(&keys, 0, NULL, NULL);
    make(&rec, &keys, "plain", &text);
    assert_memory_not_equal(rec.client, got.client, 16);

    ngx_llmops_out_free(&old);
    ngx_llmops_out_free(&new);
    ngx_llmops_out_free(&text);
}


static void
test_wiped(void **state)
{
    size_t                    size;
    u_char                    head[NGX_LLMOPS_RECORD_HEAD];
    ngx_llmops_out_t          out, text;
    ngx_llmops_record_t       rec, got;
    ngx_llmops_record_keys_t  keys;

    ngx_llmops_out_init(&out, 65536);
    ngx_llmops_out_init(&text, 65536);
    keyring(&keys, 0, NULL, NULL);

    make(&rec, &keys, "text", &out);

    ngx_llmops_record_wiped(out.data, head);
    memcpy(out.data, head, sizeof(head));

    assert_int_equal(ngx_llmops_record_read(out.data, out.len, &got, &size),
                     NGX_OK);
    assert_int_equal(size, out.len);
    assert_int_equal(got.flags, NGX_LLMOPS_RECORD_GONE);
    assert_false(ngx_llmops_record_sound(out.data, &got));
    assert_int_equal(ngx_llmops_record_text(out.data, &got, &keys, &text),
                     NGX_ERROR);

    ngx_llmops_out_free(&out);
    ngx_llmops_out_free(&text);
}


static void
test_key_texts(void **state)
{
    size_t  i;
    u_char  key[NGX_LLMOPS_RECORD_KEY];

    static const char  *bad[] = {
        "", "00", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==",
        "zz0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f00"
    };

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(ngx_llmops_record_key(unit_str(bad[i]), key),
                         NGX_ERROR);
    }

    assert_int_equal(ngx_llmops_record_key(unit_str(
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eFF"),
        key), NGX_OK);
    assert_int_equal(key[30], 0x1e);
    assert_int_equal(key[31], 0xff);

    assert_int_equal(ngx_llmops_record_key(unit_str(
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="), key), NGX_OK);
    assert_int_equal(key[31], 0x1f);
}


/* -- differences ----------------------------------------------------------- */

typedef struct {
    const char  *stable;
    const char  *shadow;
    const char  *parts;                      /* "=same", "-stable", "+shadow" */
} diff_case_t;


static const diff_case_t  diffs[] = {
    { "", "", "" },
    { "a b c", "a b c", "=a b c" },
    { "a b c", "", "-a b c" },
    { "", "a b c", "+a b c" },
    { "a b c", "a x c", "=a -b +x =c" },
    { "one two", "one two three", "=one -two+two three" },
    { "a b c d e f", "a c d x f", "=a -b =c d -e +x =f" },
    { "\xc3\xa4 b", "\xc3\xb6 b", "-\xc3\xa4 +\xc3\xb6 =b" },
    { " a", "a", "- =a" },
    { "x y", "y x", "-x y+y x" }
};


static void
shown(json_t *diff, ngx_llmops_out_t *out)
{
    size_t       i;
    json_t      *part, *text;
    const char  *is;

    json_array_foreach(json_object_get(diff, "parts"), i, part) {
        is = json_string_value(json_object_get(part, "is"));
        text = json_object_get(part, "text");

        ngx_llmops_out_write(out, strcmp(is, "same") == 0 ? "="
                                  : strcmp(is, "stable") == 0 ? "-" : "+", 1);
        ngx_llmops_out_write(out, json_string_value(text),
                             json_string_length(text));
    }
}


/* both texts are in it, whatever it says is the same */

static void
whole(json_t *diff, const char *name, const char *text)
{
    size_t             i;
    json_t            *part, *s;
    ngx_llmops_out_t   out;

    ngx_llmops_out_init(&out, 16 * 1024 * 1024);

    json_array_foreach(json_object_get(diff, "parts"), i, part) {
        s = json_object_get(part, "is");

        if (strcmp(json_string_value(s), name) == 0
            || strcmp(json_string_value(s), "same") == 0)
        {
            s = json_object_get(part, "text");
            ngx_llmops_out_write(&out, json_string_value(s),
                                 json_string_length(s));
        }
    }

    assert_str(out, text);
    ngx_llmops_out_free(&out);
}


static void
test_diff(void **state)
{
    size_t             i;
    json_t            *diff;
    ngx_llmops_out_t   out;

    for (i = 0; i < sizeof(diffs) / sizeof(diffs[0]); i++) {
        ngx_llmops_out_init(&out, 65536);

        diff = ngx_llmops_sample_diff(diffs[i].stable,
                                      strlen(diffs[i].stable),
                                      diffs[i].shadow,
                                      strlen(diffs[i].shadow));
        assert_non_null(diff);
        shown(diff, &out);

        if (i < 9) {
            assert_str(out, diffs[i].parts);
        }

        whole(diff, "stable", diffs[i].stable);
        whole(diff, "shadow", diffs[i].shadow);

        json_decref(diff);
        ngx_llmops_out_free(&out);
    }
}


/* random texts of few words; and what is beyond the bounds */

static void
test_diff_random(void **state)
{
    char         a[8192], b[8192], *text[2] = { a, b };
    char        *big, *other;
    size_t       i, k, n;
    json_t      *diff;
    unsigned     seed = 7;

    for (i = 0; i < 300; i++) {
        for (k = 0; k < 2; k++) {
            n = 0;
            seed = seed * 1103515245 + 12345;

            for (n = (seed >> 16) % 60, text[k][0] = '\0'; n; n--) {
                seed = seed * 1103515245 + 12345;
                strcat(text[k], (const char *[]) { "a ", "b\n", "c  ", "dd " }
                                [(seed >> 16) % 4]);
            }
        }

        diff = ngx_llmops_sample_diff(a, strlen(a), b, strlen(b));
        assert_non_null(diff);
        whole(diff, "stable", a);
        whole(diff, "shadow", b);
        json_decref(diff);
    }

    n = 40000;
    big = malloc(2 * n + 1);
    other = malloc(2 * n + 1);

    for (i = 0; i < n; i++) {
        memcpy(big + 2 * i, "a ", 2);
        memcpy(other + 2 * i, i % 3 ? "a " : "b ", 2);
    }

    big[2 * n] = other[2 * n] = '\0';

    diff = ngx_llmops_sample_diff(big, 2 * n, other, 2 * n);
    assert_non_null(diff);
    whole(diff, "stable", big);
    whole(diff, "shadow", other);
    json_decref(diff);

    diff = ngx_llmops_sample_diff(big, 20000, other, 20000);
    assert_non_null(diff);
    whole(diff, "stable", (big[20000] = '\0', big));
    json_decref(diff);

    free(big);
    free(other);
}


/* -- data sets ------------------------------------------------------------ */

#define REQUEST  "\"request\":{\"messages\":[{\"role\":\"user\",\"content\":" \
                 "\"q\"}],\"temperature\":0.1%s}"
#define ANSWER   "\"answer\":{\"text\":\"s\",\"message\":{\"role\":"          \
                 "\"assistant\",\"content\":\"s\"}}"
#define SHADOW   "\"shadow\":{\"answer\":{\"text\":\"c\",\"message\":{"       \
                 "\"role\":\"assistant\",\"content\":\"c\"}}}"
#define USER     "[{\"role\":\"user\",\"content\":\"q\"}]"
#define S        "{\"role\":\"assistant\",\"content\":\"s\"}"
#define C        "{\"role\":\"assistant\",\"content\":\"c\"}"


static ngx_int_t
export(ngx_llmops_export_e format, const char *tools, const char *more,
    ngx_llmops_out_t *out)
{
    int         n;
    char        text[4096];
    json_t     *doc;
    ngx_int_t   rc;

    n = snprintf(text, sizeof(text), "{" REQUEST "," ANSWER "%s}", tools,
                 more);

    doc = ngx_llmops_tree_parse(text, n);
    assert_non_null(doc);

    ngx_llmops_out_init(out, 65536);
    rc = ngx_llmops_sample_export(format, doc, out);
    json_decref(doc);

    return rc;
}


static void
test_export(void **state)
{
    ngx_llmops_out_t  out;

    assert_int_equal(export(NGX_LLMOPS_EXPORT_CHAT, "", "", &out), NGX_OK);
    assert_str(out, "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"},"
                    S "]}\n");
    ngx_llmops_out_free(&out);

    assert_int_equal(export(NGX_LLMOPS_EXPORT_CHAT,
                            ",\"tools\":[{\"x\":1e2}]", "", &out), NGX_OK);
    assert_str(out, "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"},"
                    S "],\"tools\":[{\"x\":1e2}]}\n");
    ngx_llmops_out_free(&out);

    assert_int_equal(export(NGX_LLMOPS_EXPORT_DPO, "", "," SHADOW
                            ",\"verdict\":{\"winner\":\"stable\"}", &out),
                     NGX_OK);
    assert_str(out, "{\"prompt\":" USER ",\"chosen\":[" S "],\"rejected\":["
                    C "]}\n");
    ngx_llmops_out_free(&out);

    assert_int_equal(export(NGX_LLMOPS_EXPORT_OPENAI_DPO, "", "," SHADOW
                            ",\"verdict\":{\"winner\":\"shadow\"}", &out),
                     NGX_OK);
    assert_str(out, "{\"input\":{\"messages\":" USER "},\"preferred_output\":["
                    C "],\"non_preferred_output\":[" S "]}\n");
    ngx_llmops_out_free(&out);
}


/* what a conversation may have, and nothing else */

static void
test_export_of_members(void **state)
{
    ngx_llmops_out_t  out;

    static const char  text[] =
        "{\"request\":{\"messages\":["
        "{\"role\":\"user\",\"content\":\"q\",\"name\":\"ann\"},"
        "{\"annotations\":[],\"role\":\"assistant\",\"content\":null,"
        "\"refusal\":null,\"tool_calls\":[{\"id\":\"t\"}],\"audio\":null},"
        "{\"role\":\"tool\",\"tool_call_id\":\"t\",\"content\":\"1e2\"}],"
        "\"tools\":null},\"answer\":{\"message\":{\"role\":\"assistant\","
        "\"content\":\"s\",\"refusal\":null,\"annotations\":[]}},"
        "\"shadow\":{\"answer\":{\"message\":{\"role\":\"assistant\","
        "\"refusal\":\"no\",\"content\":null,\"x\":1}}},"
        "\"verdict\":{\"winner\":\"stable\"}}";

#define BEFORE                                                                \
    "{\"role\":\"user\",\"content\":\"q\",\"name\":\"ann\"},"               \
    "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":"        \
    "\"t\"}]},{\"role\":\"tool\",\"content\":\"1e2\",\"tool_call_id\":\"t\"}"

    json_t  *doc = ngx_llmops_tree_parse(text, sizeof(text) - 1);

    assert_non_null(doc);

    ngx_llmops_out_init(&out, 65536);
    assert_int_equal(ngx_llmops_sample_export(NGX_LLMOPS_EXPORT_CHAT, doc,
                                              &out), NGX_OK);
    assert_str(out, "{\"messages\":[" BEFORE "," S "]}\n");
    ngx_llmops_out_free(&out);

    ngx_llmops_out_init(&out, 65536);
    assert_int_equal(ngx_llmops_sample_export(NGX_LLMOPS_EXPORT_DPO, doc,
                                              &out), NGX_OK);
    assert_str(out, "{\"prompt\":[" BEFORE "],\"chosen\":[" S "],"
                    "\"rejected\":[{\"role\":\"assistant\",\"content\":null,"
                    "\"refusal\":\"no\"}]}\n");
    ngx_llmops_out_free(&out);

    json_decref(doc);
}


static void
test_no_export(void **state)
{
    size_t             i;
    ngx_llmops_out_t   out;

    static const char  *none[] = {
        "", ",\"shadow\":null,\"verdict\":{\"winner\":\"stable\"}",
        "," SHADOW, "," SHADOW ",\"verdict\":null",
        "," SHADOW ",\"verdict\":{\"winner\":\"tie\"}",
        "," SHADOW ",\"verdict\":{\"winner\":null,\"score\":1}",
        ",\"shadow\":{\"answer\":null},\"verdict\":{\"winner\":\"stable\"}"
    };

    for (i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_int_equal(export(NGX_LLMOPS_EXPORT_DPO, "", none[i], &out),
                         NGX_DECLINED);
        assert_int_equal(out.len, 0);
        ngx_llmops_out_free(&out);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_record),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_wiped),
        cmocka_unit_test(test_key_texts),
        cmocka_unit_test(test_diff),
        cmocka_unit_test(test_diff_random),
        cmocka_unit_test(test_export),
        cmocka_unit_test(test_export_of_members),
        cmocka_unit_test(test_no_export)
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
