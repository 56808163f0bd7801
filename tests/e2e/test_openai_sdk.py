"""The official OpenAI client, before providers of either dialect."""

from __future__ import annotations

import io
import json

import openai
import pydantic
import pytest

from harness import Reply, Tool, answers, anthropic_wire, openai_wire

BOTH = pytest.mark.parametrize("dialect", ["openai", "anthropic"])
HI = [{"role": "user", "content": "hi"}]
WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "Weather of a city",
    "parameters": {"type": "object", "properties": {
        "city": {"type": "string"}}, "required": ["city"]}}}
TWO_TOOLS = Reply(text=None, tools=[
    Tool("get_weather", {"city": "Paris"}, "call_a"),
    Tool("get_weather", {"city": "Köln"}, "call_b")])
COUNTED = Reply(input=100, output=30, cached=60, reasoning=0)


def text_of(chunks) -> str:
    return "".join(c.choices[0].delta.content or ""
                   for c in chunks if c.choices)


def tools_of(chunks) -> dict[int, dict[str, str]]:
    """Calls put together from the deltas of a stream."""
    calls: dict[int, dict[str, str]] = {}
    for chunk in chunks:
        for choice in chunk.choices:
            for delta in choice.delta.tool_calls or []:
                call = calls.setdefault(delta.index, {
                    "id": "", "name": "", "arguments": ""})
                call["id"] += delta.id or ""
                call["name"] += delta.function.name or ""
                call["arguments"] += delta.function.arguments or ""
    return calls


# -- chat ---------------------------------------------------------------------

@BOTH
def test_chat(serve, dialect):
    gw, up = serve(COUNTED, dialect=dialect, model="big")
    answer = gw.openai().chat.completions.create(
        model="smart", max_tokens=50, stop=["END"],
        messages=[{"role": "system", "content": "Be brief."}, *HI])

    assert answer.choices[0].message.content == Reply().text
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens == 100
    assert answer.usage.completion_tokens == 30
    assert answer.usage.total_tokens == 130
    assert answer.usage.prompt_tokens_details.cached_tokens == 60
    assert answer.model == ("big" if dialect == "openai" else "smart")
    assert answer.object == "chat.completion"

    asked = up.last.json
    assert asked["model"] == "big" and asked["max_tokens"] == 50
    assert not asked.get("stream")
    if dialect == "openai":
        assert up.last.target == "/v1/chat/completions"
        assert asked["messages"][0] == {"role": "system",
                                        "content": "Be brief."}
        assert up.last.header("authorization") == f"Bearer {up.key}"
    else:
        assert up.last.target == "/v1/messages"
        assert "Be brief." in json.dumps(asked["system"])
        assert [m["role"] for m in asked["messages"]] == ["user"]
        assert asked["stop_sequences"] == ["END"]
        assert up.last.header("x-api-key") == up.key
        assert up.last.header("anthropic-version")
    assert "caller" not in up.last.raw_head.decode()


@BOTH
def test_chat_without_a_limit_of_tokens(serve, dialect):
    gw, up = serve(dialect=dialect)
    gw.openai().chat.completions.create(model="m", messages=HI)
    if dialect == "anthropic":
        assert up.last.json["max_tokens"] > 0
    else:
        assert "max_tokens" not in up.last.json


@BOTH
@pytest.mark.parametrize("options", [
    None, {"include_usage": False}, {"include_obfuscation": False},
    {"include_usage": True},
    {"include_usage": True, "include_obfuscation": False}],
    ids=["none", "false", "other", "true", "both"])
def test_streamed_chat(serve, dialect, options):
    gw, up = serve(COUNTED, dialect=dialect, model="big")
    more = {} if options is None else {"stream_options": options}
    chunks = list(gw.openai().chat.completions.create(
        model="smart", messages=HI, stream=True, **more))

    assert text_of(chunks) == Reply().text
    assert chunks[0].choices[0].delta.role == "assistant"
    finishes = [c.choices[0].finish_reason for c in chunks if c.choices]
    assert finishes[-1] == "stop" and not any(finishes[:-1])
    if options and options.get("include_usage"):
        assert chunks[-1].choices == []
        assert chunks[-1].usage.prompt_tokens == 100
        assert chunks[-1].usage.completion_tokens == 30
        assert chunks[-1].usage.prompt_tokens_details.cached_tokens == 60
        assert not any(c.usage for c in chunks[:-1])
    else:
        assert all(c.choices for c in chunks)
        assert all("usage" not in c.model_fields_set for c in chunks)

    line = gw.ledger()[0]
    assert line["llm_usage"] == "reported" and line["llm_stream"] == "1"
    assert (line["llm_input_tokens"], line["llm_output_tokens"],
            line["llm_cached_tokens"]) == ("100", "30", "60")

    asked = up.last.json
    assert asked["stream"] is True
    if dialect == "openai":
        assert asked["stream_options"] == {**(options or {}),
                                           "include_usage": True}
    else:
        assert "stream_options" not in asked


