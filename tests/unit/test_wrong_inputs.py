"""Whatever is typed or set wrongly: one sentence and exit code 2, never a trace or a secret."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from music_service import environment
from music_service.cli.commands import exit_code_of
from tests.support.programs import OURS
from tests.support.wrong_inputs import REQUIRED, SECRET, SET, TYPED, Wrong, lay_files


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A folder with files of many kinds, all that is required, and no proxy."""
    before = dict(os.environ)
    lay_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(environment, "_chosen", [])
    for name in list(os.environ):
        if name.startswith((*OURS, "SSL_")) or name.upper().endswith("_PROXY"):
            del os.environ[name]
    os.environ.update(REQUIRED)
    yield
    os.environ.clear()
    os.environ.update(before)


def give(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


def named(case: Wrong) -> str:
    return " ".join([*case.typed, *(f"{k}={v}" for k, v in case.variables.items())])[:60]


@pytest.mark.parametrize("case", [*TYPED, *SET], ids=named)
def test_it_is_said_in_one_line_with_exit_code_2(
    case: Wrong, capsys: pytest.CaptureFixture[str]
) -> None:
    give(case.variables)
    assert exit_code_of(case.typed) == case.code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert case.words in said.err
    assert SECRET not in said.err


def test_all_that_is_wrong_is_said_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = {
        "SUPABASE_URL": "nowhere",
        "MUREKA_API_KEY": None,
        "MUSIC_LEASE_SECONDS": "-1",
        "HEALTH_PORT": "http",
        "SSL_CERT_FILE": "nowhere.pem",
        "ALL_PROXY": "socks5://127.0.0.1:1080",
    }
    give(wrong)
    assert exit_code_of(["run"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == said.count("error: ") == 1
    assert [name for name in wrong if said.count(f"{name} ") != 1] == []


def test_nothing_of_it_is_changed_on_disk(tmp_path: Path) -> None:
    def everything() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    before = everything()
    for case in TYPED:
        if case.typed[0] == "stack":
            exit_code_of(case.typed)
    assert everything() == before
