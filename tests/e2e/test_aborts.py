"""Callers and providers that leave, at any moment.

LLMOPS_ABORTS sets how many of each kind (default 60).
"""

from __future__ import annotations

import json
import os
import random
import threading
import time

import pytest

from harness import (Client, Reply, answers, anthropic_wire, openai_wire,
                     wait_for)
from harness.client import encode_request

ABORTS = int(os.environ.get("LLMOPS_ABORTS", "60"))
ASK = {"model": "m", "messages": [{"role": "user", "content": "x"}],
       "max_tokens": 5}
CALLERS = pytest.mark.parametrize("caller", ["openai", "anthropic"])
PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}


def endless(x):
    """A stream that goes on until the gateway closes."""
    stream = openai_wire.chat_stream(Reply(text="tick " * 20), {"model": "m"})
    x.head(200, [answers.EVENTS], chunked=True)
    x.chunk(stream[0])
    while True:
        x.chunk(stream[1])
        x.pause(0.01)


def endless_anthropic(x):
    stream = anthropic_wire.message_stream(Reply(text="tick " * 20),
                                           {"model": "m"})
    x.head(200, [answers.EVENTS], chunked=True)
    for event in stream[:3]:
        x.chunk(event)
    while True:
        x.chunk(stream[3])
        x.pause(0.01)


ENDLESS = {"openai": endless, "anthropic": endless_anthropic}


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
@CALLERS
def test_a_caller_that_leaves_stops_the_provider(serve, how, dialect, caller):
    gw, up = serve(ENDLESS[dialect], dialect=dialect)
    client = gw.connect()
    client.request("POST", PATHS[caller], json={**ASK, "stream": True})
    client.read_until(b"tick")
    getattr(client, how)()
    up.wait_closed_early()
    line = gw.ledger()[0]
    assert line["llm_error"] and line["llm_usage"] == "estimated"
    assert int(line["llm_output_tokens"]) >= 1


def test_a_cancelled_http2_stream_stops_the_provider(serve):
    gw, up = serve(endless, h2c=True)
    client = gw.connect_h2()
    one = client.request("POST", PATHS["openai"], json={**ASK,
                                                        "stream": True})
    client.read_until(one, b"tick")
    client.cancel(one)
    up.wait_closed_early()
    up(openai_wire.server())
    two = client.request("POST", PATHS["openai"], json=ASK)
    assert client.read(two).status == 200


def test_a_caller_that_leaves_before_the_answer(serve):
    gw, up = serve(answers.stall)
    client = gw.connect()
    client.request("POST", PATHS["openai"], json=ASK)
    up.wait_requests(1)
    client.close()
    up.wait_closed_early()
    assert gw.ledger()[0]["status"] == "499"


def test_a_caller_that_leaves_is_not_failed_over(chain):
    gw, (first, second) = chain(answers.stall, None)
    client = gw.connect()
    client.request("POST", PATHS["openai"], json=ASK)
    first.wait_requests(1)
    client.reset()
    first.wait_closed_early()
    gw.ledger()
    assert not second.requests


@pytest.mark.parametrize("when", ["before", "within"])
def test_the_provider_may_go_on(serve, when):
    """llm_ignore_client_abort: the true usage is learnt."""
    go = threading.Event()

    def script(x):
        stream = openai_wire.chat_stream(Reply(input=11, output=22),
                                         x.request.json)
        if when == "before":
            x.wait(go)
        x.head(200, [answers.EVENTS], chunked=True)
        x.chunk(stream[0] + stream[1])
        if when == "within":
            x.wait(go)
        for event in stream[2:]:
            x.chunk(event)
            x.pause(0.01)
        x.last_chunk()
    gw, up = serve(script, location="llm_pass; llm_ignore_client_abort on;")
    client = gw.connect()
    client.request("POST", PATHS["openai"], json={**ASK, "stream": True})
    up.wait_requests(1)
    if when == "within":
        client.read_until(b"Hell")
    client.reset()
    time.sleep(0.2)
    go.set()
    wait_for(lambda: up.last.finished, 5, "the provider to finish")
    assert not up.last.closed_early
    line = gw.ledger()[0]
    assert (line["llm_input_tokens"], line["llm_output_tokens"],
            line["llm_usage"]) == ("11", "22", "reported")


def test_a_half_closed_caller_still_gets_its_answer(serve):
    """FIN right after the request: nginx's own way is to give up."""
    gw, up = serve()
    client = gw.connect()
    client.request("POST", PATHS["openai"], json=ASK)
    client.shut()
    answer = client.read()
    assert answer.status in (0, 200)


# -- at random ----------------------------------------------------------------

def drip(x):
    """A slow, whole stream of the dialect that was asked for."""
    asked = x.request.json
    if x.request.path == "/v1/messages":
        stream = anthropic_wire.message_stream(Reply(), asked)
    else:
        stream = openai_wire.chat_stream(Reply(), asked)
    if not asked.get("stream"):
        make = {"/v1/messages": anthropic_wire.message}.get(
            x.request.path, openai_wire.chat)
        x.pause(0.01)
        answers.json(make(Reply(), asked), split=40, pause=0.002)(x)
        return
    x.head(200, [answers.EVENTS], chunked=True)
    for event in stream:
        x.pause(0.002)
        x.chunk(event)
    x.last_chunk()


