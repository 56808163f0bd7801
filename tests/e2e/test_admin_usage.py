"""GET usage: sums that agree with the access log, to the token."""

from __future__ import annotations

import csv
import io
import random
import re
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest

from harness import Reply, answers, anthropic_wire, openai_wire, route, \
    wait_for
from harness.openapi import Admin

from conftest import connected

SUMS = ("requests errors input_tokens output_tokens cached_tokens "
        "cache_write_tokens reasoning_tokens estimated unpriced cost").split()
ROUTES = {"fast": "quick", "big": "large", "any": None}


def varied(wire):
    """A provider that answers, by chance, in all the ways there are."""
    chance = random.Random(4711)

    def script(x):
        reply = Reply(input=chance.randint(1, 5000),
                      output=chance.randint(1, 900),
                      cached=chance.choice([0, 0, 1]),
                      reasoning=chance.choice([0, 1]))
        kind = chance.random()
        if kind < 0.1:
            answers.openai_error(chance.choice([400, 404, 500]))(x)
        elif kind < 0.15:
            answers.close(x)
        else:
            wire.server(reply)(x)
    return script


def no_usage(x):
    """It never says what was used."""
    asked = x.request.json
    answer = openai_wire.chat(Reply(), asked)
    del answer["usage"]
    answers.json(answer)(x)


@pytest.fixture
def crowd(gateway, provider, engine):
    """A gateway with three routes: priced, dearer, without price or usage."""
    def make(**parts):
        one = provider(varied(openai_wire))
        two = provider(varied(anthropic_wire), dialect="anthropic")
        three = provider(no_usage)
        http = (one.upstream("one", "llm_price quick input=0.15 output=0.6 "
                             "cached=0.075;")
                + two.upstream("two", "llm_price large input=3 output=15;")
                + three.upstream("three")
                + route("target one/quick;", "retry attempts=1;", name="fast",
                        match="fast fast-*")
                + route("target two/large;", "retry attempts=1;", name="big",
                        match="big")
                + route("target three;", name="any", match="open-* open"))
        server = "location /llm/ { llm_admin write; }\n"
        gw = gateway(http=engine + http, server=server, **parts)
        connected(gw)
        return Admin(gw)
    return make


def ask(gw, chance):
    """One request of some kind."""
    model = chance.choice(["fast", "fast-9", "big", "open-1", "open-2",
                           "unknown"])
    kind = chance.random()
    if kind < 0.05:
        gw.get("/v1/models")
    elif kind < 0.1:
        gw.post("/v1/chat/completions", b"{")
    elif kind < 0.25:
        gw.messages(model=model, stream=chance.random() < 0.5)
    elif kind < 0.3:
        gw.post("/v1/embeddings", {"model": "fast", "input": "x"})
    else:
        gw.chat(model=model, stream=chance.random() < 0.5)


def logged(gw, count):
    """What the access log says of llm_pass, line by line."""
    lines = [line for line in gw.ledger(count)
             if line["request_uri"].startswith("/v1/")]
    assert len(lines) == count
    return lines


def number(line, name):
    return int(line[name]) if line[name] else 0


def model_of(line):
    """A name of the configuration: never what a caller wrote."""
    if line["llm_target"] in ("one/quick", "two/large"):
        return line["llm_target"].split("/")[1]
    if not line["llm_route"]:
        return ""
    asked = line["llm_model"]
    if asked in ("fast", "big", "open"):
        return asked
    return asked.split("-")[0] + "-*"


def added(lines, *by):
    """The sums of log lines, by some of route, model, client, tenant."""
    sums = defaultdict(lambda: dict.fromkeys(SUMS, 0))
    for line in lines:
        parts = {"route": line["llm_route"], "model": model_of(line)}
        row = sums[tuple(parts[name] for name in by)]
        row["requests"] += 1
        row["errors"] += line["llm_error"] != ""
        for name in ("input", "output", "cached", "cache_write", "reasoning"):
            row[f"{name}_tokens"] += number(line, f"llm_{name}_tokens")
        row["estimated"] += line["llm_usage"] == "estimated"
        used = line["llm_usage"] in ("estimated", "reported")
        row["unpriced"] += used and line["llm_cost"] == ""
        row["cost"] += Decimal(line["llm_cost"] or 0)
    return dict(sums)


def told(rows, *by):
    """The same from the API."""
    sums = {}
    for row in rows:
        parts = tuple(row[name] for name in by)
        assert parts not in sums, f"{parts} is there twice"
        sums[parts] = {name: Decimal(row[name]) if name == "cost"
                       else row[name] for name in SUMS}
    return sums


