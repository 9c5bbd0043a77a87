"""Anything at all as an answer: sense or an error of ours, no traceback, no second payment."""

from __future__ import annotations

import asyncio
import gzip
import json
import tempfile
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from music_service.errors import MusicServiceError, SubmissionUnknownError
from music_service.mureka.client import MurekaClient
from music_service.mureka.http import Http
from music_service.mureka.sections import sections_of
from music_service.mureka.wire import STAGES
from music_service.observe.observer import Observer
from music_service.timed_lyrics import Part, from_json, lines_of, to_json
from music_service.tracks import MAX_LYRICS_CHARACTERS, AudioFormat, request_for
from music_service.worker.attempt import Attempt
from music_service.worker.outages import Outages
from tests.support.builders import a_claim, a_track, options
from tests.support.evil_provider import flac, music, wav
from tests.support.fake_queue import FakeQueue
from tests.support.fakes import FakeAudioStore
from tests.support.journal import Journal
from tests.support.mureka import KEY
from tests.support.project import IS_FULL

FORMATS: tuple[AudioFormat, ...] = ("mp3", "wav", "flac")
pytestmark = pytest.mark.timeout(3600 if IS_FULL else 240)
EXAMPLES = settings(max_examples=5_000 if IS_FULL else 60, deadline=None)

numbers = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from([10**400, -(10**400), 0, -1, 1, 6, 6000, 86_400_000, 2**31, 2**63]),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=40))
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
words = st.one_of(st.sampled_from(sorted(STAGES)), anything)
addresses = st.one_of(
    st.sampled_from(
        [
            "https://cdn.example/m.mp3",
            "http://x",
            "https://[::1",
            "file:///etc/passwd",
            "https://cdn.example/\ud800",
            "https://xn--/",
            "https://" + "a" * 300 + ".example/",
            "https://cdn.example:99999/",
        ]
    ),
    anything,
)


def mostly(right: dict[str, Any], wrong: dict[str, st.SearchStrategy[Any]]) -> Any:
    """An object of this form, some of it as it should be and some of it not."""
    fields = {
        name: st.one_of(st.just(right[name]), wrong[name]) if name in right else wrong[name]
        for name in wrong
    }
    return st.fixed_dictionaries({}, optional=fields)


times = st.one_of(st.integers(-10, 7000), anything)
sung = mostly(
    {"start": 100, "end": 900, "text": "la"}, dict.fromkeys(("start", "end", "text"), times)
)
lines = st.one_of(
    mostly(
        {"start": 0, "end": 900, "text": "la la"},
        {
            "start": times,
            "end": times,
            "text": anything,
            "words": st.one_of(st.lists(st.one_of(sung, anything), max_size=4), anything),
        },
    ),
    anything,
)
sections = mostly(
    {"section_type": "verse", "start": 0, "end": 6000},
    {
        "section_type": anything,
        "start": times,
        "end": times,
        "lines": st.one_of(st.lists(lines, max_size=4), anything),
    },
)
choices = mostly(
    {"url": "https://cdn.example/m.mp3", "duration": 6000, "id": "71"},
    {
        "url": addresses,
        "stream_url": addresses,
        "wav_url": addresses,
        "flac_url": addresses,
        "duration": anything,
        "id": anything,
        "lyrics_sections": st.one_of(st.lists(sections, max_size=4), anything),
    },
)
written = mostly({"title": "Rain", "lyrics": "la\nla"}, {"title": anything, "lyrics": anything})
tasks = mostly(
    {"id": "7", "status": "succeeded"},
    {
        "id": anything,
        "status": words,
        "trace_id": anything,
        "failed_reason": anything,
        "choices": st.one_of(st.lists(st.one_of(choices, anything), max_size=3), anything),
    },
)
bills = mostly({"balance": 1000}, {"balance": anything, "concurrent_request_limit": anything})
refusals = mostly({}, {"error": st.one_of(mostly({}, {"message": anything}), anything)})


def as_json(value: Any) -> bytes:
    """JSON as a careless server writes it: NaN, half characters and all."""
    return json.dumps(value).encode("utf-8", "surrogatepass")


bodies = st.one_of(
    st.one_of(tasks, bills, written, refusals, anything).map(as_json),
    st.binary(max_size=200),
    st.just(music()),
    st.just(music()[:150_000]),
    st.sampled_from([wav(), flac(), wav()[:150_000], flac()[:150_000]]),
    st.builds(lambda n: b"\xff\xfb\xb0\x00" * n, st.integers(0, 50_000)),
)
header_values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
headers = st.fixed_dictionaries(
    {},
    optional={
        "content-encoding": st.one_of(
            st.sampled_from(["gzip", "deflate", "br", "gzip, gzip", "identity", "GZIP"]),
            header_values,
        ),
        "content-length": st.one_of(st.integers(0, 999).map(str), header_values),
        "content-type": header_values,
        "location": st.one_of(
            st.sampled_from(["/x", "//", "http://[", "https://a\\b", "data:,x", "?", "https://é/"]),
            header_values,
        ),
        "retry-after": st.one_of(numbers.map(str), header_values),
        "set-cookie": header_values,
        "transfer-encoding": header_values,
    },
)
statuses = st.one_of(
    st.just(200),
    st.sampled_from([301, 302, 400, 402, 403, 404, 429, 500, 503]),
    st.integers(100, 999),
)


