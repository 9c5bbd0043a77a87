"""The code in the documents does what they say.

README.md          the `ts` block is a program that makes a track, the `tsx` block compiles
docs/clients.md    each `ts`, `js` and `python` block is such a program where the comment before it
                   is `<!-- run: program -->`; else it runs as a signed-in user, with `supabase`
                   and `id` given
docs/recipes/      each block is a file of an app, which `test_web_package.py` (that of Next.js) and
                   `test_web_recipes.py` (the others) build and use
docs/other-clients.md
                   Dart, Swift and what needs `pg_net` are marked `<!-- not run -->`; the others
                   are the push that `test_push_recipe.py` runs
docs/alarms.md     each `sql` block is run by `tests/sql/test_alarms.py`
docs/operating.md  each `sql` block runs as an operator, with the placeholder id replaced; so do
                   those of docs/existing-apps.md, docs/agents.md and of the skill

The comment before a block of the latter two says what it runs on and what comes of it:
`<!-- run: track=error then=pending -->`, or `<!-- run: no track -->`.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import textwrap
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

import httpx
import psycopg
import pytest

from local_supabase.stack import Stack
from tests.support.apps import program
from tests.support.node import built
from tests.support.node import run as run_node
from tests.support.project import ROOT, WEB, Connection, SignedIn
from tests.support.recipes import PUSH_PAGE, RECIPES, blocks_of_other_clients, files_of

PLACEHOLDER = "00000000-0000-0000-0000-000000000000"

# Node before 22 has no WebSocket of its own; timers of the client would keep the program alive.
RUN_JS = """
import ws from 'ws'
globalThis.WebSocket ??= ws
await import('./snippet.mjs')
process.exit(0)
"""
WITHOUT_TYPES = """
const { readFileSync, writeFileSync } = require('node:fs')
const { code } = require('esbuild').transformSync(readFileSync('snippet.mjs', 'utf8'), {
  loader: 'ts',
})
writeFileSync('snippet.mjs', code)
"""
STRICT = """{"compilerOptions": {
  "strict": true, "noUncheckedIndexedAccess": true, "exactOptionalPropertyTypes": true,
  "target": "ES2022", "module": "NodeNext", "lib": ["ES2023", "DOM"], "jsx": "react-jsx",
  "types": ["node"], "skipLibCheck": true, "noEmit": true
}}"""
SIGNED_IN_JS = """
import { createClient } from '@supabase/supabase-js'
const id = process.env.TRACK_ID
const supabase = createClient(process.env.SUPABASE_URL, process.env.SUPABASE_PUBLISHABLE_KEY)
await supabase.auth.signInWithPassword({ email: process.env.EMAIL, password: process.env.PASSWORD })
"""
SIGNED_IN_PYTHON = """
import asyncio, os
from supabase import acreate_client

async def main():
    id = os.environ["TRACK_ID"]
    supabase = await acreate_client(
        os.environ["SUPABASE_URL"], os.environ["SUPABASE_PUBLISHABLE_KEY"]
    )
    await supabase.auth.sign_in_with_password(
        {{"email": os.environ["EMAIL"], "password": os.environ["PASSWORD"]}}
    )
{body}

