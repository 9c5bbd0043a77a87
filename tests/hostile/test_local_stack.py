"""The stack on a machine that others use, too: its directory, its files, its database."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from local_supabase import data_directory
from local_supabase.errors import SetupError
from local_supabase.keys import Keys
from local_supabase.ports import HOST, Ports
from local_supabase.stack import Stack
from music_service.cli.dev import ENV_FILE
from tests.support.project import ROOT

ROLES = (
    "supabase_admin",
    "postgres",
    "authenticator",
    "supabase_auth_admin",
    "supabase_storage_admin",
)


@pytest.fixture
def open_umask() -> Iterator[None]:
    """A shell that would let everybody read and write what it makes."""
    before = os.umask(0)
    yield
    os.umask(before)


def modes(root: Path) -> dict[str, str]:
    """What others may do to anything under a directory; nothing is left out."""
    found = [root, *root.rglob("*")]
    return {
        str(path.relative_to(root)): oct(path.stat().st_mode)
        for path in found
        if path.stat().st_mode & 0o077
    }


@pytest.mark.usefixtures("open_umask")
async def test_nothing_that_a_stack_keeps_can_be_read_by_others(tmp_path: Path) -> None:
    home = tmp_path / "data"
    async with Stack(home, Ports.free(), project_dir=ROOT) as stack:
        headers = {"apikey": stack.keys.secret, "authorization": f"Bearer {stack.keys.secret}"}
        async with httpx.AsyncClient(headers=headers) as http:
            uploaded = await http.post(
                f"{stack.url}/storage/v1/object/music-tracks/a/b.mp3",
                content=b"audio",
                headers={"content-type": "audio/mpeg"},
            )
            assert uploaded.status_code == 200, uploaded.text
            submitted = await http.post(
                f"{stack.simulator_url}/v1/instrumental/generate",
                json={"prompt": "a walk", "model": "mureka-9"},
                headers={"authorization": f"Bearer {stack.environment()['MUREKA_API_KEY']}"},
            )
            assert submitted.status_code == 200, submitted.text
        assert modes(home) == {}
        made = {path.name for path in home.iterdir()}
    assert {"postgres.log", "postgrest.log", "simulator", "storage"} <= made
    assert made <= {*data_directory.MADE_BY_A_STACK, data_directory.MARK}, "--reset would leave it"
    assert ENV_FILE in data_directory.MADE_BY_A_STACK


async def test_a_directory_that_others_could_enter_is_closed_to_them(tmp_path: Path) -> None:
    home = tmp_path / "data"
    home.mkdir(mode=0o755)
    home.chmod(0o755)
    with data_directory.held(home):
        assert stat.S_IMODE(home.stat().st_mode) == 0o700


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("password", ["postgres", "", "supabase"])
async def test_no_role_gets_in_by_a_password_that_everybody_knows(
    stack: Stack, role: str, password: str
) -> None:
    url = f"postgresql://{role}:{password}@{HOST}:{stack.postgres.port}/postgres"
    with pytest.raises(psycopg.OperationalError, match=r"password|fe_sendauth"):
        await psycopg.AsyncConnection.connect(url)


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_gets_in_by_the_password_of_the_stack(stack: Stack, role: str) -> None:
    async with await psycopg.AsyncConnection.connect(stack.postgres.conninfo(role)) as connection:
        cursor = await connection.execute("select current_user")
        assert await cursor.fetchone() == (role,)


async def test_two_stacks_have_two_passwords_and_no_rule_of_trust(
    stack: Stack, tmp_path: Path
) -> None:
    own = json.loads((stack.data_dir / "keys.json").read_text())["postgres_password"]
    assert len(own) >= 32
    assert Keys.load_or_create(tmp_path / "keys.json").postgres_password != own
    async with await psycopg.AsyncConnection.connect(stack.admin_database_url) as connection:
        cursor = await connection.execute("select distinct auth_method from pg_hba_file_rules")
        assert await cursor.fetchall() == [("scram-sha-256",)]
        cursor = await connection.execute("show unix_socket_directories")
        assert await cursor.fetchone() == ("",)
    log = (stack.data_dir / "postgres.log").read_text()
    assert own not in log


async def test_keys_of_an_earlier_version_or_of_another_stack_are_told_apart(
    tmp_path: Path,
) -> None:
    keys = tmp_path / "keys.json"
    async with Stack(tmp_path, Ports.free()):
        pass
    kept = json.loads(keys.read_text())
    earlier = {name: value for name, value in kept.items() if name != "postgres_password"}
    keys.write_text(json.dumps(earlier))
    with pytest.raises(SetupError, match=r"earlier version .* --reset"):
        await Stack(tmp_path, Ports.free()).start()
    keys.unlink()
    with pytest.raises(SetupError, match=r"another password .* --reset"):
        await Stack(tmp_path, Ports.free()).start()
    data_directory.erase(tmp_path)
    async with Stack(tmp_path, Ports.free()):
        pass


def a_stack_in(path: Path) -> None:
    """What a stack leaves, and things of somebody else beside it."""
    data_directory.mark(path)
    for name in ("postgres", "storage"):
        (path / name).mkdir()
        (path / name / "content").write_text("ours")
    (path / "keys.json").write_text("{}")


def test_a_reset_deletes_what_a_stack_made_and_nothing_else(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "diary.txt").write_text("precious")
    a_stack_in(home)
    (home / "notes.txt").write_text("precious")
    (home / "simulator").symlink_to(elsewhere)
    (home / "postgres.log").symlink_to(elsewhere / "diary.txt")
    (home / "storage" / "linked").symlink_to(elsewhere)
    data_directory.erase(home)
    assert {path.name for path in home.iterdir()} == {data_directory.MARK, "notes.txt"}
    assert (elsewhere / "diary.txt").read_text() == "precious"
    data_directory.check(home)


@pytest.mark.parametrize("mark", ["", "somebody else's lock\n", None])
async def test_a_folder_of_somebody_else_is_neither_used_nor_emptied(
    tmp_path: Path, mark: str | None
) -> None:
    (tmp_path / "storage" / "incoming").mkdir(parents=True)
    (tmp_path / "storage" / "incoming" / "diary.txt").write_text("precious")
    (tmp_path / "notes.txt").write_text("precious")
    if mark is not None:
        (tmp_path / data_directory.MARK).write_text(mark)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(SetupError, match="not the directory of a stack"):
        data_directory.erase(tmp_path)
    with pytest.raises(SetupError, match="not the directory of a stack"):
        await Stack(tmp_path, Ports.free()).start()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_links_in_the_place_of_the_mark_or_the_directory_are_not_followed(tmp_path: Path) -> None:
    home, precious = tmp_path / "data", tmp_path / "diary.txt"
    precious.write_text("")
    home.mkdir()
    (home / data_directory.MARK).symlink_to(precious)
    with pytest.raises(SetupError, match="not the directory of a stack"):
        data_directory.mark(home)
    assert precious.read_text() == ""
    (home / data_directory.MARK).unlink()
    a_stack_in(home)
    (tmp_path / "link").symlink_to(home)
    with pytest.raises(SetupError, match="symbolic link; nothing was deleted"):
        data_directory.erase(tmp_path / "link")
    assert (home / "keys.json").exists()


def test_a_link_in_the_place_of_a_file_is_not_written_through(tmp_path: Path) -> None:
    precious = tmp_path / "diary.txt"
    precious.write_text("precious")
    (tmp_path / "keys.new").symlink_to(precious)
    with pytest.raises(SetupError, match="is a symbolic link"):
        Keys.load_or_create(tmp_path / "keys.json")
    assert precious.read_text() == "precious"
    assert not (tmp_path / "keys.json").exists()


async def test_a_link_in_the_place_of_a_directory_ends_the_start_with_a_sentence(
    tmp_path: Path,
) -> None:
    home, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    (elsewhere / "incoming").mkdir(parents=True)
    (elsewhere / "incoming" / "diary.txt").write_text("precious")
    data_directory.mark(home)
    (home / "storage").symlink_to(elsewhere)
    with pytest.raises(SetupError, match="is a symbolic link"):
        await Stack(home, Ports.free()).start()
    assert (elsewhere / "incoming" / "diary.txt").read_text() == "precious"
