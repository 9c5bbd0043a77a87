"""Who may do what: tokens, and row-level security on storage.objects."""

from __future__ import annotations

import time
import uuid

import httpx
import jwt
import pytest

from tests.support.contract import Project
from tests.support.storage import CreatePolicy, refusal, refused

OWN_FOLDER = "bucket_id = '{bucket}' and (storage.foldername(name))[1] = (select auth.uid())::text"


async def upload(
    client: httpx.AsyncClient, path: str, authorization: str | None
) -> tuple[int, dict[str, str]]:
    headers = {} if authorization is None else {"authorization": authorization}
    answer = await client.post(f"object/{path}", content=b"a", headers=headers)
    return answer.status_code, answer.json()


async def test_a_request_without_a_key_is_refused(stranger: httpx.AsyncClient, bucket: str) -> None:
    status, body = await upload(stranger, f"{bucket}/a.txt", None)
    assert (status, body["statusCode"], body["error"]) == (400, "400", "Error")
    assert body["message"] == "headers must have required property 'authorization'"


async def test_bad_tokens_are_refused_for_what_is_wrong_with_them(
    project: Project, stranger: httpx.AsyncClient, bucket: str
) -> None:
    expired = project.token(role="authenticated", exp=int(time.time()) - 10)
    forged = jwt.encode({"role": "service_role"}, "x" * 64, "HS256")
    for token, message in (
        (expired, '"exp" claim timestamp check failed'),
        (forged, "signature verification failed"),
        ("garbage", "Invalid Compact JWS"),
    ):
        status, body = await upload(stranger, f"{bucket}/a.txt", f"Bearer {token}")
        assert status == 400
        assert body == {
            "statusCode": "403",
            "error": "Unauthorized",
            "code": "AccessDenied",
            "message": message,
        }


async def test_a_token_of_an_unknown_role_is_a_database_error(
    project: Project, stranger: httpx.AsyncClient, bucket: str
) -> None:
    token = project.token(role="nobody_at_all")
    status, body = await upload(stranger, f"{bucket}/a.txt", f"Bearer {token}")
    assert (status, body["statusCode"], body["code"]) == (500, "500", "DatabaseError")
    assert body["message"] == "database error, code: 22023"


async def test_a_token_without_a_role_is_anonymous(
    project: Project, stranger: httpx.AsyncClient, bucket: str
) -> None:
    status, body = await upload(stranger, f"{bucket}/a.txt", f"Bearer {project.token()}")
    assert (status, body["statusCode"], body["code"]) == (400, "403", "AccessDenied")


async def test_a_bad_token_does_not_keep_anyone_from_a_public_object(
    http: httpx.AsyncClient, stranger: httpx.AsyncClient, bucket: str, private_bucket: str
) -> None:
    for name in (bucket, private_bucket):
        await http.post(f"object/{name}/a.txt", content=b"a")
    headers = {"authorization": "Bearer garbage"}
    public = await stranger.get(f"object/{bucket}/a.txt", headers=headers)
    assert (public.status_code, public.content) == (200, b"a")
    hidden = await stranger.get(f"object/{private_bucket}/a.txt", headers=headers)
    assert (hidden.status_code, hidden.json()["code"]) == (400, "NoSuchBucket")


async def test_without_a_policy_a_user_may_do_nothing(
    project: Project, http: httpx.AsyncClient, private_bucket: str
) -> None:
    await http.post(f"object/{private_bucket}/a.txt", content=b"a")
    async with project.storage(project.user_token(str(uuid.uuid4()))) as client:
        files = client.from_(private_bucket)
        denied = ("403", "Unauthorized")
        error = await refused(files.upload("b.txt", b"b"))
        assert (error.status, error.code) == denied
        assert error.message == "new row violates row-level security policy"
        assert await refusal(files.upload("a.txt", b"b")) == denied  # not 409
        assert (await refusal(files.download("a.txt")))[1] == "not_found"
        assert await files.list() == []
        assert await files.remove(["a.txt"]) == []


async def test_users_with_folders_of_their_own_keep_to_them(
    project: Project, private_bucket: str, create_policy: CreatePolicy
) -> None:
    own = OWN_FOLDER.format(bucket=private_bucket)
    await create_policy(f"for insert to authenticated with check ({own})")
    await create_policy(f"for select to authenticated using ({own})")
    ada, bob = str(uuid.uuid4()), str(uuid.uuid4())
    async with (
        project.storage(project.user_token(ada)) as adas,
        project.storage(project.user_token(bob)) as bobs,
    ):
        hers, his = adas.from_(private_bucket), bobs.from_(private_bucket)
        await hers.upload(f"{ada}/a.txt", b"ada's")
        assert await hers.download(f"{ada}/a.txt") == b"ada's"
        assert (await refusal(his.upload(f"{ada}/b.txt", b"bob's")))[0] == "403"
        assert (await refusal(his.download(f"{ada}/a.txt")))[1] == "not_found"
        assert (await refusal(his.create_signed_url(f"{ada}/a.txt", 60)))[1] == "not_found"
        assert await his.list(ada) == []
        assert [row["name"] for row in await hers.list(ada)] == ["a.txt"]
        assert (await refusal(hers.upload(f"{ada}/a.txt", b"again", {"upsert": "true"})))[
            0
        ] == "403"
        assert await hers.remove([f"{ada}/a.txt"]) == []
        await create_policy(f"for update to authenticated using ({own})")
        await hers.upload(f"{ada}/a.txt", b"again", {"upsert": "true"})
        assert await hers.download(f"{ada}/a.txt") == b"again"
        await create_policy(f"for delete to authenticated using ({own})")
        assert [row["name"] for row in await hers.remove([f"{ada}/a.txt"])] == [f"{ada}/a.txt"]


async def test_an_object_belongs_to_the_user_of_the_token(
    project: Project, http: httpx.AsyncClient, private_bucket: str, create_policy: CreatePolicy
) -> None:
    await create_policy(f"for insert to authenticated with check (bucket_id = '{private_bucket}')")
    user = str(uuid.uuid4())
    async with project.storage(project.user_token(user)) as client:
        await client.from_(private_bucket).upload("a.txt", b"a")
    answer = await http.request("DELETE", f"object/{private_bucket}", json={"prefixes": ["a.txt"]})
    assert [row["owner_id"] for row in answer.json()] == [user]


async def test_deleting_what_one_only_may_see_is_refused(
    project: Project,
    http: httpx.AsyncClient,
    stranger: httpx.AsyncClient,
    private_bucket: str,
    create_policy: CreatePolicy,
) -> None:
    await create_policy(f"for select to authenticated using (bucket_id = '{private_bucket}')")
    await http.post(f"object/{private_bucket}/a.txt", content=b"a")
    token = project.user_token(str(uuid.uuid4()))
    answer = await stranger.delete(
        f"object/{private_bucket}/a.txt", headers={"authorization": f"Bearer {token}"}
    )
    body = answer.json()
    assert (answer.status_code, body["statusCode"]) == (400, "403")
    assert (body["error"], body["message"]) == ("Unauthorized", "Access denied")


@pytest.mark.parametrize("style", ["both", "only apikey", "only authorization"])
async def test_the_secret_key_is_taken_however_it_is_sent(
    project: Project, stranger: httpx.AsyncClient, bucket: str, style: str
) -> None:
    headers = {}
    if style != "only authorization":
        headers["apikey"] = project.secret_key
    if style != "only apikey":
        headers["authorization"] = f"Bearer {project.secret_key}"
    answer = await stranger.post(f"object/{bucket}/a.txt", content=b"a", headers=headers)
    assert answer.status_code == 200
