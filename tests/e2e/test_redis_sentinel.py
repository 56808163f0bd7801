"""Redis behind Sentinel: whoever is the master is asked."""

from __future__ import annotations

import threading
import time

import pytest

from harness.nginx import elapsed
from harness.util import LATE, wait_for

#: of servers that shall be late; on a busy machine others are it, too
TIMEOUT = 0.4
DIRECTIVE = "timeout=400ms"
SECRET = "pw-0123456789abcdef"
OTHER = "pw-fedcba9876543210"


def test_commands(sentinel, redis_driver):
    group = sentinel()
    driver = redis_driver(group.directive(), workers=2)
    assert driver.ask("SET k v", "GET k") == ["status OK", "string v"]
    assert group.servers[0].do("GET", "k") == "v"


def test_failover(sentinel, redis_driver):
    """The master dies: the new one is found."""
    group = sentinel(down_after=500)
    driver = redis_driver(group.directive(DIRECTIVE))
    driver.ask("SET k v")
    old = group.master()
    old.do("WAIT", 1, 1000)
    group.failover()
    while group.master() is old:
        taken, replies = elapsed(lambda: driver.ask("SET k w"))
        assert taken < TIMEOUT + LATE
        if replies == ["status OK"]:         # it knew before we do
            break
        assert replies in (["refused"], ["none 0"], ["none 1"])
        time.sleep(0.02)
    wait_for(lambda: group.master() is not old, 20)
    driver.wait_up()
    kept, done = driver.sure("GET k", "SET k w")
    assert kept in ("string v", "string w") and done == "status OK"
    assert group.master().do("GET", "k") == "w"

    # the old one comes back, and is nobody

    old.lines.append(f"replicaof 127.0.0.1 {group.master().port}")
    old.start()
    time.sleep(0.5)
    assert driver.sure("GET k") == ["string w"]


def test_switch_that_is_announced(sentinel, redis_driver):
    """A planned fail-over: commands are refused for a moment at most."""
    group = sentinel()
    driver = redis_driver(group.directive())
    driver.ask("SET k v")
    stop, seen = threading.Event(), []

    def ask():
        while not stop.is_set():
            taken, (reply,) = elapsed(lambda: driver.ask("INCR n"))
            seen.append((time.monotonic(), taken, reply))
    thread = threading.Thread(target=ask)
    thread.start()
    try:
        new = group.switch()
        wait_for(lambda: driver.log(f"the master is 127.0.0.1:{new.port}"), 10)
        now = time.monotonic()
        wait_for(lambda: seen[-1][0] > now + 0.5
                 and seen[-1][2].startswith("integer"), 10, "the new master")
    finally:
        stop.set()
        thread.join()
    assert max(taken for _, taken, _ in seen) < LATE
    assert seen[-1][2].startswith("integer")
    assert new.do("GET", "n") == seen[-1][2].split()[1]


def test_master_is_frozen(sentinel, redis_driver):
    group = sentinel(down_after=500)
    driver = redis_driver(group.directive(DIRECTIVE))
    old = group.master()
    with old.frozen():
        wait_for(lambda: group.master() is not old, 20, "another master")
        driver.wait_up()
        # a new master may be busy for longer than the timeout
        wait_for(lambda: driver.ask("SET k v") == ["status OK"], 10)
    time.sleep(1)
    assert driver.sure("GET k") == ["string v"]


def test_master_is_restarted(sentinel, redis_driver):
    """Too quickly for a fail-over."""
    group = sentinel()
    driver = redis_driver(group.directive())
    driver.ask("SET k v")
    group.servers[0].restart()
    driver.wait_up()
    wait_for(lambda: driver.ask("SET k w") == ["status OK"], 10)


def test_one_sentinel_is_enough(sentinel, redis_driver):
    group = sentinel()
    for server in group.sentinels[:2]:
        server.kill()
    driver = redis_driver(group.directive(), workers=4, wait=False)
    wait_for(lambda: all(driver.ask("PING") == ["status PONG"]
                         for _ in range(20)), 20, "all workers to know")


def test_without_sentinels_the_last_master_will_do(sentinel, redis_driver):
    group = sentinel()
    driver = redis_driver(group.directive())
    driver.ask("SET k v")
    for server in group.sentinels:
        server.kill()
    assert driver.ask("GET k") == ["string v"]
    group.servers[0].do("CLIENT", "KILL", "TYPE", "normal")
    driver.wait_up()
    assert driver.ask("GET k") == ["string v"]
    for server in group.sentinels:
        server.start()


