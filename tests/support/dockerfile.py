"""A Dockerfile, read and replayed without a daemon.

`/opt`, `/src` and the like of the image are folders below one of the test's. What `RUN` calls
`python` is the interpreter of the tests, and its PATH holds nothing else: no compiler, no git.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

# Where packages come from on this machine is no part of the image.
_OF_THE_MACHINE = ("PIP_", "SSL_", "REQUESTS_", "HTTP_PROXY", "HTTPS_PROXY", "http_", "https_")
_LINE_ENDS = re.compile(r"\\\n\s*")


@dataclass
class Stage:
    """One `FROM` and what follows; `steps` are instructions with their arguments, in order."""

    base: str
    name: str | None
    steps: list[tuple[str, str]] = field(default_factory=list)

    def last(self, instruction: str) -> str:
        """The arguments of the last such instruction, which is the one that counts."""
        return [arguments for name, arguments in self.steps if name == instruction][-1]

    def command(self, instruction: str) -> list[str]:
        """The words of an instruction in its exec form; a shell would keep signals to itself.

        None, where the stage has no such instruction.
        """
        if instruction not in {name for name, _ in self.steps}:
            return []
        words = json.loads(self.last(instruction).rpartition("CMD ")[2])
        assert isinstance(words, list)
        return [str(word) for word in words]

    @property
    def environment(self) -> dict[str, str]:
        """What `ENV` sets."""
        pairs = [
            pair.partition("=")
            for name, arguments in self.steps
            if name == "ENV"
            for pair in arguments.split()
        ]
        return {name: value for name, _, value in pairs}


def stages_of(path: Path) -> list[Stage]:
    """The stages of a Dockerfile."""
    text = re.sub(r"^#.*\n", "", path.read_text(), flags=re.MULTILINE)
    stages: list[Stage] = []
    for line in _LINE_ENDS.sub(" ", text).splitlines():
        instruction, _, arguments = line.strip().partition(" ")
        if instruction == "FROM":
            base, _, name = arguments.partition(" AS ")
            stages.append(Stage(base, name or None))
        elif instruction:
            stages[-1].steps.append((instruction, arguments.strip()))
    return stages


@dataclass(frozen=True)
class Image:
    """A replayed Dockerfile: the folder that stands for `/`, and its last stage."""

    root: Path
    stage: Stage

    def environment(self) -> dict[str, str]:
        """What a container has, with the paths of this machine."""
        found = {name: self.placed(value) for name, value in self.stage.environment.items()}
        given = _surroundings(self.root)
        return given | found | {"PATH": found["PATH"].replace("$PATH", given["PATH"])}

    def placed(self, text: str) -> str:
        """The same with the image's folders where they are here."""
        return _placed(text, self.root)


def replay(path: Path, context: Path, root: Path) -> Image:
    """Do what a Dockerfile says, with the files that the builder would get; slow.

    Args:
        path: the Dockerfile.
        context: the folder that is built from, with `.dockerignore` if it has one.
        root: a new folder that stands for `/` of each stage.
    """
    stages = stages_of(path)
    sent = root / "context"
    send(context, sent)
    _make_python(root)
    for stage in stages:
        _replay(stage, sent, root)
    return Image(root, stages[-1])


def _make_python(root: Path) -> None:
    """A Python with pip and nothing else, that anybody may run, as that of the base image is."""
    base = Path(sys.base_prefix)
    if any(not folder.stat().st_mode & 0o005 for folder in [base, *base.parents]):
        base = root / "base"
        left_out = shutil.ignore_patterns("site-packages", "test", "include", "share", "*.a")
        shutil.copytree(sys.base_prefix, base, symlinks=True, ignore=left_out)
    python = base / "bin" / f"python3.{sys.version_info.minor}"
    subprocess.run(
        [python, "-m", "venv", root / "python"],
        env={"LD_LIBRARY_PATH": str(base / "lib")},
        check=True,
        capture_output=True,
    )


def _surroundings(root: Path) -> dict[str, str]:
    """Where the programs of the base image are, and the library that its Python may need."""
    return {"PATH": str(root / "python" / "bin"), "LD_LIBRARY_PATH": str(root / "base" / "lib")}


def send(context: Path, to: Path) -> None:
    """Copy what a builder would be sent, by `.dockerignore`, whose last fitting line counts."""
    rules = []
    if (context / ".dockerignore").exists():
        lines = (context / ".dockerignore").read_text().splitlines()
        rules = [line for line in lines if line and not line.startswith("#")]
    to.mkdir()
    for path in _files(context):
        name = path.relative_to(context).as_posix()
        if not _is_ignored(name, rules):
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, to / name)


def _files(folder: Path) -> list[Path]:
    skipped = {".git", ".venv", ".local", "node_modules"}
    found = []
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            found += [] if path.name in skipped else _files(path)
        elif path.is_file():
            found.append(path)
    return found


def _is_ignored(name: str, rules: list[str]) -> bool:
    ignored = False
    parts = name.split("/")
    prefixes = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    for rule in rules:
        pattern = rule.removeprefix("!").removeprefix("**/")
        anywhere = "**/" in rule
        tried = [prefix.rpartition("/")[2] if anywhere else prefix for prefix in prefixes]
        if any(
            fnmatch.fnmatchcase(one, pattern) and one.count("/") == pattern.count("/")
            for one in tried
        ):
            ignored = not rule.startswith("!")
    return ignored


def _placed(text: str, root: Path) -> str:
    return re.sub(r"(?<![\w./])/(opt|src|wheel)\b", rf"{root}/\1", text)


def _replay(stage: Stage, sent: Path, root: Path) -> None:
    here = root
    for instruction, arguments in stage.steps:
        if instruction == "WORKDIR":
            here = Path(_placed(arguments, root))
            here.mkdir(parents=True, exist_ok=True)
        elif instruction == "COPY" and not arguments.startswith("--from="):
            *sources, target = arguments.split()
            for source in sources:
                _copy(source, sent, here / target, many=target.endswith("/"))
        elif instruction == "RUN":
            _run(_placed(arguments, root), here, root)


def _copy(source: str, sent: Path, target: Path, *, many: bool) -> None:
    found = sorted(sent.glob(source))
    assert found, f"COPY {source}: no such file is sent to the builder"
    for path in found:
        if path.is_dir():
            shutil.copytree(path, target, dirs_exist_ok=True)
        else:
            place = target / path.name if many else target
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)


def _run(command: str, here: Path, root: Path) -> None:
    own = {name: value for name, value in os.environ.items() if name.startswith(_OF_THE_MACHINE)}
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=here,
        env=own | _surroundings(root) | {"HOME": str(root), "TMPDIR": str(root)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"RUN {command}\n{done.stdout}\n{done.stderr}"
