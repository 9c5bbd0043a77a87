"""The fleet's gauges, of a row of `music_queue_health`."""

from __future__ import annotations

import re
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from music_service.observe.fleet import COUNTS, GAUGES, in_text_format
from tests.support.health import HEALTH
from tests.support.project import ROOT


def samples(**changes: Any) -> dict[str, float]:
    return {
        " ".join([sample.name.removeprefix("music_fleet_"), *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(in_text_format(HEALTH | changes))
        for sample in family.samples
    }


def test_each_number_of_the_row_is_a_gauge() -> None:
    assert samples() == {
        "paused": 0,
        "pending": 12,
        "due": 9,
        "oldest_seconds": 42.5,
        "generating": 5,
        "left_over": 1,
        "waiting paused": 0,
        "waiting fleet_limit": 6,
        "waiting user_limit": 2,
        "waiting budget": 0,
        "waiting worker": 1,
        "waiting scheduled": 1,
        "waiting put_off": 2,
        "failures_last_hour generation_failed": 2,
        "workers_alive": 2,
        "workers_blocked": 1,
        "allowed_at_once": 10,
        "account_balance_cents": 12345678.25,
        "spent_cents": 58.5,
        "budget_cents": 1000,
    }


def test_what_nobody_knows_is_left_out_and_nothing_due_is_no_time() -> None:
    nothing = dict.fromkeys(
        ("oldest_pending_seconds", "allowed_at_once", "daily_budget_cents", "account_balance_cents")
    )
    found = samples(**nothing, failures_last_hour={})
    assert found["oldest_seconds"] == 0
    assert not {"allowed_at_once", "budget_cents", "account_balance_cents"} & set(found)
    assert "failures_last_hour generation_failed" not in found


def test_each_column_is_one_of_the_view() -> None:
    schema = (ROOT / "supabase" / "schema.sql").read_text()
    columns = re.findall(r"^COMMENT ON COLUMN public\.music_queue_health\.(\w+)", schema, re.M)
    assert {column for _, column, _ in GAUGES} <= set(columns)
    assert {"waiting", "failures_last_hour"} <= set(columns)
    assert [name for name, *_ in COUNTS] == ["waiting", "failures_last_hour"]
