"""Feedback: what people say of answers, and which answer it was."""

from __future__ import annotations

import json
import re

import pytest

from harness import answers, route, wait_for
from harness.canary import ADMIN, Canary, canary_conf
from harness.openapi import Admin

from conftest import connected

BY = "by=$http_x_key"


@pytest.fixture
def judged(gateway, provider):
    def make(words=f"share=50% {BY} hold=1h guard=feedback>0.7 alpha=0.2",
             feedback="llm_feedback 1h;", **parts):
        ups = [provider(), provider()]
        gw = gateway(http=feedback + canary_conf(*ups, words), server=ADMIN,
                     **parts)
        made = Canary(gw, *ups)
        wait_for(lambda: made.listed()["since"] > 0)
        return made
    return make


def say(c, answer, **value):
    return c.admin.post("feedback", {
        "request_id": answer.header("x-llm-request-id"), **value},
        action=False)


def test_it_is_tied_to_the_arm(judged):
    c = judged(workers=2, listen="reuseport")
    for answer in c.ask(12):
        told = say(c, answer, score=0.75)
        assert told.status == 200, told.body
        assert told.json["feedback"] == {
            "request_id": answer.header("x-llm-request-id"), "route": "r",
            "target": answer.header("x-llm-target"), "prompt": None,
            "arm": answer.header("x-llm-arm"), "score": 0.75}
    metrics = c.gateway.metrics()
    assert metrics.sum("llm_feedback_total", route="r") == 12
    n = metrics.sum("llm_feedback_total", arm="candidate")
    assert 0 < n < 12
    assert metrics.sum("llm_feedback_score_total", arm="candidate") == 0.75 * n
    wait_for(lambda: c.listed()["guards"][0]["candidate"]["observed"] == n)
    assert c.listed()["guards"][0]["candidate"]["bad"] == 0.25 * n


def test_bad_feedback_rolls_back(judged):
    c = judged()
    for i in range(200):
        if c.listed()["state"] == "rolled_back":
            break
        (answer,) = c.ask(key=f"u{i}-")
        arm = answer.header("x-llm-arm")
        label = "bad" if arm == "candidate" else "good"
        assert say(c, answer, label=label, comment="no\nway").status == 200
    last = c.shown()["history"][-1]
    assert last["reason"].startswith("feedback>0.7 is broken")
    said = re.findall(r"llm feedback (\{.*?\})[,\n]", c.gateway.error_log())
    first = json.loads(said[0])
    assert first["comment"] == "no\nway" and first["route"] == "r"


def test_relative_to_the_stable_arm(judged):
    c = judged(f"share=50% {BY} hold=1h guard=feedback>-0.05 alpha=0.2")
    for i in range(300):
        if c.listed()["state"] == "rolled_back":
            return
        (answer,) = c.ask(key=f"u{i}-")
        arm = answer.header("x-llm-arm")
        say(c, answer, score=0.2 if arm == "candidate" else 0.9)
    raise AssertionError(c.shown())


def test_once_and_only_what_is_known(judged):
    c = judged()
    (answer,) = c.ask()
    assert say(c, answer, score=1).status == 200
    assert say(c, answer, score=0).status == 409
    for request_id in ("0" * 32, "x", "f" * 32, "F" * 32):
        assert c.admin.post("feedback", {"request_id": request_id, "score": 1},
                            action=False).status == 404
    # a request that got no answer is not remembered
    bad = c.gateway.post("/v1/chat/completions", {"messages": 1})
    assert bad.status >= 400
    assert say(c, bad, score=1).status == 404
    # it outlives a reload, and what has left the configuration has no name
    (answer,) = c.ask(key="k")
    c.gateway.reload(http=c.gateway.config.http.replace("up/a;", "up/z;"))
    told = say(c, answer, score=1)
    assert told.status == 200 and told.json["feedback"]["route"] == "r"
    if answer.header("x-llm-target") == "up/a":
        assert told.json["feedback"]["target"] is None


@pytest.mark.parametrize("value", [
    {}, {"score": 2}, {"score": -0.1}, {"score": "1"}, {"label": "so-so"},
    {"score": 1, "label": "good"}, {"score": 1, "x": 1},
    {"score": 1, "comment": 1}, {"score": 1, "comment": "x" * 1001}])
def test_what_is_no_feedback(judged, value):
    c = judged()
    (answer,) = c.ask()
    assert say(c, answer, **value).status == 400
    assert say(c, answer, score=1).status == 200
    assert Admin(c.gateway, "/read").post(
        "feedback", {"request_id": "x", "score": 1}, action=False
    ).status == 404
    assert c.admin.call("POST", "feedback", b"{}", headers=[
        ("Content-Type", "text/plain")]).status == 415


def test_too_late_for_the_step(judged):
    """It counts for the route, and not for a step that it does not judge."""
    c = judged(f"steps=50%,100% {BY} hold=1h guard=feedback>0.7")
    got = c.ask(8)
    c.decide("promote")
    for answer in got:
        assert say(c, answer, score=0).status == 200
    assert c.gateway.metrics().sum("llm_feedback_total") == 8
    assert c.listed()["guards"][0]["candidate"]["observed"] == 0


@pytest.mark.parametrize("engine", ["shm", "redis"], indirect=True)
def test_too_late(judged, engine, clock):
    c = judged(feedback=engine + "llm_feedback 1d;")
    connected(c.gateway)
    first, second, third = c.ask(3)
    # Redis takes one after the other: it knows of the others then
    assert say(c, third, score=1).status == 200
    clock.sleep(hours=23, minutes=59)
    assert say(c, first, score=1).status == 200
    clock.sleep(minutes=2)
    assert say(c, second, score=1).status == 404
    # what comes afterwards is remembered again
    assert say(c, c.ask()[0], score=1).status == 200
    assert c.gateway.metrics().sum("llm_feedback_total") == 3


