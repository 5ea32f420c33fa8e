"""The daemon is killed between any two writes to the project: each message is there and counted once.

The engine's manager, the keeper, the flusher and the warm start are the daemon's own; a journal
tells again what was not confirmed, as the worker's does. A life ends at one of its requests:
before it, or when PostgreSQL has done it and nobody hears of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest

from daemon.history import remote_rows
from daemon.history.supabase import SupabaseHistory
from sessions import events as e
from sessions.ids import ChatRef
from sessions.manager.memory import is_within
from tests.supabase.rig import Rig
from tests.unit.daemon.services.history.scene import Life
from tests.unit.sessions.manager.scene import KEY, NOW, message

if TYPE_CHECKING:
    from tests.unit.daemon.history.stores import Governed

PATIENT = httpx.Timeout(40.0)
BEN = "5511888880000@s.whatsapp.net"
STEP = 7  # records of a transaction: a batch of the flusher is many
EACH_LIFE = 40  # messages
LIVES = 16
FIRST = 1 << 60  # the mark before the journal's first


class Mortal(SupabaseHistory):
    """The store of a daemon that is killed at one of its writes."""

    def __init__(self, rig: Rig, writes: int | None, *, is_done: bool) -> None:
        """``is_done``: PostgreSQL has what was sent last. ``writes`` None: it lives on."""
        super().__init__(rig.url, rig.secret_key, timeout=PATIENT)
        self.died = asyncio.Event()
        self._left = writes
        self._is_done = is_done

    async def _write_call(self, name: str, arguments: dict[str, Any]) -> Any:  # noqa: ANN401 - as there
        if self._left == 0:
            if self._is_done:
                await super()._write_call(name, arguments)
            self.died.set()
            await asyncio.Event().wait()
        if self._left is not None:
            self._left -= 1
        return await super()._write_call(name, arguments)


class Journal:
    """What came in, by its marks. Confirmed is what the daemon has for good."""

    def __init__(self) -> None:
        self.confirmed = FIRST
        self._events: list[e.AnyEvent] = []

    def put(self, event: e.AnyEvent) -> int:
        """Note an event; return its mark."""
        self._events.append(event)
        return FIRST + len(self._events)

    def again(self) -> Iterator[tuple[int, e.AnyEvent]]:
        """Yield what is not confirmed."""
        for mark, event in enumerate(self._events, FIRST + 1):
            if not is_within(self.confirmed, mark):
                yield mark, event


def arriving(life: int) -> Iterator[e.AnyEvent]:
    """Yield what WhatsApp tells in a life: Ben writes, and a stranger, whose number is learnt midway."""
    lid, number = f"{life + 10**14}@lid", number_of(life)
    for place in range(EACH_LIFE):
        if place == EACH_LIFE // 2:
            yield e.LidLearned(lid=lid, pn=number)
        stranger = lid if place < EACH_LIFE // 2 else number
        at = life * EACH_LIFE + place
        yield message(f"{at}", NOW + at, chat=(stranger, BEN)[place % 2], text=f"{at}")


def number_of(life: int) -> str:
    """Return the address of the stranger who writes in a life."""
    return f"{5511900000000 + life}@s.whatsapp.net"


async def _live(life: Life, store: Mortal, journal: Journal, news: list[e.AnyEvent]) -> None:
    """Live until the store dies, or until all is in it."""
    life.spill.open()
    await life.manager.lifecycle.load()
    async with life.history.running():
        await life.warm.run()
        for mark, event in journal.again():
            life.manager.session_event(KEY, event, mark)
        for event in news:
            life.manager.session_event(KEY, event, journal.put(event))
            await asyncio.sleep(0)
        dying = asyncio.ensure_future(store.died.wait())
        written = asyncio.ensure_future(life.history.flusher.flush())
        await asyncio.wait([dying, written], return_when=asyncio.FIRST_COMPLETED)
        dying.cancel()
        written.cancel()
    journal.confirmed = max([journal.confirmed, *life.confirmed])
    await life.manager.close()
    await store.close()


@pytest.mark.timeout(120)
async def test_each_message_is_there_and_counted_once(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after none, one, two … of a batch's transactions, also while two chats become one."""
    monkeypatch.setattr(remote_rows, "ROWS_MAX", STEP)
    journal = Journal()
    for number in range(LIVES + 1):
        writes = number % 8 if number < LIVES else None
        store = Mortal(rig, writes, is_done=number % 3 == 1)
        # A life asks of its store what any store has.
        life = Life(tmp_path, cast("Governed", store))
        await _live(life, store, journal, [*arriving(number)])
        assert store.died.is_set() == (number < LIVES)
    last = SupabaseHistory(rig.url, rig.secret_key, timeout=PATIENT)
    unread = {row.ref.jid: row.unread async for batch in last.chats() for row in batch}
    texts = {
        jid: [int(found.text or "") for _, found in await last.after(ChatRef(*KEY, jid), -1, 9999)]
        for jid in unread
    }
    await last.close()
    total = EACH_LIFE * (LIVES + 1)
    strangers = {
        number_of(life): [*range(life * EACH_LIFE, (life + 1) * EACH_LIFE, 2)]
        for life in range(LIVES + 1)
    }
    assert texts == strangers | {BEN: [*range(1, total, 2)]}
    assert unread == {jid: len(found) for jid, found in texts.items()}
