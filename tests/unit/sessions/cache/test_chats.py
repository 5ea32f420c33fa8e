from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from sessions.cache import chats as module
from sessions.cache.chats import ChatCache, ChatQuery, ChatRow
from sessions.ids import ChatRef
from sessions.ports import Annotation
from tests.support.recorders import Json
from tests.unit.sessions.cache.entries import entry, ref, row

ROOMY = 1_000_000


def listed(chats: ChatCache, **query: Json) -> list[str]:
    """Return the JIDs of all pages of a list, page by page."""
    found: list[str] = []
    wanted = ChatQuery("w", **query)
    while True:
        page = chats.page(wanted)
        assert len(page.rows) <= wanted.limit
        found += [r.ref.jid for r in page.rows]
        if page.next is None:
            return found
        wanted = wanted._replace(after=page.next)


def jids(*numbers: int) -> list[str]:
    """Return the JIDs of chats."""
    return [ref(number).jid for number in numbers]


def filled(*rows: ChatRow) -> ChatCache:
    """Return a cache with these rows."""
    chats = ChatCache(ROOMY)
    for one in rows:
        chats.add(one)
    return chats


def test_chats_are_listed_by_activity() -> None:
    """Newest first, of one time by their ids, and a chat that becomes active moves up."""
    chats = filled(row(1, 10), row(2, 30), row(3, 20), row(4, 20))
    assert jids(2, 3, 4, 1) == listed(chats)
    moved = chats.get(ref(1))
    assert moved is not None
    with chats.unindexed(moved):
        moved.updated_at = 40
    assert jids(1, 2, 3, 4) == listed(chats)


def test_lists_are_of_a_workspace_and_maybe_a_session() -> None:
    """Nothing of another workspace or session is in them."""
    chats = filled(row(1, 1), row(2, 2, "s2"))
    other = ChatRow(ref(3, workspace="v"))
    chats.add(other)
    assert jids(2, 1) == listed(chats)
    assert jids(2) == listed(chats, session="s2")
    assert listed(chats, session="s3") == []
    assert [other] == chats.page(ChatQuery("v")).rows
    assert [ref(1)] == chats.of_session("w", "s1")


def test_unread_chats_are_an_index_of_their_own() -> None:
    """A chat is in it exactly while it has unread messages."""
    chats = filled(row(1, 1, unread=2), row(2, 2))
    assert jids(1) == listed(chats, unread=True)
    read, unread = chats.peek(ref(1)), chats.peek(ref(2))
    assert read is not None
    assert unread is not None
    with chats.unindexed(read):
        read.unread = 0
    with chats.unindexed(unread):
        unread.unread = 1
    assert jids(2) == listed(chats, unread=True, session="s1")
    assert chats.unread_chats("w") == 1
    chats.remove(ref(2))
    assert chats.unread_chats("w") == 0


def test_a_list_can_end_at_a_time() -> None:
    """Only what was active after it."""
    chats = filled(row(1, 10), row(2, 20), row(3, 30))
    assert jids(3) == listed(chats, updated_after=20)


@pytest.mark.parametrize(
    ("needle", "expected"),
    [("ana", [1]), ("ção", [2]), ("5511000000003", [3]), ("+5511", [3, 2, 1]), ("zz", [])],
)
def test_chats_are_found_by_name_or_number(needle: str, expected: list[int]) -> None:
    """Case does not matter, a plus neither."""
    named = [row(1, 1), row(2, 2), row(3, 3)]
    named[0].name, named[1].name = "ANA Souza", "Conceição"
    assert jids(*expected) == listed(filled(*named), needle=needle, limit=1)


