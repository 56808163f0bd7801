"""The status page, as a person sees it."""

from __future__ import annotations

import random
import threading
import time
from typing import Any, Iterator

import pytest

from harness import Reply, answers, openai_wire, route, wait_for
from harness.canary import ADMIN, canary_conf
from harness.openapi import Admin

CHAT = "/v1/chat/completions"
HOSTILE = "<img src=x onerror=alert(1)>"


def moody(failing: float, text: str, seconds: float, seed: int) -> Any:
    """A provider that fails now and then, and takes its time."""
    chance = random.Random(seed)
    good = openai_wire.server(Reply(text=text, input=400, output=90))
    bad = answers.openai_error(503)

    def script(x: Any) -> None:
        time.sleep(seconds * chance.uniform(0.3, 1.6))
        (bad if chance.random() < failing else good)(x)
    return script


class Traffic:
    """Callers in the background, until the test has ended."""

    def __init__(self, gateway: Any, models: list[str], at_once: int = 3):
        self.gateway, self.models, self.end = gateway, models, False
        self.threads = [threading.Thread(target=self.run, args=(i,))
                        for i in range(at_once)]
        for thread in self.threads:
            thread.start()

    def run(self, who: int) -> None:
        n = 0
        while not self.end and n < 5000:
            n += 1
            self.gateway.post(CHAT, {
                "model": self.models[n % len(self.models)],
                "stream": n % 3 != 0, "temperature": 0,
                "messages": [{"role": "user", "content": f"q{n % 7}"}],
            }, headers=[("x-key", f"key{who}-{n}")])

    def stop(self) -> None:
        self.end = True
        for thread in self.threads:
            thread.join()


@pytest.fixture
def busy(gateway: Any, provider: Any) -> Iterator[Any]:
    """A gateway with all that the page can show, and callers."""
    traffic: list[Traffic] = []

    def make(**parts: Any) -> Any:
        good = provider(moody(0.02, "Yes, it is.", 0.03, 1))
        new = provider(moody(0.30, "I cannot help.", 0.06, 2))
        price = "llm_price * input=2.00 output=8.00;"
        gw = gateway(http=good.upstream("up", price)
                     + new.upstream("new", price) + """
    upstream off { server 127.0.0.1:1; llm_dialect openai; }
    llm_limit per_all key=all requests=100000/m tokens=60m/m;
    llm_quota per_day key=all cost=500usd/day;
    llm_pattern sorry "cannot help";
    llm_rules strict {
        output deny match=sorry on_fail=mark;
    }
""" + route("target up/large;", "limit per_all per_day;", "rules strict;",
            "canary new/large-2 share=50% by=$http_x_key steps=50%,100% "
            "hold=1h guard=errors<90% guard=errors<+80% "
            "guard=first_token_p95<90s guard=failures<40 min=200;",
            name="chat", match="chat")
            + route("target up/small;", "cache ttl=10m;", "fallback off/x;",
                    name="summarize", match="sum*")
            + route("target off/small;", "fallback up/small;",
                    name=f'"{HOSTILE}"', match="hostile"),
                     server=ADMIN, **parts)
        wait_for(lambda: Admin(gw).get("rollouts").json["rollouts"][0]["since"]
                 > 0, 10, "a document")
        traffic.append(Traffic(gw, ["chat", "sum1", "chat", "hostile"]))
        return gw
    yield make
    for one in traffic:
        one.stop()


def texts(looked: Any, selector: str) -> list[str]:
    return [" ".join(text.split()) for text in
            looked.page.locator(selector).all_inner_texts()]


def test_what_is_seen(busy, look):
    """All parts have figures, and names of others are text."""
    gw = busy()
    looked = look(gw)
    page = looked.page
    wait_for(lambda: "/s" not in texts(looked, ".tiles b")[0]
             and texts(looked, ".tiles b")[0] not in ("–", "0"), 20, "a rate")
    # after some more looks there is a line
    page.wait_for_selector("section[aria-label=Routes] path[d*=L]")
    looked.picture("light")
    titles = texts(looked, "h2")
    assert titles[:5] == ["Routes", "Canaries", "Providers", "Broken rules",
                          "Limits and quotas"]
    assert titles[-1] == "Events"
    names = texts(looked, "section[aria-label=Routes] td:first-child")
    assert names == ["chat up/large new/large-2", "summarize up/small off/x",
                     f"{HOSTILE} off/small up/small"]
    assert page.locator("img").count() == 0

    def arms() -> dict[str, str]:
        return dict(zip(texts(looked, "article td:first-child")[:7],
                        texts(looked, "article td:last-child")[:7]))
    wait_for(lambda: arms()["broken rules"] == "100%"
             and arms()["cost per 1000 requests"] == "$1.52", 20, "the arms")
    verdict = page.locator("article p.bad").inner_text()
    assert "Candidate is worse: " in verdict
    assert "95% interval of the difference +" in verdict
    assert page.locator("article svg rect").count() > 4
    assert len(texts(looked, "article progress")) == 4
    (row,) = [text for text in
              texts(looked, "section[aria-label=Providers] tr")
              if text.startswith("off/small")]
    assert "connect, " in row
    assert "strict.deny chat" in texts(
        looked, "section[aria-label='Broken rules'] tbody tr")[0]
    assert "per_day cost per day" in "".join(texts(
        looked, "section[aria-label='Limits and quotas'] tr"))
    assert looked.width_beyond() == 0


