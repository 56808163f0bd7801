
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "xlate_run.h"


/*
 * Streams, event by event.  For short, an event of Anthropic's is written as
 * [type, index, what], a chunk of OpenAI's as its delta or finish.
 */


static json_t *
brief_anthropic(json_t *ev)
{
    json_t       *v;
    const char   *type;

    type = json_string_value(json_object_get(ev, "type"));

    if (strcmp(type, "content_block_start") == 0) {
        v = json_object_get(ev, "content_block");
        return json_pack("[s,O,O]", "start", json_object_get(ev, "index"), v);
    }

    if (strcmp(type, "content_block_delta") == 0) {
        v = json_object_get(ev, "delta");
        return json_pack("[s,O,O]", "delta", json_object_get(ev, "index"), v);
    }

    if (strcmp(type, "content_block_stop") == 0) {
        return json_pack("[s,O]", "stop", json_object_get(ev, "index"));
    }

    if (strcmp(type, "message_delta") == 0) {
        assert_non_null(json_object_get(ev, "usage"));
        v = json_object_get(ev, "delta");
        return json_pack("[s,O]", "end", json_object_get(v, "stop_reason"));
    }

    if (strcmp(type, "message_start") == 0) {
        v = json_object_get(ev, "message");
        assert_non_null(json_object_get(v, "usage"));
        assert_string_equal("route-a",
            json_string_value(json_object_get(v, "model")));
        assert_true(json_string_length(json_object_get(v, "id")) > 0);
    }

    return json_pack("s", type);
}


static json_t *
brief_openai(json_t *chunk)
{
    json_t  *choice, *finish;

    if (json_is_string(chunk)) {
        return json_incref(chunk);
    }

    assert_string_equal("chat.completion.chunk",
        json_string_value(json_object_get(chunk, "object")));
    assert_string_equal("route-a",
        json_string_value(json_object_get(chunk, "model")));
    assert_true(json_string_length(json_object_get(chunk, "id")) > 0);

    choice = json_array_get(json_object_get(chunk, "choices"), 0);

    if (choice == NULL) {
        return json_pack("{s,O}", "usage", json_object_get(chunk, "usage"));
    }

    finish = json_object_get(choice, "finish_reason");

    if (json_is_string(finish)) {
        return json_incref(finish);
    }

    return json_incref(json_object_get(choice, "delta"));
}


static void
expect(xlate_run_t *run, const char *expected)
{
    size_t   i;
    json_t  *events, *brief, *ev;

    events = xlate_events(run);
    brief = json_array();

    json_array_foreach(events, i, ev) {
        json_array_append_new(brief, json_object_get(ev, "type")
                                     ? brief_anthropic(ev)
                                     : brief_openai(ev));
    }

    xlate_equal(brief, expected);

    json_decref(events);
    json_decref(brief);
    ngx_llmops_out_reset(&run->out);
}


/* a chunk with one delta */

static void
delta(xlate_run_t *run, const char *text)
{
    char  data[4096];

    snprintf(data, sizeof(data), "{'id':'c1','choices':[{'index':0,'delta':"
             "%s,'finish_reason':null}]}", text);
    xlate_event(run, "", data);
}


static void
finish(xlate_run_t *run, const char *reason)
{
    char  data[256];

    snprintf(data, sizeof(data), "{'id':'c1','choices':[{'index':0,'delta':"
             "{},'finish_reason':'%s'}]}", reason);
    xlate_event(run, "", data);
}


#define TEXT(n)  "['start'," #n ",{'type':'text','text':''}]"
#define THINK(n)                                                              \
    "['start'," #n ",{'type':'thinking','thinking':'','signature':''}]"
#define TOOL(n, i, name)                                                      \
    "['start'," #n ",{'type':'tool_use','id':'" i "','name':'" name           \
    "','input':{}}]"
#define D_TEXT(n, t)                                                          \
    "['delta'," #n ",{'type':'text_delta','text':'" t "'}]"
#define D_THINK(n, t)                                                         \
    "['delta'," #n ",{'type':'thinking_delta','thinking':'" t "'}]"
#define D_ARGS(n, t)                                                          \
    "['delta'," #n ",{'type':'input_json_delta','partial_json':'" t "'}]"
#define STOP(n)  "['stop'," #n "]"


/* the exact bytes of the worked example */

