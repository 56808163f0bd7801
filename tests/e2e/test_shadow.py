"""Shadows: copies of requests for a candidate, which callers do not notice."""

from __future__ import annotations

import threading
import time

import pytest

from harness import Reply, answers, openai_wire, wait_for
from harness.embedder import Embedder, vector
from harness.nginx import route
from harness.util import LATE

SHADOW = "llm_shadow_requests_total"


@pytest.fixture
def shadowed(gateway, provider):
    """A gateway before a stable provider and a candidate."""
    def make(shadow="", stable=None, candidate=None, *, dialect="openai",
             lines=(), http="", **parts):
        up = provider(stable)
        new = provider(candidate, dialect=dialect)
        conf = up.upstream("up", "llm_price good input=2 output=4;")
        conf += new.upstream("new", "llm_price next input=1 output=2;") + http
        conf += route("target up/good;", f"shadow new/next {shadow};", *lines)
        return gateway(http=conf, **parts), up, new
    return make


def outcomes(gw, count, outcome="compared"):
    wait_for(lambda: gw.metrics().sum(SHADOW, outcome=outcome) == count, 10,
             f"{count} of {outcome}")
    return gw.metrics()


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_pair(shadowed, stream, dialect):
    gw, up, new = shadowed(stable=Reply(text="one two three four"),
                           candidate=Reply(text="One, two; three. Five"),
                           dialect=dialect)
    answer = gw.chat(stream=stream)
    assert answer.status == 200 and answer.complete
    metrics = outcomes(gw, 1)
    assert new.requests[0].json["model"] == "next"
    assert new.requests[0].json.get("stream", False) == stream
    assert metrics.sum("llm_shadow_similarity_sum") == 0.75
    assert metrics.sum("llm_shadow_similarity_count") == 1
    for side in ("stable", "shadow"):
        assert metrics.sum("llm_shadow_output_tokens_total", side=side) > 0
        assert metrics.sum("llm_shadow_cost_usd_total", side=side) > 0
    assert metrics.sum("llm_shadow_text_bytes_total", side="stable") == 18
    assert metrics.sum("llm_shadow_text_bytes_total", side="shadow") == 21
    assert metrics.sum("llm_requests_total", route="r:shadow") == 1
    assert metrics.sum("llm_requests_total", route="r") == 1
    [line] = gw.ledger()
    assert line["llm_target"] == "up/good"


@pytest.mark.parametrize("status", [200, 500])
def test_a_pair_by_meaning(shadowed, provider, status):
    embedder = Embedder()
    embedder.status = status
    near = provider(embedder)
    gw, up, new = shadowed("embed=near/e", stable=Reply(text="It rains today"),
                           candidate=Reply(text="today rains much"),
                           http=near.upstream("near"))
    gw.chat(stream=True)
    outcomes(gw, 1)
    wait_for(lambda: gw.metrics().sum(
        "llm_requests_total", route="r:shadow_embedding") == 1
        and gw.metrics().sum("llm_detached_in_flight") == 0, 10)
    assert embedder.asked == [["It rains today", "today rains much"]]
    name = "llm_shadow_meaning_similarity_"
    wait_for(lambda: gw.metrics().sum(name + "count") == (status == 200), 10)
    metrics = gw.metrics()
    if status == 200:
        a, b = vector("It rains today"), vector("today rains much")
        cosine = sum(x * y for x, y in zip(a, b)) / (
            sum(x * x for x in a) * sum(y * y for y in b)) ** 0.5
        assert abs(metrics.sum(name + "sum") - cosine) < 0.01
    assert metrics.sum("llm_shadow_similarity_count") == 1


def test_a_share(shadowed):
    gw, up, new = shadowed("share=50% max=1000")
    timed(gw, 200)
    wait_for(lambda: gw.metrics().sum("llm_detached_in_flight") == 0, 10,
             "end")
    assert 60 <= gw.metrics().sum(SHADOW) <= 140
    gw.reload(http=gw.config.http.replace("share=50%", "share=0%"))
    before = gw.metrics().sum(SHADOW)
    assert gw.chat().status == 200
    assert gw.metrics().sum(SHADOW) == before