@BOTH
def test_stream_helper(serve, dialect):
    gw, up = serve(COUNTED, dialect=dialect)
    with gw.openai().chat.completions.stream(model="m",
                                             messages=HI) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert "content.delta" in kinds
    assert final.choices[0].message.content == Reply().text


@BOTH
def test_why_it_ended(serve, dialect):
    gw, up = serve(Reply(finish="length"), dialect=dialect)
    client = gw.openai()
    whole = client.chat.completions.create(model="m", messages=HI)
    assert whole.choices[0].finish_reason == "length"
    chunks = list(client.chat.completions.create(model="m", messages=HI,
                                                 stream=True))
    assert chunks[-1].choices[0].finish_reason == "length"
    assert [x["llm_finish_reason"] for x in gw.ledger(2)] == ["length"] * 2


@BOTH
def test_several_choices(serve, dialect):
    gw, up = serve(dialect=dialect)
    client = gw.openai()
    if dialect == "anthropic":
        with pytest.raises(openai.BadRequestError) as error:
            client.chat.completions.create(model="m", messages=HI, n=2)
        assert error.value.param == "n" and not up.requests
    else:
        answer = client.chat.completions.create(model="m", messages=HI, n=2)
        assert len(answer.choices) == 2


@BOTH
def test_thinking_becomes_reasoning_content(serve, dialect):
    gw, up = serve(Reply(thinking="Let me see."), dialect=dialect)
    client = gw.openai()
    whole = client.chat.completions.create(model="m", messages=HI)
    assert whole.choices[0].message.reasoning_content == "Let me see."
    chunks = list(client.chat.completions.create(model="m", messages=HI,
                                                 stream=True))
    thought = "".join(getattr(c.choices[0].delta, "reasoning_content", None)
                      or "" for c in chunks if c.choices)
    assert thought == "Let me see." and text_of(chunks) == Reply().text


def test_what_is_dropped_is_told(serve):
    gw, up = serve(dialect="anthropic")
    raw = gw.openai().chat.completions.with_raw_response.create(
        model="m", messages=HI, seed=7, logit_bias={"1": 2})
    warnings = raw.headers["x-llm-warnings"]
    assert "seed" in warnings and "logit_bias" in warnings
    assert "seed" not in up.last.json
    assert gw.ledger()[0]["llm_warnings"] == warnings


def test_nothing_dropped_no_warning(serve):
    gw, up = serve(dialect="anthropic")
    raw = gw.openai().chat.completions.with_raw_response.create(
        model="m", messages=HI)
    assert "x-llm-warnings" not in raw.headers


# -- tools --------------------------------------------------------------------

@BOTH
def test_tools(serve, dialect):
    gw, up = serve(TWO_TOOLS, dialect=dialect)
    answer = gw.openai().chat.completions.create(
        model="m", messages=HI, tools=[WEATHER], tool_choice="required",
        parallel_tool_calls=False)
    calls = answer.choices[0].message.tool_calls
    assert answer.choices[0].finish_reason == "tool_calls"
    assert answer.choices[0].message.content is None
    assert [(c.id, c.type, c.function.name) for c in calls] == [
        ("call_a", "function", "get_weather"),
        ("call_b", "function", "get_weather")]
    assert [json.loads(c.function.arguments) for c in calls] == [
        {"city": "Paris"}, {"city": "Köln"}]

    asked = up.last.json
    if dialect == "anthropic":
        assert asked["tools"] == [{
            "name": "get_weather", "description": "Weather of a city",
            "input_schema": WEATHER["function"]["parameters"]}]
        assert asked["tool_choice"] == {"type": "any",
                                        "disable_parallel_tool_use": True}
    else:
        assert asked["tools"] == [WEATHER]


