"""docs/openapi.json and the API say the same, both ways.

Every answer of every admin test is held against the document (see
harness/openapi.py).  Here: the document is valid, it has the calls that the
source has, and each status that it promises for a call can be got.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from pathlib import Path

import pytest
from openapi_spec_validator import validate

from harness import Reserved, wait_for
from harness.openapi import Admin, document, operations
from harness.redis import COMMAND, Server, newer

SOURCE = Path(__file__).resolve().parents[2] / "ngx_llmops_module" / "ops"
JSON = ("Content-Type", "application/json")


def rows():
    """The rows of the tables in the source."""
    text = "\n".join(path.read_text() for path in
                     sorted(SOURCE.glob("ngx_llmops_admin*.c")))
    return re.findall(
        r'\{ NGX_HTTP_(\w+), "([^"]+)", "(\w+)",\s+(?:NULL|"([^"]*)"),'
        r'\s+\w+, ([01]), ([012]) \}', text)


def pattern(path):
    return re.sub(r"\{\w+\}", "{}", path.lstrip("/"))


def test_the_document_is_valid():
    validate(document())


def test_it_has_the_calls_of_the_source():
    source = {(method.lower(), path): (name, set(query.split()),
                                       change == "1", body != "0")
              for method, path, name, query, change, body in rows()}
    told = {(method, pattern(path)): (
        op.id, op.named("query"), "x-llm-action" in op.named("header"),
        bool(op.body and op.body.get("required")))
        for (method, path), op in operations().items()}
    assert source == told
    assert len(source) == len(rows()), "a row is there twice"
    names = [op.id for op in operations().values()]
    assert len(set(names)) == len(names)


def test_the_schemas_are_strict():
    """A member that the document does not have fails a test."""
    for name, schema in document()["components"]["schemas"].items():
        if schema.get("type") == "object" and name not in (
                "UsageSums", "Rate", "Sample"):     # parts of others
            assert (schema.get("additionalProperties") is False
                    or schema.get("unevaluatedProperties") is False), name


def test_nothing_is_unused():
    text = json.dumps(document())
    for kind, things in document()["components"].items():
        for name in things:
            assert f'"#/components/{kind}/{name}' in text, name


# -- each status that it promises ----------------------------------------------

def a_key(admin):
    return admin.post("keys", {}).json["key"]["id"]


def invalid(path, method="GET"):
    def call(admin):
        headers = [("If-Match", "x")]
        value = {"overlap": -1} if "rotate" in path else {}
        return admin.call(method, path.format(a_key(admin)),
                          None if method in ("GET", "DELETE") else value,
                          headers=headers)
    return call


def stale(method, path="keys/{}"):
    def call(admin):
        return admin.call(method, path.format(a_key(admin)),
                          {} if method == "PUT" else None,
                          headers=[("If-Match", '"7"')])
    return call


def large(method, path):
    def call(admin):
        admin.gateway.allow("too large body")
        return admin.call(method, path.format("x"), b" " * 1048577,
                          headers=[JSON])
    return call


def typed(method, path):
    return lambda admin: admin.call(method, path.format("x"), b"{}", headers=[
        ("Content-Type", "text/plain")])


def read_only(method, path):
    return lambda admin: Admin(admin.gateway, "/read").call(
        method, path.format("x"), {})


def full(method, path):
    """The zone is full: a new value has no room beside the old one."""
    def call(admin):
        admin.gateway.reload(http=admin.gateway.config.http.replace(
            "llm_zone llm:1m;", "llm_zone llm:512k;"))
        metadata = {"x": "y" * 2000}
        key = admin.post("keys", {"metadata": metadata}).json["key"]["id"]
        while admin.post("keys", {"metadata": metadata}).status == 201:
            pass
        value = {"metadata": metadata} if "/{}/" not in path else None
        return admin.call(method, path.format(key), value)
    return call


def of_limit(method, path, value=None, **args):
    return lambda admin: admin.call(method, path, value, **args)


#: a route that has a cache
CACHED = ("upstream cached { llm_dialect mock; }\n"
          "llm_route cached { match cached; target cached/m; cache ttl=1m; }\n")


def of_cache(value):
    def call(admin):
        gw = admin.gateway
        gw.reload(http=gw.config.http + CACHED)
        return admin.call("POST", "cache/purge", value)
    return call


def purges(admin):
    """More different purges than are remembered."""
    gw = admin.gateway
    gw.reload(http=gw.config.http + CACHED)
    for n in range(600):
        answer = admin.call("POST", "cache/purge", {"scope": f"s{n}"})
        if answer.status != 200:
            break
    return answer


def away(method, path, value=None, http="", **args):
    """Nobody answers at llm_redis's address."""
    def call(admin):
        port = Reserved()
        gw = admin.gateway
        gw.reload(http=f"llm_redis 127.0.0.1:{port.port};\n"
                  + gw.config.http + http)
        try:
            return admin.call(method, path.format("x"), value, **args)
        finally:
            port.close()
    return call


