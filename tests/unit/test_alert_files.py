"""Dashboard and alert rules name figures that there are, and pages that there are."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from music_service.observe.fleet import COUNTS, GAUGES
from music_service.observe.metrics import Metrics
from tests.support.project import ROOT
from tests.support.prometheus import EXAMPLE, RULE_TESTS, RULES
from tests.unit.test_docs import anchors, read

DASHBOARD = ROOT / "deploy" / "grafana" / "music-service.json"
PAGE = "https://music-service.example/blob/main/"
NAME = re.compile(r"\bmusic_\w+")
OF_HISTOGRAMS = ("_bucket", "_sum", "_count")


def metric_names() -> set[str]:
    """Each name as Prometheus stores it, that of a histogram without its endings."""
    metrics = Metrics(models=[], version="1")
    metrics.ask(lambda: STATUS)
    worker = {
        each.name + {"counter": "_total", "info": "_info"}.get(each.type, "")
        for each in metrics.registry.collect()
    }
    return worker | {f"music_fleet_{name}" for name, *_ in (*GAUGES, *COUNTS)}


def named_in(text: str) -> set[str]:
    names = set(NAME.findall(text))
    return {
        next((name.removesuffix(end) for end in OF_HISTOGRAMS if name.endswith(end)), name)
        for name in names
    }


def rules() -> dict[str, dict[str, str]]:
    """Each alert with its parts, folded to one line each."""
    found = {}
    for block in re.split(r"^      - alert: ", RULES.read_text(), flags=re.MULTILINE)[1:]:
        name, _, rest = block.partition("\n")
        rest = re.split(r"^ {0,6}\S", rest, flags=re.MULTILINE)[0]
        parts = re.findall(r"^ +(\w+): ?(?:>-\n)?((?:.*\n)(?:(?! +\w+:).*\n)*)", rest, re.MULTILINE)
        found[name] = {key: " ".join(value.split()).strip("'") for key, value in parts}
    return found


RULES_BY_NAME = rules()


def dashboard() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return content


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = dashboard()["panels"]
    return found


def test_every_figure_that_an_alert_goes_by_is_one_of_the_service() -> None:
    names = named_in(" ".join(rule["expr"] for rule in RULES_BY_NAME.values()))
    assert len(names) > 15
    assert names - metric_names() == set()


def test_every_figure_of_the_dashboard_is_one_of_the_service() -> None:
    queries = [target["expr"] for panel in panels() for target in panel.get("targets", [])]
    variables = [each["definition"] for each in dashboard()["templating"]["list"][1:]]
    assert len(queries) > 30
    names = named_in(" ".join(queries + variables))
    assert names - metric_names() == set()


def test_every_figure_of_the_rule_tests_is_one_of_the_service() -> None:
    assert named_in(RULE_TESTS.read_text()) - metric_names() == set()


def test_the_dashboard_shows_every_figure_of_a_worker() -> None:
    shown = named_in(DASHBOARD.read_text())
    of_workers = {name for name in metric_names() if not name.startswith("music_fleet_")}
    assert of_workers - shown == set()


@pytest.mark.parametrize("name", RULES_BY_NAME)
def test_an_alert_says_what_is_wrong_how_bad_it_is_and_where_to_read_on(name: str) -> None:
    rule = RULES_BY_NAME[name]
    assert rule["severity"] in ("critical", "warning")
    assert len(rule["summary"]) > 15
    assert len(rule["description"]) > 30
    page, _, anchor = rule["runbook_url"].removeprefix(PAGE).partition("#")
    assert anchor in anchors(ROOT / page)
    assert f"### {name}\n" in read(page)


def test_an_alert_that_wakes_somebody_says_so_in_the_docs() -> None:
    page = read("docs/alarms.md")
    marked = set(re.findall(r"^### (\w+)\n\nCritical\. ", page, re.MULTILINE))
    critical = {name for name, rule in RULES_BY_NAME.items() if rule["severity"] == "critical"}
    assert marked == critical
    told = set(re.findall(r"^### (Music\w+)$", page, re.MULTILINE))
    assert told == set(RULES_BY_NAME)


def test_every_alert_has_a_story_in_which_it_fires() -> None:
    fired = set(re.findall(r'alertname="(\w+)"', RULE_TESTS.read_text()))
    assert fired == set(RULES_BY_NAME)


def test_the_example_collects_what_the_alerts_ask_for() -> None:
    jobs = set(re.findall(r"job_name: (\S+)", EXAMPLE.read_text()))
    asked = set(re.findall(r'job="(\S+?)"', RULES.read_text()))
    assert asked
    assert asked <= jobs
    assert "  - alerts.yml" in EXAMPLE.read_text()


# --- The form of the dashboard, as Grafana reads it -----------------------------------------------


def test_panels_have_ids_of_their_own_and_places_that_do_not_overlap() -> None:
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_panel_says_what_it_shows_and_asks_the_chosen_prometheus() -> None:
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    source, instance = dashboard()["templating"]["list"]
    assert (source["name"], source["type"], source["query"]) == (
        *("datasource", "datasource", "prometheus"),
    )
    assert (instance["name"], instance["type"], instance["datasource"]) == (
        *("instance", "query", chosen),
    )
    titles = [panel["title"] for panel in panels()]
    assert len(set(titles)) == len(titles)
    for panel in panels():
        if panel["type"] == "row":
            assert panel["panels"] == []
            continue
        assert panel["type"] in ("stat", "timeseries")
        assert panel["description"].endswith("."), panel["title"]
        assert panel["datasource"] == chosen
        assert panel["fieldConfig"]["defaults"]["unit"] in ("none", "s", "percentunit")
        targets = panel["targets"]
        assert len({target["refId"] for target in targets}) == len(targets) > 0
        for target in targets:
            assert target["datasource"] == chosen
            assert target["legendFormat"]
            assert set(re.findall(r"\$\w+", target["expr"])) <= {"$instance", "$__rate_interval"}


def test_it_can_be_imported() -> None:
    content = dashboard()
    assert content["uid"] == "music-service"
    assert content["title"]
    assert content["schemaVersion"] >= 36
    assert "id" not in content
    assert "__inputs" not in content, "the data source is a variable"


STATUS: dict[str, Any] = {
    "state": "running",
    "running": 0,
    "capacity": 4,
    "realtime": "subscribed",
    "reconnects": 0,
    "unannounced": 0,
    "lost": 0,
}
