
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include "tap_run.h"


/*
 * Transcripts of streams, shortened from recordings of the servers that they
 * are named after, and what a tap must learn of each.  "@" in a sent stream
 * marks the place of what the caller must not get: the expected stream is
 * the sent one without what is between two of them.
 */


typedef struct {
    const char                  *name;
    const ngx_llmops_dialect_t  *dialect;
    ngx_llmops_op_e              op;
    int                          want_usage;
    const char                  *stream;

    ngx_llmops_usage_t           usage;
    size_t                       bytes;
    ngx_llmops_finish_e          finish;
    int                          terminal;
    const char                  *error;    /* NULL: none */
    const char                  *model;
    int                          content;
} stream_t;


#define C                                                                     \
    "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\","      \
    "\"created\":1755137921,\"model\":\"gpt-5-nano\","

#define DONE  "data: [DONE]\n\n"

#define CHAT  &ngx_llmops_openai, NGX_LLMOPS_OP_CHAT
#define RESPONSES  &ngx_llmops_openai, NGX_LLMOPS_OP_RESPONSES
#define MESSAGES  &ngx_llmops_anthropic, NGX_LLMOPS_OP_MESSAGES

#define REPORTED(...)                                                         \
    { __VA_ARGS__, .source = NGX_LLMOPS_USAGE_REPORTED }

#define NO_USAGE  { 0 }


