"""Server-sent events, read by the rules of the WHATWG."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Event:
    event: str = "message"
    data: str = ""
    comments: list[str] = field(default_factory=list)

    @property
    def json(self) -> Any:
        return json.loads(self.data)


def parse(stream: bytes) -> list[Event]:
    """All events that the stream dispatches; an unfinished one does not."""
    text = stream.decode("utf-8", "strict")
    text = text.removeprefix("\ufeff")
    *lines, _unfinished = re.split("\r\n|\n|\r", text)

    events: list[Event] = []
    name, data, comments = "", None, []
    for line in lines:
        if line == "":
            if data is not None:
                events.append(Event(name or "message", data, comments))
                comments = []
            name, data = "", None
            continue
        if line.startswith(":"):
            comments.append(line[1:].strip())
            continue
        key, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if key == "event":
            name = value
        elif key == "data":
            data = value if data is None else data + "\n" + value
    return events


def encode(data: Any, event: str | None = None, eol: str = "\n") -> bytes:
    """One event; data is sent as it is when it is bytes or text."""
    if isinstance(data, bytes):
        data = data.decode()
    elif not isinstance(data, str):
        data = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    head = f"event: {event}{eol}" if event else ""
    body = "".join(f"data: {line}{eol}" for line in data.split("\n"))
    return (head + body + eol).encode()
