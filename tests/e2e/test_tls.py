"""TLS to providers, and from callers."""

from __future__ import annotations

import ssl

import pytest
import trustme

from harness import Reply, answers, openai_wire, route, wait_for


@pytest.fixture
def secure(gateway, provider, authority):
    """A gateway before a TLS provider; lines go into its upstream{}."""
    def make(context=None, script=None, lines=(), trust=True, fallback=None,
             **parts):
        up = provider(script, tls=context or authority.server_context())
        ca = f"llm_ssl_trusted_certificate {authority.pem};" if trust else ""
        more = fallback.upstream("second") if fallback else ""
        rest = ["fallback second;"] if fallback else []
        gw = gateway(http=up.upstream("up", ca, *lines) + more
                     + route("target up;", *rest), **parts)
        return gw, up
    return make


def test_a_good_certificate(secure):
    gw, up = secure()
    assert gw.chat().status == 200
    assert up.last.header("authorization") == f"Bearer {up.key}"
    assert gw.ledger()[0]["upstream_status"] == "200"


def test_the_servers_name(secure, authority):
    gw, up = secure(authority.server_context("models.test"),
                    lines=["llm_ssl_name models.test;"])
    assert gw.chat().status == 200 and up.last.sni == "models.test"


def test_the_name_is_the_urls(gateway, provider, authority, dns):
    dns.zone["api.test"] = ["127.0.0.1"]
    up = provider(tls=authority.server_context("api.test"))
    gw = gateway(http=f"""{dns.directive}
        upstream up {{ llm_endpoint https://api.test:{up.port}/v1;
            llm_dialect openai;
            llm_ssl_trusted_certificate {authority.pem}; }}""" + route(
                "target up;"))
    wait_for(lambda: gw.chat().status == 200, 10, "an answer")
    assert up.last.sni == "api.test"
    assert up.last.header("host") == f"api.test:{up.port}"


BAD_CERTIFICATES = {
    "expired": lambda ca: ca.server_context(expired=True),
    "future": lambda ca: ca.server_context(future=True),
    "wrong-name": lambda ca: ca.server_context("wrong.test"),
}


def foreign_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.mark.parametrize("case", [*BAD_CERTIFICATES, "foreign"])
def test_a_bad_certificate(secure, provider, authority, case):
    context = foreign_context() if case == "foreign" else \
        BAD_CERTIFICATES[case](authority)
    gw, up = secure(context)
    answer = gw.chat()
    assert answer.status == 502 and not up.requests, "the key was sent"
    assert "certificate" not in answer.body.decode().lower()


@pytest.mark.parametrize("case", [*BAD_CERTIFICATES, "foreign"])
def test_a_bad_certificate_fails_over(secure, provider, authority, case):
    context = foreign_context() if case == "foreign" else \
        BAD_CERTIFICATES[case](authority)
    good = provider(Reply(text="second"))
    gw, up = secure(context, fallback=good)
    assert gw.chat().status == 200
    assert not up.requests and len(good.requests) == 1
    assert gw.ledger()[0]["upstream_status"] == "502, 200"


def test_the_systems_authorities_are_the_default(secure):
    gw, up = secure(trust=False)
    assert gw.chat().status == 502 and not up.requests


@pytest.mark.parametrize("case", [*BAD_CERTIFICATES, "foreign"])
def test_verification_can_be_turned_off(secure, authority, case):
    context = foreign_context() if case == "foreign" else \
        BAD_CERTIFICATES[case](authority)
    gw, up = secure(context, trust=False, lines=["llm_ssl_verify off;"])
    assert gw.chat().status == 200


def test_sessions_are_used_again(secure):
    context_kept = []

    def script(x):
        context_kept.append(x.request.resumed)
        openai_wire.server()(x)
        x.keep = False
    gw, up = secure(script=script)
    for _ in range(5):
        assert gw.chat().status == 200
    assert up.connections == 5
    assert any(context_kept[1:]), "no session was resumed"


def test_sessions_need_not_be_used_again(secure):
    def script(x):
        openai_wire.server()(x)
        x.keep = False
    gw, up = secure(script=script, lines=["llm_ssl_session_reuse off;"])
    for _ in range(4):
        assert gw.chat().status == 200
    assert not any(r.resumed for r in up.requests)


