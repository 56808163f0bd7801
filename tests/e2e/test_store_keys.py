"""Who calls: keys of the store, made and changed by the admin API.

What the API says of them is in test_admin_keys.py; here they are used.
"""

from __future__ import annotations

import threading
import time

import pytest

from harness import route, wait_for
from harness.keys import KeyFile, key_line, sha256
from harness.openapi import Admin
from harness.redis import available
from harness.util import LATE, SLOW, regions

TWO = route("target up;", name="one", match="gpt-4 gpt-5") + \
    route("target up;", name="two", match="*")


@pytest.fixture(params=["shm", "redis"])
def store(request):
    """Lines of http{} that say where keys are kept."""
    if request.param == "shm":
        return ""
    if available():
        pytest.skip(available())
    return request.getfixturevalue("redis")().directive()


@pytest.fixture
def house(gateway, provider, tmp_path, store):
    """A gateway with its API, which wants keys."""
    def make(*lines, location="", http="", **parts):
        http += store
        up = provider()
        file = KeyFile(tmp_path / "keys.conf", *lines)
        parts.setdefault("workers", 2)
        gw = gateway(http=up.upstream("up") + TWO + file.directive + http,
                     location="llm_auth on; llm_pass;"
                     "add_header X-Who '$llm_client|$llm_key_id' always;"
                     + location,
                     server="location /llm/ { llm_admin write; }", **parts)
        gw.up = up
        return gw, Admin(gw)
    return make


def made_of(admin, members):
    # Redis may not be connected yet to the worker that is asked
    made = wait_for(lambda: (said := admin.post("keys", members)).status
                    != 503 and said, 10, "the store")
    assert made.status == 201, made.body
    return made


def create(admin, **members):
    made = made_of(admin, members)
    secret = made.json.get("secret")
    if secret:
        admin.gateway.secret(secret)
    return made.json["key"]["id"], secret


def ask(gw, key, **more):
    return gw.chat(headers=[("x-api-key", key)], **more)


def everywhere(gw, key, code, **more):
    """The same in all workers, as far as chance has it; Redis takes up to half
    a second to tell those that have not made the change."""
    wait_for(lambda: {ask(gw, key, **more).status for _ in range(8)} == {code},
             10, f"{code} for all")


def test_made_and_used(house):
    gw, admin = house()
    kid, secret = create(admin, client="alice")
    everywhere(gw, secret, 200)
    assert ask(gw, secret).header("x-who") == f"alice|{kid}"
    # the id is no secret, and no key
    for wrong in (kid, f"sk-llm-{kid}", f"sk-llm-{kid}-", secret[:-1],
                  secret + "x", f"sk-llm-{kid}-{'a' * 43}",
                  f"sk-llm-{'0' * 16}-{secret[-43:]}", secret[7:]):
        everywhere(gw, wrong, 401)
    everywhere(gw, secret, 200)


def test_without_a_client(house):
    gw, admin = house()
    kid, secret = create(admin)
    assert ask(gw, secret).header("x-who") == f"{kid}|{kid}"


def test_beside_a_file(house):
    gw, admin = house(key_line("sk-of-file", "client=filed"))
    kid, secret = create(admin, client="alice")
    assert ask(gw, "sk-of-file").header("x-who").startswith("filed|")
    assert ask(gw, secret).header("x-who").startswith("alice|")


def test_an_unknown_key_that_is_made_later(house):
    """That it was unknown is remembered only until something changes."""
    gw, admin = house()
    mine = "sk-my-own-key-0123456789"
    everywhere(gw, mine, 401)
    kid, secret = create(admin, sha256=sha256(mine), client="me")
    assert secret is None and kid == f"h{sha256(mine)[:24]}"
    everywhere(gw, mine, 200)
    # and one in the form of another gateway, with its id
    other = "sk-llm-abcd1234abcd1234-" + "x" * 43
    everywhere(gw, other, 401)
    create(admin, sha256=sha256(other), id="abcd1234abcd1234", client="x")
    everywhere(gw, other, 200)


def test_disabled_enabled_deleted(house):
    gw, admin = house()
    kid, secret = create(admin, client="alice")
    everywhere(gw, secret, 200)
    assert admin.post(f"keys/{kid}/disable").status == 200
    everywhere(gw, secret, 401)
    assert "has been disabled" in ask(gw, secret).json["error"]["message"]
    assert admin.post(f"keys/{kid}/enable").status == 200
    everywhere(gw, secret, 200)
    assert admin.call("DELETE", f"keys/{kid}").status in (200, 204)
    everywhere(gw, secret, 401)
    assert ask(gw, secret).json["error"]["message"] == \
        "the API key is not valid"