static void
example_bytes(void **state)
{
    xlate_run_t  run;

    static const char  expected[] =
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":"
        "{\"id\":\"c1\",\"type\":\"message\",\"role\":\"assistant\","
        "\"model\":\"route-a\",\"content\":[],\"stop_reason\":null,"
        "\"stop_sequence\":null,\"usage\":{\"input_tokens\":0,"
        "\"output_tokens\":0}}}\n\n"
        "event: content_block_start\ndata: {\"type\":\"content_block_start\","
        "\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}"
        "\n\n"
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\","
        "\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}"
        "\n\n"
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\","
        "\"index\":0}\n\n"
        "event: content_block_start\ndata: {\"type\":\"content_block_start\","
        "\"index\":1,\"content_block\":{\"type\":\"tool_use\",\"id\":"
        "\"call_1\",\"name\":\"get_weather\",\"input\":{}}}\n\n"
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\","
        "\"index\":1,\"delta\":{\"type\":\"input_json_delta\","
        "\"partial_json\":\"{}\"}}\n\n"
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\","
        "\"index\":1}\n\n"
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":"
        "{\"stop_reason\":\"tool_use\",\"stop_sequence\":null},\"usage\":"
        "{\"input_tokens\":20,\"cache_creation_input_tokens\":0,"
        "\"cache_read_input_tokens\":80,\"output_tokens\":9}}\n\n"
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

    xlate_start(&run, "anthropic", "openai", 1);

    delta(&run, "{'role':'assistant','content':''}");
    delta(&run, "{'content':'Hi'}");
    delta(&run, "{'tool_calls':[{'index':0,'id':'call_1','type':'function',"
                "'function':{'name':'get_weather','arguments':''}}]}");
    delta(&run, "{'tool_calls':[{'index':0,'function':{'arguments':'{}'}}]}");
    finish(&run, "tool_calls");

    run.usage.input = 100;
    run.usage.cache_read = 80;
    run.usage.output = 9;

    xlate_event(&run, "", "{'choices':[],'usage':{'prompt_tokens':100}}");
    xlate_event(&run, "", "[DONE]");
    assert_int_equal(ngx_llmops_xlate_end(run.x, &run.usage, &run.out),
                     NGX_OK);

    assert_int_equal(run.out.len, sizeof(expected) - 1);
    assert_memory_equal(run.out.data, expected, run.out.len);

    xlate_stop(&run);
}


static void
example_back(void **state)
{
    xlate_run_t  run;

    xlate_start(&run, "openai", "anthropic", 3);

    xlate_event(&run, "message_start", "{'type':'message_start','message':"
                "{'id':'msg_1','usage':{'input_tokens':20}}}");
    xlate_event(&run, "message_start", "{'type':'message_start','message':"
                "{'id':'msg_1','usage':{'input_tokens':20}}}");
    xlate_event(&run, "content_block_start", "{'type':'content_block_start',"
                "'index':0,'content_block':{'type':'text','text':''}}");
    xlate_event(&run, "ping", "{'type':'ping'}");
    xlate_event(&run, "content_block_delta", "{'type':'content_block_delta',"
                "'index':0,'delta':{'type':'text_delta','text':'Hi'}}");
    xlate_event(&run, "content_block_stop",
                "{'type':'content_block_stop','index':0}");
    xlate_event(&run, "content_block_start", "{'type':'content_block_start',"
                "'index':1,'content_block':{'type':'tool_use','id':'call_1',"
                "'name':'get_weather','input':{}}}");
    xlate_event(&run, "content_block_delta", "{'type':'content_block_delta',"
                "'index':1,'delta':{'type':'input_json_delta',"
                "'partial_json':''}}");
    xlate_event(&run, "content_block_stop",
                "{'type':'content_block_stop','index':1}");
    xlate_event(&run, "message_delta", "{'type':'message_delta','delta':"
                "{'stop_reason':'tool_use','stop_sequence':null},'usage':"
                "{'output_tokens':9}}");

    run.usage.input = 100;
    run.usage.cache_read = 80;
    run.usage.output = 9;

    xlate_event(&run, "message_stop", "{'type':'message_stop'}");
    xlate_event(&run, "", "[DONE]");
    assert_int_equal(ngx_llmops_xlate_end(run.x, &run.usage, &run.out),
                     NGX_OK);

    expect(&run,
        "[{'role':'assistant','content':''},': ping',{'content':'Hi'},"
        "{'tool_calls':[{'index':0,'id':'call_1','type':'function',"
        "'function':{'name':'get_weather','arguments':''}}]},"
        "{'tool_calls':[{'index':0,'function':{'arguments':'{}'}}]},"
        "'tool_calls',"
        "{'usage':{'prompt_tokens':100,'completion_tokens':9,"
        "'total_tokens':109,'prompt_tokens_details':{'cached_tokens':80},"
        "'completion_tokens_details':{'reasoning_tokens':0}}},'[DONE]']");

    xlate_stop(&run);
}


/* usage: null in every chunk if asked for, else no such member */

static void
usage_member(void **state)
{
    json_t       *events;
    xlate_run_t   run;

    xlate_start(&run, "openai", "anthropic", 1);
    xlate_event(&run, "", "{'type':'content_block_delta','index':0,'delta':"
                "{'type':'text_delta','text':'a'}}");
    ngx_llmops_xlate_end(run.x, &run.usage, &run.out);

    events = xlate_events(&run);
    assert_int_equal(json_array_size(events), 4);
    assert_null(json_object_get(json_array_get(events, 1), "usage"));
    json_decref(events);
    xlate_stop(&run);

    xlate_start(&run, "openai", "anthropic", 3);
    ngx_llmops_xlate_end(run.x, &run.usage, &run.out);

    events = xlate_events(&run);
    assert_int_equal(json_array_size(events), 4);
    assert_true(json_is_null(json_object_get(json_array_get(events, 0),
                                             "usage")));
    json_decref(events);
    xlate_stop(&run);
}


