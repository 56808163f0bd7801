"""A hit from Redis beside a bare GETRANGE of the same value; a search there.

    bench/run --only cache,near

One gateway stores, another one that has nothing in its memory is asked; each
key once, on one connection, one request at a time.  Beside it stand a hit from
shared memory and the bare command, on one connection each.  What is measured
goes to the file BENCH_OUT, one JSON object a line.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import statistics
import struct
import time

from harness import Reply, openai_wire, route, wait_for
from harness.redis import encode

CHAT = "/v1/chat/completions"
N = 500
VECTORS = 1000
DIMS = 1536


def tell(**figures):
    with open(os.environ.get("BENCH_OUT", "/dev/stdout"), "a") as out:
        print(json.dumps(figures), file=out)


def ask(n):
    return json.dumps({"model": "m", "temperature": 0, "messages": [
        {"role": "user", "content": f"question {n}"}]}).encode()


def times(gw, bodies, status):
    conn = http.client.HTTPConnection("127.0.0.1", gw.port)
    spent = []
    for body in bodies:
        start = time.perf_counter()
        conn.request("POST", CHAT, body,
                     {"Content-Type": "application/json"})
        answer = conn.getresponse()
        answer.read()
        spent.append((time.perf_counter() - start) * 1e6)
        assert answer.getheader("x-llm-cache") == status
    return spent


def test_p50(redis, gateway, provider):
    server = redis()
    up = provider(openai_wire.server(Reply(text="word " * 200)))
    text = (up.upstream("up") + route("target up/m;", "cache ttl=10m;")
            + server.directive())
    one, two = gateway(http=text), gateway(http=text)
    bodies = [ask(n) for n in range(N)]
    times(one, bodies, "miss")
    wait_for(lambda: len(server.do("KEYS", "llm:c:*")) == N)
    keys = server.do("KEYS", "llm:c:*")
    far = times(two, bodies, "hit")
    near = times(two, bodies, "hit")
    resp = server.connect()
    bare = []
    for key in keys:
        start = time.perf_counter()
        resp.send(encode("GETRANGE", key, 0, 1048576))
        resp.read()
        bare.append((time.perf_counter() - start) * 1e6)
    p50 = statistics.median
    tell(redis=p50(far), memory=p50(near), getrange=p50(bare))


def test_search(redis8):
    """As the semantic cache asks: the nearest ones that are not over."""
    def blob():
        return struct.pack(f"{DIMS}f", *(random.gauss(0, 1)
                                         for _ in range(DIMS)))

    server = redis8()
    resp = server.connect()
    for n in range(VECTORS):
        resp.send(encode("VADD", "s", "FP32", blob(), f"e{n}", "Q8", "SETATTR",
                         '{"exp":9000000000000}'))
        assert resp.read() == 1
    spent = []
    for _ in range(200):
        command = encode("VSIM", "s", "FP32", blob(), "WITHSCORES", "COUNT", 8,
                         "FILTER", ".exp > 1795654833123")
        start = time.perf_counter()
        resp.send(command)
        assert len(resp.read()) == 16
        spent.append((time.perf_counter() - start) * 1e6)
    tell(vsim=statistics.median(spent))
