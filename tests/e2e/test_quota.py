"""llm_quota: how much, by any key."""

from __future__ import annotations

import datetime
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable
from zoneinfo import ZoneInfo

import pytest

from harness import Reply, answers, openai_wire, route
from harness.util import SLOW, same_day, wait_for, wait_taken

from conftest import connected

K = "x-key"
PRICE = "llm_price m input=1 output=2 cached=0.5;"

pytestmark = pytest.mark.usefixtures("one_day")


@pytest.fixture
def one_day():
    same_day()


def key(name: str) -> list[tuple[str, str]]:
    return [(K, name)]


def quota(engine: str, words: str, name: str = "per", **more) -> dict:
    return {"lines": [f"limit {name};"], "model": "m", "upstream": [PRICE],
            "http": f"{engine} llm_quota {name} key=$http_x_key {words};",
            **more}


# -- money and tokens ----------------------------------------------------------

def test_money(serve, engine):
    """100 input and 50 output tokens at 1 and 2 USD a million: 200 micros."""
    gw, _ = serve(Reply(input=100, output=50), **quota(
        engine, "cost=0.001usd/day"))
    statuses = [gw.chat("hi", headers=key("a"), max_tokens=50).status
                for _ in range(7)]
    assert statuses == [200] * 5 + [429] * 2
    assert gw.chat(headers=key("b"), max_tokens=50).status == 200
    spent = sum(float(line["llm_cost"] or 0) for line in gw.ledger(8)[:7])
    assert spent == pytest.approx(0.001)


def test_cached_tokens_cost_what_they_cost(serve, engine):
    gw, _ = serve(Reply(input=1000, output=0, cached=1000), **quota(
        engine, "cost=0.001usd/day"))
    statuses = [gw.chat("hi", headers=key("a"), max_tokens=10).status
                for _ in range(3)]
    assert statuses == [200, 200, 429]


def test_what_openai_callers_are_told(serve, engine):
    import openai
    gw, _ = serve(Reply(input=500, output=500), **quota(
        engine, "cost=0.0015usd/month"))
    assert gw.chat(headers=key("a"), max_tokens=500).status == 200
    r = gw.chat(headers=key("a"), max_tokens=500)
    assert r.status == 429
    error = r.json["error"]
    assert error["code"] == error["type"] == "insufficient_quota"
    assert re.search(r'budget "per" \(cost=0\.0015usd/month\) is used up: '
                     r"0usd left, this request may cost 0\.001\d*usd; it "
                     r"resets in (\d+h)?(\d+m)?\d+s$", error["message"]), error
    assert r.header("x-should-retry") == "false"
    assert r.header("retry-after") is None
    assert r.header("retry-after-ms") is None
    with pytest.raises(openai.RateLimitError) as caught:
        gw.openai(default_headers={K: "a"}, max_retries=2) \
            .chat.completions.create(model="m", messages=[
                {"role": "user", "content": "hi"}])
    assert caught.value.code == "insufficient_quota"
    # not tried again
    assert len(gw.ledger(3)) == 3
    assert gw.ledger(3)[2]["llm_error"] == "billing"


def test_what_anthropic_callers_are_told(serve, engine):
    import anthropic
    gw, _ = serve(Reply(input=500, output=500), dialect="anthropic",
                  **quota(engine, "tokens=1000/week"))
    assert gw.messages(headers=key("a")).status == 200
    r = gw.messages(headers=key("a"))
    assert r.status == 402
    assert r.json["error"]["type"] == "billing_error"
    assert '"per" (tokens=1k/week)' in r.json["error"]["message"]
    with pytest.raises(anthropic.APIStatusError) as caught:
        gw.anthropic(default_headers={K: "a"}, max_retries=2) \
            .messages.create(model="m", max_tokens=100, messages=[
                {"role": "user", "content": "hi"}])
    assert caught.value.status_code == 402
    assert len(gw.ledger(3)) == 3


def test_the_dearest_target_counts(gateway, provider, engine):
    """What a fallback may cost is reserved too."""
    up, dear = provider(), provider()
    gw = gateway(http=engine + """
        llm_quota per key=all cost=0.01usd/day;
    """ + up.upstream("up", "llm_price m input=0 output=1;")
        + dear.upstream("dear", "llm_price m input=0 output=100;")
        + route("target up/m;", "fallback dear/m;", "limit per;"))
    assert gw.chat(max_tokens=99).status == 200
    r = gw.chat(max_tokens=101)
    assert r.status == 429 and "0.0101usd" in r.json["error"]["message"]


