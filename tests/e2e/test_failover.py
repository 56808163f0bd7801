"""Another target, before the first byte has gone to the caller."""

from __future__ import annotations

import datetime
import email.utils
import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import (Client, Reply, Reserved, SLOW, answers, elapsed,
                     openai_wire, route, sse, wait_for)
from harness.util import LATE

GOOD = Reply(text="from the good one")
#: for those alone that cannot answer at all
TIMES = "llm_timeouts connect=300ms first_token=300ms;"
CALLERS = pytest.mark.parametrize("caller", ["openai", "anthropic"])


def ask(gw, caller="openai", **more):
    return gw.chat(**more) if caller == "openai" else gw.messages(**more)


def text_of(answer, caller="openai", stream=False) -> str:
    if stream:
        text = ""
        for event in answer.events:
            if event.data == "[DONE]":
                continue
            data = event.json
            if caller == "openai":
                text += "".join(c["delta"].get("content") or ""
                                for c in data["choices"])
            else:
                text += data.get("delta", {}).get("text") or ""
        return text
    if caller == "openai":
        return answer.json["choices"][0]["message"]["content"]
    return answer.json["content"][0]["text"]


def after_head(finish):
    def script(x):
        x.head(200, [answers.EVENTS], chunked=True)
        finish(x)
    return script


def silent(x):
    """Says nothing for longer than all times of a gateway with a clock."""
    x.clock.advance(minutes=11)
    x.stall()


def half_a_head(x):
    x.send(b"HTTP/1.1 200 OK\r\nContent-Type: te")
    silent(x)


FIRST_ERROR = answers.events([sse.encode({"error": {
    "message": "no", "type": "server_error", "code": None, "param": None}})])
FIRST_ERROR_NAMED = answers.events([b": hello\n\n", sse.encode(
    {"error": {"message": "no", "type": "server_error"}}, "error")])
ANTHROPIC_FIRST_ERROR = answers.events([sse.encode(
    {"type": "error", "error": {"type": "overloaded_error",
                                "message": "Overloaded"}}, "error")])

