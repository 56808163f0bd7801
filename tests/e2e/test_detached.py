"""Requests of the gateway's own, through a module of the tests' own."""

from __future__ import annotations

import json
import signal
import threading

import pytest

from harness import Reply, answers, openai_wire, wait_for
from harness.nginx import route
from harness.util import LATE, wait_taken

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
PRICE = "llm_price model input=1 output=2;"


def text_of(result) -> str:
    return json.loads(result["answer"])["choices"][0]["message"]["content"]


def settled(gw):
    wait_for(lambda: gw.metrics().sum("llm_detached_in_flight") == 0, 5,
             "no detached request to be under way")


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_a_whole_answer(detached_driver, provider, dialect):
    up = provider(dialect=dialect)
    gw, ask = detached_driver(up.upstream("up", PRICE) + route("target up;"),
                              "up/model")
    [result] = ask(CHAT)
    assert result["status"] == 200 and result["error"] == ""
    assert text_of(result) == Reply().text
    assert result["target"] == "up/model" and result["attempts"] == 1
    assert result["output"] > 0
    assert result["cost"] == (result["input"] + 2 * result["output"]) * 10**6
    assert up.requests[0].json["model"] == "model"
    metrics = gw.metrics()
    assert metrics.sum("llm_requests_total", route="test",
                       target="up/model") == 1
    assert metrics.sum("llm_requests_in_flight") == 0
    assert metrics.sum("llm_cost_usd_total", route="test") == \
        pytest.approx(result["cost"] / 10**12)
    assert gw.chat().status == 200
    assert [line["request_uri"] for line in gw.ledger()] == [
        "/v1/chat/completions"]


def test_a_stream_is_kept_as_it_is(detached_driver, provider):
    up = provider()
    gw, ask = detached_driver(up.upstream("up") + route("target up;"), "up")
    [result] = ask({**CHAT, "stream": True})
    assert result["status"] == 200 and result["error"] == ""
    assert result["answer"].endswith("data: [DONE]\n\n")
    assert result["first"] >= 0 and result["output"] > 0


def test_a_route_fails_over(detached_driver, provider):
    bad, good = provider(answers.openai_error(500)), provider()
    gw, ask = detached_driver(
        bad.upstream("bad") + good.upstream("good")
        + route("target bad;", "fallback good;"), "bad")
    [result] = ask(CHAT, route="r")
    assert result["status"] == 200 and result["attempts"] == 2
    assert result["target"] == "good"
    assert gw.metrics().sum("llm_requests_total", route="r:test") == 1
    assert not gw.metrics().has("llm_requests_total", route="r")


@pytest.mark.parametrize("script, status, error", [
    (answers.openai_error(500), 500, ("internal", "upstream_error")),
    (answers.openai_error(401), 502, ("upstream_auth",)),
    (answers.close, 502, ("upstream_error",)),
    (answers.raw(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n"
                 b"content-length: 2\r\n\r\nhi"), 502, ("upstream_error",)),
])
def test_failures(detached_driver, provider, script, status, error):
    up = provider(script)
    gw, ask = detached_driver(up.upstream("up") + route("target up;"), "up")
    gw.allow(r"\[error\]")
    [result] = ask(CHAT)
    assert result["rc"] == "ok" and result["error"] != ""
    assert "error" in json.loads(result["answer"])
    settled(gw)


def test_refused_at_once(detached_driver, provider):
    up = provider()
    gw, ask = detached_driver(
        "upstream dead { server 127.0.0.1:1; llm_dialect openai; }"
        + up.upstream("up") + route("target up;"), "dead")
    gw.allow(r"\[error\]")
    results = ask(CHAT, how="again", n=50)
    assert len(results) == 50
    assert {result["error"] for result in results} != {""}
    settled(gw)


def test_time_is_bounded(detached_driver, provider):
    up = provider(answers.stall)
    gw, ask = detached_driver(up.upstream("up") + route("target up;"), "up")
    [result] = ask(CHAT, timeout=100)
    assert result["status"] == 0 and result["error"] == "timeout"
    assert 90 <= result["total"] < 100 + 3000 * LATE
    metrics = gw.metrics()
    assert metrics.sum("llm_requests_total", route="test",
                       error_type="timeout") == 1
    assert metrics.sum("llm_attempts_total", outcome="total_timeout") == 1
    assert metrics.sum("llm_target_in_flight") == 0
    settled(gw)


def test_a_slow_stream_is_cut(detached_driver, provider, clock):
    stream = openai_wire.chat_stream(Reply(), CHAT)

    def silent(x):
        wait_taken(x.connection.sock)
        clock.advance(60)
        x.stall()
    up = provider(answers.events(stream[:3], finish=silent))
    gw, ask = detached_driver(up.upstream("up") + route("target up;"), "up")
    [result] = ask({**CHAT, "stream": True}, timeout=60000)
    assert result["status"] == 200 and result["error"] == "timeout"
    assert result["answer"].startswith("data: ")
    settled(gw)


def test_memory_is_bounded(detached_driver, provider):
    big = Reply(text="x" * 300000)
    up = provider(big)
    gw, ask = detached_driver(
        "llm_detached requests=4 memory=2m;" + up.upstream("up")
        + route("target up;"), "up")
    [result] = ask(CHAT, max=1000)
    assert result["truncated"] == 1 and len(result["answer"]) == 1000
    assert result["error"] == "" and result["output"] > 0
    [result] = ask(CHAT, max=3 << 20)
    assert result["rc"] == "busy"
    settled(gw)
    assert gw.metrics().sum("llm_detached_dropped_total", route="test") == 1


