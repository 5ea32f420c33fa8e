"""Raw events of the library to our events: the one dispatch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.message import DecodeError
from neonize.events import INT_TO_EVENT
from neonize.proto.Neonize_pb2 import Device

from sessions.events import AnyEvent
from sessions.provider.neonize import codes
from sessions.provider.neonize.addresses import Addresses, plain
from sessions.provider.neonize.decode_events import EventDecoder
from sessions.provider.neonize.decode_history import HistoryDecoder
from sessions.provider.neonize.decode_message import MessageDecoder
from sessions.provider.neonize.lids import LidMap

log = logging.getLogger(__name__)

Event = Any  # a protobuf message of the library, whose types mypy does not see


def parse(code: int, data: bytes) -> Event:
    """Return the protobuf message of an event; raise ``DecodeError`` or ``KeyError``."""
    return (Device if code == codes.DEVICE else INT_TO_EVENT[code]).FromString(data)


class Decoder:
    """Decodes the events of one session. Needs no connection: replaying works without one."""

    def __init__(self, session: str, lids: LidMap | None = None) -> None:
        """Decode for ``session`` with what ``lids`` knows."""
        self.addresses = Addresses(LidMap() if lids is None else lids)
        self._messages = MessageDecoder(session, self.addresses)
        self._history = HistoryDecoder(session, self.addresses, self._messages)
        self._events = EventDecoder(self.addresses, self._messages)
        self._readers: dict[int, Callable[[Event], Iterator[AnyEvent]]] = {
            codes.HISTORY_SYNC: lambda event: self._history.chunk(event.Data),
            codes.MESSAGE: self._messages.message,
            codes.UNDECRYPTABLE: self._messages.undecryptable,
            codes.RECEIPT: self._events.receipt,
            codes.CHAT_PRESENCE: self._events.typing,
            codes.PRESENCE: self._events.presence,
            codes.JOINED_GROUP: self._events.joined_group,
            codes.GROUP_INFO: self._events.group,
            codes.OFFLINE_PREVIEW: lambda _: self._offline(is_offline=True),
            codes.OFFLINE_COMPLETED: lambda _: self._offline(is_offline=False),
            codes.CALL_OFFER: self._events.call_offer,
            codes.CALL_ACCEPT: self._events.call_accept,
            codes.CALL_NOTICE: self._events.call_notice,
            codes.CALL_END: self._events.call_end,
        }

    def line_lost(self) -> None:
        """Forget that the server was handing over what it had kept."""
        self._messages.is_offline = False

    def decode(self, code: int, data: bytes) -> Iterator[AnyEvent]:
        """Yield an event's meaning, piece by piece; never raise.

        No content is logged. A message that breaks the decoder keeps its place.
        """
        try:
            event = parse(code, data)
        except (DecodeError, KeyError) as error:
            log.warning("event %d cannot be parsed: %s", code, type(error).__name__)
            return
        yield from self.read(code, event)

    def read(self, code: int, event: Event) -> Iterator[AnyEvent]:
        """Yield the meaning of a parsed event; never raise."""
        try:
            yield from self._readers[code](event)
        except Exception as error:  # noqa: BLE001 - whatever it is, the session goes on
            log.warning("event %d cannot be decoded: %s", code, type(error).__name__)
            if code == codes.MESSAGE:
                yield from self._placeholder(event)

    def _placeholder(self, event: Event) -> Iterator[AnyEvent]:
        try:
            yield from self._messages.undecodable(event)
        except Exception as error:  # noqa: BLE001 - not even its id can be read
            log.error("a message is lost: it cannot be named: %s", type(error).__name__)  # noqa: TRY400 - a traceback could hold content

    def unnamed_lids(self, event: Event) -> list[str]:
        """Return the LIDs of an event that the core may know a number for."""
        info = getattr(event, "Info", event)
        source = getattr(info, "MessageSource", None)
        if source is not None:
            has_alt = bool(plain(source.SenderAlt) or plain(source.RecipientAlt))
            jids = [] if has_alt else [plain(source.Chat), plain(source.Sender)]
        elif hasattr(event, "Join"):  # who comes, goes or rises in a group
            people = [*event.Join, *event.Leave, *event.Promote, *event.Demote, event.Sender]
            jids = [plain(jid) for jid in people]
        else:
            jids = [plain(event.From)] if hasattr(event, "From") else []
        return [jid for jid in dict.fromkeys(jids) if self.addresses.lids.wants(jid)]

    def is_awaited(self, event: Event) -> bool:
        """Tell whether an ``UndecryptableMessage`` is asked for again."""
        return self._messages.is_awaited(event)

    def is_same(self, one: Event, other: Event) -> bool:
        """Tell whether two events with a message of one id mean one message."""
        return self._messages.is_same(one, other)

    def undecrypted(self, event: Event) -> Iterator[AnyEvent]:
        """Yield the place of a message that was asked for and never came; never raise."""
        try:
            yield from self._messages.undecrypted(event)
        except Exception as error:  # noqa: BLE001 - whatever it is, the session goes on
            log.warning("an undecrypted message cannot be told: %s", type(error).__name__)

    def _offline(self, *, is_offline: bool) -> Iterator[AnyEvent]:
        self._messages.is_offline = is_offline
        return iter(())
