"""What most tests start with: one route before one or several providers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, Sequence

import pytest

from harness import Gateway, Provider, route, wait_for
from harness.tls import Authority
from harness.openapi import Admin


@pytest.fixture
def serve(gateway: Callable[..., Gateway],
          provider: Callable[..., Provider],
          request: pytest.FixtureRequest) -> Callable[..., Any]:
    """A gateway before one provider; route takes more lines of the route.

    Callers ask for any model; with model="x" the provider is asked for x.  In
    tests with an engine it can ask its store: a gateway lets pass what comes
    before it has found its Redis.
    """
    def make(script: Any = None, *, dialect: str = "openai", model: str = "",
             upstream: Sequence[str] = (), lines: Sequence[str] = (),
             http: str = "", options: dict[str, Any] | None = None,
             **parts: Any) -> tuple[Gateway, Provider]:
        up = provider(script, dialect=dialect, **(options or {}))
        target = f"target up/{model};" if model else "target up;"
        text = up.upstream("up", *upstream) + route(target, *lines) + http
        gw = gateway(http=text, **parts)
        if "engine" in request.fixturenames:
            connected(gw)
        return gw, up
    return make


@pytest.fixture
def chain(gateway: Callable[..., Gateway],
          provider: Callable[..., Provider]) -> Callable[..., Any]:
    """A gateway before a target and its fallbacks, tried in that order."""
    def make(*scripts: Any, dialects: Sequence[str] = (),
             upstream: Sequence[str] = (), retry: str = "attempts=9",
             **parts: Any) -> tuple[Gateway, list[Provider]]:
        ups = [provider(script, dialect=dialects[i] if dialects else "openai")
               for i, script in enumerate(scripts)]
        blocks = "".join(up.upstream(f"up{i}", *upstream)
                         for i, up in enumerate(ups))
        lines = ["target up0;"]
        lines += [f"fallback up{i};" for i in range(1, len(ups))]
        lines.append(f"retry {retry};")
        return gateway(http=blocks + route(*lines), **parts), ups
    return make


#: where keys, counters and sums can be: each test of them runs once with each
ENGINES = os.environ.get("LLMOPS_ENGINES", "shm state redis").split()


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path: Path,
           authority: Authority) -> str:
    """What has to stand in http{} for the store of the test."""
    def make(fixture: str, **options: Any) -> str:
        server = request.getfixturevalue(fixture)(**options)
        return server.directive()

    match request.param:
        case "shm":
            return ""
        case "state":
            (tmp_path / "state").mkdir()
            return f"llm_state {tmp_path}/state;\n"
        case "tls":
            return make("redis", tls=authority, user="gw", password="pw")
        case "sentinel" | "cluster" | "redis" as fixture:
            return make(fixture)
    raise ValueError(request.param)


def connected(gateway: Gateway) -> None:
    """Waits until all workers can ask Redis, where there is one."""
    if "llm_redis " in gateway.text():
        wait_for(lambda: gateway.metrics().sum("llm_redis_up") == 1, 10,
                 "Redis")


@pytest.fixture
def administer(serve: Callable[..., Any], engine: str
               ) -> Callable[..., Admin]:
    """A gateway before one provider, and a caller of its admin API at /llm/.

    /read/ is the same API without changes.
    """
    def make(script: Any = None, *, server: str = "", admin: str = "",
             http: str = "", **parts: Any) -> Admin:
        server += f"""
        location /llm/ {{ llm_admin write; {admin} }}
        location /read/ {{ llm_admin; {admin} }}
"""
        gw, up = serve(script, server=server, http=engine + http, **parts)
        connected(gw)
        return Admin(gw)
    return make