def test_a_whole_answer_that_may_pass_is_refused(serve, engine):
    gw, up = serve(Reply(), **quota(engine, "tokens=1000/day"))
    assert gw.chat(headers=key("a"), max_tokens=2000).status == 429
    assert gw.chat(headers=key("a"), max_tokens=600, n=2).status == 429
    assert not up.requests
    assert gw.chat(headers=key("a"), max_tokens=900).status == 200


def test_numbers_for_lax_readers(serve):
    """Providers that take "900" for 900: nobody gets past a budget by that."""
    gw, up = serve(Reply(), **quota("", "output=1000/day"))

    def ask(more):
        body = '{"model":"m","messages":[{"role":"user","content":"x"}],%s}'
        return gw.post("/v1/chat/completions", (body % more).encode(),
                       headers=key("a")).status

    for much in ('"2000"', "2000." + "0" * 40, "9e99", '" 2_000"',
                 '"\\u0032000"', "2" * 40):
        assert ask(f'"max_tokens":{much}') == 429, much
    assert ask('"max_tokens":600,"n":"2"') == 429
    assert ask('"max_tokens":1,"n":1001') == 429
    assert not up.requests
    for usual in ('"900"', "900.0", "null", "-1", '"-1"', '"x"'):
        assert ask(f'"max_tokens":{usual}') == 200, usual


@pytest.mark.parametrize("location", [
    "llm_pass;", "client_body_buffer_size 1k; llm_pass;"])
def test_answers_of_completions(serve, location):
    """Each prompt has its own, wherever the body is cut or kept."""
    gw, up = serve(lambda x: answers.json({
        "id": "c", "object": "text_completion", "created": 1, "model": "m",
        "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1,
                                 "total_tokens": 2}})(x),
        **quota("", "output=1000/day"), location=location)

    def needs(prompt, **more):
        r = gw.post("/v1/completions", {"model": "m", "prompt": prompt,
                                        "max_tokens": 2000, **more},
                    headers=key("a"))
        assert r.status == 429
        said = re.search(r"this request needs (\d+);",
                         r.json["error"]["message"])
        return int(said[1]) / 2000

    hard = ['a"b', "\\", '\\"', "", "],[", "x" * 3000 + '\\"', "\n" * 900]
    assert needs("one") == needs(["one"]) == needs([1, 2, 3]) == 1
    assert needs([]) == needs(None) == needs({}) == 1
    assert needs(["a", "b"]) == 2 and needs([[1, 2], [3]]) == 2
    for pad in range(5):
        assert needs(["y" * pad, *hard * 3]) == 1 + 3 * len(hard)
    assert needs(["a"] * 3, n=2) == 6 and needs("a", n=2, best_of=5) == 5
    assert needs(["a"] * 3, n=2, best_of=5) == 15
    assert not up.requests
    r = gw.post("/v1/completions", {"model": "m", "prompt": ["a"] * 3,
                                    "max_tokens": 300}, headers=key("a"))
    assert r.status == 200


