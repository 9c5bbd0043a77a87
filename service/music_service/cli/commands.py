"""The commands put together, and errors turned into sentences and exit codes.

A command's module is imported when the command runs: `--help` and completion know only what
stands here, which a test compares with the commands themselves.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from music_service.cli.output import PROGRAM, ExitCode, answer, complain
from music_service.errors import ConfigurationError, MusicServiceError
from music_service.network import reach_this_machine_directly

COMMANDS = {
    "init": "Copy the migrations into an app's supabase/migrations.",
    "run": "Make the music of a Supabase project until SIGTERM or Ctrl-C.",
    "dev": "Run a Supabase, the worker and a demo track on this machine.",
    "stack": "Run a whole Supabase and a Mureka simulator on this machine.",
    "doctor": "Check the project, its parts and the Mureka account.",
    "bench": "Measure how quick the project is, seen from here.",
    "enqueue": "Ask for a track and print its id.",
    "watch": "Follow a track until it is completed or in error.",
    "queue": "Show what is being made and what waits.",
    "retry": "Retry failed tracks.",
    "cancel": "Cancel tracks that wait or run.",
    "regenerate": "Have completed tracks made once more.",
    "pause": "Take up nothing new until `resume`.",
    "resume": "Take up tracks again, at once.",
    "review": "Show what waits for a person, and what to do about it.",
    "record": "Record the task of a paid call that was never confirmed.",
    "dismiss": "Have done with failed tracks.",
    "history": "Show what happened to a track.",
    "metrics": "Print the fleet's gauges in Prometheus' text format, once.",
    "clean": "Find audio that belongs to no track any more.",
    "alarms": "Print the SQL that lets the database raise alarms; run nothing.",
    "uninstall": "Print the SQL that removes all of the service from a database; run nothing.",
}
WITHOUT_PROJECT = ("init", "alarms", "uninstall")

_app = typer.Typer(
    help="Music for apps built on Supabase: a pending row becomes a playable track.",
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
)


class LazyCommand(TyperCommand):
    """A name and a sentence; the command itself is loaded once it is used."""

    def load(self) -> TyperCommand:
        """The command, from the function that has its name in the module that has its name."""
        module = import_module(f"music_service.cli.{self.name}")
        command = _command_of(str(self.name), getattr(module, str(self.name)))
        has_own = any("--env-file" in parameter.opts for parameter in command.params)
        if not has_own and self.name not in WITHOUT_PROJECT:
            [option] = _command_of("option", _read_settings).params[:1]
            command.params.append(option)
        return command

    def make_context(self, info_name: Any, args: Any, parent: Any = None, **extra: Any) -> Any:
        """Where parsing of the command's own arguments begins."""
        return self.load().make_context(info_name, args, parent, **extra)

    def get_short_help_str(self, limit: int = 0) -> str:
        """The whole sentence; a narrow terminal breaks it."""
        return str(self.help)


def _command_of(name: str, function: Callable[..., object]) -> TyperCommand:
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    alone.command(name)(function)
    command = typer.main.get_command(alone)
    assert isinstance(command, TyperCommand)  # noqa: S101  so a Typer of one command is
    return command


def _use_env_file(path: Path | None) -> None:
    if path is not None:
        from music_service.environment import use_env_file  # noqa: PLC0415  slow to import

        use_env_file(path)


def _read_settings(
    *,
    env_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            callback=_use_env_file,
            expose_value=False,
            help="Read the settings from this file alone, not from the environment and .env.",
        ),
    ] = None,
) -> None:
    """The option of all commands that use a project."""


def command_line() -> TyperGroup:
    """All commands, none of them loaded."""
    group = typer.main.get_command(_app)
    assert isinstance(group, TyperGroup)  # noqa: S101  so a Typer with a callback is
    for name, sentence in COMMANDS.items():
        group.add_command(LazyCommand(name, help=sentence, rich_markup_mode=None))
    return group


def run_command() -> None:
    """Run the command that the arguments name; errors end the process with their exit code."""
    sys.exit(exit_code_of(sys.argv[1:]))


def exit_code_of(arguments: list[str]) -> int:
    """Run a command in this process; says on stderr what went wrong and answers the exit code."""
    reach_this_machine_directly()
    try:
        # Without a command there is nothing to do but to say which there are.
        given = arguments or ["--help"]
        code = command_line()(given, prog_name=PROGRAM, standalone_mode=False)
    except typer.Abort:
        return ExitCode.INTERRUPTED
    except typer.TyperException as error:  # what was typed is no command of ours
        complain(_usage_of(error))
        return ExitCode.BAD_INPUT
    except ConfigurationError as error:
        complain(str(error))
        return ExitCode.BAD_INPUT
    except MusicServiceError as error:
        complain(str(error))
        return ExitCode.FAILED
    return (code or ExitCode.OK) if arguments else ExitCode.BAD_INPUT


def _usage_of(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    where = context.command_path if context is not None else PROGRAM
    sentence = error.format_message().rstrip(".")
    return f"{sentence}{'' if sentence.endswith('?') else '.'} See: {where} --help"


def _show_version(*, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415  slow, and only needed here

        answer(f"{PROGRAM} {version(PROGRAM)}")
        raise typer.Exit


@_app.callback()
def _options(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass
