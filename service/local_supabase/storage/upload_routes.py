"""Writing objects."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local_supabase.storage import bodies, names, rejections
from local_supabase.storage.caller import Caller
from local_supabase.storage.downloads import timestamp
from local_supabase.storage.files import IncomingFile
from local_supabase.storage.objects import NewObject, Row
from local_supabase.storage.parts import ROOT, Parts, answered


class UploadRoutes:
    """The endpoint that writes an object: POST, or PUT, which replaces what is there."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        upload = answered(parts.faults.around(self._upload))
        path = f"{ROOT}/object/{{bucket}}/{{key:path}}"
        self.routes = [Route(path, upload, methods=["POST", "PUT"])]

    async def _upload(self, request: Request) -> Response:
        caller = self._parts.caller(request)
        upsert = request.method == "PUT" or request.headers.get("x-upsert") == "true"
        new = NewObject(request.path_params["bucket"], request.path_params["key"], caller.owner)
        saved = await self._receive(request, new, caller, upsert=upsert)
        return JSONResponse({"Key": f"{new.bucket}/{new.key}", "Id": saved})

    async def _receive(
        self, request: Request, new: NewObject, caller: Caller, *, upsert: bool
    ) -> str:
        """Take an upload, checked in the real server's order; returns the object's id."""
        bucket = await self._parts.buckets.get(new.bucket)

        async def admit(mime_type: str) -> None:
            if not _is_placeholder(new.key):
                names.check_mime_type(mime_type, bucket["allowed_mime_types"])
            names.check_key(new.key)
            await self._parts.objects.admit(new, caller, upsert=upsert)
            names.check_key_fits(new.key)

        with self._parts.files.receive(self._limit_bytes(bucket, new.key)) as incoming:
            description = await bodies.receive(request, incoming, admit)
            await asyncio.to_thread(incoming.keep)
        complete = replace(
            new,
            version=incoming.version,
            metadata=_metadata(incoming, description),
            user_metadata=description.user_metadata,
        )
        return await self._save(complete, upsert=upsert)

    async def _save(self, new: NewObject, *, upsert: bool) -> str:
        """Write the row of a kept file and remove what it replaced.

        Only a certain refusal removes the new file; whatever else goes wrong, the row may have
        been written, and the next start removes the file if it was not.
        """
        try:
            saved, replaced = await self._parts.objects.save(new, upsert=upsert)
        except (rejections.StorageRejectedError, psycopg.IntegrityError):
            await asyncio.to_thread(self._parts.files.remove, [new.version])
            raise
        await asyncio.to_thread(self._parts.files.remove, [replaced])
        return saved

    def _limit_bytes(self, bucket: Row, key: str) -> int:
        if _is_placeholder(key):
            return 0
        limit: int | None = bucket["file_size_limit"]
        return min(self._parts.size_limit_bytes, limit or self._parts.size_limit_bytes)


def _is_placeholder(key: str) -> bool:
    return key.rsplit("/", 1)[-1] == names.EMPTY_FOLDER_PLACEHOLDER


def _metadata(incoming: IncomingFile, description: bodies.Description) -> Row:
    return {
        "eTag": incoming.etag,
        "size": incoming.size_bytes,
        "mimetype": description.mime_type,
        "cacheControl": description.cache_control,
        "lastModified": timestamp(datetime.now(UTC)),
        "contentLength": incoming.size_bytes,
        "httpStatusCode": 200,
    }
