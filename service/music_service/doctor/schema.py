"""Whether the migrations are applied, and whether the service may use what they make."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass

from music_service.doctor.expected import FUNCTIONS, RELATIONS, TABLE, TABLES, TRACK_RIGHTS, samples
from music_service.doctor.findings import Finding, ok, wrong
from music_service.doctor.probe import (
    NO_COLUMN,
    NO_FUNCTION,
    NO_TABLE,
    NOT_ALLOWED,
    Answer,
    Call,
    Probe,
    functions_in,
)

APPLY = (
    'Apply the migrations ("music-service init" copies them and says how). If all are applied '
    "already, run "
    "\"notify pgrst, 'reload schema';\" in the SQL editor, and if it is still missing then, "
    "run the statement of the migration that creates it."
)
_DENIED = re.compile(r"permission denied for (?:materialized )?(\w+) (\w+)")
_NAMED_AT_ONCE = 5


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that is not as the service needs it; `grant` fixes it where a right is missing."""

    what: str
    grant: str | None = None
    is_old: bool = False


async def check_schema(probe: Probe, description: Answer) -> list[Finding]:
    """Look for every function, table, column and view, and for the rights to them.

    Args:
        probe: asks with the service's key.
        description: the API's own description, which spares most of the questions.
    """
    known = functions_in(description)
    asked = [
        *(_function(probe, name, known) for name in FUNCTIONS),
        *(_relation(probe, name, columns) for name, columns in RELATIONS.items()),
    ]
    lacks = [lack for lack in await asyncio.gather(*asked) if lack is not None]
    if not any(lack.what.startswith("table ") for lack in lacks):
        rights = [_right(probe, verb) for verb in TRACK_RIGHTS]
        rights.append(_inside(probe))
        lacks += [lack for lack in await asyncio.gather(*rights) if lack is not None]
    return [_migrations(lacks), *_grants(lacks)]


def _migrations(lacks: list[Lack]) -> Finding:
    missing = [lack.what for lack in lacks if lack.grant is None and not lack.is_old]
    old = [lack.what for lack in lacks if lack.is_old]
    total = len(FUNCTIONS) + len(RELATIONS)
    if not missing and not old:
        return ok("migrations", f"All {total} functions, tables and views are there.")
    parts = []
    if missing:
        parts.append(f"Not there: {_listed(missing)}.")
    if old:
        parts.append(f"Of another version of the service: {_listed(old)}.")
    return wrong("migrations", " ".join(parts), APPLY)


def _grants(lacks: list[Lack]) -> list[Finding]:
    refused: dict[str, str] = {}
    for lack in lacks:
        if lack.grant is not None:
            refused.setdefault(lack.grant, lack.what)
    if not refused:
        return [ok("grants", "service_role may use all of them.")]
    return [
        wrong("grants", f"service_role may not {what}.", f"Run in the SQL editor: {grant};")
        for grant, what in refused.items()
    ]


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:_NAMED_AT_ONCE])
    rest = len(names) - _NAMED_AT_ONCE
    return f"{shown} and {rest} more" if rest > 0 else shown


async def _function(probe: Probe, name: str, known: Mapping[str, Call]) -> Lack | None:
    needed = FUNCTIONS[name].keys()
    call = known.get(name)
    if call is not None and call.required <= needed <= call.parameters:
        return None
    answer = await probe.call_read_only(name, samples(name))
    if answer.code in NO_FUNCTION:
        is_old = call is not None or f"public.{name}(" in answer.hint
        return Lack(f"function {name}", is_old=is_old)
    return _refused(answer, f"execute {name}")


async def _relation(probe: Probe, name: str, columns: str) -> Lack | None:
    answer = await probe.select(name, columns)
    if answer.code in NO_TABLE:
        return Lack(f"{'table' if name in TABLES else 'view'} {name}")
    if answer.code in NO_COLUMN:
        return Lack(answer.message.removesuffix(" does not exist"))
    return _refused(answer, f"read {name}")


async def _right(probe: Probe, verb: str) -> Lack | None:
    match verb:
        case "insert":
            answer = await probe.insert_nothing(TABLE)
        case "update":
            answer = await probe.update_nothing(TABLE, {"priority": 0})
        case _:
            answer = await probe.delete_nothing(TABLE)
    return _refused(answer, f"{verb} rows of {TABLE}", verb)


async def _inside(probe: Probe) -> Lack | None:
    """The rights that a worker function uses on its way, by one that finds nothing to do."""
    name = "renew_music_claims"
    answer = await probe.call(name, {"p_worker_id": "", "p_claim_ids": [], "p_lease_seconds": 1})
    return _refused(answer, f"do what {name} does ({answer.message})", "select, update")


def _refused(answer: Answer, what: str, verb: str = "select") -> Lack | None:
    """What is lacking according to a refusal; None for every other answer."""
    if answer.code not in NOT_ALLOWED:
        return None
    denied = _DENIED.search(answer.message)
    if denied is None:
        return Lack(what, APPLY.rstrip("."))
    kind, name = denied.groups()
    if kind == "schema":
        return Lack(what, f"grant usage on schema {name} to service_role")
    schema = "public" if name in FUNCTIONS or name in RELATIONS else "music"
    if kind == "function":
        return Lack(what, f"grant execute on function {schema}.{name} to service_role")
    verb = verb if schema == "music" or name == TABLE else "select"
    return Lack(what, f"grant {verb} on {schema}.{name} to service_role")
