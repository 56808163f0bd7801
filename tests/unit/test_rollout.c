
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include "ngx_llmops_rollout_guard.h"
#include "ngx_llmops_rollout_doc.h"

#include <math.h>


/* -- guards --------------------------------------------------------------- */

static ngx_llmops_guard_t
good(const char *text)
{
    const char          *error;
    ngx_llmops_guard_t   guard;

    error = NULL;

    if (ngx_llmops_guard_parse(unit_str(text), &guard, &error) != NGX_OK) {
        fail_msg("%s: %s", text, error);
    }

    assert_str(guard.text, text);

    return guard;
}


static void
near(double a, double b)
{
    assert_true(fabs(a - b) < 1e-9);
}


static void
test_guards(void **state)
{
    ngx_llmops_guard_t  g;

    (void) state;

    g = good("errors<2%");
    assert_int_equal(g.measure, NGX_LLMOPS_MEASURE_ERRORS);
    assert_int_equal(g.mode, NGX_LLMOPS_GUARD_BOUND);
    near(g.p, 0.02);
    near(ngx_llmops_guard_x(&g, 1), 1);

    g = good("errors<0.25%");
    near(g.p, 0.0025);

    g = good("errors<+1%");
    assert_int_equal(g.mode, NGX_LLMOPS_GUARD_POINTS);
    near(g.bound, 0.01);

    g = good("errors<1.5x");
    assert_int_equal(g.mode, NGX_LLMOPS_GUARD_TIMES);
    near(g.bound, 1.5);
    assert_false(ngx_llmops_guard_binned(&g));

    g = good("checks>97%");
    near(g.p, 0.03);
    near(ngx_llmops_guard_x(&g, 1), 1);

    g = good("checks>-1%");
    near(g.bound, 0.01);

    g = good("first_token_p95<1500ms");
    near(g.p, 0.05);
    near(ngx_llmops_guard_x(&g, 1500), 0);
    near(ngx_llmops_guard_x(&g, 1501), 1);

    g = good("latency_p99.9<10s");
    near(g.p, 0.001);
    near(g.bound, 10000);

    g = good("latency_p95<1.2x");
    assert_true(ngx_llmops_guard_binned(&g));
    near(g.quantile, 0.95);

    /* a tenth of the requests may be slower */

    g = good("tokens_per_second_p10>20");
    near(g.p, 0.1);
    near(ngx_llmops_guard_x(&g, 19), 1);
    near(ngx_llmops_guard_x(&g, 21), 0);

    g = good("cost<0.01usd");
    near(g.p, 0.125);
    near(ngx_llmops_guard_x(&g, 0.01), 0.125);
    near(ngx_llmops_guard_x(&g, 0.5), 1);

    g = good("feedback>0.8");
    near(g.p, 0.2);
    near(ngx_llmops_guard_x(&g, 0.9), 0.1);

    g = good("feedback>-0.05");
    near(g.bound, 0.05);

    g = good("judge>0.75");
    near(g.p, 0.25);
    near(ngx_llmops_guard_x(&g, 0.25), 0.75);

    g = good("judge>-0.05");
    assert_int_equal(g.mode, NGX_LLMOPS_GUARD_POINTS);

    g = good("failures<5");
    assert_int_equal(g.mode, NGX_LLMOPS_GUARD_ROW);
}


static void
test_guards_that_are_none(void **state)
{
    ngx_uint_t           i;
    const char          *error;
    ngx_llmops_guard_t   guard;

    static const char  *texts[] = {
        "", "errors", "errors<", "errors<2", "errors>2%", "errors<-1%",
        "errors<0%", "errors<100%", "errors<2%%", "errors<+100%", "errors=2%",
        "errors_p95<2%", "error<2%", "checks<97%", "checks>+1%", "checks>0.9x",
        "latency<1s", "latency_p0<1s", "latency_p100<1s", "latency_p95<1m",
        "latency_p95<1", "latency_p95<+1s", "latency_p<1s", "latency_95<1s",
        "cost<1", "cost<0usd", "cost<1.2x", "feedback>1", "feedback>0",
        "feedback>80%", "judge<0.5", "judge>1", "judge_p95>0.5",
        "failures<0", "failures<1.5", "failures<+1",
        "failures<2x", "tokens_per_second<20", "tokens_per_second_p10<20",
        "errors<1.x", "errors<x", "errors<0x", "errors<12345678901%"
    };

    (void) state;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        error = NULL;

        if (ngx_llmops_guard_parse(unit_str(texts[i]), &guard, &error)
            != NGX_ERROR)
        {
            fail_msg("%s is none", texts[i]);
        }

        assert_non_null(error);
    }
}


