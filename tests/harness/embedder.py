"""A provider of embeddings whose meanings are bags of words."""

from __future__ import annotations

import re
import threading
import zlib

from . import answers

LIGHT = {"the", "a", "is", "of", "what", "how", "do", "i", "can", "me",
         "please", "tell", "my", "to"}


def vector(text: str) -> list[float]:
    """The same words, whatever their order, are one point."""
    dims = [0.0] * 64
    for word in re.findall(r"[a-z0-9]+", text.lower()):
        if word not in LIGHT:
            dims[zlib.crc32(word.encode()) % 64] += 1
    return dims


class Embedder:
    """A script for provider() that notes what it was asked."""

    def __init__(self):
        self.asked: list[list[str]] = []
        self.go = threading.Event()
        self.go.set()
        self.status = 200
        self.bad: str | None = None         # a text that is refused

    def __call__(self, x):
        texts = x.request.json["input"]
        self.asked.append(texts)
        self.go.wait(10)
        if self.bad and self.bad in texts:
            answers.openai_error(400, "no", "invalid_request_error", "no")(x)
            return
        if self.status != 200:
            answers.openai_error(self.status, "no", "server_error", "no")(x)
            return
        answers.json({
            "object": "list", "model": "e",
            "data": [{"object": "embedding", "index": n,
                      "embedding": vector(text)}
                     for n, text in reversed(list(enumerate(texts)))],
            "usage": {"prompt_tokens": 5, "total_tokens": 5}})(x)
