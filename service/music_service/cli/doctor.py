"""`music-service doctor`: what keeps the service from working, and how to fix it."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from music_service.cli.arguments import Json
from music_service.cli.output import ExitCode, answer_json, printable, say
from music_service.cli.signals import run_async
from music_service.doctor.checkup import Given, checkup
from music_service.doctor.findings import Finding, Verdict, is_well
from music_service.doctor.mureka import Mureka
from music_service.settings import GivenSettings, Settings

_CHECK_COLUMNS = 11  # the longest names: publication, concurrency
_LEAST_COLUMNS = 30
_STYLES: Mapping[Verdict, Mapping[str, Any]] = {
    Verdict.OK: {"fg": typer.colors.GREEN},
    Verdict.NOTE: {"fg": typer.colors.CYAN},
    Verdict.WARNING: {"fg": typer.colors.YELLOW},
    Verdict.WRONG: {"fg": typer.colors.RED, "bold": True},
    Verdict.SKIPPED: {"dim": True},
}


def doctor(
    *,
    skip_mureka: Annotated[
        bool, typer.Option("--skip-mureka", help="Do not ask Mureka anything.")
    ] = False,
    json: Json = False,
) -> None:
    """Check the project, its parts and the Mureka account; exit 1 if anything is wrong.

    Nothing is spent, no worker is woken, and what is written for a trial is deleted.
    """
    # What the Realtime client would log, the doctor says in a sentence.
    logging.getLogger("realtime").setLevel(logging.CRITICAL)
    given = _given(skip_mureka=skip_mureka)
    findings = run_async(_doctor(given, json=json))
    raise typer.Exit(ExitCode.OK if is_well(findings) else ExitCode.FAILED)


def _given(*, skip_mureka: bool) -> Given:
    settings = GivenSettings.load()
    mureka = Mureka(
        settings.mureka_api_key.get_secret_value().strip(),
        settings.mureka_api_url.strip().rstrip("/"),
        settings.mureka_model,
    )
    problems = Settings.problems()
    if skip_mureka:
        problems = {name: text for name, text in problems.items() if "MUREKA" not in name}
    return Given(
        url=settings.supabase_url,
        key=settings.supabase_secret_key.get_secret_value().strip(),
        bucket=settings.music_bucket,
        bucket_public=settings.music_bucket_public,
        mureka=None if skip_mureka else mureka,
        problems=problems,
    )


async def _doctor(given: Given, *, json: bool) -> list[Finding]:
    findings: list[Finding] = []
    async for finding in checkup(given):
        findings.append(finding)
        answer_json(finding.to_json()) if json else _answer(finding)
    if not json:
        say(summary(findings))
    return findings


def _answer(finding: Finding) -> None:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    color = False if os.environ.get("NO_COLOR") else None
    for line in described(finding, width):
        typer.echo(line, color=color)
    sys.stdout.flush()


def described(finding: Finding, width: int | None = None) -> list[str]:
    """A finding in columns: verdict, check, and what was found with the fix behind an arrow.

    Args:
        finding: what to describe.
        width: of the terminal, which what was found and the fix then share line by line; None
            for one line, so that programs find all of it there.
    """
    verdict = typer.style(f"{finding.verdict.upper():<8}", **_STYLES[finding.verdict])
    head = f"{verdict} {finding.check:<{_CHECK_COLUMNS}} "
    found, fix = printable(finding.found), printable(finding.fix or "")
    if width is None:
        return [f"{head}{found} → {fix}" if fix else f"{head}{found}"]
    indent = 8 + 1 + _CHECK_COLUMNS + 1
    room = max(width - indent, _LEAST_COLUMNS)
    lines = _wrapped(found, room) + _wrapped(f"→ {fix}" if fix else "", room, hanging="  ")
    return [f"{head}{lines[0]}", *(" " * indent + line for line in lines[1:])]


def _wrapped(text: str, room: int, *, hanging: str = "") -> list[str]:
    """Lines that break between words alone, so that what is pasted from them still works."""
    return textwrap.wrap(
        text,
        room,
        subsequent_indent=hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )


def summary(findings: list[Finding]) -> str:
    """All of it in one sentence, with how many there are of what."""
    counts = Counter(finding.verdict for finding in findings)
    well = counts[Verdict.OK] + counts[Verdict.NOTE]
    others = [
        _counted(counts[verdict], word)
        for verdict, word in (
            (Verdict.WRONG, "problem"),
            (Verdict.WARNING, "warning"),
            (Verdict.SKIPPED, "check skipped"),
            (Verdict.NOTE, "note"),
        )
        if counts[verdict]
    ]
    if well == len(findings):
        notes = f", {others[0]}" if others else ""
        return f"All is well: {_counted(len(findings), 'check')}{notes}."
    if not counts[Verdict.WRONG]:
        others.insert(0, "no problem")
    said = ", ".join(others)
    return f"{said[0].upper()}{said[1:]}; {well} of {_counted(len(findings), 'check')} are well."


def _counted(number: int, word: str) -> str:
    first, _, rest = word.partition(" ")
    return " ".join(filter(None, (str(number), first if number == 1 else f"{first}s", rest)))
