"""What the doctor says: what was checked, how it is, and how to fix it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """How one thing is; only `wrong` keeps the service from working as it should."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    WRONG = "wrong"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: `check` names what was checked, `found` and `fix` are sentences."""

    check: str
    verdict: Verdict
    found: str
    fix: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The form for scripts: `check`, `verdict`, `found`, `fix`."""
        return asdict(self)


def ok(check: str, found: str) -> Finding:
    """It is as it should be."""
    return Finding(check, Verdict.OK, found)


def note(check: str, found: str) -> Finding:
    """It is as the app may well want it, and worth knowing."""
    return Finding(check, Verdict.NOTE, found)


def warning(check: str, found: str, fix: str) -> Finding:
    """The service works, though not as well as it could."""
    return Finding(check, Verdict.WARNING, found, fix)


def wrong(check: str, found: str, fix: str) -> Finding:
    """The service does not work until this is fixed."""
    return Finding(check, Verdict.WRONG, found, fix)


def skipped(check: str, found: str) -> Finding:
    """It could not be checked, for a reason that another finding names."""
    return Finding(check, Verdict.SKIPPED, found)


def is_well(findings: list[Finding]) -> bool:
    """Whether nothing is wrong."""
    return all(finding.verdict is not Verdict.WRONG for finding in findings)
