"""The simulated account: accepted tasks, what became of them, what they cost."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from local_supabase import private

PRICES_CENTS = {"mureka-7.6": 3.0, "mureka-8": 4.5, "mureka-9": 4.5, "mureka-9.5": 15.0}
PRICES_CENTS |= {"auto": 15.0, "mureka-o2": 15.0}
LYRICS_PRICE_CENTS = 0.9
FIRST_BALANCE_CENTS = 100_000.0

# Where each stage ends, in parts of the whole time; streaming lasts to the end.
_STAGES = (("preparing", 0.05), ("queued", 0.15), ("running", 0.5), ("streaming", 1.0))


@dataclass(slots=True)
class SimulatedTask:
    """One accepted task; `seconds` is how long it takes, `outcome` how it ends.

    What it made `lacks` some of what comes with music, and its words are odd in the way `words`
    says; see the faults. A call for lyrics is one of the kind `lyrics`, which ends at once.
    """

    id: str
    kind: str
    body: dict[str, Any]
    price_cents: float
    accepted_at: float
    seconds: float
    music_seconds: float
    outcome: str | None = None
    reason: str | None = None
    trace_id: str = ""
    lacks: list[str] = field(default_factory=list)
    words: str | None = None

    @property
    def prompt(self) -> str:
        """What was asked for."""
        return str(self.body.get("prompt") or "")

    @property
    def finished_at(self) -> float:
        """When it ends, in unix seconds."""
        return self.accepted_at + self.seconds

    def status(self, now: float) -> str:
        """The stage at a moment."""
        if now >= self.finished_at and self.outcome != "stuck":
            return self.outcome if self.outcome not in (None, "no_choices") else "succeeded"
        passed = (now - self.accepted_at) / self.seconds if self.seconds else 0
        stage = next((name for name, end in _STAGES if passed < end), "running")
        return stage if stage != "streaming" or self.body.get("stream") else "running"


@dataclass
class Account:
    """All tasks, kept in a file where one is given.

    Args:
        path: a JSON line is added for each task; None keeps them in memory.
    """

    path: Path | None = None
    concurrent_request_limit: int = 25
    tasks: dict[str, SimulatedTask] = field(default_factory=dict)
    # From the clock, so that a new account gives no id again that a project knows.
    _next_number: int = field(default_factory=lambda: int(time.time() * 1000))

    def __post_init__(self) -> None:
        if self.path is None or not self.path.exists():
            return
        for line in self.path.read_text().splitlines():
            try:
                task = SimulatedTask(**json.loads(line))
            except (ValueError, TypeError):
                continue  # the last line of a killed simulator may be half a line
            self.tasks[task.id] = task
            self._next_number = max(self._next_number, int(task.id) + 1)

    @property
    def spent_cents(self) -> float:
        """What all tasks cost."""
        return sum(task.price_cents for task in self.tasks.values())

    @property
    def balance_cents(self) -> float:
        """What is left to spend."""
        return FIRST_BALANCE_CENTS - self.spent_cents

    def running(self) -> int:
        """How many tasks are not finished."""
        now = time.time()
        return sum(
            now < task.finished_at or task.outcome == "stuck" for task in self.tasks.values()
        )

    def accept(
        self,
        kind: str,
        body: dict[str, Any],
        *,
        seconds: float,
        music_seconds: float,
        trace_id: str,
        **fault: Any,
    ) -> SimulatedTask:
        """Accept a task: from now on it is billed; `fault` has the fields that spoil it."""
        task = SimulatedTask(
            id=str(self._next_number),
            kind=kind,
            body=body,
            price_cents=_price_cents(kind, body),
            accepted_at=time.time(),
            seconds=seconds,
            music_seconds=music_seconds,
            trace_id=trace_id,
            **fault,
        )
        self._next_number += 1
        self.tasks[task.id] = task
        if self.path is not None:
            private.directory(self.path.parent)
            with private.opened(self.path, "ab") as file:
                file.write(f"{json.dumps(asdict(task))}\n".encode())
        return task

    def ledger(self) -> list[dict[str, Any]]:
        """Every task that was accepted, the oldest first."""
        return [
            {
                "task_id": task.id,
                "kind": task.kind,
                "model": task.body.get("model"),
                "prompt": task.prompt,
                "price_cents": task.price_cents,
                "accepted_at": task.accepted_at,
            }
            for task in self.tasks.values()
        ]

    def forget(self) -> None:
        """An account without tasks."""
        self.tasks.clear()
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def _price_cents(kind: str, body: dict[str, Any]) -> float:
    if kind == "lyrics":
        return LYRICS_PRICE_CENTS
    return PRICES_CENTS[body["model"]] * int(body.get("n", 2))
