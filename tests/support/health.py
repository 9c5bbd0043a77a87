"""A row of `music_queue_health`."""

from __future__ import annotations

from typing import Any

HEALTH: dict[str, Any] = {
    "paused": False,
    "pending": 12,
    "due": 9,
    "oldest_pending_seconds": 42.5,
    "generating": 5,
    "left_over": 1,
    "waiting": {
        "paused": 0,
        "fleet_limit": 6,
        "user_limit": 2,
        "budget": 0,
        "worker": 1,
        "scheduled": 1,
        "put_off": {"rate_limited": 1, "storage_failed": 1},
    },
    "failures_last_hour": {"generation_failed": 2},
    "workers_alive": 2,
    "workers_blocked": [{"id": "one", "note": "No money.", "last_seen_at": None}],
    "allowed_at_once": 10,
    "account_balance_cents": 12345678.25,
    "spent_today_cents": 58.5,
    "daily_budget_cents": 1000,
}
