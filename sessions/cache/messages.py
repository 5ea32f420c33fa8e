"""Windows of messages: the newest of each chat, in time order, as encoded JSON.

A message is found by its id in its workspace, or by WhatsApp's id where we sent it. What
leaves goes oldest first within a chat, and by whole chats, least recently used first,
where a session or all together are over their bound.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple, TypeVar

import msgspec
from sortedcontainers import SortedKeyList

from sessions.cache.byte_lru import ByteLRU, Usage
from sessions.cache.sizing import MESSAGE_OVERHEAD, WINDOW_OVERHEAD, bytes_cost, text_cost
from sessions.ids import ChatRef, SessionKey
from sessions.models import MessageTail, encode_tail, splice

K = TypeVar("K")
_NONE: dict[str, Entry] = {}  # never written
#: Called with the chat and the time (ms) before which messages have left.
OnForgotten = Callable[[ChatRef, int], None]
#: Returns a head's bytes (of exact size) with another chat in it.
Readdress = Callable[[bytes], bytes]

#: The first number of this life. A message that is read back has one below: its arrival among
#: those of its millisecond. So one order holds for what was and what comes.
FIRST_NUMBER = 1 << 20
#: ms; what is dated later (the year 2248) stands where it arrived. The past counts so too.
LATEST = (1 << 43) - 1


#: A time (ms), and a number among those of that time.
Order = tuple[int, int]
_NUMBER_BITS = 40  # enough for a message a millisecond in 34 years
_NUMBERS = (1 << _NUMBER_BITS) - 1


def placed(at: int, number: int) -> Order:
    """Return where a message of that time stands in its chat."""
    return (min(max(at, 0), LATEST), number)


class _Placed(msgspec.Struct, eq=False, gc=False):
    """The fields of an entry that are given by position."""

    chat: ChatRef
    id: str
    place: int


class Entry(_Placed, eq=False, gc=False, kw_only=True):
    """One message: bytes that never change, and the overlay of what may.

    Made with its time (ms) as ``place``, which is from then on its order in one number. ``head``
    must be of exact size: a slice or copy, never an encoder's own buffer. Untracked by the garbage
    collector: what it refers to never refers back.
    """

    from_me: bool
    head: bytes
    tail: MessageTail

    def __post_init__(self) -> None:
        self.place = _packed(placed(self.place, 0))

    @property
    def at(self) -> int:
        """The message's time in ms, within what can be ordered (:data:`LATEST`)."""
        return self.place >> _NUMBER_BITS

    @property
    def order(self) -> Order:
        """Where it stands in its chat."""
        return self.at, self.place & _NUMBERS

    @order.setter
    def order(self, order: Order) -> None:
        self.place = _packed(order)

    @property
    def nbytes(self) -> int:
        """What the message weighs in RAM."""
        return (
            MESSAGE_OVERHEAD
            + bytes_cost(self.head)
            + text_cost(self.tail.wa_id)
            + 200 * len(self.tail.reactions)
        )

    def render(self) -> bytes:
        """Return the message's JSON as clients read it."""
        return splice(self.head, encode_tail(self.tail))


def _packed(order: Order) -> int:
    """Return an order as one number: in a window it weighs a third of a pair."""
    at, number = order
    return (at << _NUMBER_BITS) + number


def _place_of(entry: Entry) -> int:
    return entry.place


class Window:
    """The messages of one chat that are in RAM, oldest first."""

    __slots__ = ("chat", "entries", "nbytes")

    def __init__(self, chat: ChatRef) -> None:
        """Start empty."""
        self.chat = chat
        self.entries: SortedKeyList[Entry, int] = SortedKeyList(key=_place_of)
        self.nbytes = WINDOW_OVERHEAD

    def add(self, entry: Entry) -> None:
        """Put the message in its place."""
        self.entries.add(entry)
        self.nbytes += entry.nbytes

    def pop_oldest(self) -> Entry:
        """Take the oldest message out."""
        entry: Entry = self.entries.pop(0)
        self.nbytes -= entry.nbytes
        return entry

    def before(self, order: Order | None, limit: int) -> list[Entry]:
        """Return up to ``limit`` messages that are older than ``order``, newest first."""
        place = None if order is None else _packed(order)
        newest_first = self.entries.irange_key(None, place, inclusive=(True, False), reverse=True)
        return list(islice(newest_first, limit))

    def after(self, order: Order, limit: int) -> list[Entry]:
        """Return up to ``limit`` messages right after ``order``, oldest first."""
        newer = self.entries.irange_key(_packed(order), None, inclusive=(False, True))
        return list(islice(newer, limit))


