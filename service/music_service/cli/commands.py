"""The commands put together, and errors turned into sentences and exit codes.

A command's module is imported when the command runs: `--help` and completion know only what
stands here, which a test compares with the commands themselves.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from music_service.cli.output import ExitCode, answer, complain
from music_service.errors import ConfigurationError, MusicServiceError

PROGRAM = "music-service"
COMMANDS = {
    "init": "Copy the migrations into an app's supabase/migrations.",
    "run": "Make the music of a Supabase project until SIGTERM or Ctrl-C.",
    "dev": "Run a Supabase, the worker and a demo track on this machine.",
    "stack": "Run a whole Supabase and a Mureka simulator on this machine.",
    "doctor": "Check the project, its parts and the Mureka account.",
    "enqueue": "Ask for a track and print its id.",
    "watch": "Follow a track until it is completed or in error.",
    "queue": "Show what is being made and what waits.",
    "retry": "Retry failed tracks.",
    "cancel": "Cancel tracks that wait or run.",
    "pause": "Take up nothing new until `resume`.",
    "resume": "Take up tracks again, at once.",
    "review": "Show what waits for a person, and what to do about it.",
    "history": "Show what happened to a track.",
    "uninstall": "Print the SQL that removes all of the service from a database; run nothing.",
}

_app = typer.Typer(
    help="Music for apps built on Supabase: a pending row becomes a playable track.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
)


class LazyCommand(TyperCommand):
    """A name and a sentence; the command itself is loaded once it is used."""

    def load(self) -> TyperCommand:
        """The command, from the function that has its name in the module that has its name."""
        module = import_module(f"music_service.cli.{self.name}")
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        alone.command(self.name)(getattr(module, str(self.name)))
        command = typer.main.get_command(alone)
        assert isinstance(command, TyperCommand)  # noqa: S101  so a Typer of one command is
        return command

    def make_context(self, info_name: Any, args: Any, parent: Any = None, **extra: Any) -> Any:
        """Where parsing of the command's own arguments begins."""
        return self.load().make_context(info_name, args, parent, **extra)


def command_line() -> TyperGroup:
    """All commands, none of them loaded."""
    group = typer.main.get_command(_app)
    assert isinstance(group, TyperGroup)  # noqa: S101  so a Typer with a callback is
    for name, sentence in COMMANDS.items():
        group.add_command(LazyCommand(name, help=sentence, rich_markup_mode=None))
    return group


def run_command() -> None:
    """Run the command that the arguments name; errors end the process with their exit code."""
    try:
        command_line()(prog_name=PROGRAM)
    except ConfigurationError as error:
        complain(str(error))
        sys.exit(ExitCode.BAD_INPUT)
    except MusicServiceError as error:
        complain(str(error))
        sys.exit(ExitCode.FAILED)


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
