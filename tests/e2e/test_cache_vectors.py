"""Answers by meaning for a fleet: vector sets of Redis 8, and without them."""

from __future__ import annotations

import itertools
import json
import time

import pytest

from harness import Reply, openai_wire, route, wait_for
from harness.embedder import Embedder, vector
from harness.redis import COMMAND, newer, version

CHAT = "/v1/chat/completions"


def ask(text="What is the capital of France?", system="Be brief.", model="m"):
    head = [{"role": "system", "content": system}] if system else []
    return {"model": model, "temperature": 0, "messages": [
        *head, {"role": "user", "content": text}]}


def status(response):
    return response.header("x-llm-cache")


def text_of(response):
    return response.json["choices"][0]["message"]["content"]


def numbered():
    """Every answer is another one."""
    n = itertools.count(1)
    return lambda x: openai_wire.server(Reply(text=f"Answer {next(n)}."))(x)


@pytest.fixture
def fleet(gateway, provider):
    """Gateways before one provider, with one Redis."""
    def make(server, n=2, words="", http=("", ""), lines="", **parts):
        up, embedder = provider(numbered()), Embedder()
        near = provider(embedder)
        shared = server.directive()
        gws = [gateway(http=up.upstream("up") + near.upstream("near") + http[i]
                       + route("target up/m;", "cache ttl=1m semantic=0.93 "
                               f"embed=near/e wait=5s {words};"
                               + lines.format(i + 1))
                       + shared, **parts)
               for i in range(n)]
        for gw in gws:
            wait_for(lambda: b"llm_redis_up 1" in gw.fetch_metrics().body, 10)
        return gws, up, embedder
    return make


def sets(server):
    return server.do("KEYS", "llm:v:*")


def elements(server, n=1):
    """The names of all, of which there are n now or soon."""
    def all_of():
        return [e for key in sets(server)
                for e in server.do("VRANDMEMBER", key, 1000)]
    wait_for(lambda: len(all_of()) == n, 10)
    return all_of()


def counted(gw, command, result):
    name = f'{{command="{command}",result="{result}"}}'
    return ("llm_vectors_commands_total" + name).encode() \
        in gw.fetch_metrics().body


def test_a_paraphrase_is_answered_by_another_gateway(redis8, fleet):
    server = redis8()
    (one, two), up, embedder = fleet(server)
    wait_for(lambda: len(server.clients()) == 2, 10)
    first = one.post(CHAT, ask())
    elements(server)
    # one has a second connection now, which limits do not wait behind
    wait_for(lambda: len(server.clients()) == 3, 10)
    near = two.post(CHAT, ask("Please tell me the capital of France."))
    assert [status(first), status(near)] == ["miss", "semantic"]
    assert text_of(first) == text_of(near)
    assert len(up.requests) == 1
    # the set ends with its last answer
    key, = sets(server)
    assert 0 < server.do("PTTL", key) <= 60_000
    assert counted(one, "add", "ok") and counted(two, "find", "ok")
    # another word stands for one of it
    assert status(two.post(CHAT, ask("the capital of Spain?"))) == "miss"
    # the answer is gone: so is what leads to it
    server.do("DEL", *server.do("KEYS", "llm:c:*"))
    three = ask("tell me: capital of France")
    assert status(two.post(CHAT, three)) == "miss"
    elements(server, 2)


def test_no_answer_crosses(redis8, fleet):
    """Scope, model, system prompt: each has its own answer, on any gateway."""
    server = redis8()
    (one, two), up, embedder = fleet(server, words="scope=$http_x_tenant")
    all_of = list(itertools.product("ab", ("m", "n"), ("Brief.", "Long.")))
    texts = {}
    for scope, model, system in all_of:
        response = one.post(CHAT, ask(system=system, model=model),
                            headers=[("x-tenant", scope)])
        assert status(response) == "miss"
        texts[scope, model, system] = text_of(response)
    assert len(set(texts.values())) == len(all_of)
    wait_for(lambda: len(sets(server)) == len(all_of), 10)
    for scope, model, system in reversed(all_of):
        response = two.post(CHAT, ask("Tell me the capital of France", system,
                                      model), headers=[("x-tenant", scope)])
        assert status(response) == "semantic"
        assert text_of(response) == texts[scope, model, system]
    other = two.post(CHAT, ask("capital of France"),
                     headers=[("x-tenant", "c")])
    assert status(other) == "miss"


