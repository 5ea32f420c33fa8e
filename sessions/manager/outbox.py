"""Accepts sends, keeps them on disk, sends them in order, and tells their fate."""

from __future__ import annotations

import asyncio
import logging
import secrets
from contextlib import suppress
from typing import cast

import msgspec
from msgspec import structs

from sessions.cache.messages import Entry
from sessions.commands import AnyAnswer, Quoted, SendText
from sessions.errors import MessageNotFound, PastUnavailable
from sessions.events import ChatAddress
from sessions.ids import USER, ChatRef, SessionKey
from sessions.keeper import KeeperFailed
from sessions.manager.inbox import Inbox
from sessions.manager.live import LiveSession
from sessions.manager.memory import Memory
from sessions.manager.past import Past
from sessions.manager.publish import Publisher
from sessions.models import (
    ACK,
    MessageHead,
    MessageTail,
    MessageType,
    ReplyTo,
    SendStatus,
    Value,
    encode_head,
    encode_tail,
    iso,
    rewrite_head,
    splice,
)
from sessions.ports import Clock, SendJournal, SendRow
from sessions.sending.idempotency import body_hash, same_or_conflict
from sessions.sending.send_queue import SendOutcome, SendQueue
from sessions.worker.supervisor import Supervisor

log = logging.getLogger("zapd.send")

_PENDING = MessageTail(status="pending", ack=ACK["pending"])
#: What was finished so shortly before a kill may not have been kept. Far more than a flush takes.
_OVERHEARD_MS = 600_000


class TextToSend(Value, frozen=True, kw_only=True):
    """A request to send a text: ``reply_to`` is our id of a message of the chat."""

    chat: ChatRef
    text: str
    reply_to: str | None = None
    client_ref: str | None = None
    idempotency_key: str | None = None


