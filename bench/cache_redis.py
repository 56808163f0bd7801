"""A hit from Redis beside a bare GETRANGE of the same value.

    build/venv/bin/python -m pytest -c tests/pytest.ini --rootdir tests \
        -q -n 0 -s bench/cache_redis.py

One gateway stores, another one that has nothing in its memory is asked; each
key once, on one connection, one request at a time.  Beside it stand a hit from
shared memory and the bare command, on one connection each.
"""

from __future__ import annotations

import http.client
import json
import statistics
import time

from harness import Reply, openai_wire, route, wait_for
from harness.redis import encode

CHAT = "/v1/chat/completions"
N = 500


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
    print(f"\np50: from redis {p50(far):.0f} us, from shared memory "
          f"{p50(near):.0f} us, bare GETRANGE {p50(bare):.0f} us; redis - "
          f"memory - GETRANGE = {p50(far) - p50(near) - p50(bare):.0f} us")
