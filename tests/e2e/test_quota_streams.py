"""A hard budget ends a stream: where, how, and what is told of it."""

from __future__ import annotations

import json

import pytest

from harness import Reply, Tool, anthropic_wire, answers, openai_wire, route
from harness.util import same_day, wait_for

pytestmark = pytest.mark.usefixtures("one_day")

WIRES = {"openai": openai_wire, "anthropic": anthropic_wire}
BOTH = pytest.mark.parametrize("caller,dialect", [
    ("openai", "openai"), ("anthropic", "anthropic"),
    ("anthropic", "openai"), ("openai", "anthropic")])

#: one token an event, as most providers send them
LONG = Reply(text="word " * 6000, piece=5, input=10, output=6000)


def stream(dialect: str, reply: Reply) -> list[bytes]:
    asked = {"model": "m", "stream": True,
             "stream_options": {"include_usage": True}}
    if dialect == "openai":
        return openai_wire.chat_stream(reply, asked)
    return anthropic_wire.message_stream(reply, asked)


def endless(dialect: str, reply: Reply = LONG, pause: float = 0.0):
    """A stream that goes on until it is given up."""
    return answers.events(stream(dialect, reply), pause=pause,
                          finish=answers.stall)


@pytest.fixture
def one_day():
    same_day()


@pytest.fixture
def budget(serve, engine):
    def make(script, words="tokens=1000/day", dialect="openai", **more):
        return serve(script, dialect=dialect, model="m",
                     upstream=["llm_price m input=1 output=2;"],
                     lines=["limit per;"],
                     http=f"{engine} llm_quota per key=all {words};", **more)
    return make


def ask(gw, caller: str, **more):
    if caller == "openai":
        return gw.chat("hi", stream=True, **more)
    return gw.messages("hi", stream=True, **{"max_tokens": 100000, **more})


def datas(r) -> list:
    return [json.loads(e.data) for e in r.events
            if e.data and e.data != "[DONE]"]


def words_of(r, caller: str) -> int:
    """How many tokens of text the caller has got."""
    if caller == "openai":
        text = "".join(choice["delta"].get("content") or ""
                       for d in datas(r) for choice in d["choices"])
    else:
        text = "".join(d["delta"].get("text", "") for d in datas(r)
                       if d["type"] == "content_block_delta")
    return text.count("word")


# -- where ---------------------------------------------------------------------

@BOTH
@pytest.mark.parametrize("amount", [500, 1000, 3000])
def test_it_ends_within_two_per_cent(budget, caller, dialect, amount):
    gw, up = budget(endless(dialect), f"tokens={amount}/day", dialect)
    r = ask(gw, caller)
    assert r.status == 200 and r.complete
    line = gw.ledger(1)[0]
    charged = int(line["llm_input_tokens"]) + int(line["llm_output_tokens"])
    assert abs(charged - amount) <= amount * 0.02
    got = words_of(r, caller)
    assert abs(got - (amount - int(line["llm_input_tokens"]))) \
        <= amount * 0.02
    # the provider is told to stop
    up.wait_closed_early()
    r = ask(gw, caller)
    assert r.status == (429 if caller == "openai" else 402)


@BOTH
def test_money_ends_it_too(budget, caller, dialect):
    """At 2 USD a million 1000 tokens cost 2 millis."""
    gw, up = budget(endless(dialect), "cost=0.002usd/day", dialect)
    r = ask(gw, caller)
    assert r.complete
    line = gw.ledger(1)[0]
    assert 0.00196 <= float(line["llm_cost"]) <= 0.00204
    assert 970 <= words_of(r, caller) <= 1005
    up.wait_closed_early()


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_events_of_many_tokens_are_counted_by_their_text(budget, dialect):
    """As Anthropic's are; the words are one token each."""
    text = ("the city has many old houses and the river runs slowly to "
            "the sea while children play on the bank ") * 300
    gw, up = budget(endless(dialect, Reply(text=text, piece=60)),
                    "output=1000/day", dialect)
    r = ask(gw, dialect)
    got = "".join(
        (d["choices"][0]["delta"].get("content") or "") if dialect == "openai"
        else d.get("delta", {}).get("text", "") for d in datas(r))
    # pieces of sixty letters cut words in two
    assert 850 <= len(got.split()) <= 1100
    up.wait_closed_early()


