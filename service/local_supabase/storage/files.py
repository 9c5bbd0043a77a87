"""The content of objects on disk: one immutable file for each version that a row names.

    <root>/incoming/<version>        being received; thrown away at the next start
    <root>/versions/<ab>/<version>   complete and on the disk before any row names it

A row is the truth. A file that no row names, left by a crash between the two, is removed at the
next start; a row never names a file that is not there.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Collection, Iterable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from local_supabase import private
from local_supabase.storage import rejections


class Files:
    """All versions under one directory.

    Args:
        root: made if it is not there.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / "incoming"
        self._versions = root / "versions"

    def prepare(self, known: Collection[str]) -> None:
        """Make the directories and remove what a crash left: files whose version is not known."""
        for path in (self._root, self._incoming, self._versions):
            private.directory(path)
        leftovers = list(self._incoming.iterdir())
        leftovers += [path for path in self._versions.glob("*/*") if path.name not in known]
        for path in leftovers:
            path.unlink()

    def receive(self, limit_bytes: int) -> IncomingFile:
        """A new file to write to; more than `limit_bytes` are refused."""
        version = str(uuid.uuid4())
        return IncomingFile(self._incoming / version, self._place(version), limit_bytes)

    def open(self, version: str) -> BinaryIO:
        """The content of a version; raises FileNotFoundError when it has been replaced."""
        return self._place(version).open("rb")

    def remove(self, versions: Iterable[str | None]) -> None:
        """Remove versions that no row names any more."""
        for version in versions:
            if version is not None:
                self._place(version).unlink(missing_ok=True)

    def _place(self, version: str) -> Path:
        return self._versions / version[:2] / version


class IncomingFile:
    """A file being received; leaving the `with` block without `keep` leaves nothing behind."""

    def __init__(self, path: Path, place: Path, limit_bytes: int) -> None:
        self.version = place.name
        self.limit_bytes = limit_bytes
        self.size_bytes = 0
        self._path = path
        self._place = place
        self._digest = hashlib.md5(usedforsecurity=False)
        self._file = private.opened(path, "xb")

    @property
    def etag(self) -> str:
        """The quoted MD5 of what was written."""
        return f'"{self._digest.hexdigest()}"'

    def write(self, chunk: bytes) -> None:
        """Append; raises StorageRejectedError 413 beyond the limit."""
        self.size_bytes += len(chunk)
        if self.size_bytes > self.limit_bytes:
            raise rejections.too_large()
        self._digest.update(chunk)
        self._file.write(chunk)

    def keep(self) -> None:
        """Put the complete file in its place, surely on the disk (blocking)."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        _make_durable_directory(self._place.parent)
        self._path.rename(self._place)
        _sync_directory(self._place.parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


def _make_durable_directory(path: Path) -> None:
    if not path.exists():
        private.directory(path)
        _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
