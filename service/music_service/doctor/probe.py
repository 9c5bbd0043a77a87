"""A project's REST API asked what it has and what it lets the service do; nothing is changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from music_service.errors import ConfigurationError
from music_service.redact import plain
from music_service.store.client import TIMEOUT

NOBODY = "00000000-0000-0000-0000-000000000000"
NO_FUNCTION = ("PGRST202", "42883")
NO_TABLE = ("PGRST205", "42P01")
NO_COLUMN = ("PGRST204", "42703")
NOT_ALLOWED = ("42501",)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API said; `status` 0 and no `body` where it did not answer."""

    status: int
    body: Any
    text: str = ""

    @property
    def is_ok(self) -> bool:
        """It was done."""
        return 200 <= self.status < 300

    @property
    def code(self) -> str:
        """The code of an error, or nothing."""
        return str(self.body.get("code") or "") if isinstance(self.body, dict) else ""

    @property
    def message(self) -> str:
        """The message of an error, or what else came."""
        if isinstance(self.body, dict) and self.body.get("message"):
            return plain(str(self.body["message"]))
        return plain(self.text, 200)

    @property
    def hint(self) -> str:
        """The hint of an error, or nothing."""
        return str(self.body.get("hint") or "") if isinstance(self.body, dict) else ""


@dataclass(frozen=True, slots=True)
class Call:
    """A function as the API describes it: its parameters, and those it cannot do without."""

    parameters: frozenset[str]
    required: frozenset[str]


class Probe:
    """Asks; every method answers and none raises.

    Args:
        http: connections whose base is the project's URL and whose headers carry the key.
    """

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def auth(self) -> Answer:
        """What the project's Auth says of itself; needs no right."""
        return await self._ask("GET", "/auth/v1/health")

    async def description(self) -> Answer:
        """The API's description of all that this key may use, in OpenAPI."""
        return await self._ask("GET", "/rest/v1/")

    async def first_user(self) -> Answer:
        """The user of the project whom Auth names first."""
        return await self._ask("GET", "/auth/v1/admin/users", params={"page": "1", "per_page": "1"})

    async def select(
        self, table: str, columns: str, *, limit: int = 0, where: Mapping[str, str] | None = None
    ) -> Answer:
        """Read columns of a table or view."""
        params = {"select": columns, "limit": str(limit), **(where or {})}
        return await self._ask("GET", f"/rest/v1/{table}", params=params)

    async def insert_nothing(self, table: str) -> Answer:
        """Insert no row, which needs the right all the same."""
        return await self._ask("POST", f"/rest/v1/{table}", params={"columns": "id"}, json=[])

    async def update_nothing(self, table: str, values: Mapping[str, Any]) -> Answer:
        """Update the row that does not exist."""
        return await self._ask(
            "PATCH", f"/rest/v1/{table}", params={"id": f"eq.{NOBODY}"}, json=values
        )

    async def delete_nothing(self, table: str) -> Answer:
        """Delete the row that does not exist."""
        return await self._ask("DELETE", f"/rest/v1/{table}", params={"id": f"eq.{NOBODY}"})

    async def call_read_only(self, function: str, arguments: Mapping[str, str]) -> Answer:
        """Call a function in a transaction that cannot write (25006 where it would)."""
        return await self._ask("GET", f"/rest/v1/rpc/{function}", params=dict(arguments))

    async def call(self, function: str, arguments: Mapping[str, Any]) -> Answer:
        """Call a function."""
        return await self._ask("POST", f"/rest/v1/rpc/{function}", json=arguments)

    async def insert(self, table: str, row: Mapping[str, Any]) -> Answer:
        """Insert a row."""
        return await self._ask("POST", f"/rest/v1/{table}", json=row)

    async def delete(self, table: str, row_id: str) -> Answer:
        """Delete a row."""
        return await self._ask("DELETE", f"/rest/v1/{table}", params={"id": f"eq.{row_id}"})

    async def bucket(self, bucket: str) -> Answer:
        """A bucket of Storage and its rules."""
        return await self._ask("GET", f"/storage/v1/bucket/{bucket}")

    async def upload(self, bucket: str, key: str, content: bytes) -> Answer:
        """Put an MP3 into a bucket; replaces what is there."""
        headers = {"content-type": "audio/mpeg", "x-upsert": "true"}
        path = f"/storage/v1/object/{bucket}/{key}"
        return await self._ask("POST", path, content=content, headers=headers)

    async def download(self, bucket: str, key: str, *, public: bool) -> Answer:
        """Read an object as everybody may, or with the service's rights."""
        access = "public" if public else "authenticated"
        return await self._ask("GET", f"/storage/v1/object/{access}/{bucket}/{key}")

    async def remove(self, bucket: str, key: str) -> Answer:
        """Delete an object."""
        return await self._ask("DELETE", f"/storage/v1/object/{bucket}/{key}")

    async def _ask(self, method: str, path: str, **how: Any) -> Answer:
        try:
            answer = await self._http.request(method, path, **how)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Answer(0, None, type(error).__name__)
        try:
            return Answer(answer.status_code, answer.json(), answer.text)
        except ValueError:
            return Answer(answer.status_code, None, answer.text)


@asynccontextmanager
async def probing(url: str, key: str | None) -> AsyncIterator[Probe]:
    """A probe with connections of its own; nothing is sent yet.

    Raises:
        ConfigurationError: the URL is none.
    """
    headers = {"apikey": key, "authorization": f"Bearer {key}"} if key else {}
    try:
        http = httpx.AsyncClient(base_url=url, headers=headers, timeout=TIMEOUT)
    except httpx.InvalidURL:  # its words would repeat what may be a password
        raise ConfigurationError("SUPABASE_URL is not the address of a project.") from None
    async with http:
        yield Probe(http)


def functions_in(description: Answer) -> dict[str, Call]:
    """The functions of an OpenAPI description; none where there is none."""
    found: dict[str, Call] = {}
    for path, methods in _object(description.body, "paths").items():
        parameters = _object(methods, "post").get("parameters", [])
        if path.startswith("/rpc/") and isinstance(parameters, list):
            bodies = [p["schema"] for p in parameters if isinstance(p, dict) and "schema" in p]
            named = frozenset(name for body in bodies for name in body.get("properties", {}))
            required = frozenset(name for body in bodies for name in body.get("required", []))
            found[path.removeprefix("/rpc/")] = Call(named, required)
    return found


def _object(value: Any, key: str) -> dict[str, Any]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}
