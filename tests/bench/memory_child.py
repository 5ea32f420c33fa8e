"""The process that ``memory`` weighs: ``python -m tests.bench.memory_child MESSAGES CHATS TEXT``.

Prints ``[resident, accounted, payload]``, in bytes a message.
"""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path

import msgspec

from sessions.events import AnyEvent, ChatAddress, MessageReceived
from sessions.ids import SessionKey, inbound_message_id
from sessions.manager.inbox import Inbox
from sessions.manager.memory import Memory, MemorySettings
from sessions.manager.publish import Publisher
from sessions.models import MessageHead, MessageTail, encode_head, iso
from sessions.ports import Published
from tests.support.recorders import MemoryKnownChats, SetClock

KEY = SessionKey("acme", "main")
OWN = "5511900000001@s.whatsapp.net"
_HUGE = 1 << 40  # no bound is to be met
_WARM_UP = 200  # messages that make what is made once


class _Nobody:
    """Who the inbox tells: the hub's rings have bounds of their own and are no part of this."""

    def publish(self, event: Published) -> None:
        """Forget the event."""


def _frame(number: int, chats: int, text: int) -> bytes:
    """Return a message as its worker sends it; each third is the account's own."""
    jid = f"55119{number % chats:08d}@s.whatsapp.net"
    wa_id, at, own = f"3EB0{number:016X}", 1_800_000_000_000 + number * 10, number % 3 == 0
    sender = OWN if own else jid
    head = MessageHead(
        id=inbound_message_id(KEY.session, jid, sender, wa_id),
        session=KEY.session,
        chat=f"{KEY.session}:{jid}",
        sender=sender,
        sender_name=None if own else "Ana Souza",
        from_me=own,
        at=iso(at),
        type="text",
        text=f"{number} ".ljust(text, "x"),
        source="phone" if own else "live",
    )
    event = MessageReceived(
        chat=ChatAddress(jid=jid),
        chat_name="Ana Souza",
        id=head.id,
        wa_id=wa_id,
        sender=sender,
        from_me=own,
        at=at,
        source=head.source,
        counts=not own,
        head=encode_head(head),
        tail=MessageTail(wa_id=wa_id, status="delivered", ack=2),
    )
    return msgspec.msgpack.encode(event)


def _fill(messages: int, chats: int, text: int) -> tuple[Memory, int]:
    """Return caches that received so many messages, and the JSON bytes that clients read."""
    bounds = MemorySettings(budget=_HUGE, session_bytes=_HUGE, chat_bytes=_HUGE)
    memory = Memory(bounds)
    inbox = Inbox(memory, Publisher(_Nobody(), SetClock()), MemoryKnownChats())
    decoder: msgspec.msgpack.Decoder[AnyEvent] = msgspec.msgpack.Decoder(AnyEvent)
    payload = 0
    for number in range(messages):
        event = decoder.decode(_frame(number, chats, text))
        inbox.take(KEY, event, number)
        assert isinstance(event, MessageReceived)
        entry = memory.messages.get(KEY.workspace, event.id)
        assert entry is not None, "a message is not in the cache"
        payload += len(entry.render())
    return memory, payload


def _anonymous() -> int:
    """Return what this process alone has in memory, in bytes: no files, no libraries."""
    lines = Path("/proc/self/status").read_text().splitlines()
    kib = next(line.split()[1] for line in lines if line.startswith("RssAnon:"))
    return int(kib) * 1024


def main(messages: int, chats: int, text: int) -> None:
    """Measure."""
    _fill(_WARM_UP, chats, text)
    gc.collect()
    before = _anonymous()
    memory, payload = _fill(messages, chats, text)
    gc.collect()
    grown = _anonymous() - before
    usage = memory.usage()
    accounted = sum(cache.used_bytes for cache in usage.values())
    assert usage["messages"].evictions == 0, "a bound was met"
    print(json.dumps([size / messages for size in (grown, accounted, payload)]))  # noqa: T201 - this is its answer


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
