"""Files and directories that nobody but their owner reads or enters, whatever the umask.

None of them is a symbolic link: what a link in their place leads to is neither read nor changed.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import BinaryIO, Literal, cast

from local_supabase.errors import SetupError


def directory(path: Path) -> None:
    """Make a directory with mode 0700, or give that mode to the one that is there.

    Raises:
        SetupError: a symbolic link has its name.
    """
    if path.is_symlink():
        raise _is_link(path)
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.chmod(0o700)


def opened(path: Path, mode: Literal["wb", "ab", "xb"]) -> BinaryIO:
    """Open a file with mode 0600 for writing.

    Raises:
        SetupError: a symbolic link has its name.
    """
    try:
        return cast("BinaryIO", open(path, mode, opener=_open))
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _is_link(path) from error
        raise


def _open(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_NOFOLLOW, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


def _is_link(path: Path) -> SetupError:
    return SetupError(f"{path} is a symbolic link, and a stack follows none; remove it.")
