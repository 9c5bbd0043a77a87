"""What npm would install: its form, its size, and empty apps that are built with it and used."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import httpx
import pytest

from local_supabase.stack import Stack
from tests.support.apps import (
    APPS,
    TSCONFIG,
    files_in,
    new_app,
    pack,
    program,
    serving,
    visiting,
)
from tests.support.node import run
from tests.support.recipes import files_of
from tests.support.workers import StartWorker

# Without an icon each visit is told of one that is missing.
ICON = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>'

# By its API: its program is JavaScript or not, depending on how npm installed it.
BUNDLE = """
const [entry, outfile] = process.argv.slice(1)
require('esbuild').buildSync({
  entryPoints: [entry], outfile, bundle: true, minify: true, format: 'esm', target: 'es2022',
  external: ['react', 'react/jsx-runtime', './index.js', './id.js'],
})
"""


@pytest.fixture(scope="module")
async def archive(node: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return await pack(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def vite_app(archive: Path) -> Path:
    """The small app of `web/music/test/apps/vite` with the package as its only addition."""
    return new_app("vite", archive, files_in(APPS / "vite") | {"tsconfig.json": TSCONFIG})


async def test_the_package_is_as_tools_and_types_expect_it(node: str, archive: Path) -> None:
    await run(node, program("publint"), "run", str(archive), "--strict")
    # ESM alone, so only what imports it as such; a style sheet has no types.
    kinds = ("--profile", "esm-only", "--exclude-entrypoints", "ui.css")
    await run(node, program("attw"), str(archive), *kinds)


async def test_the_hooks_are_small_and_run_in_the_browser_alone(
    node: str, vite_app: Path, tmp_path: Path
) -> None:
    dist = vite_app / "node_modules" / "music-service" / "dist"
    bundle = tmp_path / "react.js"
    await run(node, "-e", BUNDLE, str(dist / "react.js"), str(bundle))
    size = len(gzip.compress(bundle.read_bytes(), 9))
    print(f"The hooks have {size} bytes, minified and compressed.")
    assert size <= 2048
    for entry in ("react.js", "ui.js"):
        assert (dist / entry).read_text().startswith("'use client'")


@pytest.mark.timeout(600)
async def test_an_empty_vite_app_makes_music_and_survives_a_reload(
    node: str, vite_app: Path, stack: Stack, start_worker: StartWorker
) -> None:
    await run(node, program("tsc"), "-p", ".", folder=vite_app)
    known = {name: value for name, value in stack.environment().items() if "SECRET" not in name}
    environment = {f"VITE_{name}": value for name, value in known.items()}
    await run(node, program("vite"), "build", folder=vite_app, environment=environment)
    preview = (program("vite"), "preview", "--host", "127.0.0.1", "--port", "{port}")
    async with serving(node, *preview, folder=vite_app) as address:
        await use(node, address, start_worker)


@pytest.mark.timeout(600)
async def test_an_empty_next_app_renders_on_the_server_and_goes_on_in_the_browser(
    node: str, archive: Path, stack: Stack, start_worker: StartWorker
) -> None:
    recipe = {file.name: file.code for file in files_of("next")}
    files = recipe | {"app/icon.svg": ICON, "tsconfig.json": TSCONFIG}
    next_app = new_app("next", archive, files)
    environment = {
        "NEXT_PUBLIC_SUPABASE_URL": stack.url,
        "NEXT_PUBLIC_SUPABASE_PUBLISHABLE_KEY": stack.keys.publishable,
        "NEXT_TELEMETRY_DISABLED": "1",
    }
    await run(node, program("next"), "build", folder=next_app, environment=environment)
    start = (program("next"), "start", "--hostname", "127.0.0.1", "--port", "{port}")
    async with serving(node, *start, folder=next_app, environment=environment) as address:
        steps = await use(node, address, start_worker)
    assert steps["reloaded"]["isRendered"]


async def use(node: str, address: str, start_worker: StartWorker) -> dict[str, dict[str, Any]]:
    """Ask for music and reload before a worker is there; answers what was reported of each step."""
    async with visiting(node, "visit.mjs", address) as person:
        reloaded = await person.report("reloaded")
        async with start_worker():
            completed = await person.report("completed")
    assert completed["trouble"] == []
    async with httpx.AsyncClient() as anybody:
        audio = (await anybody.get(completed["audio"])).raise_for_status()
    assert audio.headers["content-type"] == "audio/mpeg"
    return {"reloaded": reloaded, "completed": completed}
