"""Canaries: who gets the candidate, and what becomes of it."""

from __future__ import annotations

import time

import pytest

from harness import Reply, answers, openai_wire, route, wait_for
from harness.canary import ADMIN, Canary, canary_conf
from harness.openapi import Admin
from harness.provider import Provider

BY = "by=$http_x_key"


def failing(x):
    answers.openai_error(500)(x)


@pytest.fixture
def canary(gateway, provider):
    """words: of the directive, behind the candidate."""
    def make(words, stable=None, candidate=None, *, http="", engine="",
             server="", ready=True, **parts):
        ups = [provider(stable), provider(candidate)]
        conf = {key: parts.pop(key) for key in ("lines", "upstream", "target")
                if key in parts}
        gw = gateway(http=http + engine + canary_conf(*ups, words, **conf),
                     server=ADMIN + server, **parts)
        made = Canary(gw, *ups)
        if ready:
            wait_for(lambda: made.listed()["since"] > 0, 10, "a document")
        return made
    return make


# -- who gets it ---------------------------------------------------------------

def test_the_share_of_callers(canary):
    c = canary(f"steps=20%,60%,100% {BY} hold=1h guard=errors<5%")
    first = c.arms(200)
    assert set(first) == {"stable", "candidate"}
    assert 20 <= first.count("candidate") <= 62
    # a caller stays where he is
    assert c.arms(200) == first
    assert len(c.candidate.requests) == 2 * first.count("candidate")
    assert c.candidate.last.json["model"] == "b"
    # a larger share only adds callers
    assert c.decide("promote")["step"] == 2
    second = c.arms(200)
    assert 90 <= second.count("candidate") <= 150
    assert all(b == "candidate" for a, b in zip(first, second)
               if a == "candidate")
    assert c.decide("promote")["share"] == 1
    assert set(c.arms(20)) == {"candidate"}
    for _ in range(2):
        (answer,) = c.ask(key="x")
        assert answer.header("x-llm-target") == "new/b"
    line = c.gateway.ledger(622)[-1]
    assert (line["llm_arm"], line["llm_target"]) == ("candidate", "new/b")


def test_without_a_key(canary):
    """Who has none is in no arm, until all have the candidate."""
    c = canary(f"share=50% {BY} hold=1h guard=errors<5%")
    for _ in range(10):
        answer = c.gateway.chat()
        assert answer.header("x-llm-arm") is None
        assert answer.header("x-llm-target") == "up/a"
    assert c.shown()["requests"] == {"candidate": 0, "stable": 0}
    c.decide("promote", all=True)
    assert c.gateway.chat().header("x-llm-arm") == "candidate"


def test_at_random(canary):
    c = canary("share=50% hold=1h guard=errors<5%")
    arms = [c.gateway.chat().header("x-llm-arm") for _ in range(60)]
    assert 10 <= arms.count("candidate") <= 50


def test_prompts_as_arms(gateway, provider, tmp_path):
    for version in ("v1", "v2"):
        (tmp_path / version).write_text(
            '{"messages": [{"role": "system", "content": "I am %s"}, '
            '"{{>messages}}"]}' % version)
    up = provider()
    from harness import route
    gw = gateway(server=ADMIN, http=up.upstream("up") + f"""
        llm_prompt p v1 {tmp_path}/v1;
        llm_prompt p v2 {tmp_path}/v2;
    """ + route("target up/a;", "prompt p@v1;",
                f"canary prompt=p@v2 share=50% {BY} hold=1h guard=errors<5%;"))
    c = Canary(gw, up, None)
    wait_for(lambda: c.listed()["since"] > 0)
    assert c.listed()["candidate"] == "prompt=p@v2"
    seen = set()
    for i in range(30):
        (answer,) = c.ask(key=f"k{i}")
        arm = answer.header("x-llm-arm")
        version = "v2" if arm == "candidate" else "v1"
        assert answer.header("x-llm-prompt") == f"p@{version}"
        assert f"I am {version}" in up.last.body.decode()
        seen.add(arm)
    assert seen == {"stable", "candidate"}
    # who names a version gets that one, and is in no arm
    answer = gw.chat(headers=[("x-key", "k1"), ("x-llm-prompt", "p@v1")])
    assert answer.header("x-llm-prompt") == "p@v1"
    assert answer.header("x-llm-arm") is None
    c.decide("rollback")
    for i in range(10):
        assert c.ask(key=f"k{i}")[0].header("x-llm-prompt") == "p@v1"