@BOTH
def test_parallel_tools_streamed(serve, dialect):
    gw, up = serve(TWO_TOOLS.but(text="I'll look."), dialect=dialect)
    chunks = list(gw.openai().chat.completions.create(
        model="m", messages=HI, tools=[WEATHER], stream=True))
    assert text_of(chunks) == "I'll look."
    assert tools_of(chunks) == {
        0: {"id": "call_a", "name": "get_weather",
            "arguments": '{"city":"Paris"}'},
        1: {"id": "call_b", "name": "get_weather",
            "arguments": json.dumps({"city": "Köln"}, separators=(",", ":"))}}
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


@BOTH
def test_a_tool_without_arguments(serve, dialect):
    gw, up = serve(Reply(text=None, tools=[Tool("now", {}, "call_n")]),
                   dialect=dialect)
    client = gw.openai()
    tool = {"type": "function", "function": {"name": "now"}}
    whole = client.chat.completions.create(model="m", messages=HI,
                                           tools=[tool])
    call = whole.choices[0].message.tool_calls[0]
    assert json.loads(call.function.arguments) == {}
    chunks = list(client.chat.completions.create(
        model="m", messages=HI, tools=[tool], stream=True))
    assert tools_of(chunks)[0]["arguments"] == "{}"
    if dialect == "anthropic":
        assert up.last.json["tools"][0]["input_schema"]["type"] == "object"


@BOTH
def test_tool_results(serve, dialect):
    gw, up = serve(dialect=dialect)
    messages = [
        *HI,
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "call_1", "type": "function", "function": {
                "name": "get_weather", "arguments": '{"city":"Paris"}'}},
            {"id": "call_2", "type": "function", "function": {
                "name": "get_weather", "arguments": '{"city":"Rome"}'}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": '{"temp":18}'},
        {"role": "tool", "tool_call_id": "call_2", "content": "24 degrees"},
        {"role": "user", "content": "Go on."}]
    gw.openai().chat.completions.create(model="m", messages=messages,
                                        tools=[WEATHER])
    asked = up.last.json["messages"]
    if dialect == "openai":
        assert asked == messages
        return
    assert [m["role"] for m in asked] == ["user", "assistant", "user"]
    assert [b["type"] for b in asked[1]["content"]] == ["tool_use"] * 2
    assert asked[1]["content"][0] == {
        "type": "tool_use", "id": "call_1", "name": "get_weather",
        "input": {"city": "Paris"}}
    results = asked[2]["content"]
    assert [b["type"] for b in results] == ["tool_result", "tool_result",
                                            "text"]
    assert results[0]["tool_use_id"] == "call_1"
    assert "24 degrees" in json.dumps(results[1]["content"])
    assert results[2]["text"] == "Go on."


@BOTH
def test_images(serve, dialect):
    gw, up = serve(dialect=dialect)
    messages = [{"role": "user", "content": [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {
            "url": "data:image/png;base64,iVBORw0KGgo="}},
        {"type": "image_url", "image_url": {
            "url": "https://example.com/cat.jpg"}}]}]
    gw.openai().chat.completions.create(model="m", messages=messages)
    asked = up.last.json["messages"]
    if dialect == "openai":
        assert asked == messages
    else:
        _, data, url = asked[0]["content"]
        assert data == {"type": "image", "source": {
            "type": "base64", "media_type": "image/png",
            "data": "iVBORw0KGgo="}}
        assert url == {"type": "image", "source": {
            "type": "url", "url": "https://example.com/cat.jpg"}}


class City(pydantic.BaseModel):
    name: str
    people: int


@BOTH
def test_structured_output(serve, dialect):
    gw, up = serve(Reply(text='{"name":"Paris","people":2100000}'),
                   dialect=dialect)
    answer = gw.openai().chat.completions.parse(
        model="m", messages=HI, response_format=City)
    assert answer.choices[0].message.parsed == City(name="Paris",
                                                    people=2100000)
    asked = up.last.json
    if dialect == "openai":
        schema = asked["response_format"]["json_schema"]["schema"]
    else:
        schema = asked["output_config"]["format"]["schema"]
        assert asked["output_config"]["format"]["type"] == "json_schema"
    assert set(schema["properties"]) == {"name", "people"}


# -- errors -------------------------------------------------------------------

@BOTH
@pytest.mark.parametrize("status,error", [
    (400, openai.BadRequestError), (403, openai.PermissionDeniedError),
    (404, openai.NotFoundError),
    (409, openai.ConflictError), (422, openai.UnprocessableEntityError),
    (429, openai.RateLimitError), (500, openai.InternalServerError),
    (503, openai.InternalServerError), (529, openai.InternalServerError)])
