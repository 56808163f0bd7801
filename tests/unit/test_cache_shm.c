
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "cache_run.h"
#include "ngx_llmops_cache_work.h"

#include <jansson.h>


/* Entries in shared memory, and answers in their two forms. */


static cache_run_t  run;


static int
setup(void **state)
{
    cache_create(&run, 512 << 10);
    return 0;
}


static int
teardown(void **state)
{
    assert_true(ngx_llmops_cshm_sane(&run.shm));
    cache_destroy(&run);
    return 0;
}


static ngx_int_t
board(cache_run_t *r, int n, ngx_uint_t follow, ngx_uint_t lead,
    ngx_llmops_creader_t *reader)
{
    return ngx_llmops_cshm_board(&r->shm, cache_key(n), cache_tags, 50, follow,
                                 lead, reader);
}


static void
test_sizes(void **state)
{
    static const size_t  sizes[] = {
        1, NGX_LLMOPS_CACHE_DATA - 1, NGX_LLMOPS_CACHE_DATA,
        NGX_LLMOPS_CACHE_DATA + 1, 2 * NGX_LLMOPS_CACHE_DATA, 100000
    };

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_int_equal(cache_store(&run, i, sizes[i]), NGX_OK);
        assert_true(cache_has(&run, i, sizes[i]));
    }

    /* one in the place of another */

    assert_int_equal(cache_store(&run, 0, 5000), NGX_OK);
    assert_true(cache_has(&run, 0, 5000));
    assert_int_equal(run.shm.root->complete, 6);
    assert_false(cache_has(&run, 77, 1));
}


static void
test_times(void **state)
{
    ngx_llmops_cfacts_t  facts;

    cache_store(&run, 1, 10);

    assert_int_equal(ngx_llmops_cshm_find(&run.shm, cache_key(1), 99, &facts),
                     NGX_OK);
    assert_int_equal(facts.answer.expires, 100);
    assert_int_equal(facts.answer.usage.input, 7);
    assert_int_equal(ngx_llmops_cshm_find(&run.shm, cache_key(1), 199,
                                          &facts),
                     NGX_OK);
    assert_int_equal(ngx_llmops_cshm_find(&run.shm, cache_key(1), 200,
                                          &facts),
                     NGX_DECLINED);
    assert_int_equal(run.shm.root->complete, 0);
    assert_int_equal(run.shm.root->bused, 0);
}


/* what was used last stays */

static void
test_lru(void **state)
{
    int  n, kept;

    for (n = 0; n < 500; n++) {
        assert_int_equal(cache_store(&run, n, 6000), NGX_OK);
        assert_true(cache_has(&run, 0, 6000));
        assert_true(ngx_llmops_cshm_sane(&run.shm));
    }

    for (n = 0, kept = 0; n < 500; n++) {
        kept += cache_has(&run, n, 6000);
    }

    assert_int_equal(kept, run.shm.root->complete);
    assert_int_equal(run.shm.root->evicted, 500 - kept);
    assert_true(kept > 40 && cache_has(&run, 499, 6000));
    assert_false(cache_has(&run, 1, 6000));
}


/* more than there is room for, with nothing left that could go */

static void
test_too_large(void **state)
{
    ngx_llmops_cfacts_t  facts;
    static u_char        big[600000];

    cache_facts(&facts, 100, 200);
    facts.answer.body.data = big;
    facts.answer.body.len = sizeof(big);

    assert_int_equal(ngx_llmops_cshm_store(&run.shm, cache_key(1), &facts),
                     NGX_DECLINED);
    assert_int_equal(run.shm.root->bused, 0);
    assert_int_equal(run.shm.root->flights, 0);
    assert_int_equal(cache_store(&run, 2, 100000), NGX_OK);
}


