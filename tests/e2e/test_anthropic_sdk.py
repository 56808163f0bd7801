"""The official Anthropic client, before providers of either dialect."""

from __future__ import annotations

import json

import anthropic
import pytest

from harness import (Reply, Tool, answers, anthropic_wire, openai_wire, route,
                     sse)

BOTH = pytest.mark.parametrize("dialect", ["anthropic", "openai"])
HI = [{"role": "user", "content": "hi"}]
WEATHER = {"name": "get_weather", "description": "Weather of a city",
           "input_schema": {"type": "object", "properties": {
               "city": {"type": "string"}}, "required": ["city"]}}
TWO_TOOLS = Reply(text="I'll look.", tools=[
    Tool("get_weather", {"city": "Paris"}, "call_a"),
    Tool("get_weather", {"city": "Köln"}, "call_b")])
COUNTED = Reply(input=100, output=30, cached=60)
ASK = {"model": "smart", "max_tokens": 64, "messages": HI}


@BOTH
def test_messages(serve, dialect):
    gw, up = serve(COUNTED, dialect=dialect, model="big")
    answer = gw.anthropic().messages.create(
        **ASK, system="Be brief.", stop_sequences=["END"])

    assert [b.type for b in answer.content] == ["text"]
    assert answer.content[0].text == Reply().text
    assert answer.stop_reason == "end_turn" and answer.role == "assistant"
    assert answer.model == ("big" if dialect == "anthropic" else "smart")
    assert answer.usage.input_tokens == 40
    assert answer.usage.cache_read_input_tokens == 60
    assert answer.usage.output_tokens == 30

    asked = up.last.json
    assert asked["model"] == "big"
    if dialect == "anthropic":
        assert up.last.target == "/v1/messages"
        assert asked["system"] == "Be brief."
        assert up.last.header("x-api-key") == up.key
        assert up.last.header("anthropic-version")
    else:
        assert up.last.target == "/v1/chat/completions"
        assert asked["messages"] == [
            {"role": "system", "content": "Be brief."}, *HI]
        assert asked.get("max_tokens",
                         asked.get("max_completion_tokens")) == 64
        assert asked["stop"] == ["END"]
        assert up.last.header("authorization") == f"Bearer {up.key}"
        assert not up.last.header("anthropic-version")
    assert "caller" not in up.last.raw_head.decode()
    line = gw.ledger()[0]
    assert (line["llm_input_tokens"], line["llm_output_tokens"],
            line["llm_cached_tokens"]) == ("100", "30", "60")


@BOTH
def test_streamed_messages(serve, dialect):
    gw, up = serve(COUNTED, dialect=dialect, model="big")
    with gw.anthropic().messages.stream(**ASK) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == Reply().text == final.content[0].text
    assert final.stop_reason == "end_turn"
    assert final.usage.output_tokens == 30
    assert final.usage.input_tokens == 40
    assert final.usage.cache_read_input_tokens == 60
    line = gw.ledger()[0]
    assert line["llm_usage"] == "reported"
    assert (line["llm_input_tokens"], line["llm_output_tokens"],
            line["llm_cached_tokens"]) == ("100", "30", "60")
    if dialect == "openai":
        assert up.last.json["stream_options"] == {"include_usage": True}


@BOTH
def test_the_order_of_events(serve, dialect):
    gw, up = serve(TWO_TOOLS.but(thinking="Hm."), dialect=dialect)
    answer = gw.messages(stream=True)
    events = [e.json for e in answer.events]
    assert all(e.event == e.json["type"] for e in answer.events)
    assert b"[DONE]" not in answer.body

    assert events[0]["type"] == "message_start"
    assert events[0]["message"]["content"] == []
    assert {"input_tokens", "output_tokens"} <= set(
        events[0]["message"]["usage"])
    assert [e["type"] for e in events[-2:]] == ["message_delta",
                                                "message_stop"]
    assert "output_tokens" in events[-2]["usage"]

    inner = [e for e in events[1:-2] if e["type"] != "ping"]
    open_block, seen = None, []
    for event in inner:
        if event["type"] == "content_block_start":
            assert open_block is None
            open_block = event["index"]
            seen.append(event["content_block"]["type"])
        else:
            assert event["index"] == open_block
        if event["type"] == "content_block_stop":
            open_block = None
    assert open_block is None
    assert seen == ["thinking", "text", "tool_use", "tool_use"]
    starts = [e["index"] for e in inner if e["type"] == "content_block_start"]
    assert starts == [0, 1, 2, 3]


