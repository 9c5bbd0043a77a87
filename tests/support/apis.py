"""One API of the embedded stack on a port of its own, without the others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar
from urllib.parse import urlsplit

from starlette.applications import Starlette

from local_supabase.gateway import Api, Server

AnyApi = TypeVar("AnyApi", bound=Api)


@asynccontextmanager
async def served(api: AnyApi, url: str) -> AsyncIterator[AnyApi]:
    """Serve an API at the root URL of its context for the length of a block."""
    server = Server(Starlette(routes=api.routes), urlsplit(url).port or 0, "one API")
    await api.start()
    await server.start()
    try:
        yield api
    finally:
        await api.stop()
        await server.stop()
