"""Countries: llm_geo, country in llm_route, countries of keys."""

from __future__ import annotations

import random
import threading

import pytest

from harness import geo, route
from harness.keys import KeyFile, key_line
from harness.nginx import nginx_version

pytestmark = pytest.mark.skipif(not geo.available(),
                                reason="no libmaxmind-db-writer-perl")

ALICE = "sk-alice-0123456789abcdefghij"
DE, FR, US, SIX = "192.0.2.7", "198.51.100.7", "203.0.113.7", "2001:db8::7"
NETWORKS = {"192.0.2.0/24": "DE", "198.51.100.0/24": "FR",
            "203.0.113.0/24": "US", "2001:db8::/32": "AT"}
REAL = "set_real_ip_from 127.0.0.1; real_ip_header X-Real;"


@pytest.fixture
def database(tmp_path):
    return geo.write(tmp_path / "country.mmdb", NETWORKS)


@pytest.fixture
def served(gateway, provider, tmp_path, database):
    def make(*lines, routes="", auth="on", http="", location="", **parts):
        up = provider()
        keys = KeyFile(tmp_path / "keys.conf", *lines)
        return gateway(
            http=REAL + f"llm_geo {database};" + keys.directive
            + up.upstream("up") + (routes or route("target up;")) + http,
            location=f"llm_auth {auth}; llm_pass; {location}"
            'add_header X-Country "-$llm_country-" always;', **parts)
    return make


def here(real, key=ALICE):
    return [("X-Real", real), ("x-api-key", key)]


def test_variable(served):
    gw = served(key_line(ALICE))
    for address, country in ((DE, "DE"), (FR, "FR"), (US, "US"), (SIX, "AT"),
                             ("192.0.3.1", ""), ("::1", ""),
                             ("127.0.0.1", ""), ("::ffff:192.0.2.9", "DE")):
        answer = gw.chat(headers=here(address))
        assert answer.header("x-country") == f"-{country}-", address


def test_variable_without_auth_or_database(gateway):
    gw = gateway(http="upstream m { llm_dialect mock; }" + route("target m;"),
                 location="llm_pass; add_header X-C '-$llm_country-';")
    assert gw.chat().header("x-c") == "--"


def test_route(served):
    """A model that stays in some countries."""
    gw = served(key_line(ALICE), auth="optional",
                routes=route("target up;", "country DE FR;", "country AT;",
                             name="eu", match="eu-model")
                + route("target up;", name="all", match="any-model"))
    for address, status in ((DE, 200), (FR, 200), (SIX, 200), (US, 403),
                            ("127.0.0.1", 403), ("192.0.3.1", 403)):
        for headers in (here(address), [("X-Real", address)]):
            answer = gw.chat(model="eu-model", headers=headers)
            assert answer.status == status, address
            if status == 403:
                assert answer.json["error"]["code"] == "country_not_allowed"
                assert answer.json["error"]["type"] == "permission_error"
            assert gw.chat(model="any-model", headers=headers).status == 200
            listed = gw.get("/v1/models", headers=headers).json["data"]
            assert {m["id"] for m in listed} == {"any-model"} | (
                {"eu-model"} if status == 200 else set())
    answer = gw.messages(model="eu-model", headers=[("X-Real", US)])
    assert answer.status == 403
    assert answer.json["error"]["type"] == "permission_error"


def test_key(served):
    gw = served(key_line(ALICE, "countries=DE,at"))
    for address, status in ((DE, 200), (SIX, 200), (FR, 403),
                            ("127.0.0.1", 403)):
        answer = gw.chat(headers=here(address))
        assert answer.status == status
        if status == 403:
            assert answer.json["error"]["message"] == \
                "the API key may not be used from this country"


@pytest.mark.parametrize("record, version, flat", [
    ("DE", 4, False), ("DE", 6, True), ({"country_code": "DE"}, 6, False)])