static void
test_flight(void **state)
{
    size_t                   n;
    u_char                   buf[9000];
    uint64_t                 mask[NGX_LLMOPS_CACHE_SLOTS / 64];
    ngx_uint_t               state_;
    ngx_llmops_cfacts_t      facts;
    ngx_llmops_creader_t     lead, one, two;
    ngx_llmops_cache_form_e  form;

    memset(mask, 0, sizeof(mask));

    assert_int_equal(board(&run, 1, 1, 1, &lead), NGX_DONE);
    assert_int_equal(board(&run, 1, 1, 1, &one), NGX_OK);
    assert_int_equal(board(&run, 1, 0, 1, &two), NGX_DECLINED);
    assert_int_equal(board(&run, 2, 1, 0, &two), NGX_DECLINED);

    ngx_llmops_cshm_read(&run.shm, &one, buf, sizeof(buf), &n, &state_, &form,
                         &facts);
    assert_int_equal(n, 0);
    assert_int_equal(state_, NGX_LLMOPS_CENTRY_FLIGHT);

    ngx_llmops_cshm_form(&run.shm, &lead, NGX_LLMOPS_CACHE_FORM_STREAM, mask);
    assert_int_equal(mask[0], 1 << run.shm.slot);   /* it waits */

    mask[0] = 0;
    ngx_llmops_cshm_append(&run.shm, &lead, cache_text(1, 5000), 5000, mask);
    assert_int_equal(mask[0], 0);                   /* it was woken already */

    ngx_llmops_cshm_read(&run.shm, &one, buf, 3000, &n, &state_, &form,
                         &facts);
    assert_int_equal(n, 3000);
    assert_int_equal(form, NGX_LLMOPS_CACHE_FORM_STREAM);
    assert_memory_equal(buf, cache_text(1, 5000), 3000);

    /* a second one begins at the start */

    assert_int_equal(board(&run, 1, 1, 1, &two), NGX_OK);
    assert_int_equal(ngx_llmops_cshm_followers(&run.shm, &lead), 2);

    ngx_llmops_cshm_append(&run.shm, &lead, cache_text(1, 9000) + 5000, 4000,
                           mask);
    cache_facts(&facts, 100, 200);
    ngx_llmops_cshm_complete(&run.shm, &lead, &facts, mask);

    ngx_llmops_cshm_read(&run.shm, &one, buf, sizeof(buf), &n, &state_, &form,
                         &facts);
    assert_int_equal(n, 6000);
    assert_memory_equal(buf, cache_text(1, 9000) + 3000, 6000);

    ngx_llmops_cshm_read(&run.shm, &two, buf, sizeof(buf), &n, &state_, &form,
                         &facts);
    assert_int_equal(n, 9000);
    assert_memory_equal(buf, cache_text(1, 9000), 9000);
    assert_int_equal(state_, NGX_LLMOPS_CENTRY_COMPLETE);
    assert_int_equal(facts.answer.usage.input, 7);

    ngx_llmops_cshm_unfollow(&run.shm, &one);
    ngx_llmops_cshm_unfollow(&run.shm, &two);
    ngx_llmops_cshm_unfollow(&run.shm, &two);

    assert_true(cache_has(&run, 1, 9000));
    assert_int_equal(board(&run, 1, 1, 1, &one), NGX_BUSY);
}


/* what is not to be stored goes with the last who follows */

static void
test_not_stored(void **state)
{
    uint64_t              mask[NGX_LLMOPS_CACHE_SLOTS / 64] = { 0 };
    ngx_llmops_cfacts_t   facts;
    ngx_llmops_creader_t  lead, one;

    assert_int_equal(board(&run, 1, 1, 1, &lead), NGX_DONE);
    assert_int_equal(board(&run, 1, 1, 1, &one), NGX_OK);

    ngx_llmops_cshm_append(&run.shm, &lead, cache_text(1, 5000), 5000, mask);
    cache_facts(&facts, 100, 0);
    ngx_llmops_cshm_complete(&run.shm, &lead, &facts, mask);

    assert_false(cache_has(&run, 1, 5000));
    assert_int_equal(run.shm.root->bused, 2);
    assert_true(ngx_llmops_cshm_sane(&run.shm));

    ngx_llmops_cshm_unfollow(&run.shm, &one);
    assert_int_equal(run.shm.root->bused, 0);
}


