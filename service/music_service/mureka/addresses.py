"""Which addresses may be asked for files, and be shown to listeners.

Mureka says where its music is. With an `https` address of Mureka itself, only `https` and only
hosts of the public internet are believed: whatever else an address leads to, a service inside our
own network above all, is not fetched. The address that was checked is the one that is connected
to, so that a name that leads elsewhere a moment later leads nowhere new.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from music_service.errors import ErrorCode, OverdueError, TransientError
from music_service.network import proxy_to

_LOCAL_NAMES = ("localhost", "local", "internal", "intranet", "lan", "home", "corp", "arpa")
# Such addresses of IPv6 hold one of IPv4, to which a gateway of the network leads.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Inside a network, too, though Python's own list does not say so of them in every version.
_INSIDE = (ipaddress.ip_network("192.0.0.0/24"), ipaddress.ip_network("fec0::/10"))
_MOST_ADDRESSES = 4
# A name that is never answered holds its thread for as long as the system waits. Those of the
# provider have threads of their own: neither files nor names of our own services wait for them.
_LOOK_UPS = ThreadPoolExecutor(max_workers=8, thread_name_prefix="look-up")

Resolve = Callable[[str, int], Awaitable[list[str]]]


@dataclass(frozen=True, slots=True)
class Way:
    """How a host is reached: directly at one of these addresses, or by a proxy.

    `addresses` is empty where the name is left to the proxy, or where nothing is checked.
    """

    host: str
    addresses: tuple[str, ...] = ()
    proxy: str | None = None


async def resolve(host: str, port: int) -> list[str]:
    """All addresses of a host as this machine sees them; raises OSError where it has none."""
    loop = asyncio.get_running_loop()
    look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await loop.run_in_executor(_LOOK_UPS, look_up)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def is_public(address: str) -> bool:
    """Whether it is an address of the public internet, also under the covers of IPv6."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    if any(ip in network for network in _INSIDE):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


class Addresses:
    """Checks what Mureka names.

    Args:
        guarded: whether only `https` and public hosts are allowed.
        resolve: finds the addresses of a host.
        allow: says whether one of them may be connected to.
    """

    def __init__(
        self,
        *,
        guarded: bool,
        resolve: Resolve = resolve,
        allow: Callable[[str], bool] = is_public,
    ) -> None:
        self.guarded = guarded
        self._resolve = resolve
        self._allow = allow

    async def way_to(self, url: str) -> Way:
        """How a URL is to be fetched.

        Raises:
            OverdueError: `audio_invalid`: it is not to be fetched at all.
            TransientError: its host cannot be found now.
        """
        host, port = _host_and_port(url, guarded=self.guarded)
        if not self.guarded:
            return Way(host)
        proxy = proxy_to(url)
        try:
            found = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            if proxy and _may_be_public(host):  # only the proxy knows names of the outside
                return Way(host, proxy=_address_of(proxy))
            raise TransientError("The server of the finished music cannot be found.") from error
        if not found or not all(self._allow(address) for address in found):
            raise refused("its address is not of the public internet")
        if proxy:
            return Way(host, proxy=_address_of(proxy))
        return Way(host, tuple(found[:_MOST_ADDRESSES]))

    async def may_be_shown(self, url: str) -> bool:
        """Whether listeners may be sent there."""
        try:
            await self.way_to(url)
        except (OverdueError, TransientError):
            return False
        return True


def refused(what: str) -> OverdueError:
    """The error of audio that is not fetched."""
    return OverdueError(
        f"What Mureka delivered is no usable audio: {what}.", code=ErrorCode.AUDIO_INVALID
    )


def _host_and_port(url: str, *, guarded: bool) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in ("http", "https"):
        raise refused("its address is none")
    if guarded and (parts.scheme != "https" or "@" in parts.netloc):
        raise refused("its address is not safe")
    return host, port or (443 if parts.scheme == "https" else 80)


def _may_be_public(host: str) -> bool:
    """Whether a name that this machine does not know may be one of the internet."""
    name = host.rstrip(".").lower()
    if name.rpartition(".")[2] in _LOCAL_NAMES or "." not in name:
        return False
    is_number = name.rpartition(".")[2][:1].isdigit()  # no domain at the top begins with one
    return not is_number and ":" not in name


def _address_of(variable: str) -> str:
    value = os.environ[variable]
    return value if "://" in value else f"http://{value}"
