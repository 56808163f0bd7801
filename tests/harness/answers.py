"""Scripts for a provider: whole answers, streams, errors and faults."""

from __future__ import annotations

import json as jsonlib
from typing import Any, Callable, Iterable, Sequence, Union

from .provider import Exchange, Headers, Script

JSON = ("Content-Type", "application/json")
EVENTS = ("Content-Type", "text/event-stream; charset=utf-8")


def dump(value: Any) -> bytes:
    return jsonlib.dumps(value, separators=(",", ":"),
                         ensure_ascii=False).encode()


def body(data: bytes, status: int = 200, headers: Headers = (JSON,), *,
         framing: str = "length", split: int = 0,
         pause: float = 0.0) -> Script:
    """framing: length, chunked, or eof (the end of the connection)."""
    headers = list(headers)

    def script(x: Exchange) -> None:
        if framing == "eof":
            x.head(status, headers + [("Connection", "close")])
        else:
            x.head(status, headers, chunked=framing == "chunked",
                   length=len(data) if framing == "length" else None)
        pieces = [data[at:at + split] for at in range(0, len(data), split)] \
            if split else [data]
        x.nodelay()
        for piece in pieces:
            if framing == "chunked":
                x.chunk(piece)
            else:
                x.send(piece)
            if pause:
                x.pause(pause)
        if framing == "chunked":
            x.last_chunk()
        elif framing == "eof":
            x.close()
    return script


def json(value: Any, status: int = 200, headers: Headers = (),
         **more: Any) -> Script:
    return body(dump(value), status, [JSON, *headers], **more)


def events(stream: Union[bytes, Sequence[bytes]], headers: Headers = (), *,
           framing: str = "chunked", split: int = 0, pause: float = 0.0,
           finish: Callable[[Exchange], None] | None = None,
           content_type: str = EVENTS[1]) -> Script:
    """A stream of encoded events.

    split cuts the bytes regardless of events; finish is what is done instead
    of a proper end: Exchange.close, Exchange.reset, Exchange.stall.
    """
    parts = [stream] if isinstance(stream, bytes) else list(stream)

    def script(x: Exchange) -> None:
        pieces = parts
        if split:
            whole = b"".join(parts)
            pieces = [whole[at:at + split]
                      for at in range(0, len(whole), split)]
        length = sum(map(len, pieces)) if framing == "length" else None
        close = [("Connection", "close")] if framing == "eof" else []
        x.head(200, [("Content-Type", content_type), *headers, *close],
               chunked=framing == "chunked", length=length)
        x.nodelay()
        for piece in pieces:
            if framing == "chunked":
                x.chunk(piece)
            else:
                x.send(piece)
            if pause:
                x.pause(pause)
        if finish:
            finish(x)
        elif framing == "chunked":
            x.last_chunk()
        elif framing == "eof":
            x.close()
    return script


def openai_error(status: int, message: str = "provider says no",
                 type: str = "server_error", code: Any = None,
                 param: Any = None, headers: Headers = ()) -> Script:
    return json({"error": {"message": message, "type": type, "param": param,
                           "code": code}}, status, headers)


def anthropic_error(status: int, message: str = "provider says no",
                    type: str = "api_error", headers: Headers = ()) -> Script:
    return json({"type": "error", "error": {"type": type, "message": message},
                 "request_id": "req_provider"}, status,
                [("request-id", "req_provider"), *headers])


def error(dialect: str, status: int, message: str = "provider says no",
          headers: Headers = ()) -> Script:
    make = anthropic_error if dialect == "anthropic" else openai_error
    return make(status, message, headers=headers)


def raw(data: bytes, *, split: int = 0, then: str = "close") -> Script:
    """Exactly these bytes; then: close, reset, keep, or stall."""
    def script(x: Exchange) -> None:
        if split:
            x.send_split(data, split)
        else:
            x.send(data)
        if then != "keep":
            getattr(x, then)()
    return script


def close(x: Exchange) -> None:
    x.close()


def reset(x: Exchange) -> None:
    x.reset()


def stall(x: Exchange) -> None:
    x.stall()


def flood(event: bytes, total: int, head: Iterable[bytes] = (),
          tail: Iterable[bytes] = ()) -> Script:
    """Many copies of an event, as fast as they are taken."""
    def script(x: Exchange) -> None:
        x.head(200, [EVENTS], chunked=True)
        for part in head:
            x.chunk(part)
        block = event * max(1, 65536 // len(event))
        sent = 0
        while sent < total:
            x.chunk(block)
            sent += len(block)
        for part in tail:
            x.chunk(part)
        x.last_chunk()
    return script