def test_an_answer_that_is_held_while_its_caller_leaves(serve):
    """Nobody has got any of it, and it has been made."""
    sent = threading.Event()
    events = openai_wire.chat_stream(
        Reply(text="word " * 300, piece=5, input=10, output=300),
        {"model": "m", "stream": True})

    def script(x):
        x.head(200, [("Content-Type", "text/event-stream")], chunked=True)
        for event in events[:202]:
            x.chunk(event)
        wait_taken(x.connection.sock)
        sent.set()
        x.stall()
    words = quota("", "tokens=5000/day")
    words["lines"] = [*words["lines"], "rules strict;"]
    words["http"] += 'llm_rules strict { output require "regex=END$"; ' \
                     "hold all; }"
    gw, up = serve(script, **words)
    client = gw.connect().request(
        "POST", "/v1/chat/completions", headers=key("a"), json={
            "model": "m", "stream": True,
            "messages": [{"role": "user", "content": "hi"}]})
    assert sent.wait(10)
    client.close()
    up.wait_closed_early()
    line = gw.ledger(1)[0]
    assert line["llm_usage"] == "estimated" and line["status"] == "499"
    assert 190 <= int(line["llm_output_tokens"]) <= 202
    assert float(line["llm_cost"]) > 0


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("action,refused", [("next", 1), ("retry", 2)])
def test_answers_that_a_rule_refuses_are_paid_for(
        gateway, provider, engine, stream, action, refused):
    """By log, headers, ledger and budget, at each target's price."""
    bad = provider(Reply(text='{"word": "word', input=1000, output=500))
    good = provider(Reply(text='{"a": 1}', input=10, output=5))
    gw = gateway(http=engine + "llm_quota per key=all cost=1usd/day;"
                 + bad.upstream("bad", "llm_price m input=1 output=2;")
                 + good.upstream("good", "llm_price m input=10 output=10;")
                 + f"llm_rules strict {{ output json on_fail={action}; hold all; }}"
                 + route("target bad/m;", "fallback good/m;",
                         "rules strict;", "limit per;"),
                 server="location /llm/ { llm_admin; }")
    connected(gw)
    gw.allow("was refused by rule")
    r = gw.chat(stream=stream)
    assert r.status == 200 and len(bad.requests) == refused
    line = gw.ledger(1)[0]
    assert line["llm_target"] == "good/m"
    cost = float(line["llm_cost"])
    if stream:
        # it is given up as soon as it is refused, before its usage comes
        assert line["llm_usage"] == "estimated"
        assert int(line["llm_output_tokens"]) >= 5 + refused * 3
        assert cost > 0.00015 + refused * 0.00001
    else:
        assert line["llm_usage"] == "reported"
        assert line["llm_input_tokens"] == str(refused * 1000 + 10)
        assert line["llm_output_tokens"] == str(refused * 500 + 5)
        assert cost == pytest.approx(refused * 0.002 + 0.00015)
        assert float(r.header("x-llm-cost")) == pytest.approx(cost)

    def settled():
        level = gw.get("/llm/limits/per?key=all").json["levels"][0]
        return float(level["reserved"]) == 0 and float(level["used"])
    assert wait_for(settled, 10, "the end") == pytest.approx(cost)
    total = wait_for(lambda: (t := gw.get("/llm/usage").json["total"])[
        "requests"] and t, 10, "the ledger")
    assert str(total["input_tokens"]) == line["llm_input_tokens"]
    assert float(total["cost"]) == pytest.approx(cost)


def test_a_model_without_a_price(gateway, provider, engine):
    """Known only when it is asked for: no budget in money can hold it."""
    up = provider()
    gw = gateway(http=engine + "llm_quota per key=all cost=1usd/day;"
                 + up.upstream("up", "llm_price known input=1 output=1;")
                 + route("target up;", "limit per;"))
    gw.allow("has no price")
    assert gw.chat(model="known").status == 200
    r = gw.chat(model="other")
    assert r.status == 403
    assert r.json["error"]["code"] == "model_without_price"
    assert len(up.requests) == 1


# -- never more than there is --------------------------------------------------

def test_parallel_requests(serve, engine):
    """200 at once, and the budget is for ten."""
    go = threading.Event()

    def script(x):
        go.wait(60)
        openai_wire.server(Reply(input=10, output=90))(x)

    gw, up = serve(script, workers=2, **quota(engine, "tokens=1000/day"))
    with ThreadPoolExecutor(200) as pool:
        calls = [pool.submit(gw.chat, headers=key("a"), max_tokens=90)
                 for _ in range(200)]
        wait_for(lambda: sum(f.done() for f in calls) >= 190, 30 * SLOW)
        go.set()
        statuses = [f.result().status for f in calls]
    assert statuses.count(200) == len(up.requests) == 10
    assert statuses.count(429) == 190
    tokens = sum(int(line["llm_input_tokens"] or 0)
                 + int(line["llm_output_tokens"] or 0)
                 for line in gw.ledger(200, 10))
    assert tokens == 1000
    assert gw.chat(headers=key("a"), max_tokens=1).status == 429


