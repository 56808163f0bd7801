"""Streams: framing, usage, cuts, back-pressure."""

from __future__ import annotations

import gzip
import json
import os
import threading
import time
from pathlib import Path

import pytest

from harness import (Reply, Tool, answers, anthropic_wire, openai_wire, sse,
                     wait_for)

ASK = {"model": "m", "max_tokens": 50,
       "messages": [{"role": "user", "content": "hi"}]}
WITH = {"stream_options": {"include_usage": True}}
DIALECTS = pytest.mark.parametrize("dialect", ["openai", "anthropic"])
CALLERS = pytest.mark.parametrize("caller", ["openai", "anthropic"])
FLOOD = int(os.environ.get("LLMOPS_FLOOD_MB", "20")) << 20


def ask(client, caller="openai", **more):
    path = {"openai": "/v1/chat/completions",
            "anthropic": "/v1/messages"}[caller]
    return client.request("POST", path,
                          json={**ASK, "stream": True, **more})


def wire(dialect, reply=Reply(), asked=None):
    asked = asked or {"model": "m", **WITH}
    make = {"openai": openai_wire.chat_stream,
            "anthropic": anthropic_wire.message_stream}[dialect]
    return make(reply, asked)


def said(events, caller="openai") -> str:
    text = ""
    for event in events:
        if event.data == "[DONE]":
            continue
        data = event.json
        if caller == "openai":
            for choice in data.get("choices", []):
                text += choice["delta"].get("content") or ""
        else:
            text += data.get("delta", {}).get("text") or ""
    return text


def is_error(event, caller) -> bool:
    if event.data == "[DONE]":
        return False
    if caller == "openai":
        error = event.json.get("error")
        return bool(error and error["message"] and error["type"])
    return (event.event == "error" and event.json["type"] == "error"
            and bool(event.json["error"]["type"]))


# -- cut at every byte --------------------------------------------------------

def cut_at_every_byte(gw, up, stream: bytes, caller: str, step: int = 1,
                      **more):
    """One answer for each place to cut, all on one connection."""
    client = gw.connect()
    expected = None
    for at in range(1, len(stream), step):
        def script(x, at=at):
            x.head(200, [answers.EVENTS], chunked=True)
            x.nodelay()
            x.chunk(stream[:at])
            x.chunk(stream[at:])
            x.last_chunk()
        up(script)
        answer = ask(client, caller, **more).read()
        assert answer.complete
        if expected is None:
            expected = answer.events
        else:
            assert answer.events == expected, f"cut at {at}"
    return expected


SMALL = Reply(text="Hé\U0001f600", piece=2)


def test_a_stream_cut_at_every_byte(serve):
    """With the usage taken out on the way."""
    gw, up = serve()
    stream = b"".join(wire("openai", SMALL))
    events = cut_at_every_byte(gw, up, stream, "openai")
    assert said(events) == SMALL.text
    assert events[-1].data == "[DONE]"
    assert all("usage" not in e.json for e in events[:-1])


@pytest.mark.parametrize("caller,dialect", [
    ("anthropic", "anthropic"), ("openai", "anthropic"),
    ("anthropic", "openai")])
def test_other_streams_cut_at_every_byte(serve, caller, dialect):
    gw, up = serve(dialect=dialect)
    reply = SMALL.but(tools=[Tool("f", {"a": "é"})])
    stream = b"".join(wire(dialect, reply))

    def stable(events):
        for event in events:
            if event.data.startswith("{"):
                data = event.json
                data.pop("created", None)
                event.data = json.dumps(data)
        return events
    client = gw.connect()
    expected = None
    for at in range(1, len(stream), 3):
        def script(x, at=at):
            x.head(200, [answers.EVENTS], chunked=True)
            x.nodelay()
            x.chunk(stream[:at])
            x.chunk(stream[at:])
            x.last_chunk()
        up(script)
        answer = ask(client, caller).read()
        assert answer.complete
        events = stable(answer.events)
        expected = expected or events
        assert events == expected, f"cut at {at}"
    assert said(expected, caller) == SMALL.text