def agree(admin, lines):
    """Waits until the API says the same as the log, on the whole."""
    wanted = added(lines)
    wait_for(lambda: told([admin.get("usage").json["total"]]) == wanted, 5,
             "the ledger")


@pytest.mark.parametrize("workers", [1, 3])
def test_it_agrees_with_the_access_log(crowd, workers):
    admin = crowd(workers=workers, listen="reuseport")
    gw = admin.gateway
    gw.allow("upstream", "no provider")
    chance = random.Random(17)
    for _ in range(300):
        ask(gw, chance)
    lines = logged(gw, 300)
    agree(admin, lines)
    for by in (("route", "model"), ("route",), ("model",), ()):
        answer = admin.get("usage", by=",".join(by)).json
        assert told(answer["rows"], *by) == added(lines, *by)
        assert told([answer["total"]]) == added(lines)
    wanted = added(lines, "route", "model")
    # all kinds were there
    assert {row["errors"] > 0 for row in wanted.values()} == {True, False}
    for name in SUMS:
        if name != "cache_write_tokens":
            assert sum(row[name] for row in wanted.values()) > 0, name
    assert set(wanted) >= {("fast", "quick"), ("big", "large"),
                           ("any", "open-*"), ("", "")}


def test_callers_cannot_make_rows(crowd):
    """However many names they make up."""
    admin = crowd()
    for i in range(100):
        admin.gateway.chat(model=f"open-{i}")
        admin.gateway.chat(model=f"made-up-{i}")
    agree(admin, logged(admin.gateway, 200))
    rows = admin.get("usage", by="route,model").json["rows"]
    assert [(r["route"], r["model"], r["requests"]) for r in rows] == [
        ("", "", 100), ("any", "open-*", 100)]


def test_requests_of_the_api_itself_are_none(crowd):
    admin = crowd()
    for _ in range(5):
        admin.get("usage")
    assert admin.get("usage").json["total"]["requests"] == 0


def test_callers_who_leave_are_counted(crowd, gateway, provider):
    def slow(x):
        x.head(200, [("Content-Type", "text/event-stream")], chunked=True)
        for event in openai_wire.chat_stream(Reply(), x.request.json)[:4]:
            x.chunk(event)
        x.stall()
    up = provider(slow)
    gw = gateway(http=up.upstream("up", "llm_price * input=1 output=1;")
                 + route("target up/m;"),
                 server="location /llm/ { llm_admin; }\n")
    client = gw.connect()
    client.request("POST", "/v1/chat/completions", json={
        "model": "m", "stream": True, "messages": [
            {"role": "user", "content": "hi there"}]})
    client.read_until(b"Hell")
    client.reset()
    lines = logged(gw, 1)
    admin = Admin(gw)
    agree(admin, lines)
    total = admin.get("usage").json["total"]
    assert told([total]) == added(lines)
    assert total["output_tokens"] > 0 and total["estimated"] == 1
    assert total["errors"] == 1


def test_filters(crowd):
    admin = crowd()
    gw = admin.gateway
    gw.allow("upstream", "no provider")
    for _ in range(3):
        gw.chat(model="fast")
        gw.chat(model="open-1")
    gw.chat(model="big")
    lines = logged(gw, 7)
    agree(admin, lines)

    def ask(**args):
        return told(admin.get("usage", by="route,model", **args)
                    .json["rows"], "route", "model")
    whole = added(lines, "route", "model")
    assert ask() == whole
    assert ask(route="fast") == {k: v for k, v in whole.items()
                                 if k[0] == "fast"}
    assert ask(model="open-*") == {k: v for k, v in whole.items()
                                   if k[1] == "open-*"}
    assert ask(route="fast", model="large") == {}
    assert ask(client="nobody") == {} and ask(client="", tenant="") == whole


def test_days(crowd, clock):
    clock.noon()
    admin = crowd()
    admin.gateway.chat(model="open-1")
    logged(admin.gateway, 1)
    today = datetime.fromtimestamp(clock.time(), timezone.utc).date()

    def day(back):
        return (today - timedelta(back)).isoformat()
    wait_for(lambda: admin.get("usage").json["rows"], 5, "the ledger")
    answer = admin.get("usage").json
    assert answer["by"] == ["day"]
    assert (answer["from"], answer["to"]) == (day(29), day(0))
    assert [row["day"] for row in answer["rows"]] == [day(0)]
    for args, there in [
            ({"from": day(1)}, True), ({"from": day(0), "to": day(0)}, True),
            ({"to": day(1)}, False), ({"from": day(2), "to": day(9)}, None),
            ({"from": day(399)}, True), ({"from": day(400)}, None),
            ({"from": "2024-02-29", "to": "2024-12-31"}, False)]:
        got = admin.get("usage", **args)
        if there is None:
            assert got.status == 400
        else:
            assert bool(got.json["rows"]) == there, args
            assert got.json["total"]["requests"] == there


