"""The Supabase CLI that an app uses, and what to type next."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_PATIENCE_SECONDS = 20
# From here on a push goes to the local stack unless --remote is given.
_LOCAL_BY_DEFAULT = 3


@dataclass(frozen=True, slots=True)
class SupabaseCli:
    """How it is called, and its version, as far as that is known."""

    command: str
    version: str | None

    @property
    def is_local_by_default(self) -> bool:
        """Whether `db push` means the local stack; of an unknown version the newest is assumed."""
        major = re.match(r"\d+", self.version or "")
        return major is None or int(major[0]) >= _LOCAL_BY_DEFAULT


def find(app: Path) -> SupabaseCli | None:
    """The CLI among the app's Node packages, or the one on the path."""
    for folder in (app, *app.parents):
        package = folder / "node_modules" / "supabase" / "package.json"
        if package.is_file():
            return SupabaseCli("npx supabase", _version_of_package(package))
    program = shutil.which("supabase")
    return None if program is None else SupabaseCli("supabase", _version_of_program(program))


def next_commands(cli: SupabaseCli | None, app: Path) -> list[tuple[str, str]]:
    """What to type next, in order: what it is for, and the command."""
    cli = cli or SupabaseCli("npx supabase@3", "3")
    is_here = app.resolve() == Path.cwd()
    name = cli.command if is_here else f"{cli.command} --workdir {shlex.quote(str(app))}"
    linked = "--remote" if cli.is_local_by_default else "--linked"
    local = "" if cli.is_local_by_default else " --local"
    commands = [("The local stack", f"{name} db push{local}")]
    if not (app / "supabase" / ".temp" / "project-ref").is_file():
        commands.append(("Once", f"{name} link --project-ref your-project-ref"))
    return [
        *commands,
        ("See what would be applied to the linked project", f"{name} db push {linked} --dry-run"),
        ("Apply it to the linked project", f"{name} db push {linked} --yes"),
    ]


def _version_of_package(package: Path) -> str | None:
    try:
        described = json.loads(package.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return str(described.get("version")) if isinstance(described, dict) else None


def _version_of_program(program: str) -> str | None:
    try:
        said = subprocess.run(
            [program, "--version"],
            capture_output=True,
            text=True,
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    found = re.search(r"\d+\.\d+\.\d+\S*", said.stdout)
    return found[0] if found else None
