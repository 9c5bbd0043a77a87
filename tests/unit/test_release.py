"""A release goes out only when tag, version, changelog and addresses agree."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.support.project import ROOT

PYPROJECT = '[project]\nversion = "{version}"\n\n[project.urls]\nRepository = "{url}"\n'
CHANGELOG = "# Changelog\n\n## [Unreleased]\n{waiting}\n## [{version}] - 2026-12-01\n\n- Done.\n"
URL = "https://github.com/owner/music-service"


def complaints(
    directory: Path,
    tag: str,
    *,
    released: str = "1.2.0",
    waiting: str = "",
    url: str = URL,
) -> list[str]:
    """What is said of a tag on a project whose version is 1.2.0."""
    (directory / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "release-check", directory / "scripts")
    (directory / "pyproject.toml").write_text(PYPROJECT.format(version="1.2.0", url=url))
    changelog = CHANGELOG.format(version=released, waiting=waiting)
    (directory / "CHANGELOG.md").write_text(changelog)
    checked = subprocess.run(
        [directory / "scripts" / "release-check", tag], capture_output=True, text=True, check=False
    )
    assert (checked.returncode == 0) == (checked.stderr == "")
    return checked.stderr.splitlines()


def test_what_agrees_may_be_released(tmp_path: Path) -> None:
    assert complaints(tmp_path, "v1.2.0") == []


@pytest.mark.parametrize(
    ("tag", "changes", "complaint"),
    [
        ("v1.3.0", {}, "The tag is v1.3.0 and pyproject.toml says 1.2.0."),
        ("1.2.0", {}, "The tag is 1.2.0 and pyproject.toml says 1.2.0."),
        (
            "v1.2.0",
            {"released": "1.1.0"},
            "The newest release in CHANGELOG.md is '1.1.0', not 1.2.0.",
        ),
        (
            "v1.2.0",
            {"waiting": "\n### Added\n\n- Something.\n"},
            "CHANGELOG.md still has entries under [Unreleased]: 1.",
        ),
        (
            "v1.2.0",
            {"url": "https://music-service.example/issues"},
            "[project.urls] in pyproject.toml still names no real address.",
        ),
    ],
)
def test_what_disagrees_is_named(
    tmp_path: Path, tag: str, changes: dict[str, str], complaint: str
) -> None:
    assert complaints(tmp_path, tag, **changes) == [complaint]


def test_the_version_is_that_of_the_newest_release_in_the_changelog() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    first, *releases = re.findall(r"^## \[(.+?)\](?: - \d{4}-\d\d-\d\d)?$", changelog, re.MULTILINE)
    assert first == "Unreleased"
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    # Before the first release the version is the one to come.
    assert (releases or [version])[0] == version
