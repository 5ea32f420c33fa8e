"""Forgets a person in RAM: their chat, what they wrote elsewhere, what waits to be sent to them.

What others wrote stays, but for their quotations of the person. Nothing is told to streams: an
event would name whom nobody is to be reminded of.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from sessions.ids import ChatRef, SessionKey, jid_kind, jid_user
from sessions.models import sender_of, without_quote

if TYPE_CHECKING:
    from sessions.cache.messages import Entry
    from sessions.manager.memory import Memory

#: Chats whose messages are looked through before others get a turn.
_AT_ONCE = 50


class Eraser:
    """Goes through the caches of one session for one person's addresses."""

    def __init__(self, memory: Memory, key: SessionKey, jids: frozenset[str]) -> None:
        self._memory = memory
        self._key = key
        self._jids = jids
        self._users = [jid_user(jid).encode() for jid in sorted(jids)]
        self.counts: Counter[str] = Counter()

    async def run(self) -> dict[str, int]:
        """Forget the person; return how much that was, by kind."""
        for jid in sorted(self._jids):
            self._forget_chat(ChatRef(*self._key, jid))
            self.counts["contacts"] += self._memory.contacts.forget(self._key, jid)
        self._memory.forget_aliases(self._key, self._jids)
        shared = [ref for ref in self._refs() if jid_kind(ref.jid) != "user"]
        for place, ref in enumerate(shared, 1):
            self._look_through(ref)
            if place % _AT_ONCE == 0:
                await asyncio.sleep(0)
        return dict(self.counts)

    def _refs(self) -> list[ChatRef]:
        return self._memory.chats.of_session(*self._key)

    def _forget_chat(self, ref: ChatRef) -> None:
        self.counts["messages"] += self._memory.messages.drop_chat(ref)
        self.counts["chats"] += self._memory.chats.remove(ref) is not None

    def _look_through(self, ref: ChatRef) -> None:
        held = self._memory.messages.held(ref)
        row = self._memory.chats.look(ref)
        last = row.last if row is not None else None
        entries = held if last is None or last in held else [*held, last]
        for entry in [entry for entry in entries if self._names(entry)]:
            if sender_of(entry.head) in self._jids:
                self._memory.messages.remove(entry)
                self.counts["messages"] += 1
                if row is not None and row.last is entry:
                    rest = self._memory.messages.held(ref)
                    row.last = rest[-1] if rest else None
                    self._memory.chats.weigh(row)
            else:
                self._clean(entry)

    def _names(self, entry: Entry) -> bool:
        told = any(user in entry.head for user in self._users)
        return told or any(reaction.sender in self._jids for reaction in entry.tail.reactions)

    def _clean(self, entry: Entry) -> None:
        """Take the person out of somebody else's message: a quotation, a reaction."""
        head = without_quote(entry.head, self._jids)
        left = tuple(r for r in entry.tail.reactions if r.sender not in self._jids)
        if head is None and left == entry.tail.reactions:
            return
        tail = msgspec.structs.replace(entry.tail, reactions=left)
        self._memory.messages.change(entry, tail, head)
        self.counts["quotations"] += 1
