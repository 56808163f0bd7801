"""Limits in the admin API: what they are, where they stand, back to 0."""

from __future__ import annotations

from decimal import Decimal

import pytest

from harness import Reply, answers, wait_for
from harness.openapi import Admin

LIMITS = """
llm_limit per_client key=$http_x_client requests=3/m tokens=90k/h;
llm_limit few key=$http_x_client$http_x_more concurrent=8;
llm_quota per_tenant key=$http_x_tenant cost=2usd/month tokens=50m/month
          warn=80% tz=Europe/Berlin;
llm_limit watch key=all requests=1/d dry_run;
"""


@pytest.fixture
def limited(administer):
    def make(script=None, *, auth="", **parts):
        return administer(
            script or Reply(input=100, output=30), model="m", http=LIMITS,
            upstream=["llm_price m input=2 output=8;"],
            lines=["limit per_client few per_tenant watch;"],
            location=f"{auth} llm_pass;", **parts)
    return make


def ask(admin, client="a", tenant="t", **more):
    headers = [("x-client", client), ("x-tenant", tenant)]
    return admin.gateway.chat(headers=headers, **more)


def levels(admin, name, key, **args):
    answer = admin.get(f"limits/{name}", key=key, **args)
    assert answer.status == 200, answer.body
    return {level["rate"]: level for level in answer.json["levels"]}


def test_definitions(limited):
    admin = limited()
    told = {one["name"]: one for one in admin.get("limits").json["limits"]}
    assert list(told) == ["per_client", "few", "per_tenant", "watch"]
    one = told["per_client"]
    assert one["kind"] == "limit" and one["key"] == "$http_x_client"
    assert one["rates"] == [
        {"rate": "requests=3/m", "unit": "requests", "limit": 3},
        {"rate": "tokens=90k/h", "unit": "tokens", "limit": 90000}]
    assert told["few"]["rates"][0]["unit"] == "concurrent"
    quota = told["per_tenant"]
    assert quota["kind"] == "quota" and quota["warn"] == [80]
    assert quota["time_zone"] == "Europe/Berlin"
    assert quota["rates"][0] == {
        "rate": "cost=2usd/month", "unit": "cost", "limit": "2"}
    assert told["watch"]["dry_run"] and not quota["dry_run"]


def test_without_any(administer):
    admin = administer()
    assert admin.get("limits").json["limits"] == []
    assert admin.get("limits/x", key="y").status == 404


def test_levels(limited):
    admin = limited()
    nothing = levels(admin, "per_client", "a")
    assert nothing["requests=3/m"]["used"] == 0
    assert nothing["requests=3/m"]["remaining"] == 3
    for _ in range(2):
        assert ask(admin).status == 200
    assert ask(admin, client="b").status == 200

    def settled():
        return [levels(admin, "per_client", client)["tokens=90k/h"]["used"]
                for client in "ab"] == [260, 130]
    wait_for(settled, 5)
    now = levels(admin, "per_client", "a")
    assert now["requests=3/m"]["used"] == 2
    assert now["requests=3/m"]["remaining"] == 1
    assert 0 < now["requests=3/m"]["reset"] <= 61000
    assert now["tokens=90k/h"]["reserved"] == 0
    wait_for(lambda: Decimal(levels(admin, "per_tenant", "t")
                             ["cost=2usd/month"]["used"])
             == 3 * Decimal("0.00044"), 5)
    money = levels(admin, "per_tenant", "t")["cost=2usd/month"]
    assert Decimal(money["remaining"]) == 2 - 3 * Decimal("0.00044")
    assert levels(admin, "watch", "all")["requests=1/d"]["used"] == 3
    assert levels(admin, "watch", "all")["requests=1/d"]["remaining"] == 0


def test_what_is_under_way(limited):
    admin = limited(answers.stall)
    client = admin.gateway.connect()
    client.request("POST", "/v1/chat/completions", json={
        "model": "m", "messages": [], "max_tokens": 50},
        headers=[("x-client", "a"), ("x-tenant", "t")])
    wait_for(lambda: levels(admin, "few", "a")["concurrent=8"]["reserved"]
             == 1, 5)
    assert levels(admin, "per_client", "a")["tokens=90k/h"]["reserved"] >= 50
    client.close()
    wait_for(lambda: levels(admin, "few", "a")["concurrent=8"]["reserved"]
             == 0, 5)


