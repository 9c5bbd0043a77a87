"""When to ask for a paid task again: seldom early, often when something is due, slower when late.

    paid ──────────────[ stream due ]──────────────[ end due ]──────────►
         usual pauses    shortest      usual pauses   shortest   growing

Mureka tells no percentage. What is known is how long it took lately: this worker has seen some
streams begin and some tasks end, and the database answers a median. Nothing here waits or asks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from music_service.tracks import Kind

_REMEMBERED = 30
_ODD_SHARE = 0.1  # of what took longest and shortest is not expected again
_SHARE = 0.03  # a window is wider than what was seen by this share of the usual time,
_SHARE_OF_ONE = 0.1  # and by this one where but one was seen, half of it where two were
_MOST_POLLS = 10  # in one window: a wider one has longer pauses
_LATE_SHARE = 0.25  # of the time that something is late for is waited
_WAITING = ("preparing", "queued")
_SECOND = 1.0
_SLOWEST = 4  # times the longest pause, where Mureka finds us too fast


@dataclass(frozen=True, slots=True)
class Bounds:
    """The shortest, the usual and the longest pause, in seconds.

    The longest is for times when nothing is due, by what this worker has seen itself.
    """

    shortest: float
    usual: float
    longest: float

    @classmethod
    def around(cls, seconds: float) -> Self:
        """A quarter and twice of the usual; below a second only where that is usual."""
        return cls(min(seconds, max(seconds / 4, _SECOND)), seconds, 2 * seconds)


@dataclass(frozen=True, slots=True)
class Window:
    """When something is due, in seconds since the paid call; `seen` where we saw when it comes."""

    opens: float
    closes: float
    is_seen: bool = True

    def after(self, seconds: float) -> Window:
        """The same, so much later."""
        return Window(self.opens + seconds, self.closes + seconds, self.is_seen)


class Durations:
    """How long something took, the last times."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=_REMEMBERED)

    def note(self, seconds: float) -> None:
        """It took so long once more."""
        self._seconds.append(seconds)

    def window(self, bounds: Bounds) -> Window | None:
        """When it is due the next time; None where it was never seen."""
        if not self._seconds:
            return None
        known = sorted(self._seconds)
        odd = int(_ODD_SHARE * len(known))
        share = _SHARE + _SHARE_OF_ONE / len(known)
        margin = max(share * known[len(known) // 2], 1.5 * bounds.shortest)
        return Window(known[odd] - margin, known[-1 - odd] + margin)


@dataclass(slots=True)
class Experience:
    """What a worker has seen of one kind of music: until the stream, from there on, in all."""

    until_stream: Durations = field(default_factory=Durations)
    after_stream: Durations = field(default_factory=Durations)
    in_all: Durations = field(default_factory=Durations)


class Experiences(dict[Kind, Experience]):
    """The experience of each kind; songs take longer than instrumentals."""

    def __missing__(self, kind: Kind) -> Experience:
        return self.setdefault(kind, Experience())


class Cadence:
    """The pauses between the polls of one task; all times are seconds since its paid call.

    Args:
        bounds: the pauses that are allowed.
        experience: what this worker has seen; what it sees here is added.
        expected_seconds: the median that the database answers, if it knows one.
        stream: whether the task was asked to stream.
        resumed: whether somebody else watched its beginning.
    """

    def __init__(
        self,
        bounds: Bounds,
        experience: Experience,
        *,
        expected_seconds: float | None,
        stream: bool,
        resumed: bool = False,
    ) -> None:
        self._bounds = bounds
        self._experience = experience
        self._expected = expected_seconds
        self._stream = stream
        self._asked_at = None if resumed else 0.0
        self._streams = False
        self._streams_since: float | None = None  # None, too, where it began unseen
        self._stage: str | None = None
        self._refusals = 0
        self._is_done = False

    def note(self, at: float, stage: str, *, streams: bool, is_done: bool) -> None:
        """A poll was answered; what it shows came at some moment since the one before."""
        if self._is_done:  # its music is late; that is no duration
            return
        came_at = at if self._asked_at is None else (self._asked_at + at) / 2
        is_exact = self._asked_at is not None and at - self._asked_at <= 2 * self._bounds.longest
        self._asked_at, self._stage, self._refusals = at, stage, 0
        self._is_done = is_done
        if is_done and is_exact:
            self._experience.in_all.note(came_at)
            if self._streams_since is not None:
                self._experience.after_stream.note(came_at - self._streams_since)
        elif streams and not is_done and not self._streams:
            self._streams = True
            if is_exact:
                self._streams_since = came_at
                self._experience.until_stream.note(came_at)

    def note_refusal(self) -> None:
        """A poll was refused for coming too soon."""
        self._refusals += 1

    def pause_seconds(self, at: float) -> float:
        """How long to wait for the next poll."""
        if self._refusals:
            return self._bounds.longest * min(self._refusals, _SLOWEST)
        if self._is_done:
            return self._bounds.usual
        return pause_seconds(at, self._stage, self._windows(), self._bounds)

    def _windows(self) -> list[Window]:
        seen, bounds = self._experience, self._bounds
        end = seen.in_all.window(bounds) or _around(self._expected)
        rest = seen.after_stream.window(bounds)
        due: list[Window | None] = [end]
        if self._streams_since is not None and rest is not None:
            due = [rest.after(self._streams_since)]
        elif self._stream and not self._streams:
            half = None if self._expected is None else self._expected / 2
            due = [seen.until_stream.window(bounds) or _around(half), end]
        return [window for window in due if window is not None]


def pause_seconds(at: float, stage: str | None, windows: Sequence[Window], bounds: Bounds) -> float:
    """The pause after a poll.

    Args:
        at: when that poll was, in seconds since the paid call.
        stage: what it showed: nothing is due of a task that has not begun.
        windows: when something is due; none where nobody knows.
        bounds: the pauses that are allowed.
    """
    open_now = [each for each in windows if each.opens <= at < each.closes]
    if open_now:
        width = min(each.closes - each.opens for each in open_now)
        pause = _within(width / _MOST_POLLS, bounds.shortest, bounds.usual)
        return min(2 * pause, bounds.usual) if stage in _WAITING else pause
    late_for = [at - each.closes for each in windows if each.closes <= at]
    coming = [each for each in windows if each.opens > at]
    if late_for or not coming:
        known = min(late_for, default=at or bounds.usual / _LATE_SHARE)
        usual = _within(known * _LATE_SHARE, bounds.shortest, bounds.usual)
    else:
        usual = bounds.longest if all(each.is_seen for each in coming) else bounds.usual
    # A window that opens soon is waited for, and no poll comes just before it.
    return min([usual, *(max(each.opens - at, bounds.shortest) for each in coming)])


def _around(seconds: float | None) -> Window | None:
    """When something is due that others say takes so long."""
    if seconds is None:
        return None
    return Window((1 - _SHARE_OF_ONE) * seconds, (1 + _SHARE_OF_ONE) * seconds, is_seen=False)


def _within(value: float, low: float, high: float) -> float:
    return max(low, min(high, value))
