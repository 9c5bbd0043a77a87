"""Everything that is checked, in order.

A fault keeps nothing from being checked but what cannot be seen without it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from music_service.doctor.access import check_access, check_triggers
from music_service.doctor.address import check_address, check_encryption, check_key
from music_service.doctor.catalogue import read_catalogue
from music_service.doctor.findings import Finding, Verdict, is_well, ok, skipped, wrong
from music_service.doctor.fleet import QueueHealth, check_budget, check_clock, check_workers
from music_service.doctor.mureka import Mureka, check_account
from music_service.doctor.probe import Answer, Probe, probing
from music_service.doctor.queue import Review, check_queue
from music_service.doctor.realtime import check_owners_hear, check_realtime
from music_service.doctor.schema import check_schema
from music_service.doctor.storage import check_storage
from music_service.doctor.trial import check_rows, check_trial
from music_service.doctor.version import check_version
from music_service.errors import ConfigurationError
from music_service.mureka.prices import expected_cost_cents, is_free

_ENVIRONMENT = "Correct it in the environment or in .env; .env.example explains each one."


@dataclass(frozen=True, slots=True)
class Given:
    """What the settings say, right or wrong.

    `problems` has a sentence for each setting that is missing or malformed; `mureka` is None
    where Mureka is not to be asked.
    """

    url: str
    key: str = field(repr=False)
    bucket: str
    bucket_public: bool
    mureka: Mureka | None
    problems: Mapping[str, str]


async def checkup(given: Given, *, patience_seconds: float = 6) -> AsyncIterator[Finding]:
    """Check everything once; answers each finding as soon as it is known.

    Args:
        given: where everything is.
        patience_seconds: how long a message of Realtime may take.
    """
    for finding in _check_settings(given.problems):
        yield finding
    health = QueueHealth(None)
    if "SUPABASE_URL" in given.problems:
        yield wrong("address", given.problems["SUPABASE_URL"], _ENVIRONMENT)
    else:
        key = None if "SUPABASE_SECRET_KEY" in given.problems else given.key
        try:
            async with probing(given.url, key) as probe:
                async for finding in _check_project(probe, given, key, health, patience_seconds):
                    yield finding
        except ConfigurationError as error:
            yield wrong("address", str(error), _ENVIRONMENT)
    for finding in await _check_mureka(given, health):
        yield finding


def _check_settings(problems: Mapping[str, str]) -> list[Finding]:
    elsewhere = ("SUPABASE_URL", "SUPABASE_SECRET_KEY", "MUREKA_API_KEY", "MUREKA_API_URL")
    found = [text for name, text in problems.items() if name not in elsewhere]
    if not found:
        return [ok("settings", "All settings can be read.")]
    return [wrong("settings", text, _ENVIRONMENT) for text in found]


async def _check_project(
    probe: Probe, given: Given, key: str | None, health: QueueHealth, patience_seconds: float
) -> AsyncIterator[Finding]:
    address = await check_address(probe, given.url)
    yield address
    for finding in check_encryption("SUPABASE_URL", given.url):
        yield finding
    if key is None:
        yield wrong(
            "key",
            given.problems["SUPABASE_SECRET_KEY"],
            "Copy the secret key (sb_secret_…; Project Settings, API Keys) into "
            "SUPABASE_SECRET_KEY.",
        )
    if address.verdict is not Verdict.OK or key is None:
        yield skipped("project", "The database, Realtime and Storage could not be checked.")
        return
    description = await probe.description()
    accepted = check_key(description)
    yield accepted
    if accepted.verdict is Verdict.OK:
        async for finding in _check_database(
            probe, given, key, description, health=health, patience_seconds=patience_seconds
        ):
            yield finding
    elif description.status in (401, 403):
        yield skipped("project", "The database, Realtime and Storage could not be checked.")
        return
    for finding in await check_storage(probe, given.bucket, public=given.bucket_public):
        yield finding


async def _check_database(
    probe: Probe,
    given: Given,
    key: str,
    description: Answer,
    *,
    health: QueueHealth,
    patience_seconds: float,
) -> AsyncIterator[Finding]:
    schema = await check_schema(probe, description)
    await health.read(probe)
    catalogue = await read_catalogue(probe, given.bucket)
    triggers = check_triggers(catalogue)
    is_sound = is_well([*schema, *triggers]) and health.is_known
    for finding in (
        *schema,
        await check_version(probe),
        *check_access(catalogue, given.bucket, public=given.bucket_public),
        *triggers,
        *check_owners_hear(catalogue),
        *check_queue(health),
        *await check_trial(probe, catalogue, is_sound=is_sound),
        await check_rows(probe),
    ):
        yield finding
    for finding in await check_realtime(
        probe, given.url, key, catalogue, patience_seconds=patience_seconds
    ):
        yield finding
    review = Review()
    await review.read(probe)
    for finding in (
        *(review.check_workers(health.workers) or [check_workers(health)]),
        review.check(),
        _check_budget(given, health),
        await check_clock(probe),
    ):
        yield finding


def _check_budget(given: Given, health: QueueHealth) -> Finding:
    if given.mureka is None:
        return check_budget(health, is_free=False)
    price_cents = float(expected_cost_cents(given.mureka.model))
    return check_budget(health, is_free=is_free(given.mureka.url), price_cents=price_cents)


async def _check_mureka(given: Given, health: QueueHealth) -> list[Finding]:
    if given.mureka is None:
        return [skipped("mureka", "Not checked, as --skip-mureka says.")]
    for name in ("MUREKA_API_KEY", "MUREKA_API_URL"):
        if name in given.problems:
            return [wrong("mureka", given.problems[name], _ENVIRONMENT)]
    address = check_encryption("MUREKA_API_URL", given.mureka.url)
    if not is_well(address):
        return address
    return [
        *address,
        *await check_account(given.mureka, health.max_concurrent, known=health.is_known),
    ]
