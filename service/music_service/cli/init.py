"""`music-service init`: the migrations put into an app's Supabase folder."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from music_service.cli.output import ExitCode, answer, complain, say, say_command
from music_service.cli.stack import project_dir
from music_service.errors import ConfigurationError
from music_service.install import config, migrations, supabase_cli
from music_service.install.migrations import Comparison

_DECLARATIVE = (
    "This app keeps declarative schemas (supabase/schemas or schema_paths), which know nothing of "
    "what these migrations make: the next migration written from them (db schema declarative sync; "
    "with the Supabase CLI 2 db diff) would drop it. After the push, let the CLI write the schemas "
    "again from the database (db schema declarative generate; with the CLI 2, name the copies "
    "first in schema_paths), and read each generated migration before you push it."
)


def init(
    directory: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="The app's folder, which has supabase/.")
    ] = Path(),
    *,
    with_journeys: Annotated[
        bool, typer.Option("--with-journeys", help="With the tables of reading journeys.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done; change nothing.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Exit 1 unless the copies are this version's.")
    ] = False,
) -> None:
    """Copy the migrations into an app's supabase/migrations, dated after its last one.

    What is there already is left alone, so that a second run copies only what is new.
    """
    app = _app_of(directory)
    ours = migrations.shipped(project_dir() / "supabase" / "migrations")
    folder = app / "supabase" / "migrations"
    found = migrations.compare(folder, ours, with_journeys=with_journeys)
    if check:
        raise typer.Exit(_check(found))
    copies = migrations.named(folder, found.missing, datetime.now(UTC).replace(tzinfo=None))
    merged = _merged_config(app / "supabase")
    if not dry_run:
        migrations.write(folder, copies)
    verb = "would copy" if dry_run else "copied"
    for name in copies:
        answer(f"{verb} supabase/migrations/{name}")
    if not copies:
        answer(f"nothing to copy: all {len(found.same)} are there")
    if merged is not None:
        _keep(merged, app / "supabase" / "config.toml", dry_run=dry_run)
    _warn(app / "supabase", found)
    _say_what_next(app)


def _app_of(directory: Path) -> Path:
    """The folder that has `supabase/`; raises ConfigurationError where there is none."""
    if not directory.is_dir():
        raise ConfigurationError(f"{directory} is no folder; name the one of your app.")
    for app in (directory, directory.resolve().parent):
        supabase_dir = app / "supabase"
        is_meant = app == directory or supabase_dir == directory.resolve()
        if is_meant and any(supabase_dir.glob("config.*")):
            return app
    raise ConfigurationError(
        f"{directory.resolve()} has no supabase/config.toml, so it is no Supabase project: run "
        "`npx supabase init` in your app's folder first, or name that folder: "
        "music-service init DIR."
    )


def _check(found: Comparison) -> ExitCode:
    for migration in found.missing:
        answer(f"missing {migration.name}")
    for path in found.changed:
        answer(f"changed {path.name}")
    for path in found.other:
        answer(f"other {path.name}")
    if found.is_current:
        answer(f"all {len(found.same)} copies are this version's")
        return ExitCode.OK
    complain("The copies are not this version's; `music-service init` copies what is missing.")
    return ExitCode.FAILED


def _merged_config(supabase_dir: Path) -> config.Merge | None:
    """What becomes of config.toml; None where the app has a config.json, as the CLI allows."""
    path = supabase_dir / "config.toml"
    if path.exists():
        return config.merge(path)
    say(f"Only config.toml is read here; add to yours what makes: {config.ADDITION.strip()}")
    return None


def _keep(merged: config.Merge, path: Path, *, dry_run: bool) -> None:
    if merged.added and not dry_run:
        config.write(path, merged.text)
    for name in merged.added:
        answer(f"{'would add' if dry_run else 'added'} {name} to supabase/config.toml")
    for sentence in merged.warnings:
        say(f"supabase/config.toml: {sentence}")


def _warn(supabase_dir: Path, found: Comparison) -> None:
    for path in found.changed:
        say(
            f"{path.name} is not as this version has it. If it was never pushed, delete it and run "
            "this again; if it was, it may be of another version of music-service or edited."
        )
    for path in found.other:
        say(f"{path.name} is of another version of music-service, or copied twice.")
    if config.has_declarative_schemas(supabase_dir, supabase_dir / "config.toml"):
        say(_DECLARATIVE)


def _say_what_next(app: Path) -> None:
    cli = supabase_cli.find(app.resolve())
    if cli is None:
        say("No Supabase CLI was found; npx fetches it. Next:")
    else:
        say(f"Next, with the Supabase CLI {cli.version or 'that was found'}:")
    for purpose, command in supabase_cli.next_commands(cli, app):
        say(f"{purpose}:")
        say_command(command)
    say("Then: music-service doctor")