def quantile(times, q):
    return sorted(times)[int(len(times) * q)]


def timed(gw, count):
    times = []
    client = gw.connect()
    for i in range(count):
        start = time.monotonic()
        client.request("POST", "/v1/chat/completions", json={
            "model": "m", "messages": [], "stream": i % 2 == 0})
        answer = client.read()
        times.append(time.monotonic() - start)
        assert answer.status == 200 and answer.complete
    client.close()
    return times


class Caller:
    """Asks again and again, and waits for an answer up to PATIENCE."""

    PATIENCE = 2 * LATE

    def __init__(self, gw, model):
        self.gw, self.model = gw, model
        self.client, self.times = None, []

    def ask(self, stream):
        if self.client is None:
            self.client = self.gw.connect(timeout=self.PATIENCE)
        start = time.monotonic()
        self.client.request("POST", "/v1/chat/completions", json={
            "model": self.model, "stream": stream,
            "messages": [{"role": "user", "content": "x" * 16000}]})
        answer = self.client.read()
        self.times.append(time.monotonic() - start)
        if answer.end == "timeout":
            self.client = self.client.close()
        else:
            assert answer.status == 200 and answer.complete


def test_a_candidate_that_hangs(shadowed):
    """Callers do not notice it, at most max= copies are there, others counted.

    Callers of a route with a shadow and of one without take turns, so that
    whatever else this machine does slows both.  How far apart two halves of
    those without are is what a p99 of this machine is worth just now; beside
    that there is what tests allow to a loaded one, LATE.  Whoever waited for
    the candidate would wait for PATIENCE, twice as long.
    """
    gw, up, new = shadowed("max=8 timeout=10m", candidate=answers.stall,
                           http=route("target up/good;", name="plain",
                                      match="plain"),
                           main="worker_shutdown_timeout 100ms;")
    shadow, plain = Caller(gw, "m"), Caller(gw, "plain")
    rss = 0
    for i in range(300):
        for caller in (shadow, plain) if i & 2 else (plain, shadow):
            caller.ask(stream=i % 2 == 0)
        if i == 50:
            rss = gw.rss()
        if sum(shadow.times) > 6 * Caller.PATIENCE:
            break

    noise = abs(quantile(plain.times[::2], .99)
                - quantile(plain.times[1::2], .99))
    figures = [[quantile(caller.times, q) for q in (.5, .99)]
               for caller in (shadow, plain)]
    (p50, p99), (plain50, plain99) = figures
    print(f"with a shadow p50 {p50 * 1e3:.2f} ms, p99 {p99 * 1e3:.2f} ms; "
          f"without {plain50 * 1e3:.2f}, {plain99 * 1e3:.2f}; "
          f"noise {noise * 1e3:.2f}, memory {gw.rss() - rss}")
    assert p99 <= plain99 + noise + LATE
    assert p50 < 2 * plain50 + LATE / 30
    assert len(up.requests) == 600

    metrics = gw.metrics()
    assert metrics.sum("llm_detached_in_flight") == 8
    wait_for(lambda: len(new.requests) == 8, 10, "eight copies")
    assert metrics.sum(SHADOW, outcome="dropped_max") == 300 - 8
    # what is not copied holds no memory: 250 requests are 4 MB
    assert gw.rss() - rss < 2 << 20


@pytest.mark.parametrize("candidate", [
    answers.openai_error(500), answers.close,
    answers.openai_error(429, headers=[("Retry-After", "60")])])
def test_a_candidate_that_fails(shadowed, candidate):
    gw, up, new = shadowed(candidate=candidate)
    gw.allow(r"\[error\]")
    for stream in (False, True, False):
        answer = gw.chat(stream=stream)
        assert answer.status == 200 and answer.complete
    outcomes(gw, 3, "failed")
    assert gw.metrics().sum("llm_requests_total", route="r",
                            error_type="") == 3


