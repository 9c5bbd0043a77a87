"""Sign-ins: a session, its access tokens, and refresh tokens that each may be used once."""

from __future__ import annotations

import secrets
import time
import uuid
from typing import Any

from psycopg.rows import DictRow
from psycopg.types.json import Json

from local_supabase.auth import rejections
from local_supabase.auth.users import User, shown
from local_supabase.database import Connection, Database
from local_supabase.keys import Keys
from local_supabase.times import Times


class Sessions:
    """Opens, prolongs and ends sessions.

    Args:
        database: administrator connections.
        keys: sign the access tokens.
        times: how long tokens are good.
        issuer: the `iss` of the access tokens, the URL of the auth API.
    """

    def __init__(self, database: Database, keys: Keys, times: Times, issuer: str) -> None:
        self._database = database
        self._keys = keys
        self._times = times
        self._issuer = issuer

    async def open(self, user: User, method: str, user_agent: str | None) -> dict[str, Any]:
        """A new session of a user, as the API answers it; `method` is how they signed in."""
        session_id = uuid.uuid4()
        amr = [{"method": method, "timestamp": int(time.time())}]
        async with self._database.administrator() as connection, connection.transaction():
            await connection.execute(
                "insert into auth.sessions (id, user_id, amr, user_agent) values (%s, %s, %s, %s)",
                (session_id, user["id"], Json(amr), user_agent),
            )
            refresh_token = await _new_refresh_token(connection, session_id, user["id"])
        return self._answer(user, session_id, amr, refresh_token)

    async def exchange(self, refresh_token: str) -> tuple[str, uuid.UUID, str]:
        """Use a refresh token; answers the user's id, the session's id and the next token.

        Raises:
            AuthRejectedError: it is unknown, or was used longer ago; then its session ends.
        """
        async with self._database.administrator() as connection, connection.transaction():
            row = await _one(
                connection,
                "select r.*, now() - r.updated_at > make_interval(secs => %s) as stale"
                " from auth.refresh_tokens r where r.token = %s for update",
                (self._times.refresh_reuse_seconds, refresh_token),
            )
            if row is None or row["session_id"] is None:
                raise rejections.refresh_token_not_found()
            if not row["revoked"]:
                successor: str | None = await _replace(connection, row)
            else:
                child = await _one(
                    connection,
                    "select token from auth.refresh_tokens where parent = %s and not revoked",
                    (refresh_token,),
                )
                successor = None if child is None or row["stale"] else str(child["token"])
        if successor is None:
            await self.end(row["session_id"])
            raise rejections.refresh_token_already_used()
        return str(row["user_id"]), row["session_id"], successor

    async def prolonged(
        self, user: User, session_id: uuid.UUID, refresh_token: str
    ) -> dict[str, Any]:
        """A session with a fresh access token, as the API answers it."""
        async with self._database.administrator() as connection:
            row = await _one(
                connection,
                "update auth.sessions set refreshed_at = now(), updated_at = now()"
                " where id = %s returning amr",
                (session_id,),
            )
        if row is None:
            raise rejections.refresh_token_not_found()
        return self._answer(user, session_id, row["amr"], refresh_token)

    async def exists(self, session_id: str) -> bool:
        """Whether the session was not signed out."""
        async with self._database.administrator() as connection:
            query = "select true as it from auth.sessions where id = %s"
            return await _one(connection, query, (session_id,)) is not None

    async def end(self, session_id: uuid.UUID | str) -> None:
        """Sign out one session."""
        await self._delete("id = %s", session_id)

    async def end_all(self, user_id: str) -> None:
        """Sign out everywhere."""
        await self._delete("user_id = %s", user_id)

    async def end_others(self, user_id: str, session_id: str) -> None:
        """Sign out everywhere but here."""
        await self._delete("user_id = %s and id <> %s", user_id, session_id)

    async def _delete(self, condition: str, *values: Any) -> None:
        query = f"delete from auth.sessions where {condition}"  # noqa: S608  our own words
        async with self._database.administrator() as connection:
            await connection.execute(query.encode(), values)

    def _answer(
        self, user: User, session_id: uuid.UUID, amr: list[dict[str, Any]], refresh_token: str
    ) -> dict[str, Any]:
        now, good_seconds = int(time.time()), self._times.access_token_seconds
        claims = {
            "iss": self._issuer,
            "sub": str(user["id"]),
            "aud": "authenticated",
            "exp": now + good_seconds,
            "iat": now,
            "email": user["email"] or "",
            "phone": user["phone"] or "",
            "app_metadata": user["raw_app_meta_data"] or {},
            "user_metadata": user["raw_user_meta_data"] or {},
            "role": user["role"],
            "aal": "aal1",
            "amr": amr,
            "session_id": str(session_id),
            "is_anonymous": user["is_anonymous"],
        }
        return {
            "access_token": self._keys.sign(claims),
            "token_type": "bearer",
            "expires_in": good_seconds,
            "expires_at": now + good_seconds,
            "refresh_token": refresh_token,
            "user": shown(user),
        }


async def _one(connection: Connection, query: str, values: tuple[Any, ...]) -> DictRow | None:
    cursor = await connection.execute(query.encode(), values)
    return await cursor.fetchone()


async def _replace(connection: Connection, row: DictRow) -> str:
    await connection.execute(
        "update auth.refresh_tokens set revoked = true, updated_at = now() where id = %s",
        (row["id"],),
    )
    return await _new_refresh_token(connection, row["session_id"], row["user_id"], row["token"])


async def _new_refresh_token(
    connection: Connection, session_id: uuid.UUID, user_id: object, parent: str | None = None
) -> str:
    token = secrets.token_urlsafe(12)
    await connection.execute(
        "insert into auth.refresh_tokens (token, user_id, session_id, parent)"
        " values (%s, %s, %s, %s)",
        (token, str(user_id), session_id, parent),
    )
    return token
