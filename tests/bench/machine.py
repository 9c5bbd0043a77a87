"""What a measurement was made on, without the name of anything that is somebody's own."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from local_supabase.stack import Stack

PACKAGES = ("music-service", "procrastinate", "pgqueuer")


async def facts(stack: Stack) -> dict[str, Any]:
    """Cores, processor, memory, system and versions."""
    async with stack.database.administrator() as connection:
        row = await (await connection.execute("show server_version")).fetchone()
    assert row is not None
    return {
        "cores": os.cpu_count(),
        "processor": _of_file("/proc/cpuinfo", "model name") or platform.processor(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "postgres": str(row["server_version"]).split()[0],
        "versions": {name: version(name) for name in PACKAGES},
    }


def _of_file(path: str, key: str) -> str | None:
    """The first `key : value` of a file of the kernel's."""
    if not Path(path).exists():
        return None
    for line in Path(path).read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return None
