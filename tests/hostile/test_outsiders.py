"""Whoever has the app's public key and listens: that something changed is heard, never what."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from local_supabase.stack import Stack
from tests.support.contract import Project
from tests.support.project import Connection, SignedIn, ask
from tests.support.realtime import everything, open_wire, topic_name


@pytest.mark.parametrize(
    ("who", "kinds"), [("a stranger", ["INSERT", "UPDATE", "DELETE"]), ("a user", ["DELETE"])]
)
async def test_outsiders_hear_that_something_changed_and_ids_of_deleted_rows_alone(
    stack: Stack,
    make_user: Callable[[], Awaitable[SignedIn]],
    database: Connection,
    who: str,
    kinds: list[str],
) -> None:
    owner = await make_user()
    keys = stack.keys
    project = Project(stack.url, keys.secret, keys.publishable, stack.database_url, None)
    token: dict[str, Any] = {}
    if who == "a user":
        session = await (await make_user()).client.auth.get_session()
        assert session is not None
        token = {"token": session.access_token}
    async with contextlib.AsyncExitStack() as opened:
        wire = await open_wire(project, opened, "2.0.0", keys.publishable)
        await wire.subscribe(topic_name(), everything("music_tracks"), **token)
        track_id = await ask(owner, prompt="a song for nobody else")
        cancel = owner.client.table("music_tracks").update({"status": "error"})
        await cancel.eq("id", str(track_id)).execute()
        await database.execute("delete from public.music_tracks where id = %s", (track_id,))
        told = await wire.changes(len(kinds))
    changes = [frame.payload["data"] for frame in told]
    assert [change["type"] for change in changes] == kinds
    for change in changes:
        if who == "a user":
            assert change["old_record"] == {"id": str(track_id)}
        else:
            is_delete = change["type"] == "DELETE"
            assert change["errors"] == (None if is_delete else ["Error 401: Unauthorized"])
            assert not change.get("old_record")
        assert not change.get("record")
    for frame in told:
        assert owner.id not in str(frame.raw)
        assert "nobody else" not in str(frame.raw)
