"""Who is asking: the claims of the request's token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jwt
from starlette.datastructures import Headers

from local_supabase.keys import Keys
from local_supabase.storage import rejections


@dataclass(frozen=True, slots=True)
class Caller:
    """The bearer of a verified token; `claims` are what Postgres policies see."""

    claims: dict[str, Any]

    @property
    def owner(self) -> str | None:
        """The user to whom new objects belong: the token's `sub`."""
        subject = self.claims.get("sub")
        return None if subject is None else str(subject)


def identify(keys: Keys, headers: Headers) -> Caller:
    """The caller of a request; raises StorageRejectedError without a good token.

    The platform's gateway puts a token in the place of an `sb_…` key, and takes the header
    `apikey` where there is no `authorization`; both happen here too, so that this API can be
    served without that gateway.
    """
    token = _bearer(headers)
    return Caller(verify(keys, keys.legacy(token) or token))


def identify_if_possible(keys: Keys, headers: Headers) -> Caller | None:
    """The caller, or None where the token is missing or no good."""
    try:
        return identify(keys, headers)
    except rejections.StorageRejectedError:
        return None


def verify(keys: Keys, token: str) -> dict[str, Any]:
    """The claims of a token; raises StorageRejectedError 403 in the words of the real server."""
    try:
        return keys.verify(token)
    except jwt.InvalidTokenError as error:
        raise rejections.access_denied(describe(error)) from error


def describe(error: jwt.InvalidTokenError) -> str:
    """The real server's sentence for what is wrong with a token."""
    if isinstance(error, jwt.ExpiredSignatureError):
        return '"exp" claim timestamp check failed'
    if isinstance(error, jwt.InvalidSignatureError):
        return "signature verification failed"
    if isinstance(error, jwt.DecodeError):
        return "Invalid Compact JWS"
    return str(error)


def _bearer(headers: Headers) -> str:
    authorization = headers.get("authorization", "")
    token = authorization.removeprefix("Bearer ").removeprefix("bearer ").strip()
    if not token or token.startswith("sb_"):
        token = headers.get("apikey") or token
    if not token:
        raise rejections.invalid_request("headers must have required property 'authorization'")
    return token
