"""`music-service dev`: everything at once, and a track made while you watch.

Without a project in the environment it runs the embedded Supabase, with the demo app at its
address, and without a Mureka key the simulator. What the environment or `.env` names is used
instead.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
import shutil
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from music_service import log
from music_service.cli.dev_page import DevPage
from music_service.cli.dev_worker import DevWorker
from music_service.cli.named import MUREKA, PROJECT, way_out, where_named
from music_service.cli.output import PROGRAM, ExitCode, answer, say, say_command
from music_service.cli.project import project
from music_service.cli.signals import run_async, stop_on_signal
from music_service.cli.stack import (
    DEFAULT_DATA_DIR,
    DEFAULT_PORT,
    AllowHost,
    DataDir,
    EnvFile,
    Port,
    Reset,
    SimSeconds,
    StackOptions,
    checked_hosts,
    opened,
    opened_simulator,
    project_dir,
)
from music_service.cli.watch import follow
from music_service.compose import run_worker
from music_service.environment import given_values
from music_service.errors import ConfigurationError, EmbeddedStackError, TransientError
from music_service.mureka.prices import expected_cost_cents, is_free
from music_service.settings import MurekaSettings, ProjectSettings, Settings
from music_service.waiting import first_of

if TYPE_CHECKING:
    from local_supabase.stack import Stack

ENV_FILE = "stack.env"
DEMO = Path("web", "demo")
# Who kills the worker on the page waits for the next one to take over.
IMPATIENT = {"MUSIC_LEASE_SECONDS": "10", "MUSIC_SWEEP_SECONDS": "3"}
RunWorker = Callable[..., Coroutine[Any, Any, None]]
DEMO_TRACK = {
    "prompt": "A quiet evening with the first chapter of a long novel: warm, curious, unhurried",
    "genre": "neoclassical piano",
    "mood": "calm and expectant",
}


def dev(
    *,
    once: Annotated[bool, typer.Option("--once", help="End after the demo track.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask before spending money at Mureka.")
    ] = False,
    port: Port = DEFAULT_PORT,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    env_file: EnvFile = None,
    sim_seconds: SimSeconds = 8,
    allow_host: AllowHost = None,
    reset: Reset = False,
    site: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Serve this page in place of the demo app."),
    ] = None,
) -> None:
    """Run a Supabase, the worker and a demo track on this machine.

    Uses the project that SUPABASE_URL and SUPABASE_SECRET_KEY name, if they are set, and the real
    Mureka if MUREKA_API_KEY is set; else an embedded stack and a simulator.
    """
    os.environ.pop("PORT", None)  # of this shell, for an app's own server
    check_named_project()
    page = built_page(site)
    if MurekaSettings.is_given():
        confirm_cost(MurekaSettings.load(), yes=yes)
    file, names = env_file or data_dir / ENV_FILE, checked_hosts(allow_host)
    options = StackOptions(port, data_dir, file, sim_seconds, names, reset)
    raise typer.Exit(run_async(_dev(options, site=page, once=once)))


async def _dev(options: StackOptions, *, site: Path | None, once: bool) -> int:
    async with AsyncExitStack() as open_things:
        own_mureka = MurekaSettings.is_given()
        stack: Stack | None = None
        if not ProjectSettings.is_given():
            stack = await open_things.enter_async_context(opened(options, site=site))
            use(stack.environment(), with_mureka=not own_mureka)
        elif not own_mureka:
            variables = await open_things.enter_async_context(opened_simulator(options))
            use(variables, with_mureka=True)
        settings = Settings.load()
        is_quiet = "log_level" not in settings.model_fields_set
        level = "warning" if is_quiet else settings.log_level
        log.configure(level, "console")
        logging.getLogger("local_supabase").setLevel(logging.ERROR)  # what failed is to be seen
        say_what_is_used(settings, own_project=stack is None, own_mureka=own_mureka)
        say_what_is_missing(site, own_project=stack is None)
        stop = open_things.enter_context(stop_on_signal())
        file = None if stack is None else options.env_file
        run: RunWorker = partial(run_worker, settings)
        if stack is not None:
            run = worker_of_page(stack, level, is_simulated=not own_mureka)
        try:
            return await _make_music(settings, run, stack, stop, file=file, site=site, once=once)
        except TransientError as error:
            if stack is not None:
                raise
            raise TransientError(f"{error} {named_project()}") from error


def check_named_project() -> None:
    """Raise ConfigurationError where a project is named by half, with both ways out."""
    try:
        ProjectSettings.check_whole()
    except ConfigurationError as error:
        out = way_out(PROJECT, "for an embedded Supabase")
        raise ConfigurationError(f"{error} Or {out}.") from error


def named_project() -> str:
    """Why `dev` uses a project of one's own, and how to make it use none."""
    # The simulator of an earlier stack is gone with it.
    with_mureka = MUREKA if is_free(os.environ.get("MUREKA_API_URL", "")) else ()
    out = way_out((*PROJECT, *with_mureka), "for an embedded one")
    return f"That Supabase is used because of {where_named(PROJECT)}; {out}."


def say_what_is_used(settings: Settings, *, own_project: bool, own_mureka: bool) -> None:
    """Where Supabase and Mureka are, and why there."""
    say(f"Supabase at {settings.supabase_url}, Mureka at {settings.mureka_api_url}")
    if own_project:
        say(named_project())
    if own_mureka:
        out = way_out(MUREKA, "for the simulator")
        say(f"That Mureka is used because of {where_named(MUREKA)}; {out}.")


