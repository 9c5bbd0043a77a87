"""Whether the bucket takes a track's audio and gives it back as MUSIC_BUCKET_PUBLIC says."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from music_service.doctor.findings import Finding, ok, skipped, warning, wrong
from music_service.doctor.probe import Answer, Probe

# The longest music that Mureka makes has 7.9 MB.
NEEDED_BYTES = 8_000_000
MIME_TYPE = "audio/mpeg"
_ACCEPTING = (MIME_TYPE, "audio/*", "*/*")
_CONTENT = b"ID3 not music, only a trial"


async def check_storage(probe: Probe, bucket: str, *, public: bool) -> list[Finding]:
    """Check the bucket's rules, then upload, download and delete a tiny object.

    Args:
        probe: asks with the service's key.
        bucket: the bucket's name.
        public: what the settings say of it.
    """
    answer = await probe.bucket(bucket)
    if not answer.is_ok or not isinstance(answer.body, dict):
        return [_no_bucket(bucket, answer), skipped("upload", "There is no bucket to put it into.")]
    rules = _check_rules(bucket, answer.body, public=public)
    trial = await _check_trial(probe, bucket, public=public and bool(answer.body.get("public")))
    return [*rules, trial]


def _no_bucket(bucket: str, answer: Answer) -> Finding:
    if answer.status in (400, 404):
        return wrong(
            "bucket",
            f'The bucket "{bucket}" does not exist.',
            'Apply the migrations ("music-service init" copies them and says how), or set '
            "MUSIC_BUCKET to the one there is.",
        )
    return wrong(
        "bucket",
        f"Storage does not answer as it should: {answer.message or answer.status}.",
        "Look at Storage in the dashboard and at status.supabase.com.",
    )


def _check_rules(bucket: str, rules: dict[str, Any], *, public: bool) -> list[Finding]:
    found = [
        finding
        for finding in (
            _access(bucket, is_public=bool(rules.get("public")), public=public),
            _size(bucket, rules.get("file_size_limit")),
            _types(bucket, rules.get("allowed_mime_types")),
        )
        if finding is not None
    ]
    access = "public" if rules.get("public") else "private"
    return found or [ok("bucket", f'"{bucket}" is {access} and takes what tracks need.')]


def _access(bucket: str, *, is_public: bool, public: bool) -> Finding | None:
    if public and not is_public:
        return wrong(
            "bucket",
            f'"{bucket}" is private, so nobody could open a file_url.',
            "Set MUSIC_BUCKET_PUBLIC=false, or run in the SQL editor: "
            f"update storage.buckets set public = true where id = '{bucket}';",
        )
    if is_public and not public:
        return warning(
            "bucket",
            f'"{bucket}" is public: whoever has a URL can listen, whatever the settings say.',
            "Set MUSIC_BUCKET_PUBLIC=true, or run in the SQL editor: "
            f"update storage.buckets set public = false where id = '{bucket}';",
        )
    return None


def _size(bucket: str, limit: Any) -> Finding | None:
    if not isinstance(limit, int) or limit >= NEEDED_BYTES:
        return None  # without a limit of its own, that of the project holds
    return wrong(
        "bucket",
        f'"{bucket}" takes files of up to {limit} bytes; long tracks have up to {NEEDED_BYTES}.',
        "Run in the SQL editor: "
        f"update storage.buckets set file_size_limit = 20971520 where id = '{bucket}';",
    )


def _types(bucket: str, types: Any) -> Finding | None:
    if not types or any(kind in _ACCEPTING for kind in types):
        return None
    return wrong(
        "bucket",
        f'"{bucket}" does not take {MIME_TYPE}, only {", ".join(map(str, types))}.',
        "Run in the SQL editor: update storage.buckets set allowed_mime_types = "
        f"array['{MIME_TYPE}'] where id = '{bucket}';",
    )


async def _check_trial(probe: Probe, bucket: str, *, public: bool) -> Finding:
    check, key = "upload", f"service/doctor/{uuid.uuid4()}.mp3"
    try:
        put = await probe.upload(bucket, key, _CONTENT)
        got = await probe.download(bucket, key, public=public) if put.is_ok else put
    finally:
        removed = await asyncio.shield(probe.remove(bucket, key))
    fix = "See bucket; else look at Storage in the dashboard."
    if not put.is_ok:
        return wrong(check, f"An MP3 could not be uploaded: {put.message}.", fix)
    if not got.is_ok or got.text != _CONTENT.decode():
        return wrong(check, f"What was uploaded cannot be read: {got.message}.", fix)
    if not removed.is_ok:
        return warning(
            check,
            f"The trial could not be deleted: {removed.message}.",
            f"Delete {key} in the dashboard.",
        )
    way = "by its public URL" if public else "with the secret key"
    return ok(check, f"An MP3 was uploaded, read {way} and deleted.")
