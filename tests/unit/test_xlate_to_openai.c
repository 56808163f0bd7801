
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "xlate_run.h"


#define HI   "'max_tokens':9,'messages':[{'role':'user','content':'hi'}]"
#define ANY  "llama-4"
#define GPT  "gpt-5.4"

#define TOOL  "{'name':'w','input_schema':{'type':'object'}}"


static void
example(void **state)
{
    xlate_run_t  run;

    xlate_start(&run, "anthropic", "openai", 0);
    xlate_request(&run,
        "{'model':'route-a','max_tokens':1000,'stop_sequences':['END'],"
        "'system':[{'type':'text','text':'Be brief.'}],"
        "'tool_choice':{'type':'any','disable_parallel_tool_use':true},"
        "'messages':[{'role':'user','content':["
        "{'type':'text','text':'What is this?'},"
        "{'type':'image','source':{'type':'base64','media_type':'image/png',"
        "'data':'iVBORw0KGgo='}}]},"
        "{'role':'assistant','content':["
        "{'type':'tool_use','id':'call_1','name':'get_weather',"
        "'input':{'city':'Paris'}},"
        "{'type':'tool_use','id':'call_2','name':'get_weather',"
        "'input':{'city':'Rome'}}]},"
        "{'role':'user','content':["
        "{'type':'tool_result','tool_use_id':'call_1','content':"
        "[{'type':'text','text':'{\\'temp\\':18}'}]},"
        "{'type':'tool_result','tool_use_id':'call_2','content':"
        "'24 degrees'},{'type':'text','text':'Go on.'}]}],"
        "'tools':[{'name':'get_weather','description':'Weather',"
        "'type':'custom','input_schema':{'type':'object','properties':"
        "{'city':{'type':'string'}},'required':['city']}}]}", ANY);

    assert_int_equal(run.rc, NGX_OK);
    xlate_warnings(&run, "");
    assert_int_equal(ngx_llmops_xlate_headers(run.x)->len, 0);

    xlate_equal(run.tree,
        "{'model':'llama-4','max_tokens':1000,"
        "'stop':['END'],'tool_choice':'required','parallel_tool_calls':false,"
        "'messages':[{'role':'system','content':'Be brief.'},"
        "{'role':'user','content':[{'type':'text','text':'What is this?'},"
        "{'type':'image_url','image_url':"
        "{'url':'data:image/png;base64,iVBORw0KGgo='}}]},"
        "{'role':'assistant','content':null,'tool_calls':["
        "{'id':'call_1','type':'function','function':{'name':'get_weather',"
        "'arguments':'{\\'city\\':\\'Paris\\'}'}},"
        "{'id':'call_2','type':'function','function':{'name':'get_weather',"
        "'arguments':'{\\'city\\':\\'Rome\\'}'}}]},"
        "{'role':'tool','tool_call_id':'call_1','content':'{\\'temp\\':18}'},"
        "{'role':'tool','tool_call_id':'call_2','content':'24 degrees'},"
        "{'role':'user','content':'Go on.'}],"
        "'tools':[{'type':'function','function':{'name':'get_weather',"
        "'description':'Weather','parameters':{'type':'object','properties':"
        "{'city':{'type':'string'}},'required':['city']}}}]}");

    xlate_stop(&run);
}


