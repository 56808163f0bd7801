"""The level of the cache in Redis: hits across gateways, leases, faults."""

from __future__ import annotations

import threading
import time

import pytest

from harness import Reply, SLOW, answers, openai_wire, route, wait_for
from harness.clock import Clock

from conftest import connected

CHAT = "/v1/chat/completions"


def ask(text="hi", **more):
    return {"model": "m", "temperature": 0,
            "messages": [{"role": "user", "content": text}], **more}


def status(response):
    return response.header("x-llm-cache")


def text_of(response):
    return response.json["choices"][0]["message"]["content"]


@pytest.fixture
def fleet(gateway, provider):
    """Gateways before one provider, with one Redis."""
    def make(n: int, directive: str, script=None, words: str = "ttl=1m",
             **parts):
        up = provider(script or Reply(text="One two three."))
        text = (up.upstream("up")
                + route("target up/m;", f"cache {words};") + directive)
        gws = [gateway(http=text, **parts) for _ in range(n)]
        for gw in gws:
            wait_for(lambda: b"llm_redis_up 1" in gw.fetch_metrics().body, 10)
        return gws, up
    return make


def values(server, kind="c"):
    return [key for key in server.do("KEYS", f"llm:{kind}:*")]


def stored(server, n=1):
    wait_for(lambda: len(values(server)) == n, 10)
    return values(server)[0]


def test_second_gateway_has_a_hit(redis, fleet):
    server = redis()
    (one, two), up = fleet(2, server.directive())
    first = one.post(CHAT, ask())
    stored(server)
    whole = two.post(CHAT, ask())
    stream = two.post(CHAT, ask(stream=True))
    assert [status(r) for r in (first, whole, stream)] == ["miss", "hit",
                                                           "hit"]
    assert text_of(first) == text_of(whole) == "One two three."
    assert stream.complete and b"three" in stream.body
    assert len(up.requests) == 1
    assert 0 < server.do("PTTL", values(server)[0]) <= 60_000
    wait_for(lambda: not values(server, "l"), 10)


def flip(server, key):
    bit = server.do("GETBIT", key, 8 * 100)
    server.do("SETBIT", key, 8 * 100, 1 - bit)


def retype(server, key):
    server.do("DEL", key)
    server.do("LPUSH", key, "x")


DAMAGES = {
    "cut": lambda server, key: server.do(
        "SET", key, "LLMC\x01\x00\x00\x00" + "\x00" * 12),
    "longer": lambda server, key: server.do("APPEND", key, "x"),
    "flip": flip,
    "text": lambda server, key: server.do("SET", key, "hello"),
    "type": retype,
    "huge": lambda server, key: server.do("SETRANGE", key, 8_000_000, "x"),
}


@pytest.mark.parametrize("damage", [*DAMAGES, "other"])
def test_a_bad_value_is_a_miss(redis, fleet, damage):
    """What is cut, changed, confused or too large is never served."""
    server = redis()
    (one, two), up = fleet(2, server.directive())
    one.post(CHAT, ask())
    one.post(CHAT, ask("ho"))
    wait_for(lambda: len(values(server)) == 2, 10)
    keys = values(server)
    if damage == "other":
        server.do("RENAME", keys[0], "tmp")
        server.do("RENAME", keys[1], keys[0])
        server.do("RENAME", "tmp", keys[1])
    else:
        for key in keys:
            DAMAGES[damage](server, key)
    n = len(up.requests)
    assert status(two.post(CHAT, ask())) == "miss"
    assert status(two.post(CHAT, ask("ho"))) == "miss"
    assert len(up.requests) == n + 2
    two.allow(r"a cached answer in redis is")
    log = two.error_log()
    assert log.count("a cached answer in redis is") == 1


def test_redis_lost_costs_only_hits(redis, fleet):
    server = redis()
    (one, two), up = fleet(2, server.directive())
    one.post(CHAT, ask())
    stored(server)
    server.kill()
    wait_for(lambda: status(two.post(CHAT, ask("a"))) == "miss", 10)
    start = time.monotonic()
    for n in range(10):
        assert two.post(CHAT, ask(f"b{n}")).status == 200
    assert time.monotonic() - start < 5 * SLOW
    assert status(two.post(CHAT, ask("b1"))) == "hit"
    server.restart()

    def again():
        body = ask(f"c{time.monotonic()}")
        one.post(CHAT, body)
        return status(two.post(CHAT, body)) == "hit"
    wait_for(again, 20)
    for gw in (one, two):
        gw.allow(r"redis")


