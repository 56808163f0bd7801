"""Canaries outlive workers, reloads, restarts, and are the same in a fleet."""

from __future__ import annotations

import random
import threading
import time

import pytest

from harness import Reply, answers, openai_wire, wait_for
from harness.util import SLOW
from harness.canary import ADMIN, Canary, canary_conf

from conftest import connected
from test_canary import filtered

BY = "by=$http_x_key"


def failing(x):
    answers.openai_error(500)(x)


@pytest.fixture
def canary(gateway, provider):
    def make(words, engine="", n=1, candidate=None, stable=None, http="",
             lines=(), **parts):
        ups = [provider(stable), provider(candidate)]
        gws = [gateway(http=engine + http
                       + canary_conf(*ups, words, lines=lines), server=ADMIN,
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
    c.gateway.kill()
    c.gateway.start()
    connected(c.gateway)
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
               server.directive())
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


# -- what it knows besides -----------------------------------------------------

def outlive(c, stopped=False):
    """Whatever may become of workers, and of nginx."""
    crash(c)
    c.gateway.reload()
    if stopped:
        restart(c)


@pytest.mark.parametrize("engine", ["shm", "redis"], indirect=True)
def test_an_ill_stable_arm(canary, engine, provider, clock):
    third = provider()
    c = canary(f"share=50% {BY} hold=1h guard=refusals<5% fallback=1d", engine,
               stable=filtered, http=third.upstream("third"),
               lines=("fallback third/c;",), workers=2)
    # of the stable arm enough has been seen
    c.ask(20)
    wait_for(lambda: c.listed()["guards"][0]["stable"]["bad"] >= 6)
    c.candidate(filtered)
    c.until("rolled_back")
    until = c.shown()["ill_until"]
    for stopped in (False, engine != ""):
        outlive(c, stopped)
        assert c.shown()["ill_until"] == until
        assert {answer.header("x-llm-target") for answer in c.ask(8)} \
            == {"third/c"}
        clock.sleep(hours=11)
    clock.sleep(hours=2)
    outlive(c)
    assert {answer.header("x-llm-target") for answer in c.ask(8)} == {"up/a"}
    assert actions(c) == ["start", "rollback"]


class Evaluating:
    """Evaluations "golden" of the candidate, which knows the answer or not."""

    def __init__(self, c):
        self.c, self.knows, self.gate = c, True, threading.Event()
        self.gate.set()
        c.candidate(self.answer)

    def answer(self, x):
        self.gate.wait(20)
        openai_wire.server(Reply(text="42" if self.knows else "41"))(x)

    def begin(self):
        told = self.c.admin.post("evaluations", {
            "name": "golden", "route": "r", "min_score": 0.5,
            "checks": [{"type": "exact"}], "concurrency": 1,
            "candidates": [{"target": "new/b"}],
            "dataset": {"cases": [{"input": "q", "expected": "42"}] * 30}})
        assert told.status == 201, told.body
        return told.json["id"]

    def ended(self, ident):
        wait_for(lambda: self.c.admin.get(f"evaluations/{ident}").json[
            "status"] == "completed", 20, "the end of the evaluation", 0.02)

    def noted(self):
        return self.c.shown()["evaluations"]["golden"]


@pytest.mark.parametrize("engine", ["state"], indirect=True)
def test_one_that_waits_for_an_evaluation(canary, engine, clock):
    """What it waits for, and what has come, is known to whoever comes next."""
    c = canary(f"steps=50%,100% {BY} hold=1h min=1 guard=errors<50% "
               "evaluation=golden", engine)
    e = Evaluating(c)
    history = ["start"]

    def goes_on(state, step, *more, stopped=False):
        history.extend(more)
        c.wait(state, step, 10)
        arms = c.arms(40)
        outlive(c, stopped)
        same(c, state, step, arms, history)

    # nobody has evaluated it, and who does is killed
    c.ask(6)
    clock.sleep(hours=2)
    wait_for(lambda: "stays at its step until" in c.gateway.error_log())
    goes_on("running", 1, stopped=True)
    assert e.noted() is None
    assert c.admin.post("rollouts/r/promote", {"reason": "x"}).status == 409
    e.gate.clear()
    ident = e.begin()
    wait_for(lambda: c.admin.get(f"evaluations/{ident}").json["status"]
             == "running", 10)
    crash(c)
    e.gate.set()
    # the step's time is over, so that a pass is a step
    e.ended(ident)
    goes_on("running", 2, "step")
    assert (e.noted()["id"], e.noted()["verdict"]) == (ident, "pass")
    # the one of before is still good
    clock.sleep(minutes=30)
    c.ask(6)
    c.decide("pause")
    goes_on("paused", 2, "pause")
    c.decide("resume")
    goes_on("running", 2, "resume")
    # and now it is not
    e.knows = False
    ident = e.begin()
    e.ended(ident)
    goes_on("rolled_back", 2, "rollback", stopped=True)
    assert (e.noted()["id"], e.noted()["verdict"]) == (ident, "fail")
    assert c.shown()["history"][-1]["by"] == "evaluation"
    # who begins again asks for another one, whatever workers have told
    c.decide("restart")
    goes_on("running", 1, "restart")
    assert e.noted()["past"]
    assert c.admin.post("rollouts/r/promote", {"reason": "x"}).status == 409


@pytest.mark.parametrize("how", ["crash", "reload"])
def test_a_verdict_that_nobody_was_told(canary, redis, how):
    """The evaluation is over, and the rollout cannot be written; who was to
    tell it is gone when it can.  The next one tells."""
    server = redis()
    c = canary(f"share=50% {BY} hold=1h min=1 guard=errors<50% "
               "evaluation=golden", server.directive())
    e = Evaluating(c)
    e.knows = False
    kind = next(n for n in range(20) if "r:new/b" in
                (server.do("HKEYS", f"llm:{{llm}}:d:{n}") or []))
    key = f"llm:{{llm}}:d:{kind}"
    server.do("RENAME", key, "saved")
    server.do("SET", key, "not a hash")
    e.ended(e.begin())
    {"crash": crash, "reload": lambda c: c.gateway.reload()}[how](c)
    wait_for(lambda: not c.gateway.workers(leaving=True), 10, "its end")
    server.do("DEL", key)
    server.do("RENAME", "saved", key)
    c.wait("rolled_back", timeout=15)
    assert actions(c) == ["start", "rollback"]
    assert e.noted()["verdict"] == "fail"


def test_a_verdict_of_before(canary, clock):
    """Who is told again what has ended does not take back for what was before
    the rollout began anew."""
    c = canary(f"share=50% {BY} hold=1h min=1 guard=errors<50%")
    e = Evaluating(c)
    e.knows = False
    e.ended(e.begin())              # nobody has asked for it
    c.decide("rollback")
    clock.sleep(minutes=1)
    c.decide("restart")
    c.gateway.reload(http=c.gateway.config.http.replace(
        "guard=errors<50%", "guard=errors<50% evaluation=golden"))
    assert c.listed()["step"] == 1
    # the next one is told when all that have ended have been
    e.knows = True
    ident = e.begin()
    e.ended(ident)
    wait_for(lambda: e.noted())
    assert e.noted()["id"] == ident
    assert actions(c) == ["start", "rollback", "restart"]


def test_people_are_heard(canary):
    """The verdict of an evaluation may be people's, after its end; and they may
    think better of it."""
    c = canary(f"steps=20%,50% {BY} hold=1h min=1 guard=errors<50% "
               "evaluation=golden")
    e = Evaluating(c)
    ident = c.admin.post("evaluations", {
        "name": "golden", "route": "r", "checks": [{"type": "human"}],
        "candidates": [{"target": "new/b"}],
        "dataset": {"cases": [{"input": "q"}] * 2}}).json["id"]
    e.ended(ident)
    wait_for(lambda: e.noted(), 10, "its end")
    assert e.noted()["verdict"] == "undecided"

    def say(n, score):
        assert c.admin.post(f"evaluations/{ident}/cases/{n}/verdict", {
            "candidate": "new/b", "score": score}).status == 200
    say(0, 1)
    say(1, 1)
    wait_for(lambda: e.noted()["verdict"] == "pass", 10, "a pass")
    c.decide("promote")
    say(1, 0)
    c.wait("rolled_back", timeout=10)
    assert (e.noted()["id"], e.noted()["verdict"]) == (ident, "fail")
    assert actions(c) == ["start", "step", "rollback"]
    # of another attempt it has been said
    c.decide("restart")
    say(1, 1)
    wait_for(lambda: c.admin.get(f"evaluations/{ident}").json["verdict"]
             == "pass", 10, "a pass")
    c.gateway.reload()
    assert e.noted()["past"] and e.noted()["verdict"] == "fail"
    assert c.admin.post("rollouts/r/promote", {"reason": "x"}).status == 409


def test_the_worst_target_of_a_prompt(gateway, provider, tmp_path):
    """A version of a prompt is tried with several: it has to do with all."""
    for version in ("v1", "v2"):
        (tmp_path / version).write_text(
            '{"messages": [{"role": "system", "content": "be brief"}, '
            '"{{>messages}}"]}')
    ups = [provider(Reply(text=text)) for text in ("41", "42", "42")]
    gw = gateway(server=ADMIN, http="".join(
        up.upstream(name) for up, name in zip(ups, ("up", "new", "more")))
        + "".join(f"llm_prompt p {v} {tmp_path}/{v};" for v in ("v1", "v2"))
        + """
        llm_route r { match *; target new/b; fallback up/a; fallback more/c;
            prompt p@v1;
            canary prompt=p@v2 share=10% guard=errors<50% hold=1h
                   evaluation=golden; }""")
    gw.allow(r"\[warn\]")
    c = Canary(gw, *ups[:2])
    wait_for(lambda: c.listed()["since"] > 0, 10, "a document")
    told = c.admin.post("evaluations", {
        "name": "golden", "route": "r", "checks": [{"type": "exact"}],
        "candidates": [{"target": target, "prompt": "p@v2", "name": target}
                       for target in ("new/b", "up/a", "more/c")],
        "dataset": {"cases": [{"input": "q", "expected": "42"}] * 2}})
    assert told.status == 201, told.body
    c.wait("rolled_back", timeout=10)
    assert c.shown()["evaluations"]["golden"]["score"] == 0


def test_judges(canary, provider):
    """What has been judged counts; what was being judged does not, and what
    was decided is decided once."""
    gate = threading.Event()
    gate.set()

    def judge(x):
        gate.wait(20)
        good = "good" in x.request.json["messages"][1]["content"]
        openai_wire.server(Reply(text='{"score": %s}'
                                 % (0.9 if good else 0.2)))(x)
    c = canary(f"share=50% {BY} hold=1h guard=judge>0.7 alpha=0.001 "
               'judge=j/m judge_share=100% "rubric=it is good"',
               stable=Reply(text="good"), candidate=Reply(text="bad"),
               http=provider(judge).upstream("j"))

    def observed():
        guard = c.listed()["guards"][0]
        return [guard[arm]["observed"] for arm in ("stable", "candidate")]
    arms = c.arms(12)
    n = [arms.count(arm) for arm in ("stable", "candidate")]
    assert all(n)
    wait_for(lambda: observed() == n)
    gate.clear()
    c.ask(4)
    crash(c)
    gate.set()
    for _ in range(2):
        wait_for(lambda: observed() == n)
        assert c.listed()["state"] == "running"
        c.gateway.reload()
    c.until("rolled_back")
    history = c.shown()["history"]
    crash(c)
    c.gateway.reload()
    assert c.shown()["history"] == history
    assert actions(c) == ["start", "rollback"]
    assert c.gateway.error_log().count("judge>0.7 is broken") == 1


# -- fleets ----------------------------------------------------------------------

def test_a_rollback_holds_for_the_fleet(canary, redis):
    a, b = canary(f"share=100% {BY} hold=1h guard=errors<10%",
                  redis().directive(), n=2)
    times: list[float] = []
    while not times or (times[-1] >= 1 and len(times) < 5):
        # what a busy machine makes late is not late each time
        if times:
            a.decide("restart")
        for one in a, b:
            wait_for(lambda: one.arms(3) == ["candidate"] * 3, 10)
        start = time.monotonic()
        a.decide("rollback")
        wait_for(lambda: b.arms(1) == ["stable"], 5, "the other gateway")
        times.append(time.monotonic() - start)
        assert a.arms(1) == ["stable"]
    assert min(times) < 1
    assert actions(b) == ["start", "rollback"] \
        + ["restart", "rollback"] * (len(times) - 1)


def test_gateways_decide_together(canary, redis):
    """What both have seen counts, and only one of them decides."""
    a, b = canary(f"steps=50%,100% {BY} hold=100ms min=60 guard=errors<50%",
                  redis().directive(), n=2)
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
                  "alpha=0.02", redis().directive(), n=2,
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
                  server.directive(), n=2)
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
        wait_for(lambda: c.listed()["stale"], 10)
        assert c.listed()["state"] == "running"
    finally:
        server.thaw()
    c.wait("rolled_back", timeout=15)
    assert actions(c) == ["start", "rollback"]
