"""Evaluations that outlive workers, restarts and gateways; and schedules."""

from __future__ import annotations

import json
import threading

import pytest

from harness import Reply, answers, openai_wire, wait_for
from harness.nginx import route
from harness.openapi import Admin

from test_evaluations import ADMIN, Judged, PRICE, cases, knows


class Candidate:
    """It gives so many answers, and is silent until it is let go on."""

    def __init__(self, answers):
        self.left, self.changed = answers, threading.Condition()

    def __call__(self, x):
        with self.changed:
            self.changed.wait_for(lambda: self.left > 0, 20)
            self.left -= 1
        openai_wire.server(Reply(text="42"))(x)

    def go_on(self, answers=10_000):
        with self.changed:
            self.left = answers
            self.changed.notify_all()


def one(gateway, provider, script, http="", **parts):
    up = provider(script)
    conf = up.upstream("up", PRICE) + route("target up/a;") + http
    return Judged(gateway(http=conf, server=ADMIN, **parts), up)


def a_part(j, id, asked):
    """Is there, and so many have been asked: the last ones are under way."""
    j.providers[0].wait_requests(asked, 20)
    wait_for(lambda: j.get(id)["done"] >= 16, 20, "a part", 0.05)


def whole(j, id, n):
    """All cases are there, once, and counted once."""
    done = j.get(id)
    assert (done["cases"], done["done"], done["failed"]) == (n, n, 0)
    results = j.results(id)
    assert [case["n"] for case in results] == list(range(n))
    assert done["candidates"][0]["score"] == 1
    assert done["candidates"][0]["passed"] == n
    return done


def test_a_killed_worker(gateway, provider):
    """The next one goes on with what is there."""
    candidate = Candidate(40)
    j = one(gateway, provider, candidate)
    j.gateway.allow(r"\[alert\].*exited on signal 9")
    id = j.begin(cases(100), candidates=["up/a"], concurrency=2)
    a_part(j, id, 42)
    j.gateway.kill_worker(j.gateway.worker())
    candidate.go_on()
    done = j.wait(id)
    whole(j, id, 100)
    # of 40, what was not written yet has been asked again, and what was
    # under way
    asked = len(j.providers[0].requests)
    assert 100 + 2 <= asked <= 100 + 24 + 2
    assert done["started"] and done["ended"]


def test_a_reload(gateway, provider):
    """The worker that leaves writes what it has; nothing is asked twice but
    what was under way."""
    candidate = Candidate(40)
    j = one(gateway, provider, candidate)
    id = j.begin(cases(100), candidates=["up/a"], concurrency=2)
    a_part(j, id, 42)
    j.gateway.reload()
    candidate.go_on()
    j.wait(id)
    whole(j, id, 100)
    assert len(j.providers[0].requests) <= 100 + 2


def test_a_restart(gateway, provider, tmp_path):
    """nginx is killed and started anew; llm_state has it all."""
    (tmp_path / "state").mkdir()
    candidate = Candidate(40)
    j = one(gateway, provider, candidate,
            http=f"llm_state {tmp_path}/state;")
    id = j.begin(cases(100), candidates=["up/a"], concurrency=2)
    a_part(j, id, 42)
    j.gateway.kill()
    j.gateway.start()
    candidate.go_on()
    j.wait(id)
    whole(j, id, 100)
    assert 100 + 2 <= len(j.providers[0].requests) <= 100 + 24 + 2


