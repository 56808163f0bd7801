"""GET registry: what has served when, with which scores: what changed?"""

from __future__ import annotations

import time

import pytest

from harness import Reply, answers, route, wait_for
from harness.canary import ADMIN, Canary, canary_conf
from harness.openapi import Admin

BY = "by=$http_x_key"


def entries(admin, **args):
    answer = admin.get("registry", **args)
    assert answer.status == 200, answer.body
    assert answer.json["object"] == "list"
    return {(one["kind"], one["name"] + (f"@{one['version']}"
                                         if one["version"] else "")): one
            for one in answer.json["data"]}


@pytest.fixture
def canary(gateway, provider):
    def make(words, stable=None, candidate=None, engine="", n=1, http="",
             **more):
        ups = [provider(stable), provider(candidate)]
        gws = [gateway(http=engine + "llm_feedback 1h;" + http
                       + canary_conf(*ups, words, **more), server=ADMIN)
               for _ in range(n)]
        made = [Canary(gw, *ups) for gw in gws]
        for one in made:
            wait_for(lambda: one.listed()["since"] > 0, 10, "a document")
        return made if n > 1 else made[0]
    return make


def test_what_has_served(canary):
    start = int(time.time() * 1000)
    c = canary(f"share=50% {BY} hold=1h guard=errors<50%",
               Reply(text="{}"), Reply(text="no JSON"),
               http="llm_rules strict { output json on_fail=mark; }",
               lines=("rules strict;",))
    got = c.ask(20)
    n = [a.header("x-llm-arm") for a in got].count("candidate")
    for answer in got:
        assert c.admin.post("feedback", {
            "request_id": answer.header("x-llm-request-id"),
            "score": 0.25 if answer.header("x-llm-arm") == "candidate"
            else 1}, action=False).status == 200
    c.decide("rollback", "too dull")
    seen = entries(c.admin)
    new, old = seen["target", "new/b"], seen["target", "up/a"]
    assert (new["requests"], old["requests"]) == (n, 20 - n)
    assert new["errors"] == 0 and new["route"] == "r"
    assert start <= new["first_seen"] <= new["last_seen"]
    assert new["scores"] == {"checks": 0, "feedback": 0.25}
    assert old["scores"] == {"checks": 1, "feedback": 1}
    assert [(e["what"], e["by"], e["why"]) for e in new["events"]] == [
        ("start", "configuration", ""), ("rollback", "admin", "too dull")]
    assert old["events"] == []
    assert seen["rules", "strict"]["requests"] == 20
    assert seen["rules", "strict"]["scores"]["checks"] == (20 - n) / 20
    # what providers say has answered
    models = {name: one["requests"] for (kind, name), one in seen.items()
              if kind == "model"}
    assert sum(models.values()) == 20 and any(
        name.startswith("new/") for name in models)
    assert entries(c.admin, route="r").keys() == seen.keys()
    assert entries(c.admin, route="nobody") == {}
    assert c.admin.get("registry", x="1").status == 400


def test_prompts_and_rules_of_a_candidate(gateway, provider, tmp_path):
    for version in ("v1", "v2"):
        (tmp_path / version).write_text(
            '{"messages": [{"role": "system", "content": "I am %s"}, '
            '"{{>messages}}"]}' % version)
    up = provider()
    gw = gateway(server=ADMIN, http=up.upstream("up") + f"""
        llm_prompt p v1 {tmp_path}/v1;
        llm_prompt p v2 {tmp_path}/v2;
        llm_rules strict {{ output json on_fail=mark; }}
    """ + route("target up/a;", "prompt p@v1;", "canary prompt=p@v2 "
                f"rules=strict share=50% {BY} hold=1h guard=errors<5%;"))
    c = Canary(gw, up, None)
    wait_for(lambda: c.listed()["since"] > 0)
    arms = c.arms(20)
    c.decide("promote", "good enough")
    seen = entries(c.admin)
    n = arms.count("candidate")
    assert seen["prompt", "p@v1"]["requests"] == 20 - n
    for key in (("prompt", "p@v2"), ("rules", "strict")):
        assert seen[key]["requests"] == n
        assert [e["what"] for e in seen[key]["events"]] == ["start", "step"]
    assert seen["target", "up/a"]["events"] == []


def test_what_a_judge_says_of_prompts(gateway, provider, tmp_path):
    """Of the stable arm's, too: they are compared."""
    for version in ("v1", "v2"):
        (tmp_path / version).write_text('{"messages": ["{{>messages}}"]}')
    up, judge = provider(), provider(Reply(text='{"score": 0.5}'))
    gw = gateway(server=ADMIN, http=up.upstream("up") + judge.upstream("j")
                 + "".join(f"llm_prompt p {v} {tmp_path}/{v};"
                           for v in ("v1", "v2"))
                 + route("target up/a;", "prompt p@v1;", "canary prompt=p@v2 "
                         f"share=50% {BY} hold=1h guard=judge>0.1 "
                         "judge=j/judge judge_share=100% rubric=brief;"))
    c = Canary(gw, up, None)
    wait_for(lambda: c.listed()["since"] > 0)
    assert set(c.arms(20)) == {"stable", "candidate"}
    for key in ("p@v1", "p@v2"):
        wait_for(lambda: entries(c.admin)["prompt", key]["scores"].get("judge")
                 == 0.5, 5, key)


def test_errors(serve):
    gw, _ = serve(answers.openai_error(400), server=ADMIN)
    assert gw.chat().status == 400
    (one,) = [one for (kind, _), one in entries(Admin(gw)).items()
              if kind == "target"]
    assert (one["requests"], one["errors"]) == (1, 1)


@pytest.mark.parametrize("engine", ["state"], indirect=True)
def test_it_outlives_nginx(canary, engine):
    c = canary(f"share=50% {BY} hold=1h guard=errors<50%", engine=engine)
    c.ask(10)
    wait_for(lambda: sum(one["requests"] for (kind, _), one in entries(
        c.admin).items() if kind == "model") == 10)
    before = entries(c.admin)
    # also what has been counted just before
    c.gateway.stop()
    c.gateway.start()
    wait_for(lambda: c.listed()["since"] > 0, 10)
    after = entries(c.admin)
    assert after == before
    c.ask(10)
    now = entries(c.admin)
    assert sum(one["requests"] for (kind, _), one in now.items()
               if kind == "target") == 20
    assert now["target", "up/a"]["first_seen"] \
        == before["target", "up/a"]["first_seen"]


def test_a_fleet_has_one(canary, redis):
    a, b = canary(f"share=50% {BY} hold=1h guard=errors<50%",
                  engine=redis().directive(), n=2)
    a.ask(10), b.ask(6)
    for c in (a, b):
        wait_for(lambda: sum(one["requests"] for (kind, _), one in entries(
            c.admin).items() if kind == "target") == 16, 15, "all of it")
