"""What `dev` says at the end: one command, as it can be typed in any other shell."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from music_service.cli import dev


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
