"""What may happen to Redis, and what nobody may notice for longer than the
timeout."""

from __future__ import annotations

import itertools
import random
import threading
import time

import pytest

from harness import route
from harness.nginx import elapsed
from harness.openapi import Admin
from harness.util import LATE, SLOW, unread, wait_for

#: of servers that shall be late; on a busy machine others are it, too
TIMEOUT = 0.4
DIRECTIVE = "timeout=400ms"


def quick(call, most=LATE):
    """The call's value; it has taken no time to speak of."""
    taken, value = elapsed(call)
    assert taken < most, f"{taken:.3f} s"
    return value


# -- a server that does not answer -------------------------------------------

def test_frozen(redis, redis_driver):
    server = redis()
    driver = redis_driver(server.directive(DIRECTIVE))
    with server.frozen():
        taken, replies = elapsed(lambda: driver.ask("INCR n", "INCR n"))
        assert replies == ["none 1", "none 1"]
        assert TIMEOUT * 0.9 < taken < TIMEOUT + LATE
        for _ in range(10):
            assert quick(lambda: driver.ask("INCR n")) == ["refused"]
        assert not driver.state().up
    driver.wait_up()
    assert driver.sure("GET n") == ["string 2"]


def test_frozen_for_long(redis, redis_driver):
    """It is connected anew again and again, and nobody waits for that."""
    server = redis()
    driver = redis_driver(server.directive(DIRECTIVE))
    before = driver.gateway.fds()
    with server.frozen():
        assert driver.ask("INCR n") == ["none 1"]
        end = time.monotonic() + 4
        waited = 0
        while time.monotonic() < end:
            replies = quick(lambda: driver.ask("INCR n"), TIMEOUT + LATE)
            assert replies in (["refused"], ["none 0"])
            waited += replies == ["none 0"]
            time.sleep(0.01)
        assert waited <= 1
        assert driver.gateway.fds() <= before + 1
    driver.wait_up()
    assert driver.sure("GET n") in (["nil"], ["string 1"])
    assert len(driver.log("cannot be asked")) <= 3


def test_late_but_not_dead(redis, between, redis_driver):
    """Less than a second later than it may be: the connection is kept."""
    server = redis()
    link = between(server)
    driver = redis_driver(link.directive(DIRECTIVE))
    for n in range(1, 10):
        generation = driver.state().generation
        link.passing.clear()
        start = time.monotonic()
        assert driver.ask("INCR n") == ["none 1"]
        link.passing.set()
        driver.wait_up()
        taken = time.monotonic() - start
        assert driver.sure("GET n") == [f"string {n}"]
        if taken < TIMEOUT + 0.9:
            assert driver.state().generation == generation
            return
    raise AssertionError("a second has passed each time")


def test_patient_commands(redis, between, redis_driver):
    """Their late replies come; a server that is dead is given up as soon as
    with others."""
    server = redis()
    link = between(server)
    driver = redis_driver(link.directive(DIRECTIVE))

    def patient(*commands, sent):
        """What they get, and how long it takes, when they are late."""
        got = []
        thread = threading.Thread(target=lambda: got.append(
            elapsed(lambda: driver.patient(*commands))))
        thread.start()
        wait_for(sent, 10, "the commands")
        assert driver.ask("GET n") == ["none 1"]
        start = time.monotonic()
        link.passing.set()
        thread.join()
        return *got[0], time.monotonic() - start

    for n in range(0, 20, 2):
        link.passing.clear()
        taken, replies, late = patient(
            "INCR n", "INCR n", sent=lambda: server.do("GET", "n")
            == str(n + 2))
        driver.wait_up()
        if late < 0.9:
            break                            # it has not seemed dead meanwhile
    assert replies == [f"integer {n + 1}", f"integer {n + 2}"]
    assert taken > TIMEOUT * 0.9
    with server.frozen():
        taken, replies, _ = patient("INCR n",
                                    sent=lambda: unread(server.port))
    assert replies == ["none 1"]
    assert 1 < taken < 1 + TIMEOUT + 2 * LATE


