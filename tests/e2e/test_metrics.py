"""The page of llm_metrics."""

from __future__ import annotations

import pytest

from harness import Client, Reply, answers, wait_for

DURATION = "gen_ai_client_operation_duration_seconds"
TOKENS = "gen_ai_client_token_usage"
FIRST = "gen_ai_server_time_to_first_token_seconds"
PER_TOKEN = "gen_ai_server_time_per_output_token_seconds"


def counted(gw, count, name=DURATION + "_count", **labels):
    """The metrics, as soon as so many are counted."""
    wait_for(lambda: gw.metrics().sum(name, **labels) >= count, 5,
             f"{count} of {name}")
    metrics = gw.metrics()
    assert metrics.sum(name, **labels) == count
    return metrics


def test_an_empty_page(serve):
    gw, up = serve()
    answer = gw.fetch_metrics()
    assert answer.status == 200
    assert answer.header("content-type").startswith("text/plain")
    metrics = gw.metrics()
    assert metrics.sum("llm_requests_in_flight") == 0
    assert metrics.types["llm_requests_in_flight"] == "gauge"


def test_names_and_labels(serve):
    gw, up = serve(Reply(input=100, output=30, cached=60), model="big")
    assert gw.chat(model="smart").status == 200
    assert gw.chat(model="smart", stream=True).status == 200
    metrics = counted(gw, 2)
    for name in (DURATION, TOKENS, FIRST):
        assert metrics.types[name] == "histogram"
    labels = metrics.select(DURATION + "_count")[0][0]
    assert labels["gen_ai_operation_name"] == "chat"
    assert labels["gen_ai_provider_name"] == "openai"
    assert metrics.sum(TOKENS + "_sum", gen_ai_token_type="input") == 200
    assert metrics.sum(TOKENS + "_sum", gen_ai_token_type="output") == 60
    assert metrics.sum(TOKENS + "_count", gen_ai_token_type="input") == 2
    assert metrics.sum(FIRST + "_count") >= 1


def test_histograms_add_up(serve):
    gw, up = serve()
    for _ in range(5):
        gw.chat(stream=True)
    metrics = counted(gw, 5)
    for name, kind in metrics.types.items():
        if kind != "histogram":
            continue
        series = {}
        for labels, value in metrics.select(name + "_bucket"):
            le = float(labels.pop("le"))
            key = tuple(sorted(labels.items()))
            series.setdefault(key, []).append((le, value))
        for key, buckets in series.items():
            buckets.sort()
            values = [v for _, v in buckets]
            assert values == sorted(values), f"{name}: not cumulative"
            assert buckets[-1][0] == float("inf")
            assert buckets[-1][1] == metrics.sum(name + "_count",
                                                 **dict(key))


def test_every_sample_has_a_type(serve):
    gw, up = serve()
    gw.chat()
    metrics = counted(gw, 1)
    for name in metrics.names():
        base = name
        for end in ("_bucket", "_sum", "_count"):
            if name.endswith(end) and name.removesuffix(end) in metrics.types:
                base = name.removesuffix(end)
        assert base in metrics.types, name
        assert base in metrics.helps, name


def test_openmetrics(serve):
    gw, up = serve()
    gw.chat()
    client = Client(gw._ports["metrics"].port)
    answer = client.request("GET", "/metrics", headers=[
        ("Accept", "application/openmetrics-text; version=1.0.0")]).read()
    client.close()
    assert answer.header("content-type").startswith(
        "application/openmetrics-text")
    assert answer.body.endswith(b"# EOF\n")


def test_errors_are_counted_by_kind(chain):
    gw, ups = chain(answers.openai_error(429), answers.openai_error(500))
    gw.chat()
    gw.chat()
    metrics = counted(gw, 2)
    kinds = {labels["error_type"]
             for labels, v in metrics.select(DURATION + "_count")
             if labels.get("error_type") and v}
    assert kinds


def test_requests_that_reach_nobody_are_counted(serve):
    gw, up = serve()
    gw.post("/v1/chat/completions", b"{")
    gw.chat()
    wait_for(lambda: gw.metrics().sum(DURATION + "_count") >= 1, 5)
    assert not up.requests[1:]


def test_what_is_in_flight(serve):
    gw, up = serve(answers.stall)
    clients = [gw.connect() for _ in range(7)]
    for client in clients:
        client.request("POST", "/v1/chat/completions",
                       json={"model": "m", "messages": []})
    up.wait_requests(7)
    wait_for(lambda: gw.metrics().sum("llm_requests_in_flight") == 7, 5,
             "seven in the gauge")
    for client in clients:
        client.close()
    wait_for(lambda: gw.metrics().sum("llm_requests_in_flight") == 0, 5,
             "none in flight")


def test_callers_cannot_add_labels(serve):
    """Names that callers make up are not labels."""
    gw, up = serve()
    client = gw.connect()

    def ask(model):
        return client.request("POST", "/v1/chat/completions", json={
            "model": model, "messages": []}).read()
    ask("first")
    before = len(counted(gw, 1).samples)
    for i in range(100):
        ask(f"made-up-{i}")
    metrics = counted(gw, 101)
    assert len(metrics.samples) == before
    assert "made-up" not in gw.fetch_metrics().body.decode()


def test_all_workers_count_together(serve):
    gw, up = serve(workers=3, listen="reuseport")
    for _ in range(40):
        gw.chat()
    assert len({line["pid"] for line in gw.ledger(40)}) > 1
    counted(gw, 40)


def test_odd_names_are_escaped(gateway, provider):
    up = provider()
    gw = gateway(http=up.upstream("up") + r"""
        llm_route 'a"b\\c' { match *; target 'up/x"y'; }""")
    assert gw.chat().status == 200
    counted(gw, 1)


@pytest.mark.parametrize("method,status", [("POST", 405), ("HEAD", 200)])
def test_methods(serve, method, status):
    gw, up = serve()
    client = Client(gw._ports["metrics"].port)
    client.request(method, "/metrics",
                   body=b"x" if method == "POST" else None)
    assert client.read_head().status == status
    client.close()
