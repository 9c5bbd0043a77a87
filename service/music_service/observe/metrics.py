"""What a worker does, as numbers for Prometheus. Needs the extra `metrics`.

What happens is counted as it happens; what is so at the moment is asked of the worker when the
numbers are fetched. Each label has a bounded number of values.
"""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    Info,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from music_service.errors import ErrorCode
from music_service.observe.observer import Fate, Observer, State, Step, TrackObserver
from music_service.tracks import Claim

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
OTHER = "other"
COMPLETED, ERROR, NO_CODE = "completed", "error", "none"
ANSWERS = ("2xx", "3xx", "4xx", "429", "5xx", "none")

_SECONDS = (1, 2.5, 5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600)
_SHORT_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600)

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each one, which nobody asks for


class Metrics(Observer):
    """Counts what it is told, in a registry of its own.

    Args:
        models: the models that are counted by their name.
        version: that of the service.
    """

    def __init__(self, *, models: Collection[str], version: str) -> None:
        self.registry = registry = CollectorRegistry()
        self._models = frozenset(models)

        def counter(name: str, words: str, *labels: str) -> Counter:
            return Counter(f"music_{name}", words, labels, registry=registry)

        def histogram(
            name: str, words: str, *labels: str, buckets: tuple[float, ...] = _SECONDS
        ) -> Histogram:
            return Histogram(f"music_{name}", words, labels, registry=registry, buckets=buckets)

        self.finished = counter(
            "tracks_finished_total", "Tracks that this worker ended.", "outcome", "code"
        )
        self.submissions = counter(
            "submissions_total", "Paid calls, by what became of them.", "model", "fate"
        )
        self.cost_cents = counter(
            "cost_cents_total", "Expected cost in US cents of paid calls not refused.", "model"
        )
        self.provider_answers = counter(
            "provider_answers_total", "What Mureka answered, by class of HTTP status.", "class"
        )
        self.supabase_requests = counter(
            "supabase_requests_total", "Requests to Supabase, by what is asked.", "kind", "class"
        )
        self.pick_up_seconds = histogram(
            "pick_up_seconds", "From a track's insert to its claim.", buckets=_SHORT_SECONDS
        )
        self.generation_seconds = histogram(
            "generation_seconds", "From the paid call to the finished music at Mureka.", "model"
        )
        self.first_sound_seconds = histogram(
            "first_sound_seconds", "From when a track was asked for until it can be heard."
        )
        self.delivery_seconds = histogram(
            "delivery_seconds", "Download, check and upload of a track.", buckets=_SHORT_SECONDS
        )
        self.track_seconds = histogram(
            "track_seconds", "From when a track was asked for to its completion."
        )
        build = Info("music_build", "The version of the service and of Python.", registry=registry)
        build.info({"version": version, "python": platform.python_version()})
        self._begin_at_zero()

    def ask(self, status: Callable[[], dict[str, Any]]) -> None:
        """Ask here what is so at the moment; see `Worker.status`."""
        self.registry.register(_Moment(status))

    def render(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self.registry)

    def claimed(self, claim: Claim) -> TrackObserver:
        """Count how long it waited; the rest is the track's."""
        if claim.waited_seconds is not None:
            self.pick_up_seconds.observe(claim.waited_seconds)
        return _Track(self, claim)

    def provider_answered(self, status: int | None) -> None:
        """Count an answer, or that there was none."""
        self.provider_answers.labels(_class_of(status)).inc()

    def supabase_answered(self, kind: str, status: int | None) -> None:
        """Count a request."""
        self.supabase_requests.labels(kind, _class_of(status)).inc()

    def model(self, name: str) -> str:
        """The label of a model: users name some themselves."""
        return name if name in self._models else OTHER

    def _begin_at_zero(self) -> None:
        # A series that appears with its first event hides that event from `rate`.
        self.finished.labels(COMPLETED, NO_CODE)
        for code in ErrorCode:
            self.finished.labels(ERROR, code)
        for answer in ANSWERS:
            self.provider_answers.labels(answer)
        for model in (*sorted(self._models), OTHER):
            self.cost_cents.labels(model)
            for fate in get_args(Fate):
                self.submissions.labels(model, fate)


class _Track(TrackObserver):
    def __init__(self, metrics: Metrics, claim: Claim) -> None:
        self._metrics = metrics
        known = claim.asked_seconds
        self._asked_at = None if known is None else _now() - known
        # Somebody else may have counted its first sound before it was taken over.
        self._is_heard = claim.generation is not None

    @contextmanager
    def step(self, name: Step) -> Iterator[None]:
        began_at = _now()
        yield
        if name == "deliver":
            self._metrics.delivery_seconds.observe(_now() - began_at)

    def submitted(self, model: str, fate: Fate, cost_cents: Decimal) -> None:
        label = self._metrics.model(model)
        self._metrics.submissions.labels(label, fate).inc()
        if fate != "refused":
            self._metrics.cost_cents.labels(label).inc(float(cost_cents))

    def generated(self, model: str, seconds: float) -> None:
        self._metrics.generation_seconds.labels(self._metrics.model(model)).observe(seconds)

    def sounded(self) -> None:
        if not self._is_heard:
            self._is_heard = True
            self._observe(self._metrics.first_sound_seconds)

    def completed(self) -> None:
        self.sounded()
        self._observe(self._metrics.track_seconds)
        self._metrics.finished.labels(COMPLETED, NO_CODE).inc()

    def failed(self, code: str) -> None:
        self._metrics.finished.labels(ERROR, code if code in tuple(ErrorCode) else OTHER).inc()

    def _observe(self, histogram: Histogram) -> None:
        if self._asked_at is not None:
            histogram.observe(max(_now() - self._asked_at, 0))


class _Moment(Collector):
    """What the worker itself knows of this moment and since its start."""

    def __init__(self, status: Callable[[], dict[str, Any]]) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        now = self._status()
        for name, words, value in (
            ("tracks_running", "Tracks that this worker is making.", now["running"]),
            ("capacity", "Tracks that this worker makes at once at most.", now["capacity"]),
            ("realtime_up", "1 while Realtime is heard.", now["realtime"] == "subscribed"),
        ):
            yield GaugeMetricFamily(f"music_{name}", words, float(value))
        state = GaugeMetricFamily("music_worker_state", "1 for its state.", labels=["state"])
        for each in get_args(State):
            state.add_metric([each], float(now["state"] == each))
        yield state
        for name, words, value in (
            ("reconnects", "Times that Realtime was subscribed to again.", now["reconnects"]),
            ("found_by_sweep", "Tracks that no event had announced.", now["unannounced"]),
            ("leases_lost", "Tracks given up because the claim was lost.", now["lost"]),
        ):
            yield CounterMetricFamily(f"music_{name}", words, value)


def _class_of(status: int | None) -> str:
    if status is None:
        return "none"
    if status == 429:
        return "429"
    found = f"{status // 100}xx"
    return found if found in ANSWERS else OTHER


def _now() -> float:
    return asyncio.get_running_loop().time()
