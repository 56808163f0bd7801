"""The harness itself, against nginx's own proxy_pass."""

from __future__ import annotations

import signal

import pytest

from harness import Reply, Reserved, SLOW, answers, openai_wire, sse, wait_for
from harness.client import Client
from harness.dns import SERVFAIL
from harness.metrics import parse


@pytest.fixture
def proxy(gateway, provider):
    """nginx's proxy_pass before a healthy provider."""
    def make(script=None, **parts):
        up = provider(script)
        http = (f"upstream up {{ server 127.0.0.1:{up.port}; keepalive 8; }}"
                if not up.tls else "")
        location = ("proxy_pass http://up; proxy_http_version 1.1; "
                    "proxy_set_header Connection ''; proxy_buffering off;")
        return gateway(http=http, location=location, module=False,
                       **parts), up
    return make


def test_a_request(proxy):
    gw, up = proxy()
    answer = gw.chat("hi", model="gpt-x")
    assert answer.status == 200 and answer.complete
    assert answer.json["choices"][0]["message"]["content"] == Reply().text
    assert up.last.json["model"] == "gpt-x"
    assert gw.ledger()[0]["upstream_status"] == "200"


def test_a_stream_in_pieces(proxy):
    stream = openai_wire.chat_stream(Reply(), {"model": "m"})
    gw, up = proxy(answers.events(stream, split=3))
    answer = gw.chat(stream=True)
    assert answer.body == b"".join(stream) and answer.complete
    assert answer.events[-1].data == "[DONE]"
    assert "usage" not in answer.events[0].json


@pytest.mark.parametrize("how,end", [("close", "closed"), ("reset", "closed")])
def test_a_cut_stream_is_seen(proxy, how, end):
    stream = openai_wire.chat_stream(Reply(), {"model": "m"})
    gw, up = proxy(answers.events(stream[:3], finish=getattr(answers, how)))
    answer = gw.chat(stream=True)
    assert answer.status == 200 and answer.end == end


def test_http2_in_clear_and_over_tls(proxy):
    gw, up = proxy(h2c=True)
    client = gw.connect_h2()
    streams = [client.request("POST", "/v1/chat/completions",
                              json={"model": f"m{i}", "stream": True})
               for i in range(5)]
    for stream in streams:
        answer = client.read(stream)
        assert answer.status == 200 and answer.complete
        assert answer.events[-1].data == "[DONE]"
    assert {r.json["model"] for r in up.requests} == {
        f"m{i}" for i in range(5)}


def test_tls(proxy):
    gw, up = proxy(tls=True)
    client = gw.connect_h2()
    answer = client.read(client.request(
        "POST", "/v1/embeddings", json={"model": "e", "input": "x"}))
    assert answer.json["data"][0]["embedding"] == openai_wire.vector("x")
    answer = gw.connect(tls=True).request(
        "POST", "/v1/embeddings", json={"model": "e", "input": "x"}).read()
    assert answer.status == 200


def test_an_aborted_request_reaches_the_provider(proxy):
    def script(x):
        x.head(200, [answers.EVENTS], chunked=True)
        x.chunk(b"data: {}\n\n")
        x.stall()
    gw, up = proxy(script)
    client = gw.connect()
    client.request("POST", "/v1/chat/completions", json={"stream": True})
    client.read_until(b"data: {}")
    client.reset()
    up.wait_closed_early()


def test_reload_and_processes(proxy):
    gw, up = proxy(workers=2)
    before = gw.workers()
    assert len(before) == 2
    gw.reload(server="location = /new { return 204; }")
    assert not set(before) & set(gw.workers())
    assert gw.get("/new").status == 204
    assert SLOW > 1 or gw.rss(gw.workers()[0]) > 1 << 20
    assert gw.fds(gw.workers()[0]) > 3
    gw.kill_worker(gw.workers()[0], signal.SIGKILL)
    wait_for(lambda: len(gw.workers()) == 2, 5, "the worker to come back")


def test_bad_configuration(gateway):
    gw = gateway(module=False, location="no_such_directive on;", start=False)
    check = gw.check()
    assert not check.ok and "no_such_directive" in check.stderr
    assert f"nginx.conf:{check.line_of('no_such_directive')}" in check.stderr


def test_tls_provider_and_sni(gateway, provider, authority):
    up = provider(tls=authority.server_context("models.test"))
    gw = gateway(module=False, location=f"""
        proxy_pass https://127.0.0.1:{up.port}; proxy_ssl_server_name on;
        proxy_ssl_name models.test; proxy_ssl_verify on;
        proxy_ssl_trusted_certificate {authority.pem};""")
    assert gw.chat().status == 200
    assert up.last.sni == "models.test"


def test_dns_changes(gateway, provider, dns):
    up = provider()
    dns.zone["up.test"] = SERVFAIL
    gw = gateway(module=False, http=dns.directive, location=f"""
        set $up up.test; proxy_pass http://$up:{up.port};""")
    assert gw.chat().status == 502
    dns.zone["up.test"] = ["127.0.0.1"]
    wait_for(lambda: gw.chat().status == 200, 5, "the new address")
    assert dns.count("up.test") >= 2


def test_what_may_not_be_in_a_log(gateway, provider):
    up = provider()
    gw = gateway(module=False, location=f"""
        proxy_pass http://127.0.0.1:{up.port};
        error_log logs/more.log info;""", server="""
        location = /leak { return 200; access_log logs/leak.log; }""")
    gw.chat()
    gw.get(f"/leak?key={up.key}")
    leak = gw.prefix / "logs" / "leak.log"
    wait_for(lambda: up.key in leak.read_text(), 5, "the line in the log")
    gw.log.open("a").write("2030/01/01 [alert] 1#1: open socket #3 left\n")
    gw.kill()
    problems = gw.finish(lambda: None)
    assert any("open socket" in p for p in problems)
    assert any("has the secret" in p for p in problems)
    assert any("ended with -9" in p for p in problems)
    gw.problems.clear()
    gw.log.write_text("")
    (gw.prefix / "logs" / "leak.log").unlink()
    gw.process = None


def test_one_connection_many_answers(proxy):
    gw, up = proxy()
    client = gw.connect()
    for number in range(3):
        answer = client.request("POST", "/v1/embeddings",
                                json={"model": "e", "input": "x"}).read()
        assert answer.complete
    assert {r.connection for r in up.requests} == {1}
    assert [r.number for r in up.requests] == [1, 2, 3]


def test_events_are_read_by_the_rules():
    text = (b"\xef\xbb\xbf: hello\r\nevent: a\r\ndata: 1\r\ndata:2\r\n\r\n"
            b"data: x\r\rdata: lost\n")
    events = sse.parse(text)
    assert [(e.event, e.data) for e in events] == [("a", "1\n2"),
                                                   ("message", "x")]
    assert events[0].comments == ["hello"]


def test_metrics_are_read_by_the_rules():
    found = parse('# TYPE a counter\na{x="1",y="q\\"z"} 2\na{x="2"} 3\n')
    assert found.sum("a") == 5 and found.sum("a", x="1") == 2
    with pytest.raises(AssertionError):
        parse("a{x=1} 2\n")
    with pytest.raises(AssertionError):
        parse('a{x="1"} 2\na{x="1"} 3\n')


def test_a_refused_port():
    port = Reserved()
    with pytest.raises(ConnectionRefusedError):
        Client(port.port)
    port.close()
