"""llm-eval: what it asks a gateway for, and the code that it exits with."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Iterator
from xml.etree import ElementTree

import pytest

from harness import Reply, openai_wire, wait_for
from harness.canary import Canary, canary_conf
from harness.nginx import route

TOOL = Path(__file__).resolve().parents[2] / "bin" / "llm-eval"
ID = "eval_" + "7" * 32

SHELLS = [["sh"]] + ([["busybox", "sh"]] if shutil.which("busybox") else [])


def evaluation(status: str = "completed", **more: Any) -> dict[str, Any]:
    """With all that could be taken for a member of the outermost object."""
    return {"candidates": [{"name": "status", "why": "verdict",
                            "status": "inner", "id": "}]{[\\\""}],
            "slices": [{"name": "\\", "verdict": "pass"}, {"name": "\""}],
            "v": 1, "id": ID, "object": "evaluation", "name": "status",
            "status": status, "cases": 12, "done": 3, "error": None, **more}


class Fake:
    """As much of llm_admin as llm-eval talks to; told is a list of answers."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.headers: list[Any] = []
        self.created: tuple[int, Any] = (201, evaluation("queued"))
        self.told: list[tuple[int, Any]] = [
            (200, evaluation(verdict="pass", why='it is "good" \\o/ \x1b[2J'))]
        self.report = "# the report\n"
        self.other: tuple[int, Any] = (200, {})
        self.others: list[tuple[int, Any]] = []     # before "other"
        self.steps = [1]
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: Any) -> None:
                pass

            def reply(self, status: int, value: Any) -> None:
                data = value.encode() if isinstance(value, str) \
                    else json.dumps(value).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def read(self) -> Any:
                size = int(self.headers.get("content-length") or 0)
                data = self.rfile.read(size)
                fake.headers.append(self.headers)
                fake.asked.append((self.command, self.path, data))

            def do_POST(self) -> None:
                self.read()
                self.reply(*(fake.created if self.path == "/llm/evaluations"
                             else fake.others.pop(0) if fake.others
                             else fake.other))

            def do_GET(self) -> None:
                self.read()
                if "/rollouts/" in self.path:
                    self.reply(200, {"rollout": {
                        "route": "chat", "step": fake.steps.pop(0)
                        if len(fake.steps) > 1 else fake.steps[0]}})
                elif "/report" in self.path:
                    self.reply(200, fake.report)
                elif len(fake.told) > 1:
                    self.reply(*fake.told.pop(0))
                else:
                    self.reply(*fake.told[0])

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/llm"
        threading.Thread(target=self.server.serve_forever, args=(0.02,),
                         daemon=True).start()

    def sent(self) -> Any:
        return json.loads(self.asked[0][2])

    def paths(self) -> list[str]:
        return [f"{method} {path}" for method, path, _ in self.asked]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def fake() -> Iterator[Fake]:
    made = Fake()
    yield made
    made.close()


def run(*words: str, url: str = "", shell: list[str] = ["sh"], stdin: str = ""
        ) -> subprocess.CompletedProcess[str]:
    at = ["--url", url] if url else []
    return subprocess.run([*shell, str(TOOL), *at, "-i", "1", *words],
                          input=stdin, capture_output=True, text=True,
                          timeout=60)


