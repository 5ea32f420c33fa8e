from __future__ import annotations

from typing import get_args

import pytest

from sessions import events as e
from sessions.cache.messages import Entry
from sessions.errors import ChatNotFound, MessageNotFound
from sessions.ids import ChatRef
from sessions.manager.memory import MemorySettings
from sessions.models import MessageTail
from sessions.ports import Published
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

SMALL = MemorySettings(budget=1_000_000, chat_messages=2)


def sent(scene: Scene, id: str = "o1", wa_id: str | None = "3EB0", chat: str = ANA) -> Entry:
    """Cache a message that went out by our own API."""
    ref = ChatRef(*KEY, chat)
    head = message("x", chat=chat, sender=OWN, text="ours").head
    tail = MessageTail(wa_id=wa_id, status="sent" if wa_id else "pending", ack=1 if wa_id else 0)
    entry = Entry(ref, id, NOW, from_me=True, head=head, tail=tail)
    scene.inbox.add(entry, address(chat), None, NOW)
    return entry


def receipt(*wa_ids: str, ack: int, ids: tuple[str, ...] = ()) -> e.ReceiptReceived:
    """Return ticks."""
    return e.ReceiptReceived(chat=address(), wa_ids=wa_ids, ids=ids, ack=ack, at=NOW)


def test_every_event_has_somebody_who_takes_it() -> None:
    """Either the lifecycle or the inbox, never both, never nobody."""
    scene = Scene()
    for kind in get_args(e.AnyEvent):
        of_session = kind in _lifecycle_kinds()
        assert of_session != (kind in scene.inbox._handlers)  # noqa: SLF001 - the table is the fact


def _lifecycle_kinds() -> set[type]:
    session = (e.PairingStarted, e.Connecting, e.Connected, e.Troubled, e.QrShown)
    kinds: set[type] = {*session, e.CodeShown, e.Paired, e.HistoryProgress}
    return kinds


def test_a_first_message_announces_its_chat() -> None:
    """`new_chat` once, before the first `new_message`; then the row counts and remembers."""
    scene = Scene()
    scene.take(message("1"), message("2", NOW + 5))
    assert scene.sink.types == ["new_chat", "new_message", "new_message"]
    chat = scene.chat()
    assert (chat["unread"], chat["last_message"]["text"], chat["name"]) == (2, "hello", "Ana")
    assert chat["updated_at"] == chat["last_message"]["at"]
    assert scene.sink.events[1][:6] == ("w", "new_message", "s1", f"s1:{ANA}", NOW, "live")


def test_a_repeated_message_is_dropped() -> None:
    """It is told and counted once."""
    scene = Scene()
    scene.take(message("1"), message("1"), message("1", source="offline"))
    assert scene.sink.types == ["new_chat", "new_message"]
    assert scene.chat()["unread"] == 1


def test_group_members_may_use_one_id() -> None:
    """WhatsApp's id is chosen by the sender: another sender's is another message."""
    scene = Scene()
    other = "5511888880000@s.whatsapp.net"
    scene.take(message("1", chat=GROUP, sender=ANA), message("1", chat=GROUP, sender=other))
    assert len(scene.sink.of("new_message")) == 2


def test_an_evicted_chat_is_not_announced_again() -> None:
    """What is known outlives the cache."""
    scene = Scene()
    scene.take(message("1"))
    scene.memory.drop_session(KEY)
    scene.sink.clear()
    scene.take(message("2"))
    assert scene.sink.types == ["new_message"]


def test_who_sees_an_event_can_read_it_back() -> None:
    """Cache before hub, for every event: a sink that reads inside publish finds what it is told."""
    scene = Scene()
    seen: list[str] = []

    def read_back(event: Published) -> None:
        seen.append(event.type)
        row = scene.memory.chats.peek(ChatRef(*KEY, ANA))
        assert row is not None
        if event.type in ("new_chat", "chat_updated"):
            assert event.data == row.render()
        elif event.type.startswith(("message", "new_message")) and event.type != "message_ack":
            entry = scene.views.message("w", message_id("1"))
            assert event.data == entry.render()
            assert row.last is entry

    scene.sink.inside = read_back
    target = message_id("1")
    scene.take(
        message("1"),
        e.MessageEdited(chat=address(), id=target, wa_id="1", text="new", at=NOW),
        e.ReactionChanged(
            chat=address(), id=target, wa_id="1", emoji="x", sender=ANA, from_me=False, at=NOW
        ),
        e.ReadElsewhere(chat=address(), at=NOW),
        e.MessageDeleted(chat=address(), id=target, wa_id="1", at=NOW),
    )
    assert len(seen) == 6


