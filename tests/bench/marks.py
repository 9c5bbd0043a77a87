"""Parts of pages that a command writes, between two marks."""

from __future__ import annotations


def with_part(page: str, mark: str, part: str) -> str:
    """A page with this between `<!-- mark -->` and `<!-- end of mark -->`."""
    begin, end = f"<!-- {mark} -->", f"<!-- end of {mark} -->"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise SystemExit(f"A page has no place for what was measured: {begin} … {end}")
    return f"{before}{begin}\n{part}\n{end}{after}"
