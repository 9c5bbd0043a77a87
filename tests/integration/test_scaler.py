"""What the scaler of Kubernetes asks the project's API for: with a key alone, numbers come."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import yaml

from local_supabase.stack import Stack
from tests.support.project import ROOT, Connection

SCALER = ROOT / "deploy" / "kubernetes" / "autoscale.yaml"
[SCALED] = [
    document
    for document in yaml.safe_load_all(SCALER.read_text())
    if document["kind"] == "ScaledObject"
]
TRIGGERS = {trigger["name"]: trigger["metadata"] for trigger in SCALED["spec"]["triggers"]}


def found_at(location: str, answer: Any) -> Any:
    """What is at a path such as `0.due`, as the scaler reads it."""
    for step in location.split("."):
        answer = answer[int(step)] if step.isdigit() else answer[step]
    return answer


async def measured(stack: Stack, name: str) -> Any:
    """The value of a trigger; nothing but what its metadata say is sent."""
    metadata = TRIGGERS[name]
    parts = urlsplit(metadata["url"])
    async with httpx.AsyncClient(base_url=stack.url) as scaler:
        answer = await scaler.get(
            f"{parts.path}?{parts.query}", headers={metadata["keyParamName"]: stack.keys.secret}
        )
    return found_at(metadata["valueLocation"], answer.raise_for_status().json())


@pytest.mark.parametrize("name", TRIGGERS)
async def test_each_trigger_finds_a_number(stack: Stack, name: str) -> None:
    value = await measured(stack, name)
    assert isinstance(value, int)
    assert value >= 0


async def test_what_no_worker_could_take_up_asks_for_none(
    stack: Stack, database: Connection
) -> None:
    before = await measured(stack, "next_in_line")
    await database.execute(
        "insert into public.music_tracks (prompt) values ('one'), ('two'), ('three')"
    )
    try:
        assert await measured(stack, "next_in_line") == before + 3
        await database.execute("update music.settings set paused = true where id")
        assert await measured(stack, "next_in_line") == 0
    finally:
        await database.execute("update music.settings set paused = false where id")
        await database.execute(
            "delete from public.music_tracks where prompt in ('one', 'two', 'three')"
        )
