"""The same dialect on both sides: bytes pass, only the needed is spliced."""

from __future__ import annotations

import gzip
import hashlib
import json

import pytest

from harness import Reply, answers, anthropic_wire, openai_wire

#: spellings that a parser would not print again
ODD = (b'{ "zeta" :1.10, "n_1":1e400,"big":123456789012345678901234567890,'
       b'\t"f":0.1000,"u":"\\u00e9\\/\xc3\xa9", "messages" : [ { "role":"user"'
       b' ,"content":"model: \\"model\\""} ],\r\n"nested":{"model":"inner",'
       b'"a":[{"model":1}]},%b  "unknown_field":{"b":1,"a":[ ]} ,"e":-0.0}')


@pytest.mark.parametrize("place", ["first", "middle", "last"])
@pytest.mark.parametrize("path,dialect", [
    ("/v1/chat/completions", "openai"), ("/v1/messages", "anthropic"),
    ("/v1/responses", "openai"), ("/v1/embeddings", "openai")])
def test_only_the_model_is_spliced(serve, path, dialect, place):
    gw, up = serve(answers.json({"ok": True}), dialect=dialect,
                   model="the-real-name")

    def body(model: bytes) -> bytes:
        member = b'"model" : "%b"' % model
        if place == "middle":
            return ODD % (b" " + member + b",")
        text = ODD % b""
        if place == "first":
            return b"{" + member + b"," + text[1:]
        return text[:-1] + b"," + member + b"}"

    answer = gw.post(path, body(b"alias"))
    assert answer.status == 200, answer.body
    assert up.last.body == body(b"the-real-name")
    assert up.last.header("content-length") == str(len(up.last.body))
    assert not up.last.header("transfer-encoding")


@pytest.mark.parametrize("path,dialect", [
    ("/v1/chat/completions", "openai"), ("/v1/messages", "anthropic")])
def test_nothing_is_spliced_without_a_reason(serve, path, dialect):
    gw, up = serve(answers.json({"ok": True}), dialect=dialect)
    body = ODD % b'"model":"same",'
    assert gw.post(path, body).status == 200
    assert up.last.body == body


def test_an_escaped_model_name(serve):
    gw, up = serve(answers.json({"ok": 1}))
    body = b'{"model":"a\\u002fb\\/c","messages":[]}'
    assert gw.post("/v1/chat/completions", body).status == 200
    assert up.last.body == body
    assert gw.ledger()[0]["llm_model"] == "a/b/c"


@pytest.mark.parametrize("options,sent", [
    (b"", b',"stream_options":{"include_usage":true}'),
    (b',"stream_options":null', b',"stream_options":{"include_usage":true}'),
])
def test_usage_is_asked_for(serve, options, sent):
    gw, up = serve()
    body = b'{"x":1.50,"model":"m","stream":true,"messages":[]%b}'
    assert gw.post("/v1/chat/completions", body % options).status == 200
    got = up.last.json
    assert got.pop("stream_options") == {"include_usage": True}
    assert got == {"x": 1.5, "model": "m", "stream": True, "messages": []}
    assert b'"x":1.50' in up.last.body
    assert up.last.body.count(b"stream_options") == 1


def test_other_stream_options_stay(serve):
    gw, up = serve()
    body = (b'{"model":"m","stream":true,"stream_options":'
            b'{"x":0.10,"include_usage":false,"y":[]},"messages":[]}')
    assert gw.post("/v1/chat/completions", body).status == 200
    assert up.last.json["stream_options"] == {
        "x": 0.1, "include_usage": True, "y": []}
    assert b'"x":0.10' in up.last.body


