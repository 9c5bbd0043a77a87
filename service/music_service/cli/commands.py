"""The commands put together, and errors turned into sentences and exit codes."""

from __future__ import annotations

import sys

import typer

from music_service.cli.dev import dev
from music_service.cli.doctor import doctor
from music_service.cli.operations import cancel, pause, resume, retry
from music_service.cli.output import ExitCode, complain
from music_service.cli.review import history, review
from music_service.cli.run import run
from music_service.cli.stack import stack
from music_service.cli.tracks import enqueue, queue, watch
from music_service.errors import ConfigurationError, MusicServiceError

app = typer.Typer(
    name="music-service",
    help="Music for apps built on Supabase: a pending row becomes a playable track.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (
    *(run, dev, stack, doctor),
    *(enqueue, watch, queue),
    *(retry, cancel, pause, resume, review, history),
):
    app.command()(command)


def run_command() -> None:
    """Run the command that the arguments name; errors end the process with their exit code."""
    try:
        app()
    except ConfigurationError as error:
        complain(str(error))
        sys.exit(ExitCode.BAD_INPUT)
    except MusicServiceError as error:
        complain(str(error))
        sys.exit(ExitCode.FAILED)
