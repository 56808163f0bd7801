"""Limits and budgets of a fleet that shares a Redis."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import Reply, openai_wire, route
from harness.util import LATE, SLOW, wait_for

BOOKS = "llm:{llm}:c:per:a:b"
SHARES = "llm:{llm}:c:per:a:r"
HEADERS = [("x-key", "a")]


@pytest.fixture
def fleet(gateway, provider):
    """Gateways with one limit, all before the same provider."""
    def make(n: int, directive: str, words: str, script=None, *,
             kind: str = "llm_quota", **parts):
        up = provider(script or Reply(input=10, output=90))
        text = (up.upstream("up") + route("target up/m;", "limit per;")
                + directive
                + f"{kind} per key=$http_x_key {words};")
        return [gateway(http=text, **parts) for _ in range(n)], up
    return make


def held(server) -> list[str]:
    """What is held, by worker: the shares that hold something."""
    return [share for share in server.do("HVALS", SHARES)
            if any(not part.split(":")[1].startswith("0,")
                   for part in share.split()[4:])]


def used(server, unit: str = "t") -> int:
    """What has been told to the books."""
    fields = server.do("HGETALL", BOOKS)
    return sum(int(value) for name, value in zip(fields[::2], fields[1::2])
               if name.startswith(unit))


# -- one budget ----------------------------------------------------------------

def test_others_see_at_once(redis, fleet):
    server = redis()
    (one, two), _ = fleet(2, server.directive(), "requests=4/h",
                          kind="llm_limit")
    assert [gw.chat(headers=HEADERS).status
            for gw in (one, two, one, two, one, two)] \
        == [200, 200, 200, 200, 429, 429]
    r = two.chat(headers=HEADERS)
    assert r.header("x-ratelimit-remaining-requests") == "0"
    assert 3000 < int(r.header("retry-after")) < 3700


def test_a_slot_is_free_for_others_when_a_request_is_over(redis, fleet):
    server = redis()
    gateways, _ = fleet(2, server.directive(), "concurrent=1",
                        kind="llm_limit")
    for n in range(60):
        # the slot is given up as the answer ends, and Redis may read that
        # after what the other gateway, asked at once, has sent
        wait_for(lambda: gateways[n % 2].chat(headers=HEADERS).status == 200,
                 10, f"slot {n}")


def test_clocks_that_differ(redis, fleet):
    """Windows go by the server's clock."""
    lib = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
    if not os.path.exists(lib):
        pytest.skip("no libfaketime")
    if "asan" in os.environ.get("LLMOPS_NGINX", ""):
        pytest.skip("AddressSanitizer's library has to be the first one")
    server = redis()
    (one,), _ = fleet(1, server.directive(), "requests=3/m", kind="llm_limit")
    (two,), _ = fleet(1, server.directive(), "requests=3/m", kind="llm_limit",
                      env={"LD_PRELOAD": lib, "FAKETIME": "+3h",
                           "DONT_FAKE_MONOTONIC": "1"})
    assert [gw.chat(headers=HEADERS).status for gw in (one, two, one, two, one)
            ] == [200, 200, 200, 429, 429]


# -- what it costs -------------------------------------------------------------

def commands(server) -> int:
    return int(server.do("INFO", "stats").split(
        "total_commands_processed:")[1].split()[0])


def reads(server) -> int:
    return int(server.do("INFO", "stats").split(
        "total_reads_processed:")[1].split()[0])


def test_commands_and_writes_of_a_request(redis, fleet):
    """Three commands for a counter, in one write before the provider is
    asked and one after."""
    server = redis()
    (gw,), _ = fleet(1, server.directive(),
                     "requests=100k/h tokens=100m/h concurrent=100",
                     kind="llm_limit")
    gw.chat(headers=HEADERS)
    time.sleep(0.3)
    start = time.monotonic()
    before = commands(server), reads(server)
    for _ in range(100):
        assert gw.chat(headers=HEADERS).status == 200
    after = commands(server), reads(server)
    # 300 and 200, and what goes by the clock
    clock = 50 + 30 * (time.monotonic() - start)
    assert after[0] - before[0] <= 300 + clock
    assert after[1] - before[1] <= 200 + clock


