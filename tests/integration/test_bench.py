"""What is measured works: each side of the comparison makes a track, and `music-service bench`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from local_supabase.ports import Ports
from local_supabase.stack import Stack
from tests.bench import beside, kills, sides
from tests.bench.names import LISTEN, OURS, PGQUEUER, POLLING, PROCRASTINATE
from tests.support.fleet import until
from tests.support.programs import Command
from tests.support.project import ROOT, Connection
from tests.support.times import QUICK


@pytest.fixture(scope="module")
async def stack_of_all(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack with all queues on it."""
    data_dir: Path = tmp_path_factory.mktemp("bench")
    async with Stack(
        data_dir, Ports.free(), project_dir=ROOT, times=QUICK, durable=False
    ) as running:
        await sides.install(running)
        yield running


async def test_an_insert_of_each_side_becomes_one_paid_call_and_is_heard_by_a_bare_listen(
    stack_of_all: Stack,
) -> None:
    stack, heard = stack_of_all, beside.Heard()
    stack.simulator.seconds = 3600
    async with beside.waiting_workers(stack, heard), sides.asking(stack) as asking:
        await beside.warm_up(stack, asking)
        found = await beside.rounds_of(stack, asking, heard, rounds=2, inserts=1, gap_seconds=0.1)
    assert set(found) == {OURS, PROCRASTINATE, PGQUEUER, POLLING, LISTEN, beside.CLAIMED}
    assert all(len(values) == 1 for rounds in found.values() for values in rounds)
    assert all(values[0] > 0 for rounds in found.values() for values in rounds)
    prompts = [task["prompt"] for task in stack.simulator.ledger]
    assert len(prompts) == len(set(prompts))


@pytest.mark.timeout(180)
async def test_workers_are_killed_and_every_side_is_judged_by_mureka_s_ledger(
    stack_of_all: Stack,
) -> None:
    async with sides.asking(stack_of_all) as asking:
        found = await kills.paid_under_kills(
            stack_of_all, asking, tracks=3, kills=1, seconds=3, seed=1
        )
    assert set(found) == set(kills.COMPARED)
    assert found[OURS].calls == found[OURS].completed + found[OURS].for_a_person
    for side in (PROCRASTINATE, PGQUEUER):
        assert found[side].completed == found[side].tracks
        assert found[side].per_track >= 1


async def test_bench_says_how_quick_calls_broadcasts_and_the_tracks_of_the_last_day_were(
    command: Command, database: Connection, worker: None
) -> None:
    await database.execute("delete from public.music_tracks")
    await database.execute("insert into public.music_tracks (prompt) values ('measured')")

    async def is_made() -> bool:
        cursor = await database.execute("select status from public.music_tracks")
        return await cursor.fetchall() == [{"status": "completed"}]

    await until(is_made, "the track is made")
    said = await command("bench", "--rounds", "3", "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert {name: each["n"] for name, each in found.items()} == {
        "call": 3,
        "broadcast": 3,
        "pick_up": 1,
        "made": 1,
    }
    assert all(0 < each["p50_ms"] <= each["p99_ms"] for each in found.values())
    words = await command("bench", "--rounds", "1")
    assert words.code == 0
    assert "tracks of the last day, until they were claimed: p50" in words.out


async def test_bench_without_tracks_or_without_a_broadcast_says_none(
    command: Command, stack: Stack, database: Connection
) -> None:
    await database.execute("delete from public.music_tracks")
    said = await command("bench", "--rounds", "1", "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["made"] is None


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"SUPABASE_URL": "http://127.0.0.1:9"}, 1, "does not answer"),
        ({"SUPABASE_SECRET_KEY": "sb_secret_wrong"}, 2, "refuses the call"),
    ],
)
async def test_bench_of_a_project_that_does_not_answer_or_refuses_says_so(
    command: Command, changes: dict[str, str], code: int, words: str
) -> None:
    said = await command("bench", **changes)
    assert said.code == code
    assert words in said.sentence
