"""What is drawn with Rich: tables as results on stdout, spinners and bars on stderr."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

console = Console(stderr=True, highlight=False)


def new_table() -> Table:
    """A table without lines; give it columns and rows."""
    return Table(box=None, pad_edge=False)


def answer_table(table: Table) -> None:
    """A table as the result, on stdout, never narrower than it can be read."""
    width = None if sys.stdout.isatty() else 120
    Console(file=sys.stdout, highlight=False, width=width).print(table)