def test_changed(house):
    gw, admin = house()
    kid, secret = create(admin, client="alice", models=["gpt-4"])
    everywhere(gw, secret, 200, model="gpt-4")
    everywhere(gw, secret, 404, model="gpt-5")
    assert admin.put(f"keys/{kid}", {"client": "bob", "models": ["gpt-5"]}
                     ).status == 200
    everywhere(gw, secret, 404, model="gpt-4")
    everywhere(gw, secret, 200, model="gpt-5")
    assert ask(gw, secret, model="gpt-5").header("x-who") == f"bob|{kid}"
    assert admin.put(f"keys/{kid}", {"client": "bob", "routes": ["two"]}
                     ).status == 200
    everywhere(gw, secret, 404, model="gpt-5")
    everywhere(gw, secret, 200, model="else")
    assert admin.put(f"keys/{kid}", {"networks": ["10.0.0.0/8"]}).status == 200
    everywhere(gw, secret, 403, model="else")


def test_expires(house, clock):
    gw, admin = house()
    kid, secret = create(admin, expires=int(clock.time()) + 3600)
    everywhere(gw, secret, 200)
    clock.sleep(minutes=50)
    assert ask(gw, secret).status == 200
    clock.sleep(minutes=11)
    everywhere(gw, secret, 401)
    assert "has expired" in ask(gw, secret).json["error"]["message"]


def test_rotated_with_overlap(house, clock):
    """Old and new are good for a while, then the new one alone."""
    gw, admin = house()
    kid, old = create(admin, client="alice")
    everywhere(gw, old, 200)
    made = admin.post(f"keys/{kid}/rotate", {"overlap": 3600})
    assert made.status == 200, made.body
    new = made.json["secret"]
    gw.secret(new)
    assert new != old
    for _ in range(2):
        for key in (old, new):
            everywhere(gw, key, 200)
            assert ask(gw, key).header("x-who") == f"alice|{kid}"
        clock.sleep(minutes=29)
    clock.sleep(minutes=3)
    everywhere(gw, old, 401)
    everywhere(gw, new, 200)


def test_rotated_at_once(house):
    gw, admin = house()
    kid, old = create(admin)
    made = admin.post(f"keys/{kid}/rotate", {"overlap": 0})
    new = made.json["secret"]
    gw.secret(new)
    everywhere(gw, old, 401)
    everywhere(gw, new, 200)


def test_rotation_under_traffic(house):
    """No request of a client that changes to the new key is refused."""
    gw, admin = house()
    kid, key = create(admin)
    current, stop, codes = [key], threading.Event(), []

    def call():
        while not stop.is_set():
            codes.append(ask(gw, current[0]).status)
    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()

    def some_more():
        before = len(codes)
        wait_for(lambda: len(codes) >= before + 12, 20, "calls")
    try:
        for _ in range(3):                  # a key has four secrets at most
            some_more()
            made = admin.post(f"keys/{kid}/rotate", {"overlap": 600})
            assert made.status == 200, made.body
            gw.secret(made.json["secret"])
            current[0] = made.json["secret"]
        some_more()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert set(codes) == {200}


def test_reload(house):
    gw, admin = house()
    kid, secret = create(admin, client="alice")
    gw.reload()
    everywhere(gw, secret, 200)
    admin.post(f"keys/{kid}/disable")
    gw.reload()
    everywhere(gw, secret, 401)


def test_reload_under_traffic(house):
    """New workers know nobody at first; nobody is refused for that."""
    gw, admin = house()
    kid, secret = create(admin, client="alice")
    stop, codes = threading.Event(), []

    def call():
        while not stop.is_set():
            codes.append(ask(gw, secret).status)
    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        gw.reload()
        time.sleep(0.1)
    stop.set()
    for thread in threads:
        thread.join()
    assert len(codes) > 8 and set(codes) == {200}


def test_many(house):
    """More callers than a worker remembers, and more strangers."""
    gw, admin = house(workers=1)
    made = [create(admin, client=f"c{n}") for n in range(100)]
    client = gw.connect()

    def get(key):
        client.request("GET", "/v1/models/gpt-4",
                       headers=[("x-api-key", key)])
        answer = client.read()
        return answer.status, answer.header("x-who")
    for number in range(20000 if SLOW == 1 else 6000):
        if number % 100 == 0:
            n = number // 100 % 100
            kid, secret = made[n]
            assert get(secret) == (200, f"c{n}|{kid}")
        assert get(f"nonsense-{number}")[0] == 401
    if SLOW == 1:               # sanitizers hold back what is freed
        rss = gw.rss()
        for number in range(20000, 40000):
            get(f"nonsense-{number}")
        assert gw.rss() - rss < 1000000


def test_in_no_log_and_no_core(house):
    gw, admin = house(debug=True, workers=1)
    made = made_of(admin, {"client": "alice"}).json   # a debug log has it
    secret, kid = made["secret"], made["key"]["id"]
    for _ in range(3):
        assert ask(gw, secret).status == 200
    new = admin.post(f"keys/{kid}/rotate", {"overlap": 60}).json["secret"]
    assert ask(gw, new).status == 200
    log = gw.error_log()
    assert "[debug]" in log
    for line in log.splitlines():
        for key in (secret, new):
            assert key[-43:] not in line or 'http header: "' in line, line
            assert sha256(key) not in line
    for path in (gw.prefix / "logs").iterdir():
        if path != gw.log:
            assert secret[-43:] not in path.read_text()
    if SLOW == 1:               # sanitizers hold back what is freed
        for key in (secret, new):
            wait_for(lambda: regions(gw.worker(), key[-43:].encode()) == [],
                     10, "the last request to be over")


