"""The engine's keeper: what it tells goes to the flusher, what it asks comes from the store.

What was told is in the store some fractions of a second later. Until then it is found in a list
of what is on its way, so that a question is answered as of everything told before it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec

from daemon.history.flusher import Flusher
from daemon.history.models import Place, StoredChat, StoredContact, StoredMessage
from daemon.history.port import HistoryFailed, HistoryStore
from daemon.services.history.on_its_way import OnItsWay
from sessions.cache.messages import FIRST_NUMBER, LATEST, placed
from sessions.cache.sizing import MESSAGE_OVERHEAD
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
from sessions.models import Contact, MessageTail, encode_tail

log = logging.getLogger("zapd.history")
T = TypeVar("T")

#: Seconds that a question may wait for what is on its way, and for its answer.
PATIENCE = 5.0
#: Seconds between two looks at what has arrived in the store.
SETTLE = 0.25

_ARRIVALS = FIRST_NUMBER - 1  # the bits of a place that are not its time


class HistoryKeeper:
    """A :class:`sessions.keeper.Keeper` over a flusher and the store that it fills."""

    keeps = True

    _store: HistoryStore
    _flusher: Flusher

    def __init__(self) -> None:
        """Begin with neither: :meth:`over` names them before anything is told or asked."""
        self._confirm: Confirm | None = None
        self._way = OnItsWay()

    def over(self, store: HistoryStore, flusher: Flusher) -> None:
        """Ask ``store``, and tell ``flusher``, whose ``on_durable`` is :meth:`durable`."""
        self._store, self._flusher = store, flusher

    def attach(self, confirm: Confirm) -> None:
        """Confirm to ``confirm``."""
        self._confirm = confirm

    def durable(self, key: SessionKey, mark: int) -> None:
        """Pass on that everything before the mark is durable (the flusher's ``on_durable``)."""
        if self._confirm is not None:
            self._confirm(key, mark)

    async def run(self) -> None:
        """Let go of what has arrived, until cancelled."""
        while True:
            await asyncio.sleep(SETTLE)
            if self._way and not await self._flushed():
                await asyncio.sleep(PATIENCE)

    # -- told: none of it waits or raises

    def message(self, message: KeptMessage) -> None:
        """Keep a message."""
        self._way.message(message)
        nbytes = MESSAGE_OVERHEAD + len(message.head)
        self._flusher.message(message.chat, message.id, lambda: stored_message(message), nbytes)

    def chat(self, chat: KeptChat) -> None:
        """Keep a chat's row, as it is now: it counts the messages that were told before it."""
        stored = stored_chat(chat)
        self._way.chat(stored)
        self._flusher.chat(chat.ref, lambda: stored)

    def contact(self, key: SessionKey, contact: Contact) -> None:
        """Keep a contact."""
        body = msgspec.json.encode(contact)
        stored = StoredContact(key.workspace, key.session, contact.jid, body)
        self._way.contact(stored)
        self._flusher.contact(stored)

    def moved(self, old: ChatRef, new: ChatRef) -> None:
        """Keep that a chat became part of another."""
        self._way.moved(old)
        self._flusher.moved(old, new)

    def dropped(self, key: SessionKey) -> None:
        """Forget a session."""
        self._way.dropped(key)
        self._flusher.dropped(key)

    def taken(self, key: SessionKey, mark: int) -> None:
        """Confirm the mark when what was told is durable."""
        self._flusher.mark(key, mark)

    async def flush(self) -> None:
        """Return when what was told is in the store, or cannot be for now."""
        await self._flushed()

    async def _flushed(self) -> bool:
        until = self._way.number
        try:
            async with asyncio.timeout(PATIENCE):
                await self._flusher.flush()
        except (HistoryFailed, TimeoutError) as error:
            log.debug("the history is not up to date: %s", error)
            return False
        self._way.arrived(until)
        return True

    # -- asked

    async def messages(self, workspace: str, ids: Sequence[str]) -> list[PastMessage]:
        """Return those of the messages that there are."""
        found = await self._ask(lambda: self._store.find(workspace, ids))
        here = {message.id: past_message(place, message) for place, message in found}
        for id in ids:
            newer = self._way.find(workspace, id)
            if newer is not None:
                here[id] = _newer(newer, here.get(id))
        return list(here.values())

    async def sent(self, key: SessionKey, wa_ids: Sequence[str]) -> list[PastMessage]:
        """Return the session's own messages of these names."""
        found = await self._ask(lambda: self._store.sent(key, wa_ids))
        here = {message.id: past_message(place, message) for place, message in found}
        for newer in self._way.sent(key, wa_ids):
            here[newer.id] = _newer(newer, here.get(newer.id))
        return list(here.values())

    async def before(self, chat: ChatRef, order: Order | None, limit: int) -> list[PastMessage]:
        """Return messages before ``order``, newest first."""
        await self._settle(chat)
        place = None if order is None else _place(order)
        found = await self._ask(lambda: self._store.before(chat, place, limit))
        page = [*self._fresh(found), *self._missing(chat, found)]
        older = [past for past in page if order is None or _order(past) < order]
        return sorted(older, key=_order, reverse=True)[:limit]

    async def after(self, chat: ChatRef, order: Order, limit: int) -> list[PastMessage]:
        """Return messages after ``order``, oldest first."""
        await self._settle(chat)
        found = await self._ask(lambda: self._store.after(chat, _place(order), limit))
        page = [*self._fresh(found), *self._missing(chat, found)]
        return sorted((past for past in page if _order(past) > order), key=_order)[:limit]

    def _missing(
        self, chat: ChatRef, found: Iterable[tuple[Place, StoredMessage]]
    ) -> list[PastMessage]:
        """Return messages of the chat that the store has not, or not on this page."""
        known = {message.id for _, message in found}
        waiting = self._way.of_chat(chat)
        return [_newer(message, None) for message in waiting if message.id not in known]

    def _fresh(self, found: Iterable[tuple[Place, StoredMessage]]) -> list[PastMessage]:
        """Return the messages as they were told last, where the store has not heard of it yet."""
        fresh = []
        for place, message in found:
            newer = self._way.find(message.chat.workspace, message.id)
            past = past_message(place, message)
            fresh.append(past if newer is None else _newer(newer, past))
        return fresh

    async def chats(self, refs: Sequence[ChatRef]) -> list[PastChat]:
        """Return those of the chats that there are."""
        known = {chat.ref: chat for chat in await self._ask(lambda: self._store.chats_of(refs))}
        known |= {ref: newer for ref in refs if (newer := self._way.row(ref)) is not None}
        return await self.with_last(list(known.values()))

    async def listed(
        self, workspace: str, sessions: Sequence[str] | None, after: Listed | None, limit: int
    ) -> list[PastChat]:
        """Return chats by activity, as of what is in the store."""
        if self._way:
            await self.flush()
        found = await self._ask(lambda: self._store.listed(workspace, sessions, after, limit))
        return await self.with_last([self._way.row(chat.ref) or chat for chat in found])

    async def with_last(self, chats: Sequence[StoredChat]) -> list[PastChat]:
        """Return the chats with the newest message of each."""
        found = await self._ask(lambda: self._store.last([chat.ref for chat in chats]))
        last = {message.chat: message for message in self._fresh(found)}
        for chat in chats:
            newer = self._way.newest(chat.ref)
            before = last.get(chat.ref)
            if newer is not None and (before is None or newer.at >= before.at):
                known = before if before is not None and before.id == newer.id else None
                last[chat.ref] = _newer(newer, known)
        return [PastChat(*chat, last.get(chat.ref)) for chat in chats]

    async def contacts(
        self, workspace: str, sessions: Sequence[str] | None, after: Name | None, limit: int
    ) -> list[Contact]:
        """Return contacts by session and JID, as of what is in the store."""
        if self._way:
            await self.flush()
        found = await self._ask(
            lambda: self._store.contacts_page(workspace, sessions, after, limit)
        )
        return [contact_of(contact) for contact in found]

    async def contacts_of(self, key: SessionKey, jids: Sequence[str]) -> list[Contact]:
        """Return those of the contacts that there are."""
        found = await self._ask(lambda: self._store.contacts_of(key, jids))
        known = {contact.jid: contact for contact in found}
        for jid in jids:
            newer = self._way.person(key, jid)
            if newer is not None:
                known[jid] = newer
        return [contact_of(contact) for contact in known.values()]

    async def _settle(self, chat: ChatRef) -> None:
        """Have the store hold what was told of the chat."""
        if self._way.may_hold(chat):
            await self.flush()

    async def _ask(self, question: Callable[[], Awaitable[T]]) -> T:
        if self._way.is_divided:
            await self.flush()
        async with _answered():
            return await question()


@asynccontextmanager
async def _answered() -> AsyncIterator[None]:
    """Raise ``KeeperFailed`` for a store that refuses, or that does not answer in time."""
    try:
        async with asyncio.timeout(PATIENCE):
            yield
    except HistoryFailed as error:
        raise KeeperFailed(str(error)) from error
    except TimeoutError as error:
        raise KeeperFailed(f"The history does not answer within {PATIENCE:g} s.") from error


def _order(past: PastMessage) -> Order:
    return placed(past.at, past.arrival)


def _place(order: Order) -> Place:
    return (min(max(order[0], 0), LATEST) << 20) + order[1]


def _newer(kept: KeptMessage, known: PastMessage | None) -> PastMessage:
    """Return a message that is on its way; one that the store has not met stands after all."""
    arrival = known.arrival if known is not None else _ARRIVALS
    return PastMessage(kept.chat, kept.id, kept.at, arrival, kept.from_me, kept.head, kept.tail)


class _Looked(msgspec.Struct):
    """What is looked at of a head."""

    sender: str
    type: str
    text: str | None = None


_looked = msgspec.json.Decoder(_Looked)
_tails = msgspec.json.Decoder(MessageTail)
_contacts = msgspec.json.Decoder(Contact)


def stored_message(message: KeptMessage) -> StoredMessage:
    """Return a message as the store takes it, as of now."""
    looked = _looked.decode(message.head + b"}")
    return StoredMessage(
        message.chat,
        message.id,
        message.at,
        message.from_me,
        looked.sender,
        looked.type,
        looked.text,
        message.tail.wa_id,
        message.head,
        encode_tail(message.tail),
    )


def stored_chat(chat: KeptChat) -> StoredChat:
    """Return a row as the store takes it, as of now."""
    return StoredChat(
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
    )


def past_message(place: Place, stored: StoredMessage) -> PastMessage:
    """Return a message as the engine takes it."""
    tail = _tails.decode(b"{" + stored.tail[1:])
    return PastMessage(
        stored.chat,
        stored.id,
        stored.at,
        place & _ARRIVALS,
        stored.from_me,
        stored.head,
        tail,
    )


def contact_of(stored: StoredContact) -> Contact:
    """Return a contact as the engine takes it."""
    return _contacts.decode(stored.body)
