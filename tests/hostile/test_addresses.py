"""Where a provider would like its music to be fetched, and where it never is."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from music_service.errors import OverdueError, TransientError
from music_service.mureka.addresses import Addresses, is_public
from music_service.mureka.client import MurekaClient, connect_mureka
from music_service.mureka.http import MOST_REDIRECTS, Http
from tests.support.evil_provider import Attack, answers, music, sends, serving
from tests.support.mureka import KEY

PUBLIC, INSIDE = "93.184.216.34", "10.0.0.7"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("192.0.0.192", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("fec0::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:93.184.216.34", True),
        ("2002:7f00:1::", False),
        ("64:ff9b::10.0.0.7", False),
        ("64:ff9b::93.184.216.34", True),
        ("no address", False),
    ],
)
def test_an_address_of_the_public_internet_is_one_also_under_the_covers_of_ipv6(
    address: str, expected: bool
) -> None:
    assert is_public(address) is expected


def world(**names: list[str]) -> Addresses:
    """Addresses of a world with these hosts alone; numbers are what they are everywhere."""

    async def resolve(host: str, port: int) -> list[str]:
        if host in names:
            return names[host]
        found = socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST)
        return [str(each[4][0]) for each in found]

    return Addresses(guarded=True, resolve=resolve)


@pytest.mark.parametrize(
    "url",
    [
        "http://cdn/m.mp3",
        "https://inside/m.mp3",
        "https://both/m.mp3",
        "https://127.0.0.1/m.mp3",
        "https://2130706433/m.mp3",
        "https://0x7f000001/m.mp3",
        "https://[::1]/m.mp3",
        "https://[::ffff:10.0.0.7]/m.mp3",
        "https://me:pass@cdn/m.mp3",
        "ftp://cdn/m.mp3",
        "https:///m.mp3",
        "https://[::1/m.mp3",
        "https://cdn:99999999/m.mp3",
    ],
)
async def test_what_is_not_public_https_is_neither_fetched_nor_shown(url: str) -> None:
    addresses = world(cdn=[PUBLIC], inside=[INSIDE], both=[PUBLIC, INSIDE])
    with pytest.raises(OverdueError) as caught:
        await addresses.way_to(url)
    assert caught.value.code == "audio_invalid"
    assert INSIDE not in str(caught.value)
    assert not await addresses.may_be_shown(url)


async def test_a_public_https_host_is_reached_at_the_address_that_was_checked() -> None:
    addresses = world(cdn=[PUBLIC])
    assert (await addresses.way_to("https://cdn:8443/m.mp3")).addresses == (PUBLIC,)
    assert await addresses.may_be_shown("https://cdn/m.mp3")


async def test_names_that_are_never_answered_hold_up_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    give_up, find = threading.Event(), socket.getaddrinfo

    def never(host: str, *rest: Any, **more: Any) -> Any:
        if host.endswith("silent.example"):
            give_up.wait(30)
            raise socket.gaierror
        return find(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", never)
    guard = Addresses(guarded=True)
    named = [guard.way_to(f"https://{number}.silent.example/1.mp3") for number in range(100)]
    asked = [asyncio.ensure_future(each) for each in named]
    try:
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            assert await asyncio.to_thread(lambda: "written") == "written"
            assert await asyncio.get_running_loop().getaddrinfo("localhost", 443)
    finally:
        for each in asked:
            each.cancel()
        give_up.set()
        await asyncio.gather(*asked, return_exceptions=True)


@pytest.mark.parametrize(
    ("url", "is_shown"),
    [
        ("https://cdn/s.mp3", True),
        ("http://cdn/s.mp3", False),
        ("https://inside/s.mp3", False),
        ("https://169.254.169.254/s.mp3", False),
    ],
)
async def test_a_stream_is_shown_where_music_would_be_fetched(url: str, is_shown: bool) -> None:
    body = {"id": "t0", "status": "streaming", "choices": [{"stream_url": url}]}
    async with (
        serving({"a": Attack(poll=answers(body))}) as provider,
        httpx.AsyncClient() as http,
    ):
        addresses = world(cdn=[PUBLIC], inside=[INSIDE])
        door = Http(http, api_key=KEY, base_url=provider.root, addresses=addresses)
        task = await MurekaClient(door).poll("instrumental", "t0")
    assert task.stream_url == (url if is_shown else None)


async def test_a_stream_whose_host_is_never_found_is_not_shown_and_holds_up_no_poll() -> None:
    async def never(_: str, __: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    async with httpx.AsyncClient() as http:
        door = Http(
            http,
            api_key=KEY,
            base_url="https://api.mureka.example",
            addresses=Addresses(guarded=True, resolve=never),
            free_seconds=0.2,
        )
        assert not await asyncio.wait_for(door.may_be_shown("https://cdn.example/m.mp3"), 10)


async def test_a_host_that_nobody_knows_is_asked_for_later() -> None:
    addresses = world()
    with pytest.raises(TransientError):
        await addresses.way_to("https://gone/m.mp3")
    assert not await addresses.may_be_shown("https://gone/m.mp3")


async def test_a_proxy_makes_the_connection_and_looks_up_what_this_machine_cannot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "")
    addresses = world(cdn=[PUBLIC], inside=[INSIDE])
    for url in ("https://cdn/m.mp3", "https://cdn.example.com/m.mp3"):
        way = await addresses.way_to(url)
        assert (way.proxy, way.addresses) == ("http://proxy.example:3128", ())
    for url in (
        "https://localhost/m.mp3",
        "https://metadata.internal/m.mp3",
        "https://db/m.mp3",
        "https://10.0.0.300/m.mp3",
    ):
        with pytest.raises(TransientError):
            await addresses.way_to(url)
    with pytest.raises(OverdueError):
        await addresses.way_to("https://inside/m.mp3")


class Cdn:
    """A TLS server for `cdn.example` on 127.0.0.1, which stands for the public address."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.hosts: list[str] = []
        self.location: str | None = None
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            self.heads.append(head)
            self.hosts += [x.partition(": ")[2] for x in head.split("\r\n") if x[:5] == "host:"]
            if self.location and len(self.hosts) < 20:
                line = f"location: {self.location}"
                await sends(b"", line, "connection: close", status=302)(writer, None)  # type: ignore[arg-type]
            else:
                await sends(music(), "connection: close")(writer, None)  # type: ignore[arg-type]
        writer.close()


