"""Each track is one trace, whoever has it in the course of time."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from local_supabase.stack import Stack
from tests.support.fleet import Fleet, until
from tests.support.otlp import Collector, Span, collecting
from tests.support.tracks import Tracks

SECRET_WORDS = "a tango that nobody may read"


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with collecting() as running:
        yield running


def tracing(collector: Collector) -> dict[str, str]:
    """The variables of a worker that sends its spans at once."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "MUSIC_LEASE_SECONDS": "6",  # none is lost because the machine is busy
    }


async def whole(collector: Collector, track_id: object, roots: int = 1) -> list[Span]:
    """Wait until the track's trace has ended; answers its spans."""

    async def has_ended() -> bool:
        return [span.name for span in collector.of(track_id)].count("track") == roots

    await until(has_ended, "the root of the trace was sent")
    return collector.of(track_id)


async def test_a_track_that_is_taken_over_is_one_trace_from_insert_to_end(
    stack: Stack, tracks: Tracks, fleet: Fleet, collector: Collector
) -> None:
    doomed = await fleet.start("doomed", **tracing(collector))
    held = stack.faults.mureka.hold_before("/query/")
    asked_at = time.time()
    track_id = await tracks.ask(SECRET_WORDS)
    await held.reached.wait()

    async def has_submitted() -> bool:
        return "submit" in [span.name for span in collector.of(track_id)]

    await until(has_submitted, "the paid call was traced")
    await doomed.kill()
    stack.faults.mureka.clear()
    heir = await fleet.start("heir", **tracing(collector))
    assert (await tracks.ends(track_id))["status"] == "completed"
    spans = await whole(collector, track_id)
    assert len({span.trace_id for span in spans}) == 1
    [root] = [span for span in spans if span.name == "track"]
    children = [span for span in spans if span is not root]
    assert root.parent_id == ""
    assert {span.parent_id for span in children} == {root.span_id}
    by_worker = {
        worker.worker_id: [span.name for span in children if span.worker == worker.worker_id]
        for worker in (doomed, heir)
    }
    assert by_worker == {
        doomed.worker_id: ["claim", "submit"],
        heir.worker_id: ["claim", "poll", "deliver"],
    }
    assert root.worker == heir.worker_id
    assert root.attributes["music.outcome"] == "completed"
    assert abs(root.began_at - asked_at) < 1
    assert all(root.began_at - 0.1 <= s.began_at <= s.ended_at <= root.ended_at for s in children)
    [paid] = [span for span in children if span.name == "submit"]
    assert paid.attributes["music.fate"] == "accepted"
    assert paid.attributes["music.expected_cost_cents"] == 4.5
    assert not any(span.is_error for span in spans)
    for word in (SECRET_WORDS, "tango", stack.keys.secret, stack.simulator_url, "/storage/"):
        assert word.encode() not in collector.raw


async def test_what_fails_is_marked_and_a_retry_is_another_trace(
    stack: Stack, tracks: Tracks, fleet: Fleet, collector: Collector
) -> None:
    await fleet.start("worker", **tracing(collector))
    stack.faults.simulator.plan(on="submit", status=451, message=f"No {SECRET_WORDS}")
    track_id = await tracks.ask()
    assert (await tracks.ends(track_id))["error_code"] == "moderation_blocked"
    failed = await whole(collector, track_id)
    await tracks.sql("update public.music_tracks set status = 'pending' where id = %s", track_id)
    assert (await tracks.ends(track_id))["status"] == "completed"
    spans = await whole(collector, track_id, roots=2)
    first, second = (
        [span for span in spans if span.trace_id == trace_id]
        for trace_id in dict.fromkeys(span.trace_id for span in spans)
    )
    assert {span.span_id for span in first} == {span.span_id for span in failed}
    marked = {span.name: span.attributes.get("music.error") for span in first if span.is_error}
    assert marked == {"submit": "moderation_blocked", "track": "moderation_blocked"}
    assert [span.name for span in second if span.is_error] == []
    names = Counter(span.name for span in second)
    assert names == Counter(["track", "claim", "submit", "poll", "deliver"])
    assert SECRET_WORDS.encode() not in collector.raw


async def test_a_place_for_traces_that_does_not_answer_holds_nothing_up(
    tracks: Tracks, fleet: Fleet
) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    worker = await fleet.start(
        "worker", OTEL_EXPORTER_OTLP_ENDPOINT=url, OTEL_BSP_SCHEDULE_DELAY="50"
    )
    track_id = await tracks.ask()
    assert (await tracks.ends(track_id))["status"] == "completed"
    worker.send(signal.SIGTERM)
    assert await worker.ended() == 0
    events = [line["event"] for line in worker.log]
    assert events[-1] == "stopped"
    server.close()
