"""The admin API on a store that is slow, gone, or shared."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor, TimeoutError

import pytest

from harness import Reply, wait_for
from harness.openapi import Admin
from harness.util import LATE

from conftest import connected


@pytest.fixture
def engine() -> str:
    """The store is what each test makes of it."""
    return ""



@pytest.fixture
def on_redis(redis, administer):
    """A gateway, and the server that it keeps its documents on."""
    def make(*words, **parts):
        server = redis()
        return administer(http=server.directive(*words), **parts), server
    return make


def records(admin):
    return [(r["action"], r["status"])
            for r in list(admin.pages("audit", "records"))[::-1]]


def test_status(on_redis):
    admin, server = on_redis()
    said = admin.get("status").json["store"]
    assert said["engine"] == "redis" and said["redis"] == {"up": True}
    server.kill()
    wait_for(lambda: not admin.get("status").json["store"]["redis"]["up"], 5)
    server.start()
    wait_for(lambda: admin.get("status").json["store"]["redis"]["up"], 5)


@pytest.mark.parametrize("how", ["close", "reset", "shut"])
def test_readers_who_leave(on_redis, how):
    """What only reads ends with its caller; nothing is left behind."""
    admin, server = on_redis("timeout=10s")
    key = admin.post("keys", {}).json["key"]["id"]
    gw = admin.gateway
    with server.frozen():
        clients = [gw.connect().request("GET", f"/llm/{path}").taken()
                   for path in (f"keys/{key}", "keys", "audit",
                                "usage?by=client")]
        for client in clients:
            getattr(client, how)()
        if how != "shut":
            wait_for(lambda: len([line for line in gw.ledger(0)
                                  if line["status"] == "499"]) == 4, 5,
                     "four who have left")
    assert admin.get(f"keys/{key}").status == 200


@pytest.mark.parametrize("how", ["close", "reset", "shut"])
def test_changes_go_on_without_their_caller(on_redis, how):
    admin, server = on_redis("timeout=10s")
    key = admin.post("keys", {}).json["key"]["id"]
    gw = admin.gateway
    with server.frozen():
        clients = [gw.connect().request("POST", f"/llm/{path}", json={},
                                        headers=[("x-llm-action", "1")])
                   .taken() for path in (f"keys/{key}/disable", "keys")]
        for client in clients:
            getattr(client, how)()
        time.sleep(0.3)
    wait_for(lambda: len(records(admin)) == 3, 5, "three records")
    assert sorted(records(admin)[1:]) == [("createKey", 201),
                                          ("disableKey", 200)]
    assert admin.get(f"keys/{key}").json["key"]["disabled"]
    assert len(admin.get("keys").json["keys"]) == 2


def test_over_http2(on_redis):
    admin, server = on_redis("timeout=10s", h2c=True)
    key = admin.post("keys", {}).json["key"]["id"]
    with server.frozen():
        h2 = admin.gateway.connect_h2()
        h2.request("GET", f"/llm/keys/{key}")
        h2.request("GET", "/llm/keys")
        time.sleep(0.2)
        h2.close()
        time.sleep(0.2)
    assert admin.get(f"keys/{key}").status == 200


def test_nobody_waits_longer_than_the_timeout(on_redis):
    admin, server = on_redis()
    key = admin.post("keys", {}).json["key"]["id"]
    gw = admin.gateway
    gw.reload(http=gw.config.http.replace("timeout=2s", "timeout=200ms"))
    connected(gw)
    with server.frozen():
        for method, path in (("GET", "keys"), ("GET", f"keys/{key}"),
                             ("POST", "keys"), ("DELETE", f"keys/{key}"),
                             ("POST", f"keys/{key}/rotate"),
                             ("GET", "audit")):
            began = time.monotonic()
            answer = admin.call(method, path, None if method != "POST"
                                else {})
            assert answer.status == 503
            assert answer.json["error"]["code"] == "store_unavailable"
            assert time.monotonic() - began < 0.2 + 3 * LATE
    wait_for(lambda: admin.get(f"keys/{key}").status == 200, 10)
    # the error log has what the store could not be told
    assert '"action":"rotateKey","status":503' in admin.gateway.error_log()


def test_a_change_before_there_is_a_connection(redis, between, serve):
    """A worker that has just started waits for it, as for any reply."""
    link = between(redis())
    link.passing.clear()
    gw, _ = serve(http=link.directive("timeout=10s"), workers=1,
                  server="location /llm/ { llm_admin write; }")
    with ThreadPoolExecutor() as pool:
        made = pool.submit(Admin(gw).post, "keys", {})
        with pytest.raises(TimeoutError):
            made.result(0.2)
        link.passing.set()
    assert made.result().status == 201


def test_the_end_of_a_worker(on_redis):
    admin, server = on_redis("timeout=10s",
                             main="worker_shutdown_timeout 300ms;")
    gw = admin.gateway
    with server.frozen():
        for method, path in (("POST", "keys"), ("GET", "keys")):
            gw.connect().request(
                method, f"/llm/{path}", headers=[("x-llm-action", "1")],
                json={} if method == "POST" else None).taken()
        gw.stop()
    # the caller's connection or Redis's is closed first
    assert re.search(r'"action":"createKey","status":(499,.*"interrupted"|'
                     r'503,.*"store_unavailable")', gw.error_log())


def test_two_gateways(redis, serve):
    """What one makes the other knows; usage is that of both."""
    server = redis()
    admins = []
    for _ in range(2):
        gw, up = serve(Reply(input=100, output=30), model="m",
                       http=server.directive(),
                       location="llm_auth on; llm_pass;",
                       server="location /llm/ { llm_admin write; }\n")
        admins.append(Admin(gw))
        connected(gw)
    one, two = admins
    made = one.post("keys", {"client": "alice"}).json
    for admin in admins:
        admin.gateway.secret(made["secret"])
    path = f"keys/{made['key']['id']}"
    assert two.get(path).json["key"] == made["key"]
    stale = two.put(path, {"client": "b"}, headers=[("If-Match", '"2"')])
    assert stale.status == 412

    asked = []

    def ask(admin):
        asked.append(admin.gateway.chat(headers=[
            ("Authorization", f"Bearer {made['secret']}")]).status)
        return asked[-1]
    assert [ask(admin) for admin in admins] == [200, 200]
    two.post(f"{path}/disable")
    assert ask(two) == 401
    wait_for(lambda: ask(one) == 401, 5, "one to hear of it")

    def used(admin):
        total = admin.get("usage", client="alice").json["total"]
        return total["requests"] - total["errors"], total["input_tokens"]
    good = asked.count(200)
    wait_for(lambda: [used(a) for a in admins] == [(good, 100 * good)] * 2, 5,
             "usage of both")
    assert records(one) == records(two) == [("createKey", 201),
                                            ("replaceKey", 412),
                                            ("disableKey", 200)]
    wait_for(lambda: one.get("status").json["store"]["gateways"] == 2, 10)
