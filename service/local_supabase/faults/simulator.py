"""What the simulated Mureka does wrong.

A fault is met by the next `times` calls of its kind whose prompt contains `match`:

    on       what goes wrong
    submit   `status`, `message` and `retry_after` refuse the call, `drop: before` loses it,
    poll     `drop: after` loses its answer (a submit is accepted and billed), `delay_seconds`
    billing  makes it slow, `garbage` answers 200 with what is no JSON
    task     the accepted task ends as `outcome`: failed, timeouted, cancelled, no_choices, stuck
    audio    `audio`: truncated, not_audio, tiny; or `status`
"""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, PlainTextResponse, Response

from local_supabase.faults.responses import CutResponse

Place = Literal["submit", "poll", "billing", "task", "audio"]


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
