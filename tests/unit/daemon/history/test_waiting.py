"""The queue: order, one place a thing, bounds."""

from __future__ import annotations

from daemon.history.models import Dropped, Moved, Record
from daemon.history.waiting import Mark, Places, Waiting
from sessions.ids import ChatRef, SessionKey
from tests.unit.daemon.history.samples import CHAT, chat, contact, message

KEY = SessionKey("acme", "main")
LID = ChatRef("acme", "main", "200000000000001@lid")
ROOM = 1_000_000


def put(waiting: Waiting, id: str, text: str = "hello", nbytes: int = 100) -> bool:
    """Put a message."""
    return waiting.message(CHAT, id, lambda: message(id, text), nbytes)


def taken(waiting: Waiting, most: int = 1000) -> list[Record | Mark]:
    """Take and return what the places give."""
    return given(waiting.take(most, ROOM))


def given(places: Places) -> list[Record | Mark]:
    """Return records and marks."""
    found: list[Record | Mark] = []
    for _, (what, _, _) in places:
        if callable(what):
            found.append(what())
        elif isinstance(what, Mark):
            found.append(what)
    return found


def test_each_thing_has_one_place_where_it_came_first() -> None:
    """With its newest state; a chat's row, a contact and a message of one chat are three."""
    waiting = Waiting(ROOM)
    put(waiting, "m1", "first")
    waiting.chat(CHAT, chat)
    waiting.contact(contact())
    put(waiting, "m2")
    put(waiting, "m1", "second")
    waiting.chat(CHAT, lambda: chat(name="Anna B."))
    assert waiting.records == 4
    assert taken(waiting) == [
        message("m1", "second"),
        chat(name="Anna B."),
        contact(),
        message("m2"),
    ]


def test_one_id_in_two_workspaces_is_two_messages() -> None:
    """Ids are unique in a workspace only."""
    waiting = Waiting(ROOM)
    put(waiting, "m1")
    other = ChatRef("rival", "main", CHAT.jid)
    waiting.message(other, "m1", lambda: message("m1", chat=other), 100)
    assert len(taken(waiting)) == 2


def test_what_comes_after_a_deletion_does_not_join_what_came_before() -> None:
    """Else the deletion would take it along."""
    waiting = Waiting(ROOM)
    put(waiting, "m1", "old")
    waiting.divide(Dropped(*KEY))
    put(waiting, "m1", "new")
    assert taken(waiting) == [message("m1", "old"), Dropped(*KEY), message("m1", "new")]


def test_a_mark_stands_behind_everything_before_it() -> None:
    """A later one takes the place of a recent one; not for ever, so that it is told under load."""
    waiting = Waiting(ROOM)
    put(waiting, "m1")
    waiting.mark(KEY, 1)
    put(waiting, "m2")
    waiting.mark(KEY, 2)
    assert taken(waiting) == [message("m1"), message("m2"), Mark(KEY, 2)]
    for n in range(2000):
        put(waiting, f"n{n}")
        waiting.mark(KEY, 10 + n)
    marks = [each for each in taken(waiting, 5000) if isinstance(each, Mark)]
    assert 3 <= len(marks) <= 5
    assert marks[-1] == Mark(KEY, 2009)


def test_the_bound_holds_for_what_is_new() -> None:
    """What is there may change; a deletion is taken all the same."""
    waiting = Waiting(1000)
    assert put(waiting, "m1")
    assert put(waiting, "m2")
    assert not put(waiting, "m3")
    assert put(waiting, "m1", "changed", nbytes=5)
    waiting.divide(Moved(LID, CHAT))
    assert not waiting.chat(CHAT, chat)
    assert waiting.records == 3
    assert len(taken(waiting)) == 3


def test_what_was_taken_weighs_until_it_is_released() -> None:
    """It is in RAM until then."""
    waiting = Waiting(ROOM)
    put(waiting, "m1", nbytes=700)
    waiting.mark(KEY, 1)
    weight = waiting.nbytes
    places = waiting.take(10, ROOM)
    assert (len(waiting), waiting.nbytes, waiting.records) == (0, weight, 1)
    waiting.release(places)
    assert (waiting.nbytes, waiting.records) == (0, 0)


def test_batches_are_bounded_by_count_and_bytes() -> None:
    """At least one place, however large."""
    waiting = Waiting(ROOM)
    for n in range(10):
        put(waiting, f"m{n}", nbytes=1000)
    assert len(waiting.take(3, ROOM)) == 3
    assert len(waiting.take(100, 2000)) == 2
    assert len(waiting.take(100, 1)) == 1


def test_a_batch_does_not_end_between_a_move_and_the_row_behind_it() -> None:
    """Killed there, what the old chat counted would be gone and counted by nobody."""
    waiting = Waiting(ROOM)
    put(waiting, "m1")
    waiting.divide(Moved(LID, CHAT))
    waiting.chat(CHAT, chat)
    put(waiting, "m2")
    assert taken(waiting, 1) == [message("m1")]
    assert taken(waiting, 1) == [Moved(LID, CHAT), chat()]
    assert taken(waiting, 1) == [message("m2")]


def test_what_is_given_back_is_first_again() -> None:
    """In its old order; what is newer of the same keeps its state and gets the earlier place."""
    waiting = Waiting(ROOM)
    for n in range(4):
        put(waiting, f"m{n}", "old")
    waiting.mark(KEY, 1)
    places = waiting.take(5, ROOM)
    put(waiting, "m9")
    put(waiting, "m1", "new")
    waiting.mark(KEY, 2)
    waiting.give_back(places)
    assert waiting.records == 5
    assert taken(waiting) == [
        message("m0", "old"),
        message("m1", "new"),
        message("m2", "old"),
        message("m3", "old"),
        message("m9"),
        Mark(KEY, 2),
    ]


def test_it_knows_whether_it_may_hold_something_of_a_chat() -> None:
    """A merge may bring something into any."""
    waiting = Waiting(ROOM)
    waiting.mark(KEY, 1)
    waiting.contact(contact())
    assert not waiting.may_hold(CHAT)
    put(waiting, "m1")
    assert waiting.may_hold(CHAT)
    assert not waiting.may_hold(LID)
    waiting.divide(Moved(CHAT, LID))
    assert waiting.may_hold(LID)
