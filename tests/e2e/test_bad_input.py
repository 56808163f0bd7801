"""Bad requests: a clear 4xx in the caller's dialect, and nobody is asked."""

from __future__ import annotations

import json

import pytest

from harness import answers, route
from harness.client import encode_request

CALLERS = pytest.mark.parametrize("caller", ["openai", "anthropic"])
PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}
REST = b'"max_tokens":5,"messages":[{"role":"user","content":"x"}]'


def headers_of(caller, *more):
    if caller == "anthropic":
        return [("anthropic-version", "2023-06-01"), *more]
    return list(more)


def check_error(answer, caller, status, kind="", code=""):
    assert answer.status == status, answer
    assert answer.complete
    assert answer.header("content-type").startswith("application/json")
    body = answer.json
    error = body["error"]
    assert error["message"] and "nginx" not in error["message"]
    if caller == "openai":
        assert {"message", "type", "param", "code"} <= set(error)
        assert "type" not in body
    else:
        assert body["type"] == "error" and error["type"]
    if kind:
        assert error["type"] == kind
    if code:
        assert error["code"] == code
    return error


def depth(n: int) -> bytes:
    return b"[" * n + b"]" * n


MODEL = b'"model":"m",'
NOT_JSON = {
    "empty": b"",
    "text": b"hello",
    "array": b'["model"]',
    "string": b'"model"',
    "number": b"7",
    "null": b"null",
    "cut": b"{" + MODEL + REST,
    "cut-string": b'{"model":"m',
    "trailing": b"{" + MODEL + REST + b"} x",
    "two-documents": b"{" + MODEL + REST + b"}{}",
    "comma": b"{" + MODEL + REST + b",}",
    "single-quotes": b"{'model':'m'}",
    "comment": b"{" + MODEL + REST + b"/* x */}",
    "nan": b"{" + MODEL + b'"t":NaN,' + REST + b"}",
    "plus": b"{" + MODEL + b'"t":+1,' + REST + b"}",
    "leading-zero": b"{" + MODEL + b'"t":01,' + REST + b"}",
    "control": b"{" + MODEL + b'"t":"a\x01b",' + REST + b"}",
    "nul": b"{" + MODEL + REST + b"}\x00",
    "bad-escape": b"{" + MODEL + b'"t":"\\x",' + REST + b"}",
    "form": b"model=m&messages=x",
    "utf8-cut": b"{" + MODEL + b'"t":"\xc3",' + REST + b"}",
    "utf8-overlong": b"{" + MODEL + b'"t":"\xc0\xaf",' + REST + b"}",
    "utf8-surrogate": b"{" + MODEL + b'"t":"\xed\xa0\x80",' + REST + b"}",
    "utf8-latin1": b"{" + MODEL + b'"t":"\xe9t\xe9",' + REST + b"}",
    "utf16": '{"model":"m"}'.encode("utf-16"),
    "deep": b"{" + MODEL + b'"t":' + depth(500) + b"," + REST + b"}",
    "very-deep": b"{" + MODEL + b'"t":' + depth(100_000) + b"}",
    "no-model": b"{" + REST + b"}",
    "model-null": b'{"model":null,' + REST + b"}",
    "model-number": b'{"model":7,' + REST + b"}",
    "model-object": b'{"model":{"name":"m"},' + REST + b"}",
    "model-empty": b'{"model":"",' + REST + b"}",
    "model-long": b'{"model":"' + b"m" * 5000 + b'",' + REST + b"}",
    "model-twice": b"{" + MODEL + REST + b',"model":"n"}',
    "model-twice-same": b"{" + MODEL + REST + b',"model":"m"}',
    "model-twice-escaped": b"{" + MODEL + REST + b',"mod\\u0065l":"n"}',
    "model-escaped-twice": b'{"\\u006dodel":"n","mod\\u0065l":"m",' + REST
                           + b"}",
    "stream-twice": b"{" + MODEL + b'"stream":true,"str\\u0065am":false,'
                    + REST + b"}",
}


