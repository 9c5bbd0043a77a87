"""Tokens that run out while tracks are followed: the channel is joined with the next ones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import psycopg
import pytest
from psycopg.rows import DictRow, dict_row

from local_supabase.ports import Ports
from local_supabase.stack import Stack
from tests.support.project import ROOT, SignedIn, ask
from tests.support.times import QUICK
from tests.support.watching import watching

CANCEL = b"update public.music_tracks set status = 'error' where id = any(%s)"


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack whose tokens are good for four seconds."""
    data_dir = tmp_path_factory.mktemp("tokens")
    times = replace(QUICK, access_token_seconds=4)
    async with Stack(
        data_dir, Ports.free(), project_dir=ROOT, times=times, durable=False
    ) as running:
        yield running


async def test_it_hears_on_after_its_first_tokens_have_run_out(
    stack: Stack, user: SignedIn
) -> None:
    track_id = await ask(user)
    first = await user.client.auth.get_session()
    counted = stack.faults.gateway.count("/rest/v1/music_tracks")
    async with watching(user.client, [track_id]) as watched:
        # Reads come at first, and from then on of joins alone.
        await watched.sees(lambda: counted.met >= 7, "it has joined several times")
        async with await psycopg.AsyncConnection[DictRow].connect(
            stack.database_url, autocommit=True, row_factory=dict_row
        ) as database:
            await database.execute(CANCEL, ([track_id],))
        await watched.ended()
    last = await user.client.auth.get_session()
    assert first is not None
    assert last is not None
    assert first.access_token != last.access_token
    assert watched.of("status") == ["pending", "error"]
