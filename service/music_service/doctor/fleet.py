"""Whether workers run, what may be spent, and whether the clocks of both sides agree."""

from __future__ import annotations

import time
import uuid
from datetime import datetime
from typing import Any

from music_service.doctor.findings import Finding, ok, skipped, warning, wrong
from music_service.doctor.probe import Probe

_SKEW_SECONDS = 2
_BUDGET = "update music.settings set daily_budget_cents = 1000 where id;"


class QueueHealth:
    """The one row of `music_queue_health`; nothing before it is read, or where it cannot be."""

    def __init__(self, row: dict[str, Any] | None) -> None:
        self._row = row
        self.is_empty = False

    @property
    def row(self) -> dict[str, Any] | None:
        """All columns as they were read."""
        return self._row

    @property
    def is_known(self) -> bool:
        """Whether the row was read."""
        return self._row is not None

    @property
    def max_concurrent(self) -> int | None:
        """The limit of the whole fleet in `music.settings`."""
        return None if self._row is None else self._row["max_concurrent"]

    @property
    def daily_budget_cents(self) -> float | None:
        """What may be spent in one UTC day; None for no limit."""
        return None if self._row is None else self._row["daily_budget_cents"]

    @property
    def daily_budget_cents_per_user(self) -> float | None:
        """The same for each single user."""
        return None if self._row is None else self._row["daily_budget_cents_per_user"]

    @property
    def daily_budget_cents_of_guests(self) -> float | None:
        """The same for all guests together."""
        return None if self._row is None else self._row.get("daily_budget_cents_of_guests")

    @property
    def spent_today_cents(self) -> float:
        """The expected cost of all paid calls of this UTC day."""
        return 0 if self._row is None else float(self._row.get("spent_today_cents") or 0)

    @property
    def workers(self) -> int:
        """How many workers were seen within the last minute."""
        return 0 if self._row is None else int(self._row["workers_alive"])

    async def read(self, probe: Probe) -> None:
        """Ask the database."""
        answer = await probe.select("music_queue_health", "*", limit=1)
        if answer.is_ok and isinstance(answer.body, list):
            self._row = answer.body[0] if answer.body else None
            self.is_empty = not answer.body


def check_workers(health: QueueHealth) -> Finding:
    """Whether a worker was seen lately."""
    if not health.is_known:
        return skipped("workers", "The database does not say which workers run; see migrations.")
    if health.workers == 0:
        return warning(
            "workers",
            "No worker was seen within the last minute, so tracks wait.",
            "Start one: music-service run",
        )
    count = health.workers
    return ok("workers", f"{count} {'worker runs' if count == 1 else 'workers run'}.")


def check_budget(health: QueueHealth, *, is_free: bool, price_cents: float = 0) -> Finding:
    """Whether anything limits what a day may cost, and whether that leaves room for one track.

    Args:
        health: as the database says it.
        is_free: whether music costs nothing here.
        price_cents: what one track costs; 0 where that is not known.
    """
    if not health.is_known:
        return skipped("budget", "The database does not say what may be spent; see migrations.")
    all_cents, user_cents = health.daily_budget_cents, health.daily_budget_cents_per_user
    if all_cents is None and user_cents is None:
        if is_free:
            return ok("budget", "No daily budget is set, and the simulator costs nothing.")
        return warning(
            "budget",
            "No daily budget is set: whoever may insert tracks can spend without limit.",
            "Run in the SQL editor, with the US cents that a day (UTC) may cost: " + _BUDGET,
        )
    spent = health.spent_today_cents
    if all_cents is not None and spent + max(price_cents, 0.01) > all_cents:
        return wrong(
            "budget",
            f"Today's budget of {all_cents:.12g} US cents has no room for another track "
            f"({spent:.12g} spent), so new ones wait for midnight UTC.",
            "Leave it, or run in the SQL editor: update music.settings set daily_budget_cents = "
            f"{all_cents + 1000:.12g} where id;",
        )
    if user_cents is not None and max(price_cents, 0.01) > user_cents:
        return wrong(
            "budget",
            f"A user's budget of {user_cents:.12g} US cents a day is less than a track costs "
            f"({price_cents:.12g}).",
            "Run in the SQL editor: update music.settings set daily_budget_cents_per_user = "
            "100 where id;",
        )
    limits = [
        f"{cents:.12g} US cents{whose}"
        for cents, whose in (
            (all_cents, ""),
            (user_cents, " for each user"),
            (health.daily_budget_cents_of_guests, " for all guests"),
        )
        if cents is not None
    ]
    return ok(
        "budget",
        f"A day may cost {' and '.join(limits)}. See daily_budget_cents in music.settings.",
    )


async def check_clock(probe: Probe) -> Finding:
    """Whether this machine's clock agrees with the database's."""
    asked = time.time()
    answer = await probe.call("ping_music_realtime", {"p_nonce": str(uuid.uuid4())})
    answered = time.time()
    if not answer.is_ok or not isinstance(answer.body, str):
        return skipped("clock", "The database does not say what time it is; see migrations.")
    there = datetime.fromisoformat(answer.body).timestamp()
    skew = max(there - answered, asked - there, 0.0)
    if skew > _SKEW_SECONDS:
        return warning(
            "clock",
            f"This machine's clock is {skew:.0f} s off the database's.",
            "Set it by NTP; leases go by the database's clock, but times shown here mislead.",
        )
    return ok("clock", "This machine's clock agrees with the database's.")
