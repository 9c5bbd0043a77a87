"""A text of white space alone says nothing, whatever the white space and the database's locale."""

from __future__ import annotations

import sys

import psycopg
import pytest

from tests.support.database import Project

WHITE = "".join(c for c in map(chr, range(sys.maxunicode + 1)) if c.isspace())
WORD = f"{WHITE}日{WHITE}"


async def test_a_prompt_of_white_space_alone_is_refused_with_a_sentence(project: Project) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="The prompt is empty"):
        await project.new_track(prompt=WHITE)
    track_id = await project.new_track(prompt=WORD)
    with pytest.raises(psycopg.errors.CheckViolation, match="The prompt is empty"):
        await project.sql(
            "update public.music_tracks set prompt = %s where id = %s", WHITE, track_id
        )


async def test_a_title_of_white_space_alone_is_refused_with_a_sentence(project: Project) -> None:
    user = await project.new_user()
    with pytest.raises(psycopg.Error, match="The title of the book is empty") as refusal:
        await project.as_user(user, "select public.create_journey(%s)", WHITE)
    assert refusal.value.sqlstate == "MU006"
    await project.as_user(user, "select public.create_journey(%s)", WORD)


@pytest.mark.parametrize(
    ("table", "column", "rule"),
    [
        ("music_tracks", "prompt", "music_tracks_prompt_length"),
        ("journeys", "book_title", "journeys_book_title_length"),
    ],
)
async def test_the_tables_refuse_white_space_by_themselves_too(
    project: Project, table: str, column: str, rule: str
) -> None:
    await project.sql(f"alter table public.{table} disable trigger user")
    insert = f"insert into public.{table} ({column}) values (%s)"
    await project.sql(insert, WORD)
    with pytest.raises(psycopg.errors.CheckViolation, match=rule):
        await project.sql(insert, WHITE)


async def test_emotions_keep_no_white_space_but_single_spaces(project: Project) -> None:
    user = await project.new_user()
    [row] = await project.as_user(
        user,
        "select public.create_journey('Emma', null, %s) as made",
        [WHITE, f"quiet{WHITE}joy"],
    )
    assert row["made"]["log"]["emotions"] == ["quiet joy"]
