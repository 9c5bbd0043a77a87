"""Reading the JSON bodies of requests, with the real server's sentences for what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request

from local_supabase.storage import rejections


class Fields:
    """The fields of a JSON object, found at `place` in a request's body."""

    def __init__(self, values: dict[str, Any], place: str = "body") -> None:
        self._values = values
        self._place = place

    @classmethod
    async def of(cls, request: Request) -> Fields:
        """The body of a request; raises StorageRejectedError when it is no JSON object."""
        try:
            values = await request.json()
        except ValueError as error:
            raise rejections.invalid_request("Body is not valid JSON") from error
        if not isinstance(values, dict):
            raise rejections.invalid_request("body must be object")
        return cls(values)

    def get(self, name: str) -> Any:
        """A field as it is; None where it is missing."""
        return self._values.get(name)

    def text(self, name: str, default: str | None = None) -> str:
        """A string; without a default it must be there."""
        value = self._required(name) if default is None else self._values.get(name, default)
        if not isinstance(value, str):
            raise self._wrong(name, "must be string")
        return value

    def texts(self, name: str) -> list[str]:
        """One or more strings."""
        value = self._required(name)
        if not isinstance(value, list):
            raise self._wrong(name, "must be array")
        if not value:
            raise self._wrong(name, "must NOT have fewer than 1 items")
        return [str(item) for item in value]

    def flag(self, name: str, *, default: bool) -> bool:
        """A boolean."""
        value = self._values.get(name, default)
        if not isinstance(value, bool):
            raise self._wrong(name, "must be boolean")
        return value

    def number(self, name: str, *, minimum: int, default: int | None = None) -> int:
        """A whole number, or a string that spells one; without a default it must be there."""
        value = self._required(name) if default is None else self._values.get(name, default)
        try:
            number = int(value)
        except (TypeError, ValueError) as error:
            raise self._wrong(name, "must be integer") from error
        if number < minimum:
            raise self._wrong(name, f"must be >= {minimum}")
        return number

    def choice(self, name: str, choices: Sequence[str]) -> str:
        """One of these strings; the first where the field is missing."""
        value = self._values.get(name, choices[0])
        if value not in choices:
            raise self._wrong(name, "must be equal to one of the allowed values")
        return str(value)

    def inner(self, name: str) -> Fields:
        """An object inside this one; empty where it is missing."""
        value = self._values.get(name) or {}
        if not isinstance(value, dict):
            raise self._wrong(name, "must be object")
        return Fields(value, f"{self._place}/{name}")

    def _required(self, name: str) -> Any:
        if name not in self._values:
            raise rejections.invalid_request(f"{self._place} must have required property '{name}'")
        return self._values[name]

    def _wrong(self, name: str, what: str) -> rejections.StorageRejectedError:
        return rejections.invalid_request(f"{self._place}/{name} {what}")
