
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "xlate_run.h"


#define HI      "'messages':[{'role':'user','content':'hi'}]"
#define OLD     "claude-sonnet-4-20250514"
#define BUDGET  "claude-sonnet-4-5"
#define NEW     "claude-sonnet-5-5"

#define WEATHER                                                               \
    "{'type':'function','function':{'name':'w','parameters':"                 \
    "{'type':'object','properties':{}}}}"

#define ANSWER                                                                \
    "'response_format':{'type':'json_schema','json_schema':{'name':'ans',"    \
    "'schema':{'type':'object'}}}"

#define LONG  "a123456789b123456789c123456789d123456789e123456789f123456789"  \
              "g123456789h123456789i123456789j123456789k123456789l123456789m" \
              "123456789"


static void
example(void **state)
{
    xlate_run_t  run;

    xlate_start(&run, "openai", "anthropic", 0);
    xlate_request(&run,
        "{'model':'route-a','max_completion_tokens':1000,'seed':7,"
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
        "{'city':{'type':'string'}},'required':['city']}}}]}",
        NEW);

    assert_int_equal(run.rc, NGX_OK);
    xlate_warnings(&run, "dropped=seed");
    assert_str(*ngx_llmops_xlate_headers(run.x),
               "anthropic-version: 2026-10-21\r\n");

    xlate_equal(run.tree,
        "{'model':'claude-sonnet-5-5','max_tokens':1000,"
        "'stop_sequences':['END'],"
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
        "[{'type':'text','text':'24 degrees'}]},"
        "{'type':'text','text':'Go on.'}]}],"
        "'tools':[{'name':'get_weather','description':'Weather',"
        "'input_schema':{'type':'object','properties':"
        "{'city':{'type':'string'}},'required':['city']}}]}");

    xlate_stop(&run);
}


/* members of a request: what they become, with which note */