@pytest.mark.parametrize("args", [
    {"from": "x"}, {"from": "2026-13-01"}, {"from": "2026-02-29"},
    {"from": "2026-04-31"}, {"from": "2026-1-1"}, {"from": "20261125"},
    {"to": "2026-11-25x"}, {"to": "1969-12-31"}, {"to": "0000-00-00"},
    {"to": ""}, {"from": "2026-00-10"}, {"to": "-026-11-25"},
    {"by": "hour"}, {"by": "day,,client"}, {"by": "Day"}, {"by": "day "},
    {"format": "xml"}, {"format": ""}, {"limit": "0"}, {"limit": "10001"},
    {"cursor": "!"}, {"cursor": "eA"}, {"cursor": ""},
    {"cursor": "MjAyNjExMjUAAAAAAA"}, {"format": "csv", "limit": "5"},
    {"format": "csv", "cursor": "MjAyNjExMjUAAAAA"}, {"model": "a", "x": "b"},
])
def test_arguments_that_are_none(crowd, args):
    admin = crowd()
    answer = admin.get("usage", **args)
    assert answer.status == 400
    assert answer.json["error"]["code"] == "invalid"


def test_pages(crowd):
    admin = crowd()
    gw = admin.gateway
    gw.allow("upstream", "no provider")
    chance = random.Random(3)
    for _ in range(60):
        ask(gw, chance)
    lines = logged(gw, 60)
    agree(admin, lines)
    by = "day,route,model"
    whole = admin.get("usage", by=by).json
    assert whole["next"] is None and len(whole["rows"]) >= 4
    for limit in (1, 2, 3, len(whole["rows"]), 10000):
        assert list(admin.pages("usage", "rows", by=by, limit=limit)) \
            == whole["rows"]
    page = admin.get("usage", by=by, limit=2).json
    assert page["total"] == whole["total"]


# -- CSV -----------------------------------------------------------------------

def rows_of(text):
    """As a program reads it: the apostrophe of formulas taken off."""
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    for row in rows:
        for name in ("client", "tenant", "route", "model"):
            if re.match(r"'[=+\-@\t\r\n]", row.get(name, "")):
                row[name] = row[name][1:]
    return rows


def same_rows(csv_rows, json_rows):
    return csv_rows == [{name: str(value) for name, value in row.items()}
                        for row in json_rows]


def test_csv_is_json(crowd):
    admin = crowd()
    gw = admin.gateway
    gw.allow("upstream", "no provider")
    chance = random.Random(5)
    for _ in range(80):
        ask(gw, chance)
    agree(admin, logged(gw, 80))
    for by in ("", "day", "route,model", "day,client,tenant,route,model"):
        answer = admin.get("usage", by=by, format="csv")
        assert answer.header("content-type").startswith("text/csv")
        assert answer.header("content-disposition") == \
            'attachment; filename="usage.csv"'
        text = answer.body.decode()
        assert text.endswith("\r\n") and "\n" not in text.replace("\r\n", "")
        wanted = admin.get("usage", by=by, format="json").json["rows"]
        assert same_rows(rows_of(text), wanted)
        assert text.split("\r\n")[0].split(",") == [
            *(by.split(",") if by else []), *SUMS]


@pytest.mark.parametrize("name", [
    "=1+1", "+x", "-2", "@SUM(A1)", '=cmd|"/c calc"!A1', 'a"b', "a,b", "a;b"])
def test_csv_without_formulas(gateway, name):
    """A name that a spreadsheet would take for a formula."""
    quoted = "'" + name.replace("'", "\\'") + "'"
    gw = gateway(http=f"""
    upstream m {{ llm_dialect mock; }}
    llm_route {quoted} {{ match *; target m; }}
""", server="location /llm/ { llm_admin; }\n")
    gw.chat(model="mock")
    logged(gw, 1)
    admin = Admin(gw)
    answer = admin.get("usage", by="route", format="csv")
    line = answer.body.decode().split("\r\n")[1]
    assert not re.match(r'"?[=+\-@]', line)
    assert same_rows(rows_of(answer.body.decode()),
                     admin.get("usage", by="route").json["rows"])
    assert admin.get("usage", route=name).json["total"]["requests"] == 1


def test_a_reload_keeps_it(crowd):
    admin = crowd()
    admin.gateway.chat(model="open-1")
    lines = logged(admin.gateway, 1)
    admin.gateway.reload()
    connected(admin.gateway)
    agree(admin, lines)
