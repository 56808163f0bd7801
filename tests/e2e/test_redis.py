"""The Redis transport: how it gets there, and that each gets his reply."""

from __future__ import annotations

import re
import socket
import threading
import time

import pytest

from harness.nginx import ROOT, elapsed
from harness.redis import encode
from harness.util import SLOW, unread, wait_for

SECRET = "pw-0123456789abcdef"
PATIENT = "timeout=5s"          # of servers that are well


def test_commands(redis, redis_driver):
    server = redis()
    driver = redis_driver(server.directive())
    assert driver.ask("SET a 1", "INCR a", "GET a", "GET b", "LPUSH l x y",
                      "LRANGE l 0 -1", "HGETALL none", "PING") == [
        "status OK", "integer 2", "string 2", "nil", "integer 2",
        "array 2 [string y] [string x]", "array 0", "status PONG"]
    assert driver.ask("FOO")[0].startswith("error ERR unknown command")
    assert driver.ask("LPUSH a x")[0].startswith("error WRONGTYPE")
    assert driver.ask("GET a") == ["string 2"]


def test_bytes(redis, redis_driver):
    driver = redis_driver(redis().directive())
    assert driver.ask("SET k a%00b%0D%0Ac%20%FF", "STRLEN k", "APPEND k %0A",
                      "SET empty ", "GET empty") == [
        "status OK", "integer 8", "integer 9", "status OK", "string "]


def test_large(redis, redis_driver):
    """Larger than any buffer: 4 MB there, and 4 MB back, 20 times."""
    driver = redis_driver(redis().directive("timeout=5s"))
    size = 4 << 20
    assert driver.ask(f"SET k {'x' * size}", "STRLEN k") == [
        "status OK", f"integer {size}"]
    replies = driver.ask(*["GET k"] * 5, "PING")
    assert replies.pop() == "status PONG"
    assert all(r == "string " + "x" * size for r in replies)
    gw = driver.gateway
    before = gw.rss()
    for _ in range(5):
        driver.ask(*["GET k"] * 4)
    assert gw.rss() < before + (64 << 20)


def test_one_write_for_all_of_a_turn(redis, redis_driver):
    server = redis()
    driver = redis_driver(server.directive())
    driver.ask("PING")

    def reads() -> int:
        return int(re.search(r"total_reads_processed:(\d+)",
                             server.do("INFO", "stats"))[1])
    idle = reads()
    idle = reads() - idle                     # what asking itself costs
    before = reads()
    assert driver.ask(*[f"INCR n" for _ in range(100)])[-1] == "integer 100"
    # one; and what goes by the clock
    assert reads() - before - idle < 10


def test_one_connection_for_each_worker(redis, redis_driver):
    server = redis()
    driver = redis_driver(server.directive(), workers=4)
    wait_for(lambda: len(server.clients()) == 4, 5, "four connections")
    for _ in range(40):
        assert driver.ask("PING") == ["status PONG"]
    assert len(server.clients()) == 4


def test_unix_socket(redis, redis_driver):
    server = redis(unix=True)
    assert " unix:/" in server.directive()
    driver = redis_driver(server.directive())
    assert driver.ask("SET k v", "GET k") == ["status OK", "string v"]
    server.restart()
    driver.wait_up()
    assert driver.ask("GET k") == ["nil"]


def test_ipv6(redis, redis_driver):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6")
    server = redis(lines=["bind 127.0.0.1 ::1"])
    driver = redis_driver(f"llm_redis [::1]:{server.port} {PATIENT};")
    assert driver.ask("PING") == ["status PONG"]


def test_database(redis, redis_driver):
    server = redis()
    driver = redis_driver(server.directive("db=3"))
    assert driver.ask("SET k v") == ["status OK"]
    assert "db3:keys=1" in server.do("INFO", "keyspace")


def test_database_that_is_not_there(redis, redis_driver):
    server = redis(lines=["databases 2"])
    driver = redis_driver(server.directive("db=7"), wait=False)
    wait_for(lambda: driver.log("SELECT: ERR DB index is out of range"), 10)
    assert driver.ask("PING") == ["refused"]


# -- accounts ----------------------------------------------------------------

def test_password(redis, redis_driver):
    driver = redis_driver(redis(password=SECRET).directive())
    driver.gateway.secret(SECRET)
    assert driver.ask("SET k v") == ["status OK"]