def text_of(answer):
    """What it says, whole or as a stream."""
    if answer.header("content-type").startswith("application/json"):
        return answer.json["choices"][0]["message"]["content"]
    return "".join(event.json["choices"][0]["delta"].get("content") or ""
                   for event in answer.events
                   if event.data != "[DONE]" and event.json["choices"])


def test_rules_as_arms(canary):
    """The candidate's take the place of the route's, in both directions."""
    c = canary(f"share=50% {BY} hold=1h guard=checks>-99% streams=cut",
               Reply(text="call 555-0199 now"), http="""
        llm_pattern phone '[0-9]{3}-[0-9]{4}';
        llm_rules lax { output length max=1000 on_fail=mark; }
        llm_rules strict {
            output redact match=phone;
            input  deny match=phone;
        }
    """, lines=("rules lax;",), target="rules=strict")
    assert c.listed()["candidate"] == "rules=strict"
    arms = c.arms(20)
    assert set(arms) == {"stable", "candidate"}
    ask = [{"role": "user", "content": "call 555-0123"}]
    for i, arm in enumerate(arms):
        for stream in (False, True):
            answer = c.gateway.chat(headers=[("x-key", f"caller{i}")],
                                    stream=stream)
            assert answer.header("x-llm-arm") == arm
            assert answer.header("x-llm-target") == "up/a"
            assert ("555-0199" in text_of(answer)) == (arm == "stable")
        refused = c.gateway.chat(headers=[("x-key", f"caller{i}")],
                                 messages=ask)
        assert refused.status == (200 if arm == "stable" else 400)
    wait_for(lambda: c.listed()["guards"][0]["candidate"]["observed"] > 0)
    guard = c.listed()["guards"][0]["candidate"]
    assert guard["bad"] == guard["observed"]
    c.decide("rollback")
    assert all(b"555-0199" in answer.body for answer in c.ask(20))


def test_a_model_with_rules_of_its_own(canary):
    """Who cannot have the model has the route's rules, too."""
    c = canary(f"rules=strict share=100% {BY} hold=1h guard=checks>50%",
               Reply(text="call 555-0199 now"), Reply(text="call 555-0199"),
               http="""
        llm_pattern phone '[0-9]{3}-[0-9]{4}';
        llm_rules strict { output redact match=phone; }
    """)
    assert c.listed()["candidate"] == "new/b rules=strict"
    (answer,) = c.ask()
    assert answer.header("x-llm-target") == "new/b"
    assert b"555-0199" not in answer.body
    c.candidate(answers.openai_error(429, headers=[("retry-after", "60")]))
    (answer,) = c.ask()         # it fails over, with the candidate's rules
    assert answer.header("x-llm-target") == "up/a"
    assert b"555-0199" not in answer.body
    (answer,) = c.ask()         # it is in no arm
    assert answer.header("x-llm-arm") is None
    assert b"555-0199" in answer.body


def test_a_candidate_that_fails_is_hidden(canary):
    """The route's targets answer instead, and the failure counts."""
    c = canary(f"share=50% {BY} hold=1h guard=errors<5% min=1000", None,
               failing, metrics=True)
    got = c.ask(12)
    assert {answer.status for answer in got} == {200}
    n = [a.header("x-llm-arm") for a in got].count("candidate")
    assert n and {a.header("x-llm-target") for a in got} == {"up/a"}
    metrics = c.gateway.metrics()
    assert metrics.sum("llm_rollout_requests_total", arm="candidate",
                       result="failed") == n
    assert metrics.sum("llm_rollout_requests_total", arm="stable",
                       result="ok") == 12 - n


def test_a_candidate_that_asks_to_wait_is_left_alone(canary, clock):
    c = canary(f"share=100% {BY} hold=1h guard=failures<5", None,
               answers.openai_error(429, headers=[("retry-after", "60")]))
    assert {a.status for a in c.ask(8)} == {200}
    assert len(c.candidate.requests) == 1
    assert c.listed()["state"] == "running"
    clock.sleep(30)
    assert c.arms(3) == [None] * 3
    c.candidate(openai_wire.server(Reply()))
    clock.sleep(30)
    assert c.arms(3) == ["candidate"] * 3
    assert len(c.candidate.requests) == 4


# -- guards: each kind is in test_canary_clock.py ------------------------------

def chatty(x):
    openai_wire.server(Reply(output=400))(x)


