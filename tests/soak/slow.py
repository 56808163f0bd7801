#!/usr/bin/env python3
"""A 100 MB stream to a caller who reads slowly: memory stays what it was.

    build/venv/bin/python tests/soak/slow.py --megabytes 100

Once with the same dialect on both sides, once translated.  The provider sends
as fast as it is let; the worker may not grow, and the provider may not get
far ahead of the caller, who must see the whole stream in the end.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import (answers, anthropic_wire, Client, Config, Gateway,
                     openai_wire, Provider, Reply, route)

MB = 1 << 20
GROWTH = MB // 2
AHEAD = 24 * MB             # sockets' buffers, of two connections


def flood(dialect, size, sent):
    """A long answer; sent[0] is how much of it has been taken."""
    def script(x):
        reply = Reply(text="word " * 40, piece=200)
        if dialect == "openai":
            parts = openai_wire.chat_stream(reply, x.request.json)
        else:
            parts = anthropic_wire.message_stream(reply, x.request.json)
        at = next(i for i, part in enumerate(parts) if b"word" in part)
        x.head(200, [answers.EVENTS], chunked=True)
        x.chunk(b"".join(parts[:at]))
        block = parts[at] * (16384 // len(parts[at]))
        while sent[0] < size:
            x.chunk(block)
            sent[0] += len(block)
        x.chunk(b"".join(parts[at + 1:]))
        x.last_chunk()
    return script


def stream(dialect, size, rate, directory):
    sent = [0]
    provider = Provider(flood(dialect, size, sent), dialect=dialect,
                        key="sk-provider-of-the-slow-one")
    gw = Gateway(directory, Config(
        http=provider.upstream("up", "llm_timeouts idle=60s total=1h;")
        + route("target up/m;")), authority=None, providers=[provider])
    problems = []
    try:
        gw.start()
        sent[0] = size              # a short one: what the first allocates
        gw.chat(stream=True)
        sent[0] = 0
        client = Client(gw.port, rcvbuf=16384, timeout=60)
        client.request("POST", "/v1/chat/completions", json={
            "model": "m", "stream": True, "messages": [
                {"role": "user", "content": "much"}]})
        got, seen, tail, ahead = 0, [], b"", 0
        start = time.monotonic()
        while not tail.endswith(b"\r\n0\r\n\r\n"):
            data = client.sock.recv(65536)
            if not data:
                problems.append(f"cut after {got} bytes")
                break
            got += len(data)
            tail = (tail + data)[-300:]
            if len(seen) < got // MB:
                seen.append(gw.rss())
            # a translation changes the sizes: the share of it that is done
            if dialect == "openai":
                ahead = max(ahead, sent[0] - got)
            time.sleep(max(0.0, start + got / rate - time.monotonic()))
        early, late = max(seen[:2]), max(seen)
        print(f"{dialect}: {got / MB:.0f} MB in "
              f"{time.monotonic() - start:.0f} s, worker {early >> 10} -> "
              f"{late >> 10} KB, provider ahead by {ahead / MB:.1f} MB")
        if late > early + GROWTH:
            problems.append(f"the worker grew from {early >> 10} to "
                            f"{late >> 10} KB")
        if ahead > AHEAD:
            problems.append(f"the provider was {ahead} bytes ahead")
        if b"[DONE]" not in tail:
            problems.append(f"the end is {tail!r}")
        if got < size * 0.5:
            problems.append(f"only {got} bytes came")
        client.close()
    finally:
        problems += gw.finish(lambda: None)
        provider.stop()
    return [f"{dialect}: {problem}" for problem in problems]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--rate", type=float, default=8,
                        help="megabytes a second that the caller reads")
    opt = parser.parse_args()
    problems = []
    for dialect in "openai", "anthropic":
        with tempfile.TemporaryDirectory(prefix="slow-") as directory:
            problems += stream(dialect, opt.megabytes * MB, opt.rate * MB,
                               Path(directory))
    for problem in problems:
        print("PROBLEM:", problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