def test_the_providers_events_pass_one_by_one(serve):
    gw, up = serve(TWO_TOOLS.but(thinking="Hm."), dialect="anthropic")
    answer = gw.messages(stream=True)
    sent = anthropic_wire.message_stream(TWO_TOOLS.but(thinking="Hm."),
                                         up.last.json)
    assert answer.body == b"".join(sent)
    assert sum(e.event == "ping" for e in answer.events) == 1


@BOTH
def test_tools(serve, dialect):
    gw, up = serve(TWO_TOOLS, dialect=dialect)
    answer = gw.anthropic().messages.create(
        **ASK, tools=[WEATHER],
        tool_choice={"type": "any", "disable_parallel_tool_use": True})
    assert answer.stop_reason == "tool_use"
    assert [b.type for b in answer.content] == ["text", "tool_use",
                                                "tool_use"]
    assert [(b.id, b.name, b.input) for b in answer.content[1:]] == [
        ("call_a", "get_weather", {"city": "Paris"}),
        ("call_b", "get_weather", {"city": "Köln"})]
    if dialect == "openai":
        asked = up.last.json
        assert asked["tools"] == [{"type": "function", "function": {
            "name": "get_weather", "description": "Weather of a city",
            "parameters": WEATHER["input_schema"]}}]
        assert asked["tool_choice"] == "required"
        assert asked["parallel_tool_calls"] is False


@BOTH
def test_parallel_tools_streamed(serve, dialect):
    gw, up = serve(TWO_TOOLS, dialect=dialect)
    with gw.anthropic().messages.stream(**ASK, tools=[WEATHER]) as stream:
        final = stream.get_final_message()
    assert final.stop_reason == "tool_use"
    assert final.content[0].text == "I'll look."
    assert [(b.id, b.name, b.input) for b in final.content[1:]] == [
        ("call_a", "get_weather", {"city": "Paris"}),
        ("call_b", "get_weather", {"city": "Köln"})]


def test_interleaved_tools_are_put_in_order(serve):
    """Blocks of the Messages API never overlap, OpenAI's deltas may."""
    def chunk(delta, finish=None):
        return sse.encode({
            "id": "chatcmpl-1", "object": "chat.completion.chunk",
            "created": 1, "model": "m", "choices": [
                {"index": 0, "delta": delta, "finish_reason": finish}]})

    def call(index, text, **start):
        return chunk({"tool_calls": [
            {"index": index, **start, "function": {
                **({"name": "f"} if start else {}), "arguments": text}}]})
    stream = [chunk({"role": "assistant", "content": None}),
              call(0, "", id="a", type="function"),
              call(1, "", id="b", type="function"),
              call(0, '{"x"'), call(1, '{"y"'), call(0, ":1}"),
              call(1, ":2}"), chunk({}, "tool_calls"), openai_wire.DONE]
    gw, up = serve(answers.events(stream))
    with gw.anthropic().messages.stream(**ASK) as stream:
        final = stream.get_final_message()
    assert [(b.id, b.input) for b in final.content] == [
        ("a", {"x": 1}), ("b", {"y": 2})]


@BOTH
def test_a_tool_without_arguments(serve, dialect):
    gw, up = serve(Reply(text=None, tools=[Tool("now", {}, "call_n")]),
                   dialect=dialect)
    client = gw.anthropic()
    assert client.messages.create(**ASK).content[0].input == {}
    with client.messages.stream(**ASK) as stream:
        assert stream.get_final_message().content[0].input == {}


@BOTH
def test_tool_results(serve, dialect):
    gw, up = serve(dialect=dialect)
    messages = [
        *HI,
        {"role": "assistant", "content": [
            {"type": "text", "text": "I'll look."},
            {"type": "tool_use", "id": "t1", "name": "get_weather",
             "input": {"city": "Paris"}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "t1",
             "content": [{"type": "text", "text": "18 "},
                         {"type": "text", "text": "degrees"}]},
            {"type": "text", "text": "Go on."}]}]
    gw.anthropic().messages.create(**{**ASK, "messages": messages},
                                   tools=[WEATHER])
    asked = up.last.json["messages"]
    if dialect == "anthropic":
        assert asked == messages
        return
    assert [m["role"] for m in asked] == ["user", "assistant", "tool", "user"]
    assert asked[1]["content"] == "I'll look."
    call = asked[1]["tool_calls"][0]
    assert (call["id"], call["type"], call["function"]["name"]) == (
        "t1", "function", "get_weather")
    assert json.loads(call["function"]["arguments"]) == {"city": "Paris"}
    assert asked[2]["tool_call_id"] == "t1"
    assert "degrees" in json.dumps(asked[2]["content"])
    assert "Go on." in json.dumps(asked[3]["content"])


