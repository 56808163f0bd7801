"""What a model answers, without the words of any dialect."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any, Optional, Sequence


@dataclass
class Tool:
    name: str
    arguments: Any = field(default_factory=dict)
    id: str = "call_1"

    @property
    def text(self) -> str:
        """The arguments as JSON text; "" when there are none at all."""
        if isinstance(self.arguments, str):
            return self.arguments
        return json.dumps(self.arguments, separators=(",", ":"))


@dataclass
class Reply:
    text: Optional[str] = "Hello, wörld \U0001f600!"
    tools: Sequence[Tool] = ()
    thinking: str = ""
    #: stop, length, tool_calls or content_filter; None: as fits
    finish: Optional[str] = None
    #: tokens read, all of them; cached and written ones are among them
    input: int = 16
    output: int = 7
    cached: int = 0
    written: int = 0
    reasoning: int = 0
    #: None: the one asked for
    model: Optional[str] = None
    id: str = "0001"
    #: characters in one event of a stream
    piece: int = 4

    def but(self, **changes: Any) -> "Reply":
        return replace(self, **changes)

    @property
    def finish_reason(self) -> str:
        return self.finish or ("tool_calls" if self.tools else "stop")

    def pieces(self, text: Optional[str]) -> list[str]:
        text = text or ""
        return [text[at:at + self.piece]
                for at in range(0, len(text), self.piece)]