static const stream_t  streams[] = {

    { "openai, usage not asked for", CHAT, 0,
      C "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\","
      "\"content\":\"\",\"refusal\":null},\"logprobs\":null,"
      "\"finish_reason\":null}]@,\"usage\":null@,\"obfuscation\":\"WuQNX\"}"
      "\n\n"
      C "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"},"
      "\"logprobs\":null,\"finish_reason\":null}]@,\"usage\":null@,"
      "\"obfuscation\":\"yhjoJbEF\"}\n\n"
      C "\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,"
      "\"finish_reason\":\"stop\"}]@,\"usage\":null@}\n\n"
      "@" C "\"choices\":[],\"usage\":{\"prompt_tokens\":16,"
      "\"completion_tokens\":300,\"total_tokens\":316,"
      "\"prompt_tokens_details\":{\"cached_tokens\":12,\"audio_tokens\":2},"
      "\"completion_tokens_details\":{\"reasoning_tokens\":250,"
      "\"audio_tokens\":3,\"accepted_prediction_tokens\":0,"
      "\"rejected_prediction_tokens\":0}},\"obfuscation\":\"h9RiQLL\"}\n\n@"
      DONE,
      REPORTED(.input = 16, .output = 300, .cache_read = 12,
               .reasoning = 250, .audio_in = 2, .audio_out = 3),
      2, NGX_LLMOPS_FINISH_STOP, 1, NULL, "gpt-5-nano", 1 },

    { "openai, usage asked for", CHAT, 1,
      C "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}],"
      "\"usage\":null}\n\n"
      C "\"choices\":[],\"usage\":{\"prompt_tokens\":16,"
      "\"completion_tokens\":3,\"total_tokens\":19}}\n\n"
      DONE,
      REPORTED(.input = 16, .output = 3),
      2, NGX_LLMOPS_FINISH_NONE, 1, NULL, "gpt-5-nano", 1 },

    { "usage is the first member, the only one, or spaced", CHAT, 0,
      "data: {@\"usage\":null,@\"choices\":[{\"delta\":{\"content\":\"a\"}}]}"
      "\n\n"
      "data: {@\"usage\" : null ,@ \"choices\":[{\"delta\":{}}]}\n\n"
      "data: {@\"usage\":null@}\n\n"
      "data: { \"choices\": [{\"delta\": {\"content\": \"b\"}}] @,"
      " \"usage\" : null@ }\n\n",
      NO_USAGE, 2, NGX_LLMOPS_FINISH_NONE, 0, NULL, "", 1 },

    { "crlf and a bom", CHAT, 0,
      "\xef\xbb\xbf" "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]"
      "@,\"usage\":null@}\r\n\r\n"
      "data: [DONE]\r\n\r\n",
      NO_USAGE, 1, NGX_LLMOPS_FINISH_NONE, 1, NULL, "", 1 },

    { "azure, the filter's chunk passes", CHAT, 0,
      "data: {\"choices\":[],\"created\":0,\"id\":\"\",\"model\":\"\","
      "\"object\":\"\",\"prompt_filter_results\":[{\"prompt_index\":0,"
      "\"content_filter_results\":{}}]}\n\n"
      "data: {\"choices\":[],\"created\":0,\"id\":\"\",\"model\":\"\"@,"
      "\"usage\":null@,\"prompt_filter_results\":[{\"prompt_index\":0}]}\n\n"
      C "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"},"
      "\"content_filter_results\":{\"hate\":{\"filtered\":false}},"
      "\"finish_reason\":null}]@,\"usage\":null@}\n\n"
      C "\"choices\":[{\"index\":0,\"delta\":{},"
      "\"finish_reason\":\"content_filter\"}]@,\"usage\":null@}\n\n"
      "@" C "\"choices\":[],\"usage\":{\"prompt_tokens\":1,"
      "\"completion_tokens\":1,\"total_tokens\":2}}\n\n@"
      DONE,
      REPORTED(.input = 1, .output = 1),
      1, NGX_LLMOPS_FINISH_CONTENT_FILTER, 1, NULL, "gpt-5-nano", 1 },

    { "a vendor's chunk keeps its payload", CHAT, 0,
      "data: {\"choices\":[],\"citations\":[\"https://a\"]@,\"usage\":{"
      "\"prompt_tokens\":4,\"completion_tokens\":5}@}\n\n" DONE,
      REPORTED(.input = 4, .output = 5),
      0, NGX_LLMOPS_FINISH_NONE, 1, NULL, "", 0 },

    { "llama.cpp, timings are no payload", CHAT, 0,
      "@data: {\"choices\":[],\"usage\":{\"prompt_tokens\":4,"
      "\"completion_tokens\":5},\"timings\":{\"prompt_n\":4}}\n\n@" DONE,
      REPORTED(.input = 4, .output = 5),
      0, NGX_LLMOPS_FINISH_NONE, 1, NULL, "", 0 },

    { "two parallel tool calls", CHAT, 1,
      C "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\","
      "\"content\":null},\"finish_reason\":null}]}\n\n"
      C "\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,"
      "\"id\":\"call_a\",\"type\":\"function\",\"function\":{\"name\":"
      "\"get_weather\",\"arguments\":\"\"}}]},\"finish_reason\":null}]}\n\n"
      C "\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,"
      "\"function\":{\"arguments\":\"{\\\"city\\\":\\\"Paris\\\"}\"}}]},"
      "\"finish_reason\":null}]}\n\n"
      C "\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1,"
      "\"function\":{\"arguments\":\"{\\\"city\\\":\\\"Rome\\\"}\"}}]},"
      "\"finish_reason\":null}]}\n\n"
      C "\"choices\":[{\"index\":0,\"delta\":{},"
      "\"finish_reason\":\"tool_calls\"}]}\n\n" DONE,
      NO_USAGE, 16 + 15, NGX_LLMOPS_FINISH_TOOL_CALLS, 1, NULL, "gpt-5-nano",
      1 },

    { "two choices", CHAT, 1,
      C "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ab\"}},"
      "{\"index\":1,\"delta\":{\"content\":\"cde\"}}]}\n\n"
      C "\"choices\":[{\"index\":1,\"delta\":{},"
      "\"finish_reason\":\"length\"}]}\n\n" DONE,
      NO_USAGE, 5, NGX_LLMOPS_FINISH_LENGTH, 1, NULL, "gpt-5-nano", 1 },

    { "deepseek, comments, usage unasked in the finish chunk", CHAT, 0,
      ": keep-alive\n\n"
      C "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\","
      "\"content\":null,\"reasoning_content\":\"\"},\"logprobs\":null,"
      "\"finish_reason\":null}]@,\"usage\":null@}\n\n"
      C "\"choices\":[{\"index\":0,\"delta\":{\"content\":null,"
      "\"reasoning_content\":\"The user\"},\"finish_reason\":null}]"
      "@,\"usage\":null@}\n\n"
      C "\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,"
      "\"function\":{\"arguments\":\"{\"}}]},\"finish_reason\":null}]"
      "@,\"usage\":null@}\n\n"
      C "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\","
      "\"reasoning_content\":null},\"logprobs\":null,"
      "\"finish_reason\":\"tool_calls\"}]@,\"usage\":{\"prompt_tokens\":339,"
      "\"completion_tokens\":83,\"total_tokens\":422,"
      "\"prompt_tokens_details\":{\"cached_tokens\":320},"
      "\"completion_tokens_details\":{\"reasoning_tokens\":39},"
      "\"prompt_cache_hit_tokens\":320,\"prompt_cache_miss_tokens\":19}@}\n\n"
      DONE,
      REPORTED(.input = 339, .output = 83, .cache_read = 320,
               .reasoning = 39),
      9, NGX_LLMOPS_FINISH_TOOL_CALLS, 1, NULL, "gpt-5-nano", 1 },

    { "deepseek, the cache's count alone", CHAT, 1,
      "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":339,"
      "\"completion_tokens\":83,\"prompt_cache_hit_tokens\":320}}\n\n",
      REPORTED(.input = 339, .output = 83, .cache_read = 320),
      0, NGX_LLMOPS_FINISH_NONE, 0, NULL, "", 0 },

    { "groq, usage in x_groq", CHAT, 0,
      C "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\","
      "\"content\":null}}],\"x_groq\":{\"id\":\"req_1\",\"seed\":6895}}\n\n"
      C "\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"id\":"
      "\"tk85n1k4m\",\"type\":\"function\",\"function\":{\"name\":"
      "\"weather\",\"arguments\":\"{}\"},\"index\":0}]}}]}\n\n"
      C "\"choices\":[{\"index\":0,\"delta\":{},"
      "\"finish_reason\":\"tool_calls\"}],\"x_groq\":{\"id\":\"req_1\","
      "\"usage\":{\"queue_time\":0.04,\"prompt_tokens\":210,"
      "\"completion_tokens\":15,\"total_tokens\":225}}}\n\n" DONE,
      REPORTED(.input = 210, .output = 15),
      2, NGX_LLMOPS_FINISH_TOOL_CALLS, 1, NULL, "gpt-5-nano", 1 },

    { "groq, in both places: counted once", CHAT, 1,
      C "\"choices\":[],\"x_groq\":{\"usage\":{\"prompt_tokens\":210,"
      "\"completion_tokens\":15}},\"usage\":{\"prompt_tokens\":210,"
      "\"completion_tokens\":15,\"total_tokens\":225}}\n\n" DONE,
      REPORTED(.input = 210, .output = 15),
      0, NGX_LLMOPS_FINISH_NONE, 1, NULL, "gpt-5-nano", 0 },

    { "mistral, parts", CHAT, 1,
      C "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\","
      "\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\","
      "\"text\":\"The user is\"}]}]},\"finish_reason\":null}]}\n\n"
      C "\"choices\":[{\"index\":0,\"delta\":{\"content\":[{\"type\":"
      "\"text\",\"text\":\"2 + 2 = 4\"}]},\"finish_reason\":null}]}\n\n"
      C "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},"
      "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":10,"
      "\"total_tokens\":56,\"completion_tokens\":46}}\n\n" DONE,
      REPORTED(.input = 10, .output = 46),
      20, NGX_LLMOPS_FINISH_STOP, 1, NULL, "gpt-5-nano", 1 },

    { "xai, reasoning outside of the completion", CHAT, 1,
      C "\"choices\":[],\"usage\":{\"prompt_tokens\":12,"
      "\"completion_tokens\":1,\"total_tokens\":303,"
      "\"completion_tokens_details\":{\"reasoning_tokens\":290}}}\n\n" DONE,
      REPORTED(.input = 12, .output = 291, .reasoning = 290),
      0, NGX_LLMOPS_FINISH_NONE, 1, NULL, "gpt-5-nano", 0 },

    { "moonshot and sglang, counts at the top", CHAT, 1,
      C "\"choices\":[],\"usage\":{\"prompt_tokens\":12,"
      "\"completion_tokens\":20,\"total_tokens\":32,\"cached_tokens\":8,"
      "\"reasoning_tokens\":6}}\n\n" DONE,
      REPORTED(.input = 12, .output = 20, .cache_read = 8, .reasoning = 6),
      0, NGX_LLMOPS_FINISH_NONE, 1, NULL, "gpt-5-nano", 0 },

    { "cache writes", CHAT, 1,
      C "\"choices\":[],\"usage\":{\"prompt_tokens\":12,"
      "\"completion_tokens\":20,\"prompt_tokens_details\":{"
      "\"cached_tokens\":2,\"cache_write_tokens\":9,\"image_tokens\":3}}}"
      "\n\n" DONE,
      REPORTED(.input = 12, .output = 20, .cache_read = 2, .cache_write = 9,
               .image_in = 3),
      0, NGX_LLMOPS_FINISH_NONE, 1, NULL, "gpt-5-nano", 0 },

    { "running usage, the last one counts", CHAT, 0,
      C "\"choices\":[{\"delta\":{\"content\":\"a\"}}]@,\"usage\":{"
      "\"prompt_tokens\":5,\"completion_tokens\":1}@}\n\n"
      C "\"choices\":[{\"delta\":{\"content\":\"b\"}}]@,\"usage\":{"
      "\"prompt_tokens\":5,\"completion_tokens\":2}@}\n\n",
      REPORTED(.input = 5, .output = 2),
      2, NGX_LLMOPS_FINISH_NONE, 0, NULL, "gpt-5-nano", 1 },

    { "counts that are none", CHAT, 1,
      C "\"choices\":[],\"usage\":{\"prompt_tokens\":-5,"
      "\"completion_tokens\":1e20,\"total_tokens\":\"many\"}}\n\n"
      C "\"choices\":[],\"usage\":{\"prompt_tokens\":[1],"
      "\"completion_tokens\":{\"a\":1},\"total_tokens\":true}}\n\n"
      C "\"choices\":[],\"usage\":{}}\n\n"
      C "\"choices\":[],\"usage\":[]}\n\n"
      C "\"choices\":[],\"usage\":7}\n\n"
      C "\"choices\":[],\"usage\":{\"prompt_tokens\":9007199254740993}}\n\n"
      DONE,
      NO_USAGE, 0, NGX_LLMOPS_FINISH_NONE, 1, NULL, "gpt-5-nano", 0 },

    { "counts that are written otherwise", CHAT, 1,
      C "\"choices\":[],\"usage\":{\"prompt_tokens\":1.2e1,"
      "\"completion_tokens\":\"7\",\"total_tokens\":19.0}}\n\n",
      REPORTED(.input = 12, .output = 7),
      0, NGX_LLMOPS_FINISH_NONE, 0, NULL, "gpt-5-nano", 0 },

    { "parts are at most the whole", CHAT, 1,
      C "\"choices\":[],\"usage\":{\"prompt_tokens\":12,"
      "\"completion_tokens\":7,\"total_tokens\":19,\"cached_tokens\":900,"
      "\"completion_tokens_details\":{\"reasoning_tokens\":800}}}\n\n",
      REPORTED(.input = 12, .output = 7, .cache_read = 12, .reasoning = 7),
      0, NGX_LLMOPS_FINISH_NONE, 0, NULL, "gpt-5-nano", 0 },

    { "reasoning under both names is counted once", CHAT, 1,
      "data: {\"choices\":[{\"delta\":{\"reasoning\":\"abc\","
      "\"reasoning_content\":\"abc\",\"content\":\"x\","
      "\"reasoning_details\":[{\"text\":\"abc\"}],\"refusal\":\"no\"},"
      "\"message\":{\"content\":\"x\"}}]}\n\n",
      NO_USAGE, 6, NGX_LLMOPS_FINISH_NONE, 0, NULL, "", 1 },

    { "escapes count as what they stand for", CHAT, 1,
      "data: {\"choices\":[{\"delta\":{\"content\":"
      "\"\\n\\u0041\\u00e9\\u4f60\\ud83d\\ude00\\\\\\\"\"}}]}\n\n",
      NO_USAGE, 1 + 1 + 2 + 3 + 4 + 1 + 1, NGX_LLMOPS_FINISH_NONE, 0, NULL,
      "", 1 },

    { "completions", &ngx_llmops_openai, NGX_LLMOPS_OP_COMPLETIONS, 0,
      "data: {\"id\":\"cmpl-1\",\"object\":\"text_completion\",\"choices\":"
      "[{\"text\":\"abc\",\"index\":0,\"logprobs\":{\"tokens\":[\"a\"]},"
      "\"finish_reason\":null}]@,\"usage\":null@}\n\n"
      "@data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,"
      "\"completion_tokens\":2,\"total_tokens\":3}}\n\n@" DONE,
      REPORTED(.input = 1, .output = 2),
      3, NGX_LLMOPS_FINISH_NONE, 1, NULL, "", 1 },

    { "tolerance: odd shapes pass", CHAT, 0,
      "data: \n\n"
      "data: 7\n\n"
      "data: [1,2]\n\n"
      "data: null\n\n"
      "data: {\n\n"
      "data: {\"choices\":[{\"delta\":{\"content\":\"lost\"}}\n\n"
      "data: {\"choices\":[{\"delta\":{\"content\":\"lost\"},\"usage\":null}"
      "\n\n"
      "data: not json\n\n"
      "data: {}\n\n"
      "data: {\"choices\":null}\n\n"
      "data: {\"choices\":[null,7,\"x\",[]]}\n\n"
      "data: {\"choices\":[{\"delta\":null,\"finish_reason\":7}]}\n\n"
      "data: {\"choices\":[{\"delta\":[],\"text\":null}]}\n\n"
      "data: {\"choices\":{\"delta\":{\"content\":\"no\"}}}\n\n"
      "event: x\ndata: {\"error\":null}\n\n"
      "data: {\"error\":\"\"}\n\n"
      "data: {\"error\":false}\n\n"
      "\n"
      ": OPENROUTER PROCESSING\n\n",
      NO_USAGE, 0, NGX_LLMOPS_FINISH_NONE, 0, NULL, "", 0 },

    { "an error in the middle", CHAT, 0,
      C "\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"
      "data: {\"error\":{\"message\":\"m\",\"type\":\"server_error\","
      "\"param\":null,\"code\":null}}\n\n",
      NO_USAGE, 1, NGX_LLMOPS_FINISH_ERROR, 0,
      "{\"message\":\"m\",\"type\":\"server_error\",\"param\":null,"
      "\"code\":null}\n", "gpt-5-nano", 1 },

    { "vllm, an integer code, then [DONE]", CHAT, 0,
      "data: {\"error\":{\"object\":\"error\",\"message\":\"m\",\"code\":400}}"
      "\n\n" DONE,
      NO_USAGE, 0, NGX_LLMOPS_FINISH_ERROR, 1,
      "{\"object\":\"error\",\"message\":\"m\",\"code\":400}\n", "", 0 },

    { "tgi, a string", CHAT, 0,
      "data: {\"error\":\"no memory\",\"error_type\":\"overloaded\"}\n\n"
      DONE,
      NO_USAGE, 0, NGX_LLMOPS_FINISH_ERROR, 1, "\"no memory\"\n", "", 0 },

    { "an old vllm, flat", CHAT, 0,
      "data: {\"object\":\"error\",\"message\":\"m\",\"code\":40303}\n\n",
      NO_USAGE, 0, NGX_LLMOPS_FINISH_ERROR, 0,
      "{\"object\":\"error\",\"message\":\"m\",\"code\":40303}\n", "", 0 },

    { "openrouter, in a chunk", CHAT, 0,
      C "\"error\":{\"code\":502,\"message\":\"m\"},\"choices\":[{\"index\":"
      "0,\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}]}\n\n",
      NO_USAGE, 0, NGX_LLMOPS_FINISH_ERROR, 0,
      "{\"code\":502,\"message\":\"m\"}\n", "gpt-5-nano", 0 },

    { "an event of that name, in plain text", CHAT, 0,
      "event: error\ndata: too bad\n\n",
      NO_USAGE, 0, NGX_LLMOPS_FINISH_ERROR, 0, "too bad\n", "", 0 },

    { "responses, text", RESPONSES, 0,
      "event: response.created\n"
      "data: {\"type\":\"response.created\",\"sequence_number\":0,"
      "\"response\":{\"id\":\"resp_1\",\"object\":\"response\",\"status\":"
      "\"in_progress\",\"model\":\"gpt-5.1\",\"output\":[],\"usage\":null}}"
      "\n\n"
      "event: response.output_text.delta\n"
      "data: {\"type\":\"response.output_text.delta\",\"sequence_number\":4,"
      "\"item_id\":\"msg_1\",\"output_index\":0,\"content_index\":0,"
      "\"delta\":\"Hello\",\"logprobs\":[],\"obfuscation\":\"VLMdSoETMf5\"}"
      "\n\n"
      "event: response.completed\n"
      "data: {\"type\":\"response.completed\",\"sequence_number\":8,"
      "\"response\":{\"id\":\"resp_1\",\"status\":\"completed\",\"output\":"
      "[{\"id\":\"msg_1\",\"content\":[{\"type\":\"output_text\",\"text\":"
      "\"Hello\"}]}],\"usage\":{\"input_tokens\":11,"
      "\"input_tokens_details\":{\"cached_tokens\":4},\"output_tokens\":12,"
      "\"output_tokens_details\":{\"reasoning_tokens\":5},"
      "\"total_tokens\":23}}}\n\n",
      REPORTED(.input = 11, .output = 12, .cache_read = 4, .reasoning = 5),
      5, NGX_LLMOPS_FINISH_STOP, 1, NULL, "gpt-5.1", 1 },

    { "responses, a call", RESPONSES, 0,
      "event: response.output_item.added\n"
      "data: {\"type\":\"response.output_item.added\",\"item\":{\"id\":"
      "\"fc_1\",\"type\":\"function_call\",\"arguments\":\"\"}}\n\n"
      "event: response.function_call_arguments.delta\n"
      "data: {\"type\":\"response.function_call_arguments.delta\","
      "\"delta\":\"{\\\"\",\"obfuscation\":\"Gr0X\"}\n\n"
      "event: response.function_call_arguments.done\n"
      "data: {\"type\":\"response.function_call_arguments.done\","
      "\"arguments\":\"{\\\"location\\\":\\\"San Francisco\\\"}\"}\n\n"
      "event: response.completed\n"
      "data: {\"type\":\"response.completed\",\"response\":{\"usage\":null}}"
      "\n\n",
      NO_USAGE, 2, NGX_LLMOPS_FINISH_TOOL_CALLS, 1, NULL, "", 1 },

    { "responses, incomplete", RESPONSES, 0,
      "event: response.incomplete\n"
      "data: {\"type\":\"response.incomplete\",\"response\":{"
      "\"incomplete_details\":{\"reason\":\"max_output_tokens\"},"
      "\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}}\n\n",
      REPORTED(.input = 1, .output = 2),
      0, NGX_LLMOPS_FINISH_LENGTH, 1, NULL, "", 0 },

    { "responses, filtered", RESPONSES, 0,
      "data: {\"type\":\"response.incomplete\",\"response\":{"
      "\"incomplete_details\":{\"reason\":\"content_filter\"}}}\n\n",
      NO_USAGE, 0, NGX_LLMOPS_FINISH_CONTENT_FILTER, 1, NULL, "", 0 },

    { "responses, error and failed", RESPONSES, 0,
      "event: error\n"
      "data: {\"type\":\"error\",\"sequence_number\":2,\"error\":{\"type\":"
      "\"invalid_request_error\",\"code\":\"x\",\"message\":\"m\"}}\n\n"
      "event: response.failed\n"
      "data: {\"type\":\"response.failed\",\"response\":{\"status\":"
      "\"failed\",\"error\":{\"code\":\"server_error\",\"message\":\"n\"}}}"
      "\n\n",
      NO_USAGE, 0, NGX_LLMOPS_FINISH_ERROR, 1,
      "{\"type\":\"invalid_request_error\",\"code\":\"x\",\"message\":\"m\"}"
      "\n{\"code\":\"server_error\",\"message\":\"n\"}\n", "", 0 },

    { "responses, a flat error", RESPONSES, 0,
      "data: {\"type\":\"error\",\"code\":\"c\",\"message\":\"m\","
      "\"param\":null,\"sequence_number\":1}\n\n",
      NO_USAGE, 0, NGX_LLMOPS_FINISH_ERROR, 0,
      "{\"type\":\"error\",\"code\":\"c\",\"message\":\"m\",\"param\":null,"
      "\"sequence_number\":1}\n", "", 0 },

    { "images", &ngx_llmops_openai, NGX_LLMOPS_OP_IMAGES, 0,
      "event: image_generation.partial_image\n"
      "data: {\"type\":\"image_generation.partial_image\",\"b64_json\":"
      "\"AAAA\"}\n\n"
      "event: image_generation.completed\n"
      "data: {\"type\":\"image_generation.completed\",\"b64_json\":\"AAAA\","
      "\"usage\":{\"total_tokens\":100,\"input_tokens\":50,"
      "\"output_tokens\":50,\"input_tokens_details\":{\"text_tokens\":10,"
      "\"image_tokens\":40}}}\n\n",
      REPORTED(.input = 50, .output = 50, .image_in = 40),
      0, NGX_LLMOPS_FINISH_STOP, 1, NULL, "", 1 },

    { "transcripts", &ngx_llmops_openai, NGX_LLMOPS_OP_AUDIO, 0,
      "data: {\"type\":\"transcript.text.delta\",\"delta\":\"I see\"}\n\n"
      "data: {\"type\":\"transcript.text.done\",\"text\":\"I see\","
      "\"usage\":{\"type\":\"tokens\",\"input_tokens\":14,"
      "\"input_token_details\":{\"text_tokens\":0,\"audio_tokens\":14},"
      "\"output_tokens\":45,\"total_tokens\":59}}\n\n",
      REPORTED(.input = 14, .output = 45, .audio_in = 14),
      5, NGX_LLMOPS_FINISH_STOP, 1, NULL, "", 1 },

    { "speech", &ngx_llmops_openai, NGX_LLMOPS_OP_AUDIO, 0,
      "data: {\"type\":\"speech.audio.delta\",\"audio\":\"AAAA\"}\n\n"
      "data: {\"type\":\"speech.audio.done\",\"usage\":{\"input_tokens\":14,"
      "\"output_tokens\":101,\"total_tokens\":115}}\n\n",
      REPORTED(.input = 14, .output = 101),
      0, NGX_LLMOPS_FINISH_STOP, 1, NULL, "", 1 },

    { "anthropic, text and a tool", MESSAGES, 0,
      "event: message_start\n"
      "data: {\"type\":\"message_start\",\"message\":{\"model\":"
      "\"claude-sonnet-4-5-20250929\",\"id\":\"msg_01\",\"type\":"
      "\"message\",\"role\":\"assistant\",\"content\":[],\"stop_reason\":"
      "null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":565,"
      "\"cache_creation_input_tokens\":30,\"cache_read_input_tokens\":200,"
      "\"cache_creation\":{\"ephemeral_5m_input_tokens\":10,"
      "\"ephemeral_1h_input_tokens\":20},\"output_tokens\":7,"
      "\"service_tier\":\"standard\"}}}\n\n"
      "event: content_block_start\n"
      "data: {\"type\":\"content_block_start\",\"index\":0,"
      "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
      "event: ping\ndata: {\"type\":\"ping\"}\n\n"
      "event: content_block_delta\n"
      "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{"
      "\"type\":\"text_delta\",\"text\":\"I'll update it.\"}}\n\n"
      "event: content_block_stop\n"
      "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
      "event: content_block_start\n"
      "data: {\"type\":\"content_block_start\",\"index\":1,"
      "\"content_block\":{\"type\":\"tool_use\",\"id\":\"toolu_01\","
      "\"name\":\"updateIssueList\",\"input\":{}}}\n\n"
      "event: content_block_delta\n"
      "data: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{"
      "\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\\\":\"}}\n\n"
      "event: message_delta\n"
      "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
      "\"tool_use\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":48,"
      "\"output_tokens_details\":{\"thinking_tokens\":40}}}\n\n"
      "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
      REPORTED(.input = 565 + 30 + 200, .output = 48, .cache_read = 200,
               .cache_write = 30, .cache_write_1h = 20, .reasoning = 40),
      15 + 5, NGX_LLMOPS_FINISH_TOOL_CALLS, 1, NULL,
      "claude-sonnet-4-5-20250929", 1 },

    { "anthropic, thinking; input grows; two deltas; a second start",
      MESSAGES, 0,
      "event: message_start\n"
      "data: {\"type\":\"message_start\",\"message\":{\"model\":\"c\","
      "\"usage\":{\"input_tokens\":43,\"output_tokens\":1}}}\n\n"
      "@event: message_start\n"
      "data: {\"type\":\"message_start\",\"message\":{\"model\":\"d\","
      "\"usage\":{\"input_tokens\":44,\"output_tokens\":1}}}\n\n@"
      "event: content_block_start\n"
      "data: {\"type\":\"content_block_start\",\"index\":0,"
      "\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\","
      "\"signature\":\"\"}}\n\n"
      "event: content_block_delta\n"
      "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{"
      "\"type\":\"thinking_delta\",\"thinking\":\"The answer is\"}}\n\n"
      "event: content_block_delta\n"
      "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{"
      "\"type\":\"signature_delta\",\"signature\":\"EqQB\"}}\n\n"
      "event: message_delta\n"
      "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":null},"
      "\"usage\":{\"input_tokens\":61,\"output_tokens\":5}}\n\n"
      "event: message_delta\n"
      "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
      "\"max_tokens\"},\"usage\":{\"output_tokens\":9,"
      "\"cache_read_input_tokens\":null}}\n\n"
      "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
      DONE,
      REPORTED(.input = 61, .output = 9),
      13, NGX_LLMOPS_FINISH_LENGTH, 1, NULL, "c", 1 },

    { "anthropic, cut after the start", MESSAGES, 0,
      "event: message_start\n"
      "data: {\"type\":\"message_start\",\"message\":{\"model\":\"c\","
      "\"usage\":{\"input_tokens\":43,\"output_tokens\":1}}}\n\n"
      "event: content_block_delta\n"
      "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{"
      "\"type\":\"text_delta\",\"text\":\"abcd\"}}\n",
      REPORTED(.input = 43, .output = 1),
      4, NGX_LLMOPS_FINISH_NONE, 0, NULL, "c", 1 },

    { "anthropic, refusal", MESSAGES, 0,
      "event: message_delta\n"
      "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
      "\"refusal\",\"stop_details\":{\"type\":\"refusal\"}},\"usage\":{"
      "\"input_tokens\":-1,\"output_tokens\":1e20}}\n\n",
      NO_USAGE, 0, NGX_LLMOPS_FINISH_CONTENT_FILTER, 0, NULL, "", 0 },

    { "anthropic, error", MESSAGES, 0,
      "event: ping\ndata: {\"type\":\"ping\"}\n\n"
      "event: error\n"
      "data: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\","
      "\"message\":\"Overloaded\"},\"request_id\":null}\n\n",
      NO_USAGE, 0, NGX_LLMOPS_FINISH_ERROR, 0,
      "{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}\n", "", 0 },

    { "anthropic, odd shapes pass", MESSAGES, 0,
      "data: x\n\ndata: {\n\ndata: []\n\n"
      "data: {\"type\":7,\"delta\":[]}\n\n"
      "data: {\"type\":\"content_block_delta\",\"delta\":null}\n\n"
      "data: {\"type\":\"message_start\",\"message\":null}\n\n"
      "data: {\"type\":\"message_delta\",\"delta\":\"x\",\"usage\":[]}\n\n"
      "event: new\ndata: {\"type\":\"new\"}\n\n: ping\n\n",
      NO_USAGE, 0, NGX_LLMOPS_FINISH_NONE, 0, NULL, "", 0 },
};