def pieces(n):
    """Of a stream: n words, and its end, with 40 tokens."""
    def chunk(choices, more=""):
        return (b'data: {"id":"1","object":"chat.completion.chunk","created":1,'
                b'"model":"m","choices":[' + choices + b"]" + more.encode()
                + b"}\n\n")
    piece = chunk(b'{"index":0,"delta":{"content":"word "},'
                  b'"finish_reason":null}')
    return [piece] * n + [
        chunk(b'{"index":0,"delta":{},"finish_reason":"stop"}'),
        chunk(b"", ',"usage":{"prompt_tokens":5,"completion_tokens":40,'
              '"total_tokens":45}'), b"data: [DONE]\n\n"]


def words(n, pause):
    return answers.events(pieces(n), pause=pause)


def filtered(x):
    openai_wire.server(Reply(finish="content_filter"))(x)


RULES = """
    llm_rules strict { output json on_fail=mark; }
"""
PRICES = ("llm_price a input=2 output=8;", "llm_price b input=2 output=8;")


def test_fallbacks_where_the_stable_arm_is_ill(canary, provider, clock):
    """Nobody is helped by being sent back to what is no better."""
    third = provider()
    c = canary(f"share=20% {BY} hold=1h guard=refusals<5% fallback=1h",
               filtered, filtered, http=third.upstream("third"),
               lines=("fallback third/c;",))
    c.until("rolled_back")
    last = c.shown()["history"][-1]
    assert "; the stable arm is ill, too (refusals<5%: " in last["reason"]
    assert "fallbacks come first for 3600 s" in last["reason"]
    assert "the stable arm is ill, too" in c.gateway.error_log()
    assert c.shown()["ill_until"] > last["time"]
    seen = len(c.stable.requests)
    for answer in c.ask(5):
        assert answer.header("x-llm-target") == "third/c"
        assert answer.header("x-llm-attempts") == "1"
    assert len(c.stable.requests) == seen
    # it is known to the next workers, and ends
    c.gateway.reload()
    clock.sleep(minutes=59)
    assert c.ask()[0].header("x-llm-target") == "third/c"
    c.stable(openai_wire.server(Reply()))
    clock.sleep(minutes=1)
    assert c.ask()[0].header("x-llm-target") == "up/a"
    assert c.shown()["ill_until"] < clock.time() * 1000


def test_no_fallbacks_where_the_stable_arm_is_well(canary, provider):
    third = provider()
    c = canary(f"share=50% {BY} hold=1h guard=errors<5% fallback=1h", None,
               failing, http=third.upstream("third"),
               lines=("fallback third/c;",))
    c.until("rolled_back")
    shown = c.shown()
    assert shown["ill_until"] is None
    assert "is ill" not in shown["history"][-1]["reason"]
    assert {a.header("x-llm-target") for a in c.ask(5)} == {"up/a"}


def test_a_good_candidate_is_promoted(canary):
    """Through all steps, by time and number."""
    c = canary(f"steps=30%,60%,100% {BY} hold=150ms min=5 guard=errors<10% "
               "guard=latency_p95<10s", metrics=True)
    n = c.until("promoted", most=6000)
    shown = c.shown()
    assert [(e["action"], e["state"], e["step"]) for e in shown["history"]] \
        == [("start", "running", 0), ("step", "running", 1),
            ("step", "running", 2), ("step", "promoted", 2)]
    times = [e["time"] for e in shown["history"]]
    assert all(b - a >= 150 for a, b in zip(times, times[1:]))
    assert all("no guard is broken" in e["reason"]
               for e in shown["history"][1:])
    assert n >= 15
    assert set(c.arms(10, key="new")) == {"candidate"}
    metrics = c.gateway.metrics()
    assert metrics.sum("llm_rollout_decisions_total", action="step") == 3
    assert metrics.sum("llm_rollout_share_ratio") == 1
    assert metrics.sum("llm_rollout_state", state="promoted") == 1
    assert metrics.sum("llm_rollout_state") == 1


def test_a_step_waits_for_its_number(canary):
    c = canary(f"steps=50%,100% {BY} hold=50ms min=30 guard=errors<10%")
    c.ask(20)
    time.sleep(0.3)
    assert c.listed()["state"] == "running" and c.listed()["step"] == 1
    assert c.listed()["requests"]["candidate"] < 30


def test_a_person_promotes(canary):
    c = canary(f"steps=50%,100% {BY} hold=50ms min=3 promote=manual "
               "guard=errors<10%")
    c.until("holding")
    assert c.listed()["step"] == 1
    assert set(c.arms(20)) == {"stable", "candidate"}
    c.decide("promote", "looks good")
    assert c.listed()["step"] == 2
    c.until("holding")
    assert c.decide("promote")["state"] == "promoted"


# -- by one call ---------------------------------------------------------------