def test_no_answer_crosses_prompt_versions(redis8, fleet, tmp_path):
    server = redis8()
    lines = []
    for n in (1, 2):
        path = tmp_path / f"v{n}.json"
        path.write_text(json.dumps({"messages": [
            {"role": "system", "content": "Help."}, "{{>messages}}"]}))
        lines.append(f"llm_prompt support v{n} {path};\n")
    (one, two), up, embedder = fleet(server, http=lines,
                                     lines="prompt support@v{};")
    assert status(one.post(CHAT, ask(system=""))) == "miss"
    elements(server)
    near = ask("capital of France?", system="")
    assert status(two.post(CHAT, near)) == "miss"
    assert status(one.post(CHAT, near)) == "semantic"
    assert len(up.requests) == 2


def test_what_others_write_leads_nowhere(redis8, fleet):
    """A set that names another scope's entry, and what is no name at all."""
    server = redis8()
    (one, two), up, embedder = fleet(server, words="scope=$http_x_tenant")
    one.post(CHAT, ask(), headers=[("x-tenant", "a")])
    element, = elements(server)
    key_a, = sets(server)
    two.post(CHAT, ask("the capital of France"), headers=[("x-tenant", "b")])
    wait_for(lambda: len(sets(server)) == 2, 10)
    key_b, = set(sets(server)) - {key_a}
    mine, = server.do("VRANDMEMBER", key_b, 9)
    point = [len(vector("")), *vector("capital of France")]
    raw = [e.encode(errors="surrogateescape") for e in (element, mine)]
    server.do("VREM", key_b, raw[1])
    for name in (raw[0], b"x", b"x" * 200, raw[0][:-1]):
        server.do("VADD", key_b, "VALUES", *point, name, "Q8", "SETATTR",
                  json.dumps({"exp": 9e12}))
    answer = one.post(CHAT, ask("tell me capital of France"),
                      headers=[("x-tenant", "b")])
    assert status(answer) == "miss"
    assert text_of(answer) == "Answer 3."
    # vectors of another length, and another type of key
    server.do("DEL", key_b)
    server.do("SET", key_b, "x")
    assert status(one.post(CHAT, ask("what capital of France is"),
                           headers=[("x-tenant", "b")])) == "semantic"
    assert status(two.post(CHAT, ask("what is the capital, France"),
                           headers=[("x-tenant", "b")])) == "semantic"
    for gw in (one, two):
        gw.allow("vectors in redis: WRONGTYPE")


def test_what_is_over_is_not_found_and_is_taken_out(redis8, fleet):
    server = redis8()
    (one, two), up, embedder = fleet(server)
    one.post(CHAT, ask("describe apple"))
    name, = elements(server)
    key, = sets(server)
    raw = name.encode(errors="surrogateescape")
    server.do("VSETATTR", key, raw, json.dumps({"exp": 1}))
    assert status(two.post(CHAT, ask("please describe apple"))) == "miss"
    old = [b"%032d" % n for n in range(20)]
    for n, element in enumerate(old):
        server.do("VADD", key, "VALUES", 64, *vector(f"w{n}"), element, "Q8",
                  "SETATTR", json.dumps({"exp": 1}))
    words = map("".join, itertools.product("bdfglmprst", "aeiou", "klmnt"))

    def cleaned():
        """With every 16th that is added there."""
        one.post(CHAT, ask(f"describe {next(words)}"))
        return not set(old) & {e.encode(errors="surrogateescape")
                               for e in server.do("VRANDMEMBER", key, 1000)}
    wait_for(cleaned, 20)
    assert server.do("VCARD", key) > 10            # what is not over stays


@pytest.mark.parametrize("name", ["redis", "valkey"])
def test_a_server_without_vector_sets(redis, fleet, name):
    """It is said once, and each gateway has its own vectors."""
    if name == "redis" and version() >= (8,):
        pytest.skip("this Redis has vector sets")
    server = redis(command=COMMAND if name == "redis" else newer(name))
    (one,), up, embedder = fleet(server, n=1, workers=2)
    assert status(one.post(CHAT, ask())) == "miss"
    for text in ("capital of France", "the capital of France"):
        assert status(one.post(CHAT, ask(text))) == "semantic"
    things = itertools.count()

    def known():
        """A worker has asked, and has been told."""
        one.post(CHAT, ask(f"Thing {next(things)}"))
        return "redis has no vector sets" in one.error_log() \
            and counted(one, "find", "unsupported")
    wait_for(known)
    for _ in range(8):
        one.post(CHAT, ask(f"Thing {next(things)}"))
    assert one.error_log().count("redis has no vector sets") == 1
    assert not sets(server)