#define STREAMS  (sizeof(streams) / sizeof(streams[0]))


/* the stream as it is sent, and, without what is marked, as it arrives */

static char *
stream_text(const char *marked, int all)
{
    int    hidden;
    char  *text, *d;

    text = d = malloc(strlen(marked) + 1);

    for (hidden = 0; *marked; marked++) {

        if (*marked == '@') {
            hidden = !hidden;

        } else if (all || !hidden) {
            *d++ = *marked;
        }
    }

    *d = '\0';

    return text;
}


static void
check_usage(const ngx_llmops_usage_t *u, const ngx_llmops_usage_t *expected)
{
    assert_int_equal(u->source, expected->source);
    assert_int_equal(u->input, expected->input);
    assert_int_equal(u->output, expected->output);
    assert_int_equal(u->cache_read, expected->cache_read);
    assert_int_equal(u->cache_write, expected->cache_write);
    assert_int_equal(u->cache_write_1h, expected->cache_write_1h);
    assert_int_equal(u->reasoning, expected->reasoning);
    assert_int_equal(u->audio_in, expected->audio_in);
    assert_int_equal(u->audio_out, expected->audio_out);
    assert_int_equal(u->image_in, expected->image_in);
    assert_int_equal(u->image_out, expected->image_out);
}


static void
check_stream(const stream_t *s, tap_run_t *r, const char *arrives)
{
    tap_run_end(r);

    assert_int_equal(r->out.len, strlen(arrives));
    assert_memory_equal(r->out.data, arrives, r->out.len);

    check_usage(&r->meter.usage, &s->usage);
    assert_int_equal(r->meter.output_bytes, s->bytes);
    assert_int_equal(r->meter.finish, s->finish);
    assert_int_equal(r->meter.terminal, s->terminal);
    assert_int_equal(r->meter.content, s->content);
    assert_int_equal(r->meter.error, s->error != NULL);

    if (s->error) {
        assert_int_equal(r->errors.len, strlen(s->error));
        assert_memory_equal(r->errors.data, s->error, r->errors.len);
    }

    assert_int_equal(r->meter.model_len, strlen(s->model));
    assert_memory_equal(r->meter.model, s->model, r->meter.model_len);

    tap_run_free(r);
}


