"""Bodies as they come over the wire, decoded without ever growing beyond what is wanted.

Nothing is asked for in a compressed form. What comes compressed all the same is decoded piece by
piece where it is one layer of gzip or deflate; everything else is refused.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

_PIECE_BYTES = 1 << 16
_GZIP, _DEFLATE = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS
_WINDOWS = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": _DEFLATE}


class BodyError(Exception):
    """A body that cannot be used; the text says why, and never what came."""


class CutError(BodyError):
    """A body that ended too early."""


async def decoded(
    chunks: AsyncIterator[bytes], encoding: str | None, *, max_bytes: int
) -> AsyncIterator[bytes]:
    """The body in pieces, of no more than `max_bytes` on the wire and as it is meant.

    Raises:
        CutError: a compressed body ended too early.
        BodyError: it is too large, or in a form that is not understood.
    """
    layers = [layer.strip().lower() for layer in (encoding or "").split(",") if layer.strip()]
    layers = [layer for layer in layers if layer != "identity"]
    if len(layers) > 1 or any(layer not in _WINDOWS for layer in layers):
        raise BodyError("it is in an encoding that was not asked for")
    pieces = _counted(chunks, max_bytes)
    if layers:
        pieces = _counted(_inflated(pieces, _WINDOWS[layers[0]]), max_bytes)
    async for piece in pieces:
        yield piece


async def _counted(pieces: AsyncIterator[bytes], max_bytes: int) -> AsyncIterator[bytes]:
    size = 0
    async for piece in pieces:
        size += len(piece)
        if size > max_bytes:
            raise BodyError(f"it has more than {max_bytes} bytes")
        yield piece


async def _inflated(chunks: AsyncIterator[bytes], window: int) -> AsyncIterator[bytes]:
    machine = zlib.decompressobj(window)
    async for chunk in chunks:
        rest = chunk
        while rest:
            if machine.eof:
                raise BodyError("it goes on after its end")
            try:
                piece = machine.decompress(rest, _PIECE_BYTES)
            except zlib.error as error:
                raise BodyError("its encoding is broken") from error
            if piece:
                yield piece
            rest = machine.unconsumed_tail or machine.unused_data
    while not machine.eof:
        piece = machine.decompress(b"", _PIECE_BYTES)
        if not piece:
            raise CutError("it ended too early")
        yield piece
