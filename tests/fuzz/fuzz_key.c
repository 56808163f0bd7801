
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "fuzz.h"
#include "ngx_llmops_digest.h"
#include "ngx_llmops_key_check.h"

#include <openssl/crypto.h>


/*
 * Records of keys: what has been taken can be written and read again, changed,
 * rotated and shown; what is shown has no digest.
 */


#define FUZZ_NOW  1800000000


static void
fuzz_again(json_t *record)
{
    char       error[NGX_LLMOPS_KEY_ERROR];
    json_t    *again;
    ngx_str_t  text;

    text.data = (u_char *) json_dumps(record, NGX_LLMOPS_KEY_DUMP);
    fuzz_check(text.data);
    text.len = strlen((char *) text.data);

    again = ngx_llmops_key_load(&text, error);
    fuzz_check(again);

    /* numbers of metadata are written with 15 digits */

    json_object_del(record, "metadata");
    json_object_del(again, "metadata");
    fuzz_check(json_equal(record, again));

    json_decref(again);
    free(text.data);
}


static void
fuzz_record(json_t *record)
{
    char                      error[NGX_LLMOPS_KEY_ERROR];
    u_char                    digest[NGX_LLMOPS_KEY_DIGEST];
    json_t                   *rotated, *shown;
    time_t                    until;
    ngx_str_t                 id;
    ngx_llmops_key_secret_t   secret;

    id = ngx_llmops_key_id(record);
    fuzz_check(id.len && id.len <= NGX_LLMOPS_KEY_ID_MAX);

    fuzz_check(ngx_llmops_key_forget(record) >= 0);

    rotated = ngx_llmops_key_rotate(record, 60, FUZZ_NOW, &secret, error);

    if (rotated) {
        ngx_llmops_sha256(secret.text, secret.len, digest);
        fuzz_check(ngx_llmops_key_matches(rotated, digest, &until));
        fuzz_check(until == 0);
        fuzz_again(rotated);
        json_decref(rotated);
    }

    shown = ngx_llmops_key_show(record, FUZZ_NOW);
    fuzz_check(shown);
    json_decref(shown);

    fuzz_again(record);
}


int
LLVMFuzzerTestOneInput(const u_char *data, size_t size)
{
    char                      error[NGX_LLMOPS_KEY_ERROR];
    u_char                    digest[NGX_LLMOPS_KEY_DIGEST];
    u_char                    buf[NGX_LLMOPS_KEY_ID_MAX];
    json_t                   *record, *wanted, *changed;
    ngx_str_t                 text, id;
    json_error_t              err;
    ngx_llmops_key_secret_t   secret;

    text.data = malloc(size + 1);
    text.len = size;

    if (size) {
        memcpy(text.data, data, size);
    }

    /* as a document */

    record = ngx_llmops_key_load(&text, error);

    if (record) {
        fuzz_record(record);
        json_decref(record);
    }

    /* as what an administrator wants */

    wanted = json_loadb((char *) text.data, text.len, 0, &err);
    record = ngx_llmops_key_create(wanted, FUZZ_NOW, &secret, error);

    if (record) {
        changed = ngx_llmops_key_change(record, wanted, error);

        if (changed) {
            fuzz_record(changed);
            json_decref(changed);
        }

        fuzz_record(record);
        json_decref(record);

    } else {
        fuzz_check(secret.len == 0);
    }

    json_decref(wanted);

    /* as a key */

    fuzz_check(ngx_llmops_sha256(text.data, text.len, digest) == NGX_OK);

    id.data = buf;
    (void) ngx_llmops_key_id_of(&text, digest, &id);
    fuzz_check(id.len && id.len <= NGX_LLMOPS_KEY_ID_MAX);

    free(text.data);

    return 0;
}
