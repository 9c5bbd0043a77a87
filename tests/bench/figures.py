"""What was measured, as it is kept in a file: figures with their spread, and what to draw."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.support.project import ROOT

KEPT = ROOT / "docs" / "benchmarks.json"


@dataclass(frozen=True)
class Figure:
    """A number, the lowest and the highest of its repetitions, and of how many values it is."""

    value: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """The median of repetitions, between the lowest and the highest."""
        known = [float(value) for value in values]
        return cls(statistics.median(known), min(known), max(known), len(known))

    @classmethod
    def once(cls, value: float, n: int = 1) -> Self:
        """A number that has no spread: a count, or one of a single repetition."""
        return cls(float(value), float(value), float(value), n)

    @classmethod
    def quantile(cls, rounds: Sequence[Sequence[float]], share: float) -> Self:
        """A quantile of all values; its spread is that of the rounds' own quantiles."""
        every = [value for values in rounds for value in values]
        of_rounds = [quantile(values, share) for values in rounds]
        return cls(quantile(every, share), min(of_rounds), max(of_rounds), len(every))


def quantile(values: Sequence[float], share: float) -> float:
    """The value that this share of all values does not exceed."""
    known = sorted(values)
    return float(known[min(int(share * len(known)), len(known) - 1)])


@dataclass
class Result:
    """One run of `scripts/bench`: of which form, when, on what, and all that was measured.

    `figures` go by names such as `pick_up_p50_ms`; a name of a side has the side before a colon.
    `samples` are what is drawn, in milliseconds for each side. `limits` says in words what the
    throughput was limited by.
    """

    form: str
    made_on: str
    seconds: float
    machine: dict[str, Any]
    figures: dict[str, Figure] = field(default_factory=dict)
    samples: dict[str, list[float]] = field(default_factory=dict)
    limits: dict[str, str] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Keep it as JSON."""
        rounded = asdict(self)
        rounded["seconds"] = round(self.seconds)
        rounded["figures"] = {
            name: {part: _rounded(number) for part, number in figure.items()}
            for name, figure in rounded["figures"].items()
        }
        rounded["samples"] = {
            side: [_rounded(value) for value in values] for side, values in self.samples.items()
        }
        path.write_text(json.dumps(rounded, indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> Self:
        """What was kept."""
        kept = json.loads(path.read_text())
        figures = {name: Figure(**figure) for name, figure in kept.pop("figures").items()}
        return cls(**kept, figures=figures)


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
