"""Answers that are given again: hits, flights, stale ones, scopes."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import threading
import time

import pytest

from harness.nginx import ROOT
from harness import Reply, Tool, answers, anthropic_wire, openai_wire, wait_for

CHAT = "/v1/chat/completions"
DET = {"temperature": 0}
CACHE = "cache ttl=1m;"


def ask(text="hi", **more):
    return {"model": "m", "messages": [{"role": "user", "content": text}],
            **DET, **more}


def status(response):
    return response.header("x-llm-cache")


def text_of(response):
    """Of a whole answer or a stream, in any of the dialects."""
    if not response.header("content-type").startswith("text/event-stream"):
        value = response.json
        if "output" in value:
            return value["output"][0]["content"][0]["text"]
        if "content" in value:
            return value["content"][0]["text"]
        choice = value["choices"][0]
        return choice["text"] if "text" in choice \
            else choice["message"]["content"]
    said = ""
    for event in response.events:
        if event.data == "[DONE]":
            continue
        data = event.json
        delta = data.get("delta") or {}
        if isinstance(delta, str):
            said += delta
        said += delta.get("text", "") if isinstance(delta, dict) else ""
        for choice in data.get("choices", []):
            said += choice.get("text") or ""
            said += (choice.get("delta") or {}).get("content") or ""
    return said


#: an API: its path, a request, and how a provider of its dialect is made
APIS = {
    "chat": ("openai", CHAT, ask()),
    "completions": ("openai", "/v1/completions",
                    {"model": "m", "prompt": "hi", **DET}),
    "responses": ("openai", "/v1/responses",
                  {"model": "m", "input": "hi", "store": False, **DET}),
    "messages": ("anthropic", "/v1/messages",
                 {"model": "m", "max_tokens": 50, **DET,
                  "messages": [{"role": "user", "content": "hi"}]}),
}


def test_a_long_answer_that_is_cut_is_not_kept(serve):
    """Too long to be looked at before it goes out."""
    gw, up = serve(answers.body(b'{"choices":[{"text":"' + b"a" * 200_000),
                   lines=[CACHE])
    for _ in range(2):
        assert status(gw.post(CHAT, ask())) == "miss"
    assert len(up.requests) == 2
    assert gw.ledger(2)[0]["llm_error"] == "upstream"


def test_the_stream_of_a_whole_answer_has_all_of_it(serve):
    """From the cache, and of a provider that makes no streams."""
    said = [{"content": [{"token": t, "logprob": -0.25, "bytes": None,
                          "top_logprobs": []}], "refusal": None}
            for t in ("Yes", "No")]
    cited = [{"type": "url_citation", "url_citation": {
        "url": "http://x/", "title": "x", "start_index": 0, "end_index": 2}}]
    gw, up = serve(answers.json({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000,
        "model": "m", "choices": [
            {"index": i, "finish_reason": "stop", "logprobs": logprobs,
             "message": {"role": "assistant", "refusal": None, "content":
                         logprobs["content"][0]["token"],
                         "annotations": cited if i else []}}
            for i, logprobs in enumerate(said)]}), lines=[CACHE])
    body = ask(n=2, logprobs=True)
    whole = gw.post(CHAT, body)
    assert whole.status == 200
    for question in (body, ask("other", n=2, logprobs=True)):
        answer = gw.post(CHAT, {**question, "stream": True})
        choices = [choice for event in answer.events[:-1]
                   for choice in event.json["choices"]]
        found = [choice["logprobs"] for choice in choices
                 if choice["logprobs"]]
        assert found == said
        assert [(c["index"], c["delta"]["annotations"]) for c in choices
                if "annotations" in c["delta"]] == [(1, cited)]
    assert len(up.requests) == 2


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("first", [False, True], ids=["whole", "stream"])
def test_both_forms(serve, api, first):
    """One entry serves both forms, whichever it was written in."""
    dialect, path, body = APIS[api]
    gw, up = serve(Reply(text="One two three.", id="0123456789abcdef"),
                   dialect=dialect, lines=[CACHE])
    one = gw.post(path, {**body, "stream": first})
    same = gw.post(path, {**body, "stream": first})
    other = gw.post(path, {**body, "stream": not first})
    assert [status(r) for r in (one, same, other)] == ["miss", "hit", "hit"]
    assert {text_of(r) for r in (one, same, other)} == {"One two three."}
    assert all(r.status == 200 and r.complete for r in (one, same, other))
    assert len(up.requests) == 1
    if api in ("chat", "completions", "messages"):
        ids = set()
        for r in (one, same, other):
            data = r.json if r.header("content-type") == "application/json" \
                else next(e.json for e in r.events if e.data)
            ids.add(data.get("id") or data["message"]["id"])
        assert len(ids) == 3
    lines = gw.ledger(3)
    assert [line["llm_cache"] for line in lines] == ["miss", "hit", "hit"]
    assert lines[1]["llm_attempts"] in ("", "0")
    assert not lines[1]["llm_input_tokens"]


def test_embeddings(serve):
    gw, up = serve(lines=[CACHE])
    body = {"model": "m", "input": "hi"}
    one, two = (gw.post("/v1/embeddings", body) for _ in range(2))
    assert (status(one), status(two)) == ("miss", "hit")
    assert one.json == two.json and len(up.requests) == 1


def test_sdk_openai(serve):
    reply = Reply(text=None, tools=[Tool("look", {"a": [1, 2.50]}),
                                    Tool("find", {}, id="call_2")])
    gw, up = serve(reply, lines=[CACHE])
    client = gw.openai()
    stream = client.chat.completions.create(
        **ask(), stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    whole = client.chat.completions.create(**ask())
    calls = [c.function for c in whole.choices[0].message.tool_calls]
    assert [(c.name, json.loads(c.arguments)) for c in calls] == [
        ("look", {"a": [1, 2.5]}), ("find", {})]
    assert whole.choices[0].finish_reason == "tool_calls"
    assert whole.object == "chat.completion"
    assert whole.usage.total_tokens == chunks[-1].usage.total_tokens == 23
    assert abs(whole.created - time.time()) < 60
    again = list(client.chat.completions.create(
        **ask(), stream=True, stream_options={"include_usage": True}))
    plain = list(client.chat.completions.create(**ask(), stream=True))
    assert again[-1].usage.total_tokens == 23
    assert len({c.id for c in again}) == 1 and again[0].id != chunks[0].id
    assert all(c.usage is None for c in plain)
    assert len(up.requests) == 1


def test_sdk_usage_that_was_not_asked_for(serve):
    """The first caller did not want usage; the second does."""
    gw, up = serve(lines=[CACHE])
    client = gw.openai()
    list(client.chat.completions.create(**ask(), stream=True))
    again = list(client.chat.completions.create(
        **ask(), stream=True, stream_options={"include_usage": True}))
    assert again[-1].usage.prompt_tokens == 16 and again[-1].choices == []
    assert client.chat.completions.create(**ask()).usage.total_tokens == 23
    assert len(up.requests) == 1


def test_sdk_anthropic(serve):
    reply = Reply(text="So:", thinking="hm", tools=[Tool("look", {"a": 1})])
    gw, up = serve(reply, dialect="anthropic", lines=[CACHE])
    client = gw.anthropic()
    body = {"model": "m", "max_tokens": 50, "extra_body": DET,
            "messages": [{"role": "user", "content": "hi"}]}
    with client.messages.stream(**body) as stream:
        first = stream.get_final_message()
    whole = client.messages.create(**body)
    with client.messages.stream(**body) as stream:
        again = stream.get_final_message()
    blocks = [[b.model_dump() for b in m.content]
              for m in (first, whole, again)]
    assert blocks[0] == blocks[1] == blocks[2]
    assert whole.stop_reason == "tool_use"
    assert whole.usage.output_tokens == first.usage.output_tokens
    assert len({first.id, whole.id, again.id}) == 3
    assert len(up.requests) == 1


def test_translated(serve):
    """What is kept is what the caller gets, not what the provider says."""
    gw, up = serve(Reply(text="Hello"), dialect="anthropic", lines=[CACHE])
    one, two = (gw.post(CHAT, ask(max_tokens=50)) for _ in range(2))
    three = gw.post(CHAT, ask(max_tokens=50, stream=True))
    assert [status(r) for r in (one, two, three)] == ["miss", "hit", "hit"]
    assert text_of(one) == text_of(two) == text_of(three) == "Hello"
    assert len(up.requests) == 1


def test_not_deterministic(serve):
    gw, up = serve(lines=[CACHE])
    for _ in range(2):
        assert status(gw.chat()) == "bypass"
    assert len(up.requests) == 2


def test_always(serve):
    gw, up = serve(lines=["cache ttl=1m always;"])
    assert [status(gw.chat()) for _ in range(2)] == ["miss", "hit"]


def test_off(serve):
    gw, up = serve(lines=["cache off;"])
    assert [status(gw.post(CHAT, ask())) for _ in range(2)] == [None, None]


def test_expires(serve):
    gw, up = serve(lines=["cache ttl=100ms;"])
    assert status(gw.post(CHAT, ask())) == "miss"
    wait_for(lambda: status(gw.post(CHAT, ask())) == "miss", 5, "its end")


@pytest.mark.parametrize("wish, got", [
    ("no-cache", ["bypass", "hit"]), ("no-store", ["miss", "miss"])])
def test_callers_wish(serve, wish, got):
    gw, up = serve(lines=[CACHE])
    first = gw.post(CHAT, ask(), [("X-LLM-Cache", wish)])
    assert [status(first), status(gw.post(CHAT, ask()))] == got


@pytest.mark.parametrize("wishes", [("no-cache", "no-store"),
                                    ("no-store", "no-cache")])
def test_wishes_of_two_lines(serve, wishes):
    """A header that is there twice is one list."""
    gw, up = serve(lines=[CACHE])
    first = gw.post(CHAT, ask(), [("x-llm-cache", wish) for wish in wishes])
    assert [status(first), status(gw.post(CHAT, ask()))] == ["bypass", "miss"]


BAD = {
    "error": answers.openai_error(500),
    "refused": answers.openai_error(400, type="invalid_request_error"),
    "length": openai_wire.server(Reply(finish="length")),
    "filtered": openai_wire.server(Reply(finish="content_filter")),
    "cut": lambda x: answers.events(
        openai_wire.chat_stream(Reply(), x.request.json)[:3],
        finish=lambda x: x.close())(x),
    "error_in_stream": lambda x: answers.events(
        openai_wire.chat_stream(Reply(), x.request.json)[:3]
        + [b'data: {"error":{"message":"no","type":"server_error"}}\n\n'])(x),
}


@pytest.mark.parametrize("bad", BAD)
def test_never_kept(serve, bad):
    gw, up = serve(BAD[bad], lines=[CACHE])
    gw.allow("upstream prematurely closed")
    for _ in range(2):
        got = gw.post(CHAT, ask(stream="stream" in bad or bad == "cut"))
        assert status(got) == "miss"
    assert len(up.requests) == 2


def test_failed_checks_are_not_kept(serve):
    rules = """
    llm_pattern greeting w.*rld;
    llm_rules marks { output mark match=greeting; }
    """
    gw, up = serve(lines=[CACHE, "rules marks;"], http=rules)
    assert [status(gw.post(CHAT, ask())) for _ in range(2)] == ["miss"] * 2


def test_larger_than_max_size(serve):
    gw, up = serve(Reply(text="x" * 3000), lines=["cache max_size=2k;"])
    assert [status(gw.post(CHAT, ask())) for _ in range(2)] == ["miss"] * 2
    assert [status(gw.post(CHAT, ask(stream=True)))
            for _ in range(2)] == ["miss"] * 2


def test_large_ones_and_eviction(serve):
    """Answers of many blocks come back whole; old ones make room."""
    def script(x):
        asked = x.request.json
        text = asked["messages"][0]["content"] * 20000
        answers.json(openai_wire.chat(Reply(text=text), asked))(x)

    gw, up = serve(script, lines=["cache ttl=1m;"],
                   http="llm_cache size=1m;\n")
    for name in "abcdefghij":
        for expected in ("miss", "hit"):
            got = gw.post(CHAT, ask(name * 10))
            assert status(got) == expected
            assert text_of(got) == name * 200000
    assert status(gw.post(CHAT, ask("a" * 10))) == "miss"


def test_scopes_keys_and_prompts_are_apart(serve):
    """No answer crosses a scope, a route, a dialect or a parameter."""
    def script(x):
        said = f"{len(up.requests)}"
        answers.json(openai_wire.chat(Reply(text=said), x.request.json))(x)

    gw, up = serve(script, lines=["cache scope=$http_x_scope;"])
    seen = {}
    variants = [ask(), ask("ho"), ask(seed=1), ask(n=1), ask(top_p=0.5),
                ask(max_tokens=5), {**ask(), "model": "other"},
                ask(user="u") | {"messages": [
                    {"role": "system", "content": "s"},
                    {"role": "user", "content": "hi"}]}]
    for turn in range(2):
        for scope in ("", "a", "b", "ab"):
            for i, body in enumerate(variants):
                got = gw.post(CHAT, body, [("X-Scope", scope)])
                key = (scope, i)
                if turn == 0:
                    assert status(got) == "miss", (scope, body)
                    assert text_of(got) not in seen.values()
                    seen[key] = text_of(got)
                else:
                    assert status(got) == "hit"
                    assert text_of(got) == seen[key]
    # order and white space of members are nothing
    body = json.dumps(dict(reversed(ask().items())), indent=2).encode()
    assert text_of(gw.post(CHAT, body, [("X-Scope", "a")])) == seen["a", 0]


@pytest.mark.parametrize("scope", ["", "scope=all"])
def test_callers_own_keys_are_apart(gateway, provider, scope):
    """Who brings a key gets what it has paid for, unless scope= says more."""
    def script(x):
        key = x.request.header("authorization") or ""
        if not key.startswith("Bearer good"):
            answers.error("openai", 401)(x)
            return
        answers.json(openai_wire.chat(Reply(text=key), x.request.json))(x)

    def post(key):
        return gw.post(CHAT, ask(), [("Authorization", key)] if key else [])

    up = provider(script)
    gw = gateway(http=f"""
        upstream up {{ server 127.0.0.1:{up.port}; llm_dialect openai;
                      llm_api_key $http_authorization; }}
        llm_route r {{ match *; target up; cache ttl=1m {scope}; }}""")

    for key, expected in ("Bearer good1", "miss"), ("bearer good1", "hit"):
        got = post(key)                      # one key
        assert (text_of(got), status(got)) == ("Bearer good1", expected)

    if scope:
        assert text_of(post("Bearer bad")) == "Bearer good1"
        return

    for key in ("Bearer bad", "", "bad key"):
        got = post(key)
        assert (got.status, status(got)) == (401, "miss"), key

    for expected in ("miss", "hit"):
        got = post("Bearer good2")
        assert (text_of(got), status(got)) == ("Bearer good2", expected)

    assert status(post("Bearer good1")) == "hit"
    assert len(up.requests) == 5


def test_versions_of_a_prompt_are_apart(serve, tmp_path):
    """Also where both make the same request of it."""
    for version in "12":
        (tmp_path / f"{version}.json").write_text(json.dumps(
            {"messages": [{"role": "system", "content": "s"}, "{{>messages}}"],
             "notes": version}))
    gw, up = serve(Reply(), lines=[CACHE], http="".join(
        f"llm_prompt p {v} {tmp_path}/{v}.json;\n" for v in "12"))
    for expected in ("miss", "hit"):
        for version in "12":
            got = gw.post(CHAT, ask(), [("x-llm-prompt", f"p@{version}")])
            assert status(got) == expected, version
    assert len(up.requests) == 2


def test_values_that_are_put_back_are_nobody_else_s(serve):
    """What two callers ask looks the same once their values are taken out."""
    def script(x):
        said = x.request.json["messages"][0]["content"]
        answers.json(openai_wire.chat(Reply(text=said), x.request.json))(x)

    gw, up = serve(script, lines=["rules r;", CACHE],
                   http=f"include {ROOT}/lua-free-rules/personal/pack.conf;\n"
                        "llm_rules r { input redact match=email reversible; "
                        "}\n")
    for who in ("ann@example.org", "bob@example.org") * 2:
        got = gw.post(CHAT, ask(f"I am {who}"))
        assert text_of(got) == f"I am {who}"
        assert status(got) == "bypass"
    assert {r.json["messages"][0]["content"] for r in up.requests} \
        == {up.requests[0].json["messages"][0]["content"]}


def test_tenants_are_apart_by_default(serve, tmp_path):
    keys = tmp_path / "keys.conf"
    keys.write_text("".join(
        f"sha256:{hashlib.sha256(k.encode()).hexdigest()} "
        f"client={k} tenant={k[:4]};\n" for k in ("aaaa1", "aaaa2", "bbbb1")))
    keys.chmod(0o600)
    gw, up = serve(lines=[CACHE], http=f"llm_keys {keys};\n",
                   location="llm_auth on; llm_pass;")
    got = [status(gw.post(CHAT, ask(), [("Authorization", f"Bearer {k}")]))
           for k in ("aaaa1", "aaaa2", "bbbb1", "bbbb1")]
    assert got == ["miss", "hit", "miss", "hit"]


# -- quotas -------------------------------------------------------------------

@pytest.mark.parametrize("count, refused", [("", 0), ("count=on", 1)])
def test_quota(serve, count, refused):
    gw, up = serve(lines=[f"cache ttl=1m {count};", "limit l;"],
                   http="llm_limit l key=x tokens=60/h;\n")
    got = [gw.post(CHAT, ask(max_tokens=7)).status for _ in range(6)]
    assert got.count(429) >= refused and (refused or got == [200] * 6)


# -- stale --------------------------------------------------------------------

def failing(up_state, good):
    def script(x):
        if up_state["down"]:
            answers.openai_error(up_state["down"])(x)
        else:
            good(x)
    return script


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("down", [500, 429])
def test_stale_if_error(serve, clock, stream, down):
    state = {"down": 0}
    gw, up = serve(failing(state, openai_wire.server(Reply(text="old"))),
                   lines=["cache ttl=1m stale_if_error=1h;"])
    assert status(gw.post(CHAT, ask())) == "miss"
    clock.sleep(minutes=1)
    state["down"] = down
    got = gw.post(CHAT, ask(stream=stream))
    assert (got.status, status(got), text_of(got)) == (200, "stale", "old")
    assert got.complete
    # and without any target that could be asked
    for _ in range(5):
        got = gw.post(CHAT, ask(stream=stream))
        assert (got.status, status(got), text_of(got)) == (200, "stale", "old")
    assert gw.post(CHAT, ask("other")).status in (down, 503)


def test_stale_if_unreachable(serve, clock):
    gw, up = serve(Reply(text="old"),
                   lines=["cache ttl=1m stale_if_error=1h;"])
    assert status(gw.post(CHAT, ask())) == "miss"
    clock.sleep(minutes=1)
    up.stop()
    got = gw.post(CHAT, ask())
    assert (got.status, status(got), text_of(got)) == (200, "stale", "old")
    gw.allow("Connection refused")


# -- forms --------------------------------------------------------------------

def test_the_stream_of_a_whole_answer_has_all_of_it(serve):
    whole = openai_wire.chat(Reply(text="a"), ask())
    whole["service_tier"] = "flex"
    whole["choices"][0]["logprobs"] = {
        "content": [{"token": "a", "logprob": -0.5, "top_logprobs": []}]}
    gw, up = serve(answers.json(whole), lines=[CACHE])
    assert status(gw.post(CHAT, ask(logprobs=True))) == "miss"
    got = gw.post(CHAT, ask(logprobs=True, stream=True))
    assert (status(got), text_of(got)) == ("hit", "a")
    chunks = [e.json for e in got.events if e.data != "[DONE]"]
    assert {c["service_tier"] for c in chunks} == {"flex"}
    logprobs = [c["choices"][0]["logprobs"] for c in chunks]
    assert [p for p in logprobs if p] == [whole["choices"][0]["logprobs"]]


# -- replay= ------------------------------------------------------------------

def test_paced(serve):
    text = "word " * 40
    gw, up = serve(Reply(text=text, piece=5, output=40),
                   lines=["cache ttl=1m replay=100tps;"])
    first = gw.post(CHAT, ask(stream=True))
    begin = time.monotonic()
    again = gw.post(CHAT, ask(stream=True))
    took = time.monotonic() - begin
    assert status(again) == "hit" and text_of(again) == text_of(first) == text
    assert took > 0.2
    # whoever leaves in the middle leaves nothing behind
    client = gw.connect()
    client.request("POST", CHAT, json=ask(stream=True)).read_head()
    client.close()


def said_in_pieces(events):
    """Texts of a stream, and arguments of its tool calls, piece by piece."""
    texts, arguments = [], []
    for event in events:
        if event.data == "[DONE]":
            continue
        data = event.json
        delta = data.get("delta") or {}
        if isinstance(delta, str):
            (arguments if "arguments" in data["type"] else texts).append(delta)
        else:
            texts.append(delta.get("text"))
            arguments.append(delta.get("partial_json"))
        for choice in data.get("choices", []):
            delta = choice.get("delta") or {}
            texts.append(choice.get("text") or delta.get("content"))
            for call in delta.get("tool_calls", []):
                arguments.append(call["function"]["arguments"])
    return [list(filter(None, pieces)) for pieces in (texts, arguments)]


@pytest.mark.parametrize("api", APIS)
def test_paced_though_it_was_a_document(serve, api):
    """Its texts come in pieces, between characters, and take their time."""
    dialect, path, body = APIS[api]
    text = "wörd \U0001f600 " * 20
    called = {"path": "ü" * 60}
    gw, up = serve(Reply(text=text, tools=[] if api == "completions"
                         else [Tool("f", called)]),
                   dialect=dialect, lines=["cache ttl=1m replay=400tps;"])
    assert status(gw.post(path, body)) == "miss"
    begin = time.monotonic()
    again = gw.post(path, {**body, "stream": True})
    took = time.monotonic() - begin
    assert status(again) == "hit" and again.complete
    texts, arguments = said_in_pieces(again.events)
    assert "".join(texts) == text and len(texts) > 10
    assert max(len(piece.encode()) for piece in texts + arguments) < 20
    if api != "completions":
        assert json.loads("".join(arguments)) == called
    assert took > 0.1


# -- flights ------------------------------------------------------------------

def gate(reply, after=3):
    """A stream that stands still after some events until it is let go."""
    go, begun = threading.Event(), threading.Event()

    def script(x):
        parts = openai_wire.chat_stream(reply, x.request.json)
        x.head(200, [answers.EVENTS], chunked=True)
        for part in parts[:after]:
            x.chunk(part)
        begun.set()
        go.wait(20)
        for part in parts[after:]:
            x.chunk(part)
        x.last_chunk()
    return script, begun, go


def under_way(gw, n):
    """Waits until so many callers are."""
    wait_for(lambda: gw.metrics().sum("llm_requests_in_flight") == n, 10,
             f"{n} requests under way")


@pytest.mark.parametrize("workers", [1, 2])
def test_flight_is_shared(serve, workers):
    script, begun, go = gate(Reply(text="abcdefghijkl"))
    gw, up = serve(script, lines=[CACHE], workers=workers)
    clients = [gw.connect() for _ in range(8)]
    clients[0].request("POST", CHAT, json=ask(stream=True))
    assert begun.wait(10)
    for client in clients[1:]:
        client.request("POST", CHAT, json=ask(stream=True))
    whole = gw.connect().request("POST", CHAT, json=ask())
    for client in clients:
        assert client.read_head().status == 200
    # what has come so far is there before the flight is over
    assert not go.is_set()
    go.set()
    got = [client.read() for client in clients] + [whole.read()]
    assert {text_of(r) for r in got} == {"abcdefghijkl"}
    assert all(r.complete for r in got)
    assert [status(r) for r in got[:-1]] == ["miss"] + ["shared"] * 7
    # nothing goes out of a document before its end: it may have come then
    assert status(got[-1]) in ("shared", "hit")
    assert len(up.requests) == 1
    assert status(gw.post(CHAT, ask())) == "hit"


def test_leader_leaves(serve):
    script, begun, go = gate(Reply(text="abcdefghijkl"))
    gw, up = serve(script, lines=[CACHE], workers=2)
    leader = gw.connect()
    leader.request("POST", CHAT, json=ask(stream=True))
    assert begun.wait(10)
    others = [gw.connect() for _ in range(4)]
    for client in others:
        client.request("POST", CHAT, json=ask(stream=True)).read_head()
    leader.close()
    time.sleep(0.05)
    go.set()
    got = [client.read() for client in others]
    assert {text_of(r) for r in got} == {"abcdefghijkl"}
    assert len(up.requests) == 1
    assert status(gw.post(CHAT, ask())) == "hit"


def test_leader_leaves_alone(serve):
    """Nobody follows: the call ends with its caller."""
    script, begun, go = gate(Reply(text="abcdefghijkl"))
    gw, up = serve(script, lines=[CACHE])
    leader = gw.connect()
    leader.request("POST", CHAT, json=ask(stream=True))
    assert begun.wait(10)
    leader.read_head()
    leader.close()
    line = gw.ledger(1)[0]
    assert line["llm_error"] == "client_abort"
    go.set()
    assert status(gw.post(CHAT, ask())) == "miss"


def test_all_leave(serve):
    """The leader, and then who has followed: nobody pays for the rest."""
    go, begun, cut = threading.Event(), threading.Event(), threading.Event()

    def script(x):
        parts = openai_wire.chat_stream(Reply(text="abcdefghijkl"),
                                        x.request.json)
        x.head(200, [answers.EVENTS], chunked=True)
        x.chunk(parts[0])
        begun.set()
        go.wait(20)
        x.chunk(parts[1])
        if x.wait_closed(20):
            cut.set()

    gw, up = serve(script, lines=[CACHE])
    clients = [gw.connect() for _ in range(2)]
    clients[0].request("POST", CHAT, json=ask(stream=True)).read_head()
    assert begun.wait(10)
    clients[1].request("POST", CHAT, json=ask(stream=True)).read_head()
    clients[0].close()
    wait_for(lambda: "is read to the end" in gw.error_log(), 10)
    clients[1].close()
    under_way(gw, 1)
    go.set()
    assert cut.wait(15)
    assert {line["llm_error"] for line in gw.ledger(2)} == {"client_abort"}


def test_followers_leave(serve):
    script, begun, go = gate(Reply(text="abcdefghijkl"))
    gw, up = serve(script, lines=[CACHE])
    leader = gw.connect()
    leader.request("POST", CHAT, json=ask(stream=True))
    assert begun.wait(10)
    for _ in range(3):
        client = gw.connect()
        client.request("POST", CHAT, json=ask(stream=True)).read_head()
        client.close()
    go.set()
    assert text_of(leader.read()) == "abcdefghijkl"


def test_flight_fails_before_it_says_anything(serve):
    """Those who wait ask again: one of them for all."""
    go, begun = threading.Event(), threading.Event()

    def script(x):
        if len(up.requests) == 1:
            begun.set()
            go.wait(20)
            return answers.openai_error(500)(x)
        openai_wire.server(Reply(text="good"))(x)

    gw, up = serve(script, lines=[CACHE], workers=2)
    clients = [gw.connect().request("POST", CHAT, json=ask())]
    assert begun.wait(10)
    clients += [gw.connect().request("POST", CHAT, json=ask(stream=bool(i % 2)))
                for i in range(5)]
    under_way(gw, 6)
    go.set()
    got = [client.read() for client in clients]
    assert got[0].status == 500
    assert [text_of(r) for r in got[1:]] == ["good"] * 5
    assert len(up.requests) == 2


def test_flight_breaks_off(serve):
    """Those who have got a part get an error event."""
    go, begun = threading.Event(), threading.Event()

    def script(x):
        parts = openai_wire.chat_stream(Reply(text="abcdefgh"),
                                        x.request.json)
        x.head(200, [answers.EVENTS], chunked=True)
        for part in parts[:3]:
            x.chunk(part)
        begun.set()
        go.wait(20)
        x.close()

    gw, up = serve(script, lines=[CACHE])
    gw.allow("prematurely closed")
    clients = [gw.connect().request("POST", CHAT, json=ask(stream=True))]
    assert begun.wait(10)
    clients.append(gw.connect().request("POST", CHAT, json=ask(stream=True)))
    for client in clients:
        client.read_head()
    go.set()
    for client in clients:
        got = client.read()
        assert got.complete and "error" in got.events[-1].json


def test_what_was_gathered_of_a_lost_flight_is_freed(serve):
    """Whole answers that have come in part, of which nothing was given."""
    part = "x" * 500_000
    go, begun = threading.Event(), threading.Event()

    def script(x):
        if begun.is_set():
            return openai_wire.server(Reply(text="good"))(x)
        x.head(200, [answers.JSON], length=4 * len(part))
        x.raw(('{"id":"' + part).encode())
        begun.set()
        go.wait(20)
        x.close()

    def lost(seed: int) -> None:
        go.clear(), begun.clear()
        clients = [gw.connect().request("POST", CHAT, json=ask(seed=seed))]
        assert begun.wait(10)
        clients += [gw.connect().request("POST", CHAT, json=ask(seed=seed))
                    for _ in range(6)]
        time.sleep(0.2)
        go.set()
        for client in clients:
            client.read()

    gw, up = serve(script, lines=[CACHE], workers=1)
    gw.allow("prematurely closed")
    lost(0)
    before = gw.rss()
    for seed in range(1, 9):
        lost(seed)
    assert gw.rss() - before < 8_000_000


def test_how_long_it_takes_ends_with_the_answer(serve, clock):
    """Not with the caller's connection, whatever has answered."""
    gw, _ = serve(lines=[CACHE], workers=1)
    seen = []
    for body in ask(), ask(), ask(stream=True), {"model": 5}, []:
        client = gw.connect()
        client.request("POST", CHAT, json=body,
                       headers=[("connection", "close")])
        answer = client.read()
        seen.append((answer.status, answer.header("x-llm-cache")))
        clock.advance(4)
        client.close()
    assert seen[:3] == [(200, "miss"), (200, "hit"), (200, "hit")]
    assert {status for status, _ in seen[3:]} == {400}
    name = "gen_ai_client_operation_duration_seconds_"
    wait_for(lambda: gw.metrics().sum(name + "count") >= 3)
    assert gw.metrics().sum(name + "sum") < 3


