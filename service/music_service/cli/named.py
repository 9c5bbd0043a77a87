"""Which variables lead `dev` to a project or a Mureka of one's own, and how to be rid of them.

A shell in which the variables of an earlier stack are still set names a project, too.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

PROJECT = (
    "SUPABASE_URL",
    "SUPABASE_SECRET_KEYS",
    "SUPABASE_SECRET_KEY",
    "SUPABASE_SERVICE_ROLE_KEY",
)
MUREKA = ("MUREKA_API_KEY", "MUREKA_API_URL")


def where_named(names: Sequence[str]) -> str:
    """Where the first of the variables is set."""
    return f"{names[0]} in {'this shell' if _in_shell(names[:1]) else '.env'}"


def way_out(names: Sequence[str], instead: str) -> str:
    """What to do to get something else instead."""
    found = _in_shell(names)
    if not found:
        return f"take what begins with {names[0].partition('_')[0]}_ out of .env {instead}"
    return f"`unset {' '.join(found)}` {instead}"


def _in_shell(names: Sequence[str]) -> list[str]:
    return [name for name in names if os.environ.get(name)]
