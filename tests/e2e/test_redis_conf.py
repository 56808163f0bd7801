"""nginx -t and llm_redis: what is wrong with a line, and what to write."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from conftest import connected
from harness import route, wait_for
from harness.openapi import Admin

ADDRESS = "127.0.0.1:6379"
SECRET = "pw-0123456789abcdef"

#: name: (the words of llm_redis, what the message must have)
BAD = {
    "nothing": ("ssl", r"no address.*llm_redis HOST:PORT"),
    "port": ("127.0.0.1:0", r"between 1 and 65535"),
    "port-large": ("127.0.0.1:65536", r"between 1 and 65535"),
    "port-word": ("127.0.0.1:redis", r"between 1 and 65535"),
    "port-empty": ("127.0.0.1:", r"between 1 and 65535"),
    "no-host": (":6379", r"HOST:PORT"),
    "url": ("redis://127.0.0.1:6379", r"no URL.*HOST:PORT"),
    "ipv6-bare": ("::1", r"brackets"),
    "ipv6-open": ("[::1", r"\[IPV6\]:PORT"),
    "ipv6-name": ("[name]:6379", r"\[IPV6\]:PORT"),
    "ipv6-rest": ("[::1]x", r"between 1 and 65535"),
    "unix-empty": ("unix:", r"unix:/PATH"),
    "unix-long": ("unix:/" + "x" * 120, r"107 bytes"),
    "host-long": ("x" * 254, r"HOST:PORT"),
    "unknown": (f"{ADDRESS} tls=on", r'unknown parameter "tls=".*ssl_ca='),
    "unknown-secret": (f"{ADDRESS} pasword={SECRET}",
                       r'unknown parameter "pasword="'),
    "empty": (f"{ADDRESS} password=", r'no value in "password="'),
    "twice": (f"{ADDRESS} timeout=50ms timeout=60ms",
              r'duplicate parameter "timeout="'),
    "twice-secret": (f"{ADDRESS} password=a password={SECRET}",
                     r'duplicate parameter "password="'),
    "twice-word": (f"{ADDRESS} ssl ssl", r'duplicate parameter "ssl"'),
    "timeout": (f"{ADDRESS} timeout=soon", r"1ms to 10s"),
    "timeout-0": (f"{ADDRESS} timeout=0", r"1ms to 10s"),
    "timeout-large": (f"{ADDRESS} timeout=11s", r"1ms to 10s"),
    "db": (f"{ADDRESS} db=x", r"db=1"),
    "db-large": (f"{ADDRESS} db=65536", r"db=1"),
    "db-cluster": ("127.0.0.1:1 127.0.0.1:2 db=1", r"no databases"),
    "prefix": (f"{ADDRESS} prefix=a*b", r"A-Z a-z 0-9"),
    "prefix-colon": (f"{ADDRESS} prefix=:", r"A-Z a-z 0-9"),
    "prefix-long": (f"{ADDRESS} prefix=" + "x" * 65, r"at most 64"),
    "fail": (f"{ADDRESS} fail=maybe", r"open, closed or local"),
    "verify": (f"{ADDRESS} ssl ssl_verify=no", r"on or off"),
    "no-ssl": (f"{ADDRESS} ssl_ca=ca.pem", r'needs "ssl"'),
    "no-ssl-verify": (f"{ADDRESS} ssl_verify=off", r'needs "ssl"'),
    "ca-for-nothing": (f"{ADDRESS} ssl ssl_verify=off ssl_ca=ca.pem",
                       r'no use with "ssl_verify=off"'),
    "cert-alone": (f"{ADDRESS} ssl ssl_cert=cert.pem", r"each other"),
    "key-alone": (f"{ADDRESS} ssl ssl_key=key.pem", r"each other"),
    "ca-not-there": (f"{ADDRESS} ssl ssl_ca=none.pem", r"none\.pem"),
    "cert-not-there": (f"{ADDRESS} ssl ssl_cert=none.pem ssl_key=none.pem",
                       r"none\.pem"),
    "ssl-unix": ("unix:/s ssl", r"ssl_name=NAME"),
    "user-alone": (f"{ADDRESS} user=me", r'needs a "password="'),
    "sentinel-long": (f"{ADDRESS} sentinel=" + "x" * 254, r"too long"),
    "sentinel-cluster": (f"{ADDRESS} sentinel=x cluster",
                         r'cannot be a "cluster"'),
    "sentinel-password": (f"{ADDRESS} sentinel_password={SECRET}",
                          r'needs "sentinel="'),
    "cluster-unix": ("unix:/s cluster", r"cannot be reached"),
    "env-unset": (f"{ADDRESS} password=env:LLMOPS_NOT_SET",
                  r"LLMOPS_NOT_SET.*not set.*password=file:PATH"),
    "env-nameless": (f"{ADDRESS} password=env:", r"env:NAME"),
    "file-not-there": (f"{ADDRESS} password=file:none.key",
                       r"none\.key.*could not be opened"),
    "file-directory": (f"{ADDRESS} password=file:/tmp", r"regular file"),
    "file-nameless": (f"{ADDRESS} password=file:", r"file:PATH"),
}


def check(gateway, words, **parts):
    gw = gateway(http=f"llm_redis {words}; # here\n", location="return 204;",
                 start=False, **parts)
    return gw, gw.check()


@pytest.mark.parametrize("name", BAD)
def test_bad_line(gateway, name):
    words, told = BAD[name]
    gw, said = check(gateway, words)
    assert not said.ok
    (line,) = [text for text in said.stderr.splitlines() if "[emerg]" in text]
    assert re.search(told, line), line
    if not name.startswith(("ca-not", "cert-not")):
        assert line.endswith(f"in {said.conf}:{said.line_of('# here')}"), line
    assert SECRET not in said.stderr


def test_twice(gateway):
    gw = gateway(http=f"llm_redis {ADDRESS};\n llm_redis {ADDRESS}; # here",
                 start=False)
    said = gw.check()
    assert not said.ok and "is duplicate" in said.stderr
    assert f"{said.conf}:{said.line_of('# here')}" in said.stderr


def test_only_in_http(gateway):
    gw = gateway(server=f"llm_redis {ADDRESS};", start=False)
    said = gw.check()
    assert not said.ok and "is not allowed here" in said.stderr


def test_no_resolver(gateway):
    gw, said = check(gateway, "redis.example")
    assert not said.ok
    assert re.search(r'no resolver to resolve "redis.example".*'
                     rf'{said.conf}:{said.line_of("# here")}.*'
                     r'resolver ADDRESS', said.stderr)
    gw = gateway(http="resolver 127.0.0.1; llm_redis redis.example;",
                 location="return 204;", start=False)
    assert gw.check().ok


@pytest.mark.parametrize("words", [
    ADDRESS, "127.0.0.1", "[::1]", "[::1]:6380", "unix:/run/redis.sock",
    "127.0.0.1:1 127.0.0.2:1 [::1]:3", "127.0.0.1 cluster",
    "127.0.0.1 127.0.0.2 sentinel=mymaster sentinel_password=file:{key}",
    f"{ADDRESS} user=a password=file:{{key}} db=15 timeout=1ms prefix=gw1: "
    "fail=closed", f"{ADDRESS} ssl ssl_verify=off", f"{ADDRESS} ssl",
    "unix:/s=x ssl ssl_name=a", f"{ADDRESS} fail=open", f"{ADDRESS} fail=local",
    f"{ADDRESS} timeout=10s prefix=a.b-c_d/e:f",
])
def test_good_line(gateway, tmp_path, words):
    key = tmp_path / "key"
    key.write_text(SECRET)
    key.chmod(0o600)
    gw, said = check(gateway, words.replace("{key}", str(key)))
    assert said.ok, said.stderr
    assert "warn" not in said.stderr


def test_warnings(gateway, tmp_path):
    gw, said = check(gateway, f"{ADDRESS} password={SECRET}")
    assert said.ok and "password=env:NAME" in said.stderr
    assert SECRET not in said.stderr
    key = tmp_path / "key"
    key.write_text(SECRET)
    key.chmod(0o644)
    gw, said = check(gateway, f"{ADDRESS} password=file:{key}")
    assert said.ok and f"chmod 640 {key}" in said.stderr


@pytest.mark.parametrize("text, told", [
    ("", "is empty"), ("\n", "is empty"), ("x" * 4097, "longer than 4k"),
    ("a\nb\n", "more than one line")])
def test_bad_password_file(gateway, tmp_path, text, told):
    key = tmp_path / "key"
    key.write_text(text)
    key.chmod(0o600)
    gw, said = check(gateway, f"{ADDRESS} password=file:{key}")
    assert not said.ok and told in said.stderr


def test_password_file_that_is_a_fifo(gateway, tmp_path):
    """It does not hang."""
    os.mkfifo(tmp_path / "key")
    gw, said = check(gateway, f"{ADDRESS} password=file:{tmp_path}/key")
    assert not said.ok and "regular file" in said.stderr


def test_the_account_of_the_manual(redis, gateway, provider):
    """What docs/operations.md lets an account do is enough for all but
    vectors."""
    manual = (Path(__file__).parents[2] / "docs/operations.md").read_text()
    server = redis()
    server.do(*re.search(r"^ACL SETUSER .*$", manual, re.M)[0].split())
    admin = Admin(gateway(
        http=server.directive("user=gateway", "password=PASSWORD",
                              "timeout=2s")
        + "llm_feedback 1h; llm_prompt_store on;\n"
          "llm_limit few key=all requests=99/m tokens=9m/d;\n"
        + provider().upstream("up") + provider().upstream("new")
        + route("target up/a;", "limit few;", "cache ttl=1m always;",
                "sample share=100% redact=off;",
                "canary new/b share=1% by=$http_x_key guard=errors<9%;"),
        server="location /llm/ { llm_admin write; }", location="llm_pass;"))
    gw = admin.gateway
    connected(gw)
    answers = [gw.chat(headers=[("x-key", "k")]) for _ in range(2)]
    assert [a.header("x-llm-cache") for a in answers] == ["miss", "hit"]
    wait_for(lambda: len(admin.get("samples").json["data"]) == 1, 10, "sample")
    request = answers[0].header("x-llm-request-id")
    assert admin.post("feedback", {"request_id": request,
                                   "score": 1}).status == 200
    assert admin.post("cache/purge", {"all": True}).status == 200
    assert admin.delete("samples", client="x").status == 200
    assert admin.post("keys", {}).status == 201
    text = {"messages": [{"role": "user", "content": "hi"}]}
    assert admin.put("prompts/p/versions/v1", text).status == 201
    assert admin.post("rollouts/r/pause", {"reason": "x"}).status == 200
    assert admin.post("limits/few/reset", {"key": "all"}).status == 200
    id = admin.post("evaluations", {
        "candidates": [{"target": "up/a"}], "checks": [{"type": "json"}],
        "dataset": {"cases": [{"input": "x"}]}}).json["id"]
    wait_for(lambda: admin.get(f"evaluations/{id}").json["status"]
             == "completed", 10, "the evaluation")
    assert server.do("ACL", "LOG") == []
