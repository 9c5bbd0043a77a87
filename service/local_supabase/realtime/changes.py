"""Changes of published tables from the write-ahead log, for those who may see them."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import secrets
import time
from collections.abc import Iterator
from typing import Any, Protocol

import psycopg
from psycopg import sql
from psycopg.rows import DictRow, dict_row

from local_supabase.database import Connection, Database
from local_supabase.faults import RealtimeFaults
from local_supabase.realtime.bindings import Binding
from local_supabase.realtime.pgoutput import Change, Decoder
from local_supabase.realtime.records import Conditions, Shown, passed, show
from local_supabase.realtime.tables import Catalog, Table
from local_supabase.times import Times

_IDLE_AFTER_POLLS = 20
_POLICY_TIMEOUT = "3s"

_CHANGES = (
    b"select data from pg_logical_slot_get_binary_changes(%s, null, 5000,"
    b" 'proto_version', '1', 'publication_names', 'supabase_realtime')"
)
_AS_BEARER = (
    "select set_config('statement_timeout', {}, true), set_config('request.jwt.claims', {}, true),"
    " set_config('role', {}, true); select exists (select from {} where {})"
)
_LOG = logging.getLogger(__name__)


class Subscriber(Protocol):
    """A joined channel that wants changes."""

    claims: dict[str, Any]
    bindings: list[Binding]

    def deliver_change(self, payload: str) -> None:
        """Send a `postgres_changes` payload, JSON already."""


class PollLostError(Exception):
    """A filter or a policy raised for one subscriber, which costs everybody this poll."""


class Changes:
    """Follows the log while anybody is subscribed.

    Args:
        database: whose superuser follows the log and asks the policies.
        times: of its polls, and of what happens when Postgres was away.
        faults: may swallow what is to be delivered.
    """

    def __init__(self, database: Database, times: Times, faults: RealtimeFaults) -> None:
        self.database = database
        self._times = times
        self._is_cold = True
        self._failures = 0
        self._lost_at: float | None = None
        self.given_up = asyncio.Event()  # on a database that was away for too long
        self._subscribers: set[Subscriber] = set()
        self._wanted = asyncio.Event()
        self._following = asyncio.Event()
        self._faults = faults

    async def add(self, subscriber: Subscriber) -> None:
        """Begin to deliver; returns when nothing committed from now on will be missed."""
        self._subscribers.add(subscriber)
        self._wanted.set()
        await self._following.wait()
        self._subscribers.add(subscriber)  # who came while the database was given up
        await asyncio.sleep(random.uniform(*self._times.warm_subscription_seconds))  # noqa: S311

    def remove(self, subscriber: Subscriber) -> None:
        """Deliver no more; harmless for one that was never added."""
        self._subscribers.discard(subscriber)
        if not self._subscribers:
            self._wanted.clear()

    async def run(self) -> None:
        """Follow the log whenever somebody is subscribed; returns only when cancelled."""
        while True:
            await self._wanted.wait()
            try:
                await self._follow()
            except psycopg.OperationalError as error:  # Postgres is away, and others say so
                _LOG.info("Changes are interrupted: %s", error)
            except psycopg.Error as error:
                _LOG.warning("Changes are interrupted: %s", error)
            except Exception:  # noqa: BLE001  nothing that is read may end the following for good
                _LOG.exception("Changes are interrupted")
            else:
                continue
            await self._pause_or_give_up()

    async def _pause_or_give_up(self) -> None:
        """Wait for the next attempt; after the last one forget everybody without a word."""
        self._failures += 1
        if self._lost_at is None:
            self._lost_at = time.monotonic()
        left = self._lost_at + self._times.longest_outage_seconds - time.monotonic()
        if left > 0:
            await asyncio.sleep(min(self._times.reconnect_seconds(self._failures), left))
            return
        _LOG.warning("Changes are given up: the database was away for too long")
        self._failures, self._lost_at = 0, None
        self._subscribers.clear()
        self._wanted.clear()
        self.given_up.set()

    async def _follow(self) -> None:
        if self._is_cold:
            await asyncio.sleep(random.uniform(*self._times.cold_subscription_seconds))  # noqa: S311
        slot = f"embedded_realtime_{secrets.token_hex(6)}"
        # Not from the pool, which takes long to believe that Postgres is back.
        async with await self._connect() as log, await self._connect() as reader:
            await log.execute(
                "select pg_create_logical_replication_slot(%s, 'pgoutput', true)", (slot,)
            )
            self._is_cold, self._failures, self._lost_at = False, 0, None
            self.given_up.clear()
            self._following.set()
            try:
                await self._poll(slot, log, reader)
            finally:  # before the connections are closed, or a newcomer would trust this slot
                self._following.clear()

    async def _connect(self) -> Connection:
        return await psycopg.AsyncConnection[DictRow].connect(
            self.database.conninfo, autocommit=True, row_factory=dict_row
        )

    async def _poll(self, slot: str, log: Connection, reader: Connection) -> None:
        decoder, quiet = Decoder(), 0
        while self._subscribers:
            cursor = await log.execute(_CHANGES, (slot,), binary=True)
            found = await cursor.fetchall()
            decoded = [decoder.decode(bytes(row["data"])) for row in found]
            changes = [change for change in decoded if change and not self._faults.is_lost()]
            if not self._faults.swallow_changes:
                await self._deliver(reader, changes)
            quiet = 0 if found else quiet + 1
            idle = quiet >= _IDLE_AFTER_POLLS
            times = self._times
            await asyncio.sleep(times.idle_poll_seconds if idle else times.poll_seconds)

    async def _deliver(self, reader: Connection, changes: list[Change]) -> None:
        """Tell the changes of one poll, or none of them: the real server asks for all at once."""
        delivery = _Delivery(reader, self._subscribers)
        try:
            for change in changes:
                await delivery.add(change)
        except PollLostError as error:
            _LOG.warning("%d changes were lost for everybody: %s", len(changes), error)
        else:
            delivery.send()


class _Delivery:
    """The changes of one poll; what it has learned of tables is good for that long."""

    def __init__(self, reader: Connection, subscribers: set[Subscriber]) -> None:
        self._reader = reader
        self._subscribers = subscribers
        self._catalog = Catalog(reader)
        self._frames: list[tuple[Subscriber, str]] = []

    def send(self) -> None:
        """Tell those who are still there."""
        for subscriber, payload in self._frames:
            if subscriber in self._subscribers:
                subscriber.deliver_change(payload)

    async def add(self, change: Change) -> None:
        """Note for everybody concerned what to tell; a change that cannot be told is left out.

        Raises:
            PollLostError: a filter or a policy of somebody raised.
        """
        interested = [
            (subscriber, found)
            for subscriber in tuple(self._subscribers)
            if (found := _concerned(subscriber.bindings, change))
        ]
        if not interested:
            return
        try:
            await self._note(change, interested)
        except PollLostError:
            raise
        except Exception:  # whatever is wrong with one row, the next ones must arrive
            if self._reader.closed:
                raise
            _LOG.exception("A change of %s was lost", change.relation.name)

    async def _note(
        self, change: Change, interested: list[tuple[Subscriber, list[Binding]]]
    ) -> None:
        table = await self._catalog.table(change.relation.oid)
        shown = await show(self._reader, change, table)
        filters = {binding.conditions for _, found in interested for binding in found}
        matching = await self._passed(change, table, filters)
        visible: dict[str, bool] = {}
        for subscriber, found in interested:
            selectable = await self._selectable(change, subscriber)
            if selectable is None:
                continue
            told = found
            if not shown.is_refused(selectable):
                told = [binding for binding in found if binding.conditions in matching]
                key = json.dumps(subscriber.claims, sort_keys=True)
                if told and key not in visible:
                    visible[key] = await self._visible(change, table, subscriber.claims)
                if not told or not visible[key]:
                    continue
            for payload in _payloads(shown, told, selectable):
                self._frames.append((subscriber, payload))

    async def _selectable(self, change: Change, subscriber: Subscriber) -> frozenset[str] | None:
        """The columns the bearer may read; None where the role does not exist any more."""
        try:
            role = str(subscriber.claims["role"])
            return await self._catalog.selectable(change.relation.oid, role)
        except psycopg.errors.UndefinedObject:
            return None

    async def _passed(
        self, change: Change, table: Table, filters: set[Conditions]
    ) -> set[Conditions]:
        """The filters that match; one whose column is gone matches nothing."""
        try:
            return await passed(self._reader, change, table, filters)
        except psycopg.Error as error:
            raise self._lost(error, f"A filter on {change.relation.name}") from error

    async def _visible(self, change: Change, table: Table, claims: dict[str, Any]) -> bool:
        """Whether the policies show the row to the bearer."""
        if change.kind == "DELETE" or not table.has_policies:
            return True
        row = change.new or {}
        key = [
            sql.SQL("{} = {}::{}").format(
                sql.Identifier(field.name), sql.Literal(row[field.name]), sql.SQL(field.type)
            )
            for field in table.key
        ]
        query = sql.SQL(_AS_BEARER).format(
            *map(sql.Literal, (_POLICY_TIMEOUT, json.dumps(claims), str(claims["role"]))),
            sql.Identifier(change.relation.schema, change.relation.name),
            sql.SQL(" and ").join(key),
        )
        try:
            # Two statements in one message are one transaction, in which alone the role holds.
            cursor = await self._reader.execute(query, prepare=False)
            cursor.nextset()
            found = await cursor.fetchone()
            return bool(found and found["exists"])
        except psycopg.Error as error:
            raise self._lost(error, f"A policy of {change.relation.name}") from error

    def _lost(self, error: psycopg.Error, culprit: str) -> Exception:
        return error if self._reader.closed else PollLostError(f"{culprit} raised: {error}")


def _concerned(bindings: list[Binding], change: Change) -> list[Binding]:
    return [b for b in bindings if b.concerns(change.relation.oid, change.kind)]


def _payloads(shown: Shown, bindings: list[Binding], selectable: frozenset[str]) -> Iterator[str]:
    """One for each choice of columns among a channel's bindings."""
    for chosen in dict.fromkeys(binding.columns for binding in bindings):
        alike = [binding for binding in bindings if binding.columns == chosen]
        yield shown.payload(alike, selectable, chosen)