def test_a_message_from_the_phone_counts_for_nobody() -> None:
    """It is told as ours, and adds nothing to the unread."""
    scene = Scene()
    scene.take(message("1", sender=OWN, source="phone", name=None))
    (told,) = scene.sink.of("new_message")
    assert (told["from_me"], told["source"]) == (True, "phone")
    assert scene.chat()["unread"] == 0


def test_the_echo_of_what_we_sent_is_dropped() -> None:
    """A sync may bring our own sends again, under an id that is not ours."""
    scene = Scene()
    sent(scene)
    scene.sink.clear()
    scene.take(message("3EB0", sender=OWN, source="history"))
    scene.inbox.tell_history(KEY)
    assert scene.sink.types == []
    assert scene.texts() == ["ours"]


def test_an_older_message_does_not_become_the_last() -> None:
    """It takes its place in the window, and counts."""
    scene = Scene()
    scene.take(message("2", NOW, text="new"), message("1", NOW - 9, text="old", source="offline"))
    chat = scene.chat()
    assert (chat["last_message"]["text"], chat["unread"]) == ("new", 2)
    assert scene.texts() == ["new", "old"]


def test_a_message_that_the_bounds_do_not_keep_is_told_all_the_same() -> None:
    """An old one for a full window is streamed and counted, though it cannot be paged to."""
    scene = Scene(SMALL)
    scene.take(*(message(str(n), NOW + n) for n in range(2)), message("old", NOW - 5))
    assert len(scene.sink.of("new_message")) == 3
    assert scene.chat()["unread"] == 3
    assert scene.chat()["evicted_before"] is not None


def test_receipts_raise_the_tick_and_never_lower_it() -> None:
    """By our id or by WhatsApp's; a lower one, and one for others' messages, says nothing."""
    scene = Scene()
    entry = sent(scene)
    scene.take(message("1"))
    scene.sink.clear()
    scene.take(
        receipt("3EB0", ack=3),
        receipt("3EB0", ack=2),
        receipt("1", ack=4, ids=(message_id("1"),)),
        receipt("?", ack=4, ids=("o1",)),
    )
    chat = f"s1:{ANA}"
    told = [
        {"messageId": "o1", "chat": chat, "ack": 3, "status": "read"},
        {"messageId": "o1", "chat": chat, "ack": 4, "status": "played"},
    ]
    assert told == scene.sink.of("message_ack")
    assert entry.tail.ack == 4


def test_receipts_that_come_too_early_wait() -> None:
    """Until the engine says what WhatsApp calls the message; the highest counts."""
    scene = Scene()
    scene.take(receipt("3EB0", ack=3), receipt("3EB0", ack=2))
    assert scene.inbox.changes.early_ack(KEY, "3EB0") == 3
    assert scene.inbox.changes.early_ack(KEY, "3EB0") is None


def test_receipts_reach_a_last_message_that_left_its_window() -> None:
    """The list still shows it."""
    scene = Scene()
    sent(scene)
    scene.memory.messages.drop_session(KEY)
    scene.sink.clear()
    scene.take(receipt("3EB0", ack=3))
    assert scene.sink.types == ["message_ack"]
    assert scene.chat()["last_message"]["ack"] == 3


def test_a_send_that_is_settled_late_keeps_its_higher_tick() -> None:
    """Whatever order the answers come in; a failure always shows."""
    scene = Scene()
    entry = sent(scene, wa_id=None)
    scene.inbox.changes.raise_ack(entry, 2)
    scene.inbox.changes.settle_ack(entry, "sent", "3EB0")
    assert (entry.tail.wa_id, entry.tail.status, entry.tail.ack) == ("3EB0", "delivered", 2)
    scene.inbox.changes.settle_ack(entry, "failed", None)
    assert (entry.tail.wa_id, entry.tail.status, entry.tail.ack) == ("3EB0", "failed", -1)


