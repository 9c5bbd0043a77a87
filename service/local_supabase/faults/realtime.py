"""Realtime that refuses sockets or joins, keeps its events to itself, or closes its sockets."""

from __future__ import annotations

import random
from collections.abc import Callable


class RealtimeFaults:
    """Each flag holds until it is set back; both kinds of silence look well from outside.

    `refuse_sockets`       every handshake of a socket is refused (503)
    `refuse_private`       every join of a private channel is refused as unauthorized
    `swallow_changes`      no `postgres_changes` is delivered
    `swallow_broadcasts`   no broadcast is delivered
    `lost_share`           of all events, this share is lost at random, one by one
    """

    def __init__(self) -> None:
        self.refuse_sockets = False
        self.refuse_private = False
        self.swallow_changes = False
        self.swallow_broadcasts = False
        self.lost_share = 0.0
        self._close_sockets: Callable[[], None] = lambda: None

    def swallow(self) -> None:
        """Deliver neither changes nor broadcasts."""
        self.swallow_changes = self.swallow_broadcasts = True

    def shut(self) -> None:
        """Close every socket and refuse new ones, until `refuse_sockets` is set back."""
        self.refuse_sockets = True
        self.drop_all()

    def drop_all(self) -> None:
        """Close every socket with 1012, as a restart of the server does."""
        self._close_sockets()

    def clear(self) -> None:
        """Refuse and swallow nothing any more."""
        self.refuse_sockets = self.refuse_private = False
        self.swallow_changes = self.swallow_broadcasts = False
        self.lost_share = 0.0

    def is_lost(self) -> bool:
        """Used by Realtime itself: whether the next event gets lost."""
        return self.lost_share > 0 and random.random() < self.lost_share  # noqa: S311

    def dropping_by(self, close_sockets: Callable[[], None]) -> None:
        """Used by Realtime itself, to say how its sockets are closed."""
        self._close_sockets = close_sockets
