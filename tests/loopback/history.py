"""History chunks: what a phone sends to a companion of its past conversations.

Field numbers are from `WAWebProtobufsHistorySync.proto` and `WAWebProtobufsWeb.proto`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from . import payloads
from .protobuf import encode

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


class SyncType(IntEnum):
    """Which part of the history a chunk is (`HistorySync.HistorySyncType`)."""

    INITIAL_BOOTSTRAP = 0
    FULL = 2
    RECENT = 3
    PUSH_NAME = 4
    ON_DEMAND = 6


@dataclass(frozen=True, slots=True)
class PastText:
    """One text of the past."""

    wa_id: str
    text: str
    at: datetime
    from_me: bool = False


@dataclass(frozen=True, slots=True)
class PastChat:
    """One conversation; `jid` as WhatsApp writes it, such as "200000000000002@lid"."""

    jid: str
    messages: tuple[PastText, ...] = ()
    name: str | None = None
    pn_jid: str | None = None


@dataclass(frozen=True, slots=True)
class HistoryChunk:
    """One chunk; `progress` in per cent, `push_names` and `lids` by address."""

    chats: tuple[PastChat, ...] = ()
    push_names: tuple[tuple[str, str], ...] = ()
    lids: tuple[tuple[str, str], ...] = ()
    """Pairs of phone-number address and LID address."""
    sync_type: SyncType = SyncType.RECENT
    order: int = 1
    progress: int = 100

    def notice(self) -> bytes:
        """The end-to-end payload that carries this chunk."""
        return payloads.history_notice(
            self._encode(), self.sync_type.value, self.order, self.progress
        )

    def _encode(self) -> bytes:
        head = encode((1, self.sync_type.value))
        chats = _repeated(2, (_chat(chat) for chat in self.chats))
        place = encode((5, self.order), (6, self.progress))
        names = _repeated(7, (encode((1, jid), (2, name)) for jid, name in self.push_names))
        lids = _repeated(15, (encode((1, pn), (2, lid)) for pn, lid in self.lids))
        return head + chats + place + names + lids


def _repeated(number: int, items: Iterable[bytes]) -> bytes:
    return encode(*((number, item) for item in items))


def _chat(chat: PastChat) -> bytes:
    messages = (encode((1, _web_message(chat.jid, text))) for text in chat.messages)
    body = encode((1, chat.jid)) + _repeated(2, messages)
    return body + encode((13, chat.name), (39, chat.pn_jid))


def _web_message(chat: str, past: PastText) -> bytes:
    key = encode((1, chat), (2, int(past.from_me)), (3, past.wa_id))
    return encode((1, key), (2, payloads.text(past.text)), (3, int(past.at.timestamp())))