def of_index(method, path, value=None, redis8=True, headers=(), **args):
    """With an index "kb", and a Redis that has vector sets, or has not."""
    def call(admin):
        gw = admin.gateway
        command = newer("redis") if redis8 else COMMAND
        server = Server(gw.prefix / "redis8", command=command).start()
        try:
            gw.reload(http=server.directive() + gw.config.http
                      + "llm_index kb embed=up/e;\n")
            wait_for(lambda: admin.get("indexes").json["indexes"][0]
                     ["vectors"] != "unknown")
            if method == "DELETE":
                admin.put("indexes/kb/documents", DOCUMENT)
            return admin.call(method, path, value, headers=headers, **args)
        finally:
            gw.reload(http=gw.config.http.replace(server.directive(), "")
                      .replace("llm_index kb embed=up/e;\n", ""))
            server.close()
    return call


def index_away(method, path, value=None, **args):
    return away(method, path, value, http="llm_index kb embed=up/e;\n", **args)


DOCUMENT = {"documents": [{"id": "a", "text": "A text."}]}
KB = "indexes/kb/documents"

KEY_CHANGES = [("PUT", "keys/{}", "replaceKey"),
               ("DELETE", "keys/{}", "deleteKey"),
               ("POST", "keys/{}/rotate", "rotateKey"),
               ("POST", "keys/{}/disable", "disableKey"),
               ("POST", "keys/{}/enable", "enableKey")]

