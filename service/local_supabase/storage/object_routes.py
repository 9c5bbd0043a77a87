"""Reading, listing and removing objects."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local_supabase.storage import caller, downloads, rejections, signatures
from local_supabase.storage.objects import Row
from local_supabase.storage.parts import ROOT, Endpoint, Parts, answered
from local_supabase.storage.requests import Fields
from local_supabase.storage.shapes import info_shape, object_shape

_SORT_COLUMNS = ("name", "updated_at", "created_at", "last_accessed_at")
_MOST_LISTED = 1500
_NOT_FOUND_BY_SIGNING = "Either the object does not exist or you do not have access to it"


class ObjectRoutes:
    """The endpoints that read, list and remove objects."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.routes = [
            _route("GET", "info/{bucket}/{key:path}", self._info),
            _route("GET", "public/{bucket}/{key:path}", self._get_public),
            _route("GET", "authenticated/{bucket}/{key:path}", self._get_authenticated),
            _route("GET", "sign/{bucket}/{key:path}", self._get_signed),
            _route("POST", "sign/{bucket}/{key:path}", self._sign),
            _route("POST", "sign/{bucket}", self._sign_many),
            _route("POST", "list/{bucket}", self._list),
            _route("DELETE", "{bucket}/{key:path}", self._delete),
            _route("DELETE", "{bucket}", self._remove),
            _route("GET", "{bucket}/{key:path}", self._get),
        ]

    async def _get(self, request: Request) -> Response:
        """With a bad token the caller is nobody, who may still read public buckets."""
        who = caller.identify_if_possible(self._parts.keys, request.headers)
        return await self._download(request, who)

    async def _get_authenticated(self, request: Request) -> Response:
        return await self._download(request, self._parts.caller(request))

    async def _info(self, request: Request) -> Response:
        return JSONResponse(info_shape(await self._readable(request, self._parts.caller(request))))

    async def _download(self, request: Request, who: caller.Caller | None) -> Response:
        row, content = await self._parts.open(lambda: self._readable(request, who))
        return downloads.answer(request, row, content)

    async def _readable(self, request: Request, who: caller.Caller | None) -> Row:
        bucket = await self._parts.buckets.get(request.path_params["bucket"])
        if bucket["public"]:
            return await self._parts.objects.find(bucket["id"], request.path_params["key"])
        if who is None:
            raise rejections.no_such_bucket()
        return await self._parts.objects.find(bucket["id"], request.path_params["key"], who)

    async def _get_public(self, request: Request) -> Response:
        row, content = await self._parts.open(lambda: self._public(request))
        return downloads.answer(request, row, content)

    async def _public(self, request: Request) -> Row:
        bucket = await self._parts.buckets.get(request.path_params["bucket"])
        if not bucket["public"]:
            raise rejections.no_such_bucket()
        return await self._parts.objects.find(bucket["id"], request.path_params["key"])

    async def _get_signed(self, request: Request) -> Response:
        claims = signatures.check(self._parts.keys, request)
        bucket, key = request.path_params["bucket"], request.path_params["key"]
        row, content = await self._parts.open(lambda: self._parts.objects.find(bucket, key))
        expires_at = datetime.fromtimestamp(claims["exp"], UTC)
        return downloads.answer(request, row, content, expires_at=expires_at)

    async def _sign(self, request: Request) -> Response:
        who = self._parts.caller(request)
        fields = await Fields.of(request)
        seconds = fields.number("expiresIn", minimum=1)
        if fields.get("transform"):
            raise rejections.not_served("image transformations")
        bucket, key = request.path_params["bucket"], request.path_params["key"]
        await self._parts.objects.find(bucket, key, who)
        return JSONResponse({"signedURL": self._signed_path(bucket, key, seconds)})

    async def _sign_many(self, request: Request) -> Response:
        who = self._parts.caller(request)
        fields = await Fields.of(request)
        seconds, keys = fields.number("expiresIn", minimum=1), fields.texts("paths")
        bucket = request.path_params["bucket"]
        visible = await self._parts.objects.find_all(bucket, keys, who)
        answers: list[dict[str, str | None]] = []
        for key in keys:
            path = self._signed_path(bucket, key, seconds) if key in visible else None
            error = None if path else _NOT_FOUND_BY_SIGNING
            answers.append({"error": error, "path": key, "signedURL": path})
        return JSONResponse(answers)

    def _signed_path(self, bucket: str, key: str, seconds: int) -> str:
        url = f"{bucket}/{key}"
        token = signatures.sign(self._parts.keys, url, seconds)
        return f"/object/sign/{signatures.written(url)}?token={token}"

    async def _list(self, request: Request) -> Response:
        who = self._parts.caller(request)
        fields = await Fields.of(request)
        sort = fields.inner("sortBy")
        prefix = fields.text("prefix")
        if prefix and not prefix.endswith("/"):
            prefix += "/"
        rows = await self._parts.objects.list(
            who,
            bucket=request.path_params["bucket"],
            prefix=prefix,
            search=fields.text("search", ""),
            column=sort.choice("column", _SORT_COLUMNS),
            direction=sort.choice("order", ("asc", "desc")),
            limit=min(fields.number("limit", minimum=1, default=100), _MOST_LISTED),
            offset=fields.number("offset", minimum=0, default=0),
        )
        return JSONResponse([object_shape(row) for row in rows])

    async def _delete(self, request: Request) -> Response:
        who = self._parts.caller(request)
        bucket, key = request.path_params["bucket"], request.path_params["key"]
        await self._parts.objects.find(bucket, key)
        rows = await self._parts.objects.delete(bucket, [key], who)
        if not rows:
            raise rejections.access_denied("Access denied")
        await self._remove_files(rows)
        return JSONResponse({"message": "Successfully deleted"})

    async def _remove(self, request: Request) -> Response:
        who = self._parts.caller(request)
        keys = (await Fields.of(request)).texts("prefixes")
        rows = await self._parts.objects.delete(request.path_params["bucket"], keys, who)
        await self._remove_files(rows)
        return JSONResponse([object_shape(row) for row in rows])

    async def _remove_files(self, rows: list[Row]) -> None:
        await asyncio.to_thread(self._parts.files.remove, [row["version"] for row in rows])


def _route(method: str, path: str, endpoint: Endpoint) -> Route:
    return Route(f"{ROOT}/object/{path}", answered(endpoint), methods=[method])
