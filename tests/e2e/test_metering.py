"""Tokens, cost, and the other facts of a request."""

from __future__ import annotations

import json
import os
import re
import signal

import pytest

from harness import Reply, Tool, answers, openai_wire, route, sse
from harness.nginx import VARIABLES
from harness.util import wait_for

COUNTED = Reply(input=1000, output=500, cached=400)
PRICE = "llm_price big input=2.00 output=8.00 cached=0.50;"
#: 600 plain, 400 cached, 500 out
COST = (600 * 2.00 + 400 * 0.50 + 500 * 8.00) / 1e6
BOTH = pytest.mark.parametrize("dialect", ["openai", "anthropic"])
CALLERS = pytest.mark.parametrize("caller", ["openai", "anthropic"])


def ask(gw, caller, **more):
    return gw.chat(**more) if caller == "openai" else gw.messages(**more)


@BOTH
@CALLERS
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_every_fact(serve, dialect, caller, stream):
    gw, up = serve(COUNTED, dialect=dialect, model="big", upstream=[PRICE])
    answer = ask(gw, caller, model="smart", stream=stream)
    assert answer.status == 200
    line = gw.ledger()[0]
    assert line["llm_model"] == "smart"
    assert line["llm_route"] == "r"
    assert line["llm_target"] == "up/big"
    assert line["llm_provider"] == "up"
    assert line["llm_operation"] == "chat"
    assert line["llm_stream"] == ("1" if stream else "0")
    assert line["llm_input_tokens"] == "1000"
    assert line["llm_output_tokens"] == "500"
    assert line["llm_cached_tokens"] == "400"
    assert line["llm_usage"] == "reported"
    assert float(line["llm_cost"]) == pytest.approx(COST)
    assert line["llm_attempts"] == "1"
    assert re.fullmatch(r"\d+\.\d{3}", line["llm_first_token_time"])
    assert line["llm_finish_reason"] == "stop"
    assert line["llm_error"] == ""
    assert line["llm_response_model"] == "big"
    assert line["llm_request_id"] == answer.header("x-llm-request-id")
    assert answer.header("x-llm-route") == "r"
    assert answer.header("x-llm-target") == "up/big"
    if stream:
        assert answer.header("x-llm-cost") is None
    else:
        assert float(answer.header("x-llm-cost")) == pytest.approx(COST)


def test_request_ids_differ(serve):
    gw, up = serve()
    ids = {gw.chat().header("x-llm-request-id") for _ in range(20)}
    assert len(ids) == 20 and all(len(i) >= 16 for i in ids)


def test_an_unknown_cost_is_not_zero(serve):
    gw, up = serve(COUNTED, model="other", upstream=[PRICE])
    answer = gw.chat()
    assert answer.header("x-llm-cost") is None
    assert gw.ledger()[0]["llm_cost"] in ("", "-")


def test_reasoning_tokens(serve):
    gw, up = serve(Reply(input=10, output=50, reasoning=40))
    gw.chat()
    assert gw.ledger()[0]["llm_reasoning_tokens"] == "40"


def test_reasoning_tokens_outside_the_completion(serve):
    """xAI: the total tells."""
    body = openai_wire.chat(Reply(), {"model": "m"})
    body["usage"] = {"prompt_tokens": 10, "completion_tokens": 5,
                     "total_tokens": 55,
                     "completion_tokens_details": {"reasoning_tokens": 40}}
    gw, up = serve(answers.json(body))
    gw.chat()
    line = gw.ledger()[0]
    assert line["llm_output_tokens"] == "45"
    assert line["llm_reasoning_tokens"] == "40"


@pytest.mark.parametrize("usage", [
    None, {}, {"prompt_tokens": -5, "completion_tokens": -1},
    {"prompt_tokens": "12", "completion_tokens": "x"},
    {"prompt_tokens": 1e20, "completion_tokens": 1e400 - 1e400 or 0},
    {"prompt_tokens": 1.5, "completion_tokens": True}, [], "many"],
    ids=range(8))
def test_strange_usage(serve, usage):
    body = openai_wire.chat(Reply(), {"model": "m"})
    body["usage"] = usage
    sent = json.dumps(body).replace("NaN", "0").encode()
    gw, up = serve(answers.body(sent), upstream=[
        "llm_price * input=1 output=1;"])
    answer = gw.chat()
    assert answer.status == 200 and answer.body == sent
    line = gw.ledger()[0]
    for name in ("llm_input_tokens", "llm_output_tokens"):
        assert line[name] in ("", "-") or int(line[name]) >= 0
    assert line["llm_cost"] in ("", "-") or float(line["llm_cost"]) >= 0


def test_an_answer_without_usage_is_estimated(serve):
    body = openai_wire.chat(Reply(text="x" * 400), {"model": "m"})
    del body["usage"]
    gw, up = serve(answers.json(body))
    gw.chat("y" * 800)
    line = gw.ledger()[0]
    assert line["llm_usage"] == "estimated"
    assert 50 <= int(line["llm_output_tokens"]) <= 250
    assert 100 <= int(line["llm_input_tokens"]) <= 500