static void
test_failed(void **state)
{
    size_t                   n;
    u_char                   buf[10];
    uint64_t                 mask[NGX_LLMOPS_CACHE_SLOTS / 64] = { 0 };
    ngx_uint_t               state_;
    ngx_llmops_creader_t     lead, one;
    ngx_llmops_cache_form_e  form;

    assert_int_equal(board(&run, 1, 1, 1, &lead), NGX_DONE);
    assert_int_equal(board(&run, 1, 1, 1, &one), NGX_OK);

    ngx_llmops_cshm_fail(&run.shm, &lead, mask);

    ngx_llmops_cshm_read(&run.shm, &one, buf, sizeof(buf), &n, &state_, &form,
                         NULL);
    assert_int_equal(state_, NGX_LLMOPS_CENTRY_FREE);
    ngx_llmops_cshm_unfollow(&run.shm, &one);

    /* the next one is another one */

    assert_int_equal(board(&run, 1, 1, 1, &lead), NGX_DONE);
    ngx_llmops_cshm_fail(&run.shm, &lead, mask);
}


/* a worker that is gone: its flight fails, and nobody counts it as one who
   follows */

static void
test_dead(void **state)
{
    uint64_t              mask[NGX_LLMOPS_CACHE_SLOTS / 64];
    cache_run_t           other;
    ngx_llmops_creader_t  lead, one, two, three;

    cache_attach(&other, &run);
    assert_int_not_equal(other.shm.slot, run.shm.slot);

    assert_int_equal(board(&other, 1, 1, 1, &lead), NGX_DONE);
    assert_int_equal(board(&run, 1, 1, 1, &one), NGX_OK);
    assert_int_equal(board(&run, 2, 1, 1, &two), NGX_DONE);
    assert_int_equal(board(&other, 2, 1, 1, &three), NGX_OK);

    assert_int_equal(ngx_llmops_cshm_tick(&run.shm, 2000, mask), 0);
    assert_int_equal(ngx_llmops_cshm_tick(&run.shm, 40000, mask), 1);

    assert_int_equal(run.shm.root->flights, 1);
    assert_int_equal(ngx_llmops_cshm_followers(&run.shm, &two), 0);
    assert_int_equal(run.shm.root->slots[other.shm.slot].pid, 0);

    ngx_llmops_cshm_unfollow(&run.shm, &one);
    ngx_llmops_cshm_fail(&run.shm, &two, mask);

    /* who was thought dead finds out */

    ngx_llmops_cshm_tick(&other.shm, 40000, mask);
    assert_int_equal(other.shm.slot, -1);
    assert_int_equal(board(&other, 3, 1, 1, &lead), NGX_DECLINED);
}


static void
test_purge(void **state)
{
    uint64_t              mask[NGX_LLMOPS_CACHE_SLOTS / 64] = { 0 };
    ngx_llmops_cfacts_t   facts;
    ngx_llmops_creader_t  lead;

    for (int n = 0; n < 10; n++) {
        cache_store(&run, n, 10);
    }

    assert_int_equal(board(&run, 20, 1, 1, &lead), NGX_DONE);
    ngx_llmops_cshm_append(&run.shm, &lead, cache_text(1, 10), 10, mask);

    assert_int_equal(ngx_llmops_cshm_purge(&run.shm, NGX_LLMOPS_CACHE_TAG_KEY,
                                           0, cache_key(3)), 1);
    assert_false(cache_has(&run, 3, 10));
    assert_true(cache_has(&run, 4, 10));

    assert_int_equal(ngx_llmops_cshm_purge(&run.shm,
                                           NGX_LLMOPS_CACHE_TAG_ROUTE, 9,
                                           NULL), 0);
    assert_int_equal(ngx_llmops_cshm_purge(&run.shm,
                                           NGX_LLMOPS_CACHE_TAG_PROMPT, 4,
                                           NULL), 9);
    assert_int_equal(run.shm.root->complete, 0);

    /* one that was on its way is not stored */

    cache_facts(&facts, 100, 200);
    ngx_llmops_cshm_complete(&run.shm, &lead, &facts, mask);
    assert_int_equal(run.shm.root->bused, 0);
}


