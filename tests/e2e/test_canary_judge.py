"""Canaries whose answers a model judges."""

from __future__ import annotations

import json

import pytest

from harness import Reply, answers, openai_wire, route, wait_for
from harness.canary import ADMIN, Canary, canary_conf

BY = "by=$http_x_key"
JUDGE = ("judge=j/judge judge_share=100% alpha=0.2 "
         '"rubric=the answer is kind"')


def judge(x):
    """It likes what is good."""
    said = x.request.json["messages"][1]["content"]
    score = 0.9 if "good answer" in said else 0.2
    openai_wire.server(Reply(text="```json\n" + json.dumps(
        {"score": score, "reason": "so"}) + "\n```"))(x)


@pytest.fixture
def canary(gateway, provider):
    def make(words, script=judge, stable=Reply(text="a good answer"),
             candidate=Reply(text="a poor answer"), **parts):
        ups = [provider(stable), provider(candidate)]
        judging = provider(script)
        gw = gateway(http=judging.upstream("j")
                     + canary_conf(*ups, f"{words} {JUDGE}"),
                     server=ADMIN, **parts)
        made = Canary(gw, *ups)
        made.judge = judging
        wait_for(lambda: made.listed()["since"] > 0, 10, "a document")
        return made
    return make


@pytest.mark.parametrize("guard, more", [
    ("judge>0.7", {}), ("judge>-0.05", {"stream": True})])
def test_a_poor_one_is_taken_back(canary, guard, more):
    c = canary(f"share=50% {BY} hold=1h guard={guard}", metrics=True)
    c.until("rolled_back", most=3000, **more)
    last = c.shown()["history"][-1]
    assert last["by"] == "guard"
    assert last["reason"].startswith(f"{guard} is broken: candidate ")
    figures = last["figures"]
    assert figures["evidence"] >= figures["needed"]
    assert figures["candidate"]["bad"] / figures["candidate"]["observed"] \
        == pytest.approx(0.8)
    assert f"{guard} is broken" in c.gateway.error_log()
    metrics = c.gateway.metrics()
    assert metrics.sum("llm_rollout_judge_score_ratio",
                       arm="candidate") == pytest.approx(0.2)
    assert metrics.sum("llm_rollout_judge_score_ratio",
                       arm="stable") == pytest.approx(0.9)
    # it is told what a judge is told, and nothing of arms
    asked = c.judge.last.json
    assert asked["model"] == "judge"
    assert "the answer is kind" in asked["messages"][0]["content"]
    assert "candidate" not in json.dumps(asked)
    # and what is over is not judged any more
    wait_for(lambda: c.gateway.metrics().sum("llm_detached_in_flight") == 0)
    seen = len(c.judge.requests)
    c.ask(5)
    assert len(c.judge.requests) == seen


def test_a_good_one_goes_on(canary):
    c = canary(f"steps=50%,100% {BY} hold=100ms min=20 guard=judge>0.7",
               candidate=Reply(text="another good answer"))
    c.until("promoted", most=3000)
    wait_for(lambda: c.gateway.metrics().sum("llm_rollout_judged_total",
                                             result="scored") > 10)


@pytest.mark.parametrize("script", [
    answers.openai_error(500), Reply(text="I cannot say"),
    Reply(text='{"score": 7}')])
def test_without_a_verdict_nothing_counts(canary, script):
    c = canary(f"share=50% {BY} hold=1h guard=judge>0.7", script)
    assert {answer.status for answer in c.ask(12)} == {200}
    wait_for(lambda: c.gateway.metrics().sum("llm_rollout_judged_total",
                                             result="failed") == 12)
    assert c.listed()["guards"][0]["candidate"]["observed"] == 0
    assert c.listed()["state"] == "running"


def test_a_judge_that_hangs(canary):
    """Callers do not wait, and there are not more and more of them."""
    c = canary(f"share=50% {BY} hold=1h guard=judge>0.7",
               lambda x: x.stall(20))
    got = c.ask(40)
    assert {answer.status for answer in got} == {200}
    metrics = c.gateway.metrics()
    assert metrics.sum("llm_rollout_judged_total", result="dropped") == 24
    assert len(c.judge.requests) <= 16


@pytest.mark.parametrize("words, advice", [
    ("guard=judge>0.7", "all three or none"),
    ("guard=errors<5% judge=j/m rubric=x", "all three or none"),
    ("guard=judge>0.7 judge=j/m", "all three or none"),
    ("guard=judge>0.7 judge=j rubric=x", "write a model"),
    ("guard=judge>0.7 judge=k/m rubric=x", '"k"'),
    ("guard=judge>0.7 judge=j/m rubric=", "what the judge goes by"),
    ("guard=judge>0.7 judge=j/m rubric=file:/none", "failed"),
    ("guard=judge>0.7 judge=j/m rubric=x judge_share=0%", "above 0%"),
    ("guard=judge>0.7 judge=j/m rubric=x judge_timeout=0", "write a time"),
    ("guard=judge<0.7 judge=j/m rubric=x", 'write "judge>0.8"'),
])
def test_nginx_refuses(gateway, provider, words, advice):
    up = provider()
    gw = gateway(start=False, http=up.upstream("up") + up.upstream("j")
                 + route("target up/a;", f"canary up/b share=5% {words};"))
    check = gw.check()
    assert not check.ok and advice in check.stderr, check.stderr
