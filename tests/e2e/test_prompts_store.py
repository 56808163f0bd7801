"""Prompts that the admin API keeps in the store."""

from __future__ import annotations

import base64
import json
import threading
import time
from typing import Any

import pytest

from harness import Reply, Response, answers, openai_wire, wait_for
from harness.openapi import Admin
from harness.util import LATE

from conftest import connected

HI = [{"role": "user", "content": "hi"}]
STORE = "llm_prompt_store on;\n"


def text(version, **members):
    """A prompt's file, whose numbers jansson would print otherwise."""
    return (b'{"variables": {"product": {"type": "string"}},\n'
            b' "messages": [{"role": "system", "content": "%s: {{product}}"},\n'
            b'              "{{>messages}}"],\n'
            b' "parameters": {"temperature": 0.10}%s}\n' % (
                version.encode(),
                b"".join(b', "%s": %s' % (k.encode(), json.dumps(v).encode())
                         for k, v in members.items())))


def put(admin, version, name="support", **options):
    return admin.put(f"prompts/{name}/versions/{version}", text(version),
                     headers=[("Content-Type", "application/json")],
                     **options)


def label(admin, version, name="support", label="production", **members):
    answer = admin.put(f"prompts/{name}/labels/{label}",
                       {"version": version, **members})
    assert answer.status == 200, answer.body
    return answer


def ask(gw, prompt="support", path="/v1/chat/completions", **headers):
    return gw.post(path, {"model": "m", "messages": HI,
                          "variables": {"product": "X"}},
                   headers=[("x-llm-prompt", prompt)] if prompt else [])


def served(gw, prompt="support"):
    answer = ask(gw, prompt)
    assert answer.status == 200, answer.body
    return answer.header("x-llm-prompt")


def code(answer, status):
    assert answer.status == status, answer.body
    return answer.json["error"]["code"]


@pytest.fixture
def kept(administer):
    """An admin, and two versions of "support", labelled v1."""
    def make(http="", **parts):
        admin = administer(http=STORE + http, **parts)
        for version in ("v1", "v2"):
            assert put(admin, version).status == 201
        label(admin, "v1", reason="the first")
        return admin
    return make


def test_a_label_moves_and_comes_back(kept):
    """Put, move, roll back: what is served, and what the history says."""
    admin = kept()
    gw = admin.gateway
    assert served(gw) == "support@v1"
    moved = label(admin, "v2", reason="shorter")
    assert served(gw) == "support@v2"
    assert served(gw, "support@v1") == "support@v1"
    back = admin.post("prompts/support/labels/production/rollback",
                      {"reason": "worse"})
    assert back.status == 200
    assert served(gw) == "support@v1"
    assert back.json["prompt"]["revision"] \
        == moved.json["prompt"]["revision"] + 1

    said = admin.get("prompts/support").json["prompt"]
    assert [(e["action"], e.get("version"), e.get("from"), e.get("reason"))
            for e in said["history"]] == [
        ("put", "v1", None, None), ("put", "v2", None, None),
        ("label", "v1", None, "the first"), ("label", "v2", "v1", "shorter"),
        ("rollback", "v1", "v2", "worse")]
    assert all(e["by"] == "127.0.0.1" and abs(e["time"] - time.time()) < 60
               for e in said["history"])
    assert said["labels"]["production"]["version"] == "v1"
    assert said["labels"]["production"]["reason"] == "worse"
    assert code(admin.post("prompts/support/labels/production/rollback"),
                409) == "no_previous"
    assert [line["llm_prompt"] for line in gw.ledger(4)
            if line["llm_prompt"]] == [f"support@{v}" for v in (
                "v1", "v2", "v1", "v1")]
    assert gw.metrics().sum("llm_requests_total", prompt="support@v2") == 1
    assert [r["action"] for r in admin.pages("audit", "records")][::-1] == [
        "putPromptVersion", "putPromptVersion", "movePromptLabel",
        "movePromptLabel", "rollbackPromptLabel", "rollbackPromptLabel"]


