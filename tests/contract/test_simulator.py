"""What comes with a song on the simulator, as `lyrics_sections`, files and lyrics of Mureka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import miniaudio
import pytest

from local_supabase.simulator import Simulator, app
from tests.support.mureka import KEY

LYRICS = "[Verse]\nRain on the roof\n\n[Chorus]\nSing with me"
SONG = {"model": "mureka-9", "n": 1, "prompt": "rain", "lyrics": LYRICS}
ACCOMPANIMENT = {"model": "mureka-9", "n": 1, "prompt": "rain"}


@pytest.fixture
async def http(mureka_url: str) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=mureka_url, headers=headers) as client:
        yield client


async def choice_of(http: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    kind = "song" if "lyrics" in body else "instrumental"
    task = (await http.post(f"/v1/{kind}/generate", json=body)).json()
    finished = (await http.get(f"/v1/{kind}/query/{task['id']}")).json()
    choice: dict[str, Any] = finished["choices"][0]
    return choice


async def test_a_song_comes_with_its_words_in_time(http: httpx.AsyncClient) -> None:
    choice = await choice_of(http, SONG)
    sections = choice["lyrics_sections"]
    assert [each["section_type"] for each in sections] == ["intro", "verse", "chorus", "outro"]
    lines = [line for each in sections for line in each.get("lines", [])]
    assert [line["text"] for line in lines] == ["Rain on the roof", "Sing with me"]
    music = miniaudio.decode((await http.get(choice["url"])).content)
    assert lines[-1]["words"][-1]["end"] <= music.num_frames / music.sample_rate * 1000
    assert abs(sections[-1]["end"] - choice["duration"]) <= 1
    assert choice["id"].isdigit()


async def test_an_instrumental_has_sections_without_lines(http: httpx.AsyncClient) -> None:
    sections = (await choice_of(http, ACCOMPANIMENT))["lyrics_sections"]
    assert sections
    assert not any("lines" in each for each in sections)


@pytest.mark.parametrize(
    ("audio_format", "magic", "media_type"),
    [("wav", b"RIFF", "audio/wav"), ("flac", b"fLaC", "audio/flac")],
)
async def test_the_same_music_is_there_without_loss(
    http: httpx.AsyncClient, audio_format: str, magic: bytes, media_type: str
) -> None:
    choice = await choice_of(http, SONG)
    answer = await http.get(choice[f"{audio_format}_url"])
    assert (answer.headers["content-type"], answer.content[:4]) == (media_type, magic)
    music = miniaudio.decode(answer.content)
    assert (music.sample_rate, music.nchannels) == (44_100, 2)
    assert abs(music.num_frames / music.sample_rate * 1000 - choice["duration"]) <= 1
    assert max(music.samples) > 3000, "it cannot be heard"


async def test_files_are_made_only_when_they_are_fetched(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def make(prompt: str, seconds: float, audio_format: str) -> bytes:
        made.append(audio_format)
        return b""

    monkeypatch.setattr(app, "_compose", make)
    monkeypatch.setattr(app, "_compose_lossless", make)
    choice = await choice_of(http, SONG)
    assert made == []
    await http.get(choice["flac_url"])
    assert made == ["flac"]


async def test_lyrics_are_written_at_once_and_charged(
    http: httpx.AsyncClient, simulator: Simulator
) -> None:
    simulator.account.concurrent_request_limit = 0
    answer = await http.post("/v1/lyrics/generate", json={"prompt": "a song about rain"})
    assert answer.status_code == 200
    assert set(answer.json()) == {"title", "lyrics", "trace_id"}
    assert "[Chorus]" in answer.json()["lyrics"]
    [entry] = simulator.ledger
    assert (entry["kind"], entry["model"], entry["price_cents"]) == ("lyrics", None, 0.9)
    assert (await http.get("/v1/account/billing")).json()["total_spending"] == 0.9
    lost = await http.get(f"/v1/lyrics/query/{entry['task_id']}")
    assert lost.status_code == 400, "lyrics are no task that anybody could ask for"
    assert (await http.get(f"/audio/{entry['task_id']}.mp3")).status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("lyrics", {}, "prompt is required"),
        ("lyrics", {"prompt": " "}, "prompt is required"),
        ("lyrics", {"prompt": 5}, "prompt is required"),
        ("lyrics", {"prompt": "x" * 1025}, "too long"),
        ("lyrics", [], "not a JSON object"),
        ("song", SONG | {"gender": "other"}, "female or male"),
        ("song", SONG | {"gender": ""}, "female or male"),
        ("song", SONG | {"gender": ["female"]}, "female or male"),
        ("song", SONG | {"model": "mureka-6"}, "model does not exist"),
        ("song", SONG | {"model": ["auto"]}, "model does not exist"),
        ("instrumental", ACCOMPANIMENT | {"gender": "female"}, "songs only"),
        ("instrumental", ACCOMPANIMENT | {"model": "mureka-o2"}, "songs only"),
    ],
)
async def test_what_mureka_refuses_is_refused_and_costs_nothing(
    http: httpx.AsyncClient, simulator: Simulator, path: str, body: Any, words: str
) -> None:
    answer = await http.post(f"/v1/{path}/generate", json=body)
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]
    assert simulator.ledger == []


@pytest.mark.parametrize(
    ("model", "price_cents"),
    [
        ("mureka-7.6", 3.0),
        ("mureka-8", 4.5),
        ("mureka-9", 4.5),
        ("mureka-9.5", 15.0),
        ("mureka-o2", 15.0),
        ("auto", 15.0),
    ],
)
async def test_each_model_sings_with_both_voices_at_its_price(
    http: httpx.AsyncClient, simulator: Simulator, model: str, price_cents: float
) -> None:
    for gender in ("female", "male"):
        await choice_of(http, SONG | {"model": model, "gender": gender})
    assert [entry["price_cents"] for entry in simulator.ledger] == [price_cents] * 2


@pytest.mark.parametrize(
    ("lacking", "field"),
    [("words", "lyrics_sections"), ("song_id", "id"), ("wav", "wav_url"), ("flac", "flac_url")],
)
async def test_what_comes_with_a_song_can_be_missing(
    http: httpx.AsyncClient, simulator: Simulator, lacking: str, field: str
) -> None:
    simulator.faults.plan(on="task", lacks=[lacking])
    spoiled, whole = await choice_of(http, SONG), await choice_of(http, SONG)
    assert set(whole) - set(spoiled) == {field}


@pytest.mark.parametrize("how", ["out_of_order", "beyond_the_end", "wrong_types"])
async def test_words_can_make_no_sense(
    http: httpx.AsyncClient, simulator: Simulator, how: str
) -> None:
    simulator.faults.plan(on="task", words=how)
    choice = await choice_of(http, SONG)
    word = choice["lyrics_sections"][1]["lines"][0]["words"][0]
    start, end = word["start"], word["end"]
    if how == "out_of_order":
        assert start > end
    elif how == "beyond_the_end":
        assert choice["duration"] < start < end
    else:
        assert (type(start), type(end)) == (str, list)


@pytest.mark.parametrize("audio_format", ["wav", "flac"])
async def test_each_file_can_be_spoiled_by_itself(
    http: httpx.AsyncClient, simulator: Simulator, audio_format: str
) -> None:
    choice = await choice_of(http, SONG)
    url = choice[f"{audio_format}_url"]
    simulator.faults.plan(on=audio_format, status=404)
    assert (await http.get(choice["url"])).status_code == 200
    assert (await http.get(url)).status_code == 404
    simulator.faults.plan(on=audio_format, audio="truncated")
    with pytest.raises(httpx.RemoteProtocolError):
        await http.get(url)
    assert (await http.get(url)).status_code == 200


async def test_the_call_for_lyrics_can_fail_in_every_way(
    http: httpx.AsyncClient, simulator: Simulator
) -> None:
    async def ask() -> httpx.Response:
        return await http.post("/v1/lyrics/generate", json={"prompt": "rain"})

    simulator.faults.plan(on="lyrics", status=429, message="Rate limit reached")
    assert (await ask()).status_code == 429
    simulator.faults.plan(on="lyrics", delay_seconds=600)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ask(), 0.2)
    assert simulator.ledger == []
    simulator.faults.plan(on="lyrics", drop="after")
    with pytest.raises(httpx.RemoteProtocolError):
        await ask()
    assert len(simulator.ledger) == 1
    simulator.faults.plan(on="lyrics", lyrics="empty")
    assert set((await ask()).json()) == {"trace_id"}
    simulator.faults.plan(on="lyrics", lyrics="too_long")
    assert len((await ask()).json()["lyrics"]) > 5000
    assert len(simulator.ledger) == 3
    simulator.faults.plan(on="submit", status=503)
    assert (await ask()).status_code == 200, "a fault of the submit is none of the lyrics"


async def test_a_restarted_simulator_has_the_same_words(
    simulator: Simulator, http: httpx.AsyncClient, tmp_path: Any
) -> None:
    first = Simulator(KEY, 0.0, tmp_path, music_seconds=5)
    transport = httpx.ASGITransport(app=first.app)
    headers = {"authorization": f"Bearer {KEY}"}
    first.faults.plan(on="task", lacks=["wav"])
    async with httpx.AsyncClient(
        transport=transport, base_url="http://simulator", headers=headers
    ) as before:
        choice = await choice_of(before, SONG)
        await before.post("/v1/lyrics/generate", json={"prompt": "rain"})
    second = Simulator(KEY, 0.0, tmp_path, music_seconds=5)
    assert second.ledger == first.ledger
    transport = httpx.ASGITransport(app=second.app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://simulator", headers=headers
    ) as after:
        task_id = second.ledger[0]["task_id"]
        again = (await after.get(f"/v1/song/query/{task_id}")).json()["choices"][0]
    assert again == choice
    assert "wav_url" not in again
