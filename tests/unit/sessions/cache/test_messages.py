from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from hypothesis import given, settings, strategies as st
from msgspec.structs import replace

from sessions.cache.messages import LATEST, MessageCache, MessageLimits, placed
from sessions.cache.sizing import WINDOW_OVERHEAD
from sessions.ids import ChatRef, SessionKey
from sessions.models import Reaction, rewrite_head
from tests.unit.sessions.cache.entries import entry, ref

ONE = entry("x").nbytes
ROOMY = 1_000_000


def cache(**limits: int) -> tuple[MessageCache, dict[ChatRef, int]]:
    """Return a cache and what it says has left."""
    left: dict[ChatRef, int] = {}
    bounds = {"total_bytes": ROOMY, "session_bytes": ROOMY, "chat_bytes": ROOMY} | limits
    return MessageCache(MessageLimits(**bounds), left.__setitem__), left


def kept(messages: MessageCache, chat: ChatRef) -> list[str]:
    """Return the ids of the chat's messages, newest first."""
    window = messages.window(chat, 0)
    return [e.id for e in window.before(None, 10_000)] if window else []


def check(messages: MessageCache, limits: MessageLimits) -> None:
    """Hold the cache's books against what it holds."""
    windows = [messages._windows[chat] for chat in list(messages._windows)]  # noqa: SLF001 - books
    entries = [e for window in windows for e in window.entries]
    for window in windows:
        assert window.nbytes == WINDOW_OVERHEAD + sum(e.nbytes for e in window.entries)
        assert window.nbytes <= limits.chat_bytes or not window.entries
        assert list(window.entries) == sorted(window.entries, key=lambda e: e.order)
        if limits.chat_messages:
            assert len(window.entries) <= limits.chat_messages
    assert messages.usage().used_bytes == sum(window.nbytes for window in windows)
    assert messages.usage().used_bytes <= limits.total_bytes
    for session in messages._sessions.values():  # noqa: SLF001 - books
        assert session.currsize == sum(session[chat].nbytes for chat in list(session))
        assert session.currsize <= limits.session_bytes
    of_sessions = sum(len(session) for session in messages._sessions.values())  # noqa: SLF001 - books
    assert of_sessions == len(windows)
    by_id, by_wa_id = messages._by_id, messages._by_wa_id  # noqa: SLF001 - books
    assert sum(map(len, by_id.values())) == len(entries)
    named = {(e.chat.key, e.tail.wa_id) for e in entries if e.from_me and e.tail.wa_id}
    assert {(key, name) for key, names in by_wa_id.items() for name in names} == named
    assert all(by_wa_id.values())
    if limits.idle_ms:
        assert set(messages._used_at) == set(messages._windows)  # noqa: SLF001 - books


