"""The client against the simulator: the whole way, and every row of the error table."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from pathlib import Path
from typing import Any

import httpx
import miniaudio
import pytest

from local_supabase.ports import Ports
from local_supabase.simulator import Simulator
from music_service.errors import (
    ContractError,
    MusicServiceError,
    OverdueError,
    PermanentError,
    ProviderBlockedError,
    RateLimitedError,
    SubmissionUnknownError,
    TransientError,
)
from music_service.mureka.client import MurekaClient, connect_mureka
from music_service.mureka.http import Http
from music_service.tracks import Track, request_for
from tests.support.mureka import KEY

QUOTA = "You exceeded your current quota, please check your billing details"


def a_request(prompt: str = "rain", lyrics: str | None = None, *, stream: bool = True) -> Any:
    track = Track(id=uuid.uuid4(), user_id=None, prompt=prompt, lyrics=lyrics)
    return request_for(track, model="mureka-9", stream=stream)


def of(client: httpx.AsyncClient) -> Http:
    return Http(client, api_key=KEY, base_url="http://simulator")


@pytest.mark.parametrize(("lyrics", "kind"), [(None, "instrumental"), ("La la la", "song")])
async def test_a_paid_call_becomes_one_playable_piece_that_is_paid_for_once(
    mureka: MurekaClient, simulator: Simulator, tmp_path: Path, lyrics: str | None, kind: Any
) -> None:
    submission = await mureka.submit(a_request(lyrics=lyrics))
    assert submission.task_id.isdigit()
    assert submission.trace_id
    task = await mureka.poll(kind, submission.task_id)
    assert task.is_succeeded
    assert task.audio is not None
    path = tmp_path / "music.mp3"
    download = await mureka.download(task.audio.url, path, max_bytes=10_000_000)
    assert download.size_bytes == path.stat().st_size
    sound = miniaudio.mp3_get_file_info(str(path))
    assert (sound.sample_rate, sound.nchannels) == (44_100, 2)
    assert task.audio.duration_ms is not None
    assert abs(sound.duration * 1000 - task.audio.duration_ms) < 150
    assert abs(download.duration_ms - task.audio.duration_ms) < 150
    [entry] = simulator.ledger
    assert (entry["kind"], entry["price_cents"]) == (kind, 4.5)


async def test_each_prompt_has_its_own_music_and_the_same_prompt_the_same(
    mureka: MurekaClient, tmp_path: Path
) -> None:
    contents = []
    for prompt in ("rain", "sun", "rain"):
        submission = await mureka.submit(a_request(prompt))
        task = await mureka.poll("instrumental", submission.task_id)
        assert task.audio is not None
        await mureka.download(task.audio.url, tmp_path / "m.mp3", max_bytes=10_000_000)
        contents.append((tmp_path / "m.mp3").read_bytes())
    assert contents[0] == contents[2] != contents[1]
    decoded = miniaudio.decode(contents[0])
    assert max(decoded.samples) > 3000, "it cannot be heard"


async def test_a_task_goes_through_its_stages_and_streams_only_when_asked_to(
    mureka: MurekaClient, simulator: Simulator
) -> None:
    simulator.seconds = 1.0
    with_stream = await mureka.submit(a_request())
    without = await mureka.submit(a_request(stream=False))
    seen: dict[str, list[str]] = {with_stream.task_id: [], without.task_id: []}
    stream_urls = set()
    while True:
        tasks = [await mureka.poll("instrumental", task_id) for task_id in seen]
        for task in tasks:
            if task.status not in seen[task.task_id]:
                seen[task.task_id].append(task.status)
            stream_urls.add(task.stream_url)
        if all(task.is_succeeded or task.is_failed for task in tasks):
            break
        await asyncio.sleep(0.02)
    stages = ["preparing", "queued", "running", "streaming", "succeeded"]
    assert seen[with_stream.task_id] == [s for s in stages if s in seen[with_stream.task_id]]
    assert "streaming" in seen[with_stream.task_id]
    assert "streaming" not in seen[without.task_id]
    [stream_url] = stream_urls - {None}
    async with httpx.AsyncClient() as http:
        assert (await http.get(stream_url or "")).headers["content-type"] == "audio/mpeg"


@pytest.mark.parametrize(
    ("fault", "expected", "code"),
    [
        ({"status": 400}, PermanentError, "invalid_request"),
        ({"status": 401}, ProviderBlockedError, "provider_auth"),
        ({"status": 403}, ProviderBlockedError, "provider_auth"),
        ({"status": 429, "message": QUOTA}, ProviderBlockedError, "quota_exhausted"),
        (
            {"status": 429, "message": "Rate limit reached for requests"},
            RateLimitedError,
            "rate_limited",
        ),
        (
            {"status": 429, "message": "Too many concurrent requests"},
            RateLimitedError,
            "rate_limited",
        ),
        ({"status": 451}, PermanentError, "moderation_blocked"),
        ({"status": 500}, SubmissionUnknownError, "submission_unknown"),
        ({"status": 502}, SubmissionUnknownError, "submission_unknown"),
        ({"status": 504}, SubmissionUnknownError, "submission_unknown"),
        ({"status": 503}, TransientError, "provider_unavailable"),
        ({"drop": "before"}, SubmissionUnknownError, "submission_unknown"),
        ({"drop": "after"}, SubmissionUnknownError, "submission_unknown"),
        ({"garbage": True}, SubmissionUnknownError, "submission_unknown"),
    ],
)
async def test_every_way_a_submission_fails_has_its_class(
    mureka: MurekaClient,
    simulator: Simulator,
    fault: dict[str, Any],
    expected: type[MusicServiceError],
    code: str,
) -> None:
    simulator.faults.plan(on="submit", **fault)
    with pytest.raises(expected) as failure:
        await mureka.submit(a_request())
    assert type(failure.value) is expected
    assert failure.value.code == code
    assert KEY not in str(failure.value)
    accepted = ("drop" in fault and fault["drop"] == "after") or "garbage" in fault
    assert len(simulator.ledger) == accepted


async def test_retry_after_is_honoured(mureka: MurekaClient, simulator: Simulator) -> None:
    simulator.faults.plan(on="submit", status=429, message="Rate limit reached", retry_after="7")
    with pytest.raises(RateLimitedError) as failure:
        await mureka.submit(a_request())
    assert failure.value.retry_after_seconds == 7


async def test_a_server_that_is_not_there_certainly_accepted_nothing() -> None:
    async with connect_mureka(KEY, f"http://127.0.0.1:{Ports.free().simulator}") as nobody:
        with pytest.raises(TransientError):
            await nobody.submit(a_request())


async def test_a_paid_call_never_goes_over_a_connection_that_was_used_before() -> None:
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b'"stream":true}')
                body = b'{"id":"1","status":"preparing"}'
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, connect_mureka(KEY, url) as client:
        for _ in range(3):
            await client.submit(a_request())
    assert connections == 3


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"status": 400}, PermanentError),
        ({"status": 401}, ProviderBlockedError),
        ({"status": 429, "message": "Rate limit reached"}, RateLimitedError),
        ({"status": 451}, TransientError),
        ({"status": 500}, TransientError),
        ({"status": 503}, TransientError),
        ({"drop": "after"}, TransientError),
        ({"garbage": True}, ContractError),
    ],
)
async def test_every_way_a_poll_fails_has_its_class(
    mureka: MurekaClient,
    simulator: Simulator,
    fault: dict[str, Any],
    expected: type[MusicServiceError],
) -> None:
    submission = await mureka.submit(a_request())
    simulator.faults.plan(on="poll", **fault)
    with pytest.raises(expected) as failure:
        await mureka.poll("instrumental", submission.task_id)
    assert type(failure.value) is expected


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"audio": "truncated"}, TransientError),
        ({"audio": "not_audio"}, OverdueError),
        ({"audio": "tiny"}, OverdueError),
        ({"status": 500}, TransientError),
        ({"status": 404}, OverdueError),
    ],
)
async def test_audio_that_is_none_is_refused(
    mureka: MurekaClient,
    simulator: Simulator,
    tmp_path: Path,
    fault: dict[str, Any],
    expected: type[MusicServiceError],
) -> None:
    submission = await mureka.submit(a_request())
    task = await mureka.poll("instrumental", submission.task_id)
    assert task.audio is not None
    simulator.faults.plan(on="audio", **fault)
    with pytest.raises(expected):
        await mureka.download(task.audio.url, tmp_path / "m.mp3", max_bytes=10_000_000)


async def test_the_account_is_shown_and_a_wrong_key_refused(
    mureka: MurekaClient, mureka_url: str
) -> None:
    before = await mureka.billing()
    await mureka.submit(a_request())
    after = await mureka.billing()
    assert before.balance_cents - after.balance_cents == pytest.approx(4.5)
    assert after.concurrent_request_limit == 25
    async with connect_mureka("other", mureka_url) as stranger:
        with pytest.raises(ProviderBlockedError):
            await stranger.billing()


async def test_the_limit_of_unfinished_tasks_is_of_the_account(
    mureka: MurekaClient, simulator: Simulator
) -> None:
    simulator.seconds, simulator.account.concurrent_request_limit = 60, 2
    for _ in range(2):
        await mureka.submit(a_request())
    with pytest.raises(RateLimitedError):
        await mureka.submit(a_request())
    assert len(simulator.ledger) == 2


async def test_a_restarted_simulator_knows_its_tasks_and_its_ledger(tmp_path: Path) -> None:
    first = Simulator(KEY, 0.0, tmp_path, music_seconds=5)
    transport = httpx.ASGITransport(app=first.app)
    async with httpx.AsyncClient(transport=transport) as http:
        submission = await MurekaClient(of(http)).submit(a_request())
    second = Simulator(KEY, 0.0, tmp_path, music_seconds=5)
    assert second.ledger == first.ledger
    transport = httpx.ASGITransport(app=second.app)
    async with httpx.AsyncClient(transport=transport) as http:
        again = MurekaClient(of(http))
        assert (await again.poll("instrumental", submission.task_id)).is_succeeded


async def test_faults_can_be_planned_and_the_ledger_read_over_http(mureka_url: str) -> None:
    headers = {"authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=mureka_url, headers=headers) as http:
        planned = {"on": "submit", "status": 503, "match": "unlucky"}
        assert (await http.post("/_simulator/faults", json=planned)).status_code == 204
        body = {"model": "mureka-9", "n": 1, "prompt": "unlucky"}
        lucky = await http.post("/v1/instrumental/generate", json=body | {"prompt": "lucky"})
        assert lucky.status_code == 200
        assert (await http.post("/v1/instrumental/generate", json=body)).status_code == 503
        assert (await http.post("/v1/instrumental/generate", json=body)).status_code == 200
        assert len((await http.get("/_simulator/ledger")).json()) == 2
        assert (await http.post("/_simulator/faults", json={"on": "lunch"})).status_code == 400


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"model": "mureka-9"}, "prompt"),
        ({"model": "mureka-9", "prompt": "x" * 1025}, "too long"),
        ({"model": "mureka-99", "prompt": "x"}, "model"),
        ({"model": "mureka-9", "prompt": "x", "n": 4}, "between 1 and 3"),
    ],
)
async def test_the_simulator_refuses_what_mureka_refuses(
    mureka_url: str, body: dict[str, Any], words: str
) -> None:
    headers = {"authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=mureka_url, headers=headers) as http:
        answer = await http.post("/v1/instrumental/generate", json=body)
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]
    assert answer.json()["trace_id"]
