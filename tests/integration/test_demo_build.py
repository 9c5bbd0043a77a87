"""`scripts/demo` in a small checkout: builds the demo app once, and again when a source changed."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from tests.support.project import ROOT

# Writes down what it was asked, and makes what npm would make.
NPM = """#!/bin/sh
echo "$*" >> npm.log
case "$*" in
  install*) mkdir -p node_modules; touch node_modules/.package-lock.json ;;
  *demo*) [ ! -e broken ] || exit 1; mkdir -p demo/dist; echo page > demo/dist/index.html ;;
esac
"""
TOOLS = ("bash", "dirname", "env", "find", "mkdir", "sh", "touch")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a demo app whose sources are old."""
    folder = tmp_path / "checkout"
    (folder / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "demo", folder / "scripts")
    for source in ("package-lock.json", "music/src/index.ts", "demo/src/app.tsx"):
        path = folder / "web" / source
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
        os.utime(path, (1, 1))
    (folder / "web" / "demo" / "package.json").write_text("{}")
    os.utime(folder / "web" / "demo" / "package.json", (1, 1))
    return folder


async def demo(checkout: Path, npm: str | None = NPM) -> tuple[int | None, str]:
    """Run it with the tools of any machine, and this npm or none."""
    tools = checkout.parent / "tools"
    shutil.rmtree(tools, ignore_errors=True)
    tools.mkdir()
    for name in TOOLS:
        program = shutil.which(name)
        assert program is not None, name
        (tools / name).symlink_to(program)
    if npm is not None:
        (tools / "npm").write_text(npm)
        (tools / "npm").chmod(0o755)
    process = await asyncio.create_subprocess_exec(
        str(checkout / "scripts" / "demo"),
        env={"PATH": str(tools)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


def asked(checkout: Path) -> list[str]:
    """What npm was asked since the last time, by its first words."""
    log = checkout / "web" / "npm.log"
    lines = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return [line.partition(" --loglevel")[0].partition(" --no-")[0] for line in lines]


BUILDS = ["run build --workspace music", "run build --workspace demo"]


async def test_it_is_built_once_and_again_when_a_source_changed(checkout: Path) -> None:
    code, said = await demo(checkout)
    assert (code, "Building the demo app" in said) == (0, True)
    assert asked(checkout) == ["install --workspace music --workspace demo", *BUILDS]
    assert await demo(checkout) == (0, ""), "quick and silent when done"
    for source in ("demo/src/app.tsx", "music/src/index.ts", "demo/index.html"):
        page = checkout / "web" / "demo" / "dist" / "index.html"
        os.utime(page, (2, 2))
        (checkout / "web" / source).touch()
        assert (await demo(checkout))[0] == 0
        assert asked(checkout) == BUILDS, source
        os.utime(checkout / "web" / source, (1, 1))


async def test_what_builds_leave_and_tests_are_no_sources(checkout: Path) -> None:
    await demo(checkout)
    os.utime(checkout / "web" / "demo" / "dist" / "index.html", (2, 2))
    for made in (
        "music/dist/index.js",
        "demo/node_modules/x/index.js",
        "demo/dist/x.js",
        "demo/tests/x.ts",
    ):
        (checkout / "web" / made).parent.mkdir(parents=True, exist_ok=True)
        (checkout / "web" / made).touch()
    assert await demo(checkout) == (0, "")


async def test_a_build_that_failed_says_so_and_is_tried_again(checkout: Path) -> None:
    (checkout / "web" / "broken").touch()
    assert (await demo(checkout))[0] == 1
    (checkout / "web" / "broken").unlink()
    asked(checkout)
    assert (await demo(checkout))[0] == 0
    assert asked(checkout) == BUILDS


async def test_without_npm_or_without_the_app_all_else_goes_on(checkout: Path) -> None:
    code, said = await demo(checkout, npm=None)
    assert (code, said.startswith("npm was not found, so the demo app is not built")) == (0, True)
    shutil.rmtree(checkout / "web" / "demo")
    assert await demo(checkout) == (0, "")
    assert asked(checkout) == []
