"""The files of `deploy/` and beside: what each platform is told agrees with the worker."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import AliasChoices

from music_service.cli.commands import COMMANDS
from music_service.settings import Settings
from music_service.worker.ports import Options
from tests.support.dockerfile import stages_of
from tests.support.project import ROOT
from tests.support.systemd import Unit

DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
COMPUTE = ROOT / "supabase" / "compute" / "music-service"
UNIT = Unit.read(DEPLOY / "systemd" / "music-service@.service")
DOCKERFILES = [ROOT / "Dockerfile", COMPUTE / "Dockerfile"]
GRACE_SECONDS = 45
# Names that a platform knows and the worker does not ask for.
OF_PYTHON = {"PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
SECRET = re.compile(r"sb_secret_\w{3,}|eyJ[\w-]{10,}|\bop_\w{8,}|postgres(?:ql)?://")


def settings() -> set[str]:
    found: set[str] = set()
    for name, setting in Settings.model_fields.items():
        alias = setting.validation_alias
        found |= (
            {str(choice) for choice in alias.choices}
            if isinstance(alias, AliasChoices)
            else {name.upper()}
        )
    return found


def documents(path: Path) -> list[Any]:
    return [found for found in yaml.safe_load_all(path.read_text()) if found is not None]


def kubernetes() -> list[dict[str, Any]]:
    return [found for path in sorted(KUBERNETES.glob("*.yaml")) for found in documents(path)]


def of_kind(kind: str) -> dict[str, Any]:
    [found] = [document for document in kubernetes() if document["kind"] == kind]
    return found


def worker_pod() -> dict[str, Any]:
    spec: dict[str, Any] = of_kind("Deployment")["spec"]["template"]["spec"]
    return spec


def worker_container() -> dict[str, Any]:
    [container] = worker_pod()["containers"]
    assert isinstance(container, dict)
    return container


COMPOSE = documents(ROOT / "compose.yaml")[0]["services"]["worker"]
FLY = tomllib.loads((DEPLOY / "fly.toml").read_text())
RAILWAY = json.loads((DEPLOY / "railway.json").read_text())
RENDER = documents(DEPLOY / "render.yaml")[0]["services"][0]


def files() -> list[Path]:
    mine = [path for path in DEPLOY.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return [*mine, ROOT / "compose.yaml", *DOCKERFILES]


# --- The time to stop -----------------------------------------------------------------------------

PATIENCE = {
    "compose.yaml": float(COMPOSE["stop_grace_period"].removesuffix("s")),
    "Kubernetes": worker_pod()["terminationGracePeriodSeconds"],
    "Fly": FLY["kill_timeout"],
    "Railway": RAILWAY["deploy"]["drainingSeconds"],
    "Render": RENDER["maxShutdownDelaySeconds"],
    "systemd": UNIT.stop_seconds,
}


@pytest.mark.parametrize("platform", PATIENCE)
def test_each_platform_waits_longer_than_a_worker_drains(platform: str) -> None:
    assert PATIENCE[platform] == GRACE_SECONDS
    [drain_seconds] = [one.default for one in fields(Options) if one.name == "drain_seconds"]
    assert isinstance(drain_seconds, (int, float))
    assert drain_seconds + 10 <= GRACE_SECONDS, "five seconds each for the words before and after"


def test_each_platform_sends_the_signal_that_a_worker_drains_at() -> None:
    assert FLY["kill_signal"] == "SIGTERM"
    assert UNIT.stop_signal.name == "SIGTERM"
    assert UNIT.one("KillMode") == "mixed"
    for path in DOCKERFILES:
        assert stages_of(path)[-1].last("STOPSIGNAL") == "SIGTERM"


def test_the_documents_have_the_same_seconds() -> None:
    page = (ROOT / "docs" / "deploying.md").read_text()
    table = page.partition("\n## The time to stop\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|", table, re.MULTILINE)
    ours = {name.strip(): seconds for name, _, seconds in rows}
    assert {name: f"{seconds:g}" for name, seconds in PATIENCE.items()} == {
        name: found[0]
        for name, seconds in ours.items()
        if (found := re.findall(r"\b(\d+)\b", seconds)) and name in PATIENCE
    }


# --- Settings and secrets -------------------------------------------------------------------------


def given() -> Iterator[tuple[str, str, str]]:
    """Where a setting is named, its name, and its value as text."""
    for document in kubernetes():
        if document["kind"] == "Secret":
            yield from (("Secret", *pair) for pair in document["stringData"].items())
    for variable in worker_container()["env"]:
        yield "Deployment", variable["name"], variable["value"]
    yield from (("Fly", *pair) for pair in FLY["env"].items())
    for variable in RENDER["envVars"]:
        yield "Render", variable["key"], variable.get("value", "")
    for path in DOCKERFILES:
        environment = stages_of(path)[-1].environment
        yield from ((str(path), *pair) for pair in environment.items() if pair[0] not in OF_PYTHON)


def test_every_variable_that_a_platform_is_given_is_a_setting() -> None:
    assert {(where, name) for where, name, _ in given() if name not in settings()} == set()


def test_what_a_platform_is_given_is_a_value_that_the_worker_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values: dict[str, dict[str, str]] = {}
    for where, name, value in given():
        if value:
            values.setdefault(where, {})[name] = value
    assert len(values) > 2
    required = {
        "SUPABASE_URL": "https://ref.supabase.co",
        "SUPABASE_SECRET_KEY": "sb_secret_x",
        "MUREKA_API_KEY": "op_x",
    }
    for variables in values.values():
        with monkeypatch.context() as environment:
            for name, value in (required | variables).items():
                environment.setenv(name, value)
            assert Settings.load().health_port in (None, 8080)


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_holds_a_secret(path: Path) -> None:
    assert SECRET.findall(path.read_text()) == []


def test_the_secret_of_kubernetes_has_what_is_required_and_no_values() -> None:
    values = of_kind("Secret")["stringData"]
    assert set(values.values()) == {""}
    assert set(values) == {"SUPABASE_URL", "SUPABASE_SECRET_KEY", "MUREKA_API_KEY"}
    [source] = worker_container()["envFrom"]
    assert source["secretRef"]["name"] == of_kind("Secret")["metadata"]["name"]


def test_what_render_asks_for_is_what_is_required() -> None:
    asked = {variable["key"] for variable in RENDER["envVars"] if variable.get("sync") is False}
    assert asked == set(of_kind("Secret")["stringData"])


# --- Containers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_an_image_runs_the_worker_itself_as_nobody_in_particular(path: Path) -> None:
    build, last = stages_of(path)
    assert (build.name, last.name) == ("build", None)
    assert last.command("ENTRYPOINT") + last.command("CMD") == ["music-service", "run"]
    assert "run" in COMMANDS
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last.last("USER"))
    assert [name for name, _ in last.steps if name in ("RUN", "ADD", "EXPOSE")] == []


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_whatever_an_image_takes_from_a_registry_is_locked(path: Path) -> None:
    for stage in stages_of(path):
        installs = [
            step for name, step in stage.steps if name == "RUN" and re.search(r"\binstall\b", step)
        ]
        for step in installs:
            assert "--no-index" in step or "--require-hashes" in step, step
            assert "--no-deps" in step, step
            assert "--no-index" in step or "--only-binary :all:" in step, step


def test_the_image_is_asked_for_its_health_without_a_shell() -> None:
    [stage] = stages_of(ROOT / "Dockerfile")[1:]
    check = stage.command("HEALTHCHECK")
    assert check[:2] == ["python", "-c"]
    assert "/healthz" in check[2]
    compile(check[2], "HEALTHCHECK", "exec")
    assert "HEALTH_PORT" in stage.environment


def test_the_builder_is_sent_no_settings_and_no_history() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert next(line for line in lines if not line.startswith("#")) == "*"
    assert "**/.env*" in lines


def test_compose_publishes_no_port_and_lets_the_worker_write_nothing_but_tmp() -> None:
    assert "ports" not in COMPOSE
    assert COMPOSE["read_only"] is True
    assert COMPOSE["tmpfs"].startswith("/tmp:")
    assert COMPOSE["cap_drop"] == ["ALL"]
    assert COMPOSE["env_file"] == [{"path": ".env", "format": "raw"}]


# --- Kubernetes -----------------------------------------------------------------------------------


def test_a_pod_is_held_to_the_restricted_standard() -> None:
    pod, container = worker_pod(), worker_container()
    user = stages_of(ROOT / "Dockerfile")[-1].last("USER")
    assert f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}" == user
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    [mount], [volume] = container["volumeMounts"], pod["volumes"]
    assert (mount["mountPath"], mount["name"]) == ("/tmp", volume["name"])


def test_kubernetes_probes_the_endpoint_that_it_switches_on() -> None:
    container = worker_container()
    environment = {variable["name"]: variable["value"] for variable in container["env"]}
    [port] = container["ports"]
    assert str(port["containerPort"]) == environment["HEALTH_PORT"]
    assert environment["HEALTH_HOST"] == "0.0.0.0"
    for probe, path in (("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        assert container[probe]["httpGet"] == {"path": path, "port": port["name"]}


def test_a_roll_out_keeps_as_many_workers_and_a_drain_of_nodes_one() -> None:
    deployment, budget = of_kind("Deployment")["spec"], of_kind("PodDisruptionBudget")["spec"]
    assert deployment["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert deployment["replicas"] > budget["maxUnavailable"] == 1
    labels = deployment["template"]["metadata"]["labels"]
    assert deployment["selector"] == budget["selector"] == {"matchLabels": labels}


def test_the_scaler_names_what_there_is() -> None:
    scaled, credentials = of_kind("ScaledObject")["spec"], of_kind("TriggerAuthentication")
    assert scaled["scaleTargetRef"]["name"] == of_kind("Deployment")["metadata"]["name"]
    names = {trigger["name"] for trigger in scaled["triggers"]}
    assert set(re.findall(r"\w+", scaled["advanced"]["scalingModifiers"]["formula"])) == names
    [parameter] = credentials["spec"]["secretTargetRef"]
    assert parameter["parameter"] == "apiKey"
    for trigger in scaled["triggers"]:
        assert trigger["authenticationRef"]["name"] == credentials["metadata"]["name"]
        assert trigger["metadata"]["keyParamName"] == "apikey"
    per_worker = Settings.model_fields["music_max_concurrent"].default
    assert scaled["advanced"]["scalingModifiers"]["target"] == str(per_worker)


# --- Fly, Railway, Render, systemd, Supabase Compute ----------------------------------------------


def test_fly_starts_the_worker_and_probes_the_endpoint_that_it_switches_on() -> None:
    assert FLY["processes"] == {"worker": "run"}
    assert {"services", "http_service"} & set(FLY) == set()
    check = FLY["checks"]["ready"]
    assert (str(check["port"]), check["path"]) == (FLY["env"]["HEALTH_PORT"], "/readyz")
    assert FLY["env"]["HEALTH_HOST"] == "0.0.0.0"
    assert [restart["policy"] for restart in FLY["restart"]] == ["always"]


def test_railway_and_render_build_the_image_and_open_no_address() -> None:
    assert (ROOT / RAILWAY["build"]["dockerfilePath"]).exists()
    assert "healthcheckPath" not in RAILWAY["deploy"]
    assert (ROOT / RENDER["dockerfilePath"]).exists()
    assert RENDER["type"] == "worker"


def test_systemd_tries_again_but_not_with_wrong_settings() -> None:
    assert UNIT.command == ["/opt/music-service/bin/music-service", "run"]
    assert UNIT.one("Restart") == "always"
    assert UNIT.one("RestartPreventExitStatus") == "2"
    assert UNIT.one("StartLimitIntervalSec", "Unit") == "0"


def test_the_lines_for_compute_make_a_private_service_of_our_dockerfile() -> None:
    config = tomllib.loads((ROOT / "supabase" / "config.toml").read_text())
    assert config["compute"] == {
        COMPUTE.name: {
            "runtime": "dockerfile",
            "size": "2gb",
            "exposure": "private",
            "instances": 2,
            "exclude": [".env", ".env.*", ".git"],
        }
    }
    image = stages_of(COMPUTE / "Dockerfile")[-1]
    assert image.command("CMD") == ["music-service", "run"], "the platform wraps no ENTRYPOINT"
    assert "HEALTH_PORT" not in image.environment, "the platform says it in PORT"
