"""Coding agents through the gateway, as they come from npm.

Each is given a task that needs one tool call: read a file and say what is in
it.  The provider is scripted; the agent is changed in nothing but base URL
and key.  Which packages: package.json and package-lock.json beside this file;
tests/agents/run.sh installs them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness import (Reply, anthropic_wire, answers, openai_wire, sse,
                     wait_for)
from harness.provider import Exchange, Script
from harness.reply import Tool

AGENTS = Path(os.environ.get(
    "LLMOPS_AGENTS", Path(__file__).parents[2] / "build" / "agents"))
WORD = "heliotrope-7261"
TASK = "Read the file note.txt in this directory. Answer with the word in it."


def agent(name: str) -> str:
    path = AGENTS / "node_modules" / ".bin" / name
    if not path.exists():
        pytest.skip(f"{name} is not installed: tests/agents/run.sh does it")
    return str(path)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A home and a directory to work in, both empty but for the note."""
    (tmp_path / "home").mkdir()
    work = tmp_path / "work"
    work.mkdir()
    (work / "note.txt").write_text(f"The word is {WORD}.\n")
    return work


def run(command: list[str], work: Path, env: dict[str, str]) -> str:
    home = work.parent / "home"
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TERM")
            if name in os.environ}
    done = subprocess.run(
        command, cwd=work, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=100,
        env={**kept, "HOME": str(home), "XDG_CONFIG_HOME": str(home),
             "NO_PROXY": "*", **env})
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


# -- Claude Code: the Anthropic API --------------------------------------------

def _results(asked: dict[str, Any]) -> list[Any]:
    """The tool results of the last message."""
    content = asked["messages"][-1]["content"]
    if isinstance(content, str):
        return []
    return [part for part in content if part["type"] == "tool_result"]


def claude_provider(note: Path) -> Script:
    def script(x: Exchange) -> None:
        if x.request.path != "/v1/messages":
            answers.anthropic_error(404, "not here", "not_found_error")(x)
            return
        asked = x.request.json
        tools = [tool["name"] for tool in asked.get("tools", [])]
        if "Read" not in tools:                 # a title, a summary
            reply = Reply("A note")
        elif results := _results(asked):
            found = WORD in json.dumps(results)
            reply = Reply(f"It says {WORD}." if found else "Nothing.")
        else:
            reply = Reply("Let me look.", [
                Tool("Read", {"file_path": str(note)}, "toolu_01")])
        reply = reply.but(input=20000, cached=18000, output=42)
        if asked.get("stream"):
            stream = anthropic_wire.message_stream(reply, asked)
            answers.events(stream, anthropic_wire.HEADERS)(x)
        else:
            answers.json(anthropic_wire.message(reply, asked),
                         headers=anthropic_wire.HEADERS)(x)
    return script


@pytest.mark.timeout(150)
def test_claude_code_reads_a_file(gateway: Any, provider: Any,
                                  work: Path) -> None:
    claude = agent("claude")
    up = provider(claude_provider(work / "note.txt"), dialect="anthropic")
    gw = gateway(http=up.upstream("up") + """
    llm_route agents { match claude-*; target up; }
""")

    said = run([claude, "-p", TASK, "--output-format", "json",
                "--model", "claude-sonnet-4-5", "--allowedTools", "Read"],
               work, {
        "ANTHROPIC_BASE_URL": gw.url,
        "ANTHROPIC_API_KEY": "sk-ant-caller-0123456789",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_TELEMETRY": "1",
        "DISABLE_AUTOUPDATER": "1",
    })

    told = json.loads(said)
    assert told["result"] == f"It says {WORD}."
    assert told["is_error"] is False

    asked = [r for r in up.requests if r.path == "/v1/messages"]
    assert any(_results(r.json) for r in asked)
    assert all(r.header("x-api-key") == up.key for r in asked)

    def streams() -> list[dict[str, str]]:
        return [line for line in gw.ledger(0)
                if line["llm_operation"] and line["llm_stream"] == "1"]
    wait_for(lambda: len(streams()) >= len([
        r for r in asked if r.json.get("stream")]) >= 2, 10, "all lines")
    lines = streams()
    for line in lines:
        assert line["status"] == "200"
        assert line["llm_usage"] == "reported"
        assert line["llm_input_tokens"] == "20000"
        assert line["llm_cached_tokens"] == "18000"
        assert line["llm_output_tokens"] == "42"
    # others, of a title or a summary, may come between them
    reasons = [line["llm_finish_reason"] for line in lines]
    assert "stop" in reasons[reasons.index("tool_calls"):]