def test_its_time_is_bounded(shadowed):
    gw, up, new = shadowed("timeout=100ms", candidate=answers.stall)
    assert gw.chat().status == 200
    outcomes(gw, 1, "failed")


def test_failures_have_no_shadow(shadowed):
    gw, up, new = shadowed(stable=answers.openai_error(400))
    assert gw.chat().status == 400
    client = gw.connect()
    client.close()
    assert gw.metrics().sum(SHADOW) == 0 and not new.requests


def test_rate_and_budget(shadowed):
    gw, up, new = shadowed("rate=3/m")
    for _ in range(10):
        assert gw.chat().status == 200
    wait_for(lambda: gw.metrics().sum(SHADOW) == 10, 10, "all")
    # a minute that begins meanwhile gives up to three more
    assert 4 <= gw.metrics().sum(SHADOW, outcome="dropped_rate") <= 7
    gw.reload(http=gw.config.http.replace("rate=3/m",
                                          "budget=0.000001usd/day"))
    for n in range(4):
        assert gw.chat().status == 200
        wait_for(lambda: gw.metrics().sum(SHADOW) == 11 + n, 10, "the copy")
    # a day that begins meanwhile gives one more
    assert gw.metrics().sum(SHADOW, outcome="dropped_budget") >= 2


def test_rules_of_the_route_are_the_shadows_too(shadowed):
    gw, up, new = shadowed(
        stable=Reply(text='{"a":1}'), candidate=Reply(text="no json"),
        http="llm_rules s { output json; }\n", lines=["rules s;"])
    gw.allow(r"\[warn\]")
    assert gw.chat().status == 200
    metrics = outcomes(gw, 1, "refused")
    assert metrics.sum("llm_checks_total", route="r:shadow") == 1
    assert metrics.sum("llm_checks_total", route="r") == 0


def test_callers_who_leave_and_reloads(shadowed):
    go = threading.Event()

    def held(x):
        x.wait(go, 20)
        openai_wire.server(Reply())(x)
    gw, up, new = shadowed("max=100 timeout=20s", candidate=held, workers=2)
    for i in range(10):
        client = gw.connect()
        client.request("POST", "/v1/chat/completions", json={
            "model": "m", "messages": [], "stream": i % 2 == 0})
        if i % 3:
            client.read()
        client.close()
    wait_for(lambda: len(new.requests) >= 6, 10, "shadows")
    gw.reload()
    go.set()
    wait_for(lambda: not gw.workers(leaving=True), 10, "old workers to end")
    wait_for(lambda: gw.metrics().sum(SHADOW, outcome="compared")
             == len(new.requests), 10, "all to be compared")
    wait_for(lambda: gw.metrics().sum("llm_detached_in_flight") == 0, 10)


@pytest.mark.parametrize("line, said", [
    ("shadow nowhere/x;", "unknown provider \"nowhere\""),
    ("shadow new/x share=10;", "invalid or duplicate parameter \"share=10\""),
    ("shadow new/x share=101%;", "invalid or duplicate"),
    ("shadow new/x max=0;", "invalid or duplicate"),
    ("shadow new/x rate=5;", "invalid or duplicate"),
    ("shadow new/x rate=5/s rate=5/s;", "invalid or duplicate"),
    ("shadow new/x embed=;", "invalid or duplicate"),
    ("shadow new/x embed=none/e;", "unknown provider \"none\""),
    ("shadow new/x embed=new;", "write \"embed=new/MODEL\""),
    ("shadow new/x budget=5;", "invalid or duplicate"),
    ("shadow new/x budget=5usd/day;", "the price of \"new/x\" is not known"),
])
def test_bad_configuration(shadowed, line, said):
    gw, *_ = shadowed(lines=[line], start=False)
    checked = gw.check()
    assert not checked.ok and said in checked.stderr, checked.stderr