@pytest.mark.parametrize("eol", ["\r\n", "\r", "\n"])
@pytest.mark.parametrize("split", [1, 5])
@CALLERS
def test_line_ends(serve, eol, split, caller):
    stream = b"".join(sse.encode(chunk, eol=eol) for chunk in
                      openai_wire.chat_chunks(SMALL, {"model": "m", **WITH}))
    stream += f"data: [DONE]{eol}{eol}".encode()
    gw, up = serve(answers.events(stream, split=split))
    answer = ask(gw.connect(), caller).read()
    assert answer.complete and said(answer.events, caller) == SMALL.text
    assert gw.ledger()[0]["llm_usage"] == "reported"


def test_comments_bom_and_several_data_lines(serve):
    first, second = openai_wire.chat_chunks(
        Reply(text="ok", piece=9), {"model": "m"})[:2]
    halves = json.dumps(second).replace(', "choices"', ',\n"choices"')
    stream = (b"\xef\xbb\xbf: OPENROUTER PROCESSING\n\n"
              + sse.encode(first) + b": keep-alive\n\nretry: 5\nid: 7\n"
              + sse.encode(halves) + b"data:[DONE]\n\n")
    gw, up = serve(answers.events(stream, split=2))
    answer = ask(gw.connect()).read()
    assert answer.complete and said(answer.events) == "ok"
    for caller in ("anthropic",):
        answer = ask(gw.connect(), caller).read()
        assert said(answer.events, caller) == "ok"


@CALLERS
def test_a_line_of_a_megabyte(serve, caller):
    text = "0123456789abcdéf" * 58_800
    gw, up = serve(Reply(text=text, piece=len(text)))
    client = gw.connect()
    answer = ask(client, caller).read()
    assert answer.complete
    assert said(answer.events, caller) == text
    line = gw.ledger()[0]
    assert line["llm_usage"] == "reported" and line["llm_error"] == ""


@CALLERS
def test_no_blank_line_at_the_end(serve, caller):
    """Some servers leave it out; what has come is still a whole stream."""
    stream = b"".join(wire("openai", SMALL)).rstrip(b"\n")
    gw, up = serve(answers.events(stream))
    answer = ask(gw.connect(), caller).read()
    assert answer.complete
    assert b"error" not in answer.body
    assert gw.ledger()[0]["llm_usage"] == "reported"


@pytest.mark.parametrize("framing", ["chunked", "eof", "length"])
@CALLERS
def test_framings(serve, framing, caller):
    gw, up = serve(answers.events(wire("openai", SMALL), framing=framing))
    answer = ask(gw.connect(), caller).read()
    assert answer.complete and said(answer.events, caller) == SMALL.text
    assert answer.header("content-length") is None


@pytest.mark.parametrize("framing", ["chunked", "eof", "length"])
@pytest.mark.parametrize("path", ["/v1/threads/runs", "/v1/rerank",
                                  "/v1/images/generations"])
def test_framings_of_other_streams(serve, path, framing):
    """Nobody knows their last event: the end of the body is theirs."""
    stream = b"event: a\ndata: {\"x\":1}\n\nevent: b\ndata: {\"y\":2}\n\n"
    gw, up = serve(answers.events(stream, framing=framing))
    answer = gw.post(path, {"model": "m", "stream": True})
    assert answer.complete and answer.body == stream
    assert gw.ledger()[0]["llm_error"] == ""


def test_trailers_are_left_out(serve):
    def script(x):
        x.head(200, [answers.EVENTS, ("Trailer", "X-T")], chunked=True)
        for event in wire("openai", SMALL):
            x.chunk(event)
        x.last_chunk([("X-T", "1")])
    gw, up = serve(script)
    answer = ask(gw.connect()).read()
    assert answer.complete and said(answer.events) == SMALL.text


@CALLERS
def test_a_gzipped_stream(serve, caller):
    """Nobody asked for it; it is undone, or the caller gets it whole."""
    plain = b"".join(wire("openai", SMALL))
    gw, up = serve(answers.events(gzip.compress(plain), split=11, headers=[
        ("Content-Encoding", "gzip")]))
    answer = ask(gw.connect(), caller).read()
    assert up.last.header("accept-encoding") in (None, "identity")
    assert answer.end
    if answer.status == 200 and answer.header("content-encoding"):
        assert caller == "openai"
        assert gzip.decompress(answer.body) == plain
    elif answer.status == 200:
        assert said(answer.events, caller) == SMALL.text
    else:
        assert answer.status == 502 and answer.json["error"]


# -- usage --------------------------------------------------------------------

