from __future__ import annotations

from pathlib import Path

from daemon.hub.event_types import EVENT_TYPES

_PAGE = Path(__file__).parents[4] / "daemon" / "docs" / "events.md"


def test_every_type_is_in_the_reference() -> None:
    """A row each, with the table's own sentence."""
    page = _PAGE.read_text()
    missing = [
        name for name, row in EVENT_TYPES.items() if f"| `{name}` | {row.data} |" not in page
    ]
    assert missing == []


def test_the_streams_own_events_are_the_three_of_the_wire() -> None:
    """All others have a number."""
    own = {name for name, row in EVENT_TYPES.items() if not row.numbered}
    assert {"hello", "ping", "stream_reset"} == own