#: (operationId, status): what gets it
EXERCISES = {
    ("getOpenapi", 200): lambda admin: admin.get("openapi.json"),
    ("getOpenapi", 400): lambda admin: admin.get("openapi.json?x"),
    ("getStatus", 200): lambda admin: admin.get("status"),
    ("getStatus", 400): lambda admin: admin.get("status?x"),
    ("getFigures", 200): lambda admin: admin.get("status.json"),
    ("getFigures", 400): lambda admin: admin.get("status.json?x"),
    ("listAudit", 200): lambda admin: admin.get("audit"),
    ("listAudit", 400): lambda admin: admin.get("audit?limit=0"),
    ("getUsage", 200): lambda admin: admin.get("usage"),
    ("getUsage", 400): lambda admin: admin.get("usage?by=x"),
    ("listAudit", 503): away("GET", "audit"),
    ("getUsage", 503): away("GET", "usage"),
    ("listKeys", 503): away("GET", "keys"),
    ("getKey", 503): away("GET", "keys/{}"),
    ("createKey", 503): away("POST", "keys", {}),
    ("getLimit", 503): away("GET", "limits/some", key="a"),
    ("resetLimit", 503): away("POST", "limits/some/reset", {"key": "a"}),
    ("listIndexes", 200): lambda admin: admin.get("indexes"),
    ("listIndexes", 400): lambda admin: admin.get("indexes?x"),
    ("getIndex", 200): of_index("GET", "indexes/kb"),
    ("getIndex", 400): lambda admin: admin.get("indexes/kb?x"),
    ("getIndex", 404): lambda admin: admin.get("indexes/kb"),
    ("getIndex", 503): index_away("GET", "indexes/kb"),
    ("listDocuments", 200): of_index("GET", KB),
    ("listDocuments", 400): lambda admin: admin.get(KB + "?x"),
    ("listDocuments", 404): lambda admin: admin.get(KB),
    ("listDocuments", 503): index_away("GET", KB),
    ("putDocuments", 200): of_index("PUT", KB, {"documents": []}),
    ("putDocuments", 202): of_index("PUT", KB, DOCUMENT),
    ("putDocuments", 400): of_index("PUT", KB, {}),
    ("putDocuments", 403): read_only("PUT", KB),
    ("putDocuments", 404): lambda admin: admin.put(KB, DOCUMENT),
    ("putDocuments", 409): of_index("PUT", KB, DOCUMENT, redis8=False),
    ("putDocuments", 413): large("PUT", KB),
    ("putDocuments", 415): typed("PUT", KB),
    ("putDocuments", 503): index_away("PUT", KB, DOCUMENT),
    ("deleteDocument", 202): of_index("DELETE", KB, id="a"),
    ("deleteDocument", 400): of_index("DELETE", KB),
    ("deleteDocument", 403): read_only("DELETE", KB),
    ("deleteDocument", 404): lambda admin: admin.delete(KB),
    ("deleteDocument", 409): of_index("DELETE", KB, redis8=False, id="a"),
    ("deleteDocument", 503): index_away("DELETE", KB, id="a"),
    ("exportDocuments", 200): of_index("GET", "indexes/kb/export"),
    ("exportDocuments", 400): lambda admin: admin.get("indexes/kb/export?x"),
    ("exportDocuments", 404): lambda admin: admin.get("indexes/kb/export"),
    ("exportDocuments", 503): index_away("GET", "indexes/kb/export"),
    ("searchIndex", 200): of_index("POST", "indexes/kb/search",
                                   {"query": "x"}),
    ("searchIndex", 400): of_index("POST", "indexes/kb/search", {}),
    ("searchIndex", 404): lambda admin: admin.post("indexes/kb/search",
                                                   {"query": "x"}),
    ("searchIndex", 413): large("POST", "indexes/kb/search"),
    ("searchIndex", 415): typed("POST", "indexes/kb/search"),
    ("getCache", 200): lambda admin: admin.get("cache"),
    ("getCache", 400): lambda admin: admin.get("cache?x"),
    ("purgeCache", 200): of_cache({"route": "x"}),
    ("purgeCache", 400): of_cache({}),
    ("purgeCache", 403): read_only("POST", "cache/purge"),
    ("purgeCache", 404): lambda admin: admin.call("POST", "cache/purge",
                                                  {"all": True}),
    ("purgeCache", 413): large("POST", "cache/purge"),
    ("purgeCache", 415): typed("POST", "cache/purge"),
    ("purgeCache", 503): away("POST", "cache/purge", {"all": True},
                              http=CACHED),
    ("purgeCache", 507): purges,
    ("listLimits", 200): of_limit("GET", "limits"),
    ("listLimits", 400): of_limit("GET", "limits?x"),
    ("getLimit", 200): of_limit("GET", "limits/some", key="a"),
    ("getLimit", 400): of_limit("GET", "limits/some"),
    ("getLimit", 404): of_limit("GET", "limits/none", key="a"),
    ("resetLimit", 200): of_limit("POST", "limits/some/reset", {"key": "a"}),
    ("resetLimit", 400): of_limit("POST", "limits/some/reset", {}),
    ("resetLimit", 403): read_only("POST", "limits/some/reset"),
    ("resetLimit", 404): of_limit("POST", "limits/no/reset", {"key": "a"}),
    ("resetLimit", 413): large("POST", "limits/some/reset"),
    ("resetLimit", 415): typed("POST", "limits/some/reset"),
    ("listKeys", 200): lambda admin: admin.get("keys"),
    ("listKeys", 400): lambda admin: admin.get("keys?limit=0"),
    ("getKey", 200): lambda admin: admin.get(f"keys/{a_key(admin)}"),
    ("getKey", 400): lambda admin: admin.get("keys/x?x"),
    ("getKey", 404): lambda admin: admin.get("keys/x"),
    ("createKey", 201): lambda admin: admin.post("keys", {}),
    ("createKey", 400): lambda admin: admin.post("keys", {"x": 1}),
    ("createKey", 403): read_only("POST", "keys"),
    ("createKey", 409): lambda admin: [admin.post("keys", {
        "sha256": "ab" * 32}) for _ in range(2)][1],
    ("createKey", 413): large("POST", "keys"),
    ("createKey", 415): typed("POST", "keys"),
    ("createKey", 507): full("POST", "keys"),
}

