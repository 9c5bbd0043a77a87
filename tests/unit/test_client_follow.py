"""How often tracks are read, and how a channel is made again and again, in virtual time."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from music_service.client.access import Access
from music_service.client.follow import follow_tracks
from music_service.errors import TransientError
from tests.support.clock import now, settled

ID = "00000000-0000-4000-8000-00000000000a"


class FakeChannel:
    """A channel of Realtime as `Project` wants it to be."""

    def __init__(self, project: Project, topic: str, token: str | None, *, private: bool) -> None:
        self.topic, self.token, self.private = topic, token, private
        self.made_at = now()
        self.was_refused = self.cannot_follow = False
        self.broadcast: Callable[[dict[str, Any]], None] | None = None
        self._project = project
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._when_subscribed: list[Callable[[], object]] = []

    def hear_broadcasts(self, _: str, heard: Callable[[dict[str, Any]], None]) -> None:
        self.broadcast = heard

    def hear_changes(self, *_: Any, **__: Any) -> None:
        pass

    def hear_subscribed(self, heard: Callable[[], object]) -> None:
        self._when_subscribed.append(heard)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        if self._project.is_refusing:
            raise TransientError("refused")
        self.was_refused = self.private and self._project.refuses_private
        if self.was_refused:
            self.end("Unauthorized")
        yield

    async def wait_joined(self) -> None:
        if self._ended.done():
            raise TransientError("ended")

    async def wait_subscribed(self) -> None:
        await self.wait_joined()
        for heard in self._when_subscribed:
            heard()

    async def wait_ended(self) -> str:
        return await asyncio.shield(self._ended)

    def end(self, reason: str) -> None:
        if not self._ended.done():
            self._ended.set_result(reason)


class Project:
    """One row, what reads of it there were, and the channels that were made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.row = {"id": ID, "user_id": "u", "status": "pending", "updated_at": at(0)}
        self.reads: list[float] = []
        self.channels: list[FakeChannel] = []
        self.tokens = 0
        self.is_refusing = self.refuses_private = self.is_away = False
        monkeypatch.setattr("music_service.client.hearing.Channel", self._channel)
        self.seen: list[str] = []

    def _channel(self, _: str, __: str, topic: str, **options: Any) -> FakeChannel:
        token, private = options["access_token"], options["private"]
        self.channels.append(FakeChannel(self, topic, token, private=private))
        return self.channels[-1]

    def table(self, _: str) -> Project:
        return self

    def select(self, _: str) -> Project:
        return self

    def in_(self, *_: Any) -> Project:
        return self

    async def execute(self) -> Any:
        self.reads.append(now())
        if self.is_away:
            return SimpleNamespace(data="<html>")
        return SimpleNamespace(data=[self.row])

    async def access(self) -> Access:
        self.tokens += 1
        return Access("http://project", "key", f"token {self.tokens}", "u")

    def change(self, second: int, **columns: Any) -> None:
        self.row = self.row | columns | {"updated_at": at(second)}

    async def follow(self) -> None:
        async for row in follow_tracks(self.table, self.access, [ID]):
            self.seen.append(row["status"])

    @asynccontextmanager
    async def followed(self) -> AsyncIterator[asyncio.Task[None]]:
        following = asyncio.create_task(self.follow())
        await asyncio.sleep(1)
        try:
            yield following
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    def reads_since(self, began_at: float) -> int:
        return len([read for read in self.reads if read > began_at])


def at(second: int) -> str:
    return f"2026-11-26T10:00:{second:02}+00:00"


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(monkeypatch)


async def test_while_live_a_quiet_minute_has_at_most_two_reads(project: Project) -> None:
    async with project.followed():
        await asyncio.sleep(600)
    for minute in range(10):
        began_at = 1 + minute * 60
        count = len([read for read in project.reads if began_at < read <= began_at + 60])
        assert count <= 2
    assert len(project.channels) == 1, "one channel, for as long as it hears"
    assert project.channels[0].topic == "music:u"


async def test_while_not_live_it_is_read_each_three_seconds(project: Project) -> None:
    project.is_refusing = True
    async with project.followed():
        began_at = now()
        await asyncio.sleep(60)
        assert 19 <= project.reads_since(began_at) <= 21


