"""Who calls: tokens of an issuer."""

from __future__ import annotations

import json
import signal
import threading
import time

import pytest

from harness import route, wait_for
from harness.keys import (Issuer, KeyFile, SigningKey, b64, body, hs256,
                          key_line, key_set, status)
from harness.util import SLOW

SECRET = "0123456789abcdef0123456789abcdef-secret"
ALGS = ["RS256", "RS384", "RS512", "PS256", "ES256", "EdDSA"]


@pytest.fixture(scope="session")
def keys():
    """One of each kind."""
    return {alg: SigningKey(alg, kid=alg) for alg in ALGS}


@pytest.fixture
def issuers():
    """Makes issuers that are closed afterwards."""
    made = []

    def make(*signing, **options):
        made.append(Issuer(list(signing), **options))
        return made[-1]
    yield make
    for issuer in made:
        issuer.close()


@pytest.fixture
def guarded(gateway, provider):
    """A gateway with that llm_jwt; http{} of the test has it."""
    def make(http, auth="on", location="", **parts):
        up = provider()
        return gateway(http=up.upstream("up") + route("target up;") + http,
                       location=f"llm_auth {auth}; llm_pass; {location}",
                       **parts)
    return make


@pytest.fixture
def set_file(tmp_path):
    """jwks=file:... of these keys."""
    path = tmp_path / "keys.json"

    def make(*signing):
        path.write_text(json.dumps(key_set(*signing)))
        return f"jwks=file:{path}"
    make.path = path
    return make


def bearer(token):
    return [("Authorization", f"Bearer {token}")]


def refused(answer, reason, code=401):
    assert answer.status == code, answer.body
    error = answer.json["error"]
    assert reason in error["message"], error
    if code == 401:
        assert error["code"] == "invalid_api_key"
        assert answer.header("www-authenticate") == \
            'Bearer realm="llm", error="invalid_token"'


WHO = ("add_header X-Who '$llm_client|$llm_tenant|$llm_plan|$llm_key_id' "
       "always;")


@pytest.mark.parametrize("alg", ALGS)
def test_algorithms(guarded, set_file, keys, alg):
    key = keys[alg]
    gw = guarded(f"llm_jwt idp {set_file(key)} issuer=https://idp.test "
                 "audience=llm;", location=WHO)
    token = key.token()
    for ask in (gw.chat, gw.messages):
        answer = ask(headers=bearer(token))
        assert answer.status == 200
        assert answer.header("x-who") == "alice|||jwt:idp"
    assert gw.chat(headers=[("x-api-key", token)]).status == 200
    # the last character of a signature may have bits to spare: the first
    head, _, sig = token.rpartition(".")
    changed = ("A" if sig[0] != "A" else "B") + sig[1:]
    refused(gw.chat(headers=bearer(f"{head}.{changed}")),
            "the token's signature is not valid")


def test_hs256(guarded, keys):
    gw = guarded("llm_jwt shared secret=env:JWT_SECRET "
                 "issuer=https://idp.test;", env={"JWT_SECRET": SECRET},
                 location=WHO)
    gw.secret(SECRET)
    assert gw.chat(headers=bearer(hs256(SECRET, {}))
                   ).header("x-who") == "alice|||jwt:shared"
    refused(gw.chat(headers=bearer(hs256(SECRET + "x", {}))), "signature")
    refused(gw.chat(headers=bearer(keys["ES256"].token())),
            "the token's algorithm is not accepted")