def test_flapping(redis, redis_driver):
    server = redis()
    driver = redis_driver(server.directive(DIRECTIVE))
    for _ in range(10):
        server.freeze()
        for _ in range(5):
            quick(lambda: driver.ask("PING"), TIMEOUT + LATE)
            time.sleep(0.03)
        server.thaw()
        for _ in range(5):
            quick(lambda: driver.ask("PING"), TIMEOUT + LATE)
            time.sleep(0.03)
    driver.wait_up()
    assert driver.sure("PING") == ["status PONG"]


def test_late_replies_are_nobody_elses(faulty, redis_driver):
    """Each reply names its command, and may come too late."""
    rng = random.Random(7)

    def answer(words, resp):
        time.sleep(rng.choice((0, 0, 0, 0, 0, 0, 0.01, 1.5 * TIMEOUT)))
        return f"+{words[1]}\r\n".encode()
    driver = redis_driver(faulty(answer).directive(DIRECTIVE))
    right, start = 0, time.monotonic()
    for n in itertools.count():
        names = [f"n{n}.{i}" for i in range(3)]
        replies = driver.ask(*[f"ECHO {name}" for name in names])
        for name, reply in zip(names, replies):
            assert reply in (f"status {name}", "none 1", "none 0", "refused")
            right += reply == f"status {name}"
        time.sleep(0.05)
        if n > 60 and right > 20:
            return
        assert time.monotonic() - start < 60 * SLOW, f"{right} of {3 * n}"


def test_always_too_slow(faulty, redis_driver):
    """Only the first ones wait; then it is only asked whether it is quicker."""
    state = {"delay": 0.15}

    def answer(words, resp):
        time.sleep(state["delay"])
        return b"+PONG\r\n"
    server = faulty(answer, greet=False)
    driver = redis_driver(server.directive("timeout=100ms"), wait=False)
    driver.wait_up()
    waited = 0
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        replies = quick(lambda: driver.ask("GET k"), 0.1 + LATE)
        assert replies in (["refused"], ["none 1"])
        waited += replies == ["none 1"]
        time.sleep(0.01)
    # it is no more than one; a busy machine may make it seem dead, too
    dead = server.connections - 1
    assert waited <= 1 + dead
    assert len(driver.log("cannot be asked")) <= dead
    assert dead or not driver.state().up
    ups = driver.state().ups
    state["delay"] = 0
    driver.wait_up()
    assert driver.sure("GET k") == ["status PONG"]
    assert driver.state().ups > ups


def test_never_accepts(redis_driver):
    """The connection stands (the kernel took it), and nothing comes."""
    import socket
    with socket.create_server(("127.0.0.1", 0), backlog=5) as listener:
        port = listener.getsockname()[1]
        driver = redis_driver(f"llm_redis 127.0.0.1:{port} {DIRECTIVE};",
                              wait=False)
        waited = 0
        end = time.monotonic() + 3
        while time.monotonic() < end:
            replies = quick(lambda: driver.ask("PING"), TIMEOUT + LATE)
            assert replies in (["refused"], ["none 0"])
            waited += replies == ["none 0"]
            time.sleep(0.01)
        # those of the first second
        assert waited <= 4
        wait_for(lambda: driver.log("no reply to"), 10)


@pytest.mark.parametrize("words", ["", "sentinel=x"])
def test_what_could_not_be_sent_fails_alone(redis_driver, words):
    """The connection is being made, or the master looked for: others wait for
    that, too, each for as long as it has time."""
    import socket
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listener:
        port = listener.getsockname()[1]
        driver = redis_driver(f"llm_redis 127.0.0.1:{port} timeout=50ms "
                              f"{words};", wait=False)
        for _ in range(9):
            # a connection is given up after a second: no other time counts
            replies = driver.turns("PING", "PING", "PING")
            if replies == ["none 0"] * 3:
                break
            driver.gateway.reload()
        assert replies == ["none 0"] * 3
        wait_for(lambda: driver.ask("PING") == ["refused"], 5)


# -- a server that goes ------------------------------------------------------

