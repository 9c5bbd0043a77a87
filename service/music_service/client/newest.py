"""What is known of the tracks that somebody follows: of each the newest row. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from music_service.client.rows import TrackRow, has_ended


class Newest:
    """The newest row of each track, whatever order answers come in.

    Args:
        track_ids: those that are followed.
    """

    def __init__(self, track_ids: Iterable[str]) -> None:
        self._rows: dict[str, TrackRow | None] = dict.fromkeys(track_ids)
        self.gone: list[str] = []

    @property
    def unfinished(self) -> list[str]:
        """The tracks that have neither ended nor gone, in the order in which they were named."""
        return [track_id for track_id in self._rows if self.is_followed(track_id)]

    @property
    def owner(self) -> str | None:
        """The one user to whom all of them belong, if there is one."""
        owners = {row["user_id"] for row in self._rows.values() if row is not None}
        return owners.pop() if len(owners) == 1 else None

    def is_followed(self, track_id: object) -> bool:
        """Whether it is one of ours and has neither ended nor gone."""
        if not isinstance(track_id, str) or track_id not in self._rows:
            return False
        row = self._rows[track_id]
        return track_id not in self.gone and (row is None or not has_ended(row))

    def has_seen(self, track_id: str, updated_at: Any) -> bool:
        """Whether the row is known as it was at that time, or as it was later."""
        row = self._rows.get(track_id)
        try:
            return row is not None and _time(row["updated_at"]) >= _time(updated_at)
        except (TypeError, ValueError):
            return False  # no time was told

    def take(self, asked: Sequence[str], answered: Iterable[TrackRow]) -> list[TrackRow]:
        """Take an answer; what was asked for and is not in it is gone. Answers what has changed."""
        found = {row["id"]: row for row in answered}
        self.gone += [track_id for track_id in asked if track_id not in found]
        changed = [found[track_id] for track_id in asked if self._is_news(found.get(track_id))]
        self._rows.update({row["id"]: row for row in changed})
        return changed

    def _is_news(self, row: TrackRow | None) -> bool:
        if row is None:
            return False
        known = self._rows.get(row["id"])
        if known is None:
            return True
        return row != known and _time(row["updated_at"]) >= _time(known["updated_at"])


def _time(value: Any) -> datetime:
    return datetime.fromisoformat(value)
