"""What tests of a whole life share: settings, messages by number, and what must be there then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from daemon.config.settings import Settings
from daemon.history.history import History
from daemon.history.models import StoredMessage
from daemon.history.sqlite import SqliteHistory
from sessions.ids import ChatRef, SessionKey
from tests.support.waiting import eventually
from tests.unit.daemon.history.samples import CHAT, NOON, message

KEY = SessionKey("acme", "main")


class Confirmations:
    """The marks that were confirmed."""

    def __init__(self) -> None:
        self.chat: ChatRef = CHAT
        self.marks: list[int] = []

    def take(self, key: SessionKey, mark: int) -> None:
        """Keep a mark."""
        assert key == KEY
        self.marks.append(mark)


def confirmations() -> Confirmations:
    """Return a place for marks."""
    return Confirmations()


def settings(data: Path, **more: str) -> Settings:
    """Return settings with a backlog that is smaller than one may set."""
    given = Settings.from_env({"ZAPD_DATA_DIR": str(data), **more})
    return replace(given, history_backlog=1 << 20)


async def put(history: History, numbers: Iterable[int]) -> None:
    """Hand messages over, each with its mark, with turns for others."""
    for number in numbers:
        if number % 50 == 0:
            await asyncio.sleep(0.002)
        record = message(f"m{number}", f"word{number} again", at=NOON + number)
        history.flusher.message(CHAT, record.id, partial(_itself, record), len(record.head))
        history.flusher.mark(KEY, number)


def _itself(record: StoredMessage) -> StoredMessage:
    return record


async def holds(data: Path, numbers: Iterable[int]) -> None:
    """Check that the messages are there, once, in order, and found by their word."""
    store = await SqliteHistory.open(data)
    try:
        wanted = [f"m{number}" for number in numbers]
        found = [each.id for _, each in await store.before(CHAT, None, 1_000_000)]
        assert len(found) == len(set(found))
        ordered = [id for id in reversed(found) if id in set(wanted)]
        assert ordered == wanted
    finally:
        await store.close()


async def until(look: Callable[[], bool]) -> None:
    """Wait for something to be so."""

    async def found() -> bool | None:
        return look() or None

    await eventually(found, 30)