def test_usage_is_taken_out_again(serve):
    gw, up = serve(Reply(input=11, output=22))
    answer = ask(gw.connect(), stream_options={"include_usage": False}).read()
    expected = openai_wire.chat_stream(Reply(), {"model": "m"})
    assert answer.events == sse.parse(b"".join(expected))
    assert answer.body == b"".join(expected)
    line = gw.ledger()[0]
    assert (line["llm_input_tokens"], line["llm_output_tokens"]) == ("11",
                                                                     "22")


def test_usage_that_was_asked_for_stays(serve):
    gw, up = serve()
    answer = ask(gw.connect(), **WITH).read()
    assert answer.body == b"".join(wire("openai"))


def test_a_first_chunk_without_choices_stays(serve):
    """Azure's prompt_filter_results are not the usage chunk."""
    azure = sse.encode({"id": "", "object": "", "created": 0, "model": "",
                        "choices": [], "prompt_filter_results": [
                            {"prompt_index": 0}]})
    gw, up = serve(answers.events([azure, *wire("openai", SMALL)]))
    events = ask(gw.connect()).read().events
    assert events[0].json["prompt_filter_results"] == [{"prompt_index": 0}]
    assert events[-1].data == "[DONE]"
    assert sum(e.data != "[DONE]" and e.json["choices"] == []
               for e in events) == 1


def test_usage_in_the_finish_chunk(serve):
    chunks = openai_wire.chat_chunks(SMALL, {"model": "m"})
    chunks[-1]["usage"] = openai_wire.usage(Reply(input=3, output=4))
    stream = [sse.encode(c) for c in chunks] + [openai_wire.DONE]
    gw, up = serve(answers.events(stream))
    events = ask(gw.connect()).read().events
    assert events[-2].json["choices"][0]["finish_reason"] == "stop"
    assert "usage" not in events[-2].json
    line = gw.ledger()[0]
    assert (line["llm_input_tokens"], line["llm_output_tokens"],
            line["llm_usage"]) == ("3", "4", "reported")


def test_anthropic_usage_is_cumulative(serve):
    events = anthropic_wire.message_events(Reply(input=50, output=9),
                                           {"model": "m"})
    second = dict(events[-2], usage={"input_tokens": 61, "output_tokens": 12})
    events.insert(-1, second)
    stream = [sse.encode(e, e["type"]) for e in events]
    gw, up = serve(answers.events(stream), dialect="anthropic")
    assert ask(gw.connect(), "anthropic").read().body == b"".join(stream)
    line = gw.ledger()[0]
    assert (line["llm_input_tokens"], line["llm_output_tokens"]) == ("61",
                                                                     "12")


def so_far(client):
    """The events that have come as a whole."""
    body = client.response.body
    return sse.parse(body[:body.rfind(b"\n\n") + 2])


@DIALECTS
@CALLERS
@pytest.mark.parametrize("by", ["provider", "client"])
def test_usage_of_a_cut_stream_is_estimated(serve, dialect, caller, by):
    reply = Reply(text="some words that were said " * 8, piece=8)
    stream = wire(dialect, reply)[:-6]

    def script(x):
        answers.events(stream, finish=answers.stall if by == "client"
                       else answers.close)(x)
    gw, up = serve(script, dialect=dialect)
    client = gw.connect()
    ask(client, caller, messages=[{"role": "user", "content": "x" * 400}])
    if by == "client":
        # all that is sent has been taken in before the client goes
        whole = said(sse.parse(b"".join(stream)), dialect)
        while len(said(so_far(client), caller)) < len(whole):
            assert client.pump()
        client.reset()
        up.wait_closed_early()
    else:
        client.read()
    line = gw.ledger()[0]
    assert line["llm_usage"] == "estimated"
    assert 25 <= int(line["llm_output_tokens"]) <= 100
    if dialect == "anthropic":
        assert line["llm_input_tokens"] == "16"
    else:
        assert 50 <= int(line["llm_input_tokens"]) <= 300
    if by == "client":
        assert line["status"] in ("200", "499")


# -- as they come -------------------------------------------------------------

