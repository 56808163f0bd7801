
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "xlate_run.h"


#define HI  "'messages':[{'role':'user','content':'hi'}]"


/* choices[0] and usage of an OpenAI answer */

static void
to_openai(void **state)
{
    size_t       i;
    json_t      *choice;
    xlate_run_t  run;

    static const struct {
        const char  *body;
        const char  *message;
        const char  *finish;
    } rows[] = {
        { "{'content':[{'type':'text','text':'a'},"
          "{'type':'text','text':'b'}],'stop_reason':'end_turn'}",
          "{'role':'assistant','content':'ab','refusal':null}", "stop" },
        { "{'content':[],'stop_reason':'max_tokens'}",
          "{'role':'assistant','content':null,'refusal':null}", "length" },
        { "{'content':[],'stop_reason':'model_context_window_exceeded'}",
          "{'role':'assistant','content':null,'refusal':null}", "length" },
        { "{'content':[],'stop_reason':'refusal','stop_details':{}}",
          "{'role':'assistant','content':null,'refusal':null}",
          "content_filter" },
        { "{'content':[],'stop_reason':'pause_turn'}",
          "{'role':'assistant','content':null,'refusal':null}", "stop" },
        { "{'content':[],'stop_reason':'something_new'}",
          "{'role':'assistant','content':null,'refusal':null}", "stop" },
        { "{'content':[{'type':'text','text':'x'}],'stop_reason':"
          "'stop_sequence','stop_sequence':'END'}",
          "{'role':'assistant','content':'x','refusal':null}", "stop" },
        { "{'content':[{'type':'thinking','thinking':'t','signature':'s'},"
          "{'type':'redacted_thinking','data':'d'},"
          "{'type':'server_tool_use','id':'x'},"
          "{'type':'tool_use','id':'1','name':'f','input':{'a':1.10}},"
          "{'type':'tool_use','id':'2','name':'g','input':{}}],"
          "'stop_reason':'tool_use'}",
          "{'role':'assistant','content':null,'refusal':null,"
          "'reasoning_content':'t','thinking_blocks':["
          "{'type':'thinking','thinking':'t','signature':'s'},"
          "{'type':'redacted_thinking','data':'d'}],'tool_calls':["
          "{'id':'1','type':'function','function':{'name':'f','arguments':"
          "'{\\'a\\':1.10}'}},"
          "{'id':'2','type':'function','function':{'name':'g','arguments':"
          "'{}'}}]}", "tool_calls" },
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        xlate_start(&run, "openai", "anthropic", 0);
        xlate_response(&run, rows[i].body);
        assert_int_equal(run.rc, NGX_OK);

        choice = json_array_get(json_object_get(run.tree, "choices"), 0);
        xlate_equal(json_object_get(choice, "message"), rows[i].message);
        assert_string_equal(rows[i].finish,
            json_string_value(json_object_get(choice, "finish_reason")));
        xlate_stop(&run);
    }
}


static void
openai_frame(void **state)
{
    xlate_run_t  run;

    xlate_start(&run, "openai", "anthropic", 0);
    xlate_response(&run,
        "{'id':'msg_1','type':'message','model':'claude-x','content':["
        "{'type':'text','text':'Hi'}],'stop_reason':'end_turn','usage':"
        "{'input_tokens':10,'cache_read_input_tokens':80,"
        "'cache_creation_input_tokens':10,'output_tokens':9,"
        "'output_tokens_details':{'thinking_tokens':4}}}");
    assert_int_equal(run.rc, NGX_OK);

    xlate_members(run.tree, "{'id':'msg_1','object':'chat.completion',"
        "'model':'route-a','usage':{'prompt_tokens':100,"
        "'completion_tokens':9,'total_tokens':109,'prompt_tokens_details':"
        "{'cached_tokens':80,'cache_write_tokens':10},"
        "'completion_tokens_details':{'reasoning_tokens':4}}}");
    assert_true(json_integer_value(json_object_get(run.tree, "created")) > 0);

    /* an id is made if there is none */

    xlate_response(&run, "{'content':[]}");
    assert_memory_equal("chatcmpl-",
        json_string_value(json_object_get(run.tree, "id")), 9);

    xlate_response(&run, "{'type':'error','error':{}}");
    assert_int_equal(run.rc, NGX_DECLINED);
    xlate_response(&run, "<html>");
    assert_int_equal(run.rc, NGX_DECLINED);

    xlate_stop(&run);
}