def test_claims_to_variables(guarded, set_file, keys):
    key = keys["ES256"]
    names = ("email", "roles", "level", "admin", "deep", "tenantid", "bad",
             "none", "nothing")
    every = "|".join(f"$llm_claim_{name}" for name in names)
    gw = guarded(f"llm_jwt idp {set_file(key)} client=azp "
                 "tenant=org.name plan=tier;", location=WHO
                 + f"add_header X-Claims '{every}' always;")
    answer = gw.chat(headers=bearer(key.token(
        azp="bob", org={"name": "search"}, tier=3, email="b@x", level=7,
        roles=["a", "b"], admin=True, deep={"x": 0.1}, tenantId="T",
        bad="a\r\nSet-Cookie: x=y", none=None)))
    assert answer.header("x-who") == "bob|search|3|jwt:idp"
    assert answer.header("x-claims") == \
        'b@x|["a","b"]|7|true|{"x":0.1}|T|||'
    assert answer.header("set-cookie") is None
    # the client has to be there, and a text
    for claim in (None, "", "a\nb", ["x"], {"x": 1}, True, "x" * 129):
        refused(gw.chat(headers=bearer(key.token(azp=claim))),
                "does not say whose it is")
    refused(gw.chat(headers=bearer(key.token(azp="a", tier=["x"]))),
            "tenant or plan is not a text")
    assert gw.chat(headers=bearer(key.token(azp="a"))
                   ).header("x-who") == "a|||jwt:idp"


def test_bad_tokens(guarded, set_file, keys):
    """A sample; all of them are in the unit tests."""
    key, other = keys["RS256"], SigningKey("RS256", kid="RS256")
    gw = guarded(f"llm_jwt idp {set_file(key)} issuer=https://idp.test "
                 "audience=llm audience=other leeway=5m;")
    now = int(time.time())
    good = key.token()
    none = f"{b64({'alg': 'none'})}.{good.split('.')[1]}"
    jwk = {"alg": "RS256", "kid": "RS256", "jwk": other.jwk}
    for token, reason in (
            (none + ".", "algorithm"), (none + ".eA", "algorithm"),
            (good.rpartition(".")[0] + ".", "no signature"),
            (key.token(exp=now - 301), "the token has expired"),
            (key.token(exp=None), "no valid time of expiry"),
            (key.token(nbf=now + 600), "not valid yet"),
            (key.token(iat=now + 600), "issued in the future"),
            (key.token(iss="https://evil"), "issuer is not accepted"),
            (key.token(iss=None), "issuer is not accepted"),
            (key.token(aud="elsewhere"), "not for this audience"),
            (key.token(header={"kid": "x"}), "unknown key"),
            (key.token(header={"crit": ["exp"]}), "critical"),
            (other.token(), "signature is not valid"),
            (other.token(header=jwk), "signature is not valid"),
            ("a.b.c", "malformed"), ("..", "malformed")):
        refused(gw.chat(headers=bearer(token)), reason)
    # what has no such form is a key, and not there
    refused(gw.chat(headers=bearer("abc")), "the API key is not valid")
    refused(gw.chat(headers=bearer(good + ".x")), "the API key is not valid")
    for token in (good, key.token(aud=["x", "other"]),
                  key.token(exp=now - 2), key.token(nbf=now + 5)):
        assert gw.chat(headers=bearer(token)).status == 200
    assert gw.messages(headers=bearer("a.b.c")
                       ).json["error"]["type"] == "authentication_error"


def test_expires_while_it_is_remembered(guarded, set_file, keys, clock):
    key = keys["ES256"]
    gw = guarded(f"llm_jwt idp {set_file(key)} leeway=0s;")
    token = key.token(exp=int(time.time()) + 3600)
    assert gw.chat(headers=bearer(token)).status == 200
    clock.sleep(minutes=59)
    assert gw.chat(headers=bearer(token)).status == 200
    clock.sleep(minutes=2)
    refused(gw.chat(headers=bearer(token)), "the token has expired")


def test_several_issuers(guarded, set_file, keys, tmp_path):
    one, two = keys["ES256"], keys["EdDSA"]
    other = tmp_path / "two.json"
    other.write_text(json.dumps(key_set(two)))
    gw = guarded(f"""
        llm_jwt one {set_file(one)} issuer=https://one audience=a;
        llm_jwt two jwks=file:{other} issuer=https://two;
        llm_jwt three secret=env:S issuer=https://one client=name;
        """, env={"S": SECRET}, location=WHO)

    def who(token):
        return gw.chat(headers=bearer(token)).header("x-who")

    assert who(one.token(iss="https://one", aud="a")) == "alice|||jwt:one"
    assert who(two.token(iss="https://two")) == "alice|||jwt:two"
    # two of one issuer: whichever it is
    assert who(hs256(SECRET, {"iss": "https://one", "name": "carl"})) == \
        "carl|||jwt:three"
    # the key of one is not that of the other
    refused(gw.chat(headers=bearer(one.token(iss="https://two"))),
            "unknown key")
    refused(gw.chat(headers=bearer(one.token(iss="https://three"))), "issuer")


