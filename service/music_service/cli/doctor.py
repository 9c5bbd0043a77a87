"""`music-service doctor`: what keeps the service from working, and how to fix it."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from music_service.cli.arguments import Json
from music_service.cli.output import ExitCode, answer, answer_json, say
from music_service.cli.signals import run_async
from music_service.doctor.checkup import Given, checkup
from music_service.doctor.findings import Finding, Verdict, is_well
from music_service.doctor.mureka import Mureka
from music_service.settings import GivenSettings, Settings


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
        answer_json(finding.to_json()) if json else answer(described(finding))
    if not json:
        say(summary(findings))
    return findings


def described(finding: Finding) -> str:
    """A finding as a line."""
    line = f"{finding.verdict.upper()} {finding.check}: {finding.found}"
    return f"{line} → {finding.fix}" if finding.fix else line


def summary(findings: list[Finding]) -> str:
    """All of it in one sentence."""
    counts = {
        verdict: sum(finding.verdict is verdict for finding in findings) for verdict in Verdict
    }
    wrong, warnings = counts[Verdict.WRONG], counts[Verdict.WARNING]
    if wrong:
        return f"{wrong} {'thing is' if wrong == 1 else 'things are'} wrong."
    if warnings:
        return f"Nothing is wrong; {warnings} {'warning' if warnings == 1 else 'warnings'}."
    return "All is well."
