"""The users of the project as rows of `auth.users` and as the API shows them."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from local_supabase.auth import rejections
from local_supabase.auth.passwords import hash_password
from local_supabase.database import Database

MINIMUM_PASSWORD_CHARACTERS = 6

_SELECT = (
    "select u.*, coalesce((select jsonb_agg(to_jsonb(i)) from auth.identities i"
    " where i.user_id = u.id), '[]') as identities from auth.users u where "
)

User = DictRow


class Users:
    """Reads and writes users.

    Args:
        database: administrator connections.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self,
        *,
        email: str | None = None,
        password: str | None = None,
        user_metadata: dict[str, Any] | None = None,
        app_metadata: dict[str, Any] | None = None,
        user_id: str | None = None,
        confirmed: bool = True,
        taken_code: str = "user_already_exists",
    ) -> User:
        """A new user; without an e-mail address an anonymous one.

        Raises:
            AuthRejectedError: weak password, malformed or taken address.
        """
        email = None if email is None else checked_email(email)
        kept = None if password is None else await hashed(password)
        provider = {"provider": "email", "providers": ["email"]} if email else {}
        try:
            async with self._database.administrator() as connection, connection.transaction():
                cursor = await connection.execute(
                    "insert into auth.users (id, email, encrypted_password, email_confirmed_at,"
                    " raw_app_meta_data, raw_user_meta_data, is_anonymous)"
                    " values (%s, %s, %s, case when %s then now() end, %s, %s, %s) returning id",
                    (
                        user_id or uuid.uuid4(),
                        email,
                        kept,
                        confirmed and email is not None,
                        Jsonb(provider | (app_metadata or {})),
                        Jsonb(user_metadata or {}),
                        email is None,
                    ),
                )
                row = await cursor.fetchone()
                assert row is not None  # noqa: S101  an insert answers its row
                if email is not None:
                    await _add_identity(connection, row["id"], email)
        except psycopg.errors.UniqueViolation as error:
            raise rejections.email_taken(taken_code) from error
        return await self.get(str(row["id"]))

    async def get(self, user_id: str, *, status_if_missing: int = 404) -> User:
        """The user with this id; raises AuthRejectedError where there is none."""
        try:
            wanted = uuid.UUID(user_id)
        except ValueError as error:
            message = "user_id must be an UUID"
            raise rejections.AuthRejectedError(404, "validation_failed", message) from error
        found = await self._select("u.id = %s", (wanted,))
        if not found:
            raise rejections.user_not_found(status_if_missing)
        return found[0]

    async def with_email(self, email: str) -> User | None:
        """The user with this address, or None."""
        return next(iter(await self._select("lower(u.email) = lower(%s)", (email,))), None)

    async def page(self, number: int, size: int) -> list[User]:
        """Users, the newest first; page numbers start at 1."""
        return await self._select(
            "true order by u.created_at desc, u.id limit %s offset %s", (size, (number - 1) * size)
        )

    async def count(self) -> int:
        """How many users there are."""
        async with self._database.administrator() as connection:
            cursor = await connection.execute("select count(*) as n from auth.users")
            row = await cursor.fetchone()
        return 0 if row is None else int(row["n"])

    async def change(
        self,
        user_id: str,
        *,
        email: str | None = None,
        password: str | None = None,
        user_metadata: dict[str, Any] | None = None,
        app_metadata: dict[str, Any] | None = None,
    ) -> User:
        """Change what is given, merge the metadata; raises AuthRejectedError as `create` does."""
        email = None if email is None else checked_email(email)
        kept = None if password is None else await hashed(password)
        try:
            async with self._database.administrator() as connection, connection.transaction():
                await connection.execute(
                    "update auth.users set email = coalesce(%s, email),"
                    " encrypted_password = coalesce(%s, encrypted_password),"
                    " email_confirmed_at = case when %s::text is null then email_confirmed_at"
                    " else now() end,"
                    " is_anonymous = is_anonymous and %s::text is null,"
                    " raw_user_meta_data = coalesce(raw_user_meta_data, '{}') || %s,"
                    " raw_app_meta_data = coalesce(raw_app_meta_data, '{}') || %s,"
                    " updated_at = now() where id = %s",
                    (
                        email,
                        kept,
                        email,
                        email,
                        Jsonb(user_metadata or {}),
                        Jsonb(app_metadata or {}),
                        user_id,
                    ),
                )
                if email is not None:
                    await connection.execute(
                        "delete from auth.identities where user_id = %s", (user_id,)
                    )
                    await _add_identity(connection, uuid.UUID(user_id), email)
        except psycopg.errors.UniqueViolation as error:
            raise rejections.email_taken("email_exists") from error
        return await self.get(user_id)

    async def signed_in(self, user_id: str) -> None:
        """Remember when the user last signed in."""
        async with self._database.administrator() as connection:
            await connection.execute(
                "update auth.users set last_sign_in_at = now() where id = %s", (user_id,)
            )

    async def delete(self, user_id: str) -> None:
        """Remove the user and everything that belongs to them."""
        async with self._database.administrator() as connection:
            await connection.execute("delete from auth.users where id = %s", (user_id,))

    async def _select(self, condition: str, values: tuple[Any, ...]) -> list[User]:
        async with self._database.administrator() as connection:
            cursor = await connection.execute((_SELECT + condition).encode(), values)
            return await cursor.fetchall()


def checked_email(email: str) -> str:
    """The address as it is kept; raises AuthRejectedError where it cannot be one."""
    name, at, host = email.strip().rpartition("@")
    if not at or not name or "." not in host or " " in email.strip():
        raise rejections.validation_failed("Unable to validate email address: invalid format")
    return email.strip().lower()


async def hashed(password: str) -> str:
    """The hash of a password that is long enough; raises AuthRejectedError where it is not."""
    if len(password) < MINIMUM_PASSWORD_CHARACTERS:
        raise rejections.weak_password()
    return await asyncio.to_thread(hash_password, password)


def shown(user: User) -> dict[str, Any]:
    """A user as the API answers it."""
    return {
        "id": str(user["id"]),
        "aud": user["aud"],
        "role": user["role"],
        "email": user["email"] or "",
        "phone": user["phone"] or "",
        "app_metadata": user["raw_app_meta_data"] or {},
        "user_metadata": user["raw_user_meta_data"] or {},
        "identities": [_shown_identity(identity) for identity in user["identities"]],
        "created_at": _time(user["created_at"]),
        "updated_at": _time(user["updated_at"]),
        "is_anonymous": user["is_anonymous"],
    } | {
        name: _time(user[name])
        for name in ("email_confirmed_at", "confirmed_at", "last_sign_in_at")
        if user[name] is not None
    }


def _shown_identity(identity: dict[str, Any]) -> dict[str, Any]:
    named = ("user_id", "identity_data", "provider", "created_at", "updated_at", "email")
    return {
        "identity_id": identity["id"],
        "id": identity["provider_id"],
        "last_sign_in_at": identity["last_sign_in_at"] or identity["created_at"],
    } | {name: identity[name] for name in named}


async def _add_identity(
    connection: psycopg.AsyncConnection[DictRow], user_id: uuid.UUID, email: str
) -> None:
    data = {"sub": str(user_id), "email": email, "email_verified": True, "phone_verified": False}
    await connection.execute(
        "insert into auth.identities (provider_id, user_id, identity_data, provider)"
        " values (%s, %s, %s, 'email')",
        (str(user_id), user_id, Jsonb(data)),
    )


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
