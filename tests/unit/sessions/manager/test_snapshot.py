from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings, strategies as st

from sessions import events as e
from sessions.cache.messages import Entry
from sessions.ids import ChatRef
from sessions.manager.memory import MemorySettings
from sessions.models import MessageTail, Source
from tests.support.recorders import Json
from tests.unit.sessions.manager.scene import (
    ANA,
    GROUP,
    KEY,
    LID,
    NOW,
    OWN,
    Scene,
    address,
    contact,
    message,
    message_id,
)

BRUNO = "5511888880000@s.whatsapp.net"
CHATS = (ANA, LID, GROUP, BRUNO)


class Client:
    """A frontend: a snapshot, kept up by the documented rules."""

    def __init__(self, scene: Scene) -> None:
        self.chats = {chat["id"]: chat for chat in scene.chats()}

    def apply(self, type: str, data: Json) -> None:
        """Apply one event."""
        if type in ("new_chat", "chat_updated"):
            self.chats[data["id"]] = data
        elif type == "chat_merged":
            self.chats.pop(data["from"], None)
            self.chats[data["to"]] = data["chat"]
        elif type == "new_message":
            self._message(data)
        elif type in ("message_edited", "message_deleted", "message_reaction"):
            self._replace(data["id"], data)
        elif type == "message_ack":
            self._replace(data["messageId"], {k: data[k] for k in ("ack", "status")})

    def _message(self, message: Json) -> None:
        chat = self.chats[message["chat"]]
        last = chat["last_message"]
        if last is None or message["at"] >= last["at"]:
            chat["last_message"] = message
        chat["updated_at"] = max(chat["updated_at"] or "", message["at"])
        if not message["from_me"] and message["source"] in ("live", "offline"):
            chat["unread"] += 1

    def _replace(self, id: str, news: Json) -> None:
        for chat in self.chats.values():
            if chat["last_message"] and chat["last_message"]["id"] == id:
                chat["last_message"] |= news


def _sends(scene: Scene, wa_id: str, chat: str, at: int) -> None:
    """Send as the outbox does."""
    ref = scene.memory.home(ChatRef(*KEY, chat))
    if scene.memory.messages.get("w", f"o{wa_id}") is not None:
        return
    tail = MessageTail(status="pending", ack=0)
    head = message(f"o{wa_id}", at, chat=ref.jid, sender=OWN, source="api").head
    head = head.replace(message_id(f"o{wa_id}", ref.jid, OWN).encode(), f"o{wa_id}".encode())
    entry = Entry(ref, f"o{wa_id}", at, from_me=True, head=head, tail=tail)
    scene.inbox.add(entry, address(ref.jid), None, NOW)
    scene.publisher.message("new_message", entry, "api", at)
    scene.inbox.changes.settle_ack(entry, "sent", f"3EB0{wa_id}")
    scene.publisher.ack(entry)


def _received(chat: str, number: int, at: int) -> e.AnyEvent:
    name = f"Push {number % 3}" if chat != GROUP else None
    source: Source = "offline" if at % 3 == 0 else "live"
    return message(str(number), at, chat=chat, name=name, source=source)


def _from_phone(chat: str, number: int, at: int) -> e.AnyEvent:
    return message(str(number), at, chat=chat, sender=OWN, source="phone", name=None)


def _from_history(chat: str, number: int, at: int) -> e.AnyEvent:
    return message(str(number), at, chat=chat, source="history", name=None)


def _edit(chat: str, number: int, at: int) -> e.AnyEvent:
    target = message_id(str(number), chat, chat)
    return e.MessageEdited(chat=address(chat), id=target, wa_id=str(number), text=f"e{at}", at=at)


def _delete(chat: str, number: int, at: int) -> e.AnyEvent:
    target = message_id(str(number), chat, chat)
    return e.MessageDeleted(chat=address(chat), id=target, wa_id=str(number), at=at)


def _react(chat: str, number: int, at: int) -> e.AnyEvent:
    return e.ReactionChanged(
        chat=address(chat),
        id=message_id(str(number), chat, chat),
        wa_id=str(number),
        emoji="x" if at % 2 else "",
        sender=ANA,
        from_me=False,
        at=at,
    )


def _receipt(chat: str, number: int, at: int) -> e.AnyEvent:
    wa_ids = (f"3EB0{number}",)
    return e.ReceiptReceived(chat=address(chat), wa_ids=wa_ids, ids=(), ack=3, at=at)


def _read(chat: str, number: int, at: int) -> e.AnyEvent:
    return e.ReadElsewhere(chat=address(chat), at=at)


def _contact(chat: str, number: int, at: int) -> e.AnyEvent:
    return contact(chat, name=f"Name {number}")


def _group(chat: str, number: int, at: int) -> e.AnyEvent:
    return e.GroupChanged(chat=address(GROUP), name=f"Group {number}", at=at)


def _lid(chat: str, number: int, at: int) -> e.AnyEvent:
    return e.LidLearned(lid=LID, pn=ANA)


def _sync(chat: str, number: int, at: int) -> e.AnyEvent:
    return e.HistoryChat(
        chat=address(chat),
        name="Sync",
        unread=number,
        archived=bool(number % 2),
        pinned=False,
        muted_until=None,
        at=at,
    )


MAKERS: list[Callable[[str, int, int], e.AnyEvent]] = [
    *(_received, _received, _received, _from_phone, _from_history, _edit, _delete, _react),
    *(_receipt, _read, _contact, _group, _lid, _sync),
]
Step = tuple[Callable[[str, int, int], e.AnyEvent] | None, str, int, int]
STEPS: st.SearchStrategy[list[Step]] = st.lists(
    st.tuples(
        st.sampled_from([*MAKERS, None]),  # None: we send
        st.sampled_from(CHATS),
        st.integers(0, 9),
        st.integers(0, 40),
    ),
    max_size=40,
)


def comparable(chat: Json) -> Json:
    """Leave out what no event tells: WhatsApp's id of a send, and what left the memory."""
    last = chat["last_message"]
    shown = {k: v for k, v in chat.items() if k != "evicted_before"}
    return shown | {"last_message": last and {k: v for k, v in last.items() if k != "wa_id"}}


@settings(max_examples=200, deadline=None)
@given(STEPS, STEPS, st.sampled_from([0, 2]))
def test_snapshot_and_events_are_a_fresh_snapshot(
    before: list[Step], after: list[Step], most: int
) -> None:
    """A client that took a snapshot at any time and applies what follows has what a new one gets."""
    scene = Scene(MemorySettings(budget=10_000_000, chat_messages=most))

    def play(steps: list[Step]) -> None:
        for make, chat, number, at in steps:
            if make is None:
                _sends(scene, str(number), chat, NOW + at)
            else:
                scene.take(make(chat, number, NOW + at))
        scene.inbox.tell_history(KEY)

    play(before)
    client = Client(scene)
    scene.sink.clear()
    play(after)
    for event, data in zip(scene.sink.events, scene.sink.of(*scene.sink.types), strict=True):
        client.apply(event.type, data)
    fresh = {chat["id"]: comparable(chat) for chat in scene.chats()}
    assert fresh == {id: comparable(chat) for id, chat in client.chats.items()}