def test_a_stream_without_usage_is_estimated(serve):
    stream = openai_wire.chat_stream(Reply(text="x" * 400), {"model": "m"})
    gw, up = serve(answers.events(stream))
    answer = gw.chat(stream=True)
    assert answer.complete and answer.body == b"".join(stream)
    line = gw.ledger()[0]
    assert line["llm_usage"] == "estimated" and line["llm_error"] == ""
    assert 50 <= int(line["llm_output_tokens"]) <= 250


def test_obfuscation_is_not_output(serve):
    chunks = openai_wire.chat_chunks(Reply(text="abcd"), {"model": "m"})
    for chunk in chunks:
        chunk["obfuscation"] = "z" * 4000
    stream = [sse.encode(c) for c in chunks]
    gw, up = serve(answers.events(stream, finish=answers.close))
    gw.chat(stream=True)
    assert int(gw.ledger()[0]["llm_output_tokens"]) < 20


def test_failed_requests_cost_nothing(serve):
    gw, up = serve(answers.openai_error(400), upstream=[
        "llm_price * input=1 output=1;"])
    gw.chat()
    line = gw.ledger()[0]
    assert line["llm_usage"] in ("none", "")
    assert line["llm_cost"] in ("", "-", "0")
    assert line["llm_error"]


def test_only_the_answer_is_counted(chain):
    """Attempts that failed do not add tokens."""
    gw, ups = chain(answers.openai_error(500), COUNTED)
    gw.chat()
    line = gw.ledger()[0]
    assert line["llm_input_tokens"] == "1000"
    assert line["llm_target"] == "up1" and line["llm_attempts"] == "2"


@pytest.mark.parametrize("lines,cost", [
    (["llm_price m input=1 output=1;"], 0.0015),
    (["llm_price * input=1 output=1;"], 0.0015),
    (["llm_price * input=9 output=9;", "llm_price m input=1 output=1;"],
     0.0015),
    (["llm_price m input=1 output=2 cached=0;"], 0.0016),
    (["llm_price m input=0 output=0;"], 0.0),
    (["llm_price m input=0.000001 output=0;"], 1e-9),
    (["llm_price m* input=2 output=0;", "llm_price * input=9 output=9;"],
     0.002),
])
def test_prices(serve, lines, cost):
    gw, up = serve(COUNTED, model="m", upstream=lines)
    answer = gw.chat(model="alias")
    assert float(answer.header("x-llm-cost")) == pytest.approx(cost)


def test_a_price_map(gateway, provider, tmp_path):
    file = tmp_path / "prices.json"
    file.write_text(json.dumps({
        "sample_spec": {"input_cost_per_token": 0, "mode": "one of: x"},
        "known": {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6,
                  "cache_read_input_token_cost": 1e-7,
                  "litellm_provider": "openai", "mode": "chat",
                  "max_tokens": 4096, "supports_vision": True},
        "up/known": {"input_cost_per_token": 5e-6,
                     "output_cost_per_token": "5e-6"},
        "big": {"input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6,
                "input_cost_per_token_above_200k_tokens": 2e-6,
                "output_cost_per_token_above_200k_tokens": 3e-6},
    }))
    up, other = provider(COUNTED), provider(COUNTED)
    large = provider(Reply(input=300_000, output=10))
    gw = gateway(http=f"llm_prices {file};" + up.upstream("up")
                 + other.upstream("other") + large.upstream("large",
                 ) + """
        llm_route a { match a; target up/known; }
        llm_route b { match b; target other/known; }
        llm_route c { match c; target large/big; }
        llm_route d { match d; target other/unknown; }""")

    def cost(model):
        value = gw.chat(model=model).header("x-llm-cost")
        return value and float(value)
    assert cost("a") == pytest.approx(1500 * 5e-6)
    assert cost("b") == pytest.approx(600e-6 + 400e-7 + 500 * 2e-6)
    assert cost("c") == pytest.approx(300_000 * 2e-6 + 10 * 3e-6)
    assert cost("d") is None


def test_a_price_map_that_is_broken_changes_nothing(serve, tmp_path):
    """The reload fails, and says where; the old prices go on."""
    file = tmp_path / "prices.json"
    file.write_text('{"m": {"input_cost_per_token": 1e-6, '
                    '"output_cost_per_token": 2e-6}}')
    gw, _ = serve(Reply(input=100, output=50), model="m",
                  http=f"llm_prices {file};")
    assert float(gw.chat().header("x-llm-cost")) == pytest.approx(200e-6)
    file.write_text('{"m": {"input_cost_per_token": 1e-6, ')
    gw.allow(r"\[emerg\].*prices\.json")
    os.kill(gw.master, signal.SIGHUP)
    wait_for(lambda: "prices.json" in gw.error_log(), 5, "the reload to fail")
    assert float(gw.chat().header("x-llm-cost")) == pytest.approx(200e-6)
    file.write_text('{"m": {"input_cost_per_token": 2e-6, '
                    '"output_cost_per_token": 4e-6}}')
    gw.reload()
    assert float(gw.chat().header("x-llm-cost")) == pytest.approx(400e-6)