def test_beside_keys(guarded, set_file, keys, tmp_path):
    file = KeyFile(tmp_path / "keys.conf", key_line("sk-a", "client=a"))
    key = keys["ES256"]
    gw = guarded(f"llm_jwt idp {set_file(key)};" + file.directive,
                 location=WHO)
    assert gw.chat(headers=bearer("sk-a")).header("x-who")[0] == "a"
    assert gw.chat(headers=bearer(key.token())).header("x-who")[:5] == "alice"
    refused(gw.chat(headers=[("x-api-key", "sk-a")] + bearer(key.token())),
            "two different")


# -- key sets that change ------------------------------------------------------

def test_file_is_read_again(guarded, set_file, keys):
    one, two = keys["ES256"], keys["EdDSA"]
    gw = guarded(f"llm_jwt idp {set_file(one)} refresh=1s;")
    old, new = one.token(), two.token()
    assert gw.chat(headers=bearer(old)).status == 200
    # one more: seen at once, since its token comes
    set_file(one, two)
    assert gw.chat(headers=bearer(new)).status == 200
    # one less: what was remembered is not good any more
    set_file(two)
    wait_for(lambda: gw.chat(headers=bearer(old)).status == 401, 8,
             "the key to go")
    assert gw.chat(headers=bearer(new)).status == 200
    # nonsense, or nothing, changes nothing but the log
    set_file.path.write_text("{}")
    wait_for(lambda: "the one read before stays in use" in gw.error_log(), 8,
             "the error")
    assert gw.chat(headers=bearer(new)).status == 200
    set_file.path.unlink()
    time.sleep(1.5)
    assert gw.chat(headers=bearer(new)).status == 200


def test_address(guarded, issuers, keys):
    issuer = issuers(keys["RS256"])
    gw = guarded(issuer.directive("audience=llm"), workers=2)
    assert gw.chat(headers=bearer(keys["RS256"].token())).status == 200
    assert issuer.path == "/keys?a=b"
    assert issuer.last["Host"] == issuer.url.split("/")[2]
    assert issuer.last["Connection"] == "close"
    assert "comes without TLS" in gw.check().stderr


@pytest.mark.parametrize("trusted", [True, False])
def test_tls(guarded, issuers, keys, authority, trusted):
    issuer = issuers(keys["ES256"],
                     tls=authority.server_context("127.0.0.1"))
    gw = guarded(issuer.directive(f"ssl_ca={authority.pem}" if trusted
                                  else ""))
    answer = gw.chat(headers=bearer(keys["ES256"].token()))
    if trusted:
        assert answer.status == 200
        assert "without TLS" not in gw.check().stderr
    else:
        refused(answer, "cannot be checked now", 503)
        assert issuer.requests == 0


def test_tls_wrong_name(guarded, issuers, keys, authority):
    issuer = issuers(keys["ES256"],
                     tls=authority.server_context("other.test"))
    gw = guarded(issuer.directive(f"ssl_ca={authority.pem}"))
    refused(gw.chat(headers=bearer(keys["ES256"].token())),
            "cannot be checked now", 503)


def test_name_by_resolver(guarded, issuers, keys, dns):
    issuer = issuers(keys["ES256"])
    dns.zone = {"idp.test": ["127.0.0.1"]}
    url = issuer.url.replace("127.0.0.1", "idp.test")
    gw = guarded(f"{dns.directive} llm_jwt idp jwks={url};")
    assert gw.chat(headers=bearer(keys["ES256"].token())).status == 200


