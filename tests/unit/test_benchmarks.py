"""What was measured is what the pages show, and the arithmetic says what it should."""

from __future__ import annotations

import math
import random
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.bench import goals, pages, queueing, simulate, sizing
from tests.bench.figures import KEPT, Figure, Result, quantile
from tests.bench.marks import with_part
from tests.bench.plot import svg

RESULT = Result.read(KEPT)


@pytest.mark.parametrize("path", pages.pages(), ids=lambda path: path.name)
def test_the_pages_show_what_was_measured(path: Path) -> None:
    assert path.read_text() == pages.pages()[path]


def test_what_is_kept_is_read_as_it_was_written(tmp_path: Path) -> None:
    RESULT.write(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_text() == KEPT.read_text()


def test_every_figure_of_the_table_was_measured_or_is_of_the_full_form_alone() -> None:
    missing = {goal.figure for goal in goals.GOALS} - set(RESULT.figures)
    assert missing <= ({"memory_1000_mb"} if RESULT.form == "quick" else set())


def test_what_was_measured_names_no_machine_and_no_path() -> None:
    text = KEPT.read_text()
    assert set(RESULT.machine) == {
        *("cores", "processor", "memory_gb", "system", "load_before", "python", "postgres"),
        "versions",
    }
    assert not any(word in text for word in ("/root", "/home", "/tmp", "127.0.0.1"))


def result(**figures: float) -> Result:
    known = {name: Figure.once(value) for name, value in figures.items()}
    return Result("quick", "2026-11-26", 1, {}, known)


def test_a_goal_that_is_not_met_says_so_in_the_table_and_in_words() -> None:
    found = result(pick_up_p50_ms=12.1, end_p95_s=1.2)
    table = goals.table(found)
    assert "| pick-up, insert → claim, idle, p50 | ≤ 12.0 ms | 12.1 ms | **not met** |" in table
    assert "| overhead, end, p95 | ≤ 1.20 s | 1.20 s | met |" in table
    assert goals.unmet(found) == [
        "pick-up, insert → claim, idle, p50: 12.1 ms, the goal is ≤ 12.0 ms"
    ]


@pytest.mark.parametrize(("paid", "is_met"), [(1.0, True), (1.05, False), (0.9, False)])
def test_paid_calls_are_one_for_each_track_and_neither_more_nor_fewer(
    paid: float, is_met: bool
) -> None:
    assert (goals.unmet(result(paid_per_track=paid)) == []) == is_met


def test_a_figure_is_the_median_between_the_lowest_and_the_highest_round() -> None:
    assert Figure.of([3, 1, 2]) == Figure(2, 1, 3, 3)
    assert Figure.quantile([[1, 2, 3], [10, 20, 30]], 0.5) == Figure(10, 2, 20, 6)
    assert quantile([5], 0.99) == 5


def test_the_picture_is_small_and_well_formed_and_says_in_words_what_it_shows() -> None:
    drawn = svg(RESULT)
    root = ET.fromstring(drawn)
    assert root.find("{http://www.w3.org/2000/svg}title") is not None
    assert len(drawn) < 10_000


def test_a_page_without_its_marks_is_left_alone() -> None:
    with pytest.raises(SystemExit, match="no place"):
        with_part("nothing", "measured", "figures")


def test_erlangs_formula_answers_what_the_books_do() -> None:
    assert queueing.erlang_c(1, 0.5) == pytest.approx(0.5)
    assert queueing.erlang_c(2, 1.0) == pytest.approx(1 / 3)
    assert queueing.erlang_c(10, 8.0) == pytest.approx(0.409, abs=0.001)
    assert queueing.erlang_c(3, 3.0) == 1.0


def test_generations_of_the_simulation_are_as_long_as_the_arithmetic_has_them() -> None:
    chance = random.Random(1)
    drawn = [
        chance.lognormvariate(queueing.LOG_MEAN, queueing.LOG_DEVIATION) for _ in range(20_000)
    ]
    assert sum(drawn) / len(drawn) == pytest.approx(queueing.GENERATION_SECONDS, rel=0.02)
    within = sum(queueing.SHORT_SECONDS <= each <= queueing.LONG_SECONDS for each in drawn)
    assert within / len(drawn) == pytest.approx(0.95, abs=0.01)


def test_what_cannot_be_made_piles_up_and_is_worked_off() -> None:
    per_hour = 10 * 3600 / queueing.PLACE_SECONDS
    busy, quiet, later = queueing.day(int(3 * per_hour), 10, (2.0, 0.5, 0.5))
    assert busy.load == pytest.approx(2.0, rel=0.01)
    assert busy.backlog == pytest.approx(per_hour, rel=0.01)
    assert quiet.backlog == pytest.approx(per_hour / 2, rel=0.02)
    assert later.backlog == pytest.approx(0, abs=5)
    assert busy.wait.p95 > quiet.wait.p50 > later.wait.p95


def test_fewer_places_make_tracks_wait_longer() -> None:
    rate = 1.0
    places = queueing.places_for(rate, sizing.PATIENCE_SECONDS)
    assert queueing.steady_wait(places, rate).mean <= sizing.PATIENCE_SECONDS
    assert queueing.steady_wait(places - 1, rate).mean > sizing.PATIENCE_SECONDS
    assert places > rate * queueing.PLACE_SECONDS


def test_arrivals_follow_the_curve_of_the_day() -> None:
    arrivals = simulate.arrivals_of(24_000, queueing.HOURS, random.Random(1))
    assert len(arrivals) == 24_000
    assert arrivals == sorted(arrivals)
    evening = sum(20 * 3600 <= at < 21 * 3600 for at in arrivals)
    assert evening == pytest.approx(24_000 * queueing.PEAK / 24, rel=0.1)


def test_the_page_about_sizes_has_the_numbers_of_its_text() -> None:
    text = pages.SIZING.read_text()
    needs = sizing.Needs(100_000, sizing.Measured.of(RESULT, sizing.Simulated.read()))
    assert f"= {needs.places_busy:.0f} generations at once" in text
    assert f"has a mean of {queueing.GENERATION_SECONDS:.0f} s" in text
    assert math.isclose(queueing.PEAK, 2.0, abs_tol=0.01)
    assert needs.places_to_buy == 150 < needs.places
    assert f"Ask Mureka for {math.ceil(needs.places / 10) * 10}" in text
