"""Whether users of the app reach their own tracks and nothing else."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from music_service.doctor.catalogue import Catalogue, Policy
from music_service.doctor.expected import FUNCTIONS, TABLE, TRIGGERS
from music_service.doctor.findings import Finding, note, ok, skipped, wrong
from music_service.doctor.schema import APPLY

_TRACKS = f"public.{TABLE}"
_RUN = "Run in the SQL editor: "
_DOES = {
    "select": "read",
    "insert": "insert",
    "update": "change",
    "delete": "delete",
    "all": "read and change",
}


@dataclass(frozen=True, slots=True)
class _Reach:
    """What a trial reached: the table and the command by which, and what that means."""

    table: str
    command: str
    means: str


_REACHES = {
    "insert": _Reach(_TRACKS, "insert", "ask for tracks that belong to nobody and are paid for"),
    "select": _Reach(_TRACKS, "select", "read everybody's tracks"),
    "update": _Reach(_TRACKS, "update", "change other users' tracks"),
    "delete": _Reach(_TRACKS, "delete", "delete other users' tracks"),
    "settings": _Reach("music.settings", "update", "change pause, limits and budgets"),
    "hear": _Reach("realtime.messages", "select", "hear what workers are told"),
    "overhear": _Reach("realtime.messages", "select", "hear of other users' tracks"),
    "broadcast": _Reach("realtime.messages", "insert", "broadcast to workers and other users"),
    "upload": _Reach("storage.objects", "insert", "put files into the bucket"),
}


def check_access(catalogue: Catalogue | None, bucket: str, *, public: bool) -> list[Finding]:
    """Whether strangers are kept out; each way in is a finding with the SQL that closes it.

    Args:
        catalogue: None where it could not be read.
        bucket: the bucket's name.
        public: what the settings say of it.
    """
    if catalogue is None:
        return [skipped("access", "The database does not say who may do what; see migrations.")]
    found = [
        *_unguarded(catalogue),
        *_unconditional(catalogue),
        *_reached(catalogue),
        *_functions(catalogue),
        *_grants(catalogue),
        *_own_audio(catalogue, bucket, public=public),
    ]
    return found or [ok("access", "Users of the app reach their own tracks and nothing else.")]


def check_triggers(catalogue: Catalogue | None) -> list[Finding]:
    """Whether each trigger of `music_tracks` is there and works."""
    if catalogue is None:
        return [skipped("triggers", "The database does not say which it has; see migrations.")]
    known = {str(each["name"]): each for each in catalogue.triggers}
    missing = [name for name in TRIGGERS if name not in known]
    found = [
        wrong(
            "triggers",
            f"The trigger {name} of {_TRACKS} is switched off.",
            f"{_RUN}alter table {_TRACKS} enable trigger {name};",
        )
        for name in TRIGGERS
        if name in known and not known[name]["enabled"]
    ]
    if missing:
        found.append(wrong("triggers", f"Not there: {', '.join(missing)}.", APPLY))
    return found or [ok("triggers", f"All {len(TRIGGERS)} triggers of {_TRACKS} work.")]


def _unguarded(catalogue: Catalogue) -> list[Finding]:
    return [
        wrong(
            "access",
            f"Row-level security is switched off on {table}: no policy holds there.",
            f"{_RUN}alter table {table} enable row level security;",
        )
        for table in catalogue.unguarded
    ]


def _unconditional(catalogue: Catalogue) -> list[Finding]:
    return [_judged(policy) for policy in _open_policies(catalogue)]


def _open_policies(catalogue: Catalogue) -> list[Policy]:
    """Policies of the service's tables that hold for every row."""
    return [
        policy
        for policy in catalogue.policies
        if policy.is_for_app_users
        and policy.is_unconditional
        and policy.table.startswith(("public.", "music."))
    ]


