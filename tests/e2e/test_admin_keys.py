"""Keys in the admin API."""

from __future__ import annotations

import hashlib
import threading
import time

import pytest

from harness import SLOW
from harness.openapi import Admin

from conftest import connected

FULL = {
    "client": "alice", "tenant": "search", "plan": "gold",
    "routes": ["chat", "in*"], "models": ["gpt-*"],
    "limits": ["requests=60/m", "tokens=90k/m"],
    "metadata": {"cost_center": 7, "share": 0.1, "who": "Ünal \"x\""},
    "networks": ["10.0.0.0/8", "2001:db8::/32"], "countries": ["DE"],
    "expires": 4102444800}


def code(answer):
    return answer.json["error"]["code"]


def make(admin, value=None):
    answer = admin.post("keys", value or {})
    assert answer.status == 201, answer.body
    admin.gateway.secret(answer.json["secret"])
    return answer


def test_create(administer):
    admin = administer()
    made = make(admin, FULL)
    key, secret = made.json["key"], made.json["secret"]
    assert secret.startswith(f"sk-llm-{key['id']}-")
    assert key["state"] == "active" and key["revision"] == 1
    assert abs(key["created"] - time.time()) < 5 * SLOW
    assert made.header("location") == f"/llm/keys/{key['id']}"
    assert made.header("etag") == '"1"'
    assert {k: v for k, v in key.items() if k in FULL} == FULL
    digest = hashlib.sha256(secret.encode()).hexdigest()
    assert key["hashes"] == [{"sha256": digest[:8] + "..."}]
    got = admin.get(f"keys/{key['id']}")
    assert got.json["key"] == key and got.header("etag") == '"1"'


def test_ids_and_secrets_differ(administer):
    admin = administer()
    made = [make(admin).json for _ in range(50)]
    assert len({m["key"]["id"] for m in made}) == 50
    assert len({m["secret"] for m in made}) == 50


def test_the_secret_is_shown_once(administer):
    """Not in a later answer, not in the audit, not in a log at any level."""
    admin = administer(debug=True)
    made = make(admin, FULL).json
    path = f"keys/{made['key']['id']}"
    rotated = admin.post(f"{path}/rotate", {"overlap": 60}).json
    # the debug log of nginx has what it sends, and says so; what the module
    # says itself has no secret
    answers = [admin.get(path), admin.get("keys"), admin.get("audit"),
               admin.put(path, {"client": "b"}), admin.post(f"{path}/disable"),
               admin.get("status"), admin.delete(path), admin.get("audit")]
    digests = [hashlib.sha256(m["secret"].encode()).hexdigest()
               for m in (made, rotated)]
    for answer in answers:
        for secret in (made["secret"], rotated["secret"], *digests):
            assert secret not in answer.body.decode()
    gw = admin.gateway
    gw.secret(rotated["secret"], *digests)


def test_import(administer):
    admin = administer()
    digest = hashlib.sha256(b"my old key").hexdigest()
    answer = admin.post("keys", {"sha256": digest, "client": "old"})
    assert answer.status == 201 and "secret" not in answer.json
    assert answer.json["key"]["id"] == "h" + digest[:24]
    again = admin.post("keys", {"sha256": digest.upper()})
    assert (again.status, code(again)) == (409, "exists")
    own = admin.post("keys", {"sha256": digest, "id": "mine"})
    assert own.json["key"]["id"] == "mine"
    assert admin.post("keys", {"sha256": digest, "id": "mine"}).status == 409


@pytest.mark.parametrize("value, message", [
    ({"clint": "a"}, "clint"), ({"client": 1}, "client"),
    ({"client": ""}, "client"), ({"client": "a\n"}, "client"),
    ({"routes": []}, "routes"), ({"routes": [1]}, "routes"),
    ({"limits": ["requests=x"]}, "limits"), ({"limits": ["foo=1/m"]},
                                             "limits"),
    ({"networks": ["10.0.0.0/40"]}, "networks"), ({"countries": ["D1"]},
                                                  "countries"),
    ({"expires": "tomorrow"}, "expires"), ({"metadata": []}, "metadata"),
    ({"expires": "2027-02-29T00:00:00Z"}, "expires"),
    ({"metadata": {"x": "y" * 3000}}, "metadata"), ({"disabled": 1},
                                                    "disabled"),
    ({"id": "a"}, "id"), ({"hashes": []}, "hashes"), ({"sha256": "ab"},
                                                      "sha256"),
    ({"sha256": 1}, "sha256"), ({"created": 1}, "created"),
])
def test_what_is_not_a_key(administer, value, message):
    admin = administer()
    answer = admin.post("keys", value)
    assert (answer.status, code(answer)) == (400, "invalid")
    assert message in answer.json["error"]["message"]
    assert admin.get("keys").json["keys"] == []
    made = make(admin).json["key"]["id"]
    if "sha256" not in value and message not in ("id", "hashes", "created"):
        answer = admin.put(f"keys/{made}", value)
        assert (answer.status, code(answer)) == (400, "invalid")


