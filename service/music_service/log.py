"""Structured logs on stderr: lines for people on a terminal, JSON elsewhere."""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import Literal

import structlog

from music_service.redact import without_secrets


class _Printer:
    """Writes lines to stderr; a full disk or a closed pipe must not end what is being logged."""

    def msg(self, message: str) -> None:
        """Write one line; whatever is in it, no key of ours is."""
        with contextlib.suppress(OSError, ValueError):
            print(without_secrets(message), file=sys.stderr, flush=True)  # noqa: T201

    debug = info = warning = error = critical = exception = msg


def configure(level: str, form: Literal["console", "json"] | None) -> None:
    """Set up logging for the process.

    Args:
        level: the least severe messages that are shown.
        form: `console`, `json`, or None to choose by whether stderr is a terminal.
    """
    as_json = form == "json" or (form is None and not sys.stderr.isatty())
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=lambda *_: _Printer(),
        cache_logger_on_first_use=False,
    )
    # Libraries log requests with their full address, which may hold a key.
    logging.basicConfig(level=logging.CRITICAL, stream=sys.stderr)
