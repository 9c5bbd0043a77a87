"""The recipes of `docs/recipes`: compiled as they stand, and used in one page together.

That of Next.js is an app of its own in `test_web_package.py`. `react-native` and `expo-crypto` are
stand-ins, `web/music/test/apps/recipes/native.tsx`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from local_supabase.stack import Stack
from tests.support.apps import APPS, TSCONFIG, files_in, new_app, pack, program, serving, visiting
from tests.support.fleet import until
from tests.support.node import run
from tests.support.project import Connection
from tests.support.recipes import PAGES, files_of
from tests.support.workers import StartWorker

SHOWN = [page for page in PAGES if page not in ("README", "next")]
UNFINISHED = b"select from public.music_tracks where status in ('pending', 'generating')"


@pytest.fixture(scope="module")
async def app(node: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One app with all recipes, each in a folder of its own."""
    recipes = {f"{page}/{file.name}": file.code for page in SHOWN for file in files_of(page)}
    archive = await pack(tmp_path_factory.mktemp("package"))
    files = files_in(APPS / "recipes") | {"tsconfig.base.json": TSCONFIG} | recipes
    return new_app("recipes", archive, files)


@pytest.mark.timeout(600)
async def test_each_recipe_is_compiled_strictly_and_shows_a_track(
    node: str, app: Path, stack: Stack, start_worker: StartWorker, database: Connection
) -> None:
    assert len(SHOWN) == 5
    await database.execute("delete from public.music_tracks")  # what other tests left waiting
    await run(node, program("tsc"), "-p", ".", folder=app)
    environment = {
        "EXPO_PUBLIC_SUPABASE_URL": stack.url,
        "EXPO_PUBLIC_SUPABASE_PUBLISHABLE_KEY": stack.keys.publishable,
    }
    await run(node, program("vite"), "build", folder=app, environment=environment)
    preview = (program("vite"), "preview", "--host", "127.0.0.1", "--port", "{port}")
    async with (
        serving(node, *preview, folder=app) as address,
        visiting(node, "look.mjs", address, *SHOWN) as person,
    ):
        await person.report("put away")
        async with start_worker():
            await until(lambda: is_done(database), "all tracks are made")
        person.go_on()
        assert (await person.report("shown"))["trouble"] == []


async def is_done(database: Connection) -> bool:
    return (await database.execute(UNFINISHED)).rowcount == 0