@pytest.mark.parametrize("size", [100, 5_000, 20_000, 300_000, 3_000_000])
@pytest.mark.parametrize("chunked", [0, 4096])
def test_bodies_of_any_size(serve, size, chunked):
    """Also those that nginx writes to a file."""
    gw, up = serve(answers.json({"ok": 1}), model="real",
                   location="llm_pass; client_max_body_size 10m;")
    text = ("wörds " * (size // 7 + 1))[:size]
    body = json.dumps({"messages": [{"role": "user", "content": text}],
                       "model": "alias"}, ensure_ascii=False).encode()
    answer = gw.request("POST", "/v1/chat/completions", body,
                        chunked=chunked)
    assert answer.status == 200, answer.body
    assert up.last.body == body.replace(b'"alias"', b'"real"')


def test_a_spooled_body_goes_to_the_second_target_too(chain):
    gw, (bad, good) = chain(answers.openai_error(500), None,
                            location="llm_pass; client_body_buffer_size 1k;")
    text = "x" * 200_000
    assert gw.chat(text).status == 200
    assert bad.last.body == good.last.body
    assert good.last.json["messages"][0]["content"] == text


def test_request_headers(serve):
    gw, up = serve()
    headers = [("X-Custom", "a, b;  c=\"d\""), ("x-other", "1"),
               ("X-Other", "2"), ("OpenAI-Beta", "v=1"),
               ("User-Agent", "me/1.0"), ("X-Stainless-Lang", "python"),
               ("Idempotency-Key", "k-1")]
    assert gw.chat(headers=headers).status == 200
    got = up.last
    for name, value in headers:
        assert value in got.all(name)
    assert got.all("x-other") == ["1", "2"]
    assert got.version == "HTTP/1.1"
    assert got.header("host") in ("up", f"127.0.0.1:{up.port}")
    assert got.header("content-type") == "application/json"


def test_request_headers_that_stay_here(serve):
    gw, up = serve()
    headers = [("Authorization", "Bearer sk-caller"), ("x-api-key", "sk-c"),
               ("api-key", "sk-c"), ("x-goog-api-key", "sk-c"),
               ("Cookie", "session=1"), ("Connection", "x-hop, keep-alive"),
               ("x-hop", "1"), ("hop", "2"), ("Keep-Alive", "5"), ("TE", "trailers"),
               ("Proxy-Authorization", "Basic x"), ("Upgrade", "h2c"),
               ("X-Accel-Redirect", "/x"), ("Accept-Encoding", "br, gzip"),
               ("Expect", "100-continue")]
    assert gw.chat(headers=headers).status == 200
    got = up.last
    assert got.all("authorization") == [f"Bearer {up.key}"]
    for name in ("x-api-key", "api-key", "x-goog-api-key", "cookie", "x-hop",
                 "keep-alive", "te", "proxy-authorization", "upgrade",
                 "x-accel-redirect", "expect"):
        assert got.header(name) is None, name
    assert got.header("hop") == "2"     # a part of a name is not named
    for named in ([("Connection", "x-a")], [("Connection", "x-b, Keep-Alive"),
                                            ("connection", "foo,  X-A\t")]):
        gw.chat(headers=[*named, ("X-A", "1"), ("X-C", "1")])
        assert up.last.header("x-a") is None and up.last.header("x-c") == "1"
    assert got.header("accept-encoding") in (None, "identity")
    assert b"sk-c" not in got.raw_head


def test_response_headers(serve):
    headers = [("x-ratelimit-remaining-tokens", "7"), ("X-Custom", "a  b"),
               ("openai-version", "2020-10-01"), ("x-two", "1"),
               ("x-two", "2"), ("openai-processing-ms", "5")]
    gw, up = serve(answers.json({"ok": 1}, headers=headers))
    answer = gw.chat()
    for name, value in headers:
        assert value in answer.all(name)
    assert answer.all("x-two") == ["1", "2"]
    assert answer.header("x-llm-request-id")
    assert answer.header("x-llm-route") == "r"
    assert answer.header("x-llm-target") == "up"
    assert answer.header("x-llm-attempts") == "1"


def test_response_headers_that_are_not_obeyed(serve):
    gw, up = serve(answers.json({"ok": 1}, headers=[
        ("X-Accel-Redirect", "/secret"), ("X-Accel-Buffering", "yes"),
        ("X-Accel-Limit-Rate", "1"), ("Set-Cookie", "a=b"),
        ("Keep-Alive", "timeout=1")]),
        server="location /secret { return 418; }")
    answer = gw.chat()
    assert answer.status == 200 and answer.json == {"ok": 1}
    assert not answer.header("x-accel-redirect")
    assert not answer.header("keep-alive")


@pytest.mark.parametrize("framing", ["length", "chunked", "eof"])
@pytest.mark.parametrize("split", [0, 1, 7, 1000])
def test_whole_answers_pass_however_they_are_cut(serve, framing, split):
    body = (b'{"id":"x", "choices":[ ],"f":1.10,"unknown":{"b":1,"a":2},'
            b'"pad":"' + "ünï".encode() * 400 + b'","usage":'
            b'{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}\n')
    gw, up = serve(answers.body(body, framing=framing, split=split))
    answer = gw.chat()
    assert answer.complete
    assert hashlib.sha256(answer.body).digest() == \
        hashlib.sha256(body).digest()
    assert gw.ledger()[0]["llm_output_tokens"] == "4"


@pytest.mark.parametrize("split", [0, 1, 3, 64])
@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_streams_pass_however_they_are_cut(serve, dialect, split):
    reply = Reply(text="Hällo \U0001f600 wörld" * 3, thinking="hm")
    if dialect == "openai":
        asked = {"model": "m", "stream_options": {"include_usage": True}}
        stream = openai_wire.chat_stream(reply, asked)
    else:
        asked = {"model": "m"}
        stream = anthropic_wire.message_stream(reply, asked)
    gw, up = serve(answers.events(stream, split=split), dialect=dialect)
    if dialect == "openai":
        answer = gw.chat(stream=True, stream_options={"include_usage": True})
    else:
        answer = gw.messages(stream=True)
    assert answer.complete and answer.body == b"".join(stream)
    assert answer.header("content-type").startswith("text/event-stream")
    assert answer.header("content-length") is None


def test_errors_pass_as_they_were(serve):
    body = b'{ "error" : {"message":"no","type":"t","param":null,"code":7}}\n'
    gw, up = serve(answers.body(body, 422, [("Content-Type",
                                             "application/json"),
                                            ("x-detail", "1")]))
    answer = gw.chat()
    assert answer.status == 422 and answer.body == body
    assert answer.header("x-detail") == "1"


def test_answers_that_are_not_json(serve):
    gw, up = serve(answers.body(b"\x00\x01binary", headers=[
        ("Content-Type", "audio/mpeg")]))
    answer = gw.post("/v1/audio/speech", {"model": "t", "input": "x"})
    assert answer.body == b"\x00\x01binary"
    assert answer.header("content-type") == "audio/mpeg"


def test_a_gzipped_answer(serve):
    plain = json.dumps({"choices": [], "usage": {
        "prompt_tokens": 3, "completion_tokens": 4}}).encode()
    gw, up = serve(answers.body(gzip.compress(plain), headers=[
        answers.JSON, ("Content-Encoding", "gzip")]))
    answer = gw.chat()
    body = answer.body
    if answer.header("content-encoding") == "gzip":
        body = gzip.decompress(body)
    assert body == plain


@pytest.mark.parametrize("behind", [b"", b"\0\0\0"], ids=["", "garbage"])
def test_a_gzipped_stream_of_several_members(serve, behind):
    """Some servers compress each event by itself: RFC 1952, 2.2."""
    stream = openai_wire.chat_stream(Reply(text="one two three"),
                                     {"model": "m"})
    gw, up = serve(answers.events([gzip.compress(e) for e in stream]
                                  + [gzip.compress(b"") + behind],
                                  headers=[("Content-Encoding", "gzip")]))
    assert gw.chat(stream=True).body == b"".join(stream)

    whole = b"".join(stream)
    up(answers.events([gzip.compress(whole[:50]) + gzip.compress(whole[50:])
                       + behind], headers=[("Content-Encoding", "gzip")]))
    assert gw.chat(stream=True).body == whole


def test_interim_answers_are_not_the_answer(serve):
    gw, up = serve(lambda x: (
        x.send(b"HTTP/1.1 100 Continue\r\n\r\n"
               b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
        answers.json({"ok": 1})(x)))
    answer = gw.chat()
    assert answer.status == 200 and answer.json == {"ok": 1}
    assert answer.header("link") is None


@pytest.mark.parametrize("dialect,path", [("openai", "/v1/chat/completions"),
                                          ("anthropic", "/v1/messages")])
def test_multipart_passes_byte_for_byte(serve, dialect, path):
    gw, up = serve(answers.json({"text": "hi"}), model="real")
    file = bytes(range(256)) * 300
    body = (b'--XyZ\r\nContent-Disposition: form-data; name="file"; '
            b'filename="a\\".wav"\r\nContent-Type: audio/wav\r\n\r\n' + file +
            b'\r\n--XyZ\r\nContent-Disposition: form-data; name="model"\r\n'
            b'\r\nalias\r\n--XyZ\r\nContent-Disposition: form-data; '
            b'name="language"\r\n\r\nde\r\n--XyZ--\r\n')
    answer = gw.post("/v1/audio/transcriptions", body, [
        ("Content-Type", 'multipart/form-data; boundary="XyZ"')])
    assert answer.status == 200, answer.body
    assert up.last.body == body.replace(b"alias", b"real")
    assert up.last.header("content-type") == \
        'multipart/form-data; boundary="XyZ"'


def test_other_paths_pass(serve):
    gw, up = serve(answers.json({"id": "file-1"}))
    answer = gw.get("/v1/files/file-1?limit=2&x=%2F", [("X-Y", "1")])
    assert answer.status == 200 and answer.json == {"id": "file-1"}
    assert up.last.method == "GET"
    assert up.last.target == "/v1/files/file-1?limit=2&x=%2F"
    assert up.last.body == b"" and up.last.header("x-y") == "1"
    answer = gw.request("DELETE", "/v1/files/file-1")
    assert answer.status == 200 and up.last.method == "DELETE"
    answer = gw.post("/v1/batches", {"input_file_id": "f"})
    assert answer.status == 200
    assert up.last.json == {"input_file_id": "f"}


def test_a_body_that_nobody_reads_keeps_its_encoding(serve):
    gw, up = serve(answers.json({"ok": 1}))
    body = gzip.compress(b'{"a":1}')
    answer = gw.post("/v1/batches", body, [("Content-Encoding", "gzip")])
    assert answer.status == 200
    assert up.last.body == body
    assert up.last.all("content-encoding") == ["gzip"]
    gw.chat(headers=[("Content-Encoding", "identity")])
    assert not up.last.header("content-encoding")


def test_what_has_not_changed(serve):
    gw, up = serve(lambda x: x.head(304, [("ETag", '"1"')]))
    answer = gw.get("/v1/files/f", [("If-None-Match", '"1"')])
    assert answer.status == 304 and answer.header("etag") == '"1"'
    assert up.last.header("if-none-match") == '"1"'
    assert gw.ledger()[0]["llm_error"] == ""
    assert gw.chat().status == 502


@pytest.mark.parametrize("dialect,path", [
    ("openai", "/files/x%20HTTP/1.1%0D%0AX-Evil:%201"),
    ("openai", "/images/x%20HTTP/1.1%0D%0A%0D%0AGET%20/smuggled"),
    ("anthropic", "/files/a%20b%3Fc%23d%25e%7F%C3%A9")])
def test_a_path_that_nginx_decodes_is_encoded_again(serve, dialect, path):
    gw, up = serve(answers.json({"ok": 1}), dialect=dialect)
    version = [("anthropic-version", "2023-06-01")]
    gw.post("/v1" + path, {"model": "m"},
            version if dialect == "anthropic" else [])
    assert up.last.target == "/v1" + path
    assert not up.last.header("x-evil")
    assert len(up.requests) == 1


def test_one_content_type_passes(serve):
    """The one by which the body was read."""
    gw, up = serve(answers.json({"ok": 1}))
    answer = gw.post("/v1/chat/completions", {"model": "m"}, [
        ("Content-Type", "application/json"),
        ("Content-Type", "multipart/form-data; boundary=B")])
    assert answer.status == 200
    assert up.last.all("content-type") == ["application/json"]


@pytest.mark.parametrize("method,status", [
    ("HEAD", 200), ("HEAD", 404), ("DELETE", 204)])
def test_an_answer_without_a_body_is_an_answer(serve, method, status):
    gw, up = serve(lambda x: x.head(
        status, [("Content-Type", "application/json")],
        length=None if status == 204 else 10))
    client = gw.connect()
    client.request(method, "/v1/files/file-1", headers=[
        ("Connection", "close")]).read_head()
    assert client.response.status == status
    line = gw.ledger()[0]
    assert line["llm_error"] == ("not_found" if status == 404 else "")
    assert gw.metrics().sum("llm_attempts_total") == 1


def test_other_paths_go_to_one_target_only(chain):
    gw, (first, second) = chain(answers.openai_error(500), None)
    assert gw.get("/v1/files").status == 500
    assert len(first.requests) == 1 and not second.requests


def test_other_paths_wait_for_their_target(chain):
    """What it has made, or is to make, nobody else knows."""
    gw, (first, second) = chain(
        answers.openai_error(429, headers=[("Retry-After", "60")]), None)
    assert gw.chat().status == 200
    answer = gw.get("/v1/files/file-1")
    assert answer.status == 429 and int(answer.header("retry-after")) > 50
    assert len(first.requests) == 1 and len(second.requests) == 1


def test_another_base_path(gateway, provider):
    up = provider(answers.json({"ok": 1}))
    gw = gateway(http=f"""
        upstream up {{ llm_endpoint {up.endpoint("/openai/v9")};
                      llm_dialect openai; }}
        llm_route r {{ match *; target up; }}""")
    assert gw.chat().status == 200
    assert up.last.target == "/openai/v9/chat/completions"
    assert up.last.header("authorization") is None


def test_the_base_path_of_server_lines(gateway, provider):
    up = provider(answers.json({"ok": 1}))
    gw = gateway(http=f"""
        upstream up {{ server 127.0.0.1:{up.port}; llm_dialect openai;
                      llm_base http://-/deep/v1; }}
        llm_route r {{ match *; target up; }}""")
    assert gw.chat().status == 200
    assert up.last.target == "/deep/v1/chat/completions"


def test_the_callers_own_key(gateway, provider):
    up = provider()
    gw = gateway(http=f"""
        upstream up {{ server 127.0.0.1:{up.port}; llm_dialect openai;
                      llm_api_key $http_x_own_key; }}
        llm_route r {{ match *; target up; }}""")
    gw.chat(headers=[("X-Own-Key", "sk-own"),
                     ("Authorization", "Bearer sk-gateway")])
    assert up.last.all("authorization") == ["Bearer sk-own"]
    assert up.last.header("x-own-key") is None


@pytest.mark.parametrize("variable", [
    "$http_x_own_key", "${http_x_own_key}", "$HTTP_X_Own_Key"])
def test_the_callers_own_key_is_for_one_provider(gateway, provider, variable):
    first, second = provider(answers.openai_error(500)), provider()
    gw = gateway(http=second.upstream("second") + f"""
        upstream first {{ server 127.0.0.1:{first.port}; llm_dialect openai;
                         llm_api_key {variable}; }}
        llm_route r {{ match *; target first; fallback second; }}""")
    gw.chat(headers=[("X-Own-Key", "sk-own"), ("X-Other", "1")])
    assert first.last.header("authorization") == "Bearer sk-own"
    assert b"sk-own" not in second.last.raw_head
    assert second.last.header("x-other") == "1"