def test_replace(administer):
    admin = administer()
    key = make(admin, FULL).json["key"]
    path = f"keys/{key['id']}"
    answer = admin.put(path, {"client": "bob", "expires":
                              "2031-02-03T04:05:06Z"})
    assert answer.status == 200 and answer.header("etag") == '"2"'
    now = answer.json["key"]
    assert now["client"] == "bob" and now["expires"] == 1927857906
    assert not set(now) & (set(FULL) - {"client", "expires"})
    assert now["hashes"] == key["hashes"]
    assert now["created"] == key["created"]


def test_an_answer_can_be_sent_back(administer):
    admin = administer()
    key = make(admin, FULL).json["key"]
    path = f"keys/{key['id']}"
    answer = admin.put(path, {**key, "plan": "silver"})
    assert answer.json["key"] == {**key, "plan": "silver", "revision": 2}
    answer = admin.put(path, {**key, "id": "another"})
    assert (answer.status, code(answer)) == (400, "invalid")


def test_lists_of_one_and_nulls(administer):
    admin = administer()
    key = make(admin, {"routes": "chat", "limits": "requests=1/s",
                       "client": None}).json["key"]
    assert key["routes"] == ["chat"] and key["limits"] == ["requests=1/s"]
    assert "client" not in key
    key = admin.put(f"keys/{key['id']}", {"networks": "10.1.2.3",
                                          "routes": None}).json["key"]
    assert "routes" not in key and len(key["networks"]) == 1


def test_disable_and_enable(administer):
    admin = administer()
    path = "keys/" + make(admin, FULL).json["key"]["id"]
    for _ in range(2):
        key = admin.post(f"{path}/disable").json["key"]
        assert key["state"] == "disabled" and key["disabled"] is True
    for _ in range(2):
        key = admin.post(f"{path}/enable").json["key"]
        assert key["state"] == "active" and "disabled" not in key
    assert {k: v for k, v in key.items() if k in FULL} == FULL


def test_expired(administer, clock):
    admin = administer()
    key = make(admin, {"expires": int(time.time()) - 10}).json["key"]
    assert key["state"] == "expired"
    soon = make(admin, {"expires": int(time.time()) + 600}).json["key"]
    assert soon["state"] == "active"
    clock.sleep(minutes=9)
    assert admin.get(f"keys/{soon['id']}").json["key"]["state"] == "active"
    clock.sleep(minutes=1, seconds=1)
    assert admin.get(f"keys/{soon['id']}").json["key"]["state"] == "expired"


def test_rotate(administer):
    admin = administer()
    made = make(admin, FULL).json
    path = f"keys/{made['key']['id']}"
    answer = admin.post(f"{path}/rotate", {"overlap": 100})
    admin.gateway.secret(answer.json["secret"])
    assert answer.json["secret"] != made["secret"]
    assert answer.json["secret"].startswith(f"sk-llm-{made['key']['id']}-")
    new, old = answer.json["key"]["hashes"]
    assert old["sha256"] == made["key"]["hashes"][0]["sha256"]
    assert 90 <= old["until"] - time.time() <= 101 and "until" not in new
    # without an overlap the former ones are gone
    answer = admin.post(f"{path}/rotate")
    assert len(answer.json["key"]["hashes"]) == 1
    for _ in range(3):
        assert admin.post(f"{path}/rotate", {"overlap": 50}).status == 200
    answer = admin.post(f"{path}/rotate", {"overlap": 50})
    assert (answer.status, code(answer)) == (400, "invalid")


