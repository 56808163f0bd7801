"""Connections to providers are used again, and never when they may not be."""

from __future__ import annotations

import os
import threading
import time

import pytest

from harness import (Reply, Reserved, answers, openai_wire, route,
                     wait_for)

LOOPS = int(os.environ.get("LLMOPS_KEEPALIVE_LOOPS", "100"))


def many(gw, count, stream=False, client=None):
    client = client or gw.connect()
    for _ in range(count):
        answer = client.request("POST", "/v1/chat/completions", json={
            "model": "m", "messages": [], "stream": stream}).read()
        assert answer.status == 200 and answer.complete


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_one_connection_is_enough(serve, authority, stream, tls):
    options = {"tls": authority.server_context()} if tls else {}
    lines = [f"llm_ssl_trusted_certificate {authority.pem};"] if tls else []
    gw, up = serve(upstream=lines, options=options)
    many(gw, 10, stream)
    assert up.connections == 1
    assert [r.number for r in up.requests] == list(range(1, 11))
    assert all(not r.header("connection")
               or r.header("connection") == "keep-alive"
               for r in up.requests)


def test_as_many_as_are_needed(serve):
    gw, up = serve(openai_wire.server(pause=0.005))
    pool = [threading.Thread(target=many, args=(gw, 5, True))
            for _ in range(8)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()
    assert len(up.requests) == 40 and up.connections <= 8


@pytest.mark.parametrize("script", [
    answers.json({"ok": 1}, headers=[("Connection", "close")]),
    answers.body(b'{"ok":1}', framing="eof"),
    answers.raw(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n"
                b"Content-Length: 8\r\n\r\n{\"ok\":1}", then="keep"),
], ids=["close", "eof", "http-1.0"])
def test_a_connection_that_is_over(serve, script):
    gw, up = serve(script)
    many(gw, 4)
    assert up.connections == 4


def test_an_idle_connection_that_was_closed(serve):
    gw, up = serve()
    for _ in range(5):
        many(gw, 1)
        up.drop_connections()
        wait_for(lambda: up.open_connections == 0, 5, "it to close")
    many(gw, 1)
    assert len(up.requests) == 6


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
def test_closed_just_when_the_next_request_comes(serve, reset):
    """A reused connection that dies before the first byte: once more."""
    def script(x):
        if x.request.number > 1:
            x.reset() if reset else x.close()
        openai_wire.server()(x)
    gw, up = serve(script)
    many(gw, 6)
    fresh = [r for r in up.requests if r.number == 1]
    assert len(fresh) == 6
    assert gw.ledger(6)[-1]["status"] == "200"


def test_closed_a_moment_after_each_answer(serve):
    pauses = [0, 0.0005, 0.001, 0.002, 0.005]

    def script(x):
        openai_wire.server()(x)
        time.sleep(pauses[len(up.requests) % len(pauses)])
        x.close()
    gw, up = serve()
    up(script)
    many(gw, LOOPS)
    assert len(gw.ledger(LOOPS)) == LOOPS


def test_a_timeout_on_a_reused_connection_is_a_timeout(serve, clock):
    """It must not be taken for a stale connection and tried again."""
    def script(x):
        if x.request.number > 1:
            clock.advance(minutes=11)
            x.stall()
        openai_wire.server()(x)
    gw, up = serve(script, lines=["retry attempts=1;"])
    many(gw, 1)
    answer = gw.chat()
    assert answer.status == 504 and len(up.requests) == 2


def test_extra_bytes_after_an_answer(serve):
    """They are nobody's answer."""
    def script(x):
        openai_wire.server()(x)
        x.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
               b"X-Smuggled: 1\r\n\r\nwrong")
    gw, up = serve(script)
    client = gw.connect()
    for _ in range(5):
        answer = client.request("POST", "/v1/chat/completions", json={
            "model": "m", "messages": []}).read()
        assert not answer.header("x-smuggled")
        assert answer.json["choices"]
        # what comes after the next request is its
        wait_for(lambda: up.open_connections == 0, 5, "it to be hung up")


def test_more_than_the_length_says(serve):
    def script(x):
        x.head(200, [answers.JSON], length=8)
        x.send(b'{"ok":1}' + b"EXTRA" * 10)
    gw, up = serve(script)
    for _ in range(3):
        assert gw.chat().body == b'{"ok":1}'
    assert up.connections == 3


def test_an_aborted_stream_is_not_kept(serve):
    def script(x):
        stream = openai_wire.chat_stream(Reply(), x.request.json)
        x.head(200, [answers.EVENTS], chunked=True)
        for event in stream[:3]:
            x.chunk(event)
        x.stall()
    gw, up = serve(script)
    client = gw.connect()
    client.request("POST", "/v1/chat/completions", json={
        "model": "m", "messages": [], "stream": True})
    client.read_until(b"Hell")
    client.close()
    up.wait_closed_early()
    up(openai_wire.server())
    many(gw, 1)
    assert up.last.number == 1 and up.connections == 2


def test_names_at_one_address_do_not_share(gateway, provider, authority,
                                           dns):
    """Two providers behind one address, as at a CDN."""
    context = authority.server_context("a.test", "b.test")
    up = provider(tls=context)
    dns.zone.update({"a.test": ["127.0.0.1"], "b.test": ["127.0.0.1"]})
    blocks = "".join(f"""
        upstream {n} {{ llm_endpoint https://{n}.test:{up.port}/v1;
            llm_dialect openai;
            llm_ssl_trusted_certificate {authority.pem}; }}
        llm_route {n} {{ match {n}; target {n}; }}""" for n in "ab")
    gw = gateway(http=dns.directive + blocks)
    for n in "ab":
        wait_for(lambda: gw.chat(model=n).status == 200, 5, "an answer")
    for _ in range(4):
        for n in "ab":
            assert gw.chat(model=n).status == 200
    for request in up.requests:
        assert request.sni == request.json["model"] + ".test"
    assert up.connections == 2


def test_native_balancing(gateway, provider):
    ups = [provider() for _ in range(3)]
    servers = "".join(f"server 127.0.0.1:{u.port};" for u in ups)
    gw = gateway(http=f"""
        upstream up {{ zone up 64k; {servers} llm_dialect openai; }}
        """ + route("target up;"))
    for _ in range(12):
        assert gw.chat().status == 200
    assert [len(u.requests) for u in ups] == [4, 4, 4]
    assert all(u.connections == 1 for u in ups)


def test_the_native_keepalive_line_works_too(gateway, provider):
    up = provider()
    gw = gateway(http=f"""
        upstream up {{ server 127.0.0.1:{up.port}; llm_dialect openai;
                      keepalive 2; }}""" + route("target up;"))
    many(gw, 6)
    assert up.connections == 1


def test_a_dead_server_of_a_provider(gateway, provider):
    dead, up = Reserved(), provider()
    gw = gateway(http=f"""
        upstream up {{ server 127.0.0.1:{dead.port}; server
                      127.0.0.1:{up.port}; llm_dialect openai; }}"""
                 + route("target up;", "retry attempts=3;"))
    for _ in range(6):
        assert gw.chat().status == 200
    dead.close()


def test_idle_connections_do_not_outlive_a_reload(serve):
    gw, up = serve()
    many(gw, 3)
    assert up.open_connections == 1
    gw.reload(server="location = /n { return 204; }")
    wait_for(lambda: up.open_connections == 0, 5, "the old one to close")
