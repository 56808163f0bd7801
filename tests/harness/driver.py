"""The tests' own nginx module that speaks to the Redis transport.

    driver = redis_driver(server.directive())
    assert driver.ask("SET k v", "GET k") == ["status OK", "string v"]
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, NamedTuple

import pytest

from .nginx import MODULE, ROOT, Gateway
from .util import wait_for

SOURCES = ROOT / "tests" / "driver"

#: what the driver prints for a command without a reply
FAILED = {"none 0", "none 1", "refused", "cancelled"}


@functools.cache
def build(name: str = "redis_driver") -> Path:
    """The module, compiled like the one that it is to be loaded with."""
    tree = MODULE.parent / "src-tree"
    own = tree.is_dir()
    src = tree / "src" if own else Path("/usr/share/nginx/src/src")
    objs = tree / "objs" if own else MODULE.parent / "objs"
    rooms = sorted((ROOT / "ngx_llmops_module").iterdir())
    places = [objs, *[src / d for d in (
        "core", "event", "event/modules", "os/unix", "http", "http/modules",
        "http/v2")], *rooms]
    flags = ["-fsanitize=address,undefined"] if "asan" in str(MODULE) else []
    made = Path(tempfile.mkdtemp(prefix="llmops-driver")) / f"{name}.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-g", "-O1", "-Wall", *flags,
                    *[f"-I{place}" for place in places], "-o", str(made),
                    str(SOURCES / f"{name}.c")], check=True)
    return made


@pytest.fixture
def detached_driver(gateway: Callable[..., Gateway]) -> Callable[..., Any]:
    """Makes a gateway with the driver of detached requests at /detached/.

        gw, ask = detached_driver(up.upstream("up"), "up/model")
        [result] = ask({"model": "m", ...}, timeout=200)
    """
    def make(http: str, target: str, server: str = "", **parts: Any) -> Any:
        gw = gateway(
            http=http, modules=[build("detached_driver")],
            server=f"location /detached/ {{ detached_driver {target}; "
                   f"client_body_buffer_size 8m; client_max_body_size 8m; "
                   f"access_log off; }} {server}", **parts)

        def ask(body: Any, how: str = "ask", **args: Any) -> Any:
            words = "&".join(f"{k}={v}" for k, v in args.items())
            r = gw.post(f"/detached/{how}?{words}", body)
            assert r.status in (200, 202), r.status
            return r.json if r.status == 200 else None
        return gw, ask
    return make


class State(NamedTuple):
    up: bool
    generation: int
    ups: int
    now: int


class Driver:
    def __init__(self, gateway: Gateway):
        self.gateway = gateway

    def ask(self, *commands: str, key: str = "") -> list[str]:
        """Sent in one turn; the replies as the driver prints them."""
        return self._post("ask", key, commands)

    def patient(self, *commands: str, key: str = "") -> list[str]:
        """The same, but late replies are waited for."""
        return self._post("patient", key, commands)

    def turns(self, *commands: str, key: str = "") -> list[str]:
        """Each is sent by the handler of the one before."""
        return self._post("turns", key, commands)

    def forget(self, *commands: str, key: str = "") -> list[str]:
        """Sent, and cancelled at once."""
        return self._post("forget", key, commands)

    def _post(self, what: str, key: str, commands: tuple[str, ...]
              ) -> list[str]:
        r = self.gateway.post(f"/redis/{what}?key={key}",
                              "\n".join(commands).encode())
        assert r.status == 200, r.status
        return r.body.decode(errors="surrogateescape").split("\n")[:-1]

    def state(self, key: str = "") -> State:
        r = self.gateway.get(f"/redis/state?key={key}")
        assert r.status == 200, r.status
        up, generation, ups, now = map(int, r.body.split())
        return State(bool(up), generation, ups, now)

    def wait_up(self, timeout: float = 10, key: str = "") -> None:
        """Until commands can be sent."""
        wait_for(lambda: self.state(key).up, timeout, "Redis to be up",
                 interval=0.01)

    def sure(self, *commands: str, key: str = "") -> list[str]:
        """The replies to commands that may be sent again, of a Redis that is
        well, but may be late once more on a busy machine."""
        def whole() -> list[str]:
            replies = self.ask(*commands, key=key)
            return [] if FAILED.intersection(replies) else replies
        return wait_for(whole, 10, "replies", interval=0.01)

    def log(self, pattern: str) -> list[str]:
        return [line for line in self.gateway.error_log().splitlines()
                if re.search(pattern, line)]


@pytest.fixture
def redis_driver(gateway: Callable[..., Gateway]) -> Callable[..., Driver]:
    """Makes a gateway with the given llm_redis line, and the driver in it.

    Nothing else speaks to Redis there; but with metrics=True the store does
    too.
    """
    def make(directive: str, *, http: str = "", server: str = "",
             wait: bool = True, metrics: bool = False, **parts: Any) -> Driver:
        gw = gateway(
            http=directive + http, location="return 204;", metrics=metrics,
            server=f"location /redis/ {{ redis_driver; "
                   f"client_max_body_size 64m; client_body_buffer_size 64m; }} "
                   f"{server}",
            modules=[build()], **parts)
        driver = Driver(gw)
        if wait:
            driver.wait_up()
        return driver
    return make