def breaking(seed):
    """Ends somewhere, somehow; sometimes as it should."""
    chance = random.Random(seed)
    lock = threading.Lock()

    def script(x):
        with lock:
            kind = chance.choice(["close", "reset", "garbage", "none",
                                  "stall", "close", "reset"])
            share, split = chance.random(), chance.randint(1, 60)
        asked = x.request.json
        if x.request.path == "/v1/messages":
            stream = b"".join(anthropic_wire.message_stream(Reply(), asked))
        else:
            stream = b"".join(openai_wire.chat_stream(Reply(), asked))
        head = (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n")
        body = b"".join(
            b"%x\r\n%b\r\n" % (len(stream[at:at + split]),
                               stream[at:at + split])
            for at in range(0, len(stream), split)) + b"0\r\n\r\n"
        raw = head + body
        if kind == "none":
            x.send(raw)
            return
        x.send(raw[:int(len(raw) * share)])
        if kind == "garbage":
            x.send(b"\xff\r\n\x00garbage")
            x.close()
        elif kind == "stall":
            x.stall(20)
        else:
            getattr(x, kind)()
    return script


@pytest.fixture
def four(gateway, provider):
    """Every pair of dialects, by the model's name: oo, oa, ao, aa."""
    def make(script, *upstream, **parts):
        ups = {d: provider(script, dialect=d)
               for d in ("openai", "anthropic")}
        http = "".join(up.upstream(d, *upstream) for d, up in ups.items())
        http += "".join(f"llm_route {d} {{ match {d}; target {d}; }}"
                        for d in ups)
        return gateway(http=http, **parts), ups
    return make


def in_threads(run, count, threads=4):
    """run(i) for i below count; what was raised."""
    errors, numbers = [], iter(range(count))
    lock = threading.Lock()

    def work():
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            try:
                run(number)
            except Exception as error:
                errors.append(f"{number}: {error!r}")
    pool = [threading.Thread(target=work) for _ in range(threads)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()
    return errors


def choose(chance):
    caller = chance.choice(["openai", "anthropic"])
    model = chance.choice(["openai", "anthropic"])
    body = json.dumps({**ASK, "model": model,
                       "stream": chance.random() < 0.8}).encode()
    return caller, body


@pytest.mark.timeout(600)
def test_random_aborts_by_callers(four):
    gw, ups = four(drip)

    def run(number):
        chance = random.Random(number)
        caller, body = choose(chance)
        client = Client(gw.port)
        request = encode_request("POST", PATHS[caller], [
            ("Content-Type", "application/json")], body)
        if chance.random() < 0.1:
            request = request[:chance.randint(1, len(request))]
        client.send(request)
        client.expect()
        client.sock.settimeout(chance.random() * 0.06 + 0.001)
        client.read()
        client.reset() if chance.random() < 0.5 else client.close()
    assert not in_threads(run, ABORTS)
    for model in ups:
        assert gw.chat(model=model).status == 200
        assert gw.messages(model=model, stream=True).complete


@pytest.mark.timeout(600)
def test_random_aborts_by_http2_callers(four):
    gw, ups = four(drip, h2c=True)

    def run(number):
        chance = random.Random(number)
        client = gw.connect_h2(timeout=5)
        streams = []
        for _ in range(4):
            caller, body = choose(chance)
            streams.append(client.request("POST", PATHS[caller], body))
        client.sock.settimeout(0.02)
        for stream in streams:
            if chance.random() < 0.3:
                client.wait(stream, lambda r: r.body)
            if not client.streams[stream].end and not client.closed:
                client.cancel(stream)
        client.close()
    assert not in_threads(run, max(1, ABORTS // 4))
    assert gw.chat(model="openai").status == 200


def model_of(body: bytes) -> str:
    return json.loads(body)["model"]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("protocol", ["h1", "h2"])
def test_random_aborts_by_providers(four, protocol):
    """Each answer is whole, or says that it is not."""
    gw, ups = four(breaking(7), "llm_timeouts first_token=2s idle=200ms;",
                   h2c=protocol == "h2")

    def run(number):
        chance = random.Random(number)
        caller, body = choose(chance)
        body = json.dumps({**json.loads(body), "stream": True}).encode()
        if protocol == "h2":
            client = gw.connect_h2()
            answer = client.read(client.request("POST", PATHS[caller], body))
        else:
            client = Client(gw.port)
            answer = client.request("POST", PATHS[caller], body).read()
        client.close()
        assert answer.complete, answer
        if answer.status != 200:
            assert answer.status in (502, 504, 503, 529, 429), answer
            assert answer.json["error"]["message"]
            return
        last = answer.events[-1]
        ended = b"[DONE]" in answer.body or \
            b'"type":"message_stop"' in answer.body
        failed = last.data != "[DONE]" and (
            last.event == "error" or "error" in last.json)
        assert ended != failed, (model_of(body), answer.body[-300:])
    errors = in_threads(run, ABORTS)
    assert not errors, "\n".join(errors[:5])


def test_memory_and_descriptors_stay(serve):
    """The same request again and again costs nothing that stays."""
    gw, up = serve(openai_wire.server())
    client = gw.connect()

    def some(count):
        for i in range(count):
            answer = client.request("POST", PATHS["openai"], json={
                **ASK, "stream": i % 2 == 0}).read()
            assert answer.complete
    some(200)
    memory, descriptors = gw.rss(), gw.fds()
    some(600)
    assert gw.rss() - memory < 512 << 10
    assert gw.fds() == descriptors