static void
thinking_to_openai(void **state)
{
    xlate_run_t  run;

    xlate_start(&run, "openai", "anthropic", 1);

#define BLOCK_DELTA(text)                                                     \
    xlate_event(&run, "content_block_delta", "{'type':"                       \
                "'content_block_delta','index':0,'delta':" text "}")

    xlate_event(&run, "content_block_start", "{'type':'content_block_start',"
                "'index':0,'content_block':{'type':'thinking','thinking':'',"
                "'signature':''}}");
    BLOCK_DELTA("{'type':'thinking_delta','thinking':'The '}");
    BLOCK_DELTA("{'type':'thinking_delta','thinking':'answer'}");
    BLOCK_DELTA("{'type':'signature_delta','signature':'EqQB'}");
    xlate_event(&run, "content_block_start", "{'type':'content_block_start',"
                "'index':1,'content_block':{'type':'redacted_thinking',"
                "'data':'xx'}}");
    BLOCK_DELTA("{'type':'text_delta','text':'42'}");
    BLOCK_DELTA("{'type':'citations_delta','citation':{}}");
    BLOCK_DELTA("{'type':'news_delta','text':'?'}");
    xlate_event(&run, "news", "{'type':'news'}");
    xlate_event(&run, "message_delta", "not json");
    xlate_event(&run, "message_delta", "{'type':'message_delta','delta':"
                "{'stop_reason':'max_tokens'}}");
    xlate_event(&run, "message_delta", "{'type':'message_delta','delta':"
                "{'stop_reason':null}}");
    xlate_event(&run, "message_stop", "{'type':'message_stop'}");

    expect(&run,
        "[{'role':'assistant','content':''},"
        "{'reasoning_content':'The '},{'reasoning_content':'answer'},"
        "{'thinking_blocks':[{'type':'thinking','thinking':'The answer',"
        "'signature':'EqQB'}]},"
        "{'thinking_blocks':[{'type':'redacted_thinking','data':'xx'}]},"
        "{'content':'42'},'length','[DONE]']");

    xlate_stop(&run);
}


/* tools are counted, not blocks, and server tools are not shown */

static void
tools_to_openai(void **state)
{
    xlate_run_t  run;

    xlate_start(&run, "openai", "anthropic", 1);

    xlate_event(&run, "", "{'type':'content_block_start','index':1,"
                "'content_block':{'type':'server_tool_use','id':'s',"
                "'name':'web_search'}}");
    xlate_event(&run, "", "{'type':'content_block_delta','index':1,'delta':"
                "{'type':'input_json_delta','partial_json':'{}'}}");
    xlate_event(&run, "", "{'type':'content_block_start','index':2,"
                "'content_block':{'type':'tool_use','id':'a','name':'f',"
                "'input':{}}}");
    xlate_event(&run, "", "{'type':'content_block_delta','index':2,'delta':"
                "{'type':'input_json_delta','partial_json':'{\\'a\\':'}}");
    xlate_event(&run, "", "{'type':'content_block_delta','index':2,'delta':"
                "{'type':'input_json_delta','partial_json':'1}'}}");
    xlate_event(&run, "", "{'type':'content_block_stop','index':2}");
    xlate_event(&run, "", "{'type':'content_block_start','index':3,"
                "'content_block':{'type':'tool_use','id':'b','name':'g',"
                "'input':{'whole':true}}}");
    xlate_event(&run, "", "{'type':'content_block_stop','index':3}");
    xlate_event(&run, "", "{'type':'message_stop'}");

    expect(&run,
        "[{'role':'assistant','content':''},"
        "{'tool_calls':[{'index':0,'id':'a','type':'function','function':"
        "{'name':'f','arguments':''}}]},"
        "{'tool_calls':[{'index':0,'function':{'arguments':'{\\'a\\':'}}]},"
        "{'tool_calls':[{'index':0,'function':{'arguments':'1}'}}]},"
        "{'tool_calls':[{'index':1,'id':'b','type':'function','function':"
        "{'name':'g','arguments':''}}]},"
        "{'tool_calls':[{'index':1,'function':{'arguments':"
        "'{\\'whole\\':true}'}}]},"
        "'tool_calls','[DONE]']");

    xlate_stop(&run);
}


static void
disguised_tools(void **state)
{
    xlate_run_t  run;

#define USE(name, json)                                                       \
    xlate_event(&run, "", "{'type':'content_block_start','index':0,"          \
                "'content_block':{'type':'tool_use','id':'a','name':'" name   \
                "','input':{}}}");                                            \
    xlate_event(&run, "", "{'type':'content_block_delta','index':0,'delta':"  \
                "{'type':'input_json_delta','partial_json':'" json "'}}");    \
    xlate_event(&run, "", "{'type':'content_block_stop','index':0}");         \
    xlate_event(&run, "", "{'type':'message_delta','delta':{'stop_reason':"   \
                "'tool_use'}}");                                              \
    xlate_event(&run, "", "{'type':'message_stop'}")

    xlate_start(&run, "openai", "anthropic", 1);
    xlate_request(&run, "{'messages':[{'role':'user','content':'a'}],"
        "'response_format':{'type':'json_schema','json_schema':{'name':'ans',"
        "'schema':{'type':'object'}}}}", "claude-3-5-haiku");
    ngx_llmops_out_reset(&run.out);

    USE("ans", "{\\'a\\':1}");
    expect(&run, "[{'role':'assistant','content':''},"
                 "{'content':'{\\'a\\':1}'},'stop','[DONE]']");
    xlate_stop(&run);

    xlate_start(&run, "openai", "anthropic", 1);
    xlate_request(&run, "{'messages':[{'role':'user','content':'a'}],"
        "'tools':[{'type':'custom','custom':{'name':'sh'}}]}",
        "claude-sonnet-5");
    ngx_llmops_out_reset(&run.out);

    USE("sh", "{\\'input\\':\\'ls\\'}");
    expect(&run, "[{'role':'assistant','content':''},"
        "{'tool_calls':[{'index':0,'id':'a','type':'custom','custom':"
        "{'name':'sh','input':''}}]},"
        "{'tool_calls':[{'index':0,'custom':{'input':'ls'}}]},"
        "'tool_calls','[DONE]']");
    xlate_stop(&run);
}