# -- a server that is away -----------------------------------------------------

def timed(gw, n: int = 20) -> tuple[list[float], set[int]]:
    """How long they take, the fastest first, and how they end."""
    times, statuses = [], set()
    for _ in range(n):
        start = time.monotonic()
        statuses.add(gw.chat(headers=HEADERS).status)
        times.append(time.monotonic() - start)
    return sorted(times), statuses


@pytest.mark.parametrize("how", ["frozen", "killed"])
@pytest.mark.parametrize("policy, status", [("open", 200), ("closed", 503),
                                            ("local", 200)])
def test_a_server_that_is_away(redis, fleet, policy, status, how):
    server = redis()
    (gw,), up = fleet(1, server.directive("timeout=300ms"),
                      f"tokens=100000/day fail={policy}")
    wait_for(lambda: gw.chat(headers=HEADERS).status == 200, 10)
    wait_for(lambda: used(server) == 100 * len(up.requests), 10)
    known = len(up.requests)

    server.freeze() if how == "frozen" else server.kill()
    times, statuses = timed(gw)
    assert statuses == {status}
    assert times[-1] < 0.3 + LATE
    times, statuses = timed(gw)              # by now it is known
    assert statuses == {status}
    assert times[len(times) // 2] < 0.2 * SLOW

    if how == "frozen":
        server.thaw()
    else:
        server.start()

    wait_for(lambda: server.do("HVALS", SHARES) != []
             if gw.chat(headers=HEADERS).status == 200 else False, 10)

    # what was let in meanwhile is told
    done = len(up.requests)
    lost = known if how == "killed" else 0   # the server's own memory
    wait_for(lambda: used(server) >= 100 * (done - lost), 10,
             "what was used meanwhile to be told")
    # what had been sent when the connection ended may be told again
    assert used(server) <= 100 * (len(up.requests) + 5)


def test_a_server_that_restarts_empty_knows_what_is_held(redis, fleet):
    go = threading.Event()

    def script(x):
        go.wait(30)
        openai_wire.server(Reply(input=10, output=90))(x)

    server = redis()
    gateways, up = fleet(2, server.directive(), "tokens=1000/day", script)
    with ThreadPoolExecutor(10) as pool:
        calls = [pool.submit(gateways[n % 2].chat, headers=HEADERS,
                             max_tokens=90) for n in range(10)]
        wait_for(lambda: len(up.requests) == 10, 10)
        assert gateways[0].chat(headers=HEADERS).status == 429
        server.restart()
        wait_for(lambda: len(held(server)) == 2, 10,
                 "both to say what they hold")
        assert gateways[1].chat(headers=HEADERS, max_tokens=90).status == 429
        go.set()
        assert [call.result().status for call in calls] == [200] * 10
    wait_for(lambda: used(server) == 1000, 10)
    assert gateways[0].chat(headers=HEADERS, max_tokens=1).status == 429


def test_a_server_that_takes_nothing(redis, fleet):
    server = redis()
    (gw,), up = fleet(1, server.directive(), "tokens=100000/day fail=closed")
    assert gw.chat(headers=HEADERS).status == 200
    wait_for(lambda: used(server) == 100, 10)
    server.do("CONFIG", "SET", "maxmemory", "1")
    wait_for(lambda: gw.chat(headers=HEADERS).status == 503, 10)
    gw.allow(r"redis does not take what has been used")
    server.do("CONFIG", "SET", "maxmemory", "0")
    wait_for(lambda: gw.chat(headers=HEADERS).status == 200, 10)
    wait_for(lambda: used(server) == 100 * len(up.requests), 10)


# -- workers come and go -------------------------------------------------------

def test_a_killed_worker_s_tokens_come_back_with_its_lease(redis, fleet):
    go = threading.Event()

    def script(x):
        go.wait(60)
        openai_wire.server(Reply(input=10, output=90))(x)

    server = redis()
    (one, two), up = fleet(2, server.directive(), "tokens=1000/day", script)
    with ThreadPoolExecutor(20) as pool:
        calls = [pool.submit(one.chat, headers=HEADERS, max_tokens=90)
                 for _ in range(10)]
        wait_for(lambda: len(up.requests) == 10, 10)
        assert two.chat(headers=HEADERS, max_tokens=90).status == 429
        one.kill_worker(one.workers()[0])
        for call in calls:
            call.exception() or call.result()
        go.set()
        wait_for(lambda: two.chat(headers=HEADERS, max_tokens=90).status
                 == 200, 20, "the tokens to come back")
    one.allow(r"exited on signal")


@pytest.mark.parametrize("kind", ["redis", "sentinel", "cluster"])
def test_a_reload_under_traffic_refuses_nothing(request, fleet, kind):
    """Requests that come before there is a connection wait for it."""
    server = request.getfixturevalue(kind)()
    (gw,), up = fleet(1, server.directive("timeout=5s"),
                      "tokens=100m/day fail=closed", workers=2)
    stop = threading.Event()
    statuses: list[int] = []

    def caller() -> None:
        while not stop.is_set():
            statuses.append(gw.chat(headers=HEADERS).status)

    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(caller) for _ in range(8)]
        for _ in range(4):
            time.sleep(0.5)
            gw.reload()
        stop.set()
        [job.result() for job in jobs]
    assert set(statuses) == {200}
    assert len(statuses) > 8
    books = {"redis": lambda: server, "sentinel": lambda: server.master(),
             "cluster": lambda: server.owner(server.slot(BOOKS))}[kind]()
    wait_for(lambda: used(books) == 100 * len(statuses), 10)
    wait_for(lambda: held(books) == [], 10)


