"""Which target is asked: routes, weights, cost, latency, breakers."""

from __future__ import annotations

import time

import pytest

from harness import (Provider, Reply, Reserved, SLOW, answers, openai_wire,
                     route, wait_for)


def blocks(ups: list[Provider], *lines: str) -> str:
    return "".join(up.upstream(f"u{i}", *lines)
                   for i, up in enumerate(ups))


def targets(count: int) -> list[str]:
    return [f"target u{i};" for i in range(count)]


@pytest.mark.parametrize("location,served", [
    ("llm_pass special;", "special"), ("llm_pass $which;", "special"),
    ("llm_pass;", "r")])
def test_which_route(gateway, provider, location, served):
    one, two = provider(), provider()
    gw = gateway(
        http=one.upstream("one") + two.upstream("two") + """
        map $http_x_which $which { default $http_x_which; }
        llm_route r { match *; target one; }
        llm_route special { match none; target two; }""", location=location)
    answer = gw.chat(headers=[("X-Which", "special")])
    assert answer.status == 200 and answer.header("x-llm-route") == served
    asked, other = (two, one) if served == "special" else (one, two)
    assert len(asked.requests) == 1 and not other.requests


def test_models_of_a_route_that_is_not_there(gateway, provider):
    up = provider()
    gw = gateway(http=up.upstream("up") + """
        llm_route r { match secret; target up; }""",
                 location="llm_pass $http_x_which;")
    here = [("X-Which", "r")]
    assert b"secret" in gw.get("/v1/models", here).body
    assert gw.get("/v1/models/secret", here).status == 200
    assert gw.get("/v1/models").json["data"] == []
    assert gw.get("/v1/models/secret").status == 404


def test_a_name_with_a_line_end_stays_one_header(gateway, provider):
    up = provider()
    gw = gateway(http=up.upstream("up") + r"""
        llm_route "a\nX-Evil: 1" { match *; target "up/b\r\nX-Evil: 1"; }""")
    answer = gw.chat()
    assert answer.header("x-llm-route") == "a?X-Evil: 1"
    assert answer.header("x-llm-target") == "up/b??X-Evil: 1"
    assert answer.header("x-evil") is None
    assert up.last.json["model"] == "b\r\nX-Evil: 1"


def test_the_best_match_wins(gateway, provider):
    ups = {name: provider() for name in ("exact", "long", "short", "any")}
    gw = gateway(http="".join(up.upstream(n) for n, up in ups.items()) + """
        llm_route any { match *; target any; }
        llm_route short { match gpt-*; target short; }
        llm_route long { match gpt-4*; target long; }
        llm_route exact { match gpt-4o; target exact; }""")
    for model, name in (("gpt-4o", "exact"), ("gpt-4o-mini", "long"),
                        ("gpt-5", "short"), ("claude", "any"),
                        ("GPT-4o", "any")):
        assert gw.chat(model=model).header("x-llm-route") == name, model


def test_weights(gateway, provider):
    ups = [provider() for _ in range(3)]
    gw = gateway(http="".join(u.upstream(f"u{i}")
                              for i, u in enumerate(ups)) + """
        llm_route r { match *; target u0 weight=3; target u1 weight=1;
                      target u2 weight=0; select weight; }""")
    client = gw.connect()
    for _ in range(200):
        assert client.request("POST", "/v1/chat/completions", json={
            "model": "m", "messages": []}).read().status == 200
    counts = [len(u.requests) for u in ups]
    assert sum(counts) == 200 and counts[2] == 0
    assert 120 <= counts[0] <= 180


def test_a_weight_of_nothing_is_a_target_that_is_off(gateway, provider):
    ups = [provider(answers.openai_error(500)), provider()]
    gw = gateway(http=blocks(ups) + route("target u0;",
                                          "target u1 weight=0;"))
    assert gw.chat().status == 500
    assert len(ups[0].requests) == 1 and not ups[1].requests


def test_targets_before_fallbacks(gateway, provider):
    """Wherever they are written."""
    ups = [provider() for _ in range(3)]
    gw = gateway(http=blocks(ups) + route("fallback u0;", "target u1;",
                                          "fallback u2;"))
    for _ in range(5):
        assert gw.chat().header("x-llm-target") == "u1"
    ups[1](answers.openai_error(500))
    assert gw.chat().header("x-llm-target") == "u0"


