"""What evaluations say of a candidate: they block promotions, and roll back."""

from __future__ import annotations

import itertools

import pytest

from harness import answers, route, wait_for
from harness.canary import ADMIN, Canary, canary_conf
from harness.driver import build

OK, DECLINED = "0", "-5"


@pytest.fixture
def canary(gateway, provider):
    def make(words, engine="", n=1, **parts):
        ups = [provider(), provider()]
        gws = [gateway(http=engine + canary_conf(*ups, words),
                       modules=[build("evaluated_driver")],
                       server=ADMIN + "location /say { evaluated_driver; }",
                       **parts) for _ in range(n)]
        made = [Canary(gw, *ups) for gw in gws]
        for one in made:
            wait_for(lambda: one.listed()["since"] > 0, 10, "a document")
        return made if n > 1 else made[0]
    return make


#: they sort by time
ids = itertools.count(10)


def say(c, verdict, name="golden", target="new/b", **more):
    more.setdefault("id", f"eval_{next(ids)}")
    words = "&".join(f"{k}={v}" for k, v in more.items())
    answer = c.gateway.get(
        f"/say?name={name}&target={target}&verdict={verdict}&{words}")
    assert answer.status == 200
    return answer.body.decode()


def noted(c, name="golden"):
    return (c.shown()["evaluations"] or {}).get(name)


def actions(c):
    return [entry["action"] for entry in c.shown()["history"]]


WORDS = "steps=50%,100% hold=50ms min=2 guard=errors<50% evaluation=golden"


def test_no_step_before_it_has_passed(canary, engine):
    c = canary(WORDS, engine, workers=2)
    assert c.arms(60).count("candidate") > 2
    wait_for(lambda: 'until evaluation "golden" has passed'
             in c.gateway.error_log())
    assert c.listed()["step"] == 1
    assert noted(c) is None and "golden" in c.shown()["evaluations"]
    # a person is told, and may know better
    refused = c.admin.post("rollouts/r/promote", {"reason": "x"})
    assert (refused.status, refused.json["error"]["code"]) == (409,
                                                               "evaluation")
    assert "golden" in refused.json["error"]["message"]
    assert c.admin.post("rollouts/r/promote", {"reason": "x", "all": True}
                        ).status == 409
    assert c.admin.post("rollouts/r/pause", {"reason": "x", "force": True}
                        ).status == 400
    # what is undecided has not passed
    assert say(c, 2) == OK
    wait_for(lambda: noted(c))
    assert noted(c)["verdict"] == "undecided"
    assert c.listed()["step"] == 1
    assert say(c, 1, score=910) == OK
    c.wait("running", 2)
    assert noted(c)["verdict"] == "pass"
    assert noted(c)["score"] == 0.91 and noted(c)["cases"] == 40
    assert "says pass, score 0.910 (0.810 to 1.010) of 40 cases" \
        in c.gateway.error_log()
    assert c.gateway.error_log().count('until evaluation "golden"') == 1
    c.until("promoted")
    assert actions(c) == ["start", "step", "step"]


def test_a_person_may_force_it(canary):
    c = canary(WORDS.replace("50ms", "1h"))
    assert c.decide("promote", "we know", force=True)["step"] == 2
    assert c.decide("promote", "again", all=True,
                    force=True)["state"] == "promoted"


def test_a_failure_rolls_back(canary, engine):
    c = canary(WORDS.replace("50ms", "1h"), engine, workers=2)
    assert say(c, 0, score=612, id="eval_0") == OK
    c.wait("rolled_back")
    last = c.shown()["history"][-1]
    assert (last["action"], last["by"]) == ("rollback", "evaluation")
    assert last["reason"] == (
        'evaluation "golden" has failed: score 0.612 (0.512 to 0.712) of 40 '
        "cases, eval_0: 12 of 40 are wrong")
    assert last["figures"]["evaluation"] == "golden"
    assert last["figures"]["score"] == 0.612
    assert set(c.arms(10)) == {"stable"}
    wait_for(lambda: "rollback, it is rolled_back" in c.gateway.error_log())
    # a rollout that begins again asks again
    assert c.decide("restart")["state"] == "running"
    assert noted(c)["past"]
    assert c.admin.post("rollouts/r/promote", {"reason": "x"}).status == 409
    # and what is told twice is no second decision
    assert say(c, 0, score=612, id="eval_0") == OK
    assert say(c, 1, id="eval_later") == OK
    assert say(c, 0, score=612, id="eval_0") == OK
    wait_for(lambda: noted(c)["verdict"] == "pass")
    assert "past" not in noted(c)
    assert actions(c) == ["start", "rollback", "restart"]


def test_told_twice(canary):
    c = canary(WORDS.replace("50ms", "1h"))
    assert say(c, 0, name="drift", guard=1, id="eval_a") == OK
    c.wait("rolled_back")
    assert say(c, 0, name="drift", guard=1, id="eval_b") == OK
    wait_for(lambda: noted(c, "drift")["id"] == "eval_b")
    assert say(c, 0, name="drift", guard=1, id="eval_b") == OK
    assert actions(c) == ["start", "rollback"]