@BOTH
def test_images(serve, dialect):
    gw, up = serve(dialect=dialect)
    messages = [{"role": "user", "content": [
        {"type": "text", "text": "What is this?"},
        {"type": "image", "source": {"type": "base64",
                                     "media_type": "image/png",
                                     "data": "iVBORw0KGgo="}}]}]
    gw.anthropic().messages.create(**{**ASK, "messages": messages})
    asked = up.last.json["messages"]
    if dialect == "anthropic":
        assert asked == messages
    else:
        text, image = asked[0]["content"]
        assert text == {"type": "text", "text": "What is this?"}
        assert image["image_url"]["url"] == \
            "data:image/png;base64,iVBORw0KGgo="


@BOTH
def test_structured_output(serve, dialect):
    gw, up = serve(Reply(text='{"a":1}'), dialect=dialect)
    schema = {"type": "object", "properties": {"a": {"type": "integer"}},
              "required": ["a"], "additionalProperties": False}
    form = {"format": {"type": "json_schema", "schema": schema}}
    answer = gw.messages(output_config=form)
    assert answer.json["content"][0]["text"] == '{"a":1}'
    if dialect == "anthropic":
        assert up.last.json["output_config"] == form
    else:
        asked = up.last.json["response_format"]
        assert asked["type"] == "json_schema"
        assert asked["json_schema"]["schema"] == schema


@BOTH
@pytest.mark.parametrize("finish,reason", [
    ("length", "max_tokens"), ("content_filter", "refusal")])
def test_why_it_ended(serve, dialect, finish, reason):
    gw, up = serve(Reply(finish=finish), dialect=dialect)
    client = gw.anthropic()
    assert client.messages.create(**ASK).stop_reason == reason
    with client.messages.stream(**ASK) as stream:
        assert stream.get_final_message().stop_reason == reason
    assert [x["llm_finish_reason"] for x in gw.ledger(2)] == [finish] * 2


@BOTH
def test_thinking(serve, dialect):
    gw, up = serve(Reply(thinking="Let me see."), dialect=dialect)
    client = gw.anthropic()
    whole = client.messages.create(**ASK)
    assert [b.type for b in whole.content] == ["thinking", "text"]
    assert whole.content[0].thinking == "Let me see."
    with client.messages.stream(**ASK) as stream:
        final = stream.get_final_message()
    assert final.content[0].thinking == "Let me see."
    assert final.content[1].text == Reply().text
    assert isinstance(final.content[0].signature, str)


def test_count_tokens(serve):
    gw, up = serve(COUNTED, dialect="anthropic", model="big")
    counted = gw.anthropic().messages.count_tokens(model="smart", messages=HI)
    assert counted.input_tokens == 100
    assert up.last.target == "/v1/messages/count_tokens"
    assert up.last.json["model"] == "big"
    line = gw.ledger()[0]
    assert line["llm_output_tokens"] in ("", "0")


def test_count_tokens_where_nobody_can(serve):
    gw, up = serve()
    with pytest.raises(anthropic.NotFoundError) as caught:
        gw.anthropic().messages.count_tokens(model="m", messages=HI)
    assert caught.value.body["error"]["type"] == "not_found_error"
    assert not up.requests


def test_models(gateway, provider):
    up = provider(dialect="anthropic")
    gw = gateway(http=up.upstream("up") + """
        llm_route a { match claude-x smart; target up; }""")
    client = gw.anthropic()
    found = {model.id: model for model in client.models.list()}
    assert {"claude-x", "smart"} <= set(found)
    assert all(m.type == "model" and m.display_name and m.created_at
               for m in found.values())
    assert client.models.retrieve("smart").id == "smart"
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("nothing")
    assert not up.requests


def test_headers_of_the_dialect_pass(serve):
    gw, up = serve(dialect="anthropic")
    raw = gw.anthropic().messages.with_raw_response.create(
        **ASK, extra_headers={"anthropic-beta": "a-1,b-2",
                              "x-app": "cli"})
    assert up.last.header("anthropic-beta") == "a-1,b-2"
    assert up.last.header("x-app") == "cli"
    assert raw.headers["request-id"]


