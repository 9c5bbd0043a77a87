"""Whether a project is fit for the service, found out before anything is claimed."""

from __future__ import annotations

from typing import Any

import httpx
from postgrest.exceptions import APIError
from storage3.exceptions import StorageApiError
from supabase import AsyncClient

from music_service.errors import ConfigurationError, ContractError, TransientError
from music_service.redact import plain
from music_service.store import failures


async def check(client: AsyncClient, *, url: str, bucket: str, public: bool) -> None:
    """Make sure that URL, key, migrations and bucket are as the service needs them.

    Raises:
        ConfigurationError: they are not; the text is one sentence that says what to do.
    """
    try:
        await client.table("music_tracks").select("id,run_after").limit(1).execute()
        await client.rpc(
            "renew_music_claims", {"p_worker_id": "", "p_claim_ids": [], "p_lease_seconds": 1}
        ).execute()
        found = await client.storage.get_bucket(bucket)
    except (APIError, httpx.HTTPError) as error:
        failure = failures.of_database(error)
        if isinstance(failure, (TransientError, ContractError)):
            raise _unreachable(url) from error
        raise failure from error
    except StorageApiError as error:
        if str(error.status) in ("404", "400"):
            raise ConfigurationError(
                f'The bucket "{bucket}" does not exist; apply the migrations (supabase db push) '
                "or set MUSIC_BUCKET."
            ) from error
        raise ConfigurationError(f"Storage refuses the service: {plain(error.message)}") from error
    except ValueError as error:  # an answer that is no JSON: not a Supabase
        raise _unreachable(url) from error
    _check_bucket(found, public=public)


def _check_bucket(bucket: Any, *, public: bool) -> None:
    if public and not bucket.public:
        raise ConfigurationError(
            f'The bucket "{bucket.id}" is private, so nobody could open a file_url; '
            "set MUSIC_BUCKET_PUBLIC=false, or make the bucket public."
        )


def _unreachable(url: str) -> ConfigurationError:
    return ConfigurationError(
        f"No Supabase answers at {url}; check SUPABASE_URL and whether the project is running."
    )
