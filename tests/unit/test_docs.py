"""Documents that cannot drift: compared with settings, codes, commands, SQL and each other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import AliasChoices
from pydantic.fields import FieldInfo
from typer.core import TyperCommand

from music_service.cli.commands import COMMANDS, LazyCommand
from music_service.cli.output import ExitCode
from music_service.errors import ErrorCode
from music_service.mureka.prices import expected_cost_cents
from music_service.observe.fleet import in_text_format
from music_service.observe.metrics import ANSWERS, COMPLETED, ERROR, NO_CODE, OTHER, Metrics
from music_service.observe.observer import Fate, State
from music_service.settings import Settings
from music_service.tracks import Status
from tests.support.attempts import Working
from tests.support.builders import a_claim
from tests.support.health import HEALTH
from tests.support.project import ROOT

DOCS = ROOT / "docs"
PRODUCT = ROOT / "service" / "music_service"
DECISIONS = sorted((DOCS / "decisions").glob("[0-9]*.md"))
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
MIGRATIONS = "\n".join(
    path.read_text() for path in sorted((ROOT / "supabase" / "migrations").glob("*.sql"))
)
REQUIRED = "required"
UNSET = "unset"


def read(name: str) -> str:
    return (ROOT / name).read_text()


def names_of(field_name: str, field: FieldInfo) -> list[str]:
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return [str(choice) for choice in alias.choices]
    return [field_name.upper()]


def default_of(field: FieldInfo) -> str:
    if field.is_required():
        return REQUIRED
    if field.default_factory is not None:
        return "unique"
    if field.default is None:
        return UNSET
    if isinstance(field.default, bool):
        return str(field.default).lower()
    return str(field.default)


def settings() -> dict[str, str]:
    """Every setting with its default; of two names for one, the second is an alternative."""
    found = {}
    for field_name, field in Settings.model_fields.items():
        first, *alternatives = names_of(field_name, field)
        found[first] = default_of(field)
        found |= dict.fromkeys(alternatives, UNSET)
    return found


def test_the_page_of_settings_lists_each_with_its_default() -> None:
    table = read("docs/settings.md").partition("<!-- settings -->")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", table, re.MULTILINE)
    assert {name: default.strip("`") for name, default in rows} == settings()


def test_the_example_file_holds_every_setting_with_its_default() -> None:
    lines = re.findall(r"^(# )?([A-Z_]+)=(.*)$", read(".env.example"), re.MULTILINE)
    shown = {
        name: REQUIRED if not optional else value or UNSET for optional, name, value in lines
    } | {"WORKER_ID": "unique"}
    assert shown == settings()


def test_the_example_file_needs_three_values_and_then_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in settings():
        monkeypatch.delenv(name, raising=False)
    given = {
        "SUPABASE_URL": "https://ref.supabase.co",
        "SUPABASE_SECRET_KEY": "sb_secret_x",
        "MUREKA_API_KEY": "op_x",
    }
    filled = read(".env.example")
    for name, value in given.items():
        filled = filled.replace(f"\n{name}=\n", f"\n{name}={value}\n")
    (tmp_path / ".env").write_text(filled)
    monkeypatch.chdir(tmp_path)
    loaded = Settings.load()
    assert loaded.supabase_url == given["SUPABASE_URL"]
    assert {name for name in Settings.model_fields if name in loaded.model_fields_set} == {
        name.lower() for name in given
    }


def test_every_setting_of_the_fleet_is_documented_for_operators() -> None:
    columns = re.findall(r"comment on column music\.settings\.(\w+)", MIGRATIONS)
    rows = re.findall(r"^\| `(\w+)` \|", section("docs/operating.md", "Limits"), re.MULTILINE)
    assert rows == [column for column in columns if column != "id"]


def test_the_first_page_says_what_a_day_may_cost_at_first() -> None:
    names = ("daily_budget_cents", "daily_budget_cents_of_guests")
    of_all, of_guests = [
        re.findall(rf"^  {name} numeric\(12, 2\) default (\d+),", MIGRATIONS, re.MULTILINE)
        for name in names
    ]
    [sentence] = re.findall(r"\*\*At first a day.*", read("README.md"))
    assert re.findall(r"\d+", sentence) == of_all + of_guests
    limits = section("docs/operating.md", "Limits")
    for name, [default] in zip(names, (of_all, of_guests), strict=True):
        assert f"| `{name}` | {default} |" in limits


def test_every_column_of_a_track_is_documented_for_apps() -> None:
    page = read("supabase/schema.sql")
    columns = re.findall(r"^COMMENT ON COLUMN public\.music_tracks\.(\w+) IS", page, re.MULTILINE)
    rows = re.findall(r"^\| `(\w+)` \|", section("docs/clients.md", "Columns"), re.MULTILINE)
    assert sorted(rows) == sorted(columns)


def test_apps_are_told_what_strangers_see_and_how_to_leave_it_out() -> None:
    said = section("docs/clients.md", "What strangers see")
    assert "Error 401: Unauthorized" in said
    assert "alter publication supabase_realtime drop table public.music_tracks;" in said


def test_each_setting_of_a_time_says_its_unit() -> None:
    table = read("docs/settings.md").partition("<!-- settings -->")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `(\w+_SECONDS)` \| .*? \| (.*) \|$", table, re.MULTILINE)
    assert len(rows) >= 4
    assert [name for name, words in rows if "second" not in words] == []


def test_every_error_code_is_documented_for_users_and_operators() -> None:
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", read("docs/errors.md"), re.MULTILINE)
    assert {code for code, _ in rows} == set(ErrorCode)
    for code, cells in rows:
        status, happened, user, operator = (cell.strip() for cell in cells.split("|"))
        assert status in ("error", "pending", "pending or error"), code
        assert all((happened, user, operator)), code


def metrics_on(page: str, mark: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Type and labels of each metric in a table of a page; each has a meaning."""
    table = read(page).partition(f"<!-- {mark} -->")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) ?\| (.+?) \|", table, re.MULTILINE)
    return {name: (kind, frozenset(re.findall(r"`(\w+)`", cell))) for name, kind, cell, _ in rows}


