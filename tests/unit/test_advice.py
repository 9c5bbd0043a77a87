"""What `review` proposes: commands that exist, with arguments that they take."""

from __future__ import annotations

from typing import Any

import pytest

from music_service.cli.advice import advice
from music_service.cli.commands import COMMANDS, LazyCommand
from music_service.errors import ErrorCode

ID = "0b0e7f5e-4f0a-4d3c-9d4e-2f6f7e1f9a11"
OF_THE_QUEUE = ("queue_paused", "no_worker", "over_budget", "quota_exhausted", "worker_lost")


def a_row(what: str, *, is_free: bool | None = False) -> dict[str, Any]:
    return {"what": what, "is_free": is_free, "what_to_do": "Do something about it."}


@pytest.mark.parametrize("what", [code for code in ErrorCode if code != ErrorCode.CANCELLED])
@pytest.mark.parametrize("ids", [[ID], [ID, ID]], ids=["one", "many"])
def test_every_command_that_is_proposed_is_one_that_can_be_typed(what: str, ids: list[str]) -> None:
    proposed = [step.command for step in advice(a_row(what), ids) if step.command]
    assert any(command.startswith("dismiss ") for command in proposed)
    for command in proposed:
        name, *arguments = command.split()
        assert name in COMMANDS
        context = LazyCommand(name).load().make_context(name, arguments)
        assert context.info_name == name  # what it does not take, it has refused by now


@pytest.mark.parametrize("what", OF_THE_QUEUE)
def test_what_concerns_the_whole_queue_has_something_to_do(what: str) -> None:
    steps = advice(a_row(what, is_free=None), [])
    assert all(step.words for step in steps)
    assert {step.command for step in steps} <= {None, "resume", "run"}


def test_a_price_is_said_where_a_retry_has_one() -> None:
    [free, *_] = advice(a_row("internal", is_free=True), [ID])
    [paid, *_] = advice(a_row("internal"), [ID])
    assert (free.words, paid.words) == ("Retry it, which is free:", "Retry it, which pays again:")


def test_what_no_command_changes_is_said_in_the_words_of_the_view() -> None:
    for what, ids in (("rejected", [ID]), ("worker_blocked", [])):
        [step] = advice(a_row(what), ids)
        assert (step.words, step.command) == ("Do something about it.", None)
