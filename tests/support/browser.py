"""A browser for tests of web pages: Chromium, Chrome, or the one that `CHROMIUM` names."""

from __future__ import annotations

import os
import shutil

import pytest


def chromium() -> str:
    """The program; fails with what to do where there is none."""
    program = os.environ.get("CHROMIUM")
    program = program or shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.fail(
            "Chromium was not found: install it (apt-get install chromium) or name it in CHROMIUM.",
            pytrace=False,
        )
    return program
