"""`/storage/v1/bucket`: buckets made, seen and deleted."""

from __future__ import annotations

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
            Route(one, answered(self._delete), methods=["DELETE"]),
        ]

    async def _create(self, request: Request) -> Response:
        caller = self._parts.caller(request)
        fields = await Fields.of(request)
        name = fields.text("name")
        bucket = fields.text("id", name) or name
        names.check_bucket_name(bucket)
        if fields.get("type") not in (None, "STANDARD"):
            raise rejections.not_served("analytics and vector buckets")
        values = {"id": bucket, "name": name, "owner_id": caller.owner, **self._settings(fields)}
        await self._parts.buckets.create(caller, values)
        return JSONResponse({"name": bucket})

    async def _list(self, request: Request) -> Response:
        rows = await self._parts.buckets.list(self._parts.caller(request))
        return JSONResponse([_shape(row) for row in rows])

    async def _get(self, request: Request) -> Response:
        caller = self._parts.caller(request)
        row = await self._parts.buckets.get_as(caller, request.path_params["bucket"])
        return JSONResponse(_shape(row))

    async def _delete(self, request: Request) -> Response:
        caller = self._parts.caller(request)
        await self._parts.buckets.delete(caller, request.path_params["bucket"])
        return JSONResponse({"message": "Successfully deleted"})

    def _settings(self, fields: Fields) -> dict[str, Any]:
        """The columns that a request may set; raises StorageRejectedError."""
        limit = names.parse_size_limit(fields.get("file_size_limit"))
        if limit is not None and limit > self._parts.size_limit_bytes:
            raise rejections.too_large()
        allowed = fields.get("allowed_mime_types") and fields.texts("allowed_mime_types")
        names.check_mime_patterns(allowed or [])
        return {
            "public": fields.get("public") is not None and fields.flag("public", default=False),
            "file_size_limit": limit,
            "allowed_mime_types": allowed,
        }


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