static void
test_streams(void **state)
{
    char            *sent, *arrives;
    size_t           i, k, len;
    tap_run_t        r;
    const stream_t  *s;

    for (i = 0; i < STREAMS; i++) {
        s = &streams[i];
        sent = stream_text(s->stream, 1);
        arrives = stream_text(s->stream, 0);
        len = strlen(sent);

        print_message("     %s\n", s->name);

        /* in one piece, and in two, for all places between them */

        for (k = 0; k <= len; k++) {
            tap_run_start(&r, s->dialect, s->op, s->want_usage);
            tap_run_feed(&r, sent, k);
            tap_run_feed(&r, sent + k, len - k);
            check_stream(s, &r, arrives);
        }

        /* in pieces of one byte */

        tap_run_start(&r, s->dialect, s->op, s->want_usage);

        for (k = 0; k < len; k++) {
            tap_run_feed(&r, sent + k, 1);
        }

        check_stream(s, &r, arrives);

        free(sent);
        free(arrives);
    }
}


/* the mock's dialect is the one of the operation */

static void
test_mock_streams(void **state)
{
    char            *sent, *arrives;
    size_t           i;
    tap_run_t        r;
    const stream_t  *s;

    for (i = 0; i < STREAMS; i++) {
        s = &streams[i];
        sent = stream_text(s->stream, 1);
        arrives = stream_text(s->stream, 0);

        tap_run_start(&r, &ngx_llmops_mock, s->op, s->want_usage);
        tap_run_feed(&r, sent, strlen(sent));
        check_stream(s, &r, arrives);

        free(sent);
        free(arrives);
    }
}


