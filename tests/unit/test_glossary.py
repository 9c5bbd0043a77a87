"""One word for one thing: what the glossary replaced does not come back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.project import ROOT

# What is not said any more, and what is said instead.
GONE = {
    r"\b(?:an|the|each|no|paid|unknown|lost|refused|a failed)[ _]order\b(?![ _](?:of|by|in)\b)": (
        "submit, paid call"
    ),
    r"\borders\b|\bordered\b(?! by)|\borders?_(?:abandoned|again)": "submit, submitted",
    r"\bnot_made\b": "failed",
    r"\bsettlements?\b": "retry",
    r"\b(?:looks?|looked) (?:at|again at) (?:the|a) (?:task|generation)|\blook_failed\b": "poll",
    r"\b(?:of_)?unknown[ _]fate\b": "submission_unknown",
    r"\blet_go\b": "lost",
    r"\b(?:end_not_written|receipt_not_kept|account_not_told)": "the names of docs/running.md",
    r"\b_?mend(?:s|ed|ing)?\b": "fix",
    r"\banew\b": "again",
    r"\bfor ever\b": "without end",
    r"\bminded\b": "what it minds",
    r"\bthe world\b": "what it is",
    r"\bleash": "supervise",
    r"\binterferences?\b": "faults",
    r"\bfrom service[. ]import|\bimport service\b|\[embedded\]": "music_service, local_supabase",
}
MODULES_GONE = re.compile(
    "leash|interference|echo|needs|examination|text|stories|promises|settlement|refusals|embedded"
)

# Where old words may stand: records that are not rewritten, and what tells of the change.
HISTORY = ("docs/decisions/", "CHANGELOG.md", "tests/unit/test_glossary.py", "supabase/schema.sql")
LINK = re.compile(r"\]\(\S+?\)")
FOLDERS = ("service", "supabase", "deploy", "docs", "tests", "scripts")
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", ".env.example", "pyproject.toml")


def texts() -> Iterator[tuple[str, str]]:
    """Every file of ours that people read, by its path in the project."""
    found = [ROOT / name for name in PAGES]
    for folder in FOLDERS:
        found += [path for path in (ROOT / folder).rglob("*") if path.is_file()]
    for path in found:
        name = path.relative_to(ROOT).as_posix()
        if path.suffix in (".py", ".sql", ".md", ".toml", ".example", "") and not (
            "node_modules" in path.parts or name.startswith(HISTORY)
        ):
            yield name, path.read_text()


TEXTS = dict(texts())


def uses(pattern: str) -> list[str]:
    """Where something is said, in prose or in a name, as `path:line: words`."""
    said = re.compile(pattern, re.IGNORECASE)
    return [
        f"{name}:{number}: {found[0]}"
        for name, text in TEXTS.items()
        for number, line in enumerate(LINK.sub("]", text).splitlines(), 1)
        for found in [said.search(line) or said.search(line.replace("_", " "))]
        if found
    ]


@pytest.mark.parametrize("pattern", GONE, ids=GONE.values())
def test_a_word_that_went_does_not_come_back(pattern: str) -> None:
    found = uses(pattern)
    assert not found, "\n".join([f"say instead: {GONE[pattern]}", *found])


def test_no_module_has_a_name_that_hides_what_is_in_it() -> None:
    paths = [Path(name) for name in TEXTS if name.startswith("service/")]
    names = {part for path in paths for part in (path.stem, *path.parts)}
    assert {name for name in names if MODULES_GONE.fullmatch(name)} == set()


def test_every_word_of_the_glossary_is_one_that_is_used() -> None:
    glossary = TEXTS["docs/glossary.md"]
    terms = re.findall(r"^\| ([a-z][\w -]*) \|", glossary, re.MULTILINE)[1:]
    assert len(terms) > 20
    everything = "\n".join(text for name, text in TEXTS.items() if name != "docs/glossary.md")
    said = set(re.findall(r"[a-z]+", everything.lower()))
    unused = [term for term in terms if not set(re.findall("[a-z]+", term)) <= said]
    assert unused == []
    assert sorted(set(terms)) == sorted(terms)
