"""Answers to questions that mean the same."""

from __future__ import annotations

import threading

import pytest

from harness import Reply, openai_wire, route, wait_for
from harness.embedder import Embedder

CHAT = "/v1/chat/completions"
def ask(text="What is the capital of France?", system="Be brief.", **more):
    return {"model": "m", "temperature": 0, "messages": [
        {"role": "system", "content": system},
        {"role": "user", "content": text}], **more}


def status(response):
    return response.header("x-llm-cache")


@pytest.fixture
def semantic(gateway, provider):
    def make(words="", http="", **parts):
        up = provider(openai_wire.server(Reply(text="Paris.")))
        embedder = Embedder()
        near = provider(embedder)
        text = (up.upstream("up") + near.upstream("near")
                + route("target up/m;", "cache ttl=1m semantic=0.93 "
                        f"embed=near/e wait=5s {words};") + http)
        return gateway(http=text, **parts), up, embedder
    return make


def test_a_paraphrase_is_answered(semantic):
    gw, up, embedder = semantic()
    assert status(gw.post(CHAT, ask())) == "miss"
    near = gw.post(CHAT, ask("Please tell me the capital of France."))
    assert status(near) == "semantic"
    assert near.json["choices"][0]["message"]["content"] == "Paris."
    stream = gw.post(CHAT, ask("tell me: capital of France", stream=True))
    assert status(stream) == "semantic"
    assert stream.complete and b"Paris." in stream.body
    assert len(up.requests) == 1
    lines = gw.ledger(3)
    assert [line["llm_cache"] for line in lines] == ["miss", "semantic",
                                                     "semantic"]
    assert not lines[1]["llm_input_tokens"]
    # the exact one is asked for without embeddings
    n = len(embedder.asked)
    assert status(gw.post(CHAT, ask())) == "hit"
    assert len(embedder.asked) == n


OTHERS = {
    "prompt": ask("capital of France?", system="Be long."),
    "model": {**ask("capital of France?"), "model": "m2"},
    "tools": ask("capital of France?", tools=[
        {"type": "function", "function": {"name": "f"}}]),
    "name": ask("What is the capital of Spain?"),
    "number": ask("What is the capital of France 2?"),
    "negation": ask("What is not the capital of France?"),
    "asked": ask("Why is the capital of France?"),
    "history": {**ask(), "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "capital of France?"}]},
}


@pytest.mark.parametrize("other", OTHERS)
def test_what_differs_is_not(semantic, other):
    gw, up, embedder = semantic()
    gw.post(CHAT, ask())
    assert status(gw.post(CHAT, OTHERS[other])) == "miss"
    assert len(up.requests) == 2


def test_scopes_are_apart(semantic):
    gw, up, embedder = semantic(words="scope=$http_x_tenant")
    gw.post(CHAT, ask(), headers=[("x-tenant", "a")])
    text = ask("Tell me the capital of France")
    assert status(gw.post(CHAT, text, headers=[("x-tenant", "b")])) == "miss"
    assert status(gw.post(CHAT, ask("capital of France?"),
                          headers=[("x-tenant", "a")])) == "semantic"


def test_shadow_only_reports(semantic):
    gw, up, embedder = semantic(words="shadow")
    gw.post(CHAT, ask())
    assert status(gw.post(CHAT, ask("capital of France?"))) == "miss"
    assert len(up.requests) == 2
    assert "similarity 0.9999 would have answered" in gw.error_log()


def test_embeddings_that_fail_or_are_slow_cost_a_hit(semantic):
    gw, up, embedder = semantic(words="wait=100ms")
    embedder.status = 500
    assert gw.post(CHAT, ask()).status == 200
    embedder.status = 200
    embedder.go.clear()
    assert status(gw.post(CHAT, ask("Tell me the capital of France"))) \
        == "miss"
    embedder.go.set()
    assert len(up.requests) == 2


def test_bursts_go_out_together(semantic):
    gw, up, embedder = semantic()
    embedder.go.clear()
    texts = [f"What does word{n} mean in English?" for n in range(12)]
    threads = [threading.Thread(target=gw.post, args=(CHAT, ask(text)))
               for text in texts]
    for thread in threads:
        thread.start()
    wait_for(lambda: embedder.asked)
    wait_for(lambda: gw.metrics().sum("llm_requests_in_flight") == 12)
    embedder.go.set()
    for thread in threads:
        thread.join(20)
    assert sorted(text for batch in embedder.asked for text in batch) \
        == sorted(texts)
    # the first, and all that have come while it was asked
    assert len(embedder.asked) <= 2


@pytest.mark.parametrize("words, said", [
    ("semantic=0.93", 'needs "embed=PROVIDER/MODEL"'),
    ("embed=up/e", 'need "semantic="'),
    ("semantic=2 embed=up/e", "a similarity from 0.5"),
    ("semantic=0.9 embed=none/e", "none"),
    ("semantic=0.9 embed=up/e wait=1h", "a time up to 10s"),
    ("lease=2h", 'as in "lease=1s"'),
])
def test_mistakes(gateway, provider, words, said):
    up = provider(openai_wire.server())
    gw = gateway(http=up.upstream("up") + route("target up/m;",
                                                f"cache {words};"),
                 start=False)
    result = gw.check()
    assert not result.ok
    assert said in result.stderr
