"""The composition root: settings in, a working worker out."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

import stamina.instrumentation
import structlog

from music_service.errors import ConfigurationError, MusicServiceError, ProviderBlockedError
from music_service.mureka.client import Billing, MurekaClient, connect_mureka
from music_service.mureka.prices import MODELS, expected_cost_cents
from music_service.observe.endpoint import serve
from music_service.observe.observer import Observers
from music_service.observe.pages import pages_of
from music_service.settings import Settings
from music_service.store import preflight
from music_service.store.audio import AudioStore
from music_service.store.client import ProjectClient, connect, trusted
from music_service.store.feed import Feed
from music_service.store.queue import Queue
from music_service.tracks import LYRICS_MODEL
from music_service.waiting import first_of
from music_service.worker.account import report_account
from music_service.worker.ports import Options
from music_service.worker.worker import Worker

if TYPE_CHECKING:
    from music_service.observe.metrics import Metrics
    from music_service.observe.traces import Traces

log = structlog.get_logger(__name__)


async def run_worker(
    settings: Settings,
    *,
    stop: asyncio.Event,
    ready: asyncio.Event | None = None,
    options: Options | None = None,
) -> None:
    """Check the project, then make its music until `stop` is set.

    Args:
        settings: where everything is.
        stop: set it to drain and end.
        ready: set after the first claim.
        options: how the worker works, where that is not to follow from the settings.

    Raises:
        ConfigurationError: the project is not fit for the service, or the port of health is taken;
            nothing was claimed.
        TransientError: no Supabase answers; nothing was claimed.
    """
    key = settings.supabase_secret_key.get_secret_value()
    url = settings.supabase_url
    options = options or options_of(settings)
    stamina.instrumentation.set_on_retry_hooks([])  # the events of ours say what failed
    async with contextlib.AsyncExitStack() as opened:
        metrics = _metrics(settings, options)
        traces = await opened.enter_async_context(_tracing(settings, options))
        observer = Observers(*(each for each in (metrics, traces) if each is not None))
        client = await opened.enter_async_context(connect(url, key, observer))
        provider = await opened.enter_async_context(
            connect_mureka(
                settings.mureka_api_key.get_secret_value(),
                settings.mureka_api_url,
                trusted(),
                observer,
            )
        )
        queue = Queue(client, settings.worker_id)
        audio = AudioStore(
            client,
            settings.supabase_public_url or url,
            settings.music_bucket,
            public=settings.music_bucket_public,
        )
        worker = Worker(
            queue,
            provider,
            audio,
            partial(Feed, url, key, ready_seconds=options.realtime_ready_seconds),
            options,
            observer=observer,
        )
        if metrics is not None:
            metrics.ask(worker.status)
        pages = pages_of(worker.status, metrics)
        await opened.enter_async_context(serve(settings.health_host, settings.served_port, pages))
        checks = check_all(client, queue, provider, settings)
        is_stopped = bool(await first_of(checks, stop.wait()))
        if is_stopped:
            return
        budget = await preflight.daily_budget_cents(client)
        log.info(
            "started",
            project=url,
            worker_id=options.worker_id,
            model=options.model,
            daily_budget_cents="no limit" if budget is None else budget,
        )
        await worker.run(stop, ready)


def _metrics(settings: Settings, options: Options) -> Metrics | None:
    """What counts, where somebody can ask for the numbers and the extra is installed."""
    if settings.served_port is None:
        return None
    try:
        from music_service.observe.metrics import Metrics  # noqa: PLC0415  an extra
    except ModuleNotFoundError:
        return None
    return Metrics(models={*MODELS, LYRICS_MODEL, options.model}, version=options.version)


@contextlib.asynccontextmanager
async def _tracing(settings: Settings, options: Options) -> AsyncIterator[Traces | None]:
    """What traces, where somebody takes it and the extra is installed."""
    endpoint = settings.otel_exporter_otlp_endpoint
    if endpoint is None:
        yield None
        return
    try:
        from music_service.observe.traces import tracing  # noqa: PLC0415  an extra
    except ModuleNotFoundError:
        log.warning("traces_not_sent", extra="otel")
        yield None
        return
    async with tracing(endpoint, worker_id=options.worker_id, version=options.version) as traces:
        yield traces


async def check_all(
    client: ProjectClient, queue: Queue, provider: MurekaClient, settings: Settings
) -> None:
    """Make sure that project and account are fit for the service; raises as `run_worker` does."""
    await preflight.check(
        client,
        settings.music_bucket,
        public=settings.music_bucket_public,
        capacity=settings.music_max_concurrent,
    )
    billing = await check_account(provider)
    if billing is not None:
        await report_account(queue, billing)


async def check_account(provider: MurekaClient) -> Billing | None:
    """Make sure that Mureka knows the key; where it cannot be reached, that is for later.

    Answers the account, where Mureka has told.

    Raises:
        ConfigurationError: it refuses the key or the region.
    """
    try:
        billing = await provider.billing()
    except ProviderBlockedError as error:
        raise ConfigurationError(str(error)) from error
    except MusicServiceError as error:
        log.warning("mureka_not_checked", reason=str(error))
        return None
    if billing.balance_cents <= 0:
        log.warning("mureka_balance_used_up", balance_cents=billing.balance_cents)
    return billing


def options_of(settings: Settings) -> Options:
    """How a worker with these settings works."""
    return Options(
        worker_id=settings.worker_id,
        host=socket.gethostname(),
        version=version("music-service"),
        model=settings.mureka_model,
        expected_cost_cents=expected_cost_cents(settings.mureka_model),
        stream=settings.mureka_stream,
        capacity=settings.music_max_concurrent,
        lease_seconds=settings.music_lease_seconds,
        sweep_seconds=settings.music_sweep_seconds,
        poll_seconds=settings.mureka_poll_seconds,
        deadline_seconds=settings.mureka_timeout_seconds,
    )
