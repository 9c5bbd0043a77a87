"""What a worker counts, and that no user can make it count without bound."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from music_service.errors import ErrorCode, PermanentError, SubmissionUnknownError, TransientError
from music_service.observe.metrics import Metrics
from music_service.observe.observer import Observers
from tests.support.attempts import RUNNING, Working
from tests.support.builders import a_claim, a_track
from tests.support.fakes import DONE, FakeTask

PRICE = Decimal("4.5")
MODELS = ("mureka-9", "lyrics")


class Counting:
    """A worker among fakes, and its metrics."""

    def __init__(self, **changes: Any) -> None:
        self.metrics = Metrics(models=MODELS, version="1")
        self.work = Working(Observers(self.metrics), **changes)
        self.metrics.ask(self.work.worker.status)

    @property
    def samples(self) -> dict[str, float]:
        """All that is not 0, by name and labels."""
        return {
            sample.name + "".join(f" {label}" for label in sample.labels.values()): sample.value
            for family in text_string_to_metric_families(self.metrics.render().decode())
            for sample in family.samples
            if sample.value and not sample.name.endswith("_bucket")
        }

    def of(self, *names: str) -> dict[str, float]:
        """Those whose name begins so."""
        return {k: v for k, v in self.samples.items() if k.startswith(tuple(names))}


async def test_a_track_from_its_insert_to_its_end() -> None:
    counting = Counting()
    work = counting.work
    work.fakes.provider.answers = [
        RUNNING,
        FakeTask("streaming", stream_url="https://cdn.example/stream"),
        FakeTask("succeeded", audio=DONE.audio, ran_seconds=44),
    ]
    claim = a_claim(waited_seconds=0.2, asked_seconds=0.2)
    work.fakes.queue.add([claim])
    async with work.at_work():
        assert counting.of("music_tracks_running") == {"music_tracks_running": 1}
        end = await work.journal.reached("complete")
        await asyncio.sleep(1)
    streamed_at = work.journal.of("stage")[1].at
    assert counting.of("music_tracks_finished", "music_submissions", "music_cost") == {
        "music_tracks_finished_total none completed": 1,
        "music_submissions_total accepted mureka-9": 1,
        "music_cost_cents_total mureka-9": 4.5,
    }
    assert counting.of("music_pick_up", "music_generation", "music_first", "music_track_s") == {
        "music_pick_up_seconds_count": 1,
        "music_pick_up_seconds_sum": 0.2,
        "music_generation_seconds_count mureka-9": 1,
        "music_generation_seconds_sum mureka-9": 44,
        "music_first_sound_seconds_count": 1,
        "music_first_sound_seconds_sum": pytest.approx(streamed_at + 0.2),
        "music_track_seconds_count": 1,
        "music_track_seconds_sum": pytest.approx(end.at + 0.2),
    }
    assert counting.of("music_delivery_seconds_count") == {"music_delivery_seconds_count": 1}


async def test_a_track_that_was_taken_over_was_picked_up_and_heard_elsewhere() -> None:
    counting = Counting()
    claim = a_claim(receipt="task", age_seconds=30, asked_seconds=40)
    counting.work.fakes.provider.know(claim.generation)  # type: ignore[arg-type]
    counting.work.fakes.queue.add([claim])
    async with counting.work.at_work():
        await counting.work.journal.reached("complete")
        await asyncio.sleep(1)
    assert counting.of("music_pick_up", "music_first", "music_submissions") == {}
    assert counting.samples["music_track_seconds_sum"] >= 40


@pytest.mark.parametrize(
    ("error", "fate", "ends"),
    [
        (PermanentError("No."), "refused", {"generation_failed": 1.0}),
        (SubmissionUnknownError("Lost."), "unknown", {"submission_unknown": 1.0}),
        (TransientError("Away."), "refused", {"attempts_exhausted": 1.0}),
    ],
)
async def test_a_paid_call_that_fails_and_a_track_that_does(
    error: Exception, fate: str, ends: dict[str, float]
) -> None:
    counting = Counting()
    counting.work.journal.break_down("submit", error)
    counting.work.waiting(1)
    async with counting.work.at_work():
        await asyncio.sleep(3600)
    tries = 10 if "attempts_exhausted" in ends else 1
    assert counting.of("music_submissions") == {f"music_submissions_total {fate} mureka-9": tries}
    spent = {"music_cost_cents_total mureka-9": 4.5} if fate == "unknown" else {}
    assert counting.of("music_cost") == spent
    assert counting.of("music_tracks_finished") == {
        f"music_tracks_finished_total {code} error": count for code, count in ends.items()
    }


async def test_words_are_counted_as_a_call_of_their_own() -> None:
    counting = Counting()
    counting.work.waiting(1, track=a_track(lyrics_prompt="snow"))
    async with counting.work.at_work():
        await counting.work.journal.reached("complete")
    assert counting.of("music_submissions") == {
        "music_submissions_total accepted lyrics": 1,
        "music_submissions_total accepted mureka-9": 1,
    }


async def test_models_and_codes_and_answers_that_are_not_known_share_one_label() -> None:
    counting = Counting()
    for number in range(1000):
        track = counting.metrics.claimed(a_claim())
        track.submitted(f"model-{number}", "accepted", PRICE)
        track.generated(f"model-{number}", 1)
        track.failed(f"code-{number}")
        counting.metrics.provider_answered(number)
    lines = counting.metrics.render().decode().splitlines()
    assert len(lines) < 400
    assert counting.samples["music_submissions_total accepted other"] == 1000
    assert counting.samples["music_tracks_finished_total other error"] == 1000
    assert counting.samples["music_provider_answers_total 429"] == 1


async def test_answers_are_counted_by_their_class() -> None:
    metrics = Counting().metrics
    for status in (200, 204, 302, 404, 429, 500, 503, None):
        metrics.provider_answered(status)
        metrics.supabase_answered("claim_music_tracks", status)
    found = {
        (sample.name, sample.labels["class"]): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
        if "class" in sample.labels
    }
    counts = {"2xx": 2, "3xx": 1, "4xx": 1, "429": 1, "5xx": 2, "none": 1}
    for name in ("music_provider_answers_total", "music_supabase_requests_total"):
        assert {key[1]: value for key, value in found.items() if key[0] == name} == counts


async def test_the_state_is_one_of_all_states() -> None:
    counting = Counting()
    assert counting.of("music_worker_state") == {"music_worker_state starting": 1}
    async with counting.work.at_work():
        assert counting.of("music_worker_state") == {"music_worker_state running": 1}
    assert counting.of("music_worker_state") == {"music_worker_state stopping": 1}
    assert counting.samples["music_capacity"] == 10


async def test_what_can_happen_begins_at_zero() -> None:
    text = Counting().metrics.render().decode()
    for code in ErrorCode:
        assert f'music_tracks_finished_total{{code="{code}",outcome="error"}} 0.0\n' in text
    assert 'music_submissions_total{fate="unknown",model="mureka-9"} 0.0\n' in text


async def test_two_workers_in_one_process_count_apart() -> None:
    one, another = Counting().metrics, Counting().metrics
    one.provider_answered(200)
    assert b'music_provider_answers_total{class="2xx"} 1.0' in one.render()
    assert b'music_provider_answers_total{class="2xx"} 0.0' in another.render()


def test_a_worker_needs_no_extra() -> None:
    program = (
        "import sys; import music_service.compose;"
        " print(*{name.partition('.')[0] for name in sys.modules})"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"prometheus_client", "opentelemetry"} & set(loaded)
    assert "music_service" in loaded
