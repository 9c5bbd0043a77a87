"""What `dev` says: one command, as it can be typed in any other shell, and where its page is."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from music_service.cli import dev
from music_service.cli.dev_worker import DevWorker
from music_service.errors import ConfigurationError


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in a folder with a blank in its name, in which no shell looks."""
    path = tmp_path / "a folder" / "music-service"
    path.parent.mkdir()
    path.touch(mode=0o755)
    monkeypatch.setattr(sys, "argv", [str(path)])
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.chdir(tmp_path)
    return path


def test_the_next_command_names_program_and_file_by_their_whole_paths(program: Path) -> None:
    typed = shlex.split(dev.example(Path("x y/stack.env")))
    assert typed == [
        *(str(program), "enqueue", "a slow tango", "--watch"),
        *("--env-file", str(Path("x y/stack.env").absolute())),
    ]


def test_a_program_that_the_shell_finds_is_called_by_its_name(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(program.parent))
    assert shlex.split(dev.example(None)) == ["music-service", "enqueue", "a slow tango", "--watch"]


def test_another_program_of_that_name_in_the_path_is_not_meant(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "bin" / "music-service"
    other.parent.mkdir()
    other.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(other.parent))
    assert shlex.split(dev.example(None))[0] == str(program)


def test_a_page_is_served_where_one_was_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev, "project_dir", lambda: tmp_path)
    built = tmp_path / "web" / "demo" / "dist"
    built.mkdir(parents=True)
    assert dev.built_page(None) is None
    (built / "index.html").touch()
    assert dev.built_page(None) == built
    with pytest.raises(ConfigurationError, match=r"has no index\.html"):
        dev.built_page(tmp_path)


@pytest.mark.parametrize(
    ("has_sources", "own_project", "words"),
    [
        (True, False, "was not built"),
        (False, False, "comes with a checkout"),
        (True, True, "VITE_SUPABASE_URL and VITE_SUPABASE_PUBLISHABLE_KEY"),
    ],
)
def test_where_there_is_no_page_a_sentence_says_why(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    has_sources: bool,
    own_project: bool,
    words: str,
) -> None:
    monkeypatch.setattr(dev, "project_dir", lambda: tmp_path)
    if has_sources:
        (tmp_path / "web" / "demo").mkdir(parents=True)
        (tmp_path / "web" / "demo" / "package.json").touch()
    dev.say_what_is_missing(None, own_project=own_project)
    assert words in " ".join(capsys.readouterr().err.split())


async def test_a_worker_that_was_stopped_for_good_is_not_started_again(tmp_path: Path) -> None:
    stack: Any = SimpleNamespace(data_dir=tmp_path)
    worker = DevWorker(stack)
    await worker.stop()
    await worker.stop()
    assert not await worker.start()
    assert not worker.is_running
