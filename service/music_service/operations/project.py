"""A project as people at the command line use it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from music_service.operations.audio import OrphanedAudio
from music_service.operations.queue import QueueOperations
from music_service.operations.tracks import TrackTable
from music_service.store.client import ProjectClient, connect


@dataclass(frozen=True, slots=True)
class Project:
    """What can be done to a project, over one connection."""

    client: ProjectClient
    tracks: TrackTable
    queue: QueueOperations
    audio: OrphanedAudio


@asynccontextmanager
async def connect_project(url: str, secret_key: str) -> AsyncIterator[Project]:
    """A project with the service's rights; nothing is sent yet.

    Raises:
        ConfigurationError: the URL is malformed.
    """
    async with connect(url, secret_key) as client:
        yield Project(client, TrackTable(client), QueueOperations(client), OrphanedAudio(client))
