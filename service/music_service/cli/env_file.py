"""Files of `NAME=value` lines, from which others read how to reach a stack."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from music_service.errors import ConfigurationError


def check(path: Path) -> None:
    """Make sure that the file can be written, before anything slow is done.

    Raises:
        ConfigurationError: it cannot.
    """
    folder = next(each for each in path.absolute().parents if each.exists())
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigurationError(f"--env-file {path} cannot be written; name another file.")


def write(path: Path, values: Mapping[str, str]) -> None:
    """Write the file in one step, readable by its owner alone: it holds secrets."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(f"{name}={value}\n" for name, value in values.items())
    unfinished.replace(path)
