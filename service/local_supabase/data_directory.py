"""The directory in which a stack keeps everything: recognised, held by one process, emptied.

A stack begins in a new or empty directory only, and leaves its mark there. Where the mark is
missing nothing is written or deleted; where it is, what a stack makes is deleted by its name,
and everything else stays. No symbolic link is followed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Generator
from pathlib import Path

from local_supabase import private
from local_supabase.errors import SetupError

MARK = "stack.lock"
MADE_BY_A_STACK = (
    "keys.json",
    "keys.new",
    "postgres",
    "postgres.log",
    "postgres.partial",
    "postgres.pid",
    "postgrest.conf",
    "postgrest.log",
    "postgrest.pid",
    "simulator",
    "stack.env",
    "storage",
    "worker.pid",
)
_SENTENCE = b"A local stack keeps its data in this directory.\n"


def check(data_dir: Path) -> None:
    """Make sure that a stack's data can be kept there, which may make the directory.

    Raises:
        SetupError: it is no directory, one with other things in it, or cannot be written to.
    """
    try:
        if not data_dir.exists():
            private.directory(data_dir)
        is_foreign = any(data_dir.iterdir()) and not _has_mark(data_dir)
        is_ours_to_write = os.access(data_dir, os.W_OK | os.X_OK)
    except OSError as error:
        raise SetupError(
            f"--data-dir {data_dir} cannot be used ({error.strerror}); name another directory."
        ) from error
    if is_foreign:
        raise SetupError(
            f"{data_dir.absolute()} is not the directory of a stack and not empty; nothing was "
            "deleted or written. Name another with --data-dir."
        )
    if not is_ours_to_write:
        raise SetupError(f"--data-dir {data_dir} cannot be written to; name another directory.")


def mark(data_dir: Path) -> None:
    """Make the directory a stack's, which nobody but its owner enters; raises as `check`."""
    check(data_dir)
    try:
        private.directory(data_dir.resolve())
    except PermissionError as error:
        raise SetupError(
            f"--data-dir {data_dir} belongs to somebody else; name another directory."
        ) from error
    with private.opened(data_dir / MARK, "ab") as file:
        if file.tell() == 0:
            file.write(_SENTENCE)


@contextlib.contextmanager
def held(data_dir: Path) -> Generator[None]:
    """Hold the directory for this process; the kernel lets go of it however the process ends.

    Raises:
        SetupError: another stack holds it; and as `check`.
    """
    mark(data_dir)
    with private.opened(data_dir / MARK, "ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SetupError(
                f"Another stack is running on {data_dir}; stop it first or choose another "
                "directory with --data-dir."
            ) from error
        yield


def erase(data_dir: Path) -> None:
    """Delete what a stack made in its directory; the mark stays, and what is not a stack's.

    Raises:
        SetupError: a stack is running on it, it is not a stack's directory, or it is a link.
    """
    if data_dir.is_symlink():
        raise SetupError(
            f"{data_dir} is a symbolic link; nothing was deleted. Name the directory itself."
        )
    with held(data_dir):
        for name in MADE_BY_A_STACK:
            path = data_dir / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)  # which unlinks the links that it meets
            else:
                path.unlink(missing_ok=True)


def _has_mark(data_dir: Path) -> bool:
    path = data_dir / MARK
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        written = file.read(len(_SENTENCE) + 1)
    # An earlier version left it empty, and so does a start that is killed at once.
    names = {each.name for each in data_dir.iterdir()} - {MARK}
    return written == _SENTENCE or (not written and names <= set(MADE_BY_A_STACK))
