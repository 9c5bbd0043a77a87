"""Whether the URL leads to a Supabase, and whether it takes the key."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from music_service.doctor.findings import Finding, ok, warning, wrong
from music_service.doctor.probe import Answer, Probe
from music_service.redact import address

_UNAVAILABLE_FROM = 500


async def check_address(probe: Probe, url: str) -> Finding:
    """Whether a Supabase answers at the URL."""
    answer, shown = await probe.auth(), address(url)
    fix = "Check SUPABASE_URL (the Project URL in the dashboard), and whether the project runs."
    if answer.status == 0:
        return wrong("address", f"Nothing answers at {shown} ({answer.text}).", fix)
    if _is_supabase(answer):
        return ok("address", f"A Supabase answers at {shown}.")
    return wrong("address", f"What answers at {shown} is no Supabase (HTTP {answer.status}).", fix)


def check_encryption(name: str, url: str) -> list[Finding]:
    """Whether a URL can be read at all, and keeps the key that crosses a network from others.

    Args:
        name: the setting that holds the URL.
        url: where the key is sent.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # refuses what is no number
    except ValueError:
        return [
            wrong(
                "address",
                f"{name} is no address: what stands between its slashes cannot be read.",
                "Copy it again: https://, a host name, and nothing else.",
            )
        ]
    if parts.scheme != "http" or _is_this_machine(parts.hostname or ""):
        return []
    return [
        warning(
            "address",
            f"{name} is plain http to another machine ({parts.hostname}): whoever is on the way "
            "reads the key.",
            f"Use https:// in {name}, unless the way is a private network that you trust.",
        )
    ]


def _is_this_machine(host: str) -> bool:
    if host == "localhost" or host.endswith((".localhost", ".docker.internal")):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_key(description: Answer) -> Finding:
    """Whether the API takes the key, by its answer to the request for its description."""
    if description.status in (401, 403) and description.code != "42501":
        return wrong(
            "key",
            f"Supabase refuses the secret key: {description.message}.",
            "Copy the secret key of this very project (Project Settings, API Keys) into "
            "SUPABASE_SECRET_KEY.",
        )
    if description.status == 0 or description.status >= _UNAVAILABLE_FROM:
        why = description.code or description.text[:100] or f"HTTP {description.status}"
        return wrong(
            "key",
            f"The project's database API does not answer ({why}).",
            "Look at the project's status in the dashboard; it may be paused or restarting.",
        )
    return ok("key", "It is a secret key, and Supabase takes it.")


def _is_supabase(answer: Answer) -> bool:
    if isinstance(answer.body, dict) and answer.body.get("name") == "GoTrue":
        return True
    return answer.status == 401 and "API key" in answer.message