for method, path, name in KEY_CHANGES:
    EXERCISES |= {
        (name, 200): lambda admin, m=method, p=path: admin.call(
            m, p.format(a_key(admin)), {} if m == "PUT" else None),
        (name, 400): invalid(path, method),
        (name, 403): read_only(method, path),
        (name, 404): lambda admin, m=method, p=path: admin.call(
            m, p.format("x"), {} if m == "PUT" else None),
        (name, 412): stale(method, path),
        (name, 413): large(method, path),
        (name, 415): typed(method, path),
        (name, 503): away(method, path, {} if method == "PUT" else None),
    }
    if method != "DELETE":
        EXERCISES[name, 507] = full(method, path)

# -- prompts

FILE = {"messages": [{"role": "user", "content": "x"}]}
PROMPT = "prompts/support"
VERSION = f"{PROMPT}/versions/v1"
LABEL = f"{PROMPT}/labels/production"


def prompt(admin):
    """Two versions, and a label that has led to the other one before."""
    admin.put(VERSION, FILE)
    admin.put(f"{PROMPT}/versions/v2", {**FILE, "notes": "2"})
    for version in ("v2", "v1"):
        admin.put(LABEL, {"version": version})


def of_prompt(method, path, value=None, **options):
    def call(admin):
        prompt(admin)
        return admin.call(method, path, value, **options)
    return call


def no_room(method, path, value=None):
    """Keys take what is left, until a head has no room either."""
    def call(admin):
        admin.gateway.reload(http=admin.gateway.config.http.replace(
            "llm_zone llm:1m;", "llm_zone llm:512k;"))
        prompt(admin)
        for size in (20000, 500, 1):
            while admin.post("keys", {"metadata": {
                    "x": "y" * min(size, 2000)}}).status == 201:
                pass
        return admin.call(method, path, value)
    return call


PROMPT_CHANGES = [
    ("PUT", VERSION, "putPromptVersion", FILE),
    ("DELETE", f"{PROMPT}/versions/v2", "deletePromptVersion", None),
    ("PUT", LABEL, "movePromptLabel", {"version": "v2"}),
    ("DELETE", LABEL, "deletePromptLabel", None),
    ("POST", f"{LABEL}/rollback", "rollbackPromptLabel", None),
    ("DELETE", PROMPT, "deletePrompt", None)]

for method, path, name, value in PROMPT_CHANGES:
    EXERCISES |= {
        (name, 200): of_prompt(method, path, value),
        (name, 400): of_prompt(method, path, value,
                               headers=[("If-Match", "x")]),
        (name, 403): lambda admin, m=method, p=path, v=value: Admin(
            admin.gateway, "/read").call(m, p, v),
        (name, 404): of_prompt(method, path.replace("support", "none"), value),
        (name, 409): of_prompt(method, path.replace("support", "fixed"),
                               value),
        (name, 412): of_prompt(method, path, value,
                               headers=[("If-Match", '"99"')]),
        (name, 413): large(method, path),
        (name, 415): typed(method, path),
        (name, 503): away(method, path, value),
    }
    if name != "deletePrompt":
        EXERCISES[name, 507] = no_room(
            method, path.replace("v1", "v3"),
            {**FILE, "notes": "n" * 50000} if value == FILE else value)

del EXERCISES["putPromptVersion", 404]

