"""`music-service` as a program that Ctrl-C may end at any moment.

To import the commands takes half a second. A KeyboardInterrupt in it would come out of whatever
line runs, and some of those only print it and go on; nor is anything left to clean up after a
command. So a KeyboardInterrupt is for commands, and before and after them SIGINT ends the process.
"""

from __future__ import annotations

import os
import sys

try:
    import signal
except KeyboardInterrupt:
    sys.exit(130)


def main() -> None:
    """Run one command and end the process with what `music_service.cli.output.ExitCode` says."""
    during = signal.getsignal(signal.SIGINT)
    around = signal.SIG_IGN if during is signal.SIG_IGN else _end
    signal.signal(signal.SIGINT, around)
    from music_service.cli.commands import run_command  # noqa: PLC0415  what takes half a second

    try:
        signal.signal(signal.SIGINT, during)
        run_command()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, around)


def _end(number: int, _: object) -> None:
    os._exit(128 + number)


if __name__ == "__main__":
    main()