def test_what_is_sent_is_what_is_rendered(administer, provider):
    up = provider()
    admin = administer(http=STORE)
    gw = admin.gateway
    gw.reload(http=up.upstream("seen") + gw.config.http + """
        llm_route seen { match seen; target seen; }""")
    connected(gw)
    put(admin, "v1")
    request = {"model": "seen", "messages": HI, "top_p": 1}
    answer = gw.post("/v1/chat/completions", {
        **request, "variables": {"product": "X"}},
        headers=[("x-llm-prompt", "support")])
    assert answer.status == 200, answer.body

    shown = admin.call("POST", "prompts/render", {
        "prompt": "support@v1", "variables": {"product": "X"},
        "request": request}, action=False)
    assert shown.status == 200 and shown.json["prompt"] == "support@v1"
    assert shown.json["body"] == up.last.json
    assert b'"temperature":0.10' in shown.body.replace(b" ", b"")

    draft = admin.post("prompts/render", {
        "file": json.loads(text("new", model="big")), "api": "messages",
        "variables": {"product": "Y"}, "request": {"max_tokens": 9}})
    assert draft.json["body"]["system"][0]["text"] == "new: Y"
    assert draft.json["body"]["model"] == "big"
    assert code(admin.post("prompts/render", {"prompt": "support"}),
                400) == "missing_variable"
    assert code(admin.post("prompts/render", {"prompt": "no"}), 404) \
        == "not_found"
    for wrong in ({}, {"prompt": "a", "file": {}}, {"prompt": "a", "x": 1},
                  {"prompt": "a", "variables": 1}, {"prompt": 1},
                  {"prompt": "support", "api": "x"}, {"file": {"x": 1}}):
        assert code(admin.post("prompts/render", wrong), 400) == "invalid"


def test_what_a_route_adds_is_rendered(administer, provider):
    """Its messages, around the caller's; its prompt, if none is named."""
    up = provider()
    admin = administer(http=STORE)
    gw = admin.gateway
    gw.reload(http=up.upstream("seen") + gw.config.http + """
        llm_route plain { match plain; target seen;
            prepend_message system "Be brief.";
            append_message user "Thanks, from $server_name."; }
        llm_route own { match own; target seen; prompt support@v1;
            append_message user "Bye."; }""")
    connected(gw)
    put(admin, "v1")

    def shown(answer=200, **body):
        r = admin.call("POST", "prompts/render", body, action=False)
        assert r.status == answer, r.body
        return r.json

    for route, more in (("plain", {}), ("own", {"product": "X"})):
        request = {"model": route, "messages": HI}
        r = gw.post("/v1/chat/completions",
                    {**request, **({"variables": more} if more else {})})
        assert r.status == 200, r.body
        body = shown(route=route, request=request, variables=more)["body"]
        assert body == up.last.json
        assert body["messages"][-1]["content"] in ("Bye.", "Thanks, from .")
    assert shown(route="own", variables={"product": "X"})["prompt"] \
        == "support@v1"
    assert "prompt" not in shown(route="plain", request={"messages": HI})
    file = json.loads(text("new"))
    messages = shown(route="own", file=file, api="messages",
                     variables={"product": "Y"})["body"]
    assert messages["system"][0]["text"] == "new: Y"
    assert messages["messages"][-1]["content"] == "Bye."
    assert shown(404, route="none")["error"]["code"] == "not_found"
    assert shown(400, route="own")["error"]["code"] == "missing_variable"


def test_files_come_out_as_they_went_in(kept):
    admin = kept()
    got = admin.get("prompts/support/versions/v2")
    assert got.status == 200 and got.body == text("v2")
    assert "support-v2.json" in got.header("content-disposition")
    assert code(admin.get("prompts/support/versions/v3"), 404) == "not_found"
    assert code(admin.get("prompts/none/versions/v1"), 404) == "not_found"

    large = text("large", notes="n" * 1000000)
    answer = admin.put("prompts/support/versions/large", large,
                       headers=[("Content-Type", "application/json")])
    assert answer.status == 201, answer.body
    assert admin.get("prompts/support/versions/large").body == large
    assert served(admin.gateway, "support@large") == "support@large"