static const struct {
    const char  *target;
    const char  *members;
    const char  *expected;
    const char  *warnings;
} params[] = {
    { NEW, "", "{'max_tokens':4096,'stream':null,'tools':null,"
               "'system':null}", "" },
    { NEW, "'max_tokens':5", "{'max_tokens':5}", "" },
    { NEW, "'max_tokens':5,'max_completion_tokens':6",
      "{'max_tokens':6}", "" },
    { NEW, "'max_tokens':5,'max_completion_tokens':null",
      "{'max_tokens':5}", "" },
    { NEW, "'temperature':0.5", "{'temperature':null}",
      "dropped=temperature" },
    { NEW, "'temperature':1,'top_p':1", "{'temperature':null}", "" },
    { OLD, "'temperature':1.4", "{'temperature':1}",
      "approx=temperature:1" },
    { OLD, "'temperature':0.5,'top_p':0.9",
      "{'temperature':0.5,'top_p':null}", "dropped=top_p" },
    { OLD, "'top_p':0.9,'top_k':5", "{'top_p':0.9,'top_k':5}", "" },
    { OLD, "'temperature':0.5,'reasoning_effort':'low'",
      "{'temperature':null}", "dropped=temperature" },
    { NEW, "'stop':'END'", "{'stop_sequences':['END']}", "" },
    { NEW, "'stop':['a',' ','b']", "{'stop_sequences':['a','b']}",
      "dropped=stop" },
    { NEW, "'stop':null", "{'stop_sequences':null}", "" },
    { NEW, "'seed':1,'presence_penalty':0,'frequency_penalty':0.5,"
           "'logit_bias':{},'verbosity':'low','store':true,"
           "'metadata':{'a':'b'},'prompt_cache_key':'k','x':1",
      "{'seed':null}", "dropped=seed,frequency_penalty,verbosity,store,"
      "metadata,prompt_cache_key,x" },
    { NEW, "'n':1,'logprobs':false,'modalities':['text'],"
           "'stream_options':{'include_usage':true}", "{'n':null}", "" },
    { NEW, "'user':'u'", "{'metadata':{'user_id':'u'}}", "" },
    { NEW, "'user':'u','safety_identifier':'s'",
      "{'metadata':{'user_id':'s'}}", "" },
    { NEW, "'service_tier':'default'",
      "{'service_tier':'standard_only'}", "" },
    { NEW, "'service_tier':'auto'", "{'service_tier':'auto'}", "" },
    { NEW, "'service_tier':'flex'", "{'service_tier':null}",
      "dropped=service_tier" },

    /* reasoning */
    { NEW, "'reasoning_effort':'none'", "{'thinking':{'type':'disabled'}}",
      "" },
    { NEW, "'reasoning_effort':'minimal'",
      "{'thinking':{'type':'adaptive'},'output_config':{'effort':'low'}}",
      "approx=reasoning_effort:low" },
    { NEW, "'reasoning_effort':'xhigh'",
      "{'output_config':{'effort':'xhigh'}}", "" },
    { "claude-opus-4-6", "'reasoning_effort':'max'",
      "{'output_config':{'effort':'high'}}",
      "approx=reasoning_effort:high" },
    { BUDGET, "'reasoning_effort':'minimal','max_tokens':10000",
      "{'thinking':{'type':'enabled','budget_tokens':1024},"
      "'max_tokens':11024}", "" },
    { BUDGET, "'reasoning_effort':'low','max_tokens':20000",
      "{'thinking':{'type':'enabled','budget_tokens':2000},"
      "'max_tokens':22000}", "" },
    { BUDGET, "'reasoning_effort':'medium','max_tokens':10000",
      "{'thinking':{'type':'enabled','budget_tokens':3000},"
      "'max_tokens':13000}", "" },
    { BUDGET, "'reasoning_effort':'high','max_tokens':60000",
      "{'thinking':{'type':'enabled','budget_tokens':36000},"
      "'max_tokens':64000}", "" },
    { BUDGET, "'reasoning_effort':'max','max_tokens':10000",
      "{'thinking':{'type':'enabled','budget_tokens':9000},"
      "'max_tokens':19000}", "" },
    { BUDGET, "'reasoning_effort':'bogus','max_tokens':10000",
      "{'thinking':null,'max_tokens':10000}", "dropped=reasoning_effort" },
    { "claude-3-5-haiku", "'reasoning_effort':'high'",
      "{'thinking':null}", "dropped=reasoning_effort" },

    /* tools */
    { NEW, "'tools':[" WEATHER "]",
      "{'tools':[{'name':'w','input_schema':{'type':'object',"
      "'properties':{}}}],'tool_choice':null}", "" },
    { NEW, "'tools':[{'type':'function','function':{'name':'w'}}]",
      "{'tools':[{'name':'w','input_schema':{'type':'object',"
      "'properties':{}}}]}", "" },
    { NEW, "'tools':[" WEATHER "],'tool_choice':'auto'",
      "{'tool_choice':{'type':'auto'}}", "" },
    { NEW, "'tools':[" WEATHER "],'tool_choice':'none',"
           "'parallel_tool_calls':false",
      "{'tool_choice':{'type':'none'}}", "" },
    { NEW, "'tools':[" WEATHER "],'parallel_tool_calls':false",
      "{'tool_choice':{'type':'auto','disable_parallel_tool_use':true}}",
      "" },
    { NEW, "'tools':[" WEATHER "],'parallel_tool_calls':true",
      "{'tool_choice':null}", "" },
    { NEW, "'tools':[" WEATHER "],'tool_choice':{'type':'function',"
           "'function':{'name':'w'}}",
      "{'tool_choice':{'type':'tool','name':'w'}}", "" },
    { NEW, "'tools':[" WEATHER ",{'type':'function','function':"
           "{'name':'v'}}],'tool_choice':{'type':'allowed_tools',"
           "'allowed_tools':{'mode':'required','tools':[{'type':"
           "'function','function':{'name':'w'}}]}}",
      "{'tools':[{'name':'w','input_schema':{'type':'object',"
      "'properties':{}}}],'tool_choice':{'type':'any'}}", "" },
    { NEW, "'tools':[" WEATHER "],'tool_choice':'required',"
           "'reasoning_effort':'low'",
      "{'tool_choice':{'type':'any'},'thinking':null,"
      "'output_config':{'effort':'low'}}", "" },
    { BUDGET, "'tools':[" WEATHER "],'tool_choice':'required',"
              "'reasoning_effort':'low'",
      "{'thinking':null}", "dropped=reasoning_effort" },
    { NEW, "'tools':[{'type':'custom','custom':{'name':'sh',"
           "'description':'d'}}]",
      "{'tools':[{'name':'sh','description':'d','input_schema':"
      "{'type':'object','properties':{'input':{'type':'string'}},"
      "'required':['input']}}]}", "approx=tools.custom:function" },
    { NEW, "'tools':[{'type':'function','function':{'name':'w','strict':"
           "true,'parameters':{'type':'object','properties':{'a':"
           "{'type':'integer','minimum':0}}}}}]",
      "{'tools':[{'name':'w','strict':true,'input_schema':"
      "{'type':'object','properties':{'a':{'type':'integer',"
      "'description':'{\\'minimum\\':0}'}},"
      "'additionalProperties':false}}]}",
      "approx=tools.parameters:limits_described" },
    { NEW, "'functions':[{'name':'f','description':'d'}],"
           "'function_call':{'name':'f'}",
      "{'tools':[{'name':'f','description':'d','input_schema':"
      "{'type':'object','properties':{}}}],"
      "'tool_choice':{'type':'tool','name':'f',"
      "'disable_parallel_tool_use':true}}", "" },
    { NEW, "'functions':[{'name':'f'}],'function_call':'auto'",
      "{'tool_choice':{'type':'auto','disable_parallel_tool_use':true}}",
      "" },

    /* structured output */
    { NEW, "'response_format':{'type':'text'}", "{'output_config':null}",
      "" },
    { NEW, "'response_format':{'type':'json_object'}",
      "{'system':[{'type':'text','text':'Answer with one valid JSON "
      "object and nothing else: no explanation, no code fence.'}]}",
      "approx=response_format:instruction" },
    { NEW, "'response_format':{'type':'json_schema','json_schema':{"
           "'name':'n','schema':{'type':'object','properties':{'a':"
           "{'type':'string','maxLength':3,'format':'x','description':"
           "'A.'},'minimum':{'oneOf':[{'type':'string'}]}},"
           "'required':['a']}}}",
      "{'output_config':{'format':{'type':'json_schema','schema':{"
      "'type':'object','properties':{'a':{'type':'string',"
      "'description':'A. {\\'maxLength\\':3,\\'format\\':\\'x\\'}'},"
      "'minimum':{'anyOf':[{'type':'string'}]}},'required':['a'],"
      "'additionalProperties':false}}}}",
      "approx=response_format:limits_described" },
    { NEW, "'reasoning_effort':'low','response_format':{'type':"
           "'json_schema','json_schema':{'schema':{'type':'string',"
           "'format':'uuid'}}}",
      "{'output_config':{'effort':'low','format':{'type':'json_schema',"
      "'schema':{'type':'string','format':'uuid'}}}}", "" },
    { NEW, "'response_format':{'type':'json_schema','json_schema':{"
           "'schema':{'type':'object','additionalProperties':{'type':"
           "'string'}}}}",
      "{'output_config':{'format':{'type':'json_schema','schema':{"
      "'type':'object','additionalProperties':false,'description':"
      "'{\\'additionalProperties\\':{\\'type\\':\\'string\\'}}'}}}}",
      "approx=response_format:limits_described" },
    { OLD, "'tools':[" WEATHER "],'tool_choice':'none'," ANSWER,
      "{'tool_choice':{'type':'tool','name':'ans',"
      "'disable_parallel_tool_use':true}}", "approx=response_format:tool" },
    { OLD, "'tools':[" WEATHER "],'tool_choice':{'type':'function',"
           "'function':{'name':'w'}}," ANSWER,
      "{'tool_choice':{'type':'tool','name':'w',"
      "'disable_parallel_tool_use':true}}", "approx=response_format:tool" },
    { OLD, "'tools':[" WEATHER "]," ANSWER,
      "{'tool_choice':{'type':'any','disable_parallel_tool_use':true}}",
      "approx=response_format:tool" },
    { OLD, "'response_format':{'type':'json_schema','json_schema':{"
           "'name':'ans','schema':{'type':'object'}}}",
      "{'tools':[{'name':'ans','description':'Gives the answer. Always "
      "answer by calling this tool.','input_schema':{'type':'object'}}],"
      "'tool_choice':{'type':'tool','name':'ans',"
      "'disable_parallel_tool_use':true},'output_config':null}",
      "approx=response_format:tool" },
};


