"""A task as Mureka shows it: zero and empty values are left out."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from local_supabase.simulator.music import beat_seconds_of
from local_supabase.simulator.tasks import SimulatedTask
from local_supabase.simulator.words import sections_of_song, sections_without_words


def shown(
    task: SimulatedTask, now: float, *, root: str = "", trace_id: str | None = None
) -> dict[str, Any]:
    """The task at a moment; with the `root` of its addresses where it may have choices."""
    status = task.status(now)
    told: dict[str, Any] = {
        "id": task.id,
        "created_at": int(task.accepted_at),
        "model": task.body["model"],
        "status": status,
        "trace_id": trace_id or task.trace_id,
    }
    if status in ("succeeded", "failed", "timeouted", "cancelled"):
        told["finished_at"] = int(task.finished_at)
    if status not in ("succeeded", "streaming") and task.reason and "finished_at" in told:
        told["failed_reason"] = task.reason
    if status == "streaming" and root:
        told["choices"] = [{"id": f"{task.id}1", "stream_url": f"{root}/stream/{task.id}.mp3"}]
    if status == "succeeded" and root and task.outcome != "no_choices":
        count = int(task.body.get("n", 2))
        told["choices"] = [_choice(task, index, root) for index in range(count)]
    return told


def _choice(task: SimulatedTask, index: int, root: str) -> dict[str, Any]:
    choice = {
        "index": index,
        "id": f"{task.id}{index + 1}",
        "duration": round(task.music_seconds * 1000),
        "url": f"{root}/audio/{task.id}.mp3",
        "flac_url": f"{root}/audio/{task.id}.flac",
        "wav_url": f"{root}/audio/{task.id}.wav",
        "lyrics_sections": _words(task),
    }
    fields = {"words": "lyrics_sections", "song_id": "id", "wav": "wav_url", "flac": "flac_url"}
    for lacking in task.lacks:
        del choice[fields[lacking]]
    return {name: value for name, value in choice.items() if value}


def _words(task: SimulatedTask) -> list[Any]:
    lyrics = str(task.body.get("lyrics") or "") if task.kind == "song" else ""
    sections = _sections(task.prompt, lyrics, task.music_seconds)
    if task.words is None:
        return sections
    return [_odd(section, task.words, task.music_seconds) for section in sections]


@lru_cache(maxsize=64)
def _sections(prompt: str, lyrics: str, seconds: float) -> list[Any]:
    beat_seconds = beat_seconds_of(prompt)
    if not lyrics:
        return sections_without_words(beat_seconds=beat_seconds, seconds=seconds)
    return sections_of_song(lyrics, beat_seconds=beat_seconds, seconds=seconds)


def _odd(part: dict[str, Any], how: str, seconds: float) -> dict[str, Any]:
    """A section, line or word with times that make no sense, and all that is in it."""
    start, end = part.get("start", 0), part.get("end", 0)
    if how == "out_of_order":
        times: dict[str, Any] = {"start": end, "end": start}
    elif how == "beyond_the_end":
        beyond = round(seconds * 1000)
        times = {"start": start + beyond, "end": end + beyond}
    else:
        times = {"start": f"{start} ms", "end": [end]}
    within = {
        name: [_odd(each, how, seconds) for each in part[name]]
        for name in ("lines", "words")
        if name in part
    }
    return part | times | within
