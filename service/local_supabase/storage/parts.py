"""What the endpoints of the storage API share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import BinaryIO

import psycopg
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from local_supabase.faults.uploads import UploadFaults
from local_supabase.keys import Keys
from local_supabase.storage import caller, rejections
from local_supabase.storage.buckets import Buckets
from local_supabase.storage.caller import Caller
from local_supabase.storage.files import Files
from local_supabase.storage.objects import Objects, Row

Endpoint = Callable[[Request], Awaitable[Response]]
ROOT = "/storage/v1"


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts from which every endpoint is built.

    Args:
        keys: check and sign tokens.
        buckets: rows of storage.buckets.
        objects: rows of storage.objects.
        files: their content.
        faults: what tests want to go wrong.
        size_limit_bytes: the project's limit for one object.
    """

    keys: Keys
    buckets: Buckets
    objects: Objects
    files: Files
    faults: UploadFaults
    size_limit_bytes: int

    def caller(self, request: Request) -> Caller:
        """Who sent the request; raises StorageRejectedError."""
        return caller.identify(self.keys, request.headers)

    async def open(self, find: Callable[[], Awaitable[Row]]) -> tuple[Row, BinaryIO]:
        """A row and its open file.

        Between the two the object may get new content, whose writer removes the file: then the
        row has changed and is read again. Raises StorageRejectedError as `find` does.
        """
        row = await find()
        while True:
            try:
                return row, await asyncio.to_thread(self.files.open, row["version"])
            except FileNotFoundError as error:
                missing, row = row["version"], await find()
                if row["version"] == missing:
                    raise rejections.no_such_key() from error


def answered(endpoint: Endpoint) -> Endpoint:
    """An endpoint whose refusals are answered in the storage API's own form."""

    async def respond(request: Request) -> Response:
        try:
            return await endpoint(request)
        except rejections.StorageRejectedError as error:
            return _refusal(request, error)
        except psycopg.Error as error:
            return _refusal(request, rejections.from_database(error))
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it

    return respond


def _refusal(request: Request, error: rejections.StorageRejectedError) -> Response:
    if request.method == "HEAD":
        return Response(status_code=error.http_status)
    return JSONResponse(error.body, error.http_status)