asyncio.run(main())
"""


@dataclass(frozen=True)
class Snippet:
    """A block of code; `track` is the state it needs, `then` the status it leaves."""

    page: str
    line: int
    language: str
    code: str
    is_marked: bool
    is_program: bool
    track: str | None
    then: str | None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def snippets(page: str, *languages: str) -> list[Snippet]:
    text = (ROOT / page).read_text()
    block = re.compile(
        r"(?:^<!-- run: (?:program|no track|track=(\w+)(?: then=(\w+))?) -->\n)?"
        r"^```(\w+)\n(.*?)^```$",
        re.MULTILINE | re.DOTALL,
    )
    return [
        Snippet(
            page=page,
            line=text[: found.start(3)].count("\n") + 1,
            language=found[3],
            code=found[4],
            is_marked=found[0].startswith("<!--"),
            is_program=page == "README.md" or found[0].startswith("<!-- run: program"),
            track=found[1],
            then=found[2],
        )
        for found in block.finditer(text)
        if found[3] in languages
    ]


README = snippets("README.md", "ts", "tsx")
CLIENTS = snippets("docs/clients.md", "ts", "js", "python")
TYPED = [snippet for snippet in README + CLIENTS if snippet.language in ("ts", "tsx")]
PROGRAMS = [
    snippet for snippet in README + CLIENTS if snippet.is_program and snippet.language != "tsx"
]
EXAMPLES = [snippet for snippet in CLIENTS if not snippet.is_program]
EXISTING = snippets("docs/existing-apps.md", "sql")
AGENTS = snippets("docs/agents.md", "sql")
SKILL = snippets("docs/skills/music-service/SKILL.md", "sql")
SQL_OF_OPERATING = snippets("docs/operating.md", "sql")
OPERATING = SQL_OF_OPERATING + EXISTING + AGENTS + SKILL


def test_each_block_of_the_documents_is_run_or_marked_as_not_to_be() -> None:
    assert [snippet.language for snippet in PROGRAMS] == ["ts", "ts", "python", "python"]
    assert len(EXAMPLES) >= 5
    assert len(OPERATING) >= 20
    assert [str(snippet) for snippet in CLIENTS + OPERATING if not snippet.is_marked] == []
    tested = {
        "README.md": README,
        "docs/clients.md": CLIENTS,
        "docs/operating.md": SQL_OF_OPERATING,
        "docs/existing-apps.md": EXISTING,
        "docs/alarms.md": snippets("docs/alarms.md", "sql", "json"),
        "docs/agents.md": AGENTS,
        "docs/skills/music-service/SKILL.md": SKILL,
    }
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        page = str(path.relative_to(ROOT))
        languages = re.findall(r"^ *```(\w*)\n", path.read_text(), re.MULTILINE)
        others = [name for name in languages if name not in ("", "text", "console", "mermaid")]
        if page == PUSH_PAGE:
            marks = [mark for mark, _ in blocks_of_other_clients()]
            assert marks == ["not run", "not run", "table", "function", "not run"]
            assert len(others) == 5
        elif path.parent == RECIPES:
            assert others == [file.language for file in files_of(path.stem)], page
        else:
            assert others == [snippet.language for snippet in tested.get(page, [])], page


# --- Programs -------------------------------------------------------------------------------------

Run = Callable[..., Awaitable[str]]


@pytest.fixture
def run(stack: Stack, node: str, tmp_path: Path) -> Run:
    """Runs a program in TypeScript, JavaScript or Python on the stack; answers what it printed."""
    (tmp_path / "node_modules").symlink_to(WEB / "node_modules")

    async def run(language: str, code: str, **environment: str) -> str:
        if language in ("js", "ts"):
            await built(WEB / "music")
            (tmp_path / "run.mjs").write_text(RUN_JS)
            (tmp_path / "snippet.mjs").write_text(code)
            if language == "ts":
                await run_node(node, "-e", WITHOUT_TYPES, folder=tmp_path)
            command = [node, "run.mjs"]
        else:
            (tmp_path / "snippet.py").write_text(code)
            command = [sys.executable, "snippet.py"]
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | stack.environment() | environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(60):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0, (out + err).decode()
        return out.decode()

    return run


@pytest.mark.parametrize("snippet", PROGRAMS, ids=str)
@pytest.mark.usefixtures("worker")
async def test_a_program_of_the_documents_makes_a_track_that_plays(
    snippet: Snippet, run: Run
) -> None:
    lines = (await run(snippet.language, snippet.code)).split()
    assert "completed" in lines
    async with httpx.AsyncClient() as anybody:
        audio = (await anybody.get(lines[-1])).raise_for_status()
    assert audio.headers["content-type"] == "audio/mpeg"


@pytest.mark.parametrize("snippet", EXAMPLES, ids=str)
async def test_an_example_for_apps_does_what_it_says(
    snippet: Snippet, run: Run, user: SignedIn, database: Connection
) -> None:
    assert snippet.track is not None
    track_id = await prepare(database, snippet.track, user.id)
    if snippet.language == "js":
        code = SIGNED_IN_JS + snippet.code
    else:
        code = SIGNED_IN_PYTHON.format(body=textwrap.indent(snippet.code, "    "))
    if snippet.track == "completed":
        await put_audio(user, track_id, database)
    printed = await run(
        snippet.language, code, TRACK_ID=track_id, EMAIL=user.email, PASSWORD=user.password
    )
    for promised in re.findall(r"console\.log\(.*\) // (.+)", snippet.code):
        assert promised in printed
    if snippet.then is not None:
        assert await status_of(database, track_id) == snippet.then
    await database.execute("delete from public.music_tracks where id = %s", (track_id,))


async def put_audio(user: SignedIn, track_id: str, database: Connection) -> None:
    """An object where the row of a completed track says that it is."""
    await database.execute(
        "insert into storage.objects (bucket_id, name, metadata) values ('music-tracks', %s, %s)",
        (f"{user.id}/{track_id}/x.mp3", '{"mimetype": "audio/mpeg", "size": 1}'),
    )


async def test_typescript_of_the_documents_is_strictly_typed(node: str, tmp_path: Path) -> None:
    await built(WEB / "music")
    (tmp_path / "node_modules").symlink_to(WEB / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "tsconfig.json").write_text(STRICT)
    for number, snippet in enumerate(TYPED):
        (tmp_path / f"snippet{number}.{snippet.language}").write_text(snippet.code)
    assert len(TYPED) == 3
    await run_node(node, program("tsc"), "-p", ".", folder=tmp_path)


# --- SQL ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("snippet", OPERATING, ids=str)
async def test_sql_for_operators_does_what_it_says(snippet: Snippet, database: Connection) -> None:
    async with database.transaction(force_rollback=True):
        track_id = await prepare(database, snippet.track) if snippet.track else PLACEHOLDER
        code = snippet.code
        if "record_music_task" in code:
            code = code.replace(PLACEHOLDER, await value(database, GENERATION_ID, track_id))
        for statement in code.replace(PLACEHOLDER, track_id).split(";\n"):
            if not statement.strip():
                continue
            cursor = await database.execute(statement.encode())
            finds_what_there_is = snippet.track is not None and cursor.description is not None
            assert cursor.rowcount > 0 or not finds_what_there_is, statement
        if snippet.then is not None:
            assert await status_of(database, track_id) == snippet.then


@pytest.mark.parametrize("snippet", OPERATING, ids=str)
async def test_sql_for_operators_as_it_stands_changes_no_single_track(
    snippet: Snippet, database: Connection
) -> None:
    if PLACEHOLDER not in snippet.code:
        return
    async with database.transaction(force_rollback=True):
        track_id = await prepare(database, snippet.track) if snippet.track else PLACEHOLDER
        before = await status_of(database, track_id)
        cursor = await database.execute(snippet.code.encode())
        assert cursor.rowcount <= 0
        assert await status_of(database, track_id) == before


# --- Tracks in the right state --------------------------------------------------------------------

GENERATION_ID = "select id::text from music.generations where track_id = %s"


async def prepare(database: Connection, state: str, user_id: str | None = None) -> str:
    """A track in a state: a status, `deferred`, `exhausted`, `no_money` or `unknown`."""
    await database.execute(
        "update public.music_tracks set status = 'error' where status in ('pending', 'generating')"
    )
    track_id = await value(
        database,
        "insert into public.music_tracks (prompt, user_id) values ('a waltz', %s)"
        " returning id::text",
        user_id,
    )
    if state == "pending":
        return track_id
    await database.execute(
        "select public.report_music_worker('docs', 'host', '1', 1, 'running', null)"
    )
    claim_id = await value(
        database, "select claim_id::text from public.claim_music_tracks('docs', 1, 30)"
    )
    steps = {
        "generating": [INTENT, RECEIPT],
        "completed": [INTENT, RECEIPT, COMPLETE],
        "error": [INTENT, RECEIPT, fail("storage_failed")],
        "exhausted": [fail("attempts_exhausted")],
        "deferred": [defer("provider_unavailable")],
        "no_money": [defer("quota_exhausted")],
        "unknown": [INTENT, fail("submission_unknown", "unknown")],
    }
    for step in steps[state]:
        arguments = {
            "claim": claim_id,
            "generation": str(uuid.uuid5(uuid.UUID(track_id), "generation")),
            "task": uuid.uuid4().hex,
            "key": f"{user_id or 'service'}/{track_id}/x.mp3",
        }
        await database.execute(step.encode(), arguments)
    return track_id


INTENT = "select public.begin_music_generation(%(claim)s, %(generation)s, '{}', 'mureka-9', 4.5)"
RECEIPT = "select public.record_music_task(%(generation)s, %(task)s, null)"
COMPLETE = "select public.complete_music_track(%(claim)s, %(key)s, 'https://example.com/x.mp3', 1)"


def fail(code: str, outcome: str = "open") -> str:
    return f"select public.fail_music_track(%(claim)s, '{outcome}', '{code}', 'No.')"


def defer(code: str) -> str:
    return f"select public.defer_music_track(%(claim)s, 60, 'refused', '{code}', 'Later.', false)"


async def status_of(database: Connection, track_id: str) -> str | None:
    try:
        return await value(
            database, "select status from public.music_tracks where id = %s", track_id
        )
    except LookupError:
        return None


async def value(database: Connection, query: LiteralString, *arguments: str | None) -> str:
    cursor: psycopg.AsyncCursor[dict[str, object]] = await database.execute(query, arguments)
    row = await cursor.fetchone()
    if row is None:
        raise LookupError(query)
    return str(next(iter(row.values())))
