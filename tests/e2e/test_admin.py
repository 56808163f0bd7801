"""llm_admin: what all calls of the API have in common."""

from __future__ import annotations

import base64
import json

import pytest

from harness import wait_for
from harness.openapi import DOCUMENT, Admin

JSON = ("Content-Type", "application/json")


def basic(user, password):
    text = base64.b64encode(f"{user}:{password}".encode()).decode()
    return ("Authorization", f"Basic {text}")


def code(answer):
    return answer.json["error"]["code"]


# -- paths and methods ---------------------------------------------------------

def test_the_description_is_the_file(administer):
    admin = administer()
    answer = admin.get("openapi.json")
    assert answer.status == 200
    assert answer.body == DOCUMENT.read_bytes()


def test_status(administer):
    admin = administer()
    said = admin.get("status").json
    assert said["admin"] == "write"
    assert said["configuration"]["age"] >= 0
    assert said["configuration"]["loaded"] <= said["time"]
    assert Admin(admin.gateway, "/read").get("status").json["admin"] == "read"


def test_keys_of_a_file_are_counted(administer, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("".join(f"sha256:{i:064x} client=c{i};\n"
                            for i in range(1, 8)))
    keys.chmod(0o600)
    admin = administer(http=f"llm_keys {keys};")
    assert admin.get("status").json["keys"] == {"file": 7}
    assert admin.get("keys").json["keys"] == []


def test_status_after_a_reload(administer):
    admin = administer()
    before = admin.get("status").json["configuration"]["loaded"]
    wait_for(lambda: admin.get("status").json["time"] > before, 3)
    admin.gateway.reload()
    assert admin.get("status").json["configuration"]["loaded"] > before


@pytest.mark.parametrize("path", [
    "nothing", "statu", "status/", "status/x", "Status", "keys/a/b",
    "keys/a/rotate/", "keys/", "openapi.json/x"])
def test_unknown_paths(administer, path):
    admin = administer()
    for method in ("GET", "POST", "DELETE"):
        answer = admin.call(method, path)
        assert (answer.status, code(answer)) == (404, "not_found")


def test_a_location_without_its_slash(administer):
    admin = administer(server="location /bare { llm_admin; }\n")
    bare = Admin(admin.gateway, "/bare")
    assert bare.get("status").status == 200
    assert admin.gateway.get("/bare").status == 301
    other = admin.gateway.get("/barestatus")
    assert other.status == 404 and other.json["v"] == 1
    moved = admin.gateway.get("/llm")
    assert moved.status == 301
    assert moved.header("location").endswith("/llm/")


def test_methods(administer):
    admin = administer()
    answer = admin.post("status")
    assert (answer.status, answer.header("allow")) == (405, "GET, HEAD")
    answer = admin.call("PATCH", "keys")
    assert (answer.status, answer.header("allow")) == (405, "GET, HEAD, POST")
    answer = admin.get("keys/a/rotate")
    assert (answer.status, answer.header("allow")) == (405, "POST")
    answer = admin.call("OPTIONS", "keys", headers=[
        ("Origin", "https://evil.example"),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "x-llm-action")])
    assert answer.status == 405
    answer = admin.post("keys/a", {})
    assert answer.header("allow") == "GET, HEAD, PUT, DELETE"


def test_head(administer):
    admin = administer()
    client = admin.gateway.connect()
    client.send(b"HEAD /llm/status HTTP/1.1\r\nHost: a\r\n\r\n")
    head = client.read_head()
    assert head.status == 200 and int(head.header("content-length")) > 100
    client.send(b"GET /llm/status HTTP/1.1\r\nHost: a\r\n\r\n")
    client.expect()
    assert client.read().json["v"] == 1


@pytest.mark.parametrize("query, message", [
    ("x=1", "unknown argument"), ("limit=1&limit=2", "twice"),
    ("limit=0", "limit"), ("limit=1001", "limit"), ("limit=x", "limit"),
    ("limit=", "limit"), ("Limit=1", "unknown"), ("limit", "limit"),
    ("&&limit=-1", "limit"), ("lim%69t=1", "unknown"), ("x" * 500, "unknown")])
def test_arguments_that_nobody_knows(administer, query, message):
    admin = administer()
    answer = admin.get(f"audit?{query}")
    assert (answer.status, code(answer)) == (400, "invalid")
    assert message in answer.json["error"]["message"]


def test_arguments_are_decoded(administer):
    admin = administer()
    assert admin.get("audit?object=a+b%26c%C3%BC&limit=%31%30").status == 200


def test_http2(administer):
    admin = administer(h2c=True)
    h2 = admin.gateway.connect_h2()
    stream = h2.request("GET", "/llm/status")
    assert h2.read(stream).json["v"] == 1


# -- changes -------------------------------------------------------------------

