"""The status page, as a person sees it."""

from __future__ import annotations

import random
import threading
import time
from typing import Any, Iterator

import pytest

from harness import Reply, answers, openai_wire, route, wait_for
from harness.canary import ADMIN
from harness.openapi import Admin

CHAT = "/v1/chat/completions"
HOSTILE = "<img src=x onerror=alert(1)>"


def moody(failing: float, text: str, seconds: float, seed: int) -> Any:
    """A provider that fails now and then, and takes its time."""
    chance = random.Random(seed)
    good = openai_wire.server(Reply(text=text, input=400, output=90))
    bad = answers.openai_error(503)

    def script(x: Any) -> None:
        time.sleep(seconds * chance.uniform(0.3, 1.6))
        (bad if chance.random() < failing else good)(x)
    return script


class Traffic:
    """Callers in the background, until the test has ended."""

    def __init__(self, gateway: Any, models: list[str], at_once: int = 3):
        self.gateway, self.models, self.end = gateway, models, False
        self.threads = [threading.Thread(target=self.run, args=(i,))
                        for i in range(at_once)]
        for thread in self.threads:
            thread.start()

    def run(self, who: int) -> None:
        n = 0
        while not self.end and n < 5000:
            n += 1
            self.gateway.post(CHAT, {
                "model": self.models[n % len(self.models)],
                "stream": n % 3 != 0, "temperature": 0,
                "messages": [{"role": "user", "content": f"q{n % 7}"}],
            }, headers=[("x-key", f"key{who}-{n}")])

    def stop(self) -> None:
        self.end = True
        for thread in self.threads:
            thread.join()


@pytest.fixture
def busy(gateway: Any, provider: Any) -> Iterator[Any]:
    """A gateway with all that the page can show, and callers."""
    traffic: list[Traffic] = []

    def make(**parts: Any) -> Any:
        good = provider(moody(0.02, "Yes, it is.", 0.03, 1))
        new = provider(moody(0.30, "I cannot help.", 0.06, 2))
        price = "llm_price * input=2.00 output=8.00;"
        gw = gateway(http=good.upstream("up", price)
                     + new.upstream("new", price) + """
    upstream off { server 127.0.0.1:1; llm_dialect openai; }
    llm_limit per_all key=all requests=100000/m tokens=60m/m;
    llm_quota per_day key=all cost=500usd/day;
    llm_pattern sorry "cannot help";
    llm_rules strict {
        output deny match=sorry on_fail=mark;
    }
""" + route("target up/large;", "limit per_all per_day;", "rules strict;",
            "canary new/large-2 share=50% by=$http_x_key steps=50%,100% "
            "hold=1h guard=errors<90% guard=errors<+80% "
            "guard=first_token_p95<90s guard=failures<40 min=200;",
            name="chat", match="chat")
            + route("target up/small;", "cache ttl=10m;", "fallback off/x;",
                    name="summarize", match="sum*")
            + route("target off/small;", "fallback up/small;",
                    name=f'"{HOSTILE}"', match="hostile"),
                     server=ADMIN, **parts)
        wait_for(lambda: Admin(gw).get("rollouts").json["rollouts"][0]["since"]
                 > 0, 10, "a document")
        traffic.append(Traffic(gw, ["chat", "sum1", "chat", "hostile"]))
        return gw
    yield make
    for one in traffic:
        one.stop()


def test_what_is_seen(busy, look):
    gw = busy()
    page = look(gw)
    page.page.wait_for_timeout(6500)
    page.picture("light")
    dark = look(gw, "/read/", color_scheme="dark",
                viewport={"width": 390, "height": 844})
    dark.page.wait_for_timeout(4500)
    dark.picture("dark")
    assert dark.width_beyond() == 0