def test_what_the_provider_counts_itself_is_taken(budget):
    """As vLLM does: usage in every event, with tokens that are not text."""
    events = []
    for n in range(1, 3000):
        events.append(b'data: {"id":"c","object":"chat.completion.chunk",'
                      b'"created":1,"model":"m","choices":[{"index":0,'
                      b'"delta":{"content":"word "},"finish_reason":null}],'
                      b'"usage":{"prompt_tokens":10,"completion_tokens":%d}}'
                      b"\n\n" % (3 * n))
    gw, _ = budget(answers.events(events, finish=answers.stall),
                   "output=900/day")
    r = ask(gw, "openai")
    assert 297 <= words_of(r, "openai") <= 303
    assert 890 <= int(gw.ledger(1)[0]["llm_output_tokens"]) <= 910


def test_what_a_refused_answer_has_used_is_gone(gateway, provider):
    """The next one gets what is left, at the price of its own target."""
    first = provider(Reply(text="word " * 600, piece=5, input=10, output=600))
    second = provider(endless("openai"))
    gw = gateway(http="llm_quota money key=all cost=0.003usd/day;"
                 "llm_quota tokens key=all output=1000/day;"
                 'llm_rules strict { output require "regex=END$" on_fail=next;'
                 " hold all; }"
                 + first.upstream("first", "llm_price m input=0 output=1;")
                 + second.upstream("second", "llm_price m input=0 output=10;")
                 + route("target first/m;", "fallback second/m;",
                         "rules strict;", "limit money tokens;"))
    gw.allow("was refused by rule")
    ask(gw, "openai")
    line = gw.ledger(1)[0]
    assert line["llm_attempts"] == "2"
    # 600 tokens at 1, and then 240 at 10, not what there was room for at 1
    assert 0.00294 <= float(line["llm_cost"]) <= 0.00306, line
    assert 830 <= int(line["llm_output_tokens"]) <= 850


def test_a_stream_that_fits_is_not_touched(budget):
    reply = Reply(text="word " * 500, piece=5, input=10, output=500)
    gw, _ = budget(reply, "tokens=1000/day")
    r = gw.chat("hi", stream=True, stream_options={"include_usage": True})
    assert r.body.endswith(b"data: [DONE]\n\n")
    assert words_of(r, "openai") == 500 and b"llm_limit" not in r.body
    line = gw.ledger(1)[0]
    assert line["llm_finish_reason"] == "stop" and line["llm_limit"] == ""
    assert line["llm_output_tokens"] == "500"


def test_two_streams_share_what_is_left(budget):
    """In turns: neither is cut while the other keeps a reserve unused."""
    from concurrent.futures import ThreadPoolExecutor
    gw, up = budget(endless("openai", pause=0.001), "output=2000/day")
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(lambda _: ask(gw, "openai"), range(2))
    assert one.complete and two.complete
    got = words_of(one, "openai") + words_of(two, "openai")
    assert 1960 <= got <= 2040


def test_max_tokens_is_not_asked_beyond(budget):
    reply = Reply(text="word " * 300, piece=5, input=10, output=300)
    gw, _ = budget(reply, "output=400/day")
    assert words_of(ask(gw, "openai", max_tokens=300), "openai") == 300
    r = ask(gw, "openai", max_tokens=300)
    assert 98 <= words_of(r, "openai") <= 102
    assert gw.ledger(2)[1]["llm_limit"] == "per"


@pytest.mark.parametrize("word", ["soft", "dry_run"])
def test_soft_and_dry_run_end_nothing(budget, word):
    reply = Reply(text="word " * 500, piece=5, input=10, output=500)
    gw, _ = budget(reply, f"output=100/day {word}")
    r = ask(gw, "openai")
    assert words_of(r, "openai") == 500
    dry = word == "dry_run"
    assert gw.metrics().sum("llm_limit_dry_run_total", unit="output") == dry
    assert gw.ledger(1)[0]["llm_limit_dry_run"] == ("per" if dry else "")


