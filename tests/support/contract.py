"""The Supabase that the contract is held against: one that the environment names, or our own."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
import pytest
from storage3 import AsyncStorageClient

from local_supabase.stack import Stack


@dataclass(frozen=True)
class Project:
    """One Supabase; `jwt_secret` is None where only its owner knows it, as are its older keys."""

    url: str
    secret_key: str
    publishable_key: str
    database_url: str
    jwt_secret: str | None
    legacy_secret_key: str | None = None
    legacy_publishable_key: str | None = None

    @property
    def storage_url(self) -> str:
        return f"{self.url}/storage/v1/"

    def token(self, **claims: Any) -> str:
        """A token of one's own making; skips the test where that is not possible."""
        if self.jwt_secret is None:
            pytest.skip("needs CONTRACT_SUPABASE_JWT_SECRET")
        now = int(time.time())
        return jwt.encode({"iat": now, "exp": now + 600, **claims}, self.jwt_secret, "HS256")

    def user_token(self, user_id: str) -> str:
        return self.token(role="authenticated", aud="authenticated", sub=user_id)

    @asynccontextmanager
    async def storage(
        self, token: str | None = None, *, anonymous: bool = False
    ) -> AsyncIterator[AsyncStorageClient]:
        """The official client, as the service by default."""
        key = self.publishable_key if anonymous or token else self.secret_key
        headers = {"apikey": key, "authorization": f"Bearer {token or key}"}
        async with httpx.AsyncClient(timeout=20) as http:
            yield AsyncStorageClient(self.storage_url, headers, http_client=http)


def named_project() -> Project | None:
    """The project of CONTRACT_SUPABASE_*, if these are set."""
    if "CONTRACT_SUPABASE_URL" not in os.environ:
        return None
    return Project(
        url=os.environ["CONTRACT_SUPABASE_URL"],
        secret_key=os.environ["CONTRACT_SUPABASE_SECRET_KEY"],
        publishable_key=os.environ["CONTRACT_SUPABASE_PUBLISHABLE_KEY"],
        database_url=os.environ["CONTRACT_SUPABASE_DB_URL"],
        jwt_secret=os.environ.get("CONTRACT_SUPABASE_JWT_SECRET"),
        legacy_secret_key=os.environ.get("CONTRACT_SUPABASE_SERVICE_ROLE_KEY"),
        legacy_publishable_key=os.environ.get("CONTRACT_SUPABASE_ANON_KEY"),
    )


def project_of(stack: Stack) -> Project:
    """An embedded stack as a project."""
    keys = stack.keys
    return Project(
        stack.url,
        keys.secret,
        keys.publishable,
        stack.database_url,
        keys.jwt_secret,
        keys.service_role,
        keys.anon,
    )