def test_a_client_certificate(secure, authority):
    chain, key = authority.files("gateway.test")
    gw, up = secure(authority.server_context(client_auth=True), lines=[
        f"llm_ssl_certificate {chain};", f"llm_ssl_certificate_key {key};"])
    assert gw.chat().status == 200


def test_a_missing_client_certificate(secure, authority):
    gw, up = secure(authority.server_context(client_auth=True))
    assert gw.chat().status == 502 and not up.requests


def test_protocols(secure, authority):
    context = authority.server_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    gw, up = secure(context, lines=["llm_ssl_protocols TLSv1.3;"])
    assert gw.chat().status == 502
    context.maximum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED
    wait_for(lambda: gw.chat().status == 200, 10, "TLS 1.3 to work")


def test_a_handshake_that_never_ends(gateway, provider):
    silent = provider(answers.stall)      # no TLS: says nothing at all
    good = provider(Reply(text="second"))
    silent.scripts = [answers.stall]
    gw = gateway(http=f"""
        upstream up {{ llm_endpoint https://127.0.0.1:{silent.port}/v1;
            llm_dialect openai; llm_timeouts connect=300ms; }}
        {good.upstream("second")}""" + route("target up;",
                                             "fallback second;"))
    silent.early = lambda sock: True
    answer = gw.chat()
    assert answer.status == 200
    assert gw.ledger()[0]["upstream_status"] == "504, 200"


def test_not_tls_at_all(gateway, provider):
    good = provider(Reply(text="second"))

    def early(sock):
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        return True
    plain = provider(early=early)
    gw = gateway(http=f"""
        upstream up {{ llm_endpoint https://127.0.0.1:{plain.port}/v1;
            llm_dialect openai; }}
        {good.upstream("second")}""" + route("target up;",
                                             "fallback second;"))
    assert gw.chat().status == 200 and len(good.requests) == 1


def cut_stream(finish):
    stream = openai_wire.chat_stream(Reply(), {"model": "m"})[:4]
    return answers.events(stream, finish=finish)


ENDS = {
    "garbage": lambda x: (x.raw(b"\x17\x03\x03\x00\x20" + b"garbage!" * 4),
                          x.stall(5)),
    "no-close-notify": lambda x: x.abandon(),
    "close-notify": lambda x: x.close(),
    "reset": lambda x: x.reset(),
}


@pytest.mark.parametrize("how", ENDS)
def test_a_cut_stream_over_tls(secure, how):
    gw, up = secure(script=cut_stream(ENDS[how]), h2c=True)
    answer = gw.chat(stream=True)
    assert answer.complete and answer.events[-1].json["error"]
    client = gw.connect_h2()
    answer = client.read(client.request(
        "POST", "/v1/chat/completions", json={
            "model": "m", "messages": [], "stream": True}))
    assert answer.complete and answer.events[-1].json["error"]


def test_a_stream_that_ends_with_the_connection_unsafely(secure):
    """Without close_notify nobody knows whether it was all; [DONE] tells."""
    stream = openai_wire.chat_stream(Reply(), {"model": "m"})

    def script(x):
        x.head(200, [answers.EVENTS, ("Connection", "close")])
        for event in stream:
            x.send(event)
        x.abandon()
    gw, up = secure(script=script)
    answer = gw.chat(stream=True)
    assert answer.complete and answer.events[-1].data == "[DONE]"


def test_a_big_stream_over_tls_in_small_records(secure):
    reply = Reply(text="0123456789" * 2000)
    gw, up = secure(script=openai_wire.server(reply, split=100))
    answer = gw.chat(stream=True)
    text = "".join(e.json["choices"][0]["delta"].get("content") or ""
                   for e in answer.events[:-1])
    assert answer.complete and text == reply.text


def test_callers_over_tls_and_http2(serve):
    gw, up = serve(tls=True)
    client = gw.connect_h2()
    answer = client.read(client.request(
        "POST", "/v1/chat/completions", json={
            "model": "m", "messages": [], "stream": True}))
    assert answer.complete and answer.events[-1].data == "[DONE]"
    plain = gw.connect(tls=True).request(
        "POST", "/v1/chat/completions", json={
            "model": "m", "messages": []}).read()
    assert plain.status == 200
    assert {line["server_protocol"] for line in gw.ledger(2)} == {
        "HTTP/2.0", "HTTP/1.1"}
