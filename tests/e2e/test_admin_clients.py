"""The life of a key: made by the API, used by an official client."""

from __future__ import annotations

import csv
import io
import time
from decimal import Decimal

import openai
import pytest

from harness import Reply, SLOW, route, wait_for
from harness.openapi import Admin

from conftest import connected

PRICE = "llm_price m input=2 output=8;"


@pytest.fixture
def guarded(administer):
    def make(script=None, **parts):
        return administer(script or Reply(input=100, output=30), model="m",
                          location="llm_auth on; llm_pass;",
                          upstream=[PRICE], **parts)
    return make


def ask(admin, secret, **more):
    client = admin.gateway.openai(api_key=secret)
    return client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "hi"}], **more)


def refused(admin, secret):
    """The client is told that its key is none."""
    with pytest.raises(openai.AuthenticationError):
        ask(admin, secret)
    return True


def make(admin, **value):
    made = admin.post("keys", value).json
    admin.gateway.secret(made["secret"])
    return made["key"], made["secret"]


def test_the_life_of_a_key(guarded, clock):
    admin = guarded()
    refused(admin, "sk-llm-0123456789abcdef-" + "x" * 43)
    key, secret = make(admin, client="alice", tenant="search")
    path = f"keys/{key['id']}"
    assert ask(admin, secret).usage.total_tokens == 130

    # rotated: both are good, until the overlap ends
    rotated = admin.post(f"{path}/rotate", {"overlap": 600}).json
    admin.gateway.secret(rotated["secret"])
    ask(admin, rotated["secret"])
    clock.sleep(minutes=9)
    ask(admin, secret)
    clock.sleep(minutes=1, seconds=1)
    refused(admin, secret)
    ask(admin, rotated["secret"])

    admin.post(f"{path}/disable")
    refused(admin, rotated["secret"])
    admin.post(f"{path}/enable")
    ask(admin, rotated["secret"])

    admin.delete(path)
    refused(admin, rotated["secret"])
    assert [r["action"] for r in admin.get("audit").json["records"]] == [
        "deleteKey", "enableKey", "disableKey", "rotateKey", "createKey"]


def test_all_workers_know_at_once(guarded):
    admin = guarded(workers=3, listen="reuseport")
    for _ in range(5):
        key, secret = make(admin, client="alice")
        for _ in range(8):
            ask(admin, secret)
        admin.post(f"keys/{key['id']}/disable")
        for _ in range(8):
            refused(admin, secret)


def test_an_imported_digest(guarded):
    import hashlib
    admin = guarded()
    secret = "sk-old-gateway-0123456789abcdef"
    admin.gateway.secret(secret)
    refused(admin, secret)
    admin.post("keys", {"sha256": hashlib.sha256(secret.encode()).hexdigest(),
                        "client": "old"})
    ask(admin, secret)
    wait_for(lambda: "old" in {line["llm_client"]
                               for line in admin.gateway.ledger()}, 5, "the log")


def test_what_a_key_may_use(guarded):
    admin = guarded()
    key, secret = make(admin, models=["gpt-*"])
    with pytest.raises(openai.NotFoundError):
        ask(admin, secret)
    admin.put(f"keys/{key['id']}", {"models": ["m"]})
    ask(admin, secret)
    admin.put(f"keys/{key['id']}", {"networks": ["10.0.0.0/8"]})
    with pytest.raises(openai.PermissionDeniedError):
        ask(admin, secret)
    admin.put(f"keys/{key['id']}", {"expires": int(time.time()) - 1})
    refused(admin, secret)


def test_keys_outlive_a_reload(guarded):
    admin = guarded()
    key, secret = make(admin, client="alice")
    admin.gateway.reload()
    connected(admin.gateway)
    ask(admin, secret)


# -- usage of clients ----------------------------------------------------------

def counted(admin, count):
    wait_for(lambda: admin.get("usage").json["total"]["requests"] >= count, 5,
             "the ledger")


def test_usage_by_client_and_tenant(guarded):
    admin = guarded()
    secrets = {}
    for name, tenant in (("a", "x"), ("b", "x"), ("c", "y"), ("d", None)):
        more = {"tenant": tenant} if tenant else {}
        _, secrets[name] = make(admin, client=name, **more)
    for name, times in (("a", 3), ("b", 2), ("c", 1), ("d", 1)):
        for _ in range(times):
            ask(admin, secrets[name])
    refused(admin, "sk-nobody")
    counted(admin, 8)

    def rows(by, **args):
        answer = admin.get("usage", by=by, **args).json
        return {tuple(row[name] for name in by.split(",")):
                (row["requests"], row["input_tokens"], row["cost"])
                for row in answer["rows"]}
    one = Decimal("0.00044")
    assert rows("client") == {
        ("",): (1, 0, "0"),
        ("a",): (3, 300, str(3 * one)), ("b",): (2, 200, str(2 * one)),
        ("c",): (1, 100, str(one)), ("d",): (1, 100, str(one))}
    assert rows("tenant") == {
        ("",): (2, 100, str(one)), ("x",): (5, 500, str(5 * one).rstrip("0")),
        ("y",): (1, 100, str(one))}
    assert rows("tenant,model", tenant="x") == {
        ("x", "m"): (5, 500, str(5 * one).rstrip("0"))}
    assert rows("client", tenant="x", client="b") == {
        ("b",): (2, 200, str(2 * one))}
    for line in admin.gateway.ledger(8):
        if line["request_uri"].startswith("/v1/"):
            assert (line["llm_client"], line["llm_tenant"]) in [
                ("a", "x"), ("b", "x"), ("c", "y"), ("d", ""), ("", "")]


def test_names_that_are_formulas(guarded):
    """Whoever names a client does not get a formula into a spreadsheet."""
    admin = guarded()
    names = ["=1+1", "+a", "-a", "@a", '=HYPERLINK("http://x","y")', "a,b",
             'say "hi"', "Ünal", "a;b"]
    for name in names:
        _, secret = make(admin, client=name, tenant=name)
        ask(admin, secret)
    counted(admin, len(names))
    text = admin.get("usage", by="client,tenant", format="csv").body.decode()
    rows = list(csv.reader(io.StringIO(text, newline="")))[1:]
    assert len(rows) == len(names)
    for row in rows:
        assert row[0] == row[1] and row[0][0] not in "=+-@"
    assert {row[0].lstrip("'") for row in rows} == set(names)
    told = admin.get("usage", by="client").json["rows"]
    assert {row["client"] for row in told} == set(names)


def test_long_names_are_cut(guarded):
    admin = guarded()
    name = "a" * 100
    _, secret = make(admin, client=name)
    ask(admin, secret)
    counted(admin, 1)
    (row,) = admin.get("usage", by="client").json["rows"]
    assert row["client"] == name[:63] + "*"
