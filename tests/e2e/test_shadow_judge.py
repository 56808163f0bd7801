"""Pairs of a shadow that a model judges."""

from __future__ import annotations

import json
import re
import threading
import time

import pytest

from harness import Reply, answers, openai_wire, route, wait_for
from harness.openapi import Admin
from harness.util import LATE

VERDICTS = "llm_shadow_verdicts_total"
RULES = """
llm_pattern email "[a-z.]{1,40}@[a-z.]{1,40}";
llm_rules private { input redact match=email; }
llm_rules back { input redact match=email reversible; }
"""
POOR, GOOD = Reply(text="it may rain"), Reply(text="it rains: good")


def texts(request):
    """The request and the answers A and B, as a judge is given them."""
    said = request.json["messages"][1]["content"]
    mark = re.search(r"between <<([0-9a-f]{16}) and >>", said)[1]
    return re.findall(rf"<<{mark}\n(.*?)\n{mark}>>", said, re.S)


def says(x, better):
    openai_wire.server(Reply(text="Well:\n```json\n" + json.dumps(
        {"reason": "so says x@y.org", "better": better}) + "\n```"))(x)


def fair(x):
    _, a, b = texts(x.request)
    says(x, "A" if "good" in a else "B" if "good" in b else "tie")


def biased(x):
    """It likes what stands first."""
    says(x, "A")


@pytest.fixture
def judged(gateway, provider):
    def make(judge=fair, words="", stable=POOR, candidate=GOOD, *,
             sample="share=0% pairs=100% redact=private", price="",
             lines=(), **parts):
        ups = [provider(stable), provider(candidate), provider(judge)]
        conf = ups[0].upstream("up") + RULES
        conf += ups[1].upstream("new", price and f"llm_price n {price};")
        conf += ups[2].upstream("j", price and "llm_price m input=9 output=9;")
        conf += route("target up/good;", f"sample {sample};",
                      f"shadow new/n {words} judge=j/m;", *lines)
        admin = Admin(gateway(http=conf, server="location /llm/ "
                              "{ llm_admin write; }", **parts))
        admin.judge = ups[2]
        return admin
    return make


def counted(admin, count, **labels):
    wait_for(lambda: admin.gateway.metrics().sum(VERDICTS, **labels) == count,
             10, f"{count} verdicts {labels}")
    return admin.gateway.metrics()


def sampled(admin, count=1):
    def there():
        got = admin.get("samples")
        assert got.status == 200, got.body
        data = got.json["data"]
        return data if len(data) == count else None
    return wait_for(there, 10, f"{count} samples")


def preferred(admin):
    lines = admin.get("samples/export", format="dpo").body.splitlines()
    return [(pair["chosen"][0]["content"], pair["rejected"][0]["content"])
            for pair in map(json.loads, lines)]


@pytest.mark.parametrize("judge, stable, candidate, verdict, asked", [
    (fair, POOR, GOOD, "shadow", 2),
    (fair, GOOD, POOR, "stable", 2),
    (fair, POOR, Reply(text="who knows"), "tie", 2),
    (fair, POOR, POOR, "tie", 0),
    (biased, POOR, GOOD, "tie", 2),
    (Reply(text="I cannot say"), POOR, GOOD, "none", 1),
    (answers.openai_error(500), POOR, GOOD, "none", 1),
    (answers.close, POOR, GOOD, "none", 1)],
    ids=["better", "worse", "like", "same", "biased", "garbage", "error",
         "gone"])
