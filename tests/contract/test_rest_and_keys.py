"""The gateway's keys and `/rest/v1`."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from postgrest.exceptions import APIError

from local_supabase.stack import Stack
from tests.support.project import MakeClient, SignedIn, rows


@pytest.fixture
async def http(stack: Stack) -> Any:
    async with httpx.AsyncClient(base_url=stack.url, timeout=20) as client:
        yield client


@pytest.mark.parametrize("key", ["secret", "service_role"])
async def test_both_styles_of_the_service_key_act_as_the_service(
    stack: Stack, make_client: MakeClient, key: str
) -> None:
    client = await make_client(getattr(stack.keys, key))
    answer = await client.table("music_tracks").insert({"prompt": "from a backend"}).execute()
    assert rows(answer)[0]["user_id"] is None


@pytest.mark.parametrize("key", ["publishable", "anon"])
async def test_both_styles_of_the_public_key_act_as_nobody(
    stack: Stack, make_client: MakeClient, key: str
) -> None:
    client = await make_client(getattr(stack.keys, key))
    with pytest.raises(APIError) as refusal:
        await client.table("music_tracks").select("*").execute()
    assert refusal.value.code == "42501"


async def test_a_request_without_a_key_is_refused(http: httpx.AsyncClient) -> None:
    answer = await http.get("/rest/v1/music_tracks")
    assert answer.status_code == 401
    assert answer.json()["message"] == "No API key found in request"


async def test_a_request_with_an_unknown_key_is_refused(http: httpx.AsyncClient) -> None:
    answer = await http.get("/rest/v1/music_tracks", headers={"apikey": "sb_secret_guess"})
    assert answer.status_code == 401
    assert answer.json()["message"] == "Invalid API key"


async def test_a_forged_user_token_is_refused(stack: Stack, http: httpx.AsyncClient) -> None:
    headers = {"apikey": stack.keys.publishable, "authorization": "Bearer a.b.c"}
    answer = await http.get("/rest/v1/music_tracks", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["code"] == "PGRST301"


async def test_a_key_in_the_url_is_as_good_as_one_in_a_header(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    answer = await http.get("/rest/v1/music_tracks", params={"apikey": stack.keys.secret})
    assert answer.status_code in (200, 400)  # PostgREST takes the parameter for a filter
    assert "API key" not in answer.text


async def test_the_schema_of_the_service_is_not_exposed(stack: Stack, service: Any) -> None:
    with pytest.raises(APIError) as refusal:
        await service.schema("music").table("settings").select("*").execute()
    assert refusal.value.code == "PGRST106"


async def test_counts_ranges_and_single_rows_come_through_unchanged(user: SignedIn) -> None:
    five = [{"prompt": f"track {n}"} for n in range(5)]
    await user.client.table("music_tracks").insert(five).execute()
    counted = user.client.table("music_tracks").select("prompt", count="exact")  # type: ignore[arg-type]
    answer = await counted.order("created_at").order("prompt").range(1, 2).execute()
    assert answer.count == 5
    assert [row["prompt"] for row in rows(answer)] == ["track 1", "track 2"]
    query = user.client.table("music_tracks").select("prompt").eq("prompt", "track 3")
    assert (await query.single().execute()).data == {"prompt": "track 3"}


async def test_browsers_of_any_origin_are_let_in(stack: Stack, http: httpx.AsyncClient) -> None:
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


@pytest.mark.parametrize("path", ["/functions/v1/hello", "/graphql/v1", "/auth/v1/otp"])
async def test_what_is_not_served_answers_501_with_a_sentence(
    stack: Stack, http: httpx.AsyncClient, path: str
) -> None:
    answer = await http.post(path, headers={"apikey": stack.keys.publishable}, json={})
    assert answer.status_code == 501
    assert "embedded stack" in answer.text


@pytest.mark.parametrize(("method", "statement"), [("PATCH", "UPDATE"), ("DELETE", "DELETE")])
async def test_rows_are_not_changed_without_saying_which(
    stack: Stack, http: httpx.AsyncClient, method: str, statement: str
) -> None:
    headers = {"apikey": stack.keys.secret, "authorization": f"Bearer {stack.keys.secret}"}
    answer = await http.request(
        method, "/rest/v1/music_tracks", headers=headers, json={"priority": 0}
    )
    assert answer.status_code == 400
    assert answer.json()["code"] == "21000"
    assert answer.json()["message"] == f"{statement} requires a WHERE clause"