def test_a_fleet(gateway, provider, redis):
    """Two gateways with one Redis run it once; when one dies, the other does."""
    server = redis()
    conf = server.directive("timeout=2s")
    candidate = Candidate(40)
    up = provider(candidate)
    conf += up.upstream("up", PRICE) + route("target up/a;")
    both = [Judged(gateway(http=conf, server=ADMIN), up) for _ in range(2)]
    for j in both:
        wait_for(lambda: j.gateway.metrics().sum("llm_redis_up") == 1, 10,
                 "Redis")
    id = both[0].begin(cases(120), candidates=["up/a"], concurrency=3)

    def runs(j):
        return j.gateway.metrics().sum("llm_evaluations_running") == 1
    a_part(both[1], id, 43)
    assert [runs(j) for j in both].count(True) == 1
    first, second = both if runs(both[0]) else both[::-1]
    first.gateway.kill()
    wait_for(lambda: runs(second), 15, "the other one", 0.1)
    candidate.go_on()
    second.wait(id)
    whole(second, id, 120)
    assert 120 + 3 <= len(up.requests) <= 120 + 24 + 3
    # what is cancelled on one gateway stops on the other
    candidate.go_on(30)
    id = second.begin(cases(500), candidates=["up/a"])
    first.gateway.start()
    wait_for(lambda: second.get(id)["done"] > 0, 20, "a part", 0.05)
    wait_for(lambda: first.gateway.metrics().sum("llm_redis_up") == 1, 10,
             "Redis")
    assert first.admin.post(f"evaluations/{id}/cancel").status == 200
    wait_for(lambda: not any(runs(j) for j in both), 10, "the end", 0.05)
    assert second.get(id)["status"] == "cancelled"
    candidate.go_on()


def test_a_large_dataset_of_a_fleet(gateway, provider, redis, clock,
                                     tmp_path):
    """Who reads it is not taken for dead, though that takes longer than he may
    be silent: the others do not begin it anew, each after the other."""
    with (tmp_path / "large.jsonl").open("w") as file:
        for n in range(8):
            file.write(json.dumps({"input": "x" * 200_000 + f" {n}",
                                   "expected": "42"}) + "\n")
    server, up = redis(), provider(knows(lambda n: True))
    conf = (server.directive("timeout=5s") + up.upstream("up", PRICE)
            + route("target up/a;") + f"llm_evaluations dir={tmp_path};")
    both = [Judged(gateway(http=conf, server=ADMIN), up) for _ in range(2)]
    for j in both:
        wait_for(lambda: j.gateway.metrics().sum("llm_redis_up") == 1, 10,
                 "Redis")
    id = both[0].begin({"file": "large.jsonl"}, candidates=["up/a"])

    def ended():
        # a piece is read at each tick: 26 of them take many seconds
        if not any(p.requests for p in both[0].providers):
            clock.advance(1)
        return both[0].get(id)["status"] == "completed"
    wait_for(ended, 30, "its end", 0.1)
    whole(both[0], id, 8)
    assert len(up.requests) == 8
    for j in both:
        assert "run by somebody else" not in j.gateway.error_log()


def test_callers_do_not_notice(gateway, provider):
    """An evaluation takes half of the bounds at the most, and no caller's."""
    gate = threading.Event()

    def script(x):
        text = x.request.json["messages"][-1]["content"]
        if text.startswith("what"):
            gate.wait(20)
        openai_wire.server(Reply(text="42"))(x)
    j = one(gateway, provider, script, http="llm_detached requests=8;")
    id = j.begin(cases(100), candidates=["up/a"], concurrency=32)
    wait_for(lambda: j.gateway.metrics().sum("llm_detached_in_flight") == 4,
             10, "half of them")
    for _ in range(20):
        assert j.gateway.chat().status == 200
    assert j.gateway.metrics().sum("llm_detached_in_flight") == 4
    j.admin.post(f"evaluations/{id}/cancel")
    wait_for(lambda: j.gateway.metrics().sum("llm_detached_in_flight") == 0,
             10, "the end")
    gate.set()


# -- schedules ----------------------------------------------------------------

def golden(tmp_path, n=10):
    path = tmp_path / "golden.jsonl"
    path.write_text("".join(json.dumps(case) + "\n"
                            for case in cases(n)["cases"]))
    return path


