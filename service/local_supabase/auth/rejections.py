"""What the auth API refuses, in the real server's words, and how it says so on the wire."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

API_VERSION_HEADER = "x-supabase-api-version"
API_VERSION = "2024-01-01"


class AuthRejectedError(Exception):
    """A refusal with its HTTP status, its stable code and its sentence."""

    def __init__(self, status: int, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.details = details
        self.status = status
        self.code = code
        self.message = message


async def answer_refused(request: Request, error: Exception) -> Response:
    """The body that the client's version of the API expects."""
    assert isinstance(error, AuthRejectedError)  # noqa: S101  the application registers it for this class
    body: dict[str, Any]
    if request.headers.get(API_VERSION_HEADER, "") >= API_VERSION:
        body = {"code": error.code, "message": error.message}
    else:
        body = {"code": error.status, "error_code": error.code, "msg": error.message}
    return JSONResponse(
        body | error.details, error.status, headers={API_VERSION_HEADER: API_VERSION}
    )


def validation_failed(message: str) -> AuthRejectedError:
    """The request lacks something or has it in the wrong form."""
    return AuthRejectedError(400, "validation_failed", message)


def bad_json() -> AuthRejectedError:
    """The body is not a JSON object."""
    return AuthRejectedError(400, "bad_json", "Could not parse request body as JSON")


def weak_password() -> AuthRejectedError:
    """The password is shorter than six characters."""
    message = "Password should be at least 6 characters."
    return AuthRejectedError(422, "weak_password", message, weak_password={"reasons": ["length"]})


def email_taken(code: str = "user_already_exists") -> AuthRejectedError:
    """Somebody has this address; signing up and the admin calls have different codes for it."""
    message = (
        "User already registered"
        if code == "user_already_exists"
        else "A user with this email address has already been registered"
    )
    return AuthRejectedError(422, code, message)


def invalid_credentials() -> AuthRejectedError:
    """No such user, or another password; which of the two is not told."""
    return AuthRejectedError(400, "invalid_credentials", "Invalid login credentials")


def refresh_token_not_found() -> AuthRejectedError:
    """The refresh token was never given out, or its session is gone."""
    return AuthRejectedError(
        400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found"
    )


def refresh_token_already_used() -> AuthRejectedError:
    """The refresh token was exchanged before, longer ago than a client's repetition would be."""
    return AuthRejectedError(
        400, "refresh_token_already_used", "Invalid Refresh Token: Already Used"
    )


def no_authorization() -> AuthRejectedError:
    """The request has no bearer token."""
    return AuthRejectedError(401, "no_authorization", "This endpoint requires a valid Bearer token")


def bad_token(reason: str) -> AuthRejectedError:
    """The token does not verify or names no user."""
    return AuthRejectedError(403, "bad_jwt", reason)


def session_not_found() -> AuthRejectedError:
    """The token is of a session that was signed out."""
    return AuthRejectedError(
        403, "session_not_found", "Session from session_id claim in JWT does not exist"
    )


def not_admin() -> AuthRejectedError:
    """Only the service role may use the admin calls."""
    return AuthRejectedError(403, "not_admin", "User not allowed")


def user_not_found(status: int = 404) -> AuthRejectedError:
    """There is no such user."""
    return AuthRejectedError(status, "user_not_found", "User not found")


def not_served(path: str) -> AuthRejectedError:
    """The platform has this, the embedded stack has not."""
    return AuthRejectedError(
        501, "not_served", f"{path} is not served by the embedded stack; use a Supabase project."
    )