/* -- values --------------------------------------------------------------- */

static void
test_value(void **state)
{
    ngx_str_t                  value;
    ngx_llmops_out_t           out;
    ngx_llmops_cache_answer_t  a, b;

    memset(&a, 0, sizeof(a));
    a.form = NGX_LLMOPS_CACHE_FORM_STREAM;
    a.body = *unit_str("data: x\n\n");
    a.usage.input = 5;
    a.usage.image_out = 6;
    a.usage.source = NGX_LLMOPS_USAGE_REPORTED;
    a.cost = -1;
    a.created = 10;
    a.expires = 20;
    a.tags[3] = 4;

    ngx_llmops_out_init(&out, 10000);
    ngx_llmops_cache_pack(&a, &out);

    value.data = out.data;
    value.len = out.len;

    assert_int_equal(ngx_llmops_cache_unpack(&value, &b), NGX_OK);
    assert_int_equal(b.body.len, a.body.len);
    assert_memory_equal(b.body.data, a.body.data, a.body.len);
    b.body = a.body;
    assert_memory_equal(&a, &b, sizeof(a));

    for (size_t len = 0; len < out.len; len++) {
        value.len = len;
        assert_int_equal(ngx_llmops_cache_unpack(&value, &b), NGX_DECLINED);
    }

    value.len = out.len;

    for (size_t i = 0; i < 16; i++) {
        out.data[i] ^= 0x40;
        assert_int_equal(ngx_llmops_cache_unpack(&value, &b), NGX_DECLINED);
        out.data[i] ^= 0x40;
    }

    ngx_llmops_out_free(&out);
}


/* -- forms ---------------------------------------------------------------- */

static void
gather(ngx_llmops_op_e op, const char *events, const char *whole)
{
    json_t              *got, *want;
    ngx_int_t            rc;
    ngx_llmops_out_t     out;
    ngx_llmops_usage_t   usage;

    memset(&usage, 0, sizeof(usage));
    usage.input = 3;
    usage.output = 4;
    usage.source = NGX_LLMOPS_USAGE_REPORTED;

    rc = ngx_llmops_cache_gather(op, unit_str(events), &usage, &out);

    if (whole == NULL) {
        assert_int_equal(rc, NGX_DECLINED);
        return;
    }

    assert_int_equal(rc, NGX_OK);

    got = json_loadb((char *) out.data, out.len, 0, NULL);
    want = json_loads(whole, 0, NULL);
    assert_non_null(want);

    if (!json_equal(got, want)) {
        fail_msg("%.*s", (int) out.len, out.data);
    }

    json_decref(got);
    json_decref(want);
    ngx_llmops_out_free(&out);
}

#define E(text)  "data: " text "\n\n"