def test_the_query_passes(serve):
    gw, up = serve(dialect="anthropic")
    answer = gw.post("/v1/messages?beta=true", ASK,
                     [("anthropic-version", "2026-10-21")])
    assert answer.status == 200
    assert up.last.target == "/v1/messages?beta=true"
    assert up.last.all("anthropic-version") == ["2026-10-21"]


# -- errors -------------------------------------------------------------------

@BOTH
@pytest.mark.parametrize("status,error,kind", [
    (400, anthropic.BadRequestError, "invalid_request_error"),
    (404, anthropic.NotFoundError, "not_found_error"),
    (429, anthropic.RateLimitError, "rate_limit_error"),
    (500, anthropic.InternalServerError, "api_error")])
def test_a_providers_error(serve, dialect, status, error, kind):
    if dialect == "anthropic":
        script = answers.anthropic_error(status, "no such luck", kind)
    else:
        script = answers.openai_error(status, "no such luck")
    gw, up = serve(script, dialect=dialect)
    for stream in (False, True):
        with pytest.raises(error) as caught:
            gw.anthropic().messages.create(**ASK, stream=stream)
        assert caught.value.body["type"] == "error"
        assert caught.value.body["error"]["type"] == kind
        assert caught.value.body["error"]["message"] == "no such luck"
    assert len(up.requests) == 2


@BOTH
def test_overloaded(serve, dialect):
    gw, up = serve(answers.error(dialect, 529 if dialect == "anthropic"
                                 else 503), dialect=dialect)
    with pytest.raises(anthropic.APIStatusError) as caught:
        gw.anthropic().messages.create(**ASK)
    assert caught.value.status_code in (503, 529)


@BOTH
def test_the_gateways_own_key_is_refused(serve, dialect):
    gw, up = serve(answers.error(dialect, 401), dialect=dialect)
    with pytest.raises(anthropic.APIStatusError) as caught:
        gw.anthropic().messages.create(**ASK)
    assert caught.value.status_code == 502
    assert caught.value.body["error"]["type"] == "api_error"


@BOTH
def test_an_unknown_model(gateway, provider, dialect):
    up = provider(dialect=dialect)
    gw = gateway(http=up.upstream("up")
                 + "llm_route r { match known; target up; }")
    with pytest.raises(anthropic.NotFoundError) as caught:
        gw.anthropic().messages.create(**ASK)
    assert caught.value.body["error"]["type"] == "not_found_error"
    assert "smart" in caught.value.body["error"]["message"]
    assert not up.requests


@BOTH
def test_times(gateway, provider, dialect):
    up = provider(answers.stall, dialect=dialect)
    gw = gateway(http=up.upstream("patient") + up.upstream(
        "up", "llm_timeouts first_token=400ms total=1s;")
        + route("target patient;", name="p", match="patient")
        + route("target up;"))
    with pytest.raises(anthropic.APITimeoutError):
        gw.anthropic(timeout=0.2).messages.create(**{**ASK,
                                                     "model": "patient"})
    with pytest.raises(anthropic.APIStatusError) as caught:
        gw.anthropic().messages.create(**ASK)
    assert caught.value.status_code == 504
    assert caught.value.body["error"]["type"] == "timeout_error"


@BOTH
def test_a_stream_that_breaks(serve, dialect):
    make = {"openai": openai_wire.chat_stream,
            "anthropic": anthropic_wire.message_stream}[dialect]
    stream = make(Reply(), {"model": "m"})
    gw, up = serve(answers.events(stream[:4], finish=answers.close),
                   dialect=dialect)
    with pytest.raises(anthropic.APIStatusError):
        list(gw.anthropic().messages.create(**ASK, stream=True))
    answer = gw.messages(stream=True)
    assert answer.events[-1].event == "error"
    assert answer.events[-1].json["type"] == "error"
    assert answer.events[-1].json["error"]["type"]
    assert b"message_stop" not in answer.body


@BOTH
def test_the_client_does_not_multiply_the_load(serve, dialect):
    gw, up = serve(answers.error(dialect, 500), dialect=dialect)
    with pytest.raises(anthropic.InternalServerError) as caught:
        gw.anthropic(max_retries=3).messages.create(**ASK)
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert len(up.requests) == 1
