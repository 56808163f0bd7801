"""Everything at once, for as long as LLMOPS_SOAK says (seconds, default 4).

Callers of both dialects and protocols, some of whom leave; providers that
break off, stall or freeze; a reload every few seconds.  In the end every
request has been answered whole, or with an error that says so, nothing has
died, nothing is left, and memory and descriptors are what they were.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time

import pytest

from harness import (answers, anthropic_wire, Client, openai_wire, Reply,
                     route, wait_for)
from harness.client import encode_request

SECONDS = float(os.environ.get("LLMOPS_SOAK", "4"))
PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}


def unreliable(wire, path, seed):
    """A provider with one fault in ten answers."""
    chance, lock = random.Random(seed), threading.Lock()

    def script(x):
        with lock:
            fault = chance.choice(["close", "reset", "stall", "429", "500"]
                                  + [""] * 45)
            cut = chance.randint(1, 6)
        asked = x.request.json
        if fault in ("429", "500"):
            dialect = "anthropic" if path == "/v1/messages" else "openai"
            answers.error(dialect, int(fault), "soak")(x)
        elif fault and asked.get("stream"):
            stream = (wire.message_stream if path == "/v1/messages"
                      else wire.chat_stream)(Reply(), asked)
            answers.events(stream[:cut],
                           finish=getattr(answers, fault))(x)
        elif fault == "stall":
            x.stall(5)
        elif fault:
            getattr(x, fault)()
        else:
            wire.server(split=chance.choice([0, 7, 50]))(x)
    return script


class Callers:
    def __init__(self, gw):
        self.gw, self.end = gw, threading.Event()
        self.done, self.left, self.errors = 0, 0, 0
        self.wrong: list[str] = []
        self.threads = [threading.Thread(target=self.run, args=(i,))
                        for i in range(6)]
        for thread in self.threads:
            thread.start()

    def run(self, seed):
        chance = random.Random(seed)
        while not self.end.is_set():
            try:
                self.one(chance)
            except Exception as error:
                self.wrong.append(repr(error))

    def one(self, chance):
        caller = chance.choice(list(PATHS))
        stream = chance.random() < 0.7
        body = json.dumps({
            "model": chance.choice(["a", "b"]), "stream": stream,
            "max_tokens": 9, "messages": [
                {"role": "user", "content": "x" * chance.choice(
                    [1, 100, 20_000])}]}).encode()
        client = Client(self.gw.port, timeout=20)
        client.send(encode_request("POST", PATHS[caller], [
            ("Content-Type", "application/json")], body))
        client.expect()
        if chance.random() < 0.3:
            client.sock.settimeout(chance.random() * 0.02 + 0.001)
            client.read()
            client.reset()
            self.left += 1
            return
        answer = client.read()
        client.close()
        self.judge(answer, stream)

    def judge(self, answer, stream):
        if not answer.complete:
            # only a whole answer that was cut may be cut
            if stream or answer.status != 200:
                self.wrong.append(f"cut: {answer}")
            self.errors += 1
            return
        if answer.status != 200 or not stream:
            json.loads(answer.body)
            self.errors += answer.status != 200
            self.done += answer.status == 200
            return
        last = answer.events[-1]
        if last.data == "[DONE]" or last.event == "message_stop":
            self.done += 1
        elif last.event == "error" or "error" in last.json:
            self.errors += 1
        else:
            self.wrong.append(f"no end: {answer.body[-300:]!r}")

    def stop(self):
        self.end.set()
        for thread in self.threads:
            thread.join(30)


@pytest.mark.timeout(SECONDS * 2 + 120)
def test_all_at_once(gateway, provider):
    ups = {"o": provider(unreliable(openai_wire, "/v1/chat/completions", 1)),
           "p": provider(unreliable(openai_wire, "/v1/chat/completions", 2)),
           "a": provider(unreliable(anthropic_wire, "/v1/messages", 3),
                         dialect="anthropic")}
    gw = gateway(http="".join(up.upstream(
        name, "llm_timeouts first_token=1s idle=500ms total=3s;")
        for name, up in ups.items())
        + route("target o;", "fallback a;", "fallback p;", name="ra",
                match="a")
        + route("target a;", "fallback o;", name="rb", match="b"),
        workers=2)
    callers = Callers(gw)
    end = time.monotonic() + SECONDS
    reloads = 0
    # however slow it is, something has to have been done
    while time.monotonic() < end \
            or callers.done <= 20 and time.monotonic() < end + 60:
        time.sleep(min(2.0, max(0.1, end - time.monotonic())))
        reloads += 1
        gw.reload(server=f"location = /r{reloads} {{ return 204; }}")
    callers.stop()
    assert not callers.wrong, f"{len(callers.wrong)}: {callers.wrong[:3]}"
    assert callers.done > 20
    wait_for(lambda: not gw.workers(leaving=True), 20, "old workers to end")
    wait_for(lambda: gw.metrics().sum("llm_requests_in_flight") == 0, 10,
             "no request in flight")
    for worker in gw.workers():
        assert gw.rss(worker) < 96 << 20
        assert gw.fds(worker) < 200
