"""Whether a track that is inserted now would be made: it is tried, and taken back."""

from __future__ import annotations

import re
from typing import Any

from music_service.doctor.catalogue import Catalogue
from music_service.doctor.expected import CONSTRAINTS, FUNCTIONS, TABLE
from music_service.doctor.findings import Finding, ok, skipped, warning, wrong
from music_service.doctor.probe import Probe
from music_service.redact import plain

ASKED_ROWS = 1000
_FEWEST_ROWS = 100
_BUSY = ("55P03", "57014", "40P01", "40001")
_STEPS = {
    "settings": "the service cannot change its settings",
    "insert": "the service cannot insert it",
    "claim": "a worker cannot claim it",
    "intent": "a worker cannot write the intent of its paid call",
    "receipt": "a worker cannot store its receipt",
    "stage": "a worker cannot show its stage",
    "defer": "a worker cannot put it off",
    "fail": "a worker cannot end it in error",
    "complete": "a worker cannot complete it",
}
_ASKING_STEPS = {
    "insert": "A user of the app cannot ask for a track",
    "read": "A user of the app cannot see a track of their own",
    "cancel": "A user of the app cannot cancel a track of their own",
}
_FUNCTION = re.compile(r'function "?([\w.]+)')
_DENIED = re.compile(r"permission denied for (table|view|sequence|function|schema) (\w+)")
_RUN = "Run in the SQL editor: "


async def check_trial(
    probe: Probe, catalogue: Catalogue | None, *, is_sound: bool
) -> list[Finding]:
    """Have a track asked for and made, up to its completion.

    Args:
        probe: asks with the service's key.
        catalogue: None where it could not be read.
        is_sound: whether migrations, grants and settings leave a trial any chance.
    """
    if catalogue is None or not is_sound:
        return [skipped("trial", "No track was tried; first fix what the lines above say.")]
    user_id = await _some_user(probe)
    answer = await probe.call("try_music_track", {"p_user_id": user_id})
    if not answer.is_ok or not isinstance(answer.body, dict):
        return [_not_tried(answer.message)]
    failures = [
        finding
        for finding in (
            _made(answer.body["making"], catalogue, has_user=user_id is not None),
            _asked(answer.body["asking"], catalogue),
        )
        if finding is not None
    ]
    return failures or [ok("trial", "A track inserted now would be made; one was tried.")]


async def check_rows(probe: Probe) -> Finding:
    """Whether the API hands out whole answers: of a claim that is cut nobody would know."""
    answer = await probe.call("list_music_numbers", {"p_count": ASKED_ROWS})
    if not answer.is_ok or not isinstance(answer.body, list):
        return skipped("rows", "The API's limit of rows is not known; see migrations.")
    rows = len(answer.body)
    if rows < _FEWEST_ROWS:
        return wrong(
            "rows",
            f"The API cuts every answer at {rows} rows; a worker may not hear of all it claims.",
            f"Set Max rows to {ASKED_ROWS} in the dashboard (Integrations, Data API, Settings).",
        )
    return ok("rows", f"The API hands out {rows} rows at once.")


async def _some_user(probe: Probe) -> str | None:
    """Somebody to try it for: an owner of tracks, else the first user that there is."""
    owners = await probe.select(TABLE, "user_id", limit=1, where={"user_id": "not.is.null"})
    if owners.is_ok and isinstance(owners.body, list) and owners.body:
        return str(owners.body[0]["user_id"])
    users = await probe.first_user()
    found = users.body.get("users") if isinstance(users.body, dict) else None
    return str(found[0]["id"]) if users.is_ok and found else None


def _not_tried(why: str) -> Finding:
    return warning(
        "trial",
        f"Whether a track would be made could not be tried: {why.rstrip('.')}.",
        "Ask again when the database has less to do.",
    )


def _made(failure: Any, catalogue: Catalogue, *, has_user: bool) -> Finding | None:
    if failure is None:
        return None
    if failure["sqlstate"] in _BUSY:
        return _not_tried(_reason(failure))
    if failure["column"] == "user_id" and not has_user:
        return warning(
            "trial",
            f"Whether a track would be made could not be tried: {TABLE} demands an owner, and the "
            "project has no user yet.",
            "Sign up in the app, then ask the doctor again.",
        )
    step = _STEPS[failure["step"]]
    found = f"A track inserted now would not be made: {step}: {_reason(failure)}."
    return wrong("trial", found, _fix(failure, catalogue, "service_role"))


def _asked(failure: Any, catalogue: Catalogue) -> Finding | None:
    if failure is None:
        return None
    if failure["sqlstate"] in _BUSY:
        return _not_tried(_reason(failure))
    found = f"{_ASKING_STEPS[failure['step']]}: {_reason(failure)}."
    return wrong("trial", found, _fix(failure, catalogue, "authenticated"))


def _reason(failure: Any) -> str:
    return f"{plain(failure['message']).rstrip('.')} ({failure['sqlstate']})"


def _fix(failure: Any, catalogue: Catalogue, role: str) -> str:
    """What to do about a refusal: the grant that is missing, or whoever else refused."""
    denied = _DENIED.search(failure["message"])
    if denied is not None:
        return f"{_RUN}{_grant(denied[1], denied[2], role)}"
    for trigger in catalogue.triggers:
        if _spoke(str(trigger["function"]), failure["context"] or ""):
            return (
                f"Change the function {trigger['function']}, or run in the SQL editor: "
                f'alter table public.{TABLE} disable trigger "{trigger["name"]}";'
            )
    if failure["constraint"] in CONSTRAINTS:
        return (
            f"This rule is the service's own: look at triggers of public.{TABLE} that are the "
            "app's, and at statuses or columns that it changes."
        )
    if failure["constraint"]:
        name = f'"{failure["constraint"]}"'
        is_index = failure["sqlstate"] == "23505"  # with a constraint of its name, or without
        return (
            f"Make the rule allow what the service writes, or run in the SQL editor: "
            f"alter table public.{TABLE} drop constraint {'if exists ' if is_index else ''}{name};"
            + (f" drop index if exists public.{name};" if is_index else "")
        )
    if role == "authenticated":
        return f"Look at the policies of public.{TABLE}; those of the migrations let users do this."
    return f"Look at columns, rules and triggers of public.{TABLE} that are the app's own."


def _spoke(function: str, context: str) -> bool:
    """Whether a trigger's function of the app is among those that were at work."""
    if function.startswith("music."):
        return False
    at_work = {name.rpartition(".")[2] for name in _FUNCTION.findall(context)}
    return function.rpartition(".")[2] in at_work


def _grant(kind: str, name: str, role: str) -> str:
    if kind == "schema":
        return f"grant usage on schema {name} to {role};"
    schema = "public" if name == TABLE or name in FUNCTIONS else "music"
    if kind == "function":
        return f"grant execute on function {schema}.{name} to {role};"
    rights = "select, insert, update" + (", delete" if role == "service_role" else "")
    return f"grant {rights} on {schema}.{name} to {role};"
