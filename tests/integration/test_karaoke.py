"""Words in time at the command line: on a terminal, in a file, for scripts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import re
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx
import miniaudio
import pytest

from local_supabase.stack import Stack
from tests.support.programs import PROGRAM, Command, environment
from tests.support.project import Connection

pytestmark = pytest.mark.usefixtures("worker")
TIMED = re.compile(r"\[(\d\d):(\d\d)\.(\d\d)\] (.+)")


@pytest.fixture(autouse=True)
def short(stack: Stack) -> Iterator[None]:
    """Nobody waits for the end of long music."""
    before, stack.simulator.music_seconds = stack.simulator.music_seconds, 5
    yield
    stack.simulator.music_seconds = before


async def a_song(command: Command, *options: str) -> str:
    """The id of a completed song."""
    said = await command("enqueue", "a slow tango", *options, "--watch")
    assert said.code == 0, said.err
    return said.out.split()[1]


async def test_words_that_were_written_are_sung_within_their_audio(command: Command) -> None:
    said = await command(
        *("enqueue", "a slow tango", "--lyrics-prompt", "a lighthouse in winter", "--karaoke")
    )
    assert said.code == 0, said.err
    *lines, last = said.out.splitlines()
    word, _, url = last.split()
    assert (word, len(lines)) == ("completed", 16)
    matches = [TIMED.fullmatch(line) for line in lines]
    assert all(matches), lines
    begins = [int(m[1]) * 60 + int(m[2]) + int(m[3]) / 100 for m in matches if m is not None]
    assert begins == sorted(begins)
    assert any("lighthouse" in line for line in lines)
    async with httpx.AsyncClient() as http:
        music = miniaudio.decode((await http.get(url)).content)
    assert 0 < begins[0] < begins[-1] < music.num_frames / music.sample_rate


async def test_scripts_get_the_sections_as_one_more_line(
    command: Command, database: Connection
) -> None:
    track_id = await a_song(command, "--lyrics-prompt", "a lighthouse")
    said = await command("watch", track_id, "--karaoke", "--json")
    assert said.code == 0
    *rows, words = [json.loads(line) for line in said.out.splitlines()]
    assert rows[-1]["status"] == "completed"
    assert words["track_id"] == track_id
    assert [each["type"] for each in words["sections"]][:2] == ["intro", "verse"]
    kept = await database.execute(
        "select sections from public.music_timed_lyrics where track_id = %s", [track_id]
    )
    assert await kept.fetchall() == [{"sections": words["sections"]}]


async def test_a_track_without_words_says_so_in_one_sentence(command: Command) -> None:
    track_id = await a_song(command)
    said = await command("watch", track_id, "--karaoke")
    assert (said.code, said.out.split()[:2]) == (0, ["completed", track_id])
    assert said.err.splitlines()[-1] == "This track has no words in time."
    scripted = await command("watch", track_id, "--karaoke", "--json")
    assert json.loads(scripted.out.splitlines()[-1]) == {"track_id": track_id, "sections": []}


async def test_odd_words_cost_no_track(command: Command, stack: Stack) -> None:
    stack.faults.simulator.plan(on="task", words="out_of_order")
    track_id = await a_song(command, "--lyrics-prompt", "a lighthouse")
    said = await command("watch", track_id, "--karaoke")
    assert (said.code, said.err.splitlines()[-1]) == (0, "This track has no words in time.")


async def test_on_a_terminal_the_words_light_up_to_the_end(
    command: Command, stack: Stack, tmp_path: Path
) -> None:
    track_id = await a_song(command, "--lyrics-prompt", "a lighthouse")
    code, out, shown = await on_a_terminal(stack, tmp_path, track_id)
    assert (code, out.split()[:2]) == (0, ["completed", track_id])
    lit = re.findall(r"\x1b\[1;32m> (.*?)\x1b\[0m", shown)
    assert lit, shown
    assert len({words.split()[0] for words in lit}) > 1, "only one line was ever lit"
    assert re.findall(r"(00:\d\d) / 00:\d\d  (intro|verse)", shown)[0] == ("00:00", "intro")
    assert shown.rstrip().endswith("\x1b[2K"), "what was drawn is removed"


async def test_on_a_terminal_ctrl_c_ends_it_and_leaves_the_terminal_as_it_was(
    command: Command, stack: Stack, tmp_path: Path
) -> None:
    shortest = stack.simulator.music_seconds
    stack.simulator.music_seconds = 100  # so that it sings on however late the key is pressed
    track_id = await a_song(command, "--lyrics-prompt", "a lighthouse")
    stack.simulator.music_seconds = shortest
    code, out, shown = await on_a_terminal(
        stack, tmp_path, track_id, until=lambda shown: "\x1b[1;32m>" in shown
    )
    assert (code, out.split()[:2]) == (130, ["completed", track_id])
    assert shown.count("\x1b[?25h") == shown.count("\x1b[?25l") > 0, "the cursor is back"
    assert "Traceback" not in shown


async def on_a_terminal(
    stack: Stack,
    directory: Path,
    track_id: str,
    *,
    until: Callable[[str], bool] = lambda _: False,
) -> tuple[int | None, str, str]:
    """Exit code, standard output, and what a terminal on standard error is sent.

    It is interrupted once what was sent fulfils `until`.
    """
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        *("watch", track_id, "--karaoke"),
        cwd=directory,
        env=environment(stack, COLUMNS="70", LINES="24", TERM="xterm", NO_COLOR=""),
        stdin=theirs,
        stdout=asyncio.subprocess.PIPE,
        stderr=theirs,
        # Whoever runs the tests in the background has it ignored, and children inherit that.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    os.close(theirs)
    shown, is_interrupted = "", False
    with contextlib.suppress(OSError):  # which says that nobody writes any more
        while part := await asyncio.to_thread(os.read, ours, 4096):
            shown += part.decode(errors="replace")
            if not is_interrupted and until(shown):
                process.send_signal(signal.SIGINT)
                is_interrupted = True
    os.close(ours)
    out, _ = await process.communicate()
    return process.returncode, out.decode(), shown