# -- Codex: the Responses API --------------------------------------------------

def _call(tools: list[dict[str, Any]], note: Path) -> dict[str, Any]:
    """A function call of the tool that this version runs commands with."""
    names = [tool.get("name") for tool in tools]
    if "exec_command" in names:
        name, arguments = "exec_command", {"cmd": f"cat {note}"}
    elif "shell_command" in names:
        name, arguments = "shell_command", {"command": f"cat {note}"}
    else:
        name, arguments = "shell", {"command": ["cat", str(note)]}
    return {"type": "function_call", "id": "fc_1", "call_id": "call_1",
            "name": name, "arguments": json.dumps(arguments),
            "status": "completed"}


def _call_stream(reply: Reply, asked: dict[str, Any],
                 call: dict[str, Any]) -> list[bytes]:
    stream: list[bytes] = []

    def event(kind: str, **members: Any) -> None:
        stream.append(sse.encode({"type": kind,
                                  "sequence_number": len(stream), **members},
                                 kind))

    started = openai_wire.response(reply, asked, "in_progress")
    event("response.created", response=started)
    event("response.output_item.added", output_index=0,
          item={**call, "arguments": "", "status": "in_progress"})
    text = call["arguments"]
    for at in range(0, len(text), 8):
        event("response.function_call_arguments.delta", item_id=call["id"],
              output_index=0, delta=text[at:at + 8])
    event("response.function_call_arguments.done", item_id=call["id"],
          output_index=0, arguments=text)
    event("response.output_item.done", output_index=0, item=call)
    event("response.completed", response={
        **openai_wire.response(reply, asked), "output": [call]})
    return stream


def _outputs(asked: dict[str, Any]) -> list[Any]:
    return [item for item in asked["input"]
            if item.get("type") == "function_call_output"]


def codex_provider(note: Path) -> Script:
    def script(x: Exchange) -> None:
        if x.request.path != "/v1/responses":
            answers.openai_error(404, "not here", "invalid_request_error")(x)
            return
        asked = x.request.json
        reply = Reply(f"It says {WORD}.", input=9000, cached=8000, output=33)
        if outputs := _outputs(asked):
            if WORD not in json.dumps(outputs):
                reply = reply.but(text="Nothing.")
            stream = openai_wire.response_stream(reply, asked)
        else:
            stream = _call_stream(reply, asked,
                                  _call(asked.get("tools", []), note))
        answers.events(stream, openai_wire.HEADERS)(x)
    return script


@pytest.mark.timeout(150)
def test_codex_runs_a_command(gateway: Any, provider: Any,
                              work: Path) -> None:
    codex = agent("codex")
    up = provider(codex_provider(work / "note.txt"), dialect="openai")
    gw = gateway(http=up.upstream("up") + """
    llm_route agents { match gpt-*; target up; }
""")
    home = work.parent / "home" / "codex"
    home.mkdir()
    (home / "config.toml").write_text(f"""
model = "gpt-5-codex"
model_provider = "gateway"

[model_providers.gateway]
name = "gateway"
base_url = "{gw.url}/v1"
env_key = "GATEWAY_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
""")
    said = run([codex, "exec", "--skip-git-repo-check",
                "--sandbox", "danger-full-access", TASK],
               work, {"CODEX_HOME": str(home),
                      "GATEWAY_KEY": "sk-caller-0123456789"})
    assert f"It says {WORD}." in said

    asked = [r for r in up.requests if r.path == "/v1/responses"]
    assert len(asked) == 2
    assert WORD in json.dumps(_outputs(asked[1].json))
    assert all(r.header("authorization") == f"Bearer {up.key}" for r in asked)

    def answered() -> list[dict[str, str]]:
        return [line for line in gw.ledger(0)
                if line["request_uri"].startswith("/v1/responses")]
    wait_for(lambda: len(answered()) >= 2, 10, "both lines")
    lines = answered()
    assert [line["status"] for line in lines] == ["200", "200"]
    for line in lines:
        assert line["llm_usage"] == "reported"
        assert line["llm_input_tokens"] == "9000"
        assert line["llm_output_tokens"] == "33"


def test_the_agents_are_what_the_lock_says() -> None:
    """A skip above may not hide that nothing was tried."""
    if not AGENTS.exists():
        pytest.skip("no agents are installed: tests/agents/run.sh does it")
    wanted = json.loads((Path(__file__).parent / "package.json").read_text())
    for name, version in wanted["dependencies"].items():
        found = json.loads((AGENTS / "node_modules" / name / "package.json")
                           .read_text())
        assert found["version"] == version
    assert shutil.which("node")