/* streams as they come from OpenAI and others, for a caller of Anthropic's */

#define CHUNK(delta, reason)                                                  \
    "{'id':'','choices':[{'index':0,'delta':" delta ",'finish_reason':"       \
    reason "}]}"
#define CALL(body)  CHUNK("{'tool_calls':[" body "]}", "null")
#define FIN(reason) CHUNK("{}", "'" reason "'")

static const struct {
    const char  *name;
    const char  *expected;
    const char  *events[12];
} chunked[] = {
    { "parallel tools",
      "['message_start'," TOOL(0, "call_a", "w") ","
      D_ARGS(0, "{\\'c\\':1}") "," STOP(0) "," TOOL(1, "call_b", "w") ","
      D_ARGS(1, "{\\'c\\':2}") "," STOP(1) ",['end','tool_use'],"
      "'message_stop']",
      { CHUNK("{'role':'assistant','content':null}", "null"),
        CALL("{'index':0,'id':'call_a','type':'function','function':"
             "{'name':'w','arguments':''}}"),
        CALL("{'index':0,'function':{'arguments':'{\\'c\\':1}'}}"),
        CALL("{'index':1,'id':'call_b','type':'function','function':"
             "{'name':'w','arguments':''}}"),
        CALL("{'index':1,'function':{'arguments':'{\\'c\\':2}'}}"),
        FIN("tool_calls"), "[DONE]" } },

    { "interleaved tools, and text between",
      "['message_start'," TOOL(0, "a", "f") "," D_ARGS(0, "{\\'x\\'")
      "," D_ARGS(0, ":1}") "," STOP(0) "," TEXT(1) "," D_TEXT(1, "hm")
      "," STOP(1) "," TOOL(2, "b", "g") "," D_ARGS(2, "{\\'y\\'")
      "," D_ARGS(2, ":2}") "," STOP(2) ",['end','tool_use'],"
      "'message_stop']",
      { CALL("{'index':0,'id':'a','function':{'name':'f',"
             "'arguments':'{\\'x\\''}}"),
        CALL("{'index':1,'id':'b','function':{'name':'g',"
             "'arguments':'{\\'y\\''}}"),
        CHUNK("{'content':'hm'}", "null"),
        CALL("{'index':0,'function':{'arguments':':1}'}}"),
        CALL("{'index':1,'function':{'arguments':':2}'}}"),
        FIN("stop"), "[DONE]" } },

    { "tools never completed",
      "['message_start'," TOOL(0, "a", "f") "," D_ARGS(0, "{\\'x\\'")
      "," STOP(0) "," TOOL(1, "b", "g") "," D_ARGS(1, "{}") "," STOP(1)
      ",['end','max_tokens'],'message_stop']",
      { CALL("{'index':0,'id':'a','function':{'name':'f',"
             "'arguments':'{\\'x\\''}},{'index':1,'id':'b','function':"
             "{'name':'g'}}"),
        FIN("length"), "[DONE]" } },

    { "DeepSeek",
      "['message_start'," THINK(0) "," D_THINK(0, "The user") "," STOP(0)
      "," TOOL(1, "call_00_x", "w") "," D_ARGS(1, "{") "," D_ARGS(1, "}")
      "," STOP(1) ",['end','tool_use'],'message_stop']",
      { CHUNK("{'role':'assistant','content':null,"
              "'reasoning_content':''}", "null"),
        CHUNK("{'content':null,'reasoning_content':'The user'}", "null"),
        CALL("{'index':0,'id':'call_00_x','type':'function','function':"
             "{'name':'w','arguments':''}}"),
        CALL("{'index':0,'function':{'arguments':'{'}}"),
        CALL("{'index':0,'function':{'arguments':'}'}}"),
        CHUNK("{'content':'','reasoning_content':null}",
              "'tool_calls'"), "[DONE]" } },

    { "Groq: all in one delta",
      "['message_start'," TOOL(0, "tk85n1k4m", "w") "," D_ARGS(0, "{}")
      "," STOP(0) ",['end','tool_use'],'message_stop']",
      { CHUNK("{'role':'assistant','content':null}", "null"),
        CALL("{'id':'tk85n1k4m','type':'function','function':{'name':"
             "'w','arguments':'{}'},'index':0}"),
        FIN("tool_calls"), "[DONE]" } },

    { "Mistral: parts, then text",
      "['message_start'," THINK(0) "," D_THINK(0, "hm") "," STOP(0) ","
      TEXT(1) "," D_TEXT(1, "4") "," STOP(1) ",['end','end_turn'],"
      "'message_stop']",
      { CHUNK("{'role':'assistant','content':[{'type':'thinking',"
              "'thinking':[{'type':'text','text':'hm'}]}]}", "null"),
        CHUNK("{'content':[{'type':'text','text':'4'}]}", "null"),
        CHUNK("{'content':''}", "'stop'"), "[DONE]" } },

    { "Mistral: a call without index and type, with the finish",
      "['message_start'," TOOL(0, "gSI", "w") "," D_ARGS(0, "{\\'l\\':1}")
      "," STOP(0) ",['end','tool_use'],'message_stop']",
      { CHUNK("{'content':null,'tool_calls':[{'id':'gSI','function':"
              "{'name':'w','arguments':'{\\'l\\':1}'}}]}",
              "'tool_calls'"), "[DONE]" } },

    { "fragments without index",
      "['message_start'," TOOL(0, "a", "f") "," D_ARGS(0, "{") ","
      D_ARGS(0, "}") "," STOP(0) "," TOOL(1, "b", "f") ","
      D_ARGS(1, "{}") "," STOP(1) ",['end','tool_use'],'message_stop']",
      { CALL("{'id':'a','function':{'name':'f','arguments':'{'}}"),
        CALL("{'function':{'arguments':'}'}}"),
        CALL("{'id':'b','function':{'name':'f','arguments':'{}'}}"),
        FIN("tool_calls"), "[DONE]" } },

    { "the same index for all, arguments as an object",
      "['message_start'," TOOL(0, "a", "f") "," D_ARGS(0, "{\\'k\\':1.50}")
      "," STOP(0) "," TOOL(1, "b", "f") "," D_ARGS(1, "{}") "," STOP(1)
      ",['end','tool_use'],'message_stop']",
      { CALL("{'index':0,'id':'a','function':{'name':'f','arguments':"
             "{'k':1.50}}}"),
        CALL("{'index':0,'id':'b','function':{'name':'f','arguments':"
             "{}}}"),
        FIN("stop"), "[DONE]" } },

    { "an id before its name",
      "['message_start'," TOOL(0, "a", "f") "," D_ARGS(0, "{}") ","
      STOP(0) ",['end','tool_use'],'message_stop']",
      { CALL("{'index':0,'id':'a','type':'function'}"),
        CALL("{'index':0,'function':{'name':'f'}}"),
        CALL("{'index':0,'function':{'name':'f','arguments':'{}'}}"),
        FIN("tool_calls"), "[DONE]" } },

    { "all in one chunk, index 1, no [DONE]",
      "['message_start'," THINK(0) "," D_THINK(0, "r") "," STOP(0) ","
      TEXT(1) "," D_TEXT(1, "t") "," STOP(1) ",['end','end_turn'],"
      "'message_stop']",
      { "{'choices':[{'index':1,'delta':{'reasoning':'r','content':'t'},"
        "'finish_reason':'stop'}]}" } },

    { "no choices, other choices, no JSON",
      "['message_start'," TEXT(0) "," D_TEXT(0, "a") "," STOP(0)
      ",['end','end_turn'],'message_stop']",
      { "{'choices':[],'prompt_filter_results':[]}", "{", "[]", "null",
        "{'choices':[{'index':0,'delta':{'content':'a'}},"
        "{'index':1,'delta':{'content':'b'}}]}",
        "{'choices':[{'index':1,'delta':{'content':'c'}}]}",
        "{'choices':[7,{'index':0}]}", FIN("stop"), "[DONE]" } },

    { "a refusal",
      "['message_start'," TEXT(0) "," D_TEXT(0, "no") "," STOP(0)
      ",['end','refusal'],'message_stop']",
      { CHUNK("{'refusal':'no'}", "null"), FIN("stop"), "[DONE]" } },

    { "a matched stop",
      "['message_start'," TEXT(0) "," D_TEXT(0, "a") "," STOP(0)
      ",['end','stop_sequence'],'message_stop']",
      { "{'choices':[{'delta':{'content':'a'},'finish_reason':'stop',"
        "'stop_reason':'END'}]}", "[DONE]" } },

    { "a signature",
      "['message_start'," THINK(0) "," D_THINK(0, "r") ","
      "['delta',0,{'type':'signature_delta','signature':'s'}],"
      STOP(0) ",['start',1,{'type':'redacted_thinking','data':'d'}],"
      STOP(1) "," TEXT(2) "," D_TEXT(2, "t") "," STOP(2)
      ",['end','end_turn'],'message_stop']",
      { CHUNK("{'reasoning_content':'r'}", "null"),
        CHUNK("{'thinking_blocks':[{'type':'thinking','thinking':'r',"
              "'signature':'s'}]}", "null"),
        CHUNK("{'thinking_blocks':[{'type':'redacted_thinking','data':"
              "'d'}]}", "null"),
        CHUNK("{'content':'t'}", "null"), FIN("stop"), "[DONE]" } },

    { "a character in two events",
      "['message_start'," TEXT(0) "," D_TEXT(0, "a") ","
      D_TEXT(0, "\\ud83d\\ude00\\\\ud83d") "," D_TEXT(0, "\\ufffd") ","
      STOP(0) ",['end','end_turn'],'message_stop']",
      { CHUNK("{'content':'a'}", "null"),
        CHUNK("{'content':'\\uD83d'}", "null"),
        CHUNK("{'content':'\\ude00\\\\ud83d'}", "null"),
        CHUNK("{'content':'\\ude00'}", "null"), FIN("stop"), "[DONE]" } },

    { "comments",
      "['ping','message_start'," TEXT(0) "," D_TEXT(0, "a") "," STOP(0)
      ",['end','end_turn'],'message_stop']",
      { ": keep-alive", CHUNK("{'content':'a'}", "null"), "[DONE]" } },
};