def test_small_and_dark(busy, look):
    looked = look(busy(), "/read/", color_scheme="dark",
                  viewport={"width": 390, "height": 844})
    looked.page.wait_for_selector("section[aria-label=Routes] path[d*=L]")
    looked.picture("dark")
    assert looked.width_beyond() == 0
    assert looked.page.evaluate(
        "getComputedStyle(document.body).backgroundColor") == "rgb(16, 19, 22)"
    # what cannot be done here is there, and says why
    buttons = looked.page.locator("article button")
    assert texts(looked, "article button") == ["Promote", "Pause", "Roll back"]
    for i in range(3):
        assert buttons.nth(i).is_disabled()
        assert "llm_admin read" in buttons.nth(i).get_attribute("title")
    assert {method for method, _ in looked.requests} == {"GET"}


@pytest.fixture
def canary(gateway, provider):
    """One without callers."""
    gw = gateway(server=ADMIN, http=canary_conf(
        provider(), provider(), "steps=50%,100% by=$http_x_key hold=1h "
        "guard=errors<50% min=10"))
    wait_for(lambda: Admin(gw).get("rollouts").json["rollouts"][0]["since"]
             > 0, 10, "a document")
    return gw


def test_rolling_back(canary, look):
    """With the keyboard alone; what has happened is seen at once."""
    looked = look(canary)
    page = looked.page
    assert "All is well" in texts(looked, ".verdict")[0]
    button = page.locator("article button", has_text="Roll back")
    button.focus()
    # looks come and go, and do not take the focus away
    n = len(looked.requests)
    wait_for(lambda: page.wait_for_timeout(100) or len(looked.requests) > n,
             10, "another look")
    page.wait_for_timeout(200)
    assert page.evaluate("document.activeElement.innerText") == "Roll back"
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open]")
    page.keyboard.press("Enter")                # without a reason
    assert page.locator("dialog").is_visible()
    assert {method for method, _ in looked.requests} == {"GET"}
    looked.picture("dialog")
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()
    page.keyboard.press("Enter")
    page.keyboard.type("it <b>lies</b>")
    page.keyboard.press("Enter")
    page.wait_for_selector(".verdict li:has-text('lies')")
    assert texts(looked, "article h3")[0] == "r: new/b rolled back"
    assert "The canary of r has been taken back, by admin: it <b>lies</b>" \
        in texts(looked, ".verdict")[0]
    assert "canary: rolled back r by admin: it <b>lies</b>" in " ".join(
        texts(looked, "section[aria-label=Events] tbody tr"))
    assert texts(looked, "article button") == ["Restart"]
    posts = [url for method, url in looked.requests if method == "POST"]
    assert posts == [f"{canary.url}/llm/rollouts/r/rollback"]
    assert Admin(canary).get("rollouts/r").json["rollout"]["state"] \
        == "rolled_back"


def test_refused(canary, look):
    """What the gateway says stands in the dialog."""
    looked = look(canary)
    page = looked.page
    looked.allow("409")
    Admin(canary).post("rollouts/r/rollback", {"reason": "faster"})
    page.locator("article button", has_text="Promote").click()
    page.keyboard.type("good")
    page.locator("dialog input[type=checkbox]").check()
    page.locator("dialog button", has_text="Promote").click()
    page.wait_for_selector("dialog [role=alert]:not(:empty)")
    assert "canary of route" in texts(looked, "dialog [role=alert]")[0]
    page.locator("dialog button", has_text="Cancel").click()
    assert not page.locator("dialog").is_visible()


def test_pausing(canary, look):
    """A page that is paused asks for nothing."""
    looked = look(canary, clock=True)
    page = looked.page

    def asked_within(ms: int) -> int:
        n = len(looked.requests)
        page.clock.run_for(ms)
        page.wait_for_timeout(300)
        return len(looked.requests) - n

    def asks() -> bool:
        """A question may be under way: none is asked beside it."""
        return any(asked_within(6000) for _ in range(20))
    assert asks()
    page.keyboard.press("p")
    page.wait_for_timeout(300)
    assert texts(looked, "header [role=status]") == ["paused"]
    assert asked_within(10000) == 0
    page.locator("header button").click()
    assert texts(looked, "header [role=status]") == ["live"]
    assert asks()


