"""How long the real servers take and wait: the defaults of everything in this package."""

from __future__ import annotations

from dataclasses import dataclass

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds that a client can observe; `Times()` are those of the real servers.

    A range is the shortest and the longest; each case is drawn between them at random.
    Source, where nothing else is said: observed on Supabase Realtime 2.122.

    Args:
        refused_upgrade_seconds: until a socket with a bad key is refused, to slow down guessing.
        refused_join_seconds: until a join is refused; the socket answers nothing else meanwhile.
        unreachable_database_seconds: how long a join tries to reach the database.
        cold_subscription_seconds: until the first subscriber after a start is told that it is
            subscribed to changes; those in between are lost.
        warm_subscription_seconds: the same for the later ones, who lose nothing.
        resubscription_seconds: until a joined channel with another token is told so again.
        poll_seconds: between two looks into the write-ahead log.
        idle_poll_seconds: the same after some looks that found nothing.
        first_reconnect_seconds: after the database was lost until the first attempt to reach it
            again; each further pause is twice as long.
            Source: events came back within 3 s of an outage of 5 s, 15 to 18 s after one of 45 s.
        longest_reconnect_seconds: the longest of these pauses.
        longest_outage_seconds: without a database, after which the reader of the write-ahead log
            gives up: those who are subscribed hear of no change any more and are not told so,
            until one of them joins again. Source: Realtime 2.129, which gives up after 6 failures.
        silence_seconds: after which a client that sends nothing is let go.
        access_token_seconds: how long a user's token is good. Source: the platform's default.
        refresh_reuse_seconds: how long an exchanged refresh token is answered with its successor,
            since a client whose answer was lost repeats the exchange. Source: as above.
    """

    refused_upgrade_seconds: float = 2.0
    refused_join_seconds: float = 5.0
    unreachable_database_seconds: float = 5.0
    cold_subscription_seconds: Range = (1.4, 3.0)
    warm_subscription_seconds: Range = (0.005, 0.05)
    resubscription_seconds: Range = (1.0, 3.0)
    poll_seconds: float = 0.1
    idle_poll_seconds: float = 0.5
    first_reconnect_seconds: float = 1.0
    longest_reconnect_seconds: float = 30.0
    longest_outage_seconds: float = 86.0
    silence_seconds: Range = (60.0, 66.0)
    access_token_seconds: int = 3600
    refresh_reuse_seconds: float = 10.0

    def reconnect_seconds(self, failures: int) -> float:
        """The pause after so many attempts in a row, from 1, that have failed."""
        doublings = min(failures - 1, 60)
        return min(self.first_reconnect_seconds * 2.0**doublings, self.longest_reconnect_seconds)
