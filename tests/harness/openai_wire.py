"""The OpenAI API as the real one speaks it."""

from __future__ import annotations

import base64
import struct
from typing import Any, Callable, Optional

from . import answers, sse
from .provider import Exchange, Script
from .reply import Reply

CREATED = 1755137921
DONE = b"data: [DONE]\n\n"

HEADERS = [("x-request-id", "req_openai_1"), ("openai-version", "2020-10-01"),
           ("openai-processing-ms", "12")]


def usage(reply: Reply) -> dict[str, Any]:
    return {
        "prompt_tokens": reply.input,
        "completion_tokens": reply.output,
        "total_tokens": reply.input + reply.output,
        "prompt_tokens_details": {"cached_tokens": reply.cached,
                                  "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": reply.reasoning, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
    }


def _tool(tool: Any) -> dict[str, Any]:
    return {"id": tool.id, "type": "function",
            "function": {"name": tool.name, "arguments": tool.text}}


def chat(reply: Reply, asked: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text,
                               "refusal": None, "annotations": []}
    if reply.thinking:
        message["reasoning_content"] = reply.thinking
    if reply.tools:
        message["tool_calls"] = [_tool(tool) for tool in reply.tools]
    return {
        "id": f"chatcmpl-{reply.id}", "object": "chat.completion",
        "created": CREATED, "model": reply.model or asked["model"],
        "choices": [{"index": i, "message": message, "logprobs": None,
                     "finish_reason": reply.finish_reason}
                    for i in range(asked.get("n") or 1)],
        "usage": usage(reply), "service_tier": "default",
        "system_fingerprint": None,
    }


def chat_chunks(reply: Reply, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """The chunks of a stream, without [DONE].

    "usage" is there, null but in the extra last chunk, exactly when
    stream_options.include_usage is true.
    """
    options = asked.get("stream_options") or {}
    with_usage = options.get("include_usage") is True
    pad = options.get("include_obfuscation") is not False
    chunks: list[dict[str, Any]] = []

    def chunk(choices: list[Any], counted: Any = None) -> None:
        made = {"id": f"chatcmpl-{reply.id}",
                "object": "chat.completion.chunk", "created": CREATED,
                "model": reply.model or asked["model"],
                "service_tier": "default", "system_fingerprint": None,
                "choices": choices}
        if with_usage:
            made["usage"] = counted
        if pad:
            made["obfuscation"] = "pAd"[:1 + len(chunks) % 3]
        chunks.append(made)

    def delta(value: dict[str, Any], finish: Optional[str] = None) -> None:
        chunk([{"index": 0, "delta": value, "logprobs": None,
                "finish_reason": finish}])

    first: dict[str, Any] = {"role": "assistant", "refusal": None}
    first["content"] = "" if reply.text is not None else None
    delta(first)
    for piece in reply.pieces(reply.thinking):
        delta({"reasoning_content": piece})
    for piece in reply.pieces(reply.text):
        delta({"content": piece})
    for index, tool in enumerate(reply.tools):
        start = _tool(tool)
        start["function"]["arguments"] = ""
        delta({"tool_calls": [{"index": index, **start}]})
        for piece in reply.pieces(tool.text):
            delta({"tool_calls": [{"index": index,
                                   "function": {"arguments": piece}}]})
    delta({}, reply.finish_reason)
    if with_usage:
        chunk([], usage(reply))
    return chunks


def chat_stream(reply: Reply, asked: dict[str, Any]) -> list[bytes]:
    return [sse.encode(chunk) for chunk in chat_chunks(reply, asked)] + [DONE]


def completion(reply: Reply, asked: dict[str, Any]) -> dict[str, Any]:
    return {"id": f"cmpl-{reply.id}", "object": "text_completion",
            "created": CREATED, "model": reply.model or asked["model"],
            "choices": [{"text": reply.text, "index": 0, "logprobs": None,
                         "finish_reason": reply.finish_reason}],
            "usage": usage(reply)}


def completion_stream(reply: Reply, asked: dict[str, Any]) -> list[bytes]:
    options = asked.get("stream_options") or {}
    with_usage = options.get("include_usage") is True
    stream = []

    def chunk(choices: list[Any], counted: Any = None) -> None:
        made = {"id": f"cmpl-{reply.id}", "object": "text_completion",
                "created": CREATED, "model": reply.model or asked["model"],
                "choices": choices}
        if with_usage:
            made["usage"] = counted
        stream.append(sse.encode(made))

    for piece in reply.pieces(reply.text):
        chunk([{"text": piece, "index": 0, "logprobs": None,
                "finish_reason": None}])
    chunk([{"text": "", "index": 0, "logprobs": None,
            "finish_reason": reply.finish_reason}])
    if with_usage:
        chunk([], usage(reply))
    return stream + [DONE]


def vector(text: str, size: int = 8) -> list[float]:
    """A vector made of the text; exact in float32."""
    return [((sum(text.encode()) * (i + 7)) % 512) / 512 - 0.5
            for i in range(size)]


def embeddings(reply: Reply, asked: dict[str, Any]) -> dict[str, Any]:
    given = asked["input"]
    texts = [given] if isinstance(given, str) else given
    data = []
    for index, text in enumerate(texts):
        value: Any = vector(str(text), asked.get("dimensions") or 8)
        if asked.get("encoding_format") == "base64":
            value = base64.b64encode(
                struct.pack(f"<{len(value)}f", *value)).decode()
        data.append({"object": "embedding", "index": index,
                     "embedding": value})
    return {"object": "list", "data": data, "model": asked["model"],
            "usage": {"prompt_tokens": reply.input,
                      "total_tokens": reply.input}}


def response_items(reply: Reply) -> list[dict[str, Any]]:
    """The output of a response, item by item."""
    items: list[dict[str, Any]] = []
    if reply.thinking:
        items.append({"id": "rs_1", "type": "reasoning", "summary": [
            {"type": "summary_text", "text": reply.thinking}]})
    if reply.text is not None:
        items.append({"id": "msg_1", "type": "message", "status": "completed",
                      "role": "assistant", "content": [
                          {"type": "output_text", "annotations": [],
                           "logprobs": [], "text": reply.text}]})
    items += [{"id": f"fc_{i}", "type": "function_call",
               "status": "completed", "call_id": tool.id, "name": tool.name,
               "arguments": tool.text} for i, tool in enumerate(reply.tools)]
    return items


def response(reply: Reply, asked: dict[str, Any],
             status: str = "completed") -> dict[str, Any]:
    done = status == "completed"
    return {
        "id": f"resp_{reply.id}", "object": "response", "created_at": CREATED,
        "status": status, "error": None, "incomplete_details": None,
        "instructions": None, "model": reply.model or asked["model"],
        "output": response_items(reply) if done else [],
        "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
        "usage": {"input_tokens": reply.input,
                  "input_tokens_details": {"cached_tokens": reply.cached},
                  "output_tokens": reply.output,
                  "output_tokens_details": {
                      "reasoning_tokens": reply.reasoning},
                  "total_tokens": reply.input + reply.output}
        if done else None,
    }


def response_stream(reply: Reply, asked: dict[str, Any]) -> list[bytes]:
    stream: list[bytes] = []

    def event(kind: str, **members: Any) -> None:
        stream.append(sse.encode({"type": kind,
                                  "sequence_number": len(stream), **members},
                                 kind))

    started = response(reply, asked, "in_progress")
    ended = response(reply, asked)
    event("response.created", response=started)
    event("response.in_progress", response=started)
    for index, item in enumerate(ended["output"]):
        place = {"item_id": item["id"], "output_index": index}
        begun = {**item, "status": "in_progress"}
        if item["type"] == "function_call":
            event("response.output_item.added", output_index=index,
                  item={**begun, "arguments": ""})
            for piece in reply.pieces(item["arguments"]):
                event("response.function_call_arguments.delta", **place,
                      delta=piece, obfuscation="pAd")
            event("response.function_call_arguments.done", **place,
                  arguments=item["arguments"])
        elif item["type"] == "reasoning":
            place["summary_index"] = 0
            event("response.output_item.added", output_index=index,
                  item={**begun, "summary": []})
            event("response.reasoning_summary_part.added", **place,
                  part={"type": "summary_text", "text": ""})
            for piece in reply.pieces(reply.thinking):
                event("response.reasoning_summary_text.delta", **place,
                      delta=piece)
            event("response.reasoning_summary_text.done", **place,
                  text=reply.thinking)
            event("response.reasoning_summary_part.done", **place,
                  part=item["summary"][0])
        else:
            place["content_index"] = 0
            part = item["content"][0]
            event("response.output_item.added", output_index=index,
                  item={**begun, "content": []})
            event("response.content_part.added", **place,
                  part={**part, "text": ""})
            for piece in reply.pieces(reply.text):
                event("response.output_text.delta", **place, delta=piece,
                      logprobs=[], obfuscation="pAd")
            event("response.output_text.done", **place, text=reply.text,
                  logprobs=[])
            event("response.content_part.done", **place, part=part)
        event("response.output_item.done", output_index=index, item=item)
    event("response.completed", response=ended)
    return stream


def models(*names: str) -> dict[str, Any]:
    return {"object": "list", "data": [
        {"id": name, "object": "model", "created": CREATED,
         "owned_by": "provider"} for name in names]}


def moderation(asked: dict[str, Any]) -> dict[str, Any]:
    names = ["harassment", "hate", "self-harm", "sexual", "violence"]
    return {"id": "modr-1", "model": asked.get("model", "omni-moderation"),
            "results": [{"flagged": False,
                         "categories": dict.fromkeys(names, False),
                         "category_scores": dict.fromkeys(names, 0.01),
                         "category_applied_input_types":
                             dict.fromkeys(names, ["text"])}]}


def image(reply: Reply) -> dict[str, Any]:
    return {"created": CREATED, "data": [{"b64_json": "aGk="}],
            "usage": {"input_tokens": reply.input,
                      "output_tokens": reply.output,
                      "total_tokens": reply.input + reply.output,
                      "input_tokens_details": {"text_tokens": reply.input,
                                               "image_tokens": 0}}}


def transcription(reply: Reply) -> dict[str, Any]:
    return {"text": reply.text,
            "usage": {"type": "tokens", "input_tokens": reply.input,
                      "input_token_details": {"text_tokens": 0,
                                              "audio_tokens": reply.input},
                      "output_tokens": reply.output,
                      "total_tokens": reply.input + reply.output}}


Whole = Callable[[Reply, dict[str, Any]], dict[str, Any]]

_STREAMED = {
    "/v1/chat/completions": (chat, chat_stream),
    "/v1/completions": (completion, completion_stream),
    "/v1/responses": (response, response_stream),
}


def server(reply: Reply = Reply(), headers: Any = HEADERS,
           **stream: Any) -> Script:
    """A healthy provider; stream goes to answers.events()."""
    def script(x: Exchange) -> None:
        path = x.request.path
        if path in _STREAMED:
            asked = x.request.json
            whole, streamed = _STREAMED[path]
            if asked.get("stream"):
                answer = answers.events(streamed(reply, asked), headers,
                                        **stream)
            else:
                answer = answers.json(whole(reply, asked), headers=headers)
        elif path == "/v1/embeddings":
            answer = answers.json(embeddings(reply, x.request.json),
                                  headers=headers)
        elif path == "/v1/moderations":
            answer = answers.json(moderation(x.request.json), headers=headers)
        elif path == "/v1/models":
            answer = answers.json(models("provider-model"), headers=headers)
        elif path.startswith("/v1/images/"):
            answer = answers.json(image(reply), headers=headers)
        elif path == "/v1/audio/speech":
            answer = answers.body(b"ID3\0" + bytes(range(256)),
                                  headers=[("Content-Type", "audio/mpeg"),
                                           *headers])
        elif path.startswith("/v1/audio/"):
            answer = answers.json(transcription(reply), headers=headers)
        else:
            answer = answers.openai_error(
                404, f"Unknown request URL: {x.request.method} {path}",
                "invalid_request_error", "unknown_url")
        answer(x)
    return script