class MessageLimits(NamedTuple):
    """Bounds in bytes; 0 switches the optional ones (count, idle milliseconds) off."""

    total_bytes: int
    session_bytes: int
    chat_bytes: int
    chat_messages: int = 0
    idle_ms: int = 0


class MessageCache:
    """All windows of all workspaces."""

    def __init__(self, limits: MessageLimits, on_forgotten: OnForgotten) -> None:
        """Keep within ``limits``; tell ``on_forgotten`` when older messages of a chat left."""
        self._limits = limits
        self._on_forgotten = on_forgotten
        self._windows: ByteLRU[ChatRef, Window] = ByteLRU(limits.total_bytes, self._evicted)
        self._sessions: dict[SessionKey, ByteLRU[ChatRef, Window]] = {}
        self._by_id: defaultdict[str, dict[str, Entry]] = defaultdict(dict)  # by workspace
        #: those that we sent, by session
        self._by_wa_id: defaultdict[SessionKey, dict[str, Entry]] = defaultdict(dict)
        self._used_at: OrderedDict[ChatRef, int] = OrderedDict()  # the most idle first
        self._serial = FIRST_NUMBER
        self.forgotten = 0

    def add(self, entry: Entry, now: int) -> bool:
        """Keep the message; return False if it is known, or alone over a bound."""
        known = self._by_id[entry.chat.workspace]
        if entry.id in known:
            return False
        self._serial += 1
        entry.order = placed(entry.at, self._serial)
        window = self._windows.find(entry.chat) or Window(entry.chat)
        entry.chat = window.chat  # all of a chat share one address
        window.add(entry)
        known[entry.id] = entry
        self._index_wa_id(entry)
        self._trim(window)
        if self._weigh(window):
            self._use(entry.chat, now)
        return self.get(entry.chat.workspace, entry.id) is entry

    def restore(self, entries: Sequence[Entry], share: float, now: int) -> bool:
        """Put older messages of one chat back, each with its order; return False for want of room.

        Nobody leaves for them: they fill ``share`` of each bound at most. The chat counts as used
        no more than before.
        """
        fresh = [entry for entry in entries if self.get(entry.chat.workspace, entry.id) is None]
        if not fresh:
            return True
        chat = fresh[0].chat
        window = self._windows.peek(chat) or Window(chat)
        kept = 0 if chat not in self._windows else window.nbytes
        after = window.nbytes + sum(entry.nbytes for entry in fresh)
        most = self._limits.chat_messages
        session = self._session(chat.key)
        if (
            after > self._limits.chat_bytes * share
            or 0 < most < len(window.entries) + len(fresh)
            or after - kept > min(self._windows.room(share), session.room(share))
        ):
            return False
        for entry in fresh:
            entry.chat = window.chat
            window.add(entry)
            self._by_id[chat.workspace][entry.id] = entry
            self._index_wa_id(entry)
        session.put_cold(chat, window)
        self._windows.put_cold(chat, window)
        if chat not in self._used_at:
            self._use(chat, now)
        return True

    def is_filled(self, share: float) -> bool:
        """Tell whether all windows together fill that share of the bound, but for a thousandth."""
        return self._windows.room(share) < self._windows.maxsize / 1000

    def get(self, workspace: str, id: str) -> Entry | None:
        """Return the message of that id."""
        return self._by_id.get(workspace, _NONE).get(id)

    def find_sent(self, key: SessionKey, wa_id: str) -> Entry | None:
        """Return the message that we sent and WhatsApp calls ``wa_id``."""
        return self._by_wa_id.get(key, _NONE).get(wa_id)

    def window(self, chat: ChatRef, now: int) -> Window | None:
        """Return the chat's window and count it as used."""
        window = self._windows.find(chat)
        if window is not None:
            self._use(chat, now)
            self._sessions[chat.key].get(chat)
        return window

    def held(self, chat: ChatRef) -> list[Entry]:
        """Return the chat's messages that are here, oldest first, without counting it as used."""
        window = self._windows.peek(chat)
        return list(window.entries) if window is not None else []

    def change(self, entry: Entry, tail: MessageTail, head: bytes | None = None) -> None:
        """Replace the overlay, and for an edit the head; weigh the chat anew."""
        kept = self.get(entry.chat.workspace, entry.id) is entry
        before = entry.nbytes
        if kept and entry.tail.wa_id != tail.wa_id:
            self._unindex_wa_id(entry)
        entry.tail = tail
        entry.head = entry.head if head is None else head
        if kept:
            window = self._windows[entry.chat]
            self._index_wa_id(entry)
            window.nbytes += entry.nbytes - before
            self._trim(window)
            self._weigh(window)

    def move(self, source: ChatRef, target: ChatRef, readdress: Readdress, now: int) -> None:
        """Join the messages of ``source`` to those of ``target``; ids and order stay.

        ``readdress`` gives a message's head with the new chat in it. Costs what ``source``
        holds: for the one time in a chat's life that its LID's number becomes known.
        """
        old: Window | None = self._windows.pop(source, None)
        if old is None:
            return
        self._forget_place(old)
        window = self._windows.get(target) or Window(target)
        for entry in old.entries:
            entry.chat, entry.head = target, readdress(entry.head)
            window.add(entry)
        self._trim(window)
        if self._weigh(window):
            self._use(target, now)

    def remove(self, entry: Entry) -> None:
        """Forget one message, if it is here."""
        if self.get(entry.chat.workspace, entry.id) is not entry:
            return
        window = self._windows[entry.chat]
        window.entries.remove(entry)
        window.nbytes -= entry.nbytes
        self._forget(entry)
        self._weigh(window)

    def drop_chat(self, chat: ChatRef) -> int:
        """Forget all messages of a chat; return how many those were."""
        window: Window | None = self._windows.pop(chat, None)
        if window is None:
            return 0
        self._forget_window(window)
        return len(window.entries)

    def drop_idle(self, now: int) -> None:
        """Forget windows that nobody touched for as long as the limit says (called each second)."""
        if not self._limits.idle_ms:
            return
        while self._used_at:
            chat, used_at = next(iter(self._used_at.items()))
            if now - used_at <= self._limits.idle_ms:
                return
            self._forget_window(self._windows.pop(chat))

    def drop_session(self, key: SessionKey) -> None:
        """Forget all windows of a session."""
        for chat in list(self._sessions.get(key, ())):
            self._forget_window(self._windows.pop(chat))
        self._sessions.pop(key, None)

    def usage(self) -> Usage:
        """Return the figures of all windows."""
        return self._windows.usage()

    def _use(self, chat: ChatRef, now: int) -> None:
        if self._limits.idle_ms:
            self._used_at[chat] = now
            self._used_at.move_to_end(chat)

    def _index_wa_id(self, entry: Entry) -> None:
        if entry.from_me and entry.tail.wa_id:
            self._by_wa_id[entry.chat.key][entry.tail.wa_id] = entry

    def _unindex_wa_id(self, entry: Entry) -> None:
        key, wa_id = entry.chat.key, entry.tail.wa_id or ""
        if self.find_sent(key, wa_id) is entry:
            _drop(self._by_wa_id, key, wa_id)

    def _trim(self, window: Window) -> None:
        """Hold the chat to its own bounds, oldest messages first."""
        most = self._limits.chat_messages
        last: Entry | None = None
        while window.entries and (
            window.nbytes > self._limits.chat_bytes or 0 < most < len(window.entries)
        ):
            last = window.pop_oldest()
            self._forget(last)
        if last is not None:
            self._on_forgotten(window.chat, last.at + 1)

    def _weigh(self, window: Window) -> bool:
        """Account for the window's weight in its session and in the whole."""
        session = self._session(window.chat.key)
        kept = session.put(window.chat, window) and self._windows.put(window.chat, window)
        if not kept:
            self._windows.pop(window.chat, None)
            self._forget_window(window)
        return kept

    def _session(self, key: SessionKey) -> ByteLRU[ChatRef, Window]:
        session = self._sessions.get(key)
        if session is None:
            session = ByteLRU(self._limits.session_bytes, self._evicted_from_session)
            self._sessions[key] = session
        return session

    def _evicted(self, chat: ChatRef, window: Window) -> None:
        self._forget_window(window)

    def _evicted_from_session(self, chat: ChatRef, window: Window) -> None:
        self._windows.pop(chat, None)
        self._forget_window(window)

    def _forget_place(self, window: Window) -> None:
        self._used_at.pop(window.chat, None)
        self._sessions[window.chat.key].pop(window.chat, None)

    def _forget_window(self, window: Window) -> None:
        self._forget_place(window)
        for entry in window.entries:
            self._forget(entry)
        if window.entries:
            newest: Entry = window.entries[-1]
            self._on_forgotten(window.chat, newest.at + 1)

    def _forget(self, entry: Entry) -> None:
        self.forgotten += 1
        _drop(self._by_id, entry.chat.workspace, entry.id)
        self._unindex_wa_id(entry)


def _drop(index: dict[K, dict[str, Entry]], key: K, name: str) -> None:
    """Take a name out of an index, which keeps no part that is empty."""
    part = index.get(key)
    if part is not None:
        part.pop(name, None)
        if not part:
            del index[key]