static void
test_gather_chat(void **state)
{
    gather(NGX_LLMOPS_OP_CHAT,
        E("{\"id\":\"a\",\"object\":\"chat.completion.chunk\",\"created\":5,"
          "\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":"
          "\"assistant\",\"content\":\"\"},\"logprobs\":null,"
          "\"finish_reason\":null}],\"usage\":null}")
        E("{\"id\":\"a\",\"choices\":[{\"index\":1,\"delta\":{\"content\":"
          "\"two\"}}]}")
        E("{\"id\":\"a\",\"choices\":[{\"index\":0,\"delta\":{\"content\":"
          "\"o\\u00e4\"},\"logprobs\":{\"content\":[{\"token\":\"o\"}]}}]}")
        E("{\"id\":\"a\",\"choices\":[{\"index\":0,\"delta\":{\"content\":"
          "\"ne\",\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"type\":"
          "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]},"
          "\"logprobs\":{\"content\":[{\"token\":\"ne\"}]}}]}")
        E("{\"id\":\"a\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":"
          "[{\"index\":0,\"function\":{\"arguments\":\"{\\\"a\\\":\"}}]}}]}")
        E("{\"id\":\"a\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":"
          "[{\"index\":0,\"function\":{\"arguments\":\"1}\"}}]}}]}")
        E("{\"id\":\"a\",\"choices\":[{\"index\":1,\"delta\":{},"
          "\"finish_reason\":\"stop\"}]}")
        E("{\"id\":\"a\",\"choices\":[{\"index\":0,\"delta\":{},"
          "\"finish_reason\":\"tool_calls\"}]}")
        E("[DONE]"),
        "{\"id\":\"a\",\"object\":\"chat.completion\",\"created\":5,"
        "\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
        "\"assistant\",\"content\":\"o\\u00e4ne\",\"tool_calls\":[{\"id\":"
        "\"c\",\"type\":\"function\",\"function\":{\"name\":\"f\","
        "\"arguments\":\"{\\\"a\\\":1}\"}}]},\"logprobs\":{\"content\":["
        "{\"token\":\"o\"},{\"token\":\"ne\"}]},\"finish_reason\":"
        "\"tool_calls\"},{\"index\":1,\"message\":{\"role\":\"assistant\","
        "\"content\":\"two\"},\"finish_reason\":\"stop\"}],\"usage\":"
        "{\"prompt_tokens\":3,\"completion_tokens\":4,\"total_tokens\":7,"
        "\"prompt_tokens_details\":{\"cached_tokens\":0},"
        "\"completion_tokens_details\":{\"reasoning_tokens\":0}}}");

    /* cut, broken, too many */

    gather(NGX_LLMOPS_OP_CHAT,
        E("{\"choices\":[{\"index\":0,\"delta\":{\"function_call\":{"
          "\"name\":\"f\",\"arguments\":\"\"}}}]}")
        E("{\"choices\":[{\"index\":0,\"delta\":{\"function_call\":{"
          "\"arguments\":\"{\"}}}]}")
        E("{\"choices\":[{\"index\":0,\"delta\":{\"function_call\":{"
          "\"arguments\":\"}\"}}}]}")
        E("{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":"
          "\"function_call\"}],\"usage\":{}}") E("[DONE]"),
        "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
        "\"content\":null,\"function_call\":{\"name\":\"f\",\"arguments\":"
        "\"{}\"}},\"finish_reason\":\"function_call\"}],\"usage\":{}}");

    /* audio comes in pieces that cannot be joined */
    gather(NGX_LLMOPS_OP_CHAT,
        E("{\"choices\":[{\"index\":0,\"delta\":{\"audio\":{\"data\":"
          "\"AA==\"}}}]}")
        E("[DONE]"), NULL);

    gather(NGX_LLMOPS_OP_CHAT, E("{\"id\":\"a\",\"choices\":[]}"), NULL);
    gather(NGX_LLMOPS_OP_CHAT, E("{") E("[DONE]"), NULL);
    gather(NGX_LLMOPS_OP_CHAT,
           E("{\"id\":\"a\",\"choices\":[{\"index\":999999,\"delta\":{}}]}")
           E("[DONE]"), NULL);
    gather(NGX_LLMOPS_OP_CHAT, "", NULL);
}


/* of what cannot be told which one it is, or how it goes on */

static void
test_gather_unknown(void **state)
{
    gather(NGX_LLMOPS_OP_CHAT,
           E("{\"choices\":[{\"delta\":{\"content\":\"a\"}},"
             "{\"delta\":{\"content\":\"b\"}}]}") E("[DONE]"), NULL);
    gather(NGX_LLMOPS_OP_CHAT,
           E("{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":["
             "{\"id\":\"1\",\"function\":{\"name\":\"f\"}},"
             "{\"id\":\"2\",\"function\":{\"name\":\"g\"}}]}}]}")
           E("[DONE]"), NULL);
    gather(NGX_LLMOPS_OP_CHAT,
           E("{\"choices\":[{\"index\":0,\"delta\":{\"content\":["
             "{\"type\":\"thinking\"}]}}]}")
           E("{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"}}]}")
           E("[DONE]"), NULL);
    gather(NGX_LLMOPS_OP_CHAT,
           E("{\"choices\":[{\"index\":0,\"delta\":{\"musing\":\"a\"}}]}")
           E("{\"choices\":[{\"index\":0,\"delta\":{\"musing\":\"b\"}}]}")
           E("[DONE]"), NULL);
    gather(NGX_LLMOPS_OP_CHAT,
           E("{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}")
           E("{\"choices\":[{\"delta\":{\"content\":\"b\"}}]}") E("[DONE]"),
           "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
           "\"content\":\"ab\"}}],\"usage\":{\"prompt_tokens\":3,"
           "\"completion_tokens\":4,\"total_tokens\":7,"
           "\"prompt_tokens_details\":{\"cached_tokens\":0},"
           "\"completion_tokens_details\":{\"reasoning_tokens\":0}}}");
}


