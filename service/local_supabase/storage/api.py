"""The storage API of the embedded stack."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from local_supabase.context import Context
from local_supabase.storage import rejections
from local_supabase.storage.bucket_routes import BucketRoutes
from local_supabase.storage.buckets import Buckets
from local_supabase.storage.files import Files
from local_supabase.storage.object_routes import ObjectRoutes
from local_supabase.storage.objects import Objects
from local_supabase.storage.parts import ROOT, Endpoint, Parts, answered
from local_supabase.storage.upload_routes import UploadRoutes

SIZE_LIMIT_BYTES = 50 * 2**20

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
NOT_SERVED: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("/upload/resumable{rest:path}", _METHODS, "resumable uploads"),
    ("/object/upload/sign/{rest:path}", ("POST", "PUT"), "uploads by signed URL"),
    ("/object/move", ("POST",), "moving objects"),
    ("/object/copy", ("POST",), "copying objects"),
    ("/object/list-v2/{rest:path}", ("POST",), "list-v2"),
    ("/object/info/public/{rest:path}", ("GET",), "the description of an object by public path"),
    ("/object/info/authenticated/{rest:path}", ("GET",), "the older path of info"),
    ("/bucket/{bucket}", ("PUT",), "changing a bucket"),
    ("/bucket/{bucket}/empty", ("POST",), "emptying a bucket"),
    ("/render/{rest:path}", _METHODS, "image transformations"),
    ("/s3/{rest:path}", _METHODS, "the S3 protocol"),
    ("/vector/{rest:path}", _METHODS, "vector buckets"),
    ("/iceberg/{rest:path}", _METHODS, "analytics buckets"),
)


class StorageApi:
    """Serves `/storage/v1`: files under the data directory, rows in schema `storage`.

    Args:
        context: the stack's shared parts.
        size_limit_bytes: the project's limit for one object.
    """

    def __init__(self, context: Context, *, size_limit_bytes: int = SIZE_LIMIT_BYTES) -> None:
        self._faults = context.faults.storage
        self._parts = Parts(
            keys=context.keys,
            buckets=Buckets(context.database),
            objects=Objects(context.database),
            files=Files(context.data_dir / "storage"),
            faults=self._faults,
            size_limit_bytes=size_limit_bytes,
        )
        self.routes: list[BaseRoute] = [
            *(Route(ROOT + path, _refusing(what), methods=m) for path, m, what in NOT_SERVED),
            *BucketRoutes(self._parts).routes,
            *ObjectRoutes(self._parts).routes,
            *UploadRoutes(self._parts).routes,
            Route(f"{ROOT}/{{rest:path}}", _not_found, methods=_METHODS),
        ]

    async def start(self) -> None:
        """Remove what a crash may have left behind; requests may come when this returns."""
        known = await self._parts.objects.versions()
        await asyncio.to_thread(self._parts.files.prepare, known)

    async def stop(self) -> None:
        """Let go of uploads that a planned fault keeps hanging."""
        self._faults.clear()


def _refusing(what: str) -> Endpoint:
    async def refuse(_: Request) -> Response:
        raise rejections.not_served(what)

    return answered(refuse)


async def _not_found(request: Request) -> Response:
    path = request.url.path.removeprefix(ROOT)
    message = f"Route {request.method}:{path} not found"
    return JSONResponse({"message": message, "error": "Not Found", "statusCode": 404}, 404)