def _judged(policy: Policy) -> Finding:
    who = _who(set(policy.roles))
    found = f'{who} may {_DOES[policy.command]} any row of {policy.table} (policy "{policy.name}").'
    if policy.command == "select" and policy.table.startswith("public."):
        return note("access", found)  # a gallery, perhaps
    return wrong("access", found, f"{_RUN}{policy.drop}")


def _reached(catalogue: Catalogue) -> list[Finding]:
    """What was tried and worked, unless a finding above says why."""
    named = {(policy.table, policy.command) for policy in _open_policies(catalogue)}
    roles: dict[tuple[str, str], set[str]] = defaultdict(set)
    means: dict[tuple[str, str], list[str]] = defaultdict(list)
    for each in catalogue.reached:
        reach = _REACHES[each["what"]]
        way = reach.table, reach.command
        if reach.table in catalogue.unguarded or named & {way, (reach.table, "all")}:
            continue
        roles[way].add(each["role"])
        if reach.means not in means[way]:
            means[way].append(reach.means)
    return [_open(catalogue, way, roles[way], " and ".join(means[way])) for way in means]


def _open(catalogue: Catalogue, way: tuple[str, str], roles: set[str], means: str) -> Finding:
    table, command = way
    opening = [
        policy
        for policy in catalogue.policies
        if policy.table == table
        and policy.command in (command, "all")
        and policy.is_for_app_users
        and not policy.name.startswith(("Users ", "Readers "))
    ]
    names = ", ".join(f'"{policy.name}"' for policy in opening)
    found = f"{_who(roles)} can {means}{f' (policy {names})' if names else ''}."
    if way == (_TRACKS, "select"):
        return note("access", found)
    drops = " ".join(policy.drop for policy in opening)
    fix = f"Tie the policy to auth.uid(), or run in the SQL editor: {drops}"
    return wrong("access", found, fix if drops else f"Look at policies and grants of {table}.")


def _functions(catalogue: Catalogue) -> list[Finding]:
    signatures: dict[str, set[str]] = defaultdict(set)
    for each in catalogue.executable:
        if each["name"] in FUNCTIONS:
            signatures[each["signature"]].add(each["role"])
    return [
        wrong(
            "access",
            f"{_who(roles)} may execute {signature.partition('(')[0].removeprefix('public.')}, "
            "which is for workers and operators.",
            f"{_RUN}revoke execute on function {signature} from public, anon, authenticated;",
        )
        for signature, roles in signatures.items()
    ]


def _grants(catalogue: Catalogue) -> list[Finding]:
    tables: dict[str, set[str]] = defaultdict(set)
    for each in catalogue.grants:
        tables[each["table"]].add(each["role"])
    return [
        wrong(
            "access",
            f"{_who(roles)} may use {table}, which is for the service alone.",
            f"{_RUN}revoke all on {table} from public, anon, authenticated;",
        )
        for table, roles in tables.items()
    ]


def _own_audio(catalogue: Catalogue, bucket: str, *, public: bool) -> list[Finding]:
    """Whether owners may read the audio in the bucket, where a URL alone does not do."""
    named = f"'{bucket}'"
    if any(
        policy.table == "storage.objects"
        and policy.command in ("select", "all")
        and (named in (policy.using or "") or "bucket_id" not in (policy.using or ""))
        for policy in catalogue.policies
    ):
        return []
    found = f'No policy of storage.objects lets users read their own files in "{bucket}"'
    if public:
        return [note("access", f"{found}; they have file_url.")]
    fix = (
        f'{_RUN}create policy "Users read their own music in {bucket}" on storage.objects '
        f"for select to authenticated using (bucket_id = {named} "
        "and (storage.foldername(name))[1] = (select auth.uid())::text);"
    )
    return [wrong("access", f"{found}, so nobody can sign storage_path.", fix)]


def _who(roles: set[str]) -> str:
    if roles & {"public", "anon"}:
        return "Anybody with the public key"
    return "Every signed-in user"
