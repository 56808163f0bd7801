"""The text format of Prometheus."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)')


@dataclass
class Metrics:
    types: dict[str, str] = field(default_factory=dict)
    helps: dict[str, str] = field(default_factory=dict)
    samples: list[tuple[str, dict[str, str], float]] = field(
        default_factory=list)

    def select(self, name: str, **labels: str) -> list[
            tuple[dict[str, str], float]]:
        return [(have, value) for sample, have, value in self.samples
                if sample == name
                and all(have.get(k) == v for k, v in labels.items())]

    def has(self, name: str, **labels: str) -> bool:
        return bool(self.select(name, **labels))

    def sum(self, name: str, **labels: str) -> float:
        return sum(value for _, value in self.select(name, **labels))

    def names(self) -> set[str]:
        return {name for name, _, _ in self.samples}


def parse(text: str) -> Metrics:
    """Refuses what does not follow the format."""
    metrics = Metrics()
    assert text.endswith("\n"), "the last line has no line feed"
    for line in text.split("\n"):
        if not line:
            continue
        if line.startswith("#"):
            _, kind, *rest = line.split(" ", 3)
            if kind == "TYPE":
                assert rest[0] not in metrics.types, f"second TYPE: {line}"
                metrics.types[rest[0]] = rest[1]
            elif kind == "HELP":
                metrics.helps[rest[0]] = rest[1] if len(rest) > 1 else ""
            continue
        match = _SAMPLE.match(line)
        assert match, f"not a sample: {line!r}"
        name, labels, value = match.groups()
        pairs = _LABEL.findall(labels or "")
        rebuilt = ",".join(f'{k}="{v}"' for k, v in pairs)
        assert rebuilt == (labels or "").rstrip(","), f"bad labels: {line!r}"
        metrics.samples.append((name, dict(pairs), float(value)))
    seen = [(n, tuple(sorted(ls.items()))) for n, ls, _ in metrics.samples]
    assert len(seen) == len(set(seen)), "a sample is there twice"
    return metrics
