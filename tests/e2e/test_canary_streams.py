"""streams=cut: what becomes of a candidate's streams when it is taken back."""

from __future__ import annotations

import threading

import pytest

from harness import answers, wait_for
from harness.canary import ADMIN, Canary, canary_conf

CUT = "share=100% hold=1h guard=failures<3 streams=cut"
LIMITS = """
    llm_limit l key=$http_x_key concurrent=2 tokens=100k/h;
"""


def piece(text, finish="null"):
    return (b'data: {"id":"1","object":"chat.completion.chunk","created":1,'
            b'"model":"m","choices":[{"index":0,"delta":{"content":"%s"},'
            b'"finish_reason":%s}]}\n\n' % (text.encode(), finish.encode()))


class Held:
    """A provider whose streams go on until they are let go."""

    def __init__(self, first=6):
        self.first, self.go, self.begun, self.left = (
            first, threading.Event(), [], [])

    def __call__(self, x):
        self.begun.append(x)
        if self.first == 0:
            self.go.wait(30)
        x.head(200, [("Content-Type", "text/event-stream")], chunked=True)
        try:
            for _ in range(max(self.first, 1)):
                x.chunk(piece("word "))
            self.go.wait(30)
            x.chunk(piece("end", '"stop"'))
            x.chunk(b"data: [DONE]\n\n")
            x.last_chunk()
        except OSError:
            self.left.append(x)


@pytest.fixture
def held():
    made = []

    def make(first=6):
        made.append(Held(first))
        return made[-1]
    yield make
    for one in made:
        one.go.set()


@pytest.fixture
def canary(gateway, provider):
    def make(words, candidate, stable=None, engine="", n=1, http="",
             lines=(), **parts):
        ups = [provider(stable), provider(candidate)]
        gws = [gateway(http=engine + http + canary_conf(
            *ups, words, lines=lines,
            upstream=("llm_price a input=1 output=1;",
                      "llm_price b input=1000 output=1000;")),
            server=ADMIN, **parts) for _ in range(n)]
        made = [Canary(gw, *ups) for gw in gws]
        for one in made:
            wait_for(lambda: one.listed()["since"] > 0, 10, "a document")
        return made if n > 1 else made[0]
    return make


def begin(c, path="/v1/chat/completions", until=b"word", **more):
    client = c.gateway.connect()
    client.request("POST", path, headers=[("x-key", "k"), *more.pop(
        "headers", [])], json={
            "model": "m", "messages": [{"role": "user", "content": "hi"}],
            "stream": True, **more})
    if until:
        client.read_until(until)
    return client


def chats(c, n):
    """Lines of answered requests of /v1/, once there are n."""
    lines = [line for line in c.gateway.ledger(n)
             if line["request_uri"].startswith("/v1/")
             and line["status"] == "200"]
    return lines if len(lines) == n else None


def ended(client):
    """The answer so far, and its last event."""
    answer = client.read()
    assert answer.status == 200
    return answer, answer.events[-1]


def test_they_end_with_an_error_event(canary, held):
    """Metered, settled, and no failure of anybody."""
    up = held()
    c = canary(CUT, up, http=LIMITS, lines=("limit l;",), metrics=True,
               workers=2, listen="reuseport")
    clients = [begin(c) for _ in range(2)]
    assert c.gateway.chat(headers=[("x-key", "k")]).status == 429
    c.decide("rollback")
    for client in clients:
        answer, last = ended(client)
        error = last.json["error"]
        assert error["type"] == "server_error"
        assert "has been withdrawn" in error["message"]
        assert b"[DONE]" not in answer.body
        assert answer.body.count(b"word") == 6
    lines = wait_for(lambda: chats(c, 2), 5)
    for line in lines:
        assert (line["llm_arm"], line["llm_target"]) == ("candidate", "new/b")
        assert int(line["llm_output_tokens"]) > 0
        assert float(line["llm_cost"]) > 0
    # the slots are free again, nothing is reserved, what was used is counted
    def settled():
        rates = {one["rate"]: one
                 for one in c.admin.get("limits/l", key="k").json["levels"]}
        return rates if {one["reserved"] for one in rates.values()} == {0} \
            else None
    rates = wait_for(settled, 5, "the reservations to be settled")
    assert rates["tokens=100k/h"]["used"] > 0
    assert c.gateway.chat(headers=[("x-key", "k")]).status == 200
    metrics = c.gateway.metrics()
    assert metrics.sum("llm_rollout_requests_total", arm="candidate",
                       result="failed") == 0
    assert metrics.sum("llm_target_breaker_open") == 0
    wait_for(lambda: c.gateway.metrics().sum("llm_requests_in_flight") == 0)


