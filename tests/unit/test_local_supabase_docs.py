"""The page of the stand-in, compared with its faults, its times and what it leaves out."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any, get_args

from local_supabase.faults import RealtimeFaults, RequestFaults, SimulatorFaults, UploadFaults
from local_supabase.faults.simulator import Place
from local_supabase.storage.api import NOT_SERVED
from local_supabase.times import Times
from tests.support.project import ROOT

PAGE = (ROOT / "docs" / "local-supabase.md").read_text()
# What is no fault: it ends them, tells of them, or is for the part that has them.
NO_FAULTS = {"is_lost", "clear", "left", "all_met", "around", "meet", "add", "dropping_by"}


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def faults_of(kind: type) -> set[str]:
    names = set(vars(kind)) | set(vars(kind()))
    return {name for name in names if not name.startswith("_")} - NO_FAULTS


def test_every_fault_has_its_row() -> None:
    rows = re.findall(r"^\| `(\w+)\.(\w+)` \|", section("Faults"), re.MULTILINE)
    kinds = {
        "gateway": RequestFaults,
        "storage": UploadFaults,
        "realtime": RealtimeFaults,
        "simulator": SimulatorFaults,
    }
    assert sorted(rows) == sorted(
        (place, name) for place, kind in kinds.items() for name in faults_of(kind)
    )


def test_every_kind_of_call_that_the_simulator_may_spoil_has_its_row() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .* \| .* \|$", section("The Mureka simulator"), re.MULTILINE)
    assert tuple(rows) == ("on", *get_args(Place))


def test_every_time_is_told_with_its_seconds() -> None:
    rows = re.findall(r"^\| (`.*`) \| (.*?) \|", section("Times"), re.MULTILINE)
    told = {
        name: seconds
        for names, values in rows
        for name, seconds in zip(re.findall(r"`(\w+)`", names), values.split(", "), strict=True)
    }
    assert told == {field.name: shown(field.default) for field in fields(Times)}


def shown(seconds: Any) -> str:
    if isinstance(seconds, tuple):
        return "\u2013".join(f"{end:g}" for end in seconds)
    return f"{seconds:g}"


def test_what_storage_leaves_out_is_listed() -> None:
    listed = re.findall(r"^- (.*)$", section("What it serves"), re.MULTILINE)
    assert listed == list(dict.fromkeys(what for _, _, what in NOT_SERVED))