def test_a_client_that_leaves_pays_for_what_came(serve, engine):
    events = openai_wire.chat_stream(
        Reply(text="word " * 200, piece=5, output=200), {"model": "m"})
    gw, up = serve(answers.events(events[:101], finish=answers.stall),
                   **quota(engine, "tokens=1000/day"))
    client = gw.connect()
    client.request("POST", "/v1/chat/completions", json={
        "model": "m", "stream": True,
        "messages": [{"role": "user", "content": "hi"}]}, headers=key("a"))
    client.read_until(b"")
    while client.response.body.count(b"word") < 100:
        assert client.pump()
    client.reset()
    up.wait_closed_early()
    up(openai_wire.server(Reply()))
    line = gw.ledger(1)[0]
    assert line["llm_usage"] == "estimated"
    assert 95 <= int(line["llm_output_tokens"]) <= 105
    r = gw.chat(headers=key("a"), stream=True, max_tokens=1)
    left = int(r.header("x-ratelimit-remaining-tokens"))
    charged = int(line["llm_output_tokens"]) + int(line["llm_input_tokens"])
    assert left == 1000 - charged - int(gw.ledger(2)[1]
                                        ["llm_reserved_tokens"])


def test_ignoring_the_abort_charges_all_of_it(serve, engine):
    gate = threading.Event()
    events = openai_wire.chat_stream(
        Reply(text="word " * 200, piece=5, input=10, output=200),
        {"model": "m", "stream_options": {"include_usage": True}})

    def script(x):
        x.head(200, [("Content-Type", "text/event-stream")], chunked=True)
        for event in events[:50]:
            x.chunk(event)
        gate.wait(10)
        x.chunk(b"".join(events[50:]))
        x.last_chunk()

    gw, _ = serve(script, location="llm_pass; llm_ignore_client_abort on;",
                  **quota(engine, "tokens=1000/day"))
    client = gw.connect()
    client.request("POST", "/v1/chat/completions", json={
        "model": "m", "stream": True,
        "messages": [{"role": "user", "content": "hi"}]}, headers=key("a"))
    client.read_until(b"word")
    client.reset()
    time.sleep(0.1)
    gate.set()
    line = gw.ledger(1)[0]
    assert line["llm_usage"] == "reported"
    assert line["llm_output_tokens"] == "200"


@pytest.mark.skipif(SLOW > 1, reason="counts on the machine's speed")
def test_a_killed_worker_gives_back_what_it_held(serve, engine):
    go = threading.Event()

    def script(x):
        go.wait(30)
        openai_wire.server(Reply(input=10, output=90))(x)

    gw, up = serve(script, workers=2, **quota(engine, "tokens=1000/day"))
    with ThreadPoolExecutor(20) as pool:
        calls = [pool.submit(gw.chat, headers=key("a"), max_tokens=90)
                 for _ in range(10)]
        wait_for(lambda: len(up.requests) == 10)
        assert gw.chat(headers=key("a"), max_tokens=90).status == 429
        for pid in gw.workers():
            gw.kill_worker(pid)
        for f in calls:
            f.exception() or f.result()
        go.set()
        wait_for(lambda: gw.chat(headers=key("a"), max_tokens=90).status
                 == 200, 30, "the reservations to come back")


# -- soft, warn, dry run -------------------------------------------------------

def test_soft_counts_and_refuses_nothing(serve, engine):
    gw, _ = serve(Reply(input=100, output=300), **quota(
        engine, "tokens=1000/day soft warn=50%,90%"))
    warnings = []
    for _ in range(5):
        r = gw.chat(headers=key("a"), max_tokens=300)
        assert r.status == 200
        warnings.append(r.header("x-llm-quota-warning"))
    assert warnings[0] is None and warnings[1] is None
    assert re.fullmatch(r"per tokens=1k/day used=80% reset=(\d+h)?(\d+m)?\d+s",
                        warnings[2])
    assert "used=120%" in warnings[3] and "used=160%" in warnings[4]
    metrics = gw.metrics()
    assert metrics.sum("llm_limit_denied_total") == 0
    assert metrics.sum("llm_quota_warnings_total", limit="per") == 2
    assert metrics.sum("llm_quota_used_ratio", limit="per", unit="tokens",
                       period="day") == 1.6


def test_each_threshold_of_each_key_is_told_once(serve, engine):
    gw, _ = serve(Reply(input=100, output=100), workers=2, **quota(
        engine, "tokens=1000/day warn=50%,90%"))
    for name in ("a", "b"):
        for _ in range(5):
            assert gw.chat(headers=key(name), max_tokens=100).status == 200
    assert gw.metrics().sum("llm_quota_warnings_total") == 2
    # the last one has used it up: who is refused is told the rest
    for _ in range(3):
        r = gw.chat(headers=key("a"), max_tokens=100)
        assert r.status == 429
        assert "used=100%" in r.header("x-llm-quota-warning")
    assert gw.metrics().sum("llm_quota_warnings_total") == 3


