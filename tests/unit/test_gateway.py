"""What the embedded gateway does with what nobody expected."""

from __future__ import annotations

import httpx
import psycopg
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from local_supabase.gateway import application
from local_supabase.keys import Keys


class Broken:
    """An API whose only route fails as a database does."""

    def __init__(self) -> None:
        self.routes: list[BaseRoute] = [Route("/auth/v1/token", self._fail, methods=["POST"])]

    async def start(self) -> None:
        """Nothing to prepare."""

    async def stop(self) -> None:
        """Nothing to let go of."""

    async def _fail(self, _: Request) -> Response:
        raise psycopg.errors.ForeignKeyViolation("violates a key\nDETAIL: Key (token)=(hidden)")


async def test_what_fails_inside_is_said_on_the_log_without_what_may_be_secret(
    caplog: pytest.LogCaptureFixture,
) -> None:
    keys = Keys.create()
    transport = httpx.ASGITransport(application([Broken()], keys), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://embedded") as http:
        answer = await http.post(
            "/auth/v1/token?refresh_token=hidden", headers={"apikey": keys.publishable}
        )
    assert answer.status_code == 500
    assert "its log says at what" in answer.json()["message"]
    said = "POST /auth/v1/token failed: ForeignKeyViolation: violates a key"
    assert caplog.messages == [said]