def test_refreshed_in_the_background(guarded, issuers, keys):
    """A key that is taken away; no request asks for it."""
    one, two = keys["ES256"], keys["EdDSA"]
    issuer = issuers(one, two)
    gw = guarded(issuer.directive("refresh=1s"))
    old = one.token()
    assert gw.chat(headers=bearer(old)).status == 200
    issuer.keys = [two]
    wait_for(lambda: gw.chat(headers=bearer(old)).status == 401, 10,
             "the key to go")
    assert gw.chat(headers=bearer(two.token())).status == 200


@pytest.mark.parametrize("failure", [
    status(500), status(404), body(b"<html>maintenance</html>"),
    body(b'{"keys":[]}'), body(b"x" * 300000), lambda h: h.wfile.close()],
    ids=["500", "404", "html", "empty", "large", "cut"])
def test_last_good_set_stays(guarded, issuers, keys, failure):
    issuer = issuers(keys["ES256"])
    gw = guarded(issuer.directive("refresh=1s"), workers=2)
    assert gw.chat(headers=bearer(keys["ES256"].token())).status == 200
    issuer.answer = failure
    before = issuer.requests
    wait_for(lambda: issuer.requests >= before + 3, 15, "failures")
    for _ in range(4):
        assert gw.chat(headers=bearer(keys["ES256"].token())).status == 200
    assert "the one fetched before stays in use" in gw.error_log()
    # also for the workers of the next configuration
    gw.reload()
    for _ in range(4):
        assert gw.chat(headers=bearer(keys["ES256"].token())).status == 200
    # not every failure is a line of the log
    assert gw.error_log().count("stays in use") <= 4
    issuer.answer = None
    wait_for(lambda: "is there again" in gw.error_log(), 15, "the end of it")


def test_never_there(guarded, issuers, keys):
    """An address that is down from the start: 503, and soon; then 200."""
    issuer = issuers(keys["ES256"])
    issuer.answer = status(503)
    gw = guarded(issuer.directive())
    for _ in range(5):
        start = time.monotonic()
        answer = gw.chat(headers=bearer(keys["ES256"].token()))
        refused(answer, "cannot be checked now", 503)
        assert answer.header("retry-after") == "1"
        # not the five seconds in which one could have come
        assert time.monotonic() - start < 4 * SLOW
    # what is bad anyway is told so
    refused(gw.chat(headers=bearer(keys["ES256"].token(exp=1))), "expired")
    assert gw.messages(headers=bearer(keys["ES256"].token())
                       ).json["error"]["type"] == "overloaded_error"
    issuer.answer = None
    wait_for(lambda: gw.chat(headers=bearer(keys["ES256"].token())).status
             == 200, 10, "the key set")


def test_slow_set_is_waited_for(guarded, issuers, keys):
    issuer = issuers(keys["ES256"])

    def slow(handler):
        time.sleep(0.5)
        body(json.dumps(key_set(keys["ES256"])).encode())(handler)
    issuer.answer = slow
    gw = guarded(issuer.directive())
    answers = []

    def ask():
        answers.append(gw.chat(headers=bearer(keys["ES256"].token())).status)
    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 20
    assert issuer.requests == 1


def waiting(gw, count):
    """So many requests are under way."""
    wait_for(lambda: gw.metrics().sum("llm_requests_in_flight") == count, 5,
             f"{count} who wait")