@contextlib.asynccontextmanager
async def a_cdn(folder: Path) -> AsyncIterator[tuple[Cdn, MurekaClient]]:
    """The server, and a client that believes 127.0.0.1 to be public under that name alone."""
    key, certificate = _certificate(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    cdn = Cdn()
    server = await asyncio.start_server(cdn.serve, "127.0.0.1", 0, ssl=context)
    cdn.port = server.sockets[0].getsockname()[1]
    times = 0

    async def resolve(host: str, _: int) -> list[str]:
        nonlocal times
        times += 1
        known = {"cdn.example": ["127.0.0.1"], "other.example": ["127.0.0.1"]}
        # Whoever asks a second time is led inside.
        known["rebinding.example"] = ["127.0.0.1"] if times == 1 else [INSIDE]
        if host not in known:
            return [host]
        return known[host]

    addresses = Addresses(guarded=True, resolve=resolve, allow=lambda each: each == "127.0.0.1")
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with httpx.AsyncClient() as http:
        door = Http(
            http,
            api_key=KEY,
            base_url="https://api.mureka.example",
            addresses=addresses,
            tls=trusting,
        )
        try:
            yield cdn, MurekaClient(door)
        finally:
            server.close()


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A key and a certificate that it signed itself, for two of the three names."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cdn.example")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("cdn.example"), x509.DNSName("rebinding.example")]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    key_path, path = folder / "key.pem", folder / "certificate.pem"
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return key_path, path


async def fetch(client: MurekaClient, url: str, folder: Path) -> int:
    return (await client.download(url, folder / "m.mp3", max_bytes=4 << 20)).duration_ms


async def test_music_is_fetched_from_the_address_that_was_checked_under_its_own_name(
    tmp_path: Path,
) -> None:
    async with a_cdn(tmp_path) as (cdn, client):
        assert await fetch(client, f"https://cdn.example:{cdn.port}/m.mp3", tmp_path) > 5000
        assert cdn.hosts == [f"cdn.example:{cdn.port}"]
        assert "authorization" not in cdn.heads[0], "the key is for Mureka alone"


async def test_a_host_without_a_proxy_is_reached_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its address, which no variable names, the exception of its name would not be known."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "cdn.example")
    async with a_cdn(tmp_path) as (cdn, client):
        assert await fetch(client, f"https://cdn.example:{cdn.port}/m.mp3", tmp_path) > 5000


async def test_a_certificate_must_be_that_of_the_host(tmp_path: Path) -> None:
    async with a_cdn(tmp_path) as (cdn, client):
        with pytest.raises(TransientError):
            await fetch(client, f"https://other.example:{cdn.port}/m.mp3", tmp_path)
        assert cdn.hosts == []


async def test_a_name_that_leads_inside_a_moment_later_leads_to_what_was_checked(
    tmp_path: Path,
) -> None:
    async with a_cdn(tmp_path) as (cdn, client):
        url = f"https://rebinding.example:{cdn.port}/m.mp3"
        assert await fetch(client, url, tmp_path) > 5000
        with pytest.raises(OverdueError):
            await fetch(client, url, tmp_path)
        assert len(cdn.hosts) == 1


@pytest.mark.parametrize(
    "location",
    [
        "http://cdn.example:$PORT/m.mp3",
        "https://10.0.0.7/m.mp3",
        "//169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "https://me@cdn.example:$PORT/m.mp3",
    ],
)
async def test_a_redirect_out_of_what_is_public_is_not_followed(
    location: str, tmp_path: Path
) -> None:
    async with a_cdn(tmp_path) as (cdn, client):
        cdn.location = location.replace("$PORT", str(cdn.port))
        with pytest.raises(OverdueError) as caught:
            await fetch(client, f"https://cdn.example:{cdn.port}/m.mp3", tmp_path)
        assert len(cdn.hosts) == 1
        assert "meta-data" not in str(caught.value)


async def test_redirects_end(tmp_path: Path) -> None:
    async with a_cdn(tmp_path) as (cdn, client):
        cdn.location = "/again.mp3"
        with pytest.raises(OverdueError, match="on and on"):
            await fetch(client, f"https://cdn.example:{cdn.port}/m.mp3", tmp_path)
        assert len(cdn.hosts) == MOST_REDIRECTS + 1


async def test_the_client_of_an_https_address_fetches_nothing_of_this_machine(
    tmp_path: Path,
) -> None:
    async with connect_mureka(KEY, "https://api.mureka.example") as client:
        for url in ("http://127.0.0.1:9/m.mp3", "https://127.0.0.1:9/m.mp3"):
            with pytest.raises(OverdueError):
                await fetch(client, url, tmp_path)
