"""How SQLite answers what is asked by name: from the name, never by walking a chat."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from daemon.history import recalling
from daemon.history.sqlite import SqliteHistory
from tests.unit.daemon.history.samples import CHAT, message


@pytest.mark.parametrize(
    ("sql", "values", "index"),
    [
        (recalling._BY_ID, ('["a"]', "acme"), "messages_id"),  # noqa: SLF001 - its plan is the matter
        (recalling._SENT, ('["a"]', "acme", "main"), "messages_sent"),  # noqa: SLF001 - as above
        (recalling._LAST, ('[["acme","main","x"]]',), "messages_chat"),  # noqa: SLF001 - as above
        (recalling._CHATS_OF, ('[["acme","main","x"]]',), "sqlite_autoindex_chats_1"),  # noqa: SLF001 - as above
    ],
)
async def test_names_are_found_by_their_index(
    tmp_path: Path, sql: str, values: tuple[str, ...], index: str
) -> None:
    """The list of names is the one thing that is walked (it once was the chat: 5 ms a message)."""
    store = await SqliteHistory.open(tmp_path / "data")
    await store.write([message(f"m{n}", chat=CHAT) for n in range(200)])
    await store.close()
    connection = sqlite3.connect(store.path)
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    connection.close()
    assert [step for step in plan if step.startswith("SCAN")] == ["SCAN j VIRTUAL TABLE INDEX 1:"]
    assert any(index in step for step in plan)
