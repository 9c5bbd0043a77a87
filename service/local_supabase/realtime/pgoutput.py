"""Postgres's logical replication messages (`pgoutput`, protocol 1), as far as they are needed.

Source: PostgreSQL documentation, "Logical Replication Message Formats".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a relation; `is_key` when it is part of the replica identity."""

    name: str
    is_key: bool


@dataclass(frozen=True, slots=True)
class Relation:
    """A published table."""

    oid: int
    schema: str
    name: str
    columns: tuple[Column, ...]


Values = dict[str, str | None]


@dataclass(frozen=True, slots=True)
class Change:
    """One row that changed; values are in Postgres's text form.

    `new` is None for a delete; `old` holds what the replica identity kept.
    """

    relation: Relation
    kind: Literal["INSERT", "UPDATE", "DELETE"]
    committed_at: datetime
    new: Values | None
    old: Values | None


class Decoder:
    """Turns messages into changes; remembers relations and the transaction's time."""

    def __init__(self) -> None:
        self._relations: dict[int, Relation] = {}
        self._committed_at = _EPOCH

    def decode(self, message: bytes) -> Change | None:
        """The change in a message, or None where it tells something else."""
        reader = _Reader(message)
        match reader.text_of(1):
            case "B":
                reader.skip(8)
                self._committed_at = _EPOCH + timedelta(microseconds=reader.int64())
            case "R":
                relation = _relation(reader)
                self._relations[relation.oid] = relation
            case "I":
                relation = self._relations[reader.int32()]
                reader.skip(1)
                new = _tuple(reader, relation)
                return Change(relation, "INSERT", self._committed_at, new, None)
            case "U":
                return self._update(reader)
            case "D":
                relation = self._relations[reader.int32()]
                only_key = reader.text_of(1) == "K"
                old = _tuple(reader, relation, only_key=only_key)
                return Change(relation, "DELETE", self._committed_at, None, old)
        return None

    def _update(self, reader: _Reader) -> Change:
        relation = self._relations[reader.int32()]
        kind = reader.text_of(1)
        old: Values | None = None
        if kind in "KO":
            old = _tuple(reader, relation, only_key=kind == "K")
            reader.skip(1)
        new = _tuple(reader, relation, before=old)
        if old is None:
            old = {
                column.name: new.get(column.name) for column in relation.columns if column.is_key
            }
        return Change(relation, "UPDATE", self._committed_at, new, old)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def skip(self, count: int) -> None:
        self._at += count

    def take(self, count: int) -> bytes:
        self._at += count
        return self._data[self._at - count : self._at]

    def text_of(self, count: int) -> str:
        return self.take(count).decode()

    def int16(self) -> int:
        return int(struct.unpack("!h", self.take(2))[0])

    def int32(self) -> int:
        return int(struct.unpack("!i", self.take(4))[0])

    def int64(self) -> int:
        return int(struct.unpack("!q", self.take(8))[0])

    def string(self) -> str:
        end = self._data.index(0, self._at)
        text = self._data[self._at : end].decode()
        self._at = end + 1
        return text


def _relation(reader: _Reader) -> Relation:
    oid, schema, name = reader.int32(), reader.string(), reader.string()
    reader.skip(1)
    return Relation(oid, schema, name, tuple(_columns(reader)))


def _columns(reader: _Reader) -> Iterator[Column]:
    for _ in range(reader.int16()):
        is_key = reader.take(1) == b"\x01"
        name = reader.string()
        reader.skip(8)  # its type, which the catalog is asked for
        yield Column(name, is_key)


def _tuple(
    reader: _Reader, relation: Relation, *, only_key: bool = False, before: Values | None = None
) -> Values:
    values: Values = {}
    count = reader.int16()
    for column in relation.columns[:count]:
        kind = reader.text_of(1)
        if kind == "t":
            text: str | None = reader.take(reader.int32()).decode()
        elif kind == "u":  # a large value that was not touched is not sent again
            if before is None or column.name not in before:
                continue
            text = before[column.name]
        else:
            text = None
        if not only_key or column.is_key:
            values[column.name] = text
    return values