static void
to_anthropic(void **state)
{
    size_t       i, k;
    xlate_run_t  run;

    for (i = 0; i < sizeof(chunked) / sizeof(chunked[0]); i++) {

        print_message("  %s\n", chunked[i].name);

        xlate_start(&run, "anthropic", "openai", 1);

        for (k = 0; k < 12 && chunked[i].events[k]; k++) {
            xlate_event(&run, "", chunked[i].events[k]);
        }

        ngx_llmops_xlate_end(run.x, &run.usage, &run.out);
        expect(&run, chunked[i].expected);
        xlate_stop(&run);
    }
}


/* an answer of the old form has a call without an id */

static void
function_call(void **state)
{
    json_t       *events, *block;
    xlate_run_t   run;

    xlate_start(&run, "anthropic", "openai", 1);
    xlate_event(&run, "", CHUNK("{'function_call':{'name':'f','arguments':"
                                "'{'}}", "null"));
    xlate_event(&run, "", CHUNK("{'function_call':{'arguments':'}'}}",
                                "null"));
    xlate_event(&run, "", FIN("function_call"));
    xlate_event(&run, "", "[DONE]");

    events = xlate_events(&run);
    assert_int_equal(json_array_size(events), 7);
    block = json_object_get(json_array_get(events, 1), "content_block");
    assert_memory_equal("toolu_",
        json_string_value(json_object_get(block, "id")), 6);
    json_decref(events);
    xlate_stop(&run);
}


