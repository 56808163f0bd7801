"""Addresses follow the DNS while nginx runs."""

from __future__ import annotations

import pytest

from harness import Reply, elapsed, route, wait_for
from harness.dns import NXDOMAIN, SERVFAIL, TIMEOUT


@pytest.fixture
def named(gateway, provider, dns):
    """A gateway before a provider known by its name."""
    def make(*records, script=None, zone=None, more="", lines=(),
             resolver=dns.directive, **parts):
        up = provider(script)
        dns.zone["up.test"] = zone if zone is not None else ["127.0.0.1"]
        gw = gateway(http=f"""{resolver}
            upstream up {{ llm_endpoint http://up.test:{up.port}/v1;
                          llm_dialect openai; llm_api_key
                          env:{up.key_variable}; }}
            {more}""" + route("target up;", *lines), **parts)
        return gw, up
    return make


def served(gw, timeout=15.0):
    return wait_for(lambda: (lambda a: a if a.status == 200 else None)(
        gw.chat()), timeout, "an answer")


def test_a_name(named, dns):
    gw, up = named()
    served(gw)
    assert up.last.header("host") == f"up.test:{up.port}"
    asked = dns.count("up.test")

    def ten():
        for _ in range(10):
            assert gw.chat().status == 200
    took, _ = elapsed(ten)
    # they may be asked once a second
    assert dns.count("up.test") - asked <= took + 3, "asked for each request"


@pytest.mark.parametrize("state", [NXDOMAIN, SERVFAIL, TIMEOUT, []],
                         ids=["nxdomain", "servfail", "timeout", "empty"])
def test_it_starts_without_an_address(named, dns, state):
    gw, up = named(zone=state)
    answer = gw.chat()
    assert answer.status in (502, 503) and answer.json["error"]["message"]
    assert "up.test" not in answer.body.decode()
    gw.reload(server="location = /n { return 204; }")
    dns.zone["up.test"] = ["127.0.0.1"]
    served(gw)
    assert len(up.requests) >= 1


def test_it_follows(named, dns, provider):
    gw, up = named()
    served(gw)
    moved = provider(Reply(text="moved"), host="127.0.0.2", port=up.port)
    dns.zone["up.test"] = ["127.0.0.2"]
    wait_for(lambda: gw.chat().json["choices"][0]["message"]["content"]
             == "moved", 15, "the new address")
    before = len(up.requests)
    gw.chat()
    assert len(up.requests) == before
    assert moved.last.header("host") == f"up.test:{up.port}"


@pytest.mark.parametrize("state", [NXDOMAIN, SERVFAIL, TIMEOUT],
                         ids=["nxdomain", "servfail", "timeout"])
def test_the_last_good_address_serves_on(named, dns, state):
    gw, up = named()
    served(gw)
    asked = dns.count("up.test")
    dns.zone["up.test"] = state
    wait_for(lambda: dns.count("up.test") > asked, 15, "another question")
    for _ in range(5):
        assert gw.chat().status == 200


def test_one_of_two_addresses_is_dead(named, dns):
    gw, up = named(zone=["127.0.0.9", "127.0.0.1"], lines=[
        "retry attempts=4;"])
    served(gw)
    good = sum(gw.chat().status == 200 for _ in range(20))
    assert good >= 10


def test_many_addresses(named, dns):
    gw, up = named(zone=["127.0.0.1"] * 25)
    served(gw)


def test_an_unknown_name_fails_over(named, provider):
    second = provider(Reply(text="second"))
    gw, up = named(zone=NXDOMAIN, more=second.upstream("second"),
                   lines=["fallback second;"])
    answer = gw.chat()
    assert answer.status == 200
    assert answer.json["choices"][0]["message"]["content"] == "second"
    assert answer.header("x-llm-target") == "second"


def test_it_does_not_wait_for_the_dns(named, dns):
    gw, up = named(zone=TIMEOUT, resolver=dns.directive.replace(
        "resolver_timeout 1s", "resolver_timeout 30s"))
    took, answer = elapsed(gw.chat)
    assert took < 10 and answer.status in (502, 503)


def test_all_workers_follow(named, dns, provider):
    gw, up = named(workers=3, listen="reuseport")
    served(gw)
    second = provider(Reply(text="moved"), host="127.0.0.2", port=up.port)
    dns.zone["up.test"] = ["127.0.0.2"]

    def all_moved():
        before = len(up.requests)
        for _ in range(20):
            gw.chat()
        return len(up.requests) == before
    wait_for(all_moved, 20, "all workers to follow")
    assert len(second.requests) >= 20