def test_a_providers_error(serve, dialect, status, error):
    gw, up = serve(answers.error(dialect, status, "no such luck"),
                   dialect=dialect)
    for stream in (False, True):
        with pytest.raises(error) as caught:
            gw.openai().chat.completions.create(model="m", messages=HI,
                                                stream=stream)
        assert "no such luck" in caught.value.message
        if status != 529:
            assert caught.value.status_code == status
        assert caught.value.body["message"] == "no such luck"
        assert caught.value.type
    assert len(up.requests) == 2


@BOTH
def test_the_gateways_own_key_is_refused(serve, dialect):
    gw, up = serve(answers.error(dialect, 401, "bad key"), dialect=dialect)
    with pytest.raises(openai.APIStatusError) as caught:
        gw.openai().chat.completions.create(model="m", messages=HI)
    assert caught.value.status_code == 502
    assert caught.value.code == "upstream_auth"


@BOTH
def test_an_unknown_model(gateway, provider, dialect):
    up = provider(dialect=dialect)
    gw = gateway(http=up.upstream("up")
                 + "llm_route r { match known; target up; }")
    with pytest.raises(openai.NotFoundError) as caught:
        gw.openai().chat.completions.create(model="unknown", messages=HI)
    assert caught.value.code == "model_not_found"
    assert caught.value.type == "invalid_request_error"
    assert "unknown" in caught.value.message
    assert not up.requests


@BOTH
def test_the_callers_time_is_up(serve, dialect):
    gw, up = serve(answers.stall, dialect=dialect)
    for _ in range(10):         # a slow machine may use it up before
        with pytest.raises(openai.APITimeoutError):
            gw.openai(timeout=0.5).chat.completions.create(model="m",
                                                           messages=HI)
        if up.requests:
            break
    up.wait_closed_early()


@BOTH
def test_the_providers_time_is_up(serve, dialect):
    gw, up = serve(answers.stall, dialect=dialect,
                   upstream=["llm_timeouts first_token=300ms total=1s;"])
    for stream in (False, True):
        with pytest.raises(openai.InternalServerError) as caught:
            gw.openai().chat.completions.create(model="m", messages=HI,
                                                stream=stream)
        assert caught.value.status_code == 504
    up.wait_closed_early()


def test_nginx_refuses_by_itself(serve):
    gw, up = serve(location="auth_request /who; llm_pass;",
                   server="location = /who { return 401; }")
    with pytest.raises(openai.AuthenticationError):
        gw.openai().chat.completions.create(model="m", messages=HI)
    assert not up.requests


@BOTH
def test_the_client_does_not_multiply_the_load(serve, dialect):
    """x-should-retry: false on what the gateway has already tried."""
    gw, up = serve(answers.error(dialect, 500), dialect=dialect,
                   lines=["retry attempts=1;"])
    client = gw.openai(max_retries=3)
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="m", messages=HI)
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert len(up.requests) == 1


@BOTH
def test_a_stream_that_breaks(serve, dialect):
    make = {"openai": openai_wire.chat_stream,
            "anthropic": anthropic_wire.message_stream}[dialect]
    stream = make(Reply(), {"model": "m"})
    gw, up = serve(answers.events(stream[:4], finish=answers.close),
                   dialect=dialect)
    with pytest.raises(openai.APIError):
        list(gw.openai().chat.completions.create(model="m", messages=HI,
                                                 stream=True))


# -- the other endpoints ------------------------------------------------------

def test_embeddings(serve):
    gw, up = serve(model="embed-1")
    client = gw.openai()
    texts = ["one", "two"]
    packed = client.embeddings.create(model="e", input=texts)
    assert up.last.json["encoding_format"] == "base64"
    assert [d.embedding for d in packed.data] == [
        pytest.approx(openai_wire.vector(t)) for t in texts]
    plain = client.embeddings.create(model="e", input="one",
                                     encoding_format="float", dimensions=4)
    assert plain.data[0].embedding == openai_wire.vector("one", 4)
    assert up.last.json["model"] == "embed-1"
    assert plain.usage.prompt_tokens == 16
    line = gw.ledger(2)[1]
    assert line["llm_operation"] == "embeddings"
    assert line["llm_input_tokens"] == "16"


