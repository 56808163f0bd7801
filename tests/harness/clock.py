"""Time that a test moves on, for its gateways and its Redis servers.

    def test_x(clock, gateway):
        gw = gateway(...)
        clock.sleep(hours=1)

It is as late as it is, and later by what has passed so; all clocks of a process
jump, those of its event loop, too: what was to happen in the hour happens
within a moment, each timer once.  Who waits for somebody meanwhile has waited
for that long.  So sleep() lets requests end before: one whose caller has his
answer may still be on its way to the log.  advance() is for a provider's script,
which lets its answer take so long.

Callers, providers and the test itself stay in the real time.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import subprocess
import tempfile
import threading
import time
from datetime import timedelta
from pathlib import Path

from .nginx import ROOT, Gateway
from .util import wait_for


@functools.cache
def build() -> Path:
    """tests/driver/clock.c, compiled."""
    made = Path(tempfile.mkdtemp(prefix="llmops-clock")) / "clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-g", "-O1", "-Wall", "-o",
                    str(made), str(ROOT / "tests" / "driver" / "clock.c")],
                   check=True)
    return made


def _quiet(gateway: Gateway) -> bool:
    """No request is under way, whose ever it is."""
    metrics = gateway.metrics()
    return (metrics.sum("llm_requests_in_flight") == 0
            and metrics.sum("llm_detached_in_flight") == 0)


class Clock:
    def __init__(self, path: Path, gateways: list[Gateway]):
        self.path, self._gateways = path, gateways
        path.write_bytes(bytes(16))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 16)
        self._ahead = ctypes.c_int64.from_buffer(self._map)
        self._set = ctypes.c_int64.from_buffer(self._map, 8)
        self._lock = threading.Lock()       # providers are threads

    def sleep(self, seconds: float = 0, **more: float) -> None:
        """Later by so many seconds, minutes=, hours=, days= together."""
        running = [one for one in self._gateways if one.running]
        for gateway in running:
            wait_for(lambda: _quiet(gateway), 10, "the end of requests")
        asked = [one for one in running
                 if one.metrics().sum("llm_redis_up") > 0]
        self.advance(seconds, **more)
        for gateway in asked:
            # a command that was under way is late now, and its connection is
            # trusted when it has answered again; the first look may come
            # before the timer that finds it late
            gateway.metrics()
            wait_for(lambda: gateway.metrics().sum("llm_redis_up") > 0, 10,
                     "Redis")

    def advance(self, seconds: float = 0, **more: float) -> None:
        """The same, at once."""
        by = timedelta(seconds=seconds, **more)
        with self._lock:
            self._ahead.value += by // timedelta(microseconds=1) * 1000

    def set_back(self, seconds: float) -> None:
        """Somebody sets the time of day, which is no time that passes."""
        self._set.value -= int(seconds * 1e9)

    def noon(self) -> None:
        """The next day's (UTC): no day ends while the test runs."""
        day = 86400
        self.advance(day - self.time() % day + day / 2)

    def time(self) -> float:
        """The time there, in seconds since 1970."""
        return time.time() + (self._ahead.value + self._set.value) / 1e9

    def environment(self) -> dict[str, str]:
        """Of a process that has this time."""
        return {"LD_PRELOAD": str(build()), "LLMOPS_CLOCK": str(self.path)}