class Outbox:
    """The sends of all sessions."""

    def __init__(  # noqa: PLR0913, PLR0917 - the parts that it joins
        self,
        memory: Memory,
        inbox: Inbox,
        past: Past,
        publisher: Publisher,
        journal: SendJournal,
        supervisor: Supervisor,
        clock: Clock,
        *,
        most_waiting: int,
        timeout: float,
    ) -> None:
        """``timeout``: seconds after which a send without an answer is ``unknown``."""
        self._memory = memory
        self._inbox = inbox
        self._past = past
        self._publisher = publisher
        self._journal = journal
        self._supervisor = supervisor
        self._clock = clock
        self._most_waiting = most_waiting
        self._timeout = timeout
        self._queues: dict[SessionKey, tuple[SendQueue, asyncio.Task[None]]] = {}

    async def recover(self) -> None:
        """Take up what the last life left: untried sends go out, tried ones are ``unknown``."""
        for row in await self._journal.unfinished():
            entry = await self._entry(row) or self._remember(row, _PENDING)
            if row.state == "accepted":
                self._queue(entry.chat.key, connected=False).put(row)
            else:
                await self._journal.mark(row, "unknown")
                self._tell(entry, SendOutcome(status="unknown", code="outcome_unknown"))
        if self._past.keeps:
            await self._recover_finished()

    async def _recover_finished(self) -> None:
        """Tell the past what it had not heard when the last life was killed."""
        for row in await self._journal.finished(self._clock.now_ms() - _OVERHEARD_MS):
            entry = await self._entry(row) or self._remember(row, _PENDING)
            if entry.tail.status == "pending":
                self._inbox.changes.settle_ack(entry, cast("SendStatus", row.state), row.wa_id)

    async def _entry(self, row: SendRow) -> Entry | None:
        """Return the message of a send, if it is kept; its chat's row is here then."""
        with suppress(KeeperFailed):
            await self._past.row(self._ref(row))
            return await self._past.entry(row.workspace, row.id)
        return None

    def _ref(self, row: SendRow) -> ChatRef:
        return self._memory.home(ChatRef(row.workspace, row.session, row.chat))

    async def send(self, live: LiveSession, request: TextToSend) -> bytes:
        """Accept the send and return the message as ``pending``; it is on disk by then.

        Raises ``SessionNotConnected``, ``SendQueueFull``, ``IdempotencyConflict``,
        ``MessageNotFound`` (of the message to reply to).
        """
        request = structs.replace(request, chat=self._memory.home(request.chat))
        wanted = body_hash(request.chat.id, request.text, request.reply_to, request.client_ref)
        known = await self._known(live.key, request.idempotency_key)
        if known is None:
            live.require_connected()
            self._queue(live.key, connected=True).check_room()
            row = self._row(live, request, wanted, await self._original(request))
            known = await self._journal.accept(row)
            if known is None:
                with suppress(KeeperFailed):
                    await self._past.row(request.chat)
                self._remember(row, _PENDING, announce=True)
                self._queue(live.key, connected=live.is_connected).put(row)
                return _answer(row)
        return _answer(same_or_conflict(known, wanted))

    def set_connected(self, live: LiveSession) -> None:
        """Note that the session's line came or went."""
        if live.key in self._queues:
            self._queues[live.key][0].set_connected(live.is_connected)

    def refuse(self, key: SessionKey, code: str) -> None:
        """Fail what waits: the account that was to send it is gone."""
        if key in self._queues:
            self._queues[key][0].refuse(code)

    async def drop(self, key: SessionKey) -> None:
        """Forget the session's queue."""
        queue, task = self._queues.pop(key, (None, None))
        if queue is not None and task is not None:
            queue.close()
            await task

    def forget(self, key: SessionKey, chats: frozenset[str]) -> int:
        """Forget what waits to be sent to these chats (JIDs); return how many sends that was."""
        return self._queues[key][0].drop(chats) if key in self._queues else 0

    def waiting(self) -> int:
        """Return how many sends wait in all sessions."""
        return sum(len(queue) for queue, _ in self._queues.values())

    async def close(self) -> None:
        """Finish what is in hand; the rest stays on disk for the next life."""
        for queue, _ in self._queues.values():
            queue.close()
        await asyncio.gather(*(task for _, task in self._queues.values()))

    async def _known(self, key: SessionKey, idempotency_key: str | None) -> SendRow | None:
        if idempotency_key is None:
            return None
        return await self._journal.find(key.workspace, key.session, idempotency_key)

    def _queue(self, key: SessionKey, *, connected: bool) -> SendQueue:
        """Return the session's queue; a new one begins as ``connected`` says."""
        if key not in self._queues:
            queue = SendQueue(self._journal, self._deliver, self._report, self._most_waiting)
            task = asyncio.get_running_loop().create_task(queue.run())
            self._queues[key] = (queue, task)
            queue.set_connected(connected)
        return self._queues[key][0]

    def _row(
        self, live: LiveSession, request: TextToSend, wanted: bytes, original: Entry | None
    ) -> SendRow:
        now = self._clock.now_ms()
        quoted, reply = _quote(original)
        head = MessageHead(
            id="o" + secrets.token_urlsafe(16),
            client_ref=request.client_ref,
            session=live.key.session,
            chat=request.chat.id,
            sender=live.record.jid or "",
            from_me=True,
            at=iso(now),
            type="text",
            text=request.text,
            reply_to=reply,
            source="api",
        )
        return SendRow(
            workspace=live.key.workspace,
            session=live.key.session,
            id=head.id,
            chat=request.chat.jid,
            text=request.text,
            reply_wa_id=quoted.wa_id if quoted else None,
            reply_sender=quoted.sender if quoted else None,
            reply_text=quoted.text if quoted else None,
            key=request.idempotency_key,
            body_hash=wanted,
            head=encode_head(head),
            at=now,
        )

    async def _original(self, request: TextToSend) -> Entry | None:
        """Return the message that is to be replied to, from wherever it is."""
        if request.reply_to is None:
            return None
        try:
            entry = await self._past.entry(request.chat.workspace, request.reply_to)
        except KeeperFailed as error:
            raise PastUnavailable("The message to reply to cannot be read now.") from error
        if entry is None or entry.chat != request.chat or entry.tail.wa_id is None:
            raise MessageNotFound("The message to reply to is not in this chat's memory.")
        return entry

    def _remember(self, row: SendRow, tail: MessageTail, *, announce: bool = False) -> Entry:
        entry = self._made(row, tail)
        jid = entry.chat.jid
        pn = jid if jid.endswith(f"@{USER}") else None
        self._inbox.add(entry, ChatAddress(jid=jid, pn=pn), None, self._clock.now_ms())
        if announce:
            self._publisher.message("new_message", entry, "api", row.at)
        return entry

    def _made(self, row: SendRow, tail: MessageTail) -> Entry:
        """Return the message of a send, in the chat that goes by its address now."""
        ref = self._ref(row)
        head = row.head if ref.jid == row.chat else rewrite_head(row.head, chat=ref.id)
        return Entry(ref, row.id, row.at, from_me=True, head=head, tail=tail)

    async def _deliver(self, row: SendRow) -> AnyAnswer:
        quoted = None
        if row.reply_wa_id is not None and row.reply_sender is not None:
            quoted = Quoted(
                wa_id=row.reply_wa_id, sender=row.reply_sender, text=row.reply_text or ""
            )
        key = SessionKey(row.workspace, row.session)
        command = SendText(chat=row.chat, text=row.text, reply_to=quoted)
        return await self._supervisor.request(key, command, self._timeout)

    def _report(self, row: SendRow, outcome: SendOutcome) -> None:
        entry = self._memory.messages.get(row.workspace, row.id)
        if entry is None:  # evicted while it waited: its fate is told all the same
            entry = self._made(row, _PENDING)
        self._tell(entry, outcome)

    def _tell(self, entry: Entry, outcome: SendOutcome) -> None:
        wa_id = outcome.sent.wa_id if outcome.sent else None
        self._inbox.changes.settle_ack(entry, outcome.status, wa_id)
        self._publisher.ack(entry, outcome.code)
        early = self._inbox.changes.early_ack(entry.chat.key, wa_id) if wa_id else None
        if early is not None:
            self._inbox.changes.raise_ack(entry, early)


class _Quotable(msgspec.Struct):
    """What of a head a quotation needs."""

    sender: str
    type: MessageType
    text: str | None = None


def _quote(entry: Entry | None) -> tuple[Quoted | None, ReplyTo | None]:
    """Return how WhatsApp and how clients are told of the message that is replied to."""
    if entry is None:
        return None, None
    head = msgspec.json.decode(entry.head + b"}", type=_Quotable)
    quoted = Quoted(wa_id=entry.tail.wa_id or "", sender=head.sender, text=head.text or "")
    reply = ReplyTo(
        id=entry.id,
        wa_id=quoted.wa_id,
        sender=head.sender,
        text=head.text,
        type=head.type,
    )
    return quoted, reply


def _answer(row: SendRow) -> bytes:
    """Return what the 202 says: the same for every repetition."""
    return splice(row.head, encode_tail(_PENDING))