def test_killed_and_restarted_empty(redis, redis_driver):
    server = redis()
    driver = redis_driver(server.directive(DIRECTIVE))
    for _ in range(3):
        driver.ask("INCR n")
        server.kill()
        for _ in range(20):
            replies = quick(lambda: driver.ask("INCR n"), TIMEOUT + LATE)
            assert replies in (["refused"], ["none 0"], ["none 1"])
            time.sleep(0.02)
        server.start()
        driver.wait_up()
        assert driver.sure("GET n") == ["nil"]
        time.sleep(1.1)                       # else it only looks so
    assert driver.log(r"connect\(\) .*failed \(111: Connection refused\)")
    assert len(driver.log("cannot be asked")) <= 6
    assert 3 <= len(driver.log("can be asked again")) <= 6


def test_away_for_long(faulty, redis_driver, clock):
    """However long it was away, it is tried again within a second."""
    away = threading.Event()
    away.set()

    def answer(words, resp):
        if away.is_set():
            resp.close()
            return None
        return b"+PONG\r\n"
    server = faulty(answer, greet=False)
    driver = redis_driver(server.directive(), wait=False)
    for n in range(1, 16):
        wait_for(lambda: server.connections >= n, 5, f"attempt {n}")
        clock.advance(1)
    away.clear()
    driver.wait_up()
    assert driver.sure("GET k") == ["status PONG"]


def test_not_there_at_the_start(redis, redis_driver):
    server = redis(start=False)
    driver = redis_driver(server.directive(DIRECTIVE), wait=False)
    assert quick(lambda: driver.ask("PING")) in (["refused"], ["none 0"])
    server.start()
    driver.wait_up()


def test_restart_is_not_noticed(redis, redis_driver):
    """What comes while it is connected anew waits for that."""
    server = redis()
    driver = redis_driver(server.directive())
    time.sleep(1.1)
    for _ in range(3):
        server.do("CLIENT", "KILL", "TYPE", "normal")
        assert driver.ask("INCR n")[0].startswith("integer")
        time.sleep(1.1)
    assert not driver.log(r"\[error\]")


# -- a server that breaks the protocol ---------------------------------------

