"""The way out of this machine as variables describe it: proxies and trusted certificates."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


def network_problems(variables: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What keeps every request from being sent, a sentence for each variable that says so.

    No value is in it, since proxies are often named with a password.
    """
    found = {}
    for name in _named(_PROXIES, variables):
        if reason := _fault_of_proxy(variables[name]):
            found[name] = f"{name} {reason}."
    path = variables.get("SSL_CERT_FILE")
    if path and not _is_bundle(path):
        found["SSL_CERT_FILE"] = (
            "SSL_CERT_FILE names no file with certificates; correct or unset it."
        )
    return found


def proxy_to(url: str) -> str | None:
    """The variable that names the proxy by which an address is reached; None where none is."""
    # Slow to import, and wanted only where nobody answers.
    from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # noqa: PLC0415

    parts = urlsplit(url)
    names = _named((f"{parts.scheme.upper()}_PROXY", "ALL_PROXY"), os.environ)
    if not names or proxy_bypass_environment(parts.netloc):
        return None
    return names[0]


def reach_this_machine_directly() -> None:
    """Take what is on this machine out of the proxies' hands, and NO_PROXY as people write it.

    The clients understand an address of IPv6 only without brackets, and no network of them.
    """
    if not _named((*_PROXIES, "NO_PROXY"), os.environ):
        return
    for name in ("NO_PROXY", "no_proxy"):
        given = os.environ.get(name, os.environ.get(name.swapcase(), ""))
        hosts = [_host_in(entry.strip()) for entry in given.split(",")]
        kept = [host for host in hosts if host and not _is_network_of_ipv6(host)]
        os.environ[name] = "*" if "*" in kept else ",".join(dict.fromkeys([*kept, *_THIS_MACHINE]))


def _named(names: tuple[str, ...], variables: Mapping[str, str]) -> list[str]:
    both = [each for name in names for each in (name, name.lower())]
    return [name for name in both if variables.get(name)]


def _fault_of_proxy(url: str) -> str | None:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        is_address = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return "is not the address of a proxy; correct or unset it"
    if parts.scheme.startswith("socks"):
        return "names a SOCKS proxy, which is not supported; name an HTTP proxy, or unset it"
    if parts.scheme not in ("http", "https") or not is_address:
        return "is not the address of a proxy; correct or unset it"
    return None


def _host_in(entry: str) -> str:
    """An entry of NO_PROXY; one of IPv6 without its brackets and port."""
    return entry[1:].partition("]")[0] if entry.startswith("[") else entry


def _is_network_of_ipv6(host: str) -> bool:
    return ":" in host and "/" in host and "://" not in host


def _is_bundle(path: str) -> bool:
    import ssl  # noqa: PLC0415  slow, and seldom needed

    try:
        ssl.create_default_context(cafile=path)
    except OSError:  # ssl.SSLError is one
        return False
    return True