def test_decisions_of_a_person(canary):
    c = canary(f"steps=50%,100% {BY} hold=1h guard=errors<10%", workers=2,
               listen="reuseport")
    assert c.decide("pause", "lunch")["state"] == "paused"
    assert c.admin.post("rollouts/r/pause", {"reason": "x"}).status == 409
    assert c.decide("resume")["state"] == "running"
    assert c.admin.post("rollouts/r/restart", {"reason": "x"}).status == 409
    shown = c.decide("rollback", "I do not like it")
    assert (shown["state"], shown["share"]) == ("rolled_back", 0)
    # at once, whichever worker is asked
    assert set(c.arms(30)) == {"stable"}
    assert c.admin.post("rollouts/r/rollback", {"reason": "x"}).status == 409
    assert c.admin.post("rollouts/r/promote", {"reason": "x"}).status == 409
    assert c.decide("restart", "again")["state"] == "running"
    assert set(c.arms(30)) == {"stable", "candidate"}
    assert c.decide("promote", "sure", all=True)["state"] == "promoted"
    assert set(c.arms(10)) == {"candidate"}
    history = c.shown()["history"]
    assert [e["action"] for e in history] == [
        "start", "pause", "resume", "rollback", "restart", "promote"]
    assert history[3]["reason"] == "I do not like it"
    assert all(e["by"] == "admin" for e in history[1:])
    records = c.admin.get("audit").json["records"]
    assert {r["action"] for r in records} >= {"rollBackRollout",
                                              "promoteRollout"}
    assert any("I do not like it" in (r["detail"] or "") for r in records)


def test_a_route_whose_name_has_a_slash(gateway, provider):
    up, new = provider(), provider()
    admin = Admin(gateway(
        http=up.upstream("up") + new.upstream("new") + route(
            "target up/a;", f"canary new/b share=50% {BY} guard=errors<10%;",
            name="team/chat"), server=ADMIN))
    wait_for(lambda: admin.get("rollouts").json["rollouts"][0]["since"] > 0,
             10, "a document")
    shown = admin.get("rollouts/team%2Fchat").json["rollout"]
    assert shown["route"] == "team/chat"
    answer = admin.post("rollouts/team%2Fchat/rollback", {"reason": "x"})
    assert answer.json["rollout"]["state"] == "rolled_back"
    assert admin.post("rollouts/team/rollback", {"reason": "x"}).status == 404


@pytest.mark.parametrize("path, value, status", [
    ("rollouts/r/rollback", {}, 400),
    ("rollouts/r/rollback", {"reason": ""}, 400),
    ("rollouts/r/rollback", {"reason": 1}, 400),
    ("rollouts/r/rollback", {"reason": "x" * 401}, 400),
    ("rollouts/r/rollback", {"reason": "x", "all": True}, 400),
    ("rollouts/r/promote", {"reason": "x", "all": 1}, 400),
    ("rollouts/r/promote", {"reason": "x", "step": 1}, 400),
    ("rollouts/nobody/promote", {"reason": "x"}, 404),
    ("rollouts/nobody/pause", {"reason": "x"}, 404),
    ("rollouts/nobody/resume", {"reason": "x"}, 404),
    ("rollouts/nobody/restart", {"reason": "x"}, 404),
    ("rollouts/nobody/rollback", {"reason": "x"}, 404),
])
def test_calls_that_are_none(canary, path, value, status):
    c = canary(f"share=50% {BY} hold=1h guard=errors<10%")
    assert c.admin.post(path, value).status == status
    assert c.admin.get("rollouts/nobody").status == 404
    assert Admin(c.gateway, "/read").post(path, value).status == 403
    assert c.listed()["state"] == "running"


def test_streams_under_way_finish(canary):
    started = []

    def stream(x):
        started.append(x)
        words(20, 0.02)(x)
    c = canary("share=100% hold=1h guard=errors<10%", None, stream)
    client = c.gateway.connect()
    client.request("POST", "/v1/chat/completions", json={
        "model": "m", "messages": [], "stream": True})
    wait_for(lambda: started, 5)
    c.decide("rollback")
    answer = client.read()
    assert answer.body.count(b"word") == 20 and answer.complete
    assert set(c.arms(3)) == {"stable"}


