"""Evaluations: candidates answer cases, and what they say is scored."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness import Reply, answers, openai_wire, wait_for
from harness.nginx import route
from harness.openapi import Admin

ADMIN = "location /llm/ { llm_admin write; } location /read/ { llm_admin; }"
LLM_EVAL = Path(__file__).parents[2] / "bin" / "llm-eval"
PRICE = ("llm_price a input=1 output=1; llm_price b input=1 output=1; "
         "llm_price j input=1 output=1;")


def number(x):
    """Of the case that is asked: the last word of its input."""
    return int(x.request.json["messages"][-1]["content"].split()[-1])


def knows(right, **more):
    """A candidate that says "42" where right(n)."""
    def script(x):
        text = "42" if right(number(x)) else "41"
        openai_wire.server(Reply(text=text, **more))(x)
    return script


def cases(n, **more):
    return {"cases": [{"input": f"what is {i}", "expected": "42", **more}
                      for i in range(n)]}


def wilson(k, n, z=1.959964):
    middle = (k / n + z * z / 2 / n) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(k / n * (1 - k / n) / n
                                           + z * z / 4 / n / n)
    return [middle - half, middle + half]


class Judged:
    """A gateway before candidates "up/a" and "new/b", and its evaluations."""

    def __init__(self, gateway, *providers):
        self.gateway, self.admin = gateway, Admin(gateway)
        self.providers = providers

    def begin(self, dataset, candidates=("up/a", "new/b"), **more):
        more.setdefault("checks", [{"type": "exact"}])
        answer = self.admin.post("evaluations", {
            "dataset": dataset, **more,
            "candidates": [{"target": one} if isinstance(one, str) else one
                           for one in candidates]})
        assert answer.status == 201, answer.body
        assert answer.header("location") == \
            f"/llm/evaluations/{answer.json['id']}"
        return answer.json["id"]

    def get(self, id):
        answer = self.admin.get(f"evaluations/{id}")
        assert answer.status == 200, answer.body
        return answer.json

    def wait(self, id, status="completed", timeout=30):
        wait_for(lambda: self.get(id)["status"] == status
                 or self.get(id)["status"] == "failed", timeout,
                 f"{id} to be {status}", 0.05)
        done = self.get(id)
        assert done["status"] == status, done
        return done

    def run(self, *args, **more):
        return self.wait(self.begin(*args, **more))

    def results(self, id):
        return list(self.admin.pages(f"evaluations/{id}/cases", "data",
                                     limit=100))


@pytest.fixture
def judged(gateway, provider):
    def make(up=None, new=None, *more, http="", lines=(), **parts):
        ups = [provider(up), provider(new), *(provider(p) for p in more)]
        conf = "".join(p.upstream(name, PRICE) for p, name in
                       zip(ups, ("up", "new", "judge", "more")))
        conf += route("target up/a;", "fallback new/b;", "fallback judge/j;"
                      if more else "", *lines) + http
        return Judged(gateway(http=conf, server=ADMIN, **parts), *ups)
    return make


def test_the_better_one_is_found(judged):
    """500 cases, two candidates of known quality: 90% and 75%."""
    j = judged(knows(lambda n: n % 10), knows(lambda n: n % 4))
    id = j.begin(cases(500, slice="all"), baseline="new/b", concurrency=16,
                 min_score=0.8, name="known", route="r")
    client = j.gateway.connect()
    client.request("GET", f"/llm/evaluations/{id}/events")
    events = client.read()
    client.close()
    assert events.complete and events.header("content-type") == \
        "text/event-stream"
    told = [(e.split("\n")[0][7:], json.loads(e.split("\n")[1][6:]))
            for e in events.body.decode().split("\n\n") if e[:1] == "e"]
    assert told[-1][0] == "end" and told[-1][1]["status"] == "completed"
    assert [event for event, _ in told[:-1]] == ["progress"] * (len(told) - 1)

    done = j.get(id)
    assert (done["cases"], done["done"], done["failed"]) == (500, 500, 0)
    a, b = done["candidates"]
    assert (a["score"], b["score"]) == (0.9, 0.75)
    assert a["interval"] == pytest.approx(wilson(450, 500), abs=1e-4)
    assert b["interval"] == pytest.approx(wilson(375, 500), abs=1e-4)
    difference = done["difference"]
    assert difference["value"] == pytest.approx(0.15)
    low, high = difference["interval"]
    assert 0.08 < low < 0.15 < high < 0.22
    assert done["verdict"] == "pass", done["why"]
    # each has been asked once, 16 + 7 tokens at 1 USD a million
    assert [len(p.requests) for p in j.providers] == [500, 500]
    assert done["tokens"] == 1000 * 23
    assert done["cost"] == pytest.approx(1000 * 23e-6)
    metrics = j.gateway.metrics()
    assert metrics.sum("llm_requests_total", route="evaluation") == 1000
    assert metrics.sum("llm_requests_total", route="r") == 0
    assert metrics.sum("llm_evaluations_total", status="completed") == 1
    assert metrics.sum("llm_evaluation_cases_total", outcome="scored") == 500
    assert metrics.sum("llm_evaluation_cost_usd_total") == \
        pytest.approx(done["cost"])

    results = j.results(id)
    assert [case["n"] for case in results] == list(range(500))
    case = results[10]
    assert case["input"].endswith("what is 10") and case["expected"] == "42"
    wrong, right = case["results"]
    assert wrong["candidate"] == "up/a" and not wrong["passed"]
    assert (wrong["score"], wrong["answer"]) == (0, "41")

    report = j.admin.get(f"evaluations/{id}/report").json
    assert report["evaluation"]["id"] == id and len(report["cases"]) == 500
    rows = list(csv.reader(io.StringIO(j.admin.get(
        f"evaluations/{id}/report", format="csv").body.decode())))
    assert len(rows) == 1001
    junit = ElementTree.fromstring(j.admin.get(
        f"evaluations/{id}/report", format="junit").body)
    assert len(list(junit.iter("testcase"))) == 500 + 1
    markdown = j.admin.get(f"evaluations/{id}/report",
                           format="markdown").body.decode()
    assert "up/a" in markdown and "0.9" in markdown


def test_a_budget_stops_it(judged):
    j = judged(knows(bool), knows(bool))
    # a request costs 23e-6 USD: ten of them are within, the eleventh is not
    id = j.begin(cases(50), budget={"cost": 250e-6}, concurrency=8)
    done = j.wait(id, "failed")
    assert "budget" in done["error"]
    assert done["verdict"] == "undecided"
    assert done["cost"] == pytest.approx(230e-6)
    assert sum(len(p.requests) for p in j.providers) == 10
    assert done["done"] == len(j.results(id)) == 5
    # a little is not nothing
    j.wait(j.begin(cases(1), budget={"cost": 1e-15}), "failed")
    # by tokens, too
    id = j.begin(cases(50), budget={"tokens": 100}, concurrency=8)
    assert j.wait(id, "failed")["tokens"] == 4 * 23


def test_cancelled_and_removed(judged):
    def slow(x):
        time.sleep(0.2)
        openai_wire.server(Reply(text="42"))(x)
    j = judged(slow, slow)
    id = j.begin(cases(200), concurrency=4)
    wait_for(lambda: len(j.providers[0].requests) >= 4, 10, "requests")
    assert j.admin.delete(f"evaluations/{id}").status == 409
    answer = j.admin.post(f"evaluations/{id}/cancel")
    assert answer.status == 200 and answer.json["status"] == "cancelled"
    assert j.admin.post(f"evaluations/{id}/cancel").status == 409
    wait_for(lambda: j.gateway.metrics().sum("llm_evaluations_running") == 0,
             10, "the end")
    asked = len(j.providers[0].requests)
    assert asked < 100
    done = j.get(id)
    assert done["status"] == "cancelled" and done["verdict"] == "undecided"
    assert done["done"] == len(j.results(id))
    assert [one["id"] for one in
            j.admin.get("evaluations", status="cancelled").json["data"]] == [id]
    assert j.admin.delete(f"evaluations/{id}").json["deleted"] == id
    for path in ("", "/cases", "/queue", "/report", "/events"):
        assert j.admin.get(f"evaluations/{id}{path}").status == 404
    assert j.admin.get("evaluations").json["data"] == []
    assert len(j.providers[0].requests) == asked


def test_failures_are_asked_again(judged):
    """One that recovers, one that does not."""
    seen = {}

    def moody(x):
        n = number(x)
        seen[n] = seen.get(n, 0) + 1
        if n == 3 and seen[n] < 2 or n == 5:
            answers.openai_error(500)(x)
        elif n == 6:
            answers.openai_error(400)(x)
        else:
            openai_wire.server(Reply(text="42"))(x)
    j = judged(moody, knows(lambda n: True))
    j.gateway.allow(r"\[error\]", r"\[warn\]")
    id = j.begin(cases(8), candidates=["up/a"], attempts=2)
    done = j.wait(id)
    assert (done["done"], done["failed"]) == (8, 2)
    assert seen == {0: 1, 1: 1, 2: 1, 3: 2, 4: 1, 5: 2, 6: 1, 7: 1}
    results = {case["n"]: case["results"][0] for case in j.results(id)}
    assert results[3]["score"] == 1
    assert results[5]["error"].startswith("status 5")
    assert "asked 2 times" in results[5]["error"]
    assert results[6]["error"].startswith("status 400")
    # one case in four without an answer is too many to be sure of anything
    assert done["verdict"] != "pass"


def test_a_provider_that_wants_to_be_left_alone(judged, clock):
    """A wait that it asks for is no answer of the candidate."""
    asked = []

    def script(x):
        asked.append(number(x))
        if len(asked) == 3:
            answers.openai_error(429, headers=[("Retry-After", "50")])(x)
        else:
            openai_wire.server(Reply(text="42"))(x)
    j = judged(script, script)
    j.gateway.allow(r"\[error\]", r"\[warn\]")
    id = j.begin(cases(8), candidates=["up/a"], attempts=2, concurrency=1)
    wait_for(lambda: len(asked) == 3, 10)
    clock.sleep(25)
    assert j.get(id)["done"] < 3 and len(asked) == 3
    clock.sleep(25)
    done = j.wait(id)
    assert (done["done"], done["failed"]) == (8, 0)
    assert asked == [0, 1, 2, 2, 3, 4, 5, 6, 7]


def test_so_many_are_kept(judged):
    j = judged(http="llm_evaluations max=2;")
    made = [j.begin(cases(2), candidates=["up/a"]) for _ in range(4)]
    for id in made:
        wait_for(lambda: j.admin.get(f"evaluations/{id}").status == 404
                 or j.get(id)["ended"], 10, "its end", 0.05)
    wait_for(lambda: len(j.admin.get("evaluations").json["data"]) == 2, 10,
             "two", 0.05)
    # a page at a time, each once
    kept = list(j.admin.pages("evaluations", "data", limit=1))
    assert len(kept) == len({one["id"] for one in kept}) == 2
    gone = set(made) - {one["id"] for one in kept}
    assert [j.admin.get(f"evaluations/{id}/cases").status for id in gone] == \
        [404, 404]


def test_judges_and_pairs(judged):
    """A judge scores each; a pair is judged in both orders."""
    asked = []

    def judge(x):
        text = json.dumps(x.request.json["messages"])
        asked.append(text)
        # prefers, and likes, who says "apple"
        if '\\"better\\"' in text:
            first = text.index("apple") < text.index("pear")
            said = {"reason": "because", "better": "A" if first else "B"}
        else:
            said = {"reason": "because", "score": 1 if "apple" in text else 0.2}
        openai_wire.server(Reply(text=json.dumps(said)))(x)
    j = judged(openai_wire.server(Reply(text="apple")),
               openai_wire.server(Reply(text="pear")), judge)
    done = j.run(cases(4), baseline="new/b", judge="judge/j", checks=[
        {"type": "judge", "rubric": "It is right."},
        {"type": "pairwise", "rubric": "Which one is right?"}])
    a, b = done["candidates"]
    assert a["score"] == 1 and b["score"] < 0.5, asked[-1]
    # 4 cases: a judge for each answer, and a pair in two orders
    assert len(asked) == 4 * (2 + 2)
    assert done["failed"] == 0 and done["difference"]["value"] > 0.5


def test_long_answers_of_many(judged):
    """16 cases are kept together, with all that was answered: where that is
    too much, less of it."""
    text = "def f():\n    return \"ü\"\n" * 800
    j = judged(Reply(text=text))
    id = j.begin(cases(20), candidates=[
        {"target": "up/a", "name": str(n)} for n in range(5)],
        answer_bytes=16384, checks=[{"type": "contains", "value": "def"}])
    assert j.wait(id)["verdict"] == "pass"
    kept = [[one["answer"] for one in case["results"]]
            for case in j.results(id)]
    assert [len(answers) for answers in kept] == [5] * 20
    for one in sum(kept, []):
        assert text.startswith(one) and len(one) > 4000


def test_the_queue_is_left_page_by_page(judged):
    """A page ends between two cases, so that the next one goes on."""
    j = judged(knows(bool), knows(bool))
    id = j.begin(cases(3), checks=[{"type": "human"}])
    j.wait(id)
    for limit, sizes in ((1, [2, 2, 2]), (3, [2, 2, 2]), (4, [4, 2]), (9, [6])):
        pages, cursor = [], 0
        while cursor is not None and len(pages) < 9:
            page = j.admin.get(f"evaluations/{id}/queue", limit=limit,
                               cursor=cursor).json
            pages.append([(e["n"], e["candidate"]) for e in page["data"]])
            cursor = page["next"]
            assert page["has_more"] == (cursor is not None)
        assert [len(page) for page in pages] == sizes
        assert sum(pages, []) == [(n, c) for n in range(3)
                                  for c in ("up/a", "new/b")]


def test_a_report_lets_others_through(judged):
    """It is made piece by piece: who comes behind it is answered before."""
    j = judged(knows(bool), knows(bool), workers=1)
    id = j.begin(cases(40), candidates=["up/a"], concurrency=16)
    j.wait(id)
    paths = [f"/llm/evaluations/{id}/report", "/llm/limits"]
    clients = [j.gateway.connect() for _ in paths]
    for client in clients:               # it is accepted
        client.request("GET", "/llm/status")
        client.read()
    worker = j.gateway.worker()
    os.kill(worker, signal.SIGSTOP)
    try:
        for client, path in zip(clients, paths):
            client.request("GET", path)
    finally:
        os.kill(worker, signal.SIGCONT)
    assert [client.read().status for client in clients] == [200, 200]

    def ended():
        return [line["request_uri"] for line in j.gateway.ledger()
                if line["request_uri"] in paths]
    wait_for(lambda: len(ended()) == 2, 10, "both in the log")
    assert ended() == paths[::-1]


def test_an_answer_with_a_nul(judged):
    """It is kept, and the other cases of its piece with it."""
    j = judged(openai_wire.server(Reply(text="a\0b")), knows(bool))
    id = j.begin(cases(3), candidates=["up/a"], checks=[
        {"type": "contains", "value": "b"}, {"type": "human", "min": 0}])
    j.wait(id)
    said = j.admin.get(f"evaluations/{id}/cases").json["data"]
    assert [case["results"][0]["answer"] for case in said] == ["a\0b"] * 3
    assert len(j.admin.get(f"evaluations/{id}/queue").json["data"]) == 3
    report = j.admin.get(f"evaluations/{id}/report", format="csv").body
    assert report.decode().count("a\ufffdb") == 3
    assert j.admin.post(f"evaluations/{id}/cases/1/verdict", {
        "candidate": "up/a", "score": 1}).status == 200


def test_a_person_decides(judged):
    j = judged(knows(bool), knows(bool))
    id = j.begin(cases(3), candidates=[{"target": "up/a", "name": "it"}],
                 checks=[{"type": "human"}], min_score=0.5)
    done = j.wait(id)
    assert done["done"] == 3 and done["verdict"] == "undecided"
    queue = j.admin.get(f"evaluations/{id}/queue").json["data"]
    assert [(e["n"], e["candidate"]) for e in queue] == [
        (0, "it"), (1, "it"), (2, "it")]
    assert queue[1]["answer"] == "42" and "what is 1" in queue[1]["input"]
    for n, score in enumerate([1, 0.5, 0.75]):
        answer = j.admin.post(f"evaluations/{id}/cases/{n}/verdict", {
            "candidate": "it", "score": score, "comment": "well"})
        assert answer.status == 200 and answer.json["score"] == score
    assert j.admin.get(f"evaluations/{id}/queue").json["data"] == []
    wait_for(lambda: j.get(id)["verdict"] == "pass", 15, "sums", 0.05)
    done = j.get(id)
    assert done["status"] == "completed"
    assert done["candidates"][0]["score"] == 0.75
    # once more, of the same: the last word holds
    j.admin.post(f"evaluations/{id}/cases/1/verdict",
                 {"candidate": "it", "score": 0})
    wait_for(lambda: j.get(id)["verdict"] != "pass"
             or j.get(id)["candidates"][0]["score"] < 0.6, 15, "sums", 0.05)
    assert len(j.providers[0].requests) == 3
    for path, body in (("cases/7/verdict", {"candidate": "it", "score": 1}),
                       ("cases/0/verdict", {"candidate": "x", "score": 1})):
        assert j.admin.post(f"evaluations/{id}/{path}", body).status == 404
    for body in ({"candidate": "it"}, {"candidate": "it", "score": 2},
                 {"score": 1}, {"candidate": "it", "score": 1, "why": ""}):
        assert j.admin.post(f"evaluations/{id}/cases/0/verdict",
                            body).status == 400


def test_no_verdict_before_people_have_spoken(judged):
    """What other checks say is not all, nor is what the first of them says."""
    j = judged(knows(bool), knows(bool))
    id = j.begin(cases(4), candidates=["up/a"], max_errors=0.25,
                 checks=[{"type": "regex", "pattern": "4"}, {"type": "human"}])
    done = j.wait(id)
    assert done["verdict"] == "undecided", done
    for n in range(3):
        done = j.get(id)
        assert done["verdict"] == "undecided"
        [one] = done["candidates"]
        assert (one["passed"], one["failed"]) == (n, 0), done
        # all have been paid for
        assert one["cost"] == pytest.approx(4 * 23e-6)
        assert j.admin.post(f"evaluations/{id}/cases/{n}/verdict", {
            "candidate": "up/a", "score": 1}).status == 200
        wait_for(lambda: j.get(id)["candidates"][0]["passed"] == n + 1, 15,
                 "sums", 0.05)
    # one of four may be without a score
    assert j.get(id)["verdict"] == "pass"


def judge(j, id, n, score=1, candidate="up/a"):
    for i in range(n):
        assert j.admin.post(f"evaluations/{id}/cases/{i}/verdict", {
            "candidate": candidate, "score": score}).status == 200


def test_people_judge_what_was_answered_then(judged, tmp_path):
    """The dataset and the target may be gone when they do."""
    (tmp_path / "set.jsonl").write_text("".join(
        json.dumps(case) + "\n" for case in cases(3)["cases"]))
    j = judged(knows(bool), knows(bool),
               http=f"llm_evaluations dir={tmp_path};")
    id = j.begin({"file": "set.jsonl"}, candidates=["up/a"],
                 checks=[{"type": "human"}])
    assert j.wait(id)["verdict"] == "undecided"
    (tmp_path / "set.jsonl").unlink()
    j.gateway.reload(http=j.gateway.config.http.replace("up/a;", "up/z;"))
    judge(j, id, 3)
    wait_for(lambda: j.get(id)["verdict"] == "pass", 15, "sums", 0.05)
    assert j.get(id)["candidates"][0]["passed"] == 3
    assert len(j.providers[0].requests) == 3


def test_people_give_no_verdict_on_a_part(judged):
    """Of what a budget has cut short there is none, whatever they say."""
    j = judged(knows(bool), knows(bool))
    id = j.begin(cases(9), candidates=["up/a"], budget={"tokens": 60},
                 checks=[{"type": "human"}], concurrency=1)
    wait_for(lambda: j.get(id)["status"] == "failed", 15, "its end", 0.05)
    assert j.get(id)["done"] == 2
    judge(j, id, 2)
    wait_for(lambda: j.get(id)["candidates"][0]["score"] == 1, 15, "sums",
             0.05)
    done = j.get(id)
    assert (done["status"], done["verdict"]) == ("failed", "undecided"), done


def test_numbers_are_as_they_were_written(judged, tmp_path):
    (tmp_path / "v1").write_text(json.dumps({
        "variables": {"price": {"type": "number"}},
        "messages": [{"role": "user", "content": "it costs {{price}}"}]}))
    j = judged(http=f"llm_prompt p v1 {tmp_path}/v1;")
    done = j.run({"cases": [{"variables": {"price": 19.99}}]},
                 candidates=[{"target": "up/a", "prompt": "p@v1"}],
                 parameters={"temperature": 0.7}, min_score=0.07,
                 checks=[{"type": "contains", "value": "x"}])
    (request,) = j.providers[0].requests
    assert request.json["messages"][0]["content"] == "it costs 19.99"
    assert b'"temperature":0.7' in request.body
    for path in (f"evaluations/{done['id']}", f"evaluations/{done['id']}/cases",
                 "status.json"):
        body = j.admin.get(path).body
        assert not re.search(rb"\d\.\d{16}", body), body


def test_prompts_files_and_slices(judged, tmp_path):
    """Two versions of a prompt, cases of a file, and each slice by itself."""
    for version, word in (("v1", "wrong"), ("v2", "right")):
        (tmp_path / version).write_text(json.dumps({
            "variables": {"word": {"type": "string", "required": True}},
            "messages": [{"role": "system", "content": f"be {word}"},
                         {"role": "user", "content": "say {{word}}"}]}))
    data = tmp_path / "data"
    data.mkdir()
    (data / "set.jsonl").write_text("".join(json.dumps({
        "id": f"c{i}", "slice": "odd" if i % 2 else "even",
        "variables": {"word": str(i)}, "expected": f"{i}"}) + "\n"
        for i in range(20)) + "\n")

    def script(x):
        system, user = [m["content"] for m in x.request.json["messages"]]
        word = user.split()[-1]
        good = "right" in system or int(word) % 2
        assert x.request.json["temperature"] == 0
        openai_wire.server(Reply(text=word if good else "no"))(x)
    j = judged(script, script, http=f"""
        llm_prompt p v1 {tmp_path}/v1;
        llm_prompt p v2 {tmp_path}/v2;
        llm_evaluations dir={data};
    """)
    done = j.run({"file": "set.jsonl"}, parameters={"temperature": 0},
                 candidates=[{"target": "up/a", "prompt": "p@v1"},
                             {"route": "r", "prompt": "p@v2"}],
                 baseline="p@v1")
    assert done["cases"] == done["done"] == 20
    assert [c["score"] for c in done["candidates"]] == [0.5, 1]
    slices = {s["name"]: s for s in done["slices"]}
    assert set(slices) == {"odd", "even"}
    assert [c["score"] for c in slices["even"]["candidates"]] == [0, 1]
    assert j.results(done["id"])[3]["id"] == "c3"
    # the route is asked as it is; both count apart from callers
    metrics = j.gateway.metrics()
    assert metrics.sum("llm_requests_total", route="r:evaluation") == 20
    # a mistake in a file is found before anybody is asked
    asked = len(j.providers[0].requests)
    with (data / "set.jsonl").open("a") as file:
        file.write('{"inptu": "x"}\n')
    id = j.begin({"file": "set.jsonl"}, candidates=["up/a"])
    assert "inptu" in j.wait(id, "failed")["error"]
    (data / "set.jsonl").write_text('{"input": "x"}\n')
    id = j.begin({"file": "set.jsonl"}, candidates=["up/a"])
    assert "expected" in j.wait(id, "failed")["error"]
    id = j.begin(cases(1), candidates=[{"target": "up/a", "prompt": "p@v9"}])
    assert "p@v9" in j.wait(id, "failed")["error"]
    assert len(j.providers[0].requests) == asked


def test_the_last_samples(judged):
    """What callers have asked, and what they got, as a dataset."""
    state = {"text": "forty two"}

    def script(x):
        openai_wire.server(Reply(text=state["text"]))(x)
    j = judged(script, script, lines=["sample redact=off share=100%;"])
    for i in range(6):
        assert j.gateway.chat(f"question {i}").status == 200
    wait_for(lambda: len(j.admin.get("samples").json["data"]) == 6, 10,
             "samples", 0.05)
    samples = {"samples": {"route": "r", "last": 4}}
    done = j.run(samples, candidates=["up/a"])
    assert done["cases"] == 4 and done["candidates"][0]["score"] == 1
    asked = [p.json["messages"][-1]["content"]
             for p in j.providers[0].requests[6:]]
    assert sorted(asked) == [f"question {i}" for i in range(2, 6)]
    # what is asked for is kept: the same cases, whatever comes
    case = j.results(done["id"])[0]
    assert case["expected"] == "forty two" and case["id"].startswith("smp_")
    state["text"] = "41"
    done = j.run(samples, candidates=["up/a"])
    assert done["candidates"][0]["score"] == 0 and done["cases"] == 4


def test_a_sample_that_is_too_large(gateway, provider):
    """For a case: the others are evaluated without it."""
    up = provider(Reply(text="42"))
    gw = gateway(server=ADMIN, http="llm_zone llm:48m; llm_samples size=18m;"
                 + up.upstream("up", PRICE)
                 + route("target up/a;",
                         "sample share=100% redact=off max_size=1m;"))
    j = Judged(gw, up)
    for size in (10, 300_000, 20):
        assert gw.chat("x" * size).status == 200
    wait_for(lambda: len(j.admin.get("samples").json["data"]) == 3, 5,
             "samples")
    done = j.wait(j.begin({"samples": {"route": "r", "last": 3}},
                          candidates=["up/a"]))
    assert (done["cases"], done["verdict"]) == (2, "pass")


def test_in_a_pipeline(judged, tmp_path):
    """bin/llm-eval, against the gateway itself."""
    j = judged(knows(lambda n: True), knows(lambda n: n % 2))
    spec = tmp_path / "spec.json"

    def run(target):
        spec.write_text(json.dumps({
            "dataset": cases(20), "candidates": [{"target": target}],
            "checks": [{"type": "exact"}], "min_score": 0.9}))
        return subprocess.run(
            [LLM_EVAL, "-u", f"{j.gateway.url}/llm", "-i", "1", spec],
            capture_output=True, text=True, timeout=60)
    good, bad = run("up/a"), run("new/b")
    assert good.returncode == 0 and "up/a" in good.stdout, good
    assert bad.returncode == 1 and "new/b" in bad.stdout, bad
    asked = j.admin.get("evaluations").json["data"]
    assert [one["verdict"] for one in asked] == ["fail", "pass"]


def test_what_is_refused(judged):
    j = judged()
    good = {"dataset": cases(1), "candidates": [{"target": "up/a"}],
            "checks": [{"type": "exact"}]}

    def refused(text, status=400, **changes):
        body = {k: v for k, v in {**good, **changes}.items()
                if v is not None}
        answer = j.admin.post("evaluations", body)
        assert answer.status == status, answer.body
        message = answer.json["error"]["message"]
        assert re.search(text, message), message

    refused("unknown member", color=1)
    refused("no target \"up/x\"", candidates=[{"target": "up/x"}])
    refused("llm_route \"x\"", candidates=[{"route": "x"}])
    refused("llm_route \"x\"", route="x")
    refused("\"target\" or \"route\"", candidates=[{"name": "x"}])
    refused("called \"up/a\"", candidates=[{"target": "up/a"}] * 2)
    refused("NAME@VERSION", candidates=[{"target": "up/a", "prompt": "p"}])
    refused("\"baseline\"", baseline="x")
    refused("\"candidates\" is missing", candidates=None)
    refused("\"dataset\"", dataset=None)
    refused("\"dataset\"", dataset={"cases": [], "file": "x"})
    refused("has no cases", dataset={"cases": []})
    refused("\"input\"", dataset={"cases": [{"input": 1}]})
    refused("unknown member \"x\"", dataset={"cases": [{"x": 1}]})
    refused("dir=PATH", dataset={"file": "x.jsonl"})
    refused("\"samples\" is", dataset={"samples": {"route": "x",
                                                    "last": 1}})
    refused("\"samples\" is", dataset={"samples": {"route": "r"}})
    refused("32", concurrency=33)
    refused("budget", budget={"usd": 1})
    refused("stream", parameters={"stream": True})
    refused("check 1: .type", checks=[{"type": "nonsense"}])
    refused("baseline", checks=[{"type": "pairwise", "rubric": "x"}],
            judge="up/a")
    refused("judge", checks=[{"type": "judge", "rubric": "x"}])
    assert j.admin.get("evaluations").json["data"] == []
    # a route that records nothing has no samples
    id = j.begin({"samples": {"route": "r", "last": 1}}, candidates=["up/a"])
    assert "sample" in j.wait(id, "failed")["error"]
    for path in ("evaluations/eval_x", "evaluations/eval_" + "0" * 32):
        assert j.admin.get(path).status == 404
        assert j.admin.get(path + "/report").status == 404
    id = j.begin(cases(1), candidates=["up/a"])
    j.wait(id)
    assert j.admin.get(f"evaluations/{id}/report", format="x").status == 400
    read = Admin(j.gateway, "/read")
    assert read.post("evaluations", good).status == 403
    assert read.get(f"evaluations/{id}").status == 200
