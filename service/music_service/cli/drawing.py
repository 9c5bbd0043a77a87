"""What is drawn with Rich: tables as results on stdout, spinners and bars on stderr."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table
from rich.theme import Theme

from music_service.cli.lines import columns_of

_COLUMNS_IN_A_FILE = 120

# Rich's own yellow and dark grey cannot be told from a light background, or look full on it.
_THEME = Theme({"progress.elapsed": "default", "bar.back": "bright_black"})
console = Console(stderr=True, highlight=False, theme=_THEME)


def new_table() -> Table:
    """A table without lines; give it columns and rows."""
    return Table(box=None, pad_edge=False)


def columns() -> int:
    """How wide what goes to stdout may be."""
    return columns_of(sys.stdout) or _COLUMNS_IN_A_FILE


def answer_table(table: Table, *, least_columns: int = 0) -> None:
    """A table as the result, on stdout; a narrower terminal than `least_columns` breaks lines."""
    width = max(columns(), least_columns)
    Console(file=sys.stdout, highlight=False, width=width, theme=_THEME).print(table)