static const struct {
    const char  *body;
    const char  *expected;
} said[] = {
    { "{'id':'c','choices':[{'message':{'content':'a'},'finish_reason':"
      "'stop'}],'usage':{'prompt_tokens':100,'completion_tokens':9,"
      "'total_tokens':109,'prompt_tokens_details':{'cached_tokens':80}}}",
      "{'id':'c','type':'message','role':'assistant','model':'route-a',"
      "'content':[{'type':'text','text':'a'}],'stop_reason':'end_turn',"
      "'usage':{'input_tokens':20,'cache_creation_input_tokens':0,"
      "'cache_read_input_tokens':80,'output_tokens':9}}" },
    { "{'choices':[{'message':{'content':null},'finish_reason':"
      "'length'}]}",
      "{'content':[],'stop_reason':'max_tokens','usage':{"
      "'input_tokens':0,'cache_creation_input_tokens':0,"
      "'cache_read_input_tokens':0,'output_tokens':0}}" },
    { "{'choices':[{'message':{'content':'a'},'finish_reason':'stop',"
      "'stop_reason':'END'}]}",
      "{'stop_reason':'stop_sequence','stop_sequence':'END'}" },
    { "{'choices':[{'message':{'content':null,'refusal':'no'},"
      "'finish_reason':'stop'}]}",
      "{'content':[{'type':'text','text':'no'}],"
      "'stop_reason':'refusal'}" },
    { "{'choices':[{'message':{'content':''},'finish_reason':"
      "'content_filter'}]}",
      "{'content':[],'stop_reason':'refusal'}" },

    /* servers that resemble it */
    { "{'choices':[{'message':{'content':'b','reasoning':'t',"
      "'tool_calls':[{'id':'1','function':{'name':'f','arguments':"
      "{'a':1}}},{'id':'2','type':'function','function':{'name':'g',"
      "'arguments':''}},{'id':'3','function':{'name':'h','arguments':"
      "'{bad'}},7]},'finish_reason':'stop'}]}",
      "{'content':[{'type':'thinking','thinking':'t','signature':''},"
      "{'type':'text','text':'b'},"
      "{'type':'tool_use','id':'1','name':'f','input':{'a':1}},"
      "{'type':'tool_use','id':'2','name':'g','input':{}},"
      "{'type':'tool_use','id':'3','name':'h','input':{}}],"
      "'stop_reason':'tool_use'}" },
    { "{'choices':[{'message':{'content':[{'type':'thinking','thinking':["
      "{'type':'text','text':'t'}]},{'type':'text','text':'a'},"
      "{'type':'text','text':'b'}]}}]}",
      "{'content':[{'type':'thinking','thinking':'t','signature':''},"
      "{'type':'text','text':'ab'}],'stop_reason':'end_turn'}" },
    { "{'choices':[{'message':{'content':null,'function_call':{'name':"
      "'f','arguments':'{}'}},'finish_reason':'function_call'}],"
      "'usage':{'prompt_tokens':12,'completion_tokens':1,"
      "'total_tokens':303,'reasoning_tokens':290,"
      "'prompt_cache_hit_tokens':2}}",
      "{'stop_reason':'tool_use','usage':{'input_tokens':10,"
      "'cache_creation_input_tokens':0,'cache_read_input_tokens':2,"
      "'output_tokens':291}}" },
    { "{'choices':[{'message':{'content':'a','reasoning_content':'t',"
      "'thinking_blocks':[{'type':'thinking','thinking':'t',"
      "'signature':'s'}]}}]}",
      "{'content':[{'type':'thinking','thinking':'t','signature':'s'},"
      "{'type':'text','text':'a'}]}" },
};