@pytest.mark.parametrize("shell", SHELLS, ids=lambda s: s[0])
def test_pass(fake: Fake, tmp_path: Path, shell: list[str]) -> None:
    spec = tmp_path / "spec.json"
    cases = tmp_path / "cases.jsonl"
    token = tmp_path / "token"
    spec.write_text('\n{ "name": "a \\"{}\\" b",\n "checks": [{"type":\n'
                    '"exact"}] }\n')
    cases.write_text('{"input": "1 \\" + 1", "expected": "2"}\r\n\n  \n'
                     '{"input": "\\\\ä"}')
    token.write_text('Authorization: Bearer a"b\\c\nx-other: 1')
    fake.told[:0] = [(200, evaluation("running"))]

    done = run("-d", str(cases), "--set=min_score=0.9", "-H", f"@{token}",
               "--promote", "chat", "--rollback=chat", str(spec),
               url=fake.url + "/", shell=shell)

    assert done.returncode == 0, done.stderr
    assert done.stdout == "# the report\n"
    assert 'pass, it is "good" \\o/ \\u001b[2J' in done.stderr
    assert fake.paths() == [
        "POST /llm/evaluations", f"GET /llm/evaluations/{ID}",
        f"GET /llm/evaluations/{ID}",
        f"GET /llm/evaluations/{ID}/report?format=markdown",
        "GET /llm/rollouts/chat", "POST /llm/rollouts/chat/promote"]
    assert fake.sent() == {
        "name": 'a "{}" b', "checks": [{"type": "exact"}], "min_score": 0.9,
        "dataset": {"cases": [{"input": '1 " + 1', "expected": "2"},
                              {"input": "\\ä"}]}}
    for headers in fake.headers:
        assert headers["x-llm-action"] == "1"
        assert headers["authorization"] == 'Bearer a"b\\c'
        assert headers["x-other"] == "1"
    assert json.loads(fake.asked[-1][2]) == {"reason": f"evaluation {ID}"}


@pytest.mark.parametrize("told, words, code, said", [
    (evaluation(verdict="fail", why="worse"), [], 1, "fail, worse"),
    (evaluation(verdict="undecided", why="few"), [], 4, "undecided, few"),
    (evaluation(verdict="undecided"), ["--undecided=pass"], 0, "undecided"),
    (evaluation(verdict="undecided"), ["--undecided=fail"], 1, "undecided"),
    (evaluation("failed", error="no file", verdict="undecided"), [], 5,
     "failed, no file"),
    (evaluation("cancelled", verdict="undecided"), [], 5, "cancelled"),
    (evaluation(verdict="pass", why=None), ["-q"], 0, ""),
    ({"object": "list"}, [], 3, "is no llm_admin"),
    ("<html>", [], 3, "is no llm_admin"),
])
def test_verdicts(fake: Fake, told: Any, words: list[str], code: int,
                  said: str) -> None:
    fake.told = [(200, told)]
    done = run("--wait", ID, *words, url=fake.url)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    if said == "":
        assert done.stderr == ""


def test_the_canary_is_told(fake: Fake) -> None:
    fake.told = [(200, evaluation(verdict="fail", why="worse"))]
    words = ["-w", ID, "-f", "none", "--promote", "chat", "--rollback", "chat"]
    assert run(*words, url=fake.url).returncode == 1
    assert fake.paths()[1:] == ["POST /llm/rollouts/chat/rollback"]

    # what counts as a verdict is none
    fake.asked.clear()
    fake.told = [(200, evaluation(verdict="undecided"))]
    assert run(*words, "--undecided=pass", url=fake.url).returncode == 0
    assert len(fake.asked) == 1

    fake.told = [(200, evaluation(verdict="pass"))]
    fake.other = (409, {"error": {"message": "the canary is paused",
                                  "code": "state"}})
    done = run(*words, url=fake.url)
    assert done.returncode == 3
    assert "status 409: the canary is paused" in done.stderr

    # it may not have heard yet of what has just ended
    fake.asked.clear()
    fake.others = [fake.other, (200, {})]
    assert run(*words, url=fake.url).returncode == 0
    look, go = "GET /llm/rollouts/chat", "POST /llm/rollouts/chat/promote"
    assert fake.paths()[1:] == [look, go, look, go]

    # and then it may have gone on by itself: one step for one evaluation
    fake.asked.clear()
    fake.others, fake.steps = [fake.other], [1, 2]
    assert run(*words, url=fake.url).returncode == 0
    assert fake.paths()[1:] == [look, go, look]


@pytest.mark.parametrize("status, code", [
    (400, 2), (413, 2), (401, 3), (403, 3), (404, 3), (409, 3), (500, 3)])
