"""A keeper of the engine in a dictionary, for tests to look at: what it was told, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from sessions.ids import ChatRef, SessionKey
from sessions.keeper import (
    Confirm,
    KeeperFailed,
    KeptChat,
    KeptMessage,
    Listed,
    Name,
    Order,
    PastChat,
    PastMessage,
)
from sessions.models import Contact


class Told(NamedTuple):
    """One thing that it was told."""

    what: str
    name: object


class MemoryKeeper:
    """A :class:`sessions.keeper.Keeper` that keeps and confirms at once.

    An answer is as of its question, however long it is held up.
    """

    keeps = True

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.asked: list[str] = []
        self.confirmed: list[int] = []
        self.is_broken = False
        #: Questions wait while it is cleared.
        self.answers = asyncio.Event()
        self.answers.set()
        self._messages: dict[tuple[str, str], PastMessage] = {}
        self._chats: dict[ChatRef, PastChat] = {}
        self._contacts: dict[tuple[SessionKey, str], Contact] = {}
        self._confirm: Confirm | None = None
        self._arrivals = 0

    def attach(self, confirm: Confirm) -> None:
        """Confirm to ``confirm``."""
        self._confirm = confirm

    def message(self, message: KeptMessage) -> None:
        """Keep a message."""
        self.told.append(Told("message", message.id))
        name = (message.chat.workspace, message.id)
        known = self._messages.get(name)
        self._arrivals += 1
        self._messages[name] = PastMessage(
            message.chat,
            message.id,
            message.at,
            known.arrival if known else self._arrivals,
            message.from_me,
            message.head,
            message.tail,
        )

    def chat(self, chat: KeptChat) -> None:
        """Keep a row."""
        self.told.append(Told("chat", chat.ref))
        self._chats[chat.ref] = PastChat(
            chat.ref,
            chat.pn,
            chat.lid,
            chat.name,
            chat.picture_id,
            chat.unread,
            chat.updated_at,
            chat.archived,
            chat.pinned,
            chat.muted_until,
            chat.mark,
            None,
        )

    def contact(self, key: SessionKey, contact: Contact) -> None:
        """Keep a contact."""
        self.told.append(Told("contact", contact.jid))
        self._contacts[(key, contact.jid)] = contact

    def moved(self, old: ChatRef, new: ChatRef) -> None:
        """Move what is in a chat."""
        self.told.append(Told("moved", (old, new)))
        self._chats.pop(old, None)
        for name, message in self._messages.items():
            if message.chat == old:
                self._messages[name] = message._replace(chat=new)

    def dropped(self, key: SessionKey) -> None:
        """Forget a session."""
        self.told.append(Told("dropped", key))
        self._messages = {n: m for n, m in self._messages.items() if m.chat.key != key}
        self._chats = {ref: chat for ref, chat in self._chats.items() if ref.key != key}
        self._contacts = {name: c for name, c in self._contacts.items() if name[0] != key}

    def taken(self, key: SessionKey, mark: int) -> None:
        """Confirm."""
        self.told.append(Told("taken", mark))
        self.confirmed.append(mark)
        if self._confirm is not None:
            self._confirm(key, mark)

    def forgets_chat(self, ref: ChatRef) -> None:
        """Lose a row, as a kill does that comes before it is written."""
        del self._chats[ref]

    def forgets_message(self, workspace: str, id: str) -> None:
        """Lose a message, as a kill does that comes before it is written."""
        del self._messages[(workspace, id)]

    def kept(self, workspace: str, id: str) -> PastMessage:
        """Return a message as it is kept."""
        return self._messages[(workspace, id)]

    def row(self, ref: ChatRef) -> PastChat:
        """Return a row as it is kept."""
        return self._chats[ref]

    async def flush(self) -> None:
        """Everything is kept at once."""

    async def _ask(self, what: str) -> None:
        self.asked.append(what)
        await asyncio.sleep(0)
        await self.answers.wait()
        if self.is_broken:
            raise KeeperFailed("The disk is gone.")

    async def messages(self, workspace: str, ids: Sequence[str]) -> list[PastMessage]:
        """Return messages."""
        found = [self._messages.get((workspace, id)) for id in ids]
        await self._ask("messages")
        return [message for message in found if message is not None]

    async def sent(self, key: SessionKey, wa_ids: Sequence[str]) -> list[PastMessage]:
        """Return the session's own."""
        found = [
            message
            for message in self._messages.values()
            if message.from_me and message.chat.key == key and message.tail.wa_id in wa_ids
        ]
        await self._ask("sent")
        return found

    def _of(self, chat: ChatRef) -> list[PastMessage]:
        found = [message for message in self._messages.values() if message.chat == chat]
        return sorted(found, key=_order)

    async def before(self, chat: ChatRef, order: Order | None, limit: int) -> list[PastMessage]:
        """Return a page."""
        older = [m for m in self._of(chat) if order is None or _order(m) < order]
        await self._ask("before")
        return older[::-1][:limit]

    async def after(self, chat: ChatRef, order: Order, limit: int) -> list[PastMessage]:
        """Return a page."""
        newer = [m for m in self._of(chat) if _order(m) > order]
        await self._ask("after")
        return newer[:limit]

    async def chats(self, refs: Sequence[ChatRef]) -> list[PastChat]:
        """Return rows."""
        found = [self._whole(self._chats[ref]) for ref in refs if ref in self._chats]
        await self._ask("chats")
        return found

    def _whole(self, chat: PastChat) -> PastChat:
        found = self._of(chat.ref)
        return chat._replace(last=found[-1] if found else None)

    async def listed(
        self, workspace: str, sessions: Sequence[str] | None, after: Listed | None, limit: int
    ) -> list[PastChat]:
        """Return a page of the list."""
        found = [
            self._whole(chat)
            for chat in self._chats.values()
            if chat.ref.workspace == workspace
            and (sessions is None or chat.ref.session in sessions)
            and (after is None or _place(chat) > after)
        ]
        await self._ask("listed")
        return sorted(found, key=_place)[:limit]

    async def contacts(
        self, workspace: str, sessions: Sequence[str] | None, after: Name | None, limit: int
    ) -> list[Contact]:
        """Return a page of contacts."""
        found = {
            (key.session, jid): contact
            for (key, jid), contact in self._contacts.items()
            if key.workspace == workspace and (sessions is None or key.session in sessions)
        }
        await self._ask("contacts")
        return [found[name] for name in sorted(found) if after is None or name > after][:limit]

    async def contacts_of(self, key: SessionKey, jids: Sequence[str]) -> list[Contact]:
        """Return contacts."""
        found = [self._contacts[(key, jid)] for jid in jids if (key, jid) in self._contacts]
        await self._ask("contacts_of")
        return found


def _order(message: PastMessage) -> Order:
    return (message.at, message.arrival)


def _place(chat: PastChat) -> Listed:
    return (-chat.updated_at, chat.ref.id)
