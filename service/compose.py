"""The composition root: settings in, a working worker out."""

from __future__ import annotations

import asyncio
import socket
from importlib.metadata import version

import httpx

from service.mureka.client import MurekaClient
from service.mureka.prices import expected_cost_cents
from service.settings import Settings
from service.store import preflight
from service.store.audio import AudioStore
from service.store.client import connect
from service.store.feed import Feed
from service.store.queue import Queue
from service.worker.ports import Options
from service.worker.worker import Worker


async def run_worker(
    settings: Settings, *, stop: asyncio.Event, ready: asyncio.Event | None = None
) -> None:
    """Check the project, then make its music until `stop` is set.

    Raises:
        ConfigurationError: the project is not fit for the service; nothing was claimed.
    """
    key = settings.supabase_secret_key.get_secret_value()
    url = settings.supabase_url
    async with connect(url, key) as client, httpx.AsyncClient() as http:
        await preflight.check(client, url=url, bucket=settings.music_bucket)
        worker = Worker(
            Queue(client, settings.worker_id),
            MurekaClient(
                http,
                api_key=settings.mureka_api_key.get_secret_value(),
                base_url=settings.mureka_api_url,
            ),
            AudioStore(client, url, settings.music_bucket, public=settings.music_bucket_public),
            lambda on_hint: Feed(url, key, on_hint),
            options_of(settings),
        )
        await worker.run(stop, ready)


def options_of(settings: Settings) -> Options:
    """How a worker with these settings works."""
    return Options(
        worker_id=settings.worker_id,
        host=socket.gethostname(),
        version=version("music-service"),
        model=settings.mureka_model,
        cost_cents=expected_cost_cents(settings.mureka_model),
        stream=settings.mureka_stream,
        capacity=settings.music_max_concurrent,
        lease=settings.music_lease_seconds,
        sweep=settings.music_sweep_seconds,
        poll=settings.mureka_poll_seconds,
        deadline=settings.mureka_timeout_seconds,
    )
