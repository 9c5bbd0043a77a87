"""Whether Realtime delivers: a broadcast and a row's change, sent and heard."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from music_service.doctor.catalogue import Catalogue
from music_service.doctor.expected import TABLE
from music_service.doctor.findings import Finding, Verdict, note, ok, skipped, warning, wrong
from music_service.doctor.listener import Listener
from music_service.doctor.probe import NO_FUNCTION, NOT_ALLOWED, Probe
from music_service.errors import TransientError
from music_service.store.realtime import Channel

TOPIC = "music:doctor"
PUBLISH = f"alter publication supabase_realtime add table public.{TABLE};"
_STATUS = "Look at Realtime in the dashboard (Settings, Logs) and at status.supabase.com."
_FALLBACK = "Until then workers hear of new tracks by postgres_changes, about 250 ms later."
_TRIES = 2
_OWNERS_HEAR = "Users hear of their own tracks"


def check_owners_hear(catalogue: Catalogue | None) -> list[Finding]:
    """Whether owners may hear the topic of their tracks; nothing where that is as it should be."""
    if catalogue is None or any(
        (policy.table, policy.name) == ("realtime.messages", _OWNERS_HEAR)
        for policy in catalogue.policies
    ):
        return []
    return [
        warning(
            "owners",
            f'Users cannot hear of their own tracks by broadcast: the policy "{_OWNERS_HEAR}" '
            "on realtime.messages is missing.",
            "Run in the SQL editor: select music.add_realtime_policy();",
        )
    ]


async def check_realtime(
    probe: Probe, url: str, key: str, catalogue: Catalogue | None, *, patience_seconds: float
) -> list[Finding]:
    """Send and hear.

    Args:
        probe: asks with the service's key.
        url: the project's URL.
        key: the secret key.
        catalogue: what the database says of itself; None where that is not known.
        patience_seconds: how long to wait for what was sent.
    """
    try:
        private = Channel(url, key, TOPIC, private=True)
        broadcasts = Listener(private)
        broadcasts.hear_broadcasts("ping", "nonce")
        async with private.opened():
            refusal = await broadcasts.refusal()
            broadcast = (
                await _check_broadcast(probe, broadcasts, patience_seconds)
                if refusal is None
                else _private_refused(refusal)
            )
        row_id = str(uuid.uuid4())
        channel = Channel(url, key, f"{TOPIC}:{row_id}", private=refusal is None)
        changes = Listener(channel)
        changes.hear_insert(TABLE, row_id)
        async with channel.opened():
            return [
                broadcast,
                *await _check_changes(probe, changes, row_id, catalogue, patience_seconds),
            ]
    except TransientError as error:
        return [wrong("realtime", f"The socket cannot be opened: {error}.", _STATUS)]


async def _check_broadcast(probe: Probe, broadcasts: Listener, patience_seconds: float) -> Finding:
    check = "broadcast"
    for _ in range(_TRIES):  # the first one may come while the server is still getting ready
        nonce, began = str(uuid.uuid4()), _now()
        heard = broadcasts.expect(nonce)
        answer = await probe.call("ping_music_realtime", {"p_nonce": nonce})
        if answer.code in NO_FUNCTION + NOT_ALLOWED:
            return skipped(check, "Nothing could be broadcast; see migrations and grants.")
        if not answer.is_ok:
            return wrong(check, f"Nothing could be broadcast: {answer.message}.", _STATUS)
        took = await _within(heard, began, patience_seconds)
        if took is not None:
            return ok(check, f"Arrived on a private channel after {took:.0f} ms.")
    return warning(
        check,
        f"A broadcast from the database did not arrive within {patience_seconds:g} s.",
        f"Make sure that realtime.send(jsonb, text, text, boolean) exists. {_FALLBACK}",
    )


async def _check_changes(
    probe: Probe,
    changes: Listener,
    row_id: str,
    catalogue: Catalogue | None,
    patience_seconds: float,
) -> list[Finding]:
    refusal = await changes.refusal()
    if refusal is not None:
        return [wrong("publication", f"Realtime refuses the channel: {refusal}.", _STATUS)]
    publication = await _check_publication(changes, catalogue, patience_seconds)
    if publication.verdict is not Verdict.OK:
        return [publication, skipped("changes", "No change can arrive; see publication.")]
    row = _trial(row_id, catalogue)
    return [publication, await _check_arrival(probe, changes, row, patience_seconds)]


async def _check_publication(
    changes: Listener, catalogue: Catalogue | None, patience_seconds: float
) -> Finding:
    check = "publication"
    try:
        obstacle = await changes.obstacle(max(patience_seconds, 5) * 3)
    except TimeoutError:
        return wrong(check, "Realtime does not say that it follows the database.", _STATUS)
    if obstacle is None:
        return ok(check, f"Realtime follows public.{TABLE}.")
    if catalogue is not None and not catalogue.is_published:
        return note(
            check,
            f"Realtime does not tell of changes of public.{TABLE}, which is left out of the "
            "publication. Workers live by broadcasts and their sweep. If that is not meant: "
            f"{PUBLISH}",
        )
    return wrong(
        check,
        f"Realtime cannot follow public.{TABLE}: {obstacle.rstrip('.')}.",
        _STATUS if catalogue is not None else f"Run in the SQL editor: {PUBLISH}",
    )


async def _check_arrival(
    probe: Probe, changes: Listener, row: dict[str, Any], patience_seconds: float
) -> Finding:
    check, took, row_id = "changes", None, str(row["id"])
    if (await probe.delete(TABLE, row_id)).code in NOT_ALLOWED:
        return skipped(check, "No row was inserted, as it could not be deleted; see grants.")
    heard, began = changes.expect(row_id), _now()
    try:
        inserted = await probe.insert(TABLE, row)
        if inserted.is_ok:
            took = await _within(heard, began, patience_seconds)
    finally:
        deleted = await asyncio.shield(probe.delete(TABLE, row_id))
    if inserted.code == "23502":  # one with an owner would be seen by its owner
        return skipped(check, f"No row was inserted, as {TABLE} demands an owner; see trial.")
    if not inserted.is_ok:
        return wrong(
            check,
            f"No row could be inserted into {TABLE}: {inserted.message}.",
            "First fix what migrations, grants and trial say.",
        )
    if not deleted.is_ok:
        return wrong(
            check,
            f"The doctor's own row could not be deleted: {deleted.message}.",
            f"Run in the SQL editor: delete from public.{TABLE} where id = '{row_id}';",
        )
    if took is None:
        return wrong(
            check,
            f"The insert of a row did not arrive within {patience_seconds:g} s.",
            f"Until this works, workers find tracks by their sweep, every 15 s. {_STATUS}",
        )
    return ok(check, f"The insert of a row arrived after {took:.0f} ms.")


def _trial(row_id: str, catalogue: Catalogue | None) -> dict[str, Any]:
    """A row that has ended already: it wakes no worker, and costs nothing should it be left."""
    return dict(catalogue.trial_row if catalogue else {}) | {
        "id": row_id,
        "prompt": "A trial of music-service doctor; it may be deleted.",
        "status": "error",
        "error_code": "cancelled",
        "error_message": "Only a trial of Realtime.",
    }


def _private_refused(reason: str) -> Finding:
    return warning(
        "broadcast",
        f"Realtime refuses private channels to the service: {reason.rstrip('.')}.",
        f"Look at Realtime, Settings and at the policies of realtime.messages. {_FALLBACK}",
    )


async def _within(
    heard: asyncio.Future[float], began: float, patience_seconds: float
) -> float | None:
    """After how many milliseconds it was heard; None if it was not."""
    try:
        async with asyncio.timeout(patience_seconds):
            return (await heard - began) * 1000
    except TimeoutError:
        return None


def _now() -> float:
    return asyncio.get_running_loop().time()
