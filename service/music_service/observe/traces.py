"""What becomes of a track as one trace, by OpenTelemetry. Needs the extra `otel`.

    track                    from when it was asked for to its end
      claim                  how long it waited, and for whoever takes it over a moment
      submit, poll, deliver  steps, each by the worker that made it

The trace's id follows from the track's, and so does that of its root: several workers write one
trace without knowing of each other. A track that a person has made again begins another. Whoever
ends the track writes the root; a worker that is killed leaves what it had finished.

No prompt, no answer and no key is in a span: names, ids, numbers and error codes of ours alone.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from music_service.errors import ErrorCode, MusicServiceError
from music_service.observe.observer import Fate, Observer, Step, TrackObserver
from music_service.tracks import Claim

_LAST_SPANS_SECONDS = 5
_NANOSECONDS = 1_000_000_000


@asynccontextmanager
async def tracing(endpoint: str, *, worker_id: str, version: str) -> AsyncIterator[Traces]:
    """Traces that go to an OTLP endpoint, for the length of a block.

    Args:
        endpoint: its address, to which `/v1/traces` is added.
        worker_id: who sends them.
        version: that of the service.
    """
    traces = Traces(
        OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces"), worker_id=worker_id, version=version
    )
    try:
        yield traces
    finally:
        await traces.close()


class Traces(Observer):
    """Writes spans of tracks.

    Args:
        exporter: where they go, in a thread of its own.
        worker_id: who sends them.
        version: that of the service.
    """

    def __init__(self, exporter: SpanExporter, *, worker_id: str, version: str) -> None:
        told = {"service.version": version, "service.instance.id": worker_id}
        resource = Resource.create(told)
        if str(resource.attributes["service.name"]).startswith("unknown_service"):
            resource = resource.merge(Resource({"service.name": "music-service"}))
        self._ids = _GivenIds()
        self._provider = TracerProvider(
            resource=resource,
            id_generator=self._ids,
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("music_service", version)

    def claimed(self, claim: Claim) -> TrackObserver:
        """Write how long the track waited; the rest is the track's."""
        trace = _TrackTrace(self, claim)
        trace.write_claim()
        return trace

    def start(self, name: str, parent: SpanContext, at_ns: int) -> Span:
        """A span below another."""
        context = set_span_in_context(NonRecordingSpan(parent))
        return self._tracer.start_span(name, context, start_time=at_ns)

    def start_root(self, name: str, ids: SpanContext, at_ns: int) -> Span:
        """A span that is below none, with these ids."""
        self._ids.next = ids
        return self._tracer.start_span(name, start_time=at_ns)

    async def close(self) -> None:
        """Send what is left; whoever does not take it holds nothing up."""
        sending = threading.Thread(target=self._provider.shutdown, daemon=True, name="last spans")
        sending.start()
        await asyncio.to_thread(sending.join, _LAST_SPANS_SECONDS)


class _TrackTrace(TrackObserver):
    def __init__(self, traces: Traces, claim: Claim) -> None:
        self._traces = traces
        self._claim = claim
        self._root = _root_of(claim)
        # By the database's clock, so that all workers say the same.
        asked = claim.asked_at.timestamp() if claim.asked_at else time.time()
        self._asked_ns = round(asked * _NANOSECONDS)
        self._current: Span | None = None

    def write_claim(self) -> None:
        now_ns = time.time_ns()
        has_waited = self._claim.waited_seconds is not None
        began_ns = min(self._asked_ns, now_ns) if has_waited else now_ns
        span = self._traces.start("claim", self._root, began_ns)
        self._describe(span)
        span.set_attribute("music.resumed", self._claim.generation is not None)
        span.end(now_ns)

    @contextmanager
    def step(self, name: Step) -> Iterator[None]:
        span = self._current = self._traces.start(name, self._root, time.time_ns())
        self._describe(span)
        try:
            yield
        except BaseException as error:
            span.set_attribute("music.error", _code_of(error))
            span.set_status(StatusCode.ERROR)
            raise
        finally:
            self._current = None
            span.end()

    def submitted(self, model: str, fate: Fate, cost_cents: Decimal) -> None:
        if self._current is not None:
            self._current.set_attribute("music.model", model)
            self._current.set_attribute("music.fate", fate)
            self._current.set_attribute("music.expected_cost_cents", float(cost_cents))

    def sounded(self) -> None:
        if self._current is not None:
            self._current.add_event("first sound")

    def completed(self) -> None:
        self._write_root("completed", None)

    def failed(self, code: str) -> None:
        self._write_root("error", code)

    def _write_root(self, outcome: str, code: str | None) -> None:
        span = self._traces.start_root("track", self._root, self._asked_ns)
        self._describe(span)
        span.set_attribute("music.outcome", outcome)
        if code is not None:
            span.set_attribute("music.error", code)
            span.set_status(StatusCode.ERROR)
        span.end()

    def _describe(self, span: Span) -> None:
        span.set_attribute("music.track_id", str(self._claim.track.id))
        span.set_attribute("music.kind", self._claim.track.kind)


class _GivenIds(IdGenerator):
    """Ids at random, but for a root whose ids are given."""

    def __init__(self) -> None:
        self.next: SpanContext | None = None
        self._random = RandomIdGenerator()

    def generate_span_id(self) -> int:
        """The last that is asked for when a span starts."""
        given, self.next = self.next, None
        return given.span_id if given else self._random.generate_span_id()

    def generate_trace_id(self) -> int:
        """Asked for a root alone."""
        return self.next.trace_id if self.next else self._random.generate_trace_id()


def _root_of(claim: Claim) -> SpanContext:
    """The ids of a track's trace and its root: the same in each worker."""
    asked = "" if claim.asked_at is None else claim.asked_at.isoformat()
    digest = hashlib.sha256(f"{claim.track.id} {asked}".encode()).digest()
    trace_id, span_id = int.from_bytes(digest[:16]), int.from_bytes(digest[16:24])
    return SpanContext(
        trace_id, span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED)
    )


def _code_of(error: BaseException) -> str:
    """What may be told of an error: never its words, which may repeat a user's."""
    if isinstance(error, asyncio.CancelledError):
        return "stopped"
    return error.code if isinstance(error, MusicServiceError) else ErrorCode.INTERNAL
