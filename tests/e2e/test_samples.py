"""Samples: what is recorded of requests, and what must never be."""

from __future__ import annotations

import json
import re
import threading

import pytest

from harness import Reply, answers, openai_wire, route, wait_for
from harness.keys import KeyFile, key_line
from harness.openapi import Admin
from harness.reply import Tool

RECORDED = "llm_samples_total"
RULES = """
llm_pattern email "[a-z.]{1,40}@[a-z.]{1,40}";
llm_pattern bomb "tick{1,9}tock";
llm_rules private { input redact match=email; input deny match=bomb; }
llm_rules back { input redact match=email reversible; }
"""
KEY, OTHER = "ab" * 32, "cd" * 32
ADMIN = "location /llm/ { llm_admin write; }"
PRIVATE = "share=100% redact=private"


@pytest.fixture
def sampled(gateway, provider, tmp_path):
    """A gateway that records, and its admin API."""
    def make(words=PRIVATE, script=None, *, engine="", lines=(), http="",
             candidate=None, shadow="", dialect="openai", keys=False,
             **parts):
        up = provider(script, dialect=dialect)
        conf = engine + http + RULES
        conf += up.upstream("up", "llm_price good input=2 output=4;")
        lines = list(lines)
        if shadow:
            new = provider(candidate)
            conf += new.upstream("new", "llm_price next input=1 output=1;")
            lines.append(f"shadow new/next {shadow};")
        if keys:
            conf += KeyFile(tmp_path / "keys", *(
                key_line(f"k-{c}", f"client={c}", f"tenant={t}")
                for c, t in (("alice", "a"), ("bob", "b"), ("al", "a")))
            ).directive
            parts.setdefault("location", "llm_auth on; llm_pass;")
        conf += route("target up/good;", f"sample {words};", *lines)
        admin = Admin(gateway(http=conf, server=ADMIN, **parts))
        admin.up = up
        connected(admin)
        return admin
    return make


def connected(admin):
    if "llm_redis " in admin.gateway.text():
        wait_for(lambda: admin.gateway.metrics().sum("llm_redis_up") > 0, 10)


def listed(admin, count, **query):
    def there():
        got = admin.get("samples", **query)
        assert got.status == 200, got.body
        return got.json if len(got.json["data"]) == count else None
    return wait_for(there, 10, f"{count} samples")


def ask(admin, *texts, who=None, **more):
    headers = [("Authorization", f"Bearer k-{who}")] if who else []
    for text in texts or ("hi",):
        answer = admin.gateway.chat(text, headers=headers, **more)
        assert answer.status == 200, answer.body
    return answer


def files(tmp_path, name="state"):
    return sorted((tmp_path / name / "samples").glob("*.smp"))


def on_disk(tmp_path):
    return b"".join(path.read_bytes() for path in files(tmp_path))


def state(tmp_path):
    (tmp_path / "state").mkdir(exist_ok=True)
    return f"llm_state {tmp_path}/state;\n"


# -- what is recorded ----------------------------------------------------------

def test_nothing_unless_drawn(sampled):
    admin = sampled("share=0% redact=off")
    ask(admin)
    assert listed(admin, 0)["data"] == []
    assert admin.gateway.metrics().sum(RECORDED) == 0


def test_nothing_without_the_directive(gateway, provider):
    admin = Admin(gateway(http=provider().upstream("up") + route("target up;"),
                          server=ADMIN))
    assert admin.gateway.chat().status == 200
    assert admin.get("samples").status == 404
    assert admin.delete("samples", client="x").status == 404