def test_leaders_worker_is_killed(serve):
    script, begun, go = gate(Reply(text="abcdefghijkl"))

    def once(x):
        if len(up.requests) == 1:
            return script(x)
        openai_wire.server(Reply(text="again"))(x)

    gw, up = serve(once, lines=[CACHE], workers=2)
    leader = gw.connect()
    leader.request("POST", CHAT, json=ask())
    wait_for(lambda: len(up.requests) == 1, 10, "the call")
    others = [gw.connect().request("POST", CHAT, json=ask())
              for _ in range(12)]
    # who comes later may come to a worker that knows nothing yet
    under_way(gw, 13)
    # whichever worker has it: one of the two
    pids = gw.workers()
    port = up.port
    said = subprocess.run(["ss", "-tnpH", f"dport = :{port}"],
                          capture_output=True, text=True).stdout
    pid = next((p for p in pids if f"pid={p}," in said), None)
    if pid is None:
        pytest.skip("ss does not say whose connection it is")
    gw.kill_worker(pid)
    go.set()
    got = [client.read() for client in others]
    lived = [r for r in got if r.status]
    assert all(text_of(r) == "again" for r in lived)
    assert len(up.requests) <= 3
    wait_for(lambda: len(gw.workers()) == 2, 10, "a new worker")
    # a worker that has just begun first reads what was purged
    wait_for(lambda: status(gw.post(CHAT, ask())) == "hit", 10, "a hit")


