
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include <jansson.h>
#include "ngx_llmops_prompt_head.h"
#include "ngx_llmops_store.h"


#define SHA_A  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"                             \
               "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SHA_B  "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"                             \
               "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"


static ngx_llmops_head_act_t    act;
static ngx_llmops_head_fault_t  fault;


static json_t *
head_make(void)
{
    act.time++;
    act.by = *unit_str("somebody");
    act.reason = *unit_str("why");

    return ngx_llmops_head_create(unit_str("support"), 7);
}


static ngx_int_t
head_put(json_t *head, const char *version, const char *sha256)
{
    char  id[64];

    (void) snprintf(id, sizeof(id), "support@%s", version);

    return ngx_llmops_head_put(head, unit_str(version), unit_str(id), sha256,
                               12, &act, &fault);
}


static ngx_int_t
head_label(json_t *head, const char *label, const char *version)
{
    return ngx_llmops_head_label(head, unit_str(label), unit_str(version),
                                 &act, &fault);
}


#define assert_refused(rc, name)                                              \
    assert_int_equal(rc, NGX_DECLINED);                                       \
    assert_string_equal(fault.code, name)

#define assert_leads(head, which, to)                                         \
    assert_string_equal(ngx_llmops_head_find(head, unit_str(which)), to)


static void
test_find(void **state)
{
    json_t  *head;

    head = head_make();

    assert_null(ngx_llmops_head_find(head, unit_str("")));

    assert_int_equal(head_put(head, "v1", SHA_A), NGX_OK);
    assert_leads(head, "", "v1");            /* the only one */
    assert_leads(head, "v1", "v1");

    assert_int_equal(head_put(head, "v2", SHA_B), NGX_OK);
    assert_null(ngx_llmops_head_find(head, unit_str("")));
    assert_null(ngx_llmops_head_find(head, unit_str("v")));
    assert_null(ngx_llmops_head_find(head, unit_str("v11")));

    assert_int_equal(head_label(head, "production", "v2"), NGX_OK);
    assert_int_equal(head_label(head, "staging", "v1"), NGX_OK);
    assert_leads(head, "", "v2");
    assert_leads(head, "staging", "v1");
    assert_leads(head, "v1", "v1");

    json_decref(head);
}


static void
test_versions_keep_their_text(void **state)
{
    json_t  *head;

    head = head_make();

    assert_int_equal(head_put(head, "v1", SHA_A), NGX_OK);
    assert_int_equal(head_put(head, "v1", SHA_A), NGX_DONE);
    assert_refused(head_put(head, "v1", SHA_B), "immutable");

    assert_int_equal(ngx_llmops_head_remove(head, unit_str("v1"), &act,
                                            &fault), NGX_OK);
    assert_null(ngx_llmops_head_version(head, unit_str("v1")));
    assert_refused(ngx_llmops_head_remove(head, unit_str("v1"), &act, &fault),
                   "not_found");
    assert_refused(head_put(head, "v1", SHA_B), "immutable");
    assert_int_equal(head_put(head, "v1", SHA_A), NGX_OK);

    json_decref(head);
}


static void
test_rollback(void **state)
{
    json_t     *head;
    ngx_str_t  *label = unit_str("production");

    head = head_make();

    head_put(head, "v1", SHA_A);
    head_put(head, "v2", SHA_A);
    head_put(head, "v3", SHA_A);

    assert_refused(ngx_llmops_head_rollback(head, label, &act, &fault),
                   "not_found");

    assert_int_equal(head_label(head, "production", "v1"), NGX_OK);
    assert_refused(ngx_llmops_head_rollback(head, label, &act, &fault),
                   "no_previous");

    assert_int_equal(head_label(head, "production", "v2"), NGX_OK);
    assert_int_equal(head_label(head, "production", "v2"), NGX_DONE);
    assert_int_equal(head_label(head, "production", "v3"), NGX_OK);

    assert_int_equal(ngx_llmops_head_rollback(head, label, &act, &fault),
                     NGX_OK);
    assert_leads(head, "", "v2");
    assert_int_equal(ngx_llmops_head_rollback(head, label, &act, &fault),
                     NGX_OK);
    assert_leads(head, "", "v1");
    assert_refused(ngx_llmops_head_rollback(head, label, &act, &fault),
                   "no_previous");

    /* no way back to what was deleted */

    assert_int_equal(head_label(head, "production", "v2"), NGX_OK);
    assert_int_equal(head_label(head, "production", "v3"), NGX_OK);
    assert_int_equal(ngx_llmops_head_remove(head, unit_str("v2"), &act,
                                            &fault), NGX_OK);
    assert_int_equal(ngx_llmops_head_rollback(head, label, &act, &fault),
                     NGX_OK);
    assert_leads(head, "", "v1");

    json_decref(head);
}


