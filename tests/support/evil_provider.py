"""A Mureka that means harm, as a server of its own on 127.0.0.1.

Each piece of music has its way of being bad, chosen by a word in its prompt. What is accepted is
written to a ledger of the server's own, so that a second payment shows.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import re
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from local_supabase.simulator.music import compose, compose_mp3

Writer = asyncio.StreamWriter
Send = Callable[[Writer, "Asked"], Awaitable[None]]


@dataclass(frozen=True)
class Asked:
    """A request.

    `task` is the name of its attack, `times` how often its path was asked for it, `id` that of a
    task that nobody had before.
    """

    root: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    task: str
    times: int
    id: str


@dataclass
class Attack:
    """What one piece of music meets; what is not given goes well."""

    submit: Send | None = None
    lyrics: Send | None = None
    poll: Send | None = None
    audio: Send | None = None


@dataclass
class EvilProvider:
    """The server; `paid` counts the paid calls that it saw for each attack."""

    attacks: dict[str, Attack]
    root: str = ""
    paid: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    billing: Send | None = None
    _names: dict[str, str] = field(default_factory=dict)

    async def serve(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        """One connection with one request."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.strip().split("\r\n")
            headers = {k.lower(): v.strip() for k, _, v in (x.partition(":") for x in lines)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            method, path, _ = first.split(" ", 2)
            answering = asyncio.create_task(self._answer(writer, method, path, headers, body))
            leaving = asyncio.create_task(reader.read())
            await asyncio.wait([answering, leaving], return_when=asyncio.FIRST_COMPLETED)
            for task in (answering, leaving):
                task.cancel()
            await asyncio.gather(answering, leaving, return_exceptions=True)
        writer.close()

    async def _answer(
        self, writer: Writer, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> None:
        if method == "POST":
            prompt = str(json.loads(body)["prompt"])
            task = next((name for name in self.attacks if f"[{name}]" in prompt), "none")
            self.paid[task] += 1
        else:
            number = re.search(r"/(?:query|audio)/t(\d+)", path)
            task = list(self.attacks)[int(number[1])] if number else "none"
        self.asked[f"{path} {task}"] += 1
        times = self.asked[f"{path} {task}"]
        new_id = (
            f"t{list(self.attacks).index(task)}-{secrets.token_hex(4)}" if task != "none" else ""
        )
        asked = Asked(self.root, method, path, headers, body, task, times, new_id)
        attack = self.attacks.get(task, Attack())
        if path.endswith("/lyrics/generate"):
            await (attack.lyrics or answers({"title": "Rain", "lyrics": "Rain on the roof"}))(
                writer, asked
            )
        elif path.endswith("/generate"):
            await (attack.submit or accepts)(writer, asked)
        elif "/query/" in path:
            await (attack.poll or finished())(writer, asked)
        elif path.endswith("/billing"):
            await (self.billing or answers({"balance": 5000, "concurrent_request_limit": 50}))(
                writer, asked
            )
        else:
            await (attack.audio or sends(music()))(writer, asked)


@asynccontextmanager
async def serving(attacks: dict[str, Attack]) -> AsyncIterator[EvilProvider]:
    """The server for the length of a block."""
    provider = EvilProvider(attacks)
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    provider.root = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield provider
    finally:
        server.close()


@cache
def music(seconds: float = 6) -> bytes:
    """A real MP3."""
    return compose_mp3("evil", seconds)


@cache
def wav() -> bytes:
    """A real WAV."""
    return compose("evil", 6, "wav")


@cache
def flac() -> bytes:
    """A real FLAC."""
    return compose("evil", 6, "flac")


def head(status: int = 200, *lines: str) -> bytes:
    """The beginning of an answer."""
    return "\r\n".join([f"HTTP/1.1 {status} Odd", *lines, "connection: close", "", ""]).encode()


def sends(content: bytes, *lines: str, status: int = 200, measured: bool = True) -> Send:
    """A whole answer; without its length where it is not `measured`."""
    length = [f"content-length: {len(content)}"] if measured else []

    async def send(writer: Writer, _: Asked) -> None:
        writer.write(head(status, *length, *lines) + content)
        await writer.drain()

    return send


def answers(body: Any, *lines: str, status: int = 200) -> Send:
    """JSON; text is sent as it is."""
    content = body if isinstance(body, str) else json.dumps(body)
    return sends(content.encode(), *lines, status=status)


async def accepts(writer: Writer, asked: Asked) -> None:
    """Takes a paid call."""
    await answers({"id": asked.id, "status": "preparing"})(writer, asked)


def finished(text: str | None = None, **choice: Any) -> Send:
    """A finished task; `$ID` and `$URL` stand in `text` for what would be right."""

    async def send(writer: Writer, asked: Asked) -> None:
        task = asked.path.rpartition("/")[2]
        url = f"{asked.root}/audio/{task}.mp3"
        if text is not None:
            await answers(text.replace("$ID", task).replace("$URL", url))(writer, asked)
            return
        shown = {"url": url, "duration": 6000} | choice
        choices = [{name: value for name, value in shown.items() if value is not None}]
        await answers({"id": task, "status": "succeeded", "choices": choices})(writer, asked)

    return send


def first(times: int, bad: Send, then: Send) -> Send:
    """Bad for the first so many calls of a path."""

    async def send(writer: Writer, asked: Asked) -> None:
        await (bad if asked.times <= times else then)(writer, asked)

    return send


def trickles(start: bytes = b"", pause_seconds: float = 0.05) -> Send:
    """A byte now and then, without end."""

    async def send(writer: Writer, _: Asked) -> None:
        writer.write(start)
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(pause_seconds)

    return send


def endless(*lines: str, piece: bytes = b"\0" * 65536) -> Send:
    """As much as the other side takes."""

    async def send(writer: Writer, _: Asked) -> None:
        writer.write(head(200, *lines))
        while True:
            writer.write(piece)
            await writer.drain()

    return send


def leads_to(location: str) -> Send:
    """A redirect; `$SELF` is the same path again."""

    async def send(writer: Writer, asked: Asked) -> None:
        where = location.replace("$SELF", f"{asked.root}{asked.path}")
        await sends(b"", f"location: {where}", status=302)(writer, asked)

    return send


async def says_nothing(_: Writer, __: Asked) -> None:
    """Takes the call and never answers."""
    await asyncio.Event().wait()


async def hangs_up(_: Writer, __: Asked) -> None:
    """Takes the call and closes the connection."""


@cache
def bomb(megabytes: int, layers: int = 1) -> bytes:
    """Zeros, compressed so many times."""
    content = bytes(megabytes << 20)
    for _ in range(layers):
        content = gzip.compress(content, 9)
    return content