/* data of several lines is not in one piece of the stream: nothing is cut */

static void
test_lines(void **state)
{
    tap_run_t           r;
    static const char   sent[] =
        "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\n"
        "data: \"usage\":null}\n\n"
        "data: {\"choices\":[],\ndata: \"usage\":{\"prompt_tokens\":1,\n"
        "data: \"completion_tokens\":2}}\n\n";

    tap_run_start(&r, &ngx_llmops_openai, NGX_LLMOPS_OP_CHAT, 0);
    tap_run_feed(&r, sent, sizeof(sent) - 1);
    tap_run_end(&r);

    assert_int_equal(r.out.len, strlen(sent) - (strstr(sent, "[],") ?
                     strlen(strstr(sent, "data: {\"choices\":[],")) : 0));
    assert_int_equal(r.meter.usage.input, 1);
    assert_int_equal(r.meter.usage.output, 2);
    assert_int_equal(r.meter.output_bytes, 1);

    tap_run_free(&r);
}


typedef struct {
    const ngx_llmops_dialect_t  *dialect;
    ngx_llmops_op_e              op;
    const char                  *body;
    ngx_llmops_usage_t           usage;
    ngx_llmops_finish_e          finish;
    int                          error;
    const char                  *model;
} body_t;


static const body_t  bodies[] = {

    { CHAT,
      "{\"id\":\"chatcmpl-1\",\"model\":\"gpt-5\",\"choices\":[{\"index\":0,"
      "\"message\":{\"role\":\"assistant\",\"content\":\"Hi\"},"
      "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":9,"
      "\"completion_tokens\":2,\"total_tokens\":11,"
      "\"prompt_tokens_details\":{\"cached_tokens\":3}}}",
      REPORTED(.input = 9, .output = 2, .cache_read = 3),
      NGX_LLMOPS_FINISH_STOP, 0, "gpt-5" },

    /* of several finishes the last one counts; what quotes it does not */
    { CHAT,
      "{\"choices\":[{\"message\":{\"content\":null,\"tool_calls\":[{"
      "\"id\":\"call_1\",\"function\":{\"name\":\"f\",\"arguments\":"
      "\"{\\\"finish_reason\\\":\\\"stop\\\"}\"}}]},"
      "\"finish_reason\" : \"tool_calls\"},{\"message\":{\"content\":"
      "\"of\"},\"finish_reason\":\"length\"}],"
      "\"usage\":{\"prompt_tokens\":\"9\",\"completion_tokens\":2e0,"
      "\"prompt_tokens_details\":null,\"cost\":{\"a\":[1,\"}\"]},"
      "\"completion_tokens_details\":{\"reasoning_tokens\":1,\"x\":[]}}}\n",
      REPORTED(.input = 9, .output = 2, .reasoning = 1),
      NGX_LLMOPS_FINISH_LENGTH, 0, "" },

    { CHAT, "{\"choices\":[{\"finish_reason\":null}],\"model\":\"\"}",
      NO_USAGE, NGX_LLMOPS_FINISH_NONE, 0, "" },

    { &ngx_llmops_openai, NGX_LLMOPS_OP_COMPLETIONS,
      "{\"choices\":[{\"text\":\"x\",\"finish_reason\":"
      "\"content_filter\"}],\"usage\":{\"prompt_tokens\":007,"
      "\"completion_tokens\":1,\"total_tokens\":10}}",
      REPORTED(.input = 9, .output = 1),
      NGX_LLMOPS_FINISH_CONTENT_FILTER, 0, "" },

    { CHAT,
      "\n\n  {\"choices\":[],\"x_groq\":{\"usage\":{\"prompt_tokens\":9,"
      "\"completion_tokens\":2}}}",
      REPORTED(.input = 9, .output = 2), NGX_LLMOPS_FINISH_NONE, 0, "" },

    { CHAT, "{\"choices\":[],\"usage\":null}",
      NO_USAGE, NGX_LLMOPS_FINISH_NONE, 0, "" },

    { CHAT, "{\"choices\":[],\"error\":{\"message\":\"m\"}}",
      NO_USAGE, NGX_LLMOPS_FINISH_ERROR, 1, "" },

    { CHAT, "{\"choices\":[],\"error\":null}",
      NO_USAGE, NGX_LLMOPS_FINISH_NONE, 0, "" },

    { &ngx_llmops_openai, NGX_LLMOPS_OP_EMBEDDINGS,
      "{\"object\":\"list\",\"data\":[{\"embedding\":[0.5]}],\"model\":\"e\","
      "\"usage\":{\"prompt_tokens\":8,\"total_tokens\":8}}",
      REPORTED(.input = 8), NGX_LLMOPS_FINISH_NONE, 0, "e" },

    { RESPONSES,
      "{\"id\":\"resp_1\",\"error\":null,\"status\":\"incomplete\","
      "\"incomplete_details\":{\"reason\":\"max_output_tokens\"},\"output\":"
      "[],\"usage\":{\"input_tokens\":5,\"output_tokens\":6,"
      "\"output_tokens_details\":{\"reasoning_tokens\":6}}}",
      REPORTED(.input = 5, .output = 6, .reasoning = 6),
      NGX_LLMOPS_FINISH_LENGTH, 0, "" },

    { RESPONSES,
      "{\"status\":\"completed\",\"error\":null,\"incomplete_details\":"
      "null,\"output\":[{\"type\":\"message\",\"content\":[{\"type\":"
      "\"output_text\",\"text\":\"Hi\"}]}],\"usage\":null}",
      NO_USAGE, NGX_LLMOPS_FINISH_STOP, 0, "" },

    { &ngx_llmops_openai, NGX_LLMOPS_OP_AUDIO,
      "{\"text\":\"x\",\"usage\":{\"type\":\"duration\",\"seconds\":7}}",
      NO_USAGE, NGX_LLMOPS_FINISH_NONE, 0, "" },

    { MESSAGES,
      "{\"id\":\"msg_1\",\"type\":\"message\",\"model\":\"claude\","
      "\"content\":[{\"type\":\"text\",\"text\":\"Hi\"}],"
      "\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":5,"
      "\"cache_read_input_tokens\":7,\"cache_creation_input_tokens\":11,"
      "\"output_tokens\":3}}",
      REPORTED(.input = 23, .output = 3, .cache_read = 7, .cache_write = 11),
      NGX_LLMOPS_FINISH_STOP, 0, "claude" },

    { MESSAGES,
      "{\"type\":\"error\",\"error\":{\"type\":\"api_error\"}}",
      NO_USAGE, NGX_LLMOPS_FINISH_ERROR, 1, "" },
};


