"""A TLS error while the client is blocked must not stop a worker.

nginx up to 1.23.2 loops for ever when an unbuffered upstream's TLS breaks
while the client does not read.
"""

from __future__ import annotations

import os
import time

import pytest

from harness import answers, sse, unsent, wait_for

GARBAGE = b"\x17\x03\x03\x00\x40" + b"not a TLS record at all " * 20


def flood_then_garbage(test):
    """Breaks TLS as soon as the client takes no more."""
    def script(x):
        x.head(200, [answers.EVENTS], chunked=True)
        x.nodelay()
        event = sse.encode({"id": "c", "object": "chat.completion.chunk",
                            "created": 1, "model": "m", "choices": [
                                {"index": 0, "finish_reason": None,
                                 "delta": {"content": "x" * 500}}]})
        while not blocked(test):
            x.chunk(event)
            x.pause(0.003)
        x.raw(GARBAGE)
        test["broken"] = True
        x.stall(20)
    return script


def blocked(test) -> bool:
    """Whether nginx's queue to the client has stopped growing."""
    if "client" not in test:
        return False
    seen = test.setdefault("queue", [])
    seen.append(unsent(test["gateway"].port,
                       test["client"].sock.getsockname()[1]))
    return len(seen) > 3 and seen[-1] > 0 and len(set(seen[-3:])) == 1


def busy(gw, seconds: float) -> float:
    """The share of a CPU that the worker takes."""
    before = gw.cpu()
    time.sleep(seconds)
    return (gw.cpu() - before) / seconds


def blocked_client(gw, test):
    client = gw.connect(rcvbuf=4096)
    test.update(client=client, gateway=gw)
    client.request("POST", "/v1/chat/completions", json={
        "model": "m", "messages": [], "stream": True})
    return client


def until_broken(test):
    try:
        wait_for(lambda: "broken" in test, 60)
    except AssertionError:
        pytest.fail("TLS was not broken, the client's queue was "
                    f"{test.get('queue', [])[-9:]}")


def test_the_worker_stays_quiet(serve, authority):
    test = {}
    gw, up = serve(flood_then_garbage(test), listen="sndbuf=32k",
                   options={"tls": authority.server_context()},
                   upstream=[f"llm_ssl_trusted_certificate {authority.pem};",
                             "llm_ssl_name localhost;"])
    client = blocked_client(gw, test)
    until_broken(test)
    assert busy(gw, 5) < 0.1
    assert gw.get("/nothing").status == 404
    # and the client learns of it when it reads at last
    answer = client.read()
    assert answer.complete
    assert answer.events[-1].json["error"]


@pytest.mark.skipif(not os.environ.get("LLMOPS_PROVE"),
                    reason="LLMOPS_PROVE=1: the bug is in the nginx at hand")
def test_that_the_test_above_can_fail(gateway, provider, authority):
    test = {}
    up = provider(flood_then_garbage(test),
                  tls=authority.server_context())
    gw = gateway(module=False, listen="sndbuf=32k", location=f"""
        proxy_pass https://127.0.0.1:{up.port}; proxy_buffering off;
        proxy_http_version 1.1;""")
    client = blocked_client(gw, test)
    until_broken(test)
    share = busy(gw, 3)
    gw.problems.append("killed")
    gw.kill()
    gw.process = None
    gw.problems.clear()
    client.close()
    assert share > 0.5
