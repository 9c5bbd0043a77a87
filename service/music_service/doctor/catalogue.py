"""What the database says of itself in one answer: policies, grants, triggers, strangers' reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from music_service.doctor.probe import Probe


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy of row-level security; `using` and `check` are its conditions in SQL."""

    table: str
    name: str
    permissive: bool
    command: str
    roles: tuple[str, ...]
    using: str | None
    check: str | None

    @property
    def is_for_app_users(self) -> bool:
        """Whether it gives users of the app anything, signed in or not."""
        return self.permissive and not {"public", "anon", "authenticated"}.isdisjoint(self.roles)

    @property
    def is_unconditional(self) -> bool:
        """Whether it holds for every row."""
        return "true" in (self.using, self.check)

    @property
    def drop(self) -> str:
        """The statement that takes it away."""
        return f'drop policy "{self.name}" on {self.table};'


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The answer of `check_music_project`, whose comments say what each part is."""

    unguarded: tuple[str, ...]
    policies: tuple[Policy, ...]
    grants: tuple[Mapping[str, str], ...]
    executable: tuple[Mapping[str, str], ...]
    triggers: tuple[Mapping[str, Any], ...]
    reached: tuple[Mapping[str, str], ...]
    trial_row: Mapping[str, Any]
    is_published: bool


async def read_catalogue(probe: Probe, bucket: str) -> Catalogue | None:
    """Ask the database; None where it does not answer as it should."""
    answer = await probe.call("check_music_project", {"p_bucket": bucket})
    if not answer.is_ok or not isinstance(answer.body, dict):
        return None
    body = answer.body
    return Catalogue(
        unguarded=tuple(body["unguarded"]),
        policies=tuple(Policy(**p | {"roles": tuple(p["roles"])}) for p in body["policies"]),
        grants=tuple(body["grants"]),
        executable=tuple(body["executable"]),
        triggers=tuple(body["triggers"]),
        reached=tuple(body["reached"]),
        trial_row=body["trial_row"],
        is_published=body["is_published"],
    )