def test_a_reload_while_it_is_away_loses_nothing(redis, fleet):
    """Books of workers that have ended are told by those that follow."""
    server = redis()
    (gw,), up = fleet(1, server.directive("timeout=50ms"),
                      "tokens=100m/day fail=open", workers=2)
    assert gw.chat(headers=HEADERS).status == 200
    wait_for(lambda: used(server) == 100, 10)
    with server.frozen():
        for _ in range(10):
            assert gw.chat(headers=HEADERS).status == 200
        gw.reload()
        for _ in range(5):
            assert gw.chat(headers=HEADERS).status == 200
        wait_for(lambda: not gw.workers(leaving=True), 10)
    wait_for(lambda: used(server) >= 1600, 10)
    time.sleep(0.5)
    assert used(server) == 1600
    assert "took over" in gw.error_log()


def test_an_end_at_once_gives_back(redis, fleet):
    """SIGTERM: what is held is given back with the last words."""
    go = threading.Event()

    def script(x):
        go.wait(60)
        openai_wire.server(Reply(input=10, output=90))(x)

    server = redis()
    (one, two), up = fleet(2, server.directive(), "tokens=1000/day", script)
    with ThreadPoolExecutor(20) as pool:
        calls = [pool.submit(one.chat, headers=HEADERS, max_tokens=90)
                 for _ in range(10)]
        wait_for(lambda: len(up.requests) == 10, 10)
        assert held(server)
        one.kill_worker(one.workers()[0], signal.SIGTERM)
        wait_for(lambda: held(server) == [], 5, "the tokens to come back")
        go.set()
        for call in calls:
            call.exception() or call.result()
    assert two.chat(headers=HEADERS, max_tokens=90).status == 200


# -- Sentinel, Cluster ---------------------------------------------------------

def busy(gateways, change) -> list[int]:
    """Statuses of calls while something happens, until all are answered."""
    stop = threading.Event()
    statuses: list[int] = []

    def caller(n: int) -> None:
        while not stop.is_set():
            statuses.append(gateways[n % len(gateways)].chat(
                headers=HEADERS).status)

    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(caller, n) for n in range(4)]
        try:
            time.sleep(0.5)
            change()
            for gw in gateways:
                wait_for(lambda: gw.chat(headers=HEADERS).status == 200, 40,
                         "an answer")
            time.sleep(0.5)
        finally:
            stop.set()
        [job.result() for job in jobs]
    return statuses


