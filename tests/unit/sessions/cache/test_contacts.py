from __future__ import annotations

from hypothesis import given, settings, strategies as st
from msgspec.structs import replace

from sessions.cache.contacts import ContactCache
from sessions.ids import SessionKey
from sessions.models import Contact

KEY = SessionKey("w", "s1")


def contact(number: int = 1, session: str = "s1", **known: str) -> Contact:
    """Return a contact of which some is known."""
    jid = f"55119{number:08d}@s.whatsapp.net"
    empty = Contact(
        session=session,
        jid=jid,
        pn=jid,
        lid=None,
        name=None,
        push_name=None,
        picture_id=None,
        picture_url=None,
    )
    return replace(empty, **known)


def test_what_is_learned_is_joined_to_what_is_known() -> None:
    """News replaces, silence leaves; only a change is told."""
    contacts = ContactCache(100_000)
    assert contact(name="Ana") == contacts.learn(KEY, contact(name="Ana"))
    both = contacts.learn(KEY, contact(push_name="ana s"))
    assert contact(name="Ana", push_name="ana s") == both
    assert contacts.learn(KEY, contact(name="Ana")) is None
    assert both == contacts.get(KEY, contact().jid)
    assert contacts.get(SessionKey("w", "s2"), contact().jid) is None


def test_pages_go_by_session_and_jid() -> None:
    """Each contact once, of one session where it is named, none of another workspace."""
    contacts = ContactCache(100_000)
    for number in (3, 1, 2):
        contacts.learn(KEY, contact(number))
    contacts.learn(SessionKey("w", "s2"), contact(9, "s2"))
    contacts.learn(SessionKey("v", "s1"), contact(8))
    first, after = contacts.page("w", None, None, 2)
    second, end = contacts.page("w", None, after, 2)
    assert [contact(1), contact(2), contact(3), contact(9, "s2")] == [*first, *second]
    assert end is None
    assert ([contact(9, "s2")], None) == contacts.page("w", "s2", None, 5)
    assert ([contact(3)], None) == contacts.page("w", "s1", ("s1", contact(2).jid), 5)
    assert contacts.page("nobody", None, None, 5) == ([], None)


def test_pages_show_no_session_that_is_not_visible() -> None:
    """Page by page, also behind a place in a session that is not."""
    contacts = ContactCache(100_000)
    for session in ("s1", "s2", "s3"):
        for number in (1, 2):
            contacts.learn(SessionKey("w", session), contact(number, session))
    visible = frozenset({"s1", "s3", "none"})
    first, after = contacts.page("w", None, None, 3, visible)
    second, end = contacts.page("w", None, after, 3, visible)
    assert [one.session for one in [*first, *second]] == ["s1", "s1", "s3", "s3"]
    assert end is None
    assert contacts.page("w", "s2", None, 5, visible) == ([], None)
    assert contacts.page("w", None, None, 5, frozenset()) == ([], None)
    behind, _ = contacts.page("w", None, ("s2", contact(1).jid), 5, visible)
    assert [one.session for one in behind] == ["s3", "s3"]
    named, _ = contacts.page("w", "s3", None, 5, visible)
    assert named == [contact(1, "s3"), contact(2, "s3")]


def test_a_session_that_goes_takes_its_contacts_along() -> None:
    """Only its own."""
    contacts = ContactCache(100_000)
    contacts.learn(KEY, contact(1))
    contacts.learn(SessionKey("w", "s2"), contact(1, "s2"))
    contacts.drop_session(KEY)
    contacts.drop_session(SessionKey("nobody", "s1"))
    assert ([contact(1, "s2")], None) == contacts.page("w", None, None, 5)
    assert contacts.usage().entries == 1


def test_a_contact_over_the_bound_is_not_kept() -> None:
    """Neither new nor grown, and no page stumbles over it."""
    contacts = ContactCache(1_500)
    assert contacts.learn(KEY, contact(1, name="x" * 2000)) is None
    contacts.learn(KEY, contact(1))
    assert contacts.learn(KEY, contact(1, name="x" * 2000)) is None
    assert contacts.page("w", None, None, 5) == ([], None)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 400)), max_size=40))
def test_the_index_holds_what_the_cache_holds(news: list[tuple[int, int]]) -> None:
    """After any evictions, pages show exactly what is kept, within the bound."""
    contacts = ContactCache(5_000)
    for number, size in news:
        contacts.learn(KEY, contact(number, name="x" * size))
        page, _ = contacts.page("w", "s1", None, 100)
        assert len(page) == contacts.usage().entries
        assert contacts.usage().used_bytes <= 5_000


def test_contacts_put_back_leave_first_and_change_nothing() -> None:
    """Who is here is known better; a part of the bound is filled at most."""
    contacts = ContactCache(2500)
    contacts.learn(KEY, contact(1, name="here"))
    contacts.restore(KEY, contact(1, name="before"))
    assert contacts.restore_cold(KEY, contact(1, name="before"), 0.8)
    assert contacts.restore_cold(KEY, contact(2), 0.8)
    assert not contacts.restore_cold(KEY, contact(3), 0.8)
    assert contacts.is_whole
    contacts.restore(KEY, contact(4))
    contacts.restore(KEY, contact(5))
    assert not contacts.is_whole
    found, _ = contacts.page("w", None, None, 9)
    assert [(one.jid, one.name) for one in found] == [
        (contact(1).jid, "here"),
        (contact(4).jid, None),
        (contact(5).jid, None),
    ]
