"""What the gateway serves besides the APIs: a page, and calls that steer this machine's stack.

Neither asks for a key, and no header lets pages of another origin read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from local_supabase.steering import Answer, Call, CallRefusedError

STEERING = "/dev/"
_APIS = ("rest", "auth", "storage", "realtime", "functions", "graphql", "pg", "dev")
_INDEX = "index.html"
_HASHED = "assets/"  # where Vite puts files that have the hash of their content in their names


class FrontDoor:
    """An application that serves a site and further calls, and hands on what is neither.

    Args:
        gateway: answers all else.
        site: a folder with an `index.html`, which answers for every address of its pages, too;
            None for none.
    """

    def __init__(self, gateway: ASGIApp, site: Path | None) -> None:
        self._gateway = gateway
        self._site = None if site is None else _application(Mount("/", _Files(site)))
        self._steering: ASGIApp | None = None

    def serve_also(self, answers: Mapping[str, Answer]) -> None:
        """Answer by these what begins with `/dev/`, in place of any that were given before.

        Their names are like `POST /dev/worker`.
        """
        self._steering = _application(*(_route(name, answers[name]) for name in answers))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Find who answers."""
        app = self._gateway
        if scope["type"] == "http":
            if scope["path"].startswith(STEERING):
                app = self._steering or app
            elif scope["method"] in ("GET", "HEAD") and not _is_of_an_api(scope["path"]):
                app = self._site or app
        await app(scope, receive, send)


class _Files(StaticFiles):
    """The files of a folder; an address without a file extension is one of the page's own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, or the page; 404 for a file that is not there."""
        if not PurePosixPath(scope["path"]).suffix:
            path = _INDEX
        response = await super().get_response(path, scope)
        is_hashed = path.startswith(_HASHED)
        kept = "public, max-age=31536000, immutable" if is_hashed else "no-cache"
        response.headers["cache-control"] = kept
        response.headers["x-content-type-options"] = "nosniff"
        # Another page could show ours in a frame and have its buttons pressed unseen.
        response.headers["content-security-policy"] = "frame-ancestors 'none'"
        return response


def _route(name: str, answer: Answer) -> Route:
    method, _, path = name.partition(" ")

    async def serve(request: Request) -> Response:
        try:
            body = await request.json()
        except (ValueError, RecursionError):
            body = None
        try:
            told = await answer(Call(str(request.base_url).rstrip("/"), body))
        except CallRefusedError as error:
            raise HTTPException(error.status, str(error)) from error
        return JSONResponse(told, headers={"cache-control": "no-store"})

    return Route(path, serve, methods=[method])


def _application(*routes: BaseRoute) -> Starlette:
    return Starlette(
        routes=routes,
        middleware=[Middleware(GZipMiddleware, minimum_size=1000, compresslevel=6)],
        exception_handlers={HTTPException: _refused},
    )


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  that is what it is registered for
    return JSONResponse({"message": error.detail}, error.status_code, error.headers)


def _is_of_an_api(path: str) -> bool:
    return path.strip("/").partition("/")[0] in _APIS
