"""The phone's history: chats and their messages, as it hands them over once after pairing."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from sessions.events import AnyEvent, ContactLearned, HistoryChat, HistoryProgress, MessageReceived
from sessions.models import MessageTail, Reaction, Unsupported, iso, status_of
from sessions.provider.neonize import decode_content as content
from sessions.provider.neonize.addresses import Addresses, plain_text
from sessions.provider.neonize.decode_content import Body
from sessions.provider.neonize.decode_message import (
    MESSAGE_EDIT,
    MessageDecoder,
    Origin,
    edited_body,
)
from sessions.provider.neonize.times import to_ms, until_ms

log = logging.getLogger(__name__)

# waHistorySync.HistorySyncType: the kinds that carry chats, and count up to 100
_CHAT_SYNCS = {0, 2, 3}
# waWeb.WebMessageInfo.Status → ack
_ACKS = {0: -1, 1: 0, 2: 1, 3: 2, 4: 3, 5: 4}
_STUB_REVOKE, _STUB_CIPHERTEXT = 1, 2
_ALL = 100  # percent


class HistoryDecoder:
    """Decodes the history chunks of one session."""

    def __init__(self, session: str, addresses: Addresses, messages: MessageDecoder) -> None:
        """Decode for ``session``, with the decoder of its messages."""
        self._session = session
        self._addresses = addresses
        self._messages = messages

    def chunk(self, history: Any) -> Iterator[AnyEvent]:
        """Yield a chunk's news: people first, then each chat before its messages, oldest first."""
        for pair in history.phoneNumberToLidMappings:
            yield from self._addresses.learn(plain_text(pair.lidJID), plain_text(pair.pnJID))
        for person in history.pushnames:
            yield from self._messages.push_name(
                plain_text(person.ID), content.clean(person.pushname)
            )
        if history.syncType not in _CHAT_SYNCS:
            return
        for conversation in history.conversations:
            yield from self._conversation(conversation)
        if history.HasField("progress"):
            percent = min(history.progress, _ALL)
            yield HistoryProgress(percent=percent, done=percent == _ALL)

    def _conversation(self, conversation: Any) -> Iterator[AnyEvent]:
        jid = plain_text(conversation.ID)
        for other in (conversation.pnJID, conversation.lidJID):
            if other:
                yield from self._addresses.learn(jid, plain_text(other))
        name = content.clean(conversation.name or conversation.displayName) or None
        chat = self._addresses.chat(jid)
        if name and (chat.pn or chat.lid):
            yield ContactLearned(contact=self._messages.contact(jid, name, None))
        last = conversation.conversationTimestamp or conversation.lastMsgTimestamp
        yield HistoryChat(
            chat=chat,
            name=name,
            unread=conversation.unreadCount,
            archived=conversation.archived,
            pinned=conversation.pinned > 0,
            muted_until=until_ms(conversation.muteEndTime),
            at=to_ms(last) if last else None,
        )
        for item in sorted(conversation.messages, key=_order):
            yield from self._guarded(jid, item.message)

    def _guarded(self, chat: str, web: Any) -> Iterator[AnyEvent]:
        """Keep one message that breaks the decoder from costing the rest of the history."""
        try:
            event = self._message(chat, web)
        except Exception as error:  # noqa: BLE001 - whatever it is, the message keeps its place
            log.warning("history: a message could not be decoded: %s", type(error).__name__)
            event = self._placeholder(chat, web)
        if event is not None:
            yield event

    def _placeholder(self, chat: str, web: Any) -> MessageReceived | None:
        body = Body("unsupported", content=Unsupported(name="undecodable"))
        try:
            return self._messages.received(self._origin(chat, web), body)
        except Exception as error:  # noqa: BLE001 - not even its origin can be read
            log.warning("history: a message has no readable origin: %s", type(error).__name__)
            return None

    def _message(self, chat: str, web: Any) -> MessageReceived | None:
        origin = self._origin(chat, web)
        body, is_edited = _body(web)
        if body is None:
            return None
        tail = MessageTail(
            wa_id=origin.wa_id,
            status=status_of(origin.ack),
            ack=origin.ack,
            edited_at=iso(origin.at) if is_edited else None,
            deleted_at=iso(origin.at) if body.type == "revoked" else None,
            reactions=tuple(self._reaction(origin, r) for r in web.reactions if r.text),
        )
        return self._messages.received(origin, body, tail)

    def _origin(self, chat: str, web: Any) -> Origin:
        key = web.key
        address = self._addresses.chat(chat)
        ack = _ACKS[web.status] if key.fromMe and web.HasField("status") else 1
        return Origin(
            chat=address,
            sender=self._sender(address.jid, key, web.participant),
            sender_name=None if key.fromMe else content.clean(web.pushName) or None,
            from_me=key.fromMe,
            wa_id=content.clean(key.ID),
            at=to_ms(web.messageTimestamp),
            source="history",
            ack=ack if key.fromMe else 2,
            is_live=False,
        )

    def _sender(self, chat: str, key: Any, participant: str) -> str:
        """History keys are written as the account sees them."""
        if key.fromMe:
            return self._addresses.own_pn
        jid = participant or key.participant
        return self._addresses.canonical(plain_text(jid)) if jid else chat

    def _reaction(self, origin: Origin, reaction: Any) -> Reaction:
        key = reaction.key
        return Reaction(
            emoji=reaction.text,
            sender=self._sender(origin.chat.jid, key, ""),
            from_me=key.fromMe,
            at=iso(to_ms(reaction.senderTimestampMS)),
        )


def _body(web: Any) -> tuple[Body | None, bool]:
    """Return what a message says, if anything, and whether it was edited."""
    try:
        found = content.find(web.message) if web.HasField("message") else None
    except LookupError:
        return _stub(web), False
    if found is None:
        return _stub(web), False
    if found.name == "protocolMessage":
        is_edit = found.value.HasField("type") and found.value.type == MESSAGE_EDIT
        return (edited_body(found.value), True) if is_edit else (None, False)
    return (None if found.name == "reactionMessage" else content.read(found)), False


def _stub(web: Any) -> Body | None:
    """Return the note that stands where a message has no content."""
    if not web.HasField("messageStubType"):
        return None
    if web.messageStubType == _STUB_REVOKE:
        return Body("revoked")
    if web.messageStubType == _STUB_CIPHERTEXT:
        return Body("unsupported", content=Unsupported(name="undecryptable"))
    return content.note(_stub_name(web))


def _stub_name(web: Any) -> str:
    names = web.DESCRIPTOR.fields_by_name["messageStubType"].enum_type.values_by_number
    return str(names[web.messageStubType].name).lower()


def _order(item: Any) -> tuple[int, int]:
    return item.message.messageTimestamp, item.msgOrderID