def test_operations(serve):
    gw, up = serve()
    asks = [("/v1/chat/completions", {"messages": []}, "chat"),
            ("/v1/completions", {"prompt": "x"}, "text_completion"),
            ("/v1/embeddings", {"input": "x"}, "embeddings")]
    for path, body, _ in asks:
        assert gw.post(path, {"model": "m", **body}).status == 200
    lines = gw.ledger(len(asks))
    assert [x["llm_operation"] for x in lines] == [o for *_, o in asks]


def test_variables_without_a_gateway(serve):
    """They are empty elsewhere, and do no harm."""
    gw, up = serve(server="location = /plain { return 200 ok; }")
    assert gw.get("/plain").body == b"ok"
    line = gw.ledger()[0]
    assert all(line[name] in ("", "-") for name in VARIABLES)


def test_variables_in_native_directives(gateway, provider):
    """Values from the JSON body, in limit_req and map."""
    up = provider()
    gw = gateway(http=up.upstream("up") + """
        limit_req_zone $llm_model zone=z:1m rate=1r/m;
        map $llm_model $kind { default other; ~^gpt gpt; }""" + route(
            "target up;"),
        location="""limit_req zone=z; limit_req_status 429;
                    add_header X-Kind $kind; llm_pass;""")
    answer = gw.chat(model="gpt-x")
    assert answer.status == 200 and answer.header("x-kind") == "gpt"
    assert gw.chat(model="gpt-x").status == 429
    assert gw.chat(model="claude").header("x-kind") == "other"
    assert len(up.requests) == 2


def test_streams_and_whole_answers_cost_the_same(serve):
    reply = COUNTED.but(tools=[Tool("f", {"a": 1})], thinking="hm")
    for dialect in ("openai", "anthropic"):
        gw, up = serve(reply, dialect=dialect, upstream=[
            "llm_price * input=3 output=7;"])
        for stream in (False, True):
            for caller in ("openai", "anthropic"):
                ask(gw, caller, stream=stream)
        costs = {line["llm_cost"] for line in gw.ledger(4)}
        assert len(costs) == 1, costs
        reasons = {line["llm_finish_reason"] for line in gw.ledger(4)}
        assert reasons == {"tool_calls"}


def test_the_built_in_provider(gateway):
    gw = gateway(http="""upstream mock { llm_dialect mock; }
        llm_route r { match *; target mock; }""")
    answer = gw.chat("are you there?")
    assert answer.status == 200
    assert "are you there?" in answer.json["choices"][0]["message"]["content"]
    stream = gw.chat("are you there?", stream=True)
    assert stream.events[-1].data == "[DONE]"
    answer = gw.messages("are you there?", stream=True)
    assert answer.events[-1].event == "message_stop"
    assert gw.messages("x").json["content"][0]["text"]
    lines = gw.ledger(4)
    assert all(int(x["llm_output_tokens"]) > 0 for x in lines)


@pytest.mark.parametrize("details", [None, 5, "x", [], {}, True])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_details_that_are_none(serve, stream, details):
    """Some servers write null where others write an object."""
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7,
             "prompt_tokens_details": details,
             "completion_tokens_details": details}
    if stream:
        chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1,
                 "model": "m", "choices": [{"index": 0, "delta": {
                     "content": "hi"}, "finish_reason": "stop"}]}
        script = answers.events([
            b"data: " + answers.dump(chunk) + b"\n\n",
            b"data: " + answers.dump({**chunk, "choices": [],
                                      "usage": usage}) + b"\n\n",
            b"data: [DONE]\n\n"])
    else:
        script = answers.json({"id": "x", "choices": [], "usage": usage})
    gw, up = serve(script)
    assert gw.chat(stream=stream).status == 200
    line = gw.ledger()[0]
    assert (line["llm_input_tokens"], line["llm_output_tokens"]) == ("3", "4")


def test_estimates_know_the_older_tokenizer(gateway, provider):
    """By the target's model, or by the caller's where it has none."""
    up = provider()
    gw = gateway(http=up.upstream("up")
                 + route("target up/gpt-4o;", name="new", match="new")
                 + route("target up/gpt-4-turbo;", name="old", match="old")
                 + route("target up;", name="any"))
    said = {}
    for model in ("new", "old", "gpt-4o", "gpt-4"):
        gw.chat("\u57ce\u5e02\u91cc\u6709\u5f88\u591a\u8001\u623f" * 50,
                model=model)
    for line in gw.ledger(4):
        said[line["llm_model"]] = int(line["llm_estimated_tokens"])
    assert said["new"] == said["gpt-4o"] and said["old"] == said["gpt-4"]
    assert 1.3 < said["old"] / said["new"] < 1.6