def built_page(named: Path | None) -> Path | None:
    """The folder of the page: the one that is named, or the demo app; None where that is not built.

    Raises:
        ConfigurationError: there is no page in the folder that is named.
    """
    folder = named or project_dir() / DEMO / "dist"
    if (folder / "index.html").is_file():
        return folder
    if named is not None:
        raise ConfigurationError(f"--site {named} has no index.html; name the folder of a page.")
    return None


def say_what_is_missing(site: Path | None, *, own_project: bool) -> None:
    """Why there is no page, where there is none, and how there would be."""
    if own_project:
        say(
            "The demo app is served with the embedded Supabase only; to point a build of it at "
            "yours, set VITE_SUPABASE_URL and VITE_SUPABASE_PUBLISHABLE_KEY."
        )
    elif site is None and (project_dir() / DEMO / "package.json").exists():
        say("The demo app was not built, so no page is served: `npm run build` in web/ builds it.")
    elif site is None:
        say("The demo app comes with a checkout of the repository only, so no page is served.")


def worker_of_page(stack: Stack, log_level: str, *, is_simulated: bool) -> RunWorker:
    """What runs the stack's worker as a process, which the page may kill and start again."""
    given = given_values()
    quick = {name: value for name, value in IMPATIENT.items() if name not in given}
    worker = DevWorker(stack, quick | {"LOG_LEVEL": log_level, "LOG_FORMAT": "console"})
    stack.serve_also(DevPage(stack, worker, is_simulated=is_simulated).answers)
    return worker.run


async def _make_music(
    settings: Settings,
    run: RunWorker,
    stack: Stack | None,
    stop: asyncio.Event,
    *,
    file: Path | None,
    site: Path | None,
    once: bool,
) -> int:
    ready, stop_worker = asyncio.Event(), asyncio.Event()
    worker = asyncio.create_task(run(stop=stop_worker, ready=ready), name="worker")
    try:
        await first_of_all(stack, ready.wait(), stop.wait(), worker)
        if stack is not None and site is not None and ready.is_set() and not once:
            answer(f"open {stack.url}/")
        demo = asyncio.create_task(_demo_track(), name="demo")
        await first_of_all(stack, stop.wait(), demo, worker)
        if not demo.done():
            demo.cancel()
            await asyncio.gather(demo, return_exceptions=True)
            return ExitCode.INTERRUPTED
        if once:
            return demo.result()
        say_how_to_go_on(settings, file)
        await first_of_all(stack, stop.wait(), worker)
        return ExitCode.OK
    finally:
        stop_worker.set()
        await worker


async def _demo_track() -> int:
    async with project() as opened:
        say(budget_in_words((await opened.queue.health())["daily_budget_cents"]))
        row = await opened.tracks.insert(dict(DEMO_TRACK))
        return await follow(opened.client, UUID(row["id"]))


def budget_in_words(daily_budget_cents: float | None) -> str:
    """What a day may cost, and where that is set."""
    if daily_budget_cents is None:
        return "Nothing limits what a day may cost; set daily_budget_cents in music.settings."
    return f"A day may cost {daily_budget_cents:g} US cents: daily_budget_cents in music.settings."


async def first_of_all(stack: Stack | None, *waits: Awaitable[Any]) -> None:
    """Return when the first of them is done, or the stack; what failed is raised.

    Raises:
        EmbeddedStackError: a part of the stack ended by itself.
    """
    failure = stack.failure if stack is not None else None
    if failure is None:
        await first_of(*waits)
    elif await first_of(failure, *waits) == 0:
        raise EmbeddedStackError(failure.result())


def use(environment: dict[str, str], *, with_mureka: bool) -> None:
    """Make this process's settings those of the embedded parts."""
    for name, value in environment.items():
        if with_mureka or not name.startswith("MUREKA_"):
            os.environ[name] = value
    if with_mureka:
        os.environ.setdefault("MUREKA_POLL_SECONDS", "1")  # a simulated generation is short


def confirm_cost(settings: MurekaSettings, *, yes: bool) -> None:
    """Ask before the demo track costs money.

    Raises:
        ConfigurationError: there is nobody to ask.
        typer.Exit: the answer was no.
    """
    if yes or is_free(settings.mureka_api_url):
        return
    cents = expected_cost_cents(settings.mureka_model)
    if not sys.stdin.isatty():
        raise ConfigurationError(
            f"A demo track by the real Mureka costs about {cents} US cents; "
            "agree with --yes, or unset MUREKA_API_KEY to use the simulator."
        )
    if not typer.confirm(f"The demo track costs about {cents} US cents at Mureka. Go on?"):
        raise typer.Exit(ExitCode.OK)


def say_how_to_go_on(settings: Settings, file: Path | None) -> None:
    """What a newcomer can do while everything runs.

    Args:
        settings: where everything is.
        file: holds URL and keys; None where the project is not this process's own.
    """
    answer(f"ready {settings.supabase_url}")
    if file is None:
        say("From another shell with the same settings:")
        say_command(example(None))
    else:
        say(f"URL and keys are in {file}; from any shell:")
        say_command(example(file))
    say("Ctrl-C stops everything.")


def example(file: Path | None) -> str:
    """A command that asks for a track, as it can be typed in another shell."""
    words = [_program(), "enqueue", "a slow tango", "--watch"]
    return shlex.join(words if file is None else [*words, "--env-file", str(file.absolute())])


def _program() -> str:
    """How a shell finds this program: by its name, or else by its path."""
    own = Path(sys.argv[0]).absolute()
    found = shutil.which(PROGRAM)
    is_own = found is not None and Path(found).resolve() == own.resolve()
    return PROGRAM if is_own or own.name != PROGRAM else str(own)
