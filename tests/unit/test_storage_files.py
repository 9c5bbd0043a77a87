"""Versions on disk: complete or not there."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from local_supabase.storage.files import Files
from local_supabase.storage.rejections import StorageRejectedError


@pytest.fixture
def files(tmp_path: Path) -> Files:
    files = Files(tmp_path)
    files.prepare(set())
    return files


def keep(files: Files, content: bytes) -> str:
    with files.receive(100) as incoming:
        incoming.write(content)
        incoming.keep()
    return incoming.version


def on_disk(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("*") if path.is_file())


def test_a_kept_file_can_be_read(files: Files) -> None:
    version = keep(files, b"content")
    with files.open(version) as file:
        assert file.read() == b"content"


def test_a_file_knows_its_size_and_tag(files: Files) -> None:
    with files.receive(100) as incoming:
        incoming.write(b"con")
        incoming.write(b"tent")
        assert incoming.size_bytes == 7
        assert incoming.etag == f'"{hashlib.md5(b"content").hexdigest()}"'


def test_a_file_that_is_not_kept_is_gone(files: Files, tmp_path: Path) -> None:
    with files.receive(100) as incoming:
        incoming.write(b"content")
        assert on_disk(tmp_path) == [incoming.version]
    assert on_disk(tmp_path) == []


def test_a_file_beyond_its_limit_is_refused_and_gone(files: Files, tmp_path: Path) -> None:
    with files.receive(3) as incoming:
        incoming.write(b"abc")
        with pytest.raises(StorageRejectedError):
            incoming.write(b"d")
    assert on_disk(tmp_path) == []


def test_a_new_start_keeps_only_versions_that_are_known(files: Files, tmp_path: Path) -> None:
    known, unknown = keep(files, b"known"), keep(files, b"unknown")
    (tmp_path / "incoming" / "half").write_bytes(b"ha")
    Files(tmp_path).prepare({known})
    assert on_disk(tmp_path) == [known]
    with pytest.raises(FileNotFoundError):
        files.open(unknown)


def test_removing_twice_is_harmless(files: Files) -> None:
    version = keep(files, b"content")
    files.remove([version])
    files.remove([version])
