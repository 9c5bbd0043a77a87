"""Whether a project is fit for the service, found out before anything is claimed."""

from __future__ import annotations

from typing import Any

import structlog

from music_service.errors import ConfigurationError
from music_service.store import failures
from music_service.store.buckets import rules_of
from music_service.store.client import ProjectClient
from music_service.store.schema_version import SchemaVersion

log = structlog.get_logger(__name__)


async def check(client: ProjectClient, bucket: str, *, public: bool, capacity: int) -> None:
    """Make sure that URL, key, migrations, API and bucket are as the service needs them.

    Args:
        client: has the service's rights.
        bucket: the name of the bucket for the audio.
        public: what the settings say of it.
        capacity: how many tracks the worker claims at once, of each of which it has to hear.

    Raises:
        ConfigurationError: they are not; the text is one sentence that says what to do.
        TransientError: no Supabase answers.
    """
    with failures.calling_project(client.url):
        await client.table("music_tracks").select("id,run_after").limit(1).execute()
        version = await client.rpc("music_schema_version", {}).execute()
        check_version(SchemaVersion.read(version.data))
        await client.rpc(
            "renew_music_claims", {"p_worker_id": "", "p_claim_ids": [], "p_lease_seconds": 1}
        ).execute()
        rows = await client.rpc("list_music_numbers", {"p_count": capacity}).execute()
        rules = await rules_of(client, bucket)
    heard_of = len(rows.data) if isinstance(rows.data, list) else 0
    if heard_of < capacity:
        raise ConfigurationError(
            f"The API hands out {heard_of} rows at once, and this worker claims up to {capacity}; "
            "raise Max rows in the dashboard (Integrations, Data API, Settings), or lower "
            "MUSIC_MAX_CONCURRENT."
        )
    if rules is None:
        raise ConfigurationError(
            f'The bucket "{bucket}" does not exist; apply the migrations ("music-service init" '
            "copies them and says how) or set MUSIC_BUCKET."
        )
    if public and not rules.public:
        raise ConfigurationError(
            f'The bucket "{bucket}" is private, so nobody could open a file_url; '
            "set MUSIC_BUCKET_PUBLIC=false, or make the bucket public."
        )


async def daily_budget_cents(client: ProjectClient) -> float | None:
    """What a UTC day may cost by `music.settings`; None for no limit."""
    with failures.calling_project(client.url):
        query = client.table("music_queue_health").select("daily_budget_cents")
        found: Any = (await query.limit(1).execute()).data
    return found[0]["daily_budget_cents"] if found else None


def check_version(found: SchemaVersion) -> None:
    """Make sure that this worker can work with the database; a mere difference is logged.

    Raises:
        ConfigurationError: it cannot.
    """
    if found.misfit is not None:
        reason, remedy = found.misfit
        raise ConfigurationError(f"{reason}: {remedy}.")
    if found.difference is not None:
        reason, remedy = found.difference
        log.warning("schema_differs", reason=f"{reason}: {remedy}.")