def metrics_of(text: str) -> dict[str, tuple[str, frozenset[str]]]:
    """The same of what is served; a counter goes by the name of its samples."""
    return {
        family.name + "_total" * (family.type == "counter"): (
            family.type,
            frozenset(label for sample in family.samples for label in sample.labels) - {"le"},
        )
        for family in text_string_to_metric_families(text)
    }


async def test_every_metric_is_documented_with_its_type_and_labels() -> None:
    metrics = Metrics(models=["mureka-9"], version="1")
    metrics.ask(Working().worker.status)
    metrics.supabase_answered("claim_music_tracks", 200)
    metrics.claimed(a_claim()).generated("mureka-9", 1)
    assert metrics_on("docs/metrics.md", "metrics") == metrics_of(metrics.render().decode())


def test_every_metric_of_the_fleet_is_documented_with_its_type_and_labels() -> None:
    served = metrics_of(in_text_format(HEALTH))
    assert metrics_on("docs/metrics.md", "fleet") == served
    waits = re.search(r"`music_fleet_waiting`.*?: (.*?\))", read("docs/metrics.md"))
    assert waits is not None
    assert set(re.findall(r"`(\w+)`", waits[1])) == {*HEALTH["waiting"]}


def test_the_states_and_fates_and_classes_that_metrics_tell_are_documented() -> None:
    page = read("docs/metrics.md")
    told = (*get_args(State), *get_args(Fate), *ANSWERS, OTHER, COMPLETED, ERROR, NO_CODE)
    assert [word for word in told if f"`{word}`" not in page] == []


def test_every_status_is_documented_for_apps() -> None:
    life = section("docs/clients.md", "Life of a track")
    assert set(re.findall(r"^\| `(\w+)` \|", life, re.MULTILINE)) == set(Status)


def test_every_kind_of_event_is_documented_for_operators() -> None:
    written = re.findall(
        r"insert into music\.events \(track_id, kind[^;]*?"
        r"(?:values \(\w+(?:\.\w+)?, |select [\w.]+, )'(\w+)'",
        MIGRATIONS,
    )
    assert len(set(written)) > 8
    shown = section("docs/operating.md", "Look")
    assert [kind for kind in set(written) if f"`{kind}`" not in shown] == []


def test_every_event_of_the_log_is_documented_for_operators() -> None:
    code = "".join(
        path.read_text()
        for part in ("worker", "store", "compose.py")
        for path in [PRODUCT / part, *(PRODUCT / part).glob("*.py")]
        if path.is_file()
    )
    events = set(
        re.findall(r"(?:\.(?:debug|info|warning|error|exception)|\bsay)\(\s*\"(\w+)\"", code)
    )
    assert len(events) > 20
    page = section("docs/running.md", "Logs")
    assert sorted(event for event in events if f"`{event}`" not in page) == []


def test_the_readme_has_the_price_of_each_model() -> None:
    table = section("README.md", "What it costs")
    rows = re.findall(r"^\| `(\S+)`.*? \| (?:counted as )?([\d.]+) \|", table, re.MULTILINE)
    assert len(rows) == 5
    assert {model: float(cents) for model, cents in rows} == {
        model: float(expected_cost_cents(model)) for model, _ in rows
    }


