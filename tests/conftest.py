"""Fixtures: gateway, provider, clock, dns, authority.

After each test all gateways are stopped and their logs read: an alert, a
sanitizer's line, a worker that died, a socket left open, a gauge that is not
zero, or a provider's key in a log fails the test, whatever it asserted.
"""

from __future__ import annotations

import resource
import secrets
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from harness import Config, Gateway, Provider, Reply
from harness import anthropic_wire, openai_wire
from harness.clock import Clock
from harness.crowd import crowd, source, _crowd_things, _crowd_tools
from harness.dns import DnsServer
from harness.driver import detached_driver, redis_driver
from harness.nginx import MODULE
from harness.provider import Script
from harness.redis import between, cluster, faulty, redis, redis8, \
    sentinel, _redis_things
from harness.tls import Authority

_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

WIRES = {"openai": openai_wire, "anthropic": anthropic_wire}


class Stage:
    """What one test has running."""

    def __init__(self, directory: Path, authority: Authority):
        self.directory, self.authority = directory, authority
        self.gateways: list[Gateway] = []
        self.providers: list[Provider] = []
        self.clock: Clock | None = None

    def gateway(self, *, start: bool = True, env: dict[str, str] | None = None,
                **parts: Any) -> Gateway:
        config = Config(**parts)
        if config.module and not MODULE.exists():
            pytest.fail(f"{MODULE} is not there: run make")
        prefix = self.directory / f"nginx{len(self.gateways)}"
        gateway = Gateway(prefix, config, authority=self.authority, env=env,
                          providers=self.providers, loaded=self.clock
                          and self.clock.environment())
        self.gateways.append(gateway)
        return gateway.start() if start else gateway

    def provider(self, script: Script | Reply | None = None, *,
                 dialect: str = "openai", **options: Any) -> Provider:
        """Without a script: a healthy one of its dialect."""
        if script is None or isinstance(script, Reply):
            script = WIRES[dialect].server(script or Reply())
        options.setdefault("key", f"sk-provider-{secrets.token_hex(12)}")
        made = Provider(script, dialect=dialect, **options)
        self.providers.append(made)
        return made

    def finish(self) -> list[str]:
        problems = []
        for gateway in self.gateways:
            problems += gateway.finish(self._release)
        self._release()
        for made in self.providers:
            problems += [f"a provider's script failed: {error!r}"
                         for error in made.failures]
        return problems

    def _release(self) -> None:
        for made in self.providers:
            made.stop()


STAGE = pytest.StashKey[Stage]()


@pytest.fixture(autouse=True)
def one_day() -> None:
    """What is counted by the day, and the month, begins anew at midnight: no
    test begins on one side and ends on the other."""
    left = 86400 - time.time() % 86400
    if left < 60:
        time.sleep(left)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def stage(tmp_path: Path, authority: Authority,
          request: pytest.FixtureRequest) -> Iterator[Stage]:
    stage = Stage(tmp_path, authority)
    request.node.stash[STAGE] = stage
    yield stage
    problems = stage.finish()
    if problems:
        shown = "\n".join(problems[:20])
        pytest.fail(f"{len(problems)} things that may not be:\n{shown}",
                    pytrace=False)


@pytest.fixture
def gateway(stage: Stage) -> Callable[..., Gateway]:
    return stage.gateway


@pytest.fixture
def provider(stage: Stage) -> Callable[..., Provider]:
    return stage.provider


@pytest.fixture
def clock(stage: Stage, tmp_path: Path) -> Clock:
    """The time of all gateways and Redis servers of the test."""
    stage.clock = Clock(tmp_path / "clock", stage.gateways)
    return stage.clock


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    server = DnsServer()
    yield server
    server.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome: Any = yield
    report = outcome.get_result()
    stage = item.stash.get(STAGE, None)
    if report.failed and stage is not None:
        for gateway in stage.gateways:
            report.sections.append(("nginx", gateway.report()))
