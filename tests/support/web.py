"""The demo app as browsers get it: built once from its sources, and tried by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.support.node import installed_node, run
from tests.support.project import WEB

DEMO = WEB / "demo"
SITE = DEMO / "dist"
_BUILT = SITE / "index.html"
_PACKAGES = (WEB / "music", DEMO)


async def built_demo() -> Path:
    """The folder with the page, built again where a source is newer than it."""
    await installed_node()
    built_at = _BUILT.stat().st_mtime if _BUILT.exists() else 0
    if any(source.stat().st_mtime > built_at for source in _sources()):
        await run(shutil.which("npm") or "npm", "run", "build")
    return SITE


def _sources() -> Iterator[Path]:
    yield WEB / "package-lock.json"
    for package in _PACKAGES:
        yield from package.glob("*.*")
        for folder in ("src", "public"):
            yield from (each for each in (package / folder).rglob("*") if each.is_file())