def test_databases_of_several_makers(gateway, tmp_path, record, version, flat):
    path = geo.write(tmp_path / "x.mmdb", {"192.0.2.0/24": record}, version,
                     flat)
    gw = gateway(http=REAL + f"llm_geo {path};"
                 "upstream m { llm_dialect mock; }" + route("target m;"),
                 location="llm_pass; add_header X-C '-$llm_country-';")
    assert gw.chat(headers=[("X-Real", DE)]).header("x-c") == "-DE-"
    assert gw.chat(headers=[("X-Real", SIX)]).header("x-c") == "--"


@pytest.mark.parametrize("record", [
    {"country": {"iso_code": "de"}}, {"country": {"iso_code": "DEU"}},
    {"country": {"names": {"en": "Germany"}}}])
def test_what_is_no_country(gateway, tmp_path, record):
    path = geo.write(tmp_path / "x.mmdb", {"192.0.2.0/24": record})
    gw = gateway(http=REAL + f"llm_geo {path};"
                 "upstream m { llm_dialect mock; }"
                 + route("target m;", "country DE;"),
                 location="llm_pass; add_header X-C '-$llm_country-' always;")
    answer = gw.chat(headers=[("X-Real", DE)])
    assert (answer.status, answer.header("x-c")) == (403, "--")


# -- files that are broken, or change ------------------------------------------

def test_broken_files_are_refused(gateway, tmp_path, database):
    whole = database.read_bytes()
    broken = tmp_path / "broken.mmdb"
    gw = gateway(start=False, http=f"llm_geo {broken};"
                 "upstream m { llm_dialect mock; }" + route("target m;"))
    for data in (b"", b"x", b"x" * 100000, whole[:-100],
                 whole[:len(whole) // 2]):
        broken.write_bytes(data)
        said = gw.check()
        assert not said.ok
        assert f'"{broken}" could not be read' in said.stderr
        assert "llm_geo" in said.stderr


def test_broken_data_is_survived(gateway, provider, tmp_path, database):
    """Bits flipped anywhere: refused, or unknown, but never a crash."""
    dice = random.Random(7)
    whole = database.read_bytes()
    end = whole.index(b"MaxMind.com")       # what follows is read at once
    broken = tmp_path / "broken.mmdb"
    up = provider()
    gw = gateway(start=False, http=REAL + f"llm_geo {broken};"
                 + up.upstream("up") + route("target up;"),
                 location="llm_pass; add_header X-C '-$llm_country-' always;")
    broken.write_bytes(whole)
    gw.start()
    taken = 0
    for _ in range(25):
        data = bytearray(whole)
        for _ in range(dice.randint(1, 30)):
            data[dice.randrange(end)] ^= 1 << dice.randrange(8)
        if dice.random() < 0.3:
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        broken.write_bytes(data)
        if not gw.check().ok:
            continue
        taken += 1
        gw.reload()
        for address in (DE, FR, US, SIX, "127.0.0.1"):
            assert gw.chat(headers=[("X-Real", address)]).status == 200
    assert taken > 5


def test_overwritten_under_traffic(served, database):
    """As cp does it: the file becomes empty while it is in use."""
    gw = served(key_line(ALICE))
    whole = database.read_bytes()
    stop = threading.Event()
    wrong = []

    def ask():
        while not stop.is_set():
            answer = gw.chat(headers=here(DE))
            if answer.header("x-country") != "-DE-":
                wrong.append(answer)
    thread = threading.Thread(target=ask)
    thread.start()
    for _ in range(20):
        database.write_bytes(b"")
        database.write_bytes(whole[:1000])
        database.write_bytes(whole)
    geo.write(database, {"192.0.2.0/24": "FR"})
    stop.set()
    thread.join()
    assert wrong == []
    # the new one comes with a reload
    gw.reload()
    assert gw.chat(headers=here(DE)).header("x-country") == "-FR-"


@pytest.mark.parametrize("line, advice", [
    ("country de;", 'invalid country "de"'),
    ("country DEU;", 'invalid country "DEU"'),
    ("country DE;", 'write "llm_geo FILE.mmdb;" in http{}'),
])
def test_bad_directives(gateway, line, advice):
    gw = gateway(start=False, http="upstream m { llm_dialect mock; }"
                 + route("target m;", line))
    said = gw.check()
    assert not said.ok and advice in said.stderr
    assert f"nginx.conf:{said.line_of(line)}" in said.stderr