EXERCISES |= {
    ("putPromptVersion", 201): lambda admin: admin.put(VERSION, FILE),
    ("listPrompts", 200): of_prompt("GET", "prompts"),
    ("listPrompts", 400): of_prompt("GET", "prompts?limit=0"),
    ("listPrompts", 503): away("GET", "prompts"),
    ("getPrompt", 200): of_prompt("GET", PROMPT),
    ("getPrompt", 400): of_prompt("GET", f"{PROMPT}?x"),
    ("getPrompt", 404): of_prompt("GET", "prompts/none"),
    ("getPrompt", 503): away("GET", PROMPT),
    ("getPromptVersion", 200): of_prompt("GET", VERSION),
    ("getPromptVersion", 400): of_prompt("GET", f"{VERSION}?x"),
    ("getPromptVersion", 404): of_prompt("GET", f"{PROMPT}/versions/x"),
    ("getPromptVersion", 503): away("GET", VERSION),
    ("renderPrompt", 200): of_prompt("POST", "prompts/render",
                                     {"prompt": "support"}, action=False),
    ("renderPrompt", 400): of_prompt("POST", "prompts/render", {}),
    ("renderPrompt", 404): of_prompt("POST", "prompts/render",
                                     {"prompt": "none"}),
    ("renderPrompt", 413): large("POST", "prompts/render"),
    ("renderPrompt", 415): typed("POST", "prompts/render"),
    ("renderPrompt", 503): away("POST", "prompts/render",
                                {"prompt": "support"}),
}

# -- rollouts and feedback

REASON = {"reason": "because"}


def rollout(action, *before, **more):
    """An action on the canary of route "r", after others."""
    def call(admin):
        for one in before:
            assert admin.post(f"rollouts/r/{one}", REASON).status == 200
        return admin.post(f"rollouts/r/{action}", {**REASON, **more})
    return call


def feedback(times=1):
    def call(admin):
        answer = admin.gateway.chat()
        value = {"request_id": answer.header("x-llm-request-id"), "score": 1}
        return [admin.post("feedback", value) for _ in range(times)][-1]
    return call


EXERCISES |= {
    ("listRollouts", 200): lambda admin: admin.get("rollouts"),
    ("listRollouts", 400): lambda admin: admin.get("rollouts?x"),
    ("getRollout", 200): lambda admin: admin.get("rollouts/r"),
    ("getRollout", 400): lambda admin: admin.get("rollouts/r?x"),
    ("getRollout", 404): lambda admin: admin.get("rollouts/x"),
    ("getRollout", 503): away("GET", "rollouts/r"),
    ("giveFeedback", 200): feedback(),
    ("giveFeedback", 400): lambda admin: admin.post("feedback", {}),
    ("giveFeedback", 404): lambda admin: admin.post(
        "feedback", {"request_id": "x", "score": 1}),
    ("giveFeedback", 409): feedback(2),
    ("giveFeedback", 503): away("POST", "feedback", {
        "request_id": "0" * 32, "score": 1}),
    ("getRegistry", 200): lambda admin: admin.get("registry", route="r"),
    ("getRegistry", 400): lambda admin: admin.get("registry?x"),
    ("getRegistry", 503): away("GET", "registry"),
    ("giveFeedback", 413): large("POST", "feedback"),
    ("giveFeedback", 415): typed("POST", "feedback"),
}

#: action, its name, what must be before, and what must not
ROLLOUT_CHANGES = [("promote", "promoteRollout", [], ["rollback"]),
                   ("rollback", "rollBackRollout", [], ["rollback"]),
                   ("pause", "pauseRollout", [], ["pause"]),
                   ("resume", "resumeRollout", ["pause"], []),
                   ("restart", "restartRollout", ["rollback"], [])]

for action, name, good, bad in ROLLOUT_CHANGES:
    EXERCISES |= {
        (name, 200): rollout(action, *good),
        (name, 400): rollout(action, more=1),
        (name, 403): read_only("POST", f"rollouts/r/{action}"),
        (name, 404): lambda admin, a=action: admin.post(f"rollouts/x/{a}",
                                                        REASON),
        (name, 409): rollout(action, *bad),
        (name, 413): large("POST", f"rollouts/r/{action}"),
        (name, 415): typed("POST", f"rollouts/r/{action}"),
        (name, 503): away("POST", f"rollouts/r/{action}", REASON),
    }

# -- evaluations

EVALUATION = {"dataset": {"cases": [{"input": "x", "expected": "y"}]},
              "candidates": [{"target": "up/c"}],
              "checks": [{"type": "exact"}]}