def test_a_flight_is_shared_across_gateways(redis, fleet):
    """Others wait for whoever asks; and not longer than they may."""
    server = redis()
    gate = threading.Event()
    calls = []

    answer = openai_wire.server(Reply(text="One two three."))

    def script(x):
        calls.append(x)
        gate.wait(30)
        answer(x)
    (one, two), up = fleet(2, server.directive(), script,
                           words="ttl=1m lease=20s")
    got = {}

    def call(name, gw):
        got[name] = gw.post(CHAT, ask())
    threads = [threading.Thread(target=call, args=("one", one))]
    threads[0].start()
    wait_for(lambda: calls, 10)
    for n in range(2):
        threads.append(threading.Thread(target=call, args=(f"two{n}", two)))
        threads[-1].start()
    lease = values(server, "l")
    assert len(lease) == 1
    wait_for(lambda: two.metrics().sum("llm_requests_in_flight") == 2)
    gate.set()
    for thread in threads:
        thread.join(60)
    assert len(calls) == 1
    assert {text_of(r) for r in got.values()} == {"One two three."}
    assert status(got["one"]) == "miss"
    assert all(status(got[f"two{n}"]) in ("shared", "hit") for n in range(2))


def test_a_lease_is_waited_for_so_long(redis, fleet):
    """One whose holder says nothing costs lease=, and is left alone."""
    server = redis()
    (one, two), up = fleet(2, server.directive(), words="ttl=1m lease=100ms")
    one.post(CHAT, ask())
    key = stored(server)
    lease = key.replace("llm:c:", "llm:l:")
    wait_for(lambda: not values(server, "l"), 10)
    server.do("DEL", key)
    server.do("SET", lease, "1", "PX", 20000)
    assert status(two.post(CHAT, ask())) == "miss"
    assert len(up.requests) == 2
    assert server.do("GET", lease) == "1"


def numbered(up_of):
    """Every answer is another one."""
    return lambda x: openai_wire.server(
        Reply(text=f"n{len(up_of().requests)}"))(x)


def test_what_is_over_is_asked_for_again(redis, fleet, clock):
    """With stale_if_error= it still lies in Redis, and is nobody's answer."""
    server = redis()
    (one, two), up = fleet(2, server.directive(), numbered(lambda: up),
                           words="ttl=1m stale_if_error=1h")
    assert text_of(one.post(CHAT, ask())) == "n1"
    stored(server)
    for gw, text in ((two, "n2"), (two, "n3"), (one, "n4")):
        clock.sleep(minutes=1)
        got = gw.post(CHAT, ask())
        assert (status(got), text_of(got)) == ("miss", text)
    # one at a time asks for all of the fleet
    wait_for(lambda: not values(server, "l"), 10)


def test_stale_if_error_of_another_gateway(redis, fleet, clock):
    server = redis()
    down = threading.Event()
    good = openai_wire.server(Reply(text="old"))
    (one, two), up = fleet(2, server.directive(), lambda x: (
        answers.openai_error(500) if down.is_set() else good)(x),
        words="ttl=1m stale_if_error=1h")
    assert status(one.post(CHAT, ask())) == "miss"
    stored(server)
    clock.sleep(minutes=1)
    down.set()
    for stream in (False, True):
        got = two.post(CHAT, ask(stream=stream))
        assert (got.status, status(got)) == (200, "stale")
        assert b"old" in got.body
    assert len(up.requests) > 1
    assert two.post(CHAT, ask("other")).status >= 500