static void
check_meter(ngx_llmops_meter_t *m, const body_t *b)
{
    check_usage(&m->usage, &b->usage);
    assert_int_equal(m->finish, b->finish);
    assert_int_equal(m->error, b->error);
    assert_int_equal(m->started, !b->error);
    assert_int_equal(m->terminal, 1);
    assert_int_equal(m->model_len, strlen(b->model));
    assert_memory_equal(m->model, b->model, m->model_len);
}


/* as it is read that comes in pieces */

static void
check_body(const ngx_llmops_dialect_t *d, const body_t *b)
{
    u_char                    capture[2048];
    ngx_str_t                 tail;
    ngx_llmops_meter_t        m;
    ngx_llmops_json_scan_t    scan;
    ngx_llmops_json_member_t  found[NGX_LLMOPS_JSON_MAX_WANT];

    memset(&m, 0, sizeof(m));

    ngx_llmops_json_scan_init(&scan, d->body_want, found, d->nbody_want,
                              capture, sizeof(capture));
    tail = *unit_str(b->body);
    (void) ngx_llmops_json_scan(&scan, tail.data, tail.len);

    if (ngx_llmops_json_scan_done(&scan) != NGX_LLMOPS_JSON_OK) {
        assert_non_null(strstr(b->body, "007"));
        return;
    }

    d->body(&m, b->op, found);

    if (d->body_tail && m.finish == NGX_LLMOPS_FINISH_NONE) {
        d->body_tail(&m, &tail);
    }

    check_meter(&m, b);
}


