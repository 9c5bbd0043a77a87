"""What this process is given from outside: its variables and the file `.env`.

Values are taken as people write them: a file may be in UTF-8 or, as some editors have it, in
UTF-16, and quotes that Docker leaves around a value do not count.
"""

from __future__ import annotations

import codecs
import io
import os
from pathlib import Path
from typing import Any

from dotenv.main import DotEnv
from dotenv.parser import parse_stream
from pydantic_settings import EnvSettingsSource

from music_service.errors import ConfigurationError

ENV_FILE = Path(".env")
_chosen: list[Path] = []


class GivenValues(EnvSettingsSource):
    """The settings as `given_values` has them."""

    def __init__(self, settings_cls: Any) -> None:
        super().__init__(settings_cls)
        self.env_vars = {name.lower(): value for name, value in given_values().items() if value}


def use_env_file(path: Path) -> None:
    """From now on read this file alone, in place of the environment and `.env`.

    Raises:
        ConfigurationError: it cannot be read.
    """
    read_env_file(path)
    _chosen[:] = [path]


def chosen_env_file() -> Path | None:
    """The file that `use_env_file` was given, if it was."""
    return _chosen[0] if _chosen else None


def given_values() -> dict[str, str]:
    """All variables by name, without quotes around them; an empty one counts as not given.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    if _chosen:
        return read_env_file(_chosen[0])
    has_file = ENV_FILE.exists() and not ENV_FILE.is_dir()  # a folder may be a virtual environment
    from_file = read_env_file(ENV_FILE) if has_file else {}
    own = {name: _unquoted(value) for name, value in os.environ.items()}
    return from_file | {name: value for name, value in own.items() if value}


def read_env_file(path: Path) -> dict[str, str]:
    """The `NAME=value` lines of a file.

    Raises:
        ConfigurationError: there is no such file, or it is not one of such lines.
    """
    text = _text_of(path)
    for line in parse_stream(io.StringIO(text)):
        if line.error:
            raise ConfigurationError(
                f"Line {line.original.line} of {path} is not NAME=value; correct it."
            )
    values = DotEnv(None, stream=io.StringIO(text)).dict()
    return {name: _unquoted(value) for name, value in values.items() if value}


def _text_of(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"The settings in {path} cannot be read: {error.strerror}."
        ) from error
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise ConfigurationError(f"The file {path} is not UTF-8 text; save it as UTF-8.")
    return text


def _unquoted(value: str) -> str:
    value = value.strip()
    is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1].strip() if is_quoted else value
