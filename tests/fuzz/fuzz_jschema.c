
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "fuzz.h"
#include "jcheck_run.h"


/*
 * A document against one of some schemas that use all keywords: pieces and
 * tree agree, any split refuses at the same byte, and what was refused has no
 * valid prefix behind it.
 */


static const char *const  schemas[] = {
    "true",
    "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"},"
        "\"b\":{\"type\":\"string\",\"maxLength\":3,\"pattern\":\"^x\"},"
        "\"c\":{\"$ref\":\"#\"}},\"required\":[\"a\"],"
        "\"additionalProperties\":false}",
    "{\"anyOf\":[{\"type\":\"array\",\"items\":{\"enum\":[1,\"a\",null,[1]]},"
        "\"uniqueItems\":true},{\"const\":{\"a\":1,\"b\":[2]}},"
        "{\"oneOf\":[{\"minimum\":2},{\"multipleOf\":0.5}]}]}",
    "{\"if\":{\"properties\":{\"a\":{\"const\":1}}},\"then\":{\"required\":"
        "[\"b\"]},\"else\":{\"maxProperties\":1},\"dependentRequired\":"
        "{\"c\":[\"a\"]},\"dependentSchemas\":{\"d\":{\"minProperties\":3}},"
        "\"propertyNames\":{\"maxLength\":2}}",
    "{\"allOf\":[{\"properties\":{\"a\":true}},{\"anyOf\":[{\"properties\":"
        "{\"b\":{\"type\":\"null\"}}},{\"patternProperties\":{\"^c\":"
        "{\"type\":\"array\"}}}]}],\"unevaluatedProperties\":{\"minimum\":5}}",
    "{\"prefixItems\":[{\"type\":\"number\"}],\"contains\":{\"type\":\"string\"},"
        "\"minContains\":1,\"maxContains\":2,\"maxItems\":5,"
        "\"unevaluatedItems\":{\"not\":{\"type\":\"boolean\"}}}",
    "{\"not\":{\"type\":[\"array\",\"null\"]},\"minLength\":2,"
        "\"exclusiveMaximum\":10,\"exclusiveMinimum\":-1}",
    "{\"$defs\":{\"l\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/l\"}}},"
        "\"$ref\":\"#/$defs/l\"}"
};

#define NSCHEMAS  (sizeof(schemas) / sizeof(schemas[0]))

static ngx_llmops_jcheck_t   *checks[NSCHEMAS];
static ngx_llmops_jschema_t  *compiled[NSCHEMAS];


static void
setup(void)
{
    char     err[256];
    json_t  *root;
    size_t   i;

    for (i = 0; i < NSCHEMAS; i++) {
        root = json_loads(schemas[i], JSON_DECODE_ANY, NULL);
        compiled[i] = ngx_llmops_jschema_compile(root, NULL, err, sizeof(err));
        fuzz_check(compiled[i]);
        checks[i] = ngx_llmops_jcheck_create(compiled[i]);
        json_decref(root);
    }
}


static jcheck_result_t
pieces(ngx_llmops_jcheck_t *c, const u_char *sizes, const u_char *p,
    size_t len)
{
    size_t      n, left;
    u_char     *copy;
    ngx_int_t   rc;
    ngx_uint_t  i;

    ngx_llmops_jcheck_reset(c);

    rc = NGX_OK;

    for (i = 0, left = len; left && rc == NGX_OK; i++) {
        n = fuzz_piece(sizes, i, left);
        copy = malloc(n + !n);
        memcpy(copy, p, n);

        rc = ngx_llmops_jcheck_feed(c, copy, n);

        free(copy);
        p += n;
        left -= n;
    }

    if (rc == NGX_OK) {
        rc = ngx_llmops_jcheck_finish(c);
    }

    return jcheck_result(c, rc);
}


/* numbers that a tree rounds, as doubles, and we do not */

static int
rounded(const char *p, size_t len)
{
    size_t  i, digits, exp;

    for (digits = 0, exp = 0, i = 0; i < len; i++) {

        if (p[i] >= '0' && p[i] <= '9') {
            digits++;

            if (digits > 15 || (exp && ++exp > 3)) {
                return 1;
            }

        } else if (p[i] == 'e' || p[i] == 'E') {
            exp = 1;

        } else if (p[i] != '.' && p[i] != '-' && p[i] != '+') {
            digits = 0;
            exp = 0;
        }
    }

    return 0;
}


int
LLVMFuzzerTestOneInput(const u_char *data, size_t size)
{
    size_t            n;
    ngx_int_t         tree;
    const char       *p;
    jcheck_result_t   whole, r;

    if (size < FUZZ_SIZES + 1) {
        return 0;
    }

    if (compiled[0] == NULL) {
        setup();
    }

    n = data[FUZZ_SIZES] % NSCHEMAS;
    p = (const char *) data + FUZZ_SIZES + 1;
    size -= FUZZ_SIZES + 1;

    whole = jcheck_split(checks[n], p, size, size);
    r = pieces(checks[n], data, (u_char *) p, size);

    fuzz_check(r.rc == whole.rc && r.error == whole.error
               && r.offset == whole.offset);
    fuzz_check(strcmp(r.keyword, whole.keyword) == 0);

    /* jansson takes a NUL behind a document for its end */

    if (whole.error == NGX_LLMOPS_JTOK_LIMIT
        || whole.error == NGX_LLMOPS_JTOK_DEPTH || memchr(p, 0, size)
        || rounded(p, size))
    {
        return 0;
    }

    tree = jcheck_tree(compiled[n], p, size);
    fuzz_check(tree == NGX_ABORT || tree == whole.rc);

    return 0;
}
