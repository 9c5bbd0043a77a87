"""Which versions of worker and database fit together.

Both sides say what they get along with: a worker names the oldest schema that it works with, and a
database the oldest worker. So each can be made newer on its own, the database first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from music_service.errors import ContractError

# The schema that this version's migrations make; the last of them states the same number.
MADE_FOR = 2
OLDEST_SCHEMA = 2

UPDATE_DATABASE = "run music-service init in your app's folder, and apply what it copies as it says"
UPDATE_WORKER = "install the version of music-service that the migrations are from"


@dataclass(frozen=True, slots=True)
class SchemaVersion:
    """What a database says of itself; `oldest_worker` counts in versions of the schema, too."""

    version: int
    oldest_worker: int

    @classmethod
    def read(cls, rows: Any) -> SchemaVersion:
        """From the answer of `music_schema_version`; raises ContractError if it is none."""
        try:
            [row] = rows
            return cls(int(row["version"]), int(row["oldest_worker"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ContractError("music_schema_version did not answer a version.") from error

    @property
    def misfit(self) -> tuple[str, str] | None:
        """Why this worker cannot work with the database, and what to do; None where it can."""
        if self.version < OLDEST_SCHEMA:
            return f"{self._here}; this worker needs {OLDEST_SCHEMA} or newer", UPDATE_DATABASE
        if self.oldest_worker > MADE_FOR:
            return f"{self._here}, which this worker (made for {MADE_FOR}) is too old for", (
                UPDATE_WORKER
            )
        return None

    @property
    def difference(self) -> tuple[str, str] | None:
        """How the two differ though they work together, and what to do; None where they do not."""
        if self.version < MADE_FOR:
            return f"{self._here}; this worker is made for {MADE_FOR}", UPDATE_DATABASE
        if self.version > MADE_FOR:
            return f"{self._here}; this worker is made for {MADE_FOR}", UPDATE_WORKER
        return None

    @property
    def _here(self) -> str:
        return f"The database has version {self.version} of the schema"