def test_who_waits_may_leave(guarded, issuers, keys):
    issuer = issuers(keys["ES256"])
    go = threading.Event()

    def held(handler):
        go.wait(10)
        body(json.dumps(key_set(keys["ES256"])).encode())(handler)
    issuer.answer = held
    gw = guarded(issuer.directive(), h2c=True)
    token = keys["ES256"].token()
    chat = {"model": "m", "messages": []}
    clients = []
    for number in range(30):
        client = gw.connect()
        client.request("POST", "/v1/chat/completions", json=chat,
                       headers=bearer(token))
        clients.append(client)
    h2 = gw.connect_h2()
    streams = [h2.request("POST", "/v1/chat/completions",
                          json.dumps(chat).encode(),
                          [("authorization", f"Bearer {token}"),
                           ("content-type", "application/json")])
               for _ in range(4)]
    waiting(gw, 34)
    wait_for(lambda: issuer.requests == 1, 5, "the question")
    for number, client in enumerate(clients[:20]):
        client.reset() if number % 2 else client.close()
    h2.cancel(streams[0])
    waiting(gw, 13)
    go.set()
    for client in clients[20:]:
        assert client.read().status == 200
    for stream in streams[1:]:
        assert h2.read(stream).status == 200


def test_quit_while_requests_wait(guarded, issuers, keys):
    """A worker that exits still serves them."""
    issuer = issuers(keys["ES256"])
    go = threading.Event()

    def held(handler):
        go.wait(10)
        body(json.dumps(key_set(keys["ES256"])).encode())(handler)
    issuer.answer = held
    gw = guarded(issuer.directive())
    client = gw.connect()
    client.request("POST", "/v1/chat/completions",
                   json={"model": "m", "messages": []},
                   headers=bearer(keys["ES256"].token()))
    waiting(gw, 1)
    gw.process.send_signal(signal.SIGQUIT)
    wait_for(lambda: gw.workers(leaving=True), 5, "the worker to leave")
    go.set()
    assert client.read().status == 200
    client.close()
    assert gw.process.wait(10 * SLOW) == 0


def test_rotation_under_traffic(guarded, issuers, keys, clock):
    """New keys, used from the moment on when the issuer shows them: no good
    token is refused, in no worker."""
    signing = SigningKey("ES256", kid="k0")
    issuer = issuers(signing)
    gw = guarded(issuer.directive("refresh=10m"), workers=2)
    current = [signing]
    stop = threading.Event()
    seen = []

    def ask():
        client = gw.connect(timeout=40)
        while not stop.is_set():
            key = current[0]
            client.request("POST", "/v1/chat/completions",
                           json={"model": "m", "messages": []},
                           headers=bearer(key.token()))
            seen.append((key.kid, client.read().status))

    def rotate(kid):
        fresh = SigningKey("ES256", kid=kid)
        issuer.keys = [current[0], fresh]
        current[0] = fresh

    def served(kid):
        return seen.count((kid, 200)) > 9

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    try:
        wait_for(lambda: served("k0"), 10, "the first key")
        # longer than the least time between two fetches, then shorter
        clock.advance(seconds=10.5)
        rotate("k1")
        wait_for(lambda: served("k1"), 10, "the second key")
        clock.advance(seconds=3)
        rotate("k2")
        wait_for(lambda: served("k2") or gw.metrics().sum(
            "llm_requests_in_flight") == 6, 10, "all to wait")
        clock.advance(seconds=8)
        wait_for(lambda: served("k2"), 10, "the last key")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert {code for _, code in seen} == {200}
    # no more than workers x (start + one for each new key)
    assert issuer.requests <= 6


def test_unknown_kids_do_not_flood_the_issuer(guarded, issuers, keys, clock):
    issuer = issuers(keys["ES256"])
    gw = guarded(issuer.directive("refresh=10m"))
    token = keys["ES256"].token
    assert gw.chat(headers=bearer(token())).status == 200
    codes = []

    def ask(number):
        codes.append(gw.chat(headers=bearer(
            token(header={"kid": f"x{number}"}))).status)
    threads = [threading.Thread(target=ask, args=(n,)) for n in range(50)]
    for thread in threads:
        thread.start()
    wait_for(lambda: gw.metrics().sum("llm_requests_in_flight") + len(codes)
             == 50, 10, "all to wait")
    # who is known does not wait with them
    start = time.monotonic()
    for _ in range(20):
        assert gw.chat(headers=bearer(token())).status == 200
    assert time.monotonic() - start < 5 * SLOW
    clock.advance(seconds=10)
    for thread in threads:
        thread.join()
    assert codes == [401] * 50
    assert issuer.requests <= 3


