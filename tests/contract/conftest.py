"""Fixtures of the contract suite."""

from __future__ import annotations

from tests.contract.storage_project import (
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
    "policies",
    "private_bucket",
    "project",
    "service_client",
    "stranger",
]