@pytest.mark.parametrize("case", NOT_JSON)
@CALLERS
def test_a_bad_body(serve, case, caller):
    gw, up = serve(dialect=caller)
    client = gw.connect()
    answer = client.request("POST", PATHS[caller], NOT_JSON[case],
                            headers_of(caller)).read()
    check_error(answer, caller, 400, "invalid_request_error")
    assert not up.requests
    assert gw.ledger()[0]["llm_error"]
    good = gw.post(PATHS[caller], b"{" + MODEL + REST + b"}",
                   headers_of(caller))
    assert good.status == 200 and len(up.requests) == 1


@CALLERS
def test_an_escaped_spelling_of_model(gateway, provider, caller):
    """Refused, or routed by what it says; the provider reads the same."""
    plain, other = provider(dialect=caller), provider(dialect=caller)
    gw = gateway(http=plain.upstream("plain") + other.upstream("other") + """
        llm_route a { match m; target plain; }
        llm_route b { match *; target other; }""")
    answer = gw.post(PATHS[caller], b'{"mod\\u0065l":"m",' + REST + b"}",
                     headers_of(caller))
    if answer.status == 200:
        assert answer.header("x-llm-route") == "a"
        assert plain.last.json["model"] == "m" and not other.requests
    else:
        check_error(answer, caller, 400)
        assert not plain.requests and not other.requests


@pytest.mark.parametrize("name", [b"Model", b"mod\\u0045l", b"STREAM"])
def test_a_second_spelling_in_capitals(serve, name):
    """Which servers written in Go would heed."""
    gw, up = serve()
    answer = gw.post("/v1/chat/completions", b'{"stream":false,"%b":true,' % name
                     + MODEL + REST + b"}")
    check_error(answer, "openai", 400, code="duplicate_parameter")
    assert not up.requests


def test_an_escaped_model_is_spliced_in_the_right_place(serve):
    gw, up = serve(model="real")
    answer = gw.post("/v1/chat/completions",
                     b'{"mod\\u0065l":"m",' + REST + b"}")
    if answer.status == 200:
        assert up.last.json["model"] == "real"
        assert b"m\\u0065l" not in up.last.body or \
            up.last.body.count(b"real") == 1


@CALLERS
def test_a_model_within_other_objects_is_nothing(serve, caller):
    gw, up = serve(dialect=caller)
    body = b'{"x":{"model":"a"},"y":[{"model":"b"}],' + MODEL + REST + b"}"
    assert gw.post(PATHS[caller], body, headers_of(caller)).status == 200
    assert up.last.body == body


@CALLERS
def test_an_unknown_model(gateway, provider, caller):
    up = provider(dialect=caller)
    gw = gateway(http=up.upstream("up")
                 + "llm_route r { match known; target up; }")
    answer = gw.post(PATHS[caller], b"{" + MODEL + REST + b"}",
                     headers_of(caller))
    kind = {"openai": "invalid_request_error",
            "anthropic": "not_found_error"}[caller]
    error = check_error(answer, caller, 404, kind,
                        "model_not_found" if caller == "openai" else "")
    assert "m" in error["message"] and not up.requests


@pytest.mark.parametrize("name", ['a"b', "a\nb", "<script>", "ü" * 20,
                                  "a\\b", "\u2028", "x" * 250])
def test_a_strange_model_name_in_an_error(gateway, provider, name):
    up = provider()
    gw = gateway(http=up.upstream("up")
                 + "llm_route r { match known; target up; }")
    answer = gw.chat(model=name)
    if "\n" in name:
        check_error(answer, "openai", 400, "invalid_request_error")
        return
    check_error(answer, "openai", 404, code="model_not_found")
    assert "\n" not in (answer.header("x-llm-route") or "")
    assert gw.ledger()[0]["llm_model"] == name


@CALLERS
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_a_wrong_method(serve, caller, method):
    gw, up = serve(dialect=caller)
    body = None if method == "GET" else b"{" + MODEL + REST + b"}"
    answer = gw.request(method, PATHS[caller], body, headers_of(caller))
    check_error(answer, caller, 405)
    assert "POST" in (answer.header("allow") or "")
    assert not up.requests


def test_a_wrong_method_for_models(serve):
    gw, up = serve()
    check_error(gw.post("/v1/models", {"x": 1}), "openai", 405)


