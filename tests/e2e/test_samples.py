"""Samples: what is recorded of requests, and what must never be."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from harness import Reply, answers, route, wait_for
from harness.openapi import Admin

RECORDED = "llm_samples_total"
RULES = """
llm_pattern email "[a-z.]{1,40}@[a-z.]{1,40}";
llm_rules private { input redact match=email; }
"""
KEY = "ab" * 32
OTHER = "cd" * 32
ADMIN = """
location /llm/ { llm_admin write; }
"""


@pytest.fixture
def sampled(gateway, provider):
    """A gateway that records, and its admin API."""
    def make(words="share=100% redact=private", script=None, *, engine="",
             lines=(), http="", candidate=None, shadow="", dialect="openai",
             **parts):
        up = provider(script, dialect=dialect)
        conf = up.upstream("up", "llm_price good input=2 output=4;")
        lines = list(lines)
        if shadow:
            new = provider(candidate)
            conf += new.upstream("new")
            lines.append(f"shadow new/next {shadow};")
        conf += engine + http + RULES
        conf += route("target up/good;", f"sample {words};", *lines)
        admin = Admin(gateway(http=conf, server=ADMIN, **parts))
        if "llm_redis " in engine:
            wait_for(lambda: admin.gateway.metrics().sum("llm_redis_up") > 0)
        admin.up = up
        return admin
    return make


def listed(admin, count, **query):
    def there():
        got = admin.get("samples", **query)
        assert got.status == 200, got.body
        return len(got.json["data"]) == count and got.json
    return wait_for(there, 10, f"{count} samples")


def test_nothing_unless_asked(sampled):
    admin = sampled("share=0% redact=off")
    assert admin.gateway.chat().status == 200
    assert listed(admin, 0)["data"] == []


@pytest.mark.parametrize("stream", [False, True])
def test_one(sampled, engine, stream):
    admin = sampled(engine=engine, script=Reply(text="write to me@b.org now"))
    answer = admin.gateway.chat("I am a.b@c.org", stream=stream,
                                headers=[("Authorization", "Bearer sk-secret")])
    assert answer.status == 200
    [sample] = listed(admin, 1)["data"]
    assert sample["object"] == "sample" and sample["route"] == "r"
    assert sample["target"] == "up/good"
    assert sample["request_id"] == answer.header("x-llm-request-id")
    assert sample["request"]["messages"] == [
        {"role": "user", "content": "I am [REDACTED]"}]
    assert sample["answer"]["text"] == "write to [REDACTED] now"
    assert sample["answer"]["message"]["role"] == "assistant"
    assert sample["cost"] > 0 and sample["usage"]["output"] > 0
    assert sample["shadow"] is None and sample["verdict"] is None
    assert "sk-secret" not in json.dumps(sample)
    one = admin.get(f"samples/{sample['id']}")
    assert one.status == 200
    assert {k: v for k, v in one.json.items() if k != "v"} == sample
