"""History in a Supabase project: functions of the migrations, called through its Data API.

Loaded by its name and only where ``ZAPD_HISTORY=supabase``: the client costs 0.15 s and 27 MiB.
Each call is one transaction in PostgreSQL (``…_zapd_history_calls.sql``). One that writes is under
way at a time, and carries a number that counts up, so that one which was given up and arrives
late does nothing. Nothing is tried again here: whoever hands records over does that.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx

from daemon.history.alphabet import Alphabet
from daemon.history.models import (
    Dropped,
    Found,
    Moved,
    Place,
    Record,
    Searched,
    SearchQuery,
    StoredChat,
    StoredContact,
    StoredMessage,
)
from daemon.history.port import HistoryFailed, RecordRefused
from daemon.history.remote_rows import (
    Kept,
    by_workspace,
    chat_key,
    chat_of,
    contact_of,
    message_of,
    readdressed,
    rows_of,
    steps,
)
from daemon.history.snippets import snippet
from daemon.metadata.supabase import TIMEOUT, SupabaseApi
from daemon.metadata.trouble import Kind, Trouble, unsendable
from sessions.ids import ChatRef, SessionKey, jid_user
from sessions.models import without_quote, without_reactions

Message = tuple[Place, StoredMessage]

_READ_BATCH = 1000
_MOVE_BATCH = 500  # read and written again
_ERASE_BATCH = 5000  # well within the 8 s that a project gives a request
_MONTHS_AHEAD = 2
_NO_FUNCTION = frozenset({"PGRST202", "42883"})


class SupabaseHistory:
    """A :class:`daemon.history.port.HistoryStore`. Whoever made it closes it.

    A write of more than ``remote_rows.ROWS_MAX`` records is several transactions, in order: one
    that fails in the midst is to be written again whole. After a kill between two of them the
    first records are there and the last are not, as after a kill between two batches. Counts
    stay exact: a chat's row stands before the messages that it counts, in the same transaction
    or an earlier one, and its mark says of those that are told again that they are in it.
    """

    def __init__(self, url: str, key: str, *, timeout: httpx.Timeout = TIMEOUT) -> None:
        """``url`` is the project's; ``key`` a secret key. Nothing is sent yet."""
        self._api = SupabaseApi(url, key, timeout=timeout)
        self._writer = str(uuid.uuid4())
        self._stamp = 0
        self._turn = asyncio.Lock()
        self._alphabet = Alphabet()

    async def write(self, records: Sequence[Record]) -> None:
        """Apply the records in order.

        The row of a chat that became part of another goes together with what comes next, in one
        transaction: that is the other's row, with what both had unread.
        """
        gone: list[ChatRef] = []
        for step in steps(records):
            if isinstance(step, Moved):
                await self._readdress(step)
                gone.append(step.old)
            elif isinstance(step, Dropped):
                await self._erase(SessionKey(step.workspace, step.session), None)
            else:
                await self._put(step, gone)
                gone = []
        if gone:
            await self._put((), gone)

    async def message(self, workspace: str, id: str) -> StoredMessage | None:
        """Return a message by our id."""
        found = await self.find(workspace, [id])
        return found[0][1] if found else None

    async def place(self, workspace: str, id: str) -> Place | None:
        """Return where a message stands."""
        found = await self.find(workspace, [id])
        return found[0][0] if found else None

    async def find(self, workspace: str, ids: Sequence[str]) -> list[Message]:
        """Return those of the messages, by our ids, that there are."""
        arguments = {"workspace": workspace, "ids": list(ids)}
        return await self._messages("find", workspace, arguments)

    async def sent(self, key: SessionKey, wa_ids: Sequence[str]) -> list[Message]:
        """Return the session's own messages that WhatsApp calls so."""
        arguments = {**key._asdict(), "wa_ids": list(wa_ids)}
        return await self._messages("sent", key.workspace, arguments)

    async def last(self, refs: Sequence[ChatRef]) -> list[Message]:
        """Return the newest message of each of the chats."""
        found: list[Message] = []
        for workspace, chats in by_workspace(refs).items():
            arguments = {"workspace": workspace, "chats": chats}
            found += await self._messages("last", workspace, arguments)
        return found

    async def before(self, chat: ChatRef, place: Place | None, limit: int) -> list[Message]:
        """Return older messages, newest first."""
        return await self._page(chat, place, limit, newer=False)

    async def after(self, chat: ChatRef, place: Place, limit: int) -> list[Message]:
        """Return newer messages, oldest first."""
        return await self._page(chat, place, limit, newer=True)

    async def _page(
        self, chat: ChatRef, place: Place | None, limit: int, *, newer: bool
    ) -> list[Message]:
        found: list[Message] = []
        while (size := min(limit - len(found), _READ_BATCH)) > 0:
            bound = None if place is None else str(place)
            arguments = {**chat_key(chat), "place": bound, "newer": newer, "at_most": size}
            page = await self._messages("page", chat.workspace, arguments)
            found += page
            if len(page) < size:
                break
            place = found[-1][0]
        return found

    async def chats(self) -> AsyncIterator[list[StoredChat]]:
        """Yield all chats, newest activity first."""
        after = None
        while rows := await self._call("chats", {"after": after, "at_most": _READ_BATCH}):
            yield [chat_of(row) for row in rows]
            _, session, jid, *_, active_ms, _, _, _, _, workspace_id = rows[-1]
            after = [active_ms, workspace_id, session, jid]

    async def chat(self, ref: ChatRef) -> StoredChat | None:
        """Return one chat."""
        found = await self.chats_of([ref])
        return found[0] if found else None

    async def chats_of(self, refs: Sequence[ChatRef]) -> list[StoredChat]:
        """Return those of the chats that there are."""
        rows: list[Any] = []
        for workspace, chats in by_workspace(refs).items():
            rows += await self._call("chats_of", {"workspace": workspace, "chats": chats})
        return [chat_of(row) for row in rows]

    async def listed(
        self,
        workspace: str,
        sessions: Sequence[str] | None,
        after: tuple[int, str] | None,
        limit: int,
    ) -> list[StoredChat]:
        """Return chats by activity, then by id, behind a place."""
        active_ms, id_ = (None, None) if after is None else (-after[0], after[1])
        rows = await self._call(
            "listed",
            {
                "workspace": workspace,
                "sessions": None if sessions is None else list(sessions),
                "active_ms": active_ms,
                "id": id_,
                "at_most": limit,
            },
        )
        return [chat_of(row) for row in rows]

    async def contacts(self) -> AsyncIterator[list[StoredContact]]:
        """Yield all contacts."""
        after = None
        while rows := await self._call("contacts", {"after": after, "at_most": _READ_BATCH}):
            yield [contact_of(row) for row in rows]
            _, session, jid, _, workspace_id = rows[-1]
            after = [workspace_id, session, jid]

    async def contacts_page(
        self,
        workspace: str,
        sessions: Sequence[str] | None,
        after: tuple[str, str] | None,
        limit: int,
    ) -> list[StoredContact]:
        """Return contacts by session and JID, behind one of them."""
        session, jid = after or (None, None)
        rows = await self._call(
            "contacts_page",
            {
                "workspace": workspace,
                "sessions": None if sessions is None else list(sessions),
                "session": session,
                "jid": jid,
                "at_most": limit,
            },
        )
        return [contact_of(row) for row in rows]

    async def contacts_of(self, key: SessionKey, jids: Sequence[str]) -> list[StoredContact]:
        """Return those of the contacts that there are."""
        rows = await self._call("contacts_of", {**key._asdict(), "jids": list(jids)})
        return [contact_of(row) for row in rows]

    async def search(self, query: SearchQuery) -> Searched:
        """Return messages with all the words, newest first."""
        chats = [ref for ref in query.chats or () if ref.workspace == query.workspace]
        if not query.words or query.limit < 1 or (query.chats is not None and not chats):
            return Searched([], None)
        asked = {
            **query._asdict(),
            "words": [word.replace("\x00", "") for word in query.words],
            "sessions": None if query.sessions is None else sorted(query.sessions),
            "chats": None if query.chats is None else [chat_key(ref) for ref in chats],
            "limit": query.limit + 1,  # one more tells whether there are more
            "before": None if query.after is None else str(query.after),
        }
        del asked["after"]
        found = await self._messages("search", query.workspace, {"query": asked})
        page = [
            Found(message, place, snippet(message.text or "", query.words, self._alphabet))
            for place, message in found[: query.limit]
        ]
        return Searched(page, page[-1].place if len(found) > len(page) else None)

    async def erase_contact(self, key: SessionKey, jids: frozenset[str]) -> dict[str, int]:
        """Remove what is of these addresses. What PostgreSQL keeps of a deleted row in its files
        until it cleans up, and in backups, is beyond the Data API.
        """
        counts = await self._erase(key, sorted(jids))
        quotations = await self._unquote(key, jids)
        return counts | ({"quotations": quotations} if quotations else {})

    async def _unquote(self, key: SessionKey, jids: frozenset[str]) -> int:
        """Take quotations of these people and their reactions out; return of how many messages."""
        texts = sorted({jid_user(jid) for jid in jids})
        place, cleaned = None, 0
        while True:
            found = await self._call("naming", {**key._asdict(), "texts": texts, "place": place})
            bare = [
                message._replace(head=head or message.head, tail=tail or message.tail)
                for _, message in (message_of(row, key.workspace) for row in found["rows"])
                for head, tail in [
                    (without_quote(message.head, jids), without_reactions(message.tail, jids))
                ]
                if head or tail
            ]
            await self.write(bare)
            cleaned += len(bare)
            place = found["next"]
            if place is None:
                return cleaned

    async def prune(self, older_than: int | None, most_bytes: int | None) -> int:
        """Remove the oldest messages; by size in whole months, this one excepted."""
        bounds = {"keep_from": older_than, "most_bytes": most_bytes}
        gone = 0
        while True:
            done = await self._call("maintain", {"ahead": _MONTHS_AHEAD, **bounds})
            gone += int(done["messages"])
            if not done["more"]:
                return gone

    @property
    def notice(self) -> str | None:
        """Nothing: what a project lacks, ``zapd supabase check`` tells."""
        return None

    async def close(self) -> None:
        """Close the connections."""
        self._alphabet.close()
        await self._api.close()

    async def _put(self, batch: Sequence[Kept], gone: Sequence[ChatRef] = ()) -> None:
        try:
            rows = rows_of(batch)
        except ValueError as error:  # half a surrogate
            raise _failed(unsendable(error)) from error
        await self._write_call("write", {**rows._asdict(), "gone": [chat_key(ref) for ref in gone]})

    async def _readdress(self, moved: Moved) -> None:
        """Readdress each message of the old chat. Repeated, it goes on where it was."""
        place: Place | None = None
        while page := await self.before(moved.old, place, _MOVE_BATCH):
            place = page[-1][0]
            await self.write([readdressed(message, moved) for _, message in page])

    async def _erase(self, key: SessionKey, jids: Sequence[str] | None) -> dict[str, int]:
        counts = {"messages": 0, "chats": 0, "contacts": 0}
        arguments = {**key._asdict(), "jids": jids, "at_most": _ERASE_BATCH}
        while True:
            done = await self._write_call("erase", arguments)
            for kind in counts:
                counts[kind] += done[kind]
            if not done["more"]:
                return counts

    async def _messages(
        self, name: str, workspace: str, arguments: dict[str, Any]
    ) -> list[Message]:
        return [message_of(row, workspace) for row in await self._call(name, arguments)]

    async def _call(self, name: str, arguments: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
        try:
            return await self._api.call(f"zapd_history_{name}", arguments)
        except Trouble as trouble:
            raise _failed(trouble) from trouble

    async def _write_call(self, name: str, arguments: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
        async with self._turn:
            self._stamp += 1
            turn = {"writer": self._writer, "stamp": self._stamp}
            done = await self._call(name, {**turn, **arguments})
        if not done:
            raise HistoryFailed("Supabase took this write for one that came late.")
        return done


def _failed(trouble: Trouble) -> HistoryFailed:
    if trouble.code in _NO_FUNCTION:
        return HistoryFailed(
            "Supabase lacks the functions of zapd's history.",
            "Apply zapd's later migrations: `zapd supabase sql` prints them.",
        )
    shape = RecordRefused if trouble.kind is Kind.POISON else HistoryFailed
    return shape(trouble.sentence, trouble.user_action)
