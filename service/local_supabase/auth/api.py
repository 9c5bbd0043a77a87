"""The routes of `/auth/v1`."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from local_supabase.auth import rejections
from local_supabase.auth.admin import AdminRoutes
from local_supabase.auth.passwords import matches
from local_supabase.auth.requests import body_of, verified_claims
from local_supabase.auth.sessions import Sessions
from local_supabase.auth.users import User, Users, shown
from local_supabase.context import Context

ROOT = "/auth/v1"


class AuthApi:
    """Serves `/auth/v1`; e-mail addresses are confirmed at once, nothing is ever mailed.

    Args:
        context: the stack's shared parts.
    """

    def __init__(self, context: Context) -> None:
        self._keys = context.keys
        self._users = Users(context.database)
        self._sessions = Sessions(
            context.database, context.keys, context.times, f"{context.public_url}{ROOT}"
        )
        self.routes: list[BaseRoute] = [
            Route(f"{ROOT}/signup", self._sign_up, methods=["POST"]),
            Route(f"{ROOT}/token", self._token, methods=["POST"]),
            Route(f"{ROOT}/user", self._get_user, methods=["GET"]),
            Route(f"{ROOT}/user", self._change_user, methods=["PUT"]),
            Route(f"{ROOT}/logout", self._log_out, methods=["POST"]),
            Route(f"{ROOT}/settings", _settings),
            Route(f"{ROOT}/health", _health),
            Route(f"{ROOT}/.well-known/jwks.json", _jwks),
            *AdminRoutes(ROOT, context.keys, self._users).routes,
            Route(f"{ROOT}/{{rest:path}}", _not_served, methods=["GET", "POST", "PUT", "DELETE"]),
        ]

    async def start(self) -> None:
        """Nothing to prepare."""

    async def stop(self) -> None:
        """Nothing to let go of."""

    async def _sign_up(self, request: Request) -> Response:
        body = await body_of(request)
        email, password = body.get("email"), body.get("password")
        if not email and not password:
            user = await self._users.create(user_metadata=body.get("data"))
            return await self._session(user, "anonymous", request)
        if not email:
            raise rejections.validation_failed("Signup requires a valid email")
        if not password:
            raise rejections.validation_failed("Signup requires a valid password")
        user = await self._users.create(
            email=str(email), password=str(password), user_metadata=body.get("data")
        )
        return await self._session(user, "password", request)

    async def _token(self, request: Request) -> Response:
        body = await body_of(request)
        match request.query_params.get("grant_type"):
            case "password":
                user = await self._users.with_email(str(body.get("email") or ""))
                kept = user["encrypted_password"] if user else None
                password = str(body.get("password") or "")
                if user is None or not await asyncio.to_thread(matches, password, kept):
                    raise rejections.invalid_credentials()
                return await self._session(user, "password", request)
            case "refresh_token":
                return await self._refresh(str(body.get("refresh_token") or ""))
            case other:
                raise rejections.AuthRejectedError(
                    400, "validation_failed", f"unsupported_grant_type: {other or 'none given'}"
                )

    async def _refresh(self, refresh_token: str) -> Response:
        if not refresh_token:
            raise rejections.validation_failed("refresh_token required")
        user_id, session_id, successor = await self._sessions.exchange(refresh_token)
        user = await self._users.get(user_id)
        return JSONResponse(await self._sessions.prolonged(user, session_id, successor))

    async def _session(self, user: User, method: str, request: Request) -> Response:
        await self._users.signed_in(str(user["id"]))
        fresh = await self._users.get(str(user["id"]))
        agent = request.headers.get("user-agent")
        return JSONResponse(await self._sessions.open(fresh, method, agent))

    async def _get_user(self, request: Request) -> Response:
        user, _ = await self._signed_in(request)
        return JSONResponse(shown(user))

    async def _change_user(self, request: Request) -> Response:
        user, _ = await self._signed_in(request)
        body = await body_of(request)
        changed = await self._users.change(
            str(user["id"]),
            email=body.get("email"),
            password=body.get("password"),
            user_metadata=body.get("data"),
        )
        return JSONResponse(shown(changed))

    async def _log_out(self, request: Request) -> Response:
        user, session_id = await self._signed_in(request)
        match request.query_params.get("scope", "global"):
            case "local":
                await self._sessions.end(session_id)
            case "others":
                await self._sessions.end_others(str(user["id"]), session_id)
            case _:
                await self._sessions.end_all(str(user["id"]))
        return Response(status_code=204)

    async def _signed_in(self, request: Request) -> tuple[User, str]:
        claims = verified_claims(self._keys, request)
        if not claims.get("sub"):
            raise rejections.bad_token("invalid claim: missing sub claim")
        session_id = str(claims.get("session_id") or "")
        user = await self._users.get(str(claims["sub"]), status_if_missing=403)
        if not session_id or not await self._sessions.exists(session_id):
            raise rejections.session_not_found()
        return user, session_id


async def _settings(_: Request) -> Response:
    return JSONResponse(
        {
            "external": {"email": True, "anonymous_users": True, "phone": False},
            "disable_signup": False,
            "mailer_autoconfirm": True,
            "phone_autoconfirm": False,
            "saml_enabled": False,
        }
    )


async def _health(_: Request) -> Response:
    return JSONResponse({"name": "GoTrue", "version": "embedded", "description": "embedded auth"})


async def _jwks(_: Request) -> Response:
    return JSONResponse({"keys": []})  # tokens are signed with a shared secret


async def _not_served(request: Request) -> Response:
    raise rejections.not_served(request.url.path)