def test_share_off(serve):
    script, begun, go = gate(Reply(text="abcdefghijkl"))
    gw, up = serve(script, lines=["cache ttl=1m share=off;"])
    clients = [gw.connect().request("POST", CHAT, json=ask(stream=True))
               for _ in range(3)]
    wait_for(lambda: len(up.requests) == 3, 10, "three calls")
    go.set()
    assert {text_of(c.read()) for c in clients} == {"abcdefghijkl"}


def test_reload_keeps_entries(serve):
    gw, up = serve(lines=[CACHE])
    assert status(gw.post(CHAT, ask())) == "miss"
    gw.reload()
    wait_for(lambda: status(gw.post(CHAT, ask())) == "hit", 10, "a hit")
    assert len(up.requests) <= 2


def test_reload_while_a_flight_is_followed(serve):
    """A worker that is to exit stays for those who follow another one's."""
    text = "abcdefghijkl"
    step, begun = threading.Semaphore(0), threading.Event()

    def script(x):
        parts = openai_wire.chat_stream(Reply(text=text), x.request.json)
        x.head(200, [answers.EVENTS], chunked=True)
        for n, part in enumerate(parts):
            x.chunk(part)
            if n == 1:
                begun.set()
            if n < 4:
                step.acquire(timeout=20)
        x.last_chunk()

    gw, up = serve(script, lines=[CACHE], workers=2, listen="reuseport",
                   server="location = /pid { return 200 $pid; }")
    clients = [gw.connect() for _ in range(32)]
    assert len({client.request("GET", "/pid").read().body
                for client in clients}) == 2
    step.release()
    clients[0].request("POST", CHAT, json=ask(stream=True))
    assert begun.wait(10)
    for client in clients[1:]:
        client.request("POST", CHAT, json=ask(stream=True)).read_head()
    gw.process.send_signal(signal.SIGHUP)
    wait_for(lambda: gw.error_log().count("gracefully shutting down") == 2, 10)
    for _ in range(3):
        step.release()
    got = [client.read() for client in clients]
    assert [text_of(r) for r in got] == [text] * 32
    assert all(r.complete for r in got)
    assert len(up.requests) == 1


