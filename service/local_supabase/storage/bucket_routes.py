"""`/storage/v1/bucket`: buckets made, seen, changed, emptied and deleted."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local_supabase.storage import names, rejections
from local_supabase.storage.downloads import timestamp
from local_supabase.storage.objects import Row
from local_supabase.storage.parts import ROOT, Parts, answered
from local_supabase.storage.requests import Fields


class BucketRoutes:
    """The endpoints for buckets."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        one = f"{ROOT}/bucket/{{bucket}}"
        self.routes = [
            Route(f"{ROOT}/bucket", answered(self._create), methods=["POST"]),
            Route(f"{ROOT}/bucket", answered(self._list), methods=["GET"]),
            Route(one, answered(self._get), methods=["GET"]),
            Route(one, answered(self._update), methods=["PUT"]),
            Route(one, answered(self._delete), methods=["DELETE"]),
            Route(f"{one}/empty", answered(self._empty), methods=["POST"]),
        ]

    async def _create(self, request: Request) -> Response:
        caller = self._parts.caller(request)
        fields = await Fields.of(request)
        name = fields.text("name")
        bucket = fields.text("id", name) or name
        names.check_bucket_name(bucket)
        if fields.get("type") not in (None, "STANDARD"):
            raise rejections.not_served("analytics and vector buckets")
        values = {"public": False, **self._settings(fields)}
        owner = {"owner_id": caller.owner}
        await self._parts.buckets.create(caller, {"id": bucket, "name": name, **owner, **values})
        return JSONResponse({"name": bucket})

    async def _list(self, request: Request) -> Response:
        rows = await self._parts.buckets.list(self._parts.caller(request))
        return JSONResponse([_shape(row) for row in rows])

    async def _get(self, request: Request) -> Response:
        caller = self._parts.caller(request)
        row = await self._parts.buckets.get_as(caller, request.path_params["bucket"])
        return JSONResponse(_shape(row))

    async def _update(self, request: Request) -> Response:
        caller = self._parts.caller(request)
        settings = self._settings(await Fields.of(request))
        await self._parts.buckets.update(caller, request.path_params["bucket"], settings)
        return JSONResponse({"message": "Successfully updated"})

    async def _empty(self, request: Request) -> Response:
        caller, bucket = self._parts.caller(request), request.path_params["bucket"]
        await self._parts.buckets.get_as(caller, bucket)
        rows = await self._parts.objects.delete(bucket, None, caller)
        await asyncio.to_thread(self._parts.files.remove, [row["version"] for row in rows])
        message = "Empty bucket has been queued. Completion may take up to an hour."
        return JSONResponse({"message": message})

    async def _delete(self, request: Request) -> Response:
        caller = self._parts.caller(request)
        await self._parts.buckets.delete(caller, request.path_params["bucket"])
        return JSONResponse({"message": "Successfully deleted"})

    def _settings(self, fields: Fields) -> dict[str, Any]:
        """Those columns that a request sets."""
        settings: dict[str, Any] = {}
        if fields.get("public") is not None:
            settings["public"] = fields.flag("public", default=False)
        if "file_size_limit" in fields:
            limit = names.parse_size_limit(fields.get("file_size_limit"))
            if limit is not None and limit > self._parts.size_limit_bytes:
                raise rejections.too_large()
            settings["file_size_limit"] = limit
        if "allowed_mime_types" in fields:
            allowed = fields.get("allowed_mime_types") and fields.texts("allowed_mime_types")
            names.check_mime_patterns(allowed or [])
            settings["allowed_mime_types"] = allowed
        return settings


def _shape(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "name": row["name"],
        "owner": row["owner_id"] or "",
        "public": row["public"],
        "type": "STANDARD",
        "file_size_limit": row["file_size_limit"],
        "allowed_mime_types": row["allowed_mime_types"],
        "created_at": timestamp(row["created_at"]),
        "updated_at": timestamp(row["updated_at"]),
    }