def test_one(sampled, engine):
    admin = sampled(engine=engine, script=Reply(text="write to me@b.org now"))
    for stream in (False, True):
        answer = admin.gateway.chat("I am a.b@c.org", stream=stream, headers=[
            ("Authorization", "Bearer sk-hidden")])
        assert answer.status == 200
        sample = listed(admin, 1 + stream)["data"][0]
        assert sample["object"] == "sample" and sample["route"] == "r"
        assert sample["target"] == "up/good" and sample["model"] == "m"
        assert sample["request_id"] == answer.header("x-llm-request-id")
        assert sample["request"]["messages"] == [
            {"role": "user", "content": "I am [REDACTED]"}]
        assert sample["answer"]["text"] == "write to [REDACTED] now"
        assert sample["answer"]["message"]["role"] == "assistant"
        assert sample["answer"]["finish"] == "stop"
        assert sample["cost"] > 0 and sample["usage"]["output"] > 0
        assert (sample["first_token"] is None) != stream
        assert sample["shadow"] is None and sample["verdict"] is None
        assert "sk-hidden" not in json.dumps(sample)
        one = admin.get(f"samples/{sample['id']}")
        assert {k: v for k, v in one.json.items() if k != "v"} == sample
    wait_for(lambda: admin.gateway.metrics().sum(
        RECORDED, route="r", outcome="recorded") == 2, 10)
    metrics = admin.gateway.metrics()
    assert metrics.sum("llm_samples_bytes_total") > 160
    assert 0 < metrics.sum("llm_samples_seconds_total") < 60


def test_what_is_not_recorded(sampled):
    admin = sampled("share=100% max_size=1k redact=private", lambda x:
                    answers.openai_error(400)(x) if b"fail" in x.request.body
                    else healthy(x))
    ask(admin, "x" * 2000, "ticktock")
    wait_for(lambda: admin.gateway.metrics().sum(RECORDED) == 2, 10)
    metrics = admin.gateway.metrics()
    assert metrics.sum(RECORDED, outcome="too_large") == 1
    assert metrics.sum(RECORDED, outcome="denied") == 1
    assert admin.gateway.chat("fail").status == 400
    assert admin.gateway.metrics().sum(RECORDED) == 2
    assert listed(admin, 0)["data"] == []


def test_tools(sampled):
    """JSON in a string is taken apart: "@" may be written in another way."""
    admin = sampled(script=Reply(text=None, tools=[
        Tool("look", '{"a\\u0040b.org": "to \\u0061\\u0040c.org"}')]))
    ask(admin, stream=True)
    [sample] = listed(admin, 1)["data"]
    [call] = sample["answer"]["message"]["tool_calls"]
    assert call["function"]["name"] == "look"
    assert json.loads(call["function"]["arguments"]) == {
        "[REDACTED]": "to [REDACTED]"}


@pytest.mark.parametrize("stream", [False, True])
def test_messages(sampled, stream):
    """Of Anthropic's API: as chat completions, without pictures and users."""
    admin = sampled(script=Reply(text="fine"), dialect="anthropic")
    answer = admin.gateway.post("/v1/messages", {
        "model": "m", "max_tokens": 9, "stream": stream, "system": "be kind",
        "metadata": {"user_id": "u-17"}, "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "what is it"},
                {"type": "image", "source": {
                    "type": "base64", "media_type": "image/png",
                    "data": "QUJD" * 200}}]}]})
    assert answer.status == 200
    [sample] = listed(admin, 1)["data"]
    system, user = sample["request"]["messages"]
    assert system == {"role": "system", "content": "be kind"}
    assert user["content"][0]["text"] == "what is it"
    assert "QUJD" not in json.dumps(sample)
    assert "u-17" not in json.dumps(sample)
    assert sample["answer"]["text"] == "fine"
    assert sample["answer"]["message"]["role"] == "assistant"


@pytest.mark.parametrize("stream", [False, True])
def test_responses(sampled, stream):
    admin = sampled(script=Reply(text="well"))
    answer = admin.gateway.post("/v1/responses", {
        "model": "m", "stream": stream, "instructions": "be brief",
        "input": [{"role": "user", "content": [
            {"type": "input_text", "text": "me@x.org?"}]}]})
    assert answer.status == 200
    [sample] = listed(admin, 1)["data"]
    assert sample["request"]["messages"] == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "[REDACTED]?"}]}]
    assert sample["answer"]["text"] == "well"


