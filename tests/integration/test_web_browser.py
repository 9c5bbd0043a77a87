"""The package's hooks and components in a real browser, against the embedded stack."""

from __future__ import annotations

import json

import httpx
import pytest

from local_supabase.simulator.music import compose_mp3
from local_supabase.stack import Stack
from tests.support.browser import chromium
from tests.support.node import run
from tests.support.project import WEB

MUSIC_SECONDS = 20


@pytest.mark.timeout(600)
async def test_pages_show_tracks_whatever_happens_around_them(stack: Stack, node: str) -> None:
    audio = [await upload(stack, name) for name in ("stream", "file")]
    ours = {"CHROMIUM": chromium(), "MUSIC_TEST_AUDIO": json.dumps(audio)}
    vitest = WEB / "node_modules" / "vitest" / "vitest.mjs"
    browser = (str(vitest), "run", "--project", "browser")
    await run(node, *browser, environment=stack.environment() | ours, folder=WEB / "music")


async def upload(stack: Stack, name: str) -> str:
    """Music in the public bucket; answers its address."""
    key = f"music-tracks/tests/{name}.mp3"
    headers = {"apikey": stack.keys.secret, "content-type": "audio/mpeg", "x-upsert": "true"}
    async with httpx.AsyncClient(base_url=f"{stack.url}/storage/v1/object", headers=headers) as api:
        answer = await api.post(f"/{key}", content=compose_mp3(name, MUSIC_SECONDS))
        answer.raise_for_status()
    return f"{stack.url}/storage/v1/object/public/{key}"
