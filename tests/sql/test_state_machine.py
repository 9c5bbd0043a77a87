"""Two workers, people and time do anything in any order; what the design says holds each step.

The test plays the workers and Mureka: a call is paid for when `begin_music_generation` answered a
row for it, unless the worker that held the track said that Mureka surely refused it.
"""

from __future__ import annotations

import os
import random
import uuid
from collections import Counter
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

from music_service.errors import ErrorCode
from tests.support.database import Project
from tests.support.project import IS_FULL
from tests.support.sessions import APP_USERS, Database
from tests.support.state_machine import DEFAULTS, Held, Invariants, PaidCall

CODES = [code.value for code in ErrorCode]
OUTCOMES = ["refused", "unknown", "open", "overdue", "failed"]
COST = Decimal("4.5")
WORKERS = ["worker-1", "worker-2"]
MOVES = {("error", "pending"), ("pending", "error"), ("generating", "error")}
OPERATOR_MOVES = MOVES | {("generating", "pending"), ("completed", "pending")}
STATUSES = ["pending", "generating", "completed", "error"]

which = st.integers(0, 5)
mostly = st.sampled_from([True, True, True, False])


class Machine(Invariants):
    """Everything that anybody may do."""

    @rule(worker=st.sampled_from(WORKERS), limit=st.sampled_from([0, 1, 2, 5]))
    def claim(self, worker: str, limit: int) -> None:
        self.take(worker, limit)

    def take(self, worker: str, limit: int) -> list[dict[str, Any]]:
        before, spent = self.seen, self.database.spent()
        found = self.database.claim(worker, limit)
        self.held += [Held(worker, row["claim_id"], row["track_id"]) for row in found]
        self.step(None)
        assert len(found) <= limit
        fresh = [r for r in found if before.tracks[r["track_id"]].status == "pending"]
        budget = self.settings["daily_budget_cents"]
        for row in found:
            assert row["track_id"] not in before.busy, "taken from a worker that holds it"
            assert not self.is_unconfirmed(row["track_id"]), "handed out with its call unconfirmed"
            if row["mureka_task_id"]:
                call = self.calls[row["generation_id"]]
                assert call.receipt == row["mureka_task_id"]
                assert call.prompt == row["prompt"], "resumes what is not asked for any more"
            elif row in fresh:
                assert budget is None or spent < budget
        if fresh:
            assert not self.settings["paused"]
            self.check_limits({row["user_id"] for row in fresh})
        return found

    def check_limits(self, users: set[Any]) -> None:
        making = Counter(
            t.row["user_id"] for t in self.seen.tracks.values() if t.status == "generating"
        )
        fleet, each = (self.settings[f"max_concurrent{x}"] for x in ("", "_per_user"))
        assert fleet is None or making.total() <= fleet
        assert each is None or all(making[u] <= each for u in users if u is not None)

    @rule(worker=st.sampled_from(WORKERS), confirmed=st.booleans())
    def submit(self, worker: str, confirmed: bool) -> None:
        """The usual way, so that what comes after it is met often."""
        for row in self.take(worker, 1):
            key = uuid.uuid4()
            held = Held(worker, row["claim_id"], row["track_id"])
            if row["mureka_task_id"] is None and self.intend(held, key) and confirmed:
                self.confirm(key)
                self.step({held.track})

    @rule(living=mostly, n=which)
    def write_intent(self, living: bool, n: int) -> None:
        if held := self.pick(living, n):
            self.intend(held, uuid.uuid4())

    @rule(n=which)
    def repeat_intent(self, n: int) -> None:
        if self.calls:
            key = list(self.calls)[-1 - n % len(self.calls)]
            call = self.calls[key]
            self.intend(Held("", call.claim, call.track), key)

    def intend(self, held: Held, key: uuid.UUID) -> bool:
        known = self.seen.open_generation(held.track)
        prompt = self.seen.tracks[held.track].row["prompt"] if self.is_good(held) else ""
        repeats = known is not None and known["id"] == key
        if key in self.calls and self.is_good(held) and not repeats and known is None:
            return False  # a worker uses an identity once
        answer = self.write(held, "begin_music_generation", key, "{}", "mureka-9", COST)
        if answer and not repeats:
            assert known is None, "submitted while another call was open"
            assert key not in self.calls
            self.calls[key] = PaidCall(held.track, held.claim, prompt)
        elif answer:
            assert self.calls[key].receipt is None, "submitted again after the receipt"
        self.step({held.track})
        return bool(answer)

    @rule(n=which, other=st.sampled_from([False, False, False, True]))
    def receipt(self, n: int, other: bool) -> None:
        """On time, late, without a claim, repeated, or contradicting an earlier one."""
        sent = [key for key, call in self.calls.items() if not call.refused]
        if not sent:
            return
        key = sent[-1 - n % len(sent)]
        call = self.calls[key]
        if other and call.receipt:
            with pytest.raises(psycopg.Error, match="another receipt"):
                self.database.call("record_music_task", key, "another", None)
        else:
            self.confirm(key)
        self.step({call.track})

    @rule(n=which)
    def late_receipt(self, n: int) -> None:
        late = [key for key, call in self.calls.items() if not (call.receipt or call.refused)]
        if late:
            key = late[-1 - n % len(late)]
            self.confirm(key)
            self.step({self.calls[key].track})

    def confirm(self, key: uuid.UUID) -> None:
        self.calls[key].receipt = f"task of {key}"
        self.database.call("record_music_task", key, f"task of {key}", None)

    @rule(living=mostly, n=which, stage=st.sampled_from(["queued", "streaming"]))
    def stage(self, living: bool, n: int, stage: str) -> None:
        if held := self.pick(living, n):
            self.write(held, "report_music_stage", stage, "https://stream")
            self.step({held.track})

    @rule(living=mostly, n=which)
    def complete(self, living: bool, n: int) -> None:
        held = self.pick(living, n)
        if held:
            self.write(held, "complete_music_track", "path", "https://file", 1000)
            self.step({held.track})

    @rule(
        living=mostly,
        n=which,
        outcome=st.sampled_from(OUTCOMES),
        code=st.sampled_from(CODES),
        seconds=st.sampled_from([0, 60]),
        counts=st.booleans(),
    )
    def defer(
        self, living: bool, n: int, outcome: str, code: str, seconds: int, counts: bool
    ) -> None:
        args = (seconds, outcome, code, "A reason.", counts)
        self.end(living, n, "defer_music_track", outcome, *args)

    @rule(living=mostly, n=which, outcome=st.sampled_from(OUTCOMES), code=st.sampled_from(CODES))
    def fail(self, living: bool, n: int, outcome: str, code: str) -> None:
        self.end(living, n, "fail_music_track", outcome, outcome, code, "A reason.")

    def end(self, living: bool, n: int, name: str, outcome: str, *args: Any) -> None:
        if held := self.pick(living, n):
            generation = self.seen.open_generation(held.track)
            answer = self.write(held, name, *args)
            is_refused = outcome == "refused"
            if answer and generation and not generation["mureka_task_id"] and is_refused:
                self.calls[generation["id"]].refused = True
            self.step({held.track})
            if answer and generation:
                state = self.seen.generations[generation["id"]]["state"]
                assert state in self.states_after(generation, outcome)

    @rule(worker=st.sampled_from(WORKERS))
    def renew(self, worker: str) -> None:
        mine = {h.claim for h in self.held if h.worker == worker and self.is_good(h)}
        every = [h.claim for h in self.held]
        assert set(self.database.call("renew_music_claims", worker, every, 30)) == mine
        self.step(set())
        assert mine <= self.seen.leased

    @rule(worker=st.sampled_from(WORKERS), n=which)
    def release(self, worker: str, n: int) -> None:
        some = self.held[-1 - n :]
        mine = {h for h in some if h.worker == worker and self.is_good(h)}
        released = self.database.call("release_music_claims", worker, [h.claim for h in some])
        assert set(released) == {h.claim for h in mine}
        self.step({h.track for h in mine})

    @initialize()
    def start_with_three_tracks(self) -> None:
        for owner in [APP_USERS[0], APP_USERS[0], None]:
            self.ask(owner)

    @rule(owner=st.sampled_from([*APP_USERS, None]))
    def ask(self, owner: str | None) -> None:
        track = self.database.ask(owner)
        self.allowed[track] = 1
        self.step({track}, by_worker=False)

    @rule(n=which, status=st.sampled_from(STATUSES), prompt=st.sampled_from([None, None, "new"]))
    def operator_edits(self, n: int, status: str, prompt: str | None) -> None:
        self.edit(n, None, status, prompt)

    @rule(n=which, prompt=st.sampled_from([None, "new"]))
    def operator_asks_again(self, n: int, prompt: str | None) -> None:
        """Cancel what is being made, then ask for it, perhaps for something else."""
        for status, wish in [("error", None), ("pending", prompt)]:
            self.edit(n, None, status, wish)

    @rule(n=which, user=st.sampled_from(APP_USERS), status=st.sampled_from(STATUSES))
    def user_edits(self, n: int, user: str, status: str) -> None:
        self.edit(n, user, status, None)

    def edit(self, n: int, user: str | None, status: str, prompt: str | None) -> None:
        track = self.track(n)
        if track is None:
            return
        wish = f"{prompt} {uuid.uuid4()}" if prompt else track.row["prompt"]
        values = {"status": status} | ({"prompt": wish} if prompt else {})
        refused = not self.database.edit(user, track.id, values)
        theirs = user is None or track.row["user_id"] == uuid.UUID(user)
        moves = OPERATOR_MOVES if user is None else MOVES
        legal = status == track.status or (track.status, status) in moves
        legal = legal and not (prompt and track.status == "generating")
        assert refused == (theirs and not legal)
        if legal and theirs and prompt:
            self.allow_another(track.id)
        before = track.status
        if legal and theirs and (before, status) == ("completed", "pending"):
            self.regenerated.add(track.id)
        self.step({track.id} if legal and theirs else set(), by_worker=False)
        if legal and theirs and before != status == "pending":
            if not self.seen.open_generation(track.id):
                self.allow_another(track.id)
            assert self.seen.tracks[track.id].row["attempts"] == 0

    @rule(living=mostly, n=which)
    def lease_runs_out(self, living: bool, n: int) -> None:
        if held := self.pick(living, n):
            self.database.expire(held.claim)
            self.step(set(), by_worker=False)

    @rule(seconds=st.sampled_from([61, 100, 3600]))
    def time_passes(self, seconds: int) -> None:
        self.database.let_pass(seconds)
        self.step(None, by_worker=False)

    @rule(
        change=st.one_of(
            st.tuples(st.just("paused"), st.booleans()),
            st.tuples(st.just("max_concurrent"), st.sampled_from([None, 0, 1, 2, 10])),
            st.tuples(st.just("max_concurrent_per_user"), st.sampled_from([None, 1, 2])),
            st.tuples(st.just("daily_budget_cents"), st.sampled_from([None, 4, 10, 1000])),
            st.tuples(st.just("on_unknown_submission"), st.sampled_from(["error", "resubmit"])),
            st.tuples(st.just("max_attempts"), st.sampled_from([1, 2, 10])),
        )
    )
    def operator_sets(self, change: tuple[str, Any]) -> None:
        old, self.settings = self.settings, self.settings | dict([change])
        self.database.set(self.settings)
        budget, new_budget = (s["daily_budget_cents"] for s in (old, self.settings))
        is_raised = budget is not None and (new_budget is None or new_budget > budget)
        released = self.seen.waiting_for_tomorrow if is_raised else set()
        self.step(released, by_worker=False)
        assert not released & self.seen.waiting_for_tomorrow

    @rule(n=which, whole_account=st.booleans())
    def deletion(self, n: int, whole_account: bool) -> None:
        if track := self.track(n):
            owner = track.row["user_id"]
            gone = {t.id for t in self.seen.tracks.values() if t.row["user_id"] == owner}
            if whole_account and owner:
                self.database.delete_user(str(owner))
            else:
                self.database.delete_track(track.id)
                gone = {track.id}
            self.step(gone, by_worker=False)
            assert not gone & self.seen.tracks.keys()

    def teardown(self) -> None:
        """Nothing is lost: with the limits lifted one good worker brings every track to an end."""
        self.settings |= {k: v for k, v in DEFAULTS.items() if k != "on_unknown_submission"}
        self.database.set(self.settings)
        self.database.expire(None)
        self.database.let_pass(3 * 24 * 3600)
        self.step(None, by_worker=False)
        for _ in range(1 + len(self.seen.tracks)):
            for row in self.take("good worker", 5):
                self.bring_to_an_end(row)
        lost = [t.row for t in self.seen.tracks.values() if t.status not in ("completed", "error")]
        assert lost == []

    def bring_to_an_end(self, row: dict[str, Any]) -> None:
        held = Held("good worker", row["claim_id"], row["track_id"])
        if row["mureka_task_id"] is None:
            key = uuid.uuid4()
            assert self.intend(held, key)
            self.confirm(key)
        assert self.write(held, "complete_music_track", "path", "https://file", 1000)
        self.step({held.track})


@pytest.mark.timeout(3600 if IS_FULL else 600)  # it takes 10 s; a failure is made small for minutes
async def test_whatever_workers_and_people_do_the_invariants_hold_after_every_step(
    project: Project,
) -> None:
    number = int(os.environ.get("MUSIC_TEST_SEED", random.randrange(10**9)))
    print(f"MUSIC_TEST_SEED={number}")
    machine = seed(number)(Machine)
    machine.database = Database(
        project.postgres.conninfo("postgres", project.name),
        project.postgres.conninfo("supabase_admin", project.name),
    )
    try:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=1000 if IS_FULL else 50,
                stateful_step_count=60 if IS_FULL else 40,
                database=None,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        machine.database.close()