CHANGES = [("POST", "keys"), ("PUT", "keys/a"), ("DELETE", "keys/a"),
           ("POST", "keys/a/rotate"), ("POST", "keys/a/disable"),
           ("POST", "keys/a/enable")]


@pytest.mark.parametrize("method, path", CHANGES)
def test_changes_are_off(administer, method, path):
    admin = administer()
    answer = Admin(admin.gateway, "/read").call(method, path, {})
    assert (answer.status, code(answer)) == (403, "read_only")


@pytest.mark.parametrize("method, path", CHANGES)
@pytest.mark.parametrize("value", [None, "", "0", "true", "11"])
def test_changes_need_the_header(administer, method, path, value):
    admin = administer()
    headers = [] if value is None else [("x-llm-action", value)]
    answer = admin.call(method, path, {}, action=False, headers=headers)
    assert (answer.status, code(answer)) == (403, "action_required")


@pytest.mark.parametrize("kind", [
    "", "text/plain", "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x", "application/jsonp", "application/js"])
def test_changes_take_json_only(administer, kind):
    admin = administer()
    for method, path in CHANGES:
        answer = admin.call(method, path, b"{}",
                            headers=[("Content-Type", kind)])
        assert (answer.status, code(answer)) == (415, "unsupported_media_type")
    assert admin.post("keys", b"{}", headers=[
        ("Content-Type", "Application/JSON; charset=utf-8")]).status == 201


@pytest.mark.parametrize("body, kind", [
    (b"", "invalid_json"), (b"{", "invalid_json"), (b"[]", "invalid"),
    (b'{"a":1}x', "invalid_json"), (b'{"client":"a","client":"b"}',
                                    "invalid_json"),
    (b'{"client":"\xff"}', "invalid_json"), (b"1", "invalid_json"),
    (b"[" * 5000, "invalid_json"), (b"null", "invalid_json")])
def test_bodies_that_are_no_json(administer, body, kind):
    admin = administer()
    answer = admin.post("keys", body, headers=[JSON])
    assert (answer.status, code(answer)) == (400, kind)


def test_a_body_where_none_is_needed(administer):
    admin = administer()
    made = admin.post("keys", {}).json["key"]["id"]
    for path in ("disable", "enable"):
        assert admin.post(f"keys/{made}/{path}").status == 200
        assert admin.post(f"keys/{made}/{path}", {}).status == 200
        answer = admin.post(f"keys/{made}/{path}", {"x": 1})
        assert (answer.status, code(answer)) == (400, "invalid")


@pytest.mark.parametrize("limit", ["", "client_max_body_size 64m;",
                                   "client_max_body_size 0;"])
@pytest.mark.parametrize("chunked", [0, 100000])
def test_large_bodies(administer, limit, chunked):
    admin = administer(http=limit)
    admin.gateway.allow("intended to send too large body",
                        "intended to send too large chunked body")
    fits = b'{"client":"a"' + b" " * (1024 * 1024 - 14) + b"}"
    assert len(fits) == 1024 * 1024
    answer = admin.gateway.post("/llm/keys", fits, [
        JSON, ("x-llm-action", "1")], chunked=chunked)
    assert answer.status == 201
    answer = admin.gateway.post("/llm/keys", fits + b" ", [
        JSON, ("x-llm-action", "1")], chunked=chunked)
    admin.check("POST", "keys", answer)
    assert (answer.status, code(answer)) == (413, "too_large")


def test_a_body_in_a_file(administer):
    admin = administer(admin="client_body_buffer_size 1k; "
                             "client_body_in_file_only clean;")
    assert admin.post("keys", {"client": "a" * 100}).status == 201


# -- access --------------------------------------------------------------------

def test_denied_addresses(administer):
    admin = administer(admin="deny all;")
    admin.gateway.allow("access forbidden by rule")
    for method, path in [("GET", "status"), *CHANGES]:
        answer = admin.call(method, path, None if method == "GET" else {})
        assert answer.status == 403
        assert answer.json == {"v": 1, "error": {
            "message": "access is not allowed", "code": "forbidden"}}


def test_a_password(administer, tmp_path):
    users = tmp_path / "users"
    users.write_text("alice:{PLAIN}open\n")
    admin = administer(admin=f'auth_basic x; auth_basic_user_file {users};')
    admin.gateway.allow("password mismatch", "no user/password",
                        "was not found in")
    answer = admin.get("status")
    assert answer.status == 401 and answer.header("www-authenticate")
    assert code(answer) == "unauthorized"
    answer = admin.get("status", headers=[basic("alice", "shut")])
    assert answer.status == 401
    alice = Admin(admin.gateway, headers=[basic("alice", "open")])
    assert alice.get("status").status == 200


