"""A channel of Realtime: it ends once, for a reason, and tells it to everybody who waits."""

from __future__ import annotations

import pytest

from music_service.errors import TransientError
from music_service.store.realtime import Channel

KEY = "sb_secret_hidden"


def a_channel() -> Channel:
    return Channel("http://127.0.0.1:9", KEY, "music:pending", private=True)


async def test_who_waits_for_a_channel_hears_why_it_ended() -> None:
    channel = a_channel()
    channel.end("the server closed it")
    for waiting in (channel.wait_joined(), channel.wait_subscribed()):
        with pytest.raises(TransientError, match=r"^the server closed it$"):
            await waiting
    assert await channel.wait_ended() == "the server closed it"


async def test_the_first_reason_for_the_end_counts() -> None:
    channel = a_channel()
    channel.end("it was silent")
    channel.end("closed")
    assert await channel.wait_ended() == "it was silent"


@pytest.mark.parametrize(
    ("reason", "refused"),
    [
        ("Unauthorized: You do not have permissions to read from this Channel", True),
        ("PrivateOnly: This project only allows private channels", True),
        ("TIMED_OUT", False),
    ],
)
async def test_a_refusal_is_told_from_other_ends(reason: str, *, refused: bool) -> None:
    channel = a_channel()
    assert not channel.was_refused
    channel.end(reason)
    assert channel.was_refused is refused


async def test_the_key_is_in_no_reason() -> None:
    channel = a_channel()
    channel.end(f"cannot open ws://project/websocket?apikey={KEY}")
    assert KEY not in await channel.wait_ended()


async def test_a_socket_that_cannot_be_opened_is_an_error_without_the_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(address: str, **_: object) -> None:
        raise OSError(f"no way to {address}")

    monkeypatch.setattr("realtime._async.client.connect", fail)
    channel = a_channel()
    with pytest.raises(TransientError, match="no way to ws://") as failed:
        async with channel.opened():
            pass
    assert KEY not in str(failed.value)
    assert await channel.wait_ended() == "closed"