@pytest.mark.parametrize("line, said", [
    ("cache ttl=;", 'invalid "ttl=" in "cache", write a time'),
    ("cache ttl=abc;", 'invalid "ttl=abc" in "cache"'),
    ("cache replay=80;", 'write tokens per second'),
    ("cache max_size=8m;", "write a size from 1k to 4m"),
    ("cache count=yes;", 'write "count=on" or "count=off"'),
    ("cache speed=1;", 'invalid parameter "speed=1"'),
    ("cache off; cache off; cache ttl=1m; cache ttl=1m;", "is duplicate"),
    ("cache stale=1h stale_if_error=1m;", "is shorter than"),
])
def test_conf_errors(serve, line, said):
    gw, up = serve(lines=[line], start=False)
    check = gw.check()
    assert not check.ok and said in check.stderr


def test_conf_zone(serve):
    gw, up = serve(lines=[CACHE], start=False, http="llm_cache size=1k;\n")
    assert 'write at least "size=1m"' in gw.check().stderr


MANY = int(os.environ.get("LLMOPS_FLIGHT", "1000"))


@pytest.mark.parametrize("leaves", [None, 0, 3, 9])
def test_a_thousand(serve, leaves):
    """One call for all, in both workers; the first may leave at any time."""
    text = "abcdefghijklmnopqrstuvwxyz" * 2
    step = threading.Semaphore(0)

    def script(x):
        parts = openai_wire.chat_stream(Reply(text=text), x.request.json)
        x.head(200, [answers.EVENTS], chunked=True)
        for part in parts:
            step.acquire(timeout=20)
            x.chunk(part)
        x.last_chunk()

    # whichever is stopped for a while: each has its part of the connections
    gw, up = serve(script, lines=[CACHE], workers=2, listen="reuseport")
    body = json.dumps(ask(stream=True)).encode()
    leader = gw.connect(timeout=60)
    leader.request("POST", CHAT, body)
    wait_for(lambda: len(up.requests) == 1, 10, "the call")
    clients = [gw.connect(timeout=60).request("POST", CHAT, body)
               for _ in range(MANY - 1)]
    for n in range(30):
        if n == leaves:
            leader.close()
            time.sleep(0.05)
        step.release()
    for _ in range(2 * len(text)):
        step.release()
    got = [client.read() for client in clients]
    if leaves is None:
        got.append(leader.read())
    assert {text_of(r) for r in got} == {text}
    assert all(r.complete for r in got)
    assert len(up.requests) <= (1 if leaves is None else 2)
    used = {line["pid"] for line in gw.ledger(MANY - 1, 20)}
    assert len(used) == 2


