"""The storage API in a process of its own, for tests that kill it.

python -m tests.support.storage_server DATA_DIR CONNINFO PORT
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from local_supabase.context import Context
from local_supabase.database import Database
from local_supabase.keys import Keys
from local_supabase.ports import HOST
from local_supabase.storage import StorageApi
from tests.support.apis import served


async def main(data_dir: Path, conninfo: str, port: int) -> None:
    """Serve until killed; says `ready` on standard output."""
    database = Database(conninfo)
    await database.open()
    keys = Keys.load_or_create(data_dir / "keys.json")
    url = f"http://{HOST}:{port}"
    context = Context(database, keys, data_dir, url, postgrest_url="")
    async with served(StorageApi(context), url):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