static void
parameters(void **state)
{
    char         body[4096];
    size_t       i;
    xlate_run_t  run;

    for (i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
        snprintf(body, sizeof(body), "{" HI "%s%s}",
                 params[i].members[0] ? "," : "", params[i].members);

        xlate_start(&run, "openai", "anthropic", 0);
        xlate_request(&run, body, params[i].target);

        if (run.rc != NGX_OK) {
            fail_msg("refused: %s: %.*s", params[i].members,
                     (int) run.err.message.len,
                     (char *) run.err.message.data);
        }

        xlate_members(run.tree, params[i].expected);
        xlate_warnings(&run, params[i].warnings);
        xlate_stop(&run);
    }
}


static void
version(void **state)
{
    xlate_run_t  run;

    xlate_start(&run, "openai", "anthropic", 1);

    xlate_request(&run, "{" HI ",'temperature':0}", OLD);
    xlate_members(run.tree, "{'temperature':0,'stream':true}");
    assert_str(*ngx_llmops_xlate_headers(run.x),
               "anthropic-version: 2023-06-01\r\n");

    /* the same translator, for the next target */

    xlate_request(&run, "{" HI ",'temperature':0}",
                  "eu.anthropic.claude-opus-4-8");
    xlate_members(run.tree, "{'temperature':null}");
    xlate_warnings(&run, "dropped=temperature");
    assert_str(*ngx_llmops_xlate_headers(run.x),
               "anthropic-version: 2026-10-21\r\n");

    xlate_stop(&run);
}


