"""What `deploy/` has for Prometheus and Grafana, tried with a real Prometheus and real workers."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from local_supabase.ports import Ports
from local_supabase.stack import Stack
from music_service.observe.endpoint import Page, serve
from music_service.observe.metrics import CONTENT_TYPE
from tests.support.fleet import WorkerProcess, fleet_of
from tests.support.programs import Command
from tests.support.project import Connection, SignedIn, ask
from tests.support.prometheus import (
    EXAMPLE,
    RULE_TESTS,
    RULES,
    Prometheus,
    promtool,
    running_prometheus,
)
from tests.unit.test_alert_files import DASHBOARD, RULES_BY_NAME, metric_names

CONFIG = """
global: {{scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}}
rule_files: [alerts.yml]
scrape_configs:
  - job_name: music-service
    static_configs: [{{targets: ['127.0.0.1:{worker}']}}]
  - job_name: music-fleet
    static_configs: [{{targets: ['127.0.0.1:{fleet}']}}]
"""
OLD = "update music.workers set last_seen_at = now() - interval '2 minutes'"
STOP_ALL = (
    "update public.music_tracks set status = 'error' where status in ('pending', 'generating')"
)
LONG_AGO = "update music.events set at = at - interval '2 hours' where kind = 'failed'"
BUDGET = "update music.settings set daily_budget_cents = %s where id"


def test_promtool_accepts_the_example_and_the_rules_that_it_names() -> None:
    said = promtool("check", "config", EXAMPLE)
    assert said.returncode == 0, said.stdout + said.stderr
    assert f"SUCCESS: {len(RULES_BY_NAME)} rules found" in said.stdout


def test_each_alert_fires_when_it_should_and_not_otherwise() -> None:
    said = promtool("test", "rules", RULE_TESTS)
    assert said.returncode == 0, said.stdout + said.stderr


def test_a_story_that_is_not_true_is_found(tmp_path: Path) -> None:
    (tmp_path / "alerts.yml").write_text(RULES.read_text().replace("> 1800", "> 18000"))
    (tmp_path / "alerts_test.yml").write_text(RULE_TESTS.read_text())
    said = promtool("test", "rules", tmp_path / "alerts_test.yml")
    assert said.returncode != 0
    assert "MusicTracksWait" in said.stdout + said.stderr


class Watched:
    """A worker and the fleet's figures, both scraped by a Prometheus that waits for nothing."""

    def __init__(self, prometheus: Prometheus, worker: WorkerProcess, command: Command) -> None:
        self.prometheus = prometheus
        self.worker = worker
        self.fleet = ""
        self._command = command

    async def read_fleet(self) -> None:
        """What a job would write for the node exporter."""
        said = await self._command("metrics")
        assert said.code == 0, said.err
        self.fleet = said.out


@pytest.fixture
def ports() -> tuple[int, int]:
    found = Ports.free()
    return found.gateway, found.postgres


@pytest.fixture
async def alone(database: Connection) -> AsyncIterator[Connection]:
    """A project with a budget in which nothing waits and nobody works, before and after."""
    for statement in (STOP_ALL, OLD, LONG_AGO):
        await database.execute(statement)
    await database.execute(BUDGET, (100_000,))
    yield database
    await database.execute(STOP_ALL)
    await database.execute(BUDGET, (None,))


@asynccontextmanager
async def watching(
    stack: Stack, command: Command, folder: Path, ports: tuple[int, int]
) -> AsyncIterator[Watched]:
    worker_port, fleet_port = ports
    rules = re.sub(r"^        for: \w+$", "        for: 1s", RULES.read_text(), flags=re.MULTILINE)
    (folder / "alerts.yml").write_text(rules)
    config = CONFIG.format(worker=worker_port, fleet=fleet_port)
    async with fleet_of(stack) as fleet, running_prometheus(folder, config) as prometheus:
        worker = await fleet.start("watched", HEALTH_PORT=str(worker_port))
        watched = Watched(prometheus, worker, command)
        await watched.read_fleet()
        pages = {"/metrics": lambda: Page(200, watched.fleet.encode(), CONTENT_TYPE)}
        async with serve("127.0.0.1", fleet_port, pages):
            yield watched


async def test_a_worker_is_scraped_every_query_is_answered_and_its_death_is_told(
    stack: Stack,
    command: Command,
    user: SignedIn,
    alone: Connection,
    tmp_path: Path,
    ports: tuple[int, int],
) -> None:
    async with watching(stack, command, tmp_path, ports) as watched:
        prometheus = watched.prometheus
        await ask(user)
        await prometheus.until('music_tracks_finished_total{outcome="completed"} > 0')
        await watched.read_fleet()
        await prometheus.until("music_fleet_workers_alive == 1")

        async with httpx.AsyncClient(trust_env=False) as http:
            shown = (await http.get(f"http://127.0.0.1:{ports[0]}/metrics")).text
        for text in (shown, watched.fleet):
            checked = promtool("check", "metrics", text=text)
            assert checked.returncode == 0, checked.stderr
        stored = await prometheus.query('group by (__name__) ({__name__=~"music_.+"})')
        names = {re.sub("_(bucket|sum|count)$", "", each["metric"]["__name__"]) for each in stored}
        assert metric_names() - names <= {"music_fleet_failures_last_hour"}, "nothing failed yet"

        for rule in await prometheus.rules():
            assert (rule["health"], rule.get("lastError", "")) == ("ok", ""), rule["name"]
            await prometheus.query(rule["query"])
        for panel in json.loads(DASHBOARD.read_text())["panels"]:
            for target in panel.get("targets", []):
                query = target["expr"].replace("$instance", ".*")
                await prometheus.query(query.replace("$__rate_interval", "5m"))
        assert {rule["name"] for rule in await prometheus.rules()} == set(RULES_BY_NAME)
        await prometheus.until('absent(ALERTS{alertstate="firing"})')

        await watched.worker.kill()
        await alone.execute(OLD)
        await ask(user)
        await watched.read_fleet()
        for name in ("MusicNoWorker", "MusicWorkerUnreachable"):
            found = await prometheus.until(f'ALERTS{{alertname="{name}", alertstate="firing"}}')
            assert found[0]["metric"]["severity"] in ("critical", "warning")
        [told] = [
            rule["alerts"][0]
            for rule in await prometheus.rules()
            if rule["name"] == "MusicWorkerUnreachable"
        ]
        assert told["annotations"]["description"].startswith(f"127.0.0.1:{ports[0]} cannot")
