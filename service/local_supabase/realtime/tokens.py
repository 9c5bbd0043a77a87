"""Tokens at the socket and at a join, and what is wrong with them in the real server's words."""

from __future__ import annotations

import time
from typing import Any

import jwt

from local_supabase.keys import Keys


class BadTokenError(Exception):
    """A token that is no good.

    Args:
        kind: the class of the failure, which a join's reason begins with.
        message: the sentence.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message

    @property
    def reason(self) -> str:
        """For the reply to a join."""
        return f"{self.kind}: {self.message}"

    @property
    def closing_message(self) -> str:
        """For the channel that a new token of this sort ends."""
        return ":signature_error" if self.kind == "JwtSignatureError" else self.message


def claims_of(keys: Keys, token: str) -> dict[str, Any]:
    """The claims of a token; raises BadTokenError."""
    try:
        claims = keys.verify(keys.legacy(token) or token)
    except jwt.ExpiredSignatureError as error:
        expired = jwt.decode(token, options={"verify_signature": False})["exp"]
        ago = max(int(time.time() - expired), 0)
        raise BadTokenError("InvalidJWTToken", f"Token has expired {ago} seconds ago") from error
    except jwt.InvalidSignatureError as error:
        raise BadTokenError("JwtSignatureError", "Failed to validate JWT signature") from error
    except (jwt.InvalidTokenError, UnicodeError) as error:
        raise BadTokenError("MalformedJWT", "The token provided is not a valid JWT") from error
    if "role" not in claims or "exp" not in claims:
        raise BadTokenError("InvalidJWTToken", "Fields `role` and `exp` are required in JWT")
    return claims
