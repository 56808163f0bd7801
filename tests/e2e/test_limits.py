"""llm_limit: how fast, by any key."""

from __future__ import annotations

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import Reply, answers, route
from harness.util import SLOW, wait_for

K = "x-key"


def key(name: str) -> list[tuple[str, str]]:
    return [(K, name)]


def limit(engine: str, words: str, name: str = "per") -> dict:
    """For serve(): one limit, by a header."""
    return {"lines": [f"limit {name};"],
            "http": f"{engine} llm_limit {name} key=$http_x_key {words};"}


# -- refusing ------------------------------------------------------------------

def test_requests_of_a_key(serve, engine):
    gw, up = serve(Reply(), **limit(engine, "requests=3/m"))
    assert [gw.chat(headers=key("a")).status for _ in range(5)] \
        == [200, 200, 200, 429, 429]
    assert gw.chat(headers=key("b")).status == 200
    assert len(up.requests) == 4
    line = gw.ledger(6)[3]
    assert line["llm_limit"] == "per" and line["llm_error"] == "rate_limit"
    assert gw.metrics().sum("llm_limit_denied_total", limit="per",
                              unit="requests") == 2


def test_no_value_no_limit(serve, engine):
    gw, up = serve(Reply(), **limit(engine, "requests=1/m"))
    assert all(gw.chat().status == 200 for _ in range(4))
    assert gw.chat().header("x-ratelimit-limit-requests") is None


def test_what_openai_callers_are_told(serve, engine):
    gw, _ = serve(Reply(), **limit(engine, "requests=1/10s"))
    gw.chat(headers=key("a"))
    r = gw.chat(headers=key("a"))
    error = r.json["error"]
    assert r.status == 429
    assert error["code"] == "rate_limit_exceeded"
    assert error["type"] == "rate_limit_error"
    message = error["message"]
    assert re.search(r'limit "per" \(requests=1/10s\) is reached: 0 left, this '
                     r"request needs 1; it resets in \d+s, retry in \d+s",
                     message), message
    assert 1 <= int(r.header("retry-after")) <= 11
    assert 0 < int(r.header("retry-after-ms")) <= 11000
    assert r.header("x-should-retry") == "true"
    assert r.header("x-ratelimit-limit-requests") == "1"
    assert r.header("x-ratelimit-remaining-requests") == "0"
    assert re.fullmatch(r"\d+s", r.header("x-ratelimit-reset-requests"))


def test_what_anthropic_callers_are_told(serve, engine):
    gw, _ = serve(Reply(), dialect="anthropic",
                  **limit(engine, "requests=1/10s tokens=10k/m input=5k/m "
                                  "output=6k/m"))
    r = gw.messages(headers=key("a"))
    assert r.status == 200
    for name, most in (("requests", 1), ("tokens", 10000),
                       ("input-tokens", 5000), ("output-tokens", 6000)):
        prefix = f"anthropic-ratelimit-{name}"
        assert int(r.header(f"{prefix}-limit")) == most
        assert 0 <= int(r.header(f"{prefix}-remaining")) < most
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
                            r.header(f"{prefix}-reset"))
    assert r.header("x-ratelimit-limit-requests") is None
    r = gw.messages(headers=key("a"))
    assert r.status == 429
    assert r.json["type"] == "error"
    assert r.json["error"]["type"] == "rate_limit_error"
    assert "requests=1/10s" in r.json["error"]["message"]


@pytest.mark.parametrize("stream", [False, True])
def test_the_clients_classes(serve, engine, stream):
    import anthropic
    import openai
    gw, _ = serve(Reply(), **limit(engine, "requests=1/m"))
    client = gw.openai(default_headers={K: "o"})
    ask = {"model": "m", "messages": [{"role": "user", "content": "hi"}],
           "stream": stream}
    if stream:
        list(client.chat.completions.create(**ask))
    else:
        client.chat.completions.create(**ask)
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(**ask)
    assert caught.value.code == "rate_limit_exceeded"

    client = gw.anthropic(default_headers={K: "a"})
    client.messages.create(max_tokens=50, model="m", messages=ask["messages"])
    with pytest.raises(anthropic.RateLimitError):
        client.messages.create(max_tokens=50, **ask)


def test_a_client_that_waits_is_served(serve, engine):
    gw, _ = serve(Reply(), **limit(engine, "requests=2/s"))
    client = gw.openai(default_headers={K: "a"}, max_retries=3)
    for n in range(100):        # a slow machine may keep to it without wanting
        client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "hi"}])
        if n > 3 and gw.metrics().sum("llm_limit_denied_total"):
            break
    assert gw.metrics().sum("llm_limit_denied_total") >= 1


