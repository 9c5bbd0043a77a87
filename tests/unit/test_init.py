"""`music-service init`: what it copies into an app, what it leaves alone, and what it says."""

from __future__ import annotations

import stat
import tomllib
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import datetime
from io import StringIO
from pathlib import Path

import pytest

from music_service.cli.commands import command_line
from music_service.errors import ConfigurationError
from music_service.install import config, migrations, supabase_cli
from tests.support.project import SUPABASE

OURS = migrations.shipped(SUPABASE / "migrations")
CORE = [migration.name for migration in OURS if not migration.is_optional]
NOW = datetime(2026, 11, 26, 12, 0, 0)
APP_CONFIG = """\
# My app. Every line of this stays.
project_id = "my-app"   # so does this one

[storage]
enabled = true

[auth]
enable_anonymous_sign_ins = true
"""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An app with a table of its own, and no Supabase CLI anywhere."""
    folder = tmp_path / "app"
    (folder / "supabase" / "migrations").mkdir(parents=True)
    (folder / "supabase" / "config.toml").write_text(APP_CONFIG)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    return folder


def own_migration(app: Path, version: str) -> Path:
    path = app / "supabase" / "migrations" / f"{version}_create_books.sql"
    path.write_text("create table books (id uuid primary key);\n")
    return path


@dataclass(frozen=True)
class Result:
    exit_code: int
    stdout: str
    stderr: str


def run(*arguments: str) -> Result:
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = command_line()(["init", *arguments], "music-service", standalone_mode=False)
    return Result(code or 0, out.getvalue(), err.getvalue())


def names_in(app: Path) -> list[str]:
    return sorted(path.name for path in (app / "supabase" / "migrations").glob("*.sql"))


def refusal(*arguments: str) -> str:
    with pytest.raises(ConfigurationError) as refused:
        run(*arguments)
    return str(refused.value)


def files_of(app: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in app.rglob("*") if path.is_file()}


@pytest.mark.parametrize("version", ["20200101000000", "20981231235958", "0001", "20251126"])
def test_every_copy_comes_after_the_last_migration_of_the_app_in_our_order(
    app: Path, version: str
) -> None:
    own = own_migration(app, version)
    assert run().exit_code == 0
    first, *copies = names_in(app)
    assert first == own.name
    assert [name.partition("_")[2] for name in copies] == CORE
    dates = [name.partition("_")[0] for name in copies]
    assert dates == sorted(set(dates))
    assert dates[0] > version
    assert all(datetime.strptime(date, "%Y%m%d%H%M%S") for date in dates)


def test_a_copy_is_the_original_behind_a_line_that_says_so(app: Path) -> None:
    run()
    [copy] = (app / "supabase" / "migrations").glob(f"*_{CORE[0]}")
    first, _, rest = copy.read_text().partition("\n")
    assert first.startswith("-- ")
    assert CORE[0] in first
    assert rest == (SUPABASE / "migrations" / CORE[0]).read_text()


def test_a_second_run_changes_nothing(app: Path) -> None:
    run()
    before = files_of(app)
    result = run()
    assert f"all {len(CORE)} are there" in result.stdout
    assert files_of(app) == before


def test_what_is_new_is_copied_after_what_the_app_did_since(app: Path) -> None:
    run()
    [copy] = (app / "supabase" / "migrations").glob(f"*_{CORE[-1]}")
    copy.unlink()
    own_migration(app, "20970101000000")
    assert run().stdout.count("copied ") == 1
    assert names_in(app)[-1] == f"20970101000001_{CORE[-1]}"
    assert run("--check").exit_code == 0


def test_files_that_were_copied_by_hand_are_known_again(app: Path) -> None:
    for name in CORE:
        text = (SUPABASE / "migrations" / name).read_bytes().replace(b"\n", b"\r\n")
        (app / "supabase" / "migrations" / name).write_bytes(text)
    assert run("--check").exit_code == 0
    assert "nothing to copy" in run().stdout


def test_a_dry_run_says_what_would_be_done_and_does_nothing(app: Path) -> None:
    before = files_of(app)
    said = run("--dry-run").stdout
    assert said.count("would copy supabase/migrations/2") == len(CORE)
    assert "would add [storage.buckets.music-tracks]" in said
    assert files_of(app) == before


def test_check_names_what_is_missing_changed_and_of_another_version(app: Path) -> None:
    assert run("--check").exit_code == 1
    run()
    assert run("--check").exit_code == 0
    copies = {name.partition("_")[2]: name for name in names_in(app)}
    folder = app / "supabase" / "migrations"
    (folder / copies[CORE[0]]).unlink()
    edited = folder / copies[CORE[1]]
    edited.write_text(f"{edited.read_text()}\n-- mine\n")
    foreign = folder / "20970101000000_20270101000000_of_tomorrow.sql"
    foreign.write_text(f"{(folder / copies[CORE[2]]).read_text()}\n")
    twice = folder / f"20970101000001_{CORE[3]}"
    twice.write_text((folder / copies[CORE[3]]).read_text())
    before = files_of(app)
    result = run("--check")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"missing {CORE[0]}",
        f"changed {edited.name}",
        f"other {foreign.name}",
        f"other {twice.name}",
    ]
    assert files_of(app) == before
    said = run().stderr
    for path in (edited, foreign, twice):
        assert path.name in said


def test_files_of_somebody_else_are_not_ours(app: Path) -> None:
    stranger = app / "supabase" / "migrations" / "20260501000000_20250429164909_pgflow_initial.sql"
    stranger.write_text("create schema pgflow;\n")
    run()
    assert run("--check").exit_code == 0


@pytest.mark.parametrize("version", ["99999999999999", "3", "9" * 20, "20991301000000"])
def test_a_number_after_which_nothing_can_be_dated_is_named(app: Path, version: str) -> None:
    own_migration(app, version)
    before = files_of(app)
    assert f"begins with {version}" in refusal()
    assert files_of(app) == before


def test_the_tables_of_journeys_are_copied_for_those_who_ask(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    (ours / "20260101000000_create_a.sql").write_text("-- A.\n\nselect '\n-- Set: journeys\n';\n")
    (ours / "20260101000001_create_b.sql").write_text("-- B.\n-- Set: journeys\n\nselect 2;\n")
    (ours / "20260101000002_create_c.sql").write_text("-- Set: journeys\nselect 3;\n")
    shipped = migrations.shipped(ours)
    assert [migration.is_optional for migration in shipped] == [False, True, True]
    without = migrations.compare(theirs, shipped, with_journeys=False)
    assert without.missing == shipped[:1]
    asked = migrations.compare(theirs, shipped, with_journeys=True)
    assert asked.missing == shipped
    # Whoever has one of them wants the others of a later version, too.
    migrations.write(theirs, migrations.named(theirs, shipped[:2], NOW))
    assert migrations.compare(theirs, shipped, with_journeys=False).missing == shipped[2:]


def test_what_the_config_lacks_is_added_and_every_line_stays(app: Path) -> None:
    path = app / "supabase" / "config.toml"
    path.write_bytes(APP_CONFIG.replace("\n", "\r\n").encode())
    path.chmod(0o640)
    assert "added [storage.buckets.music-tracks]" in run().stdout
    written = path.read_bytes()
    assert written.startswith(APP_CONFIG.replace("\n", "\r\n").encode())
    assert b"\n" not in written.replace(b"\r\n", b"")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    before = tomllib.loads(APP_CONFIG)
    after = tomllib.loads(written.decode())
    assert after["storage"].pop("buckets") == {
        "music-tracks": {
            "public": True,
            "file_size_limit": "50MiB",
            "allowed_mime_types": ["audio/mpeg", "audio/wav", "audio/flac"],
        }
    }
    assert after == before


def test_the_bucket_of_the_config_is_that_of_the_migration() -> None:
    [made] = [m for m in OURS if m.name.endswith("_create_music_tracks_bucket.sql")]
    [bucket] = tomllib.loads(config.ADDITION)["storage"]["buckets"].items()
    size = config.BUCKET_MIB * 2**20
    assert bucket[0] == config.BUCKET
    types = ", ".join(f"'{kind}'" for kind in bucket[1]["allowed_mime_types"])
    statement = " ".join(made.text.split())
    assert f"('{config.BUCKET}', '{config.BUCKET}', true, {size}, array[{types}])" in statement


HINDRANCES = {
    "[api]\nenabled = false": "no other way in",
    "[storage]\nenabled = false": "no audio can be stored",
    "[storage]\nfile_size_limit = '500KB'": "raise its file_size_limit",
    "[storage.buckets.music-tracks]\nfile_size_limit = 1000": "raise its file_size_limit",
    "[storage.buckets.music-tracks]\npublic = false": "set MUSIC_BUCKET_PUBLIC=false",
    "[storage.buckets.music-tracks]\nallowed_mime_types = ['image/png']": "takes no audio/mpeg",
    "[realtime]\nenabled = false": "only the sweep will find tracks",
    "[db.migrations]\nenabled = false": "a push applies nothing",
    "[api]\nschemas = ['graphql_public']": 'lacks "public"',
    "[api]\nschemas = ['public', 'music']": "take it out",
    "[api]\nmax_rows = 5": "max_rows is below 100",
    "storage = { enabled = true }": "add it by hand",
    "auth = 3": "Guests cannot sign in",
    "[db.migrations]\nschema_paths = ['./tables/*.sql']": "declarative schemas",
}


@pytest.mark.parametrize("written", HINDRANCES)
def test_what_the_app_has_set_is_left_alone_and_complained_about(app: Path, written: str) -> None:
    path = app / "supabase" / "config.toml"
    path.write_text(f"{written}\n")
    result = run()
    assert HINDRANCES[written] in " ".join(result.stderr.split())
    assert path.read_text().startswith(f"{written}\n")
    assert (
        tomllib.loads(path.read_text()).items()
        >= {
            name: value for name, value in tomllib.loads(written).items() if name != "storage"
        }.items()
    )


def test_an_app_without_hindrances_hears_of_none(app: Path) -> None:
    assert "config.toml" not in run().stderr


def test_declarative_schemas_are_warned_of(app: Path) -> None:
    (app / "supabase" / "schemas").mkdir()
    (app / "supabase" / "schemas" / "books.sql").write_text("create table books ();")
    assert "db schema declarative generate" in " ".join(run().stderr.split())


def test_a_config_that_is_no_toml_is_refused_before_anything_is_written(app: Path) -> None:
    (app / "supabase" / "config.toml").write_text("[storage\n")
    before = files_of(app)
    assert "is not valid TOML" in refusal()
    assert files_of(app) == before


def test_a_config_in_json_is_left_alone_and_told_of(app: Path) -> None:
    (app / "supabase" / "config.toml").unlink()
    (app / "supabase" / "config.json").write_text("{}")
    result = run()
    assert result.exit_code == 0
    assert "add to yours" in result.stderr
    assert (app / "supabase" / "config.json").read_text() == "{}"


def test_a_folder_that_is_no_supabase_project_is_refused_with_what_to_do(
    app: Path, tmp_path: Path
) -> None:
    assert "npx supabase init" in refusal(str(tmp_path))
    assert "is no folder" in refusal(str(tmp_path / "nowhere"))
    assert "is no folder" in refusal(str(app / "supabase" / "config.toml"))
    assert not (tmp_path / "supabase").exists()


def test_the_supabase_folder_itself_will_do(app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(app / "supabase")
    assert run().exit_code == 0
    assert len(names_in(app)) == len(CORE)
    assert not (app / "supabase" / "supabase").exists()


def install_cli(app: Path, version: str) -> None:
    package = app / "node_modules" / "supabase"
    package.mkdir(parents=True)
    (package / "package.json").write_text(f'{{"version": "{version}"}}')


@pytest.mark.parametrize(
    ("version", "local", "linked"),
    [
        ("3.1.0", "npx supabase db push", "npx supabase db push --remote --yes"),
        ("2.58.5", "npx supabase db push --local", "npx supabase db push --linked --yes"),
    ],
)
def test_the_next_commands_are_those_of_the_cli_that_the_app_has(
    app: Path, version: str, local: str, linked: str
) -> None:
    install_cli(app, version)
    lines = run().stderr.splitlines()
    assert f"Next, with the Supabase CLI {version}:" in lines
    assert lines[lines.index("The local stack:") + 1] == f"  {local}"
    assert lines[lines.index("Apply it to the linked project:") + 1] == f"  {linked}"
    assert any("link --project-ref" in line for line in lines)


def test_a_linked_app_elsewhere_is_named_and_not_linked_again(
    app: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (app / "supabase" / ".temp").mkdir()
    (app / "supabase" / ".temp" / "project-ref").write_text("abcdefghijklmnopqrst")
    there = tmp_path / "my app"
    app.rename(there)
    monkeypatch.chdir(tmp_path)
    said = run(str(there)).stderr
    assert f"--workdir '{there}' db push --remote --yes" in said
    assert "link --project-ref" not in said


def test_a_cli_on_the_path_is_asked_for_its_version(
    app: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "supabase"
    program.parent.mkdir()
    monkeypatch.setenv("PATH", str(program.parent))
    assert supabase_cli.find(app) is None
    for said, version in (("supabase 2.9.0", "2.9.0"), ("who knows", None)):
        program.write_text(f"#!/bin/sh\necho '{said}'\n")
        program.chmod(0o755)
        assert supabase_cli.find(app) == supabase_cli.SupabaseCli("supabase", version)


def test_no_cli_means_npx(app: Path) -> None:
    assert "npx supabase@3 db push --remote --yes" in run().stderr


def test_a_folder_that_cannot_be_written_to_is_named(app: Path) -> None:
    (app / "supabase" / "migrations").rmdir()
    (app / "supabase" / "migrations").write_text("in the way")
    assert "cannot be written to" in refusal()
