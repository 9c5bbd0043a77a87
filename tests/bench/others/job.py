"""The job of the others: a paid call to the Mureka simulator, and polls until the music is there.

Environment: `MUREKA_API_URL`, `MUREKA_API_KEY`, `BENCH_DB_URL`; and

    BENCH_POLL_SECONDS   between two polls; 0 ends the job after the paid call
    BENCH_RECEIPTS       1: the job keeps the task's id before it polls, and looks for one first
    BENCH_TIMEOUT        seconds without a sign of life after which a job is run again
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import psycopg

POLL_SECONDS = float(os.environ.get("BENCH_POLL_SECONDS", "0"))
KEEPS_RECEIPTS = os.environ.get("BENCH_RECEIPTS") == "1"
TIMEOUT_SECONDS = float(os.environ.get("BENCH_TIMEOUT", "30"))
CONCURRENCY = 10  # as a worker of ours

_RECEIPT = "select task_id from bench.receipts where job = %s"
_KEEP = "insert into bench.receipts (job, task_id) values (%s, %s)"
_MADE = "insert into bench.made (job) values (%s) on conflict do nothing"


class Maker:
    """Makes tracks.

    Args:
        http: a client of Mureka.
        notes: a connection for what is kept of a job, in autocommit.
    """

    def __init__(self, http: httpx.AsyncClient, notes: psycopg.AsyncConnection[Any]) -> None:
        self._http = http
        self._notes = notes

    async def make(self, prompt: str) -> None:
        """Have a track made, once more from the beginning where nothing is known of it."""
        task_id = await self._receipt(prompt) if KEEPS_RECEIPTS else None
        if task_id is None:
            task_id = await self._submit(prompt)
            if KEEPS_RECEIPTS:
                await self._notes.execute(_KEEP, (prompt, task_id))
        if POLL_SECONDS:
            await self._poll(task_id)
        await self._notes.execute(_MADE, (prompt,))

    async def _receipt(self, prompt: str) -> str | None:
        row = await (await self._notes.execute(_RECEIPT, (prompt,))).fetchone()
        return str(row[0]) if row else None

    async def _submit(self, prompt: str) -> str:
        wanted = {"model": "mureka-9", "n": 1, "prompt": prompt}
        answer = await self._http.post("/v1/instrumental/generate", json=wanted)
        answer.raise_for_status()
        return str(answer.json()["id"])

    async def _poll(self, task_id: str) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            answer = await self._http.get(f"/v1/instrumental/query/{task_id}")
            answer.raise_for_status()
            status = answer.json()["status"]
            if status == "succeeded":
                return
            if status in ("failed", "timeouted", "cancelled"):
                raise RuntimeError(f"Mureka says {status}.")


@asynccontextmanager
async def maker() -> AsyncIterator[Maker]:
    """One with connections of its own, for the length of a block."""
    headers = {"authorization": f"Bearer {os.environ['MUREKA_API_KEY']}"}
    async with (
        httpx.AsyncClient(
            base_url=os.environ["MUREKA_API_URL"], headers=headers, timeout=30
        ) as http,
        await psycopg.AsyncConnection.connect(database_url(), autocommit=True) as notes,
    ):
        yield Maker(http, notes)


def database_url() -> str:
    """Where the queue is; the others need a password of the database."""
    return os.environ["BENCH_DB_URL"]