#: what fails, and the status in $upstream_status
FAULTS = {
    "408": (answers.openai_error(408), "408"),
    "409": (answers.openai_error(409), "409"),
    "425": (answers.openai_error(425), "425"),
    "429": (answers.openai_error(429), "429"),
    "quota": (answers.openai_error(429, code="insufficient_quota"), "429"),
    "500": (answers.openai_error(500), "500"),
    "502": (answers.body(b"<html>bad</html>", 502, [
        ("Content-Type", "text/html")]), "502"),
    "503": (answers.openai_error(503), "503"),
    "504": (answers.openai_error(504), "504"),
    "529": (answers.openai_error(529), "529"),
    "401": (answers.openai_error(401), "401"),
    "402": (answers.openai_error(402), "402"),
    "403": (answers.openai_error(403), "403"),
    "404": (answers.openai_error(404, code="model_not_found"), "404"),
    "close": (answers.close, "502"),
    "reset": (answers.reset, "502"),
    "stall": (silent, "504"),
    "half-head": (half_a_head, "504"),
    "not-http": (answers.raw(b"SSH-2.0-OpenSSH_9.2\r\n"), "502"),
    "bad-status": (answers.raw(b"HTTP/1.1 2OO OK\r\n\r\n{}"), "502"),
    "big-head": (answers.raw(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 300_000
                             + b"\r\n\r\n"), "502"),
}
STREAM_FAULTS = {
    "first-error": (FIRST_ERROR, None),
    "first-error-named": (FIRST_ERROR_NAMED, None),
    "close-after-head": (after_head(answers.close), None),
    "reset-after-head": (after_head(answers.reset), None),
    "stall-after-head": (after_head(silent), None),
    "empty-stream": (answers.events(b""), None),
    "bad-chunk": (answers.raw(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", then="stall"), None),
    "html": (answers.body(b"<html>hi</html>", headers=[
        ("Content-Type", "text/html")]), None),
}


def on(clock, script):
    """A script that can have its time pass."""
    def run(x):
        x.clock = clock
        script(x)
    return run


def test_an_error_of_anthropic_that_came_with_200(chain):
    gw, ups = chain(answers.json({"type": "error", "error": {
        "type": "overloaded_error", "message": "Overloaded"}}), None,
        dialects=["anthropic"] * 2)
    assert gw.messages().json["type"] == "message"
    assert gw.chat().json["object"] == "chat.completion"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("fault", FAULTS)
@CALLERS
def test_each_fault_alone(chain, clock, fault, stream, caller):
    script, status = FAULTS[fault]
    gw, (bad, good) = chain(on(clock, script), GOOD)
    answer = ask(gw, caller, stream=stream)
    assert answer.status == 200 and answer.complete
    assert text_of(answer, caller, stream) == GOOD.text
    assert answer.header("x-llm-target") == "up1"
    assert answer.header("x-llm-attempts") == "2"
    assert len(bad.requests) == len(good.requests) == 1
    line = gw.ledger()[0]
    assert line["upstream_status"] == f"{status}, 200"
    assert line["llm_attempts"] == "2" and line["llm_provider"]
    assert bad.last.header("authorization") == f"Bearer {bad.key}"
    assert good.last.header("authorization") == f"Bearer {good.key}"


@pytest.mark.parametrize("fault", STREAM_FAULTS)
@CALLERS
def test_each_fault_of_a_stream(chain, clock, fault, caller):
    script, _ = STREAM_FAULTS[fault]
    gw, (bad, good) = chain(on(clock, script), GOOD)
    answer = ask(gw, caller, stream=True)
    assert answer.status == 200 and answer.complete
    assert text_of(answer, caller, True) == GOOD.text
    assert len(bad.requests) == len(good.requests) == 1
    assert "error" not in answer.body.decode()


@CALLERS
def test_an_anthropic_stream_whose_first_event_is_an_error(chain, caller):
    gw, (bad, good) = chain(ANTHROPIC_FIRST_ERROR, GOOD,
                            dialects=["anthropic", "openai"])
    answer = ask(gw, caller, stream=True)
    assert text_of(answer, caller, True) == GOOD.text
    assert len(bad.requests) == len(good.requests) == 1


@pytest.mark.parametrize("size", [2, 300, 5000])
@CALLERS
def test_a_200_whose_body_is_an_error(chain, caller, size):
    script = answers.json({"error": {"message": "n" * size, "type": "x"}})
    gw, (bad, good) = chain(script, GOOD)
    answer = ask(gw, caller)
    assert answer.status == 200 and text_of(answer, caller) == GOOD.text


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("body", [
    b"", b"null", b"[]", b'{"id":"x","choices":[{"index":0,"mess'],
    ids=["empty", "null", "array", "cut"])
def test_a_200_that_is_no_answer(chain, body, framing):
    gw, (first, second) = chain(answers.body(body, framing=framing), None)
    answer = gw.chat()
    assert answer.status == 200 and answer.json["choices"]
    assert answer.header("x-llm-attempts") == "2"
    assert len(second.requests) == 1


@pytest.mark.parametrize("split", [1, 3])
def test_a_first_error_that_comes_in_pieces(chain, split):
    error = sse.encode({"error": {"message": "no", "type": "x"}})
    gw, (bad, good) = chain(answers.events([error], split=split), GOOD)
    assert text_of(gw.chat(stream=True), stream=True) == GOOD.text


def test_refused_and_unresolvable(gateway, provider, dns):
    closed, good = Reserved(), provider(GOOD)
    gw = gateway(http=dns.directive + f"""
        upstream refused {{ server 127.0.0.1:{closed.port};
                           llm_dialect openai; }}
        upstream unknown {{ llm_endpoint http://nowhere.test/v1;
                           llm_dialect openai; }}
        {good.upstream("good")}""" + route(
            "target refused;", "fallback unknown;", "fallback good;"))
    answer = gw.chat()
    assert answer.status == 200 and text_of(answer) == GOOD.text
    assert gw.ledger()[0]["upstream_status"].endswith("200")
    closed.close()


def test_never_accepted(gateway, provider):
    """A full backlog: the connection is never made."""
    deaf = socket.socket()
    deaf.bind(("127.0.0.1", 0))
    deaf.listen(0)
    port = deaf.getsockname()[1]
    fillers = []
    for _ in range(4):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(("127.0.0.1", port))
        fillers.append(filler)
    good = provider(GOOD)
    gw = gateway(http=f"""
        upstream deaf {{ server 127.0.0.1:{port}; llm_dialect openai;
                        {TIMES} }}
        {good.upstream("good")}""" + route("target deaf;", "fallback good;"))
    answer = gw.chat()
    assert answer.status == 200 and text_of(answer) == GOOD.text
    assert gw.ledger()[0]["upstream_status"] == "504, 200"
    for sock in [deaf, *fillers]:
        sock.close()


def test_eight_that_fail_and_the_ninth(gateway, provider, authority, clock):
    bad_tls = provider(tls=authority.server_context("wrong.test"))
    scripts = [FIRST_ERROR, answers.openai_error(529),
               answers.openai_error(429), silent, after_head(silent),
               answers.openai_error(503), answers.close]
    ups = [provider(on(clock, s)) for s in scripts]
    ups += [bad_tls, provider(GOOD)]
    blocks = "".join(
        up.upstream(f"up{i}", *([
            f"llm_ssl_trusted_certificate {authority.pem};",
            "llm_ssl_name right.test;"] if up.tls else []))
        for i, up in enumerate(ups))
    lines = ["target up0;"] + [f"fallback up{i};" for i in range(1, 9)]
    gw = gateway(http=blocks + route(*lines, "retry attempts=9;"))
    for caller in ("openai", "anthropic"):
        answer = ask(gw, caller, stream=True)
        assert answer.status == 200 and answer.complete
        assert text_of(answer, caller, True) == GOOD.text
        assert answer.header("x-llm-target") == "up8"
    story = gw.ledger(2)[0]["upstream_status"].split(", ")
    assert len(story) == 9
    assert story[1:4] == ["529", "429", "504"]
    assert story[5:7] == ["503", "502"] and story[8] == "200"
    assert all(len(up.requests) >= 1 for up in ups if up is not bad_tls)


def test_attempts_are_counted(chain):
    gw, ups = chain(*[answers.openai_error(500, f"number {i}")
                      for i in range(5)], retry="attempts=3")
    answer = gw.chat()
    assert answer.status == 500
    assert answer.json["error"]["message"] == "number 2"
    assert [len(up.requests) for up in ups] == [1, 1, 1, 0, 0]
    assert answer.header("x-llm-attempts") == "3"


def test_only_what_is_listed_is_tried_again(chain):
    gw, (bad, good) = chain(answers.openai_error(500), GOOD,
                            retry="attempts=3 on=connect,429")
    assert gw.chat().status == 500 and not good.requests


@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_is_the_callers_fault_is_not_tried_again(chain, status):
    gw, (bad, good) = chain(answers.openai_error(status), GOOD)
    assert gw.chat().status == status
    assert len(bad.requests) == 1 and not good.requests


def test_the_time_for_all_attempts(chain):
    gw, ups = chain(*[answers.stall] * 6, upstream=[TIMES],
                    retry="attempts=6 timeout=700ms")
    took, answer = elapsed(lambda: gw.chat(stream=True))
    assert took < 0.7 + 2 * LATE
    assert answer.status == 504
    assert sum(len(up.requests) for up in ups) < 6


def test_nothing_is_tried_again_after_the_first_byte(chain):
    stream = openai_wire.chat_stream(Reply(), {"model": "m"})[:3]
    gw, (bad, good) = chain(answers.events(stream, finish=answers.close),
                            GOOD)
    answer = gw.chat(stream=True)
    assert answer.complete and answer.events[-1].json["error"]
    assert not good.requests


# -- the last provider's error ------------------------------------------------

@pytest.mark.parametrize("last", ["openai", "anthropic"])
@CALLERS
def test_the_last_error_in_the_callers_dialect(chain, caller, last):
    gw, ups = chain(answers.openai_error(500, "first"),
                    answers.error(last, 429, "the last word"),
                    dialects=["openai", last])
    answer = ask(gw, caller)
    assert answer.status == 429
    error = answer.json["error"]
    assert error["message"] == "the last word"
    if caller == "openai":
        assert set(error) >= {"message", "type", "param", "code"}
        assert "type" not in answer.json
    else:
        assert answer.json["type"] == "error"
        if last == "openai":
            assert error["type"] == "rate_limit_error"
    assert answer.header("x-should-retry") == "false"


@CALLERS
def test_nothing_answers(gateway, caller):
    ports = [Reserved() for _ in range(2)]
    blocks = "".join(f"""
        upstream u{i} {{ server 127.0.0.1:{p.port}; llm_dialect openai; }}"""
                     for i, p in enumerate(ports))
    gw = gateway(http=blocks + route("target u0;", "fallback u1;"))
    answer = ask(gw, caller)
    assert answer.status == 502
    error = answer.json["error"]
    kind = {"openai": "server_error", "anthropic": "api_error"}[caller]
    assert error["type"] == kind
    assert str(ports[0].port) not in answer.body.decode()
    assert "127.0.0.1" not in answer.body.decode()
    assert answer.header("x-should-retry") == "false"
    assert gw.ledger()[0]["upstream_status"].count("502") == 2


def test_an_html_error_becomes_json(chain):
    gw, (up,) = chain(answers.body(b"<html><h1>Bad gateway</h1></html>", 502,
                                   [("Content-Type", "text/html")]))
    answer = ask(gw, "anthropic")
    assert answer.status == 502
    assert answer.header("content-type").startswith("application/json")
    assert answer.json["error"]["type"] == "api_error"


# -- wait hints ---------------------------------------------------------------

def in_(seconds: float) -> datetime.datetime:
    now = datetime.datetime.now(datetime.timezone.utc)
    return now + datetime.timedelta(seconds=seconds)


HINTS = {
    "retry-after": lambda: [("Retry-After", "1")],
    "retry-after-decimal": lambda: [("retry-after", "0.9")],
    "retry-after-date": lambda: [("Retry-After", email.utils.format_datetime(
        in_(2), usegmt=True))],
    "retry-after-ms": lambda: [("retry-after-ms", "900")],
    "ms-first": lambda: [("retry-after-ms", "900"), ("retry-after", "60")],
    "x-ms-retry-after-ms": lambda: [("x-ms-retry-after-ms", "900")],
    "reset-requests": lambda: [("x-ratelimit-reset-requests", "900ms")],
    "reset-tokens": lambda: [("x-ratelimit-reset-tokens", "0m0.9s")],
    "anthropic": lambda: [("anthropic-ratelimit-requests-remaining", "0"),
                          ("anthropic-ratelimit-requests-reset",
                           in_(2).strftime("%Y-%m-%dT%H:%M:%SZ"))],
}


def hinted(headers, body=None):
    def script(x):
        answers.json(body or {"error": {"message": "slow down",
                                        "type": "requests"}}, 429,
                     headers())(x)
    return script


def hammer(gw, limited, threads: int = 4) -> list[int]:
    """Statuses of requests on fresh connections from several threads, until
    one of them has come to who wanted to be left alone."""
    statuses: list[int] = []
    deadline = time.monotonic() + 10 * SLOW

    def run():
        while len(limited.requests) < 2 and time.monotonic() < deadline:
            statuses.append(gw.chat().status)
            time.sleep(0.01)
    pool = [threading.Thread(target=run) for _ in range(threads)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()
    return statuses


def left_alone(limited) -> float:
    """For how long: from before it said so to its next request."""
    first, second = limited.requests[:2]
    return second.started - first.started


@pytest.mark.parametrize("hint", HINTS)
def test_a_wait_hint_is_honoured_by_all_workers(chain, hint):
    gw, (limited, good) = chain(hinted(HINTS[hint]), GOOD, workers=3,
                                listen="reuseport")
    assert gw.chat().status == 200
    assert len(limited.requests) == 1
    limited(openai_wire.server(Reply(text="again")))
    assert set(hammer(gw, limited)) == {200}
    assert left_alone(limited) > 0.85, "asked before its time"
    assert len({line["pid"] for line in gw.ledger()}) > 1
    wait_for(lambda: text_of(gw.chat()) == "again", 5, "its turn")


def test_a_wait_hint_in_the_body(chain):
    body = {"error": {"code": 429, "message": "quota", "status":
                      "RESOURCE_EXHAUSTED", "details": [
                          {"@type": "type.googleapis.com/google.rpc.RetryInfo",
                           "retryDelay": "0.9s"}]}}
    gw, (limited, good) = chain(hinted(lambda: [], body), GOOD)
    gw.chat()
    limited(openai_wire.server(Reply(text="again")))
    hammer(gw, limited, 2)
    assert left_alone(limited) > 0.85
    wait_for(lambda: text_of(gw.chat()) == "again", 5, "its turn")


@pytest.mark.parametrize("status,own", [(429, 429), (503, 503)])
@CALLERS
def test_all_have_asked_to_wait(chain, status, own, caller):
    gw, ups = chain(*[answers.openai_error(
        status, headers=[("Retry-After", "60")])] * 2)
    first = ask(gw, caller)
    assert first.status == (status if caller == "openai" or status == 429
                            else first.status)
    answer = ask(gw, caller)
    assert answer.status in ((own,) if caller == "openai" else (own, 529))
    assert 30 <= int(answer.header("retry-after")) <= 60
    assert answer.header("x-should-retry") == "true"
    error = answer.json["error"]
    if status == 429:
        kind = {"openai": "rate_limit_error",
                "anthropic": "rate_limit_error"}[caller]
        assert error["type"] == kind
    assert error["message"]
    assert [len(up.requests) for up in ups] == [1, 1]


def test_a_hint_outlives_a_reload(chain):
    gw, (limited, good) = chain(hinted(lambda: [("Retry-After", "30")]), GOOD)
    gw.chat()
    gw.reload(server="location = /new { return 204; }")
    gw.chat()
    assert len(limited.requests) == 1 and len(good.requests) == 2


def test_a_clock_set_back_prolongs_nothing(chain, clock):
    """What was asked for is half a minute, whatever the time of day is."""
    gw, (limited, good) = chain(hinted(lambda: [("Retry-After", "30")]), GOOD)
    gw.chat()
    limited(openai_wire.server(Reply(text="again")))
    clock.set_back(3600)
    gw.chat()
    assert gw.metrics().sum("llm_target_blocked_seconds") <= 30
    assert len(limited.requests) == 1
    clock.sleep(31)
    assert text_of(gw.chat()) == "again"


def test_a_clock_set_back_keeps_no_breaker_open(chain, clock):
    """A key that is no good is tried again after ten seconds."""
    gw, (broken, good) = chain(answers.openai_error(401), GOOD)
    gw.chat()
    broken(openai_wire.server(Reply(text="again")))
    clock.set_back(3600)
    gw.chat()
    assert len(broken.requests) == 1
    clock.sleep(11)
    assert text_of(gw.chat()) == "again"


# -- answers that come before the question ------------------------------------

EARLY = (b"HTTP/1.1 503 Service Unavailable\r\nX-Old: stale\r\n"
         b"Content-Type: application/json\r\nContent-Length: 26\r\n\r\n"
         b'{"error":{"message":"no"}}')


def early(sock: socket.socket) -> bool:
    """Answers at once, reads nothing, and keeps the socket open."""
    try:
        sock.sendall(EARLY)
    except OSError:
        pass
    return True


def mixed(gw, threads: int, requests: int, models: int) -> list[str]:
    """Answers that have anything of the early ones in them."""
    wrong: list[str] = []

    def run(thread):
        client = Client(gw.port)
        for i in range(requests):
            model = f"m{(thread * requests + i) % models}"
            answer = client.request("POST", "/v1/chat/completions", json={
                "model": model, "messages": []}).read()
            try:
                assert answer.status == 200 and answer.complete
                assert not answer.header("x-old")
                assert len(answer.all("content-length")) <= 1
                assert text_of(answer) == GOOD.text
            except (AssertionError, ValueError, KeyError) as error:
                wrong.append(f"{answer}: {error}")
                client.close()
                client = Client(gw.port)
        client.close()
    pool = [threading.Thread(target=run, args=(i,)) for i in range(threads)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()
    return wrong


def test_answers_of_two_providers_are_never_mixed(gateway, provider):
    """nginx up to 1.28.1 parses the second answer behind the first one.

    One target per model, so that breakers do not keep the early one away.
    """
    models = 240
    first, good = provider(early=early, key=""), provider(GOOD)
    routes = "".join(route(f"target early/m{i};", f"fallback good/m{i};",
                           name=f"r{i}", match=f"m{i}")
                     for i in range(models))
    gw = gateway(http=f"""
        upstream early {{ server 127.0.0.1:{first.port};
                         llm_dialect openai; }}
        {good.upstream("good")} {routes}""")
    wrong = mixed(gw, 24, 60, models)
    assert not wrong, f"{len(wrong)} of 1440: {wrong[0]}"
    assert first.connections >= models
    assert len(good.requests) == 1440


def connecting(port: int) -> bool:
    """Whether a connection to a port of this machine is being made."""
    return any(f":{port:04X} 02 " in line
               for line in open("/proc/net/tcp", encoding="ascii"))


@pytest.mark.parametrize("fields", [
    b"Content-Type: text/html", b"Content-Length: 0",
    b"Transfer-Encoding: chunked"])
def test_what_an_interim_answer_says_of_a_body_is_forgotten(serve, fields):
    def script(x):
        for status in (b"100 Continue", b"103 Early Hints"):
            x.send(b"HTTP/1.1 %s\r\n%s\r\n\r\n" % (status, fields))
        answers.json(openai_wire.chat(Reply(text="Yes."), x.request.json))(x)

    gw, up = serve(script)
    got = gw.chat()
    assert got.status == 200
    assert got.json["choices"][0]["message"]["content"] == "Yes."
    assert got.header("content-type") == "application/json"
    assert len(up.requests) == 1


def test_an_answer_before_the_handshake_is_nobody_s(gateway, provider):
    """nginx up to 1.28.1 takes plain bytes for the answer of a TLS server, if
    they are there when it looks at the connection for the first time: so the
    connection is made, and the worker stopped meanwhile."""
    good = provider(GOOD)
    with socket.socket() as listener, ThreadPoolExecutor(1) as pool:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        gw = gateway(http=f"""
            upstream early {{ llm_endpoint https://127.0.0.1:{port}/v1;
                             llm_dialect openai; llm_ssl_verify off;
                             llm_timeouts connect=20s; }}
            {good.upstream("good")}"""
            + route("target early;", "fallback good;"))
        (pid,) = gw.workers()
        # there is no room for a second one, which has to knock again
        with socket.create_connection(("127.0.0.1", port)):
            call = pool.submit(gw.chat)
            wait_for(lambda: connecting(port))
            os.kill(pid, signal.SIGSTOP)
            try:
                listener.accept()[0].close()
                listener.settimeout(10)
                with listener.accept()[0] as sock:
                    sock.sendall(b"HTTP/1.1 400 Bad Request\r\n"
                                 b"X-Old: stale\r\nContent-Length: 0\r\n\r\n")
                    time.sleep(0.05)
                    os.kill(pid, signal.SIGCONT)
                    answer = call.result()
            finally:
                os.kill(pid, signal.SIGCONT)
    assert answer.status == 200 and text_of(answer) == GOOD.text
    assert not answer.header("x-old")
    assert len(good.requests) == 1


@pytest.mark.skipif("not __import__('os').environ.get('LLMOPS_PROVE')",
                    reason="LLMOPS_PROVE=1: the bug is in the nginx at hand")
def test_that_the_test_above_can_fail(gateway, provider):
    first, good = provider(early=early, key=""), provider(GOOD)
    gw = gateway(module=False, http=f"""
        upstream u {{ server 127.0.0.1:{first.port} max_fails=0;
                     server 127.0.0.1:{good.port} max_fails=0; }}""",
                 location="""proxy_pass http://u; proxy_buffering off;
                 proxy_next_upstream error timeout http_503 non_idempotent;
                 """)
    assert mixed(gw, 24, 60, 1)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_nothing_of_a_translated_attempt_is_left(chain, stream):
    """The second target speaks the caller's dialect, and answers a request
    for a stream with a document."""
    gw, ups = chain(answers.error("anthropic", 500),
                    answers.json({"id": "x", "object": "chat.completion",
                                  "created": 1, "model": "real", "choices": [
                                      {"index": 0, "message": {
                                          "role": "assistant",
                                          "content": "hello"},
                                       "finish_reason": "stop"}]}),
                    dialects=["anthropic", "openai"])
    answer = gw.chat(seed=7, stream=stream)
    assert answer.status == 200
    assert b"hello" in answer.body
    assert answer.header("x-llm-warnings") is None
    assert "seed" not in ups[0].last.json
    assert ups[1].last.json["seed"] == 7
    if stream:
        assert answer.events[-1].data == "[DONE]"