static const struct {
    const char  *messages;
    const char  *system;               /* "null": none */
    const char  *expected;
    const char  *warnings;
} talks[] = {
    { "{'role':'developer','content':'a'},"
      "{'role':'system','content':[{'type':'text','text':'b'}]},"
      "{'role':'user','content':'c'}",
      "[{'type':'text','text':'a'},{'type':'text','text':'b'}]",
      "[{'role':'user','content':[{'type':'text','text':'c'}]}]", "" },
    { "{'role':'user','content':'c'},{'role':'system','content':'a'}",
      "[{'type':'text','text':'a'}]",
      "[{'role':'user','content':[{'type':'text','text':'c'}]}]",
      "approx=messages.system:hoisted" },
    { "{'role':'user','content':'a','name':'n'},"
      "{'role':'user','content':''},"
      "{'role':'assistant','content':null},"
      "{'role':'user','content':[{'type':'text','text':''},"
      "{'type':'text','text':'b'}]}", "null",
      "[{'role':'user','content':[{'type':'text','text':'a'},"
      "{'type':'text','text':'b'}]}]", "dropped=messages.name" },
    { "{'role':'assistant','content':'a'}", "null",
      "[{'role':'user','content':[{'type':'text','text':'.'}]},"
      "{'role':'assistant','content':[{'type':'text','text':'a'}]}]",
      "approx=messages:user_turn_added" },
    { "{'role':'user','content':'a'},{'role':'assistant','content':"
      "[{'type':'refusal','refusal':'no'}],'refusal':'never '}", "null",
      "[{'role':'user','content':[{'type':'text','text':'a'}]},"
      "{'role':'assistant','content':[{'type':'text','text':'no'},"
      "{'type':'text','text':'never'}]}]", "" },

    /* images and files */
    { "{'role':'user','content':["
      "{'type':'image_url','image_url':{'url':'https://h/a.png?x',"
      "'detail':'low'}},"
      "{'type':'image_url','image_url':'https://h/a.PDF?x'},"
      "{'type':'image_url','image_url':{'url':"
      "'data:image/JPG;base64,AA=='}},"
      "{'type':'image_url','image_url':{'url':"
      "'data:application/pdf;base64,BB=='}},"
      "{'type':'file','file':{'filename':'f.pdf','file_data':"
      "'data:application/pdf;base64,CC=='}},"
      "{'type':'file','file':{'filename':'f.txt','file_data':"
      "'data:text/plain;base64,aGkgw6Q='}},"
      "{'type':'file','file':{'filename':'g.pdf','file_data':'DD=='}}"
      "]}", "null",
      "[{'role':'user','content':["
      "{'type':'image','source':{'type':'url','url':"
      "'https://h/a.png?x'}},"
      "{'type':'document','source':{'type':'url','url':"
      "'https://h/a.PDF?x'}},"
      "{'type':'image','source':{'type':'base64','media_type':"
      "'image/jpeg','data':'AA=='}},"
      "{'type':'document','source':{'type':'base64','media_type':"
      "'application/pdf','data':'BB=='}},"
      "{'type':'document','source':{'type':'base64','media_type':"
      "'application/pdf','data':'CC=='},'title':'f.pdf'},"
      "{'type':'document','source':{'type':'text','media_type':"
      "'text/plain','data':'hi \\u00e4'},'title':'f.txt'},"
      "{'type':'document','source':{'type':'base64','media_type':"
      "'application/pdf','data':'DD=='},'title':'g.pdf'}]}]",
      "dropped=image_url.detail" },
    { "{'role':'user','content':[{'type':'text','text':'a',"
      "'prompt_cache_breakpoint':{'mode':'explicit'}}]}", "null",
      "[{'role':'user','content':[{'type':'text','text':'a',"
      "'cache_control':{'type':'ephemeral'}}]}]", "" },

    /* tools: results first, in one turn, ids that are allowed */
    { "{'role':'user','content':'a'},"
      "{'role':'assistant','content':'b','tool_calls':[{'id':'1',"
      "'type':'function','function':{'name':'f','arguments':''}},"
      "{'id':'2','type':'custom','custom':{'name':'g','input':'x'}}]},"
      "{'role':'user','content':'c'},"
      "{'role':'tool','tool_call_id':'1','content':''},"
      "{'role':'tool','tool_call_id':'2','content':"
      "[{'type':'text','text':'r'}]}", "null",
      "[{'role':'user','content':[{'type':'text','text':'a'}]},"
      "{'role':'assistant','content':[{'type':'text','text':'b'},"
      "{'type':'tool_use','id':'1','name':'f','input':{}},"
      "{'type':'tool_use','id':'2','name':'g','input':{'input':'x'}}]},"
      "{'role':'user','content':["
      "{'type':'tool_result','tool_use_id':'1'},"
      "{'type':'tool_result','tool_use_id':'2','content':"
      "[{'type':'text','text':'r'}]},{'type':'text','text':'c'}]}]", "" },
    { "{'role':'user','content':'a'},"
      "{'role':'assistant','function_call':{'name':'f','arguments':"
      "'{\\'a\\':1}'}},"
      "{'role':'function','name':'f','content':'r'}", "null",
      "[{'role':'user','content':[{'type':'text','text':'a'}]},"
      "{'role':'assistant','content':[{'type':'tool_use','id':"
      "'call_1_0','name':'f','input':{'a':1}}]},"
      "{'role':'user','content':[{'type':'tool_result','tool_use_id':"
      "'call_1_0','content':[{'type':'text','text':'r'}]}]}]", "" },

    /* thinking goes back only with its signature */
    { "{'role':'user','content':'a'},"
      "{'role':'assistant','content':'b','reasoning_content':'t',"
      "'thinking_blocks':[{'type':'thinking','thinking':'t',"
      "'signature':'s'},{'type':'redacted_thinking','data':'d'}]},"
      "{'role':'user','content':'c'}", "null",
      "[{'role':'user','content':[{'type':'text','text':'a'}]},"
      "{'role':'assistant','content':[{'type':'thinking',"
      "'thinking':'t','signature':'s'},"
      "{'type':'redacted_thinking','data':'d'},"
      "{'type':'text','text':'b'}]},"
      "{'role':'user','content':[{'type':'text','text':'c'}]}]", "" },
    { "{'role':'user','content':'a'},"
      "{'role':'assistant','content':'b','reasoning_content':'t'},"
      "{'role':'user','content':'c'}", "null",
      "[{'role':'user','content':[{'type':'text','text':'a'}]},"
      "{'role':'assistant','content':[{'type':'text','text':'b'}]},"
      "{'role':'user','content':[{'type':'text','text':'c'}]}]",
      "dropped=messages.reasoning_content" },
};