static const struct {
    const char  *target;
    const char  *members;
    const char  *expected;
    const char  *warnings;
} params[] = {
    { ANY, "'temperature':0.5,'top_p':0.5",
      "{'max_tokens':9,'max_completion_tokens':null,'temperature':0.5,"
      "'top_p':0.5,'stream':null}", "" },
    { GPT, "'temperature':0.5,'top_p':0.5",
      "{'max_tokens':null,'max_completion_tokens':9,'temperature':null}",
      "dropped=temperature,top_p" },
    { "gpt-4o", "'temperature':0.5", "{'max_tokens':9,'temperature':0.5}",
      "" },
    { "gpt-5-chat-latest", "'temperature':0.5", "{'temperature':0.5}",
      "" },
    { ANY, "'top_k':5", "{'top_k':null}", "dropped=top_k" },
    { ANY, "'stop_sequences':[]", "{'stop':null}", "" },
    { ANY, "'stop_sequences':['1','2','3','4','5']",
      "{'stop':['1','2','3','4']}", "approx=stop:4" },
    { "o3", "'stop_sequences':['1']", "{'stop':null}", "dropped=stop" },
    { ANY, "'metadata':{'user_id':'u'}", "{'user':'u'}", "" },
    { GPT, "'metadata':{'user_id':'u'}",
      "{'user':null,'safety_identifier':'u'}", "" },
    { ANY, "'service_tier':'auto','speed':'standard'", "{}", "" },
    { ANY, "'service_tier':'standard_only','speed':'fast',"
           "'container':'c','context_management':{},'diagnostics':{},"
           "'cache_control':{'type':'ephemeral'},'inference_geo':null",
      "{'service_tier':null,'container':null,'context_management':null}",
      "dropped=container,context_management,diagnostics,cache_control,"
      "service_tier,speed" },

    /* reasoning */
    { ANY, "'thinking':{'type':'enabled','budget_tokens':1024}",
      "{'reasoning_effort':'low'}", "" },
    { ANY, "'thinking':{'type':'enabled','budget_tokens':4096}",
      "{'reasoning_effort':'medium'}", "" },
    { ANY, "'thinking':{'type':'enabled','budget_tokens':8192}",
      "{'reasoning_effort':'high'}", "" },
    { ANY, "'thinking':{'type':'adaptive'}",
      "{'reasoning_effort':'medium'}", "" },
    { ANY, "'thinking':{'type':'between_tools'}",
      "{'reasoning_effort':'medium'}", "" },
    { ANY, "'output_config':{'effort':'high'}",
      "{'reasoning_effort':'high'}", "" },
    { ANY, "'output_config':{'effort':'max'}",
      "{'reasoning_effort':'high'}", "approx=reasoning_effort:high" },
    { GPT, "'output_config':{'effort':'xhigh'}",
      "{'reasoning_effort':'xhigh'}", "" },
    { ANY, "'thinking':{'type':'disabled'}", "{'reasoning_effort':null}",
      "" },
    { GPT, "'thinking':{'type':'disabled'}",
      "{'reasoning_effort':'none'}", "" },
    { "openai/gpt-5-mini", "'thinking':{'type':'disabled'}",
      "{'reasoning_effort':'minimal'}",
      "approx=reasoning_effort:minimal" },
    { "o4-mini", "'thinking':{'type':'disabled'}",
      "{'reasoning_effort':'low'}", "approx=reasoning_effort:low" },
    { "gpt-4.1", "'thinking':{'type':'adaptive'}",
      "{'reasoning_effort':null}", "dropped=reasoning_effort" },

    /* tools */
    { ANY, "'tools':[]", "{'tools':null}", "" },
    { ANY, "'tools':[" TOOL "],'tool_choice':{'type':'auto'}",
      "{'tool_choice':'auto','tools':[{'type':'function','function':"
      "{'name':'w','parameters':{'type':'object'}}}]}", "" },
    { ANY, "'tools':[" TOOL "],'tool_choice':{'type':'none'}",
      "{'tool_choice':'none'}", "" },
    { ANY, "'tools':[" TOOL "],'tool_choice':{'type':'tool',"
           "'name':'w','disable_parallel_tool_use':true}",
      "{'tool_choice':{'type':'function','function':{'name':'w'}},"
      "'parallel_tool_calls':false}", "" },
    { ANY, "'tools':[{'name':'w','cache_control':null,'defer_loading':true,"
           "'input_examples':[{}],'later':false}]",
      "{}", "dropped=tools.defer_loading,tools.input_examples" },
    { "o4-mini", "'temperature':1,'top_p':0.5",
      "{'temperature':null,'top_p':null}", "dropped=top_p" },
    { ANY, "'tools':[{'name':'w','type':'custom','strict':true,"
           "'cache_control':{},'input_schema':{'type':'object',"
           "'properties':{'a':{'type':'string'}}}}]",
      "{'tools':[{'type':'function','function':{'name':'w','strict':true,"
      "'parameters':{'type':'object','properties':{'a':{'type':"
      "'string'}},'required':['a'],'additionalProperties':false}}}]}",
      "dropped=cache_control; approx=tools.input_schema:closed" },
    { ANY, "'output_config':{'format':{'type':'json_schema','schema':"
           "{'type':'object','properties':{'a':{'type':'object',"
           "'properties':{'b':{}}}}}}}",
      "{'response_format':{'type':'json_schema','json_schema':{'name':"
      "'structured_output','strict':true,'schema':{'type':'object',"
      "'properties':{'a':{'type':'object','properties':{'b':{}},"
      "'required':['b'],'additionalProperties':false}},"
      "'required':['a'],'additionalProperties':false}}}}",
      "approx=output_config.format:closed" },
    { ANY, "'output_config':{'format':{'type':'json_schema','schema':"
           "{'type':'object','properties':{'a':{'type':'object',"
           "'additionalProperties':{'type':'string'}}},'required':['a'],"
           "'additionalProperties':false}}}",
      "{}", "approx=output_config.format:closed" },
    { ANY, "'output_config':{'format':{'type':'json_schema','schema':"
           "{'type':'object','properties':{'a':{}},'required':['a']}}}",
      "{}", "" },
    { ANY, "'output_format':{'type':'json_schema','schema':"
           "{'type':'string'}}",
      "{'response_format':{'type':'json_schema','json_schema':{'name':"
      "'structured_output','strict':true,'schema':{'type':'string'}}}}",
      "" },
};


