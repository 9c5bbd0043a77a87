"""What the state machine test knows, and what must hold after each step."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar

from hypothesis.stateful import RuleBasedStateMachine
from psycopg.rows import DictRow

from tests.support.sessions import OPEN_STATES, Database, State, Track

DEFAULTS = {
    "paused": False,
    "max_concurrent": 10,
    "max_concurrent_per_user": None,
    "daily_budget_cents": None,
    "on_unknown_submission": "error",
    "max_attempts": 10,
}


@dataclass
class PaidCall:
    """One paid call as Mureka saw it."""

    track: uuid.UUID
    claim: uuid.UUID
    prompt: str
    receipt: str | None = None
    refused: bool = False


@dataclass(frozen=True)
class Held:
    """A claim as its worker remembers it, whether or not it is still good."""

    worker: str
    claim: uuid.UUID
    track: uuid.UUID


class Invariants(RuleBasedStateMachine):
    """What the test knows of its paid calls, and what must hold whatever happened."""

    database: ClassVar[Database]

    def __init__(self) -> None:
        super().__init__()
        self.database.empty(DEFAULTS)
        self.settings: dict[str, Any] = dict(DEFAULTS)
        self.held: list[Held] = []
        self.calls: dict[uuid.UUID, PaidCall] = {}
        self.allowed: Counter[uuid.UUID] = Counter()
        self.regenerated: set[uuid.UUID] = set()
        self.seen = self.database.look()

    def paid(self, track: uuid.UUID) -> int:
        return sum(c.track == track and not c.refused for c in self.calls.values())

    def allow_another(self, track: uuid.UUID) -> None:
        self.allowed[track] = self.paid(track) + 1

    def pick(self, living: bool, n: int) -> Held | None:
        alive = [h for h in self.held if h.claim in self.seen.claims]
        among = alive if living and alive else self.held
        return among[-1 - n % len(among)] if among else None

    def track(self, n: int) -> Track | None:
        tracks = list(self.seen.tracks.values())
        return tracks[-1 - n % len(tracks)] if tracks else None

    def is_good(self, held: Held) -> bool:
        return held.claim in self.seen.claims

    def is_unconfirmed(self, track: uuid.UUID) -> bool:
        generation = self.seen.open_generation(track)
        return generation is not None and generation["mureka_task_id"] is None

    def states_after(self, generation: DictRow, outcome: str) -> set[str]:
        """The states that an open generation may have once a worker told what it knows of it."""
        if generation["state"] != "accepted":
            is_resubmitted = self.settings["on_unknown_submission"] == "resubmit"
            perhaps = {"unknown", "abandoned"} if is_resubmitted else {"unknown"}
            return {"refused"} if outcome == "refused" else perhaps
        is_late_again = outcome == "overdue" and generation["overdue_at"] is not None
        return {"failed"} if outcome == "failed" or is_late_again else {"accepted"}

    def step(self, may_change: set[uuid.UUID] | None, by_worker: bool = True) -> None:
        """Look at everything; None = any track may have changed."""
        before, self.seen = self.seen, self.database.look()
        changed = before.changed_tracks(self.seen)
        assert may_change is None or changed <= may_change
        self.check_ledger(before, by_worker)
        self.check_rows()

    def check_ledger(self, before: State, by_worker: bool) -> None:
        now = self.seen
        assert now.generations.keys() == self.calls.keys(), "the ledger lost or invented a row"
        for key, call in self.calls.items():
            row = now.generations[key]
            assert row["mureka_task_id"] == call.receipt, "a receipt was lost or changed"
            assert (row["state"] == "refused") == call.refused
            was = before.generations.get(key)
            closed = was and was["finished_at"] is None and row["finished_at"] is not None
            track = now.tracks.get(call.track)
            has_music = track is not None and track.status == "completed"
            if closed and by_worker and not (call.receipt or call.refused or has_music):
                assert self.settings["on_unknown_submission"] == "resubmit"
                self.allow_another(call.track)
        for track_id in now.tracks:
            assert self.paid(track_id) <= self.allowed[track_id], "paid more often than asked"
        open_on = Counter(
            g["track_id"] for g in now.generations.values() if g["state"] in OPEN_STATES
        )
        assert all(n == 1 for track_id, n in open_on.items() if track_id is not None)

    def check_rows(self) -> None:
        owners = [claim["track_id"] for claim in self.seen.claims.values()]
        making = {t.id for t in self.seen.tracks.values() if t.status == "generating"}
        assert len(set(owners)) == len(owners)
        assert set(owners) == making, "a claim without its track or a track without its claim"
        for track in self.seen.tracks.values():
            row = track.row
            assert (track.status == "completed") == (row["completed_at"] is not None)
            has_audio = row["file_url"] is not None
            if track.id in self.regenerated:  # keeps its audio until the new is in place
                assert has_audio
            else:
                assert (track.status == "completed") == has_audio
                assert track.status != "completed" or not self.seen.open_generation(track.id)
            assert track.status != "error" or (row["error_code"] and row["error_message"])
            assert track.status != "generating" or row["started_at"] is not None
            if track.status != "generating":
                shown = (row["stage"], row["stream_url"], row["expected_ready_at"])
                assert shown == (None, None, None)

    def write(self, held: Held, name: str, *args: Any) -> list[Any]:
        """One call of a worker that carries a claim: without a good one nothing happens."""
        good = self.is_good(held)
        answer = self.database.call(name, held.claim, *args)
        assert good or answer == [], "a call without a claim was answered"
        if not good:
            unchanged = self.seen
            self.step(set())
            assert self.seen == unchanged, "a call without a claim changed something"
        return answer