def test_a_verdict(judged, judge, stable, candidate, verdict, asked):
    admin = judged(judge, "", stable, candidate)
    admin.gateway.allow(r"\[error\]")
    answer = admin.gateway.chat("will it rain", stream=True)
    assert answer.status == 200 and answer.complete
    metrics = counted(admin, 1)
    assert metrics.sum(VERDICTS, route="r", target="new/n",
                       verdict=verdict) == 1
    assert metrics.sum("llm_requests_total", route="r:shadow_judge") == asked

    # in both orders, of the same request; and nothing of who is who
    assert [texts(request)[1:] for request in admin.judge.requests] == [
        [candidate.text, stable.text], [stable.text, candidate.text]][:asked]
    for request in admin.judge.requests:
        said = json.dumps(request.json)
        assert "will it rain" in texts(request)[0]
        assert "shadow" not in said and "new" not in said
    [sample] = sampled(admin)
    if verdict == "none":
        assert sample["verdict"] is None and preferred(admin) == []
        return
    assert sample["verdict"]["by"] == "judge"
    assert sample["verdict"]["winner"] == verdict
    assert sample["verdict"]["score"] is None
    assert sample["verdict"]["comment"] == (
        "the same answer" if asked == 0 else
        "not the same in both orders" if judge is biased else
        "so says [REDACTED]")
    assert preferred(admin) == {
        "tie": [], "shadow": [(candidate.text, stable.text)],
        "stable": [(stable.text, candidate.text)]}[verdict]
    assert len(admin.get("samples", verdict="true").json["data"]) == 1


def test_a_person_knows_better(judged):
    """What a judge has said stands until somebody has read both."""
    admin = judged()
    admin.gateway.chat()
    counted(admin, 1, verdict="shadow")
    [sample] = sampled(admin)
    path = f"samples/{sample['id']}/verdict"
    assert admin.get(f"samples/{sample['id']}/diff").json["verdict"]["by"] \
        == "judge"
    assert preferred(admin) == [(GOOD.text, POOR.text)]
    # a judge from elsewhere may say something else
    assert admin.post(path, {"winner": "tie", "by": "judge"}).status == 200
    assert preferred(admin) == []
    assert admin.post(path, {"winner": "stable"}).status == 200
    assert preferred(admin) == [(POOR.text, GOOD.text)]
    # but not when a person has judged; who may change his mind
    late = admin.post(path, {"winner": "shadow", "by": "judge"})
    assert late.status == 409 and late.json["error"]["code"] == "human"
    assert sampled(admin)[0]["verdict"]["by"] == "human"
    assert preferred(admin) == [(POOR.text, GOOD.text)]
    assert admin.post(path, {"winner": "shadow"}).status == 200
    assert preferred(admin) == [(GOOD.text, POOR.text)]


def test_a_judge_that_hangs(judged):
    """Callers and copies do not wait, and pairs do not pile up."""
    admin = judged(answers.stall, "max=2 judge_timeout=10m",
                   main="worker_shutdown_timeout 100ms;")
    for i in range(6):
        start = time.monotonic()
        assert admin.gateway.chat().status == 200
        assert time.monotonic() - start < 2 * LATE
        wait_for(lambda: admin.gateway.metrics().sum(
            "llm_shadow_requests_total", outcome="compared") == i + 1, 10)
    assert counted(admin, 4).sum(VERDICTS, verdict="dropped_max") == 4
    wait_for(lambda: len(admin.judge.requests) == 2, 10, "two questions")
    assert admin.gateway.metrics().sum("llm_detached_in_flight") == 2
    # those that are not judged are recorded without a verdict
    assert [x["verdict"] for x in sampled(admin, 4)] == [None] * 4


def test_his_time_is_bounded(judged):
    admin = judged(answers.stall, "judge_timeout=100ms")
    admin.gateway.allow(r"\[error\]")
    admin.gateway.chat()
    counted(admin, 1, verdict="none")
    assert sampled(admin)[0]["verdict"] is None