def test_the_tightest_of_several(budget, gateway, provider, engine):
    up = provider(endless("openai"))
    gw = gateway(http=engine + """
        llm_quota tokens key=all tokens=2000/day;
        llm_quota money key=all cost=0.001usd/day;
    """ + up.upstream("up", "llm_price m input=1 output=2;")
        + route("target up/m;", "limit tokens money;"))
    r = ask(gw, "openai")
    assert 480 <= words_of(r, "openai") <= 505
    assert gw.ledger(1)[0]["llm_limit"] == "money"
    assert gw.metrics().sum("llm_limit_ended_total", limit="money",
                            unit="cost") == 1


# -- how -----------------------------------------------------------------------

def test_the_end_of_chat_completions(budget):
    gw, _ = budget(endless("openai"), "tokens=1000/day")
    r = gw.chat("hi", stream=True, stream_options={"include_usage": True})
    assert b": x-llm-limit: per tokens=1k/day\n\n" in r.body
    *_, last, usage = datas(r)
    assert last["id"] == "chatcmpl-0001" and last["model"] == "m"
    assert last["object"] == "chat.completion.chunk"
    assert last["choices"] == [{"index": 0, "delta": {}, "logprobs": None,
                                "finish_reason": "length"}]
    assert last["llm_limit"] == {"name": "per", "rate": "tokens=1k/day"}
    assert usage["choices"] == []
    line = gw.ledger(1)[0]
    assert usage["usage"]["completion_tokens"] \
        == int(line["llm_output_tokens"])
    assert usage["usage"]["total_tokens"] == 1000
    assert r.body.count(b"[DONE]") == 1
    assert line["llm_finish_reason"] == "limit"
    assert line["llm_limit"] == "per" and line["llm_error"] == ""
    assert line["llm_usage"] == "estimated"


def test_no_usage_without_being_asked(budget):
    gw, _ = budget(endless("openai"), "tokens=1000/day")
    r = ask(gw, "openai")
    assert b'"usage"' not in r.body
    assert r.body.endswith(b"data: [DONE]\n\n")


def test_the_end_of_messages(budget):
    gw, _ = budget(endless("anthropic"), "tokens=1000/day", "anthropic")
    r = ask(gw, "anthropic")
    events = datas(r)
    assert [e["type"] for e in events[-4:]] == [
        "content_block_delta", "content_block_stop", "message_delta",
        "message_stop"]
    assert events[-3]["index"] == 0
    assert events[-2]["delta"] == {"stop_reason": "max_tokens",
                                   "stop_sequence": None}
    assert events[-2]["usage"]["output_tokens"] == 990
    assert events[-2]["llm_limit"]["name"] == "per"
    assert b"[DONE]" not in r.body


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_the_official_clients_take_it_for_a_truncated_answer(budget,
                                                             dialect):
    gw, _ = budget(endless(dialect), "tokens=400/day", dialect)
    ask_for = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    if dialect == "openai":
        chunks = list(gw.openai().chat.completions.create(
            stream=True, stream_options={"include_usage": True}, **ask_for))
        assert chunks[-2].choices[0].finish_reason == "length"
        assert chunks[-1].usage.total_tokens == 400
        assert chunks[-2].model_extra["llm_limit"]["name"] == "per"
    else:
        with gw.anthropic().messages.stream(max_tokens=9999,
                                            **ask_for) as running:
            message = running.get_final_message()
        assert message.stop_reason == "max_tokens"
        assert message.usage.output_tokens == 390
        assert message.content[0].text.count("word") == 390


@BOTH
def test_tools_and_thinking_are_closed(budget, caller, dialect):
    reply = Reply(text=None, thinking="so " * 50, piece=3, output=4000,
                  tools=[Tool("look", {"where": "far away " * 2000})])
    gw, _ = budget(endless(dialect, reply), "output=300/day", dialect)
    r = ask(gw, caller)
    assert r.complete
    events = datas(r)
    if caller == "openai":
        assert events[-1]["choices"][0]["finish_reason"] == "length"
        assert r.body.endswith(b"data: [DONE]\n\n")
        return
    opened = [e["index"] for e in events if e["type"] == "content_block_start"]
    closed = [e["index"] for e in events if e["type"] == "content_block_stop"]
    assert opened == closed
    assert [e["type"] for e in events[-2:]] == ["message_delta",
                                                "message_stop"]
    assert events[-2]["delta"]["stop_reason"] == "max_tokens"