def test_the_cheapest_first(gateway, provider):
    ups = [provider() for _ in range(3)]
    prices = ["input=3 output=9", "input=0.1 output=0.4", "input=1 output=1"]
    gw = gateway(http="".join(
        up.upstream(f"u{i}", f"llm_price * {price};")
        for i, (up, price) in enumerate(zip(ups, prices)))
        + route(*[f"target u{i}/m;" for i in range(3)], "select cost;"))
    for _ in range(5):
        assert gw.chat().header("x-llm-target") == "u1/m"
    ups[1](answers.openai_error(500))
    assert gw.chat().header("x-llm-target") == "u2/m"


def test_an_unknown_price_comes_last(gateway, provider):
    ups = [provider() for _ in range(2)]
    gw = gateway(http=ups[0].upstream("u0") + ups[1].upstream(
        "u1", "llm_price * input=99 output=99;")
        + route("target u0/m;", "target u1/m;", "select cost;"))
    assert gw.chat().header("x-llm-target") == "u1/m"


def test_the_fastest_first(gateway, provider, clock):
    def after(seconds):
        def script(x):
            clock.advance(seconds)
            openai_wire.server()(x)
        return script
    ups = [provider(after(60)), provider(after(0)), provider(after(30))]
    gw = gateway(http=blocks(ups) + route(*targets(3), "select latency;"))
    for _ in range(6):
        gw.chat(stream=True)
    before = len(ups[1].requests)
    for _ in range(5):
        assert gw.chat(stream=True).header("x-llm-target") == "u1"
    assert len(ups[1].requests) == before + 5
    assert ups[0].requests and ups[2].requests


def test_the_least_limited_first(gateway, provider):
    def left(requests):
        return openai_wire.server(headers=[
            ("x-ratelimit-limit-requests", "100"),
            ("x-ratelimit-remaining-requests", str(requests))])
    ups = [provider(left(5)), provider(left(90)), provider(left(40))]
    gw = gateway(http=blocks(ups) + route(*targets(3), "select headroom;"))
    for _ in range(6):
        gw.chat()
    for _ in range(5):
        assert gw.chat().header("x-llm-target") == "u1"


def test_a_target_that_fails_again_and_again_comes_last(chain):
    gw, (bad, good) = chain(answers.openai_error(500), Reply(text="good"))
    for _ in range(20):
        assert gw.chat().status == 200
    assert len(bad.requests) < 10
    bad(openai_wire.server(Reply(text="back")))
    wait_for(lambda: gw.chat().json["choices"][0]["message"]["content"]
             == "back", 10, "it to be asked again")


def test_the_only_target_is_asked_all_the_same(serve):
    gw, up = serve(answers.openai_error(500))
    for _ in range(8):
        assert gw.chat().status == 500
    assert len(up.requests) == 8


def test_callers_faults_do_not_put_a_target_aside(chain):
    """Bad requests say nothing about the provider."""
    gw, (first, second) = chain(answers.openai_error(400), None)
    for _ in range(6):
        assert gw.chat().status == 400
    first(openai_wire.server())
    assert gw.chat().header("x-llm-target") == "up0"


def test_unknown_models_do_not_put_a_target_aside(serve, provider):
    """Names that callers make up: the provider knows others well."""
    second = provider(Reply(text="second"))

    def script(x):
        if x.request.json["model"].startswith("made-up"):
            answers.openai_error(404, code="model_not_found")(x)
        else:
            openai_wire.server(Reply(text="first"))(x)
    gw, up = serve(script, http=second.upstream("two"),
                   lines=["fallback two;"])
    for i in range(6):
        assert gw.chat(model=f"made-up-{i}").status == 200
    answer = gw.chat(model="known")
    assert answer.json["choices"][0]["message"]["content"] == "first"


def test_a_client_that_leaves_does_not_put_a_target_aside(chain):
    gw, (first, second) = chain(answers.stall, None)
    for number in range(5):
        client = gw.connect()
        client.request("POST", "/v1/chat/completions",
                       json={"model": "m", "messages": []})
        first.wait_requests(number + 1)
        client.close()
        first.wait_closed_early(number + 1)
    first(openai_wire.server())
    assert gw.chat().header("x-llm-target") == "up0"


def test_a_dead_target_costs_no_time(gateway, provider):
    dead, good = Reserved(), provider()
    gw = gateway(http=f"""
        upstream dead {{ server 127.0.0.1:{dead.port}; llm_dialect openai; }}
        """ + good.upstream("good") + route("target dead;",
                                            "fallback good;"))
    started = time.monotonic()
    for _ in range(20):
        assert gw.chat().status == 200
    assert time.monotonic() - started < 5 * SLOW
    dead.close()
