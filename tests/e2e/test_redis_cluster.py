"""Redis Cluster: each key has a node, until it has another."""

from __future__ import annotations

import threading
import time

import pytest

from harness.nginx import elapsed
from harness.redis import Cluster
from harness.util import LATE, SLOW, wait_for

#: of nodes that shall be late; on a busy machine others are it, too
TIMEOUT = 0.4
DIRECTIVE = "timeout=400ms"
SECRET = "pw-0123456789abcdef"


def ready(driver, keys=("a", "b", "c", "d", "e", "f")):
    """Waits until keys of all nodes can be asked."""
    for key in keys:
        driver.wait_up(key=key)
    return driver


def incr(driver, key):
    return driver.ask(f"INCR {key}", key=key)[0]


def counts(driver, key):
    """It is there; a count may be one of a try whose reply came too late."""
    return driver.sure(f"INCR {key}", key=key)[0].startswith("integer")


def test_keys_of_all_nodes(cluster, redis_driver):
    group = cluster()
    driver = ready(redis_driver(group.directive()))
    for n in range(100):
        assert driver.ask(f"SET k{n} {n}", f"GET k{n}", key=f"k{n}") == [
            "status OK", f"string {n}"]
    sizes = [s.do("DBSIZE") for s in group.servers]
    assert sum(sizes) == 100 and min(sizes) > 10
    assert not driver.log("MOVED")


def test_hash_tags_keep_keys_together(cluster, redis_driver):
    group = cluster()
    driver = ready(redis_driver(group.directive()))
    for n in range(30):
        replies = driver.ask(f"MSET a{{t{n}}} 1 b{{t{n}}} 2",
                             f"MGET a{{t{n}}} b{{t{n}}}", key=f"x{{t{n}}}")
        assert replies == ["status OK", "array 2 [string 1] [string 2]"]


def test_one_address_is_enough(cluster, redis_driver):
    group = cluster()
    driver = redis_driver(group.directive(only=1))
    ready(driver)
    for n in range(50):
        assert incr(driver, f"k{n}") == "integer 1"
    wait_for(lambda: all(len(s.clients()) for s in group.servers), 10)


def test_first_commands_need_no_map(cluster, redis_driver):
    """At once after the start: they are sent somewhere, and led on."""
    group = cluster()
    driver = redis_driver(group.directive(), workers=1,
                          wait=False)
    assert [incr(driver, f"k{n}") for n in range(20)] == ["integer 1"] * 20


def test_addresses_that_are_dead(cluster, redis_driver):
    group = cluster()
    line = group.directive(only=1)
    line = line.replace("llm_redis ", "llm_redis 127.0.0.1:1 127.0.0.1:2 ")
    driver = ready(redis_driver(line))
    for n in range(20):
        assert incr(driver, f"k{n}") == "integer 1"


def test_account(cluster, redis_driver):
    group = cluster(password=SECRET)
    driver = ready(redis_driver(group.directive(), debug=True))
    driver.gateway.secret(SECRET)
    for n in range(20):
        assert incr(driver, f"k{n}") == "integer 1"


def test_tls(cluster, redis_driver, authority):
    group = cluster(tls=authority)
    driver = ready(redis_driver(group.directive()))
    for n in range(20):
        assert incr(driver, f"k{n}") == "integer 1"


# -- slots that move ---------------------------------------------------------

def test_moved(cluster, redis_driver):
    group = cluster()
    driver = ready(redis_driver(group.directive()))
    slot = Cluster.slot("k")
    incr(driver, "k")
    for n in range(2, 8):
        new = group.move(slot)
        assert incr(driver, "k") == f"integer {n}"
        assert new.do("GET", "k") == str(n)


