"""A browser for tests of web pages: Debian's Chromium, or the one that `CHROMIUM` names."""

from __future__ import annotations

import os
import shutil

import pytest


def chromium() -> str:
    """The program; fails with what to do where there is none."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if program is None:
        pytest.fail(
            "Chromium was not found: install it (apt-get install chromium) or name it in CHROMIUM.",
            pytrace=False,
        )
    return program
