"""The checkout, and an app's view of its Supabase: users, official clients, rows."""

from __future__ import annotations

import os
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import DictRow
from supabase import AsyncClient

ROOT = Path(__file__).parents[2]
SUPABASE = ROOT / "supabase"
WEB = ROOT / "web"
IS_FULL = bool(os.environ.get("MUSIC_TEST_FULL"))

Connection = psycopg.AsyncConnection[DictRow]
MakeClient = Callable[..., Awaitable[AsyncClient]]


def rows(answer: Any) -> list[dict[str, Any]]:
    """The rows of an answer of the official client, which types them as any JSON."""
    return list(answer.data)


@dataclass(frozen=True)
class SignedIn:
    """A user of the app with the official client that acts for them."""

    id: str
    email: str
    password: str
    client: AsyncClient


async def ask(user: SignedIn, **columns: Any) -> uuid.UUID:
    track = {"prompt": "a walk in the rain"} | columns
    answer = await user.client.table("music_tracks").insert(track).execute()
    return uuid.UUID(rows(answer)[0]["id"])
