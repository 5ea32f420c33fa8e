"""The order of the files: those that wait for long begin, so that no process waits alone at the end."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parent
#: Files with waits of their own (codes that rotate, pauses that grow) or with thousands of messages,
#: the longest first. `scripts/test --durations=40` shows them.
LONG = (
    "acceptance/test_whatsapp_scale.py",
    "browser/test_pairing.py",
    "acceptance/test_whatsapp_patience.py",
    "acceptance/test_supabase.py",
    "unit/sessions/provider/neonize/test_end_to_end.py",
    "unit/daemon/services/search/test_same_results.py",
    "browser/test_chats.py",
    "acceptance/test_history_kills.py",
    "acceptance/test_history_pages.py",
    "acceptance/test_truthful_state.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long files first; the rest stays as it was collected."""
    places = {ROOT / name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path, len(LONG)))


def pytest_sessionstart() -> None:
    """A name that leads nowhere would order nothing."""
    missing = [name for name in LONG if not (ROOT / name).is_file()]
    if missing:
        raise pytest.UsageError(f"tests/conftest.py names files that are not there: {missing}")