def test_of_an_anthropic_caller(canary, held):
    c = canary(CUT, held())
    client = begin(c, "/v1/messages", max_tokens=100,
                   headers=[("anthropic-version", "2023-06-01")])
    c.decide("rollback")
    answer, last = ended(client)
    assert last.event == "error"
    assert last.json["type"] == "error"
    assert "has been withdrawn" in last.json["error"]["message"]
    assert b"message_stop" not in answer.body


def test_a_guard_cuts(canary, held):
    """Those that have failed take the others with them."""
    up = held()
    n = []

    def script(x):
        n.append(x)
        if len(n) == 1:
            up(x)
        else:
            answers.openai_error(500)(x)
    c = canary(CUT, script)
    client = begin(c)
    c.ask(3)
    _, last = ended(client)
    assert "has been withdrawn" in last.json["error"]["message"]
    assert c.listed()["state"] == "rolled_back"


def test_one_without_a_token_fails_over(canary, held):
    up = held(0)
    c = canary(CUT, up)
    client = begin(c, until=None)
    wait_for(lambda: up.begun, 5)
    c.decide("rollback")
    answer = client.read()
    assert answer.complete and b"[DONE]" in answer.body
    (line,) = wait_for(lambda: chats(c, 1), 5)
    assert line["llm_target"] == "up/a"
    assert c.gateway.metrics().sum("llm_rollout_requests_total",
                                   arm="candidate") == 0


def test_whole_answers_and_the_stable_arm_finish(canary, held):
    up, stable = held(0), held()
    c = canary(CUT.replace("100%", "50% by=$http_x_arm"), up, stable)
    keys = iter(range(200))

    def of(arm, **more):
        """A request of that arm."""
        for key in keys:
            client = c.gateway.connect()
            before = len(up.begun), len(stable.begun)
            client.request("POST", "/v1/chat/completions",
                           headers=[("x-arm", f"a{key}")], json={
                               "model": "m", "messages": [], **more})
            wait_for(lambda: (len(up.begun), len(stable.begun)) != before)
            if (len(up.begun) > before[0]) == (arm == "candidate"):
                return client
            client.close()

    stream = of("stable", stream=True)
    whole = of("candidate")
    c.decide("rollback")
    up.go.set(), stable.go.set()
    assert b"[DONE]" in stream.read().body
    assert b"[DONE]" in whole.read().body


def test_finish_is_the_default(canary, held):
    up = held()
    c = canary("share=100% hold=1h guard=failures<3", up)
    client = begin(c)
    c.decide("rollback")
    assert c.arms(2) == ["stable"] * 2
    up.go.set()
    answer = client.read()
    assert answer.complete and b"[DONE]" in answer.body


def test_by_another_gateway_and_behind_a_reload(canary, held, redis):
    up = held()
    a, b = canary(CUT, up, engine=redis().directive(), n=2)
    old, other = begin(a), begin(b)
    a.gateway.reload()
    new = begin(a)
    b.decide("rollback")
    for client in (old, other, new):
        _, last = ended(client)
        assert "has been withdrawn" in last.json["error"]["message"]


def test_only_once(canary, held):
    """Who begins behind the rollback, at the stable arm, is left alone."""
    up, stable = held(), held()
    c = canary(CUT, up, stable)
    c.decide("rollback")
    client = begin(c)
    c.decide("restart")
    other = begin(c)
    c.decide("rollback")
    _, last = ended(other)
    assert "has been withdrawn" in last.json["error"]["message"]
    stable.go.set()
    assert client.read().complete


def test_nginx_refuses(gateway, provider):
    up = provider()
    gw = gateway(start=False, http=canary_conf(
        up, provider(), "share=5% guard=errors<2% streams=x"))
    assert 'write "streams=finish" or "streams=cut"' in gw.check().stderr
