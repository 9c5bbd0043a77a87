"""The admin calls: users made, listed, changed and deleted with the service role's token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local_supabase.auth import rejections
from local_supabase.auth.requests import body_of, verified_claims
from local_supabase.auth.users import Users, shown
from local_supabase.keys import Keys

_PAGE_SIZE = 50

Endpoint = Callable[[Request], Awaitable[Response]]


class AdminRoutes:
    """The routes below `/admin`.

    Args:
        root: the path of the auth API.
        keys: verify the service role's token.
        users: the users.
    """

    def __init__(self, root: str, keys: Keys, users: Users) -> None:
        self._keys = keys
        self._users = users
        one, all_of_them = f"{root}/admin/users/{{user_id}}", f"{root}/admin/users"
        self.routes = [
            Route(all_of_them, self._checked(self._list), methods=["GET"]),
            Route(all_of_them, self._checked(self._create), methods=["POST"]),
            Route(one, self._checked(self._get), methods=["GET"]),
            Route(one, self._checked(self._change), methods=["PUT"]),
            Route(one, self._checked(self._delete), methods=["DELETE"]),
        ]

    def _checked(self, endpoint: Endpoint) -> Endpoint:
        async def checked(request: Request) -> Response:
            if verified_claims(self._keys, request).get("role") != "service_role":
                raise rejections.not_admin()
            return await endpoint(request)

        return checked

    async def _list(self, request: Request) -> Response:
        try:
            number = int(request.query_params.get("page") or 1)
            size = int(request.query_params.get("per_page") or _PAGE_SIZE)
        except ValueError as error:
            raise rejections.validation_failed("Bad Pagination Parameters") from error
        users = await self._users.page(max(number, 1), max(size, 0))
        return JSONResponse(
            {"users": [shown(user) for user in users], "aud": "authenticated"},
            headers={"x-total-count": str(await self._users.count())},
        )

    async def _create(self, request: Request) -> Response:
        body = await body_of(request)
        if not body.get("email"):
            message = "Cannot create a user without either an email or phone"
            raise rejections.validation_failed(message)
        user = await self._users.create(
            email=str(body["email"]),
            password=body.get("password"),
            user_metadata=body.get("user_metadata"),
            app_metadata=body.get("app_metadata"),
            user_id=body.get("id"),
            confirmed=bool(body.get("email_confirm")),
            taken_code="email_exists",
        )
        return JSONResponse(shown(user))

    async def _get(self, request: Request) -> Response:
        return JSONResponse(shown(await self._users.get(request.path_params["user_id"])))

    async def _change(self, request: Request) -> Response:
        body = await body_of(request)
        user = await self._users.get(request.path_params["user_id"])
        changed = await self._users.change(
            str(user["id"]),
            email=body.get("email"),
            password=body.get("password"),
            user_metadata=body.get("user_metadata"),
            app_metadata=body.get("app_metadata"),
        )
        return JSONResponse(shown(changed))

    async def _delete(self, request: Request) -> Response:
        user = await self._users.get(request.path_params["user_id"])
        await self._users.delete(str(user["id"]))
        return JSONResponse({})
