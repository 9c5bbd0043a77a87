"""What the page of `dev` may ask for, and do to the stack, under `/dev/`.

The answers hold no key but the publishable one. GET changes nothing.
"""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from local_supabase.steering import Answer, Call, CallRefusedError
from music_service.cli.output import say

if TYPE_CHECKING:
    from local_supabase.stack import Stack
    from music_service.cli.dev_worker import DevWorker

_MOST_FAILURES = 100
_OPERATE = """
select
  (select to_jsonb(h) from public.music_queue_health h) as health,
  (select coalesce(jsonb_agg(to_jsonb(r) order by r.since), '[]')
   from public.music_review r) as review,
  (select coalesce(jsonb_agg(to_jsonb(d) order by d.utc_day desc, d.model), '[]')
   from (select * from public.music_spend_daily order by utc_day desc, model limit 14) d) as spend,
  (select coalesce(jsonb_agg(to_jsonb(w) order by w.last_seen_at desc), '[]')
   from music.workers w) as workers,
  (select coalesce(jsonb_agg(to_jsonb(t) order by t.created_at desc, t.id), '[]')
   from (select id, user_id, status, stage, title, prompt, error_code, attempts,
                created_at, updated_at, completed_at
         from public.music_tracks order by created_at desc, id limit 30) t) as tracks
"""


class DevPage:
    """The calls under `/dev/`: `answers` is for `Stack.serve_also`.

    Args:
        stack: the started stack.
        worker: its worker.
        is_simulated: whether the worker uses the stack's simulator, not the real Mureka.
    """

    def __init__(self, stack: Stack, worker: DevWorker, *, is_simulated: bool = True) -> None:
        self._stack = stack
        self._worker = worker
        self._is_simulated = is_simulated
        self._since = time.time()
        self.answers: dict[str, Answer] = {
            "GET /dev/config.json": self._config,
            "GET /dev/state": self._state,
            "GET /dev/operate": self._operate,
            "POST /dev/worker": self._steer_worker,
            "POST /dev/realtime": self._steer_realtime,
            "POST /dev/realtime/cut": self._cut_realtime,
            "POST /dev/provider": self._steer_provider,
        }

    async def _config(self, call: Call) -> dict[str, Any]:
        return {"url": call.origin, "key": self._stack.keys.publishable, "dev": True}

    async def _state(self, _: Call) -> dict[str, Any]:
        return {
            "worker": "running" if self._worker.is_running else "stopped",
            "paid_calls": self._paid_calls() if self._is_simulated else None,
            "realtime": "refused" if self._stack.faults.realtime.refuse_sockets else "on",
        }

    def _paid_calls(self) -> int:
        """How many calls the simulator took money for since the start, in all."""
        return sum(entry["accepted_at"] >= self._since for entry in self._stack.simulator.ledger)

    async def _operate(self, _: Call) -> dict[str, Any]:
        async with self._stack.database.acting_as({"role": "service_role"}) as operator:
            row = await (await operator.execute(_OPERATE)).fetchone()
        assert row is not None  # noqa: S101  it is one row of five values
        return row

    async def _steer_worker(self, call: Call) -> dict[str, Any]:
        if _given(call.body, "running", bool):
            if await self._worker.start():
                say("Another worker was started, as the page asked.")
        elif await self._worker.kill():
            say("The worker was killed, as the page asked.")
        return await self._state(call)

    async def _steer_realtime(self, call: Call) -> dict[str, Any]:
        if _given(call.body, "on", bool):
            self._stack.faults.realtime.refuse_sockets = False
        else:
            self._stack.faults.realtime.shut()
        return await self._state(call)

    async def _cut_realtime(self, call: Call) -> dict[str, Any]:
        self._stack.faults.realtime.drop_all()
        return await self._state(call)

    async def _steer_provider(self, call: Call) -> dict[str, Any]:
        if not self._is_simulated:
            raise CallRefusedError(HTTPStatus.NOT_FOUND, "Nothing steers the real Mureka.")
        times = _given(call.body, "fail_next", int)
        if not 0 <= times <= _MOST_FAILURES:
            message = f"fail_next must be between 0 and {_MOST_FAILURES}."
            raise CallRefusedError(HTTPStatus.BAD_REQUEST, message)
        self._stack.faults.simulator.clear()
        if times:
            self._stack.faults.simulator.plan(on="task", outcome="failed", times=times)
        return await self._state(call)


def _given(body: Any, name: str, kind: type[bool] | type[int]) -> Any:
    """The value of this name in the body; refuses a body that is anything else."""
    value = body.get(name) if isinstance(body, dict) else None
    if type(value) is not kind:  # for Python, true is a number
        example = "true" if kind is bool else "1"
        message = f'The body must be a JSON object like {{"{name}": {example}}}.'
        raise CallRefusedError(HTTPStatus.BAD_REQUEST, message)
    return value