def test_a_search_looks_at_a_bounded_number_of_rows_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page may be empty and still say where to go on."""
    monkeypatch.setattr(module, "MAX_LOOKED_AT", 3)
    rows = [row(number, 100 - number) for number in range(1, 11)]
    rows[9].name = "ana"
    chats = filled(*rows)
    first = chats.page(ChatQuery("w", needle="ana"))
    assert first.rows == []
    assert first.next is not None
    assert jids(10) == listed(chats, needle="ana")


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["s1", "s2", "s3"]), st.integers(0, 1))),
    st.sets(st.sampled_from(["s1", "s2", "s3", "none"])),
    st.sampled_from([None, "s1", "s2"]),
    st.integers(1, 7),
    st.booleans(),
)
def test_lists_of_some_sessions_are_the_whole_list_without_the_others(
    rows: list[tuple[int, str, int]],
    sessions: set[str],
    session: str | None,
    limit: int,
    unread: bool,
) -> None:
    """In the same order, with the same filters, page by page."""
    chats = filled(*(row(i, at, name, count) for i, (at, name, count) in enumerate(rows)))
    whole = ChatQuery("w", limit=1000, session=session, unread=unread)
    expected = [r.ref.jid for r in chats.page(whole).rows if r.ref.session in sessions]
    seen = frozenset(sessions)
    assert expected == listed(chats, session=session, unread=unread, limit=limit, sessions=seen)


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=30),
    st.integers(1, 7),
    st.lists(st.tuples(st.integers(0, 29), st.integers(6, 9)), max_size=10),
)
def test_pages_cover_each_row_that_stays_exactly_once(
    times: list[int], limit: int, moves: list[tuple[int, int]]
) -> None:
    """Rows that become active while somebody pages never make others be skipped or repeated."""
    chats = filled(*(row(number, at) for number, at in enumerate(times)))
    moved: set[str] = set()
    found: list[str] = []
    query = ChatQuery("w", limit=limit)
    todo = list(moves)
    while True:
        page = chats.page(query)
        found += [r.ref.jid for r in page.rows]
        if page.next is None:
            break
        query = query._replace(after=page.next)
        if todo:
            number, at = todo.pop()
            mover = chats.peek(ref(number))
            if mover is not None:
                moved.add(mover.ref.jid)
                with chats.unindexed(mover):
                    mover.updated_at = at
    assert len(found) == len(set(found))
    assert {ref(number).jid for number in range(len(times))} - moved <= set(found)


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["add", "touch", "read", "rename", "label", "last", "remove"]),
        st.integers(0, 12),
        st.integers(0, 400),
    ),
    max_size=60,
)


@settings(deadline=None)
@given(OPERATIONS)
def test_the_books_are_right_whatever_happens(operations: list[tuple[str, int, int]]) -> None:
    """Bytes stay within the bound, and every index holds exactly the rows that it should."""
    chats = ChatCache(20_000)
    for what, number, value in operations:
        known = chats.peek(ref(number, f"s{number % 2}"))
        if what == "add" and known is None:
            chats.add(row(number, value, f"s{number % 2}", unread=value % 3))
        elif what == "remove":
            assert (known is None) == (chats.remove(ref(number, f"s{number % 2}")) is None)
        elif known is not None:
            with chats.unindexed(known):
                change(known, what, value)
        books(chats)


def change(known: ChatRow, what: str, value: int) -> None:
    """Change one of the things that a row is ordered, listed or weighed by."""
    if what == "touch":
        known.updated_at = value
    elif what == "read":
        known.unread = value % 2
    elif what == "label":
        known.annotation = Annotation(b"", tuple("abc"[: value % 4]), value)
    elif what == "rename":
        known.name = "x" * value * 30
    else:
        known.last = entry("m", value, known.ref, text="x" * value)


def books(chats: ChatCache, bound: int = 20_000) -> None:
    """Hold the indexes and weights of a cache against its rows."""
    rows = [chats._rows[key] for key in list(chats._rows)]  # noqa: SLF001 - books
    assert chats.usage().used_bytes == sum(r.nbytes for r in rows) <= bound
    expected: dict[tuple[str, str | None, str | None], list[ChatRef]] = {}
    for one in sorted(rows, key=lambda r: r.order):
        for session in (None, one.ref.session):
            for label in (None, *one.labels):
                expected.setdefault((one.ref.workspace, session, label), []).append(one.ref)
    indexes = {name: [r.ref for r in index] for name, index in chats._indexes.items()}  # noqa: SLF001 - books
    assert expected == indexes


def test_the_least_used_chats_make_room() -> None:
    """They leave every list."""
    chats = ChatCache(5_000)
    for number in range(9):
        chats.add(row(number, number, unread=1))
    assert 0 < len(listed(chats)) == len(listed(chats, unread=True)) < 9
    assert listed(chats)[0] == ref(8).jid
    books(chats)


def labelled(number: int, *labels: str, unread: int = 0) -> ChatRow:
    """Return a chat with labels; the higher its number, the older it is."""
    made = row(number, 1000 - number, unread=unread)
    made.annotation = Annotation(b'"x":1', labels, 100)
    return made


def test_chats_are_listed_by_labels_that_they_have_and_lack() -> None:
    """All that are asked for, together with the other filters; none that is not to be there."""
    chats = filled(
        labelled(1, "a:ana", "t:1"),
        labelled(2, "a:bob", unread=1),
        labelled(3, "t:1", "t:2"),
        row(4),
    )
    assert jids(1, 3) == listed(chats, labels=("t:1",), limit=1)
    assert jids(3) == listed(chats, labels=("t:1", "t:2"))
    assert listed(chats, labels=("t:1", "t:9")) == []
    assert jids(3, 4) == listed(chats, lacking=("a:",))
    assert jids(3) == listed(chats, lacking=("a:",), labels=("t:2",), session="s1")
    assert jids(2) == listed(chats, labels=("a:bob",), unread=True)
    assert [ref(1), ref(3)] == chats.labelled("w", "t:1")
    books(chats, ROOMY)


def test_a_chat_that_gets_other_labels_changes_lists() -> None:
    """Also its weight and what it shows."""
    chats = filled(labelled(1, "a:ana"), row(2))
    for number, annotation in ((1, Annotation()), (2, Annotation(b'"x":2', ("a:ana",), 50))):
        one = chats.peek(ref(number))
        assert one is not None
        with chats.unindexed(one):
            one.annotation = annotation
    assert jids(2) == listed(chats, labels=("a:ana",))
    books(chats, ROOMY)
    shown = [msgspec.json.decode(one.render()) for one in chats.page(ChatQuery("w")).rows]
    assert sorted(chat.get("x", 0) for chat in shown) == [0, 2]


def test_a_page_of_a_label_costs_what_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shortest list is read: a rare label is found among many chats at once."""
    monkeypatch.setattr(module, "MAX_LOOKED_AT", 3)
    many = [labelled(number, "s:closed") for number in range(1, 200)]
    chats = filled(*many, labelled(300, "s:closed", "t:rare"))
    page = chats.page(ChatQuery("w", labels=("s:closed", "t:rare")))
    assert ([one.ref for one in page.rows], page.next) == ([ref(300)], None)