async def test_an_event_leads_to_one_read_and_is_never_the_row_itself(project: Project) -> None:
    async with project.followed() as following:
        heard = project.channels[0].broadcast
        assert heard is not None
        began_at = now()
        heard({"id": ID, "status": "completed", "updated_at": at(9)})
        await asyncio.sleep(1)
        assert project.reads_since(began_at) == 1
        assert project.seen == ["pending"], "an event that nobody reads confirmed is no change"
        project.change(5, status="completed")
        heard({"id": ID, "updated_at": at(5)})
        await following
    assert project.seen == ["pending", "completed"]


async def test_events_of_what_is_known_or_of_other_tracks_lead_to_no_read(
    project: Project,
) -> None:
    async with project.followed():
        heard = project.channels[0].broadcast
        assert heard is not None
        began_at = now()
        heard({"id": ID, "updated_at": at(0)})
        heard({"id": "another", "updated_at": at(9)})
        await asyncio.sleep(30)
        assert project.reads_since(began_at) == 0


async def test_many_events_at_once_are_one_read(project: Project) -> None:
    async with project.followed():
        heard = project.channels[0].broadcast
        assert heard is not None
        began_at = now()
        for second in range(1, 50):
            project.change(second)
            heard({"id": ID, "updated_at": at(second)})
        await asyncio.sleep(30)
        assert project.reads_since(began_at) == 1


async def test_a_channel_that_ends_is_made_again_with_the_token_of_that_moment(
    project: Project,
) -> None:
    async with project.followed():
        for count in range(1, 6):
            assert len(project.channels) == count
            reads = len(project.reads)
            project.channels[-1].end("Token has expired")
            await asyncio.sleep(10)
            assert len(project.reads) > reads, "a rejoin leads to a read"
    tokens = [channel.token for channel in project.channels]
    assert len(set(tokens)) == len(tokens)


async def test_pauses_grow_to_a_limit_and_it_never_gives_up(project: Project) -> None:
    project.is_refusing = True
    async with project.followed():
        await asyncio.sleep(3600)
        made = [channel.made_at for channel in project.channels]
        pauses = [later - earlier for earlier, later in itertools.pairwise(made)]
        assert pauses[0] <= 1
        assert max(pauses) <= 30
        assert min(pauses[10:]) >= 15
        assert len(set(pauses)) == len(pauses), "they are drawn at random"
        project.is_refusing = False
        await asyncio.sleep(60)
        began_at = now()
        await asyncio.sleep(60)
        assert project.reads_since(began_at) <= 2, "it is live"


async def test_a_refused_private_channel_is_followed_by_a_public_one_at_once(
    project: Project,
) -> None:
    project.refuses_private = True
    async with project.followed():
        private, public = project.channels
        assert (private.private, public.private) == (True, False)
        assert public.made_at == private.made_at
        assert public.broadcast is None


async def test_what_the_clock_finds_and_no_event_told_of_is_seen_and_the_channel_doubted(
    project: Project,
) -> None:
    async with project.followed():
        project.change(5, status="generating")
        await asyncio.sleep(61)
        assert project.seen == ["pending", "generating"]
        await asyncio.sleep(2)
        assert len(project.channels) == 2


async def test_while_the_project_is_away_it_is_asked_each_three_seconds_and_then_heard_again(
    project: Project,
) -> None:
    async with project.followed():
        project.is_away = True
        heard = project.channels[0].broadcast
        assert heard is not None
        heard({"id": ID, "updated_at": at(3)})
        await asyncio.sleep(1)
        began_at = now()
        await asyncio.sleep(30)
        assert 9 <= project.reads_since(began_at) <= 11
        project.is_away = False
        await asyncio.sleep(10)
        assert len(project.channels) == 2, "it may have given up on the database, silently"
        assert project.seen == ["pending"]


async def test_an_unknown_status_is_passed_on_and_followed_further(project: Project) -> None:
    project.change(1, status="mastering")
    async with project.followed() as following:
        assert project.seen == ["mastering"]
        project.change(2, status="completed")
        project.channels[0].end("closed")
        await following
    assert project.seen == ["mastering", "completed"]


async def test_the_time_that_the_reader_takes_for_a_row_counts(project: Project) -> None:
    rows = follow_tracks(project.table, project.access, [ID], timeout=10)
    await anext(rows)
    await asyncio.sleep(20)
    with pytest.raises(TimeoutError, match="within 10 s"):
        await anext(rows)
    await settled()
    assert len(asyncio.all_tasks()) == 1


async def test_a_row_that_has_ended_needs_no_channel(project: Project) -> None:
    project.change(1, status="error")
    await project.follow()
    assert project.seen == ["error"]
    assert (len(project.reads), project.channels) == (1, [])