def test_refused(fake: Fake, status: int, code: int) -> None:
    fake.created = (status, {"error": {"message": 'unknown member "x\x1b"',
                                       "type": "invalid_request_error"}})
    done = run("--set", "x=1", url=fake.url)
    assert done.returncode == code
    assert f'status {status}: unknown member "x\\u001b"' in done.stderr
    assert len(fake.asked) == 1


def test_report_and_id(fake: Fake, tmp_path: Path) -> None:
    out = tmp_path / "report.xml"
    done = run("-f", "junit", "-o", str(out), "-", url=fake.url,
               stdin='{}')
    assert done.returncode == 0 and done.stdout == ""
    assert out.read_text() == fake.report
    assert fake.sent() == {}
    assert fake.paths()[-1].endswith("/report?format=junit")

    fake.asked.clear()
    done = run("--no-wait", "--set", 'candidates=[{"target":"a/b"}]',
               url=fake.url)
    assert done.returncode == 0 and done.stdout == ID + "\n"
    assert fake.sent() == {"candidates": [{"target": "a/b"}]}
    assert len(fake.asked) == 1


def test_a_gateway_that_comes_back(fake: Fake) -> None:
    bad = (503, {"error": {"message": "starting"}})
    fake.told[:0] = [bad]
    assert run("-w", ID, "-f", "none", url=fake.url).returncode == 0

    fake.told = [(404, {"error": {"message": "there is none"}})]
    done = run("-w", ID, url=fake.url)
    assert done.returncode == 3 and "there is none" in done.stderr

    fake.close()
    done = run("--set", "x=1", url=fake.url)
    assert done.returncode == 3 and "onnect" in done.stderr