@pytest.mark.parametrize("price, judged_pairs, dropped", [
    ("input=9000 output=9000", 0, "verdict"),   # the copy has spent it all
    ("input=0.0001 output=0.0001", 1, "copy")   # the judge has
], ids=["copy", "judge"])
def test_a_budget(judged, price, judged_pairs, dropped):
    admin = judged(words="budget=0.0001usd/day", price=price)
    admin.gateway.chat()
    metrics = counted(admin, 1)
    assert metrics.sum(VERDICTS, verdict="shadow") == judged_pairs
    assert metrics.sum(VERDICTS, verdict="dropped_budget") == 1 - judged_pairs
    assert len(admin.judge.requests) == 2 * judged_pairs
    admin.gateway.chat()
    wait_for(lambda: admin.gateway.metrics().sum(
        "llm_shadow_requests_total", outcome="dropped_budget") == 1, 10)


def test_a_share(judged):
    admin = judged(words="judge_share=50% max=100")
    for _ in range(60):
        assert admin.gateway.chat().status == 200
    wait_for(lambda: admin.gateway.metrics().sum(
        "llm_shadow_requests_total", outcome="compared") == 60, 10)
    wait_for(lambda: admin.gateway.metrics().sum(
        "llm_detached_in_flight") == 0, 10)
    wait_for(lambda: admin.gateway.metrics().sum(VERDICTS) * 2
             == len(admin.judge.requests), 10, "two questions for each")
    assert 10 <= admin.gateway.metrics().sum(VERDICTS, verdict="shadow") <= 50


def test_he_does_not_learn_what_rules_have_taken_out(judged):
    said = Reply(text="[EMAIL_1] it is")
    admin = judged(stable=said, lines=["rules back;"])
    answer = admin.gateway.chat("I am a@b.org")
    assert "a@b.org" in answer.json["choices"][0]["message"]["content"]
    counted(admin, 1, verdict="shadow")
    for request in admin.judge.requests:
        assert "a@b.org" not in json.dumps(request.json)
        assert "I am [EMAIL_1]" in texts(request)[0]
        assert said.text in texts(request)[1:]


def test_a_rubric(judged, tmp_path):
    (tmp_path / "rubric").write_text("the drier one\n")
    admin = judged(words=f"rubric=file:{tmp_path}/rubric")
    admin.gateway.chat()
    counted(admin, 1, verdict="shadow")
    assert "the drier one" in admin.judge.last.json["messages"][0]["content"]


def test_a_reload(judged):
    """What is being judged then ends without a verdict, but is recorded."""
    go = threading.Event()

    def held(x):
        x.wait(go, 20)
        fair(x)
    admin = judged(held)
    assert admin.gateway.chat().status == 200
    wait_for(lambda: admin.judge.requests, 10, "a question")
    admin.gateway.reload()
    go.set()
    wait_for(lambda: not admin.gateway.workers(leaving=True), 10, "old worker")
    counted(admin, 1, verdict="none")
    assert sampled(admin)[0]["verdict"] is None


@pytest.mark.parametrize("words, said", [
    ("judge=j", 'write "judge=j/MODEL"'),
    ("judge=k/m", 'unknown provider "k"'),
    ("judge=", 'invalid or duplicate parameter "judge="'),
    ("judge=j/m judge=j/m", "invalid or duplicate"),
    ("rubric=x", 'add "judge=UPSTREAM/MODEL"'),
    ("judge=j/m rubric=", "invalid or duplicate"),
    ("judge=j/m rubric=file:/none", "/none"),
    ("judge=j/m judge_share=0%", "invalid or duplicate"),
    ("judge=j/m judge_share=2", "invalid or duplicate"),
    ("judge=j/m judge_timeout=0", "invalid or duplicate"),
    ("judge=j/m budget=1usd/day", 'the price of "j/m" is not known'),
])
def test_nginx_refuses(gateway, provider, words, said):
    up = provider()
    gw = gateway(start=False, http=up.upstream("up") + up.upstream("j")
                 + up.upstream("new", "llm_price n input=1 output=1;")
                 + route("target up/a;", f"shadow new/n {words};"))
    check = gw.check()
    assert not check.ok and said in check.stderr, check.stderr
