"""Canaries over hours and days, whose time is moved on."""

from __future__ import annotations

import json
import re
import threading

import pytest

from harness import Reply, answers, openai_wire, wait_for
from harness.canary import ADMIN, Canary, canary_conf

from conftest import connected
from test_canary import BY, PRICES, RULES, chatty, failing, filtered, pieces

HOUR = 3600 * 1000


@pytest.fixture
def canary(gateway, provider, clock):
    """words: of the directive, behind the candidate.  Both are good."""
    def make(words, engine="", judge=None, http="", **parts):
        ups = [provider(Reply(text="{}")), provider(Reply(text="{}"))]
        conf = {key: parts.pop(key) for key in ("lines", "upstream")
                if key in parts}
        if judge:
            http += provider(judge).upstream("j")
        gw = gateway(http=engine + http + canary_conf(*ups, words, **conf),
                     server=ADMIN, **parts)
        made = Canary(gw, *ups)
        connected(gw)
        wait_for(lambda: made.listed()["since"] > 0, 10, "a document")
        return made
    return make


def early(c):
    """A caller who has the candidate from the first step on: for the names of
    these tests always the same one."""
    return next(key for key in (f"early{i}-" for i in range(3000))
                if c.arms(1, key) == ["candidate"])


def looked(c, key):
    """One more request of the candidate, which the next look has seen."""
    before = c.listed()["requests"]["candidate"]
    assert c.arms(1, key) == ["candidate"]
    wait_for(lambda: c.listed()["requests"]["candidate"] > before, 10,
             "a look at the canary")


# -- a good one ----------------------------------------------------------------

@pytest.mark.parametrize("engine", ["shm", "redis"], indirect=True)
def test_through_all_steps(canary, clock, engine):
    """Each step lasts as long as it has to, and no longer."""
    c = canary(f"steps=1%,5%,25%,50%,100% {BY} hold=1h min=3 "
               "guard=errors<10% guard=latency_p95<20s guard=failures<5",
               engine)
    caller = early(c)
    for step in range(1, 6):
        assert c.listed()["step"] == step
        looked(c, caller)
        clock.sleep(minutes=59)
        looked(c, caller)
        looked(c, caller)
        assert (c.listed()["state"], c.listed()["step"]) == ("running", step)
        clock.sleep(minutes=1)
        if step < 5:
            c.wait("running", step + 1, 10)
    c.wait("promoted", timeout=10)
    assert set(c.arms(5)) == {"candidate"}

    history = c.shown()["history"]
    assert [(e["action"], e["state"], e["step"]) for e in history] == [
        ("start", "running", 0), ("step", "running", 1),
        ("step", "running", 2), ("step", "running", 3),
        ("step", "running", 4), ("step", "promoted", 4)]
    times = [e["time"] for e in history]
    assert all(HOUR <= b - a < HOUR + 60000 for a, b in zip(times, times[1:]))
    said = re.findall(r'llm canary "new/b" of route "r": step, .*',
                      c.gateway.error_log())
    assert len(said) == 5
    for line in said:
        assert re.search(r"36\d\d s at this step with \d+ requests of the "
                         "candidate, and no guard is broken", line), line


# -- worse ones ----------------------------------------------------------------

def after(seconds, text="{}"):
    """It begins so late."""
    def make(clock):
        def script(x):
            clock.advance(seconds)
            openai_wire.server(Reply(text=text))(x)
        return script
    return make


#: somebody has read the first word of a stream
heard = threading.Semaphore(0)


def talks(seconds):
    """So much later than its first word comes the rest of 40 tokens."""
    def make(clock):
        def script(x):
            first, *rest = pieces(2)
            x.head(200, [answers.EVENTS], chunked=True)
            x.chunk(first)
            assert heard.acquire(timeout=10)
            clock.advance(seconds)
            for piece in rest:
                x.chunk(piece)
            x.last_chunk()
        return script
    return make


def plain(script):
    """What needs no clock."""
    return lambda clock: script


def no_json(x):
    openai_wire.server(Reply(text="no JSON"))(x)


def judge(x):
    """It likes braces."""
    said = x.request.json["messages"][1]["content"]
    score = 0.9 if "{}" in said else 0.2
    openai_wire.server(Reply(text=json.dumps({"score": score})))(x)


# how callers ask

def whole(c, key, stream=False):
    return c.gateway.chat(headers=[("x-key", key)], stream=stream)


def stream(c, key):
    return whole(c, key, True)


def listen(c, key):
    client = c.gateway.connect()
    client.request("POST", "/v1/chat/completions", headers=[("x-key", key)],
                   json={"model": "m", "messages": [], "stream": True})
    client.read_until(b"word")
    heard.release()
    return client.read()


def tell(c, key):
    """They like braces, and say so."""
    answer = whole(c, key)
    label = "good" if b"{}" in answer.body else "bad"
    assert c.admin.post("feedback", {
        "request_id": answer.header("x-llm-request-id"), "label": label},
        action=False).status == 200
    return answer