@pytest.mark.parametrize("overlap", [-1, 7776001, "10", 1.5, True, None])
def test_overlaps_that_are_none(administer, overlap):
    admin = administer()
    path = "keys/" + make(admin).json["key"]["id"]
    answer = admin.post(f"{path}/rotate", {"overlap": overlap})
    assert (answer.status, code(answer)) == (400, "invalid")
    assert admin.get(path).json["key"]["revision"] == 1


def test_delete(administer):
    admin = administer()
    made = make(admin).json["key"]["id"]
    assert admin.delete(f"keys/{made}").json == {"v": 1, "deleted": made}
    for method, path in (("GET", ""), ("DELETE", ""), ("PUT", ""),
                         ("POST", "/rotate"), ("POST", "/disable"),
                         ("POST", "/enable")):
        answer = admin.call(method, f"keys/{made}{path}",
                            None if method in ("GET", "DELETE") else {})
        assert (answer.status, code(answer)) == (404, "not_found"), method
    assert admin.get("keys").json["keys"] == []


def test_ids_that_are_none(administer):
    admin = administer()
    for name in ("x", "a" * 33, "a" * 500, "%22", "%C3%BC", "..%2e"):
        assert admin.get(f"keys/{name}").status == 404


# -- several at once -----------------------------------------------------------

CHANGES = [("PUT", "", {"client": "x"}), ("DELETE", "", None),
           ("POST", "/rotate", None), ("POST", "/disable", None),
           ("POST", "/enable", None)]


@pytest.mark.parametrize("method, path, value", CHANGES)
def test_if_match(administer, method, path, value):
    admin = administer()
    key = "keys/" + make(admin).json["key"]["id"]
    assert admin.put(key, {"client": "b"}).header("etag") == '"2"'

    def ask(tag):
        return admin.call(method, key + path, value,
                          headers=[("If-Match", tag)])
    stale = ask('"1"')
    assert (stale.status, code(stale)) == (412, "stale")
    for tag in ("2", '"x"', 'W/"2"', '"2", "3"', '""', "", '"0"', '"-1"'):
        wrong = ask(tag)
        assert (wrong.status, code(wrong)) == (400, "invalid"), tag
    assert admin.get(key).json["key"]["revision"] == 2
    done = ask('"2"')
    assert done.status == 200
    if method != "DELETE":
        assert done.header("etag") == '"3"'
        assert ask("*").status == 200
    else:
        assert ask("*").status == 404
        assert ask('"2"').status == 404


