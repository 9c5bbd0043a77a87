"""What the Mureka account allows, told to the database, which keeps the fleet within it."""

from __future__ import annotations

import asyncio

import structlog

from music_service.errors import MusicServiceError
from music_service.worker.ports import Billing, Provider, Queue

log = structlog.get_logger(__name__)


async def report_account_once(queue: Queue, billing: Billing) -> None:
    """Tell it once; a database that does not take it is no reason to stop."""
    try:
        await queue.report_account(billing.concurrent_request_limit, billing.balance_cents)
    except MusicServiceError as error:
        log.warning("account_not_reported", reason=str(error))


async def keep_account_reported(queue: Queue, provider: Provider, every_seconds: float) -> None:
    """Ask Mureka and tell the database now and then; returns only when cancelled."""
    while True:
        await asyncio.sleep(every_seconds)
        try:
            billing = await provider.billing()
        except MusicServiceError as error:
            log.warning("account_not_reported", reason=str(error))
        else:
            await report_account_once(queue, billing)