@CALLERS
@pytest.mark.parametrize("kind", ["text/plain", "application/xml",
                                  "application/x-www-form-urlencoded"])
def test_a_wrong_content_type(serve, caller, kind):
    gw, up = serve(dialect=caller)
    answer = gw.post(PATHS[caller], b"{" + MODEL + REST + b"}",
                     headers_of(caller, ("Content-Type", kind)))
    check_error(answer, caller, 415)
    assert not up.requests


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8",
                                  "application/json;charset=UTF-8",
                                  "Application/JSON"])
def test_spellings_of_the_content_type(serve, kind):
    gw, up = serve()
    answer = gw.post("/v1/chat/completions", b"{" + MODEL + REST + b"}",
                     [("Content-Type", kind)])
    assert answer.status == 200
    assert up.last.header("content-type") == kind


@CALLERS
def test_a_body_that_is_encoded(serve, caller):
    gw, up = serve(dialect=caller)
    answer = gw.post(PATHS[caller], b"\x1f\x8b\x08\x00", headers_of(
        caller, ("Content-Encoding", "gzip")))
    check_error(answer, caller, 415)
    assert not up.requests


@CALLERS
@pytest.mark.parametrize("chunked", [0, 4096])
def test_a_body_that_is_too_large(serve, caller, chunked):
    gw, up = serve(dialect=caller,
                   location="llm_pass; client_max_body_size 64k;")
    body = b"{" + MODEL + b'"pad":"' + b"x" * 100_000 + b'",' + REST + b"}"
    client = gw.connect()
    try:
        client.request("POST", PATHS[caller], body, headers_of(caller),
                       chunked=chunked)
    except OSError:
        pass
    kind = {"openai": "invalid_request_error",
            "anthropic": "request_too_large"}[caller]
    check_error(client.read(), caller, 413, kind)
    assert not up.requests and up.connections == 0


def test_100_continue(serve):
    gw, up = serve()
    body = b"{" + MODEL + REST + b"}"
    client = gw.connect()
    client.send(encode_request(
        "POST", PATHS["openai"], [("Expect", "100-continue"),
                                  ("Content-Type", "application/json"),
                                  ("Content-Length", str(len(body)))]))
    client.expect()
    assert client.sock.recv(100).startswith(b"HTTP/1.1 100")
    client.send(body)
    assert client.read().status == 200


def test_100_continue_for_a_body_that_is_too_large(serve):
    gw, up = serve(location="llm_pass; client_max_body_size 1k;")
    client = gw.connect()
    client.send(encode_request(
        "POST", PATHS["openai"], [("Expect", "100-continue"),
                                  ("Content-Type", "application/json"),
                                  ("Content-Length", "100000")]))
    client.expect()
    answer = client.read()
    assert answer.status == 413 and answer.interim == []


SMUGGLED = {
    "both": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"0\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n",
    "two-lengths": b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "odd-coding": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "bad-length": b"Content-Length: -1\r\n\r\n",
    "bad-chunk": b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
}


@pytest.mark.parametrize("case", SMUGGLED)
def test_smuggling(serve, case):
    gw, up = serve()
    client = gw.connect()
    client.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n"
                b"Content-Type: application/json\r\n" + SMUGGLED[case])
    client.expect()
    answer = client.read()
    assert 400 <= answer.status < 600 and not up.requests


BEHIND = b"GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize("line,kind,body,after", [
    # refused before the body, whose framing is broken
    (b"POST /v1/chat/completions", b"text/plain", b"zz\r\n" + BEHIND, 415),
    (b"PUT /v1/chat/completions", b"text/plain", b"5\r\nhelloX" + BEHIND,
     405),
    # the same with one that is not
    (b"POST /v1/chat/completions", b"text/plain",
     b"5\r\nhello\r\n0\r\n\r\n" + BEHIND, 0),
    # refused behind it
    (b"POST /v1/chat/completions", b"application/json",
     b"5\r\nhello\r\n0\r\n\r\n" + BEHIND, 0)])
