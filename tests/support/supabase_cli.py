"""The real Supabase CLI, as `tests/node` locks it."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from tests.support.node import installed_node
from tests.support.programs import Said
from tests.support.project import ROOT

FOLDER = ROOT / "tests" / "node"
_PROGRAM = FOLDER / "node_modules" / "supabase" / "dist" / "supabase.js"
_THEIRS = ("SUPABASE_", "PG", "NO_COLOR")


@dataclass(frozen=True)
class SupabaseCli:
    """Runs commands in a folder, with nobody to answer its questions and nobody told of it."""

    node: str
    home: Path

    async def run(self, *arguments: str, folder: Path | None = None, **changes: str) -> Said:
        """Run a command; `folder` is the app's, which has `supabase/`."""
        own = {name: value for name, value in os.environ.items() if not name.startswith(_THEIRS)}
        own |= {"HOME": str(self.home), "DO_NOT_TRACK": "1", "SUPABASE_TELEMETRY_DISABLED": "1"}
        own["PGSSLMODE"] = "disable"  # else it says on stdout that there is no TLS on this machine
        own |= changes
        process = await asyncio.create_subprocess_exec(
            *(self.node, str(_PROGRAM), "--agent=no", *arguments),
            cwd=folder or self.home,
            env=own,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        return Said(process.returncode, out.decode(), err.decode())


async def installed_cli(home: Path) -> SupabaseCli:
    """The CLI, installed if it is not yet; `home` is where it keeps what it remembers."""
    return SupabaseCli(await installed_node(FOLDER), home)