def test_versions_keep_their_text(kept):
    admin = kept()
    assert put(admin, "v1").status == 200            # the same again
    other = text("other")

    def again():
        return admin.put("prompts/support/versions/v1", other,
                         headers=[("Content-Type", "application/json")])
    assert code(again(), 409) == "immutable"
    assert code(admin.delete("prompts/support/versions/v1"), 409) == "in_use"
    label(admin, "v2")
    assert admin.delete("prompts/support/versions/v1").status == 200
    assert code(ask(admin.gateway, "support@v1"), 404) == "prompt_not_found"
    assert code(again(), 409) == "immutable"
    assert put(admin, "v1").status == 201
    assert served(admin.gateway, "support@v1") == "support@v1"
    # where it led before was deleted
    assert code(admin.post("prompts/support/labels/production/rollback"),
                409) == "no_previous"


@pytest.mark.parametrize("engine", ["shm"], indirect=True)
def test_what_is_refused(kept):
    admin = kept()
    etag = admin.get("prompts/support").header("etag")
    label(admin, "v2")
    stale = [("If-Match", etag)]
    assert code(admin.put("prompts/support/labels/production",
                          {"version": "v1"}, headers=stale), 412) == "stale"
    assert code(admin.delete("prompts/support", headers=stale), 412) == "stale"
    assert code(put(admin, "production"), 409) == "name_taken"
    assert code(admin.put("prompts/support/labels/v1", {"version": "v2"}),
                409) == "name_taken"
    assert code(admin.put("prompts/support/labels/x", {"version": "v9"}),
                404) == "not_found"
    for body in ({}, {"version": 1}, {"version": "v 1"},
                 {"version": "v1", "x": 1},
                 {"version": "v1", "reason": "r" * 201}):
        assert code(admin.put("prompts/support/labels/x", body), 400) \
            == "invalid"
    for path in ("a%20b/versions/1", "pmpt_1/versions/1", f"{'n' * 65}/versions/1"):
        assert code(admin.put(f"prompts/{path}", json.loads(text("a"))), 400) \
            == "invalid"
    wrong = admin.put("prompts/support/versions/v3",
                      b'{"messages": [\n{"role": "x", "content": "y"}]}',
                      headers=[("Content-Type", "application/json")])
    assert code(wrong, 400) == "invalid"
    assert "line 2" in wrong.json["error"]["message"]
    assert admin.delete("prompts/support/labels/production").status == 200
    assert code(ask(admin.gateway), 404) == "prompt_not_found"
    assert admin.delete("prompts/support").json["deleted"] == "support"
    assert code(admin.get("prompts/support"), 404) == "not_found"
    assert code(ask(admin.gateway, "support@v1"), 404) == "prompt_not_found"


@pytest.mark.parametrize("engine", ["shm"], indirect=True)
def test_reasons_and_names_with_a_nul(kept):
    """What somebody writes into a prompt's history is not the end of it."""
    admin = kept()
    label(admin, "v2", label="x")
    who = base64.b64encode(b"a\0n:pw").decode()
    answer = admin.call("DELETE", "prompts/support/labels/x?reason=%00%ff",
                        headers=[("Authorization", f"Basic {who}")])
    assert answer.status == 200
    entry = admin.get("prompts/support").json["prompt"]["history"][-1]
    assert (entry["by"], entry["reason"]) == ("a\0n", "\0?")
    assert served(admin.gateway) == "support@v1"


def test_too_many(kept):
    admin = kept()
    for i in range(18):
        label(admin, "v1", label=f"l{i}")
    label(admin, "v1", label="l18")
    assert code(admin.put("prompts/support/labels/l19", {"version": "v1"}),
                409) == "full"
    for i in range(3, 101):
        assert put(admin, f"v{i}").status == 201
    assert code(put(admin, "v101"), 409) == "full"
    assert len(admin.get("prompts/support").json["prompt"]["history"]) == 100