def test_a_budget_that_is_used_up_at_once(serve, provider, engine):
    """Its thresholds are told all the same, to who is refused then."""
    hook = provider(answers.json({}))
    gw, _ = serve(Reply(input=500, output=500), **quota(
        engine, "tokens=1000/day warn=80%,95% "
        f"webhook=http://127.0.0.1:{hook.port}/x"))
    assert gw.chat(headers=key("a"), max_tokens=900).status == 200
    wait_for(lambda: gw.chat(headers=key("a"), max_tokens=900).status == 429,
             10, "the budget's end")
    [told] = hook.wait_requests(1)
    assert told.json["threshold"] == 95 and told.json["used"] == 1000
    assert gw.metrics().sum("llm_limit_denied_total") >= 1


def test_the_fullest_key_is_the_metric(serve, engine):
    gw, _ = serve(Reply(input=100, output=100), **quota(
        engine, "tokens=1000/day"))
    for name in ("a", "a", "a", "b"):
        gw.chat(headers=key(name), max_tokens=100)
    assert gw.metrics().sum("llm_quota_used_ratio") == 0.4
    assert len(gw.metrics().select("llm_quota_used_ratio")) == 1


def test_dry_run(serve, engine):
    gw, _ = serve(Reply(input=600, output=600), **quota(
        engine, "tokens=1000/day dry_run"))
    for _ in range(3):
        assert gw.chat(headers=key("a"), max_tokens=900).status == 200
    metrics = gw.metrics()
    assert metrics.sum("llm_limit_dry_run_total", unit="tokens") == 2
    assert gw.ledger(3)[1]["llm_limit_dry_run"] == "per"


# -- the calendar --------------------------------------------------------------

FAKETIME = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")),
                None)


class Clock:
    """The time of day of an nginx, or, for one with Redis, what Redis says;
    what measures intervals goes on.  All times are long after now: what is
    in Redis expires by the true one."""

    def __init__(self, directory: Path):
        self.file = directory / "faketime.rc"
        self.told: list[Callable[[float], None]] = []
        self.set(datetime.datetime.now(datetime.timezone.utc))

    def set(self, when: datetime.datetime) -> None:
        self.offset = offset = when.timestamp() - time.time()
        new = self.file.with_suffix(".new")
        new.write_text(f"{offset:+.3f}\n")
        new.replace(self.file)
        time.sleep(0.1)
        for tell in self.told:
            tell(offset)

    @property
    def env(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(FAKETIME), "FAKETIME_NO_CACHE": "1",
                "FAKETIME_TIMESTAMP_FILE": str(self.file),
                "DONT_FAKE_MONOTONIC": "1"}


@pytest.fixture
def clock(tmp_path) -> Clock:
    if FAKETIME is None:
        pytest.skip("libfaketime is not installed")
    if SLOW > 1:
        pytest.skip("a sanitizer has to be loaded first")
    return Clock(tmp_path)


def at(text: str, zone: str = "UTC") -> datetime.datetime:
    return datetime.datetime.fromisoformat(text) \
        .replace(tzinfo=ZoneInfo(zone))


@pytest.fixture
def dated(gateway, provider, engine, clock, request):
    """A gateway whose clock the test sets: with Redis it is the server's that
    counts, and the gateway goes by the true one."""
    def make(words: str, when: datetime.datetime, reply: Reply):
        clock.set(when)
        up = provider(reply)
        env, store = clock.env, engine
        if "llm_redis" in engine:
            server = request.getfixturevalue("redis")()
            link = request.getfixturevalue("between")(server)
            link.shift = clock.offset
            env, store = {}, link.directive("timeout=2s")
        gw = gateway(env=env, http=store
                     + f"llm_quota per key=all {words} fail=closed;"
                     + up.upstream("up", PRICE)
                     + route("target up/m;", "limit per;"))
        connected(gw)

        def again(offset: float) -> None:
            """The time is asked for with each connection: with a new one."""
            def links():
                return {line.split()[0] for line in server.clients()}
            old = links()
            link.shift = offset
            link.hang_up()
            wait_for(lambda: (new := links()) and not new & old)
            connected(gw)
        if "llm_redis" in engine:
            gw.allow("closed by the server")
            clock.told.append(again)
        return gw
    return make