def test_a_key_without_a_name_is_replaced(guarded, issuers, clock):
    """An issuer with one key and no kid: a signature that fails asks."""
    one = SigningKey("ES256", kid=None)
    issuer = issuers(one)
    gw = guarded(issuer.directive("refresh=10m"))
    assert gw.chat(headers=bearer(one.token())).status == 200
    two = SigningKey("ES256", kid=None)
    issuer.keys = [two]
    clock.sleep(seconds=10)
    assert gw.chat(headers=bearer(two.token())).status == 200
    clock.sleep(seconds=10)
    refused(gw.chat(headers=bearer(one.token())), "signature")
    assert issuer.requests == 3


# -- configuration -------------------------------------------------------------

@pytest.mark.parametrize("words, advice", [
    ("issuer=x", 'needs either "jwks="'),
    ("jwks=http://127.0.0.1/ secret=env:S", 'needs either "jwks="'),
    ("jwks=http://127.0.0.1/ algorithms=HS256", "HS256 needs a secret"),
    ("secret=env:S algorithms=RS256", "for HS256 alone"),
    ("jwks=http://127.0.0.1/ algorithms=none", "algorithms"),
    ("jwks=http://127.0.0.1/ algorithms=", "is empty"),
    ("jwks=http://127.0.0.1/ colour=red", 'invalid parameter "colour=red"'),
    ("jwks=http://127.0.0.1/ issuer=a issuer=b", "is duplicate"),
    ("jwks=http://127.0.0.1/ leeway=1h", "from 0 to 10m"),
    ("jwks=http://127.0.0.1/ refresh=10ms", "from 1s on"),
    ("jwks=ftp://127.0.0.1/", 'invalid "jwks="'),
    ("jwks=https://", 'invalid "jwks="'),
    ("jwks=https://u:p@host/", "without user and password"),
    ("jwks=https://host/#x", 'invalid "jwks="'),
    ("jwks=https://idp.example.com/keys", 'write "resolver ADDRESS;"'),
    ("jwks=https://127.0.0.1/ ssl_ca=nothing.pem", "nothing.pem"),
    ("jwks=file:nothing.json", "could not be opened"),
    ("jwks=file:", "no path"),
    ("secret=abcdefghijklmnopqrstuvwxyz0123456789", "no place in the"),
    ("secret=env:SHORT", "at least 32 bytes"),
    ("secret=env:UNSET", "UNSET"),
])
def test_bad_directives(gateway, words, advice):
    gw = gateway(start=False, http=f"llm_jwt idp {words};"
                 "upstream m { llm_dialect mock; }" + route("target m;"),
                 env={"S": SECRET, "SHORT": "x" * 31})
    said = gw.check()
    assert not said.ok and advice in said.stderr, said.stderr
    assert SECRET not in said.stderr
    assert f"nginx.conf:{said.line_of('llm_jwt')}" in said.stderr


def test_duplicate_names(gateway, set_file, keys):
    one = f"llm_jwt idp {set_file(keys['ES256'])};"
    gw = gateway(start=False, http=one + one
                 + "upstream m { llm_dialect mock; }" + route("target m;"))
    assert 'duplicate "llm_jwt idp"' in gw.check().stderr


@pytest.mark.parametrize("url, host, target", [
    ("http://[::1]:{port}/k", "[::1]:{port}", "/k"),
    ("http://127.0.0.1:{port}", "127.0.0.1:{port}", "/"),
    ("http://127.0.0.1:{port}?x=/y", "127.0.0.1:{port}", "/?x=/y"),
])
def test_addresses(guarded, issuers, keys, url, host, target):
    issuer = issuers(keys["ES256"], host="::1" if "::1" in url
                     else "127.0.0.1")
    gw = guarded(f"llm_jwt idp jwks={url.format(port=issuer.port)};")
    assert gw.chat(headers=bearer(keys["ES256"].token())).status == 200
    assert issuer.last["Host"] == host.format(port=issuer.port)
    assert issuer.path == target