def test_ask(cluster, redis_driver):
    """On its way: keys that are still there, and keys that are not."""
    group = cluster()
    driver = ready(redis_driver(group.directive()))
    slot = Cluster.slot("{t}")
    driver.ask("SET old{t} 1", key="{t}")
    to = group.other(group.owner(slot))
    old = group.begin_move(slot, to)
    assert driver.ask("GET old{t}", "INCR new{t}", "INCR new{t}", "GET old{t}",
                      "GET none{t}", key="{t}") == [
        "string 1", "integer 1", "integer 2", "string 1", "nil"]
    for n in range(3, 8):
        assert driver.ask("INCR new{t}", key="{t}") == [f"integer {n}"]
    group.end_move(slot, old, to)
    assert driver.ask("INCR new{t}", "GET old{t}", key="{t}") == [
        "integer 8", "string 1"]
    assert to.do("GET", "new{t}") == "8"


def test_moved_under_load(cluster, redis_driver):
    """Nothing is lost or counted twice while slots go round."""
    group = cluster()
    driver = ready(redis_driver(group.directive(), workers=2))
    keys = [f"k{n}" for n in range(12)]
    stop, counts, wrong = threading.Event(), {}, []

    def run(mine):
        n = 0
        while not stop.is_set():
            key = mine[n % len(mine)]
            n += 1
            reply = incr(driver, key)
            counts[key] = counts.get(key, 0) + 1
            if reply != f"integer {counts[key]}":
                wrong.append((key, reply, counts[key]))
                counts[key] = int(reply.split()[1]) \
                    if reply.startswith("integer") else counts[key]
    threads = [threading.Thread(target=run, args=[keys[i::4]])
               for i in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        for key in keys:
            group.move(Cluster.slot(key))
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[:5]
    assert sum(counts.values()) > len(keys)
    for key in keys:
        assert group.owner(Cluster.slot(key)).do("GET", key) \
            == str(counts[key])


def test_cancelled_commands_follow_too(cluster, redis_driver):
    group = cluster()
    driver = ready(redis_driver(group.directive()))
    slot = Cluster.slot("k")
    for n in range(1, 5):
        new = group.move(slot)
        driver.forget("INCR k", key="k")
        wait_for(lambda: new.do("GET", "k") == str(n), 10, f"{n}")


# -- nodes that go -----------------------------------------------------------

def test_failover(cluster, redis_driver):
    """A replica takes over; the other nodes are asked all the time."""
    group = cluster(replicas=1, node_timeout=1000)
    driver = ready(redis_driver(group.directive(DIRECTIVE)))
    keys = [f"k{n}" for n in range(30)]
    for key in keys:
        assert counts(driver, key)
    owners = {key: group.owner(Cluster.slot(key)) for key in keys}
    dead = owners[keys[0]]
    dead.do("WAIT", 1, 1000)
    time.sleep(0.3)
    dead.kill()
    start = time.monotonic()
    while True:
        for key in keys:
            taken, reply = elapsed(lambda: incr(driver, key))
            assert taken < TIMEOUT + LATE, (key, taken)
        if incr(driver, keys[0]).startswith("integer"):
            break
        assert time.monotonic() - start < 40 * SLOW, "no fail-over"
        time.sleep(0.05)
    for key in keys:
        assert counts(driver, key)


def test_master_without_a_replica_dies(cluster, redis_driver):
    group = cluster()
    for server in group.servers:
        server.do("CONFIG", "SET", "cluster-require-full-coverage", "no")
    driver = ready(redis_driver(group.directive(DIRECTIVE)))
    keys = [f"k{n}" for n in range(30)]
    dead = group.servers[0]
    mine = [k for k in keys if group.owner(Cluster.slot(k)) is dead]
    others = [k for k in keys if k not in mine]
    assert mine and others
    dead.kill()
    for _ in range(3):
        for key in others:
            assert counts(driver, key)
        for key in mine:
            taken, reply = elapsed(lambda: incr(driver, key))
            assert reply in ("refused", "none 0", "none 1"), reply
            assert taken < TIMEOUT + LATE


def test_cluster_is_down(cluster, redis_driver):
    """CLUSTERDOWN: not carried out, and over when it is over."""
    group = cluster(node_timeout=1000)
    driver = ready(redis_driver(group.directive(DIRECTIVE)))
    lost = group.servers[2]
    with lost.frozen():
        wait_for(lambda: all("cluster_state:fail" in s.do("CLUSTER", "INFO")
                             for s in group.servers[:2]), 15, "the failure")
        for n in range(20):
            taken, reply = elapsed(lambda: incr(driver, f"k{n}"))
            assert reply in ("refused", "none 0", "none 1"), reply
            assert taken < TIMEOUT + LATE
    wait_for(group._ready, 20, "the recovery")
    for server in group.servers:
        group.calm(server)
    ready(driver)
    assert all(counts(driver, f"k{n}") for n in range(20))


def test_all_nodes_are_restarted(cluster, redis_driver):
    group = cluster()
    driver = ready(redis_driver(group.directive(DIRECTIVE)))
    for server in group.servers:
        server.kill()
    for n in range(5):
        taken, reply = elapsed(lambda: incr(driver, f"k{n}"))
        assert reply in ("refused", "none 0", "none 1")
        assert taken < TIMEOUT + LATE
    for server in group.servers:
        server.process = None
        server.start(keep=True)
    wait_for(group._ready, 20, "the Cluster")
    for server in group.servers:
        group.calm(server)
    assert all(counts(driver, f"k{n}") for n in range(20))


def test_node_that_joins_and_leaves(cluster, redis, redis_driver):
    group = cluster()
    driver = ready(redis_driver(group.directive()))
    first = group.servers[0]
    new = redis(cluster=True)
    group.servers.append(new)
    new.do("CLUSTER", "MEET", "127.0.0.1", first.port, first._held[1].port)
    wait_for(group._ready, 20, "four nodes")
    group.calm(new)
    slot = Cluster.slot("k")
    incr(driver, "k")
    group.end_move(slot, group.begin_move(slot, new), new)
    assert incr(driver, "k") == "integer 2"
    assert new.do("GET", "k") == "2"
    group.end_move(slot, group.begin_move(slot, first), first)
    assert incr(driver, "k") == "integer 3"

    # what is left is a replica's, and MIGRATE's

    wait_for(lambda: all("cmd=restore" in c or "flags=M" in c
                         for c in new.clients()), 10,
             "no connection to a node without slots")


# -- maps and redirections that are wrong ------------------------------------

def test_not_a_cluster(redis, redis_driver):
    driver = redis_driver(redis().directive("cluster", DIRECTIVE), wait=False)
    wait_for(lambda: driver.log(
        "CLUSTER SLOTS: ERR This instance has cluster support disabled"), 10)
    time.sleep(1)
    assert len(driver.log("cluster support disabled")) == 1


@pytest.mark.parametrize("said", [
    b"+OK\r\n", b":1\r\n", b"$-1\r\n", b"*0\r\n", b"*1\r\n*0\r\n",
    b"*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$9\r\n127.0.0.1\r\n:1\r\n",
    b"*1\r\n*3\r\n:5\r\n:1\r\n*2\r\n$9\r\n127.0.0.1\r\n:1\r\n",
    b"*1\r\n*3\r\n:-1\r\n:1\r\n*2\r\n$9\r\n127.0.0.1\r\n:1\r\n",
    b"*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$9\r\n127.0.0.1\r\n:70000\r\n",
    b"*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n:1\r\n$1\r\nx\r\n",
    b"*1\r\n*3\r\n$1\r\n0\r\n:1\r\n*2\r\n$1\r\nx\r\n:1\r\n",
    b"*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$300\r\n" + b"x" * 300 + b"\r\n:1\r\n"])
def test_maps_that_are_nonsense(faulty, redis_driver, said):
    server = faulty(lambda words, resp: said if words[0] == "CLUSTER"
                    else b"+fine\r\n")
    driver = redis_driver(server.directive("cluster", DIRECTIVE), wait=False)
    end = time.monotonic() + 0.7
    while time.monotonic() < end:
        taken, reply = elapsed(lambda: driver.ask("GET k", key="k"))
        assert taken < TIMEOUT + LATE

    def maps():
        return sum(words[0] == "CLUSTER" for words in server.commands)
    assert maps() < 10
    wait_for(maps, 10, "a question")


@pytest.mark.parametrize("where", [b"", b"?", b"$-1"])
def test_map_without_a_host(faulty, redis_driver, where):
    """The node does not know what it is called: it is where it is asked."""
    def answer(words, resp):
        if words[0] != "CLUSTER":
            return b"+fine\r\n"
        host = b"$-1\r\n" if where == b"$-1" else \
            b"$%d\r\n%s\r\n" % (len(where), where)
        return (b"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n" + host
                + b":%d\r\n" % server.port)
    server = faulty(answer)
    driver = redis_driver(server.directive("cluster"))
    driver.wait_up(key="k")
    time.sleep(0.3)
    assert driver.ask("GET k", key="k") == ["status fine"]
    assert server.connections == 1


@pytest.mark.parametrize("error", [
    "MOVED", "MOVED ", "MOVED x", "MOVED 1", "MOVED 1 ", "MOVED 1 x",
    "MOVED 1 x:", "MOVED 1 :0", "MOVED 99999 127.0.0.1:1", "MOVED -1 a:1",
    "MOVED 1 127.0.0.1:99999", "MOVED 1 " + "x" * 400 + ":1", "ASK 1",
    "ASK 1 127.0.0.1:1 ", "CLUSTERDOWN The cluster is down"])
def test_redirections_that_are_nonsense(faulty, redis_driver, error):
    server = faulty(lambda words, resp: f"-{error}\r\n".encode())
    driver = redis_driver(server.directive("cluster"), wait=False)
    for n in range(10):
        taken, replies = elapsed(lambda: driver.ask("GET k", key="k"))
        assert replies[0] in ("none 0", "refused", f"error {error}"), replies
        assert taken < LATE
        time.sleep(0.03)


def test_redirections_that_never_end(faulty, redis_driver):
    """Two nodes, each of which says that it is the other."""
    servers = []

    def node(i):
        def answer(words, resp):
            if words[0] == "CLUSTER":
                return (b"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1"
                        b"\r\n:%d\r\n" % servers[0].port)
            if words[0] == "ASKING":
                return b"+OK\r\n"
            return b"-MOVED 12706 127.0.0.1:%d\r\n" % servers[1 - i].port
        return answer
    servers += [faulty(node(0)), faulty(node(1))]
    driver = redis_driver(servers[0].directive("cluster"))
    for _ in range(5):
        taken, replies = elapsed(lambda: driver.ask("GET k", key="k"))
        assert replies[0] in ("none 0", "refused")
        assert taken < LATE
    asked = sum(words[0] == "GET" for s in servers for words in s.commands)
    assert asked <= 5 * 6


def test_many_nodes_come_and_go(faulty, redis_driver):
    """Nodes that have no slots any more make room for others."""
    state = {"n": 0}

    def answer(words, resp):
        if words[0] == "CLUSTER":
            return (b"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n"
                    b":%d\r\n" % server.port)
        state["n"] += 1
        return (b"-ASK 12706 127.0.0.%d:1\r\n" % (state["n"] % 250 + 2))
    server = faulty(answer)
    driver = redis_driver(server.directive("cluster"))
    gw = driver.gateway
    fds = gw.fds()
    for _ in range(4):
        for _ in range(100):
            taken, replies = elapsed(lambda: driver.ask("GET k", key="k"))
            assert replies[0] in ("none 0", "refused"), replies
        time.sleep(0.5)
    wait_for(lambda: gw.fds() <= fds + 2, 10, "descriptors")


def test_reload(cluster, redis_driver):
    group = cluster()
    driver = ready(redis_driver(group.directive(), workers=2))
    for n in range(4):
        driver.gateway.reload()
        ready(driver)
        for key in ("a", "b", "c"):
            assert incr(driver, key) == f"integer {n + 1}"
