"""`music-service` as a program that Ctrl-C may end at any moment.

A KeyboardInterrupt comes out of whatever line runs; in an import, some of those only print it and
go on. So SIGINT ends the process at once, but while a command's loop runs, which cleans up first
(`music_service.cli.signals`): before and after it nothing is left to clean up.
"""

from __future__ import annotations

import gc
import os
import sys

try:
    import signal
except KeyboardInterrupt:
    sys.exit(130)

# What is imported stays; to search it for garbage at every 700th object takes a tenth of the start.
_OBJECTS_BETWEEN_COLLECTIONS = 50_000


def main() -> None:
    """Run one command and end the process with what `music_service.cli.output.ExitCode` says."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _end)
    if os.getpid() == 1:  # of a container: what it does not handle it never gets
        signal.signal(signal.SIGTERM, _end)
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    # None is used here, and to look for them Pydantic reads about every package there is.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "true")
    from music_service.cli.commands import run_command  # noqa: PLC0415  Ctrl-C may come here

    run_command()


def _end(number: int, _: object) -> None:
    os._exit(128 + number)


if __name__ == "__main__":
    main()