/* and a caller who asks for functions gets an answer of that form */

static void
functions(void **state)
{
    json_t       *choice;
    xlate_run_t   run;

    xlate_start(&run, "openai", "anthropic", 1);
    xlate_request(&run, "{'messages':[{'role':'user','content':'a'}],"
                        "'functions':[{'name':'f'}]}", "claude-opus-4-8");
    assert_int_equal(run.rc, NGX_OK);
    ngx_llmops_out_reset(&run.out);

    xlate_event(&run, "", "{'type':'message_start','message':{}}");
    xlate_event(&run, "", "{'type':'content_block_start','index':0,"
                "'content_block':{'type':'tool_use','id':'t','name':'f',"
                "'input':{}}}");
    xlate_event(&run, "", "{'type':'content_block_delta','index':0,'delta':"
                "{'type':'input_json_delta','partial_json':'{}'}}");
    xlate_event(&run, "", "{'type':'content_block_stop','index':0}");
    xlate_event(&run, "", "{'type':'message_delta','delta':{'stop_reason':"
                "'tool_use'}}");
    xlate_event(&run, "", "{'type':'message_stop'}");
    expect(&run, "[{'role':'assistant','content':''},"
                 "{'function_call':{'name':'f','arguments':''}},"
                 "{'function_call':{'arguments':'{}'}},'function_call',"
                 "'[DONE]']");

    xlate_response(&run, "{'content':[{'type':'tool_use','id':'t','name':"
                         "'f','input':{'a':1}}],'stop_reason':'tool_use'}");
    choice = json_array_get(json_object_get(run.tree, "choices"), 0);
    xlate_members(choice, "{'finish_reason':'function_call'}");
    xlate_members(json_object_get(choice, "message"),
                  "{'tool_calls':null,'function_call':{'name':'f',"
                  "'arguments':'{\\'a\\':1}'}}");
    xlate_stop(&run);
}


