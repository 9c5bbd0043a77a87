"""Fixtures of the contract suite."""

from __future__ import annotations

from tests.support.mureka import mureka, mureka_url, simulator
from tests.support.realtime_project import make_table, owner, realtime_project, wire_to
from tests.support.storage_project import (
    anonymous_client,
    bucket,
    http,
    make_bucket,
    policies,
    private_bucket,
    project,
    service_client,
    stranger,
)

__all__ = [
    "anonymous_client",
    "bucket",
    "http",
    "make_bucket",
    "make_table",
    "mureka",
    "mureka_url",
    "owner",
    "policies",
    "private_bucket",
    "project",
    "realtime_project",
    "service_client",
    "simulator",
    "stranger",
    "wire_to",
]
