"""What the simulated Mureka does wrong.

A fault is met by the next `times` calls of its kind whose prompt contains `match`:

    on       what goes wrong
    submit   `status`, `message` and `retry_after` refuse the call, `drop: before` loses it,
    poll     `drop: after` loses its answer (a submit is accepted and billed), `delay_seconds`
    billing  makes it slow, `garbage` answers 200 with what is no JSON
    lyrics   the same; or `lyrics`: empty, too_long
    task     the accepted task ends as `outcome`: failed, timeouted, cancelled, no_choices, stuck;
             what it made `lacks` its words, song_id, wav or flac; its `words` have times that make
             no sense: out_of_order, beyond_the_end, wrong_types
    audio    the MP3 is as `audio` says: truncated, not_audio, tiny; or `status`
    wav      the same of the WAV
    flac     the same of the FLAC
"""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, PlainTextResponse, Response

from local_supabase.faults.responses import CutResponse

Place = Literal["submit", "poll", "billing", "lyrics", "task", "audio", "wav", "flac"]
OddWords = Literal["out_of_order", "beyond_the_end", "wrong_types"]


class Fault(BaseModel):
    """One planned fault; see the module."""

    model_config = ConfigDict(extra="forbid")

    on: Place
    times: int = Field(default=1, ge=1)
    match: str = ""
    status: int | None = None
    message: str = "Something went wrong"
    retry_after: str | None = None
    drop: Literal["before", "after"] | None = None
    delay_seconds: float = 0
    garbage: bool = False
    outcome: Literal["failed", "timeouted", "cancelled", "no_choices", "stuck"] | None = None
    reason: str = "The model could not make music of this."
    lacks: list[Literal["words", "song_id", "wav", "flac"]] = Field(default_factory=list)
    words: OddWords | None = None
    lyrics: Literal["empty", "too_long"] | None = None
    audio: Literal["truncated", "not_audio", "tiny"] | None = None

    async def before(self, trace_id: str) -> Response | None:
        """Delay the call, and answer it where it is not to reach the account."""
        await asyncio.sleep(self.delay_seconds)
        if self.drop == "before":
            return CutResponse()
        if self.status is not None:
            headers = {} if self.retry_after is None else {"retry-after": self.retry_after}
            return refusal(self.status, self.message, trace_id, headers)
        return None

    def of_task(self) -> dict[str, Any]:
        """What is wrong with an accepted task, as its fields."""
        reason = self.reason if self.outcome else None
        wrong = {"outcome": self.outcome, "reason": reason, "words": self.words}
        return wrong | {"lacks": list(self.lacks)}

    def spoil_lyrics(self, said: dict[str, Any]) -> dict[str, Any]:
        """What is said instead of a title and lyrics; anything else stays as it is."""
        if self.lyrics == "empty":
            return {name: value for name, value in said.items() if name == "trace_id"}
        if self.lyrics == "too_long":
            return said | {"lyrics": "\n".join([said["lyrics"]] * 100)}
        return said

    def after(self, answer: Response) -> Response:
        """What the caller gets instead of the true answer."""
        if self.drop == "after":
            return CutResponse()
        return PlainTextResponse("<html>gateway</html>") if self.garbage else answer


class SimulatorFaults:
    """The faults that have not been met yet."""

    def __init__(self) -> None:
        self._planned: list[Fault] = []

    def plan(self, **fields: Any) -> None:
        """Let the next fitting calls meet a fault; the arguments are the fields of `Fault`."""
        self.add(Fault(**fields))

    def add(self, fault: Fault) -> None:
        """Let the next fitting calls meet this fault."""
        self._planned.append(fault.model_copy())

    def clear(self) -> None:
        """Plan nothing any more."""
        self._planned.clear()

    def meet(self, place: Place, prompt: str = "") -> Fault | None:
        """The fault that a call meets, if any; it is used up."""
        for fault in self._planned:
            if fault.on == place and fault.match in prompt:
                fault.times -= 1
                if fault.times == 0:
                    self._planned.remove(fault)
                return fault
        return None


def refusal(
    status: int, message: str, trace_id: str, headers: dict[str, str] | None = None
) -> Response:
    """An error as Mureka words it."""
    return JSONResponse(
        {"error": {"message": message}, "trace_id": trace_id}, status, headers=headers
    )