@pytest.mark.parametrize("engine", ["shm"], indirect=True)
def test_beside_those_of_the_configuration(kept, tmp_path):
    """The configuration wins, name by name, and says so."""
    admin = kept()
    gw = admin.gateway
    (tmp_path / "c.json").write_bytes(text("c1"))
    gw.reload(http=gw.config.http + f"""
        llm_prompt fixed c1 {tmp_path}/c.json;
        llm_prompt fixed label=production c1;""")
    assert served(gw) == "support@v1"
    assert served(gw, "fixed") == "fixed@c1"
    assert code(put(admin, "v9", "fixed"), 409) == "configured"
    assert admin.get("prompts/fixed/versions/c1").body == text("c1")
    said = admin.get("prompts/fixed").json["prompt"]
    assert said["source"] == "configuration"
    assert said["labels"] == {"production": {"version": "c1"}}

    gw.reload(http=gw.config.http + f"""
        llm_prompt support c1 {tmp_path}/c.json;""")
    assert served(gw) == "support@c1"
    listed = {(p["name"], p["source"]): p
              for p in admin.pages("prompts", "prompts")}
    assert listed["support", "store"]["shadowed"]
    assert listed["support", "store"]["labels"] == {"production": "v1"}
    assert listed["support", "configuration"]["versions"] == ["c1"]

    gw.reload(http=gw.config.http.replace(STORE, ""))
    assert code(put(admin, "v9", "other"), 409) == "store_off"
    assert code(ask(gw, "other"), 404) == "prompt_not_found"


@pytest.mark.parametrize("engine", ["shm", "redis"], indirect=True)
def test_routes_and_shares(kept):
    """A route's prompt, and its share, may be in the store."""
    admin = kept()
    gw = admin.gateway
    gw.reload(http=gw.config.http.replace(
        "target up;", "target up; prompt support@production "
        "share=50%:canary by=$http_x_who only;"))
    connected(gw)

    def who(n, prompt=None):
        answer = gw.post("/v1/chat/completions", {
            "model": "m", "messages": HI, "variables": {"product": "X"}},
            headers=[("x-who", f"w{n}")]
            + ([("x-llm-prompt", prompt)] if prompt else []))
        return answer.header("x-llm-prompt") if answer.status == 200 \
            else code(answer, answer.status)

    gw.allow('the store has no "canary" of prompt "support"')
    assert {who(n) for n in range(8)} == {"support@v1"}
    label(admin, "v2", label="canary")
    first = [who(n) for n in range(40)]
    assert 8 <= first.count("support@v2") <= 32
    assert [who(n) for n in range(40)] == first
    # who names one of the two has that of its share, any other is refused
    assert [who(n, "support@v1") for n in range(40)] == first
    put(admin, "v3")
    assert who(0, "support@v3") == "prompt_not_allowed"
    for path in ("prompts/support", "prompts/support/labels/canary",
                 "prompts/support/labels/production"):
        assert code(admin.delete(path), 409) == "in_use"
    assert code(admin.delete("prompts/support/versions/v1"), 409) == "in_use"


@pytest.mark.parametrize("engine", ["shm"], indirect=True)
def test_a_route_whose_prompt_is_not_there(administer):
    admin = administer(http=STORE, lines=["prompt support@production;"])
    admin.gateway.allow("the store has no prompt")
    assert code(ask(admin.gateway, None), 503) == "prompt_unavailable"
    put(admin, "v1")
    label(admin, "v1")
    assert served(admin.gateway, None) == "support@v1"


@pytest.mark.parametrize("engine", ["state", "redis"], indirect=True)
def test_a_restart_and_a_reload_lose_nothing(kept):
    admin = kept()
    admin.gateway.stop()
    admin.gateway.start()
    connected(admin.gateway)
    assert served(admin.gateway) == "support@v1"
    label(admin, "v2")
    admin.gateway.reload()
    assert served(admin.gateway) == "support@v2"


# -- under load -----------------------------------------------------------------

class Load:
    """Threads that ask all the time, and what they were answered with."""

    def __init__(self, gateways, threads=2):
        self.seen: list[tuple[Any, float, float, str, str]] = []
        self.wrong: list[Response] = []
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(g,))
                        for g in gateways for _ in range(threads)]

    def _run(self, gw):
        body = json.dumps({"model": "m", "messages": HI,
                           "variables": {"product": "X"}}).encode()
        client = gw.connect()
        while not self.stop.is_set():
            began = time.monotonic()
            answer = client.request("POST", "/v1/chat/completions", body, [
                ("x-llm-prompt", "support")]).read()
            if answer.status != 200:
                self.wrong.append(answer)
                return
            said = answer.json["choices"][0]["message"]["content"]
            self.seen.append((gw, began, time.monotonic(),
                              answer.header("x-llm-prompt"), said))

    def latest(self, gw):
        """What has named the last answers of one of them."""
        return {named for of, *_, named, _ in self.seen[-50:] if of is gw}

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join(20)


