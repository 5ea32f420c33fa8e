"""Run in a process of its own: prints what things weigh by our books and by the system's.

python -I tests/support/measure_sizes.py KIND COUNT → "<estimated> <resident> <traced>" in bytes.
"""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import msgspec

from daemon.metadata.index import MetadataIndex
from daemon.metadata.models import Actor, Assignment, ChatTag, ConversationStatus, QuickReply, Tag
from daemon.services.metadata.annotating import annotation
from sessions.cache.byte_lru import Usage
from sessions.cache.chats import ChatCache, ChatRow
from sessions.cache.contacts import ContactCache
from sessions.cache.messages import Entry, MessageCache, MessageLimits
from sessions.events import AnyEvent, ChatAddress, MessageReceived
from sessions.ids import ChatRef, SessionKey, inbound_message_id
from sessions.models import Contact, MessageHead, MessageTail, encode_head, iso

_HUGE = 1 << 40


def _jid(number: int) -> str:
    return f"55119{number:08d}@s.whatsapp.net"


def messages(count: int) -> Usage:
    """Receive messages of 300 bytes over the wire, a hundred to a chat."""
    cache = MessageCache(MessageLimits(_HUGE, _HUGE, _HUGE), lambda _c, _b: None)
    decoder: msgspec.msgpack.Decoder[AnyEvent] = msgspec.msgpack.Decoder(AnyEvent)
    for number in range(count):
        event = decoder.decode(msgspec.msgpack.encode(_received(number)))
        assert isinstance(event, MessageReceived)
        ref = ChatRef("acme", "s1", event.chat.jid)
        cache.add(
            Entry(ref, event.id, event.at, from_me=False, head=event.head, tail=event.tail), 0
        )
    _KEPT.append(cache)
    return cache.usage()


def _received(number: int) -> MessageReceived:
    jid, wa_id, at = _jid(number // 100), f"3EB0{number:016X}", 1_800_000_000_000 + number
    head = MessageHead(
        id=inbound_message_id("s1", jid, jid, wa_id),
        session="s1",
        chat=f"s1:{jid}",
        sender=jid,
        from_me=False,
        at=iso(at),
        type="text",
        source="live",
    )
    head = msgspec.structs.replace(head, text="x" * (300 - len(encode_head(head))))
    return MessageReceived(
        chat=ChatAddress(jid=jid),
        chat_name=None,
        id=head.id,
        wa_id=wa_id,
        sender=jid,
        from_me=False,
        at=at,
        source="live",
        counts=True,
        head=encode_head(head),
        tail=MessageTail(wa_id=wa_id, status="delivered", ack=2),
    )


def chats(count: int) -> Usage:
    """List chats, half of them unread."""
    cache = ChatCache(_HUGE)
    for number in range(count):
        row = ChatRow(ChatRef("acme", "s1", _jid(number)))
        row.pn, row.name = row.ref.jid, f"Ana Souza {number}"
        row.updated_at, row.unread = 1_800_000_000_000 + number, number % 2
        cache.add(row)
    _KEPT.append(cache)
    return cache.usage()


def _assignment(number: int) -> Assignment:
    """Return one as the database gives it: each text an object of its own."""
    at = 1_800_000_000_000 + number
    row = Assignment(
        workspace="acme",
        session="s1",
        jid=_jid(number),
        version=3,
        op_id=f"01a1fc30-02d7-7001-886f-{number:012d}",
        actor=Actor(id=f"user-{number % 50}", name="Ana Souza", kind="user"),
        changed_at=at,
        created_at=at,
        updated_at=at,
        assignee=f"user-{number % 50}",
        assigned_by=f"user-{number % 50}",
        status=ConversationStatus.CLOSED,
    )
    return msgspec.msgpack.decode(msgspec.msgpack.encode(row), type=Assignment)


def annotated(count: int) -> Usage:
    """List chats that are assigned, closed and have two tags: four labels each."""
    cache = ChatCache(_HUGE)
    for number in range(count):
        row = ChatRow(ChatRef("acme", "s1", _jid(number)))
        tags = (f"tag-{number % 7}", f"tag-{7 + number % 7}")
        row.annotation = annotation(_assignment(number), tags)
        row.updated_at = 1_800_000_000_000 + number
        cache.add(row)
    _KEPT.append(cache)
    return cache.usage()


def metadata(count: int) -> Usage:
    """Index chats with an assignment and two tags."""
    index = MetadataIndex(_HUGE)
    tags = [Tag(workspace="acme", id=f"tag-{n}", name=f"tag {n}") for n in range(14)]
    index.apply(tags)
    for number in range(count):
        assignment = _assignment(number)
        ref = assignment.chat
        index.apply([assignment])
        for place in (number % 7, 7 + number % 7):
            tag = f"tag-{place}"
            index.apply([ChatTag(workspace="acme", session="s1", jid=ref.jid, tag=tag)])
    _KEPT.append(index)
    return index.usage()


def replies(count: int) -> Usage:
    """Index quick replies: a kind that never leaves."""
    index = MetadataIndex(_HUGE)
    for number in range(count):
        actor = Actor(id=f"user-{number % 50}", name="Ana Souza")
        row = QuickReply(
            workspace="acme",
            id=f"01a1fc30-02d7-7001-886f-{number:012d}",
            shortcut=f"reply-{number}",
            body="x" * 200 + str(number),
            actor=actor,
            op_id=f"01a1fc30-02d7-7001-886f-{number:012d}",
            version=1,
            changed_at=1_800_000_000_000 + number,
            created_at=1_800_000_000_000 + number,
            updated_at=1_800_000_000_000 + number,
        )
        index.apply([msgspec.msgpack.decode(msgspec.msgpack.encode(row), type=QuickReply)])
    _KEPT.append(index)
    return index.usage()


def contacts(count: int) -> Usage:
    """Learn contacts."""
    cache = ContactCache(_HUGE)
    for number in range(count):
        jid = _jid(number)
        contact = Contact(
            session="s1",
            jid=jid,
            pn=jid,
            lid=f"1{number:014d}@lid",
            name=f"Ana Souza {number}",
            push_name=f"ana {number}",
            picture_id=None,
            picture_url=None,
        )
        cache.learn(SessionKey("acme", "s1"), contact)
    _KEPT.append(cache)
    return cache.usage()


_KEPT: list[object] = []
_KINDS: dict[str, Callable[[int], Usage]] = {
    "messages": messages,
    "chats": chats,
    "contacts": contacts,
    "annotated": annotated,
    "metadata": metadata,
    "replies": replies,
}


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def main(kind: str, count: int) -> None:
    """Measure twice: plain for the system's figure, traced for Python's."""
    _KINDS[kind](10)
    gc.collect()
    before = _resident()
    estimated = _KINDS[kind](count).used_bytes
    gc.collect()
    resident = _resident() - before
    tracemalloc.start()
    _KINDS[kind](count // 5)
    gc.collect()
    traced = tracemalloc.get_traced_memory()[0] * 5
    print(estimated, resident, traced)  # noqa: T201 - this is its answer


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
