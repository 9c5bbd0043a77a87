"""Settings and proxies as people write them: what can be understood works."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from music_service import environment
from music_service.environment import given_values, use_env_file
from music_service.errors import ConfigurationError
from music_service.network import network_problems, proxy_to, reach_this_machine_directly
from music_service.settings import MurekaSettings, ProjectSettings

URL, KEY = "https://ref.supabase.example", "sb_secret_x"
LINES = f"SUPABASE_URL={URL}\nSUPABASE_SECRET_KEY={KEY}\n"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """An environment with nothing of ours and no proxy, as it was before afterwards."""
    before = dict(os.environ)
    for name in list(os.environ):
        if name.startswith(("SUPABASE", "MUREKA", "MUSIC")) or name.upper().endswith("_PROXY"):
            del os.environ[name]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(environment, "_chosen", [])
    yield
    os.environ.clear()
    os.environ.update(before)


def project() -> tuple[str, str]:
    settings = ProjectSettings.load()
    return settings.supabase_url, settings.supabase_secret_key.get_secret_value()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_file_is_read_in_the_encodings_that_editors_write(encoding: str, end: str) -> None:
    Path(".env").write_bytes(LINES.replace("\n", end).encode(encoding))
    assert project() == (URL, KEY)


def test_a_file_in_another_encoding_is_named() -> None:
    Path(".env").write_bytes("SUPABASE_URL=http://b\u00fccher\n".encode("latin-1"))
    with pytest.raises(ConfigurationError, match=r"The file \.env is not UTF-8 text"):
        project()


def test_a_folder_of_that_name_is_no_file_of_settings() -> None:
    Path(".env").mkdir()  # a virtual environment, or what Docker makes of a missing mount
    os.environ.update(SUPABASE_URL=URL, SUPABASE_SECRET_KEY=KEY)
    assert project() == (URL, KEY)


@pytest.mark.parametrize("quote", ['"', "'"])
def test_quotes_that_docker_leaves_do_not_count(quote: str) -> None:
    os.environ.update(
        SUPABASE_URL=f"{quote}{URL}{quote}",
        SUPABASE_SECRET_KEY=f"{quote}{KEY}{quote}",
        MUREKA_API_KEY=f"{quote}op_x{quote}",
        MUREKA_POLL_SECONDS=f"{quote}2{quote}",
        MUREKA_STREAM=f"{quote}false{quote}",
    )
    assert project() == (URL, KEY)
    settings = MurekaSettings.load()
    assert (settings.mureka_poll_seconds, settings.mureka_stream) == (2, False)


def test_keys_of_the_platform_keep_the_quotes_of_their_json() -> None:
    keys = '{"default":"sb_secret_y"}'
    os.environ.update(SUPABASE_URL=URL, SUPABASE_SECRET_KEYS=f"'{keys}'")
    assert project() == (URL, "sb_secret_y")


def test_empty_quotes_are_not_set() -> None:
    os.environ.update(SUPABASE_URL='""', SUPABASE_SECRET_KEY=KEY)
    with pytest.raises(ConfigurationError, match="SUPABASE_URL is not set"):
        project()


def test_a_file_that_was_chosen_is_read_alone() -> None:
    os.environ.update(SUPABASE_URL="https://other.example", SUPABASE_SECRET_KEYS='{"default":"x"}')
    Path(".env").write_text("MUSIC_BUCKET=other\n")
    Path("stack.env").write_text(LINES)
    use_env_file(Path("stack.env"))
    assert project() == (URL, KEY)
    assert set(given_values()) == {"SUPABASE_URL", "SUPABASE_SECRET_KEY"}


WAYS = [
    "::1",
    "[::1]",
    "[::1]:8080",
    "fe80::/10",
    "10.0.0.0/8, .internal , localhost",
    "*",
    "",
]


@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
@pytest.mark.parametrize("value", WAYS)
async def test_a_client_can_be_made_whatever_no_proxy_says(name: str, value: str) -> None:
    os.environ.update({name: value, "HTTP_PROXY": "http://proxy.example:3128"})
    reach_this_machine_directly()
    assert network_problems() == {}
    async with httpx.AsyncClient():
        assert proxy_to("http://127.0.0.1:54321") is None
        assert proxy_to("http://localhost:54321") is None
    outside = "HTTP_PROXY" if value != "*" else None
    assert proxy_to("http://ref.supabase.example") == outside


def test_without_a_proxy_nothing_is_changed() -> None:
    before = dict(os.environ)
    reach_this_machine_directly()
    assert dict(os.environ) == before


@pytest.mark.parametrize("value", ["http://proxy.example:3128", "https://u:p@h", "h:3128", ""])
def test_an_http_proxy_is_taken(value: str) -> None:
    assert network_problems({"HTTPS_PROXY": value}) == {}


@pytest.mark.parametrize(
    "value", ["socks5://h:1", "socks5h://h", "ftp://h", "http://h:x", "http://"]
)
def test_a_proxy_that_no_client_takes_is_named_without_its_value(value: str) -> None:
    [sentence] = network_problems({"ALL_PROXY": value}).values()
    assert sentence.startswith("ALL_PROXY ")
    assert value not in sentence
