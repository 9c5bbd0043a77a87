"""Files of `NAME=value` lines: read into the environment, written for others to read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from service.errors import ConfigurationError


def read_into_environment(path: Path | None) -> None:
    """Take over the variables of a file; those that are set already win.

    Raises:
        ConfigurationError: the file is not there.
    """
    if path is None:
        return
    if not path.is_file():
        raise ConfigurationError(f"The file {path} given with --env-file does not exist.")
    for name, value in dotenv_values(path).items():
        if value is not None:
            os.environ.setdefault(name, value)


def write(path: Path, values: Mapping[str, str]) -> None:
    """Write the file in one step, readable by its owner alone: it holds secrets."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(f"{name}={value}\n" for name, value in values.items())
    unfinished.replace(path)
