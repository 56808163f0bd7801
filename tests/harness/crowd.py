"""Many callers at once, and a provider that keeps up with them.

    up = source("-v", pause=0.02)        # bench/fixture.c
    calls = crowd(gw, 500, at_once=250)  # bench/load.c, which has begun
    assert calls.end()["statuses"] == {"200": 500}
    assert up.sums()["output"] == ...

Both are the bench's programs: threads of Python would be what is measured.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

import pytest

from .client import Client
from .nginx import Gateway
from .redis import Closing

BENCH = Path(__file__).resolve().parents[2] / "bench"

#: a request whose input is estimated to be more than fixture ever reports
WORDS = "a question of some sixty words is what the estimate is made of, " * 5
BODY = {"model": "m", "max_tokens": 90,
        "messages": [{"role": "user", "content": WORDS}]}


class Source:
    """A provider that answers with the usage it has been told to report."""

    key = ""

    def __init__(self, program: Path, *words: str, pause: float = 0):
        if pause:
            words = (*words, "-d", "-i", str(int(pause * 1e6)))
        self.process = subprocess.Popen([program, *words], text=True,
                                        stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def upstream(self, name: str, *lines: str) -> str:
        body = " ".join(lines)
        return (f"upstream {name} {{ server 127.0.0.1:{self.port}; "
                f"keepalive 512; llm_dialect openai; {body} }}\n")

    def sums(self, path: str = "/") -> dict[str, int]:
        """answers, input, output: all that has been reported so far; and how
        many are waiting for their answer, all at one moment."""
        client = Client(self.port)
        try:
            return client.request("GET", path).read().json
        finally:
            client.close()

    def hold(self) -> None:
        """Answers that are due after a pause do not come until go()."""
        self.sums("/hold")

    def go(self) -> None:
        self.sums("/go")

    @property
    def tokens(self) -> int:
        sums = self.sums()
        return sums["input"] + sums["output"]

    def close(self) -> None:
        self.process.kill()
        self.process.wait(10)


class Calls:
    """Calls that are under way; end() waits for the last answer."""

    def __init__(self, words: Sequence[Any]):
        self.process = subprocess.Popen(
            [*map(str, words)], text=True, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def end(self, timeout: float = 60) -> dict[str, Any]:
        """requests, failed (no whole answer), statuses, max_us, rps ..."""
        out, _ = self.process.communicate(timeout=timeout)
        return json.loads(out)

    def close(self) -> None:
        if self.running:
            self.process.kill()
            self.process.wait(10)


@pytest.fixture(scope="session")
def _crowd_tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("crowd")
    for name in ("load", "fixture"):
        done = subprocess.run(
            [os.environ.get("CC", "cc"), "-O2", "-o", directory / name,
             BENCH / f"{name}.c"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return directory


@pytest.fixture
def _crowd_things() -> Iterator[Closing]:
    things = Closing()
    yield things
    things.close()


@pytest.fixture
def source(_crowd_tools: Path, _crowd_things: Closing
           ) -> Callable[..., Source]:
    """Makes a provider."""
    def make(*words: str, **options: Any) -> Source:
        return _crowd_things.add(Source(_crowd_tools / "fixture", *words,
                                        **options))
    return make


@pytest.fixture
def crowd(_crowd_tools: Path, _crowd_things: Closing, tmp_path: Path
          ) -> Callable[..., Calls]:
    """Makes calls: n in all, so many at once, or at a rate a second."""
    numbers = itertools.count()

    def make(gw: Gateway, n: int, *, at_once: int, rate: float = 0,
             headers: Sequence[tuple[str, str]] = (),
             **body: Any) -> Calls:
        path = tmp_path / f"body{next(numbers)}"
        path.write_text(json.dumps({**BODY, **body}))
        words = [_crowd_tools / "load", "-a", "-p", gw.port, "-b", path,
                 "-n", n, "-c", at_once]
        if rate:
            words += ["-r", rate]
        for name, value in headers:
            words += ["-h", f"{name}: {value}"]
        return _crowd_things.add(Calls(words))
    return make