static void
messages(void **state)
{
    char         body[4096];
    size_t       i;
    xlate_run_t  run;

    for (i = 0; i < sizeof(talks) / sizeof(talks[0]); i++) {
        snprintf(body, sizeof(body), "{'messages':[%s]}", talks[i].messages);

        xlate_start(&run, "openai", "anthropic", 0);
        xlate_request(&run, body, NEW);

        if (run.rc != NGX_OK) {
            fail_msg("row %lu: %.*s", i, (int) run.err.message.len,
                     (char *) run.err.message.data);
        }

        xlate_equal(json_object_get(run.tree, "messages"), talks[i].expected);

        if (strcmp(talks[i].system, "null") == 0) {
            assert_null(json_object_get(run.tree, "system"));

        } else {
            xlate_equal(json_object_get(run.tree, "system"), talks[i].system);
        }

        xlate_warnings(&run, talks[i].warnings);
        xlate_stop(&run);
    }
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
        const char  *code;
    } rows[] = {
        { HI ",'n':2", "n", "unsupported_parameter" },
        { HI ",'logprobs':true", "logprobs", "unsupported_parameter" },
        { HI ",'top_logprobs':2", "top_logprobs", "unsupported_parameter" },
        { HI ",'modalities':['text','audio']", "modalities",
          "unsupported_parameter" },
        { HI ",'audio':{'voice':'v'}", "audio", "unsupported_parameter" },
        { HI ",'max_tokens':-1", "max_tokens", "invalid_value" },
        { HI ",'max_tokens':'x'", "max_tokens", "invalid_value" },
        { HI ",'tools':[{'type':'web_search'}]", "tools", "invalid_value" },
        { HI ",'tools':[{'type':'custom','custom':{'name':'s','format':"
          "{'type':'grammar'}}}]", "tools", "unsupported_parameter" },
        { HI ",'response_format':{'type':'x'}", "response_format",
          "invalid_value" },
        { "'messages':[]", "messages", "invalid_value" },
        { "'messages':'x'", "messages", "invalid_value" },
        { "'messages':[{}]", "messages", "invalid_value" },
        { "'messages':[1]", "messages", "invalid_value" },
        { "'messages':[{'role':'robot','content':'a'}]", "messages",
          "invalid_value" },
        { "'messages':[{'role':'tool','content':'a'}]", "messages",
          "invalid_value" },
        { "'messages':[{'role':'user','content':[{'type':'input_audio'}]}]",
          "messages", "unsupported_parameter" },
        { "'messages':[{'role':'user','content':[{'type':'file','file':"
          "{'file_id':'f'}}]}]", "messages", "unsupported_parameter" },
        { "'messages':[{'role':'user','content':[{'type':'image_url',"
          "'image_url':{'url':'data:image/tiff;base64,AA=='}}]}]",
          "messages", "unsupported_parameter" },
        { "'messages':[{'role':'user','content':[{'type':'image_url',"
          "'image_url':{'url':'data:image/png,AA=='}}]}]",
          "messages", "invalid_value" },
        { "'messages':[{'role':'user','content':[{'type':'image_url',"
          "'image_url':{'url':'file:///etc/passwd'}}]}]",
          "messages", "invalid_value" },
        { "'messages':[{'role':'assistant','tool_calls':[{'id':'1',"
          "'function':{'name':'f','arguments':'{x'}}]}]", "messages",
          "invalid_value" },
        { "'messages':[{'role':'assistant','tool_calls':[{'id':'1',"
          "'function':{'name':'f','arguments':'[1]'}}]}]", "messages",
          "invalid_value" },
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(body, sizeof(body), "{%s}", rows[i].members);

        xlate_start(&run, "openai", "anthropic", 0);
        xlate_request(&run, body, NEW);

        if (run.rc != NGX_DECLINED) {
            fail_msg("taken: %s", rows[i].members);
        }

        assert_int_equal(run.err.kind, NGX_LLMOPS_ERR_INVALID_REQUEST);
        assert_true(run.err.message.len > 0);
        assert_str(run.err.param, rows[i].param);
        assert_str(run.err.code, rows[i].code);
        xlate_stop(&run);
    }

    xlate_start(&run, "openai", "anthropic", 0);
    xlate_request(&run, "{", NEW);
    assert_int_equal(run.rc, NGX_DECLINED);
    xlate_request(&run, "[1]", NEW);
    assert_int_equal(run.rc, NGX_DECLINED);
    xlate_stop(&run);
}


