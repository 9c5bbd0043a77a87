"""The gateway's keys and `/rest/v1`."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from tests.support.contract import Project
from tests.support.realtime import MakeTable, Sql

Request = Callable[..., Any]


@pytest.fixture
async def http(project: Project) -> AsyncIterator[httpx.AsyncClient]:
    """Plain HTTP without any key."""
    async with httpx.AsyncClient(base_url=project.url, timeout=20) as client:
        yield client


def bearing(key: str, token: str | None = None) -> dict[str, str]:
    return {"apikey": key, "authorization": f"Bearer {token or key}"}


@pytest.fixture
async def sign_up(project: Project, http: httpx.AsyncClient, owner: Sql) -> AsyncIterator[Request]:
    """Makes users, who go away after the test with all that is theirs; answers their tokens."""
    made: list[str] = []

    async def make() -> str:
        body = {"email": f"{uuid.uuid4().hex}@example.com", "password": "correct horse"}
        headers = bearing(project.secret_key)
        admin = {**body, "email_confirm": True}
        created = await http.post("/auth/v1/admin/users", headers=headers, json=admin)
        made.append(created.json()["id"])
        headers = {"apikey": project.publishable_key}
        url = "/auth/v1/token?grant_type=password"
        return str((await http.post(url, headers=headers, json=body)).json()["access_token"])

    yield make
    for user_id in made:
        await owner("delete from auth.users where id = %s", user_id)


async def test_both_styles_of_the_service_key_act_as_the_service(
    project: Project, http: httpx.AsyncClient, owner: Sql
) -> None:
    headers = {"prefer": "return=representation"}
    for key in filter(None, (project.secret_key, project.legacy_secret_key)):
        answer = await http.post(
            "/rest/v1/music_tracks",
            headers=headers | bearing(key),
            json={"prompt": "from a backend"},
        )
        [track] = answer.json()
        assert track["user_id"] is None
        await owner("delete from public.music_tracks where id = %s", track["id"])


async def test_both_styles_of_the_public_key_act_as_nobody(
    project: Project, http: httpx.AsyncClient
) -> None:
    for key in filter(None, (project.publishable_key, project.legacy_publishable_key)):
        answer = await http.get("/rest/v1/music_tracks", headers=bearing(key))
        assert (answer.status_code, answer.json()["code"]) == (401, "42501")


async def test_a_request_without_a_key_is_refused(http: httpx.AsyncClient) -> None:
    answer = await http.get("/rest/v1/music_tracks")
    assert answer.status_code == 401
    assert answer.json()["message"] == "No API key found in request"


async def test_a_request_with_an_unknown_key_is_refused(http: httpx.AsyncClient) -> None:
    answer = await http.get("/rest/v1/music_tracks", headers={"apikey": "sb_secret_guess"})
    assert answer.status_code == 401
    assert answer.json()["message"] == "Invalid API key"


async def test_a_forged_user_token_is_refused(project: Project, http: httpx.AsyncClient) -> None:
    headers = bearing(project.publishable_key, "a.b.c")
    answer = await http.get("/rest/v1/music_tracks", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["code"] == "PGRST301"


async def test_a_key_in_the_url_is_as_good_as_one_in_a_header(
    project: Project, http: httpx.AsyncClient
) -> None:
    answer = await http.get("/rest/v1/music_tracks", params={"apikey": project.secret_key})
    assert answer.status_code in (200, 400)  # PostgREST takes the parameter for a filter
    assert "API key" not in answer.text


async def test_the_schema_of_the_service_is_not_exposed(
    project: Project, http: httpx.AsyncClient
) -> None:
    headers = bearing(project.secret_key) | {"accept-profile": "music"}
    answer = await http.get("/rest/v1/settings", headers=headers)
    assert answer.json()["code"] == "PGRST106"


async def test_counts_ranges_and_single_rows_come_through_unchanged(
    project: Project, http: httpx.AsyncClient, sign_up: Request
) -> None:
    headers = bearing(project.publishable_key, await sign_up())
    five = [{"prompt": f"track {n}"} for n in range(5)]
    await http.post("/rest/v1/music_tracks", headers=headers, json=five)
    answer = await http.get(
        "/rest/v1/music_tracks",
        headers=headers | {"prefer": "count=exact"},
        params={"select": "prompt", "order": "created_at,prompt", "offset": 1, "limit": 2},
    )
    assert answer.headers["content-range"] == "1-2/5"
    assert [row["prompt"] for row in answer.json()] == ["track 1", "track 2"]
    answer = await http.get(
        "/rest/v1/music_tracks",
        headers=headers | {"accept": "application/vnd.pgrst.object+json"},
        params={"select": "prompt", "prompt": "eq.track 3"},
    )
    assert answer.json() == {"prompt": "track 3"}


UNCONDITIONAL = [
    ("PATCH", "", "UPDATE"),
    ("PATCH", "?select=id", "UPDATE"),
    ("PATCH", "?columns=status", "UPDATE"),
    ("DELETE", "", "DELETE"),
    ("DELETE", "?select=id", "DELETE"),
]


@pytest.mark.parametrize(("method", "query", "words"), UNCONDITIONAL)
async def test_an_update_or_a_delete_of_a_whole_table_is_refused(
    project: Project,
    http: httpx.AsyncClient,
    make_table: MakeTable,
    owner: Sql,
    method: str,
    query: str,
    words: str,
) -> None:
    table = await make_table()
    await owner(f"insert into {table} values (1, 'a')")
    await owner("notify pgrst, 'reload schema'")
    answer = await asked_until_known(http, project, method, f"/rest/v1/{table}{query}")
    assert answer.status_code == 400
    refusal = answer.json()
    assert (refusal["code"], refusal["message"]) == ("21000", f"{words} requires a WHERE clause")
    assert set(refusal) == {"code", "message", "details", "hint"}
    assert await owner(f"select * from {table}") == [{"id": 1, "status": "a"}]
    with_filter = f"/rest/v1/{table}?id=eq.1"
    answer = await asked_until_known(http, project, method, with_filter)
    assert answer.status_code == 204
    assert await owner(f"select * from {table} where status = 'a'") == []


async def asked_until_known(
    http: httpx.AsyncClient, project: Project, method: str, url: str
) -> httpx.Response:
    """The answer once PostgREST has heard of a table that was made just now."""
    body: Any = {"status": "b"} if method == "PATCH" else None
    while True:
        answer = await http.request(method, url, headers=bearing(project.secret_key), json=body)
        if answer.status_code != 404:
            return answer


async def test_what_is_wrong_with_the_request_itself_is_said_first(
    project: Project, http: httpx.AsyncClient
) -> None:
    service = bearing(project.secret_key)
    forged = bearing(project.publishable_key, "a.b.c")
    for url, headers, codes in [
        ("/rest/v1/no_such_table", service, ("PGRST205", "42P01")),  # the second until version 12
        ("/rest/v1/music_tracks", forged, ("PGRST301",)),
        ("/rest/v1/settings", service | {"content-profile": "music"}, ("PGRST106",)),
    ]:
        for method in ("PATCH", "DELETE"):
            body: Any = {} if method == "PATCH" else None
            answer = await http.request(method, url, headers=headers, json=body)
            assert answer.json()["code"] in codes, (method, url)


async def test_browsers_of_any_origin_are_let_in(http: httpx.AsyncClient) -> None:
    asked = {
        "origin": "https://app.example",
        "access-control-request-method": "PATCH",
        "access-control-request-headers": "apikey,authorization,x-client-info",
    }
    for path in ("/rest/v1/music_tracks", "/auth/v1/token", "/storage/v1/object/a/b"):
        answer = await http.options(path, headers=asked)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] in ("*", "https://app.example")
        assert "PATCH" in answer.headers["access-control-allow-methods"]
        assert "x-client-info" in answer.headers["access-control-allow-headers"]
