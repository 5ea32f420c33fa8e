"""Receipts, typing, presence, groups and calls: the library's events to ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from cachetools import LRUCache

from sessions.events import (
    AnyEvent,
    CallChanged,
    GroupChanged,
    PresenceChanged,
    ReadElsewhere,
    ReceiptReceived,
    TypingChanged,
)
from sessions.provider.neonize.addresses import Addresses, plain
from sessions.provider.neonize.decode_message import MessageDecoder
from sessions.provider.neonize.times import to_ms

# neonize.Receipt.ReceiptType. 8 is called SERVER_ERROR and is "played on another device":
# the library maps it wrongly, and a real server-error ends its callback loop instead.
_READ_SELF = 5
_ACKS = {1: 2, 4: 3, 6: 4, 9: 2}  # delivered, read, played, delivered to an inactive phone

_CallKind = Literal["audio", "video"]
_MAX_CALLS = 200


class EventDecoder:
    """Decodes what is no message."""

    def __init__(self, addresses: Addresses, messages: MessageDecoder) -> None:
        """Name people and messages as ``messages`` does."""
        self._addresses = addresses
        self._messages = messages
        self._calls: LRUCache[str, _CallKind] = LRUCache(_MAX_CALLS)

    def receipt(self, event: Any) -> Iterator[AnyEvent]:
        """Yield ticks for our messages, or that the account read elsewhere."""
        source = event.MessageSource
        yield from self._addresses.learn_source(source)
        chat = self._addresses.chat(plain(source.Chat))
        at = to_ms(event.Timestamp)
        if event.Type == _READ_SELF:
            yield ReadElsewhere(chat=chat, at=at)
        elif event.Type in _ACKS and not source.IsFromMe:
            own = self._addresses.own_pn
            wa_ids = tuple(event.MessageIDs)
            message_ids = tuple(self._messages.message_id(chat.jid, own, wa_id) for wa_id in wa_ids)
            ack = _ACKS[event.Type]
            yield ReceiptReceived(chat=chat, wa_ids=wa_ids, ids=message_ids, ack=ack, at=at)

    def typing(self, event: Any) -> Iterator[AnyEvent]:
        """Yield that somebody else types, records or stopped."""
        source = event.MessageSource
        if source.IsFromMe:
            return
        yield from self._addresses.learn_source(source)
        sender = self._addresses.canonical(plain(source.Sender))
        yield TypingChanged(
            chat=self._addresses.chat(plain(source.Chat)),
            sender=sender,
            sender_name=self._messages.name_of(sender),
            is_typing=event.State == 1,
            kind="audio" if event.Media == 2 else "text",  # noqa: PLR2004 - the enum's AUDIO
        )

    def presence(self, event: Any) -> Iterator[AnyEvent]:
        """Yield that somebody came or went; the year 1 stands for "not told"."""
        yield PresenceChanged(
            jid=self._addresses.canonical(plain(event.From)),
            online=not event.Unavailable,
            last_seen=to_ms(event.LastSeen) if event.LastSeen > 0 else None,
        )

    def joined_group(self, event: Any) -> Iterator[AnyEvent]:
        """Yield a group that the account came into, with its members."""
        group = event.GroupInfo
        members = []
        for member in group.Participants:
            yield from self._addresses.learn(plain(member.LID), plain(member.PhoneNumber))
            address = plain(member.PhoneNumber) or plain(member.JID) or plain(member.LID)
            members.append(self._addresses.canonical(address))
        author = event.SenderPN if event.HasField("SenderPN") else event.Sender
        yield GroupChanged(
            chat=self._addresses.chat(plain(group.JID)),
            name=group.GroupName.Name or None,
            joined=tuple(members),
            author=self._addresses.canonical(plain(author)) or None,
            at=to_ms(int(group.GroupCreated)),
        )

    def group(self, event: Any) -> Iterator[AnyEvent]:
        """Yield a group's new name or members."""
        yield GroupChanged(
            chat=self._addresses.chat(plain(event.JID)),
            name=event.Name.Name if event.HasField("Name") else None,
            joined=self._people(event.Join),
            left=self._people(event.Leave),
            promoted=self._people(event.Promote),
            demoted=self._people(event.Demote),
            author=self._addresses.canonical(plain(event.Sender)) or None,
            at=to_ms(event.Timestamp),
        )

    def call_offer(self, event: Any) -> Iterator[AnyEvent]:
        """Yield that a call rings."""
        has_video = any(node.Tag == "video" for node in event.data.Nodes)
        yield from self._call(event, "offer", "video" if has_video else "audio")

    def call_notice(self, event: Any) -> Iterator[AnyEvent]:
        """Yield that a group call rings."""
        yield from self._call(event, "offer", "video" if event.media == "video" else "audio")

    def call_accept(self, event: Any) -> Iterator[AnyEvent]:
        """Yield that a call was taken."""
        yield from self._call(event, "accepted")

    def call_end(self, event: Any) -> Iterator[AnyEvent]:
        """Yield that a call ended."""
        yield from self._call(event, "ended")

    def _call(
        self,
        event: Any,
        state: Literal["offer", "accepted", "ended"],
        kind: _CallKind | None = None,
    ) -> Iterator[AnyEvent]:
        meta = event.basicCallMeta
        if kind is not None:
            self._calls[meta.callID] = kind
        creator, alt = plain(meta.callCreator), plain(meta.callCreatorAlt)
        yield from self._addresses.learn(creator, alt)
        yield CallChanged(
            id=meta.callID,
            sender=self._addresses.canonical(creator or plain(getattr(meta, "from"))),
            kind=self._calls.get(meta.callID, "audio"),
            state=state,
            at=to_ms(meta.timestamp),
        )

    def _people(self, jids: Any) -> tuple[str, ...]:
        return tuple(self._addresses.canonical(plain(jid)) for jid in jids)
