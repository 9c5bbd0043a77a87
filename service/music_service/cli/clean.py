"""`music-service clean`: audio that belongs to no track any more, found and removed."""

from __future__ import annotations

from typing import Annotated

import typer

from music_service.cli.arguments import Json
from music_service.cli.drawing import console
from music_service.cli.output import ExitCode, answer, answer_json, complain, counted
from music_service.cli.project import project
from music_service.cli.signals import run_async
from music_service.settings import ProjectSettings

_MEGABYTE = 1_000_000


def clean(
    *,
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove it; else it is only counted.")
    ] = False,
    json: Json = False,
) -> None:
    """Find audio that belongs to no track any more; with --remove, remove it for good."""
    bucket = ProjectSettings.load().music_bucket
    raise typer.Exit(run_async(_clean(bucket, remove=remove, json=json)))


async def _clean(bucket: str, *, remove: bool, json: bool) -> int:
    found, removed = Tally(), Tally()
    async with project() as opened:
        with console.status("Looking through the bucket ...") as status:
            async for orphans in opened.audio.batches(bucket):
                found.add([orphan.size_bytes for orphan in orphans])
                if remove:
                    gone = await opened.audio.remove(bucket, orphans)
                    removed.add([orphan.size_bytes for orphan in gone])
                status.update(f"{'Removed' if remove else 'Found'} {removed if remove else found}")
    if json:
        answer_json(report(bucket, found, removed))
    else:
        answer(in_words(bucket, found, removed, remove=remove))
    if remove and removed.objects < found.objects:
        complain(f"Left where they are: {counted(found.objects - removed.objects, 'object')}.")
        return ExitCode.FAILED
    return ExitCode.OK


class Tally:
    """So many objects, and their bytes together."""

    def __init__(self) -> None:
        self.objects = 0
        self.size_bytes = 0

    def add(self, sizes_bytes: list[int]) -> None:
        """Count some more."""
        self.objects += len(sizes_bytes)
        self.size_bytes += sum(sizes_bytes)

    def __str__(self) -> str:
        return f"{counted(self.objects, 'object')}, {self.size_bytes / _MEGABYTE:.1f} MB"


def in_words(bucket: str, found: Tally, removed: Tally, *, remove: bool) -> str:
    """What there was and what became of it, as a sentence."""
    if not found.objects:
        return f"nothing in {bucket} is without a track"
    if remove:
        return f"removed {removed} from {bucket}"
    return f"{found} in {bucket} without a track; nothing was removed, --remove does it"


def report(bucket: str, found: Tally, removed: Tally) -> dict[str, object]:
    """The form for scripts."""
    return {
        "bucket": bucket,
        "found": found.objects,
        "found_bytes": found.size_bytes,
        "removed": removed.objects,
        "removed_bytes": removed.size_bytes,
    }
