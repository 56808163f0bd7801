"""Reloads, ends of workers and of nginx, with streams in flight."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from harness import Reply, SLOW, answers, openai_wire, wait_for
from harness.util import LATE

STREAMS = int(os.environ.get("LLMOPS_STREAMS", "100"))


def held(go):
    """A stream that stops in its middle until go is set."""
    def script(x):
        stream = openai_wire.chat_stream(Reply(), x.request.json)
        x.head(200, [answers.EVENTS], chunked=True)
        for event in stream[:3]:
            x.chunk(event)
        x.wait(go, 30 * SLOW)
        for event in stream[3:]:
            x.chunk(event)
        x.last_chunk()
    return script


def start(gw, count):
    clients = [gw.connect() for _ in range(count)]
    for client in clients:
        client.request("POST", "/v1/chat/completions", json={
            "model": "m", "messages": [], "stream": True})
    for client in clients:
        client.read_until(b"Hell")
    return clients


def whole(client):
    answer = client.read()
    assert answer.status == 200 and answer.complete
    client.close()
    client.close()
    text = "".join(e.json["choices"][0]["delta"].get("content") or ""
                   for e in answer.events[:-1] if e.json["choices"])
    assert text == Reply().text and answer.events[-1].data == "[DONE]"


def test_no_stream_is_cut(serve, provider):
    go = threading.Event()
    second = provider(Reply(text="new"))
    gw, up = serve(held(go), workers=2)
    clients = start(gw, STREAMS)

    def in_flight():            # a request is left shortly after its answer
        wait_for(lambda: gw.metrics().sum("llm_requests_in_flight")
                 == STREAMS, 5, "the gauge to have the streams")

    in_flight()
    http = second.upstream("two") + """
        llm_route r { match *; target two; }"""
    gw.reload(http=gw.config.http.replace("match *", "match old") .replace(
        "llm_route r ", "llm_route q ") + http)
    assert len(gw.workers(leaving=True)) >= 1
    answer = gw.chat()
    assert answer.json["choices"][0]["message"]["content"] == "new"
    in_flight()
    go.set()
    for client in clients:
        whole(client)
    wait_for(lambda: not gw.workers(leaving=True), 10, "old workers to end")
    lines = gw.ledger(STREAMS + 1)
    assert all(line["llm_usage"] == "reported" for line in lines)


def test_reloads_all_the_time(serve):
    gw, up = serve(workers=2)
    end = threading.Event()
    failed, done = [], []

    def run(stream):
        while not end.is_set():
            try:
                answer = gw.chat(stream=stream)
                assert answer.status == 200 and answer.complete
                done.append(1)
            except Exception as error:
                failed.append(repr(error))
    pool = [threading.Thread(target=run, args=(i % 2 == 0,))
            for i in range(4)]
    for thread in pool:
        thread.start()
    for i in range(8):
        before = len(done)
        gw.reload(server=f"location = /r{i} {{ return 204; }}")
        wait_for(lambda: failed or len(done) > before + 2, 10, "answers")
    end.set()
    for thread in pool:
        thread.join()
    assert not failed


def test_a_bad_configuration_changes_nothing(serve):
    gw, up = serve()
    workers = gw.workers()
    gw.allow(r"\[emerg\].*nonsense")
    good = gw.config
    gw.config = gw.config.but(server="nonsense;")
    gw.write()
    os.kill(gw.master, signal.SIGHUP)
    wait_for(lambda: "nonsense" in gw.error_log(), 5, "the reload to fail")
    assert gw.workers() == workers and gw.chat().status == 200
    gw.config = good
    gw.reload()
    assert gw.chat().status == 200


def test_counters_outlive_a_reload(serve):
    gw, up = serve()
    for _ in range(3):
        gw.chat()
    name = "gen_ai_client_operation_duration_seconds_count"
    wait_for(lambda: gw.metrics().sum(name) == 3, 5, "three in the metrics")
    gw.reload(server="location = /n { return 204; }")
    assert gw.metrics().sum(name) == 3
    gw.chat()
    wait_for(lambda: gw.metrics().sum(name) == 4, 5, "the fourth")


def test_quit_waits_for_streams(serve):
    go = threading.Event()
    gw, up = serve(held(go))
    clients = start(gw, 5)
    os.kill(gw.master, signal.SIGQUIT)
    wait_for(lambda: gw.workers(leaving=True), 5, "the worker to leave")
    go.set()
    for client in clients:
        whole(client)
    gw.process.wait(10 * SLOW)


def test_worker_shutdown_timeout(serve):
    gw, up = serve(held(threading.Event()),
                   main="worker_shutdown_timeout 500ms;")
    clients = start(gw, 5)
    gw.reload(server="location = /n { return 204; }")
    wait_for(lambda: not gw.workers(leaving=True), 5, "the old worker's end")
    for client in clients:
        assert client.read().status == 200
    up.wait_closed_early(5)


def test_a_killed_workers_requests_are_not_counted_for_ever(serve):
    go = threading.Event()
    gw, up = serve(held(go), workers=1)
    clients = start(gw, 5)
    worker = gw.worker()
    gw.kill_worker(worker)
    for client in clients:
        assert not client.read().complete
    go.set()
    wait_for(gw.workers, 5, "a new worker")
    assert gw.chat().status == 200


def test_an_idle_worker_leaves_at_once(serve):
    """No timer of ours keeps it: DNS, keys, idle connections."""
    gw, up = serve()
    assert gw.chat().status == 200
    started = time.monotonic()
    gw.stop()
    assert time.monotonic() - started < 1 + LATE
    assert gw.process.returncode == 0


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_fast_end(serve, sig):
    gw, up = serve(held(threading.Event()))
    start(gw, 3)
    os.kill(gw.master, sig)
    assert gw.process.wait(10 * SLOW) == 0
