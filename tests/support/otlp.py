"""A place for traces: takes spans by OTLP over HTTP and keeps them."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Span:
    """One span as it was sent; times are unix seconds, `worker` is who sent it."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    worker: str
    began_at: float
    ended_at: float
    is_error: bool
    attributes: dict[str, Any]


@dataclass
class Collector:
    """What came so far; `raw` is all of it as bytes."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)
    raw: bytearray = field(default_factory=bytearray)

    def of(self, track_id: object) -> list[Span]:
        """The spans of a track, by their beginning."""
        mine = [s for s in self.spans if s.attributes.get("music.track_id") == str(track_id)]
        return sorted(mine, key=lambda span: span.began_at)

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(length[1]) if length else 0)
                self.raw += head + body
                self._keep(ExportTraceServiceRequest.FromString(body))
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                await writer.drain()
        writer.close()

    def _keep(self, request: ExportTraceServiceRequest) -> None:
        for resource in request.resource_spans:
            told = _values(resource.resource.attributes)
            assert told["service.name"] == "music-service"
            for scope in resource.scope_spans:
                self.spans += [
                    Span(
                        span.name,
                        span.trace_id.hex(),
                        span.span_id.hex(),
                        span.parent_span_id.hex(),
                        told["service.instance.id"],
                        span.start_time_unix_nano / 1e9,
                        span.end_time_unix_nano / 1e9,
                        span.status.code == 2,
                        _values(span.attributes),
                    )
                    for span in scope.spans
                ]


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """A collector for the length of a block."""
    collector = Collector()
    server = await asyncio.start_server(collector.take, HOST, 0)
    collector.url = f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
    try:
        yield collector
    finally:
        server.close()
