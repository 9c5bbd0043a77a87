"""Realtime that refuses, falls silent or closes its sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local_supabase.realtime.api import RealtimeApi


class RealtimeFaults:
    """What goes wrong on request, for tests."""

    def __init__(self, api: RealtimeApi) -> None:
        self._api = api
        self.swallow_broadcasts = False

    @property
    def refuse_private(self) -> bool:
        """Whether every join of a private channel is refused."""
        return self._api.policies.refuse_all

    @refuse_private.setter
    def refuse_private(self, on: bool) -> None:
        self._api.policies.refuse_all = on

    def drop_all(self) -> None:
        """Close every socket, as a restart of the server does."""
        self._api.close_sockets(1012)

    def swallow(self, *, on: bool) -> None:
        """Deliver nothing while everything looks well, or deliver again."""
        self.swallow_broadcasts = on
        self._api.changes.swallow = on

    def clear(self) -> None:
        """Let everything be well again."""
        self.refuse_private = False
        self.swallow(on=False)