@pytest.mark.parametrize("ended", [0, 4102444800])
def test_many_while_the_store_is_away(canary, redis, ended):
    """Of each name the last one is told, of those that have just ended and of
    those of which that is not known (ended: when)."""
    server = redis()
    c = canary(WORDS.replace("50ms", "1h"), server.directive("timeout=1s"))
    kind = next(n for n in range(20) if "r:new/b" in
                (server.do("HKEYS", f"llm:{{llm}}:d:{n}") or []))
    key = f"llm:{{llm}}:d:{kind}"
    server.do("RENAME", key, "saved")
    server.do("SET", key, "not a hash")
    for n in range(100, 167):
        assert say(c, 1, id=f"eval_{n}", score=n, ended=ended) == OK
    for name in ("some", "other"):
        assert say(c, 2, name=name, guard=1, id="eval_1", ended=ended) == OK
        assert say(c, 1, name=name, guard=1, id="eval_2", ended=ended) == OK
        assert say(c, 0, name=name, guard=1, id="eval_0", ended=ended) == OK
    server.do("DEL", key)
    server.do("RENAME", "saved", key)
    for name, ident in (("golden", 166), ("some", 2), ("other", 2)):
        wait_for(lambda: (noted(c, name) or {}).get("id")
                 == f"eval_{ident}", 10, name)
    assert actions(c) == ["start"]


def test_what_is_not_its_own(canary):
    c = canary(WORDS.replace("50ms", "1h"))
    assert say(c, 0, target="up/a") == DECLINED
    assert say(c, 0, target="new/b", prompt="p@v2") == DECLINED
    assert say(c, 0, name="silver") == DECLINED
    assert say(c, 0, target="") == DECLINED
    assert c.listed()["state"] == "running"


def test_the_fleet_hears_of_it(canary, redis):
    """And when Redis is away it is told when it is back."""
    server = redis()
    a, b = canary(WORDS.replace("50ms", "1h"),
                  server.directive("timeout=500ms"), n=2)
    a.gateway.allow("redis"), b.gateway.allow("redis")
    server.freeze()
    try:
        assert say(a, 0) == OK
        wait_for(lambda: a.listed()["stale"], 10)
        assert a.listed()["state"] == "running"
    finally:
        server.thaw()
    a.wait("rolled_back", timeout=15)
    b.wait("rolled_back", timeout=15)
    assert actions(a) == actions(b) == ["start", "rollback"]


def fails(x):
    answers.openai_error(500)(x)


def test_decisions_whose_answer_is_lost(canary, provider, redis, between):
    """What is in force is told, and once: by a person, an evaluation, a guard,
    and if who has sent it is dead."""
    link = between(redis())
    hook = provider(answers.body(b"", 204), key="")
    a, b = canary("steps=50%,100% hold=1h guard=failures<3 evaluation=golden "
                  f"webhook=http://127.0.0.1:{hook.port}/x",
                  link.directive("timeout=2s"), n=2)
    told = ["start"]

    def heard(action):
        told.append(action)
        wait_for(lambda: len(hook.requests) >= len(told), 10, action)
        assert [x.json["decision"]["action"] for x in hook.requests] == told

    def lose(action, **more):
        link.lose(f'"action":"{action}"', **more)

    lose("pause")
    assert a.admin.post("rollouts/r/pause", {"reason": "x"}).status == 503
    heard("pause")
    lose("rollback")
    assert say(a, 0) == OK
    heard("rollback")
    wait_for(lambda: a.gateway.error_log().count(
        'evaluation "golden" eval_') == 1)
    a.decide("restart")
    heard("restart")
    lose("rollback")
    a.candidate(fails)
    a.until("rolled_back")
    heard("rollback")
    # nothing is heard, and who has sent it dies
    lose("restart", hang_up=False)
    a.gateway.connect().request("POST", "/llm/rollouts/r/restart",
                                headers=[("x-llm-action", "1")],
                                json={"reason": "y"})
    assert link.lost.wait(10)
    a.gateway.kill_worker(a.gateway.worker())
    heard("restart")
    b.decide("pause")
    heard("pause")
    assert actions(b) == told
    ids = [entry["id"] for entry in b.shown()["history"]]
    assert len(set(ids)) == len(told)
    assert len({x.json["id"] for x in hook.requests}) == len(told)
    log = a.gateway.error_log() + b.gateway.error_log()
    assert [log.count(f": {action}, it is") for action in sorted(set(told))] \
        == [told.count(action) for action in sorted(set(told))]
    assert sum(c.gateway.metrics().sum("llm_rollout_decisions_total")
               for c in (a, b)) == len(told)


@pytest.mark.parametrize("words, advice", [
    ("new/b share=5% guard=errors<2% evaluation=", "write the name"),
    ("new/b share=5% guard=errors<2% evaluation=a evaluation=a",
     "each one once"),
    ("new/b share=5% guard=errors<2% evaluation=a/b", "write the name"),
])
def test_nginx_refuses(gateway, provider, words, advice):
    ups = [provider(), provider()]
    gw = gateway(start=False, http=ups[0].upstream("up")
                 + ups[1].upstream("new")
                 + route("target up/a;", f"canary {words};"))
    check = gw.check()
    assert not check.ok and advice in check.stderr, check.stderr
