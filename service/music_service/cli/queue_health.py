"""The queue's health in one line."""

from __future__ import annotations

from typing import Any

from music_service.cli.output import counted

_REASONS = {
    "paused": "for the queue to go on",
    "fleet_limit": "for the limit of all",
    "user_limit": "for the limit of their user",
    "budget": "for tomorrow's budget",
    "worker": "for a worker",
    "scheduled": "for their time",
}


def health_line(health: dict[str, Any]) -> str:
    """`music_queue_health` in one line: paused, what is waited for, workers, money."""
    parts = []
    if health["paused"]:
        why = f": {health['paused_reason']}" if health["paused_reason"] else ""
        parts.append(f"paused by {health['paused_by']}{why}")
    waiting = health["waiting"]
    parts += [
        f"{waiting[name]} {'waits' if waiting[name] == 1 else 'wait'} {words}"
        for name, words in _REASONS.items()
        if waiting[name]
    ]
    parts += [f"{count} put off ({code})" for code, count in sorted(waiting["put_off"].items())]
    alive = health["workers_alive"]
    parts.append(counted(alive, "worker") if alive else "no workers")
    parts += [
        f"{worker['id']} is blocked: {worker['note']}" for worker in health["workers_blocked"]
    ]
    budget = health["daily_budget_cents"]
    of = "" if budget is None else f" of {budget:g}"
    parts.append(f"{health['spent_today_cents']:g}{of} US cents spent today")
    return " · ".join(parts)
