"""Ticket keys survive in a file of the gate's own, and what is damaged is not believed."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from gate.server.kept_keys import KeptKeys


def test_what_was_written_is_read_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "state" / "ticket_keys"
    kept, keys = KeptKeys(path), [secrets.token_bytes(32) for _ in range(3)]
    assert kept.read() == []
    for some in (keys[:1], keys):
        kept.write(some)
        assert kept.read() == some
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["ticket_keys"]
    for key in keys:
        assert key not in path.read_bytes()


@pytest.mark.parametrize("text", [b"", b"AAAA\n", b"\xff\xfe", b"A" * 43 + b"\n", b"A" * 40 + b"\n", b"!" * 44])
def test_a_damaged_file_holds_no_keys(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "keys").write_bytes(text)
    assert KeptKeys(tmp_path / "keys").read() == []


def test_where_nothing_can_be_kept_the_gate_goes_on_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    kept = KeptKeys(tmp_path / "file" / "keys")
    kept.write([bytes(32)])
    assert kept.read() == []
    assert "cannot be kept" in caplog.text
    assert "AAAA" not in caplog.text