def test_an_edit_changes_text_and_says_when() -> None:
    """In the message, in the chat's last message, and in the event."""
    scene = Scene()
    scene.take(message("1"))
    scene.take(e.MessageEdited(chat=address(), id=message_id("1"), wa_id="1", text="new", at=NOW))
    (told,) = scene.sink.of("message_edited")
    assert told == scene.message("1") == scene.chat()["last_message"]
    assert told["text"] == "new"
    assert told["edited_at"]


def test_a_deletion_takes_the_content() -> None:
    """Once; and what is deleted is not edited any more."""
    scene = Scene()
    scene.take(message("1"))
    gone = e.MessageDeleted(chat=address(), id=message_id("1"), wa_id="1", at=NOW)
    edit = e.MessageEdited(chat=address(), id=message_id("1"), wa_id="1", text="back", at=NOW)
    scene.take(gone, gone, edit)
    (told,) = scene.sink.of("message_deleted", "message_edited")
    assert told == scene.message("1")
    assert (told["type"], told["text"], told["media"]) == ("revoked", None, None)
    assert told["deleted_at"]
    assert "content" not in told


def test_reactions_are_one_for_each_person() -> None:
    """A new one replaces, an empty one takes back, the same again says nothing new."""
    scene = Scene()
    scene.take(message("1"))

    def react(emoji: str, sender: str) -> None:
        scene.take(
            e.ReactionChanged(
                chat=address(),
                id=message_id("1"),
                wa_id="1",
                emoji=emoji,
                sender=sender,
                from_me=sender == OWN,
                at=NOW,
            )
        )

    for emoji, sender in (("a", ANA), ("b", OWN), ("c", ANA), ("c", ANA), ("", OWN), ("", OWN)):
        react(emoji, sender)
    shown = [[r["emoji"] for r in m["reactions"]] for m in scene.sink.of("message_reaction")]
    assert shown == [["a"], ["a", "b"], ["b", "c"], ["c"]]


def test_our_message_is_changed_by_who_may() -> None:
    """Ours is found by WhatsApp's id where chat and sender are ours."""
    scene = Scene()
    sent(scene)
    own_name = message_id("3EB0", ANA, OWN)
    scene.take(e.MessageDeleted(chat=address(), id=own_name, wa_id="3EB0", at=NOW))
    assert len(scene.sink.of("message_deleted")) == 1


def test_nobody_changes_our_message_by_repeating_its_id() -> None:
    """Who got it knows its id, and may edit a message of their own that has the same."""
    scene = Scene()
    entry = sent(scene, chat=GROUP)
    before = entry.render()
    forged = message_id("3EB0", GROUP, ANA)
    where = address(GROUP)
    scene.take(
        e.MessageEdited(chat=where, id=forged, wa_id="3EB0", text="I owe you", at=NOW),
        e.MessageDeleted(chat=where, id=forged, wa_id="3EB0", at=NOW),
    )
    assert before == entry.render()
    assert scene.sink.types == ["new_chat"]


@pytest.mark.parametrize("kind", ["edit", "delete", "react"])
def test_changes_of_unknown_messages_say_nothing(kind: str) -> None:
    """They left the memory, or never were there."""
    scene = Scene()
    events: dict[str, e.AnyEvent] = {
        "edit": e.MessageEdited(chat=address(), id="m?", wa_id="?", text="x", at=NOW),
        "delete": e.MessageDeleted(chat=address(), id="m?", wa_id="?", at=NOW),
        "react": e.ReactionChanged(
            chat=address(), id="m?", wa_id="?", emoji="x", sender=ANA, from_me=False, at=NOW
        ),
    }
    scene.take(message("1"))
    scene.sink.clear()
    scene.take(events[kind])
    assert scene.sink.types == []


def test_reading_elsewhere_reads_here() -> None:
    """Told once."""
    scene = Scene()
    scene.take(message("1"), e.ReadElsewhere(chat=address(), at=NOW))
    scene.take(e.ReadElsewhere(chat=address(), at=NOW))
    assert [chat["unread"] for chat in scene.sink.of("chat_updated")] == [0]


def test_reading_some_leaves_what_came_since() -> None:
    """Only what was there when WhatsApp was told is read."""
    scene = Scene()
    scene.take(message("1"), message("2"), message("3"))
    scene.inbox.mark_read(ChatRef(*KEY, ANA), 2)
    assert scene.chat()["unread"] == 1


