"""Signed URLs: tokens that let their bearer read one object for a while."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

import jwt
from starlette.requests import Request

from local_supabase.keys import Keys
from local_supabase.storage import caller, rejections

_SCOPE = "download"


def sign(keys: Keys, url: str, seconds: int) -> str:
    """A token for `<bucket>/<key>` that is good for so many seconds."""
    now = int(time.time())
    return keys.sign({"url": url, "scope": _SCOPE, "iat": now, "exp": now + seconds})


def check(keys: Keys, request: Request) -> dict[str, Any]:
    """The claims of a `token`; raises StorageRejectedError unless it is for this very object."""
    token = request.query_params.get("token")
    if token is None:
        raise rejections.invalid_request("querystring must have required property 'token'")
    try:
        claims = keys.verify(token)
    except jwt.InvalidTokenError as error:
        raise rejections.invalid_token(caller.describe(error)) from error
    url = f"{request.path_params['bucket']}/{request.path_params['key']}"
    if (claims.get("url"), claims.get("scope")) != (url, _SCOPE):
        raise rejections.invalid_signature()
    return claims


def written(url: str) -> str:
    """A bucket and key as they stand in a signed path: clients encode the rest themselves."""
    return quote(url, safe="/!.*'() &$@=;:+,")