static void
test_gather_messages(void **state)
{
    gather(NGX_LLMOPS_OP_MESSAGES,
        E("{\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":"
          "\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],"
          "\"stop_reason\":null,\"stop_sequence\":null,\"usage\":"
          "{\"input_tokens\":3,\"output_tokens\":1}}}")
        E("{\"type\":\"content_block_start\",\"index\":0,\"content_block\":"
          "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}")
        E("{\"type\":\"ping\"}")
        E("{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
          "\"thinking_delta\",\"thinking\":\"hm\"}}")
        E("{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
          "\"signature_delta\",\"signature\":\"sig\"}}")
        E("{\"type\":\"content_block_stop\",\"index\":0}")
        E("{\"type\":\"content_block_start\",\"index\":1,\"content_block\":"
          "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{}}}")
        E("{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":"
          "\"input_json_delta\",\"partial_json\":\"{\\\"a\\\":\"}}")
        E("{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":"
          "\"input_json_delta\",\"partial_json\":\"[1]}\"}}")
        E("{\"type\":\"content_block_stop\",\"index\":1}")
        E("{\"type\":\"content_block_start\",\"index\":2,\"content_block\":"
          "{\"type\":\"tool_use\",\"id\":\"u\",\"name\":\"g\",\"input\":{}}}")
        E("{\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":"
          "\"input_json_delta\",\"partial_json\":\"\"}}")
        E("{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
          "\"tool_use\",\"stop_sequence\":null},\"usage\":"
          "{\"output_tokens\":9}}")
        E("{\"type\":\"message_stop\"}"),
        "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\","
        "\"model\":\"m\",\"content\":[{\"type\":\"thinking\",\"thinking\":"
        "\"hm\",\"signature\":\"sig\"},{\"type\":\"tool_use\",\"id\":\"t\","
        "\"name\":\"f\",\"input\":{\"a\":[1]}},{\"type\":\"tool_use\",\"id\":"
        "\"u\",\"name\":\"g\",\"input\":{}}],\"stop_reason\":\"tool_use\","
        "\"stop_sequence\":null,\"usage\":{\"input_tokens\":3,"
        "\"output_tokens\":9}}");

    gather(NGX_LLMOPS_OP_MESSAGES,
           E("{\"type\":\"message_start\",\"message\":{\"content\":[]}}"),
           NULL);

    /* a delta that is not known */

    gather(NGX_LLMOPS_OP_MESSAGES,
           E("{\"type\":\"message_start\",\"message\":{\"content\":[]}}")
           E("{\"type\":\"content_block_start\",\"index\":0,"
             "\"content_block\":{\"type\":\"compaction\"}}")
           E("{\"type\":\"content_block_delta\",\"index\":0,"
             "\"delta\":{\"type\":\"compaction_delta\",\"content\":\"a\"}}")
           E("{\"type\":\"message_stop\"}"),
           NULL);
}


/* as long as it was, what it is the id of, and hexadecimal where it may be;
   in place, too, and no byte beyond */

