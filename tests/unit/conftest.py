"""Unit tests that are coroutines run in virtual time, each on a loop of its own."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.support.clock import run


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: object) -> Any:
    """Put a plain function that runs the coroutine on the virtual clock in the test's place."""
    if not isinstance(collector, pytest.Module) or not inspect.iscoroutinefunction(obj):
        return None
    if not collector.istestfunction(obj, name):
        return None
    timed = in_virtual_time(obj)
    setattr(collector.obj, name, timed)
    return collector.ihook.pytest_pycollect_makeitem(collector=collector, name=name, obj=timed)


def in_virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """The test as a function with the same arguments and marks."""

    @functools.wraps(test)
    def timed(**arguments: Any) -> None:
        run(test(**arguments))

    return timed
