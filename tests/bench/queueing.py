"""The arithmetic of waiting: how long tracks wait for a place at Mureka, by formula.

Arrivals come at random, at a rate that follows the hours of a day. A place is taken for as long as
a generation takes; generations differ. That is M(t)/G/c. Where the load is below the places,
Erlang's C with the correction of Allen and Cunneen for times that are not exponential; where it is
above, what comes in less what goes out piles up, and is worked off later.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# Most generations take 30 to 150 s (docs/mureka.md). Taken as 95 of a hundred of a lognormal
# distribution, these are its parameters.
SHORT_SECONDS, LONG_SECONDS = 30.0, 150.0
_NORMAL_95 = 1.96
LOG_MEAN = (math.log(SHORT_SECONDS) + math.log(LONG_SECONDS)) / 2
LOG_DEVIATION = (math.log(LONG_SECONDS) - math.log(SHORT_SECONDS)) / 2 / _NORMAL_95
# From Mureka's end until the row is completed: the last poll, the file there and back.
DELIVERY_SECONDS = 1.0
GENERATION_SECONDS = math.exp(LOG_MEAN + LOG_DEVIATION**2 / 2)
PLACE_SECONDS = GENERATION_SECONDS + DELIVERY_SECONDS
# The squared coefficient of variation of the time that a place is taken.
VARIATION = (math.exp(LOG_DEVIATION**2) - 1) * (GENERATION_SECONDS / PLACE_SECONDS) ** 2

# How arrivals spread over the hours of a day, relative to the mean: quiet at night, most at 20:00.
HOURS = (
    *(0.35, 0.22, 0.15, 0.12, 0.14, 0.25, 0.50, 0.80, 1.00, 1.10, 1.15, 1.20),
    *(1.30, 1.25, 1.20, 1.20, 1.25, 1.35, 1.55, 1.80, 2.00, 1.90, 1.40, 0.80),
)
PEAK = max(HOURS) * len(HOURS) / sum(HOURS)
_STEP_SECONDS = 10.0
# So close to full, a queue takes longer to settle than the hour lasts: the formula has no say.
_FULLEST = 0.97


def erlang_c(places: int, load: float) -> float:
    """The share of arrivals that must wait; `load` is how many places would be busy."""
    if load >= places:
        return 1.0
    blocked = 1.0  # Erlang's B, place by place, which stays within what a float holds
    for number in range(1, places + 1):
        blocked = load * blocked / (number + load * blocked)
    return blocked / (1 - load / places * (1 - blocked))


@dataclass(frozen=True)
class Wait:
    """How long arrivals wait, in seconds."""

    mean: float
    p50: float
    p95: float


def steady_wait(places: int, tracks_per_second: float) -> Wait:
    """While arrivals stay as they are, and fewer come than can be made."""
    load = tracks_per_second * PLACE_SECONDS
    if load >= places:
        return Wait(math.inf, math.inf, math.inf)
    waiting = erlang_c(places, load)
    mean_of_waiting = PLACE_SECONDS / (places - load) * (1 + VARIATION) / 2

    def quantile(share: float) -> float:
        return mean_of_waiting * max(math.log(waiting / (1 - share)), 0.0) if waiting else 0.0

    return Wait(waiting * mean_of_waiting, quantile(0.5), quantile(0.95))


def places_for(tracks_per_second: float, mean_wait_seconds: float) -> int:
    """The fewest places with which arrivals wait no longer than that on average."""
    places = int(tracks_per_second * PLACE_SECONDS) + 1
    while steady_wait(places, tracks_per_second).mean > mean_wait_seconds:
        places += 1
    return places


@dataclass(frozen=True)
class Hour:
    """An hour by the arithmetic: arrivals, the share of places that they need, how long they wait.

    `backlog` is how many wait at its end only because more came than could be made.
    """

    arrivals: float
    load: float
    wait: Wait
    backlog: float


def day(tracks: int, places: int, hours: Sequence[float] = HOURS) -> Iterator[Hour]:
    """Hour after hour of a day with so many tracks; `hours` are relative."""
    backlog = 0.0
    out = places / PLACE_SECONDS
    steps = int(3600 / _STEP_SECONDS)
    for share in hours:
        arrivals = tracks * share / sum(hours)
        rate = arrivals / 3600
        behind = list[float]()
        for _ in range(steps):
            behind.append(backlog / out)
            backlog = max(backlog + (rate - out) * _STEP_SECONDS, 0.0)
        behind.sort()
        steady = steady_wait(places, rate) if rate < _FULLEST * out else Wait(0, 0, 0)
        yield Hour(
            arrivals,
            rate * PLACE_SECONDS / places,
            Wait(
                steady.mean + sum(behind) / steps,
                steady.p50 + behind[steps // 2],
                steady.p95 + behind[int(0.95 * steps)],
            ),
            backlog,
        )