static void
test_evidence(void **state)
{
    ngx_uint_t                i;
    ngx_llmops_guard_t        g;
    ngx_llmops_guard_seen_t   seen;

    (void) state;

    memset(&seen, 0, sizeof(seen));

    seen.arm[0].n = 1000;
    seen.arm[0].k = 10;
    seen.arm[1].n = 100;
    seen.arm[1].k = 20;
    seen.row = 4;

    g = good("errors<2%");
    assert_true(ngx_llmops_guard_evidence(&g, &seen) > 10);
    g = good("errors<30%");
    assert_true(ngx_llmops_guard_evidence(&g, &seen) < 0);
    g = good("errors<+1%");
    assert_true(ngx_llmops_guard_evidence(&g, &seen) > 10);
    g = good("errors<+50%");
    assert_true(ngx_llmops_guard_evidence(&g, &seen) < 0);
    g = good("errors<2x");
    assert_true(ngx_llmops_guard_evidence(&g, &seen) > 10);
    g = good("failures<5");
    assert_true(ngx_llmops_guard_evidence(&g, &seen) == 0);
    g = good("failures<4");
    assert_true(isinf(ngx_llmops_guard_evidence(&g, &seen)));

    g = good("latency_p50<1.2x");

    for (i = 0; i < 100; i++) {
        seen.bins[0][ngx_llmops_guard_bin(&g, 100 + i)]++;
        seen.bins[1][ngx_llmops_guard_bin(&g, 300 + i)]++;
    }

    assert_true(ngx_llmops_guard_evidence(&g, &seen) > 10);
    g = good("latency_p50<4x");
    assert_true(ngx_llmops_guard_evidence(&g, &seen) < 0);

    /* the faster one is the stable arm now */

    memset(seen.bins, 0, sizeof(seen.bins));
    g = good("tokens_per_second_p50>0.8x");

    for (i = 0; i < 100; i++) {
        seen.bins[0][ngx_llmops_guard_bin(&g, 50 + (double) i / 10)]++;
        seen.bins[1][ngx_llmops_guard_bin(&g, 20 + (double) i / 10)]++;
    }

    assert_true(ngx_llmops_guard_evidence(&g, &seen) > 10);
    g = good("tokens_per_second_p50>0.3x");
    assert_true(ngx_llmops_guard_evidence(&g, &seen) < 0);
}


/* -- the document --------------------------------------------------------- */

static json_t                    *json;
static ngx_llmops_rollout_doc_t   doc;


static ngx_int_t
act(ngx_llmops_rollout_action_e action, int64_t now)
{
    json_t      *entry;
    ngx_int_t    rc;
    const char  *error;

    error = NULL;

    rc = ngx_llmops_rollout_doc_apply(json, action, 3, now, unit_str("me"),
                                      unit_str("why"), NULL, &entry, &error);

    assert_true((rc == NGX_OK) == (error == NULL));

    if (rc == NGX_OK) {
        assert_string_equal(json_string_value(json_object_get(entry,
                                                              "action")),
                            ngx_llmops_rollout_action_names[action]);
    }

    ngx_llmops_rollout_doc_get(json, &doc);

    return rc;
}


static void
stands(ngx_llmops_rollout_state_e state, ngx_uint_t step, uint32_t epoch,
    int64_t since)
{
    assert_int_equal(doc.state, state);
    assert_int_equal(doc.step, step);
    assert_int_equal(doc.epoch, epoch);
    assert_int_equal(doc.since, since);
}


