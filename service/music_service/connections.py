"""Connections that keep no cookies, one for each place."""

from __future__ import annotations

from typing import Any

import httpx

# A pool looks at each of its connections with each request, so a place has a pool of one. Many
# servers close a connection after five seconds, maybe just as a request leaves.
_ONE = httpx.Limits(max_connections=1, keepalive_expiry=4)


class PlainClient(httpx.AsyncClient):
    """A client that keeps no cookies: an account needs none, and a server could send any number.

    Nor does it look for any, which would be a tenth of its work.
    """

    @property
    def cookies(self) -> httpx.Cookies:
        """None, whatever is put there."""
        return _NO_COOKIES

    @cookies.setter
    def cookies(self, cookies: Any) -> None:
        raise AttributeError("This client has no cookies.")


class _NoCookies(httpx.Cookies):
    def extract_cookies(self, response: httpx.Response) -> None:
        """Leave them where they are."""

    def set_cookie_header(self, request: httpx.Request) -> None:
        """Add none."""


_NO_COOKIES = _NoCookies()


def one_connection(**options: Any) -> httpx.AsyncClient:
    """A client for one request after the other."""
    return PlainClient(limits=_ONE, **options)