def test_user_without_scripts(redis, redis_driver):
    server = redis(user="gateway", password=SECRET)
    driver = redis_driver(server.directive(), debug=True)
    driver.gateway.secret(SECRET)
    assert driver.ask("SET k v", "GET k") == ["status OK", "string v"]
    assert driver.ask("EVAL x 0")[0].startswith("error NOPERM")
    assert driver.ask("GET k") == ["string v"]


def test_user_with_next_to_no_rights(redis, redis_driver):
    """PING and TIME are not needed to work."""
    server = redis(lines=[f"user narrow on >{SECRET} ~llm* -@all +get +set"])
    driver = redis_driver(server.directive("user=narrow",
                                           f"password={SECRET}"))
    assert driver.ask("SET llm:k v", "GET llm:k") == ["status OK", "string v"]


def test_user_of_the_documentation(redis, redis_driver):
    text = (ROOT / "docs" / "operations.md").read_text()
    words = re.search(r"^ACL SETUSER (.*)$", text, re.M)[1]
    server = redis()
    server.do("ACL", "SETUSER", *words.replace("PASSWORD", SECRET).split())
    driver = redis_driver(server.directive("user=gateway",
                                           f"password={SECRET}"))
    assert driver.ask("HSET llm:h f 1", "HINCRBY llm:h f 2", "HGETALL llm:h",
                      "HDEL llm:h f", "PEXPIREAT llm:h 1", "WATCH llm:h",
                      "MULTI", "HSET llm:h g 1", "EXEC", "HSCAN llm:h 0",
                      "DEL llm:h", "ROLE", "TIME")[:3] == [
        "integer 1", "integer 3", "array 2 [string f] [string 3]"]
    assert not [reply for reply in driver.ask(
        "HDEL llm:h f", "PEXPIREAT llm:h 1", "WATCH llm:h", "MULTI",
        "HSET llm:h g 1", "EXEC", "HSCAN llm:h 0", "DEL llm:h", "ROLE",
        "TIME") if "NOPERM" in reply]
    for bad in ("SET other 1", "FLUSHALL", "EVAL x 0", "CONFIG GET *"):
        assert driver.ask(bad)[0].startswith("error NOPERM"), bad


def test_password_of_the_environment(redis, redis_driver):
    """It comes without an env directive, and is not in the worker's copy."""
    server = redis(password=SECRET)
    driver = redis_driver(f"llm_redis {server.address} password=env:R_PW "
                          f"{PATIENT};", env={"R_PW": SECRET}, wait=False)
    driver.gateway.secret(SECRET)
    driver.wait_up()
    assert driver.ask("PING") == ["status PONG"]


@pytest.mark.parametrize("words, told", [
    (["password=wrong-0123"], "AUTH: WRONGPASS"),
    (["user=nobody", "password=wrong-0123"], "AUTH: WRONGPASS"),
    ([], "PING: NOAUTH"),
])
def test_wrong_password(redis, redis_driver, words, told):
    server = redis(password=SECRET)
    driver = redis_driver(f"llm_redis {server.address} {PATIENT} "
                          f"{' '.join(words)};", wait=False)
    driver.gateway.secret(SECRET, "wrong-0123")
    wait_for(lambda: driver.log(told), 10, told)
    assert driver.ask("PING") == ["refused"]
    time.sleep(1.5)
    # not at each attempt; but anew where one came too late between them
    late = driver.log("cannot be asked: (?!.*(AUTH|PING): )")
    assert len(driver.log(told)) <= 1 + len(late)
    server.do("CONFIG", "SET", "requirepass", "wrong-0123" if words else "")
    if "user=nobody" not in words:
        driver.wait_up()
        assert driver.log("can be asked again")


def test_password_where_none_is_asked_for(redis, redis_driver):
    driver = redis_driver(redis().directive("user=x", "password=wrong-0123"),
                          wait=False)
    wait_for(lambda: driver.log("AUTH: "), 10)


def test_user_is_removed(redis, redis_driver):
    server = redis(lines=[f"user gateway on >{SECRET} ~* &* +@all"])
    driver = redis_driver(server.directive("user=gateway",
                                           f"password={SECRET}"))
    driver.gateway.secret(SECRET)
    assert driver.ask("PING") == ["status PONG"]
    server.do("ACL", "DELUSER", "gateway")
    wait_for(lambda: driver.log("AUTH: WRONGPASS"), 10)
    assert driver.ask("PING") == ["refused"]
    server.do("ACL", "SETUSER", "gateway", "on", f">{SECRET}", "~*", "+@all")
    driver.wait_up()


# -- TLS ---------------------------------------------------------------------

