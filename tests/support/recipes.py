"""The files of a page of `docs/recipes`: each block of code is one, named by the comment above."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.support.project import ROOT

RECIPES = ROOT / "docs" / "recipes"
PAGES = sorted(path.stem for path in RECIPES.glob("*.md"))
_FILE = re.compile(
    r"^<!-- file: (?P<name>\S+) -->\n```(?P<language>\w+)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class RecipeFile:
    """A block of code of a recipe, and the file that it is in an app."""

    name: str
    language: str
    code: str


def files_of(page: str) -> list[RecipeFile]:
    """The files of a recipe, in the order of its page."""
    text = (RECIPES / f"{page}.md").read_text()
    return [RecipeFile(**found.groupdict()) for found in _FILE.finditer(text)]


PUSH_PAGE = "docs/other-clients.md"
_MARKED = re.compile(
    r"^<!-- (?:push: )?(?P<mark>[\w ]+) -->\n```\w+\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)


def blocks_of_other_clients() -> list[tuple[str, str]]:
    """Each block of the page on other clients, with what the comment above calls it."""
    text = (ROOT / PUSH_PAGE).read_text()
    return [(found["mark"], found["code"]) for found in _MARKED.finditer(text)]