@DIALECTS
@CALLERS
def test_no_event_is_held_back(serve, dialect, caller):
    stream = wire(dialect, Reply(text="abcdef", piece=1))
    steps = [threading.Event() for _ in stream]

    def script(x):
        x.head(200, [answers.EVENTS], chunked=True)
        for event, step in zip(stream, steps):
            x.wait(step)
            x.chunk(event)
        x.last_chunk()
    gw, up = serve(script, dialect=dialect)
    client = gw.connect()
    ask(client, caller)
    for event, step in zip(stream, steps):
        step.set()
        for letter in (b'"a"', b'"b"', b'"c"', b'"d"', b'"e"', b'"f"'):
            if b":" + letter in event:
                client.read_until(b":" + letter)
    assert client.read().complete


def test_http2_streams_go_out_as_they_come(serve):
    go = threading.Event()

    def script(x):
        stream = wire("openai")
        x.head(200, [answers.EVENTS], chunked=True)
        x.chunk(stream[0])
        x.chunk(stream[1])
        x.wait(go)
        answers_rest = stream[2:]
        for event in answers_rest:
            x.chunk(event)
        x.last_chunk()
    gw, up = serve(script, h2c=True)
    client = gw.connect_h2()
    stream = ask(client)
    client.read_until(stream, b"Hell")
    go.set()
    answer = client.read(stream)
    assert answer.complete and said(answer.events) == Reply().text


# -- cut streams --------------------------------------------------------------

def garbled(x):
    x.send(b"zz\r\nnot a chunk\r\n")
    x.stall(5)


CUTS = {"fin": answers.close, "rst": answers.reset, "stall": answers.stall,
        "chunk": garbled,
        "clean": lambda x: x.last_chunk()}


def cut(stream, how):
    """One that stalls comes at once: nothing else takes longer than idle=."""
    return answers.events(b"".join(stream) if how == "stall" else stream,
                          finish=CUTS[how])


def idle(how):
    return "llm_timeouts first_token=10s " \
        f"idle={'300ms' if how == 'stall' else '10s'};"


@pytest.mark.parametrize("how", CUTS)
@pytest.mark.parametrize("after", [2, 5])
@DIALECTS
@CALLERS
def test_a_cut_stream_ends_with_an_error_event(serve, how, after, dialect,
                                               caller):
    stream = wire(dialect)[:after]
    gw, up = serve(cut(stream, how), dialect=dialect,
                   upstream=[idle(how)], h2c=True)
    client = gw.connect()
    answer = ask(client, caller).read()
    assert answer.status == 200 and answer.complete, answer
    assert is_error(answer.events[-1], caller), answer.events
    assert b"[DONE]" not in answer.body
    assert b"message_stop" not in answer.body
    if dialect == caller:
        plain = b"".join(wire(dialect, asked={"model": "m"})[:after])
        assert answer.body.startswith(plain)

    client = gw.connect_h2()
    answer = client.read(ask(client, caller))
    assert answer.status == 200 and answer.complete, answer
    assert is_error(answer.events[-1], caller)
    for line in gw.ledger(2):
        assert line["llm_usage"] == "estimated" and line["llm_error"]
        assert line["status"] == "200"


@pytest.mark.parametrize("how", CUTS)
@pytest.mark.parametrize("half", [False, True], ids=["", "half"])
@CALLERS
def test_a_cut_after_the_finish_reason(serve, how, half, caller):
    """All text has come, but neither usage nor the end."""
    *stream, counted, _done = wire("openai")
    if half:
        stream.append(counted[:40])
    gw, up = serve(cut(stream, how), upstream=[idle(how)])
    answer = ask(gw.connect(), caller).read()
    assert answer.complete and said(answer.events, caller) == Reply().text
    failed = is_error(answer.events[-1], caller)
    if caller == "anthropic":
        assert failed != (answer.events[-1].event == "message_stop")
    elif how != "clean":
        assert failed != (answer.events[-1].data == "[DONE]")


@CALLERS
def test_a_length_that_is_not_kept(serve, caller):
    def script(x):
        stream = wire("openai")[:3]
        x.head(200, [answers.EVENTS], length=100_000)
        for event in stream:
            x.send(event)
        x.close()
    gw, up = serve(script)
    answer = ask(gw.connect(), caller).read()
    assert answer.complete and is_error(answer.events[-1], caller)