class Play:
    """A cache, and operations on it by name."""

    def __init__(self, limits: MessageLimits) -> None:
        self.messages = MessageCache(limits, lambda _chat, _before: None)
        self.now = 0

    def add(self, chat: ChatRef, id: int, at: int, size: int) -> None:
        """Receive a message; only a new one is kept."""
        was = self.messages.get("w", str(id))
        new = entry(str(id), at, chat, text="x" * size, from_me=bool(id % 2), wa_id=f"W{id}")
        kept_now = self.messages.add(new, self.now)
        assert kept_now == (self.messages.get("w", str(id)) is new)
        assert not (was and kept_now)

    def read(self, chat: ChatRef, _id: int, _at: int, _size: int) -> None:
        """Look at a chat."""
        self.messages.window(chat, self.now)

    def grow(self, _chat: ChatRef, id: int, _at: int, size: int) -> None:
        """Let many react."""
        found = self.messages.get("w", str(id))
        if found is not None:
            one = Reaction(emoji="x", sender="y", from_me=False, at="z")
            self.messages.change(found, replace(found.tail, reactions=(one,) * (size // 100)))

    def name(self, _chat: ChatRef, id: int, _at: int, size: int) -> None:
        """Learn another WhatsApp id."""
        found = self.messages.get("w", str(id))
        if found is not None:
            self.messages.change(found, replace(found.tail, wa_id=f"W{size}{id}"))

    def move(self, chat: ChatRef, _id: int, at: int, _size: int) -> None:
        """Merge a chat into another."""
        target = ref(5 + at % 2, session=chat.session)
        self.messages.move(chat, target, lambda head: head, self.now)

    def idle(self, _chat: ChatRef, _id: int, _at: int, size: int) -> None:
        """Let time pass."""
        self.now += size // 100
        self.messages.drop_idle(self.now)

    def drop(self, chat: ChatRef, _id: int, _at: int, size: int) -> None:
        """Now and then, delete a session."""
        if size < 100:
            self.messages.drop_session(chat.key)


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from([Play.add] * 4 + [Play.read, Play.grow, Play.name, Play.move])
        | st.sampled_from([Play.idle, Play.drop]),
        st.builds(lambda n: ref(n, session=f"s{n % 2}"), st.integers(1, 4)),
        st.integers(0, 9),  # message
        st.integers(0, 50),  # time
        st.integers(0, 2000),  # size
    ),
    min_size=10,
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(OPERATIONS, st.sampled_from([0, 3]), st.sampled_from([0, 20]))
def test_the_books_are_right_whatever_happens(
    operations: list[tuple[Callable[..., None], ChatRef, int, int, int]], most: int, idle: int
) -> None:
    """Weights, bounds, indexes and order hold after every operation."""
    limits = MessageLimits(16_000, 12_000, 8_000, most, idle)
    play = Play(limits)
    for operation, chat, id, at, size in operations:
        play.now += 1
        operation(play, chat, id, at, size)
        check(play.messages, limits)
    for session in ("s0", "s1"):
        play.messages.drop_session(SessionKey("w", session))
    check(play.messages, limits)
    assert play.messages.usage().entries == 0


def test_a_message_is_kept_once() -> None:
    """A second one of the same id in the workspace is refused; in another workspace it is not."""
    messages, _ = cache()
    assert messages.add(entry("a"), 0)
    assert not messages.add(entry("a", 2000), 0)
    assert messages.add(entry("a", chat=ref(workspace="v")), 0)
    found = messages.get("w", "a")
    assert found is not None
    assert found.at == 1000


def test_late_messages_take_their_place_in_time() -> None:
    """A page is in time order, and of one time in the order of arrival."""
    messages, _ = cache()
    for id, at in (("c", 3), ("a", 1), ("b1", 2), ("b2", 2)):
        messages.add(entry(id, at), 0)
    assert kept(messages, ref()) == ["c", "b2", "b1", "a"]


def test_pages_hang_on_a_place() -> None:
    """Before and after leave out the place itself, and are bounded."""
    messages, _ = cache()
    for number in range(5):
        messages.add(entry(str(number), number), 0)
    window = messages.window(ref(), 0)
    middle = messages.get("w", "2")
    assert window is not None
    assert middle is not None
    assert [e.id for e in window.before(middle.order, 1)] == ["1"]
    assert [e.id for e in window.after(middle.order, 5)] == ["3", "4"]


def test_a_chat_over_its_bytes_loses_its_oldest() -> None:
    """What left is gone from the index too, and the mark says before when."""
    messages, left = cache(chat_bytes=WINDOW_OVERHEAD + 2 * ONE)
    for number in range(4):
        messages.add(entry(str(number), number), 0)
    assert kept(messages, ref()) == ["3", "2"]
    assert messages.get("w", "1") is None
    assert {ref(): 2} == left
    assert messages.forgotten == 2


def test_a_chat_over_its_count_loses_its_oldest() -> None:
    """The bound in messages is beside the one in bytes."""
    messages, left = cache(chat_messages=2)
    for number in range(3):
        messages.add(entry(str(number), number), 0)
    assert kept(messages, ref()) == ["2", "1"]
    assert {ref(): 1} == left


def test_a_message_older_than_a_full_window_is_not_kept() -> None:
    """It would be the first to go, so it goes."""
    messages, left = cache(chat_messages=1)
    messages.add(entry("new", 5), 0)
    assert not messages.add(entry("old", 1), 0)
    assert kept(messages, ref()) == ["new"]
    assert {ref(): 2} == left


def test_a_message_alone_over_a_bound_is_not_kept() -> None:
    """It is neither kept nor indexed."""
    messages, _ = cache(chat_bytes=WINDOW_OVERHEAD + ONE)
    assert not messages.add(entry("a", text="x" * 1000), 0)
    assert messages.get("w", "a") is None
    tight, _ = cache(session_bytes=WINDOW_OVERHEAD - 1)
    assert not tight.add(entry("a"), 0)
    assert tight.usage().entries == 0
    tighter, _ = cache(total_bytes=WINDOW_OVERHEAD - 1)
    assert not tighter.add(entry("a"), 0)
    assert tighter.get("w", "a") is None


def test_a_session_over_its_bytes_loses_its_least_used_chat() -> None:
    """Another session's chats stay; the mark of the chat that left is after its newest message."""
    messages, left = cache(session_bytes=2 * (WINDOW_OVERHEAD + ONE))
    messages.add(entry("a", 1, ref(1)), 0)
    messages.add(entry("b", 2, ref(2)), 0)
    messages.add(entry("z", 2, ref(9, session="s2")), 0)
    messages.window(ref(1), 0)
    messages.add(entry("c", 3, ref(3)), 0)
    assert {ref(2): 3} == left
    assert messages.get("w", "b") is None
    assert messages.get("w", "a") is not None
    assert messages.get("w", "z") is not None


def test_all_together_over_the_bytes_lose_the_least_used_chat() -> None:
    """The bound of the whole takes the chat that nobody used longest, of any session."""
    messages, left = cache(total_bytes=2 * (WINDOW_OVERHEAD + ONE))
    for number in (1, 2, 3):
        messages.add(entry(str(number), 5, ref(number, session=f"s{number}")), 0)
    assert {ref(1, session="s1"): 6} == left
    assert messages.usage().entries == 2


def test_idle_windows_are_forgotten_and_used_ones_are_not() -> None:
    """Reading a chat keeps it; looking for idle ones changes no order of use."""
    messages, left = cache(idle_ms=10)
    messages.add(entry("a", 1, ref(1)), 0)
    messages.add(entry("b", 1, ref(2)), 0)
    messages.window(ref(1), 8)
    messages.drop_idle(11)
    assert {ref(2): 2} == left
    messages.drop_idle(18)
    assert messages.get("w", "a") is not None
    messages.drop_idle(19)
    assert messages.get("w", "a") is None
    messages.drop_idle(99)


def test_without_an_idle_limit_nothing_is_idle() -> None:
    """The limit is off unless it is set."""
    messages, left = cache()
    messages.add(entry("a"), 0)
    messages.drop_idle(10**12)
    assert left == {}


def test_what_we_sent_is_found_by_its_whatsapp_id() -> None:
    """Within its session, once the id is known, and no longer than the message is there."""
    messages, _ = cache(chat_messages=1)
    sent = entry("o1", 1, from_me=True)
    messages.add(sent, 0)
    messages.change(sent, replace(sent.tail, wa_id="3EB0"))
    assert messages.find_sent(SessionKey("w", "s1"), "3EB0") is sent
    assert messages.find_sent(SessionKey("w", "s2"), "3EB0") is None
    messages.change(sent, replace(sent.tail, wa_id="3EB1"))
    assert messages.find_sent(SessionKey("w", "s1"), "3EB0") is None
    messages.change(sent, replace(sent.tail, wa_id="3EB0"))
    messages.add(entry("next", 2), 0)
    assert messages.find_sent(SessionKey("w", "s1"), "3EB0") is None


def test_a_change_to_a_message_that_left_leaves_no_trace() -> None:
    """Whoever still holds it may change it; the indexes do not learn of it."""
    messages, _ = cache(chat_messages=1)
    sent = entry("o1", 1, from_me=True)
    messages.add(sent, 0)
    messages.add(entry("next", 2), 0)
    messages.change(sent, replace(sent.tail, wa_id="3EB0"))
    assert sent.tail.wa_id == "3EB0"
    assert messages.find_sent(SessionKey("w", "s1"), "3EB0") is None


def test_an_edit_weighs_anew() -> None:
    """A longer head counts, and may push the oldest out."""
    messages, left = cache(chat_bytes=WINDOW_OVERHEAD + 3 * ONE)
    for number in range(3):
        messages.add(entry(str(number), number), 0)
    newest = messages.get("w", "2")
    assert newest is not None
    messages.change(newest, newest.tail, rewrite_head(newest.head, text="x" * 100))
    assert kept(messages, ref()) == ["2", "1"]
    assert {ref(): 1} == left


def test_a_bound_that_holds_no_message_holds_none() -> None:
    """Nothing loops over a window that is empty and still too heavy."""
    messages, left = cache(chat_bytes=10)
    assert not messages.add(entry("a"), 0)
    assert {ref(): 1001} == left
    assert kept(messages, ref()) == []
    messages.drop_session(SessionKey("w", "s1"))
    assert messages.usage().entries == 0


def test_moved_messages_keep_ids_and_order() -> None:
    """Two windows become one, each message with its new address."""
    messages, _ = cache()
    for id, at, chat in (("a", 1, 1), ("b", 2, 2), ("c", 3, 1)):
        messages.add(entry(id, at, ref(chat)), 0)
    messages.move(ref(1), ref(2), lambda head: rewrite_head(head, chat=ref(2).id), 0)
    messages.move(ref(1), ref(2), lambda head: head, 0)
    assert kept(messages, ref(2)) == ["c", "b", "a"]
    assert messages.window(ref(1), 0) is None
    moved = messages.get("w", "a")
    assert moved is not None
    tight, left = cache(session_bytes=WINDOW_OVERHEAD + ONE)
    tight.add(entry("a"), 0)
    longer = rewrite_head(entry("a").head, text="x" * 1000)
    tight.move(ref(1), ref(2), lambda _: longer, 0)
    assert (0, {ref(2): 1001}) == (tight.usage().entries, left)
    assert ref(2) == moved.chat
    assert ref(2).id.encode() in moved.head


@pytest.mark.parametrize("text", ["x", "é" * 300])
def test_heads_hold_no_more_memory_than_they_are_long(text: str) -> None:
    """A head is of exact size: no encoder's buffer of 4 KB hangs on it."""
    head = entry("a", text=text).head
    assert sys.getsizeof(head) == len(head) + sys.getsizeof(b"")
    rewritten = rewrite_head(head, text="y")
    assert sys.getsizeof(rewritten) == len(rewritten) + sys.getsizeof(b"")


def test_restored_messages_stand_before_what_came_in_this_life() -> None:
    """Of one millisecond too, whatever order they are put back in; what is there stays as it is."""
    messages, left = cache()
    for id in ("n1", "n2"):
        messages.add(entry(id, 1000), 0)
    changed = messages.get("w", "n1")
    older = [entry(id, 1000) for id in ("o1", "o2", "n1")]
    for number, one in enumerate(older):
        one.order = placed(one.at, number)
    assert messages.restore(older[1:], 0.8, 0)
    assert messages.restore(older[:1], 0.8, 0)
    assert kept(messages, ref()) == ["n2", "n1", "o2", "o1"]
    assert messages.get("w", "n1") is changed
    assert left == {}


def test_restoring_evicts_nobody_and_fills_a_part() -> None:
    """It stops where a bound is filled to the share; the restored chat is the coldest."""
    bound = 20 * ONE
    messages, left = cache(total_bytes=bound)
    messages.add(entry("hot", chat=ref(1)), 0)
    assert messages.restore([entry(f"a{n}", n, ref(2)) for n in range(5)], 0.8, 0)
    assert messages.restore([entry(f"b{n}", n, ref(2)) for n in range(5)], 0.8, 0)
    assert not messages.restore([entry(f"c{n}", n, ref(3)) for n in range(9)], 0.8, 0)
    assert (left, kept(messages, ref(3))) == ({}, [])
    assert not messages.is_filled(0.8)
    assert messages.is_filled(0.6)
    for number in range(12):
        messages.add(entry(f"new{number}", chat=ref(1)), 0)
    assert list(left) == [ref(2)]
    assert messages.usage().used_bytes <= bound


def test_restoring_heeds_a_chats_own_bounds() -> None:
    """In messages and in bytes."""
    messages, _ = cache(chat_messages=3)
    assert messages.restore([entry(f"a{n}", n) for n in range(3)], 0.8, 0)
    assert not messages.restore([entry("b", 9)], 0.8, 0)
    messages, _ = cache(chat_bytes=4 * ONE)
    assert not messages.restore([entry(f"a{n}", n) for n in range(4)], 0.8, 0)


def test_a_time_beyond_all_reason_stands_where_it_arrived() -> None:
    """Before 1970 or after 2248: as the past counts it."""
    messages, _ = cache()
    for id, at in (("a", LATEST + 9), ("b", LATEST + 5), ("c", -5), ("d", 3)):
        messages.add(entry(id, at), 0)
    assert kept(messages, ref()) == ["b", "a", "d", "c"]