def left(gw) -> int:
    """Tokens, by a question that needs the least."""
    r = gw.chat(max_tokens=1)
    if r.status != 200:
        return 0
    return int(r.header("x-ratelimit-remaining-tokens"))


FULL = Reply(input=500, output=500)


@pytest.mark.parametrize("words,last,first", [
    ("tokens=1000/day", "2036-05-06T23:59:05", "2036-05-07T00:00:01"),
    ("tokens=1000/week", "2036-05-11T23:59:05", "2036-05-12T00:00:01"),
    ("tokens=1000/month", "2036-02-29T23:59:05", "2036-03-01T00:00:01"),
    ("tokens=1000/month", "2036-12-31T23:59:05", "2037-01-01T00:00:01"),
], ids=["day", "week", "leap-day", "year"])
def test_a_period_ends(dated, clock, words, last, first):
    gw = dated(words, at(last), FULL)
    assert gw.chat(max_tokens=500).status == 200
    r = gw.chat(max_tokens=1)
    assert r.status == 429
    assert re.search(r"resets in \d+s", r.json["error"]["message"])
    clock.set(at(first))
    assert gw.chat(max_tokens=500).status == 200


@pytest.mark.parametrize("zone,last,first", [
    ("Europe/Berlin", "2036-03-30T23:59:05", "2036-03-31T00:00:01"),
    ("Europe/Berlin", "2036-10-26T23:59:05", "2036-10-27T00:00:01"),
    ("America/New_York", "2036-07-04T23:59:05", "2036-07-05T00:00:01"),
    ("Asia/Kathmandu", "2036-07-04T23:59:05", "2036-07-05T00:00:01"),
])
def test_days_of_a_time_zone(dated, clock, zone, last, first):
    gw = dated(f"tokens=1000/day tz={zone}", at(last, zone), FULL)
    assert gw.chat(max_tokens=500).status == 200
    assert gw.chat(max_tokens=1).status == 429
    clock.set(at(first, zone))
    assert gw.chat(max_tokens=500).status == 200


def test_a_clock_that_jumps_back(dated, clock):
    """Neither refilled nor frozen."""
    gw = dated("tokens=1000/day", at("2036-05-07T00:00:05"),
               Reply(input=300, output=300))
    assert gw.chat(max_tokens=300).status == 200
    clock.set(at("2036-05-06T23:00:00"))
    assert gw.chat(max_tokens=500).status == 429
    assert gw.chat(max_tokens=300).status == 200
    assert gw.chat(max_tokens=1).status == 429
    clock.set(at("2036-05-07T01:00:00"))
    assert gw.chat(max_tokens=1).status == 429
    clock.set(at("2036-05-08T00:00:01"))
    assert gw.chat(max_tokens=300).status == 200


def test_what_ends_after_midnight_belongs_to_yesterday(dated, clock):
    gw = dated("tokens=1000/day", at("2036-05-06T23:59:05"), Reply())
    go = threading.Event()

    def script(x):
        go.wait(60)
        openai_wire.server(Reply(input=300, output=300))(x)

    gw.providers[0](script)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(gw.chat, max_tokens=300)
        wait_for(lambda: gw.providers[0].requests)
        clock.set(at("2036-05-07T00:00:05"))
        go.set()
        assert call.result().status == 200
    gw.providers[0](openai_wire.server(Reply(input=1, output=1)))
    assert left(gw) > 980


def test_rollover(dated, clock):
    """A fifth at the most, of what was left."""
    gw = dated("tokens=1000/day rollover=20%", at("2036-05-06T10:00:00"),
               Reply(input=450, output=450))
    assert gw.chat(max_tokens=500).status == 200
    clock.set(at("2036-05-07T10:00:00"))
    r = gw.chat(max_tokens=500)
    assert r.header("x-ratelimit-limit-tokens") == "1100"
    clock.set(at("2036-05-09T10:00:00"))
    r = gw.chat(max_tokens=500)
    assert r.header("x-ratelimit-limit-tokens") == "1200"


# -- webhooks ------------------------------------------------------------------