static void
strict(void **state)
{
    xlate_run_t  run;

    xlate_start(&run, "openai", "anthropic", 4);

    xlate_request(&run, "{" HI "}", NEW);
    assert_int_equal(run.rc, NGX_OK);

    xlate_request(&run, "{" HI ",'seed':1}", NEW);
    assert_int_equal(run.rc, NGX_DECLINED);
    assert_str(run.err.param, "seed");
    assert_str(run.err.code, "unsupported_parameter");

    xlate_request(&run, "{" HI ",'temperature':1.5}", OLD);
    assert_int_equal(run.rc, NGX_DECLINED);
    assert_str(run.err.param, "temperature");

    xlate_stop(&run);
}


/* numbers and arguments keep their bytes */

static void
numbers(void **state)
{
    const char   *p;
    xlate_run_t   run;

    static const char  *kept[] = {
        "\"maximum\":18446744073709551616,\"minimum\":-0,\"multipleOf\":0.1,"
        "\"default\":1e5,\"x\":1.0",
        "\"input\":{ \"a\": 1.10, \"b\": 123456789012345678901234567890 }",
        "\"temperature\":0.10",
    };

    xlate_start(&run, "openai", "anthropic", 0);
    xlate_request(&run,
        "{'messages':[{'role':'user','content':'a\\u0000b\\ud800'},"
        "{'role':'assistant','tool_calls':[{'id':'1','function':{'name':'f',"
        "'arguments':'{ \\'a\\': 1.10, \\'b\\': "
        "123456789012345678901234567890 }'}}]}],'temperature':0.10,"
        "'tools':[{'type':'function','function':{'name':'f','parameters':"
        "{'type':'object','maximum':18446744073709551616,'minimum':-0,"
        "'multipleOf':0.1,'default':1e5,'x':1.0}}}]}", OLD);

    assert_int_equal(run.rc, NGX_OK);
    ngx_llmops_out_write(&run.out, "", 1);

    for (size_t i = 0; i < 3; i++) {
        p = strstr((char *) run.out.data, kept[i]);

        if (p == NULL) {
            fail_msg("%s is not in %s", kept[i], (char *) run.out.data);
        }
    }

    assert_non_null(strstr((char *) run.out.data, "a\xef\xbf\xbd" "b"));

    /* what looks like a number is none */

    run.out.len = 0;
    xlate_request(&run, "{" HI ",'max_tokens':01}", OLD);
    assert_int_equal(run.rc, NGX_DECLINED);
    xlate_request(&run, "{" HI ",'max_tokens':1.}", OLD);
    assert_int_equal(run.rc, NGX_DECLINED);

    xlate_stop(&run);
}