def test_nothing_is_read_behind_a_broken_body(serve, line, kind, body, after):
    """after: the status with which the connection ends, 0: it goes on."""
    gw, up = serve()
    client = gw.connect()
    client.send(line + b" HTTP/1.1\r\nHost: a\r\nContent-Type: " + kind
                + b"\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
    client.expect()
    answer = client.read()
    assert answer.status == (after or answer.status) and answer.complete
    assert answer.json["error"]["message"]
    assert answer.header("connection") == ("close" if after else "keep-alive")
    client.expect()
    answer = client.read()
    assert answer.status == (0 if after else 200)


PAGES = """
    error_page 404 402 /page;
    error_page 502 @second;
    location = /page { return 200 page; }
    location @second { llm_pass second; }
"""


@pytest.mark.parametrize("recursive", ["on", "off"])
def test_errors_beside_pages_of_the_user(gateway, provider, recursive):
    """What has a page gets it; for all else there is still our own error."""
    bad, good = provider(answers.reset), provider()
    gw = gateway(http=bad.upstream("bad") + good.upstream("good")
                 + route("target bad;", match="m")
                 + route("target good;", name="second", match="n"),
                 server=f"recursive_error_pages {recursive};" + PAGES)
    for body, status in [(b"{", 400), (b'{"model":"m","stream":1}', 400)]:
        check_error(gw.post(PATHS["openai"], body), "openai", status)
        check_error(gw.post(PATHS["anthropic"], body), "anthropic", status)
    check_error(gw.get(PATHS["openai"]), "openai", 405)

    assert gw.chat(model="nobody").body == b"page"

    # what a provider says is said where the page is, with nginx's status
    answer = gw.chat()
    assert answer.status == 502
    assert answer.json["choices"] and len(good.requests) == 1

    # and an error there is ours again
    good(answers.reset)
    answer = gw.chat()
    assert answer.json["error"]["message"] and answer.status >= 500
    assert len(good.requests) > 1


def test_a_redirect_of_the_user(serve):
    gw, up = serve(location="llm_pass; if ($arg_to) { return 301 $arg_to; }")
    answer = gw.get("/v1/models?to=https://a.test/")
    assert answer.status == 301 and answer.header("location")
    assert answer.header("content-type") == "text/html"
    assert not answer.header("x-should-retry")


def test_a_body_that_never_comes(serve):
    gw, up = serve(location="llm_pass; client_body_timeout 300ms;")
    client = gw.connect()
    client.send(encode_request("POST", PATHS["openai"], [
        ("Content-Type", "application/json"), ("Content-Length", "100")]))
    client.send(b'{"model"')
    client.expect()
    answer = client.read()
    assert answer.status in (0, 408) and not up.requests


def test_a_caller_that_leaves_in_its_body(serve):
    gw, up = serve()
    for _ in range(5):
        client = gw.connect()
        client.send(encode_request("POST", PATHS["openai"], [
            ("Content-Type", "application/json"),
            ("Content-Length", "100000")]) + b'{"model":"m"')
        client.reset()
    assert gw.chat().status == 200 and len(up.requests) == 1


def test_pipelined_requests(serve):
    gw, up = serve()
    client = gw.connect()
    one = encode_request("POST", PATHS["openai"], [
        ("Content-Type", "application/json")], b"{" + MODEL + REST + b"}")
    bad = encode_request("POST", PATHS["openai"], [
        ("Content-Type", "application/json")], b"{")
    client.send(one + bad + one)
    statuses = []
    for _ in range(3):
        client.expect()
        statuses.append(client.read().status)
    assert statuses == [200, 400, 200]


def test_a_bad_path(serve):
    gw, up = serve(answers.openai_error(404))
    answer = gw.get("/v1/chat/completions/../../../etc/passwd")
    assert answer.status in (400, 404, 405)


def test_an_unknown_path_is_no_unknown_model(serve):
    gw, up = serve(server="""
        location /other/ { llm_pass; }
        location /none/ { try_files /none =404; llm_pass; }""")
    for path in ("/other/chat/completions", "/none/v1/chat/completions"):
        check_error(gw.post(path, {"model": "m"}), "openai", 404,
                    code="unknown_url")


def test_multipart_without_a_model(serve):
    gw, up = serve(http="llm_route named { match x; target up; }")
    body = (b"--B\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n"
            b"x\r\n--B--\r\n")
    answer = gw.post("/v1/audio/transcriptions", body, [
        ("Content-Type", "multipart/form-data; boundary=B")])
    check_error(answer, "openai", 400)


@pytest.mark.parametrize("body,kind", [
    (b"", "multipart/form-data; boundary=B"),
    (b"--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm",
     "multipart/form-data; boundary=B"),
    (b"no boundary at all", "multipart/form-data"),
    (b"--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n"
     b"--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nn\r\n"
     b"--B--\r\n", "multipart/form-data; boundary=B"),
    (b"--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n"
     b"--B\r\nContent-Disposition: form-data; name=<model>\r\n\r\nn\r\n"
     b"--B--\r\n", "multipart/form-data; boundary=B"),
    (b"--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n"
     b"X-Evil: 1\r\n--B--\r\n", "multipart/form-data; boundary=B"),
    (b"--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n\xff"
     b"\r\n--B--\r\n", "multipart/form-data; boundary=B"),
], ids=["empty", "cut", "no-boundary", "two-models", "two-spellings",
        "control", "utf8"])
def test_bad_multipart(serve, body, kind):
    gw, up = serve()
    answer = gw.post("/v1/audio/transcriptions", body,
                     [("Content-Type", kind)])
    check_error(answer, "openai", 400)
    assert not up.requests


def test_bad_requests_over_http2(serve):
    gw, up = serve(h2c=True)
    client = gw.connect_h2()
    streams = [client.request("POST", PATHS["openai"], body)
               for body in NOT_JSON.values() if len(body) < 2000]
    for stream in streams:
        check_error(client.read(stream), "openai", 400)
    good = client.request("POST", PATHS["openai"],
                          b"{" + MODEL + REST + b"}")
    assert client.read(good).status == 200 and len(up.requests) == 1


@pytest.mark.parametrize("value", [
    {"messages": "text"}, {"messages": [1]}, {"messages": [{"role": 7}]},
    {"messages": [{"role": "user", "content": {"a": 1}}]},
    {"messages": [{"role": "robot", "content": "x"}]},
    {"messages": [{"role": "user", "content": "x"}], "tools": "t"},
    {"messages": [{"role": "assistant", "tool_calls": [{}]}]},
    {"messages": [{"role": "tool", "content": "x"}]},
    {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
    {"messages": [{"role": "user", "content": "x"}], "logprobs": True},
    {"messages": [{"role": "user", "content": "x"}], "stop": {"a": 1}},
    {"messages": [{"role": "user", "content": "\ud83d"}]},
    {"messages": [{"role": "user", "content": "a\x00b"}]},
], ids=range(13))
def test_what_cannot_be_translated(serve, value):
    """Refused in the caller's dialect, or sent as something whole."""
    gw, up = serve(dialect="anthropic")
    answer = gw.post("/v1/chat/completions", {"model": "m", **value})
    if answer.status == 200:
        assert json.loads(up.last.body)["messages"] is not None
    else:
        check_error(answer, "openai", 400, "invalid_request_error")
        assert not up.requests


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_headers_that_connection_names(serve, path):
    """All of them stay here; more would cost more than they are worth."""
    gw, up = serve(dialect="anthropic" if "mess" in path else "openai")
    body = {"model": "m", "max_tokens": 5,
            "messages": [{"role": "user", "content": "hi"}]}
    hops = [(f"x-hop-{i}", "1") for i in range(31)]     # and "close"

    def post(names):
        return gw.post(path, body, [*hops, ("x-keep", "1"), *(
            ("Connection", " , ".join(names[i::2])) for i in range(2))])

    got = post([name.upper() for name, _ in hops])
    assert got.status == 200
    assert b"x-hop" not in up.last.raw_head.lower()
    assert up.last.header("x-keep") == "1"

    got = post([name for name, _ in hops] + ["x-more"])
    assert got.status == 400
    assert "connection" in got.json["error"]["message"]
    assert len(up.requests) == 1