def test_choices_that_are_not_over(budget):
    """n = 3, and the second one has come to its own end."""
    def chunk(index, content=None, finish=None):
        delta = {"content": content} if content else {}
        return (b"data: " + json.dumps({
            "id": "c", "object": "chat.completion.chunk", "created": 1,
            "model": "m", "choices": [{"index": index, "delta": delta,
                                       "finish_reason": finish}]}).encode()
            + b"\n\n")
    events = [chunk(n % 3, "word ") for n in range(60)]
    events.append(chunk(1, finish="stop"))
    events += [chunk(n % 2 * 2, "word ") for n in range(4000)]
    gw, _ = budget(answers.events(events, finish=answers.stall),
                   "output=500/day")
    r = ask(gw, "openai", n=3)
    last = datas(r)[-1]
    assert [c["index"] for c in last["choices"]] == [0, 2]
    assert {c["finish_reason"] for c in last["choices"]} == {"length"}


def test_more_choices_than_are_told_apart(budget):
    """n = 40: that some of them are over is not the end of all."""
    def chunk(index, finish=None):
        return (b"data: " + json.dumps({
            "id": "c", "object": "chat.completion.chunk", "created": 1,
            "model": "m", "choices": [{"index": index,
                                       "delta": {"content": "word "},
                                       "finish_reason": finish}]}).encode()
            + b"\n\n")
    events = [chunk(0, "stop"), chunk(38, "stop")]
    events += [chunk(39) for _ in range(4000)]
    gw, _ = budget(answers.events(events, finish=answers.stall),
                   "output=1000/day")
    r = ask(gw, "openai", n=40)
    assert r.complete and 980 <= words_of(r, "openai") <= 1020
    assert gw.ledger(1)[0]["llm_limit"] == "per"


def test_completions_of_several_prompts(budget):
    """The answer to one of them is over before the budget is."""
    def chunk(index, finish=None):
        return (b"data: " + json.dumps({
            "id": "c", "object": "text_completion", "created": 1,
            "model": "m", "choices": [{"index": index, "text": "word ",
                                       "finish_reason": finish}]}).encode()
            + b"\n\n")
    events = [chunk(0, "stop"), *[chunk(1) for _ in range(4000)]]
    gw, _ = budget(answers.events(events, finish=answers.stall),
                   "output=500/day")
    r = gw.post("/v1/completions", {"model": "m", "prompt": ["a", "b", "c"],
                                    "stream": True})
    assert r.complete and 490 <= r.body.count(b"word") <= 510
    last = datas(r)[-1]
    assert [c["index"] for c in last["choices"]] == [1, 2]


def test_the_end_of_completions(budget):
    reply = LONG.but()
    asked = {"model": "m", "stream_options": {"include_usage": True}}
    gw, _ = budget(answers.events(openai_wire.completion_stream(reply, asked),
                                  finish=answers.stall), "output=300/day")
    r = gw.post("/v1/completions", {"model": "m", "prompt": "hi",
                                    "stream": True})
    last = datas(r)[-1]
    assert last["object"] == "text_completion"
    assert last["choices"] == [{"index": 0, "text": "", "logprobs": None,
                                "finish_reason": "length"}]
    assert r.body.endswith(b"data: [DONE]\n\n")


def test_the_end_of_responses(budget):
    events = openai_wire.response_stream(LONG, {"model": "m"})
    gw, up = budget(answers.events(events, finish=answers.stall),
                    "output=300/day")
    client = gw.openai()
    with client.responses.stream(model="m", input="hi") as running:
        events = list(running)
    kinds = [event.type for event in events]
    response = events[-1].response
    assert kinds[-4:] == ["response.output_text.done",
                          "response.content_part.done",
                          "response.output_item.done",
                          "response.incomplete"]
    assert response.status == "incomplete"
    assert response.incomplete_details.reason == "max_output_tokens"
    assert 295 <= response.output_text.count("word") <= 305
    assert response.output[0].status == "incomplete"
    assert 295 <= response.usage.output_tokens <= 305
    assert response.id == "resp_0001"
    up.wait_closed_early()
    r = gw.post("/v1/responses", {"model": "m", "input": "hi",
                                  "stream": True})
    assert r.status == 429