def test_reset(limited):
    admin = limited()
    for _ in range(3):
        assert ask(admin).status == 200
    assert ask(admin).status == 429
    answer = admin.post("limits/per_client/reset", {"key": "a"})
    assert answer.json == {"v": 1, "name": "per_client", "key": "a"}
    assert levels(admin, "per_client", "a")["requests=3/m"]["used"] == 0
    assert levels(admin, "per_client", "a")["tokens=90k/h"]["used"] == 0
    assert ask(admin).status == 200
    # others stay as they are
    money = levels(admin, "per_tenant", "t")["cost=2usd/month"]
    wait_for(lambda: Decimal(levels(admin, "per_tenant", "t")
                             ["cost=2usd/month"]["used"])
             == 4 * Decimal("0.00044"), 5)
    assert Decimal(money["used"]) > 0
    (record,) = admin.get("audit").json["records"]
    assert record["action"] == "resetLimit"
    assert record["object"] == "per_client"


def test_the_audit_has_no_credential(limited):
    """The value of a key that callers send may be one."""
    admin = limited()
    admin.gateway.secret("sk-callers-own-0123456789")
    admin.post("limits/per_client/reset", {"key": "sk-callers-own-0123456789"})
    admin.post("limits/watch/reset", {"key": "all"})
    watch, client = admin.get("audit").json["records"]
    assert watch["detail"] == "key=all"
    assert client["detail"].startswith("key=sha256:")
    assert "sk-callers" not in client["detail"]


def test_long_keys(limited):
    admin = limited()
    client = "x" * 300
    assert ask(admin, client=client).status == 200
    wait_for(lambda: levels(admin, "per_client", client)["tokens=90k/h"]
             ["used"] == 130, 5)
    assert admin.post("limits/per_client/reset", {"key": client}).status == 200
    assert levels(admin, "per_client", client)["requests=3/m"]["used"] == 0


def test_keys_are_decoded(limited):
    admin = limited()
    client = "a b+c&d=e/f%g"
    assert ask(admin, client=client).status == 200
    assert levels(admin, "per_client", client)["requests=3/m"]["used"] == 1


def test_the_limits_of_a_key(limited):
    admin = limited(auth="llm_auth on;")
    made = admin.post("keys", {"limits": ["requests=2/m", "cost=1usd/day"]})
    key, secret = made.json["key"]["id"], made.json["secret"]
    admin.gateway.secret(secret)
    headers = [("Authorization", f"Bearer {secret}"), ("x-client", "a")]
    for _ in range(2):
        assert admin.gateway.chat(headers=headers).status == 200
    assert admin.gateway.chat(headers=headers).status == 429
    now = levels(admin, "key", key)
    assert now["requests=2/m"]["used"] == 2
    assert admin.post("limits/key/reset", {"key": key}).status == 200
    assert admin.gateway.chat(headers=headers).status == 200
    without = admin.post("keys", {}).json["key"]["id"]
    assert levels(admin, "key", without) == {}
    assert admin.post("limits/key/reset", {"key": without}).status == 200
    for name in ("nobody", "x" * 40):
        assert admin.get("limits/key", key=name).status == 404
        assert admin.post("limits/key/reset", {"key": name}).status == 404


@pytest.mark.parametrize("value", [
    {}, {"key": ""}, {"key": 1}, {"key": None}, {"kye": "a"},
    {"key": "a", "x": 1}, {"key": "a", "shard": 1}, []])
def test_resets_that_are_none(limited, value):
    admin = limited()
    answer = admin.post("limits/per_client/reset", value)
    assert answer.status == 400
    assert answer.json["error"]["code"] == "invalid"


def test_what_there_is_not(limited):
    admin = limited()
    assert admin.get("limits/nobody", key="a").status == 404
    assert admin.get("limits/per_client").status == 400
    assert admin.get("limits/per_client", key="").status == 400
    assert admin.get("limits/per_client", key="a", x="b").status == 400
    assert admin.post("limits/nobody/reset", {"key": "a"}).status == 404
    assert Admin(admin.gateway, "/read").post(
        "limits/per_client/reset", {"key": "a"}).status == 403
    assert Admin(admin.gateway, "/read").get(
        "limits/per_client", key="a").status == 200


def test_all_workers_see_the_same(limited):
    admin = limited(workers=3, listen="reuseport")
    for i in range(30):
        ask(admin, client=f"c{i % 10}")
    for i in range(10):
        assert levels(admin, "per_client", f"c{i}")["requests=3/m"]["used"] \
            == 3


def test_a_name_with_a_slash(administer):
    admin = administer(http="llm_limit a/b key=$http_x_client requests=3/m;\n",
                       lines=["limit a/b;"])
    ask(admin)
    assert levels(admin, "a%2Fb", "a")["requests=3/m"]["used"] == 1
    assert admin.post("limits/a%2Fb/reset", {"key": "a"}).status == 200
    assert levels(admin, "a%2Fb", "a")["requests=3/m"]["used"] == 0
    assert admin.get("limits/a%2Fc", key="a").status == 404
    assert admin.post("limits/a%2Fb").status == 405