def test_a_provider_s_own_numbers_give_way(serve, engine):
    headers = [("x-ratelimit-limit-requests", "9999"),
               ("X-RateLimit-Remaining-Requests", "9998"),
               ("x-ratelimit-limit-tokens", "7777"),
               ("retry-after-ms", "5")]
    from harness import openai_wire
    gw, _ = serve(openai_wire.server(Reply(), headers),
                  **limit(engine, "requests=5/m"))
    r = gw.chat(headers=key("a"))
    assert r.all("x-ratelimit-limit-requests") == ["5"]
    assert r.all("x-ratelimit-remaining-requests") == ["4"]
    assert r.all("x-ratelimit-limit-tokens") == ["7777"]
    r = gw.chat()
    assert r.all("x-ratelimit-limit-requests") == ["9999"]


def test_headers_may_be_switched_off(serve, engine):
    gw, _ = serve(Reply(), location="llm_pass; llm_response_headers route;",
                  **limit(engine, "requests=1/m"))
    assert gw.chat(headers=key("a")).header("x-ratelimit-limit-requests") \
        is None
    r = gw.chat(headers=key("a"))
    assert r.status == 429 and r.header("x-ratelimit-limit-requests") is None
    assert r.header("retry-after")


# -- windows -------------------------------------------------------------------

def test_a_window_slides(serve, engine):
    gw, _ = serve(Reply(), **limit(engine, "requests=4/2s"))
    end = time.monotonic() + 20 * SLOW
    admitted = []
    while len(admitted) < 8 and time.monotonic() < end:
        asked = time.monotonic()
        if gw.chat(headers=key("a")).status == 200:
            admitted.append((asked, time.monotonic()))
        time.sleep(0.02)
    assert len(admitted) == 8
    # in no window of two seconds more than four: it was let pass somewhere
    # between question and answer
    for (first, _), (_, fifth) in zip(admitted, admitted[4:]):
        assert fifth - first > 1.95


def test_several_limits_all_or_nothing(serve, engine):
    """What one refuses does not use up the other."""
    gw, _ = serve(Reply(), lines=["limit wide narrow;"], http=engine + """
        llm_limit wide key=all requests=10/m;
        llm_limit narrow key=$http_x_key requests=1/m;
    """)
    assert gw.chat(headers=key("a")).status == 200
    for _ in range(20):
        r = gw.chat(headers=key("a"))
        assert r.status == 429 and '"narrow"' in r.json["error"]["message"]
    statuses = [gw.chat(headers=key(f"k{n}")).status for n in range(10)]
    assert statuses == [200] * 9 + [429]
    r = gw.chat(headers=key("z"))
    assert '"wide"' in r.json["error"]["message"]


def test_plans_by_maps(serve, engine):
    gw, _ = serve(Reply(), lines=["limit free paid;"], http=engine + """
        map $http_x_plan $free { default $http_x_key; paid ""; }
        map $http_x_plan $paid { default ""; paid $http_x_key; }
        llm_limit free key=$free requests=1/m;
        llm_limit paid key=$paid requests=3/m;
    """)
    assert [gw.chat(headers=key("a")).status for _ in range(2)] == [200, 429]
    paid = [*key("a"), ("x-plan", "paid")]
    assert [gw.chat(headers=paid).status for _ in range(4)] \
        == [200, 200, 200, 429]


def test_a_long_key(serve, engine):
    gw, _ = serve(Reply(), **limit(engine, "requests=1/m"))
    long = "k" * 500
    assert gw.chat(headers=key(long + "a")).status == 200
    assert gw.chat(headers=key(long + "b")).status == 200
    assert gw.chat(headers=key(long + "a")).status == 429


def test_a_reload_keeps_what_was_counted(serve, engine):
    gw, up = serve(Reply(), **limit(engine, "requests=3/m"))
    assert [gw.chat(headers=key("a")).status for _ in range(2)] == [200, 200]
    http = gw.config.http.replace("requests=3/m",
                                  "tokens=1m/m requests=4/m")
    gw.reload(http=http)
    assert [gw.chat(headers=key("a")).status for _ in range(3)] \
        == [200, 200, 429]


# -- tokens --------------------------------------------------------------------