@pytest.mark.parametrize("stream", [False, True])
def test_stale_while_revalidate(serve, clock, stream):
    """The old answer at once, a new one behind it, once."""
    go = threading.Event()

    def script(x):
        if len(up.requests) > 1:
            go.wait(20)
        openai_wire.server(Reply(text=f"n{len(up.requests)}"))(x)

    gw, up = serve(script, lines=["cache ttl=10s stale=1h;"], workers=2)
    assert text_of(gw.post(CHAT, ask())) == "n1"
    # after half a minute without a sign a worker counts as dead to the other
    clock.sleep(seconds=10)
    for _ in range(4):
        got = gw.post(CHAT, ask(stream=stream))
        assert (status(got), text_of(got)) == ("stale", "n1")
    wait_for(lambda: len(up.requests) == 2, 10, "the question")
    assert up.requests[1].json["temperature"] == 0
    go.set()
    wait_for(lambda: text_of(gw.post(CHAT, ask())) != "n1", 10, "the answer")
    assert len(gw.ledger(6)) >= 6
    assert len(up.requests) == 2


def test_stale_while_the_provider_is_down(serve, clock):
    state = {"down": 0}
    gw, up = serve(failing(state, openai_wire.server(Reply(text="old"))),
                   lines=["cache ttl=1m stale=1h;"])
    assert status(gw.post(CHAT, ask())) == "miss"
    clock.sleep(minutes=1)
    state["down"] = 500
    for _ in range(3):
        got = gw.post(CHAT, ask())
        assert (status(got), text_of(got)) == ("stale", "old")