JUDGE = ' judge=j/judge judge_share=100% "rubric=it has braces"'

#: guard, what the candidate becomes, what the stable arm becomes, who asks
KINDS = [
    ("errors<5%", plain(failing), None, whole),
    ("errors<+5%", plain(failing), None, whole),
    ("errors<2x", plain(failing), None, whole),
    ("failures<5", plain(failing), None, whole),
    ("first_token_p90<20s", after(30), None, stream),
    ("first_token_p50<1.5x", after(30), after(10), stream),
    ("latency_p90<20s", after(30), None, whole),
    ("latency_p50<1.5x", after(30), after(10), whole),
    ("tokens_per_second_p50>20", talks(4), talks(1), listen),
    ("tokens_per_second_p50>0.5x", talks(4), talks(1), listen),
    ("cost<0.0001usd", plain(chatty), None, whole),
    ("cost_p90<0.0002usd", plain(chatty), None, whole),
    ("cost_p50<1.5x", plain(chatty), None, whole),
    ("checks>95%", plain(no_json), None, whole),
    ("checks>-5%", plain(no_json), None, whole),
    ("refusals<5%", plain(filtered), None, whole),
    ("refusals<+5%", plain(filtered), None, whole),
    ("refusals<2x", plain(filtered), None, whole),
    ("judge>0.7", plain(no_json), None, whole),
    ("judge>-0.05", plain(no_json), None, stream),
    ("feedback>0.7", plain(no_json), None, tell),
    ("feedback>-0.05", plain(no_json), None, tell),
]


@pytest.mark.parametrize("guard, worse, stable, ask", KINDS,
                         ids=[kind[0] for kind in KINDS])
def test_a_guard_rolls_back(canary, clock, guard, worse, stable, ask):
    """Each kind by itself: at its second step, after a day and a half, the
    candidate becomes worse; the log says why, with figures."""
    words = f"steps=40%,60%,100% {BY} hold=3d min=2 alpha=0.3 guard={guard}"
    judged = guard.startswith("judge")
    c = canary(words + JUDGE * judged, judge=judged and judge,
               http=RULES + "llm_feedback 24h;", lines=("rules strict;",),
               upstream=PRICES)
    good = whole if ask is listen else ask
    for i in range(8):
        good(c, f"caller{i}")
    clock.sleep(days=3)
    began = c.wait("running", 2, 10)["since"]
    clock.sleep(hours=36)
    assert {good(c, f"caller{i}").header("x-llm-arm") for i in range(4)} \
        == {"stable", "candidate"}

    c.candidate(worse(clock))
    if stable:
        c.stable(stable(clock))
    for i in range(300):
        if c.listed()["state"] == "rolled_back":
            break
        ask(c, f"u{i}")

    shown = c.shown()
    last = shown["history"][-1]
    assert [(e["action"], e["step"], e["by"]) for e in shown["history"][1:]] \
        == [("step", 1, "time"), ("rollback", 1, "guard")]
    assert 36 * HOUR <= last["time"] - began < 72 * HOUR
    assert last["figures"]["guard"] == guard
    assert last["figures"]["evidence"] >= last["figures"]["needed"]
    why = r"\d+ in a row" if guard.startswith("failures") else (
        r"candidate [0-9.]+ of \d+, stable [0-9.]+ of \d+, "
        r"evidence \d+ of \d+")
    assert re.fullmatch(re.escape(f"{guard} is broken: ") + why,
                        last["reason"]), last["reason"]
    (line,) = [line for line in c.gateway.error_log().splitlines()
               if ": rollback, it is rolled_back" in line]
    assert 'llm canary "new/b" of route "r"' in line and "[warn]" in line
    assert last["reason"] in line

    # and so it stays, in this week and in the next one
    c.stable(openai_wire.server(Reply(text="{}")))
    seen = len(c.candidate.requests)
    assert set(c.arms(10)) == {"stable"}
    clock.sleep(days=7)
    assert set(c.arms(10)) == {"stable"}
    assert len(c.candidate.requests) == seen


def test_who_hangs_up_late(canary, clock):
    """How long a caller keeps a connection that is over says nothing of the
    answer that he has had."""
    c = canary(f"share=50% {BY} hold=1d guard=latency_p50<2s alpha=0.3")
    for i in range(30):
        client = c.gateway.connect()
        client.request("POST", "/v1/chat/completions", headers=[
            ("x-key", f"late{i}"), ("connection", "close")],
            json={"model": "m", "messages": [], "stream": True})
        assert client.read().status == 200
        clock.advance(4)
        client.close()
    wait_for(lambda: sum(c.listed()["requests"].values()) == 30, 10)
    assert c.listed()["state"] == "running"
    (guard,) = c.listed()["guards"]
    assert guard["candidate"]["bad"] == guard["stable"]["bad"] == 0
    assert guard["candidate"]["observed"] > 5
    times = c.gateway.metrics().sum("gen_ai_client_operation_duration_"
                                    "seconds_sum")
    assert times < 30