def test_a_row_over_the_bound_is_not_kept() -> None:
    """Neither new nor grown."""
    chats = ChatCache(2_000)
    big = row(1)
    big.name = "x" * 1000
    chats.add(big)
    assert listed(chats) == []
    grown = row(2)
    chats.add(grown)
    with chats.unindexed(grown):
        grown.name = "x" * 1000
    assert listed(chats) == []
    assert chats.usage().entries == 0


def test_a_row_that_left_may_still_be_changed() -> None:
    """Whoever holds it does no harm."""
    chats = filled(row(1))
    gone = chats.remove(ref(1))
    assert gone is not None
    with chats.unindexed(gone):
        gone.unread = 3
    chats.weigh(gone)
    assert listed(chats) == []
    assert chats.remove(ref(1)) is None


def test_a_row_stays_listed_when_its_change_fails() -> None:
    """An error inside leaves the indexes whole."""
    chats = filled(row(1))
    listed_row = chats.peek(ref(1))
    assert listed_row is not None
    with pytest.raises(ZeroDivisionError), chats.unindexed(listed_row):
        listed_row.unread = 1 // 0
    assert jids(1) == listed(chats)


@pytest.mark.parametrize(
    ("jid", "name"),
    [("5511999990000@s.whatsapp.net", "+5511999990000"), ("123456789@lid", None), ("1@g.us", None)],
)
def test_a_chat_without_a_name_shows_its_number(jid: str, name: str | None) -> None:
    """Never a LID, which is nothing that people know."""
    chat = msgspec.json.decode(ChatRow(ChatRef("w", "s1", jid)).render())
    assert name == chat["name"]


def test_the_last_message_is_rendered_within_the_chat() -> None:
    """As the message's own resource."""
    last = entry("m1")
    one = row(1)
    one.last = last
    assert msgspec.json.decode(one.render())["last_message"] == msgspec.json.decode(last.render())


def test_it_knows_whether_a_row_left() -> None:
    """For want of room, or since it is too large; not when it is taken out."""
    chats = filled(row(1, 10), row(2, 20))
    chats.remove(ref(1))
    assert chats.is_whole
    small = ChatCache(row(1).nbytes + 10)
    small.add(row(1))
    assert small.is_whole
    small.add(row(2))
    assert not small.is_whole
    tiny = ChatCache(10)
    tiny.add(row(1))
    assert not tiny.is_whole


def test_who_is_to_know_hears_of_what_changes() -> None:
    """New and changed rows; not of those that are put back."""
    told: list[int] = []
    chats = ChatCache(ROOMY, lambda changed: told.append(changed.unread))
    old, new = row(1, unread=7), row(2)
    chats.restore(old)
    assert chats.restore_cold(row(3), 0.8)
    chats.add(new)
    with chats.unindexed(new):
        new.unread = 1
    new.name = "N"
    chats.weigh(new)
    assert told == [0, 1, 1]
    assert jids(1, 2, 3) == listed(chats)


def test_rows_put_back_leave_first_and_evict_nobody() -> None:
    """They fill a part of the bound at most."""
    chats = ChatCache(10 * row(1).nbytes)
    chats.add(row(1, 5))
    put_back = [number for number in range(2, 12) if chats.restore_cold(row(number), 0.8)]
    assert put_back == [*range(2, 9)]
    assert chats.is_whole
    for number in range(20, 24):
        chats.add(row(number))
    assert chats.peek(ref(1)) is not None
    assert not chats.is_whole