@CALLERS
def test_a_cut_inside_an_event(serve, caller):
    whole = b"".join(wire("openai"))
    gw, up = serve(answers.events(whole[:len(whole) // 2 + 13],
                                  finish=answers.close))
    answer = ask(gw.connect(), caller).read()
    assert answer.complete and is_error(answer.events[-1], caller)
    for event in answer.events:
        assert event.json       # no event is half an event


@CALLERS
def test_the_providers_own_error_event(serve, caller):
    stream = wire("openai")[:3] + [sse.encode({"error": {
        "message": "the model fell over", "type": "server_error",
        "param": None, "code": "oops"}})]
    gw, up = serve(answers.events(stream, finish=answers.close))
    answer = ask(gw.connect(), caller).read()
    assert answer.complete
    errors = [e for e in answer.events if is_error(e, caller)]
    assert len(errors) == 1
    assert "the model fell over" in errors[0].data
    assert gw.ledger()[0]["llm_error"]


@CALLERS
def test_an_anthropic_error_event(serve, caller):
    stream = wire("anthropic")[:4] + [sse.encode({
        "type": "error", "error": {"type": "overloaded_error",
                                   "message": "Overloaded"}}, "error")]
    gw, up = serve(answers.events(stream), dialect="anthropic")
    answer = ask(gw.connect(), caller).read()
    assert answer.complete
    errors = [e for e in answer.events if is_error(e, caller)]
    assert len(errors) == 1 and "Overloaded" in errors[0].data
    assert b"message_stop" not in answer.body
    assert b"[DONE]" not in answer.body


def test_the_kind_of_an_error_in_a_translated_stream(serve):
    stream = wire("anthropic")[:4] + [sse.encode({
        "type": "error", "error": {"type": "overloaded_error",
                                   "message": "Overloaded"}}, "error")]
    gw, up = serve(answers.events(stream), dialect="anthropic")
    error = ask(gw.connect(), "openai").read().events[-1].json["error"]
    assert (error["code"], error["message"]) == ("overloaded", "Overloaded")
    assert gw.ledger()[0]["llm_error"] == "overloaded"

    stream = wire("openai")[:3] + [sse.encode({"error": {
        "message": "slow down", "type": "requests",
        "code": "rate_limit_exceeded"}})]
    gw, up = serve(answers.events(stream))
    error = ask(gw.connect(), "anthropic").read().events[-1].json["error"]
    assert error == {"type": "rate_limit_error", "message": "slow down"}
    assert gw.ledger()[0]["llm_error"] == "rate_limit"


def test_a_cut_responses_stream(serve):
    stream = openai_wire.response_stream(Reply(), {"model": "m"})[:6]
    gw, up = serve(answers.events(stream, finish=answers.close))
    answer = gw.post("/v1/responses", {"model": "m", "input": "x",
                                       "stream": True})
    assert answer.complete
    assert [e.event for e in answer.events[-2:]] == ["error",
                                                     "response.failed"]
    assert answer.events[-1].json["response"]["status"] == "failed"


def test_a_whole_responses_stream_has_no_done(serve):
    gw, up = serve()
    answer = gw.post("/v1/responses", {"model": "m", "input": "x",
                                       "stream": True})
    expected = openai_wire.response_stream(Reply(), {"model": "m"})
    assert answer.body == b"".join(expected)


@CALLERS
def test_a_whole_answer_that_is_cut(serve, caller):
    def script(x):
        x.head(200, [answers.JSON], length=1000)
        x.send(b'{"choices":[')
        x.close()
    gw, up = serve(script)
    path = {"openai": "/v1/chat/completions",
            "anthropic": "/v1/messages"}[caller]
    answer = gw.post(path, ASK)
    assert not (answer.status == 200 and answer.complete)


@CALLERS
def test_exactly_one_end(serve, caller):
    other = {"openai": "anthropic", "anthropic": "openai"}[caller]
    gw, up = serve(dialect=other)
    answer = ask(gw.connect(), caller).read()
    ends = answer.body.count(b"[DONE]")
    stops = answer.body.count(b'"type":"message_stop"')
    assert (ends, stops) == ((1, 0) if caller == "openai" else (0, 1))


@CALLERS
def test_a_duplicate_start_is_left_out(serve, caller):
    stream = wire("anthropic")
    stream.insert(1, stream[0])
    gw, up = serve(answers.events(stream), dialect="anthropic")
    answer = ask(gw.connect(), caller).read()
    assert answer.complete and said(answer.events, caller) == Reply().text
    if caller == "openai":
        roles = [e for e in answer.events if e.data != "[DONE]"
                 and e.json["choices"][0]["delta"].get("role")]
        assert len(roles) == 1


@CALLERS
def test_reasoning_text_and_finish_in_one_chunk(serve, caller):
    one = {"id": "c", "object": "chat.completion.chunk", "created": 1,
           "model": "m", "choices": [{"index": 0, "delta": {
               "role": "assistant", "reasoning_content": "think",
               "content": "text"}, "finish_reason": "stop"}]}
    gw, up = serve(answers.events([sse.encode(one), openai_wire.DONE]))
    answer = ask(gw.connect(), caller).read()
    assert answer.complete and said(answer.events, caller) == "text"
    assert b"think" in answer.body
    if caller == "anthropic":
        kinds = [e.json["content_block"]["type"] for e in answer.events
                 if e.event == "content_block_start"]
        assert kinds == ["thinking", "text"]
        assert b"end_turn" in answer.body


@CALLERS
def test_a_whole_answer_to_one_who_asked_for_a_stream(serve, caller):
    """Some proxies answer so; the clients would see an empty stream."""
    gw, up = serve(lambda x: answers.json(
        openai_wire.chat(Reply(), x.request.json))(x))
    answer = ask(gw.connect(), caller).read()
    assert answer.complete
    assert answer.header("content-type").startswith("text/event-stream")
    assert said(answer.events, caller) == Reply().text


# -- heavy --------------------------------------------------------------------

@pytest.mark.parametrize("caller,dialect", [
    ("openai", "openai"), ("anthropic", "openai"),
    ("anthropic", "anthropic")])
def test_a_flood_and_a_slow_client(serve, caller, dialect):
    """The client's pace holds the provider back: memory stays as it is."""
    stream = wire(dialect, Reply(text="x" * 8, piece=8))
    event = next(e for e in stream if b"xxxxxxxx" in e)
    at = stream.index(event)
    gw, up = serve(answers.flood(event, FLOOD, stream[:at], stream[at + 1:]),
                   dialect=dialect)
    client = gw.connect(rcvbuf=8192)
    ask(client, caller)
    client.read_until(b"xxxxxxxx")
    time.sleep(0.3)
    before = gw.rss()
    most, seen, digest = before, 0, 0
    client.response.body = b""
    while client.pump():
        seen += len(client.response.body)
        digest = client.response.body[-200:]
        client.response.body = b""
        most = max(most, gw.rss()) if seen % 37 == 0 else most
    most = max(most, gw.rss())
    seen += len(client.response.body)
    digest = (digest or b"") + client.response.body
    assert client.response.complete
    end = {"openai": b"[DONE]", "anthropic": b"message_stop"}[caller]
    assert end in digest
    if caller == dialect:
        assert seen >= FLOOD * 0.8
    assert most - before < 2 << 20, f"{(most - before) >> 10} KB more"


def kernel() -> int:
    """What the kernel may hold of a stream: on two connections, both sides."""
    return sum(2 * int(Path(f"/proc/sys/net/ipv4/tcp_{side}mem").read_text()
                       .split()[2]) for side in "rw")


def test_a_client_that_reads_nothing(serve):
    """Only so much is taken from the provider as buffers hold."""
    sent = []

    def script(x):
        x.head(200, [answers.EVENTS], chunked=True)
        event = sse.encode({"choices": [{"index": 0, "delta": {
            "content": "x" * 1000}}]})
        while True:
            x.chunk(event)
            sent.append(len(event))
    gw, up = serve(script)
    client = gw.connect(rcvbuf=4096)
    ask(client)
    wait_for(lambda: sent, 5)
    last = -1
    while last != len(sent):
        last = len(sent)
        time.sleep(0.3)
    assert sum(sent) < kernel() + (4 << 20)
    assert gw.rss() < 64 << 20
    client.reset()
    up.wait_closed_early()


def test_many_streams_at_once_over_http2(serve):
    gw, up = serve(lambda x: answers.events(
        openai_wire.chat_stream(Reply(text=x.request.json["model"] * 5),
                                {"model": "m"}), split=7)(x), h2c=True)
    client = gw.connect_h2()
    streams = {f"model-{i}": client.request(
        "POST", "/v1/chat/completions",
        json={**ASK, "model": f"model-{i}", "stream": True})
        for i in range(40)}
    for model, stream in streams.items():
        answer = client.read(stream)
        assert answer.complete and said(answer.events) == model * 5