def test_a_webhook_is_told(canary, provider):
    import hashlib
    import hmac
    hook = provider(answers.body(b"", 204), key="")
    c = canary(f"share=50% {BY} hold=1h guard=failures<3 "
               f"webhook=http://127.0.0.1:{hook.port}/x "
               "webhook_secret=env:HOOK_SECRET", None, failing,
               env={"HOOK_SECRET": "webhook-secret-77ab"})
    c.gateway.secret("webhook-secret-77ab")
    c.until("rolled_back")
    told = {request.json["decision"]["action"]: request
            for request in hook.wait_requests(2)}
    start, rollback = told["start"], told["rollback"]
    told = rollback.json
    assert told["type"] == "llm.rollout.decision"
    assert (told["route"], told["candidate"]) == ("r", "new/b")
    assert told["decision"]["action"] == "rollback"
    assert told["decision"]["figures"]["guard"] == "failures<3"
    assert start.json["decision"]["action"] == "start"
    # the same unit as in GET rollouts
    assert (start.json["share"], told["share"]) == (0.5, 0)
    stamp = rollback.header("x-llm-webhook-timestamp")
    assert rollback.header("x-llm-webhook-signature") == "sha256=" + hmac.new(
        b"webhook-secret-77ab", f"{stamp}.".encode() + rollback.body,
        hashlib.sha256).hexdigest()
    wait_for(lambda: c.gateway.metrics().sum(
        "llm_rollout_webhooks_total", result="sent") == 2)


# -- what the configuration may say ---------------------------------------------

@pytest.mark.parametrize("words, advice", [
    ("new/b share=5%", 'without a guard'),
    ("new/b guard=errors<2%", 'add "share=5%"'),
    ("share=5% guard=errors<2%", "has no candidate"),
    ("up/a share=5% guard=errors<2%", "is a target of the route already"),
    ("new/b share=0% guard=errors<2%", "above 0%"),
    ("new/b share=101% guard=errors<2%", "above 0%"),
    ("new/b share=5 guard=errors<2%", "above 0%"),
    ("new/b steps=5%,5% guard=errors<2%", "each larger"),
    ("new/b share=5% steps=10%,20% guard=errors<2%", "is not the first"),
    ("new/b steps=10%,20% share=5% guard=errors<2%", "is not the first"),
    ("new/b share=5% share=5% guard=errors<2%", 'duplicate "share="'),
    ("new/b share=5% guard=errors<2% guard=errors<2%", "duplicate"),
    ("new/b share=5% guard=errors<2% by=me", "write a variable"),
    ("new/b share=5% guard=errors<2% hold=x", 'for example "hold=30m"'),
    ("new/b share=5% guard=errors<2% min=0", 'for example "min=200"'),
    ("new/b share=5% guard=errors<2% alpha=0.6", "up to 0.5"),
    ("new/b share=5% guard=errors<2% promote=x", "promote=auto"),
    ("new/b share=5% guard=errors<2% webhook=x", "write a URL"),
    ("new/b share=5% guard=errors<2% colour=x", '"canary" has'),
    ("new/b share=5% guard=errors<2% fallback=0", "for how long fallbacks"),
    ("new/b share=5% guard=errors<2% fallback=1m", "nobody to fall back on"),
    ("rules= share=5% guard=errors<2%", "write names of llm_rules"),
    ("rules=a,,b share=5% guard=errors<2%", "write names of llm_rules"),
    ("rules=strict share=5% guard=errors<2%", 'unknown llm_rules "strict"'),
    ("rules=strict share=5% guard=errors<2% evaluation=x", "has none"),
    ("new/b share=5% guard=wrong<2%", "it knows errors"),
    ("new/b share=5% guard=errors>2%", 'write "errors<2%"'),
    ("new/b share=5% guard=latency<2s", 'write "latency_p95<20s"'),
    ("new/b share=5% guard=checks>97%", "has no rules to look at"),
    ("new/b share=5% guard=cost<0.1usd", "needs the price"),
    ("new/b prompt=p@v share=5% guard=errors<2%", 'unknown prompt "p@v"'),
    ("new/b prompt=p share=5% guard=errors<2%", "NAME@VERSION"),
    ("old/b share=5% guard=errors<2%", 'unknown provider "old"'),
    ("new/b share=5% guard=errors<2% webhook=http://h.example/",
     "no resolver"),
])
def test_nginx_refuses(gateway, provider, words, advice):
    from harness import route
    ups = [provider(), provider()]
    gw = gateway(start=False, http=ups[0].upstream("up")
                 + ups[1].upstream("new")
                 + route("target up/a;", f"canary {words};"))
    check = gw.check()
    assert not check.ok
    assert advice in check.stderr, check.stderr
    assert f":{check.line_of('canary ')}" in check.stderr


def test_one_canary_of_a_route(gateway, provider):
    from harness import route
    up = provider()
    line = "canary up/b share=5% guard=errors<2%;"
    gw = gateway(start=False, http=up.upstream("up")
                 + route("target up/a;", line, line))
    assert "one canary at a time" in gw.check().stderr