static void
names(void **state)
{
    json_t       *tools, *messages, *use, *result;
    const char   *name, *id;
    xlate_run_t   run;

    xlate_start(&run, "openai", "anthropic", 0);
    xlate_request(&run,
        "{'messages':[{'role':'user','content':'a'},"
        "{'role':'assistant','tool_calls':[{'id':'a:b/c','function':{'name':"
        "'" LONG "','arguments':'{}'}}]},"
        "{'role':'tool','tool_call_id':'a:b/c','content':'x'}],"
        "'tool_choice':{'type':'function','function':{'name':'" LONG "'}},"
        "'tools':[{'type':'function','function':{'name':'" LONG "'}}]}", NEW);

    assert_int_equal(run.rc, NGX_OK);

    tools = json_object_get(run.tree, "tools");
    name = json_string_value(json_object_get(json_array_get(tools, 0),
                                             "name"));
    assert_int_equal(strlen(name), 128);
    assert_string_equal(name,
        json_string_value(json_object_get(json_object_get(run.tree,
                                          "tool_choice"), "name")));

    messages = json_object_get(run.tree, "messages");
    use = json_array_get(json_object_get(json_array_get(messages, 1),
                                         "content"), 0);
    result = json_array_get(json_object_get(json_array_get(messages, 2),
                                            "content"), 0);
    assert_string_equal(name, json_string_value(json_object_get(use,
                                                                "name")));

    id = json_string_value(json_object_get(use, "id"));
    assert_null(strpbrk(id, ":/"));
    assert_string_equal(id, json_string_value(json_object_get(result,
                                                      "tool_use_id")));

    assert_memory_equal(ngx_llmops_xlate_warnings(run.x)->data,
                        "renamed=tool:", 13);

    /* and back */

    char  body[1024];

    snprintf(body, sizeof(body), "{'content':[{'type':'tool_use','id':'t',"
             "'name':'%s','input':{}}]}", name);

    xlate_response(&run, body);
    assert_int_equal(run.rc, NGX_OK);

    use = json_object_get(json_array_get(json_object_get(run.tree,
                                                         "choices"), 0),
                          "message");
    use = json_object_get(json_array_get(json_object_get(use, "tool_calls"),
                                         0), "function");
    assert_string_equal(json_string_value(json_object_get(use, "name")),
                        LONG);

    xlate_stop(&run);
}