static void
test_names_mean_one_thing(void **state)
{
    json_t  *head;

    head = head_make();

    head_put(head, "v1", SHA_A);

    assert_refused(head_label(head, "x", "v9"), "not_found");
    assert_refused(head_label(head, "v1", "v1"), "name_taken");
    assert_int_equal(head_label(head, "x", "v1"), NGX_OK);
    assert_refused(head_put(head, "x", SHA_A), "name_taken");
    assert_refused(ngx_llmops_head_remove(head, unit_str("v1"), &act, &fault),
                   "in_use");
    assert_non_null(strstr(fault.text, "\"x\""));

    assert_int_equal(ngx_llmops_head_unlabel(head, unit_str("x"), &act,
                                             &fault), NGX_OK);
    assert_refused(ngx_llmops_head_unlabel(head, unit_str("x"), &act, &fault),
                   "not_found");
    assert_int_equal(head_put(head, "x", SHA_A), NGX_OK);

    json_decref(head);
}


/* the largest head there can be, of reasons that JSON makes six times as long,
   fits into its document */

static void
test_bounds(void **state)
{
    char        name[NGX_LLMOPS_HEAD_WHO + 1];
    char        label[NGX_LLMOPS_HEAD_WHO + 1], *text;
    json_t     *head, *again;
    ngx_str_t   value;
    ngx_uint_t  i, k;
    char        reason[NGX_LLMOPS_HEAD_REASON + 2];

    head = head_make();

    memset(reason, '\001', sizeof(reason));
    reason[sizeof(reason) - 1] = '\0';
    act.reason = *unit_str(reason);

    memset(name, 'n', sizeof(name));
    memset(label, 'l', sizeof(label));

    for (i = 0; i < NGX_LLMOPS_HEAD_VERSIONS + NGX_LLMOPS_HEAD_GONE; i++) {
        (void) snprintf(name + 56, 9, "%08lu", (unsigned long) i);
        assert_int_equal(head_put(head, name, SHA_A), NGX_OK);

        if (i < NGX_LLMOPS_HEAD_GONE) {
            assert_int_equal(ngx_llmops_head_remove(head, unit_str(name), &act,
                                                    &fault), NGX_OK);
        }
    }

    assert_refused(head_put(head, "more", SHA_A), "full");

    assert_refused(ngx_llmops_head_remove(head, unit_str(name), &act, &fault),
                   "full");

    for (i = 0; i < NGX_LLMOPS_HEAD_LABELS; i++) {
        (void) snprintf(label + 56, 9, "%08lu", (unsigned long) i);

        for (k = 0; k <= NGX_LLMOPS_HEAD_PREVIOUS; k++) {
            (void) snprintf(name + 56, 9, "%08lu",
                            (unsigned long) NGX_LLMOPS_HEAD_GONE + k);
            assert_int_equal(head_label(head, label, name), NGX_OK);
        }
    }

    assert_refused(head_label(head, "more", name), "full");
    assert_int_equal(json_array_size(json_object_get(head, "history")),
                     NGX_LLMOPS_HEAD_HISTORY);

    text = json_dumps(head, JSON_COMPACT);
    value.data = (u_char *) text;
    value.len = strlen(text);

    assert_true(value.len <= NGX_LLMOPS_DOC_HEAD);

    again = ngx_llmops_head_load(&value);
    assert_true(json_equal(head, again));

    json_decref(again);
    free(text);
    json_decref(head);
}


static void
test_history(void **state)
{
    json_t  *head, *last, *history;

    head = head_make();
    history = json_object_get(head, "history");

    head_put(head, "v1", SHA_A);
    head_put(head, "v2", SHA_A);
    head_label(head, "production", "v1");

    act.by = *unit_str("\xff\xfe");          /* no UTF-8 */
    head_label(head, "production", "v2");

    last = json_array_get(history, 3);
    assert_string_equal(json_string_value(json_object_get(last, "action")),
                        "label");
    assert_string_equal(json_string_value(json_object_get(last, "from")),
                        "v1");
    assert_string_equal(json_string_value(json_object_get(last, "by")), "\?\?");
    assert_string_equal(json_string_value(json_object_get(last, "reason")),
                        "why");

    json_decref(head);
}


static void
test_what_is_no_head(void **state)
{
    ngx_uint_t   i;
    const char  *texts[] = {
        "", "1", "{", "{}", "{\"name\":\"a\"}",
        "{\"name\":\"a\",\"versions\":[],\"labels\":{},\"history\":[],"
        "\"gone\":{}}",
        "{\"name\":1,\"versions\":{},\"labels\":{},\"history\":[],"
        "\"gone\":{}}",
        NULL
    };

    for (i = 0; texts[i]; i++) {
        assert_null(ngx_llmops_head_load(unit_str(texts[i])));
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_versions_keep_their_text),
        cmocka_unit_test(test_rollback),
        cmocka_unit_test(test_names_mean_one_thing),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_history),
        cmocka_unit_test(test_what_is_no_head)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
