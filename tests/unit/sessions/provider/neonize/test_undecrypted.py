"""Messages that are waited for, because they could not be decrypted."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sessions.provider.neonize import undecrypted as module
from sessions.provider.neonize.undecrypted import FILE, PATIENCE_MS, Missing, Undecrypted


def event(name: str | bytes) -> Any:  # noqa: ANN401 - stands for a protobuf message
    """Return as much of an event as is looked at."""
    return SimpleNamespace(Info=SimpleNamespace(ID=name))


def parse(data: bytes) -> Any:  # noqa: ANN401 - as above
    """Return the event of these bytes; none for nonsense."""
    return event(data.decode()) if data.isalnum() else None


def missing(name: str, since: int = 0) -> Missing:
    """Return a message that is waited for."""
    return Missing(since, name.encode(), event(name))


@pytest.fixture
def waiting(tmp_path: Path) -> Undecrypted:
    """Nothing waited for, in an empty store."""
    fresh = Undecrypted(str(tmp_path), parse)
    fresh.load()
    return fresh


def names(found: list[Missing]) -> list[str]:
    """Return what WhatsApp calls them."""
    return [one.event.Info.ID for one in found]


def test_each_is_waited_for_in_its_time(waiting: Undecrypted) -> None:
    """Oldest first; what fails again is waited for as before."""
    assert waiting.seconds(0) is None
    for one in (missing("A", 0), missing("B", 1_000), missing("A", 2_000)):
        waiting.add(one)
    assert waiting.seconds(0) == PATIENCE_MS / 1000
    assert waiting.due(PATIENCE_MS - 1) == []
    assert names(waiting.due(PATIENCE_MS)) == ["A"]
    assert names(waiting.due(PATIENCE_MS + 1_000)) == ["A", "B"]
    assert waiting.seconds(PATIENCE_MS * 2) == 0


def test_what_came_is_waited_for_no_more(waiting: Undecrypted) -> None:
    """By its name, whatever bytes that is of."""
    waiting.add(missing("A"))
    odd = Missing(0, b"x", event(b"\xff\xfe"))
    waiting.add(odd)
    for one in (event("A"), event(b"\xff\xfe")):
        found = waiting.find(one)
        assert found is not None
        waiting.end(found)
        waiting.end(found)
    assert waiting.find(event("A")) is None
    assert waiting.all() == []


def test_a_restart_costs_no_patience(tmp_path: Path, waiting: Undecrypted) -> None:
    """What is waited for and since when survives; what ended, and nonsense, does not."""
    for one in (missing("A", 5), missing("B", 6), Missing(7, b"?!", event("C"))):
        waiting.add(one)
    waiting.end(missing("A"))
    waiting.close()
    again = Undecrypted(str(tmp_path), parse)
    again.load()
    assert [(one.since, one.data) for one in again.all()] == [(6, b"B")]
    assert tmp_path.joinpath(FILE).stat().st_mode & 0o777 == 0o600
    again.close()
    before = tmp_path.joinpath(FILE).read_bytes()
    again.add(missing("D"))  # another process may have the file by now
    assert tmp_path.joinpath(FILE).read_bytes() == before
    again.discard()
    assert (list(tmp_path.iterdir()), again.all()) == ([], [])


def test_a_full_file_is_written_anew(
    tmp_path: Path, waiting: Undecrypted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without what has ended."""
    monkeypatch.setattr(module, "MAX_SIZE", 200)
    small = Undecrypted(str(tmp_path), parse)
    small.load()
    small.add(missing("A", 1))
    for number in range(50):
        small.add(missing(f"N{number}"))
        small.end(missing(f"N{number}"))
    small.close()
    assert tmp_path.joinpath(FILE).stat().st_size <= 200
    waiting.load()
    assert names(waiting.all()) == ["A"]


def test_too_many_are_not_waited_for(waiting: Undecrypted, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest are told early."""
    monkeypatch.setattr(module, "MOST", 2)
    for number in range(4):
        waiting.add(missing(f"N{number}", 100))
    assert names(waiting.due(100)) == ["N0", "N1"]


def test_without_a_store_it_is_ram(tmp_path: Path) -> None:
    """Nothing is raised once it was said that it cannot be read."""
    nowhere = Undecrypted(str(tmp_path / "nowhere"), parse)
    with pytest.raises(FileNotFoundError):
        nowhere.load()
    nowhere.add(missing("A"))
    assert names(nowhere.all()) == ["A"]
    nowhere.end(missing("A"))
