"""A worker as a program, asked for its numbers while it works: they are those of the database."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from local_supabase.ports import HOST, Ports
from local_supabase.stack import Stack
from tests.support.fleet import Fleet, fleet_of, until
from tests.support.programs import Command
from tests.support.tracks import Tracks

PROMTOOL = shutil.which("promtool")


@pytest.fixture
async def tracks(stack: Stack) -> AsyncIterator[Tracks]:
    found = await Tracks.of(stack, max_concurrent=None, daily_budget_cents=None, paused=False)
    await found.sql("delete from public.music_tracks")
    yield found
    await found.close()


@pytest.fixture
async def fleet(stack: Stack) -> AsyncIterator[Fleet]:
    async with fleet_of(stack) as running:
        yield running


def samples(text: str) -> dict[str, float]:
    return {
        " ".join([sample.name.removeprefix("music_"), *map(str, sample.labels.values())]): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def check(text: str) -> None:
    """What Prometheus' own tool says of it, where it is installed: nothing."""
    if PROMTOOL is not None:
        found = subprocess.run(
            [PROMTOOL, "check", "metrics"], input=text, capture_output=True, text=True, check=False
        )
        assert (found.returncode, found.stdout + found.stderr) == (0, "")


async def test_the_numbers_of_a_worker_are_those_of_the_database(
    stack: Stack, tracks: Tracks, fleet: Fleet
) -> None:
    port = Ports.free().gateway
    worker = await fleet.start("counted", HEALTH_PORT=f"{port}", MUSIC_LEASE_SECONDS="30")
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{port}", trust_env=False) as http:

        async def scraped() -> dict[str, float]:
            return samples((await http.get("/metrics")).raise_for_status().text)

        assert (await http.get("/healthz")).status_code == 200
        stack.simulator.seconds, before = 2, stack.simulator.seconds
        ids = [await tracks.ask() for _ in range(3)]
        stack.faults.simulator.plan(on="task", outcome="failed", match="unlucky")
        ids.append(await tracks.ask("unlucky"))

        async def are_running() -> bool:
            return (await scraped())["tracks_running"] == 4

        await until(are_running, "four tracks are being made")
        stack.simulator.seconds = before
        rows = [await tracks.ends(track_id) for track_id in ids]

        async def are_counted() -> bool:
            found = await scraped()
            return found["tracks_running"] == 0

        await until(are_counted, "no track is being made")
        ready = await http.get("/readyz")
        text = (await http.get("/metrics")).text
    found = samples(text)
    check(text)
    assert (ready.status_code, ready.json()["reasons"]) == (200, [])
    assert [row["status"] for row in rows] == ["completed"] * 3 + ["error"]
    [ledger] = await tracks.sql(
        "select count(*)::float as calls, sum(expected_cost_cents)::float as cents"
        " from music.generations where state <> 'refused' and track_id = any (%s)",
        ids,
    )
    assert found["tracks_finished_total none completed"] == 3
    assert found[f"tracks_finished_total {rows[3]['error_code']} error"] == 1
    assert found["submissions_total accepted mureka-9"] == ledger["calls"] == 4
    assert found["cost_cents_total mureka-9"] == ledger["cents"]
    assert found["pick_up_seconds_count"] == 4
    assert found["track_seconds_count"] == found["delivery_seconds_count"] == 3
    assert found["first_sound_seconds_count"] in (3, 4)  # what failed may have streamed before
    assert found["generation_seconds_count mureka-9"] == 3
    [times] = await tracks.sql(
        "select sum(extract(epoch from completed_at - created_at))::float as seconds"
        " from public.music_tracks where status = 'completed' and id = any (%s)",
        ids,
    )
    assert found["track_seconds_sum"] == pytest.approx(times["seconds"], abs=1.5)
    assert found["worker_state running"] == found["realtime_up"] == 1
    assert found["supabase_requests_total 2xx complete_music_track"] == 3
    assert found["supabase_requests_total 2xx begin_music_generation"] == 4
    assert found["supabase_requests_total 2xx storage"] >= 3
    assert found["provider_answers_total 2xx"] >= 8
    assert worker.exit_code is None


async def test_the_cost_is_what_the_database_says_of_the_model(
    stack: Stack, tracks: Tracks, fleet: Fleet
) -> None:
    await tracks.sql(
        "update music.settings set model_prices_cents = model_prices_cents || '{\"mureka-8\": 7}'"
    )
    port = Ports.free().gateway
    await fleet.start("counted", HEALTH_PORT=f"{port}")
    [row] = await tracks.sql(
        "insert into public.music_tracks (prompt, model) values ('dear', 'mureka-8') returning id"
    )
    await tracks.ends(row["id"])
    async with httpx.AsyncClient(trust_env=False) as http:
        found = samples((await http.get(f"http://{HOST}:{port}/metrics")).text)
    await tracks.sql(
        "update music.settings set model_prices_cents = model_prices_cents || '{\"mureka-8\": 4.5}'"
    )
    assert found["cost_cents_total mureka-8"] == 7


async def test_the_numbers_of_the_fleet_are_printed_without_any_worker(
    tracks: Tracks, command: Command
) -> None:
    await tracks.sql("update music.settings set daily_budget_cents = 1234")
    for _ in range(3):
        await tracks.ask()
    said = await command("metrics")
    await tracks.sql("update music.settings set daily_budget_cents = null")
    assert (said.code, said.err) == (0, "")
    check(said.out)
    found = samples(said.out)
    [health] = await tracks.sql("select * from public.music_queue_health")
    assert found["fleet_due"] == found["fleet_pending"] == 3
    assert found["fleet_budget_cents"] == 1234
    assert found["fleet_spent_cents"] == float(health["spent_today_cents"])
    assert found["fleet_workers_alive"] == health["workers_alive"]
    assert 0 < found["fleet_oldest_seconds"] < 120
    assert found["fleet_waiting worker"] == 3


async def test_a_port_that_is_taken_ends_the_worker_with_a_sentence(command: Command) -> None:
    server = await asyncio.start_server(lambda *_: None, HOST, 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        said = await command("run", HEALTH_PORT=f"{port}")
        by_platform = await command("run", PORT=f"{port}")
    for each in (said, by_platform):
        assert each.code == 2
        assert each.sentence == (
            f"error: Port {port} is taken or not allowed; choose another by HEALTH_PORT."
        )


async def test_it_listens_where_it_is_told(fleet: Fleet) -> None:
    port = Ports.free().gateway
    await fleet.start("here", PORT=f"{port}", HEALTH_HOST="127.0.0.2")
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(f"http://127.0.0.2:{port}/healthz")).status_code == 200
        with pytest.raises(httpx.ConnectError):
            await http.get(f"http://127.0.0.1:{port}/healthz")