def test_tokens_are_settled_to_the_truth(serve, engine):
    gw, _ = serve(Reply(input=300, output=200),
                  **limit(engine, "tokens=2000/m"))
    for used in (500, 1000, 1500):
        assert gw.chat(headers=key("a")).status == 200
    r = gw.chat(headers=key("b"), max_tokens=1)
    assert int(r.header("x-ratelimit-remaining-tokens")) > 1900
    r = gw.chat(headers=key("a"), max_tokens=1)
    left = int(r.header("x-ratelimit-remaining-tokens"))
    assert 480 <= left <= 500
    assert gw.chat(headers=key("a")).status == 429


def test_input_and_output_apart(serve, engine):
    gw, _ = serve(Reply(input=100, output=50),
                  **limit(engine, "input=250/m output=1000/m"))
    statuses = [gw.chat(headers=key("a")).status for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    message = gw.chat(headers=key("a")).json["error"]["message"]
    assert "input=250/m" in message


def test_a_large_prompt_is_refused_before_the_provider(serve, engine):
    gw, up = serve(Reply(), **limit(engine, "tokens=1000/m"))
    r = gw.chat("many different words of a long text. " * 300,
                headers=key("a"))
    assert r.status == 429 and not up.requests
    assert gw.chat("short", headers=key("a")).status == 200


def test_what_never_fits_is_not_told_to_wait(serve, engine):
    """It would come again for ever."""
    gw, up = serve(Reply(input=300, output=200), lines=["limit per other;"],
                   http=engine + "llm_limit per key=all tokens=1000/m;"
                   "llm_limit other key=all tokens=1500/m tokens=100k/h;")
    r = gw.chat("word " * 3000)
    assert r.status == 429 and not up.requests
    assert re.fullmatch(r'limit "per" \(tokens=1k/m\) is too small: this '
                        r"request needs \d+; send a shorter one, or a smaller "
                        r"max_tokens", r.json["error"]["message"])
    assert r.header("x-should-retry") == "false"
    assert r.header("retry-after") is r.header("retry-after-ms") is None
    # one that would fit if there had been none before it
    assert gw.chat("hi").status == 200
    r = gw.chat("word " * 500)
    assert r.status == 429 and int(r.header("retry-after")) > 0
    assert " is reached: " in r.json["error"]["message"]


def test_a_large_max_tokens_is_not_what_is_used(serve, engine):
    """It gets what fits, and leaves the rest to others when it is over."""
    gw, _ = serve(Reply(input=10, output=10),
                  **limit(engine, "tokens=1000/m"))
    for _ in range(5):
        assert gw.chat(headers=key("a"), max_tokens=32000).status == 200


@pytest.mark.parametrize("status", [400, 500, 503])
def test_an_error_uses_a_request_and_no_tokens(serve, engine, status):
    gw, _ = serve(answers.openai_error(status),
                  **limit(engine, "requests=3/m tokens=500/m"))
    for left in (2, 1, 0):
        r = gw.chat(headers=key("a"))
        assert r.status != 200
    assert gw.chat(headers=key("a")).status == 429
    r = gw.chat(headers=key("a"))
    assert r.header("x-ratelimit-remaining-tokens") == "500"
    assert '"per" (requests=3/m)' in r.json["error"]["message"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_a_stream_counts_as_a_whole_answer(serve, engine, dialect, stream):
    gw, _ = serve(Reply(input=40, output=60), dialect=dialect,
                  **limit(engine, "tokens=1000/m requests=100/m"))
    gw.chat(headers=key("a"), stream=stream)
    gw.messages(headers=key("a"), stream=stream)
    r = gw.chat(headers=key("a"), max_tokens=1)
    assert 780 <= int(r.header("x-ratelimit-remaining-tokens")) <= 800


# -- concurrency ---------------------------------------------------------------

def held(event: threading.Event):
    def script(x):
        event.wait(60)
        from harness import openai_wire
        openai_wire.server(Reply())(x)
    return script


def test_concurrent_requests(serve, engine):
    go = threading.Event()
    gw, up = serve(held(go), **limit(engine, "concurrent=3"))
    with ThreadPoolExecutor(5) as pool:
        first = [pool.submit(gw.chat, headers=key("a")) for _ in range(3)]
        wait_for(lambda: len(up.requests) == 3)
        r = gw.chat(headers=key("a"))
        assert r.status == 429
        assert "concurrent=3" in r.json["error"]["message"]
        assert r.header("retry-after") == "1"
        other = pool.submit(gw.chat, headers=key("b"))
        wait_for(lambda: len(up.requests) == 4)
        go.set()
        assert {f.result().status for f in first} == {200}
        assert other.result().status == 200
    wait_for(lambda: gw.chat(headers=key("a")).status == 200, 5, "a free slot")


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_slot_comes_back_when_the_caller_leaves(serve, engine, how):
    go = threading.Event()
    gw, up = serve(held(go), **limit(engine, "concurrent=1"))
    for n in range(1, 4):
        client = gw.connect()
        client.request("POST", "/v1/chat/completions", json={
            "model": "m", "messages": []}, headers=key("a"))
        wait_for(lambda: len(up.requests) == n)
        assert gw.chat(headers=key("a")).status == 429
        getattr(client, how)()
        wait_for(lambda: gw.metrics().sum("llm_requests_in_flight") == 0)
    go.set()
    wait_for(lambda: gw.chat(headers=key("a")).status == 200, 5, "a free slot")


def test_slots_of_many_workers(serve, engine):
    go = threading.Event()
    gw, up = serve(held(go), workers=4, **limit(engine, "concurrent=10"))
    with ThreadPoolExecutor(40) as pool:
        calls = [pool.submit(gw.chat, headers=key("a")) for _ in range(40)]
        wait_for(lambda: len(up.requests) == 10)
        wait_for(lambda: sum(f.done() for f in calls) == 30)
        go.set()
        statuses = sorted(f.result().status for f in calls)
    assert statuses == [200] * 10 + [429] * 30
    wait_for(lambda: gw.chat(headers=key("a")).status == 200, 5, "a free slot")


# -- dry run -------------------------------------------------------------------

def test_dry_run_counts_and_refuses_nothing(serve, engine):
    gw, _ = serve(Reply(), **limit(engine, "requests=2/m dry_run"))
    for _ in range(5):
        r = gw.chat(headers=key("a"))
        assert r.status == 200
        assert r.header("x-ratelimit-limit-requests") is None
    metrics = gw.metrics()
    assert metrics.sum("llm_limit_dry_run_total", limit="per",
                         unit="requests") == 3
    assert metrics.sum("llm_limit_denied_total") == 0
    lines = gw.ledger(5)
    assert [line["llm_limit_dry_run"] for line in lines] \
        == ["", "", "per", "per", "per"]
    assert all(line["llm_limit"] == "" for line in lines)


# -- where in a request --------------------------------------------------------

def test_nothing_is_counted_that_no_route_serves(gateway, provider, engine):
    up = provider()
    gw = gateway(http=engine + """
        llm_limit per key=$http_x_key requests=1/m;
    """ + up.upstream("up") + route("target up;", "limit per;", match="m"))
    for _ in range(3):
        assert gw.chat(headers=key("a"), model="other").status == 404
    assert gw.chat(headers=key("a"), model="m").status == 200
    assert gw.chat(headers=key("a"), model="m").status == 429


def test_routes_share_a_limit_by_its_name(gateway, provider, engine):
    up = provider()
    gw = gateway(http=engine + """
        llm_limit per key=$http_x_key requests=2/m;
    """ + up.upstream("up")
        + route("target up;", "limit per;", match="a", name="a")
        + route("target up;", "limit per;", match="b", name="b"))
    assert gw.chat(headers=key("k"), model="a").status == 200
    assert gw.chat(headers=key("k"), model="b").status == 200
    assert gw.chat(headers=key("k"), model="a").status == 429


def test_values_of_the_body_are_keys(serve, engine):
    gw, _ = serve(Reply(), lines=["limit per;"],
                  http=engine + "llm_limit per key=$llm_model requests=1/m;")
    assert gw.chat(model="x").status == 200
    assert gw.chat(model="y").status == 200
    assert gw.chat(model="x").status == 429


def test_over_http2(serve, engine):
    gw, _ = serve(Reply(), h2c=True, **limit(engine, "requests=2/m"))
    client = gw.connect_h2()
    statuses = []
    for _ in range(3):
        stream = client.request("POST", "/v1/chat/completions",
                                json={"model": "m", "messages": []},
                                headers=key("a"))
        statuses.append(client.read(stream).status)
    assert statuses == [200, 200, 429]


def test_a_full_zone_lets_pass_or_refuses_as_it_is_told(serve):
    """More keys than fit: what is not held is forgotten, the oldest first."""
    gw, _ = serve(Reply(), http="llm_zone llm:512k; "
                  "llm_limit per key=$http_x_key requests=1/m;",
                  lines=["limit per;"])
    gw.allow("llm_zone")
    client = gw.connect()
    for n in range(1500):
        r = client.request("POST", "/v1/chat/completions", json={
            "model": "m", "messages": []}, headers=key(f"k{n}")).read()
        assert r.status == 200
    r = client.request("POST", "/v1/chat/completions", json={
        "model": "m", "messages": []}, headers=key("k1499")).read()
    assert r.status == 429
