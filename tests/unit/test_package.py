"""What is installed: two packages, the migrations, and no more dependencies than a worker needs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from email.message import Message
from email.parser import Parser
from importlib.metadata import packages_distributions
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.support.project import ROOT

SERVICE = ROOT / "service"
NOT_OURS = {"node_modules", "__pycache__"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as `pip install .` builds it."""
    directory = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    [built] = directory.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(name).decode())


def files_below(folder: Path) -> set[str]:
    found = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    return {path.as_posix() for path in found if not NOT_OURS & {*path.parts}}


def requirements(metadata: Message, extra: str | None = None) -> set[str]:
    """Names of the packages that come with an extra, or with none."""
    required = metadata.get_all("Requires-Dist", [])
    marker = f"extra == '{extra}'" if extra else "extra =="
    chosen = [line for line in required if (marker in line) == (extra is not None)]
    return {re.split(r"[^\w.-]", line)[0] for line in chosen}


def test_the_wheel_holds_both_packages_and_the_migrations_and_nothing_else(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    migrations = {f"music_service/supabase/{name}" for name in files_below(ROOT / "supabase")}
    assert held == files_below(SERVICE) | migrations
    assert "music_service/py.typed" in held
    assert {name.partition("/")[0] for name in held} == {"music_service", "local_supabase"}


def test_a_worker_installs_what_it_imports_and_nothing_of_the_local_stack(
    metadata: Message,
) -> None:
    imported = set()
    for path in (SERVICE / "music_service").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names.append(node.module)
            imported |= {name.partition(".")[0] for name in names}
    # What listens to a worker is imported where somebody listens, from an extra.
    listeners = {"prometheus_client": "metrics", "opentelemetry": "otel"}
    # One package installs several: `supabase` re-exports what others name themselves.
    distributions = packages_distributions()
    ours = {"music_service", "local_supabase"}
    needed = {
        distributions[name][0].lower()
        for name in imported - sys.stdlib_module_names - ours - {*listeners}
        if name in distributions
    }
    assert needed <= requirements(metadata)
    for name, extra in listeners.items():
        installed = {each.replace("_", "-") for each in distributions[name]}
        assert installed & requirements(metadata, extra), extra
    extras = ("local", "dev", *listeners.values())
    asked_for = set().union(*(requirements(metadata, extra) for extra in extras))
    assert not requirements(metadata) & asked_for


def test_the_package_says_whom_it_is_for(metadata: Message) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    tested = re.findall(r'"(3\.\d+)"', (ROOT / ".github/workflows/ci.yml").read_text())
    declared = [
        name.rpartition(" ")[2]
        for name in project["classifiers"]
        if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", name)
    ]
    assert declared == tested
    assert project["requires-python"] == f">={tested[0]}"
    assert set(project["urls"]) == {"Repository", "Documentation", "Changelog", "Issues"}
    assert metadata["License-Expression"] == "MIT"


def test_the_lock_file_names_no_place_to_download_from() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert re.findall(r"\w+://\S+|^--(?!hash).*", lock, re.MULTILINE) == []


def test_each_package_that_is_required_is_locked(metadata: Message) -> None:
    locked = set(
        re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    )
    required = (
        requirements(metadata) | requirements(metadata, "local") | requirements(metadata, "dev")
    )
    required |= requirements(metadata, "metrics") | requirements(metadata, "otel")
    assert required - {"music-service"} <= locked


def locked(path: str) -> dict[str, list[str]]:
    """Version and hashes of each package in a lock, by its name; markers are left out."""
    found: dict[str, list[str]] = {}
    for words in map(str.split, (ROOT / path).read_text().splitlines()):
        if words and "==" in words[0]:
            name, _, version = words[0].partition("==")
            found[name] = [version]
        elif words and words[0].startswith("--hash"):
            found[name].append(words[0])
    return found


@pytest.mark.parametrize("part", ["deploy/worker.lock", "deploy/build.lock"])
def test_what_an_image_has_is_a_part_of_what_was_tested(part: str) -> None:
    whole = locked("requirements.lock")
    assert {name: lines for name, lines in locked(part).items() if whole.get(name) != lines} == {}


def test_an_image_has_what_a_worker_requires_and_no_more(metadata: Message) -> None:
    names = set(locked("deploy/worker.lock"))
    for extra in (None, "metrics", "otel"):
        assert requirements(metadata, extra) <= names
    assert not names & {"hatchling", "mypy", "numpy", "pip", "pytest", "uvicorn"}
    assert set(locked("deploy/build.lock")) > {"hatchling"}
