"""The page of `dev` and what it may do: served without a key, closed to every other page."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from local_supabase.ports import Ports
from local_supabase.stack import Stack
from music_service.cli.dev_page import DevPage
from tests.support.dev import DevServer, dev_server
from tests.support.fleet import until
from tests.support.programs import PROGRAM, environment, heed_ctrl_c, run_program
from tests.support.project import ROOT
from tests.support.times import QUICK
from tests.support.tracks import Tracks

GETS = ["/dev/config.json", "/dev/state", "/dev/operate"]
POSTS: dict[str, dict[str, Any]] = {
    "/dev/worker": {"running": False},
    "/dev/realtime": {"on": False},
    "/dev/realtime/cut": {},
    "/dev/provider": {"fail_next": 1},
}
SCRIPT = "console.log('a page')\n" * 200


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a build leaves, and a secret beside it."""
    folder = tmp_path_factory.mktemp("web") / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<title>The page</title>")
    (folder / "icon.svg").write_text("<svg/>")
    (folder / "assets" / "index-BqK3x9Zw.js").write_text(SCRIPT)
    (folder.parent / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(folder.parent / "secret.txt")
    return folder


@pytest.fixture(scope="module")
async def stack(site: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    data_dir = tmp_path_factory.mktemp("dev")
    async with Stack(
        data_dir,
        Ports.free(),
        site=site,
        project_dir=ROOT,
        simulator_seconds=0.3,
        times=QUICK,
        durable=False,
    ) as running:
        yield running


@pytest.fixture(scope="module")
async def served(stack: Stack) -> AsyncIterator[DevServer]:
    async with dev_server(stack) as running:
        yield running


@pytest.fixture
async def page(served: DevServer) -> AsyncIterator[httpx.AsyncClient]:
    """The page's own requests, as a browser marks them; all is well before each test."""
    headers = {"origin": served.stack.url, "sec-fetch-site": "same-origin"}
    served.stack.faults.clear()
    await served.worker.start()
    async with httpx.AsyncClient(base_url=served.stack.url, headers=headers, timeout=20) as client:
        yield client


@pytest.fixture
async def tracks(stack: Stack) -> AsyncIterator[Tracks]:
    tracks = await Tracks.of(stack, daily_budget_cents=None)
    yield tracks
    await tracks.close()


async def state(page: httpx.AsyncClient) -> dict[str, Any]:
    return dict((await page.get("/dev/state")).json())


@pytest.mark.parametrize("path", ["/", "/journey/new", "/journey/0b0e7f5e-4f0a", "/operate", "/a/"])
async def test_every_address_of_the_page_is_the_page(page: httpx.AsyncClient, path: str) -> None:
    answer = await page.get(path)
    assert (answer.status_code, answer.text) == (200, "<title>The page</title>")
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-cache"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "access-control-allow-origin" not in answer.headers
    again = await page.get(path, headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.headers["cache-control"]) == (304, "no-cache")
    assert (await page.head(path)).status_code == 200


async def test_what_has_a_hash_in_its_name_is_kept_for_good_and_sent_small(
    page: httpx.AsyncClient,
) -> None:
    answer = await page.get("/assets/index-BqK3x9Zw.js")
    assert answer.text == SCRIPT
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["cache-control"].endswith("immutable")
    plain = await page.get("/assets/index-BqK3x9Zw.js", headers={"accept-encoding": "identity"})
    assert plain.text == SCRIPT
    assert "content-encoding" not in plain.headers
    assert (await page.get("/icon.svg")).headers["cache-control"] == "no-cache"
    gone = await page.get("/assets/index-OLD.js")
    assert gone.status_code == 404
    assert "cache-control" not in gone.headers


@pytest.mark.parametrize(
    "target",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/assets/../../secret.txt",
        "/assets/%2e%2e%2f%2e%2e%2fsecret.txt",
        "//etc/hosts.txt",
        "/link.txt",
        "/assets/\\..\\..\\secret.txt",
        "/%00.txt",
        f"/{'x' * 5000}.txt",
    ],
)
async def test_nothing_outside_its_folder_is_served(stack: Stack, target: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(stack.url).port)
    request = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    writer.write(request.encode())
    answer = (await reader.read()).decode()
    writer.close()
    assert answer.startswith("HTTP/1.1 404 "), answer
    assert "secret" not in answer.partition("\r\n\r\n")[2]


async def test_the_apis_stay_as_they_are(served: DevServer) -> None:
    key = {"apikey": served.stack.keys.publishable}
    async with httpx.AsyncClient(base_url=served.stack.url, timeout=20) as app:
        for path in ("/rest/v1/music_tracks", "/auth/v1/user", "/graphql/v1"):
            assert (await app.get(path)).status_code == 401, path
        assert (await app.get("/auth/v2/nothing", headers=key)).status_code == 404
        assert (await app.get("/functions/v1/x", headers=key)).status_code == 501
        assert (await app.post("/journey/new")).status_code == 401
        headers = key | {"origin": "http://localhost:5173"}
        answer = await app.get("/rest/v1/music_tracks?select=id", headers=headers)
        assert answer.headers["access-control-allow-origin"] == "*"


async def test_the_page_is_told_where_all_is_and_no_secret(
    served: DevServer, page: httpx.AsyncClient
) -> None:
    keys = served.stack.keys
    answer = await page.get("/dev/config.json")
    assert answer.json() == {"url": served.stack.url, "key": keys.publishable, "dev": True}
    assert answer.headers["cache-control"] == "no-store"
    port = httpx.URL(served.stack.url).port
    named = await page.get("/dev/config.json", headers={"host": f"localhost:{port}", "origin": ""})
    assert named.status_code == 403
    async with httpx.AsyncClient() as other:
        told = (await other.get(f"http://localhost:{port}/dev/config.json")).json()
    assert told["url"] == f"http://localhost:{port}"
    for path in GETS:
        text = (await page.get(path)).text
        for secret in (keys.secret, keys.service_role, keys.postgres_password):
            assert secret not in text


STRANGERS = [
    {"origin": "http://evil.example"},
    {"origin": "null"},
    {"origin": "http://localhost:5173"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"host": "evil.example"},
    {"host": "evil.example", "origin": "http://evil.example", "sec-fetch-site": "same-origin"},
]


@pytest.mark.parametrize("headers", STRANGERS)
async def test_no_other_page_reads_or_steers_anything(
    page: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    before = await state(page)
    async with httpx.AsyncClient(base_url=page.base_url, timeout=20) as stranger:
        for path in GETS:
            answer = await stranger.get(path, headers=headers)
            assert answer.status_code == (421 if "host" in headers else 403), path
            assert [name for name in answer.headers if name.startswith("access-control")] == []
        for path, body in POSTS.items():
            answer = await stranger.post(path, json=body, headers=headers)
            assert answer.status_code in (403, 421), path
            answer = await stranger.options(
                path, headers={"access-control-request-method": "POST"} | headers
            )
            assert answer.status_code in (403, 421), path
    assert await state(page) == before


async def test_whoever_types_an_address_is_answered_and_reading_changes_nothing(
    page: httpx.AsyncClient,
) -> None:
    before = await state(page)
    async with httpx.AsyncClient(base_url=page.base_url, timeout=20) as person:
        for path in GETS:
            answer = await person.get(path, headers={"sec-fetch-site": "none"})
            assert answer.status_code == 200, path
        for path in POSTS:
            assert (await person.get(path)).status_code == 405, path
        assert (await person.get("/dev/nothing")).status_code == 404
    assert await state(page) == before


@pytest.mark.parametrize(
    "body", [b"", b"no", b"[]", b"{}", b'{"running": 1}', b"\xff", b"[" * 9999]
)
async def test_a_body_that_makes_no_sense_is_refused_with_an_example(
    page: httpx.AsyncClient, body: bytes
) -> None:
    before = await state(page)
    answer = await page.post("/dev/worker", content=body)
    assert answer.status_code == 400
    assert '{"running": true}' in answer.json()["message"]
    for number in (-1, 101, True, "1", 10**30):
        refused = await page.post("/dev/provider", json={"fail_next": number})
        assert refused.status_code == 400, number
    assert await state(page) == before


async def test_a_track_outlives_the_worker_that_made_it_and_is_paid_once(
    served: DevServer, page: httpx.AsyncClient, tracks: Tracks
) -> None:
    simulator = served.stack.simulator
    before = (await state(page))["paid_calls"]
    simulator.seconds = 3
    try:
        track = await tracks.ask()

        async def has_receipt() -> bool:
            return bool(await tracks.events(track, "receipt"))

        await until(has_receipt, "the track is paid")
        killed = await page.post("/dev/worker", json={"running": False})
        assert killed.json() == {"worker": "stopped", "paid_calls": before + 1, "realtime": "on"}
        again = await page.post("/dev/worker", json={"running": False})
        assert again.json()["worker"] == "stopped", "there was none to kill"
        assert (await tracks.row(track))["status"] == "generating"
        started = await page.post("/dev/worker", json={"running": True})
        assert started.json()["worker"] == "running"
        assert (await tracks.ends(track))["status"] == "completed"
        assert await tracks.paid(track) == 1
        assert (await state(page))["paid_calls"] == before + 1
    finally:
        simulator.seconds = 0.3


async def test_many_clicks_at_once_leave_one_worker(
    served: DevServer, page: httpx.AsyncClient
) -> None:
    clicks = [page.post("/dev/worker", json={"running": bool(each % 2)}) for each in range(10)]
    await asyncio.gather(*clicks)
    await page.post("/dev/worker", json={"running": True})
    marks = f"stack={served.stack.data_dir}"

    async def workers() -> int:
        command = ("ps", "-ewwo", "args=")
        listing = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        lines = (await listing.communicate())[0].decode().splitlines()
        return sum(marks in line and "supervise" not in line for line in lines)

    await until(workers, "there is a worker")
    assert await workers() == 1


async def test_realtime_is_refused_until_it_is_on_again(
    served: DevServer, page: httpx.AsyncClient
) -> None:
    address = served.stack.url.replace("http", "ws")
    address += f"/realtime/v1/websocket?vsn=1.0.0&apikey={served.stack.keys.publishable}"
    async with connect(address) as socket:
        off = await page.post("/dev/realtime", json={"on": False})
        assert off.json()["realtime"] == "refused"
        with pytest.raises(ConnectionClosed):
            await socket.recv()
    with pytest.raises(InvalidStatus, match="503"):
        await connect(address)
    on = await page.post("/dev/realtime", json={"on": True})
    assert on.json()["realtime"] == "on"
    async with connect(address) as socket:
        cut = await page.post("/dev/realtime/cut")
        assert cut.json()["realtime"] == "on"
        with pytest.raises(ConnectionClosed):
            await socket.recv()
    async with connect(address):
        pass


async def test_the_next_generations_fail_and_then_no_more(
    page: httpx.AsyncClient, tracks: Tracks
) -> None:
    await page.post("/dev/provider", json={"fail_next": 5})
    await page.post("/dev/provider", json={"fail_next": 1})
    failed = await tracks.ends(await tracks.ask())
    assert failed["status"] == "error"
    assert (await tracks.ends(await tracks.ask()))["status"] == "completed"
    await page.post("/dev/provider", json={"fail_next": 1})
    await page.post("/dev/provider", json={"fail_next": 0})
    assert (await tracks.ends(await tracks.ask()))["status"] == "completed"


async def test_the_operator_sees_the_whole_queue(page: httpx.AsyncClient, tracks: Tracks) -> None:
    track = await tracks.ask()
    await tracks.ends(track)
    shown = (await page.get("/dev/operate")).json()
    assert set(shown) == {"health", "review", "spend", "workers", "tracks"}
    assert shown["health"]["paused"] is False
    assert shown["spend"][0]["paid_calls"] >= 1
    assert [each["state"] for each in shown["workers"]].count("running") >= 1
    newest = shown["tracks"][0]
    assert (newest["id"], newest["status"]) == (str(track), "completed")
    assert set(newest) == {
        *("id", "user_id", "status", "stage", "title", "prompt", "error_code", "attempts"),
        *("created_at", "updated_at", "completed_at"),
    }


async def test_the_real_mureka_is_not_steered_and_not_counted(
    served: DevServer, page: httpx.AsyncClient
) -> None:
    served.stack.serve_also(DevPage(served.stack, served.worker, is_simulated=False).answers)
    try:
        assert (await state(page))["paid_calls"] is None
        assert (await page.post("/dev/provider", json={"fail_next": 1})).status_code == 404
    finally:
        served.stack.serve_also(DevPage(served.stack, served.worker).answers)


@dataclass
class Dev:
    """`music-service dev` as a program."""

    process: asyncio.subprocess.Process
    url: str
    home: str

    async def line(self) -> str:
        """The next line of its results."""
        assert self.process.stdout is not None
        return (await self.process.stdout.readline()).decode().strip()

    async def left(self) -> list[str]:
        """The processes of its stack, its own among them."""
        command = ("ps", "-ewwo", "args=")
        listing = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        lines = (await listing.communicate())[0].decode().splitlines()
        return [line for line in lines if self.home in line]

    async def pid_of_worker(self) -> int:
        """The worker's process."""
        path = Path(self.home, "worker.pid")

        async def is_there() -> bool:
            return path.exists() and bool(path.read_text())

        await until(is_there, "there is a worker")
        return int(path.read_text())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where one `dev` after the other keeps its data, however the one before ended."""
    return str(tmp_path_factory.mktemp("home") / "data")


@pytest.fixture
async def dev(site: Path, home: str, tmp_path: Path) -> AsyncIterator[Dev]:
    """A started `dev` with a page, whose worker and demo track are not awaited."""
    port = Ports.free().gateway
    process = await asyncio.create_subprocess_exec(
        *(*PROGRAM, "dev", "--port", str(port), "--data-dir", home),
        *("--sim-seconds", "0.3", "--site", str(site)),
        cwd=tmp_path,
        env=environment(None, MUSIC_LEASE_SECONDS="1.2", MUSIC_SWEEP_SECONDS="0.5"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=heed_ctrl_c,
    )
    yield Dev(process, f"http://127.0.0.1:{port}", home)
    if process.returncode is None:
        process.kill()
    await process.communicate()


async def is_gone(dev: Dev) -> None:
    async def is_empty() -> bool:
        return not await dev.left()

    await until(is_empty, "nothing is left")


async def test_dev_names_its_page_first_and_lets_it_kill_the_worker(dev: Dev) -> None:
    assert await dev.line() == f"open {dev.url}/"
    async with httpx.AsyncClient(base_url=dev.url, timeout=20) as page:
        assert (await page.get("/operate")).text == "<title>The page</title>"
        assert (await dev.line()).startswith("completed")
        assert await dev.line() == f"ready {dev.url}"
        await page.post("/dev/worker", json={"running": False})
        assert (await state(page))["worker"] == "stopped"
        await page.post("/dev/worker", json={"running": True})
        told = await state(page)
        assert told == {"worker": "running", "paid_calls": 1, "realtime": "on"}
    dev.process.send_signal(signal.SIGINT)
    assert await dev.process.wait() == 0
    await is_gone(dev)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_dev_leaves_nothing_however_it_ends(dev: Dev, number: signal.Signals) -> None:
    assert (await dev.line()).startswith("open ")
    dev.process.send_signal(number)
    await dev.process.wait()
    await is_gone(dev)


async def test_dev_ends_with_a_worker_that_ends_by_itself(dev: Dev) -> None:
    assert (await dev.line()).startswith("open ")
    os.kill(await dev.pid_of_worker(), signal.SIGKILL)
    _, said = await dev.process.communicate()
    assert dev.process.returncode == 1
    assert "the worker ended by itself" in said.decode()
    assert await dev.left() == []


async def test_dev_tells_what_keeps_its_worker_from_working(
    stack: Stack, home: str, tmp_path: Path
) -> None:
    variables = environment(None, MUREKA_API_URL=stack.simulator_url, MUREKA_API_KEY="wrong")
    port = str(Ports.free().gateway)
    options = ("--once", "--port", port, "--data-dir", home)
    said = await run_program(tmp_path, variables, "dev", *options)
    assert said.code == 2
    assert "Mureka refused the API key" in said.sentence
    assert said.out == ""


async def test_a_folder_without_a_page_is_refused(tmp_path: Path) -> None:
    said = await run_program(tmp_path, environment(None), "dev", "--site", str(tmp_path))
    assert said.code == 2
    assert "has no index.html" in said.sentence