def test_late_and_interrupted(fake: Fake) -> None:
    fake.told = [(200, evaluation("running"))]
    done = run("-w", ID, "-t", "1", url=fake.url)
    assert done.returncode == 6
    assert "has not ended within 1 seconds" in done.stderr

    for words, cancels in ([], True), (["--keep"], False):
        fake.asked.clear()
        job = subprocess.Popen(["sh", str(TOOL), "-u", fake.url, "-i", "1",
                                "--set", "x=1", *words],
                               stderr=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while len(fake.asked) < 2 and time.monotonic() < end:
            time.sleep(0.02)
        job.send_signal(signal.SIGTERM)
        assert job.wait(20) == 143
        assert (f"POST /llm/evaluations/{ID}/cancel" in fake.paths()) \
            == cancels


@pytest.mark.parametrize("words, said", [
    ([], "no SPEC.json"),
    (["--what"], "unknown option --what"),
    (["--url"], "wants a value"),
    (["--url", "ftp://x", "-w", ID], "is no http:// or https:// address"),
    (["-t", "0", "-w", ID], "wants a number of seconds"),
    (["-i", "1.5", "-w", ID], "wants a number of seconds"),
    (["--undecided", "maybe"], "is pass or fail"),
    (["--format", "pdf", "-w", ID], "--format is markdown, junit"),
    (["--wait", "../keys"], "is no name"),
    (["--promote", "a/b"], "is no name"),
    (["--set", "x"], "has to be NAME=JSON"),
    (["--set", "x\"y=1"], "is no name"),
    (["-H", "token"], "is no header"),
    (["-H", "@/nowhere"], "cannot read /nowhere"),
    (["/nowhere"], "cannot read /nowhere"),
    (["/dev/null"], "is no object"),
    (["a", "b"], "more than one file"),
    (["-w", ID, "a"], "goes with no specification"),
])
def test_usage(words: list[str], said: str) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""


def test_one_dataset(tmp_path: Path) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text('{"x": [{"dataset": 1}], "dataset": {"file": "a"}}')
    done = run("-d", str(spec), str(spec))
    assert done.returncode == 2 and 'a "dataset" already' in done.stderr


def test_help(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    done = run("--help")
    assert done.returncode == 0 and done.stdout.startswith("Usage: llm-eval")
    assert list(tmp_path.iterdir()) == []


# -- the gateway itself -------------------------------------------------------

ADMIN = "location /llm/ { llm_admin write; } location /read/ { llm_admin; }"


def capital(x: Any) -> None:
    """Knows capitals, unless its model is "b", and is talkative."""
    city = "Lima" if x.request.json["model"] == "b" else "Paris"
    openai_wire.server(Reply(text=f"It is {city}. SECRET_abcdef"))(x)


def judge(x: Any) -> None:
    """Prefers Paris, and of two answers with it the first."""
    asked = x.request.json["messages"][1]["content"]
    parts = re.split(r"Answer [AB] between", asked)
    if len(parts) == 1:
        text = '{"reason": "well", "score": 0.75}'
    else:
        assert len(parts) == 3
        text = json.dumps({"reason": "it is right",
                           "better": "A" if "Paris" in parts[1] else "B"})
    openai_wire.server(Reply(text=f"```json\n{text}\n```"))(x)


@pytest.fixture
def real(gateway: Any, provider: Any) -> Any:
    up, court = provider(capital), provider(judge)
    return gateway(
        http="llm_rules strict { output mark regex=SECRET_[a-z]+; }"
             + up.upstream("up") + court.upstream("court")
             + route("target up/a;", "fallback up/b;", "fallback court/j;"),
        server=ADMIN)


def test_with_the_gateway(real: Any, tmp_path: Path) -> None:
    at = f"http://127.0.0.1:{real.port}"
    cases = tmp_path / "cases.jsonl"
    cases.write_text("".join(
        json.dumps({"id": f"<{n}>", "input": f"France, {n}?",
                    "expected": "Paris", "slice": "=1+1" if n % 2 else ""})
        + "\n" for n in range(60)))

    def evaluate(*words: str, **members: Any) -> Any:
        sets = [word for name, value in members.items()
                for word in ("--set", f"{name}={json.dumps(value)}")]
        return run("-d", str(cases), *sets, *words, url=at + "/llm")

    one = [{"name": "new", "target": "up/a"}]
    two = one + [{"name": "old", "target": "up/b"}]
    contains = [{"type": "contains"}]

    # better than the baseline, by what they say and by a judge; the guide's
    # checks of all kinds in one
    done = evaluate("--format=junit", candidates=two, baseline="old",
                    judge="court/j", checks=contains + [
                        {"type": "pairwise", "rubric": "right"},
                        {"type": "judge", "rubric": "brief", "min": 0.7}])
    assert done.returncode == 0, done.stderr
    suite = ElementTree.fromstring(done.stdout)[0]
    tests = suite.findall("testcase")
    assert suite.get("tests") == str(len(tests)) == "61"
    assert {t.get("name") for t in tests} \
        == {f"<{n}>" for n in range(60)} | {"verdict"}
    assert suite.get("failures") == suite.get("errors") == "0"

    # a set of rules finds what it finds on a request; the first one is worse
    done = evaluate("--format=json", candidates=one,
                    checks=contains + [{"type": "rules", "rules": "strict"}])
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert report["evaluation"]["candidates"][0]["score"] == 0.5
    assert report["cases"][0]["results"][0]["checks"][1] == {
        "type": "rules", "name": "rules", "score": 0.0, "passed": False,
        "why": "strict.mark"}

    done = evaluate(candidates=two, baseline="new", checks=contains)
    assert done.returncode == 1 and "-1.000" in done.stderr
    assert done.stdout.startswith("# Evaluation ")
    assert "| \\<0\\> |" in done.stdout

    done = evaluate("--format=csv", candidates=one, checks=contains,
                    min_score=0.99, strict=True)
    assert done.returncode == 4, done.stderr
    assert '"\'=1+1"' in done.stdout

    # what is refused
    done = evaluate(candidates=one, checks=[{"type": "choice"}])
    assert done.returncode == 5 and "failed, case 0: check 1: \"choice\" " \
        "wants \"choices\"" in done.stderr, done.stderr
    done = evaluate(candidates=one, checks=[{"type": "exact", "x": 1}])
    assert done.returncode == 2 and 'unknown member "x"' in done.stderr
    done = run("-d", str(cases), "--set", "x=1", url=at + "/read")
    assert done.returncode == 3 and "403" in done.stderr
    done = run("-w", ID, url=at + "/llm")
    assert done.returncode == 3 and "404" in done.stderr


# -- a canary of it -----------------------------------------------------------

class Deciding:
    """A gateway with a canary, and cases that its candidate may know."""

    def __init__(self, gateway: Any, provider: Any, words: str = ""):
        self.knows = True

        def candidate(x: Any) -> None:
            openai_wire.server(Reply(text="42" if self.knows else "41"))(x)
        ups = [provider(Reply(text="42")), provider(candidate)]
        gw = gateway(server=ADMIN, http=canary_conf(
            *ups, f"steps=20%,50%,100% hold=1h guard=failures<9 {words}"))
        self.canary = Canary(gw, *ups)
        wait_for(lambda: self.canary.listed()["since"] > 0, 10, "a document")
        self.url = f"http://127.0.0.1:{gw.port}/llm"

    def evaluate(self, name: str) -> Any:
        """It has ended when it is waited for."""
        self.begun = self.canary.admin.post("evaluations", {
            "name": name, "route": "r", "min_score": 0.5,
            "checks": [{"type": "exact"}],
            "candidates": [{"target": "new/b"}],
            "dataset": {"cases": [{"input": "what", "expected": "42"}] * 30}
        }).json["id"]
        wait_for(lambda: self.canary.admin.get(f"evaluations/{self.begun}")
                 .json["status"] == "completed", 20, "its end")
        return self.decide()

    def decide(self) -> Any:
        return run("-w", self.begun, "-f", "none", "--promote", "r",
                   "--rollback", "r", url=self.url)

    def last(self) -> tuple[Any, ...]:
        entry = self.canary.shown()["history"][-1]
        return tuple(entry[name] for name in ("action", "state", "step", "by"))


def test_it_decides(gateway: Any, provider: Any) -> None:
    """A step for each that passes, and back for one that fails."""
    d = Deciding(gateway, provider)
    done = d.evaluate("golden")
    assert done.returncode == 0, done.stderr
    assert "promote of r: done" in done.stderr
    assert d.last() == ("step", "running", 1, "admin")
    assert d.canary.shown()["history"][-1]["reason"] \
        == f"evaluation {d.begun}"

    d.canary.decide("pause")
    d.knows = False
    done = d.evaluate("golden")
    assert done.returncode == 1, done.stderr
    assert "rollback of r: done" in done.stderr
    assert d.last() == ("rollback", "rolled_back", 1, "admin")
    assert set(d.canary.arms(9)) == {"stable"}

    # one that is over cannot go on; that it is taken back is what was wanted
    seen = len(d.canary.shown()["history"])
    again = d.decide()
    assert again.returncode == 1 and "rollback of r: done" in again.stderr
    d.knows = True
    done = d.evaluate("golden")
    assert done.returncode == 3 and "status 409" in done.stderr
    assert len(d.canary.shown()["history"]) == seen


def test_a_canary_that_asks_for_another(gateway: Any, provider: Any) -> None:
    """It blocks, until that one has passed; and takes back by itself."""
    d = Deciding(gateway, provider, "evaluation=golden")
    done = d.evaluate("silver")
    assert done.returncode == 3, done.stderr
    assert "promote of r: status 409" in done.stderr
    assert "golden" in done.stderr
    assert d.last()[0] == "start"

    done = d.evaluate("golden")
    assert done.returncode == 0, done.stderr
    assert d.last() == ("step", "running", 1, "admin")

    d.knows = False
    done = d.evaluate("golden")
    assert done.returncode == 1, done.stderr
    assert "rollback of r: done" in done.stderr
    assert d.last()[:3] == ("rollback", "rolled_back", 1)    # by either
    assert [entry["action"] for entry in d.canary.shown()["history"]] \
        == ["start", "step", "rollback"]