# -- fleets ----------------------------------------------------------------------

@pytest.fixture
def fleet(gateway, provider, redis):
    def make(feedback="llm_feedback 1h;", n=2):
        server, ups = redis(), [provider(), provider()]
        words = f"share=50% {BY} hold=1h guard=feedback>0.7 alpha=0.2"
        gws = [gateway(http=server.directive() + feedback
                       + canary_conf(*ups, words), server=ADMIN)
               for _ in range(n)]
        made = [Canary(gw, *ups) for gw in gws]
        for one in made:
            connected(one.gateway)
            wait_for(lambda: one.listed()["since"] > 0)
        return server, *made
    return make


def test_of_another_gateway(fleet):
    """Taken once, wherever it is given, and it counts for all."""
    _, a, b = fleet()
    for i, answer in enumerate(a.ask(10)):
        one, other = (a, b) if i % 2 else (b, a)
        told = say(one, answer, score=0.5)
        assert told.status == 200, told.body
        assert told.json["feedback"]["arm"] == answer.header("x-llm-arm")
        assert told.json["feedback"]["target"] \
            == answer.header("x-llm-target")
        assert say(one, answer, score=0.5).status == 409
        assert say(other, answer, score=0.5).status == 409
    assert a.gateway.metrics().sum("llm_feedback_total") == 5
    assert b.gateway.metrics().sum("llm_feedback_total") == 5
    for c in (a, b):
        wait_for(lambda: sum(c.listed()["guards"][0][arm]["observed"]
                             for arm in ("candidate", "stable")) == 10)
    for request_id in ("0" * 32, "f" * 32, "x"):
        assert a.admin.post("feedback", {"request_id": request_id, "score": 1},
                            action=False).status == 404


@pytest.mark.parametrize("n", [1, 2])
def test_a_prompt_of_the_store(gateway, provider, redis, n):
    """Its version is known to whoever takes the feedback, and has the score,
    though no configuration has it; with Redis on a gateway, too, that it has
    never served."""
    up = provider()
    conf = ("llm_feedback 1h; llm_prompt_store on;" + up.upstream("up")
            + route("target up/a;"))
    if n > 1:
        conf += redis().directive()
    gws = [gateway(http=conf, server=ADMIN) for _ in range(n)]
    for gw in gws[:n if n > 1 else 0]:
        connected(gw)
    admin = Admin(gws[0])
    assert admin.put("prompts/p/versions/v7", {"messages": [
        {"role": "system", "content": "hi"}, "{{>messages}}"]}).status == 201
    answer = gws[0].post("/v1/chat/completions", {
        "model": "m", "messages": [{"role": "user", "content": "x"}]},
        headers=[("x-llm-prompt", "p@v7")])
    assert answer.status == 200 and answer.header("x-llm-prompt") == "p@v7"
    told = wait_for(lambda: Admin(gws[-1]).post("feedback", {
        "request_id": answer.header("x-llm-request-id"), "score": 0.5},
        action=False).json.get("feedback"), 5, "the request")
    assert told["prompt"] == "p@v7" and told["target"] == "up/a"
    [entry] = wait_for(lambda: [
        one for one in Admin(gws[-1]).get("registry").json["data"]
        if one["kind"] == "prompt" and "feedback" in one["scores"]], 10,
        "the score")
    assert entry["scores"]["feedback"] == 0.5
    assert (entry["name"], entry["version"]) == ("p", "v7")


def test_redis_is_away(fleet):
    """What this nginx has served it knows; of others it says so."""
    server, a, b = fleet()
    a.gateway.allow("redis"), b.gateway.allow("redis")
    first, second = a.ask(2)
    server.kill()
    wait_for(lambda: a.listed()["stale"] and b.listed()["stale"], 10)
    assert say(a, first, score=1).status == 200
    assert say(a, first, score=1).status == 409
    assert say(b, second, score=1).status == 503
    server.restart()


def test_fleet_off(fleet):
    server, a, b = fleet("llm_feedback 1h fleet=off;")
    (answer,) = a.ask(1)
    assert say(b, answer, score=1).status == 404
    assert say(a, answer, score=1).status == 200
    assert not [key for key in server.do("KEYS", "*") if ":fb:" in key]


def test_the_oldest_are_forgotten(judged):
    c = judged(feedback="llm_feedback 1h; llm_zone llm:512k;")
    (first,) = c.ask()
    entries = 512 * 1024 // 16 // 72
    client = c.gateway.connect()
    for _ in range(3 * entries):
        assert client.request("POST", "/v1/chat/completions", json={
            "model": "m", "messages": []}).read().status == 200
    assert say(c, first, score=1).status == 404
    (last,) = c.ask()
    assert say(c, last, score=1).status == 200


def test_off(judged, gateway, provider):
    c = judged(f"share=50% {BY} hold=1h guard=errors<10%", feedback="")
    (answer,) = c.ask()
    assert say(c, answer, score=1).status == 404
    up = provider()
    gw = gateway(start=False, http=up.upstream("up") + route(
        "target up/a;", "canary up/b share=5% guard=feedback>0.5;"))
    assert 'needs "llm_feedback 24h;"' in gw.check().stderr
    gw = gateway(start=False, http="llm_feedback x;" + up.upstream("up")
                 + route("target up/a;"))
    assert 'for example "llm_feedback 24h;"' in gw.check().stderr
    gw = gateway(start=False, http="llm_feedback 1h fleet=x;"
                 + up.upstream("up") + route("target up/a;"))
    assert '"fleet=on" or "fleet=off"' in gw.check().stderr
