"""Whose rights an official client has at this moment."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace
from typing import Any

import pytest

from music_service.client.access import Access, access_of, access_of_sync
from music_service.errors import TransientError

URL, KEY = "https://project.example", "sb_publishable_x"


def token(**claims: Any) -> str:
    middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"head.{middle}.signature"


class Auth:
    """Answers a session, or fails."""

    def __init__(self, session: Any) -> None:
        self._session = session

    async def get_session(self) -> Any:
        if isinstance(self._session, Exception):
            raise self._session
        return self._session


class AuthThatBlocks(Auth):
    def get_session(self) -> Any:
        if isinstance(self._session, Exception):
            raise self._session
        return self._session


def a_client(auth: Auth, *, key: str = KEY, bearer: str | None = None) -> Any:
    headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
    options = SimpleNamespace(headers=headers)
    return SimpleNamespace(auth=auth, options=options, supabase_url=URL, supabase_key=key)


OF_USER = token(sub="u", role="authenticated")


@pytest.mark.parametrize(
    ("session", "bearer", "expected"),
    [
        (SimpleNamespace(access_token=OF_USER), KEY, Access(URL, KEY, OF_USER, "u")),
        (None, OF_USER, Access(URL, KEY, OF_USER, "u")),
        (None, KEY, Access(URL, KEY)),
        (None, None, Access(URL, KEY)),
        (None, token(role="service_role"), Access(URL, KEY)),
        (None, "a.b.c", Access(URL, KEY)),
        (None, f"a.{base64.b64encode(b'[1]').decode()}.c", Access(URL, KEY)),
        (None, token(sub=17), Access(URL, KEY)),
    ],
)
async def test_it_is_the_session_or_the_token_set_by_hand_or_the_key(
    session: Any, bearer: str | None, expected: Access
) -> None:
    assert await access_of(a_client(Auth(session), bearer=bearer))() == expected
    assert access_of_sync(a_client(AuthThatBlocks(session), bearer=bearer)) == expected


async def test_a_session_that_cannot_be_renewed_now_is_tried_later() -> None:
    lost = OSError("no way, with a secret")
    with pytest.raises(TransientError, match=r"^The session cannot be renewed now \(OSError\)\.$"):
        await access_of(a_client(Auth(lost)))()
    with pytest.raises(TransientError, match=r"\(OSError\)"):
        access_of_sync(a_client(AuthThatBlocks(lost)))
