"""A small picture of a result as SVG, readable on light and on dark pages.

Above: from insert to paid call, a dot at the median and a line from the 5th to the 99th of a
hundred, on a logarithmic scale. Below: paid calls for each track under kills.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from xml.sax.saxutils import escape

from tests.bench.figures import Result, quantile
from tests.bench.names import LISTEN, OURS, PGQUEUER, POLLING, PROCRASTINATE, WITH_RECEIPTS

WIDTH = 720
LEFT, RIGHT = 190, 650
LINE = 26
FIRST_MS, LAST_MS = 1.0, 10_000.0
SPEEDS = (LISTEN, OURS, PROCRASTINATE, PGQUEUER, POLLING)
PAYERS = (OURS, PROCRASTINATE, PGQUEUER, WITH_RECEIPTS)
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 }
.small { font-size: 11px; fill: #59636e }
.grid { stroke: #d1d9e0 }
.ours { fill: #0969da; stroke: #0969da }
.other { fill: #818b98; stroke: #818b98 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .small { fill: #9198a1 }
  .grid { stroke: #3d444d }
  .ours { fill: #4493f8; stroke: #4493f8 }
  .other { fill: #9198a1; stroke: #9198a1 }
}
"""


def svg(result: Result) -> str:
    """The picture of a result."""
    top = 60
    bottom = top + LINE * len(SPEEDS) + 70
    height = bottom + LINE * len(PAYERS) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(_in_words(result))}</title>",
        f"<style>{_STYLE}</style>",
        _text(
            10, 20, "From insert to paid call, milliseconds (dot: median, line: p5 to p99)", "title"
        ),
        *_scale(top, top + LINE * len(SPEEDS)),
        *_speeds(result, top),
        _text(10, bottom - 25, "Paid calls per track while workers are killed", "title"),
        *_payers(result, bottom),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _in_words(result: Result) -> str:
    medians = ", ".join(
        f"{side} {quantile(result.samples[side], 0.5):.0f} ms"
        for side in SPEEDS
        if result.samples.get(side)
    )
    return f"Median from insert to paid call: {medians}."


def _scale(top: float, bottom: float) -> Iterator[str]:
    for power in range(int(math.log10(FIRST_MS)), int(math.log10(LAST_MS)) + 1):
        x = _x(10.0**power)
        yield f'<line class="grid" x1="{x:.0f}" y1="{top - 14}" x2="{x:.0f}" y2="{bottom - 8}"/>'
        yield _text(x, top - 18, f"{10**power:,}", "small", "middle")


def _speeds(result: Result, top: float) -> Iterator[str]:
    for number, side in enumerate(SPEEDS):
        values = result.samples.get(side)
        y = top + LINE * number + 4
        yield _text(LEFT - 12, y + 4, side, anchor="end")
        if not values:
            continue
        low, middle, high = (_x(quantile(values, share)) for share in (0.05, 0.5, 0.99))
        kind = _kind(side)
        yield (
            f'<line class="{kind}" stroke-width="3" x1="{low:.1f}" y1="{y}" x2="{high:.1f}"'
            f' y2="{y}"/><circle class="{kind}" cx="{middle:.1f}" cy="{y}" r="5"/>'
        )
        yield _text(high + 10, y + 4, f"{quantile(values, 0.5):,.0f}", "small")


def _payers(result: Result, top: float) -> Iterator[str]:
    most = max(
        (
            figure.value
            for name, figure in result.figures.items()
            if name.endswith(":paid_per_track")
        ),
        default=1.0,
    )
    for number, side in enumerate(PAYERS):
        figure = result.figures.get(f"{side}:paid_per_track")
        y = top + LINE * number
        yield _text(LEFT - 12, y + 4, side, anchor="end")
        if figure is None:
            continue
        width = (RIGHT - LEFT) * figure.value / max(most, 1.0)
        kind = _kind(side)
        yield f'<rect class="{kind}" x="{LEFT}" y="{y - 8}" width="{width:.1f}" height="16"/>'
        yield _text(LEFT + width + 8, y + 4, f"{figure.value:.2f}", "small")


def _kind(side: str) -> str:
    return "ours" if side == OURS else "other"


def _x(ms: float) -> float:
    share = math.log10(max(ms, FIRST_MS) / FIRST_MS) / math.log10(LAST_MS / FIRST_MS)
    return LEFT + (RIGHT - LEFT) * min(share, 1.0)


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    where = f'x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {where}>{escape(words)}</text>'
