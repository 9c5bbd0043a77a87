"""The whole fleet as gauges in Prometheus' text format, from one row of `music_queue_health`.

A worker tells of itself alone; what waits, who is alive and what was spent only the database knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# The gauge without `music_fleet_`, the column, and what it says. What is null is left out.
GAUGES = (
    ("paused", "paused", "1 while nothing new is taken up."),
    ("pending", "pending", "Tracks that wait, whatever for."),
    ("due", "due", "Those of them whose time has come."),
    ("oldest_seconds", "oldest_pending_seconds", "For how long the oldest of those has been due."),
    ("generating", "generating", "Tracks that are being made."),
    ("left_over", "left_over", "Tasks at Mureka that no track waits for."),
    ("workers_alive", "workers_alive", "Workers seen within the last minute."),
    ("workers_blocked", "workers_blocked", "Those of them that Mureka refuses."),
    ("allowed_at_once", "allowed_at_once", "Generations at once that are allowed now."),
    ("account_balance_cents", "account_balance_cents", "US cents at Mureka, as last seen."),
    ("spent_cents", "spent_today_cents", "Expected cost in US cents of this UTC day's paid calls."),
    ("budget_cents", "daily_budget_cents", "What a UTC day may cost, in US cents."),
)
# The same with a label.
COUNTS = (
    ("waiting", "reason", "Pending tracks, by what they wait for."),
    ("failures_last_hour", "code", "Tracks that ended in error in the last hour."),
)


def in_text_format(health: Mapping[str, Any]) -> str:
    """The row as gauges; `music_fleet_oldest_seconds` is 0 where nothing is due."""
    return "".join(f"{line}\n" for line in _lines(health))


def _lines(health: Mapping[str, Any]) -> Iterator[str]:
    for name, column, words in GAUGES:
        value = health[column]
        if name == "oldest_seconds":
            value = value or 0
        if isinstance(value, list):
            value = len(value)
        if value is not None:
            yield from _head(name, words)
            yield f"music_fleet_{name} {float(value):.15g}"
    waiting = dict(health["waiting"])
    put_off = waiting.pop("put_off")
    waiting |= {"put_off": sum(put_off.values())}
    for (name, label, words), counts in zip(
        COUNTS, (waiting, health["failures_last_hour"]), strict=True
    ):
        yield from _head(name, words)
        for value, count in sorted(counts.items()):
            yield f'music_fleet_{name}{{{label}="{value}"}} {count}'


def _head(name: str, words: str) -> tuple[str, str]:
    return f"# HELP music_fleet_{name} {words}", f"# TYPE music_fleet_{name} gauge"
