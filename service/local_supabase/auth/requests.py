"""What a request to the auth API carries: its body and the claims of its bearer."""

from __future__ import annotations

import json
from typing import Any

import jwt
from starlette.requests import Request

from local_supabase.auth import rejections
from local_supabase.keys import Keys


async def body_of(request: Request) -> dict[str, Any]:
    """The JSON object of a request; raises AuthRejectedError where there is none."""
    try:
        body = json.loads(await request.body() or b"{}")
    except ValueError as error:
        raise rejections.bad_json() from error
    if not isinstance(body, dict):
        raise rejections.bad_json()
    return body


def verified_claims(keys: Keys, request: Request) -> dict[str, Any]:
    """The claims of the bearer token; raises AuthRejectedError without a good one."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token:
        raise rejections.no_authorization()
    try:
        return keys.verify(keys.legacy(token) or token)
    except jwt.ExpiredSignatureError as error:
        raise rejections.bad_token(
            "invalid JWT: unable to parse or verify signature, token has"
            " invalid claims: token is expired"
        ) from error
    except jwt.InvalidTokenError as error:
        raise rejections.bad_token(
            f"invalid JWT: unable to parse or verify signature, {error}"
        ) from error