def test_limit_except(administer):
    admin = administer(admin="limit_except GET { deny all; }")
    admin.gateway.allow("access forbidden by rule")
    assert admin.get("status").status == 200
    answer = admin.post("keys", {})
    assert (answer.status, code(answer)) == (403, "forbidden")
    admin.gateway.reload(server="location /llm/ { llm_admin write; "
                                "limit_except GET { allow all; } }")
    assert admin.post("keys", {}).status == 201
    answer = admin.gateway.post("/llm/keys", b" " * (1024 * 1024 + 1), [JSON])
    admin.gateway.allow("intended to send too large body")
    assert code(answer) == "too_large"


def test_a_page_of_the_user_stays(administer):
    admin = administer(server="error_page 403 /mine; "
                              "location = /mine { return 403 mine; }",
                       admin="deny all;")
    admin.gateway.allow("access forbidden by rule")
    assert admin.gateway.get("/llm/status").body == b"mine"


def test_errors_beside_a_page_for_others(administer):
    admin = administer(server="error_page 500 502 /mine;", admin="deny all;")
    admin.gateway.allow("access forbidden by rule")
    answer = admin.get("status")
    assert (answer.status, code(answer)) == (403, "forbidden")


def test_requests_do_not_count_as_of_llm_pass(administer):
    admin = administer()
    admin.get("status")
    admin.get("nothing")
    metrics = admin.gateway.metrics()
    assert metrics.sum("llm_requests_in_flight") == 0
    assert metrics.sum("llm_requests_total") == 0


def test_many_on_one_connection(administer):
    admin = administer()
    client = admin.gateway.connect()
    for i in range(50):
        client.request("POST", "/llm/keys", json={"client": f"c{i}"},
                       headers=[("x-llm-action", "1")])
        assert client.read().status == 201
        client.request("GET", "/llm/status")
        assert client.read().status == 200
        client.request("POST", "/llm/nothing", json={})
        assert client.read().status == 404


def test_subrequests_may_not(administer):
    admin = administer(server="location /sub/ { auth_request /llm/status; }")
    admin.gateway.allow("auth request unexpected status")
    assert admin.gateway.get("/sub/").status == 403


# -- configuration -------------------------------------------------------------

@pytest.mark.parametrize("server, message", [
    ("location /a/ { llm_admin maybe; } # here", r'"read" or "write"'),
    ("location /a/ { llm_admin read write; } # here", "number of arguments"),
    ("location /a/ { llm_admin; llm_admin write; } # here", "duplicate"),
    ("location /a/ { llm_pass; llm_admin; } # here", "location of its own"),
    ("location /a/ { llm_admin; llm_pass; } # here", "llm_admin"),
    ("location /a/ { llm_metrics; llm_admin; } # here", "location of its own"),
    ("location /a/ { llm_admin; llm_metrics; } # here", "llm_admin"),
    ("location = /a { llm_admin; } # here", "location of paths"),
    ("location @a { llm_admin; } # here", "location of paths"),
    ("location ~ ^/a/ { llm_admin; } # here", "regular expression"),
    ("llm_admin; # here", "not allowed here"),
    ("location /a/ { if ($arg_x) { llm_admin; } } # here",
     "not allowed here"),
])
def test_configuration(serve, server, message):
    gw, up = serve(start=False, server=server)
    check = gw.check()
    assert not check.ok
    assert message in check.stderr
    assert f"nginx.conf:{check.line_of('# here')}" in check.stderr


def test_without_any_route(gateway):
    gw = gateway(location="return 200;",
                 server="location /llm/ { llm_admin; }")
    assert Admin(gw).get("status").status == 200


def test_memory_stays(administer):
    admin = administer()
    client = admin.gateway.connect()

    def call(method, path, value=None, **headers):
        body = None if value is None else json.dumps(value).encode()
        client.request(method, f"/llm/{path}", body, [
            ("x-llm-action", "1"), *headers.items()])
        return client.read()

    def round_of_calls():
        made = call("POST", "keys", {"client": "a", "metadata": {"x": [1]}})
        path = f"keys/{made.json['key']['id']}"
        call("PUT", path, {"client": "b"})
        call("PUT", path, {"client": 1})
        call("PUT", path, {"client": "c"}, **{"If-Match": '"1"'})
        call("POST", f"{path}/rotate", {"overlap": 5})
        call("POST", f"{path}/rotate", {"overlap": -5})
        call("POST", f"{path}/disable", {})
        call("POST", "keys", {"clint": 1})
        for name in (path, "keys", "usage", "audit?limit=5", "status", "no",
                     "openapi.json"):
            call("GET", name)
        assert call("DELETE", path).status == 200

    for _ in range(100):                # 1,000 records of the audit
        round_of_calls()
    before = admin.gateway.rss()
    for _ in range(300):
        round_of_calls()
    assert admin.gateway.rss() - before < 512 * 1024