static void
parameters(void **state)
{
    char         body[4096];
    size_t       i;
    xlate_run_t  run;

    for (i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
        snprintf(body, sizeof(body), "{" HI ",%s}", params[i].members);

        xlate_start(&run, "anthropic", "openai", 0);
        xlate_request(&run, body, params[i].target);

        if (run.rc != NGX_OK) {
            fail_msg("refused: %s", params[i].members);
        }

        xlate_members(run.tree, params[i].expected);
        xlate_warnings(&run, params[i].warnings);
        xlate_stop(&run);
    }
}


static const struct {
    const char  *members;
    const char  *expected;
    const char  *warnings;
} talks[] = {
    { "'system':'s','messages':[{'role':'user','content':'a'}]",
      "[{'role':'system','content':'s'},{'role':'user','content':'a'}]",
      "" },
    { "'system':[{'type':'text','text':'s','cache_control':{}},"
      "{'type':'text','text':'t'}],"
      "'messages':[{'role':'user','content':[{'type':'text','text':'a'},"
      "{'type':'text','text':''},{'type':'text','text':'b'}]},"
      "{'role':'system','content':'m'}]",
      "[{'role':'system','content':'s\\n\\nt'},"
      "{'role':'user','content':'a\\n\\nb'},"
      "{'role':'system','content':'m'}]", "dropped=cache_control" },

    /* results of tools */
    { "'messages':[{'role':'user','content':["
      "{'type':'text','text':'a'},"
      "{'type':'tool_result','tool_use_id':'1'},"
      "{'type':'tool_result','tool_use_id':'2','is_error':true,"
      "'content':'bad'},"
      "{'type':'tool_result','tool_use_id':'3','content':["
      "{'type':'text','text':'t'},{'type':'text','text':'u'},"
      "{'type':'image','source':{'type':'url','url':'https://h/i'}}]}"
      "]}]",
      "[{'role':'tool','tool_call_id':'1','content':''},"
      "{'role':'tool','tool_call_id':'2','content':'Error: bad'},"
      "{'role':'tool','tool_call_id':'3','content':'t\\n\\nu'},"
      "{'role':'user','content':[{'type':'image_url','image_url':"
      "{'url':'https://h/i'}}]},"
      "{'role':'user','content':'a'}]", "" },

    /* documents and search results */
    { "'messages':[{'role':'user','content':["
      "{'type':'document','title':'t.pdf','source':{'type':'base64',"
      "'media_type':'application/pdf','data':'AA=='}},"
      "{'type':'document','source':{'type':'text','media_type':"
      "'text/plain','data':'d'}},"
      "{'type':'document','source':{'type':'content','content':["
      "{'type':'text','text':'c'}]}},"
      "{'type':'search_result','title':'T','source':'https://s',"
      "'content':[{'type':'text','text':'r'}],'citations':{}}]}]",
      "[{'role':'user','content':["
      "{'type':'file','file':{'filename':'t.pdf','file_data':"
      "'data:application/pdf;base64,AA=='}},"
      "{'type':'text','text':'d'},{'type':'text','text':'c'},"
      "{'type':'text','text':'T\\nhttps://s\\nr'}]}]", "" },

    { "'messages':[{'role':'user','content':[{'type':'document','context':"
      "'x','citations':{'enabled':true},'source':{'type':'text',"
      "'media_type':'text/plain','data':'d'}},{'type':'document','context':"
      "null,'citations':{'enabled':false},'source':{'type':'text',"
      "'media_type':'text/plain','data':'e'}}]}]",
      "[{'role':'user','content':'d\\n\\ne'}]",
      "dropped=document.citations,document.context" },

    /* turns of the model */
    { "'messages':[{'role':'user','content':'a'},"
      "{'role':'assistant','content':["
      "{'type':'thinking','thinking':'t','signature':'s'},"
      "{'type':'text','text':'b','citations':[]},"
      "{'type':'server_tool_use','id':'x','name':'web_search'},"
      "{'type':'text','text':'c'},"
      "{'type':'tool_use','id':'1','name':'f','input':{}}]},"
      "{'role':'user','content':[{'type':'tool_result','tool_use_id':"
      "'1','content':'r'}]}]",
      "[{'role':'user','content':'a'},"
      "{'role':'assistant','content':'bc','reasoning_content':'t',"
      "'tool_calls':[{'id':'1','type':'function','function':{'name':'f',"
      "'arguments':'{}'}}]},"
      "{'role':'tool','tool_call_id':'1','content':'r'}]",
      "dropped=messages.server_tools" },
    { "'messages':[{'role':'user','content':'a'},"
      "{'role':'assistant','content':''},"
      "{'role':'assistant','content':[]},"
      "{'role':'assistant','content':'{'}]",
      "[{'role':'user','content':'a'},"
      "{'role':'assistant','content':'{'}]",
      "approx=messages.prefill:turn" },
};


