"""The platforms' own programs and schemas read our files, without a daemon or a cluster."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from tests.support.project import ROOT

UNIT = ROOT / "deploy" / "systemd" / "music-service@.service"
PROGRAM = "/opt/music-service/bin/music-service"
# 0 is locked up, 100 is wide open; a unit without any of it has 96.
MOST_EXPOSED = 20


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """An instance of the unit, with a program that is there."""
    path = tmp_path / "music-service@1.service"
    path.write_text(UNIT.read_text().replace(PROGRAM, sys.executable))
    assert sys.executable in path.read_text()
    return path


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.fail("systemd-analyze was not found: apt-get install systemd")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


def test_systemd_understands_each_line_of_the_unit(unit: Path) -> None:
    checked = analyze("verify", "--man=no", str(unit))
    complaints = [line for line in checked.stderr.splitlines() if "music-service" in line]
    assert (checked.returncode, complaints) == (0, [])


def test_systemd_would_say_so_of_a_line_that_it_does_not_know(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("KillMode=mixed", "KillMode=kindly"))
    assert "kindly" in analyze("verify", "--man=no", str(unit)).stderr


def test_the_unit_is_locked_up(unit: Path) -> None:
    checked = analyze(
        "security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager", str(unit)
    )
    [level] = re.findall(r"Overall exposure level for .*: ([\d.]+)", checked.stdout)
    print(f"exposure {level}")
    assert checked.returncode == 0, checked.stdout


def beside_python(name: str) -> str:
    """A program that is installed with the packages for development."""
    return str(Path(sys.executable).with_name(name))


@pytest.mark.parametrize("name", ["Dockerfile", "supabase/compute/music-service/Dockerfile"])
def test_hadolint_finds_nothing_in_a_dockerfile(name: str) -> None:
    checked = subprocess.run(
        # One layer for each step is what makes the second build quick, and none of them is shipped.
        [beside_python("hadolint"), "--ignore=DL3059", str(ROOT / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout) == (0, "")


def composed(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [beside_python("docker-compose"), "config", "--format=json"],
        cwd=folder,
        env={"HOME": str(folder), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def test_compose_understands_its_file_and_hands_on_each_setting(tmp_path: Path) -> None:
    shutil.copy(ROOT / "compose.yaml", tmp_path)
    example = (ROOT / ".env.example").read_text()
    (tmp_path / ".env").write_text(example.replace("MUREKA_API_KEY=\n", "MUREKA_API_KEY=op_x$y\n"))
    checked = composed(tmp_path)
    assert checked.returncode == 0, checked
    worker = json.loads(checked.stdout)["services"]["worker"]
    assert worker["environment"]["MUREKA_API_KEY"].replace("$$", "$") == "op_x$y"
    assert worker["stop_grace_period"] == "45s"
    assert not worker.get("ports")
    broken = (tmp_path / "compose.yaml").read_text().replace("read_only:", "readonly:")
    (tmp_path / "compose.yaml").write_text(broken)
    assert composed(tmp_path).returncode != 0, "it would have said so"


KUBERNETES = sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
OLDEST, NEWEST = "1.29", "1.37"


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_kubernetes_knows_each_field_of_its_own_kinds(version: str) -> None:
    checked = []
    for path in KUBERNETES:
        for document in yaml.safe_load_all(path.read_text()):
            if "keda.sh" not in document["apiVersion"]:
                kubernetes_validate.validate(document, version, strict=True)
                checked.append(document["kind"])
    assert sorted(checked) == ["Deployment", "PodDisruptionBudget", "Secret"]


def test_kubernetes_would_say_so_of_a_field_that_it_does_not_know() -> None:
    [path] = [path for path in KUBERNETES if path.stem == "worker"]
    deployment = next(yaml.safe_load_all(path.read_text()))
    deployment["spec"]["template"]["spec"]["gracePeriod"] = 45
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, NEWEST, strict=True)