def test_completions(sampled):
    admin = sampled(script=Reply(text="there"))
    answer = admin.gateway.post("/v1/completions", {
        "model": "m", "prompt": "once upon"})
    assert answer.status == 200
    [sample] = listed(admin, 1)["data"]
    assert sample["request"]["messages"] == [
        {"role": "user", "content": "once upon"}]
    assert sample["answer"]["text"] == "there"


@pytest.mark.parametrize("stream", [False, True])
def test_placeholders_stay(sampled, stream):
    """What a rule took out and put back for the caller is not in a sample."""
    admin = sampled("share=100% redact=off", Reply(
        text="[EMAIL_1] it is", tools=[Tool("send", {"to": "[EMAIL_1]"})]),
        lines=["rules back;"])
    answer = ask(admin, "I am a@b.org", stream=stream)
    assert b"a@b.org" in answer.body or stream
    [sample] = listed(admin, 1)["data"]
    assert "a@b.org" not in json.dumps(sample)
    assert sample["request"]["messages"][0]["content"] == "I am [EMAIL_1]"
    assert sample["answer"]["text"] == "[EMAIL_1] it is"
    [call] = sample["answer"]["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"to": "[EMAIL_1]"}


# -- pairs ---------------------------------------------------------------------

def test_a_pair(sampled, engine):
    admin = sampled("share=0% pairs=100% redact=private", shadow="share=100%",
                    script=Reply(text="one two three four"),
                    candidate=Reply(text="one two 3 four a@b.org"),
                    engine=engine)
    ask(admin, stream="llm_state" in engine)
    [sample] = listed(admin, 1, pairs="true")["data"]
    shadow = sample["shadow"]
    assert shadow["target"] == "new/next" and shadow["error"] is None
    assert shadow["answer"]["text"] == "one two 3 four [REDACTED]"
    assert shadow["cost"] > 0 and 0 < shadow["similarity"] < 1
    diff = admin.get(f"samples/{sample['id']}/diff").json
    assert "".join(p["text"] for p in diff["parts"] if p["is"] != "shadow") \
        == "one two three four"
    assert "".join(p["text"] for p in diff["parts"] if p["is"] != "stable") \
        == "one two 3 four [REDACTED]"
    assert diff["similarity"] == shadow["similarity"]

    # nobody has judged it, so that it is no preference
    assert admin.get("samples/export", format="dpo").body == b""
    told = admin.post(f"samples/{sample['id']}/verdict", {
        "winner": "shadow", "score": 0.5, "comment": "so says x@y.org"})
    assert told.status == 200, told.body
    assert told.json["verdict"]["comment"] == "so says [REDACTED]"
    [judged] = listed(admin, 1, verdict="true")["data"]
    assert judged["verdict"]["winner"] == "shadow"
    assert judged["id"] == sample["id"]
    lines = admin.get("samples/export", format="dpo").body.splitlines()
    # without what providers add: "refusal": null, "annotations": []
    chosen, rejected = ({"role": "assistant", "content": one["answer"]["text"]}
                        for one in (shadow, sample))
    assert [json.loads(line) for line in lines] == [{
        "prompt": sample["request"]["messages"],
        "chosen": [chosen], "rejected": [rejected]}]
    [line] = admin.get("samples/export", format="openai_dpo").body.splitlines()
    assert json.loads(line)["input"]["messages"] \
        == sample["request"]["messages"]
    assert json.loads(line)["preferred_output"] == [chosen]
    # a second thought takes its place
    admin.post(f"samples/{sample['id']}/verdict", {"winner": "tie"})
    assert admin.get("samples/export", format="dpo").body == b""
    assert listed(admin, 1)["data"][0]["verdict"]["score"] is None


def test_a_shadow_that_fails(sampled):
    admin = sampled(shadow="share=100%", candidate=answers.openai_error(500))
    admin.gateway.allow(r"\[error\]")
    ask(admin)
    [sample] = listed(admin, 1)["data"]
    assert sample["shadow"]["answer"] is None and sample["shadow"]["error"]
    assert listed(admin, 0, pairs="true")
    assert admin.get(f"samples/{sample['id']}/diff").json["error"]["code"] \
        == "no_pair"
    assert admin.post(f"samples/{sample['id']}/verdict",
                      {"winner": "tie"}).status == 409
    assert admin.post(f"samples/{sample['id']}/verdict",
                      {"score": 1}).status == 200


@pytest.mark.parametrize("engine", ["state", "redis"], indirect=True)
def test_feedback(sampled, engine):
    admin = sampled(http="llm_feedback 1h;", engine=engine)
    answer = ask(admin, "one", "two")
    assert admin.post("feedback", {
        "request_id": answer.header("x-llm-request-id"), "score": 0.9,
        "comment": "thanks a@b.org"}, action=False).status == 200
    wait_for(lambda: listed(admin, 2)["data"][0]["feedback"], 10)
    two, one = listed(admin, 2)["data"]
    assert two["feedback"]["score"] == 0.9 and one["feedback"] is None
    assert two["feedback"]["comment"] == "thanks [REDACTED]"
    [line] = admin.get("samples/export", min_score=0.8).body.splitlines()
    assert json.loads(line)["messages"][0]["content"] == "two"


# -- reading -------------------------------------------------------------------

def test_filters_and_pages(sampled, engine):
    admin = sampled(engine=engine, keys=True)
    ask(admin, *[f"a{i}" for i in range(5)], who="alice")
    ask(admin, *[f"b{i}" for i in range(3)], who="bob")
    listed(admin, 8)
    for query, count in (({"tenant": "a"}, 5), ({"client": "bob"}, 3),
                         ({"client": "ali"}, 0), ({"route": "r"}, 8),
                         ({"route": "x"}, 0), ({"tenant": "a",
                                                "client": "bob"}, 0)):
        assert len(listed(admin, count, **query)["data"]) == count
    # newest first, in pages that do not overlap
    pages = list(admin.pages("samples", "data", tenant="a", limit=2))
    assert [s["request"]["messages"][0]["content"] for s in pages] \
        == ["a4", "a3", "a2", "a1", "a0"]
    assert {s["client"] for s in pages} == {"alice"}
    # tenants do not see each other's
    lines = admin.get("samples/export", tenant="b").body
    assert [json.loads(line)["messages"][0]["content"]
            for line in lines.splitlines()] == ["b2", "b1", "b0"]
    first = admin.get("samples/export", tenant="b", limit=2)
    # the address that follows has the filters of this one
    [path] = re.findall(r'<(export\?cursor=smp_\w+&\S+)>; rel="next"',
                        first.header("link"))
    rest = admin.get(f"samples/{path}")
    assert rest.header("link") is None
    assert first.body + rest.body == lines
    assert path.endswith("&tenant=b&limit=2")
    for query in ({"tenant": ""}, {"cursor": "x"}, {"limit": 0}):
        assert admin.get("samples", **query).status == 400
    assert admin.get("samples/export", format="csv").status == 400
    assert admin.get("samples/smp_" + "0" * 32).status == 404
    assert admin.get("samples/x").status == 404


def test_a_client_whose_name_is_no_text(sampled):
    admin = sampled()
    answer = admin.call("DELETE", "samples?client=%ff")
    assert answer.status == 200
    assert (answer.json["client"], answer.json["deleted"]) == ("?", 0)


def test_two_workers_and_a_reload(sampled, engine):
    admin = sampled(engine=engine, workers=2, listen="reuseport")
    ask(admin, *"abcdefgh")
    listed(admin, 8)
    admin.gateway.reload()
    connected(admin)
    got = listed(admin, 8)["data"]
    assert sorted(s["request"]["messages"][0]["content"] for s in got) \
        == list("abcdefgh")
    ask(admin, "i")
    listed(admin, 9)


# -- keeping and forgetting ----------------------------------------------------

def test_a_restart(sampled, tmp_path):
    admin = sampled(engine=state(tmp_path))
    ask(admin, "one", "two")
    listed(admin, 2)
    [path] = files(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600
    admin.gateway.stop()
    admin.gateway.start()
    listed(admin, 2)
    ask(admin, "three")
    assert [s["request"]["messages"][0]["content"]
            for s in listed(admin, 3)["data"]] == ["three", "two", "one"]


def test_a_torn_end(sampled, tmp_path):
    """A worker is killed in the middle of a record: only that one is lost."""
    admin = sampled(engine=state(tmp_path))
    ask(admin, "one", "two", "three")
    listed(admin, 3)
    admin.gateway.kill()
    [path] = files(tmp_path)
    whole = path.read_bytes()
    at = whole.rindex(b"lsm1")
    for cut in (at + 1, at + 159, at + 160, len(whole) - 1):
        path.write_bytes(whole[:cut])
        admin.gateway.start()
        assert [s["request"]["messages"][0]["content"]
                for s in listed(admin, 2)["data"]] == ["two", "one"]
        admin.gateway.kill()
    # one byte in the middle is wrong: what follows is still there
    second = whole.index(b"lsm1", 4)
    path.write_bytes(whole[:second + 200] + b"\0" + whole[second + 201:])
    admin.gateway.start()
    listed(admin, 2)
    ask(admin, "four")
    listed(admin, 3)


def test_encrypted_files(sampled, tmp_path):
    key = tmp_path / "sample.key"
    key.write_text(KEY)
    key.chmod(0o600)
    admin = sampled(engine=state(tmp_path), keys=True,
                    http=f"llm_samples key=file:{key};")
    admin.gateway.secret(KEY)
    ask(admin, "plain-words", who="alice")
    [sample] = listed(admin, 1, tenant="a")["data"]
    assert sample["request"]["messages"][0]["content"] == "plain-words"
    admin.post(f"samples/{sample['id']}/verdict", {"score": 1})
    raw = on_disk(tmp_path)
    for word in (b"plain-words", b"alice", b"up/good", b"messages",
                 sample["answer"]["text"].encode(), KEY.encode()):
        assert word not in raw
    # another key is put before it: both are read
    http = admin.gateway.config.http
    new = tmp_path / "new.key"
    new.write_text(OTHER)
    new.chmod(0o600)
    admin.gateway.reload(http=http.replace(
        f"key=file:{key}", f"key=file:{new} key=file:{key}"))
    ask(admin, "more-words", who="alice")
    listed(admin, 2, client="alice")
    # of the old one alone a page may have nothing, and is not the end
    admin.gateway.reload(http=http)
    first = admin.get("samples", limit=1).json
    assert (first["data"], first["has_more"]) == ([], True)
    assert [one["id"] for one in admin.pages("samples", "data", limit=1)] \
        == [sample["id"]]
    # the old one goes too early
    admin.gateway.reload(http=http.replace(str(key), str(new)))
    got = listed(admin, 1)
    assert "key" in got["warning"]
    assert got["data"][0]["request"]["messages"][0]["content"] == "more-words"
    wrong = admin.get(f"samples/{sample['id']}")
    assert wrong.status == 409 and "key" in wrong.json["error"]["message"]
    assert admin.get("samples/export").status == 409
    gone = admin.delete("samples", client="alice")
    assert gone.status == 409 and gone.json["error"]["code"] == "unreadable"
    assert listed(admin, 0, client="alice")
    # and comes back
    admin.gateway.reload(http=http)
    assert admin.delete("samples", client="alice").json["deleted"] == 1
    listed(admin, 0)


def test_encrypted_in_redis(sampled, redis):
    server = redis()
    admin = sampled(engine=server.directive(), keys=True,
                    env={"SAMPLES_KEY": KEY},
                    http="llm_samples key=env:SAMPLES_KEY;")
    admin.gateway.secret(KEY)
    ask(admin, "plain-words", who="alice")
    listed(admin, 1, client="alice")
    keys = server.do("KEYS", "*:sm:*")
    raw = "".join([*keys, *(server.do("GET", k) for k in keys
                            if ":v:" in k or k.endswith(":n")),
                   *(m for k in keys if k.endswith((":i", ":x"))
                     for m in server.do("ZRANGE", k, "0", "-1"))])
    assert len(raw) > 500
    for word in ("plain-words", "alice", "messages", "up/good"):
        assert word not in raw


def test_delete(sampled, engine, tmp_path):
    admin = sampled(engine=engine, keys=True)
    ask(admin, "secret-one", "secret-two", who="alice")
    ask(admin, "other", who="al")
    samples = listed(admin, 3)["data"]
    ident = samples[1]["id"]
    assert admin.delete(f"samples/{ident}").json["deleted"] is True
    assert admin.delete(f"samples/{ident}").status == 404
    assert admin.get(f"samples/{ident}").status == 404
    assert admin.delete("samples", client="alice").json["deleted"] == 1
    assert admin.delete("samples", client="alice").json["deleted"] == 0
    [left] = listed(admin, 1)["data"]
    assert left["client"] == "al"
    if "llm_state" in engine:
        assert b"secret-" not in on_disk(tmp_path)
        assert b"other" in on_disk(tmp_path)
    assert admin.delete("samples").status == 400
    assert admin.delete("samples", client="al", action=False).status == 403
    [record] = [r for r in admin.get("audit", object="alice").json["records"]
                if r["detail"] == "1 deleted"]
    assert record["action"] == "deleteSamples"
    # what comes afterwards is recorded again
    ask(admin, "again", who="alice")
    listed(admin, 1, client="alice")


def test_delete_while_a_shadow_is_under_way(sampled, engine):
    """A pair that is not written yet when its client is forgotten."""
    gone = threading.Event()
    admin = sampled(engine=engine, keys=True, shadow="share=100%",
                    candidate=lambda x: (gone.wait(60), healthy(x)))
    ask(admin, "secret", who="alice")
    assert admin.delete("samples", client="alice").status == 200
    gone.set()
    wait_for(lambda: admin.gateway.metrics().sum(RECORDED) == 1, 10)
    listed(admin, 0)


def healthy(x):
    return openai_wire.server(Reply(text="late"))(x)


def test_two_gateways(sampled, redis):
    server = redis()
    one = sampled(engine=server.directive(), keys=True)
    two = sampled(engine=server.directive(), keys=True)
    ask(one, "first", who="alice")
    ask(two, "second", who="alice")
    for admin in (one, two):
        assert {s["request"]["messages"][0]["content"] for s in
                listed(admin, 2, client="alice")["data"]} \
            == {"first", "second"}
    assert one.delete("samples", client="alice").json["deleted"] == 2
    listed(two, 0)
    assert [k for k in server.do("KEYS", "*:sm:*")
            if not k.endswith(":n") and ":g:" not in k] == []
    wait_for(lambda: int(server.do("GET", server.do("KEYS", "*:sm:n")[0]))
             == 0, 10)


@pytest.mark.parametrize("engine", ["shm", "state"], indirect=True)
def test_they_expire(sampled, engine, tmp_path, clock):
    admin = sampled("share=100% keep=7d redact=off", engine=engine)
    ask(admin, "of monday")
    clock.sleep(days=4)
    ask(admin, "of friday")
    listed(admin, 2)
    clock.sleep(days=3)
    [left] = listed(admin, 1)["data"]
    assert left["request"]["messages"][0]["content"] == "of friday"
    clock.sleep(days=4)
    listed(admin, 0)
    wait_for(lambda: b"of friday" not in on_disk(tmp_path), 10)


def test_they_expire_in_redis(sampled, redis, clock):
    server = redis()
    admin = sampled("share=100% keep=7d redact=off",
                    engine=server.directive())
    ask(admin, "of monday")
    wait_for(lambda: server.do("KEYS", "*:sm:i"), 10)
    clock.sleep(days=6)
    ask(admin, "of sunday")
    listed(admin, 2)
    clock.sleep(days=1)
    [left] = listed(admin, 1)["data"]
    assert left["request"]["messages"][0]["content"] == "of sunday"
    clock.sleep(days=6)
    wait_for(lambda: not server.do("KEYS", "*:sm:[ivx]*"), 10)
    wait_for(lambda: server.do("GET", server.do("KEYS", "*:sm:n")[0]) == "0",
             10)


def test_the_oldest_go(sampled, engine, tmp_path):
    admin = sampled("share=100% redact=off", engine=engine,
                    http="llm_samples size=1100k;")
    text = "x" * 40000
    for i in range(60):
        ask(admin, f"{i:02}{text}")

    def there():
        got = admin.get("samples", limit=100)
        assert got.status == 200, got.body
        return [s["request"]["messages"][0]["content"][:2]
                for s in got.json["data"]]
    wait_for(lambda: there()[:5] == ["59", "58", "57", "56", "55"]
             and 8 < len(there()) < 30, 10, "the newest")
    if "llm_state" in engine:
        assert len(on_disk(tmp_path)) <= 1100 << 10


def test_redis_goes(sampled, redis):
    server = redis()
    admin = sampled(engine=server.directive())
    admin.gateway.allow(r"\[(error|warn|crit)\]", "redis", "Redis")
    ask(admin)
    listed(admin, 1)
    server.kill()
    wait_for(lambda: admin.gateway.metrics().sum("llm_redis_up") == 0, 10)
    ask(admin)
    assert admin.get("samples").status == 503
    wait_for(lambda: admin.gateway.metrics().sum(RECORDED, outcome="store")
             == 1, 10)


def test_a_disk_that_cannot_be_written(sampled, tmp_path):
    admin = sampled(engine=state(tmp_path))
    admin.gateway.allow("samples are lost")
    (tmp_path / "state" / "samples").write_text("in the way")
    ask(admin, "one", "two")
    wait_for(lambda: admin.gateway.metrics().sum(RECORDED, outcome="store")
             == 2, 10)
    assert admin.gateway.error_log().count("samples are lost") == 1


# -- configuration -------------------------------------------------------------

@pytest.mark.parametrize("words, http, told", [
    ("share=1%", "", "must say what is not to be kept"),
    ("redact=off share=101%", "", "share=1%"),
    ("redact=off share=1%; sample redact=off", "", "duplicate"),
    ("redact=off keep=0", "", "keep=7d"),
    ("redact=off max_size=2m", "", "up to 1m"),
    ("redact=private redact=off", "", "invalid or duplicate"),
    ("redact=nobody", "", 'unknown llm_rules "nobody" in "redact="'),
    ("redact=empty", "llm_rules empty { output json; }", "have no patterns"),
    ("redact=off", "llm_samples size=1k;", "1m or more"),
    ("redact=off", "llm_samples key=abc;", "is no key"),
    ("redact=off", "llm_samples keys=abc;", "it has size=64m"),
    ("redact=off max_size=1m", "llm_samples size=2m;", "size=18m"),
])
def test_mistakes(gateway, provider, words, http, told):
    conf = provider().upstream("up") + RULES + http
    gw = gateway(http=conf + route("target up;", f"sample {words};"),
                 start=False)
    check = gw.check()
    assert not check.ok and told in check.stderr, check.stderr
