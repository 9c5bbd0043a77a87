"""Whom a server on this machine answers, since any page in a browser can send requests to it.

By its own name a page may lead the browser to 127.0.0.1 (DNS rebinding), and then read the answers;
so a request must name this machine, or one of the names that were given. Paths that begin with
`/_` or `/dev/` steer a server: pages of another origin are refused there, and none is told that it
may read.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

THIS_MACHINE = ("127.0.0.1", "localhost", "::1")
CONTROLS = ("/_", "/dev/")
_OWN_PAGES = ("same-origin", "none")  # none: what a person typed
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\s:/@\[\]]+))(?::\d+)?", re.IGNORECASE)


class CallerCheck:
    """An application that answers only whoever means this machine.

    Args:
        app: the application behind it.
        names: by which it may be called besides those of this machine, without a port.
    """

    def __init__(self, app: ASGIApp, names: Collection[str] = ()) -> None:
        self._app = app
        self._names = {name.lower() for name in (*THIS_MACHINE, *names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse with 421 (another host) or 403 (a page of another origin)."""
        refusal = self._refusal(scope) if scope["type"] in ("http", "websocket") else None
        if refusal is None:
            await self._app(_unseen(scope) if _is_control(scope) else scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocket(scope, receive, send).send_denial_response(refusal)
        else:
            await refusal(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or _name_in(hosts[0]) not in self._names:
            message = (
                "The request names another host than this machine; use 127.0.0.1 or localhost, "
                "or start the stack with --allow-host."
            )
            return JSONResponse({"message": message}, 421)
        if _is_control(scope) and _is_of_another_page(headers, f"{scope['scheme']}://{hosts[0]}"):
            message = "Pages of another origin may not steer this server."
            return JSONResponse({"message": message}, 403)
        return None


def _is_control(scope: Scope) -> bool:
    return scope["type"] == "http" and str(scope["path"]).startswith(CONTROLS)


def _is_of_another_page(headers: Headers, own_origin: str) -> bool:
    origin = headers.get("origin", own_origin)
    site = headers.get("sec-fetch-site", _OWN_PAGES[0])
    return origin.lower() != own_origin.lower() or site not in _OWN_PAGES


def _unseen(scope: Scope) -> Scope:
    """The request without its origin, to which the headers that let pages read would answer."""
    return {**scope, "headers": [each for each in scope["headers"] if each[0] != b"origin"]}


def _name_in(host: str) -> str | None:
    found = _HOST.fullmatch(host)
    return None if found is None else (found[1] or found[2]).lower()
