"""The pages that show what was measured: written by the commands, held to the files by a test."""

from __future__ import annotations

from pathlib import Path

from tests.bench import goals, sizing
from tests.bench.figures import KEPT, Result
from tests.bench.marks import with_part
from tests.bench.plot import svg
from tests.support.project import ROOT

PICTURE = ROOT / "docs" / "benchmarks.svg"
PAGE = ROOT / "docs" / "benchmarks.md"
SIZING = ROOT / "docs" / "sizing.md"
README = ROOT / "README.md"


def page_part(result: Result) -> str:
    """What stands between the marks of the page about benchmarks."""
    limits = [f"- {name}: limited by {words}." for name, words in result.limits.items()]
    return "\n\n".join(
        (
            goals.machine(result),
            goals.table(result),
            "\n".join(limits),
            goals.comparison(result),
            goals.claims(result),
        )
    )


def pages() -> dict[Path, str]:
    """Every file that shows what is kept, as it should be."""
    result = Result.read(KEPT)
    shown = {
        PAGE: with_part(PAGE.read_text(), "measured", page_part(result)),
        README: with_part(README.read_text(), "measured", goals.short_table(result)),
        PICTURE: svg(result),
    }
    if sizing.SIMULATED.exists():
        simulated = sizing.Simulated.read()
        needs = sizing.table(sizing.Measured.of(result, simulated))
        page = with_part(SIZING.read_text(), "sizes", needs)
        shown[SIZING] = with_part(page, "simulated", sizing.day_part(simulated))
    return shown


def write() -> None:
    """Show what is kept."""
    for path, content in pages().items():
        path.write_text(content)
