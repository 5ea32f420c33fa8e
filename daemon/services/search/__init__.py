"""Search: messages by their words, in history and in what RAM has that history has not yet.

History answers alone where it can be brought up to date in a moment. Where it cannot, RAM is
looked through too and has the last word on what it holds; where history is off, RAM is all
there is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from types import MappingProxyType
from typing import NamedTuple, Protocol
from weakref import WeakValueDictionary

from daemon.auth.principal import Principal
from daemon.errors import ApiError
from daemon.history.alphabet import Alphabet, Matcher
from daemon.history.models import Found, Health, SearchQuery
from daemon.history.port import HistoryFailed, HistoryStore
from daemon.history.snippets import snippet
from daemon.services.search.addresses import Addresses
from daemon.services.search.here import MAX_LOOKED_AT, Looked, look, of_time
from daemon.services.search.matches import Match, Matches, joined, order_of, place_of
from daemon.services.search.snippets import Snippet, snippet_of
from daemon.services.search.words import words_of
from sessions.cache.chats import called
from sessions.cache.messages import FIRST_NUMBER, LATEST
from sessions.ids import ChatRef, parse_jid
from sessions.keeper import Order
from sessions.manager.memory import Memory
from sessions.models import MessageType, Session, splice

log = logging.getLogger("zapd.search")

_SETTLE_SECONDS = 0.25  # that a search waits for what is not written yet
_STORE_SECONDS = 10.0
_MOST_WAITING = 20  # searches of one workspace; one is done at a time
_NOWHERE: Mapping[str, Order] = MappingProxyType({})


class Seeing(Protocol):
    """What search needs of :class:`daemon.services.engine.Engine`."""

    def sessions(self, who: Principal) -> list[Session]:
        """Return the sessions that the caller may see."""
        ...

    def ref(self, who: Principal, chat: str) -> ChatRef:
        """Name a chat that the caller may see, or raise."""
        ...


class Flushing(Protocol):
    """What search needs of :class:`daemon.history.flusher.Flusher`."""

    async def flush(self) -> None:
        """Return when everything that was handed over is in the store; raise ``HistoryFailed``."""
        ...

    def health(self) -> Health:
        """Return how it stands."""
        ...


class Remembered(NamedTuple):
    """History: the store, and what writes to it."""

    store: HistoryStore
    flusher: Flushing


class Question(NamedTuple):
    """What a caller asks. Times are milliseconds since 1970, both included.

    ``below`` is where the page before ended.
    """

    q: str
    session: str | None = None
    chat: str | None = None
    sender: str | None = None
    type: MessageType | None = None
    since: int | None = None
    until: int | None = None
    limit: int = 50
    below: Order | None = None


class Result(NamedTuple):
    """A message that was found."""

    message: bytes
    snippet: Snippet
    chat: ChatRef
    chat_name: str | None


class Page(NamedTuple):
    """Results, newest first; where to go on (None at the end).

    ``is_partial``: history could not be asked or brought up to date, so that some may be missing.
    """

    results: list[Result]
    next: Order | None
    is_partial: bool


class _Turn:
    """One search of a workspace at a time, so that no workspace holds up another's."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.waiting = 0


