"""Who has changed what: in the error log, and in GET audit."""

from __future__ import annotations

import base64
import json
import re
import time

import pytest

from harness import SLOW
from harness.openapi import Admin


def lines(gw):
    """What the error log says of changes, oldest first."""
    found = re.findall(r"\[notice\] [^\n]*? llm_admin: (\{.*?\}), client: ",
                       gw.error_log())
    return [json.loads(text) for text in found]


def records(admin, **args):
    return admin.get("audit", **args).json["records"]


def basic(user, password="x"):
    text = base64.b64encode(f"{user}:{password}".encode()).decode()
    return ("Authorization", f"Basic {text}")


def test_every_change_is_said(administer):
    admin = administer()
    key = admin.post("keys", {"client": "a", "tenant": "t"}).json["key"]["id"]
    admin.put(f"keys/{key}", {"client": "b"})
    admin.post(f"keys/{key}/rotate", {"overlap": 60})
    admin.post(f"keys/{key}/disable")
    admin.post(f"keys/{key}/enable")
    admin.delete(f"keys/{key}")
    said = lines(admin.gateway)
    assert [r["action"] for r in said] == [
        "createKey", "replaceKey", "rotateKey", "disableKey", "enableKey",
        "deleteKey"]
    for record in said:
        assert record["object"] == key
        assert record["address"] == "127.0.0.1"
        assert abs(record["time"] - time.time()) < 10 * SLOW
        assert "user" not in record and "error" not in record
    assert [r["status"] for r in said] == [201] + [200] * 5
    assert said[0]["detail"] == "client=a tenant=t"
    assert said[2]["detail"] == "overlap=60"
    assert records(admin) == said[::-1]


def test_failed_changes(administer):
    admin = administer()
    admin.post("keys", {"clint": "a"})
    admin.post("keys", b"{", headers=[("Content-Type", "application/json")])
    admin.delete("keys/nobody")
    key = admin.post("keys", {}).json["key"]["id"]
    admin.put(f"keys/{key}", {}, headers=[("If-Match", '"9"')])
    wanted = [("createKey", 400, "invalid"), ("createKey", 400,
                                              "invalid_json"),
              ("deleteKey", 404, "not_found"), ("createKey", 201, None),
              ("replaceKey", 412, "stale")]
    assert [(r["action"], r["status"], r.get("error"))
            for r in lines(admin.gateway)] == wanted
    assert len(records(admin)) == len(wanted)


def test_what_changes_nothing_is_not_said(administer):
    admin = administer()
    admin.get("status")
    admin.get("keys")
    admin.post("keys", {}, action=False)
    Admin(admin.gateway, "/read").post("keys", {})
    admin.post("nothing", {})
    admin.post("status", {})
    assert lines(admin.gateway) == [] and records(admin) == []


def test_users(administer, tmp_path):
    users = tmp_path / "users"
    users.write_text("alice:{PLAIN}x\n")
    admin = administer(admin=f'auth_basic x; auth_basic_user_file {users};')
    admin.headers = [basic("alice")]
    admin.post("keys", {})
    assert records(admin)[0]["user"] == "alice"
    admin.gateway.allow("was not found in")
    admin.headers = [basic("mallory")]
    assert admin.post("keys", {}).status == 401
    admin.headers = [basic("alice")]
    assert len(records(admin)) == 1


@pytest.mark.parametrize("user", [
    "a\nb", "a\", \"status\":200, \"x\":\"", "\x00\x1b[31m", "ü", "\udcff",
    "x" * 700])
def test_names_cannot_forge_lines(administer, user):
    """Without auth_basic a user's name is whatever a caller writes."""
    admin = administer()
    raw = user.encode(errors="surrogateescape") + b":x"
    admin.headers = [("Authorization",
                      "Basic " + base64.b64encode(raw).decode())]
    before = len(admin.gateway.error_log().splitlines())
    admin.delete("keys/nobody")
    said = lines(admin.gateway)
    assert len(said) == 1 and said[0]["status"] == 404
    wanted = "?" if user == "\udcff" else user[:512]
    assert said[0]["user"] == wanted.split(":")[0]
    assert records(admin) == said
    new = admin.gateway.error_log().splitlines()[before:]
    assert all(re.match(r"\d{4}/\d\d/\d\d ", line) for line in new)


def test_pages(administer):
    admin = administer()
    keys = [admin.post("keys", {}).json["key"]["id"] for _ in range(5)]
    for i in range(20):
        admin.post(f"keys/{keys[i % 5]}/disable")
    said = lines(admin.gateway)[::-1]
    assert len(said) == 25
    for limit in (1, 4, 24, 25, 1000):
        assert list(admin.pages("audit", "records", limit=limit)) == said
    one = [r for r in said if r["object"] == keys[2]]
    for limit in (2, 100):
        assert list(admin.pages("audit", "records", limit=limit,
                                object=keys[2])) == one
    assert records(admin, object="nobody") == []
    # what comes meanwhile does not move the pages
    page = admin.get("audit", limit=10).json
    admin.post(f"keys/{keys[0]}/enable")
    rest = admin.get("audit", limit=100, cursor=page["next"]).json["records"]
    assert page["records"] + rest == said
    answer = admin.get("audit", cursor="x")
    assert answer.status == 400


def test_the_oldest_go(administer):
    """1,000 are kept, and a few more until somebody looks."""
    admin = administer()
    client = admin.gateway.connect()
    key = admin.post("keys", {}).json["key"]["id"]
    for i in range(1500):
        client.request("POST", f"/llm/keys/{key}/disable", b"", [
            ("x-llm-action", "1"), ("Content-Type", "application/json")])
        assert client.read().status == 200
    kept = list(admin.pages("audit", "records", limit=1000))
    assert 1000 <= len(kept) < 1000 + 64
    assert kept == lines(admin.gateway)[::-1][:len(kept)]


def test_several_workers(administer):
    admin = administer(workers=3, listen="reuseport")
    for i in range(60):
        admin.post("keys", {"client": f"c{i}"})
    assert {r["detail"] for r in records(admin)} == {
        f"client=c{i}" for i in range(60)}


def test_a_full_store_still_audits(administer, engine):
    """The oldest records give way to new ones, not to keys."""
    if "llm_redis" in engine:
        pytest.skip("Redis has room of its own")
    admin = administer(http="llm_zone llm:512k;")
    metadata = {"x": "y" * 1900}
    for i in range(5000):
        if admin.post("keys", {"metadata": metadata}).status == 507:
            break
    kept = len(list(admin.pages("audit", "records", limit=1000)))
    for _ in range(40):
        assert admin.post("keys", {"metadata": metadata}).status == 507
    said = lines(admin.gateway)[::-1]
    now = list(admin.pages("audit", "records", limit=1000))
    assert len(now) >= kept - 45 > 0
    assert now == said[:len(now)]