def concurrently(calls):
    """Starts all at once, gives their answers."""
    answers = [None] * len(calls)
    start = threading.Barrier(len(calls))

    def run(i):
        start.wait()
        answers[i] = calls[i]()
    threads = [threading.Thread(target=run, args=(i,))
               for i in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_one_of_several_wins(administer):
    admin = administer(workers=4, listen="reuseport")
    path = "keys/" + make(admin).json["key"]["id"]
    for revision in range(1, 11):
        answers = concurrently([
            lambda i=i: admin.put(path, {"client": f"c{i}"}, headers=[
                ("If-Match", f'"{revision}"')]) for i in range(8)])
        assert sorted(a.status for a in answers) == [200] + [412] * 7
        won = [a for a in answers if a.status == 200][0].json["key"]
        assert admin.get(path).json["key"] == won


def test_without_if_match_all_are_made(administer):
    admin = administer(workers=4, listen="reuseport")
    path = "keys/" + make(admin).json["key"]["id"]
    answers = concurrently([
        lambda i=i: admin.put(path, {"client": f"c{i}"}) for i in range(16)])
    assert {a.status for a in answers} == {200}
    assert sorted(a.json["key"]["revision"] for a in answers) == list(
        range(2, 18))


def test_one_import_wins(administer):
    """Also where all of them would write the very same record."""
    admin = administer(workers=4, listen="reuseport")
    for i in range(10):
        digest = f"{i:064x}"
        answers = concurrently([
            lambda: admin.post("keys", {"sha256": digest, "id": f"k{i}"})
            for _ in range(8)])
        assert sorted(a.status for a in answers) == [201] + [409] * 7


# -- lists ---------------------------------------------------------------------

def test_list(administer):
    admin = administer()
    assert admin.get("keys").json == {"v": 1, "keys": [], "next": None}
    made = [make(admin, {"client": f"c{i % 3}", "tenant": f"t{i % 2}"})
            .json["key"] for i in range(30)]

    def sort(keys):
        return sorted(keys, key=lambda key: key["id"])
    assert sort(admin.get("keys").json["keys"]) == sort(made)
    for limit in (1, 7, 29, 30, 1000):
        assert sort(admin.pages("keys", "keys", limit=limit)) == sort(made)
    for args in ({"client": "c1"}, {"tenant": "t0"},
                 {"client": "c2", "tenant": "t1"}, {"client": "nobody"}):
        wanted = [k for k in made
                  if all(k[name] == value for name, value in args.items())]
        for limit in (2, 100):
            assert sort(admin.pages("keys", "keys", limit=limit, **args)) \
                == sort(wanted)


def test_a_client_that_is_the_id(administer):
    admin = administer()
    made = make(admin).json["key"]["id"]
    assert [k["id"] for k in admin.get("keys", client=made).json["keys"]] \
        == [made]


@pytest.mark.parametrize("cursor", ["!", "x", "a" * 1000, "LTE", "Lg",
                                    "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5"])
def test_cursors_that_are_none(administer, cursor):
    admin = administer()
    make(admin)
    answer = admin.get("keys", cursor=cursor)
    assert answer.status in (200, 400)      # the store's own, or not
    if answer.status == 200:
        assert answer.json["next"] is None


@pytest.mark.timeout(600)
def test_many_keys(administer, engine):
    admin = administer(http="llm_zone llm:64m;")
    client = admin.gateway.connect()
    # each one waits for the disk, twice
    count = 1000 if "llm_state" in engine else 10000
    ids = set()
    for i in range(count):
        client.request("POST", "/llm/keys", json={"client": f"c{i}"},
                       headers=[("x-llm-action", "1")])
        answer = client.read()
        assert answer.status == 201
        ids.add(answer.json["key"]["id"])
    assert len(ids) == count
    seen, pages, cursor = [], 0, None
    while True:
        page = admin.get("keys", limit=500, cursor=cursor).json
        seen += [key["id"] for key in page["keys"]]
        pages, cursor = pages + 1, page["next"]
        if cursor is None:
            break
    assert len(seen) == count and set(seen) == ids
    assert count / 1000 <= pages <= count / 400 + 2
    one = list(admin.pages("keys", "keys", limit=1000, client="c77"))
    assert [key["client"] for key in one] == ["c77"]
    rss = admin.gateway.rss()
    for _ in range(20):
        admin.get("keys", limit=1000)
    assert admin.gateway.rss() - rss < 8 * 1024 * 1024


def test_no_room(administer, engine):
    if "llm_redis" in engine:
        pytest.skip("Redis has room of its own")
    admin = administer(http="llm_zone llm:512k;")
    admin.gateway.allow("no memory", "there is no room")
    metadata = {"x": "y" * 1900}
    for i in range(5000):
        answer = admin.post("keys", {"metadata": metadata})
        if answer.status != 201:
            break
    assert (answer.status, code(answer)) == (507, "no_room")
    key = admin.get("keys", limit=1).json["keys"][0]
    assert admin.delete(f"keys/{key['id']}").status == 200


def test_a_reload_keeps_them(administer):
    admin = administer()
    made = make(admin, FULL).json["key"]
    admin.gateway.reload()
    connected(admin.gateway)
    assert admin.get(f"keys/{made['id']}").json["key"] == made


def test_a_restart(administer, engine):
    """llm_state keeps them, and Redis does; memory alone does not."""
    admin = administer()
    keys = {made["id"]: made for made in
            (make(admin, {"client": f"c{i}"}).json["key"] for i in range(20))}
    gone = list(keys)[3]
    admin.delete(f"keys/{gone}")
    del keys[gone]
    said = admin.get("audit").json["records"]
    admin.gateway.stop()
    admin.gateway.start()
    connected(admin.gateway)
    durable = "llm_state" in engine
    assert admin.get("status").json["store"]["durable"] == durable
    durable = engine != ""
    kept = {key["id"]: key for key in admin.pages("keys", "keys")}
    assert kept == (keys if durable else {})
    assert admin.get("audit").json["records"] == (said if durable else [])