class Given:
    """An answer as it was drawn."""

    def __init__(self, status: int, lines: dict[str, str], body: bytes, *, pack: bool) -> None:
        self.status, self.lines = status, lines
        self.body = gzip.compress(body) if pack else body
        if pack:
            self.lines = lines | {"content-encoding": "gzip"}

    def answer(self) -> httpx.Response:
        async def pieces() -> Any:
            yield self.body

        lines = [(k.encode(), v.encode("latin-1", "replace")) for k, v in self.lines.items()]
        return httpx.Response(self.status, headers=lines, content=pieces())

    def __repr__(self) -> str:
        return f"Given({self.status}, {self.lines}, {self.body[:300]!r})"


drawn = st.builds(Given, statuses, headers, bodies, pack=st.booleans())


class Provider:
    """Answers each call with the next of what was drawn, and counts the paid ones."""

    def __init__(self, answers: list[Given]) -> None:
        self._answers = answers
        self._next = 0
        self.paid = 0

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.paid += request.method == "POST"
        self._next += 1
        return self._answers[(self._next - 1) % len(self._answers)].answer()

    def client(self, http: httpx.AsyncClient) -> MurekaClient:
        return MurekaClient(Http(http, api_key=KEY, base_url="http://mureka.example"))

    def transport(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self.answer))


async def _complaint(call: Awaitable[Any]) -> str:
    try:
        await call
    except MusicServiceError as error:
        return str(error)
    return ""


@EXAMPLES
@given(drawn, drawn)
def test_every_call_ends_in_sense_or_in_an_error_of_ours(one: Given, two: Given) -> None:
    async def each() -> None:
        provider = Provider([one, two])
        async with provider.transport() as http:
            client = provider.client(http)
            request = request_for(a_track(), model="mureka-9", stream=True)
            with tempfile.TemporaryDirectory() as folder:
                calls = [
                    client.submit(request),
                    client.poll("instrumental", "7"),
                    client.billing(),
                    client.write_lyrics("rain"),
                    *(
                        client.download(
                            "https://cdn.example/",
                            Path(folder) / "m",
                            max_bytes=300_000,
                            audio_format=audio_format,
                        )
                        for audio_format in FORMATS
                    ),
                ]
                for call in calls:
                    said = await _complaint(call)
                    assert len(said) < 500
                    assert said.isprintable()
                    assert not set(said) & set("<>")
        assert provider.paid == 2

    asyncio.run(each())


@EXAMPLES
@given(written.map(as_json))
def test_any_lyrics_are_printable_lines_or_an_error(body: bytes) -> None:
    async def write() -> None:
        provider = Provider([Given(200, {}, body, pack=False)])
        async with provider.transport() as http:
            try:
                words = await provider.client(http).write_lyrics("rain")
            except SubmissionUnknownError:
                return
            assert 0 < len(words.lyrics) <= MAX_LYRICS_CHARACTERS
            assert all(line.isprintable() for line in words.lyrics.split("\n"))
            assert words.title is None or (words.title.isprintable() and len(words.title) <= 120)

    asyncio.run(write())


@EXAMPLES
@given(st.lists(sections, max_size=4), st.one_of(st.none(), st.integers(1, 7000)))
def test_any_words_are_in_time_or_none(sent: Any, told_ms: int | None) -> None:
    read = sections_of(json.loads(as_json(sent)), told_ms)
    lines = list(lines_of(read))
    assert bool(lines) == bool(read)
    rows: list[Sequence[Part]] = [read, lines, *(line.words for line in lines)]
    for parts in rows:
        starts = [part.start_ms for part in parts]
        assert starts == sorted(starts)
        for part in parts:
            assert 0 <= part.start_ms <= part.end_ms <= (told_ms or 3_600_000)
    words = [word.text for line in lines for word in line.words]
    for text in [*words, *(line.text for line in lines)]:
        assert text.isprintable()
        assert 0 < len(text) <= 300
    assert from_json(json.loads(json.dumps(to_json(read)))) == read


@EXAMPLES
@given(st.lists(drawn, min_size=1, max_size=6))
def test_an_attempt_pays_once_and_ends_with_one_word(answers: list[Given]) -> None:
    async def attempt() -> None:
        provider, journal = Provider(answers), Journal()
        queue, claim = FakeQueue(journal), a_claim()
        queue.hold(claim)
        how = options(
            poll_seconds=0.001,
            deadline_seconds=0.01,
            late_audio_seconds=0.005,
            transfer_seconds=5,
            first_retry_seconds=0.01,
        )
        async with provider.transport() as http:
            await Attempt(
                claim,
                queue,
                provider.client(http),
                FakeAudioStore(journal),
                options=how,
                start_paid=asyncio.create_task,
                on_blocked=lambda _: None,
                on_deferred=lambda _: None,
                observer=Observer(),
                outages=Outages(quiet_seconds=30),
            ).run()
        assert provider.paid <= 1
        ends = [call for call in journal.calls if call.step in ("complete", "fail", "defer")]
        assert len(ends) == 1
        [end] = ends
        assert end.step == "complete" or end.code != "internal" or "unexpected" not in end.message
        for stage in journal.of("stage"):
            assert stage.stage in STAGES

    asyncio.run(attempt())