static void
messages(void **state)
{
    char         body[4096];
    size_t       i;
    xlate_run_t  run;

    for (i = 0; i < sizeof(talks) / sizeof(talks[0]); i++) {
        snprintf(body, sizeof(body), "{%s}", talks[i].members);

        xlate_start(&run, "anthropic", "openai", 0);
        xlate_request(&run, body, ANY);

        if (run.rc != NGX_OK) {
            fail_msg("row %lu: %.*s", i, (int) run.err.message.len,
                     (char *) run.err.message.data);
        }

        xlate_equal(json_object_get(run.tree, "messages"), talks[i].expected);
        xlate_warnings(&run, talks[i].warnings);
        xlate_stop(&run);
    }
}


/* OpenAI's own models: another role, and no reasoning sent back */

static void
vendor(void **state)
{
    xlate_run_t  run;

    xlate_start(&run, "anthropic", "openai", 1);
    xlate_request(&run,
        "{'system':'s','messages':[{'role':'user','content':'a'},"
        "{'role':'assistant','content':["
        "{'type':'thinking','thinking':'t','signature':'s'},"
        "{'type':'text','text':'b'}]},{'role':'user','content':'c'}]}", GPT);

    xlate_members(run.tree,
        "{'stream':true,'stream_options':{'include_usage':true},"
        "'messages':[{'role':'developer','content':'s'},"
        "{'role':'user','content':'a'},"
        "{'role':'assistant','content':'b'},"
        "{'role':'user','content':'c'}]}");
    xlate_warnings(&run, "dropped=messages.thinking");
    xlate_stop(&run);
}


