"""What never reaches Go."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.sessions.provider.neonize.decoding import Decoding


def test_calls_that_would_end_the_process_are_refused(decoding: Decoding, tmp_path: Path) -> None:
    """On a client that was never connected; the process lives on."""
    assert {"refused"} == set(decoding.ask("guard", store=str(tmp_path)))


@pytest.mark.parametrize("path", ["/data/a%20b", "/data/a?b", "/data/a#b", "relative"])
def test_paths_that_the_library_would_misread(decoding: Decoding, path: str) -> None:
    """It takes the store's path for a URL."""
    assert decoding.ask("dsn", store=path).startswith("refused")


def test_the_store_is_opened_with_a_write_ahead_log(decoding: Decoding) -> None:
    """A blank in the path is fine."""
    name = decoding.ask("dsn", store="/data/my store")
    assert name.startswith("/data/my store/whatsapp.db?_foreign_keys=on&_journal_mode=WAL")


def test_no_name_from_outside_reaches_go(decoding: Decoding) -> None:
    """Go's maps know a session by a hash of its whole name."""
    names = [
        decoding.ask("client_name", workspace=workspace, session=session)
        for workspace, session in (("w", "s"), ("w", "t"), ("v", "s"))
    ]
    assert len(set(names)) == 3
    assert all(len(name) == 32 and int(name, 16) >= 0 for name in names)
