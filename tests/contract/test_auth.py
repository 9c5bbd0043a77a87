"""`/auth/v1` through the official client, and its bodies on the wire."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import jwt
import pytest
from supabase_auth.errors import AuthApiError, AuthWeakPasswordError

from local_supabase.stack import Stack
from tests.support.project import Connection, MakeClient, SignedIn, rows


async def test_a_new_user_is_signed_in_at_once_with_a_token_that_names_them(user: SignedIn) -> None:
    session = await user.client.auth.get_session()
    assert session is not None
    claims = jwt.decode(session.access_token, options={"verify_signature": False})
    assert claims["sub"] == user.id
    assert (claims["role"], claims["aud"], claims["is_anonymous"]) == (
        "authenticated",
        "authenticated",
        False,
    )
    assert claims["exp"] - claims["iat"] == session.expires_in == 3600
    answer = await user.client.auth.get_user()
    assert answer is not None
    assert answer.user.email == user.email
    assert answer.user.identities is not None
    assert answer.user.identities[0].provider == "email"


async def test_a_second_sign_up_with_the_same_address_is_refused(
    user: SignedIn, make_client: MakeClient
) -> None:
    client = await make_client()
    with pytest.raises(AuthApiError) as refusal:
        await client.auth.sign_up({"email": user.email.upper(), "password": "another1"})
    assert (refusal.value.status, refusal.value.code) == (422, "user_already_exists")


async def test_passwords_are_checked(user: SignedIn, make_client: MakeClient) -> None:
    client = await make_client()
    answer = await client.auth.sign_in_with_password(
        {"email": user.email, "password": user.password}
    )
    assert answer.user is not None
    assert answer.user.id == user.id
    for email, password in ((user.email, "wrong"), ("nobody@example.com", user.password)):
        with pytest.raises(AuthApiError) as refusal:
            await client.auth.sign_in_with_password({"email": email, "password": password})
        assert (refusal.value.status, refusal.value.code) == (400, "invalid_credentials")


async def test_a_short_password_and_a_malformed_address_are_refused(
    make_client: MakeClient,
) -> None:
    client = await make_client()
    with pytest.raises((AuthApiError, AuthWeakPasswordError), match="at least 6"):
        await client.auth.sign_up({"email": "short@example.com", "password": "12345"})
    with pytest.raises(AuthApiError, match="invalid format"):
        await client.auth.sign_up({"email": "not an address", "password": "123456"})


async def test_a_guest_is_a_user_without_an_address(make_client: MakeClient) -> None:
    client = await make_client()
    answer = await client.auth.sign_in_anonymously()
    assert answer.user is not None
    assert answer.user.is_anonymous
    made = await client.table("music_tracks").insert({"prompt": "as a guest"}).execute()
    assert rows(made)[0]["user_id"] == answer.user.id


async def test_a_guest_becomes_a_full_user_by_adding_an_address(make_client: MakeClient) -> None:
    client = await make_client()
    guest = await client.auth.sign_in_anonymously()
    assert guest.user is not None
    email = f"{guest.user.id}@example.com"
    await client.auth.update_user({"email": email, "password": "now with one"})
    other = await make_client()
    answer = await other.auth.sign_in_with_password({"email": email, "password": "now with one"})
    assert answer.user is not None
    assert (answer.user.id, answer.user.is_anonymous) == (guest.user.id, False)


async def test_metadata_given_at_sign_up_is_kept_and_changed(make_client: MakeClient) -> None:
    client = await make_client()
    answer = await client.auth.sign_up(
        {
            "email": "meta@example.com",
            "password": "123456",
            "options": {"data": {"name": "Ada", "age": 36}},
        }
    )
    assert answer.user is not None
    changed = await client.auth.update_user({"data": {"name": "Ada L."}})
    assert changed.user.user_metadata == {"name": "Ada L.", "age": 36}


async def test_a_session_is_prolonged_by_its_refresh_token(user: SignedIn) -> None:
    before = await user.client.auth.get_session()
    answer = await user.client.auth.refresh_session()
    assert before is not None
    assert answer.session is not None
    assert answer.session.refresh_token != before.refresh_token
    assert answer.user is not None
    assert answer.user.id == user.id


@pytest.fixture
async def wire(stack: Stack) -> Any:
    headers = {"apikey": stack.keys.publishable}
    async with httpx.AsyncClient(
        base_url=f"{stack.url}/auth/v1", headers=headers, timeout=20
    ) as client:
        yield client


async def refresh(wire: httpx.AsyncClient, token: str) -> httpx.Response:
    return await wire.post("/token?grant_type=refresh_token", json={"refresh_token": token})


async def test_a_repeated_exchange_answers_the_same_successor_and_an_old_one_ends_the_session(
    user: SignedIn, wire: httpx.AsyncClient, database: Connection
) -> None:
    session = await user.client.auth.get_session()
    assert session is not None
    first = session.refresh_token
    answers = await asyncio.gather(*(refresh(wire, first) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    await database.execute(
        "update auth.refresh_tokens set updated_at = now() - interval '1 minute' where token = %s",
        (first,),
    )
    stale = await refresh(wire, first)
    assert (stale.status_code, stale.json()["error_code"]) == (400, "refresh_token_already_used")
    ended = await refresh(wire, answers[0].json()["refresh_token"])
    assert ended.json()["error_code"] == "refresh_token_not_found"


async def test_signing_out_ends_the_session_for_good(
    user: SignedIn, wire: httpx.AsyncClient
) -> None:
    session = await user.client.auth.get_session()
    assert session is not None
    await user.client.auth.sign_out()
    answer = await wire.get("/user", headers={"authorization": f"Bearer {session.access_token}"})
    assert (answer.status_code, answer.json()["error_code"]) == (403, "session_not_found")
    assert (await refresh(wire, session.refresh_token)).status_code == 400


async def test_refusals_speak_the_version_that_was_asked_for(wire: httpx.AsyncClient) -> None:
    old = await wire.post("/token?grant_type=password", json={"email": "x@y.zz", "password": "1"})
    assert old.json() == {
        "code": 400,
        "error_code": "invalid_credentials",
        "msg": "Invalid login credentials",
    }
    new = await wire.post(
        "/token?grant_type=password",
        json={"email": "x@y.zz", "password": "1"},
        headers={"x-supabase-api-version": "2024-01-01"},
    )
    assert new.json() == {"code": "invalid_credentials", "message": "Invalid login credentials"}


async def test_the_public_key_is_no_user(wire: httpx.AsyncClient, stack: Stack) -> None:
    answer = await wire.get("/user", headers={"authorization": f"Bearer {stack.keys.anon}"})
    assert (answer.status_code, answer.json()["error_code"]) == (403, "bad_jwt")
    garbage = await wire.get("/user", headers={"authorization": "Bearer a.b.c"})
    assert (garbage.status_code, garbage.json()["error_code"]) == (403, "bad_jwt")


async def test_the_service_makes_lists_changes_and_deletes_users(service: Any) -> None:
    admin = service.auth.admin
    made = await admin.create_user(
        {"email": "made@example.com", "password": "123456", "email_confirm": True}
    )
    user_id = made.user.id
    assert any(user.id == user_id for user in await admin.list_users())
    changed = await admin.update_user_by_id(user_id, {"user_metadata": {"plan": "free"}})
    assert changed.user.user_metadata == {"plan": "free"}
    with pytest.raises(AuthApiError) as refusal:
        await admin.create_user({"email": "made@example.com", "password": "123456"})
    assert refusal.value.code == "email_exists"
    await admin.delete_user(user_id)
    with pytest.raises(AuthApiError) as missing:
        await admin.get_user_by_id(user_id)
    assert (missing.value.status, missing.value.code) == (404, "user_not_found")


async def test_users_may_not_use_the_admin_calls(user: SignedIn) -> None:
    session = await user.client.auth.get_session()
    assert session is not None
    answer = await user.client.auth.admin._http_client.get(
        f"{user.client.auth._url}/admin/users",
        headers={
            "authorization": f"Bearer {session.access_token}",
            "apikey": user.client.supabase_key,
        },
    )
    assert (answer.status_code, answer.json()["error_code"]) == (403, "not_admin")
