"""The release before this one, from the project's history."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

from tests.support.project import ROOT

_VERSIONS = "service/music_service/store/schema_version.py"


def last_release() -> str:
    """A commit: that of the newest tag `v…` before this one.

    As long as nothing has been released, that of the last version with an older schema: what a
    worker and a database of different versions promise each other is older than the first release.
    """
    tags = _git("tag", "--list", "v*", "--sort=-v:refname", "--no-contains", "HEAD").split()
    if tags:
        return tags[0]
    changes = _git("log", "--format=%H", "-SMADE_FOR = 2", "--", _VERSIONS).split()
    assert changes, "the history is needed here: git fetch --unshallow"
    return f"{changes[-1]}^"


def unpacked(commit: str, folder: Path, *paths: str) -> Path:
    """These paths of the project as they were then, below `folder`."""
    archive = subprocess.run(
        ["git", "archive", commit, *paths], cwd=ROOT, capture_output=True, check=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        packed.extractall(folder, filter="data")
    return folder


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"the history is needed here: {done.stderr}"
    return done.stdout
