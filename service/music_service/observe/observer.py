"""Who is told what happens in a worker, to count it or to trace it. By default nobody listens.

A worker tells of itself (`Observer`) and of each track that it claims (`TrackObserver`). To listen,
override what is of interest; see `metrics` and `traces`. Nothing here may wait or raise.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from decimal import Decimal
from typing import Literal

from music_service.tracks import Claim

State = Literal["starting", "running", "stopping", "cut_off", "blocked", "failing"]
Step = Literal["write_lyrics", "submit", "poll", "deliver"]
Fate = Literal["accepted", "refused", "unknown"]


class TrackObserver:
    """Told of one track, for as long as one worker has it."""

    def step(self, name: Step) -> AbstractContextManager[None]:
        """Around a step of its making; what the block raises is how it failed."""
        del name
        return contextlib.nullcontext()

    def submitted(self, model: str, fate: Fate, cost_cents: Decimal) -> None:
        """What became of a paid call, and what it is expected to cost if it was not refused."""

    def generated(self, model: str, seconds: float) -> None:
        """The provider is done with it, so long after the paid call."""

    def sounded(self) -> None:
        """It can be heard for the first time."""

    def completed(self) -> None:
        """It has its audio."""

    def failed(self, code: str) -> None:
        """It has ended in error."""


class Observer:
    """Told what happens in a worker."""

    def claimed(self, claim: Claim) -> TrackObserver:
        """A track was claimed; whoever is answered is told of the rest."""
        del claim
        return TrackObserver()

    def provider_answered(self, status: int | None) -> None:
        """The provider answered a request with this HTTP status, or None: not at all."""

    def supabase_answered(self, kind: str, status: int | None) -> None:
        """The same of Supabase; `kind` is the function or table asked for, or `storage`."""


class Observers(Observer):
    """Several observers as one."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def claimed(self, claim: Claim) -> TrackObserver:
        """Tell all of them."""
        return _TrackObservers([each.claimed(claim) for each in self._observers])

    def provider_answered(self, status: int | None) -> None:
        """Tell all of them."""
        for each in self._observers:
            each.provider_answered(status)

    def supabase_answered(self, kind: str, status: int | None) -> None:
        """Tell all of them."""
        for each in self._observers:
            each.supabase_answered(kind, status)


class _TrackObservers(TrackObserver):
    def __init__(self, observers: list[TrackObserver]) -> None:
        self._observers = observers

    @contextmanager
    def step(self, name: Step) -> Iterator[None]:
        with contextlib.ExitStack() as steps:
            for each in self._observers:
                steps.enter_context(each.step(name))
            yield

    def submitted(self, model: str, fate: Fate, cost_cents: Decimal) -> None:
        for each in self._observers:
            each.submitted(model, fate, cost_cents)

    def generated(self, model: str, seconds: float) -> None:
        for each in self._observers:
            each.generated(model, seconds)

    def sounded(self) -> None:
        for each in self._observers:
            each.sounded()

    def completed(self) -> None:
        for each in self._observers:
            each.completed()

    def failed(self, code: str) -> None:
        for each in self._observers:
            each.failed(code)
