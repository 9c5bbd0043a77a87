"""Text fitted to a terminal: wrapped between words, or cut with an ellipsis."""

from __future__ import annotations

import shutil
import unicodedata
from typing import TextIO

ELLIPSIS = "…"
_NARROWEST = 20


def columns_of(stream: TextIO) -> int | None:
    """How wide the terminal is that a stream leads to; None where it leads to none."""
    return max(shutil.get_terminal_size().columns, _NARROWEST) if stream.isatty() else None


def cells(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(map(_cells_of, text))


def shortened(text: str, columns: int) -> str:
    """The text, or its beginning and an ellipsis where it is wider than that."""
    if cells(text) <= columns:
        return text
    kept, left = "", columns - 1
    for character in text:
        left -= _cells_of(character)
        if left < 0:
            break
        kept += character
    return kept.rstrip() + ELLIPSIS


def wrapped(text: str, columns: int | None, *, margin: int = 0, hang: int = 0) -> str:
    """The text broken between words; ids and addresses stay whole, however wide they are.

    Args:
        text: one line.
        columns: how wide the terminal is; None where nothing is to be broken.
        margin: blanks before each line.
        hang: blanks before each line but the first, besides.
    """
    indent, line = " " * (margin + hang), " " * margin
    if columns is None or cells(line + text) <= columns:
        return line + text
    lines = []
    for word in text.split(" "):
        longer = f"{line} {word}" if line.strip() else line + word
        if line.strip() and cells(longer) > columns:
            lines.append(line)
            longer = indent + word
        line = longer
    return "\n".join([*lines, line])


def _cells_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