def test_a_cluster_that_moves_its_slot(cluster, fleet):
    cl = cluster()
    gateways, _ = fleet(2, cl.directive(), "tokens=100m/day fail=closed")
    slot = cl.slot(BOOKS)
    wait_for(lambda: gateways[0].chat(headers=HEADERS).status == 200
             and gateways[1].chat(headers=HEADERS).status == 200, 10)
    statuses = busy(gateways, lambda: cl.move(slot))
    assert set(statuses) == {200}
    owner = cl.owner(slot)

    def answered() -> int:
        return 100 * sum(line["status"] == "200" for gw in gateways
                         for line in gw.ledger(1))

    wait_for(lambda: used(owner) == answered() > 100 * len(statuses), 10,
             "the books to be right")


def test_a_fail_over(sentinel, fleet):
    """Calls are refused meanwhile, and no longer when there is a master."""
    st = sentinel(down_after=500)
    gateways, _ = fleet(2, st.directive("timeout=200ms"),
                        "tokens=100m/day fail=closed")
    wait_for(lambda: gateways[0].chat(headers=HEADERS).status == 200
             and gateways[1].chat(headers=HEADERS).status == 200, 10)

    def change():
        old = st.master()
        old.kill()
        wait_for(lambda: st.master() is not old, 40, "another master")
    statuses = busy(gateways, change)
    assert {200} <= set(statuses) <= {200, 503}
    for gw in gateways:
        gw.allow(r"redis")


# -- a server that answers, and nothing of use ---------------------------------

@pytest.mark.parametrize("error", [
    "READONLY You can't write against a read only replica.",
    "NOSCRIPT No matching script. Please use EVAL.",
    "MOVED 3999 127.0.0.1:1", "OOM command not allowed",
    "NOPERM this user has no permissions"])
def test_errors_are_what_policies_are_for(faulty, gateway, provider, error):
    server = faulty(b"-%s\r\n" % error.encode())
    up = provider(Reply(input=10, output=90))
    policies = {"open": 200, "closed": 503, "local": 200}
    gw = gateway(http=server.directive() + up.upstream("up")
                 + "".join(f"llm_quota {name} key=all tokens=1m/day "
                           f"fail={name};" + route(
                               "target up;", f"limit {name};", name=name,
                               match=name) for name in policies))
    gw.allow("redis")
    for _ in range(3):
        for name, status in policies.items():
            start = time.monotonic()
            r = gw.chat(model=name)
            assert r.status == status, name
            assert time.monotonic() - start < LATE, name
    assert server.failures == []


def test_a_worker_that_is_refused_ends(faulty, fleet):
    """It has something to say, which nobody takes; it does not wait for the
    deadline of what has been answered."""
    server = faulty(b"-OOM command not allowed\r\n")
    (gw,), _ = fleet(1, server.directive("timeout=10s"), "tokens=1m/day")
    gw.allow("redis")
    end = time.monotonic() + 1.2        # the deadline of the greeting
    while time.monotonic() < end:
        assert gw.chat(headers=HEADERS).status == 200
        time.sleep(0.1)
    gw.stop(timeout=6 * SLOW)


def test_a_master_that_becomes_a_replica(redis, fleet):
    """READONLY, in the middle; and back again."""
    server, other = redis(), redis()
    (gw,), up = fleet(1, server.directive(), "tokens=1m/day fail=closed")
    gw.allow("redis")
    assert gw.chat(headers=HEADERS).status == 200
    wait_for(lambda: used(server) == 100, 10)
    server.do("REPLICAOF", "127.0.0.1", other.port)
    wait_for(lambda: gw.chat(headers=HEADERS).status == 503, 10)
    server.do("REPLICAOF", "NO", "ONE")
    wait_for(lambda: gw.chat(headers=HEADERS).status == 200, 10)
