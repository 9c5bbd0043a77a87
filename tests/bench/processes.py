"""Processor time and memory of processes, as Linux tells it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """The processor time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory_mb(pid: int) -> float:
    """What a process holds in memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise LookupError(pid)


def cpu_by_part(workers: Iterable[int]) -> dict[str, float]:
    """Processor time so far of `workers`, `Postgres`, `PostgREST` and `the stand-in`, our own.

    That of connections that have ended meanwhile is with the Postgres that started them.
    """
    own = os.times()
    spent = dict.fromkeys(("workers", *_PARTS.values()), 0.0)
    spent["the stand-in"] = own.user + own.system
    known = set(workers)
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            stat = (entry / "stat").read_text()
        except OSError:
            continue  # it has ended
        name = stat.partition("(")[2].rpartition(")")[0]
        fields = stat.rpartition(")")[2].split()
        seconds = sum(int(field) for field in fields[11:15]) / _TICKS
        if int(entry.name) in known:
            spent["workers"] += seconds
        elif name in _PARTS and _is_below(int(fields[1])):
            spent[_PARTS[name]] += seconds
    return spent


_PARTS = {"postgres": "Postgres", "postgrest": "PostgREST"}


def _is_below(pid: int) -> bool:
    """Whether a process is of ours, or started by one of ours."""
    while pid > 1:
        if pid == os.getpid():
            return True
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return False
        pid = int(stat.rpartition(")")[2].split()[1])
    return False
