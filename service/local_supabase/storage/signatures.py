"""Signed URLs: tokens that let their bearer read or write one object for a while."""

from __future__ import annotations

import time
from typing import Any, Literal
from urllib.parse import quote

import jwt
from starlette.requests import Request

from local_supabase.keys import Keys
from local_supabase.storage import caller, rejections

Scope = Literal["download", "upload"]


def sign(keys: Keys, claims: dict[str, Any], *, expires_at: int) -> str:
    """A token for these claims; `url` and `scope` say what for, `expires_at` is a Unix time."""
    return keys.sign({**claims, "iat": int(time.time()), "exp": expires_at})


def check(keys: Keys, request: Request, *, scope: Scope) -> dict[str, Any]:
    """The claims of a `token`; raises StorageRejectedError unless it is for this very object."""
    token = request.query_params.get("token")
    if token is None:
        raise rejections.invalid_request("querystring must have required property 'token'")
    try:
        claims = keys.verify(token)
    except jwt.InvalidTokenError as error:
        raise rejections.invalid_token(caller.describe(error)) from error
    url = f"{request.path_params['bucket']}/{request.path_params['key']}"
    if (claims.get("url"), claims.get("scope")) != (url, scope):
        raise rejections.invalid_signature()
    return claims


def written(url: str) -> str:
    """A bucket and key as they stand in a signed path: clients encode the rest themselves."""
    return quote(url, safe="/!.*'() &$@=;:+,")