/* on the heap with its exact size, so that ASAN sees what is beyond */

static ngx_int_t
whole(const ngx_llmops_dialect_t *d, ngx_llmops_op_e op, const char *text,
    ngx_llmops_meter_t *m)
{
    ngx_int_t  rc;
    ngx_str_t  body;

    memset(m, 0, sizeof(*m));

    body.len = strlen(text);
    body.data = malloc(body.len + !body.len);
    memcpy(body.data, text, body.len);

    rc = d->whole(m, op, &body);

    free(body.data);

    return rc;
}


static void
check_whole(const ngx_llmops_dialect_t *d, const body_t *b)
{
    ngx_llmops_meter_t  m;

    assert_int_equal(whole(d, b->op, b->body, &m), NGX_OK);
    check_meter(&m, b);
}


static void
test_bodies(void **state)
{
    size_t  i;

    for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        check_body(bodies[i].dialect, &bodies[i]);
        check_body(&ngx_llmops_mock, &bodies[i]);
        check_whole(bodies[i].dialect, &bodies[i]);
        check_whole(&ngx_llmops_mock, &bodies[i]);
    }
}


typedef struct {
    const ngx_llmops_dialect_t  *dialect;
    ngx_llmops_op_e              op;
    const char                  *body;
    size_t                       bytes;
} written_t;