static void
replay(void **state)
{
    size_t       i;
    char        *text;
    xlate_run_t  run;

    static const struct {
        const char  *caller;
        const char  *provider;
        const char  *body;
        const char  *expected;
    } rows[] = {
        { "openai", "openai",
          "{'id':'c','choices':[{'message':{'content':'a',"
          "'tool_calls':[{'id':'1','type':'custom','custom':{'name':'g',"
          "'input':'x'}}]},'finish_reason':'tool_calls'},"
          "{'message':{'content':'b'},'finish_reason':'length'}],"
          "'usage':{'prompt_tokens':3,'completion_tokens':4}}",
          "[{'role':'assistant','content':''},{'content':'a'},"
          "{'tool_calls':[{'index':0,'id':'1','type':'custom','custom':"
          "{'name':'g','input':''}}]},"
          "{'tool_calls':[{'index':0,'custom':{'input':'x'}}]},'tool_calls',"
          "{'role':'assistant','content':''},{'content':'b'},'length',"
          "{'usage':{'prompt_tokens':3,'completion_tokens':4}},"
          "'[DONE]']" },
        { "openai", "anthropic",
          "{'content':[{'type':'text','text':'a'},{'type':'tool_use','id':"
          "'1','name':'f','input':{}}],'usage':{'input_tokens':3,"
          "'output_tokens':4}}",
          "[{'role':'assistant','content':''},{'content':'a'},"
          "{'tool_calls':[{'index':0,'id':'1','type':'function','function':"
          "{'name':'f','arguments':''}}]},"
          "{'tool_calls':[{'index':0,'function':{'arguments':'{}'}}]},"
          "'tool_calls',"
          "{'usage':{'prompt_tokens':3,'completion_tokens':4,"
          "'total_tokens':7,'prompt_tokens_details':{'cached_tokens':0},"
          "'completion_tokens_details':{'reasoning_tokens':0}}},'[DONE]']" },
        { "anthropic", "anthropic",
          "{'id':'m','content':[{'type':'thinking','thinking':'t',"
          "'signature':'s'},{'type':'text','text':'a'}],'stop_reason':"
          "'end_turn'}",
          "['message_start'," THINK(0) "," D_THINK(0, "t") ",['delta',0,"
          "{'type':'signature_delta','signature':'s'}]," STOP(0) "," TEXT(1)
          "," D_TEXT(1, "a") "," STOP(1) ",['end','end_turn'],"
          "'message_stop']" },
        { "anthropic", "openai",
          "{'id':'m','choices':[{'message':{'content':'a','tool_calls':["
          "{'id':'1','function':{'name':'f','arguments':'{}'}},"
          "{'id':'2','function':{'name':'f','arguments':'{}'}}]}},"
          "{'message':{'content':'not this'}}]}",
          "['message_start'," TEXT(0) "," D_TEXT(0, "a") "," STOP(0) ","
          TOOL(1, "1", "f") "," D_ARGS(1, "{}") "," STOP(1) ","
          TOOL(2, "2", "f") "," D_ARGS(2, "{}") "," STOP(2) ","
          "['end','tool_use'],'message_stop']" },
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        xlate_start(&run, rows[i].caller, rows[i].provider, 3);
        text = xlate_quotes(rows[i].body);

        assert_int_equal(ngx_llmops_xlate_replay(run.x, unit_str(text),
                                                 &run.out), NGX_OK);
        free(text);
        expect(&run, rows[i].expected);
        xlate_stop(&run);
    }

    xlate_start(&run, "openai", "openai", 3);
    assert_int_equal(ngx_llmops_xlate_replay(run.x, unit_str("{}"),
                                             &run.out), NGX_DECLINED);
    assert_int_equal(run.out.len, 0);
    xlate_stop(&run);
}


/* of the same dialect: nothing that the answer has is lost */

static void
replay_openai(void **state)
{
    size_t       i, n;
    char        *text;
    json_t      *events, *ev, *choice;
    xlate_run_t  run;

    static const char *const  choices[] = {
        "{'index':0,'delta':{'role':'assistant','content':''},"
        "'logprobs':null,'finish_reason':null}",
        "{'index':0,'delta':{'reasoning':'r'},'logprobs':null,"
        "'finish_reason':null}",
        "{'index':0,'delta':{'content':'a'},'logprobs':{'content':[{"
        "'token':'a'}]},'finish_reason':null}",
        "{'index':0,'delta':{'annotations':[{'type':'url_citation'}]},"
        "'logprobs':null,'finish_reason':null}",
        "{'index':0,'delta':{},'logprobs':null,'finish_reason':'stop',"
        "'content_filter_results':{'hate':{}}}",
        "{'index':1,'delta':{'role':'assistant','content':''},"
        "'logprobs':null,'finish_reason':null}",
        "{'index':1,'delta':{'refusal':'no'},'logprobs':null,"
        "'finish_reason':null}",
        "{'index':1,'delta':{},'logprobs':null,'finish_reason':'stop'}",
        "{'index':2,'delta':{'role':'assistant','content':''},"
        "'logprobs':null,'finish_reason':null}",
        "{'index':2,'delta':{'function_call':{'name':'f','arguments':"
        "'{}'}},'logprobs':null,'finish_reason':null}",
        "{'index':2,'delta':{},'logprobs':null,'finish_reason':"
        "'function_call'}",
    };

    static const char  body[] =
        "{'id':'c','created':7,'object':'chat.completion','model':'route-a',"
        "'service_tier':'flex','system_fingerprint':'fp','choices':["
        "{'index':0,'message':{'role':'assistant','content':'a','refusal':"
        "null,'reasoning':'r','annotations':[{'type':'url_citation'}]},"
        "'logprobs':{'content':[{'token':'a'}]},'finish_reason':'stop',"
        "'content_filter_results':{'hate':{}}},"
        "{'index':1,'message':{'content':null,'refusal':'no'},"
        "'finish_reason':'stop'},"
        "{'index':2,'message':{'function_call':{'name':'f','arguments':"
        "'{}'}},'finish_reason':'function_call'}],"
        "'usage':{'prompt_tokens':3,'new':{'x':1}}}";

    xlate_start(&run, "openai", "openai", 3);
    text = xlate_quotes(body);
    assert_int_equal(ngx_llmops_xlate_replay(run.x, unit_str(text),
                                             &run.out), NGX_OK);
    free(text);

    events = xlate_events(&run);
    n = sizeof(choices) / sizeof(choices[0]);
    assert_int_equal(json_array_size(events), n + 2);

    for (i = 0; i <= n; i++) {
        ev = json_array_get(events, i);
        xlate_members(ev, "{'id':'c','created':7,'model':'route-a',"
                          "'service_tier':'flex','system_fingerprint':'fp',"
                          "'object':'chat.completion.chunk'}");

        if (i < n) {
            choice = json_array_get(json_object_get(ev, "choices"), 0);
            xlate_equal(choice, choices[i]);
            assert_true(json_is_null(json_object_get(ev, "usage")));
        }
    }

    xlate_members(ev, "{'choices':[],'usage':{'prompt_tokens':3,'new':"
                      "{'x':1}}}");

    json_decref(events);
    xlate_stop(&run);
}