class Receiver:
    """What a webhook has sent; a list of statuses to answer with."""

    def __init__(self, provider, *statuses: int):
        self.statuses = list(statuses)
        self.up = provider(self.script, key="")

    def script(self, x) -> None:
        status = self.statuses.pop(0) if self.statuses else 204
        if status:
            answers.body(b"", status)(x)
        else:
            x.close()

    def messages(self, count: int, timeout: float = 10):
        wait_for(lambda: len(self.up.requests) >= count, timeout,
                 f"{count} messages")
        return self.up.requests


def hooked(serve, provider, engine, *statuses, words="tokens=1000/day"):
    hook = Receiver(provider, *statuses)
    url = f"http://127.0.0.1:{hook.up.port}/budgets?x=1"
    gw, _ = serve(Reply(input=100, output=300),
                  env={"HOOK_SECRET": "webhook-secret-5d1f"}, **quota(
        engine, f"{words} soft warn=50%,90% webhook={url} "
                "webhook_secret=env:HOOK_SECRET"))
    gw.secret("webhook-secret-5d1f")
    return gw, hook


def test_a_webhook_is_told_of_thresholds(serve, provider, engine):
    import hashlib
    import hmac
    gw, hook = hooked(serve, provider, engine)
    for _ in range(5):
        gw.chat(headers=key("acme \"1\""), max_tokens=300)
    first, second = hook.messages(2)
    assert first.method == "POST" and first.target == "/budgets?x=1"
    assert first.header("content-type") == "application/json"
    told = first.json
    assert told["type"] == "llm.quota.threshold"
    assert (told["limit"], told["key"]) == ("per", "acme \"1\"")
    assert (told["rate"], told["threshold"]) == ("tokens=1k/day", 50)
    assert (told["used"], told["of"]) == (800, 1000)
    for name in ("time", "resets_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", told[name])
    assert second.json["threshold"] == 90
    for message in (first, second):
        stamp = message.header("x-llm-webhook-timestamp")
        assert abs(int(stamp) - time.time()) < 60
        assert message.header("x-llm-webhook-signature") == "sha256=" \
            + hmac.new(b"webhook-secret-5d1f", f"{stamp}.".encode()
                       + message.body, hashlib.sha256).hexdigest()
        assert message.header("x-llm-webhook-id") == message.json["id"]
    assert first.json["id"] != second.json["id"]
    wait_for(lambda: gw.metrics().sum("llm_quota_webhooks_total",
                                      result="sent") == 2)
    assert len(hook.up.requests) == 2


def test_money_in_a_message(serve, provider, engine):
    gw, hook = hooked(serve, provider, engine, words="cost=0.0008usd/day")
    for _ in range(2):
        gw.chat(headers=key("a"), max_tokens=300)
    told = hook.messages(1)[0].json
    assert (told["used"], told["of"]) == (0.0007, 0.0008)


def test_a_message_that_is_not_taken_is_sent_again(serve, provider, engine):
    gw, hook = hooked(serve, provider, engine, 503)
    gw.allow("has not taken a message")
    for _ in range(3):
        gw.chat(headers=key("a"), max_tokens=300)
    one, again = hook.messages(2)
    assert one.body == again.body and again.started - one.started > 0.9
    wait_for(lambda: gw.metrics().sum("llm_quota_webhooks_total",
                                      result="sent") == 1)


def test_a_message_that_is_refused_is_given_up(serve, provider, engine):
    gw, hook = hooked(serve, provider, engine, 400)
    gw.allow("has not taken a message")
    for _ in range(4):
        gw.chat(headers=key("a"), max_tokens=300)
    hook.messages(2)
    wait_for(lambda: gw.metrics().sum("llm_quota_webhooks_total") == 2)
    assert gw.metrics().sum("llm_quota_webhooks_total", result="failed") == 1
    assert "it answered 400" in gw.error_log()


def test_a_receiver_that_hangs_holds_nobody_up(serve, provider, engine):
    hook = provider(lambda x: x.stall(), key="")
    gw, _ = serve(Reply(input=100, output=300), **quota(
        engine, "tokens=1000/day soft warn=1% webhook="
                f"http://127.0.0.1:{hook.port}/"))
    gw.allow("webhook")
    for n in range(100):
        for _ in range(2):
            assert gw.chat(headers=key(f"k{n}"), max_tokens=300).status == 200
    assert gw.metrics().sum("llm_quota_webhooks_total", result="failed") \
        == 100 - 64
    # one is under way, and the same again when that has taken five seconds
    wait_for(lambda: hook.requests)
    assert len({request.body for request in hook.requests}) == 1
