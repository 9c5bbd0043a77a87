"""What every part of the gateway is built from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from local_supabase.database import Database
from local_supabase.faults import Faults
from local_supabase.keys import Keys
from local_supabase.times import Times


@dataclass(frozen=True, slots=True)
class Context:
    """The shared parts of one running stack.

    Args:
        database: administrator connections to Postgres.
        keys: the project's API keys and token secret.
        data_dir: where the stack keeps its files.
        public_url: the gateway's own URL as clients see it, without a trailing slash.
        postgrest_url: where PostgREST listens.
        times: how long the parts take and wait.
        faults: what tests want to go wrong.
    """

    database: Database
    keys: Keys
    data_dir: Path
    public_url: str
    postgrest_url: str
    times: Times = field(default_factory=Times)
    faults: Faults = field(default_factory=Faults)
