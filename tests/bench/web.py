"""What following a track asks of the project: the package for front ends, and polling before it.

    scripts/bench web

Both follow a track that is made in 45 seconds, and one that waits for a minute, one after the
other. Writes the table into `web/music/README.md`, too; takes four minutes.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

from local_supabase.ports import Ports
from local_supabase.stack import Stack
from tests.support.control import control_of
from tests.support.node import installed_node
from tests.support.project import ROOT, WEB

PROGRAM = WEB / "music" / "test" / "node" / "requests.ts"


async def main() -> None:
    """Bundle the program, since Node.js before 22 reads no TypeScript, and run it."""
    node = await installed_node()
    bundled = PROGRAM.with_suffix(".bundled.mjs")
    esbuild = str(WEB / "node_modules" / "esbuild" / "bin" / "esbuild")
    options = (
        "--bundle",
        "--packages=external",
        "--platform=node",
        "--format=esm",
        "--log-level=warning",
    )
    try:
        await _run(esbuild, str(PROGRAM), *options, f"--outfile={bundled}")
        with tempfile.TemporaryDirectory(prefix="music-bench-") as folder:
            Path(folder).chmod(0o755)
            async with (
                Stack(Path(folder), Ports.free(), project_dir=ROOT) as stack,
                control_of(stack) as url,
            ):
                steered = stack.environment() | {"STACK_CONTROL_URL": url}
                await _run(node, str(bundled), **steered)
    finally:
        bundled.unlink(missing_ok=True)


async def _run(*command: str, **environment: str) -> None:
    process = await asyncio.create_subprocess_exec(*command, env=os.environ | environment)
    if await process.wait():
        raise SystemExit(1)


if __name__ == "__main__":
    asyncio.run(main())
