from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from sessions import ids
from sessions.errors import InvalidId, InvalidJid

PN = "5511999990000@s.whatsapp.net"

canonical = st.one_of(
    st.from_regex(r"[1-9][0-9]{6,14}@s\.whatsapp\.net", fullmatch=True),
    st.from_regex(r"[0-9]{5,20}@lid", fullmatch=True),
    st.from_regex(r"[0-9]{5,20}(-[0-9]{5,20})?@g\.us", fullmatch=True),
    st.from_regex(r"[0-9]{5,25}@newsletter", fullmatch=True),
    st.sampled_from(["status@broadcast", "0@s.whatsapp.net", "12345@broadcast"]),
).filter(str.isascii)
sessions = st.from_regex(ids.SESSION_PATTERN, fullmatch=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5511999990000", PN),
        ("+5511999990000", PN),
        (" +55 (11) 99999-0000 ", PN),
        ("5511999990000@c.us", PN),
        (PN, PN),
        ("5511999990000:12@s.whatsapp.net", PN),
        ("5511999990000.0:12@s.whatsapp.net", PN),
        ("5511999990000@hosted", PN),
        ("123456789012345@lid", "123456789012345@lid"),
        ("123456789012345:3@hosted.lid", "123456789012345@lid"),
        ("120363012345678901@g.us", "120363012345678901@g.us"),
        ("5511999990000-1400000000@g.us", "5511999990000-1400000000@g.us"),
        ("120363012345678901@newsletter", "120363012345678901@newsletter"),
        ("status@broadcast", "status@broadcast"),
        ("0@s.whatsapp.net", "0@s.whatsapp.net"),
    ],
)
def test_address_forms_have_one_canonical_jid(text: str, expected: str) -> None:
    """Every form of an address that people and programs write leads to one JID."""
    assert expected == ids.parse_jid(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "ana",
        "123",
        "1234567890123456",
        "++5511999990000",
        "5511999990000@",
        "@s.whatsapp.net",
        "5511999990000@example.com",
        "ana@s.whatsapp.net",
        "5511999990000@s.whatsapp.net@lid",
        "٥٥١١٩٩٩٩٩٠٠٠٠",
        "../../etc/passwd@g.us",
        "5511999990000\n@s.whatsapp.net",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """Anything else is `invalid_jid`, with what to do about it."""
    with pytest.raises(InvalidJid) as refusal:
        ids.parse_jid(text)
    assert refusal.value.user_action is not None


@given(canonical)
def test_canonical_jids_are_fixed_points(jid: str) -> None:
    """A canonical JID parses to itself."""
    assert jid == ids.parse_jid(jid)


@given(sessions.filter(str.isascii), canonical)
def test_chat_ids_round_trip(session: str, jid: str) -> None:
    """A chat id splits into what it was made of, also when the JID has a device part."""
    assert (session, jid) == ids.split_chat_id(ids.chat_id(session, jid))
    ref = ids.ChatRef("w", session, jid)
    assert ref.id == ids.chat_id(session, jid)
    assert ids.SessionKey("w", session) == ref.key


@pytest.mark.parametrize("text", ["s1", "", "S1:5511999990000", ":5511999990000", "s1:", "a b:1"])
def test_what_is_no_chat_id_is_refused(text: str) -> None:
    """A chat id needs a session that may exist and an address."""
    with pytest.raises(InvalidId):
        ids.split_chat_id(text)


@pytest.mark.parametrize("name", ["a", "0", "acme-1", "a" * 60])
def test_workspace_names(name: str) -> None:
    """These can be workspaces."""
    assert name == ids.check_workspace(name)


@pytest.mark.parametrize("name", ["", "-a", "A", "a_b", "a" * 61, "a\n", "../a", "á"])
def test_workspace_names_that_cannot_be(name: str) -> None:
    """These cannot."""
    with pytest.raises(InvalidId):
        ids.check_workspace(name)


@pytest.mark.parametrize("name", ["a", "0", "vendas_1-b", "a" * 64])
def test_session_names(name: str) -> None:
    """These can be sessions."""
    assert name == ids.check_session(name)


@pytest.mark.parametrize("name", ["", "_a", "-a", "A", "a.b", "a" * 65, "a\n", "a:b", "a/b"])
def test_session_names_that_cannot_be(name: str) -> None:
    """These cannot."""
    with pytest.raises(InvalidId):
        ids.check_session(name)


@pytest.mark.parametrize(
    ("jid", "kind"),
    [
        (PN, "user"),
        ("123456789@lid", "user"),
        ("123456789@g.us", "group"),
        ("123456789@newsletter", "newsletter"),
        ("status@broadcast", "broadcast"),
    ],
)
def test_kind_of_a_chat(jid: str, kind: str) -> None:
    """The server part says what a chat is."""
    assert kind == ids.jid_kind(jid)
    assert jid.split("@", maxsplit=1)[0] == ids.jid_user(jid)


def test_inbound_ids_differ_by_each_of_their_parts() -> None:
    """A group member who repeats somebody's WhatsApp id does not repeat our id."""
    parts = ["s1", "1@g.us", "2@s.whatsapp.net", "3EB0"]
    made = {ids.inbound_message_id(*parts)}
    for place in range(4):
        others = [*parts[:place], "other", *parts[place + 1 :]]
        made.add(ids.inbound_message_id(*others))
    assert len(made) == 5


def test_inbound_ids_are_stable_and_url_safe() -> None:
    """A redelivery has the same id, and the id needs no quoting."""
    first = ids.inbound_message_id("s1", PN, PN, "3EB0")
    assert first == ids.inbound_message_id("s1", PN, PN, "3EB0")
    assert first.replace("-", "").replace("_", "").isalnum()
    assert len(first) == 28
