"""Audio in the bucket that belongs to no track any more: found in parts, removed in batches."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from music_service.operations.queries import Queries

# Looked through at a time: so few that what was listed still holds when it is removed.
_OBJECTS_AT_ONCE = 1000
_REMOVED_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Orphan:
    """An object in the bucket: its key and its size."""

    key: str
    size_bytes: int


class OrphanedAudio(Queries):
    """What no track has any more, with the service's rights."""

    async def batches(self, bucket: str) -> AsyncIterator[list[Orphan]]:
        """All that there is, so many at a time as may be removed at once."""
        await self.check_answers()
        after: str | None = ""
        while after is not None:
            arguments = {"p_bucket": bucket, "p_after": after, "p_objects": _OBJECTS_AT_ONCE}
            part = (await self.answer(self.client.rpc("list_orphaned_music", arguments))).data
            found = [Orphan(each["name"], each["size_bytes"]) for each in part["orphans"]]
            for start in range(0, len(found), _REMOVED_AT_ONCE):
                yield found[start : start + _REMOVED_AT_ONCE]
            after = part["looked_until"]

    async def remove(self, bucket: str, orphans: Sequence[Orphan]) -> list[Orphan]:
        """Remove a batch by the Storage API; answers those that were there.

        Raises:
            TransientError: Storage refuses, or cannot be reached.
        """
        from music_service.store import buckets  # noqa: PLC0415  slow, and for this alone

        keys = await buckets.remove(self.client, bucket, [orphan.key for orphan in orphans])
        return [orphan for orphan in orphans if orphan.key in keys]