def test_sentinel_is_frozen(sentinel, redis_driver):
    """One that only listens does not matter; one that is asked, for a second
    at most."""
    group = sentinel()
    driver = redis_driver(group.directive())
    group.sentinels[0].freeze()
    group.sentinels[1].freeze()
    try:
        assert driver.ask("PING") == ["status PONG"]
        for _ in range(3):
            group.servers[0].do("CLIENT", "KILL", "TYPE", "normal")
            driver.wait_up()
    finally:
        group.sentinels[0].thaw()
        group.sentinels[1].thaw()


def test_passwords(sentinel, redis_driver):
    group = sentinel(password=SECRET, sentinel_password=OTHER)
    driver = redis_driver(group.directive(), debug=True)
    driver.gateway.secret(SECRET, OTHER)
    assert driver.ask("SET k v", "GET k") == ["status OK", "string v"]


def test_unknown_name(sentinel, redis_driver):
    group = sentinel(name="one")
    http = group.directive(DIRECTIVE).replace("sentinel=one", "sentinel=two")
    driver = redis_driver(http, wait=False)
    wait_for(lambda: driver.log('it knows no address of "two"'), 10)
    assert driver.ask("PING")[0] in ("refused", "none 0")
    time.sleep(2)
    taken, replies = elapsed(lambda: driver.ask("PING"))
    assert replies == ["refused"] and taken < LATE
    assert len(driver.log("knows no address")) <= 6


def test_not_a_sentinel(redis, redis_driver):
    server = redis()
    driver = redis_driver(server.directive("sentinel=x"), wait=False)
    wait_for(lambda: driver.log("SENTINEL: ERR unknown command"), 10)


def test_sentinel_that_is_behind(faulty, redis, redis_driver):
    """It names a replica: what that says of itself decides."""
    master, replica = redis(), redis(start=False)
    replica.lines.append(f"replicaof 127.0.0.1 {master.port}")
    replica.start()
    port = {"now": replica.port}

    def answer(words, resp):
        if words[0] == "SENTINEL":
            text = str(port["now"]).encode()
            return b"*2\r\n$9\r\n127.0.0.1\r\n$%d\r\n%s\r\n" % (len(text),
                                                             text)
        return b"*3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1\r\n"
    server = faulty(answer)
    driver = redis_driver(server.directive("sentinel=x", DIRECTIVE),
                          wait=False)
    wait_for(lambda: driver.log("it is not a master"), 10)
    assert driver.ask("SET k v")[0] in ("refused", "none 0")
    port["now"] = master.port
    driver.wait_up()
    assert driver.sure("SET k v") == ["status OK"]


@pytest.mark.parametrize("said", [
    b"*2\r\n$9\r\n127.0.0.1\r\n$1\r\n0\r\n", b"*2\r\n$0\r\n\r\n$4\r\n6379\r\n",
    b"*1\r\n$1\r\nx\r\n", b"*0\r\n", b"*-1\r\n", b":1\r\n", b"+OK\r\n",
    b"*2\r\n$9\r\n127.0.0.1\r\n$6\r\n637900\r\n", b"*2\r\n:1\r\n:2\r\n",
    b"*2\r\n$300\r\n" + b"x" * 300 + b"\r\n$4\r\n6379\r\n"])
def test_sentinel_talks_nonsense(faulty, redis_driver, said):
    def answer(words, resp):
        return said if words[0] == "SENTINEL" else \
            b"*3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1\r\n"
    driver = redis_driver(faulty(answer).directive("sentinel=x", DIRECTIVE),
                          wait=False)
    wait_for(lambda: driver.log('it knows no address of "x"'), 10)


@pytest.mark.parametrize("text", [
    "", "x", "x 1 2 3", "y 127.0.0.1 1 127.0.0.1 2", "x a b c d",
    "x 127.0.0.1 1 127.0.0.1 99999", "x " * 10000])
def test_messages_that_are_nonsense(faulty, redis, redis_driver, text):
    master = redis()
    port = str(master.port).encode()

    def answer(words, resp):
        if words[0] == "SENTINEL":
            return b"*2\r\n$9\r\n127.0.0.1\r\n$%d\r\n%s\r\n" % (len(port),
                                                             port)
        data = text.encode()
        return (b"*3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1\r\n"
                b"*3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n"
                b"$%d\r\n%s\r\n" % (len(data), data))
    driver = redis_driver(faulty(answer).directive("sentinel=x"))
    for _ in range(5):
        assert driver.ask("PING") == ["status PONG"]
        time.sleep(0.05)


def test_reload(sentinel, redis_driver):
    group = sentinel()
    driver = redis_driver(group.directive(), workers=2)
    for n in range(4):
        driver.gateway.reload()
        driver.wait_up()
        assert driver.ask("INCR n") == [f"integer {n + 1}"]