# -- a store that is elsewhere -------------------------------------------------

@pytest.fixture
def fleet(gateway, provider, redis):
    """Two gateways on one Redis: the first has the API."""
    if available():
        pytest.skip(available())
    server, up = redis(), provider()

    def make(*words, workers=1, location=""):
        http = up.upstream("up") + route("target up;") + \
            server.directive(*words)
        both = [gateway(http=http, workers=workers, location="llm_auth on;"
                        "llm_pass;" + location,
                        server="location /llm/ { llm_admin write; }")
                for _ in range(2)]
        return server, Admin(both[0]), *both
    return make


def test_a_change_reaches_the_others(fleet):
    server, admin, one, two = fleet()
    kid, secret = create(admin, client="alice")
    two.secret(secret)
    for gw in (one, two):
        wait_for(lambda: ask(gw, secret).status == 200, 10, "the key")
    admin.post(f"keys/{kid}/disable")
    # at once here, soon there
    assert ask(one, secret).status == 401
    start = time.monotonic()
    wait_for(lambda: ask(two, secret).status == 401, 10, "its end")
    assert time.monotonic() - start < LATE


def test_a_known_key_asks_nobody(fleet):
    """One question for a key, and no more until something changes."""
    server, admin, one, two = fleet()
    kid, secret = create(admin)
    two.secret(secret)
    wait_for(lambda: ask(two, secret).status == 200, 10, "the key")
    time.sleep(1 * SLOW)                # the revision is known to the second
    assert ask(two, secret).status == 200

    def gets():
        said = server.do("INFO", "commandstats")
        said = said.decode() if isinstance(said, bytes) else said
        return sum(int(line.split("calls=")[1].split(",")[0])
                   for line in said.splitlines()
                   if line.startswith("cmdstat_hget:"))
    before = gets()
    for _ in range(50):
        assert ask(two, secret).status == 200
    # what goes by the clock asks now and then
    assert gets() - before < 25


@pytest.mark.parametrize("fault", ["frozen", "killed"])
def test_redis_is_away(fleet, fault):
    """Who is known goes on; strangers get 503, and soon."""
    server, admin, one, two = fleet("timeout=300ms")
    kid, secret = create(admin, client="alice")
    other, unseen = create(admin, client="bob")
    two.secret(secret, unseen)
    wait_for(lambda: ask(two, secret).status == 200, 10, "the key")
    server.freeze() if fault == "frozen" else server.kill()
    two.allow("redis")
    slowest = 0
    for _ in range(20):
        assert ask(two, secret).status == 200
        start = time.monotonic()
        answer = ask(two, unseen)
        slowest = max(slowest, time.monotonic() - start)
        assert answer.status == 503
        assert answer.json["error"]["code"] == "auth_unavailable"
        assert answer.header("retry-after") == "1"
    assert slowest < 0.3 + LATE
    if fault == "frozen":
        server.thaw()
        wait_for(lambda: ask(two, unseen).status == 200, 10, "Redis again")
        wait_for(lambda: ask(two, secret).status == 200, 10, "Redis")
    else:
        # empty when it is back: nobody is known any more
        server.start()
        wait_for(lambda: ask(two, secret).status == 401, 20, "the end")
        wait_for(lambda: ask(two, unseen).status == 401, 10, "Redis")


def test_who_waits_for_redis_may_leave(fleet):
    server, admin, one, two = fleet("timeout=10s")
    kid, secret = create(admin)
    two.secret(secret)
    clients = [two.connect() for _ in range(30)]
    with server.frozen():
        for n, client in enumerate(clients):
            client.request("POST", "/v1/chat/completions",
                           json={"model": "m", "messages": []},
                           headers=[("x-api-key", f"{secret}{'x' * (n % 3)}")])
        time.sleep(0.2)
        for n, client in enumerate(clients[:20]):
            client.reset() if n % 2 else client.close()
        time.sleep(0.2)
    for n, client in enumerate(clients[20:], 20):
        assert client.read().status == (401 if n % 3 else 200)


def test_the_body_is_not_read_before_redis_answers(fleet):
    server, admin, one, two = fleet("timeout=10s")
    kid, secret = create(admin)
    two.secret(secret)
    client = two.connect()
    with server.frozen():
        client.send((f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
                     f"x-api-key: {secret}x\r\nContent-Length: 60000000\r\n"
                     f"\r\n").encode() + b"x" * 500000)
        time.sleep(0.3)
        assert not list((two.prefix / "temp" / "body").glob("*"))
    client.expect()
    assert client.read_head().status == 401
