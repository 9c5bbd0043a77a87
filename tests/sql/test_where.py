"""The platform refuses UPDATE and DELETE without WHERE on API connections, in functions too."""

from __future__ import annotations

import pytest

from tests.support.database import Project
from tests.support.statements import without_where

FUNCTIONS = """
select p.oid::regprocedure::text as name, l.lanname as language, p.prosrc as body,
       pg_get_functiondef(p.oid) as definition
from pg_proc p join pg_language l on l.oid = p.prolang
where p.pronamespace in ('public'::regnamespace, 'music'::regnamespace)
"""


# What these put together and execute is an insert, or comes from a migration.
EXECUTE_TEXT = (
    "music.change_table",
    "music.reach",
    "music.reached_by",
    "music.try_",
    "music_another_take",
)


async def refused(project: Project) -> dict[str, list[str]]:
    return {
        function["name"]: found
        for function in await project.sql(FUNCTIONS)
        if (
            found := without_where(
                function["definition"],
                function["language"],
                function["body"],
                may_execute=function["name"].startswith(EXECUTE_TEXT),
            )
        )
    }


async def test_no_function_of_ours_updates_or_deletes_without_a_condition(
    project: Project,
) -> None:
    assert len(await project.sql(FUNCTIONS)) > 50
    assert await refused(project) == {}


PLANTED = {
    "sql": "language sql as 'update music.settings set paused = true; select 1'",
    "sql with": "language sql as 'with g as (delete from music.events returning 1) select 1'",
    "plpgsql": "language plpgsql as 'begin update music.settings set paused = true; return 1; end'",
    "a condition": (
        "language plpgsql as 'begin if exists (select from music.settings) then"
        " delete from music.workers; end if; return 1; end'"
    ),
    "a loop": (
        "language plpgsql as 'declare r record; begin"
        " for r in update music.settings set paused = true returning id loop"
        " null; end loop; return 1; end'"
    ),
    "with": (
        "language plpgsql as 'declare n int; begin with g as (delete from music.events"
        " returning 1) select count(*) into n from g; return n; end'"
    ),
    "execute": ("language plpgsql as 'begin execute ''delete from music.events''; return 1; end'"),
}


@pytest.mark.parametrize("planted", PLANTED)
async def test_one_that_does_is_found(project: Project, planted: str) -> None:
    await project.operator.execute(
        f"create function music.planted() returns int {PLANTED[planted]}".encode()
    )
    assert list(await refused(project)) == ["music.planted()"]


async def test_text_that_is_put_together_and_executed_is_not_taken_for_harmless(
    project: Project,
) -> None:
    await project.operator.execute(
        b"create function music.planted() returns int language plpgsql as"
        b" 'begin execute ''delete from '' || ''music.events''; return 1; end'"
    )
    with pytest.raises(TypeError, match="cannot be read"):
        await refused(project)