static void
to_anthropic(void **state)
{
    size_t       i;
    xlate_run_t  run;

    for (i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
        xlate_start(&run, "anthropic", "openai", 0);
        xlate_response(&run, said[i].body);

        if (run.rc != NGX_OK) {
            fail_msg("row %lu", i);
        }

        xlate_members(run.tree, said[i].expected);
        xlate_stop(&run);
    }

    xlate_start(&run, "anthropic", "openai", 0);
    xlate_response(&run, "{'choices':[]}");
    assert_int_equal(run.rc, NGX_DECLINED);
    xlate_response(&run, "{'choices':[{'text':'legacy'}]}");
    assert_int_equal(run.rc, NGX_DECLINED);
    xlate_response(&run, "{'error':{'message':'x'},'choices':[{'message':{}}"
                   "]}");
    assert_int_equal(run.rc, NGX_DECLINED);
    xlate_stop(&run);
}


/* a tool that stands for the response format, beside the caller's own */

static void
json_tool(void **state)
{
    json_t       *choice;
    xlate_run_t   run;

    xlate_start(&run, "openai", "anthropic", 0);
    xlate_request(&run, "{" HI ",'response_format':{'type':'json_schema',"
        "'json_schema':{'name':'ans','schema':{'type':'object'}}},"
        "'tools':[{'type':'function','function':{'name':'f'}}]}",
        "claude-3-5-haiku");
    xlate_members(run.tree, "{'tool_choice':{'type':'any',"
                  "'disable_parallel_tool_use':true}}");

    xlate_response(&run, "{'content':[{'type':'tool_use','id':'1','name':"
                   "'ans','input':{'a':1}}],'stop_reason':'tool_use'}");
    choice = json_array_get(json_object_get(run.tree, "choices"), 0);
    xlate_members(choice, "{'finish_reason':'stop','message':{'role':"
                  "'assistant','content':'{\\'a\\':1}','refusal':null}}");

    xlate_response(&run, "{'content':[{'type':'tool_use','id':'1','name':"
                   "'f','input':{'a':1}}],'stop_reason':'tool_use'}");
    choice = json_array_get(json_object_get(run.tree, "choices"), 0);
    xlate_members(choice, "{'finish_reason':'tool_calls'}");

    xlate_stop(&run);
}


static void
custom_tool(void **state)
{
    json_t       *choice;
    xlate_run_t   run;

    xlate_start(&run, "openai", "anthropic", 0);
    xlate_request(&run, "{" HI ",'tools':[{'type':'custom','custom':"
                  "{'name':'sh'}}]}", "claude-sonnet-5");

    xlate_response(&run, "{'content':[{'type':'tool_use','id':'1','name':"
                   "'sh','input':{'input':'ls -l'}}]}");
    choice = json_array_get(json_object_get(run.tree, "choices"), 0);
    xlate_members(json_object_get(choice, "message"),
                  "{'tool_calls':[{'id':'1','type':'custom','custom':"
                  "{'name':'sh','input':'ls -l'}}]}");
    xlate_stop(&run);
}


static void
operations(void **state)
{
    ngx_llmops_dialect_t  o, a, m;

    memset(&o, 0, sizeof(o));
    memset(&a, 0, sizeof(a));
    memset(&m, 0, sizeof(m));

    o.name = *unit_str("openai");
    a.name = *unit_str("anthropic");
    m.name = *unit_str("mock");

    assert_int_equal(ngx_llmops_xlate_op(&o, &a, NGX_LLMOPS_OP_CHAT),
                     NGX_LLMOPS_OP_MESSAGES);
    assert_int_equal(ngx_llmops_xlate_op(&a, &o, NGX_LLMOPS_OP_MESSAGES),
                     NGX_LLMOPS_OP_CHAT);
    assert_int_equal(ngx_llmops_xlate_op(&o, &a, NGX_LLMOPS_OP_EMBEDDINGS),
                     NGX_LLMOPS_OP_NONE);
    assert_int_equal(ngx_llmops_xlate_op(&a, &o, NGX_LLMOPS_OP_COUNT_TOKENS),
                     NGX_LLMOPS_OP_NONE);
    assert_int_equal(ngx_llmops_xlate_op(&o, &m, NGX_LLMOPS_OP_CHAT),
                     NGX_LLMOPS_OP_NONE);
    assert_int_equal(ngx_llmops_xlate_op(&o, &o, NGX_LLMOPS_OP_CHAT),
                     NGX_LLMOPS_OP_NONE);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(to_openai),
        cmocka_unit_test(openai_frame),
        cmocka_unit_test(to_anthropic),
        cmocka_unit_test(json_tool),
        cmocka_unit_test(custom_tool),
        cmocka_unit_test(operations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
