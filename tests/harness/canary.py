"""A route with a canary, and callers of it."""

from __future__ import annotations

from typing import Any

from .nginx import Gateway, route
from .openapi import Admin
from .provider import Provider
from .util import wait_for

ADMIN = """
        location /llm/ { llm_admin write; }
        location /read/ { llm_admin; }
"""


class Canary:
    """A gateway whose route "r" has a canary, before two providers."""

    def __init__(self, gateway: Gateway, stable: Provider | None,
                 candidate: Provider | None):
        self.gateway, self.admin = gateway, Admin(gateway)
        self.stable, self.candidate = stable, candidate

    def ask(self, n: int = 1, key: str = "caller", **more: Any) -> list[Any]:
        """n requests, of n callers: key1, key2, ..."""
        answers = [self.gateway.chat(headers=[("x-key", f"{key}{i}")], **more)
                   for i in range(n)]
        return answers

    def arms(self, n: int = 1, key: str = "caller") -> list[str | None]:
        return [answer.header("x-llm-arm") for answer in self.ask(n, key)]

    def shown(self) -> dict[str, Any]:
        answer = self.admin.get("rollouts/r")
        assert answer.status == 200, answer.body
        return answer.json["rollout"]

    def listed(self) -> dict[str, Any]:
        (one,) = self.admin.get("rollouts").json["rollouts"]
        return one

    def decide(self, action: str, reason: str = "because",
               **more: Any) -> dict[str, Any]:
        answer = self.admin.post(f"rollouts/r/{action}",
                                 {"reason": reason, **more})
        assert answer.status == 200, answer.body
        return answer.json["rollout"]

    def wait(self, state: str, step: int = 0, timeout: float = 5
             ) -> dict[str, Any]:
        """Until it is so in shared memory."""
        def there() -> Any:
            one = self.listed()
            return one["state"] == state and (not step or one["step"] == step)
        wait_for(there, timeout, f"the canary to be {state} {step}")
        return self.listed()

    def until(self, state: str, most: int = 400, **more: Any) -> int:
        """Asks until it is so; how often.  Who decides may be late."""
        for n in range(most):
            if self.listed()["state"] == state:
                return n
            self.ask(key=f"u{n}-", **more)
        self.wait(state)
        return most


def canary_conf(stable: Provider, candidate: Provider, words: str, *,
                lines: tuple[str, ...] = (), upstream: tuple[str, ...] = (),
                target: str = "new/b") -> str:
    return (stable.upstream("up", *upstream)
            + candidate.upstream("new", *upstream)
            + route("target up/a;", *lines, f"canary {target} {words};"))