def test_typing_presence_and_calls_pass_through() -> None:
    """They are told and not kept."""
    scene = Scene()
    scene.take(
        e.TypingChanged(chat=address(), sender=ANA, sender_name="Ana", is_typing=True, kind="text"),
        e.PresenceChanged(jid=ANA, online=False, last_seen=NOW),
        e.PresenceChanged(jid=ANA, online=True, last_seen=None),
        e.CallChanged(id="c1", sender=ANA, kind="video", state="offer", at=NOW),
    )
    assert scene.sink.types == ["typing", "presence", "presence", "call"]
    typing, away, here, call = scene.sink.of("typing", "presence", "call")
    assert (f"s1:{ANA}", True, "text") == (typing["chat"], typing["is_typing"], typing["kind"])
    assert away["last_seen"]
    assert here["last_seen"] is None
    assert call == {"id": "c1", "from": ANA, "kind": "video", "state": "offer"}
    with pytest.raises(ChatNotFound):
        scene.chat()


def test_a_contact_renames_its_chat() -> None:
    """Once; and what the account calls somebody goes over what they call themselves."""
    scene = Scene()
    scene.take(message("1", name="ana s"), contact(name="Ana"), contact(name="Ana"))
    scene.take(message("2", name="ana s"), contact(push_name="ana s"))
    assert [chat["name"] for chat in scene.sink.of("chat_updated")] == ["Ana"]
    assert len(scene.sink.of("contact_updated")) == 2
    assert scene.chat()["name"] == "Ana"


def test_a_new_push_name_is_told_before_its_message() -> None:
    """Lists learn of it, and do not count the message twice."""
    scene = Scene()
    scene.take(message("1", name="ana"), message("2", name="Ana S"))
    assert scene.sink.types == ["new_chat", "new_message", "chat_updated", "new_message"]
    (renamed,) = scene.sink.of("chat_updated")
    assert (renamed["name"], renamed["unread"]) == ("Ana S", 1)


def test_a_group_is_announced_and_renamed() -> None:
    """Members that come and go do not rename it."""
    scene = Scene()
    scene.take(
        e.GroupChanged(chat=address(GROUP), name="Old", at=NOW),
        e.GroupChanged(chat=address(GROUP), name="New", author=ANA, at=NOW),
        e.GroupChanged(chat=address(GROUP), name=None, joined=(ANA,), at=NOW),
    )
    types = ["new_chat", "group_updated", "group_updated", "chat_updated", "group_updated"]
    assert types == scene.sink.types
    assert (scene.chat(GROUP)["name"], scene.chat(GROUP)["kind"]) == ("New", "group")
    assert scene.sink.of("group_updated")[2]["joined"] == [ANA]


def test_history_is_told_chat_by_chat() -> None:
    """No message of it is an event; each chat is told once with all that came, at the progress."""
    scene = Scene()
    scene.take(
        e.HistoryChat(
            chat=address(),
            name="Mum",
            unread=4,
            archived=True,
            pinned=True,
            muted_until=NOW,
            at=NOW + 1,
        ),
        *(message(str(n), NOW - n, source="history", name=None) for n in range(5)),
    )
    assert scene.sink.types == ["new_chat"]
    scene.inbox.tell_history(KEY)
    scene.inbox.tell_history(KEY)
    assert scene.sink.types == ["new_chat", "chat_updated"]
    (told,) = scene.sink.of("chat_updated")
    assert told == scene.chat()
    assert (
        told["unread"],
        told["archived"],
        told["pinned"],
        told["name"],
    ) == (4, True, True, "Mum")
    assert told["last_message"]["at"] < told["updated_at"]


def test_history_of_a_session_that_is_deleted_is_not_told() -> None:
    """Nor of a chat that left the memory meanwhile."""
    scene = Scene()
    scene.take(message("1", source="history"))
    scene.memory.drop_session(KEY)
    scene.inbox.tell_history(KEY)
    scene.take(message("2", source="history"))
    scene.inbox.forget(KEY)
    scene.inbox.tell_history(KEY)
    assert scene.sink.types == ["new_chat"]


def test_what_is_not_there_is_not_found() -> None:
    """Chats and messages, by whatever name."""
    scene = Scene()
    with pytest.raises(ChatNotFound):
        scene.chat()
    with pytest.raises(MessageNotFound):
        scene.message("1")
    scene.inbox.mark_read(ChatRef(*KEY, LID))
    assert scene.sink.types == []
