"""Messages: the library's ``Message`` and ``UndecryptableMessage`` to our events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from cachetools import LRUCache
from msgspec import UNSET
from msgspec.structs import replace

from sessions import ids
from sessions.events import (
    AnyEvent,
    ChatAddress,
    ContactLearned,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    ReactionChanged,
)
from sessions.models import (
    Contact,
    MessageHead,
    MessageTail,
    MessageType,
    ReplyTo,
    Source,
    Unsupported,
    encode_head,
    iso,
    status_of,
)
from sessions.provider.neonize import decode_content as content
from sessions.provider.neonize.addresses import Addresses, plain, plain_text
from sessions.provider.neonize.decode_content import Body
from sessions.provider.neonize.times import to_ms

_MAX_NAMES = 5_000
_UNCOUNTED: frozenset[MessageType] = frozenset({"system", "poll_vote", "revoked"})

# neonize.UndecryptableMessage.DecryptFailModeT: a reaction, an edit, a vote; not shown if lost
_HIDE = 2
# waE2E.ProtocolMessage.Type
REVOKE, MESSAGE_EDIT = 0, 14
_VISIBLE_PROTOCOL = {
    3: "ephemeral_setting",
    11: "share_phone_number",
    23: "reminder",
    25: "status_mention",
    27: "limit_sharing",
    30: "group_member_label_change",
    34: "chat_theme_setting",
}


class Origin(NamedTuple):
    """Where a message stands: all that its content does not say. ``ack`` as in ``models.ACK``."""

    chat: ChatAddress
    sender: str
    sender_name: str | None
    from_me: bool
    wa_id: str
    at: int
    source: Source
    ack: int
    is_live: bool


class MessageDecoder:
    """Decodes the messages of one session."""

    def __init__(self, session: str, addresses: Addresses) -> None:
        """Name the messages of ``session`` with ``addresses``."""
        self._session = session
        self._addresses = addresses
        self._names: LRUCache[str, str] = LRUCache(_MAX_NAMES)
        self.is_offline = False

    def message_id(self, chat: str, sender: str, wa_id: str) -> str:
        """Return our id of a message that WhatsApp knows by these."""
        return ids.inbound_message_id(self._session, chat, sender, wa_id)

    def names(self, chat: ChatAddress, sender: str, wa_id: str) -> tuple[str, str | None]:
        """Return our id of a message and, where another, the one that it got if it came earlier.

        That is the one of its people's LIDs, from when their numbers were not known.
        """
        before = chat.lid or chat.jid, self._addresses.lid(sender) or sender
        now = chat.jid, sender
        former = None if before == now else self.message_id(*before, wa_id)
        return self.message_id(*now, wa_id), former

    def name_of(self, jid: str) -> str | None:
        """Return the push name that somebody wrote with last."""
        return self._names.get(jid)

    def message(self, event: Any) -> Iterator[AnyEvent]:
        """Yield what a ``Message`` event says."""
        info = event.Info
        if not _is_visible(info):
            return
        yield from self.people(info)
        origin = self.origin(info)
        try:
            found = content.find(event.Message)
        except LookupError:
            yield self.received(origin, _placeholder("empty"))
            return
        if found is None:
            return
        if event.IsViewOnce or event.IsViewOnceV2 or event.IsViewOnceV2Extension:
            found = found._replace(view_once=True)
        if found.name == "protocolMessage":
            yield from self._protocol(origin, found.value)
        elif found.name == "reactionMessage":
            yield self._reaction(origin, found.value)
        else:
            yield self.received(origin, content.read(found))

    def undecryptable(self, event: Any) -> Iterator[AnyEvent]:
        """Yield the view-once messages that companions only hear of.

        What could not be decrypted is asked for again by the library; see ``undecrypted``.
        """
        if not self.is_awaited(event) and _is_visible(event.Info):
            yield from self.people(event.Info)
            yield self.received(self.origin(event.Info), Body("view_once"))

    def is_awaited(self, event: Any) -> bool:
        """Tell whether an ``UndecryptableMessage`` is asked for again, and of use to anybody."""
        is_asked_for = not event.IsUnavailable or _is_asked_for(event.Info)
        return is_asked_for and _is_visible(event.Info)

    def is_same(self, one: Any, other: Any) -> bool:
        """Tell whether two events of one id are one message, whatever address each came by."""
        first, second = self.origin(one.Info), self.origin(other.Info)
        return (first.chat.jid, first.sender) == (second.chat.jid, second.sender)

    def undecrypted(self, event: Any) -> Iterator[AnyEvent]:
        """Yield the place of a message that never came again, except where nobody would miss it.

        It has an id of its own: should the message come after all, that is no repeat.
        """
        if event.DecryptFailMode != _HIDE:
            yield from self.people(event.Info)
            yield self.received(
                self.origin(event.Info), _placeholder("undecryptable"), mark="/undecryptable"
            )

    def undecodable(self, event: Any) -> Iterator[AnyEvent]:
        """Yield the place of a message whose content broke the decoder."""
        yield self.received(self.origin(event.Info), _placeholder("undecodable"))

    def people(self, info: Any) -> Iterator[AnyEvent]:
        """Yield what a message tells of who is who: LIDs and push names."""
        source = info.MessageSource
        yield from self._addresses.learn_source(source)
        sender = plain(source.Sender)
        if sender and not source.IsFromMe:
            self._addresses.remember_wire(plain(source.Chat), sender)
            yield from self.push_name(sender, content.clean(info.Pushname))

    def push_name(self, jid: str, name: str) -> Iterator[AnyEvent]:
        """Yield a contact whose push name is news."""
        jid = self._addresses.canonical(jid)
        if not name or name == "-" or self._names.get(jid) == name:
            return
        self._names[jid] = name
        yield ContactLearned(contact=self.contact(jid, None, name))

    def contact(self, jid: str, name: str | None, push_name: str | None) -> Contact:
        """Return what is known of a person."""
        chat = self._addresses.chat(jid)
        return Contact(
            session=self._session,
            jid=chat.jid,
            pn=chat.pn,
            lid=chat.lid,
            name=name,
            push_name=push_name,
            picture_id=None,
            picture_url=None,
        )

    def origin(self, info: Any) -> Origin:
        """Return where a message with this ``MessageInfo`` stands."""
        source = info.MessageSource
        from_me = source.IsFromMe
        sender = (
            self._addresses.own_pn if from_me else self._addresses.canonical(plain(source.Sender))
        )
        live: Source = "offline" if self.is_offline else "live"
        return Origin(
            chat=self._addresses.chat(plain(source.Chat)),
            sender=sender or plain(source.Sender),
            sender_name=None if from_me else content.clean(info.Pushname) or None,
            from_me=from_me,
            wa_id=content.clean(info.ID),
            at=to_ms(info.Timestamp),
            source="phone" if from_me else live,
            ack=1 if from_me else 2,
            is_live=True,
        )

    def received(
        self, origin: Origin, body: Body, tail: MessageTail | None = None, *, mark: str = ""
    ) -> MessageReceived:
        """Return the event of a message that says ``body``; ``mark`` gives it another id."""
        chat = origin.chat
        message, former = self.names(chat, origin.sender, origin.wa_id + mark)
        head = MessageHead(
            id=message,
            session=self._session,
            chat=ids.chat_id(self._session, chat.jid),
            sender=origin.sender,
            sender_name=origin.sender_name,
            from_me=origin.from_me,
            at=iso(origin.at),
            type=body.type,
            text=body.text,
            reply_to=self._reply(origin, body.context),
            media=replace(body.media, id=message) if body.media else None,
            content=UNSET if body.content is None else body.content,
            source=origin.source,
        )
        is_person = chat.jid == origin.sender
        return MessageReceived(
            chat=chat,
            chat_name=origin.sender_name if is_person else None,
            id=message,
            former_id=former,
            wa_id=origin.wa_id,
            sender=origin.sender,
            from_me=origin.from_me,
            at=origin.at,
            source=origin.source,
            counts=_counts(origin, body.type),
            head=encode_head(head),
            tail=tail or _tail(origin),
        )

    def _reply(self, origin: Origin, context: Any) -> ReplyTo | None:
        if context is None or not context.stanzaID:
            return None
        chat = self._addresses.canonical(plain_text(context.remoteJID)) if context.remoteJID else ""
        sender = (
            self._addresses.canonical(plain_text(context.participant))
            if context.participant
            else None
        )
        sender = self._addresses.own_pn if sender and self._addresses.is_own(sender) else sender
        quoted = _quoted(context)
        wa_id = content.clean(context.stanzaID)
        message = self.message_id(chat or origin.chat.jid, sender, wa_id) if sender else None
        return ReplyTo(
            id=message,
            wa_id=wa_id,
            sender=sender,
            text=quoted.text if quoted else None,
            type=quoted.type if quoted else None,
        )

    def _protocol(self, origin: Origin, protocol: Any) -> Iterator[AnyEvent]:
        # An unknown number leaves the field unset, and unset reads as REVOKE: ask first.
        if not protocol.HasField("type"):
            yield self.received(origin, _placeholder("protocolMessage"))
        elif protocol.type == REVOKE:
            yield self._deleted(origin, protocol.key)
        elif protocol.type == MESSAGE_EDIT:
            yield self._edited(origin, protocol)
        elif protocol.type in _VISIBLE_PROTOCOL:
            yield self.received(origin, content.note(_VISIBLE_PROTOCOL[protocol.type]))

    def _deleted(self, origin: Origin, key: Any) -> MessageDeleted:
        id_, former = self._meant(origin, key)
        return MessageDeleted(
            chat=origin.chat, id=id_, former_id=former, wa_id=key.ID, at=origin.at
        )

    def _edited(self, origin: Origin, protocol: Any) -> MessageEdited:
        key = protocol.key
        id_, former = self._meant(origin, key)
        return MessageEdited(
            chat=origin.chat,
            id=id_,
            former_id=former,
            wa_id=key.ID,
            text=edited_body(protocol).text,
            at=to_ms(protocol.timestampMS) if protocol.timestampMS else origin.at,
        )

    def _reaction(self, origin: Origin, reaction: Any) -> ReactionChanged:
        key = reaction.key
        id_, former = self._meant(origin, key)
        return ReactionChanged(
            chat=origin.chat,
            id=id_,
            former_id=former,
            wa_id=key.ID,
            emoji=reaction.text,
            sender=origin.sender,
            from_me=origin.from_me,
            at=to_ms(reaction.senderTimestampMS) if reaction.senderTimestampMS else origin.at,
        )

    def _meant(self, origin: Origin, key: Any) -> tuple[str, str | None]:
        return self.names(origin.chat, self.key_sender(origin, key), key.ID)

    def key_sender(self, origin: Origin, key: Any) -> str:
        """Return who sent the message that ``key`` names.

        A key is written as its writer sees it: ``fromMe`` is true for the writer's own
        messages, whoever the writer is. In a person's chat there are only two.
        """
        if key.fromMe:
            return origin.sender
        if key.participant:
            jid = self._addresses.canonical(plain_text(key.participant))
            return self._addresses.own_pn if self._addresses.is_own(jid) else jid
        return origin.chat.jid if origin.from_me else self._addresses.own_pn


def edited_body(protocol: Any) -> Body:
    """Return what a message says after its edit."""
    try:
        found = content.find(protocol.editedMessage)
    except LookupError:
        found = None
    return content.read(found) if found else Body("text")


def _quoted(context: Any) -> Body | None:
    if not context.HasField("quotedMessage"):
        return None
    try:
        found = content.find(context.quotedMessage)
    except LookupError:
        return None
    return content.read(found) if found else None


def _is_asked_for(info: Any) -> bool:
    """Tell whether an "unavailable" group message only lacks its sender's key, which comes.

    The library calls both so. What the server kept back has a type, and no content whose
    kind (``MediaType``) could be told.
    """
    return info.MessageSource.IsGroup and (info.Type != "media" or bool(info.MediaType))


def _is_visible(info: Any) -> bool:
    """Tell whether it is for people: not the account's own devices talking, nor nonsense."""
    return info.Category != "peer" and bool(info.ID)


def _placeholder(name: str) -> Body:
    return Body("unsupported", content=Unsupported(name=name))


def _tail(origin: Origin) -> MessageTail:
    return MessageTail(wa_id=origin.wa_id, status=status_of(origin.ack), ack=origin.ack)


def _counts(origin: Origin, kind: MessageType) -> bool:
    is_counted_chat = ids.jid_kind(origin.chat.jid) != "broadcast"
    return origin.is_live and not origin.from_me and is_counted_chat and kind not in _UNCOUNTED
