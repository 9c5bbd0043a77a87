"""The Mureka account: what it allows is told to the database, and a blocked one asked after."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from music_service.errors import MusicServiceError, ProviderBlockedError
from music_service.worker.ports import Billing, Provider, Queue

log = structlog.get_logger(__name__)


class Blockade:
    """A refusal of the whole account, from its first sign until it has passed.

    Args:
        provider: asked for the balance.
        check_seconds: between two questions while it lasts.
        report: writes the worker's state, `blocked` with the reason or `running`.
        on_lifted: told that it has passed.
    """

    def __init__(
        self,
        provider: Provider,
        check_seconds: float,
        *,
        report: Callable[[str, str | None], Awaitable[bool]],
        on_lifted: Callable[[], None],
    ) -> None:
        self.error: ProviderBlockedError | None = None
        self._provider = provider
        self._check_seconds = check_seconds
        self._report = report
        self._on_lifted = on_lifted
        self._began = asyncio.Event()

    def begin(self, error: ProviderBlockedError) -> None:
        """The provider has refused the account."""
        if self.error is None:
            log.error("blocked", code=error.code, reason=str(error))
        self.error = error
        self._began.set()

    async def run(self) -> None:
        """Tell operators when and why nothing is claimed, and find out when that has passed."""
        while True:
            await self._began.wait()
            while self.error is not None:
                await self._report("blocked", str(self.error))
                await asyncio.sleep(self._check_seconds)
                with contextlib.suppress(MusicServiceError):
                    if (await self._provider.billing()).balance_cents > 0:
                        self.error = None
            self._began.clear()
            log.info("unblocked")
            await self._report("running", None)
            self._on_lifted()


async def report_account(queue: Queue, billing: Billing) -> None:
    """Tell the database once; one that does not take it is no reason to stop."""
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
            await report_account(queue, billing)
