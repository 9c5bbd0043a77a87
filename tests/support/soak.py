"""Hours of a busy and hostile day in short: users, kills, outages, a provider that errs."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
from postgrest.exceptions import APIError
from starlette.responses import JSONResponse

from local_supabase.simulator.tasks import SimulatedTask
from local_supabase.stack import Stack
from tests.support.fleet import Fleet, WorkerProcess
from tests.support.project import SignedIn, rows
from tests.support.tracks import Tracks

LEASE_SECONDS = 4.0
WORKER = {"MUSIC_LEASE_SECONDS": f"{LEASE_SECONDS:g}", "MUSIC_SWEEP_SECONDS": "1"}
AWAY = (psycopg.OperationalError, httpx.HTTPError, APIError, TimeoutError)
_CALL_SECONDS = 20
CHANGED_MEANWHILE = "MU001"  # such as a track that was completed before it was cancelled


@dataclass
class Soak:
    """What one run works with, and what it did so far.

    `steady` lives through all of it, so that its memory can be looked at; the other worker is
    killed again and again. `health_url` is the steady one's.
    """

    stack: Stack
    tracks: Tracks
    fleet: Fleet
    chance: random.Random
    steady: WorkerProcess
    doomed: WorkerProcess
    health_url: str
    began_at: float = field(default_factory=time.monotonic)
    done: Counter[str] = field(default_factory=Counter)
    database: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def operate(self, statement: str, *values: Any) -> None:
        """Run a statement as the operator; while the database is away nothing happens."""
        with contextlib.suppress(*AWAY):
            async with self.database:
                await self.tracks.sql(statement, *values)

    def pause(self, mean_seconds: float) -> Awaitable[None]:
        """Sleep for about so long."""
        return asyncio.sleep(min(self.chance.expovariate(1 / mean_seconds), 4 * mean_seconds))


def tag() -> str:
    """A word that names one track wherever its prompt goes."""
    return f"soak-{uuid.uuid4().hex}"


async def live(soak: Soak, user: SignedIn, mean_pause_seconds: float) -> None:
    """A user who asks for tracks and changes their mind; returns when cancelled."""
    table = user.client.table
    mine: list[str] = []
    while True:
        await soak.pause(mean_pause_seconds)
        wish = soak.chance.choices(
            ("ask", "ask many", "cancel", "retry", "delete", "toggle"), (10, 1, 3, 3, 2, 1)
        )[0]
        if wish.startswith("ask") or not mine:
            count = 4 if wish == "ask many" else 1
            asked = [
                {"id": str(uuid.uuid4()), "prompt": f"{user.id} {tag()}"} for _ in range(count)
            ]
            mine += [track["id"] for track in asked]
            change = table("music_tracks").insert(asked)
        else:
            track_id = soak.chance.choice(mine[-12:])
            if wish == "delete":  # as a backend does it for its users, who may not
                mine.remove(track_id)
                await soak.operate("delete from public.music_tracks where id = %s", track_id)
                soak.done["delete"] += 1
                continue
            status = "pending" if wish == "retry" else "error"
            change = table("music_tracks").update({"status": status}).eq("id", track_id)
            if wish == "toggle":
                await _call(soak, "toggle", change)
                change = table("music_tracks").update({"status": "pending"}).eq("id", track_id)
        await _call(soak, wish, change)


async def _call(soak: Soak, what: str, query: Any) -> None:
    try:
        async with asyncio.timeout(_CALL_SECONDS):
            answer = await query.execute()
    except AWAY:
        soak.done[f"{what} refused or lost"] += 1
    else:
        soak.done[what] += len(rows(answer)) if what == "ask" else 1


async def edit(soak: Soak) -> None:
    """An operator who changes rows by hand; returns when cancelled."""
    row = "(select id from public.music_tracks where {} order by random() limit 1)"
    edits = {
        "priority": ("priority = 5", "status = 'pending'"),
        "requeue": ("status = 'pending'", "status = 'generating'"),
        "hurry": ("run_after = now()", "status = 'pending'"),
        "cancel": ("status = 'error'", "status in ('pending', 'generating')"),
    }
    while True:
        await soak.pause(5)
        name = soak.chance.choice(tuple(edits))
        change, which = edits[name]
        try:
            await soak.operate(
                f"update public.music_tracks set {change} where id = {row.format(which)}"
            )
        except psycopg.DatabaseError as error:
            if error.sqlstate != CHANGED_MEANWHILE:
                raise
            name += " refused"
        soak.done[f"edit {name}"] += 1


async def kill(soak: Soak, mean_pause_seconds: float) -> None:
    """Kill the doomed worker and start another, or freeze the steady one; until cancelled."""
    while True:
        await soak.pause(mean_pause_seconds)
        if soak.chance.random() < 0.2:  # long enough that another takes over
            soak.steady.send(signal.SIGSTOP)
            await asyncio.sleep(LEASE_SECONDS * 1.5)
            soak.steady.send(signal.SIGCONT)
            soak.done["freeze"] += 1
            continue
        if soak.chance.random() < 0.2:
            soak.doomed.send(signal.SIGTERM)
            await soak.doomed.ended()
            soak.done["stop"] += 1
        else:
            await soak.doomed.kill()
            soak.done["kill"] += 1
        await revive(soak)


async def revive(soak: Soak) -> None:
    """Start the doomed worker where it does not run; while the project is away it cannot."""
    soak.steady.send(signal.SIGCONT)
    while soak.doomed.exit_code is not None:
        try:
            soak.doomed = await soak.fleet.start("doomed", **WORKER)
        except AssertionError:
            await asyncio.sleep(1)


async def err(soak: Soak) -> None:
    """A provider and a Storage that do wrong; returns when cancelled."""
    plan = soak.stack.faults.simulator.plan
    storage, gateway = soak.stack.faults.storage, soak.stack.faults.gateway
    unavailable = JSONResponse({"code": "PGRST002", "message": "Could not query"}, 503)
    wrongs: dict[str, Callable[[], object]] = {
        "submit 500": lambda: plan(on="submit", status=500),
        "submit 429": lambda: plan(on="submit", status=429, message="Rate limit reached"),
        "submit 400": lambda: plan(on="submit", status=400, message="Your prompt was blocked"),
        "submit lost": lambda: plan(on="submit", drop="before"),
        "receipt lost": lambda: plan(on="submit", drop="after"),
        "receipt garbage": lambda: plan(on="submit", garbage=True),
        "poll 500": lambda: plan(on="poll", status=500, times=5),
        "poll garbage": lambda: plan(on="poll", garbage=True, times=3),
        "task failed": lambda: plan(on="task", outcome="failed"),
        "task empty": lambda: plan(on="task", outcome="no_choices"),
        "audio truncated": lambda: plan(on="audio", audio="truncated"),
        "audio 404": lambda: plan(on="audio", status=404, times=2),
        "upload cut": lambda: storage.cut_uploads(2),
        "upload answer lost": lambda: storage.lose_answers(2),
        "API answer lost": lambda: gateway.lose_answers("/rest/v1/rpc/", times=2),
        "API away": lambda: gateway.answer("/rest/v1/rpc/", unavailable, times=10),
        "sockets dropped": soak.stack.faults.realtime.drop_all,
    }
    while True:
        await soak.pause(4)
        soak.stack.faults.simulator.clear()  # or those that nothing met would pile up
        name = soak.chance.choice(tuple(wrongs))
        wrongs[name]()
        soak.done[name] += 1


async def cut_off(soak: Soak, mean_pause_seconds: float) -> None:
    """Postgres stops and starts again; returns when cancelled."""
    while True:
        await soak.pause(mean_pause_seconds)
        async with soak.database:
            outage = asyncio.create_task(_outage(soak), name="outage")
            try:
                await asyncio.shield(outage)
            finally:
                await outage  # one that has begun is ended, also where this is cancelled
        soak.done["outage"] += 1


async def _outage(soak: Soak) -> None:
    await soak.stack.postgres.stop()
    await asyncio.sleep(soak.chance.uniform(0.5, 6))
    await soak.stack.postgres.start()
    await soak.tracks.reconnect()


@dataclass(frozen=True)
class Size:
    """What a worker holds at a moment: KiB of memory, open files, asyncio tasks."""

    memory_kib: int
    files: int
    tasks: int


async def size_of(soak: Soak) -> Size | None:
    """Look at the steady worker; None while it is frozen."""
    try:
        async with httpx.AsyncClient(timeout=1) as http:
            status = (await http.get(soak.health_url)).json()
    except httpx.HTTPError:
        return None
    root = Path(f"/proc/{soak.steady.pid}")
    [memory] = [
        line.split()[1]
        for line in (root / "status").read_text().splitlines()
        if line.startswith("VmRSS")
    ]
    return Size(int(memory), len(list((root / "fd").iterdir())), status["tasks"])


def most_at_once(tasks: Iterable[SimulatedTask]) -> int:
    """The most tasks that ran at one moment, by Mureka's own times."""
    moments = sorted(
        moment for task in tasks for moment in ((task.accepted_at, 1), (task.finished_at, -1))
    )
    most = running = 0
    for _, step in moments:
        running += step
        most = max(most, running)
    return most


async def shown(soak: Soak, began_at: float) -> str:
    """The run in one line."""
    async with soak.database:
        [row] = await soak.tracks.sql(
            "select count(*) filter (where status = 'completed') as completed,"
            " count(*) filter (where status = 'error') as error, count(*) as rows"
            " from public.music_tracks"
        )
    return (
        f"{(time.monotonic() - began_at) / 60:5.1f} min · {row['rows']} rows"
        f" · {row['completed']} completed · {row['error']} in error"
        f" · {len(soak.stack.simulator.account.tasks)} paid"
        f" · {soak.done['kill']} kills · {soak.done['outage']} outages"
    )