static void
test_new_id(void **state)
{
    size_t       i, k, n, len;
    u_char       id[80], was[80], other[80];
    const char  *kind;

    static const struct {
        const char  *id;
        size_t       kept;
    } ids[] = {
        { "chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz012", 9 },
        { "chatcmpl-AbC123", 9 }, { "msg_01ABCdef", 4 },
        { "resp_0123456789abcdef", 5 },
        { "chatcmpl-0f8fad5b-d9cb-469f-a165-70867728950e", 33 },
        { "noprefixatall", 0 }, { "a-b_cdefghijklmnop", 4 }, { "x", 0 },
        { "gen-\xff\xfe\x80yz", 4 }, { "", 0 },

        /* such a character is one of the id's own, too */

        { "kZ9aPT-E6dcPtzB2Qo_J", 7 }, { "Jr1LaPqcGJaI7dcPtzB2-", 0 },
        { "chatcmpl-Jr1LaPqcGJaI7dc_tzB", 9 }, { "chatcmpl-", 0 }
    };

    for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        len = strlen(ids[i].id);

        memset(id, '#', sizeof(id));
        memset(was, '#', sizeof(was));
        memcpy(was, ids[i].id, len);

        ngx_llmops_cache_new_id(id, was, len);
        ngx_llmops_cache_new_id(was, was, len);

        for (n = len; n > ids[i].kept; n--) {
            kind = strchr("0123456789abcdef", ids[i].id[n - 1])
                   ? "0123456789abcdef" : "0123456789abcdefghijklmnopqrstuv";

            assert_non_null(strchr(kind, id[n - 1]));
            assert_non_null(strchr(kind, was[n - 1]));
        }

        assert_memory_equal(id, ids[i].id, n);
        assert_memory_equal(was, ids[i].id, n);

        for (k = len; k < sizeof(id); k++) {
            assert_int_equal(id[k], '#');
            assert_int_equal(was[k], '#');
        }

        if (len - n >= 12) {
            assert_memory_not_equal(id, was, len);
            assert_memory_not_equal(id, ids[i].id, len);
        }
    }

    /* all characters are used */

    memset(was, 0, sizeof(was));

    for (i = 0; i < 2000; i++) {
        ngx_llmops_cache_new_id(other, (u_char *) "id_zzzzzzzz", 11);

        for (k = 3; k < 11; k++) {
            was[other[k] - '0'] = 1;
        }
    }

    for (k = 0; k < 10; k++) {
        assert_int_not_equal(was[k], 0);
    }

    for (k = 'a' - '0'; k <= 'v' - '0'; k++) {
        assert_int_not_equal(was[k], 0);
    }
}


static void
test_time_put(void **state)
{
    u_char  p[11];

    memset(p, '#', sizeof(p));

    ngx_llmops_cache_time_put(p, 1755137921);
    assert_memory_equal(p, "1755137921#", 11);

    ngx_llmops_cache_time_put(p, 1755137921);
    assert_memory_equal(p, "1755137921#", 11);

    ngx_llmops_cache_time_put(p, 1755137922);
    assert_memory_equal(p, "1755137922#", 11);

    ngx_llmops_cache_time_put(p, 0);
    assert_memory_equal(p, "0000000000#", 11);
}


static void
test_renew(void **state)
{
    ngx_str_t                  body;
    ngx_llmops_cache_marks_t   marks;
    static char                text[] =
        "{\"choices\":[{\"id\":\"chatcmpl-0\"}],\"id\":\"chatcmpl-111111111\","
        "\"created\":1755137921}";

    body = *unit_str(text);
    ngx_llmops_cache_mark(NGX_LLMOPS_OP_CHAT, &body, &marks);
    assert_memory_equal(text + marks.id, "chatcmpl-111111111", 18);
    assert_int_equal(marks.id_len, 18);
    assert_memory_equal(text + marks.created, "1755137921", 10);

    /* a response that is stored can be gone on from */

    ngx_llmops_cache_mark(NGX_LLMOPS_OP_RESPONSES, &body, &marks);
    assert_int_equal(marks.id_len, 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_sizes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_times, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lru, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_large, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flight, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_stored, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dead, setup, teardown),
        cmocka_unit_test_setup_teardown(test_purge, setup, teardown),
        cmocka_unit_test(test_value),
        cmocka_unit_test(test_gather_chat),
        cmocka_unit_test(test_gather_unknown),
        cmocka_unit_test(test_gather_messages),
        cmocka_unit_test(test_new_id),
        cmocka_unit_test(test_time_put),
        cmocka_unit_test(test_renew)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
