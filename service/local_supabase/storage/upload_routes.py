"""Writing objects: uploads by their caller, uploads by a signed URL, copies."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local_supabase.storage import bodies, names, rejections, signatures
from local_supabase.storage.caller import Caller
from local_supabase.storage.downloads import timestamp
from local_supabase.storage.files import IncomingFile
from local_supabase.storage.objects import NewObject, Row
from local_supabase.storage.parts import ROOT, Parts, answered
from local_supabase.storage.requests import Fields
from local_supabase.storage.shapes import object_shape

_UPLOAD_URL_SECONDS = 2 * 3600


class UploadRoutes:
    """The endpoints that write objects."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        signed = f"{ROOT}/object/upload/sign/{{bucket}}/{{key:path}}"
        one = f"{ROOT}/object/{{bucket}}/{{key:path}}"
        upload_signed = answered(parts.faults.around(self._upload_signed))
        upload = answered(parts.faults.around(self._upload))
        self.routes = [
            Route(signed, answered(self._sign), methods=["POST"]),
            Route(signed, upload_signed, methods=["PUT"]),
            Route(f"{ROOT}/object/copy", answered(self._copy), methods=["POST"]),
            Route(one, upload, methods=["POST", "PUT"]),
        ]

    async def _upload(self, request: Request) -> Response:
        caller = self._parts.caller(request)
        upsert = request.method == "PUT" or _wants_upsert(request)
        new = NewObject(request.path_params["bucket"], request.path_params["key"], caller.owner)
        saved = await self._receive(request, new, caller, upsert=upsert)
        return JSONResponse({"Key": f"{new.bucket}/{new.key}", "Id": saved})

    async def _upload_signed(self, request: Request) -> Response:
        bucket, key = request.path_params["bucket"], request.path_params["key"]
        claims = signatures.check(self._parts.keys, request, scope="upload")
        new = NewObject(bucket, key, claims.get("owner"))
        saved = await self._receive(request, new, None, upsert=claims.get("upsert") is True)
        return JSONResponse({"Key": f"{bucket}/{key}", "Id": saved})

    async def _sign(self, request: Request) -> Response:
        caller = self._parts.caller(request)
        new = NewObject(request.path_params["bucket"], request.path_params["key"], caller.owner)
        await self._parts.buckets.get(new.bucket)
        names.check_key(new.key)
        upsert = _wants_upsert(request)
        await self._parts.objects.admit(new, caller, upsert=upsert)
        url = f"{new.bucket}/{new.key}"
        token = signatures.sign(
            self._parts.keys,
            {"url": url, "scope": "upload", "owner": caller.owner, "upsert": upsert},
            expires_at=int(time.time()) + _UPLOAD_URL_SECONDS,
        )
        path = f"/object/upload/sign/{signatures.written(url)}?token={token}"
        return JSONResponse({"url": path, "token": token})

    async def _copy(self, request: Request) -> Response:
        caller = self._parts.caller(request)
        fields = await Fields.of(request)
        bucket, source = fields.text("bucketId"), fields.text("sourceKey")
        target = fields.text("destinationBucket", bucket), fields.text("destinationKey")
        names.check_key(target[1])
        row = await self._parts.objects.find(bucket, source, caller)
        new = NewObject(
            *target, caller.owner, "", _restamped(row["metadata"]), row["user_metadata"]
        )
        upsert = _wants_upsert(request)
        await self._parts.objects.admit(new, caller, upsert=upsert)
        try:
            version = await asyncio.to_thread(self._parts.files.link, row["version"])
        except FileNotFoundError as error:
            raise rejections.no_such_key() from error
        saved = await self._save(replace(new, version=version), upsert=upsert)
        copied = object_shape(await self._parts.objects.find(*target))
        return JSONResponse({**copied, "Key": "/".join(target), "Id": saved})

    async def _receive(
        self, request: Request, new: NewObject, caller: Caller | None, *, upsert: bool
    ) -> str:
        """Take an upload; `caller` None means that a signed URL has admitted it."""
        bucket = await self._parts.buckets.get(new.bucket)

        async def admit(mime_type: str) -> None:
            if not _is_placeholder(new.key):
                names.check_mime_type(mime_type, bucket["allowed_mime_types"])
            names.check_key(new.key)
            if caller is not None:
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


def _wants_upsert(request: Request) -> bool:
    return request.headers.get("x-upsert") == "true"


def _is_placeholder(key: str) -> bool:
    return key.rsplit("/", 1)[-1] == names.EMPTY_FOLDER_PLACEHOLDER


def _metadata(incoming: IncomingFile, description: bodies.Description) -> Row:
    return _restamped(
        {
            "eTag": incoming.etag,
            "size": incoming.size_bytes,
            "mimetype": description.mime_type,
            "cacheControl": description.cache_control,
            "lastModified": "",
            "contentLength": incoming.size_bytes,
            "httpStatusCode": 200,
        }
    )


def _restamped(metadata: Row) -> Row:
    return {**metadata, "lastModified": timestamp(datetime.now(UTC))}
