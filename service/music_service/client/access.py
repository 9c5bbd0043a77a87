"""With whose rights a client reads and hears, at this moment."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from music_service.errors import TransientError

if TYPE_CHECKING:
    from supabase import AsyncClient, Client


@dataclass(frozen=True, slots=True)
class Access:
    """A project, a key, and the user's token where it is not the key that has the rights.

    `user_id` is the user's, None for a backend.
    """

    url: str
    key: str
    token: str | None = None
    user_id: str | None = None


GetAccess = Callable[[], Awaitable[Access]]


def access_of(client: AsyncClient) -> GetAccess:
    """The access of the official client; a session that has run out is renewed first.

    What is answered raises TransientError when the session cannot be renewed now.
    """

    async def get() -> Access:
        try:
            session = await client.auth.get_session()
        except Exception as error:  # of Auth, of HTTP, or of the app's own storage of sessions
            raise _not_renewed(error) from error
        return _access(client, session)

    return get


def access_of_sync(client: Client) -> Access:
    """The same for the client that blocks, at once."""
    try:
        session = client.auth.get_session()
    except Exception as error:  # as above
        raise _not_renewed(error) from error
    return _access(client, session)


def _access(client: AsyncClient | Client, session: Any) -> Access:
    token = _bearer(client.options.headers) if session is None else session.access_token
    user_id = _subject(token)
    return Access(
        url=str(client.supabase_url),
        key=client.supabase_key,
        token=None if user_id is None else token,
        user_id=user_id,
    )


def _not_renewed(error: Exception) -> TransientError:
    return TransientError(f"The session cannot be renewed now ({type(error).__name__}).")


def _bearer(headers: Mapping[str, str]) -> str:
    """The token that an app has set by hand; the key where it has set none."""
    return headers.get("Authorization", "").removeprefix("Bearer ")


def _subject(token: str) -> str | None:
    """The user whom a token names; None for a key. Nobody is trusted for it: the server checks."""
    try:
        claims = token.split(".")[1]
        said = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        subject = said.get("sub")
    except (IndexError, ValueError, AttributeError):
        return None
    return subject if isinstance(subject, str) else None
