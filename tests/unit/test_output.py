"""What the command line prints: one line, faithful, and never a command to the terminal."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from music_service.cli.output import answer, answer_json, complain, printable, say
from music_service.redact import keep_secret


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("calm piano", "calm piano"),
        ("Klavier, leise 🎹 静か", "Klavier, leise 🎹 静か"),
        ("two\nlines\r\nand\ta tab", "two lines and a tab"),
        ("\x1b[31mred\x1b[0m", " [31mred [0m"),
        ("\x1b]0;title\x07", " ]0;title "),
        ("\x9b2J", " 2J"),
        ("back\b\b\x7f", "back   "),
        ("evil\u202egnp.exe", "evil gnp.exe"),
    ],
)
def test_what_users_wrote_cannot_steer_the_terminal(written: str, printed: str) -> None:
    assert printable(written) == printed


@given(st.text())
def test_no_control_character_is_ever_printed(text: str) -> None:
    categories = {unicodedata.category(character) for character in printable(text)}
    assert not categories & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def test_no_key_of_ours_is_printed_whoever_wrote_it_down(
    capsys: pytest.CaptureFixture[str],
) -> None:
    keep_secret("a-key-4711-of-ours")
    for show in (complain, say, answer):
        show("see a-key-4711-of-ours")
    answer_json({"reason": "a-key-4711-of-ours"})
    shown = capsys.readouterr()
    assert "4711" not in shown.out + shown.err
    assert (shown.out + shown.err).count("(a key)") == 4


def test_results_go_to_stdout_alone(capsys: pytest.CaptureFixture[str]) -> None:
    answer("the\nresult")
    assert capsys.readouterr() == ("the result\n", "")


def test_a_line_for_a_person_is_not_read_as_markup(capsys: pytest.CaptureFixture[str]) -> None:
    say("[bold]as written[/bold]")
    assert capsys.readouterr() == ("", "[bold]as written[/bold]\n")


def test_a_complaint_is_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    complain("it\x1b[2J\nfailed " + "at length " * 30)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: it [2J failed at length")
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize(
    "prompt",
    [
        "two  spaces",
        "no-break\u00a0space",
        "👩‍🚀 joined",
        "two\nlines",
        "\x1b[31m\x9b\x7f",
        'a "b"',
    ],
)
def test_scripts_get_back_exactly_what_was_written(
    capsys: pytest.CaptureFixture[str], prompt: str
) -> None:
    answer_json({"prompt": prompt})
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"prompt": prompt}
    assert printed.removesuffix("\n").isprintable()
