"""A database that goes back: what docs/deploying.md says becomes of each track."""

from __future__ import annotations

import asyncio
import re
import signal
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

from local_supabase.postgres import binaries
from local_supabase.stack import Stack
from tests.support.fleet import Fleet, until
from tests.support.project import ROOT
from tests.support.tracks import Tracks

SCHEMAS = ("--schema=public", "--schema=music")


@dataclass(frozen=True)
class Restored:
    """Tracks by what they were at the moment of the backup; all were completed after it."""

    completed: uuid.UUID
    submitted: uuid.UUID
    pending: uuid.UUID
    later: uuid.UUID


@pytest.fixture
async def restored(stack: Stack, tracks: Tracks, fleet: Fleet, tmp_path: Path) -> Restored:
    """A backup was taken, music was made and paid for, the workers stopped, the backup is back."""
    worker = await fleet.start("before")
    completed = await tracks.ask()
    await tracks.ends(completed)
    stack.simulator.seconds = 60
    submitted = await tracks.ask()
    await until(lambda: _has_receipt(tracks, submitted), "it is submitted")
    await tracks.sql("update music.settings set paused = true")
    pending = await tracks.ask()
    await backup(stack, tmp_path / "dump")
    await tracks.sql("update music.settings set paused = false")
    stack.simulator.seconds = 0.5
    for task in stack.simulator.account.tasks.values():
        task.seconds = 0.5
    later = await tracks.ask()
    for track_id in (submitted, pending, later):
        assert (await tracks.ends(track_id))["status"] == "completed"
        assert await tracks.paid(track_id) == 1
    worker.send(signal.SIGTERM)
    assert await worker.ended() == 0
    await restore(stack, tracks, tmp_path / "dump")
    await tracks.sql("update music.settings set paused = false")
    return Restored(completed, submitted, pending, later)


async def _has_receipt(tracks: Tracks, track_id: uuid.UUID) -> bool:
    return bool(await tracks.events(track_id, "receipt"))


async def backup(stack: Stack, path: Path) -> None:
    await _run("pg_dump", *SCHEMAS, "--data-only", "-Fc", "-f", str(path), stack.admin_database_url)


async def restore(stack: Stack, tracks: Tracks, path: Path) -> None:
    async with stack.database.administrator() as administrator:
        tables = await tracks.sql(
            "select format('%I.%I', schemaname, tablename) as name from pg_tables"
            " where schemaname in ('public', 'music')"
        )
        names = ", ".join(str(table["name"]) for table in tables)
        emptied = f"set session_replication_role = replica; truncate {names};"
        await administrator.execute(emptied.encode())
        await administrator.execute(b"reset session_replication_role")
    await _run(
        *("pg_restore", "--data-only", "--disable-triggers", "-d", stack.admin_database_url),
        str(path),
    )


async def _run(program: str, *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(str(binaries() / program), *arguments), stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()


def put_aside() -> str:
    """The statement that docs/operating.md gives for it."""
    page = (ROOT / "docs" / "operating.md").read_text()
    [statement] = re.findall(
        r"```sql\n(.*?)```", page.partition("## Back up and restore")[2], re.DOTALL
    )
    return str(statement)


async def test_after_putting_aside_nothing_is_paid_for_again_until_somebody_asks(
    stack: Stack, tracks: Tracks, fleet: Fleet, restored: Restored
) -> None:
    paid = len(stack.simulator.account.tasks)
    await tracks.sql(put_aside())
    worker = await fleet.start("after")
    probe = await tracks.ask()
    assert (await tracks.ends(probe))["status"] == "completed"
    assert len(stack.simulator.account.tasks) == paid + 1
    assert (await tracks.row(restored.completed))["status"] == "completed"
    for track_id in (restored.submitted, restored.pending):
        assert (await tracks.row(track_id))["error_code"] == "cancelled"
    assert not await tracks.sql("select from public.music_tracks where id = %s", restored.later), (
        "it is forgotten"
    )

    for track_id, calls in ((restored.submitted, 1), (restored.pending, 2)):
        await tracks.sql(
            "update public.music_tracks set status = 'pending' where id = %s", track_id
        )
        await tracks.leaves_error(track_id)
        assert (await tracks.ends(track_id))["status"] == "completed"
        assert await tracks.paid(track_id) == calls
    assert worker.exit_code is None


async def test_left_alone_what_was_pending_is_paid_for_once_more_and_what_had_a_receipt_is_not(
    tracks: Tracks, fleet: Fleet, restored: Restored
) -> None:
    await fleet.start("after")
    for track_id, calls in ((restored.submitted, 1), (restored.pending, 2)):
        assert (await tracks.ends(track_id))["status"] == "completed"
        assert await tracks.paid(track_id) == calls
    assert await tracks.paid(restored.completed) == 1
