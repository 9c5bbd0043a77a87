"""Files of `NAME=value` lines, from which others read how to reach a stack."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from music_service.errors import ConfigurationError


def check(path: Path) -> None:
    """Make sure that the file can be written, before anything slow is done.

    Raises:
        ConfigurationError: it cannot.
    """
    with _complaining_of(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        unfinished, descriptor = _opened_beside(path)
        os.close(descriptor)
        unfinished.unlink()


def write(path: Path, values: Mapping[str, str]) -> None:
    """Write the file in one step, readable by its owner alone: it holds secrets.

    Raises:
        ConfigurationError: it cannot be written.
    """
    with _complaining_of(path):
        unfinished, descriptor = _opened_beside(path)
        with os.fdopen(descriptor, "w") as file:
            file.writelines(f"{name}={value}\n" for name, value in values.items())
        unfinished.replace(path)


def _opened_beside(path: Path) -> tuple[Path, int]:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    return unfinished, os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)


@contextmanager
def _complaining_of(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError(
            f"--env-file {path} cannot be written ({error.strerror}); name another file."
        ) from error