def test_a_schedule(gateway, provider, tmp_path, clock):
    """It begins by itself, again and again; a model that has changed behind
    its name is told of."""
    state = {"model": "a-2026-01", "text": "42"}

    def script(x):
        openai_wire.server(Reply(text=state["text"], model=state["model"]))(x)
    up = provider(script)
    path = golden(tmp_path)
    gw = gateway(server=ADMIN, http=up.upstream("up", PRICE) + route(
        "target up/a;",
        f"evaluate golden {path} every=1d min_score=0.8 check=exact "
        "candidate=up/a;"))
    gw.allow(r"\[warn\].*(has failed|another model)")
    j = Judged(gw, up)

    def verdicts(verdict):
        return gw.metrics().sum("llm_evaluate_verdicts_total", route="r",
                                evaluation="golden", verdict=verdict)
    wait_for(lambda: verdicts("pass") >= 1, 20, "the first one", 0.05)
    assert gw.metrics().sum("llm_evaluate_score_ratio", route="r") == 1
    assert gw.metrics().sum("llm_evaluation_model_changes_total") == 0
    state.update(model="a-2026-02", text="41")
    clock.sleep(days=1)
    wait_for(lambda: verdicts("fail") >= 1, 30, "a failure", 0.05)
    wait_for(lambda: gw.metrics().sum("llm_evaluation_model_changes_total")
             == 1, 10, "a change", 0.05)
    assert "a-2026-02" in gw.error_log()
    one = j.admin.get("evaluations", route="r").json["data"][-1]
    assert one["by"] == "schedule" and one["name"] == "golden"
    assert [c["name"] for c in one["candidates"]] == ["candidate"]


def test_a_schedule_waits_for_its_last_one(gateway, provider, tmp_path,
                                            clock):
    """One that takes longer than "every=" is not overtaken by others."""
    candidate = Candidate(0)
    up, new = provider(candidate), provider(knows(lambda n: True))
    path = golden(tmp_path, 2)
    gw = gateway(server=ADMIN, http=up.upstream("up", PRICE)
                 + new.upstream("new", PRICE) + route(
                     "target up/a;", "fallback new/b;", *(
                         f"evaluate {name} {path} every=1s check=exact "
                         f"candidate={target};" for name, target in (
                             ("slow", "up/a"), ("quick", "new/b")))))
    j = Judged(gw, up, new)

    def have(name):
        return [one["status"] for one in j.admin.get(
            "evaluations", limit=100).json["data"] if one["name"] == name]
    up.wait_requests(2)
    for n in range(1, 4):
        wait_for(lambda: have("quick").count("completed") >= n, 20,
                 "the other", 0.05)
        clock.advance(6)                # it is looked at every 5 seconds
    assert have("slow") == ["running"]
    candidate.go_on()
    wait_for(lambda: "completed" in have("slow"), 20, "its end", 0.05)
    clock.advance(6)
    wait_for(lambda: have("slow").count("completed") >= 2, 20, "the next one",
             0.05)


def test_a_failure_takes_the_candidate_back(gateway, provider, tmp_path):
    stable, new = provider(knows(lambda n: True)), provider(
        knows(lambda n: False))
    path = golden(tmp_path, 20)
    gw = gateway(server=ADMIN, http=stable.upstream("up", PRICE)
                 + new.upstream("new", PRICE)
                 + route("target up/a;",
                         "canary new/b share=10% guard=errors<50% hold=1h;",
                         f"evaluate golden {path} every=1h check=exact;"))
    gw.allow(r"\[(warn|error)\]")
    j = Judged(gw, stable, new)
    wait_for(lambda: j.admin.get("rollouts/r").json["rollout"]["state"]
             == "rolled_back", 20, "a rollback", 0.05)
    history = j.admin.get("rollouts/r").json["rollout"]["history"]
    assert "golden" in json.dumps(history)
    [done] = j.admin.get("evaluations").json["data"]
    assert done["verdict"] == "fail"
    assert [(c["name"], c["score"]) for c in done["candidates"]] == [
        ("candidate", 0), ("stable", 1)]
    assert done["difference"]["value"] == -1