/* what a model has written, where usage has to be estimated */

static const written_t  written[] = {

    { CHAT, "{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":"
      "\"Hi\\n\",\"refusal\":null}},{\"message\":{\"content\":[{\"type\":"
      "\"text\",\"text\":\"abc\"}],\"reasoning_content\":\"de\"}}]}", 8 },

    { CHAT, "{\"choices\":[{\"message\":{\"content\":null,\"tool_calls\":[{"
      "\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
      "\"arguments\":\"{\\\"a\\\":1}\"}}]}}]}", 7 },

    { RESPONSES, "{\"output\":[{\"type\":\"reasoning\",\"summary\":[{"
      "\"text\":\"ab\"}]},{\"type\":\"message\",\"content\":[{\"type\":"
      "\"output_text\",\"text\":\"cde\"}]},{\"type\":\"function_call\","
      "\"arguments\":\"{}\"}]}", 7 },

    { MESSAGES, "{\"content\":[{\"type\":\"thinking\",\"thinking\":\"abc\","
      "\"signature\":\"x\"},{\"type\":\"text\",\"text\":\"de\"},{\"type\":"
      "\"tool_use\",\"input\":{\"a\":1}}]}", 12 },
};


static void
test_written(void **state)
{
    size_t               i;
    ngx_llmops_meter_t   m;

    for (i = 0; i < sizeof(written) / sizeof(written[0]); i++) {
        assert_int_equal(whole(written[i].dialect, written[i].op,
                               written[i].body, &m), NGX_OK);
        assert_int_equal(m.output_bytes, written[i].bytes);
        assert_int_equal(m.content, 1);
    }
}


/* what is no JSON object says nothing */

static void
test_broken_bodies(void **state)
{
    size_t               i, k;
    ngx_llmops_meter_t   m, none;

    static const char *const  broken[] = {
        "", " ", "{", "[]", "\"usage\"", "1}", "x{}",
        "{\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}",
        "{\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}}",
        "{\"usage\":{\"input_tokens\":1,\"output_tokens\":1}} {}",
        "{\"usage\":{\"input_tokens\":1,\"output_tokens\":1}} x",
        "{\"usage\":{\"input_tokens\":1,\"output_tokens\"}}",
        "{\"usage\":{\"input_tokens\":1],\"output_tokens\":1}",
        "{\"usage\":{\"input_tokens\":1},\"content\":[{\"text\":\"a}]}",
        "{\"usage\":{\"input_tokens\":1},\"choices\":[{\"text\":\"a}]}",
        "{\"usage\":{\"input_tokens\":1},\"choices\":[{\"text\":\"a\"}}",
        "{\"model\":\"m\",\"x\":[[[}"
    };

    memset(&none, 0, sizeof(none));

    for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {

        for (k = 0; ngx_llmops_dialects[k]; k++) {
            assert_int_equal(whole(ngx_llmops_dialects[k],
                                   NGX_LLMOPS_OP_MESSAGES, broken[i], &m),
                             NGX_DECLINED);
            assert_memory_equal(&m, &none, sizeof(m));

            assert_int_equal(whole(ngx_llmops_dialects[k],
                                   NGX_LLMOPS_OP_CHAT, broken[i], &m),
                             NGX_DECLINED);
            assert_memory_equal(&m, &none, sizeof(m));
        }
    }
}


/* what is not reported, or was cut, is estimated */

static void
test_estimates(void **state)
{
    ngx_llmops_meter_t     m;
    ngx_llmops_envelope_t  env;

    memset(&env, 0, sizeof(env));
    memset(&m, 0, sizeof(m));

    env.op = NGX_LLMOPS_OP_CHAT;
    env.text_bytes = 9;

    assert_int_equal(ngx_llmops_estimate_input(&env), 3);
    assert_int_equal(ngx_llmops_estimate_output(0), 0);
    assert_int_equal(ngx_llmops_estimate_output(1), 1);
    assert_int_equal(ngx_llmops_estimate_output(8), 2);

    /* nothing came */

    ngx_llmops_meter_estimate(&m, &env);
    assert_int_equal(m.usage.source, NGX_LLMOPS_USAGE_NONE);

    /* a tool's name came, but no argument */

    m.started = 1;
    m.content = 1;
    ngx_llmops_meter_estimate(&m, &env);
    assert_int_equal(m.usage.source, NGX_LLMOPS_USAGE_ESTIMATED);
    assert_int_equal(m.usage.input, 3);
    assert_int_equal(m.usage.output, 1);

    /* what was reported at the end stays */

    memset(&m, 0, sizeof(m));
    m.started = 1;
    m.output_bytes = 4000;
    m.usage.source = NGX_LLMOPS_USAGE_REPORTED;
    m.usage.input = 40;
    m.usage.output = 7;
    m.terminal = 1;
    ngx_llmops_meter_estimate(&m, &env);
    assert_int_equal(m.usage.source, NGX_LLMOPS_USAGE_REPORTED);
    assert_int_equal(m.usage.output, 7);

    /* what was reported at the start of a stream that was cut grows */

    m.terminal = 0;
    ngx_llmops_meter_estimate(&m, &env);
    assert_int_equal(m.usage.source, NGX_LLMOPS_USAGE_ESTIMATED);
    assert_int_equal(m.usage.input, 40);
    assert_int_equal(m.usage.output, 1000);

    /* an image is not charged by its text */

    memset(&m, 0, sizeof(m));
    m.started = 1;
    env.op = NGX_LLMOPS_OP_IMAGES;
    ngx_llmops_meter_estimate(&m, &env);
    assert_int_equal(m.usage.source, NGX_LLMOPS_USAGE_NONE);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_mock_streams),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_written),
        cmocka_unit_test(test_broken_bodies),
        cmocka_unit_test(test_estimates)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
