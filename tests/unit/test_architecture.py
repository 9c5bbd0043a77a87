"""The arrows between rooms hold, a violation is reported, and the page of rooms is complete."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.project import ROOT

SERVICE = ROOT / "service"
PAGE = (ROOT / "docs" / "architecture.md").read_text()

# Where a line is planted, what it imports, and the contract that forbids it.
VIOLATIONS = {
    ("music_service.worker.worker", "music_service.doctor.checkup"): "Arrows point one way",
    ("music_service.worker.worker", "music_service.store.queue"): "Arrows point one way",
    ("music_service.worker.worker", "music_service.settings"): "Settings are seen by",
    ("music_service.worker.worker", "httpx"): "HTTP is spoken to",
    ("music_service.worker.worker", "prometheus_client"): "What listens to a worker",
    ("music_service.worker.poll", "opentelemetry"): "What listens to a worker",
    ("music_service.store.queue", "music_service.settings"): "Settings are seen by",
    ("music_service.client.follow", "music_service.store.queue"): "The client of apps knows the",
    ("local_supabase.gateway", "music_service.settings"): "The stand-in knows nothing",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of both packages and of what is said of their imports."""
    ignored = shutil.ignore_patterns("node_modules", "__pycache__")
    shutil.copytree(SERVICE, tmp_path / "service", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint_imports(tree: Path) -> tuple[int, str]:
    """The exit code of the linter, and what it says."""
    linted = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree / "service")},
        capture_output=True,
        text=True,
        check=False,
    )
    return linted.returncode, linted.stdout + linted.stderr


def broken(report: str) -> dict[str, str]:
    """What is said of each broken contract, by its name."""
    parts = re.split(r"^(.+)\n-+\n\n", report.partition("Broken contracts")[2], flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_tree_keeps_every_contract(tree: Path) -> None:
    code, report = lint_imports(tree)
    assert code == 0, report
    assert " 0 broken" in report


def test_every_planted_violation_is_reported(tree: Path) -> None:
    for importer, imported in VIOLATIONS:
        path = tree / "service" / f"{importer.replace('.', '/')}.py"
        path.write_text(f"{path.read_text()}\nimport {imported}\n")
    code, report = lint_imports(tree)
    assert code == 1
    for (importer, imported), contract in VIOLATIONS.items():
        [said] = [said for name, said in broken(report).items() if name.startswith(contract)]
        assert re.search(rf"{re.escape(f'{importer} -> {imported}')}\b", said), report


def rooms(package: str) -> dict[str, str]:
    """What the page says of each file and folder of a package."""
    table = PAGE.partition(f"\n### `service/{package}/`\n")[2].partition("\n#")[0]
    return dict(re.findall(r"^\| `([\w./]+)` \| (.*) \|$", table, re.MULTILINE))


@pytest.mark.parametrize("package", ["music_service", "local_supabase"])
def test_every_room_has_its_row_and_every_row_its_room(package: str) -> None:
    folder = SERVICE / package
    there = {
        f"{path.name}/" if path.is_dir() else path.name
        for path in folder.iterdir()
        if path.name not in ("__init__.py", "__pycache__", "py.typed")
    }
    assert set(rooms(package)) == there


def test_every_file_that_the_page_names_in_a_room_is_there() -> None:
    for package in ("music_service", "local_supabase"):
        for room, words in rooms(package).items():
            for name in re.findall(r"`(\w+\.py)`", words):
                assert (SERVICE / package / room / name).is_file(), f"{room}{name}"


def test_every_file_of_the_worker_and_of_what_it_talks_to_is_named() -> None:
    for room in ("client", "worker", "store", "mureka"):
        named = re.findall(r"`(\w+\.py)`", rooms("music_service")[f"{room}/"])
        files = {path.name for path in (SERVICE / "music_service" / room).glob("[!_]*.py")}
        assert set(named) == files, room
