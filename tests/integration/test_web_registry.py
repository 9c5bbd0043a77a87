"""The shadcn registry: built from what there is, and added to an app by the real `shadcn`.

The app has no `components.json`: with one, `shadcn` asks its own site for colours first, and the
tests ask nobody outside.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.apps import APPS, TSCONFIG, new_app, pack, program
from tests.support.node import run
from tests.support.project import SUPABASE, WEB

REGISTRY = WEB / "registry"
ITEMS = ("track-badge", "track-player", "track-list", "use-music", "music-service")
# So `shadcn` has nothing to install: the package is not to be had of npm before its release.
PACKAGE = json.dumps({"dependencies": {"music-service": "*", "@supabase/supabase-js": "*"}})
MAIN = """
import { createClient } from '@supabase/supabase-js'
import { TrackBadge } from './components/music/track-badge'
import { TrackList } from './components/music/track-list'
import { AppMusic, useTracks } from './components/music/use-music'

const client = createClient('http://127.0.0.1', 'key')

function Signs() {
  return useTracks().map((track) => <TrackBadge key={track.id} track={track} />)
}

export const app = <AppMusic client={client}><TrackList language="ko" /><Signs /></AppMusic>
"""


@pytest.fixture(scope="module")
async def app(node: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An app to which every item was added."""
    archive = await pack(tmp_path_factory.mktemp("package"))
    files = {
        "package.json": PACKAGE,
        "main.tsx": MAIN,
        "env.d.ts": (APPS / "vite" / "env.d.ts").read_text(),
        "tsconfig.json": TSCONFIG,
    }
    folder = new_app("registry", archive, files)
    items = [str(REGISTRY / f"{item}.json") for item in ITEMS]
    await run(node, program("shadcn"), "add", "--yes", *items, folder=folder)
    return folder


async def test_what_is_built_is_what_the_sources_make(node: str) -> None:
    built = [WEB / "registry.json", *sorted(REGISTRY.glob("*.json"))]
    assert [path.stem for path in built[1:]] == sorted(ITEMS)
    before = [path.read_text() for path in built]
    await run(node, str(REGISTRY / "build.mjs"))
    assert [path.read_text() for path in built] == before, "npm run registry, in web/"


def test_the_migrations_are_where_the_supabase_cli_looks_for_them(app: Path) -> None:
    added = app / "supabase" / "migrations"
    ours = SUPABASE / "migrations"
    names = sorted(path.name for path in added.iterdir())
    assert names == sorted(path.name for path in ours.iterdir())
    assert all((added / name).read_text() == (ours / name).read_text() for name in names)


async def test_the_components_are_compiled_strictly_in_an_app(node: str, app: Path) -> None:
    await run(node, program("tsc"), "-p", ".", folder=app)