def test_redis_lost_costs_only_hits(redis8, fleet):
    server = redis8()
    (one, two), up, embedder = fleet(server)
    one.post(CHAT, ask())
    elements(server)
    server.kill()
    wait_for(lambda: b"llm_redis_up 0" in two.fetch_metrics().body, 10)
    assert status(two.post(CHAT, ask("capital of France"))) == "miss"
    assert status(one.post(CHAT, ask("capital of France"))) == "semantic"
    server.start()
    for gw in (one, two):
        wait_for(lambda: b"llm_redis_up 1" in gw.fetch_metrics().body, 10)
    # vectors' own connections come back in their own time
    n = itertools.count()

    def again():
        text = f"describe the item{next(n)}"
        one.post(CHAT, ask(text))
        return status(two.post(CHAT, ask("please " + text))) == "semantic"
    wait_for(again, 20, interval=0.1)
    for gw in (one, two):
        gw.allow("redis")


def test_in_a_cluster(cluster, fleet):
    """Each set lies on one node, with its end."""
    if newer("redis") != COMMAND:
        pytest.skip("the Redis of LLMOPS_REDIS has no vector sets")
    group = cluster()
    (one, two), up, embedder = fleet(group)
    texts = [f"describe the word{n}" for n in range(6)]
    for text in texts:
        one.post(CHAT, ask(text))

    def keys():
        return [key for server in group.alive for key in sets(server)]
    wait_for(lambda: len(keys()) == len(texts), 10)
    for text in texts:
        assert status(two.post(CHAT, ask("please " + text))) == "semantic"


# -- a judge -----------------------------------------------------------------

class Judge:
    """Says what it is to say, and notes what it was asked."""

    def __init__(self):
        self.says = '{"pass": true, "reason": "same"}'
        self.asked = []

    def __call__(self, x):
        self.asked.append(x.request.json["messages"])
        if self.says is None:
            time.sleep(2)
        openai_wire.server(Reply(text=self.says or ""))(x)


@pytest.fixture
def judged(gateway, provider):
    def make(words="judge_timeout=10s"):
        up, judge = provider(numbered()), Judge()
        near, by = provider(Embedder()), provider(judge)
        gw = gateway(http=up.upstream("up") + near.upstream("near")
                     + by.upstream("by")
                     + route("target up/m;", "cache ttl=1m semantic=0.93 "
                             f"embed=near/e wait=5s judge=by/j {words};"))
        gw.post(CHAT, ask())
        return gw, up, judge
    return make


def verdicts(gw, verdict):
    found = [x for x in gw.fetch_metrics().body.decode().splitlines()
             if "llm_cache_judged_total{" in x and f'"{verdict}"' in x]
    return int(found[0].split()[-1]) if found else 0


def test_a_judge_has_the_last_word(judged):
    gw, up, judge = judged()
    near = gw.post(CHAT, ask("Tell me the capital of France"))
    assert status(near) == "semantic" and text_of(near) == "Answer 1."
    said = judge.asked[0][1]["content"]
    assert "Tell me the capital of France" in said and "Answer 1." in said
    # what it has said is remembered
    gw.post(CHAT, ask("Tell me the capital of France"))
    assert len(judge.asked) == 1
    judge.says = 'It is not: {"pass": false, "reason": "other"}'
    assert status(gw.post(CHAT, ask("capital of France?"))) == "miss"
    assert len(judge.asked) == 2 and len(up.requests) == 2
    assert (verdicts(gw, "pass"), verdicts(gw, "fail")) == (1, 1)
    assert "is another one to the judge" in gw.error_log()


@pytest.mark.parametrize("says", ["maybe", None])
def test_a_judge_who_says_nothing_says_no(judged, says):
    gw, up, judge = judged("judge_timeout=200ms")
    judge.says = says
    assert status(gw.post(CHAT, ask("capital of France?"))) == "miss"
    assert verdicts(gw, "none") == 1


def test_a_judge_in_shadow(judged):
    gw, up, judge = judged("shadow")
    assert status(gw.post(CHAT, ask("capital of France?"))) == "miss"
    wait_for(lambda: "would have answered" in gw.error_log(), 10)
    assert len(judge.asked) == 1


@pytest.mark.parametrize("words, said", [
    ("judge=up/j", 'need "semantic="'),
    ("semantic=0.9 embed=up/e judge=up", 'names no model, write "judge=up/'),
    ("semantic=0.9 embed=up/e judge=none/j", "none"),
    ("semantic=0.9 embed=up/e judge=", 'as in "judge=openai/'),
    ("semantic=0.9 embed=up/e judge=up/j judge_timeout=1h",
     "a time up to 10s"),
])
def test_mistakes(gateway, provider, words, said):
    up = provider(openai_wire.server())
    gw = gateway(http=up.upstream("up") + route("target up/m;",
                                                f"cache {words};"),
                 start=False)
    result = gw.check()
    assert not result.ok
    assert said in result.stderr
