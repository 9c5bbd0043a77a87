"""When a paid task is asked for again."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from music_service.worker.cadence import (
    Bounds,
    Cadence,
    Durations,
    Experience,
    Experiences,
    Window,
    pause_seconds,
)

BOUNDS = Bounds.around(4)


def times(experience: Experience | None, **known: float | None) -> list[float]:
    """When a task that never shows anything is polled, in the first minute and a half."""
    cadence = Cadence(
        BOUNDS,
        experience or Experience(),
        expected_seconds=known.get("expected"),
        stream=True,
    )
    at, found = 0.0, []
    while at < 90:
        at += cadence.pause_seconds(at)
        found.append(at)
        cadence.note(at, "running", streams=False, is_done=False)
    return found


@dataclass
class Generations:
    """Generations of one worker, each with its own stream and end, and what polling them cost."""

    chance: random.Random
    experience: Experience = field(default_factory=Experience)
    polls: list[int] = field(default_factory=list)
    stream_late: list[float] = field(default_factory=list)
    end_late: list[float] = field(default_factory=list)

    def make(self, streams_at: float, ends_at: float, expected: float | None) -> None:
        """Poll one to its end."""
        cadence = Cadence(BOUNDS, self.experience, expected_seconds=expected, stream=True)
        at, polls, is_streaming = 0.0, 0, False
        while at < ends_at:
            at += cadence.pause_seconds(at) * self.chance.uniform(0.8, 1)
            polls += 1
            if at >= streams_at and not is_streaming:
                is_streaming = True
                self.stream_late.append(at - streams_at)
            stage = "streaming" if is_streaming else "running"
            cadence.note(at, stage, streams=is_streaming, is_done=at >= ends_at)
        self.end_late.append(at - ends_at)
        self.polls.append(polls)

    def forget_figures(self) -> None:
        """Measure from here on."""
        self.polls, self.stream_late, self.end_late = [], [], []


def p95(values: list[float]) -> float:
    return sorted(values)[int(0.95 * (len(values) - 1))]


@pytest.mark.parametrize(
    ("setting", "shortest"), [(4, 1), (8, 2), (2, 1), (1, 1), (0.2, 0.2), (0.01, 0.01)]
)
def test_pauses_are_between_a_quarter_and_twice_of_the_setting(
    setting: float, shortest: float
) -> None:
    """A second is the shortest, unless the setting itself is shorter."""
    assert Bounds.around(setting) == Bounds(shortest, setting, 2 * setting)


def test_nothing_is_asked_more_often_or_more_seldom_than_the_bounds_say() -> None:
    chance = random.Random(1)
    for _ in range(2000):
        windows = [
            Window(opens := chance.uniform(0, 100), opens + chance.uniform(0, 60))
            for _ in range(chance.randrange(3))
        ]
        stage = chance.choice([None, "queued", "running"])
        pause = pause_seconds(chance.uniform(0, 150), stage, windows, BOUNDS)
        assert BOUNDS.shortest <= pause <= BOUNDS.longest


def test_without_any_experience_pauses_grow_with_the_time_that_has_passed() -> None:
    found = times(None)
    assert found[0] == 4
    assert found[1] - found[0] == pytest.approx(1)
    assert found[-1] - found[-2] == 4
    assert sum(at <= 60 for at in found) <= 20


def test_around_the_median_it_is_asked_each_second_or_so_and_else_as_usual() -> None:
    found = times(None, expected=60)
    assert all(later - earlier <= 1.3 for earlier, later in pairs(found, 54, 66))
    assert all(later - earlier <= 1 for earlier, later in pairs(found, 27, 33))
    assert all(later - earlier == 4 for earlier, later in pairs(found, 0, 24))


def test_what_is_late_is_asked_for_more_and_more_seldom() -> None:
    pauses = [later - earlier for earlier, later in pairs(times(None, expected=30), 33, 90)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 4


def test_a_task_that_has_not_begun_is_not_hurried() -> None:
    window = [Window(20, 30)]
    assert pause_seconds(25, "queued", window, BOUNDS) == 2
    assert pause_seconds(25, "running", window, BOUNDS) == 1


def test_a_window_that_opens_soon_is_waited_for() -> None:
    assert pause_seconds(19, "running", [Window(21.5, 30)], BOUNDS) == 2.5
    assert pause_seconds(10, "running", [Window(21.5, 30)], BOUNDS) == 8
    assert pause_seconds(10, "running", [Window(21.5, 30, is_seen=False)], BOUNDS) == 4


def test_a_wide_window_costs_no_more_polls_than_a_narrow_one() -> None:
    assert pause_seconds(50, "running", [Window(40, 70)], BOUNDS) == 3


def test_what_took_longest_once_is_not_expected_again() -> None:
    durations = Durations()
    for seconds in [60] * 18 + [10, 300]:
        durations.note(seconds)
    window = durations.window(BOUNDS)
    assert window is not None
    assert 55 < window.opens < 60 < window.closes < 65


def test_of_many_durations_only_the_last_are_remembered() -> None:
    durations = Durations()
    for seconds in [300] * 1000 + [30] * 30:
        durations.note(seconds)
    window = durations.window(BOUNDS)
    assert window is not None
    assert window.closes < 40


def test_what_somebody_else_watched_and_what_ended_long_ago_teaches_nothing() -> None:
    for resumed, asked in ((True, [400]), (False, [4, 400])):
        experience = Experience()
        cadence = Cadence(BOUNDS, experience, expected_seconds=60, stream=True, resumed=resumed)
        for at in asked[:-1]:
            cadence.note(at, "running", streams=False, is_done=False)
        cadence.note(asked[-1], "succeeded", streams=False, is_done=True)
        assert experience.in_all.window(BOUNDS) is None


def test_the_end_of_a_stream_that_began_unseen_is_expected_by_the_whole_time() -> None:
    experience = Experience()
    for durations, seconds in ((experience.in_all, 60), (experience.after_stream, 30)):
        for _ in range(10):
            durations.note(seconds)
    cadence = Cadence(BOUNDS, experience, expected_seconds=60, stream=True, resumed=True)
    cadence.note(58, "streaming", streams=True, is_done=False)
    assert cadence.pause_seconds(58) == 1


def test_music_that_is_late_at_its_address_is_asked_for_as_usual_and_teaches_nothing() -> None:
    experience = Experience()
    cadence = Cadence(BOUNDS, experience, expected_seconds=60, stream=True)
    for at in (58.0, 60.0, 64.0, 68.0):
        cadence.note(at, "succeeded", streams=False, is_done=True)
        assert cadence.pause_seconds(at) == 4
    window = experience.in_all.window(BOUNDS)
    assert window is None or window.closes < 70


def test_songs_and_instrumentals_are_learned_apart() -> None:
    experiences = Experiences()
    experiences["song"].in_all.note(90)
    assert experiences["instrumental"].in_all.window(BOUNDS) is None
    assert experiences["song"].in_all.window(BOUNDS) is not None


@pytest.mark.parametrize("seconds", [8, 30, 60, 90])
@pytest.mark.parametrize("told", [0.7, 1, 1.3, None])
def test_stream_and_end_are_found_within_a_second_with_twenty_polls(
    seconds: float, told: float | None
) -> None:
    """Also where the median that the database answers is wrong or missing."""
    chance = random.Random(7)
    made = Generations(chance)
    for number in range(60):
        ends_at = seconds * chance.uniform(0.97, 1.03)
        made.make(0.5 * ends_at, ends_at, told and told * seconds)
        if number == 5:
            made.forget_figures()
    assert p95(made.stream_late) <= 1
    assert p95(made.end_late) <= 1
    assert sum(made.polls) / len(made.polls) <= 20 * max(seconds / 60, 1)


def test_generations_that_vary_by_a_quarter_cost_no_more_and_are_found_in_a_few_seconds() -> None:
    chance = random.Random(7)
    made = Generations(chance)
    for _ in range(300):
        ends_at = 60 * chance.lognormvariate(0, 0.25)
        made.make(ends_at * chance.uniform(0.3, 0.6), ends_at, 60)
    assert p95(made.stream_late) <= 4
    assert p95(made.end_late) <= 4
    assert sum(made.polls) / len(made.polls) <= 22


def pairs(found: list[float], after: float, before: float) -> list[tuple[float, float]]:
    both = list(zip([0.0, *found], found, strict=False))
    return [(earlier, later) for earlier, later in both if earlier >= after and later <= before]