static void
refused(void **state)
{
    char         body[4096];
    size_t       i;
    xlate_run_t  run;

    static const struct {
        const char  *members;
        const char  *param;
    } rows[] = {
        { "'messages':[]", "messages" },
        { "'messages':[{'role':'robot'}]", "messages" },
        { "'messages':[{'role':'user','content':[{'type':'video'}]}]",
          "messages" },
        { "'messages':[{'role':'user','content':[{'type':'image','source':"
          "{'type':'file','file_id':'f'}}]}]", "messages" },
        { "'messages':[{'role':'user','content':[{'type':'document',"
          "'source':{'type':'url','url':'https://h/a.pdf'}}]}]", "messages" },
        { HI ",'tools':[{'type':'web_search_20260318','name':'web_search'}]",
          "tools" },
        { HI ",'tools':[{'type':'bash_20250124','name':'bash'}]", "tools" },
        { HI ",'tools':[{'input_schema':{}}]", "tools" },
        { HI ",'mcp_servers':[{}]", "mcp_servers" },
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(body, sizeof(body), "{%s}", rows[i].members);

        xlate_start(&run, "anthropic", "openai", 0);
        xlate_request(&run, body, ANY);

        if (run.rc != NGX_DECLINED) {
            fail_msg("taken: %s", rows[i].members);
        }

        assert_str(run.err.param, rows[i].param);
        xlate_stop(&run);
    }
}


/* what is said again means the same */

static void
round_trip(void **state)
{
    size_t       i;
    xlate_run_t  there, back;

    static const char  *bodies[] = {
        "{'model':'m','max_tokens':5,'system':'s','temperature':0.5,"
        "'messages':[{'role':'user','content':'a'},"
        "{'role':'assistant','content':[{'type':'text','text':'b'},"
        "{'type':'tool_use','id':'1','name':'f','input':{'x':[1,2.50,'y']}}]},"
        "{'role':'user','content':[{'type':'tool_result','tool_use_id':'1',"
        "'content':'r'},{'type':'text','text':'c'}]}],"
        "'tools':[{'name':'f','description':'d','input_schema':"
        "{'type':'object','properties':{}}}],'tool_choice':{'type':'any'}}",
    };

    static const char  *expected[] = {
        "{'model':'claude-3-5-haiku','max_tokens':5,'temperature':0.5,"
        "'system':[{'type':'text','text':'s'}],"
        "'messages':[{'role':'user','content':[{'type':'text','text':'a'}]},"
        "{'role':'assistant','content':[{'type':'text','text':'b'},"
        "{'type':'tool_use','id':'1','name':'f','input':{'x':[1,2.50,'y']}}]},"
        "{'role':'user','content':[{'type':'tool_result','tool_use_id':'1',"
        "'content':[{'type':'text','text':'r'}]},"
        "{'type':'text','text':'c'}]}],"
        "'tools':[{'name':'f','description':'d','input_schema':"
        "{'type':'object','properties':{}}}],'tool_choice':{'type':'any'}}",
    };

    for (i = 0; i < 1; i++) {
        xlate_start(&there, "anthropic", "openai", 0);
        xlate_request(&there, bodies[i], ANY);
        assert_int_equal(there.rc, NGX_OK);

        ngx_llmops_out_write(&there.out, "", 1);

        xlate_start(&back, "openai", "anthropic", 0);
        xlate_request(&back, (char *) there.out.data, "claude-3-5-haiku");
        assert_int_equal(back.rc, NGX_OK);

        xlate_equal(back.tree, expected[i]);

        xlate_stop(&there);
        xlate_stop(&back);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(example),
        cmocka_unit_test(parameters),
        cmocka_unit_test(messages),
        cmocka_unit_test(vendor),
        cmocka_unit_test(refused),
        cmocka_unit_test(round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