/* unsigned turns of tools and a budget exclude each other */

static void
unsigned_turn(void **state)
{
    xlate_run_t  run;

#define TURN(extra)                                                           \
    "{'reasoning_effort':'low','messages':[{'role':'user','content':'a'},"    \
    "{'role':'assistant'," extra "'tool_calls':[{'id':'1','function':"        \
    "{'name':'f','arguments':'{}'}}]},"                                       \
    "{'role':'tool','tool_call_id':'1','content':'x'}]}"

    xlate_start(&run, "openai", "anthropic", 0);

    xlate_request(&run, TURN(""), BUDGET);
    xlate_members(run.tree, "{'thinking':null}");
    xlate_warnings(&run, "dropped=reasoning_effort");

    xlate_request(&run, TURN("'thinking_blocks':[{'type':'thinking',"
                             "'thinking':'','signature':'s'}],"), BUDGET);
    xlate_members(run.tree, "{'thinking':{'type':'enabled',"
                  "'budget_tokens':1024}}");
    xlate_warnings(&run, "");

    xlate_stop(&run);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(example),
        cmocka_unit_test(parameters),
        cmocka_unit_test(version),
        cmocka_unit_test(messages),
        cmocka_unit_test(refused),
        cmocka_unit_test(strict),
        cmocka_unit_test(numbers),
        cmocka_unit_test(names),
        cmocka_unit_test(unsigned_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