def test_embeddings_where_there_are_none(serve):
    gw, up = serve(dialect="anthropic")
    with pytest.raises(openai.APIStatusError) as caught:
        gw.openai().embeddings.create(model="e", input="x")
    assert 400 <= caught.value.status_code < 500
    assert caught.value.body["message"] and not up.requests


def test_models(gateway, provider):
    up = provider()
    gw = gateway(http=up.upstream("up") + """
        llm_route a { match gpt-x smart fast-*; target up; }
        llm_route b { match other; target up; }""")
    client = gw.openai()
    found = {model.id: model for model in client.models.list()}
    assert {"gpt-x", "smart", "other"} <= set(found)
    assert all(m.object == "model" and m.created and m.owned_by
               for m in found.values())
    assert client.models.retrieve("smart").id == "smart"
    assert client.models.retrieve("fast-1").id == "fast-1"
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("nothing")
    assert caught.value.code == "model_not_found"
    assert not up.requests


def test_completions(serve):
    gw, up = serve(COUNTED, model="old")
    client = gw.openai()
    whole = client.completions.create(model="m", prompt="Once")
    assert whole.choices[0].text == Reply().text
    assert whole.usage.total_tokens == 130
    chunks = list(client.completions.create(model="m", prompt="Once",
                                            stream=True))
    assert "".join(c.choices[0].text for c in chunks) == Reply().text
    assert all("usage" not in c.model_fields_set for c in chunks)
    assert up.last.json == {"model": "old", "prompt": "Once", "stream": True,
                            "stream_options": {"include_usage": True}}
    assert [x["llm_output_tokens"] for x in gw.ledger(2)] == ["30", "30"]


def test_moderations(serve):
    gw, up = serve()
    answer = gw.openai().moderations.create(model="omni", input="hello")
    assert answer.results[0].flagged is False
    assert up.last.target == "/v1/moderations"


def test_responses(serve):
    gw, up = serve(COUNTED, model="big")
    client = gw.openai()
    whole = client.responses.create(model="smart", input="hi")
    assert whole.output_text == Reply().text
    assert whole.usage.input_tokens == 100
    assert up.last.json == {"model": "big", "input": "hi"}

    events = list(client.responses.create(model="smart", input="hi",
                                          stream=True))
    assert events[0].type == "response.created"
    assert events[-1].type == "response.completed"
    assert "".join(e.delta for e in events
                   if e.type == "response.output_text.delta") == Reply().text
    assert [e.sequence_number for e in events] == list(range(len(events)))
    assert up.last.json == {"model": "big", "input": "hi", "stream": True}
    for line in gw.ledger(2):
        assert (line["llm_input_tokens"], line["llm_output_tokens"],
                line["llm_cached_tokens"]) == ("100", "30", "60")
        assert line["llm_usage"] == "reported"


def test_transcription(serve):
    gw, up = serve(Reply(text="spoken words"), model="whisper-x")
    sound = io.BytesIO(bytes(range(256)) * 200)
    sound.name = "talk.wav"
    answer = gw.openai().audio.transcriptions.create(model="asr", file=sound)
    assert answer.text == "spoken words"
    body = up.last.body
    assert up.last.target == "/v1/audio/transcriptions"
    assert b"whisper-x" in body and b"asr" not in body
    assert sound.getvalue() in body and b'filename="talk.wav"' in body
    boundary = up.last.header("content-type").partition("boundary=")[2]
    assert body.startswith(b"--" + boundary.strip('"').encode())
    assert body.rstrip().endswith(boundary.strip('"').encode() + b"--")
    assert gw.ledger()[0]["llm_model"] == "asr"


def test_speech(serve):
    gw, up = serve()
    answer = gw.openai().audio.speech.create(model="tts", voice="alloy",
                                             input="Hello")
    assert answer.content == b"ID3\0" + bytes(range(256))
    assert up.last.json["voice"] == "alloy"


def test_images_are_made(serve):
    gw, up = serve(model="paint")
    client = gw.openai()
    assert client.images.generate(model="i", prompt="cat"
                                  ).data[0].b64_json == "aGk="
    assert up.last.json == {"model": "paint", "prompt": "cat"}
    png = io.BytesIO(b"\x89PNG\r\n\x1a\n" + bytes(5000))
    png.name = "a.png"
    answer = client.images.edit(model="i", prompt="dog", image=png)
    assert answer.data[0].b64_json == "aGk="
    assert up.last.target == "/v1/images/edits"
    assert png.getvalue() in up.last.body and b"paint" in up.last.body
