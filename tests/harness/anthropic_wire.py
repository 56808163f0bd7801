"""The Anthropic API as the real one speaks it."""

from __future__ import annotations

import json
from typing import Any

from . import answers, sse
from .provider import Exchange, Script
from .reply import Reply

HEADERS = [("request-id", "req_anthropic_1"),
           ("anthropic-organization-id", "org-1")]

STOP_REASONS = {"stop": "end_turn", "length": "max_tokens",
                "tool_calls": "tool_use", "content_filter": "refusal"}


def usage(reply: Reply) -> dict[str, Any]:
    return {
        "input_tokens": reply.input - reply.cached - reply.written,
        "cache_creation_input_tokens": reply.written,
        "cache_read_input_tokens": reply.cached,
        "cache_creation": {"ephemeral_5m_input_tokens": reply.written,
                           "ephemeral_1h_input_tokens": 0},
        "output_tokens": reply.output, "service_tier": "standard",
    }


def _arguments(tool: Any) -> Any:
    return json.loads(tool.text or "{}")


def message(reply: Reply, asked: dict[str, Any]) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if reply.thinking:
        content.append({"type": "thinking", "thinking": reply.thinking,
                        "signature": "c2lnbmVk"})
    if reply.text:
        content.append({"type": "text", "text": reply.text})
    for tool in reply.tools:
        content.append({"type": "tool_use", "id": tool.id, "name": tool.name,
                        "input": _arguments(tool)})
    return {
        "id": f"msg_{reply.id}", "type": "message", "role": "assistant",
        "model": reply.model or asked["model"], "content": content,
        "stop_reason": STOP_REASONS[reply.finish_reason],
        "stop_sequence": None, "usage": usage(reply),
    }


def message_events(reply: Reply, asked: dict[str, Any],
                   ping: bool = True) -> list[dict[str, Any]]:
    started = message(reply, asked)
    started.update(content=[], stop_reason=None)
    started["usage"]["output_tokens"] = 1
    events: list[dict[str, Any]] = [{"type": "message_start",
                                     "message": started}]
    index = -1

    def block(start: dict[str, Any], deltas: list[dict[str, Any]]) -> None:
        nonlocal index
        index += 1
        events.append({"type": "content_block_start", "index": index,
                       "content_block": start})
        if ping and index == 0:
            events.append({"type": "ping"})
        for delta in deltas:
            events.append({"type": "content_block_delta", "index": index,
                           "delta": delta})
        events.append({"type": "content_block_stop", "index": index})

    if reply.thinking:
        deltas = [{"type": "thinking_delta", "thinking": piece}
                  for piece in reply.pieces(reply.thinking)]
        deltas.append({"type": "signature_delta", "signature": "c2lnbmVk"})
        block({"type": "thinking", "thinking": "", "signature": ""}, deltas)
    if reply.text:
        block({"type": "text", "text": ""},
              [{"type": "text_delta", "text": piece}
               for piece in reply.pieces(reply.text)])
    for tool in reply.tools:
        text = tool.text if _arguments(tool) else ""
        block({"type": "tool_use", "id": tool.id, "name": tool.name,
               "input": {}},
              [{"type": "input_json_delta", "partial_json": piece}
               for piece in ["", *reply.pieces(text)]])
    events.append({"type": "message_delta",
                   "delta": {"stop_reason": STOP_REASONS[reply.finish_reason],
                             "stop_sequence": None},
                   "usage": {"input_tokens": usage(reply)["input_tokens"],
                             "cache_creation_input_tokens": reply.written,
                             "cache_read_input_tokens": reply.cached,
                             "output_tokens": reply.output}})
    events.append({"type": "message_stop"})
    return events


def message_stream(reply: Reply, asked: dict[str, Any]) -> list[bytes]:
    return [sse.encode(event, event["type"])
            for event in message_events(reply, asked)]


def models(*names: str) -> dict[str, Any]:
    return {"data": [{"type": "model", "id": name, "display_name": name,
                      "created_at": "2025-09-29T00:00:00Z"} for name in names],
            "has_more": False, "first_id": names[0], "last_id": names[-1]}


def server(reply: Reply = Reply(), headers: Any = HEADERS,
           **stream: Any) -> Script:
    """A healthy provider; stream goes to answers.events()."""
    def script(x: Exchange) -> None:
        path = x.request.path
        if path == "/v1/messages":
            asked = x.request.json
            if asked.get("stream"):
                answer = answers.events(message_stream(reply, asked), headers,
                                        **stream)
            else:
                answer = answers.json(message(reply, asked), headers=headers)
        elif path == "/v1/messages/count_tokens":
            answer = answers.json({"input_tokens": reply.input},
                                  headers=headers)
        elif path == "/v1/models":
            answer = answers.json(models("claude-provider"), headers=headers)
        else:
            answer = answers.anthropic_error(404, f"{path} not found",
                                             "not_found_error")
        answer(x)
    return script