class Search:
    """Asked by principals; what they see is theirs, never the query's, to say."""

    def __init__(
        self,
        engine: Seeing,
        memory: Memory,
        history: Remembered | None,
        looked_at: int = MAX_LOOKED_AT,
        store_seconds: float = _STORE_SECONDS,
    ) -> None:
        """``history`` None: it is off. A page looks at ``looked_at`` messages of RAM.

        It waits ``store_seconds`` for history.
        """
        self._store_seconds = store_seconds
        self._engine = engine
        self._memory = memory
        self._history = history
        self._looked_at = looked_at
        self._alphabet = Alphabet()
        self._addresses = Addresses(memory, history.store if history else None)
        self._turns: WeakValueDictionary[str, _Turn] = WeakValueDictionary()

    async def find(self, who: Principal, asked: Question) -> Page:
        """Return messages that have all the words."""
        query = self._query(who, asked)
        async with self._turn(who.workspace):
            query = await self._widened(who, query)
            matches, is_partial = await self._matches(query, asked.below)
        names = await self._names({match.chat for match in matches.found})
        results = [
            Result(match.message, snippet_of(match.marked), match.chat, names.get(match.chat))
            for match in matches.found
        ]
        return Page(results, matches.end, is_partial)

    def _query(self, who: Principal, asked: Question) -> SearchQuery:
        chats = (self._memory.home(self._engine.ref(who, asked.chat)),) if asked.chat else None
        sessions = who.sessions
        if asked.session is not None:
            sessions = frozenset({asked.session}) if who.sees(asked.session) else frozenset()
        return SearchQuery(
            workspace=who.workspace,
            words=words_of(asked.q, self._alphabet),
            sessions=sessions,
            chats=chats,
            senders=(parse_jid(asked.sender),) if asked.sender else None,
            type=asked.type,
            since=asked.since,
            # What is dated later stands at LATEST: no bound is above that.
            until=asked.until if asked.until is None or asked.until < LATEST else None,
            limit=asked.limit,
        )

    async def _widened(self, who: Principal, query: SearchQuery) -> SearchQuery:
        """Ask for all addresses of the chat and of the sender, as the caller's sessions know them."""
        if query.chats is not None:
            ref = query.chats[0]
            jids = await self._addresses.of(ref.workspace, [ref.session], ref.jid)
            query = query._replace(chats=tuple(ref._replace(jid=jid) for jid in jids))
        if query.senders is not None:
            sessions = {session.id for session in self._engine.sessions(who)}
            if query.sessions is not None:
                sessions &= query.sessions
            senders = await self._addresses.of(query.workspace, sessions, query.senders[0])
            query = query._replace(senders=senders)
        return query

    @asynccontextmanager
    async def _turn(self, workspace: str) -> AsyncIterator[None]:
        turn = self._turns.get(workspace)
        if turn is None:
            turn = self._turns[workspace] = _Turn()
        if turn.waiting >= _MOST_WAITING:
            raise ApiError(
                "rate_limited", "Too many searches at once.", headers={"Retry-After": "1"}
            )
        turn.waiting += 1
        try:
            await turn.lock.acquire()
        finally:
            turn.waiting -= 1
        try:
            yield
        finally:
            turn.lock.release()

    async def _matches(self, query: SearchQuery, below: Order | None) -> tuple[Matches, bool]:
        """Return what matches, and whether some of it may be missing."""
        if self._history is None:
            return self._here(query, await self._look(query, below)), False
        settled = await self._settled(self._history.flusher)
        try:
            async with asyncio.timeout(self._store_seconds):
                if settled:
                    return await self._kept(self._history.store, query, below), False
                return await self._both(self._history.store, query, below), True
        except HistoryFailed as error:
            log.warning("a search has only what is in RAM: %s", error)
        except TimeoutError:
            log.warning("a search has only what is in RAM: the history takes too long")
        return self._here(query, await self._look(query, below)), True

    async def _settled(self, flusher: Flushing) -> bool:
        """Tell whether the store has all that happened before; wait for it a moment."""
        if flusher.health().state == "failing":
            return False
        try:
            async with asyncio.timeout(_SETTLE_SECONDS):
                await flusher.flush()
        except (TimeoutError, HistoryFailed):
            return False
        return True

    # -- history

    async def _kept(self, store: HistoryStore, query: SearchQuery, below: Order | None) -> Matches:
        after = None if below is None else place_of(below)
        page = await store.search(query._replace(after=after))
        fresh = [self._kept_match(each) for each in page.found if not self._is_told(each, below)]
        return Matches(fresh, None if page.end is None else order_of(page.end))

    def _kept_match(self, found: Found) -> Match:
        """Return a message as RAM has it, where it does: with its ticks of now."""
        message = found.message
        here = self._memory.messages.get(message.chat.workspace, message.id)
        told = splice(message.head, message.tail) if here is None else here.render()
        return Match(order_of(found.place), message.id, message.chat, found.snippet, told)

    def _is_told(self, found: Found, below: Order | None) -> bool:
        """Tell whether a page that ended with RAM's own number had the message."""
        if below is None or below[1] < FIRST_NUMBER:
            return False
        here = self._memory.messages.get(found.message.chat.workspace, found.message.id)
        return here is not None and here.order >= below

    # -- RAM

    async def _look(
        self, query: SearchQuery, below: Order | None, told: Collection[str] = ()
    ) -> Looked:
        matcher = Matcher(query.words, self._alphabet)
        return await look(self._memory, query, matcher, below, self._looked_at, told)

    def _here(
        self, query: SearchQuery, looked: Looked, places: Mapping[str, Order] = _NOWHERE
    ) -> Matches:
        """Return what RAM has; in the order of the store, where that has it too."""
        return Matches(
            [
                Match(
                    places.get(entry.id, order),
                    entry.id,
                    entry.chat,
                    snippet(text, query.words, self._alphabet),
                    entry.render(),
                )
                for entry, order, text in looked.hits
            ],
            None if looked.end is None else places.get(looked.end.id, looked.end.order),
        )

    # -- both

    async def _both(self, store: HistoryStore, query: SearchQuery, below: Order | None) -> Matches:
        """Look through both; of what RAM holds, it alone is asked."""
        told: Collection[str] = ()
        upper = below
        if below is not None and below[1] < FIRST_NUMBER:
            # The page before ended with a number of the store. What RAM has of that millisecond
            # has other numbers: the store is asked for its own.
            told = await self._told(store, query, below)
            upper = (below[0] + 1, 0)
        looked = await self._look(query, upper, told)
        ids = [hit.entry.id for hit in looked.hits]
        ended = [] if looked.end is None else [looked.end.id]
        places = await self._orders(store, query.workspace, [*ids, *ended])
        kept = await self._kept(store, query, below)
        beyond = [m for m in kept.found if m.id not in ids and not self._holds(m)]
        return joined(self._here(query, looked, places), Matches(beyond, kept.end), query.limit)

    async def _told(self, store: HistoryStore, query: SearchQuery, below: Order) -> set[str]:
        """Return the ids, of those in RAM of a place's millisecond, that do not stand below it."""
        ids = [entry.id for entry in await of_time(self._memory, query, below[0])]
        orders = await self._orders(store, query.workspace, ids)
        return {id_ for id_ in ids if id_ not in orders or orders[id_] >= below}

    async def _orders(
        self, store: HistoryStore, workspace: str, ids: Sequence[str]
    ) -> dict[str, Order]:
        """Return where those of the messages stand that the store has."""
        found = await store.find(workspace, ids) if ids else []
        return {message.id: order_of(place) for place, message in found}

    def _holds(self, match: Match) -> bool:
        """Tell whether a look through RAM meets the message: by its chat's row."""
        entry = self._memory.messages.get(match.chat.workspace, match.id)
        row = self._memory.chats.look(match.chat if entry is None else entry.chat)
        if row is None:
            return False
        return entry is not None or (row.last is not None and row.last.id == match.id)

    async def _names(self, refs: Iterable[ChatRef]) -> dict[ChatRef, str | None]:
        """Return what the chats are called; of those whose rows left the RAM history is asked."""
        rows = {ref: self._memory.chats.look(ref) for ref in refs}
        names = {ref: row.name for ref, row in rows.items() if row is not None}
        missing = [ref for ref, row in rows.items() if row is None]
        if missing and self._history is not None:
            with suppress(HistoryFailed):
                kept = await self._history.store.chats_of(missing)
                names |= {chat.ref: chat.name for chat in kept}
        return {ref: called(names.get(ref), ref.jid) for ref in rows}