static void
test_states(void **state)
{
    char       *text;
    json_t     *again;

    (void) state;

    json = ngx_llmops_rollout_doc_new(unit_str("r"), unit_str("a\xff/b"), 10);
    assert_non_null(json);
    ngx_llmops_rollout_doc_get(json, &doc);
    stands(NGX_LLMOPS_ROLLOUT_RUNNING, 0, 1, 10);

    assert_int_equal(act(NGX_LLMOPS_ROLLOUT_START, 11), NGX_DECLINED);
    assert_int_equal(act(NGX_LLMOPS_ROLLOUT_RESUME, 11), NGX_DECLINED);
    assert_int_equal(act(NGX_LLMOPS_ROLLOUT_RESTART, 11), NGX_DECLINED);
    stands(NGX_LLMOPS_ROLLOUT_RUNNING, 0, 1, 10);

    assert_int_equal(act(NGX_LLMOPS_ROLLOUT_STEP, 20), NGX_OK);
    stands(NGX_LLMOPS_ROLLOUT_RUNNING, 1, 2, 20);

    /* what is no step goes on counting */

    assert_int_equal(act(NGX_LLMOPS_ROLLOUT_PAUSE, 25), NGX_OK);
    stands(NGX_LLMOPS_ROLLOUT_PAUSED, 1, 2, 20);
    assert_int_equal(act(NGX_LLMOPS_ROLLOUT_HOLD, 26), NGX_DECLINED);
    assert_int_equal(act(NGX_LLMOPS_ROLLOUT_RESUME, 27), NGX_OK);
    assert_int_equal(act(NGX_LLMOPS_ROLLOUT_HOLD, 28), NGX_OK);
    stands(NGX_LLMOPS_ROLLOUT_HOLDING, 1, 2, 20);

    assert_int_equal(act(NGX_LLMOPS_ROLLOUT_STEP, 30), NGX_OK);
    stands(NGX_LLMOPS_ROLLOUT_RUNNING, 2, 3, 30);
    assert_int_equal(act(NGX_LLMOPS_ROLLOUT_STEP, 40), NGX_OK);
    stands(NGX_LLMOPS_ROLLOUT_PROMOTED, 2, 4, 40);
    assert_int_equal(act(NGX_LLMOPS_ROLLOUT_STEP, 41), NGX_DECLINED);
    assert_int_equal(act(NGX_LLMOPS_ROLLOUT_PROMOTE, 41), NGX_DECLINED);
    assert_int_equal(act(NGX_LLMOPS_ROLLOUT_PAUSE, 41), NGX_DECLINED);

    assert_int_equal(act(NGX_LLMOPS_ROLLOUT_ROLLBACK, 50), NGX_OK);
    stands(NGX_LLMOPS_ROLLOUT_ROLLED_BACK, 2, 5, 50);
    assert_int_equal(ngx_llmops_rollout_doc_begun(json), 10);
    assert_int_equal(act(NGX_LLMOPS_ROLLOUT_ROLLBACK, 51), NGX_DECLINED);
    assert_int_equal(act(NGX_LLMOPS_ROLLOUT_STEP, 51), NGX_DECLINED);

    assert_int_equal(act(NGX_LLMOPS_ROLLOUT_RESTART, 60), NGX_OK);
    stands(NGX_LLMOPS_ROLLOUT_RUNNING, 0, 6, 60);
    assert_int_equal(act(NGX_LLMOPS_ROLLOUT_PROMOTE, 70), NGX_OK);
    stands(NGX_LLMOPS_ROLLOUT_PROMOTED, 2, 7, 70);
    assert_int_equal(ngx_llmops_rollout_doc_begun(json), 60);

    /* it is the same when it has been stored */

    text = json_dumps(json, 0);
    again = ngx_llmops_rollout_doc_load(unit_str(text));
    assert_non_null(again);
    assert_true(json_equal(json, again));

    free(text);
    json_decref(again);
    json_decref(json);
}


/* a user's name comes from outside: none makes a document unreadable */

static void
test_who_has_a_nul(void **state)
{
    char         *text;
    json_t       *again, *entry;
    ngx_str_t     who = { 3, (u_char *) "a\0n" };
    const char   *error;

    (void) state;

    json = ngx_llmops_rollout_doc_new(unit_str("r"), unit_str("a/b"), 1);
    assert_int_equal(ngx_llmops_rollout_doc_apply(json,
                                NGX_LLMOPS_ROLLOUT_ROLLBACK, 3, 2, &who,
                                unit_str("why"), NULL, &entry, &error),
                     NGX_OK);

    text = json_dumps(json, 0);
    again = ngx_llmops_rollout_doc_load(unit_str(text));
    assert_true(json_equal(json, again));

    free(text);
    json_decref(again);
    json_decref(json);
}


static void
test_the_history_is_bounded(void **state)
{
    ngx_uint_t  i;
    json_t     *history;

    (void) state;

    json = ngx_llmops_rollout_doc_new(unit_str("r"), unit_str("a/b"), 1);

    for (i = 0; i < 200; i++) {
        assert_int_equal(act(NGX_LLMOPS_ROLLOUT_PAUSE, 100 + i), NGX_OK);
        assert_int_equal(act(NGX_LLMOPS_ROLLOUT_RESUME, 100 + i), NGX_OK);
    }

    history = json_object_get(json, "history");

    assert_int_equal(json_array_size(history), NGX_LLMOPS_ROLLOUT_HISTORY);
    assert_int_equal(json_integer_value(json_object_get(
                         json_array_get(history, 49), "time")), 299);
    assert_int_equal(ngx_llmops_rollout_doc_begun(json), 275);
    json_decref(json);
}


static ngx_int_t
note(const char *name, const char *id, const char *verdict, int64_t time)
{
    return ngx_llmops_rollout_doc_note(json, unit_str(name),
                                       json_pack("{s:s,s:s,s:I}", "id", id,
                                                 "verdict", verdict, "time",
                                                 (json_int_t) time));
}