def test_their_number_is_bounded(detached_driver, provider):
    go = threading.Event()

    def held(x):
        x.wait(go, 20)
        openai_wire.server(Reply())(x)
    up = provider(held)
    gw, ask = detached_driver(
        "llm_detached requests=8;" + up.upstream("up") + route("target up;"),
        "up")
    ask(CHAT, how="leave", n=20, background=1)
    assert gw.metrics().sum("llm_detached_in_flight") == 4
    assert gw.metrics().sum("llm_detached_dropped_total") == 16
    ask(CHAT, how="leave", n=20)
    assert gw.metrics().sum("llm_detached_in_flight") == 8
    assert gw.metrics().sum("llm_detached_dropped_total") == 32
    go.set()
    settled(gw)
    assert gw.get("/detached/seen").body == b"8"


def test_cancel(detached_driver, provider):
    up = provider(answers.stall)
    gw, ask = detached_driver(up.upstream("up") + route("target up;"), "up")
    assert ask(CHAT, how="cancel", n=10, ms=0) == []
    settled(gw)
    assert ask(CHAT, how="cancel", n=10, ms=50) == []
    settled(gw)
    assert gw.get("/detached/seen").body == b"0"
    assert gw.metrics().sum("llm_requests_total", route="test") == 20


def test_a_caller_who_leaves(detached_driver, provider):
    up = provider(answers.stall)
    gw, ask = detached_driver(up.upstream("up") + route("target up;"), "up")
    for turn in range(5):
        client = gw.connect()
        client.request("POST", "/detached/ask?n=4", json=CHAT)
        wait_for(lambda: len(up.requests) == 4 * turn + 4, 5, "the requests")
        client.close()
        settled(gw)
    assert gw.get("/detached/seen").body == b"0"


def test_what_cannot_be_asked(detached_driver, provider):
    up = provider()
    gw, ask = detached_driver(up.upstream("up") + route("target up;"), "up")
    gw.allow(r"\[error\]")
    for body, path in ((b"{", "/v1/chat/completions"), (b"{}", "/v1/messages"),
                       (CHAT, "/v1/models"), (CHAT, "/x")):
        [result] = ask(body, path=path)
        assert result["rc"] == "error", path
    [result] = ask({"model": "m", "input": "x"}, path="/v1/moderations")
    assert result["rc"] == "ok"
    settled(gw)
    assert not up.requests or up.requests[-1].target == "/v1/moderations"


def test_a_blocked_target(detached_driver, provider):
    up = provider(answers.openai_error(429, headers=[("Retry-After", "30")]))
    gw, ask = detached_driver(up.upstream("up") + route("target up;"), "up")
    gw.allow(r"\[error\]")
    [result] = ask(CHAT)
    assert result["status"] == 429 and result["error"] == "rate_limit"
    [result] = ask(CHAT)
    assert result["status"] == 429 and result["attempts"] == 0
    assert len(up.requests) == 1


def test_error_pages_and_logs_of_others_do_not_see_it(detached_driver,
                                                      provider):
    up = provider(answers.close)
    gw, ask = detached_driver(
        up.upstream("up") + route("target up;")
        + "post_action /posted; error_page 502 504 /oops;", "up",
        server="location /oops { return 200 oops; }"
               "location /posted { return 204; }",
        main="", events="")
    gw.allow(r"\[error\]")
    [result] = ask(CHAT)
    assert "error" in json.loads(result["answer"])


def test_a_reload_waits(detached_driver, provider):
    go = threading.Event()

    def held(x):
        x.wait(go, 20)
        openai_wire.server(Reply())(x)
    up = provider(held)
    gw, ask = detached_driver(up.upstream("up") + route("target up;"), "up",
                              workers=2)
    results = []
    thread = threading.Thread(
        target=lambda: results.extend(ask(CHAT, n=5, timeout=15000)))
    thread.start()
    wait_for(lambda: len(up.requests) == 5, 5, "the requests")
    ask(CHAT, how="leave", n=3, timeout=15000)
    wait_for(lambda: len(up.requests) == 8, 5, "the requests")
    gw.reload()
    assert gw.workers(leaving=True)
    go.set()
    thread.join()
    assert [result["error"] for result in results] == [""] * 5
    wait_for(lambda: not gw.workers(leaving=True), 10, "old workers to end")
    assert gw.metrics().sum("llm_requests_total", route="test") == 8
    assert gw.metrics().sum("llm_detached_in_flight") == 0


def test_worker_shutdown_timeout(detached_driver, provider):
    up = provider(answers.stall)
    gw, ask = detached_driver(up.upstream("up") + route("target up;"), "up",
                              main="worker_shutdown_timeout 200ms;")
    ask(CHAT, how="leave", n=5, timeout=60000)
    wait_for(lambda: len(up.requests) == 5, 5, "the requests")
    gw.reload()
    wait_for(lambda: not gw.workers(leaving=True), 10, "old workers to end")
    assert gw.metrics().sum("llm_requests_total", route="test") == 5


def test_the_end_of_all(detached_driver, provider):
    up = provider(answers.stall)
    gw, ask = detached_driver(up.upstream("up") + route("target up;"), "up")
    ask(CHAT, how="leave", n=5, timeout=60000)
    wait_for(lambda: len(up.requests) == 5, 5, "the requests")
    gw.process.send_signal(signal.SIGTERM)
    gw.process.wait(10)


@pytest.mark.parametrize("line", [
    "llm_detached requests=0;", "llm_detached memory=x;", "llm_detached all;",
    "llm_detached requests=1 requests=2;"])
def test_bad_configuration(gateway, line):
    checked = gateway(http=line, location="return 204;", start=False).check()
    assert not checked.ok
    assert "write \"llm_detached requests=256 memory=64m;\"" in checked.stderr