def say_prompt(x):
    """Says the first message, which names the version."""
    asked = x.request.json
    answers.json(openai_wire.chat(
        Reply(asked["messages"][0]["content"]), asked))(x)


@pytest.mark.parametrize("engine", ["shm"], indirect=True)
def test_labels_move_under_load_on_all_gateways(redis, administer, gateway):
    """Each answer is by exactly one version, which the header says; what has
    been moved holds for all requests within a second, everywhere."""
    server = redis()
    admin = administer(say_prompt, http=server.directive("timeout=2s") + STORE,
                       workers=2)
    for version in ("v1", "v2"):
        assert put(admin, version).status == 201
    label(admin, "v1")
    other = gateway(http=admin.gateway.config.http, workers=2)
    connected(other)
    gateways = [admin.gateway, other]
    moves = []
    with Load(gateways) as load:
        wait_for(lambda: all(load.latest(gw) for gw in gateways), 10)
        for i in range(4):
            before = time.monotonic()
            if i % 2:
                answer = admin.post(
                    "prompts/support/labels/production/rollback")
                assert answer.status == 200
                version = "support@v1"
            else:
                label(admin, "v2")
                version = "support@v2"
            wait_for(lambda: load.wrong or all(
                load.latest(gw) == {version} for gw in gateways),
                1 + LATE, "the label to have moved", 0.02)
            moves.append((before, time.monotonic(), version))
            # and it stays so
            count = len(load.seen)
            wait_for(lambda: load.wrong or len(load.seen) > count + 200, 15)
    assert not load.wrong
    for _, began, ended, named, said in load.seen:
        assert said == named.removeprefix("support@") + ": X", (named, said)
    for i, (_, since, version) in enumerate(moves):
        until = moves[i + 1][0] if i + 1 < len(moves) else time.monotonic()
        after = {named for _, began, ended, named, _ in load.seen
                 if began > since and ended < until}
        assert after == {version}, (version, after)


@pytest.mark.parametrize("engine", ["shm", "redis"], indirect=True)
def test_a_change_holds_at_once_on_all_workers(administer):
    """Whoever asks after the answer to a change gets what it has made."""
    admin = administer(http=STORE, workers=4)
    for version in ("v1", "v2"):
        put(admin, version)
    for i in range(20):
        version = f"v{1 + i % 2}"
        label(admin, version)
        assert {served(admin.gateway) for _ in range(6)} \
            == {f"support@{version}"}


# -- a store that is away --------------------------------------------------------

@pytest.fixture
def on_redis(redis, serve):
    def make(*words, **parts):
        server = redis()
        gw, up = serve(http=server.directive(*words) + STORE,
                       server="location /llm/ { llm_admin write; }", **parts)
        connected(gw)
        return Admin(gw), server
    return make


def test_what_was_known_is_good_enough(on_redis):
    admin, server = on_redis()
    gw = admin.gateway
    put(admin, "v1")
    assert served(gw) == "support@v1"
    server.kill()
    for _ in range(3):
        assert served(gw) == "support@v1"
    assert code(ask(gw, "other"), 503) == "prompt_unavailable"
    assert code(put(admin, "v2"), 503) == "store_unavailable"
    server.start()
    connected(gw)
    # nothing was kept there
    wait_for(lambda: ask(gw).status == 404, 5, "an empty store")


def test_those_who_leave_while_the_store_is_asked(on_redis):
    admin, server = on_redis("timeout=500ms")
    gw = admin.gateway
    wait_for(lambda: put(admin, "v1").status in (200, 201))
    with server.frozen():
        clients = []
        for i in range(6):
            client = gw.connect()
            client.request("POST", "/v1/chat/completions", json={
                "model": "m", "messages": HI, "variables": {"product": "X"}},
                headers=[("x-llm-prompt", "support")])
            clients.append(client)
        for client in clients[:3]:
            client.close()
        late = [client.read().status for client in clients[3:]]
        assert set(late) <= {200, 503}
    wait_for(lambda: ask(gw).status == 200, 5)
