"""Which versions of worker and database fit together, and what is said where they do not."""

from __future__ import annotations

import re

import pytest
from structlog.testing import capture_logs

from music_service.errors import ConfigurationError, ContractError
from music_service.install import migrations
from music_service.store.preflight import check_version
from music_service.store.schema_version import MADE_FOR, OLDEST_SCHEMA, SchemaVersion
from tests.support.project import SUPABASE


def test_the_last_migration_states_the_version_that_workers_are_made_for() -> None:
    core = [m for m in migrations.shipped(SUPABASE / "migrations") if not m.is_optional]
    stated = re.search(
        r"create or replace function music\.schema_version\(\).*?\$\$ select (\d+) \$\$",
        core[-1].text,
        re.DOTALL,
    )
    assert stated is not None, f"{core[-1].name} does not state the version of the schema"
    assert int(stated[1]) == MADE_FOR >= OLDEST_SCHEMA


def test_the_database_that_this_worker_is_made_for_needs_no_word() -> None:
    with capture_logs() as logs:
        check_version(SchemaVersion(MADE_FOR, MADE_FOR))
    assert logs == []


def test_a_database_that_is_too_old_is_refused_with_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match=r"needs .* or newer: run music-service init"):
        check_version(SchemaVersion(OLDEST_SCHEMA - 1, 0))


def test_a_database_that_is_too_new_is_refused_with_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match=r"too old for: install the version"):
        check_version(SchemaVersion(MADE_FOR + 2, MADE_FOR + 1))


def test_a_newer_database_that_still_takes_this_worker_is_worth_a_line() -> None:
    with capture_logs() as logs:
        check_version(SchemaVersion(MADE_FOR + 1, MADE_FOR))
    [line] = logs
    assert (line["event"], line["log_level"]) == ("schema_differs", "warning")
    assert f"has version {MADE_FOR + 1}" in line["reason"]


@pytest.mark.parametrize("rows", [[], None, "x", [{"version": 1}], [{}, {}]])
def test_an_answer_that_is_no_version_is_not_understood(rows: object) -> None:
    with pytest.raises(ContractError):
        SchemaVersion.read(rows)