NO_EVALUATION = "evaluations/eval_" + "0" * 32


@contextlib.contextmanager
def silence(admin):
    """Nobody answers meanwhile."""
    (up,) = admin.gateway.providers
    go, answer = threading.Event(), up.scripts[0]

    def script(x):
        go.wait(20)
        answer(x)
    up(script)
    try:
        yield
    finally:
        go.set()


def evaluation(method="GET", path="", value=None, wait=True, **changes):
    """A call on one, when it has ended, or while nobody answers."""
    def call(admin):
        made = admin.post("evaluations", {**EVALUATION, **changes}).json["id"]
        if wait:
            wait_for(lambda: admin.get(f"evaluations/{made}").json["ended"],
                     10, "its end")
        return admin.call(method, f"evaluations/{made}{path}", value)

    def call_in_silence(admin):
        with silence(admin):
            return call(admin)
    return call if wait else call_in_silence


def many_evaluations(admin):
    """More than may be under way; nobody answers."""
    with silence(admin):
        for _ in range(17):
            answer = admin.post("evaluations", EVALUATION)
            if answer.status != 201:
                break
    return answer


EXERCISES |= {
    ("listEvaluations", 200): lambda admin: admin.get("evaluations"),
    ("listEvaluations", 400): lambda admin: admin.get("evaluations?x"),
    ("listEvaluations", 503): away("GET", "evaluations"),
    ("createEvaluation", 201): lambda admin: admin.post("evaluations",
                                                        EVALUATION),
    ("createEvaluation", 400): lambda admin: admin.post("evaluations", {}),
    ("createEvaluation", 409): many_evaluations,
    ("createEvaluation", 415): typed("POST", "evaluations"),
    ("createEvaluation", 503): away("POST", "evaluations", EVALUATION),
    ("createEvaluation", 507): lambda admin: admin.post("evaluations", {
        **EVALUATION, "dataset": {"cases": [
            {"input": "x" * 100000, "expected": "y"}] * 9}}),
    ("deleteEvaluation", 200): evaluation("DELETE"),
    ("deleteEvaluation", 409): evaluation("DELETE", wait=False),
    ("cancelEvaluation", 200): evaluation("POST", "/cancel", wait=False),
    ("cancelEvaluation", 409): evaluation("POST", "/cancel"),
    ("judgeEvaluationCase", 200): evaluation(
        "POST", "/cases/0/verdict", {"candidate": "up/c", "score": 1}),
    ("judgeEvaluationCase", 400): evaluation("POST", "/cases/0/verdict", {}),
    ("judgeEvaluationCase", 415): typed("POST",
                                        NO_EVALUATION + "/cases/0/verdict"),
}

for method, path, name in (
        ("GET", "", "getEvaluation"), ("DELETE", "", "deleteEvaluation"),
        ("POST", "/cancel", "cancelEvaluation"),
        ("GET", "/cases", "listEvaluationCases"),
        ("GET", "/queue", "listEvaluationQueue"),
        ("GET", "/events", "streamEvaluation"),
        ("GET", "/report", "reportEvaluation"),
        ("POST", "/cases/0/verdict", "judgeEvaluationCase")):
    value = {"candidate": "x", "score": 1} if "verdict" in path else None
    EXERCISES |= {
        (name, 404): lambda admin, m=method, p=path, v=value: admin.call(
            m, NO_EVALUATION + p, v),
        (name, 503): away(method, NO_EVALUATION + path, value)}
    EXERCISES.setdefault((name, 200), evaluation(method, path))
    EXERCISES.setdefault((name, 400), lambda admin, m=method, p=path:
                         admin.call(m, NO_EVALUATION + p + "?x"))


# -- samples

#: a route that records, and whose samples are encrypted
SAMPLED = ("upstream recorded { llm_dialect mock; }\n"
           "llm_route recorded { match recorded; target recorded/m;\n"
           "  shadow recorded/other share=100%%;\n"
           "  sample share=100%% pairs=100%% redact=off; }\n"
           "llm_samples key=file:%s;\n")