def test_tls(redis, redis_driver, authority):
    server = redis(tls=authority, password=SECRET)
    driver = redis_driver(server.directive())
    driver.gateway.secret(SECRET)
    assert driver.ask("SET k v", "GET k") == ["status OK", "string v"]
    size = 3 << 20
    assert driver.ask(f"SET k {'x' * size}", "STRLEN k") == [
        "status OK", f"integer {size}"]
    server.restart()
    driver.wait_up()
    assert driver.ask("GET k") == ["nil"]


def test_tls_by_name(redis, redis_driver, authority, dns):
    server = redis(tls=authority, names=["redis.example"])
    dns.zone["redis.example"] = ["127.0.0.1"]
    driver = redis_driver(f"llm_redis redis.example:{server.port} ssl "
                          f"ssl_ca={authority.pem} {PATIENT};",
                          http=dns.directive)
    assert driver.ask("PING") == ["status PONG"]


def test_tls_name_of_the_certificate(redis, redis_driver, authority):
    server = redis(tls=authority, names=["redis.example"])
    driver = redis_driver(server.directive("ssl_name=redis.example"))
    assert driver.ask("PING") == ["status PONG"]


@pytest.mark.parametrize("names, words, told", [
    (["redis.example"], [], "certificate is not for that name"),
    (["127.0.0.2"], [], "certificate is not for that name"),
    (["127.0.0.1"], ["ssl_name=redis.example"],
     "certificate is not for that name"),
    (["127.0.0.1"], ["ssl_verify=on ssl"], "certificate in certificate chain"),
])
def test_tls_wrong_certificate(redis, redis_driver, authority, names, words,
                               told):
    server = redis(tls=authority, names=names)
    words = [w for word in words for w in word.split()]
    driver = redis_driver(server.directive(*words), wait=False)
    wait_for(lambda: driver.log(told), 10, told)
    assert driver.ask("PING") == ["refused"]
    time.sleep(1)
    late = driver.log("cannot be asked: (?!.*certificate)")
    assert len(driver.log(told)) <= 1 + len(late)
    # none is served; one may be on its way
    wait_for(lambda: server.clients() == [], 10, "no connection")


def test_tls_without_verification(redis, redis_driver, authority):
    server = redis(tls=authority, names=["redis.example"])
    driver = redis_driver(server.directive("ssl", "ssl_verify=off"))
    assert driver.ask("PING") == ["status PONG"]


def test_tls_own_certificate(redis, redis_driver, authority):
    server = redis(start=False, tls=authority, client_certs=True)
    chain, key = authority.files("gateway.example")

    def listens():
        """It does not speak to who has no certificate."""
        try:
            socket.create_connection(("127.0.0.1", server.port)).close()
        except OSError:
            return False
        return True
    server._answers = listens
    server.start()
    driver = redis_driver(server.directive(f"ssl_cert={chain}",
                                           f"ssl_key={key}"))
    assert driver.ask("PING") == ["status PONG"]
    other = redis_driver(server.directive(), wait=False)
    wait_for(lambda: other.log("cannot be asked"), 10)
    assert other.ask("PING") == ["refused"]


def test_tls_to_a_server_without(redis, redis_driver, authority):
    server = redis()
    driver = redis_driver(server.directive("ssl", f"ssl_ca={authority.pem}"),
                          wait=False)
    wait_for(lambda: driver.log("cannot be asked: .*handshake"), 10)


def test_no_tls_to_a_server_with(redis, redis_driver, authority):
    server = redis(tls=authority)
    driver = redis_driver(f"llm_redis {server.address} {PATIENT};",
                          wait=False)
    wait_for(lambda: driver.log("cannot be asked"), 10)
    assert driver.ask("PING") == ["refused"]


# -- names -------------------------------------------------------------------

def test_name(redis, redis_driver, dns):
    server = redis()
    dns.zone["redis.example"] = ["127.0.0.1"]
    driver = redis_driver(f"llm_redis redis.example:{server.port} {PATIENT};",
                          http=dns.directive)
    assert driver.ask("PING") == ["status PONG"]


def test_one_address_is_dead(redis, redis_driver, dns):
    """Nobody listens at 127.0.0.2: the other one is taken."""
    server = redis()
    dns.zone["redis.example"] = ["127.0.0.2", "127.0.0.1"]
    driver = redis_driver(f"llm_redis redis.example:{server.port} {PATIENT};",
                          http=dns.directive, workers=4)
    for _ in range(20):
        driver.wait_up()
        assert driver.ask("PING") == ["status PONG"]