static void
replay_anthropic(void **state)
{
    char        *text;
    json_t      *events, *v;
    xlate_run_t  run;

    static const char  body[] =
        "{'id':'m','type':'message','role':'assistant','model':'route-a',"
        "'content':[{'type':'server_tool_use','id':'s','name':'web_search',"
        "'input':{'q':1.50}},{'type':'web_search_tool_result','tool_use_id':"
        "'s','content':[{'type':'web_search_result','text':'x'}]},"
        "{'type':'text','text':'t','citations':[{'url':'u'}]},"
        "{'type':'later','text':'x'}],"
        "'stop_reason':'pause_turn','container':{'id':'c'},"
        "'usage':{'input_tokens':3,'output_tokens':4,'cache_creation':"
        "{'ephemeral_1h_input_tokens':2},'server_tool_use':"
        "{'web_search_requests':1}}}";

    xlate_start(&run, "anthropic", "anthropic", 1);
    text = xlate_quotes(body);
    assert_int_equal(ngx_llmops_xlate_replay(run.x, unit_str(text),
                                             &run.out), NGX_OK);
    free(text);

    events = xlate_events(&run);
    v = json_object_get(json_array_get(events, 0), "message");
    xlate_equal(json_object_get(v, "usage"),
                "{'input_tokens':3,'output_tokens':0,'cache_creation':"
                "{'ephemeral_1h_input_tokens':2},'server_tool_use':"
                "{'web_search_requests':1}}");

    v = json_array_get(events, json_array_size(events) - 2);
    xlate_equal(json_object_get(v, "usage"),
                "{'input_tokens':3,'output_tokens':4,'cache_creation':"
                "{'ephemeral_1h_input_tokens':2},'server_tool_use':"
                "{'web_search_requests':1}}");
    xlate_equal(json_object_get(v, "delta"),
                "{'stop_reason':'pause_turn','stop_sequence':null,"
                "'container':{'id':'c'}}");
    json_decref(events);

    expect(&run,
        "['message_start',['start',0,{'type':'server_tool_use','id':'s',"
        "'name':'web_search','input':{}}]," D_ARGS(0, "{\\'q\\':1.50}") ","
        STOP(0) ",['start',1,{'type':'web_search_tool_result',"
        "'tool_use_id':'s','content':[{'type':'web_search_result','text':"
        "'x'}]}]," STOP(1) ",['start',2,{'type':'text','text':'',"
        "'citations':[]}]," D_TEXT(2, "t") ",['delta',2,{'type':"
        "'citations_delta','citation':{'url':'u'}}]," STOP(2)
        ",['start',3,{'type':'later','text':'x'}]," STOP(3)
        ",['end','pause_turn'],'message_stop']");
    xlate_stop(&run);
}


/* an answer that outgrows its bound is an error, not a cut event */

static void
bounded(void **state)
{
    xlate_run_t             run;
    ngx_llmops_sse_event_t  ev;

    xlate_start(&run, "openai", "anthropic", 1);
    ngx_llmops_out_free(&run.out);
    ngx_llmops_out_init(&run.out, 100);

    memset(&ev, 0, sizeof(ev));
    ev.has_data = 1;
    ev.data = *unit_str("{\"type\":\"message_start\",\"message\":{}}");

    assert_int_equal(ngx_llmops_xlate_event(run.x, &ev, &run.usage,
                                            &run.out), NGX_ERROR);
    xlate_stop(&run);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(example_bytes),
        cmocka_unit_test(example_back),
        cmocka_unit_test(usage_member),
        cmocka_unit_test(thinking_to_openai),
        cmocka_unit_test(tools_to_openai),
        cmocka_unit_test(disguised_tools),
        cmocka_unit_test(to_anthropic),
        cmocka_unit_test(function_call),
        cmocka_unit_test(functions),
        cmocka_unit_test(replay),
        cmocka_unit_test(replay_openai),
        cmocka_unit_test(replay_anthropic),
        cmocka_unit_test(bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
