"""Canaries outlive workers, reloads, restarts, and are the same in a fleet."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from harness import answers, wait_for
from harness.util import SLOW
from harness.canary import ADMIN, Canary, canary_conf

from conftest import connected

BY = "by=$http_x_key"


def failing(x):
    answers.openai_error(500)(x)


@pytest.fixture
def canary(gateway, provider):
    def make(words, engine="", n=1, candidate=None, **parts):
        ups = [provider(), provider(candidate)]
        gws = [gateway(http=engine + canary_conf(*ups, words), server=ADMIN,
                       **parts) for _ in range(n)]
        made = [Canary(gw, *ups) for gw in gws]
        for one in made:
            connected(one.gateway)
            wait_for(lambda: one.listed()["since"] > 0, 10, "a document")
        return made if n > 1 else made[0]
    return make


def actions(canary):
    return [entry["action"] for entry in canary.shown()["history"]]


def crash(c):
    """All workers die at once; the next ones serve."""
    old = c.gateway.workers()
    for pid in old:
        c.gateway.kill_worker(pid)
    wait_for(lambda: len(c.gateway.workers()) == len(old)
             and not set(old) & set(c.gateway.workers()), 10, "new workers")


def restart(c):
    old = c.gateway.workers()
    c.gateway.kill()
    # those that are killed keep the lock of llm_state until they are gone
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in old), 10,
             "the end of the workers")
    c.gateway.start()
    wait_for(lambda: c.listed()["since"] > 0, 10, "a document")


def same(c, state, step, arms, history):
    wait_for(lambda: c.listed()["state"] == state, 5)
    assert (c.listed()["state"], c.listed()["step"]) == (state, step)
    assert c.arms(40) == arms
    assert actions(c) == history


@pytest.mark.parametrize("how", ["reload", "crash", "restart"])
def test_every_step_outlives(canary, engine, how):
    """No decision is lost, and none is made twice."""
    if how == "restart" and engine == "":
        pytest.skip("nothing outlives nginx without llm_state or llm_redis")
    if how == "reload" and engine:
        pytest.skip("workers are told by the memory that they share")
    c = canary(f"steps=30%,70%,100% {BY} hold=1h guard=errors<10%", engine,
               workers=2)
    history = ["start"]
    outlive = {"reload": lambda: c.gateway.reload(), "restart":
               lambda: restart(c), "crash": lambda: crash(c)}[how]
    for action, state, step in [
            (None, "running", 1), ("promote", "running", 2),
            ("pause", "paused", 2), ("resume", "running", 2),
            ("promote", "running", 3), ("promote", "promoted", 3),
            ("rollback", "rolled_back", 3), ("restart", "running", 1)]:
        if action:
            c.decide(action)
            history.append("step" if action == "promote" else action)
        arms = c.arms(40)
        outlive()
        same(c, state, step, arms, history)


def test_counters_outlive_a_crash_and_a_reload(canary):
    c = canary(f"share=50% {BY} hold=1h guard=errors<50% guard=failures<900")
    c.ask(40)
    wait_for(lambda: sum(c.listed()["requests"].values()) == 40)
    before = c.listed()["requests"]
    guards = c.listed()["guards"]
    crash(c)
    wait_for(lambda: c.listed()["requests"] == before)
    # guards are known by what they say, not by their order
    c.gateway.reload(http=c.gateway.config.http.replace(
        "guard=errors<50% guard=failures<900",
        "guard=failures<900 guard=errors<50%"))
    wait_for(lambda: c.listed()["guards"] == guards[::-1])
    assert c.listed()["requests"] == before


def test_a_guard_that_comes_back_counts_anew(canary):
    """What it has seen at an earlier step says nothing of this one."""
    c = canary(f"steps=50%,100% {BY} hold=1h guard=errors<90% "
               "guard=failures<900", candidate=failing)
    c.ask(30)
    both = c.gateway.config.http
    c.gateway.reload(http=both.replace(" guard=errors<90%", ""))
    c.decide("promote")
    c.gateway.reload(http=both)
    wait_for(lambda: c.listed()["step"] == 2)
    time.sleep(0.2)
    assert c.shown()["guards"][0]["candidate"]["observed"] == 0


def test_a_document_that_cannot_be_read(canary, redis):
    """Nobody knows where it stands: the candidate gets nothing."""
    server = redis()
    c = canary(f"share=100% {BY} hold=1h guard=errors<90%",
               server.directive("timeout=1s"))
    c.gateway.allow("cannot be read")
    assert c.arms(3) == ["candidate"] * 3
    kind = next(n for n in range(20) if "r:new/b" in
                (server.do("HKEYS", f"llm:{{llm}}:d:{n}") or []))
    key = f"llm:{{llm}}:d:{kind}"
    value = server.do("HGET", key, "r:new/b")
    server.do("HSET", key, "r:new/b",
              value.replace('"running"', '"runninx"'))
    server.do("HINCRBY", "llm:{llm}:v", str(kind), "1")
    c.wait("rolled_back")
    assert c.arms(3) == ["stable"] * 3
    assert c.gateway.error_log().count("cannot be read") == 1
    assert c.decide("pause")["state"] == "paused"
    assert c.arms(3) == ["candidate"] * 3


def test_crashes_while_it_is_decided(canary, engine):
    """Worker 0 dies again and again; each step is still taken once."""
    if engine == "":
        pytest.skip("the same as with llm_state, and less")
    c = canary(f"steps=20%,40%,60%,80%,100% {BY} hold=60ms min=2 "
               "guard=errors<90%", engine)
    luck = random.Random(7)
    for i in range(200):
        if c.listed()["state"] == "promoted":
            break
        try:
            c.ask(3, key=f"k{i}-")
        except OSError:
            pass
        if i % 2:
            # it decides every 50 ms: sometimes before, sometimes behind
            time.sleep(luck.uniform(0, 0.15) * SLOW)
            crash(c)
    history = c.shown()["history"]
    assert [e["action"] for e in history] == ["start"] + ["step"] * 5
    assert [e["step"] for e in history] == [0, 1, 2, 3, 4, 4]


def test_another_candidate_begins_anew(canary):
    c = canary(f"share=100% {BY} hold=1h guard=errors<10%")
    c.decide("rollback")
    c.gateway.reload(http=c.gateway.config.http.replace(
        "canary new/b", "canary new/c"))
    wait_for(lambda: c.listed()["state"] == "running")
    assert c.arms(3) == ["candidate"] * 3
    assert c.candidate.last.json["model"] == "c"
    c.gateway.reload(http=c.gateway.config.http.replace(
        "canary new/c", "canary new/b"))
    assert c.listed()["state"] == "rolled_back"
    assert c.arms(3) == ["stable"] * 3


# -- fleets ----------------------------------------------------------------------

def test_a_rollback_holds_for_the_fleet(canary, redis):
    a, b = canary(f"share=100% {BY} hold=1h guard=errors<10%",
                  redis().directive("timeout=1s"), n=2)
    assert a.arms(3) == b.arms(3) == ["candidate"] * 3
    start = time.monotonic()
    a.decide("rollback")
    wait_for(lambda: b.arms(1) == ["stable"], 3, "the other gateway")
    assert time.monotonic() - start < 1
    assert a.arms(1) == ["stable"]
    assert actions(b) == ["start", "rollback"]


def test_gateways_decide_together(canary, redis):
    """What both have seen counts, and only one of them decides."""
    a, b = canary(f"steps=50%,100% {BY} hold=100ms min=60 guard=errors<50%",
                  redis().directive("timeout=1s"), n=2)
    a.ask(80), b.ask(80)
    assert a.listed()["requests"]["candidate"] < 60
    a.wait("running", 2, 10)
    b.wait("running", 2, 10)
    assert actions(a) == actions(b) == ["start", "step"]
    total = sum("llm canary" in c.gateway.error_log()
                and c.gateway.error_log().count(": step, it is")
                for c in (a, b))
    assert total == 1


def test_a_guard_of_the_fleet(canary, redis):
    """Neither has enough evidence alone."""
    a, b = canary("share=100% hold=1h guard=failures<900 guard=errors<50% "
                  "alpha=0.02", redis().directive("timeout=1s"), n=2,
                  candidate=failing)
    for _ in range(40):
        if a.listed()["state"] == b.listed()["state"] == "rolled_back":
            break
        if a.listed()["state"] == "running":
            a.ask(1), b.ask(1)
        time.sleep(0.1)
    assert a.wait("rolled_back") and b.wait("rolled_back")
    assert actions(a) == ["start", "rollback"]


def test_redis_down(canary, redis):
    """Both stay as they are, say so, and go on later."""
    server = redis()
    a, b = canary(f"steps=50%,100% {BY} hold=200ms min=3 guard=errors<50%",
                  server.directive("timeout=500ms"), n=2)
    a.decide("pause")
    wait_for(lambda: b.listed()["state"] == "paused")
    arms = a.arms(20)
    a.gateway.allow("redis"), b.gateway.allow("redis")
    server.kill()
    for c in (a, b):
        wait_for(lambda: c.listed()["stale"], 10)
        assert "llm canaries stay as they are, redis cannot be asked" \
            in c.gateway.error_log()
        assert c.gateway.metrics().sum("llm_rollout_stale") == 1
        assert c.arms(20) == arms
        assert c.listed()["state"] == "paused"
        assert c.admin.get("rollouts/r").status == 503
        for action in ("promote", "rollback", "pause", "resume", "restart"):
            assert c.admin.post(f"rollouts/r/{action}",
                                {"reason": "x"}).status == 503
    # it comes back without its data: what the gateways know is put back
    server.restart()
    for c in (a, b):
        wait_for(lambda: not c.listed()["stale"], 10)
        wait_for(lambda: c.admin.get("rollouts/r").status == 200, 10)
        assert c.shown()["state"] == "paused"
        assert c.arms(20) == arms
        assert "llm canaries go on" in c.gateway.error_log()
    wait_for(lambda: "it is put back: paused" in a.gateway.error_log()
             + b.gateway.error_log())
    assert actions(a) == actions(b) == ["start", "pause"]


def test_a_store_that_hangs(canary, redis):
    server = redis()
    c = canary(f"share=50% {BY} hold=1h guard=failures<3",
               server.directive("timeout=500ms"), candidate=failing)
    c.gateway.allow("redis", "cannot be stored")
    server.freeze()
    try:
        # requests go on, and the rollback waits
        c.ask(30)
        time.sleep(0.3)
        assert c.listed()["state"] == "running"
    finally:
        server.thaw()
    c.wait("rolled_back", timeout=15)
    assert actions(c) == ["start", "rollback"]