def test_name_comes_later(redis, redis_driver, dns):
    server = redis()
    driver = redis_driver(f"llm_redis redis.example:{server.port} {PATIENT};",
                          http=dns.directive, wait=False)
    wait_for(lambda: driver.log("cannot be asked: Host not found"), 10)
    assert driver.ask("PING") == ["refused"]
    dns.zone["redis.example"] = ["127.0.0.1"]
    driver.wait_up()
    assert driver.ask("PING") == ["status PONG"]


# -- time --------------------------------------------------------------------

@pytest.mark.parametrize("ahead", [0, 3600, -86400])
def test_clock_is_the_servers(faulty, redis_driver, ahead):
    def answer(words, resp):
        if words[0] == "TIME":
            now = time.time() + ahead
            return encode(int(now), int(now % 1 * 1e6))
        return b"+OK\r\n"
    driver = redis_driver(faulty(answer, greet=False).directive())
    shows(driver, ahead)


def shows(driver, ahead=0):
    """That time, as soon as nobody is late who looks at a clock: it is looked
    at by the server every few seconds, and here."""
    def right():
        now = driver.state().now
        return abs(now - (time.time() + ahead) * 1000) < 40 * SLOW
    for _ in range(5):
        wait_for(right, 15, f"{ahead} s ahead")


def test_clock_without_a_server(redis_driver, redis):
    shows(redis_driver(redis(start=False).directive(), wait=False))


# -- life --------------------------------------------------------------------

def test_reload(redis, redis_driver):
    """The old workers' connections are closed, and no command is lost."""
    server = redis()
    driver = redis_driver(server.directive(), workers=2)
    for n in range(5):
        driver.gateway.reload()
        assert driver.ask("INCR n")[0] == f"integer {n + 1}"
        wait_for(lambda: len(server.clients()) == 2, 10, "two connections")


def test_reload_to_another_server(redis, redis_driver):
    one, two = redis(), redis()
    driver = redis_driver(one.directive())
    driver.ask("SET k one")
    http = driver.gateway.config.http
    driver.gateway.reload(http=http.replace(one.address, two.address))
    assert driver.ask("SET k two", "GET k") == ["status OK", "string two"]
    assert one.do("GET", "k") == "one"
    wait_for(lambda: one.clients() == [], 10, "the old connection's end")


def test_reload_to_nothing(redis, redis_driver):
    server = redis()
    driver = redis_driver(server.directive())
    driver.gateway.reload(http="", server="")
    wait_for(lambda: server.clients() == [], 10, "the connection's end")


def test_quit_waits_for_replies(redis, redis_driver):
    """What was sent before QUIT is answered, by a server that is slow."""
    server = redis()
    driver = redis_driver(server.directive("timeout=10s"))
    gw = driver.gateway
    client = gw.connect()
    stop = threading.Thread(target=gw.stop, args=[20])
    with server.frozen():
        body = b"INCR n"
        client.send(b"POST /redis/ask HTTP/1.1\r\nHost: x\r\n"
                    b"Connection: close\r\nContent-Length: %d\r\n\r\n%s"
                    % (len(body), body))
        wait_for(lambda: unread(server.port), 10, "the command")
        stop.start()
        wait_for(lambda: gw.workers(leaving=True), 10, "QUIT")
    assert client.read().body == b"integer 1\n"
    client.close()
    stop.join()


def test_quit_with_a_frozen_server(redis, redis_driver):
    """Nobody waits for its sign of life, which would take a second."""
    server, times = redis(), []
    while not times or min(times) > 0.5:
        driver = redis_driver(server.directive("timeout=100ms"))
        with server.frozen():
            assert driver.ask("PING")[0] in ("none 1", "refused")
            times.append(elapsed(driver.gateway.stop)[0])
        assert len(times) < 10, times


def test_what_was_said_last_arrives(redis, redis_driver):
    """Commands of the last turn before a worker ends."""
    server = redis()
    driver = redis_driver(server.directive())
    for n in range(10):
        driver.wait_up()
        assert driver.forget("INCR n") == ["cancelled"]
        driver.gateway.reload()
    wait_for(lambda: server.do("GET", "n") == "10", 10, "the last words")


def test_idle_connection_is_closed_by_the_server(redis, redis_driver):
    """As "timeout" of redis.conf does: no error, and back at once."""
    # after two to three seconds; what ends within one has failed
    server = redis(lines=["timeout 2"])
    driver = redis_driver(server.directive())
    generation = driver.state().generation
    wait_for(lambda: driver.state().generation not in (0, generation), 20,
             "another connection")
    assert driver.ask("PING") == ["status PONG"]
    assert not driver.log(r"\[error\]")