def test_a_refresh_asks_the_same(serve, clock):
    """With the arguments that the answer depends on."""
    gw, up = serve(lines=["cache ttl=10s stale=1h;"])
    path = CHAT + "?api-version=7&x=%20y"
    assert status(gw.post(path, ask())) == "miss"
    clock.sleep(seconds=10)
    assert status(gw.post(path, ask())) == "stale"
    wait_for(lambda: len(up.requests) == 2, 10, "the question")
    assert up.requests[0].target == up.requests[1].target
    assert up.requests[0].target.endswith("?api-version=7&x=%20y")


# -- what has no other form ---------------------------------------------------

AUDIO = [b'data: {"id":"chatcmpl-1234567","object":"chat.completion.chunk",'
         b'"created":1700000000,"model":"m","choices":[{"index":0,"delta":' + d
         + b',"finish_reason":' + f + b'}]}\n\n'
         for d, f in ((b'{"role":"assistant","audio":{"data":"QUJD"}}',
                       b'null'), (b'{}', b'"stop"'))] + [b"data: [DONE]\n\n"]


@pytest.mark.parametrize("shared", [False, True])
def test_what_has_no_other_form_is_asked_for(serve, shared):
    """A stream of sound is no document: who wants one asks for it himself."""
    go, begun = threading.Event(), threading.Event()

    def script(x):
        if not x.request.json.get("stream"):
            return openai_wire.server(Reply(text="whole"))(x)
        x.head(200, [answers.EVENTS], chunked=True)
        x.chunk(AUDIO[0])
        begun.set()
        go.wait(20)
        for part in AUDIO[1:]:
            x.chunk(part)
        x.last_chunk()

    gw, up = serve(script, lines=[CACHE])
    first = gw.connect().request("POST", CHAT, json=ask(stream=True))
    assert begun.wait(10)
    if shared:
        second = gw.connect().request("POST", CHAT, json=ask())
        under_way(gw, 2)
        go.set()
    else:
        go.set()
        assert first.read().complete
        second = gw.connect().request("POST", CHAT, json=ask())
    got = second.read()
    assert (got.status, status(got), text_of(got)) == (200, "miss", "whole")
    # nothing was saved by it
    assert gw.metrics().sum("llm_cache_saved_tokens_total") == 0
    again = gw.post(CHAT, ask(stream=True))
    assert status(again) == "hit" and b"QUJD" in again.body