def commands() -> Iterator[tuple[str, TyperCommand]]:
    for name in COMMANDS:
        yield name, LazyCommand(name).load()


# Here the option is one of their own.
WRITES_ENV_FILE = ("dev", "stack")


def test_every_command_and_option_is_documented() -> None:
    page = read("docs/commands.md")
    assert "`--env-file FILE`" in page.partition("\n## ")[0]
    shown = re.findall(r"^## `music-service (\w+)", page, re.MULTILINE)
    assert shown == [name for name, _ in commands()]
    for name, command in commands():
        part = re.split(rf"^## `music-service {name}\b.*$", page, flags=re.MULTILINE)[1]
        part = part.partition("\n## ")[0]
        options = {
            option
            for parameter in command.params
            for option in parameter.opts
            if option.startswith("--") and option != "--help"
        }
        if name not in WRITES_ENV_FILE:
            options.discard("--env-file")  # said once, of all that use a project
        assert set(re.findall(r"`(--[\w-]+)", part)) == options, name


def test_every_exit_code_is_documented() -> None:
    for page in ("docs/commands.md", "docs/running.md"):
        rows = re.findall(r"^\| (\d+) \|", read(page), re.MULTILINE)
        assert {int(code) for code in rows} >= set(ExitCode), page


def test_every_function_that_workers_may_call_is_documented() -> None:
    granted = re.findall(r"^\s+'?public\.(\w+)\(", MIGRATIONS, re.MULTILINE)
    created = re.findall(r"^create function public\.(\w+)\(", MIGRATIONS, re.MULTILINE)
    assert set(granted) == set(created)
    page = section("docs/architecture.md", "The database")
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert [name for name in granted if f"| `{name}` |" not in page] == []


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", without_code(page.read_text()), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


def without_code(text: str) -> str:
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def section(page: str, heading: str) -> str:
    """A part of a page, up to the next heading of the same level."""
    text = f"\n{read(page)}".partition(f"\n## {heading}\n")[2]
    assert text, f"{page} has no part {heading}"
    return text.partition("\n## ")[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_between_documents_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text())):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


def test_every_document_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop().resolve()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        links = re.findall(r"\]\(([^)\s#]+)", without_code(page.read_text()))
        waiting += [page.parent / link for link in links if not link.startswith("https://")]
    assert set(PAGES) <= reached


def test_decisions_are_numbered_without_gaps_dated_and_listed() -> None:
    numbers = [int(path.name[:4]) for path in DECISIONS]
    assert numbers == list(range(1, len(DECISIONS) + 1))
    index = read("docs/decisions/README.md")
    for path in DECISIONS:
        found = re.match(
            r"# (\d{4})\. (.+)\n\nDate: (\d{4}-\d{2}-\d{2})\nStatus: \w+", path.read_text()
        )
        assert found is not None, path.name
        number, title, date = found.groups()
        assert path.name.startswith(number)
        assert f"| {number} | [{title}]({path.name}) | {date} |" in index


def test_every_test_that_the_checklists_name_is_there() -> None:
    named = re.findall(r"`(test_\w+)`", read("CONTRIBUTING.md"))
    assert len(named) > 20
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name in named if f"def {name}(" not in tests] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    if page.parent.name == "decisions" or page.name == "CHANGELOG.md":
        return  # of their time
    folders = "docs|deploy|scripts|service/music_service|service/local_supabase|supabase|tests|web"
    named = re.findall(rf"`(?:\./)?((?:{folders})/[\w./-]*)`", page.read_text())
    missing = [name for name in named if not (ROOT / name).exists()]
    assert [name for name in missing if "node_modules" not in name] == []


def test_the_readme_stays_short() -> None:
    assert len(read("README.md").splitlines()) <= 170


def test_the_index_for_models_names_each_page_that_stands_for_itself() -> None:
    page = DOCS / "llms.txt"
    links = re.findall(r"^- \[[^\]]+\]\(([^)]+)\): ", page.read_text(), re.MULTILINE)
    linked = {(DOCS / link).resolve() for link in links}
    assert [path for path in linked if not path.exists()] == []
    assert set(DOCS.glob("*.md")) <= linked
    assert page.read_text().startswith("# music-service\n\n> ")


def test_the_skill_says_when_it_is_of_use() -> None:
    text = read("docs/skills/music-service/SKILL.md")
    found = re.match(r"---\nname: ([a-z-]+)\ndescription: (.{50,1024})\n---\n", text)
    assert found is not None
    assert found[1] == "music-service"
