"""Waiting, ports that stay reserved, and the memory of a process."""

from __future__ import annotations

import os
import re
import socket
import time
from pathlib import Path
from typing import Any, Callable, TypeVar

T = TypeVar("T")

#: how much longer things may take: set with sanitizers, on slow machines
SLOW = float(os.environ.get("LLMOPS_SLOW", "1"))

#: what a loaded machine may add to any time; a stall lasts for longer
LATE = 3.0 * SLOW


def wait_for(condition: Callable[[], T], timeout: float = 5.0, what: str = "",
             interval: float = 0.005) -> T:
    """The first true value of condition(); fails after timeout seconds."""
    deadline = time.monotonic() + timeout * SLOW
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"waited {timeout * SLOW} s in vain: "
                                 f"{what or condition}")
        time.sleep(interval)


def same_day(need: float = 20.0) -> None:
    """Lets midnight (UTC) pass if it comes within need seconds: for tests of
    what there is for a day, a week or a month."""
    left = 86400 - time.time() % 86400
    if left < need * SLOW:
        time.sleep(left + 0.1)


class Reserved:
    """A TCP port held by a bound socket that does not listen.

    Nobody else is given the port; a server that sets SO_REUSEADDR, as nginx
    does, may still listen on it; until then a connection is refused.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind((host, port))
        self.host, self.port = self.sock.getsockname()

    def close(self) -> None:
        self.sock.close()


def _queues(local_port: int, peer_port: int) -> tuple[int, int]:
    """Bytes to be sent and to be read of a local connection's one end."""
    ends = f":{local_port:04X}", f":{peer_port:04X}"
    with open("/proc/net/tcp") as table:
        for line in table:
            _, local, peer, state, queues, *_ = line.split()
            if local.endswith(ends[0]) and peer.endswith(ends[1]):
                sent, unread = queues.split(":")
                return int(sent, 16), int(unread, 16)
    return 0, 0


def unsent(local_port: int, peer_port: int) -> int:
    """Bytes in the send queue of a local connection, whoever owns it."""
    return _queues(local_port, peer_port)[0]


def wait_taken(sock: socket.socket, timeout: float = 10.0) -> None:
    """Until the other side, on this machine, has read all that was sent.

    nginx acts on a request that it has read before it looks at anything else.
    """
    mine, other = sock.getsockname()[1], sock.getpeername()[1]
    wait_for(lambda: _queues(mine, other)[0] == _queues(other, mine)[1] == 0,
             timeout, "what was sent to be read")


def unread(port: int) -> int:
    """Bytes that have come to the connections of a local port, and that
    whoever owns it has not read: a frozen server's."""
    waiting = 0
    with open("/proc/net/tcp") as table:
        for line in table:
            _, local, _, state, queues, *_ = line.split()
            if local.endswith(f":{port:04X}") and state == "01":
                waiting += int(queues.split(":")[1], 16)
    return waiting


def regions(pid: int, secret: bytes) -> list[tuple[str, bool]]:
    """Mappings of a process that hold the secret: (name, is left out of
    core dumps)."""
    found: list[tuple[str, bool]] = []
    current: list[Any] = []
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        match = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)",
                         line)
        if match:
            current = [int(match[1], 16), int(match[2], 16), match[3],
                       match[4]]
        elif line.startswith("VmFlags:") and current and \
                current[2].startswith("r") and current[3] != "[vvar]":
            flags = line.split()[1:]
            if current[1] - current[0] > 1 << 30:
                continue            # the shadow memory of a sanitizer
            with open(f"/proc/{pid}/mem", "rb") as memory:
                memory.seek(current[0])
                try:
                    data = memory.read(current[1] - current[0])
                except OSError:
                    continue
            if secret in data:
                found.append((current[3] or "anonymous", "dd" in flags))
    return found