def test_the_gateway_is_gone(canary, look):
    looked = look(canary)
    looked.allow("ERR_CONNECTION")
    canary.stop()
    looked.page.wait_for_selector("header .bad")
    assert "no answer" in texts(looked, "header .bad")[0]
    # what was known is still there
    assert texts(looked, "article h3")[0].startswith("r: new/b")


# -- what not every gateway has ------------------------------------------------

SAMPLE = {
    "id": "smp_1", "object": "sample", "created": 1795631041, "route": "chat",
    "target": "up/a", "client": "alice", "tenant": "acme", "prompt": "",
    "request": {"messages": [{"role": "user", "content": "Is <b>it</b>?"}]},
    "answer": {"text": "Yes, it is."},
    "shadow": {"target": "new/b", "answer": {"text": "No, it is not."}},
    "verdict": None}
DIFF = {"id": "smp_1", "object": "sample.diff", "same": 0.5, "parts": [
    {"is": "stable", "text": "Yes,"}, {"is": "shadow", "text": "No,"},
    {"is": "same", "text": " it is"}, {"is": "shadow", "text": " not"},
    {"is": "same", "text": "."}]}
EVALUATION = {
    "id": "eval_1", "object": "evaluation", "name": "golden", "route": "chat",
    "status": "completed", "created": 1795631041, "cases": 500, "done": 500,
    "failed": 0, "cost": "0.25", "baseline": "a", "verdict": "fail",
    "candidates": [
        {"name": "a", "score": 0.91, "interval": [0.88, 0.93]},
        {"name": "b", "score": None, "interval": None}],
    "difference": {"value": -0.05, "interval": [-0.08, -0.02]}}
WAITS = {"n": 7, "input": "2 + 2?", "expected": "4", "candidate": "b",
         "answer": "<i>5</i>"}
SERVED = {"route": "chat", "kind": "prompt", "name": "support",
          "version": "v2", "first_seen": 1795631041000,
          "last_seen": 1795631941000, "requests": 1200, "errors": 3,
          "scores": {"golden": 0.91},
          "events": [{"at": 1795631041000, "what": "label", "by": "ann",
                      "why": "shorter"}]}


class Others:
    """Answers of resources, in the shape that the API gives them."""

    def __init__(self, looked: Any):
        self.posts: list[tuple[str, Any]] = []
        self.queue = [WAITS]
        looked.page.route("**/llm/status.json", self.figures)
        for path in ("evaluations", "evaluations/**", "samples", "samples/**",
                     "registry"):
            looked.page.route(f"**/llm/{path}", self.answer)

    def figures(self, asked: Any) -> None:
        got = asked.fetch()
        value = got.json()
        value["resources"] += ["evaluations", "samples", "registry"]
        asked.fulfill(response=got, json=value)

    def answer(self, asked: Any) -> None:
        path = asked.request.url.split("/llm/")[1]
        if asked.request.method == "POST":
            self.posts.append((path, asked.request.post_data_json))
            assert asked.request.headers["x-llm-action"] == "1"
            self.queue.clear()
            return asked.fulfill(json={"v": 1})
        one = {"samples/smp_1": SAMPLE, "samples/smp_1/diff": DIFF}
        many = {"evaluations": [EVALUATION], "registry": [SERVED],
                "samples": [SAMPLE], "evaluations/eval_1/queue": self.queue}
        asked.fulfill(json=one.get(path) or {
            "v": 1, "object": "list", "data": many[path], "has_more": False})


@pytest.fixture
def others(canary, look):
    looked = look(canary)
    made = Others(looked)
    looked.page.reload()
    looked.page.wait_for_selector("section[aria-label=Evaluations] table")
    yield looked, made
    looked.page.unroute_all(behavior="ignoreErrors")


def test_without_them(canary, look):
    looked = look(canary)
    resources = canary.get("/llm/status.json").json["resources"]
    looked.page.wait_for_selector("section[aria-label=Events] tr")
    for name, title in (("evaluations", "Evaluations"), ("samples", "Samples"),
                        ("registry", "What has served when")):
        there = looked.page.locator(f"section[aria-label='{title}']").count()
        assert there == (name in resources)


def test_evaluations(others):
    looked, made = others
    page = looked.page
    (row,) = texts(looked, "section[aria-label=Evaluations] tbody tr")
    assert row.startswith("golden chat, ")
    assert "completed 500 of 500 a 0.910 (0.880 to 0.930) baseline b" in row
    assert "fail difference -0.080 to -0.020 $0.25" in row
    assert "5</i>" not in page.content()        # nothing that waits is shown
    page.locator("button", has_text="Queue").click()
    page.wait_for_selector("dialog[open] pre")
    assert texts(looked, "dialog pre") == ["2 + 2?", "4", "<i>5</i>"]
    assert texts(looked, "dialog h3") == ["Case 7, answered by b"]
    page.get_by_label("Comment").fill("five")
    page.locator("dialog button", has_text="Bad").click()
    page.wait_for_selector("text=Nothing waits for a verdict.")
    assert made.posts == [("evaluations/eval_1/cases/7/verdict", {
        "candidate": "b", "score": 0, "comment": "five"})]