BROKEN = {
    "half a length": (b"$1", None),
    "half a string": (b"$5\r\nhe", "none 1"),
    "half an array": (b"*2\r\n$1\r\na\r\n", "none 1"),
    "512 MB": (b"$536870912\r\n", "too large"),
    "a number too large": (b"$99999999999999999999\r\n", "invalid number"),
    "2^31 elements": (b"*2147483647\r\n", "too many elements"),
    "2^20 elements in each of 3": (b"*3\r\n" + b"*1048576\r\n", "too many"),
    "nested": (b"*1\r\n" * 10000, "nested too deeply"),
    "endless status": (b"+" + b"x" * 70000, "too large"),
    "HTTP": (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not one of Redis"),
    "RESP3": (b"_\r\n", "not one of Redis"),
    "nothing": (b"\0\0\0\0", "not one of Redis"),
    "wrong length": (b"$2\r\nabc\r\n", "invalid length"),
    "one reply too many": (b"+OK\r\n+OK\r\n+OK\r\n", "reply without a command"),
}


@pytest.mark.parametrize("end", ["close", "reset", "stay"])
@pytest.mark.parametrize("what", BROKEN)
def test_broken(faulty, redis_driver, what, end):
    data, told = BROKEN[what]
    broken = threading.Event()

    def answer(words, resp):
        if broken.is_set():
            return b"+fine\r\n"
        broken.set()
        port = resp.sock.getpeername()[1]
        resp.send(data)
        if end == "reset":
            # what has not been read goes with it
            wait_for(lambda: not unread(port), 3, "the reply to be read")
            resp.reset()
        elif end == "close":
            resp.close()
        else:
            time.sleep(3)
        return None
    server = faulty(answer)
    late = end == "stay" and told in (None, "none 1")
    driver = redis_driver(server.directive(*[DIRECTIVE] * late))
    memory = driver.gateway.rss()
    replies = quick(lambda: driver.ask("GET k"), TIMEOUT + LATE)
    if what == "one reply too many":
        assert replies == ["status OK"]
    else:
        assert replies == ["none 1"]
    driver.wait_up()
    assert driver.sure("GET k") == ["status fine"]
    assert driver.gateway.rss() < memory + (24 << 20)
    if told and end == "stay" and "none" not in told:
        assert driver.log(told)


def test_reply_that_is_too_large(redis, redis_driver):
    server = redis()
    server.do("SET", "k", "x" * (33 << 20))
    driver = redis_driver(server.directive("timeout=5s"))
    memory = driver.gateway.rss()
    assert driver.ask("GET k", "PING") == ["none 1", "none 1"]
    assert driver.log("a reply is too large")
    driver.wait_up()
    assert driver.ask("STRLEN k") == [f"integer {33 << 20}"]
    assert driver.gateway.rss() < memory + (16 << 20)


def test_reply_byte_by_byte(faulty, redis_driver):
    def answer(words, resp):
        for byte in b"*2\r\n$5\r\nhe\r\no\r\n:12\r\n":
            resp.send(bytes([byte]))
            time.sleep(0.001)
        return None
    driver = redis_driver(faulty(answer).directive())
    assert driver.ask("A", "B") == ["array 2 [string he\r",
                                    "o] [integer 12]"] * 2


def test_connection_that_is_closed_after_each_reply(faulty, redis_driver):
    """It does not spin: connections come ever more slowly."""
    def answer(words, resp):
        resp.send(b"+OK\r\n")
        resp.close()
        return None
    server = faulty(answer)
    driver = redis_driver(server.directive(DIRECTIVE))
    end = time.monotonic() + 3
    while time.monotonic() < end:
        quick(lambda: driver.ask("PING x"), TIMEOUT + LATE)
    assert server.connections < 20


# -- a server that may not or cannot -----------------------------------------

@pytest.mark.parametrize("error", [
    "LOADING Redis is loading the dataset in memory",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set",
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL",
    "NOAUTH Authentication required.",
    "ERR max number of clients reached",
])
def test_error_while_greeting(faulty, redis_driver, error):
    state = {"error": error}

    def answer(words, resp):
        if state["error"]:
            return f"-{state['error']}\r\n".encode()
        return b"+OK\r\n"
    server = faulty(answer, greet=False)
    driver = redis_driver(server.directive(DIRECTIVE), wait=False)
    wait_for(lambda: driver.log(error.split()[0]), 10)
    assert quick(lambda: driver.ask("GET k")) == ["refused"]
    time.sleep(1)
    # not at each attempt; but anew where one came too late between them
    late = driver.log("cannot be asked: no reply")
    assert len(driver.log(error.split()[0])) <= 1 + len(late)
    state["error"] = ""
    driver.wait_up()
    assert driver.sure("GET k") == ["status OK"]


@pytest.mark.parametrize("error", [
    "LOADING Redis is loading the dataset in memory",
    "READONLY You can't write against a read only replica.",
    "MASTERDOWN Link with MASTER is down",
    "BUSY Redis is busy running a script.",
    "NOAUTH Authentication required.",
])
def test_error_that_says_that_it_cannot_be_used(faulty, redis_driver, error):
    """No reply, and not carried out; those that have one have it."""
    def answer(words, resp):
        return f"-{error}\r\n".encode() if words[0] == "SET" else b"+OK\r\n"
    server = faulty(answer)
    driver = redis_driver(server.directive())
    assert driver.ask("GET a", "SET a b", "GET c", "SET d e") == [
        "status OK", "none 0", "status OK", "none 0"]
    wait_for(lambda: driver.log(error.split()[0]), 10)
    driver.wait_up()


@pytest.mark.parametrize("error", [
    "OOM command not allowed when used memory > 'maxmemory'.",
    "MISCONF Redis is configured to save RDB snapshots",
    "NOREPLICAS Not enough good replicas to write.",
    "ERR value is not an integer or out of range", "BUSYGROUP x", "x"])
def test_other_errors_are_replies(faulty, redis_driver, error):
    server = faulty(f"-{error}\r\n".encode())
    driver = redis_driver(server.directive())
    for _ in range(3):
        assert driver.ask("INCR n", "INCR n") == [f"error {error}"] * 2
    assert server.connections == 1


def test_read_only(redis, redis_driver):
    """A master that becomes a replica, and a master again."""
    server = redis(lines=["replica-serve-stale-data yes"])
    driver = redis_driver(server.directive())
    server.do("REPLICAOF", "127.0.0.1", 1)
    assert driver.ask("SET k v") == ["none 0"]
    server.do("REPLICAOF", "NO", "ONE")
    driver.wait_up()
    assert driver.ask("SET k v") == ["status OK"]


def test_busy_with_a_script(redis, redis_driver):
    server = redis(lines=["lua-time-limit 50"])
    driver = redis_driver(server.directive(DIRECTIVE))
    thread = threading.Thread(target=lambda: _endless(server))
    thread.start()
    try:
        wait_for(lambda: quick(lambda: driver.ask("GET k"), TIMEOUT + LATE)
                 and driver.log("BUSY"), 10, "the script", interval=0.05)
        assert quick(lambda: driver.ask("GET k")) == ["refused"]
        assert not driver.state().up
    finally:
        server.do("SCRIPT", "KILL")
        thread.join()
    driver.wait_up()
    assert driver.sure("SET k v") == ["status OK"]


def _endless(server):
    try:
        server.do("EVAL", "while true do end", 0)
    except Exception:
        pass


def test_out_of_memory(redis, redis_driver):
    server = redis(lines=["maxmemory 1mb", "maxmemory-policy noeviction"])
    driver = redis_driver(server.directive())
    assert driver.ask("SET k " + "x" * 2000000)[0].startswith("error OOM")
    assert driver.state().up


# -- callers that go ---------------------------------------------------------

def test_callers_that_leave(redis, redis_driver):
    """Commands outlive the requests that sent them."""
    server = redis()
    driver = redis_driver(server.directive("timeout=300ms"))
    gw = driver.gateway
    body = b"\n".join(b"INCR n" for _ in range(20))
    request = (b"POST /redis/ask HTTP/1.1\r\nHost: x\r\n"
               b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    for round in range(6):
        with server.frozen():
            clients = [gw.connect() for _ in range(30)]
            for client in clients:
                client.send(request)
            time.sleep(random.random() * 0.4)
            for client in clients:
                client.close()
            if round % 2:
                time.sleep(1.5)
        driver.wait_up()
        assert driver.sure("ECHO a", "ECHO b") == ["string a", "string b"]


def test_pending_is_bounded(redis, redis_driver):
    """A frozen server cannot make the gateway grow."""
    server = redis()
    driver = redis_driver(server.directive("timeout=2s"))
    gw = driver.gateway
    value = "x" * 1000000
    memory = gw.rss()
    with server.frozen():
        replies = []

        def ask():
            replies.extend(driver.ask(*[f"SET k {value}"] * 4))
        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert replies.count("refused") >= 20
        assert gw.rss() < memory + (120 << 20)
    driver.wait_up()
    assert driver.sure("STRLEN k")[0].startswith("integer")


# -- all of it, under load ---------------------------------------------------

class Load:
    """Callers that ask without a pause, and what they saw."""

    def __init__(self, driver, callers=8):
        self.driver, self.stop = driver, threading.Event()
        self.taken, self.replies, self.errors = [], [], []
        self.threads = [threading.Thread(target=self._run)
                        for _ in range(callers)]
        for thread in self.threads:
            thread.start()

    def _run(self):
        client, used = self.driver.gateway.connect(), False
        body = b"INCR n\nECHO x\nINCR n"
        try:
            while not self.stop.is_set():
                start = time.monotonic()
                answer = client.request("POST", "/redis/ask", body).read()
                if answer.status == 0 and used:  # a worker that has ended
                    client.close()
                    client, used = self.driver.gateway.connect(), False
                    continue
                used = True
                self.taken.append(time.monotonic() - start)
                self.replies.append(answer.body)
                if answer.status != 200:
                    self.errors.append(answer.status)
        except Exception as error:
            self.errors.append(error)
        client.close()

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        assert not self.errors, self.errors[:5]
        return self


def test_faults_under_load(redis, redis_driver):
    server = redis()
    driver = redis_driver(server.directive(DIRECTIVE), workers=2)
    gw = driver.gateway
    before = sum(gw.fds(pid) for pid in gw.workers())
    load = Load(driver)
    faults = [
        lambda: _freeze(server, 0.3), lambda: _freeze(server, 1.5),
        lambda: server.restart(), lambda: server.pause(300),
        lambda: server.do("CLIENT", "KILL", "TYPE", "normal"),
        lambda: server.do("DEBUG", "SLEEP", "0.3"),
        lambda: gw.reload(),
    ]
    for fault in faults:
        fault()
        time.sleep(0.5)
        driver.wait_up()
    load.end()
    assert len(load.taken) > 30
    late = sorted(load.taken)[-1]
    assert late < TIMEOUT + 2 * LATE, f"{late:.3f} s"
    for body in load.replies:
        lines = body.decode().split("\n")
        assert lines[1] in ("string x", "none 0", "none 1", "refused"), body
        if lines[0].startswith("integer"):
            assert int(lines[0].split()[1]) > 0
    for _ in range(10):
        assert driver.sure("PING") == ["status PONG"]
    wait_for(lambda: not gw.workers(leaving=True), 10)
    wait_for(lambda: sum(gw.fds(pid) for pid in gw.workers()) <= before, 10,
             f"{before} descriptors")


def _freeze(server, seconds):
    with server.frozen():
        time.sleep(seconds)


# -- a transaction that is refused ---------------------------------------------

class Refusing:
    """Takes MULTI, and refuses one command of those behind it."""

    def __init__(self, command: str, error: str):
        self.command, self.error = command, error
        self.open: dict[int, bool] = {}      # connections: all taken so far
        self.transactions = 0

    def __call__(self, words, resp):
        name, here = words[0], id(resp)
        if name == "MULTI":
            self.open[here] = True
            self.transactions += 1
        elif name == "EXEC":
            if not self.open.pop(here, True):
                return b"-EXECABORT Transaction discarded because of " \
                       b"previous errors.\r\n"
        elif here in self.open:
            if name == self.command:
                self.open[here] = False
                return b"-%s\r\n" % self.error.encode()
            return b"+QUEUED\r\n"
        elif name == self.command:
            return b"-%s\r\n" % self.error.encode()
        elif name in ("GET", "HGET"):
            return b"$-1\r\n"
        elif name in ("HGETALL", "HVALS", "HMGET", "EXEC"):
            return b"*0\r\n"
        elif name.startswith("H") or name.endswith("EXPIRE"):
            return b":1\r\n"
        return b"+OK\r\n"


@pytest.mark.parametrize("error", [
    "OOM command not allowed when used memory > 'maxmemory'.",
    "NOPERM User default has no permissions to run the 'hincrby' command"])
def test_a_command_of_a_transaction_is_refused(faulty, gateway, provider,
                                               error):
    """The ledger is tried again twice a second and said once; a change of a
    key is given up at once, with an answer; and nginx ends when it is told."""
    server = faulty(refusing := Refusing("HINCRBY", error))
    up = provider()
    gw = gateway(http=server.directive() + up.upstream("up")
                 + "llm_quota per key=all tokens=1m/day;"
                 + route("target up;", "limit per;"),
                 server="location /llm/ { llm_admin write; }")
    wait_for(lambda: gw.metrics().sum("llm_redis_up") == 1, 10)
    start = time.monotonic()
    assert gw.chat().status == 200
    wait_for(lambda: refusing.transactions >= 3, 10, "three tries")
    assert time.monotonic() - start > 0.9
    # it has not turned round and round
    assert refusing.transactions <= 3 + 2 * (time.monotonic() - start)
    assert gw.error_log().count("refuses the usage ledger") == 1

    before, start = refusing.transactions, time.monotonic()
    made = Admin(gw).post("keys", {"client": "a"})
    assert made.status == 503
    taken = time.monotonic() - start
    assert taken < LATE
    assert refusing.transactions - before <= 8 + 2 * taken
    gw.stop(timeout=10 * SLOW)
    assert gw.problems == []
    assert server.failures == []
