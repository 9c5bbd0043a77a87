"""What was asked of the fakes, in order; a test can hold a step, make it fail, and wait for it."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Call:
    """One thing that was asked of a fake; `at` is in seconds of the loop's time."""

    step: str
    at: float
    arguments: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.arguments[name]
        except KeyError:
            raise AttributeError(name) from None


class Journal:
    """What was asked, and what is to happen at which step."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._held: dict[str, asyncio.Event] = {}
        self._errors: defaultdict[str, deque[BaseException | None]] = defaultdict(deque)
        self._broken: dict[str, BaseException] = {}
        self._written = asyncio.Event()

    def hold(self, step: str) -> asyncio.Event:
        """Every call of this step waits until the event is set."""
        return self._held.setdefault(step, asyncio.Event())

    def fail(self, step: str, *errors: BaseException | None) -> None:
        """The next calls of this step fail, one for each error; None lets one succeed."""
        self._errors[step].extend(errors)

    def break_down(self, step: str, error: BaseException) -> None:
        """Every call of this step fails, until it is repaired."""
        self._broken[step] = error

    def repair(self, step: str) -> None:
        """The step works again."""
        self._broken.pop(step, None)

    def steps(self, *only: str) -> list[str]:
        """The names of what was asked, in order; of all steps, or of these."""
        return [call.step for call in self.calls if not only or call.step in only]

    def of(self, step: str) -> list[Call]:
        """Every call of one step."""
        return [call for call in self.calls if call.step == step]

    async def reached(self, step: str, times: int = 1) -> Call:
        """Wait until a step has been asked for so often; answers that call."""
        while len(self.of(step)) < times:
            self._written.clear()
            await self._written.wait()
        return self.of(step)[times - 1]

    async def take(self, step: str, **arguments: Any) -> None:
        """Write the call down, wait where it is held, fail where it is to fail."""
        self.calls.append(Call(step, asyncio.get_running_loop().time(), arguments))
        self._written.set()
        if step in self._held:
            await self._held[step].wait()
        if self._errors[step]:
            error = self._errors[step].popleft()
            if error is not None:
                raise error
            return
        if step in self._broken:
            raise self._broken[step]