static void
test_evaluations(void **state)
{
    char              name[16];
    ngx_str_t         names[2];
    ngx_uint_t        i;

    (void) state;

    json = ngx_llmops_rollout_doc_new(unit_str("r"), unit_str("a/b"), 1);

    names[0] = *unit_str("golden");
    names[1] = *unit_str("safety");

    assert_null(ngx_llmops_rollout_doc_lacks(json, names, 0));
    assert_ptr_equal(ngx_llmops_rollout_doc_lacks(json, names, 2), &names[0]);

    assert_int_equal(note("golden", "e1", "undecided", 100), NGX_OK);
    assert_int_equal(note("golden", "e1", "undecided", 101), NGX_DECLINED);

    /* people have judged its answers */

    assert_int_equal(note("golden", "e1", "pass", 100), NGX_OK);
    assert_int_equal(note("golden", "e1", "pass", 101), NGX_DECLINED);
    assert_ptr_equal(ngx_llmops_rollout_doc_lacks(json, names, 2), &names[1]);

    assert_int_equal(note("golden", "e0", "fail", 101), NGX_DECLINED);

    assert_int_equal(note("safety", "e2", "undecided", 102), NGX_OK);
    assert_ptr_equal(ngx_llmops_rollout_doc_lacks(json, names, 2), &names[1]);
    assert_int_equal(note("safety", "e3", "pass", 103), NGX_OK);
    assert_null(ngx_llmops_rollout_doc_lacks(json, names, 2));

    /* the last one counts */

    assert_int_equal(note("golden", "e4", "fail", 104), NGX_OK);
    assert_ptr_equal(ngx_llmops_rollout_doc_lacks(json, names, 2), &names[0]);

    /* there are not more and more: the oldest goes */

    assert_int_equal(note("golden", "e5", "pass", 5000), NGX_OK);

    for (i = 0; i < 3 * NGX_LLMOPS_ROLLOUT_NOTED; i++) {
        (void) snprintf(name, sizeof(name), "n%u", (unsigned) i);
        assert_int_equal(note(name, "e", "pass", 200 + i), NGX_OK);
    }

    assert_int_equal(json_object_size(json_object_get(json, "evaluations")),
                     NGX_LLMOPS_ROLLOUT_NOTED);
    assert_ptr_equal(ngx_llmops_rollout_doc_lacks(json, names, 2), &names[1]);
    assert_null(ngx_llmops_rollout_doc_lacks(json, names, 1));

    /* a step keeps them, a new beginning does not */

    assert_int_equal(act(NGX_LLMOPS_ROLLOUT_STEP, 6000), NGX_OK);
    assert_null(ngx_llmops_rollout_doc_lacks(json, names, 1));
    assert_int_equal(act(NGX_LLMOPS_ROLLOUT_ROLLBACK, 6001), NGX_OK);
    assert_int_equal(act(NGX_LLMOPS_ROLLOUT_RESTART, 6002), NGX_OK);
    assert_ptr_equal(ngx_llmops_rollout_doc_lacks(json, names, 1), &names[0]);
    assert_int_equal(note("golden", "e5", "fail", 6003), NGX_DECLINED);

    json_decref(json);
}


static void
test_documents_that_are_none(void **state)
{
    ngx_uint_t  i;

    static const char  *texts[] = {
        "", "[]", "{}", "{\"state\":\"running\"}",
        "{\"state\":\"x\",\"step\":0,\"epoch\":1,\"since\":1,\"history\":[]}",
        "{\"state\":\"running\",\"step\":\"0\",\"epoch\":1,\"since\":1,"
        "\"history\":[]}",
        "{\"state\":\"running\",\"step\":0,\"epoch\":1,\"since\":1,"
        "\"history\":{}}"
    };

    (void) state;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_null(ngx_llmops_rollout_doc_load(unit_str(texts[i])));
    }

    json = ngx_llmops_rollout_doc_load(unit_str(
        "{\"state\":\"paused\",\"step\":99,\"epoch\":7,\"since\":1,"
        "\"history\":[]}"));
    assert_non_null(json);
    ngx_llmops_rollout_doc_get(json, &doc);
    stands(NGX_LLMOPS_ROLLOUT_PAUSED, 0, 7, 1);
    json_decref(json);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_guards),
        cmocka_unit_test(test_guards_that_are_none),
        cmocka_unit_test(test_evidence),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_who_has_a_nul),
        cmocka_unit_test(test_the_history_is_bounded),
        cmocka_unit_test(test_evaluations),
        cmocka_unit_test(test_documents_that_are_none)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
