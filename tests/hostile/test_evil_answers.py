"""The client among answers that mean harm: each has an error of ours, in time and in bounds."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import tracemalloc
import uuid
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from music_service.errors import (
    ContractError,
    LateAudioError,
    MusicServiceError,
    OverdueError,
    SubmissionUnknownError,
    TransientError,
)
from music_service.mureka import http as door
from music_service.mureka.client import MurekaClient, connect_mureka
from music_service.mureka.http import Http
from music_service.redact import keep_secret
from music_service.tracks import AudioFormat, Track, request_for
from tests.support.evil_provider import (
    Attack,
    EvilProvider,
    Send,
    answers,
    bomb,
    endless,
    finished,
    flac,
    hangs_up,
    head,
    leads_to,
    music,
    says_nothing,
    sends,
    serving,
    trickles,
    wav,
)
from tests.support.mureka import KEY

SOON = 1.0  # how long a call may take where it would go on without end
MEGABYTE = 1 << 20
JSON = "content-type: application/json"


@contextlib.asynccontextmanager
async def facing(
    seconds: float = 20, **what: Send
) -> AsyncIterator[tuple[MurekaClient, EvilProvider]]:
    billing = what.pop("billing", None)
    async with serving({"a": Attack(**what)}) as provider, httpx.AsyncClient() as http:
        provider.billing = billing
        calls = Http(
            http,
            api_key=KEY,
            base_url=provider.root,
            paid_seconds=seconds,
            free_seconds=seconds,
        )
        yield MurekaClient(calls), provider


def a_request() -> Any:
    track = Track(id=uuid.uuid4(), user_id=None, prompt="rain [a]")
    return request_for(track, model="mureka-9", stream=True)


UNUSABLE: dict[str, Send] = {
    "silence": says_nothing,
    "hung up": hangs_up,
    "a head that trickles": trickles(b"HTTP/1.1 200 OK\r\nx-odd: "),
    "a body that trickles": trickles(head(200, "content-length: 5000")),
    "a body that trickles without a length": trickles(head(200)),
    "chunks that trickle": trickles(head(200, "transfer-encoding: chunked") + b"fff\r\n"),
    "interim answers without end": endless(piece=b"HTTP/1.1 103 Early\r\n\r\n" * 100),
    "endless zeros": endless(JSON),
    "endless spaces": endless(JSON, piece=b" " * 65536),
    "a bomb": sends(bomb(64), "content-encoding: gzip"),
    "a bomb in a bomb": sends(bomb(64, 2), "content-encoding: gzip, gzip"),
    "brotli": sends(b"{}", "content-encoding: br"),
    "gzip that is none": sends(b"{}", "content-encoding: gzip"),
    "half a gzip": sends(gzip.compress(b'{"id": "t0"}')[:-9], "content-encoding: gzip"),
    "a length that is none": sends(b"{}", "content-length: -5", measured=False),
    "two lengths": sends(b"{}", "content-length: 5"),
    "no HTTP": lambda writer, _: _written(writer, b"SSH-2.0-OpenSSH\r\n"),
    "cut": sends(b'{"id": "t0"', "content-length: 500", measured=False),
    "an odd redirect": leads_to("http://[::1"),
    "nothing": answers(""),
    "no JSON": answers("<html>502</html>"),
    "a list": answers([]),
    "no id": answers({"id": ""}),
    "an odd id": answers({"id": "<script>"}),
    "an id of a path": answers({"id": ".."}),
    "an id of 400 digits": answers('{"id": ' + "9" * 400 + "}"),
    "an id of 100,000 digits": answers('{"id": ' + "9" * 100_000 + "}"),
    "depth": answers('{"id": ' + "[" * 100_000),
    "half a character": answers('{"id": "\\ud800"}'),
}


async def _written(writer: asyncio.StreamWriter, content: bytes) -> None:
    writer.write(content)
    await writer.drain()


@pytest.mark.parametrize("name", UNUSABLE)
async def test_a_paid_call_with_a_bad_answer_is_unknown_and_sent_once(name: str) -> None:
    async with facing(SOON, submit=UNUSABLE[name]) as (client, provider):
        with pytest.raises(SubmissionUnknownError):
            await asyncio.wait_for(client.submit(a_request()), 20)
        assert provider.paid["a"] == 1


@pytest.mark.parametrize("name", [name for name in UNUSABLE if " id" not in name])
async def test_a_call_for_lyrics_with_a_bad_answer_is_unknown_and_sent_once(name: str) -> None:
    async with facing(SOON, lyrics=UNUSABLE[name]) as (client, provider):
        with pytest.raises(SubmissionUnknownError):
            await asyncio.wait_for(client.write_lyrics("rain [a]"), 20)
        assert provider.paid["a"] == 1


async def test_a_key_of_ours_is_no_receipt() -> None:
    key = f"{KEY}-4711-secret"
    keep_secret(key)
    async with facing(submit=answers({"id": key})) as (client, _):
        with pytest.raises(SubmissionUnknownError):
            await client.submit(a_request())


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": "none"},
        {"choices": [None, 5, "x"]},
        {"status": ["preparing"]},
        {"created_at": {}, "finished_at": "soon"},
        {"trace_id": [1], "failed_reason": {"a": "b"}},
    ],
)
async def test_a_receipt_is_one_whatever_else_is_in_the_answer(odd: dict[str, Any]) -> None:
    async with facing(submit=answers({"id": "t0"} | odd)) as (client, _):
        assert (await client.submit(a_request())).task_id == "t0"


@pytest.mark.parametrize("name", UNUSABLE)
async def test_a_poll_with_a_bad_answer_costs_no_more_than_its_time(name: str) -> None:
    async with facing(SOON, poll=UNUSABLE[name]) as (client, _):
        with pytest.raises((TransientError, ContractError)):
            await asyncio.wait_for(client.poll("instrumental", "t0"), 20)


@pytest.mark.parametrize("name", [name for name in UNUSABLE if " id" not in name])
async def test_a_bill_with_a_bad_answer_costs_no_more_than_its_time(name: str) -> None:
    async with facing(SOON, billing=UNUSABLE[name]) as (client, _):
        if name in ("half a character", "depth", "a list", "nothing", "no JSON"):
            with pytest.raises(ContractError):
                await client.billing()
        else:
            with pytest.raises((TransientError, ContractError)):
                await asyncio.wait_for(client.billing(), 20)


async def test_a_worker_s_own_client_keeps_to_the_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "PAID_SECONDS", SOON)
    monkeypatch.setattr(door, "FREE_SECONDS", SOON)
    async with (
        serving({"a": Attack(submit=says_nothing, poll=says_nothing)}) as provider,
        connect_mureka(KEY, provider.root) as client,
    ):
        with pytest.raises(SubmissionUnknownError):
            await asyncio.wait_for(client.submit(a_request()), 20)
        with pytest.raises(TransientError):
            await asyncio.wait_for(client.poll("instrumental", "t0"), 20)


async def test_a_paid_call_that_never_left_may_be_sent_again() -> None:
    """A server that takes no connection lets the whole time pass before anything was sent."""
    with full_server() as url:
        async with httpx.AsyncClient() as http:
            door = Http(http, api_key=KEY, base_url=url, paid_seconds=SOON)
            for call in (
                MurekaClient(door).submit(a_request()),
                MurekaClient(door).write_lyrics("rain"),
            ):
                with pytest.raises(TransientError):
                    await call


@contextlib.contextmanager
def full_server() -> Iterator[str]:
    """Somebody who takes no more connections."""
    with contextlib.ExitStack() as opened:
        server = opened.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(8):
            caller = opened.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("status", [400, 401, 403, 429, 451, 503])
async def test_a_refusal_is_one_whatever_its_body_is(status: int) -> None:
    for body in (bomb(64), b"x" * (2 * MEGABYTE)):
        lines = ["content-encoding: gzip"] if body[:1] == b"\x1f" else []
        async with facing(submit=sends(body, *lines, status=status)) as (client, _):
            with pytest.raises(MusicServiceError) as caught:
                await client.submit(a_request())
            assert not isinstance(caught.value, SubmissionUnknownError)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 451, 503])
async def test_a_refusal_of_lyrics_is_one_whatever_its_body_is(status: int) -> None:
    for body in (bomb(64), b"x" * (2 * MEGABYTE)):
        lines = ["content-encoding: gzip"] if body[:1] == b"\x1f" else []
        async with facing(lyrics=sends(body, *lines, status=status)) as (client, _):
            with pytest.raises(MusicServiceError) as caught:
                await client.write_lyrics("rain [a]")
            assert not isinstance(caught.value, SubmissionUnknownError)


@pytest.mark.parametrize(
    "lyrics",
    [None, "", " \n\t\n", 5, True, ["la"], {"text": "la"}, "\x00\x1b", "<b></b>", "\u202e"],
)
async def test_lyrics_without_a_word_are_none_though_paid_for(lyrics: Any) -> None:
    async with facing(lyrics=answers({"title": "Rain", "lyrics": lyrics})) as (client, provider):
        with pytest.raises(SubmissionUnknownError):
            await client.write_lyrics("rain [a]")
        assert provider.paid["a"] == 1


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("[Verse]\r\nla\r\n\r\n\r\n\r\nlo\r\n", "[Verse]\nla\n\nlo"),
        ("  la   la  \u2028lo\x00\x1b[2J\u202e", "la la\nlo[2J"),
        ("<script>la</script>\nsee https://evil.example/x", "la\nsee (an address)"),
        ("\n" * 200_000 + "la", None),
        ("la\n" * 100_000, "la\n" * 1666 + "la"),
        ("x" * 900_000, "x" * 4999 + "…"),
        ("la\n" + "x" * 5000, "la"),
    ],
)
async def test_lyrics_are_printable_lines_of_a_tracks_length(sent: str, read: str | None) -> None:
    async with facing(lyrics=answers({"lyrics": sent})) as (client, _):
        if read is None:
            with pytest.raises(SubmissionUnknownError):
                await client.write_lyrics("rain [a]")
        else:
            assert (await client.write_lyrics("rain [a]")).lyrics == read


@pytest.mark.parametrize(
    ("title", "read"),
    [
        ("  Rain\n<b>again</b> ", "Rain again"),
        ("x" * 500, "x" * 119 + "…"),
        ("", None),
        ("\x00", None),
        (5, None),
        (["Rain"], None),
        (None, None),
    ],
)
async def test_a_title_is_one_line_or_none(title: Any, read: str | None) -> None:
    async with facing(lyrics=answers({"title": title, "lyrics": "la"})) as (client, _):
        assert (await client.write_lyrics("rain [a]")).title == read


async def test_a_key_of_ours_is_in_no_lyrics() -> None:
    key = f"{KEY}-4712-secret"
    keep_secret(key)
    body = {"title": f"My {key}", "lyrics": f"la\n{key} la"}
    async with facing(lyrics=answers(body)) as (client, _):
        written = await client.write_lyrics("rain [a]")
    assert key not in f"{written}"


def _sung(lines: Any) -> dict[str, Any]:
    section = {"section_type": "verse", "start": 0, "end": 6000, "lines": lines}
    return {"id": "t01", "lyrics_sections": [section]}


A_LINE = {"start": 0, "end": 1000, "text": "la", "words": []}


@pytest.mark.parametrize(
    "text",
    [
        '"lyrics_sections": ' + "[" * 150 + "]" * 150,
        '"lyrics_sections": [' + '{"end": 5},' * 80_000 + "{}]",
        '"lyrics_sections": [{"end": 6000, "lines": [' + '{"text": "la"},' * 60_000 + "{}]}]",
        '"lyrics_sections": [{"end": ' + "9" * 4000 + ', "lines": [{"text": "la"}]}]',
        '"lyrics_sections": [{"end": 1e999, "lines": [{"text": "la"}]}]',
        '"lyrics_sections": "' + "x" * 900_000 + '"',
        '"id": {}, "wav_url": [], "flac_url": "javascript:x", "lyrics_sections": 7',
    ],
)
async def test_odd_words_cost_neither_the_music_nor_time(text: str) -> None:
    body = '{"id": "$ID", "status": "succeeded", "choices": [{"url": "$URL", $MORE}]}'
    async with facing(poll=finished(body.replace("$MORE", text))) as (client, _):
        task = await asyncio.wait_for(client.poll("song", "t0"), 20)
    assert task.audio is not None
    assert (task.audio.sections, task.audio.other_urls) == ((), {})


async def test_words_are_no_more_than_words() -> None:
    key = f"{KEY}-4713-secret"
    keep_secret(key)
    odd = A_LINE | {"text": f"<b>la</b>\x1b\u202e\n{key}", "words": [A_LINE | {"text": key}]}
    async with facing(poll=finished(**_sung([odd]))) as (client, _):
        task = await client.poll("song", "t0")
    assert task.audio is not None
    [section] = task.audio.sections
    assert section.lines[0].text == "la (a key)"
    assert key not in f"{task}"


@pytest.mark.parametrize(
    "song_id", ["../x", "<b>", "", None, [], True, "x" * 101, f"{KEY}-4714-secret"]
)
async def test_an_id_of_a_song_that_is_none_is_none(song_id: Any) -> None:
    keep_secret(f"{KEY}-4714-secret")
    async with facing(poll=finished(id=song_id)) as (client, _):
        task = await client.poll("song", "t0")
    assert task.audio is not None
    assert task.audio.song_id is None


@pytest.mark.parametrize(
    ("field", "shown"),
    [
        ('"duration": ' + "9" * 400, None),
        ('"duration": 1e400', None),
        ('"duration": NaN', None),
        ('"duration": -Infinity', None),
        ('"duration": "soon"', None),
        ('"duration": true', None),
        ('"duration": {}', None),
        ('"duration": 86400001', None),
        ('"duration": "6000"', 6000),
        ('"duration": 6000.4', 6000),
    ],
)
async def test_a_length_that_is_none_is_none(field: str, shown: int | None) -> None:
    text = '{"id": "$ID", "status": "succeeded", "choices": [{"url": "$URL", $FIELD}]}'
    text = text.replace("$FIELD", field)
    async with facing(poll=finished(text)) as (client, _):
        task = await client.poll("instrumental", "t0")
    assert task.audio is not None
    assert task.audio.duration_ms == shown


@pytest.mark.parametrize("balance", ["9" * 400, "1e400", "NaN", '"much"', "null", "[]", "true"])
async def test_a_balance_that_is_none_is_not_understood(balance: str) -> None:
    async with facing(billing=answers(f'{{"balance": {balance}}}')) as (client, _):
        with pytest.raises(ContractError):
            await client.billing()


@pytest.mark.parametrize("limit", ["9" * 400, "NaN", '"x"', "-1", "0", "true", "1e9", "null"])
async def test_a_limit_that_is_none_is_not_told(limit: str) -> None:
    text = f'{{"balance": "12.5", "concurrent_request_limit": {limit}}}'
    async with facing(billing=answers(text)) as (client, _):
        billing = await client.billing()
    assert (billing.balance_cents, billing.concurrent_request_limit) == (12.5, None)


@pytest.mark.parametrize("status", ["<b>done</b>", "SUCCEEDED?", "a word of tomorrow", 5, None, []])
async def test_a_stage_is_a_known_word(status: Any) -> None:
    async with facing(poll=answers({"id": "t0", "status": status})) as (client, _):
        task = await client.poll("instrumental", "t0")
    assert task.status == "running"
    assert not task.is_succeeded
    assert not task.is_failed


async def test_the_answer_of_another_task_is_not_believed() -> None:
    async with facing(poll=answers({"id": "t1", "status": "succeeded"})) as (client, _):
        with pytest.raises(ContractError, match="another task"):
            await client.poll("instrumental", "t0")


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "https://x.example/ y",
        'https://x.example/"><script>',
        "https://x.example\\@evil.example/",
        "https://",
        "https://[::1",
        "https://x.example/" + "y" * 2000,
        "https://x.example/\u202egpm",
        f"https://x.example/{KEY}-4711-secret",
        5,
        {},
    ],
)
async def test_an_address_that_is_none_is_no_address(url: Any) -> None:
    keep_secret(f"{KEY}-4711-secret")
    body = {"id": "t0", "status": "streaming", "choices": [{"stream_url": url, "url": url}]}
    async with facing(poll=answers(body)) as (client, _):
        task = await client.poll("instrumental", "t0")
    assert (task.stream_url, task.audio) == (None, None)
    async with facing(poll=finished(wav_url=url, flac_url=url)) as (client, _):
        task = await client.poll("instrumental", "t0")
    assert task.audio is not None
    assert task.audio.other_urls == {}


async def test_what_the_provider_says_is_no_more_than_words() -> None:
    reason = "<b>No</b>\x1b[2J\u202e, see https://evil.example/" + "x" * 5000
    body = {"id": "t0", "status": "failed", "failed_reason": reason}
    async with facing(poll=answers(body)) as (client, _):
        task = await client.poll("instrumental", "t0")
    assert task.failed_reason == "No [2J, see (an address)"


def _end_of_frame(number: int) -> int:
    at = 0
    for _ in range(number):
        at += 144 * 192_000 // 44_100 + (music()[at + 2] >> 1 & 1)
    return at


def _told_of(frames: int) -> bytes:
    """The frame in which an encoder tells how many frames follow."""
    head = music()[:4]
    place = 4 + (17 if head[3] >> 6 == 3 else 32)
    tag = b"Info" + (1).to_bytes(4, "big") + frames.to_bytes(4, "big")
    return (head + bytes(place - 4) + tag).ljust(_end_of_frame(1), b"\0")


AUDIO: dict[str, tuple[Send, type[MusicServiceError]]] = {
    "a bomb": (sends(bomb(64), "content-encoding: gzip"), OverdueError),
    "a bomb in a bomb": (sends(bomb(64, 2), "content-encoding: gzip, gzip"), OverdueError),
    "a bomb in a bomb, half told": (sends(bomb(128, 2), "content-encoding: gzip"), OverdueError),
    "an encoding that was not asked for": (
        sends(music(), "content-encoding: br"),
        OverdueError,
    ),
    "endless": (endless(), OverdueError),
    "endless empty gzip": (
        endless("content-encoding: deflate", piece=zlib.compress(b"") * 9000),
        OverdueError,
    ),
    "cut": (
        sends(music()[:-5000], f"content-length: {len(music())}", measured=False),
        TransientError,
    ),
    "cut without a length": (sends(music()[:120_777], measured=False), TransientError),
    "cut at a frame without a length": (
        sends(music()[: _end_of_frame(200)], measured=False),
        LateAudioError,
    ),
    "fewer frames than its encoder wrote": (
        sends(_told_of(400) + music()[: _end_of_frame(200)]),
        LateAudioError,
    ),
    "half a gzip": (
        sends(gzip.compress(music())[:-5000], "content-encoding: gzip"),
        TransientError,
    ),
    "a page": (sends(b"<html>" + b"x" * 200_000), OverdueError),
    "a page that begins as a frame does": (sends(b"\xff\xfb\xb0\0" + b"x" * 200_000), OverdueError),
    "a page after a tag": (sends(b"ID3\4\0\0\0\0\0\0" + b"x" * 200_000), OverdueError),
    "nothing but 0xff": (sends(b"\xff" * 3_000_000), OverdueError),
    "a tag longer than the file": (
        sends(b"ID3\4\0\0\x7f\x7f\x7f\x7f" + b"x" * 200_000),
        OverdueError,
    ),
    "a few frames and then anything": (sends(music()[:40_000] + b"x" * 200_000), OverdueError),
    "empty": (sends(b""), LateAudioError),
    "not there": (sends(b"", status=404), LateAudioError),
    "not for you": (sends(b"", status=403), LateAudioError),
    "gone": (sends(b"", status=410), OverdueError),
    "round and round": (leads_to("$SELF"), OverdueError),
    "to a file of this machine": (leads_to("file:///etc/passwd"), OverdueError),
    "to nowhere": (leads_to("http://[::1"), TransientError),
}


@pytest.mark.parametrize("name", AUDIO)
async def test_audio_that_is_none_is_not_delivered(name: str, tmp_path: Path) -> None:
    send, expected = AUDIO[name]
    async with facing(audio=send) as (client, provider):
        with pytest.raises(expected) as caught:
            await asyncio.wait_for(
                client.download(
                    f"{provider.root}/audio/t0.mp3",
                    tmp_path / "m.mp3",
                    max_bytes=4 * MEGABYTE,
                    told_ms=6000,
                ),
                60,
            )
    assert type(caught.value) is expected
    written = tmp_path / "m.mp3"
    assert not written.exists() or written.stat().st_size <= 4 * MEGABYTE


LOSSLESS: dict[str, tuple[AudioFormat, Send, type[MusicServiceError]]] = {
    "an MP3 for a WAV": ("wav", sends(music()), OverdueError),
    "a page for a WAV": ("wav", sends(b"<html>" + b"x" * 200_000), OverdueError),
    "an endless WAV": ("wav", endless(piece=b"RIFF" * 16384), OverdueError),
    "a bomb for a WAV": ("wav", sends(bomb(64), "content-encoding: gzip"), OverdueError),
    "a WAV of nothing but headers": ("wav", sends(b"RIFF\0\0\0\0WAVE" + bytes(9**6)), OverdueError),
    "half a WAV without a length": ("wav", sends(wav()[:400_000], measured=False), LateAudioError),
    "half a WAV with its length": ("wav", sends(wav()[:400_000]), LateAudioError),
    "a page for a FLAC": ("flac", sends(b"fLaC" + b"x" * 200_000), OverdueError),
    "a WAV for a FLAC": ("flac", sends(wav()), OverdueError),
    "a FLAC without a length": ("flac", sends(flac(), measured=False), LateAudioError),
    "a tiny FLAC": ("flac", sends(flac()[:5000]), LateAudioError),
    "no FLAC": ("flac", sends(b"", status=404), LateAudioError),
    "a FLAC of this machine": ("flac", leads_to("file:///etc/passwd"), OverdueError),
}


@pytest.mark.parametrize("name", LOSSLESS)
async def test_music_without_loss_that_is_none_is_not_delivered(name: str, tmp_path: Path) -> None:
    audio_format, send, expected = LOSSLESS[name]
    async with facing(audio=send) as (client, provider):
        with pytest.raises(expected) as caught:
            await asyncio.wait_for(
                client.download(
                    f"{provider.root}/audio/t0.{audio_format}",
                    tmp_path / "m",
                    max_bytes=4 * MEGABYTE,
                    audio_format=audio_format,
                ),
                60,
            )
    assert type(caught.value) is expected


@pytest.mark.parametrize(
    ("send", "told_ms"),
    [
        (sends(music()), None),
        (sends(music()), 6),  # seconds
        (sends(music()), 86_400_000),  # a day
        (sends(music()), 60_000),  # the length is measured, so the told one does not count
        (sends(music(), measured=False), 6000),
        (sends(music(), measured=False), 86_400_000),
        (sends(gzip.compress(music()), "content-encoding: gzip"), 6000),
        (sends(zlib.compress(music()), "content-encoding: deflate"), 6000),
        (sends(music(), "content-encoding: identity"), 6000),
        (sends(b"ID3\4\0\0\0\0\1\0" + bytes(128) + music() + b"TAG" + bytes(125)), 6000),
    ],
)
async def test_audio_that_is_some_is_as_long_as_its_frames(
    send: Send, told_ms: int | None, tmp_path: Path
) -> None:
    async with facing(audio=send) as (client, provider):
        got = await client.download(
            f"{provider.root}/audio/t0.mp3",
            tmp_path / "m.mp3",
            max_bytes=4 * MEGABYTE,
            told_ms=told_ms,
        )
    assert abs(got.duration_ms - 6000) < 150


async def test_nothing_is_asked_for_in_a_form_that_could_grow_and_no_cookie_is_kept() -> None:
    seen: list[dict[str, str]] = []

    async def note(writer: asyncio.StreamWriter, asked: Any) -> None:
        seen.append(asked.headers)
        await answers({"id": "t0", "status": "running"}, "set-cookie: a=b; path=/")(writer, asked)

    async with (
        serving({"a": Attack(submit=note, poll=note, audio=note)}) as provider,
        connect_mureka(KEY, provider.root) as client,
    ):
        await client.submit(a_request())
        await client.poll("instrumental", "t0")
        await client.poll("instrumental", "t0")
    assert [each["accept-encoding"] for each in seen] == ["identity"] * 3
    assert not [each for each in seen if "cookie" in each]


async def test_the_key_goes_to_mureka_and_to_no_server_of_files(tmp_path: Path) -> None:
    seen: list[dict[str, str]] = []

    async def note(writer: asyncio.StreamWriter, asked: Any) -> None:
        seen.append(asked.headers)
        await (answers({"id": "t0"}) if len(seen) == 1 else sends(music()))(writer, asked)

    async with facing(poll=note, audio=note) as (client, provider):
        await client.poll("instrumental", "t0")
        await client.download(
            f"{provider.root}/audio/t0.mp3", tmp_path / "m.mp3", max_bytes=4 * MEGABYTE
        )
    assert ["authorization" in headers for headers in seen] == [True, False]


async def test_a_bomb_takes_no_memory() -> None:
    async with facing(poll=sends(bomb(128), "content-encoding: gzip")) as (client, _):
        tracemalloc.start()
        with pytest.raises((ContractError, TransientError)):
            await client.poll("instrumental", "t0")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 16 * MEGABYTE
