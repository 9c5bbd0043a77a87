"""API keys, tokens and the database's password of the embedded stack: made once, kept in a file."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jwt

from local_supabase import private
from local_supabase.errors import SetupError

TEN_YEARS_SECONDS = 10 * 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Keys:
    """Both key styles of a Supabase project, and its secrets.

    `jwt_secret` signs its tokens; `postgres_password` is that of every role that may log in.
    """

    jwt_secret: str
    publishable: str
    secret: str
    anon: str
    service_role: str
    postgres_password: str

    @classmethod
    def load_or_create(cls, path: Path) -> Keys:
        """Read the keys kept at `path`, or make new ones and keep them there (mode 0600).

        Raises:
            SetupError: an earlier version made them, without a password, or they are damaged.
        """
        if path.exists():
            try:
                return cls(**json.loads(path.read_text()))
            except (TypeError, ValueError):  # neither of which may be shown
                raise SetupError(
                    f"{path} was made by an earlier version or is damaged; start it with "
                    "--reset, which deletes the stack's data."
                ) from None
        keys = cls.create()
        with private.opened(path.with_suffix(".new"), "wb") as file:
            file.write(json.dumps(asdict(keys), indent=2).encode())
        path.with_suffix(".new").replace(path)
        return keys

    @classmethod
    def create(cls) -> Keys:
        """Fresh random keys."""
        jwt_secret = secrets.token_hex(32)
        return cls(
            jwt_secret=jwt_secret,
            publishable=f"sb_publishable_{secrets.token_urlsafe(16)}_{secrets.token_hex(4)}",
            secret=f"sb_secret_{secrets.token_urlsafe(16)}_{secrets.token_hex(4)}",
            anon=_legacy_key(jwt_secret, "anon"),
            service_role=_legacy_key(jwt_secret, "service_role"),
            postgres_password=secrets.token_urlsafe(24),
        )

    def legacy(self, key: str) -> str | None:
        """The JWT that the platform's gateway puts in the place of an `sb_…` key, or None."""
        if secrets.compare_digest(key.encode(), self.publishable.encode()):
            return self.anon
        if secrets.compare_digest(key.encode(), self.secret.encode()):
            return self.service_role
        return None

    def sign(self, claims: dict[str, Any]) -> str:
        """A token with these claims, HS256."""
        return jwt.encode(claims, self.jwt_secret, algorithm="HS256")

    def verify(self, token: str) -> dict[str, Any]:
        """The claims of a token; raises `jwt.InvalidTokenError` and its kinds."""
        claims: dict[str, Any] = jwt.decode(
            token, self.jwt_secret, algorithms=["HS256"], options={"verify_aud": False}
        )
        return claims


def _legacy_key(jwt_secret: str, role: str) -> str:
    now = int(time.time())
    claims = {"iss": "supabase", "role": role, "iat": now, "exp": now + TEN_YEARS_SECONDS}
    return jwt.encode(claims, jwt_secret, algorithm="HS256")
