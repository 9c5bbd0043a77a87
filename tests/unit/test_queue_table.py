"""The queue as a table: ids and states are whole at any width, and the prompt gives way."""

from __future__ import annotations

from typing import Any

import pytest

from music_service.cli import drawing, queue_table
from music_service.cli.lines import cells

ID = "0b0e7f5e-4f0a-4d3c-9d4e-2f6f7e1f9a11"
LONG = "A quiet evening with the first chapter of a long novel: warm, curious, unhurried"
PUT_OFF = "Mureka cannot be reached; it is tried again later."


def row(**changes: Any) -> dict[str, Any]:
    return {
        "id": ID,
        "status": "pending",
        "prompt": LONG,
        "error_code": None,
        "error_message": None,
        "stage": None,
        "started_at": None,
        "expected_ready_at": None,
    } | changes


ROWS = [
    row(),
    row(status="generating", stage="streaming", prompt="静かな夜のピアノ、雨の音と古い本の匂い"),
    row(error_code="provider_unavailable", error_message=PUT_OFF, prompt="waltz"),
]


def drawn(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    columns: int,
    rows: list[dict[str, Any]],
) -> list[str]:
    monkeypatch.setattr(drawing, "columns_of", lambda _: columns)
    queue_table.answer_queue(rows)
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("columns", [80, 99, 100, 140])
def test_each_track_has_one_line_with_its_whole_id_and_state(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int
) -> None:
    head, *lines = drawn(monkeypatch, capsys, columns, ROWS)
    assert head.split()[0] == "track"
    assert len(lines) == len(ROWS)
    for line, state in zip(lines, ("waiting for its turn", "streaming", "waltz"), strict=True):
        assert line.startswith(ID)
        assert state in line
        assert cells(line.rstrip()) <= columns
    assert lines[0].rstrip().endswith("…")


def test_at_80_columns_a_reason_is_its_code_and_at_140_its_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "put off: provider_unavailable" in drawn(monkeypatch, capsys, 80, ROWS)[3]
    assert f"waiting: {PUT_OFF}" in drawn(monkeypatch, capsys, 140, [ROWS[2]])[1]


def test_a_terminal_too_narrow_for_ids_still_gets_them_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert all(ID in line for line in drawn(monkeypatch, capsys, 40, ROWS)[1:])


def test_what_is_completed_has_its_address_whole_on_a_line_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(queue_table, "columns", lambda: 80)
    url = f"https://ref.supabase.co/storage/v1/object/public/music-tracks/service/{ID}/{ID}.mp3"
    finished = {"completed_at": "2026-11-24T12:00:00+00:00", "storage_path": "x"}
    queue_table.answer_completed(
        [row(**finished, file_url=url), row(**finished, file_url=None, prompt="b")]
    )
    first, address, second, path = capsys.readouterr().out.splitlines()
    assert cells(first) <= 80
    assert ID in first
    assert first.endswith("…")
    assert address == f"  {url}"
    assert second.endswith(" b")
    assert path == "  x"
