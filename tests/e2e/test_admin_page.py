"""The status page and its figures, without a browser (see tests/browser)."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest

from harness import Reply, answers, elapsed, openai_wire, route, wait_for
from harness.canary import ADMIN, Canary, canary_conf
from harness.openapi import Admin

PAGE = (Path(__file__).resolve().parents[2] / "ngx_llmops_module" / "ops"
        / "status.html")
JSON = "application/json"


@pytest.fixture
def shown(gateway, provider):
    """A gateway before one provider, and its figures as they become."""
    def make(script=None, lines=(), http="", upstream=(), **parts):
        up = provider(script)
        gw = gateway(server=ADMIN, http=up.upstream("up", *upstream)
                     + route("target up/m;", *lines) + http, **parts)
        return gw, Admin(gw)
    return make


def until(admin, condition, base="/llm"):
    """The figures, once they are so: they may be a second old."""
    got = {}

    def there():
        answer = admin.get("status.json")
        assert answer.status == 200, answer.body
        got.update(answer.json)
        return condition(got)
    wait_for(there, 8, "the figures")
    return got


# -- the page ------------------------------------------------------------------

def test_the_page(shown):
    """Byte by byte the file, and a policy that lets run just what is in it."""
    gw, _ = shown()
    answer = gw.get("/llm/")
    assert answer.status == 200
    assert answer.body == PAGE.read_bytes()
    assert answer.header("content-type") == "text/html; charset=utf-8"
    assert answer.header("cache-control") == "no-store"
    assert answer.header("x-content-type-options") == "nosniff"
    assert answer.header("referrer-policy") == "no-referrer"
    text = answer.body.decode()
    words = {}
    for tag in ("style", "script"):
        (part,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.S)
        digest = hashlib.sha256(part.encode()).digest()
        words[tag] = "sha256-" + base64.b64encode(digest).decode()
    assert answer.header("content-security-policy") == (
        "default-src 'none'; connect-src 'self'; "
        f"style-src '{words['style']}'; script-src '{words['script']}'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
    # no other answer has a policy
    assert gw.get("/llm/status").header("content-security-policy") is None


def test_the_page_is_as_it_should_be():
    """What the policy would block, or what could make text to HTML."""
    text = PAGE.read_text()
    assert len(text.encode()) <= 32 * 1024
    assert len(gzip.compress(text.encode(), 6)) <= 12 * 1024
    for bad in (r"\sstyle=", r"\son\w+=", r"innerHTML", r"outerHTML",
                r"insertAdjacent", r"document\.write", r"\beval\b",
                r"https?://(?!www\.w3\.org/2000/svg)", r"\bsrc=", r"\bhref="):
        assert not re.search(bad, text), bad


def test_methods_and_paths(shown, gateway):
    gw, _ = shown()
    head = gw.request("HEAD", "/llm/")
    assert (head.status, head.body) == (200, b"")
    assert head.header("content-length") == str(PAGE.stat().st_size)
    assert gw.request("POST", "/llm/", b"x").status == 405
    assert gw.get("/llm/?x=1").status == 400
    moved = gw.get("/llm")
    assert moved.status == 301
    assert moved.header("location").endswith("/llm/")
    other = gateway(location="return 404;",
                    server="location /a:b { llm_admin; }")
    moved = other.get("/a:b")
    assert (moved.status, moved.header("location")) == (301, "./a%3Ab/")
    assert other.get("/a:b/").body == PAGE.read_bytes()
    assert other.get("/a:b/status.json").json["admin"] == "read"


def test_compressed(shown):
    gw, _ = shown(http="gzip on; gzip_min_length 1;")
    answer = gw.request("GET", "/llm/", None, [("accept-encoding", "gzip")])
    assert answer.header("content-encoding") == "gzip"
    assert gzip.decompress(answer.body) == PAGE.read_bytes()


# -- figures -------------------------------------------------------------------

def test_figures(shown, clock):
    clock.noon()
    failing = False
    good = openai_wire.server(Reply(text="Yes.", input=100, output=10))
    bad = answers.openai_error(429)

    def script(x):
        (bad if failing else good)(x)
    gw, admin = shown(script, ("limit day one;", "retry attempts=1;",
                               "cache ttl=1m;"),
                      "llm_quota day key=all requests=10/day;"
                      "llm_limit one key=$http_x_one requests=1/h;",
                      ("llm_price m input=2.00 output=8.00;",), workers=2)
    ask = {"model": "m", "temperature": 0,
           "messages": [{"role": "user", "content": "hi"}]}
    before = until(admin, lambda f: True)
    assert before["total"]["requests"] == 0
    assert before["routes"][0]["duration"] == []
    assert before["targets"][0]["failed"] is None
    gw.post("/v1/chat/completions", ask)
    gw.post("/v1/chat/completions", ask)
    gw.chat(stream=True)
    for _ in range(2):                          # the second one is refused
        gw.chat(headers=[("x-one", "a")])
    failing = True
    gw.chat()
    figures = until(admin, lambda f: f["total"]["requests"] == 6)
    (row,) = figures["routes"]
    assert row["route"] == "r" and row["targets"] == ["up/m"]
    assert row["errors"] == {"rate_limit": 2}
    assert (row["input_tokens"], row["output_tokens"]) == (300, 30)
    assert row["cost_usd"] == "0.00084"
    assert row["cache"] == {"asked": 2, "hits": 1, "saved_usd": "0.00028"}
    assert row["duration"][-1] == 6
    assert row["first_token"][-1] == 1
    assert row["duration"] == sorted(row["duration"])
    (target,) = figures["targets"]
    assert target["attempts"] == {"2xx": 3, "429": 1}
    assert target["failed"]["how"] == "429"
    assert abs(figures["now"] - target["failed"]["at"]) < 60000
    assert target["waits"] >= 0
    day, one = sorted(figures["limits"], key=lambda row: row["limit"])
    assert (day["limit"], day["unit"], day["period"]) \
        == ("day", "requests", "day")
    assert 0.3 <= day["used"] <= 0.6
    # how full a limit without a period is nobody keeps
    assert (one["limit"], one["period"], one["used"], one["denied"]) \
        == ("one", "", None, 1)
    assert figures["workers"] == 2
    assert figures["admin"] == "write"
    assert gw.get("/read/status.json").json["admin"] == "read"
    assert {"rollouts", "audit", "keys"} <= set(figures["resources"])
    assert not figures["truncated"]
    assert figures["store"]["engine"] == "shared memory"


def test_once_a_second(shown):
    """Whoever looks, and however often."""
    gw, admin = shown()
    took, times = elapsed(lambda: {admin.get("status.json").json["now"]
                                   for _ in range(50)})
    assert len(times) <= took + 2


def test_many_rows(gateway, provider):
    """The most used ones, and never more than 64 kB."""
    up = provider()
    name = "a-route-with-a-name-that-is-rather-long-" * 3
    routes = "".join(route(f"target up/{name}{i:03};", name=f"{name}{i:03}",
                           match=f"m{i}") for i in range(120))
    gw = gateway(http=up.upstream("up") + routes, server=ADMIN)
    for _ in range(3):
        gw.chat(model="m117")
    figures = until(Admin(gw), lambda f: f["total"]["requests"] == 3)
    assert figures["truncated"]
    assert len(figures["routes"]) <= 50
    assert figures["routes"][0]["route"].endswith("117")
    assert figures["targets"][0]["target"].endswith("117")
    assert len(gw.get("/llm/status.json").body) <= 64 * 1024


def test_both_arms(gateway, provider):
    """Side by side, as long as the step lasts."""
    stable = provider(openai_wire.server(Reply(input=10, output=5)))
    new = provider(openai_wire.server(Reply(text="I am sorry.", input=10,
                                            output=7)))
    price = "llm_price * input=2.00 output=8.00;"
    gw = gateway(server=ADMIN, http="""
    llm_pattern sorry "I am sorry";
    llm_rules s { output deny match=sorry on_fail=mark; }
    """ + canary_conf(stable, new, "steps=50%,100% by=$http_x_key hold=1h "
                      "guard=errors<50% min=10", lines=("rules s;",),
                      upstream=(price,)))
    c = Canary(gw, stable, new)
    wait_for(lambda: c.listed()["since"] > 0, 10, "a document")
    arms = [a.header("x-llm-arm") for a in c.ask(20, stream=True)]
    n = arms.count("candidate")
    gw.ledger(20)
    got = c.listed()["arms"]
    side = got["candidate"]
    assert 0 < n < 20
    assert (side["requests"], side["errors"], side["broken"]) == (n, 0, n)
    assert (side["answered"], side["output_tokens"]) == (n, 7 * n)
    assert side["priced"] == n
    assert float(side["cost_usd"]) == pytest.approx(n * 76e-6)
    assert side["first_token"][-1] == side["total"][-1] == n
    assert got["stable"]["requests"] == 20 - n
    assert got["stable"]["broken"] == 0
    assert got["bounds"] == sorted(got["bounds"]) and len(got["bounds"]) == 16
    (shown,) = until(c.admin, lambda f: f["rollouts"][0]["arms"] == got
                     )["rollouts"]
    assert shown["route"] == "r"
    # taken back: what has led to it stays
    c.decide("rollback")
    c.ask(3)
    assert c.listed()["arms"]["candidate"] == side
    # a new step begins anew
    c.decide("restart")
    assert c.listed()["arms"]["candidate"]["requests"] == 0


def test_names_of_others(gateway, provider):
    """Whatever a configuration calls things, the figures are JSON."""
    up = provider()
    name = '<img src=x onerror=alert(1)> \\"quoted\\"'
    gw = gateway(server=ADMIN, http=up.upstream("up")
                 + route("target up/m;", name=f'"{name}"', match="m"))
    gw.chat(model="m")
    figures = until(Admin(gw), lambda f: f["total"]["requests"] == 1)
    assert figures["routes"][0]["route"] == json.loads(f'"{name}"')
    assert figures["routes"][0]["requests"] == 1