def test_generation(redis, redis_driver):
    server = redis()
    driver = redis_driver(server.directive())
    first = driver.state().generation
    driver.ask("PING")
    assert first and driver.state().generation == first
    server.do("CLIENT", "KILL", "TYPE", "normal")
    wait_for(lambda: driver.state().generation not in (0, first), 10)
    ups = driver.state().ups
    assert ups == 2


def test_cancelled_commands_are_carried_out(redis, redis_driver):
    server = redis()
    driver = redis_driver(server.directive())
    for _ in range(20):
        assert driver.forget("INCR n", "INCR n") == ["cancelled"] * 2
        assert driver.ask("GET other", "PING") == ["nil", "status PONG"]
    assert server.do("GET", "n") == "40"


def test_no_descriptor_is_lost(redis, redis_driver):
    server = redis()
    driver = redis_driver(server.directive())
    driver.ask("PING")
    before = driver.gateway.fds()
    for _ in range(20):
        server.do("CLIENT", "KILL", "TYPE", "normal")
        driver.wait_up()
    wait_for(lambda: driver.gateway.fds() <= before, 10, "descriptors")


# -- metrics -----------------------------------------------------------------

def commands(driver):
    page = driver.gateway.metrics()
    return {outcome: page.sum("llm_redis_commands_total", outcome=outcome)
            for outcome in ("ok", "error", "timeout", "lost", "unable",
                            "refused")}


def more(driver, before):
    """What has been added since."""
    return {outcome: n - before[outcome]
            for outcome, n in commands(driver).items()}


def test_metrics(redis, redis_driver):
    """The store asks too, now and then, and gets no errors."""
    server = redis()
    driver = redis_driver(server.directive(PATIENT), metrics=True)
    gw = driver.gateway
    wait_for(lambda: gw.metrics().sum("llm_redis_up") == 1, 10)
    before = commands(driver)
    driver.ask("SET k v", "GET k", "LPUSH k x", "GET k")
    driver.forget("GET k")
    wait_for(lambda: more(driver, before)["ok"] >= 4, 10)
    seen = more(driver, before)
    assert seen["error"] == 1 and seen["timeout"] == seen["lost"] == 0
    gw.reload(http=gw.config.http.replace(PATIENT, "timeout=500ms"))
    driver.wait_up()
    with server.frozen():
        before = commands(driver)
        driver.ask("GET k", "GET k")
        driver.ask("GET k")
        wait_for(lambda: gw.metrics().sum("llm_redis_up") == 0, 10)
        seen = more(driver, before)
        assert seen["timeout"] >= 1 and seen["refused"] >= 1
    gw.reload(http=gw.config.http.replace("timeout=500ms", PATIENT))
    driver.wait_up()
    wait_for(lambda: gw.metrics().sum("llm_redis_up") == 1, 10)
    server.do("REPLICAOF", "127.0.0.1", 1)
    before = commands(driver)
    driver.ask("SET k v")
    assert more(driver, before)["unable"] >= 1
    server.kill()
    wait_for(lambda: gw.metrics().sum("llm_redis_up") == 0, 10)
    page = gw.metrics()
    assert page.sum("llm_redis_round_trip_seconds_count") >= 6
    assert 0 < page.sum("llm_redis_round_trip_seconds_sum") < 60 * SLOW


def test_metrics_of_all_workers_and_over_a_reload(redis, redis_driver):
    server = redis()
    driver = redis_driver(server.directive(), workers=3, metrics=True)
    gw = driver.gateway
    wait_for(lambda: gw.metrics().sum("llm_redis_up") == 1, 10)
    before = commands(driver)
    for _ in range(20):
        wait_for(lambda: driver.ask("LPUSH n x")[0].startswith("integer"), 10)
    driver.ask("INCR n")
    assert more(driver, before)["ok"] >= 20
    assert more(driver, before)["error"] == 1
    for n in range(3):
        gw.reload()
        wait_for(lambda: not gw.workers(leaving=True), 10)
        wait_for(lambda: driver.ask("INCR n")[0].startswith("error"), 10)
    assert more(driver, before)["error"] == 4
    wait_for(lambda: gw.metrics().sum("llm_redis_up") == 1, 10)
    gw.kill_worker(gw.workers()[0])
    wait_for(lambda: gw.metrics().sum("llm_redis_up") == 1
             and len(gw.workers()) == 3, 10)
    assert more(driver, before)["error"] == 4


def test_no_metrics_without_redis(gateway):
    page = gateway(location="return 204;").metrics()
    assert not page.has("llm_redis_up")