def test_a_lease_on_what_is_over(redis, fleet, clock):
    """Who waits for another gateway gets the new one, not what lies there."""
    server = redis()
    go, calls = threading.Event(), []

    def script(x):
        calls.append(x)
        if len(calls) > 1:
            go.wait(30)
        openai_wire.server(Reply(text=f"n{len(calls)}"))(x)

    (one, two), up = fleet(2, server.directive(), script,
                           words="ttl=1m stale_if_error=1h lease=20s")
    one.post(CHAT, ask())
    stored(server)
    wait_for(lambda: not values(server, "l"), 10)
    clock.sleep(minutes=1)
    first = one.connect().request("POST", CHAT, json=ask())
    wait_for(lambda: len(calls) == 2, 10)
    second = two.connect().request("POST", CHAT, json=ask())
    wait_for(lambda: two.metrics().sum("llm_cache_redis_total",
                                       event="waited") == 1, 10)
    go.set()
    assert [text_of(c.read()) for c in (first, second)] == ["n2"] * 2
    assert len(calls) == 2


def test_stale_while_revalidate_of_another_gateway(redis, fleet, clock):
    server = redis()
    (one, two), up = fleet(2, server.directive(), numbered(lambda: up),
                           words="ttl=1m stale=1h")
    assert text_of(one.post(CHAT, ask())) == "n1"
    stored(server)
    clock.sleep(minutes=1)
    got = two.post(CHAT, ask())
    assert (status(got), text_of(got)) == ("stale", "n1")
    # what two has asked for is there for one, too
    wait_for(lambda: two.metrics().sum("llm_cache_redis_total",
                                       event="stored") == 1, 10)
    for gw in (two, one):
        wait_for(lambda: text_of(gw.post(CHAT, ask())) == "n2", 10)
    assert len(up.requests) == 2


@pytest.mark.parametrize("words, wish", [
    ("share=off", []), ("", [("x-llm-cache", "no-store")])])
def test_nobody_waits_for_what_is_not_shared(redis, fleet, words, wish):
    server = redis()
    go, calls = threading.Event(), []

    def script(x):
        calls.append(x)
        go.wait(30)
        openai_wire.server(Reply(text="Yes."))(x)

    (one, two), up = fleet(2, server.directive(), script,
                           words=f"ttl=1m lease=60s {words}")
    first = one.connect().request("POST", CHAT, headers=wish, json=ask())
    wait_for(lambda: len(calls) == 1, 10)
    second = two.connect().request("POST", CHAT, json=ask())
    wait_for(lambda: len(calls) == 2, 10, "a call of its own")
    go.set()
    assert [text_of(c.read()) for c in (first, second)] == ["Yes."] * 2


def test_gateways_with_other_clocks(redis, gateway, provider, stage, tmp_path):
    """How long an answer lasts is a matter of the clock of Redis."""
    server = redis()
    up = provider(Reply(text="Yes."))
    text = (up.upstream("up") + route("target up/m;", "cache ttl=1m;")
            + server.directive())
    gws = []
    for minutes in (10, 0, 20):
        stage.clock = Clock(tmp_path / f"clock{minutes}", [])
        stage.clock.advance(minutes=minutes)
        gws.append(gateway(http=text))
        connected(gws[-1])
    for n, gw in enumerate(gws):
        assert status(gw.post(CHAT, ask(f"{n}"))) == "miss"
        stored(server, n + 1)
        for other in gws:
            assert status(other.post(CHAT, ask(f"{n}"))) == "hit"
    assert all(server.do("PTTL", key) <= 60_000 for key in values(server))


def test_large_values_are_compressed(redis, fleet):
    server = redis()
    text = "All work and no play. " * 2000
    (one, two), up = fleet(2, server.directive(), Reply(text=text))
    one.post(CHAT, ask())
    key = stored(server)
    assert server.do("STRLEN", key) < len(text) / 4
    again = two.post(CHAT, ask())
    assert status(again) == "hit"
    assert text_of(again) == text


def test_one_write_with_the_limits(redis, fleet, provider, gateway):
    """What is looked for leaves together with what is reserved."""
    server = redis()
    (gw,), up = fleet(1, server.directive(), words="ttl=1m lease=off")
    gw.post(CHAT, ask())
    seen = server.do("INFO", "commandstats")
    assert "cmdstat_getrange:calls=1" in seen


@pytest.mark.parametrize("kind", ["cluster", "sentinel"])
def test_other_servers(kind, request, fleet):
    server = request.getfixturevalue(kind)()
    (one, two), up = fleet(2, server.directive())

    def hit():
        body = ask(f"{time.monotonic()}")
        one.post(CHAT, body)
        return status(two.post(CHAT, body)) == "hit"
    wait_for(hit, 20)