def test_numbers_of_responses_go_on(budget):
    events = openai_wire.response_stream(LONG, {"model": "m"})
    gw, _ = budget(answers.events(events, finish=answers.stall),
                   "output=300/day")
    r = gw.post("/v1/responses", {"model": "m", "input": "hi",
                                  "stream": True})
    numbers = [d["sequence_number"] for d in datas(r)]
    assert numbers == list(range(len(numbers)))
    assert datas(r)[-1]["llm_limit"]["rate"] == "output=300/day"


def test_arguments_of_a_function_call_in_responses(budget):
    events = []

    def event(kind, **members):
        events.append(b"event: %s\ndata: %s\n\n" % (kind.encode(), json.dumps(
            {"type": kind, "sequence_number": len(events),
             **members}).encode()))
    item = {"id": "fc_1", "type": "function_call", "status": "in_progress",
            "name": "look", "call_id": "call_1", "arguments": ""}
    event("response.created", response={"id": "resp_1", "object": "response",
                                        "status": "in_progress", "model": "m",
                                        "temperature": 0.1, "output": []})
    event("response.output_item.added", output_index=0, item=item)
    for _ in range(3000):
        event("response.function_call_arguments.delta", item_id="fc_1",
              output_index=0, delta="word ")
    gw, _ = budget(answers.events(events, finish=answers.stall),
                   "output=300/day")
    r = gw.post("/v1/responses", {"model": "m", "input": "hi",
                                  "stream": True})
    done, ended, last = datas(r)[-3:]
    assert done["type"] == "response.function_call_arguments.done"
    assert done["arguments"].count("word") == 300
    assert ended["item"]["status"] == "incomplete"
    assert last["response"]["output"] == [ended["item"]]
    # no float is printed anew
    assert b'"temperature":0.1,' in r.body


@pytest.mark.parametrize("split", [1, 7, 100])
def test_however_it_is_cut_into_packets(budget, split):
    gw, _ = budget(answers.events(stream("openai", LONG)[:600], split=split,
                                  finish=answers.stall), "output=200/day")
    r = ask(gw, "openai")
    assert words_of(r, "openai") == 200
    assert datas(r)[-1]["choices"][0]["finish_reason"] == "length"


def test_over_http2_and_tls(serve, engine):
    gw, up = serve(endless("openai"), model="m", tls=True,
                   lines=["limit per;"], http=engine
                   + "llm_quota per key=all output=500/day;")
    client = gw.connect_h2()
    r = client.read(client.request("POST", "/v1/chat/completions", json={
        "model": "m", "stream": True, "messages": []}))
    assert r.complete and r.body.endswith(b"data: [DONE]\n\n")
    assert 490 <= words_of(r, "openai") <= 510
    up.wait_closed_early()


def test_a_slow_caller_is_cut_at_the_same_place(budget):
    gw, up = budget(endless("openai"), "output=3000/day")
    client = gw.connect(rcvbuf=4096)
    client.request("POST", "/v1/chat/completions", json={
        "model": "m", "stream": True, "messages": []})
    wait_for(lambda: up.requests)
    r = client.read()
    assert r.complete and words_of(r, "openai") == 3000


def test_a_compressed_stream(budget):
    import zlib
    gz = zlib.compressobj(wbits=31)
    data = gz.compress(b"".join(stream("openai", LONG))) + gz.flush()
    gw, _ = budget(answers.events([data], headers=[
        ("Content-Encoding", "gzip")]), "output=300/day")
    r = ask(gw, "openai")
    assert r.complete and words_of(r, "openai") == 300
    assert datas(r)[-1]["choices"][0]["finish_reason"] == "length"