NO_SAMPLE = "samples/smp_" + "0" * 32


def a_key_file(gw, name):
    path = gw.prefix / name
    path.write_text(("ab" if name == "one" else "cd") * 32)
    path.chmod(0o600)
    gw.secret(path.read_text())
    return path


def sample(method, path, value=None, lost=False, **args):
    """Of one that is there; or was, and its key is lost."""
    def call(admin):
        gw = admin.gateway
        http = gw.config.http
        gw.reload(http=http + SAMPLED % a_key_file(gw, "one"))
        assert gw.chat(model="recorded").status == 200
        made = wait_for(lambda: admin.get("samples").json["data"])[0]["id"]
        if lost:
            gw.reload(http=http + SAMPLED % a_key_file(gw, "two"))
        return admin.call(method, path.format(made), value, **args)
    return call


def samples_away(method, path, value=None, **args):
    def call(admin):
        http = SAMPLED % a_key_file(admin.gateway, "one")
        return away(method, path, value, http, **args)(admin)
    return call


SCORE = {"score": 1}

EXERCISES |= {
    ("listSamples", 400): sample("GET", "samples?limit=0"),
    ("exportSamples", 400): sample("GET", "samples/export?format=csv"),
    ("deleteSamples", 400): sample("DELETE", "samples"),
    ("judgeSample", 400): sample("POST", "samples/{}/verdict", {}),
    ("judgeSample", 413): large("POST", "samples/{}/verdict"),
    ("judgeSample", 415): typed("POST", "samples/{}/verdict"),
    ("deleteSamples", 403): read_only("DELETE", "samples?client=x"),
    ("deleteSample", 403): read_only("DELETE", "samples/{}"),
    ("judgeSample", 403): read_only("POST", "samples/{}/verdict"),
    ("exportSamples", 404): lambda admin: admin.get("samples/export"),
    ("listSamples", 404): lambda admin: admin.get("samples"),
    ("deleteSamples", 404): lambda admin: admin.delete("samples",
                                                       client="x"),
    ("exportSamples", 409): sample("GET", "samples/export", lost=True),
}

for method, path, name, value in (
        ("GET", "samples", "listSamples", None),
        ("GET", "samples/export", "exportSamples", None),
        ("DELETE", "samples?client=x", "deleteSamples", None),
        ("GET", "samples/{}", "getSample", None),
        ("DELETE", "samples/{}", "deleteSample", None),
        ("GET", "samples/{}/diff", "diffSample", None),
        ("POST", "samples/{}/verdict", "judgeSample", SCORE)):
    EXERCISES |= {(name, 503): samples_away(
        method, path.replace("samples/{}", NO_SAMPLE), value)}
    EXERCISES.setdefault((name, 200), sample(method, path, value))
    EXERCISES.setdefault((name, 409), sample(method, path, value, lost=True))
    EXERCISES.setdefault((name, 404), sample(
        method, path.replace("samples/{}", NO_SAMPLE), value))

# a list tells of what it cannot read, and an id is never secret
del EXERCISES["listSamples", 409], EXERCISES["deleteSample", 409]

PROMISED = sorted((op.id, status) for op in operations().values()
                  for status in op.statuses)


def test_nothing_is_exercised_that_is_not_promised():
    assert set(EXERCISES) <= set(PROMISED)


@pytest.fixture
def engine() -> str:
    """Shared memory: what is full and what is away is made here."""
    return ""


@pytest.mark.parametrize("name, status", PROMISED)
def test_each_status(administer, tmp_path, name, status):
    assert (name, status) in EXERCISES, "add how to get it"
    (tmp_path / "fixed.json").write_text(json.dumps(FILE))
    admin = administer(
        http="llm_zone llm:1m;\nllm_limit some key=$http_x requests=5/m;\n"
             f"llm_prompt_store on;\nllm_prompt fixed 1 {tmp_path}/fixed.json;\n"
             "llm_feedback 1h;\n",
        lines=["limit some;",
               "canary up/c share=50% hold=1h guard=errors<10%;"])
    answer = EXERCISES[name, status](admin)
    assert answer.status == status
    assert Admin.seen[-1] == (name, status)