def test_choices_without_an_index(serve):
    """Some servers leave it out; there is one."""
    def script(x):
        x.head(200, [answers.EVENTS], chunked=True)
        for delta, end in (('{"role":"assistant","content":"a"}', "null"),
                           ('{"content":"b"}', '"stop"')):
            x.chunk(('data: {"id":"chatcmpl-1234567","created":1700000000,'
                     '"object":"chat.completion.chunk","model":"m","choices":'
                     '[{"delta":%s,"finish_reason":%s}]}\n\n'
                     % (delta, end)).encode())
        x.chunk(b"data: [DONE]\n\n")
        x.last_chunk()

    gw, up = serve(script, lines=[CACHE])
    assert status(gw.post(CHAT, ask(stream=True))) == "miss"
    got = gw.post(CHAT, ask())
    assert (got.status, status(got), text_of(got)) == (200, "hit", "ab")
    assert got.json["choices"][0]["index"] == 0


def test_an_id_that_stands_elsewhere_too(serve):
    """Only the id is another one, where a server counts its answers."""
    def script(x):
        x.head(200, [answers.EVENTS], chunked=True)
        for delta, end in (('{"content":"7123"}', "null"), ("{}", '"stop"')):
            x.chunk(('data: {"created":1712345678,"model":"m7123","object":'
                     '"chat.completion.chunk","id":"12345","choices":[{"index"'
                     ':0,"delta":%s,"finish_reason":%s}]}\n\n'
                     % (delta, end)).encode())
        x.chunk(b"data: [DONE]\n\n")
        x.last_chunk()

    gw, up = serve(script, lines=[CACHE])
    assert status(gw.post(CHAT, ask(stream=True))) == "miss"
    again = gw.post(CHAT, ask(stream=True))
    assert status(again) == "hit" and text_of(again) == "7123"
    chunks = [event.json for event in again.events[:-1]]
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert all(abs(chunk["created"] - time.time()) < 60 for chunk in chunks)
