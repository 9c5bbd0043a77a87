"""What the state machine test needs of a database: lasting sessions of each role, and one look."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import DictRow, dict_row

APP_USERS = ["00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"]
REFUSED_EDITS = {"MU001", "MU003"}
OPEN_STATES = {"intent", "accepted", "unknown"}


@dataclass(frozen=True)
class Track:
    """A row of `music_tracks`."""

    id: UUID
    status: str
    row: DictRow


@dataclass(frozen=True)
class State:
    """All tracks, claims and generations at one moment; generations of deleted tracks included."""

    tracks: dict[UUID, Track] = field(default_factory=dict)
    claims: dict[UUID, DictRow] = field(default_factory=dict)
    generations: dict[UUID, DictRow] = field(default_factory=dict)

    @property
    def leased(self) -> set[UUID]:
        """The claims whose lease has not run out."""
        return {key for key, claim in self.claims.items() if claim["is_leased"]}

    @property
    def busy(self) -> set[UUID]:
        """The tracks that a worker holds."""
        return {claim["track_id"] for claim in self.claims.values() if claim["is_leased"]}

    @property
    def waiting_for_tomorrow(self) -> set[UUID]:
        """The tracks that today's budget has no room for."""
        now = datetime.now(UTC)
        return {
            key
            for key, track in self.tracks.items()
            if track.status == "pending"
            and track.row["error_code"] == "over_budget"
            and track.row["run_after"] > now
        }

    def open_generation(self, track_id: UUID) -> DictRow | None:
        """The paid call of a track that may still yield music."""
        return next(
            (
                generation
                for generation in self.generations.values()
                if generation["track_id"] == track_id and generation["state"] in OPEN_STATES
            ),
            None,
        )

    def changed_tracks(self, later: State) -> set[UUID]:
        """The tracks that came, went or changed until `later`."""
        return {
            key
            for key in self.tracks.keys() | later.tracks.keys()
            if self.tracks.get(key) != later.tracks.get(key)
        }


class Database:
    """One database with a session of the operator, the service, each user and the superuser."""

    def __init__(self, operator: str, superuser: str) -> None:
        self._operator = open_session(operator)
        self._superuser = open_session(superuser)
        self._superuser.execute("set session_replication_role = replica")
        self._service = open_session(operator, role="service_role")
        self._users = {
            user: open_session(operator, role="authenticated", sub=user) for user in APP_USERS
        }

    def close(self) -> None:
        """Close every session."""
        for session in [self._operator, self._superuser, self._service, *self._users.values()]:
            session.close()

    def empty(self, settings: dict[str, Any]) -> None:
        """Begin again: no track, two users, these settings."""
        self._superuser.execute(
            b"delete from music.events; delete from music.claims; delete from music.generations;"
            b" delete from music.spending; delete from public.music_tracks; delete from auth.users;"
            b" update music.account set slowed_down_to = null, slowed_down_at = null where id"
        )
        for user in APP_USERS:
            self._new_user(user)
        self.set(settings)

    def look(self) -> State:
        """Everything there is."""
        tracks = self._rows("select * from public.music_tracks order by created_at, id")
        claims = self._rows(
            "select *, lease_expires_at > clock_timestamp() as is_leased from music.claims"
        )
        generations = self._rows("select * from music.generations order by intent_at, id")
        return State(
            {row["id"]: Track(row["id"], row["status"], row) for row in tracks},
            {row["id"]: row for row in claims},
            {row["id"]: row for row in generations},
        )

    def claim(self, worker: str, limit: int) -> list[DictRow]:
        """Claim for an hour."""
        return self._service.execute(
            "select * from public.claim_music_tracks(%s, %s, 3600)", (worker, limit)
        ).fetchall()

    def call(self, function: str, *args: Any) -> list[Any]:
        """Call a worker function that answers single values."""
        marks = ", ".join("%s" for _ in args)
        found = self._service.execute(f"select public.{function}({marks})".encode(), args)
        return [next(iter(row.values())) for row in found.fetchall()]

    def spent(self) -> Any:
        """Today's expected cost in cents."""
        return self._rows("select music.spent_today_cents() as cents")[0]["cents"]

    def ask(self, user: str | None) -> UUID:
        """Insert a track as this user of the app, or as a backend."""
        session = self._users[user] if user else self._service
        found = session.execute(
            "insert into public.music_tracks (prompt) values ('a quiet morning') returning id"
        ).fetchall()
        return UUID(str(found[0]["id"]))

    def edit(self, user: str | None, track_id: UUID, values: dict[str, Any]) -> bool:
        """Edit a row as this user or as the operator; False when the edit was refused."""
        session = self._users[user] if user else self._operator
        columns = ", ".join(f"{name} = %s" for name in values)
        try:
            session.execute(
                f"update public.music_tracks set {columns} where id = %s".encode(),
                (*values.values(), track_id),
            )
        except psycopg.Error as refusal:
            if refusal.sqlstate not in REFUSED_EDITS:
                raise
            return False
        return True

    def set(self, settings: dict[str, Any]) -> None:
        """Write `music.settings`."""
        columns = ", ".join(f"{name} = %s" for name in settings)
        self._operator.execute(
            f"update music.settings set {columns}".encode(), tuple(settings.values())
        )

    def expire(self, claim_id: UUID | None) -> None:
        """Let one lease, or all, run out."""
        self._superuser.execute(
            "update music.claims set lease_expires_at = now() - interval '1 second'"
            " where %s::uuid is null or id = %s",
            (claim_id, claim_id),
        )

    def let_pass(self, seconds: int) -> None:
        """Move what waits and what happened into the past."""
        for table, column in [
            ("public.music_tracks", "run_after"),
            ("music.generations", "intent_at"),
            ("music.events", "at"),
            ("music.account", "slowed_down_at"),
        ]:
            self._superuser.execute(
                f"update {table} set {column} = {column} - make_interval(secs => %s)".encode(),
                (seconds,),
            )

    def delete_track(self, track_id: UUID) -> None:
        """Delete a row as the operator."""
        self._operator.execute("delete from public.music_tracks where id = %s", (track_id,))

    def delete_user(self, user: str) -> None:
        """Delete an account with all that hangs on it, and sign up again."""
        self._operator.execute("delete from auth.users where id = %s", (user,))
        self._new_user(user)

    def _new_user(self, user: str) -> None:
        self._superuser.execute(
            "insert into auth.users (id, email) values (%s, %s)", (user, f"{user}@example.com")
        )

    def _rows(self, query: str) -> list[DictRow]:
        return self._operator.execute(query.encode()).fetchall()


def open_session(
    conninfo: str, role: str | None = None, sub: str | None = None
) -> psycopg.Connection[DictRow]:
    """A session whose statements commit at once, for good in the role the API would set."""
    session = psycopg.Connection[DictRow].connect(conninfo, autocommit=True, row_factory=dict_row)
    if role:
        claims = {"role": role} | ({"sub": sub} if sub else {})
        session.execute(
            "select set_config('request.jwt.claims', %s, false), set_config('role', %s, false)",
            (json.dumps(claims), role),
        )
    return session
