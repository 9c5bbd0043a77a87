"""Whether a new track would be taken up: pause, limits and budget, and what waits for a person."""

from __future__ import annotations

from typing import Any

from music_service.doctor.findings import Finding, ok, skipped, warning, wrong
from music_service.doctor.fleet import QueueHealth
from music_service.doctor.probe import Probe
from music_service.redact import plain

_RUN = "Run in the SQL editor: "
_WORKERS = ("worker_blocked", "worker_failing")
_SAID_ELSEWHERE = ("queue_paused", "no_worker", *_WORKERS)


def check_queue(health: QueueHealth) -> list[Finding]:
    """Whether the switches of `music.settings` let anything be taken up."""
    if health.is_empty:
        return [
            wrong(
                "queue",
                "The row of music.settings is gone; a worker makes it again with its next claim.",
                f"{_RUN}insert into music.settings default values;",
            )
        ]
    row = health.row
    if row is None:
        return [skipped("queue", "The database does not say how the queue is; see migrations.")]
    found = [each for each in (_paused(row), *_limits(row)) if each is not None]
    return found or [ok("queue", f"It goes on: {row['generating']} made now, {row['due']} due.")]


def _paused(row: dict[str, Any]) -> Finding | None:
    if not row["paused"]:
        return None
    why = f": {plain(row['paused_reason']).rstrip('.')}" if row["paused_reason"] else ""
    return wrong(
        "queue",
        f"It is paused by {plain(row['paused_by'] or 'somebody')}{why}. New tracks wait.",
        "When the reason has passed: music-service resume",
    )


def _limits(row: dict[str, Any]) -> list[Finding]:
    return [
        wrong(
            "queue",
            f"{name} is 0 in music.settings, so nothing is taken up{whose}.",
            f"{_RUN}update music.settings set {name} = {value} where id;",
        )
        for name, whose, value in (
            ("max_concurrent", "", 10),
            ("max_concurrent_per_user", " for any user", 2),
        )
        if row[name] == 0
    ]


class Review:
    """What waits for a person: the rows of `music_review`."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] | None = None

    async def read(self, probe: Probe) -> None:
        """Ask the database."""
        columns = "what,track_id,worker_id,since,tracks,reason,what_to_do"
        answer = await probe.select("music_review", columns, limit=1000)
        if answer.is_ok and isinstance(answer.body, list):
            self._rows = answer.body

    def check_workers(self, alive: int) -> list[Finding]:
        """Workers that cannot take up anything; wrong where no other is left."""
        impaired = [row for row in self._rows or [] if row["what"] in _WORKERS]
        judge = wrong if len(impaired) >= alive else warning
        return [
            judge(
                "workers",
                f"{plain(row['worker_id'])} is {row['what'].removeprefix('worker_')}: "
                f"{plain(row['reason'] or 'it does not say why').rstrip('.')}.",
                plain(row["what_to_do"]),
            )
            for row in impaired
        ]

    def check(self) -> Finding:
        """Whether anything else waits for a person."""
        if self._rows is None:
            return skipped("review", "The database does not say what waits; see migrations.")
        rows = [row for row in self._rows if row["what"] not in _SAID_ELSEWHERE]
        if not rows:
            return ok("review", "Nothing waits for a person.")
        first = rows[0]
        tracks = f"{first['tracks']} track{'s' * (first['tracks'] != 1)}"
        which = first["track_id"] or first["worker_id"] or tracks
        count = f"{len(rows)} {'thing waits' if len(rows) == 1 else 'things wait'} for a person"
        return warning(
            "review",
            f"{count}; the first is {first['what']} ({plain(str(which))}): "
            f"{plain(first['reason'] or 'it does not say why').rstrip('.')}.",
            f"{plain(first['what_to_do'])} See them all with: music-service review",
        )