def test_samples(others):
    """Nothing of them is asked for before somebody wants to see them."""
    looked, made = others
    page = looked.page
    assert not [url for _, url in looked.requests if "samples" in url]
    page.locator("button", has_text="Show the newest").click()
    page.wait_for_selector("section[aria-label=Samples] table")
    (row,) = texts(looked, "section[aria-label=Samples] tbody tr")
    assert "chat up/a alice new/b –" in row
    assert "it is" not in page.locator("#page").inner_text()
    page.locator("button", has_text="Compare").click()
    page.wait_for_selector("dialog[open] ins")
    assert texts(looked, "dialog pre") == ["user: Is <b>it</b>?",
                                           "Yes, it is.", "No, it is not."]
    assert texts(looked, "dialog del") == ["Yes,"]
    assert texts(looked, "dialog ins") == ["No,", "not"]
    looked.picture("compare")
    page.locator("dialog button", has_text="Shadow is better").click()
    wait_for(lambda: not page.locator("dialog").is_visible(), 15, "the end")
    assert made.posts == [("samples/smp_1/verdict", {"winner": "shadow"})]


def test_what_has_served_when(others):
    looked, _ = others
    (row,) = texts(looked,
                   "section[aria-label='What has served when'] tbody tr")
    assert row.startswith("support@v2 prompt chat ")
    assert "1.2K 3 golden 0.91 label by ann: shorter, " in row


# -- the same, by the gateway itself -------------------------------------------

def test_a_pair_of_answers(gateway, provider, look):
    up = provider(Reply(text="Yes, it is."))
    new = provider(Reply(text="No, it is not."))
    gw = gateway(server=ADMIN, http=up.upstream("up") + new.upstream("new")
                 + route("target up/a;", "shadow new/b share=100%;",
                         "sample share=100% pairs=100% redact=off;"))
    admin = Admin(gw)
    gw.chat("Is <b>it</b>?")
    got: list[Any] = []

    def recorded() -> bool:
        got[:] = admin.get("samples").json["data"]
        return bool(got and got[0]["shadow"])
    wait_for(recorded, 10, "the pair")
    looked = look(gw)
    page = looked.page
    page.locator("button", has_text="Show the newest").click()
    page.locator("button", has_text="Compare").click()
    page.wait_for_selector("dialog[open] ins")
    assert texts(looked, "dialog pre") == ["user: Is <b>it</b>?",
                                           "Yes, it is.", "No, it is not."]
    page.locator("dialog button", has_text="Stable is better").click()
    page.wait_for_selector("section[aria-label=Samples] td:has-text('stable')")
    assert "stable, by human" in texts(
        looked, "section[aria-label=Samples] tbody tr")[0]
    verdict = admin.get(f"samples/{got[0]['id']}").json["verdict"]
    assert (verdict["by"], verdict["winner"]) == ("human", "stable")


def test_a_case_that_waits(gateway, provider, look):
    up = provider(Reply(text="<i>42</i>"))
    gw = gateway(server=ADMIN, http=up.upstream("up") + route("target up/a;"))
    admin = Admin(gw)
    made = admin.post("evaluations", {
        "dataset": {"cases": [{"input": "6 * 7?", "expected": "42"}]},
        "candidates": [{"target": "up/a", "name": "it"}],
        "checks": [{"type": "human"}], "name": "sums", "min_score": 0.5})
    assert made.status == 201, made.body
    path = f"evaluations/{made.json['id']}"
    wait_for(lambda: admin.get(path).json["status"] == "completed", 20,
             "the evaluation", 0.05)
    looked = look(gw)
    page = looked.page
    page.wait_for_selector("section[aria-label=Evaluations] table")
    assert texts(looked, "section[aria-label=Evaluations] tbody tr")[0] \
        .startswith("sums ")
    page.locator("button", has_text="Queue").click()
    page.wait_for_selector("dialog[open] pre")
    assert texts(looked, "dialog pre")[0].endswith("6 * 7?")
    assert texts(looked, "dialog pre")[1:] == ["42", "<i>42</i>"]
    page.locator("dialog button", has_text="Good").click()
    page.wait_for_selector("text=Nothing waits for a verdict.")
    assert admin.get(f"{path}/queue").json["data"] == []
    wait_for(lambda: admin.get(path).json["verdict"] == "pass", 15, "a sum")