def test_a_route_as_it_is(gateway, provider, tmp_path):
    """Candidate and route are asked as callers ask them: with the route's
    prompt and messages."""
    for version in ("v1", "v2"):
        (tmp_path / version).write_text(json.dumps({"messages": [
            {"role": "system", "content": f"prompt {version}"},
            "{{>messages}}"]}))
    path = golden(tmp_path, 1)
    ups = [provider(lambda x: openai_wire.server(Reply(text="42"))(x))
           for _ in range(2)]
    gw = gateway(server=ADMIN, http="".join(
        up.upstream(name) for up, name in zip(ups, ("up", "new")))
        + "".join(f"llm_prompt p {v} {tmp_path}/{v};" for v in ("v1", "v2"))
        + "".join(f"""
            llm_route {name} {{ match {name}; target up/a; prompt p@v1;
                prepend_message system "rules of the house";
                prepend_message system "from $remote_addr";
                append_message user "be brief";
                canary {what} share=10% guard=errors<50% hold=1h;
                evaluate golden {path} every=1h check=exact; }}"""
            for name, what in (("model", "new/b"), ("prompt", "prompt=p@v2"),
                               ("both", "new/b prompt=p@v2"))))
    admin = Admin(gw)
    wait_for(lambda: [one["status"] for one in admin.get(
        "evaluations").json["data"]] == ["completed"] * 3, 20, "their end", 0.05)

    def asked(up):
        return sorted(tuple(m["content"] for m in r.json["messages"])
                      for r in up.requests)

    def with_prompt(version):
        return ("rules of the house", f"prompt {version}", "what is 0",
                "be brief")
    assert asked(ups[0]) == [with_prompt("v1")] * 3 + [with_prompt("v2")]
    assert asked(ups[1]) == [with_prompt("v1"), with_prompt("v2")]
    # and each canary hears of its candidate
    for name in ("model", "prompt", "both"):
        wait_for(lambda: admin.get(f"rollouts/{name}").json["rollout"][
            "evaluations"].get("golden"), 10, name)


@pytest.mark.parametrize("line, says", [
    ("evaluate golden {no} check=exact;", "No such file"),
    ("evaluate golden {bad} check=exact;", "line 2 is not JSON"),
    ("evaluate golden {good};", "there is no check for it"),
    ("evaluate golden {good} check=exact candidate=no/x;",
     'unknown provider "no"'),
    ("evaluate golden {good} check=exact judge=no/x;",
     'unknown provider "no"'),
    ("evaluate golden {good} check=exact judge=up;", "write UPSTREAM/MODEL"),
    ("evaluate golden {good} check=exact every=never;", "every=never"),
    ("evaluate golden {good} check=exact min_score=2;", "min_score"),
    ("evaluate g/x {good} check=exact;", "invalid name"),
    ("evaluate g {good} check=exact; evaluate g {good} check=exact;",
     "is duplicate"),
])
def test_configuration(gateway, provider, tmp_path, line, says):
    good, bad = golden(tmp_path), tmp_path / "bad.jsonl"
    bad.write_text('{"input": "x", "expected": "y"}\nnot json\n')
    line = line.format(no=tmp_path / "no", good=good, bad=bad)
    check = gateway(start=False, server=ADMIN,
                    http=provider().upstream("up", PRICE)
                    + route("target up/a;", line)).check()
    assert not check.ok and says in check.stderr, check.stderr
    assert f":{check.line_of('evaluate g')}" in check.stderr, check.stderr


@pytest.mark.parametrize("words, says", [
    ("max=0", "max=0"), ("keep=never", "keep=never"),
    ("target=up", "UPSTREAM/MODEL"), ("color=red", "color=red")])
def test_bounds(gateway, provider, words, says):
    check = gateway(start=False, server=ADMIN,
                    http=provider().upstream("up")
                    + route("target up/a;")
                    + f"llm_evaluations {words};").check()
    assert not check.ok and says in check.stderr, check.stderr
